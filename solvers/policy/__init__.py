"""`policy`: a trained network says which servers to open and where users go; `policy+ls` searches on from there."""

from __future__ import annotations

from contextlib import suppress
from functools import cache
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

    from dtopt.arrays import BoolArray, IntArray
    from dtopt.problem import Problem
    from dtopt.result import Incumbent, Result
    from dtopt.solution import Solution
    from dtopt.stop import StoppingCriterion
    from solvers.local_search.candidates import Lists
    from solvers.policy.decode import Decoder
    from solvers.policy.forward import Weights
    from solvers.policy.graph import Floats32

__all__ = ["solve", "solve_polished"]

#: Sets of open servers that are decoded together, between two looks at the clock.
TOGETHER = 16
#: Iterations of local search at most to find a feasible association in, where no set leads to one.
REPAIRS = 2000


def solve(
    problem: Problem,
    *,
    time_limit: float | None = None,
    seed: int = 0,
    stop: StoppingCriterion | None = None,
    on_incumbent: Callable[[Incumbent, Solution], None] | None = None,
    samples: int = 1,
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
    samples : int
        Sets of open servers that are decoded; the best is kept. The first is the likeliest, the others are drawn from
        the chances that the network gives to servers.
    weights : path, optional
        A file that `dtopt.trainers`' ``policy`` wrote, in the place of the shipped one.

    Raises
    ------
    InputError
        On a bad number of samples or file of weights.
    """
    run, network = _begin("policy", problem, time_limit, seed, stop, on_incumbent, samples, weights)
    with run:
        if not run.settled and not run.should_stop():
            _decide(run, problem, network, samples)  # type: ignore[arg-type]
    return run.result()


def solve_polished(
    problem: Problem,
    *,
    time_limit: float | None = None,
    seed: int = 0,
    stop: StoppingCriterion | None = None,
    on_incumbent: Callable[[Incumbent, Solution], None] | None = None,
    samples: int = 1,
    weights: str | Path | None = None,
) -> Result:
    """Take the answer of `policy` and improve it by local search until that ends or the run stops.

    Parameters
    ----------
    problem, time_limit, seed, stop, on_incumbent, samples, weights
        See `solve`; without a limit it ends where `local-search` does.
    """
    run, network = _begin("policy+ls", problem, time_limit, seed, stop, on_incumbent, samples, weights)
    from solvers.local_search import search_placement

    with run:
        if not run.settled and not run.should_stop():
            with suppress(Stopped):
                _decide(run, problem, network, samples)  # type: ignore[arg-type]
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
    samples: int,
    weights: str | Path | None,
) -> tuple[Run, Weights]:
    if not isinstance(problem, Placement):
        raise UnsupportedProblemError(f"{name} takes placement problems")
    if samples < 1:
        raise InputError(f"must be >= 1, got {samples}", where="samples")
    # Here and not above: importing Numba takes longer than many a run of other solvers.
    from solvers.policy.weights import SHIPPED, load_weights

    network = load_weights(SHIPPED if weights is None else Path(weights))
    _compile(name == "policy+ls", problem.sharing == "fixed")
    run = Run(
        problem, name, seed=seed, stop=stop, time_limit=time_limit, on_incumbent=on_incumbent, libraries=("numba",)
    )
    return run, network


@cache
def _compile(polish: bool, fixed: bool) -> None:
    """Compile what a run takes, or load it from Numba's cache, before its clock starts."""
    from solvers.policy.decode import compile_kernels

    compile_kernels()
    if polish:
        from solvers.local_search import driver

        driver.compile_kernels()
        if fixed:
            from solvers.local_search.ejection import compile_ejection

            compile_ejection()


def _decide(run: Run, problem: Placement, network: Weights, samples: int) -> None:
    """Offer what the network's terms lead to."""
    from solvers.local_search.candidates import lists_of
    from solvers.policy.decode import Decoder
    from solvers.policy.forward import forward
    from solvers.policy.graph import Graph

    lists = lists_of(problem)
    openness, priced = forward(network, Graph.of(lists))
    decoder = Decoder(lists)
    order = np.argsort(-np.where(lists.capacity > 0, openness, -np.inf), kind="stable")
    sets = likely_sets(openness, order, lists, run.problem, samples, run.seed)
    best, cost = _decode(run, decoder, sets, priced)
    if not np.isfinite(cost):
        # Perhaps too few servers: the next likeliest are opened too, in steps that grow.
        first, most = int(sets[0].sum()), min(problem.max_open, order.size)
        counts = np.unique(np.round(np.geomspace(first, most, 8)).astype(np.int64))
        grown = np.zeros((counts.size, order.size), dtype=bool)
        for row, count in enumerate(counts.tolist()):
            grown[row, order[:count]] = True
        found, cost = _decode(run, decoder, grown[counts > first], priced)
        best = best if found is None else found
    if best is not None:
        run.offer(best)
    if run.solution is None:
        _repair(run, problem, decoder, best)


def likely_sets(
    openness: Floats32, order: IntArray, lists: Lists, problem: Problem, samples: int, seed: int
) -> BoolArray:
    """Return sets of open servers, shape (samples, M): the likeliest, then some drawn by their chances.

    A set has no more servers than may be open, and the likeliest of the others too while its places are too few.
    """
    sets = np.zeros((samples, openness.size), dtype=bool)
    sets[0] = openness > 0.0
    if samples > 1:
        chance = 1.0 / (1.0 + np.exp(-openness.astype(np.float64)))
        sets[1:] = np.random.default_rng(seed).random((samples - 1, openness.size)) < chance
    n = lists.instance.sizes.shape[0]
    places, most = np.minimum(lists.capacity, n), problem.max_open
    sets &= places > 0
    for row in sets:
        row[order[0]] |= not row.any()
        if row.sum() > most:
            row[order[row[order]][most:]] = False
        for k in order[~row[order]] if places @ row < n else ():
            if places @ row >= n or row.sum() >= most:
                break
            row[k] = True
    return sets


def _decode(run: Run, decoder: Decoder, sets: BoolArray, priced: Floats32) -> tuple[IntArray | None, float]:
    """Return the best of the associations that sets lead to, and its cost: infinite where none is feasible."""
    best, least = None, np.inf
    for first in range(0, sets.shape[0], TOGETHER):
        cost, slots = decoder.decode(sets[first : first + TOGETHER], priced)
        run.iterations += cost.size
        at = int(cost.argmin())
        if best is None or cost[at] < least:
            best, least = decoder.association(slots[at]), float(cost[at])
        if run.should_stop():
            break
    return best, least


def _repair(run: Run, problem: Placement, decoder: Decoder, association: IntArray | None) -> None:
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
    search = decoder.search
    if run.solution is None:
        run.check()
        search.start(association)
        search.oscillate()
        begun = search.iterations
        while not np.isfinite(search.best_cost) and search.iterations - begun < REPAIRS:
            run.check()
            search.advance(search.slice_iterations)
        if np.isfinite(search.best_cost):
            run.offer(search.best())
    if run.solution is None and not run.check_feasibility():
        run.check()
        last = greedy.solve(problem, time_limit=run.seconds_left, seed=run.seed)
        if last.solution is not None:
            run.offer(last.solution)
