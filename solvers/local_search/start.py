"""Starts for local search from a dual bound: by the prices of pairs, or of servers alone where pairs are too many."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from solvers._core import place_at_prices

if TYPE_CHECKING:
    from dtopt.arrays import FloatArray, IntArray
    from dtopt.price_dual import PriceDual
    from solvers.local_search.candidates import Lists
    from solvers.local_search.driver import Search

__all__ = ["focus_on", "from_prices", "from_servers"]

#: How often one more server is opened because users were left over.
ATTEMPTS = 8
#: Part of the servers that a bound leaves undecided, whose values are nearest to 0, and how many iterations more begin
#: at each of them than at others.
UNDECIDED, FOCUS = 0.2, 30


def from_prices(lists: Lists, dual: PriceDual, prices: FloatArray) -> IntArray | None:
    """Return an association that keeps capacities and CPU, or None where this simple way finds none.

    The servers that pay for themselves at the prices are open; users go in order of regret, the difference between
    their second-best and best priced cost, to the best server that has room.

    Parameters
    ----------
    lists : Lists
        Of all servers for each user.
    dual : PriceDual
        Of the same problem, with or without servers decided.
    prices : ndarray
        As `PriceDual.ascend` returns them.
    """
    priced, value = dual.priced(prices)
    order = np.argsort(value, kind="stable")
    order = order[np.isfinite(priced[:, order]).any(axis=0)]
    n_open = min(max(1, int((value < 0).sum())), lists.max_open)
    for _ in range(ATTEMPTS):
        is_open = np.zeros(value.size, dtype=bool)
        is_open[order[:n_open]] = True
        among = np.where(is_open, priced, np.inf)
        two = np.partition(among, 1, axis=1)[:, :2] if value.size > 1 else np.hstack([among, among])
        with np.errstate(invalid="ignore"):
            regret = np.where(np.isfinite(two[:, 0]), two[:, 1] - two[:, 0], np.inf)
        placed = place_at_prices(lists.view, np.ascontiguousarray(among), np.argsort(-regret, kind="stable"))
        if placed.min() >= 0:
            return placed.astype(np.int64)
        if n_open >= min(lists.max_open, order.size):
            return None
        n_open += 1
    return None


def from_servers(search: Search, value: FloatArray) -> None:
    """Start a search at the servers that pay for themselves at a bound's prices; look most at those that almost do.

    Parameters
    ----------
    search : Search
    value : ndarray, shape (M,)
        What each server adds to the bound, see `dtopt.wired_dual.WiredBound.server_value`.
    """
    n_open = min(max(1, int((value < 0).sum())), search.lists.max_open)
    closed = np.ones(value.size, dtype=bool)
    closed[np.argsort(value, kind="stable")[:n_open]] = False
    search.start(closed=closed)
    focus_on(search, value)


def focus_on(search: Search, value: FloatArray) -> None:
    """Let a search look most at the servers that a bound's prices leave undecided; see `from_servers`."""
    undecided = np.argsort(np.abs(value), kind="stable")[: max(1, int(UNDECIDED * value.size))]
    search.focus(np.concatenate([np.arange(value.size), np.repeat(undecided, FOCUS)]))
