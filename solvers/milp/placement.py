"""P1 (18) as a MILP under each of the sharing policies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from dtopt.bounds import SLACK
from dtopt.sharing import compute_latency
from solvers.milp.common import Formulation, check_size, price
from solvers.milp.engine import Model
from solvers.steps import common_step

if TYPE_CHECKING:
    from collections.abc import Callable

    from dtopt.arrays import BoolArray, FloatArray, IntArray
    from dtopt.problem import Placement

__all__ = ["EqualPlacement", "FixedPlacement", "OptimalPlacement"]

#: Prices at which each server's compute latency gets its first tangents.
FIRST_CUTS = 6
#: Tangents at prices closer than this, relatively, count as the same; the error is its square.
SAME_PRICE = 1e-6
#: A tangent is added in relaxations where it lifts the compute latency by more than this, s relative to the scale.
VIOLATION = 1e-5


class PlacementFormulation(Formulation):
    """Open servers, pairs, and the part of the cost that a pair causes by itself."""

    problem: Placement

    def __init__(self, problem: Placement, check: Callable[[], None], allowed: BoolArray | None = None) -> None:
        super().__init__(problem, check, allowed)
        self.constant = problem.constant_cost
        self.weight = problem.user_weight
        transfer = np.where(self.allowed, problem.transfer_matrix, 0.0)
        self.pair_cost: FloatArray = self.weight * transfer
        alone = self.alone()
        least = np.where(self.allowed, self.pair_cost + self.weight * alone, np.inf).min(axis=1)
        floor = float(least.sum()) + problem.opening_cost + self.constant
        self.least = floor - SLACK * abs(floor)
        # The scale brings the objective of the model to the order of 1.
        self.scale = float(np.abs(least).sum()) + problem.opening_cost or float(np.abs(self.pair_cost).max()) or 1.0

    def alone(self) -> FloatArray:
        """Return the compute latency of users alone on servers with all of the CPU, s, shape (N, M)."""
        return compute_latency(self.root_load[:, None] ** 2, self.cpu)

    def start(self) -> list[tuple[Any, float]]:
        """Make the model with the common variables and rows; return the terms of its objective so far."""
        problem = self.problem
        # Presolve has cut off optima of models with lateness.
        model = self.model = Model(self.allowed, self.check, presolve=not self.prices_lateness)
        self.is_open = [model.variable(up=1.0, integer=True) for _ in range(problem.n_stations)]
        self.capacity_rows(self.is_open)
        if problem.max_open < problem.n_stations:
            model.row([(y, 1.0) for y in self.is_open], "<", float(problem.max_open))
        terms = [(x, self.pair_cost[pair] / self.scale) for pair, x in model.pair.items()]
        return terms + [(y, problem.opening_cost / self.scale) for y in self.is_open]

    @property
    def prices_lateness(self) -> bool:
        """Whether the model has rows for the price of soft deadlines."""
        problem = self.problem
        priced = problem.deadline == "soft" and problem.deadline_penalty > 0 and problem.sharing != "fixed"
        return priced and bool(np.isfinite(problem.network.users.deadline_s).any())

    def lateness(self, load: list[list[tuple[Any, float]]], per_load: FloatArray) -> list[tuple[Any, float]]:
        """Add the lateness of soft deadlines where it grows with what is on the server; return its objective terms.

        Parameters
        ----------
        load : list of lists of terms
            For each server the expression that users' latency is linear in.
        per_load : ndarray, shape (N, M)
            Seconds that one unit of it adds.
        """
        problem, model = self.problem, self.model
        deadline = problem.network.users.deadline_s
        if not self.prices_lateness:
            return []
        transfer = problem.deadline_transfer_latency(*self.grid)
        most = [sum(c for _, c in sorted(load[k], key=lambda t: -t[1])[: self.room[k]]) for k in range(len(load))]
        terms = []
        for i in np.flatnonzero(np.isfinite(deadline)).tolist():
            late = None
            for k in model.of_user[i]:
                early = float(transfer[i, k] - deadline[i])
                worst = early + per_load[i, k] * most[k]
                if worst <= 0:
                    continue
                late = late if late is not None else model.variable()
                # late >= early + per_load · load − worst · (1 − a_ik), which says nothing where a_ik = 0.
                row = {x.name: (x, -per_load[i, k] * c) for x, c in load[k]}
                own = model.pair[i, k]
                row[own.name] = (own, row.get(own.name, (own, 0.0))[1] - worst)
                model.row([(late, 1.0), *row.values()], ">", early - worst)
            if late is not None:
                terms.append((late, self.weight * problem.deadline_penalty / self.scale))
        return terms


class FixedPlacement(PlacementFormulation):
    """`fixed` sharing: constants for each pair and a knapsack for each server."""

    def build(self) -> None:
        """Make `model`."""
        problem = self.problem
        latency = problem.fixed_latency(*self.grid) + problem.fixed_penalty(*self.grid)
        self.pair_cost = np.where(self.allowed, self.weight * latency, 0.0)
        self.step = common_step(self.pair_cost[self.allowed], problem.opening_cost)
        terms = self.start()
        self.cpu_rows(problem.reserved_part(*self.grid), self.is_open)
        self.model.minimise(terms)


class EqualPlacement(PlacementFormulation):
    """`equal` sharing: the compute latency n_k Σ κ w_i a_ik / F_k by products of pairs, linearised one by one.

    With x_ijk >= a_ik + a_jk − 1 for i < j it is Σ_i κ w_i a_ik / F_k + Σ_{i<j} κ (w_i + w_j) x_ijk / F_k.
    """

    def build(self) -> None:
        """Make `model`."""
        problem = self.problem
        sizes = self.allowed.sum(axis=0).astype(int)
        products = int(sum(n * (n - 1) // 2 for n in sizes.tolist()))
        check_size(2 * products, f"the products of pairs under equal sharing ({problem.n_users} users)")
        seconds = self.alone()
        self.pair_cost = self.pair_cost + self.weight * seconds
        terms = self.start()
        model = self.model
        for k, users in enumerate(model.of_server):
            for position, i in enumerate(users):
                self.check()
                for j in users[position + 1 :]:
                    product = model.variable()
                    model.row([(product, 1.0), (model.pair[i, k], -1.0), (model.pair[j, k], -1.0)], ">", -1.0)
                    terms.append((product, self.weight * (seconds[i, k] + seconds[j, k]) / self.scale))
        if problem.deadlines_bind:
            self._counts()
        count = [[(model.pair[i, k], 1.0) for i in users] for k, users in enumerate(model.of_server)]
        terms += self.lateness(count, problem.deadline_cycles[:, None] / problem.network.stations.cpu_hz)
        model.minimise(terms)

    def _counts(self) -> None:
        """Add n_k <= (the most twins among which i still meets its deadline) + M (1 − a_ik)."""
        model = self.model
        together = self.problem.most_twins(*self.grid)
        for k, users in enumerate(model.of_server):
            most = min(int(self.room[k]), len(users))
            for i in users:
                twins = int(together[i, k])
                if twins < most:
                    others = [(model.pair[j, k], 1.0) for j in users if j != i]
                    model.row([*others, (model.pair[i, k], 1.0 + most - twins)], "<", float(most))


class OptimalPlacement(PlacementFormulation):
    """`optimal` sharing: the compute latency z_k of a server by tangents, its Lagrangian dual at prices r.

    z_k >= Σ_i g_i(r) a_ik − r² F_k y_k for every r > 0, with g_i(r) = 2 s_i r, and s_i²/floor_i + r² floor_i once
    s_i/r is below the floor of a hard deadline. Without floors these are the tangents of L_k²/F_k at L_k = r F_k, in
    perspective form; each is exact for the associations whose price is r.
    """

    refines = True

    def build(self) -> None:
        """Make `model`."""
        problem = self.problem
        terms = self.start()
        model = self.model
        self.floor = self.floors
        self.prices: list[list[float]] = [[] for _ in range(problem.n_stations)]
        self.cpu_rows(self.floor / self.cpu, self.is_open)
        self.compute = [model.variable() for _ in range(problem.n_stations)]
        terms += [(z, self.weight / self.scale) for z in self.compute]
        for k, users in enumerate(model.of_server):
            # Where computing is free the compute latency is 0, and needs no tangents.
            if self.root_load[users].any():
                low = float(self.root_load[users].min() / self.cpu[k])
                high = self.largest(self.root_load, k) / self.cpu[k]
                for r in np.geomspace(low, max(high, low), FIRST_CUTS).tolist():
                    self._cut(k, r)
        load = [[(model.pair[i, k], self.root_load[i]) for i in users] for k, users in enumerate(model.of_server)]
        cycles = problem.deadline_cycles / self.mean_cpu
        per_load = np.divide(cycles, self.root_load, out=np.zeros(cycles.size), where=self.root_load > 0)
        terms += self.lateness(load, per_load[:, None] / self.cpu)
        model.minimise(terms)

    def refine(self, association: IntArray) -> None:
        """Add the tangents that are exact at an association."""
        for k in np.unique(association).tolist():
            users = np.flatnonzero(association == k)
            self._cut(k, price(self.root_load[users], self.floor[users, k], float(self.cpu[k])))

    def refine_relaxation(self, values: dict[Any, float]) -> bool:
        """Add the most violated tangent of each server at a fractional solution."""
        added = False
        for k, users in enumerate(self.model.of_server):
            if not users:
                continue
            is_open = values[self.is_open[k]]
            if is_open <= 1e-6:
                continue
            part = np.array([values[self.model.pair[i, k]] for i in users])
            s, floor = self.root_load[users], self.floor[users, k]
            r = price(s, floor, float(self.cpu[k]) * is_open, part)
            if not np.isfinite(r):
                continue
            value = float(part @ _tangent(s, floor, r)) - r * r * self.cpu[k] * is_open
            if self.weight * (value - values[self.compute[k]]) > VIOLATION * self.scale:
                added |= self._cut(k, r)
        return added

    def _cut(self, k: int, r: float) -> bool:
        if not 0 < r < np.inf or any(abs(r - old) <= SAME_PRICE * r for old in self.prices[k]):
            return False
        self.prices[k].append(r)
        users = self.model.of_server[k]
        slope = _tangent(self.root_load[users], self.floor[users, k], r)
        terms = [(self.model.pair[i, k], -c) for i, c in zip(users, slope.tolist(), strict=True)]
        self.model.row([(self.compute[k], 1.0), (self.is_open[k], r * r * self.cpu[k]), *terms], ">", 0.0)
        return True


def _tangent(root_load: FloatArray, floor: FloatArray, r: float) -> FloatArray:
    """Return g_i(r)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        clamped = root_load**2 / floor + r * r * floor
    return np.where(root_load < r * floor, clamped, 2.0 * root_load * r)
