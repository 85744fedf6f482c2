"""Single moves of the compiled search: their exact costs, doing them with a log, undoing them to the last bit."""

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
    EASE,
    EXCESS,
    FITTING,
    FULL,
    LATE,
    LIMIT,
    LIMITED,
    LOAD,
    LOGGED,
    MOVES,
    N_LACKING,
    N_OPEN,
    OPEN_WEIGHT,
    OPENING,
    PLACE,
    PLACE_WEIGHT,
    POOL_END,
    PRESS,
    ROOM,
    SERVER,
    SLOT,
    START,
    STEEP,
    USED,
    VALUE,
    Instance,
    State,
    lack,
    more_than,
    plain,
    ratio,
    set_price,
    value_with,
)

if TYPE_CHECKING:
    from dtopt.arrays import FloatArray
    from solvers.local_search.kernel import Integers

__all__ = ["is_feasible", "joining", "leaving", "load_state", "reweigh", "shift", "undo"]


@numba.njit(cache=True)
def _least_limit(p: Instance, s: State, server: int, out: int) -> int:
    """Return the largest count that the members of a server but `out` allow."""
    least = p.sizes.shape[0]
    start = s.counts[server, START]
    for e in range(start, start + s.counts[server, COUNT]):
        i = s.members[e]
        if i != out:
            least = min(least, int(p.more[i, s.users[i, SLOT]]))
    return int(least)


@numba.njit(cache=True)
def _excess(servers: FloatArray, counts: Integers, k: int, used: float, count: int, limit: int) -> float:
    """Return the weighed excess of a server with so much CPU set aside and so many users, of whom each allows some."""
    return lack(used, servers[k, CPU_WEIGHT]) + more_than(
        count, min(counts[k, CAPACITY], limit), servers[k, PLACE_WEIGHT]
    )


@numba.njit(cache=True)
def leaving(p: Instance, s: State, user: int) -> float:
    """Return what the cost changes when a user leaves its server."""
    k, c = s.users[user, SERVER], s.users[user, SLOT]
    count, used, limit = s.counts[k, COUNT], s.servers[k, USED], s.counts[k, LIMIT]
    change = -p.cost[user, c] - s.servers[k, VALUE]
    now = _excess(s.servers, s.counts, k, used, count, limit)
    if count == 1:
        return float(change - p.opening - now)
    load = s.servers[k, LOAD] - p.sizes[user, 0]
    change += value_with(p, s, k, user, -1, 0, load, count - 1, s.servers[k, STEEP])
    if now > 0.0:
        if p.kind in (FITTING, CLAMPED):
            used -= p.more[user, c]
        elif p.kind == LIMITED and int(p.more[user, c]) == limit:
            limit = _least_limit(p, s, k, user)
        change += _excess(s.servers, s.counts, k, used, count - 1, limit) - now
    return float(change)


@numba.njit(cache=True)
def joining(p: Instance, s: State, user: int, slot: int) -> float:
    """Return what the cost changes when a user joins a server of its list; what opening it costs is left out."""
    h = p.station[user, slot]
    size, count, used, limit = p.sizes[user, 0], s.counts[h, COUNT], s.servers[h, USED], s.counts[h, LIMIT]
    steep, load = s.servers[h, STEEP], s.servers[h, LOAD] + size
    change = p.cost[user, slot] - s.servers[h, VALUE] - _excess(s.servers, s.counts, h, used, count, limit)
    if p.kind in (CLAMPED, LATE):
        steep = max(steep, ratio(p.kind, p.more[user, slot], size, p.sizes[user, 1]))
    change += value_with(p, s, h, -1, user, slot, load, count + 1, steep)
    if p.kind in (FITTING, CLAMPED):
        used += p.more[user, slot]
    elif p.kind == LIMITED:
        limit = min(limit, int(p.more[user, slot]))
    return float(change + _excess(s.servers, s.counts, h, used, count + 1, limit))


# --- the members of servers ---------------------------------------------------------------------------------------


