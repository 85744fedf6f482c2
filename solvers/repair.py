"""Repair: find places for users that a constructive method could not place, by moving others out of the way."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from solvers.loads import ServerLoads

__all__ = ["place_remaining"]

#: Users on a full server that are tried as the one to move away, cheapest first.
EJECTIONS = 50


def place_remaining(loads: ServerLoads) -> bool:
    """Place every user without a server, if need be by sending one other user elsewhere.

    Returns
    -------
    bool
        Whether all users have a server now; False proves nothing.
    """
    for user in np.flatnonzero(loads.association < 0).tolist():
        cost = loads.marginal(np.array([user]))[0]
        if np.isfinite(cost).any():
            loads.add(user, int(cost.argmin()))
        elif not _eject(loads, user):
            return False
    return True


def _eject(loads: ServerLoads, user: int) -> bool:
    """Move one other user away so that `user` fits, at least cost; return whether that was possible."""
    problem = loads.problem
    servers = np.flatnonzero(problem.pair_allowed(np.array([user]), np.arange(problem.n_stations)) & loads.is_open)
    best: tuple[float, int, int, int] | None = None
    for server in servers.tolist():
        members = np.flatnonzero(loads.association == server)
        if not members.size:
            continue
        away = loads.marginal(members)
        away[:, server] = np.inf
        for position in np.argsort(away.min(axis=1), kind="stable")[:EJECTIONS].tolist():
            cost = float(away[position].min())
            if not np.isfinite(cost) or (best is not None and cost >= best[0]):
                break
            trial = loads.copy()
            trial.remove(int(members[position]))
            if trial.feasible(np.array([user]))[0, server]:
                best = (cost, int(members[position]), server, int(away[position].argmin()))
                break
    if best is None:
        return False
    _, other, server, target = best
    loads.remove(other)
    loads.add(other, target)
    loads.add(user, server)
    return True
