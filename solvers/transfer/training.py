"""Training of the source model of `drl-transfer`: one model for all users, on scenarios of its own, by (31)'s error.

What twins begin with before any of them has moved. Each scenario is played with the present model, then the model is
trained on what was seen in it and in those before it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field

from dtopt.simulation import Decision, simulate
from solvers._core import model_gradients
from solvers.learning import TrainingFolder
from solvers.policy_online.pool import draw
from solvers.policy_online.view import look
from solvers.transfer import select
from solvers.transfer.learner import INPUTS, Learner, Options, state_of
from solvers.transfer.models import adam, random_models
from solvers.transfer.source import save_source
from solvers.weight_files import write_arrays

if TYPE_CHECKING:
    from pathlib import Path

    from dtopt.arrays import FloatArray
    from dtopt.scenario import Scenario
    from dtopt.simulation import Observation
from solvers.learning import OnStep

__all__ = ["Config", "train"]

COLUMNS = ("step", "error", "seconds")
#: Scenarios that are trained on at a time, the newest.
RECENT = 8
#: What is kept of a scenario, see `Learner`.
SAMPLES = ("before", "after", "gain")


class Config(BaseModel):
    """What makes a training run; the same configuration gives the same model."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    seed: int = Field(0, ge=0, description="of the first model, and of the order of what is learnt")
    first_scenario: int = Field(50_000, ge=0, description="seeds of training scenarios are 10^9 plus this, and on")
    scenarios: int = Field(24, ge=1, description="scenarios played")
    users: tuple[int, int] = Field((30, 150), description="least and largest N")
    slots: int = Field(60, ge=3, description="slots of each")
    hidden: int = Field(12, ge=1, description="width of the model's hidden layer")
    discount: float = Field(0.9, ge=0.0, le=1.0, description="γ; 0.7 in Table II")
    steps: int = Field(400, ge=1, description="steps after each scenario")
    batch: int = Field(512, ge=1, description="samples in a step")
    learning_rate: float = Field(5e-3, gt=0.0, description="of the first scenario; falls to a tenth")


class _Player:
    """Plays the present model and keeps what is seen."""

    forecasts: ClassVar[bool] = False
    moves_servers: ClassVar[bool] = False

    def __init__(self, options: Options, model: FloatArray, users: int) -> None:
        self.options, self.model, self.users = options, model, users
        self.learner: Learner | None = None

    def decide(self, observation: Observation) -> Decision:
        problem, view = observation.problem, look(observation)
        if self.learner is None:
            servers = view.servers.size
            self.learner = Learner(self.options, self.users, servers, source=self.model, transfers=True, seed=0)
        value = self.learner.value(observation.users, state_of(view))
        found = select(problem, view, value, "algorithm-3")
        self.learner.follow(observation.users, problem, view, found)
        return Decision(found)


def train(config: Config, directory: Path | str, *, resume: bool = False, on_step: OnStep | None = None) -> Path:
    """Train a source model and return its file; a step is a scenario. See `solvers.learning`."""
    options = Options(hidden=config.hidden, discount=config.discount, aggregate=False, merge=False, fine_tune=False)
    model = random_models(np.random.default_rng([config.seed, 0]), 1, INPUTS, config.hidden)
    first, second, steps, begin = np.zeros(model.shape), np.zeros(model.shape), np.zeros(1, dtype=np.int64), 0
    with TrainingFolder(directory, config, COLUMNS, resume=resume, work="samples") as folder:
        if folder.state:
            with folder.restoring() as state:
                model, first, second, steps = (state[name].numpy() for name in ("model", "first", "second", "steps"))
                begin = state["step"]
        kept = folder.path / "samples"
        kept.mkdir(exist_ok=True)
        for number in range(begin, config.scenarios):
            scenario = draw(config.first_scenario + number, config.slots, config.users)
            _played(scenario, options, model[0], kept / f"{number}.npz")
            random = np.random.default_rng([config.seed, 1, number])
            recent = [_read(kept / f"{at}.npz") for at in range(max(0, number - RECENT + 1), number + 1)]
            rate = config.learning_rate * 0.1 ** (number / max(config.scenarios - 1, 1))
            errors = []
            for _ in range(config.steps):
                before, after, gain = recent[int(random.integers(len(recent)))]
                chosen = random.integers(0, len(before), (1, config.batch))
                slope, error = model_gradients(model, chosen, before, after, gain, config.discount, config.hidden)
                adam(model, slope, first, second, steps, rate)
                errors.append(float(error[0]))
            row = folder.log(number + 1, {"error": float(np.mean(errors))})
            arrays = {"model": model, "first": first, "second": second, "steps": steps}
            folder.save(number + 1, {name: torch.from_numpy(array.copy()) for name, array in arrays.items()})
            if on_step is not None:
                on_step(number + 1, config.scenarios, row)
    path = folder.path / "drl-transfer.npz"
    save_source(path, model[0])
    return path


def _played(scenario: Scenario, options: Options, model: FloatArray, path: Path) -> None:
    """Play a scenario and write its samples."""
    player = _Player(options, model, scenario.n_users)
    simulate(scenario, player)
    learner = player.learner
    assert learner is not None  # noqa: S101 - a scenario has a slot
    count = min(learner.count, learner.owner.size)
    write_arrays(path, {name: getattr(learner, name)[:count] for name in SAMPLES})


def _read(path: Path) -> tuple[FloatArray, FloatArray, FloatArray]:
    with np.load(path, allow_pickle=False) as stored:
        before, after, gain = (stored[name] for name in SAMPLES)
        return before, after, gain
