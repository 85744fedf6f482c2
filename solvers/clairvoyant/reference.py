"""The dual over time in NumPy, one segment at a time: what `solvers.clairvoyant.kernel` is tested against."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dtopt.utility_segments import ROUNDING
from solvers.clairvoyant.dual import Prices
from solvers.clairvoyant.expanded import EQUAL, FIXED, OPTIMAL

if TYPE_CHECKING:
    from dtopt.arrays import FloatArray
    from solvers.clairvoyant.dual import TimeDual
    from solvers.clairvoyant.expanded import Net

__all__ = ["edge_worth", "gains", "smoothed"]


def edge_worth(net: Net, cell: int, low: float, high: float, level: float) -> tuple[FloatArray, FloatArray]:
    """Return u and h of all edges into a cell's nodes at a level of a segment, shape (items, C); −inf where barred."""
    items = slice(net.starts[cell], net.starts[cell + 1])
    row, pos = net.item_row[items], net.item_pos[items]
    width = net.cell.shape[1]
    growth = (net.growth[row] * net.rate[cell])[:, None]
    size = net.size[row] * net.part[cell]
    move, middle = net.move[row, :, pos], 0.5 * (low + high)
    slack = net.slack[row, pos][:, None] - move
    room = slack + net.room[row][:, None]
    able = np.isfinite(move) & (np.arange(width) < net.width[net.prior[row]][:, None])
    weight = np.repeat((net.demand[row, pos] if net.mode == FIXED else size)[:, None], width, axis=1)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        late = growth * level - slack
        worth = net.beta * np.exp(-late)
        if net.mode == OPTIMAL and net.hard:
            worth = np.maximum(worth, net.beta)
            weight = np.where(growth * middle > room, weight * (growth * level / room), weight)
        if net.mode == EQUAL and net.hard:
            able &= growth * low <= room
        if net.penalty > 0:
            worth = worth - np.where(growth * middle > slack, net.penalty * late, 0.0)
    if net.mode == OPTIMAL:
        able &= (size <= high * (1.0 + ROUNDING))[:, None]
    return np.where(able, worth, -np.inf), np.where(able, weight, 0.0)


def _margins(dual: TimeDual, prices: Prices, segment: int, level: float) -> tuple[FloatArray, FloatArray]:
    net, parts = dual.expanded.net, dual.segments
    cell = int(parts.server[segment])
    worth, weight = edge_worth(net, cell, float(parts.low[segment]), float(parts.high[segment]), level)
    items = slice(net.starts[cell], net.starts[cell + 1])
    row, pos = net.item_row[items], net.item_pos[items]
    fixed = prices.node[row, pos] - prices.serve[row] - prices.place[segment]
    return fixed[:, None] + worth - prices.node[net.prior[row]] - prices.load[segment] * weight, weight


def gains(dual: TimeDual, prices: Prices) -> FloatArray:
    """Return what cells win at both ends of all segments, shape (C, 2)."""
    parts = dual.segments
    won = np.empty((parts.server.size, 2))
    for c in range(parts.server.size):
        for e, level in enumerate((parts.low[c], parts.high[c])):
            margin, _ = _margins(dual, prices, c, float(level))
            fixed = prices.load[c] * level + prices.place[c] * dual.expanded.net.places[parts.server[c]]
            won[c, e] = np.maximum(0.0, margin.max(axis=1)).sum() + fixed
    return won


def smoothed(dual: TimeDual, prices: Prices, temperature: float) -> tuple[float, Prices]:
    """Return g with its maxima softened, and its gradient."""
    net, parts = dual.expanded.net, dual.segments
    slope = Prices(*(np.zeros_like(x) for x in prices))
    slope.serve[:] = 1.0
    total = float(prices.serve.sum())
    for first, last in zip(parts.starts[:-1], parts.starts[1:], strict=True):
        cell = int(parts.server[first])
        places = float(net.places[cell])
        items = slice(net.starts[cell], net.starts[cell + 1])
        row, pos = net.item_row[items], net.item_pos[items]
        ends = []
        for c in range(first, last):
            for level in [parts.low[c]] if parts.single[c] else [parts.low[c], parts.high[c]]:
                margin, weight = _margins(dual, prices, c, float(level))
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
            slope.load[c] += s * (level - (chosen * weight).sum())
            slope.place[c] += s * (places - into.sum())
            np.add.at(slope.serve, row, -s * into)
            np.add.at(slope.node, (row, pos), s * into)
            np.add.at(slope.node, net.prior[row], -s * chosen)
    return total, slope
