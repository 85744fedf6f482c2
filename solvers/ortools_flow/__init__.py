"""`ortools-flow`: associations as min-cost flows on costs linearised at the loads, again and again."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from dtopt.errors import UnsupportedProblemError
from dtopt.problem import Placement
from dtopt.run import Run, Stopped
from solvers import greedy
from solvers.ortools_flow.descent import Descent
from solvers.ortools_flow.exchanges import exchanges
from solvers.ortools_flow.linear import MOST_PAIRS
from solvers.ortools_flow.servers import change_servers, first_servers

if TYPE_CHECKING:
    from collections.abc import Callable

    from dtopt.problem import Problem
    from dtopt.result import Incumbent, Result
    from dtopt.solution import Solution
    from dtopt.stop import StoppingCriterion

__all__ = ["solve"]


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
    greedy.begin(run)
    run.check()
    descent = Descent(run)
    if not descent.linear.allowed.any(axis=1).all():
        return
    descent.descend(first_servers(run), run.solution.association if run.solution is not None else None)
    if isinstance(problem, Placement) and run.solution is not None:
        change_servers(run, problem, descent.linear, partial(descent.descend, start=None))
    if run.solution is not None:
        exchanges(run, descent.linear, np.random.default_rng(run.seed))
