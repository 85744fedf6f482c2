"""The solver protocol, the registry by entry points, and `solve`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any, Protocol

from dtopt.errors import InputError, UnknownSolverError, UnsupportedProblemError, meant

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from dtopt.problem import Problem
    from dtopt.result import Incumbent, Result
    from dtopt.solution import Solution
    from dtopt.stop import StoppingCriterion

__all__ = [
    "DEFAULT_SOLVER",
    "GROUP",
    "Solver",
    "SolverInfo",
    "load_entry",
    "load_solver",
    "solve",
    "solver_info",
    "solver_names",
]

#: The entry-point group that solvers are found by, in any installed package.
GROUP = "dtopt.solvers"
#: What `solve` uses where no solver is named.
DEFAULT_SOLVER = "auto"


class Solver(Protocol):
    """What an entry point of the group must name: a function of this shape.

    It may carry two attributes: ``problems``, the kinds it takes (a tuple of ``"placement"`` and ``"migration"``; both
    where missing), and ``summary``, one line (the first of its docstring where missing).
    """

    def __call__(
        self,
        problem: Problem,
        *,
        time_limit: float | None = None,
        seed: int = 0,
        stop: StoppingCriterion | None = None,
        on_incumbent: Callable[[Incumbent, Solution], None] | None = None,
        **options: Any,
    ) -> Result:
        """Return the best solution found within the limits; the same seed gives the same answer."""


@dataclass(frozen=True)
class SolverInfo:
    """What the registry tells of a solver.

    Parameters
    ----------
    name : str
    problems : tuple of str
        Kinds of problem it takes.
    summary : str
        One line.
    package : str
        The distribution it comes from.
    """

    name: str
    problems: tuple[str, ...]
    summary: str
    package: str


@cache
def _entries() -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group=GROUP)}


def solver_names() -> tuple[str, ...]:
    """Return the names of all registered solvers, without loading any."""
    return tuple(sorted(_entries()))


def load_solver(name: str) -> Solver:
    """Return the solver of that name.

    Raises
    ------
    UnknownSolverError
        If there is none, or the package behind it cannot be imported.
    """
    solver: Solver = load_entry(_entries(), name, "solver")
    return solver


def load_entry(entries: Mapping[str, EntryPoint], name: str, what: str) -> Any:
    """Return what one of the entry points names.

    Parameters
    ----------
    entries : mapping
        Entry points by name.
    name : str
    what : str
        What they are, for the message.

    Raises
    ------
    UnknownSolverError
        If there is none of that name, or the package behind it cannot be imported.
    """
    entry = entries.get(name)
    if entry is None:
        raise UnknownSolverError(
            f"unknown {what} {name!r}; {meant(name, entries)}there are {', '.join(sorted(entries))}"
        )
    try:
        return entry.load()
    except ImportError as error:
        raise UnknownSolverError(f"{what} {name!r} cannot be loaded: {error}") from error


def solver_info(name: str) -> SolverInfo:
    """Return what a solver takes and does; loads it."""
    solver = load_solver(name)
    summary = getattr(solver, "summary", None) or (solver.__doc__ or "").strip().partition("\n")[0]
    problems = tuple(getattr(solver, "problems", ("placement", "migration")))
    entry = _entries()[name]
    return SolverInfo(name, problems, summary, entry.dist.name if entry.dist else "")


def solve(
    problem: Problem,
    solver: str = DEFAULT_SOLVER,
    *,
    time_limit: float | None = None,
    memory_limit: float | None = None,
    seed: int = 0,
    stop: StoppingCriterion | None = None,
    on_incumbent: Callable[[Incumbent, Solution], None] | None = None,
    **options: Any,
) -> Result:
    """Solve a problem with a registered solver.

    Parameters
    ----------
    problem : Placement or Migration
    solver : str
        A name from `solver_names`.
    time_limit : float, optional
        Wall time, s; short for ``stop=MaxRuntime(time_limit)``.
    memory_limit : float, optional
        GiB of resident memory. The solver then runs in a process of its own, which takes about a second to start, and
        is ended, with what it has found so far, where it passes this limit, or its time by a tenth and 0.3 s more;
        infinity guards the time alone. See `dtopt.guard`.
    seed : int
        The same seed gives the same answer, unless time stops the run first.
    stop : StoppingCriterion, optional
        When to stop; see `dtopt.stop`.
    on_incumbent : callable, optional
        Called with each new `Incumbent` and its solution.
    **options
        Passed to the solver.

    Returns
    -------
    Result

    Raises
    ------
    UnknownSolverError
        If there is no such solver.
    UnsupportedProblemError
        If it does not take this kind or size of problem.
    InputError
        On a bad seed, limit or option.
    SolverDiedError
        If there is a memory limit and the process of the solver died without a solution.
    """
    if memory_limit is not None:
        from dtopt.guard import guarded

        limits: dict[str, Any] = {"time_limit": time_limit, "memory_limit": memory_limit, "seed": seed, "stop": stop}
        return guarded(problem, solver, on_incumbent=on_incumbent, **limits, **options)
    function = load_solver(solver)
    kinds = getattr(function, "problems", (problem.kind,))
    if problem.kind not in kinds:
        raise UnsupportedProblemError(f"solver {solver!r} takes {' and '.join(kinds)} problems, not {problem.kind}")
    if seed < 0:
        raise InputError(f"must be >= 0, got {seed}", where="seed")
    return function(problem, time_limit=time_limit, seed=seed, stop=stop, on_incumbent=on_incumbent, **options)
