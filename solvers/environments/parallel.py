"""The PettingZoo environment: an agent for each base station, all of which act at the same time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import gymnasium
import numpy as np
import numpy.typing as npt
from pettingzoo import ParallelEnv

from dtopt.errors import InputError
from solvers.environments.source import HIGHEST, Episode, checked_action
from solvers.environments.states import PresetStates

if TYPE_CHECKING:
    from solvers.environments.decoding import Decoding

__all__ = ["ParallelPlacementEnv"]

Vector = npt.NDArray[np.float32]


class ParallelPlacementEnv(ParallelEnv[str, Vector, Vector]):  # type: ignore[misc]
    """P1 over changing network states, with an agent for each base station.

    All agents see the same state (22) and have the same reward (26). The action of a station is its bid to be a server
    and a score for each user, in [-1, 1], (23). States, decoding and parameters are those of
    `solvers.environments.PlacementEnv`.
    """

    metadata = {"name": "placement_v0", "render_modes": []}  # noqa: RUF012 - what PettingZoo wants

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
        self.possible_agents = [f"station_{k}" for k in range(self.episode.n_stations)]
        self.agents: list[str] = []
        seen = gymnasium.spaces.Box(0.0, HIGHEST, (self.episode.view_size,), np.float32)
        done = gymnasium.spaces.Box(-1.0, 1.0, (1 + self.episode.n_users,), np.float32)
        # Spaces of their own, so that each can be seeded apart.
        self.observation_spaces = {a: gymnasium.spaces.Box(seen.low, seen.high) for a in self.possible_agents}
        self.action_spaces = {a: gymnasium.spaces.Box(done.low, done.high) for a in self.possible_agents}
        self._rng = np.random.default_rng()

    def observation_space(self, agent: str) -> gymnasium.Space[Vector]:
        """Return what the agent sees."""
        return self.observation_spaces[agent]

    def action_space(self, agent: str) -> gymnasium.Space[Vector]:
        """Return what the agent can do."""
        return self.action_spaces[agent]

    def reset(
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Vector], dict[str, Any]]:
        """Draw a network state and open random servers."""
        if seed is not None:
            self._rng = np.random.default_rng(seed)
        number = self.episode.begin(self._rng)
        self.agents = list(self.possible_agents)
        return self._views(), {agent: {"state": number} for agent in self.agents}

    def step(
        self, actions: dict[str, Vector]
    ) -> tuple[dict[str, Vector], dict[str, float], dict[str, bool], dict[str, bool], dict[str, Any]]:
        """Execute the actions of all stations; finite values outside [-1, 1] are clipped.

        Raises
        ------
        InputError
            Before `reset` and after the last slot; where an agent has no action or an action has no agent; on an action
            of another shape, with NaN or infinities, or that is no array of numbers.
        """
        self.episode.check_running()
        for agent in (*self.possible_agents, *actions):
            if agent not in actions or agent not in self.action_spaces:
                what = "has no action" if agent in self.action_spaces else "is no agent"
                raise InputError(what, where=f"actions[{agent!r}]", mend="one action for each of `agents`")
        size = 1 + self.episode.n_users
        checked = [checked_action(actions[agent], f"actions[{agent!r}]", size) for agent in self.possible_agents]
        reward, over = self.episode.act(np.stack(checked))
        association = self.episode.slots.association[0].copy()
        result = (
            self._views(),
            dict.fromkeys(self.agents, reward),
            dict.fromkeys(self.agents, False),
            dict.fromkeys(self.agents, over),
            {agent: {"cost": -reward, "association": association} for agent in self.agents},
        )
        if over:
            self.agents = []
        return result

    def state(self) -> Vector:
        """Return the state (22), which all agents share.

        Raises
        ------
        InputError
            Before the first `reset`.
        """
        return self.episode.view()

    def _views(self) -> dict[str, Vector]:
        view = self.episode.view()
        return {agent: view.copy() for agent in self.agents}
