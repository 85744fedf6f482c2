"""`re-placement`: every K slots P1 anew, which may open other servers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from dtopt.arrays import int_array
from dtopt.evaluation import evaluate
from dtopt.problem import Placement
from dtopt.registry import solve
from dtopt.simulation.policy import Decision
from dtopt.solution import Solution
from solvers.policies.repair import overfull
from solvers.policies.slot_search import search_slot

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

    def decide(self, observation: Observation) -> Decision:
        """Return an association, and other servers where they pay."""
        problem = observation.problem
        found = search_slot(problem, problem.previous, seed=observation.seed)
        # Where more users have come than the servers can keep, others are looked for at once.
        full = overfull(problem, found)
        if observation.slot % self.every and not full:
            return Decision(found)
        return self._other_servers(observation, found, full=full)

    def _other_servers(self, observation: Observation, found: IntArray, *, full: bool) -> Decision:
        """Return a decision on the servers of a new P1, or `found` where that is no better.

        Parameters
        ----------
        observation : Observation
        found : ndarray of int, shape (n,)
            On the present servers.
        full : bool
            Whether `found` overfills them: then any servers that keep all users are better.
        """
        problem = observation.problem
        servers = _placed(problem, observation.budget, observation.seed)
        same = servers is not None and np.array_equal(servers, np.flatnonzero(problem.server_allowed))
        if servers is None or same or not (full or _room(observation, servers)):
            return Decision(found)
        there = replace(problem, servers=servers)
        moved = search_slot(there, np.where(np.isin(problem.previous, servers), problem.previous, -1))
        if full:
            return Decision(found) if overfull(there, moved) else Decision(moved, servers)
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
