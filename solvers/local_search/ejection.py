"""Ejection chains and path relinking for problems with ``fixed`` sharing, in slices of compiled code.

Under ``fixed`` sharing a placement problem is a generalized assignment problem, with opening costs on top. The search
walks through infeasible associations too: what a server lacks is weighed into its cost, by weights that grow while no
feasible association turns up and shrink while they do. Local searches by shifts, swaps and ejection chains end in a
pool of elite associations, and paths between these give the next starts (Yagiura, Ibaraki and Glover, 2006).

The work stops and goes on between any two users' neighbourhoods; all that it must remember is in `Search`.
"""

from __future__ import annotations

from functools import cache
from time import perf_counter
from typing import TYPE_CHECKING

import numba
import numpy as np

from dtopt.price_dual import PriceDual
from solvers.local_search.arrays import SearchArrays
from solvers.local_search.ejection_kernel import (
    BARREN,
    BEST,
    COST,
    LEAST,
    MET,
    N_FLOATS,
    N_INTS,
    N_LACKING,
    N_OPEN,
    N_POOL,
    OPEN_WEIGHT,
    PENALISED,
    ROUNDS,
    SEED,
    STALE,
    UNDER_WAY,
    USER,
    Instance,
    Search,
    best_target,
    draw,
    improve_chain,
    improve_user,
    load,
    next_step,
    offer,
    shift,
)
from solvers.local_search.kernel import FIXED, FULL

if TYPE_CHECKING:
    from collections.abc import Callable

    from dtopt.arrays import BoolArray, FloatArray, IntArray

__all__ = ["compile_ejection", "improve_fixed"]

#: Seconds that a slice of compiled code should take, and the users' neighbourhoods searched in the first one.
SLICE_SECONDS, FIRST_SLICE = 0.05, 16
#: Elite associations that paths are laid between.
POOL = 16
#: The least first weights of what is lacking, and least gain of a move, as shares of the mean cost of a pair.
LEAST_WEIGHT, LEAST_GAIN = 0.1, 1e-10
#: Factors of the weights: after a local search that met feasible associations, after one that met none, and as long
#: as none has ever been met.
EASE, PRESS, PRESS_FIRST = 0.9, 1.02, 1.1
#: Local searches in a row that may leave the pool as it is before it is emptied but for its best.
PATIENCE = 60
#: The part of the way between two elite associations that is walked at most.
WAY = 0.1


@cache
def compile_ejection() -> None:
    """Compile the search, or load it from Numba's cache; call it before a clock starts, as `compile_kernels`."""
    two, most = np.ones((2, 2)), np.ones((2, 2), dtype=np.int64)
    ones = np.ones(2, dtype=np.int64)
    arrays = SearchArrays(two, np.ones(2), two, most, np.ones(2), ones, 1.0, 2, FIXED)
    _advance(*_start(arrays, np.isfinite(two), 0), 10)


def improve_fixed(
    arrays: SearchArrays,
    association: IntArray | None,
    *,
    seconds: float,
    seed: int,
    should_stop: Callable[[], bool] | None = None,
    on_better: Callable[[IntArray, float], None] | None = None,
    iterations: int | None = None,
) -> tuple[IntArray | None, float]:
    """Return the best association that ejection chains and path relinking find, and its cost.

    Parameters
    ----------
    arrays : SearchArrays
        Of a problem with ``fixed`` sharing.
    association : ndarray of int, shape (N,), or None
        Where to start; it may break constraints.
    seconds : float
    seed : int
        With `iterations` given and met in time, the same seed gives the same answer.
    should_stop : callable, optional
        Asked about every twentieth of a second.
    on_better : callable, optional
        Called with each better feasible association and its cost, at most once for each time `should_stop` is asked.
    iterations : int, optional
        The number of users whose neighbourhoods are searched; a local search takes at least N.

    Returns
    -------
    ndarray of int, shape (N,), or None
        None where nothing feasible was found.
    float
        Its cost as `SearchArrays.total` has it, or infinity.
    """
    if arrays.mode != FIXED:
        raise ValueError("ejection chains are for fixed sharing")
    compile_ejection()
    end = perf_counter() + seconds
    n = arrays.cost.shape[0]
    allowed = np.isfinite(arrays.cost) & (arrays.capacity > 0) & (arrays.part <= FULL)
    if n == 0 or not allowed.any(axis=1).all():
        return None, np.inf
    instance, search = _start(arrays, allowed, seed)
    if association is not None:
        search.association[:] = np.where(allowed[np.arange(n), association], association, search.association)
        start = search.association.copy()
        if (start == association).all() and np.unique(start).size <= arrays.max_open:
            search.floats[BEST] = arrays.total(start)
            search.best[:] = start
    best_cost = float(search.floats[BEST])
    left, size = iterations, FIRST_SLICE
    while (left is None or left > 0) and perf_counter() < end and not (should_stop is not None and should_stop()):
        users = size if left is None else min(size, left)
        began = perf_counter()
        _advance(instance, search, users)
        took = perf_counter() - began
        if left is not None:
            left -= users
        # Slices only say when we look up: what is found does not depend on them.
        size = max(1, min(2 * size, int(users * min(SLICE_SECONDS, end - began) / max(took, 1e-9))))
        if search.floats[BEST] < best_cost:
            best_cost = float(search.floats[BEST])
            if on_better is not None:
                on_better(search.best.copy(), best_cost)
    return (search.best.copy(), best_cost) if np.isfinite(best_cost) else (None, np.inf)


