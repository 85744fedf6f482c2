"""`ortools-flow`: associations as min-cost flows on costs linearised at the loads, again and again."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import numpy as np

from dtopt.errors import UnsupportedProblemError
from dtopt.problem import Placement
from dtopt.result import Status
from dtopt.run import Run, Stopped
from solvers import greedy
from solvers.loads import largest_servers
from solvers.ortools_flow.descent import Descent

if TYPE_CHECKING:
    from collections.abc import Callable

    from dtopt.arrays import BoolArray
    from dtopt.problem import Problem
    from dtopt.result import Incumbent, Result
    from dtopt.solution import Solution
    from dtopt.stop import StoppingCriterion

__all__ = ["solve"]

#: Pairs of user and server that the dense matrices are made for.
MOST_PAIRS = 5_000_000
#: Closed servers that are tried open, and open ones that are tried closed, in each round.
TRIALS = 12


def solve(
    problem: Problem,
    *,
    time_limit: float | None = None,
    seed: int = 0,
    stop: StoppingCriterion | None = None,
    on_incumbent: Callable[[Incumbent, Solution], None] | None = None,
) -> Result:
    """Improve a greedy solution by min-cost flows on linearised costs and exchanges by linear assignment.

    For a set of open servers, `Descent` alternates between the cost linearised at the loads and the flow that is the
    cheapest association at that cost. Servers are then closed and opened one at a time while that pays. A heuristic:
    it claims no bound. An iteration is one flow or one assignment.

    Parameters
    ----------
    problem : Placement or Migration
    time_limit, seed, stop, on_incumbent
        See `dtopt.solve`. The seed draws the users that exchanges are tried on.

    Raises
    ------
    UnsupportedProblemError
        For a problem of more pairs of user and server than its matrices are made for.
    """
    if problem.n_users * problem.n_stations > MOST_PAIRS:
        raise UnsupportedProblemError(f"ortools-flow takes up to {MOST_PAIRS:,} pairs of user and server")
    run = Run(
        problem,
        "ortools-flow",
        seed=seed,
        stop=stop,
        time_limit=time_limit,
        on_incumbent=on_incumbent,
        libraries=("scipy", "ortools"),
    )
    with run:
        if not run.settled and not run.should_stop():
            with suppress(Stopped):
                _search(run, problem)
    return run.result()


def _search(run: Run, problem: Problem) -> None:
    first = greedy.solve(problem, time_limit=run.seconds_left, seed=run.seed)
    if first.solution is not None:
        run.offer(first.solution)
    if first.status is Status.INTERRUPTED:
        # Its own run has kept what it had; this one is to end as well.
        raise KeyboardInterrupt
    run.check()
    descent = Descent(run)
    if not descent.linear.allowed.any(axis=1).all():
        return
    is_open = problem.server_allowed.copy()
    if isinstance(problem, Placement) and (problem.opening_cost > 0 or problem.max_open < problem.n_stations):
        is_open = largest_servers(problem)
        if run.solution is not None:
            is_open[:] = False
            is_open[run.solution.open_servers] = True
    descent.descend(is_open, run.solution.association if run.solution is not None else None)
    if isinstance(problem, Placement) and run.solution is not None:
        _servers(run, problem, descent)
    if run.solution is not None:
        descent.exchanges(np.random.default_rng(run.seed))


def _servers(run: Run, problem: Placement, descent: Descent) -> None:
    """Close and open servers, one at a time, while the cost falls."""
    changed = True
    while changed:
        changed = False
        for trial in _neighbours(run, problem, descent):
            run.check()
            assert run.evaluation is not None  # noqa: S101 - there is a solution to begin with
            before = run.evaluation.objective
            descent.descend(trial, None)
            if run.evaluation.objective < before:
                changed = True
                break


def _neighbours(run: Run, problem: Placement, descent: Descent) -> list[BoolArray]:
    """Return sets of open servers that differ from the incumbent's by one closed, one opened, or both."""
    assert run.solution is not None  # noqa: S101 - there is a solution to begin with
    association = run.solution.association
    count = np.bincount(association, minlength=problem.n_stations)
    is_open = count > 0
    cost = descent.linear.marginal(association)
    present = cost[np.arange(association.size), association]
    # What users would gain by a server if each went there alone.
    gain = np.maximum(0.0, present[:, None] - np.where(np.isfinite(cost), cost, np.inf)).sum(axis=0)
    opened = [k for k in np.argsort(-gain, kind="stable").tolist() if not is_open[k]][:TRIALS]
    closed = [k for k in np.argsort(count, kind="stable").tolist() if is_open[k]][:TRIALS]
    found = []
    if problem.opening_cost > 0 and len(closed) > 1:
        found += [_with(is_open, shut=k) for k in closed]
    if is_open.sum() < problem.max_open:
        found += [_with(is_open, new=k) for k in opened]
    if problem.opening_cost > 0 or is_open.sum() == problem.max_open:
        found += [_with(is_open, shut=shut, new=new) for new in opened for shut in closed]
    return found


def _with(is_open: BoolArray, *, shut: int | None = None, new: int | None = None) -> BoolArray:
    changed = is_open.copy()
    if shut is not None:
        changed[shut] = False
    if new is not None:
        changed[new] = True
    return changed
