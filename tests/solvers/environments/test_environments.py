"""Both environments by their projects' own checkers, and against each other and the evaluator."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from pettingzoo.test import parallel_api_test, parallel_seed_test

from dtopt.errors import InputError
from dtopt.evaluation import evaluate
from dtopt.solution import Solution
from solvers.environments import ParallelPlacementEnv, PlacementEnv, PresetStates

SOURCE = PresetStates("paper", {"users": 5, "stations": 3}, count=4)


def test_gymnasium_finds_nothing_wrong():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(PlacementEnv(SOURCE, slots=4), skip_render_check=True)


def test_pettingzoo_finds_nothing_wrong():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        parallel_api_test(ParallelPlacementEnv(SOURCE, slots=4), num_cycles=40)
        parallel_seed_test(lambda: ParallelPlacementEnv(SOURCE, slots=4), num_cycles=12)


@pytest.mark.parametrize("decoding", ["argmax", "marginal"])
def test_rewards_are_minus_the_evaluators_objective(decoding):
    env = PlacementEnv(SOURCE, slots=3, decoding=decoding)
    env.action_space.seed(1)
    seen = set()
    for seed in range(6):
        _, info = env.reset(seed=seed)
        problem = SOURCE(info["state"])
        seen.add(info["state"])
        for slot in range(3):
            _, reward, ended, truncated, info = env.step(env.action_space.sample())
            assert reward == pytest.approx(-evaluate(problem, Solution(info["association"])).objective)
            assert (ended, truncated) == (False, slot == 2)
    assert len(seen) > 1


def test_what_is_seen_is_the_state():
    env = PlacementEnv(SOURCE, slots=3)
    view, info = env.reset(seed=3)
    problem, slots = SOURCE(info["state"]), env.episode.slots
    rows, rest = view[: 5 * 10].reshape(5, 10), view[5 * 10 :]
    gap = problem.network.users.position_m[:, None] - problem.network.stations.position_m
    assert rows[:, :3] == pytest.approx(np.hypot(gap[..., 0], gap[..., 1]) / env.episode.scales.distance_m, rel=1e-6)
    assert rows[:, 3] == pytest.approx(problem.network.users.data_bits / env.episode.scales.data_bits, rel=1e-6)
    assert rows[:, 4:7] == pytest.approx(problem.network.rate_rows(0, 5) / env.episode.scales.rate_bps, rel=1e-6)
    assert rows[:, 7:].argmax(axis=1).tolist() == slots.association[0].tolist()
    assert (rest[:3] > 0).tolist() == slots.opened[0].tolist()
    assert rest[3:6] == pytest.approx(problem.network.stations.cpu_hz / env.episode.scales.cpu_hz, rel=1e-6)
    printed = PlacementEnv(SOURCE, slots=3, resources=False)
    assert printed.reset(seed=3)[0] == pytest.approx(view[:53])


def test_all_stations_together_are_the_one_agent():
    single, parallel = PlacementEnv(SOURCE, slots=3), ParallelPlacementEnv(SOURCE, slots=3)
    views, _ = parallel.reset(seed=5)
    view, _ = single.reset(seed=5)
    single.action_space.seed(2)
    parallel.reset(seed=5)
    for agent in parallel.agents:
        assert views[agent] == pytest.approx(parallel.state())
    # The two draw from generators of the same kind and seed.
    assert views["station_0"] == pytest.approx(view)
    action = single.action_space.sample()
    rewards = parallel.step(dict(zip(parallel.possible_agents, action.reshape(3, -1), strict=True)))[1]
    assert set(rewards.values()) == {single.step(action)[1]}


def test_an_episode_needs_a_slot():
    with pytest.raises(InputError, match="slots: must be >= 1"):
        PlacementEnv(SOURCE, slots=0)


@pytest.mark.slow
def test_stable_baselines_trains_on_it():
    import torch
    from stable_baselines3 import PPO

    torch.set_num_threads(1)
    env = PlacementEnv(PresetStates("paper", {"users": 4, "stations": 3}, count=1), slots=4, decoding="marginal")
    model = PPO("MlpPolicy", env, n_steps=128, batch_size=64, gamma=0.0, learning_rate=1e-3, seed=0, device="cpu")

    def reward():
        """Mean reward of 50 sampled actions in the first slot."""
        torch.manual_seed(1)
        views = [env.reset(seed=seed)[0] for seed in range(50)]
        return np.mean([env.step(model.predict(view)[0])[1] for view in views if env.reset(seed=0)])

    before = reward()
    model.learn(1280)
    assert reward() > before + 0.02
