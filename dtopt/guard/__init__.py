"""The guard: a solver in a process of its own, which is ended where it takes more memory or time than it may.

What it had found until then is kept: the process tells every incumbent and every bound as it comes. The memory that
counts is the resident set of the process, interpreter and libraries included, and that of the processes it has started.
It is looked at every few milliseconds, more often the nearer it is to the limit; besides, the process may not reserve
more than the limit beyond what it had before the solver began, so that one giant allocation fails at once.

The clock of the guard starts with the run's own (`dtopt.run.Run`): loading and compiling are not part of a run.
"""

from __future__ import annotations

import contextlib
import math
import os
import pickle
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from dtopt.arrays import number
from dtopt.errors import InputError, SolverDiedError
from dtopt.evaluation import evaluate
from dtopt.guard.processes import GIB, death, look_again_s, resident_bytes
from dtopt.result import Incumbent, Result, Status
from dtopt.run import versions
from dtopt.solution import Solution
from dtopt.stop import stopping

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection

    from dtopt.problem import Problem
    from dtopt.stop import StoppingCriterion

__all__ = ["check_memory_limit", "guarded"]

#: A run is ended after `HARD_FACTOR` times its limit and `HARD_EXTRA_S` more.
HARD_FACTOR, HARD_EXTRA_S = 1.1, 0.3
#: How long a process may take to load before its run begins, s.
START_S = 120.0
#: After Ctrl-C the solver has so much time to end by itself, s.
GRACE_S = 1.0
#: Seconds between two looks at the clock.
LOOK_S = 0.1


def guarded(
    problem: Problem,
    solver: str,
    *,
    memory_limit: float,
    time_limit: float | None = None,
    seed: int = 0,
    stop: StoppingCriterion | None = None,
    on_incumbent: Callable[[Incumbent, Solution], None] | None = None,
    **options: Any,
) -> Result:
    """Do what `dtopt.solve` does, in a process of its own; see there.

    Parameters
    ----------
    memory_limit : float
        GiB of resident memory; infinite where only the time is to be guarded.

    Raises
    ------
    SolverDiedError
        If the process ends without a result and without having reported an incumbent.
    InputError
        If the limit is not positive, or the system does not tell what a process takes.
    """
    check_memory_limit(memory_limit)
    seconds = stopping(stop, time_limit).seconds_left(0.0)
    request = {
        "solver": solver,
        "memory_limit": memory_limit,
        "arguments": {"time_limit": time_limit, "seed": seed, "stop": stop, **options},
        "problem": problem,
        "warnings": warnings.filters,
    }
    try:
        packed = pickle.dumps(request, protocol=pickle.HIGHEST_PROTOCOL)
    except (pickle.PicklingError, TypeError, AttributeError) as error:
        mend = "criteria and options must be objects of importable classes"
        raise InputError(f"cannot go to another process: {error}", where="memory limit", mend=mend) from None
    watched = _Watched(problem, solver, seed, memory_limit, seconds, on_incumbent)
    return watched.run(packed)


def check_memory_limit(memory_limit: float | None) -> None:
    """Raise InputError where a limit is not positive, or this system does not tell what a process takes."""
    if memory_limit is None:
        return
    number(memory_limit, "memory limit", minimum=0.0, exclusive=True, infinite=True)
    if os.name != "posix":
        raise InputError("needs Linux or another POSIX system", where="memory limit")
    if math.isfinite(memory_limit):
        resident_bytes(os.getpid())  # raises where there is no way


