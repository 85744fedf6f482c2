"""What may come, in a compiled kernel: where users will be by simple motions, which stations serve them, and values.

`solvers.policies.lookahead` forecasts with a radio map and lays everyone's way anew, in tens of milliseconds. Here the
same is done roughly in under one: motion is fitted to sums, the station of a place is the nearest ones' by distance,
and each user's best way is laid for the loads of now. What that gets wrong the network is trained to mend.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numba
import numpy as np

if TYPE_CHECKING:
    from dtopt.arrays import FloatArray, IntArray

__all__ = ["AHEAD", "FUTURES", "Motion", "Values", "fit_motion", "stations_ahead", "values_ahead"]

#: Slots ahead that futures are looked at in, each for the slots since the one before.
AHEAD = (1, 2, 3, 4, 6, 8, 12, 18, 28)
#: Futures: fitted motion with its errors; on as before; and everyone stays.
FITTED, CONSTANT, PERSISTENT = 0, 1, 2
FUTURES = 3
#: Slots that motion is fitted to, and ways in each fit, roughly.
RECENT, SAMPLES = 60, 1500
#: Places that a user may be in, in the fitted future: the middle and a ring around it.
PLACES = 4
#: As in `dtopt.simulation.motion`.
PRIOR, LEAST_M_S = 20.0, 0.5
#: Distance over which one station takes over from another, and over which a user keeps the one it has, m.
BORDER_M, LOYALTY_M = 60.0, 50.0
#: Stations further than this many borders behind the nearest one serve nobody.
BORDERS = 5.0


class Motion(NamedTuple):
    """How users have moved: for each of `AHEAD`, the factors of velocity and of the way to the middle, and the error.

    factor, shape (H, 2); error, shape (H,), root of the mean square over the user's pace; pace, shape (n,), m in a
    slot; middle, shape (2,); survival, the probability of being there in the next slot.
    """

    factor: FloatArray
    error: FloatArray
    pace: FloatArray
    middle: FloatArray
    survival: float


class Values(NamedTuple):
    """value, shape (F, n, S): of being on a server after this slot, by each future; wire, shape (F, H, n, S), s."""

    value: FloatArray
    wire: FloatArray


@numba.njit(cache=True)
def fit_motion(seen: FloatArray, users: IntArray, ahead: IntArray, slot_s: float) -> Motion:
    """Return how all users moved in the slots seen, shape (R, N, 2), NaN where absent, and the pace of some."""
    slots, n = seen.shape[0], seen.shape[1]
    middle, count = np.zeros(2), 0
    pace = np.full(n, LEAST_M_S * slot_s)
    stayed, left = 0, 0
    for i in range(n):
        way, steps = 0.0, 0
        for s in range(slots):
            if np.isnan(seen[s, i, 0]):
                continue
            middle += seen[s, i]
            count += 1
            if s + 1 < slots:
                if np.isnan(seen[s + 1, i, 0]):
                    left += 1
                else:
                    stayed += 1
                    way += math.hypot(seen[s + 1, i, 0] - seen[s, i, 0], seen[s + 1, i, 1] - seen[s, i, 1])
                    steps += 1
        if steps:
            pace[i] += way / steps
    middle /= max(count, 1)
    factor, error = np.zeros((ahead.size, 2)), np.zeros(ahead.size)
    for a in range(ahead.size):
        h = ahead[a]
        last = slots - h
        stride = max(1, (max(last - 1, 1) * n) // SAMPLES)
        # Ways from slot s to s + h, with the velocity from s − 1 to s; every so manieth of them.
        vv, vm, mm, vy, my, yy, rows = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0
        for q in range(0, max(last - 1, 0) * n, stride):
            s, i = 1 + q // n, q % n
            if np.isnan(seen[s, i, 0]) or np.isnan(seen[s - 1, i, 0]) or np.isnan(seen[s + h, i, 0]):
                continue
            scale = 1.0 / pace[i]
            for x in range(2):
                v = (seen[s, i, x] - seen[s - 1, i, x]) * scale
                m = (middle[x] - seen[s, i, x]) * scale
                y = (seen[s + h, i, x] - seen[s, i, x]) * scale
                vv += v * v
                vm += v * m
                mm += m * m
                vy += v * y
                my += m * y
                yy += y * y
                rows += 1
        some = PRIOR / max(rows, 1)
        left_v, left_m = vv + some * vv + 1e-9, mm + some * mm + 1e-9
        right_v, right_m = vy + (some * vv + 1e-9) * h, my
        determinant = left_v * left_m - vm * vm
        factor[a, 0] = (right_v * left_m - vm * right_m) / determinant
        factor[a, 1] = (left_v * right_m - vm * right_v) / determinant
        if rows == 0:
            factor[a, 0], factor[a, 1] = h, 0.0
        f, g = factor[a, 0], factor[a, 1]
        square = yy - 2.0 * (f * vy + g * my) + f * f * vv + 2.0 * f * g * vm + g * g * mm
        error[a] = math.sqrt(max(2.0 * square, 0.0) / max(rows, 1))
    return Motion(factor, error, pace[users], middle, (1.0 + stayed) / (1.0 + stayed + left))


@numba.njit(cache=True)
def _spread(x: float, y: float, station_m: FloatArray, part: float, into: FloatArray, gap: FloatArray) -> None:
    """Add to the chances of stations to serve a user that is at a place with some chance."""
    nearest = np.inf
    for j in range(station_m.shape[0]):
        dx, dy = x - station_m[j, 0], y - station_m[j, 1]
        gap[j] = math.sqrt(dx * dx + dy * dy)
        nearest = min(nearest, gap[j])
    total = 0.0
    for j in range(station_m.shape[0]):
        behind = (gap[j] - nearest) / BORDER_M
        gap[j] = math.exp(-behind) if behind < BORDERS else 0.0
        total += gap[j]
    for j in range(station_m.shape[0]):
        if gap[j] > 0.0:
            into[j] += part * gap[j] / total


@numba.njit(cache=True)
def stations_ahead(
    place: FloatArray,
    velocity: FloatArray,
    access: IntArray,
    motion: Motion,
    station_m: FloatArray,
    ahead: IntArray,
    low: FloatArray,
    high: FloatArray,
) -> FloatArray:
    """Return the chances of stations to serve users, shape (F, H, n, M).

    Parameters
    ----------
    place, velocity : ndarray, shape (n, 2)
        m, and m in a slot.
    access : ndarray of int, shape (n,)
    motion : Motion
    station_m : ndarray, shape (M, 2)
    ahead : ndarray of int, shape (H,)
    low, high : ndarray, shape (2,)
        Corners of the area, which nobody leaves.
    """
    n, m, steps = place.shape[0], station_m.shape[0], ahead.size
    chance = np.zeros((FUTURES, steps, n, m))
    gap = np.empty(m)
    x = np.empty(2)
    for i in range(n):
        for h in range(steps):
            # Fading and sight change what serves a place that is left, not so much one that is not.
            if access[i] >= 0:
                chance[PERSISTENT, h, i, access[i]] = 1.0
            else:
                _spread(place[i, 0], place[i, 1], station_m, 1.0, chance[PERSISTENT, h, i], gap)
            for p in range(PLACES + 1):
                future = FITTED if p < PLACES else CONSTANT
                part = 1.0 / PLACES if p < PLACES else 1.0
                for c in range(2):
                    if future == FITTED:
                        x[c] = place[i, c] + motion.factor[h, 0] * velocity[i, c]
                        x[c] += motion.factor[h, 1] * (motion.middle[c] - place[i, c])
                        if p:
                            angle = 2.0 * math.pi * (p - 1) / (PLACES - 1)
                            around = math.cos(angle) if c == 0 else math.sin(angle)
                            ring = motion.error[h] * motion.pace[i] * math.sqrt(PLACES / (PLACES - 1.0))
                            x[c] += ring * around
                    else:
                        x[c] = place[i, c] + ahead[h] * velocity[i, c]
                    x[c] = min(max(x[c], low[c]), high[c])
                keeps = math.exp(-math.hypot(x[0] - place[i, 0], x[1] - place[i, 1]) / LOYALTY_M)
                if access[i] < 0:
                    keeps = 0.0
                _spread(x[0], x[1], station_m, part * (1.0 - keeps), chance[future, h, i], gap)
                if access[i] >= 0:
                    chance[future, h, i, access[i]] += part * keeps
    return chance


@numba.njit(cache=True)
def values_ahead(
    chance: FloatArray,
    wire: FloatArray,
    move: FloatArray,
    to_server: FloatArray,
    between: FloatArray,
    others: FloatArray,
    pressure: FloatArray,
    allowed: FloatArray,
    survival: float,
    ahead: IntArray,
) -> Values:
    """Return what being on each server after this slot is worth, by the user's best way through each future.

    Parameters
    ----------
    chance : ndarray, shape (F, H, n, M)
    wire, move : ndarray, shape (n,)
        Seconds that a metre of wire takes in a slot, and for a twin to move.
    to_server : ndarray, shape (M, S)
    between : ndarray, shape (S, S)
        Metres of wire.
    others : ndarray, shape (n, S)
        Seconds of computing on each server, less the least that anything takes now.
    pressure : ndarray, shape (n, S)
        What the user would take from others there in a slot, in parts of its own utility.
    allowed : ndarray, shape (n, S)
        1 where the user may be, otherwise 0.
    survival : float
    ahead : ndarray of int, shape (H,)
    """
    futures, steps, n, m = chance.shape
    count = between.shape[0]
    value, length = np.zeros((futures, n, count)), np.zeros((futures, steps, n, count))
    then, worth, factor = np.empty(count), np.empty(count), np.empty((count, count))
    for i in range(n):
        for k in range(count):
            for to in range(count):
                factor[k, to] = math.exp(-move[i] * between[k, to])
        for f in range(futures):
            now = value[f, i]
            for h in range(steps - 1, -1, -1):
                slots = ahead[h] - (ahead[h - 1] if h else 0)
                there = survival ** ahead[h]
                for k in range(count):
                    total = 0.0
                    for j in range(m):
                        if chance[f, h, i, j] > 0.0:
                            total += chance[f, h, i, j] * to_server[j, k]
                    length[f, h, i, k] = wire[i] * total
                    worth[k] = math.exp(-length[f, h, i, k] - others[i, k])
                for k in range(count):
                    best = -np.inf
                    for to in range(count):
                        if allowed[i, to] == 0.0:
                            continue
                        gain = worth[to] * (slots - 1.0 + factor[k, to]) - slots * pressure[i, to]
                        best = max(best, there * gain + now[to])
                    then[k] = best
                for k in range(count):
                    now[k] = then[k]
    return Values(value, length)
