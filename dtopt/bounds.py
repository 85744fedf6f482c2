"""Dual bounds: proven bounds on the optimum that need no search.

They hold for the problem's CPU-sharing policy: shares follow from the association, they are not decisions.

P1: the constraints that tie decisions together are priced. With a price π_i on serving user i, λ_k on the load
L_k = Σ √(κ w_i) a_ik, μ_k on the places and ν_k on the CPU that must be set aside (demands under ``fixed`` sharing,
deadline floors under ``optimal``), each server decides alone which users pay for themselves and whether to open, which
leaves a closed form (see `dtopt.price_dual.PriceDual`). Any prices give a valid lower bound; good ones are found by
quasi-Newton ascent on a smoothed form, and the bound returned is the unsmoothed one.

P2: with prices on serving users, each server decides alone how full it gets and with whom, see `dtopt.utility_dual`.
Where that takes too much, every user counts as alone on its best server.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from dtopt.channel import row_blocks
from dtopt.price_dual import PriceDual
from dtopt.problem import Migration, Placement
from dtopt.sharing import compute_latency

if TYPE_CHECKING:
    from collections.abc import Callable

    from dtopt.problem import Problem

__all__ = ["MOST_PAIRS", "SLACK", "dual_bound", "proven"]

#: Above this many pairs the bound of P1 comes from wired distances where it can, without matrices of all pairs.
DENSE_PAIRS = 200_000
#: Above this many pairs `dual_bound` gives no bound for P1 where latencies or demands are given pair by pair.
MOST_PAIRS = 20_000_000
#: Up to so many pairs the utility dual is split until that gains less than this, relatively: some 100 µs a pair.
SPLIT_PAIRS, ACCURACY = 50_000, 1e-6
#: Relative slack taken off every bound, far above the rounding of its sums.
SLACK = 1e-10


def dual_bound(problem: Problem, stop: Callable[[], bool] | None = None) -> float:
    """Return a proven bound on the optimum: a lower bound for P1, an upper bound for P2.

    Parameters
    ----------
    problem : Placement or Migration
    stop : callable, optional
        Asked now and then for a large problem: once it says so, the bound is the best so far.

    Returns
    -------
    float
        The bound; minus infinity where a P1 whose data are given pair by pair is too large for matrices, plus (P2:
        minus) infinity where a user has no server at all.
    """
    if isinstance(problem, Migration):
        bound = _utility_dual(problem, stop)
        return bound + SLACK * abs(bound) if math.isfinite(bound) else bound
    assert isinstance(problem, Placement)  # noqa: S101 - the two problems there are
    if problem.n_users * problem.n_stations > DENSE_PAIRS:
        # Here and not above: only large problems need it.
        from dtopt.wired_dual import wired_bound

        wired = wired_bound(problem, stop)
        if wired is not None:
            return proven(wired.value, problem)
    if problem.n_users * problem.n_stations > MOST_PAIRS:
        return -math.inf
    if not problem.allowed_matrix.any(axis=1).all():
        return math.inf
    return proven(PriceDual.of(problem).ascend()[0], problem)


def proven(value: float, problem: Placement) -> float:
    """Return the bound on the whole objective that a value of a dual of P1 proves."""
    bound = value + problem.constant_cost
    return bound - SLACK * abs(bound)


def _utility_dual(problem: Migration, stop: Callable[[], bool] | None) -> float:
    """Return the bound of P2: the utility dual, and every user alone where that would take too much."""
    # Here and not above: a bound of P1 needs none of it.
    from dtopt.utility_dual import MOST_PAIRS as UTILITY_PAIRS
    from dtopt.utility_dual import WARM, UtilityDual
    from dtopt.utility_segments import ServerUtility

    alone = _utility_alone(problem)
    stopped = stop is not None and stop()
    if problem.n_users * problem.n_stations > UTILITY_PAIRS or not math.isfinite(alone) or stopped:
        return alone
    dual = UtilityDual.of(ServerUtility.of(problem))
    if problem.n_users * problem.n_stations > SPLIT_PAIRS:
        value, _ = dual.ascend(temperatures=WARM, stop=stop)
    else:
        value, prices = dual.ascend(stop=stop)
        value = min(value, dual.tighten(prices, ACCURACY, stop=stop)[0])
    return min(alone, value - (1.0 - problem.beta) * float(problem.energy_j.sum()))


def _utility_alone(problem: Migration) -> float:
    """Return Σ_i max_k U_i with every user alone on its best server, −inf where one has none; some rows at a time."""
    from dtopt.utility_segments import exp

    stations = np.arange(problem.n_stations)[None, :]
    cpu = problem.network.stations.cpu_hz
    total = 0.0
    for start, stop in row_blocks(problem.n_users, problem.n_stations):
        users = np.arange(start, stop)[:, None]
        share = problem.demand(users, stations) if problem.sharing == "fixed" else cpu[None, :]
        latency = problem.transfer_latency(users, stations) + compute_latency(problem.load_cycles[users], share)
        deadline = problem.network.users.deadline_s[users]
        utility = problem.beta * exp(deadline - latency)
        if problem.deadline == "soft":
            late = np.where(np.isfinite(latency), np.maximum(0.0, latency - deadline), 0.0)
            utility = utility - problem.deadline_penalty * late
        total += float(np.where(problem.pair_allowed(users, stations), utility, -np.inf).max(axis=1).sum())
    return total - (1.0 - problem.beta) * float(problem.energy_j.sum())
