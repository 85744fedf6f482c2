"""`stay`, `nearest` and `greedy-utility`: rules that look at one user at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from dtopt.simulation.policy import Decision
from solvers import nearest as nearest_solver
from solvers.policies.repair import feasible_near
from solvers.policies.slot_search import columns_of, slot_view

if TYPE_CHECKING:
    from dtopt.arrays import FloatArray, IntArray
    from dtopt.problem import Migration
    from dtopt.simulation.observation import Observation
    from solvers._core import MigrationView

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
        return Decision(feasible_near(problem, choose(problem, *slot_view(problem))))


def choose(problem: Migration, view: MigrationView, servers: IntArray) -> IntArray:
    """Return where users go who choose one after the other, what pairs are worth beyond the slot included.

    Parameters
    ----------
    problem : Migration
    view, servers
        See `solvers.policies.slot_search.slot_view`.

    Returns
    -------
    ndarray of int, shape (n,)
        -1 for those who found no room.
    """
    slack, growth, rate, size, part = view.slack, view.growth, view.rate, view.size, view.part
    demands, bonus, capacity = view.demand, view.bonus, view.capacity
    n, m = slack.shape
    start = columns_of(problem.previous, servers, problem.n_stations)
    placed = start >= 0
    level: FloatArray = np.bincount(start[placed], weights=size[placed], minlength=m) * part
    count: IntArray = np.bincount(start[placed], minlength=m)
    taken: FloatArray = np.zeros(m)
    if problem.sharing == "fixed":
        held = demands[placed, start[placed]]
        taken = np.asarray(np.bincount(start[placed], weights=held, minlength=m), dtype=np.float64)
    for i in range(n):
        home = start[i]
        load = size[i] * part
        demand = demands[i] if problem.sharing == "fixed" else np.zeros(m)
        if home >= 0:
            level[home] -= load[home]
            count[home] -= 1
            taken[home] -= demand[home]
        room = (count < capacity) & (taken + demand <= 1.0) & np.isfinite(slack[i])
        late = np.where(room, growth[i] * rate * (level + load) - slack[i], 0.0)
        utility = np.where(room, view.beta * np.exp(-late) - view.penalty * np.maximum(late, 0.0), -np.inf)
        if bonus.size:
            utility = utility + bonus[i]
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
