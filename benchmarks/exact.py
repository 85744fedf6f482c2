"""How fast things are proven; each part prints a Markdown table.

python benchmarks/exact.py presets --seeds 10 --time-limit 60    # P1: seconds to a gap of 0.1 % and to the end
python benchmarks/exact.py migration --seeds 10                  # P2 of one slot
python benchmarks/exact.py textbook --seeds 10                   # exact beside the textbook model in CBC
python benchmarks/exact.py gap DIRECTORY                         # published assignment instances with best_known.csv
python benchmarks/exact.py gap DIRECTORY --solvers local-search ortools-cpsat:flow_start=false milp
python benchmarks/exact.py tiny --seeds 200                      # P2 of at most 200,000 associations
python benchmarks/exact.py large --users 100000 --stations 1000  # certificates at scale
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import resource
import statistics
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import dtopt
from dtopt.bounds import dual_bound
from dtopt.channel import GainMatrix
from dtopt.network import BaseStations, Network, Users
from dtopt.problem import Migration
from dtopt.result import Result, Status, controllable_gap, relative_gap
from instances.gap import read_gap

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dtopt.problem import Problem

PRESETS = ("paper", "costly-servers", "tight-capacity", "tight-deadline", "correlated")


def print_row(cells: Sequence[object]) -> None:
    """Print a row of a Markdown table."""
    print("| " + " | ".join(str(cell) for cell in cells) + " |", flush=True)


def solve_as(problem: Problem, spec: str, **limits: Any) -> Result:
    """Solve by a solver named with options behind a colon: ``ortools-cpsat:flow_start=false``."""
    name, _, options = spec.partition(":")
    pairs = (pair.partition("=") for pair in options.split(",") if pair)
    return dtopt.solve(problem, name, **limits, **{key: json.loads(value) for key, _, value in pairs})


def print_head(*headings: str) -> None:
    """Print the head of a Markdown table."""
    print_row(headings)
    print("|---" * len(headings) + "|", flush=True)


def seconds(results: list[Result]) -> tuple[str, str]:
    """Return median and worst wall time."""
    times = [result.wall_s for result in results]
    return f"{statistics.median(times):.3f}", f"{max(times):.3f}"


def presets(args: argparse.Namespace) -> None:
    """Print seconds to a gap of 0.1 % and to the end."""
    kind = "migration" if args.part == "migration" else "placement"
    print(f"N = {args.users}, M = {args.stations}, {args.seeds} seeds, at most {args.time_limit:g} s a run, {kind}\n")
    timed = ("s to 0.1 %: median", "worst", "s to the end: median", "worst")
    print_head("solver", "preset", "sharing", "proven", *timed, "worst gap", "worst controllable gap")
    for preset in args.presets:
        for sharing in ["fixed"] if preset == "correlated" else args.sharing:
            problems = [
                dtopt.generate(preset, seed=seed, users=args.users, stations=args.stations, sharing=sharing, kind=kind)
                for seed in range(args.seeds)
            ]
            for solver in args.solvers:
                near = [
                    dtopt.solve(p, solver, time_limit=args.time_limit, stop=dtopt.GapReached(1e-3)) for p in problems
                ]
                whole = [dtopt.solve(p, solver, time_limit=args.time_limit) for p in problems]
                proven = f"{sum(result.status is Status.OPTIMAL for result in whole)}/{len(problems)}"
                worst = (max(result.gap for result in whole), max(result.controllable_gap for result in whole))
                figures = (*seconds(near), *seconds(whole), *(f"{gap:.1e}" for gap in worst))
                print_row((solver, preset, sharing, proven, *figures))


def textbook(args: argparse.Namespace) -> None:
    """Print `exact` beside the textbook model in CBC and HiGHS under equal sharing, instance by instance."""
    print(f"N = {args.users}, M = {args.stations}, equal sharing, at most {args.time_limit:g} s a run")
    print(f"{args.objectives[0]}, backhaul {args.backhaul:g} times as slow as the preset's\n")
    heads = ("CBC's gap", "CBC's controllable gap", "CBC / exact")
    print_head("seed", "exact, s", "milp in HiGHS, s", "milp in CBC, s", *heads)
    for seed in range(args.seeds):
        size = {"users": args.users, "stations": args.stations}
        problem = dtopt.generate("paper", seed=seed, sharing="equal", objective=args.objectives[0], **size)
        pace = args.backhaul * problem.network.backhaul_s_per_bit_m
        problem = replace(problem, network=replace(problem.network, backhaul_s_per_bit_m=pace))
        first = dtopt.solve(problem, "exact", time_limit=args.time_limit)
        highs = dtopt.solve(problem, "milp", time_limit=args.time_limit)
        cbc = dtopt.solve(problem, "milp", engine="cbc", time_limit=args.time_limit)
        more = "" if cbc.status is Status.OPTIMAL else ">= "
        ratio = f"{more}{cbc.wall_s / first.wall_s:.0f}"
        assert first.status is Status.OPTIMAL
        times = (f"{first.wall_s:.3f}", f"{highs.wall_s:.1f}", f"{cbc.wall_s:.1f}")
        print_row((seed, *times, f"{cbc.gap:.1e}", f"{cbc.controllable_gap:.1e}", ratio))


def published(args: argparse.Namespace) -> None:
    """Print what solvers reach on published assignment instances."""
    print(f"at most {args.time_limit:g} s a run\n")
    print_head("instance", "M", "N", "best known", *(x for s in args.solvers for x in (s, "bound", "s")))
    with (args.directory / "best_known.csv").open() as table:
        rows = list(csv.DictReader(table))
    gaps: dict[str, list[float]] = {solver: [] for solver in args.solvers}
    for row in rows:
        problem = read_gap(args.directory / row["Path"])
        best = float(row["Best known solution value"])
        cells: list[object] = []
        for solver in args.solvers:
            result = solve_as(problem, solver, time_limit=args.time_limit)
            if result.solution is None:
                cells += ["none", "", f"{result.wall_s:.1f}"]
                continue
            gaps[solver].append(result.objective / best - 1.0)
            bound = "" if result.bound is None else f"{result.bound:.1f}"
            # A bound above the best known value would be a lie, or a record.
            assert result.bound is None or result.bound <= best * (1 + 1e-9), (row["Path"], result.bound)
            proven = " *" if result.status is Status.OPTIMAL else ""
            cells += [f"{result.objective:.0f}{proven}", bound, f"{result.wall_s:.1f}"]
        print_row((Path(row["Path"]).name, row["Agent number"], row["Item number"], f"{best:.0f}", *cells))
    for solver, found in gaps.items():
        print(
            f"\n{solver}: mean gap to best known {100 * statistics.fmean(found):.3f} %, worst {100 * max(found):.3f} %"
        )


def tiny_migration(seed: int) -> Migration:
    """Return a random P2 of at most 200,000 associations: every sharing, wires or none, hard or soft deadlines."""
    rng = np.random.default_rng(seed)
    stations = int(rng.integers(2, 8))
    most = int(math.log(200_000) / math.log(stations))
    users = int(rng.integers(2, most + 1))
    sharing = ("optimal", "equal", "fixed")[seed % 3]
    cpu = rng.uniform(8e9, 24e9, stations)
    network = Network(
        Users(rng.uniform(1e6, 8e6, users), rng.uniform(1e5, 2e6, users), 0.2, float(rng.choice([0.5, 1.0, 5.0]))),
        BaseStations(
            cpu, rng.integers(users // stations, users + 1, stations) + 1, rng.uniform(0, 1500, (stations, 2))
        ),
        GainMatrix(10.0 ** rng.uniform(-12.5, -10.0, (users, stations))),
        cycles_per_bit=float(rng.choice([100.0, 1000.0])),
        backhaul_s_per_bit_m=float(rng.choice([0.0, 5e-11])),
    )
    demand = rng.uniform(0.05, 2.0 / users + 0.1, (users, stations)) * cpu if sharing == "fixed" else None
    deadline = ("hard", "soft")[int(rng.integers(2))]
    previous = rng.integers(-1, stations, users)
    return Migration(network, sharing=sharing, demand_hz=demand, deadline=deadline, previous=previous)  # type: ignore[arg-type]


def tiny(args: argparse.Namespace) -> None:
    """Prove small P2."""
    print_head("solver", "instances", "optimal", "infeasible", "unproven", "s: median", "worst", "most associations")
    for solver in args.solvers:
        problems = [tiny_migration(seed) for seed in range(args.seeds)]
        results = [solve_as(problem, solver, time_limit=args.time_limit) for problem in problems]
        status = [sum(r.status is s for r in results) for s in (Status.OPTIMAL, Status.INFEASIBLE)]
        spent = [r.wall_s for r in results]
        size = max(p.n_stations**p.n_users for p in problems)
        cells = [solver, len(results), *status, len(results) - sum(status)]
        print_row([*cells, f"{statistics.median(spent):.3f}", f"{max(spent):.3f}", size])


def large(args: argparse.Namespace) -> None:
    """Print certificates at scale: bound and incumbent, time and memory of each."""
    print_head("objective", "seed", "bound, s", "incumbent", "incumbent, s", "gap", "controllable gap", "peak GB")
    for objective in args.objectives:
        for seed in range(args.seeds):
            problem = dtopt.generate("large", seed=seed, users=args.users, stations=args.stations, objective=objective)
            began = time.perf_counter()
            bound = dual_bound(problem)
            bounded = time.perf_counter() - began
            result = dtopt.solve(problem, args.solvers[0], time_limit=args.time_limit)
            gap = relative_gap(result.objective, bound)
            rest = controllable_gap(result.objective, bound, problem.uncontrollable_objective)
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
            times = (f"{bounded:.1f}", args.solvers[0], f"{result.wall_s:.1f}")
            print_row((objective, seed, *times, f"{gap:.2e}", f"{rest:.2e}", f"{peak:.2f}"))


def main() -> None:
    """Run the part asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parts = parser.add_subparsers(dest="part", required=True)
    for name, run, users, stations, limit, solvers in (
        ("presets", presets, 100, 10, 60.0, ["exact"]),
        ("migration", presets, 100, 10, 60.0, ["exact"]),
        ("textbook", textbook, 20, 4, 60.0, []),
        ("gap", published, 0, 0, 60.0, ["exact"]),
        ("tiny", tiny, 0, 0, 10.0, ["exact"]),
        ("large", large, 100_000, 1_000, 30.0, ["local-search"]),
    ):
        part = parts.add_parser(name, help=(run.__doc__ or "").replace("%", "%%"))
        part.set_defaults(run=run)
        part.add_argument("--seeds", type=int, default=10, help="seeds 0, 1, ... of each row")
        part.add_argument("--time-limit", type=float, default=limit, help="of each run, s")
        part.add_argument("--users", type=int, default=users)
        part.add_argument("--stations", type=int, default=stations)
        part.add_argument("--solvers", nargs="+", default=solvers)
        part.add_argument("--sharing", nargs="+", default=["optimal", "equal"], help="correlated is always fixed")
        part.add_argument("--presets", nargs="+", default=list(PRESETS))
        part.add_argument("--backhaul", type=float, default=1.0, help="factor of the backhaul's latency")
        part.add_argument("--objectives", nargs="+", default=["latency", "system-cost"])
        if name == "gap":
            part.add_argument("directory", type=Path)
    args = parser.parse_args()
    for kind in ("placement", "migration"):  # compiled once, outside the figures
        dtopt.solve(dtopt.generate("paper", users=5, stations=2, kind=kind), "exact")
    args.run(args)


if __name__ == "__main__":
    main()
