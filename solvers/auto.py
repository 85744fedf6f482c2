"""`auto`: the solver to use when none is named; picks by size and time, and always brings a proven bound."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from dtopt.bounds import dual_bound, proven
from dtopt.problem import Placement
from dtopt.result import Status
from dtopt.run import OPTIMALITY_GAP, Run, pass_on
from dtopt.stop import Never

if TYPE_CHECKING:
    from collections.abc import Callable

    from dtopt.arrays import FloatArray
    from dtopt.problem import Problem
    from dtopt.result import Incumbent, Result
    from dtopt.solution import Solution
    from dtopt.stop import Progress, StoppingCriterion
    from dtopt.wired_dual import WiredBound

__all__ = ["solve"]

#: Up to this many pairs of user and server the exact solver has the whole time.
EXACT_PAIRS = {"placement": 20_000, "migration": 2_000_000}
#: Parts of the time left that `exact`, and then `lns`, have in placements before that.
PROOF_PART, SEARCH_PART = 0.3, 0.7
#: The first of these where `exact` tells sets of servers apart.
SETS_PROOF_PART = 0.9
#: Up to this many it may close the gap that local search, with this part of the time, has left.
CLOSED_PAIRS, FIRST_PART = 200_000, 0.3
#: What the dual bound takes, s for each user, the least part of the time that local search has before it where that is
#: not enough, what a first local optimum takes, s for each user, and the part of the time left for a last search.
BOUND_SECONDS, LEAST_PART, FIRST_SECONDS, LAST_PART = 3e-4, 0.3, 3e-5, 0.3
#: From so much time left, s for each pair of user and station, servers are branched on: enough for a node to some ten
#: stations. From so many times that on there are more turns than one; and nodes at most.
TREE_SECONDS, LONG, TREE_NODES = 4.5e-7, 8.0, 5000
#: Parts of the time left that searching and branching have in each turn, where time is short and where it is not.
SHORT_TURNS, LONG_TURNS = ((0.02, 0.6), (1.0, 1.0)), ((0.02, 0.5), (0.4, 0.6), (1.0, 1.0))
#: Without a limit the run ends after so much time, s.
DEFAULT_SECONDS = 60.0


def solve(
    problem: Problem,
    *,
    time_limit: float | None = None,
    seed: int = 0,
    stop: StoppingCriterion | None = None,
    on_incumbent: Callable[[Incumbent, Solution], None] | None = None,
    start: Solution | None = None,
) -> Result:
    """Pick a method by size and time, and return an incumbent with a proven bound.

    Small problems go to `exact`, placements by turns with `lns` where that proves nothing soon. Larger placements go to
    `local-search` first, with the dual bound as certificate, and the time left to `exact` where that may close the gap,
    else to `local-search` again from the servers that pay for themselves at the bound's prices, by turns with branching
    on servers where there is time for that. Migrations too large for `exact` go to `greedy`. Without any limit the run
    ends after 60 s.

    Parameters
    ----------
    problem : Placement or Migration
    time_limit, seed, stop, on_incumbent
        See `dtopt.solve`.
    start : Solution, optional
        A feasible solution to begin from.
    """
    if time_limit is None and stop is None:
        time_limit = DEFAULT_SECONDS
    _compile(problem)
    run = Run(problem, "auto", seed=seed, stop=stop, time_limit=time_limit, on_incumbent=on_incumbent)
    with run:
        run.begin_from(start)
        if not run.settled and not run.should_stop():
            _search(run, problem)
    return run.result()


def _compile(problem: Problem) -> None:
    """Compile what may be used before the clock starts: it is part of installing solvers, not of any run."""
    from solvers import exact

    if not isinstance(problem, Placement):
        exact.compile_for(problem)
        return
    from dtopt import wired_dual
    from solvers.lns import neighbourhood
    from solvers.local_search import driver
    from solvers.local_search.ejection import compile_ejection

    pairs = problem.n_users * problem.n_stations
    driver.compile_kernels()
    if pairs <= EXACT_PAIRS["placement"]:
        neighbourhood.compile_kernels()
    if pairs <= CLOSED_PAIRS:
        exact.compile_for(problem)
    else:
        wired_dual.compile_kernels()
        if problem.sharing == "fixed":
            compile_ejection()


def _search(run: Run, problem: Problem) -> None:
    from solvers import exact, greedy, lns, local_search
    from solvers.local_search.decided_sets import has_sets

    pairs = problem.n_users * problem.n_stations
    if pairs <= EXACT_PAIRS[problem.kind]:
        if isinstance(problem, Placement):
            # What is not proven soon may stay out of reach, and neighbourhoods, from their own start, find better.
            proof = SETS_PROOF_PART if has_sets(problem) else PROOF_PART
            for method, part in ((exact.solve, proof), (lns.solve, SEARCH_PART)):
                _hand_over(run, method, part, anew=True)
                if run.settled or run.should_stop() or run.gap <= OPTIMALITY_GAP:
                    return
        _hand_over(run, exact.solve)
        return
    if not isinstance(problem, Placement):
        _hand_over(run, greedy.solve)
        if not run.settled:
            run.offer_bound(dual_bound(problem, run.should_stop))
        return
    if pairs > CLOSED_PAIRS:
        _bound_first(run, problem)
        return
    _hand_over(run, local_search.solve, FIRST_PART)
    if run.settled:
        return
    run.offer_bound(dual_bound(problem, run.should_stop))
    if not run.should_stop():
        _hand_over(run, exact.solve)


def _bound_first(run: Run, problem: Placement) -> None:
    """Search for a first answer, then for the bound, then from the servers that the bound's prices open."""
    from dtopt.wired_dual import wired_bound
    from solvers import greedy, local_search

    left = run.seconds_left
    # The bound may take what it needs, but not what a first answer and a last search do.
    part = max(LEAST_PART, 1.0 - BOUND_SECONDS * problem.n_users / max(left, 1e-9))
    _hand_over(run, local_search.solve, min(part, FIRST_SECONDS * problem.n_users / max(left, 1e-9)))
    if run.settled or run.should_stop():
        return
    # Where places or CPU are so scarce that shifts alone find no association, servers' prices do not either.
    scarce = run.solution is None
    if scarce:
        greedy.begin(run)
    within = _Within(run, 1.0 - LAST_PART)
    wired = wired_bound(problem, within.over, quick=left < 2.0 * BOUND_SECONDS * problem.n_users)
    if wired is None:
        run.offer_bound(dual_bound(problem, run.should_stop))
        if not run.should_stop():
            _hand_over(run, local_search.solve)
        return
    run.offer_bound(proven(wired.value, problem))
    if run.should_stop() or not np.isfinite(wired.value):
        return
    enough = run.seconds_left / (TREE_SECONDS * problem.n_users * problem.n_stations)
    if enough >= 1.0:
        _close_gap(run, problem, wired, SHORT_TURNS if enough < LONG else LONG_TURNS, scarce)
    else:
        _hand_over(run, _search_at(wired.server_value, scarce))


