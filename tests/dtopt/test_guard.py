"""The guard: solvers that take too much memory or time, or die, are ended with what they had found."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

import dtopt
from dtopt import guard
from dtopt.errors import InputError, SolverDiedError, UnknownSolverError
from dtopt.evaluation import evaluate
from dtopt.guard.processes import GIB, look_again_s, resident_bytes
from dtopt.result import Status
from dtopt.stop import GapReached, Never
from tests.misbehaving import installed

PROBLEM = dtopt.generate("paper", users=12, stations=3, seed=0)


@pytest.fixture(autouse=True)
def _plugin(tmp_path, monkeypatch):
    with installed(tmp_path / "plugin", monkeypatch):
        yield


def solve(name, **limits):
    return dtopt.solve(PROBLEM, name, **{"memory_limit": 2.0, **limits})


def check_kept(result, status):
    """The incumbent is there, judged here, with its trace and the bound that was told, and one line says why."""
    assert result.status is status
    judged = evaluate(PROBLEM, result.solution)
    assert judged.feasible
    assert result.objective == judged.objective
    assert result.trace[-1].time_s <= result.wall_s
    assert "\n" not in result.message
    assert result.message.endswith("; the best solution so far is kept")
    assert result.problem is PROBLEM


def test_a_run_that_keeps_its_limits_is_the_same_as_without_the_guard():
    told = []
    free, kept = (
        dtopt.solve(PROBLEM, "exact", seed=3, memory_limit=limit, on_incumbent=lambda *step: told.append(step))
        for limit in (None, 2.0)
    )
    assert kept.status is free.status is Status.OPTIMAL
    assert (kept.objective, kept.bound, kept.seed) == (free.objective, free.bound, 3)
    assert (kept.solution.association == free.solution.association).all()
    assert [step.objective for step, _ in told] == [s.objective for r in (free, kept) for s in r.trace]
    assert (told[-1][1].association == kept.solution.association).all()
    assert kept.versions == free.versions
    assert 0.03 < kept.details["peak_memory_gib"] < 2.0


def test_memory_that_grows_is_stopped_at_the_limit():
    result = solve("hoarder", memory_limit=0.4)
    check_kept(result, Status.MEMORY_LIMIT)
    assert result.bound == -1.0
    assert result.message.startswith("stopped at its memory limit of 0.4 GiB")
    # How near, a loaded machine decides; beyond twice the limit the system itself gives no more.
    assert 0.4 <= result.details["peak_memory_gib"] < 0.9


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits what is reserved")
def test_one_giant_allocation_fails_at_once():
    result = solve("giant", memory_limit=0.4)
    check_kept(result, Status.MEMORY_LIMIT)
    assert result.message.startswith("out of memory")
    assert result.details["peak_memory_gib"] < 0.4


def test_the_interpreter_alone_may_be_too_large():
    result = solve("quick", memory_limit=0.01)
    assert (result.status, result.solution) == (Status.MEMORY_LIMIT, None)
    assert "before the solver began" in result.message


@pytest.mark.parametrize("name", ["sleeper", "own_way"])
def test_time_that_is_not_kept_is_kept_by_the_guard(name):
    result = solve(name, time_limit=0.2)
    check_kept(result, Status.TIME_LIMIT)
    assert result.message.startswith("did not end by itself: stopped after ")
    assert "(its limit is 0.2 s)" in result.message
    # Without a limit on memory too.
    assert solve(name, time_limit=0.2, memory_limit=float("inf")).status is Status.TIME_LIMIT


def test_a_solver_that_never_begins_is_stopped(monkeypatch):
    monkeypatch.setattr(guard, "START_S", 0.0)
    result = solve("quick", time_limit=0.0)
    assert (result.status, result.solution) == (Status.TIME_LIMIT, None)
    assert result.message == "did not begin: stopped after 0 s"


def test_a_solver_that_dies_leaves_its_incumbent():
    result = solve("quitter")
    check_kept(result, Status.FEASIBLE)
    assert result.message.startswith("its process ended with exit code 7")
    result = solve("stopped")
    check_kept(result, Status.FEASIBLE)
    assert "ended by SIGKILL: out of memory, or killed by hand: terminate called" in result.message


def test_a_solver_that_dies_without_an_incumbent_is_an_error():
    with pytest.raises(SolverDiedError, match=r"^solver 'killed' died without a solution: its process was ended"):
        solve("killed")


def test_errors_come_over():
    with pytest.raises(RuntimeError, match=r"^no such luck$"):
        solve("raiser")
    with pytest.raises(RuntimeError, match=r"^OwnError: this and that$"):
        solve("odd")
    with pytest.raises(UnknownSolverError, match="unknown solver 'none'"):
        solve("none")
    with pytest.raises(InputError, match="seed: must be >= 0, got -1"):
        solve("quick", seed=-1)
    with pytest.raises(TypeError, match="no_such_option"):
        solve("greedy", no_such_option=1)


@pytest.mark.parametrize("limit", [0.0, -1.0, float("nan"), "much"])
def test_a_wrong_limit_is_refused(limit):
    with pytest.raises(InputError, match=r"^memory limit: "):
        solve("quick", memory_limit=limit)


def test_criteria_go_along():
    assert solve("exact", stop=GapReached(0.5)).gap <= 0.5

    class Local(Never):
        pass

    with pytest.raises(InputError, match="memory limit: cannot go to another process: "):
        solve("quick", stop=Local())


def test_ctrl_c_keeps_the_incumbent():
    def interrupt(step, solution):
        raise KeyboardInterrupt

    check_kept(solve("sleeper", on_incumbent=interrupt), Status.INTERRUPTED)
    # Also where the solver does not hear it; what comes first, its end or the grace, is the same to the caller.
    result = solve("own_way", on_incumbent=interrupt)
    assert (result.status, result.solution is not None) == (Status.INTERRUPTED, True)


def test_ctrl_c_on_the_command_line(tmp_path, monkeypatch):
    instance, solution, begun = tmp_path / "p.json", tmp_path / "s.json", tmp_path / "begun"
    monkeypatch.setenv("DTOPT_TEST_TOUCH", str(begun))
    dtopt.write(PROBLEM, instance)
    command = [sys.executable, "-m", "dtopt", "solve", instance, "-s", "sleeper", "--memory-limit", "2", "-o", solution]
    run = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        inner = _child_of(run.pid)
        while not begun.exists():
            time.sleep(0.02)
        run.send_signal(signal.SIGINT)
        out, err = run.communicate(timeout=60)
    finally:
        run.kill()
    assert (run.returncode, err) == (130, "")
    assert "interrupted" in out
    assert solution.exists()
    assert not os.path.exists(f"/proc/{inner}")


def test_the_process_of_a_killed_parent_ends(tmp_path):
    instance = tmp_path / "p.json"
    dtopt.write(PROBLEM, instance)
    run = subprocess.Popen([sys.executable, "-m", "dtopt", "solve", instance, "-s", "sleeper", "--memory-limit", "2"])
    inner = _child_of(run.pid)
    run.kill()
    run.wait()
    while os.path.exists(f"/proc/{inner}"):
        time.sleep(0.02)


def test_the_command_line_says_it_in_one_line(tmp_path):
    instance = tmp_path / "p.json"
    dtopt.write(PROBLEM, instance)
    for name, code, told in (
        ("hoarder", 0, "memory_limit by hoarder"),
        ("quick --memory-limit=0.01", 3, "before the solver began"),
        ("killed", 1, "dtopt: error: solver 'killed' died without a solution"),
    ):
        command = [sys.executable, "-m", "dtopt", "solve", instance, "--memory-limit", "0.4", "-s", *name.split()]
        run = subprocess.run(command, capture_output=True, text=True, check=False)
        assert run.returncode == code
        assert told in run.stdout + run.stderr
        assert run.stderr.count("\n") <= (code == 1)
    table = subprocess.run(
        [*command[:3], "compare", instance, "--memory-limit", "0.4", *["-s", "killed", "-s", "hoarder", "-s", "quick"]],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert {line.split()[1]: line.split()[2] for line in table.splitlines()[1:4]} == {
        "hoarder": "memory",
        "killed": "failed",
        "quick": "feasible",
    }


def test_what_children_take_counts_too():
    code = "x = bytearray(200 * 2**20); print(flush=True); input()"
    before = resident_bytes(os.getpid())
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        child.stdout.readline()
        assert resident_bytes(os.getpid()) - before > 190 * 2**20
        child.communicate(b"\n")
    assert resident_bytes(child.pid) == 0


def test_it_looks_more_often_the_nearer_the_limit():
    waits = [look_again_s(left) for left in (0, 10 * 2**20, 100 * 2**20, GIB, 100 * GIB)]
    assert waits == sorted(waits)
    assert 0 < waits[0] < waits[-1] <= 0.02


def _child_of(pid):
    while True:
        with open(f"/proc/{pid}/task/{pid}/children") as file:
            found = file.read().split()
        if found:
            return int(found[0])
        time.sleep(0.02)
