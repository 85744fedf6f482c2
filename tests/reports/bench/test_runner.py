"""The runner: every run is kept, whatever solvers do and whenever it is killed."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import pytest

from reports.bench import BenchConfig, keeper, make_plan, run_plan
from reports.store import Store, load

SIZE = "paper:users=12,stations=3"


def preset(seed=0):
    from dtopt.generators import generate

    options = {"users": 12, "stations": 3}
    return [(generate("paper", seed=seed, **options), {"preset": "paper", "options": options, "seed": seed})]


def plan_of(solvers, *, seeds=(0,), limit=0.5, instances=1, **more):
    config = BenchConfig(
        instances=[str(i) for i in range(instances)],
        solvers=list(solvers),
        seeds=list(seeds),
        time_limits=[limit],
        **more,
    )
    return make_plan(config, read=lambda text: preset(int(text)))


def command(path, *more):
    solvers = [part for name in ("quick", "nearest") for part in ("-s", name)]
    return [
        *(sys.executable, "-m", "dtopt", "bench", f"{SIZE},seed=0", f"{SIZE},seed=1", *solvers),
        *("--seeds", "4", "--workers", "1", "-o", str(path), *more),
    ]


def test_every_end_of_a_run_is_a_row_and_the_bench_goes_on(plugin, tmp_path):
    names = ["killed", "liar", "quick", "raiser", "shapeless", "sleeper", "nearest"]
    plan = plan_of(names, limit=0.2, hard_factor=1.0, hard_extra_s=0.3)
    with Store(tmp_path / "r.sqlite") as store:
        assert run_plan(plan, store, workers=1)
    results = load([tmp_path / "r.sqlite"])
    assert results.rejected.empty
    runs = results.runs.set_index("solver")
    assert sorted(runs.index) == sorted(names)
    assert runs.status.drop("sleeper").to_dict() == {
        "killed": "failed",
        "liar": "invalid",
        "quick": "feasible",
        "raiser": "failed",
        "shapeless": "invalid",
        "nearest": "feasible",
    }
    assert "SIGKILL: out of memory" in runs.message["killed"]
    assert "the evaluator rejects its solution" in runs.message["liar"]
    assert "what it returned cannot be judged: association" in runs.message["shapeless"]
    assert runs.message["raiser"] == "RuntimeError: no such luck"
    assert runs.objective.notna().to_dict() == {n: n in {"quick", "nearest", "sleeper"} for n in sorted(names)}
    # Stopped with what it had at its limit.
    assert runs.status["sleeper"] == "time_limit"
    assert runs.message["sleeper"].startswith("did not end by itself: stopped after 0.5 s (its limit is 0.2 s)")
    assert runs.wall_s["sleeper"] == 0.5
    # Each on a machine that is recorded, with the plug-in's version.
    assert set(runs.machine) == set(results.machines.id)
    assert '"misbehaving":"1.0"' in results.machines.versions[0]


def test_a_run_that_takes_too_much_memory_is_stopped_with_its_incumbent(plugin, tmp_path):
    plan = plan_of(["hoarder", "giant", "quick"], limit=60.0, memory_limit=0.6)
    with Store(tmp_path / "r.sqlite") as store:
        assert run_plan(plan, store, workers=1)
    results = load([tmp_path / "r.sqlite"])
    assert results.rejected.empty
    runs = results.runs.set_index("solver")
    assert runs.status.to_dict() == {"hoarder": "memory_limit", "giant": "memory_limit", "quick": "feasible"}
    assert runs.objective.notna().all()
    assert runs.message["hoarder"] == "stopped at its memory limit of 0.6 GiB, with what it had at its limit"
    assert runs.message["giant"] == "out of memory; the best solution so far is kept"
    # A run under another limit is another run.
    keys = [{task.key for task in plan_of(["quick"], memory_limit=limit).tasks} for limit in (None, 0.6, 1.0)]
    assert len(set.union(*keys)) == 3


def test_a_solver_that_holds_the_interpreter_is_ended_from_outside(plugin, tmp_path, monkeypatch):
    # The process cannot tell its incumbent then; here it is as if its watch did not come.
    monkeypatch.setattr(keeper, "GRACE_SECONDS", -10.0)
    plan = plan_of(["sleeper", "quick"], limit=0.2, hard_extra_s=10.0)
    with Store(tmp_path / "r.sqlite") as store:
        run_plan(plan, store, workers=1)
    runs = load([tmp_path / "r.sqlite"]).runs.set_index("solver")
    assert runs.status.to_dict() == {"quick": "feasible", "sleeper": "failed"}
    assert runs.message["sleeper"].startswith("did not end by itself, and was stopped after")


def test_killed_at_any_time_and_resumed_no_run_is_lost_or_done_twice(plugin, tmp_path):
    path, rng = tmp_path / "r.sqlite", random.Random(5)
    environment = {**os.environ, "DTOPT_TEST_SLEEP": "0.15"}
    killed = []
    while len(killed) < 3:
        process = subprocess.Popen(command(path), env=environment, stderr=subprocess.PIPE, text=True)
        # Kill it once it works, some runs after those that were there before.
        before, until = _count(path), rng.randint(1, 4)
        while process.poll() is None and _count(path) < before + until:
            time.sleep(0.02)
        if process.poll() is not None:
            break
        time.sleep(rng.random() * 0.2)
        process.kill()
        process.wait()
        killed.append(process)
        assert _count(path) >= before + until
    finished = _stamps(path)
    done = subprocess.run(command(path), env=environment, capture_output=True, text=True, check=True)
    assert len(killed) >= 2
    assert f"{len(finished)} of 16 runs are there already" in done.stderr
    # What was finished is as it was, not done again.
    assert finished.items() <= _stamps(path).items()
    results = load([path])
    assert results.rejected.empty
    assert len(results.runs) == 16
    with Store(tmp_path / "undisturbed.sqlite") as store:
        instances = make_plan(
            BenchConfig(instances=["0", "1"], solvers=["quick", "nearest"], seeds=[0, 1, 2, 3]),
            read=lambda text: preset(int(text)),
        )
        run_plan(instances, store, workers=1)
    undisturbed = load([tmp_path / "undisturbed.sqlite"]).runs
    assert _same(results.runs) == _same(undisturbed)
    # Nothing that was killed goes on in the background.
    assert not _orphans(*killed)


def _same(runs):
    return [tuple(row) for row in runs[["key", "status", "objective", "iterations"]].itertuples(index=False)]


def _count(path):
    return len(_stamps(path))


def _stamps(path):
    if not path.exists():
        return {}
    database = sqlite3.connect(path, timeout=30)
    try:
        return dict(database.execute("SELECT key, finished FROM runs"))
    except sqlite3.OperationalError:
        return {}
    finally:
        database.close()


def _orphans(*parents):
    """Processes of runs whose parent was one of these; their command line names it."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            words = entry.read_bytes().split(b"\0")
            if b"reports.bench.child" in words and words[-3] in {str(p.pid).encode() for p in parents}:
                found.append(entry.parent.name)
    return found


