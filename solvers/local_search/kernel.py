"""The data of the compiled local search: an instance as candidate lists, the state of a search, what servers cost.

All costs are in units of the objective. A server with its users costs its opening plus

- ``optimal`` sharing: L²/F with L the sum of the sizes √(κ w) of its users times the root of the worth of a second, and
  more where hard deadlines clamp CPU shares from below (water filling);
- ``equal`` sharing: n·W/F with W the sum of the sizes κ w times that worth;
- ``fixed`` sharing: nothing, all is in the costs of pairs;

and, under soft deadlines and ``optimal`` or ``equal`` sharing, the price of its users' lateness. Deadlines under
``optimal`` sharing and demands under ``fixed`` sharing are parts of the CPU that must fit on a server; under ``equal``
sharing each pair bounds how many twins may be on its server. What does not fit is weighed into the cost.

The state is kept in few arrays of rows, one row a user or a server: a row is one or two cache lines, and a compiled
function is the cheaper to call the fewer arrays it takes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numba
import numpy as np

from dtopt.tolerances import within

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from dtopt.arrays import FloatArray
    from solvers.local_search.candidates import Lists

    #: Lists and members are 32 bits wide, to save memory traffic.
    Integers = NDArray[np.signedinteger[Any]]

__all__ = [
    "CLAMPED",
    "EQUAL",
    "FITTING",
    "FIXED",
    "FULL",
    "LATE",
    "LIMITED",
    "OPTIMAL",
    "PLAIN",
    "Instance",
    "State",
    "below",
    "empty_state",
    "lack",
    "more_than",
    "plain",
    "ratio",
    "set_price",
    "slot_of",
    "total_cost",
    "value_with",
]

#: Modes of sharing.
FIXED, OPTIMAL, EQUAL = 0, 1, 2
#: What `Instance.more` says of pairs: nothing, parts of a CPU, such parts that clamp shares, the largest count of twins
#: allowed, lateness.
PLAIN, FITTING, CLAMPED, LIMITED, LATE = 0, 1, 2, 3, 4
#: CPU parts may sum to this much.
FULL = within(1.0)
#: A CPU that is overfull by however little counts as if it lacked this much more.
STEP = 0.02

#: Columns of `State.users`: the user's server, the slot of it in the user's list, its place among the members.
SERVER, SLOT, PLACE, N_USER = 0, 1, 2, 3
#: Columns of `State.counts`: where a server's members start in `State.members`, the room there, how many there are, the
#: largest number that they themselves allow, and the capacity.
START, ROOM, COUNT, LIMIT, CAPACITY, N_COUNT = 0, 1, 2, 3, 4, 5
#: Columns of `State.servers`: Σ size, Σ CPU part, cost without opening, the largest `ratio` of a member; joining costs
#: a user of size s at least c + A + B s + G s²; weights of CPU and of places that lack; the CPU.
LOAD, USED, VALUE, STEEP, A, B, G, CPU_WEIGHT, PLACE_WEIGHT, CPU, N_SERVER = 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10
#: Places in `State.floats`: cost, weighed excess, cost of the incumbent, least gain of a move, weight of an open
#: server too many, threshold of acceptance, factors of weights after an iteration that ends feasible and one that does
#: not (1: weights stay); then, for each way to disturb and each stage of the descent after the first,
#: what the stage may gain.
COST, EXCESS, BEST, LEAST, OPEN_WEIGHT, THRESHOLD, EASE, PRESS, GAINS, N_FLOAT = 0, 1, 2, 3, 4, 5, 6, 7, 8, 20
#: Stages of a descent: one sweep of shifts, shifts until none helps, swaps too, ejections too.
SWEEP, SHIFTS, SWAPS, EJECTIONS = 0, 1, 2, 3
#: Places in `State.ints`: servers open, servers that lack room, moves logged, end of the members' pool, iterations
#: done, moves since sums were made anew, a server that may be joined though it is empty (−1: none), users in the
#: region, the random state, the iteration of the incumbent.
N_OPEN, N_LACKING, LOGGED, POOL_END, ITERATIONS, MOVES, OPENING, N_REGION = 0, 1, 2, 3, 4, 5, 6, 7
RANDOM, IMPROVED, N_INT = 8, 9, 10

_GAMMA, _MIX1, _MIX2 = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_S30, _S27, _S31, _S33 = np.uint64(30), np.uint64(27), np.uint64(31), np.uint64(33)


class Instance(NamedTuple):
    """What stays the same.

    Parameters
    ----------
    station : ndarray of int32, shape (N, C)
        The servers that each user may be on; ends in −1. Slot k is server k where the instance is `dense`.
    cost : ndarray, shape (N, C)
        Infinite where the pair is not allowed.
    more : ndarray, shape (N, C) or (0, 0)
        By `kind`: the part of the server's CPU that must be set aside (`FITTING`, `CLAMPED`), the largest number of
        twins among which the user keeps its deadline (`LIMITED`), or, under soft deadlines (`LATE`), a such that it is
        late by a + b x / F, with x the server's load (``optimal`` sharing) or count (``equal``).
    sizes : ndarray, shape (N, 2)
        Size and b of each user.
    near : ndarray of int32, shape (M, K)
        The servers that share most users with each server, nearest first; ends in −1.
    opening, penalty : float
    max_open, mode, kind : int
    dense : bool
    """

    station: Integers
    cost: FloatArray
    more: FloatArray
    sizes: FloatArray
    near: Integers
    opening: float
    penalty: float
    max_open: int
    mode: int
    kind: int
    dense: bool


class State(NamedTuple):
    """What changes: association, members and sums of servers, the log of moves, the region, the random state.

    Parameters
    ----------
    users : ndarray of int32, shape (N, N_USER)
    servers : ndarray, shape (M, N_SERVER)
    counts : ndarray of int, shape (M, N_COUNT)
    members : ndarray of int32
        The members of all servers, each in a room of its own.
    log_users : ndarray of int32, shape (J, 5)
        User, slot and place before each move, and what the members of both servers allowed.
    log_sums : ndarray, shape (J, 8)
        Sums of both servers before each move, so that undoing it restores them to the last bit.
    floats, ints : ndarray
    region : ndarray of int32, shape (N,)
        The users that the descent looks at.
    focus : ndarray of int32
        The servers that iterations begin at, drawn from here; those that are here more often, more often.
    """

    users: Integers
    servers: FloatArray
    counts: Integers
    members: Integers
    log_users: Integers
    log_sums: FloatArray
    floats: FloatArray
    ints: Integers
    region: Integers
    focus: Integers


def empty_state(lists: Lists) -> State:
    """Return a state of these lists for `load_state` to fill."""
    n, m = lists.size.size, lists.cpu.size
    state = State(
        users=np.zeros((n, N_USER), dtype=np.int32),
        servers=np.zeros((m, N_SERVER)),
        counts=np.zeros((m, N_COUNT), dtype=np.int64),
        members=np.zeros(3 * n + 64 * m, dtype=np.int32),
        log_users=np.zeros((n + 30_000, 5), dtype=np.int32),
        log_sums=np.zeros((n + 30_000, 8)),
        floats=np.zeros(N_FLOAT),
        ints=np.zeros(N_INT, dtype=np.int64),
        region=np.arange(n, dtype=np.int32),
        focus=np.arange(m, dtype=np.int32),
    )
    state.floats[BEST] = np.inf
    state.floats[[EASE, PRESS]] = 1.0
    state.ints[OPENING] = -1
    state.servers[:, CPU] = lists.cpu
    state.counts[:, CAPACITY] = np.minimum(lists.capacity, n)
    return state


@numba.njit(cache=True)
def below(ints: Integers, bound: int) -> int:
    """Return a random whole number below a bound (SplitMix64); the generator's state lasts from slice to slice."""
    z = np.uint64(ints[RANDOM]) + _GAMMA
    ints[RANDOM] = np.int64(z)
    z = (z ^ (z >> _S30)) * _MIX1
    z = (z ^ (z >> _S27)) * _MIX2
    z = z ^ (z >> _S31)
    return int(np.int64(z >> _S33) % bound)


