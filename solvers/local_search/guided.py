"""Local search at scale beside a proof, whose prices say which servers are undecided and which to start from."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

import numpy as np

from dtopt.run import Run, Stopped
from solvers.local_search import PATIENCE, PATIENCE_PER_SERVER, descend, offer, search_placement
from solvers.local_search.candidates import including, lists_of
from solvers.local_search.driver import Search
from solvers.local_search.start import focus_on, from_servers

if TYPE_CHECKING:
    from collections.abc import Callable

    from dtopt.arrays import FloatArray
    from dtopt.problem import Placement
    from dtopt.result import Incumbent, Result
    from dtopt.solution import Solution
    from dtopt.stop import StoppingCriterion
    from solvers.local_search.candidates import Lists

__all__ = ["Guide", "Known", "solve_beside"]

#: A start from prices is polished where it costs at most so much more than the best (a part of it).
NEAR_BEST = 1e-4
#: After a start no other one begins for so many times as long.
REST = 4.0


class Guide(Protocol):
    """A proof under way."""

    @property
    def finished(self) -> bool:
        """Whether nothing more will come."""

    def news(self) -> FloatArray | None:
        """Return what servers are worth at the latest prices, shape (M,); None where there is nothing new."""


class Known:
    """A guide whose prices are known beforehand.

    Parameters
    ----------
    value : ndarray, shape (M,)
        See `Guide.news`.
    """

    finished = True

    def __init__(self, value: FloatArray) -> None:
        self._value: FloatArray | None = value

    def news(self) -> FloatArray | None:
        """Return the value the first time."""
        value, self._value = self._value, None
        return value


def solve_beside(
    problem: Placement,
    *,
    guide: Guide,
    seed: int,
    stop: StoppingCriterion,
    on_incumbent: Callable[[Incumbent, Solution], None],
    start: Solution | None = None,
) -> Result:
    """Search until the run stops, or nothing improves any more and nothing more comes from the guide.

    Servers are opened, closed and exchanged where the guide's prices leave them undecided, and what it would open is a
    start of its own. Where shifts alone find no association, the search is the one for small problems.

    Parameters
    ----------
    problem : Placement
    guide : Guide
    seed, stop, on_incumbent, start
        See `solvers.local_search.solve`.
    """
    run = Run(problem, "local-search", seed=seed, stop=stop, on_incumbent=on_incumbent)
    with run:
        run.begin_from(start)
        with suppress(Stopped):
            _search(run, problem, guide)
    return run.result()


def _search(run: Run, problem: Placement, guide: Guide) -> None:
    lists, begin = lists_of(problem), None
    if run.solution is not None:
        begin = run.solution.association
        lists = including(problem, lists, begin)
    search = Search(lists, run.seed)
    search.start(begin)
    descend(run, search)
    if not np.isfinite(search.best_cost):
        search_placement(run, problem)
        return
    patience = PATIENCE + PATIENCE_PER_SERVER * problem.n_stations
    improved_at, next_start = run.iterations, 0.0
    while not (guide.finished and run.iterations - improved_at >= patience):
        run.check()
        best, before = search.best_cost, search.iterations
        value = guide.news() if run.elapsed_s >= next_start else None
        if value is not None:
            began = run.elapsed_s
            search = _from_prices(run, search, lists, value)
            next_start = run.elapsed_s + REST * (run.elapsed_s - began)
        else:
            if search.looks_near:
                search.advance_widely()
            else:
                search.advance()
            run.iterations += search.iterations - before
        if search.best_cost < best:
            offer(run, search)
            improved_at = run.iterations


def _from_prices(run: Run, search: Search, lists: Lists, value: FloatArray) -> Search:
    """Return the search to go on with: from the servers that pay for themselves, or the one at hand if it is better."""
    other = Search(lists, run.seed + run.iterations)
    from_servers(other, value)
    other.descend(run.should_stop)
    if other.best_cost < search.best_cost + NEAR_BEST * abs(search.best_cost):
        other.polish(run.should_stop)
    if other.best_cost < search.best_cost:
        return other
    focus_on(search, value)
    return search
