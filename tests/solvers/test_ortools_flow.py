"""`ortools-flow` and `ortools-assignment` against brute force, linearised costs against the evaluator, and limits."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest

from dtopt.errors import UnsupportedProblemError
from dtopt.evaluation import evaluate
from dtopt.result import Status
from dtopt.solution import Solution
from dtopt.stop import MaxIterations, MaxRuntime
from dtopt.testing.oracle import brute_force
from dtopt.testing.tiny import OBJECTIVES, SHARINGS, tiny_problem
from solvers import greedy, ortools_assignment, ortools_flow
from solvers.ortools_flow.linear import Linearised
from solvers.ortools_flow.transport import exchange, transport
from tests.samples import sample

KINDS = ("placement", "migration")
BOTH = pytest.mark.parametrize("solve", [ortools_flow.solve, ortools_assignment.solve], ids=["flow", "assignment"])


@pytest.mark.slow
@BOTH
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("sharing", SHARINGS)
def test_answers_are_feasible_and_mostly_optimal(sharing, kind, solve):
    found = best_found = solvable = 0
    for objective in OBJECTIVES if kind == "placement" else ("latency",):
        for problem in sample(kind, sharing, objective, 9000, 9):
            best = brute_force(problem)[0]
            result = solve(problem)
            assert result.bound is None
            if best is None:
                assert result.solution is None
                continue
            solvable += 1
            if result.solution is None:
                continue
            found += 1
            assert evaluate(problem, Solution(result.solution.association)).objective == result.objective
            slack = 1e-9 * abs(best)
            assert result.objective <= best + slack if problem.maximise else result.objective >= best - slack
            best_found += abs(result.objective - best) <= 1e-6 * abs(best)
    assert found >= 0.95 * solvable
    assert best_found >= 0.8 * solvable


# --- the networks -----------------------------------------------------------------------------------------------------


def test_transport_is_optimal():
    rng = np.random.default_rng(0)
    tried = 0
    for _ in range(60):
        n, m = int(rng.integers(2, 6)), int(rng.integers(2, 4))
        cost = rng.uniform(-1, 1, (n, m))
        cost[rng.random((n, m)) < 0.2] = np.inf
        room = rng.integers(0, n + 1, m)
        for full in (False, True):
            if full:
                room = np.bincount(rng.integers(0, m, n), minlength=m)
            best = np.inf
            for x in itertools.product(range(m), repeat=n):
                count = np.bincount(x, minlength=m)
                if (count == room).all() if full else (count <= room).all():
                    best = min(best, cost[np.arange(n), x].sum())
            found = transport(cost, room, full=full)
            if not np.isfinite(best):
                assert found is None
                continue
            count = np.bincount(found, minlength=m)
            assert (count == room).all() if full else (count <= room).all()
            assert cost[np.arange(n), found].sum() == pytest.approx(best, abs=1e-7)
            tried += 1
    assert tried >= 40


def test_exchange_is_optimal():
    rng = np.random.default_rng(0)
    for _ in range(40):
        m = int(rng.integers(1, 5))
        cost = rng.uniform(-1, 1, (m, m))
        cost[rng.random((m, m)) < 0.3] = np.inf
        best = min(cost[np.arange(m), list(p)].sum() for p in itertools.permutations(range(m)))
        found = exchange(cost)
        if np.isfinite(best):
            assert cost[np.arange(m), found].sum() == pytest.approx(best, abs=1e-7)
        else:
            assert found is None


# --- linearised costs -------------------------------------------------------------------------------------------------


def minimised(problem, association):
    judged = evaluate(problem, Solution(association))
    return judged.objective if judged.feasible else None


@pytest.mark.parametrize("sharing", SHARINGS)
def test_marginal_costs_are_exact_under_p1(sharing):
    rng = np.random.default_rng(1)
    compared = 0
    for seed in range(30):
        problem = replace(tiny_problem(seed, sharing=sharing, users=5, stations=3), server_cost=0.0, max_servers=None)
        if sharing == "fixed":
            problem = replace(problem, demand_hz=0.3 * problem.demand_hz)
        association = rng.integers(0, 3, 5)
        before = minimised(problem, association)
        cost = Linearised(problem).marginal(association)
        for user, server in itertools.product(range(5), range(3)):
            moved = association.copy()
            moved[user] = server
            after = minimised(problem, moved)
            if before is None or after is None:
                continue
            gain = cost[user, server] - cost[user, association[user]]
            assert gain == pytest.approx(after - before, rel=1e-6, abs=1e-12)
            compared += 1
    assert compared > 200


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("mode", ["hard", "soft"])
@pytest.mark.parametrize("sharing", SHARINGS)
def test_exchanges_cost_what_the_evaluator_says(sharing, mode, kind):
    """Where no deadline clamps shares, what servers cost after an exchange adds up to the objective."""
    rng = np.random.default_rng(2)
    compared = 0
    for seed in range(40):
        options = {"kind": kind, "sharing": sharing, "deadlines": mode == "soft", "mode": mode}
        problem = tiny_problem(seed, users=6, stations=3, **options)
        if sharing == "fixed":
            problem = replace(problem, demand_hz=0.3 * problem.demand_hz)
        if kind == "placement":
            problem = replace(problem, server_cost=0.0)
        association = rng.permutation(np.arange(6) % 3)
        servers = np.arange(3)
        out = np.array([int(rng.choice(np.flatnonzero(association == k))) for k in servers])
        cost = Linearised(problem).after_exchange(association, servers, out)
        values = []
        for order in itertools.permutations(range(3)):
            moved = association.copy()
            moved[out] = servers[list(order)]
            judged, expected = minimised(problem, moved), cost[servers, list(order)].sum()
            if judged is not None and np.isfinite(expected):
                values.append((judged * (-1 if problem.maximise else 1), expected))
        for (judged, expected), (other, also) in itertools.pairwise(values):
            assert judged - other == pytest.approx(expected - also, rel=1e-6, abs=1e-9)
            compared += 1
    assert compared > 50


# --- limits -----------------------------------------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("sharing", SHARINGS)
def test_it_is_never_worse_than_greedy(kind, sharing, solve):
    problem = tiny_problem(2, kind=kind, sharing=sharing, users=25, stations=5, capacities=True)
    if sharing == "fixed":
        problem = replace(problem, demand_hz=0.4 * problem.demand_hz)
    first, result = greedy.solve(problem), solve(problem, time_limit=1.5)
    assert result.objective >= first.objective if problem.maximise else result.objective <= first.objective


@BOTH
def test_the_time_limit_keeps_the_incumbent(solve):
    problem = tiny_problem(1, users=400, stations=20, sharing="equal")
    result = solve(problem, time_limit=1.0)
    assert result.wall_s < 2.0
    assert result.feasible


@BOTH
def test_no_time_at_all(solve):
    result = solve(tiny_problem(3, users=5, stations=3), stop=MaxRuntime(0.0))
    assert result.solution is None
    assert result.status is Status.TIME_LIMIT


@BOTH
def test_ctrl_c_keeps_the_incumbent(solve):
    seen = []

    def interrupt(step, solution):
        seen.append(step)
        if len(seen) == 2:
            raise KeyboardInterrupt

    result = solve(tiny_problem(2, users=25, stations=5, capacities=True), on_incumbent=interrupt)
    assert result.status is Status.INTERRUPTED
    assert result.objective == seen[-1].objective


@BOTH
def test_iterations_give_the_same_answer(solve):
    problem = tiny_problem(1, users=30, stations=5)
    first, second = (solve(problem, seed=4, stop=MaxIterations(200)) for _ in range(2))
    assert [step.objective for step in first.trace] == [step.objective for step in second.trace]
    assert first.iterations == second.iterations == 200


@BOTH
def test_too_large_a_problem_is_refused_in_one_line(solve):
    with pytest.raises(UnsupportedProblemError, match="5,000,000 pairs"):
        solve(tiny_problem(1, users=60_000, stations=100))


def test_rounds_deal_out_all_users_where_each_server_takes_the_same_number():
    """With places for exactly all, and users who are alike, every round fills one place of each server."""
    problem = tiny_problem(4, users=12, stations=3, capacities=False)
    stations = replace(problem.network.stations, capacity=np.full(3, 4))
    problem = replace(problem, network=replace(problem.network, stations=stations), server_cost=0.0, max_servers=None)
    result = ortools_assignment.solve(problem, stop=MaxIterations(4))
    assert result.feasible
    assert np.bincount(result.solution.association, minlength=3).tolist() == [4, 4, 4]
