"""P1 under ``equal`` sharing by counts: once the number of twins on each server is fixed, a transportation problem."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from solvers.milp.common import TOLERANCE, check_size
from solvers.milp.engine import Model
from solvers.milp.placement import PlacementFormulation

if TYPE_CHECKING:
    from dtopt.arrays import FloatArray

__all__ = ["CountedPlacement"]


class CountedPlacement(PlacementFormulation):
    """`equal` sharing: a binary v_kn says that server k keeps n twins, so that all latencies are constants.

    z_ikn says that user i is on server k among n twins: z_ikn <= v_kn, Σ_n z_ikn = a_ik, Σ_i z_ikn = n v_kn. Only the v
    are branched on in earnest: with them fixed the z are the flow of a transportation problem, which is integral.
    """

    def build(self) -> None:
        """Make `model`."""
        problem = self.problem
        sizes = self.allowed.sum(axis=0).astype(int)
        triples = int(sum(n * min(n, room) for n, room in zip(sizes.tolist(), self.room.tolist(), strict=True)))
        check_size(2 * triples, f"users, servers and counts under equal sharing ({problem.n_users} users)")
        model = self.model = Model(self.allowed)
        self.is_open = [model.variable(up=1.0, integer=True) for _ in range(problem.n_stations)]
        if problem.max_open < problem.n_stations:
            model.row([(y, 1.0) for y in self.is_open], "<", float(problem.max_open))
        terms: list[tuple[Any, float]] = [(y, problem.opening_cost / self.scale) for y in self.is_open]
        on: dict[tuple[int, int], list[tuple[Any, float]]] = {pair: [] for pair in model.pair}
        for k, users in enumerate(model.of_server):
            counts = []
            for n in range(1, min(len(users), int(self.room[k])) + 1):
                self.check()
                cost, able = self._among(k, n)
                members = [i for i in users if able[i]]
                if len(members) < n:
                    continue
                full = model.variable(up=1.0, integer=True)
                counts.append((full, 1.0))
                together = [(full, -float(n))]
                for i in members:
                    z = model.variable()
                    model.row([(z, 1.0), (full, -1.0)], "<", 0.0)
                    together.append((z, 1.0))
                    on[i, k].append((z, 1.0))
                    terms.append((z, cost[i] / self.scale))
                model.row(together, "=", 0.0)
            model.row([*counts, (self.is_open[k], -1.0)], "<", 0.0)
        for pair, together in on.items():
            model.row([*together, (model.pair[pair], -1.0)], "=", 0.0)
        model.minimise(terms)

    def _among(self, k: int, n: int) -> tuple[FloatArray, Any]:
        """Return the cost of each user on a server with n twins, and whether its deadline lets it be there."""
        problem = self.problem
        share = problem.network.stations.cpu_hz[k] / n
        cost = self.pair_cost[:, k] + self.weight * problem.load_cycles / share
        deadline = problem.network.users.deadline_s
        users, server = np.arange(problem.n_users), np.array([k])
        late = problem.deadline_transfer_latency(users, np.broadcast_to(server, users.shape))
        late = late + problem.deadline_cycles / share
        if problem.deadline == "hard":
            return cost, late <= deadline * (1.0 + TOLERANCE)
        with np.errstate(invalid="ignore"):
            excess = np.where(np.isfinite(deadline), np.maximum(late - deadline, 0.0), 0.0)
        return cost + self.weight * problem.deadline_penalty * excess, np.ones(users.size, dtype=bool)
