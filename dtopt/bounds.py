"""Dual bounds: proven bounds on the optimum that need no search.

P1: the constraints that tie decisions together are priced. With a price π_i on serving user i, λ_k on the load
L_k = Σ √(κ w_i) a_ik, μ_k on the places and ν_k on the CPU that must be set aside (demands under ``fixed`` sharing,
deadline floors under ``optimal``), each server decides alone which users pay for themselves and whether to open, which
leaves a closed form (see `dtopt.price_dual.PriceDual`). Any prices give a valid lower bound; good ones are found by
quasi-Newton ascent on a smoothed form, and the bound returned is the unsmoothed one.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from dtopt.price_dual import PriceDual
from dtopt.problem import Migration, Placement

if TYPE_CHECKING:
    from dtopt.arrays import FloatArray
    from dtopt.problem import Problem

__all__ = ["MOST_PAIRS", "SLACK", "dual_bound"]

#: Above this many pairs `dual_bound` gives no bound: the matrices would not fit.
MOST_PAIRS = 20_000_000
#: Relative slack taken off every bound, far above the rounding of its sums.
SLACK = 1e-10


def dual_bound(problem: Problem) -> float:
    """Return a proven bound on the optimum: a lower bound for P1, an upper bound for P2.

    Parameters
    ----------
    problem : Placement or Migration

    Returns
    -------
    float
        The bound; minus (P2: plus) infinity where the instance is too large for these matrices, plus (P2: minus)
        infinity where a user has no server at all.
    """
    if problem.n_users * problem.n_stations > MOST_PAIRS:
        return math.inf if problem.maximise else -math.inf
    if not problem.allowed_matrix.any(axis=1).all():
        return -math.inf if problem.maximise else math.inf
    if isinstance(problem, Placement):
        bound = PriceDual.of(problem).ascend()[0] + problem.constant_cost
    else:
        assert isinstance(problem, Migration)  # noqa: S101 - the two problems there are
        bound = _utility_alone(problem)
    return bound + SLACK * abs(bound) if problem.maximise else bound - SLACK * abs(bound)


def _pair_compute(problem: Problem) -> FloatArray:
    """Return the least compute latency of each pair: its own under ``fixed`` sharing, else that of a user alone."""
    stations = np.arange(problem.n_stations)[None, :]
    users = np.arange(problem.n_users)[:, None]
    share = problem.demand(users, stations) if problem.sharing == "fixed" else problem.network.stations.cpu_hz[None, :]
    return np.asarray(problem.load_cycles[:, None] / share)


def _utility_alone(problem: Migration) -> float:
    """Return Σ_i max_k U_i with every user alone on its best server."""
    latency = problem.transfer_matrix + _pair_compute(problem)
    utility = problem.beta * np.exp(problem.network.users.deadline_s[:, None] - latency)
    if problem.deadline == "soft":
        lateness = np.maximum(0.0, latency - problem.network.users.deadline_s[:, None])
        utility = utility - problem.deadline_penalty * lateness
    best = np.where(problem.allowed_matrix, utility, -np.inf).max(axis=1).sum()
    return float(best - (1.0 - problem.beta) * problem.energy_j.sum())
