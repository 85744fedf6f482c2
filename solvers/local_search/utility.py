"""Local search for P2: shifts of users and swaps of pairs, with servers valued anew at each move.

Utilities are not additive: what a user does to its company depends on all of it, so a move is valued by summing over
the members of the two servers it touches, as `dtopt.utility_segments.ServerUtility` has them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import numba
import numpy as np

from dtopt.halting import in_time

if TYPE_CHECKING:
    from dtopt.arrays import BoolArray, FloatArray, IntArray
    from dtopt.utility_segments import ServerUtility

__all__ = ["UtilitySearch", "compile_kernels"]

FIXED, OPTIMAL, EQUAL = 0, 1, 2
MODES = {"fixed": FIXED, "equal": EQUAL, "optimal": OPTIMAL}
#: Moves that gain less than this part of the whole are left alone: they may be rounding.
LEAST_GAIN = 1e-12
#: CPU parts may sum to this much.
FULL = 1.0 + 1e-12
#: Part of a deadline that rounding may cost: half the evaluator's tolerance.
TOLERANCE = 1e-9
#: Above so many users swaps are left out: there are too many pairs of users.
MOST_SWAPPED = 3000
#: From so many users on a descent may take so long that it must look at the clock.
LONG_USERS = 200


class Arrays(NamedTuple):
    """The fields of `ServerUtility` that the search reads; `demand` only under ``fixed`` sharing.

    `bonus`, shape (N, M), is what a pair is worth beyond this slot; without any entry, nothing.
    """

    slack: FloatArray
    deadline: FloatArray
    growth: FloatArray
    rate: FloatArray
    size: FloatArray
    part: FloatArray
    demand: FloatArray
    capacity: IntArray
    beta: float
    penalty: float
    hard: bool
    mode: int
    bonus: FloatArray


@numba.njit(cache=True)
def _value(u: Arrays, server: int, members: IntArray, count: int, without: int, extra: int, group: IntArray) -> float:
    """Return what a server's members are worth, one left out and one added where not -1; −inf where that breaks a rule.

    `group` is room for the members.
    """
    n = 0
    for p in range(count):
        if members[p] != without:
            group[n] = members[p]
            n += 1
    if extra >= 0:
        group[n] = extra
        n += 1
    if n == 0:
        return 0.0
    if n > u.capacity[server]:
        return -np.inf
    load = 0.0
    for p in range(n):
        i = group[p]
        if u.slack[i, server] == -np.inf:
            return -np.inf
        load += u.demand[i, server] if u.mode == FIXED else u.size[i] * u.part[server]
    if u.mode == FIXED and load > FULL:
        return -np.inf
    level = 1.0 if u.mode == FIXED else load
    if u.mode == OPTIMAL and u.hard:
        # Water-filling: floors that bind are set aside, the others share the rest.
        clamped = 0
        while True:
            left, free, short = 1.0, 0.0, 0
            for p in range(n):
                i = group[p]
                room = u.slack[i, server] + TOLERANCE * u.deadline[i]
                if clamped > 0 and u.growth[i] * level > room:
                    left -= u.size[i] * u.part[server] * u.growth[i] / room
                    short += 1
                else:
                    free += u.size[i] * u.part[server]
            if left < 0.0:
                return -np.inf
            higher = level if free == 0.0 else (free / left if left > 0.0 else np.inf)
            now = 0
            for p in range(n):
                i = group[p]
                if u.growth[i] * higher > u.slack[i, server] + TOLERANCE * u.deadline[i]:
                    now += 1
            level = higher
            if now == clamped:
                break
            clamped = now
    total = 0.0
    for p in range(n):
        i = group[p]
        late = u.growth[i] * u.rate[server] * level - u.slack[i, server] if u.growth[i] > 0.0 else -u.slack[i, server]
        if u.hard:
            if late > TOLERANCE * u.deadline[i]:
                if u.mode != OPTIMAL:
                    return -np.inf
                late = 0.0
            total += u.beta * np.exp(-late)
        else:
            total += u.beta * np.exp(-late) - u.penalty * max(late, 0.0)
        if u.bonus.size > 0:
            total += u.bonus[i, server]
    return total


@numba.njit(cache=True)
def _total(u: Arrays, association: IntArray, members: IntArray, count: IntArray, group: IntArray) -> float:
    """Sort users into their servers' members and return what all are worth."""
    count[:] = 0
    for i in range(association.size):
        k = association[i]
        members[k, count[k]] = i
        count[k] += 1
    total = 0.0
    for k in range(count.size):
        total += _value(u, k, members[k], count[k], -1, -1, group)
    return total


@numba.njit(cache=True)
def _replace(members: IntArray, count: IntArray, server: int, old: int, new: int) -> None:
    """Put `new` in the place of `old` among a server's members; -1 for none."""
    place = count[server]
    if old >= 0:
        for p in range(count[server]):
            if members[server, p] == old:
                place = p
                break
    if new >= 0:
        members[server, place] = new
        if old < 0:
            count[server] += 1
    else:
        count[server] -= 1
        members[server, place] = members[server, count[server]]


