"""The two problems: P1 `Placement` (18) and P2 `Migration` (21), over one common association problem.

Solvers that work for both see a problem through `Problem`: for each pair of user and server a transfer latency
(all that does not depend on who else is there), for each user the bits to be computed, and the CPU-sharing
policy that turns an association into CPU shares. `dtopt.sharing` has the shares, `dtopt.evaluation` the judge.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar, Literal, get_args

import numpy as np

from dtopt.arrays import BoolArray, FloatArray, IntArray, float_array, int_array, number
from dtopt.errors import InputError
from dtopt.fingerprint import UNHASHED_DEFAULT, fingerprint

if TYPE_CHECKING:
    from dtopt.network import Network

__all__ = ["DeadlineMode", "Interaction", "Migration", "Objective", "Placement", "Problem", "Sharing"]

Sharing = Literal["optimal", "equal", "fixed"]
DeadlineMode = Literal["hard", "soft"]
Objective = Literal["system-cost", "latency"]
Interaction = Literal["update", "construction"]

#: e^τ of (20) must not overflow.
LONGEST_UTILITY_DEADLINE_S = 600.0


def _choice(value: str, where: str, kinds: object) -> None:
    if value not in get_args(kinds):
        raise InputError(f"unknown value {value!r}", where=where, mend=f"one of {', '.join(get_args(kinds))}")


@dataclass(frozen=True, eq=False)
class Problem(ABC):
    """What P1 and P2 share: each user's twin goes to one server, and servers share their CPU among their twins.

    Parameters
    ----------
    network : Network
    sharing : Sharing
        How CPU shares f_ik follow from the association: ``optimal``, ``equal`` or ``fixed``.
    demand_hz : array_like, shape (N,) or (N, M), optional
        With ``fixed`` sharing: the CPU that each twin (or each pair) takes, cycles/s.
    deadline : DeadlineMode
        ``hard``: a missed deadline makes a solution infeasible. ``soft``: it costs `deadline_penalty` for each second.
    deadline_penalty : float
        Price of one second of lateness of one user, in seconds of latency (P1) or units of utility (P2).
    name : str
        For people; not part of the content.

    Raises
    ------
    InputError
        On wrong values or shapes.
    """

    network: Network
    sharing: Sharing = "optimal"
    demand_hz: FloatArray | None = None
    deadline: DeadlineMode = "hard"
    deadline_penalty: float = 10.0
    name: str = ""

    #: "placement" or "migration".
    kind: ClassVar[str]
    #: Whether a larger objective is better.
    maximise: ClassVar[bool]

    def __post_init__(self) -> None:
        _choice(self.sharing, "sharing", Sharing)
        _choice(self.deadline, "deadline", DeadlineMode)
        self._set("deadline_penalty", number(self.deadline_penalty, "deadline_penalty", minimum=0.0))
        if (self.demand_hz is not None) != (self.sharing == "fixed"):
            raise InputError(
                "goes with fixed sharing and only with it",
                where="demand_hz",
                mend='give both or neither of demand_hz and sharing "fixed"',
            )
        if self.demand_hz is not None:
            demand = np.asarray(self.demand_hz)
            shape = (self.n_users, self.n_stations) if demand.ndim == 2 else (self.n_users,)
            self._set("demand_hz", float_array(demand, "demand_hz", shape=shape, minimum=0.0, exclusive=True))

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)

    def _repr_html_(self) -> str:
        from dtopt.notebook import problem_html

        return problem_html(self)

    # --- sizes and data -------------------------------------------------------------------------------------------

    @property
    def n_users(self) -> int:
        """N."""
        return self.network.users.count

    @property
    def n_stations(self) -> int:
        """M."""
        return self.network.stations.count

    @property
    def deadlines_bind(self) -> bool:
        """Whether deadlines restrict the solutions: they are hard and at least one is finite."""
        return self.deadline == "hard" and bool(np.isfinite(self.network.users.deadline_s).any())

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 of all that defines the problem; names and labels are left out."""
        return fingerprint(self)

    @property
    @abstractmethod
    def load_bits(self) -> FloatArray:
        """w_i, bits whose processing time counts in the user's latency, shape (N,)."""

    @property
    @abstractmethod
    def deadline_bits(self) -> FloatArray:
        """Bits whose processing time counts against the deadline, shape (N,)."""

    @abstractmethod
    def transfer_latency(self, users: IntArray, servers: IntArray) -> FloatArray:
        """Return the latency of pairs before computing: wireless, wired and moving the twin, weighted, s.

        `users` and `servers` broadcast to one shape.
        """

    @abstractmethod
    def deadline_transfer_latency(self, users: IntArray, servers: IntArray) -> FloatArray:
        """Return the part of the latency before computing that counts against the deadline, s."""

    @cached_property
    def load_cycles(self) -> FloatArray:
        """κ w_i, cycles, shape (N,)."""
        return self.network.cycles_per_bit * self.load_bits

    @cached_property
    def deadline_cycles(self) -> FloatArray:
        """κ times `deadline_bits`, cycles, shape (N,)."""
        return self.network.cycles_per_bit * self.deadline_bits

    @cached_property
    def root_load(self) -> FloatArray:
        """s_i = √(κ w_i), the user's weight in the optimal sharing of a CPU, shape (N,)."""
        return np.sqrt(self.load_cycles)

    @property
    @abstractmethod
    def server_allowed(self) -> BoolArray:
        """Which stations may act as servers, shape (M,)."""

    @property
    @abstractmethod
    def max_open(self) -> int:
        """The largest number of servers that may be open."""

    # --- pairs ----------------------------------------------------------------------------------------------------

    def demand(self, users: IntArray, servers: IntArray) -> FloatArray:
        """Return the CPU that pairs take under ``fixed`` sharing, cycles/s."""
        assert self.demand_hz is not None  # noqa: S101 - checked at construction
        if self.demand_hz.ndim == 2:
            return np.asarray(self.demand_hz[users, servers])
        return np.broadcast_to(self.demand_hz[users], np.broadcast_shapes(users.shape, servers.shape))

    def compute_floor(self, users: IntArray, servers: IntArray) -> FloatArray:
        """Return the least CPU with which pairs meet a hard deadline, cycles/s; infinite where none does.

        κ D_i / (τ_i − com_ik(D_i)), from (15); 0 where deadlines are soft or absent.
        """
        shape = np.broadcast_shapes(users.shape, servers.shape)
        if not self.deadlines_bind:
            return np.zeros(shape)
        # Half the evaluator's tolerance, so that a deadline just met counts as met in spite of rounding.
        deadline = self.network.users.deadline_s[users] * (1.0 + 5e-10)
        slack = deadline - self.deadline_transfer_latency(users, servers)
        cycles = np.broadcast_to(self.deadline_cycles[users], shape)
        with np.errstate(divide="ignore", invalid="ignore"):
            # With nothing to compute the deadline is met or not by the transfer alone.
            return np.where(slack > 0, cycles / slack, np.where((slack == 0) & (cycles == 0), 0.0, np.inf))

    def pair_allowed(self, users: IntArray, servers: IntArray) -> BoolArray:
        """Return whether each pair could be part of a feasible solution were the user alone on the server."""
        stations = self.network.stations
        ok = self.server_allowed[servers] & (stations.capacity[servers] > 0)
        ok = ok & np.isfinite(self.transfer_latency(users, servers))
        floor = self.compute_floor(users, servers)
        if self.sharing == "fixed":
            demand = self.demand(users, servers)
            return np.asarray(ok & (floor <= demand) & (demand <= stations.cpu_hz[servers]))
        return np.asarray(ok & (floor <= stations.cpu_hz[servers]))

    @cached_property
    def _grid(self) -> tuple[IntArray, IntArray]:
        return np.arange(self.n_users)[:, None], np.arange(self.n_stations)[None, :]

    @cached_property
    def transfer_matrix(self) -> FloatArray:
        """`transfer_latency` of all pairs, shape (N, M). For instances that are not large."""
        return self.transfer_latency(*self._grid)

    @cached_property
    def floor_matrix(self) -> FloatArray:
        """`compute_floor` of all pairs, shape (N, M). For instances that are not large."""
        return self.compute_floor(*self._grid)

    @cached_property
    def allowed_matrix(self) -> BoolArray:
        """`pair_allowed` of all pairs, shape (N, M). For instances that are not large."""
        return self.pair_allowed(*self._grid)


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
        T_i for each pair, replacing the physics; only with ``fixed`` sharing and no channel: generalized assignment.

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
        _choice(self.objective, "objective", Objective)
        self._set("latency_weight", number(self.latency_weight, "weights.latency", minimum=0.0, exclusive=True))
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
            matrix = float_array(self.pair_latency_s, "pair_latency_s", shape=shape, minimum=0.0, infinite=True)
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
        return float(users.tx_power_w @ self.construction_wireless)

    @property
    def constant_cost(self) -> float:
        """The part of the objective that no decision changes."""
        return self.cost_weight * self.energy_j if self.objective == "system-cost" else 0.0


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
        β of (20), between 0 and 1.
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
        self._set("beta", number(self.beta, "utility.beta", minimum=0.0, maximum=1.0, exclusive=True))
        self._set("migration_weight", number(self.migration_weight, "utility.migration_weight", minimum=0.0))
        self._set("companion_bits", number(self.companion_bits, "utility.companion_bits", minimum=0.0))
        _choice(self.interaction, "utility.interaction", Interaction)
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
        return self.network.users.tx_power_w * self.wireless_latency

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
        return int(self.server_allowed.sum())
