"""`exact` on P2 against brute force and against `milp`, and its limits."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from dtopt.arrays import UNLIMITED
from dtopt.bounds import dual_bound
from dtopt.channel import GainMatrix
from dtopt.evaluation import evaluate
from dtopt.network import BaseStations, Network, Users
from dtopt.problem import Migration
from dtopt.result import Status
from dtopt.run import Run
from dtopt.solution import Solution
from dtopt.stop import GapReached
from dtopt.testing.oracle import brute_force
from dtopt.testing.tiny import SHARINGS, tiny_problem
from dtopt.utility_dual import UtilityDual
from dtopt.utility_segments import ServerUtility
from solvers import exact, milp
from solvers.exact.enumeration import best_partition
from solvers.exact.migration import search_migration
from tests.samples import against_brute_force, sample
from tests.solvers.test_milp_exact import far_apart

WEIGHTS = (0.0, 1.0, 10.0)

pytestmark = pytest.mark.usefixtures("searched")


@pytest.mark.slow
@pytest.mark.parametrize("sharing", SHARINGS)
def test_migrations_equal_brute_force(sharing):
    seen = Counter()
    for seed, problem in enumerate(sample("migration", sharing, "latency", 7000, 36)):
        problem = replace(problem, migration_weight=WEIGHTS[(seed // 7) % 3])
        seen.update(against_brute_force(exact.solve, problem))
    assert seen["feasible"] >= 12, seen
    assert seen["infeasible"] >= 1, seen
    assert seen["changed, soft"] >= 1, seen


@pytest.mark.parametrize("sharing", SHARINGS)
def test_without_local_search_the_model_finds_the_optimum(sharing, monkeypatch):
    """Nothing but the MILP finds solutions and proves them, so that its refinement and what is ruled out are tested."""
    monkeypatch.setattr("solvers.exact.migration._Search.improve", lambda self, association, iterations, seed: None)
    iterations = 0
    for seed, problem in enumerate(sample("migration", sharing, "latency", 7500, 24)):
        best = brute_force(problem)[0]
        result = exact.solve(replace(problem), seed=seed)
        assert result.status is (Status.INFEASIBLE if best is None else Status.OPTIMAL)
        if best is not None:
            assert result.objective == pytest.approx(best, rel=1e-6)
            assert result.bound >= best - 1e-9 * abs(best)
        iterations += result.iterations
    assert iterations > 0


@pytest.mark.slow
@pytest.mark.parametrize("sharing", SHARINGS)
def test_larger_ones_equal_milp(sharing):
    for seed in range(2):
        problem = tiny_problem(seed, kind="migration", sharing=sharing, users=6, stations=3, capacities=True)
        if sharing == "fixed":
            problem = replace(problem, demand_hz=problem.demand_hz * 0.4)
        first, second = exact.solve(problem, time_limit=20), milp.solve(problem, time_limit=20)
        assert first.status is Status.OPTIMAL
        assert first.objective == pytest.approx(second.objective, rel=2e-6)
        assert first.bound >= second.objective - 1e-9


@pytest.mark.parametrize("mode", ["hard", "soft"])
def test_users_of_very_different_size(mode):
    problem = far_apart(mode)
    best = brute_force(problem)[0]
    result = exact.solve(problem)
    assert result.status is Status.OPTIMAL
    assert result.objective == pytest.approx(best, rel=1e-6)
    assert result.bound >= best * (1 - 1e-9)


def test_a_target_gap_ends_the_run():
    problem = tiny_problem(1, kind="migration", sharing="equal", users=30, stations=4)
    assert exact.solve(problem, stop=GapReached(0.05)).gap <= 0.05
    assert exact.solve(problem, time_limit=20).gap <= 1e-6


def test_a_time_limit_leaves_incumbent_and_bound():
    problem = tiny_problem(1, kind="migration", sharing="equal", users=60, stations=6)
    result = exact.solve(problem, time_limit=0.3)
    assert result.wall_s < 3.0
    if result.evaluation is not None:
        assert result.evaluation.feasible
        assert result.bound is None or result.bound >= result.objective


def test_deadlines_that_no_association_keeps_together_are_infeasible():
    """Every user has a server that keeps its deadline when alone there."""
    said = 0
    for seed in range(30):
        problem = tiny_problem(seed, kind="migration", users=3, stations=2)
        alone = problem.transfer_matrix + problem.load_cycles[:, None] / problem.network.stations.cpu_hz
        # A user has little more time than it takes alone on its better server, and there are more users than servers.
        users = replace(problem.network.users, deadline_s=1.05 * alone.min(axis=1))
        tight = replace(problem, network=replace(problem.network, users=users))
        if brute_force(tight)[0] is None:
            said += 1
            result = exact.solve(tight)
            assert result.status is Status.INFEASIBLE
            assert result.message
            assert np.isinf(result.gap)
    assert said >= 2


def without_wires(seed, users, stations, sharing):
    """A P2 whose users are indifferent between servers, but for the servers' CPUs."""
    rng = np.random.default_rng(seed)
    cpu = rng.uniform(8e9, 24e9, stations)
    network = Network(
        Users(rng.uniform(1e6, 8e6, users), rng.uniform(1e5, 2e6, users), 0.2, 5.0, rng.uniform(0, 1500, (users, 2))),
        BaseStations(cpu, UNLIMITED, rng.uniform(0, 1500, (stations, 2))),
        GainMatrix(10.0 ** rng.uniform(-12.5, -10, (users, stations))),
        cycles_per_bit=1000.0,
        backhaul_s_per_bit_m=0.0,
    )
    demand = rng.uniform(0.4, 1.2, (users, stations)) * cpu * stations / users if sharing == "fixed" else None
    return Migration(network, sharing=sharing, demand_hz=demand, previous=rng.integers(-1, stations, users))


@pytest.mark.parametrize(("sharing", "gap"), [("equal", 1e-3), ("optimal", 1e-2)])
def test_the_bound_does_not_stall_where_users_are_indifferent_between_servers(sharing, gap):
    """Worth varies with the levels of servers there, and hardly between servers."""
    for seed in range(6):
        problem = without_wires(seed, 9, 3, sharing)
        cost, _ = best_partition(problem, lambda: None)
        dual = UtilityDual.of(ServerUtility.of(problem))
        value = dual.tighten(dual.ascend()[1], 1e-8)[0]
        assert -cost <= value <= (1.0 + gap) * -cost


@pytest.mark.slow
@pytest.mark.parametrize("sharing", SHARINGS)
def test_the_bound_holds_without_wires(sharing):
    """Under optimal sharing the model does not close all of them soon, so that only the bound is tested."""
    for seed in range(20):
        problem = without_wires(seed, 4 + seed % 5, 2 + seed % 2, sharing)
        _, association = best_partition(problem, lambda: None)
        if association is None:
            continue
        best = evaluate(problem, Solution(association)).objective
        assert dual_bound(problem) >= best
        run = Run(problem, "exact", time_limit=0.5 if sharing == "optimal" else 60.0)
        with run:
            search_migration(run, problem)
        result = run.result()
        if sharing != "optimal":
            assert result.status is Status.OPTIMAL
            assert result.objective == pytest.approx(best, rel=2e-6)
        assert result.bound is None or result.bound >= best * (1.0 - 1e-9)


def test_indifferent_users_under_equal_sharing_are_proven_before_the_model():
    for seed in range(3):
        result = exact.solve(without_wires(seed, 20, 3, "equal"), time_limit=60)
        assert result.status is Status.OPTIMAL
        assert result.iterations == 0
