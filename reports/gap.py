"""The two gaps of a comparison: to the best proven bound, and to the best solution found."""

from __future__ import annotations

import math

__all__ = ["CLOSE", "contradicts", "to_best", "to_bound"]

#: Relative slack within which a bound and a solution still agree: the tolerance of exact solvers.
CLOSE = 1e-6


def to_bound(objective: float | None, bound: float | None, *, maximise: bool) -> float:
    """Return how much better than `objective` the optimum can be, as a part of |objective|.

    Infinite while one of the two is missing; 0 where the bound is reached, or passed within rounding.
    """
    if objective is None or bound is None or not math.isfinite(objective) or not math.isfinite(bound):
        return math.inf
    room = bound - objective if maximise else objective - bound
    if room <= 0:
        return 0.0
    return room / abs(objective) if objective else math.inf


def to_best(objective: float | None, best: float | None, *, maximise: bool) -> float:
    """Return how much worse than the best found `objective` is, as a part of |best|; infinite while one is missing."""
    if objective is None or best is None or not math.isfinite(objective) or not math.isfinite(best):
        return math.inf
    loss = best - objective if maximise else objective - best
    if loss <= 0:
        return 0.0
    return loss / abs(best) if best else math.inf


def contradicts(bound: float, objective: float, *, maximise: bool) -> bool:
    """Return whether a feasible solution of that objective proves the bound wrong, beyond rounding."""
    beyond = objective - bound if maximise else bound - objective
    return beyond > CLOSE * max(abs(objective), abs(bound)) + 1e-12
