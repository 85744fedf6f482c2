"""Which servers to open, for small problems: sets of servers compared by quick descents of all users.

A set is worth what users cost after a few sweeps of shifts among its servers. That takes microseconds, so that all sets
can be looked at that differ from the best one by a few servers, where an iteration of the search proper, with its exact
deadlines and its log, takes a hundred times as long.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numba
import numpy as np

from solvers.local_search import kernel
from solvers.local_search.kernel import CLAMPED, EQUAL, FITTING, FULL, OPTIMAL, Instance, plain

if TYPE_CHECKING:
    from collections.abc import Callable

    from dtopt.arrays import FloatArray, IntArray
    from solvers.local_search.driver import Search

__all__ = ["best_set", "compile_sets", "descend_in", "open_better", "try_others"]

#: Sets that are looked at in one search for a better one, and such searches in a row.
EVALUATIONS, SEARCHES = 4000, 4
#: Sets drawn at random to begin from, and how far above the best cost (a part of it) what becomes of one is polished.
RANDOM_SETS, NEAR_BEST = 8, 0.02
#: Sweeps over all users for each set.
SWEEPS = 2
#: Weight of a user for whom a set has no room, in units of the cost of a user at its dearest server.
LEFT_OUT = 2.0


@numba.njit(cache=True)
def descend_in(
    p: Instance, cpu: FloatArray, capacity: IntArray, is_open: IntArray, association: IntArray, sweeps: int
) -> float:
    """Shift users among the servers of a set, those of others first of all; return the cost.

    Parameters
    ----------
    p : Instance
        Dense.
    cpu, capacity : ndarray, shape (M,)
    is_open : ndarray of int, shape (K,)
        The servers of the set.
    association : ndarray of int, shape (N,)
        Changed; −1 where a user has no server yet.
    sweeps : int

    Returns
    -------
    float
        The cost of users and open servers, with a penalty for users who found no room. Clamped CPU shares and lateness
        are left out.
    """
    n, m = association.size, cpu.size
    load, used, count = np.zeros(m), np.zeros(m), np.zeros(m, dtype=np.int64)
    parts = p.kind == FITTING or p.kind == CLAMPED
    listed = np.zeros(m, dtype=np.bool_)
    for k in is_open:
        listed[k] = True
    dearest = 0.0
    for i in range(n):
        k = association[i]
        if k >= 0 and not listed[k]:
            association[i] = k = -1
        if k >= 0:
            load[k] += p.sizes[i, 0]
            count[k] += 1
            if parts:
                used[k] += p.more[i, k]
    for _ in range(sweeps):
        moved = False
        for i in range(n):
            k, size = association[i], p.sizes[i, 0]
            if k >= 0:
                load[k] -= size
                count[k] -= 1
                if parts:
                    used[k] -= p.more[i, k]
            best, target = np.inf, -1
            for h in is_open:
                change = p.cost[i, h]
                if p.mode == OPTIMAL:
                    change += size * (2.0 * load[h] + size) / cpu[h]
                elif p.mode == EQUAL:
                    change += (load[h] + (count[h] + 1) * size) / cpu[h]
                if change < best and count[h] < capacity[h] and not (parts and used[h] + p.more[i, h] > FULL):
                    best, target = change, h
            if target >= 0:
                dearest = max(dearest, best)
                load[target] += size
                count[target] += 1
                if parts:
                    used[target] += p.more[i, target]
            moved = moved or target != k
            association[i] = target
        if not moved:
            break
    total, lacking = 0.0, 0
    for i in range(n):
        if association[i] >= 0:
            total += p.cost[i, association[i]]
        else:
            lacking += 1
    for k in is_open:
        if count[k] > 0:
            total += plain(p.mode, load[k], count[k], cpu[k]) + p.opening
    return total + lacking * LEFT_OUT * (dearest + p.opening)


@numba.njit(cache=True)
def best_set(
    p: Instance, cpu: FloatArray, capacity: IntArray, usable: IntArray, start: IntArray, evaluations: int
) -> tuple[float, IntArray]:
    """Improve the set of open servers by closing, opening and exchanging one or two of them while that pays.

    Parameters
    ----------
    p, cpu, capacity
        See `descend_in`.
    usable : ndarray of int, shape (K,)
        The servers that may be open.
    start : ndarray of int, shape (N,)
        The association to begin from.
    evaluations : int
        Sets to look at, at most.

    Returns
    -------
    float
        The cost of the association, as `descend_in` counts.
    association : ndarray of int, shape (N,)
        −1 for users without room.
    """
    m = cpu.size
    at = np.zeros(m, dtype=np.bool_)
    for k in start:
        if k >= 0:
            at[k] = True
    best = start.copy()
    value = descend_in(p, cpu, capacity, np.flatnonzero(at), best, SWEEPS)
    done, largest = 1, 1
    while largest <= 3:
        # Changes of one server first, then exchanges, then of three servers; after a gain from the beginning.
        gain, found, found_set = 1e-12 * abs(value), best, at
        here, other = np.flatnonzero(at), usable[~at[usable]]
        n_open = here.size
        if n_open > p.max_open:
            # One too many: the closing that costs least comes first of all.
            gain = -np.inf
        none = np.full(1, -1, dtype=np.int64)
        for a in np.concatenate((none, here)):
            for b in np.concatenate((none, other)):
                for c in np.concatenate((none, here, other)) if largest == 3 else none:
                    size = (a >= 0) + (b >= 0) + (c >= 0)
                    if size != largest or (c >= 0 and c in (a, b)):
                        continue
                    # A pair of servers closed or opened is met once.
                    if c >= 0 and ((at[c] and c < a) or (not at[c] and c < b)):
                        continue
                    trial = at.copy()
                    if a >= 0:
                        trial[a] = False
                    if b >= 0:
                        trial[b] = True
                    if c >= 0:
                        trial[c] = not trial[c]
                    count = trial.sum()
                    if count == 0 or count > max(p.max_open, n_open - 1):
                        continue
                    if done >= evaluations:
                        return value, best
                    done += 1
                    moved = best.copy()
                    now = descend_in(p, cpu, capacity, np.flatnonzero(trial), moved, SWEEPS)
                    if value - now > gain:
                        gain, found, found_set = value - now, moved, trial
        if found is best:
            largest += 1
            continue
        best, at, largest = found, found_set, 1
        value -= gain
    return value, best


def open_better(
    search: Search, usable: IntArray, offer: Callable[[], None], check: Callable[[], bool] = lambda: False
) -> None:
    """Let a search go on from better sets of servers, each polished, while that lowers its cost.

    Parameters
    ----------
    search : Search
        Under way, over a dense instance.
    usable : ndarray of int
        The servers that may be open.
    offer : callable
        Called after each gain.
    check : callable
        Whether to stop.
    """
    for _ in range(SEARCHES):
        before, here = search.best_cost, search.best()
        _, found = _best_set(search, usable, here)
        if check() or found.min() < 0 or (found == here).all():
            return
        search.start(found)
        search.polish(check)
        if not search.best_cost < before:
            search.start(here)
            return
        offer()


def try_others(
    search: Search,
    usable: IntArray,
    rng: np.random.Generator,
    offer: Callable[[], None],
    check: Callable[[], bool] = lambda: False,
) -> None:
    """Improve sets of servers drawn at random, about as many as are open, and polish those near the best cost.

    Parameters
    ----------
    search, usable, offer, check
        See `open_better`.
    rng : Generator
    """
    n_users, n_open = search.best().size, np.unique(search.best()).size
    for _ in range(RANDOM_SETS):
        if check():
            return
        size = min(usable.size, max(1, n_open + int(rng.integers(-1, 2))))
        among = rng.permutation(usable)[:size]
        value, found = _best_set(search, usable, among[rng.integers(size, size=n_users)])
        if found.min() < 0 or value > search.best_cost + NEAR_BEST * abs(search.best_cost):
            continue
        before, here = search.best_cost, search.best()
        search.start(found)
        search.polish(check)
        if search.best_cost < before:
            offer()
        else:
            search.start(here)


def _best_set(search: Search, usable: IntArray, start: IntArray) -> tuple[float, IntArray]:
    state = search.state
    cpu, capacity = state.servers[:, kernel.CPU].copy(), state.counts[:, kernel.CAPACITY].copy()
    return best_set(search.instance, cpu, capacity, usable, start, EVALUATIONS)


def compile_sets(instance: Instance) -> None:
    """Run the compiled code once."""
    n, m = instance.cost.shape
    many = np.full(m, n, dtype=np.int64)
    best_set(instance, np.ones(m), many, np.arange(m), np.zeros(n, dtype=np.int64), 1)
