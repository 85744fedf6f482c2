"""Costs that are all multiples of a step: a bound on them may be rounded up."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from dtopt.arrays import FloatArray

__all__ = ["common_step", "rounded_up"]

#: Costs that are whole multiples of a step are found up to this many steps.
MOST_STEPS = 1e7


def common_step(costs: FloatArray, opening: float) -> float:
    """Return a step that all costs are multiples of, or 0: then no cost lies between two multiples.

    Only costs that are whole numbers are looked at, as those of published assignment problems are. Infinite costs, of
    pairs that are not possible, do not count.
    """
    costs = np.append(costs[np.isfinite(costs)], opening)
    whole = np.round(costs)
    if not np.abs(costs - whole).max(initial=0.0) <= 1e-9 or np.abs(whole).sum() > MOST_STEPS:
        return 0.0
    return float(np.gcd.reduce(whole.astype(np.int64)))


def rounded_up(bound: float, step: float) -> float:
    """Return a lower bound on costs that are multiples of a step, rounded up to one; as it is where the step is 0."""
    return max(bound, step * math.ceil(bound / step - 1e-5)) if step > 0.0 and math.isfinite(bound) else bound
