"""`dtopt scenario` and `dtopt simulate`."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from dtopt.generators import generate_scenario
from dtopt.io.scenarios import read_scenario, write_scenario
from dtopt.scenario import RecordedGains
from dtopt.testing.moving import moving

SMALL = ("--users", 12, "--stations", 4, "--slots", 5)


def test_a_scenario_is_written_and_read_back(dtopt, tmp_path):
    path = tmp_path / "s.npz"
    options = (*SMALL, "--mobility", "manhattan", "--seed", 3, "--set", "vehicles=1", "--set", "sharing=equal")
    code, out, err = dtopt("scenario", "paper", "-o", path, *options, "--migration-weight", 0.3)
    assert (code, err) == (0, "")
    assert "12 users, 4 stations, 5 slots" in out
    expected = generate_scenario(
        "paper",
        seed=3,
        slots=5,
        users=12,
        stations=4,
        mobility="manhattan",
        vehicles=1.0,
        sharing="equal",
        migration_weight=0.3,
    )
    assert read_scenario(path).content_hash == expected.content_hash


def test_several_scenarios_go_into_a_folder(dtopt, tmp_path):
    code, _, _ = dtopt("scenario", "paper", "-o", tmp_path / "many", "--count", 2, *SMALL)
    assert code == 0
    names = sorted(path.name for path in (tmp_path / "many").iterdir())
    assert names == [f"paper-random-waypoint-12x4x5-s{seed}.npz" for seed in range(2)]


def test_policies_are_run_side_by_side_and_resumed(dtopt, tmp_path):
    out = tmp_path / "out"
    arguments = ("simulate", "paper", "-p", "stay", "-p", "lookahead:horizon=3", "--runs", 2, *SMALL, "--no-bound")
    code, text, err = dtopt(*arguments, "--out", out)
    assert code == 0, err
    assert "lookahead:horizon=3" in text
    assert "2 scenarios of 12 users, 4 stations and 5 slots" in text
    journals = sorted(out.glob("*.jsonl"))
    assert len(journals) == 4
    assert {p.name for p in out.iterdir()} >= {"slots.csv", "summary.csv", "report.html"}
    assert len((out / "slots.csv").read_text().splitlines()) == 1 + 2 * 2 * 5
    whole = (out / "summary.csv").read_text()

    code, _, err = dtopt(*arguments, "--out", out)
    assert code == 2
    assert "exists already (resume it, or name another file)" in err

    # Two slots are lost, one of them in the middle of a line.
    lines = journals[0].read_bytes().splitlines(keepends=True)
    journals[0].write_bytes(b"".join(lines[:4]) + lines[4][:20])
    code, _, err = dtopt(*arguments, "--out", out, "--resume")
    assert code == 0, err
    again = (out / "summary.csv").read_text()

    def without_times(text):
        return [[c for i, c in enumerate(line.split(",")) if i not in times] for line in text.splitlines()]

    times = {i for i, name in enumerate(whole.splitlines()[0].split(",")) if name.startswith("decision")}
    assert without_times(again) == without_times(whole)


def test_journals_of_scenarios_with_strange_names_are_told_apart(dtopt, tmp_path):
    scenario = generate_scenario("paper", seed=1, slots=2, users=5, stations=3)
    paths = []
    for number, name in enumerate(("x" * 300, "a/b\n\0", "")):
        paths.append(tmp_path / f"{number}.npz")
        write_scenario(replace(scenario, name=name), paths[-1])
    out = tmp_path / "out"
    arguments = ("simulate", *paths, "-p", "stay", "-p", "nearest", "--no-bound", "--out", out)
    code, _, err = dtopt(*arguments)
    assert code == 0, err
    journals = sorted(path.name for path in out.glob("*.jsonl"))
    assert len(journals) == 6
    assert max(map(len, journals)) < 143
    assert dtopt(*arguments, "--resume")[0] == 0
    assert sorted(path.name for path in out.glob("*.jsonl")) == journals


def test_files_json_and_reports(dtopt, tmp_path):
    path = tmp_path / "s.npz"
    dtopt("scenario", "paper", "-o", path, *SMALL)
    code, out, err = dtopt(
        *("simulate", path, "-p", "stay", "-p", "nearest", "--json", "--no-bound"),
        *("--csv", tmp_path / "slots.csv", "--html", tmp_path / "r.html", "--markdown", tmp_path / "t.md"),
    )
    assert code == 0, err
    rows = json.loads(out)["rows"]
    assert [row["policy"] for row in rows] == ["nearest", "stay"]
    assert rows[1]["gain"] == 0
    assert rows[0]["share"] is None
    assert (tmp_path / "r.html").read_text().startswith("<!DOCTYPE html>")
    assert "| policy |" in (tmp_path / "t.md").read_text()
    assert len((tmp_path / "slots.csv").read_text().splitlines()) == 11


def test_slots_that_cannot_be_kept_are_counted_and_the_run_goes_on(dtopt, tmp_path):
    scenario = moving(1, users=6, slots=4, present=None)
    stations = replace(scenario.base.network.stations, capacity=np.array([1, 2, 2]))
    base = replace(scenario.base, network=replace(scenario.base.network, stations=stations))
    gain = scenario.radio.gain.copy()
    gain[1, 2], gain[3] = 0.0, 0.0
    path = tmp_path / "s.npz"
    write_scenario(replace(scenario, base=base, radio=RecordedGains(gain)), path)
    arguments = ("simulate", path, "-p", "stay", "-p", "local-search", "--no-bound")
    code, out, err = dtopt(*arguments, "--out", tmp_path / "out")
    assert code == 0, err
    # Six twins are on five places also in the slot in which one of their users has no coverage.
    for name in ("stay", "local-search"):
        assert f"{name}: 4 slots break a constraint (capacity in 3, coverage in 2)." in out
    rows = json.loads(dtopt(*arguments, "--json")[1])["rows"]
    for row in rows:
        assert (row["infeasible_slots"], row["uncovered_users"]) == (4, 7)
        assert row["objective"] is not None
    lines = (tmp_path / "out" / "slots.csv").read_text().splitlines()
    column = lines[0].split(",").index("violated")
    assert [line.split(",")[column] for line in lines[1:5]] == ["capacity", "capacity coverage", "capacity", "coverage"]
    assert (tmp_path / "out" / "report.html").read_text().startswith("<!DOCTYPE html>")


def test_the_list_tells_policies_with_their_options(dtopt):
    code, out, _ = dtopt("simulate", "--list")
    assert code == 0
    assert "myopic-exact" in out
    assert "horizon=12" in out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("simulate", "-p", "x"), "unknown policy 'x'; there are"),
        (("simulate", "-p", "lookahead:x=1"), "policy 'lookahead' has no option 'x'"),
        (("simulate", "-p", "lookahead:horizon=much"), "horizon: must be a whole number, got 'much'"),
        (("simulate", "nothing"), "'nothing' is no scenario file and no preset"),
        (("simulate", "paper:walls=3", "-p", "stay"), "a scenario of 'paper' has no option 'walls'"),
        (("simulate", "paper", "--runs", 0), "--runs: must be >= 1"),
        (("simulate", "paper", "--resume"), "--resume: goes with --out"),
        (("simulate", "gone.npz", "-p", "stay"), "gone.npz: cannot be read"),
        (("scenario", "paper", "--mobility", "flying"), "unknown value 'flying'"),
        (("scenario", "moon"), "unknown preset 'moon'"),
        (("scenario", "paper", "--count", 0), "--count: must be >= 1"),
        (("scenario", "paper", "-o", "s.json", "--slots", 2, "--users", 5), "unknown kind of scenario file"),
    ],
)
def test_wrong_use_is_one_line_and_exit_code_2(dtopt, tmp_path, monkeypatch, arguments, words):
    monkeypatch.chdir(tmp_path)
    code, _, err = dtopt(*arguments)
    assert code == 2
    assert words in err
    assert len(err.splitlines()) == 1
