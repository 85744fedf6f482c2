"""A few servers and all their users as a problem of its own, solved by prices, tables and branch and bound."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from solvers._core import PairData, Sharing
from solvers.lns.tables import Servers, climb, fill, pair_bounds
from solvers.lns.tree import branch
from solvers.local_search import kernel
from solvers.local_search.candidates import Lists
from solvers.local_search.kernel import FIXED, LIMITED, OPTIMAL, Instance, State
from solvers.local_search.moves import load_state

if TYPE_CHECKING:
    from dtopt.arrays import BoolArray, FloatArray, IntArray

__all__ = ["Neighbourhood", "Outcome", "Settings", "compile_kernels"]

#: Grains that a server's CPU or load is cut into where demands are not whole numbers up to `FINEST`.
GRAINS, FINEST = 500, 2500
#: Neighbourhoods with larger tables are left alone.
MOST_ENTRIES = 10_000_000
#: A server's load may grow to this times the larger of its load and its share of all.
GROWTH = 2.0


#: Cutoffs that searches are made with in turn, as parts of the way from the bound to the cutoff asked for.
PARTS = (0.75, 1.0)


@dataclass(frozen=True)
class Settings:
    """How hard to try.

    Parameters
    ----------
    climbs : int
        Steps of the ascent in prices.
    nodes : int
        Nodes of branch and bound.
    """

    climbs: int = 60
    nodes: int = 50_000


@dataclass(frozen=True)
class Outcome:
    """What came of a neighbourhood.

    Parameters
    ----------
    association : ndarray of int, shape (N,), or None
        The whole association with a better one of these users; None where there is none, or none was found.
    change : float
        Of its cost; infinite without one.
    complete : bool
        Whether nothing better than the association returned is possible here, up to rounding.
    nodes : int
    """

    association: IntArray | None
    change: float
    complete: bool
    nodes: int


class Neighbourhood:
    """The users of some servers, who may go to any of these.

    Parameters
    ----------
    lists : Lists
        The whole problem, with all pairs listed.
    association : ndarray of int, shape (N,)
    servers : ndarray of int
    grains : tuple of ndarrays, or None
        Under ``fixed`` sharing, demands and CPUs as whole numbers, shapes (N, M) and (M,).
    """

    def __init__(
        self, lists: Lists, association: IntArray, servers: IntArray, grains: tuple[IntArray, IntArray] | None
    ) -> None:
        self.whole, self.servers = association, servers
        position = np.full(lists.cpu.size, -1)
        position[servers] = np.arange(servers.size)
        self.users = np.flatnonzero(position[association] >= 0)
        self.old = position[association[self.users]]
        self.cpu, self.capacity = lists.cpu[servers], lists.capacity[servers]
        instance, pairs = lists.instance, np.ix_(self.users, servers)
        outside = np.setdiff1d(association, servers).size
        self.instance = Instance(
            station=np.ascontiguousarray(
                np.broadcast_to(np.arange(servers.size, dtype=np.int32), (self.users.size, servers.size))
            ),
            cost=np.ascontiguousarray(instance.cost[pairs]),
            more=np.ascontiguousarray(instance.more[pairs]) if instance.more.size else np.zeros((0, 0)),
            sizes=np.ascontiguousarray(instance.sizes[self.users]),
            near=np.full((servers.size, 1), -1, dtype=np.int32),
            opening=instance.opening,
            penalty=instance.penalty,
            max_open=instance.max_open - outside,
            mode=instance.mode,
            kind=instance.kind,
            dense=True,
        )
        self.grains = None if grains is None else (grains[0][pairs], grains[1][servers])
        self.state = self._state(self.instance)
        self.cost = self._judge(self.instance, self.old)

    def _state(self, instance: Instance) -> State:
        n, m = instance.cost.shape
        state = State(
            users=np.zeros((n, kernel.N_USER), dtype=np.int32),
            servers=np.zeros((m, kernel.N_SERVER)),
            counts=np.zeros((m, kernel.N_COUNT), dtype=np.int64),
            members=np.zeros(3 * n + 16 * m, dtype=np.int32),
            log_users=np.zeros((1, 5), dtype=np.int32),
            log_sums=np.zeros((1, 8)),
            floats=np.zeros(kernel.N_FLOAT),
            ints=np.zeros(kernel.N_INT, dtype=np.int64),
            region=np.zeros(1, dtype=np.int32),
            focus=np.zeros(1, dtype=np.int32),
        )
        state.ints[kernel.OPENING] = -1
        state.servers[:, kernel.CPU] = self.cpu
        state.counts[:, kernel.CAPACITY] = np.minimum(self.capacity, n)
        return state

    def _tables(self, instance: Instance) -> Servers:
        """Return the servers with their cases; shapes as `Servers` has them."""
        n, m = instance.cost.shape
        cost, size = instance.cost.T, instance.sizes[:, 0]
        if instance.mode == FIXED:
            assert self.grains is not None  # noqa: S101 - given with fixed sharing
            weight, room = self.grains
            last = np.where(np.arange(room.max() + 1) <= room[:, None], 0.0, np.inf)[:, None]
            cases, grains = cost[:, None], weight.T
        elif instance.mode == OPTIMAL:
            load = np.bincount(self.old, weights=size, minlength=m)
            even = load.sum() * self.cpu / self.cpu.sum()
            most = np.minimum(GROWTH * np.maximum(load, even), load.sum())
            grain = np.maximum(most, 1e-300) / GRAINS
            grains = np.rint(size / grain[:, None]).astype(np.int64)
            # What rounding leaves out is priced at what load costs there now: the error that is left is its square.
            rate = 2.0 * np.where(load > 0, load, even) / self.cpu
            cases = (cost + rate[:, None] * (size - grain[:, None] * grains))[:, None]
            last = ((np.arange(GRAINS + 1) * grain[:, None]) ** 2 / self.cpu[:, None])[:, None]
        else:
            count = np.bincount(self.old, minlength=m)
            most = min(n, int(GROWTH * max(count.max(), n / m)) + 1)
            twins = np.arange(1, most + 1)[None, :, None]
            cases = cost[:, None] + twins * size / self.cpu[:, None, None]
            if instance.kind == LIMITED:
                cases = np.where(twins <= instance.more.T[:, None], cases, np.inf)
            last = np.broadcast_to(np.where(np.eye(most, most + 1, 1) > 0, 0.0, np.inf), (m, most, most + 1))
            grains = np.ones((m, n), dtype=np.int64)
        return Servers(
            np.ascontiguousarray(cases, dtype=np.float64),
            np.ascontiguousarray(grains, dtype=np.int64),
            np.array(last, dtype=np.float64, order="C"),
            float(instance.opening),
            np.minimum(self.capacity, n).astype(np.int64),
        )

    def _judge(self, instance: Instance, association: IntArray) -> float:
        """Return the cost of an association of these users to these servers."""
        self.state.users[:, kernel.SLOT] = association
        load_state(instance, self.state, True)
        return float(self.state.floats[kernel.COST])

    def solve(
        self,
        price: FloatArray,
        place_price: FloatArray,
        settings: Settings,
        *,
        step: float = 0.0,
        noise: FloatArray | None = None,
    ) -> Outcome:
        """Look for a better association of these users.

        Parameters
        ----------
        price, place_price : ndarray, shapes (N,) and (M,)
            To begin the ascent with; those of users here are changed to the better ones found.
        settings : Settings
        step : float
            Costs differ by at least so much.
        noise : ndarray, shape (N, M), optional
            Added to the costs of pairs: the association found is then another good one, and may be a worse one.
        """
        n, m = self.instance.cost.shape
        if n == 0 or m < 2 or self.instance.max_open < 1:
            return Outcome(None, np.inf, True, 0)
        whole, current = self.instance, self.cost
        if noise is not None:
            whole = whole._replace(cost=whole.cost + noise[np.ix_(self.users, self.servers)])
            current, step = self._judge(whole, self.old), 0.0
        servers = self._tables(whole)
        least = max(0.5 * step, 1e-9 * abs(current))
        cutoff = current - least
        prices, places = price[self.users], place_price[self.servers]
        if servers.cost.size * servers.last.shape[2] > MOST_ENTRIES:
            return Outcome(None, np.inf, False, 0)
        table = np.empty((*servers.cost.shape[:2], n + 1, servers.last.shape[2]))
        bound = climb(servers, prices, places, table, cutoff + 1e-6 * abs(current), settings.climbs)
        if noise is None:
            price[self.users] = prices
        if bound >= cutoff:
            return Outcome(None, np.inf, True, 0)
        bounds = pair_bounds(servers, prices, places, table)
        order = _order(bounds < cutoff, servers.grains)
        instance = whole._replace(
            cost=np.ascontiguousarray(whole.cost[order]),
            more=np.ascontiguousarray(whole.more[order]) if whole.more.size else whole.more,
            sizes=np.ascontiguousarray(whole.sizes[order]),
        )
        servers = servers._replace(
            cost=np.ascontiguousarray(servers.cost[:, :, order]), grains=np.ascontiguousarray(servers.grains[:, order])
        )
        prices, bounds = prices[order], np.ascontiguousarray(bounds[:, order])
        fill(servers, prices, places, table)
        found = np.empty(n, dtype=np.int64)
        nodes, cost, complete = 0, np.inf, False
        # A search for what is much better is over soon, and where there is any it is found first.
        for part in PARTS:
            below = bound + part * (cutoff - bound)
            left = settings.nodes - nodes
            cost, used, complete = branch(
                servers, instance, self.state, table, prices, places, bounds < below, below, least, left, found
            )
            nodes += used
            if np.isfinite(cost) or not complete:
                break
        if not np.isfinite(cost):
            return Outcome(None, np.inf, complete, nodes)
        chosen = np.empty(n, dtype=np.int64)
        chosen[order] = found
        if noise is not None:
            cost = self._judge(self.instance, chosen)
        association = self.whole.copy()
        association[self.users] = self.servers[chosen]
        return Outcome(association, cost - self.cost, complete, nodes)


def _order(allowed: BoolArray, grains: IntArray) -> IntArray:
    """Return users in the order to decide them in: those without a choice, then large ones with little choice."""
    choices = np.maximum(allowed.sum(axis=0), 1)
    weight = np.where(allowed, grains, 0).sum(axis=0) / choices
    return np.lexsort((-weight / choices, choices > 1)).astype(np.int64)


@cache
def compile_kernels() -> None:
    """Compile the search, or load it from Numba's cache, before a clock starts."""
    two = np.ones((2, 2))
    for sharing, data in ((Sharing.FIXED, PairData.FITTING), (Sharing.OPTIMAL, PairData.NONE)):
        fixed = sharing == Sharing.FIXED
        lists = Lists(
            np.array([[0, 1], [0, 1]], dtype=np.int32),
            two,
            two if fixed else None,
            np.ones(2),
            np.ones(2),
            np.array([[1], [0]], dtype=np.int32),
            np.ones(2),
            np.full(2, 2),
            1.0,
            1.0,
            2,
            sharing,
            data,
            True,
        )
        grains = (np.ones((2, 2), dtype=np.int64), np.ones(2, dtype=np.int64)) if fixed else None
        hood = Neighbourhood(lists, np.array([0, 1]), np.array([0, 1]), grains)
        hood.solve(np.zeros(2), np.zeros(2), Settings(), noise=np.array([[2.0, 0.0], [0.0, 2.0]]))
