"""How good and how fast the learned solver `policy` is; each part prints a Markdown table.

python benchmarks/policy.py gaps --seeds 100            # gap to proven bounds, zero-shot, on every kind of instance
python benchmarks/policy.py times                       # time of a decision, and where it goes
python benchmarks/policy.py ablation --seeds 50         # what the network contributes and what its decoding does
python benchmarks/policy.py race --seeds 100 --plot out # against local search at equal time
python benchmarks/policy.py training LOG_CSV            # the log of a training run, thinned out

Bounds are those that `auto` proves; `--bounds FILE` keeps them for the next time. Seeds are below 10⁹, where those of
training begin.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import statistics
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from exact import print_head, print_row

import dtopt
from dtopt.bounds import dual_bound
from dtopt.result import controllable_gap, relative_gap
from dtopt.run import Run
from solvers._core import GraphNetwork
from solvers.local_search.candidates import lists_of
from solvers.policy.decode import Decoder
from solvers.policy.forward import forward
from solvers.policy.graph import Graph
from solvers.policy.sets import SETS, decode_sets, effort, fitted, likely_sets
from solvers.policy.weights import load_weights, read_weights

#: Preset, options, seconds of `auto` for the bound (0: the dual bound alone).
ROWS: dict[str, tuple[str, dict[str, Any], float]] = {
    "paper 80x5": ("paper", {"users": 80, "stations": 5}, 10.0),
    "paper 80x10": ("paper", {"users": 80, "stations": 10}, 10.0),
    "paper 100x5": ("paper", {"users": 100, "stations": 5}, 10.0),
    "paper 100x10": ("paper", {"users": 100, "stations": 10}, 10.0),
    "tight-capacity 100x10": ("tight-capacity", {}, 10.0),
    "tight-deadline 100x10": ("tight-deadline", {}, 10.0),
    "costly-servers 100x10": ("costly-servers", {}, 10.0),
    "correlated 100x10, fixed": ("correlated", {}, 6.0),
    "correlated 100x10, optimal": ("correlated", {"sharing": "optimal"}, 10.0),
    "melbourne 500x125": ("melbourne", {"users": 500}, 10.0),
    "paper 1000x50": ("paper", {"users": 1000, "stations": 50}, 5.0),
    "city 200x25": ("city", {"users": 200, "stations": 25}, 10.0),
    "paper 100x10, equal": ("paper", {"sharing": "equal"}, 10.0),
    "paper 100x10, latency": ("paper", {"objective": "latency"}, 10.0),
}
#: What `gaps` runs.
MODES: dict[str, tuple[str, dict[str, Any]]] = {
    "policy": ("policy", {}),
    "one set only": ("policy", {"sets": 1}),
    "policy-sample-16": ("policy", {"samples": 16}),
}
FIRST = 20_000
#: Above so many pairs `greedy` takes longer than all else here, and is left out.
GREEDY_PAIRS = 10_000


class Bounds:
    """Proven bounds by row and seed, kept in a file."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.known: dict[str, float] = json.loads(path.read_text()) if path and path.exists() else {}

    def __call__(self, row: str, seed: int, problem: Any, seconds: float) -> float:
        """Return the bound of an instance."""
        key = f"{row} {seed}"
        if key not in self.known:
            result = dtopt.solve(problem, "auto", time_limit=seconds) if seconds > 0 else None
            proven = result.bound if result is not None and result.bound is not None else dual_bound(problem)
            self.known[key] = float(proven)
            if self.path:
                self.path.write_text(json.dumps(self.known, indent=0))
        return self.known[key]


def instance(row: str, seed: int) -> Any:
    """Return an instance of a row; radio is part of it."""
    preset, options, _ = ROWS[row]
    problem = dtopt.generate(preset, seed=FIRST + seed, **options)
    _ = problem.network.access_station
    return problem


def percent(value: float) -> str:
    """Return a gap for people."""
    return f"{100 * value:.2f} %" if math.isfinite(value) else "none"


