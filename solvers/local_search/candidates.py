"""From a problem to what the compiled searches read: all pairs where they are few, else a list for each user."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from dtopt.channel import row_blocks
from dtopt.sharing import compute_latency
from dtopt.tolerances import relaxed
from solvers._core import PairData, PlacementView, Sharing

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from dtopt.arrays import FloatArray, IntArray
    from dtopt.problem import Placement

    #: Lists are 32 bits wide, to save memory traffic.
    Integers = NDArray[np.signedinteger[Any]]

__all__ = ["CANDIDATES", "DENSE_PAIRS", "Lists", "including", "lists_of", "near_servers", "sharing_of"]

#: Up to so many pairs of user and server every user may be on every server.
DENSE_PAIRS = 200_000
#: Servers in a user's list above that.
CANDIDATES = 20
#: Servers near each server, at most.
NEAR = 32
#: Users by whose costs servers are compared where all pairs are listed, and differences held at a time.
SAMPLE, COMPARED = 64, 200_000


@dataclass(frozen=True, eq=False)
class Lists:
    """A P1 problem as lists of servers for each user; see `solvers/core/placement.hpp` for the costs.

    Parameters
    ----------
    station : ndarray of int32, shape (N, C)
        The servers that each user may be on; ends in −1. Slot k is server k where the lists are `dense`.
    cost : ndarray, shape (N, C)
        Infinite where the pair is not allowed.
    more : ndarray, shape (N, C), or None
        What `data` says of pairs: the part of the server's CPU that must be set aside (``FITTING``, ``CLAMPED``), the
        largest number of twins among which the user keeps its deadline (``LIMITED``), or, under soft deadlines
        (``LATE``), a such that it is late by a + b x / F, with x the server's load (optimal sharing) or count (equal).
    size, rate : ndarray, shape (N,)
        Size and b of each user.
    near : ndarray of int32, shape (M, K)
        The servers that share most users with each server, nearest first; ends in −1.
    cpu, capacity : ndarray, shape (M,)
    opening : float
        Cost of each open server.
    penalty : float
        Of a second of lateness.
    max_open : int
    sharing : Sharing
    data : PairData
    dense : bool
    order : ndarray of int, shape (N,), or None
        Which user of the problem each one is: neighbours follow each other, so that they are near in memory too.
    """

    station: Integers
    cost: FloatArray
    more: FloatArray | None
    size: FloatArray
    rate: FloatArray
    near: Integers
    cpu: FloatArray
    capacity: Integers
    opening: float
    penalty: float
    max_open: int
    sharing: Sharing
    data: PairData
    dense: bool
    order: Integers | None = None

    @cached_property
    def view(self) -> PlacementView:
        """The lists as the compiled searches read them."""
        return PlacementView(
            station=np.ascontiguousarray(self.station, dtype=np.int32),
            cost=np.ascontiguousarray(self.cost),
            more=None if self.more is None else np.ascontiguousarray(self.more),
            size=np.ascontiguousarray(self.size),
            rate=np.ascontiguousarray(self.rate),
            near=np.ascontiguousarray(self.near, dtype=np.int32),
            cpu=np.ascontiguousarray(self.cpu, dtype=np.float64),
            opening=np.full(self.cpu.size, self.opening),
            capacity=np.ascontiguousarray(self.capacity, dtype=np.int64),
            penalty=self.penalty,
            max_open=self.max_open,
            sharing=self.sharing,
            data=self.data,
            dense=self.dense,
        )


def lists_of(problem: Placement, width: int | None = None, *, compared: bool = True) -> Lists:
    """Return a problem as lists of `width` servers (or as many as its size suggests).

    Where latencies come from a channel a list holds the servers nearest by wire to the user's access station, else
    those of least latency. A user that none of them can serve gets others that can. Where servers are not to be
    `compared`, which search needs but descent does not, `near` is left empty.
    """
    n, m = problem.n_users, problem.n_stations
    if width is None:
        width = m if n * m <= DENSE_PAIRS else CANDIDATES
    dense = width >= m
    users = np.arange(n)
    if dense:
        station = np.ascontiguousarray(np.broadcast_to(np.arange(m, dtype=np.int32), (n, m)))
        near = None
    elif problem.network.channel is not None and problem.sharing != "fixed":
        order = _nearest_stations(problem, max(width, NEAR + 1))
        users = np.argsort(problem.network.access_station, kind="stable")
        station = order[problem.network.access_station[users], :width]
        near = np.ascontiguousarray(order[:, 1:])
    else:
        station = _cheapest(problem, width)
        near = None
    data = _data(problem)
    cost, more = _all_pairs(problem, users, station, data)
    if not dense:
        _serve_stranded(problem, users, station, cost, more, data)
    size, rate = _sizes(problem, data)
    stations = problem.network.stations
    return Lists(
        station=station,
        cost=cost,
        more=more,
        size=size[users],
        rate=rate[users],
        near=_near(station, cost, m, compared) if near is None else near,
        cpu=np.array(stations.cpu_hz),
        capacity=np.where(problem.server_allowed, stations.capacity, 0),
        opening=float(problem.opening_cost),
        penalty=float(problem.user_weight * problem.deadline_penalty),
        max_open=int(problem.max_open),
        sharing=sharing_of(problem),
        data=data,
        dense=dense,
        order=users if near is not None else None,
    )


def sharing_of(problem: Placement) -> Sharing:
    """Return the sharing of a problem as the compiled core has it."""
    return {"fixed": Sharing.FIXED, "equal": Sharing.EQUAL, "optimal": Sharing.OPTIMAL}[problem.sharing]


def including(problem: Placement, lists: Lists, association: IntArray) -> Lists:
    """Return lists that have every user's server of an association, in the place of the last where it was missing."""
    users = np.arange(problem.n_users) if lists.order is None else lists.order
    servers = association[users]
    rows = np.flatnonzero(~(lists.station == servers[:, None]).any(axis=1))
    if rows.size == 0:
        return lists
    station, cost = lists.station.copy(), lists.cost.copy()
    more = None if lists.more is None else lists.more.copy()
    # A list ends at its first -1.
    last = np.minimum((station[rows] >= 0).sum(axis=1), station.shape[1] - 1)
    station[rows, last] = servers[rows]
    cost[rows], block = _pairs(problem, users[rows], station[rows], lists.data)
    if more is not None:
        more[rows] = block
    return replace(lists, station=station, cost=cost, more=more)


