"""The search over sets of servers: costs of sets against the evaluator, and gains where single servers give none."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import dtopt
from dtopt.evaluation import evaluate
from dtopt.solution import Solution
from dtopt.testing.tiny import tiny_problem
from solvers.local_search.candidates import lists_of
from solvers.local_search.driver import Search
from solvers.local_search.server_sets import best_set, descend_in, open_better, try_others


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
        cost = descend_in(instance, cpu, capacity, among, association, 3)
        assert set(association.tolist()) <= set(among.tolist())
        judged = evaluate(problem, Solution(association))
        assert cost + problem.constant_cost == pytest.approx(judged.objective, rel=1e-9)


def test_capacities_are_kept_and_those_left_out_are_told():
    problem = tiny_problem(1, users=12, stations=4)
    instance, cpu, _ = parts(problem)
    association = np.full(12, -1)
    full = descend_in(instance, cpu, np.array([3, 3, 3, 3]), np.arange(4), association, 2)
    assert np.bincount(association, minlength=4).tolist() == [3, 3, 3, 3]
    lacking = np.full(12, -1)
    assert descend_in(instance, cpu, np.array([3, 3, 3, 3]), np.arange(3), lacking, 2) > full
    assert (lacking < 0).sum() == 3


def test_no_set_that_differs_by_a_few_servers_is_better():
    """What `best_set` ends with is no worse than any set with one server closed, opened or exchanged."""
    problem = dtopt.generate("paper", users=40, stations=6, seed=2)
    instance, cpu, capacity = parts(problem)
    value, association = best_set(instance, cpu, capacity, np.arange(6), np.arange(40) % 6, 10_000)
    best = set(association.tolist())
    for out in [None, *best]:
        for new in [None, *(set(range(6)) - best)]:
            among = np.array(sorted((best - {out}) | ({new} - {None})))
            if among.size and (out is not None or new is not None):
                moved = association.copy()
                assert descend_in(instance, cpu, capacity, among, moved, 2) >= value * (1 - 1e-9)


def test_the_limit_of_open_servers_is_kept():
    problem = replace(dtopt.generate("paper", users=40, stations=8, seed=3), max_servers=2, server_cost=0.0)
    instance, cpu, capacity = parts(problem)
    _, association = best_set(instance, cpu, capacity, np.arange(8), np.arange(40) % 8, 10_000)
    assert np.unique(association).size <= 2


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
