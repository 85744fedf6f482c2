"""From actions (23) to an association that keeps every constraint of P1.

The action of station j is a bid to be a server and a score for each user. A station is open where its bid is positive
(at least one, at most `max_servers`: the highest bids). Users then choose, those of the largest load first, among the
open servers that still have room: by the highest score (``argmax``), or by the least marginal cost less the score
(``marginal``). Users whom no open server can take wait; `complete` opens further servers in the order of their bids
and, as a last resort, repairs with `solvers.repair`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from solvers.loads import ServerLoads, largest_servers
from solvers.repair import place_remaining

if TYPE_CHECKING:
    from dtopt.arrays import BoolArray, FloatArray, IntArray
    from dtopt.problem import Placement
    from solvers.environments.states import NetworkStates

__all__ = ["Decoding", "complete", "decode", "open_servers"]

Decoding = Literal["argmax", "marginal"]


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
        ``marginal``: what a score of one is worth, in the mean transfer latency of a pair.
    """
    opened = open_servers(bids, states.max_open)
    bids = np.ascontiguousarray(bids, dtype=np.float64)
    scores = np.ascontiguousarray(scores, dtype=np.float64)
    marginal = rule == "marginal"
    association = np.stack(
        [one.decode(opened[b], bids[b], scores[b], marginal, score_weight) for b, one in enumerate(states.decoders)]
    )
    state, user = np.nonzero(association >= 0)
    opened[state, association[state, user]] = True
    return association, opened


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
