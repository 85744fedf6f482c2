"""What a clairvoyant run returns, and the judging of a choice for every slot by the evaluator."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from dtopt.evaluation import evaluate
from dtopt.result import relative_gap
from dtopt.solution import Solution

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dtopt.arrays import FloatArray, IntArray
    from dtopt.result import Status
    from dtopt.scenario import Scenario

__all__ = ["ClairvoyantResult", "judge"]


@dataclass(frozen=True, eq=False)
class ClairvoyantResult:
    """Associations of all slots of a scenario, and what is proven of them.

    Parameters
    ----------
    solver : str
        ``clairvoyant`` or ``clairvoyant-bound``.
    seed : int
    scenario_name, scenario_hash : str
        What was solved; the hash is `Scenario.content_hash`.
    status : Status
    associations : tuple of ndarray of int, or None
        The server of each present user in each slot, in the order of the slot's P2; None where nothing feasible is
        known.
    utility : float or None
        What P2 maximises, summed over slots, as the evaluator judges it.
    slot_utility : ndarray, shape (T,), or None
    bound : float
        Proven upper bound on the utility of every sequence of associations; plus infinity where there is none, minus
        infinity where no sequence is feasible.
    wall_s, cpu_s : float
        Wall and process time, s.
    message : str
        One line for people.
    versions, details : mapping
    """

    solver: str
    seed: int
    scenario_name: str
    scenario_hash: str
    status: Status
    associations: tuple[IntArray, ...] | None
    utility: float | None
    slot_utility: FloatArray | None
    bound: float
    wall_s: float
    cpu_s: float
    message: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def gap(self) -> float:
        """Relative gap between utility and bound; infinite where one is missing."""
        return relative_gap(self.utility, self.bound)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain JSON types; numbers that do not exist are None."""
        return {
            "solver": self.solver,
            "seed": self.seed,
            "scenario": {"name": self.scenario_name, "hash": self.scenario_hash},
            "status": str(self.status),
            "utility": self.utility,
            "slot_utility": None if self.slot_utility is None else self.slot_utility.tolist(),
            "bound": self.bound if math.isfinite(self.bound) else None,
            "gap": self.gap if math.isfinite(self.gap) else None,
            "associations": None if self.associations is None else [a.tolist() for a in self.associations],
            "wall_s": self.wall_s,
            "cpu_s": self.cpu_s,
            "message": self.message,
            "versions": dict(self.versions),
            "details": dict(self.details),
        }

    def __str__(self) -> str:
        lines = [f"{self.scenario_name or 'scenario'}: {self.status} by {self.solver} in {self.wall_s:.3g} s"]
        if self.utility is not None:
            lines.append(f"  utility {self.utility:.6g}")
        if math.isfinite(self.bound):
            gap = f", gap {100 * self.gap:.3g} %" if math.isfinite(self.gap) else ""
            lines.append(f"  proven bound {self.bound:.6g}{gap}")
        if self.message:
            lines.append(f"  {self.message}")
        return "\n".join(lines)


def judge(scenario: Scenario, associations: Sequence[IntArray]) -> tuple[FloatArray, bool]:
    """Return the objective of each slot as the evaluator has it, shape (T,), and whether no slot breaks a constraint.

    Each slot is judged given the association of the slot before.
    """
    objective = np.empty(scenario.n_slots)
    feasible = True
    before = None
    for slot, association in enumerate(associations):
        evaluation = evaluate(scenario.problem(slot, before), Solution(association))
        objective[slot] = evaluation.objective
        feasible = feasible and evaluation.feasible
        before = scenario.spread(slot, association)
    return objective, feasible
