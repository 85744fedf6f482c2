"""CPU shares: the KKT solution against SciPy, and what each policy promises."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dtopt.sharing import cpu_shares, water_filling
from dtopt.testing.tiny import tiny_problem
from tests.reference import shares_by_convex_solver


def random_server(seed):
    """Weights and floors of one server whose floors take 30 to 99 % of the CPU, unevenly, so that some bind."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 9))
    weight = np.sqrt(rng.uniform(1e7, 1e9, n))
    floor = rng.dirichlet(np.full(n, 0.7)) * rng.uniform(0.3, 0.99) * 16e9
    return weight, floor


def test_kkt_shares_equal_the_convex_solution():
    binding = 0
    for seed in range(200):
        weight, floor = random_server(seed)
        shares = water_filling(weight, floor, np.zeros(weight.size, dtype=np.int64), np.array([16e9]))
        expected = shares_by_convex_solver(weight, floor, 16e9)
        assert shares / 16e9 == pytest.approx(expected / 16e9, abs=1e-6), seed
        assert (weight**2 / shares).sum() == pytest.approx((weight**2 / expected).sum(), rel=1e-6)
        binding += bool((shares <= floor * (1 + 1e-12)).any())
    assert binding > 150


@given(st.integers(0, 10_000), st.integers(1, 4))
def test_kkt_conditions_hold_on_all_servers_at_once(seed, m):
    rng = np.random.default_rng(seed)
    n = 12
    server = rng.integers(0, m, n)
    cpu = rng.uniform(8e9, 24e9, m)
    weight = np.sqrt(rng.uniform(1e7, 1e9, n))
    floor = np.where(rng.random(n) < 0.6, rng.uniform(0, 0.3, n) * cpu[server], 0.0)
    shares = water_filling(weight, floor, server, cpu)
    for k in range(m):
        on = server == k
        if not on.any():
            continue
        assert shares[on].sum() == pytest.approx(cpu[k], rel=1e-12)
        if floor[on].sum() > cpu[k]:
            assert shares[on] == pytest.approx(cpu[k] * weight[on] / weight[on].sum(), rel=1e-12)
            continue
        assert (shares[on] >= floor[on] * (1 - 1e-12)).all()
        price = (weight[on] / shares[on]) ** 2  # the multiplier of the CPU, at most as high for clamped twins
        free = shares[on] > floor[on] * (1 + 1e-9)
        if free.any():
            assert price[free] == pytest.approx(price[free][0], rel=1e-9)
            assert (price[~free] <= price[free][0] * (1 + 1e-9)).all()


@pytest.mark.parametrize("sharing", ["optimal", "equal"])
def test_all_of_the_cpu_in_use_is_given(sharing):
    problem = tiny_problem(7, users=5, stations=3, sharing=sharing)
    association = np.array([0, 0, 1, 0, -1])
    shares = cpu_shares(problem, association)
    cpu = problem.network.stations.cpu_hz
    assert np.bincount(association[:4], weights=shares[:4], minlength=3) == pytest.approx([cpu[0], cpu[1], 0])
    assert shares[4] == 0
    if sharing == "equal":
        assert shares[[0, 1, 3]] == pytest.approx(cpu[0] / 3)


def test_twins_with_nothing_to_compute_take_no_part():
    weight = np.array([0.0, 3.0, 0.0])
    shares = water_filling(weight, np.zeros(3), np.array([0, 0, 1]), np.array([10.0, 4.0]))
    assert shares.tolist() == [0.0, 10.0, 4.0]
