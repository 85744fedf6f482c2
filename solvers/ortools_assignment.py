"""`ortools-assignment`: associations by rounds of linear assignment, and exchanges between servers by it."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from dtopt.errors import UnsupportedProblemError
from dtopt.problem import Placement
from dtopt.run import Run, Stopped
from solvers import greedy
from solvers.loads import ServerLoads, regrets
from solvers.ortools_flow.exchanges import exchanges
from solvers.ortools_flow.linear import MOST_PAIRS, Linearised
from solvers.ortools_flow.servers import change_servers, first_servers
from solvers.ortools_flow.transport import exchange
from solvers.repair import place_remaining

if TYPE_CHECKING:
    from collections.abc import Callable

    from dtopt.arrays import BoolArray, FloatArray
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
    """Deal users out to servers in rounds of linear assignment, and let servers exchange users by it.

    In a round every open server takes at most one user, those first that would lose most at their second-best server,
    at the exact marginal costs of the users who are there: a linear assignment problem, solved by OR-Tools. Servers are
    then closed and opened one at a time while that pays. Last, one user or none is drawn from each of several servers
    and these are dealt out anew; with one out and at most one in, what a server costs depends on the newcomer alone, so
    that the best of all permutations is found under every sharing policy. A heuristic: it claims no bound. An iteration
    is one linear assignment.

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
        raise UnsupportedProblemError(f"ortools-assignment takes up to {MOST_PAIRS:,} pairs of user and server")
    run = Run(
        problem,
        "ortools-assignment",
        seed=seed,
        stop=stop,
        time_limit=time_limit,
        on_incumbent=on_incumbent,
        libraries=("ortools",),
    )
    with run:
        if not run.settled and not run.should_stop():
            with suppress(Stopped):
                _search(run, problem)
    return run.result()


def _search(run: Run, problem: Problem) -> None:
    greedy.begin(run)
    run.check()
    _deal(first_servers(run), run=run)
    if run.solution is None:
        return
    linear = Linearised(problem)
    if isinstance(problem, Placement):
        change_servers(run, problem, linear, partial(_deal, run=run))
    exchanges(run, linear, np.random.default_rng(run.seed))


def _deal(is_open: BoolArray, *, run: Run) -> None:
    """Offer the association to some open servers that rounds of linear assignment give."""
    loads = ServerLoads(run.problem, is_open)
    waiting = np.arange(run.problem.n_users)
    while waiting.size:
        run.check()
        cost = loads.marginal(waiting)
        servers = np.flatnonzero(np.isfinite(cost).any(axis=0))
        if servers.size == 0:
            break
        cost = cost[:, servers]
        chosen = np.argsort(-regrets(cost), kind="stable")[: servers.size]
        order = None
        while chosen.size and order is None:
            # Users without a server of their own come another time, those who lose least first.
            run.iterations += 1
            order = exchange(_square(cost[chosen]))
            if order is None:
                chosen = chosen[: chosen.size // 2]
        if order is None:
            break
        for position, row in enumerate(chosen.tolist()):
            user, server = int(waiting[row]), int(servers[order[position]])
            if loads.feasible(np.array([user]))[0, server]:
                loads.add(user, server)
        waiting = np.flatnonzero(loads.association < 0)
    if place_remaining(loads):
        run.offer(loads.association)


def _square(cost: FloatArray) -> FloatArray:
    """Return costs with rows of nobody, who costs nothing anywhere, so that there are as many rows as columns."""
    nobody = np.zeros((cost.shape[1] - cost.shape[0], cost.shape[1]))
    return np.vstack([cost, nobody])
