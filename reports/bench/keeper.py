"""Keeps the processes that run solvers: starts them, ends those that do not come back, and tells how they died.

`execute` is what joblib calls, in threads of this process or on a cluster's workers; it needs nothing but the task.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import math
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from dtopt.guard.processes import GIB, death, look_again_s, resident_bytes
from reports.bench.child import failure
from reports.records import Run

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reports.bench.plan import Task

__all__ = ["Outcome", "cancel", "execute", "release"]

#: Variables that tell numerical libraries how many threads they may use; they are read once, when one is loaded.
THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "DTOPT_NUM_THREADS",
)
#: How long a process may take to start, and to make an instance and warm up for it, s.
START_SECONDS, WARM_SECONDS = 300.0, 600.0
#: How long after the hard limit the process itself has time to tell its incumbent, s.
GRACE_SECONDS = 5.0


@dataclass(frozen=True, eq=False)
class Outcome:
    """What came of a task: the run, and the record of the machine that it ran on."""

    run: Run
    machine: dict[str, Any]


class _DiedError(Exception):
    """The process has ended or was ended; the text says how."""


class _FullError(Exception):
    """The process takes more memory than its task may; what it had found by then."""

    def __init__(
        self,
        memory: float,
        incumbents: Sequence[dict[str, Any]] = (),
        wall_s: float = 0.0,
        *,
        warming: bool = False,
    ) -> None:
        message = f"stopped at its memory limit of {memory:g} GiB" + (" while it warmed up" if warming else "")
        self.found = {"incumbents": list(incumbents), "message": message, "wall_s": wall_s, "cpu_s": 0.0}
        super().__init__(message)


class _Cancelled(Exception):  # noqa: N818 - no fault
    """The benchmark ends, and so do its processes."""


class _Child:
    """One process of `reports.bench.child`."""

    def __init__(self, threads: int) -> None:
        self.threads = threads
        environment = {**os.environ, **dict.fromkeys(THREAD_VARIABLES, str(threads))}
        self._process = subprocess.Popen(  # noqa: S603 - this very Python
            [sys.executable, "-P", "-m", "reports.bench.child", str(os.getpid()), str(threads)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=None if os.environ.get("DTOPT_DEBUG") else subprocess.DEVNULL,
            env=environment,
            encoding="utf-8",
            # Ctrl-C is for this process to hear; it ends the others.
            start_new_session=True,
        )
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        threading.Thread(target=self._listen, daemon=True).start()
        try:
            self.machine: dict[str, Any] = self._answer(START_SECONDS, "did not start")["machine"]
        except BaseException:
            self.kill()
            raise

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def run(self, task: Task, found: dict[str, Any] | None = None) -> tuple[Run, bool]:
        """Return the run of a task, and whether the process can take another.

        Where it is given what another process had `found` until it was ended, that is only judged.

        Raises
        ------
        _FullError
            If it takes more memory than the task may.
        _DiedError
            If it ends.
        """
        try:
            assert self._process.stdin is not None  # noqa: S101 - it is a pipe
            document = {"task": asdict(task)} | ({} if found is None else {"stopped": found})
            self._process.stdin.write(json.dumps(document) + "\n")
            self._process.stdin.flush()
        except OSError:
            raise _DiedError(self._death()) from None
        limit, told = WARM_SECONDS, "did not make the instance and warm up"
        memory = task.memory_limit if found is None else math.inf
        incumbents: list[dict[str, Any]] = []
        began: float | None = None
        while True:
            try:
                document = self._answer(limit, told, memory)
            except _FullError:
                wall = 0.0 if began is None else time.monotonic() - began
                raise _FullError(memory, incumbents, wall, warming=began is None) from None
            if "run" in document:
                return Run.from_json(document["run"]), not document.get("stopped", False)
            if "incumbent" in document:
                incumbents.append(document["incumbent"])
                # The solutions of those before are not needed.
                for old in incumbents[-2:-1]:
                    del old["solution"]
                continue
            began = time.monotonic()
            limit = float("inf") if task.hard_s is None else task.hard_s + GRACE_SECONDS
            told = "did not end by itself, and was stopped"

    def kill(self) -> None:
        """End the process and all that it has started."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(OSError):
                if stream is not None:
                    stream.close()

    def _listen(self) -> None:
        assert self._process.stdout is not None  # noqa: S101 - it is a pipe
        with contextlib.suppress(OSError, ValueError):
            for line in self._process.stdout:
                self._lines.put(line)
        self._lines.put(None)

    @property
    def resident(self) -> int:
        """Memory that it has now, bytes."""
        return resident_bytes(self._process.pid)

    def _answer(self, seconds: float, told: str, memory: float = math.inf) -> dict[str, Any]:
        started = time.monotonic()
        while True:
            # In steps, since a very long timeout is more than the system can count.
            wait = min(3600.0, max(0.0, started + seconds - time.monotonic()))
            if math.isfinite(memory):
                spare = memory * GIB - self.resident
                if spare < 0:
                    raise _FullError(memory)
                wait = min(wait, look_again_s(spare))
            try:
                line = self._lines.get(timeout=wait)
                break
            except queue.Empty:
                if time.monotonic() - started >= seconds:
                    raise _DiedError(f"{told} after {time.monotonic() - started:.0f} s") from None
        if line is None or not line.endswith("\n"):
            raise _DiedError(self._death())
        document: dict[str, Any] = json.loads(line)
        return document

    def _death(self) -> str:
        return death(self._process.wait())


