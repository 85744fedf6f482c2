"""What both environments for outside trainers share: where states come from, and how actions and views are laid out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dtopt.arrays import choice, float_array, int_array, number
from dtopt.errors import InputError
from solvers.environments.decoding import Decoding
from solvers.environments.slots import Slots
from solvers.environments.states import NetworkStates, PresetStates
from solvers.environments.views import SCALING_STATES, Float32Array, Scales, flat_view, network_part

if TYPE_CHECKING:
    from dtopt.arrays import FloatArray

__all__ = ["HIGHEST", "Episode", "checked_action"]

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
        choice(rule, "decoding", Decoding)
        self.source, self.resources = source, resources
        self.length = int(int_array(slots, "slots", shape=(), minimum=1))
        first = NetworkStates.of([source(i) for i in range(min(source.count, SCALING_STATES))])
        self.scales = Scales.of(first)
        self.n_users, self.n_stations = first.n_users, first.n_stations
        self._rule: Decoding = rule
        self._score_weight = number(score_weight, "score_weight", minimum=0.0)
        self.slots = Slots(first, rule=rule, score_weight=score_weight)
        self._network: Float32Array = np.zeros(0, dtype=np.float32)
        self._known: dict[int, NetworkStates] = {}
        #: The slot to be decided; None before the first reset and after the last slot.
        self.slot: int | None = None
        self._begun = False

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
        self.slot, self._begun = 0, True
        return number

    def check_running(self) -> None:
        """Raise InputError unless an episode is under way."""
        if self.slot is None:
            what = "the episode is over" if self._begun else "no episode has begun"
            raise InputError(f"{what}: call reset first", where="step")

    def act(self, actions: FloatArray) -> tuple[float, bool]:
        """Execute the actions of all stations and return the reward and whether time is up.

        Parameters
        ----------
        actions : ndarray, shape (M, 1 + N)
            Checked by `checked_action`; what is outside [-1, 1] is clipped.
        """
        self.check_running()
        assert self.slot is not None  # noqa: S101 - checked above
        bounded = np.clip(actions, -1.0, 1.0)
        cost = self.slots.step(bounded[None, :, 0], bounded[None, :, 1:].transpose(0, 2, 1))
        over = self.slot + 1 >= self.length
        self.slot = None if over else self.slot + 1
        return -float(cost[0]), over

    def view(self) -> Float32Array:
        """Return the state (22) as one vector.

        Raises
        ------
        InputError
            Before the first reset.
        """
        if not self._begun:
            raise InputError("no episode has begun: call reset first", where="state")
        parts = [flat_view(self._network, self.slots.opened, self.slots.association)[0]]
        if self.resources:
            states = self.slots.states
            parts += [states.cpu[0] / self.scales.cpu_hz, np.minimum(states.capacity[0] / self.n_users, 1.0)]
        view: Float32Array = np.clip(np.concatenate(parts), 0.0, HIGHEST).astype(np.float32)
        return view


def checked_action(action: object, where: str, size: int) -> FloatArray:
    """Return an action as numbers after checking it.

    Parameters
    ----------
    action : array_like, shape (size,)
    where : str
        How errors name it.
    size : int

    Raises
    ------
    InputError
        On another shape, NaN, infinities, and anything but whole or floating-point numbers.
    """
    try:
        given = np.asarray(action)
    except ValueError:
        raise InputError("is not an array of numbers", where=where) from None
    if given.dtype.kind not in "fiu":
        raise InputError(f"has type {given.dtype}, expected float32", where=where)
    if given.shape != (size,):
        got = " x ".join(map(str, given.shape)) or "a single number"
        raise InputError(f"has shape {got}, expected {size}", where=where)
    return float_array(given, where)
