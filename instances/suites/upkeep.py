"""Keeps the best-known table true: what is checked, and what is accepted as better."""

from __future__ import annotations

import datetime
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dtopt.bounds import dual_bound
from dtopt.errors import InputError
from dtopt.evaluation import evaluate
from dtopt.registry import solve
from instances.suites.recipes import checked, needs_data
from instances.suites.suite import Known

if TYPE_CHECKING:
    from collections.abc import Callable

    from dtopt.problem import Problem
    from dtopt.solution import Solution
    from instances.suites.suite import Entry, Suite

__all__ = ["AGREEMENT", "KEPT_USERS", "Finding", "accept_bound", "accept_solution", "prove", "verify"]

#: Relative slack within which a bound and a value still agree, and above which a value is better: exact solvers'.
AGREEMENT = 1e-6
#: A value is better where it is so by more than rounding.
ROUNDING = 1e-9
#: Solutions of instances with more users are not kept in the suite's file.
KEPT_USERS = 20_000


@dataclass(frozen=True)
class Finding:
    """What `verify` found of one instance.

    Parameters
    ----------
    name : str
    faults : tuple of str
        Empty where all is well.
    note : str
        What could not be checked, and why.
    """

    name: str
    faults: tuple[str, ...] = ()
    note: str = ""


def verify(
    suite: Suite,
    *,
    data: str | None = None,
    bounds: bool = False,
    on_finding: Callable[[Finding], None] | None = None,
) -> list[Finding]:
    """Make every instance again, compare hashes, and judge best-known solutions and bounds.

    Parameters
    ----------
    suite : Suite
    data : str, optional
        Folder with real data.
    bounds : bool
        Whether to hold best-known values against a dual bound computed anew, too.
    on_finding : callable, optional
        Called with each finding.
    """
    found = []
    for entry in suite.instances:
        finding = _look(entry, data=data, bounds=bounds)
        found.append(finding)
        if on_finding is not None:
            on_finding(finding)
    return found


def _look(entry: Entry, *, data: str | None, bounds: bool) -> Finding:
    faults, note = [], ""
    try:
        problem = checked(entry.recipe, entry.hash, data=data)
    except InputError as error:
        if needs_data(entry.recipe) and "hash" not in str(error):
            note = f"not made again: {error}"
        else:
            faults.append(str(error))
        problem = None
    if problem is not None:
        sizes = (problem.kind, problem.n_users, problem.n_stations, problem.maximise)
        if sizes != (entry.kind, entry.users, entry.stations, entry.maximise):
            faults.append("its kind or sizes are not those of the instance")
        faults += _judge_constant(entry, problem) + _judge_best(entry, problem)
        if bounds and entry.best is not None:
            faults += _contradiction(entry, dual_bound(problem), entry.best.value, "the dual bound computed anew")
    if entry.best is not None and entry.bound is not None:
        faults += _contradiction(entry, entry.bound.value, entry.best.value, "the bound of the table")
    return Finding(entry.name, tuple(faults), note)


def _judge_constant(entry: Entry, problem: Problem) -> list[str]:
    kept, found = entry.uncontrollable_objective, problem.uncontrollable_objective
    if kept is None or math.isclose(kept, found, rel_tol=ROUNDING):
        return []
    return [f"uncontrollable objective {kept:.10g}, the problem has {found:.10g}"]


def _judge_best(entry: Entry, problem: Problem) -> list[str]:
    if entry.best is None:
        return []
    try:
        solution = entry.best.solution
        if solution is None:
            return []
        solution.check(problem)
    except InputError as error:
        return [f"best-known solution: {error}"]
    judged = evaluate(problem, solution)
    if not judged.feasible:
        return [f"the evaluator rejects the best-known solution: {judged.violations[0].message}"]
    if not math.isclose(judged.objective, entry.best.value, rel_tol=ROUNDING):
        return [f"best-known value {entry.best.value:.10g}, the evaluator finds {judged.objective:.10g}"]
    return []


