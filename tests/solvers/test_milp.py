"""`milp` against brute force, and its limits."""

from __future__ import annotations

import itertools
import os
import signal
import threading
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from dtopt.errors import InputError, UnsupportedProblemError
from dtopt.evaluation import evaluate
from dtopt.problem import Placement
from dtopt.result import Status
from dtopt.stop import GapReached, MaxRuntime
from dtopt.testing.oracle import brute_force
from dtopt.testing.tiny import OBJECTIVES, SHARINGS, tiny_problem
from solvers.milp import solve
from solvers.milp.common import price
from tests.samples import VARIANTS, against_brute_force, sample


@pytest.mark.slow
@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("sharing", SHARINGS)
def test_placements_equal_brute_force(sharing, objective):
    seen = Counter(
        kind
        for problem in sample("placement", sharing, objective, 1000, 216)
        for kind in against_brute_force(solve, problem)
    )
    assert seen["feasible"] >= 100, seen
    assert seen["infeasible"] >= 5, seen
    assert seen["changed, hard"] >= 3, seen
    assert seen["changed, soft"] >= 10, seen


@pytest.mark.slow
@pytest.mark.parametrize("sharing", SHARINGS)
def test_migrations_equal_brute_force(sharing):
    seen = Counter(
        kind
        for problem in sample("migration", sharing, "latency", 2000, 120)
        for kind in against_brute_force(solve, problem)
    )
    assert seen["feasible"] >= 50, seen
    assert seen["infeasible"] >= 5, seen
    assert seen["changed, hard"] >= 2, seen
    assert seen["changed, soft"] >= 4, seen


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["placement", "migration"])
@pytest.mark.parametrize("sharing", ["equal", "fixed"])
def test_cbc_equals_brute_force(sharing, kind):
    for seed in range(12):
        (deadlines, mode), capacities, limited = VARIANTS[seed]
        options = {"deadlines": deadlines, "mode": mode, "capacities": capacities, "limited_servers": limited}
        problem = tiny_problem(300 + seed, kind=kind, sharing=sharing, users=5, stations=3, **options)
        best = brute_force(problem)[0]
        result = solve(problem, engine="cbc")
        if best is None:
            assert result.status is Status.INFEASIBLE
        else:
            assert result.status is Status.OPTIMAL
            assert result.objective == pytest.approx(best, rel=1e-6)
            assert result.details["engine"] == "cbc"


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["highs", "cbc"])
def test_the_time_limit_keeps_the_incumbent(engine):
    problem = tiny_problem(1, users=40, stations=6, sharing="equal")
    result = solve(problem, time_limit=2.5, engine=engine)
    assert result.status is Status.TIME_LIMIT
    assert result.message
    assert result.feasible
    assert result.bound is None or result.bound <= result.objective


def test_building_stops_at_the_time_limit_too():
    problem = tiny_problem(1, users=300, stations=20, sharing="equal")
    result = solve(problem, time_limit=0.5)
    assert result.status is Status.TIME_LIMIT
    assert result.solution is None
    assert result.iterations == 0


def test_no_time_at_all():
    for kind, sharing in itertools.product(("placement", "migration"), SHARINGS):
        result = solve(tiny_problem(3, kind=kind, sharing=sharing, users=5, stations=3), stop=MaxRuntime(0.0))
        assert result.status in {Status.TIME_LIMIT, Status.INFEASIBLE}


def test_too_large_a_model_is_refused_in_one_line():
    for kind, users in (("placement", 600), ("migration", 400)):
        problem = tiny_problem(1, kind=kind, users=users, stations=20, sharing="equal")
        with pytest.raises(UnsupportedProblemError, match=rf"small problems.*{users} users") as caught:
            solve(problem)
        assert "\n" not in str(caught.value)


def test_engines_are_checked():
    problem = tiny_problem(1)
    with pytest.raises(InputError, match="engine: unknown value 'glpk'"):
        solve(problem, engine="glpk")
    with pytest.raises(UnsupportedProblemError, match="not optimal"):
        solve(problem, engine="cbc")


def test_a_target_gap_is_enough():
    problem = tiny_problem(1, users=14, stations=4, sharing="equal")
    result = solve(problem, stop=GapReached(0.2), time_limit=60)
    assert result.gap <= 0.2
    assert result.status in {Status.FEASIBLE, Status.OPTIMAL}
    optimum = solve(problem, time_limit=60)
    assert optimum.status is Status.OPTIMAL
    assert result.bound <= optimum.objective * (1 + 1e-9)