class _Watched:
    """The process of a solver, seen from outside."""

    def __init__(
        self,
        problem: Problem,
        solver: str,
        seed: int,
        memory_limit: float,
        seconds: float,
        on_incumbent: Callable[[Incumbent, Solution], None] | None,
    ) -> None:
        self.problem, self.solver, self.seed = problem, solver, seed
        self.memory_limit, self.seconds, self.on_incumbent = memory_limit, seconds, on_incumbent
        self.trace: list[Incumbent] = []
        self.last: Solution | None = None
        self.bound: float | None = None
        self.peak = 0
        self.begun: float | None = None
        self.cpu_begun = self.cpu = 0.0
        self.deadline = math.inf
        self.interrupted = False

    def run(self, request: bytes) -> Result:
        """Return what the solver returns, or what it had reported when it had to be ended."""
        from multiprocessing.connection import Pipe

        reader, writer = Pipe(duplex=False)
        # Not by `multiprocessing`, which would run the caller's main module again. Plug-ins are found by our path.
        code = f"import sys; sys.path[:] = {sys.path!r}; from dtopt.guard.child import main; main()"
        with reader, tempfile.TemporaryFile() as self.errors:
            with writer:
                self.process = subprocess.Popen(  # noqa: S603 - this very Python
                    [sys.executable, "-c", code, str(os.getpid()), str(writer.fileno())],
                    stdin=subprocess.PIPE,
                    stdout=self.errors,
                    stderr=self.errors,
                    pass_fds=[writer.fileno()],
                    # Ctrl-C is for this process to hear; it tells the other.
                    start_new_session=True,
                )
            messages: queue.SimpleQueue[Any] = queue.SimpleQueue()
            # In a thread, so that neither a long message nor Ctrl-C in the midst of one comes between.
            exchange = threading.Thread(target=_exchange, args=(self.process, request, reader, messages), daemon=True)
            try:
                self.deadline = time.monotonic() + START_S + self.seconds
                exchange.start()
                return self._follow(messages)
            finally:
                self._end()
                # It must not read on once the pipe is closed: the next pipe may have the same number.
                exchange.join(GRACE_S)

    def _follow(self, messages: queue.SimpleQueue[Any]) -> Result:
        while True:
            try:
                message = self._next(messages)
                if message is not None:
                    result = self._take(*message)
                    if result is not None:
                        return result
            except KeyboardInterrupt:
                if self.interrupted:
                    return self._kept(Status.INTERRUPTED, "interrupted")
                self.interrupted = True
                self.deadline = min(self.deadline, time.monotonic() + GRACE_S)
                with contextlib.suppress(ProcessLookupError):
                    self.process.send_signal(signal.SIGINT)

    def _next(self, messages: queue.SimpleQueue[Any]) -> tuple[Any, ...] | None:
        """Return the next message, or what the limits say in its place; None where it is time to look again."""
        with contextlib.suppress(queue.Empty):
            return messages.get_nowait()  # type: ignore[no-any-return]
        now = time.monotonic()
        if now > self.deadline:
            return ("late",)
        wait = min(LOOK_S, self.deadline - now)
        if math.isfinite(self.memory_limit):
            resident, limit = resident_bytes(self.process.pid), self.memory_limit * GIB
            self.peak = max(self.peak, resident)
            if resident > limit:
                return ("full",)
            wait = min(wait, look_again_s(limit - resident))
        with contextlib.suppress(queue.Empty):
            return messages.get(timeout=wait)  # type: ignore[no-any-return]
        return None

    def _take(self, kind: str, *what: Any) -> Result | None:
        if kind == "clock":
            self._start_clock(*what)
        elif kind == "bound":
            self.bound = what[0]
        elif kind == "incumbent":
            step, association, servers = what
            self.last = Solution(association, servers)
            self.trace.append(step)
            if self.begun is None:
                self._start_clock(time.monotonic() - step.time_s)
            if self.on_incumbent is not None:
                self.on_incumbent(step, self.last)
        elif kind == "result":
            self.peak = max(self.peak, what[1])
            return self._completed(what[0])
        elif kind == "error":
            return self._failed(*what)
        elif kind == "late":
            return self._late()
        elif kind == "full":
            early = " before the solver began: interpreter and libraries alone take that" if self.begun is None else ""
            return self._kept(Status.MEMORY_LIMIT, f"stopped at its memory limit of {self.memory_limit:g} GiB{early}")
        else:
            return self._dead()
        return None

    def _start_clock(self, begun: float, cpu: float = 0.0) -> None:
        # Both processes have the same clock, that of the system.
        self.begun, self.cpu_begun = begun, cpu
        self.deadline = self.begun + HARD_FACTOR * self.seconds + HARD_EXTRA_S

    # --- how it ends ----------------------------------------------------------------------------------------------

    def _completed(self, result: Result) -> Result:
        # What it printed goes where it would have gone, but for standard output, which is the command line's.
        sys.stderr.write(self._printed())
        details = {**result.details, **self._details()}
        return replace(result, problem=self.problem, details=details)

    def _failed(self, packed: bytes | None, text: str, memory: bool) -> Result:
        if memory:
            return self._kept(Status.MEMORY_LIMIT, self._full())
        error: BaseException = RuntimeError(text)
        if packed is not None:
            # One of a class that is not here is reported as text.
            with contextlib.suppress(Exception):
                error = pickle.loads(packed)  # noqa: S301 - from our own process
        if isinstance(error, KeyboardInterrupt):
            return self._kept(Status.INTERRUPTED, "interrupted")
        raise error

    def _full(self) -> str:
        limit = f" within its limit of {self.memory_limit:g} GiB" if math.isfinite(self.memory_limit) else ""
        return f"out of memory{limit}"

    def _late(self) -> Result:
        if self.interrupted:
            return self._kept(Status.INTERRUPTED, "interrupted")
        if self.begun is None:
            return self._kept(Status.TIME_LIMIT, f"did not begin: stopped after {START_S + self.seconds:.0f} s")
        took = time.monotonic() - self.begun
        message = f"did not end by itself: stopped after {took:.3g} s (its limit is {self.seconds:g} s)"
        return self._kept(Status.TIME_LIMIT, message)

    def _dead(self) -> Result:
        # Its pipe is at its end a little before it is itself.
        until = time.monotonic() + GRACE_S
        while time.monotonic() < until and not os.waitid(
            os.P_PID, self.process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT
        ):
            time.sleep(LOOK_S / 10)
        self._end()
        if self.interrupted:
            return self._kept(Status.INTERRUPTED, "interrupted")
        last = self._printed().strip().splitlines()[-1:]
        said = death(self.process.returncode) + "".join(f": {line}" for line in last)
        if self.last is None:
            raise SolverDiedError(f"solver {self.solver!r} died without a solution: {said}")
        return self._kept(Status.FEASIBLE, said)

    def _kept(self, status: Status, message: str) -> Result:
        """Return a result of what was reported, after the evaluator's own look at it."""
        wall = 0.0 if self.begun is None else time.monotonic() - self.begun
        self._end()
        evaluation = None if self.last is None else evaluate(self.problem, self.last)
        solution = self.last if evaluation is not None and evaluation.feasible else None
        kept = "; the best solution so far is kept" if solution is not None else ""
        if status is Status.FEASIBLE and solution is None:
            status = Status.NOT_FOUND
        return Result(
            solver=self.solver,
            seed=self.seed,
            problem_kind=self.problem.kind,
            problem_name=self.problem.name,
            problem_hash=self.problem.content_hash,
            status=status,
            solution=solution,
            evaluation=evaluation if solution is not None else None,
            bound=self.bound,
            trace=tuple(self.trace),
            wall_s=wall,
            cpu_s=max(0.0, self.cpu - self.cpu_begun),
            message=message + kept,
            versions=versions("numpy"),
            details=self._details(),
            problem=self.problem,
        )

    def _details(self) -> dict[str, Any]:
        return {"peak_memory_gib": round(self.peak / GIB, 3)}

    def _end(self) -> None:
        """End the process and all that it has started, and take what it leaves."""
        if self.process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            # One that has sent its result or died is only waited for by this.
            os.killpg(self.process.pid, signal.SIGKILL)
        _, code, usage = os.wait4(self.process.pid, 0)
        self.process.returncode = os.waitstatus_to_exitcode(code)
        self.cpu = usage.ru_utime + usage.ru_stime
        with contextlib.suppress(OSError):
            if self.process.stdin is not None:
                self.process.stdin.close()

    def _printed(self) -> str:
        self.errors.seek(0)
        return self.errors.read().decode(errors="replace")


def _exchange(
    process: subprocess.Popen[bytes], request: bytes, reader: Connection, messages: queue.SimpleQueue[Any]
) -> None:
    """Hand the request over and pass on what comes back, until the process has ended."""
    try:
        assert process.stdin is not None  # noqa: S101 - it is a pipe
        process.stdin.write(request)
        process.stdin.close()
        while True:
            messages.put(reader.recv())
    except Exception:
        # The pipe is at its end, or was cut off in the midst of a message.
        messages.put(("dead",))
