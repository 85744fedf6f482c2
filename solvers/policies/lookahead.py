"""`lookahead`: receding horizon, with a forecast of where users will be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from dtopt.arrays import number
from dtopt.errors import InputError
from dtopt.halting import cancellation
from dtopt.sharing import compute_latency
from dtopt.simulation.forecast import FORECASTS
from dtopt.simulation.policy import Decision
from solvers._core import Horizon, Sharing
from solvers.policies.slot_search import columns_of, search_slot, slot_view

if TYPE_CHECKING:
    from dtopt.arrays import FloatArray
    from dtopt.problem import Migration
    from dtopt.simulation.forecast import Forecast
    from dtopt.simulation.observation import Observation

__all__ = ["Lookahead"]


#: The least that a server is worth to a user beyond the slot, against the best one: no way on from there.
WORST = 1e6


@dataclass(frozen=True)
class Lookahead:
    """Decide each slot for its own sake and that of the next ones, by a forecast of them.

    The slot's own utility is exact; to it comes what being on a server is worth later: the value of the user's best way
    through the forecast slots, given the loads that all users' ways put on servers (`solvers/core/horizon.hpp`).

    Parameters
    ----------
    horizon : int
        H, slots ahead; with 0 it is `local-search`.
    tail : float
        So many slots more are counted as the last one of the horizon is expected to be.
    forecast : str
        One of `dtopt.simulation.FORECASTS`; ``perfect`` is the truth, to measure the others by.
    sweeps : int
        How often all users' ways are laid anew.
    """

    horizon: int = 12
    tail: float = 0.0
    forecast: str = "fitted-motion"
    sweeps: int = 3

    forecasts: ClassVar[bool] = True
    moves_servers: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if self.forecast not in FORECASTS:
            what = f"unknown forecast {self.forecast!r}"
            raise InputError(what, where="forecast", mend=f"one of {', '.join(FORECASTS)}")
        for name, least in (("horizon", 0), ("sweeps", 1)):
            if getattr(self, name) < least:
                raise InputError(f"must be >= {least}, got {getattr(self, name)}", where=name)
        number(self.tail, "tail", minimum=0.0)

    def decide(self, observation: Observation) -> Decision:
        """Return a local optimum of the slot's utility and what it leads to."""
        problem = observation.problem
        bonus = None
        if self.horizon:
            ahead = observation.forecast(self.horizon, self.forecast)
            bonus = _bonus(problem, ahead, self.tail, self.sweeps)
        return Decision(search_slot(problem, problem.previous, bonus=bonus, seed=observation.seed))


def _bonus(problem: Migration, ahead: Forecast, tail: float, sweeps: int) -> FloatArray:
    """Return what each allowed server is worth to each user after this slot, shape (n, S)."""
    now, servers = slot_view(problem)
    horizon = _horizon(problem, ahead, tail)
    start = columns_of(problem.previous, servers, problem.n_stations)
    value, _ = horizon.continuation(start, sweeps, cancellation())
    # Only differences between a user's servers matter; where there is no way at all, they must not drown the others'.
    value = np.maximum(value - value.max(axis=1, keepdims=True), -WORST)
    return np.asarray(np.where(np.isfinite(now.slack), value, 0.0))


def _horizon(problem: Migration, ahead: Forecast, tail: float) -> Horizon:
    """Return this slot, in which moving is counted by the way, and the forecast ones."""
    now, servers = slot_view(problem)
    network = problem.network
    n, steps = problem.n_users, len(ahead.rate_bps)
    everywhere = np.arange(problem.n_stations)
    distance = network.station_distance(everywhere[:, None], servers[None, :])
    move = problem.move_seconds_per_m
    before = np.maximum(problem.previous, 0)
    slack = np.empty((steps + 1, n, servers.size))
    slack[0] = now.slack + np.where(problem.previous >= 0, move, 0.0)[:, None] * distance[before]
    passes = network.wired_passes if problem.interaction == "construction" else 1
    wire = network.backhaul_s_per_bit_m * passes * problem.load_bits
    deadline = network.users.deadline_s
    able = (network.stations.capacity[servers] > 0)[None, :]
    compute: FloatArray | float = 0.0
    if now.sharing == Sharing.FIXED:
        pairs = np.arange(n)[:, None], servers[None, :]
        compute = compute_latency(problem.load_cycles[:, None], problem.demand(*pairs))
        able = able & (problem.reserved_part(*pairs) <= 1.0)
    rate, part = np.tile(now.rate, (steps + 1, 1)), np.tile(now.part, (steps + 1, 1))
    for h in range(steps):
        with np.errstate(divide="ignore"):
            wireless = np.where(problem.load_bits > 0, problem.load_bits / ahead.rate_bps[h], 0.0)
        spare = (deadline - wireless)[:, None] - wire[:, None] * ahead.distance_m(h, distance) - compute
        slack[h + 1] = np.where(able & np.isfinite(spare), spare, -np.inf)
        cpu = ahead.cpu_hz[h, servers]
        if problem.sharing == "optimal":
            part[h + 1] = 1.0 / cpu
        elif problem.sharing == "equal":
            rate[h + 1] = 1.0 / cpu
    stays = np.vstack([np.ones((1, n)), ahead.stays])
    weight = stays.copy()
    weight[-1] *= 1.0 + tail if steps else 1.0
    return Horizon(
        slack=slack,
        growth=now.growth,
        rate=rate,
        size=now.size,
        part=part,
        move=np.ascontiguousarray(move),
        gap=np.ascontiguousarray(distance[servers]),
        stays=stays,
        weight=weight,
        beta=now.beta,
        penalty=now.penalty,
        hard=now.hard,
    )
