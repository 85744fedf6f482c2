"""P2 (21): `Migration`."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import ClassVar, Literal

import numpy as np

from dtopt.arrays import BoolArray, FloatArray, IntArray, choice, int_array, number
from dtopt.elementary import exp, total
from dtopt.errors import InputError
from dtopt.fingerprint import UNHASHED_DEFAULT
from dtopt.problem.common import Problem

__all__ = ["LONGEST_UTILITY_DEADLINE_S", "Interaction", "Migration"]

Interaction = Literal["update", "construction"]

#: e^τ of (20) must not overflow.
LONGEST_UTILITY_DEADLINE_S = 600.0


@dataclass(frozen=True, eq=False)
class Migration(Problem):
    """P2 (21) for one time slot: move twins between servers to maximise the users' utility.

    Parameters
    ----------
    previous : array_like of int, shape (N,)
        a(t−1): the server of each twin in the slot before, -1 for a twin that is new.
    servers : array_like of int, optional
        The stations that may keep twins (those that P1 opened); all where not given.
    beta : float
        β of (20), 0 to 1.
    interaction : Interaction
        Whether T_i(t) is the ``update`` latency (11) or the ``construction`` latency (10).
    migration_weight : float
        Weight of the time to move a twin, φ D_i d(k, l), in T_i(t); 0 gives the paper's memoryless P2.
    companion_bits : float
        Bits that go with every twin that moves, beside D_i: a learned solver's model and its experience.

    See `Problem` for the others. Deadlines must be finite, since (20) takes e to their power.
    """

    previous: IntArray = None  # type: ignore[assignment] # fields after defaults; checked below
    servers: IntArray | None = None
    beta: float = 0.5
    interaction: Interaction = "update"
    migration_weight: float = 1.0
    companion_bits: float = field(default=0.0, metadata=UNHASHED_DEFAULT)

    kind: ClassVar[str] = "migration"
    maximise: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.network.channel is None:
            raise InputError("a migration problem needs a channel", where="channel")
        if self.previous is None:
            raise InputError("is missing", where="previous", mend="give the server of each twin, -1 for a new one")
        n, m = self.n_users, self.n_stations
        self._set("previous", int_array(self.previous, "previous", shape=(n,), minimum=-1, maximum=m - 1))
        if self.servers is not None:
            servers = int_array(self.servers, "servers", minimum=0, maximum=m - 1)
            if servers.ndim != 1 or servers.size == 0 or np.unique(servers).size != servers.size:
                raise InputError("must be a list of at least one station, each once", where="servers")
            servers = np.sort(servers)
            servers.flags.writeable = False
            self._set("servers", servers)
        self._set("beta", number(self.beta, "utility.beta", minimum=0.0, maximum=1.0))
        self._set("migration_weight", number(self.migration_weight, "utility.migration_weight", minimum=0.0))
        self._set("companion_bits", number(self.companion_bits, "utility.companion_bits", minimum=0.0))
        choice(self.interaction, "utility.interaction", Interaction)
        deadline = self.network.users.deadline_s
        if (deadline > LONGEST_UTILITY_DEADLINE_S).any():
            raise InputError(
                f"a migration problem needs deadlines of at most {LONGEST_UTILITY_DEADLINE_S:g} s",
                where=f"users[{int((deadline > LONGEST_UTILITY_DEADLINE_S).argmax())}].deadline_s",
                mend="(20) takes e to the power of the deadline",
            )

    @property
    def load_bits(self) -> FloatArray:
        """ΔD_i or D_i, as `interaction` says."""
        users = self.network.users
        return users.update_bits if self.interaction == "update" else users.data_bits

    @property
    def deadline_bits(self) -> FloatArray:
        """The same bits: (21c) bounds T_i(t) itself."""
        return self.load_bits

    @cached_property
    def wireless_latency(self) -> FloatArray:
        """Wireless part of T_i(t), shape (N,), s."""
        return self.network.wireless_latency(self.load_bits)

    @cached_property
    def energy_j(self) -> FloatArray:
        """E_i = p_i times the wireless time, (19), J, shape (N,)."""
        power = self.network.users.tx_power_w
        with np.errstate(invalid="ignore"):
            # A user without power has no coverage: its energy is 0, not 0 · ∞.
            return np.where(power > 0, power * self.wireless_latency, 0.0)

    @property
    def move_seconds_per_m(self) -> FloatArray:
        """Weighted time that moving a twin by a metre of wire adds to T_i(t), shape (N,), s/m."""
        bits = self.network.users.data_bits + self.companion_bits
        return np.asarray(self.migration_weight * self.network.backhaul_s_per_bit_m * bits)

    def move_latency(self, users: IntArray, servers: IntArray) -> FloatArray:
        """Return the time to move twins from where they were to servers, φ D_i d(k, l), unweighted, s.

        What goes with them, `companion_bits`, counts as part of D_i.
        """
        before = self.previous[users]
        distance = self.network.station_distance(np.maximum(before, 0), servers)
        bits = self.network.users.data_bits[users] + self.companion_bits
        return np.asarray(np.where(before < 0, 0.0, self.network.backhaul_s_per_bit_m * bits * distance))

    def transfer_latency(self, users: IntArray, servers: IntArray) -> FloatArray:
        """Return wireless + wired + weighted moving time of pairs, s."""
        passes = self.network.wired_passes if self.interaction == "construction" else 1
        bits = passes * self.load_bits[users]
        wired = self.network.wired_latency(bits, users, servers)
        total = self.wireless_latency[users] + wired
        if self.migration_weight > 0:
            total = total + self.migration_weight * self.move_latency(users, servers)
        return np.asarray(total)

    def deadline_transfer_latency(self, users: IntArray, servers: IntArray) -> FloatArray:
        """Return the same as `transfer_latency`: (21c) bounds T_i(t) itself."""
        return self.transfer_latency(users, servers)

    @cached_property
    def server_allowed(self) -> BoolArray:
        """The stations in `servers`."""
        allowed = np.ones(self.n_stations, dtype=bool)
        if self.servers is not None:
            allowed[:] = False
            allowed[self.servers] = True
        return allowed

    @property
    def max_open(self) -> int:
        """Every allowed server may be used."""
        return int(np.count_nonzero(self.server_allowed))

    @cached_property
    def uncontrollable_objective(self) -> float:
        """C = β Σ e^(τ_i − wireless_i) − (1 − β) Σ E_i."""
        ideal = self.beta * total(exp(self.network.users.deadline_s - self.wireless_latency))
        return float(ideal - (1.0 - self.beta) * total(self.energy_j))
