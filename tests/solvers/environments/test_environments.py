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


@pytest.mark.parametrize("kind", [PlacementEnv, ParallelPlacementEnv])
def test_settings_out_of_range_are_refused(kind):
    for settings, words in (
        ({"slots": 0}, "slots: must be >= 1"),
        ({"slots": 2.5}, "slots: is not an array of whole numbers"),
        ({"decoding": "best"}, "decoding: unknown value 'best'"),
        ({"score_weight": np.nan}, "score_weight: must be a number"),
    ):
        with pytest.raises(InputError, match=words):
            kind(SOURCE, **settings)


def filled(size, value):
    action = np.zeros(size, dtype=np.float32)
    action[size // 2] = value
    return action


#: An action of the right size made into one that is none, and what the error says.
BAD_ACTIONS = [
    (lambda size: filled(size, np.nan), "must be a number, got nan"),
    (lambda size: filled(size, np.inf), "must be finite, got inf"),
    (lambda size: filled(size, -np.inf), "must be finite, got -inf"),
    (lambda size: np.zeros(size - 1), "has shape {0}, expected {1}"),
    (lambda size: np.zeros((1, size)), "has shape 1 x {1}, expected {1}"),
    (lambda size: np.zeros(0), "has shape 0, expected {1}"),
    (lambda size: 0.5, "has shape a single number, expected {1}"),
    (lambda size: None, "has type object"),
    (lambda size: ["0.5"] * size, "has type <U3"),
    (lambda size: np.zeros(size, dtype=bool), "has type bool"),
    (lambda size: np.zeros(size, dtype=complex), "has type complex128"),
    (lambda size: [[0.5], [0.5, 1.0]], "is not an array of numbers"),
]


@pytest.mark.parametrize(("make", "words"), BAD_ACTIONS)
def test_actions_that_are_none_are_refused_and_change_nothing(make, words):
    single, parallel = PlacementEnv(SOURCE, slots=2), ParallelPlacementEnv(SOURCE, slots=2)
    view, _ = single.reset(seed=1)
    views, _ = parallel.reset(seed=1)
    size = single.action_space.shape[0]
    with pytest.raises(InputError) as caught:
        single.step(make(size))
    assert str(caught.value).startswith("action")
    assert words.format(size - 1, size) in str(caught.value)
    actions = {agent: np.zeros(6, dtype=np.float32) for agent in parallel.agents}
    with pytest.raises(InputError) as caught:
        parallel.step(actions | {"station_1": make(6)})
    assert str(caught.value).startswith("actions['station_1']")
    assert words.format(5, 6) in str(caught.value)
    # The episode goes on as if nothing had been asked.
    assert (single.episode.view() == view).all()
    assert (parallel.state() == views["station_0"]).all()
    assert not single.step(np.zeros(size))[3]
    assert single.step([0] * size)[3]


def test_agents_must_all_act_and_no_others():
    env = ParallelPlacementEnv(SOURCE, slots=2)
    env.reset(seed=1)
    actions = {agent: np.zeros(6) for agent in env.agents}
    for wrong, words in (
        ({}, "actions['station_0']: has no action"),
        ({"station_0": np.zeros(6)}, "actions['station_1']: has no action"),
        (actions | {"me": np.zeros(6)}, "actions['me']: is no agent"),
    ):
        with pytest.raises(InputError) as caught:
            env.step(wrong)
        assert words in str(caught.value)


def test_a_step_needs_a_reset_before_the_first_and_after_the_last_slot():
    single, parallel = PlacementEnv(SOURCE, slots=1), ParallelPlacementEnv(SOURCE, slots=1)
    action = np.zeros(single.action_space.shape)
    actions = {agent: np.zeros(6) for agent in parallel.possible_agents}
    for step in (lambda: single.step(action), lambda: parallel.step(actions), parallel.state):
        with pytest.raises(InputError, match="no episode has begun: call reset first"):
            step()
    for _ in range(2):
        single.reset(seed=1)
        parallel.reset(seed=1)
        single.step(action)
        parallel.step(actions)
        for step in (lambda: single.step(action), lambda: parallel.step(actions)):
            with pytest.raises(InputError, match="the episode is over: call reset first"):
                step()


def test_what_is_outside_the_action_space_is_clipped():
    env = PlacementEnv(SOURCE, slots=1)
    action = np.random.default_rng(0).uniform(-3, 3, env.action_space.shape)
    env.reset(seed=2)
    reward = env.step(action)[1]
    env.reset(seed=2)
    assert env.step(np.clip(action, -1, 1))[1] == reward


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
