"""A P1 problem as the plain arrays that the compiled search takes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property
from typing import TYPE_CHECKING

import numpy as np

from dtopt.price_dual import PriceDual
from dtopt.stop import seconds_left
from dtopt.tolerances import relaxed
from solvers.local_search.candidates import Lists, near_servers
from solvers.local_search.driver import Search
from solvers.local_search.kernel import CLAMPED, EQUAL, FITTING, FIXED, LIMITED, OPTIMAL, PLAIN, Instance, total_cost
from solvers.local_search.start import from_prices

if TYPE_CHECKING:
    from dtopt.arrays import FloatArray, IntArray
    from dtopt.problem import Placement

__all__ = ["SearchArrays", "compile_kernels"]

_MODES = {"fixed": FIXED, "equal": EQUAL, "optimal": OPTIMAL}


#: From so many pairs on iterations go on in slices, between which the clock is looked at.
LONG_PAIRS = 100_000


def _out_of_time() -> bool:
    return seconds_left() <= 0.0


@cache
def compile_kernels() -> None:
    """Compile the search, or load it from Numba's cache; some seconds once for each installation, then a fraction.

    Solvers call it before their clock starts: it is part of installing them, not of any run.
    """
    two = np.ones((2, 2))
    arrays = SearchArrays(two, np.ones(2), two, np.ones((2, 2), dtype=np.int64), np.ones(2), np.ones(2, int), 1.0, 2, 0)
    arrays.improve(np.array([0, 1]), 1, 0)
    nothing = np.zeros(2, dtype=np.int64)
    dual = PriceDual(two, np.ones(2), None, None, np.ones(2), np.ones(2), 1.0, 1.0, 2, nothing)
    _, prices = dual.ascend(temperatures=(1.0,))
    from_prices(arrays, dual, prices)


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
        √(κ w) or κ w, times the worth of a second (its root), as the mode has it.
    part : ndarray, shape (N, M)
        Part of the server's CPU that must be set aside.
    most : ndarray of int, shape (N, M)
        The largest number of twins among which the user keeps its deadline under ``equal`` sharing.
    cpu, capacity : ndarray, shape (M,)
    opening : float
    max_open, mode : int
    """

    cost: FloatArray
    size: FloatArray
    part: FloatArray
    most: IntArray
    cpu: FloatArray
    capacity: IntArray
    opening: float
    max_open: int
    mode: int

    @classmethod
    def of(cls, problem: Placement, dual: PriceDual | None = None) -> SearchArrays:
        """Return the arrays of a problem; a dual of it that is at hand saves making its matrices again."""
        dual = dual or PriceDual.of(problem)
        n = problem.n_users
        shape = dual.cost.shape
        mode = _MODES[problem.sharing]
        sizes = {
            FIXED: np.zeros(n),
            EQUAL: dual.worth * problem.load_cycles,
            OPTIMAL: np.sqrt(dual.worth) * dual.root_load,
        }
        # Parts of the CPU itself: `kernel.FULL` has the tolerance.
        part = relaxed(dual.part) if dual.part is not None else np.zeros(shape)
        if dual.floor is not None:
            part = relaxed(dual.floor / dual.cpu)
        most = np.full(shape, n, dtype=np.int64)
        if mode == EQUAL and problem.deadlines_bind:
            users, stations = np.arange(n)[:, None], np.arange(dual.cpu.size)[None, :]
            most = problem.most_twins(users, stations)
        # Copies that can be written to: to Numba, read-only arrays are another type, to be compiled for anew.
        return cls(
            cost=np.array(dual.cost, order="C"),
            size=np.array(sizes[mode]),
            part=np.array(part, order="C"),
            most=most,
            cpu=np.array(problem.network.stations.cpu_hz),
            capacity=dual.capacity.astype(np.int64),
            opening=dual.opening,
            max_open=dual.max_open,
            mode=mode,
        )

    @property
    def _costs(self) -> tuple[FloatArray, FloatArray, FloatArray, IntArray, FloatArray, IntArray, float]:
        """The arguments that all kernels begin with."""
        return self.cost, self.size, self.part, self.most, self.cpu, self.capacity, self.opening

    def total(self, association: IntArray) -> float:
        """Return the cost of an association, infinite where it breaks a constraint."""
        return float(total_cost(*self._costs, self.mode, association))

    @cached_property
    def lists(self) -> Lists:
        """The same as the instance of the compiled search."""
        n, m = self.cost.shape
        kind = {FIXED: FITTING, OPTIMAL: CLAMPED, EQUAL: LIMITED}[self.mode]
        more = self.most.astype(np.float64) if kind == LIMITED else self.part
        if (kind == CLAMPED and not more.any()) or (kind == LIMITED and (more >= n).all()):
            kind, more = PLAIN, np.zeros((0, 0))
        station = np.ascontiguousarray(np.broadcast_to(np.arange(m, dtype=np.int32), (n, m)))
        instance = Instance(
            station=station,
            cost=self.cost,
            more=more,
            sizes=np.column_stack([self.size, np.zeros(n)]),
            near=near_servers(station, self.cost, m),
            opening=float(self.opening),
            penalty=0.0,
            max_open=int(self.max_open),
            mode=self.mode,
            kind=kind,
            dense=True,
        )
        return Lists(instance, self.cpu, self.capacity, None)

    def improve(self, association: IntArray, iterations: int, seed: int) -> IntArray:
        """Return the best association that so many iterations of local search find from a feasible one.

        Where the time of the run is over, fewer of them.
        """
        search = Search(self.lists, seed)
        search.start(association)
        search.polish(_out_of_time)
        part = iterations if self.cost.size < LONG_PAIRS else search.slice_iterations
        for done in range(0, iterations, max(1, part)):
            if _out_of_time():
                break
            search.advance(min(part, iterations - done))
        return search.best()
