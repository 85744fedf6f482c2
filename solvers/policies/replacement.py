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
        found = search_slot(problem, problem.previous, seed=observation.seed)
        if observation.slot % self.every:
            return Decision(found)
        servers = _placed(problem, observation.budget, observation.seed)
        if servers is None or np.array_equal(servers, np.flatnonzero(problem.server_allowed)):
            return Decision(found)
        there = replace(problem, servers=servers)
        wish = np.where(np.isin(problem.previous, servers), problem.previous, -1)
        moved = search_slot(there, wish, seed=observation.seed)
        ended = replace(there, previous=moved), replace(problem, previous=found)
        gain = [_worth(p, a) for p, a in ((there, moved), (ended[0], moved), (problem, found), (ended[1], found))]
        later = self.every - 1
        if gain[0] + later * gain[1] > gain[2] + later * gain[3]:
            return Decision(moved, servers)
        return Decision(found)


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
