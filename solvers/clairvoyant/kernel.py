"""The dual over time, compiled; `solvers.clairvoyant.reference` is its reference in NumPy.

Prices: π of each row (a user in a slot), ν of each node (a row's position; 0 at sources and at the end of a stay), and
λ and μ of each segment, on its load and its places. At a level of a segment the edge from position q of the row before
to position p of a row leaves the margin

    u(level; q, p) − π − ν_q + ν_p − λ h(level; q, p) − μ
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numba
import numpy as np

from solvers.clairvoyant.expanded import EQUAL, FIXED, OPTIMAL, Net

if TYPE_CHECKING:
    from dtopt.arrays import FloatArray, IntArray

__all__ = ["Edges", "fill_edges", "gains", "near_edges", "settled", "smoothed"]

#: Relative room for rounding in levels, see `dtopt.utility_segments.ROUNDING`.
ROUNDING = 1e-9
#: Exponents below this add nothing.
NOTHING = -40.0


@numba.njit(cache=True)
def fill_edges(
    net: Net, row: int, pos: int, cell: int, low: float, high: float, level: float, u: FloatArray, h: FloatArray
) -> bool:
    """Fill in what all edges into a node are worth at a level of a segment, and their h; −inf where they cannot be.

    Returns whether any can be. See `dtopt.utility_segments.ServerUtility.items`.
    """
    count = net.width[net.prior[row]]
    size = net.size[row] * net.part[cell]
    if net.mode == OPTIMAL and size > high * (1.0 + ROUNDING):
        return False
    growth = net.growth[row] * net.rate[cell]
    slack = net.slack[row, pos]
    base = net.beta * np.exp(slack - growth * level)
    middle = 0.5 * (low + high)
    weight = net.demand[row, pos] if net.mode == FIXED else size
    found = False
    for q in range(count):
        decay = net.decay[row, q, pos]
        if decay < 0.0:
            u[q] = -np.inf
            h[q] = 0.0
            continue
        h[q] = weight
        u[q] = base * decay
        if net.penalty > 0.0:
            move = net.move[row, q, pos]
            if growth * middle > slack - move:
                u[q] -= net.penalty * (growth * level - slack + move)
        elif net.hard and net.mode == OPTIMAL:
            u[q] = max(u[q], net.beta)
            left = slack - net.move[row, q, pos] + net.room[row]
            if growth * middle > left:
                h[q] = weight * (growth * level / left)
        elif net.hard and net.mode == EQUAL and growth * low > slack - net.move[row, q, pos] + net.room[row]:
            u[q] = -np.inf
            h[q] = 0.0
            continue
        found = True
    return found


class Edges(NamedTuple):
    """The edges that take part in an ascent: for both ends of each segment in turn, its items, and their edges.

    Parameters
    ----------
    of_end : ndarray of int, shape (2 C + 1,)
        Where the items of each end begin.
    of_item : ndarray of int, shape (items + 1,)
        Where the edges of each item begin.
    row, node : ndarray of int, shape (items,)
        The row, and the node that edges lead to, among all nodes one after another.
    source : ndarray of int, shape (edges,)
        The node that each comes from.
    worth, weight : ndarray, shape (edges,)
        u and h.
    """

    of_end: IntArray
    of_item: IntArray
    row: IntArray
    node: IntArray
    source: IntArray
    worth: FloatArray
    weight: FloatArray


@numba.njit(cache=True)
def near_edges(
    net: Net,
    low: FloatArray,
    high: FloatArray,
    segment_cell: IntArray,
    serve: FloatArray,
    node: FloatArray,
    load: FloatArray,
    place: FloatArray,
    threshold: float,
) -> Edges:
    """Return the edges whose margins are above a threshold at the present prices."""
    width = node.shape[1]
    u, h = np.empty(width), np.empty(width)
    of_end = np.zeros(2 * low.size + 1, dtype=np.int64)
    items, edges = 0, 0
    empty_i, empty_f = np.empty(0, dtype=np.int64), np.empty(0)
    of_item, rows, nodes, sources = np.empty(1, dtype=np.int64), empty_i, empty_i, empty_i
    worth, weight = empty_f, empty_f
    # Counted first, then filled in.
    for fill in range(2):
        if fill == 1:
            of_item = np.zeros(items + 1, dtype=np.int64)
            rows, nodes = np.empty(items, dtype=np.int64), np.empty(items, dtype=np.int64)
            sources = np.empty(edges, dtype=np.int64)
            worth, weight = np.empty(edges), np.empty(edges)
        items, edges = 0, 0
        for c in range(low.size):
            cell = segment_cell[c]
            for e in range(2):
                of_end[2 * c + e] = items
                if e == 1 and low[c] == high[c]:
                    continue
                level = high[c] if e == 1 else low[c]
                for item in range(net.starts[cell], net.starts[cell + 1]):
                    row, pos = net.item_row[item], net.item_pos[item]
                    if not fill_edges(net, row, pos, cell, low[c], high[c], level, u, h):
                        continue
                    prior = net.prior[row]
                    fixed = node[row, pos] - serve[row] - place[c]
                    before = edges
                    for q in range(net.width[prior]):
                        if u[q] == -np.inf or u[q] + fixed - node[prior, q] - load[c] * h[q] < threshold:
                            continue
                        if fill == 1:
                            sources[edges] = prior * width + q
                            worth[edges], weight[edges] = u[q], h[q]
                        edges += 1
                    if edges == before:
                        continue
                    if fill == 1:
                        of_item[items] = before
                        rows[items], nodes[items] = row, row * width + pos
                    items += 1
        of_end[2 * low.size] = items
    of_item[items] = edges
    return Edges(of_end, of_item, rows, nodes, sources, worth, weight)


@numba.njit(cache=True)
def smoothed(
    edges: Edges,
    low: FloatArray,
    high: FloatArray,
    places: FloatArray,
    of_cell: IntArray,
    serve: FloatArray,
    node: FloatArray,
    load: FloatArray,
    place: FloatArray,
    temperature: float,
) -> tuple[float, FloatArray, FloatArray, FloatArray, FloatArray]:
    """Return the softened dual over some edges, and its gradient in π, ν, λ and μ.

    `of_cell` holds where each cell's segments begin, and their number at its end; `places` is by cell; `node` holds all
    nodes one after another.
    """
    d_serve, d_node = np.ones(serve.size), np.zeros(node.size)
    d_load, d_place = np.zeros(load.size), np.zeros(load.size)
    total = serve.sum()
    most = 0
    for cell in range(of_cell.size - 1):
        most = max(most, of_cell[cell + 1] - of_cell[cell])
    value = np.empty(2 * most)
    margin = np.empty(edges.source.size)
    mass = np.empty(edges.row.size)
    inverse = 1.0 / temperature
    for cell in range(of_cell.size - 1):
        first, last = of_cell[cell], of_cell[cell + 1]
        best = -np.inf
        for c in range(first, last):
            for e in range(2):
                at = 2 * (c - first) + e
                if e == 1 and low[c] == high[c]:
                    value[at] = -np.inf
                    continue
                level = high[c] if e == 1 else low[c]
                gain = load[c] * level + place[c] * places[cell]
                for item in range(edges.of_end[2 * c + e], edges.of_end[2 * c + e + 1]):
                    fixed = node[edges.node[item]] - serve[edges.row[item]] - place[c]
                    begin, end = edges.of_item[item], edges.of_item[item + 1]
                    top = -np.inf
                    for a in range(begin, end):
                        left = edges.worth[a] + fixed - node[edges.source[a]] - load[c] * edges.weight[a]
                        margin[a] = left * inverse
                        top = max(top, margin[a])
                    if top < NOTHING:
                        mass[item] = 0.0
                        continue
                    top = max(top, 0.0)
                    # The user may also stay away, at margin 0.
                    whole = np.exp(-top) if -top > NOTHING else 0.0
                    for a in range(begin, end):
                        if margin[a] == top:
                            margin[a] = 1.0
                        elif margin[a] - top > NOTHING:
                            margin[a] = np.exp(margin[a] - top)
                        else:
                            margin[a] = 0.0
                        whole += margin[a]
                    mass[item] = whole
                    gain += temperature * (top + np.log(whole))
                value[at] = gain
                best = max(best, gain)
        summed = 0.0
        for at in range(2 * (last - first)):
            value[at] = np.exp((value[at] - best) * inverse)
            summed += value[at]
        total += best + temperature * np.log(summed)
        for c in range(first, last):
            for e in range(2):
                share = value[2 * (c - first) + e] / summed
                if share < 1e-15:
                    continue
                level = high[c] if e == 1 else low[c]
                taken = number = 0.0
                for item in range(edges.of_end[2 * c + e], edges.of_end[2 * c + e + 1]):
                    if mass[item] == 0.0:
                        continue
                    into = 0.0
                    for a in range(edges.of_item[item], edges.of_item[item + 1]):
                        if margin[a] > 0.0:
                            chosen = margin[a] / mass[item]
                            into += chosen
                            taken += chosen * edges.weight[a]
                            d_node[edges.source[a]] -= share * chosen
                    number += into
                    d_node[edges.node[item]] += share * into
                    d_serve[edges.row[item]] -= share * into
                d_load[c] += share * (level - taken)
                d_place[c] += share * (places[cell] - number)
    return total, d_serve, d_node, d_load, d_place


@numba.njit(cache=True)
def gains(
    net: Net,
    low: FloatArray,
    high: FloatArray,
    segment_cell: IntArray,
    serve: FloatArray,
    node: FloatArray,
    load: FloatArray,
    place: FloatArray,
    level: FloatArray,
) -> tuple[FloatArray, FloatArray]:
    """Return what cells win at one level of each segment, without softening, and the absolute values of what is summed.

    `low` and `high` say which items can be in the segment and which pieces of kinks are taken.
    """
    won, summed = np.empty(low.size), np.empty(low.size)
    u, h = np.empty(node.shape[1]), np.empty(node.shape[1])
    for c in range(low.size):
        cell = segment_cell[c]
        gain = load[c] * level[c] + place[c] * net.places[cell]
        size = gain
        for item in range(net.starts[cell], net.starts[cell + 1]):
            row, pos = net.item_row[item], net.item_pos[item]
            if not fill_edges(net, row, pos, cell, low[c], high[c], level[c], u, h):
                continue
            prior = net.prior[row]
            top = part = 0.0
            for q in range(net.width[prior]):
                margin = u[q] + node[row, pos] - serve[row] - node[prior, q] - load[c] * h[q] - place[c]
                if margin > top:
                    top = margin
                    part = abs(u[q]) + abs(node[row, pos]) + abs(serve[row]) + abs(node[prior, q])
                    part += load[c] * h[q] + place[c]
            gain += top
            size += part
        won[c], summed[c] = gain, size
    return won, summed


@numba.njit(cache=True)
def settled(
    net: Net,
    low: FloatArray,
    high: FloatArray,
    segment_cell: IntArray,
    serve: FloatArray,
    node: FloatArray,
    load: FloatArray,
    place: FloatArray,
    unit: FloatArray,
    halvings: int,
) -> FloatArray:
    """Return the prices of load at which segments win least at their better end, by bisection."""
    result = load.copy()
    width = node.shape[1]
    most = 0
    for cell in range(net.starts.size - 1):
        most = max(most, net.starts[cell + 1] - net.starts[cell])
    # Margins without the price of load; where h is the same from all positions before, the best of them will do.
    grouped = not (net.hard and net.mode == OPTIMAL)
    room = most if grouped else most * width
    margin, weight = np.empty((2, room)), np.empty((2, room))
    group = np.empty((2, room), dtype=np.int64)
    count = np.empty(2, dtype=np.int64)
    u, h = np.empty(width), np.empty(width)
    for c in range(low.size):
        cell = segment_cell[c]
        ends = 1 if low[c] == high[c] else 2
        for e in range(ends):
            level = high[c] if e == 1 else low[c]
            n = 0
            for item in range(net.starts[cell], net.starts[cell + 1]):
                row, pos = net.item_row[item], net.item_pos[item]
                if not fill_edges(net, row, pos, cell, low[c], high[c], level, u, h):
                    continue
                prior = net.prior[row]
                fixed = node[row, pos] - serve[row] - place[c]
                if grouped:
                    top = -np.inf
                    for q in range(net.width[prior]):
                        top = max(top, u[q] - node[prior, q])
                        weight[e, n] = h[q] if u[q] > -np.inf else weight[e, n]
                    if top + fixed > 0.0:
                        margin[e, n], group[e, n] = top + fixed, item
                        n += 1
                else:
                    for q in range(net.width[prior]):
                        if u[q] + fixed - node[prior, q] > 0.0:
                            margin[e, n], weight[e, n] = u[q] + fixed - node[prior, q], h[q]
                            group[e, n] = item
                            n += 1
            count[e] = n
        before, slope = _won(low[c], high[c], ends, load[c], place[c] * net.places[cell], margin, weight, group, count)
        under, over = 0.0, load[c]
        step = max(load[c], unit[c])
        while slope < 0.0:
            under, over = over, over + step
            step *= 2.0
            slope = _won(low[c], high[c], ends, over, 0.0, margin, weight, group, count)[1]
        for _ in range(halvings):
            middle = 0.5 * (under + over)
            if _won(low[c], high[c], ends, middle, 0.0, margin, weight, group, count)[1] < 0.0:
                under = middle
            else:
                over = middle
        after = _won(low[c], high[c], ends, over, place[c] * net.places[cell], margin, weight, group, count)[0]
        if after < before:
            result[c] = over
    return result


@numba.njit(cache=True)
def _won(
    low: float,
    high: float,
    ends: int,
    load: float,
    fixed: float,
    margin: FloatArray,
    weight: FloatArray,
    group: IntArray,
    count: IntArray,
) -> tuple[float, float]:
    """Return what a segment wins at its better end, and the slope of that in the price of load."""
    best, slope = -np.inf, 0.0
    for e in range(ends):
        level = high if e == 1 else low
        gain, taken = load * level + fixed, 0.0
        n = 0
        while n < count[e]:
            top, used = 0.0, 0.0
            item = group[e, n]
            while n < count[e] and group[e, n] == item:
                left = margin[e, n] - load * weight[e, n]
                if left > top:
                    top, used = left, weight[e, n]
                n += 1
            gain += top
            taken += used
        if gain > best:
            best, slope = gain, level - taken
    return best, slope
