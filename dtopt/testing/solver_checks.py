"""The contract of `dtopt.registry.Solver` as named checks, in the manner of scikit-learn's ``check_estimator``."""

from __future__ import annotations

import inspect
import itertools
import os
import random
import signal
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dtopt.errors import DtoptError, UnsupportedProblemError
from dtopt.io import read_solution, write_solution
from dtopt.registry import load_solver
from dtopt.result import Status
from dtopt.stop import AnyOf, GapReached, MaxRuntime
from dtopt.testing.answers import check_answer, check_result, impossible
from dtopt.testing.checks import Check, ensure, run_checks
from dtopt.testing.oracle import brute_force
from dtopt.testing.tiny import OBJECTIVES, SHARINGS, tiny_problem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dtopt.problem import Problem
    from dtopt.registry import Solver
    from dtopt.result import Result

__all__ = ["check_solver", "solver_checks"]

KINDS = ("placement", "migration")
_COMMON = ("time_limit", "seed", "stop", "on_incumbent")
#: How long the run of `check_time_limit` may take, and how much longer a loaded machine may make it, s.
LIMIT_S, GRACE_S = 1.0, 10.0


def check_solver(solver: str | Solver, *, time_limit: float = 20.0, **options: Any) -> None:
    """Check that a solver keeps the contract of `dtopt.registry.Solver`; for authors of plug-ins.

    Runs it on tiny problems of every kind that it takes, where brute force knows the optimum, and looks at what it
    leaves behind. Takes seconds for a solver that takes milliseconds.

    Parameters
    ----------
    solver : str or callable
        A registered name, or the function itself.
    time_limit : float
        Of each run, s.
    **options
        The solver's own, given to every run.

    Raises
    ------
    CheckFailed
        If a check fails; lists every check that did, with what was seen.

    Examples
    --------
    >>> from dtopt.testing import check_solver
    >>> check_solver("greedy")
    """
    name = solver if isinstance(solver, str) else getattr(solver, "__name__", repr(solver))
    run_checks(solver_checks(solver, time_limit=time_limit, **options), name)


def solver_checks(solver: str | Solver, *, time_limit: float = 20.0, **options: Any) -> list[Check]:
    """Return the checks of `check_solver` one by one, for ``pytest.mark.parametrize``."""
    subject = _Subject(solver, time_limit, options)
    return [Check(check.__name__, partial(check, subject)) for check in CHECKS]


class _Subject:
    """The solver under test: loaded when first run, and called as `dtopt.solve` calls it."""

    def __init__(self, solver: str | Solver, time_limit: float, options: dict[str, Any]) -> None:
        self._solver, self.time_limit, self.options = solver, time_limit, options

    @property
    def function(self) -> Any:
        return load_solver(self._solver) if isinstance(self._solver, str) else self._solver

    @property
    def kinds(self) -> tuple[str, ...]:
        return tuple(getattr(self.function, "problems", KINDS))

    def solve(self, problem: Problem, *, seed: int = 5, **changes: Any) -> Result:
        if "stop" not in changes:
            changes.setdefault("time_limit", self.time_limit)
        result: Result = self.function(problem, seed=seed, **{**self.options, **changes})
        return result

    def samples(self, users: int = 5, stations: int = 3) -> Iterator[tuple[Problem, Result]]:
        """One problem of each kind with the solver's answer; sharing is the one it takes."""
        for kind in self.kinds:
            for sharing in SHARINGS:
                problem = tiny_problem(11, kind=kind, users=users, stations=stations, sharing=sharing)
                try:
                    result = self.solve(problem)
                except UnsupportedProblemError:
                    continue
                yield problem, result
                break


def check_signature(subject: _Subject) -> None:
    """The common arguments are there with defaults, and options have defaults, so that every tool can call it."""
    parameters = inspect.signature(subject.function).parameters
    taken = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    for name in _COMMON:
        ensure(name in parameters or taken, f"takes no argument {name!r}; see dtopt.registry.Solver")
    for parameter in list(parameters.values())[1:]:
        if parameter.kind in {parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL}:
            continue
        ensure(parameter.kind is parameter.KEYWORD_ONLY, f"{parameter.name!r} must be keyword-only: put it after *")
        given = parameter.default is not parameter.empty or parameter.name in subject.options
        ensure(given, f"option {parameter.name!r} has no default; `dtopt compare` could not run the solver")


