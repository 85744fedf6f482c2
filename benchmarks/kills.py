"""Kills `dtopt bench` at random with kill -9, resumes it, and compares the rows with those of an undisturbed run.

python benchmarks/kills.py [SUITE…] --time-limit 1 --kills 3 --seed 0 --out FOLDER

Where nothing is named: every registered solver on paper, melbourne and hard. What must be the same: the set of keys,
each once; of runs that ended by their own rule in both (well before the limit) status, objective, bound, iterations
and association. Runs that the clock ended differ from one time to the next, killed or not; how many there are and how
far apart they ended is told. Rows that were finished before a kill must be there afterwards to the last bit.
"""

from __future__ import annotations

import argparse
import random
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from reports.store import load

if TYPE_CHECKING:
    import pandas as pd

#: A run that took less of its limit than this ended by its own rule.
WELL_BEFORE = 0.7


def command(given: argparse.Namespace, path: Path) -> list[str]:
    """Return the benchmark's command line."""
    words = [sys.executable, "-m", "dtopt", "bench", *given.suites, "-o", str(path)]
    words += ["--time-limit", str(given.time_limit), "--workers", str(given.workers), "--seeds", str(given.seeds)]
    return words + [part for name in given.solver or () for part in ("-s", name)]


def rows(path: Path) -> dict[str, str]:
    """Return the checksums of all rows that are there, by key."""
    if not path.exists():
        return {}
    database = sqlite3.connect(path, timeout=60)
    try:
        return dict(database.execute("SELECT key, checksum FROM runs"))
    except sqlite3.OperationalError:
        return {}
    finally:
        database.close()


def disturbed(given: argparse.Namespace, path: Path, total: int) -> bool:
    """Run it to its end through kills; return whether all that was finished is there to the last bit."""
    rng = random.Random(given.seed)
    at = sorted(rng.sample(range(1, total), given.kills))
    kept: dict[str, str] = {}
    whole = True
    for count in at:
        process = subprocess.Popen(command(given, path), stderr=subprocess.DEVNULL)
        while process.poll() is None and len(rows(path)) < count:
            time.sleep(0.05)
        # Within a run, or between two.
        time.sleep(rng.random() * given.time_limit)
        process.kill()
        process.wait()
        now = rows(path)
        whole = whole and kept.items() <= now.items()
        kept = now
        print(f"killed with {len(now)} of {total} rows finished", flush=True)
    subprocess.run(command(given, path), check=True)
    return whole and kept.items() <= rows(path).items()


def compare(first: pd.DataFrame, second: pd.DataFrame) -> bool:
    """Print what differs; return whether nothing does that ought not to."""
    same_keys = list(first["key"].sort_values()) == list(second["key"].sort_values())
    print(f"rows: {len(first)} undisturbed, {len(second)} killed and resumed, the same keys: {same_keys}")
    both = first.merge(second, on="key", suffixes=("", "_killed"))
    longest = both[["wall_s", "wall_s_killed"]].fillna(0.0).max(axis=1)
    early = longest < WELL_BEFORE * both.time_limit
    own, clock = both[early], both[~early]
    fine = same_keys
    for name in ("status", "objective", "bound", "iterations", "n_open", "association"):
        differ = own[[not _equal(a, b) for a, b in zip(own[name], own[f"{name}_killed"], strict=True)]]
        print(f"  ended by their own rule: {len(own)}, {name} differs in {len(differ)}")
        for _, row in differ.iterrows():
            if name != "association":
                print(f"    {row.instance} {row.solver}: {row[name]} and {row[f'{name}_killed']}")
        fine = fine and differ.empty
    status = int((clock.status != clock.status_killed).sum())
    apart = ((clock.objective - clock.objective_killed).abs() / clock.objective.abs()).dropna()
    moved = apart[apart > 0]
    print(f"  ended by the clock in one or both: {len(clock)}, status differs in {status}")
    print(
        f"  their objective differs in {len(moved)}, by {moved.median():.2g} in the middle, {moved.max():.2g} at most"
    )
    for _, row in clock[clock.status != clock.status_killed].iterrows():
        print(f"    {row.instance} {row.solver}: {row.status} and {row.status_killed} "
              f"in {row.wall_s:.2f} s and {row.wall_s_killed:.2f} s")  # fmt: skip
    return bool(fine)


def _equal(first: object, second: object) -> bool:
    if isinstance(first, np.ndarray) or isinstance(second, np.ndarray):
        return np.array_equal(first, second)  # type: ignore[arg-type]
    return first == second or (first != first and second != second)  # nan


def main() -> int:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("suites", nargs="*", default=["paper", "melbourne", "hard"])
    parser.add_argument("--solver", "-s", action="append")
    parser.add_argument("--time-limit", type=float, default=1.0)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--kills", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0, help="of the times of the kills")
    parser.add_argument("--out", type=Path, default=Path("out"))
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    paths = [given.out / name for name in ("undisturbed.sqlite", "killed.sqlite")]
    for path in paths:
        path.unlink(missing_ok=True)
    started = time.monotonic()
    subprocess.run(command(given, paths[0]), check=True)
    print(f"undisturbed: {time.monotonic() - started:.0f} s")
    kept = disturbed(given, paths[1], len(rows(paths[0])))
    print(f"rows finished before a kill are there to the last bit: {kept}")
    first, second = (load([path]) for path in paths)
    fine = compare(first.runs, second.runs) and kept and first.rejected.empty and second.rejected.empty
    print("the same rows" if fine else "NOT the same rows")
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
