"""`policy-online`: what it sees, what it learns from, that it learns, and that a killed training goes on exactly."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
import torch

import dtopt
from dtopt._core import Cancellation
from dtopt.errors import InputError
from dtopt.evaluation import evaluate
from dtopt.simulation import simulate
from dtopt.solution import Solution
from dtopt.testing.moving import moving
from solvers._core import ForecastParams, Motion, forecast
from solvers.policy_online import PolicyOnline
from solvers.policy_online.labels import _Recorder, _run, lesson, values
from solvers.policy_online.network import SHIPPED, corrections, load_weights
from solvers.policy_online.training import Config, Network, train
from solvers.policy_online.view import AHEAD, FEATURES

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
    motion = Motion(seen, HORIZON, 5.0, ForecastParams())
    fitted = HORIZON < 30
    assert motion.factor[fitted, 0] == pytest.approx(HORIZON[fitted], rel=1e-6)
    assert motion.factor[fitted, 1] == pytest.approx(0.0, abs=1e-6)
    assert motion.error[fitted] == pytest.approx(0.0, abs=1e-4)
    assert motion.survival == pytest.approx(1.0, abs=1e-3)
    known = ~np.isnan(seen[..., 0])
    assert motion.middle == pytest.approx(seen[known].mean(axis=0))
    step = np.linalg.norm(np.diff(seen, axis=0), axis=2)
    assert motion.pace == pytest.approx(np.nanmean(step, axis=0) + 0.5 * 5.0)


def plain_chances(motion: Motion, i: int, place, velocity, access: int, station, ahead: int, h: int) -> np.ndarray:
    """Return the chances of stations to serve user i at a horizon, shape (F, M), in NumPy."""
    low, high = (end(np.concatenate([station, place]), axis=0) for end in (np.min, np.max))
    angle = 2 * np.pi * np.arange(3) / 3
    ring = motion.error[h] * motion.pace[i] * math.sqrt(4 / 3) * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    middle = place[i] + motion.factor[h, 0] * velocity[i] + motion.factor[h, 1] * (motion.middle - place[i])
    futures = [[middle, *(middle + ring)], [place[i] + ahead * velocity[i]], [place[i]]]
    chance = np.zeros((len(futures), len(station)))
    for f, places in enumerate(futures):
        for to in places:
            x = np.clip(to, low, high)
            behind = np.linalg.norm(x - station, axis=1)
            behind = (behind - behind.min()) / 60.0
            near = np.where(behind < 5.0, np.exp(-behind), 0.0)
            keeps = math.exp(-float(np.linalg.norm(x - place[i])) / 50.0) if access >= 0 else 0.0
            chance[f] += (1 - keeps) * near / near.sum() / len(places)
            if access >= 0:
                chance[f, access] += keeps / len(places)
    return chance


def scene(seed: int) -> dict[str, Any]:
    """Return arguments of `forecast` for two users, four stations and three servers."""
    rng = np.random.default_rng(seed)
    station = rng.uniform(0, 1500, (4, 2))
    distance = np.hypot(*(station[:, None] - station[None, :3]).transpose(2, 0, 1))
    seen = np.cumsum(rng.normal(0, 40, (20, 2, 2)), axis=0) + 700
    return {
        "motion": Motion(seen, np.array([1, 2, 4]), 5.0, ForecastParams()),
        "user": np.arange(2),
        "place": rng.uniform(0, 1500, (2, 2)),
        "velocity": rng.normal(0, 60, (2, 2)),
        "access": np.array([1, -1]),
        "wire": rng.uniform(1e-4, 1e-3, 2),
        "move": rng.uniform(1e-4, 1e-3, 2),
        "others": rng.uniform(0, 0.2, (2, 3)),
        "pressure": rng.uniform(0, 0.1, (2, 3)),
        "allowed": np.array([[True, True, True], [True, False, True]]),
        "station": station,
        "to_server": distance,
        "between": distance[:3].copy(),
        "shown": np.array([0, 2]),
        "params": ForecastParams(),
        "cancellation": Cancellation(),
    }


@pytest.mark.parametrize("seed", range(3))
def test_values_of_a_forecast_are_those_of_the_best_of_all_ways(seed: int) -> None:
    s = scene(seed)
    motion, ahead = s["motion"], (1, 2, 4)
    value, wire = forecast(**s)
    assert value.shape == (3, 2, 3)
    assert wire.shape == (2, 2, 2, 3)
    slots = np.diff(ahead, prepend=0)
    for i in range(2):
        access = int(s["access"][i])
        chance = np.stack(
            [plain_chances(motion, i, s["place"], s["velocity"], access, s["station"], ahead[h], h) for h in range(3)]
        )
        length = s["wire"][i] * chance @ s["to_server"]  # (H, F, S)
        assert wire[:, :, i] == pytest.approx(length[[0, 2]][:, :2].transpose(1, 0, 2))
        for f, k in itertools.product(range(3), range(3)):
            best = -np.inf
            for way in itertools.product(np.flatnonzero(s["allowed"][i]), repeat=3):
                total, before = 0.0, k
                for h, to in enumerate(way):
                    worth = np.exp(-length[h, f, to] - s["others"][i, to])
                    moved = np.exp(-s["move"][i] * s["between"][before, to])
                    gain = worth * (slots[h] - 1 + moved) - slots[h] * s["pressure"][i, to]
                    total, before = total + motion.survival ** ahead[h] * gain, to
                best = max(best, total)
            assert value[f, i, k] == pytest.approx(best)


def test_without_places_of_stations_users_stay_at_theirs() -> None:
    s = scene(0) | {"station": None}
    value, wire = forecast(**s)
    at = np.maximum(s["access"], 0)
    assert wire == pytest.approx(np.broadcast_to(s["wire"][:, None] * s["to_server"][at], wire.shape))
    assert value[1:] == pytest.approx(value[:-1])


def test_a_forecast_refuses_what_it_cannot_read() -> None:
    s = scene(0)
    wrong = {
        "user": (np.array([0, 2]), np.arange(1), np.arange(2, dtype=np.int32)),
        "place": (s["place"][:, ::-1], np.full((2, 2), np.nan), np.zeros((2, 3))),
        "access": (np.array([4, 0]), np.array([-2, 0])),
        "wire": (np.ones(3), np.ones(2, dtype=np.float32)),
        "others": (np.ones((3, 2)), np.asfortranarray(np.ones((2, 3)))),
        "allowed": (np.ones((2, 3)),),
        "to_server": (np.ones((4, 2)),),
        "between": (np.ones((3, 2)),),
        "shown": (np.array([3]),),
    }
    for name, value in [(name, value) for name, several in wrong.items() for value in several]:
        with pytest.raises((TypeError, ValueError)):
            forecast(**s | {name: value})
    for ahead in ([0, 1], [2, 2], [-1]):
        with pytest.raises(ValueError, match="ahead"):
            Motion(np.zeros((5, 2, 2)), np.array(ahead), 5.0, ForecastParams())
    with pytest.raises(ValueError, match="two coordinates"):
        Motion(np.zeros((5, 2, 3)), np.array([1]), 5.0, ForecastParams())


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
