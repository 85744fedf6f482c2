"""What twins are worth on a server by its level, cut into segments: the ground that the dual of P2 stands on.

All that a server's company does to a twin goes through one number, the server's level r: the number of twins n under
``equal`` sharing, and the price of CPU under ``optimal`` sharing, the root of the multiplier of (18c), which is L_k/F_k
where no floor binds. A twin's latency is t_ik + g_ik r (its deadline, once its floor binds), so its utility (20) is
convex and falls in r; and the level itself is tied to who is there by Σ_i h_ik(r) a_ik = r with

- ``equal``: g_ik = κ w_i / F_k and h = 1;
- ``optimal``: g_ik = s_i = √(κ w_i) and h = max(s_i, r floor_ik) / F_k, from the KKT conditions of the sharing;
- ``fixed``: r = 1, g = 0 and h = demand_ik / F_k, with ≤ in the place of =.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from dtopt import _core

if TYPE_CHECKING:
    from dtopt.arrays import BoolArray, FloatArray, IntArray
    from dtopt.problem import DeadlineMode, Migration, Sharing

__all__ = ["Segments", "ServerUtility", "exp", "highest_level"]

#: Ends of a server's first segments, as parts of the level it is expected to have.
FIRST_EDGES = (0.5, 0.8, 0.93, 1.0, 1.07, 1.25, 2.0)
#: Parts of the deadline that rounding may cost: a little more than the evaluator's tolerance.
TOLERANCE = 1.1e-9
#: Relative room for rounding in levels.
ROUNDING = 1e-9
#: Halvings in the search for the largest level that a server can reach.
HALVINGS = 60


def exp(x: FloatArray) -> FloatArray:
    """Return e to the power of x, of any shape, with the same bits on every CPU."""
    return _core.exp(np.ascontiguousarray(x).reshape(-1)).reshape(x.shape)


@dataclass(frozen=True, eq=False)
class Segments:
    """Intervals of servers' levels, in order of server and level.

    Parameters
    ----------
    server : ndarray of int, shape (C,)
    low, high : ndarray, shape (C,)
        The ends of each; equal for a single level.
    """

    server: IntArray
    low: FloatArray
    high: FloatArray

    @classmethod
    def joined(cls, parts: list[tuple[int, float, float]]) -> Segments:
        """Return segments given as (server, low, high)."""
        ordered = sorted(parts)
        server = np.array([k for k, _, _ in ordered], dtype=np.int64)
        return cls(server, np.array([a for _, a, _ in ordered]), np.array([b for _, _, b in ordered]))

    @property
    def starts(self) -> IntArray:
        """Where each server's segments begin, and their number at the end."""
        changes = np.flatnonzero(np.diff(self.server)) + 1
        return np.concatenate([[0], changes, [self.server.size]]).astype(np.int64)

    @property
    def single(self) -> BoolArray:
        """Which are a single level, shape (C,)."""
        return np.asarray(self.low == self.high)


