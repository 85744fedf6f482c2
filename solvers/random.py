"""`random`: a random set of servers and a random server for each user, the lower benchmark of the paper's Figure 9."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dtopt.run import Run
from solvers.loads import ServerLoads
from solvers.repair import place_remaining

if TYPE_CHECKING:
    from collections.abc import Callable

    from dtopt.arrays import BoolArray
    from dtopt.problem import Problem
    from dtopt.result import Incumbent, Result
    from dtopt.solution import Solution
    from dtopt.stop import StoppingCriterion

__all__ = ["solve"]

#: Draws made before giving up on a feasible one. The first feasible draw is the answer, not the best of many.
DRAWS = 20


def solve(
    problem: Problem,
    *,
    time_limit: float | None = None,
    seed: int = 0,
    stop: StoppingCriterion | None = None,
    on_incumbent: Callable[[Incumbent, Solution], None] | None = None,
) -> Result:
    """Open random servers and send each user to a random one of them that can take it.

    Under P1 the number of servers is drawn evenly from 1 to the most that may be open; under P2 all allowed servers
    take part. A draw that leaves users without a feasible server is repaired, and failing that drawn again with as many
    servers as may be open.
    """
    run = Run(problem, "random", seed=seed, stop=stop, time_limit=time_limit, on_incumbent=on_incumbent)
    rng = np.random.default_rng(seed)
    with run:
        while not run.settled and run.solution is None and run.iterations < DRAWS and not run.should_stop():
            loads = ServerLoads(problem, _draw_servers(problem, rng, first=run.iterations == 0))
            _scatter(loads, rng)
            if place_remaining(loads):
                run.offer(loads.association)
            run.iterations += 1
    return run.result()


def _draw_servers(problem: Problem, rng: np.random.Generator, *, first: bool) -> BoolArray:
    allowed = np.flatnonzero(problem.server_allowed)
    count = problem.max_open
    if first and problem.kind == "placement":
        count = int(rng.integers(1, count + 1))
    is_open = np.zeros(problem.n_stations, dtype=bool)
    is_open[rng.permutation(allowed)[:count]] = True
    return is_open


def _scatter(loads: ServerLoads, rng: np.random.Generator) -> None:
    """Send users, in random order, to random servers that can take them; leave the others without."""
    problem = loads.problem
    servers = np.flatnonzero(loads.is_open)
    if not problem.network.stations.limited and not problem.deadlines_bind and problem.sharing != "fixed":
        # Nothing can be full, so all draws are free and need no loop.
        loads.association[:] = rng.choice(servers, size=problem.n_users)
        return
    for user in rng.permutation(problem.n_users).tolist():
        choices = np.flatnonzero(loads.feasible(np.array([user]))[0])
        if choices.size:
            loads.add(user, int(rng.choice(choices)))
