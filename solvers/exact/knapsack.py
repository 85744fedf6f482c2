"""The Lagrangian dual of P1 under ``fixed`` sharing with whole knapsacks, and the pairs that it rules out.

The price dual lets a server divide its last user. Here each server solves its 0-1 knapsack by dynamic programming
(`solvers/core/knapsack_bound.hpp`), which is the strongest bound that prices on users alone can give. Demands are whole
numbers of grains, rounded down where they are not whole themselves, which only relaxes the problem.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from solvers._core import ClimbParams, KnapsackDual

if TYPE_CHECKING:
    from dtopt.arrays import FloatArray, IntArray
    from dtopt.price_dual import PriceDual
    from dtopt.problem import Placement

__all__ = ["climb_params", "knapsack_dual", "whole_demands"]

#: Grains that a server's CPU is cut into where demands are not whole numbers of at most `FINEST`.
GRAINS, FINEST = 4000, 20_000
#: The ascent in prices: steps without progress after which a step is halved, what counts as progress (a part of the
#: value), and the length of a step at which the ascent ends.
PATIENCE, LEAST_GAIN, SHORTEST = 40, 1e-5, 2.0**-8


def whole_demands(problem: Placement, grains: int = GRAINS, finest: int = FINEST) -> tuple[IntArray, IntArray]:
    """Return demands and CPUs as whole numbers, shapes (N, M) and (M,), such that what fits still fits.

    Whole demands stay as they are where no CPU is above `finest`. Others are counted in grains, `grains` to a server.
    """
    users, servers = np.arange(problem.n_users)[:, None], np.arange(problem.n_stations)[None, :]
    cpu = problem.cpu_limit_hz
    demand = np.broadcast_to(problem.demand(users, servers), (problem.n_users, problem.n_stations))
    if (demand == np.floor(demand)).all() and cpu.max() <= finest:
        return demand.astype(np.int64), np.floor(cpu).astype(np.int64)
    # A hair is given back before rounding down, so that 1/3 of 3 grains is not 0 of them.
    parts = np.floor(np.minimum(problem.reserved_part(users, servers), 2.0) * grains * (1.0 - 1e-9))
    return parts.astype(np.int64), np.full(cpu.size, grains)


def knapsack_dual(dual: PriceDual, prices: FloatArray, weight: IntArray, room: IntArray) -> KnapsackDual:
    """Return Σ_i π_i + Σ_k min(0, o + θ − μ_k N_k + min {Σ_i (c_ik − π_i + μ_k) x_i : Σ_i ρ_ik x_i <= 1}) − θ K.

    Parameters
    ----------
    dual : PriceDual
        Of a problem with ``fixed`` sharing; its prices μ and θ are taken over as they are.
    prices : ndarray
        As `PriceDual.ascend` returns them.
    weight, room : ndarray of int, shapes (N, M) and (M,)
        See `whole_demands`.
    """
    n, m = dual.cost.shape
    place = prices[n + m : n + 2 * m]
    return KnapsackDual(
        cost=np.ascontiguousarray((dual.cost + place).T),
        weight=np.ascontiguousarray(weight.T),
        room=room,
        empty=dual.opening + prices[-1] - place * dual.capacity,
        forced=dual.state > 0,
        constant=-float(prices[-1]) * dual.max_open,
        prices=np.ascontiguousarray(prices[:n]),
    )


def climb_params() -> ClimbParams:
    """Return how prices are raised here: until that no longer helps, as there are few such bounds."""
    params = ClimbParams()
    params.steps = 2**62
    params.patience, params.least_gain, params.shortest = PATIENCE, LEAST_GAIN, SHORTEST
    return params
