"""What P1 and P2 share: `Problem`, the association problem that solvers of both see."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from dtopt.arrays import BoolArray, FloatArray, IntArray, choice, float_array, number
from dtopt.errors import InputError
from dtopt.fingerprint import fingerprint
from dtopt.sharing import compute_latency
from dtopt.tolerances import ROUNDING, relaxed, within

if TYPE_CHECKING:
    from dtopt.network import Network

__all__ = ["DeadlineMode", "Problem", "Sharing"]

Sharing = Literal["optimal", "equal", "fixed"]
DeadlineMode = Literal["hard", "soft"]


@dataclass(frozen=True, eq=False)
class Problem(ABC):
    """What P1 and P2 share: each user's twin goes to one server, and servers share their CPU among their twins.

    Parameters
    ----------
    network : Network
    sharing : Sharing
        How CPU shares f_ik follow from the association: ``optimal``, ``equal`` or ``fixed``.
    demand_hz : array_like, shape (N,) or (N, M), optional
        With ``fixed`` sharing: the CPU that each twin (or each pair) takes, cycles/s, >= 0.
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
        choice(self.sharing, "sharing", Sharing)
        choice(self.deadline, "deadline", DeadlineMode)
        self._set("deadline_penalty", number(self.deadline_penalty, "deadline_penalty", minimum=0.0))
        cpu = self.network.stations.cpu_hz
        if self.sharing != "fixed" and not cpu.all():
            k = int((cpu == 0).argmax())
            mend = f"a station without a server has capacity 0; {self.sharing} sharing needs CPU to share"
            raise InputError("must be > 0, got 0", where=f"stations[{k}].cpu_hz", mend=mend)
        if (self.demand_hz is not None) != (self.sharing == "fixed"):
            raise InputError(
                "goes with fixed sharing and only with it",
                where="demand_hz",
                mend='give both or neither of demand_hz and sharing "fixed"',
            )
        if self.demand_hz is not None:
            demand = np.asarray(self.demand_hz)
            shape = (self.n_users, self.n_stations) if demand.ndim == 2 else (self.n_users,)
            self._set("demand_hz", float_array(demand, "demand_hz", shape=shape, minimum=0.0))

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
    def wireless_latency(self) -> FloatArray:
        """Wireless part of T_i, shape (N,), s; infinite for a user without coverage who has something to send."""

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

    @property
    @abstractmethod
    def uncontrollable_objective(self) -> float:
        """C, the objective if only what no decision changes counted; see `dtopt.result.controllable_gap`."""

    # --- pairs ----------------------------------------------------------------------------------------------------

    def demand(self, users: IntArray, servers: IntArray) -> FloatArray:
        """Return the CPU that pairs take under ``fixed`` sharing, cycles/s."""
        assert self.demand_hz is not None  # noqa: S101 - checked at construction
        if self.demand_hz.ndim == 2:
            return np.asarray(self.demand_hz[users, servers])
        return np.broadcast_to(self.demand_hz[users], np.broadcast_shapes(users.shape, servers.shape))

    @property
    def reserves_cpu(self) -> bool:
        """Whether twins take a given least part of the CPU: demands, or floors from hard deadlines."""
        return self.sharing == "fixed" or (self.sharing == "optimal" and self.deadlines_bind)

    @property
    def cpu_limit_hz(self) -> FloatArray:
        """The most CPU that each server may give, cycles/s, shape (M,).

        F_k with the tolerance of `dtopt.tolerances` where CPU is reserved, F_k where the policy shares out just that.
        """
        cpu = self.network.stations.cpu_hz
        return relaxed(cpu) if self.reserves_cpu else cpu

    def alone_hz(self, users: IntArray, servers: IntArray) -> FloatArray:
        """Return the most CPU that pairs can get, with the user alone on the server, cycles/s."""
        if self.sharing == "fixed":
            return self.demand(users, servers)
        shape = np.broadcast_shapes(users.shape, servers.shape)
        return np.broadcast_to(self.cpu_limit_hz[servers], shape)

    def most_twins(self, users: IntArray, servers: IntArray) -> IntArray:
        """Return the most twins, at most N, among which pairs meet hard deadlines under ``equal`` sharing."""
        floor = self.compute_floor(users, servers)
        with np.errstate(divide="ignore"):
            most = self.network.stations.cpu_hz[servers] * (1.0 + ROUNDING) / floor
        return np.minimum(np.floor(most), self.n_users).astype(np.int64)

    def reserved_hz(self, users: IntArray, servers: IntArray) -> FloatArray:
        """Return the least CPU that pairs take: demands or deadline floors, 0 where no CPU is reserved, cycles/s."""
        if self.sharing == "fixed":
            return self.demand(users, servers)
        if self.sharing == "optimal":
            return self.compute_floor(users, servers)
        return np.zeros(np.broadcast_shapes(users.shape, servers.shape))

    def reserved_part(self, users: IntArray, servers: IntArray) -> FloatArray:
        """Return the least part of `cpu_limit_hz` that pairs take; on a server the parts sum to at most 1."""
        need = self.reserved_hz(users, servers)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(need > 0, need / self.cpu_limit_hz[servers], 0.0)

    def fixed_latency(self, users: IntArray, servers: IntArray) -> FloatArray:
        """Return T_i of pairs under ``fixed`` sharing, where it is a constant, s; infinite where it never ends."""
        compute = compute_latency(self.load_cycles[users], self.demand(users, servers))
        return np.asarray(self.transfer_latency(users, servers) + compute)

    def fixed_deadline_latency(self, users: IntArray, servers: IntArray) -> FloatArray:
        """Return what counts against the deadline of pairs under ``fixed`` sharing, s."""
        compute = compute_latency(self.deadline_cycles[users], self.demand(users, servers))
        return np.asarray(self.deadline_transfer_latency(users, servers) + compute)

    def fixed_penalty(self, users: IntArray, servers: IntArray) -> FloatArray:
        """Return the price of the lateness of pairs under ``fixed`` sharing and soft deadlines; 0 under hard ones.

        In seconds of latency (P1) or units of utility (P2).
        """
        if self.deadline == "hard" or self.deadline_penalty == 0.0:
            return np.zeros(np.broadcast_shapes(users.shape, servers.shape))
        late = self.fixed_deadline_latency(users, servers)
        deadline = self.network.users.deadline_s[users]
        with np.errstate(invalid="ignore"):
            return np.where(late > deadline, self.deadline_penalty * (late - deadline), 0.0)

    def compute_floor(self, users: IntArray, servers: IntArray) -> FloatArray:
        """Return the least CPU with which pairs meet a hard deadline, cycles/s; infinite where none does.

        κ D_i / (τ_i − com_ik(D_i)), from (15) with the tolerance on τ_i; 0 where deadlines are soft or absent. A pair
        meets its deadline where it does so with `alone_hz`, and its floor is then at most that.
        """
        shape = np.broadcast_shapes(users.shape, servers.shape)
        if not self.deadlines_bind:
            return np.zeros(shape)
        deadline = self.network.users.deadline_s[users]
        transfer = self.deadline_transfer_latency(users, servers)
        cycles = np.broadcast_to(self.deadline_cycles[users], shape)
        most = self.alone_hz(users, servers)
        with np.errstate(divide="ignore", invalid="ignore"):
            slack = relaxed(deadline) - transfer
            floor = np.where((slack > 0) & (cycles > 0), cycles / slack, np.where(cycles > 0, np.inf, 0.0))
        # As the evaluator judges it: where transfer takes nearly all the time, the slack is mostly rounding.
        met = transfer + compute_latency(cycles, most) <= within(deadline)
        return np.where(met, np.minimum(floor, most), np.inf)

    def pair_allowed(self, users: IntArray, servers: IntArray) -> BoolArray:
        """Return whether each pair could be part of a feasible solution were the user alone on the server."""
        stations = self.network.stations
        ok = self.server_allowed[servers] & (stations.capacity[servers] > 0)
        if self.sharing == "fixed":
            latency = self.fixed_latency(users, servers)
            ok = ok & (self.demand(users, servers) <= self.cpu_limit_hz[servers])
        else:
            latency = self.transfer_latency(users, servers)
        return np.asarray(ok & np.isfinite(latency) & np.isfinite(self.compute_floor(users, servers)))

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
