"""From a wish to an association that keeps all constraints: who cannot be where it should be goes elsewhere.

Every policy ends here: users come, servers lose CPU, and what was feasible in one slot need not be in the next.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from dtopt.evaluation import evaluate
from dtopt.feasibility import obvious_conflict
from dtopt.registry import solve
from dtopt.solution import Solution
from solvers.loads import ServerLoads
from solvers.repair import place_remaining

if TYPE_CHECKING:
    from dtopt.arrays import BoolArray, FloatArray, IntArray
    from dtopt.problem import Migration

__all__ = ["feasible_near", "granted", "overfull", "with_room_for"]

#: Seconds that a proof may take where nothing simple finds a feasible association.
SEARCH_S = 10.0


def feasible_near(problem: Migration, wish: IntArray) -> IntArray:
    """Return a feasible association that grants most of a wish, -1 in which stands for no wish.

    Wishes are dropped where a server cannot grant them all, those of the slowest transfer first, and everyone without
    a server then goes where that costs least, other users being sent away for it if need be. Where a hard deadline
    leaves no way, deadlines are missed as little as possible; where places (or CPU under ``fixed`` sharing) are too
    few, all fit as many as do and the rest go where the server is overfull least. The evaluator names what is broken.
    """
    kept = granted(problem, wish)
    if (kept >= 0).all() and evaluate(problem, Solution(kept)).feasible:
        return kept
    soft = replace(problem, deadline="soft") if problem.deadlines_bind else problem
    if obvious_conflict(soft, structural=False) is not None:
        return _least_overfull(soft, granted(soft, wish))
    loads = ServerLoads(problem)
    for start in (kept, np.full(kept.size, -1, dtype=np.int64)):
        loads.association[:] = start
        loads.rebuild(range(problem.n_stations))
        if place_remaining(loads) and evaluate(problem, Solution(loads.association)).feasible:
            return loads.association.copy()
    for solver in ("greedy", "exact"):
        found = solve(problem, solver, time_limit=SEARCH_S).solution
        if found is not None:
            return found.association
    return feasible_near(soft, wish) if problem.deadlines_bind else _least_overfull(problem, kept)


def overfull(problem: Migration, association: IntArray) -> bool:
    """Return whether a server has more twins than places, or with ``fixed`` sharing less CPU than they take."""
    soft = replace(problem, deadline="soft")
    names = {violation.name for violation in evaluate(soft, Solution(association)).violations}
    return bool(names & {"capacity", "cpu"})


def with_room_for(problem: Migration, association: IntArray) -> Migration:
    """Return the problem with limits of places (and of CPU with ``fixed`` sharing) raised so that all fit as they are.

    Parameters
    ----------
    problem : Migration
    association : ndarray of int, shape (N,)
        Everyone has a server.
    """
    stations = problem.network.stations
    count = np.bincount(association, minlength=problem.n_stations)
    cpu = stations.cpu_hz
    if problem.sharing == "fixed":
        # A server's CPU is nothing but a limit here: how fast twins compute is given by their demands.
        demand = problem.demand(np.arange(association.size), association)
        used = np.bincount(association, weights=demand, minlength=problem.n_stations)
        cpu = np.maximum(cpu, used)
    raised = replace(stations, capacity=np.maximum(stations.capacity, count), cpu_hz=cpu)
    return replace(problem, network=replace(problem.network, stations=raised))


def _least_overfull(problem: Migration, kept: IntArray) -> IntArray:
    """Return an association of everyone where not all fit: as many as do, each of the rest where it overfills least.

    Parameters
    ----------
    problem : Migration
        Without hard deadlines.
    kept : ndarray of int, shape (N,)
        An association that keeps all limits, -1 for those to be placed.
    """
    loads = ServerLoads(problem)
    loads.association[:] = kept
    loads.rebuild(range(problem.n_stations))
    left = []
    for user in np.flatnonzero(kept < 0).tolist():
        cost = loads.marginal(np.array([user]))[0]
        if np.isfinite(cost).any():
            loads.add(user, int(cost.argmin()))
        else:
            left.append(user)
    stations = problem.network.stations
    # A station without places is no server; where no server has any, all are alike.
    servers = np.flatnonzero(problem.server_allowed & (stations.capacity > 0))
    servers = servers if servers.size else np.flatnonzero(problem.server_allowed)
    for user in left:
        one = np.array([user])
        places = np.maximum(stations.capacity[servers], 1)
        excess: FloatArray = np.maximum(loads.count[servers] + 1 - stations.capacity[servers], 0) / places
        if problem.sharing == "fixed":
            part = (loads.reserved[servers] + problem.demand(one, servers)) / stations.cpu_hz[servers]
            excess = excess + np.maximum(part - 1.0, 0.0)
        order = np.lexsort((problem.transfer_latency(one, servers), excess))
        loads.add(user, int(servers[order[0]]))
    return loads.association.copy()


def granted(problem: Migration, wish: IntArray) -> IntArray:
    """Return a wish without what servers cannot grant, alone or together: what is left keeps all constraints."""
    kept = wish.astype(np.int64)
    users = np.flatnonzero(kept >= 0)
    users = users[problem.pair_allowed(users, kept[users])]
    servers = kept[users]
    # By server, the fastest first: whatever limits a server, it is the first of them that stay.
    order = np.lexsort((problem.transfer_latency(users, servers), servers))
    users, servers = users[order], servers[order]
    first = np.searchsorted(servers, servers)
    rank = np.arange(users.size) - first
    stations = problem.network.stations
    good: BoolArray = rank < stations.capacity[servers]
    cpu = problem.cpu_limit_hz[servers]
    if problem.sharing == "fixed":
        good &= _running(problem.demand(users, servers), first) <= cpu
    elif problem.deadlines_bind:
        floor = problem.compute_floor(users, servers)
        if problem.sharing == "optimal":
            good &= _running(floor, first) <= cpu
        else:
            good &= (rank + 1) * _running_maximum(floor, servers) <= cpu
    left = np.full(kept.size, -1, dtype=np.int64)
    left[users[good]] = servers[good]
    return left


def _running(values: np.ndarray, first: IntArray) -> np.ndarray:
    """Return sums from each group's first entry to each entry."""
    total = np.cumsum(values)
    return np.asarray(total - total[first] + values[first])


def _running_maximum(values: np.ndarray, group: IntArray) -> np.ndarray:
    """Return the largest value of each group up to each entry."""
    highest = values.copy()
    for start in np.unique(np.searchsorted(group, group)).tolist():
        stop = int(np.searchsorted(group, group[start], side="right"))
        highest[start:stop] = np.maximum.accumulate(values[start:stop])
    return highest
