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
    """Return min(0, x) with its kink rounded off by a parabola over −T < x < T, and its derivative."""
    if x >= temperature:
        return 0.0, 0.0
    if x <= -temperature:
        return x, 1.0
    weight = (temperature - x) / (2.0 * temperature)
    return -temperature * weight * weight, weight


@numba.njit(cache=True)
def _priced_load(size: float, floor: float, load: float, worth: float) -> tuple[float, float]:
    """Return what a user's share of the CPU costs at a price of load, and its derivative in that price."""
    rate = load / (2.0 * worth)
    if rate * floor > size:
        return worth * (size * size / floor + rate * rate * floor), rate * floor
    return load * size, size


@numba.njit(cache=True)
def _server(
    user: IntArray,
    cost: FloatArray,
    part: FloatArray,
    floor: FloatArray,
    root_load: FloatArray,
    worth: float,
    prices: FloatArray,
    load: float,
    place: float,
    share: float,
    temperature: float,
    chosen: FloatArray,
) -> tuple[float, float, float, float]:
    """Return the gain of a server's pairs and its slopes in load, place and share; write weights to `chosen`."""
    gains = step = count = used = 0.0
    for e in range(user.size):
        i = user[e]
        size = root_load[i]
        priced, change = load * size, size
        if floor.size > 0:
            priced, change = _priced_load(size, floor[e], load, worth)
        if part.size > 0:
            priced += share * part[e]
        gain, weight = _soft(cost[e] + priced + place - prices[i], temperature)
        chosen[e] = weight
        if weight > 0.0:
            gains += gain
            step += weight * change
            count += weight
            if part.size > 0:
                used += weight * part[e]
    return gains, step, count, used


@numba.njit(cache=True)
def smoothed(
    columns: Columns, state: IntArray, prices: FloatArray, temperature: float, slope: FloatArray, chosen: FloatArray
) -> float:
    """Return the softened dual and write its gradient to `slope`; `chosen` is room for a number per listed pair."""
    # Arrays out of the tuple once: in a loop each look into it would count references.
    start, user, cost, part, floor = columns.start, columns.user, columns.cost, columns.part, columns.floor
    root_load, cpu, capacity, worth = columns.root_load, columns.cpu, columns.capacity, columns.worth
    n, m = root_load.size, cpu.size
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
        first, last = start[k], start[k + 1]
        taken, weights = user[first:last], chosen[first:last]
        gains, step, count, used = _server(
            taken,
            cost[first:last],
            part[first:last],
            floor[first:last],
            root_load,
            worth,
            prices,
            load,
            place,
            share,
            temperature,
            weights,
        )
        idle = columns.opening + more - load * load * cpu[k] / (4.0 * worth)
        server = idle - place * capacity[k] - share + gains
        gain, is_open = server, 1.0
        if state[k] == 0:
            gain, is_open = _soft(server, temperature)
        value += gain
        if is_open == 0.0:
            continue
        opened += is_open
        for e in range(taken.size):
            slope[taken[e]] -= is_open * weights[e]
        slope[n + k] = is_open * (step - load * cpu[k] / (2.0 * worth))
        slope[n + m + k] = is_open * (count - capacity[k])
        slope[n + 2 * m + k] = is_open * (used - 1.0)
    slope[n + 3 * m] = opened - columns.max_open
    return float(value)


@numba.njit(cache=True)
def value(columns: Columns, state: IntArray, prices: FloatArray) -> float:
    """Return the dual; a bound only if every pair that could gain is listed."""
    # At this temperature the softened dual is below the true one by less than rounding.
    n, size = columns.root_load.size, columns.user.size
    total = -prices[-1] * columns.max_open
    for i in range(n):
        total += prices[i]
    start, user, cost, part, floor = columns.start, columns.user, columns.cost, columns.part, columns.floor
    m, room = columns.cpu.size, np.empty(size)
    for k in range(m):
        if state[k] < 0:
            continue
        load, place, share = prices[n + k], prices[n + m + k], prices[n + 2 * m + k]
        first, last = start[k], start[k + 1]
        gains, _, _, _ = _server(
            user[first:last],
            cost[first:last],
            part[first:last],
            floor[first:last],
            columns.root_load,
            columns.worth,
            prices,
            load,
            place,
            share,
            1e-300,
            room[first:last],
        )
        idle = columns.opening + prices[-1] - load * load * columns.cpu[k] / (4.0 * columns.worth)
        server = idle - place * columns.capacity[k] - share + gains
        if state[k] > 0 or server < 0.0:
            total += server
    return float(total)


