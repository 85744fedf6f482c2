"""The smoothed price dual, compiled; `dtopt.price_dual.PriceDual.smoothed` is its reference.

A module of its own because importing Numba takes longer than many a run: solvers that search with the dual import it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numba
import numpy as np

if TYPE_CHECKING:
    from dtopt.arrays import FloatArray, IntArray

__all__ = ["smoothed"]


@numba.njit(cache=True)
def _soft(x: float, temperature: float) -> tuple[float, float]:
    """Return −T log(1 + e^{−x/T}), which softens min(0, x), and its derivative."""
    ratio = x / temperature
    if ratio > 0.0:
        small = np.exp(-ratio)
        return -temperature * np.log1p(small), small / (1.0 + small)
    small = np.exp(ratio)
    return x - temperature * np.log1p(small), 1.0 / (1.0 + small)


@numba.njit(cache=True)
def smoothed(
    cost: FloatArray,
    root_load: FloatArray,
    part: FloatArray,
    has_part: bool,
    floor: FloatArray,
    has_floor: bool,
    cpu: FloatArray,
    capacity: FloatArray,
    opening: float,
    worth: float,
    max_open: int,
    state: IntArray,
    prices: FloatArray,
    temperature: float,
) -> tuple[float, FloatArray]:
    """Return the softened dual and its gradient; the arguments are the fields of `PriceDual`.

    `part` and `floor` are read only where their flag is set.
    """
    n, m = cost.shape
    slope = np.zeros(n + 3 * m + 1)
    value = -prices[n + 3 * m] * max_open
    opened = 0.0
    for i in range(n):
        value += prices[i]
        slope[i] = 1.0
    chosen = np.empty(n)
    for k in range(m):
        if state[k] < 0:
            continue
        load, place, share = prices[n + k], prices[n + m + k], prices[n + 2 * m + k]
        rate = load / (2.0 * worth)
        server = opening + prices[n + 3 * m] - load * load * cpu[k] / (4.0 * worth) - place * capacity[k] - share
        step = count = used = 0.0
        for i in range(n):
            if not np.isfinite(cost[i, k]):
                chosen[i] = 0.0
                continue
            size = root_load[i]
            if has_floor and rate * floor[i, k] > size:
                least = floor[i, k]
                priced, change = worth * (size * size / least + rate * rate * least), rate * least
            else:
                priced, change = load * size, size
            pair = cost[i, k] - prices[i] + priced + place
            if has_part:
                pair += share * part[i, k]
            gain, weight = _soft(pair, temperature)
            server += gain
            chosen[i] = weight
            step += weight * change
            count += weight
            if has_part:
                used += weight * part[i, k]
        if state[k] > 0:
            gain, is_open = server, 1.0
        else:
            gain, is_open = _soft(server, temperature)
        value += gain
        opened += is_open
        for i in range(n):
            slope[i] -= is_open * chosen[i]
        slope[n + k] = is_open * (step - load * cpu[k] / (2.0 * worth))
        slope[n + m + k] = is_open * (count - capacity[k])
        slope[n + 2 * m + k] = is_open * (used - 1.0)
    slope[n + 3 * m] = opened - max_open
    return value, slope
