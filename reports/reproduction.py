"""The paper's Figures 7 to 10 with our own training runs: the measurements, and what they say beside the paper."""

from __future__ import annotations

import csv
import json
import statistics
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from dtopt.bounds import dual_bound
from dtopt.evaluation import Evaluation, PlacementTerms, evaluate
from dtopt.registry import solve
from dtopt.result import controllable_gap, relative_gap
from dtopt.solution import Solution
from solvers.environments.states import NetworkStates, PresetStates
from solvers.learning import CHECKPOINT
from solvers.maddpg.training import Config, train

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from solvers.maddpg.algorithm import Learner

__all__ = ["PAPER_SIZES", "STEPS", "Measured", "measure", "said"]

#: N and M of Table II.
PAPER_SIZES = ((80, 5), (80, 10), (100, 5), (100, 10))
#: Steps of Figure 8.
STEPS = 25
#: Noise of the agents in those steps, after the first.
STEP_NOISE = 0.5
#: Growth of the training time that the paper reports, by what grows and what stays.
PAPER_GROWTH = {("M", 100): 0.95, ("M", 80): 0.57, ("N", 10): 0.25, ("N", 5): 0.22}


@dataclass(frozen=True)
class Measured:
    """What one size gave.

    Parameters
    ----------
    users, stations : int
    iterations : int
    cost, cumulative, seconds : list of float
        After each iteration: the episode's mean cost, the sum of these, and the CPU time, s.
    steps : list of float
        Mean over unseen states of the best cost so far in each of `STEPS` steps.
    decided, first : list of float
        For each unseen state the best cost of those steps, and the cost of the first.
    nearest, random, bound, uncontrollable : list of float
        For each unseen state the two benchmarks' costs, the proven lower bound and `Problem.uncontrollable_objective`.
    latency : mapping of str to float
        Mean T_sys of ``maddpg``, ``nearest`` and ``random``, s.
    """

    users: int
    stations: int
    iterations: int
    cost: list[float]
    cumulative: list[float]
    seconds: list[float]
    steps: list[float]
    decided: list[float]
    first: list[float]
    nearest: list[float]
    random: list[float]
    bound: list[float]
    uncontrollable: list[float]
    latency: dict[str, float]

    @property
    def name(self) -> str:
        """Return the size as ``N=100, M=10``."""
        return f"N={self.users}, M={self.stations}"

    @property
    def gaps(self) -> list[float]:
        """Relative gaps of the agents' decisions to the proven bound."""
        return [relative_gap(cost, bound) for cost, bound in zip(self.decided, self.bound, strict=True)]

    @property
    def controllable_gaps(self) -> list[float]:
        """The same as parts of what decisions change."""
        return list(map(controllable_gap, self.decided, self.bound, self.uncontrollable))


def measure(
    config: Config,
    directory: Path,
    *,
    states: int,
    first_state: int = 0,
    on_step: Callable[[int, int, Mapping[str, float]], None] | None = None,
) -> Measured:
    """Train agents of one size, or go on where a run in the folder ended, and evaluate them on unseen states.

    Parameters
    ----------
    config : Config
    directory : Path
        Of the training run; what was measured is written there as well.
    states, first_state : int
        How many unseen states, and the preset's seed of the first.
    on_step : callable, optional
        As `solvers.maddpg.training.train` calls it.

    Raises
    ------
    InputError
        If the folder holds a run of another configuration.
    """
    agents = train(config, directory, resume=(directory / CHECKPOINT).exists(), on_step=on_step)
    with (directory / "log.csv").open(newline="") as file:
        log = list(csv.DictReader(file))
    source = config.source()
    unseen = PresetStates(source.preset, source.options, first_seed=first_state, count=states)
    measured = Measured(
        config.users,
        config.stations,
        config.iterations,
        cost=[float(row["cost"]) for row in log],
        cumulative=[float(row["cumulative_cost"]) for row in log],
        seconds=[float(row["cpu_seconds"]) for row in log],
        **evaluate_agents(agents, unseen),
    )
    (directory / "measured.json").write_text(json.dumps(asdict(measured)) + "\n")
    return measured