def _start(arrays: SearchArrays, allowed: BoolArray, seed: int) -> tuple[Instance, Search]:
    """Return what the kernels take, with each user where its cost and the prices of what it takes are least."""
    n, m = arrays.cost.shape
    cost = np.where(allowed, arrays.cost, np.inf)
    capacity = np.minimum(arrays.capacity, n)
    count_price, price = _prices(arrays, cost, capacity)
    priced = cost + count_price + price * arrays.part
    near = np.argsort(priced, axis=1, kind="stable")
    near = np.where(np.isfinite(np.take_along_axis(priced, near, axis=1)), near, -1).astype(np.int64)
    instance = Instance(
        cost=cost,
        size=np.array(arrays.size),
        part=np.array(arrays.part, order="C"),
        most=np.array(arrays.most, order="C"),
        cpu=np.array(arrays.cpu),
        capacity=capacity.astype(np.int64),
        opening=float(arrays.opening),
        max_open=int(arrays.max_open),
        near=near,
        price=price,
        count_price=count_price,
        priced=priced,
    )
    typical = max(float(np.abs(cost[allowed]).mean()), 1e-300)
    floats = np.zeros(N_FLOATS)
    floats[BEST] = np.inf
    floats[OPEN_WEIGHT] = typical + arrays.opening
    floats[LEAST] = LEAST_GAIN * typical
    ints = np.zeros(N_INTS, dtype=np.int64)
    ints[SEED] = np.random.SeedSequence(seed).generate_state(1)[0]
    search = Search(
        association=near[:, 0].copy(),
        members=_zeros(m, n),
        place=_zeros(n),
        occupancy=_zeros(m),
        used=np.zeros(m),
        weight=np.maximum(price, LEAST_WEIGHT * typical),
        count_weight=np.maximum(count_price, LEAST_WEIGHT * typical),
        floats=floats,
        ints=ints,
        best=_zeros(n),
        trial=_zeros(n),
        pool=_zeros(POOL, n),
        pool_cost=np.zeros(POOL),
        pool_lack=np.zeros((POOL, m)),
        pool_over=_zeros(POOL, m),
        pool_open=_zeros(POOL),
    )
    return instance, search


def _prices(arrays: SearchArrays, cost: FloatArray, capacity: IntArray) -> tuple[FloatArray, FloatArray]:
    """Return the prices of a place and of the whole CPU of each server, from the Lagrangian dual."""
    n, m = cost.shape
    dual = PriceDual(
        cost=cost,
        root_load=np.zeros(n),
        part=arrays.part,
        floor=None,
        cpu=arrays.cpu,
        capacity=capacity.astype(np.float64),
        opening=arrays.opening,
        worth=1.0,
        max_open=arrays.max_open,
        state=np.zeros(m, dtype=np.int64),
    )
    _, count_price, price = dual.ascend()[1][n:-1].reshape(3, m)
    return np.array(count_price), np.array(price)


