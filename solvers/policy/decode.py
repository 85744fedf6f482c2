"""From what the network says to associations: users to the cheapest open server with room, then exact sweeps."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numba
import numpy as np

from solvers._core import LocalSearchParams, PairData, Sharing
from solvers.local_search.candidates import Lists
from solvers.local_search.descent import exchange, sweep
from solvers.local_search.kernel import (
    CAPACITY,
    CLAMPED,
    COST,
    CPU_WEIGHT,
    FITTING,
    FULL,
    LEAST,
    LIMITED,
    LOGGED,
    N_REGION,
    OPEN_WEIGHT,
    PLACE_WEIGHT,
    SLOT,
    Instance,
    State,
    empty_state,
)
from solvers.local_search.moves import is_feasible, load_state
from solvers.policy.forward import forward
from solvers.policy.graph import Graph
from solvers.policy.weights import load_weights

if TYPE_CHECKING:
    from dtopt.arrays import BoolArray, FloatArray, IntArray
    from solvers.local_search.kernel import Integers
    from solvers.policy.graph import Floats32

__all__ = ["Decoder", "compile_kernels"]

#: Sweeps over all users at most.
SWEEPS = 12
#: See `PenaltyParams`.
STRICT, LEAST_GAIN = 500.0, 1e-12


class Decoder:
    """Turns sets of open servers and prices into associations; one for each instance, used again and again.

    Parameters
    ----------
    lists : Lists
    """

    def __init__(self, lists: Lists) -> None:
        self.lists = lists
        self._n = lists.size.size
        self.state = empty_state(lists)
        params = LocalSearchParams()
        self.partners = self._n if self._n <= params.region_users else params.partners

    @property
    def fits(self) -> bool:
        """Whether demands must fit into CPUs, so that sets lead to no association without swaps and ejections."""
        return self.lists.instance.kind == FITTING

    def decode(
        self, is_open: BoolArray, priced: Floats32, *, sweeps: int = SWEEPS, swaps: bool = True
    ) -> tuple[FloatArray, Integers]:
        """Return the costs and slots of the associations that sets of open servers lead to.

        Parameters
        ----------
        is_open : ndarray of bool, shape (K, M)
        priced : ndarray of float32, shape (N, C)
            What each listed pair costs at the network's prices.
        sweeps : int
            Times at most that all users are shifted to the server of least marginal cost.
        swaps : bool
            Whether pairs of users change servers too where shifts no longer help.

        Returns
        -------
        cost : ndarray, shape (K,)
            Infinite where a constraint is broken; the constant part of the objective is left out.
        slots : ndarray of int32, shape (K, N)
        """
        cost = np.empty(is_open.shape[0])
        slots = np.empty((is_open.shape[0], self._n), dtype=np.int32)
        partners = self.partners if swaps else 0
        _decode(self.lists.instance, self.state, is_open, priced, sweeps, partners, cost, slots)
        return cost, slots

    def association(self, slots: Integers) -> IntArray:
        """Return an association from one row of slots."""
        found = np.take_along_axis(self.lists.instance.station, slots[:, None].astype(np.int64), axis=1)[:, 0]
        if self.lists.order is None:
            return found.astype(np.int64)
        association = np.empty(self._n, dtype=np.int64)
        association[self.lists.order] = found
        return association


@numba.njit(cache=True)
def _decode(
    p: Instance,
    s: State,
    is_open: BoolArray,
    priced: Floats32,
    sweeps: int,
    partners: int,
    cost: FloatArray,
    slots: Integers,
) -> None:
    """Decode all sets one after the other; see `Decoder.decode`."""
    n = p.sizes.shape[0]
    for e in range(is_open.shape[0]):
        count = _place(p, s, is_open[e], priced)
        _fill(p, s, is_open[e], priced, count)
        load_state(p, s, True)
        weight = abs(s.floats[COST])
        s.servers[:, CPU_WEIGHT] = STRICT * weight
        s.servers[:, PLACE_WEIGHT] = STRICT * weight
        s.floats[OPEN_WEIGHT] = STRICT * weight
        s.floats[LEAST] = LEAST_GAIN * weight
        load_state(p, s, False)
        s.ints[N_REGION] = n
        for i in range(n):
            s.region[i] = i
        for _ in range(sweeps):
            s.ints[LOGGED] = 0
            moved = sweep(p, s, 0, n)
            if moved > n // 1000:
                continue
            s.ints[LOGGED] = 0
            if partners == 0 or exchange(p, s, 0, n, partners, p.kind == FITTING) <= n // 1000:
                break
        s.ints[LOGGED] = 0
        cost[e] = s.floats[COST] if is_feasible(p, s) else np.inf
        slots[e] = s.users[:, SLOT]


@numba.njit(cache=True)
def _place(p: Instance, s: State, is_open: BoolArray, priced: Floats32) -> Integers:
    """Send users to the cheapest open server with room, those first that have most to lose; return their counts."""
    n, m = p.sizes.shape[0], is_open.size
    station, pairs, kind, users = p.station, p.more, p.kind, s.users
    parts = kind in (FITTING, CLAMPED)
    regret = np.empty(n)
    for i in range(n):
        best = second = np.inf
        for c in range(station.shape[1]):
            h = station[i, c]
            if h < 0:
                break
            if is_open[h] and priced[i, c] < second:
                if priced[i, c] < best:
                    best, second = priced[i, c], best
                else:
                    second = priced[i, c]
        regret[i] = best - second if second < np.inf else -np.inf
    count, used = np.zeros(m, dtype=np.int64), np.zeros(m)
    limit = s.counts[:, CAPACITY].copy()
    for i in np.argsort(regret):
        best, slot, lacking = np.inf, -1, True
        for c in range(station.shape[1]):
            h = station[i, c]
            if h < 0:
                break
            if not is_open[h] or p.cost[i, c] == np.inf:
                continue
            least = limit[h]
            if kind == LIMITED:
                least = min(least, int(pairs[i, c]))
            lacks = count[h] + 1 > least or (parts and used[h] + pairs[i, c] > FULL)
            if (lacking and not lacks) or (lacks == lacking and priced[i, c] < best):
                best, slot, lacking = priced[i, c], c, lacks
        if slot < 0:
            # None of the open servers is listed: the cheapest of all is opened.
            for c in range(station.shape[1]):
                if station[i, c] >= 0 and p.cost[i, c] < np.inf and priced[i, c] < best:
                    best, slot = priced[i, c], c
            slot = max(slot, 0)
        users[i, SLOT] = slot
        h = station[i, slot]
        count[h] += 1
        if parts:
            used[h] += pairs[i, slot]
        elif kind == LIMITED:
            limit[h] = min(limit[h], int(pairs[i, slot]))
    return count


@numba.njit(cache=True)
def _fill(p: Instance, s: State, is_open: BoolArray, priced: Floats32, count: Integers) -> None:
    """Give each open server that is still empty the user that loses least: sweeps open none, but may empty it again."""
    m = is_open.size
    if (is_open & (count == 0)).sum() == 0:
        return
    loss, user, slot = np.full(m, np.inf), np.full(m, -1), np.zeros(m, dtype=np.int64)
    for i in range(priced.shape[0]):
        own = priced[i, s.users[i, SLOT]]
        for c in range(priced.shape[1]):
            h = p.station[i, c]
            if h < 0:
                break
            if is_open[h] and count[h] == 0 and s.counts[h, CAPACITY] > 0 and priced[i, c] - own < loss[h]:
                loss[h], user[h], slot[h] = priced[i, c] - own, i, c
    for h in range(m):
        if user[h] >= 0:
            k = p.station[user[h], s.users[user[h], SLOT]]
            if count[k] > 1:
                s.users[user[h], SLOT] = slot[h]
                count[k] -= 1
                count[h] += 1


@cache
def compile_kernels() -> None:
    """Run all compiled code once on an instance of two users."""
    two = np.ones((2, 2))
    station = np.array([[0, 1], [0, 1]], dtype=np.int32)
    near = np.array([[1], [0]], dtype=np.int32)
    one = np.ones(2)
    shared = (Sharing.OPTIMAL, PairData.NONE)
    lists = Lists(station, two, None, one, one, near, one, np.full(2, 2), 1.0, 1.0, 2, *shared, True)
    _, priced = forward(load_weights(), Graph.of(lists))
    Decoder(lists).decode(np.ones((1, 2), dtype=bool), priced)
