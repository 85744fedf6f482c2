"""`dtopt bench`: what is asked for, and one line for whatever is wrong with it."""

from __future__ import annotations

import pytest

from reports.store import load

GOOD = 'suites = ["paper/80x5-s1"]\n'


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("suites = [", "is no TOML"),
        ("", "names no instance (for example suites"),
        ('suites = ["nothing"]', "there is no suite 'nothing'"),
        ('suites = ["paper/nothing"]', "suite 'paper' has no instance 'nothing'"),
        ('instances = ["nothing.json"]', "nothing.json"),
        (GOOD + "seed = [1]", "seed: is not a known setting (did you mean 'seeds'? there are title, suites"),
        (GOOD + 'seeds = ["a"]', "seeds.0: input should be a valid integer"),
        (GOOD + "seeds = []", "seeds: should hold a seed"),
        (GOOD + "seeds = [-1]", "seeds.0"),
        (GOOD + "time_limits = [0]", "time_limits.0"),
        (GOOD + "time_limits = [inf]", "time_limits.0"),
        (GOOD + 'solvers = ["nobody"]', "unknown solver 'nobody'"),
        (
            GOOD + 'solvers = [{name = "exact", option = 1}]',
            "solvers.0.option: is not a known setting (did you mean 'options'? there are name",
        ),
        (GOOD + "threads = 0", "threads"),
    ],
)
def test_a_bad_file_is_one_line(dtopt, tmp_path, monkeypatch, text, words):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "b.toml"
    path.write_text(text)
    code, out, err = dtopt("bench", path)
    assert (code, out) == (2, "")
    assert words in err
    assert err.count("\n") == 1
    # Nothing was begun.
    assert list(tmp_path.glob("*.sqlite")) == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("nothing",), "'nothing' is no suite, no file and no preset"),
        (("none.toml",), "none.toml: cannot be read"),
        (("paper/80x5-s1", "--backend", "cloud"), "unknown backend 'cloud'"),
        (("paper/80x5-s1", "--workers", 0), "workers: must be >= 1"),
        (("paper:users=x",), "users: must be a whole number"),
        (("paper/80x5-s1", "-o", "none/r.sqlite"), "its folder does not exist"),
    ],
)
def test_bad_arguments_are_one_line(dtopt, tmp_path, monkeypatch, arguments, words):
    monkeypatch.chdir(tmp_path)
    code, _, err = dtopt("bench", *arguments, *(() if "none.toml" in arguments else ("-s", "nearest")))
    assert code == 2
    assert words in err
    assert err.count("\n") == 1


def test_a_file_is_planned_and_run_and_not_run_again(dtopt, tmp_path, instance):
    path = tmp_path / "b.toml"
    path.write_text(
        f'''
        title = "A small one"
        suites = ["paper/80x5-s1"]
        instances = ["{instance}", "paper:users=10,stations=2,seed=4"]
        solvers = ["nearest", {{name = "local-search", max_iterations = 20, seeds = [3]}}]
        seeds = [0, 1]
        time_limits = [5.0]
        '''
    )
    code, out, err = dtopt("bench", path, "--dry-run")
    assert code == 0
    assert len(out.splitlines()) == 9
    assert "9 runs on 3 instances" in err
    arguments = ("bench", path, "-o", tmp_path / "r.sqlite", "--workers", 1)
    code, out, err = dtopt(*arguments)
    assert (code, err) == (0, "")
    assert "9 runs (9 feasible)" in out
    results = load([tmp_path / "r.sqlite"])
    assert results.title == "A small one"
    assert results.rejected.empty
    assert set(results.instances) == {"paper/80x5-s1", "tiny", "paper-10x2-s4"}
    assert results.instances["paper/80x5-s1"].best_known < results.runs.objective.max()
    code, out, err = dtopt(*arguments)
    assert "9 of 9 runs are there already" in err
    assert load([tmp_path / "r.sqlite"]).runs.finished.tolist() == results.runs.finished.tolist()


def test_kinds_that_a_solver_does_not_take_are_left_out_and_told(dtopt, tmp_path):
    code, out, err = dtopt("bench", "mobility/step-80x5-s1", "-s", "lns", "-s", "nearest", "--dry-run")
    assert code == 0
    assert "left out: lns takes no migration problems" in err
    assert len(out.splitlines()) == 1
