"""What users cost among the servers of a set, compiled: shifts, swaps, cycles of three, and disturbances.

Costs of a set lie side by side and users are few, so that a descent takes some tens of microseconds, where the search
proper, with its exact deadlines and its log, takes ten times as long.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numba
import numpy as np

from solvers.local_search.kernel import (
    CLAMPED,
    EQUAL,
    FITTING,
    FULL,
    N_INT,
    OPTIMAL,
    RANDOM,
    Instance,
    below,
    plain,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from dtopt.arrays import BoolArray, FloatArray, IntArray
    from solvers.local_search.kernel import Integers

__all__ = ["descend_in"]

#: Weight of a user for whom a set has no room, in units of the cost of a user at its dearest server.
LEFT_OUT = 2.0
#: Users from one server to another that are tried in cycles.
CYCLED = 5


class Among(NamedTuple):
    """The servers of a set side by side, as users see them: most of the time goes into looking at them.

    Parameters
    ----------
    cost : ndarray, shape (N, K)
    part : ndarray, shape (N, K) or (0, 0)
        Of the server's CPU, where parts must fit.
    sizes : ndarray, shape (N,)
    inverse : ndarray, shape (K,)
        Of the CPU.
    capacity : ndarray, shape (K,)
    mode : int
    """

    cost: FloatArray
    part: FloatArray
    sizes: FloatArray
    inverse: FloatArray
    capacity: Integers
    mode: int


class Placed(NamedTuple):
    """Where users are in a set: slot (K for nowhere), sums of servers, and who looks for something better.

    Parameters
    ----------
    slot : ndarray of uint32, shape (N,)
    load, used, number : ndarray, shape (K,)
        Sum of sizes, parts of the CPU taken, users.
    awake : ndarray of bool, shape (N,)
    """

    slot: NDArray[np.uint32]
    load: FloatArray
    used: FloatArray
    number: IntArray
    awake: BoolArray


@numba.njit(cache=True)
def _price(mode: int, load: float, count: int, inverse: float, full: bool) -> tuple[float, float]:
    """Return A and B, where joining a server costs a user of size s: c + A + B s + G s²."""
    if full:
        return np.inf, 0.0
    if mode == OPTIMAL:
        return 0.0, 2.0 * load * inverse
    if mode == EQUAL:
        return load * inverse, (count + 1) * inverse
    return 0.0, 0.0


@numba.njit(cache=True)
def _shift_all(d: Among, s: Placed, sweeps: int) -> float:
    """Send each user that is awake to its best server, again and again; return the dearest of the first moves."""
    # Arrays out of the tuples once: in a loop each look into them would count references.
    cost, part, sizes, inverse, capacity, mode = d.cost, d.part, d.sizes, d.inverse, d.capacity, d.mode
    slot, load, used, count, awake = s.slot, s.load, s.used, s.number, s.awake
    n, width = cost.shape
    parts, none, dearest = part.size > 0, np.uint32(width), 0.0
    first, second, square = np.empty(width), np.empty(width), np.zeros(width)
    for h in range(width):
        first[h], second[h] = _price(mode, load[h], count[h], inverse[h], count[h] >= capacity[h])
        if mode == OPTIMAL:
            square[h] = inverse[h]
    for _ in range(sweeps):
        moved = False
        for i in range(n):
            if not awake[i]:
                continue
            k, size = slot[i], sizes[i]
            if k != none:
                load[k] -= size
                count[k] -= 1
                if parts:
                    used[k] -= part[i, k]
                first[k], second[k] = _price(mode, load[k], count[k], inverse[k], False)
            best, target = np.inf, none
            for h in range(width):
                change = cost[i, h] + first[h] + size * (second[h] + size * square[h])
                if change < best and not (parts and used[h] + part[i, h] > FULL):
                    best, target = change, np.uint32(h)
            if target != none:
                dearest = max(dearest, best)
                load[target] += size
                count[target] += 1
                if parts:
                    used[target] += part[i, target]
                full = count[target] >= capacity[target]
                first[target], second[target] = _price(mode, load[target], count[target], inverse[target], full)
            moved = moved or target != k
            slot[i] = target
        if not moved:
            break
    return dearest


@numba.njit(cache=True)
def _swap_all(d: Among, s: Placed, least: float) -> int:
    """Swap users that are awake where that gains more than `least`, and let the others sleep; return how many."""
    cost, part, sizes, inverse, mode = d.cost, d.part, d.sizes, d.inverse, d.mode
    slot, load, used, count, awake = s.slot, s.load, s.used, s.number, s.awake
    n, width = cost.shape
    parts, none, swapped = part.size > 0, np.uint32(width), 0
    for i in range(n):
        k, size = slot[i], sizes[i]
        if not awake[i] or k == none:
            continue
        awake[i] = False
        for j in range(n):
            h = slot[j]
            if h in (k, none):
                continue
            step = sizes[j] - size
            change = cost[i, h] - cost[i, k] + cost[j, k] - cost[j, h]
            if mode == OPTIMAL:
                change += step * ((2.0 * load[k] + step) * inverse[k] + (step - 2.0 * load[h]) * inverse[h])
            elif mode == EQUAL:
                change += step * (count[k] * inverse[k] - count[h] * inverse[h])
            if not change < -least:
                continue
            if parts:
                there, back = used[h] - part[j, h] + part[i, h], used[k] - part[i, k] + part[j, k]
                if there > FULL or back > FULL:
                    continue
                used[h], used[k] = there, back
            load[k] += step
            load[h] -= step
            slot[i], slot[j] = h, k
            awake[i] = awake[j] = True
            k = h
            swapped += 1
    return swapped


@numba.njit(cache=True)
def _kick(d: Among, s: Placed, ints: IntArray) -> None:
    """Swap two users drawn at random, or shift the first where there is room, and wake them."""
    n = d.sizes.size
    i, j = below(ints, n), below(ints, n)
    k, h = s.slot[i], s.slot[j]
    alone = s.number[h] < d.capacity[h] and below(ints, 2) == 0
    if k == h or not np.isfinite(d.cost[i, h]) or not (alone or np.isfinite(d.cost[j, k])):
        return
    if d.part.size > 0:
        there, back = s.used[h] + d.part[i, h], s.used[k] - d.part[i, k]
        if not alone:
            there, back = there - d.part[j, h], back + d.part[j, k]
        if there > FULL or back > FULL:
            return
        s.used[h], s.used[k] = there, back
    step = d.sizes[i] - (0.0 if alone else d.sizes[j])
    s.load[h] += step
    s.load[k] -= step
    s.slot[i] = h
    s.awake[i] = s.awake[j] = True
    if alone:
        s.number[h] += 1
        s.number[k] -= 1
    else:
        s.slot[j] = k


@numba.njit(cache=True)
def _settle(d: Among, s: Placed, sweeps: int, swaps: int) -> float:
    """Shift and swap those awake until nothing helps; return the dearest of the first moves."""
    dearest = _shift_all(d, s, sweeps)
    for _ in range(swaps):
        if _swap_all(d, s, 1e-12 * d.sizes.size * dearest) == 0:
            break
        dearest = max(dearest, _shift_all(d, s, sweeps))
    return dearest


@numba.njit(cache=True)
def _cycle(d: Among, s: Placed, least: float) -> bool:
    """Let three users of three servers follow each other around if that gains more than `least`; wake them.

    For each pair of servers only the users are tried that go from one to the other at the least price of loads; what
    that price leaves out is never negative, so it bounds the gain.
    """
    cost, part, sizes, inverse, mode = d.cost, d.part, d.sizes, d.inverse, d.mode
    slot, load, used, count = s.slot, s.load, s.used, s.number
    n, width = cost.shape
    parts, none = part.size > 0, np.uint32(width)
    price = np.zeros(width)
    for h in range(width):
        if mode == OPTIMAL:
            price[h] = 2.0 * load[h] * inverse[h]
        elif mode == EQUAL:
            price[h] = count[h] * inverse[h]
    # The cheapest users from each server to each other, in rising order.
    change = np.full((width, width, CYCLED), np.inf)
    who = np.zeros((width, width, CYCLED), dtype=np.int64)
    for i in range(n):
        k = slot[i]
        if k == none:
            continue
        for h in range(width):
            now = cost[i, h] - cost[i, k] + sizes[i] * (price[h] - price[k])
            if h == k or not now < change[k, h, CYCLED - 1]:
                continue
            at = CYCLED - 1
            while at > 0 and now < change[k, h, at - 1]:
                change[k, h, at], who[k, h, at] = change[k, h, at - 1], who[k, h, at - 1]
                at -= 1
            change[k, h, at], who[k, h, at] = now, i
    for a in range(width):
        for b in range(a + 1, width):
            for c in range(a + 1, width):
                if c == b or change[a, b, 0] + change[b, c, 0] + change[c, a, 0] >= -least:
                    continue
                for x in range(CYCLED):
                    if change[a, b, x] + change[b, c, 0] + change[c, a, 0] >= -least:
                        break
                    for y in range(CYCLED):
                        if change[a, b, x] + change[b, c, y] + change[c, a, 0] >= -least:
                            break
                        for z in range(CYCLED):
                            gain = change[a, b, x] + change[b, c, y] + change[c, a, z]
                            if gain >= -least:
                                break
                            i, j, g = who[a, b, x], who[b, c, y], who[c, a, z]
                            to_b, to_c, to_a = sizes[i] - sizes[j], sizes[j] - sizes[g], sizes[g] - sizes[i]
                            if mode == OPTIMAL:
                                gain += to_a * to_a * inverse[a] + to_b * to_b * inverse[b] + to_c * to_c * inverse[c]
                            if gain >= -least:
                                continue
                            if parts:
                                at_a = used[a] - part[i, a] + part[g, a]
                                at_b = used[b] - part[j, b] + part[i, b]
                                at_c = used[c] - part[g, c] + part[j, c]
                                if at_a > FULL or at_b > FULL or at_c > FULL:
                                    continue
                                used[a], used[b], used[c] = at_a, at_b, at_c
                            load[a] += to_a
                            load[b] += to_b
                            load[c] += to_c
                            slot[i], slot[j], slot[g] = b, c, a
                            s.awake[i] = s.awake[j] = s.awake[g] = True
                            return True
    return False


@numba.njit(cache=True)
def _total(d: Among, s: Placed, opening: float, left_out: float) -> float:
    """Return what users and open servers cost, with a penalty for those who found no room."""
    n, width = d.cost.shape
    total, none = 0.0, np.uint32(width)
    for i in range(n):
        k = s.slot[i]
        total += left_out if k == none else d.cost[i, k]
    for e in range(width):
        if s.number[e] > 0:
            total += plain(d.mode, s.load[e], s.number[e], 1.0 / d.inverse[e]) + opening
    return total


@numba.njit(cache=True)
def descend_in(
    p: Instance,
    cpu: FloatArray,
    capacity: IntArray,
    is_open: IntArray,
    association: IntArray,
    sweeps: int,
    swaps: int,
    kicks: int,
    hopeless: float,
) -> float:
    """Search among the servers of a set: users of others go there first, then all shift and swap; return the cost.

    Parameters
    ----------
    p : Instance
        Dense.
    cpu, capacity : ndarray, shape (M,)
    is_open : ndarray of int, shape (K,)
        The servers of the set.
    association : ndarray of int, shape (N,)
        Changed; −1 where a user has no server yet.
    sweeps, swaps, kicks : int
        Sweeps of shifts in a row, sweeps of swaps, and disturbances after them, at most.
    hopeless : float
        No disturbances where the cost before them is above this.

    Returns
    -------
    float
        The cost of users and open servers, with a penalty for users who found no room. Clamped CPU shares and lateness
        are left out.
    """
    n, width = association.size, is_open.size
    cost, none = np.empty((n, width)), np.uint32(width)
    parts = p.kind == FITTING or p.kind == CLAMPED
    part = np.empty((n, width)) if parts else np.empty((0, 0))
    d = Among(cost, part, p.sizes[:, 0].copy(), 1.0 / cpu[is_open], capacity[is_open], p.mode)
    slot, load, used, count = np.empty(n, dtype=np.uint32), np.zeros(width), np.zeros(width), np.zeros(width, np.int64)
    s = Placed(slot, load, used, count, np.ones(n, dtype=np.bool_))
    place = np.full(cpu.size + 1, width, dtype=np.uint32)
    for e in range(width):
        place[is_open[e]] = e
    pair_cost, pair_part, sizes = p.cost, p.more, d.sizes
    for i in range(n):
        for e in range(width):
            cost[i, e] = pair_cost[i, is_open[e]]
            if parts:
                part[i, e] = pair_part[i, is_open[e]]
        k = place[association[i]]
        slot[i] = k
        if k != none:
            load[k] += sizes[i]
            count[k] += 1
            if parts:
                used[k] += part[i, k]
    dearest = _settle(d, s, sweeps, swaps)
    for _ in range(swaps):
        s.awake[:] = False
        if not _cycle(d, s, 1e-12 * n * dearest):
            break
        _settle(d, s, sweeps, swaps)
    left_out = LEFT_OUT * (dearest + p.opening)
    value = _total(d, s, p.opening, left_out)
    if kicks > 0 and width > 1 and value < hopeless and not (slot == none).any():
        ints = np.zeros(N_INT, dtype=np.int64)
        ints[RANDOM] = n
        before, loads, uses, counts = slot.copy(), load.copy(), used.copy(), count.copy()
        for _ in range(kicks):
            s.awake[:] = False
            for _ in range(1 + below(ints, 3)):
                _kick(d, s, ints)
            _settle(d, s, sweeps, swaps)
            now = _total(d, s, p.opening, left_out)
            if now <= value:
                value = now
                before[:], loads[:], uses[:], counts[:] = slot, load, used, count
            else:
                slot[:], load[:], used[:], count[:] = before, loads, uses, counts
    for i in range(n):
        association[i] = -1 if slot[i] == none else is_open[slot[i]]
    return value
