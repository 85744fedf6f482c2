"""Studies: policies side by side over scenarios, against the clairvoyant bound where one is at hand."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from dtopt.errors import InputError
from dtopt.io.files import write_text
from dtopt.io.names import file_stems
from dtopt.simulation import make_policy, simulate

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    import pandas as pd

    from dtopt.scenario import Scenario
    from dtopt.simulation import SlotOutcome, Trajectory

__all__ = ["BASELINE", "Contender", "Estimate", "Study", "clairvoyant_bounds", "study"]

#: What gains are told against.
BASELINE = "stay"
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Contender:
    """A policy with its options, under the label it was asked for by."""

    label: str
    name: str
    options: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, name: str, **options: Any) -> Contender:
        """Return a policy under the label by which the command line would ask for it."""
        text = ",".join(f"{key}={value}" for key, value in options.items())
        return cls(f"{name}:{text}" if text else name, name, options)

    @property
    def moves_servers(self) -> bool:
        """Whether it opens other servers than the scenario's, so that the scenario's bound does not hold for it."""
        return bool(getattr(make_policy(self.name, **self.options), "moves_servers", False))


@dataclass(frozen=True)
class Estimate:
    """A mean over scenarios and half the width of its 95 % confidence interval (Student's t), NaN for one scenario."""

    mean: float
    half_width: float
    count: int

    @classmethod
    def of(cls, values: Sequence[float]) -> Estimate:
        """Return the estimate from one value for each scenario."""
        sample = np.asarray(values, dtype=np.float64)
        if sample.size == 0 or not np.isfinite(sample).all():
            return cls(math.nan, math.nan, sample.size)
        if sample.size == 1:
            return cls(float(sample[0]), math.nan, 1)
        from scipy.stats import t

        error = float(sample.std(ddof=1)) / math.sqrt(sample.size)
        width = float(t.ppf(0.5 + CONFIDENCE / 2, sample.size - 1)) * error
        return cls(float(sample.mean()), width, sample.size)


@dataclass(frozen=True, eq=False)
class Study:
    """Trajectories of several policies over the same scenarios.

    Parameters
    ----------
    scenarios : tuple of Scenario
    contenders : tuple of Contender
    trajectories : mapping
        From label and number of the scenario to the trajectory; only finished ones.
    bounds : tuple of float or None
        Upper bound on the utility over each scenario.
    interrupted : bool
    """

    scenarios: tuple[Scenario, ...]
    contenders: tuple[Contender, ...]
    trajectories: Mapping[tuple[str, int], Trajectory]
    bounds: tuple[float | None, ...]
    interrupted: bool = False

    @property
    def labels(self) -> tuple[str, ...]:
        """Policies of which a trajectory is finished, in the order they were asked for."""
        return tuple(c.label for c in self.contenders if any(label == c.label for label, _ in self.trajectories))

    def of(self, label: str) -> list[Trajectory]:
        """Return a policy's finished trajectories, by scenario."""
        return [t for (name, _), t in sorted(self.trajectories.items(), key=lambda item: item[0][1]) if name == label]

    def figure(self, label: str, key: str) -> Estimate:
        """Return the estimate of one figure of `figures` for a policy."""
        return Estimate.of([self.figures(label, number)[key] for name, number in self.trajectories if name == label])

    def figures(self, label: str, number: int) -> dict[str, float]:
        """Return the figures of one trajectory: its summary, and what they are in proportion.

        ``share`` is the utility over the bound and ``regret`` the shortfall for each user and slot, both NaN where
        there is no bound or it does not hold: for policies that open other servers and trajectories that break a
        constraint. ``gain`` is the utility over that of staying, less 1.
        """
        trajectory = self.trajectories[label, number]
        figures = trajectory.summary()
        users = max(1.0, figures["user_slots"])
        bound = self.bounds[number]
        contender = next(c for c in self.contenders if c.label == label)
        bound = math.nan if bound is None or contender.moves_servers or not trajectory.feasible else bound
        base = self.trajectories.get((BASELINE, number))
        return figures | {
            "share": figures["objective"] / bound,
            "regret": (bound - figures["objective"]) / users,
            "gain": math.nan if base is None else figures["objective"] / base.objective - 1.0,
            "utility_per_user": figures["objective"] / users,
            "late_share": figures["late_users"] / users,
            "migration_share": figures["migrations"] / users,
            "moved_bytes_per_slot": figures["moved_bytes"] / max(1, len(trajectory.slots)),
        }

    def best(self) -> str | None:
        """Return the label of highest mean utility among those finished on all scenarios."""
        done = [label for label in self.labels if len(self.of(label)) == len(self.scenarios)]
        return max(done, key=lambda label: self.figure(label, "objective").mean, default=None)

    def slot_frame(self) -> pd.DataFrame:
        """Return one row for each scenario, policy and slot."""
        import pandas as pd

        frames = []
        for (_, number), trajectory in sorted(self.trajectories.items(), key=lambda item: item[0][1]):
            frame = trajectory.to_frame()
            frame.insert(0, "scenario", self.scenarios[number].name or f"scenario {number}")
            frames.append(frame)
        return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()

    def summary_frame(self) -> pd.DataFrame:
        """Return one row for each scenario and policy, with all figures."""
        import pandas as pd

        rows = [
            {
                "scenario": self.scenarios[number].name or f"scenario {number}",
                "policy": label,
                "bound": self.bounds[number],
                **self.figures(label, number),
            }
            for (label, number) in sorted(self.trajectories, key=lambda key: (key[1], key[0]))
        ]
        return pd.DataFrame(rows)


def study(
    scenarios: Sequence[Scenario],
    contenders: Sequence[Contender],
    *,
    seed: int = 0,
    folder: Path | None = None,
    resume: bool = False,
    bounds: Sequence[float | None] | None = None,
    on_slot: Callable[[Contender, int, SlotOutcome], None] | None = None,
) -> Study:
    """Run policies over scenarios; each scenario has a seed of its own for the policies, from `seed` on.

    Parameters
    ----------
    scenarios, contenders
    seed : int
    folder : Path, optional
        Where journals go, one for each policy and scenario.
    resume : bool
        Whether to go on from journals that are there.
    bounds : sequence of float or None, optional
        One for each scenario.
    on_slot : callable, optional
        Called with the policy, the scenario's number and each finished slot.

    Raises
    ------
    InputError
        If two policies have one label, or a policy or journal is wrong.
    """
    labels = [c.label for c in contenders]
    if len(set(labels)) < len(labels):
        raise InputError(f"{next(x for x in labels if labels.count(x) > 1)} is named twice", where="policy")
    done: dict[tuple[str, int], Trajectory] = {}
    interrupted = False
    for number, scenario in enumerate(scenarios):
        stems = file_stems([f"{number}.{scenario.name}.{contender.label}" for contender in contenders])
        for contender, stem in zip(contenders, stems, strict=True):

            def told(outcome: SlotOutcome, contender: Contender = contender, number: int = number) -> None:
                if on_slot:
                    on_slot(contender, number, outcome)

            try:
                trajectory = simulate(
                    scenario,
                    contender.name,
                    seed=seed + number,
                    journal=None if folder is None else folder / f"{stem}.jsonl",
                    resume=resume,
                    on_slot=told,
                    label=contender.label,
                    **contender.options,
                )
            except KeyboardInterrupt:
                interrupted = True
                break
            if len(trajectory.slots) < scenario.n_slots:
                interrupted = True
                break
            done[contender.label, number] = trajectory
        if interrupted:
            break
    known = tuple(bounds) if bounds is not None else (None,) * len(scenarios)
    return Study(tuple(scenarios), tuple(contenders), done, known, interrupted)


def clairvoyant_bounds(
    scenarios: Sequence[Scenario],
    *,
    time_limit: float | None = None,
    cache: Path | None = None,
    on_bound: Callable[[int], None] | None = None,
) -> tuple[float | None, ...]:
    """Return an upper bound on the utility over each scenario, None where there is none.

    Parameters
    ----------
    scenarios : sequence of Scenario
    time_limit : float, optional
        For each, s.
    cache : Path, optional
        A JSON file that bounds are kept in, by the scenario's hash.
    on_bound : callable, optional
        Called with the number of each scenario when its bound is there.
    """
    from solvers import clairvoyant  # compiled kernels: nothing else here needs them

    known: dict[str, float] = {}
    if cache is not None and cache.exists():
        try:
            known = {str(key): float(value) for key, value in json.loads(cache.read_text(encoding="utf-8")).items()}
        except (OSError, ValueError, AttributeError, TypeError):
            raise InputError("is no file of bounds", where=str(cache), mend="delete it") from None
    found: list[float | None] = []
    for number, scenario in enumerate(scenarios):
        value = known.get(scenario.content_hash)
        if value is None:
            value = float(clairvoyant.clairvoyant_bound(scenario, time_limit=time_limit).bound)
            if math.isfinite(value) and cache is not None:
                known[scenario.content_hash] = value
                write_text(json.dumps(known, indent=1), cache)
        found.append(value if math.isfinite(value) else None)
        if on_bound:
            on_bound(number)
    return tuple(found)