@numba.njit(cache=True)
def _make_room(counts: Integers, members: Integers, ints: Integers, server: int) -> None:
    """See to it that one more user can be among a server's members."""
    start, n = counts[server, START], counts[server, COUNT]
    if n < counts[server, ROOM]:
        return
    room, end = 2 * n + 16, ints[POOL_END]
    if end + room <= members.size:
        members[end : end + n] = members[start : start + n]
        counts[server, START], counts[server, ROOM] = end, room
        ints[POOL_END] = end + room
        return
    # The pool is used up: all rooms are packed anew, each with some spare places.
    packed = np.empty_like(members)
    end = 0
    for k in range(counts.shape[0]):
        start, n = counts[k, START], counts[k, COUNT]
        packed[end : end + n] = members[start : start + n]
        counts[k, START], counts[k, ROOM] = end, n + n // 2 + 8
        end += counts[k, ROOM]
    members[:] = packed
    ints[POOL_END] = end


@numba.njit(cache=True)
def _lacks(servers: FloatArray, counts: Integers, k: int) -> int:
    """Return 1 if a server holds more than it has room for, else 0."""
    if servers[k, USED] > FULL or counts[k, COUNT] > min(counts[k, CAPACITY], counts[k, LIMIT]):
        return 1
    return 0


@numba.njit(cache=True)
def is_feasible(p: Instance, s: State) -> bool:
    """Return whether nothing lacks and no server is open too many."""
    return bool(s.ints[N_LACKING] == 0 and s.ints[N_OPEN] <= p.max_open)


@numba.njit(cache=True)
def _too_many(weight: float, n_open: int, max_open: int) -> float:
    """Return the weighed excess of open servers."""
    return float(weight * max(0, n_open - max_open))


