"""The price dual of P1 at scale: ascent over the pairs near each user, a bound over all of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from dtopt.price_ascent import Start, climb, even_price, narrowed
from dtopt.wired import WiredPairs, wired_pairs

if TYPE_CHECKING:
    from collections.abc import Callable

    from dtopt._core import Columns
    from dtopt.arrays import FloatArray
    from dtopt.problem import Placement

__all__ = ["WiredBound", "wired_bound"]

#: Stations nearest to each user's access station that the ascent begins with.
CANDIDATES = 24
TEMPERATURES = (0.3, 0.03, 0.003, 0.0005)
#: The same where half the time matters more than the last 1e-5 of the bound, and iterations at each of them.
QUICK_TEMPERATURES, QUICK_ITERATIONS = (0.3, 0.03, 0.003, 0.001), 100
#: From this many users on the prices of a sample, every so manyth user, are the start.
SAMPLED_USERS, STRIDE = 5_000, 10
#: Iterations at each temperature.
ITERATIONS = 200
#: From good prices on an ascent looks at the pairs that cost up to so much more than they would gain, in units of a
#: user's mean price.
NEAR = 0.15
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
    columns : Columns
        The pairs that the ascent looked at last.
    start : Start
        The units of prices.
    radius : ndarray, shape (N,)
        Of the listed pairs around each user's access station, m.
    """

    value: float
    prices: FloatArray
    server_value: FloatArray
    pairs: WiredPairs
    columns: Columns
    start: Start
    radius: FloatArray


def wired_bound(
    problem: Placement, stop: Callable[[], bool] | None = None, *, quick: bool = False
) -> WiredBound | None:
    """Return the bound of a problem of any size, or None where pairs are not made of wired distances.

    The memory is that of some dozens of pairs for each user and of a matrix of stations by stations.

    Parameters
    ----------
    problem : Placement
    stop : callable, optional
        Asked between temperatures: once it says so, the bound is that of the prices so far.
    quick : bool
        Whether to take half the time for a bound that is lower by about 1e-5 of it.
    """
    pairs = wired_pairs(problem)
    return None if pairs is None else _bound(pairs, stop or (lambda: False), quick)


def _bound(pairs: WiredPairs, stop: Callable[[], bool], quick: bool = False) -> WiredBound:
    cooling, iterations = (QUICK_TEMPERATURES, QUICK_ITERATIONS) if quick else (TEMPERATURES, ITERATIONS)
    n, m = pairs.base.size, pairs.cpu.size
    radius = pairs.start_radius(CANDIDATES)
    columns = pairs.listed(radius)
    even = even_price(pairs.root_load, pairs.cpu, pairs.worth)
    serve = np.full(n, np.inf)
    np.minimum.at(serve, columns.user, columns.cost)
    if not np.isfinite(serve).all():
        # Users whose near servers are all closed to them look at every station.
        radius = np.where(np.isfinite(serve), radius, np.inf)
        columns = pairs.listed(radius)
        np.minimum.at(serve, columns.user, columns.cost)
    useful = np.zeros(3 * m + 1, dtype=bool)
    useful[:m] = pairs.root_load.any()
    useful[m : 2 * m] = pairs.capacity < n
    useful[2 * m : 3 * m] = pairs.demand is not None
    useful[-1] = pairs.max_open < m
    start = Start.of(serve + even * pairs.root_load, even, float(pairs.opening.mean()), useful)
    prices = start.prices
    if not np.isfinite(serve).all():
        return WiredBound(np.inf, np.zeros(n + 3 * m + 1), np.zeros(m), pairs, columns, start, radius)
    temperatures: tuple[float, ...] = cooling
    narrow = False
    if n >= SAMPLED_USERS:
        sample = _bound(_sampled(pairs), stop, quick)
        if np.isfinite(sample.value):
            prices, temperatures, narrow = _prices_of_all(pairs, columns, sample.prices), cooling[1:], True
    state = np.zeros(m, dtype=np.int64)
    best = WiredBound(-np.inf, prices, np.zeros(m), pairs, columns, start, radius)
    for _ in range(ROUNDS):
        hoped = -np.inf
        for temperature in temperatures:
            if stop():
                break
            looked = narrowed(columns, prices, NEAR) if narrow else columns
            hoped, prices = climb(looked, state, start, prices, (temperature,), iterations=iterations)
        value, magnitude, server, reach = pairs.settle(prices, radius, state)
        proven = value - ROUNDING * magnitude
        if proven > best.value:
            best = WiredBound(proven, prices, server, pairs, columns, start, radius)
        beyond = bool((reach > radius).any())
        if stop() or hoped - value <= WORTHWHILE * abs(hoped) or not (narrow or beyond):
            break
        temperatures, narrow = cooling[-2:], False
        if beyond:
            radius = reach
            columns = pairs.listed(radius)
    return best


def _sampled(pairs: WiredPairs) -> WiredPairs:
    """Return the pairs of every `STRIDE`-th user, with that much less of everything that users share."""

    def some(values: FloatArray) -> FloatArray:
        return np.ascontiguousarray(values[::STRIDE])

    def some_of(values: FloatArray | None) -> FloatArray | None:
        return None if values is None else some(values)

    return replace(
        pairs,
        base=some(pairs.base),
        slope=some(pairs.slope),
        access=np.ascontiguousarray(pairs.access[::STRIDE]),
        slack=some_of(pairs.slack),
        pace=some_of(pairs.pace),
        cycles=some_of(pairs.cycles),
        demand=some_of(pairs.demand),
        root_load=some(pairs.root_load),
        cpu=pairs.cpu / STRIDE,
        capacity=pairs.capacity / STRIDE,
        opening=pairs.opening / STRIDE,
    )


def _prices_of_all(pairs: WiredPairs, columns: Columns, sample: FloatArray) -> FloatArray:
    """Return prices for all users from those of a sample: servers' as they are, users' by their least priced cost."""
    m = pairs.cpu.size
    shared = sample[-(3 * m + 1) :].copy()
    # A price of the whole CPU or of one more server is that of so many times the sample's.
    shared[2 * m :] *= STRIDE
    load, place, part = shared[:-1].reshape(3, m)
    least = columns.least_priced(load, place, part)
    # What the sample's users paid beyond that, on average, opens servers.
    near = np.maximum(sample[: -(3 * m + 1)] - least[::STRIDE], 0.0)
    return np.concatenate([least + near.mean(), shared])
