"""The two gaps of a comparison: to the best proven bound, and to the best solution found.

Both are parts of the whole objective. With `uncontrollable`, the `Problem.uncontrollable_objective` C, they are parts
of what decisions change: the same difference over |objective − C|, as in `dtopt.result.controllable_gap`, or over
|best − C|.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dtopt.problem import Problem

__all__ = ["CLOSE", "contradicts", "to_best", "to_bound", "uncontrollable"]

#: Relative slack within which a bound and a solution still agree: the tolerance of exact solvers.
CLOSE = 1e-6


def to_bound(
    objective: float | None, bound: float | None, *, maximise: bool, uncontrollable: float | None = 0.0
) -> float:
    """Return how much better than `objective` the optimum can be, as a part of |objective − uncontrollable|.

    Infinite while a number is missing; 0 where the bound is reached, or passed within rounding.
    """
    return _part(_worse(objective, bound, maximise=maximise), objective, uncontrollable)


def to_best(
    objective: float | None, best: float | None, *, maximise: bool, uncontrollable: float | None = 0.0
) -> float:
    """Return how much worse than the best found `objective` is, as a part of |best − uncontrollable|.

    Infinite while a number is missing.
    """
    return _part(_worse(objective, best, maximise=maximise), best, uncontrollable)


def _worse(objective: float | None, than: float | None, *, maximise: bool) -> float:
    """Return by how much `objective` is worse, 0 where it is not, infinite while one is missing."""
    if objective is None or than is None or not math.isfinite(objective) or not math.isfinite(than):
        return math.inf
    return max(0.0, than - objective if maximise else objective - than)


def _part(difference: float, whole: float | None, uncontrollable: float | None) -> float:
    if difference == 0 or whole is None or not math.isfinite(difference):
        return difference
    if uncontrollable is None or not math.isfinite(uncontrollable) or whole == uncontrollable:
        return math.inf
    return difference / abs(whole - uncontrollable)


def uncontrollable(problem: Problem) -> float | None:
    """Return `Problem.uncontrollable_objective`, None where a user without coverage makes it infinite."""
    value = problem.uncontrollable_objective
    return value if math.isfinite(value) else None


def contradicts(bound: float, objective: float, *, maximise: bool) -> bool:
    """Return whether a feasible solution of that objective proves the bound wrong, beyond rounding."""
    beyond = objective - bound if maximise else bound - objective
    return beyond > CLOSE * max(abs(objective), abs(bound)) + 1e-12
