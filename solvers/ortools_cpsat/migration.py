"""P2 (21) for CP-SAT under each of the sharing policies."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from ortools.sat.python import cp_model

from dtopt.sharing import compute_latency
from dtopt.tolerances import within
from solvers.ortools_cpsat.model import FINE, AssociationModel, check_size, floor, largest, slope

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dtopt.arrays import FloatArray, IntArray
    from dtopt.problem import Migration
    from dtopt.run import Run

__all__ = ["EqualMigration", "FixedMigration", "OptimalMigration"]

#: Segments of each server's load in the first model.
FIRST_SEGMENTS = 6


@dataclass(frozen=True)
class _Fall:
    """An integer with q·variable >= p·load − below where its user is on its server and the load in its segment."""

    user: int
    server: int
    segment: int
    variable: Any
    p: int
    q: int
    below: int


class MigrationModel(AssociationModel):
    """What a user is worth at a latency; the model minimises the negative of it."""

    problem: Migration

    def __init__(self, problem: Migration, run: Run) -> None:
        super().__init__(problem, run)
        self.constant = -(1.0 - problem.beta) * float(problem.energy_j.sum())
        self.deadline: FloatArray = problem.network.users.deadline_s[:, None]
        self.transfer: FloatArray = np.where(self.allowed, problem.transfer_matrix, np.inf)
        alone = self.worth(self.transfer + compute_latency(problem.load_cycles[:, None], self.cpu))
        best_alone = np.where(self.allowed, alone, -np.inf).max(axis=1)
        self.choose_units(float(np.abs(best_alone).sum()), problem.n_users)

    def worth(self, latency: FloatArray) -> FloatArray:
        """Return the utility at latencies, shape (N, M), less the penalty of soft deadlines; 0 at infinite latency."""
        problem = self.problem
        utility = problem.beta * np.exp(problem.network.users.deadline_s[:, None] - latency)
        if problem.deadline == "soft":
            late = np.where(np.isfinite(latency), np.maximum(latency - self.deadline, 0.0), 0.0)
            utility = utility - problem.deadline_penalty * late
        return np.asarray(utility)

    def costs(self, latency: FloatArray) -> IntArray:
        """Return the cost of latencies in units, rounded down."""
        return np.asarray(floor(-self.worth(latency) * self.units))


class FixedMigration(MigrationModel):
    """`fixed` sharing: constants for each pair and a knapsack for each server."""

    linearization = 1

    def fill(self) -> None:
        """Add all variables, rows and terms."""
        problem = self.problem
        self.capacities()
        demand = problem.demand(*self.grid)
        cost = self.costs(self.transfer + compute_latency(problem.load_cycles[:, None], demand))
        self.terms += [(x, int(cost[pair])) for pair, x in self.pair.items()]
        self.knapsack(demand, None)


class EqualMigration(MigrationModel):
    """`equal` sharing by counts: with a literal for n twins on server k, each user's worth there is a constant."""

    def fill(self) -> None:
        """Add all variables, rows and terms."""
        problem = self.problem

        def cost(k: int, n: int) -> FloatArray:
            latency = self.transfer[:, k : k + 1] + n * problem.load_cycles[:, None] / self.cpu[k]
            able = self.allowed[:, k] & ((latency <= within(self.deadline))[:, 0] | (problem.deadline == "soft"))
            return np.where(able, -self.worth(latency)[:, 0], np.inf)

        self.by_counts(cost)
        for by_count in self.counted:
            self.cp.add_at_most_one(chosen for chosen, _ in by_count.values())


