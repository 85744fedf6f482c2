"""The machine that runs are timed on, and the versions of all that they use."""

from __future__ import annotations

import hashlib
import os
import platform
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, entry_points, version
from pathlib import Path
from typing import Any

from dtopt.registry import GROUP
from reports.records import canonical

__all__ = ["machine"]

#: Distributions that decide what a solver finds or how fast it is.
LIBRARIES = ("dtopt", "numpy", "scipy", "highspy", "ortools", "pulp", "torch")


def machine(threads: int) -> dict[str, Any]:
    """Return the record of this machine.

    Parameters
    ----------
    threads : int
        That each run may use.
    """
    import joblib

    plugins = {entry.dist.name for entry in entry_points(group=GROUP) if entry.dist is not None}
    versions = {name: _version(name) for name in sorted({*LIBRARIES, *plugins})}
    record: dict[str, Any] = {
        "cpu": _cpu(),
        "cores": joblib.cpu_count(),
        "memory_gb": _memory_gb(),
        "os": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "versions": canonical({**versions, "threads of a run": threads}),
    }
    # Two machines of one make are two; their names stay at home.
    name = hashlib.sha256(platform.node().encode()).hexdigest()
    digest = hashlib.sha256(canonical([record, name]).encode()).hexdigest()
    return {"id": digest[:10], "hash": digest, **record}


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "none"


def _cpu() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _memory_gb() -> float | None:
    with suppress(OSError, ValueError, AttributeError):
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1)
    return None
