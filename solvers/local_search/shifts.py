"""Shifts for P2 at scale: where each user would go is read off prices, and only that is valued exactly.

A user that joins a server costs the others there, to first order, its load times the server's pressure (what their
utilities lose for a unit of load). So a user's best server takes one exponential for each server, and the exact
values of two servers are computed only where that promises a gain: a pass over all users costs N × M and not
N × M × N / M. What is not a new user's or no gain is left where it is.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numba
import numpy as np

from solvers.local_search.utility import EQUAL, FIXED, LEAST_GAIN, Arrays, _replace, _value

if TYPE_CHECKING:
    from dtopt.arrays import FloatArray, IntArray

__all__ = ["compile_shifts", "promise", "settle"]

#: Servers of each user that are valued exactly, the most promising first.
TRIES = 2
#: Passes over all users.
PASSES = 20
#: A pass that gains less than this part of the whole is the last one where swaps do not come after it.
ENOUGH = 1e-3


@numba.njit(cache=True)
def _own(u: Arrays, user: int, server: int, level: float) -> tuple[float, float]:
    """Return what a user is worth on a server at a level, and how fast that falls with the level."""
    if u.mode == FIXED:
        late = -u.slack[user, server]
        slope = 0.0
    else:
        slope = u.growth[user] * u.rate[server]
        late = slope * level - u.slack[user, server]
    if u.hard and late > 0.0:
        # Under optimal sharing the others make room for it; what breaks a rule, the exact value sees.
        return u.beta, 0.0
    worth = u.beta * np.exp(-late)
    fall = worth * slope
    if late > 0.0:
        worth -= u.penalty * late
        fall += u.penalty * slope
    return worth, fall


@numba.njit(cache=True)
def _weigh(u: Arrays, server: int, members: IntArray, count: int, level: FloatArray, pressure: FloatArray) -> None:
    """Compute a server's level and pressure anew."""
    total = 0.0
    for p in range(count):
        total += u.size[members[p]] * u.part[server]
    level[server] = total
    pressure[server] = 0.0
    if u.mode != FIXED:
        for p in range(count):
            pressure[server] += _own(u, members[p], server, total)[1]


@numba.njit(cache=True)
def promise(u: Arrays, user: int, server: int, home: int, level: FloatArray, pressure: FloatArray) -> float:
    """Return what a user on a server adds to the whole, to first order; `home` is where it is now, -1 for nowhere."""
    if u.slack[user, server] == -np.inf:
        return -np.inf
    load = u.size[user] * u.part[server] if u.mode != FIXED else 0.0
    here = level[server] if server == home else level[server] + load
    worth, fall = _own(u, user, server, here)
    others = pressure[server] - fall if server == home else pressure[server]
    worth -= max(others, 0.0) * load
    if u.bonus.size > 0:
        worth += u.bonus[user, server]
    return float(worth)


@numba.njit(cache=True)
def settle(u: Arrays, association: IntArray, tries: int, passes: int, enough: float) -> int:
    """Shift users where that helps, and place those at -1, until nothing helps; return how many have no server.

    It ends too after a pass that gained less than a part `enough` of the whole.
    The association is changed in place. It must be feasible but for those at -1; it stays so.
    """
    n, m = u.slack.shape
    members, count = np.zeros((m, n + 1), dtype=np.int64), np.zeros(m, dtype=np.int64)
    group = np.zeros(n + 1, dtype=np.int64)
    level, pressure, value = np.zeros(m), np.zeros(m), np.zeros(m)
    for i in range(n):
        k = association[i]
        if k >= 0:
            members[k, count[k]] = i
            count[k] += 1
    whole = 0.0
    for k in range(m):
        _weigh(u, k, members[k], count[k], level, pressure)
        value[k] = _value(u, k, members[k], count[k], -1, -1, group)
        whole += value[k]
    least = LEAST_GAIN * max(abs(whole), 1e-300)
    estimate = np.empty(m)
    # What pairs are worth were the user alone, which spares most exponentials: e^−x is at most 1 / (1 + x).
    alone = np.empty((n, m))
    for i in range(n):
        for h in range(m):
            alone[i, h] = u.beta * np.exp(u.slack[i, h])
    for _ in range(passes):
        moved, gained = False, 0.0
        for i in range(n):
            k = association[i]
            here = promise(u, i, k, k, level, pressure) if k >= 0 else -np.inf
            for h in range(m):
                estimate[h] = -np.inf
                if h == k:
                    continue
                load = u.size[i] * u.part[h] if u.mode != FIXED else 0.0
                most = alone[i, h] / (1.0 + u.growth[i] * u.rate[h] * (level[h] + load))
                if u.hard:
                    most = max(most, u.beta)
                most -= pressure[h] * load
                if u.bonus.size > 0:
                    most += u.bonus[i, h]
                if most > here + least:
                    estimate[h] = promise(u, i, h, k, level, pressure)
            left = np.nan
            for _try in range(tries if k >= 0 else m):
                h = int(np.argmax(estimate))
                if not estimate[h] > here + least:
                    break
                estimate[h] = -np.inf
                there = _value(u, h, members[h], count[h], -1, i, group)
                if there == -np.inf:
                    continue
                if k >= 0:
                    if np.isnan(left):
                        left = _value(u, k, members[k], count[k], i, -1, group)
                    gain = left + there - value[k] - value[h]
                    if gain <= least:
                        continue
                    gained += gain
                    _replace(members, count, k, i, -1)
                    _weigh(u, k, members[k], count[k], level, pressure)
                    value[k] = left
                _replace(members, count, h, -1, i)
                _weigh(u, h, members[h], count[h], level, pressure)
                value[h] = there
                association[i] = h
                moved = True
                break
        if not moved or gained < enough * abs(whole):
            break
    return int((association < 0).sum())


@cache
def compile_shifts() -> None:
    """Compile the shifts, or load them from Numba's cache."""
    two = np.ones(2)
    square = np.ones((2, 2))
    u = Arrays(
        slack=square,
        deadline=two,
        growth=two,
        rate=two,
        size=two,
        part=two,
        demand=np.zeros((1, 1)),
        capacity=np.full(2, 2),
        beta=0.5,
        penalty=0.0,
        hard=False,
        mode=EQUAL,
        bonus=np.zeros((0, 0)),
    )
    settle(u, np.array([0, -1]), TRIES, PASSES, 0.0)
