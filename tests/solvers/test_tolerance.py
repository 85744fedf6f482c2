"""One tolerance: solvers and bounds agree with the evaluator on what is feasible."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import dtopt
from dtopt.arrays import UNLIMITED
from dtopt.evaluation import evaluate
from dtopt.network import BaseStations, Network, Users
from dtopt.problem import Placement
from dtopt.registry import load_solver, solver_names
from dtopt.result import Status
from dtopt.solution import Solution
from dtopt.testing.tiny import tiny_problem
from dtopt.tolerances import TOLERANCE, relaxed, within

SOLVERS = [name for name in solver_names() if name != "maddpg"]
#: How far, relatively, a limit is exceeded; the tolerance is 1e-9.
ACCEPTED, REFUSED = (0.0, 6e-10, 9e-10), (1.1e-9, 1e-8)


def test_the_limits_of_the_evaluator():
    assert relaxed(1.0) == 1.0 + TOLERANCE
    assert relaxed(1.0) < within(1.0) < 1.0 + 2 * TOLERANCE


def with_deadlines(problem, deadline):
    users = replace(problem.network.users, deadline_s=deadline)
    return replace(problem, network=replace(problem.network, users=users))


def tight(kind, sharing, late):
    """A problem whose only associations miss all deadlines by a relative `late`: with one server there is one."""
    problem = tiny_problem(2, kind=kind, users=4, stations=1, sharing=sharing)
    if sharing == "fixed":
        problem = replace(problem, demand_hz=problem.demand_hz * 0.3)
    reached = evaluate(problem, Solution(np.zeros(4, dtype=int))).deadline_latency_s
    return with_deadlines(problem, reached / (1.0 + late))


def overfull(late):
    """Generalized assignment in which the cheap pairs exceed the capacity by a relative `late`."""
    cpu = 2e9
    network = Network(
        Users(np.ones(2), np.zeros(2), np.zeros(2), np.full(2, np.inf)),
        BaseStations([cpu, cpu], [UNLIMITED, UNLIMITED]),
        None,
    )
    weight = np.full((2, 2), cpu / 2 * (1.0 + late))
    cost = np.array([[1.0, 100.0], [1.0, 100.0]])
    return Placement(
        network, sharing="fixed", demand_hz=weight, latency_weight=2.0, cost_weight=0.0, pair_latency_s=cost
    )


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("sharing", ["optimal", "equal", "fixed"])
@pytest.mark.parametrize("kind", ["placement", "migration"])
def test_deadlines(kind, sharing, solver):
    if kind not in getattr(load_solver(solver), "problems", ("placement", "migration")):
        pytest.skip("takes the other problem")
    for late in ACCEPTED:
        problem = tight(kind, sharing, late)
        judged = evaluate(problem, Solution(np.zeros(4, dtype=int)))
        assert judged.feasible, late
        result = dtopt.solve(problem, solver, time_limit=0.5)
        assert result.objective == judged.objective, (late, result.status, result.message)
    # Under optimal sharing the tolerance on CPU adds to that on deadlines.
    for late in REFUSED[-1:] if sharing == "optimal" else REFUSED:
        problem = tight(kind, sharing, late)
        assert not evaluate(problem, Solution(np.zeros(4, dtype=int))).feasible, late
        result = dtopt.solve(problem, solver, time_limit=0.5)
        assert result.solution is None
        if solver in ("exact", "auto", "milp", "ortools-cpsat"):
            assert result.status is Status.INFEASIBLE, late


@pytest.mark.parametrize("sharing", ["optimal", "equal", "fixed"])
@pytest.mark.parametrize("kind", ["placement", "migration"])
def test_bounds(kind, sharing):
    for late in ACCEPTED:
        problem = tight(kind, sharing, late)
        best = evaluate(problem, Solution(np.zeros(4, dtype=int))).objective
        bound = dtopt.dual_bound(problem)
        assert np.isfinite(bound)
        assert bound >= best if problem.maximise else bound <= best


@pytest.mark.parametrize("solver", ["exact", "auto", "milp", "ortools-cpsat", "lns", "local-search"])
def test_capacities(solver):
    for late in ACCEPTED:
        assert dtopt.solve(overfull(late), solver, time_limit=2).objective == 2.0, late
    for late in REFUSED:
        result = dtopt.solve(overfull(late), solver, time_limit=2)
        assert result.objective == 101.0, late
        assert result.bound is None or result.bound <= 101.0
