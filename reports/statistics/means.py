"""Means for times and gaps, and bootstrap intervals."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dtopt.arrays import FloatArray

__all__ = ["GAP_SHIFT", "TIME_SHIFT_S", "bootstrap_interval", "shifted_geometric_mean"]

#: Shifts that keep tiny times and gaps from ruling a geometric mean.
TIME_SHIFT_S = 0.1
GAP_SHIFT = 0.001
RESAMPLES = 2000


def shifted_geometric_mean(values: Sequence[float] | FloatArray, shift: float) -> float:
    """Return exp(mean(log(x + shift))) − shift; nan of nothing, infinite where a value is."""
    x = np.asarray(values, dtype=np.float64)
    if not x.size:
        return math.nan
    return float(np.exp(np.mean(np.log(x + shift))) - shift)


def bootstrap_interval(
    values: Sequence[float] | FloatArray, *, level: float = 0.95, seed: int = 0
) -> tuple[float, float]:
    """Return a bootstrap interval of the mean by percentiles (`scipy.stats.bootstrap`).

    (nan, nan) for fewer than two values; (x, x) where all are equal, since no resample can differ.
    """
    from scipy.stats import bootstrap

    x = np.asarray(values, dtype=np.float64)
    if x.size < 2 or not np.isfinite(x).all():
        return math.nan, math.nan
    if np.ptp(x) == 0:
        return float(x[0]), float(x[0])
    found = bootstrap(
        (x,),
        np.mean,
        n_resamples=RESAMPLES,
        batch=max(1, 2_000_000 // x.size),
        confidence_level=level,
        method="percentile",
        vectorized=True,
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return float(found.low), float(found.high)
