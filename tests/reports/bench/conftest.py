"""A plug-in with solvers that misbehave, found by the runner's processes through PYTHONPATH."""

from __future__ import annotations

import os

import pytest

from dtopt import registry

SOLVERS = '''
import os, signal, time
import numpy as np
from dtopt.run import Run
from dtopt.solution import Solution

def _run(problem, name, given):
    return Run(problem, name, seed=given["seed"], stop=given.get("stop"), time_limit=given.get("time_limit"),
               on_incumbent=given.get("on_incumbent"))

def quick(problem, **given):
    """First come, first served: any feasible association, by the seed."""
    run = _run(problem, "quick", given)
    rng = np.random.default_rng(given["seed"])
    # Not while it warms up on another instance.
    if problem.n_users == 12 and (log := os.environ.get("DTOPT_TEST_LOG")):
        with open(log, "a") as stream:
            stream.write(f"{problem.name} {given['seed']} {os.getppid()}\\n")
    with run:
        while run.solution is None:
            run.offer(rng.integers(0, problem.n_stations, problem.n_users))
        time.sleep(float(os.environ.get("DTOPT_TEST_SLEEP", "0")))
    return run.result()

def sleeper(problem, **given):
    """Finds something, and does not honour its limit."""
    run = _run(problem, "sleeper", given)
    with run:
        rng = np.random.default_rng(0)
        while run.solution is None:
            run.offer(rng.integers(0, problem.n_stations, problem.n_users))
        # Not while it warms up on another instance.
        time.sleep(600 if problem.n_users == 12 else 0)
    return run.result()

def killed(problem, **given):
    """Dies as one that takes all memory."""
    os.kill(os.getpid(), signal.SIGKILL)

def liar(problem, **given):
    """Claims a solution that breaks constraints."""
    result = quick(problem, **given)
    from dataclasses import replace
    return replace(result, solution=Solution(np.full(problem.n_users, -1)))

def shapeless(problem, **given):
    """Returns a solution of another size."""
    result = quick(problem, **given)
    from dataclasses import replace
    return replace(result, solution=Solution(np.zeros(3, dtype=int)))

def raiser(problem, **given):
    """Raises an error."""
    raise RuntimeError("no such luck")
'''
NAMES = ("quick", "sleeper", "killed", "liar", "raiser", "shapeless")


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    """Install the plug-in for this process and those that it starts."""
    folder = tmp_path / "plugin"
    info = folder / "misbehaving-1.0.dist-info"
    info.mkdir(parents=True)
    (folder / "misbehaving.py").write_text(SOLVERS)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: misbehaving\nVersion: 1.0\n")
    listed = "".join(f"{name} = misbehaving:{name}\n" for name in NAMES)
    (info / "entry_points.txt").write_text(f"[dtopt.solvers]\n{listed}")
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")]))
    registry._entries.cache_clear()
    yield folder
    registry._entries.cache_clear()
