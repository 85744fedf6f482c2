"""How fast learned migration recovers after a shift; prints a Markdown table.

python benchmarks/shifts.py --seeds 10 --plot shifts.svg    # iterations until within 2 % of the best policy
"""

from __future__ import annotations

import argparse
import math
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import dtopt
from dtopt.scenario import RecordedGains
from dtopt.simulation import Decision
from reports.simulation import Estimate
from solvers.policy_online.view import look
from solvers.transfer import select
from solvers.transfer.learner import Learner, Options, state_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from dtopt.arrays import FloatArray, IntArray
    from dtopt.scenario import Scenario

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
                    learner.follow(observation.users, problem, view, found)
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


def table(args: argparse.Namespace) -> None:
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
        _plot(traces, args.plot)


def _plot(traces: dict[str, dict[str, list[list[float]]]], path: Path) -> None:
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
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--selection", choices=["algorithm-3", "search"], default="algorithm-3")
    parser.add_argument("--plot", type=Path)
    table(parser.parse_args())


if __name__ == "__main__":
    main()
