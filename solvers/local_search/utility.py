"""The view of P2 that the compiled searches read, and the local search on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dtopt.halting import cancellation
from solvers._core import MigrationSearch, MigrationView, Sharing

if TYPE_CHECKING:
    from dtopt.arrays import IntArray
    from dtopt.utility_segments import ServerUtility

__all__ = ["SHARINGS", "improve", "search_from", "view_of"]

#: Sharing policies as the core names them.
SHARINGS = {"fixed": Sharing.FIXED, "optimal": Sharing.OPTIMAL, "equal": Sharing.EQUAL}


def view_of(utility: ServerUtility) -> MigrationView:
    """Return the view of the utilities of a P2, without its constant part."""
    return MigrationView(
        slack=np.ascontiguousarray(utility.slack),
        demand=None if utility.demand is None else np.ascontiguousarray(utility.demand),
        deadline=np.ascontiguousarray(utility.deadline),
        growth=np.ascontiguousarray(utility.growth),
        rate=utility.rate,
        size=np.ascontiguousarray(utility.size),
        part=utility.part,
        capacity=utility.capacity.astype(np.int64),
        beta=float(utility.beta),
        penalty=float(utility.penalty),
        hard=utility.deadline_mode == "hard",
        sharing=SHARINGS[utility.sharing],
    )


def search_from(view: MigrationView, association: IntArray, seed: int) -> MigrationSearch:
    """Return the local search from an association."""
    return MigrationSearch(view, np.ascontiguousarray(association, dtype=np.int64), seed % 2**64)


def improve(view: MigrationView, association: IntArray, iterations: int, seed: int) -> IntArray:
    """Return the best association that some iterations find from a feasible one.

    Where the time of the run is over, after fewer of them.
    """
    search = search_from(view, association, seed)
    search.run(iterations, cancellation())
    return search.association
