"""`stay`, `nearest` and `greedy-utility`: rules that look at one user at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from dtopt.simulation.policy import Decision
from solvers import nearest as nearest_solver
from solvers.policies.repair import feasible_near
from solvers.policies.slot_search import columns_of, slot_arrays

if TYPE_CHECKING:
    from dtopt.arrays import FloatArray, IntArray
    from dtopt.problem import Migration
    from dtopt.simulation.observation import Observation
    from solvers.local_search.utility import Arrays

__all__ = ["GreedyUtility", "Nearest", "Stay", "choose"]


@dataclass(frozen=True)
class Stay:
    """Leave every twin where it is; new users, and those who cannot stay, go where that costs least."""

    forecasts: ClassVar[bool] = False
    moves_servers: ClassVar[bool] = False

    def decide(self, observation: Observation) -> Decision:
        """Return the association of the slot before, repaired."""
        return Decision(feasible_near(observation.problem, observation.problem.previous))


@dataclass(frozen=True)
class Nearest:
    """Follow every user with its twin: always the closest server, or the closest that can take it."""

    forecasts: ClassVar[bool] = False
    moves_servers: ClassVar[bool] = False

    def decide(self, observation: Observation) -> Decision:
        """Return what the solver `nearest` does, repaired."""
        found = nearest_solver.solve(observation.problem).solution
        wish = observation.problem.previous if found is None else found.association
        return Decision(feasible_near(observation.problem, wish))


@dataclass(frozen=True)
class GreedyUtility:
    """Algorithm 3 of the paper: user by user to the server of highest utility for that user, given all others."""

    forecasts: ClassVar[bool] = False
    moves_servers: ClassVar[bool] = False

    def decide(self, observation: Observation) -> Decision:
        """Return the association after every user has chosen once, in their order, repaired.

        As printed the algorithm takes the last server that is no worse than the present one; its text says that the
        target has the highest utility, which is what is taken. A user stays where several are equal.
        """
        problem = observation.problem
        return Decision(feasible_near(problem, choose(problem, *slot_arrays(problem))))


def choose(problem: Migration, u: Arrays, servers: IntArray) -> IntArray:
    """Return where users go who choose one after the other, what pairs are worth beyond the slot included.

    Parameters
    ----------
    problem : Migration
    u, servers
        See `solvers.policies.slot_search.slot_arrays`.

    Returns
    -------
    ndarray of int, shape (n,)
        -1 for those who found no room.
    """
    n, m = u.slack.shape
    start = columns_of(problem.previous, servers, problem.n_stations)
    placed = start >= 0
    level: FloatArray = np.bincount(start[placed], weights=u.size[placed], minlength=m) * u.part
    count: IntArray = np.bincount(start[placed], minlength=m)
    taken: FloatArray = np.zeros(m)
    if problem.sharing == "fixed":
        held = u.demand[placed, start[placed]]
        taken = np.asarray(np.bincount(start[placed], weights=held, minlength=m), dtype=np.float64)
    for i in range(n):
        home = start[i]
        load = u.size[i] * u.part
        demand = u.demand[i] if problem.sharing == "fixed" else np.zeros(m)
        if home >= 0:
            level[home] -= load[home]
            count[home] -= 1
            taken[home] -= demand[home]
        room = (count < u.capacity) & (taken + demand <= 1.0) & np.isfinite(u.slack[i])
        late = np.where(room, u.growth[i] * u.rate * (level + load) - u.slack[i], 0.0)
        utility = np.where(room, u.beta * np.exp(-late) - u.penalty * np.maximum(late, 0.0), -np.inf)
        if u.bonus.size:
            utility = utility + u.bonus[i]
        best = int(utility.argmax())
        if home >= 0 and not utility[best] > utility[home]:
            best = int(home)
        elif utility[best] == -np.inf:
            continue
        start[i] = best
        level[best] += load[best]
        count[best] += 1
        taken[best] += demand[best]
    return np.where(start >= 0, servers[np.maximum(start, 0)], -1)
