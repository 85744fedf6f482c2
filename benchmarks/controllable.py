"""How much of an objective decisions change: prints the tables of docs/model.md.

python benchmarks/controllable.py presets --seeds 5      # both objectives of P1, and P2 of one slot
python benchmarks/controllable.py suites                 # from the best-known values of the suites, nothing is solved
python benchmarks/controllable.py scenarios --seeds 3    # P2 over time slots

The factor is |objective| / |objective − C| at a good solution, with C the uncontrollable objective of the problem. A
gap times the factor is the controllable gap.
"""

from __future__ import annotations

import argparse
import math
import statistics
from typing import TYPE_CHECKING

import numpy as np
from exact import print_head, print_row

import dtopt
from instances.suites import load_suite, suite_names

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dtopt.scenario import Scenario

#: Preset, users, stations, sharing.
ROWS = (
    ("paper", 80, 5, "optimal"),
    ("paper", 80, 10, "optimal"),
    ("paper", 100, 5, "optimal"),
    ("paper", 100, 10, "optimal"),
    ("paper", 100, 10, "equal"),
    ("paper", 1000, 50, "optimal"),
    ("costly-servers", 100, 10, "optimal"),
    ("tight-capacity", 100, 10, "optimal"),
    ("tight-deadline", 100, 10, "optimal"),
    ("correlated", 100, 10, "fixed"),
    ("correlated", 100, 10, "optimal"),
    ("city", 200, 25, "optimal"),
    ("melbourne", 500, 125, "optimal"),
    ("large", 10_000, 100, "optimal"),
    ("large", 100_000, 1_000, "optimal"),
)
MIGRATION_PRESETS = ("paper", "tight-capacity", "tight-deadline")
INTERACTIONS = ("update", "construction")
#: The policy whose utility stands for a good one.
POLICY = "lookahead"
HEADINGS = ("instances", "objective", "n", "|objective|", "C", "factor: median", "least", "most")


def factor(objective: float, uncontrollable: float) -> float:
    """Return |objective| / |objective − C|."""
    difference = abs(objective - uncontrollable)
    return abs(objective) / difference if difference else math.inf


def row(name: str, objective: str, found: Sequence[tuple[float, float]]) -> None:
    """Print medians over instances of (objective, C)."""
    factors = [factor(*pair) for pair in found]
    middle = [statistics.median(values) for values in zip(*found, strict=True)]
    figures = (statistics.median(factors), min(factors), max(factors))
    print_row((name, objective, len(found), *(f"{x:.4g}" for x in middle), *(f"{x:.3g}" for x in figures)))


def uncontrollable(whole: Scenario) -> float:
    """Return the sum of C over the slots of a scenario; it does not depend on where twins were before."""
    new = np.full(whole.n_users, -1)
    return sum(whole.problem(t, new).uncontrollable_objective for t in range(whole.n_slots))


def presets(args: argparse.Namespace) -> None:
    """Print the factor for each preset and objective."""
    print(f"seeds 0 to {args.seeds - 1}, {args.solver}, at most {args.time_limit:g} s a run\n")
    print_head(*HEADINGS)
    for preset, users, stations, sharing in ROWS:
        for objective in ("system-cost", "latency"):
            size = {"users": users, "stations": stations, "sharing": sharing, "objective": objective}
            solve(args, preset, f"`{preset}` {users} × {stations}, {sharing}", objective.replace("-", " "), size)
    for preset in MIGRATION_PRESETS:
        for sharing in ("optimal", "equal"):
            options = {"kind": "migration", "sharing": sharing}
            solve(args, preset, f"`{preset}` 100 × 10, P2, {sharing}", "utility", options)


def solve(args: argparse.Namespace, preset: str, name: str, objective: str, options: dict[str, object]) -> None:
    """Print one row; a preset whose data is not here is left out."""
    found = []
    for seed in range(args.seeds):
        try:
            problem = dtopt.generate(preset, seed=seed, **options)
        except dtopt.InputError as error:
            print_row((name, objective, 0, f"left out: {error}", "", "", "", ""))
            return
        result = dtopt.solve(problem, args.solver, time_limit=args.time_limit, seed=seed)
        if result.objective is not None:
            found.append((result.objective, problem.uncontrollable_objective))
    row(name, objective, found)


def suites(_: argparse.Namespace) -> None:
    """Print the factor at the best-known values of the suites."""
    print_head(*HEADINGS)
    for name in suite_names():
        found: dict[str, list[tuple[float, float]]] = {}
        for entry in load_suite(name).instances:
            if entry.best is not None and entry.uncontrollable_objective is not None:
                pair = (entry.best.value, entry.uncontrollable_objective)
                found.setdefault(entry.objective, []).append(pair)
        for objective, pairs in found.items():
            row(f"suite `{name}`", objective, pairs)


def scenarios(args: argparse.Namespace) -> None:
    """Print the factor of utility summed over the slots of scenarios."""
    print(f"`paper`, 100 × 10, {args.slots} slots, seeds 0 to {args.seeds - 1}, policy {POLICY}\n")
    print_head(*HEADINGS)
    for interaction in INTERACTIONS:
        found = []
        for seed in range(args.seeds):
            whole = dtopt.generate_scenario("paper", seed=seed, slots=args.slots, interaction=interaction)
            found.append((dtopt.simulate(whole, POLICY).utility, uncontrollable(whole)))
        row("scenarios", f"utility, {interaction}", found)


def main() -> None:
    """Run the part asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=("presets", "suites", "scenarios"))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--slots", type=int, default=40)
    parser.add_argument("--solver", default="auto")
    parser.add_argument("--time-limit", type=float, default=2.0, help="of each run, s")
    args = parser.parse_args()
    {"presets": presets, "suites": suites, "scenarios": scenarios}[args.part](args)


if __name__ == "__main__":
    main()
