"""P1 under ``equal`` sharing by counts: once the number of twins on each server is fixed, a transportation problem."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from dtopt.tolerances import within
from solvers.milp.engine import Model
from solvers.milp.placement import PlacementFormulation

if TYPE_CHECKING:
    from dtopt.arrays import BoolArray, FloatArray

__all__ = ["CountedPlacement"]


class CountedPlacement(PlacementFormulation):
    """`equal` sharing: a binary v_kn says that server k keeps n twins, so that all latencies are constants.

    Only the v are branched on in earnest: with them fixed the rest is a transportation problem, which is integral.
    """

    def build(self) -> None:
        """Make `model`."""
        problem = self.problem
        model = self.model = Model(self.allowed, self.check)
        self.is_open = [model.variable(up=1.0, integer=True) for _ in range(problem.n_stations)]
        if problem.max_open < problem.n_stations:
            model.row([(y, 1.0) for y in self.is_open], "<", float(problem.max_open))
        terms: list[tuple[Any, float]] = [(y, problem.opening_cost / self.scale) for y in self.is_open]
        for y, counts in zip(self.is_open, self.count_columns(self._among, terms), strict=True):
            model.row([*counts, (y, -1.0)], "<", 0.0)
        model.minimise(terms)

    def _among(self, k: int, n: int) -> tuple[FloatArray, BoolArray]:
        """Return the cost of each user on a server with n twins, and whether its deadline lets it be there."""
        problem = self.problem
        share = problem.network.stations.cpu_hz[k] / n
        cost = self.pair_cost[:, k] + self.weight * problem.load_cycles / share
        deadline = problem.network.users.deadline_s
        users = np.arange(problem.n_users)
        late = problem.deadline_transfer_latency(users, np.full(users.size, k)) + problem.deadline_cycles / share
        if problem.deadline == "hard":
            return cost / self.scale, late <= within(deadline)
        with np.errstate(invalid="ignore"):
            excess = np.where(np.isfinite(deadline), np.maximum(late - deadline, 0.0), 0.0)
        cost = cost + self.weight * problem.deadline_penalty * excess
        return cost / self.scale, np.ones(users.size, dtype=bool)
