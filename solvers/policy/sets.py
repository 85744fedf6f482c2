"""Which sets of open servers are decoded: the likeliest, some at random, and the doubtful servers the other way."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

import numpy as np

from dtopt.elementary import exp

if TYPE_CHECKING:
    from dtopt.arrays import BoolArray, IntArray
    from dtopt.run import Run
    from solvers.local_search.candidates import Lists
    from solvers.policy.decode import Decoder
    from solvers.policy.graph import Floats32

__all__ = ["SETS", "decode_sets", "drawn_sets", "effort", "fitted", "likely_sets"]

#: Likeliest sets that are decoded; and fewer, so that their pairs of user and server are about so many in all, or so
#: many where CPU must fit, as that takes longest.
SETS, PAIRS, FIT_PAIRS = 8, 100_000, 4_000
#: Twice as many servers as there are beyond the first few are tried the other way (at most all); with many servers
#: fewer, and then some exchanges of one for another for each server beyond `MANY_SERVERS`, up to so many pairs in all.
FEW_SERVERS, MANY_SERVERS, EXCHANGES, FLIP_PAIRS = 10, 50, 3, 16_000_000
#: With more users than this no server is tried the other way.
FLIP_USERS = 1000
#: Of more sets than this only so many are decoded in full, those that are best after a few sweeps.
FULLY, ROUGH = 2, 3
#: Sets that are decoded together, between two looks at the clock.
TOGETHER = 16


def effort(decoder: Decoder) -> tuple[int, int, int]:
    """Return how many likely sets are decoded, doubtful servers tried the other way, and exchanges of them tried."""
    pairs = max(decoder.lists.cost.size, 1)
    sets = int(np.clip((FIT_PAIRS if decoder.fits else PAIRS) // pairs, 1, SETS))
    n, m = decoder.lists.size.size, decoder.lists.cpu.size
    if decoder.fits or n > FLIP_USERS:
        return sets, 0, 0
    most = FLIP_PAIRS // pairs
    exchanges = min(EXCHANGES * max(m - MANY_SERVERS, 0), most * EXCHANGES // (EXCHANGES + 1))
    return sets, int(np.clip(most - exchanges, 0, min(2 * max(m - FEW_SERVERS, 0), m))), exchanges


def likely_sets(openness: Floats32, count: int) -> BoolArray:
    """Return the likeliest sets of open servers, likeliest first, by independent chances; shape (<= count, M).

    Next to the likeliest set, one is the less likely the more its differing servers were decided, by the sum of their
    log odds; sums are gone through in order. The empty set is left out.
    """
    doubt = np.abs(openness.astype(np.float64))
    order = np.argsort(doubt, kind="stable")
    cost = doubt[order].tolist()
    first = openness > 0.0
    # Each subset of servers comes from one other: by a server more, or by the next server in place of the last.
    heap: list[tuple[float, tuple[int, ...]]] = [(cost[0], (0,))]
    subsets: list[tuple[int, ...]] = [()]
    while heap and len(subsets) <= count:
        total, flips = heapq.heappop(heap)
        subsets.append(flips)
        last = flips[-1] + 1
        if last < len(cost):
            heapq.heappush(heap, (total + cost[last], (*flips, last)))
            heapq.heappush(heap, (total + cost[last] - cost[last - 1], (*flips[:-1], last)))
    rows = [row for row, flips in enumerate(subsets) for _ in flips]
    changed = np.zeros((len(subsets), first.size), dtype=bool)
    changed[rows, order[[at for flips in subsets for at in flips]]] = True
    sets = first ^ changed
    return np.asarray(sets[sets.any(axis=1)][:count])


def drawn_sets(openness: Floats32, count: int, seed: int) -> BoolArray:
    """Return sets of open servers drawn by their chances, shape (count, M)."""
    chance = 1.0 / (1.0 + exp(-openness.astype(np.float64)))
    return np.asarray(np.random.default_rng(seed).random((count, openness.size)) < chance)


def fitted(sets: BoolArray, order: IntArray, lists: Lists, most: int) -> BoolArray:
    """Return the different sets, with the likeliest other servers while they lack places, and at most `most` servers.

    `order` has the servers, likeliest first.
    """
    sets = sets & (lists.capacity > 0)
    n = lists.size.size
    places = np.minimum(lists.capacity, n)
    room, count = sets @ places, sets.sum(axis=1)
    for at in np.flatnonzero((room < n) | (count > most) | (count == 0)).tolist():
        row = sets[at]
        row[order[0]] |= not row.any()
        if row.sum() > most:
            row[order[row[order]][most:]] = False
        for k in order[~row[order]] if places @ row < n else ():
            if places @ row >= n or row.sum() >= most:
                break
            row[k] = True
    # Each once: where places are scarce, many sets become the same.
    return sets[sorted({row.tobytes(): at for at, row in reversed(list(enumerate(sets)))}.values())]


def decode_sets(
    run: Run,
    decoder: Decoder,
    sets: BoolArray,
    priced: Floats32,
    openness: Floats32 | None = None,
    flips: int = 0,
    exchanges: int = 0,
) -> tuple[IntArray | None, float]:
    """Return the best of the associations that sets lead to, and its cost: infinite where none is feasible.

    Users only shift at first, and the best few sets are decoded in full. By `openness`, the best set is first changed
    by one of the servers in doubt at a time, then by exchanges of two, whenever that lowers the cost.
    """
    if (sets.shape[0] > FULLY or flips or exchanges) and not decoder.fits:
        rough = np.full(sets.shape[0], np.inf)
        for first in range(0, sets.shape[0], TOGETHER):
            some = slice(first, first + TOGETHER)
            rough[some] = decoder.decode(sets[some], priced, sweeps=ROUGH, swaps=False)[0]
            if run.should_stop():
                break
        run.iterations += sets.shape[0]
        order = np.argsort(rough, kind="stable")
        sets = sets[order[:FULLY]]
        if openness is not None:
            least = float(rough[order[0]])
            singles = np.argsort(np.abs(openness), kind="stable")[:flips, None]
            sets, least = _changed(run, decoder, sets, least, singles, priced, flips)
            if exchanges:
                pairs = _exchanges(sets[0], openness, int(np.ceil(np.sqrt(2 * exchanges))))
                sets, _ = _changed(run, decoder, sets, least, pairs, priced, exchanges)
    best, least = None, np.inf
    for row in range(sets.shape[0]):
        cost, slots = decoder.decode(sets[row : row + 1], priced)
        run.iterations += 1
        if best is None or cost[0] < least:
            best, least = decoder.association(slots[0]), float(cost[0])
        if run.should_stop():
            break
    return best, least


def _exchanges(chosen: BoolArray, openness: Floats32, width: int) -> IntArray:
    """Return exchanges of an open for a closed server, those least against the odds first, shape (<= w², 2)."""
    is_open, closed = np.flatnonzero(chosen), np.flatnonzero(~chosen)
    is_open = is_open[np.argsort(openness[is_open], kind="stable")[:width]]
    closed = closed[np.argsort(-openness[closed], kind="stable")[:width]]
    order = np.argsort(openness[is_open][:, None] - openness[closed], axis=None, kind="stable")
    return np.stack([np.repeat(is_open, closed.size)[order], np.tile(closed, is_open.size)[order]], axis=1)


def _changed(
    run: Run, decoder: Decoder, sets: BoolArray, least: float, changes: IntArray, priced: Floats32, most: int
) -> tuple[BoolArray, float]:
    """Try `most` changes of the first set in turn, kept if they lower the cost; return sets and the least cost."""
    before, tried = sets[0].copy(), 0
    for servers in changes:
        if tried >= most or run.should_stop():
            break
        other = sets[0].copy()
        other[servers] ^= True
        # An exchange of a server that an earlier one has changed is another kind of change.
        if not other.any() or (servers.size > 1 and (sets[0, servers] != before[servers]).any()):
            continue
        found = float(decoder.decode(other[None], priced, sweeps=ROUGH, swaps=False)[0][0])
        run.iterations += 1
        tried += 1
        if found < least * (1.0 - 1e-9):
            least = found
            sets = np.concatenate([other[None], sets[: FULLY - 1]])
    return sets, least