@numba.njit(cache=True)
def shift(p: Instance, s: State, user: int, slot: int) -> None:
    """Move a user to another server of its list; all sums follow, and the log if it has room."""
    users, counts, servers, members, ints = s.users, s.counts, s.servers, s.members, s.ints
    log_users, log_sums, pairs, sizes, kind, floats = s.log_users, s.log_sums, p.more, p.sizes, p.kind, s.floats
    k, h, c = users[user, SERVER], p.station[user, slot], users[user, SLOT]
    place, logged = users[user, PLACE], ints[LOGGED]
    if logged < log_users.shape[0]:
        log_users[logged, 0], log_users[logged, 1], log_users[logged, 2] = user, c, place
        log_users[logged, 3], log_users[logged, 4] = counts[k, LIMIT], counts[h, LIMIT]
        for x in range(4):
            log_sums[logged, x], log_sums[logged, 4 + x] = servers[k, x], servers[h, x]
    ints[LOGGED] = logged + 1
    ints[MOVES] += 1
    cost = p.cost[user, slot] - p.cost[user, c] - servers[k, VALUE] - servers[h, VALUE]
    more = -_too_many(floats[OPEN_WEIGHT], ints[N_OPEN], p.max_open) - _excess(
        servers, counts, k, servers[k, USED], counts[k, COUNT], counts[k, LIMIT]
    )
    more -= _excess(servers, counts, h, servers[h, USED], counts[h, COUNT], counts[h, LIMIT])
    lacking = -_lacks(servers, counts, k) - _lacks(servers, counts, h)

    _make_room(counts, members, ints, h)
    start = counts[k, START]
    counts[k, COUNT] -= 1
    last = members[start + counts[k, COUNT]]
    members[start + place] = last
    users[last, PLACE] = place
    users[user, SERVER], users[user, SLOT], users[user, PLACE] = h, slot, counts[h, COUNT]
    members[counts[h, START] + counts[h, COUNT]] = user
    counts[h, COUNT] += 1

    size = sizes[user, 0]
    servers[k, LOAD] -= size
    servers[h, LOAD] += size
    if kind in (FITTING, CLAMPED):
        servers[k, USED] -= pairs[user, c]
        servers[h, USED] += pairs[user, slot]
    elif kind == LIMITED:
        if int(pairs[user, c]) == counts[k, LIMIT]:
            counts[k, LIMIT] = _least_limit(p, s, k, -1)
        counts[h, LIMIT] = min(counts[h, LIMIT], int(pairs[user, slot]))
    if counts[k, COUNT] == 0:
        servers[k, LOAD] = servers[k, USED] = 0.0
        cost -= p.opening
        ints[N_OPEN] -= 1
    if counts[h, COUNT] == 1:
        cost += p.opening
        ints[N_OPEN] += 1
    if kind in (CLAMPED, LATE):
        rate = sizes[user, 1]
        if ratio(kind, pairs[user, c], size, rate) >= servers[k, STEEP]:
            servers[k, STEEP] = 0.0
            for e in range(counts[k, START], counts[k, START] + counts[k, COUNT]):
                i = members[e]
                steep = ratio(kind, pairs[i, users[i, SLOT]], sizes[i, 0], sizes[i, 1])
                servers[k, STEEP] = max(servers[k, STEEP], steep)
        servers[h, STEEP] = max(servers[h, STEEP], ratio(kind, pairs[user, slot], size, rate))
        servers[k, VALUE] = value_with(p, s, k, -1, -1, 0, servers[k, LOAD], counts[k, COUNT], servers[k, STEEP])
        servers[h, VALUE] = value_with(p, s, h, -1, -1, 0, servers[h, LOAD], counts[h, COUNT], servers[h, STEEP])
    else:
        servers[k, VALUE] = plain(p.mode, servers[k, LOAD], counts[k, COUNT], servers[k, CPU])
        servers[h, VALUE] = plain(p.mode, servers[h, LOAD], counts[h, COUNT], servers[h, CPU])
    floats[COST] += cost + servers[k, VALUE] + servers[h, VALUE]
    ints[N_LACKING] += lacking + _lacks(servers, counts, k) + _lacks(servers, counts, h)
    if ints[N_LACKING] == 0 and ints[N_OPEN] <= p.max_open:
        floats[EXCESS] = 0.0
    else:
        more += _excess(servers, counts, k, servers[k, USED], counts[k, COUNT], counts[k, LIMIT])
        more += _excess(servers, counts, h, servers[h, USED], counts[h, COUNT], counts[h, LIMIT])
        floats[EXCESS] += more + _too_many(floats[OPEN_WEIGHT], ints[N_OPEN], p.max_open)
    set_price(servers, counts, p.mode, k, ints[OPENING] == k)
    set_price(servers, counts, p.mode, h, ints[OPENING] == h)


@numba.njit(cache=True)
def undo(p: Instance, s: State, mark: int) -> None:
    """Undo moves, last first, until `mark` are left in the log; costs are the caller's to restore."""
    users, counts, servers, members, ints = s.users, s.counts, s.servers, s.members, s.ints
    log_users, log_sums, station, mode = s.log_users, s.log_sums, p.station, p.mode
    while ints[LOGGED] > mark:
        ints[LOGGED] -= 1
        logged = ints[LOGGED]
        user, slot, place = log_users[logged, 0], log_users[logged, 1], log_users[logged, 2]
        h, k = users[user, SERVER], station[user, slot]
        ints[N_LACKING] -= _lacks(servers, counts, h) + _lacks(servers, counts, k)
        # All later moves are undone, so the user is the last member where it came to.
        counts[h, COUNT] -= 1
        _make_room(counts, members, ints, k)
        start, n = counts[k, START], counts[k, COUNT]
        if place < n:
            other = members[start + place]
            members[start + n] = other
            users[other, PLACE] = n
        members[start + place] = user
        counts[k, COUNT] += 1
        users[user, SERVER], users[user, SLOT], users[user, PLACE] = k, slot, place
        ints[N_OPEN] += (1 if n == 0 else 0) - (1 if counts[h, COUNT] == 0 else 0)
        counts[k, LIMIT], counts[h, LIMIT] = log_users[logged, 3], log_users[logged, 4]
        for x in range(4):
            servers[k, x], servers[h, x] = log_sums[logged, x], log_sums[logged, 4 + x]
        ints[N_LACKING] += _lacks(servers, counts, h) + _lacks(servers, counts, k)
        set_price(servers, counts, mode, k, ints[OPENING] == k)
        set_price(servers, counts, mode, h, ints[OPENING] == h)


