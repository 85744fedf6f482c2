"""The price dual, compiled, over the pairs that are worth listing; `dtopt.price_dual.PriceDual` is its reference.

A module of its own because importing Numba takes longer than many a run: solvers that search with the dual import it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numba
import numpy as np

if TYPE_CHECKING:
    from dtopt.arrays import BoolArray, FloatArray, IntArray

__all__ = ["Columns", "ascend", "smoothed", "value"]

#: An ascent ends where an iteration gains less than this part of the value.
LEAST_GAIN = 2e-9
#: Halvings of a step before the ascent gives up at a temperature.
HALVINGS = 20
#: Share of the slope that a step must gain (Armijo).
SUFFICIENT = 1e-4


class Columns(NamedTuple):
    """The pairs that are listed, server by server, and the data of users and servers; see `PriceDual`.

    The users that server k could take are ``user[start[k]:start[k + 1]]``; `cost`, and `part` and `floor` where they
    are not empty, run beside `user`.
    """

    start: IntArray
    user: IntArray
    cost: FloatArray
    part: FloatArray
    floor: FloatArray
    root_load: FloatArray
    cpu: FloatArray
    capacity: FloatArray
    opening: float
    worth: float
    max_open: int


@numba.njit(cache=True)
def _soft(x: float, temperature: float) -> tuple[float, float]:
    """Return −T log(1 + e^{−x/T}), which softens min(0, x), and its derivative."""
    ratio = x / temperature
    if ratio > 40.0:
        # e^−40 vanishes beside the rounding of whatever this is added to, and most pairs are far above 0.
        return 0.0, 0.0
    if ratio > 0.0:
        small = np.exp(-ratio)
        return -temperature * np.log1p(small), small / (1.0 + small)
    small = np.exp(ratio)
    return x - temperature * np.log1p(small), 1.0 / (1.0 + small)


@numba.njit(cache=True)
def _price(columns: Columns, entry: int, load: float, place: float, share: float) -> tuple[float, float]:
    """Return what an entry adds to V before the user's own price, and its derivative in the price of load."""
    size = columns.root_load[columns.user[entry]]
    priced, change = load * size, size
    if columns.floor.size > 0:
        least, rate = columns.floor[entry], load / (2.0 * columns.worth)
        if rate * least > size:
            priced, change = columns.worth * (size * size / least + rate * rate * least), rate * least
    if columns.part.size > 0:
        priced += share * columns.part[entry]
    return columns.cost[entry] + priced + place, change


@numba.njit(cache=True)
def _empty(columns: Columns, k: int, load: float, place: float, share: float, more: float) -> float:
    """Return V of a server without users; `more` is the price of one more open server."""
    idle = columns.opening + more - load * load * columns.cpu[k] / (4.0 * columns.worth)
    return float(idle - place * columns.capacity[k] - share)


@numba.njit(cache=True)
def smoothed(
    columns: Columns, state: IntArray, prices: FloatArray, temperature: float, slope: FloatArray, chosen: FloatArray
) -> float:
    """Return the softened dual and write its gradient to `slope`; `chosen` is room for a number per listed pair."""
    n, m = columns.root_load.size, columns.cpu.size
    more = prices[n + 3 * m]
    value, opened = -more * columns.max_open, 0.0
    for i in range(n):
        value += prices[i]
        slope[i] = 1.0
    for k in range(m):
        slope[n + k] = slope[n + m + k] = slope[n + 2 * m + k] = 0.0
        if state[k] < 0:
            continue
        load, place, share = prices[n + k], prices[n + m + k], prices[n + 2 * m + k]
        server = _empty(columns, k, load, place, share, more)
        step = count = used = 0.0
        for e in range(columns.start[k], columns.start[k + 1]):
            priced, change = _price(columns, e, load, place, share)
            gain, weight = _soft(priced - prices[columns.user[e]], temperature)
            chosen[e] = weight
            if weight > 0.0:
                server += gain
                step += weight * change
                count += weight
                if columns.part.size > 0:
                    used += weight * columns.part[e]
        if state[k] > 0:
            gain, is_open = server, 1.0
        else:
            gain, is_open = _soft(server, temperature)
        value += gain
        if is_open == 0.0:
            continue
        opened += is_open
        for e in range(columns.start[k], columns.start[k + 1]):
            slope[columns.user[e]] -= is_open * chosen[e]
        slope[n + k] = is_open * (step - load * columns.cpu[k] / (2.0 * columns.worth))
        slope[n + m + k] = is_open * (count - columns.capacity[k])
        slope[n + 2 * m + k] = is_open * (used - 1.0)
    slope[n + 3 * m] = opened - columns.max_open
    return float(value)