def gaps(args: argparse.Namespace) -> None:
    """Print gaps to proven bounds: nothing is trained or tuned on these instances."""
    bounds = Bounds(args.bounds)
    heads = [x for name in (*MODES, "greedy") for x in (f"{name}: median", "worst", "controllable: median")]
    print_head("instances", "seeds", "feasible", *heads, "policy, CPU ms: median", "worst")
    for row in args.rows or ROWS:
        found: dict[str, list[float]] = {name: [] for name in (*MODES, "greedy")}
        parts: dict[str, list[float]] = {name: [] for name in found}
        times, feasible = [], 0
        for seed in range(args.seeds):
            problem = instance(row, seed)
            bound = bounds(row, seed, problem, ROWS[row][2])
            for name, (solver, options) in (MODES | {"greedy": ("greedy", {})}).items():
                fresh = replace(problem)
                if name == "greedy" and problem.n_users * problem.n_stations > GREEDY_PAIRS:
                    found[name].append(math.nan)
                    parts[name].append(math.nan)
                    continue
                result = dtopt.solve(fresh, solver, seed=seed, **options)
                found[name].append(relative_gap(result.objective, bound))
                parts[name].append(controllable_gap(result.objective, bound, problem.uncontrollable_objective))
                if name == "policy":
                    times.append(1e3 * result.cpu_s)
                    feasible += result.solution is not None
        figures = [
            percent(value)
            for name, values in found.items()
            for value in (statistics.median(values), max(values), statistics.median(parts[name]))
        ]
        print_row((row, args.seeds, feasible, *figures, f"{statistics.median(times):.2f}", f"{max(times):.1f}"))


def times(args: argparse.Namespace) -> None:
    """Print the time of a decision and its parts, median of runs on instances not seen before."""
    heads = ("pairs, CPU ms", "features", "network", "decoding", "sum", "whole run, evaluator and checks too")
    print_head("instance", *heads)
    weights = load_weights()
    for preset, n, m in (
        ("paper", 100, 10),
        ("tight-deadline", 100, 10),
        ("correlated", 100, 10),
        ("paper", 1000, 50),
        ("large", 10_000, 100),
    ):
        parts = []
        for seed in range(args.seeds if n <= 1000 else 5):
            problem = dtopt.generate(preset, seed=FIRST + seed, users=n, stations=m)
            _ = problem.network.access_station
            run = Run(problem, "policy")
            ticks = [time.process_time()]
            lists = lists_of(problem, compared=False)
            ticks.append(time.process_time())
            graph = Graph.of(lists)
            ticks.append(time.process_time())
            openness, priced = forward(weights, graph)
            ticks.append(time.process_time())
            order = np.argsort(-openness, kind="stable")
            decoder = Decoder(lists)
            count, flips, exchanges = effort(decoder)
            chosen = fitted(likely_sets(openness, count), order, lists, m)
            decode_sets(run, decoder, chosen, priced, openness, flips, exchanges)
            ticks.append(time.process_time())
            whole = dtopt.solve(replace(problem), "policy").cpu_s
            parts.append([*np.diff(ticks), ticks[-1] - ticks[0], whole])
        median = 1e3 * np.median(parts, axis=0)
        print_row((f"{preset} {n}x{m}", *(f"{value:.2f}" for value in median)))


def ablation(args: argparse.Namespace) -> None:
    """Print what is left of the gap's smallness without the network, or without parts of its decoding."""
    bounds = Bounds(args.bounds)
    trained = load_weights()
    rng = np.random.default_rng(0)
    untrained = GraphNetwork(*(rng.permuted(w.ravel()).reshape(w.shape) for w in read_weights()))
    names = ("policy", "one set", "its sets, cost as price", "one set, no sweeps", "weights shuffled", "dual's servers")
    names = (*names, "all servers", "as many at random", "8 such sets")
    print_head("instances", "seeds", *(x for name in names for x in (f"{name}: median", "controllable")))
    for row in args.rows or ROWS:
        if row.startswith("correlated 100x10, fixed") and args.seeds > 50:
            continue
        found: dict[str, list[float]] = {name: [] for name in names}
        parts: dict[str, list[float]] = {name: [] for name in names}
        for seed in range(args.seeds):
            problem = instance(row, seed)
            bound = bounds(row, seed, problem, ROWS[row][2])
            for name, cost in _variants(problem, trained, untrained, seed).items():
                objective = cost + problem.constant_cost
                found[name].append(relative_gap(objective, bound))
                parts[name].append(controllable_gap(objective, bound, problem.uncontrollable_objective))
        middle = [statistics.median(gaps[name]) for name in names for gaps in (found, parts)]
        print_row((row, args.seeds, *map(percent, middle)))


