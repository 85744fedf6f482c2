"""From a problem to the instance of the compiled search: all pairs where they are few, else a list for each user."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from dtopt.channel import row_blocks
from dtopt.sharing import compute_latency
from dtopt.tolerances import relaxed
from solvers._core import PairData, PlacementView, Sharing
from solvers.local_search.kernel import CLAMPED, EQUAL, FITTING, FIXED, LATE, LIMITED, OPTIMAL, PLAIN, Instance

if TYPE_CHECKING:
    from dtopt.arrays import FloatArray, IntArray
    from dtopt.problem import Placement
    from solvers.local_search.kernel import Integers

__all__ = ["CANDIDATES", "DENSE_PAIRS", "Lists", "including", "lists_of"]

#: Up to so many pairs of user and server every user may be on every server.
DENSE_PAIRS = 200_000
#: Servers in a user's list above that.
CANDIDATES = 20
#: Servers near each server, at most.
NEAR = 32
#: Users by whose costs servers are compared where all pairs are listed, and differences held at a time.
SAMPLE, COMPARED = 64, 200_000

_MODES = {"fixed": FIXED, "equal": EQUAL, "optimal": OPTIMAL}


@dataclass(frozen=True, eq=False)
class Lists:
    """An instance of the compiled search.

    Parameters
    ----------
    instance : Instance
    cpu, capacity : ndarray, shape (M,)
    order : ndarray of int, shape (N,), or None
        Which user each of the instance's is: neighbours follow each other, so that they are near in memory too.
    """

    instance: Instance
    cpu: FloatArray
    capacity: Integers
    order: Integers | None

    @cached_property
    def view(self) -> PlacementView:
        """The instance as the compiled searches read it."""
        p = self.instance
        return PlacementView(
            station=np.ascontiguousarray(p.station, dtype=np.int32),
            cost=np.ascontiguousarray(p.cost),
            more=np.ascontiguousarray(p.more) if p.kind != PLAIN else None,
            size=np.ascontiguousarray(p.sizes[:, 0]),
            rate=np.ascontiguousarray(p.sizes[:, 1]),
            near=np.ascontiguousarray(p.near, dtype=np.int32),
            cpu=np.ascontiguousarray(self.cpu, dtype=np.float64),
            opening=np.full(self.cpu.size, float(p.opening)),
            capacity=np.ascontiguousarray(self.capacity, dtype=np.int64),
            penalty=float(p.penalty),
            max_open=int(p.max_open),
            sharing=Sharing(p.mode),
            data=PairData(p.kind),
            dense=p.dense,
        )


def lists_of(problem: Placement, width: int | None = None, *, compared: bool = True) -> Lists:
    """Return the instance of a problem, with lists of `width` servers (or as many as its size suggests).

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
        near = np.ascontiguousarray(order[:, 1:])  # one layout, or everything is compiled twice
    else:
        station = _cheapest(problem, width)
        near = None
    kind = _kind(problem)
    cost, more = _all_pairs(problem, users, station, kind)
    if not dense:
        _serve_stranded(problem, users, station, cost, more, kind)
    instance = Instance(
        station=station,
        cost=cost,
        more=more,
        sizes=_sizes(problem, kind)[users],
        near=_near(station, cost, m, compared) if near is None else near,
        opening=float(problem.opening_cost),
        penalty=float(problem.user_weight * problem.deadline_penalty),
        max_open=int(problem.max_open),
        mode=_MODES[problem.sharing],
        kind=kind,
        dense=dense,
    )
    stations = problem.network.stations
    return Lists(
        instance,
        np.array(stations.cpu_hz),
        np.where(problem.server_allowed, stations.capacity, 0),
        users if near is not None else None,
    )


def including(problem: Placement, lists: Lists, association: IntArray) -> Lists:
    """Return lists that have every user's server of an association, in the place of the last where it was missing."""
    instance = lists.instance
    users = np.arange(problem.n_users) if lists.order is None else lists.order
    servers = association[users]
    rows = np.flatnonzero(~(instance.station == servers[:, None]).any(axis=1))
    if rows.size == 0:
        return lists
    station, cost = instance.station.copy(), instance.cost.copy()
    more = instance.more.copy()
    # A list ends at its first -1.
    last = np.minimum((station[rows] >= 0).sum(axis=1), station.shape[1] - 1)
    station[rows, last] = servers[rows]
    cost[rows], block = _pairs(problem, users[rows], station[rows], instance.kind)
    if instance.kind != PLAIN:
        more[rows] = block
    return replace(lists, instance=instance._replace(station=station, cost=cost, more=more))


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


