"""Small conflicts against brute force: the users named cannot be served, and any fewer of them can."""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

import solvers.conflicts
from dtopt.conflicts import KINDS, Limits
from dtopt.feasibility import obvious_conflict
from dtopt.result import Status
from dtopt.testing.tiny import SHARINGS
from solvers import milp
from solvers.conflicts import check, small_conflict
from tests.dtopt.test_conflicts import crowded, servable, table

SAMPLE = tuple(itertools.product(("placement", "migration"), SHARINGS))


@pytest.mark.parametrize(("kind", "sharing"), SAMPLE)
def test_conflicts_by_brute_force(kind, sharing):
    seen = Counter()
    for seed in range(64):
        problem = crowded(1000 + seed, kind, sharing)
        conflict = small_conflict(problem, 30.0)
        if servable(problem):
            assert conflict is None
            seen["feasible"] += 1
            continue
        assert conflict is not None
        assert not servable(problem, conflict.users)
        assert conflict.irreducible
        for user in conflict.users:
            assert servable(problem, [other for other in conflict.users if other != user])
        for user in conflict.users:
            assert problem.network.users.name(user).removeprefix("user ") in str(conflict)
        seen["infeasible"] += 1
        seen.update(conflict.constraints)
    # More than 200 in all.
    assert seen["infeasible"] >= 31, seen
    assert seen["feasible"] >= 5, seen
    assert seen["deadline"] >= (10 if sharing != "fixed" else 1), seen
    assert seen["cpu"] >= 5, seen
    assert seen["capacity"] >= 1, seen
    assert kind == "migration" or seen["max-servers"] >= 1, seen


def relaxed(problem, kind):
    """The problem without one kind of constraint, where that is itself a problem."""
    network, stations = problem.network, problem.network.stations
    if kind == "capacity":
        return replace(problem, network=replace(network, stations=replace(stations, capacity=problem.n_users)))
    if kind == "deadline":
        return replace(problem, deadline="soft")
    if kind == "max-servers":
        return replace(problem, max_servers=None)
    return replace(problem, network=replace(network, stations=replace(stations, cpu_hz=stations.cpu_hz * 1e9)))


@pytest.mark.parametrize(("kind", "sharing"), SAMPLE)
def test_every_kind_named_is_needed_and_no_other(kind, sharing):
    for seed in range(30):
        problem = crowded(2000 + seed, kind, sharing)
        conflict = small_conflict(problem, 30.0)
        if conflict is None:
            continue
        for constraint in KINDS:
            if constraint not in conflict.constraints and (constraint, kind) != ("max-servers", "migration"):
                problem = relaxed(problem, constraint)
        assert not servable(problem, conflict.users)
        for constraint in conflict.constraints:
            assert servable(relaxed(problem, constraint), conflict.users)


@pytest.mark.parametrize(("kind", "sharing"), SAMPLE)
def test_without_time_the_set_is_larger_but_proven(kind, sharing):
    for seed in range(20):
        problem = crowded(3000 + seed, kind, sharing)
        feasible = servable(problem)
        conflict = small_conflict(problem, 0.0)
        if conflict is not None:
            assert not servable(problem, conflict.users)
            assert not conflict.irreducible
        if not feasible:
            known = small_conflict(problem, 0.0, proven=True)
            assert not servable(problem, known.users)


@pytest.mark.parametrize(("kind", "sharing"), SAMPLE)
def test_the_milp_decides_as_brute_force_does(kind, sharing):
    for seed in range(20):
        problem = crowded(4000 + seed, kind, sharing)
        answer, association = solvers.conflicts._solve(Limits.of(problem), 30.0)
        assert answer == ("feasible" if servable(problem) else "infeasible")
        assert association.size == (problem.n_users if answer == "feasible" else 0)


def test_a_small_set_is_found_among_many_users():
    latency = np.ones((40, 6))
    latency[[3, 8, 11]] = [1, 9, 1, 9, 9, 9]
    problem = table(latency, 5.0, capacity=[1, 9, 1, 9, 9, 20], demand=0.1)
    assert str(small_conflict(problem, 10.0)) == (
        "users 3, 8 and 11 cannot be served together: hard deadlines leave them stations 0 and 2 only, "
        "which have 2 places (capacity)"
    )


def test_a_knapsack_conflict_takes_a_search():
    # Users 0 to 4 share servers 0 and 1 of 10 each: 7 + 3 and 4 + 4 + 2 fit, but no division of the others does.
    latency = np.ones((12, 3))
    latency[:5, 2] = 9.0
    problem = table(latency, 5.0, demand=[7, 4, 4, 3, 2, *[1] * 7])
    assert small_conflict(problem, 10.0) is None
    worse = replace(problem, demand_hz=[7, 4, 4, 2.4, 2.1, *[1] * 7])
    assert obvious_conflict(worse) is None
    assert str(small_conflict(worse, 10.0)) == (
        "users 0, 1, 2, 3 and 4 cannot be served together: hard deadlines leave them stations 0 and 1 only, "
        "and no division of them among these fits (cpu)"
    )


def test_milp_names_the_conflict():
    # Users 0 to 4 are the knapsack of above.
    latency = np.ones((7, 3))
    latency[:5, 2] = 9.0
    problem = table(latency, 5.0, demand=[7, 4, 4, 2.4, 2.1, 1, 1])
    assert obvious_conflict(problem) is None
    result = milp.solve(problem)
    assert result.status is Status.INFEASIBLE
    assert result.message == str(small_conflict(problem, 10.0))
    assert result.message.startswith("users 0, 1, 2, 3 and 4 cannot be served together: hard deadlines leave them")


def test_milp_says_so_too_where_no_conflict_is_found(monkeypatch):
    problem = table(np.ones((5, 2)), demand=[7, 4, 4, 2.4, 2.1])
    monkeypatch.setattr(solvers.conflicts, "MOST_PAIRS", 1)
    assert milp.solve(problem).message == "no association meets all constraints together, proven by highs"


def test_no_conflict_is_named_where_matrices_are_too_large(monkeypatch):
    problem = table(np.ones((2, 1)), capacity=1)
    assert small_conflict(problem, 1.0) is not None
    monkeypatch.setattr(solvers.conflicts, "MOST_PAIRS", 1)
    assert small_conflict(problem, 1.0) is None


def test_the_check_is_cheap_where_counts_decide(monkeypatch):
    monkeypatch.delattr(solvers.conflicts, "_solve")
    limits = Limits.of(table(np.ones((3, 2)), capacity=[1, 2]))
    assert check(limits, 1.0)[0] == "feasible"
    assert check(Limits.of(table(np.ones((4, 2)), capacity=[1, 2])), 1.0)[0] == "infeasible"
