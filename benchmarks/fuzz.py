"""Fuzz every reader: `python benchmarks/fuzz.py --minutes 60`. Whatever is not one line of `DtoptError` is a fault.

Each fault is printed once, with the seed and kind that make it again: `--only placement.npz --seed 17 --count 1`.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from collections import Counter
from itertools import count
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.fuzzing import attack, targets


def main() -> None:
    """Mutate and read until the time is up."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--only", help="one kind of file")
    parser.add_argument("--seed", type=int, default=0, help="the first mutation")
    parser.add_argument("--count", type=int, help="so many mutations of each kind, whatever the time")
    parser.add_argument("--memory-gb", type=float, default=6.0, help="a reader that wants more is at fault")
    args = parser.parse_args()
    limit = int(args.memory_gb * 2**30)
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    ends = time.perf_counter() + 60 * args.minutes
    read: Counter[str] = Counter()
    slowest: Counter[str] = Counter()
    faults: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        kinds = [t for t in targets(folder) if args.only in (None, t.name)]
        for seed in count(args.seed):
            if seed - args.seed >= args.count if args.count else time.perf_counter() >= ends:
                break
            for target in kinds:
                begun = time.perf_counter()
                fault = attack(target, seed, folder)
                slowest[target.name] = max(slowest[target.name], round(1e3 * (time.perf_counter() - begun)))
                read[target.name] += 1
                if fault is not None:
                    last = fault.strip().splitlines()[-1][:150]
                    place = [line.strip() for line in fault.splitlines() if line.strip().startswith("File ")][-1:]
                    key = f"{target.name}: {last.split(':')[0]} at {place}"
                    if key not in faults:
                        faults[key] = fault
                        print(f"FAULT --only {target.name} --seed {seed} --count 1\n{fault}", flush=True)
    for target_name in read:
        print(f"{target_name:16} {read[target_name]:8,} mutations, slowest {slowest[target_name]} ms")
    print(f"{sum(read.values()):,} mutations of {len(read)} kinds, {len(faults)} faults")
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