@numba.njit(cache=True, fastmath={"reassoc", "contract"})
def _dot(first: FloatArray, second: FloatArray, moves: FloatArray) -> float:
    """Return the inner product over the coordinates that move (1 in `moves`, 0 elsewhere)."""
    total = 0.0
    for j in range(first.size):
        total += first[j] * second[j] * moves[j]
    return total


@numba.njit(cache=True)
def _add(direction: FloatArray, times: float, vector: FloatArray, moves: FloatArray) -> None:
    """Add a multiple of a vector among the coordinates that move."""
    for j in range(direction.size):
        direction[j] += times * vector[j] * moves[j]


@numba.njit(cache=True)
def _direction(
    slope: FloatArray, moves: FloatArray, steps: FloatArray, turns: FloatArray, stored: int, newest: int
) -> FloatArray:
    """Return the quasi-Newton direction of ascent (two-loop recursion) among the coordinates that move.

    Past steps count only by what they tell of those coordinates.
    """
    room = steps.shape[0]
    direction = slope * moves
    share, curvature = np.zeros(room), np.zeros(room)
    scale = 0.0
    for back in range(stored):
        j = (newest - back) % room
        step, turn = steps[j], turns[j]
        curved, bend = _dot(step, turn, moves), _dot(turn, turn, moves)
        if curved <= 1e-12 * np.sqrt(_dot(step, step, moves) * bend):
            continue
        curvature[j] = curved
        if scale == 0.0:
            scale = curved / bend
        share[j] = _dot(step, direction, moves) / curved
        _add(direction, -share[j], turn, moves)
    if scale > 0.0:
        direction *= scale
    for back in range(stored - 1, -1, -1):
        j = (newest - back) % room
        if curvature[j] > 0.0:
            _add(direction, share[j] - _dot(turns[j], direction, moves) / curvature[j], steps[j], moves)
    return direction


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
    prices, raw, trial_slope = start.copy(), np.zeros(size), np.zeros(size)
    # No products by BLAS: its threads cost more than they bring at these sizes.
    moves, every = np.ones(size), np.ones(size)
    steps, turns = np.zeros((memory, size)), np.zeros((memory, size))
    for temperature in temperatures:
        if best >= enough or halt[0]:
            break
        stored, newest, stride = 0, -1, 1.0
        now = smoothed(columns, state, x * unit, temperature, raw, chosen)
        slope = raw * unit
        for _ in range(iterations):
            if halt[0]:
                break
            for j in range(size):
                moves[j] = 0.0 if fixed[j] or (bounded[j] and x[j] <= 0.0 and slope[j] <= 0.0) else 1.0
            direction = _direction(slope, moves, steps, turns, stored, newest)
            if stored > 0 and _dot(direction, slope, moves) <= 0.0:
                stored = 0
                direction = slope * moves
            length = 1.0
            if stored == 0:
                # Without curvature to go by, a step of one typical change in all, and twice that each time it is short.
                length = stride / max(np.abs(direction).sum(), 1e-300)
                stride *= 2.0
            moved = False
            for _ in range(HALVINGS):
                trial = x + length * direction
                for j in range(size):
                    if bounded[j] and trial[j] < 0.0:
                        trial[j] = 0.0
                prices[:] = trial * unit
                then = smoothed(columns, state, prices, temperature, raw, chosen)
                expected = _dot(slope, trial - x, every)
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
            trial_slope[:] = raw * unit
            step, turn = trial - x, slope - trial_slope
            if _dot(step, turn, every) > 1e-12 * np.sqrt(_dot(step, step, every) * _dot(turn, turn, every)):
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
