"""Local search over whole paths: each user in turn takes its best path given all others, which is a shortest path.

What a user does to its company on a server is known exactly, so the best path through a stay is found over the nodes
(slot, server), each worth what the user gets there and what it takes from those who are there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numba
import numpy as np

from solvers.clairvoyant.expanded import EQUAL, FIXED, OPTIMAL, Net

if TYPE_CHECKING:
    from dtopt.arrays import FloatArray, IntArray
    from solvers.clairvoyant.expanded import ExpandedScenario

__all__ = ["PathSearch"]

#: Part of the deadline that rounding may cost: half the evaluator's tolerance.
PART = 0.5 / 1.1
#: CPU parts may sum to this much, as the evaluator has it.
FULL = 1.0 + 1e-9
#: Moves that gain less than this part of the whole are left alone: they may be rounding.
LEAST_GAIN = 1e-13


@numba.njit(cache=True)
def _cell_value(net: Net, cell: int, rows: IntArray, pos: IntArray, move: FloatArray, n: int, big: float) -> float:
    """Return what the first n of a cell's users are worth together; less `big` and more where that breaks a rule."""
    if n == 0:
        return 0.0
    broken = 0.0
    if n > net.places[cell]:
        broken += n - net.places[cell]
    load = 0.0
    for a in range(n):
        if net.mode == FIXED:
            load += net.demand[rows[a], pos[a]]
        else:
            load += net.size[rows[a]] * net.part[cell]
    if net.mode == FIXED and load > FULL:
        broken += load - 1.0
    level = 1.0 if net.mode == FIXED else load
    fits = True
    if net.mode == OPTIMAL and net.hard:
        # Water-filling: floors that bind are set aside, the others share the rest.
        clamped = 0
        while True:
            left, free = 1.0, 0.0
            for a in range(n):
                growth = net.growth[rows[a]] * net.rate[cell]
                size = net.size[rows[a]] * net.part[cell]
                slack = net.slack[rows[a], pos[a]] - move[a] + PART * net.room[rows[a]]
                if clamped > 0 and growth * level > slack:
                    left -= size * growth / slack if slack > 0.0 else 10.0
                else:
                    free += size
            if left < 0.0:
                broken -= left
                fits = False
                level = load
                break
            higher = level if free == 0.0 else (free / left if left > 0.0 else np.inf)
            now = 0
            for a in range(n):
                growth = net.growth[rows[a]] * net.rate[cell]
                if growth * higher > net.slack[rows[a], pos[a]] - move[a] + PART * net.room[rows[a]]:
                    now += 1
            level = higher
            if now == clamped:
                break
            clamped = now
    total = 0.0
    for a in range(n):
        growth = net.growth[rows[a]] * net.rate[cell]
        late = -(net.slack[rows[a], pos[a]] - move[a])
        if growth > 0.0:
            late += growth * level
        if net.hard:
            if late > net.room[rows[a]] / 1.1:
                if net.mode != OPTIMAL or not fits or growth == 0.0:
                    broken += min(late, 1.0)
                late = max(late, 0.0) if not fits or net.mode != OPTIMAL else 0.0
            elif net.mode == OPTIMAL:
                late = min(late, 0.0)
            total += net.beta * np.exp(-late)
        else:
            total += net.beta * np.exp(-late) - net.penalty * max(late, 0.0)
    if broken > 0.0:
        total -= big * (1.0 + broken)
    return total


@numba.njit(cache=True)
def _move_of(net: Net, row: int, choice: IntArray) -> float:
    """Return the time to move into a row's choice."""
    prior = net.prior[row]
    q = choice[prior] if prior < choice.size else 0
    return float(min(net.move[row, q, choice[row]], 1e6))


@numba.njit(cache=True)
def _drop(members: IntArray, count: IntArray, begin: IntArray, cell: int, row: int) -> None:
    for a in range(begin[cell], begin[cell] + count[cell]):
        if members[a] == row:
            count[cell] -= 1
            members[a] = members[begin[cell] + count[cell]]
            return


