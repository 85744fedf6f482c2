"""`local-search` and `myopic-exact`: the P2 of each slot solved well or to optimality, no slot thinking of the next."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from dtopt.arrays import number
from dtopt.errors import InputError, UnsupportedProblemError
from dtopt.evaluation import evaluate
from dtopt.registry import solve
from dtopt.simulation.policy import Decision
from dtopt.solution import Solution
from dtopt.stop import AnyOf, GapReached, MaxRuntime
from solvers.policies.slot_search import search_slot

if TYPE_CHECKING:
    from dtopt.simulation.observation import Observation

__all__ = ["LocalSearch", "MyopicExact"]


@dataclass(frozen=True)
class LocalSearch:
    """Search around the association of the slot before for the one of highest utility in this slot.

    Parameters
    ----------
    iterations : int
        Kicks after the first local optimum, in slots of at most 200 users.
    """

    iterations: int = 0

    forecasts: ClassVar[bool] = False
    moves_servers: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if self.iterations < 0:
            raise InputError(f"must be >= 0, got {self.iterations}", where="iterations")

    def decide(self, observation: Observation) -> Decision:
        """Return a local optimum near the association of the slot before."""
        problem = observation.problem
        found = search_slot(problem, problem.previous, iterations=self.iterations, seed=observation.seed)
        return Decision(found)


@dataclass(frozen=True)
class MyopicExact:
    """Solve the P2 of each slot to proven optimality, by the solver `exact`.

    Slots of more pairs than `exact` takes are searched as by `local-search`.

    Parameters
    ----------
    gap : float
        Relative gap that counts as optimal. Proving the last digits takes most of the time and changes no decision that
        was measured.
    time_limit : float
        Longest time for a slot, s; where it binds, the same seed need not give the same answer.
    """

    gap: float = 1e-4
    time_limit: float = 60.0

    forecasts: ClassVar[bool] = False
    moves_servers: ClassVar[bool] = False

    def __post_init__(self) -> None:
        number(self.gap, "gap", minimum=0.0)
        number(self.time_limit, "time_limit", minimum=0.0)

    def decide(self, observation: Observation) -> Decision:
        """Return an optimal association."""
        problem = observation.problem
        first = search_slot(problem, problem.previous, seed=observation.seed)
        start = Solution(first)
        if not evaluate(problem, start).feasible:
            # Hard deadlines that the slot cannot meet: `first` misses them by little, and there is nothing to prove.
            return Decision(first)
        stop = AnyOf(GapReached(self.gap), MaxRuntime(self.time_limit))
        with suppress(UnsupportedProblemError):
            best = solve(problem, "exact", seed=observation.seed, stop=stop, start=start).solution
            if best is not None:
                first = best.association
        return Decision(first)