def _search_at(server_value: FloatArray, scarce: bool) -> Callable[..., Result]:
    """Return the search from the servers that prices open, or where those help nothing from the incumbent."""
    from solvers import local_search

    return local_search.solve if scarce else partial(local_search.solve_from, server_value=server_value)


def _close_gap(
    run: Run, problem: Placement, wired: WiredBound, turns: tuple[tuple[float, float], ...], scarce: bool
) -> None:
    """Search and branch on servers by turns: branching raises the bound, and its best node is where to search next."""
    from solvers.exact.wired import TEMPERATURES, WiredDual
    from solvers.server_tree import ServerTree

    tree = ServerTree(WiredDual.of(wired), (wired.value, wired.prices), TEMPERATURES)
    value = wired.server_value

    def cutoff() -> float:
        if run.evaluation is None:
            return np.inf
        return run.evaluation.objective * (1.0 - OPTIMALITY_GAP / 2) - problem.constant_cost

    for searching, branching in turns:
        _hand_over(run, _search_at(value, scarce), searching)
        within = _Within(run, branching)

        def over(within: _Within = within) -> bool:
            run.offer_bound(proven(min(tree.bound, cutoff()), problem))
            return within.over()

        tree.search(cutoff, over, lambda dual, prices: None, TREE_NODES)
        run.details["server_nodes"] = tree.nodes
        best = tree.best()
        over()
        if run.should_stop() or best is None:
            return
        with_it, without_it = best[0].server_bounds(best[1])
        value = np.where(np.isfinite(with_it) & np.isfinite(without_it), with_it - without_it, -np.inf)
        value[np.isinf(with_it)] = np.inf


def _hand_over(run: Run, method: Callable[..., Result], part: float = 1.0, *, anew: bool = False) -> None:
    """Let another solver work for a part of the time left, and take over all that it finds and proves.

    It begins from the incumbent, unless it is to begin `anew`.
    """
    from solvers import greedy

    given = run.solution is not None and method is not greedy.solve and not anew
    result = method(
        run.problem,
        seed=run.seed,
        stop=_Within(run, part),
        on_incumbent=lambda step, solution: _take(run, solution),
        **({"start": run.solution} if given else {}),
    )
    run.iterations += result.iterations
    run.details.setdefault("methods", []).append(result.solver)
    if result.solution is not None:
        run.offer(result.solution)
    if result.bound is not None:
        run.offer_bound(result.bound)
    pass_on(result)
    if result.status is Status.INFEASIBLE:
        run.infeasible(result.message)


def _take(run: Run, solution: Solution) -> None:
    run.offer(solution)


class _Within(Never):
    """Stops a run inside another when that should stop, or its part of the time is over."""

    def __init__(self, run: Run, part: float) -> None:
        self.run = run
        left = run.seconds_left
        self.end = run.elapsed_s + (part * left if np.isfinite(left) else left)

    def __call__(self, progress: Progress) -> bool:
        """Return whether it should stop."""
        return self.over()

    def over(self) -> bool:
        """Return whether the part of the time is over, or the outer run should stop."""
        return self.run.elapsed_s >= self.end or self.run.should_stop()

    def seconds_left(self, elapsed_s: float) -> float:
        """Return the time left, s."""
        return max(0.0, min(self.end - self.run.elapsed_s, self.run.seconds_left))

    def target_gap(self) -> float:
        """Return the gap asked of the outer run."""
        return self.run.stop.target_gap()
