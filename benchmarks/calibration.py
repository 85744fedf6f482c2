"""Whether the `paper` instances are a real trade-off: prints the table of docs/instances.md.

    python benchmarks/calibration.py --seeds 10

For each size and seed: the parts of T_sys and the open servers of the optimum that `exact` proves, and how much worse
`nearest` and `random` are.
"""

from __future__ import annotations

import argparse
import itertools

import numpy as np

import dtopt
from dtopt import Placement

SIZES = ((80, 5), (100, 5), (80, 10), (100, 10))
#: Runs of `random` that are averaged.
RANDOM_RUNS = 10
#: What the constants are to achieve: least part of each latency.
LEAST_PART = 0.15
HEADINGS = (
    *("N x M", "seed", "T_sys, s", "wireless", "wired", "compute", "open", "E", "best known", "proven gap"),
    "controllable gap",
    *("nearest", "random"),
)


def excess(problem: Placement, name: str, seed: int, best: float) -> float:
    """Return by how much of the best objective a solver is worse."""
    objective = dtopt.solve(problem, name, seed=seed).objective
    return float("nan") if objective is None else objective / best - 1.0


def main() -> None:
    """Print the table and, below it, whether the constants do what they are to do."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5, help="seeds 0, 1, ... of each size")
    parser.add_argument("--time-limit", type=float, default=60.0, help="of each proof, s")
    args = parser.parse_args()
    print("| " + " | ".join(HEADINGS) + " |")
    print("|---" * len(HEADINGS) + "|")
    rows = []
    for (users, stations), seed in itertools.product(SIZES, range(args.seeds)):
        problem = dtopt.generate("paper", users=users, stations=stations, seed=seed)
        best = dtopt.solve(problem, "exact", time_limit=args.time_limit)
        terms, value = best.evaluation.terms, best.objective
        parts = [part / terms.latency for part in (terms.wireless, terms.wired, terms.compute)]
        nearest = excess(problem, "nearest", 0, value)
        random = float(np.mean([excess(problem, "random", s, value) for s in range(RANDOM_RUNS)]))
        energy = problem.cost_weight * terms.energy / value
        rows.append((users, stations, terms.n_open, *parts, nearest, random, best.gap))
        print(
            f"| {users} x {stations} | {seed} | {terms.latency:.3f} | "
            + " | ".join(f"{part:.0%}" for part in parts)
            + f" | {terms.n_open} | {energy:.1%} | {value:.4f} | {best.gap:.4%} "
            f"| {best.controllable_gap:.4%} | +{nearest:.0%} | +{random:.0%} |",
            flush=True,
        )
    _verdict(rows)


def _verdict(rows: list[tuple[float, ...]]) -> None:
    table = np.array(rows)
    stations, n_open, parts = table[:, 1], table[:, 2], table[:, 3:6]
    nearest, random, gap = table[:, 6], table[:, 7], table[:, 8]
    print(f"\nsmallest part of a latency: {parts.min():.1%} (to be at least {LEAST_PART:.0%})")
    print(f"open servers strictly between 1 and M: {int(((n_open > 1) & (n_open < stations)).sum())} of {len(table)}")
    for m in np.unique(stations):
        of = stations == m
        print(
            f"M = {m:.0f}: nearest +{nearest[of].mean():.0%} on average (least +{nearest[of].min():.0%}), "
            f"random +{random[of].mean():.0%} (least +{random[of].min():.0%})"
        )
    print(f"random worse than nearest: {int((random > nearest).sum())} of {len(table)}")
    print(f"largest proven gap: {gap.max():.4%}")


if __name__ == "__main__":
    main()