@numba.njit(cache=True)
def reweigh(p: Instance, s: State) -> None:
    """Ease the weights of what lacks where nothing does, else press those of the servers that lack."""
    servers, counts, floats = s.servers, s.counts, s.floats
    feasible = s.ints[N_LACKING] == 0
    more = 0.0
    for k in range(counts.shape[0]):
        factor = 1.0
        if feasible:
            factor = floats[EASE]
        elif _lacks(servers, counts, k) > 0:
            factor = floats[PRESS]
        if factor != 1.0:
            servers[k, CPU_WEIGHT] *= factor
            servers[k, PLACE_WEIGHT] *= factor
            set_price(servers, counts, p.mode, k, False)
        more += _excess(servers, counts, k, servers[k, USED], counts[k, COUNT], counts[k, LIMIT])
    floats[EXCESS] = more + _too_many(floats[OPEN_WEIGHT], s.ints[N_OPEN], p.max_open)


# --- from an association ------------------------------------------------------------------------------------------


@numba.njit(cache=True, nogil=True)
def load_state(p: Instance, s: State, anew: bool) -> None:
    """Make all sums from the slots of the users, and the rooms of members too if `anew`; the log is emptied."""
    users, counts, servers = s.users, s.counts, s.servers
    n, m = p.sizes.shape[0], counts.shape[0]
    if anew:
        counts[:, COUNT] = 0
        for i in range(n):
            users[i, SERVER] = p.station[i, users[i, SLOT]]
            counts[users[i, SERVER], COUNT] += 1
        end = 0
        for k in range(m):
            counts[k, START], counts[k, ROOM] = end, counts[k, COUNT] + counts[k, COUNT] // 2 + 8
            end += counts[k, ROOM]
            counts[k, COUNT] = 0
        s.ints[POOL_END] = end
        for i in range(n):
            k = users[i, SERVER]
            users[i, PLACE] = counts[k, COUNT]
            s.members[counts[k, START] + counts[k, COUNT]] = i
            counts[k, COUNT] += 1
    s.ints[LOGGED] = s.ints[MOVES] = s.ints[N_OPEN] = s.ints[N_LACKING] = 0
    cost = more = 0.0
    for k in range(m):
        load = used = steep = 0.0
        limit = n
        for e in range(counts[k, START], counts[k, START] + counts[k, COUNT]):
            i = s.members[e]
            c = users[i, SLOT]
            cost += p.cost[i, c]
            load += p.sizes[i, 0]
            if p.kind in (FITTING, CLAMPED):
                used += p.more[i, c]
            elif p.kind == LIMITED:
                limit = min(limit, int(p.more[i, c]))
            if p.kind in (CLAMPED, LATE):
                steep = max(steep, ratio(p.kind, p.more[i, c], p.sizes[i, 0], p.sizes[i, 1]))
        servers[k, LOAD], servers[k, USED], servers[k, STEEP], counts[k, LIMIT] = load, used, steep, limit
        servers[k, VALUE] = value_with(p, s, k, -1, -1, 0, load, counts[k, COUNT], steep)
        cost += servers[k, VALUE]
        if counts[k, COUNT] > 0:
            cost += p.opening
            s.ints[N_OPEN] += 1
        more += _excess(servers, counts, k, used, counts[k, COUNT], limit)
        s.ints[N_LACKING] += _lacks(servers, counts, k)
        set_price(servers, counts, p.mode, k, s.ints[OPENING] == k)
    s.floats[COST], s.floats[EXCESS] = cost, more + _too_many(s.floats[OPEN_WEIGHT], s.ints[N_OPEN], p.max_open)