@numba.njit(cache=True)
def _best_path(
    net: Net,
    chain: IntArray,
    choice: IntArray,
    members: IntArray,
    count: IntArray,
    begin: IntArray,
    big: float,
    group: IntArray,
    pos: IntArray,
    move: FloatArray,
    table: FloatArray,
    came: IntArray,
    found: IntArray,
) -> float:
    """Fill `found` with the best path through a chain of rows given all others, and return what it gains over now."""
    alone = not (net.hard and net.mode == OPTIMAL)
    before = 0.0
    for s in range(chain.size):
        row = chain[s]
        prior = net.prior[row]
        mine = choice[row]
        first = prior >= choice.size
        for p in range(net.width[row]):
            cell = net.cell[row, p]
            n = 0
            for a in range(begin[cell], begin[cell] + count[cell]):
                if members[a] != row:
                    group[n] = members[a]
                    pos[n] = choice[members[a]]
                    move[n] = _move_of(net, members[a], choice)
                    n += 1
            without = _cell_value(net, cell, group, pos, move, n, big)
            group[n], pos[n] = row, p
            growth = net.growth[row] * net.rate[cell]
            here = own = level = 0.0
            if alone:
                # Moving concerns only the user itself: its company is worth the same from wherever it comes.
                if net.mode == FIXED:
                    level = 0.0
                elif net.mode == EQUAL:
                    level = n + 1.0
                else:
                    for a in range(n + 1):
                        level += net.size[group[a]] * net.part[cell]
                move[n] = 0.0
                here = _cell_value(net, cell, group, pos, move, n + 1, big) - without
                own = growth * level - net.slack[row, p] if growth > 0.0 else -net.slack[row, p]
                here -= _own(net, row, own, big)
            best, source = -np.inf, 0
            for q in range(net.width[prior]):
                sofar = 0.0 if first else table[s - 1, q]
                time = min(net.move[row, q, p], 1e6)
                if alone:
                    gain = here + _own(net, row, own + time, big)
                else:
                    move[n] = time
                    gain = _cell_value(net, cell, group, pos, move, n + 1, big) - without
                if p == mine and q == (0 if first else choice[prior]):
                    before += gain
                if sofar + gain > best:
                    best, source = sofar + gain, q
            table[s, p] = best
            came[s, p] = source
    last = chain.size - 1
    top, at = -np.inf, 0
    for p in range(net.width[chain[last]]):
        if table[last, p] > top:
            top, at = table[last, p], p
    for s in range(last, -1, -1):
        found[s] = at
        at = came[s, at]
    return top - before


@numba.njit(cache=True)
def _own(net: Net, row: int, late: float, big: float) -> float:
    """Return what a user is worth by its lateness where shares do not depend on it."""
    if net.hard:
        worth = net.beta * np.exp(-late)
        if late > net.room[row] / 1.1:
            worth -= big * (1.0 + min(late, 1.0))
        return float(worth)
    return float(net.beta * np.exp(-late) - net.penalty * max(late, 0.0))


@numba.njit(cache=True)
def _fill(net: Net, choice: IntArray, members: IntArray, count: IntArray, begin: IntArray) -> None:
    count[:] = 0
    for row in range(choice.size):
        cell = net.cell[row, choice[row]]
        members[begin[cell] + count[cell]] = row
        count[cell] += 1


@numba.njit(cache=True)
def _total(
    net: Net,
    choice: IntArray,
    members: IntArray,
    count: IntArray,
    begin: IntArray,
    big: float,
    group: IntArray,
    pos: IntArray,
    move: FloatArray,
) -> float:
    """Return what all are worth."""
    total = 0.0
    for cell in range(count.size):
        for a in range(count[cell]):
            group[a] = members[begin[cell] + a]
            pos[a] = choice[group[a]]
            move[a] = _move_of(net, group[a], choice)
        total += _cell_value(net, cell, group, pos, move, count[cell], big)
    return total