def _nearest_stations(problem: Placement, width: int) -> Integers:
    """Return for each station the servers nearest to it by wire, itself first."""
    m = problem.n_stations
    closed = ~problem.server_allowed | (problem.network.stations.capacity == 0)
    order = np.full((m, width), -1, dtype=np.int32)
    for start, stop in row_blocks(m, m):
        stations = np.arange(start, stop)
        distance = problem.network.station_distance(stations[:, None], np.arange(m)[None, :])
        distance[:, closed] = np.inf
        # A station at its own place comes first even among others at no distance.
        distance[stations - start, stations] = np.where(closed[stations], np.inf, -1.0)
        width = min(width, m)
        some = np.argpartition(distance, width - 1, axis=1)[:, :width]
        by_distance = np.argsort(np.take_along_axis(distance, some, axis=1), axis=1, kind="stable")
        order[start:stop, :width] = np.take_along_axis(some, by_distance, axis=1)
    return order


def _cheapest(problem: Placement, width: int) -> Integers:
    """Return for each user the servers of least latency, were it alone there."""
    n, m = problem.n_users, problem.n_stations
    station = np.empty((n, width), dtype=np.int32)
    servers = np.arange(m)[None, :]
    for start, stop in row_blocks(n, m):
        users = np.arange(start, stop)[:, None]
        latency = _alone(problem, users, servers)
        some = np.argpartition(latency, width - 1, axis=1)[:, :width]
        order = np.argsort(np.take_along_axis(latency, some, axis=1), axis=1, kind="stable")
        station[start:stop] = np.take_along_axis(some, order, axis=1)
    return station


def _alone(problem: Placement, users: Integers, servers: Integers) -> FloatArray:
    """Return the latency of pairs by themselves, infinite where they are not allowed."""
    share = problem.alone_hz(users, servers)
    latency = problem.transfer_latency(users, servers) + compute_latency(problem.load_cycles[users], share)
    return np.where(problem.pair_allowed(users, servers), latency, np.inf)


def _data(problem: Placement) -> PairData:
    """Return what must be known of pairs beside their costs."""
    if problem.sharing == "fixed":
        return PairData.FITTING
    if problem.deadlines_bind:
        return PairData.CLAMPED if problem.sharing == "optimal" else PairData.LIMITED
    soft = problem.deadline == "soft" and bool(np.isfinite(problem.network.users.deadline_s).any())
    return PairData.LATE if soft else PairData.NONE


