"""Compile all kernels before the tests, each once: ``python -m tests.warm``.

Workers of pytest that begin with nothing compiled would all compile the same. Here two processes share the work, the
longest first; Numba's cache then has it for the tests.
"""

from __future__ import annotations

import importlib
import sys
import time
from concurrent.futures import ProcessPoolExecutor

#: Functions that compile, those that take longest first.
KERNELS = (
    "solvers.local_search.driver:compile_kernels",
    "solvers.clairvoyant:compile_kernels",
    "solvers.local_search.ejection:compile_ejection",
    "dtopt.wired_dual:compile_kernels",
    "solvers.exact.knapsack:compile_knapsacks",
    "solvers.lns.neighbourhood:compile_kernels",
    "solvers.local_search.arrays:compile_kernels",
    "solvers.local_search.utility:compile_kernels",
    "solvers.local_search.shifts:compile_shifts",
    "solvers.policies.slot_search:compile_search",
    "solvers.policies.values:compile_values",
    "solvers.policy.decode:compile_kernels",
)


def compile_one(name: str) -> tuple[str, float]:
    """Run one function and return how long it took, s."""
    began = time.perf_counter()
    module, _, function = name.partition(":")
    getattr(importlib.import_module(module), function)()
    return name, time.perf_counter() - began


def main() -> None:
    """Compile everything in two processes."""
    with ProcessPoolExecutor(2) as pool:
        for name, seconds in pool.map(compile_one, KERNELS):
            if seconds > 1.0:
                sys.stdout.write(f"compiled {name} in {seconds:.0f} s\n")


if __name__ == "__main__":
    main()
