"""Successive linearisation for a set of open servers: Frank–Wolfe, then steps that cost something to move."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dtopt.problem import Placement
from solvers.loads import ServerLoads, regrets
from solvers.ortools_flow.linear import Linearised
from solvers.ortools_flow.transport import transport
from solvers.repair import place_remaining

if TYPE_CHECKING:
    from dtopt.arrays import BoolArray, FloatArray, IntArray
    from dtopt.run import Run

    _Point = tuple[FloatArray, FloatArray, FloatArray]

__all__ = ["Descent"]

#: Frank–Wolfe iterations for a set of servers, and those without a better association after which it ends.
ITERATIONS, PATIENCE = 60, 12
#: The same where CPU must be set aside, which needs prices.
PRICED_ITERATIONS, PRICED_PATIENCE = 300, 80
#: How far above the best lower bound the prices first aim, as a part of it.
AIM = 0.01
#: What moving costs in the flows downhill, as parts of the largest gain of a single move.
PARTS = (0.0, 0.3, 0.6, 0.9)
#: Shifts of counts between two servers that are tried before giving up.
SHIFTS = 40


class Descent:
    """Looks for associations of low cost and offers them to a run.

    Parameters
    ----------
    run : Run
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        self.linear = Linearised(run.problem)
        self._users = np.arange(run.problem.n_users)

    def descend(self, is_open: BoolArray, start: IntArray | None) -> None:
        """Offer associations to some open servers: those of Frank–Wolfe, and from the best of them downhill."""
        best = self._frank_wolfe(is_open, start)
        if best is not None:
            best = self._downhill(is_open, *best)
            if self.run.problem.sharing == "equal":
                self._recount(is_open, *best)

    # --- Frank–Wolfe ----------------------------------------------------------------------------------------------

    def _frank_wolfe(self, is_open: BoolArray, start: IntArray | None) -> tuple[IntArray, float] | None:
        """Linearise at averaged loads, send users by min-cost flow, average the loads; return the best one met.

        CPU that must be set aside has a price, which follows what the flows leave or lack.
        """
        linear = self.linear
        room = np.where(is_open, linear.room, 0)
        first = None if start is None else self._offer(start, is_open)
        prices = None if linear.need is None else _Prices(is_open)
        # Prices take a while to be of use, so that patience begins with the first association that they give.
        best = first if prices is None else None
        at = None if start is None else self._point(start)
        zero = np.zeros(linear.cpu.size)
        idle = 0
        for step in range(ITERATIONS if prices is None else PRICED_ITERATIONS):
            self.run.check()
            brought, pressure = (zero, zero) if at is None else at[1:]
            cost = np.where(is_open, linear.gradient(brought, pressure), np.inf)
            if prices is not None and linear.need is not None:
                cost = cost + prices.value * linear.need
            association = transport(cost, room)
            self.run.iterations += 1
            if association is None:
                break
            found = self._offer(association, is_open, cost)
            idle += 1
            if found is not None and (best is None or found[1] < best[1]):
                best, idle = found, 0
            target = self._point(association)
            part = 1.0 if at is None else self._step(at, target, step)
            if prices is not None:
                lowest = float(cost[self._users, association].sum())
                prices.follow(lowest, linear.used(association) - 1.0)
            # As long as the CPU that must be set aside is no matter, there is nothing for prices to find.
            priced = prices is not None and bool(prices.value.any())
            if part == 0.0 and not priced:
                break
            if best is not None and idle > (PRICED_PATIENCE if priced else PATIENCE):
                break
            at = target if at is None else _between(at, target, part)
        return min((x for x in (first, best) if x is not None), key=lambda x: x[1], default=None)

    def _point(self, association: IntArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return what Frank–Wolfe averages: the cost of pairs, X and the pressure of each server."""
        linear = self.linear
        pairs = np.array([linear.cost[self._users, association].sum()])
        return pairs, linear.sums(linear.brings, association), linear.pressure(association)

    def _step(self, at: _Point, target: _Point, step: int) -> float:
        """Return how far to go from one point to another: the best step under P1, a falling one under P2."""
        if not isinstance(self.run.problem, Placement) or self.linear.late is not None:
            return 2.0 / (step + 2.0)
        pairs, brought, pressure = (new - old for old, new in zip(at, target, strict=True))
        # The cost is Σ c + Σ X · pressure, a parabola along the way.
        square = float(brought @ pressure)
        slope = float(pairs[0] + at[1] @ pressure + brought @ at[2])
        if square <= 0:
            return 1.0 if square + slope < 0 else 0.0
        return float(np.clip(-slope / (2.0 * square), 0.0, 1.0))

    # --- downhill -------------------------------------------------------------------------------------------------

    def _downhill(self, is_open: BoolArray, association: IntArray, value: float) -> tuple[IntArray, float]:
        """Move users by flows on marginal costs, fewer at a time where many together do not pay.

        Every move costs a part of the largest gain, so that the flow moves only those who gain most; the last resort is
        the best move alone, whose gain is known.
        """
        linear = self.linear
        room = np.where(is_open, linear.room, 0)
        better = True
        while better:
            self.run.check()
            better = False
            marginal = np.where(is_open, linear.marginal(association), np.inf)
            here = marginal[self._users, association]
            gain = here[:, None] - marginal
            most = float(gain.max())
            for part in PARTS:
                if most <= 0 and part > 0:
                    break
                cost = marginal + part * most
                cost[self._users, association] = here
                moved = transport(cost, room)
                self.run.iterations += 1
                if moved is None or (moved == association).all():
                    break
                found = self._offer(moved, is_open)
                if found is not None and found[1] < value:
                    (association, value), better = found, True
                    break
            if not better and most > 0:
                full = np.bincount(association, minlength=room.size) >= room
                single = np.where(full, -np.inf, gain)
                user, server = np.unravel_index(int(single.argmax()), single.shape)
                moved = association.copy()
                moved[user] = server
                found = self._offer(moved, is_open) if single[user, server] > 0 else None
                if found is not None and found[1] < value:
                    (association, value), better = found, True

        return association, value

    def _recount(self, is_open: BoolArray, association: IntArray, value: float) -> None:
        """Shift the counts of twins between two servers while that pays; ``equal`` sharing only.

        For given counts the costs are constants, so that a flow finds the best association with them.
        """
        linear = self.linear
        better = True
        while better:
            better = False
            count = np.bincount(association, minlength=is_open.size)
            marginal = np.where(is_open, linear.marginal(association), np.inf)
            gain = marginal[self._users, association][:, None] - marginal
            # What the best single move between two servers gains: the shifts are tried in this order.
            promise = np.full((is_open.size, is_open.size), -np.inf)
            np.maximum.at(promise, association, gain)
            np.fill_diagonal(promise, -np.inf)
            promise[:, count >= linear.room] = -np.inf
            order = np.argsort(-promise, axis=None)[:SHIFTS].tolist()
            shifts = [(s // is_open.size, s % is_open.size) for s in order if np.isfinite(promise.flat[s])]
            for source, target in [(0, 0), *shifts]:
                self.run.check()
                shifted = count.copy()
                shifted[source] -= 1
                shifted[target] += 1
                moved = transport(linear.counted(shifted), shifted, full=True)
                self.run.iterations += 1
                found = None if moved is None else self._offer(moved, is_open)
                if found is not None and found[1] < value:
                    (association, value), better = found, True
                    break

    # --- candidates -----------------------------------------------------------------------------------------------

    def _offer(
        self, association: IntArray, is_open: BoolArray, cost: FloatArray | None = None
    ) -> tuple[IntArray, float] | None:
        """Offer an association, mended where need be; return it with its cost, or None where it could not be."""
        sign = -1.0 if self.run.problem.maximise else 1.0
        judged = self.run.offer(association)
        if judged.feasible:
            return association, sign * judged.objective
        mended = self._mended(association, is_open, self.linear.cost if cost is None else cost)
        if mended is None:
            return None
        judged = self.run.offer(mended)
        return (mended, sign * judged.objective) if judged.feasible else None

    def _mended(self, association: IntArray, is_open: BoolArray, cost: FloatArray) -> IntArray | None:
        """Keep users where they are while they fit, those first that lose most elsewhere, and place the others."""
        linear = self.linear
        elsewhere = np.where(is_open, cost, np.inf)
        elsewhere[self._users, association] = np.inf
        loss = elsewhere.min(axis=1) - cost[self._users, association]
        most = need = None
        if linear.need is not None:
            need = linear.need[self._users, association]
            loss = loss / np.maximum(need, 1e-12)
        if linear.most is not None:
            most = linear.most[self._users, association]
            # Those that bear few others would keep all others out.
            loss = most.astype(np.float64)
        kept: IntArray = np.full(association.size, -1, dtype=np.int64)
        used, count = np.zeros(linear.cpu.size), np.zeros(linear.cpu.size, dtype=np.int64)
        least = np.full(linear.cpu.size, association.size)
        for user in np.argsort(-loss, kind="stable").tolist():
            k = association[user]
            takes = 0.0 if need is None else need[user]
            bears = least[k] if most is None else min(least[k], most[user])
            if count[k] < linear.room[k] and used[k] + takes <= 1.0 and count[k] < bears:
                kept[user] = k
                used[k] += takes
                count[k] += 1
                least[k] = bears
        self.run.check()
        loads = ServerLoads(self.run.problem, is_open)
        loads.association[:] = kept
        loads.rebuild(np.flatnonzero(is_open).tolist())
        self._place(loads)
        return loads.association if place_remaining(loads) else None

    def _place(self, loads: ServerLoads) -> None:
        """Place users one by one, those first that lose most at their second-best server, while any fits."""
        waiting = np.flatnonzero(loads.association < 0)
        while waiting.size:
            self.run.check()
            cost = loads.marginal(waiting)
            first = int(np.argmax(regrets(cost)))
            if not np.isfinite(cost[first].min()):
                return
            loads.add(int(waiting[first]), int(cost[first].argmin()))
            waiting = np.delete(waiting, first)


def _between(at: _Point, target: _Point, part: float) -> _Point:
    (a, b, c), (x, y, z) = at, target
    return a + part * (x - a), b + part * (y - b), c + part * (z - c)


class _Prices:
    """Prices on the CPU of open servers, for all of it, by subgradients.

    Each step aims a part of the way above the best lower bound met; the part shrinks where the bound does not rise.
    """

    def __init__(self, is_open: BoolArray) -> None:
        self.is_open = is_open
        self.value: FloatArray = np.zeros(is_open.size)
        self._best, self._idle, self._part = -np.inf, 0, AIM

    def follow(self, lowest: float, lack: FloatArray) -> None:
        """Move the prices.

        Parameters
        ----------
        lowest : float
            The cost of the flow at the present prices.
        lack : ndarray, shape (M,)
            The CPU that it needs beyond what there is, in parts of it.
        """
        lack = np.where(self.is_open, lack, 0.0)
        # A server with CPU to spare and no price has nothing to follow.
        lack = np.where((self.value > 0) | (lack > 0), lack, 0.0)
        bound = lowest - float(self.value[self.is_open].sum())
        self._idle += 1
        if bound > self._best:
            self._best, self._idle = bound, 0
        elif self._idle > PRICED_PATIENCE // 4:
            self._part, self._idle = self._part / 2.0, 0
        square = float(lack @ lack)
        if square > 0:
            aim = self._best - bound + self._part * max(abs(self._best), 1e-12)
            self.value = np.maximum(0.0, self.value + aim / square * lack)
