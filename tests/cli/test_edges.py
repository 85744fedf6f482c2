"""What users can do to the command line besides using it: odd names, full disks, closed pipes, wrong types."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from dtopt import registry
from dtopt.cli import main
from dtopt.io import read, read_solution, read_solution_info, write
from dtopt.registry import solve
from dtopt.run import Run
from dtopt.testing.tiny import tiny_problem
from tests.mutations import good_problem

EVIL = "[/bold]x\x1b[31m\n<script>../"


def process(*arguments, **settings):
    return subprocess.run(
        [sys.executable, "-m", "dtopt", *map(str, arguments)],
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        **settings,
    )


def add_solver(monkeypatch, **functions):
    entries = dict(registry._entries())
    for name, function in functions.items():
        entries[name] = SimpleNamespace(name=name, load=lambda f=function: f, dist=None)
    monkeypatch.setattr(registry, "_entries", lambda: entries)


def test_without_arguments_it_shows_its_help(dtopt):
    code, out, err = dtopt()
    assert code == 0
    assert err == ""
    assert "compare" in out
    assert out == dtopt("--help")[1]


@pytest.mark.parametrize(
    "command", ["generate", "solve", "evaluate", "info", "solvers", "compare", "train", "reproduce"]
)
def test_every_command_has_help(dtopt, command):
    code, out, _ = dtopt(command, "--help")
    assert code == 0
    assert out.startswith(f"Usage: dtopt {command}")


def test_the_hint_names_the_command(dtopt):
    assert "see dtopt solve --help" in dtopt("solve", "--wrong")[2]


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--set", "users=many"], "users: must be a whole number, got 'many'"),
        (["--users", "2.5"], "users: must be a whole number, got '2.5'"),
        (["--set", "shadowing=maybe"], "shadowing: must be true or false, got 'maybe'"),
        (["--users", "5", "--set", "users=6"], "users is given twice"),
        (["--users", "9999999999999"], "Unable to allocate"),
    ],
)
def test_options_are_typed_by_the_preset(dtopt, arguments, line):
    code, _, err = dtopt("generate", "paper", *arguments)
    assert code == 2
    assert err.count("\n") == 1
    assert line in err


def test_options_of_every_type_arrive(dtopt, tmp_path):
    plain, shadowed, loaded = (tmp_path / f"{name}.json" for name in ("plain", "shadowed", "loaded"))
    size = ["--users", 8, "--stations", 3]
    assert dtopt("generate", "paper", *size, "-o", plain)[0] == 0
    assert dtopt("generate", "paper", *size, "--set", "shadowing=true", "-o", shadowed)[0] == 0
    assert dtopt("generate", "tight-capacity", *size, "--set", "load=0.5", "-o", loaded)[0] == 0
    assert read(plain).content_hash != read(shadowed).content_hash
    assert read(loaded).network.stations.capacity.sum() == 16


def test_the_csv_preset_takes_files_for_users_and_stations(dtopt, tmp_path):
    (tmp_path / "u.csv").write_text("x_m,y_m\n0,0\n100,50\n300,20\n")
    (tmp_path / "s.csv").write_text("x_m,y_m\n50,0\n250,0\n")
    path = tmp_path / "mine.json"
    code, out, err = dtopt(
        "generate", "csv", "--users", tmp_path / "u.csv", "--stations", tmp_path / "s.csv", "-o", path
    )
    assert code == 0
    assert err == (
        "dtopt: note: drawn at random, no column gives them: cpu_hz of stations; data_bits, update_bits, deadline_s of "
        "users; by default: capacity of stations (in proportion to the CPUs), tx_power_w of users (0.2 W)\n"
    )
    assert "3 users, 2 stations" in out
    assert read(path).n_users == 3


def test_options_reach_the_solver_they_name(dtopt, instance, monkeypatch):
    seen = {}

    def picky(problem, *, time_limit=None, seed=0, stop=None, on_incumbent=None, depth: int = 1, name: str = ""):
        """Note the options."""
        seen.update(depth=depth, name=name)
        return solve(problem, "nearest")

    add_solver(monkeypatch, picky=picky)
    assert (
        dtopt("solve", instance, "-s", "picky", "-s", "nearest", "--set", "picky.depth=7", "--set", "picky.name=12")[0]
        == 0
    )
    assert seen == {"depth": 7, "name": "12"}
    code, _, err = dtopt("solve", instance, "-s", "picky", "--set", "depth=deep")
    assert code == 2
    assert "depth: must be a whole number" in err
    for wrong in ("seed=3", "problem=1", "nearest=2"):
        code, _, err = dtopt("solve", instance, "-s", "picky", "--set", wrong)
        assert code == 2
        assert "(it has depth, name)" in err


def test_names_from_files_reach_neither_terminal_nor_path(dtopt, tmp_path):
    path = tmp_path / "evil.json"
    problem = replace(good_problem(), name=EVIL)
    stations = replace(problem.network.stations, names=("[/red]", "\x1b]0;x\x07", "[link=x]"))
    write(replace(problem, network=replace(problem.network, stations=stations)), path)
    solutions = tmp_path / "out"
    for arguments in (
        ["solve", path, "-s", "greedy", "-s", "nearest", "-o", solutions],
        ["compare", path, "-s", "greedy", "-s", "nearest"],
        ["info", path],
    ):
        code, out, _ = dtopt(*arguments)
        assert code == 0
        assert "\x1b" not in out
        assert "\x07" not in out
        assert "[/bold]x" in out
    assert len(list(solutions.iterdir())) == 2
    assert {p.parent for p in solutions.rglob("*.json")} == {solutions}


LONG = "x" * 300
STRANGE = [
    LONG,
    "y" * 300,
    "a/b",
    "a b",
    "A B",
    "../up",
    "nul",
    "line\nend\0",
    "\N{ROCKET}\N{ROCKET}",
    "\ud800",
    "-rf",
    "",
]


def test_every_name_gives_a_file_and_stops_no_later_one(dtopt, tmp_path):
    files = []
    for number, name in enumerate(STRANGE):
        files.append(tmp_path / f"{number}.json")
        # As JSON, since a name may hold what is no text in UTF-8.
        write(tiny_problem(number, users=4, stations=3), files[-1])
        document = json.loads(files[-1].read_text())
        files[-1].write_text(json.dumps(document | {"name": name}))
    folder, maps = tmp_path / "out", tmp_path / "maps"
    code, _, err = dtopt("solve", *files, "-s", "nearest", "-s", "greedy", "-o", folder, "--geojson", maps)
    assert (code, err) == (0, "")
    for place in (folder, maps):
        names = [path.name for path in place.iterdir()]
        assert len(names) == len({name.lower() for name in names}) == 2 * len(STRANGE)
        assert max(len(name.encode()) for name in names) < 143
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_dir()) == ["maps", "out"]
    kept = [read_solution_info(path).instance_hash for path in folder.iterdir()]
    assert sorted(kept) == sorted(2 * [read(path).content_hash for path in files])


def test_a_file_of_the_longest_name_is_written(dtopt, instance, tmp_path):
    longest = tmp_path / ("s" * 250 + ".json")
    assert dtopt("solve", instance, "-s", "nearest", "-o", longest)[0] == 0
    assert read_solution(longest, read(instance)).association.size == 4
    code, out, err = dtopt("solve", instance, "-s", "nearest", "-o", tmp_path / ("s" * 300 + ".json"))
    assert (code, out) == (2, "")
    assert "File name too long" in err


def test_instances_of_one_name_do_not_overwrite_each_other(dtopt, instance, tmp_path):
    other = tmp_path / "other.json"
    write(replace(tiny_problem(6, users=4, stations=3), name="tiny"), other)
    solutions = tmp_path / "out"
    assert dtopt("solve", instance, other, "-s", "nearest", "-o", solutions)[0] == 0
    assert len(list(solutions.iterdir())) == 2


def test_a_wrong_output_is_told_before_the_work(dtopt, instance, tmp_path, monkeypatch):
    def never(problem, **_):
        """Must not be called."""
        raise AssertionError("was run")

    add_solver(monkeypatch, never=never)
    for target in (tmp_path, tmp_path / "x.txt", tmp_path / "none" / "x.json"):
        code, _, err = dtopt("solve", instance, "-s", "never", "-o", target)
        assert (code, err.count("\n")) == (2, 1)
        assert str(target) in err
    assert dtopt("solve", instance, "-s", "never", "-s", "nearest", "-o", instance)[0] == 2
    for option in ("--html", "--csv", "--markdown"):
        assert dtopt("compare", instance, "-s", "never", option, tmp_path)[0] == 2


def test_interruption_outside_a_run_keeps_the_incumbent(dtopt, instance, tmp_path, monkeypatch):
    problem = read(instance)
    answer = solve(problem, "greedy").solution.association

    def impatient(given, *, time_limit=None, seed=0, stop=None, on_incumbent=None):
        """Be interrupted where no `Run` guards."""
        Run(given, "impatient", on_incumbent=on_incumbent).offer(answer)
        raise KeyboardInterrupt

    def never(given, **_):
        """Must not be called."""
        raise AssertionError("was run")

    add_solver(monkeypatch, impatient=impatient, never=never)
    target = tmp_path / "kept"
    code, out, _ = dtopt("solve", instance, "-s", "impatient", "-s", "never", "-o", target)
    assert code == 130
    assert "interrupted by impatient" in out
    kept = read_solution(target / "tiny.impatient.json", problem)
    assert np.array_equal(kept.association, answer)
    table = tmp_path / "rows.csv"
    code, out, _ = dtopt("compare", instance, "-s", "nearest", "-s", "impatient", "-s", "never", "--csv", table)
    assert code == 130
    assert "interrupted" in out
    with table.open() as stream:
        assert [row["solver"] for row in csv.DictReader(stream)] == ["impatient", "nearest"]


def test_compare_writes_what_it_shows(dtopt, instance, tmp_path):
    other = tmp_path / "move.json"
    write(replace(tiny_problem(3, kind="migration", users=4, stations=3), name="move"), other)
    page, table, text = tmp_path / "p.html", tmp_path / "t.csv", tmp_path / "t.md"
    code, out, err = dtopt(
        "compare", instance, other, "--html", page, "--csv", table, "--markdown", text, "--time-limit", 5
    )
    assert code == 0
    assert err.count("wrote") == 3
    with table.open() as stream:
        rows = list(csv.DictReader(stream))
    assert {row["instance"] for row in rows} == {"tiny", "move"}
    for row in rows:
        assert row["solver"] in out
        if row["objective"]:
            assert f"{float(row['objective']):.6g}" in out
            assert f"{float(row['objective']):.6g}" in text.read_text()
    assert page.read_text().startswith("<!DOCTYPE html>")
    document = json.loads(dtopt("compare", instance, "-s", "nearest", "--json", "--runs", 2)[1])
    assert [row["seed"] for row in document["rows"]] == [0, 1]


def test_a_solver_that_cannot_be_loaded_is_listed_and_left_out(dtopt, instance, monkeypatch):
    def missing():
        raise ImportError("No module named 'elsewhere'")

    add_solver(monkeypatch)
    registry._entries()["far"] = SimpleNamespace(name="far", load=missing, dist=None)
    code, out, _ = dtopt("solvers")
    assert code == 0
    assert "elsewhere" in out
    code, out, _ = dtopt("compare", instance, "--time-limit", 5)
    assert code == 0
    assert "unavailable" in out
    code, _, err = dtopt("compare", instance, "-s", "far")
    assert (code, err.count("\n")) == (2, 1)


def test_a_fault_of_ours_is_one_line_and_a_traceback_on_request(dtopt, instance, monkeypatch):
    def broken(problem, **_):
        """Fail."""
        raise ZeroDivisionError("no\nway")

    add_solver(monkeypatch, broken=broken)
    code, _, err = dtopt("solve", instance, "-s", "broken")
    assert code == 1
    assert err == "dtopt: error: ZeroDivisionError: no way (a fault of dtopt; DTOPT_DEBUG=1 shows where)\n"
    monkeypatch.setenv("DTOPT_DEBUG", "1")
    monkeypatch.setattr(sys, "argv", ["dtopt", "solve", str(instance), "-s", "broken"])
    with pytest.raises(ZeroDivisionError):
        main()


def test_gap_files(dtopt, tmp_path):
    path = tmp_path / "two.txt"
    one = "2 2  1 3  2 4  5 5  5 5  5 9 "
    path.write_text("2 " + one + one)
    code, out, _ = dtopt("solve", path, "--format", "gap", "-s", "milp", "--json")
    assert code == 0
    # Two jobs and one place on the first agent: 1 + 4 or 2 + 3.
    assert [d["objective"] for d in json.loads(out)] == pytest.approx([5.0] * 2)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_full_disk_is_one_line(instance):
    with open("/dev/full", "w") as full:
        for arguments in (["solve", instance, "-s", "nearest"], ["--help"], ["info", instance, "--json"]):
            run = process(*arguments, stdout=full)
            assert run.returncode == 2
            assert run.stderr == "dtopt: error: output: No space left on device\n"


def test_a_closed_pipe_is_no_error(instance):
    reading, writing = os.pipe()
    os.close(reading)
    run = process("solve", instance, "-s", "nearest", stdout=writing)
    os.close(writing)
    assert run.stderr == ""
    assert run.returncode in (0, 1)


def test_a_narrow_character_set_is_no_error(instance):
    run = process(
        "compare", instance, "-s", "nearest", stdout=subprocess.PIPE, env={**os.environ, "PYTHONIOENCODING": "ascii"}
    )
    assert run.returncode == 0
    assert run.stderr == ""
    assert "tiny" in run.stdout


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: t.rstrip().removesuffix("}") + ",}", "there is a comma after the last entry"),
        (lambda t: t.replace('"', "'"), "names and texts are in double quotes"),
        (lambda t: "// mine\n" + t, "JSON has no comments"),
        (lambda t: t[: t.index('"users"') + 3], "the file may be cut off"),
    ],
)
def test_what_is_often_wrong_with_json_is_said(dtopt, instance, change, words):
    instance.write_text(change(instance.read_text()))
    code, out, err = dtopt("info", instance)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert f"{instance}: is not valid JSON: " in err
    assert f"({words})" in err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("solve", "paper:users=5,stations=2", "-s", "Exakt"), "did you mean 'exact'?"),
        (("solve", "papr:users=5"), "did you mean 'paper'?"),
        (("generate", "melborne"), "did you mean 'melbourne'?"),
        (("generate", "paper", "--set", "station=3"), "did you mean 'stations'?"),
        (("bench", "papers"), "did you mean 'paper'?"),
        (("bench", "paper/80x5s1"), "did you mean '80x5-s1'?"),
        (("suite", "show", "mobilty"), "did you mean 'mobility'?"),
        (("train", "madpg"), "did you mean 'maddpg'?"),
        (("simulate", "-p", "look-ahead"), "did you mean 'lookahead'?"),
        (("simulate", "-p", "lookahead:horizn=3"), "did you mean 'horizon'?"),
        (("simulate", "--mobility", "manhatan"), "did you mean 'manhattan'?"),
        (("solve", "sites.csv"), "dtopt generate csv"),
    ],
)
def test_a_wrong_spelling_is_told_with_the_right_one(dtopt, tmp_path, monkeypatch, arguments, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sites.csv").write_text("lat,lon\n1,2\n")
    code, out, err = dtopt(*arguments)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert words in err


def test_a_package_that_is_missing_is_named(dtopt, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    for name in [n for n in sys.modules if n.startswith("solvers.maddpg")]:
        monkeypatch.delitem(sys.modules, name)
    code, _, err = dtopt("solve", "paper:users=4,stations=2", "-s", "maddpg")
    assert code == 2
    assert "torch" in err
    assert err.count("\n") == 1
