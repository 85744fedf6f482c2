"""Training on changing network states: the same after a kill as without, logs, and wrong input."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys

import numpy as np
import pytest
import torch

from dtopt.errors import InputError
from solvers.environments.states import NetworkStates
from solvers.learning import CHECKPOINT, load_checkpoint, save_checkpoint
from solvers.maddpg.training import Config, load, train

SMALL = {"iterations": 24, "users": 5, "stations": 3, "states": 4, "slots": 3, "warm_up": 12, "checkpoint_every": 10}
KILLED = """
import os, signal, sys
from pathlib import Path
from solvers.maddpg.training import Config, train

def on_step(step, steps, values):
    if step == 17:
        os.kill(os.getpid(), signal.SIGKILL)

train(Config.model_validate_json(sys.argv[1]), Path(sys.argv[2]), on_step=on_step)
"""


def same(first, second):
    """Whether two states of tensors, numbers and text are equal to the last bit."""
    if isinstance(first, torch.Tensor):
        return torch.equal(first, second)
    if isinstance(first, dict):
        return first.keys() == second.keys() and all(same(first[key], second[key]) for key in first)
    if isinstance(first, (list, tuple)):
        return len(first) == len(second) and all(map(same, first, second))
    return first == second


def rows(directory):
    with (directory / "log.csv").open(newline="") as file:
        return [{k: v for k, v in row.items() if "seconds" not in k} for row in csv.DictReader(file)]


def test_a_killed_run_goes_on_to_the_same_end(tmp_path):
    config = Config(**SMALL)
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    expected = train(config, whole).state_dict()
    run = subprocess.run([sys.executable, "-c", KILLED, config.model_dump_json(), str(broken)], check=False)
    assert run.returncode == -signal.SIGKILL
    assert load_checkpoint(broken / CHECKPOINT)["learner"]["counts"] == [30, 10]
    # What a kill in the middle of a write would leave.
    with (broken / "log.csv").open("a") as file:
        file.write("11,0.5\n12")
    (broken / f"{CHECKPOINT}.part").write_bytes(b"half of it")
    resumed = train(config, broken, resume=True).state_dict()
    assert same(expected, resumed)
    assert rows(whole) == rows(broken)
    assert [int(row["iteration"]) for row in rows(broken)] == list(range(1, 25))


def test_the_log_says_what_happened(tmp_path):
    seen = []
    train(Config(**SMALL), tmp_path, on_step=lambda step, steps, values: seen.append((step, steps, values)))
    assert [step for step, _, _ in seen] == list(range(1, 25))
    assert {steps for _, steps, _ in seen} == {24}
    costs = [float(row["cost"]) for row in rows(tmp_path)]
    assert costs == [values["cost"] for _, _, values in seen]
    assert float(rows(tmp_path)[-1]["cumulative_cost"]) == pytest.approx(sum(costs))
    assert "critic_loss" not in seen[0][2]
    assert "critic_loss" in seen[-1][2]
    assert any((tmp_path / "tensorboard").iterdir())


def test_trained_agents_decide_on_states_they_never_saw(tmp_path):
    config = Config(**SMALL)
    trained = train(config, tmp_path)
    source = config.source()
    unseen = NetworkStates.of([source.__class__("paper", source.options, first_seed=3)(k) for k in range(4)])
    best, costs = trained.decide(unseen, slots=3, noise=0.5, seed=1)
    assert unseen.feasible(best).all()
    assert unseen.objective(best) == pytest.approx(costs.min(axis=0))
    again, _ = load(tmp_path).decide(unseen, slots=3, noise=0.5, seed=1)
    assert np.array_equal(best, again)


def test_printed_is_the_plainest_reading_but_for_what_is_set():
    settings = Config(printed=True, hidden=16).settings()
    assert (settings.networks, settings.decoding, settings.executed, settings.hidden) == ("flat", "argmax", False, 16)
    assert Config().settings().networks == "seat"
    assert settings.gamma == 0.7


def test_agents_trained_as_printed_are_loaded_as_such(tmp_path):
    config = Config(**SMALL, printed=True)
    trained = train(config, tmp_path)
    assert load(tmp_path).settings == trained.settings == config.settings()


def test_only_a_checkpoint_of_the_same_configuration_is_taken(tmp_path):
    with pytest.raises(InputError, match="there is no run to go on with"):
        train(Config(**SMALL), tmp_path, resume=True)
    (tmp_path / CHECKPOINT).write_bytes(b"nothing of the kind")
    with pytest.raises(InputError, match="is no checkpoint"):
        train(Config(**SMALL), tmp_path, resume=True)
    with pytest.raises(InputError, match="there is a run already"):
        train(Config(**SMALL), tmp_path)
    (tmp_path / CHECKPOINT).unlink()
    train(Config(**SMALL), tmp_path)
    with pytest.raises(InputError, match="is of another configuration"):
        train(Config(**SMALL, seed=1), tmp_path, resume=True)


def test_a_checkpoint_can_run_no_code(tmp_path):
    class Evil:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "proof"),)

    save_checkpoint({"config": Evil()}, tmp_path / CHECKPOINT)
    with pytest.raises(InputError, match="is no checkpoint"):
        load_checkpoint(tmp_path / CHECKPOINT)
    assert not (tmp_path / "proof").exists()