@numba.njit(cache=True)
def slot_of(station: Integers, dense: bool, user: int, server: int) -> int:
    """Return the slot of a server in a user's list, −1 where it is not listed."""
    if dense:
        return server
    for c in range(station.shape[1]):
        if station[user, c] == server:
            return c
    return -1


@numba.njit(cache=True)
def plain(mode: int, load: float, count: int, cpu: float) -> float:
    """Return the compute cost of a server where no deadline matters, which is a lower bound where one does."""
    if mode == OPTIMAL:
        return load * load / cpu
    if mode == EQUAL:
        return count * load / cpu
    return 0.0


@numba.njit(cache=True)
def lack(used: float, weight: float) -> float:
    """Return the weighed excess of a server with so much of its CPU set aside."""
    return weight * (used - 1.0 + STEP) if used > FULL else 0.0


@numba.njit(cache=True)
def more_than(count: int, limit: int, weight: float) -> float:
    """Return the weighed excess of a server with so many users and a limit to them."""
    return weight * (count - limit) if count > limit else 0.0


@numba.njit(cache=True)
def ratio(kind: int, more: float, size: float, rate: float) -> float:
    """Return how soon a user's deadline matters: it does once this times the server's load (or x/F) exceeds 1."""
    if kind == CLAMPED:
        if more <= 0.0:
            return 0.0
        return more / size if size > 0.0 else np.inf
    if kind == LATE:
        if more < 0.0:
            return -rate / more
        return np.inf if more > 0.0 or rate > 0.0 else 0.0
    return 0.0


