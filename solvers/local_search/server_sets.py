"""Which servers to open, for small problems: sets of servers compared by quick descents of all users.

A set is worth what users cost after a few sweeps of shifts among its servers. That takes microseconds, so that all sets
can be looked at that differ from the best one by a few servers, where an iteration of the search proper, with its exact
deadlines and its log, takes a hundred times as long.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dtopt.halting import cancellation

if TYPE_CHECKING:
    from collections.abc import Callable

    from dtopt.arrays import IntArray
    from solvers._core import OpenSetSearch
    from solvers.local_search.driver import Search

__all__ = ["open_better", "try_others"]

#: Searches for a better set in a row.
SEARCHES = 4
#: Sets drawn at random to begin from, and how far above the best cost (a part of it) what becomes of one is polished.
RANDOM_SETS, NEAR_BEST = 8, 0.02


def open_better(
    search: Search,
    sets: OpenSetSearch,
    usable: IntArray,
    offer: Callable[[], None],
    check: Callable[[], bool] = lambda: False,
) -> None:
    """Let a search go on from better sets of servers, each polished, while that lowers its cost.

    Parameters
    ----------
    search : Search
        Under way.
    sets : OpenSetSearch
        Over the same dense view.
    usable : ndarray of int
        The servers that may be open.
    offer : callable
        Called after each gain.
    check : callable
        Whether to stop.
    """
    for _ in range(SEARCHES):
        before, here = search.best_cost, search.best()
        _, found = sets.improve(usable, here, cancellation())
        if check() or found.min() < 0 or (found == here).all():
            return
        search.start(found)
        search.polish(check)
        if not search.best_cost < before:
            search.start(here)
            return
        offer()


def try_others(
    search: Search,
    sets: OpenSetSearch,
    usable: IntArray,
    rng: np.random.Generator,
    offer: Callable[[], None],
    check: Callable[[], bool] = lambda: False,
) -> None:
    """Improve sets of servers drawn at random, about as many as are open, and polish those near the best cost.

    Parameters
    ----------
    search, sets, usable, offer, check
        See `open_better`.
    rng : Generator
    """
    n_users, n_open = search.best().size, np.unique(search.best()).size
    for _ in range(RANDOM_SETS):
        if check():
            return
        size = min(usable.size, max(1, n_open + int(rng.integers(-1, 2))))
        among = rng.permutation(usable)[:size]
        value, found = sets.improve(usable, among[rng.integers(size, size=n_users)], cancellation())
        if found.min() < 0 or value > search.best_cost + NEAR_BEST * abs(search.best_cost):
            continue
        before, here = search.best_cost, search.best()
        search.start(found)
        search.polish(check)
        if search.best_cost < before:
            offer()
        else:
            search.start(here)
