"""Beginning from a solution that the user has."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

import dtopt
from dtopt.errors import InputError
from dtopt.registry import load_solver, solver_info, solver_names
from dtopt.solution import Solution
from dtopt.testing.tiny import tiny_problem

TAKE_ONE = [name for name in solver_names() if "start" in inspect.signature(load_solver(name)).parameters]


def test_the_search_methods_take_one():
    assert {"auto", "exact", "local-search"} <= set(TAKE_ONE)


@pytest.mark.parametrize("kind", ["placement", "migration"])
@pytest.mark.parametrize("name", TAKE_ONE)
def test_the_answer_is_never_worse_than_the_start(name, kind):
    if kind not in solver_info(name).problems:
        return
    for seed in range(4):
        problem = tiny_problem(seed, kind=kind, users=7)
        best = dtopt.solve(problem, "exact")
        if best.solution is None:
            continue
        result = dtopt.solve(problem, name, start=best.solution, stop=dtopt.MaxIterations(1))
        assert result.trace[0].objective == pytest.approx(best.objective)
        assert result.objective == pytest.approx(best.objective)


@pytest.mark.parametrize("name", TAKE_ONE)
def test_a_start_that_breaks_a_constraint_is_wrong_input(name):
    problem = tiny_problem(3, users=6, stations=3, capacities=True)
    capacity = problem.network.stations.capacity
    full = int(capacity.argmin())
    assert capacity[full] < 6
    with pytest.raises(InputError, match=r"start.*not feasible"):
        dtopt.solve(problem, name, start=Solution(np.full(6, full)))
