"""Training of `policy-online` by policy iteration: play, see what servers would have been worth, learn it, play again.

In each round the present policy is played over scenarios of its own; `solvers.policy_online.labels` computes what every
server would have been worth to every user; and the network is fitted to that by least squares, so that it learns the
mean over all that may come of what is seen.
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import nn

from dtopt.simulation import simulate
from solvers.learning import TrainingFolder
from solvers.policy_online import PolicyOnline
from solvers.policy_online.labels import Lesson, lesson
from solvers.policy_online.network import Weights, load_weights, save_weights
from solvers.policy_online.pool import draw
from solvers.policy_online.view import FEATURES
from solvers.weight_files import write_arrays

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

    from solvers.learning import OnStep

__all__ = ["Config", "Network", "train"]

COLUMNS = ("step", "round", "loss", "explained", "learning_rate", "held_out_gain", "seconds")
#: A row of the log for so many steps.
LOGGED = 25
#: Norm at which gradients are cut.
CLIP = 1.0
#: Variance of a scenario's values below which it counts for less.
SPREAD = 0.02
#: Targets further from a user's mean than this are cut: a few users whom no policy can help would drown all others.
LARGEST = 3.0


class Config(BaseModel):
    """What makes a training run; the same configuration gives the same weights."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    seed: int = Field(0, ge=0, description="of the first weights, and of the order of what is learnt")
    first_scenario: int = Field(0, ge=0, description="seeds of training scenarios are 10^9 plus this, and those after")
    rounds: int = Field(2, ge=1, description="rounds of playing and learning")
    scenarios: int = Field(40, ge=1, description="scenarios played in a round, others in each")
    held_out: int = Field(4, ge=0, description="scenarios besides, that the policy is measured on after each round")
    users: tuple[int, int] = Field((30, 150), description="least and largest N")
    slots: int = Field(120, ge=3, description="slots of each")
    last: int = Field(25, ge=1, description="slots at the end of which nothing is learnt")
    part: float = Field(0.5, gt=0.0, le=1.0, description="part of users and slots that is learnt from")
    hindsight: float = Field(
        0.5, ge=0.0, le=1.0, description="weight of what the best with hindsight gets, beside what the policy would get"
    )
    width: int = Field(48, ge=1, description="of the first layer")
    second: int = Field(32, ge=1, description="of the second layer")
    steps: int = Field(1500, ge=1, description="steps in a round")
    batch: int = Field(512, ge=1, description="users in a step")
    learning_rate: float = Field(2e-3, gt=0.0, description="the largest of a round; falls along a cosine")
    save_every: int = Field(250, ge=1, description="steps between checkpoints")


class Network(nn.Module):
    """`solvers.policy_online.network.corrections` in PyTorch, with what is shown standardised first."""

    middle: Tensor
    scale: Tensor

    def __init__(self, width: int, second: int) -> None:
        super().__init__()
        self.register_buffer("middle", torch.zeros(FEATURES))
        self.register_buffer("scale", torch.ones(FEATURES))
        self.first = nn.Linear(FEATURES, width)
        self.second = nn.Linear(3 * width, second)
        self.last = nn.Linear(second, 1)
        with torch.no_grad():
            # It begins with the values of the fitted future.
            self.last.weight.zero_()
            self.last.bias.zero_()

    def forward(self, shown: Tensor, there: Tensor) -> Tensor:
        """Return corrections, shape (B, S), of pairs that are there, both of shape (B, S, …)."""
        hidden = torch.relu(self.first((shown - self.middle) / self.scale))
        mask = there[..., None]
        mean = (hidden * mask).sum(dim=1) / mask.sum(dim=1)
        most = torch.where(mask, hidden, torch.zeros(())).amax(dim=1)
        pooled = torch.cat([mean, most], dim=1)[:, None].expand(-1, shown.shape[1], -1)
        out: Tensor = self.last(torch.relu(self.second(torch.cat([hidden, pooled], dim=2))))[..., 0]
        return out

    def weights(self) -> Weights:
        """Return it for inference, the standardisation folded into the first layer."""
        state = {name: value.numpy().astype(np.float64) for name, value in self.state_dict().items()}
        first = state["first.weight"] / state["scale"]
        found = Weights(
            first.T,
            state["first.bias"] - first @ state["middle"],
            state["second.weight"].T,
            state["second.bias"],
            state["last.weight"].T,
            state["last.bias"],
        )
        return Weights(*(np.array(array, dtype=np.float32, order="C") for array in found))


def train(config: Config, directory: Path | str, *, resume: bool = False, on_step: OnStep | None = None) -> Path:
    """Train the network and return the file of its weights. See `solvers.learning`."""
    with TrainingFolder(directory, config, COLUMNS, resume=resume, work="lessons") as folder:
        training = _Training(config, folder, on_step)
        training.run()
    path = folder.path / "policy-online.npz"
    save_weights(path, training.network.weights())
    return path


