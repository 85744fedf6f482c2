"""From a wish to an association that keeps all constraints: who cannot be where it should be goes elsewhere.

Every policy ends here: users come, servers lose CPU, and what was feasible in one slot need not be in the next.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from dtopt.errors import InputError
from dtopt.evaluation import evaluate
from dtopt.registry import solve
from dtopt.solution import Solution
from solvers.loads import ServerLoads
from solvers.repair import place_remaining

if TYPE_CHECKING:
    from dtopt.arrays import BoolArray, IntArray
    from dtopt.problem import Migration

__all__ = ["feasible_near", "granted"]

#: Seconds that a proof may take where nothing simple finds a feasible association.
SEARCH_S = 10.0


def feasible_near(problem: Migration, wish: IntArray) -> IntArray:
    """Return a feasible association that grants most of a wish, -1 in which stands for no wish.

    Wishes are dropped where a server cannot grant them all, those of the slowest transfer first, and everyone without
    a server then goes where that costs least, other users being sent away for it if need be. Where a hard deadline
    leaves no way, deadlines are missed as little as possible, and the evaluator tells.

    Raises
    ------
    InputError
        If there are not enough places (or CPU under ``fixed`` sharing) for all.
    """
    kept = granted(problem, wish)
    if (kept >= 0).all() and evaluate(problem, Solution(kept)).feasible:
        return kept
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
    if problem.deadlines_bind:
        return feasible_near(replace(problem, deadline="soft"), wish)
    result = solve(problem, "greedy", time_limit=SEARCH_S)
    raise InputError(result.message or "no association was found in which all users have a server", where=problem.name)


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
