"""Depth-first branch and bound on the users of a neighbourhood, with the tables of `tables` as bounds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numba
import numpy as np

from solvers.local_search.kernel import CLAMPED, COST, FITTING, FULL, SLOT, Instance, State
from solvers.local_search.moves import is_feasible, load_state

if TYPE_CHECKING:
    from dtopt.arrays import BoolArray, FloatArray, IntArray
    from solvers.lns.tables import Servers

__all__ = ["branch"]


@numba.njit(cache=True)
def _completed(fixed: FloatArray, table: FloatArray, k: int, d: int, grains: int) -> float:
    """Return the least reduced cost of a server at the end, its opening left out."""
    value = np.inf
    for q in range(fixed.shape[1]):
        value = min(value, fixed[k, q] + table[k, q, d, grains])
    return value


@numba.njit(cache=True)
def branch(
    p: Servers,
    instance: Instance,
    state: State,
    table: FloatArray,
    price: FloatArray,
    place_price: FloatArray,
    allowed: BoolArray,
    cutoff: float,
    step: float,
    most_nodes: int,
    found: IntArray,
) -> tuple[float, int, bool]:
    """Search for the best association below a cutoff.

    Parameters
    ----------
    p : Servers
        Users in the order they are decided in.
    instance, state
        The same neighbourhood as local search has it, which judges complete associations exactly.
    table, price, place_price : ndarray
        As `tables.climb` leaves them.
    allowed : ndarray of bool, shape (P, N)
    cutoff, step : float
        Only costs below the cutoff are wanted, and of later ones those better by `step`.
    most_nodes : int
    found : ndarray of int, shape (N,)
        Is set to the best association.

    Returns
    -------
    cost : float
        Infinite where nothing was found.
    nodes : int
    complete : bool
        Whether the search was exhausted.
    """
    servers, cases, n = p.cost.shape
    width = p.last.shape[2]
    fits = instance.kind in (FITTING, CLAMPED)
    grains, count = np.zeros(servers, dtype=np.int64), np.zeros(servers, dtype=np.int64)
    used, fixed, base = np.zeros(servers), np.zeros((servers, cases)), np.empty(servers)
    used_before, fixed_before = np.zeros(n), np.zeros((n, cases))
    child, child_bound = np.empty((n, servers), dtype=np.int64), np.empty((n, servers))
    children, at = np.zeros(n, dtype=np.int64), np.zeros(n, dtype=np.int64)
    chosen = np.full(n, -1)
    prices = price.sum()
    empty = p.opening - place_price * p.place
    best, nodes, n_open, d = np.inf, 0, 0, 0
    entering = True
    while True:
        if entering and d == n:
            for i in range(n):
                state.users[i, SLOT] = chosen[i]
            load_state(instance, state, True)
            value = state.floats[COST]
            if is_feasible(instance, state) and value < cutoff:
                best, cutoff = value, value - step
                found[:] = chosen
            entering = False
            d -= 1
        elif entering:
            nodes += 1
            if nodes > most_nodes:
                return best, nodes, False
            total = prices
            for k in range(servers):
                base[k] = empty[k] + _completed(fixed, table, k, d + 1, grains[k])
                if count[k] == 0:
                    base[k] = min(0.0, base[k])
                total += base[k]
            m = 0
            for h in range(servers):
                if not allowed[h, d] or count[h] >= p.place[h] or (count[h] == 0 and n_open >= instance.max_open):
                    continue
                after = grains[h] + p.grains[h, d]
                if after >= width or (fits and used[h] + instance.more[d, h] > FULL):
                    continue
                value = np.inf
                for q in range(cases):
                    value = min(value, fixed[h, q] + p.cost[h, q, d] + table[h, q, d + 1, after])
                value += total - base[h] + empty[h] - price[d] + place_price[h]
                if value >= cutoff:
                    continue
                x = m
                while x > 0 and child_bound[d, x - 1] > value:
                    child[d, x], child_bound[d, x] = child[d, x - 1], child_bound[d, x - 1]
                    x -= 1
                child[d, x], child_bound[d, x] = h, value
                m += 1
            children[d], at[d] = m, 0
        # Undo the child before, if there is one, and go on to the next.
        h = chosen[d] if d >= 0 else -1
        if h >= 0:
            chosen[d] = -1
            grains[h] -= p.grains[h, d]
            count[h] -= 1
            used[h] = used_before[d]
            fixed[h] = fixed_before[d]
            if count[h] == 0:
                n_open -= 1
        while d >= 0 and at[d] < children[d] and child_bound[d, at[d]] >= cutoff:
            at[d] += 1
        if d < 0:
            return best, nodes, True
        if at[d] >= children[d]:
            entering = False
            d -= 1
            continue
        h = child[d, at[d]]
        at[d] += 1
        chosen[d] = h
        grains[h] += p.grains[h, d]
        if count[h] == 0:
            n_open += 1
        count[h] += 1
        used_before[d] = used[h]
        fixed_before[d] = fixed[h]
        for q in range(cases):
            fixed[h, q] += p.cost[h, q, d] - price[d] + place_price[h]
        if fits:
            used[h] += instance.more[d, h]
        entering = True
        d += 1
