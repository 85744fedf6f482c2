"""Which servers to open, compiled: bounds on what sets of servers cost say where to begin and which to descend in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numba
import numpy as np

from solvers.local_search.kernel import EQUAL, OPTIMAL, Instance
from solvers.local_search.set_descent import descend_in

if TYPE_CHECKING:
    from dtopt.arrays import BoolArray, FloatArray, IntArray

__all__ = ["best_set", "set_bound"]

#: Sweeps of shifts between two of swaps, and of swaps, at most.
SHIFT_SWEEPS, SWAP_SWEEPS = 6, 12
#: Disturbances of each set that is valued, and of the best one.
KICKS, LAST_KICKS = 10, 100
#: Sets that cost so much more than the best one (a part of it) after a descent are not disturbed.
HOPELESS = 0.005
#: Sets of least bound that are valued at a time.
VALUED = 48
#: Up to so many servers all their sets are looked at.
FEW_SERVERS = 12
#: Under ``equal`` sharing, where the bound of a set is an estimate, sets up to so much above the best (a part of it).
MARGIN = 0.01


@numba.njit(cache=True, fastmath={"reassoc"})
def _least_sum(columns: FloatArray, is_open: BoolArray, least: FloatArray) -> float:
    """Return what users cost at the servers of a set that are best for each; `least` is room for a number a user."""
    least[:] = np.inf
    for k in range(is_open.size):
        if is_open[k]:
            column = columns[k]
            for i in range(least.size):
                least[i] = column[i] if column[i] < least[i] else least[i]
    total = 0.0
    for i in range(least.size):
        total += least[i]
    return total


@numba.njit(cache=True)
def set_bound(
    p: Instance,
    columns: FloatArray,
    cpu: FloatArray,
    capacity: IntArray,
    whole: float,
    is_open: BoolArray,
    least: FloatArray,
    cutoff: float,
    floor: float,
) -> float:
    """Return a lower bound on the cost of a set of servers; infinite where it has too few places.

    Each user is on its best server, and loads are as if the set were one server with all its CPU: Σ L²/F is at least
    (Σ L)²/Σ F. Under ``equal`` sharing, where a like sum of n W/F may be less, it is an estimate.

    Parameters
    ----------
    p, cpu, capacity
        See `descend_in`.
    columns : ndarray, shape (M, N)
        The costs of pairs, transposed.
    whole : float
        The sum of all sizes.
    is_open : ndarray of bool, shape (M,)
    least : ndarray, shape (N,)
        Room to work in.
    cutoff, floor : float
        Infinite is said of sets that do not come below `cutoff` because users cost at least `floor` in any set.
    """
    n, places, power, count = columns.shape[1], 0, 0.0, 0
    for k in range(cpu.size):
        if is_open[k]:
            places += capacity[k]
            power += cpu[k]
            count += 1
    if count == 0 or places < n:
        return np.inf
    rest = p.opening * count
    if p.mode == OPTIMAL:
        rest += whole * whole / power
    elif p.mode == EQUAL:
        rest += n * whole / power
    if floor + rest >= cutoff:
        return np.inf
    return float(rest + _least_sum(columns, is_open, least))


@numba.njit(cache=True)
def _keep(bound: float, is_open: BoolArray, cutoff: float, bounds: FloatArray, sets: BoolArray, worst: int) -> int:
    """Put a set below a cutoff among those of least bound, in the place of the worst; return which that is then."""
    if bound < cutoff and bound < bounds[worst]:
        bounds[worst] = bound
        sets[worst] = is_open
        return int(bounds.argmax())
    return worst


@numba.njit(cache=True)
def _look_at_all(
    p: Instance,
    columns: FloatArray,
    cpu: FloatArray,
    capacity: IntArray,
    usable: IntArray,
    cutoff: float,
    bounds: FloatArray,
    sets: BoolArray,
) -> int:
    """Write the sets of least bound, below a cutoff, of all there are; return the looks."""
    whole, least, worst = p.sizes[:, 0].sum(), np.empty(columns.shape[1]), 0
    trial = np.zeros(cpu.size, dtype=np.bool_)
    trial[usable] = True
    floor = _least_sum(columns, trial, least)
    bounds[:] = np.inf
    for code in range(1, 1 << usable.size):
        for e in range(usable.size):
            trial[usable[e]] = (code >> e) & 1
        if trial.sum() <= p.max_open:
            bound = set_bound(p, columns, cpu, capacity, whole, trial, least, cutoff, floor)
            worst = _keep(bound, trial, cutoff, bounds, sets, worst)
    return 1 << usable.size


@numba.njit(cache=True)
def _look_around(
    p: Instance,
    columns: FloatArray,
    cpu: FloatArray,
    capacity: IntArray,
    usable: IntArray,
    at: BoolArray,
    largest: int,
    most: int,
    cutoff: float,
    bounds: FloatArray,
    sets: BoolArray,
) -> int:
    """Write the sets of least bound, below a cutoff, that differ from one by up to so many servers; return the looks.

    Servers are closed, opened, exchanged, and up to one more is closed or opened; `most` looks at most.
    """
    whole, least = p.sizes[:, 0].sum(), np.empty(columns.shape[1])
    here, other = np.flatnonzero(at), usable[~at[usable]]
    none = np.full(1, -1, dtype=np.int64)
    limit = max(p.max_open, here.size - 1)
    bounds[:] = np.inf
    done, worst, trial = 0, 0, at.copy()
    thirds = np.concatenate((none, here, other)) if largest == 3 else none
    for a in np.concatenate((none, here)):
        for b in np.concatenate((none, other)):
            for c in thirds:
                size = (a >= 0) + (b >= 0) + (c >= 0)
                if size == 0 or size > largest or (c >= 0 and c in (a, b)):
                    continue
                # What is met without the third is not met again, and a pair of servers closed or opened once.
                if c >= 0 and ((at[c] and c < a) or (not at[c] and c < b)):
                    continue
                if c >= 0 and size < 3 and ((at[c] and a < 0) or (not at[c] and b < 0)):
                    continue
                trial[:] = at
                if a >= 0:
                    trial[a] = False
                if b >= 0:
                    trial[b] = True
                if c >= 0:
                    trial[c] = not trial[c]
                if trial.sum() > limit:
                    continue
                if done >= most:
                    return done
                done += 1
                bound = set_bound(p, columns, cpu, capacity, whole, trial, least, cutoff, 0.0)
                worst = _keep(bound, trial, cutoff, bounds, sets, worst)
    return done


@numba.njit(cache=True)
def _go_down(
    p: Instance,
    columns: FloatArray,
    cpu: FloatArray,
    capacity: IntArray,
    usable: IntArray,
    at: BoolArray,
    looks: int,
    bounds: FloatArray,
    sets: BoolArray,
) -> int:
    """Write the set that closing, opening and exchanging servers lead to while the bound falls; return the looks."""
    best, looked = sets[:1], 0
    best[0], bounds[0] = at, np.inf
    while best[0].sum() > p.max_open and looked < looks:
        # Too many: the closing that costs least, whatever it costs.
        there = best[0].copy()
        looked += _look_around(p, columns, cpu, capacity, usable, there, 1, looks - looked, np.inf, bounds[:1], best)
        if bounds[0] == np.inf:
            break
    for largest in (1, 2):
        while looked < looks:
            now, there = bounds[0], best[0].copy()
            looked += _look_around(
                p, columns, cpu, capacity, usable, there, largest, looks - looked, now, bounds[:1], best
            )
            if bounds[0] == np.inf:
                bounds[0] = now
                break
    return looked


@numba.njit(cache=True)
def _above(value: float, part: float) -> float:
    """Return what is above a value by a part of it, infinite where it is."""
    return value + part * abs(value) if value < np.inf else np.inf


@numba.njit(cache=True)
def _servers(association: IntArray, m: int) -> BoolArray:
    """Return which servers have users."""
    is_open = np.zeros(m, dtype=np.bool_)
    for k in association:
        if k >= 0:
            is_open[k] = True
    return is_open


@numba.njit(cache=True)
def best_set(
    p: Instance, cpu: FloatArray, capacity: IntArray, usable: IntArray, start: IntArray, looks: int, values: int
) -> tuple[float, IntArray]:
    """Improve the set of open servers by closing, opening and exchanging up to three of them while that pays.

    The bounds of sets say where to begin and which sets are worth a descent.

    Parameters
    ----------
    p, cpu, capacity
        See `descend_in`.
    usable : ndarray of int, shape (K,)
        The servers that may be open.
    start : ndarray of int, shape (N,)
        The association to begin from; −1 for users without a server.
    looks, values : int
        Sets whose bounds are looked at, and that are valued by descents, at most.

    Returns
    -------
    float
        The cost of the association, as `descend_in` counts.
    association : ndarray of int, shape (N,)
        −1 for users without room.
    """
    m = cpu.size
    columns = np.ascontiguousarray(p.cost.T)
    at, best, value = _servers(start, m), start.copy(), np.inf
    if at.sum() <= p.max_open:
        value = descend_in(p, cpu, capacity, np.flatnonzero(at), best, SHIFT_SWEEPS, 0, 0, np.inf)
    margin, valued = MARGIN if p.mode == EQUAL else 0.0, 1
    bounds, sets = np.full(VALUED, np.inf), np.zeros((VALUED, m), dtype=np.bool_)
    looked = _go_down(p, columns, cpu, capacity, usable, at, looks, bounds, sets)
    few, around = usable.size <= FEW_SERVERS, False
    while True:
        gained, left = False, bounds.max() < np.inf
        for e in np.argsort(bounds):
            if not bounds[e] < _above(value, margin):
                left = False
                break
            if valued >= values:
                break
            if sets[e].sum() > p.max_open:
                continue
            trial = best.copy()
            valued += 1
            among, hopeless = np.flatnonzero(sets[e]), _above(value, HOPELESS)
            now = descend_in(p, cpu, capacity, among, trial, SHIFT_SWEEPS, SWAP_SWEEPS, KICKS, hopeless)
            if now < value - 1e-12 * abs(now):
                value, best, gained = now, trial, True
        # Where all sets were looked at, those around the best add nothing unless too many seemed worth a descent.
        if (around and not (left if few else gained)) or looked >= looks or valued >= values:
            break
        cutoff = _above(value, margin)
        if few and not around:
            looked += _look_at_all(p, columns, cpu, capacity, usable, cutoff, bounds, sets)
        else:
            at, few = _servers(best, m), False
            looked += _look_around(p, columns, cpu, capacity, usable, at, 3, looks - looked, cutoff, bounds, sets)
        around = True
    trial, among = best.copy(), np.flatnonzero(_servers(best, m))
    now = descend_in(p, cpu, capacity, among, trial, SHIFT_SWEEPS, SWAP_SWEEPS, LAST_KICKS, np.inf)
    return (now, trial) if now < value else (value, best)
