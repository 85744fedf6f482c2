"""Results files: what is damaged, rejected, foreign or there twice is named, and never averaged in."""

from __future__ import annotations

import math
import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest

from dtopt.errors import InputError
from dtopt.evaluation import evaluate
from dtopt.generators import generate
from dtopt.solution import Solution
from reports import store
from reports.bench.plan import given_instance
from reports.records import Run, run_key
from reports.statistics import score
from reports.store import Store, load, problem_of

OPTIONS = {"users": 12, "stations": 3}
MACHINE = {
    "id": "m1",
    "hash": "m1m1",
    "cpu": "a",
    "cores": 2,
    "memory_gb": 1.5,
    "os": "x",
    "python": "3",
    "versions": "{}",
}


def an_instance(seed=0):
    recipe = {"preset": "paper", "options": OPTIONS, "seed": seed}
    return given_instance(generate("paper", seed=seed, **OPTIONS), recipe)


def a_run(instance, solver="s", seed=0, machine="m1", **changes):
    problem = problem_of(instance)
    association = np.random.default_rng(seed).integers(0, problem.n_stations, problem.n_users)
    judged = evaluate(problem, Solution(association))
    run = Run(
        key=run_key(instance.hash, solver, "{}", seed, 10.0),
        instance=instance.label,
        hash=instance.hash,
        solver=solver,
        options="{}",
        seed=seed,
        time_limit=10.0,
        status="feasible",
        objective=judged.objective,
        latency_s=judged.terms.latency,
        n_open=judged.terms.n_open,
        wall_s=1.25,
        cpu_s=1.0,
        iterations=3,
        machine=machine,
        finished=f"2026-01-01T00:00:0{seed}",
        trace=((0.5, 2.0), (1.0, judged.objective)),
        association=association,
    )
    return replace(run, **changes)


@pytest.fixture
def path(tmp_path):
    """A file with six runs: two instances, three seeds."""
    path = tmp_path / "r.sqlite"
    with Store(path, "Six runs") as store:
        store.add_machine(MACHINE)
        for instance in (an_instance(0), an_instance(1)):
            store.add_instance(instance)
            for seed in range(3):
                assert store.commit(a_run(instance, seed=seed))
    return path


def change(path, statement, *values):
    database = sqlite3.connect(path)
    with database:
        assert database.execute(statement, values).rowcount > 0
    database.close()


def test_what_was_written_is_read(path):
    results = load([path])
    assert results.title == "Six runs"
    assert results.rejected.empty
    assert len(results.runs) == 6
    row = results.runs.iloc[1]
    run = a_run(an_instance(0), seed=1)
    assert (row.key, row.solver, row.seed, row.time_limit) == (run.key, "s", 1, 10.0)
    assert (row.objective, row.trace, row.wall_s) == (run.objective, run.trace, 1.25)
    assert np.isnan(row.bound)
    np.testing.assert_array_equal(row.association, run.association)
    instance = results.instances[row.instance]
    assert (row.suite, row.kind, row.n_users, row.n_stations) == ("", "placement", 12, 3)
    assert instance.proven_bound <= row.objective
    assert problem_of(instance).content_hash == instance.hash
    assert results.machines.memory_gb[0] == 1.5


#: The columns of instances in files of version 1, which `dtopt bench` wrote before there was a controllable gap.
VERSION_1 = ["label", "hash", "suite", "kind", "objective", "maximise", "n_users", "n_stations", "best_known"]
VERSION_1 += ["proven_bound", "recipe", "checksum"]


