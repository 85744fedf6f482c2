"""Training of the source model of `drl-transfer`: one model for all users, on scenarios of its own, by (31)'s error.

What twins begin with before any of them has moved. Each scenario is played with the present model, then the model is
trained on what was seen in it and in those before it.
"""

from __future__ import annotations

import csv
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field

from dtopt.errors import InputError
from dtopt.simulation import Decision, simulate
from solvers.learning import CHECKPOINT, check_begun, load_checkpoint, restoring, save_checkpoint
from solvers.policies.slot_search import compile_search
from solvers.policy_online.pool import draw
from solvers.policy_online.view import look
from solvers.transfer import select
from solvers.transfer.learner import INPUTS, Learner, Options, state_of
from solvers.transfer.models import adam, gradient, random_models
from solvers.transfer.source import save_source

if TYPE_CHECKING:
    from collections.abc import Callable

    from dtopt.arrays import FloatArray
    from dtopt.scenario import Scenario
    from dtopt.simulation import Observation

__all__ = ["Config", "train"]

COLUMNS = ("step", "error", "seconds")
#: Scenarios that are trained on at a time, the newest.
RECENT = 8


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


def train(
    config: Config,
    directory: Path | str,
    *,
    resume: bool = False,
    on_step: Callable[[int, int, dict[str, Any]], None] | None = None,
) -> Path:
    """Train a source model and return its file.

    Parameters
    ----------
    config : Config
    directory : Path
        Where samples, checkpoint, log and model go.
    resume : bool
        Go on from the checkpoint there, to the same model as if there had been no break.
    on_step : callable, optional
        Called with the scenario, the number of all, and the figures of the log.

    Raises
    ------
    InputError
        On a directory that has a run already, or none to go on with, or one of another configuration.
    """
    directory = Path(directory)
    kept, checkpoint = directory / "samples", directory / CHECKPOINT
    check_begun(directory, kept.exists(), resume)
    kept.mkdir(parents=True, exist_ok=True)
    compile_search()
    options = Options(hidden=config.hidden, discount=config.discount, aggregate=False, merge=False, fine_tune=False)
    model = random_models(np.random.default_rng([config.seed, 0]), 1, INPUTS, config.hidden)
    first, second, steps = np.zeros(model.shape), np.zeros(model.shape), np.zeros(1, dtype=np.int64)
    begin, before_s, rows, began = 0, 0.0, [], time.perf_counter()
    if checkpoint.exists():
        stored = load_checkpoint(checkpoint)
        with restoring(checkpoint):
            if stored["config"] != config.model_dump_json():
                raise InputError("is of another configuration", where=str(checkpoint), mend="resume with the same one")
            model, first, second, steps = (stored[name].numpy() for name in ("model", "first", "second", "steps"))
            begin, before_s, rows = stored["step"], stored["seconds"], stored["rows"]
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
            slope, error = gradient(model, chosen, before, after, gain, config.discount, config.hidden)
            adam(model, slope, first, second, steps, rate)
            errors.append(float(error[0]))
        row = {"step": number + 1, "error": float(np.mean(errors)), "seconds": before_s + time.perf_counter() - began}
        rows.append([f"{row[name]:.6g}" for name in COLUMNS])
        _save(directory, config, rows, row, {"model": model, "first": first, "second": second, "steps": steps})
        if on_step is not None:
            on_step(number + 1, config.scenarios, row)
    path = directory / "drl-transfer.npz"
    save_source(path, model[0])
    (directory / "config.json").write_text(config.model_dump_json(indent=1) + "\n")
    return path


def _played(scenario: Scenario, options: Options, model: FloatArray, path: Path) -> None:
    """Play a scenario and write its samples."""
    player = _Player(options, model, scenario.n_users)
    simulate(scenario, player)
    learner = player.learner
    assert learner is not None  # noqa: S101 - a scenario has a slot
    count = min(learner.count, learner.owner.size)
    draft = path.with_name(path.name + ".part.npz")
    np.savez(draft, before=learner.before[:count], after=learner.after[:count], gain=learner.gain[:count])
    draft.replace(path)


def _read(path: Path) -> tuple[FloatArray, FloatArray, FloatArray]:
    with np.load(path, allow_pickle=False) as stored:
        return stored["before"], stored["after"], stored["gain"]


def _save(directory: Path, config: Config, rows: list[list[str]], row: dict[str, Any], arrays: dict[str, Any]) -> None:
    with (directory / "log.csv").open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([COLUMNS, *rows])
    state: dict[str, Any] = {name: torch.from_numpy(array.copy()) for name, array in arrays.items()}
    state |= {"config": config.model_dump_json(), "step": row["step"], "seconds": row["seconds"], "rows": rows}
    save_checkpoint(state, directory / CHECKPOINT)