def _kind(problem: Placement) -> int:
    """Return what must be known of pairs beside their costs."""
    if problem.sharing == "fixed":
        return FITTING
    if problem.deadlines_bind:
        return CLAMPED if problem.sharing == "optimal" else LIMITED
    soft = problem.deadline == "soft" and bool(np.isfinite(problem.network.users.deadline_s).any())
    return LATE if soft else PLAIN


def _pairs(problem: Placement, users: Integers, station: Integers, kind: int) -> tuple[FloatArray, FloatArray]:
    """Return `cost` and `more` of an instance for some users and the servers in their lists."""
    users, servers = users[:, None], np.maximum(station, 0)
    allowed = (station >= 0) & problem.pair_allowed(users, servers)
    latency = problem.transfer_latency(users, servers)
    more = np.zeros(station.shape)
    if kind == FITTING:
        latency = problem.fixed_latency(users, servers) + problem.fixed_penalty(users, servers)
    if kind in (FITTING, CLAMPED):
        # Parts of the CPU itself: `kernel.FULL` has the tolerance.
        more = relaxed(problem.reserved_part(users, servers))
    elif kind == LIMITED:
        more = problem.most_twins(users, servers).astype(np.float64)
    elif kind == LATE:
        more = problem.deadline_transfer_latency(users, servers) - problem.network.users.deadline_s[users]
    return np.where(allowed, problem.user_weight * latency, np.inf), np.where(allowed, more, 0.0)


def _all_pairs(problem: Placement, users: Integers, station: Integers, kind: int) -> tuple[FloatArray, FloatArray]:
    """Return `cost` and `more` for all users, in blocks of them to bound memory."""
    n, width = station.shape
    cost = np.empty(station.shape)
    more = np.empty(station.shape if kind != PLAIN else (0, 0))
    for start, stop in row_blocks(n, width):
        block = _pairs(problem, users[start:stop], station[start:stop], kind)
        cost[start:stop] = block[0]
        if kind != PLAIN:
            more[start:stop] = block[1]
    return cost, more


def _serve_stranded(
    problem: Placement, users: Integers, station: Integers, cost: FloatArray, more: FloatArray, kind: int
) -> None:
    """Give users that no server of their list can serve a list of those that can."""
    stranded = np.flatnonzero(~np.isfinite(cost).any(axis=1))
    servers = np.arange(problem.n_stations)[None, :]
    for start, stop in row_blocks(stranded.size, problem.n_stations):
        rows = stranded[start:stop]
        latency = _alone(problem, users[rows, None], servers)
        station[rows] = np.argsort(latency, axis=1, kind="stable")[:, : station.shape[1]]
        cost[rows], block = _pairs(problem, users[rows], station[rows], kind)
        if kind != PLAIN:
            more[rows] = block


def _sizes(problem: Placement, kind: int) -> FloatArray:
    """Return the size of each user, and how fast it is late with the load or count of its server."""
    sizes = np.zeros((problem.n_users, 2))
    worth = problem.user_weight
    if problem.sharing == "optimal":
        sizes[:, 0] = np.sqrt(worth) * problem.root_load
    elif problem.sharing == "equal":
        sizes[:, 0] = worth * problem.load_cycles
    if kind == LATE:
        sizes[:, 1] = problem.deadline_cycles
        if problem.sharing == "optimal":
            np.divide(sizes[:, 1], sizes[:, 0], out=sizes[:, 1], where=sizes[:, 0] > 0)
    return sizes


def _near(station: Integers, cost: FloatArray, m: int, compared: bool) -> Integers:
    return near_servers(station, cost, m) if compared else np.full((m, 1), -1, dtype=np.int32)


def near_servers(station: Integers, cost: FloatArray, m: int) -> Integers:
    """Return for each server those whose costs to some users are most alike; ends in −1."""
    users = np.unique(np.linspace(0, cost.shape[0] - 1, min(cost.shape[0], max(SAMPLE, 4 * m))).astype(np.int64))
    column = np.full((users.size, m), np.inf)
    np.put_along_axis(column, np.maximum(station[users], 0).astype(np.int64), cost[users], axis=1)
    finite = np.isfinite(column)
    # A pair that is not listed counts as a little dearer than the dearest.
    column = np.where(finite, column, 1.1 * column[finite].max() if finite.any() else 1.0)
    near = np.full((m, max(1, min(NEAR, m - 1))), -1, dtype=np.int32)
    step = max(1, COMPARED // column.size)
    for first in range(0, m, step):
        some = np.arange(first, min(m, first + step))
        gap = np.abs(column[:, None, :] - column[:, some, None]).sum(axis=0)
        gap[np.arange(some.size), some] = np.inf
        near[some, : min(NEAR, m - 1)] = np.argsort(gap, axis=1, kind="stable")[:, : min(NEAR, m - 1)]
    return near
