"""P1 (18) for CP-SAT under each of the sharing policies."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from dtopt.sharing import compute_latency
from dtopt.tolerances import within
from solvers.ortools_cpsat.model import FINE, LARGEST, AssociationModel, floor, largest, slope

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dtopt.arrays import FloatArray, IntArray
    from dtopt.problem import Placement
    from dtopt.run import Run

__all__ = ["EqualPlacement", "FixedPlacement", "OptimalPlacement"]

#: Ratio of the loads at which neighbouring tangents touch: between them they are too low by 6e-5 at most.
TANGENT_RATIO = 1.03
#: Loads below this part of the largest get no tangents of their own.
SMALLEST = 1e-2
#: A tangent is added only where none touches this close, relatively: the error is the square.
SAME = 1e-5


@dataclass(frozen=True)
class _Late:
    """An integer `late` with q·late >= p·x + offset where its pair is chosen; x is the load of its server."""

    user: int
    server: int
    variable: Any
    p: int
    q: int
    offset: int


class PlacementModel(AssociationModel):
    """Open servers, pairs, and the part of the cost that a pair causes by itself."""

    problem: Placement

    def __init__(self, problem: Placement, run: Run) -> None:
        super().__init__(problem, run)
        self.constant = problem.constant_cost
        self.worth = problem.user_weight
        self.is_open: list[Any] = []
        self.pair_cost: FloatArray = self.worth * np.where(self.allowed, problem.transfer_matrix, 0.0)
        least = np.where(self.allowed, self.pair_cost + self.worth * self.alone(), np.inf).min(axis=1)
        total = float(np.abs(least).sum()) + problem.opening_cost
        #: No less than any part of the cost of a better solution.
        self.magnitude = total if self.best is None else self.best - self.constant
        # Costs below 0 can sum to nothing, so the size of what is summed counts there.
        signed = bool((self.pair_cost < 0).any())
        roundings = problem.n_users + 2 * problem.n_stations
        self.choose_units(max(abs(self.magnitude), total) if signed else self.magnitude, roundings)

    def alone(self) -> FloatArray:
        """Return the compute latency of each pair alone, s, shape (N, M)."""
        return compute_latency(self.problem.load_cycles[:, None], self.cpu)

    def at_most(self, largest_cost: float) -> int:
        """Return the largest value of a cost in units, cut off at what no better solution has."""
        if self.best is not None:
            largest_cost = min(largest_cost, self.magnitude * self.units * (1.0 + 1e-9))
        return math.ceil(largest_cost) + 1

    def start(self, pair_cost: FloatArray | None = None) -> None:
        """Add open servers, capacities, and what pairs and servers cost by themselves."""
        problem, cp = self.problem, self.cp
        if pair_cost is not None:
            cost = floor(pair_cost * self.units)
            self.terms += [(x, int(cost[pair])) for pair, x in self.pair.items()]
        self.is_open = [cp.new_bool_var("") for _ in self.of_server]
        opening = int(floor(problem.opening_cost * self.units))
        self.terms += [(y, opening) for y in self.is_open]
        for k, users in enumerate(self.of_server):
            self.check()
            for i in users:
                cp.add_implication(self.pair[i, k], self.is_open[k])
            # An idle open server never helps.
            cp.add_bool_or([self.pair[i, k] for i in users]).only_enforce_if(self.is_open[k])
        self.capacities(self.is_open)
        if problem.max_open < problem.n_stations:
            cp.add(sum(self.is_open) <= problem.max_open)

    def values(self, association: IntArray) -> Iterator[tuple[Any, int]]:
        """Give the value of every variable under an association."""
        yield from super().values(association)
        for k, y in enumerate(self.is_open):
            yield y, int((association == k).any())


class FixedPlacement(PlacementModel):
    """`fixed` sharing: constants for each pair and a knapsack for each server."""

    linearization = 1

    def alone(self) -> FloatArray:
        """Return the compute latency of each pair, s, shape (N, M)."""
        return compute_latency(self.problem.load_cycles[:, None], self.problem.demand(*self.grid))

    def fill(self) -> None:
        """Add all variables, rows and terms."""
        problem = self.problem
        alone = self.alone()
        cost = self.pair_cost + self.worth * np.where(self.allowed, alone, 0.0)
        cost = cost + self.worth * np.where(self.allowed, problem.fixed_penalty(*self.grid), 0.0)
        numbers = np.append(cost, problem.opening_cost)
        if (numbers == np.floor(numbers)).all() and np.abs(numbers).max() < FINE:
            # Whole costs stay as they are, so that a bound above z − 1 proves z.
            self.units, self.whole = 1.0, True
        self.start(cost)
        self.knapsack(problem.demand(*self.grid), self.is_open)


class EqualPlacement(PlacementModel):
    """`equal` sharing by counts: with a literal for n twins on server k, what each user costs there is a constant."""

    def fill(self) -> None:
        """Add all variables, rows and terms."""
        self.start()
        self.by_counts(self._cost)
        for by_count, y in zip(self.counted, self.is_open, strict=True):
            self.cp.add_exactly_one([*(chosen for chosen, _ in by_count.values()), y.negated()])

    def _cost(self, k: int, n: int) -> FloatArray:
        """Return what each user costs on server k with n twins, infinite where it then misses a hard deadline."""
        problem = self.problem
        share = self.cpu[k] / n
        cost = self.pair_cost[:, k] + self.worth * problem.load_cycles / share
        deadline = problem.network.users.deadline_s
        users = np.arange(problem.n_users)
        latency = problem.deadline_transfer_latency(users, np.full(users.size, k)) + problem.deadline_cycles / share
        able = latency <= within(deadline)
        if problem.deadline == "soft":
            with np.errstate(invalid="ignore"):
                excess = np.where(latency > deadline, latency - deadline, 0.0)
            cost = cost + self.worth * problem.deadline_penalty * np.where(np.isfinite(excess), excess, 0.0)
            able = np.ones_like(able)
        return np.asarray(np.where(able, cost, np.inf))


class OptimalPlacement(PlacementModel):
    """`optimal` sharing: integer loads l_k <= V Σ s_i a_ik, and the compute latency L_k²/F_k by its tangents.

    The tangents are in perspective form, 0 for a closed server. Where hard deadlines clamp shares they are too low, and
    the floors of the shares are a knapsack; the evaluator sees to the rest.
    """

    def __init__(self, problem: Placement, run: Run) -> None:
        super().__init__(problem, run)
        s = problem.root_load
        #: V, integer load for each √cycle.
        self.per_load = FINE * problem.n_users / float(s.sum()) if s.any() else 1.0
        self.sizes: IntArray = floor(s * self.per_load)
        self.touched: list[list[float]] = [[] for _ in self.of_server]
        for k, users in enumerate(self.of_server):
            # No tangents beyond the load whose compute latency alone costs more than the incumbent.
            curve = self._curve(k)
            if curve == 0.0 or not self.sizes[users].any():
                continue
            reach = min(self._highest(k), math.sqrt(self.at_most(LARGEST) / curve))
            at = max(float(self.sizes[users].min(initial=LARGEST)), SMALLEST * reach)
            while at < reach * TANGENT_RATIO:
                self.touched[k].append(at)
                at *= TANGENT_RATIO

    def fill(self) -> None:
        """Add all variables, rows and terms."""
        problem, cp = self.problem, self.cp
        self.start(self.pair_cost)
        if problem.deadlines_bind:
            self.knapsack(np.where(self.allowed, problem.floor_matrix, 0.0), self.is_open)
        self.load: list[Any] = []
        self.compute: list[Any] = []
        self.cuts: list[list[tuple[int, int, int]]] = [[] for _ in self.of_server]
        self.late: list[_Late] = []
        for k, touched in enumerate(self.touched):
            self.check()
            highest = int(self._highest(k))
            load = cp.new_int_var(0, highest, "")
            cp.add(load == self.sum(self.sizes, k))
            compute = cp.new_int_var(0, self.at_most(self._curve(k) * highest**2), "")
            self.load.append(load)
            self.compute.append(compute)
            self.terms.append((compute, 1))
            for at in touched:
                self._tangent(k, at)
            if problem.deadline == "soft" and problem.deadline_penalty > 0:
                self._lateness(k, highest)

    def values(self, association: IntArray) -> Iterator[tuple[Any, int]]:
        """Give the value of every variable under an association."""
        yield from super().values(association)
        loads = [int(self.sizes[association == k].sum()) for k in range(len(self.load))]
        for k, load in enumerate(loads):
            yield self.load[k], load
            below = [-((below - p * load) // q) for p, q, below in self.cuts[k]]
            yield self.compute[k], max([0, *below]) if load else 0
        for late in self.late:
            lateness = -(-(late.p * loads[late.server] + late.offset) // late.q)
            yield late.variable, max(0, lateness) if association[late.user] == late.server else 0

    def refine(self, association: IntArray) -> bool:
        """Add the tangents at the loads of an association."""
        changed = False
        for k in np.unique(association).tolist():
            if self._curve(k) == 0.0:
                continue
            at = float(self.sizes[association == k].sum())
            if at > 0 and not any(abs(at - old) <= SAME * old for old in self.touched[k]):
                self.touched[k].append(at)
                if not self.stale:
                    self._tangent(k, at)
                changed = True
        return changed

    def _highest(self, k: int) -> float:
        """Return the largest integer load that server k can have."""
        return largest(self.sizes[self.of_server[k]].astype(np.float64), self.room[k])

    def _curve(self, k: int) -> float:
        """Return the C of z = C l², units for each load squared."""
        return self.worth * self.units / (float(self.cpu[k]) * self.per_load**2)

    def _tangent(self, k: int, load: float) -> None:
        """Add the tangent of z >= C l² at a load."""
        curve = self._curve(k)
        p, q = slope(2.0 * curve * load)
        # σ l − σ²/4C is the tangent of slope σ = p/q; less one unit, since the integer z is rounded up.
        below = math.ceil(p * (p / q) / (4.0 * curve)) + q
        self.cp.add(q * self.compute[k] >= p * self.load[k] - below * self.is_open[k])
        self.cuts[k].append((p, q, below))

    def _lateness(self, k: int, highest: int) -> None:
        """Add the price of soft deadlines that are missed on server k; T_ini is linear in its load."""
        problem = self.problem
        deadline = problem.network.users.deadline_s
        early = problem.deadline_transfer_latency(*self.grid)[:, k] - deadline
        price = self.worth * problem.deadline_penalty * self.units
        s, cpu = problem.root_load, float(self.cpu[k])
        for i in self.of_server[k]:
            per_load = float(problem.deadline_cycles[i] / (s[i] * self.per_load * cpu)) if s[i] > 0 else 0.0
            worst = float(early[i]) + per_load * highest
            if not math.isfinite(deadline[i]) or worst <= 0:
                continue
            p, q = slope(price * per_load)
            # Less one unit, since the integer is rounded up.
            offset = math.floor(price * float(early[i]) * q) - q
            late = self.cp.new_int_var(0, self.at_most(price * worst), "")
            self.cp.add(q * late >= p * self.load[k] + offset).only_enforce_if(self.pair[i, k])
            self.terms.append((late, 1))
            self.late.append(_Late(i, k, late, p, q, offset))
