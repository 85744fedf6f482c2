"""What prices on users prove under ``equal`` sharing: which counts of twins, and who among them, can be left out.

With a price π_i on serving each user, servers decide alone: with n twins server k takes the n users of least
c_ikn − π_i, V_kn in all with its opening, and it opens with the best of these where that is below 0. Σ π plus the sum
of these is a lower bound for any prices; so it is with one server held to one count, and with one user held to be among
them. It is weak where servers are open in part, so a few servers are branched on.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from dtopt.price_dual import CLOSED, FREE, OPEN

if TYPE_CHECKING:
    from collections.abc import Callable

    from dtopt.arrays import BoolArray, FloatArray, IntArray

__all__ = ["MOST_ENTRIES", "CountDual"]

#: Entries of the largest cost array that is priced.
MOST_ENTRIES = 2_000_000
#: Steps of the ascent at the root and at other nodes, and steps without a better bound after which they are halved.
ROOT_STEPS, STEPS, PATIENCE = 250, 60, 6
#: Part of the way to the target that a step aims at: at the root, at other nodes, and in the end.
ROOT_PART, PART, LEAST_PART = 1.0, 0.25, 1e-3
#: Nodes after which there is no more branching.
NODES = 100
#: Room for rounding above the target, so that the incumbent itself is kept.
SLACK = 1e-9


@dataclass(order=True)
class _Node:
    bound: float
    number: int
    state: IntArray = field(compare=False)
    price: FloatArray = field(compare=False)
    kept: BoolArray = field(compare=False)
    #: How often each server was chosen in the ascent.
    openness: FloatArray = field(compare=False)


class CountDual:
    """Prices on users, ascended by subgradients in a small tree over servers.

    Parameters
    ----------
    cost : ndarray, shape (M, R, N)
        What user i costs on server k among n + 1 twins, infinite where it may not be there.
    opening : float
        Cost of an open server.
    max_open : int
    target : float
        The cost of an incumbent: what is proven to cost more is left out.
    stop : callable
        Asked before each step whether to stop.

    Attributes
    ----------
    bound : float
        Lower bound on the cost of all that is no dearer than the target; infinite where there is nothing.
    kept : ndarray of bool, shape (M, R, N)
        What can be part of a solution no dearer than the target.
    nodes : int
    """

    def __init__(
        self, cost: FloatArray, opening: float, max_open: int, target: float, stop: Callable[[], bool]
    ) -> None:
        self.cost = cost
        self.opening = opening
        self.max_open = max_open
        self.target = target
        self.stop = stop
        self.nodes = 0
        self.bound = -np.inf
        self.kept: BoolArray = np.isfinite(cost)

    def search(self, association: IntArray) -> None:
        """Ascend from the prices of an association, and branch on servers that are open in part."""
        m = self.cost.shape[0]
        root = self._ascend(np.full(m, FREE), self._first_price(association), self.kept, -np.inf)
        left, done = [root], []
        while left and self.nodes < NODES and not self.stop():
            node = heapq.heappop(left)
            free = np.flatnonzero(node.state == FREE)
            if not free.size:
                done.append(node)
                continue
            server = int(free[np.abs(node.openness[free] - 0.5).argmin()])
            for state in (OPEN, CLOSED):
                changed = node.state.copy()
                changed[server] = state
                child = self._ascend(changed, node.price, node.kept, node.bound)
                if child.bound <= self.target * (1.0 + SLACK):
                    heapq.heappush(left, child)
        nodes = [*left, *done]
        self.bound = min((node.bound for node in nodes), default=np.inf)
        self.kept = np.logical_or.reduce([node.kept for node in nodes]) if nodes else np.zeros_like(self.kept)

    def _first_price(self, association: IntArray) -> FloatArray:
        """Return prices at which each user pays what it costs in an association, others' delay included."""
        price = np.empty(association.size)
        for k in np.unique(association).tolist():
            members = np.flatnonzero(association == k)
            n = members.size - 1
            here = self.cost[k, n, members]
            before = self.cost[k, n - 1, members] if n > 0 else here
            price[members] = here + (here - before).sum() + self.opening / members.size
        return price

    def _ascend(self, state: IntArray, price: FloatArray, kept: BoolArray, bound: float) -> _Node:
        """Raise the bound of a node, and drop what its prices prove to be dearer than the target."""
        self.nodes += 1
        node = _Node(bound, self.nodes, state, price, kept.copy(), np.full(state.size, 0.5))
        node.kept[state == CLOSED] = False
        steps, part = (ROOT_STEPS, ROOT_PART) if self.nodes == 1 else (STEPS, PART)
        best, at, idle = -np.inf, price, 0
        chosen_in = np.zeros(state.size)
        for step in range(steps):
            value, slope, chosen = self._price(node, at)
            chosen_in += chosen
            node.openness = chosen_in / (step + 1)
            if value > best:
                best, node.price, idle = value, at, 0
            else:
                idle += 1
            square = float(slope @ slope)
            if square == 0.0 or best > self.target * (1.0 + SLACK) or part < LEAST_PART or self.stop():
                break
            if idle >= PATIENCE:
                # Back to the best prices, with shorter steps.
                part, idle, at = part / 2.0, 0, node.price
                continue
            at = at + part * max(self.target - value, SLACK * abs(value)) / square * slope
        node.bound = max(bound, best)
        return node

    def _price(self, node: _Node, price: FloatArray) -> tuple[float, FloatArray, BoolArray]:
        """Return the bound at prices, a subgradient and the servers chosen; leave out what these prove to be dear."""
        m, rows, n = self.cost.shape
        reduced = np.where(node.kept, self.cost - price, np.inf)
        order = np.argsort(reduced, axis=2)
        ranked = np.take_along_axis(reduced, order, axis=2)
        nth = np.broadcast_to(np.arange(rows)[None, :, None], (m, rows, 1))
        total = np.take_along_axis(ranked.cumsum(axis=2), nth, axis=2)[:, :, 0] + self.opening
        count = total.argmin(axis=1)
        server = total[np.arange(m), count]
        must, free = node.state == OPEN, node.state == FREE
        places = max(0, self.max_open - int(must.sum()))
        ranking = np.argsort(np.where(free, server, np.inf), kind="stable")[:places]
        picked = ranking[(server[ranking] < 0) & free[ranking]]
        chosen = must.copy()
        chosen[picked] = True
        value = float(price.sum() + server[chosen].sum())
        slope = np.ones(n)
        if not np.isfinite(value) or must.sum() > self.max_open:
            node.kept[:] = False
            return np.inf, slope, chosen
        for k in np.flatnonzero(chosen).tolist():
            slope[order[k, count[k], : count[k] + 1]] -= 1.0
        # The best of the others with server k open: without what it counts now, or without the last one picked.
        rest = np.full(m, value)
        if picked.size and picked.size == places:
            rest -= server[picked[-1]]
        rest[chosen] = value - server[chosen]
        with np.errstate(invalid="ignore"):
            last = np.take_along_axis(ranked, nth, axis=2)
            least = (rest[:, None] + total)[:, :, None] + np.maximum(0.0, reduced - last)
        node.kept &= least <= self.target + SLACK * abs(self.target)
        return value, slope, chosen
