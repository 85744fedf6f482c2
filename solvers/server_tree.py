"""Branching on which servers are open, with the price dual as the bound of each node.

The dual is weak only where servers are open in part, so a few decisions close most of the gap; what is left is about
which user goes where, and nearly all of that is ruled out by the prices (see `ServerTree.pairs`).
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, Protocol, Self, TypeVar

import numpy as np

from dtopt.price_dual import CLOSED, FREE, OPEN

if TYPE_CHECKING:
    from collections.abc import Callable

    from dtopt.arrays import BoolArray, FloatArray, IntArray
    from dtopt.price_dual import PriceDual

__all__ = ["ServerDual", "ServerTree"]

#: Temperatures of the ascent at a node, which starts from the prices of its parent.
WARM = (0.01, 0.003, 0.001)


class ServerDual(Protocol):
    """What a tree branches on: `dtopt.price_dual.PriceDual`, or `solvers.exact.wired.WiredDual` at scale."""

    @property
    def state(self) -> IntArray:
        """What is decided of each server, shape (M,)."""

    def decided(self, server: int, state: int) -> Self:
        """Return the dual with one more server decided."""

    def ascend(
        self, start: FloatArray | None = None, temperatures: tuple[float, ...] = ..., *, enough: float = ...
    ) -> tuple[float, FloatArray]:
        """Return a bound and its prices."""

    def server_bounds(self, prices: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return lower bounds with each server open, and with it closed; shapes (M,)."""


Dual = TypeVar("Dual", bound=ServerDual)


@dataclass(order=True)
class _Node(Generic[Dual]):
    bound: float
    number: int
    dual: Dual = field(compare=False)
    prices: FloatArray = field(compare=False)


class ServerTree(Generic[Dual]):
    """Best-first search over open and closed servers.

    Parameters
    ----------
    dual : PriceDual or WiredDual
        With no server decided.
    root : tuple, optional
        Bound and prices of that dual, where they are known.
    temperatures : tuple of float
        Of the ascent at a node.

    Attributes
    ----------
    bound : float
        Proven lower bound on the cost (without the constant part), so far.
    nodes : int
        Nodes whose dual was ascended.
    prices : ndarray
        Of the root.
    """

    def __init__(
        self, dual: Dual, root: tuple[float, FloatArray] | None = None, temperatures: tuple[float, ...] = WARM
    ) -> None:
        value, self.prices = dual.ascend() if root is None else root
        self.nodes = 1
        self._temperatures = temperatures
        self._open: list[_Node[Dual]] = [_Node(value, 0, dual, self.prices)]
        self._done: list[_Node[Dual]] = []

    @property
    def bound(self) -> float:
        """The least bound of all nodes that are left; infinite where none is."""
        return min((node.bound for node in (*self._open, *self._done)), default=np.inf)

    @property
    def finished(self) -> bool:
        """Whether every node that is left has all its servers decided."""
        return not self._open

    def search(
        self,
        cutoff: Callable[[], float],
        stop: Callable[[], bool],
        visit: Callable[[Dual, FloatArray], None],
        most_nodes: int,
        decided: Callable[[Dual, FloatArray], None] | None = None,
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
        decided : callable, optional
            Called likewise with each node where no server is left to decide, those with the least bounds first.
        """
        while self._open and self.nodes < most_nodes and not stop():
            node = heapq.heappop(self._open)
            if node.bound >= cutoff():
                continue
            tight, worth = self._tighten(node, cutoff())
            free = np.flatnonzero(tight.dual.state == FREE)
            if not free.size:
                self._done.append(tight)
                if decided is not None:
                    decided(tight.dual, tight.prices)
                continue
            # Where V is nearest 0, whether the server pays for itself is least decided.
            server = int(free[np.abs(worth[free]).argmin()])
            for state in (OPEN, CLOSED):
                child = tight.dual.decided(server, state)
                value, prices = child.ascend(tight.prices, self._temperatures, enough=cutoff())
                self.nodes += 1
                if value < cutoff():
                    visit(child, prices)
                    heapq.heappush(self._open, _Node(max(value, tight.bound), self.nodes, child, prices))

    def best(self) -> tuple[Dual, FloatArray] | None:
        """Return the dual and the prices of the node with the least bound; None where none is left."""
        node = min((*self._open, *self._done), default=None)
        return None if node is None else (node.dual, node.prices)

    def left(self, cutoff: float) -> list[tuple[Dual, FloatArray]]:
        """Return the duals and the prices of all nodes below the cutoff, those with the least bounds first."""
        return [(node.dual, node.prices) for node in sorted((*self._open, *self._done)) if node.bound < cutoff]

    def pairs(self: ServerTree[PriceDual], cutoff: float) -> BoolArray:
        """Return the pairs that could be part of a solution below the cutoff, shape (N, M)."""
        left = self.left(cutoff)
        if not left:
            return np.zeros((0, 0), dtype=bool)
        return np.asarray(np.any([dual.pair_bounds(prices) < cutoff for dual, prices in left], axis=0))

    @staticmethod
    def _tighten(node: _Node[Dual], cutoff: float) -> tuple[_Node[Dual], FloatArray]:
        """Decide the servers whose other state the prices rule out; return the V of all as well."""
        with_it, without_it = node.dual.server_bounds(node.prices)
        dual = node.dual
        for k in np.flatnonzero(dual.state == FREE).tolist():
            if with_it[k] >= cutoff:
                dual = dual.decided(k, CLOSED)
            elif without_it[k] >= cutoff:
                dual = dual.decided(k, OPEN)
        with np.errstate(invalid="ignore"):
            value = with_it - without_it
        return _Node(node.bound, node.number, dual, node.prices), np.where(np.isfinite(value), value, np.inf)
