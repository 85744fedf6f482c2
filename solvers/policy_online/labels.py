"""What the network learns from: runs of a policy, and what each server would have been worth to each user in them.

After a run the loads of all servers in all slots are known. With these, the value of being on a server after a slot is
computed backwards in time for every user and server, also those that the user never was on: with what the policy would
have done from there (its value, which the next policy improves on), or with the best that could have been done.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np

from dtopt.simulation import simulate
from dtopt.simulation.policy import Decision
from solvers.policies.slot_search import columns_of, search_view
from solvers.policy_online import bonus
from solvers.policy_online.view import look

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from dtopt.arrays import FloatArray, IntArray
    from dtopt.scenario import Scenario
    from dtopt.simulation.observation import Observation
    from solvers.policy_online.network import Weights
    from solvers.policy_online.view import View

    Floats32 = NDArray[np.float32]

__all__ = ["Lesson", "Run", "lesson", "values"]


class Lesson(NamedTuple):
    """What one run teaches, of L users in slots: shown, (L, S, `FEATURES`); the others have shape (L, S).

    value is that by the fitted future, in the user's unit and less that of the best; kept and best, in the same unit,
    are what the run says, see `values`, less the mean over the user's servers.
    """

    shown: Floats32
    value: Floats32
    kept: Floats32
    best: Floats32
    allowed: NDArray[np.bool_]


class Run(NamedTuple):
    """A run in arrays; T slots, N users of the scenario, S servers.

    slack, shape (T, N, S), is the time left before computing and moving, −inf where not allowed; bonus, shape
    (T, N, S), what the policy thought of what comes after; server, shape (T, N), where twins were put, -1 for users who
    were absent; growth, rate, size, part as in `solvers._core.MigrationView`; move, shape (N,), s/m; between,
    shape (S, S), m.
    """

    slack: FloatArray
    bonus: FloatArray
    server: IntArray
    growth: FloatArray
    rate: FloatArray
    size: FloatArray
    part: FloatArray
    move: FloatArray
    between: FloatArray
    beta: float
    penalty: float


def values(run: Run, best: bool) -> FloatArray:
    """Return what each server is worth to each user after each slot, in utility, shape (T, N, S).

    Parameters
    ----------
    run : Run
    best : bool
        With the best ways that there were; otherwise with those that the policy would have taken.
    """
    slots, n, m = run.slack.shape
    value = np.zeros((slots, n, m))
    every = np.arange(n)
    for t in range(slots - 1, 0, -1):
        there = run.server[t] >= 0
        own = np.maximum(run.server[t], 0)
        here = (np.arange(m) == own[:, None]) & there[:, None]
        load, slope = run.size[:, None] * run.part[t], run.growth[:, None] * run.rate[t]
        level = np.where(here, load, 0.0).sum(axis=0)
        # How fast the utility of those who are on a server falls with its load, and the part of the user itself.
        left = run.slack[t, every, own] - slope[every, own] * level[own]
        fall = (run.beta * np.exp(left) + np.where(left < 0.0, run.penalty, 0.0)) * slope[every, own]
        fall = np.where(here, fall[:, None], 0.0)
        cost = np.maximum(fall.sum(axis=0) - fall, 0.0) * load
        alone = run.slack[t] - slope * (level + np.where(here, 0.0, load))
        # From each server, (N, S, S), to each.
        late = alone[:, None, :] - run.move[:, None, None] * run.between
        gain = run.beta * np.exp(late) + run.penalty * np.minimum(late, 0.0) - cost[:, None, :]
        reached = gain + value[t][:, None, :]
        wished = reached if best else gain + run.bonus[t][:, None, :]
        wished = np.where(np.isfinite(run.slack[t])[:, None, :], wished, -np.inf)
        chosen = np.take_along_axis(reached, wished.argmax(axis=2)[..., None], axis=2)[..., 0]
        able = (wished.max(axis=2) > -np.inf) & (there & (run.server[t - 1] >= 0))[:, None]
        value[t - 1] = np.where(able, chosen, 0.0)
    return value


class _Recorder:
    """Plays a policy and keeps what it saw."""

    forecasts: ClassVar[bool] = False
    moves_servers: ClassVar[bool] = False

    def __init__(self, network: Weights | None) -> None:
        self.network = network
        self.views: list[View] = []
        self.bonuses: list[FloatArray] = []
        self.slacks: list[FloatArray] = []
        self.scene: tuple[IntArray, FloatArray] | None = None

    def decide(self, observation: Observation) -> Decision:
        problem = observation.problem
        view = look(observation)
        extra = bonus(view, self.network)
        arrays = view.arrays.with_bonus(extra)
        found = search_view(problem, problem.previous, arrays, view.servers, seed=observation.seed, swaps=False)
        self.views.append(view)
        self.bonuses.append(extra)
        self.slacks.append(np.where(np.isfinite(view.arrays.slack), view.arrays.slack + view.away, -np.inf))
        self.scene = view.servers, view.between
        return Decision(found)


def lesson(scenario: Scenario, network: Weights | None, *, last: int, part: float, seed: int) -> tuple[Lesson, float]:
    """Run a policy over a scenario and return what it teaches, and its utility.

    Parameters
    ----------
    scenario : Scenario
    network : Weights or None
        The policy's; None for the values by the fitted future alone.
    last : int
        So many slots at the end teach nothing: what comes after them is not known.
    part : float
        Part of users and slots that is kept, drawn at random.
    seed : int
    """
    recorder = _Recorder(network)
    trajectory = simulate(scenario, recorder)
    run, users = _run(scenario, recorder, trajectory.associations)
    kept_value, best_value = values(run, False), values(run, True)
    random = np.random.default_rng(seed)
    kept: list[tuple[Any, ...]] = []
    for t in range(scenario.n_slots - last):
        there, view = users[t], recorder.views[t]
        # Whoever leaves with the slot has nothing to learn.
        some = (run.server[t + 1, there] >= 0) & (random.random(there.size) < part)
        some &= np.isfinite(view.arrays.slack).any(axis=1) & (view.unit > 0)
        if some.any():
            unit = view.unit[some, None]
            own, best = kept_value[t, there[some]] / unit, best_value[t, there[some]] / unit
            kept.append((view.shown[some], view.value[some], own, best, np.isfinite(view.arrays.slack[some])))
    shown, first, own, best, allowed = (np.concatenate(parts) for parts in zip(*kept, strict=True))
    own -= own.mean(axis=1, keepdims=True)
    best -= best.mean(axis=1, keepdims=True)
    first, own, best = (array.astype(np.float32) for array in (first, own, best))
    return Lesson(shown, first, own, best, allowed), trajectory.objective


def _run(scenario: Scenario, recorder: _Recorder, associations: tuple[IntArray, ...]) -> tuple[Run, list[IntArray]]:
    slots, n = scenario.n_slots, scenario.n_users
    assert recorder.scene is not None  # noqa: S101 - a scenario has a slot
    servers, between = recorder.scene
    m = servers.size
    slack, extra = np.full((slots, n, m), -np.inf), np.zeros((slots, n, m))
    growth, size, move = np.zeros(n), np.zeros(n), np.zeros(n)
    rate, part = np.ones((slots, m)), np.zeros((slots, m))
    users = [scenario.present_users(t) for t in range(slots)]
    base = scenario.base
    move = np.array(base.move_seconds_per_m)
    for t, there in enumerate(users):
        view = recorder.views[t]
        slack[t, there], extra[t, there] = recorder.slacks[t], recorder.bonuses[t]
        growth[there], size[there] = view.arrays.growth, view.arrays.size
        rate[t], part[t] = view.arrays.rate, view.arrays.part
    server = columns_of(np.stack(associations), servers, scenario.n_stations)
    run = Run(slack, extra, server, growth, rate, size, part, move, between, view.arrays.beta, view.arrays.penalty)
    return run, users
