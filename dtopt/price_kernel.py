"""The price dual, compiled, over the pairs that are worth listing; `dtopt.price_dual.PriceDual` is its reference.

A module of its own because importing Numba takes longer than many a run: solvers that search with the dual import it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numba
import numpy as np

if TYPE_CHECKING:
    from dtopt.arrays import FloatArray, IntArray

__all__ = ["Columns", "least_priced", "narrowed", "priced_load", "smoothed", "value"]


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