def _begun(log):
    """Return which runs were begun, and by which process."""
    if not log.exists():
        return []
    lines = [line.rsplit(" ", 1) for line in log.read_text().splitlines()]
    return [(run, int(parent)) for run, parent in lines]


def test_two_processes_share_one_file_and_no_run_is_done_twice(plugin, tmp_path):
    path, log = tmp_path / "r.sqlite", tmp_path / "log"
    environment = {**os.environ, "DTOPT_TEST_SLEEP": "0.1", "DTOPT_TEST_LOG": str(log)}
    both = [subprocess.Popen(command(path), env=environment, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    errors = [process.communicate(timeout=120)[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], errors
    assert not [e for e in errors if "Traceback" in e or "error" in e]
    results = load([path])
    assert len(results.runs) == 16
    assert results.rejected.empty
    assert len(_begun(log)) == len(dict(_begun(log))) == 8
    # The file that says who writes has gone with them.
    assert not (tmp_path / ".r.sqlite.lock").exists()


def test_where_one_of_two_is_killed_the_other_does_its_runs(plugin, tmp_path):
    path, log = tmp_path / "r.sqlite", tmp_path / "log"
    environment = {**os.environ, "DTOPT_TEST_SLEEP": "0.4", "DTOPT_TEST_LOG": str(log)}
    both = [subprocess.Popen(command(path), env=environment, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    victim, survivor = both
    # In the middle of a run.
    while victim.poll() is None and victim.pid not in dict(_begun(log)).values():
        time.sleep(0.01)
    assert victim.poll() is None
    victim.kill()
    victim.communicate()
    errors = survivor.communicate(timeout=120)[1]
    assert survivor.returncode == 0, errors
    results = load([path])
    assert len(results.runs) == 16
    assert results.rejected.empty
    # All that was begun twice is the run that the kill has ended.
    runs = Counter(run for run, _ in _begun(log))
    assert len(runs) == 8
    assert sum(runs.values()) <= 9
    assert not _orphans(victim)


def test_a_process_waits_for_the_runs_of_another(plugin, tmp_path):
    path = tmp_path / "r.sqlite"
    plan = plan_of(["quick"], seeds=(0, 1))
    hold = "import sys; from reports.store import Store; s = Store(sys.argv[1]); s.claim(sys.argv[2]); print(1)"
    other = subprocess.Popen(
        [sys.executable, "-c", f"{hold}; sys.stdout.flush(); input()", path, plan.tasks[0].key],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    other.stdout.readline()
    seen, waited = [], []

    def others(done, waiting):
        waited.append((len(seen), done, waiting))
        if waiting:
            other.kill()

    with Store(path) as store:
        assert run_plan(plan, store, workers=1, on_run=lambda run, new: seen.append(run.seed), on_others=others)
    other.communicate()
    # The free one first; then the wait, which the kill has ended.
    assert seen == [1, 0]
    assert (1, 0, 1) in waited


def test_another_machine_is_told_to_take_a_file_of_its_own(tmp_path):
    path = tmp_path / "r.sqlite"
    elsewhere = (
        "import platform, sys; platform.node = lambda: 'elsewhere'; "
        "from reports.store import Store; from dtopt.errors import InputError\n"
        "try: Store(sys.argv[1])\n"
        "except InputError as error: print(error)"
    )
    with Store(path):
        done = subprocess.run([sys.executable, "-c", elsewhere, path], capture_output=True, text=True, check=True)
    assert f"{path}: is being written by process {os.getpid()} on " in done.stdout
    assert "give each machine a file of its own" in done.stdout
    done = subprocess.run([sys.executable, "-c", elsewhere, path], capture_output=True, text=True, check=True)
    assert not done.stdout


@pytest.mark.parametrize("workers", [1, 2])
def test_ctrl_c_keeps_finished_runs(plugin, tmp_path, workers):
    path = tmp_path / "r.sqlite"
    environment = {**os.environ, "DTOPT_TEST_SLEEP": "0.3"}
    words = [str(workers) if before == "--workers" else word for before, word in pairwise(["", *command(path)])]
    process = subprocess.Popen(words, env=environment, stderr=subprocess.PIPE, text=True)
    while process.poll() is None and _count(path) < 2:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    errors = process.communicate(timeout=30)[1]
    assert process.returncode == 130
    assert "the same command goes on" in errors
    assert "Traceback" not in errors
    assert 2 <= len(load([path]).runs) < 16
    assert not _orphans(process)


def test_failed_runs_are_done_again_on_request(plugin, tmp_path):
    plan = plan_of(["raiser", "quick"])
    with Store(tmp_path / "r.sqlite") as store:
        run_plan(plan, store, workers=1)
        assert store.statuses() == {"failed": 1, "feasible": 1}
        assert store.forget(["failed"]) == 1
        seen = []
        run_plan(plan, store, workers=1, on_run=lambda run, new: seen.append((run.solver, new)))
        assert seen == [("raiser", True)]


def test_runs_in_parallel_take_processes_of_their_own(plugin, tmp_path, monkeypatch):
    monkeypatch.setenv("DTOPT_TEST_SLEEP", "0.05")
    plan = plan_of(["quick"], seeds=range(6))
    seen, thread = [], threading.get_ident()
    with Store(tmp_path / "r.sqlite") as store:
        run_plan(plan, store, workers=2, on_run=lambda run, new: seen.append((run.seed, threading.get_ident())))
    assert sorted(seed for seed, _ in seen) == list(range(6))
    # Only one thread writes.
    assert {t for _, t in seen} == {thread}


def test_the_order_of_runs_makes_what_is_there_comparable():
    plan = plan_of(["nearest", "random"], seeds=(0, 1), instances=2)
    order = [(task.seed, task.label[-2:], task.solver) for task in plan.tasks]
    assert order == [(s, i, n) for s in (0, 1) for i in ("s0", "s1") for n in ("nearest", "random")]


def test_a_limit_of_iterations_is_part_of_what_a_run_is_known_by(tmp_path):
    limited = {"name": "local-search", "max_iterations": 30}
    plan = plan_of([limited, {"name": "nearest", "seeds": [0]}], seeds=(0, 1), limit=60.0)
    assert Counter(task.solver for task in plan.tasks) == {"local-search": 2, "nearest": 1}
    outcomes = []
    for name in ("a", "b"):
        with Store(tmp_path / f"{name}.sqlite") as store:
            run_plan(plan, store, workers=1)
        outcomes.append(_same(load([tmp_path / f"{name}.sqlite"]).runs))
    assert outcomes[0] == outcomes[1]
    runs = load([tmp_path / "a.sqlite"]).runs
    assert set(runs.options) == {"{}", '{"max_iterations":30}'}


def test_dask(plugin, tmp_path):
    distributed = pytest.importorskip("distributed", reason="Dask is not installed: pip install 'dtopt[cluster]'")
    plan = plan_of(["quick", "killed"], seeds=(0, 1))
    settings = {"distributed.comm.retry.count": 3}
    import dask

    with (
        dask.config.set(settings),
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, local_directory=str(tmp_path)
        ) as cluster,
        Store(tmp_path / "r.sqlite") as store,
    ):
        assert run_plan(plan, store, backend="dask", address=cluster.scheduler_address)
    results = load([tmp_path / "r.sqlite"])
    assert Counter(zip(results.runs.solver, results.runs.status, strict=True)) == {
        ("quick", "feasible"): 2,
        ("killed", "failed"): 2,
    }
    assert set(results.runs.machine) == set(results.machines.id)