def _zeros(*shape: int) -> IntArray:
    return np.zeros(shape, dtype=np.int64)


@numba.njit(cache=True)
def _pool_value(p: Instance, s: Search, e: int) -> float:
    """Return the cost of an elite association under the weights of now."""
    value = s.pool_cost[e] + s.floats[OPEN_WEIGHT] * max(0, s.pool_open[e] - p.max_open)
    for k in range(p.cpu.size):
        value += s.weight[k] * s.pool_lack[e, k] + s.count_weight[k] * s.pool_over[e, k]
    return float(value)


@numba.njit(cache=True)
def _keep(p: Instance, s: Search) -> None:
    """Put the association at hand into the pool where it is new and better than the worst there."""
    worst, worst_value = -1, -np.inf
    for e in range(s.ints[N_POOL]):
        value = _pool_value(p, s, e)
        if value > worst_value:
            worst, worst_value = e, value
        if (s.pool[e] == s.association).all():
            s.ints[BARREN] += 1
            return
    if s.ints[N_POOL] < s.pool.shape[0]:
        worst = s.ints[N_POOL]
        s.ints[N_POOL] += 1
    elif s.floats[PENALISED] >= worst_value:
        s.ints[BARREN] += 1
        return
    s.ints[BARREN] = 0
    s.pool[worst] = s.association
    s.pool_cost[worst] = s.floats[COST]
    s.pool_lack[worst] = np.maximum(0.0, s.used - FULL)
    s.pool_over[worst] = np.maximum(0, s.occupancy - p.capacity)
    s.pool_open[worst] = s.ints[N_OPEN]


@numba.njit(cache=True)
def _reweigh(p: Instance, s: Search) -> None:
    """Raise the weights of what is lacking where the local search met nothing feasible, else lower all."""
    if s.ints[MET]:
        s.weight[:] = s.weight * EASE
        s.count_weight[:] = s.count_weight * EASE
        s.floats[OPEN_WEIGHT] *= EASE
        return
    factor = PRESS if np.isfinite(s.floats[BEST]) else PRESS_FIRST
    for k in range(p.cpu.size):
        if s.used[k] > FULL:
            s.weight[k] *= factor
        if s.occupancy[k] > p.capacity[k]:
            s.count_weight[k] *= factor
    if s.ints[N_OPEN] > p.max_open:
        s.floats[OPEN_WEIGHT] *= factor


@numba.njit(cache=True)
def _start_anew(p: Instance, s: Search) -> None:
    """Send each user to one of the servers where its priced cost is least, mostly the first."""
    for i in range(p.cost.shape[0]):
        c = 0
        while c + 1 < p.near.shape[1] and p.near[i, c + 1] >= 0 and draw(s, 4) == 0:
            c += 1
        s.association[i] = p.near[i, c]
    load(p, s)


@numba.njit(cache=True)
def _disturb(p: Instance, s: Search) -> None:
    """Send a few users of the association at hand elsewhere."""
    n = p.cost.shape[0]
    for _ in range(min(n, 4 + draw(s, 8))):
        i = draw(s, n)
        h = p.near[i, draw(s, min(4, p.near.shape[1]))]
        if h >= 0 and h != s.association[i]:
            shift(p, s, i, h)


@numba.njit(cache=True)
def _close(p: Instance, s: Search, k: int) -> None:
    """Send the users of a server to the other open ones, as far as they are allowed there."""
    for q in range(s.occupancy[k] - 1, -1, -1):
        i = s.members[k, q]
        h = best_target(p, s, i)
        if h >= 0:
            shift(p, s, i, h)


@numba.njit(cache=True)
def _vary_servers(p: Instance, s: Search) -> None:
    """Close the servers too many; where servers cost or are limited, at times close one and open another too."""
    n, m = p.cost.shape
    for _ in range(m):
        if s.ints[N_OPEN] <= p.max_open:
            break
        _close_one(p, s)
    if (p.opening <= 0.0 and p.max_open >= m) or s.ints[ROUNDS] == 0:
        return
    kind = draw(s, 4)
    opened = draw(s, m)
    if kind <= 1 and s.ints[N_OPEN] > 1:
        _close_one(p, s)
    if kind >= 1 and kind <= 2 and s.occupancy[opened] == 0 and s.ints[N_OPEN] < p.max_open:
        first = draw(s, n)
        for x in range(n):
            i = (first + x) % n
            gains = p.priced[i, opened] < p.priced[i, s.association[i]]
            if gains and s.occupancy[opened] < p.capacity[opened] and s.used[opened] + p.part[i, opened] <= FULL:
                shift(p, s, i, opened)


