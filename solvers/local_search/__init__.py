"""`local-search`: iterated local search, for P1 from tens of users to a million, and for P2."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from dtopt.errors import InputError, UnsupportedProblemError
from dtopt.halting import cancellation
from dtopt.price_dual import PriceDual
from dtopt.problem import Migration, Placement
from dtopt.run import Run, Stopped
from dtopt.stop import MaxRuntime, Never
from solvers import greedy

if TYPE_CHECKING:
    from collections.abc import Callable

    from dtopt.arrays import IntArray
    from dtopt.problem import Problem
    from dtopt.result import Incumbent, Result
    from dtopt.solution import Solution
    from dtopt.stop import StoppingCriterion
    from solvers.local_search.candidates import Lists
    from solvers.local_search.decided_sets import SetSearch
    from solvers.local_search.driver import Search

__all__ = ["descend", "offer", "search_placement", "solve"]

#: Without another limit the search ends after so many iterations without improvement, and so many more per server.
PATIENCE, PATIENCE_PER_SERVER = 500, 100
#: Pairs of user and server that the dense matrices of P2 are made for.
MOST_PAIRS = 2_000_000
#: Pairs of users that may be looked at between two looks at the clock in P2, where an iteration looks at most of them.
SWAPS = 60_000
#: Under a limit of any kind the patience is so many times as long.
LIMITED = 20
#: Neighbourhoods of each user that ejection chains search in their first turn under ``fixed`` sharing; later ones are
#: longer, in proportion.
CHAINS = 400
#: Up to this many pairs sets of servers are told apart by their bounds.
SET_PAIRS = 50_000
#: Of so many turns where sets of servers are told apart one begins anew, and one is for chains without regard to sets.
SET_TURNS = 16
#: Above this many pairs prices take long enough for servers to be closed before that.
QUICK_PAIRS = 10_000
#: A small problem is begun anew after so many iterations without improvement, and so many more per server.
ROUND_PATIENCE, ROUND_PATIENCE_PER_SERVER = 50, 10
#: Iterations to find a feasible association in, as a part of the patience.
REPAIRS = 0.2


def solve(
    problem: Problem,
    *,
    time_limit: float | None = None,
    seed: int = 0,
    stop: StoppingCriterion | None = None,
    on_incumbent: Callable[[Incumbent, Solution], None] | None = None,
    start: Solution | None = None,
    workers: int = 1,
) -> Result:
    """Search around the best association for better ones: shifts, swaps, ejections, opening and closing servers.

    Users are placed by the prices of the dual bound, later and in large problems at least marginal cost with all
    servers open, which are then closed while that pays. An iteration closes a server, opens one, does both, or moves
    some users at random; descends with the users near there; and keeps the result if it is better. Costs are exact
    under every sharing policy and for hard and soft deadlines.
    Iterations count attempts to close or open too. Where nothing else stops it the search ends after 500 iterations
    without improvement, and 100 more for each server, or 20 times as many under a limit; until then a small problem is
    begun anew where nothing improves, under ``fixed`` sharing in turn with ejection chains and path relinking.

    P2: starts from `greedy` and from staying; an iteration sends a few users elsewhere, then users shift and swap while
    that pays, by exact utilities.

    Parameters
    ----------
    problem : Placement or Migration
    time_limit, seed, stop, on_incumbent
        See `dtopt.solve`.
    start : Solution, optional
        A feasible solution to begin from.
    workers : int
        Processes that search with seeds of their own; the best association of all is returned (P1).

    Raises
    ------
    UnsupportedProblemError
        For a migration problem of more pairs of user and server than its matrices are made for.
    """
    if not isinstance(problem, Placement) and problem.n_users * problem.n_stations > MOST_PAIRS:
        raise UnsupportedProblemError(f"local-search takes up to {MOST_PAIRS:,} pairs of user and server in P2")
    if workers < 1:
        raise InputError(f"must be >= 1, got {workers}", where="workers")
    run = Run(
        problem,
        "local-search",
        seed=seed,
        stop=stop,
        time_limit=time_limit,
        on_incumbent=on_incumbent,
    )
    with run:
        run.begin_from(start)
        if not run.settled and not run.should_stop():
            with suppress(Stopped):
                if isinstance(problem, Migration):
                    _search_migration(run, problem)
                else:
                    assert isinstance(problem, Placement)  # noqa: S101 - the two problems there are
                    _solve(run, problem, workers)
    return run.result()


solve.problems = ("placement", "migration")  # type: ignore[attr-defined]


def descend(run: Run, search: Search) -> None:
    """Come to a local optimum with servers closed where that pays, and offer it."""
    for step in (lambda check: None, search.descend, search.close_servers, search.polish):
        step(run.should_stop)
        offer(run, search)
        run.check()


def _solve(run: Run, problem: Placement, workers: int) -> None:
    if workers == 1:
        search_placement(run, problem)
        return
    seeds = [run.seed + 7919 * worker for worker in range(1, workers)]
    from concurrent.futures import ProcessPoolExecutor

    with ProcessPoolExecutor(workers - 1) as pool:
        others = [pool.submit(_restart, problem, seed, run.seconds_left) for seed in seeds]
        try:
            search_placement(run, problem)
        finally:
            for other in others:
                other.cancel()
        for other in others:
            association, iterations = other.result()
            run.iterations += iterations
            if association is not None:
                run.offer(association)


def _restart(problem: Placement, seed: int, seconds: float) -> tuple[IntArray | None, int]:
    """Search in a process of its own; return the association found and the iterations done."""
    result = solve(problem, seed=seed, stop=MaxRuntime(seconds))
    return None if result.solution is None else result.solution.association, result.iterations


def search_placement(run: Run, problem: Placement) -> None:
    """Search until the patience is over, or until the run stops: then small problems are begun anew now and then."""
    from solvers._core import OpenSetSearch
    from solvers.local_search.arrays import SearchArrays
    from solvers.local_search.candidates import including, lists_of
    from solvers.local_search.chains import search_by_chains
    from solvers.local_search.decided_sets import SetSearch, chooses_servers, has_sets
    from solvers.local_search.driver import Search
    from solvers.local_search.server_sets import open_better, try_others

    lists = lists_of(problem)
    if run.solution is not None:
        lists = including(problem, lists, run.solution.association)
    patience = PATIENCE + PATIENCE_PER_SERVER * problem.n_stations
    run.details |= {"candidates": lists.station.shape[1], "pairs": lists.cost.size}
    limited = type(run.stop) is not Never
    again = ROUND_PATIENCE + ROUND_PATIENCE_PER_SERVER * problem.n_stations
    sets = None
    if problem.sharing != "fixed" and chooses_servers(problem) and lists.cost.size <= QUICK_PAIRS:
        sets = OpenSetSearch(lists.view)
    usable = np.flatnonzero(problem.server_allowed)
    number = 0
    by_bound: SetSearch | None = None
    while True:
        by_chains = number % 2 == 1 if by_bound is None else number % SET_TURNS != 0
        if problem.sharing == "fixed" and by_chains and lists.dense:
            # Within the most promising set of servers, and at times from the incumbent without regard to sets.
            if by_bound is None or number % SET_TURNS == 1 or not by_bound.again():
                start = None if run.solution is None else run.solution.association
                effort = CHAINS * (number if by_bound is None else 1 + number // SET_TURNS)
                search_by_chains(run, SearchArrays.of(problem), start, effort, seed=run.seed + run.iterations)
            run.check()
            number += 1
            continue
        search = Search(lists, run.seed + 7919 * number)
        # First from prices and within what is feasible; later from marginal costs too, and through what is not.
        start = None
        if number == 0 and run.solution is not None:
            start = run.solution.association
        elif number == 0 and search.is_small:
            # A first answer at once; prices take longer, and lead farther.
            first = Search(lists, run.seed)
            first.start()
            offer(run, first)
            if lists.cost.size > QUICK_PAIRS:
                first.close_servers(run.should_stop)
                offer(run, first)
            elif sets:
                open_better(first, sets, usable, partial(offer, run, first), run.should_stop)
            run.check()
            start = _priced_start(problem, lists)
        search.start(start)
        descend(run, search)
        if sets and number == 0 and search.is_small:
            better, rng = partial(offer, run, search), np.random.default_rng(run.seed)
            open_better(search, sets, usable, better, run.should_stop)
            run.check()
            try_others(search, sets, usable, rng, better, run.should_stop)
            run.check()
        wanted = number % 2 == 1 or not np.isfinite(search.best_cost) or problem.sharing == "fixed"
        if search.can_oscillate and wanted:
            search.oscillate()
        if run.solution is None and not np.isfinite(search.best_cost):
            if search.is_small:
                _advance(run, search, int(REPAIRS * patience))
            if run.solution is None:
                built = greedy.begin(run)
                if built is not None:
                    lists = including(problem, lists, built.association)
                    search = Search(lists, run.seed)
                    search.start(built.association)
                elif not search.is_small:
                    _advance(run, search, int(REPAIRS * patience))
        _advance(run, search, again if search.is_small else patience)
        if number == 0 and has_sets(problem) and lists.cost.size <= SET_PAIRS:
            dual = PriceDual.of(problem)
            by_bound = SetSearch(run, problem, dual, SearchArrays.of(problem, dual))
            by_bound.explore()
        number += 1
        if run.iterations - run.improved_at >= (LIMITED * patience if limited else patience):
            return


def _priced_start(problem: Placement, lists: Lists) -> IntArray | None:
    """Return a start from the prices of the dual bound."""
    from solvers.local_search.arrays import SearchArrays
    from solvers.local_search.start import from_prices

    dual = PriceDual.of(problem)
    value, prices = dual.ascend()
    if not np.isfinite(value):
        return None
    return from_prices(lists if lists.dense else SearchArrays.of(problem, dual).lists, dual, prices)


def _advance(run: Run, search: Search, patience: int) -> None:
    """Iterate until the run should stop or nothing improves any more."""
    begun = search.iterations
    while search.iterations - max(search.improved_at, begun) < patience:
        run.check()
        before = search.iterations
        search.advance()
        if search.looks_near and search.lists.opening > 0:
            search.advance_widely()
        run.iterations += search.iterations - before
        offer(run, search)


def offer(run: Run, search: Search) -> None:
    """Offer a run what a search has found, if it is better than the incumbent."""
    best = run.evaluation.objective - run.problem.constant_cost if run.evaluation else np.inf  # type: ignore[attr-defined]
    if search.best_cost < best - 1e-12 * abs(best) if np.isfinite(best) else np.isfinite(search.best_cost):
        run.offer(search.best())


def _search_migration(run: Run, problem: Migration) -> None:
    from dtopt.utility_segments import ServerUtility
    from solvers.local_search.utility import search_from, view_of

    if (problem.previous >= 0).all():
        run.offer(problem.previous)
    greedy.begin(run)
    if run.solution is None:
        return
    search = search_from(view_of(ServerUtility.of(problem)), run.solution.association, run.seed)
    patience = PATIENCE + PATIENCE_PER_SERVER * problem.n_stations
    step = max(1, SWAPS // problem.n_users**2)
    improved_at = 0
    while run.iterations - improved_at < patience:
        run.check()
        before = run.evaluation
        search.run(step, cancellation())
        run.offer(search.association)
        run.iterations += step
        if run.evaluation is not before:
            improved_at = run.iterations