def _pairs(problem: Placement, users: Integers, station: Integers, data: PairData) -> tuple[FloatArray, FloatArray]:
    """Return `cost` and `more` of some users and the servers in their lists."""
    users, servers = users[:, None], np.maximum(station, 0)
    allowed = (station >= 0) & problem.pair_allowed(users, servers)
    latency = problem.transfer_latency(users, servers)
    more = np.zeros(station.shape)
    if data == PairData.FITTING:
        latency = problem.fixed_latency(users, servers) + problem.fixed_penalty(users, servers)
    if data in (PairData.FITTING, PairData.CLAMPED):
        # Parts of the CPU itself: the core has the tolerance on a full one.
        more = relaxed(problem.reserved_part(users, servers))
    elif data == PairData.LIMITED:
        more = problem.most_twins(users, servers).astype(np.float64)
    elif data == PairData.LATE:
        more = problem.deadline_transfer_latency(users, servers) - problem.network.users.deadline_s[users]
    return np.where(allowed, problem.user_weight * latency, np.inf), np.where(allowed, more, 0.0)


def _all_pairs(
    problem: Placement, users: Integers, station: Integers, data: PairData
) -> tuple[FloatArray, FloatArray | None]:
    """Return `cost` and `more` for all users, in blocks of them to bound memory."""
    n, width = station.shape
    cost = np.empty(station.shape)
    more = np.empty(station.shape) if data != PairData.NONE else None
    for start, stop in row_blocks(n, width):
        block = _pairs(problem, users[start:stop], station[start:stop], data)
        cost[start:stop] = block[0]
        if more is not None:
            more[start:stop] = block[1]
    return cost, more


def _serve_stranded(
    problem: Placement, users: Integers, station: Integers, cost: FloatArray, more: FloatArray | None, data: PairData
) -> None:
    """Give users that no server of their list can serve a list of those that can."""
    stranded = np.flatnonzero(~np.isfinite(cost).any(axis=1))
    servers = np.arange(problem.n_stations)[None, :]
    for start, stop in row_blocks(stranded.size, problem.n_stations):
        rows = stranded[start:stop]
        latency = _alone(problem, users[rows, None], servers)
        station[rows] = np.argsort(latency, axis=1, kind="stable")[:, : station.shape[1]]
        cost[rows], block = _pairs(problem, users[rows], station[rows], data)
        if more is not None:
            more[rows] = block


def _sizes(problem: Placement, data: PairData) -> tuple[FloatArray, FloatArray]:
    """Return the size of each user, and how fast it is late with the load or count of its server."""
    size, rate = np.zeros(problem.n_users), np.zeros(problem.n_users)
    worth = problem.user_weight
    if problem.sharing == "optimal":
        size = np.sqrt(worth) * problem.root_load
    elif problem.sharing == "equal":
        size = worth * problem.load_cycles
    if data == PairData.LATE:
        rate = np.array(problem.deadline_cycles, dtype=np.float64)
        if problem.sharing == "optimal":
            np.divide(rate, size, out=rate, where=size > 0)
    return size, rate


def _near(station: Integers, cost: FloatArray, m: int, compared: bool) -> Integers:
    return near_servers(station, cost, m) if compared else np.full((m, 1), -1, dtype=np.int32)


def near_servers(station: Integers, cost: FloatArray, m: int) -> Integers:
    """Return for each server those whose costs to some users are most alike; ends in −1."""
    users = np.unique(np.linspace(0, cost.shape[0] - 1, min(cost.shape[0], max(SAMPLE, 4 * m))).astype(np.int64))
    column = np.full((users.size, m), np.inf)
    np.put_along_axis(column, np.maximum(station[users], 0).astype(np.int64), cost[users], axis=1)
    finite = np.isfinite(column)
    # A pair that is not listed counts as a little more than the most costly one.
    column = np.where(finite, column, 1.1 * column[finite].max() if finite.any() else 1.0)
    near = np.full((m, max(1, min(NEAR, m - 1))), -1, dtype=np.int32)
    step = max(1, COMPARED // column.size)
    for first in range(0, m, step):
        some = np.arange(first, min(m, first + step))
        gap = np.abs(column[:, None, :] - column[:, some, None]).sum(axis=0)
        gap[np.arange(some.size), some] = np.inf
        near[some, : min(NEAR, m - 1)] = np.argsort(gap, axis=1, kind="stable")[:, : min(NEAR, m - 1)]
    return near
