"""The bound from wired distances: the same pairs, the same dual, the right side of brute force."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from dtopt import generate, solve
from dtopt.price_dual import CLOSED, OPEN, PriceDual
from dtopt.testing.oracle import brute_force
from dtopt.testing.tiny import SHARINGS, tiny_problem
from dtopt.wired import wired_pairs
from dtopt.wired_dual import wired_bound
from solvers.exact.wired import TEMPERATURES, WiredDual
from solvers.server_tree import ServerTree


def problems(sharing, count, **more):
    for seed in range(count):
        problem = tiny_problem(
            seed, sharing=sharing, capacities=True, limited_servers=seed % 2 == 0, deadlines=seed % 3 == 0, **more
        )
        if sharing == "fixed":
            # A demand of each twin; demands of pairs are not of this form.
            assert wired_pairs(problem) is None
            problem = replace(problem, demand_hz=problem.demand_hz[:, 0])
        yield problem


@pytest.mark.parametrize("sharing", SHARINGS)
def test_pairs_cost_what_the_dense_dual_says(sharing):
    for problem in problems(sharing, 30):
        dual = PriceDual.of(problem)
        columns = wired_pairs(problem).listed(np.full(problem.n_users, np.inf))
        server = np.repeat(np.arange(problem.n_stations), np.diff(columns.start))
        cost = np.full(dual.cost.shape, np.inf)
        cost[columns.user, server] = columns.cost
        assert cost == pytest.approx(dual.cost, rel=1e-12)
        if dual.floor is not None:
            assert columns.floor == pytest.approx(dual.floor[columns.user, server], rel=1e-9)


@pytest.mark.parametrize("sharing", SHARINGS)
def test_any_prices_settle_to_the_dense_value_whatever_is_listed(sharing):
    rng = np.random.default_rng(3)
    tried = 0
    for problem in problems(sharing, 20):
        pairs = wired_pairs(problem)
        dual = PriceDual.of(problem)
        for _ in range(5):
            tried += 1
            prices = rng.exponential(10.0 ** rng.uniform(-6, 0), problem.n_users + 3 * problem.n_stations + 1)
            radius = pairs.start_radius(1)
            value, magnitude, server, reach = pairs.settle(prices, radius, dual.state)
            assert value == pytest.approx(dual.value(prices), abs=1e-12 * magnitude)
            assert server == pytest.approx(dual.priced(prices)[1], abs=1e-12 * magnitude)
            # Within the reach lies every pair that gains.
            gaining = dual.priced(prices)[0] < 0
            kept = np.zeros_like(gaining)
            columns = pairs.listed(reach)
            kept[columns.user, np.repeat(np.arange(problem.n_stations), np.diff(columns.start))] = True
            assert (kept | ~gaining).all()
    assert tried >= 30


@pytest.mark.parametrize("sharing", SHARINGS)
def test_decided_servers_count_as_in_the_dense_dual(sharing):
    rng = np.random.default_rng(4)
    for problem in problems(sharing, 20):
        wired = wired_bound(problem)
        if not np.isfinite(wired.value):
            continue
        sparse, dense = WiredDual.of(wired), PriceDual.of(problem)
        prices = rng.exponential(1e-3, problem.n_users + 3 * problem.n_stations + 1)
        for server in rng.permutation(problem.n_stations).tolist():
            state = int(rng.choice([OPEN, CLOSED]))
            sparse, dense = sparse.decided(server, state), dense.decided(server, state)
            if not np.isfinite(dense.cost).any(axis=1).all():
                break
            for of_one, of_other in zip(sparse.server_bounds(prices), dense.server_bounds(prices), strict=True):
                assert of_one == pytest.approx(of_other, rel=1e-6, abs=1e-6)
            assert sparse.ascend(wired.prices)[0] <= dense.ascend(wired.prices)[0] * (1 + 1e-3) + 1e-9


@pytest.mark.parametrize("sharing", SHARINGS)
def test_branching_never_cuts_the_optimum_off(sharing):
    raised = 0
    for problem in problems(sharing, 60):
        best, _ = brute_force(problem)
        wired = wired_bound(problem)
        if best is None:
            continue
        cost = best - problem.constant_cost
        tree = ServerTree(WiredDual.of(wired), (wired.value, wired.prices), TEMPERATURES)
        tree.search(lambda cost=cost: cost * (1 + 1e-6), lambda: False, lambda *_: None, 50)
        assert wired.value <= tree.bound <= cost * (1 + 1e-9)
        raised += tree.bound > wired.value + 1e-4 * abs(cost)
    assert raised >= 3


@pytest.mark.parametrize("preset", ["large", "tight-deadline", "tight-capacity"])
def test_ascents_around_one_server_prove_bounds_of_the_whole_map(preset):
    """On a map larger than the region of a node each bound is that of all pairs, and none cuts a solution off."""
    problem = generate(preset, seed=1, users=700, stations=80)
    known = solve(problem, "local-search", time_limit=1, seed=1)
    cutoff = (known.objective - problem.constant_cost) * (1 + 1e-6)
    wired = wired_bound(problem)
    tree, tried = ServerTree(WiredDual.of(wired), (wired.value, wired.prices), TEMPERATURES), 0

    def visit(node, prices):
        nonlocal tried
        tried += 1
        anew = replace(node)  # without what the node remembers of its last look
        assert anew.server_bounds(prices)[0] == pytest.approx(node.server_bounds(prices)[0], rel=1e-9)

    tree.search(lambda: cutoff, lambda: False, visit, 40)
    assert tried >= 5
    assert wired.value < tree.bound <= cutoff
    # Some node that is left agrees with the servers of the known solution.
    is_open = np.isin(np.arange(80), known.solution.open_servers)
    states = [dual.state for dual, _ in tree.left(cutoff)]
    assert any((is_open[state == OPEN]).all() and not is_open[state == CLOSED].any() for state in states)


@pytest.mark.parametrize("sharing", SHARINGS)
def test_the_bound_holds_against_brute_force(sharing):
    tried = 0
    for problem in problems(sharing, 60):
        best, _ = brute_force(problem)
        bound = wired_bound(problem)
        if best is None:
            continue
        tried += 1
        assert bound.value + problem.constant_cost <= best
    assert tried >= 20


@pytest.mark.parametrize("preset", ["paper", "tight-deadline", "tight-capacity", "costly-servers"])
def test_it_is_as_tight_as_the_dense_dual(preset):
    problem = generate(preset, seed=3, users=300, stations=40)
    dense, _ = PriceDual.of(problem).ascend()
    assert wired_bound(problem).value == pytest.approx(dense, rel=2e-3)


def test_users_far_from_every_open_station_are_still_served():
    problem = generate("large", seed=1, users=200, stations=60)
    stations = problem.network.stations
    capacity = np.zeros(60, dtype=np.int64)
    capacity[7] = 200
    problem = replace(problem, network=replace(problem.network, stations=replace(stations, capacity=capacity)))
    bound = wired_bound(problem)
    dense, _ = PriceDual.of(problem).ascend()
    assert bound.value == pytest.approx(dense, rel=1e-3)
    capacity[7] = 0
    problem = replace(problem, network=replace(problem.network, stations=replace(stations, capacity=capacity)))
    assert wired_bound(problem).value == np.inf
