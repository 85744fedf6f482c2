"""The Lagrangian dual of P1 under ``fixed`` sharing with whole knapsacks, and the pairs that it rules out.

The price dual lets a server divide its last user; here each server solves its 0-1 knapsack by dynamic programming,
which is the strongest bound that prices on users alone can give. Demands are whole numbers of grains, rounded down
where they are not whole themselves, which only relaxes the problem.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numba
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from dtopt.arrays import BoolArray, FloatArray, IntArray
    from dtopt.price_dual import PriceDual
    from dtopt.problem import Placement

__all__ = ["KnapsackDual", "compile_knapsacks", "whole_demands"]

#: Grains that a server's CPU is cut into where demands are not whole numbers of at most `FINEST`.
GRAINS, FINEST = 4000, 20_000
#: Iterations without a better value after which a step is halved, and how often.
PATIENCE, HALVINGS = 25, 8
#: Iterations between two looks at the clock.
SLICE = 25
#: Weight of the slope before in a direction.
MEMORY = 0.3


def whole_demands(problem: Placement, grains: int = GRAINS, finest: int = FINEST) -> tuple[IntArray, IntArray]:
    """Return demands and CPUs as whole numbers, shapes (N, M) and (M,), such that what fits still fits.

    Whole demands stay as they are where no CPU is above `finest`. Others are counted in grains, `grains` to a server.
    """
    users, servers = np.arange(problem.n_users)[:, None], np.arange(problem.n_stations)[None, :]
    cpu = problem.cpu_limit_hz
    demand = np.broadcast_to(problem.demand(users, servers), (problem.n_users, problem.n_stations))
    if (demand == np.floor(demand)).all() and cpu.max() <= finest:
        return demand.astype(np.int64), np.floor(cpu).astype(np.int64)
    # A hair is given back before rounding down, so that 1/3 of 3 grains is not 0 of them.
    parts = np.floor(np.minimum(problem.reserved_part(users, servers), 2.0) * grains * (1.0 - 1e-9))
    return parts.astype(np.int64), np.full(cpu.size, grains)


class KnapsackDual:
    """Σ_i π_i + Σ_k min(0, o + θ − μ_k N_k + min {Σ_i (c_ik − π_i + μ_k) x_i : Σ_i ρ_ik x_i <= 1}) − θ K.

    Parameters
    ----------
    dual : PriceDual
        Of a problem with ``fixed`` sharing; its prices μ and θ are taken over as they are.
    prices : ndarray
        As `PriceDual.ascend` returns them.
    weight, room : ndarray of int, shapes (N, M) and (M,)
        See `whole_demands`.
    """

    def __init__(self, dual: PriceDual, prices: FloatArray, weight: IntArray, room: IntArray) -> None:
        n, m = dual.cost.shape
        self.room = room
        self.weight = np.ascontiguousarray(weight.T)
        place = prices[n + m : n + 2 * m]
        self.cost = np.ascontiguousarray((dual.cost + place).T)
        self.empty = dual.opening + prices[-1] - place * dual.capacity
        self.forced = dual.state > 0
        self.constant = -float(prices[-1]) * dual.max_open
        self.prices = np.array(prices[:n])
        self.value = -np.inf

    def ascend(self, target: float, stop: Callable[[], bool]) -> float:
        """Return the best value found by deflected subgradients with Polyak's steps towards `target`."""
        price, direction = self.prices.copy(), np.zeros(self.prices.size)
        since, halvings, length = 0, 0, 1.0
        while halvings < HALVINGS and not stop():
            before = self.value
            self.value, self.prices = _climb(
                self.cost,
                self.weight,
                self.room,
                self.empty,
                self.forced,
                self.constant,
                price,
                direction,
                target,
                length,
                SLICE,
                self.value,
                self.prices,
            )
            if self.value >= target:
                break
            since = 0 if self.value > before + 1e-7 * abs(before) else since + SLICE
            if since >= PATIENCE:
                since, halvings, length = 0, halvings + 1, 0.5 * length
                price[:], direction[:] = self.prices, 0.0
        return self.value

    def pairs(self, cutoff: float) -> BoolArray:
        """Return the pairs that could be part of a solution below the cutoff, shape (N, M)."""
        bounds = _pair_bounds(self.cost, self.weight, self.room, self.empty, self.forced, self.constant, self.prices)
        return np.asarray(cutoff > bounds.T)

    def keep(self, pairs: BoolArray) -> None:
        """Leave all other pairs out."""
        self.cost = np.where(pairs.T, self.cost, np.inf)
        self.value = -np.inf


@numba.njit(cache=True)
def _knapsack(gain: FloatArray, weight: IntArray, room: int, taken: BoolArray) -> float:
    """Return the least sum of gains that fit, and write which are taken; only negative gains can be."""
    n = gain.size
    items = np.empty(n, dtype=np.int64)
    count = total = 0
    for i in range(n):
        taken[i] = False
        if gain[i] < 0.0 and weight[i] <= room:
            items[count] = i
            count += 1
            total += weight[i]
    value = 0.0
    if total <= room:
        for position in range(count):
            taken[items[position]] = True
            value += gain[items[position]]
        return value
    best = np.zeros(room + 1)
    took = np.zeros((count, room + 1), dtype=np.bool_)
    for position in range(count):
        i = items[position]
        w, g = weight[i], gain[i]
        for c in range(room, w - 1, -1):
            other = best[c - w] + g
            if other < best[c]:
                best[c] = other
                took[position, c] = True
    c = room
    for position in range(count - 1, -1, -1):
        if took[position, c]:
            taken[items[position]] = True
            c -= weight[items[position]]
    return float(best[room])


