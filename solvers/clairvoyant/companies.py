"""All companies of users that a server may keep in a better solution than the incumbent, by reduced worth.

At prices with the value g each cell wins at most G_k with any company. A solution better than the incumbent z loses
less than g − z to that over all cells together, so in each cell too its company S is worth more than G_k − (g − z),
less its prices. Within a segment of levels the margins say what each user more or less costs, which is what the
enumeration is cut by; the companies found are then valued exactly.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numba
import numpy as np

from solvers.clairvoyant.expanded import FIXED, Net
from solvers.clairvoyant.kernel import fill_edges
from solvers.clairvoyant.paths import FULL, _cell_value

if TYPE_CHECKING:
    from dtopt.arrays import FloatArray, IntArray

__all__ = ["Companies", "companies"]

#: Relative room for rounding in levels.
ROUNDING = 1e-8
#: Users of a company that there is room for, on average; steps of the enumeration for each company that is asked for.
EDGES, STEPS = 32, 10_000


class Companies(NamedTuple):
    """Companies: the cell of each, where its edges begin, what it is worth; and edges as (row, position before, there).

    `complete` is false where there are more than were asked for.
    """

    cell: IntArray
    starts: IntArray
    worth: FloatArray
    row: IntArray
    source: IntArray
    position: IntArray
    complete: bool


@numba.njit(cache=True)
def companies(
    net: Net,
    low: FloatArray,
    high: FloatArray,
    segment_cell: IntArray,
    serve: FloatArray,
    node: FloatArray,
    load: FloatArray,
    place: FloatArray,
    best: FloatArray,
    room: float,
    big: float,
    limit: int,
) -> Companies:
    """Return all companies that are worth more than `best` (by segment, that of its cell) less `room`.

    Parameters
    ----------
    low, high, segment_cell, serve, node, load, place
        See `solvers.clairvoyant.kernel.gains`.
    best : ndarray, shape (segments,)
    room : float
        g − z.
    big : float
        See `solvers.clairvoyant.paths.PathSearch`.
    limit : int
        The enumeration ends, incomplete, with more companies than this, or after `STEPS` times as many steps.
    """
    width, most = node.shape[1], 0
    for cell in range(net.starts.size - 1):
        most = max(most, net.starts[cell + 1] - net.starts[cell])
    of_cell, worth = np.empty(limit + 1, dtype=np.int64), np.empty(limit + 1)
    starts = np.zeros(limit + 2, dtype=np.int64)
    edge_room = EDGES * (limit + 1)
    e_row, e_source = np.empty(edge_room, dtype=np.int64), np.empty(edge_room, dtype=np.int64)
    e_pos = np.empty(edge_room, dtype=np.int64)
    found, edges, steps = 0, 0, 0
    complete = True
    u, h = np.empty(width), np.empty(width)
    # By item and option: option 0 is to stay away, q + 1 to come from position q.
    lost = np.full((2, most, width + 1), np.inf)
    option, options = np.zeros(most + 1, dtype=np.int64), np.zeros(most, dtype=np.int64)
    spent = np.zeros((2, most + 1))
    group, pos, move = np.empty(most + 1, dtype=np.int64), np.empty(most + 1, dtype=np.int64), np.empty(most + 1)
    for c in range(low.size):
        cell = segment_cell[c]
        begin = net.starts[cell]
        items = net.starts[cell + 1] - begin
        ends = 1 if low[c] == high[c] else 2
        gain = np.zeros(2)
        for e in range(ends):
            level = high[c] if e == 1 else low[c]
            gain[e] = load[c] * level + place[c] * net.places[cell]
            for a in range(items):
                row, p = net.item_row[begin + a], net.item_pos[begin + a]
                prior = net.prior[row]
                lost[e, a, :] = np.inf
                top = 0.0
                options[a] = net.width[prior]
                if fill_edges(net, row, p, cell, low[c], high[c], level, u, h):
                    for q in range(net.width[prior]):
                        margin = u[q] + node[row, p] - serve[row] - node[prior, q] - load[c] * h[q] - place[c]
                        lost[e, a, q + 1] = -margin
                        top = max(top, margin)
                lost[e, a, 0] = 0.0
                for o in range(width + 1):
                    lost[e, a, o] += top
                gain[e] += top
        # What may be lost at each end; an end that does not exist allows nothing.
        budget0 = gain[0] - best[c] + room
        budget1 = gain[1] - best[c] + room if ends == 2 else -np.inf
        if budget0 < 0.0 and budget1 < 0.0:
            continue
        # Depth first over items; option −1 at an item means that none was tried yet.
        depth = 0
        spent[:, 0] = 0.0
        option[0] = -1
        while depth >= 0:
            steps += 1
            if steps > STEPS * limit or found > limit or edges + items > edge_room:
                complete = False
                break
            if depth == items:
                n = 0
                value = 0.0
                for a in range(items):
                    if option[a] > 0:
                        row = net.item_row[begin + a]
                        group[n], pos[n] = row, net.item_pos[begin + a]
                        move[n] = net.move[row, option[a] - 1, pos[n]]
                        prior = net.prior[row]
                        value += node[row, pos[n]] - serve[row] - node[prior, option[a] - 1]
                        n += 1
                whole = _cell_value(net, cell, group, pos, move, n, big) if n > 0 else -np.inf
                if whole > -0.5 * big and whole + value > best[c] - room - 1e-9 * abs(best[c]):
                    of_cell[found], worth[found], starts[found] = cell, whole, edges
                    for a in range(items):
                        if option[a] > 0:
                            e_row[edges], e_pos[edges] = net.item_row[begin + a], net.item_pos[begin + a]
                            e_source[edges] = option[a] - 1
                            edges += 1
                    found += 1
                    starts[found] = edges
                depth -= 1
                continue
            option[depth] += 1
            if option[depth] > options[depth]:
                depth -= 1
                continue
            o = option[depth]
            spent[0, depth + 1] = spent[0, depth] + lost[0, depth, o]
            spent[1, depth + 1] = spent[1, depth] + (lost[1, depth, o] if ends == 2 else 0.0)
            if spent[0, depth + 1] > budget0 and spent[1, depth + 1] > budget1:
                continue
            taken, number = 0.0, 0
            for a in range(depth + 1):
                if option[a] > 0:
                    row = net.item_row[begin + a]
                    number += 1
                    if net.mode == FIXED:
                        taken += net.demand[row, net.item_pos[begin + a]]
                    else:
                        taken += net.size[row] * net.part[cell]
            # A level, or a place, too many: the levels of company grow with each user.
            ceiling = FULL if net.mode == FIXED else high[c] * (1.0 + ROUNDING)
            if number > net.places[cell] or taken > ceiling:
                continue
            depth += 1
            if depth < items:
                option[depth] = -1
        if not complete:
            break
    return Companies(
        of_cell[:found], starts[: found + 1], worth[:found], e_row[:edges], e_source[:edges], e_pos[:edges], complete
    )
