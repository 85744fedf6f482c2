"""The dual over time in NumPy, one segment at a time: what `solvers._core.SlotDual` is tested against."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dtopt.utility_segments import ROUNDING
from solvers._core import Sharing, SlotPrices

if TYPE_CHECKING:
    from dtopt.arrays import FloatArray, IntArray
    from solvers._core import CellPrices, SlotDual, SlotView


def items_of(view: SlotView, cell: int) -> tuple[IntArray, IntArray]:
    """Return the rows and positions of the nodes that lead into a cell."""
    row, position = np.nonzero(view.cell == cell)
    return row, position


def edge_worth(view: SlotView, cell: int, low: float, high: float, level: float) -> tuple[FloatArray, FloatArray]:
    """Return u and h of all edges into a cell's nodes at a level of a segment, shape (items, C); −inf where barred."""
    row, pos = items_of(view, cell)
    width = view.positions
    growth = (view.growth[row] * view.rate[cell])[:, None]
    size = view.size[row] * view.part[cell]
    move, middle = view.move[row, pos], 0.5 * (low + high)
    slack = view.slack[row, pos][:, None] - move
    room = slack + view.room[row][:, None]
    able = np.isfinite(move) & (np.arange(width) < view.width[view.prior[row]][:, None])
    weight = np.repeat((view.demand[row, pos] if view.sharing == Sharing.FIXED else size)[:, None], width, axis=1)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        late = growth * level - slack
        worth = view.beta * np.exp(-late)
        if view.sharing == Sharing.OPTIMAL and view.hard:
            worth = np.maximum(worth, view.beta)
            weight = np.where(growth * middle > room, weight * (growth * level / room), weight)
        if view.sharing == Sharing.EQUAL and view.hard:
            able &= growth * low <= room
        if view.penalty > 0:
            worth = worth - np.where(growth * middle > slack, view.penalty * late, 0.0)
    if view.sharing == Sharing.OPTIMAL:
        able &= (size <= high * (1.0 + ROUNDING))[:, None]
    return np.where(able, worth, -np.inf), np.where(able, weight, 0.0)


def _margins(
    view: SlotView, dual: SlotDual, prices: SlotPrices, segment: int, level: float
) -> tuple[FloatArray, FloatArray]:
    cell = int(dual.cell[segment])
    worth, weight = edge_worth(view, cell, float(dual.low[segment]), float(dual.high[segment]), level)
    row, pos = items_of(view, cell)
    fixed = prices.node[row, pos] - prices.serve[row] - prices.place[segment]
    return fixed[:, None] + worth - prices.node[view.prior[row]] - prices.load[segment] * weight, weight


def gains(view: SlotView, dual: SlotDual, prices: SlotPrices) -> FloatArray:
    """Return what cells win at both ends of all segments, shape (segments, 2)."""
    won = np.empty((dual.n_segments, 2))
    for c in range(dual.n_segments):
        for e, level in enumerate((dual.low[c], dual.high[c])):
            margin, _ = _margins(view, dual, prices, c, float(level))
            fixed = prices.load[c] * level + prices.place[c] * view.places[dual.cell[c]]
            won[c, e] = np.maximum(0.0, margin.max(axis=1)).sum() + fixed
    return won


def smoothed(view: SlotView, dual: SlotDual, prices: SlotPrices, temperature: float) -> tuple[float, SlotPrices]:
    """Return g with its maxima softened, and its gradient."""
    serve, node = np.ones(prices.serve.size), np.zeros(prices.node.shape)
    load, place = np.zeros(prices.load.size), np.zeros(prices.load.size)
    total = float(prices.serve.sum())
    for cell in np.unique(dual.cell).tolist():
        places = float(view.places[cell])
        row, pos = items_of(view, cell)
        ends = []
        for c in np.flatnonzero(dual.cell == cell).tolist():
            for level in sorted({float(dual.low[c]), float(dual.high[c])}):
                margin, weight = _margins(view, dual, prices, c, level)
                ratio = np.concatenate([np.zeros((row.size, 1)), margin / temperature], axis=1)
                top = ratio.max(axis=1, keepdims=True)
                part = np.exp(ratio - top)
                mass = part.sum(axis=1, keepdims=True)
                value = temperature * float((top + np.log(mass)).sum()) + prices.load[c] * level
                ends.append((c, level, value + prices.place[c] * places, (part / mass)[:, 1:], weight))
        values = np.array([end[2] for end in ends])
        share = np.exp((values - values.max()) / temperature)
        total += float(values.max() + temperature * np.log(share.sum()))
        for (c, level, _, chosen, weight), s in zip(ends, share / share.sum(), strict=True):
            into = chosen.sum(axis=1)
            load[c] += s * (level - (chosen * weight).sum())
            place[c] += s * (places - into.sum())
            np.add.at(serve, row, -s * into)
            np.add.at(node, (row, pos), s * into)
            np.add.at(node, view.prior[row], -s * chosen)
    return total, SlotPrices(serve, node, load, place)


def spread(view: SlotView, cells: CellPrices, temperature: float) -> FloatArray:
    """Return the part of each user on each of its nodes by a logit over whole paths, forward and backward."""
    rows, width = view.cell.shape
    value = np.full((rows, width, width), -np.inf)
    for row in range(rows):
        for pos in range(view.width[row]):
            cell = int(view.cell[row, pos])
            level = float(cells.level[cell])
            if view.sharing == Sharing.OPTIMAL:
                level = max(level, view.size[row] * view.part[cell])
            worth, weight = edge_worth(view, cell, level, level, level)
            item = int(np.flatnonzero(items_of(view, cell)[0] == row)[0])
            value[row, pos] = worth[item] - cells.load[cell] * weight[item] - cells.place[cell]
    forward, backward = np.zeros((view.width.size, width)), np.zeros((view.width.size, width))
    for row in range(rows):
        forward[row] = _softmax(value[row] + forward[view.prior[row]], 1, temperature)
    for row in (*range(rows - 1, -1, -1), *range(rows, view.width.size)):
        after = view.next[row]
        if after >= 0:
            backward[row] = _softmax(value[after] + backward[after][:, None], 0, temperature)
    whole = (forward + backward)[:rows]
    with np.errstate(invalid="ignore"):
        part = np.exp((whole - whole.max(axis=1, keepdims=True)) / temperature)
        return np.asarray(part / part.sum(axis=1, keepdims=True))


def _softmax(values: FloatArray, axis: int, temperature: float) -> FloatArray:
    top = values.max(axis=axis, keepdims=True)
    top = np.where(np.isfinite(top), top, 0.0)
    with np.errstate(divide="ignore"):
        mass = np.log(np.exp((values - top) / temperature).sum(axis=axis))
    return np.asarray(top.squeeze(axis) + temperature * mass)