def evaluate_agents(agents: Learner, unseen: PresetStates) -> dict[str, Any]:
    """Return what trained agents decide on states beside the paper's two benchmarks and the proven bound."""
    problems = [unseen(number) for number in range(unseen.count)]
    best, costs = agents.decide(NetworkStates.of(problems), slots=STEPS, noise=STEP_NOISE)
    kept = ("decided", "nearest", "random", "bound", "uncontrollable")
    found: dict[str, list[float]] = {name: [] for name in kept}
    latency: dict[str, list[float]] = {"maddpg": [], "nearest": [], "random": []}
    for number, problem in enumerate(problems):
        judged = evaluate(problem, Solution(best[number]))
        assert judged.feasible  # noqa: S101 - decoding and repair see to it on feasible presets
        found["decided"].append(judged.objective)
        latency["maddpg"].append(_latency(judged))
        for name in ("nearest", "random"):
            result = solve(problem, name, seed=number)
            if result.evaluation is not None:
                found[name].append(result.evaluation.objective)
                latency[name].append(_latency(result.evaluation))
        found["bound"].append(dual_bound(problem))
        found["uncontrollable"].append(problem.uncontrollable_objective)
    means = {name: statistics.fmean(values) for name, values in latency.items()}
    so_far = np.minimum.accumulate(costs, axis=0)
    return found | {"steps": so_far.mean(axis=1).tolist(), "first": costs[0].tolist(), "latency": means}


def _latency(evaluation: Evaluation) -> float:
    assert isinstance(evaluation.terms, PlacementTerms)  # noqa: S101 - states are P1
    return evaluation.terms.latency


# --- what the figures say beside the paper's --------------------------------------------------------------------------


def said(measured: Sequence[Measured]) -> dict[str, str]:
    """Return a sentence for each figure: where our curves agree with what the paper says of its own, and where not."""
    return {"7": _cumulative(measured), "8": _steps(measured), "9": _benchmarks(measured), "10": _times(measured)}


def _pairs(measured: Sequence[Measured]) -> list[tuple[str, int, Measured, Measured]]:
    """Return the pairs that differ in one number only: what grows, what stays, the smaller, the larger."""
    pairs = []
    for stays, grows, letter in (("users", "stations", "M"), ("stations", "users", "N")):
        for value in sorted({getattr(one, stays) for one in measured}):
            alike = sorted((m for m in measured if getattr(m, stays) == value), key=lambda m: int(getattr(m, grows)))
            pairs += [(letter, value, small, large) for small, large in pairwise(alike)]
    return pairs


def _agrees(claim: str, holds: Sequence[bool]) -> str:
    verdict = "agrees" if all(holds) else "does not agree" if not any(holds) else f"agrees {sum(holds)} of {len(holds)}"
    return f"{claim}: {verdict}"


def _growth(values: Mapping[int, float], pairs: Sequence[tuple[str, int, Measured, Measured]], letter: str) -> Any:
    return [values[id(b)] / values[id(a)] - 1 for what, _, a, b in pairs if what == letter]


