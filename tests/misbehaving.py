"""A plug-in with solvers that misbehave, found by this process and those that it starts."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from dtopt import registry

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pytest

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
        if "DTOPT_TEST_TOUCH" in os.environ:
            open(os.environ["DTOPT_TEST_TOUCH"], "w").close()
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

def _begun(problem, name, given):
    """A run that has its first incumbent."""
    run = _run(problem, name, given)
    rng = np.random.default_rng(0)
    while run.solution is None:
        run.offer(rng.integers(0, problem.n_stations, problem.n_users))
    run.offer_bound(-1.0)
    return run

def hoarder(problem, **given):
    """Takes ever more memory."""
    kept = []
    with _begun(problem, "hoarder", given) as run:
        while problem.n_users == 12:
            kept.append(np.ones(50 * 2**17))
            time.sleep(0.01)
    return run.result()

def giant(problem, **given):
    """Takes more memory than there may be, all at once."""
    with _begun(problem, "giant", given) as run:
        if problem.n_users == 12:
            np.ones(10 * 2**27)
    return run.result()

def quitter(problem, **given):
    """Ends its process."""
    _begun(problem, "quitter", given)
    os._exit(7)

def stopped(problem, **given):
    """Is killed by someone else, after a last word."""
    _begun(problem, "stopped", given)
    os.write(2, b"no more\\nterminate called\\n")
    os.kill(os.getpid(), signal.SIGKILL)

def own_way(problem, **given):
    """Uses no Run, tells of an incumbent and does not end."""
    from dtopt.result import Incumbent
    given["on_incumbent"](Incumbent(0.01, 5.0), _begun(problem, "own-way", {"seed": 0}).solution)
    while True:
        pass

class OwnError(Exception):
    def __init__(self, one, two):
        super().__init__(f"{one} and {two}")

def odd(problem, **given):
    """Raises what cannot be brought to another process."""
    raise OwnError("this", "that")
'''
NAMES = (
    *("quick", "sleeper", "killed", "liar", "raiser", "shapeless"),
    *("hoarder", "giant", "quitter", "stopped", "own_way", "odd"),
)


@contextmanager
def installed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Install the plug-in into a folder that is there no longer than the block."""
    info = folder / "misbehaving-1.0.dist-info"
    info.mkdir(parents=True)
    (folder / "misbehaving.py").write_text(SOLVERS)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: misbehaving\nVersion: 1.0\n")
    listed = "".join(f"{name} = misbehaving:{name}\n" for name in NAMES)
    (info / "entry_points.txt").write_text(f"[dtopt.solvers]\n{listed}")
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")]))
    registry._entries.cache_clear()
    yield
    registry._entries.cache_clear()
