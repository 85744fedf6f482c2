"""How near the clairvoyant bound is; each part prints a Markdown table.

python benchmarks/clairvoyant.py exact --seeds 5     # the bound beside the proven optimum, where that is solvable
python benchmarks/clairvoyant.py bound --seeds 10    # N = 100, M = 10, 100 slots: the bound beside its paths
python benchmarks/clairvoyant.py bound --preset large --users 1000 --stations 50 --slots 20 --seeds 1

"stay" is the best that is found in hindsight without moving anyone who need not move. Seconds are those of the process,
which another process on the machine does not lengthen as it does the wall's.
"""

from __future__ import annotations

import argparse
import resource
import statistics
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from controllable import uncontrollable
from exact import print_head, print_row

from dtopt._core import Cancellation
from dtopt.result import Status, controllable_gap
from instances.mobility.generate import generate_scenario
from solvers._core import SlotPaths
from solvers.clairvoyant import clairvoyant, clairvoyant_bound, judge
from solvers.clairvoyant.expansion import expand

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dtopt.scenario import Scenario

#: Users, stations and slots that are solved exactly.
SIZES = ((5, 3, 10), (10, 4, 10), (20, 5, 10), (20, 5, 30), (40, 8, 10))
#: A weight at which nobody moves who need not.
HUGE = 1e4


def scenario(args: argparse.Namespace, seed: int, users: int, stations: int, slots: int) -> Scenario:
    """Return the scenario of a seed."""
    return generate_scenario(
        args.preset,
        seed=seed,
        users=users,
        stations=stations,
        slots=slots,
        mobility=args.mobility,
        sharing=args.sharing,
        migration_weight=args.migration_weight,
        interaction=args.interaction,
        deadline=args.deadline,
    )


def staying(whole: Scenario, candidates: int | None) -> float:
    """Return the utility of the best paths found without moves that could be avoided, under the true weight."""
    heavy = expand(replace(whole, base=replace(whole.base, migration_weight=HUGE)), candidates)
    search = SlotPaths(heavy.view, 0)
    best = -np.inf
    for _ in range(3):
        choice = search.improved(search.random_choice(), 60, Cancellation())
        slots, feasible = judge(whole, heavy.associations(choice))
        best = max(best, float(slots.sum()) if feasible else -np.inf)
    return best


def moves(whole: Scenario, associations: Sequence[np.ndarray]) -> int:
    """Return how often twins move."""
    before, count = whole.base.previous, 0
    for slot, association in enumerate(associations):
        now = whole.spread(slot, association)
        count += int(((before >= 0) & (now >= 0) & (before != now)).sum())
        before = now
    return count


def exact(args: argparse.Namespace) -> None:
    """Print the bound beside the proven optimum."""
    print(f"{args.preset}, {args.sharing} sharing, {args.seeds} seeds a row, at most {args.time_limit:g} s a run\n")
    heads = ("bound over exact: median", "worst", "of what decisions change: median", "worst")
    print_head("N", "M", "slots", "proven", "exact, s: median", "worst", *heads)
    for users, stations, slots in SIZES:
        seconds, gaps, parts, proven = [], [], [], 0
        for seed in range(args.seeds):
            whole = scenario(args, seed, users, stations, slots)
            best = clairvoyant(whole, time_limit=args.time_limit)
            bound = clairvoyant_bound(whole, time_limit=args.time_limit)
            if best.status is Status.OPTIMAL and best.utility is not None:
                proven += 1
                seconds.append(best.cpu_s)
                gaps.append(bound.bound / best.utility - 1.0)
                parts.append(controllable_gap(best.utility, bound.bound, uncontrollable(whole)))
        told = [f"{f(seconds):.2f}" for f in (statistics.median, max)] if proven else ["", ""]
        for values in (gaps, parts):
            told += [f"{100 * f(values):.4f} %" for f in (statistics.median, max)] if proven else ["", ""]
        print_row((users, stations, slots, f"{proven}/{args.seeds}", *told))


def bound(args: argparse.Namespace) -> None:
    """Print the bound beside the paths found with it and beside the best without moving."""
    size = (args.users, args.stations, args.slots)
    print(
        f"{args.preset}, {' x '.join(map(str, size))} slots, {args.sharing} sharing, weight {args.migration_weight:g}\n"
    )
    columns = ("bound", "paths", "gap", "controllable gap", "moves", "stay", "gap / (bound - stay)")
    columns = (*columns, "bound, s", "peak GB")
    print_head("seed", *columns)
    gaps, parts, shares, seconds = [], [], [], []
    for seed in range(args.first, args.first + args.seeds):
        whole = scenario(args, seed, *size)
        found = clairvoyant_bound(whole, time_limit=args.time_limit, gap=args.gap)
        stay = staying(whole, found.details.get("candidates"))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
        utility = found.utility if found.utility is not None else float("nan")
        share = (found.bound - utility) / max(found.bound - stay, 1e-300)
        gaps.append(found.gap)
        parts.append(controllable_gap(found.utility, found.bound, uncontrollable(whole)))
        shares.append(share)
        seconds.append(found.cpu_s)
        count = moves(whole, found.associations) if found.associations is not None else ""
        both = (f"{100 * found.gap:.4f} %", f"{100 * parts[-1]:.4f} %")
        row = (seed, f"{found.bound:.3f}", f"{utility:.3f}", *both, count, f"{stay:.3f}")
        print_row((*row, f"{100 * share:.1f} %", f"{found.cpu_s:.1f}", f"{peak:.2f}"))
    for name, f in (("median", statistics.median), ("worst", max)):
        both = (f"{100 * f(gaps):.4f} %", f"{100 * f(parts):.4f} %")
        print_row((name, "", "", *both, "", "", f"{100 * f(shares):.1f} %", f"{f(seconds):.1f}", ""))


def main() -> None:
    """Run one part."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=("exact", "bound"))
    parser.add_argument("--preset", default="paper")
    parser.add_argument("--mobility", default="random-waypoint")
    parser.add_argument("--sharing", default="optimal")
    parser.add_argument("--interaction", default="update")
    parser.add_argument("--deadline", default="soft")
    parser.add_argument("--migration-weight", type=float, default=1.0)
    parser.add_argument("--users", type=int, default=100)
    parser.add_argument("--stations", type=int, default=10)
    parser.add_argument("--slots", type=int, default=100)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--gap", type=float, default=5e-4)
    parser.add_argument("--time-limit", type=float, default=600.0)
    args = parser.parse_args()
    {"exact": exact, "bound": bound}[args.part](args)


if __name__ == "__main__":
    main()
