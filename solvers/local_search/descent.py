"""Local descent of the compiled search: shifts, swaps and ejections among the users of a region."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numba
import numpy as np

from solvers.local_search.kernel import (
    CAPACITY,
    CLAMPED,
    COST,
    COUNT,
    CPU,
    CPU_WEIGHT,
    EJECTIONS,
    EXCESS,
    FITTING,
    FULL,
    LATE,
    LEAST,
    LIMIT,
    LIMITED,
    LOAD,
    LOGGED,
    N_LACKING,
    N_REGION,
    PLACE_WEIGHT,
    PLAIN,
    SERVER,
    SHIFTS,
    SLOT,
    START,
    STEEP,
    SWEEP,
    USED,
    VALUE,
    A,
    B,
    G,
    Instance,
    State,
    below,
    lack,
    more_than,
    plain,
    ratio,
    slot_of,
    value_with,
)
from solvers.local_search.moves import joining, leaving, shift, undo

if TYPE_CHECKING:
    from dtopt.arrays import FloatArray
    from solvers.local_search.kernel import Integers

__all__ = ["best_shift", "best_swap", "exchange", "leaving_bound", "settle", "sweep"]


@numba.njit(cache=True)
def leaving_bound(
    servers: FloatArray, counts: Integers, mode: int, server: int, size: float, cost: float, opening: float
) -> float:
    """Return a bound from below on what the cost changes when a user leaves: exact without deadlines and excess."""
    count = counts[server, COUNT]
    after = plain(mode, servers[server, LOAD] - size, count - 1, servers[server, CPU])
    return float(after - servers[server, VALUE] - cost - (opening if count == 1 else 0.0))


@numba.njit(cache=True)
def _scan(
    station: Integers,
    cost: FloatArray,
    servers: FloatArray,
    user: int,
    server: int,
    size: float,
    base: float,
    best: float,
) -> tuple[float, int]:
    """Return the cheapest shift of a user and its slot, where only loads matter."""
    target = -1
    for c in range(station.shape[1]):
        listed = station[user, c]
        if listed < 0:
            break
        # Numba looks for negative indices, which count from the end, unless a type has none.
        h = np.uint32(listed)
        change = base + cost[user, c] + servers[h, A] + size * (servers[h, B] + size * servers[h, G])
        if change < best and listed != server:
            best, target = change, c
    return best, target


@numba.njit(cache=True)
def _scan_fitting(
    station: Integers,
    cost: FloatArray,
    more: FloatArray,
    servers: FloatArray,
    user: int,
    server: int,
    base: float,
    best: float,
) -> tuple[float, int]:
    """Return the cheapest shift of a user and its slot under ``fixed`` sharing, where parts have to fit."""
    target = -1
    for c in range(station.shape[1]):
        listed = station[user, c]
        if listed < 0:
            break
        h = np.uint32(listed)
        change = base + cost[user, c] + servers[h, A]
        if change < best and listed != server:
            used, weight = servers[h, USED], servers[h, CPU_WEIGHT]
            change += lack(used + more[user, c], weight) - lack(used, weight)
            if change < best:
                best, target = change, c
    return best, target


@numba.njit(cache=True)
def _scan_exactly(p: Instance, s: State, user: int, base: float, exact: bool, best: float) -> tuple[float, int]:
    """Return the cheapest shift of a user and its slot, where deadlines matter; `base` may be but a bound."""
    station, cost, servers = p.station, p.cost, s.servers
    size, server, target = p.sizes[user, 0], s.users[user, SERVER], -1
    for c in range(station.shape[1]):
        h = station[user, c]
        if h < 0:
            break
        change = base + cost[user, c] + servers[h, A] + size * (servers[h, B] + size * servers[h, G])
        if change >= best or h == server:
            continue
        if not exact:
            base = leaving(p, s, user)
            exact = True
        change = base + joining(p, s, user, c)
        if change < best:
            best, target = change, c
    return best, target


@numba.njit(cache=True)
def best_shift(p: Instance, s: State, user: int, enough: float) -> tuple[float, int]:
    """Return the cheapest shift of a user that changes the cost by less than `enough`, and its slot; −1 for none."""
    users, servers, counts, cost, size = s.users, s.servers, s.counts, p.cost, p.sizes[user, 0]
    k, lacking = users[user, SERVER], s.ints[N_LACKING] > 0
    if lacking:
        base = leaving(p, s, user)
    else:
        base = leaving_bound(servers, counts, p.mode, k, size, cost[user, users[user, SLOT]], p.opening)
    if p.kind == PLAIN:
        return _scan(p.station, cost, servers, user, k, size, base, enough)
    if p.kind == FITTING:
        return _scan_fitting(p.station, cost, p.more, servers, user, k, base, enough)
    return _scan_exactly(p, s, user, base, lacking, enough)


@numba.njit(cache=True, nogil=True)
def sweep(p: Instance, s: State, first: int, last: int) -> int:
    """Shift the users of a range of the region to their best servers; return how many moved."""
    room, plain_kind, moved = s.log_users.shape[0], p.kind == PLAIN, 0
    region, users, servers, counts, ints = s.region, s.users, s.servers, s.counts, s.ints
    station, cost, sizes, mode, opening = p.station, p.cost, p.sizes, p.mode, p.opening
    enough = -s.floats[LEAST]
    for e in range(first, last):
        i = region[e]
        slot = 0
        if ints[N_LACKING] == 0:
            # A bound from below first, which most users do not pass.
            k, size = users[i, SERVER], sizes[i, 0]
            base = leaving_bound(servers, counts, mode, k, size, cost[i, users[i, SLOT]], opening)
            slot = _scan(station, cost, servers, i, k, size, base, enough)[1]
        if slot >= 0 and not (plain_kind and ints[N_LACKING] == 0):
            slot = best_shift(p, s, i, enough)[1]
        if slot >= 0:
            if ints[LOGGED] >= room:
                break
            shift(p, s, i, slot)
            moved += 1
    return moved


@numba.njit(cache=True)
def best_swap(p: Instance, s: State, i: int, partners: int) -> tuple[int, int, int]:
    """Return with whom a user should change servers, and the slots that both go to; −1 where that does not help.

    Of each server, at most so many partners are tried, the first of them drawn at random.
    """
    servers, counts, users, members, ints = s.servers, s.counts, s.users, s.members, s.ints
    station, cost, pairs, sizes, kind, mode, dense = p.station, p.cost, p.more, p.sizes, p.kind, p.mode, p.dense
    k, own, size = users[i, SERVER], users[i, SLOT], sizes[i, 0]
    best, other, to, back = -s.floats[LEAST], -1, -1, -1
    lacking = ints[N_LACKING] > 0
    timed = kind in (CLAMPED, LATE)
    parts = kind in (FITTING, CLAMPED)
    load_k, cpu_k, count_k = servers[k, LOAD], servers[k, CPU], counts[k, COUNT]
    for c in range(station.shape[1]):
        h = station[i, c]
        if h < 0:
            break
        n = counts[h, COUNT]
        if n == 0 or h == k or cost[i, c] == np.inf:
            continue
        load_h, cpu_h = servers[h, LOAD], servers[h, CPU]
        base = cost[i, c] - cost[i, own] - servers[k, VALUE] - servers[h, VALUE]
        tries = min(n, partners)
        at = below(ints, n) if tries < n else 0
        for _ in range(tries):
            j = members[counts[h, START] + at]
            at = at + 1 if at + 1 < n else 0
            slot = slot_of(station, dense, j, k)
            if slot < 0:
                continue
            there, step = users[j, SLOT], sizes[j, 0] - size
            pair = base + cost[j, slot] - cost[j, there]
            change = pair + plain(mode, load_k + step, count_k, cpu_k) + plain(mode, load_h - step, n, cpu_h)
            if change >= best and not lacking:
                continue
            more = 0.0
            if parts:
                weight, used = servers[k, CPU_WEIGHT], servers[k, USED]
                more += lack(used + pairs[j, slot] - pairs[i, own], weight) - lack(used, weight)
                weight, used = servers[h, CPU_WEIGHT], servers[h, USED]
                more += lack(used + pairs[i, c] - pairs[j, there], weight) - lack(used, weight)
            elif kind == LIMITED:
                # What the one who leaves allowed goes on to count, which matters only where something lacks.
                least, weight = min(counts[k, CAPACITY], counts[k, LIMIT]), servers[k, PLACE_WEIGHT]
                more += more_than(count_k, min(least, int(pairs[j, slot])), weight) - more_than(count_k, least, weight)
                least, weight = min(counts[h, CAPACITY], counts[h, LIMIT]), servers[h, PLACE_WEIGHT]
                more += more_than(n, min(least, int(pairs[i, c])), weight) - more_than(n, least, weight)
            if change + more >= best:
                continue
            change += more
            if timed:
                steep = ratio(kind, pairs[j, slot], sizes[j, 0], sizes[j, 1])
                steep = max(steep, servers[k, STEEP])
                change = pair + more + value_with(p, s, k, i, j, slot, load_k + step, count_k, steep)
                steep = max(servers[h, STEEP], ratio(kind, pairs[i, c], size, sizes[i, 1]))
                change += value_with(p, s, h, j, i, c, load_h - step, n, steep)
                if change >= best:
                    continue
            best, other, to, back = change, j, c, slot
    return other, to, back


@numba.njit(cache=True)
def eject(p: Instance, s: State, i: int) -> bool:
    """Shift a user to a server without room for it, with a shift of one already there, if that helps."""
    servers, counts = s.servers, s.counts
    k, size = s.users[i, SERVER], p.sizes[i, 0]
    base = 0.0
    for c in range(p.station.shape[1]):
        h = p.station[i, c]
        if h < 0 or s.ints[LOGGED] + 1 >= s.log_users.shape[0]:
            break
        n = counts[h, COUNT]
        if n == 0 or h == k or p.cost[i, c] == np.inf:
            continue
        lacks = n + 1 > min(counts[h, CAPACITY], counts[h, LIMIT])
        full = lacks or (p.kind == LIMITED and n + 1 > p.more[i, c])
        if p.kind in (FITTING, CLAMPED):
            full = full or servers[h, USED] + p.more[i, c] > FULL
        if not full:
            continue
        if base == 0.0:
            base = leaving(p, s, i)
        change = base + p.cost[i, c] + servers[h, A] + size * (servers[h, B] + size * servers[h, G])
        if lacks:
            change -= servers[h, PLACE_WEIGHT]
        if change >= -s.floats[LEAST]:
            continue
        mark, cost, more = s.ints[LOGGED], s.floats[COST], s.floats[EXCESS]
        shift(p, s, i, c)
        risen = s.floats[COST] + s.floats[EXCESS] - cost - more
        best, other, slot = -s.floats[LEAST] - risen, -1, -1
        for at in range(counts[h, START], counts[h, START] + n):
            j = s.members[at]
            found, where = best_shift(p, s, j, best)
            if where >= 0:
                best, other, slot = found, j, where
        if other >= 0:
            shift(p, s, other, slot)
            return True
        undo(p, s, mark)
        s.floats[COST], s.floats[EXCESS] = cost, more
    return False


@numba.njit(cache=True, nogil=True)
def exchange(p: Instance, s: State, first: int, last: int, partners: int, chains: bool) -> int:
    """Swap the users of a range of the region where that helps, or else eject; return how often."""
    room, moved = s.log_users.shape[0] - 2, 0
    for e in range(first, last):
        if s.ints[LOGGED] >= room:
            break
        i = s.region[e]
        other, to, back = best_swap(p, s, i, partners)
        if other >= 0:
            shift(p, s, i, to)
            shift(p, s, other, back)
            moved += 1
        elif chains and eject(p, s, i):
            moved += 1
    return moved


@numba.njit(cache=True)
def settle(p: Instance, s: State, stage: int, passes: int, partners: int) -> None:
    """Descend from where the users of the region are, by the moves of a stage and those before it."""
    for _ in range(passes):
        for _ in range(passes):
            if sweep(p, s, 0, s.ints[N_REGION]) == 0 or stage == SWEEP:
                break
        if stage <= SHIFTS or exchange(p, s, 0, s.ints[N_REGION], partners, stage == EJECTIONS) == 0:
            break
