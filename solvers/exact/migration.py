"""P2 to proven optimality: utility dual, local search, ruling out levels and users, then a MILP of what is left."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from dtopt.bounds import SLACK
from dtopt.run import OPTIMALITY_GAP
from dtopt.utility_dual import WARM, UtilityDual
from dtopt.utility_segments import ServerUtility
from solvers import greedy
from solvers.local_search.utility import improve, view_of

if TYPE_CHECKING:
    from dtopt.arrays import BoolArray, FloatArray, IntArray
    from dtopt.problem import Migration
    from dtopt.run import Run

__all__ = ["search_migration"]

#: Iterations of local search, and operations that one of its calls may take, roughly.
SEARCHES, OPERATIONS = 300, 1e8
#: Rounds of ruling out segments and splitting those that are left.
ROUNDS = 10
#: Relative error of the dual bound that its segments may leave, at the least and at the most.
ACCURACY, COARSEST = 1e-8, 1e-3
#: Segments are split again where the gap fell to less than this part of what it was; the second is for gaps above
#: `WIDE`, which no MILP closes.
MUCH, LITTLE, WIDE = 0.7, 0.95, 1e-2
#: Each MILP is solved to this part of the gap left.
PART_OF_GAP = 0.1
#: Relative gap of the first MILP where there is no incumbent.
FIRST_TOLERANCE = 1e-3


def search_migration(run: Run, problem: Migration) -> None:
    """Solve a P2 within a run.

    1. An incumbent from `greedy` and local search, and from the prices of the dual.
    2. Segments of servers' levels that the prices rule out are dropped and the others split, while that tightens the
       dual bound.
    3. All users and segments that the prices prove to be in no better solution are left out, and HiGHS solves what
       remains, its segments split where its solutions are (see `SegmentedMigration`).

    Raises
    ------
    Stopped
        When the run's stopping criterion is met.
    """
    utility = ServerUtility.of(problem)
    stranded = np.flatnonzero(~np.isfinite(utility.slack).any(axis=1))
    if stranded.size:
        run.infeasible(f"no server can take {problem.network.users.name(int(stranded[0]))}, not even alone")
        return
    _Search(run, problem, utility).search()


class _Search:
    """The state of one search: run, utilities and their view."""

    def __init__(self, run: Run, problem: Migration, utility: ServerUtility) -> None:
        self.run, self.problem, self.utility = run, problem, utility
        self.view = view_of(utility)
        self.constant = -(1.0 - problem.beta) * float(problem.energy_j.sum())
        # Nodes within the gap asked for need no more work; a little less, so that the gap is reached and not just met.
        self.tolerance = max(OPTIMALITY_GAP / 2, 0.99 * run.stop.target_gap())

    # --- incumbent and bound --------------------------------------------------------------------------------------

    @property
    def cutoff(self) -> float:
        """The utility, without its constant part, at which a solution is no better than the incumbent."""
        if self.run.evaluation is None:
            return -math.inf
        best = self.run.evaluation.objective
        return best + self.tolerance * abs(best) - self.constant

    def offer_bound(self, bound: float) -> None:
        """Record an upper bound that speaks of solutions better than the cutoff, without its constant part."""
        bound = max(bound, self.cutoff if self.run.evaluation is not None else bound) + self.constant
        if self.run.evaluation is not None:
            # Rounding can put a bound just below what is attained.
            bound = max(bound, self.run.evaluation.objective)
        self.run.offer_bound(bound + SLACK * abs(bound))

    def settled(self) -> bool:
        """Return whether the run can end."""
        return self.run.should_stop() or self.run.gap <= max(OPTIMALITY_GAP, self.run.stop.target_gap())

    def improve(self, association: IntArray, iterations: int, seed: int) -> None:
        """Offer what local search makes of an association, if that is feasible."""
        n, m = self.problem.n_users, self.problem.n_stations
        operations = (n * m + n * n) * max(1.0, n / m)
        iterations = int(min(iterations, OPERATIONS / operations))
        if np.isfinite(self.view.value(association)):
            self.run.offer(improve(self.view, association, iterations, seed))

    # --- the search -----------------------------------------------------------------------------------------------

    def search(self) -> None:
        """Do all three steps."""
        run = self.run
        first = greedy.begin(run)
        if first is not None:
            self.improve(first.association, 0, run.seed)
        run.check()
        dual = UtilityDual.of(self.utility)
        value, prices = dual.ascend(stop=run.should_stop)
        self.offer_bound(value)
        if self.settled():
            return
        self.improve(dual.rounded(prices), 0, run.seed)
        run.check()
        if run.solution is not None:
            self.improve(run.solution.association, SEARCHES, run.seed + 1)
        dual, prices = self._narrowed(dual, prices)
        if self.settled():
            return
        kept = self._kept(dual, prices)
        run.details |= {"segments_left": int(kept.any(axis=1).sum()), "choices_left": int(kept.sum())}
        self._branch(dual, kept)

    def _narrowed(self, dual: UtilityDual, prices: FloatArray) -> tuple[UtilityDual, FloatArray]:
        """Return the dual over the segments that a better solution may use, split while that tightens it."""
        for _ in range(ROUNDS):
            better = self._better(dual.segment_bounds(prices), dual.value(prices))
            if not better.any():
                self.offer_bound(self.cutoff)
                break
            accuracy = float(np.clip(PART_OF_GAP * self.run.gap, ACCURACY, COARSEST))
            finer, start = dual.only(better).finer(dual.prices_of(better, prices), accuracy)
            if finer.level.shape == dual.level.shape and (finer.level == dual.level).all():
                break
            dual, before = finer, self.run.gap
            value, prices = dual.ascend(start, WARM, stop=self.run.should_stop)
            self.offer_bound(value)
            if self.settled():
                break
            self.improve(dual.rounded(prices), 0, self.run.seed)
            if self.run.gap > (LITTLE if self.run.gap > WIDE else MUCH) * before:
                # The rest is not about levels, and each segment is dear for the MILP.
                break
        return dual, prices

    def _better(self, bounds: FloatArray, value: float) -> BoolArray:
        return np.asarray(bounds + SLACK * abs(value) > self.cutoff)

    def _kept(self, dual: UtilityDual, prices: FloatArray) -> BoolArray:
        """Return which users may be in which segment in a better solution, shape (C, N)."""
        kept = self._better(dual.user_bounds(prices), dual.value(prices))
        return np.asarray(kept & np.isfinite(dual.worth).all(axis=1))

    def _branch(self, dual: UtilityDual, kept: BoolArray) -> None:
        """Solve what is left as a MILP, its segments split at its solutions until the bound meets the incumbent."""
        run = self.run
        limit = self.cutoff
        if not kept.any(axis=0).all():
            self._exhausted(limit)
            return
        # Here and not above: most runs end before, and PuLP takes longer to load than they take.
        from solvers.exact.segments import SegmentedMigration
        from solvers.milp.engine import TIGHT, solve_model

        formulation = SegmentedMigration(self.problem, run.check, dual, kept)
        formulation.build()
        tolerance = float(np.clip(PART_OF_GAP * run.gap, TIGHT, FIRST_TOLERANCE))
        while not run.should_stop():
            outcome = solve_model(formulation.model, run, tolerance=tolerance, on_solution=run.offer)
            run.iterations += 1
            if outcome.status == "infeasible":
                self._exhausted(limit)
                return
            changed = False
            for association in outcome.associations:
                if not run.offer(association).feasible:
                    formulation.forbidden.append(association)
                    changed = True
                elif formulation.sharpen(association):
                    changed = True
            self.offer_bound(max(formulation.objective(outcome.bound) - self.constant, limit))
            if self.settled() or outcome.status == "stopped":
                return
            if not changed and tolerance <= TIGHT:
                # Exact here already, but for rounding: this association is judged, the model is left with the others.
                formulation.forbidden.append(outcome.associations[-1])
                changed = True
            if changed:
                tolerance = float(np.clip(PART_OF_GAP * run.gap, TIGHT, tolerance))
                formulation.build()
            else:
                tolerance = max(TIGHT, PART_OF_GAP**2 * tolerance)

    def _exhausted(self, limit: float) -> None:
        """Record that no solution is better than the limit, or that there is none."""
        if self.run.evaluation is None:
            self.run.infeasible("no association meets all constraints together")
        else:
            self.offer_bound(limit)
