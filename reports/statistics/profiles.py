"""Performance profiles of Dolan and Moré."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

    from dtopt.arrays import FloatArray

__all__ = ["Profile", "performance_profile"]


@dataclass(frozen=True, eq=False)
class Profile:
    """The profiles of several solvers on the same tasks.

    Parameters
    ----------
    ratios : DataFrame
        One row a task, one column a solver: its measure over the least of all solvers on that task; infinite where it
        failed, and everywhere on tasks that all fail.
    """

    ratios: pd.DataFrame

    @property
    def tasks(self) -> int:
        """How many tasks there are."""
        return len(self.ratios)

    def share(self, solver: str, tau: float) -> float:
        """Return ρ(τ): the share of tasks on which a solver is within a factor τ of the best."""
        return float((self.ratios[solver] <= tau).mean()) if self.tasks else float("nan")

    def curve(self, solver: str) -> tuple[FloatArray, FloatArray]:
        """Return the steps of ρ: at each finite ratio, ascending, the share of tasks within it.

        The first step is at τ = 1, with share 0 where the solver is best nowhere.
        """
        ratios = np.sort(self.ratios[solver].to_numpy(dtype=np.float64))
        finite = ratios[np.isfinite(ratios)]
        tau, last = np.unique(finite, return_index=True)
        counts = np.append(last[1:], finite.size) if tau.size else np.zeros(0)
        share = counts / max(1, ratios.size)
        if not tau.size or tau[0] > 1.0:
            tau, share = np.insert(tau, 0, 1.0), np.insert(share, 0, 0.0)
        return tau.astype(np.float64), share.astype(np.float64)

    @property
    def largest(self) -> float:
        """The largest finite ratio, at least 1."""
        values = self.ratios.to_numpy(dtype=np.float64)
        return float(values[np.isfinite(values)].max(initial=1.0))


def performance_profile(measures: pd.DataFrame, *, floor: float = 0.0) -> Profile:
    """Return the performance profile of a measure of which less is better.

    r(p, s) = t(p, s) / min over s of t(p, s), and ρ(τ) the share of tasks p with r ≤ τ: Dolan and Moré (2002),
    *Benchmarking optimization software with performance profiles*.

    Parameters
    ----------
    measures : DataFrame
        One row a task, one column a solver, positive numbers; infinite or nan where a solver failed.
    floor : float
        Smaller measures count as this much: times below the clock's grain say nothing of solvers.

    Raises
    ------
    ValueError
        If a measure is not positive after the floor.
    """
    values = measures.to_numpy(dtype=np.float64)
    values = np.where(np.isnan(values), np.inf, np.maximum(values, floor))
    if (values <= 0).any():
        raise ValueError("measures of a performance profile must be positive; give a floor")
    best = values.min(axis=1, keepdims=True, initial=np.inf)
    with np.errstate(invalid="ignore"):
        ratios = np.where(np.isfinite(values), values / best, np.inf)
    import pandas as pd

    return Profile(pd.DataFrame(ratios, index=measures.index, columns=measures.columns))
