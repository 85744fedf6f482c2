"""Learned migration, measured; each part prints Markdown tables.

python benchmarks/transfer.py online --seeds 10        # shares of the clairvoyant bound, on unseen scenarios
python benchmarks/transfer.py curve --seeds 3          # utility over decision time: lookahead's horizons, policy-online
python benchmarks/transfer.py iterations --seeds 10    # after a shift: iterations until within 2 % of the best policy
python benchmarks/transfer.py ablation --seeds 10      # (32), (33), (34) off in turn, and other readings of them
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import dtopt
from dtopt.scenario import RecordedGains
from dtopt.simulation import Decision, make_policy
from reports import simulation_tables
from reports.simulation import Contender, Estimate, Study, clairvoyant_bounds, study
from solvers.policy_online.view import look
from solvers.transfer import select
from solvers.transfer.learner import Learner, Options, seen, state_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from dtopt.arrays import FloatArray, IntArray
    from dtopt.scenario import Scenario

#: What is evaluated; training scenarios have seeds of 10^9 and above, and the trace is in none of them.
SETTINGS: dict[str, dict[str, Any]] = {
    "construction": {"interaction": "construction"},
    "update": {},
    "construction, streets": {"interaction": "construction", "mobility": "manhattan"},
    "construction, trace": {"interaction": "construction", "mobility": "trace", "slots": 60},
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
FIRST_SEED = 100


def contender(name: str, **options: Any) -> Contender:
    """Return a policy; the label tells its options."""
    text = ",".join(f"{key}={value}" for key, value in options.items())
    return Contender(f"{name}:{text}" if text else name, name, options)


POLICIES = (
    contender("stay"),
    contender("nearest"),
    contender("greedy-utility"),
    contender("myopic-exact", gap=1e-3),
    contender("lookahead"),
    contender("policy-online", corrected=False),
    contender("policy-online"),
    contender("drl-transfer"),
    contender("drl-scratch"),
    contender("drl-frozen"),
)


def scenarios(seeds: int, preset: str = "paper", **options: Any) -> list[Scenario]:
    """Return scenarios with consecutive seeds."""
    return [dtopt.generate_scenario(preset, seed=FIRST_SEED + seed, **options) for seed in range(seeds)]


def online(args: argparse.Namespace) -> None:
    """Print the table of policies in each setting."""
    for name in [args.setting] if args.setting else SETTINGS:
        try:
            made = scenarios(args.seeds, **SETTINGS[name])
        except dtopt.InputError as error:
            print(f"## {name}\n\nleft out: {error}\n")
            continue
        folder = None if args.out is None else args.out / name.replace(", ", "-")
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
        cache = None if folder is None else folder / "bounds.json"
        bounds = clairvoyant_bounds(made, time_limit=args.bound, cache=cache) if args.bound else None
        chosen = tuple(one for one in POLICIES if not args.policies or one.name in args.policies)
        found = study(made, chosen, bounds=bounds, folder=folder, resume=True)
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
        contender("nearest"),
        contender("local-search"),
        *(contender("lookahead", horizon=h, sweeps=s) for h, s in ((1, 1), (2, 1), (4, 1), (12, 1), (12, 3))),
        contender("policy-online", corrected=False),
        contender("policy-online"),
        contender("policy-online", swaps=True),
    )
    for name in ("construction", "update"):
        made = scenarios(args.seeds, **SETTINGS[name])
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


# --- shifts -----------------------------------------------------------------------------------------------------------

#: Slots before a shift, in which sources are learnt, and after it.
BEFORE, AFTER = 30, 15
#: Iterations at most, and those between looks.
MOST, LOOK = 100, 5
#: Iterations after each of the two plays of the slots before a shift.
SOURCE = 80
WITHIN = 0.98


def _half(scenario: Scenario, first: int, last: int, **changes: Any) -> Scenario:
    """Return some slots of a scenario, with changes."""
    assert scenario.present is not None
    fields: dict[str, Any] = {
        "position_m": scenario.position_m[first:last],
        "present": scenario.present[first:last],
        "cpu_hz": scenario.cpu_hz[first:last],  # type: ignore[index]
        "bandwidth_hz": scenario.bandwidth_hz[first:last],  # type: ignore[index]
        "radio": RecordedGains(_gains(scenario, first, last)),
    }
    return replace(scenario, **{**fields, **changes})


def _gains(scenario: Scenario, first: int, last: int) -> FloatArray:
    """Return the gains of all users in some slots, shape (T, N, M)."""
    station_m, everyone = scenario.base.network.stations.position_m, np.arange(scenario.n_users)
    made = [scenario.radio.channel(slot, everyone, scenario._walk, station_m) for slot in range(first, last)]
    return np.stack([channel.gain for channel in made])  # type: ignore[union-attr]


def shifted(kind: str, seed: int) -> tuple[Scenario, Scenario]:
    """Return a scenario, and what follows it after a shift.

    ``user moves``: every user goes on where another one was; ``fading``: all gains are Rayleigh-faded anew in every
    slot; ``CPU drop``: the two servers of most CPU keep a third of it; ``new users``: half of the users are others.
    """
    whole = dtopt.generate_scenario("paper", seed=1000 + seed, slots=BEFORE + AFTER, interaction="construction")
    first, then = _half(whole, 0, BEFORE), _half(whole, BEFORE, BEFORE + AFTER)
    random = np.random.default_rng([seed, 9])
    if kind == "user moves":
        other = random.permutation(whole.n_users)
        radio = RecordedGains(np.ascontiguousarray(then.radio.gain[:, other]))  # type: ignore[union-attr]
        then = replace(then, position_m=np.ascontiguousarray(then.position_m[:, other]), radio=radio)
    elif kind == "fading":
        gain = then.radio.gain  # type: ignore[union-attr]
        then = replace(then, radio=RecordedGains(gain * random.exponential(1.0, gain.shape)))
    elif kind == "CPU drop":
        assert then.cpu_hz is not None
        cpu, allowed = then.cpu_hz.copy(), np.flatnonzero(whole.problem(0).server_allowed)
        cpu[:, allowed[np.argsort(-cpu[0, allowed])[:2]]] /= 3.0
        then = replace(then, cpu_hz=cpu)
    else:
        assert first.present is not None
        present = first.present.copy()
        new = random.permutation(whole.n_users)[: whole.n_users // 2]
        present[:, new] = False
        base = replace(first.base, previous=np.where(present[0], first.base.previous, -1))
        first = replace(first, base=base, present=present)
    return first, then


class _Window:
    """Plays the slots after a shift with given models, again and again."""

    def __init__(self, scenario: Scenario, previous: IntArray, selection: str) -> None:
        self.scenario = replace(scenario, base=replace(scenario.base, previous=previous))
        self.selection = selection
        servers = np.flatnonzero(scenario.problem(0, previous).server_allowed)
        self.start: IntArray = np.where(previous >= 0, np.searchsorted(servers, np.maximum(previous, 0)), -1)

    def play(self, learner: Learner, *, learn: bool) -> float:
        """Return the utility of all slots; with `learn`, experience is kept and models go with their twins."""
        window = self
        # Twins are back where they were; models are what they have become.
        learner.server, learner.last = self.start.copy(), None

        class Player:
            forecasts = moves_servers = False

            def companion_bits(self, problem: Any) -> float:
                return learner.options.bits(int(problem.server_allowed.sum()))

            def decide(self, observation: Any) -> Decision:
                problem, view = observation.problem, look(observation)
                value = learner.value(observation.users, state_of(view))
                found = select(problem, view, value, window.selection)  # type: ignore[arg-type]
                if learn:
                    between = problem.network.station_distance(view.servers[:, None], view.servers[None, :])
                    learner.experience(seen(observation.users, view, problem.move_seconds_per_m, between))
                    learner.migrate(observation.users, np.searchsorted(view.servers, found))
                return Decision(found)

        return dtopt.simulate(self.scenario, Player()).objective


def _learner(scenario: Scenario, options: Options, seed: int) -> Learner:
    """Return random models."""
    servers = int(scenario.problem(0).server_allowed.sum())
    return Learner(options, scenario.n_users, servers, source=None, transfers=True, seed=seed)


def _sources(first: Scenario, options: Options, selection: str, seed: int) -> Learner:
    """Return what was learnt before the shift, from random models on."""
    learner = _learner(first, options, seed)
    random = np.random.default_rng([seed, 5])
    for _ in range(2):
        _Window(first, first.base.previous, selection).play(learner, learn=True)
        for _ in range(SOURCE):
            learner.iterate(random)
    return learner


def _until(
    window: _Window, learner: Learner, target: float, on_look: Callable[[int, float], None] | None = None
) -> tuple[int, float, float]:
    """Return iterations and CPU seconds until the utility is at least the target (−1: never), and the last utility.

    As an online policy learns: the window is played and experience kept, then the models are trained on it.
    """
    random = np.random.default_rng([learner.seed, 6])
    spent, done = 0.0, 0
    while True:
        utility = window.play(learner, learn=True)
        if on_look:
            on_look(done, utility)
        if utility >= target or done >= MOST:
            return (done if utility >= target else -1), spent, utility
        begun = time.process_time()
        for _ in range(LOOK):
            learner.iterate(random)
        spent += time.process_time() - begun
        done += LOOK


def _previous(first: Scenario, learner: Learner) -> IntArray:
    """Return where twins are at the end of the slots before the shift."""
    servers = np.flatnonzero(first.problem(0).server_allowed)
    return np.where(learner.server >= 0, servers[np.maximum(learner.server, 0)], -1)


SHIFTS = ("user moves", "fading", "CPU drop", "new users")
RIVALS = ("stay", "nearest", "greedy-utility", "local-search", "lookahead", "policy-online")


def iterations(args: argparse.Namespace) -> None:
    """Print iterations and seconds until within 2 % of the best policy, with transfer and from scratch."""
    options = Options()
    print(
        f"within {100 - 100 * WITHIN:.0f} % of the best of {', '.join(RIVALS)}; at most {MOST} iterations, looked at "
        f"every {LOOK}; selection {args.selection}\n\n"
        "| shift | learner | first utility, % of best | reached | iterations: median | mean ± 95 % | "
        "CPU s: median | last utility, % of best |\n|---|---|---:|---:|---:|---:|---:|---:|"
    )
    traces: dict[str, dict[str, list[list[float]]]] = {}
    for kind in SHIFTS:
        found: dict[str, list[tuple[float, int, float, float]]] = {"transfer": [], "scratch": []}
        traces[kind] = {"transfer": [], "scratch": []}
        for seed in range(args.seeds):
            first, then = shifted(kind, seed)
            source = _sources(first, options, args.selection, seed)
            previous = _previous(first, source)
            window = _Window(then, previous, args.selection)
            best = max(dtopt.simulate(window.scenario, name).objective for name in RIVALS)
            # The same learner, but nothing that was learnt before the shift, and nothing of (32) to (34).
            anew = replace(options, aggregate=False, merge=False, fine_tune=False)
            fresh = _learner(then, anew, seed + 10_000)
            for label, learner in (("transfer", source), ("scratch", fresh)):
                steps: list[float] = []
                reached, seconds, last = _until(
                    window,
                    learner,
                    WITHIN * best,
                    lambda _, u, s=steps, b=best: s.append(u / b),  # type: ignore[misc]
                )
                found[label].append((steps[0], reached, seconds, last / best))
                traces[kind][label].append(steps)
        for label, rows in found.items():
            hit = [r for r in rows if r[1] >= 0]
            count = Estimate.of([float(r[1]) if r[1] >= 0 else float(MOST) for r in rows])
            median = f"{np.median([r[1] if r[1] >= 0 else math.inf for r in rows]):g}"
            print(
                f"| {kind} | {label} | {100 * np.mean([r[0] for r in rows]):.2f} | {len(hit)}/{len(rows)} | {median} | "
                f"{count.mean:.0f} ± {count.half_width:.0f} | {np.median([r[2] for r in rows]):.2f} | "
                f"{100 * np.mean([r[3] for r in rows]):.2f} |",
                flush=True,
            )
    print("\nRuns that never came there count with the most iterations in the mean.\n")
    if args.plot:
        _plot_shifts(traces, args.plot)


def ablation(args: argparse.Namespace) -> None:
    """Print the utility of drl-transfer with parts of it off, over the whole of it, with paired intervals."""
    chosen = (
        contender("drl-transfer"),
        contender("drl-transfer", aggregate=False),
        contender("drl-transfer", merge=False),
        contender("drl-transfer", fine_tune=False),
        contender("drl-transfer", aggregate=False, merge=False, fine_tune=False),
        contender("drl-transfer", weights="uniform"),
        contender("drl-transfer", weights="dwell"),
        contender("drl-transfer", mixing="printed"),
        contender("drl-transfer", count_bytes=False),
        contender("drl-transfer", selection="search"),
        contender("drl-frozen"),
        contender("drl-scratch"),
    )
    for start in args.sources:
        print(
            f"## source: {start}\n\n| policy | over drl-transfer, % | moves a slot | ms a slot |\n|---|---:|---:|---:|"
        )
        made = scenarios(args.seeds, **SETTINGS["construction"], slots=args.slots)
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


def _plot_shifts(traces: dict[str, dict[str, list[list[float]]]], path: Path) -> None:
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, len(traces), figsize=(11, 2.8), sharey=True)
    for axis, (kind, learners) in zip(axes, traces.items(), strict=True):
        for label, runs in learners.items():
            # A run that has come there stays where it was.
            longest = max(len(run) for run in runs)
            whole: FloatArray = np.array([run + run[-1:] * (longest - len(run)) for run in runs])
            axis.plot(LOOK * np.arange(longest), 100 * whole.mean(axis=0), label=label)
        axis.axhline(100 * WITHIN, color="grey", linewidth=1)
        axis.set_title(kind)
        axis.set_xlabel("iterations")
    axes[0].set_ylabel("% of the best policy")
    axes[0].legend()
    figure.tight_layout()
    figure.savefig(path)


def main() -> None:
    """Run one part."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=["online", "curve", "iterations", "ablation"])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--slots", type=int, default=100)
    parser.add_argument("--setting", choices=list(SETTINGS))
    parser.add_argument("--policies", nargs="+", help="only these, of those in the table")
    parser.add_argument("--sources", nargs="+", choices=["shipped", "none"], default=["shipped", "none"])
    parser.add_argument("--selection", choices=["algorithm-3", "search"], default="algorithm-3")
    parser.add_argument("--bound", type=float, default=40.0, help="wall time for each bound, s; 0 for none")
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--out", type=Path, help="folder for journals, from which a killed run goes on")
    args = parser.parse_args()
    getattr(sys.modules[__name__], args.part)(args)


if __name__ == "__main__":
    main()
