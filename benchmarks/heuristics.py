"""How good and how fast the heuristics are; each part prints a Markdown table.

python benchmarks/heuristics.py small --seeds 10       # 100 x 10: time until within 0.01 % of the optimum
python benchmarks/heuristics.py hard --seeds 70        # feasible whenever the optimum is, and how near to it
python benchmarks/heuristics.py race --seeds 5         # against CP-SAT and HiGHS alone at equal time (melbourne)
python benchmarks/heuristics.py certified              # proven gaps at 10 000 x 100 and 100 000 x 1 000
python benchmarks/heuristics.py scale --plot out.svg   # time and cost from 1 000 to 1 000 000 users
"""

from __future__ import annotations

import argparse
import math
import resource
import statistics
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from exact import print_head, print_row, solve_as

import dtopt
from dtopt._core import Cancellation
from dtopt.bounds import dual_bound
from dtopt.result import Result, Status, controllable_gap, relative_gap
from solvers._core import PlacementState
from solvers.local_search.candidates import lists_of

BASELINES = ("greedy", "nearest", "random")


def reached(result: Result, cost: float) -> float:
    """Return when a run first had this cost or less, s; infinite if never."""
    return next((step.time_s for step in result.trace if step.objective <= cost), math.inf)


def small(args: argparse.Namespace) -> None:
    """Print how soon local search is within 0.01 % of the optimum at N = 100, M = 10."""
    print_head(
        "preset", "seeds", "ms to 0.01 %: median", "worst", "gap at the end: worst", "controllable gap: worst",
        "ever worse than a baseline",
    )  # fmt: skip
    for preset in ("paper", "costly-servers", "tight-capacity", "tight-deadline"):
        times, gaps, parts, worse = [], [], [], 0
        for seed in range(args.seeds):
            problem = dtopt.generate(preset, seed=seed)
            best = dtopt.solve(problem, "exact", time_limit=60)
            assert best.status is Status.OPTIMAL
            result = dtopt.solve(problem, "local-search", time_limit=1.0, seed=seed)
            times.append(1e3 * reached(result, best.objective * (1 + 1e-4)))
            gaps.append(result.objective / best.objective - 1)
            parts.append(controllable_gap(result.objective, best.objective, problem.uncontrollable_objective))
            others = [dtopt.solve(problem, name, seed=seed) for name in BASELINES]
            worse += any(o.solution is not None and o.objective < result.objective * (1 - 1e-9) for o in others)
        figures = (f"{statistics.median(times):.1f}", f"{max(times):.1f}", f"{max(gaps):.1e}", f"{max(parts):.1e}")
        print_row((preset, args.seeds, *figures, worse))


def hard(args: argparse.Namespace) -> None:
    """Print how often a feasible association is found on hard presets, and how near it is to what `exact` finds."""
    print(f"local-search {args.time_limit:g} s, exact {args.reference:g} s\n")
    print_head(
        "preset", "instances", "feasible by exact", "proven optimal", "feasible by local-search", "gap: median",
        "mean", "worst", "controllable gap: worst", "above it",
    )  # fmt: skip
    for preset in args.presets:
        known = found = optimal = 0
        gaps, parts = [], []
        for seed in range(args.seeds):
            problem = dtopt.generate(preset, seed=1000 + seed)
            best = dtopt.solve(problem, "exact", time_limit=args.reference)
            result = dtopt.solve(problem, "local-search", time_limit=args.time_limit, seed=seed)
            optimal += best.status is Status.OPTIMAL
            known += best.solution is not None
            found += result.solution is not None
            if best.solution is not None and result.solution is not None:
                gaps.append(result.objective / best.objective - 1)
                parts.append(controllable_gap(result.objective, best.objective, problem.uncontrollable_objective))
        above = sum(gap > 1e-6 for gap in gaps)
        measured = (statistics.median(gaps), statistics.mean(gaps), max(gaps), max(parts))
        figures = [f"{100 * figure:.4f} %" for figure in measured]
        print_row((preset, args.seeds, known, optimal, found, *figures, above))


def race(args: argparse.Namespace) -> None:
    """Print local search beside CP-SAT and HiGHS at equal time: final costs, and the time to the other's cost."""
    heads = [x for name in args.rivals for x in (name, "its time to that, s / ours, s")]
    print(f"{args.time_limit:g} s each\n")
    print_head("instance", "local-search", *heads)
    for users in args.users:
        for seed in range(args.seeds):
            problem = dtopt.generate(args.preset, seed=seed, users=users)
            ours = dtopt.solve(problem, "local-search", time_limit=args.time_limit, seed=seed)
            cells: list[object] = [
                f"{args.preset} {problem.n_users}x{problem.n_stations} s{seed}",
                f"{ours.objective:.6f}",
            ]
            for name in args.rivals:
                try:
                    result = solve_as(problem, name, time_limit=args.time_limit, seed=seed)
                except dtopt.DtoptError as error:
                    cells += ["none", str(error)[:60]]
                    continue
                if result.solution is None:
                    cells += ["none", ""]
                    continue
                took, same = reached(result, result.objective), reached(ours, result.objective * (1 + 1e-12))
                cells += [f"{result.objective:.6f}", f"{took:.2f} / {same:.3f} = {took / max(same, 1e-4):.0f}"]
            print_row(cells)


