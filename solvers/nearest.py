"""`nearest`: every user's twin on the closest server, the other benchmark of the paper's Figure 9."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dtopt.nearest import nearest
from dtopt.run import Run
from solvers.loads import ServerLoads, largest_servers
from solvers.repair import place_remaining

if TYPE_CHECKING:
    from collections.abc import Callable

    from dtopt.arrays import BoolArray, FloatArray, IntArray
    from dtopt.problem import Problem
    from dtopt.result import Incumbent, Result
    from dtopt.solution import Solution
    from dtopt.stop import StoppingCriterion

__all__ = ["solve"]


def solve(
    problem: Problem,
    *,
    time_limit: float | None = None,
    seed: int = 0,
    stop: StoppingCriterion | None = None,
    on_incumbent: Callable[[Incumbent, Solution], None] | None = None,
) -> Result:
    """Send each user to the closest server, or the closest that can take it.

    Closeness is the distance between user and station; where there are no positions, the wired distance from the
    user's access station; where there is neither, the latency of the pair. Under P1 every station is open that is
    closest to some user; with a limit K on open servers, the K that are closest to most users, or, if those cannot
    take all users, the K largest. The seed changes nothing.
    """
    run = Run(problem, "nearest", seed=seed, stop=stop, time_limit=time_limit, on_incumbent=on_incumbent)
    with run:
        if not run.settled:
            is_open = problem.server_allowed.copy()
            closest = _closest(problem, is_open, np.arange(problem.n_users))
            used = np.bincount(closest, minlength=problem.n_stations)
            if np.count_nonzero(used) > problem.max_open:
                is_open[:] = False
                is_open[np.argsort(-used, kind="stable")[: problem.max_open]] = True
                closest = _closest(problem, is_open, np.arange(problem.n_users))
            run.offer(_with_room(problem, is_open, closest))
            for servers in (is_open, largest_servers(problem)):
                if run.solution is None:
                    loads = ServerLoads(problem, servers)
                    _one_by_one(loads)
                    if place_remaining(loads):
                        run.offer(loads.association)
            run.iterations = 1
    return run.result()


def _pair_distance(problem: Problem, users: IntArray, servers: IntArray) -> FloatArray:
    """Return the distance of users to one server each, in the sense of `solve`."""
    network = problem.network
    if network.users.position_m is not None and network.stations.position_m is not None:
        gap = network.users.position_m[users] - network.stations.position_m[servers]
        return np.hypot(gap[:, 0], gap[:, 1])
    if network.channel is not None and (
        network.stations.position_m is not None or network.stations.distance_m is not None
    ):
        return network.station_distance(network.access_station[users], servers)
    return problem.transfer_latency(users, servers)


def _closest(problem: Problem, is_open: BoolArray, users: IntArray) -> IntArray:
    """Return the closest open server of each of `users`."""
    servers = np.flatnonzero(is_open)
    positions, stations = problem.network.users.position_m, problem.network.stations
    if positions is not None and stations.position_m is not None:
        return np.asarray(servers[nearest(stations.position_m[servers], positions[users], 1)[:, 0]])
    distance = _pair_distance(problem, np.repeat(users, servers.size), np.tile(servers, users.size))
    return np.asarray(servers[distance.reshape(users.size, servers.size).argmin(axis=1)])


def _with_room(problem: Problem, is_open: BoolArray, closest: IntArray) -> IntArray:
    """Return the association in which full servers keep their closest users and the others go on to the next.

    In rounds: all users without a place ask the closest server that still has room; each takes the closest of those
    that ask, up to its capacity. Only capacities are looked at; the evaluator sees the rest.
    """
    association = closest.copy()
    room = np.where(is_open, problem.network.stations.capacity, 0)
    waiting = np.arange(problem.n_users)
    while True:
        # By server, then by distance: the rank among those that ask the same server decides.
        asked = association[waiting]
        order = np.lexsort((waiting, _pair_distance(problem, waiting, asked), asked))
        ranked = asked[order]
        rank = np.arange(order.size) - np.searchsorted(ranked, ranked)
        taken = rank < room[ranked]
        room = room - np.bincount(ranked[taken], minlength=room.size)
        waiting = np.sort(waiting[order[~taken]])
        if not waiting.size or not (room > 0).any():
            return association
        association[waiting] = _closest(problem, room > 0, waiting)


def _one_by_one(loads: ServerLoads) -> None:
    """Send users in their order to the closest server that can take them; leave the others without."""
    for user in range(loads.problem.n_users):
        one = np.array([user])
        servers = np.arange(loads.is_open.size)
        distance = _pair_distance(loads.problem, np.full(servers.size, user), servers)
        distance = np.where(loads.feasible(one)[0], distance, np.inf)
        if np.isfinite(distance).any():
            loads.add(user, int(distance.argmin()))
