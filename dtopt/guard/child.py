"""Inside the process that a guarded solver runs in: it does the run, and tells what it finds as it comes."""

from __future__ import annotations

import contextlib
import math
import os
import pickle
import sys
import threading
import time
import warnings
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any

import numpy as np

from dtopt.guard.processes import end_with_parent, limit_data, peak_bytes
from dtopt.result import Incumbent, Result
from dtopt.run import Run, listen, out_of_memory

if TYPE_CHECKING:
    from dtopt.problem import Problem
    from dtopt.solution import Solution

__all__ = ["main"]

#: Bounds are told no more often than this, s.
BOUND_S = 0.02


class _Teller:
    """Tells the other process what a run finds."""

    def __init__(self, channel: Connection, problem: Problem) -> None:
        self._channel, self._problem = channel, problem
        self._lock = threading.Lock()
        self._begun = False
        self._told_s = -math.inf

    def say(self, *message: Any) -> None:
        with self._lock:
            self._channel.send(message)

    def began(self, run: Run) -> None:
        """Start the clock at the first run; those inside it have clocks of their own."""
        if not self._begun:
            self._begun = True
            self.say("clock", time.monotonic() - run.elapsed_s, time.process_time())

    def bounded(self, run: Run) -> None:
        """Tell a bound on the problem itself; one on a part of it says nothing."""
        now = time.monotonic()
        if run.problem is self._problem and now - self._told_s >= BOUND_S:
            self._told_s = now
            self.say("bound", run.bound)

    def found(self, step: Incumbent, solution: Solution) -> None:
        """Tell an incumbent; its CPU shares follow from it."""
        association = solution.association.astype(np.int32)
        used = np.unique(association[association >= 0])
        servers = None if np.array_equal(used, solution.open_servers) else solution.open_servers
        self.say("incumbent", Incumbent(float(step.time_s), float(step.objective)), association, servers)


def main() -> None:
    """Run the solver that the other process asks for; arguments: that process, and where to tell."""
    end_with_parent(int(sys.argv[1]))
    os.set_inheritable(int(sys.argv[2]), False)
    channel = Connection(int(sys.argv[2]), readable=False)
    request = pickle.load(sys.stdin.buffer)  # noqa: S301 - from our own process
    warnings.filters[:] = request["warnings"]  # type: ignore[index]
    teller = _Teller(channel, request["problem"])
    message: tuple[Any, ...]
    try:
        message = ("result", *_solve(teller, **request))
    except BaseException as error:
        message = ("error", *_packed(error))
    with contextlib.suppress(OSError):
        sys.stdout.flush()
        sys.stderr.flush()
    teller.say(*message)
    # Threads that libraries have left behind are not waited for.
    os._exit(0)


def _solve(
    teller: _Teller, *, problem: Problem, solver: str, memory_limit: float, arguments: dict[str, Any], **_: Any
) -> tuple[Result, int]:
    from dtopt.registry import load_solver, solve

    load_solver(solver)
    if math.isfinite(memory_limit):
        limit_data(memory_limit)
    listen(teller)
    result = solve(problem, solver, on_incumbent=teller.found, **arguments)
    return result, peak_bytes()


def _packed(error: BaseException) -> tuple[bytes | None, str, bool]:
    packed = None
    with contextlib.suppress(Exception):
        packed = pickle.dumps(error)
    text = " ".join(f"{type(error).__name__}: {error}".split())
    return packed, text, out_of_memory(error)
