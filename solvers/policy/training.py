"""Training of the network: first it learns what local search answers, then what its own answers cost.

Imitation: which servers the teacher opens (cross-entropy of each), and where it sends users among those (cross-entropy
of the prices). Then policy gradient: sets of open servers are drawn for each instance, decoded and judged by their
cost, and each is held against the mean of the others drawn for the same instance (a multi-start baseline).
"""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field
from torch.nn import functional

from dtopt.errors import InputError
from solvers._core import PairData
from solvers.learning import TrainingFolder
from solvers.policy.decode import Decoder
from solvers.policy.model import NEVER, Batch, Policy
from solvers.policy.pool import Example, Pool
from solvers.policy.weights import begin_with, read_weights, save_weights

if TYPE_CHECKING:
    from torch import Tensor

    from dtopt.arrays import BoolArray, FloatArray
    from solvers.learning import OnStep

__all__ = ["Config", "train"]

#: An association that breaks a constraint counts as so much dearer, relatively, and so does the worst that keeps them.
WORST = 0.5
#: A batch is drawn from so many batches of instances of about its size.
WINDOW = 8
#: Norm at which gradients are cut.
CLIP = 1.0
#: Weight of what the rounds before the last say of open servers, and of imitation beside the policy gradient.
EARLIER, BESIDE = 0.3, (0.05, 0.5)
#: Weight of the entropy of sets beside the policy gradient: so that what is nearly as good stays likely too.
ENTROPY = 0.03
#: Spreads of the costs of an instance's sets below about this much count for less.
SPREAD = 0.01
#: Sweeps of the decoding while training.
SWEEPS = 4
#: The file of the teacher's answers.
TEACHER = "teacher.npz"
COLUMNS = ("step", "phase", "loss", "opening", "prices", "gap", "entropy", "learning_rate", "held_out_gap", "seconds")