@dataclass(frozen=True, eq=False)
class ServerUtility:
    """P2 as utilities by server and level, without the constant part −(1−β) Σ E_i.

    Parameters
    ----------
    sharing, deadline_mode : str
        As in `Migration`; the mode is ``soft`` too where no deadline restricts anything.
    slack : ndarray, shape (N, M)
        τ_i less the latency of the pair that no company changes, s; −inf where the pair is not allowed.
    deadline : ndarray, shape (N,)
        τ_i, s.
    growth : ndarray, shape (N,)
    rate : ndarray, shape (M,)
        g_ik = growth_i · rate_k, s for a unit of level.
    size : ndarray, shape (N,)
    part : ndarray, shape (M,)
        h_ik = size_i · part_k where no floor binds.
    demand : ndarray, shape (N, M), or None
        h_ik under ``fixed`` sharing.
    capacity, top : ndarray, shape (M,)
        Places, at most N; the largest level that the server can reach.
    beta, penalty : float
        β of (20); the price of a second past the deadline, 0 where deadlines are hard.
    """

    sharing: Sharing
    deadline_mode: DeadlineMode
    slack: FloatArray
    deadline: FloatArray
    growth: FloatArray
    rate: FloatArray
    size: FloatArray
    part: FloatArray
    demand: FloatArray | None
    capacity: FloatArray
    top: FloatArray
    beta: float
    penalty: float

    @classmethod
    def of(cls, problem: Migration) -> ServerUtility:
        """Return the utilities of a problem."""
        n, m = problem.n_users, problem.n_stations
        users, stations = np.arange(n)[:, None], np.arange(m)[None, :]
        cpu = problem.cpu_limit_hz
        deadline = np.asarray(problem.network.users.deadline_s)
        allowed = problem.allowed_matrix
        latency = problem.transfer_matrix
        demand = None
        growth, rate, size, part = np.zeros(n), np.ones(m), np.zeros(n), np.zeros(m)
        if problem.sharing == "fixed":
            latency = problem.fixed_latency(users, stations)
            demand = np.where(allowed, problem.reserved_part(users, stations), 0.0)
        elif problem.sharing == "equal":
            growth, rate, size, part = problem.load_cycles, 1.0 / cpu, np.ones(n), np.ones(m)
        else:
            growth, size, part = problem.root_load, problem.root_load, 1.0 / cpu
        slack = np.where(allowed, deadline[:, None] - latency, -np.inf)
        capacity = np.minimum(problem.network.stations.capacity, n).astype(np.float64)
        capacity = np.minimum(capacity, allowed.sum(axis=0))
        utility = cls(
            sharing=problem.sharing,
            deadline_mode="hard" if problem.deadlines_bind else "soft",
            slack=slack,
            deadline=deadline,
            growth=np.asarray(growth),
            rate=rate,
            size=np.asarray(size),
            part=part,
            demand=demand,
            capacity=capacity,
            top=np.ones(m),
            beta=problem.beta,
            penalty=0.0 if problem.deadline == "hard" else problem.deadline_penalty,
        )
        for k in range(m):
            utility.top[k] = utility._largest_level(k)
        return utility

    # --- levels ---------------------------------------------------------------------------------------------------

    @property
    def discrete(self) -> bool:
        """Whether levels are whole numbers of twins."""
        return self.sharing == "equal"

    @property
    def clamps(self) -> bool:
        """Whether hard deadlines can clamp shares, so that a latency stops growing at its deadline."""
        return self.sharing == "optimal" and self.deadline_mode == "hard"

    def turn(self, server: int) -> FloatArray:
        """Return the level at which each user meets its deadline just so on a server, shape (N,)."""
        slack = self.slack[:, server]
        if self.deadline_mode == "hard":
            slack = slack + TOLERANCE * self.deadline
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(slack / (self.growth * self.rate[server]))

    def _largest_level(self, server: int) -> float:
        users = np.flatnonzero(np.isfinite(self.slack[:, server]))
        if self.sharing == "fixed":
            return 1.0
        most = int(self.capacity[server])
        if self.sharing == "equal":
            return float(most)
        size = self.size[users] * self.part[server]
        level = float(np.sort(size)[::-1][:most].sum())
        if self.deadline_mode == "soft" or not users.size:
            return level * (1.0 + ROUNDING)
        # From above, without tolerance: what floors take decides how high a level can get.
        with np.errstate(divide="ignore", invalid="ignore"):
            turn = self.slack[users, server] / (self.growth[users] * self.rate[server])
        clamped = size > 0
        last = max(level, float(turn[clamped].max(initial=0.0)))
        if not clamped.any() or turn[clamped].min() > level * (1.0 + ROUNDING):
            return level * (1.0 + ROUNDING)
        # Past the load of the largest users a level takes floors that bind; Σ max(s/r, floor) falls in r. A floor that
        # is allowed takes no more than the whole CPU.
        floor = np.where(clamped, np.minimum(size / np.maximum(turn, 1e-300), 1.0), 0.0)
        high = highest_level(size, floor, most, level, last)
        # Where floors take nearly all of a CPU the level feels their rounding.
        return high * (1.0 + 1e-6)

    def even_levels(self) -> FloatArray:
        """Return the levels at which all servers are loaded alike, shape (M,)."""
        used = np.isfinite(self.slack).any(axis=0)
        if self.sharing == "fixed":
            return np.ones(self.top.size)
        speed = np.where(used, 1.0 / self.part if self.sharing == "optimal" else 1.0 / self.rate, 0.0)
        level = self.size.sum() * speed / max(float(speed.sum()), 1e-300)
        # A station that nobody can use may have no CPU to speak of.
        return np.asarray(np.clip(level * np.where(used, self.part, 0.0), 0.0, self.top))

    def first_segments(self, level: FloatArray) -> Segments:
        """Return segments that cover all levels: fine around the given ones, shape (M,), coarse elsewhere."""
        parts: list[tuple[int, float, float]] = []
        for k in np.flatnonzero(np.isfinite(self.slack).any(axis=0) & (self.capacity > 0)).tolist():
            top = float(self.top[k])
            if self.sharing == "fixed":
                parts.append((k, 1.0, 1.0))
                continue
            edges = float(level[k]) * np.array(FIRST_EDGES)
            if self.discrete:
                edges = np.unique([*np.clip(np.round(edges), 1.0, top), top])
                starts = [1.0, *(edges[:-1] + 1.0).tolist()]
                parts += [(k, a, b) for a, b in zip(starts, edges.tolist(), strict=True)]
            else:
                edges = np.array([0.0, *edges[(edges > 0) & (edges < 0.99 * top)], top])
                parts += [(k, a, b) for a, b in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True)]
        return Segments.joined(parts)

    # --- worth ----------------------------------------------------------------------------------------------------

    def at(self, level: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return what users are worth at one level of each server, and how fast that falls in it; shape (N, M)."""
        able = np.isfinite(self.slack)
        late = np.where(able, self.growth[:, None] * (self.rate * level) - np.where(able, self.slack, 0.0), 0.0)
        grows = late < 0 if self.clamps else np.ones_like(able)
        worth = self.beta * exp(np.maximum(-late, 0.0) if self.clamps else -late)
        fall = worth * grows + self.penalty * (late > 0)
        worth = worth - self.penalty * np.maximum(late, 0.0)
        return np.where(able, worth, 0.0), np.where(able, fall * self.growth[:, None] * self.rate, 0.0)

    def items(self, server: int, low: float, high: float) -> tuple[FloatArray, FloatArray]:
        """Return what users are worth at both ends of a segment, −inf where they cannot be in it, and their h.

        Both are lines in the level, or convex: nowhere in between is a user worth more than a convex function through
        these ends, nor its h less than the line. So a sum of max(0, worth − price · h) is largest at an end.

        Returns
        -------
        worth, weight : ndarray, shape (2, N)
        """
        ends, middle = np.array([[low], [high]]), 0.5 * (low + high)
        slack, growth = self.slack[:, server], self.growth * self.rate[server]
        room = slack + TOLERANCE * self.deadline
        able = np.isfinite(slack)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            late = np.where(able, growth * ends - slack, 0.0)
            worth = self.beta * exp(np.maximum(-late, 0.0) if self.clamps else -late)
            if self.penalty > 0:
                # −max(0, x) is below both of its pieces; the one that holds in the middle is taken for all.
                worth = worth - np.where(growth * middle > slack, self.penalty * late, 0.0)
            if self.demand is not None:
                weight = np.broadcast_to(self.demand[:, server], worth.shape)
            else:
                weight = np.broadcast_to(self.size * self.part[server], worth.shape)
                if self.clamps:
                    # The same for h = max(s, r floor) / F, which is above both of its pieces.
                    weight = np.where(growth * middle > room, weight * (growth * ends / room), weight)
        if self.discrete and self.deadline_mode == "hard":
            able = able & (growth * low <= room)
        elif self.sharing == "optimal":
            # Even alone a user brings its server to this level.
            able = able & (self.size * self.part[server] <= high * (1.0 + ROUNDING))
        return np.where(able, worth, -np.inf), np.where(able, weight, 0.0)


def highest_level(size: FloatArray, floor: FloatArray, most: int, low: float, high: float) -> float:
    """Return the largest level r up to `high` that the loads max(s, floor r) of `most` users reach, from above.

    Parameters
    ----------
    size, floor : ndarray, shape (n,)
        What each user brings, and the part of the CPU that its deadline needs.
    most : int
    low, high : float
        `low` is reached.
    """

    def reaches(r: float) -> bool:
        return bool(np.sort(np.maximum(size, floor * r))[::-1][:most].sum() >= r)

    if not reaches(high):
        for _ in range(HALVINGS):
            middle = 0.5 * (low + high)
            low, high = (middle, high) if reaches(middle) else (low, middle)
    return high
