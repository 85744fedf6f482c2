"""A projected limited-memory quasi-Newton descent: far less overhead than L-BFGS-B where numbers go into the millions.

L-BFGS (Liu and Nocedal 1989) on the variables that are not held at a lower bound, steps projected onto the bounds and
shortened until they descend (Bertsekas 1982).
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from dtopt.arrays import FloatArray

__all__ = ["descend"]

#: A step must gain this part of what its slope promises.
ARMIJO = 1e-4
#: Halvings of a step before the memory is dropped, or the descent ends.
HALVINGS = 8


def descend(
    function: Callable[[FloatArray], tuple[float, FloatArray]],
    start: FloatArray,
    lower: FloatArray,
    *,
    iterations: int,
    memory: int,
    precision: float,
    first_step: float,
    stop: Callable[[], bool] | None = None,
) -> FloatArray:
    """Return where a function is about least.

    Parameters
    ----------
    function : callable
        From a point to the value and gradient there.
    start, lower : ndarray
        Lower bounds may be −inf.
    iterations, memory : int
    precision : float
        The descent ends where two steps in turn gain less than this.
    first_step : float
        Largest change of any variable in the first step.
    stop : callable, optional
        Asked at each iteration.
    """
    x = np.maximum(start, lower)
    value, slope = function(x)
    pairs: deque[tuple[FloatArray, FloatArray, float]] = deque(maxlen=memory)
    small = 0
    for _ in range(iterations):
        if stop is not None and stop():
            break
        held = (x <= lower) & (slope > 0)
        direction = _direction(np.where(held, 0.0, slope), pairs)
        direction[held] = 0.0
        if not pairs:
            largest = float(np.abs(direction).max(initial=0.0))
            if largest == 0.0:
                break
            direction *= first_step / largest
        step = 1.0
        for _ in range(HALVINGS):
            trial = np.maximum(x + step * direction, lower)
            found, new = function(trial)
            if found <= value + ARMIJO * float(slope @ (trial - x)):
                break
            step *= 0.5
        else:
            if not pairs:
                break
            pairs.clear()
            continue
        moved, turned = trial - x, new - slope
        curvature = float(moved @ turned)
        if curvature > 1e-12 * float(turned @ turned):
            pairs.append((moved, turned, curvature))
        small = small + 1 if value - found < precision else 0
        x, value, slope = trial, found, new
        if small >= 2:
            break
    return x


def _direction(slope: FloatArray, pairs: deque[tuple[FloatArray, FloatArray, float]]) -> FloatArray:
    """Return minus the inverse of the approximate curvature times the slope, by the two-loop recursion."""
    direction = -slope
    parts = []
    for moved, turned, curvature in reversed(pairs):
        part = float(moved @ direction) / curvature
        direction -= part * turned
        parts.append(part)
    if pairs:
        _, turned, curvature = pairs[-1]
        direction *= curvature / float(turned @ turned)
    for (moved, turned, curvature), part in zip(pairs, reversed(parts), strict=True):
        direction += (part - float(turned @ direction) / curvature) * moved
    return direction
