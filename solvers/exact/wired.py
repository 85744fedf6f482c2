"""The price dual of a large P1 with some servers decided: what `solvers.server_tree.ServerTree` branches on at scale.

Ascents look at the pairs that are near to gain at the root's prices; bounds are over all pairs of user and station.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from dtopt.price_ascent import climb
from dtopt.price_dual import decided_bounds
from dtopt.wired import settle
from dtopt.wired_dual import ROUNDING

if TYPE_CHECKING:
    from dtopt.arrays import FloatArray, IntArray
    from dtopt.price_ascent import Start
    from dtopt.price_kernel import Columns
    from dtopt.wired import WiredPairs
    from dtopt.wired_dual import WiredBound

__all__ = ["TEMPERATURES", "WiredDual"]

#: Temperatures of the ascent at a node, and iterations at each.
TEMPERATURES, ITERATIONS = (0.003, 0.001), 30
#: Pairs that cost up to so much more than they would gain, in units of a user's mean price, may come to gain.
MARGIN = 0.15


@dataclass(frozen=True, eq=False)
class WiredDual:
    """The dual of `dtopt.price_dual.PriceDual` with some servers decided, for pairs made of wired distances.

    Parameters
    ----------
    pairs : WiredPairs
    columns : Columns
        The pairs that ascents look at.
    start : Start
        The units of prices.
    radius : ndarray, shape (N,)
        What `dtopt.wired.settle` begins with, m.
    state : ndarray of int, shape (M,)
        What is decided of each server, as in `dtopt.price_dual`.
    """

    pairs: WiredPairs
    columns: Columns
    start: Start
    radius: FloatArray
    state: IntArray

    @classmethod
    def of(cls, wired: WiredBound) -> WiredDual:
        """Return the dual behind a bound, with all servers free."""
        columns, prices = wired.columns, wired.prices
        n, m = columns.root_load.size, columns.cpu.size
        server = np.repeat(np.arange(m), np.diff(columns.start))
        priced = columns.cost + prices[n + server] * columns.root_load[columns.user] + prices[n + m + server]
        if columns.part.size:
            priced += prices[n + 2 * m + server] * columns.part
        near = priced - prices[columns.user] < MARGIN * np.abs(prices[:n]).mean()
        narrow = columns._replace(
            start=np.append(0, np.bincount(server[near], minlength=m).cumsum()),
            user=columns.user[near],
            cost=columns.cost[near],
            part=columns.part[near] if columns.part.size else columns.part,
            floor=columns.floor[near] if columns.floor.size else columns.floor,
        )
        return cls(wired.pairs, narrow, wired.start, wired.radius, np.zeros(m, dtype=np.int64))

    def decided(self, server: int, state: int) -> WiredDual:
        """Return the dual with one more server decided to be open or closed."""
        changed = self.state.copy()
        changed[server] = state
        return replace(self, state=changed)

    def ascend(
        self,
        start: FloatArray | None = None,
        temperatures: tuple[float, ...] = TEMPERATURES,
        *,
        enough: float = np.inf,
    ) -> tuple[float, FloatArray]:
        """Return a bound over all pairs, and its prices; from `start` on, or the units' own prices."""
        begin = self.start.prices if start is None else start
        _, prices = climb(
            self.columns, self.state, self.start, begin, temperatures, enough=enough, iterations=ITERATIONS
        )
        return self._settled(prices)[0], prices

    def server_bounds(self, prices: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return lower bounds on the cost with each server open, and with it closed; shapes (M,)."""
        return decided_bounds(self.state, *self._settled(prices))

    def _settled(self, prices: FloatArray) -> tuple[float, FloatArray]:
        """Return the bound at these prices, rounding taken off, and V of each server."""
        has_floor = self.pairs.cycles.size > 0 and self.pairs.demand.size == 0
        value, magnitude, server, _ = settle(self.pairs, prices, self.radius, has_floor, self.state)
        return value - ROUNDING * magnitude, server
