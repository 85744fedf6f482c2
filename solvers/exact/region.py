"""A part of the map in a large price dual: what changes where one server is decided, the rest kept as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numba
import numpy as np

from dtopt.price_kernel import Columns, priced_load

if TYPE_CHECKING:
    from dtopt.arrays import BoolArray, FloatArray, IntArray

__all__ = ["Region", "region"]


class Region(NamedTuple):
    """A dual over some users and servers, in place of the whole at fixed prices elsewhere.

    Parameters
    ----------
    columns : Columns
        What servers gain by users elsewhere is a part of their `opening`.
    users, servers : ndarray of int
        Which they are in the whole; the prices of the first `n_free` users and `n_inner` servers may change.
    n_free, n_inner : int
    """

    columns: Columns
    users: IntArray
    servers: IntArray
    n_free: int
    n_inner: int


@numba.njit(cache=True, nogil=True)
def _cut(
    columns: Columns, prices: FloatArray, margin: FloatArray, servers: IntArray, n_inner: int, is_free: BoolArray
) -> tuple[IntArray, IntArray, FloatArray, FloatArray, FloatArray, FloatArray, IntArray, int]:
    """Return the near pairs of a region by server, and the users there, those whose prices may change first."""
    start, user, cost, part, floor = columns.start, columns.user, columns.cost, columns.part, columns.floor
    root_load, worth, n, m = columns.root_load, columns.worth, columns.root_load.size, columns.cpu.size
    size = 0
    for k in servers:
        size += start[k + 1] - start[k]
    kept, begin, opening = np.empty(size, dtype=np.int64), np.zeros(servers.size + 1, dtype=np.int64), np.zeros(m)
    place_of, count = np.full(n, -1, dtype=np.int64), 0
    for x in range(servers.size):
        k = servers[x]
        load, place, share = prices[n + k], prices[n + m + k], prices[n + 2 * m + k]
        elsewhere = 0.0
        for e in range(start[k], start[k + 1]):
            i = user[e]
            priced = load * root_load[i]
            if floor.size > 0:
                priced = priced_load(root_load[i], floor[e], load, worth)[0]
            gain = cost[e] + priced + place - prices[i]
            if part.size > 0:
                gain += share * part[e]
            if gain >= margin[i]:
                continue
            if x < n_inner or is_free[i]:
                kept[count] = e
                count += 1
                place_of[i] = 0
            elif gain < 0.0:
                elsewhere += gain
        begin[x + 1] = count
        opening[x] = columns.opening[k] + elsewhere
    kept = kept[:count]
    users, n_free, found = np.empty(n, dtype=np.int64), 0, 0
    for free in (True, False):
        for i in range(n):
            if place_of[i] >= 0 and is_free[i] == free:
                users[found] = i
                place_of[i] = found
                found += 1
        if free:
            n_free = found
    place = np.empty(count, dtype=np.int32)
    for e in range(count):
        place[e] = place_of[user[kept[e]]]
    nothing = np.zeros(0)
    parts = part[kept] if part.size > 0 else nothing
    floors = floor[kept] if floor.size > 0 else nothing
    return begin, place, cost[kept], parts, floors, opening[: servers.size], users[:found], n_free


def region(
    columns: Columns, prices: FloatArray, margin: FloatArray, servers: IntArray, n_inner: int, is_free: BoolArray
) -> Region:
    """Return the part of a dual in which prices may change.

    Parameters
    ----------
    columns : Columns
    prices : ndarray, shape (N + 3M + 1,)
    margin : float
        Pairs that cost so much more than they gain are left out.
    servers : ndarray of int
        Of the region; the prices of the first `n_inner` of them may change.
    n_inner : int
    is_free : ndarray of bool, shape (N,)
        The users whose prices may change.
    """
    begin, user, cost, part, floor, opening, users, n_free = _cut(columns, prices, margin, servers, n_inner, is_free)
    cut = Columns(
        begin,
        user,
        cost,
        part,
        floor,
        columns.root_load[users],
        columns.cpu[servers],
        columns.capacity[servers],
        opening,
        columns.worth,
        columns.max_open,
    )
    return Region(cut, users, servers, n_free, n_inner)
