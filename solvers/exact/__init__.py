"""`exact`: P1 to proven optimality by price dual, local search, reduction and a MILP of what is left."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import numpy as np

from dtopt.bounds import SLACK
from dtopt.errors import UnsupportedProblemError
from dtopt.price_dual import PriceDual
from dtopt.problem import Placement
from dtopt.result import Status
from dtopt.run import OPTIMALITY_GAP, Run, Stopped
from solvers import greedy
from solvers.exact.counted import CountedPlacement
from solvers.exact.servers import ServerTree
from solvers.local_search.arrays import SearchArrays, compile_kernels
from solvers.local_search.start import from_prices
from solvers.milp import outer_approximation, relaxations
from solvers.milp.placement import FixedPlacement, OptimalPlacement

if TYPE_CHECKING:
    from collections.abc import Callable

    from dtopt.arrays import FloatArray, IntArray
    from dtopt.problem import Problem
    from dtopt.result import Incumbent, Result
    from dtopt.solution import Solution
    from dtopt.stop import StoppingCriterion
    from solvers.milp.common import Formulation

__all__ = ["solve"]

FORMULATIONS = {"fixed": FixedPlacement, "equal": CountedPlacement, "optimal": OptimalPlacement}
#: Iterations of local search at each node of the search over servers, and before and after that search.
FEW_SEARCHES, SEARCHES = 20, 300
#: Nodes of the search over servers.
SERVER_NODES = 200
#: Pairs of user and server that the dense matrices are made for.
MOST_PAIRS = 2_000_000


def solve(
    problem: Problem,
    *,
    time_limit: float | None = None,
    seed: int = 0,
    stop: StoppingCriterion | None = None,
    on_incumbent: Callable[[Incumbent, Solution], None] | None = None,
) -> Result:
    """Solve P1 to proven optimality: price dual, local search, ruling out servers and pairs, then a MILP of the rest.

    1. Prices of the dual bound, an incumbent from them, improved by local search.
    2. Branching on servers with the dual bound until the gap is closed or nodes are few (`ServerTree`).
    3. All pairs that the prices prove to be in no better solution are left out, and HiGHS solves what remains:
       under ``optimal`` sharing by outer approximation, under ``equal`` sharing by counts, under ``fixed`` as it is.

    Parameters
    ----------
    problem : Placement
    time_limit, seed, stop, on_incumbent
        See `dtopt.solve`. With a target gap in `stop` the run ends as soon as that is proven.

    Raises
    ------
    UnsupportedProblemError
        For a problem of more pairs of user and server than its matrices are made for.
    """
    if not isinstance(problem, Placement):
        raise UnsupportedProblemError("exact takes placement problems, not migration")
    if problem.n_users * problem.n_stations > MOST_PAIRS:
        raise UnsupportedProblemError(f"exact takes up to {MOST_PAIRS:,} pairs of user and server")
    compile_kernels()
    run = Run(
        problem,
        "exact",
        seed=seed,
        stop=stop,
        time_limit=time_limit,
        on_incumbent=on_incumbent,
        libraries=("scipy", "numba", "highspy"),
    )
    with run:
        if not run.settled and not run.should_stop():
            with suppress(Stopped):
                _search(run, problem)
        if not run.settled and run.gap > OPTIMALITY_GAP and run.seconds_left <= 0:
            run.finish(Status.TIME_LIMIT, "the time limit came before the proof")
    return run.result()


solve.problems = ("placement",)  # type: ignore[attr-defined]


def _search(run: Run, problem: Placement) -> None:
    dual = PriceDual.of(problem)
    arrays = SearchArrays.of(problem, dual)
    tree = ServerTree(dual)

    # Nodes within the gap asked for need no more work; a little less, so that the gap is reached and not just met.
    tolerance = max(OPTIMALITY_GAP / 2, 0.99 * run.stop.target_gap())

    def settled() -> bool:
        run.offer_bound(_lowered(min(tree.bound, cutoff()) + problem.constant_cost))
        return run.should_stop() or run.gap <= max(OPTIMALITY_GAP, run.stop.target_gap())

    def cutoff() -> float:
        """Return the cost, without its constant part, at which a solution is no better than the incumbent."""
        if run.evaluation is None:
            return np.inf
        return run.evaluation.objective * (1.0 - tolerance) - problem.constant_cost

    def visit(node: PriceDual, prices: FloatArray) -> None:
        start = from_prices(arrays, node, prices)
        if start is not None:
            _improve(run, arrays, start, FEW_SEARCHES)

    visit(dual, tree.prices)
    if settled():
        return
    if run.solution is None:
        first = greedy.solve(problem, time_limit=run.seconds_left, seed=run.seed)
        if first.solution is not None:
            run.offer(first.solution)
    if run.solution is not None:
        _improve(run, arrays, run.solution.association, SEARCHES // 3)
    run.check()
    tree.search(cutoff, settled, visit, SERVER_NODES)
    if settled():
        return
    if run.solution is not None:
        _improve(run, arrays, run.solution.association, SEARCHES)
    allowed = tree.pairs(cutoff())
    run.details |= {"server_nodes": tree.nodes, "pairs_left": int(allowed.sum()), "pairs": dual.cost.size}
    if not allowed.size or not allowed.any(axis=1).all():
        # Every solution costs at least the cutoff; without an incumbent there is none at all.
        if run.evaluation is None:
            run.infeasible("no association meets all constraints together")
        else:
            run.offer_bound(_lowered(cutoff() + problem.constant_cost))
        return
    limit = _lowered(cutoff() + problem.constant_cost)
    formulation: Formulation = FORMULATIONS[problem.sharing](problem, run.check, allowed)  # type: ignore[abstract]
    formulation.build()
    if formulation.refines:
        if run.solution is not None:
            formulation.refine(run.solution.association)
        relaxations(run, formulation, limit)
    outer_approximation(run, formulation, "highs", limit)


def _improve(run: Run, arrays: SearchArrays, association: IntArray, searches: int) -> None:
    run.offer(association)
    if np.isfinite(arrays.total(association)):
        run.iterations += searches
        run.offer(arrays.improve(association, searches, run.seed + run.iterations))


def _lowered(bound: float) -> float:
    return bound - SLACK * abs(bound)
