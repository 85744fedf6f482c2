"""Sets of servers under ``fixed`` sharing: told apart by their bounds, and each searched by ejection chains.

Where CPU is a knapsack, shifts cannot tell sets of servers apart: most associations near a good one are infeasible. But
with all servers decided the price dual is within a few thousandths of the best cost, so that the sets whose bound is
below the incumbent are few, and their bounds come close to the order in which they are worth a search.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from dtopt.price_dual import CLOSED
from solvers.local_search.ejection import improve_fixed
from solvers.local_search.start import from_prices
from solvers.server_tree import ServerTree

if TYPE_CHECKING:
    from dtopt.arrays import FloatArray, IntArray
    from dtopt.price_dual import PriceDual
    from dtopt.problem import Placement
    from dtopt.run import Run
    from solvers.local_search.arrays import SearchArrays

__all__ = ["SetSearch", "has_sets"]

#: Nodes of the tree over servers whose prices are looked near, and iterations at each.
NODES, NODE_SEARCHES = 1000, 20
#: Neighbourhoods of each user that ejection chains search in a set in its first turn; twice as many in each one after.
CHAINS = 100


@dataclass
class _Set:
    """A set of servers that may hold something better, and what has come of it."""

    closed: IntArray
    bound: float
    found: IntArray | None = None
    cost: float = np.inf
    turns: int = 0


def has_sets(problem: Placement) -> bool:
    """Return whether it matters which servers are open, and only their bounds can tell."""
    return problem.sharing == "fixed" and (problem.opening_cost > 0 or problem.max_open < problem.n_stations)


class SetSearch:
    """Ejection chains in one set of servers after another.

    Parameters
    ----------
    run : Run
    problem : Placement
        With ``fixed`` sharing.
    arrays : SearchArrays
        Of that problem.
    """

    def __init__(self, run: Run, problem: Placement, arrays: SearchArrays) -> None:
        self.run, self.problem, self.arrays = run, problem, arrays
        self.sets: list[_Set] = []

    def cutoff(self) -> float:
        """Return the cost of the incumbent, the constant part left out."""
        return self.run.evaluation.objective - self.problem.constant_cost if self.run.evaluation else np.inf

    def explore(self, dual: PriceDual) -> None:
        """Branch on servers, and search each set that could be better than the incumbent, by least bound first."""
        ServerTree(dual).search(self.cutoff, self.run.should_stop, self._visit, NODES, self.decided)
        self.run.check()

    def decided(self, node: PriceDual, prices: FloatArray) -> None:
        """Search a set for the first time; `node` has no server left to decide."""
        one = _Set(np.flatnonzero(node.state == CLOSED), node.value(prices))
        self.sets.append(one)
        self._search(one)

    def again(self, seconds: float = np.inf) -> bool:
        """Search the most promising set longer than before, at most for so long, s; return whether there is one."""
        left = [one for one in self.sets if one.bound < self.cutoff()]
        if not left:
            return False
        # Each turn doubles the effort, so that in all the best set has about twice as much as the next, and so on.
        left.sort(key=lambda one: one.cost)
        self._search(min(enumerate(left), key=lambda pair: pair[1].turns + np.log2(1 + pair[0]))[1], seconds)
        self.run.check()
        return True

    def _visit(self, node: PriceDual, prices: FloatArray) -> None:
        start = from_prices(self.arrays, node, prices)
        if start is not None:
            self.run.offer(start)
            self.run.offer(self.arrays.improve(start, NODE_SEARCHES, self.run.seed + self.run.iterations))
            self.run.iterations += NODE_SEARCHES

    def _search(self, one: _Set, seconds: float = np.inf) -> None:
        run, effort = self.run, CHAINS * 2**one.turns
        cost = self.arrays.cost.copy()
        cost[:, one.closed] = np.inf
        one.turns += 1
        found, value = improve_fixed(
            replace(self.arrays, cost=cost),
            one.found,
            seconds=min(seconds, run.seconds_left),
            seed=run.seed + run.iterations,
            should_stop=run.should_stop,
            on_better=lambda association, _: self._offer(association),
            iterations=effort * self.problem.n_users,
        )
        run.iterations += effort
        if found is not None:
            run.offer(found)
            if value < one.cost:
                one.found, one.cost = found, value

    def _offer(self, association: IntArray) -> None:
        self.run.offer(association)
