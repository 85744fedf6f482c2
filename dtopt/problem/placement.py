"""P1 (18): `Placement`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Literal

import numpy as np

from dtopt.arrays import BoolArray, FloatArray, IntArray, choice, float_array, int_array, number
from dtopt.elementary import total
from dtopt.errors import InputError
from dtopt.problem.common import Problem

__all__ = ["Objective", "Placement"]

Objective = Literal["system-cost", "latency"]


@dataclass(frozen=True, eq=False)
class Placement(Problem):
    """P1 (18): which base stations become twin servers, and which user's twin goes to which.

    Parameters
    ----------
    objective : Objective
        ``system-cost``, α·T_sys + β_c·(ϕ·m + E), minus the reward (26); or ``latency``, T_sys of (13).
    latency_weight : float
        α of (26).
    cost_weight : float
        β_c, the β of (26).
    server_cost : float
        ϕ of (25), the cost of one open server.
    max_servers : int, optional
        At most so many open servers.
    update_period_s : float
        Δt of (12), s.
    sync_weight : float
        η of (13).
    pair_latency_s : array_like, shape (N, M), optional
        T_i for each pair, of any sign, replacing the physics; only with ``fixed`` sharing and no channel: generalized
        assignment. Infinite where a pair is not possible.

    See `Problem` for the others.
    """

    objective: Objective = "system-cost"
    latency_weight: float = 1.0
    cost_weight: float = 1.0
    server_cost: float = 0.0
    max_servers: int | None = None
    update_period_s: float = 1.0
    sync_weight: float = 1.0
    pair_latency_s: FloatArray | None = None

    kind: ClassVar[str] = "placement"
    maximise: ClassVar[bool] = False

    def __post_init__(self) -> None:
        super().__post_init__()
        choice(self.objective, "objective", Objective)
        self._set("latency_weight", number(self.latency_weight, "weights.latency", minimum=0.0))
        self._set("cost_weight", number(self.cost_weight, "weights.cost", minimum=0.0))
        self._set("server_cost", number(self.server_cost, "weights.server_cost", minimum=0.0))
        self._set("update_period_s", number(self.update_period_s, "sync.update_period_s", minimum=0.0, exclusive=True))
        self._set("sync_weight", number(self.sync_weight, "sync.weight", minimum=0.0))
        if self.max_servers is not None:
            self._set("max_servers", int(int_array(self.max_servers, "max_servers", shape=(), minimum=1)))
        if (self.pair_latency_s is None) == (self.network.channel is None):
            raise InputError("give either a channel or pair_latency_s", where="channel")
        if self.pair_latency_s is not None:
            if self.sharing != "fixed":
                raise InputError("goes only with fixed sharing", where="pair_latency_s")
            shape = (self.n_users, self.n_stations)
            matrix = float_array(self.pair_latency_s, "pair_latency_s", shape=shape, infinite=True)
            self._set("pair_latency_s", matrix)

    @cached_property
    def load_bits(self) -> FloatArray:
        """w_i = D_i + η ΔD_i / Δt, so that T_i = com_ik(w_i) + κ w_i / f_ik; 0 where pair latencies are given."""
        if self.pair_latency_s is not None:
            return np.zeros(self.n_users)
        users = self.network.users
        return users.data_bits + self.sync_weight / self.update_period_s * users.update_bits

    @cached_property
    def deadline_bits(self) -> FloatArray:
        """D_i: (18d) bounds the construction latency T_ini; 0 where pair latencies are given."""
        return np.zeros(self.n_users) if self.pair_latency_s is not None else self.network.users.data_bits

    def transfer_latency(self, users: IntArray, servers: IntArray) -> FloatArray:
        """Return com_ik(w_i) of pairs, (8), with the wired part counted as `Network.wired_passes` says, s."""
        if self.pair_latency_s is not None:
            return np.asarray(self.pair_latency_s[users, servers])
        network = self.network
        wired_bits = self.load_bits[users] + (network.wired_passes - 1) * network.users.data_bits[users]
        return np.asarray(self.wireless_latency[users] + network.wired_latency(wired_bits, users, servers))

    def deadline_transfer_latency(self, users: IntArray, servers: IntArray) -> FloatArray:
        """Return com_ik(D_i) of pairs, the transfer part of T_ini, (10), s."""
        if self.pair_latency_s is not None:
            return np.asarray(self.pair_latency_s[users, servers])
        network = self.network
        bits = network.wired_passes * network.users.data_bits[users]
        return np.asarray(self.construction_wireless[users] + network.wired_latency(bits, users, servers))

    @cached_property
    def wireless_latency(self) -> FloatArray:
        """Wireless part of T_i, shape (N,), s."""
        return self.network.wireless_latency(self.load_bits)

    @cached_property
    def construction_wireless(self) -> FloatArray:
        """Wireless part of T_ini, shape (N,), s."""
        return self.network.wireless_latency(self.network.users.data_bits)

    @property
    def server_allowed(self) -> BoolArray:
        """All stations may act as servers."""
        return np.ones(self.n_stations, dtype=bool)

    @property
    def max_open(self) -> int:
        """`max_servers`, or M."""
        return self.n_stations if self.max_servers is None else min(self.max_servers, self.n_stations)

    @property
    def user_weight(self) -> float:
        """What one second of one user's latency adds to the objective."""
        return (self.latency_weight if self.objective == "system-cost" else 1.0) / self.n_users

    @property
    def opening_cost(self) -> float:
        """What one open server adds to the objective."""
        return self.cost_weight * self.server_cost if self.objective == "system-cost" else 0.0

    @cached_property
    def energy_j(self) -> float:
        """E = Σ p_i D_i / r_{i,b(i)}, (19), J: the same for every association."""
        if self.network.channel is None:
            return 0.0
        users = self.network.users
        with np.errstate(invalid="ignore"):
            # A user without power has no coverage: its energy is 0, not 0 · ∞.
            energy = np.where(users.tx_power_w > 0, users.tx_power_w * self.construction_wireless, 0.0)
        return float(total(energy))

    @property
    def constant_cost(self) -> float:
        """The part of the objective that no decision changes."""
        if self.objective == "latency" or self.cost_weight == 0.0:
            return 0.0
        return self.cost_weight * self.energy_j

    @cached_property
    def uncontrollable_objective(self) -> float:
        """C = `user_weight` · Σ wireless_i + `constant_cost`; the first term is 0 where pair latencies are given."""
        if self.pair_latency_s is not None or self.user_weight == 0.0:
            return self.constant_cost
        return self.user_weight * float(total(self.wireless_latency)) + self.constant_cost
