"""The price dual of a large P1 with some servers decided: what `solvers.server_tree.ServerTree` branches on at scale.

What is decided of a server moves prices near it, so an ascent looks at the users and servers around the one decided
last and leaves all other prices as they are; any prices prove a bound, and bounds are over all pairs.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from dtopt.price_ascent import Start, climb, narrowed
from dtopt.price_dual import FREE, OPEN, decided_bounds
from dtopt.wired_dual import ROUNDING

if TYPE_CHECKING:
    from dtopt._core import Columns, Region
    from dtopt.arrays import FloatArray, IntArray
    from dtopt.wired import WiredPairs
    from dtopt.wired_dual import WiredBound

__all__ = ["TEMPERATURES", "WiredDual"]

#: Temperatures of the ascent at a node, iterations at each, and past steps that it remembers.
TEMPERATURES, ITERATIONS, MEMORY = (0.002, 0.0005), 45, 5
#: Pairs that cost up to so much more than they would gain, in units of a user's mean price, may come to gain; those of
#: users of the server that is decided up to so many times as much more.
MARGIN, WIDE = 0.06, 5.0
#: Around a server that is decided: servers whose prices may change, stations whose users' prices may, and servers that
#: these users may be on.
INNER, AREAS, SERVERS = 15, 22, 45


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
        What `WiredPairs.settle` begins with, m.
    state : ndarray of int, shape (M,)
        What is decided of each server, as in `dtopt.price_dual`.
    last : int
        The server decided last; −1 for none.
    """

    pairs: WiredPairs
    columns: Columns
    start: Start
    radius: FloatArray
    state: IntArray
    last: int = -1
    _known: list[tuple[FloatArray, tuple[float, FloatArray]]] = field(default_factory=list, init=False, repr=False)

    @classmethod
    def of(cls, wired: WiredBound) -> WiredDual:
        """Return the dual behind a bound, with all servers free."""
        return cls(
            wired.pairs, wired.columns, wired.start, wired.radius, np.zeros(wired.pairs.cpu.size, dtype=np.int64)
        )

    def decided(self, server: int, state: int) -> WiredDual:
        """Return the dual with one more server decided to be open or closed."""
        changed = self.state.copy()
        changed[server] = state
        dual = replace(self, state=changed, last=server)
        if self._known and self.state[server] == FREE:
            prices, (value, worth) = self._known[0]
            value += (worth[server] if state == OPEN else 0.0) - min(0.0, float(worth[server]))
            dual._known[:] = [(prices, (value, worth))]
        return dual

    def ascend(
        self,
        start: FloatArray | None = None,
        temperatures: tuple[float, ...] = TEMPERATURES,
        *,
        enough: float = np.inf,
    ) -> tuple[float, FloatArray]:
        """Return a bound over all pairs, and its prices; from `start` on, or the units' own prices."""
        begin = self.start.prices if start is None else start
        if self.last < 0:
            columns = narrowed(self.columns, begin, MARGIN)
            _, prices = climb(columns, self.state, self.start, begin, temperatures, enough=enough, memory=MEMORY)
            return self._settled(prices)[0], prices
        best = self._settled(begin)[0]
        for wide in (WIDE, np.inf):
            prices = self._around(begin, temperatures, wide)
            value = self._settled(prices)[0]
            if value >= best:
                return value, prices
            # Users have gone where too few of their pairs were looked at.
        return best, begin

    def server_bounds(self, prices: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return lower bounds on the cost with each server open, and with it closed; shapes (M,)."""
        return decided_bounds(self.state, *self._settled(prices))

    def _around(self, begin: FloatArray, temperatures: tuple[float, ...], wide: float) -> FloatArray:
        """Return prices that ascend around the server decided last."""
        part = self._region(begin, wide)
        users, servers = part.users, self._servers
        n, m, n_users, n_servers = self.radius.size, self.state.size, users.size, servers.size
        at = np.concatenate([users, n + servers, n + m + servers, n + 2 * m + servers, [n + 3 * m]])
        whole, fixed = self.start, self.start.fixed[at]
        fixed[part.free_users : n_users] = fixed[-1] = True
        fixed[n_users:-1].reshape(3, n_servers)[:, INNER:] = True
        start = Start(begin[at], whole.unit[at], whole.bounded[at], fixed, whole.typical)
        _, found = climb(
            part.columns, self.state[servers], start, begin[at], temperatures, iterations=ITERATIONS, memory=MEMORY
        )
        prices = begin.copy()
        prices[at] = found
        return prices

    def _region(self, prices: FloatArray, wide: float) -> Region:
        columns, pairs, server = self.columns, self.pairs, self.last
        n, m, order = self.radius.size, self.state.size, pairs.order[server]
        margin = np.full(n, MARGIN * float(np.abs(prices[:n]).mean()))
        users, cost = columns.of_server(server)
        priced = cost + prices[n + server] * pairs.root_load[users] + prices[n + m + server]
        margin[users[priced - prices[users] < margin[0]]] *= wide
        areas = np.zeros(m, dtype=bool)
        areas[order[:AREAS]] = True
        servers = self._servers
        return columns.region(prices, margin, servers, min(INNER, servers.size), areas[pairs.access])

    @property
    def _servers(self) -> IntArray:
        """The servers around the one decided last."""
        return self.pairs.order[self.last, :SERVERS].astype(np.int64)

    def _settled(self, prices: FloatArray) -> tuple[float, FloatArray]:
        """Return the bound at these prices, rounding taken off, and V of each server."""
        if self._known and self._known[0][0] is prices:
            return self._known[0][1]
        value, magnitude, server, _ = self.pairs.settle(prices, self.radius, self.state)
        self._known[:] = [(prices, (value - ROUNDING * magnitude, server))]
        return self._known[0][1]
