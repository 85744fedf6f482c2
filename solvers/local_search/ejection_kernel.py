"""The compiled moves of `ejection`: shifts, swaps and ejection chains at the penalised cost.

The penalised cost is that of the association, and for each server what is lacking there, times a weight.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numba
import numpy as np

from solvers.local_search.kernel import FIXED, FULL, total_cost

if TYPE_CHECKING:
    from dtopt.arrays import FloatArray, IntArray

__all__ = [
    "BARREN",
    "BEST",
    "COST",
    "LEAST",
    "MET",
    "N_FLOATS",
    "N_INTS",
    "N_LACKING",
    "N_OPEN",
    "N_POOL",
    "OPEN_WEIGHT",
    "PENALISED",
    "ROUNDS",
    "SEED",
    "STALE",
    "UNDER_WAY",
    "USER",
    "Instance",
    "Search",
    "best_target",
    "draw",
    "improve_chain",
    "improve_user",
    "load",
    "next_step",
    "offer",
    "shift",
]

#: Places in `Search.floats`: cost without penalties, with them, of the incumbent; weight of a server too many; least
#: gain of a move.
COST, PENALISED, BEST, OPEN_WEIGHT, LEAST, N_FLOATS = 0, 1, 2, 3, 4, 5
#: Places in `Search.ints`: generator, next user, users in a row without a move, servers open, servers that lack room,
#: elite associations in the pool, whether a feasible one was met since the local search began, local searches done,
#: whether one is under way, those in a row that gave the pool nothing.
SEED, USER, STALE, N_OPEN, N_LACKING, N_POOL, MET, ROUNDS, UNDER_WAY, BARREN, N_INTS = 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10
#: Users that one chain may move.
DEPTH = 6
#: Steps compared at each point of a path between elite associations, at most.
SAMPLE = 64


class Instance(NamedTuple):
    """What stays the same; `near` holds each user's servers by rising priced cost, −1 where there are no more."""

    cost: FloatArray
    size: FloatArray
    part: FloatArray
    most: IntArray
    cpu: FloatArray
    capacity: IntArray
    opening: float
    max_open: int
    near: IntArray
    price: FloatArray
    count_price: FloatArray
    priced: FloatArray


class Search(NamedTuple):
    """What changes: the association at hand with the users of each server, weights, incumbent and elite pool."""

    association: IntArray
    members: IntArray
    place: IntArray
    occupancy: IntArray
    used: FloatArray
    weight: FloatArray
    count_weight: FloatArray
    floats: FloatArray
    ints: IntArray
    best: IntArray
    trial: IntArray
    pool: IntArray
    pool_cost: FloatArray
    pool_lack: FloatArray
    pool_over: IntArray
    pool_open: IntArray


@numba.njit(cache=True)
def draw(s: Search, below: int) -> int:
    """Return a random whole number; the generator is our own, since its state must last from slice to slice."""
    s.ints[SEED] = s.ints[SEED] * 6364136223846793005 + 1442695040888963407
    return int(((s.ints[SEED] >> 33) & 0x7FFFFFFF) % below)


@numba.njit(cache=True)
def _standing(used: float, count: int, capacity: int, weight: float, count_weight: float, opening: float) -> float:
    """Return what a server costs with so much of its CPU and so many places taken, penalties included."""
    value = opening if count > 0 else 0.0
    if used > FULL:
        value += weight * (used - FULL)
    if count > capacity:
        value += count_weight * (count - capacity)
    return value


@numba.njit(cache=True)
def _lacks(used: float, count: int, capacity: int) -> int:
    return 0 if used <= FULL and count <= capacity else 1


@numba.njit(cache=True)
def shift(p: Instance, s: Search, i: int, h: int) -> None:
    """Move a user to another server and keep all sums."""
    used, count, members, place = s.used, s.occupancy, s.members, s.place
    k = s.association[i]
    for way in range(2):
        x = h if way else k
        sign = 1 if way else -1
        capacity, weight, count_weight = p.capacity[x], s.weight[x], s.count_weight[x]
        before = _standing(used[x], count[x], capacity, weight, count_weight, p.opening)
        s.ints[N_LACKING] -= _lacks(used[x], count[x], capacity)
        was_open = count[x] > 0
        used[x] += sign * p.part[i, x]
        if way:
            place[i] = count[x]
            members[x, count[x]] = i
            count[x] += 1
        else:
            count[x] -= 1
            last = members[x, count[x]]
            members[x, place[i]] = last
            place[last] = place[i]
        s.floats[COST] += sign * p.cost[i, x]
        s.floats[PENALISED] += sign * p.cost[i, x]
        s.floats[PENALISED] += _standing(used[x], count[x], capacity, weight, count_weight, p.opening) - before
        s.ints[N_LACKING] += _lacks(used[x], count[x], capacity)
        if was_open != (count[x] > 0):
            s.floats[COST] += sign * p.opening
            # What is over the limit after opening, or was before closing.
            if s.ints[N_OPEN] + way > p.max_open:
                s.floats[PENALISED] += sign * s.floats[OPEN_WEIGHT]
            s.ints[N_OPEN] += sign
    s.association[i] = h


