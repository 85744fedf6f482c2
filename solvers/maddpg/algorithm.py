"""Algorithm 1 of the paper from top to bottom: multi-agent deep deterministic policy gradient for placement (P1).

Every base station is an agent with an actor and a centralised critic of its own; all share the system state (22). In
each episode the network state is drawn anew, the agents act for some time slots with noise (29), (23), the reward is
minus the system cost (26), and then every agent takes one step of (31) and (30) and moves its target networks.

The networks of all agents are stacked: a parameter has the agent as its first axis, so one batched product serves all.
`solvers.environments.decoding` makes an association of the actions. What is printed and what is our choice:
docs/learning.md; `Settings.as_printed` has the former.
"""

from __future__ import annotations

import json
from copy import deepcopy
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from solvers.environments.decoding import Decoding, open_servers
from solvers.environments.slots import Slots
from solvers.environments.states import NetworkStates
from solvers.environments.views import SCALING_STATES, Scales, flat_view, network_part, seat_network, seat_view

if TYPE_CHECKING:
    from collections.abc import Callable

    from dtopt.arrays import FloatArray, IntArray

__all__ = ["Learner", "Settings"]

# --- 1. What can be set -----------------------------------------------------------------------------------------------


class Settings(BaseModel):
    """What Algorithm 1 leaves to its user; the first block is Table II."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    gamma: float = Field(default=0.7, ge=0, lt=1, description="γ of (27)")
    batch: int = Field(default=32, ge=1, description="transitions in one update")
    learning_rate: float = Field(default=1e-3, gt=0, description="α of (30)")
    critic_rate: float = Field(default=1e-3, gt=0, description="α of (31), which the paper does not give")
    slots: int = Field(default=10, ge=1, description="time slots of an episode")
    noise: float = Field(default=1.0, ge=0, description="standard deviation of the noise (29) at first")
    last_noise: float = Field(default=0.5, ge=0, description="the same at the end; it falls linearly")
    replay: int = Field(default=10_000, ge=1, description="transitions in the replay memory")
    warm_up: int = Field(default=200, ge=1, description="transitions before the first update")
    target_rate: float = Field(default=0.01, gt=0, le=1, description="part of the way the target networks go")
    hidden: int = Field(default=32, ge=1, description="width of the hidden layers")
    networks: Literal["seat", "flat"] = Field(default="seat", description="see `SeatActor` and `FlatActor`")
    decoding: Decoding = Field(default="marginal", description="how users choose among the open servers")
    score_weight: float = Field(default=0.1, ge=0, description="worth of a score beside the marginal cost")
    joint_target: bool = Field(
        default=True, description="targets are the mean over all critics, since all share the reward"
    )
    executed: bool = Field(
        default=True, description="critics see the servers that were opened, not the bids with their noise"
    )
    scaled_reward: bool = Field(default=True, description="rewards in standard deviations, times 1 - γ")
    bid_penalty: float = Field(default=0.01, ge=0, description="weight of squared bids, against saturation")

    @classmethod
    def as_printed(cls, **changes: Any) -> Settings:
        """Return the plainest reading of the paper: networks on the vector (22), argmax of scores, bare rewards."""
        printed: dict[str, Any] = {
            "networks": "flat",
            "decoding": "argmax",
            "joint_target": False,
            "executed": False,
            "scaled_reward": False,
            "bid_penalty": 0.0,
            "hidden": 64,
        }
        return cls(**(printed | changes))


# --- 2. Networks, stacked over the agents -----------------------------------------------------------------------------


#: Bids, (M, B), and scores, (M, B, N), of all agents.
Action = tuple[Tensor, Tensor]


class Layer(nn.Module):
    """M affine maps side by side: (M, rows, inputs) to (M, rows, outputs)."""

    def __init__(self, rng: np.random.Generator, agents: int, inputs: int, outputs: int, gain: float = 1.0) -> None:
        super().__init__()
        limit = gain / max(inputs, 1) ** 0.5
        self.weight = nn.Parameter(torch.tensor(rng.uniform(-limit, limit, (agents, inputs, outputs)).astype("f4")))
        self.bias = nn.Parameter(torch.zeros(agents, 1, outputs))

    def forward(self, x: Tensor) -> Tensor:
        """Apply each agent's map to its rows."""
        return torch.baddbmm(self.bias, x, self.weight)


