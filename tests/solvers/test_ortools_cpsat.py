"""`ortools-cpsat` against brute force, and its limits."""

from __future__ import annotations

import math
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
from dtopt.run import Run
from dtopt.solution import Solution
from dtopt.stop import GapReached, MaxRuntime, NoImprovement
from dtopt.testing.oracle import brute_force
from dtopt.testing.tiny import OBJECTIVES, SHARINGS, tiny_problem
from solvers.ortools_cpsat import MIGRATION, PLACEMENT, solve
from solvers.ortools_cpsat.counts import CountDual
from solvers.ortools_cpsat.model import slope
from tests.samples import against_brute_force, sample

KINDS = ("placement", "migration")


@pytest.mark.slow
@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("sharing", SHARINGS)
def test_placements_equal_brute_force(sharing, objective):
    problems = sample("placement", sharing, objective, 7000, 9)
    seen = Counter(kind for problem in problems for kind in against_brute_force(solve, problem))
    assert seen["feasible"] >= 4, seen


@pytest.mark.slow
@pytest.mark.parametrize("sharing", SHARINGS)
def test_migrations_equal_brute_force(sharing):
    problems = sample("migration", sharing, "latency", 7000, 9)
    seen = Counter(kind for problem in problems for kind in against_brute_force(solve, problem))
    assert seen["feasible"] >= 4, seen


def model_of(problem, run):
    kinds = PLACEMENT if problem.kind == "placement" else MIGRATION
    model = kinds[problem.sharing](problem, run)
    model.build()
    return model


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("sharing", SHARINGS)
def test_every_association_costs_no_more_in_the_model(kind, sharing):
    """The rounding makes a relaxation: feasible associations satisfy all rows, at most at their true cost."""
    rng = np.random.default_rng(0)
    checked = 0
    for number, problem in enumerate(sample(kind, sharing, "system-cost", 8000, 18)):
        model = model_of(problem, Run(problem, "test"))
        index = model.cp.proto.objective
        for _ in range(6):
            association = rng.integers(0, problem.n_stations, problem.n_users)
            judged = evaluate(problem, Solution(association))
            if not judged.feasible:
                continue
            values = {variable.index: int(value) for variable, value in model.values(association)}
            assert len(values) == len(model.cp.proto.variables), number
            assert all(holds(row, values) for row in model.cp.proto.constraints), number
            cost = sum(c * values[x] for x, c in zip(index.vars, index.coeffs, strict=True))
            value = model.objective(cost)
            slack = 1e-9 * abs(judged.objective)
            if problem.maximise:
                assert value >= judged.objective - slack, number
            else:
                assert value <= judged.objective + slack, number
            checked += 1
    assert checked >= 10


def literal(index, values):
    return values[index] if index >= 0 else 1 - values[-index - 1]


def within(value, domain):
    return any(low <= value <= high for low, high in zip(domain[::2], domain[1::2], strict=True))


def holds(row, values):
    """Whether values satisfy a constraint of a model."""
    if not all(literal(x, values) for x in row.enforcement_literal):
        return True
    kinds = {
        "exactly_one": lambda c: sum(literal(x, values) for x in c.literals) == 1,
        "at_most_one": lambda c: sum(literal(x, values) for x in c.literals) <= 1,
        "bool_or": lambda c: any(literal(x, values) for x in c.literals),
        "bool_and": lambda c: all(literal(x, values) for x in c.literals),
        "linear": lambda c: within(sum(a * values[x] for x, a in zip(c.vars, c.coeffs, strict=True)), list(c.domain)),
    }
    for kind, check in kinds.items():
        if getattr(row, f"has_{kind}")():
            return check(getattr(row, kind))
    raise AssertionError(f"unknown constraint {row}")


def test_slopes_are_rounded_down():
    for value in (0.0, 1e-9, 0.3, 1.0, 12.7, 4e9):
        p, q = slope(value)
        assert p <= value * q
        assert p == 0 or p / q >= value * (1 - 1e-3)


def test_prices_leave_out_no_better_solution():
    """What `CountDual` drops is in no solution that is as good as the target, which is well above the optimum."""
    dropped = 0
    for seed in range(40):
        problem = tiny_problem(seed, sharing="equal", capacities=True, limited_servers=seed % 2 == 0)
        best, choice = brute_force(problem)
        if best is None:
            continue
        association = np.array(choice)
        run = Run(problem, "test")
        model = PLACEMENT["equal"](problem, run)
        costs = np.full((problem.n_stations, max(model.room), problem.n_users), np.inf)
        for k, room in enumerate(model.room):
            for n in range(1, room + 1):
                able = model.allowed[:, k]
                costs[k, n - 1, able] = model._cost(k, n)[able]
        target = best - problem.constant_cost
        dual = CountDual(costs, problem.opening_cost, problem.max_open, target, lambda: False)
        dual.search(association)
        counts = np.bincount(association, minlength=problem.n_stations)
        assert dual.bound <= target * (1 + 1e-9)
        assert dual.kept[association, counts[association] - 1, np.arange(association.size)].all()
        dropped += int(np.isfinite(costs).sum() - dual.kept.sum())
    assert dropped > 100