def test_a_file_of_version_1_is_read_and_written_to(tmp_path, monkeypatch):
    path, instance = tmp_path / "old.sqlite", an_instance(0)
    monkeypatch.setattr(store, "VERSION", 1)
    with Store(path) as old:
        old.add_machine(MACHINE)
        old.add_instance(instance)
        old.commit(a_run(instance))
    monkeypatch.undo()
    with closing(sqlite3.connect(path)) as database:
        assert [row[1] for row in database.execute("PRAGMA table_info(instances)")] == VERSION_1
        assert database.execute("SELECT value FROM about WHERE name = 'version'").fetchone() == ("1",)
    # Unasked nothing is computed: the number is blank. With the check the instance is made again, and has it.
    assert load([path], check=False).instances[instance.label].uncontrollable_objective is None
    assert math.isnan(score(load([path], check=False)).frame["controllable_primal_gap"][0])
    results = load([path])
    assert results.rejected.empty
    assert results.instances[instance.label].uncontrollable_objective == instance.uncontrollable_objective
    assert score(results).frame["controllable_gap"][0] > score(results).frame["gap"][0] > 0
    with Store(path) as again:
        again.add_instance(instance)
        assert again.commit(a_run(instance, seed=1))
    assert len(load([path]).runs) == 2
    assert load([path]).rejected.empty


def test_the_uncontrollable_objective_is_kept(path):
    instance = next(iter(load([path], check=False).instances.values()))
    assert instance.uncontrollable_objective == problem_of(instance).uncontrollable_objective


def test_a_run_that_is_there_stays_as_it_is(path):
    first = a_run(an_instance(0))
    with Store(path) as store:
        assert not store.commit(replace(first, wall_s=99.0))
    assert load([path]).runs.wall_s.max() == 1.25


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("objective", 0.1),
        ("status", "optimal"),
        ("association", b"rubbish"),
        ("trace", "["),
        ("seed", "one"),
        ("message", "\x00"),
        ("wall_s", None),
    ],
)
def test_a_damaged_row_is_named_and_left_out(path, column, value):
    key = a_run(an_instance(0), seed=1).key
    change(path, f"UPDATE runs SET {column} = ? WHERE key = ?", value, key)
    results = load([path])
    assert len(results.runs) == 5
    assert key not in set(results.runs.key)
    (rejected,) = results.rejected.itertuples()
    assert (rejected.key, rejected.solver, rejected.file) == (key, "s", str(path))
    assert "checksum is wrong" in rejected.reason
    # The runner does it again.
    with Store(path) as store:
        assert key not in store.keys()  # noqa: SIM118 - no mapping
        assert store.drop_damaged() == [key]
        assert store.commit(a_run(an_instance(0), seed=1))
    assert load([path]).rejected.empty


def test_bytes_that_are_no_text_are_one_damaged_row(path):
    change(path, "UPDATE runs SET message = CAST(x'ff' AS TEXT) WHERE seed = 1 AND instance = ?", an_instance(0).label)
    results = load([path])
    assert (len(results.runs), len(results.rejected)) == (5, 1)


def test_runs_of_a_damaged_instance_are_left_out(path):
    change(path, "UPDATE instances SET best_known = 0.5 WHERE label = ?", an_instance(0).label)
    results = load([path])
    assert len(results.runs) == 3
    reasons = results.rejected.reason.tolist()
    assert reasons[0] == "the instance's checksum is wrong: it is damaged"
    assert reasons[1:] == ["its instance is missing or damaged"] * 3


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"association": np.full(12, -1)}, "the evaluator rejects its solution: "),
        ({"association": np.full(11, 0)}, "its association is no solution: "),
        ({"association": np.full(12, 7)}, "its association is no solution: "),
        ({"association": None}, "it has an objective, but no association"),
        ({"objective": 0.25}, "its objective is 0.25, the evaluator finds "),
    ],
)
def test_what_the_evaluator_rejects_is_named_and_left_out(path, changes, reason):
    # With a checksum that fits: written by a program that is wrong, not damaged.
    with Store(path) as store:
        store.commit(a_run(an_instance(0), solver="liar", **changes))
    results = load([path])
    assert "liar" not in set(results.runs.solver)
    assert len(results.runs) == 6
    assert results.rejected.solver.tolist() == ["liar"]
    assert results.rejected.reason[0].startswith(reason)
    assert len(load([path], check=False).runs) == 7


