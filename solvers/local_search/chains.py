"""Ejection chains as a part of a run: what they find is offered to it, and their work counts as its iterations."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from solvers.local_search.ejection import improve_fixed

if TYPE_CHECKING:
    from dtopt.arrays import BoolArray, IntArray
    from dtopt.run import Run
    from solvers.local_search.arrays import SearchArrays

__all__ = ["search_by_chains"]


def search_by_chains(
    run: Run,
    arrays: SearchArrays,
    start: IntArray | None,
    effort: int,
    *,
    seed: int,
    seconds: float = np.inf,
    servers: BoolArray | None = None,
) -> tuple[IntArray | None, float]:
    """Offer a run what ejection chains find, and return the best of it and its cost; see `improve_fixed`.

    Parameters
    ----------
    run : Run
    arrays : SearchArrays
        Of its problem, or of a part of it, with ``fixed`` sharing.
    start : ndarray of int, shape (N,), or None
    effort : int
        Neighbourhoods of each user that are searched at most.
    seed : int
    seconds : float
        Of what the run has left.
    servers : ndarray of bool, shape (M,), optional
        The servers that may be used.
    """
    found, cost = improve_fixed(
        arrays,
        start,
        seconds=min(seconds, run.seconds_left),
        seed=seed,
        should_stop=run.should_stop,
        on_better=lambda association, _: _offer(run, association),
        iterations=effort * arrays.cost.shape[0],
        servers=servers,
    )
    run.iterations += effort
    if found is not None:
        run.offer(found)
    return found, cost


def _offer(run: Run, association: IntArray) -> None:
    run.offer(association)