def check_description(subject: _Subject) -> None:
    """It says in one line what it is, and which kinds of problem it takes."""
    function = subject.function
    summary = getattr(function, "summary", None) or (function.__doc__ or "").strip().partition("\n")[0]
    ensure(summary.endswith("."), f"the first line of its docstring must be a sentence with a full stop: {summary!r}")
    ensure(subject.kinds, "`problems` is empty")
    unknown = set(subject.kinds) - set(KINDS)
    ensure(not unknown, f"`problems` names {', '.join(map(repr, unknown))}; there are {' and '.join(KINDS)}")


def check_answers(subject: _Subject) -> None:
    """Answers on all kinds of problem: feasible, as the evaluator says, bounded truly, infeasible only if so."""
    modes = ((False, "hard"), (True, "hard"), (True, "soft"))
    for kind in subject.kinds:
        solved = 0
        variants = itertools.product(SHARINGS, OBJECTIVES[: 2 if kind == "placement" else 1], modes)
        for seed, (sharing, objective, (deadlines, mode)) in enumerate(variants):
            problem = tiny_problem(
                seed,
                kind=kind,
                sharing=sharing,
                objective=objective,
                deadlines=deadlines,
                mode=mode,
                capacities=seed % 2 == 0,
                limited_servers=seed % 3 == 0,
                users=min(5, 2 + seed % 4),
            )
            said = f"{kind}, {sharing} sharing, {mode} deadlines, tiny_problem({seed})"
            try:
                result = subject.solve(problem)
            except UnsupportedProblemError as refused:
                ensure("\n" not in str(refused) and str(refused), f"{said}: refused without one line that says why")
                continue
            solved += result.solution is not None
            try:
                check_answer(problem, result, brute_force(problem)[0])
            except AssertionError as failure:
                ensure(False, f"{said}: {failure}")
        ensure(solved, f"takes {kind} problems and solved none of the tiny ones; set `problems`")


def check_result_tells_the_run(subject: _Subject) -> None:
    """The result carries solver, seed, times, versions, and is JSON."""
    for problem, result in subject.samples():
        check_result(problem, result)
        ensure(result.seed == 5, f"was given seed 5 and says {result.seed}")


def check_same_seed_same_answer(subject: _Subject) -> None:
    """A second run with the same seed gives the same status, objective and association."""
    for problem, first in subject.samples():
        second = subject.solve(problem)
        ensure(first.status == second.status, f"{problem.kind}: {first.status}, then {second.status}")
        ensure(first.objective == second.objective, f"{problem.kind}: {first.objective}, then {second.objective}")
        if first.solution is not None and second.solution is not None:
            same = (first.solution.association == second.solution.association).all()
            ensure(same, f"{problem.kind}: two runs with one seed end in different associations")


def check_no_global_random_state(subject: _Subject) -> None:
    """Neither reads nor moves the global generators; draw from ``numpy.random.default_rng(seed)``."""
    for problem, first in subject.samples():
        saved = random.getstate(), np.random.get_state()  # noqa: NPY002 - the global state is what is looked at
        try:
            random.seed(1)
            np.random.seed(1)  # noqa: NPY002
            before = _random_states()
            second = subject.solve(problem)
            after = _random_states()
        finally:
            random.setstate(saved[0])
            np.random.set_state(saved[1])  # noqa: NPY002
        for library in before:
            ensure(before[library] == after[library], f"{problem.kind}: draws from the global generator of {library}")
        same = first.objective == second.objective
        ensure(same, f"{problem.kind}: the answer depends on the global random state, not on the seed alone")


def check_any_seed(subject: _Subject) -> None:
    """Seeds beyond 32 bits are seeds too."""
    for problem, _ in subject.samples():
        check_result(problem, subject.solve(problem, seed=2**40 + 7))


