"""The Gymnasium environment: one agent decides for all base stations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import gymnasium
import numpy as np
import numpy.typing as npt

from solvers.environments.source import HIGHEST, Episode, checked_action
from solvers.environments.states import PresetStates

if TYPE_CHECKING:
    from solvers.environments.decoding import Decoding

__all__ = ["PlacementEnv"]

Vector = npt.NDArray[np.float32]


class PlacementEnv(gymnasium.Env[Vector, Vector]):
    """P1 over changing network states, for one agent.

    Observation: the vector (22), d_ij, D_i, r_ij and l_ij of all users in units of their means, then pl_j (and, with
    `resources`, F_k and N_k). Action: M rows of a bid and N scores in [-1, 1], (23), flattened; decoded so that every
    constraint holds (`solvers.environments.decoding`). Reward: (26), minus the objective. An episode is one network
    state (new positions, channels, CPUs and data) and ends after `slots` time slots.

    Parameters
    ----------
    source : PresetStates, optional
        Where network states come from; the preset ``paper`` where not given.
    slots : int
        Time slots of an episode.
    decoding : Decoding
        ``argmax`` of the scores, or ``marginal``: marginal cost less score.
    score_weight : float
        ``marginal``: what a score of one is worth, in mean latencies of a pair.
    resources : bool
        Whether F_k and N_k are shown.
    """

    def __init__(
        self,
        source: PresetStates | None = None,
        *,
        slots: int = 25,
        decoding: Decoding = "argmax",
        score_weight: float = 0.1,
        resources: bool = True,
    ) -> None:
        self.episode = Episode(
            source or PresetStates(), slots=slots, rule=decoding, score_weight=score_weight, resources=resources
        )
        self.observation_space = gymnasium.spaces.Box(0.0, HIGHEST, (self.episode.view_size,), np.float32)
        n, m = self.episode.n_users, self.episode.n_stations
        self.action_space = gymnasium.spaces.Box(-1.0, 1.0, (m * (1 + n),), np.float32)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Vector, dict[str, Any]]:
        """Draw a network state and open random servers."""
        super().reset(seed=seed)
        number = self.episode.begin(self.np_random)
        return self.episode.view(), {"state": number}

    def step(self, action: Vector) -> tuple[Vector, float, bool, bool, dict[str, Any]]:
        """Execute one action of all stations; finite values outside [-1, 1] are clipped.

        Raises
        ------
        InputError
            Before `reset` and after the last slot; on an action of another shape, with NaN or infinities, or that is no
            array of numbers.
        """
        self.episode.check_running()
        m = self.episode.n_stations
        checked = checked_action(action, "action", m * (1 + self.episode.n_users))
        reward, over = self.episode.act(checked.reshape(m, -1))
        info = {"cost": -reward, "association": self.episode.slots.association[0].copy()}
        return self.episode.view(), reward, False, over, info
