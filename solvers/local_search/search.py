"""The compiled iterated local search: disturb one place, descend around it, keep or undo.

The cost of an iteration depends on the users near one server, not on how many there are in all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numba
import numpy as np

from solvers.local_search.descent import best_shift, leaving_bound, settle
from solvers.local_search.kernel import (
    BEST,
    CAPACITY,
    CLAMPED,
    COST,
    COUNT,
    CPU,
    EASE,
    EXCESS,
    FITTING,
    FULL,
    GAINS,
    IMPROVED,
    ITERATIONS,
    LEAST,
    LIMITED,
    LOGGED,
    MOVES,
    N_LACKING,
    N_OPEN,
    N_REGION,
    OPENING,
    PLAIN,
    SERVER,
    SHIFTS,
    SLOT,
    START,
    SWEEP,
    THRESHOLD,
    A,
    B,
    G,
    Instance,
    State,
    below,
    plain,
    set_price,
    slot_of,
)
from solvers.local_search.moves import is_feasible, joining, leaving, load_state, reweigh, shift, undo

if TYPE_CHECKING:
    from solvers.local_search.kernel import Integers

__all__ = ["ANY", "CLOSE", "EXCHANGE", "KICK", "OPEN", "construct", "iterate"]

#: Ways to disturb the state; `ANY` is one of them at random.
CLOSE, OPEN, EXCHANGE, KICK, ANY = 0, 1, 2, 3, 4
#: Nearest servers among which the second disturbance of an iteration is.
NEAREST = 12
#: How fast what a stage was seen to gain is forgotten.
SMOOTHING = 0.05


@numba.njit(cache=True, nogil=True)
def construct(p: Instance, s: State, order: Integers) -> None:
    """Place users in this order at least marginal cost with all servers open, in rooms where there are any."""
    m = s.counts.shape[0]
    load, used = np.zeros(m), np.zeros(m)
    count, limit = np.zeros(m, dtype=np.int64), s.counts[:, CAPACITY].copy()
    parts = p.kind in (FITTING, CLAMPED)
    station, cost, pairs, sizes, kind, mode, servers = p.station, p.cost, p.more, p.sizes, p.kind, p.mode, s.servers
    for i in order:
        best, slot, size = np.inf, 0, sizes[i, 0]
        lacking = True
        for c in range(station.shape[1]):
            h = station[i, c]
            if h < 0:
                break
            least = limit[h]
            if kind == LIMITED:
                least = min(least, int(pairs[i, c]))
            lacks = count[h] + 1 > least or (parts and used[h] + pairs[i, c] > FULL)
            cpu = servers[h, CPU]
            change = cost[i, c] + plain(mode, load[h] + size, count[h] + 1, cpu) - plain(mode, load[h], count[h], cpu)
            if change < np.inf and ((lacking and not lacks) or (lacks == lacking and change < best)):
                best, slot, lacking = change, c, lacks
        s.users[i, SLOT] = slot
        h = station[i, slot]
        load[h] += size
        count[h] += 1
        if parts:
            used[h] += pairs[i, slot]
        elif kind == LIMITED:
            limit[h] = min(limit[h], int(pairs[i, slot]))


# --- disturbances -------------------------------------------------------------------------------------------------


@numba.njit(cache=True)
def _gather(p: Instance, s: State, center: int, reach: int) -> None:
    """Make the region of the users of a server and of the open servers nearest to it."""
    end, found = 0, 0
    for x in range(-1, p.near.shape[1]):
        k = center if x < 0 else p.near[center, x]
        if k < 0 or found > reach:
            break
        n, start = s.counts[k, COUNT], s.counts[k, START]
        if n > 0:
            s.region[end : end + n] = s.members[start : start + n]
            end += n
            found += 1
    s.ints[N_REGION] = end


@numba.njit(cache=True)
def _evacuate(p: Instance, s: State, server: int) -> bool:
    """Send all users of a server to their next best ones; return whether they have any."""
    while s.counts[server, COUNT] > 0:
        user = s.members[s.counts[server, START] + s.counts[server, COUNT] - 1]
        slot = best_shift(p, s, user, np.inf)[1]
        if slot < 0 or s.ints[LOGGED] >= s.log_users.shape[0]:
            return False
        shift(p, s, user, slot)
    return True


@numba.njit(cache=True)
def _pull(p: Instance, s: State, server: int) -> None:
    """Shift the users of the region to a server where that helps, its opening left out."""
    users, servers, counts, region, ints = s.users, s.servers, s.counts, s.region, s.ints
    station, cost, sizes, dense = p.station, p.cost, p.sizes, p.dense
    for e in range(ints[N_REGION]):
        i = region[e]
        k, slot, size = users[i, SERVER], slot_of(station, dense, i, server), sizes[i, 0]
        if slot < 0 or k == server or cost[i, slot] == np.inf:
            continue
        if ints[N_LACKING] == 0:
            change = leaving_bound(servers, counts, p.mode, k, size, cost[i, users[i, SLOT]], p.opening)
            change += cost[i, slot] + servers[server, A] + size * (servers[server, B] + size * servers[server, G])
            if change >= -s.floats[LEAST]:
                continue
        if (p.kind == PLAIN and ints[N_LACKING] == 0) or leaving(p, s, i) + joining(p, s, i, slot) < -s.floats[LEAST]:
            if ints[LOGGED] >= s.log_users.shape[0]:
                break
            shift(p, s, i, slot)


@numba.njit(cache=True)
def _disturb(p: Instance, s: State, kind: int, server: int, other: int, reach: int) -> bool:
    """Close a server, open one, open one for another, or move some users at random; return whether that went."""
    if kind == KICK:
        _gather(p, s, server, reach)
        n = s.ints[N_REGION]
        for _ in range(min(n, 2 + below(s.ints, 4))):
            i, c = s.region[below(s.ints, n)], below(s.ints, p.station.shape[1])
            h = p.station[i, c]
            if s.ints[LOGGED] >= s.log_users.shape[0]:
                break
            if h >= 0 and h != s.users[i, SERVER] and s.counts[h, COUNT] > 0 and p.cost[i, c] < np.inf:
                shift(p, s, i, c)
        return bool(n > 0)
    opened = -1
    if kind != CLOSE:
        opened = server if kind == OPEN else other
        s.ints[OPENING] = opened
        set_price(s.servers, s.counts, p.mode, opened, True)
    went = True
    if kind != OPEN:
        went = s.ints[N_OPEN] + (kind == EXCHANGE) > 1 and _evacuate(p, s, server)
    if went:
        _gather(p, s, server, reach)
    if opened >= 0:
        if went:
            _pull(p, s, opened)
        s.ints[OPENING] = -1
        set_price(s.servers, s.counts, p.mode, opened, False)
    return went


@numba.njit(cache=True)
def _neighbour(p: Instance, s: State, server: int, is_open: bool) -> int:
    """Return a random server near another that is open or not; −1 where a few draws meet none."""
    for _ in range(8):
        k = p.near[server, below(s.ints, p.near.shape[1])]
        if k >= 0 and (s.counts[k, COUNT] > 0) == is_open:
            return int(k)
    return -1


@numba.njit(cache=True)
def _choose(p: Instance, s: State, kinds: int) -> tuple[int, int, int]:
    """Return a random way to disturb, the server and the other one; −1 for the server where that does not go."""
    draw = below(s.ints, 64)
    server = s.focus[below(s.ints, s.focus.size)]
    is_open = s.counts[server, COUNT] > 0
    if draw < kinds // 64:
        return KICK, server if is_open else _neighbour(p, s, server, True), -1
    if draw < kinds // 64 + kinds % 64:
        other = _neighbour(p, s, server, not is_open)
        if other < 0:
            return EXCHANGE, -1, -1
        return (EXCHANGE, server, other) if is_open else (EXCHANGE, other, server)
    if is_open:
        return CLOSE, server, -1
    return OPEN, server if s.ints[N_OPEN] < p.max_open else -1, -1


@numba.njit(cache=True)
def _again(p: Instance, s: State, server: int, reach: int) -> bool:
    """Disturb a server near one that was disturbed, in a way that fits its state."""
    is_open = s.counts[server, COUNT] > 0
    if below(s.ints, 2) == 0:
        other = _neighbour(p, s, server, not is_open)
        if other < 0:
            return False
        return _disturb(p, s, EXCHANGE, server if is_open else other, other if is_open else server, reach)
    if is_open:
        return _disturb(p, s, CLOSE, server, -1, reach)
    return s.ints[N_OPEN] < p.max_open and _disturb(p, s, OPEN, server, -1, reach)


@numba.njit(cache=True, nogil=True)
def iterate(
    p: Instance,
    s: State,
    iterations: int,
    kind: int,
    server: int,
    kinds: int,
    reach: int,
    passes: int,
    last: int,
    partners: int,
    keep: bool,
) -> float:
    """Disturb the state and descend, so many times; keep what is good and undo the rest.

    Parameters
    ----------
    p, s
        The instance and the state.
    iterations : int
    kind, server : int
        What to do; with `ANY` both are drawn each time.
    reach : int
        Open servers around the place whose users are looked at.
    passes, last, partners : int
        See `settle`; `last` is the last stage.
    keep : bool
        Whether to keep anything.

    Returns
    -------
    float
        The change of the cost in the last iteration, kept or not.
    """
    change = np.inf
    for _ in range(iterations):
        s.ints[ITERATIONS] += 1
        what, where, other = kind, server, -1
        if kind == ANY:
            what, where, other = _choose(p, s, kinds)
            if where < 0:
                continue
        cost, more, mark = s.floats[COST], s.floats[EXCESS], s.ints[LOGGED]
        change = np.inf
        went = _disturb(p, s, what, where, other, reach)
        if went and kind == ANY and what != KICK and below(s.ints, 2) == 0:
            second = p.near[where, below(s.ints, min(NEAREST, p.near.shape[1]))]
            if second >= 0:
                went = _again(p, s, second, reach)
        if went:
            settle(p, s, SWEEP, passes, partners)
            change = s.floats[COST] + s.floats[EXCESS] - cost - more
            # The dearer moves are for what they may well turn into a gain.
            for stage in range(SHIFTS, last + 1):
                gain = GAINS + 3 * what + stage - 1
                if change < s.floats[gain]:
                    settle(p, s, stage, passes, partners)
                    before, change = change, s.floats[COST] + s.floats[EXCESS] - cost - more
                    gained = before - change
                    s.floats[gain] = max(gained, s.floats[gain] + SMOOTHING * (gained - s.floats[gain]))
            now = s.floats[COST] + s.floats[EXCESS]
            good = change < -s.floats[LEAST] or now < s.floats[BEST] + s.floats[THRESHOLD] < np.inf
            better = good and is_feasible(p, s) and s.floats[COST] < s.floats[BEST] - s.floats[LEAST]
            if keep and good and not better and s.ints[LOGGED] > s.log_users.shape[0] // 2 and s.floats[BEST] < np.inf:
                # The log must have room for the next iteration: back to the incumbent.
                cost, more, mark, good = s.floats[BEST], 0.0, 0, False
            if keep and good:
                if better:
                    s.floats[BEST], s.ints[IMPROVED] = s.floats[COST], s.ints[ITERATIONS]
                if better or s.floats[BEST] == np.inf:
                    s.ints[LOGGED] = 0
                    if s.ints[MOVES] > 10 * p.sizes.shape[0] + 1000:
                        load_state(p, s, False)
                if s.floats[EASE] != 1.0:
                    reweigh(p, s)
                continue
        undo(p, s, mark)
        s.floats[COST], s.floats[EXCESS] = cost, more
        if keep and s.floats[EASE] != 1.0:
            reweigh(p, s)
    return change
