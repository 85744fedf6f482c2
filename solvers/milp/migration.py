"""P2 (21) as a MILP under each of the sharing policies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from dtopt.tolerances import within
from solvers.milp.common import Formulation, check_size, price
from solvers.milp.engine import Model

if TYPE_CHECKING:
    from collections.abc import Callable

    from dtopt.arrays import BoolArray, FloatArray, IntArray
    from dtopt.problem import Migration

__all__ = ["EqualMigration", "FixedMigration", "OptimalMigration"]

#: Segments of each server's price in the first model.
FIRST_SEGMENTS = 5
#: A new segment begins this much below the price of an association, so that the one before it ends below.
BELOW = 2e-7


class MigrationFormulation(Formulation):
    """Pairs, and what a user is worth at a latency."""

    problem: Migration

    def __init__(self, problem: Migration, check: Callable[[], None]) -> None:
        super().__init__(problem, check)
        self.constant = -(1.0 - problem.beta) * float(problem.energy_j.sum())
        self.deadline = problem.network.users.deadline_s[:, None]
        self.transfer = np.where(self.allowed, problem.transfer_matrix, np.inf)
        alone = self.utility(self.transfer + self.root_load[:, None] ** 2 / self.cpu)
        # The scale brings the objective of the model to the order of 1.
        self.scale = float(np.abs(alone.max(axis=1, where=self.allowed, initial=-np.inf)).sum()) or 1.0
        self.penalty = problem.deadline_penalty if problem.deadline == "soft" else 0.0

    def utility(self, latency: FloatArray) -> FloatArray:
        """Return β e^{τ − T}, shape (N, M)."""
        return np.asarray(self.problem.beta * np.exp(self.deadline - latency))

    def worth(self, latency: FloatArray) -> FloatArray:
        """Return the utility less the penalty of soft deadlines; 0 at infinite latency."""
        late = np.where(np.isfinite(latency), np.maximum(latency - self.deadline, 0.0), 0.0)
        return self.utility(latency) - self.penalty * late


class FixedMigration(MigrationFormulation):
    """`fixed` sharing: constants for each pair and a knapsack for each server."""

    def build(self) -> None:
        """Make `model`."""
        problem = self.problem
        worth = self.worth(np.where(self.allowed, problem.fixed_latency(*self.grid), np.inf))
        model = self.model = Model(self.allowed, self.check)
        self.capacity_rows()
        self.cpu_rows(problem.reserved_part(*self.grid))
        model.minimise((x, -worth[pair] / self.scale) for pair, x in model.pair.items())


class EqualMigration(MigrationFormulation):
    """`equal` sharing: with the count of twins on a server in a binary, all utilities are constants."""

    def build(self) -> None:
        """Make `model`."""
        model = self.model = Model(self.allowed, self.check)
        objective: list[tuple[Any, float]] = []
        for counts in self.count_columns(self._among, objective):
            if counts:
                model.row(counts, "<", 1.0)
        model.minimise(objective)

    def _among(self, k: int, n: int) -> tuple[FloatArray, BoolArray]:
        """Return what each user on a server with n twins is worth, as a cost, and whether its deadline allows it."""
        problem = self.problem
        latency = self.transfer + n * problem.load_cycles[:, None] / problem.network.stations.cpu_hz
        worth = self.worth(latency)[:, k]
        able = latency[:, k] <= within(self.deadline[:, 0])
        return -worth / self.scale, able if problem.deadline == "hard" else np.ones_like(able)


class OptimalMigration(MigrationFormulation):
    """`optimal` sharing: utilities are overestimated on segments of each server's price r, split where solutions are.

    By the KKT conditions a twin's latency is com_ik + s_i r, or its deadline where that is less, so its worth is a
    function u_ik(r) of the price alone, and falls. A binary q_kp says that r is in segment p, from e_p to e_{p+1}; the
    CPU says Σ_i max(floor_i, s_i/e_{p+1}) a_ik <= F_k then. z_ikp, the pair in that segment, is worth u_ik(e_p), less
    the fall along the chord of the convex utility with r >= L_k/F_k. Where a segment begins at the price of an
    association the model is exact for it.
    """

    refines = True

    def __init__(self, problem: Migration, check: Callable[[], None]) -> None:
        super().__init__(problem, check)
        self.floor = self.floors
        self.edges: list[list[float]] = []
        for k in range(problem.n_stations):
            s = self.root_load[self.allowed[:, k]]
            if s.size == 0 or s.max() == 0:
                self.edges.append([0.0])
                continue
            least = float(s.min() / self.cpu[k]) * (1.0 - BELOW)
            most = float(np.sort(s)[::-1][: self.room[k]].sum() / self.cpu[k])
            self.edges.append(np.unique(np.linspace(least, max(most, least), FIRST_SEGMENTS + 1)[:-1]).tolist())

    def build(self) -> None:
        """Make `model`."""
        pairs = int(self.allowed.sum())
        check_size(3 * max(map(len, self.edges)) * pairs, "the segments of prices under optimal sharing")
        model = self.model = Model(self.allowed, self.check, presolve=False)
        self.capacity_rows()
        self.cpu_rows(self.floor / self.cpu)
        fall = [model.variable() for _ in range(self.problem.n_users)]
        objective = [(loss, 1.0) for loss in fall]
        for k, users in enumerate(model.of_server):
            if users:
                objective += self._server(k, users, fall)
        model.minimise(objective)
        for association in self.forbidden:
            model.forbid(association)

    def refine(self, association: IntArray) -> None:
        """Begin a segment at the price that each server has under an association."""
        for k in np.unique(association).tolist():
            users = np.flatnonzero(association == k)
            r = price(self.root_load[users], self.floor[users, k], float(self.cpu[k]))
            if 0 < r < np.inf and not any(r * (1 - 2 * BELOW) <= edge <= r * (1 - BELOW / 2) for edge in self.edges[k]):
                self.edges[k] = sorted([*self.edges[k], r * (1.0 - BELOW)])

    def _server(self, k: int, users: list[int], fall: list[Any]) -> list[tuple[Any, float]]:
        """Add the segments of one server; return its terms of the objective."""
        model, edges = self.model, self.edges[k]
        s, cpu = self.root_load[users], float(self.cpu[k])
        most = self.largest(self.root_load, k) / cpu
        # L_k/F_k cannot pass `most`; the price can where floors bind, so the last segment then has no end and no chord.
        top = None if self.problem.deadline == "hard" else most
        segments = [model.variable(up=1.0, integer=True) for _ in edges]
        model.row([(q, 1.0) for q in segments], "=", 1.0)
        parts: list[list[tuple[Any, float]]] = [[] for _ in users]
        load = [(model.pair[i, k], self.root_load[i] / cpu) for i in users]
        objective = []
        for p, (begin, q) in enumerate(zip(edges, segments, strict=True)):
            end = edges[p + 1] if p + 1 < len(edges) else top
            if p + 1 < len(edges):
                self._ends_by(k, users, edges[p + 1], q)
            # A twin's price is at least what it is alone.
            first = np.maximum(begin, s / cpu * (1.0 - BELOW))
            value = self._worth(k, users, first)
            slope = np.zeros(len(users))
            if end is not None:
                width = end - first
                chord = self._utility(k, users, first) - self._utility(k, users, np.full(len(users), end))
                slope = np.divide(chord, width, out=slope, where=width > 1e-12 * max(end, 1e-300))
            late = self.transfer[users, k] + s * first >= self.deadline[users, 0]
            slope = slope + np.where(late, self.penalty * s, 0.0)
            for position, i in enumerate(users):
                if end is not None and p + 1 < len(edges) and s[position] / cpu * (1.0 - BELOW) > end:
                    continue
                z = model.variable()
                model.row([(z, 1.0), (q, -1.0)], "<", 0.0)
                parts[position].append((z, 1.0))
                objective.append((z, -float(value[position]) / self.scale))
                steep = float(slope[position]) / self.scale
                room = most - float(first[position])
                if steep * room > 1e-9:
                    terms = [(x, -steep * c) for x, c in load]
                    model.row([(fall[i], 1.0), (z, -steep * room), *terms], ">", -steep * (first[position] + room))
        for position, i in enumerate(users):
            model.row([*parts[position], (model.pair[i, k], -1.0)], "=", 0.0)
        return objective

    def _ends_by(self, k: int, users: list[int], end: float, segment: Any) -> None:
        """Let the price of a server be at most `end` where a segment is chosen."""
        need = np.maximum(self.floor[users, k], self.root_load[users] / end) / self.cpu[k]
        most = float(np.sort(need)[::-1][: self.room[k]].sum())
        if most > 1.0:
            terms = [(self.model.pair[i, k], c) for i, c in zip(users, need.tolist(), strict=True)]
            self.model.row([*terms, (segment, most - 1.0)], "<", most)

    def _utility(self, k: int, users: list[int], r: FloatArray) -> FloatArray:
        """Return the utility of users on a server at a price, without the penalty; convex in r."""
        latency = self.transfer[users, k] + self.root_load[users] * r
        deadline = self.deadline[users, 0]
        if self.problem.deadline == "hard":
            latency = np.minimum(latency, deadline)
        return np.asarray(self.problem.beta * np.exp(deadline - latency))

    def _worth(self, k: int, users: list[int], r: FloatArray) -> FloatArray:
        latency = self.transfer[users, k] + self.root_load[users] * r
        late = np.maximum(latency - self.deadline[users, 0], 0.0)
        return self._utility(k, users, r) - self.penalty * late
