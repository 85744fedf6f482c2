"""`dtopt train`: settings from files and options, runs that go on, and one line on wrong use."""

from __future__ import annotations

import json

import pytest

SMALL = ["iterations=6", "users=4", "stations=2", "states=2", "slots=2", "checkpoint_every=3"]


@pytest.fixture
def small():
    return [argument for pair in SMALL for argument in ("--set", pair)]


def test_a_run_ends_and_is_not_begun_twice(dtopt, tmp_path, small):
    folder = tmp_path / "run"
    (tmp_path / "mine.toml").write_text("iterations = 4\nseed = 5\n")
    code, out, err = dtopt("train", "maddpg", "-o", folder, "--config", tmp_path / "mine.toml", *small[2:])
    assert (code, err) == (0, "")
    assert "maddpg is trained" in out
    assert len((folder / "log.csv").read_text().splitlines()) == 5
    assert json.loads((folder / "config.json").read_text())["seed"] == 5
    code, _, err = dtopt("train", "maddpg", "-o", folder)
    assert code == 2
    assert "there is a run already (go on with --resume, or name another folder by -o)" in err
    assert dtopt("train", "maddpg", "-o", folder, "--resume")[0] == 0
    code, _, err = dtopt("train", "maddpg", "-o", folder, "--resume", "--seed", 6)
    assert code == 2
    assert "is of another configuration" in err
    assert json.loads((folder / "config.json").read_text())["seed"] == 5


def test_a_run_cut_before_its_first_checkpoint_is_not_lost_either(dtopt, tmp_path):
    folder = tmp_path / "run"
    (folder / "samples").mkdir(parents=True)
    (folder / "config.json").write_text('{"seed": 5}')
    code, _, err = dtopt("train", "drl-transfer", "-o", folder, "--seed", 6)
    assert code == 2
    assert "there is a run already" in err
    code, _, err = dtopt("train", "drl-transfer", "-o", folder, "--resume", "--seed", 6)
    assert code == 2
    assert "config.json: is of another configuration" in err
    assert (folder / "config.json").read_text() == '{"seed": 5}'


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ([], "name what to train (one of "),
        (["chess"], "there is no trainer 'chess' (one of "),
        (["maddpg", "--set", "gamma=2"], "gamma: input should be less than 1, got 2"),
        (["maddpg", "--set", "gama=0.5"], "gama: is no setting (did you mean 'gamma'? there are gamma, "),
        (["maddpg", "--set", "iterations=many"], "iterations: input should be a valid integer"),
        (["maddpg", "--set", "gamma"], "--set: 'gamma' is not key=value"),
        (["maddpg", "--set", "seed=1", "--set", "seed=2"], "seed is given twice"),
        (["maddpg", "--seed", "-1"], "seed: input should be greater than or equal to 0"),
        (["maddpg", "--set", "preset=nowhere"], "unknown preset 'nowhere'"),
        (["maddpg", "--config", "none.toml"], "none.toml: No such file or directory"),
        (["maddpg", "--resume"], "there is no run to go on with"),
    ],
)
def test_wrong_use_is_one_line(dtopt, tmp_path, monkeypatch, arguments, line):
    monkeypatch.chdir(tmp_path)
    code, _, err = dtopt("train", *arguments)
    assert code == 2
    assert err.count("\n") == 1
    assert line in err


def test_a_folder_of_another_method_is_told(dtopt, tmp_path):
    (tmp_path / "config.json").write_text('{"iterations": 2, "networks": 3}')
    (tmp_path / "checkpoint.pt").write_bytes(b"")
    code, _, err = dtopt("train", "policy", "-o", tmp_path, "--resume")
    assert (code, err.count("\n")) == (2, 1)
    assert "config.json: does not fit policy: " in err
    assert "(was another method trained there?)" in err


def test_a_file_that_is_no_toml_is_named(dtopt, tmp_path):
    (tmp_path / "bad.toml").write_text("iterations = = 3")
    code, _, err = dtopt("train", "maddpg", "--config", tmp_path / "bad.toml", "-o", tmp_path / "run")
    assert code == 2
    assert "bad.toml: is no TOML" in err


def test_the_list_shows_every_setting(dtopt):
    code, out, _ = dtopt("train", "--list")
    assert code == 0
    assert "maddpg" in out
    assert "target_rate" in out


def test_reproduce_trains_draws_and_says(dtopt, tmp_path):
    sizes = ["--size", "4x2", "--size", "5x2"]
    arguments = ["reproduce", "-o", tmp_path / "out", "--iterations", 3, "--states", 2, "--set", "states=2", *sizes]
    code, out, err = dtopt(*arguments)
    assert (code, err) == (0, "")
    assert [line.partition(":")[0] for line in out.splitlines()[:4]] == [f"Figure {n}" for n in (7, 8, 9, 10)]
    assert "N 4 to 5 at M=2" in out
    for name in ("index.html", "figure-7.png", "figure-10.svg", "4x2/log.csv", "5x2/measured.json"):
        assert (tmp_path / "out" / name).exists()


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--size", "large"], "--size: 'large' is no size (such as 100x10)"),
        (["--size", "0x3"], "users: input should be greater than or equal to 1"),
        (["--iterations", "0"], "iterations: input should be greater than or equal to 1"),
        (["--states", "0"], "--states: must be >= 1, got 0"),
        (["--set", "gama=1"], "gama: is no setting"),
    ],
)
def test_wrong_use_of_reproduce_is_one_line(dtopt, tmp_path, monkeypatch, arguments, line):
    monkeypatch.chdir(tmp_path)
    code, _, err = dtopt("reproduce", *arguments)
    assert code == 2
    assert err.count("\n") == 1
    assert line in err
