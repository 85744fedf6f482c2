"""Training the paper's agents on changing network states, for states they have never seen: `dtopt train maddpg`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from pydantic import Field

from solvers.environments.states import NetworkStates, PresetStates
from solvers.learning import CHECKPOINT, TrainingFolder, load_checkpoint, restoring
from solvers.maddpg.algorithm import Learner, Settings

if TYPE_CHECKING:
    from pathlib import Path

    from solvers.learning import OnStep

__all__ = ["Config", "load", "train"]

#: Columns of the log.
COLUMNS = ("iteration", "cost", "last_cost", "cumulative_cost", "critic_loss", "q", "seconds", "cpu_seconds")


class Config(Settings):
    """A training run of `maddpg`: what Algorithm 1 leaves open, and the network states it is run on."""

    iterations: int = Field(default=5000, ge=1, description="episodes, each with one update of every agent (Table II)")
    preset: str = Field(default="paper", description="where network states come from")
    users: int = Field(default=100, ge=1, description="N")
    stations: int = Field(default=10, ge=1, description="M")
    options: dict[str, Any] = Field(default_factory=dict, description="other options of the preset")
    states: int = Field(default=1000, ge=1, description="different network states in training")
    first_state: int = Field(default=1_000_000, ge=0, description="the preset's seed of the first of them")
    seed: int = Field(default=0, ge=0, description="seed of networks, noise and sampling")
    printed: bool = Field(default=False, description="take the plainest reading of the paper where nothing else is set")
    shuffled: bool = Field(default=False, description="shuffle rewards: a control that cannot learn")
    checkpoint_every: int = Field(default=250, ge=1, description="iterations between checkpoints")

    def settings(self) -> Settings:
        """Return the algorithm's own part."""
        given = {name: getattr(self, name) for name in Settings.model_fields if name in self.model_fields_set}
        return Settings.as_printed(**given) if self.printed else Settings(**given)

    def source(self) -> PresetStates:
        """Return where network states come from."""
        options = {"users": self.users, "stations": self.stations} | self.options
        return PresetStates(self.preset, options, first_seed=self.first_state, count=self.states)


def learner_of(config: Config) -> Learner:
    """Return agents as they are before training."""
    source = config.source()
    drawn: dict[int, NetworkStates] = {}

    def draw(number: int) -> NetworkStates:
        if number not in drawn:
            drawn[number] = NetworkStates.of([source(number)])
        return drawn[number]

    return Learner(
        draw,
        config.states,
        config.settings(),
        iterations=config.iterations,
        seed=config.seed,
        shuffled=config.shuffled,
    )


def train(config: Config, directory: Path, *, resume: bool = False, on_step: OnStep | None = None) -> Learner:
    """Train agents, with a log and checkpoints in `directory`; return them. See `solvers.learning`."""
    # What `printed` stands for is written out, so that a checkpoint tells all.
    config = config.model_copy(update=config.settings().model_dump())
    with TrainingFolder(directory, config, COLUMNS, resume=resume) as folder:
        learner = learner_of(config)
        total = cpu = 0.0
        if folder.state:
            with folder.restoring() as state:
                learner.load_state_dict(state["learner"])
                total, cpu = state["totals"]
        cpu = time.process_time() - cpu
        while learner.iteration < config.iterations:
            costs = learner.episode()
            metrics = learner.update()
            learner.iteration += 1
            total += float(costs.mean())
            values = {"cost": float(costs.mean()), "last_cost": float(costs[-1]), "cumulative_cost": total}
            spent = time.process_time() - cpu
            row = folder.log(learner.iteration, {**values, **metrics, "cpu_seconds": spent})
            if learner.iteration % config.checkpoint_every == 0 or learner.iteration == config.iterations:
                folder.save(learner.iteration, {"learner": learner.state_dict(), "totals": [total, spent]})
            if on_step is not None:
                on_step(learner.iteration, config.iterations, row)
    return learner


def load(directory: Path) -> Learner:
    """Return the agents of a training run, as its last checkpoint has them."""
    path = directory / CHECKPOINT
    state = load_checkpoint(path)
    with restoring(path):
        learner = learner_of(Config.model_validate_json(state["config"]))
        learner.load_state_dict(state["learner"])
    return learner
