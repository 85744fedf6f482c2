"""The search over sets of servers: costs of sets against the evaluator, and gains where single servers give none."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import dtopt
from dtopt.evaluation import evaluate
from dtopt.solution import Solution
from dtopt.testing.tiny import tiny_problem
from solvers.local_search import set_descent
from solvers.local_search.candidates import lists_of
from solvers.local_search.driver import Search
from solvers.local_search.kernel import OPTIMAL, PLAIN
from solvers.local_search.server_sets import open_better, try_others
from solvers.local_search.set_bounds import best_set, set_bound


def descend_in(instance, cpu, capacity, is_open, association, sweeps, swaps, kicks=0):
    return set_descent.descend_in(instance, cpu, capacity, is_open, association, sweeps, swaps, kicks, np.inf)


def parts(problem):
    lists = lists_of(problem)
    capacity = np.minimum(lists.capacity, problem.n_users).astype(np.int64)
    return lists.instance, lists.cpu, capacity


@pytest.mark.parametrize("sharing", ["optimal", "equal"])
def test_a_set_costs_what_the_evaluator_says_of_its_association(sharing):
    for seed in range(8):
        problem = tiny_problem(seed, sharing=sharing, users=12, stations=4)
        instance, cpu, capacity = parts(problem)
        among = np.array([0, 2]) if seed % 2 else np.array([1, 2, 3])
        association = np.full(12, -1)
        cost = descend_in(instance, cpu, capacity, among, association, 3, 0)
        assert set(association.tolist()) <= set(among.tolist())
        judged = evaluate(problem, Solution(association))
        assert cost + problem.constant_cost == pytest.approx(judged.objective, rel=1e-9)


def test_capacities_are_kept_and_those_left_out_are_told():
    problem = tiny_problem(1, users=12, stations=4)
    instance, cpu, _ = parts(problem)
    association = np.full(12, -1)
    full = descend_in(instance, cpu, np.array([3, 3, 3, 3]), np.arange(4), association, 2, 0)
    assert np.bincount(association, minlength=4).tolist() == [3, 3, 3, 3]
    lacking = np.full(12, -1)
    assert descend_in(instance, cpu, np.array([3, 3, 3, 3]), np.arange(3), lacking, 2, 0) > full
    assert (lacking < 0).sum() == 3


def test_no_set_that_differs_by_a_few_servers_is_better():
    """What `best_set` ends with is no worse than any set with one server closed, opened or exchanged."""
    problem = dtopt.generate("paper", users=40, stations=6, seed=2)
    instance, cpu, capacity = parts(problem)
    value, association = best_set(instance, cpu, capacity, np.arange(6), np.arange(40) % 6, 10_000, 1000)
    best = set(association.tolist())
    for out in [None, *best]:
        for new in [None, *(set(range(6)) - best)]:
            among = np.array(sorted((best - {out}) | ({new} - {None})))
            if among.size and (out is not None or new is not None):
                moved = association.copy()
                assert descend_in(instance, cpu, capacity, among, moved, 6, 12) >= value * (1 - 1e-9)


def test_the_limit_of_open_servers_is_kept():
    problem = replace(dtopt.generate("paper", users=40, stations=8, seed=3), max_servers=2, server_cost=0.0)
    instance, cpu, capacity = parts(problem)
    _, association = best_set(instance, cpu, capacity, np.arange(8), np.arange(40) % 8, 10_000, 1000)
    assert np.unique(association).size <= 2


@pytest.mark.parametrize("sharing", ["optimal", "equal"])
def test_swaps_and_disturbances_only_gain(sharing):
    for seed in range(6):
        problem = tiny_problem(seed, sharing=sharing, users=14, stations=4)
        instance, cpu, capacity = parts(problem)
        costs = []
        for swaps, kicks in ((0, 0), (8, 0), (8, 40)):
            association = np.full(14, -1)
            costs.append(descend_in(instance, cpu, capacity, np.arange(4), association, 4, swaps, kicks))
        judged = evaluate(problem, Solution(association))
        assert costs[2] + problem.constant_cost == pytest.approx(judged.objective, rel=1e-9)
        assert costs[2] <= costs[1] * (1 + 1e-12) <= costs[0] * (1 + 2e-12)


def test_three_users_follow_each_other_around():
    """Three full servers, and three users each of whom wants where the next is: neither a shift nor a swap helps."""
    cost = np.array([[1.0, 0.0, 9.0], [9.0, 1.0, 0.0], [0.0, 9.0, 1.0]])
    instance = lists_of(tiny_problem(0, users=3, stations=3)).instance._replace(
        cost=cost, sizes=np.zeros((3, 2)), opening=0.0, mode=OPTIMAL, kind=PLAIN, max_open=3
    )
    stays = np.arange(3)
    assert descend_in(instance, np.ones(3), np.ones(3, dtype=np.int64), np.arange(3), stays, 4, 0) == 3.0
    moves = np.arange(3)
    assert descend_in(instance, np.ones(3), np.ones(3, dtype=np.int64), np.arange(3), moves, 4, 4) == 0.0
    assert moves.tolist() == [1, 2, 0]


def test_no_association_costs_less_than_the_bound_of_its_servers():
    for seed in range(6):
        problem = tiny_problem(seed, users=7, stations=3)
        instance, cpu, capacity = parts(problem)
        columns, whole = np.ascontiguousarray(instance.cost.T), float(instance.sizes[:, 0].sum())
        for code in range(3**7):
            association = code // 3 ** np.arange(7) % 3
            judged = evaluate(problem, Solution(association))
            if not judged.feasible:
                continue
            is_open = np.isin(np.arange(3), association)
            bound = set_bound(instance, columns, cpu, capacity, whole, is_open, np.empty(7), np.inf, 0.0)
            assert bound + problem.constant_cost <= judged.objective * (1 + 1e-12)
        few = np.zeros(3, dtype=np.int64)
        assert set_bound(instance, columns, cpu, few, whole, np.ones(3, dtype=bool), np.empty(7), np.inf, 0.0) == np.inf


def test_of_few_servers_the_best_set_is_found():
    """No set of a problem of the paper's size costs less after a long search than the one `best_set` ends with."""
    for seed in range(3):
        problem = dtopt.generate("paper", users=60, stations=6, seed=seed)
        instance, cpu, capacity = parts(problem)
        value, association = best_set(instance, cpu, capacity, np.arange(6), np.arange(60) % 6, 10_000, 1000)
        assert association.min() >= 0
        for code in range(1, 2**6):
            among, users = np.flatnonzero(code >> np.arange(6) & 1), np.full(60, -1)
            assert descend_in(instance, cpu, capacity, among, users, 6, 12, 100) >= value * (1 - 1e-9)


def test_the_search_only_gains_by_it():
    gained = 0
    for seed in range(6):
        problem = dtopt.generate("paper", users=60, stations=8, seed=seed)
        search = Search(lists_of(problem), seed)
        search.start()
        before, costs = search.best_cost, []
        open_better(search, np.arange(8), lambda seen=costs, s=search: seen.append(s.best_cost))
        try_others(search, np.arange(8), np.random.default_rng(seed), lambda: None)
        assert costs == sorted(costs, reverse=True)
        assert search.best_cost <= min([before, *costs]) * (1 + 1e-12)
        judged = evaluate(problem, Solution(search.best()))
        assert judged.objective == pytest.approx(search.best_cost + problem.constant_cost, rel=1e-9)
        gained += search.best_cost < before
    assert gained >= 5
