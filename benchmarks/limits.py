"""Whether solvers keep their time limits, and what memory they take: prints a Markdown table.

python benchmarks/limits.py                                       # every solver, every instance, 0.5, 2 and 5 s
python benchmarks/limits.py -s milp -i melbourne -t 2 --over      # only runs that took over a tenth longer
python benchmarks/limits.py --memory-limit 1                      # within the guard of `dtopt.guard`

Each solver meets each instance in a process of its own, in which it has solved another instance of the same size first:
what is imported, compiled and loaded once is not part of any run. Instances are made anew for each run. Under
`DTOPT_DATA` the preset `melbourne` is there too.

The time that a run's threads waited for a core after the limit, since other processes had it, is no overrun and told
apart (Linux). An overrun of less than 50 ms does not count.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from exact import print_head, print_row

import dtopt
from dtopt.registry import solver_info, solver_names

#: Presets with their options, by the name that the table has for them.
INSTANCES: dict[str, tuple[str, dict[str, Any]]] = {
    "paper 100x10": ("paper", {}),
    "correlated 100x10": ("correlated", {}),
    "tight-deadline 100x10": ("tight-deadline", {}),
    "melbourne 816x125": ("melbourne", {}),
    "large 2000x40": ("large", {"users": 2000, "stations": 40}),
    "large 10000x100": ("large", {"users": 10_000, "stations": 100}),
    "P2 100x10": ("paper", {"kind": "migration"}),
    "P2 2000x40": ("large", {"users": 2000, "stations": 40, "kind": "migration"}),
}
#: An overrun counts from this part of the limit and this many seconds on.
PART, LEAST_S = 0.1, 0.05
#: Time for the run that is not measured, s.
WARM_S = 3.0
#: A process is ended after the sum of its limits and so much more, s.
PATIENCE_S = 300.0


def make(instance: str, seed: int) -> dtopt.Problem:
    """Return an instance of the table."""
    preset, options = INSTANCES[instance]
    return dtopt.generate(preset, seed=seed, **options)


def peak_mb() -> float:
    """Return the largest resident set that this process has had, MB (Linux)."""
    # Not getrusage: that begins with what the parent had when it started this process.
    status = Path("/proc/self/status").read_text()
    return float(status.partition("VmHWM:")[2].split()[0]) / 1024


#: Tells, for each moment it is told, what the threads of a process had run and waited for a core by then, ns.
WATCHER = """
import json, os, sys, time
from pathlib import Path
threads = Path(f"/proc/{sys.argv[1]}/task")
for line in sys.stdin:
    time.sleep(max(0.0, float(line) - time.monotonic()))
    told = {}
    for thread in os.listdir(threads):
        try:
            told[thread] = [int(x) for x in (threads / thread / "schedstat").read_text().split()[:2]]
        except OSError:
            pass
    print(json.dumps(told), flush=True)
"""


class Watcher:
    """Looks at this process from another, which no long call of a library can keep from it."""

    def __init__(self) -> None:
        command = [sys.executable, "-S", "-c", WATCHER, str(os.getpid())]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.ask(time.monotonic())
        self.answer()

    def ask(self, moment: float) -> None:
        """Ask for the figures of a moment to come."""
        self.process.stdin.write(f"{moment}\n")
        self.process.stdin.flush()

    def answer(self) -> dict[str, list[int]]:
        """Return the figures asked for first."""
        return json.loads(self.process.stdout.readline())

    def waited_since(self) -> float:
        """Return what threads have waited for a core since the moment asked for, up to now, s."""
        self.ask(time.monotonic())
        before, now = self.answer(), self.answer()
        return sum(waited - before.get(thread, [0, 0])[1] for thread, (_, waited) in now.items()) / 1e9


def measure(solver: str, instance: str, limits: list[float], memory_limit: float | None) -> None:
    """Print one JSON line for each run; what the process of a solver and an instance does."""
    guarded = {} if memory_limit is None else {"memory_limit": memory_limit}
    watcher = Watcher()
    try:
        dtopt.solve(make(instance, 2), solver, time_limit=WARM_S, seed=0)
        for limit in limits:
            problem = make(instance, 1)
            begun = time.monotonic()
            watcher.ask(begun + limit)
            result = dtopt.solve(problem, solver, time_limit=limit, seed=1, **guarded)
            wall = time.monotonic() - begun
            waited = 0.0
            if wall > limit:
                waited = watcher.waited_since()
            else:
                watcher.answer()
            run = {"limit": limit, "wall": wall, "waited": waited, "peak": peak_mb()}
            print(json.dumps({**run, "status": str(result.status), "found": result.solution is not None}), flush=True)
    except dtopt.DtoptError as error:
        print(json.dumps({"refused": str(error)}), flush=True)


def runs(solver: str, instance: str, args: argparse.Namespace) -> list[dict[str, Any]]:
    """Return what came of the runs of one solver on one instance."""
    command = [sys.executable, __file__, "-s", solver, "-i", instance, "-t", *map(str, args.time_limits), "--measure"]
    if args.memory_limit is not None:
        command += ["--memory-limit", str(args.memory_limit)]
    patience = sum(args.time_limits) + PATIENCE_S
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=patience, check=False)
        text = done.stdout
    except subprocess.TimeoutExpired as stuck:
        text = (stuck.stdout or b"").decode()
        text += json.dumps({"refused": f"not back after {patience:g} s"})
    return [json.loads(line) for line in text.splitlines()]


def main() -> None:
    """Measure in processes of their own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-s", "--solvers", nargs="+", default=solver_names())
    parser.add_argument("-i", "--instances", nargs="+", default=list(INSTANCES), help="parts of their names will do")
    parser.add_argument("-t", "--time-limits", nargs="+", type=float, default=[0.5, 2.0, 5.0])
    parser.add_argument("--memory-limit", type=float, help="GiB; runs are within the guard")
    parser.add_argument("--over", action="store_true", help="print only what took over a tenth too long")
    parser.add_argument("--measure", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        measure(args.solvers[0], args.instances[0], args.time_limits, args.memory_limit)
        return
    names = [name for name in INSTANCES if any(part in name for part in args.instances)]
    if not os.environ.get("DTOPT_DATA"):
        names = [name for name in names if not name.startswith("melbourne")]
    count = over = 0
    print_head(
        "solver", "instance", "limit, s", "wall, s", "waited for a core after it, s", "overrun", "peak, MB", "status"
    )
    for instance in names:
        kind = INSTANCES[instance][1].get("kind", "placement")
        for solver in args.solvers:
            if kind not in solver_info(solver).problems:
                continue
            for run in runs(solver, instance, args):
                if "refused" in run:
                    if not args.over:
                        print_row((solver, instance, "", "", "", "", "", run["refused"]))
                    continue
                late = run["wall"] - run["limit"] - min(run["waited"], run["wall"])
                counts = late > max(PART * run["limit"], LEAST_S)
                count, over = count + 1, over + counts
                if args.over and not counts:
                    continue
                told = f"{100 * late / run['limit']:+.0f} %" if late > 0 else ""
                bold = "**" if counts else ""
                found = run["status"] + ("" if run["found"] else ", no solution")
                print_row(
                    (
                        solver,
                        instance,
                        f"{run['limit']:g}",
                        f"{run['wall']:.2f}",
                        f"{run['waited']:.2f}" if run["wall"] > run["limit"] else "",
                        f"{bold}{told}{bold}",
                        f"{run['peak']:.0f}",
                        found,
                    )
                )
    print(f"\n{over} of {count} runs took more than a tenth, and 50 ms, longer than their limit.")


if __name__ == "__main__":
    main()