class _Training:
    """One run: network, optimiser, the random state, the lessons of the round and the log."""

    def __init__(self, config: Config, folder: TrainingFolder, on_step: OnStep | None) -> None:
        self.config, self.folder, self.on_step = config, folder, on_step
        torch.manual_seed(config.seed)
        self.network = Network(config.width, config.second)
        self.optimiser = torch.optim.Adam(self.network.parameters(), lr=config.learning_rate)
        self.random = np.random.default_rng(config.seed)
        self.step = 0
        self.lessons = folder.path / "lessons"
        self.lessons.mkdir(exist_ok=True)
        if folder.state:
            with folder.restoring() as state:
                self.network.load_state_dict(state["network"])
                self.optimiser.load_state_dict(state["optimiser"])
                self.random.bit_generator.state = json.loads(state["random"])
                self.step = state["step"]

    @property
    def steps(self) -> int:
        return self.config.rounds * self.config.steps

    def run(self) -> None:
        """Do all that is left."""
        config = self.config
        while self.step < self.steps:
            number, first = divmod(self.step, config.steps)
            data = self._lessons(number)
            if number == 0 and first == 0:
                self._standardise(data)
            for step in range(first, config.steps):
                figures = self._learn(data, step)
                self.step += 1
                ends = self.step % config.steps == 0
                gain = self._held_out() if ends else math.nan
                row: dict[str, Any] = dict(zip(COLUMNS[1:-1], (number, *figures, gain), strict=True))
                last = ends or self.step % config.save_every == 0
                if last or self.step % LOGGED == 0:
                    row = self.folder.log(self.step, row)
                if last:
                    self._save()
                if self.on_step is not None:
                    self.on_step(self.step, self.steps, row)

    def _save(self) -> None:
        state = {
            "network": self.network.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "random": json.dumps(self.random.bit_generator.state),
        }
        self.folder.save(self.step, state)

    # --- playing --------------------------------------------------------------------------------------------------

    def _lessons(self, number: int) -> tuple[Tensor, ...]:
        """Return the lessons of a round, padded to the same number of servers; those that are there are read."""
        config = self.config
        policy = self.folder.path / f"round-{number}.npz"
        if number and not policy.exists():
            save_weights(policy, self.network.weights())
        weights = load_weights(policy) if number else None
        found: list[Lesson] = []
        for count in range(config.scenarios):
            at = number * config.scenarios + count
            path = self.lessons / f"{at}.npz"
            if path.exists():
                with np.load(path) as stored:
                    found.append(Lesson(*(stored[name] for name in Lesson._fields)))
            else:
                scenario = draw(config.first_scenario + at, config.slots, config.users)
                made, _ = lesson(scenario, weights, last=config.last, part=config.part, seed=at)
                made = made._replace(shown=made.shown.astype(np.float16))
                write_arrays(path, made._asdict())
                found.append(made)
            if self.on_step is not None:
                self.on_step(self.step, self.steps, {"round": float(number), "played": float(count + 1)})
        return _padded(found, config.hindsight)

    def _held_out(self) -> float:
        """Return how much more utility the policy has than without the network, on the mean of scenarios, %."""
        config, gains = self.config, []
        for count in range(config.held_out):
            number = config.first_scenario + config.rounds * config.scenarios + count
            scenario = draw(number, config.slots, config.users)
            plain = PolicyOnline(corrected=False)
            policy = PolicyOnline(corrected=False)
            object.__setattr__(policy, "network", self.network.weights())
            gains.append(100 * (simulate(scenario, policy).objective / simulate(scenario, plain).objective - 1))
        return float(np.mean(gains)) if gains else math.nan

    # --- learning -------------------------------------------------------------------------------------------------

    def _standardise(self, data: tuple[Tensor, ...]) -> None:
        shown, there = data[0], data[3]
        rows = shown[there].float()
        self.network.middle.copy_(rows.mean(dim=0))
        self.network.scale.copy_(rows.std(dim=0).clamp_min(1e-3))

    def _learn(self, data: tuple[Tensor, ...], step: int) -> tuple[float, float, float]:
        config = self.config
        shown, value, target, there, weight = data
        rate = config.learning_rate * min(1.0, (step + 1) / 50) * 0.5 * (1 + math.cos(math.pi * step / config.steps))
        for group in self.optimiser.param_groups:
            group["lr"] = max(rate, 1e-6)
        chosen = torch.from_numpy(self.random.integers(0, len(shown), size=config.batch))
        mask = there[chosen]
        wrong = value[chosen] + self.network(shown[chosen].float(), mask) - target[chosen]
        wrong = _centred(wrong, mask)
        whole = _centred(target[chosen], mask)
        scale = weight[chosen][:, None]
        square = (scale * wrong**2).sum() / mask.sum()
        self.optimiser.zero_grad()
        square.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), CLIP)
        self.optimiser.step()
        explained = 1.0 - (scale * wrong**2).sum().item() / max((scale * whole**2).sum().item(), 1e-12)
        return square.item(), explained, rate


def _padded(lessons: list[Lesson], hindsight: float) -> tuple[Tensor, ...]:
    """Return shown, value, target, which pairs are there, and weights of users, for all lessons together."""
    most = max(one.value.shape[1] for one in lessons)
    rows = sum(len(one.value) for one in lessons)
    shown = np.zeros((rows, most, FEATURES), dtype=np.float16)
    value, target = np.zeros((rows, most), dtype=np.float32), np.zeros((rows, most), dtype=np.float32)
    there, weight = np.zeros((rows, most), dtype=bool), np.zeros(rows, dtype=np.float32)
    at = 0
    for one in lessons:
        count, m = one.value.shape
        here = slice(at, at + count)
        shown[here, :m], value[here, :m], there[here, :m] = one.shown, one.value, one.allowed
        mixed = (1.0 - hindsight) * one.kept + hindsight * one.best
        target[here, :m] = np.clip(mixed, -LARGEST, LARGEST)
        weight[here] = 1.0 / (float(target[here, :m].var()) + SPREAD)
        at += count
    weight /= weight.mean()
    return tuple(torch.from_numpy(array) for array in (shown, value, target, there, weight))


def _centred(number: Tensor, mask: Tensor) -> Tensor:
    """Return numbers of pairs less the mean of each user's, 0 where there is no pair."""
    number = torch.where(mask, number, torch.zeros(()))
    mean = number.sum(dim=1, keepdim=True) / mask.sum(dim=1, keepdim=True).clamp_min(1)
    return torch.where(mask, number - mean, torch.zeros(()))
