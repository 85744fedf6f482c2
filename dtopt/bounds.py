"""Dual bounds: proven bounds on the optimum that need no search.

P1: the constraints that tie decisions together are priced. With a price π_i on serving user i, λ_k on the load
L_k = Σ √(κ w_i) a_ik, μ_k on the places and ν_k on the CPU that must be set aside (demands under ``fixed`` sharing,
deadline floors under ``optimal``), each server decides alone which users pay for themselves and whether to open, which
leaves a closed form (see `_PriceProblem`). Any prices give a valid lower bound; good ones are found by quasi-Newton
ascent on a smoothed form, and the bound returned is the unsmoothed one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit

from dtopt.problem import Migration, Placement

if TYPE_CHECKING:
    from dtopt.arrays import BoolArray, FloatArray
    from dtopt.problem import Problem

__all__ = ["MOST_PAIRS", "dual_bound"]

#: Above this many pairs `dual_bound` gives no bound: the matrices would not fit.
MOST_PAIRS = 20_000_000
#: Relative slack taken off every bound, far above the rounding of its sums.
SLACK = 1e-10
#: Temperatures of the smoothed ascent, as shares of the mean cost of a user, and the iterations spent at each.
TEMPERATURES = (0.3, 0.1, 0.03, 0.01, 0.003, 0.001)
ITERATIONS = 60
#: Past steps that the quasi-Newton ascent remembers.
MEMORY = 20


def dual_bound(problem: Problem) -> float:
    """Return a proven bound on the optimum: a lower bound for P1, an upper bound for P2.

    Parameters
    ----------
    problem : Placement or Migration

    Returns
    -------
    float
        The bound; minus (P2: plus) infinity where the instance is too large for these matrices, plus (P2: minus)
        infinity where a user has no server at all.
    """
    if problem.n_users * problem.n_stations > MOST_PAIRS:
        return math.inf if problem.maximise else -math.inf
    if not problem.allowed_matrix.any(axis=1).all():
        return -math.inf if problem.maximise else math.inf
    if isinstance(problem, Placement):
        bound = _PriceProblem.of(problem).ascend() + problem.constant_cost
    else:
        assert isinstance(problem, Migration)  # noqa: S101 - the two problems there are
        bound = _utility_alone(problem)
    return bound + SLACK * abs(bound) if problem.maximise else bound - SLACK * abs(bound)


def _pair_compute(problem: Problem) -> FloatArray:
    """Return the least compute latency of each pair: its own under ``fixed`` sharing, else that of a user alone."""
    stations = np.arange(problem.n_stations)[None, :]
    users = np.arange(problem.n_users)[:, None]
    share = problem.demand(users, stations) if problem.sharing == "fixed" else problem.network.stations.cpu_hz[None, :]
    return np.asarray(problem.load_cycles[:, None] / share)


def _utility_alone(problem: Migration) -> float:
    """Return Σ_i max_k U_i with every user alone on its best server."""
    latency = problem.transfer_matrix + _pair_compute(problem)
    utility = problem.beta * np.exp(problem.network.users.deadline_s[:, None] - latency)
    if problem.deadline == "soft":
        lateness = np.maximum(0.0, latency - problem.network.users.deadline_s[:, None])
        utility = utility - problem.deadline_penalty * lateness
    best = np.where(problem.allowed_matrix, utility, -np.inf).max(axis=1).sum()
    return float(best - (1.0 - problem.beta) * problem.energy_j.sum())


@dataclass(frozen=True, eq=False)
class _PriceProblem:
    """The Lagrangian dual of P1 in the prices (π, λ, μ, ν, θ), all but π >= 0.

    g = Σ_i π_i + Σ_k min(0, V_k) − θ K  with
    V_k = o + θ + Σ_i min(0, c_ik − π_i + λ_k s_i + μ_k + ν_k ρ_ik) − λ_k² F_k / 4u − μ_k N_k − ν_k

    with c the pair costs, s_i = √(κ w_i), ρ_ik the part of F_k that the pair must get, o the opening cost, u the worth
    of one user's second and K the number of servers that may open. The load term is min over L of u L²/F − λ L =
    −λ² F / 4u. Under ``equal`` sharing it bounds too, since sharing the CPU otherwise could only be better.
    """

    cost: FloatArray
    root_load: FloatArray
    part: FloatArray | None
    cpu: FloatArray
    capacity: FloatArray
    opening: float
    worth: float
    max_open: int

    @classmethod
    def of(cls, problem: Placement) -> _PriceProblem:
        users, stations = np.arange(problem.n_users)[:, None], np.arange(problem.n_stations)[None, :]
        cpu = problem.network.stations.cpu_hz
        latency = problem.transfer_matrix
        part = None
        if problem.sharing == "fixed":
            latency = latency + _pair_compute(problem)
            part = np.broadcast_to(problem.demand(users, stations) / cpu, latency.shape)
            if problem.deadline == "soft":
                share = problem.demand(users, stations)
                late = problem.deadline_transfer_latency(users, stations) + problem.deadline_cycles[:, None] / share
                excess = np.maximum(0.0, late - problem.network.users.deadline_s[:, None])
                latency = latency + problem.deadline_penalty * excess
        elif problem.sharing == "optimal" and problem.deadlines_bind:
            part = problem.floor_matrix / cpu
        allowed = problem.allowed_matrix
        return cls(
            cost=np.where(allowed, problem.user_weight * latency, np.inf),
            root_load=problem.root_load if problem.sharing != "fixed" else np.zeros(problem.n_users),
            part=None if part is None else np.where(allowed, part, 0.0),
            cpu=cpu,
            capacity=np.minimum(problem.network.stations.capacity, problem.n_users).astype(np.float64),
            opening=problem.opening_cost,
            worth=problem.user_weight,
            max_open=problem.max_open,
        )

    def ascend(self) -> float:
        """Return the best bound found over all temperatures."""
        n, m = self.cost.shape
        # Start from the prices of a load spread evenly over half of all CPUs, and measure all prices in such units.
        even = 4.0 * self.worth * self.root_load.sum() / self.cpu.sum()
        serve = (self.cost + even * self.root_load[:, None]).min(axis=1) + self.opening * max(1.0, m / 3.0) / n
        typical = max(float(serve.mean()), 1e-300)
        unit = np.full(n + 3 * m + 1, typical)
        unit[n : n + m] = even if even > 0 else 1.0
        unit[-1] = max(self.opening, typical)
        x = np.zeros(unit.size)
        x[:n] = serve / typical
        x[n : n + m] = 1.0 if even > 0 else 0.0
        limits: list[tuple[float | None, float | None]] = [(None, None)] * n
        limits += [(0.0, None if free else 0.0) for free in self._useful()]
        best = max(self.value(x * unit), self.value(np.zeros(x.size)))
        scale = max(float(serve.sum()), 1e-300)

        def negative(x: FloatArray, temperature: float) -> tuple[float, FloatArray]:
            value, slope = self.smoothed(x * unit, temperature)
            return -value / scale, -slope * unit / scale

        for temperature in TEMPERATURES:
            x = minimize(
                negative,
                x,
                (temperature * typical,),
                jac=True,
                method="L-BFGS-B",
                bounds=limits,
                options={"maxiter": ITERATIONS, "maxcor": MEMORY},
            ).x
            best = max(best, self.value(x * unit))
        return best

    def _useful(self) -> BoolArray:
        """Return which of (λ, μ, ν, θ) are of use: a constraint that cannot bind has price 0."""
        n, m = self.cost.shape
        free = np.zeros(3 * m + 1, dtype=bool)
        free[:m] = self.root_load.any()
        free[m : 2 * m] = self.capacity < n
        free[2 * m : 3 * m] = self.part is not None
        free[-1] = self.max_open < m
        return free

    def _priced(self, prices: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return what each pair adds to V, shape (N, M), and V of an empty server, shape (M,)."""
        n, m = self.cost.shape
        load, place, part = prices[n:-1].reshape(3, m)
        pair = self.cost - prices[:n, None] + self.root_load[:, None] * load + place
        if self.part is not None:
            pair = pair + part * self.part
        empty = self.opening + prices[-1] - load**2 * self.cpu / (4.0 * self.worth) - place * self.capacity - part
        return pair, empty

    def value(self, prices: FloatArray) -> float:
        """Return g, a valid lower bound for any prices in range."""
        pair, empty = self._priced(prices)
        server = empty + np.minimum(0.0, pair).sum(axis=0)
        n = self.cost.shape[0]
        return float(prices[:n].sum() + np.minimum(0.0, server).sum() - prices[-1] * self.max_open)

    def smoothed(self, prices: FloatArray, temperature: float) -> tuple[float, FloatArray]:
        """Return g with both minima softened, which lies below it, and its gradient."""
        n, m = self.cost.shape
        pair, empty = self._priced(prices)
        # min(0, x) is softened to −T log(1 + e^{−x/T}) <= min(0, x).
        chosen = expit(-pair / temperature)
        server = empty - temperature * np.logaddexp(0.0, -pair / temperature).sum(axis=0)
        is_open = expit(-server / temperature)
        value = prices[:n].sum() - temperature * np.logaddexp(0.0, -server / temperature).sum()
        slope = np.empty(prices.size)
        slope[:n] = 1.0 - chosen @ is_open
        load, place, part = slope[n:-1].reshape(3, m)
        load[:] = is_open * (self.root_load @ chosen - prices[n : n + m] * self.cpu / (2.0 * self.worth))
        place[:] = is_open * (chosen.sum(axis=0) - self.capacity)
        part[:] = is_open * ((0.0 if self.part is None else (chosen * self.part).sum(axis=0)) - 1.0)
        slope[-1] = is_open.sum() - self.max_open
        return float(value - prices[-1] * self.max_open), slope
