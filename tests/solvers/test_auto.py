"""`auto`: a bound with every answer, inner solvers within its limits, and no worse than they are."""

from __future__ import annotations

import math

import numpy as np
import pytest

import dtopt
from dtopt.registry import DEFAULT_SOLVER
from dtopt.result import Status
from dtopt.stop import GapReached, MaxIterations, MaxRuntime
from dtopt.testing.oracle import brute_force
from dtopt.testing.tiny import SHARINGS, tiny_problem
from solvers import auto, greedy, local_search


def test_it_is_the_default():
    assert DEFAULT_SOLVER == "auto"
    assert dtopt.solve(tiny_problem(1)).solver == "auto"


@pytest.mark.parametrize("kind", ["placement", "migration"])
@pytest.mark.parametrize("sharing", SHARINGS)
def test_small_problems_are_proven(kind, sharing):
    for seed in range(5):
        problem = tiny_problem(seed, kind=kind, sharing=sharing, capacities=True)
        best, _ = brute_force(problem)
        result = auto.solve(problem)
        if best is None:
            assert result.status is Status.INFEASIBLE
        else:
            assert result.status is Status.OPTIMAL
            assert result.objective == pytest.approx(best, rel=2e-6)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("preset", "options", "methods"),
    [
        ("paper", {"users": 1000, "stations": 30}, ["local-search", "exact"]),
        ("large", {"users": 3000, "stations": 100}, ["local-search"]),
        ("paper", {"kind": "migration", "users": 200, "stations": 10}, ["exact"]),
    ],
)
def test_larger_ones_get_a_bound_within_the_time(preset, options, methods):
    problem = dtopt.generate(preset, seed=1, **options)
    first = greedy.solve(problem)
    auto.solve(problem, time_limit=1)  # what is compiled only at this size, outside the time
    result = auto.solve(problem, start=first.solution, time_limit=6)
    assert result.details["methods"] == methods
    assert math.isfinite(result.gap)  # how small it is depends on the machine
    assert not result.evaluation.violations
    if problem.maximise:
        assert first.objective <= result.objective <= result.bound
    else:
        assert first.objective >= result.objective >= result.bound
    times = [step.time_s for step in result.trace]
    assert times == sorted(times)


@pytest.mark.slow
def test_without_a_clock_large_ones_come_to_the_same_answer_again(monkeypatch):
    monkeypatch.setattr(local_search, "PATIENCE", 500)
    monkeypatch.setattr(local_search, "PATIENCE_PER_SERVER", 0)
    monkeypatch.setattr(local_search, "ROUND_PATIENCE", 1)
    monkeypatch.setattr(local_search, "ROUND_PATIENCE_PER_SERVER", 0)
    problem = dtopt.generate("large", seed=4, users=3000, stations=70)
    first, again = (auto.solve(problem, stop=MaxIterations(200), seed=3) for _ in range(2))
    assert first.solution.association.tolist() == again.solution.association.tolist()
    assert first.bound == again.bound
    assert first.details["methods"][0] == "local-search"


def test_a_target_gap_and_a_limit_reach_the_solver_inside():
    problem = dtopt.generate("paper", seed=1)
    near = auto.solve(problem, stop=GapReached(0.05))
    assert near.gap <= 0.05
    none = auto.solve(problem, stop=MaxRuntime(0.0))
    assert none.solution is None
    assert none.status is Status.TIME_LIMIT


def test_ctrl_c_inside_another_solver_ends_the_whole(monkeypatch):
    from solvers import exact

    def interrupted(problem, **options):
        result = greedy.solve(problem)
        options["on_incumbent"](result.trace[-1], result.solution)
        run = dtopt.run.Run(problem, "exact")
        with run:
            raise KeyboardInterrupt
        return run.result()

    monkeypatch.setattr(exact, "solve", interrupted)
    result = auto.solve(tiny_problem(2, users=8))
    assert result.status is Status.INTERRUPTED
    assert result.solution is not None


def test_the_bound_of_a_sample_is_a_bound_of_all(monkeypatch):
    """Above a number of users the ascent starts from a sample's prices: as tight, and on the right side."""
    from dtopt import wired_dual

    problem = dtopt.generate("large", seed=2, users=2000, stations=60)
    whole = wired_dual.wired_bound(problem).value
    monkeypatch.setattr(wired_dual, "SAMPLED_USERS", 1000)
    sampled = wired_dual.wired_bound(problem).value
    assert sampled == pytest.approx(whole, rel=1e-3)
    stopped = wired_dual.wired_bound(problem, lambda: True).value
    assert math.isfinite(stopped)
    assert stopped <= max(whole, sampled) * (1 + 1e-6)
    best = auto.solve(problem, time_limit=3).objective - problem.constant_cost
    assert max(whole, sampled, stopped) <= best
    assert np.isfinite(best)
