"""Which servers make the next neighbourhood: near ones, costly ones or any, as has paid so far; none twice in vain."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from dtopt.arrays import FloatArray, IntArray
    from dtopt.price_dual import PriceDual

__all__ = ["Choice"]

#: Ways to choose.
NEAR, COSTLY, ANY = 0, 1, 2
#: How fast weights of ways follow what they gain; the least weight of a way.
RATE, LEAST = 0.05, 0.1
#: Neighbourhoods remembered.
MOST_KNOWN = 500_000
#: Draws before a size is given up as all known.
DRAWS = 20


class Choice:
    """Draws sets of servers.

    Parameters
    ----------
    dual : PriceDual
    prices : ndarray
        As `PriceDual.ascend` returns them.
    association : ndarray of int, shape (N,)
    random : Generator
    """

    def __init__(self, dual: PriceDual, prices: FloatArray, association: IntArray, random: np.random.Generator) -> None:
        pair = dual.priced(prices)[0]
        regret = pair - pair.min(axis=1, keepdims=True)
        n, m = regret.shape
        second = np.partition(regret, 1, axis=1)[:, 1] if m > 1 else np.ones(n)
        finite = second[np.isfinite(second)]
        self.scale = max(float(finite.mean()) if finite.size else 1.0, 1e-300)
        self.regret = regret
        #: How readily each user goes to each server.
        self.draw_of = np.exp(-np.minimum(regret / self.scale, 50.0))
        self.random = random
        self.weight = np.ones(3)
        self.way = ANY
        #: For each neighbourhood, by its servers and who is there, the nodes that a search without success has had.
        self.known: dict[int, float] = {}
        self.mark = random.integers(0, 2**62, n)
        self.max_open = dual.max_open
        self._sum(association)

    def _sum(self, association: IntArray) -> None:
        n, m = self.draw_of.shape
        home = np.zeros((m, n))
        home[association, np.arange(n)] = 1.0
        #: Affinity of the users of one server to another one.
        self.affinity = home @ self.draw_of
        regret = np.minimum(self.regret[np.arange(n), association], 1e300)
        self.excess = np.bincount(association, weights=regret, minlength=m)
        self.is_open = np.bincount(association, minlength=m) > 0
        self.signature = np.zeros(m, dtype=np.int64)
        np.add.at(self.signature, association, self.mark)

    def moved(self, association: IntArray) -> None:
        """Note that the association has changed."""
        self._sum(association)

    def _key(self, servers: IntArray) -> int:
        left = self.max_open - int(self.is_open.sum()) if self.max_open < self.is_open.size else 0
        return hash((left, *servers.tolist(), *self.signature[servers].tolist()))

    def draw(self, size: int, nodes: float) -> IntArray | None:
        """Return some servers, at least one of them open, that have not been searched with so many nodes in vain.

        None where all draws give some that have been.
        """
        for _ in range(DRAWS):
            self.way = int(self.random.choice(3, p=self.weight / self.weight.sum()))
            servers = self._draw(size)
            if servers is None:
                continue
            if self.known.get(self._key(servers), 0.0) < nodes:
                return servers
        return None

    def any(self, size: int) -> IntArray:
        """Return some servers, at least one of them open where that is easily had."""
        servers = self._draw(size)
        return servers if servers is not None else np.sort(self.random.choice(self.is_open.size, size, replace=False))

    def _draw(self, size: int) -> IntArray | None:
        m = self.is_open.size
        open_servers = np.flatnonzero(self.is_open)
        if self.way == ANY and open_servers.size == m:
            return np.sort(self.random.choice(m, size, replace=False))
        weight = np.ones(open_servers.size)
        if self.way == COSTLY:
            weight = self.excess[open_servers] + 0.1 * self.excess.mean() + 1e-300
        chosen = [int(self.random.choice(open_servers, p=weight / weight.sum()))]
        near = np.ones(m) if self.way == ANY else self.affinity[chosen[0]] + self.affinity[:, chosen[0]]
        while len(chosen) < size:
            weight = near.copy()
            weight[chosen] = 0.0
            total = weight.sum()
            if not total > 0.0:
                return None
            server = int(self.random.choice(m, p=weight / total))
            chosen.append(server)
            if self.way != ANY:
                near += self.affinity[server] + self.affinity[:, server]
        return np.sort(np.array(chosen))

    def learn(self, servers: IntArray, *, improved: bool, complete: bool, nodes: float) -> None:
        """Note what came of the servers drawn last, searched completely or with at most `nodes` nodes."""
        if not improved:
            if len(self.known) >= MOST_KNOWN:
                self.known.clear()
            self.known[self._key(servers)] = np.inf if complete else nodes
        gain = 1.0 if improved else 0.0
        self.weight[self.way] = max(LEAST, self.weight[self.way] + RATE * (3.0 * gain - self.weight[self.way]))
