"""`dtopt report` on results files as `dtopt bench` writes them: merged, damaged, and written in every form."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing

import pandas as pd
import pytest

from dtopt.generators import generate
from dtopt.registry import solve
from reports.records import Run, run_key
from reports.results import Instance
from reports.store import Store

PRESET = {"users": 8, "stations": 3}
MACHINE = {
    "hash": "h",
    "cpu": "a processor",
    "cores": 2,
    "memory_gb": 8.0,
    "os": "Linux",
    "python": "3.11",
    "versions": '{"dtopt":"0.1.0"}',
}


def fill(path, solvers, machine, seeds=(1, 2, 3)):
    """Write a results file of runs of solvers on small instances."""
    with Store(path, "small") as store:
        store.add_machine({"id": machine, **MACHINE})
        for seed in seeds:
            problem = generate("paper", seed=seed, **PRESET)
            label = f"mine/{seed}"
            recipe = {"preset": "paper", "options": PRESET, "seed": seed}
            facts = (problem.content_hash, "mine", "placement", "system cost", False, 8, 3)
            store.add_instance(Instance(label, *facts, recipe=recipe))
            for solver in solvers:
                result = solve(problem, solver, time_limit=5, seed=0)
                store.commit(
                    Run(
                        run_key(problem.content_hash, solver, "{}", 0, 5.0),
                        label,
                        problem.content_hash,
                        solver,
                        "{}",
                        0,
                        5.0,
                        str(result.status),
                        objective=result.objective,
                        bound=result.bound,
                        wall_s=result.wall_s,
                        cpu_s=result.cpu_s,
                        machine=machine,
                        finished=f"2026-01-01T00:00:00+00:00/{machine}",
                        trace=tuple((step.time_s, step.objective) for step in result.trace),
                        association=result.solution.association,
                    )
                )


@pytest.fixture
def files(tmp_path):
    fill(tmp_path / "a.sqlite", ["nearest"], "one")
    fill(tmp_path / "b.sqlite", ["greedy", "random"], "two")
    return tmp_path / "a.sqlite", tmp_path / "b.sqlite"


def test_files_of_two_machines_make_one_report(dtopt, files, tmp_path):
    code, out, err = dtopt("report", *files, "-o", tmp_path / "out", "-o", tmp_path / "one.md")
    assert code == 0, err
    assert "greedy" in out
    assert "files in" in err
    frame = pd.read_csv(tmp_path / "out" / "runs.csv")
    assert sorted(frame["solver"].unique()) == ["greedy", "nearest", "random"]
    assert len(frame) == 9
    text = (tmp_path / "one.md").read_text()
    assert "Machine one" in text
    assert "Machine two" in text
    assert "There is no map" not in (tmp_path / "out" / "index.html").read_text()


def test_a_reader_who_leaves_early_loses_no_file(files, tmp_path):
    written = ["-o", tmp_path / "one.md", "-o", tmp_path / "runs.csv"]
    arguments = [sys.executable, "-m", "dtopt", "report", files[1], *written, "--no-check"]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as run:
        run.stdout.close()  # as `| head -0` does
        assert b"Traceback" not in run.stderr.read()
        assert run.wait() == 0
    assert (tmp_path / "one.md").exists()
    assert (tmp_path / "runs.csv").exists()


def test_damaged_and_rejected_rows_are_named_and_left_out(dtopt, files, tmp_path):
    with closing(sqlite3.connect(files[1])) as database, database:
        database.execute("UPDATE runs SET objective = 0.001 WHERE solver = 'greedy' AND instance = 'mine/2'")
    # Whole by its checksum, but with an objective that its association does not have.
    with Store(files[0]) as store:
        problem = generate("paper", seed=1, **PRESET)
        found = solve(problem, "nearest", seed=0)
        key = run_key(problem.content_hash, "liar", "{}", 0, 5.0)
        facts = (key, "mine/1", problem.content_hash, "liar", "{}", 0, 5.0, "optimal")
        store.commit(Run(*facts, objective=0.001, machine="one", association=found.solution.association))
    code, _, err = dtopt("report", *files, "-o", tmp_path / "out.csv")
    assert code == 0
    told = [line for line in err.splitlines() if line.startswith("note: ")]
    assert any("mine/2" in line and "greedy" in line and "damaged" in line for line in told)
    assert any("mine/1" in line and "liar" in line and "evaluator" in line for line in told)
    frame = pd.read_csv(tmp_path / "out.csv")
    assert "liar" not in set(frame["solver"])
    assert (frame["objective"] > 0.1).all()
    assert len(frame[frame["solver"] == "greedy"]) == 2
    # Unasked the evaluator says nothing; a checksum is always looked at.
    code, _, err = dtopt("report", *files, "--no-check", "-o", tmp_path / "out.csv")
    assert "damaged" in err
    assert "liar" in set(pd.read_csv(tmp_path / "out.csv")["solver"])


def test_without_output_the_answer_is_printed(dtopt, files):
    code, out, _ = dtopt("report", files[1], "--title", "My title")
    assert code == 0
    assert out.startswith("# My title\n")
    assert "| solver |" in out


@pytest.mark.parametrize(
    ("target", "part"), [("report.docx", ".docx"), ("nowhere/report.html", "folder does not exist")]
)
def test_what_cannot_be_written_is_one_line(dtopt, files, tmp_path, target, part):
    code, _, err = dtopt("report", files[0], "-o", tmp_path / target)
    assert code == 2
    assert err.count("\n") == 1
    assert part in err


def test_what_is_no_results_file_is_one_line(dtopt, tmp_path):
    (tmp_path / "other.sqlite").write_text("no database")
    for name in ("other.sqlite", "missing.sqlite"):
        code, _, err = dtopt("report", tmp_path / name)
        assert code == 2
        assert err.count("\n") == 1
        assert name in err
