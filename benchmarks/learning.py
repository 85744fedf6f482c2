"""What the paper's learned method reaches; each part prints a Markdown table. One thread.

python benchmarks/learning.py maddpg --runs runs     # trained on other states, judged on 100 unseen ones a row
python benchmarks/learning.py choices --runs runs    # as printed, and what each of our choices brings
python benchmarks/learning.py instance --seeds 10    # trained on the instance itself, beside its certificate

Training runs are kept in --runs and taken from there the next time.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import time
from pathlib import Path

import numpy as np
import torch
from exact import print_head, print_row

import dtopt
from dtopt.result import controllable_gap
from reports.reproduction import PAPER_SIZES, STEP_NOISE, STEPS, evaluate_agents
from solvers.environments.states import PresetStates
from solvers.learning import CHECKPOINT, load_checkpoint
from solvers.maddpg.training import Config, learner_of, train

#: What is changed from the plainest reading of the paper, one thing after the other and alone.
CHOICES = {
    "as printed": {"printed": True},
    "printed, scaled rewards": {"printed": True, "scaled_reward": True, "bid_penalty": 0.01},
    "printed, marginal-cost decoding": {"printed": True, "decoding": "marginal"},
    "printed, both": {"printed": True, "decoding": "marginal", "scaled_reward": True, "bid_penalty": 0.01},
    "default, argmax of scores": {"decoding": "argmax"},
    "default, each critic its own target": {"joint_target": False},
    "default, shuffled rewards": {"shuffled": True},
    "default": {},
}


def percent(gap: float) -> str:
    """Return a relative number in percent."""
    return f"{100 * gap:.2f} %"


def row(config: Config, directory: Path, args: argparse.Namespace) -> tuple[dict[str, list[float]], float]:
    """Train (or load) agents, and return what they and the benchmarks reach with the CPU time of the training, s."""
    began = resource.getrusage(resource.RUSAGE_SELF).ru_utime
    path = directory / CHECKPOINT
    if path.exists() and load_checkpoint(path)["learner"]["counts"][1] == config.iterations:
        agents = learner_of(config)
        agents.load_state_dict(load_checkpoint(path)["learner"])
        spent = float("nan")
    else:
        agents = train(config, directory, resume=path.exists())
        spent = resource.getrusage(resource.RUSAGE_SELF).ru_utime - began
    source = config.source()
    found = evaluate_agents(agents, PresetStates(source.preset, source.options, first_seed=0, count=args.states))
    return found, spent


def gaps(cost: list[float], bound: list[float]) -> np.ndarray:
    """Return the gaps to the proven bound."""
    return 1 - np.array(bound) / np.array(cost)


def parts(found: dict[str, list[float]], name: str) -> np.ndarray:
    """Return the same gaps as parts of what decisions change."""
    return np.array(list(map(controllable_gap, found[name], found["bound"], found["uncontrollable"])))


def maddpg(args: argparse.Namespace) -> None:
    """Print the gaps of trained agents on unseen states at the paper's sizes, and what training took."""
    print(f"{args.states} unseen states a row; best of {STEPS} slots, noise {STEP_NOISE} after the first\n")
    print_head(
        "N x M", "iterations", "training: CPU, s", "gap: median", "mean", "worst", "first slot alone", "untrained",
        "nearest", "random", "controllable gap: median", "worst", "worse than nearest or random",
    )  # fmt: skip
    for n, m in PAPER_SIZES:
        config = Config(users=n, stations=m, iterations=args.iterations, seed=args.seed)
        found, spent = row(config, Path(args.runs) / f"{n}x{m}", args)
        source = config.source()
        unseen = PresetStates(source.preset, source.options, first_seed=0, count=args.states)
        blank = evaluate_agents(learner_of(config), unseen)
        gap = gaps(found["decided"], found["bound"])
        others = [statistics.median(gaps(x, found["bound"])) for x in (found["first"], blank["decided"])]
        benchmarks = [statistics.median(gaps(found[name], found["bound"])) for name in ("nearest", "random")]
        worse = np.array(found["decided"]) >= np.minimum(found["nearest"], found["random"])
        part = parts(found, "decided")
        measured = (np.median(gap), gap.mean(), gap.max(), *others, *benchmarks, np.median(part), part.max())
        figures = [percent(x) for x in measured]
        print_row((f"{n} x {m}", args.iterations, f"{spent:.0f}", *figures, f"{worse.sum()} of {worse.size}"))


def choices(args: argparse.Namespace) -> None:
    """Print what each departure from the printed algorithm brings, at one size."""
    n, m = args.size
    print(f"N = {n}, M = {m}, {args.iterations} iterations, {args.states} unseen states\n")
    heads = (f"gap, best of {STEPS} slots: median", "worst", "first slot alone: median", "controllable gap: median")
    print_head("what", "training: CPU, s", *heads)
    for name, settings in CHOICES.items():
        config = Config(users=n, stations=m, iterations=args.iterations, seed=args.seed, **settings)
        folder = Path(args.runs) / f"{name.replace(' ', '-').replace(',', '')}-{n}x{m}-{args.iterations}"
        found, spent = row(config, folder, args)
        gap, first = gaps(found["decided"], found["bound"]), gaps(found["first"], found["bound"])
        measured = (np.median(gap), gap.max(), np.median(first), np.median(parts(found, "decided")))
        print_row((name, f"{spent:.0f}", *map(percent, measured)))


def instance(args: argparse.Namespace) -> None:
    """Print what training on the instance itself reaches, beside the certificate of `exact`."""
    heads = ("gap to the proven bound: median", "worst", "controllable gap: median")
    print_head("N x M", "seeds", *heads, "iterations", "wall, s: median")
    for n, m in PAPER_SIZES:
        gap, part, walls = [], [], []
        for seed in range(args.seeds):
            problem = dtopt.generate("paper", users=n, stations=m, seed=seed)
            bound = dtopt.solve(problem, "exact", time_limit=20).bound
            began = time.perf_counter()
            result = dtopt.solve(problem, "maddpg", seed=seed, iterations=args.iterations)
            walls.append(time.perf_counter() - began)
            gap.append(1 - bound / result.objective)
            part.append(controllable_gap(result.objective, bound, problem.uncontrollable_objective))
        figures = (
            percent(statistics.median(gap)),
            percent(max(gap)),
            percent(statistics.median(part)),
            args.iterations,
            f"{statistics.median(walls):.1f}",
        )
        print_row((f"{n} x {m}", args.seeds, *figures))


def main() -> None:
    """Run one part."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=["maddpg", "choices", "instance"])
    parser.add_argument("--runs", default="runs")
    parser.add_argument("--iterations", type=int)
    parser.add_argument("--states", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--size", type=int, nargs=2, default=(100, 10))
    args = parser.parse_args()
    args.iterations = args.iterations or {"maddpg": 5000, "choices": 2000, "instance": 300}[args.part]
    torch.set_num_threads(1)
    {"maddpg": maddpg, "choices": choices, "instance": instance}[args.part](args)


if __name__ == "__main__":
    main()