@numba.njit(cache=True)
def _sweep(
    net: Net,
    chains: IntArray,
    chain_starts: IntArray,
    order: IntArray,
    choice: IntArray,
    members: IntArray,
    count: IntArray,
    begin: IntArray,
    big: float,
    least: float,
) -> float:
    """Let chains take their best paths in an order, once; return what that gained."""
    longest, most = 0, 0
    for c in range(chain_starts.size - 1):
        longest = max(longest, chain_starts[c + 1] - chain_starts[c])
    for cell in range(count.size):
        most = max(most, net.starts[cell + 1] - net.starts[cell])
    group, pos = np.empty(most + 1, dtype=np.int64), np.empty(most + 1, dtype=np.int64)
    move = np.empty(most + 1)
    table = np.empty((longest, net.cell.shape[1]))
    came = np.zeros((longest, net.cell.shape[1]), dtype=np.int64)
    found = np.zeros(longest, dtype=np.int64)
    gained = 0.0
    for c in order:
        chain = chains[chain_starts[c] : chain_starts[c + 1]]
        gain = _best_path(net, chain, choice, members, count, begin, big, group, pos, move, table, came, found)
        if gain <= least:
            continue
        gained += gain
        for s in range(chain.size):
            row = chain[s]
            if found[s] != choice[row]:
                _drop(members, count, begin, net.cell[row, choice[row]], row)
                choice[row] = found[s]
                cell = net.cell[row, choice[row]]
                members[begin[cell] + count[cell]] = row
                count[cell] += 1
    return gained


class PathSearch:
    """Local search over paths from any choice, feasible or not: what breaks a rule costs more than all is worth."""

    def __init__(self, expanded: ExpandedScenario) -> None:
        net = expanded.real
        self.net = net
        rows = expanded.rows
        following = np.full(net.width.size, -1, dtype=np.int64)
        following[net.prior] = np.arange(rows)
        chains: list[int] = []
        starts = [0]
        for source in range(rows, net.width.size):
            row = int(following[source])
            while row >= 0:
                chains.append(row)
                row = int(following[row])
            starts.append(len(chains))
        self.chains = np.array(chains, dtype=np.int64)
        self.starts = np.array(starts, dtype=np.int64)
        self.begin = np.ascontiguousarray(net.starts[:-1])
        best = np.where(np.isfinite(net.slack), net.slack, 0.0).max()
        self.big = 1e3 * float(net.beta * np.exp(best)) + 1e3 * net.penalty
        self.members = np.zeros(int(net.starts[-1]), dtype=np.int64)
        self.count = np.zeros(self.begin.size, dtype=np.int64)

    def value(self, choice: IntArray) -> float:
        """Return what a choice is worth without the constant part; far below 0 where it breaks a rule."""
        most = int(np.diff(self.net.starts).max()) + 1
        room = np.empty(most, dtype=np.int64), np.empty(most, dtype=np.int64), np.empty(most)
        _fill(self.net, choice, self.members, self.count, self.begin)
        return float(_total(self.net, choice, self.members, self.count, self.begin, self.big, *room))

    def improve(self, choice: IntArray, rng: np.random.Generator, sweeps: int, stop: object = None) -> IntArray:
        """Return what a choice becomes when users take their best paths in random order, until none gains by it."""
        choice = np.array(choice, dtype=np.int64)
        least = LEAST_GAIN * max(1.0, abs(self.value(choice)))
        for _ in range(sweeps):
            order = rng.permutation(self.starts.size - 1)
            gained = _sweep(
                self.net, self.chains, self.starts, order, choice, self.members, self.count, self.begin, self.big, least
            )
            if gained <= least * order.size or (callable(stop) and stop()):
                break
        return choice
