"""`exact` against brute force and against `milp`, and its limits."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from dtopt._core import Cancellation
from dtopt.arrays import UNLIMITED
from dtopt.evaluation import evaluate
from dtopt.network import BaseStations, Network, Users
from dtopt.price_dual import FREE, PriceDual
from dtopt.problem import Placement
from dtopt.result import Status
from dtopt.solution import Solution
from dtopt.stop import GapReached
from dtopt.testing.oracle import brute_force
from dtopt.testing.tiny import OBJECTIVES, SHARINGS, tiny_problem
from solvers import exact, milp
from solvers._core import KnapsackDual
from solvers.exact.knapsack import climb_params, knapsack_dual, whole_demands
from solvers.exact.placement import cost_step
from solvers.local_search.arrays import SearchArrays
from solvers.local_search.start import from_prices
from solvers.server_tree import ServerTree
from tests.samples import against_brute_force, sample

pytestmark = pytest.mark.usefixtures("searched")


@pytest.mark.slow
@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("sharing", SHARINGS)
def test_placements_equal_brute_force(sharing, objective):
    problems = sample("placement", sharing, objective, 5000, 120)
    seen = Counter(kind for problem in problems for kind in against_brute_force(exact.solve, problem))
    assert seen["feasible"] >= 50, seen
    assert seen["infeasible"] >= 2, seen
    assert seen["changed, soft"] >= 5, seen


@pytest.mark.slow
@pytest.mark.parametrize(("sharing", "users"), [("optimal", 40), ("fixed", 20), ("equal", 9)])
def test_larger_ones_equal_milp(sharing, users):
    for seed in range(3):
        problem = tiny_problem(seed, sharing=sharing, users=users, stations=4, capacities=True)
        if sharing == "fixed":
            problem = replace(problem, demand_hz=problem.demand_hz * 0.4)
        first, second = exact.solve(problem, time_limit=60), milp.solve(problem, time_limit=60)
        assert first.status == second.status == Status.OPTIMAL
        assert first.objective == pytest.approx(second.objective, rel=2e-6)


def test_branching_on_servers_never_loses_the_optimum():
    for seed in range(40):
        problem = tiny_problem(seed, sharing=SHARINGS[seed % 3], capacities=True, limited_servers=seed % 2 == 0)
        best, choice = brute_force(problem)
        if best is None:
            continue
        cost = best - problem.constant_cost
        tree = ServerTree(PriceDual.of(problem))
        tree.search(lambda cost=cost: cost * (1 + 1e-6), lambda: False, lambda *_: None, 50)
        assert tree.bound <= cost * (1 + 1e-9)
        assert tree.pairs(cost * (1 + 1e-6))[np.arange(problem.n_users), choice].all()


def test_the_tree_closes_the_gap_that_open_servers_leave():
    # Opening is dear and stations are alike, so the root opens servers in part.
    problem = replace(tiny_problem(8, users=12, stations=3), server_cost=0.3, cost_weight=1.0)
    best = exact.solve(problem, time_limit=60).objective - problem.constant_cost
    tree = ServerTree(PriceDual.of(problem))
    root = tree.bound
    tree.search(lambda: best * (1 - 1e-9), lambda: False, lambda *_: None, 100)
    assert tree.bound > root
    assert all((node.dual.state != FREE).any() for node in tree._done)


@pytest.mark.parametrize("sharing", SHARINGS)
def test_a_start_from_prices_keeps_every_constraint(sharing):
    found = 0
    for seed in range(60):
        problem = tiny_problem(seed, sharing=sharing, capacities=True, limited_servers=True, deadlines=seed % 2 == 0)
        dual = PriceDual.of(problem)
        value, prices = dual.ascend()
        if not np.isfinite(value):
            continue
        start = from_prices(SearchArrays.of(problem, dual).lists, dual, prices)
        if start is not None:
            found += 1
            assert evaluate(problem, Solution(start)).feasible
    assert found > 20


def test_a_target_gap_ends_the_run():
    problem = tiny_problem(1, users=30, stations=4)
    result = exact.solve(problem, stop=GapReached(0.05))
    assert result.gap <= 0.05
    assert exact.solve(problem).gap <= 1e-6


def test_whole_costs_close_the_gap_below_one_step():
    """Costs that are whole numbers leave nothing between two of them; a step found where there is none would lie."""
    for seed in range(10):
        rng = np.random.default_rng(seed)
        problem = assignment_problem(rng.integers(10, 60, (14, 3)), rng.integers(5, 25, (14, 3)), [75, 75, 75])
        dual = PriceDual.of(problem)
        assert cost_step(dual) == 1.0
        result = exact.solve(problem)
        best = milp.solve(problem)
        assert result.status == best.status
        if result.solution is not None:
            assert result.objective == best.objective
            assert result.bound <= result.objective
    assert cost_step(PriceDual.of(tiny_problem(1))) == 0.0
    assert cost_step(PriceDual.of(tiny_problem(1, sharing="fixed"))) == 0.0


@pytest.mark.parametrize("whole", [True, False])
def test_whole_knapsacks_bound_and_rule_out_no_optimum(whole):
    for seed in range(30):
        rng = np.random.default_rng(seed)
        demand = rng.integers(5, 25, (6, 3)) if whole else rng.uniform(5, 25, (6, 3))
        problem = assignment_problem(rng.integers(10, 60, (6, 3)), demand, [40, 40, 40])
        best, choice = brute_force(problem)
        if best is None:
            continue
        dual = PriceDual.of(problem)
        value, prices = dual.ascend()
        knapsacks = knapsack_dual(dual, prices, *whole_demands(problem))
        knapsacks.prices = knapsacks.prices + rng.uniform(-3, 3, 6)
        assert (knapsacks.pair_bounds(Cancellation())[choice, np.arange(6)] < best * (1 + 1e-9)).all()
        knapsacks = knapsack_dual(dual, prices, *whole_demands(problem))
        bound = knapsacks.ascend(best, climb_params(), Cancellation())
        assert value - 1e-6 <= bound <= best * (1 + 1e-9)
        assert bound == knapsacks.value


def random_knapsacks(seed, n=7, m=3):
    """Cost, weight, room, empty, forced, constant and prices of a random dual; some pairs are not allowed."""
    rng = np.random.default_rng(seed)
    cost = np.where(rng.random((m, n)) < 0.9, rng.uniform(-3.0, 6.0, (m, n)), np.inf)
    weight, room = rng.integers(0, 9, (m, n)), rng.integers(0, 25, m)
    return cost, weight, room, rng.uniform(-1.0, 3.0, m), rng.random(m) < 0.3, -1.5, rng.uniform(-1.0, 6.0, n)


def value_of(cost, weight, room, empty, forced, constant, prices, pair=None):
    """The dual by enumeration of subsets, with one user on one server where a pair (server, user) is given."""
    m, n = cost.shape
    subsets = (np.arange(2**n)[:, None] >> np.arange(n)) % 2 == 1
    total = constant + prices.sum()
    for k in range(m):
        sums = np.where(subsets, cost[k] - prices, 0.0).sum(axis=1)
        fits = subsets @ weight[k] <= room[k]
        if pair is not None:
            fits &= subsets[:, pair[1]] == (k == pair[0])
        least = empty[k] + sums[fits].min(initial=np.inf)
        total += least if forced[k] or (pair is not None and k == pair[0]) else min(0.0, least)
    return total


def test_knapsacks_equal_enumeration_of_subsets():
    for seed in range(40):
        data = random_knapsacks(seed)
        knapsacks = KnapsackDual(*data)
        expected = [[value_of(*data, (k, i)) for i in range(7)] for k in range(3)]
        np.testing.assert_allclose(knapsacks.pair_bounds(Cancellation()), expected, rtol=1e-12, atol=1e-12)
        # A target below the value ends the ascent where it starts.
        assert knapsacks.ascend(-1e9, climb_params(), Cancellation()) == pytest.approx(value_of(*data), rel=1e-12)
        raised = KnapsackDual(*data)
        best = raised.ascend(knapsacks.value + 1.0, climb_params(), Cancellation())
        assert best >= knapsacks.value
        assert best == pytest.approx(value_of(*data[:-1], raised.prices), rel=1e-12)


def test_knapsacks_keep_pairs_and_end_when_cancelled():
    data = random_knapsacks(3)
    kept = np.random.default_rng(0).random((7, 3)) < 0.7
    knapsacks = KnapsackDual(*data)
    knapsacks.keep(kept)
    knapsacks.ascend(-1e9, climb_params(), Cancellation())
    assert knapsacks.value == pytest.approx(value_of(np.where(kept.T, data[0], np.inf), *data[1:]), rel=1e-12)
    over = Cancellation()
    over.cancel()
    assert (knapsacks.pair_bounds(over) == -np.inf).all()
    value, prices = knapsacks.value, knapsacks.prices
    assert knapsacks.ascend(1e9, climb_params(), over) == value
    assert (knapsacks.prices == prices).all()


def test_knapsacks_refuse_what_they_cannot_read():
    cost, weight, room, empty, forced, constant, prices = random_knapsacks(0)
    rest = (empty, forced, constant, prices)
    for wrong in (cost.astype(np.float32), np.asfortranarray(cost), cost[0]):
        with pytest.raises(TypeError):
            KnapsackDual(wrong, weight, room, *rest)
    for arguments in (
        (np.where(cost > 0.0, np.nan, cost), weight, room, *rest),
        (cost, -1 - weight, room, *rest),
        (cost, weight[:, :-1].copy(), room, *rest),
        (cost, weight, -1 - room, *rest),
        (cost, weight, room[:-1].copy(), *rest),
        (cost, weight, room, empty, forced, constant, prices[:-1].copy()),
    ):
        with pytest.raises(ValueError, match=r"must|NaN"):
            KnapsackDual(*arguments)
    with pytest.raises(ValueError, match="shape"):
        KnapsackDual(cost, weight, room, *rest).keep(np.ones((3, 7), dtype=bool))


def assignment_problem(cost, demand, cpu):
    n, m = cost.shape
    network = Network(
        Users(np.ones(n), np.zeros(n), np.zeros(n), np.full(n, np.inf)),
        BaseStations(np.array(cpu, dtype=float), np.full(m, UNLIMITED)),
        channel=None,
    )
    return Placement(
        network,
        sharing="fixed",
        demand_hz=demand.astype(float),
        latency_weight=float(n),
        cost_weight=0.0,
        pair_latency_s=cost.astype(float),
    )
