"""`policy-online`: what it sees, what it learns from, that it learns, and that a killed training goes on exactly."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

import dtopt
from dtopt.errors import InputError
from dtopt.evaluation import evaluate
from dtopt.simulation import simulate
from dtopt.solution import Solution
from dtopt.testing.moving import moving
from solvers.policy_online import PolicyOnline
from solvers.policy_online.futures import AHEAD, FITTED, FUTURES, fit_motion, stations_ahead, values_ahead
from solvers.policy_online.labels import _Recorder, _run, lesson, values
from solvers.policy_online.network import SHIPPED, corrections, load_weights
from solvers.policy_online.training import Config, Network, train
from solvers.policy_online.view import FEATURES

HORIZON = np.array(AHEAD, dtype=np.int64)


def random_network(seed: int) -> Network:
    torch.manual_seed(seed)
    network = Network(8, 6)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    network.middle.copy_(torch.randn(FEATURES))
    network.scale.copy_(torch.rand(FEATURES) + 0.5)
    return network


def test_inference_is_what_was_trained_in_any_order() -> None:
    network = random_network(0)
    shown = np.random.default_rng(1).normal(size=(7, 4, FEATURES)).astype(np.float32)
    with torch.no_grad():
        wanted = network(torch.from_numpy(shown), torch.ones(7, 4, dtype=torch.bool)).numpy()
    weights = network.weights()
    assert corrections(weights, shown) == pytest.approx(wanted, abs=2e-5)
    user, server = np.random.default_rng(2).permutation(7), np.random.default_rng(3).permutation(4)
    assert corrections(weights, shown[user][:, server]) == pytest.approx(wanted[user][:, server], abs=2e-5)
    # Places of servers that a scenario has not change nothing.
    padded = np.concatenate([shown, np.full((7, 2, FEATURES), 3.0, dtype=np.float32)], axis=1)
    there = torch.tensor([True] * 4 + [False] * 2).repeat(7, 1)
    with torch.no_grad():
        assert network(torch.from_numpy(padded), there).numpy()[:, :4] == pytest.approx(wanted, abs=2e-5)


def test_straight_ways_are_fitted_without_error() -> None:
    seen = np.arange(40)[:, None, None] * np.random.default_rng(0).normal(0, 5, (1, 30, 2))
    seen[:10, 3] = np.nan
    motion = fit_motion(seen, np.arange(30), HORIZON, 5.0)
    fitted = HORIZON < 30
    assert motion.factor[fitted, 0] == pytest.approx(HORIZON[fitted], rel=1e-6)
    assert motion.factor[fitted, 1] == pytest.approx(0.0, abs=1e-6)
    assert motion.error[fitted] == pytest.approx(0.0, abs=1e-4)
    assert motion.survival == pytest.approx(1.0, abs=1e-3)


def test_values_of_futures_are_those_of_the_best_of_all_ways() -> None:
    rng = np.random.default_rng(4)
    ahead = np.array([1, 2, 4], dtype=np.int64)
    n, m, count = 2, 4, 3
    station = rng.uniform(0, 1500, (m, 2))
    distance = np.hypot(*(station[:, None] - station[None, :count]).transpose(2, 0, 1))
    motion = fit_motion(np.cumsum(rng.normal(0, 40, (20, n, 2)), axis=0) + 700, np.arange(n), ahead, 5.0)
    place, velocity = rng.uniform(0, 1500, (n, 2)), rng.normal(0, 60, (n, 2))
    low, high = np.zeros(2), np.full(2, 1500.0)
    chance = stations_ahead(place, velocity, np.array([1, -1]), motion, station, ahead, low, high)
    assert chance.sum(axis=3) == pytest.approx(1.0)
    wire, move, pressure = rng.uniform(1e-4, 1e-3, n), rng.uniform(1e-4, 1e-3, n), rng.uniform(0, 0.1, (n, count))
    others, allowed, survival = rng.uniform(0, 0.2, (n, count)), np.ones((n, count)), 0.95
    found = values_ahead(
        chance, wire, move, distance, distance[:count], others, pressure, allowed, survival, ahead
    ).value
    slots = np.diff(ahead, prepend=0)
    for f, i, k in itertools.product(range(FUTURES), range(n), range(count)):
        best = -np.inf
        for way in itertools.product(range(count), repeat=3):
            total, before = 0.0, k
            for h, to in enumerate(way):
                worth = np.exp(-wire[i] * chance[f, h, i] @ distance[:, to] - others[i, to])
                moved = np.exp(-move[i] * distance[before, to])
                gain = worth * (slots[h] - 1 + moved) - slots[h] * pressure[i, to]
                total, before = total + survival ** ahead[h] * gain, to
            best = max(best, total)
        assert found[f, i, k] == pytest.approx(best)
    assert found[FITTED].shape == (n, count)


@pytest.mark.parametrize("sharing", ["optimal", "equal", "fixed"])
def test_labels_of_a_user_alone_are_what_the_evaluator_says(sharing: str) -> None:
    scenario = moving(5, users=1, stations=3, slots=4, sharing=sharing, deadlines=True)
    recorder = _Recorder(None)
    trajectory = simulate(scenario, recorder)
    run, _ = _run(scenario, recorder, trajectory.associations)
    best, kept = values(run, True)[0, 0], values(run, False)[0, 0]
    for k in range(3):
        worth = -np.inf
        for way in itertools.product(range(3), repeat=3):
            total, before = 0.0, np.array([k])
            for slot, to in enumerate(way, start=1):
                problem = scenario.problem(slot, before)
                before = np.array([to])
                judged = evaluate(problem, Solution(before))
                total += judged.objective + (1 - problem.beta) * float(problem.energy_j.sum())
            worth = max(worth, total)
        assert best[k] == pytest.approx(worth)
    assert (kept <= best + 1e-9).all()
    # What the policy really went through is one of the ways.
    served = sum(s.objective for s in trajectory.slots[1:])
    energy = sum(
        (1 - scenario.base.beta) * float(scenario.problem(t, trajectory.associations[t - 1]).energy_j.sum())
        for t in range(1, 4)
    )
    assert kept[int(trajectory.associations[0][0])] == pytest.approx(served + energy)


def test_it_gains_where_moves_cost() -> None:
    gains = []
    for seed in range(2):
        scenario = dtopt.generate_scenario("paper", seed=seed, users=40, slots=30, interaction="construction")
        myopic, online = simulate(scenario, "local-search"), simulate(scenario, "policy-online")
        gains.append(online.objective / myopic.objective)
    assert np.mean(gains) > 1.01


TINY = {
    "rounds": 2, "scenarios": 2, "held_out": 1, "users": (8, 12), "slots": 10, "last": 3, "steps": 6, "batch": 16,
    "width": 6, "second": 5, "save_every": 2, "part": 1.0,
}  # fmt: skip


class Killed(BaseException):
    """What a test kills a run with."""


def test_a_killed_training_goes_on_to_the_same_weights(tmp_path) -> None:
    config = Config(**TINY)
    whole = load_weights(train(config, tmp_path / "whole"))

    def kill(step: int, steps: int, row: dict[str, float]) -> None:
        if step == 9 and "loss" in row:
            raise Killed

    with pytest.raises(Killed):
        train(config, tmp_path / "cut", on_step=kill)
    with pytest.raises(InputError, match="already"):
        train(config, tmp_path / "cut")
    with pytest.raises(InputError, match="another configuration"):
        train(Config(**TINY | {"seed": 1}), tmp_path / "cut", resume=True)
    resumed = load_weights(train(config, tmp_path / "cut", resume=True))
    assert all(np.array_equal(a, b) for a, b in zip(whole, resumed, strict=True))
    logs = [(tmp_path / d / "log.csv").read_text().splitlines() for d in ("whole", "cut")]
    assert [row.rsplit(",", 1)[0] for row in logs[0]] == [row.rsplit(",", 1)[0] for row in logs[1]]


def test_it_learns(tmp_path) -> None:
    scenario = dtopt.generate_scenario("paper", seed=7, users=20, slots=30, interaction="construction")
    made, _ = lesson(scenario, None, last=8, part=1.0, seed=0)
    assert made.kept.shape == made.value.shape == made.best.shape
    rows = []
    train(
        Config(**TINY | {"rounds": 1, "steps": 60, "width": 16, "batch": 64, "learning_rate": 0.01}),
        tmp_path,
        on_step=lambda step, steps, row: rows.append(row) if "loss" in row else None,
    )
    assert np.mean([r["loss"] for r in rows[-10:]]) < 0.8 * np.mean([r["loss"] for r in rows[:10]])


def test_a_file_that_holds_no_weights_is_told(tmp_path) -> None:
    path = tmp_path / "no.npz"
    path.write_text("nothing")
    with pytest.raises(InputError, match="cannot be read"):
        PolicyOnline(weights=path)
    assert SHIPPED.stat().st_size < 1_000_000
