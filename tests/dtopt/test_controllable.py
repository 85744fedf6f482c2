"""The gap of what can be decided: its definition by hand, what a result keeps of it, and where it is shown."""

from __future__ import annotations

import json
import math
import pickle
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import dtopt
from dtopt.evaluation import evaluate
from dtopt.io.files import load_npz
from dtopt.notebook import result_html
from dtopt.problem import Migration, Placement
from dtopt.result import controllable_gap, relative_gap
from dtopt.run import Run
from dtopt.testing import tiny_problem
from tests.mutations import good_problem

#: One user at a rate of 1 Mbit/s, one at 2 Mbit/s, each beside a station of its own.
RATE_BPS = np.array([1e6, 2e6])


def network(**users):
    """Two users and two stations 1000 m apart; the gains give exactly `RATE_BPS` on 1 MHz."""
    noise_w = 1e-3 * 10 ** (-174 / 10) * 1e6
    # log2(1 + p h / noise) is 1 and 2, with p = 0.5 W.
    near = (2.0 ** (RATE_BPS / 1e6) - 1) * noise_w / 0.5
    gain = np.array([[near[0], 0.0], [0.0, near[1]]])
    given = {"data_bits": [4e6, 6e6], "update_bits": [1e6, 2e6], "tx_power_w": [0.5, 0.5], "deadline_s": np.inf}
    return dtopt.Network(
        dtopt.Users(**{**given, **users}, position_m=[[0.0, 0.0], [1000.0, 0.0]]),
        dtopt.BaseStations([1e9, 1e9], [2, 2], [[0.0, 0.0], [1000.0, 0.0]]),
        dtopt.GainMatrix(gain),
        bandwidth_hz=1e6,
        noise_dbm_per_hz=-174.0,
        cycles_per_bit=10.0,
        backhaul_s_per_bit_m=1e-10,
    )


def test_p1_by_hand():
    # w = D + η ΔD / Δt = 5e6 and 8e6 bits: 5 s and 4 s by radio. E = 0.5·4 + 0.5·3 = 3.5 J of the data alone.
    settings = {
        "sync_weight": 0.5,
        "update_period_s": 0.5,
        "server_cost": 2.0,
        "latency_weight": 3.0,
        "cost_weight": 0.1,
    }
    latency = Placement(network(), objective="latency", **settings)
    assert latency.wireless_latency == pytest.approx([5.0, 4.0])
    assert latency.uncontrollable_objective == pytest.approx(4.5)
    cost = Placement(network(), objective="system-cost", **settings)
    assert cost.uncontrollable_objective == pytest.approx(3.0 * 4.5 + 0.1 * 3.5)
    # Each on its own server, 10 cycles a bit at 1 GHz: 0.05 s and 0.08 s more, and two servers to pay for.
    judged = evaluate(cost, dtopt.Solution([0, 1]))
    assert judged.objective == pytest.approx(13.85 + 3.0 * 0.065 + 0.1 * 2.0 * 2)
    result = made(cost, [0, 1], bound=14.0)
    assert result.gap == pytest.approx((14.445 - 14.0) / 14.445)
    assert result.controllable_gap == pytest.approx((14.445 - 14.0) / (14.445 - 13.85))


def test_given_pair_latencies_are_all_controllable():
    users = dtopt.Users([1.0, 1.0], [0.0, 0.0], [1.0, 1.0], np.inf)
    plain = dtopt.Network(users, dtopt.BaseStations([4.0, 4.0], [2, 2]), None)
    demand = np.ones((2, 2))
    problem = Placement(plain, "fixed", demand, objective="latency", pair_latency_s=np.array([[3.0, 5.0], [2.0, 1.0]]))
    assert problem.uncontrollable_objective == 0.0
    result = made(problem, [0, 1], bound=1.5)
    assert result.objective == 2.0
    assert result.controllable_gap == result.gap == 0.25


