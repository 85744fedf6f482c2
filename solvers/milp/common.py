"""What the formulations share: numbers of order 1, the common rows, and the price of CPU on a server.

Throughout, CPU is in parts of the servers' mean F, and s_i = √(κ w_i) is divided by the root of that mean, so that
s_i²/F_k is in seconds. With r the root of the multiplier of (18c) on a server, the KKT conditions of the optimal
sharing say f_i = max(floor_i, s_i/r), and r = L/F where no floor binds.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

import numpy as np

from dtopt.errors import UnsupportedProblemError
from solvers.steps import rounded_up

if TYPE_CHECKING:
    from collections.abc import Callable

    from dtopt.arrays import BoolArray, FloatArray, IntArray
    from dtopt.problem import Problem
    from solvers.milp.engine import Model

__all__ = ["MOST", "Formulation", "check_size", "price"]

#: Columns and rows of the largest model that is built.
MOST = 2_000_000


def check_size(parts: int, what: str) -> None:
    """Raise UnsupportedProblemError where a model would be too large to build."""
    if parts > MOST:
        raise UnsupportedProblemError(
            f"milp is for small problems: {what} would take {parts:,} columns and rows, at most {MOST:,} are built"
        )


class Formulation(ABC):
    """A problem as a MILP; the objective is `sign` · `scale` · (the model's) + `constant`.

    Parameters
    ----------
    problem : Problem
    check : callable
        Called now and then while a model is built; leaves by an exception where the time is up.
    allowed : ndarray of bool, shape (N, M), optional
        The pairs to choose from, where others have been ruled out; all that the problem allows where not given.
    """

    #: Whether `refine` can tighten the model.
    refines = False

    def __init__(self, problem: Problem, check: Callable[[], None], allowed: BoolArray | None = None) -> None:
        pairs = problem.n_users * problem.n_stations if allowed is None else int(allowed.sum())
        check_size(3 * pairs, f"{problem.n_users} users and {problem.n_stations} servers")
        self.problem = problem
        self.check = check
        self.allowed: BoolArray = problem.allowed_matrix if allowed is None else allowed & problem.allowed_matrix
        #: All users and all servers, for what the problem tells of pairs.
        self.grid: tuple[IntArray, IntArray] = (
            np.arange(problem.n_users)[:, None],
            np.arange(problem.n_stations)[None, :],
        )
        self.sign = -1.0 if problem.maximise else 1.0
        self.scale = 1.0
        self.constant = 0.0
        #: What all costs without the constant are multiples of; 0 where that is not known.
        self.step = 0.0
        #: A bound on the objective that needs no model; −inf where there is none (P1).
        self.least = -math.inf
        self.forbidden: list[IntArray] = []
        stations = problem.network.stations
        self.mean_cpu = float(stations.cpu_hz.mean()) or 1.0
        self.cpu: FloatArray = problem.cpu_limit_hz / self.mean_cpu
        self.root_load: FloatArray = problem.root_load / np.sqrt(self.mean_cpu)
        self.room = np.minimum(stations.capacity, problem.n_users)
        self.model: Model

    def objective(self, value: float) -> float:
        """Return the problem's objective, or bound, of one of the model."""
        return self.sign * self.scale * value + self.constant

    def bound(self, value: float) -> float:
        """Return the problem's bound that a bound of the model proves."""
        if self.problem.maximise:
            return self.objective(value)
        return max(rounded_up(self.scale * value, self.step) + self.constant, self.least)

    def forbid(self, association: IntArray) -> None:
        """Cut off one association, now and in later models."""
        self.forbidden.append(association)
        self.model.forbid(association)

    @abstractmethod
    def build(self) -> None:
        """Make `model`."""

    def refine(self, association: IntArray) -> None:  # noqa: B027 - most need nothing
        """Make the model exact at an association."""

    def refine_relaxation(self, values: dict[Any, float]) -> bool:
        """Tighten the model at a solution of its linear relaxation; return whether there was anything to do."""
        return False

    @property
    def floors(self) -> FloatArray:
        """Least CPU of allowed pairs under hard deadlines, parts of mean F, shape (N, M); 0 elsewhere."""
        return np.where(self.allowed, self.problem.floor_matrix, 0.0) / self.mean_cpu

    def capacity_rows(self, is_open: list[Any] | None = None) -> None:
        """Add (18b), with the linking of pairs to open servers where there are such."""
        model = self.model
        for k, users in enumerate(model.of_server):
            terms = [(model.pair[i, k], 1.0) for i in users]
            if is_open is not None:
                for i in users:
                    model.row([(model.pair[i, k], 1.0), (is_open[k], -1.0)], "<", 0.0)
                model.row([*terms, (is_open[k], -float(self.room[k]))], "<", 0.0)
            elif self.room[k] < len(users):
                model.row(terms, "<", float(self.room[k]))

    def cpu_rows(self, parts: FloatArray, is_open: list[Any] | None = None) -> None:
        """Add (18c) as a knapsack: what each pair takes at least, in parts of the server."""
        model = self.model
        for k, users in enumerate(model.of_server):
            if parts[users, k].sum() > 1.0:
                terms = [(model.pair[i, k], parts[i, k]) for i in users]
                if is_open is None:
                    model.row(terms, "<", 1.0)
                else:
                    model.row([*terms, (is_open[k], -1.0)], "<", 0.0)

    def count_columns(
        self, among: Callable[[int, int], tuple[FloatArray, BoolArray]], terms: list[tuple[Any, float]]
    ) -> list[list[tuple[Any, float]]]:
        """Add binaries v_kn, n twins on server k, and z_ikn, user i among them, tied to each other and to the pairs.

        z_ikn <= v_kn, Σ_i z_ikn = n v_kn, Σ_n z_ikn = a_ik.

        Parameters
        ----------
        among : callable
            For server k and count n: what each user then adds to the model's objective, and whether it may be there.
        terms : list of terms
            The objective, which grows by the z.

        Returns
        -------
        list of lists of terms
            Σ_n v_kn for each server, for the caller to bound by 1 or by its being open.
        """
        problem, model = self.problem, self.model
        sizes = self.allowed.sum(axis=0).astype(int)
        triples = int(sum(n * min(n, room) for n, room in zip(sizes.tolist(), self.room.tolist(), strict=True)))
        check_size(2 * triples, f"users, servers and counts under equal sharing ({problem.n_users} users)")
        on: dict[tuple[int, int], list[tuple[Any, float]]] = {pair: [] for pair in model.pair}
        counts: list[list[tuple[Any, float]]] = [[] for _ in model.of_server]
        for k, users in enumerate(model.of_server):
            for n in range(1, min(len(users), int(self.room[k])) + 1):
                self.check()
                cost, able = among(k, n)
                members = [i for i in users if able[i]]
                if len(members) < n:
                    continue
                full = model.variable(up=1.0, integer=True)
                counts[k].append((full, 1.0))
                together = [(full, -float(n))]
                for i in members:
                    z = model.variable()
                    model.row([(z, 1.0), (full, -1.0)], "<", 0.0)
                    together.append((z, 1.0))
                    on[i, k].append((z, 1.0))
                    terms.append((z, cost[i]))
                model.row(together, "=", 0.0)
        for pair, together in on.items():
            model.row([*together, (model.pair[pair], -1.0)], "=", 0.0)
        return counts

    def largest(self, weight: FloatArray, k: int) -> float:
        """Return the most that weights of users can sum to on a server, within its capacity."""
        users = self.model.of_server[k]
        return float(np.sort(weight[users])[::-1][: self.room[k]].sum())


def price(root_load: FloatArray, floor: FloatArray, cpu: float, part: FloatArray | None = None) -> float:
    """Return r of a server: where Σ part · max(floor, s/r) meets its CPU.

    Parameters
    ----------
    root_load, floor : ndarray, shape (n,)
        s and the least share of the twins on it.
    cpu : float
        What the server has.
    part : ndarray, shape (n,), optional
        How much of each twin is on it, for fractional solutions; 1 where not given.

    Returns
    -------
    float
        Infinite where twins without a floor are left without CPU.
    """
    part = np.ones(root_load.size) if part is None else part
    free = (root_load > 0) & (part > 0)
    r = 0.0
    while free.any():
        left = cpu - float((part * floor)[~free].sum())
        total = float((part * root_load)[free].sum())
        if left <= 1e-12 * cpu:
            # The floors take all there is; from here on r changes nothing. Who has none gets no CPU at any price.
            if not (floor[free] > 0).all():
                return math.inf
            return max(r, float((root_load[free] / floor[free]).max()))
        r = total / left
        short = free & (root_load < r * floor)
        if not short.any():
            return r
        free &= ~short
    return r
