"""The time-expanded MILP: users' paths with whole nodes, servers' levels in segments, for what the dual leaves open.

The relaxation behind `solvers.clairvoyant.dual` with whole decisions. a_n says that a user is on a node, y_e that it
takes an edge (whole where nodes are), q_c that a cell's level is in segment c, θ_a + θ_b = q_c where in between; z are
the edges at each end, z <= θ. See `solvers.exact.segments` for one slot.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

import highspy
import numpy as np

from dtopt.utility_segments import ROUNDING, Segments
from solvers.clairvoyant import kernel
from solvers.clairvoyant.expanded import EQUAL, OPTIMAL
from solvers.highs import quiet_highs
from solvers.milp.common import price

if TYPE_CHECKING:
    from dtopt.arrays import BoolArray, FloatArray, IntArray
    from solvers.clairvoyant.dual import TimeDual

__all__ = ["Answer", "PathModel"]

#: By so much, relatively, a bound of HiGHS is widened for its rounding.
WIDENING = 1e-8
#: Primal, dual and integer feasibility, absolute, in a model whose numbers are of order 1.
FEASIBILITY = 1e-9
#: Part of the deadline, in `Net.room`, that the problem's own floors have: 5e-10 of 1.1e-9.
FLOOR_PART = 5.0 / 11.0


@dataclass(frozen=True)
class Answer:
    """What HiGHS says: the status, an upper bound (plus infinity where there is none), and the choice of each row."""

    status: Literal["optimal", "infeasible", "stopped"]
    bound: float
    choice: IntArray | None


class PathModel:
    """The MILP over segments and the edges in them that have not been ruled out.

    Parameters
    ----------
    dual : TimeDual
        Gives the segments.
    kept : ndarray of bool, shape (segments, R, C, C)
        Which edges (row, position before, position) may be used in which segment.
    """

    def __init__(self, dual: TimeDual, kept: BoolArray) -> None:
        self.dual = dual
        self.net = dual.expanded.net
        some = kept.any(axis=(1, 2, 3))
        self.segments = Segments(*(x[some] for x in (dual.segments.server, dual.segments.low, dual.segments.high)))
        self.kept = kept[some]
        self.forbidden: list[IntArray] = []

    def solve(self, tolerance: float, seconds: float, seed: int) -> Answer:
        """Solve the model to a relative gap within a time."""
        highs = quiet_highs(
            time_limit=float(min(seconds, 1e9)),
            mip_rel_gap=tolerance,
            mip_abs_gap=0.0,
            random_seed=seed % 2**31,
            primal_feasibility_tolerance=FEASIBILITY,
            dual_feasibility_tolerance=FEASIBILITY,
            mip_feasibility_tolerance=FEASIBILITY,
            # Where coefficients lie far apart, as squares of loads can, presolve has cut off optima.
            presolve="off" if self.net.mode == OPTIMAL else "on",
        )
        if not self._build(highs):
            return Answer("infeasible", -math.inf, None)
        highs.run()
        status, kinds = highs.getModelStatus(), highspy.HighsModelStatus
        # The model is bounded, so "unbounded or infeasible" is infeasible.
        if status in {kinds.kInfeasible, kinds.kUnboundedOrInfeasible}:
            return Answer("infeasible", -math.inf, None)
        bound = -highs.getInfo().mip_dual_bound
        bound = (bound + WIDENING * max(abs(bound), 1e-3)) * self.scale if math.isfinite(bound) else math.inf
        solution = highs.getSolution()
        choice = None
        if solution.value_valid and len(solution.col_value):
            on = np.array(solution.col_value)[: self.nodes.size] > 0.5
            choice = np.zeros(self.dual.expanded.rows, dtype=np.int64)
            row, position = np.divmod(self.nodes[on], self.net.cell.shape[1])
            choice[row] = position
        return Answer("optimal" if status == kinds.kOptimal else "stopped", bound, choice)

    # --- the model ------------------------------------------------------------------------------------------------

    def _build(self, highs: highspy.Highs) -> bool:
        """Hand the model over; return whether every row has a node left."""
        net, width = self.net, self.net.cell.shape[1]
        rows = self.dual.expanded.rows
        edges, c, e, q, entry = self._entries()
        row, node = edges.row[entry], edges.node[entry]
        pos = node - row * width
        # Columns: nodes, edges, segments, their ends, then edges at ends.
        self.nodes = np.unique(node)
        if np.unique(self.nodes // width).size < rows:
            return False
        edge_id = (row * width + q) * width + pos
        edge_ids, edge_of = np.unique(edge_id, return_inverse=True)
        count = self.segments.server.size
        single = self.segments.single
        first_edge = self.nodes.size
        first_segment = first_edge + edge_ids.size
        first_end = first_segment + count
        first_z = first_end + 2 * count
        columns = first_z + entry.size
        worth = edges.worth[self._flat]
        self.scale = float(np.abs(net.beta * np.exp(net.slack[net.slack > -np.inf])).mean()) * rows or 1.0
        cost = np.zeros(columns)
        cost[first_z:] = -worth / self.scale
        upper = np.ones(columns)
        # A single level has one end.
        upper[first_end + 2 * np.flatnonzero(single) + 1] = 0.0
        highs.addVars(columns, np.zeros(columns), upper)
        highs.changeColsCost(columns, np.arange(columns, dtype=np.int32), cost)
        whole = np.concatenate([np.arange(first_edge), np.arange(first_segment, first_end)]).astype(np.int32)
        highs.changeColsIntegrality(whole.size, whole, np.full(whole.size, highspy.HighsVarType.kInteger))
        table = _Rows()
        node_of_edge = np.searchsorted(self.nodes, (edge_ids // width**2) * width + edge_ids % width)
        edge_columns = first_edge + np.arange(edge_ids.size)
        z = first_z + np.arange(entry.size)
        # One node a row.
        table.add(self.nodes // width, np.arange(first_edge), 1.0, 1.0, 1.0)
        # Edges into a node, and out of it.
        table.add_pairs([(node_of_edge, edge_columns, 1.0), (np.arange(first_edge), np.arange(first_edge), -1.0)])
        before = net.prior[edge_ids // width**2] * width + (edge_ids // width) % width
        inner = before < rows * width
        leaves = np.flatnonzero(~self.dual.expanded.last[self.nodes // width])
        place = np.searchsorted(self.nodes, before[inner])
        known = (place < self.nodes.size) & (self.nodes[np.minimum(place, self.nodes.size - 1)] == before[inner])
        # An edge from a node that was ruled out cannot be used.
        shut = edge_columns[inner][~known]
        if shut.size:
            table.add(np.arange(shut.size), shut, 1.0, 0.0, 0.0)
        table.add_pairs([(place[known], edge_columns[inner][known], 1.0), (leaves, leaves, -1.0)])
        # Edges at the ends of segments.
        table.add_pairs([(edge_of, z, 1.0), (np.arange(edge_ids.size), edge_columns, -1.0)])
        end = 2 * c + e
        item = np.unique(entry, return_inverse=True)[1]
        item_end = np.zeros(item.max(initial=-1) + 1, dtype=np.int64)
        item_end[item] = end
        table.add_pairs([(item, z, 1.0), (np.arange(item_end.size), first_end + item_end, -1.0)], low=-np.inf)
        ends = np.arange(2 * count)
        table.add_pairs([(ends // 2, first_end + ends, 1.0), (np.arange(count), first_segment + np.arange(count), -1.0)])
        table.add(self.segments.server, first_segment + np.arange(count), 1.0, -np.inf, 1.0)
        # Levels come from loads.
        unit = np.maximum(self.segments.high, 1e-300)
        level = np.stack([self.segments.low, self.segments.high], axis=1).ravel()
        table.add_pairs(
            [(c, z, edges.weight[self._flat] / unit[c]), (ends // 2, first_end + ends, -level / np.repeat(unit, 2))],
            low=-np.inf,
        )
        if net.mode != EQUAL:
            places = net.places[self.segments.server]
            binds = places < np.diff(net.starts)[self.segments.server]
            on = binds[c]
            tight = np.flatnonzero(binds)
            table.add_pairs([(c[on], z[on], 1.0), (tight, first_segment + tight, -places[tight])], low=-np.inf)
        if net.mode == OPTIMAL and net.hard:
            table.add(*self._floors(edge_ids, edge_columns), -np.inf, 1.0)
        for choice in self.forbidden:
            taken = np.flatnonzero(np.isin(self.nodes, np.arange(rows) * width + choice))
            table.add(np.zeros(taken.size, dtype=np.int64), taken, 1.0, -np.inf, rows - 1.0)
        table.hand_over(highs)
        return True

    def _entries(self) -> tuple[kernel.Edges, IntArray, IntArray, IntArray, IntArray]:
        """Return all kept edges at all ends: their segment, end, position before, and the item they belong to."""
        net, width = self.net, self.net.cell.shape[1]
        low, high, server = self.segments.low, self.segments.high, self.segments.server
        rows = self.dual.expanded.rows
        none = np.zeros(server.size)
        edges = kernel.near_edges(
            net, low, high, server, np.zeros(rows), np.zeros((net.width.size, width)), none, none, -np.inf
        )
        item = np.repeat(np.arange(edges.row.size), np.diff(edges.of_item))
        end = np.searchsorted(edges.of_end, item, side="right") - 1
        c, e = end // 2, end % 2
        row, q = edges.row[item], edges.source % width
        pos = edges.node[item] - row * width
        keep = self.kept[c, row, q, pos]
        self._flat = np.flatnonzero(keep)
        return edges, c[keep], e[keep], q[keep], item[keep]

    def _floors(self, edge_ids: IntArray, columns: IntArray) -> tuple[IntArray, IntArray, FloatArray]:
        """Return the CPU that edges take at least: cells, columns and parts of the cell's CPU."""
        net, width = self.net, self.net.cell.shape[1]
        row, q, pos = edge_ids // width**2, (edge_ids // width) % width, edge_ids % width
        cell = net.cell[row, pos]
        left = net.slack[row, pos] - net.move[row, q, pos] + FLOOR_PART * net.room[row]
        with np.errstate(divide="ignore"):
            part = net.size[row] * net.part[cell] * net.growth[row] * net.rate[cell] / np.maximum(left, 0.0)
        # An edge that is allowed takes no more than a whole CPU but for rounding.
        part = np.where(net.size[row] > 0, np.minimum(part, 1.0), 0.0)
        return cell, columns, part

    # --- refinement -----------------------------------------------------------------------------------------------

    def sharpen(self, choice: IntArray) -> bool:
        """Split segments so that the model is exact at a choice; return whether any had to be."""
        net = self.net
        if net.mode not in (OPTIMAL, EQUAL):
            return False
        rows = np.arange(choice.size)
        cell = net.cell[rows, choice]
        parts: list[tuple[int, float, float]] = []
        parents: list[int] = []
        levels = {k: self._level(k, np.flatnonzero(cell == k), choice) for k in np.unique(cell).tolist()}
        for c in range(self.segments.server.size):
            k, low, high = int(self.segments.server[c]), float(self.segments.low[c]), float(self.segments.high[c])
            pieces = [(low, high)] if k not in levels else _cut(low, high, *levels[k], discrete=net.mode == EQUAL)
            parts += [(k, a, b) for a, b in pieces]
            parents += [c] * len(pieces)
        changed = len(parts) > self.segments.server.size
        self.segments, self.kept = Segments.joined(parts), self.kept[parents]
        return changed

    def _level(self, cell: int, rows: IntArray, choice: IntArray) -> tuple[float, list[float]]:
        """Return the level that rows bring a cell to, and the levels at which they just meet their deadlines."""
        net = self.net
        if net.mode == EQUAL:
            return float(rows.size), []
        growth = net.growth[rows] * net.rate[cell]
        size = net.size[rows] * net.part[cell]
        q = np.array([0 if net.prior[r] >= choice.size else choice[net.prior[r]] for r in rows.tolist()], dtype=np.int64)
        left = net.slack[rows, choice[rows]] - net.move[rows, q, choice[rows]]
        with np.errstate(divide="ignore", invalid="ignore"):
            turn = left / growth
            floor = np.where(size > 0, np.minimum(size * growth / (left + FLOOR_PART * net.room[rows]), 1.0), 0.0)
        turns = turn[np.isfinite(turn) & (turn > 0)].tolist()
        if not net.hard:
            return float(size.sum()), turns if net.penalty > 0 else []
        # The price function wants r = Σ max(size, r floor), with CPU in parts.
        return min(price(size, np.maximum(floor, 0.0), 1.0), float(self.dual.expanded.top[cell])), turns


