"""Branching on which servers are open, with the price dual as the bound of each node.

The dual is weak only where servers are open in part, so a few decisions close most of the gap; what is left is about
which user goes where, and nearly all of that is ruled out by the prices (see `ServerTree.pairs`).
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from dtopt.price_dual import CLOSED, FREE, OPEN

if TYPE_CHECKING:
    from collections.abc import Callable

    from dtopt.arrays import BoolArray, FloatArray
    from dtopt.price_dual import PriceDual

__all__ = ["ServerTree"]

#: Temperatures of the ascent at a node, which starts from the prices of its parent.
WARM = (0.01, 0.003, 0.001)


@dataclass(order=True)
class _Node:
    bound: float
    number: int
    dual: PriceDual = field(compare=False)
    prices: FloatArray = field(compare=False)


class ServerTree:
    """Best-first search over open and closed servers.

    Parameters
    ----------
    dual : PriceDual
        With no server decided.

    Attributes
    ----------
    bound : float
        Proven lower bound on the cost (without the constant part), so far.
    nodes : int
        Nodes whose dual was ascended.
    prices : ndarray
        Of the root.
    """

    def __init__(self, dual: PriceDual) -> None:
        value, self.prices = dual.ascend()
        self.nodes = 1
        self._open = [_Node(value, 0, dual, self.prices)]
        self._done: list[_Node] = []

    @property
    def bound(self) -> float:
        """The least bound of all nodes that are left; infinite where none is."""
        return min((node.bound for node in (*self._open, *self._done)), default=np.inf)

    def search(
        self,
        cutoff: Callable[[], float],
        stop: Callable[[], bool],
        visit: Callable[[PriceDual, FloatArray], None],
        most_nodes: int,
    ) -> None:
        """Branch until every node left is decided or above the cutoff, the nodes run out, or `stop` says so.

        Parameters
        ----------
        cutoff : callable
            Nodes at or above this cost are dropped.
        stop : callable
            Asked before each node.
        visit : callable
            Called with the dual and the prices of each node that is left, to look for solutions there.
        most_nodes : int
        """
        while self._open and self.nodes < most_nodes and not stop():
            node = heapq.heappop(self._open)
            if node.bound >= cutoff():
                continue
            decided = self._tighten(node, cutoff())
            free = np.flatnonzero(decided.dual.state == FREE)
            if not free.size:
                self._done.append(decided)
                continue
            server = int(free[np.abs(self._openness(decided)[free] - 0.5).argmin()])
            for state in (OPEN, CLOSED):
                child = decided.dual.decided(server, state)
                value, prices = child.ascend(decided.prices, WARM, enough=cutoff())
                self.nodes += 1
                if value < cutoff():
                    visit(child, prices)
                    heapq.heappush(self._open, _Node(max(value, decided.bound), self.nodes, child, prices))

    def pairs(self, cutoff: float) -> BoolArray:
        """Return the pairs that could be part of a solution below the cutoff, shape (N, M)."""
        left = [node for node in (*self._open, *self._done) if node.bound < cutoff]
        if not left:
            return np.zeros((0, 0), dtype=bool)
        kept = left[0].dual.pair_bounds(left[0].prices) < cutoff
        for node in left[1:]:
            kept |= node.dual.pair_bounds(node.prices) < cutoff
        return np.asarray(kept)

    @staticmethod
    def _tighten(node: _Node, cutoff: float) -> _Node:
        """Decide the servers whose other state the prices rule out."""
        with_it, without_it = node.dual.server_bounds(node.prices)
        dual = node.dual
        for k in np.flatnonzero(dual.state == FREE).tolist():
            if with_it[k] >= cutoff:
                dual = dual.decided(k, CLOSED)
            elif without_it[k] >= cutoff:
                dual = dual.decided(k, OPEN)
        return _Node(node.bound, node.number, dual, node.prices)

    @staticmethod
    def _openness(node: _Node) -> FloatArray:
        """Return how far each server is open at the smoothed prices, between 0 and 1."""
        with_it, without_it = node.dual.server_bounds(node.prices)
        # with − without is V_k: open where negative, closed where positive; undecided near 0.
        value = np.where(np.isfinite(with_it - without_it), with_it - without_it, np.inf)
        scale = max(float(np.abs(value[np.isfinite(value)]).mean()), 1e-300)
        return np.asarray(1.0 / (1.0 + np.exp(np.clip(value / scale, -50, 50))))
