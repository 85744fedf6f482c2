"""`greedy`: regret-based construction, then closing servers while that pays."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dtopt.problem import Placement
from dtopt.run import Run, pass_on
from solvers.loads import ServerLoads, largest_servers, regrets
from solvers.repair import place_remaining

if TYPE_CHECKING:
    from collections.abc import Callable

    from dtopt.arrays import BoolArray, FloatArray, IntArray
    from dtopt.problem import Problem
    from dtopt.result import Incumbent, Result
    from dtopt.solution import Solution
    from dtopt.stop import StoppingCriterion

__all__ = ["begin", "solve"]

#: The order of regret is made anew after this share of the users has been placed.
REFRESHES = 20
#: Users whose costs are looked at together, to bound memory.
BLOCK = 4096
#: Prices of a whole server's CPU that are tried one after the other, in units of the spread of a user's costs.
RENTS = (0.0, 1.0, 3.0, 10.0, 100.0)
#: Passes over all open servers that try to close each.
PASSES = 10


def solve(
    problem: Problem,
    *,
    time_limit: float | None = None,
    seed: int = 0,
    stop: StoppingCriterion | None = None,
    on_incumbent: Callable[[Incumbent, Solution], None] | None = None,
) -> Result:
    """Place users in order of regret at least marginal cost, then close servers while that lowers the cost.

    Regret is the difference between a user's second-best and best server, infinite when only one can take it, so users
    with few choices go first. Marginal costs count what the newcomer does to those already there; capacity, CPU and
    deadlines are kept throughout. The seed changes nothing.
    """
    run = Run(problem, "greedy", seed=seed, stop=stop, time_limit=time_limit, on_incumbent=on_incumbent)
    with run:
        if not run.settled:
            loads = _construct(run, problem.server_allowed)
            if loads is not None and isinstance(problem, Placement):
                _close_servers(run, problem, loads)
            # Where too many servers are open or users were left over: the largest servers that may be open, and an
            # ever higher price on the CPU that must be set aside, so that scarce servers are not filled carelessly.
            for rent in RENTS:
                if run.solution is None:
                    _construct(run, largest_servers(problem), rent=rent)
    return run.result()


def begin(run: Run) -> Solution | None:
    """Offer a run what `greedy` finds in the time left; return that, None where it found nothing.

    What ended the run of `greedy` early, an interrupt or the end of the memory, ends this one as well.
    """
    first = solve(run.problem, time_limit=run.seconds_left, seed=run.seed)
    if first.solution is not None:
        run.offer(first.solution)
    pass_on(first)
    return first.solution


def _construct(run: Run, is_open: BoolArray, *, rent: float = 0.0) -> ServerLoads | None:
    """Place all users on the open servers and offer the result; None where some could not be placed."""
    loads = ServerLoads(run.problem, is_open)
    waiting = np.arange(run.problem.n_users)
    if rent > 0:
        cost = loads.marginal(waiting[:BLOCK])
        spread = np.where(np.isfinite(cost), cost, -np.inf).max(axis=1) - cost.min(axis=1)
        spread = spread[np.isfinite(spread)]
        rent *= float(np.median(spread)) if spread.size else 0.0

    def price(users: IntArray) -> FloatArray:
        return loads.marginal(users) + (rent * _part(loads, users) if rent > 0 else 0.0)

    step = max(1, waiting.size // REFRESHES)
    while waiting.size:
        blocks = [regrets(price(waiting[i : i + BLOCK])) for i in range(0, waiting.size, BLOCK)]
        order = np.argsort(-np.concatenate(blocks), kind="stable")
        batch, waiting = waiting[order[:step]], np.sort(waiting[order[step:]])
        for user in batch.tolist():
            cost = price(np.array([user]))[0]
            server = int(cost.argmin())
            if np.isfinite(cost[server]):
                loads.add(user, server)
        run.check()
    if not place_remaining(loads):
        return None
    run.iterations += 1
    run.offer(loads.association)
    return loads


def _part(loads: ServerLoads, users: IntArray) -> FloatArray:
    """Return the part of each server's CPU that must be set aside for each user there."""
    problem = loads.problem
    servers = np.arange(problem.n_stations)
    if problem.sharing == "equal":
        return np.asarray(problem.compute_floor(users[:, None], servers) / problem.network.stations.cpu_hz)
    return problem.reserved_part(users[:, None], servers)


def _close_servers(run: Run, problem: Placement, loads: ServerLoads) -> None:
    """Close servers, least loaded first, while the cost falls or more are open than may be."""
    for _ in range(PASSES):
        changed = False
        loads.is_open &= loads.count > 0
        for server in np.argsort(loads.count, kind="stable").tolist():
            forced = int(loads.is_open.sum()) > problem.max_open
            if not loads.is_open[server] or (problem.opening_cost == 0 and not forced):
                continue
            run.check()
            trial = _without(loads, server)
            run.iterations += 1
            if trial is not None and (forced or _difference(loads, trial, server) < 0):
                loads, changed = trial, True
                run.offer(loads.association)
        if not changed:
            return


def _without(loads: ServerLoads, server: int) -> ServerLoads | None:
    """Return the state with a server closed and its users moved at least cost, or None where they do not fit."""
    trial = loads.copy()
    members = np.flatnonzero(trial.association == server)
    trial.association[members] = -1
    trial.is_open[server] = False
    trial.rebuild([server])
    if not trial.is_open.any():
        return None
    for user in members.tolist():
        cost = trial.marginal(np.array([user]))[0]
        target = int(cost.argmin())
        if not np.isfinite(cost[target]):
            return None
        trial.add(user, target)
    return trial


def _difference(loads: ServerLoads, trial: ServerLoads, closed: int) -> float:
    """Return how much the cost rises if `closed` is closed as in `trial`."""
    touched = [closed, *np.unique(trial.association[loads.association == closed]).tolist()]
    return sum(trial.server_cost(k) for k in touched) - sum(loads.server_cost(k) for k in touched)
