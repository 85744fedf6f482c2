"""One clairvoyant run: dual, search over paths, splitting of segments, and a MILP of what is left."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any

import numpy as np

from dtopt._core import Cancellation
from dtopt.bounds import SLACK
from dtopt.elementary import exp
from dtopt.result import Status, relative_gap
from dtopt.run import OPTIMALITY_GAP, versions
from solvers._core import SlotPaths, SlotSubsetParams, slot_rounded, slot_subsets
from solvers.clairvoyant.expansion import expand
from solvers.clairvoyant.milp import SubsetModel
from solvers.clairvoyant.result import ClairvoyantResult, judge
from solvers.clairvoyant.start import start as start_prices

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dtopt.arrays import FloatArray, IntArray
    from dtopt.scenario import Scenario
    from solvers._core import SlotDual, SlotPrices, SlotSubsets

__all__ = ["Search"]

#: Temperatures of the softened ascent, as parts of the unit of prices (`SlotDual.unit`).
TEMPERATURES = np.array([0.03, 0.01, 0.003, 0.001, 0.0003])
#: The same after segments were split.
WARM = np.array([0.003, 0.001, 0.0003])
#: Edges that all servers are candidates up to, and candidates of a user in a slot beyond.
MOST_EDGES, CANDIDATES = 40_000_000, 10
#: Sweeps over all users; random choices that the search over paths starts from; temperature of the first rounding.
SWEEPS, RESTARTS, WARM_ROUNDING = 60, 2, 0.02
#: The logarithm of the coldest temperature of a rounding, as a part of the unit; the warmest is 1.
COLDEST_ROUNDING = math.log(1e-3)
#: Choices rounded from the dual at the most and at the least, and the operations in a sweep that all may take, roughly.
MOST_MIXED, FEWEST_MIXED, OPERATIONS = 30, 3, 2e7
#: Rounds of splitting segments, and the relative accuracy that they are split to.
ROUNDS, ACCURACY = 4, 1e-7
#: Splitting ends where a round takes less than this part off the gap.
MUCH = 0.1
#: Segments are split to this part of the gap left, and no more coarsely than this.
PART_OF_GAP, COARSEST = 0.1, 1e-3
#: Subsets of users that a MILP may choose from, and a number so small that fewer are not worth an effort.
MOST_SUBSETS, FEW_SUBSETS = 200_000, 5_000


class Search:
    """The state of a run: incumbent, bound and clock."""

    def __init__(
        self,
        scenario: Scenario,
        solver: str,
        *,
        time_limit: float | None = None,
        seed: int = 0,
        target: float = 0.0,
        candidates: int | None = None,
    ) -> None:
        self.scenario, self.solver, self.seed = scenario, solver, seed
        self.target = max(target, OPTIMALITY_GAP)
        self.candidates = candidates
        self.limit = math.inf if time_limit is None else time_limit
        self.rng = np.random.default_rng(seed)
        self.started, self.cpu_started = time.perf_counter(), time.process_time()
        self.cancellation = Cancellation(self.limit)
        self.bound = math.inf
        self.utility = -math.inf
        self.associations: tuple[IntArray, ...] | None = None
        self.slots: FloatArray | None = None
        self.infeasible = ""
        self.interrupted = False
        self.details: dict[str, Any] = {}

    # --- clock and record -----------------------------------------------------------------------------------------

    @property
    def seconds_left(self) -> float:
        """Wall time left, s."""
        return self.limit - (time.perf_counter() - self.started)

    def out_of_time(self) -> bool:
        """Return whether the time is up."""
        return self.seconds_left <= 0

    @property
    def gap(self) -> float:
        """Relative gap between incumbent and bound."""
        known = self.utility if math.isfinite(self.utility) else None
        return relative_gap(known, self.bound if math.isfinite(self.bound) else None)

    def offer(self, choice: IntArray) -> bool:
        """Judge a choice, keep it where it is the best so far, and return whether it is feasible."""
        associations = self.expanded.associations(choice)
        slots, feasible = judge(self.scenario, associations)
        if feasible and slots.sum() > self.utility:
            self.utility, self.associations, self.slots = float(slots.sum()), associations, slots
        return feasible

    def offer_bound(self, value: float) -> None:
        """Record an upper bound, given without its constant part."""
        bound = value + self.expanded.constant
        bound += SLACK * (abs(value) + abs(self.expanded.constant))
        # Rounding can put a bound just below what is attained.
        self.bound = min(self.bound, max(bound, self.utility))

    def result(self) -> ClairvoyantResult:
        """Return what the run has found."""
        message = ""
        if self.infeasible:
            status, message, self.bound = Status.INFEASIBLE, self.infeasible, -math.inf
        elif self.interrupted:
            status, message = Status.INTERRUPTED, "interrupted; the best so far is kept"
        elif self.associations is not None and self.gap <= OPTIMALITY_GAP:
            status = Status.OPTIMAL
        elif self.out_of_time():
            status, message = Status.TIME_LIMIT, "the time limit came before the proof"
        else:
            status = Status.FEASIBLE if self.associations is not None else Status.NOT_FOUND
        found = self.associations is not None
        return ClairvoyantResult(
            solver=self.solver,
            seed=self.seed,
            scenario_name=self.scenario.name,
            scenario_hash=self.scenario.content_hash,
            status=status,
            associations=self.associations,
            utility=self.utility if found else None,
            slot_utility=self.slots,
            bound=self.bound,
            wall_s=time.perf_counter() - self.started,
            cpu_s=time.process_time() - self.cpu_started,
            message=message,
            versions=versions("numpy", "scipy", "highspy"),
            details=self.details,
        )

    # --- steps ----------------------------------------------------------------------------------------------------

    def run(self, *, exact: bool, rounds: int = ROUNDS, start: Sequence[IntArray] | None = None) -> None:
        """Do all steps, as far as the time allows."""
        try:
            if start is not None:
                self._begin_from(start)
            self._run(exact=exact, rounds=rounds)
        except KeyboardInterrupt:
            self.interrupted = True

    def _begin_from(self, associations: Sequence[IntArray]) -> None:
        """Take associations of all slots as the first incumbent where they are feasible."""
        slots, feasible = judge(self.scenario, associations)
        if feasible:
            self.utility, self.slots = float(slots.sum()), slots
            self.associations = tuple(np.array(a, dtype=np.int64) for a in associations)

    def _run(self, *, exact: bool, rounds: int) -> None:
        base = self.scenario.base
        if self.candidates is None:
            most = self.scenario.n_slots * self.scenario.n_users * int(base.server_allowed.sum()) ** 2
            self.candidates = CANDIDATES if most > MOST_EDGES else None
        self.expanded = expand(self.scenario, self.candidates)
        if not self.expanded.dense:
            self.details["candidates"] = self.candidates
        if self.expanded.stranded.size:
            row = int(self.expanded.stranded[0])
            name = self.scenario.base.network.users.name(int(self.expanded.user[row]))
            self.infeasible = f"no server can take {name} in slot {self.expanded.slot[row]}, not even alone"
            return
        dual, prices = start_prices(self.expanded, self.cancellation)
        prices = dual.settled(prices)
        self.offer_bound(dual.value(prices))
        self.paths = SlotPaths(self.expanded.view, int(self.rng.integers(2**63)))
        self._first_paths(dual, prices)
        value, prices = dual.ascend(prices, TEMPERATURES, self.cancellation)
        self.offer_bound(value)
        self._better_paths(dual, prices)
        exact = exact and self.expanded.dense
        self.dual = dual, prices
        if not (exact and self._milp(dual, prices, FEW_SUBSETS)):
            self.dual = self._split(dual, prices, value, rounds)
            if exact and not self._milp(*self.dual, MOST_SUBSETS):
                self.details["milp"] = "too large"
        self.details |= {"segments": self.dual[0].n_segments, "rows": self.expanded.rows}

    def _first_paths(self, dual: SlotDual, prices: SlotPrices) -> None:
        """Offer what the search over paths makes of several choices."""
        view, levels = self.expanded.view, dual.best_levels(prices)
        real = np.arange(view.positions) < view.real_width[: view.rows, None]
        starts = [
            slot_rounded(view, levels, WARM_ROUNDING * dual.unit),
            np.where(real, view.slack, -np.inf).argmax(axis=1),
        ]
        starts += [self.paths.random_choice() for _ in range(RESTARTS)]
        if self.associations is not None:
            given = self.expanded.choice(self.associations)
            starts += [] if given is None else [given]
        for choice in starts:
            self.offer(self._improved(choice))
            if self.out_of_time():
                break

    def _improved(self, choice: IntArray) -> IntArray:
        """Return what the search over paths makes of a choice."""
        return self.paths.improved(choice, SWEEPS, self.cancellation)

    def _better_paths(self, dual: SlotDual, prices: SlotPrices) -> None:
        """Offer what the search makes of choices near the dual, in part mixed with the best so far."""
        view, cells = self.expanded.view, self.expanded.cell_server.size
        work = view.rows * view.positions * view.rows / cells
        users, levels = self.scenario.n_users, dual.best_levels(prices)
        for number in range(int(np.clip(OPERATIONS / work, FEWEST_MIXED, MOST_MIXED))):
            if self.gap <= self.target or self.out_of_time():
                break
            temperature = float(exp(COLDEST_ROUNDING * self.rng.random()))
            choice = slot_rounded(view, levels, temperature * dual.unit)
            best = self.expanded.choice(self.associations) if self.associations is not None else None
            if number >= FEWEST_MIXED and best is not None:
                choice = np.where(self.rng.random(users)[self.expanded.user] < 0.5, choice, best)
            choice = self._improved(choice)
            if best is None or self.paths.value(choice) > self.paths.value(best):
                self.offer(choice)

    def _split(self, dual: SlotDual, prices: SlotPrices, value: float, rounds: int) -> tuple[SlotDual, SlotPrices]:
        """Split the segments that the bound rests on and ascend again, while that tightens it."""
        for _ in range(rounds):
            if self.out_of_time() or self.gap <= self.target:
                break
            accuracy = max(ACCURACY, min(PART_OF_GAP * self.gap, COARSEST)) * abs(value)
            finer, begin = dual.finer(prices, accuracy)
            if finer is None:
                break
            before = self.bound
            dual = finer
            value, prices = dual.ascend(begin, WARM, self.cancellation)
            self.offer_bound(value)
            self._better_paths(dual, prices)
            if math.isfinite(self.utility) and before - self.bound < MUCH * (before - self.utility):
                break
        return dual, prices

    @property
    def cutoff(self) -> float:
        """The worth, without its constant part, at which a choice is no better than the incumbent."""
        if not math.isfinite(self.utility):
            return -math.inf
        return self.utility + 0.5 * OPTIMALITY_GAP * abs(self.utility) - self.expanded.constant

    def subsets(self, dual: SlotDual, prices: SlotPrices, limit: int = MOST_SUBSETS) -> SlotSubsets:
        """Return the subsets of users that cells may hold in a better solution than the incumbent."""
        room = dual.value(prices) - self.cutoff
        return slot_subsets(dual, prices, room, limit, SlotSubsetParams(), self.cancellation)

    def _milp(self, dual: SlotDual, prices: SlotPrices, limit: int) -> bool:
        """Solve what is left as a MILP over subsets of users; return whether they are few enough for that."""
        if self.gap <= OPTIMALITY_GAP or self.out_of_time():
            return True
        cutoff = self.cutoff
        found = self.subsets(dual, prices, limit)
        if not found.is_complete:
            return False
        self.details["subsets"] = int(found.cell.size)
        model = SubsetModel(self.expanded, found)
        while not self.out_of_time():
            answer = model.solve(self.seconds_left, self.seed)
            if answer.status == "infeasible":
                # Nothing is better than the cutoff, or what was cut off.
                if math.isfinite(self.utility):
                    self.offer_bound(max(cutoff, self.utility - self.expanded.constant))
                else:
                    self.infeasible = "no sequence of associations meets all constraints together"
                break
            feasible = answer.choice is not None and self.offer(answer.choice)
            self.offer_bound(max(answer.bound, cutoff))
            if self.gap <= OPTIMALITY_GAP or answer.status == "stopped" or answer.choice is None or feasible:
                break
            # Feasible but for rounding: the model is left with the others.
            model.forbidden.append(answer.choice)
        return True
