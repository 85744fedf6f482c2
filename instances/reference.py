"""A sensible association computed while an instance is made; not a solver, and never shown to one.

Deadlines that are tight and yet can be met have to be taken from some association, and a migration problem needs to
know where the twins were. Both come from here: users in order of size, each to the server of least marginal cost, then
servers closed and single users moved while that pays. Capacities and CPU demands are kept; deadlines are not looked at.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dtopt.nearest import nearest
from dtopt.problem import Placement

if TYPE_CHECKING:
    from dtopt.arrays import FloatArray, IntArray
    from dtopt.problem import Problem

__all__ = ["reference_association"]

#: Up to this many pairs every server is a candidate for every user.
MOST_PAIRS = 2_000_000
#: Above that, so many servers nearest to the user's access station.
CANDIDATES = 16
#: Up to this many pairs, closing servers and moving users are tried.
MOST_IMPROVED = 1_000_000
#: Passes of closing and moving.
PASSES = 4
#: A change must gain more than this many seconds, so that rounding never makes the passes go round in circles.
LEAST_GAIN = 1e-9


def reference_association(problem: Problem) -> IntArray | None:
    """Return an association that keeps capacities and CPU demands, shape (N,); None where none was found.

    Parameters
    ----------
    problem : Placement or Migration
        Its deadlines are not looked at. Under ``equal`` sharing the loads are weighed as under ``optimal``.
    """
    state = _State(problem)
    if not state.place_all():
        # Cost has filled the wrong servers: under fixed sharing, pack for room alone.
        state = _State(problem)
        if problem.sharing != "fixed" or not state.place_all(by_demand=True):
            return None
    if problem.n_users * problem.n_stations <= MOST_IMPROVED:
        for _ in range(PASSES):
            closed, moved = state.close_servers(), state.move_users()
            if not closed and not moved:
                break
    return state.association


class _State:
    """A partial association and what each server holds; costs are seconds of latency summed over users."""

    def __init__(self, problem: Problem) -> None:
        n, m = problem.n_users, problem.n_stations
        self.problem = problem
        self.servers = np.flatnonzero(problem.server_allowed)
        everyone = np.arange(n)[:, None]
        self.candidates = np.broadcast_to(self.servers, (n, self.servers.size))
        if n * m > MOST_PAIRS:
            self.candidates = _nearest_servers(problem, self.servers)
        self.cpu = problem.network.stations.cpu_hz
        self.latency, self.demand = self._pairs(everyone, self.candidates)
        # What each user adds to the load L_k = Σ √(κ w_i) that an optimally shared server carries.
        self.root_load = np.zeros(n) if problem.sharing == "fixed" else problem.root_load
        self.opening = problem.opening_cost / problem.user_weight if isinstance(problem, Placement) else 0.0
        self.room = np.minimum(problem.network.stations.capacity, n)
        self.cpu_left = self.cpu.copy()
        self.load = np.zeros(m)
        self.count = np.zeros(m, dtype=np.int64)
        self.association = np.full(n, -1, dtype=np.int64)

    def place_all(self, *, by_demand: bool = False) -> bool:
        """Place all users, the largest first; return whether all found a server."""
        if self.problem.sharing == "fixed":
            size = (self.demand / self.cpu[self.candidates]).min(axis=1)
        else:
            size = self.root_load
        # One user alone never pays for a server, so all are open at first.
        opening, self.opening = self.opening, 0.0
        placed = all(self._place(user, by_demand=by_demand) for user in np.argsort(-size, kind="stable").tolist())
        self.opening = opening
        return placed

    def close_servers(self) -> bool:
        """Close servers, those with few twins first, while their users come cheaper elsewhere."""
        any_closed = False
        for server in np.argsort(self.count, kind="stable").tolist() if self.opening else []:
            members = np.flatnonzero(self.association == server)
            if members.size:
                before = self.load.copy(), self.count.copy(), self.cpu_left.copy(), self.association.copy()
                saved = 0.0
                for user in members.tolist():
                    saved += self._remove(user)
                room, self.room[server] = self.room[server], 0
                added = 0.0
                for user in members[np.argsort(-self.root_load[members], kind="stable")].tolist():
                    added += float(self._cost(user).min())
                    if added > saved - LEAST_GAIN or not self._place(user):
                        self.load, self.count, self.cpu_left, self.association = before
                        break
                else:
                    any_closed = True
                self.room[server] = room
        return any_closed

    def move_users(self) -> bool:
        """Move single users while that is cheaper."""
        any_moved = False
        for user in range(self.association.size):
            server = int(self.association[user])
            saved = self._remove(user)
            cost = self._cost(user)
            best = int(self.servers[cost.argmin()])
            better = best != server and cost.min() < saved - LEAST_GAIN
            self._add(user, best if better else server)
            any_moved |= better
        return any_moved

    # --- one user -------------------------------------------------------------------------------------------------

    def _pairs(self, users: IntArray, servers: IntArray) -> tuple[FloatArray, FloatArray]:
        """Return latency (with computing under ``fixed`` sharing) and CPU demand (0 under the others) of pairs."""
        latency = self.problem.transfer_latency(users, servers)
        if self.problem.sharing != "fixed":
            return latency, np.zeros(latency.shape)
        demand = np.broadcast_to(self.problem.demand(users, servers), latency.shape)
        return latency + self.problem.load_cycles[users] / demand, demand

    def _cost(self, user: int, *, anywhere: bool = False) -> FloatArray:
        """Return what a user would add on its candidates (or on all servers), infinite where it does not fit."""
        servers, latency, demand = self.candidates[user], self.latency[user], self.demand[user]
        if anywhere:
            servers = self.servers
            latency, demand = self._pairs(np.array([user]), servers)
        root = float(self.root_load[user])
        cost = latency + root * (2.0 * self.load[servers] + root) / self.cpu[servers]
        cost = cost + self.opening * (self.count[servers] == 0)
        return np.where((self.count[servers] < self.room[servers]) & (demand <= self.cpu_left[servers]), cost, np.inf)

    def _place(self, user: int, *, by_demand: bool = False) -> bool:
        servers, cost = self.candidates[user], self._cost(user)
        if not np.isfinite(cost).any():
            servers, cost = self.servers, self._cost(user, anywhere=True)
        elif by_demand:
            cost = np.where(np.isfinite(cost), self.demand[user] / self.cpu[servers], np.inf)
        best = int(cost.argmin())
        if np.isfinite(cost[best]):
            self._add(user, int(servers[best]))
        return bool(np.isfinite(cost[best]))

    def _add(self, user: int, server: int) -> None:
        self.association[user] = server
        self._count(user, server, 1)

    def _remove(self, user: int) -> float:
        """Take a user off its server and return what that saves, with the opening cost if it was the last one."""
        server = int(self.association[user])
        self.association[user] = -1
        self._count(user, server, -1)
        root, slot = float(self.root_load[user]), int(np.searchsorted(self.servers, server))
        saved = self.latency[user, slot] + root * (2.0 * self.load[server] + root) / self.cpu[server]
        return float(saved + (self.opening if self.count[server] == 0 else 0.0))

    def _count(self, user: int, server: int, sign: int) -> None:
        self.load[server] += sign * self.root_load[user]
        self.count[server] += sign
        if self.problem.sharing == "fixed":
            pair = np.array(user), np.array(server)
            self.cpu_left[server] -= sign * float(self.problem.demand(*pair))


def _nearest_servers(problem: Problem, servers: IntArray) -> IntArray:
    """Return the servers nearest to each user's access station, shape (N, CANDIDATES)."""
    position = problem.network.stations.position_m
    assert position is not None  # noqa: S101 - generated stations have positions
    count = min(CANDIDATES, servers.size)
    by_station = servers[nearest(position[servers], position, count)]
    return np.asarray(by_station[problem.network.access_station])
