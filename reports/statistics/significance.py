"""Paired tests of one solver against others."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from reports.gap import CLOSE
from reports.statistics.means import bootstrap_interval

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from dtopt.arrays import FloatArray

__all__ = ["Paired", "holm", "paired_wilcoxon", "wilcoxon_p"]


@dataclass(frozen=True)
class Paired:
    """One solver against another, on the tasks that both ran.

    Parameters
    ----------
    solver, against : str
    pairs, instances : int
        Pairs of runs of one instance and seed, and the instances they are of.
    better, worse : int
        Instances on which `solver` has the smaller, and the larger, mean.
    difference : float
        Mean over instances of `solver` minus `against`.
    low, high : float
        Its bootstrap interval over instances.
    p_runs : float
        Two-sided Wilcoxon signed-rank test of all pairs (instance × seed).
    p : float
        The same test of one difference for each instance, the mean over its seeds: seeds of one instance are no
        independent witnesses (a deterministic solver says the same thing each time), instances are.
    p_runs_holm, p_holm : float
        Both after Holm's correction for all the comparisons made together.
    """

    solver: str
    against: str
    pairs: int
    instances: int
    better: int
    worse: int
    difference: float
    low: float
    high: float
    p_runs: float
    p: float
    p_runs_holm: float = math.nan
    p_holm: float = math.nan


def wilcoxon_p(differences: Sequence[float] | FloatArray) -> float:
    """Return the two-sided p of the signed-rank test (SciPy); differences within `CLOSE` are dropped as ties.

    1 where all are ties, nan of nothing.
    """
    from scipy.stats import wilcoxon

    d = np.asarray(differences, dtype=np.float64)
    if not d.size:
        return math.nan
    d = d[np.abs(d) > CLOSE]
    return float(wilcoxon(d).pvalue) if d.size else 1.0


def holm(p: Sequence[float]) -> tuple[float, ...]:
    """Return p-values after Holm's step-down correction (1979); nan stays nan and is not counted."""
    order = sorted((i for i, value in enumerate(p) if not math.isnan(value)), key=lambda i: p[i])
    found, least = [math.nan] * len(p), 0.0
    for rank, i in enumerate(order):
        least = max(least, min(1.0, (len(order) - rank) * p[i]))
        found[i] = least
    return tuple(found)


def paired_wilcoxon(
    frame: pd.DataFrame, measure: str, against: str, others: Sequence[str], *, seed: int = 0
) -> tuple[Paired, ...]:
    """Return each of `others` against one solver, by a measure of which less is better.

    Parameters
    ----------
    frame : DataFrame
        Columns ``instance``, ``seed``, ``solver`` and the measure; one row for each of the three.
    measure : str
    against : str
        The solver that all are compared with.
    others : sequence of str
    seed : int
        Of the bootstrap.
    """
    wide = frame.pivot_table(index=["instance", "seed"], columns="solver", values=measure, aggfunc="mean")
    found = []
    for name in others:
        both = wide[[name, against]].dropna()
        runs = both[name] - both[against]
        means = runs.groupby(level="instance").mean()
        values = means.to_numpy(dtype=np.float64)
        low, high = bootstrap_interval(values, seed=seed)
        found.append(
            Paired(
                name,
                against,
                len(runs),
                len(means),
                int((values < -CLOSE).sum()),
                int((values > CLOSE).sum()),
                float(values.mean()) if values.size else math.nan,
                low,
                high,
                wilcoxon_p(runs.to_numpy(dtype=np.float64)),
                wilcoxon_p(values),
            )
        )
    corrected = zip(found, holm([f.p_runs for f in found]), holm([f.p for f in found]), strict=True)
    return tuple(
        Paired(**{**vars(one), "p_runs_holm": runs_p, "p_holm": instance_p}) for one, runs_p, instance_p in corrected
    )
