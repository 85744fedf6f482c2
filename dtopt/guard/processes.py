"""What a process takes, how much it may take, and how it ended."""

from __future__ import annotations

import contextlib
import ctypes
import math
import os
import signal
import sys
from pathlib import Path

from dtopt.errors import InputError

__all__ = ["GIB", "death", "end_with_parent", "limit_data", "look_again_s", "peak_bytes", "resident_bytes"]

GIB = 2**30
#: The memory is looked at again before it could have reached the limit at this rate, byte/s, within these times, s.
FASTEST, SOONEST_S, LATEST_S = 8e9, 0.001, 0.02
#: Linux: end with the parent, by `prctl`.
PR_SET_PDEATHSIG = 1


def resident_bytes(pid: int) -> int:
    """Return the resident memory of a process and of all that it has started, bytes; 0 where it has gone.

    Raises
    ------
    InputError
        If the system does not tell.
    """
    if not Path("/proc/self/statm").exists():
        return _resident_elsewhere(pid)
    total, page, waiting = 0, os.sysconf("SC_PAGE_SIZE"), [pid]
    while waiting:
        process = f"/proc/{waiting.pop()}"
        # It may end between two looks.
        with contextlib.suppress(OSError, IndexError):
            total += page * int(_read(f"{process}/statm").split()[1])
            for thread in os.listdir(f"{process}/task"):
                with contextlib.suppress(OSError):
                    waiting += map(int, _read(f"{process}/task/{thread}/children").split())
    return total


def _read(path: str) -> bytes:
    file = os.open(path, os.O_RDONLY)
    try:
        return os.read(file, 1 << 16)
    finally:
        os.close(file)


def _resident_elsewhere(pid: int) -> int:
    try:
        import psutil  # type: ignore[import-untyped]
    except ImportError:
        raise InputError("needs Linux, or the package psutil", where="memory limit") from None
    try:
        process = psutil.Process(pid)
        return sum(p.memory_info().rss for p in (process, *process.children(recursive=True)))
    except psutil.Error:
        return 0


def look_again_s(left: float) -> float:
    """Return when to look again at a process that may take so many bytes more, s."""
    return min(LATEST_S, max(SOONEST_S, left / FASTEST))


def limit_data(memory_limit: float) -> None:
    """Let this process reserve no more than so many GiB beyond what it has (Linux); infinity lifts the limit again.

    It counts what is reserved, not what is resident, which is why it is given more: it only stops single allocations
    that are so large that they would pass the limit between two looks.
    """
    if sys.platform != "linux":
        return
    import resource

    most = resource.getrlimit(resource.RLIMIT_DATA)[1]
    least = resource.RLIM_INFINITY
    if math.isfinite(memory_limit):
        least = _status_bytes("VmData") + int(memory_limit * GIB)
        if most != resource.RLIM_INFINITY:
            least = min(least, most)
    resource.setrlimit(resource.RLIMIT_DATA, (most if least == resource.RLIM_INFINITY else least, most))


def peak_bytes() -> int:
    """Return the largest resident memory that this process has had, bytes; 0 where there is no telling.

    Not by `getrusage`, which begins with what the parent had when it started this process.
    """
    return _status_bytes("VmHWM")


def _status_bytes(name: str) -> int:
    """Return a figure of this process's memory that Linux tells, bytes; 0 elsewhere."""
    with contextlib.suppress(OSError, IndexError):
        return 1024 * int(_read("/proc/self/status").partition(f"{name}:".encode())[2].split()[0])
    return 0


def death(code: int) -> str:
    """Return how a process ended, by its exit code, in words."""
    if code < 0:
        name = signal.Signals(-code).name
        hint = ": out of memory, or killed by hand" if name == "SIGKILL" else ""
        return f"its process was ended by {name}{hint}"
    return f"its process ended with exit code {code}"


def end_with_parent(parent: int) -> None:
    """Make sure that this process does not go on, and slow others down, after its parent was killed."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(0)
