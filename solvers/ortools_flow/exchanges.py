"""Exchanges of one user of each of several servers, by linear assignment."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from solvers.ortools_flow.transport import exchange

if TYPE_CHECKING:
    from dtopt.arrays import IntArray
    from dtopt.run import Run
    from solvers.ortools_flow.linear import Linearised

__all__ = ["exchanges"]

#: Exchanges without improvement after which the search ends: for each user, and at most.
EXCHANGES, MOST_EXCHANGES = 60, 20_000
#: Part of the draws that take no user from a server, so that twins may also just move.
IDLE = 0.25
#: Servers that exchange users with each other at a time.
TOGETHER = 16


def exchanges(run: Run, linear: Linearised, rng: np.random.Generator) -> None:
    """Draw a user, or none, from each of several servers and deal them out anew by linear assignment.

    With one user out and at most one in, what a server costs afterwards depends on the newcomer alone, so that the
    best of all permutations is an assignment problem. It ends when many draws in a row have not helped.
    """
    assert run.solution is not None  # noqa: S101 - begins with a solution
    assert run.evaluation is not None  # noqa: S101
    association = run.solution.association.copy()
    value = run.evaluation.objective
    idle = 0
    while idle < min(EXCHANGES * run.problem.n_users, MOST_EXCHANGES):
        run.check()
        run.iterations += 1
        idle += 1
        moved = _draw(linear, association, rng)
        if moved is None:
            continue
        found = run.offer(moved)
        if found.feasible and run.evaluation.objective != value:
            association, value, idle = moved, run.evaluation.objective, 0


def _draw(linear: Linearised, association: IntArray, rng: np.random.Generator) -> IntArray | None:
    """Return the best permutation of one draw; None where that is as it was."""
    servers = np.unique(association)
    if servers.size > TOGETHER:
        servers = np.sort(rng.choice(servers, TOGETHER, replace=False))
    picks = np.full(servers.size, -1)
    for position, k in enumerate(servers.tolist()):
        if rng.random() >= IDLE:
            members = np.flatnonzero(association == k)
            picks[position] = members[rng.integers(members.size)]
    if (picks >= 0).sum() == 0:
        return None
    cost = linear.after_exchange(association, servers, picks)
    order = exchange(cost)
    if order is None:
        return None
    places = np.arange(servers.size)
    now = float(np.trace(cost))
    if np.isfinite(now) and cost[places, order].sum() >= now - 1e-12 * abs(now):
        return None
    moved = association.copy()
    real = picks >= 0
    moved[picks[real]] = servers[order[real]]
    return moved
