"""Keeps the processes that run solvers: starts them, ends those that do not come back, and tells how they died.

`execute` is what joblib calls, in threads of this process or on a cluster's workers; it needs nothing but the task.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from reports.bench.child import failure
from reports.records import Run

if TYPE_CHECKING:
    from reports.bench.plan import Task

__all__ = ["Outcome", "cancel", "execute", "release"]

#: Variables that tell numerical libraries how many threads they may use; they are read once, when one is loaded.
THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMBA_NUM_THREADS",
)
#: How long a process may take to start, and to make an instance and warm up for it, s: Numba may compile everything.
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

    def run(self, task: Task) -> tuple[Run, bool]:
        """Return the run of a task, and whether the process can take another."""
        try:
            assert self._process.stdin is not None  # noqa: S101 - it is a pipe
            self._process.stdin.write(json.dumps(asdict(task)) + "\n")
            self._process.stdin.flush()
        except OSError:
            raise _DiedError(self._death()) from None
        limit, told = WARM_SECONDS, "did not make the instance and warm up"
        while True:
            document = self._answer(limit, told)
            if "run" in document:
                return Run.from_json(document["run"]), not document.get("stopped", False)
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

    def _answer(self, seconds: float, told: str) -> dict[str, Any]:
        started = time.monotonic()
        while True:
            try:
                # In steps, since a very long timeout is more than the system can count.
                line = self._lines.get(timeout=min(3600.0, max(0.0, started + seconds - time.monotonic())))
                break
            except queue.Empty:
                if time.monotonic() - started >= seconds:
                    raise _DiedError(f"{told} after {time.monotonic() - started:.0f} s") from None
        if line is None or not line.endswith("\n"):
            raise _DiedError(self._death())
        document: dict[str, Any] = json.loads(line)
        return document

    def _death(self) -> str:
        code = self._process.wait()
        if code < 0:
            name = signal.Signals(-code).name
            hint = ": out of memory, or killed by hand" if name == "SIGKILL" else ""
            return f"its process was ended by {name}{hint}"
        return f"its process ended with exit code {code}"


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
        child = _take(task.threads)
        started = time.monotonic()
        run, fit = child.run(task)
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


def _take(threads: int) -> _Child:
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
        if child.alive:
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
