"""Training of `policy`: it learns, a control does not, and a killed run goes on to the same weights."""

from __future__ import annotations

import numpy as np
import pytest

from dtopt.errors import InputError
from solvers.policy.pool import FIRST_SEED, draw
from solvers.policy.training import Config, train
from solvers.policy.weights import read_weights

SMALL = {
    "users": (10, 16),
    "stations": (3, 5),
    "instances": 14,
    "held_out": 3,
    "batch": 6,
    "samples": 6,
    "width": 8,
    "hidden": 12,
    "rounds": 2,
    "save_every": 4,
    "learning_rate": 1e-2,
}


class Killed(BaseException):
    """What a test kills a run with."""


def run(path, config, **options):
    rows = []
    train(config, path, on_step=lambda step, steps, row: rows.append(row) if step else None, **options)
    return rows, read_weights(path / "policy.npz")


def test_a_killed_run_goes_on_to_the_same_weights(tmp_path):
    config = Config(imitation=6, policy_gradient=6, **SMALL)
    _, whole = run(tmp_path / "whole", config)

    def kill(step, steps, row):
        if step == 7:  # between two checkpoints, in the second phase
            raise Killed

    with pytest.raises(Killed):
        train(config, tmp_path / "cut", on_step=kill)
    with pytest.raises(InputError, match="already"):
        train(config, tmp_path / "cut")
    with pytest.raises(InputError, match="another configuration"):
        train(config.model_copy(update={"samples": 5}), tmp_path / "cut", resume=True)
    rest, resumed = run(tmp_path / "cut", config, resume=True)
    assert [row["step"] for row in rest] == list(range(5, 13))
    assert all((a == b).all() for a, b in zip(whole, resumed, strict=True))
    logs = [(tmp_path / name / "log.csv").read_text().splitlines() for name in ("whole", "cut")]
    assert [line.rsplit(",", 1)[0] for line in logs[0]] == [line.rsplit(",", 1)[0] for line in logs[1]]
    assert len(logs[0]) == 13


def test_nothing_to_go_on_with_is_said(tmp_path):
    with pytest.raises(InputError, match="no run to go on with"):
        train(Config(imitation=1, policy_gradient=0, **SMALL), tmp_path, resume=True)


def test_it_learns_from_a_teacher_and_not_from_shuffled_answers(tmp_path):
    losses = {}
    for shuffled in (False, True):
        config = Config(imitation=60, policy_gradient=0, shuffled=shuffled, **SMALL)
        rows, _ = run(tmp_path / str(shuffled), config)
        loss = [row["loss"] for row in rows]
        losses[shuffled] = np.mean(loss[-6:]) / np.mean(loss[:6])
    assert losses[False] < 0.75
    assert losses[False] < losses[True] - 0.1


def test_training_instances_are_apart_from_all_others():
    assert FIRST_SEED >= 10**9
    problem = draw(FIRST_SEED + 1, (10, 20), (3, 5))
    assert 10 <= problem.n_users <= 20
    assert "s1000000001" in problem.name
    assert "melbourne" not in problem.name