def test_p2_by_hand():
    # ΔD of 1e6 and 2e6 bits take 1 s each by radio, E = 0.5 J each.
    problem = Migration(network(deadline_s=[2.0, 3.0]), previous=[0, 1], beta=0.25, deadline="soft")
    assert problem.energy_j == pytest.approx([0.5, 0.5])
    ideal = 0.25 * (math.e + math.e**2) - 0.75 * 1.0
    assert problem.uncontrollable_objective == pytest.approx(ideal)
    judged = evaluate(problem, dtopt.Solution([0, 1]))
    utility = 0.25 * (math.exp(1 - 0.01) + math.exp(2 - 0.02)) - 0.75
    assert judged.objective == pytest.approx(utility)
    result = made(problem, [0, 1], bound=0.5 * (utility + ideal))
    assert result.controllable_gap == pytest.approx(0.5)


def made(problem, association, *, bound):
    """What a run returns that found one association and a bound."""
    run = Run(problem, "by-hand")
    with run:
        assert run.offer(np.array(association))
        run.offer_bound(bound)
    return run.result()


@pytest.mark.parametrize(
    ("objective", "bound", "constant", "gap"),
    [
        (2.0, 1.9, 1.8, 0.5),
        (2.0, 2.1, 2.2, 0.5),  # to be maximised
        (2.0, 2.0, None, 0.0),
        (2.0, 2.0, 2.0, 0.0),
        (2.0, 1.9, 2.0, math.inf),
        (2.0, 1.9, None, math.inf),
        (2.0, 1.9, math.inf, math.inf),
        (2.0, None, 1.0, math.inf),
        (None, 1.0, 1.0, math.inf),
        (2.0, -math.inf, 1.0, math.inf),
    ],
)
def test_the_edges_of_the_definition(objective, bound, constant, gap):
    assert controllable_gap(objective, bound, constant) == pytest.approx(gap)


@given(
    st.integers(0, 10**6), st.sampled_from([("placement", "system-cost"), ("placement", "latency"), ("migration", "")])
)
def test_no_feasible_solution_is_better_than_the_ideal(seed, which):
    kind, objective = which
    options = {"objective": objective} if objective else {}
    problem = tiny_problem(seed, kind=kind, sharing=("optimal", "equal", "fixed")[seed % 3], **options)
    found = dtopt.solve(problem, "nearest")
    if found.solution is None:
        return
    ideal = problem.uncontrollable_objective
    slack = 1e-9 * max(abs(ideal), abs(found.objective))
    assert found.objective <= ideal + slack if problem.maximise else found.objective >= ideal - slack
    # So the controllable gap to any bound between the two is at most 1, and never less than the gap of the whole
    # where the ideal and the objective have the same sign.
    middle = 0.5 * (ideal + found.objective)
    part = controllable_gap(found.objective, middle, ideal)
    assert part <= 0.5 + 1e-6
    if abs(found.objective - ideal) <= abs(found.objective):
        assert part >= relative_gap(found.objective, middle) * (1 - 1e-9)


@pytest.fixture
def result():
    problem = good_problem()
    return problem, made(problem, dtopt.solve(problem, "greedy").solution.association, bound=0.001)


def test_a_pickled_result_keeps_it(result):
    problem, found = result
    again = pickle.loads(pickle.dumps(found))
    assert again.problem is None
    assert again.uncontrollable_objective == problem.uncontrollable_objective
    assert again.controllable_gap == found.controllable_gap > found.gap > 0


def test_every_form_of_a_result_shows_it(result, tmp_path):
    problem, found = result
    text = f"controllable gap {100 * found.controllable_gap:.3g} %"
    assert text in str(found)
    assert text in result_html(found)
    document = found.to_dict()
    assert document["controllable_gap"] == found.controllable_gap
    assert document["uncontrollable_objective"] == problem.uncontrollable_objective
    for name in ("solution.json", "solution.npz"):
        dtopt.write_solution(found, tmp_path / name, problem)
    kept = json.loads((tmp_path / "solution.json").read_text())["result"]
    assert kept == load_npz(tmp_path / "solution.npz")[0]["result"]
    assert kept["controllable_gap"] == found.controllable_gap
    dtopt.read_solution(tmp_path / "solution.json", problem)
    blank = replace(found, bound=None)
    assert blank.to_dict()["controllable_gap"] is None
    assert "gap" not in str(blank)


def test_a_result_without_solution_has_none():
    found = Run(good_problem(), "none").result()
    assert found.uncontrollable_objective is None
    assert found.controllable_gap == math.inf
    assert found.to_dict()["controllable_gap"] is None
