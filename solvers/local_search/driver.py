"""Local search over the lists of a problem: the compiled search with users in the order of the problem."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dtopt.halting import cancellation
from solvers._core import LocalSearch, LocalSearchParams

if TYPE_CHECKING:
    from collections.abc import Callable

    from dtopt.arrays import BoolArray, IntArray
    from solvers.local_search.candidates import Lists

__all__ = ["Search"]


class Search:
    """An iterated local search; see `solvers._core.LocalSearch`, which does the work.

    All methods end early where the time of the run under way is over, and keep the best so far.

    Parameters
    ----------
    lists : Lists
    seed : int
    params : LocalSearchParams, optional
    """

    def __init__(self, lists: Lists, seed: int = 0, params: LocalSearchParams | None = None) -> None:
        self.lists = lists
        self.core = LocalSearch(lists.view, params or LocalSearchParams(), seed)

    def start(self, association: IntArray | None = None, closed: BoolArray | None = None) -> None:
        """Begin from an association, or from one made by placing users in random order at least marginal cost.

        Parameters
        ----------
        association : ndarray of int, shape (N,), optional
            Users whose server is not in their list go to the first of it.
        closed : ndarray of bool, shape (M,), optional
            Servers that users are placed on only where they have no other.
        """
        if association is not None:
            here = association if self.lists.order is None else association[self.lists.order]
            association = np.ascontiguousarray(here, dtype=np.int64)
        self.core.start(association, closed)

    def best(self) -> IntArray:
        """Return the best association so far; the one at hand where none was feasible."""
        found = self.core.best()
        if self.lists.order is None:
            return found
        association = np.empty_like(found)
        association[self.lists.order] = found
        return association

    @property
    def best_cost(self) -> float:
        """Cost of the best feasible association so far, infinite without one."""
        return self.core.best_cost

    @property
    def iterations(self) -> int:
        """Iterations done, attempts to close servers included."""
        return self.core.iterations

    @property
    def improved_at(self) -> int:
        """The iteration that found the best association."""
        return self.core.improved_at

    @property
    def is_small(self) -> bool:
        """Whether an iteration may look at all users, and every move may be tried."""
        return self.core.is_small

    @property
    def can_oscillate(self) -> bool:
        """Whether `oscillate` may help: where parts of the CPU must fit, in small problems."""
        return self.core.can_oscillate

    @property
    def looks_near(self) -> bool:
        """Whether an iteration looks at much less around a server than a wide one."""
        return self.core.looks_near

    def focus(self, servers: IntArray) -> None:
        """Begin iterations at these servers, those that are given more often more often."""
        self.core.focus(np.ascontiguousarray(servers, dtype=np.int64))

    def oscillate(self) -> None:
        """From now on, walk through associations that break constraints too."""
        self.core.oscillate()

    def descend(self, check: Callable[[], bool] | None = None) -> None:
        """Shift all users to their best servers until that no longer helps; `check` is asked whether to end."""
        self.core.descend(cancellation(), check)

    def polish(self, check: Callable[[], bool] | None = None) -> None:
        """Shift and swap all users until that hardly helps any more; `check` is asked whether to end."""
        self.core.polish(cancellation(), check)

    def close_servers(self, check: Callable[[], bool] | None = None) -> None:
        """Close servers, those first whose closing gains most, until none does; `check` is asked whether to end."""
        self.core.close_servers(cancellation(), check)

    def advance(self, iterations: int | None = None) -> None:
        """Do iterations; by default a slice of them, which takes far less than a tenth of a second."""
        self.core.advance(self.core.slice_iterations if iterations is None else iterations, cancellation())

    def advance_widely(self) -> None:
        """Do an iteration that looks far around, for large problems."""
        self.core.advance_widely(cancellation())
