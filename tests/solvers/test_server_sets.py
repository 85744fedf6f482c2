"""The search over open sets: costs of sets against the evaluator, bounds, and gains where single servers give none."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

import dtopt
from dtopt._core import Cancellation
from dtopt.evaluation import evaluate
from dtopt.solution import Solution
from dtopt.testing.tiny import tiny_problem
from solvers._core import OpenSetSearch, PairData, PlacementView, SetSearchParams, Sharing
from solvers.local_search.candidates import lists_of
from solvers.local_search.driver import Search
from solvers.local_search.server_sets import open_better, try_others


def view_of(cost, *, size=None, cpu=None, capacity=None, opening=0.0, sharing=Sharing.OPTIMAL, more=None):
    """A dense view of a few users and servers."""
    n, m = cost.shape
    return PlacementView(
        station=np.ascontiguousarray(np.broadcast_to(np.arange(m, dtype=np.int32), (n, m))),
        cost=np.array(cost, dtype=np.float64),
        more=more,
        size=np.zeros(n) if size is None else size,
        rate=np.zeros(n),
        near=np.full((m, 1), -1, dtype=np.int32),
        cpu=np.ones(m) if cpu is None else cpu,
        opening=np.full(m, opening),
        capacity=np.full(m, n) if capacity is None else np.array(capacity),
        penalty=0.0,
        max_open=m,
        sharing=sharing,
        data=PairData.NONE if more is None else PairData.FITTING,
        dense=True,
    )


def descend(search, servers, start, sweeps, swaps, kicks=0):
    servers, start = np.array(servers), np.array(start)
    return search.descend(
        servers, start, shift_sweeps=sweeps, swap_sweeps=swaps, kicks=kicks, cancellation=Cancellation()
    )


def improve(search, servers, start, seconds=np.inf):
    return search.improve(np.arange(servers), np.array(start), Cancellation(seconds))


def sets_of(problem):
    return OpenSetSearch(lists_of(problem).view)


def cost_of(pairs, size, cpu, opening, sharing, association):
    """The plain cost of an association; infinite where CPU parts do not fit."""
    cost, more = pairs
    total = cost[np.arange(association.size), association].sum()
    for k in np.unique(association):
        there = association == k
        load = size[there].sum()
        work = {Sharing.OPTIMAL: load**2, Sharing.EQUAL: there.sum() * load, Sharing.FIXED: 0.0}[sharing]
        total += opening + work / cpu[k]
        if more is not None and more[there, k].sum() > 1.0 + 1e-9:
            return np.inf
    return total


@pytest.mark.parametrize("sharing", ["optimal", "equal"])
def test_a_set_costs_what_the_evaluator_says_of_its_association(sharing):
    for seed in range(8):
        problem = tiny_problem(seed, sharing=sharing, users=12, stations=4)
        among = [0, 2] if seed % 2 else [1, 2, 3]
        cost, association = descend(sets_of(problem), among, np.full(12, -1), 3, 0)
        assert set(association.tolist()) <= set(among)
        judged = evaluate(problem, Solution(association))
        assert cost + problem.constant_cost == pytest.approx(judged.objective, rel=1e-9)


@pytest.mark.parametrize("sharing", list(Sharing))
@pytest.mark.parametrize("fill", [None, 0.8])
def test_costs_are_those_of_plain_sums_and_near_the_optimum(sharing, fill):
    near = 0
    for seed in range(10):
        n, m = 7, 3
        rng = np.random.default_rng(seed)
        size, cpu = rng.random(n), rng.uniform(1.0, 3.0, m)
        cost = np.where(rng.random((n, m)) < 0.1, np.inf, rng.random((n, m)))
        more = None if fill is None else rng.uniform(0.5, 1.5, (n, m)) * fill * m / n
        view = view_of(cost, size=size, cpu=cpu, sharing=sharing, more=more, opening=0.3)
        value, association = descend(OpenSetSearch(view), np.arange(m), np.full(n, -1), 6, 12, 50)
        best = min(cost_of((cost, more), size, cpu, 0.3, sharing, np.array(a)) for a in product(range(m), repeat=n))
        if association.min() < 0:
            continue
        assert value == pytest.approx(cost_of((cost, more), size, cpu, 0.3, sharing, association), rel=1e-12)
        assert value >= best * (1 - 1e-12)
        near += value <= best * 1.1
    assert near >= 5


def test_capacities_are_kept_and_those_left_out_are_reported():
    rng = np.random.default_rng(1)
    search = OpenSetSearch(view_of(rng.random((12, 4)), size=rng.random(12), capacity=[3, 3, 3, 3]))
    full, association = descend(search, range(4), np.full(12, -1), 2, 0)
    assert np.bincount(association, minlength=4).tolist() == [3, 3, 3, 3]
    cost, lacking = descend(search, range(3), np.full(12, -1), 2, 0)
    assert cost > full
    assert (lacking < 0).sum() == 3


def test_no_set_that_differs_by_a_few_servers_is_better():
    """What `improve` ends with is no worse than any set with one server closed, opened or exchanged."""
    problem = dtopt.generate("paper", users=40, stations=6, seed=2)
    search = sets_of(problem)
    value, association = improve(search, 6, np.arange(40) % 6)
    best = set(association.tolist())
    for out in [None, *best]:
        for new in [None, *(set(range(6)) - best)]:
            among = sorted((best - {out}) | ({new} - {None}))
            if among and (out is not None or new is not None):
                assert descend(search, among, association, 6, 12)[0] >= value * (1 - 1e-9)


def test_the_limit_of_open_servers_is_kept():
    problem = replace(dtopt.generate("paper", users=40, stations=8, seed=3), max_servers=2, server_cost=0.0)
    _, association = improve(sets_of(problem), 8, np.arange(40) % 8)
    assert np.unique(association).size <= 2


@pytest.mark.parametrize("sharing", ["optimal", "equal"])
def test_swaps_and_disturbances_only_gain(sharing):
    for seed in range(6):
        problem = tiny_problem(seed, sharing=sharing, users=14, stations=4)
        search, costs = sets_of(problem), []
        for swaps, kicks in ((0, 0), (8, 0), (8, 40)):
            cost, association = descend(search, range(4), np.full(14, -1), 4, swaps, kicks)
            costs.append(cost)
        judged = evaluate(problem, Solution(association))
        assert costs[2] + problem.constant_cost == pytest.approx(judged.objective, rel=1e-9)
        assert costs[2] <= costs[1] * (1 + 1e-12) <= costs[0] * (1 + 2e-12)


@pytest.mark.parametrize("sharing", list(Sharing))
def test_no_swap_gains_after_a_descent(sharing):
    """The bounds by which swaps are passed over leave out none that gains."""
    n, m = 24, 4
    for seed in range(6):
        rng = np.random.default_rng(seed)
        size, cpu, cost = rng.random(n), rng.uniform(1.0, 3.0, m) * n / 8, rng.random((n, m))
        search = OpenSetSearch(view_of(cost, size=size, cpu=cpu, sharing=sharing))
        value, association = descend(search, range(m), np.full(n, -1), 50, 50)
        for i in range(n):
            for j in range(i):
                swapped = association.copy()
                swapped[[i, j]] = swapped[[j, i]]
                assert cost_of((cost, None), size, cpu, 0.0, sharing, swapped) >= value - 1e-9


def test_three_users_follow_each_other_around():
    """Three full servers, and three users each of whom wants where the next is: neither a shift nor a swap helps."""
    cost = np.array([[1.0, 0.0, 9.0], [9.0, 1.0, 0.0], [0.0, 9.0, 1.0]])
    search = OpenSetSearch(view_of(cost, capacity=[1, 1, 1]))
    assert descend(search, range(3), np.arange(3), 4, 0)[0] == 3.0
    value, association = descend(search, range(3), np.arange(3), 4, 4)
    assert value == 0.0
    assert association.tolist() == [1, 2, 0]


def test_bounds_are_those_of_plain_sums():
    rng = np.random.default_rng(0)
    for sharing in Sharing:
        cost, size, cpu = rng.random((30, 6)), rng.random(30), rng.uniform(1.0, 2.0, 6)
        search = OpenSetSearch(view_of(cost, size=size, cpu=cpu, opening=0.2, sharing=sharing, capacity=[12] * 6))
        for code in range(1, 2**6):
            servers = np.flatnonzero(code >> np.arange(6) & 1)
            whole = {Sharing.OPTIMAL: size.sum() ** 2, Sharing.EQUAL: 30 * size.sum(), Sharing.FIXED: 0.0}[sharing]
            plain = cost[:, servers].min(axis=1).sum() + 0.2 * servers.size + whole / cpu[servers].sum()
            expected = plain if servers.size >= 3 else np.inf
            assert search.bound(servers) == pytest.approx(expected, rel=1e-12)


def test_no_association_costs_less_than_the_bound_of_its_servers():
    for seed in range(6):
        problem = tiny_problem(seed, users=7, stations=3)
        search = sets_of(problem)
        for association in map(np.array, product(range(3), repeat=7)):
            judged = evaluate(problem, Solution(association))
            if judged.feasible:
                bound = search.bound(np.unique(association))
                assert bound + problem.constant_cost <= judged.objective * (1 + 1e-12)


@pytest.mark.parametrize("few", [0, 12])
@pytest.mark.parametrize("sharing", ["optimal", "equal"])
def test_of_few_servers_the_best_set_is_found(few, sharing):
    """No set costs less after a long search than the one `improve` ends with, all sets listed or those around only."""
    for seed in range(3):
        problem = dtopt.generate("paper", users=60, stations=6, seed=seed, sharing=sharing)
        params = SetSearchParams()
        params.few_servers = few
        search = OpenSetSearch(lists_of(problem).view, params)
        value, association = improve(search, 6, np.arange(60) % 6)
        assert association.min() >= 0
        for code in range(1, 2**6):
            among = np.flatnonzero(code >> np.arange(6) & 1)
            assert descend(search, among, np.full(60, -1), 6, 12, 100)[0] >= value * (1 - 1e-9)


def test_it_is_reproducible_and_ends_when_cancelled():
    problem = dtopt.generate("paper", users=80, stations=20, seed=5)
    first, again = (improve(sets_of(problem), 20, np.arange(80) % 20) for _ in range(2))
    assert first[0] == again[0]
    assert (first[1] == again[1]).all()
    cancelled = Cancellation()
    cancelled.cancel()
    value, association = sets_of(problem).improve(np.arange(20), np.arange(80) % 20, cancelled)
    assert association.min() >= 0
    assert np.isfinite(value)
    assert value >= first[0]


def test_what_is_wrong_is_refused():
    search = OpenSetSearch(view_of(np.ones((3, 2))))
    start, usable = np.zeros(3, dtype=np.int64), np.arange(2)
    with pytest.raises(TypeError):
        search.bound(np.arange(2, dtype=np.int32))
    with pytest.raises(TypeError):
        search.improve(usable, np.zeros(6, dtype=np.int64)[::2], Cancellation())
    for bad in (np.array([2]), np.array([-1]), np.array([0, 0])):
        with pytest.raises(ValueError, match="servers"):
            search.bound(bad)
    for bad in (np.array([0, 0, 2]), np.array([0, 0, -2]), start[:2]):
        with pytest.raises(ValueError, match="start"):
            search.improve(usable, bad, Cancellation())
    listed = lists_of(dtopt.generate("paper", users=30, stations=6), width=2).view
    with pytest.raises(ValueError, match="dense"):
        OpenSetSearch(listed)


def test_the_search_only_gains_by_it():
    gained = 0
    for seed in range(6):
        problem = dtopt.generate("paper", users=60, stations=8, seed=seed)
        lists = lists_of(problem)
        search, sets = Search(lists, seed), OpenSetSearch(lists.view)
        search.start()
        before, costs = search.best_cost, []
        open_better(search, sets, np.arange(8), lambda seen=costs, s=search: seen.append(s.best_cost))
        try_others(search, sets, np.arange(8), np.random.default_rng(seed), lambda: None)
        assert costs == sorted(costs, reverse=True)
        assert search.best_cost <= min([before, *costs]) * (1 + 1e-12)
        judged = evaluate(problem, Solution(search.best()))
        assert judged.objective == pytest.approx(search.best_cost + problem.constant_cost, rel=1e-9)
        gained += search.best_cost < before
    assert gained >= 5
