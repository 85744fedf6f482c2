"""`lns`: large neighbourhood search for P1; a few servers and all their users at a time are solved to optimality."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from dtopt.errors import UnsupportedProblemError
from dtopt.problem import Placement
from dtopt.run import Run, Stopped

if TYPE_CHECKING:
    from collections.abc import Callable

    from dtopt.problem import Problem
    from dtopt.result import Incumbent, Result
    from dtopt.solution import Solution
    from dtopt.stop import StoppingCriterion

__all__ = ["solve"]

#: Pairs of user and server that the dense matrices are made for.
MOST_PAIRS = 200_000


def solve(
    problem: Problem,
    *,
    time_limit: float | None = None,
    seed: int = 0,
    stop: StoppingCriterion | None = None,
    on_incumbent: Callable[[Incumbent, Solution], None] | None = None,
    start: Solution | None = None,
) -> Result:
    """Take a few servers and all their users at a time and solve for them alone to optimality, the rest fixed.

    Each neighbourhood is bounded by prices on users, with the servers' costs by dynamic programming, and searched by
    branch and bound with those tables as bounds. Neighbourhoods grow from two servers until their searches are cut
    short; when none improves the association, a worse one nearby is gone on from. An iteration is one neighbourhood.
    The start is that of `local-search`, which also has a turn before each such step. Where nothing else stops it the
    search ends after 100 iterations for each server without improvement, and always once all servers together have been
    searched as one neighbourhood; under ``fixed`` sharing that proves optimality.

    Parameters
    ----------
    problem : Placement
    time_limit, seed, stop, on_incumbent
        See `dtopt.solve`.
    start : Solution, optional
        A feasible solution to begin from.

    Raises
    ------
    UnsupportedProblemError
        For a migration problem, and for one of more pairs of user and server than its matrices are made for.
    """
    if not isinstance(problem, Placement):
        raise UnsupportedProblemError("lns takes placement problems")
    if problem.n_users * problem.n_stations > MOST_PAIRS:
        raise UnsupportedProblemError(f"lns takes up to {MOST_PAIRS:,} pairs of user and server")
    from solvers.lns.search import LargeNeighbourhoodSearch

    run = Run(problem, "lns", seed=seed, stop=stop, time_limit=time_limit, on_incumbent=on_incumbent)
    with run:
        run.begin_from(start)
        if not run.settled and not run.should_stop():
            with suppress(Stopped):
                LargeNeighbourhoodSearch(run, problem, limited=stop is None and time_limit is None).search()
    return run.result()


solve.problems = ("placement",)  # type: ignore[attr-defined]