def test_a_key_of_another_run_is_rejected(path):
    with Store(path) as store:
        store.commit(a_run(an_instance(0), solver="other", key="k"))
    assert load([path]).rejected.reason.tolist() == ["its key is of another run"]


def test_files_of_two_machines_merge(path, tmp_path):
    other = tmp_path / "other.sqlite"
    with Store(other, "Others") as store:
        store.add_machine({**MACHINE, "id": "m2"})
        better = replace(an_instance(0), label="mine", best_known=0.5, proven_bound=0.4)
        store.add_instance(better)
        store.add_instance(an_instance(2))
        store.commit(a_run(better, solver="t", machine="m2"))
        store.commit(a_run(an_instance(2), solver="t", machine="m2"))
        # The same run, done there too.
        store.commit(a_run(better, seed=2, machine="m2"))
    copied = tmp_path / "copied.sqlite"
    shutil.copy(path, copied)
    results = load([path, other, copied])
    assert results.title == "Six runs + Others"
    assert len(results.runs) == 8
    assert set(results.machines.id) == {"m1", "m2"}
    # One name for one instance, and the better of what is known of it.
    assert set(results.instances) == {an_instance(i).label for i in range(3)}
    assert results.instances[an_instance(0).label].best_known == 0.5
    # It counts once; the copied rows are no second runs.
    (twice,) = results.rejected.itertuples()
    assert twice.reason == f"the same run is in {path}, and counts once"
    assert twice.file == str(other)


def test_two_instances_of_one_name_stay_two(path, tmp_path):
    other = tmp_path / "other.sqlite"
    with Store(other) as store:
        changed = replace(an_instance(5), label=an_instance(0).label)
        store.add_instance(changed)
        store.commit(a_run(changed))
    results = load([path, other])
    assert len(results.instances) == 3
    assert len(results.runs) == 7
    with Store(path) as store, pytest.raises(InputError, match="holds another instance called"):
        store.add_instance(changed)


def test_instances_that_cannot_be_made_here_count_by_checksum_and_are_told(path, monkeypatch):
    with Store(path) as store:
        gone = replace(an_instance(0), recipe={"path": "/nowhere.json"})
        store.add_instance(gone)
    notes = []
    assert len(load([path], on_note=notes.append).runs) == 6
    assert len(notes) == 1
    assert "not judged again, /nowhere.json: cannot be read" in notes[0]


def test_damaged_and_foreign_files_are_one_line(path, tmp_path):
    def said(file):
        with pytest.raises(InputError) as caught:
            load([file])
        assert "\n" not in str(caught.value)
        return str(caught.value)

    text = tmp_path / "notes.txt"
    text.write_text("no database at all, but long enough to be looked at" * 20)
    assert said(text).endswith("is no results file of dtopt")
    with pytest.raises(InputError, match="is no results file of dtopt"):
        Store(text)
    foreign = tmp_path / "foreign.sqlite"
    sqlite3.connect(foreign).executescript("CREATE TABLE t (x); INSERT INTO t VALUES (1)")
    before = foreign.read_bytes()
    assert "is no results file of dtopt" in said(foreign)
    with pytest.raises(InputError, match="is no results file of dtopt"):
        Store(foreign)
    assert foreign.read_bytes() == before
    assert "there is no such file" in said(tmp_path / "none.sqlite")
    empty = tmp_path / "empty.sqlite"
    empty.touch()
    assert "is empty" in said(empty)
    whole = path.read_bytes()
    cut = tmp_path / "cut.sqlite"
    cut.write_bytes(whole[: len(whole) // 2])
    assert "cut.sqlite: is damaged" in said(cut)
    change(path, "UPDATE about SET value = '9' WHERE name = 'version'")
    assert "has version 9 of the format" in said(path)


def test_a_file_in_a_folder_that_cannot_be_written_is_read(path):
    path.parent.chmod(0o555)
    try:
        assert len(load([path]).runs) == 6
    finally:
        path.parent.chmod(0o755)
