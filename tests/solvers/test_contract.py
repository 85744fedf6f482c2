"""What every registered solver must keep; they come from the registry, so a new one is tested the day it is added."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dtopt.registry import solve, solver_info, solver_names
from dtopt.result import Status
from dtopt.testing import solver_checks
from dtopt.testing.answers import check_answer
from dtopt.testing.oracle import brute_force
from dtopt.testing.tiny import OBJECTIVES, SHARINGS, tiny_problem

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

#: What trains on the instance itself does so for a moment here; how well it learns is tested elsewhere.
QUICK = {"maddpg": {"iterations": 8}}


@pytest.mark.parametrize(
    "check",
    [
        pytest.param(check, id=f"{name}-{check.name}")
        for name in solver_names()
        for check in solver_checks(name, **QUICK.get(name, {}))
    ],
)
def test_it_keeps_what_plug_ins_must_keep(check):
    check()


@pytest.mark.slow
@pytest.mark.parametrize("name", solver_names())
@given(problem=problems, seed=st.integers(0, 1000))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_answers_are_feasible_or_infeasibility_is_true(name, problem, seed):
    if problem.kind not in solver_info(name).problems:
        return
    result = solve(problem, name, seed=seed, time_limit=20)
    assert result.solver == name
    check_answer(problem, result, brute_force(problem)[0])


@pytest.mark.parametrize("name", solver_names())
def test_impossible_problems_are_told_in_the_same_words(name):
    for sharing, seed in itertools.product(SHARINGS, range(3)):
        problem = tiny_problem(seed, sharing=sharing, users=4, stations=2)
        stations = replace(problem.network.stations, capacity=np.array([1, 2]))
        full = replace(problem, network=replace(problem.network, stations=stations))
        result = solve(full, name, time_limit=10)
        assert result.status is Status.INFEASIBLE
        assert "room for only 3 twins" in result.message
        assert result.objective is None
        assert math.isinf(result.gap)


@pytest.mark.parametrize("name", solver_names())
def test_the_registry_describes_it(name):
    info = solver_info(name)
    assert info.name == name
    assert info.package == "dtopt"