def _cut(low: float, high: float, level: float, turns: list[float], *, discrete: bool) -> list[tuple[float, float]]:
    room = ROUNDING * high
    if low == high or level < low - room or level > high + room:
        return [(low, high)]
    if discrete:
        pieces = [(low, level - 1.0), (level, level), (level + 1.0, high)]
        return [(a, b) for a, b in pieces if a <= b]
    inside = [r for r in (level, *turns) if low + room < r < high - room]
    return list(pairwise([low, *sorted(set(inside)), high]))


class _Rows:
    """Rows of a model, collected in groups of triplets."""

    def __init__(self) -> None:
        self.parts: list[tuple[IntArray, IntArray, FloatArray]] = []
        self.low: list[FloatArray] = []
        self.high: list[FloatArray] = []
        self.rows = 0

    def add(self, row: IntArray, column: IntArray, value: FloatArray | float, low: float, high: float) -> None:
        """Add a row for each different number in `row`."""
        if row.size == 0:
            return
        numbers, index = np.unique(row, return_inverse=True)
        self.parts.append((index + self.rows, column, np.broadcast_to(np.asarray(value, dtype=float), column.shape)))
        self.low.append(np.full(numbers.size, low))
        self.high.append(np.full(numbers.size, high))
        self.rows += numbers.size

    def add_pairs(
        self, parts: list[tuple[IntArray, IntArray, FloatArray | float]], low: float = 0.0, high: float = 0.0
    ) -> None:
        """Add rows that are sums of several groups of triplets."""
        values = [np.broadcast_to(np.asarray(v, dtype=float), column.shape) for _, column, v in parts]
        row, column = (np.concatenate([part[k] for part in parts]) for k in (0, 1))  # type: ignore[misc]
        self.add(np.asarray(row), np.asarray(column), np.concatenate(values), low, high)

    def hand_over(self, highs: highspy.Highs) -> None:
        """Add all rows to a model."""
        row, column, value = (np.concatenate([part[k] for part in self.parts]) for k in range(3))
        used = value != 0
        row, column, value = row[used], column[used], value[used]
        order = np.argsort(row, kind="stable")
        starts = np.searchsorted(row[order], np.arange(self.rows)).astype(np.int32)
        highs.addRows(
            self.rows,
            np.concatenate(self.low),
            np.concatenate(self.high),
            order.size,
            starts,
            column[order].astype(np.int32),
            value[order],
        )
