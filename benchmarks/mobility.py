"""How good and how fast online policies are; each part prints Markdown tables.

python benchmarks/mobility.py policies --seeds 10            # N = 100, M = 10, 100 slots: utility against the bound
python benchmarks/mobility.py crossover --seeds 10 --plot crossover.svg   # lookahead and myopic over migration_weight
python benchmarks/mobility.py forecasts --seeds 10           # what horizons and forecasts are worth
python benchmarks/mobility.py scale                          # N = 10 000, M = 100: decision times
python benchmarks/mobility.py long                           # N = 100: time for 1 000 slots
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dtopt
from reports import simulation_tables
from reports.simulation import Contender, Study, clairvoyant_bounds, study

if TYPE_CHECKING:
    from dtopt.scenario import Scenario

#: Settings: the update latency (11), where a move costs as much as ten to twenty slots can save, and the construction
#: latency (10), with which Section V of the paper measures an interaction, where it costs as much as one.
SETTINGS: dict[str, dict[str, Any]] = {
    "update": {},
    "construction": {"interaction": "construction"},
    "construction, streets": {"interaction": "construction", "mobility": "manhattan"},
    "construction, trace": {"interaction": "construction", "mobility": "trace", "slots": 60},
}


POLICIES = (
    Contender.of("stay"),
    Contender.of("nearest"),
    Contender.of("greedy-utility"),
    Contender.of("local-search"),
    Contender.of("myopic-exact", gap=1e-3),
    Contender.of("lookahead"),
    Contender.of("re-placement"),
)


def scenarios(seeds: int, preset: str = "paper", **options: Any) -> list[Scenario]:
    """Return scenarios with consecutive seeds; those that constants were looked at with come after them."""
    return [dtopt.generate_scenario(preset, seed=100 + seed, **options) for seed in range(seeds)]


def run(
    made: list[Scenario], contenders: tuple[Contender, ...], bound_s: float = 0.0, folder: Path | None = None
) -> Study:
    """Run policies and compute the bounds; with a folder, a run that was killed goes on from its journals."""
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    cache = None if folder is None else folder / "bounds.json"
    bounds = clairvoyant_bounds(made, time_limit=bound_s, cache=cache) if bound_s > 0 else None
    return study(made, contenders, bounds=bounds, folder=folder, resume=True)


def policies(args: argparse.Namespace) -> None:
    """Print the table of all policies in each setting."""
    for name, options in SETTINGS.items():
        begun = time.perf_counter()
        print(f"## {name}\n")
        folder = None if args.out is None else args.out / name.replace(", ", "-")
        found = run(scenarios(args.seeds, **options), POLICIES, args.bound, folder)
        print(simulation_tables.markdown(found), flush=True)
        print(f"{time.perf_counter() - begun:.0f} s\n", flush=True)


def crossover(args: argparse.Namespace) -> None:
    """Print the utility of lookahead over that of the myopic policies, by migration_weight, with paired intervals."""
    from reports.simulation import Estimate

    names = ("stay", "local-search", "myopic-exact:gap=0.001", "lookahead", "lookahead:forecast=perfect")
    chosen = (
        Contender.of("stay"),
        Contender.of("local-search"),
        Contender.of("myopic-exact", gap=1e-3),
        Contender.of("lookahead"),
        Contender.of("lookahead", forecast="perfect"),
    )
    print("% over myopic-exact, mean ± half of the paired 95 % confidence interval over scenarios\n")
    print(f"| interaction | weight | {' | '.join(n for n in names if not n.startswith('myopic'))} |")
    print("|---|---:|---:|---:|---:|---:|")
    lines: dict[str, dict[str, list[tuple[float, Estimate]]]] = {}
    for interaction, weights in (
        ("construction", (0.0, 0.1, 0.3, 1.0, 3.0, 10.0)),
        ("update", (0.0, 0.01, 0.03, 0.1, 0.3, 1.0)),
    ):
        lines[interaction] = {}
        for weight in weights:
            made = scenarios(args.seeds, slots=args.slots, interaction=interaction, migration_weight=weight)
            folder = None if args.out is None else args.out / f"{interaction}-{weight:g}"
            found = run(made, chosen, folder=folder)
            cells = []
            for name in names:
                if name.startswith("myopic"):
                    continue
                pairs = zip(found.of(name), found.of("myopic-exact:gap=0.001"), strict=True)
                gain = Estimate.of([100 * (a.objective / b.objective - 1) for a, b in pairs])
                lines[interaction].setdefault(name, []).append((weight, gain))
                cells.append(f"{gain.mean:+.3f} ± {gain.half_width:.3f}")
            print(f"| {interaction} | {weight:g} | {' | '.join(cells)} |", flush=True)
    if args.plot:
        _plot(lines, args.plot)


def _plot(lines: dict[str, dict[str, list[tuple[float, Any]]]], path: Path) -> None:
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, len(lines), figsize=(10, 4))
    for axis, (interaction, by_policy) in zip(axes, lines.items(), strict=True):
        for (name, points), mark in zip(by_policy.items(), "os^D", strict=True):
            x, y = [w for w, _ in points], [g.mean for _, g in points]
            axis.errorbar(x, y, [g.half_width for _, g in points], label=name, marker=mark, capsize=3)
        axis.axhline(0.0, color="grey", linewidth=1)
        axis.set_xscale("symlog", linthresh=0.1 if interaction == "construction" else 0.01)
        axis.set_xlim(left=-0.02 if interaction == "construction" else -0.002)
        axis.set_title(interaction)
        axis.set_xlabel("migration_weight")
        axis.set_ylabel("utility over myopic-exact, %")
    axes[0].legend()
    figure.tight_layout()
    figure.savefig(path)


def forecasts(args: argparse.Namespace) -> None:
    """Print what horizons and forecasts are worth to lookahead."""
    chosen = (
        Contender.of("stay"),
        Contender.of("local-search"),
        *(Contender.of("lookahead", horizon=h) for h in (2, 6, 12, 24)),
        *(Contender.of("lookahead", forecast=f) for f in ("persistence", "constant-velocity", "perfect")),
        Contender.of("lookahead", forecast="perfect", horizon=24),
    )
    for name in ("update", "construction"):
        print(f"## {name}\n")
        print(simulation_tables.markdown(run(scenarios(args.seeds, **SETTINGS[name]), chosen)), flush=True)


def scale(args: argparse.Namespace) -> None:
    """Print decision times at N = 10 000, M = 100."""
    chosen = (
        Contender.of("stay"),
        Contender.of("nearest"),
        Contender.of("greedy-utility"),
        Contender.of("local-search"),
    )
    for name in ("update", "construction"):
        made = scenarios(1, slots=20, users=10_000, stations=100, **SETTINGS[name])
        print(f"## {name}\n")
        print(simulation_tables.markdown(run(made, chosen)), flush=True)


def long(args: argparse.Namespace) -> None:
    """Print the whole time for 1 000 slots of N = 100, making the slots included."""
    print("| setting | policy | s for 1 000 slots | of it deciding |\n|---|---|---:|---:|")
    for name in ("update", "construction"):
        for chosen in POLICIES:
            if chosen.name == "myopic-exact":
                continue
            made = scenarios(1, slots=1000, **SETTINGS[name])[0]
            dtopt.simulate(made, chosen.name, slots=1, **chosen.options)  # kernels are compiled before the clock starts
            begun = time.perf_counter()
            found = dtopt.simulate(made, chosen.name, **chosen.options)
            took = time.perf_counter() - begun
            deciding = sum(s.decision_s for s in found.slots)
            print(f"| {name} | {chosen.label} | {took:.1f} | {deciding:.1f} |", flush=True)


def main() -> None:
    """Run one part."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=["policies", "crossover", "forecasts", "scale", "long"])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--slots", type=int, default=40)
    parser.add_argument("--bound", type=float, default=120.0, help="wall time for each bound, s; 0 for none")
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--out", type=Path, help="folder for journals, from which a killed run goes on")
    args = parser.parse_args()
    getattr(sys.modules[__name__], args.part)(args)


if __name__ == "__main__":
    main()
