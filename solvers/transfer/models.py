"""Twins' models: one small network for each user, all of the same shape, stacked as rows of parameters.

A model takes what is seen of a user and a server and says what the server is worth to the user after this slot: a value
to come, C(s, k), of which only differences between a user's servers count. One hidden layer of softsign units,
x / (1 + |x|); the last one is linear. Parameters: weights (inputs, hidden), biases (hidden), weights of the last layer.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numba
import numpy as np

if TYPE_CHECKING:
    from dtopt.arrays import FloatArray, IntArray

__all__ = ["adam", "gradient", "parameters", "random_models", "valued"]

#: Of the optimiser Adam (Kingma and Ba 2015).
BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-8
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


@numba.njit(cache=True)
def _forward(model: FloatArray, state: FloatArray, hidden: int, activity: FloatArray, out: FloatArray) -> None:
    """Write what a model says of servers, shape (S,), less its mean, and the hidden layer, (S, H)."""
    servers, inputs = state.shape
    bias, last = hidden * inputs, hidden * inputs + hidden
    mean = 0.0
    for k in range(servers):
        # Over hidden units inside, so that the compiler makes vectors of them.
        for h in range(hidden):
            activity[k, h] = model[bias + h]
        for x in range(inputs):
            for h in range(hidden):
                activity[k, h] += model[x * hidden + h] * state[k, x]
        out[k] = 0.0
        for h in range(hidden):
            activity[k, h] /= 1.0 + abs(activity[k, h])
            out[k] += model[last + h] * activity[k, h]
        mean += out[k] / servers
    for k in range(servers):
        out[k] -= mean


@numba.njit(cache=True)
def valued(models: FloatArray, states: FloatArray, hidden: int) -> FloatArray:
    """Return what every user's model says of the user's servers, shape (n, S), from states (n, S, K)."""
    n, servers, _ = states.shape
    value = np.empty((n, servers))
    activity = np.empty((servers, hidden))
    for i in range(n):
        _forward(models[i], states[i], hidden, activity, value[i])
    return value


@numba.njit(cache=True)
def gradient(
    models: FloatArray,
    chosen: IntArray,
    before: FloatArray,
    after: FloatArray,
    gain: FloatArray,
    discount: float,
    hidden: int,
) -> tuple[FloatArray, FloatArray]:
    """Return each model's gradient of the squared Bellman error over its samples, and that error.

    What a server k is worth after a slot is, one slot later, the best over servers l of what the user then gets there,
    coming from k, and what l is worth: y_k = max_l (gain_kl + γ C(s', l)). Since U_i is known for every server
    (Algorithm 3 computes it), that is learnt of all k, and not only of those that were chosen.

    Parameters
    ----------
    models : ndarray, shape (n, P)
    chosen : ndarray of int, shape (n, B)
        Samples of each model; -1 for none.
    before, after : ndarray, shape (R, S, K)
        States of the samples, and those one slot later.
    gain : ndarray, shape (R, S, S)
        Utilities one slot later, from each server to each.
    discount : float
        γ.
    hidden : int
    """
    n, width = models.shape
    servers, inputs = before.shape[1:]
    bias, last = hidden * inputs, hidden * inputs + hidden
    slope, error = np.zeros((n, width)), np.zeros(n)
    activity = np.empty((servers, hidden))
    value, later, target = np.empty(servers), np.empty(servers), np.empty(servers)
    back = np.empty(hidden)
    for i in range(n):
        count = 0
        for b in range(chosen.shape[1]):
            r = chosen[i, b]
            if r < 0:
                continue
            count += 1
            _forward(models[i], after[r], hidden, activity, later)
            mean = 0.0
            for k in range(servers):
                target[k] = -np.inf
                for to in range(servers):
                    target[k] = max(target[k], gain[r, k, to] + discount * later[to])
                mean += target[k] / servers
            _forward(models[i], before[r], hidden, activity, value)
            for k in range(servers):
                # Both are less their means, so that the gradient of the mean is nothing.
                wrong = value[k] - (target[k] - mean)
                error[i] += wrong * wrong
                for h in range(hidden):
                    a = activity[k, h]
                    slope[i, last + h] += wrong * a
                    back[h] = wrong * models[i, last + h] * (1.0 - abs(a)) ** 2
                    slope[i, bias + h] += back[h]
                for x in range(inputs):
                    for h in range(hidden):
                        slope[i, x * hidden + h] += back[h] * before[r, k, x]
        for p in range(width):
            slope[i, p] *= 2.0 / max(count, 1)
        error[i] /= max(count, 1)
    return slope, error


@numba.njit(cache=True)
def adam(
    models: FloatArray, slope: FloatArray, first: FloatArray, second: FloatArray, steps: IntArray, rate: float
) -> None:
    """Take a step of Adam with every model, in place; models without a gradient are left as they are."""
    n, width = models.shape
    for i in range(n):
        norm = 0.0
        for p in range(width):
            norm += slope[i, p] ** 2
        if norm == 0.0:
            continue
        cut = min(1.0, CLIP / math.sqrt(norm))
        steps[i] += 1
        for p in range(width):
            g = slope[i, p] * cut
            first[i, p] = BETA_1 * first[i, p] + (1.0 - BETA_1) * g
            second[i, p] = BETA_2 * second[i, p] + (1.0 - BETA_2) * g * g
            mean = first[i, p] / (1.0 - BETA_1 ** steps[i])
            spread = second[i, p] / (1.0 - BETA_2 ** steps[i])
            models[i, p] -= rate * mean / (math.sqrt(spread) + EPSILON)
