"""The ascent of the price dual, compiled: projected quasi-Newton steps (L-BFGS) at falling temperatures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numba
import numpy as np

from dtopt.price_kernel import smoothed, value

if TYPE_CHECKING:
    from dtopt.arrays import BoolArray, FloatArray, IntArray
    from dtopt.price_kernel import Columns

__all__ = ["ascend"]

#: An ascent ends where an iteration gains less than this part of the value.
LEAST_GAIN = 2e-9
#: Halvings of a step before the ascent gives up at a temperature.
HALVINGS = 20
#: Share of the slope that a step must gain (Armijo).
SUFFICIENT = 1e-4


@numba.njit(cache=True, fastmath={"reassoc", "contract"})
def _dot(first: FloatArray, second: FloatArray, moves: FloatArray, free: int) -> float:
    """Return the inner product over the coordinates that move: the first ones, so many, and those with 1 in `moves`."""
    total = 0.0
    for j in range(free):
        total += first[j] * second[j]
    for j in range(free, first.size):
        total += first[j] * second[j] * moves[j]
    return total


@numba.njit(cache=True, fastmath={"reassoc", "contract"})
def _add(
    direction: FloatArray, times: float, vector: FloatArray, moves: FloatArray, free: int, then: FloatArray
) -> float:
    """Add a multiple of a vector among the coordinates that move; return the inner product of the sum with `then`."""
    total = 0.0
    for j in range(free):
        direction[j] += times * vector[j]
        total += direction[j] * then[j]
    for j in range(free, direction.size):
        direction[j] += times * vector[j] * moves[j]
        total += direction[j] * then[j] * moves[j]
    return total


@numba.njit(cache=True)
def _direction(
    slope: FloatArray,
    moves: FloatArray,
    free: int,
    steps: FloatArray,
    turns: FloatArray,
    sums: FloatArray,
    stored: int,
    newest: int,
    direction: FloatArray,
) -> None:
    """Write the quasi-Newton direction of ascent (two-loop recursion) among the coordinates that move.

    Past steps count only by what they tell of those coordinates. `sums` are the inner products of each step and turn
    over the `free` coordinates: they stay the same, and most coordinates are free.
    """
    room = steps.shape[0]
    for j in range(free):
        direction[j] = slope[j]
    for j in range(free, slope.size):
        direction[j] = slope[j] * moves[j]
    share, curvature, used, known = np.zeros(room), np.zeros(room), np.zeros(room, dtype=np.int64), 0
    scale = 0.0
    for back in range(stored):
        j = (newest - back) % room
        curved, bend, length = sums[j]
        for e in range(free, slope.size):
            step, turn = steps[j, e] * moves[e], turns[j, e] * moves[e]
            curved += step * turn
            bend += turn * turn
            length += step * step
        if curved <= 1e-12 * np.sqrt(length * bend):
            continue
        used[known], curvature[known] = j, curved
        known += 1
        if scale == 0.0:
            scale = curved / bend
    if known == 0:
        return
    along = _dot(steps[used[0]], direction, moves, free)
    for e in range(known):
        share[e] = along / curvature[e]
        then = steps[used[e + 1]] if e + 1 < known else turns[used[e]]
        along = _add(direction, -share[e], turns[used[e]], moves, free, then)
    direction *= scale
    along *= scale
    for e in range(known - 1, -1, -1):
        times = share[e] - along / curvature[e]
        along = _add(direction, times, steps[used[e]], moves, free, turns[used[max(e - 1, 0)]])


@numba.njit(cache=True, fastmath={"reassoc", "contract"})
def _trial(
    x: FloatArray,
    length: float,
    direction: FloatArray,
    slope: FloatArray,
    unit: FloatArray,
    bounded: BoolArray,
    trial: FloatArray,
    prices: FloatArray,
) -> float:
    """Write where a step leads, in units and in prices; return what it should gain."""
    expected = 0.0
    for j in range(x.size):
        there = x[j] + length * direction[j]
        if there < 0.0 and bounded[j]:
            there = 0.0
        trial[j] = there
        prices[j] = there * unit[j]
        expected += slope[j] * (there - x[j])
    return expected


@numba.njit(cache=True, fastmath={"reassoc", "contract"})
def _arrive(
    first: int,
    last: int,
    x: FloatArray,
    trial: FloatArray,
    slope: FloatArray,
    raw: FloatArray,
    unit: FloatArray,
    step: FloatArray,
    turn: FloatArray,
) -> tuple[float, float, float]:
    """Go to a trial point, in the coordinates of a range: step and turn of the slope, and their inner products."""
    curved = bend = length = 0.0
    for j in range(first, last):
        there = raw[j] * unit[j]
        step[j], turn[j] = trial[j] - x[j], slope[j] - there
        x[j], slope[j] = trial[j], there
        curved += step[j] * turn[j]
        bend += turn[j] * turn[j]
        length += step[j] * step[j]
    return curved, bend, length


@numba.njit(cache=True, nogil=True)
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
    halt: BoolArray,
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
    halt : ndarray of bool, shape (1,)
        Another thread may set it: the ascent then ends with what it has.
    """
    size = start.size
    best, best_prices = value(columns, state, start), start.copy()
    x = start / unit
    chosen = np.zeros(columns.user.size)
    prices, raw, trial, slope, direction = start.copy(), np.zeros(size), x.copy(), np.zeros(size), np.zeros(size)
    # No products by BLAS: its threads cost more than they bring at these sizes.
    moves = np.ones(size)
    steps, turns, sums = np.zeros((memory, size)), np.zeros((memory, size)), np.zeros((memory, 3))
    free = 0
    while free < size and not (bounded[free] or fixed[free]):
        free += 1
    for temperature in temperatures:
        if best >= enough or halt[0]:
            break
        stored, newest, stride = 0, -1, 1.0
        prices[:] = x * unit
        now = smoothed(columns, state, prices, temperature, raw, chosen)
        slope[:] = raw * unit
        for _ in range(iterations):
            if halt[0]:
                break
            for j in range(free, size):
                moves[j] = 0.0 if fixed[j] or (bounded[j] and x[j] <= 0.0 and slope[j] <= 0.0) else 1.0
            _direction(slope, moves, free, steps, turns, sums, stored, newest, direction)
            if stored > 0 and _dot(direction, slope, moves, free) <= 0.0:
                stored = 0
                _direction(slope, moves, free, steps, turns, sums, stored, newest, direction)
            length = 1.0
            if stored == 0:
                # Without curvature to go by, a step of one typical change in all, and twice that each time it is short.
                length = stride / max(np.abs(direction).sum(), 1e-300)
                stride *= 2.0
            moved = False
            for _ in range(HALVINGS):
                expected = _trial(x, length, direction, slope, unit, bounded, trial, prices)
                then = smoothed(columns, state, prices, temperature, raw, chosen)
                if then >= now + SUFFICIENT * expected and np.isfinite(then):
                    moved = True
                    break
                length *= 0.5
            if not moved:
                if stored == 0:
                    break
                # What was learnt of the curvature elsewhere misleads here: once more along the slope alone.
                stored, stride = 0, 1.0
                continue
            room = (newest + 1) % memory
            step, turn = steps[room], turns[room]
            known = _arrive(0, free, x, trial, slope, raw, unit, step, turn)
            rest = _arrive(free, size, x, trial, slope, raw, unit, step, turn)
            if known[0] + rest[0] > 1e-12 * np.sqrt((known[1] + rest[1]) * (known[2] + rest[2])):
                newest, stored = room, min(stored + 1, memory)
                sums[room, 0], sums[room, 1], sums[room, 2] = known
            else:
                # The oldest step has given its place to one that tells nothing.
                stored = min(stored, memory - 1)
            gain = then - now
            now = then
            if gain <= LEAST_GAIN * abs(now):
                break
        prices[:] = x * unit
        reached = value(columns, state, prices)
        if reached > best:
            best, best_prices = reached, prices.copy()
    return best, best_prices