def test_pair_latencies_make_generalized_assignment():
    """Whole costs are not scaled, and the bound is exact."""
    rng = np.random.default_rng(3)
    for seed in range(5):
        base = tiny_problem(seed, users=6, stations=3, sharing="fixed")
        problem = Placement(
            replace(base.network, channel=None),
            sharing="fixed",
            demand_hz=0.5 * base.demand_hz,
            latency_weight=6.0,
            cost_weight=0.0,
            pair_latency_s=rng.integers(5, 50, (6, 3)).astype(float),
        )
        best = brute_force(problem)[0]
        result = solve(problem)
        assert result.status is (Status.INFEASIBLE if best is None else Status.OPTIMAL)
        assert result.objective == best
        assert best is None or result.bound == best


def test_twins_without_work():
    problem = tiny_problem(5, kind="migration", users=5, stations=3)
    users = replace(problem.network.users, update_bits=np.zeros(5))
    for sharing in ("optimal", "equal"):
        idle = replace(problem, network=replace(problem.network, users=users), interaction="update", sharing=sharing)
        result = solve(idle)
        assert result.status is Status.OPTIMAL
        assert result.objective == pytest.approx(brute_force(idle)[0], rel=1e-6)


# --- limits -----------------------------------------------------------------------------------------------------------


def hard_problem():
    """Generalized assignment of type D: cheap servers are the ones on which a twin takes much CPU."""
    rng = np.random.default_rng(0)
    base = tiny_problem(1, users=50, stations=5, sharing="fixed")
    part = rng.integers(1, 101, (50, 5))
    cost = 111 - part + rng.integers(-10, 11, (50, 5))
    stations = replace(base.network.stations, cpu_hz=0.8 * part.sum(axis=0) / 5)
    return Placement(
        replace(base.network, stations=stations, channel=None),
        sharing="fixed",
        demand_hz=part.astype(float),
        latency_weight=50.0,
        cost_weight=0.0,
        pair_latency_s=cost.astype(float),
    )


def test_the_time_limit_keeps_the_incumbent_and_a_bound():
    result = solve(hard_problem(), time_limit=1.5)
    assert result.status is Status.TIME_LIMIT
    assert result.wall_s < 4.0
    assert result.feasible
    assert result.bound is not None
    assert result.bound <= result.objective


def test_any_criterion_stops_it():
    result = solve(hard_problem(), stop=NoImprovement(seconds=0.5), time_limit=60)
    assert result.wall_s < 30
    assert result.feasible


def test_a_target_gap_is_enough():
    result = solve(hard_problem(), stop=GapReached(0.2), time_limit=60)
    assert result.gap <= 0.2
    assert result.wall_s < 30


def test_no_time_at_all():
    for kind in KINDS:
        result = solve(tiny_problem(3, kind=kind, users=5, stations=3), stop=MaxRuntime(0.0))
        assert result.status in {Status.TIME_LIMIT, Status.INFEASIBLE}


def test_ctrl_c_keeps_the_incumbent():
    def interrupt(step, solution):
        raise KeyboardInterrupt

    result = solve(hard_problem(), on_incumbent=interrupt)
    assert result.status is Status.INTERRUPTED
    assert result.feasible


@pytest.mark.parametrize("after_s", [0.3, 2.0])
def test_a_signal_keeps_the_incumbent(after_s):
    """SIGINT as the terminal sends it, during the start and while CP-SAT is at work."""
    timer = threading.Timer(after_s, lambda: os.kill(os.getpid(), signal.SIGINT))
    timer.start()
    result = solve(hard_problem(), time_limit=60)
    assert result.status is Status.INTERRUPTED
    assert result.wall_s < 10
    assert result.feasible
    assert not any(thread.name == "cp-sat" for thread in threading.enumerate())


def test_an_error_in_the_callback_comes_through():
    def fail(step, solution):
        raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError, match="mine"):
        solve(tiny_problem(4, users=5, stations=3), on_incumbent=fail)
    assert not any(thread.name == "cp-sat" for thread in threading.enumerate())


def test_a_deterministic_limit_gives_the_same_answer():
    first, second = (solve(hard_problem(), seed=3, deterministic_limit=0.05) for _ in range(2))
    assert [step.objective for step in first.trace] == [step.objective for step in second.trace]
    assert first.bound == second.bound
    assert first.details["deterministic_s"] == second.details["deterministic_s"]
    assert math.isfinite(first.gap)


def test_options_are_checked():
    problem = tiny_problem(1)
    with pytest.raises(InputError, match="workers: must be >= 1"):
        solve(problem, workers=0)
    with pytest.raises(InputError, match="deterministic_limit"):
        solve(problem, deterministic_limit=-1.0)
    assert solve(problem, workers=2).status is Status.OPTIMAL


def test_too_large_a_model_is_refused_in_one_line():
    with pytest.raises(UnsupportedProblemError, match="60000 users") as caught:
        solve(tiny_problem(1, users=60_000, stations=20))
    assert "\n" not in str(caught.value)


def test_nothing_is_printed(capfd):
    solve(tiny_problem(4, users=5, stations=3))
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("sharing", SHARINGS)
def test_it_needs_no_start(sharing):
    problem = tiny_problem(3, sharing=sharing, users=6, stations=3)
    alone, started = solve(problem, flow_start=False), solve(problem)
    assert alone.status is started.status
    assert alone.objective == pytest.approx(started.objective, rel=1e-6)