@numba.njit(cache=True)
def value_with(
    p: Instance, s: State, server: int, out: int, user: int, slot: int, load: float, count: int, steep: float
) -> float:
    """Return the exact cost of a server, opening left out, were `out` gone (−1: nobody) and `user` there (−1: nobody).

    `load` and `count` are those after the change; `steep` is no less than the ratio of any user there.
    """
    cpu = s.servers[server, CPU]
    simple = plain(p.mode, load, count, cpu)
    if count == 0 or (p.kind not in (CLAMPED, LATE)):
        return simple
    start, n = s.counts[server, START], s.counts[server, COUNT]
    if p.kind == LATE:
        x = (load if p.mode == OPTIMAL else float(count)) / cpu
        if x * steep <= 1.0:
            return simple
        late = 0.0
        for e in range(n + 1):
            i, c = user, slot
            if e < n:
                i = s.members[start + e]
                c = s.users[i, SLOT]
            if i >= 0 and i != out:
                late += max(0.0, p.more[i, c] + p.sizes[i, 1] * x)
        return float(simple + p.penalty * late)
    if load * steep <= 1.0:
        return simple
    # Water filling. The rate at which the others share the rest of the CPU only falls as users are clamped, so those
    # clamped are the ones whose ratio is above it, and need not be remembered.
    rate, clamped = 1.0 / load if load > 0.0 else np.inf, -1
    while True:
        now, taken, total, cost = 0, 0.0, 0.0, 0.0
        for e in range(n + 1):
            i, c = user, slot
            if e < n:
                i = s.members[start + e]
                c = s.users[i, SLOT]
            if i < 0 or i == out:
                continue
            size, floor = p.sizes[i, 0], p.more[i, c]
            if floor > 0.0 and (size == 0.0 or floor > rate * size):
                now += 1
                taken += floor
                cost += size * size / floor
            else:
                total += size
        if taken > FULL or (taken >= 1.0 and total > 0.0):
            # The floors do not fit, and no shares meet all deadlines: those without floors are as good as any.
            return simple
        if now == clamped or total <= 0.0:
            break
        clamped, rate = now, (1.0 - taken) / total
    if total > 0.0:
        cost += total * total / (1.0 - taken)
    return float(cost / cpu)


@numba.njit(cache=True)
def set_price(servers: FloatArray, counts: Integers, mode: int, server: int, opening: bool) -> None:
    """Set the least cost of joining a server from its sums."""
    count, load, cpu = counts[server, COUNT], servers[server, LOAD], servers[server, CPU]
    servers[server, B] = servers[server, G] = 0.0
    if count == 0 and not opening:
        servers[server, A] = np.inf
        return
    first = plain(mode, load, count, cpu) - servers[server, VALUE]
    if count + 1 > min(counts[server, CAPACITY], counts[server, LIMIT]):
        first += servers[server, PLACE_WEIGHT]
    if mode == OPTIMAL:
        servers[server, B], servers[server, G] = 2.0 * load / cpu, 1.0 / cpu
    elif mode == EQUAL:
        first += load / cpu
        servers[server, B] = (count + 1) / cpu
    servers[server, A] = first


@numba.njit(cache=True)
def _loads(
    size: FloatArray, part: FloatArray, most: Integers, association: Integers, m: int
) -> tuple[FloatArray, Integers, FloatArray, Integers]:
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
    most: Integers,
    cpu: FloatArray,
    capacity: Integers,
    opening: float,
    mode: int,
    association: Integers,
) -> float:
    """Return the cost of an association with only the servers in use open; infinite if it breaks a constraint."""
    m = cpu.size
    load, count, used, limit = _loads(size, part, most, association, m)
    total = 0.0
    for i in range(association.size):
        total += cost[i, association[i]]
    for k in range(m):
        if count[k] > 0:
            total += opening + plain(mode, load[k], count[k], cpu[k])
            if count[k] > capacity[k] or count[k] > limit[k] or used[k] > FULL:
                return np.inf
    return total
