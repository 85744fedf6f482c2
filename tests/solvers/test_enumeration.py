"""Enumeration of small problems against brute force, and what `exact` makes of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from dtopt.arrays import UNLIMITED
from dtopt.channel import GainMatrix
from dtopt.evaluation import evaluate
from dtopt.network import BaseStations, Network, Users
from dtopt.problem import Migration
from dtopt.result import Status
from dtopt.solution import Solution
from dtopt.testing.oracle import brute_force
from dtopt.testing.tiny import OBJECTIVES, SHARINGS, tiny_problem
from solvers import exact
from solvers.exact.enumeration import MOST_ASSOCIATIONS, best_partition, can_enumerate
from tests.samples import sample


def constant(problem):
    return problem.constant_cost if problem.kind == "placement" else -(1 - problem.beta) * problem.energy_j.sum()


@pytest.mark.parametrize("sharing", SHARINGS)
@pytest.mark.parametrize(("kind", "objective"), [("placement", o) for o in OBJECTIVES] + [("migration", "")])
def test_the_best_partition_is_that_of_brute_force(kind, objective, sharing):
    infeasible = 0
    for problem in sample(kind, sharing, objective or "latency", 900, 36):
        best = brute_force(problem)[0]
        cost, association = best_partition(problem, lambda: None)
        if best is None:
            infeasible += 1
            assert association is None
            assert cost == np.inf
            continue
        judged = evaluate(problem, Solution(association))
        assert judged.feasible
        assert judged.objective == pytest.approx(best, rel=1e-12)
        value = -cost if problem.maximise else cost
        assert value + constant(problem) == pytest.approx(best, rel=1e-12)
    assert infeasible


def test_at_most_one_server_is_open_where_only_one_may_be():
    problem = replace(tiny_problem(3, users=5, stations=3), max_servers=1)
    _, association = best_partition(problem, lambda: None)
    assert np.unique(association).size == 1
    assert evaluate(problem, Solution(association)).objective == pytest.approx(brute_force(problem)[0], rel=1e-12)


@pytest.mark.parametrize(("users", "stations", "small"), [(17, 2, True), (18, 2, False), (11, 3, True), (1, 50, True)])
def test_problems_with_few_associations_are_small(users, stations, small):
    problem = tiny_problem(1, kind="migration", users=users, stations=stations)
    assert (stations**users <= MOST_ASSOCIATIONS) == small
    assert can_enumerate(problem) == small


def without_wires(seed):
    """A P2 in which nothing but the load tells servers apart: its dual bound is far off, see docs/exact.md."""
    rng = np.random.default_rng(seed)
    users, stations = 6, 2
    network = Network(
        Users(rng.uniform(1e6, 8e6, users), rng.uniform(1e5, 2e6, users), 0.2, 5.0),
        BaseStations(rng.uniform(8e9, 24e9, stations), UNLIMITED),
        GainMatrix(10.0 ** rng.uniform(-12.5, -10.0, (users, stations))),
        cycles_per_bit=1000.0,
    )
    return Migration(network, previous=rng.integers(-1, stations, users), sharing=SHARINGS[seed % 2])


@pytest.mark.parametrize("seed", range(8))
def test_migrations_without_wires_are_proven(seed):
    problem = without_wires(seed)
    result = exact.solve(problem, time_limit=60)
    assert result.status is Status.OPTIMAL
    assert result.objective == pytest.approx(brute_force(problem)[0], rel=1e-12)
    assert result.bound == result.objective


def test_infeasible_ones_say_why():
    stations = BaseStations(np.full(2, 1e10), [1, 1], np.zeros((2, 2)))
    problem = tiny_problem(4, users=3, stations=2)
    problem = replace(problem, network=replace(problem.network, stations=stations))
    result = exact.solve(problem)
    assert result.status is Status.INFEASIBLE
    assert "room for only 2 twins" in result.message