@numba.njit(cache=True)
def _most_slack(p: Instance, s: Search) -> float:
    """Return the most that a server costs above the prices of its CPU and places, unused ones and penalties."""
    most = 0.0
    for k in range(p.cpu.size):
        used, count, capacity = s.used[k], s.occupancy[k], p.capacity[k]
        value = _standing(used, count, capacity, s.weight[k], s.count_weight[k], p.opening)
        value += p.price[k] * (1.0 - used) + p.count_price[k] * (capacity - count)
        most = max(most, value)
    return most


@numba.njit(cache=True)
def best_target(p: Instance, s: Search, i: int) -> int:
    """Return the open server, not the user's own, that the user shifts to at least penalised cost; −1 for none."""
    cost, part, near, opening, capacity = p.cost, p.part, p.near, p.opening, p.capacity
    used, count, weight, count_weight = s.used, s.occupancy, s.weight, s.count_weight
    best, target = np.inf, -1
    for c in range(near.shape[1]):
        h = near[i, c]
        if h < 0:
            break
        if h == s.association[i] or count[h] == 0:
            continue
        change = cost[i, h] - _standing(used[h], count[h], capacity[h], weight[h], count_weight[h], opening)
        after = used[h] + part[i, h]
        change += _standing(after, count[h] + 1, capacity[h], weight[h], count_weight[h], opening)
        if change < best:
            best, target = change, h
    return target


@numba.njit(cache=True)
def next_step(p: Instance, s: Search, left: IntArray, n_left: int, goal: IntArray) -> int:
    """Return which of the users left to move towards another association does so at least penalised cost."""
    cost, part, opening, capacity = p.cost, p.part, p.opening, p.capacity
    used, count, weight, count_weight, association = s.used, s.occupancy, s.weight, s.count_weight, s.association
    best, at = np.inf, 0
    # On long paths a sample is enough, and keeps the work in bounds.
    for t in range(min(n_left, SAMPLE)):
        x = t if n_left <= SAMPLE else draw(s, n_left)
        i = left[x]
        k, h = association[i], goal[i]
        change = cost[i, h] - cost[i, k]
        change -= _standing(used[k], count[k], capacity[k], weight[k], count_weight[k], opening)
        change += _standing(used[k] - part[i, k], count[k] - 1, capacity[k], weight[k], count_weight[k], opening)
        change -= _standing(used[h], count[h], capacity[h], weight[h], count_weight[h], opening)
        change += _standing(used[h] + part[i, h], count[h] + 1, capacity[h], weight[h], count_weight[h], opening)
        if change < best:
            best, at = change, x
    return at


@numba.njit(cache=True)
def load(p: Instance, s: Search) -> None:
    """Make all sums anew from the association, also to be rid of what rounding has added up."""
    n, m = p.cost.shape
    s.occupancy[:] = 0
    s.used[:] = 0.0
    cost = 0.0
    for i in range(n):
        k = s.association[i]
        s.members[k, s.occupancy[k]] = i
        s.place[i] = s.occupancy[k]
        s.occupancy[k] += 1
        s.used[k] += p.part[i, k]
        cost += p.cost[i, k]
    s.ints[N_OPEN] = s.ints[N_LACKING] = 0
    penalised = cost
    for k in range(m):
        penalised += s.weight[k] * max(0.0, s.used[k] - FULL) + s.count_weight[k] * max(
            0, s.occupancy[k] - p.capacity[k]
        )
        s.ints[N_LACKING] += _lacks(s.used[k], s.occupancy[k], p.capacity[k])
        if s.occupancy[k] > 0:
            s.ints[N_OPEN] += 1
            cost += p.opening
            penalised += p.opening
    penalised += s.floats[OPEN_WEIGHT] * max(0, s.ints[N_OPEN] - p.max_open)
    s.floats[COST], s.floats[PENALISED] = cost, penalised