def _cumulative(measured: Sequence[Measured]) -> str:
    pairs = _pairs(measured)
    last = {id(m): m.cumulative[-1] for m in measured}
    by_users, by_stations = _growth(last, pairs, "N"), _growth(last, pairs, "M")
    tail = {id(m): max(1, len(m.cost) // 10) for m in measured}
    fell = [1 - statistics.fmean(m.cost[-tail[id(m)] :]) / statistics.fmean(m.cost[: tail[id(m)]]) for m in measured]
    parts = [
        _agrees("the cost of an episode falls in training", [f > 0 for f in fell])
        + f" (from the first to the last tenth by {_range(fell)})"
    ]
    if by_users:
        parts.append(_agrees("the cumulative cost grows with N", [g > 0 for g in by_users]) + f" ({_range(by_users)})")
    if by_stations:
        grows = _agrees("it grows with M", [g > 0 for g in by_stations])
        parts.append(f"{grows} ({_range(by_stations)})")
    if by_users and by_stations:
        more = min(map(abs, by_users)) > max(map(abs, by_stations))
        parts.append(_agrees("N matters more than M", [more]))
    return _sentence(parts)


def _steps(measured: Sequence[Measured]) -> str:
    pairs = _pairs(measured)
    near = [min(m.steps[:10]) <= min(m.steps) + 0.05 * (m.steps[0] - min(m.steps)) for m in measured]
    parts = [_agrees("ten steps reach what 25 do, to within 5 % of the whole fall", near)]
    last = {id(m): min(m.steps) for m in measured}
    by_stations, by_users = _growth(last, pairs, "M"), _growth(last, pairs, "N")
    if by_stations:
        parts.append(_agrees("fewer stations cost more", [g < 0 for g in by_stations]) + f" ({_range(by_stations)})")
    if by_users:
        parts.append(_agrees("more users cost more", [g > 0 for g in by_users]) + f" ({_range(by_users)})")
    if by_users and by_stations:
        more = min(map(abs, by_users)) > max(map(abs, by_stations))
        parts.append(_agrees("N matters more than M", [more]))
    return _sentence(parts)


def _benchmarks(measured: Sequence[Measured]) -> str:
    parts = []
    for name in ("nearest", "random"):
        saved = [1 - m.latency["maddpg"] / m.latency[name] for m in measured]
        cost = [1 - statistics.fmean(m.decided) / statistics.fmean(getattr(m, name)) for m in measured]
        for what, less in (("system cost", cost), ("total time", saved)):
            claim = f"less {what} than {name}"
            parts.append(f"{_agrees(claim, [part > 0 for part in less])} ({_range([-part for part in less])})")
    if any(m.latency["maddpg"] > m.latency["nearest"] for m in measured):
        parts.append("the agents minimise the system cost (26), in which each server that nearest opens is paid for")
    median = [statistics.median(m.gaps) for m in measured]
    part = [statistics.median(m.controllable_gaps) for m in measured]
    parts.append(
        f"what the paper does not show: the median gap to the proven bound is {_range(median, signed=False)}, "
        f"{_range(part, signed=False)} of what decisions change"
    )
    return _sentence(parts)


def _times(measured: Sequence[Measured]) -> str:
    parts = []
    for letter, stays, small, large in _pairs(measured):
        growth = large.seconds[-1] / small.seconds[-1] - 1
        other, (a, b) = ("N", (small.stations, large.stations)) if letter == "M" else ("M", (small.users, large.users))
        paper = PAPER_GROWTH.get((letter, stays)) if (small.users, small.stations) in PAPER_SIZES else None
        beside = f", the paper {100 * paper:+.0f} %" if paper is not None else ""
        parts.append(f"{letter} {a} to {b} at {other}={stays}: {100 * growth:+.0f} %{beside}")
    longest = max(measured, key=lambda m: m.seconds[-1])
    parts.append(
        f"the longest run, {longest.name}, took {longest.seconds[-1]:.0f} s of CPU for {longest.iterations} "
        "iterations, where the paper speaks of thousands of seconds for 5000"
    )
    return _sentence(parts)


def _range(values: Sequence[float], *, signed: bool = True) -> str:
    low, high = (f"{100 * v:{'+' if signed else ''}.1f} %" for v in (min(values), max(values)))
    return low if low == high else f"{low} to {high}"


def _sentence(parts: Sequence[str]) -> str:
    text = "; ".join(parts)
    return text[:1].upper() + text[1:] + "."
