"""The proof beside a search: never above the optimum, closed by branching, ended with its block, its errors told."""

from __future__ import annotations

import threading
import time
from dataclasses import replace

import numpy as np
import pytest

import dtopt
from dtopt import wired_dual
from dtopt.evaluation import evaluate
from dtopt.testing.oracle import brute_force
from dtopt.testing.tiny import tiny_problem
from solvers.local_search.candidates import lists_of
from solvers.local_search.driver import Search
from solvers.local_search.guided import Known, solve_beside
from solvers.prover import TURN_S, Prover


def finished(prover, seconds=60.0):
    end = time.perf_counter() + seconds
    while not prover.finished and time.perf_counter() < end:
        time.sleep(0.001)
        prover.wait(1.0)  # where there is but one thread it has turns
    return prover.finished


@pytest.mark.parametrize("sharing", ["optimal", "equal"])
def test_bounds_hold_and_branching_closes_what_the_root_leaves(sharing):
    closed = 0
    for seed in range(100):
        problem = tiny_problem(seed, sharing=sharing)
        best, _ = brute_force(problem)
        if best is None:
            continue
        cost = best - problem.constant_cost
        root = wired_dual.wired_bound(problem, quick=True).value
        prover = Prover(problem, quick=True)
        prover.cutoff = cost * (1 + 1e-6)
        with prover:
            assert finished(prover)
        assert root - 1e-9 * abs(root) <= prover.bound <= cost * (1 + 1e-6)
        closed += prover.bound > root + 1e-4 * abs(cost)
        assert prover.news() is None or prover.nodes >= 1
    assert closed >= 3


def test_it_ends_with_its_block():
    problem = dtopt.generate("large", seed=1, users=20_000, stations=200)
    _ = problem.network.access_station
    began = time.perf_counter()
    with Prover(problem) as prover:
        time.sleep(0.05)
    assert prover.finished
    assert time.perf_counter() - began < 5.0  # whole, the root alone takes seconds more
    assert not any(thread.name == "prover" for thread in threading.enumerate())


def test_what_ends_the_proof_is_told(monkeypatch):
    def no_room(*_args, **_options):
        raise MemoryError("no room")

    monkeypatch.setattr(wired_dual, "wired_bound", no_room)
    with Prover(tiny_problem(1)) as prover:
        assert finished(prover)
        with pytest.raises(MemoryError):
            prover.news()
    assert prover.bound == -np.inf


def test_with_one_thread_search_and_proof_take_turns(monkeypatch):
    monkeypatch.setenv("DTOPT_NUM_THREADS", "1")
    prover = Prover(dtopt.generate("large", seed=1, users=3000, stations=80))
    with prover:
        time.sleep(0.3)
        assert prover.bound == -np.inf  # the search has not yet let it begin
        assert not prover.finished
        began = time.perf_counter()
        while prover.nodes < 5 and time.perf_counter() - began < 60.0:
            time.sleep(TURN_S)
            prover.wait(10.0)
        nodes = prover.nodes
        time.sleep(0.3)
        assert 5 <= prover.nodes <= nodes + 1  # and waits while the search has its turn
    assert prover.finished


def test_the_bound_of_pairs_that_are_not_wired_comes_too():
    problem = next(p for p in (tiny_problem(s, sharing="fixed") for s in range(50)) if brute_force(p)[0] is not None)
    assert wired_dual.wired_bound(problem) is None
    best, _ = brute_force(problem)
    with Prover(problem) as prover:
        assert finished(prover)
    assert -np.inf < prover.bound + problem.constant_cost <= best * (1 + 1e-9)


def test_prices_lead_the_search_and_wide_iterations_only_gain():
    """From the servers of the bound and by wide iterations the search ends below where it does alone."""
    problem = dtopt.generate("large", seed=5, users=2500, stations=50)
    wired = wired_dual.wired_bound(problem)
    limit = dtopt.stop.MaxIterations(60)
    seen = []
    guided = solve_beside(
        problem,
        guide=Known(wired.server_value),
        seed=1,
        stop=limit,
        on_incumbent=lambda step, _: seen.append(step.objective),
    )
    alone = solve_beside(
        problem, guide=Known(np.zeros(50)), seed=1, stop=dtopt.stop.MaxIterations(1), on_incumbent=lambda *_: None
    )
    assert seen == sorted(seen, reverse=True)
    assert evaluate(problem, guided.solution).objective == pytest.approx(guided.objective)
    assert guided.objective < alone.objective


def test_a_wide_iteration_without_an_incumbent_leaves_gains_that_are_numbers():
    """What a stage may gain is measured by the start's cost then: infinity less infinity would end all descents."""
    problem = dtopt.generate("large", seed=1, users=3000, stations=80)
    search = Search(lists_of(replace(problem, max_servers=1)))
    search.start()
    assert np.isinf(search.best_cost)
    search.advance_widely()
    assert np.isfinite(search.core.gains).all()
