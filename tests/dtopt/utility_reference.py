"""The softened dual of P2 and the settling of its prices in NumPy: what `dtopt.utility_dual` computes in the core."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.special import expit

from dtopt.utility_dual import HALVINGS

if TYPE_CHECKING:
    from dtopt.arrays import FloatArray
    from dtopt.utility_dual import UtilityDual

__all__ = ["settled", "smoothed"]


def smoothed(dual: UtilityDual, prices: FloatArray, temperature: float) -> tuple[float, FloatArray]:
    """Return g with its maxima softened, which lies above it, and its gradient."""
    serve, load, place = dual.split(prices)
    ratio = dual.margins(prices) / temperature
    chosen = expit(ratio)
    value = temperature * np.logaddexp(0.0, ratio).sum(axis=2)
    value += load[:, None] * dual.level + (place * dual.places)[:, None]
    value[dual.segments.single, 1] = -np.inf
    share, total = np.empty_like(value), float(serve.sum())
    for first, last in zip(dual.starts[:-1], dual.starts[1:], strict=True):
        most = value[first:last].max()
        part = np.exp((value[first:last] - most) / temperature)
        share[first:last] = part / part.sum()
        total += float(most + temperature * np.log(part.sum()))
    slope = np.empty(prices.size)
    serving, loading, placing = dual.split(slope)
    serving[:] = 1.0 - np.tensordot(share, chosen, 2)
    loading[:] = (share * (dual.level - (chosen * dual.weight).sum(axis=2))).sum(axis=1)
    placing[:] = (share * (dual.places[:, None] - chosen.sum(axis=2))).sum(axis=1)
    return total, slope


def settled(dual: UtilityDual, prices: FloatArray) -> FloatArray:
    """Return prices with each segment's price of load where the segment wins least, the others as they are."""
    n, segments = dual.worth.shape[2], dual.level.shape[0]
    serve, load, place = dual.split(prices)
    unit = dual._units()[n : n + segments]

    def slope(load: FloatArray) -> FloatArray:
        trial = np.concatenate([serve, load, place])
        margins = dual.margins(trial)
        gains = dual.gains(trial, margins)
        end = np.where(dual.segments.single, 0, gains.argmax(axis=1))
        rows = np.arange(segments)
        taken = ((margins > 0) * dual.weight).sum(axis=2)
        return np.asarray(dual.level[rows, end] - taken[rows, end])

    low, high = np.zeros(segments), load.copy()
    step = np.maximum(load, unit)
    short = slope(high) < 0
    while short.any():
        low, high = np.where(short, high, low), np.where(short, high + step, high)
        step = 2.0 * step
        short &= slope(high) < 0
    for _ in range(HALVINGS):
        middle = 0.5 * (low + high)
        falls = slope(middle) < 0
        low, high = np.where(falls, middle, low), np.where(falls, high, middle)
    trial = np.concatenate([serve, high, place])
    better = dual.gains(trial).max(axis=1) < dual.gains(prices).max(axis=1)
    return np.concatenate([serve, np.where(better, high, load), place])
