"""The compiled search: costs of moves in constant time from the loads of servers.

All costs are in units of the objective. A server with its users costs `opening` plus

- ``optimal`` sharing (mode 1): L²/F with L the sum of the sizes √(κ w) of its users, times the worth of a second;
- ``equal`` sharing (mode 2): n·W/F with W the sum of the sizes κ w;
- ``fixed`` sharing (mode 0): nothing, all is in the pair costs.

Deadlines under ``optimal`` sharing and demands under ``fixed`` sharing are parts of the CPU that must fit on a server;
under ``equal`` sharing each pair bounds how many twins may be on its server.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numba
import numpy as np

if TYPE_CHECKING:
    from dtopt.arrays import BoolArray, FloatArray, IntArray

__all__ = ["EQUAL", "FIXED", "OPTIMAL", "search", "total_cost"]

FIXED, OPTIMAL, EQUAL = 0, 1, 2
#: Moves that gain less than this part of the whole are left alone: they may be rounding.
LEAST_GAIN = 1e-12
#: CPU parts may sum to this much.
FULL = 1.0 + 1e-10


@numba.njit(cache=True)
def _compute(mode: int, load: float, count: int, cpu: float) -> float:
    """Return the compute cost of one server."""
    if mode == OPTIMAL:
        return load * load / cpu
    if mode == EQUAL:
        return count * load / cpu
    return 0.0


@numba.njit(cache=True)
def _loads(
    size: FloatArray, part: FloatArray, most: IntArray, association: IntArray, m: int
) -> tuple[FloatArray, IntArray, FloatArray, IntArray]:
    """Return load, count, CPU part taken and the largest count allowed, of each server."""
    load, used = np.zeros(m), np.zeros(m)
    count, limit = np.zeros(m, dtype=np.int64), np.full(m, size.size, dtype=np.int64)
    for i in range(association.size):
        k = association[i]
        load[k] += size[i]
        count[k] += 1
        used[k] += part[i, k]
        limit[k] = min(limit[k], most[i, k])
    return load, count, used, limit


@numba.njit(cache=True)
def total_cost(
    cost: FloatArray,
    size: FloatArray,
    part: FloatArray,
    most: IntArray,
    cpu: FloatArray,
    capacity: IntArray,
    opening: float,
    mode: int,
    association: IntArray,
) -> float:
    """Return the cost of an association with only the servers in use open; infinite if it breaks a constraint."""
    m = cpu.size
    load, count, used, limit = _loads(size, part, most, association, m)
    total = 0.0
    for i in range(association.size):
        total += cost[i, association[i]]
    for k in range(m):
        if count[k] > 0:
            total += opening + _compute(mode, load[k], count[k], cpu[k])
            if count[k] > capacity[k] or count[k] > limit[k] or used[k] > FULL:
                return np.inf
    return total


@numba.njit(cache=True)
def _limit(most: IntArray, association: IntArray, server: int) -> int:
    """Return the largest count that the users on a server allow."""
    least = association.size
    for i in range(association.size):
        if association[i] == server and most[i, server] < least:
            least = most[i, server]
    return least


@numba.njit(cache=True)
def _joining(
    cost: FloatArray,
    size: FloatArray,
    part: FloatArray,
    most: IntArray,
    cpu: FloatArray,
    capacity: IntArray,
    mode: int,
    load: FloatArray,
    count: IntArray,
    used: FloatArray,
    limit: IntArray,
    user: int,
    server: int,
) -> float:
    """Return what the cost gains when a user joins a server; infinite where it does not fit."""
    if count[server] >= capacity[server] or used[server] + part[user, server] > FULL:
        return np.inf
    if count[server] + 1 > min(limit[server], most[user, server]):
        return np.inf
    with_it = _compute(mode, load[server] + size[user], count[server] + 1, cpu[server])
    return float(cost[user, server] + with_it - _compute(mode, load[server], count[server], cpu[server]))


@numba.njit(cache=True)
def _descend(
    cost: FloatArray,
    size: FloatArray,
    part: FloatArray,
    most: IntArray,
    cpu: FloatArray,
    capacity: IntArray,
    mode: int,
    is_open: BoolArray,
    association: IntArray,
    gain_needed: float,
) -> None:
    """Shift users to their best server and swap pairs until neither helps; `association` is changed in place."""
    n, m = cost.shape
    load, count, used, limit = _loads(size, part, most, association, m)
    improved = True
    while improved:
        improved = False
        for i in range(n):
            k, s = association[i], size[i]
            leave = (
                _compute(mode, load[k] - s, count[k] - 1, cpu[k])
                - _compute(mode, load[k], count[k], cpu[k])
                - cost[i, k]
            )
            best, target = -gain_needed, -1
            for h in range(m):
                if h == k or not is_open[h]:
                    continue
                change = leave + _joining(cost, size, part, most, cpu, capacity, mode, load, count, used, limit, i, h)
                if change < best:
                    best, target = change, h
            if target >= 0:
                association[i] = target
                load[k] -= s
                load[target] += s
                used[k] -= part[i, k]
                used[target] += part[i, target]
                count[k] -= 1
                count[target] += 1
                if mode == EQUAL:
                    limit[k] = _limit(most, association, k)
                    limit[target] = min(limit[target], most[i, target])
                improved = True
        for i in range(n):
            for j in range(i + 1, n):
                k, h = association[i], association[j]
                if k == h or not np.isfinite(cost[i, h]) or not np.isfinite(cost[j, k]):
                    continue
                if used[k] - part[i, k] + part[j, k] > FULL or used[h] - part[j, h] + part[i, h] > FULL:
                    continue
                if most[j, k] < count[k] or most[i, h] < count[h]:
                    continue
                step = size[j] - size[i]
                change = cost[i, h] - cost[i, k] + cost[j, k] - cost[j, h]
                change += _compute(mode, load[k] + step, count[k], cpu[k]) - _compute(mode, load[k], count[k], cpu[k])
                change += _compute(mode, load[h] - step, count[h], cpu[h]) - _compute(mode, load[h], count[h], cpu[h])
                if change < -gain_needed:
                    association[i], association[j] = h, k
                    load[k] += step
                    load[h] -= step
                    used[k] += part[j, k] - part[i, k]
                    used[h] += part[i, h] - part[j, h]
                    if mode == EQUAL:
                        limit[k], limit[h] = _limit(most, association, k), _limit(most, association, h)
                    improved = True


@numba.njit(cache=True)
def _evacuate(
    cost: FloatArray,
    size: FloatArray,
    part: FloatArray,
    most: IntArray,
    cpu: FloatArray,
    capacity: IntArray,
    mode: int,
    is_open: BoolArray,
    association: IntArray,
    server: int,
) -> bool:
    """Move all users of a server to the others at least cost; return whether they fit."""
    n, m = cost.shape
    load, count, used, limit = _loads(size, part, most, association, m)
    for i in range(n):
        if association[i] != server:
            continue
        best, target = np.inf, -1
        for h in range(m):
            if h == server or not is_open[h]:
                continue
            change = _joining(cost, size, part, most, cpu, capacity, mode, load, count, used, limit, i, h)
            if change < best:
                best, target = change, h
        if target < 0:
            return False
        association[i] = target
        load[target] += size[i]
        count[target] += 1
        used[target] += part[i, target]
        limit[target] = min(limit[target], most[i, target])
    return True


@numba.njit(cache=True)
def search(
    cost: FloatArray,
    size: FloatArray,
    part: FloatArray,
    most: IntArray,
    cpu: FloatArray,
    capacity: IntArray,
    opening: float,
    max_open: int,
    mode: int,
    association: IntArray,
    iterations: int,
    seed: int,
) -> tuple[IntArray, float]:
    """Return the best association found by iterated local search from a feasible one, and its cost.

    Each iteration disturbs the incumbent (closes, opens or exchanges servers, or sends a few users elsewhere),
    descends, and keeps the result where it is better.
    """
    np.random.seed(seed)
    n, m = cost.shape
    best = association.copy()
    best_cost = total_cost(cost, size, part, most, cpu, capacity, opening, mode, best)
    gain_needed = LEAST_GAIN * abs(best_cost) if np.isfinite(best_cost) else 0.0
    is_open = np.zeros(m, dtype=np.bool_)
    for iteration in range(iterations + 1):
        trial = best.copy()
        is_open[:] = False
        for i in range(n):
            is_open[trial[i]] = True
        n_open = is_open.sum()
        if iteration > 0:
            kind = np.random.randint(4)
            if (kind == 0 or kind == 2) and n_open > 1:
                servers = np.where(is_open)[0]
                closing = servers[np.random.randint(servers.size)]
                if kind == 2 and n_open < m:
                    closed = np.where(~is_open)[0]
                    is_open[closed[np.random.randint(closed.size)]] = True
                is_open[closing] = False
                if not _evacuate(cost, size, part, most, cpu, capacity, mode, is_open, trial, closing):
                    continue
            elif kind == 1 and n_open < max_open:
                closed = np.where(~is_open)[0]
                is_open[closed[np.random.randint(closed.size)]] = True
            else:
                for _ in range(2 + np.random.randint(4)):
                    i, h = np.random.randint(n), np.random.randint(m)
                    if is_open[h] and np.isfinite(cost[i, h]):
                        trial[i] = h
                if not np.isfinite(total_cost(cost, size, part, most, cpu, capacity, opening, mode, trial)):
                    continue
        _descend(cost, size, part, most, cpu, capacity, mode, is_open, trial, gain_needed)
        value = total_cost(cost, size, part, most, cpu, capacity, opening, mode, trial)
        if value < best_cost - gain_needed:
            best, best_cost = trial, value
    return best, best_cost
