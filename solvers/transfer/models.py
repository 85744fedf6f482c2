"""Twins' models: one small network for each user, all of the same shape, stacked as rows of parameters.

A model takes what is seen of a user and a server and says what the server is worth to the user after this slot: a value
to come, C(s, k), of which only differences between a user's servers count. One hidden layer of softsign units,
x / (1 + |x|); the last one is linear. Parameters: weights (inputs, hidden), biases (hidden), weights of the last layer.
`solvers._core.model_values` and `model_gradients` compute with them, in sums of a fixed order: BLAS has other bits on
other CPUs, and these decide where twins go.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from dtopt.elementary import expm1, log

if TYPE_CHECKING:
    from dtopt.arrays import FloatArray, IntArray

__all__ = ["adam", "parameters", "random_models"]

#: Of the optimiser Adam (Kingma and Ba 2015).
BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-8
LOG_BETA_1, LOG_BETA_2 = log([BETA_1, BETA_2]).tolist()
#: Largest norm of a model's gradient.
CLIP = 1.0


def parameters(inputs: int, hidden: int) -> int:
    """Return how many parameters a model has: weights and biases of the hidden layer, weights of the last."""
    return hidden * (inputs + 2)


def random_models(random: np.random.Generator, count: int, inputs: int, hidden: int) -> FloatArray:
    """Return models drawn at random (Glorot and Bengio 2010), shape (count, P)."""
    first = random.uniform(-1.0, 1.0, (count, inputs, hidden)) * math.sqrt(6.0 / (inputs + hidden))
    last = random.uniform(-1.0, 1.0, (count, hidden)) * math.sqrt(6.0 / (hidden + 1))
    return np.concatenate([first.reshape(count, hidden * inputs), np.zeros((count, hidden)), last], axis=1)


def adam(
    models: FloatArray, slope: FloatArray, first: FloatArray, second: FloatArray, steps: IntArray, rate: float
) -> None:
    """Take a step of Adam with every model, in place; models without a gradient are left as they are."""
    # In a fixed order, which sums of NumPy do not promise.
    square = np.cumsum(slope * slope, axis=1)[:, -1:]
    some = square > 0.0
    steps += some[:, 0]
    g = slope * np.minimum(1.0, CLIP / np.sqrt(np.where(some, square, 1.0)))
    first += (1.0 - BETA_1) * some * (g - first)
    second += (1.0 - BETA_2) * some * (g * g - second)
    # Means that began at 0 lack a part β^t.
    whole = np.maximum(steps, 1)[:, None]
    spread = np.sqrt(second / -expm1(whole * LOG_BETA_2)) + EPSILON
    models -= some * (rate / -expm1(whole * LOG_BETA_1)) * first / spread
