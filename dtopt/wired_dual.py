"""The price dual of P1 at scale: ascent over the pairs near each user, a bound over all of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from dtopt.price_ascent import Start, climb, even_price
from dtopt.wired import listed, settle, start_radius, wired_pairs

if TYPE_CHECKING:
    from dtopt.arrays import FloatArray
    from dtopt.problem import Placement
    from dtopt.wired import WiredPairs

__all__ = ["WiredBound", "wired_bound"]

#: Stations nearest to each user's access station that the ascent begins with.
CANDIDATES = 24
TEMPERATURES = (0.3, 0.03, 0.003, 0.0005)
#: Iterations at each temperature.
ITERATIONS = 200
#: How often pairs that gain but were not listed may be added, and from which relative loss on that pays.
ROUNDS, WORTHWHILE = 3, 1e-6
#: Rounding of a sum is below this part of the sizes of its terms.
ROUNDING = 1e-12


@dataclass(frozen=True, eq=False)
class WiredBound:
    """A lower bound on P1 without its constant part, and the prices that prove it.

    Parameters
    ----------
    value : float
        Rounding taken off; infinite where a user has no server at all.
    prices : ndarray, shape (N + 3M + 1,)
    server_value : ndarray, shape (M,)
        V of each server: below 0 where it pays for itself at these prices.
    pairs : WiredPairs
    """

    value: float
    prices: FloatArray
    server_value: FloatArray
    pairs: WiredPairs


def wired_bound(problem: Placement) -> WiredBound | None:
    """Return the bound of a problem of any size, or None where pairs are not made of wired distances.

    The memory is that of some dozens of pairs for each user and of a matrix of stations by stations.
    """
    pairs = wired_pairs(problem)
    if pairs is None:
        return None
    n, m = problem.n_users, problem.n_stations
    radius = start_radius(pairs, CANDIDATES)
    columns = listed(pairs, radius)
    even = even_price(pairs.root_load, pairs.cpu, pairs.worth)
    serve = np.full(n, np.inf)
    np.minimum.at(serve, columns.user, columns.cost)
    if not np.isfinite(serve).all():
        # Users whose near servers are all closed to them look at every station.
        radius = np.where(np.isfinite(serve), radius, np.inf)
        columns = listed(pairs, radius)
        np.minimum.at(serve, columns.user, columns.cost)
        if not np.isfinite(serve).all():
            return WiredBound(np.inf, np.zeros(n + 3 * m + 1), np.zeros(m), pairs)
    useful = np.zeros(3 * m + 1, dtype=bool)
    useful[:m] = pairs.root_load.any()
    useful[m : 2 * m] = pairs.capacity < n
    useful[2 * m : 3 * m] = pairs.demand.size > 0
    useful[-1] = pairs.max_open < m
    start = Start.of(serve + even * pairs.root_load, even, pairs.opening, useful)
    state = np.zeros(m, dtype=np.int64)
    prices, best = start.prices, WiredBound(-np.inf, start.prices, np.zeros(m), pairs)
    temperatures: tuple[float, ...] = TEMPERATURES
    has_floor = pairs.cycles.size > 0 and pairs.demand.size == 0
    for _ in range(ROUNDS):
        hoped, prices = climb(columns, state, start, prices, temperatures, iterations=ITERATIONS)
        value, magnitude, server, reach = settle(pairs, prices, radius, has_floor)
        proven = value - ROUNDING * magnitude
        if proven > best.value:
            best = WiredBound(proven, prices, server, pairs)
        if hoped - value <= WORTHWHILE * abs(hoped) or not (reach > radius).any():
            break
        radius, temperatures = reach, TEMPERATURES[-2:]
        columns = listed(pairs, radius)
    return best