class FlatActor(nn.Module):
    """π_j of (29) on the vector (22): two hidden layers, then a bid and a score for each user in (-1, 1)."""

    def __init__(self, rng: np.random.Generator, users: int, stations: int, hidden: int) -> None:
        super().__init__()
        size = users * (3 * stations + 1) + stations
        self.first, self.second = Layer(rng, stations, size, hidden), Layer(rng, stations, hidden, hidden)
        self.last = Layer(rng, stations, hidden, 1 + users, gain=0.3)

    def forward(self, view: Tensor) -> tuple[Tensor, Tensor]:
        """Return bids before tanh, (M, B), and scores, (M, B, N)."""
        h = self.first(view.expand(self.first.weight.shape[0], -1, -1)).relu_()
        out = self.last(self.second(h).relu_())
        return out[..., 0], out[..., 1:].tanh()


class FlatCritic(nn.Module):
    """Q_j of (31) on the vector (22) and the actions of all agents."""

    def __init__(self, rng: np.random.Generator, users: int, stations: int, hidden: int) -> None:
        super().__init__()
        size = users * (3 * stations + 1) + stations
        self.state = Layer(rng, stations, size, hidden)
        self.action = Layer(rng, stations, stations * (1 + users), hidden)
        self.second, self.last = Layer(rng, stations, hidden, hidden), Layer(rng, stations, hidden, 1)

    def forward(self, view: Tensor, joint: Action, own: Action) -> Tensor:
        """Return Q_j, (M, B), of the joint action with each agent's own put in."""
        agents, batch = own[0].shape
        mine = torch.eye(agents)[:, :, None, None]
        actions = torch.cat([joint[0][..., None], joint[1]], -1)  # (agent, B, 1 + N)
        actions = actions * (1 - mine) + torch.cat([own[0][..., None], own[1]], -1)[:, None] * mine
        flat = actions.permute(0, 2, 1, 3).reshape(agents, batch, -1)
        h = (self.state(view.expand(agents, -1, -1)) + self.action(flat)).relu_()
        value: Tensor = self.last(self.second(h).relu_())
        return value[..., 0]