@numba.njit(cache=True)
def value(columns: Columns, state: IntArray, prices: FloatArray) -> float:
    """Return the dual; a bound only if every pair that could gain is listed."""
    n, m = columns.root_load.size, columns.cpu.size
    total = -prices[n + 3 * m] * columns.max_open
    for i in range(n):
        total += prices[i]
    for k in range(m):
        if state[k] < 0:
            continue
        load, place, share = prices[n + k], prices[n + m + k], prices[n + 2 * m + k]
        server = _empty(columns, k, load, place, share, prices[n + 3 * m])
        for e in range(columns.start[k], columns.start[k + 1]):
            server += min(0.0, _price(columns, e, load, place, share)[0] - prices[columns.user[e]])
        if state[k] > 0 or server < 0.0:
            total += server
    return float(total)


@numba.njit(cache=True)
def _dot(first: FloatArray, second: FloatArray, still: BoolArray) -> float:
    """Return the inner product over the coordinates that move."""
    total = 0.0
    for j in range(first.size):
        if not still[j]:
            total += first[j] * second[j]
    return total


@numba.njit(cache=True)
def _direction(
    slope: FloatArray, still: BoolArray, steps: FloatArray, turns: FloatArray, stored: int, newest: int
) -> FloatArray:
    """Return the quasi-Newton direction of ascent (two-loop recursion) among the coordinates that move.

    Past steps count only by what they tell of those coordinates.
    """
    room = steps.shape[0]
    direction = np.where(still, 0.0, slope)
    share, curvature = np.zeros(room), np.zeros(room)
    scale = 0.0
    for back in range(stored):
        j = (newest - back) % room
        curvature[j] = _dot(steps[j], turns[j], still)
        if curvature[j] <= 1e-12 * np.sqrt(_dot(steps[j], steps[j], still) * _dot(turns[j], turns[j], still)):
            curvature[j] = 0.0
            continue
        if scale == 0.0:
            scale = curvature[j] / _dot(turns[j], turns[j], still)
        share[j] = _dot(steps[j], direction, still) / curvature[j]
        direction -= share[j] * turns[j]
    if scale > 0.0:
        direction *= scale
    for back in range(stored - 1, -1, -1):
        j = (newest - back) % room
        if curvature[j] > 0.0:
            direction += (share[j] - _dot(turns[j], direction, still) / curvature[j]) * steps[j]
    return np.where(still, 0.0, direction)


@numba.njit(cache=True)
def ascend(
    columns: Columns,
    state: IntArray,
    start: FloatArray,
    unit: FloatArray,
    bounded: BoolArray,
    fixed: BoolArray,
    temperatures: FloatArray,
    iterations: int,
    memory: int,
    enough: float,
) -> tuple[float, FloatArray]:
    """Return the best value over all temperatures and its prices, by projected quasi-Newton ascent (L-BFGS).

    Parameters
    ----------
    columns, state
        The dual.
    start, unit : ndarray, shape (N + 3M + 1,)
        Prices to begin with, and the size of a typical change of each.
    bounded, fixed : ndarray of bool, shape (N + 3M + 1,)
        Which prices must be at least 0, and which stay as they are.
    temperatures : ndarray
        In units of the value, falling.
    iterations, memory : int
        Iterations at each temperature, and past steps remembered.
    enough : float
        No more temperatures once the value is above this.
    """
    size = start.size
    best, best_prices = value(columns, state, start), start.copy()
    x = start / unit
    chosen = np.zeros(columns.user.size)
    prices, raw, trial_slope = start.copy(), np.zeros(size), np.zeros(size)
    steps, turns = np.zeros((memory, size)), np.zeros((memory, size))
    for temperature in temperatures:
        if best >= enough:
            break
        stored, newest = 0, -1
        now = smoothed(columns, state, x * unit, temperature, raw, chosen)
        slope = raw * unit
        for _ in range(iterations):
            still = fixed | (bounded & (x <= 0.0) & (slope <= 0.0))
            direction = _direction(slope, still, steps, turns, stored, newest)
            if stored > 0 and direction @ slope <= 0.0:
                stored = 0
                direction = np.where(still, 0.0, slope)
            length = 1.0
            if stored == 0:
                # Without curvature to go by, a first step of one typical change in all.
                length = 1.0 / max(np.abs(direction).sum(), 1e-300)
            moved = False
            for _ in range(HALVINGS):
                trial = x + length * direction
                for j in range(size):
                    if bounded[j] and trial[j] < 0.0:
                        trial[j] = 0.0
                prices[:] = trial * unit
                then = smoothed(columns, state, prices, temperature, raw, chosen)
                expected = slope @ (trial - x)
                if then >= now + SUFFICIENT * expected and np.isfinite(then):
                    moved = True
                    break
                length *= 0.5
            if not moved:
                break
            trial_slope[:] = raw * unit
            step, turn = trial - x, slope - trial_slope
            if step @ turn > 1e-12 * np.sqrt((step @ step) * (turn @ turn)):
                newest = (newest + 1) % memory
                steps[newest], turns[newest] = step, turn
                stored = min(stored + 1, memory)
            gain = then - now
            x, now = trial, then
            slope[:] = trial_slope
            if gain <= LEAST_GAIN * abs(now):
                break
        prices[:] = x * unit
        reached = value(columns, state, prices)
        if reached > best:
            best, best_prices = reached, prices.copy()
    return best, best_prices
