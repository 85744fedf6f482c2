"""Degenerate problems, too large to enumerate: zero and negative costs, free computing, stations without a server, …

Every registered solver takes its turn on each of them; what they claim must agree.
"""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import pytest

import dtopt
from dtopt.arrays import UNLIMITED
from dtopt.channel import GainMatrix
from dtopt.errors import UnsupportedProblemError
from dtopt.network import BaseStations, Network, Users
from dtopt.problem import Migration, Placement
from dtopt.registry import load_solver, solver_names
from dtopt.result import Status
from solvers.exact.enumeration import can_enumerate

N, M = 14, 5
PROVING = ("exact", "auto", "milp", "ortools-cpsat")
SECONDS = 0.3


def network(rng, *, kappa=100.0, deadline=np.inf, power=0.2, cpu=None, capacity=UNLIMITED, update=None, phi=5e-11):
    return Network(
        Users(
            rng.uniform(1e6, 8e6, N),
            rng.uniform(1e5, 2e6, N) if update is None else update,
            power,
            deadline,
            rng.uniform(0, 1500, (N, 2)),
        ),
        BaseStations(rng.uniform(8e9, 24e9, M) if cpu is None else cpu, capacity, rng.uniform(0, 1500, (M, 2))),
        GainMatrix(10.0 ** rng.uniform(-12.5, -10.0, (N, M))),
        cycles_per_bit=kappa,
        backhaul_s_per_bit_m=phi,
    )


def assignment(cost, weight, cpu, **options):
    """Generalized assignment: pair costs, weights and capacities."""
    n, m = cost.shape
    bare = Network(
        Users(np.ones(n), np.zeros(n), np.zeros(n), np.full(n, np.inf)),
        BaseStations(cpu, np.full(m, UNLIMITED)),
        None,
    )
    return Placement(
        bare,
        sharing="fixed",
        demand_hz=weight,
        latency_weight=float(n),
        pair_latency_s=cost,
        **{"cost_weight": 0.0} | options,
    )


def facilities(rng):
    cost = rng.integers(10, 50, (N, M)).astype(float)
    weight = rng.integers(5, 25, (N, M)).astype(float)
    cpu = np.full(M, 60.0)
    cheapest_free = cost.copy()
    cheapest_free[np.arange(N), rng.integers(0, M, N)] = 0.0
    light = np.where(rng.random((N, M)) < 0.3, 0.0, weight)
    empty = cpu.copy()
    empty[2] = 0.0
    place = rng.uniform(0, 100, (N, 2))
    distance = np.hypot(*(place[:, None] - place[None, :M]).transpose(2, 0, 1))
    yield "all costs 0", assignment(np.zeros((N, M)), weight, cpu)
    yield "cheapest pairs cost 0", assignment(cheapest_free, weight, cpu)
    yield "everybody at no cost", assignment(cheapest_free, weight, 100 * cpu)
    yield "negative costs", assignment(cost - 30.0, weight, cpu)
    yield "negative costs, no whole numbers", assignment(rng.normal(0, 1, (N, M)), weight, cpu)
    yield "negative costs and opening costs", assignment(cost - 30.0, weight, cpu, cost_weight=1.0, server_cost=7.0)
    yield "weights of 0", assignment(cost, light, cpu)
    yield "a capacity of 0", assignment(cost, light, empty)
    yield "customers on their sites", assignment(distance, np.ones((N, M)), np.full(M, float(N)), max_servers=2)
    yield "one unit above a large capacity", assignment(cost, np.full((N, M), 4e8), np.full(M, 1.2e9 - 0.5))


def placements(rng):
    closed = np.full(M, UNLIMITED)
    closed[[1, 3]] = 0
    dead = np.where(np.arange(N) == 3, 0.0, 0.2)
    for sharing in ("optimal", "equal"):

        def placement(net, sharing=sharing, **options):
            return Placement(net, sharing=sharing, **{"server_cost": 0.1} | options)

        soft = {"deadline": "soft", "deadline_penalty": 0.0}
        yield f"stations without server, {sharing}", placement(network(rng, capacity=closed))
        yield f"the same by latency, {sharing}", placement(network(rng, capacity=closed), objective="latency")
        yield f"free computing, {sharing}", placement(network(rng, kappa=0.0))
        yield f"the same and deadlines, {sharing}", placement(network(rng, kappa=0.0, deadline=rng.uniform(2, 5, N)))
        yield f"latency of no weight, {sharing}", placement(network(rng), latency_weight=0.0)
        yield f"lateness of no price, {sharing}", placement(network(rng, deadline=rng.uniform(0.5, 1.5, N)), **soft)
        yield f"servers of no cost, {sharing}", placement(network(rng), cost_weight=0.0)
        yield f"very different CPUs, {sharing}", placement(network(rng, cpu=np.geomspace(5e6, 2.5e10, M)))
        yield f"a user out of reach, {sharing}", placement(network(rng, power=dead), cost_weight=0.0)
        yield f"no server at all, {sharing}", placement(network(rng, capacity=0))


