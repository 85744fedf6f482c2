"""`policy`: a trained network says which servers to open and where users go; `policy+ls` searches on from there."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dtopt.errors import InputError, UnsupportedProblemError
from dtopt.problem import Placement
from dtopt.run import Run, Stopped
from solvers import greedy
from solvers.loads import ServerLoads
from solvers.repair import place_remaining

if TYPE_CHECKING:
    from collections.abc import Callable

    from dtopt.arrays import IntArray
    from dtopt.problem import Problem
    from dtopt.result import Incumbent, Result
    from dtopt.solution import Solution
    from dtopt.stop import StoppingCriterion
    from solvers._core import GraphNetwork

__all__ = ["solve", "solve_polished"]

#: Iterations of local search at most to find a feasible association in, where no set leads to one.
REPAIRS = 2000


def solve(
    problem: Problem,
    *,
    time_limit: float | None = None,
    seed: int = 0,
    stop: StoppingCriterion | None = None,
    on_incumbent: Callable[[Incumbent, Solution], None] | None = None,
    sets: int | None = None,
    samples: int = 0,
    weights: str | Path | None = None,
) -> Result:
    """Open the servers that a trained network names and send users there by its prices and exact marginal costs.

    The network passes messages between users and servers (`solvers.policy.model`); its weights are the same for all of
    them, so one file serves any N and M. Users go to the server that is cheapest at its prices and has room, then all
    are shifted and swapped while that lowers the exact cost; no server is opened. Where that breaks a constraint more
    of the likeliest servers are opened, then users are moved out of each other's way.

    Parameters
    ----------
    problem : Placement
    time_limit, seed, stop, on_incumbent
        See `dtopt.solve`.
    sets : int, optional
        Likeliest sets of open servers that are decoded; the best association is kept. Where not given: up to 8, fewer
        the larger the instance; with many servers the doubtful ones are also tried the other way, and exchanged.
    samples : int
        Sets drawn at random besides, by the chances that the network gives to servers.
    weights : path, optional
        A file that `dtopt.trainers`' ``policy`` wrote, in the place of the shipped one.

    Raises
    ------
    InputError
        On a bad number of samples or file of weights.
    """
    run, network = _begin("policy", problem, time_limit, seed, stop, on_incumbent, sets, samples, weights)
    with run:
        if not run.settled and not run.should_stop():
            _decide(run, problem, network, sets, samples)  # type: ignore[arg-type]
    return run.result()


def solve_polished(
    problem: Problem,
    *,
    time_limit: float | None = None,
    seed: int = 0,
    stop: StoppingCriterion | None = None,
    on_incumbent: Callable[[Incumbent, Solution], None] | None = None,
    sets: int | None = None,
    samples: int = 0,
    weights: str | Path | None = None,
) -> Result:
    """Take the answer of `policy` and improve it by local search until that ends or the run stops.

    Parameters
    ----------
    problem, time_limit, seed, stop, on_incumbent, sets, samples, weights
        See `solve`; without a limit it ends where `local-search` does.
    """
    run, network = _begin("policy+ls", problem, time_limit, seed, stop, on_incumbent, sets, samples, weights)
    from solvers.local_search import search_placement

    with run:
        if not run.settled and not run.should_stop():
            with suppress(Stopped):
                _decide(run, problem, network, sets, samples)  # type: ignore[arg-type]
                run.check()
                search_placement(run, problem)  # type: ignore[arg-type]
    return run.result()


solve.problems = solve_polished.problems = ("placement",)  # type: ignore[attr-defined]


def _begin(
    name: str,
    problem: Problem,
    time_limit: float | None,
    seed: int,
    stop: StoppingCriterion | None,
    on_incumbent: Callable[[Incumbent, Solution], None] | None,
    sets: int | None,
    samples: int,
    weights: str | Path | None,
) -> tuple[Run, GraphNetwork]:
    if not isinstance(problem, Placement):
        raise UnsupportedProblemError(f"{name} takes placement problems")
    if samples < 0:
        raise InputError(f"must be >= 0, got {samples}", where="samples")
    if sets is not None and sets < 1:
        raise InputError(f"must be >= 1, got {sets}", where="sets")
    from solvers.policy.weights import SHIPPED, load_weights

    network = load_weights(SHIPPED if weights is None else Path(weights))
    run = Run(problem, name, seed=seed, stop=stop, time_limit=time_limit, on_incumbent=on_incumbent)
    return run, network


def _decide(run: Run, problem: Placement, network: GraphNetwork, sets: int | None, samples: int) -> None:
    """Offer what the network's terms lead to."""
    from solvers.local_search.candidates import lists_of
    from solvers.policy.decode import Decoder
    from solvers.policy.forward import forward
    from solvers.policy.graph import Graph
    from solvers.policy.sets import decode_sets, drawn_sets, effort, fitted, likely_sets

    lists = lists_of(problem, compared=False)
    openness, priced = forward(network, Graph.of(lists))
    decoder = Decoder(lists)
    order = np.argsort(-np.where(lists.capacity > 0, openness, -np.inf), kind="stable")
    usual, flips, exchanges = effort(decoder) if sets is None else (sets, 0, 0)
    chosen = likely_sets(openness, usual)
    if samples > 0:
        chosen = np.concatenate([chosen, drawn_sets(openness, samples, run.seed)])
    chosen = fitted(chosen, order, lists, problem.max_open)
    best, cost = decode_sets(run, decoder, chosen, priced, openness, flips, exchanges)
    if not np.isfinite(cost):
        # Perhaps too few servers: the next likeliest are opened too, in steps that grow.
        first, most = int(chosen[0].sum()), min(problem.max_open, order.size)
        counts = np.unique(np.round(np.geomspace(first, most, 8)).astype(np.int64))
        grown = np.zeros((counts.size, order.size), dtype=bool)
        for row, count in enumerate(counts.tolist()):
            grown[row, order[:count]] = True
        found, cost = decode_sets(run, decoder, grown[counts > first], priced)
        best = best if found is None else found
    if best is not None:
        run.offer(best)
    if run.solution is None:
        _repair(run, problem, best)


def _repair(run: Run, problem: Placement, association: IntArray | None) -> None:
    """Look for a feasible association: one user out of another's way, then through infeasible ones, then `greedy`."""
    if association is not None:
        loads = ServerLoads(problem)
        is_open = np.bincount(association, minlength=problem.n_stations) > 0
        if is_open.sum() <= problem.max_open:
            loads.is_open &= is_open
            for user in range(association.size):
                server = int(association[user])
                if loads.feasible(np.array([user]))[0, server]:
                    loads.add(user, server)
            run.check()
            if place_remaining(loads):
                run.offer(loads.association)
    if run.solution is None:
        from solvers.local_search.candidates import lists_of
        from solvers.local_search.driver import Search

        run.check()
        search = Search(lists_of(problem), run.seed)
        search.start(association)
        search.oscillate()
        begun = search.iterations
        while not np.isfinite(search.best_cost) and search.iterations - begun < REPAIRS:
            run.check()
            search.advance()
        if np.isfinite(search.best_cost):
            run.offer(search.best())
    if run.solution is None and not run.check_feasibility():
        run.check()
        greedy.begin(run)
