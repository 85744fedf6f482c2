"""`compare`: several solvers on several instances, every solution judged again, gaps to the best proven bound."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, Any

from dtopt.bounds import dual_bound
from dtopt.errors import DtoptError, InputError, UnknownSolverError
from dtopt.guard import check_memory_limit
from dtopt.registry import load_solver, solver_info, solver_names
from dtopt.result import Status
from dtopt.stop import stopping
from reports.comparison import Case, Comparison, Row
from reports.judge import judge, refusal
from reports.runs import label, run_solver

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from dtopt.problem import Problem
    from dtopt.result import Incumbent, Result

__all__ = ["BOUND_PAIRS", "affordable_bound", "compare"]

#: Above this many pairs of user and station `compare` leaves `dual_bound` out, since it would take more than seconds.
BOUND_PAIRS = {"placement": 2_000_000, "migration": 250_000}


def compare(
    problems: Mapping[str, Problem] | Sequence[Problem],
    solvers: Sequence[str] | None = None,
    *,
    time_limit: float | None = None,
    memory_limit: float | None = None,
    seed: int = 0,
    runs: int = 1,
    options: Mapping[str, Mapping[str, Any]] | None = None,
    on_start: Callable[[str, str, int], None] | None = None,
    on_incumbent: Callable[[str, str, Incumbent], None] | None = None,
    on_row: Callable[[Row], None] | None = None,
    keep_going: bool = True,
) -> Comparison:
    """Run every solver on every problem and return what came of it.

    Parameters
    ----------
    problems : mapping or sequence
        The instances, by the label they are shown with; a sequence is labelled by the problems' names.
    solvers : sequence of str, optional
        Names; where not given, all registered solvers, each on the kinds of problem it takes.
    time_limit, memory_limit : float, optional
        For each run, s and GiB; see `dtopt.solve`.
    seed : int
        Of the first run; run r has seed + r.
    runs : int
        Runs of each solver on each problem.
    options : mapping, optional
        Options by solver.
    on_start, on_incumbent, on_row : callable, optional
        Called with label, solver and run before each run, with label, solver and incumbent at each new incumbent, and
        with each finished row.
    keep_going : bool
        Whether a solver that fails by an exception becomes a row (True) or ends the comparison.

    Returns
    -------
    Comparison
        On Ctrl-C what was finished so far, with `Comparison.interrupted` set.

    Raises
    ------
    UnknownSolverError
        If a solver was named that there is not.
    InputError
        On a bad seed, limit or option.
    """
    if runs < 1:
        raise InputError(f"must be >= 1, got {runs}", where="runs")
    if seed < 0:
        raise InputError(f"must be >= 0, got {seed}", where="seed")
    stopping(None, time_limit)
    check_memory_limit(memory_limit)
    labelled = label(problems)
    names = check_solvers(solvers)

    def run_one(text: str, name: str, run: int) -> Row:
        def noticed(step: Incumbent) -> None:
            if on_incumbent is not None:
                on_incumbent(text, name, step)

        if on_start is not None:
            on_start(text, name, run)
        given = (options or {}).get(name)
        try:
            result = run_solver(
                labelled[text],
                name,
                time_limit=time_limit,
                memory_limit=memory_limit,
                seed=seed + run,
                options=given,
                on_incumbent=noticed,
            )
        except Exception as error:
            # A solver from elsewhere may fail in any way; hours of other runs are not lost for it. Seed and limits are
            # checked by now: an error of dtopt is one solver's word on one instance.
            if not keep_going and not isinstance(error, DtoptError):
                raise
            status, message = refusal(error)
            return Row(text, name, run, seed + run, status, message=message)
        return _judged(text, name, run, labelled[text], result)

    cases: list[Case] = []
    rows: list[Row] = []
    interrupted = False
    try:
        for text, problem in labelled.items():
            # Before the runs, so that an interrupted comparison has its gaps too.
            cases.append(Case(text, problem, affordable_bound(problem)))
            for name, run in itertools.product(names, range(runs)):
                if solvers is None and not _takes(name, problem):
                    continue
                row = run_one(text, name, run)
                rows.append(row)
                if on_row is not None:
                    on_row(row)
                if row.status == Status.INTERRUPTED:
                    raise KeyboardInterrupt
    except KeyboardInterrupt:
        interrupted = True
    return Comparison(tuple(cases), tuple(rows), time_limit, seed, runs, interrupted)


def check_solvers(solvers: Sequence[str] | None) -> tuple[str, ...]:
    """Return the names, each once, in their order; all registered ones where none are given."""
    if solvers is None:
        return solver_names()
    for name in solvers:
        if name not in solver_names():
            load_solver(name)  # raises; one that is there but cannot be loaded shows as a row instead
    return tuple(dict.fromkeys(solvers))


def _takes(solver: str, problem: Problem) -> bool:
    """Return whether a solver takes the kind of problem; one that cannot be loaded shows as a row instead."""
    try:
        return problem.kind in solver_info(solver).problems
    except UnknownSolverError:
        return True


def affordable_bound(problem: Problem) -> float | None:
    """Return the dual bound, None where there is none or the instance is so large that it would take minutes."""
    if problem.n_users * problem.n_stations > BOUND_PAIRS[problem.kind]:
        return None
    bound = dual_bound(problem)
    return bound if math.isfinite(bound) else None


def _judged(text: str, name: str, run: int, problem: Problem, result: Result) -> Row:
    status, evaluation, message = judge(problem, result, result.solution)
    return Row(
        text,
        name,  # as it was asked for; a result may call itself something else
        run,
        result.seed,
        status,
        solution=result.solution if evaluation is not None else None,
        evaluation=evaluation,
        bound=result.bound if result.bound is not None and math.isfinite(result.bound) else None,
        trace=result.trace,
        wall_s=result.wall_s,
        cpu_s=result.cpu_s,
        message=message,
        versions=dict(result.versions),
    )
