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

    from dtopt.problem import Problem
    from dtopt.result import Incumbent, Result
    from dtopt.solution import Solution
    from dtopt.stop import Progress, StoppingCriterion

__all__ = ["solve"]

#: Up to this many pairs of user and server the exact solver has the whole time.
EXACT_PAIRS = {"placement": 20_000, "migration": 2_000_000}
#: Parts of the time left that `exact`, and then `lns`, have in placements before that.
PROOF_PART, SEARCH_PART = 0.3, 0.7
#: The first of these where `exact` tells sets of servers apart.
SETS_PROOF_PART = 0.9
#: Up to this many it may close the gap that local search, with this part of the time, has left.
CLOSED_PAIRS, FIRST_PART = 200_000, 0.3
#: Up to so many seconds for each user a large problem's bound is made quickly at first.
QUICK_SECONDS = 6e-4
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
    `local-search` first, with the dual bound as certificate, and the time left to `exact` where that may close the gap.
    The largest are searched and proven side by side, in two threads (by turns where a run may use one): the dual bound,
    then branching on servers, whose prices tell the search which servers are undecided. Migrations too large for
    `exact` go to `greedy`. Without any limit the run ends after 60 s.

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
    from solvers.exact.enumeration import can_enumerate

    if can_enumerate(problem):
        return
    if not isinstance(problem, Placement):
        exact.compile_for(problem)
        return
    from solvers.exact.wired import compile_branching
    from solvers.local_search import driver
    from solvers.local_search.arrays import compile_kernels
    from solvers.local_search.ejection import compile_ejection

    pairs = problem.n_users * problem.n_stations
    driver.compile_kernels()
    if pairs <= EXACT_PAIRS["placement"]:
        compile_kernels()
        compile_ejection()
    if pairs <= CLOSED_PAIRS:
        exact.compile_for(problem)
    else:
        compile_branching()
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
        _beside(run, problem)
        return
    _hand_over(run, local_search.solve, FIRST_PART)
    if run.settled:
        return
    run.offer_bound(dual_bound(problem, run.should_stop))
    if not run.should_stop():
        _hand_over(run, exact.solve)


def _beside(run: Run, problem: Placement) -> None:
    """Search, and prove in a thread of its own, whose prices guide the search."""
    from solvers.local_search.guided import solve_beside
    from solvers.prover import Prover

    if not np.isfinite(run.seconds_left):
        _one_by_one(run, problem)
        return
    with Prover(problem, quick=run.seconds_left < QUICK_SECONDS * problem.n_users) as prover:

        def take() -> None:
            if run.evaluation is not None:
                prover.cutoff = run.evaluation.objective * (1.0 - OPTIMALITY_GAP / 2) - problem.constant_cost
            run.offer_bound(proven(prover.bound, problem))
            run.details["server_nodes"] = prover.nodes
            prover.wait(run.seconds_left)

        _hand_over(run, partial(solve_beside, guide=prover), look=take)
    take()


def _one_by_one(run: Run, problem: Placement) -> None:
    """Search, prove, and search from the servers that the bound's prices open: the same each time, without a clock."""
    from dtopt.wired_dual import wired_bound
    from solvers import local_search
    from solvers.local_search.guided import Known, solve_beside

    _hand_over(run, local_search.solve)
    if run.settled or run.should_stop():
        return
    wired = wired_bound(problem, run.should_stop)
    run.offer_bound(dual_bound(problem, run.should_stop) if wired is None else proven(wired.value, problem))
    if not run.should_stop() and wired is not None and np.isfinite(wired.value) and run.solution is not None:
        _hand_over(run, partial(solve_beside, guide=Known(wired.server_value)))


def _hand_over(
    run: Run,
    method: Callable[..., Result],
    part: float = 1.0,
    *,
    anew: bool = False,
    look: Callable[[], None] = lambda: None,
) -> None:
    """Let another solver work for a part of the time left, and take over all that it finds and proves.

    It begins from the incumbent, unless it is to begin `anew`; `look` is called whenever it asks whether to stop.
    """
    from solvers import greedy

    given = run.solution is not None and method is not greedy.solve and not anew
    result = method(
        run.problem,
        seed=run.seed,
        stop=_Within(run, part, look),
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

    def __init__(self, run: Run, part: float, look: Callable[[], None]) -> None:
        self.run, self.look = run, look
        left = run.seconds_left
        self.end = run.elapsed_s + (part * left if np.isfinite(left) else left)

    def __call__(self, progress: Progress) -> bool:
        """Return whether it should stop."""
        return self.over()

    def over(self) -> bool:
        """Return whether the part of the time is over, or the outer run should stop."""
        self.look()
        return self.run.elapsed_s >= self.end or self.run.should_stop()

    def seconds_left(self, elapsed_s: float) -> float:
        """Return the time left, s."""
        return max(0.0, min(self.end - self.run.elapsed_s, self.run.seconds_left))

    def target_gap(self) -> float:
        """Return the gap asked of the outer run."""
        return self.run.stop.target_gap()