class OptimalMigration(MigrationModel):
    """`optimal` sharing: utilities are overestimated on segments of each server's load, split where solutions are.

    The CPU has a price r >= L/F (equal where no floor binds), at which a twin's latency is com_ik + s_i r. A literal
    says in which segment the integer load l_k <= V L_k is; a user there is worth what it is where the segment begins,
    less the fall along the chord of the convex utility. A segment that begins at the load of an association is exact
    for it, but where hard deadlines clamp shares.
    """

    def __init__(self, problem: Migration, run: Run) -> None:
        super().__init__(problem, run)
        s = problem.root_load
        self.per_load = FINE * problem.n_users / float(s.sum()) if s.any() else 1.0
        self.sizes: IntArray = floor(s * self.per_load)
        self.highest = [
            int(largest(self.sizes[users].astype(np.float64), room))
            for users, room in zip(self.of_server, self.room, strict=True)
        ]
        self.edges: list[list[int]] = [
            np.unique(np.linspace(0, top, FIRST_SEGMENTS, endpoint=False).astype(np.int64)).tolist()
            for top in self.highest
        ]

    def refine(self, association: IntArray) -> bool:
        """Begin a segment at the load of each server, and one right after it."""
        changed = False
        for k, edges in enumerate(self.edges):
            load = int(self.sizes[association == k].sum())
            new = {load, load + 1} - set(edges)
            if 0 < load <= self.highest[k] and new:
                self.edges[k] = sorted({*edges, *(x for x in new if x <= self.highest[k])})
                changed = True
        self.stale |= changed
        return changed

    def fill(self) -> None:
        """Add all variables, rows and terms."""
        problem, cp = self.problem, self.cp
        check_size(sum(map(len, self.edges)) * problem.n_users, "the segments of loads under optimal sharing")
        self.capacities()
        if problem.deadlines_bind:
            self.knapsack(np.where(self.allowed, problem.floor_matrix, 0.0))
        self.load = []
        self.segments: list[list[Any]] = []
        self.inside: dict[tuple[int, int, int], Any] = {}
        self.falls: list[_Fall] = []
        for k, users in enumerate(self.of_server):
            edges = self.edges[k]
            load = cp.new_int_var(0, self.highest[k], "")
            cp.add(load == self.sum(self.sizes, k))
            chosen = [cp.new_bool_var("") for _ in edges]
            cp.add_exactly_one(chosen)
            ends = [edge - 1 for edge in edges[1:]] + [self.highest[k]]
            cp.add(load >= cp_model.LinearExpr.weighted_sum(chosen, edges))
            cp.add(load <= cp_model.LinearExpr.weighted_sum(chosen, ends))
            self.load.append(load)
            self.segments.append(chosen)
            for p, (begin, end) in enumerate(zip(edges, ends, strict=True)):
                self.check()
                self._segment(k, users, p, begin, end)
            for i in users:
                parts = [self.inside[i, k, p] for p in range(len(edges)) if (i, k, p) in self.inside]
                cp.add(cp_model.LinearExpr.sum(parts) == self.pair[i, k])

    def values(self, association: IntArray) -> Iterator[tuple[Any, int]]:
        """Give the value of every variable under an association."""
        yield from super().values(association)
        segment = []
        loads = [int(self.sizes[association == k].sum()) for k in range(len(self.load))]
        for k, load in enumerate(loads):
            yield self.load[k], load
            segment.append(int(np.searchsorted(self.edges[k], load, side="right")) - 1)
            for p, q in enumerate(self.segments[k]):
                yield q, int(p == segment[k])
        for (i, k, p), z in self.inside.items():
            yield z, int(association[i] == k and p == segment[k])
        for fall in self.falls:
            here = association[fall.user] == fall.server and segment[fall.server] == fall.segment
            yield fall.variable, max(0, -(-(fall.p * loads[fall.server] - fall.below) // fall.q)) if here else 0

    def _segment(self, k: int, users: list[int], p: int, begin: int, end: int) -> None:
        """Add what users are worth while the load of server k is in segment p."""
        # A twin's load is at least its own.
        first = np.maximum(begin, self.sizes)
        value, convex = self._at(k, first)
        last = self._at(k, np.full(first.size, end + 1))[1]
        for i in users:
            if first[i] > end:
                continue
            z = self.inside[i, k, p] = self.cp.new_bool_var("")
            self.cp.add_implication(z, self.segments[k][p])
            self.terms.append((z, int(floor(-value[i] * self.units))))
            width = end + 1 - int(first[i])
            drop = float(convex[i] - last[i]) * self.units
            if width > 1 and drop > 1.0:
                numerator, q = slope(drop / width)
                # Less one unit, since the integer is rounded up.
                below = numerator * int(first[i]) + q
                fall = self.cp.new_int_var(0, math.ceil(drop) + 1, "")
                self.cp.add(q * fall >= numerator * self.load[k] - below).only_enforce_if(z)
                self.terms.append((fall, 1))
                self.falls.append(_Fall(i, k, p, fall, numerator, q, below))

    def _at(self, k: int, load: IntArray) -> tuple[FloatArray, FloatArray]:
        """Return what users are worth at a load of server k, and the part of it that is convex in the load."""
        problem = self.problem
        deadline = self.deadline[:, 0]
        latency = self.transfer[:, k] + problem.root_load * load / (self.per_load * float(self.cpu[k]))
        late = np.where(np.isfinite(latency), np.maximum(latency - deadline, 0.0), 0.0)
        if problem.deadline == "hard":
            # Its share is clamped rather than that the deadline be missed.
            latency = np.minimum(latency, within(deadline))
            late = np.zeros_like(late)
        convex = problem.beta * np.exp(problem.network.users.deadline_s - latency)
        return convex - problem.deadline_penalty * late, convex
