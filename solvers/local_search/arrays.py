"""A P1 problem as matrices of all pairs of user and server."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from dtopt.price_dual import PriceDual
from dtopt.tolerances import relaxed, within
from solvers._core import PairData, Sharing
from solvers.local_search.candidates import Lists, near_servers, sharing_of
from solvers.local_search.driver import Search

if TYPE_CHECKING:
    from dtopt.arrays import FloatArray, IntArray
    from dtopt.problem import Placement

__all__ = ["SearchArrays"]


@dataclass(frozen=True, eq=False)
class SearchArrays:
    """Costs of pairs and servers in units of the objective, its constant part left out.

    Soft deadlines count only under ``fixed`` sharing, which the evaluator sees to; and `total` passes over what shares
    cost more that hard deadlines clamp under ``optimal`` sharing.

    Parameters
    ----------
    cost : ndarray, shape (N, M)
        Infinite where the pair is not allowed.
    size : ndarray, shape (N,)
        √(κ w) or κ w, times the worth of a second (its root), as the sharing has it.
    part : ndarray, shape (N, M)
        Part of the server's CPU that must be set aside.
    most : ndarray of int, shape (N, M)
        The largest number of twins among which the user keeps its deadline under ``equal`` sharing.
    cpu, capacity : ndarray, shape (M,)
    opening : float
    max_open : int
    sharing : Sharing
        The value of a `Sharing`.
    """

    cost: FloatArray
    size: FloatArray
    part: FloatArray
    most: IntArray
    cpu: FloatArray
    capacity: IntArray
    opening: float
    max_open: int
    sharing: Sharing

    @classmethod
    def of(cls, problem: Placement, dual: PriceDual | None = None) -> SearchArrays:
        """Return the arrays of a problem; a dual of it that is at hand saves making its matrices again."""
        dual = dual or PriceDual.of(problem)
        n = problem.n_users
        shape = dual.cost.shape
        sharing = sharing_of(problem)
        sizes = {
            Sharing.FIXED: np.zeros(n),
            Sharing.EQUAL: dual.worth * problem.load_cycles,
            Sharing.OPTIMAL: np.sqrt(dual.worth) * dual.root_load,
        }
        # Parts of the CPU itself: the core has the tolerance on a full one.
        part = relaxed(dual.part) if dual.part is not None else np.zeros(shape)
        if dual.floor is not None:
            part = relaxed(dual.floor / dual.cpu)
        most = np.full(shape, n, dtype=np.int64)
        if sharing == Sharing.EQUAL and problem.deadlines_bind:
            users, stations = np.arange(n)[:, None], np.arange(dual.cpu.size)[None, :]
            most = problem.most_twins(users, stations)
        return cls(
            cost=np.array(dual.cost, order="C"),
            size=np.array(sizes[sharing]),
            part=np.array(part, order="C"),
            most=most,
            cpu=np.array(problem.network.stations.cpu_hz),
            capacity=dual.capacity.astype(np.int64),
            opening=dual.opening,
            max_open=dual.max_open,
            sharing=sharing,
        )

    def total(self, association: IntArray) -> float:
        """Return the cost of an association, infinite where it breaks a constraint."""
        users, m = np.arange(association.size), self.cpu.size
        count = np.bincount(association, minlength=m)
        load = np.bincount(association, weights=self.size, minlength=m)
        used = np.bincount(association, weights=self.part[users, association], minlength=m)
        limit = self.capacity.copy()
        np.minimum.at(limit, association, self.most[users, association])
        if (count > limit).any() or (used > within(1.0)).any():
            return np.inf
        used_servers = np.flatnonzero(count)
        computing = np.zeros(used_servers.size)
        if self.sharing != Sharing.FIXED:
            weight = count if self.sharing == Sharing.EQUAL else load
            computing = (weight * load)[used_servers] / self.cpu[used_servers]
        # One after the other, so that the sum does not depend on how NumPy adds.
        terms = np.concatenate([self.cost[users, association], self.opening + computing])
        return float(np.cumsum(terms)[-1]) if terms.size else 0.0

    @cached_property
    def lists(self) -> Lists:
        """The same as lists of all servers."""
        n, m = self.cost.shape
        data = {
            Sharing.FIXED: PairData.FITTING,
            Sharing.OPTIMAL: PairData.CLAMPED,
            Sharing.EQUAL: PairData.LIMITED,
        }[self.sharing]
        more: FloatArray | None = self.most.astype(np.float64) if data == PairData.LIMITED else self.part
        if (data == PairData.CLAMPED and not self.part.any()) or (data == PairData.LIMITED and (self.most >= n).all()):
            data, more = PairData.NONE, None
        station = np.ascontiguousarray(np.broadcast_to(np.arange(m, dtype=np.int32), (n, m)))
        return Lists(
            station=station,
            cost=self.cost,
            more=more,
            size=self.size,
            rate=np.zeros(n),
            near=near_servers(station, self.cost, m),
            cpu=self.cpu,
            capacity=self.capacity,
            opening=float(self.opening),
            penalty=0.0,
            max_open=int(self.max_open),
            sharing=self.sharing,
            data=data,
            dense=True,
        )

    def improve(self, association: IntArray, iterations: int, seed: int) -> IntArray:
        """Return the best association that so many iterations of local search find from a feasible one.

        Where the time of the run is over, fewer of them.
        """
        search = Search(self.lists, seed)
        search.start(association)
        search.polish()
        search.advance(iterations)
        return search.best()
