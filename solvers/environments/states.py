"""Network states in stacks: P1 problems of one size as arrays with a batch axis, and their exact objective.

One state is one P1 problem: positions, channels, CPUs and data sizes as they stand in a time slot. A stack holds B of
them, so that a whole batch of associations is judged by a few array operations. `objective` gives what
`dtopt.evaluation` gives, which remains the judge: every answer that leaves a solver goes through that one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from dtopt.errors import InputError
from dtopt.generators import generate
from dtopt.problem import Placement
from dtopt.sharing import compute_latency, water_filling
from dtopt.tolerances import ROUNDING, within
from solvers._core import ActionDecoder, Sharing

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dtopt.arrays import BoolArray, FloatArray, IntArray
    from dtopt.problem import Problem

__all__ = ["NetworkStates", "PresetStates", "placement_of"]


@dataclass(frozen=True, eq=False)
class NetworkStates:
    """B network states of N users and M stations.

    Parameters
    ----------
    problems : tuple of Placement
        The states, in order.
    transfer, late_transfer : ndarray, shape (B, N, M)
        com_ik(w_i) and com_ik(D_i), s.
    compute : ndarray, shape (B, N, M)
        Latency of computing under ``fixed`` sharing, s; empty otherwise.
    floor : ndarray, shape (B, N, M)
        CPU to be set aside for each pair: the floor of a hard deadline, or the demand of ``fixed`` sharing, cycles/s.
    allowed : ndarray of bool, shape (B, N, M)
    cycles, late_cycles, deadline : ndarray, shape (B, N)
        κ w_i and κ D_i, cycles; τ_i, s.
    cpu : ndarray, shape (B, M)
        F_k, cycles/s.
    capacity : ndarray of int, shape (B, M)
        N_k.
    opening, constant, weight : ndarray, shape (B,)
        Cost of one open server, of what no decision changes, and of one user's second.
    """

    problems: tuple[Placement, ...]
    transfer: FloatArray
    late_transfer: FloatArray
    compute: FloatArray
    floor: FloatArray
    allowed: BoolArray
    cycles: FloatArray
    late_cycles: FloatArray
    deadline: FloatArray
    cpu: FloatArray
    capacity: IntArray
    opening: FloatArray
    constant: FloatArray
    weight: FloatArray

    @classmethod
    def of(cls, problems: Sequence[Problem]) -> NetworkStates:
        """Stack P1 problems of one size, sharing policy and deadline mode.

        Raises
        ------
        InputError
            If there is none, one is no P1 problem, or they differ in size or policy.
        """
        checked = tuple(placement_of(problem) for problem in problems)
        if not checked:
            raise InputError("give at least one problem", where="problems")
        first = checked[0]
        for problem in checked:
            if (problem.n_users, problem.n_stations) != (first.n_users, first.n_stations):
                raise InputError("must all have the same numbers of users and stations", where="problems")
            if (problem.sharing, problem.deadline, problem.max_open) != (
                first.sharing,
                first.deadline,
                first.max_open,
            ):
                raise InputError("must all have the same sharing, deadline mode and server limit", where="problems")

        def late(problem: Placement) -> FloatArray:
            return problem.deadline_transfer_latency(*_grid(problem))

        def compute(problem: Placement) -> FloatArray:
            if problem.sharing != "fixed":
                return np.zeros((0, 0))
            return compute_latency(problem.load_cycles[:, None], problem.demand(*_grid(problem)))

        def floor(problem: Placement) -> FloatArray:
            return problem.demand(*_grid(problem)) if problem.sharing == "fixed" else problem.floor_matrix

        return cls(
            problems=checked,
            transfer=np.stack([p.transfer_matrix for p in checked]),
            late_transfer=np.stack([late(p) for p in checked]),
            compute=np.stack([compute(p) for p in checked]),
            floor=np.stack([floor(p) for p in checked]),
            allowed=np.stack([p.allowed_matrix for p in checked]),
            cycles=np.stack([p.load_cycles for p in checked]),
            late_cycles=np.stack([p.deadline_cycles for p in checked]),
            deadline=np.stack([p.network.users.deadline_s for p in checked]),
            cpu=np.stack([p.network.stations.cpu_hz for p in checked]),
            capacity=np.stack([p.network.stations.capacity for p in checked]),
            opening=np.array([p.opening_cost for p in checked]),
            constant=np.array([p.constant_cost for p in checked]),
            weight=np.array([p.user_weight for p in checked]),
        )

    @property
    def count(self) -> int:
        """B."""
        return len(self.problems)

    @property
    def n_users(self) -> int:
        """N."""
        return int(self.transfer.shape[1])

    @property
    def n_stations(self) -> int:
        """M."""
        return int(self.transfer.shape[2])

    @property
    def sharing(self) -> str:
        """How CPU shares follow from the association."""
        return self.problems[0].sharing

    @property
    def max_open(self) -> int:
        """The largest number of open servers."""
        return self.problems[0].max_open

    @cached_property
    def decoders(self) -> tuple[ActionDecoder, ...]:
        """What makes associations of actions, one for each state."""
        sharing = Sharing[self.sharing.upper()]
        return tuple(
            ActionDecoder(
                self.transfer[b],
                self.floor[b],
                self.compute[b],
                self.allowed[b],
                self.cycles[b],
                self.cpu[b],
                self.capacity[b],
                float(self.weight[b]),
                sharing,
                self.max_open,
            )
            for b in range(self.count)
        )

    def objective(self, association: IntArray) -> FloatArray:
        """Return the objective of one association for each state, minus the reward (26); shape (B,).

        The servers in use are the open ones. Users at -1 make it infinite; a missed hard deadline, a full server or
        one server too many does not show: that is what `feasible` is for.
        """
        b, n, m = self.transfer.shape
        placed = (association >= 0).all(axis=1)
        server = np.maximum(association, 0)
        pick = server[..., None]
        transfer = np.take_along_axis(self.transfer, pick, axis=2)[..., 0]
        at = server + m * np.arange(b)[:, None]
        shares = self._shares(at, np.take_along_axis(self.floor, pick, axis=2)[..., 0])
        latency = transfer + np.divide(self.cycles, shares, out=np.zeros((b, n)), where=self.cycles > 0)
        if self.problems[0].deadline == "soft":
            late = np.take_along_axis(self.late_transfer, pick, axis=2)[..., 0]
            late = late + np.divide(self.late_cycles, shares, out=np.zeros((b, n)), where=self.late_cycles > 0)
            with np.errstate(invalid="ignore"):
                excess = np.where(late > self.deadline, late - self.deadline, 0.0)
            latency = latency + np.array([p.deadline_penalty for p in self.problems])[:, None] * excess
        used = np.bincount(at.ravel(), minlength=b * m).reshape(b, m) > 0
        cost = self.weight * latency.sum(axis=1) + self.opening * used.sum(axis=1) + self.constant
        return np.where(placed, cost, np.inf)

    def feasible(self, association: IntArray) -> BoolArray:
        """Return whether each association keeps (18a) to (18e) and the server limit; shape (B,)."""
        b, _, m = self.transfer.shape
        server = np.maximum(association, 0)
        pick = server[..., None]
        at = (server + m * np.arange(b)[:, None]).ravel()
        count = np.bincount(at, minlength=b * m).reshape(b, m)
        ok = (association >= 0).all(axis=1) & np.take_along_axis(self.allowed, pick, axis=2)[..., 0].all(axis=1)
        ok &= (count <= self.capacity).all(axis=1) & ((count > 0).sum(axis=1) <= self.max_open)
        floor = np.take_along_axis(self.floor, pick, axis=2)[..., 0]
        if self.sharing == "equal":
            need = np.zeros(b * m)
            np.maximum.at(need, at, floor.ravel())
            used = (need * count.ravel()).reshape(b, m)
        else:
            used = np.bincount(at, weights=floor.ravel(), minlength=b * m).reshape(b, m)
        limit = self.cpu * (1.0 + ROUNDING) if self.sharing == "equal" else within(self.cpu)
        return np.asarray(ok & (used <= limit).all(axis=1))

    def _shares(self, at: IntArray, floor: FloatArray) -> FloatArray:
        """Return the CPU shares f_ik, servers of all states in one row; shape (B, N)."""
        if self.sharing == "fixed":
            return floor
        cpu = self.cpu.ravel()
        flat = at.ravel()
        if self.sharing == "equal":
            shares = cpu[flat] / np.bincount(flat, minlength=cpu.size)[flat]
        else:
            # Servers of different states never meet, so one call serves them all.
            shares = water_filling(np.sqrt(self.cycles).ravel(), floor.ravel(), flat, cpu)
        return np.asarray(shares.reshape(at.shape))


def placement_of(problem: Problem) -> Placement:
    """Return the problem, checked to be P1."""
    if not isinstance(problem, Placement):
        raise InputError("network states are placement problems (P1)", where="problems")
    return problem


def _grid(problem: Placement) -> tuple[IntArray, IntArray]:
    return np.arange(problem.n_users)[:, None], np.arange(problem.n_stations)[None, :]


@dataclass(frozen=True)
class PresetStates:
    """Network states from a preset: number s is the instance of seed `first_seed` + s, with new positions and fading.

    Parameters
    ----------
    preset : str
        A name from `dtopt.generators.preset_names`.
    options : mapping
        The preset's own, such as ``users`` and ``stations``.
    first_seed : int
    count : int
        How many there are.
    """

    preset: str = "paper"
    options: Mapping[str, Any] = field(default_factory=dict)
    first_seed: int = 0
    count: int = 1000

    def __call__(self, number: int) -> Placement:
        """Return a state by its number.

        Raises
        ------
        InputError
            If the preset makes no P1 problem, or there is no such number.
        """
        if not 0 <= number < self.count:
            raise InputError(f"must be from 0 to {self.count - 1}, got {number}", where="number")
        return placement_of(generate(self.preset, seed=self.first_seed + number, **self.options))
