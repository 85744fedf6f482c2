"""Small problems by enumeration: the cost of every subset of users on every server, and the best partition of users.

With v_k(S) the cost of the subset S on server k, 0 for the empty one, the least cost of serving S by the first k
servers is the least of v_k(T) + (the least cost of S without T by the first k − 1 servers) over all T ⊆ S. There are
2^N subsets, and 3^N pairs of a subset and one of its own. The costs are computed as the evaluator computes them, so
nothing is left to tolerances of a solver.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from dtopt.problem import Migration, Placement
from dtopt.sharing import compute_latency, water_filling
from dtopt.tolerances import within

if TYPE_CHECKING:
    from collections.abc import Callable

    from dtopt.arrays import BoolArray, FloatArray, IntArray
    from dtopt.problem import Problem

__all__ = ["best_partition", "can_enumerate"]

#: Above this many users there are too many subsets, however few the servers.
MOST_USERS = 17
#: Up to this many associations a problem is enumerated whatever its shape.
MOST_ASSOCIATIONS = 200_000
#: Otherwise up to this many users in subsets, and this many steps over pairs of subsets.
MOST_MEMBERS, MOST_STEPS = 300_000, 3_000_000


def can_enumerate(problem: Problem) -> bool:
    """Return whether a problem is small enough to be enumerated in a fraction of a second."""
    n, m = problem.n_users, _servers(problem).size
    if n > MOST_USERS:
        return False
    if m**n <= MOST_ASSOCIATIONS:
        return True
    layers = problem.max_open if problem.max_open < m else 1
    return n * m * 2.0 ** (n - 1) <= MOST_MEMBERS and 3.0**n * m * layers <= MOST_STEPS


def best_partition(problem: Problem, check: Callable[[], None]) -> tuple[float, IntArray | None]:
    """Return the least cost of all associations and one that has it; infinite and None where none is feasible.

    Parameters
    ----------
    problem : Problem
        See `can_enumerate`.
    check : callable
        Called between servers; leaves by an exception where the time is up.

    Returns
    -------
    cost : float
        The objective without its constant part; under P2 its negative.
    association : ndarray of int, shape (N,), or None
    """
    n, servers = problem.n_users, _servers(problem)
    if not servers.size:
        return np.inf, None
    every = (1 << n) - 1
    # The least costs with at most 1, 2, … servers open, where their number is limited; else with any number.
    layers = problem.max_open if problem.max_open < servers.size else None
    members = _Members.of(n)
    costs = np.empty((servers.size, 1 << n))
    for position, server in enumerate(servers.tolist()):
        check()
        costs[position] = _subset_costs(problem, server, members)
    pairs = _Pairs.of(n) if servers.size > 2 else None
    # best[k][c][S]: the least cost of S by the first k + 1 servers, with at most c + 1 of them open where that counts.
    best = [np.broadcast_to(costs[0], (layers or 1, 1 << n))]
    for position in range(1, servers.size):
        check()
        last = position == servers.size - 1
        rows = [
            _joined(costs[position], best[-1], c, layers, pairs, every if last else None) for c in range(layers or 1)
        ]
        best.append(np.array(rows))
    value = float(best[-1][-1][every])
    if not np.isfinite(value):
        return np.inf, None
    association = np.full(n, -1, dtype=np.int64)
    left, c = every, (layers or 1) - 1
    for position in range(servers.size - 1, -1, -1):
        if not left:
            break
        taken = left if position == 0 else _chosen(costs[position], best[position - 1], c, layers, left)
        association[[i for i in range(n) if taken >> i & 1]] = servers[position]
        c -= taken > 0 and layers is not None
        left &= ~taken
    return value, association


def _servers(problem: Problem) -> IntArray:
    """Return the stations that can keep a twin."""
    return np.flatnonzero(problem.server_allowed & (problem.network.stations.capacity > 0))


class _Members(NamedTuple):
    """Users in subsets, one entry for each user of each subset."""

    subset: IntArray
    user: IntArray
    size: IntArray

    @classmethod
    def of(cls, n: int) -> _Members:
        """Return the members of all subsets of n users."""
        inside: BoolArray = (np.arange(1 << n)[:, None] >> np.arange(n)) & 1 == 1
        subset, user = np.nonzero(inside)
        return cls(subset, user, inside.sum(axis=1))


class _Pairs(NamedTuple):
    """Subsets with each of their own subsets, in the order of the former."""

    part: IntArray
    rest: IntArray
    start: IntArray

    @classmethod
    def of(cls, n: int) -> _Pairs:
        """Return the 3^n pairs of n users."""
        whole, part = np.zeros(1, dtype=np.int64), np.zeros(1, dtype=np.int64)
        for bit in (1 << i for i in range(n)):
            whole = np.concatenate([whole, whole | bit, whole | bit])
            part = np.concatenate([part, part, part | bit])
        order = np.argsort(whole, kind="stable")
        whole, part = whole[order], part[order]
        return cls(part, whole ^ part, np.searchsorted(whole, np.arange(1 << n)))


def _joined(
    cost: FloatArray, before: FloatArray, c: int, layers: int | None, pairs: _Pairs | None, only: int | None
) -> FloatArray:
    """Return the least costs with one more server, of all subsets or of one only."""
    with_it = _without(before, c, layers)
    if only is not None:
        part = _parts(only)
        result = np.full(before.shape[1], np.inf)
        result[only] = min(float((cost[part] + with_it[only ^ part]).min()), float(before[c][only]))
        return result
    assert pairs is not None  # noqa: S101 - made where a server comes between the first and the last
    best = np.minimum.reduceat(cost[pairs.part] + with_it[pairs.rest], pairs.start)
    return np.asarray(np.minimum(best, before[c]))


def _chosen(cost: FloatArray, before: FloatArray, c: int, layers: int | None, whole: int) -> int:
    """Return the part of a subset that the server takes."""
    with_it = _without(before, c, layers)
    part = _parts(whole)
    value = cost[part] + with_it[whole ^ part]
    best = int(value.argmin())
    return 0 if before[c][whole] <= value[best] else int(part[best])


def _without(before: FloatArray, c: int, layers: int | None) -> FloatArray:
    """Return the least costs of what other servers take where one more is open."""
    if layers is None:
        return np.asarray(before[0])
    if c > 0:
        return np.asarray(before[c - 1])
    cost = np.full(before.shape[1], np.inf)
    cost[0] = 0.0
    return cost


def _parts(whole: int) -> IntArray:
    """Return all subsets of a subset but the empty one."""
    part = np.zeros(1, dtype=np.int64)
    for bit in (1 << i for i in range(whole.bit_length()) if whole >> i & 1):
        part = np.concatenate([part, part | bit])
    return part[1:]


def _subset_costs(problem: Problem, server: int, members: _Members) -> FloatArray:
    """Return what every subset of users costs on a server, infinite where it breaks a constraint, shape (2^N,)."""
    subset, user, size = members
    stations = problem.network.stations
    cpu = float(stations.cpu_hz[server])
    everyone, here = np.arange(problem.n_users), np.full(problem.n_users, server)
    if problem.sharing == "fixed":
        share = problem.demand(everyone, here)[user]
    elif problem.sharing == "equal":
        share = (cpu / np.maximum(size, 1))[subset]
    else:
        floor = problem.compute_floor(everyone, here)
        share = water_filling(problem.root_load[user], floor[user], subset, np.full(size.size, cpu))
    latency = problem.transfer_latency(everyone, here)[user] + compute_latency(problem.load_cycles[user], share)
    late = problem.deadline_transfer_latency(everyone, here)[user]
    late = late + compute_latency(problem.deadline_cycles[user], share)
    deadline = problem.network.users.deadline_s[user]
    if isinstance(problem, Placement):
        weight = problem.user_weight
        cost = weight * latency
    else:
        assert isinstance(problem, Migration)  # noqa: S101 - the two problems there are
        weight = 1.0
        cost = np.where(np.isfinite(latency), -problem.beta * np.exp(deadline - latency), np.inf)
    if problem.deadline == "hard":
        cost = np.where(late > within(deadline), np.inf, cost)
    elif problem.deadline_penalty > 0:
        with np.errstate(invalid="ignore"):
            excess = np.where(late > deadline, late - deadline, 0.0)
        cost = cost + weight * problem.deadline_penalty * excess
    total: FloatArray = np.bincount(subset, weights=cost, minlength=size.size).astype(np.float64)
    used = np.bincount(subset, weights=share, minlength=size.size)
    total[(size > stations.capacity[server]) | (used > within(cpu))] = np.inf
    if isinstance(problem, Placement):
        total[1:] += problem.opening_cost
    return total
