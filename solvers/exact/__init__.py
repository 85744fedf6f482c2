"""`exact`: P1 and P2 to proven optimality by Lagrangian duals, local search, reduction and a MILP of what is left."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from dtopt.errors import UnsupportedProblemError
from dtopt.problem import Migration, Placement
from dtopt.result import Status
from dtopt.run import OPTIMALITY_GAP, Run, Stopped
from solvers.conflicts import name_conflict
from solvers.exact.enumeration import best_partition, can_enumerate

if TYPE_CHECKING:
    from collections.abc import Callable

    from dtopt.problem import Problem
    from dtopt.result import Incumbent, Result
    from dtopt.solution import Solution
    from dtopt.stop import StoppingCriterion

__all__ = ["solve"]

#: Pairs of user and server that the dense matrices are made for.
MOST_PAIRS = 2_000_000


def solve(
    problem: Problem,
    *,
    time_limit: float | None = None,
    seed: int = 0,
    stop: StoppingCriterion | None = None,
    on_incumbent: Callable[[Incumbent, Solution], None] | None = None,
    start: Solution | None = None,
) -> Result:
    """Solve P1 and P2 to proven optimality: dual, local search, ruling out what is not optimal, a MILP of the rest.

    P1:

    1. Prices of the dual bound, an incumbent from them, improved by local search.
    2. Branching on servers with the dual bound until the gap is closed or nodes are few (`ServerTree`).
    3. All pairs that the prices prove to be in no better solution are left out, and HiGHS solves what remains:
       under ``optimal`` sharing by outer approximation, under ``equal`` sharing by counts, under ``fixed`` as it is.

    Small problems are enumerated instead (`solvers.exact.enumeration`).

    Under ``fixed`` sharing ejection chains look for solutions before that, and whole knapsacks bound them
    (`solvers.exact.knapsack`).

    P2: see `solvers.exact.migration.search_migration`.

    Parameters
    ----------
    problem : Placement or Migration
    time_limit, seed, stop, on_incumbent
        See `dtopt.solve`. With a target gap in `stop` the run ends as soon as that is proven.
    start : Solution, optional
        A feasible solution to begin from.

    Raises
    ------
    UnsupportedProblemError
        For a problem of more pairs of user and server than its matrices are made for.
    """
    if problem.n_users * problem.n_stations > MOST_PAIRS:
        raise UnsupportedProblemError(f"exact takes up to {MOST_PAIRS:,} pairs of user and server")
    run = Run(
        problem,
        "exact",
        seed=seed,
        stop=stop,
        time_limit=time_limit,
        on_incumbent=on_incumbent,
        libraries=("highspy",),
    )
    with run:
        run.begin_from(start)
        if not run.settled and not run.should_stop():
            with suppress(Stopped):
                if _enumerated(run):
                    pass
                elif isinstance(problem, Migration):
                    from solvers.exact.migration import search_migration

                    search_migration(run, problem)
                else:
                    from solvers.exact.placement import PlacementSearch

                    assert isinstance(problem, Placement)  # noqa: S101 - the two problems there are
                    PlacementSearch(run, problem).search()
        if not run.settled and run.gap > OPTIMALITY_GAP and run.seconds_left <= 0:
            run.finish(Status.TIME_LIMIT, "the time limit came before the proof")
    return run.result()


def _enumerated(run: Run) -> bool:
    """Solve a small problem by enumeration; return whether that has settled it."""
    problem = run.problem
    if not can_enumerate(problem):
        return False
    _, association = best_partition(problem, run.check)
    if association is None:
        if not run.check_feasibility():
            run.infeasible("no association meets all constraints together")
            name_conflict(run)
        return True
    evaluation = run.offer(association)
    if not evaluation.feasible:
        # A constraint is met or missed by no more than rounding, which the search that follows copes with.
        return False
    run.iterations += 1
    run.offer_bound(evaluation.objective)
    return True


solve.problems = ("placement", "migration")  # type: ignore[attr-defined]
