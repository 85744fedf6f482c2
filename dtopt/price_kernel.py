"""The price dual, compiled, over the pairs that are worth listing; `dtopt.price_dual.PriceDual` is its reference.

A module of its own because importing Numba takes longer than many a run: solvers that search with the dual import it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numba
import numpy as np

if TYPE_CHECKING:
    from dtopt.arrays import BoolArray, FloatArray, IntArray

__all__ = ["Columns", "ascend", "least_priced", "narrowed", "priced_load", "smoothed", "value"]

#: An ascent ends where an iteration gains less than this part of the value.
LEAST_GAIN = 2e-9
#: Halvings of a step before the ascent gives up at a temperature.
HALVINGS = 20
#: Share of the slope that a step must gain (Armijo).
SUFFICIENT = 1e-4


class Columns(NamedTuple):
    """The pairs that are listed, server by server, and the data of users and servers; see `PriceDual`.

    The users that server k could take are ``user[start[k]:start[k + 1]]``; `cost`, and `part` and `floor` where they
    are not empty, run beside `user`. `opening` is what each server costs beside its users' gains.
    """

    start: IntArray
    user: IntArray
    cost: FloatArray
    part: FloatArray
    floor: FloatArray
    root_load: FloatArray
    cpu: FloatArray
    capacity: FloatArray
    opening: FloatArray
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
def priced_load(size: float, floor: float, load: float, worth: float) -> tuple[float, float]:
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
            priced, change = priced_load(size, floor[e], load, worth)
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
    opening = columns.opening
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
        idle = opening[k] + more - load * load * cpu[k] / (4.0 * worth)
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
    m, room, opening = columns.cpu.size, np.empty(size), columns.opening
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
        idle = opening[k] + prices[-1] - load * load * columns.cpu[k] / (4.0 * columns.worth)
        server = idle - place * columns.capacity[k] - share + gains
        if state[k] > 0 or server < 0.0:
            total += server
    return float(total)


@numba.njit(cache=True, nogil=True)
def _near(columns: Columns, prices: FloatArray, margin: float) -> tuple[IntArray, IntArray]:
    """Return which listed pairs cost little more than they would gain, and where those of each server start."""
    start, user, cost, part = columns.start, columns.user, columns.cost, columns.part
    root_load, n, m = columns.root_load, columns.root_load.size, columns.cpu.size
    kept, begin, count = np.empty(user.size, dtype=np.int64), np.zeros(m + 1, dtype=np.int64), 0
    for k in range(m):
        load, place, share = prices[n + k], prices[n + m + k] - margin, prices[n + 2 * m + k]
        for e in range(start[k], start[k + 1]):
            i = user[e]
            priced = cost[e] + load * root_load[i] + place
            if part.size > 0:
                priced += share * part[e]
            if priced < prices[i]:
                kept[count] = e
                count += 1
        begin[k + 1] = count
    return kept[:count], begin


def narrowed(columns: Columns, prices: FloatArray, margin: float) -> Columns:
    """Return the columns of the pairs that may come to gain as prices change a little.

    Parameters
    ----------
    columns : Columns
    prices : ndarray, shape (N + 3M + 1,)
    margin : float
        How much more than they would gain at these prices pairs may cost, in units of a user's mean price.
    """
    kept, start = _near(columns, prices, margin * float(np.abs(prices[: columns.root_load.size]).mean()))
    return columns._replace(
        start=start,
        user=columns.user[kept],
        cost=columns.cost[kept],
        part=columns.part[kept] if columns.part.size else columns.part,
        floor=columns.floor[kept] if columns.floor.size else columns.floor,
    )


@numba.njit(cache=True, nogil=True)
def least_priced(columns: Columns, load: FloatArray, place: FloatArray, share: FloatArray) -> FloatArray:
    """Return each user's least priced cost over the listed pairs at these prices of servers, floors left out."""
    start, user, cost, part, root_load = columns.start, columns.user, columns.cost, columns.part, columns.root_load
    least = np.full(root_load.size, np.inf)
    for k in range(columns.cpu.size):
        for e in range(start[k], start[k + 1]):
            i = user[e]
            priced = cost[e] + load[k] * root_load[i] + place[k]
            if part.size > 0:
                priced += share[k] * part[e]
            least[i] = min(least[i], priced)
    return least


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