def test_nothing_is_printed(capfd):
    solve(tiny_problem(4, users=5, stations=3))
    solve(tiny_problem(4, users=5, stations=3, sharing="equal"), engine="cbc")
    assert capfd.readouterr() == ("", "")


@pytest.mark.slow
def test_every_incumbent_is_reported_as_it_is_found():
    problem = tiny_problem(2, users=14, stations=4, sharing="equal")
    seen = []
    result = solve(problem, on_incumbent=lambda step, solution: seen.append((step, solution)), time_limit=60)
    assert [step for step, _ in seen] == list(result.trace)
    for step, solution in seen:
        assert evaluate(problem, solution).objective == step.objective


def test_an_error_in_the_callback_comes_through():
    def fail(step, solution):
        raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError, match="mine"):
        solve(tiny_problem(4, users=5, stations=3), on_incumbent=fail)


def test_ctrl_c_keeps_the_incumbent():
    def interrupt(step, solution):
        raise KeyboardInterrupt

    result = solve(tiny_problem(2, users=14, stations=4, sharing="equal"), on_incumbent=interrupt)
    assert result.status is Status.INTERRUPTED
    assert result.feasible


@pytest.mark.slow
def test_a_signal_during_the_search_keeps_the_incumbent():
    """SIGINT as the terminal sends it, while HiGHS is at work."""
    timer = threading.Timer(3.0, lambda: os.kill(os.getpid(), signal.SIGINT))
    timer.start()
    result = solve(tiny_problem(1, users=40, stations=6, sharing="equal"), time_limit=120)
    assert result.status is Status.INTERRUPTED
    assert result.feasible
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize("kind", ["placement", "migration"])
@pytest.mark.parametrize("sharing", SHARINGS)
def test_the_same_seed_gives_the_same_trace(kind, sharing):
    problem = tiny_problem(8, kind=kind, users=6, stations=3, sharing=sharing, capacities=True)
    first, second = (solve(problem, seed=7) for _ in range(2))
    assert [step.objective for step in first.trace] == [step.objective for step in second.trace]
    assert (first.solution.association == second.solution.association).all()
    assert first.bound == second.bound


def test_twins_without_work():
    """No updates to compute under P2: all loads are 0, and only transfer counts."""
    problem = tiny_problem(5, kind="migration", users=5, stations=3)
    users = replace(problem.network.users, update_bits=np.zeros(5))
    for sharing in ("optimal", "equal"):
        idle = replace(problem, network=replace(problem.network, users=users), interaction="update", sharing=sharing)
        result = solve(idle)
        assert result.status is Status.OPTIMAL
        assert result.objective == pytest.approx(brute_force(idle)[0], rel=1e-6)


def test_pair_latencies_make_generalized_assignment():
    rng = np.random.default_rng(3)
    for seed in range(5):
        base = tiny_problem(seed, users=6, stations=3, sharing="fixed")
        latency = rng.uniform(0.1, 1.0, (6, 3))
        latency[rng.random((6, 3)) < 0.15] = np.inf
        problem = Placement(
            replace(base.network, channel=None),
            sharing="fixed",
            demand_hz=0.5 * base.demand_hz,
            objective="latency",
            pair_latency_s=latency,
        )
        best = brute_force(problem)[0]
        result = solve(problem)
        if best is None:
            assert result.status is Status.INFEASIBLE
        else:
            assert result.objective == pytest.approx(best, rel=1e-6)


def test_the_price_is_where_the_cpu_is_used_up():
    rng = np.random.default_rng(0)
    clamped = 0
    for _ in range(400):
        n = int(rng.integers(1, 8))
        s, part = rng.uniform(0.1, 1.0, n), rng.uniform(0.1, 1.0, n)
        floor = rng.dirichlet(np.ones(n)) * rng.uniform(0.0, 0.95)
        r = price(s, floor, 1.0, part)
        assert (part * np.maximum(floor, s / r)).sum() == pytest.approx(1.0, rel=1e-12)
        clamped += bool((floor > s / r).any())
    assert clamped >= 50
