"""Whether the `paper` instances are a real trade-off: prints the table of docs/instances.md.

    python benchmarks/calibration.py --seeds 5

For each size and seed: the parts of T_sys and the open servers of the best known solution, how far it can be from the
optimum, and how much worse `nearest` and `random` are. The best known solution is the best that the solvers named
find on the whole instance and, since the choice of servers is what bounds are weak on, on every set of servers that the
bound for exactly this set does not rule out; the smallest of these bounds is the proven one.
"""

from __future__ import annotations

import argparse
import itertools
from dataclasses import replace

import numpy as np

import dtopt
from dtopt import Placement, Result

SIZES = ((80, 5), (100, 5), (80, 10), (100, 10))
#: Runs of `random` that are averaged.
RANDOM_RUNS = 10
#: What the constants are to achieve: least part of each latency.
LEAST_PART = 0.15
HEADINGS = (
    *("N x M", "seed", "T_sys, s", "wireless", "wired", "compute", "open", "E", "best known", "proven gap"),
    *("nearest", "random"),
)


def restricted(problem: Placement, servers: tuple[int, ...]) -> Placement:
    """Return the problem on some servers only, without opening costs."""
    stations = problem.network.stations
    capacity = np.zeros(stations.count, dtype=np.int64)
    capacity[list(servers)] = stations.capacity[list(servers)]
    network = replace(problem.network, stations=replace(stations, capacity=capacity))
    return replace(problem, network=network, server_cost=0.0)


def best_known(problem: Placement, solvers: list[str], time_limit: float) -> tuple[Result, float]:
    """Return the best solution found and a proven lower bound."""
    results = [dtopt.solve(problem, name, time_limit=time_limit) for name in solvers]
    best = min((r for r in results if r.objective is not None), key=lambda r: r.objective)
    opening = problem.cost_weight * problem.server_cost
    lowest = float("inf")
    for size in range(1, problem.n_stations + 1):
        of_size = dtopt.dual_bound(replace(problem, server_cost=0.0, max_servers=size)) + opening * size
        if of_size >= best.objective:
            lowest = min(lowest, of_size)
            continue
        for servers in itertools.combinations(range(problem.n_stations), size):
            on_these = restricted(problem, servers)
            bound = dtopt.dual_bound(on_these) + opening * size
            lowest = min(lowest, bound)
            if bound < best.objective:
                for name in solvers:
                    found = dtopt.solve(on_these, name, time_limit=time_limit)
                    if found.solution is not None:
                        judged = dtopt.evaluate(problem, dtopt.Solution(found.solution.association))
                        if judged.feasible and judged.objective < best.objective:
                            best = replace(found, solution=found.solution, evaluation=judged)
    return best, lowest


def excess(problem: Placement, name: str, seed: int, best: float) -> float:
    """Return by how much of the best objective a solver is worse."""
    objective = dtopt.solve(problem, name, seed=seed).objective
    return float("nan") if objective is None else objective / best - 1.0


def main() -> None:
    """Print the table and, below it, whether the constants do what they are to do."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5, help="seeds 0, 1, ... of each size")
    parser.add_argument("--solvers", nargs="+", default=["greedy"], help="who looks for the best known solution")
    parser.add_argument("--time-limit", type=float, default=10.0, help="of each run, s")
    args = parser.parse_args()
    print("| " + " | ".join(HEADINGS) + " |")
    print("|---" * len(HEADINGS) + "|")
    rows = []
    for (users, stations), seed in itertools.product(SIZES, range(args.seeds)):
        problem = dtopt.generate("paper", users=users, stations=stations, seed=seed)
        best, bound = best_known(problem, args.solvers, args.time_limit)
        terms, value = best.evaluation.terms, best.objective
        parts = [part / terms.latency for part in (terms.wireless, terms.wired, terms.compute)]
        nearest = excess(problem, "nearest", 0, value)
        random = float(np.mean([excess(problem, "random", s, value) for s in range(RANDOM_RUNS)]))
        gap = max(0.0, 1.0 - bound / value)
        energy = problem.cost_weight * terms.energy / value
        rows.append((users, stations, terms.n_open, *parts, nearest, random, gap))
        print(
            f"| {users} x {stations} | {seed} | {terms.latency:.3f} | "
            + " | ".join(f"{part:.0%}" for part in parts)
            + f" | {terms.n_open} | {energy:.1%} | {value:.4f} | {gap:.2%} | +{nearest:.0%} | +{random:.0%} |",
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
    print(f"largest proven gap: {gap.max():.2%}")


if __name__ == "__main__":
    main()