class Config(BaseModel):
    """What makes a training run; the same configuration gives the same weights."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    seed: int = Field(0, ge=0, description="of the first weights, and of the order of instances")
    first_instance: int = Field(0, ge=0, description="seeds of training instances are 10^9 plus this, and those after")
    start: str | None = Field(None, description="weights to begin with, a policy.npz of the same sizes")
    instances: int = Field(3200, ge=2, description="training instances, those held out included")
    held_out: int = Field(160, ge=1, description="the last of them, only looked at")
    users: tuple[int, int] = Field((20, 200), description="least and largest N of training instances")
    stations: tuple[int, int] = Field((3, 25), description="least and largest M")
    width: int = Field(32, ge=1, description="numbers in the state of a server")
    hidden: int = Field(48, ge=1, description="width of the layer that makes the next state")
    heads: int = Field(2, ge=1, description="sets of terms that servers name in a round")
    rounds: int = Field(5, ge=1, description="rounds of messages")
    imitation: int = Field(1800, ge=0, description="steps that learn from local search")
    policy_gradient: int = Field(1000, ge=0, description="steps that learn from the cost of its own answers")
    batch: int = Field(24, ge=1, description="instances in a step")
    samples: int = Field(12, ge=2, description="sets of open servers drawn for each, by policy gradient")
    learning_rate: float = Field(2e-3, gt=0.0, description="the largest; falls to nothing along a cosine")
    save_every: int = Field(100, ge=1, description="steps between checkpoints")
    shuffled: bool = Field(False, description="a control that cannot learn: answers and costs are dealt out at random")

    @property
    def steps(self) -> int:
        """Steps in all."""
        return self.imitation + self.policy_gradient


def train(config: Config, directory: Path | str, *, resume: bool = False, on_step: OnStep | None = None) -> Path:
    """Train a network and return the file of its weights. See `solvers.learning`."""
    with TrainingFolder(directory, config, COLUMNS, resume=resume, work=TEACHER) as folder:
        training = _Training(config, folder, on_step)
        training.run()
    path = folder.path / "policy.npz"
    save_weights(path, training.model)
    return path


class _Training:
    """One training run: pool, network, optimiser and the random state."""

    def __init__(self, config: Config, folder: TrainingFolder, on_step: OnStep | None) -> None:
        self.config, self.folder, self.on_step = config, folder, on_step
        torch.manual_seed(config.seed)
        self.model = Policy(config.width, config.hidden, config.heads, config.rounds)
        if config.start is not None:
            begin_with(self.model, read_weights(Path(config.start)))
        self.optimiser = torch.optim.Adam(self.model.parameters(), lr=config.learning_rate, betas=(0.9, 0.99))
        self.random = np.random.default_rng(config.seed)
        self.step = 0
        sizes = (config.users, config.stations)

        def made(count: int) -> None:
            if on_step is not None:
                on_step(0, config.steps, {"instances": float(count)})

        pool = Pool(folder.path / TEACHER, config.instances, config.first_instance, *sizes, on_example=made)
        examples = pool.examples
        if len(examples) <= config.held_out:
            raise InputError(f"leaves nothing of {len(examples)} instances to train on", where="held_out")
        self.held_out = examples[-config.held_out :]
        self.examples = sorted(examples[: -config.held_out], key=lambda e: e.lists.cost.size)
        self.best = np.array([e.cost for e in self.examples])
        if config.shuffled:
            self._shuffle()
        if folder.state:
            with folder.restoring() as state:
                self._take_over(state)

    def _shuffle(self) -> None:
        """Give every instance an answer without relation to it."""
        for number, e in enumerate(self.examples):
            n, m = e.lists.size.size, e.lists.cpu.size
            servers = self.random.choice(m, size=np.unique(e.association).size, replace=False)
            self.examples[number] = replace(e, association=self.random.choice(servers, size=n))

    # --- steps ----------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Do all steps that are left."""
        config = self.config
        while self.step < config.steps:
            self._rate()
            chosen = self._batch()
            imitates = self.step < config.imitation
            figures = self._imitate(chosen) if imitates else self._improve(chosen)
            self.step += 1
            last = self.step % config.save_every == 0 or self.step == config.steps
            held_out = self._held_out() if last else math.nan
            phase = "imitation" if imitates else "policy-gradient"
            rate = self.optimiser.param_groups[0]["lr"]
            values = dict(zip(COLUMNS[1:-1], (phase, *figures, rate, held_out), strict=True))
            row = self.folder.log(self.step, values)
            if last:
                self._save()
            if self.on_step is not None:
                self.on_step(self.step, config.steps, row)

    def _rate(self) -> None:
        """Set the learning rate of this step."""
        config, done = self.config, self.step
        warm = min(1.0, (done + 1) / 50.0)
        rate = config.learning_rate * warm * 0.5 * (1.0 + math.cos(math.pi * done / max(config.steps, 1)))
        for group in self.optimiser.param_groups:
            group["lr"] = max(rate, 1e-6)

    def _batch(self) -> list[int]:
        """Draw instances of about one size."""
        count, size = len(self.examples), min(self.config.batch, len(self.examples))
        width = min(count, WINDOW * size)
        first = int(self.random.integers(-width // 2, count - width // 2))
        first = min(max(first, 0), count - width)
        chosen: list[int] = np.sort(first + self.random.choice(width, size=size, replace=False)).tolist()
        return chosen

    def _imitate(self, chosen: list[int]) -> tuple[float, float, float, float, float]:
        examples = [self.examples[i] for i in chosen]
        batch = Batch([e.graph for e in examples])
        terms = self.model(batch)
        opening, prices = imitation_loss(batch, terms, examples)
        loss = opening + prices
        self._descend(loss)
        return loss.item(), opening.item(), prices.item(), math.nan, _entropy(terms.openness, batch).item()

    def _improve(self, chosen: list[int]) -> tuple[float, float, float, float, float]:
        examples = [self.examples[i] for i in chosen]
        batch = Batch([e.graph for e in examples])
        terms = self.model(batch)
        chance = torch.sigmoid(terms.openness).detach().numpy().astype(np.float64)
        b, m = chance.shape
        sets = np.zeros((b, self.config.samples, m), dtype=bool)
        advantage = np.zeros((b, self.config.samples))
        gaps = np.zeros(b)
        for j, (i, e) in enumerate(zip(chosen, examples, strict=True)):
            width = e.lists.cpu.size
            drawn = draw_sets(chance[j, :width], self.config.samples, self.random)
            sets[j, :, :width] = drawn
            excess = self._excess(i, e, drawn, terms.priced[j].detach().numpy())
            gaps[j] = excess.mean()
            if self.config.shuffled:
                excess = self.random.permutation(excess)
            others = (excess.sum() - excess) / (excess.size - 1)
            advantage[j] = (excess - others) / (excess.std() + SPREAD)
        chosen_sets, weight = torch.from_numpy(sets).float(), torch.from_numpy(advantage).float()
        openness = terms.openness[:, None].expand(-1, self.config.samples, -1)
        chance_of = -functional.binary_cross_entropy_with_logits(openness, chosen_sets, reduction="none")
        chance_of = (chance_of * batch.is_server[:, None]).sum(dim=-1)
        gradient = (weight * chance_of).mean()
        opening, prices = imitation_loss(batch, terms, examples)
        entropy = _entropy(terms.openness, batch)
        loss = gradient - ENTROPY * entropy * m + BESIDE[0] * opening + BESIDE[1] * prices
        self._descend(loss)
        return loss.item(), opening.item(), prices.item(), float(gaps.mean()), entropy.item()

    def _excess(self, index: int, e: Example, sets: BoolArray, priced: FloatArray) -> FloatArray:
        """Return how much dearer than the best known the associations of some sets are; better ones are taken over."""
        decoder = Decoder(e.lists)
        # Swaps take longest, and only where CPU must fit do sets often lead nowhere without them.
        cost, slots = decoder.decode(sets, _listed(e, priced), sweeps=SWEEPS, swaps=e.lists.data == PairData.FITTING)
        best = int(cost.argmin())
        if cost[best] < self.best[index] * (1.0 - 1e-9) and not self.config.shuffled:
            self.best[index] = cost[best]
            self.examples[index] = replace(e, association=decoder.association(slots[best]), cost=float(cost[best]))
        return np.minimum(np.where(np.isfinite(cost), cost / self.best[index] - 1.0, WORST), WORST)

    def _descend(self, loss: Tensor) -> None:
        self.optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), CLIP)
        self.optimiser.step()

    def _held_out(self) -> float:
        """Return how much dearer than the teacher the likeliest sets are, on the average of instances held out."""
        excess = []
        with torch.no_grad():
            for e in self.held_out:
                terms = self.model(Batch([e.graph]))
                chance = torch.sigmoid(terms.openness[0]).numpy()
                is_open = chance > 0.5
                is_open[chance.argmax()] = True
                cost, _ = Decoder(e.lists).decode(is_open[None], _listed(e, terms.priced[0].numpy()))
                excess.append(min(cost[0] / e.cost - 1.0, WORST))
        return float(np.mean(excess))

    # --- keeping --------------------------------------------------------------------------------------------------

    def _save(self) -> None:
        state = {
            "model": self.model.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "random": json.dumps(self.random.bit_generator.state),
            "best": torch.from_numpy(self.best),
            "associations": [torch.tensor(e.association) for e in self.examples],
        }
        self.folder.save(self.step, state)

    def _take_over(self, state: dict[str, Any]) -> None:
        """Go on where a checkpoint left off."""
        self.model.load_state_dict(state["model"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.random.bit_generator.state = json.loads(state["random"])
        self.step, self.best = state["step"], state["best"].numpy()
        for i, association in enumerate(state["associations"]):
            self.examples[i] = replace(self.examples[i], association=association.numpy(), cost=float(self.best[i]))


def imitation_loss(batch: Batch, terms: Any, examples: list[Example]) -> tuple[Tensor, Tensor]:
    """Return the mean cross-entropies of which servers are open and of where users go among them."""
    b, m = batch.cpu.shape
    n = batch.size.shape[1]
    opened, target = torch.zeros(b, m), torch.zeros(b, n, dtype=torch.long)
    for j, e in enumerate(examples):
        association = e.association if e.lists.order is None else e.association[e.lists.order]
        target[j, : association.size] = torch.tensor(association)
        opened[j, np.unique(association)] = 1.0

    def wrong(openness: Tensor) -> Tensor:
        loss = functional.binary_cross_entropy_with_logits(openness, opened, reduction="none")
        return (loss * batch.is_server).sum() / batch.is_server.sum()

    opening = wrong(terms.openness) + EARLIER * sum(wrong(early) for early in terms.rounds) / len(terms.rounds)
    logit = torch.where(batch.allowed & (opened[:, None] > 0), -terms.priced, NEVER)
    among = functional.cross_entropy(logit.transpose(1, 2), target, reduction="none")
    return opening, (among * batch.user).sum() / batch.user.sum()


def draw_sets(chance: FloatArray, count: int, random: np.random.Generator) -> BoolArray:
    """Return random sets of open servers, shape (count, M); each has the likeliest server if no other."""
    drawn: BoolArray = random.random((count, chance.size)) < chance
    drawn[~drawn.any(axis=1), chance.argmax()] = True
    return drawn


def _listed(e: Example, priced: FloatArray) -> Any:
    """Return what listed pairs cost from a matrix padded to other sizes."""
    station = np.maximum(e.lists.station, 0)
    return np.take_along_axis(priced[: station.shape[0]], station.astype(np.int64), axis=1)


def _entropy(openness: Tensor, batch: Batch) -> Tensor:
    chance = torch.sigmoid(openness)
    each = functional.binary_cross_entropy_with_logits(openness, chance, reduction="none")
    return (each * batch.is_server).sum() / batch.is_server.sum()
