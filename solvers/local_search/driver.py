"""The search as a Python object: start, slices of compiled iterations, the incumbent."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from solvers.local_search import kernel
from solvers.local_search.candidates import Lists
from solvers.local_search.descent import exchange, sweep
from solvers.local_search.kernel import Instance, State
from solvers.local_search.moves import is_feasible, load_state
from solvers.local_search.search import ANY, CLOSE, construct, iterate

if TYPE_CHECKING:
    from collections.abc import Callable

    from dtopt.arrays import BoolArray, IntArray

__all__ = ["Search"]

#: Moves that gain less than this part of the whole are left alone: they may be rounding.
LEAST_GAIN = 1e-12
#: What lacks is weighed by this times the cost of the start, more than anything could gain.
STRICT = 500.0
#: Users whose descent takes a slice of compiled code.
SLICE_USERS = 100_000
#: Users that an iteration should look at.
REGION = 1000
#: Users of each server that a user may swap with, drawn at random, where there are many.
PARTNERS = 4
#: Open servers around one, and users, that a wide iteration looks at, and what swaps after one may gain: this part of
#: the cost by the number of servers.
WIDE_REACH, WIDE_USERS, SWAP_GAIN = 20, 5000, 3.5e-3
#: Of 64 iterations, those that move users at random and those that exchange servers; the others open or close one.
KICKS, EXCHANGES = 4, 32


class Search:
    """An iterated local search under way.

    Parameters
    ----------
    lists : Lists
    seed : int
    """

    def __init__(self, lists: Lists, seed: int = 0) -> None:
        n, m = lists.instance.sizes.shape[0], lists.cpu.size
        self.instance, self.order = lists.instance, lists.order
        room = n + 30_000
        self.state = State(
            users=np.zeros((n, kernel.N_USER), dtype=np.int32),
            servers=np.zeros((m, kernel.N_SERVER)),
            counts=np.zeros((m, kernel.N_COUNT), dtype=np.int64),
            members=np.zeros(3 * n + 64 * m, dtype=np.int32),
            log_users=np.zeros((room, 5), dtype=np.int32),
            log_sums=np.zeros((room, 8)),
            floats=np.zeros(kernel.N_FLOAT),
            ints=np.zeros(kernel.N_INT, dtype=np.int64),
            region=np.arange(n, dtype=np.int32),
            focus=np.arange(m, dtype=np.int32),
        )
        self.state.floats[kernel.BEST] = np.inf
        self.state.floats[[kernel.EASE, kernel.PRESS]] = 1.0
        self.state.ints[kernel.OPENING] = -1
        self.state.ints[kernel.RANDOM] = seed
        self.state.servers[:, kernel.CPU] = lists.cpu
        self.state.counts[:, kernel.CAPACITY] = np.minimum(lists.capacity, n)
        #: Whether the regions of iterations may be all users, and every move may be tried.
        small = n <= REGION
        self.small = small
        self.oscillates = small and lists.instance.kind in {kernel.FITTING, kernel.CLAMPED}
        self.partners = n if small else PARTNERS
        self.passes = 10 if small else 6
        self.kinds = 64 * KICKS + EXCHANGES if small else EXCHANGES
        self.last = kernel.SWAPS
        # What many places may lose together must not hide what one gains.
        self.threshold = (
            (0.05 if lists.instance.kind == kernel.FITTING else 0.3) * min(1.0, 10.0 / m) / m if small else 0.0
        )

    def start(self, association: IntArray | None = None, closed: BoolArray | None = None) -> None:
        """Begin from an association, or from one made by placing users in random order at least marginal cost.

        Parameters
        ----------
        association : ndarray of int, shape (N,), optional
        closed : ndarray of bool, shape (M,), optional
            Servers that users are placed on only where they have no other.
        """
        p, s = self.instance, self.state
        if association is not None and self.order is not None:
            association = association[self.order]
        if association is None:
            capacity = s.counts[:, kernel.CAPACITY].copy()
            if closed is not None:
                s.counts[closed, kernel.CAPACITY] = 0
            construct(p, s, np.random.default_rng(int(s.ints[kernel.RANDOM])).permutation(p.sizes.shape[0]))
            s.counts[:, kernel.CAPACITY] = capacity
        elif p.dense:
            s.users[:, kernel.SLOT] = association
        else:
            s.users[:, kernel.SLOT] = (p.station == association[:, None]).argmax(axis=1)
        s.floats[kernel.BEST] = np.inf
        load_state(p, s, True)
        weight = STRICT * abs(float(s.floats[kernel.COST]))
        s.servers[:, kernel.CPU_WEIGHT] = s.servers[:, kernel.PLACE_WEIGHT] = weight
        s.floats[kernel.OPEN_WEIGHT] = weight
        s.floats[kernel.LEAST] = LEAST_GAIN * weight / STRICT
        self._scale = weight / STRICT
        # A place among many can gain only so much.
        s.floats[kernel.GAINS :] = 0.01 * min(1.0, 10.0 / s.counts.shape[0]) * weight / STRICT
        load_state(p, s, False)
        self._commit()

    def focus(self, servers: IntArray) -> None:
        """Begin iterations at these servers, those that are given more often more often."""
        self.state = self.state._replace(focus=servers.astype(np.int32))

    def oscillate(self, ease: float = 0.98, press: float = 1.05, first: float = 0.3) -> None:
        """Walk through infeasible associations too, what lacks being weighed ever more while it does."""
        p, s = self.instance, self.state
        weight = first * abs(float(s.floats[kernel.COST])) / s.counts.shape[0]
        s.servers[:, kernel.CPU_WEIGHT] = s.servers[:, kernel.PLACE_WEIGHT] = weight
        s.floats[[kernel.EASE, kernel.PRESS]] = ease, press
        load_state(p, s, False)

    def _commit(self) -> None:
        s = self.state
        s.ints[kernel.LOGGED] = 0
        if is_feasible(self.instance, s) and s.floats[kernel.COST] < s.floats[kernel.BEST]:
            s.floats[kernel.BEST] = s.floats[kernel.COST]

    @property
    def best_cost(self) -> float:
        """Cost of the best feasible association so far, infinite without one."""
        return float(self.state.floats[kernel.BEST])

    @property
    def _worth(self) -> float:
        """What gains are measured by: the cost of the incumbent, of the start while there is none."""
        return abs(min(self.best_cost, self._scale))

    def best(self) -> IntArray:
        """Return the best association so far; the one at hand where none was feasible."""
        s = self.state
        slot = s.users[:, kernel.SLOT].astype(np.int64)
        for user, before in s.log_users[: s.ints[kernel.LOGGED], :2][::-1].tolist():
            slot[user] = before
        found = np.take_along_axis(self.instance.station, slot[:, None], axis=1)[:, 0].astype(np.int64)
        if self.order is None:
            return found
        association = np.empty_like(found)
        association[self.order] = found
        return association

    def descend(self, check: Callable[[], bool] = lambda: False) -> None:
        """Shift all users to their best servers until that no longer helps."""
        p, s = self.instance, self.state
        n = p.sizes.shape[0]
        for _ in range(20):
            moved = 0
            s.region[:] = np.arange(n, dtype=np.int32)
            for first in range(0, n, SLICE_USERS):
                moved += sweep(p, s, first, min(n, first + SLICE_USERS))
                self._commit()
                if check():
                    return
            if moved <= n // 1000:
                return

    def polish(self, check: Callable[[], bool] = lambda: False) -> None:
        """Shift and swap all users until that hardly helps any more."""
        p, s = self.instance, self.state
        n = s.region.size
        for _ in range(self.passes):
            moved = 0
            s.region[:] = np.arange(n, dtype=np.int32)
            for first in range(0, n, SLICE_USERS // 10):
                last = min(n, first + SLICE_USERS // 10)
                moved += sweep(p, s, first, last)
                moved += exchange(p, s, first, last, self.partners, False)
                self._commit()
                if check():
                    return
            if moved <= n // 1000:
                return

    @property
    def reach(self) -> int:
        """Open servers around one that an iteration looks at."""
        n, m = self.state.region.size, int(self.state.counts.shape[0])
        if n <= REGION:
            return m
        return max(4, REGION * int(self.state.ints[kernel.N_OPEN]) // n)

    @property
    def looks_near(self) -> bool:
        """Whether an iteration looks at much less around a server than a wide one."""
        return 2 * self.reach <= self.wide_reach

    @property
    def wide_reach(self) -> int:
        """Open servers around one that a wide iteration looks at: fewer where each has very many users."""
        n_open = int(self.state.ints[kernel.N_OPEN])
        return min(WIDE_REACH, WIDE_USERS * n_open // self.state.region.size)

    def close_servers(self, check: Callable[[], bool] = lambda: False) -> None:
        """Close servers, those first whose closing gains most, until none does."""
        p, s = self.instance, self.state
        change = np.full(s.counts.shape[0], -np.inf)
        while True:
            gain = np.full(s.counts.shape[0], np.inf)
            for k in np.flatnonzero((s.counts[:, kernel.COUNT] > 0) & (change < 0)).tolist():
                gain[k] = iterate(p, s, 1, CLOSE, k, 4, self.reach, self.passes, kernel.SHIFTS, 0, False)
                if check():
                    return
            change = np.where(np.isfinite(gain), gain, change)
            done = 0
            for k in np.argsort(gain, kind="stable").tolist():
                if not gain[k] < 0:
                    break
                done += iterate(p, s, 1, CLOSE, k, 4, self.reach, self.passes, kernel.SHIFTS, 0, True) < 0
                if check():
                    return
            if done == 0:
                return

    @property
    def iterations(self) -> int:
        """Iterations done, attempts to close servers included."""
        return int(self.state.ints[kernel.ITERATIONS])

    @property
    def improved_at(self) -> int:
        """The iteration that found the best association."""
        return int(self.state.ints[kernel.IMPROVED])

    @property
    def slice_iterations(self) -> int:
        """Iterations of a slice, far below a tenth of a second; by sizes alone, so that runs can be repeated."""
        return max(1, SLICE_USERS // (10 * min(self.state.region.size, REGION)))

    def knows(self, association: IntArray) -> bool:
        """Return whether all servers of an association are in their users' lists."""
        if self.order is not None:
            association = association[self.order]
        return bool((self.instance.station == association[:, None]).any(axis=1).all())

    def advance(self, iterations: int) -> None:
        """Do so many iterations."""
        self.state.floats[kernel.THRESHOLD] = self.threshold * self._worth
        iterate(
            self.instance,
            self.state,
            iterations,
            ANY,
            -1,
            self.kinds,
            self.reach,
            self.passes,
            self.last,
            self.partners,
            True,
        )

    def advance_widely(self) -> None:
        """Do an iteration that looks far around and always descends by shifts, by swaps where that comes near a gain.

        For large problems: what a server gains by being opened shows only after users have made room for each other
        over some servers in all directions.
        """
        s = self.state
        floats, m = s.floats, s.counts.shape[0]
        scale = self._worth
        gains = floats[kernel.GAINS : kernel.GAINS + 12].reshape(4, 3)
        gains[:, 0], gains[:, 1], gains[:, 2] = scale, SWAP_GAIN * scale / m, 0.0
        floats[kernel.THRESHOLD] = 0.0
        reach = self.wide_reach
        iterate(self.instance, s, 1, ANY, -1, self.kinds, reach, self.passes, self.last, self.partners, True)


@cache
def compile_kernels() -> None:
    """Run all compiled code once on an instance of two users."""
    two = np.ones((2, 2))
    station = np.array([[0, 1], [0, 1]], dtype=np.int32)
    near = np.array([[1], [0]], dtype=np.int32)
    instance = Instance(
        station, two, np.zeros((0, 0)), two.copy(), near, 1.0, 1.0, 2, kernel.OPTIMAL, kernel.PLAIN, True
    )
    search = Search(Lists(instance, np.ones(2), np.full(2, 2), None))
    search.start()
    search.descend()
    search.close_servers()
    search.polish()
    search.advance(1)
