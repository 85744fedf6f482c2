"""Lagrangian bounds of a neighbourhood by dynamic programming: prices on users, one table for each server.

With a price λ_i on each user's assignment, a server by itself takes the users that pay for it. What its CPU allows or
costs depends on a whole number r, the grains that its users take: Σ grains is a knapsack's filling under ``fixed``
sharing and the load under ``optimal`` sharing; under ``equal`` sharing, where the cost is that of the count and the
load together, there is one case for each final count q and r counts the users. A table holds, for each case and each d
and r, the least reduced cost of completing the server with users d, d + 1, ... once r grains are taken. It is the bound
of every node of a search that decides users in this order, by p look-ups.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numba
import numpy as np

if TYPE_CHECKING:
    from dtopt.arrays import FloatArray, IntArray

__all__ = ["Servers", "climb", "fill", "pair_bounds"]

#: Weight of the slope before in a direction of the ascent.
MEMORY = 0.3
#: Iterations without a better value after which the step is halved.
PATIENCE = 6


class Servers(NamedTuple):
    """The servers of a neighbourhood, each with Q cases.

    Parameters
    ----------
    cost : ndarray, shape (P, Q, N)
        Infinite where the pair is not allowed.
    grains : ndarray of int, shape (P, N)
    last : ndarray, shape (P, Q, R + 1)
        What a server costs by its grains; infinite where they are not allowed.
    opening : float
    place : ndarray, shape (P,)
        Room for users.
    """

    cost: FloatArray
    grains: IntArray
    last: FloatArray
    opening: float
    place: IntArray


@numba.njit(cache=True)
def fill(p: Servers, price: FloatArray, place_price: FloatArray, table: FloatArray) -> None:
    """Write the tables, shape (P, Q, N + 1, R + 1)."""
    servers, cases, n = p.cost.shape
    width = p.last.shape[2]
    for k in range(servers):
        for q in range(cases):
            t = table[k, q]
            t[n] = p.last[k, q]
            for d in range(n - 1, -1, -1):
                gain, w = p.cost[k, q, d] - price[d] + place_price[k], p.grains[k, d]
                new, old = t[d], t[d + 1]
                if gain == np.inf or w >= width:
                    new[:] = old
                    continue
                for r in range(width - w):
                    new[r] = min(old[r], gain + old[r + w])
                for r in range(width - w, width):
                    new[r] = old[r]


@numba.njit(cache=True)
def _take(p: Servers, t: FloatArray, k: int, count: IntArray) -> int:
    """Count the users that a server takes, by its table; return how many."""
    r = taken = 0
    for d in range(count.size):
        if t[d, r] < t[d + 1, r]:
            count[d] += 1
            taken += 1
            r += p.grains[k, d]
    return taken


@numba.njit(cache=True)
def climb(
    p: Servers,
    price: FloatArray,
    place_price: FloatArray,
    table: FloatArray,
    target: float,
    iterations: int,
) -> float:
    """Raise the bound by deflected subgradients with Polyak's steps towards `target`; return the best value.

    `price` and `place_price` become the best ones, and the tables those at these prices.
    """
    servers, cases, n = p.cost.shape
    best, since, length = -np.inf, 0, 1.0
    best_price, best_place = price.copy(), place_price.copy()
    direction, place_direction = np.zeros(n), np.zeros(servers)
    count = np.zeros(n, dtype=np.int64)
    bounded = p.place < n
    at_best = False
    for _ in range(iterations):
        fill(p, price, place_price, table)
        value = price.sum()
        count[:] = 0
        place_slope = np.zeros(servers)
        for k in range(servers):
            q = 0
            for other in range(1, cases):
                if table[k, other, 0, 0] < table[k, q, 0, 0]:
                    q = other
            server = table[k, q, 0, 0] + p.opening - place_price[k] * p.place[k]
            if server < 0.0:
                value += server
                place_slope[k] = _take(p, table[k, q], k, count) - p.place[k]
        at_best = value > best
        if at_best:
            since = 0 if value > best + 1e-6 * abs(best) else since + 1
            best = value
            best_price[:] = price
            best_place[:] = place_price
        else:
            since += 1
        if value >= target:
            break
        if since >= PATIENCE:
            since, length = 0, 0.5 * length
            price[:], place_price[:] = best_price, best_place
            direction[:], place_direction[:] = 0.0, 0.0
            if length < 0.02:
                break
            continue
        direction[:] = 1.0 - count + MEMORY * direction
        place_direction[:] = np.where(bounded, place_slope + MEMORY * place_direction, 0.0)
        size = (direction * direction).sum() + (place_direction * place_direction).sum()
        if size == 0.0:
            break
        step = length * (target - value) / size
        price[:] = price + step * direction
        place_price[:] = np.maximum(0.0, place_price + step * place_direction)
    if not at_best:
        price[:] = best_price
        place_price[:] = best_place
        fill(p, price, place_price, table)
    return best


@numba.njit(cache=True)
def pair_bounds(p: Servers, price: FloatArray, place_price: FloatArray, table: FloatArray) -> FloatArray:
    """Return lower bounds on the cost with each user on each server, shape (P, N)."""
    servers, cases, n = p.cost.shape
    width = p.last.shape[2]
    bounds, others = np.empty((servers, n)), np.zeros(n)
    whole = price.sum()
    first, old = np.empty(width), np.empty(width)
    for k in range(servers):
        empty = p.opening - place_price[k] * p.place[k]
        inside, outside = np.full(n, np.inf), np.full(n, np.inf)
        value = np.inf
        for q in range(cases):
            t = table[k, q]
            value = min(value, t[0, 0])
            first[:] = np.inf
            first[0] = 0.0
            for d in range(n):
                gain, w = p.cost[k, q, d] - price[d] + place_price[k], p.grains[k, d]
                after = t[d + 1]
                out = outside[d]
                for r in range(width):
                    out = min(out, first[r] + after[r])
                outside[d] = out
                if gain == np.inf or w >= width:
                    continue
                within = np.inf
                for r in range(width - w):
                    within = min(within, first[r] + after[r + w])
                inside[d] = min(inside[d], gain + within)
                old[:] = first
                for r in range(w, width):
                    first[r] = min(first[r], gain + old[r - w])
        counted = min(0.0, empty + value)
        whole += counted
        for d in range(n):
            gone = min(0.0, empty + outside[d]) - counted
            others[d] += gone
            bounds[k, d] = empty + inside[d] - counted - gone
    bounds += whole + others
    return bounds
