"""The Lagrangian dual of P1 in prices: its value, its ascent, and what it proves of single decisions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from dtopt._core import Columns
from dtopt.price_ascent import TEMPERATURES, Start, climb, even_price

if TYPE_CHECKING:
    from dtopt.arrays import BoolArray, FloatArray, IntArray
    from dtopt.problem import Placement

__all__ = ["CLOSED", "FREE", "OPEN", "PriceDual", "decided_bounds"]

#: Iterations of the ascent that tell whether given prices are optimal, and the part of the value that they then gain.
PROBE, PROBE_GAIN = 4, 3e-7
#: What has been decided of a server.
CLOSED, FREE, OPEN = -1, 0, 1


@dataclass(frozen=True, eq=False)
class PriceDual:
    """The Lagrangian dual of P1 in the prices (π, λ, μ, ν, θ), all but π >= 0.

    g = Σ_i π_i + Σ_k min(0, V_k) − θ K  with
    V_k = o + θ + Σ_i min(0, c_ik − π_i + e_ik(λ_k) + μ_k + ν_k ρ_ik) − λ_k² F_k / 4u − μ_k N_k − ν_k

    with c the pair costs, s_i = √(κ w_i), ρ_ik the part of F_k that ``fixed`` sharing gives the pair, o the opening
    cost, u the worth of one user's second and K the number of servers that may open. e_ik(λ) is the least of
    u s_i²/f + λ² f / 4u over shares f >= floor_ik: λ s_i, and more once the floor of a hard deadline binds; together
    with −λ² F / 4u it prices the CPU. A server that is decided to be open counts V_k in the place of min(0, V_k), one
    decided to be closed counts 0. Under ``equal`` sharing it bounds too, since no sharing beats the optimal one.

    The constant part of the objective is left out.

    Parameters
    ----------
    cost : ndarray, shape (N, M)
        c_ik, infinite where the pair is not allowed.
    root_load : ndarray, shape (N,)
    part, floor : ndarray, shape (N, M), or None
        Parts of the CPU under ``fixed`` sharing; least shares under hard deadlines, cycles/s.
    cpu, capacity : ndarray, shape (M,)
        `Problem.cpu_limit_hz`; places, at most N.
    opening, worth : float
    max_open : int
    state : ndarray of int, shape (M,)
        `OPEN`, `CLOSED` or `FREE` for each server.
    """

    cost: FloatArray
    root_load: FloatArray
    part: FloatArray | None
    floor: FloatArray | None
    cpu: FloatArray
    capacity: FloatArray
    opening: float
    worth: float
    max_open: int
    state: IntArray

    @classmethod
    def of(cls, problem: Placement) -> PriceDual:
        """Return the dual of a problem with all servers free."""
        users, stations = np.arange(problem.n_users)[:, None], np.arange(problem.n_stations)[None, :]
        part = floor = None
        if problem.sharing == "fixed":
            latency = problem.fixed_latency(users, stations) + problem.fixed_penalty(users, stations)
            part = np.broadcast_to(problem.reserved_part(users, stations), latency.shape)
        else:
            latency = problem.transfer_matrix
            floor = problem.floor_matrix if problem.reserves_cpu else None
        allowed, worth = problem.allowed_matrix, problem.user_weight
        return cls(
            cost=np.where(allowed, worth * np.where(allowed, latency, 0.0), np.inf),
            root_load=problem.root_load if problem.sharing != "fixed" and worth > 0 else np.zeros(problem.n_users),
            part=None if part is None else np.where(allowed, part, 0.0),
            floor=None if floor is None else np.where(allowed, floor, 0.0),
            cpu=problem.cpu_limit_hz,
            capacity=np.minimum(problem.network.stations.capacity, problem.n_users).astype(np.float64),
            opening=problem.opening_cost,
            # Loads have no price where latency has none; any worth will do then.
            worth=worth or 1.0,
            max_open=problem.max_open,
            state=np.zeros(problem.n_stations, dtype=np.int64),
        )

    def decided(self, server: int, state: int) -> PriceDual:
        """Return the dual with one more server decided to be `OPEN` or `CLOSED`."""
        changed = self.state.copy()
        changed[server] = state
        cost = self.cost
        if state == CLOSED:
            cost = cost.copy()
            cost[:, server] = np.inf
        child = replace(self, state=changed, cost=cost)
        if "columns" in self.__dict__:
            # The core skips closed servers by their state, so that all nodes of a search share one copy.
            child.__dict__["columns"] = self.columns
        return child

    def among(self, servers: BoolArray) -> PriceDual:
        """Return the dual with these servers decided to be open, shape (M,), and all others closed."""
        cost = np.where(servers, self.cost, np.inf)
        child = replace(self, state=np.where(servers, OPEN, CLOSED), cost=cost)
        child.__dict__["columns"] = self.columns
        return child

    # --- ascent ---------------------------------------------------------------------------------------------------

    def ascend(
        self,
        start: FloatArray | None = None,
        temperatures: tuple[float, ...] = TEMPERATURES,
        *,
        enough: float = np.inf,
    ) -> tuple[float, FloatArray]:
        """Return the best value found over all temperatures, and its prices.

        Parameters
        ----------
        start : ndarray, optional
            Prices to begin with, for example those of the same dual with fewer servers decided. Where they are optimal
            the ascent ends after a few evaluations.
        temperatures : tuple of float
            Falling, as shares of the mean cost of a user.
        enough : float
            The ascent may end once the value is at least this.
        """
        even = even_price(self.root_load, self.cpu, self.worth)
        serve = (self.cost + even * self.root_load[:, None]).min(axis=1)
        if not np.isfinite(serve).all():
            return np.inf, np.zeros(serve.size + 3 * self.cpu.size + 1)
        begin = Start.of(serve, even, self.opening, self._useful())
        prices = begin.prices if start is None else start
        gain = value = np.inf
        if start is not None:
            # At prices that are optimal already the coldest dual gains next to nothing.
            value, best = climb(self.columns, self.state, begin, start, temperatures[-1:], iterations=PROBE)
            gain = value - self.columns.value(self.state, start)
        if gain > PROBE_GAIN * abs(value) or start is None:
            value, best = climb(self.columns, self.state, begin, prices, temperatures, enough=enough)
        # At these prices nobody is worth more than it costs at the least, whatever rounding does: g is their sum.
        least = np.zeros(prices.size)
        least[: serve.size] = self.cost.min(axis=1)
        found = (value - self._rounding(best), best), (self.value(least), least)
        return max(found, key=lambda pair: pair[0])

    def _rounding(self, prices: FloatArray) -> float:
        """Return what rounding can add to g: a part of the sizes of what it sums, which can be far above g itself."""
        n, m = self.cost.shape
        load, place, part = prices[n:-1].reshape(3, m)
        shared = load**2 * self.cpu / (4.0 * self.worth) + place * self.capacity + part
        summed = np.abs(prices[:n]).sum() + shared.sum() + prices[-1] * self.max_open
        return float((n + m) * np.finfo(np.float64).eps * summed)

    def _useful(self) -> BoolArray:
        """Return which of (λ, μ, ν, θ) are of use: a constraint that cannot bind has price 0."""
        n, m = self.cost.shape
        free = np.zeros(3 * m + 1, dtype=bool)
        free[:m] = self.root_load.any()
        free[m : 2 * m] = self.capacity < n
        free[2 * m : 3 * m] = self.part is not None
        free[-1] = self.max_open < m
        return free

    # --- values ---------------------------------------------------------------------------------------------------

    def _priced(self, prices: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return what each pair adds to V, shape (N, M), and V of an empty server, shape (M,)."""
        n, m = self.cost.shape
        load, place, part = prices[n:-1].reshape(3, m)
        pair = self.cost - prices[:n, None] + self._shares(load)[0] + place
        if self.part is not None:
            pair = pair + part * self.part
        empty = self.opening + prices[-1] - load**2 * self.cpu / (4.0 * self.worth) - place * self.capacity - part
        return pair, empty

    def priced(self, prices: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return what each pair costs at these prices, shape (N, M), and V of each server, shape (M,).

        A server pays for itself where V < 0, and then takes the users of negative cost.
        """
        pair, empty = self._priced(prices)
        return pair, empty + np.minimum(0.0, pair).sum(axis=0)

    def _shares(self, load: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return e_ik(λ_k) and its derivative, shape (N, M)."""
        size = self.root_load[:, None]
        if self.floor is None:
            return size * load, np.broadcast_to(size, self.cost.shape)
        rate = load / (2.0 * self.worth)
        with np.errstate(divide="ignore", invalid="ignore"):
            clamped = self.worth * (size**2 / self.floor + rate**2 * self.floor)
        binds = rate * self.floor > size
        return np.where(binds, clamped, size * load), np.where(binds, rate * self.floor, size)

    def _counted(self, server: FloatArray) -> FloatArray:
        """Return what servers of value V count: V where open, min(0, V) where free, 0 where closed."""
        return counted(self.state, server)

    def value(self, prices: FloatArray) -> float:
        """Return g, a valid lower bound for any prices in range."""
        server = self.priced(prices)[1]
        n = self.cost.shape[0]
        return float(prices[:n].sum() + self._counted(server).sum() - prices[-1] * self.max_open)

    @cached_property
    def columns(self) -> Columns:
        """All pairs that are allowed, server by server, for the compiled dual."""
        finite = np.isfinite(self.cost.T)

        def listed(matrix: FloatArray | None) -> FloatArray | None:
            return None if matrix is None else np.ascontiguousarray(matrix.T[finite])

        return Columns(
            start=np.concatenate([[0], finite.sum(axis=1).cumsum()]).astype(np.int64),
            user=np.nonzero(finite)[1].astype(np.int32),
            cost=self.cost.T[finite],
            part=listed(self.part),
            floor=listed(self.floor),
            root_load=np.ascontiguousarray(self.root_load),
            cpu=np.ascontiguousarray(self.cpu),
            capacity=np.ascontiguousarray(self.capacity),
            opening=np.full(self.cost.shape[1], float(self.opening)),
            worth=float(self.worth),
            max_open=int(self.max_open),
        )

    def smoothed(self, prices: FloatArray, temperature: float) -> tuple[float, FloatArray]:
        """Return g with its minima softened, which lies below it, and its gradient."""
        n, m = self.cost.shape
        pair, empty = self._priced(prices)
        gain, chosen = _soft(pair, temperature)
        server = empty + gain.sum(axis=0)
        softened, is_open = _soft(server, temperature)
        softened = np.where(self.state == FREE, softened, np.where(self.state == OPEN, server, 0.0))
        is_open = np.where(self.state == FREE, is_open, np.where(self.state == OPEN, 1.0, 0.0))
        value = prices[:n].sum() + softened.sum()
        slope = np.empty(prices.size)
        slope[:n] = 1.0 - chosen @ is_open
        load, place, part = slope[n:-1].reshape(3, m)
        steps = (self._shares(prices[n : n + m])[1] * chosen).sum(axis=0)
        load[:] = is_open * (steps - prices[n : n + m] * self.cpu / (2.0 * self.worth))
        place[:] = is_open * (chosen.sum(axis=0) - self.capacity)
        part[:] = is_open * ((0.0 if self.part is None else (chosen * self.part).sum(axis=0)) - 1.0)
        slope[-1] = is_open.sum() - self.max_open
        return float(value - prices[-1] * self.max_open), slope

    # --- what it proves of single decisions -----------------------------------------------------------------------

    def server_bounds(self, prices: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return lower bounds on the cost with each server open, and with it closed; shapes (M,)."""
        return decided_bounds(self.state, self.value(prices), self.priced(prices)[1])

    def pair_bounds(self, prices: FloatArray) -> FloatArray:
        """Return lower bounds on the cost with each user on each server, shape (N, M).

        With user i on server k, k is open and takes i, and no other server does.
        """
        pair, empty = self._priced(prices)
        gain = np.minimum(0.0, pair)
        server = empty + gain.sum(axis=0)
        now = self._counted(server)
        without = self._counted(np.where(np.isfinite(server - gain), server - gain, np.inf)) - now
        others = without.sum(axis=1, keepdims=True) - without
        return np.asarray(self.value(prices) - now + server + np.maximum(0.0, pair) + others)


def counted(state: IntArray, server: FloatArray) -> FloatArray:
    """Return what servers of value V count: V where open, min(0, V) where free, 0 where closed."""
    return np.where(state == OPEN, server, np.where(state == FREE, np.minimum(0.0, server), 0.0))


def decided_bounds(state: IntArray, value: float, server: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return lower bounds with each server open, and with it closed, of a dual's value and its servers' V."""
    rest = value - counted(state, server)
    return np.where(state == CLOSED, np.inf, rest + server), np.where(state == OPEN, np.inf, rest)


def _soft(x: FloatArray, temperature: float) -> tuple[FloatArray, FloatArray]:
    """Return min(0, x) with its kink rounded off by a parabola over −T < x < T, and its derivative."""
    weight = np.clip((temperature - x) / (2.0 * temperature), 0.0, 1.0)
    return np.where(x > -temperature, -temperature * weight * weight, x), weight