def check_input_not_changed(subject: _Subject) -> None:
    """The problem's arrays are the same after the run, and still frozen."""
    for kind in subject.kinds:
        problem = tiny_problem(11, kind=kind, users=5, stations=3, capacities=True)
        before = {name: array.copy() for name, array in _arrays(problem)}
        try:
            subject.solve(problem)
        except UnsupportedProblemError:
            continue
        for name, array in _arrays(problem):
            ensure(np.array_equal(before[name], array), f"{kind}: {name} was changed")
            ensure(not array.flags.writeable, f"{kind}: {name} was made writeable")


def check_infeasible_is_said(subject: _Subject) -> None:
    """With places for fewer twins than there are users the status is infeasible, and the message says why."""
    for problem, _ in subject.samples(users=4, stations=2):
        result = subject.solve(impossible(problem))
        said = f"{problem.kind}: places for 3 of 4 twins, and the"
        ensure(result.solution is None, f"{said} result has a solution")
        ensure(result.status is Status.INFEASIBLE, f"{said} status is {result.status}; dtopt.run.Run looks for it")
        ensure(result.message, f"{said} message is empty")


def check_no_time_at_all(subject: _Subject) -> None:
    """A run without any time ends without an error, and proves nothing wrong."""
    for problem, _ in subject.samples():
        result = check_result(problem, subject.solve(problem, stop=MaxRuntime(0.0)))
        ensure(result.status is not Status.INFEASIBLE, f"{problem.kind}: says infeasible of a feasible problem")


def check_time_limit(subject: _Subject) -> None:
    """The time limit ends a run on a problem of 60 users; a loaded machine is given some seconds of grace."""
    for kind in subject.kinds:
        problem = tiny_problem(12, kind=kind, users=60, stations=8, capacities=True)
        try:
            subject.solve(problem, stop=MaxRuntime(0.0))  # whatever is compiled once is compiled here
            begun = time.perf_counter()
            result = subject.solve(problem, time_limit=LIMIT_S)
        except UnsupportedProblemError:
            continue
        took = time.perf_counter() - begun
        ensure(
            took <= LIMIT_S + GRACE_S, f"{kind}: {LIMIT_S:g} s were given and {took:.1f} s taken; ask Run.should_stop"
        )
        check_answer(problem, result, None) if result.solution is not None else check_result(problem, result)


def check_stopping_criteria(subject: _Subject) -> None:
    """Objects of `dtopt.stop` are taken, alone and together with a time limit."""
    for problem, _ in subject.samples():
        check_result(problem, subject.solve(problem, stop=AnyOf(GapReached(0.5), MaxRuntime(subject.time_limit))))
        result = subject.solve(problem, stop=GapReached(0.5), time_limit=subject.time_limit)
        check_result(problem, result)


def check_incumbents_are_reported(subject: _Subject) -> None:
    """``on_incumbent`` gets every step of the trace, with its solution, as it comes."""
    for problem, _ in subject.samples():
        seen: list[tuple[Any, Any]] = []
        result = subject.solve(problem, on_incumbent=lambda step, solution, seen=seen: seen.append((step, solution)))
        told = [step for step, _ in seen]
        ensure(told == list(result.trace), f"{problem.kind}: {len(told)} incumbents told, {len(result.trace)} in trace")
        if result.solution is not None:
            same = (seen[-1][1].association == result.solution.association).all()
            ensure(same, f"{problem.kind}: the last incumbent told is not the result's solution")


def check_interrupt_keeps_the_incumbent(subject: _Subject) -> None:
    """Ctrl-C after the first incumbent ends the run with that incumbent, not with KeyboardInterrupt."""

    def interrupt(step: object, solution: object) -> None:
        raise KeyboardInterrupt

    for problem, usual in subject.samples():
        if usual.solution is None:
            continue
        handler = signal.getsignal(signal.SIGINT)
        try:
            result = subject.solve(problem, on_incumbent=interrupt)
        except KeyboardInterrupt:
            ensure(False, f"{problem.kind}: KeyboardInterrupt came out; work within `with Run(...)`")
        check_result(problem, result)
        ensure(result.solution is not None, f"{problem.kind}: the incumbent was lost")
        ensure(result.status is Status.INTERRUPTED, f"{problem.kind}: status is {result.status}, not interrupted")
        ensure(signal.getsignal(signal.SIGINT) is handler, f"{problem.kind}: left another handler for Ctrl-C behind")


