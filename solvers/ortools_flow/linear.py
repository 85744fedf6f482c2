"""An association problem linearised at the present loads of its servers.

All policies have one form. A twin brings x_i to its server and suffers y_i X_k / F_k from X_k = Σ x_i a_ik, with
x_i = y_i = √(κ w_i) under ``optimal`` sharing, x_i = 1 and y_i = κ w_i under ``equal``; under ``fixed`` both are 0. So
P1 costs Σ c_ik a_ik + u Σ_k X_k Y_k / F_k, and P2 is worth Σ β e^{τ_i − com_ik − y_i X_k / F_k}.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dtopt.problem import Migration, Placement
from dtopt.sharing import compute_latency
from dtopt.tolerances import ROUNDING

if TYPE_CHECKING:
    from dtopt.arrays import BoolArray, FloatArray, IntArray
    from dtopt.problem import Problem

__all__ = ["MOST_PAIRS", "Linearised"]

#: Pairs of user and server that the dense matrices are made for.
MOST_PAIRS = 5_000_000


class Linearised:
    """Costs of pairs at given loads, to be minimised; for P2 the negative of the utility.

    Parameters
    ----------
    problem : Problem

    Attributes
    ----------
    cost : ndarray, shape (N, M)
        What a pair costs whatever else is on the server (0 under P2 but for ``fixed`` sharing), infinite where it is
        not allowed.
    need : ndarray, shape (N, M), or None
        Part of the CPU that must be set aside for a pair, where that is a constraint.
    most : ndarray of int, shape (N, M), or None
        The largest number of twins among which a user keeps its deadline under ``equal`` sharing.
    brings, suffers : ndarray, shape (N,)
        x and y.
    """

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        n, m = problem.n_users, problem.n_stations
        self.cpu: FloatArray = problem.network.stations.cpu_hz
        self.room: IntArray = np.minimum(problem.network.stations.capacity, n).astype(np.int64)
        self.allowed: BoolArray = problem.allowed_matrix
        users, servers = np.arange(n)[:, None], np.arange(m)[None, :]
        self.transfer: FloatArray = np.where(self.allowed, problem.transfer_matrix, np.inf)
        self.worth = problem.user_weight if isinstance(problem, Placement) else 1.0
        self.need: FloatArray | None = None
        self.most: IntArray | None = None
        self.brings, self.suffers = np.zeros(n), np.zeros(n)
        self.late: FloatArray | None = None
        deadline = problem.network.users.deadline_s
        if problem.deadline == "soft" and problem.deadline_penalty > 0 and np.isfinite(deadline).any():
            with np.errstate(invalid="ignore"):
                self.late = problem.deadline_transfer_latency(users, servers) - deadline[:, None]
        #: Seconds of deadline latency that X_k/F_k adds.
        self.delays = np.zeros(n)
        fixed = np.zeros((n, m))
        if problem.sharing == "fixed":
            demand = problem.demand(users, servers)
            self.need = np.where(self.allowed, problem.reserved_part(users, servers), 0.0)
            fixed = compute_latency(problem.load_cycles[:, None], demand)
            if self.late is not None:
                self.late = self.late + compute_latency(problem.deadline_cycles[:, None], demand)
        elif problem.sharing == "optimal":
            s = problem.root_load
            self.brings = self.suffers = s
            self.delays = np.divide(problem.deadline_cycles, s, out=np.zeros(n), where=s > 0)
            if problem.deadlines_bind:
                self.need = np.where(self.allowed, problem.reserved_part(users, servers), 0.0)
        else:
            self.brings, self.suffers = np.ones(n), problem.load_cycles
            self.delays = problem.deadline_cycles
            if problem.deadlines_bind:
                self.most = np.where(self.allowed, problem.most_twins(users, servers), 0)
        self.latency: FloatArray = self.transfer + fixed
        if isinstance(problem, Placement):
            self.cost: FloatArray = self.worth * self.latency
        else:
            self.cost = np.where(self.allowed, 0.0, np.inf)
        if problem.sharing == "fixed":
            self.cost = self.cost + self._own(np.zeros((n, m)))

    # --- loads ----------------------------------------------------------------------------------------------------

    def sums(self, weight: FloatArray, association: IntArray) -> FloatArray:
        """Return Σ weight_i a_ik, shape (M,)."""
        return np.bincount(association, weights=weight, minlength=self.cpu.size).astype(np.float64)

    def used(self, association: IntArray) -> FloatArray:
        """Return the part of each server's CPU that is set aside, shape (M,)."""
        if self.need is None:
            return np.zeros(self.cpu.size)
        return self.sums(self.need[np.arange(association.size), association], association)

    def pressure(self, association: IntArray) -> FloatArray:
        """Return what one more unit of X_k costs those on each server, to first order, shape (M,)."""
        problem = self.problem
        users = np.arange(association.size)
        if problem.sharing == "fixed":
            return np.zeros(self.cpu.size)
        brought = (self.sums(self.brings, association) / self.cpu)[association]
        if isinstance(problem, Migration):
            latency = self.transfer[users, association] + self.suffers * brought
            slope = problem.beta * np.exp(problem.network.users.deadline_s - latency) * self.suffers
        else:
            slope = self.worth * self.suffers
        if self.late is not None:
            late = self.late[users, association] + self.delays * brought > 0
            slope = slope + np.where(late, self.worth * problem.deadline_penalty * self.delays, 0.0)
        return self.sums(slope, association) / self.cpu

    # --- costs ----------------------------------------------------------------------------------------------------

    def gradient(self, brought: FloatArray, pressure: FloatArray) -> FloatArray:
        """Return what pairs cost at loads X and their pressure, shape (N, M)."""
        if self.problem.sharing == "fixed":
            return self.cost
        load = np.broadcast_to(brought / self.cpu, self.cost.shape)
        return self.cost + self._own(load) + self.brings[:, None] * pressure

    def counted(self, count: IntArray) -> FloatArray:
        """Return what pairs cost under ``equal`` sharing where each server has so many twins: exact, shape (N, M)."""
        cost = self.gradient(count.astype(np.float64), np.zeros(self.cpu.size))
        return cost if self.most is None else np.where(count <= self.most, cost, np.inf)

    def marginal(self, association: IntArray) -> FloatArray:
        """Return what each user costs on each server while all others stay, shape (N, M).

        Exact for P1 but for others' soft deadlines and for deadlines that clamp shares, to first order for P2. Pairs
        for which there is no CPU, or under ``equal`` sharing too many twins, are infinite; capacity is left out.
        """
        users = np.arange(association.size)
        here = np.zeros(self.cost.shape, dtype=bool)
        here[users, association] = True
        if self.problem.sharing == "fixed":
            cost = self.cost
        else:
            # The load of a server with the user on it, and the pressure of those there without it.
            brought = self.sums(self.brings, association) + np.where(here, 0.0, self.brings[:, None])
            pressure = np.broadcast_to(self.pressure(association), self.cost.shape)
            own = self.suffers[:, None] * self.worth / self.cpu
            if isinstance(self.problem, Migration):
                latency = self.transfer + self.suffers[:, None] * brought / self.cpu
                deadline = self.problem.network.users.deadline_s[:, None]
                own = self.problem.beta * np.exp(deadline - latency) * self.suffers[:, None] / self.cpu
            others = np.where(here, np.maximum(pressure - own, 0.0), pressure)
            cost = self.cost + self._own(brought / self.cpu) + self.brings[:, None] * others
        if self.need is not None:
            cost = np.where(here | (self.used(association) + self.need <= 1.0 + ROUNDING), cost, np.inf)
        if self.most is not None:
            count = np.bincount(association, minlength=self.cpu.size)
            cost = np.where(here | (count + 1 <= self.most), cost, np.inf)
        return cost

    def after_exchange(self, association: IntArray, servers: IntArray, out: IntArray) -> FloatArray:
        """Return what each server would cost without the user taken from it and with another one.

        Parameters
        ----------
        association : ndarray of int, shape (N,)
        servers : ndarray of int, shape (m,)
        out : ndarray of int, shape (m,)
            The user taken from each, -1 where none is.

        Returns
        -------
        ndarray, shape (m, m)
            Row: who comes, the user taken from that server or nobody. Infinite where it does not fit.
        """
        m, real = servers.size, out >= 0
        brings = np.where(real, self.brings[out], 0.0)
        columns: IntArray = np.full(self.cpu.size, -1, dtype=np.int64)
        columns[servers] = np.arange(m)
        stay = columns[association] >= 0
        stay[out[real]] = False
        members = np.flatnonzero(stay)
        column = columns[association[members]]
        brought = self.sums(self.brings, association)[servers] - brings + brings[:, None]
        load = compute_latency(brought, self.cpu[servers])
        newcomers = out[:, None]
        cost = np.where(real[:, None], self.cost[newcomers, servers], 0.0)
        if self.problem.sharing != "fixed":
            cost = cost + np.where(real[:, None], self._own(load, newcomers, servers), 0.0)
            kept = self._own(load[:, column], members, servers[column])
            belongs = np.zeros((members.size, m))
            belongs[np.arange(members.size), column] = 1.0
            cost = cost + kept @ belongs
        count = np.bincount(column, minlength=m) + real[:, None]
        fits = np.isfinite(cost) & (count <= self.room[servers])
        if self.need is not None:
            kept_need = np.bincount(column, weights=self.need[members, servers[column]], minlength=m)
            new_need = np.where(real[:, None], self.need[newcomers, servers], 0.0)
            fits &= kept_need + new_need <= 1.0 + ROUNDING
        if self.most is not None:
            least = np.full(m, self.cost.shape[0])
            np.minimum.at(least, column, self.most[members, servers[column]])
            new_most = np.where(real[:, None], self.most[newcomers, servers], self.cost.shape[0])
            fits &= count <= np.minimum(least, new_most)
        return np.where(fits, cost, np.inf)

    def _own(self, load: FloatArray, users: IntArray | None = None, servers: IntArray | None = None) -> FloatArray:
        """Return what X_k/F_k costs users themselves: the latency under P1, minus the utility under P2, and lateness.

        `load`, `users` and `servers` broadcast to one shape; all pairs where the latter are not given.
        """
        problem = self.problem
        if users is None or servers is None:
            users, servers = np.arange(problem.n_users)[:, None], np.arange(self.cpu.size)
        added = self.suffers[users] * load
        if isinstance(problem, Migration):
            cost = -problem.beta * np.exp(
                problem.network.users.deadline_s[users] - self.latency[users, servers] - added
            )
        else:
            cost = self.worth * added
        if self.late is not None:
            late = np.maximum(self.late[users, servers] + self.delays[users] * load, 0.0)
            cost = cost + self.worth * problem.deadline_penalty * np.where(np.isfinite(late), late, 0.0)
        return np.asarray(cost)
