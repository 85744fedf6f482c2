"""The primal gap of a run over time: its integral and the time it takes to come close to the best known."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from reports.gap import CLOSE, to_best

if TYPE_CHECKING:
    from collections.abc import Sequence

    Step = tuple[float, float]

__all__ = ["incumbents", "primal_gap", "primal_integral", "time_to_gap"]


def primal_gap(objective: float | None, best: float | None, uncontrollable: float = 0.0) -> float:
    """Return the primal gap, from 0 (as good as the best known) to 1 (no solution, or of the other sign).

    |objective − best| / max(|objective|, |best|), after Berthold (2013), *Measuring the impact of primal heuristics*;
    0 within `reports.gap.CLOSE`; nan without a best known.

    With `uncontrollable`, the C of `dtopt.result.controllable_gap`, both values are counted from C. The denominator is
    then |objective − C|, since no solution is better than C; nan where C is not known.
    """
    if best is None or not math.isfinite(best) or not math.isfinite(uncontrollable):
        return math.nan
    if objective is None or not math.isfinite(objective):
        return 1.0
    objective, best = objective - uncontrollable, best - uncontrollable
    if objective * best < 0:
        return 1.0
    largest = max(abs(objective), abs(best))
    gap = abs(objective - best) / largest if largest else 0.0
    return gap if gap > CLOSE else 0.0


def incumbents(trace: Sequence[Step], objective: float, wall_s: float, *, maximise: bool) -> tuple[Step, ...]:
    """Return (time, objective) of each improvement of a run, in order of time.

    Steps of the trace that improve nothing are dropped. The objective that the evaluator gave the run is the last
    word: what the trace claims beyond it is dropped, and where the trace never reached it, it counts from `wall_s`.

    Parameters
    ----------
    trace : sequence of (time in s, objective)
    objective : float
        Of the run by the evaluator, nan where there is no feasible solution.
    wall_s : float
    maximise : bool
    """
    if not math.isfinite(objective):
        return ()
    sign = -1.0 if maximise else 1.0
    slack = CLOSE * abs(objective)
    found: list[Step] = []
    for time_s, value in sorted(trace):
        if sign * value < sign * objective - slack:
            continue
        if not found or sign * value < sign * found[-1][1]:
            found.append((max(time_s, 0.0), value))
    if not found or abs(found[-1][1] - objective) > slack:
        last = found[-1][0] if found else 0.0
        found.append((max(wall_s if math.isfinite(wall_s) else 0.0, last), objective))
    return tuple(found)


def primal_integral(steps: Sequence[Step], best: float | None, horizon_s: float) -> float:
    """Return the primal integral as a part of the horizon: the mean primal gap over the time that a run had.

    Berthold's P(T) = ∫ p(t) dt from 0 to T, divided by T, so that it lies between 0 (the best known at once) and 1 (no
    solution in time) and runs of different limits compare. p is 1 until the first incumbent and keeps its last value
    to T where the run ended before; incumbents after T do not count. nan without a best known or a horizon.
    """
    if best is None or not math.isfinite(best) or not math.isfinite(horizon_s) or horizon_s <= 0:
        return math.nan
    area, before, gap = 0.0, 0.0, 1.0
    for time_s, value in steps:
        if time_s >= horizon_s:
            break
        area += gap * (time_s - before)
        before, gap = time_s, primal_gap(value, best)
    return (area + gap * (horizon_s - before)) / horizon_s


def time_to_gap(steps: Sequence[Step], best: float | None, target: float, *, maximise: bool) -> float:
    """Return when a run first came within `target` of the best known, as a part of |best|; infinite where never."""
    for time_s, value in steps:
        if to_best(value, best, maximise=maximise) <= target + CLOSE:
            return time_s
    return math.inf
