"""The dual bound against brute force: never on the wrong side, and near where the theory says so."""

from __future__ import annotations

import math

import numpy as np
import pytest

from dtopt.bounds import _PriceProblem, dual_bound
from tests.oracle import brute_force
from tests.tiny import OBJECTIVES, SHARINGS, tiny_problem


@pytest.mark.slow
@pytest.mark.parametrize("sharing", SHARINGS)
@pytest.mark.parametrize("kind", [*OBJECTIVES, "migration"])
def test_the_bound_holds(kind, sharing):
    tried = 0
    for seed in range(60):
        problem = tiny_problem(
            seed,
            kind="migration" if kind == "migration" else "placement",
            objective=kind if kind in OBJECTIVES else "latency",
            sharing=sharing,
            deadlines=seed % 2 == 0,
            capacities=seed % 3 == 0,
            limited_servers=seed % 5 == 0,
            mode="soft" if seed % 4 == 0 else "hard",
        )
        best, _ = brute_force(problem)
        if best is None:
            continue
        tried += 1
        bound = dual_bound(problem)
        assert math.isfinite(bound)
        assert bound >= best if problem.maximise else bound <= best
    assert tried >= 30


def test_any_prices_give_a_bound():
    rng = np.random.default_rng(0)
    for seed in range(30):
        problem = tiny_problem(seed, capacities=True, limited_servers=True, deadlines=True)
        best, _ = brute_force(problem)
        if best is None or not problem.allowed_matrix.any(axis=1).all():
            continue
        dual = _PriceProblem.of(problem)
        for _ in range(20):
            prices = rng.exponential(10.0 ** rng.uniform(-6, 0), 3 * problem.n_stations + 1)
            assert dual.value(prices) + problem.constant_cost <= best * (1 + 1e-12)


def test_the_smoothed_dual_lies_below_and_its_gradient_is_right():
    problem = tiny_problem(4, users=5, stations=3, capacities=True, limited_servers=True, deadlines=True)
    dual = _PriceProblem.of(problem)
    rng = np.random.default_rng(1)
    prices = rng.uniform(1e-7, 1e-6, 10) + 1e-3 * rng.random(10) * (np.arange(10) >= 3)
    value, slope = dual._smoothed(prices, 1e-2)
    assert value <= dual.value(prices)
    for i in range(10):
        step = 1e-5 * prices[i]
        up, down = (dual._smoothed(prices + d * step * np.eye(10)[i], 1e-2)[0] for d in (1, -1))
        assert slope[i] == pytest.approx((up - down) / (2 * step), rel=1e-4, abs=1e-7)


def test_a_larger_instance_is_nearly_closed():
    from dtopt.registry import solve

    problem = tiny_problem(0, users=60, stations=5)
    assert dual_bound(problem) <= solve(problem, "greedy").objective <= dual_bound(problem) * 1.2
