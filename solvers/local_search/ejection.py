"""Ejection chains and path relinking for problems with ``fixed`` sharing (Yagiura, Ibaraki and Glover, 2006).

The search itself is compiled, `solvers._core.EjectionSearch`; it goes on in slices, between which this looks up.
"""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np

from dtopt._core import Cancellation
from dtopt.price_dual import PriceDual
from dtopt.tolerances import within
from solvers._core import EjectionSearch, Sharing

if TYPE_CHECKING:
    from collections.abc import Callable

    from dtopt.arrays import BoolArray, FloatArray, IntArray
    from solvers.local_search.arrays import SearchArrays

__all__ = ["improve_fixed"]

#: Seconds of the first slice, and of any, at most: each may take twice as long as the one before.
FIRST_SLICE, SLICE = 0.002, 0.05


def improve_fixed(
    arrays: SearchArrays,
    association: IntArray | None,
    *,
    seconds: float,
    seed: int,
    should_stop: Callable[[], bool] | None = None,
    on_better: Callable[[IntArray, float], None] | None = None,
    iterations: int | None = None,
    servers: BoolArray | None = None,
) -> tuple[IntArray | None, float]:
    """Return the best association that ejection chains and path relinking find, and its cost.

    Parameters
    ----------
    arrays : SearchArrays
        Of a problem with ``fixed`` sharing.
    association : ndarray of int, shape (N,), or None
        Where to start; it may break constraints.
    seconds : float
    seed : int
        With `iterations` given and met in time, the same seed gives the same answer.
    should_stop : callable, optional
        Asked about every twentieth of a second.
    on_better : callable, optional
        Called with each better feasible association and its cost, at most once for each time `should_stop` is asked.
    iterations : int, optional
        The number of users whose neighbourhoods are searched; a local search takes at least N.
    servers : ndarray of bool, shape (M,), optional
        The servers that may be used; all where not given.

    Returns
    -------
    ndarray of int, shape (N,), or None
        None where nothing feasible was found.
    float
        Its cost as `SearchArrays.total` has it, or infinity.
    """
    view = arrays.lists.view
    if view.sharing != Sharing.FIXED:
        raise ValueError("ejection chains are for fixed sharing")
    end = perf_counter() + seconds
    usable = arrays.capacity > 0 if servers is None else servers & (arrays.capacity > 0)
    allowed = np.isfinite(arrays.cost) & usable & (arrays.part <= within(1.0))
    if not allowed.size or not allowed.any(axis=1).all():
        return None, np.inf
    place_price, share_price = _prices(arrays, allowed)
    search = EjectionSearch(
        view,
        share_price=share_price,
        place_price=place_price,
        usable=usable,
        start=None if association is None else np.ascontiguousarray(association, dtype=np.int64),
        seed=seed % 2**64,
    )
    best_cost = search.best_cost
    left, size = 2**62 if iterations is None else iterations, FIRST_SLICE
    while left > 0 and perf_counter() < end and not (should_stop is not None and should_stop()):
        # Slices only say when to look up: what is found does not depend on them.
        left -= search.advance(left, Cancellation(min(size, end - perf_counter())))
        size = min(2.0 * size, SLICE)
        if search.best_cost < best_cost:
            best_cost = search.best_cost
            found = search.best
            if on_better is not None and found is not None:
                on_better(found, best_cost)
    return search.best, best_cost


def _prices(arrays: SearchArrays, allowed: BoolArray) -> tuple[FloatArray, FloatArray]:
    """Return the prices of a place and of the whole CPU of each server, from the Lagrangian dual."""
    n, m = arrays.cost.shape
    dual = PriceDual(
        cost=np.where(allowed, arrays.cost, np.inf),
        root_load=np.zeros(n),
        part=arrays.part,
        floor=None,
        cpu=arrays.cpu,
        capacity=np.minimum(arrays.capacity, n).astype(np.float64),
        opening=arrays.opening,
        worth=1.0,
        max_open=arrays.max_open,
        state=np.zeros(m, dtype=np.int64),
    )
    _, place_price, share_price = dual.ascend()[1][n:-1].reshape(3, m)
    return np.array(place_price), np.array(share_price)