def check_unknown_option_is_refused(subject: _Subject) -> None:
    """A misspelt option is an error, not ignored."""
    problem = tiny_problem(3, kind=subject.kinds[0], users=3, stations=2)
    try:
        subject.solve(problem, no_such_option=1)
    except (TypeError, DtoptError):
        return
    ensure(False, "takes no_such_option=1 without a word; refuse options that it does not know")


def check_smallest_problem(subject: _Subject) -> None:
    """One user and one station."""
    for kind in subject.kinds:
        problem = tiny_problem(3, kind=kind, users=1, stations=1)
        try:
            result = subject.solve(problem)
        except UnsupportedProblemError:
            continue
        check_answer(problem, result, brute_force(problem)[0])


def check_solution_file(subject: _Subject) -> None:
    """The result can be written to a solution file and read back."""
    for problem, result in subject.samples():
        if result.solution is None:
            continue
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "solution.json"
            write_solution(result, path, problem)
            again = read_solution(path, problem)
        ensure((again.association == result.solution.association).all(), f"{problem.kind}: another association is read")


def check_prints_nothing(subject: _Subject) -> None:
    """Standard output belongs to the command line, whose ``--json`` must stay JSON."""
    for kind in subject.kinds:
        problem = tiny_problem(11, kind=kind, users=5, stations=3)
        with tempfile.TemporaryFile() as caught:
            try:
                with _standard_output_into(caught.fileno()):
                    subject.solve(problem)
            except UnsupportedProblemError:
                continue
            caught.seek(0)
            text = caught.read()
        ensure(not text, f"{kind}: prints {text[:60]!r}; use the result's message or Python's warnings")


CHECKS: tuple[Callable[[_Subject], None], ...] = (
    check_signature,
    check_description,
    check_answers,
    check_result_tells_the_run,
    check_same_seed_same_answer,
    check_no_global_random_state,
    check_any_seed,
    check_input_not_changed,
    check_infeasible_is_said,
    check_no_time_at_all,
    check_time_limit,
    check_stopping_criteria,
    check_incumbents_are_reported,
    check_interrupt_keeps_the_incumbent,
    check_unknown_option_is_refused,
    check_smallest_problem,
    check_solution_file,
    check_prints_nothing,
)


def _random_states() -> dict[str, object]:
    """Return the states of the global generators; that of torch only where torch is loaded."""
    state: Any = np.random.get_state()  # noqa: NPY002
    states: dict[str, object] = {"random": random.getstate(), "numpy": (state[0], state[1].tobytes(), *state[2:])}
    torch = sys.modules.get("torch")
    if torch is not None:
        states["torch"] = bytes(torch.get_rng_state().numpy())
    return states


def _arrays(value: object, where: str = "problem") -> Iterator[tuple[str, Any]]:
    """Yield all arrays of a frozen dataclass and of those within, by their paths."""
    if isinstance(value, np.ndarray):
        yield where, value
    elif is_dataclass(value):
        for field in fields(value):
            yield from _arrays(getattr(value, field.name), f"{where}.{field.name}")


@contextmanager
def _standard_output_into(descriptor: int) -> Iterator[None]:
    """Send the process's standard output elsewhere, that of C++ libraries included."""
    sys.stdout.flush()
    kept = os.dup(1)
    python = sys.stdout
    sys.stdout = os.fdopen(os.dup(descriptor), "w")
    os.dup2(descriptor, 1)
    try:
        yield
    finally:
        sys.stdout.close()
        sys.stdout = python
        os.dup2(kept, 1)
        os.close(kept)