def migrations(rng):
    closed = np.full(M, UNLIMITED)
    closed[[1, 3]] = 0
    dead = np.where(np.arange(N) == 3, 0.0, 0.2)
    some = np.where(np.arange(N) % 2, 0.0, 1e6)
    for sharing in ("optimal", "equal", "fixed"):

        def migration(net, sharing=sharing, **options):
            if sharing == "fixed":
                options["demand_hz"] = rng.uniform(0.02, 0.3, (N, M)) * net.stations.cpu_hz
            return Migration(net, sharing=sharing, previous=rng.integers(-1, M, N), **options)

        soft = {"deadline": "soft", "deadline_penalty": 0.0}
        yield f"free computing, {sharing}", migration(network(rng, kappa=0.0, deadline=5.0))
        yield f"stations without server, {sharing}", migration(network(rng, capacity=closed, deadline=5.0))
        wide = network(rng, cpu=np.geomspace(5e6, 2.5e10, M), deadline=5.0)
        yield f"very different CPUs, {sharing}", migration(wide)
        yield f"β = 0, {sharing}", migration(network(rng, deadline=5.0), beta=0.0)
        yield f"β = 1, {sharing}", migration(network(rng, deadline=5.0), beta=1.0)
        yield f"nothing to send, {sharing}", migration(network(rng, update=np.zeros(N), deadline=5.0))
        yield f"some with nothing to send, {sharing}", migration(network(rng, update=some, deadline=5.0))
        yield f"lateness of no price, {sharing}", migration(network(rng, deadline=0.3), **soft)
        yield f"a user out of reach, {sharing}", migration(network(rng, power=dead, deadline=5.0))


CASES = [
    pytest.param(*case, id=case[0])
    for make in (facilities, placements, migrations)
    for case in make(np.random.default_rng(5))
]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "problem"), CASES)
def test_solvers_agree_on_degenerate_problems(name, problem):
    assert "no server" in name or not can_enumerate(problem)
    sign = -1.0 if problem.maximise else 1.0
    turn = sum(map(ord, name))
    others = [s for s in solver_names() if s not in PROVING and s != "maddpg"]
    chosen = ("exact", PROVING[1 + turn % 3], *(others[(turn + i) % len(others)] for i in range(3)))
    results = []
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        bound = dtopt.dual_bound(problem)
        for solver in chosen:
            if problem.kind in getattr(load_solver(solver), "problems", ("placement", "migration")):
                try:
                    results.append(dtopt.solve(problem, solver, time_limit=SECONDS, seed=turn))
                except UnsupportedProblemError:
                    continue
    costs = [sign * r.objective for r in results if r.objective is not None]
    assert np.isfinite(costs).all()
    assert not np.isnan(bound)
    if "out of reach" in name or "no server" in name:
        assert {r.status for r in results} == {Status.INFEASIBLE}
        assert bound == sign * np.inf
        return
    best = min(costs)
    bounds = [bound, *(r.bound for r in results if r.bound is not None)]
    assert all(sign * value <= best + 1e-9 * abs(best) for value in bounds), bounds
    for result in results:
        assert result.status is not Status.INFEASIBLE, result.message
        if result.status is Status.OPTIMAL:
            assert sign * result.objective == pytest.approx(best, rel=1e-6, abs=1e-12)


@pytest.mark.parametrize("solver", ["exact", "milp", "ortools-cpsat"])
def test_an_optimum_of_0_is_proven(solver):
    problem = dict(facilities(np.random.default_rng(5)))["everybody at no cost"]
    result = dtopt.solve(problem, solver, time_limit=30)
    assert (result.status, result.objective, result.bound) == (Status.OPTIMAL, 0.0, 0.0)


@pytest.mark.parametrize("solver", ["exact", "milp", "ortools-cpsat"])
def test_costs_may_be_shifted(solver):
    problem = dict(facilities(np.random.default_rng(5)))["negative costs"]
    shifted = replace(problem, pair_latency_s=problem.pair_latency_s + 30.0)
    first, second = (dtopt.solve(p, solver, time_limit=30) for p in (problem, shifted))
    assert first.status is second.status is Status.OPTIMAL
    assert first.objective == pytest.approx(second.objective - 30.0 * N, rel=1e-9)
