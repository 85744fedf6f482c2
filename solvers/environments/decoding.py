"""From actions (23) to an association that keeps every constraint of P1.

The action of station j is a bid to be a server and a score for each user. A station is open where its bid is positive
(at least one, at most `max_servers`: the highest bids). Users then choose, those of the largest load first, among the
open servers that still have room: by the highest score (``argmax``), or by the least marginal cost less the score
(``marginal``). Users whom no open server can take wait; `complete` opens further servers in the order of their bids
and, as a last resort, repairs with `solvers.repair`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numba as nb
import numpy as np

from solvers.loads import ServerLoads, largest_servers
from solvers.repair import place_remaining

if TYPE_CHECKING:
    from dtopt.arrays import BoolArray, FloatArray, IntArray
    from dtopt.problem import Placement
    from solvers.environments.states import NetworkStates

__all__ = ["Decoding", "compile_kernels", "complete", "decode", "open_servers"]

Decoding = Literal["argmax", "marginal"]
_SHARING = {"optimal": 0, "equal": 1, "fixed": 2}


def open_servers(bids: FloatArray, max_open: int) -> BoolArray:
    """Return which stations act as servers: those of positive bids, at least one and at most `max_open`.

    Parameters
    ----------
    bids : ndarray, shape (B, M)
        The first entry of each station's action.
    """
    order = np.argsort(-bids, axis=1, kind="stable")
    rank = np.empty_like(order)
    np.put_along_axis(rank, order, np.arange(bids.shape[1])[None, :], axis=1)
    return np.asarray(((bids > 0) & (rank < max_open)) | (rank == 0))


def decode(
    states: NetworkStates, bids: FloatArray, scores: FloatArray, rule: Decoding, score_weight: float = 1.0
) -> tuple[IntArray, BoolArray]:
    """Return associations, shape (B, N), with -1 for users left over, and the open servers, shape (B, M).

    Parameters
    ----------
    bids : ndarray, shape (B, M)
    scores : ndarray, shape (B, N, M)
    rule : Decoding
    score_weight : float
        ``marginal``: what a score of one is worth, in the mean latency of a pair.
    """
    opened = open_servers(bids, states.max_open)
    within = np.isfinite(states.transfer)
    latency = np.where(within, states.transfer, 0.0).sum(axis=(1, 2)) / np.maximum(within.sum(axis=(1, 2)), 1)
    unit = score_weight * states.weight * latency
    order = np.argsort(-bids, axis=1, kind="stable")
    association = _decode(
        opened,
        order,
        states.max_open,
        np.ascontiguousarray(scores, dtype=np.float64),
        rule == "marginal",
        unit,
        _SHARING[states.sharing],
        states.transfer,
        states.floor,
        states.allowed,
        states.cycles,
        states.cpu,
        states.capacity,
        states.weight,
        states.compute,
    )
    return association, opened


def compile_kernels() -> None:
    """Compile what decoding uses, so that no run's clock pays for it."""
    one, none = np.ones((1, 1)), np.zeros((1, 1), dtype=np.int64)
    pairs, flags = np.ones((1, 1, 1)), np.ones((1, 1, 1), dtype=bool)
    opened = np.ones((1, 1), dtype=bool)
    _decode(opened, none, 1, pairs, True, one[0], 0, pairs, pairs, flags, one, one, none + 1, one[0], pairs)


@nb.njit(cache=True)
def _decode(
    opened: BoolArray,
    order: IntArray,
    max_open: int,
    scores: FloatArray,
    marginal: bool,
    unit: FloatArray,
    sharing: int,
    transfer: FloatArray,
    floor: FloatArray,
    allowed: BoolArray,
    cycles: FloatArray,
    cpu: FloatArray,
    capacity: IntArray,
    weight: FloatArray,
    compute: FloatArray,
) -> IntArray:
    batch, n, m = transfer.shape
    association = np.full((batch, n), -1, dtype=np.int64)
    for b in range(batch):
        count = np.zeros(m, dtype=np.int64)
        load = np.zeros(m)
        reserved = np.zeros(m)
        steepest = np.zeros(m)
        spare = max_open - opened[b].sum()
        for i in np.argsort(-cycles[b], kind="mergesort"):
            own = np.sqrt(cycles[b, i]) if sharing == 0 else cycles[b, i]
            best, choice = -np.inf, -1
            for turn in range(2 * m):
                # First the open servers; where none has room, the closed ones in the order of their bids.
                if turn >= m and (choice >= 0 or spare <= 0):
                    break
                k = turn if turn < m else order[b, turn - m]
                if opened[b, k] != (turn < m) or not allowed[b, i, k] or count[k] >= capacity[b, k]:
                    continue
                if sharing == 1:
                    if (count[k] + 1) * max(steepest[k], floor[b, i, k]) > cpu[b, k]:
                        continue
                elif reserved[k] + floor[b, i, k] > cpu[b, k]:
                    continue
                value = scores[b, i, k]
                if marginal:
                    if sharing == 0:
                        added = own * (2.0 * load[k] + own) / cpu[b, k]
                    elif sharing == 1:
                        added = ((count[k] + 1) * own + load[k]) / cpu[b, k]
                    else:
                        added = compute[b, i, k]
                    value = unit[b] * value - weight[b] * (transfer[b, i, k] + added)
                if value > best:
                    best, choice = value, k
            if choice >= 0:
                association[b, i] = choice
                if not opened[b, choice]:
                    opened[b, choice] = True
                    spare -= 1
                count[choice] += 1
                load[choice] += own
                reserved[choice] += floor[b, i, choice]
                steepest[choice] = max(steepest[choice], floor[b, i, choice])
    return association


def complete(problem: Placement, association: IntArray, bids: FloatArray) -> IntArray | None:
    """Return the association with the users left over placed too, or None where that fails, which proves nothing.

    First the open servers take them, moving others away; then further servers open in the order of their bids, as far
    as the limit allows; then the largest servers take the place of the open ones.
    """
    opened = np.zeros(problem.n_stations, dtype=bool)
    opened[association[association >= 0]] = True
    for station in (-1, *np.argsort(-bids, kind="stable").tolist()):
        if station >= 0:
            if opened[station] or opened.sum() >= problem.max_open:
                continue
            opened[station] = True
        if opened.any():
            placed = _placed(problem, association, opened)
            if placed is not None:
                return placed
    return _placed(problem, np.full(problem.n_users, -1), largest_servers(problem))


def _placed(problem: Placement, association: IntArray, opened: BoolArray) -> IntArray | None:
    loads = ServerLoads(problem, opened.copy())
    for user in np.flatnonzero((association >= 0) & opened[association]).tolist():
        loads.add(user, int(association[user]))
    return loads.association if place_remaining(loads) else None