class SeatActor(nn.Module):
    """π_j on (22) as seen from station j: a layer shared by all users, their mean, a layer for the bid."""

    def __init__(self, rng: np.random.Generator, users: int, stations: int, hidden: int) -> None:
        super().__init__()
        self.rows = Layer(rng, stations, 5, hidden)
        self.second, self.last = Layer(rng, stations, hidden + 7, hidden), Layer(rng, stations, hidden, 1, gain=0.3)
        self.score = Layer(rng, stations, hidden, 1, gain=0.1)

    def forward(self, view: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """Return bids before tanh, (M, B), and scores, (M, B, N)."""
        rows, whole = view
        m, b, n, _ = rows.shape
        h = self.rows(rows.reshape(m, b * n, -1)).relu_()
        pooled = torch.cat([h.reshape(m, b, n, -1).mean(2), whole], -1)
        return self.last(self.second(pooled).relu_())[..., 0], self.score(h).reshape(m, b, n).tanh()


class SeatCritic(nn.Module):
    """Q_j from station j's seat, with the others' servers as the joint action opens them: V_j + bid_j A_j.

    A bid is executed as open or closed, so that Q_j is linear in it without loss: A_j is half of what opening is worth.
    """

    def __init__(self, rng: np.random.Generator, users: int, stations: int, hidden: int) -> None:
        super().__init__()
        self.rows = Layer(rng, stations, 5, hidden)
        self.second, self.last = Layer(rng, stations, hidden + 6, hidden), Layer(rng, stations, hidden, 2)

    def forward(self, view: tuple[Tensor, Tensor], joint: Action, own: Action) -> Tensor:
        """Return Q_j, (M, B), of the joint action, which is in the view, with each agent's own put in."""
        rows, whole = view
        m, b, n, _ = rows.shape
        x = torch.cat([rows, own[1][..., None]], -1)
        h = self.rows(x.reshape(m, b * n, -1)).relu_()
        pooled = torch.cat([h.reshape(m, b, n, -1).mean(2), whole], -1)
        value, advantage = self.last(self.second(pooled).relu_()).unbind(-1)
        return torch.addcmul(value, own[0], advantage)


# --- 3. Algorithm 1 ---------------------------------------------------------------------------------------------------


class Learner:
    """The agents with all that training needs: networks, target networks, optimisers, replay memory, random numbers.

    Parameters
    ----------
    draw : callable
        Gives the network states, a stack of one, by number; line 6 of Algorithm 1 draws a number below `states`.
    states : int
        How many different network states there are.
    settings : Settings
    iterations : int
        E, over which the noise falls.
    seed : int
    shuffled : bool
        Give each update the rewards of other transitions: a control that must not learn.
    """

    def __init__(
        self,
        draw: Callable[[int], NetworkStates],
        states: int,
        settings: Settings,
        *,
        iterations: int,
        seed: int,
        shuffled: bool = False,
    ) -> None:
        self.draw, self.states, self.settings, self.iterations = draw, states, settings, iterations
        self.shuffled = shuffled
        self.rng = np.random.default_rng(seed)
        first = draw(0)
        n, m, self.max_open = first.n_users, first.n_stations, first.max_open
        self.scales = Scales.of(NetworkStates.of([draw(e).problems[0] for e in range(min(states, SCALING_STATES))]))
        # Lines 1 to 4: networks, and one replay memory, since all agents share state and reward.
        actor, critic = (SeatActor, SeatCritic) if settings.networks == "seat" else (FlatActor, FlatCritic)
        self.actor, self.critic = actor(self.rng, n, m, settings.hidden), critic(self.rng, n, m, settings.hidden)
        self.target_actor, self.target_critic = deepcopy(self.actor), deepcopy(self.critic)
        self.actor_step = torch.optim.Adam(self.actor.parameters(), settings.learning_rate)
        self.critic_step = torch.optim.Adam(self.critic.parameters(), settings.critic_rate)
        size = settings.replay
        self.memory = {
            "state": torch.zeros(size, dtype=torch.int64),
            "opened": torch.zeros(size, m, dtype=torch.bool),
            "association": torch.zeros(size, n, dtype=torch.int16),
            "bids": torch.zeros(size, m),
            "scores": torch.zeros(size, n, m),
            "cost": torch.zeros(size, dtype=torch.float64),
            "next_opened": torch.zeros(size, m, dtype=torch.bool),
            "next_association": torch.zeros(size, n, dtype=torch.int16),
        }
        self.stored = 0
        self.iteration = 0
        self.unit: tuple[float, float] | None = None
        self._networks: dict[int, tuple[Tensor, ...]] = {}

    def slots(self, states: NetworkStates) -> Slots:
        """Return the environment over some states, with the decoding that the settings name."""
        return Slots(states, rule=self.settings.decoding, score_weight=self.settings.score_weight)

    def fixed(self, states: NetworkStates) -> tuple[Tensor, ...]:
        """Return what the networks see of the states themselves."""
        if self.settings.networks == "seat":
            return tuple(torch.from_numpy(part) for part in seat_network(states, self.scales))
        return (torch.from_numpy(network_part(states, self.scales)),)

    def view(self, fixed: tuple[Tensor, ...], opened: Tensor, association: Tensor) -> Any:
        """Return what actors see: the state (22)."""
        if self.settings.networks == "seat":
            return seat_view(fixed[0], fixed[1], opened, association)
        return torch.from_numpy(flat_view(fixed[0].numpy(), opened.numpy(), association.numpy()))

    def executed(self, bids: Tensor) -> Tensor:
        """Return bids (M, B) as the environment executes them: 1 where a server opens, -1 elsewhere."""
        opened = open_servers(bids.T.numpy(), self.max_open)
        return torch.from_numpy(np.where(opened, np.float32(1.0), np.float32(-1.0))).T

    def joint_view(self, fixed: tuple[Tensor, ...], opened: Tensor, association: Tensor, joint: Action) -> Any:
        """Return what critics see: the state, from the seats with the servers that the joint action opens."""
        if self.settings.networks == "seat":
            return seat_view(fixed[0], fixed[1], joint[0].T > 0, None)
        return self.view(fixed, opened, association)

    def act(self, fixed: tuple[Tensor, ...], env: Slots, noise: float, rng: np.random.Generator) -> tuple[Any, Any]:
        """Return all agents' actions, π_j(s) + noise (29): bids (B, M) and scores (B, N, M)."""
        with torch.no_grad():
            view = self.view(fixed, torch.from_numpy(env.opened), torch.from_numpy(env.association))
            raw, scores = self.actor(view)
        bids, scores = raw.tanh().T.numpy(), scores.permute(1, 2, 0).numpy()
        if noise > 0:
            bids = np.clip(bids + noise * rng.standard_normal(bids.shape, dtype=np.float32), -1.0, 1.0)
            scores = np.clip(scores + noise * rng.standard_normal(scores.shape, dtype=np.float32), -1.0, 1.0)
        return bids, scores

    def episode(self, seen: Callable[[Slots, FloatArray], None] | None = None) -> FloatArray:
        """Lines 6 to 13: draw a network state, let the agents act in each time slot, and store what happened.

        `seen` is called with the environment and the costs after each slot. Returns the costs, shape (slots,).
        """
        s, rng = self.settings, self.rng
        state = int(rng.integers(self.states))
        states = self.draw(state)
        if state not in self._networks:
            self._networks[state] = self.fixed(states)
        env, fixed = self.slots(states), self._networks[state]
        cost = env.reset(rng)
        noise = s.noise + (s.last_noise - s.noise) * min(1.0, self.iteration / max(self.iterations, 1))
        costs = np.empty(s.slots)
        for t in range(s.slots):
            before = env.opened[0], env.association[0]
            bids, scores = self.act(fixed, env, noise, rng)
            cost = env.step(bids, scores)
            row = self.stored % s.replay
            stored = {
                "state": state,
                "opened": before[0],
                "association": before[1],
                "bids": np.where(env.opened[0], 1.0, -1.0) if s.executed else bids[0],
                "scores": scores[0],
                "cost": cost[0],
                "next_opened": env.opened[0],
                "next_association": env.association[0],
            }
            for name, value in stored.items():
                self.memory[name][row] = torch.as_tensor(value)
            self.stored += 1
            costs[t] = cost[0]
            if seen is not None:
                seen(env, cost)
        return costs

    def update(self) -> dict[str, float]:
        """Lines 14 to 17: one step of (31) and (30) for every agent, then its target networks."""
        s, size = self.settings, min(self.stored, self.settings.replay)
        if size < min(s.warm_up, s.replay):
            return {}
        cost = self.memory["cost"]
        if self.unit is None:
            self.unit = (0.0, 1.0)
            if s.scaled_reward:
                self.unit = (float(cost[:size].mean()), (float(cost[:size].std()) or 1.0) / (1.0 - s.gamma))
        pick = torch.from_numpy(self.rng.integers(size, size=s.batch))
        m = {name: values[pick] for name, values in self.memory.items()}
        if self.shuffled:
            m["cost"] = cost[torch.from_numpy(self.rng.integers(size, size=s.batch))]
        fixed = tuple(torch.cat(part) for part in zip(*(self._networks[i] for i in m["state"].tolist()), strict=True))
        reward = ((self.unit[0] - m["cost"]) / self.unit[1]).float()
        association, after = m["association"].long(), m["next_association"].long()

        # (31): Q_j(s, a) towards y = R + γ Q'_j(s', π'(s')).
        with torch.no_grad():
            raw, scores = self.target_actor(self.view(fixed, m["next_opened"], after))
            then = (self.executed(raw.tanh()) if s.executed else raw.tanh(), scores)
            future = self.target_critic(self.joint_view(fixed, m["next_opened"], after, then), then, then)
            y = reward + s.gamma * (future.mean(0, keepdim=True) if s.joint_target else future)
        joint = m["bids"].T, m["scores"].permute(2, 0, 1)
        seen = self.joint_view(fixed, m["opened"], association, joint)
        q = self.critic(seen, joint, joint)
        critic_loss = ((y - q) ** 2).mean(1).sum()
        self.critic_step.zero_grad()
        critic_loss.backward()
        self.critic_step.step()

        # (30): each actor up the slope of its critic in its own action, the others' as they were stored.
        self.critic.requires_grad_(False)
        raw, scores = self.actor(self.view(fixed, m["opened"], association))
        q = self.critic(seen, joint, (raw.tanh(), scores))
        actor_loss = (s.bid_penalty * raw**2 - q).mean(1).sum()
        self.actor_step.zero_grad()
        actor_loss.backward()
        self.actor_step.step()
        self.critic.requires_grad_(True)

        with torch.no_grad():
            for target, network in ((self.target_actor, self.actor), (self.target_critic, self.critic)):
                for old, new in zip(target.parameters(), network.parameters(), strict=True):
                    old.lerp_(new, s.target_rate)
        return {"critic_loss": critic_loss.item() / len(q), "q": q.mean().item()}

    def decide(
        self, states: NetworkStates, *, slots: int = 1, noise: float = 0.0, seed: int = 0
    ) -> tuple[IntArray, FloatArray]:
        """Line 18: the placement for states that need not be those of training.

        The agents act for some time slots from a random placement, the first time without noise.

        Returns
        -------
        ndarray of int, shape (B, N)
            The best association of the slots for each state.
        ndarray, shape (slots, B)
            The cost of each slot.
        """
        env, fixed, rng = self.slots(states), self.fixed(states), np.random.default_rng(seed)
        env.reset(rng)
        best, least, costs = env.association, np.full(states.count, np.inf), np.empty((slots, states.count))
        for t in range(slots):
            costs[t] = env.step(*self.act(fixed, env, noise if t else 0.0, rng))
            better = costs[t] < least
            best, least = np.where(better[:, None], env.association, best), np.where(better, costs[t], least)
        return best, costs

    def state_dict(self) -> dict[str, Any]:
        """Return everything that decides how training goes on, as tensors, numbers and text."""
        size = min(self.stored, self.settings.replay)
        parts = {name: getattr(self, name).state_dict() for name in _PARTS}
        return parts | {
            "memory": {name: values[:size].clone() for name, values in self.memory.items()},
            "counts": [self.stored, self.iteration],
            "unit": self.unit,
            "scales": asdict(self.scales),
            "rng": json.dumps(self.rng.bit_generator.state),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` returned."""
        for name in _PARTS:
            getattr(self, name).load_state_dict(state[name])
        for name, values in state["memory"].items():
            self.memory[name][: len(values)] = values
        self.stored, self.iteration = state["counts"]
        self.unit = state["unit"]
        self.scales = Scales(**state["scales"])
        self.rng.bit_generator.state = json.loads(state["rng"])
        for index in sorted(set(state["memory"]["state"].tolist())):
            self._networks[index] = self.fixed(self.draw(index))


_PARTS = ("actor", "critic", "target_actor", "target_critic", "actor_step", "critic_step")