@numba.njit(cache=True)
def offer(p: Instance, s: Search, association: IntArray) -> None:
    """Make an association the incumbent where it is feasible and better."""
    value = total_cost(p.cost, p.size, p.part, p.most, p.cpu, p.capacity, p.opening, FIXED, association)
    if value < s.floats[BEST] and np.unique(association).size <= p.max_open:
        s.floats[BEST] = value
        s.best[:] = association
    if np.isfinite(value):
        s.ints[MET] = 1


@numba.njit(cache=True)
def _offer_moved(p: Instance, s: Search, i: int, h: int, j: int, g: int) -> None:
    """Offer the association at hand with one or two users moved."""
    s.trial[:] = s.association
    s.trial[i] = h
    if j >= 0:
        s.trial[j] = g
    offer(p, s, s.trial)


@numba.njit(cache=True)
def improve_user(p: Instance, s: Search, i: int) -> bool:
    """Make the best shift, swap or double shift that begins with a user; return whether one helps.

    What is feasible and better than the incumbent is kept on the way, even where the penalised cost gets worse.
    """
    # Local names: each look into a tuple would count references.
    cost, part, near, opening, capacity = p.cost, p.part, p.near, p.opening, p.capacity
    used, count, members, weight, count_weight = s.used, s.occupancy, s.members, s.weight, s.count_weight
    max_open, n_open, open_weight, lacking = p.max_open, s.ints[N_OPEN], s.floats[OPEN_WEIGHT], s.ints[N_LACKING]
    priced, reach = p.priced, near.shape[1]
    k = s.association[i]
    # No server's penalised cost falls by more than this against the price of its CPU and places.
    most = _most_slack(p, s)
    cost_k, part_k, lacks_k = cost[i, k], part[i, k], _lacks(used[k], count[k], capacity[k])
    base_k = _standing(used[k], count[k], capacity[k], weight[k], count_weight[k], opening)
    leaving = -base_k - cost_k
    leaving += _standing(used[k] - part_k, count[k] - 1, capacity[k], weight[k], count_weight[k], opening)
    if count[k] == 1 and n_open > max_open:
        leaving -= open_weight
    left_lacks = _lacks(used[k] - part_k, count[k] - 1, capacity[k])
    best, best_h, best_j, best_g = -s.floats[LEAST], -1, -1, -1
    # A feasible association that beats the incumbent changes the penalised cost by less than this.
    limit = best
    if np.isfinite(s.floats[BEST]):
        limit = max(best, s.floats[BEST] - s.floats[PENALISED] - s.floats[LEAST])
    for c in range(near.shape[1]):
        h = near[i, c]
        if h < 0:
            break
        if h == k:
            continue
        used_h, count_h, capacity_h, weight_h, places_h = used[h], count[h], capacity[h], weight[h], count_weight[h]
        part_h, lacks_h = part[i, h], _lacks(used_h, count_h, capacity_h)
        base_h = _standing(used_h, count_h, capacity_h, weight_h, places_h, opening)
        joined = _standing(used_h + part_h, count_h + 1, capacity_h, weight_h, places_h, opening)
        change = leaving + cost[i, h] + joined - base_h
        if count_h == 0 and n_open >= max_open:
            change += open_weight
        if change < limit:
            if change < best:
                best, best_h, best_j, best_g = change, h, -1, -1
            if lacking - lacks_k - lacks_h + left_lacks + _lacks(used_h + part_h, count_h + 1, capacity_h) == 0:
                _offer_moved(p, s, i, h, -1, -1)
        enter = cost[i, h] - base_h
        for q in range(count_h):
            j = members[h, q]
            after_h = used_h - part[j, h] + part_h
            exchange = enter - cost[j, h] + _standing(after_h, count_h, capacity_h, weight_h, places_h, opening)
            after_k = used[k] - part_k + part[j, k]
            change = exchange - cost_k + cost[j, k] - base_k
            if change < limit:
                change += _standing(after_k, count[k], capacity[k], weight[k], count_weight[k], opening)
                if change < limit:
                    if change < best:
                        best, best_h, best_j, best_g = change, h, j, k
                    lacks = lacking - lacks_k - lacks_h
                    lacks += _lacks(after_k, count[k], capacity[k]) + _lacks(after_h, count_h, capacity_h)
                    if lacks == 0:
                        _offer_moved(p, s, i, h, j, k)
            start = leaving + exchange
            bound = limit + most - start
            for d in range(reach):
                g = near[j, d]
                if g < 0 or priced[j, g] >= bound:
                    break
                change = start + cost[j, g]
                if g in (h, k) or change >= limit:
                    continue
                after_g = used[g] + part[j, g]
                change += _standing(after_g, count[g] + 1, capacity[g], weight[g], count_weight[g], opening)
                change -= _standing(used[g], count[g], capacity[g], weight[g], count_weight[g], opening)
                if count[g] == 0 and n_open >= max_open:
                    change += open_weight
                if change < limit:
                    if change < best:
                        best, best_h, best_j, best_g = change, h, j, g
                    lacks = lacking - lacks_k - lacks_h - _lacks(used[g], count[g], capacity[g]) + left_lacks
                    lacks += _lacks(after_h, count_h, capacity_h) + _lacks(after_g, count[g] + 1, capacity[g])
                    if lacks == 0:
                        _offer_moved(p, s, i, h, j, g)
    if best_h < 0:
        return False
    shift(p, s, i, best_h)
    if best_j >= 0:
        shift(p, s, best_j, best_g)
    return True


