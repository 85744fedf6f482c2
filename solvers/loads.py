"""What constructive methods share: the state of all servers while users are added one by one.

`ServerLoads` answers, for one user and all servers at once, what joining would cost and whether it would be feasible:
exactly for P1 under all three sharing policies while no deadline clamps a CPU share, and to first order for P2, whose
utility is not additive.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dtopt.problem import Migration, Placement
from dtopt.sharing import compute_latency
from dtopt.solution import UNASSIGNED

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dtopt.arrays import BoolArray, FloatArray, IntArray
    from dtopt.problem import Problem

__all__ = ["ServerLoads", "largest_servers", "regrets"]

#: Up to this many pairs, matrices of all pairs are kept; above it, rows are computed when asked for.
DENSE_PAIRS = 4_000_000


def largest_servers(problem: Problem) -> BoolArray:
    """Return a mask of the servers of largest capacity, then CPU, as many as may be open; shape (M,)."""
    stations = problem.network.stations
    capacity = np.minimum(stations.capacity, problem.n_users)
    order = np.lexsort((-stations.cpu_hz, -capacity, ~problem.server_allowed))
    is_open = np.zeros(problem.n_stations, dtype=bool)
    is_open[order[: problem.max_open]] = True
    return is_open


class ServerLoads:
    """The association under construction and the load of each server.

    Parameters
    ----------
    problem : Problem
    is_open : ndarray of bool, shape (M,), optional
        Servers that users may join; all that the problem allows where not given.
    """

    def __init__(self, problem: Problem, is_open: BoolArray | None = None) -> None:
        m = problem.n_stations
        self.problem = problem
        self.is_open = problem.server_allowed.copy() if is_open is None else is_open & problem.server_allowed
        self.association = np.full(problem.n_users, UNASSIGNED, dtype=np.int64)
        self.count = np.zeros(m, dtype=np.int64)
        #: Σ √(κ w) under optimal sharing, Σ κ w under equal sharing.
        self.load = np.zeros(m)
        #: CPU set aside: Σ demand under fixed sharing, Σ deadline floors under optimal.
        self.reserved = np.zeros(m)
        #: The largest deadline floor on each server, which under equal sharing bounds the number of twins.
        self.steepest = np.zeros(m)
        #: P2: how fast the utility of those on the server falls as its load grows.
        self.pressure = np.zeros(m)
        self._cpu = problem.network.stations.cpu_hz
        self._limit = problem.cpu_limit_hz
        self._capacity = problem.network.stations.capacity
        self._servers = np.arange(m)
        self._dense = problem.n_users * m <= DENSE_PAIRS
        self._loads = problem.root_load if problem.sharing == "optimal" else problem.load_cycles

    def copy(self) -> ServerLoads:
        """Return an independent copy, to try something on."""
        twin = object.__new__(ServerLoads)
        twin.__dict__.update(self.__dict__)
        for name in ("is_open", "association", "count", "load", "reserved", "steepest", "pressure"):
            setattr(twin, name, getattr(self, name).copy())
        return twin

    # --- pairs ----------------------------------------------------------------------------------------------------

    def _transfer(self, users: IntArray) -> FloatArray:
        if self._dense:
            return self.problem.transfer_matrix[users]
        return self.problem.transfer_latency(users[:, None], self._servers)

    def _floor(self, users: IntArray) -> FloatArray | float:
        if not self.problem.deadlines_bind:
            return 0.0
        if self._dense:
            return self.problem.floor_matrix[users]
        return self.problem.compute_floor(users[:, None], self._servers)

    def _pair_floor(self, users: IntArray, servers: IntArray) -> FloatArray:
        if self._dense:
            return np.asarray(self.problem.floor_matrix[users, servers])
        return self.problem.compute_floor(users, servers)

    def feasible(self, users: IntArray) -> BoolArray:
        """Return whether each of `users` could join each server now, shape (len(users), M)."""
        problem = self.problem
        ok = np.broadcast_to(self.is_open & (self.count < self._capacity), (users.size, self._servers.size))
        if problem.sharing == "fixed":
            demand = problem.demand(users[:, None], self._servers)
            ok = ok & (self.reserved + demand <= self._limit) & np.isfinite(self._floor(users))
        elif problem.deadlines_bind:
            floor = np.asarray(self._floor(users))
            if problem.sharing == "optimal":
                ok = ok & (self.reserved + floor <= self._limit)
            else:
                ok = ok & ((self.count + 1) * np.maximum(self.steepest, floor) <= self._limit)
        return np.asarray(ok & np.isfinite(self._transfer(users)))

    def marginal(self, users: IntArray) -> FloatArray:
        """Return what the objective (to be minimised) gains if each of `users` alone joined each server.

        Shape (len(users), M); infinite where it may not. Opening costs are left out.
        """
        problem = self.problem
        load = self._loads[users][:, None]
        transfer = self._transfer(users)
        if problem.sharing == "fixed":
            compute = compute_latency(
                problem.load_cycles[users][:, None], problem.demand(users[:, None], self._servers)
            )
            others: FloatArray = np.zeros_like(compute)
        elif problem.sharing == "optimal":
            compute = load * (self.load + load) / self._cpu
            others = load * self.load / self._cpu
        else:
            compute = (self.count + 1) * load / self._cpu
            others = np.broadcast_to(self.load / self._cpu, compute.shape)
        if isinstance(problem, Placement):
            cost = problem.user_weight * (transfer + compute + others + self._penalty(users, compute))
        else:
            assert isinstance(problem, Migration)  # noqa: S101 - the two problems there are
            step = load if problem.sharing == "optimal" else 1.0
            own = problem.beta * np.exp(problem.network.users.deadline_s[users][:, None] - transfer - compute)
            cost = self.pressure * step - own + self._penalty(users, compute)
        return np.where(self.feasible(users), cost, np.inf)

    def _penalty(self, users: IntArray, compute: FloatArray) -> FloatArray | float:
        """Return what soft deadlines add for the users themselves (not for those already there)."""
        problem = self.problem
        if problem.deadline != "soft" or not np.isfinite(problem.network.users.deadline_s[users]).any():
            return 0.0
        cycles = problem.load_cycles[users][:, None]
        part = np.divide(problem.deadline_cycles[users][:, None], cycles, out=np.ones_like(cycles), where=cycles > 0)
        late = problem.deadline_transfer_latency(users[:, None], self._servers) + compute * part
        deadline = problem.network.users.deadline_s[users][:, None]
        # Pairs that take for ever are not feasible, whatever their lateness costs.
        missed = (late > deadline) & np.isfinite(late)
        return problem.deadline_penalty * np.subtract(late, deadline, out=np.zeros(missed.shape), where=missed)

    def server_cost(self, server: int) -> float:
        """Return what a server and its users add to a P1 objective, its opening included.

        Exact but for deadlines that clamp CPU shares, which it passes over: then it is a lower bound.
        """
        problem = self.problem
        assert isinstance(problem, Placement)  # noqa: S101 - utilities do not add up by server
        members = np.flatnonzero(self.association == server)
        place = np.full(members.size, server)
        cycles, root = problem.load_cycles[members], problem.root_load[members]
        if problem.sharing == "fixed":
            share = problem.demand(members, place)
        elif problem.sharing == "equal":
            share = np.full(members.size, self._cpu[server] / max(members.size, 1))
        else:
            share = self._cpu[server] * root / max(float(root.sum()), 1e-300)
        latency = problem.transfer_latency(members, place).sum() + compute_latency(cycles, share).sum()
        if problem.deadline == "soft":
            late = problem.deadline_transfer_latency(members, place)
            late = late + compute_latency(problem.deadline_cycles[members], share)
            excess = np.maximum(0.0, late - problem.network.users.deadline_s[members])
            latency += problem.deadline_penalty * excess.sum()
        return float(problem.user_weight * latency + problem.opening_cost * bool(self.is_open[server]))

    # --- changes --------------------------------------------------------------------------------------------------

    def add(self, user: int, server: int) -> None:
        """Put a user on a server."""
        self.association[user] = server
        self.count[server] += 1
        self.load[server] += self._loads[user]
        one = np.array([user])
        if self.problem.sharing == "fixed":
            self.reserved[server] += self.problem.demand(one, np.array([server]))[0]
        elif self.problem.deadlines_bind:
            floor = float(self._pair_floor(one, np.array([server]))[0])
            self.reserved[server] += floor
            self.steepest[server] = max(self.steepest[server], floor)
        self._update_pressure(server)

    def remove(self, user: int) -> int:
        """Take a user off its server and return that server."""
        server = int(self.association[user])
        self.association[user] = UNASSIGNED
        self.rebuild([server])
        return server

    def rebuild(self, servers: Iterable[int]) -> None:
        """Recompute the state of some servers from the association, so that no rounding piles up."""
        for k in servers:
            members = np.flatnonzero(self.association == k)
            self.count[k] = members.size
            self.load[k] = self._loads[members].sum()
            self.reserved[k] = self.steepest[k] = 0.0
            if self.problem.sharing == "fixed":
                self.reserved[k] = self.problem.demand(members, np.full(members.size, k)).sum()
            elif self.problem.deadlines_bind and members.size:
                floor = self._pair_floor(members, np.full(members.size, k))
                self.reserved[k], self.steepest[k] = floor.sum(), floor.max()
            self._update_pressure(k)

    def _update_pressure(self, server: int) -> None:
        problem = self.problem
        if not isinstance(problem, Migration) or problem.sharing == "fixed":
            return
        members = np.flatnonzero(self.association == server)
        cpu = self._cpu[server]
        weight = self._loads[members] / cpu
        compute = weight * (self.load[server] if problem.sharing == "optimal" else members.size)
        latency = problem.transfer_latency(members, np.full(members.size, server)) + compute
        slope = problem.beta * np.exp(problem.network.users.deadline_s[members] - latency) * weight
        self.pressure[server] = slope.sum()


def regrets(cost: FloatArray) -> FloatArray:
    """Return how much worse each user's second-best server is than its best.

    Parameters
    ----------
    cost : ndarray, shape (n, K)
        Infinite where a server cannot take a user.

    Returns
    -------
    ndarray, shape (n,)
        Infinite for users with one server left, minus infinity for those with none.
    """
    if cost.shape[1] == 1:
        return np.where(np.isfinite(cost[:, 0]), 0.0, -np.inf)
    two = np.partition(cost, 1, axis=1)[:, :2]
    with np.errstate(invalid="ignore"):
        regret = two[:, 1] - two[:, 0]
    return np.where(np.isfinite(two[:, 0]), regret, -np.inf)