@numba.njit(cache=True)
def _climb(
    cost: FloatArray,
    weight: IntArray,
    room: IntArray,
    empty: FloatArray,
    forced: BoolArray,
    constant: float,
    price: FloatArray,
    direction: FloatArray,
    target: float,
    length: float,
    iterations: int,
    best: float,
    best_price: FloatArray,
) -> tuple[float, FloatArray]:
    """Go some steps from `price` along `direction`, both changed in place; return the best value and its prices."""
    m, n = cost.shape
    taken = np.zeros(n, dtype=np.bool_)
    best_price = best_price.copy()
    for _ in range(iterations):
        value = constant + price.sum()
        slope = np.ones(n)
        for k in range(m):
            server = empty[k] + _knapsack(cost[k] - price, weight[k], room[k], taken)
            if forced[k] or server < 0.0:
                value += server
                for i in range(n):
                    if taken[i]:
                        slope[i] -= 1.0
        if value > best:
            best = value
            best_price[:] = price
        direction[:] = slope + MEMORY * direction
        size = (direction * direction).sum()
        if size == 0.0 or value >= target:
            break
        price += length * (target - value) / size * direction
    return best, best_price


@numba.njit(cache=True)
def _with_and_without(gain: FloatArray, weight: IntArray, room: int) -> tuple[float, FloatArray, FloatArray]:
    """Return the knapsack's value, and for each user its value with that user in it and with it left out."""
    n = gain.size
    items = np.empty(n, dtype=np.int64)
    count = 0
    for i in range(n):
        if gain[i] < 0.0 and weight[i] <= room:
            items[count] = i
            count += 1
    # Tables over the first and over the last of the users that gain.
    first, last = np.zeros((count + 1, room + 1)), np.zeros((count + 1, room + 1))
    for position in range(count):
        i = items[position]
        w, g = weight[i], gain[i]
        for c in range(room + 1):
            first[position + 1, c] = first[position, c]
            if c >= w and first[position, c - w] + g < first[position + 1, c]:
                first[position + 1, c] = first[position, c - w] + g
    for position in range(count - 1, -1, -1):
        i = items[position]
        w, g = weight[i], gain[i]
        for c in range(room + 1):
            last[position, c] = last[position + 1, c]
            if c >= w and last[position + 1, c - w] + g < last[position, c]:
                last[position, c] = last[position + 1, c - w] + g
    value = first[count, room]
    inside, outside = np.full(n, np.inf), np.full(n, value)
    for i in range(n):
        if gain[i] < np.inf and gain[i] >= 0.0 and weight[i] <= room:
            inside[i] = gain[i] + first[count, room - weight[i]]
    for position in range(count):
        i = items[position]
        without = np.inf
        for c in range(room + 1):
            without = min(without, first[position, c] + last[position + 1, room - c])
        outside[i] = without
        left, others = room - weight[i], np.inf
        for c in range(left + 1):
            others = min(others, first[position, c] + last[position + 1, left - c])
        inside[i] = gain[i] + others
    return value, inside, outside


@numba.njit(cache=True)
def _pair_bounds(
    cost: FloatArray,
    weight: IntArray,
    room: IntArray,
    empty: FloatArray,
    forced: BoolArray,
    constant: float,
    price: FloatArray,
) -> FloatArray:
    """Return lower bounds on the cost with each user on each server, shape (M, N)."""
    m, n = cost.shape
    whole = constant + price.sum()
    bounds, without = np.empty((m, n)), np.zeros(n)
    for k in range(m):
        value, inside, outside = _with_and_without(cost[k] - price, weight[k], room[k])
        counted = empty[k] + value
        if not forced[k]:
            counted = min(0.0, counted)
        whole += counted
        for i in range(n):
            gone = empty[k] + outside[i]
            if not forced[k]:
                gone = min(0.0, gone)
            without[i] += gone - counted
            bounds[k, i] = empty[k] + inside[i] - counted - (gone - counted)
    for k in range(m):
        for i in range(n):
            bounds[k, i] += whole + without[i]
    return bounds


@cache
def compile_knapsacks() -> None:
    """Compile the dual, or load it from Numba's cache; `exact` calls it before its clock starts."""
    two, square = np.ones(2), np.ones((2, 2))
    weight, room = np.ones((2, 2), dtype=np.int64), np.ones(2, dtype=np.int64)
    forced = np.zeros(2, dtype=bool)
    _climb(square, weight, room, two, forced, 0.0, two.copy(), np.zeros(2), 1.0, 1.0, 1, -np.inf, two)
    _pair_bounds(square, weight, room, two, forced, 0.0, two)
