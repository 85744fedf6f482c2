"""`drl-transfer`, `drl-scratch`, `drl-frozen`: Algorithms 2 and 3 of the paper as online policies."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from dtopt.arrays import choice
from dtopt.simulation.policy import Decision
from solvers.policies.repair import feasible_near
from solvers.policies.simple import choose
from solvers.policies.slot_search import search_view
from solvers.policy_online.view import View, look, look_back
from solvers.transfer.learner import Learner, Options, state_of
from solvers.transfer.source import SHIPPED, load_source

if TYPE_CHECKING:
    from dtopt.arrays import FloatArray, IntArray
    from dtopt.problem import Migration
    from dtopt.simulation.observation import Observation

__all__ = ["DrlFrozen", "DrlScratch", "DrlTransfer", "select"]

Selection = Literal["algorithm-3", "search"]


@dataclass(frozen=True)
class DrlTransfer(Options):
    """Algorithm 3 with what twins' models say of later slots; models move with twins and train on (Algorithm 2).

    Parameters
    ----------
    selection : Selection
        ``algorithm-3``: user by user to the server of highest U_i and what its model says comes after; ``search``: the
        sum of all users' searched.
    source : path, optional
        A model that ``dtopt train drl-transfer`` wrote, in the place of the shipped one; ``none`` for random ones.
    count_bytes : bool
        Whether model and samples that go with a twin count as part of what moving it costs.
    seed : int
        Of random models and of the samples that are trained on.

    See `solvers.transfer.learner.Options` for the others.
    """

    selection: Selection = "algorithm-3"
    source: str | Path | None = None
    count_bytes: bool = True
    seed: int = 0
    _learners: list[Learner] = field(init=False, repr=False, compare=False, default_factory=list)

    forecasts: ClassVar[bool] = False
    moves_servers: ClassVar[bool] = False
    transfers: ClassVar[bool] = True
    trains: ClassVar[bool] = True
    sourced: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        choice(self.selection, "selection", Selection)
        self._model()

    def companion_bits(self, problem: Migration) -> float:
        """Return what goes with every twin that moves, bit: its model and, with (33), samples."""
        return self.bits(int(problem.server_allowed.sum())) if self.count_bytes and self.transfers else 0.0

    def decide(self, observation: Observation) -> Decision:
        """Return where twins go; models learn from the slots before, and go with them."""
        learner = self._learner(observation)
        view = look(observation)
        found = select(observation.problem, view, learner.value(observation.users, state_of(view)), self.selection)
        self._learn(learner, observation.users, observation.problem, view, found)
        return Decision(found)

    def _model(self) -> FloatArray | None:
        if not self.sourced or self.source == "none":
            return None
        return load_source(SHIPPED if self.source is None else Path(self.source), self.hidden)

    def _learner(self, observation: Observation) -> Learner:
        """Return models and experience as they are after the slots before.

        They follow from what was seen and decided; after a break the slots before are gone through once more.
        """
        past = observation.past
        if observation.slot and self._learners:
            known = self._learners[0]
            while known.slot < observation.slot and not past.users(known.slot).size:
                known.slot += 1  # nobody had coverage, so there was nothing to decide
            if known.slot == observation.slot:
                return known
        servers = int(observation.problem.server_allowed.sum())
        learner = Learner(self, past.n_users, servers, source=self._model(), transfers=self.transfers, seed=self.seed)
        self._learners[:] = [learner]
        for slot in range(observation.slot):
            users = past.users(slot)
            if not users.size:
                learner.slot += 1
                continue
            problem = past.problem(slot)
            problem = replace(problem, companion_bits=self.companion_bits(problem))
            self._learn(learner, users, problem, look_back(past.before(slot), problem), past.association(slot)[users])
        return learner

    def _learn(self, learner: Learner, users: IntArray, problem: Migration, view: View, association: IntArray) -> None:
        learner.follow(users, problem, view, association)
        if self.trains:
            learner.train()


@dataclass(frozen=True)
class DrlScratch(DrlTransfer):
    """As `drl-transfer`, but nothing moves with a twin: it begins anew, at random, wherever it comes."""

    transfers: ClassVar[bool] = False
    sourced: ClassVar[bool] = False


@dataclass(frozen=True)
class DrlFrozen(DrlTransfer):
    """As `drl-transfer`, but no model is trained on: all are the source's."""

    trains: ClassVar[bool] = False


def select(problem: Migration, view: View, value: FloatArray, selection: Selection) -> IntArray:
    """Return where twins go, given what servers are worth after the slot, shape (n, S), in the users' unit."""
    bonus = np.where(np.isfinite(view.arrays.slack), view.unit[:, None] * value, 0.0)
    arrays = view.arrays.with_bonus(np.ascontiguousarray(bonus))
    if selection == "search":
        return search_view(problem, problem.previous, arrays, view.servers, swaps=False)
    return feasible_near(problem, choose(problem, arrays, view.servers))
