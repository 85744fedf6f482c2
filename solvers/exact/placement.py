"""P1 to proven optimality: prices, local search, branching on servers, and a MILP of the pairs that are left."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dtopt.bounds import SLACK
from dtopt.halting import cancellation
from dtopt.price_dual import PriceDual
from dtopt.run import OPTIMALITY_GAP
from solvers import greedy
from solvers.conflicts import name_conflict
from solvers.exact.knapsack import climb_params, knapsack_dual, whole_demands
from solvers.local_search.arrays import SearchArrays
from solvers.local_search.chains import search_by_chains
from solvers.local_search.decided_sets import SetSearch, has_sets
from solvers.local_search.start import from_prices
from solvers.server_tree import ServerTree
from solvers.steps import common_step, rounded_up

if TYPE_CHECKING:
    from dtopt.arrays import BoolArray, FloatArray, IntArray
    from dtopt.problem import Placement
    from dtopt.run import Run
    from solvers._core import KnapsackDual
    from solvers.milp.placement import PlacementFormulation

__all__ = ["PlacementSearch"]

#: Iterations of local search at each node of the search over servers, and after that search.
FEW_SEARCHES, SEARCHES = 20, 300
#: Nodes of the search over servers.
SERVER_NODES = 200
#: Under ``fixed`` sharing, where sets of servers are searched by ejection chains as they turn up.
SET_NODES = 1000
#: Up to so many sets that are left get knapsacks of their own.
MOST_SETS = 8
#: Ejection chains before and after the first bound: the part of the time left that they may take, and how many
#: neighbourhoods of each user they search at most; fewer where they stay within sets of servers.
EJECTIONS, SET_EJECTIONS = ((0.05, 400), (0.25, 4000)), ((0.05, 400), (0.25, 800))


class PlacementSearch:
    """One run on a P1 problem.

    Parameters
    ----------
    run : Run
    problem : Placement
    """

    def __init__(self, run: Run, problem: Placement) -> None:
        self.run, self.problem = run, problem
        self.dual = PriceDual.of(problem)
        self.arrays = SearchArrays.of(problem, self.dual)
        self.step = cost_step(self.dual)
        self.sets: SetSearch | None = None
        # Nodes within the gap asked for need no more work; a little less, so that the gap is reached and not just met.
        self.target = max(OPTIMALITY_GAP, run.stop.target_gap())
        self.tolerance = max(OPTIMALITY_GAP / 2, 0.99 * run.stop.target_gap())

    def search(self) -> None:
        """Search until optimality is proven or the run stops."""
        run = self.run
        tree = self.tree = ServerTree(self.dual)
        self.visit(self.dual, tree.prices)
        if self.settled():
            return
        if run.solution is None:
            if run.check_feasibility():
                return
            greedy.begin(run)
        if run.solution is not None:
            self.improve(run.solution.association, SEARCHES // 3)
        run.check()
        if not has_sets(self.problem):
            tree.search(self.cutoff, self.settled, self.visit, SERVER_NODES)
        else:
            self.sets = SetSearch(run, self.problem, self.dual, self.arrays, (tree.bound, tree.prices))
            self.sets.descend()
            tree.search(self.cutoff, self.settled, self.visit, SET_NODES, self.sets.decided)
        if self.settled():
            return
        if run.solution is not None:
            self.improve(run.solution.association, SEARCHES)
        knapsacks = self.chains() if self.problem.sharing == "fixed" else None
        if self.settled():
            return
        allowed = tree.pairs(self.cutoff())
        if knapsacks is not None and allowed.size:
            could_be = [self.cutoff() > one.pair_bounds(cancellation()).T for one in knapsacks]
            allowed = allowed & np.any(could_be, axis=0) if could_be else allowed[:0]
        run.details |= {"server_nodes": tree.nodes, "pairs_left": int(allowed.sum()), "pairs": self.dual.cost.size}
        if not allowed.size or not allowed.any(axis=1).all():
            # Every solution costs at least the cutoff; without an incumbent there is none at all.
            if run.evaluation is None:
                run.infeasible("no association meets all constraints together")
                name_conflict(run)
            else:
                self.offer_bound(self.cutoff())
            return
        self.programme(allowed)

    def chains(self) -> list[KnapsackDual]:
        """Look for better solutions by ejection chains, under ``fixed`` sharing, with a bound by whole knapsacks.

        Returned are the duals that give it: one for each set of servers that is left where those are few, else one.
        """
        run, problem = self.run, self.problem
        whole = whole_demands(problem)
        left = self.tree.left(self.cutoff())
        if not 0 < len(left) <= MOST_SETS:
            left = [(self.dual, self.tree.prices)]
        knapsacks = [knapsack_dual(dual, prices, *whole) for dual, prices in left]
        for part, effort in EJECTIONS if self.sets is None else SET_EJECTIONS:
            before = run.evaluation
            self.search_by_chains(part * run.seconds_left, effort)
            run.check()
            if run.evaluation is not None and run.evaluation is not before:
                # A lower cutoff leaves fewer pairs, which lifts the bound.
                pairs = self.tree.pairs(self.cutoff())
                for one in knapsacks:
                    one.keep(pairs)
            bounds = [self.ascended(one) for one in knapsacks]
            self.offer_bound(min([*bounds, self.cutoff()]))
            knapsacks = [one for one, bound in zip(knapsacks, bounds, strict=True) if bound < self.cutoff()]
            if self.settled():
                break
        return knapsacks

    def ascended(self, knapsacks: KnapsackDual) -> float:
        """Return the best bound found by raising prices."""
        if self.run.should_stop():
            return knapsacks.value
        return knapsacks.ascend(self.cutoff(), climb_params(), cancellation())

    def search_by_chains(self, seconds: float, effort: int) -> None:
        """Search by ejection chains for so long, or so many neighbourhoods of each user."""
        run = self.run
        if self.sets is None:
            start = None if run.solution is None else run.solution.association
            search_by_chains(run, self.arrays, start, effort, seed=run.seed, seconds=seconds)
            return
        end, most = run.elapsed_s + seconds, run.iterations + effort
        while run.elapsed_s < end and run.iterations < most and self.sets.again(end - run.elapsed_s):
            pass

    def programme(self, allowed: BoolArray) -> None:
        """Solve the MILP over the pairs that are left."""
        # Here and not above: most runs end before, and PuLP takes longer to load than they take.
        from solvers.exact.counted import CountedPlacement
        from solvers.milp import outer_approximation, relaxations
        from solvers.milp.engine import solve_model
        from solvers.milp.placement import FixedPlacement, OptimalPlacement

        run, problem = self.run, self.problem
        kinds = {"fixed": FixedPlacement, "equal": CountedPlacement, "optimal": OptimalPlacement}
        formulation: PlacementFormulation = kinds[problem.sharing](problem, run.check, allowed)  # type: ignore[abstract]
        formulation.build()
        limit = self.proven(self.cutoff())
        if problem.sharing == "fixed":
            # One model says it all: with nothing below the cutoff the incumbent is optimal.
            while True:
                outcome = solve_model(
                    formulation.model,
                    run,
                    tolerance=self.tolerance / 2,
                    on_solution=run.offer,
                    cutoff=self.cutoff() / formulation.scale,
                )
                # HiGHS has tolerances of its own, on top of that on CPU.
                refused = [x for x in outcome.associations if not run.offer(x).feasible]
                if not refused or outcome.status != "optimal" or run.should_stop():
                    break
                for association in refused:
                    formulation.forbid(association)
            bound = min(outcome.bound * formulation.scale, self.cutoff())
            if outcome.status == "infeasible" and run.evaluation is None:
                run.infeasible("no association meets all constraints together, proven by highs")
                name_conflict(run)
            elif np.isfinite(bound):
                self.offer_bound(bound)
            return
        if formulation.refines:
            if run.solution is not None:
                formulation.refine(run.solution.association)
            relaxations(run, formulation, limit)
        outer_approximation(run, formulation, "highs", limit)

    # --- costs here leave the constant part of the objective out ------------------------------------------------------

    def cutoff(self) -> float:
        """Return the cost at which a solution is no better than the incumbent, or not by enough."""
        if self.run.evaluation is None:
            return np.inf
        best = self.run.evaluation.objective
        enough = best - self.tolerance * abs(best) - self.problem.constant_cost
        return min(enough, best - self.problem.constant_cost - self.step * (1.0 - 1e-4))

    def proven(self, bound: float) -> float:
        """Return a bound on the objective from one on the cost: rounded up to a multiple of the step, less slack."""
        objective = rounded_up(bound, self.step) + self.problem.constant_cost
        return objective - SLACK * abs(objective)

    def offer_bound(self, bound: float) -> None:
        """Record a lower bound on the cost."""
        self.run.offer_bound(self.proven(bound))

    def settled(self) -> bool:
        """Return whether the run is to end, recording the bound of the search over servers."""
        self.offer_bound(min(self.tree.bound, self.cutoff()))
        return self.run.should_stop() or self.run.gap <= self.target

    def visit(self, node: PriceDual, prices: FloatArray) -> None:
        """Look for solutions near the prices of a node."""
        start = from_prices(self.arrays.lists, node, prices)
        if start is not None:
            self.improve(start, FEW_SEARCHES)

    def improve(self, association: IntArray, searches: int) -> None:
        """Offer an association, and what local search makes of it."""
        self.run.offer(association)
        if np.isfinite(self.arrays.total(association)):
            self.run.iterations += searches
            self.run.offer(self.arrays.improve(association, searches, self.run.seed + self.run.iterations))


def cost_step(dual: PriceDual) -> float:
    """Return a step that all costs are multiples of, 0 where none is known; see `solvers.steps.common_step`."""
    return 0.0 if dual.root_load.any() else common_step(dual.cost, dual.opening)