@numba.njit(cache=True)
def _send_on(p: Instance, s: Search, h: int, moved: IntArray, length: int) -> tuple[float, int, int, int, int]:
    """Return the best gain by a user sent on from a server; it and its server; those to go on with from there."""
    cost, part, near, opening, capacity, priced = p.cost, p.part, p.near, p.opening, p.capacity, p.priced
    used, count, members, weight, count_weight = s.used, s.occupancy, s.members, s.weight, s.count_weight
    max_open, n_open, open_weight = p.max_open, s.ints[N_OPEN], s.floats[OPEN_WEIGHT]
    reach = near.shape[1]
    most = _most_slack(p, s)
    best, best_j, best_g = np.inf, -1, -1
    going_on, open_j, open_g = np.inf, -1, -1
    base_h = _standing(used[h], count[h], capacity[h], weight[h], count_weight[h], opening)
    for q in range(count[h]):
        j = members[h, q]
        has_moved = False
        for e in range(length):
            has_moved |= moved[e] == j
        if has_moved:
            continue
        after_h = used[h] - part[j, h]
        leaving = _standing(after_h, count[h] - 1, capacity[h], weight[h], count_weight[h], opening) - base_h
        leaving -= cost[j, h]
        for d in range(reach):
            g = near[j, d]
            if g < 0:
                break
            if g == h:
                continue
            # The next user sent on makes room again, at about the price of what this one takes.
            if leaving + priced[j, g] < going_on:
                going_on, open_j, open_g = leaving + priced[j, g], j, g
            elif leaving + priced[j, g] >= best + most:
                break
            change = leaving + cost[j, g]
            if change >= best:
                continue
            after_g = used[g] + part[j, g]
            change += _standing(after_g, count[g] + 1, capacity[g], weight[g], count_weight[g], opening)
            change -= _standing(used[g], count[g], capacity[g], weight[g], count_weight[g], opening)
            if count[g] == 0 and n_open >= max_open:
                change += open_weight
            if change < best:
                best, best_j, best_g = change, j, g
    return best, best_j, best_g, open_j, open_g


@numba.njit(cache=True)
def improve_chain(p: Instance, s: Search, i: int) -> bool:
    """Follow an ejection chain from a user: each server that takes a user in sends one on; return whether it helps."""
    before = s.floats[PENALISED]
    users, homes = np.empty(DEPTH + 1, dtype=np.int64), np.empty(DEPTH + 1, dtype=np.int64)
    tries = min(3, p.near.shape[1])
    h = p.near[i, draw(s, tries)]
    if h < 0 or h == s.association[i]:
        h = p.near[i, 0]
        if h == s.association[i]:
            return False
    users[0], homes[0] = i, s.association[i]
    shift(p, s, i, h)
    length = 1
    while True:
        best, best_j, best_g, open_j, open_g = _send_on(p, s, h, users, length)
        if best_j < 0:
            break
        if s.floats[PENALISED] + best < before - s.floats[LEAST]:
            shift(p, s, best_j, best_g)
            if s.ints[N_LACKING] == 0 and s.floats[COST] < s.floats[BEST]:
                offer(p, s, s.association)
            return True
        if length == DEPTH:
            break
        users[length], homes[length] = open_j, h
        shift(p, s, open_j, open_g)
        length += 1
        h = open_g
    for e in range(length - 1, -1, -1):
        shift(p, s, users[e], homes[e])
    s.floats[PENALISED] = before
    return False
