"""The curves behind the figures, as numbers: the same for the page and for print."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from reports.statistics.primal import primal_gap
from reports.statistics.ranking import CLOCK_S
from reports.statistics.scores import target_column

if TYPE_CHECKING:
    from dtopt.arrays import FloatArray
    from reports.statistics.profiles import Profile
    from reports.statistics.ranking import Ranking
    from reports.statistics.scores import Scores

__all__ = ["LEAST_GAP", "Curve", "gap_over_time", "gaps", "horizon", "profile_curves", "reach_curves"]

#: Smaller gaps are drawn as this on logarithmic axes.
LEAST_GAP = 1e-6
POINTS = 160
#: A curve of more steps is thinned.
MOST_STEPS = 400


@dataclass(frozen=True, eq=False)
class Curve:
    """A step curve of one solver, constant after each point."""

    solver: str
    x: FloatArray
    y: FloatArray


def horizon(ranking: Ranking) -> float:
    """Return where time axes end, s: the limit, or the longest horizon."""
    limit = ranking.group.time_limit
    longest = float(ranking.frame["horizon_s"].max()) if math.isnan(limit) else limit
    return longest if math.isfinite(longest) and longest > CLOCK_S else 1.0


def profile_curves(ranking: Ranking, profile: Profile) -> tuple[list[Curve], float]:
    """Return ρ(τ) of each solver and where the axis ends."""
    end = max(1.02, profile.largest * 1.05)
    curves = []
    for name in ranking.solvers:
        tau, share = profile.curve(name)
        curves.append(_thin(Curve(name, np.append(tau, end), np.append(share, share[-1]))))
    return curves, end


def reach_curves(ranking: Ranking, target: float) -> list[Curve]:
    """Return the share of tasks on which each solver is within `target` of the best known, over time."""
    end = horizon(ranking)
    curves = []
    for name in ranking.solvers:
        times = ranking.frame.loc[ranking.frame["solver"] == name, target_column(target)].to_numpy(dtype=np.float64)
        # What comes after the limit comes too late.
        reached = np.sort(np.maximum(times[times <= end], CLOCK_S))
        x = np.concatenate([[CLOCK_S], reached, [end]])
        y = np.concatenate([[0.0], np.arange(1, reached.size + 1), [reached.size]]) / max(1, times.size)
        curves.append(_thin(Curve(name, x, y)))
    return curves


def gap_over_time(ranking: Ranking, scores: Scores) -> list[Curve]:
    """Return the mean gap to the best known of each solver over time: the area below it is the primal integral."""
    grid = np.geomspace(CLOCK_S, horizon(ranking), POINTS)
    curves = []
    for name in ranking.solvers:
        rows = ranking.frame[ranking.frame["solver"] == name]
        total = np.zeros(grid.size)
        for index, best in zip(rows.index.tolist(), rows["best_known"].tolist(), strict=True):
            steps = scores.steps[index]
            times = np.array([t for t, _ in steps])
            values = np.array([1.0, *(primal_gap(value, best) for _, value in steps)])
            total += values[np.searchsorted(times, grid, side="right")]
        curves.append(Curve(name, grid, total / max(1, len(rows))))
    return curves


def gaps(ranking: Ranking, measure: str = "primal_gap") -> dict[str, FloatArray]:
    """Return the final gaps of each solver's runs, or their ``controllable_primal_gap``; empty where unknown."""
    return {
        name: ranking.frame.loc[ranking.frame["solver"] == name, measure].dropna().to_numpy(dtype=np.float64)
        for name in ranking.solvers
    }


def _thin(curve: Curve) -> Curve:
    if curve.x.size <= MOST_STEPS:
        return curve
    kept = np.unique(np.linspace(0, curve.x.size - 1, MOST_STEPS).round().astype(np.int64))
    return Curve(curve.solver, curve.x[kept], curve.y[kept])
