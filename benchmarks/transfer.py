"""Learned migration, measured; each part prints Markdown tables.

python benchmarks/transfer.py online --seeds 10        # shares of the clairvoyant bound, on unseen scenarios
python benchmarks/transfer.py curve --seeds 3          # utility over decision time: lookahead's horizons, policy-online
python benchmarks/transfer.py ablation --seeds 10      # (32), (33), (34) off in turn, and other readings of them
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

import mobility
import numpy as np

import dtopt
from dtopt.simulation import Decision, make_policy
from reports import simulation_tables
from reports.simulation import Contender, Estimate, Study

#: What is evaluated; training scenarios have seeds of 10^9 and above, and the trace is in none of them.
SETTINGS: dict[str, dict[str, Any]] = {
    **mobility.SETTINGS,
    "construction, trace, melbourne": {
        "preset": "melbourne",
        "interaction": "construction",
        "mobility": "trace",
        "slots": 60,
        "origin": None,
        "users": 100,
        "stations": 20,
    },
}
POLICIES = (
    Contender.of("stay"),
    Contender.of("nearest"),
    Contender.of("greedy-utility"),
    Contender.of("myopic-exact", gap=1e-3),
    Contender.of("lookahead"),
    Contender.of("policy-online", corrected=False),
    Contender.of("policy-online"),
    Contender.of("drl-transfer"),
    Contender.of("drl-scratch"),
    Contender.of("drl-frozen"),
)


def online(args: argparse.Namespace) -> None:
    """Print the table of policies in each setting."""
    for name in [args.setting] if args.setting else SETTINGS:
        try:
            made = mobility.scenarios(args.seeds, **SETTINGS[name])
        except dtopt.InputError as error:
            print(f"## {name}\n\nleft out: {error}\n")
            continue
        folder = None if args.out is None else args.out / name.replace(", ", "-")
        chosen = tuple(one for one in POLICIES if not args.policies or one.name in args.policies)
        found = mobility.run(made, chosen, args.bound, folder)
        print(f"## {name}\n\n{simulation_tables.markdown(found)}", flush=True)
        _paired(found)


def _paired(found: Study) -> None:
    """Print by how much `policy-online` is above the others, scenario by scenario."""
    own = found.of("policy-online")
    print("policy-online over another policy, %, mean ± half of the paired 95 % interval\n\n| over | % |\n|---|---:|")
    for label in found.labels:
        if label != "policy-online":
            pairs = zip(own, found.of(label), strict=True)
            gain = Estimate.of([100 * (a.objective / b.objective - 1) for a, b in pairs])
            print(f"| {label} | {gain.mean:+.2f} ± {gain.half_width:.2f} |")
    print(flush=True)


class _Timed:
    """A policy whose decisions are timed by the CPU time they take, which other processes do not lengthen."""

    def __init__(self, policy: Any) -> None:
        self.policy, self.cpu_s = policy, []
        self.forecasts, self.moves_servers = policy.forecasts, policy.moves_servers

    def decide(self, observation: Any) -> Decision:
        begun = time.process_time()
        found: Decision = self.policy.decide(observation)
        self.cpu_s.append(time.process_time() - begun)
        return found


def curve(args: argparse.Namespace) -> None:
    """Print utility over decision time: lookahead by its horizon and sweeps, and policy-online."""
    chosen = (
        Contender.of("nearest"),
        Contender.of("local-search"),
        *(Contender.of("lookahead", horizon=h, sweeps=s) for h, s in ((1, 1), (2, 1), (4, 1), (12, 1), (12, 3))),
        Contender.of("policy-online", corrected=False),
        Contender.of("policy-online"),
        Contender.of("policy-online", swaps=True),
    )
    for name in ("construction", "update"):
        made = mobility.scenarios(args.seeds, **SETTINGS[name])
        base: list[float] = []
        print(
            f"## {name}\n\n| policy | utility over nearest, % | CPU ms a slot: median | worst |\n|---|---:|---:|---:|"
        )
        points: list[tuple[str, float, float]] = []
        for one in chosen:
            objective, cpu = [], []
            for scenario in made:
                timed = _Timed(make_policy(one.name, **one.options))
                dtopt.simulate(scenario, timed, slots=2)  # compiled before the clock starts
                timed.cpu_s.clear()
                objective.append(dtopt.simulate(scenario, timed).objective)
                cpu += timed.cpu_s
            base = base or objective
            gain = 100 * float(np.mean(np.array(objective) / np.array(base) - 1))
            median = 1e3 * float(np.median(cpu))
            points.append((one.label, gain, median))
            print(f"| {one.label} | {gain:+.2f} | {median:.1f} | {1e3 * max(cpu):.1f} |", flush=True)
        print()
        if args.plot:
            _plot_curve(name, points, args.plot.with_name(f"{args.plot.stem}-{name}{args.plot.suffix}"))


def ablation(args: argparse.Namespace) -> None:
    """Print the utility of drl-transfer with parts of it off, over the whole of it, with paired intervals."""
    chosen = (
        Contender.of("drl-transfer"),
        Contender.of("drl-transfer", aggregate=False),
        Contender.of("drl-transfer", merge=False),
        Contender.of("drl-transfer", fine_tune=False),
        Contender.of("drl-transfer", aggregate=False, merge=False, fine_tune=False),
        Contender.of("drl-transfer", weights="uniform"),
        Contender.of("drl-transfer", weights="dwell"),
        Contender.of("drl-transfer", mixing="printed"),
        Contender.of("drl-transfer", count_bytes=False),
        Contender.of("drl-transfer", selection="search"),
        Contender.of("drl-frozen"),
        Contender.of("drl-scratch"),
    )
    for start in args.sources:
        print(
            f"## source: {start}\n\n| policy | over drl-transfer, % | moves a slot | ms a slot |\n|---|---:|---:|---:|"
        )
        made = mobility.scenarios(args.seeds, **SETTINGS["construction"], slots=args.slots)
        base: list[float] = []
        for one in chosen:
            extra = {"source": "none"} if start == "none" else {}
            runs = [dtopt.simulate(s, one.name, **one.options, **extra) for s in made]
            objective = [t.objective for t in runs]
            base = base or objective
            gain = Estimate.of([100 * (a / b - 1) for a, b in zip(objective, base, strict=True)])
            moves = np.mean([t.summary()["migrations"] / len(t.slots) for t in runs])
            decided = np.median([s.decision_s for t in runs for s in t.slots])
            print(
                f"| {one.label} | {gain.mean:+.3f} ± {gain.half_width:.3f} | {moves:.1f} | {1e3 * decided:.0f} |",
                flush=True,
            )
        print()


def _plot_curve(name: str, points: list[tuple[str, float, float]], path: Path) -> None:
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    figure, axis = pyplot.subplots(figsize=(5, 3.2))
    for family, marker in (("lookahead", "o"), ("policy-online", "s"), ("", "x")):
        own = [p for p in points if (p[0].startswith(family) if family else not p[0].startswith(("look", "policy")))]
        line = "-" if family == "lookahead" else ""
        axis.plot([p[2] for p in own], [p[1] for p in own], marker=marker, linestyle=line, label=family or "others")
    axis.set_xscale("log")
    axis.set_xlabel("CPU ms a slot, median")
    axis.set_ylabel("utility over nearest, %")
    axis.set_title(name)
    axis.legend()
    figure.tight_layout()
    figure.savefig(path)


def main() -> None:
    """Run one part."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=["online", "curve", "ablation"])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--slots", type=int, default=100)
    parser.add_argument("--setting", choices=list(SETTINGS))
    parser.add_argument("--policies", nargs="+", help="only these, of those in the table")
    parser.add_argument("--sources", nargs="+", choices=["shipped", "none"], default=["shipped", "none"])
    parser.add_argument("--bound", type=float, default=40.0, help="wall time for each bound, s; 0 for none")
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--out", type=Path, help="folder for journals, from which a killed run goes on")
    args = parser.parse_args()
    getattr(sys.modules[__name__], args.part)(args)


if __name__ == "__main__":
    main()