_lock = threading.Lock()
_all: set[_Child] = set()
_idle: list[_Child] = []
_cancelled = threading.Event()


def execute(task: Task) -> Outcome | None:
    """Do a task in a process of its own; one that dies or has to be stopped is a failed run, and the next goes on.

    Returns
    -------
    Outcome or None
        None after `cancel`.
    """
    started = time.monotonic()
    child: _Child | None = None
    fit = False
    try:
        child = _take(task.threads, task.memory_limit)
        started = time.monotonic()
        try:
            run, fit = child.run(task)
        except _FullError as full:
            _give_back(child, fit=False)
            child = _take(task.threads)
            run, fit = child.run(task, full.found)
    except _Cancelled:
        return None
    except _DiedError as death:
        if _cancelled.is_set():
            return None
        run = failure(task, str(death), "", wall_s=time.monotonic() - started)
    finally:
        if child is not None:
            _give_back(child, fit=fit)
    if _cancelled.is_set():
        return None
    here = child.machine if child is not None else {}
    return Outcome(replace(run, machine=here.get("id", "")), here)


def cancel() -> None:
    """End all processes; tasks under way return None, and so do those that are begun later."""
    _cancelled.set()
    _kill_all()


def release() -> None:
    """End all processes that wait for tasks, and allow new ones after `cancel`."""
    _kill_all()
    _cancelled.clear()


def _kill_all() -> None:
    with _lock:
        children = list(_all)
        _all.clear()
        _idle.clear()
    for child in children:
        child.kill()


def _take(threads: int, memory: float = math.inf) -> _Child:
    """Return a process that waits, or a new one; one that has half of the memory that it may take is not used."""
    while True:
        with _lock:
            if _cancelled.is_set():
                raise _Cancelled
            child = next((c for c in _idle if c.threads == threads), None)
            if child is not None:
                _idle.remove(child)
        if child is None:
            child = _Child(threads)
            with _lock:
                _all.add(child)
                if _cancelled.is_set():
                    # Between the two locks the end has come.
                    _all.discard(child)
                    child.kill()
                    raise _Cancelled
            return child
        if child.alive and (math.isinf(memory) or child.resident <= memory * GIB / 2):
            return child
        _give_back(child, fit=False)


def _give_back(child: _Child, *, fit: bool) -> None:
    with _lock:
        if fit and child in _all:
            _idle.append(child)
            return
        _all.discard(child)
    child.kill()


atexit.register(_kill_all)
