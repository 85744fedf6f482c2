"""Files that are no instances: the reader that messages name, and what is printed about lists and profits."""

from __future__ import annotations

import json

import pytest

GAP = "2 3\n5 2 1\n3 4 0\n1 2 1\n2 1 2\n3 3\n"


@pytest.mark.parametrize("name", ["g.txt", "g.dat", "d05100", "gap.a05100", "commas.csv"])
@pytest.mark.parametrize("command", ["solve", "info", "compare"])
def test_a_generalized_assignment_file_without_a_format(dtopt, tmp_path, command, name):
    path = tmp_path / name
    path.write_text(GAP)
    code, out, err = dtopt(command, path)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "generalized assignment: --format gap, or gap-max for profits" in err


def test_lists_and_traces_without_their_command(dtopt, tmp_path):
    for name, words in (
        ("sites.csv", "lists of stations and users: dtopt generate csv"),
        ("sites.csv.gz", "lists of stations and users: dtopt generate csv"),
        ("fcd.xml", "traces: dtopt scenario --trace"),
    ):
        (tmp_path / name).write_text("name,lat,lon\na,1,2\n")
        code, _, err = dtopt("solve", tmp_path / name)
        assert (code, err.count("\n")) == (2, 1)
        assert words in err
    code, _, err = dtopt("generate", "paper", "-o", tmp_path / "p.txt")
    assert code == 2
    assert err.rstrip().endswith("unknown kind of file '.txt' (one of .json, .npz)")


def test_profits_are_shown(dtopt, tmp_path):
    path, answer = tmp_path / "g.txt", tmp_path / "a.json"
    path.write_text(GAP)
    # The agents' limits 3 and 3 leave 5 + 4 + 1 as the largest profit.
    code, out, _ = dtopt("solve", path, "--format", "gap-max", "-s", "milp", "-o", answer)
    assert code == 0
    assert "system cost -10" in out
    assert "  total profit 10, proven <= 10" in out
    code, out, _ = dtopt("evaluate", path, answer, "--format", "gap-max")
    assert code == 0
    assert "  total profit 10, proven <= 1" in out
    document = json.loads(dtopt("solve", path, "--format", "gap-max", "-s", "milp", "--json")[1])[0]
    assert document["profit"] == -document["objective"] == 10
    assert document["proven_profit_bound"] == -document["proven_bound"]
    document = json.loads(dtopt("evaluate", path, answer, "--format", "gap-max", "--json")[1])
    assert document["profit"] == 10


def test_profits_of_several_problems(dtopt, tmp_path):
    path = tmp_path / "two.txt"
    one = "2 2  1 3  2 4  5 5  5 5  5 9 "
    path.write_text("2 " + one + one)
    code, out, _ = dtopt("solve", path, "--format", "gap-max", "-s", "milp", "--json")
    assert code == 0
    # Two jobs and one place on the first agent: 1 + 4 or 2 + 3.
    assert [(d["objective"], d["profit"]) for d in json.loads(out)] == [(-5.0, 5.0)] * 2


def test_no_profit_of_minus_zero(dtopt, tmp_path):
    path = tmp_path / "g.txt"
    path.write_text("2 2\n0 0\n0 0\n1 1\n1 1\n2 2\n")
    out = dtopt("solve", path, "--format", "gap-max", "-s", "milp")[1]
    assert "total profit 0, proven <= 0" in out


def test_one_of_several_problems_is_judged(dtopt, tmp_path):
    path, answers = tmp_path / "g.txt", tmp_path / "answers"
    path.write_text("2\n" + GAP + GAP.replace("5", "6"))
    assert dtopt("solve", path, "--format", "gap", "-s", "milp", "-o", answers)[0] == 0
    for name in sorted(answers.iterdir()):
        code, out, _ = dtopt("evaluate", path, name, "--format", "gap")
        assert code == 0
        assert "feasible: objective 6" in out
        assert "profit" not in out
    other = tmp_path / "other.txt"
    other.write_text("2\n" + GAP.replace("5", "7") + GAP.replace("5", "8"))
    code, _, err = dtopt("evaluate", other, name, "--format", "gap")
    assert code == 2
    assert "solves none of the 2 problems of" in err


def test_notes_about_lists_are_lines_on_stderr(dtopt, tmp_path):
    sites, users = tmp_path / "s.csv", tmp_path / "u.csv"
    sites.write_text('X,Y,NAME\n144.96,-37.815,"a\x1b[31m"\n144.965,-37.812,b\n,,c\n')
    users.write_text("lat,lon,tx_power_w\n-37.814,144.961,23\n")
    options = ("--set", f"stations={sites}", "--set", f"users={users}", "-o", tmp_path / "p.json")
    code, _, err = dtopt("generate", "csv", *options)
    assert (code, err.count("\n")) == (2, 1)
    assert "s.csv: line 4, column Y: is empty (option missing=skip leaves such rows out, 1 of 3)" in err
    code, out, err = dtopt("generate", "csv", *options, "--set", "missing=skip")
    assert code == 0
    assert "1 users, 2 stations" in out
    notes = err.splitlines()
    assert [line.startswith("dtopt: note: ") for line in notes] == [True] * 4
    assert notes[0].endswith("s.csv: X and Y are read as longitude and latitude in degrees")
    assert notes[1].endswith("s.csv: 1 row of 3 left out for an empty cell (line 4)")
    assert "u.csv: line 2, column tx_power_w: 23 W is too large to be likely" in notes[2]
    assert "drawn at random, no column gives them: cpu_hz of stations" in notes[3]
    # Every command that takes a preset says the same.
    code, _, err = dtopt("info", f"csv:stations={sites},users={users},missing=skip")
    assert code == 0
    assert err.splitlines() == notes
