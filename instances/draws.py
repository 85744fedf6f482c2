"""Random draws that are the same on every machine.

A generator's ``random``, ``integers`` and ``permutation`` are: they are bits of a counter. Its other distributions are
not, since they call the C library's functions, or leave a product and a sum to the compiler, which may round once or
twice. Those that instances need are made of ``random`` and `dtopt.elementary` here.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from dtopt.elementary import log, normal_pair, total

if TYPE_CHECKING:
    from dtopt.arrays import FloatArray, IntArray

__all__ = ["choice", "normal", "popularity", "uniform"]


def uniform(
    rng: np.random.Generator,
    low: float | FloatArray,
    high: float | FloatArray,
    shape: int | tuple[int, ...],
) -> FloatArray:
    """Return uniform draws from `low` to `high`, which broadcast to the shape."""
    part = rng.random(shape)
    part *= np.subtract(high, low)
    part += low
    return part


def normal(rng: np.random.Generator, spread: float | FloatArray, shape: int | tuple[int, ...]) -> FloatArray:
    """Return normal draws of mean 0 and the given standard deviation."""
    size = shape if isinstance(shape, int) else math.prod(shape)
    first, second = rng.random((2, (size + 1) // 2))
    standard = np.concatenate(normal_pair(1.0 - first, second))[:size].reshape(shape)
    return np.asarray(standard * spread)


def popularity(rng: np.random.Generator, count: int) -> FloatArray:
    """Return parts of a whole, shape (count,), distributed as Dirichlet's with every parameter 2.

    Such parts are sums of two exponential draws over the sum of all.
    """
    first, second = 1.0 - rng.random((2, count))
    size = -log(first) - log(second)
    return np.asarray(size / total(size))


def choice(rng: np.random.Generator, count: int, probability: FloatArray) -> IntArray:
    """Return `count` indices drawn with the given probabilities, which may sum to 1 or to anything above 0."""
    cumulative = np.add.accumulate(probability)
    return np.asarray(
        np.searchsorted(cumulative[:-1], rng.random(count) * cumulative[-1], side="right"), dtype=np.int64
    )