@numba.njit(cache=True)
def _close_one(p: Instance, s: Search) -> None:
    """Close the one with fewer users of two open servers drawn at random."""
    m = p.cpu.size
    closing = -1
    for _ in range(2):
        k = draw(s, m)
        while s.occupancy[k] == 0:
            k = k + 1 if k + 1 < m else 0
        if closing < 0 or s.occupancy[k] < s.occupancy[closing]:
            closing = k
    _close(p, s, closing)


@numba.njit(cache=True)
def _relink(p: Instance, s: Search) -> None:
    """Go from one elite association some way towards another, always by the best shift; end at the best point."""
    a = draw(s, s.ints[N_POOL])
    b = draw(s, s.ints[N_POOL] - 1)
    b += 1 if b >= a else 0
    s.association[:] = s.pool[a]
    load(p, s)
    goal = s.pool[b]
    left = np.where(s.association != goal)[0]
    distance = left.size
    if distance < 6:
        _disturb(p, s)
        return
    steps = min(distance - 2, 4 + draw(s, max(1, int(distance * WAY))))
    order, homes = np.empty(steps, dtype=np.int64), np.empty(steps, dtype=np.int64)
    best, best_at = np.inf, 0
    for step in range(steps):
        at = next_step(p, s, left, distance - step, goal)
        i = left[at]
        left[at] = left[distance - step - 1]
        order[step], homes[step] = i, s.association[i]
        shift(p, s, i, goal[i])
        # Nearer to the start, the local search would fall back to it.
        if step >= 3 and s.floats[PENALISED] < best:
            best, best_at = s.floats[PENALISED], step + 1
    for step in range(steps - 1, best_at - 1, -1):
        shift(p, s, order[step], homes[step])


@numba.njit(cache=True)
def _keep_only_best(p: Instance, s: Search) -> None:
    """Empty the pool but for its best association."""
    best = 0
    for e in range(1, s.ints[N_POOL]):
        if _pool_value(p, s, e) < _pool_value(p, s, best):
            best = e
    s.pool[0], s.pool_cost[0], s.pool_open[0] = s.pool[best], s.pool_cost[best], s.pool_open[best]
    s.pool_lack[0], s.pool_over[0] = s.pool_lack[best], s.pool_over[best]
    s.ints[N_POOL], s.ints[BARREN] = 1, 0


@numba.njit(cache=True)
def _begin(p: Instance, s: Search) -> None:
    """Choose where the next local search starts; the first starts from the association at hand."""
    load(p, s)
    if s.ints[ROUNDS] > 0:
        if s.ints[BARREN] > PATIENCE:
            _keep_only_best(p, s)
        if s.ints[N_POOL] < s.pool.shape[0]:
            _start_anew(p, s)
        else:
            _relink(p, s)
    _vary_servers(p, s)
    load(p, s)
    s.ints[STALE] = s.ints[MET] = 0
    s.ints[UNDER_WAY] = 1
    s.ints[USER] = draw(s, p.cost.shape[0])


@numba.njit(cache=True)
def _advance(p: Instance, s: Search, users: int) -> None:
    """Search the neighbourhoods of so many users, with all local searches that begin or end on the way."""
    n = p.cost.shape[0]
    for _ in range(users):
        if not s.ints[UNDER_WAY]:
            _begin(p, s)
        i = s.ints[USER]
        s.ints[USER] = i + 1 if i + 1 < n else 0
        if improve_user(p, s, i) or improve_chain(p, s, i):
            s.ints[STALE] = 0
            continue
        s.ints[STALE] += 1
        if s.ints[STALE] >= n:
            load(p, s)
            if s.ints[N_LACKING] == 0:
                offer(p, s, s.association)
            _keep(p, s)
            _reweigh(p, s)
            s.ints[ROUNDS] += 1
            s.ints[UNDER_WAY] = 0