def _variants(problem: Any, trained: Any, untrained: Any, seed: int) -> dict[str, float]:
    from dtopt.price_dual import PriceDual

    lists = lists_of(problem)
    graph, decoder, m = Graph.of(lists), Decoder(lists), lists.cpu.size
    openness, priced = forward(trained, graph)
    order = np.argsort(-openness, kind="stable")
    sets = fitted(likely_sets(openness, 1), order, lists, problem.max_open)
    several = fitted(likely_sets(openness, SETS), order, lists, problem.max_open)
    rng = np.random.default_rng(seed)
    count = int(sets.sum())

    def at_random(number: int) -> Any:
        drawn = np.zeros((number, m), dtype=bool)
        for one in drawn:
            one[rng.permutation(m)[:count]] = True
        return drawn

    shuffled, other_prices = forward(untrained, graph)
    instead = fitted(likely_sets(shuffled, SETS), np.argsort(-shuffled, kind="stable"), lists, problem.max_open)
    dual = PriceDual.of(problem)
    _, prices = dual.ascend()
    pairs, value = dual.priced(prices)
    paying = value < 0
    paying[value.argmin()] = True

    def least(chosen: Any, prices_of: Any, **options: Any) -> float:
        return float(decoder.decode(chosen, prices_of, **options)[0].min())

    return {
        "policy": least(several, priced),
        "one set": least(sets, priced),
        "its sets, cost as price": least(several, graph.gap),
        "one set, no sweeps": least(sets, priced, sweeps=0),
        "weights shuffled": least(instead, other_prices),
        "dual's servers": least(paying[None], pairs.astype(np.float32)),
        "all servers": least(np.ones((1, m), dtype=bool), graph.gap),
        "as many at random": least(at_random(1), graph.gap),
        "8 such sets": least(at_random(8), graph.gap),
    }


def race(args: argparse.Namespace) -> None:
    """Print the median gap at each time, and draw it: whoever has none yet counts as infinitely far."""
    bounds = Bounds(args.bounds)
    grid = np.array([1, 2, 3, 5, 10, 20, 50, 100, 200, 500]) / 1e3
    runs = {"policy": ("policy", {}), "policy-sample-16": ("policy", {"samples": 16})}
    runs |= {"policy+ls": ("policy+ls", {}), "local-search": ("local-search", {})}
    curves: dict[str, dict[str, Any]] = {}
    print_head("instances", "solver", "gap", *(f"{1e3 * t:g} ms" for t in grid))
    for row in args.rows or ("paper 100x10", "tight-capacity 100x10", "tight-deadline 100x10", "paper 1000x50"):
        for name, (solver, options) in runs.items():
            reached, parts = [], []
            for seed in range(args.seeds):
                problem = instance(row, seed)
                bound = bounds(row, seed, problem, ROWS[row][2])
                limit = None if solver == "policy" else float(grid[-1])
                result = dtopt.solve(problem, solver, time_limit=limit, seed=seed, **options)
                constant = problem.uncontrollable_objective
                reached.append([relative_gap(_objective_at(result, t), bound) for t in grid])
                parts.append([controllable_gap(_objective_at(result, t), bound, constant) for t in grid])
            median = np.median(reached, axis=0)
            curves.setdefault(row, {})[name] = median
            print_row((row, name, "whole", *map(percent, median)))
            print_row((row, name, "controllable", *map(percent, np.median(parts, axis=0))))
    if args.plot:
        _draw(grid, curves, args.plot)


def _objective_at(result: Any, seconds: float) -> float | None:
    """Return the best objective that a run had by then; the evaluator's time is the solver's own."""
    found = [step.objective for step in result.trace if step.time_s <= seconds]
    return found[-1] if found else None