def certified(args: argparse.Namespace) -> None:
    """Print the proven gap of `auto` on `large`, 100 users a station, by size and objective."""
    heads = ("gap: median", "worst", "controllable gap: median", "worst", "peak GB")
    print_head("N", "M", "objective", "seeds", "limit, s", "wall, s: worst", *heads)
    for users in args.users:
        limit = args.time_limit * (15 if users > 20_000 else 1)
        for objective in ("latency", "system-cost"):
            walls, gaps, parts = [], [], []
            for seed in range(args.seeds):
                problem = dtopt.generate("large", seed=seed, users=users, stations=users // 100)
                problem = replace(problem, objective=objective)
                _ = problem.network.access_station  # the radio is part of the instance
                result = dtopt.solve(problem, "auto", time_limit=limit, seed=seed)
                walls.append(result.wall_s)
                gaps.append(relative_gap(result.objective, result.bound))
                parts.append(result.controllable_gap)
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
            figures = [f"{f(values):.2e}" for values in (gaps, parts) for f in (statistics.median, max)]
            shown = (f"{max(walls):.2f}", *figures, f"{peak:.2f}")
            print_row((users, users // 100, objective, args.seeds, f"{limit:g}", *shown))


def scale(args: argparse.Namespace) -> None:
    """Print time and gap from a thousand users to a million, at 100 users a station, and draw the curve."""
    print_head(
        "N", "M", "candidates", "a sweep, s", "ns a pair", "first optimum, s", "bound, s", "end, s", "gap",
        "controllable gap", "peak GB",
    )  # fmt: skip
    curve = []
    for users in args.users:
        problem = dtopt.generate("large", seed=0, users=users, stations=max(2, users // 100))
        problem = replace(problem, objective=args.objective)
        _ = problem.network.access_station  # the radio is part of the instance
        lists = lists_of(problem)
        state = PlacementState(lists.view)
        state.load(np.zeros(users, dtype=np.int32))
        everyone = np.arange(users, dtype=np.int32)
        began = time.perf_counter()
        state.sweep(everyone, Cancellation())
        swept = time.perf_counter() - began
        width = lists.station.shape[1]
        del lists, state
        result = dtopt.solve(problem, "local-search", time_limit=args.time_limit)
        first = result.trace[min(1, len(result.trace) - 1)].time_s
        bound = bounded = math.nan
        if users <= args.bounded:
            began = time.perf_counter()
            bound = dual_bound(problem)
            bounded = time.perf_counter() - began
        rest = controllable_gap(result.objective, bound, problem.uncontrollable_objective)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
        curve.append((users, swept, first, bounded))
        print_row((
            users, problem.n_stations, width, f"{swept:.4f}", f"{1e9 * swept / users / width:.1f}", f"{first:.3f}",
            f"{bounded:.2f}", f"{result.wall_s:.1f}", f"{relative_gap(result.objective, bound):.2e}", f"{rest:.2e}",
            f"{peak:.2f}",
        ))  # fmt: skip
    if args.plot:
        draw(np.array(curve), args.plot)


def draw(curve: np.ndarray, path: Path) -> None:
    """Draw seconds over users, both logarithmic, with a line of growth in proportion."""
    from matplotlib.figure import Figure

    axes = (figure := Figure(figsize=(6.4, 4.2), layout="constrained")).subplots()
    users = curve[:, 0]
    labels = ("one sweep over all users", "local search: first local optimum", "dual bound")
    for seconds, label, mark in zip(curve.T[1:], labels, "os^", strict=True):
        axes.loglog(users, seconds, marker=mark, label=label)
    axes.loglog(users, curve[0, 1] * users / users[0], "k:", label="in proportion to N")
    axes.set(xlabel="users (100 for each station)", ylabel="seconds, one core")
    axes.grid(visible=True, alpha=0.3)
    axes.legend()
    figure.savefig(path)


def main() -> None:
    """Run the part asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parts = parser.add_subparsers(dest="part", required=True)
    for name, run, seeds, limit, users in (
        ("small", small, 10, 1.0, [100]),
        ("hard", hard, 70, 5.0, [100]),
        ("race", race, 3, 20.0, [500, 816]),
        ("certified", certified, 10, 2.0, [10_000, 100_000]),
        ("scale", scale, 1, 30.0, [1_000, 3_000, 10_000, 30_000, 100_000, 300_000, 1_000_000]),
    ):
        part = parts.add_parser(name, help=(run.__doc__ or "").replace("%", "%%"))
        part.set_defaults(run=run)
        part.add_argument("--seeds", type=int, default=seeds)
        part.add_argument("--time-limit", type=float, default=limit, help="of each run, s")
        part.add_argument("--reference", type=float, default=20.0, help="of exact in hard, s")
        part.add_argument("--users", type=int, nargs="+", default=users)
        part.add_argument("--preset", default="melbourne")
        part.add_argument("--presets", nargs="+", default=["tight-capacity", "tight-deadline", "correlated"])
        part.add_argument("--rivals", nargs="+", default=["ortools-cpsat:flow_start=false", "ortools-cpsat", "milp"])
        part.add_argument("--bounded", type=int, default=100_000, help="users up to which scale makes a bound")
        part.add_argument("--objective", default="system-cost")
        part.add_argument("--plot", type=Path)
    args = parser.parse_args()
    tiny = dtopt.generate("paper", users=5, stations=2)  # compiled once, outside the figures
    for name in ("exact", "local-search"):
        dtopt.solve(tiny, name, time_limit=1)
    args.run(args)


if __name__ == "__main__":
    main()
