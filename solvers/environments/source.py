"""What both environments for outside trainers share: where states come from, and how actions and views are laid out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dtopt.errors import InputError
from solvers.environments.slots import Slots
from solvers.environments.states import NetworkStates, PresetStates
from solvers.environments.views import SCALING_STATES, Float32Array, Scales, flat_view, network_part

if TYPE_CHECKING:
    from solvers.environments.decoding import Decoding

__all__ = ["HIGHEST", "Episode"]

#: Observations are cut off here, in units of their means.
HIGHEST = 100.0

#: States that are kept, since making one takes longer than many slots.
KEPT_STATES = 256


class Episode:
    """One network state at a time, with what an agent sees of it.

    Parameters
    ----------
    source : PresetStates
    slots : int
        Time slots of an episode.
    rule, score_weight
        See `solvers.environments.slots.Slots`.
    resources : bool
        Show F_k and N_k beside (22), which leaves them out: without them the reward is no function of what is seen.
    """

    def __init__(
        self, source: PresetStates, *, slots: int, rule: Decoding, score_weight: float, resources: bool
    ) -> None:
        if slots < 1:
            raise InputError(f"must be >= 1, got {slots}", where="slots")
        self.source, self.length, self.resources = source, slots, resources
        first = NetworkStates.of([source(i) for i in range(min(source.count, SCALING_STATES))])
        self.scales = Scales.of(first)
        self.n_users, self.n_stations = first.n_users, first.n_stations
        self._rule: Decoding = rule
        self._score_weight = score_weight
        self.slots = Slots(first, rule=rule, score_weight=score_weight)
        self._network: Float32Array = np.zeros(0, dtype=np.float32)
        self._known: dict[int, NetworkStates] = {}
        self.slot = 0

    @property
    def view_size(self) -> int:
        """Entries of an observation."""
        return self.n_users * (3 * self.n_stations + 1) + self.n_stations * (3 if self.resources else 1)

    def begin(self, rng: np.random.Generator) -> int:
        """Draw a network state and open random servers; return the state's number."""
        number = int(rng.integers(self.source.count))
        if number not in self._known:
            if len(self._known) >= KEPT_STATES:
                self._known.pop(next(iter(self._known)))
            self._known[number] = NetworkStates.of([self.source(number)])
        states = self._known[number]
        self.slots = Slots(states, rule=self._rule, score_weight=self._score_weight)
        self._network = network_part(states, self.scales)
        self.slots.reset(rng)
        self.slot = 0
        return number

    def act(self, actions: Float32Array) -> tuple[float, bool]:
        """Execute the actions of all stations, shape (M, 1 + N), and return the reward and whether time is up."""
        bounded = np.clip(np.asarray(actions, dtype=np.float64), -1.0, 1.0)
        cost = self.slots.step(bounded[None, :, 0], bounded[None, :, 1:].transpose(0, 2, 1))
        self.slot += 1
        return -float(cost[0]), self.slot >= self.length

    def view(self) -> Float32Array:
        """Return the state (22) as one vector."""
        parts = [flat_view(self._network, self.slots.opened, self.slots.association)[0]]
        if self.resources:
            states = self.slots.states
            parts += [states.cpu[0] / self.scales.cpu_hz, np.minimum(states.capacity[0] / self.n_users, 1.0)]
        view: Float32Array = np.clip(np.concatenate(parts), 0.0, HIGHEST).astype(np.float32)
        return view