@numba.njit(cache=True)
def _descend(
    u: Arrays,
    association: IntArray,
    members: IntArray,
    count: IntArray,
    group: IntArray,
    least: float,
    swap: bool,
    touched: BoolArray,
    halt: BoolArray,
) -> None:
    """Shift users and swap pairs until neither helps, or `halt` is set; everything is changed in place.

    Only moves with a server that was touched or changes since are tried.
    """
    n, m = association.size, count.size
    value = np.empty(m)
    for k in range(m):
        value[k] = _value(u, k, members[k], count[k], -1, -1, group)
    slack = u.slack
    # A server's moves are tried again only after it has changed: `changed` is the pass of its last change.
    changed = np.where(touched, 0, -1)
    now, improved = 0, True
    while improved:
        improved = False
        now += 1
        for i in range(n):
            if halt[0]:
                return
            k = association[i]
            left = _value(u, k, members[k], count[k], i, -1, group)
            best, target, joined = least, -1, 0.0
            for h in range(m):
                if h == k or slack[i, h] == -np.inf or (changed[k] < now - 1 and changed[h] < now - 1):
                    continue
                there = _value(u, h, members[h], count[h], -1, i, group)
                gain = left + there - value[k] - value[h]
                if gain > best:
                    best, target, joined = gain, h, there
            if target >= 0:
                _replace(members, count, k, i, -1)
                _replace(members, count, target, -1, i)
                association[i] = target
                value[k], value[target] = left, joined
                changed[k] = changed[target] = now
                improved = True
        if not swap:
            continue
        for i in range(n):
            if halt[0]:
                return
            for j in range(i + 1, n):
                k, h = association[i], association[j]
                if k == h or slack[i, h] == -np.inf or slack[j, k] == -np.inf:
                    continue
                if changed[k] < now - 1 and changed[h] < now - 1:
                    continue
                # Much the most pairs lose by the transfers alone, and no company makes up for that.
                here = _value(u, k, members[k], count[k], i, j, group)
                if here == -np.inf:
                    continue
                there = _value(u, h, members[h], count[h], j, i, group)
                if here + there - value[k] - value[h] > least:
                    _replace(members, count, k, i, j)
                    _replace(members, count, h, j, i)
                    association[i], association[j] = h, k
                    value[k], value[h] = here, there
                    changed[k] = changed[h] = now
                    improved = True


@numba.njit(cache=True, nogil=True)
def _search(u: Arrays, association: IntArray, iterations: int, seed: int, swap: bool, halt: BoolArray) -> IntArray:
    """Return the best of an iterated local search: a few users are sent elsewhere, then all descend.

    Where another thread sets `halt`, shape (1,), it ends with what it has.
    """
    np.random.seed(seed)  # noqa: NPY002 - Numba compiles only this generator
    slack = u.slack
    n, m = slack.shape
    members, count = np.zeros((m, n + 1), dtype=np.int64), np.zeros(m, dtype=np.int64)
    group = np.zeros(n + 1, dtype=np.int64)
    best = association.copy()
    highest = _total(u, best, members, count, group)
    if highest == -np.inf:
        return best
    least = LEAST_GAIN * max(abs(highest), 1e-300)
    touched = np.ones(m, dtype=np.bool_)
    for iteration in range(iterations + 1):
        if halt[0]:
            break
        trial = best.copy()
        if iteration > 0:
            touched[:] = False
            for _ in range(2 + np.random.randint(4)):  # noqa: NPY002
                i, h = np.random.randint(n), np.random.randint(m)  # noqa: NPY002
                if slack[i, h] > -np.inf:
                    touched[trial[i]] = touched[h] = True
                    trial[i] = h
        if _total(u, trial, members, count, group) == -np.inf:
            continue
        _descend(u, trial, members, count, group, least, swap, touched, halt)
        value = _total(u, trial, members, count, group)
        if value > highest + least or iteration == 0:
            best, highest = trial, value
    return best


@dataclass(frozen=True, eq=False)
class UtilitySearch:
    """Local search on the utilities of a P2, without its constant part."""

    arrays: Arrays

    @classmethod
    def of(cls, utility: ServerUtility) -> UtilitySearch:
        """Return the search of `ServerUtility`; its arrays are copied, for to Numba read-only ones are another type."""
        demand = utility.demand if utility.demand is not None else np.zeros((1, 1))
        return cls(
            Arrays(
                slack=np.array(utility.slack, order="C"),
                deadline=np.array(utility.deadline),
                growth=np.array(utility.growth),
                rate=np.array(utility.rate),
                size=np.array(utility.size),
                part=np.array(utility.part),
                demand=np.array(demand, order="C"),
                capacity=utility.capacity.astype(np.int64),
                beta=float(utility.beta),
                penalty=float(utility.penalty),
                hard=utility.deadline_mode == "hard",
                mode=MODES[utility.sharing],
                bonus=np.zeros((0, 0)),
            )
        )

    def value(self, association: IntArray) -> float:
        """Return Σ U_i without its constant part; −inf where a constraint is broken."""
        n, m = self.arrays.slack.shape
        members, count = np.zeros((m, n + 1), dtype=np.int64), np.zeros(m, dtype=np.int64)
        return float(_total(self.arrays, association.astype(np.int64), members, count, np.zeros(n + 1, dtype=np.int64)))

    def improve(self, association: IntArray, iterations: int, seed: int) -> IntArray:
        """Return the best association that so many iterations find from a feasible one.

        Where the time of the run is over, fewer of them.
        """
        n = self.arrays.slack.shape[0]
        arguments = (self.arrays, association.astype(np.int64), iterations, seed, n <= MOST_SWAPPED)
        return np.asarray(in_time(lambda halt: _search(*arguments, halt), long=n >= LONG_USERS))


@cache
def compile_kernels() -> None:
    """Compile the search, or load them from Numba's cache.

    Solvers call it before their clock starts: it is part of installing them, not of any run.
    """
    from dtopt.utility_segments import ServerUtility

    two, square = np.ones(2), np.ones((2, 2))
    utility = ServerUtility("optimal", "soft", square, two, two, two, two, two, None, two, 2 * two, 0.5, 0.0)
    UtilitySearch.of(utility).improve(np.array([0, 1]), 1, 0)