def _contradiction(entry: Entry, bound: float, value: float, what: str) -> list[str]:
    beyond = value - bound if entry.maximise else bound - value
    if beyond > AGREEMENT * max(abs(value), abs(bound)):
        return [f"best-known value {value:.10g} contradicts {what}, {bound:.10g}"]
    return []


def accept_solution(entry: Entry, problem: Problem, solution: Solution, how: str) -> tuple[Entry, str]:
    """Return the entry with a better solution, and what was done in one line.

    Raises
    ------
    InputError
        If the evaluator rejects it, or it contradicts the proven bound.
    """
    # In the form in which it is kept: CPU shares are those of the sharing policy.
    kept = type(solution)(solution.association, solution.open_servers)
    kept.check(problem)
    judged = evaluate(problem, kept)
    if not judged.feasible:
        raise InputError(f"the evaluator rejects the solution: {judged.violations[0].message}", where=entry.name)
    value = judged.objective
    if entry.bound is not None and (fault := _contradiction(entry, entry.bound.value, value, "the proven bound")):
        raise InputError(fault[0].replace("best-known value", "the solution's"), where=entry.name)
    if entry.best is not None:
        gain = value - entry.best.value if entry.maximise else entry.best.value - value
        if gain <= ROUNDING * abs(entry.best.value):
            return entry, f"{entry.name}: {value:.10g} is no better than the best known, {entry.best.value:.10g}"
    before = "unknown" if entry.best is None else f"{entry.best.value:.10g}"
    best = Known.of(value, how, _today(), kept)
    if problem.n_users > KEPT_USERS:
        best = best.model_copy(update={"association": None, "open_servers": None})
    return entry.model_copy(update={"best": best}), f"{entry.name}: best known {before} -> {value:.10g}"


def accept_bound(entry: Entry, value: float, how: str) -> tuple[Entry, str]:
    """Return the entry with a tighter bound that was just computed, and what was done in one line.

    Raises
    ------
    InputError
        If the best-known solution contradicts it.
    """
    if not math.isfinite(value):
        return entry, f"{entry.name}: no bound was found"
    if entry.best is not None and (fault := _contradiction(entry, value, entry.best.value, "the new bound")):
        raise InputError(fault[0], where=entry.name)
    if entry.bound is not None:
        gain = entry.bound.value - value if entry.maximise else value - entry.bound.value
        if gain <= ROUNDING * abs(value):
            return entry, f"{entry.name}: {value:.10g} is no tighter than the bound known, {entry.bound.value:.10g}"
    before = "unknown" if entry.bound is None else f"{entry.bound.value:.10g}"
    bound = Known(value=value, how=how, date=_today())
    return entry.model_copy(update={"bound": bound}), f"{entry.name}: bound {before} -> {value:.10g}"


def prove(entry: Entry, problem: Problem, seconds: float, seed: int = 0) -> tuple[Entry, list[str]]:
    """Return the entry with what `exact` proves (where the problem is too large for it, `auto`), and what was done.

    A bound is never taken from anybody: it is computed here.
    """
    from dtopt.errors import UnsupportedProblemError

    start = None if entry.best is None else entry.best.solution
    solver = "exact"
    try:
        result = solve(problem, solver, time_limit=seconds, seed=seed, start=start)
    except UnsupportedProblemError:
        solver = "auto"
        result = solve(problem, solver, time_limit=seconds, seed=seed, start=start)
    how = f"{solver} of dtopt {result.versions['dtopt']}, {seconds:g} s, seed {seed}"
    done = []
    if result.solution is not None:
        entry, line = accept_solution(entry, problem, result.solution, how)
        done.append(line)
    if result.bound is not None:
        entry, line = accept_bound(entry, result.bound, how)
        done.append(line)
    return entry, done


def _today() -> str:
    return datetime.datetime.now(datetime.UTC).date().isoformat()
