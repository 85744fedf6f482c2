"""P2 as a MILP over segments of servers' levels: the relaxation behind the utility dual, with whole decisions.

A binary q_c says that its server's level is in segment c, between a and b; θ_a + θ_b = q_c say where in between, and
z_ica <= θ_a, z_icb <= θ_b where user i is then. With whole a_ik the z equal the θ, so that utilities are those of the
chord, which is above the convex utility by the square of the segment's width, and exact at its ends. The load row
Σ_i h_i z_i <= a θ_a + b θ_b keeps the level from lying below what the users bring there.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from dtopt.utility_segments import ROUNDING
from solvers.milp.common import Formulation, price
from solvers.milp.engine import Model

if TYPE_CHECKING:
    from collections.abc import Callable

    from dtopt.arrays import BoolArray, FloatArray, IntArray
    from dtopt.problem import Migration
    from dtopt.utility_dual import UtilityDual

__all__ = ["SegmentedMigration"]


class SegmentedMigration(Formulation):
    """P2 over the segments and the users in them that have not been ruled out.

    Parameters
    ----------
    problem : Migration
    check : callable
        See `Formulation`.
    dual : UtilityDual
        Gives the segments.
    kept : ndarray of bool, shape (C, N)
        Which users may be in which segment.
    """

    refines = True
    problem: Migration

    def __init__(self, problem: Migration, check: Callable[[], None], dual: UtilityDual, kept: BoolArray) -> None:
        self.utility = dual.utility
        allowed = np.zeros((problem.n_users, problem.n_stations), dtype=bool)
        parts = dual.segments
        #: Low end, high end and the users that may be in it, of the segments of each server.
        self.segments: list[list[tuple[float, float, BoolArray]]] = [[] for _ in range(problem.n_stations)]
        ends = zip(parts.server.tolist(), parts.low.tolist(), parts.high.tolist(), strict=True)
        for c, (k, low, high) in enumerate(ends):
            if kept[c].any():
                allowed[:, k] |= kept[c]
                self.segments[k].append((low, high, kept[c]))
        super().__init__(problem, check, allowed)
        self.constant = -(1.0 - problem.beta) * float(problem.energy_j.sum())
        best = np.where(kept, dual.worth.max(axis=1), -np.inf).max(axis=0, initial=-np.inf)
        # The scale brings the objective of the model to the order of 1.
        self.scale = float(np.abs(best[np.isfinite(best)]).sum()) or 1.0

    def build(self) -> None:
        """Make `model`."""
        # Where coefficients lie far apart, as squares of loads can, presolve has cut off optima.
        model = self.model = Model(self.allowed, self.check, presolve=self.utility.sharing != "optimal")
        self.capacity_rows()
        if self.utility.clamps:
            self.cpu_rows(self.floors / self.cpu)
        objective: list[tuple[Any, float]] = []
        for k in range(self.problem.n_stations):
            self.check()
            on: dict[int, list[tuple[Any, float]]] = {i: [] for i in model.of_server[k]}
            chosen = [(self._segment(k, *segment, on, objective), 1.0) for segment in self.segments[k]]
            if len(chosen) > 1:
                model.row(chosen, "<", 1.0)
            for i, parts in on.items():
                model.row([*parts, (model.pair[i, k], -1.0)], "=", 0.0)
        model.minimise(objective)
        for association in self.forbidden:
            model.forbid(association)

    def _segment(
        self,
        k: int,
        low: float,
        high: float,
        users: BoolArray,
        on: dict[int, list[tuple[Any, float]]],
        objective: list[tuple[Any, float]],
    ) -> Any:
        """Add a segment of a server to the model and return its binary."""
        model = self.model
        worth, weight = self.utility.items(k, low, high)
        members = np.flatnonzero(users & np.isfinite(worth).all(axis=0)).tolist()
        chosen = model.variable(up=1.0, integer=True)
        ends = [(0, low)] if low == high else [(0, low), (1, high)]
        places = [(chosen, 1.0)] if low == high else [(model.variable(), 1.0) for _ in ends]
        if low != high:
            model.row([*places, (chosen, -1.0)], "=", 0.0)
        unit = max(high, 1e-300)
        load: list[tuple[Any, float]] = []
        count: list[tuple[Any, float]] = []
        for (e, level), (place, _) in zip(ends, places, strict=True):
            load.append((place, -level / unit))
            for i in members:
                z = model.variable()
                model.row([(z, 1.0), (place, -1.0)], "<", 0.0)
                load.append((z, float(weight[e, i]) / unit))
                count.append((z, 1.0))
                on[i].append((z, 1.0))
                objective.append((z, -float(worth[e, i]) / self.scale))
        if high > 0:
            model.row(load, "<", 0.0)
        if not self.utility.discrete and self.room[k] < len(members):
            model.row([*count, (chosen, -float(self.room[k]))], "<", 0.0)
        return chosen

    # --- refinement -----------------------------------------------------------------------------------------------

    def level(self, k: int, users: IntArray) -> float:
        """Return the level that users bring a server to."""
        if self.utility.discrete:
            return float(users.size)
        if self.utility.demand is not None:
            return 1.0
        floor = self.problem.floor_matrix[users, k] / self.problem.cpu_limit_hz[k]
        return min(price(self.utility.size[users] * self.utility.part[k], floor, 1.0), float(self.utility.top[k]))

    def sharpen(self, association: IntArray) -> bool:
        """Split segments so that the model is exact at an association; return whether any had to be."""
        changed = False
        for k in np.unique(association).tolist():
            users = np.flatnonzero(association == k)
            level = self.level(k, users)
            turns = self.utility.turn(k)[users] if not self.utility.discrete else np.zeros(0)
            split: list[tuple[float, float, BoolArray]] = []
            for low, high, kept in self.segments[k]:
                pieces = self._cut(low, high, level, turns)
                changed |= len(pieces) > 1
                split += [(a, b, kept) for a, b in pieces]
            self.segments[k] = split
        return changed

    def _cut(self, low: float, high: float, level: float, turns: FloatArray) -> list[tuple[float, float]]:
        room = ROUNDING * high
        if low == high or level < low - room or level > high + room:
            return [(low, high)]
        if self.utility.discrete:
            pieces = [(low, level - 1.0), (level, level), (level + 1.0, high)]
            return [(a, b) for a, b in pieces if a <= b]
        inside = [r for r in (level, *turns.tolist()) if low + room < r < high - room]
        edges = [low, *sorted(set(inside)), high]
        return list(pairwise(edges))
