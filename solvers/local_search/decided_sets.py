"""Sets of servers under ``fixed`` sharing: told apart by their bounds, and each searched by ejection chains.

Where CPU is a knapsack, shifts cannot tell sets of servers apart: most associations near a good one are infeasible. But
with all servers decided the price dual is within a few thousandths of the best cost, so that the sets whose bound is
below the incumbent are few, and their bounds come close to the order in which they are worth a search. A tree over
servers lists them where servers are few; where they are many, exchanging servers while that lowers the bound comes to
good ones sooner.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from solvers.local_search.chains import search_by_chains
from solvers.local_search.start import from_prices
from solvers.server_tree import WARM, ServerTree

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dtopt.arrays import BoolArray, FloatArray, IntArray
    from dtopt.price_dual import PriceDual
    from dtopt.problem import Placement
    from dtopt.run import Run
    from solvers.local_search.arrays import SearchArrays

__all__ = ["SetSearch", "chooses_servers", "has_sets"]

#: Nodes of the tree over servers in the first turn and in each one after, and iterations of a search near their prices.
NODES, MORE_NODES, NODE_SEARCHES = 300, 20, 20
#: Neighbourhoods of each user that ejection chains search in a set in its first turn; twice as many in each one after.
CHAINS = 100
#: Sets near the one at hand whose bounds are looked at, those that promise most by its prices.
TRIES = 40
#: Servers exchanged at random before a descent from the best set.
KICKS = 2
#: Draws of those, and by how much the bound may then be above the incumbent, as a part of it.
KICK_TRIES, FAR = 5, 0.2
#: A bound that is so much below that of all sets, as a part of it, comes of an ascent that failed.
LOOSE = 1e-3
#: Turns that a set where such a descent ends may have until something feasible is found there.
FIRST_TURNS = 3
#: Up to this many servers the tree has its first nodes before sets are searched again.
FEW_SERVERS = 20


@dataclass
class _Set:
    """A set of servers that may hold something better, and what has come of it."""

    servers: BoolArray
    bound: float
    found: IntArray | None = None
    cost: float = np.inf
    turns: int = 0


def chooses_servers(problem: Placement) -> bool:
    """Return whether it matters which servers are open."""
    return problem.opening_cost > 0 or problem.max_open < problem.n_stations


def has_sets(problem: Placement) -> bool:
    """Return whether it matters which servers are open, and only their bounds can tell."""
    return problem.sharing == "fixed" and chooses_servers(problem)


class SetSearch:
    """Ejection chains in one set of servers after another.

    Parameters
    ----------
    run : Run
    problem : Placement
        With ``fixed`` sharing.
    dual : PriceDual
        Of that problem, with no server decided.
    arrays : SearchArrays
    root : tuple, optional
        Bound and prices of the dual, where they are known.
    """

    def __init__(
        self,
        run: Run,
        problem: Placement,
        dual: PriceDual,
        arrays: SearchArrays,
        root: tuple[float, FloatArray] | None = None,
    ) -> None:
        self.run, self.problem, self.dual, self.arrays = run, problem, dual, arrays
        self.root = dual.ascend() if root is None else root
        self.tree: ServerTree[PriceDual] | None = None
        self.sets: dict[bytes, _Set] = {}
        self.random = np.random.default_rng(run.seed)
        self._turn = 0

    def cutoff(self) -> float:
        """Return the cost of the incumbent, the constant part left out."""
        return self.run.evaluation.objective - self.problem.constant_cost if self.run.evaluation else np.inf

    # --- which sets ---------------------------------------------------------------------------------------------------

    def explore(self) -> None:
        """Exchange servers of the incumbent, then branch on servers; search the sets that could be better."""
        self.descend()
        self.tree = ServerTree(self.dual, self.root)
        if self.problem.n_stations <= FEW_SERVERS:
            self._branch(NODES)

    def _branch(self, nodes: int) -> None:
        assert self.tree is not None  # noqa: S101 - `explore` has made it
        most = self.tree.nodes + nodes
        self.tree.search(self.cutoff, self.run.should_stop, self._visit, most, self.decided)
        self.run.check()

    def decided(self, node: PriceDual, prices: FloatArray) -> None:
        """Search a set for the first time; `node` has no server left to decide."""
        one = self._known(node.state > 0, node.value(prices))
        if not one.turns:
            self._search(one)

    def descend(self, kicks: int = 0) -> None:
        """Open, close and exchange one server at a time while that lowers the bound, and search where that ends.

        Parameters
        ----------
        kicks : int
            Servers of the best set that are exchanged at random before.
        """
        best = min(self.sets.values(), key=lambda one: one.cost, default=None)
        if best is not None and best.found is not None:
            servers = best.servers.copy()
        elif self.run.solution is not None:
            servers = np.isin(np.arange(self.problem.n_stations), self.run.solution.association)
        else:
            return
        usable = np.asarray(np.isfinite(self.dual.cost).any(axis=0))
        servers = self._kicked(servers, usable, kicks)
        bound, prices = self.dual.among(servers).ascend(self.root[1], WARM)
        met = {servers.tobytes()}
        lower = True
        while lower:
            lower = False
            for near in self._near(servers, usable, self.dual.priced(prices)[1]):
                self.run.check()
                if near.tobytes() in met:
                    continue
                met.add(near.tobytes())
                value, moved = self.dual.among(near).ascend(prices, WARM, enough=max(bound, self.cutoff()))
                # Where nothing is feasible the ascent may end anywhere.
                if value < self.root[0] - LOOSE * abs(self.root[0]):
                    continue
                if value < self.cutoff():
                    self._known(near, value)
                if value < bound:
                    servers, bound, prices, lower = near, value, moved, True
                    break
        if bound < self.cutoff():
            self._begin(self._known(servers, bound))

    def _kicked(self, servers: BoolArray, usable: BoolArray, kicks: int) -> BoolArray:
        """Return a set with so many servers exchanged at random that may still be feasible."""
        into, out = np.flatnonzero(~servers & usable), np.flatnonzero(servers)
        kicks = min(kicks, into.size, out.size)
        for _ in range(KICK_TRIES if kicks else 0):
            kicked = servers.copy()
            kicked[self.random.choice(out, kicks, replace=False)] = False
            kicked[self.random.choice(into, kicks, replace=False)] = True
            if self.dual.among(kicked).ascend(self.root[1], WARM)[0] < self.cutoff() + FAR * abs(self.cutoff()):
                return kicked
        return servers

    def _near(self, servers: BoolArray, usable: BoolArray, worth: FloatArray) -> Iterator[BoolArray]:
        """Yield the sets that differ by one server, closed, opened or exchanged, those of least cost by prices first.

        Parameters
        ----------
        servers, usable : ndarray of bool, shape (M,)
        worth : ndarray, shape (M,)
            V of each server at the prices.
        """
        into, out = np.flatnonzero(~servers & usable), np.flatnonzero(servers)
        change = np.concatenate([(worth[into] - worth[out][:, None]).ravel(), worth[into], -worth[out]])
        pairs = [*((i, k) for k in out for i in into), *((i, -1) for i in into), *((-1, k) for k in out)]
        for at in np.argsort(change, kind="stable")[:TRIES]:
            new, old = pairs[at]
            near = servers.copy()
            if new >= 0:
                near[new] = True
            if old >= 0:
                near[old] = False
            if 0 < near.sum() <= self.dual.max_open:
                yield near

    def _known(self, servers: BoolArray, bound: float) -> _Set:
        """Return what is known of a set, its bound included."""
        one = self.sets.setdefault(servers.tobytes(), _Set(servers, bound))
        one.bound = max(one.bound, bound)
        return one

    # --- what is in them ----------------------------------------------------------------------------------------------

    def again(self, seconds: float = np.inf) -> bool:
        """Search the most promising set longer than before, at most for so long, s; return whether there is one.

        As long as sets may be missing, every other turn looks for more of them.
        """
        self._turn += 1
        if self.tree is not None and not self.tree.finished and self._turn % 2 == 0:
            if self._turn % 4 == 0:
                self._branch(MORE_NODES)
            else:
                self.descend(KICKS)
            return True
        left = [one for one in self.sets.values() if one.bound < self.cutoff()]
        if not left:
            return False
        # What a set not yet searched may hold is as far above its bound as it was elsewhere.
        above = [one.cost - one.bound for one in self.sets.values() if np.isfinite(one.cost)]
        usual = float(np.median(above)) if above else 0.0
        left.sort(key=lambda one: one.cost if one.turns else one.bound + usual)
        # Each turn doubles the effort, so that in all the best set has about twice as much as the next, and so on.
        one = min(enumerate(left), key=lambda pair: pair[1].turns + np.log2(1 + pair[0]))[1]
        if one.turns:
            self._search(one, seconds)
            self.run.check()
        else:
            self._begin(one, seconds)
        return True

    def _begin(self, one: _Set, seconds: float = np.inf) -> None:
        """Search a set until something feasible is found there, for some turns at most."""
        end = self.run.elapsed_s + seconds
        while one.found is None and one.turns < FIRST_TURNS and one.bound < self.cutoff():
            self._search(one, end - self.run.elapsed_s)
            self.run.check()

    def _visit(self, node: PriceDual, prices: FloatArray) -> None:
        start = from_prices(self.arrays.lists, node, prices)
        if start is not None:
            self.run.offer(start)
            self.run.offer(self.arrays.improve(start, NODE_SEARCHES, self.run.seed + self.run.iterations))
            self.run.iterations += NODE_SEARCHES

    def _search(self, one: _Set, seconds: float = np.inf) -> None:
        effort = CHAINS * 2**one.turns
        one.turns += 1
        seed = self.run.seed + self.run.iterations
        found, value = search_by_chains(
            self.run, self.arrays, one.found, effort, seed=seed, seconds=seconds, servers=one.servers
        )
        if found is not None and value < one.cost:
            one.found, one.cost = found, value
