"""Cheap proofs of infeasibility: what can be said of an instance before any search."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dtopt.channel import row_blocks

if TYPE_CHECKING:
    from dtopt.arrays import BoolArray, FloatArray, IntArray
    from dtopt.problem import Problem

__all__ = ["obvious_conflict"]

#: Above this many pairs the checks that look at all of them are left to the solvers.
MOST_PAIRS = 20_000_000
#: Slack given to sums of CPU, so that rounding never proves an instance infeasible.
SLACK = 1e-9
#: So many users are named in a message; the rest are counted.
NAMED = 3


def obvious_conflict(problem: Problem) -> str | None:
    """Return one line on why the problem has no feasible solution, or None where these checks do not tell.

    They look, in this order, for users without coverage, too few places on the servers that may be open, users whose
    deadline or CPU demand no server meets, and a total CPU demand above the total supply.
    """
    if problem.network.channel is not None:
        uncovered = np.flatnonzero(~(problem.network.access_rate_bps > 0))
        if uncovered.size:
            return f"no station covers {_who(problem, uncovered)}: the rate to every station is 0"
    allowed = problem.server_allowed
    capacity = np.minimum(np.where(allowed, problem.network.stations.capacity, 0), problem.n_users)
    places = int(np.sort(capacity)[::-1][: problem.max_open].sum())
    if places < problem.n_users:
        limit = f" on the {problem.max_open} largest servers" if problem.max_open < problem.n_stations else ""
        return f"{problem.n_users} users, but the servers have room for only {places} twins{limit}"
    if not problem.deadlines_bind and problem.sharing != "fixed":
        return None
    stranded = _stranded(problem)
    if stranded.size:
        why = "keeps the deadline of" if problem.deadlines_bind else "has enough CPU for"
        return f"no server {why} {_who(problem, stranded)}, not even alone"
    if problem.sharing != "equal" and problem.n_users * problem.n_stations <= MOST_PAIRS:
        cpu = np.sort(np.where(allowed, problem.network.stations.cpu_hz, 0.0))[::-1][: problem.max_open].sum()
        needed = _least_cpu(problem).sum()
        if needed > cpu * (1.0 + SLACK):
            cause = "meet their deadlines" if problem.sharing == "optimal" else "run"
            return f"the twins need at least {needed:.4g} Hz of CPU to {cause}, the servers have {cpu:.4g} Hz"
    return None


def _who(problem: Problem, users: IntArray) -> str:
    shown = ", ".join(problem.network.users.name(int(i)) for i in users[:NAMED])
    return shown if users.size <= NAMED else f"{shown} and {users.size - NAMED} more"


def _stranded(problem: Problem) -> IntArray:
    """Return the users that no server can serve even alone."""
    users = np.arange(problem.n_users)
    if problem.network.channel is not None:
        # Most users are fine on their access station, and need no look at all the others.
        users = users[~problem.pair_allowed(users, problem.network.access_station)]
    if users.size * problem.n_stations > MOST_PAIRS:
        return users[:0]
    hopeless: BoolArray = np.zeros(users.size, dtype=bool)
    servers = np.arange(problem.n_stations)[None, :]
    for start, stop in row_blocks(users.size, problem.n_stations):
        hopeless[start:stop] = ~problem.pair_allowed(users[start:stop, None], servers).any(axis=1)
    return users[hopeless]


def _least_cpu(problem: Problem) -> FloatArray:
    """Return the least CPU that each user's twin takes on any server it may be on, shape (N,)."""
    least = np.empty(problem.n_users)
    users, servers = np.arange(problem.n_users)[:, None], np.arange(problem.n_stations)[None, :]
    for start, stop in row_blocks(problem.n_users, problem.n_stations):
        rows = users[start:stop]
        cpu = problem.demand(rows, servers) if problem.sharing == "fixed" else problem.compute_floor(rows, servers)
        least[start:stop] = np.where(problem.pair_allowed(rows, servers), cpu, np.inf).min(axis=1)
    return least