def _draw(grid: Any, curves: dict[str, dict[str, Any]], path: Path) -> None:
    """Draw gaps over time as an SVG without a library, small enough to keep beside the text."""
    width, height, left, top, gap = 380, 240, 60, 30, 70
    colours = {"policy": "#c0392b", "policy-sample-16": "#e67e22", "policy+ls": "#8e44ad", "local-search": "#2471a3"}
    low, high = -5.0, 0.0
    rows = -(-len(curves) // 2)
    whole_w, whole_h = 2 * (left + width) + 20, rows * (top + height + gap)
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{whole_w}" height="{whole_h}" font-family="sans-serif">']
    out.append(f'<rect width="{whole_w}" height="{whole_h}" fill="white"/>')

    def at(seconds: float, value: float) -> tuple[float, float]:
        x = (math.log10(seconds) - math.log10(grid[0])) / (math.log10(grid[-1]) - math.log10(grid[0]))
        y = (min(max(math.log10(max(value, 1e-9)), low), high) - low) / (high - low)
        return x * width, (1.0 - y) * height

    for number, (row, lines) in enumerate(curves.items()):
        x0, y0 = left + (number % 2) * (left + width), top + (number // 2) * (top + height + gap)
        out.append(f'<g transform="translate({x0},{y0})"><text x="0" y="-8" font-size="13">{row}</text>')
        out.append(f'<rect width="{width}" height="{height}" fill="none" stroke="#999"/>')
        for power in range(int(low), int(high) + 1):
            y = at(grid[0], 10.0**power)[1]
            label = f"{100 * 10.0**power:g} %"
            out.append(f'<line x2="{width}" y1="{y:.1f}" y2="{y:.1f}" stroke="#eee"/>')
            out.append(f'<text x="-6" y="{y + 4:.1f}" font-size="10" text-anchor="end">{label}</text>')
        for tick in (1e-3, 1e-2, 1e-1):
            x = at(tick, 1.0)[0]
            out.append(
                f'<text x="{x:.1f}" y="{height + 14}" font-size="10" text-anchor="middle">{1e3 * tick:g} ms</text>'
            )
        for place, (name, values) in enumerate(lines.items()):
            points = [at(t, v) for t, v in zip(grid, values, strict=True) if math.isfinite(v)]
            path_of = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
            out.append(f'<polyline points="{path_of}" fill="none" stroke="{colours[name]}" stroke-width="2"/>')
            out.append(f'<text x="{place * 95}" y="{height + 32}" font-size="11" fill="{colours[name]}">{name}</text>')
        out.append("</g>")
    path.with_suffix(".svg").write_text("\n".join([*out, "</svg>"]) + "\n")


def training(args: argparse.Namespace) -> None:
    """Print every so many rows of the log of a training run, each the mean of those before it."""
    with args.log.open() as file:
        rows = list(csv.DictReader(file))
    print_head("step", "phase", "cross-entropy of servers", "of prices", "gap of drawn sets", "held-out gap", "seconds")
    every = max(1, len(rows) // args.seeds)
    for end in range(every, len(rows) + 1, every):
        part = rows[end - every : end]
        means = [
            np.nanmean([float(r[name]) for r in part] + [np.nan]) if any(r[name] != "nan" for r in part) else math.nan
            for name in ("opening", "prices", "gap", "held_out_gap")
        ]
        print_row(
            (part[-1]["step"], part[-1]["phase"], *(f"{x:.4f}" for x in means), f"{float(part[-1]['seconds']):.0f}")
        )


def main() -> None:
    """Run the part asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parts = parser.add_subparsers(dest="part", required=True)
    for name, run, seeds in (
        ("gaps", gaps, 100),
        ("times", times, 50),
        ("ablation", ablation, 50),
        ("race", race, 100),
        ("training", training, 20),
    ):
        part = parts.add_parser(name, help=(run.__doc__ or "").replace("%", "%%"))
        part.set_defaults(run=run)
        part.add_argument("--seeds", type=int, default=seeds)
        part.add_argument("--rows", nargs="*")
        part.add_argument("--bounds", type=Path)
        part.add_argument("--plot", type=Path)
        if name == "training":
            part.add_argument("log", type=Path)
    args = parser.parse_args()
    for name in ("exact", "local-search", "policy", "policy+ls"):
        for sharing in ("optimal", "fixed"):  # compiled once, outside the figures
            dtopt.solve(dtopt.generate("paper", users=5, stations=2, sharing=sharing), name, time_limit=1)
    args.run(args)


if __name__ == "__main__":
    main()
