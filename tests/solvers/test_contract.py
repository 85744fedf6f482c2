"""What every registered solver must keep; they come from the registry, so a new one is tested the day it is added."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dtopt.evaluation import evaluate
from dtopt.registry import solve, solver_info, solver_names
from dtopt.result import Status
from dtopt.stop import MaxRuntime
from tests.oracle import brute_force
from tests.tiny import OBJECTIVES, SHARINGS, tiny_problem

problems = st.builds(
    tiny_problem,
    st.integers(0, 100_000),
    kind=st.sampled_from(["placement", "migration"]),
    sharing=st.sampled_from(SHARINGS),
    objective=st.sampled_from(OBJECTIVES),
    deadlines=st.booleans(),
    capacities=st.booleans(),
    limited_servers=st.booleans(),
    mode=st.sampled_from(["hard", "soft"]),
)


def check_by_hand(problem, solution, shares):
    """(18a) to (18e) or (21a) to (21c) from the data alone, beside what the evaluator says."""
    association, stations = solution.association, problem.network.stations
    assert association.shape == (problem.n_users,)
    assert np.isin(association, solution.open_servers).all()  # (18a), (18e), (21b)
    assert problem.server_allowed[solution.open_servers].all()
    counts = np.bincount(association, minlength=problem.n_stations)
    assert (counts <= stations.capacity).all()  # (18b), (21a)
    used = np.bincount(association, weights=shares, minlength=problem.n_stations)
    assert (used <= stations.cpu_hz * (1 + 1e-9)).all()  # (18c)
    if problem.kind == "placement":
        assert solution.open_servers.size <= problem.max_open
    if problem.deadline == "hard":
        users = np.arange(problem.n_users)
        with np.errstate(divide="ignore", invalid="ignore"):
            compute = np.where(problem.deadline_cycles > 0, problem.deadline_cycles / shares, 0.0)
        latency = problem.deadline_transfer_latency(users, association) + compute
        assert (latency <= problem.network.users.deadline_s * (1 + 1e-9)).all()  # (18d), (21c)


@pytest.mark.slow
@pytest.mark.parametrize("name", solver_names())
@given(problem=problems, seed=st.integers(0, 1000))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_answers_are_feasible_or_infeasibility_is_true(name, problem, seed):
    if problem.kind not in solver_info(name).problems:
        return
    result = solve(problem, name, seed=seed, time_limit=20)
    assert result.solver == name
    assert result.problem_hash == problem.content_hash
    assert result.wall_s >= 0
    assert {"dtopt", "python", "numpy"} <= set(result.versions)
    if result.solution is None:
        assert result.evaluation is None
        assert result.status in {Status.INFEASIBLE, Status.NOT_FOUND, Status.TIME_LIMIT}
        if result.status is Status.INFEASIBLE:
            assert result.message
            assert brute_force(problem)[0] is None
        return
    judged = evaluate(problem, result.solution)
    assert judged.feasible, judged.violations
    check_by_hand(problem, result.solution, result.evaluation.cpu_share_hz)
    assert result.objective == judged.objective
    assert result.trace[-1].objective == result.objective
    values = [step.objective for step in result.trace]
    assert values == sorted(values, reverse=not problem.maximise)
    times = [step.time_s for step in result.trace]
    assert times == sorted(times)
    if result.bound is not None:
        slack = 1e-9 * abs(result.objective)
        assert (
            result.bound >= result.objective - slack if problem.maximise else result.bound <= result.objective + slack
        )
    if result.status is Status.OPTIMAL:
        assert result.objective == pytest.approx(brute_force(problem)[0], rel=1e-6)


@pytest.mark.parametrize("name", solver_names())
@pytest.mark.parametrize("kind", ["placement", "migration"])
def test_the_same_seed_gives_the_same_answer(name, kind):
    if kind not in solver_info(name).problems:
        pytest.skip("does not take this kind")
    problem = tiny_problem(11, kind=kind, users=5, stations=3, capacities=True)
    first, second = (solve(problem, name, seed=5, time_limit=30) for _ in range(2))
    assert first.status == second.status
    assert first.objective == second.objective
    assert (first.solution.association == second.solution.association).all()


@pytest.mark.parametrize("name", solver_names())
def test_impossible_problems_are_said_to_be_infeasible(name):
    for sharing, seed in itertools.product(SHARINGS, range(3)):
        problem = tiny_problem(seed, sharing=sharing, users=4, stations=2)
        stations = problem.network.stations
        full = _with(problem, stations=replace(stations, capacity=np.array([1, 2])))
        result = solve(full, name, time_limit=10)
        assert result.status is Status.INFEASIBLE
        assert "room for only 3 twins" in result.message
        assert result.objective is None
        assert math.isinf(result.gap)


@pytest.mark.parametrize("name", solver_names())
def test_no_time_at_all_is_no_error(name):
    problem = tiny_problem(3, users=5, stations=3)
    result = solve(problem, name, stop=MaxRuntime(0.0))
    assert result.status in set(Status) - {Status.INFEASIBLE}


@pytest.mark.parametrize("name", solver_names())
def test_incumbents_are_reported_as_they_come(name):
    problem = tiny_problem(3, users=5, stations=3)
    seen = []
    result = solve(problem, name, time_limit=30, on_incumbent=lambda step, solution: seen.append((step, solution)))
    assert [step for step, _ in seen] == list(result.trace)
    assert (seen[-1][1].association == result.solution.association).all()


@pytest.mark.parametrize("name", solver_names())
def test_the_registry_describes_it(name):
    info = solver_info(name)
    assert info.summary.endswith(".")
    assert set(info.problems) <= {"placement", "migration"}
    assert info.package == "dtopt"


def _with(problem, **changes):
    return replace(problem, network=replace(problem.network, **changes))
