"""The smoothed dual of P2, compiled; `dtopt.utility_dual.UtilityDual.smoothed` is its reference.

A module of its own because importing Numba takes longer than many a run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numba
import numpy as np

if TYPE_CHECKING:
    from dtopt.arrays import FloatArray, IntArray

__all__ = ["smoothed"]


@numba.njit(cache=True)
def smoothed(
    worth: FloatArray,
    weight: FloatArray,
    level: FloatArray,
    places: FloatArray,
    starts: IntArray,
    prices: FloatArray,
    temperature: float,
) -> tuple[float, FloatArray]:
    """Return the softened dual and its gradient; the arguments are the fields of `UtilityDual`.

    `starts` holds where each server's segments begin, and their number at its end.
    """
    segments, _, n = worth.shape
    slope = np.zeros(prices.size)
    total = 0.0
    for i in range(n):
        total += prices[i]
        slope[i] = 1.0
    most = 0
    for server in range(starts.size - 1):
        most = max(most, starts[server + 1] - starts[server])
    chosen = np.zeros((2 * most, n))
    value = np.empty(2 * most)
    used = np.empty(2 * most)
    count = np.empty(2 * most)
    for server in range(starts.size - 1):
        first, last = starts[server], starts[server + 1]
        best = -np.inf
        for c in range(first, last):
            load, place = prices[n + c], prices[n + segments + c]
            for e in range(2):
                row = 2 * (c - first) + e
                if e == 1 and level[c, 0] == level[c, 1]:
                    value[row] = -np.inf
                    continue
                gain = load * level[c, e] + place * places[c]
                taken = number = 0.0
                for i in range(n):
                    if worth[c, e, i] == -np.inf:
                        chosen[row, i] = 0.0
                        continue
                    ratio = (worth[c, e, i] - prices[i] - load * weight[c, e, i] - place) / temperature
                    # T log(1 + e^x) >= max(0, T x); far below 0 it adds nothing.
                    if ratio < -40.0:
                        chosen[row, i] = 0.0
                        continue
                    small = np.exp(-abs(ratio))
                    gain += temperature * (max(ratio, 0.0) + np.log1p(small))
                    part = 1.0 / (1.0 + small) if ratio > 0.0 else small / (1.0 + small)
                    chosen[row, i] = part
                    taken += part * weight[c, e, i]
                    number += part
                value[row], used[row], count[row] = gain, taken, number
                best = max(best, gain)
        mass = 0.0
        for row in range(2 * (last - first)):
            value[row] = np.exp((value[row] - best) / temperature)
            mass += value[row]
        total += best + temperature * np.log(mass)
        for c in range(first, last):
            for e in range(2):
                row = 2 * (c - first) + e
                share = value[row] / mass
                if share == 0.0:
                    continue
                slope[n + c] += share * (level[c, e] - used[row])
                slope[n + segments + c] += share * (places[c] - count[row])
                for i in range(n):
                    slope[i] -= share * chosen[row, i]
    return total, slope


@numba.njit(cache=True)
def _slope(
    worth: FloatArray, weight: FloatArray, level: FloatArray, serve: FloatArray, load: float, place: float, room: float
) -> tuple[float, float]:
    """Return what a segment wins at its better end, without softening, and the slope of that in the price of load."""
    best, slope = -np.inf, 0.0
    for e in range(2):
        if e == 1 and level[0] == level[1]:
            continue
        gain, taken = load * level[e] + place * room, 0.0
        for i in range(serve.size):
            margin = worth[e, i] - serve[i] - load * weight[e, i] - place
            if margin > 0.0:
                gain += margin
                taken += weight[e, i]
        if gain > best:
            best, slope = gain, level[e] - taken
    return best, slope


@numba.njit(cache=True)
def settled(
    worth: FloatArray,
    weight: FloatArray,
    level: FloatArray,
    places: FloatArray,
    serve: FloatArray,
    load: FloatArray,
    place: FloatArray,
    unit: FloatArray,
    halvings: int,
) -> FloatArray:
    """Return the prices of load at which segments win least, by bisection; see `UtilityDual.settled`."""
    result = load.copy()
    for c in range(load.size):
        first, slope = _slope(worth[c], weight[c], level[c], serve, load[c], place[c], places[c])
        low, high = 0.0, load[c]
        if slope < 0.0:
            step = max(load[c], unit[c])
            while slope < 0.0:
                low, high = high, high + step
                step *= 2.0
                slope = _slope(worth[c], weight[c], level[c], serve, high, place[c], places[c])[1]
        for _ in range(halvings):
            middle = 0.5 * (low + high)
            if _slope(worth[c], weight[c], level[c], serve, middle, place[c], places[c])[1] < 0.0:
                low = middle
            else:
                high = middle
        last = _slope(worth[c], weight[c], level[c], serve, high, place[c], places[c])[0]
        if last < first:
            result[c] = high
    return result
