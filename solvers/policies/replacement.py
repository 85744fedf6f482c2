"""`re-placement`: every K slots P1 anew, which may open other servers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from dtopt.arrays import int_array
from dtopt.errors import InputError
from dtopt.evaluation import evaluate
from dtopt.problem import Placement
from dtopt.registry import solve
from dtopt.simulation.policy import Decision
from dtopt.solution import Solution
from solvers.local_search.driver import compile_kernels
from solvers.policies.slot_search import compile_search, search_slot

if TYPE_CHECKING:
    from dtopt.arrays import IntArray
    from dtopt.problem import Migration
    from dtopt.simulation.observation import Observation

__all__ = ["Replacement"]


@dataclass(frozen=True)
class Replacement:
    """Search each slot as `local-search`, and every K slots solve P1 anew and open its servers where that pays.

    P1 is the placement of least latency (13) for the users who are there, on as many servers as the scenario has open.
    Its servers are taken if, over the K slots to come, what they gain is more than what moving costs, everything else
    staying as it is now.

    Parameters
    ----------
    every : int
        K.
    """

    every: int = 20

    forecasts: ClassVar[bool] = False
    moves_servers: ClassVar[bool] = True

    def __post_init__(self) -> None:
        int_array(self.every, "every", shape=(), minimum=1)
        compile_search()
        compile_kernels()

    def decide(self, observation: Observation) -> Decision:
        """Return an association, and other servers where they pay."""
        problem = observation.problem
        try:
            found = search_slot(problem, problem.previous, seed=observation.seed)
        except InputError:
            # More users have come than its servers can keep.
            return self._anew(observation, None)
        if observation.slot % self.every:
            return Decision(found)
        return self._anew(observation, found)

    def _anew(self, observation: Observation, found: IntArray | None) -> Decision:
        """Return a decision on the servers of a new P1, or `found` where that is no better."""
        problem = observation.problem
        servers = _placed(problem, observation.budget, observation.seed)
        same = servers is not None and np.array_equal(servers, np.flatnonzero(problem.server_allowed))
        if found is not None and (servers is None or same or not _room(observation, servers)):
            return Decision(found)
        if servers is None:
            raise InputError(f"no {observation.budget} servers can keep all users", where=problem.name)
        there = replace(problem, servers=servers)
        moved = search_slot(there, np.where(np.isin(problem.previous, servers), problem.previous, -1))
        if found is None:
            return Decision(moved, servers)
        later = self.every - 1
        new = _worth(there, moved) + later * _worth(replace(there, previous=moved), moved)
        old = _worth(problem, found) + later * _worth(replace(problem, previous=found), found)
        return Decision(moved, servers) if new > old else Decision(found)


def _room(observation: Observation, servers: IntArray) -> bool:
    """Return whether all users of the scenario would have places on the servers, should they come."""
    capacity = observation.problem.network.stations.capacity[servers]
    everyone = observation.past.n_users
    return bool(np.minimum(capacity, everyone).sum() >= everyone)


def _placed(problem: Migration, budget: int, seed: int) -> IntArray | None:
    """Return the servers of the P1 of least latency, None where none was found."""
    users = problem.network.users
    network = replace(problem.network, users=replace(users, deadline_s=np.full(users.count, np.inf)))
    placement = Placement(
        network,
        sharing=problem.sharing,
        demand_hz=problem.demand_hz,
        objective="latency",
        max_servers=budget,
        name=problem.name,
    )
    solution = solve(placement, "local-search", seed=seed).solution
    return None if solution is None else np.asarray(solution.open_servers)


def _worth(problem: Migration, association: IntArray) -> float:
    """Return the slot's utility; minus infinity where a constraint is broken."""
    evaluation = evaluate(problem, Solution(association))
    return evaluation.objective if evaluation.feasible else -np.inf
