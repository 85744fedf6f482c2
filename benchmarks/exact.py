"""How fast `exact` proves: seconds to a gap of 0.1 % and to optimality, for each preset; prints a Markdown table.

    python benchmarks/exact.py --seeds 10 --time-limit 60

`milp`, the textbook model, can be run beside it with --reference.
"""

from __future__ import annotations

import argparse
import statistics

import dtopt
from dtopt.result import Result, Status

PRESETS = ("paper", "costly-servers", "tight-capacity", "tight-deadline", "correlated")
HEADINGS = ("preset", "sharing", "proven", "s to 0.1 %: median", "worst", "s to the end: median", "worst", "worst gap")


def seconds(results: list[Result]) -> str:
    """Return median and worst wall time as two cells."""
    times = [result.wall_s for result in results]
    return f"{statistics.median(times):.2f} | {max(times):.2f}"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10, help="seeds 0, 1, ... of each preset")
    parser.add_argument("--users", type=int, default=100)
    parser.add_argument("--stations", type=int, default=10)
    parser.add_argument("--sharing", nargs="+", default=["optimal"], help="of all presets but correlated, always fixed")
    parser.add_argument("--presets", nargs="+", default=list(PRESETS))
    parser.add_argument("--time-limit", type=float, default=60.0, help="of each run, s")
    parser.add_argument("--reference", action="store_true", help="also run milp")
    args = parser.parse_args()
    dtopt.solve(dtopt.generate("paper", users=5, stations=2), "exact")  # compiled once, outside the figures
    print(f"N = {args.users}, M = {args.stations}, {args.seeds} seeds, at most {args.time_limit:g} s a run\n")
    print("| solver | " + " | ".join(HEADINGS) + " |\n" + "|---" * (len(HEADINGS) + 1) + "|")
    for preset in args.presets:
        for sharing in ["fixed"] if preset == "correlated" else args.sharing:
            problems = [
                dtopt.generate(preset, seed=seed, users=args.users, stations=args.stations, sharing=sharing)
                for seed in range(args.seeds)
            ]
            for solver in ("exact", "milp") if args.reference else ("exact",):
                near = [
                    dtopt.solve(p, solver, time_limit=args.time_limit, stop=dtopt.GapReached(1e-3)) for p in problems
                ]
                whole = [dtopt.solve(p, solver, time_limit=args.time_limit) for p in problems]
                proven = sum(result.status is Status.OPTIMAL for result in whole)
                print(
                    f"| {solver} | {preset} | {sharing} | {proven}/{len(problems)} | {seconds(near)} "
                    f"| {seconds(whole)} | {max(result.gap for result in whole):.1e} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
