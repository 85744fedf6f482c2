"""The network: what a server is worth to a user after this slot, as a correction of the value by the fitted future.

Pairs of user and server go through one layer, a user's servers are pooled (mean and largest), and a second layer sees
a pair beside what was pooled. So users and servers may be any number, in any order. Layers are computed by the core, in
sums of a fixed order: BLAS has other bits on other CPUs, and the network decides where twins go.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from solvers._core import affine
from solvers.policy_online.view import FEATURES
from solvers.weight_files import no_weights, read_arrays, write_arrays

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats32 = NDArray[np.float32]

__all__ = ["SHIPPED", "Weights", "corrections", "load_weights", "save_weights"]

#: The weights that come with the package; what made them is beside them.
SHIPPED = Path(__file__).parent / "data" / "policy-online.npz"


class Weights(NamedTuple):
    """Layers by name, shape (inputs, outputs)."""

    first_weight: Floats32
    first_bias: Floats32
    second_weight: Floats32
    second_bias: Floats32
    last_weight: Floats32
    last_bias: Floats32


def corrections(weights: Weights, shown: Floats32) -> Floats32:
    """Return what is added to the value of each pair, shape (n, S), from what is shown of them, (n, S, `FEATURES`)."""
    w, (n, m, features) = weights, shown.shape
    width = w.first_bias.size
    hidden = np.maximum(affine(shown.reshape(n * m, features), w.first_weight, w.first_bias), 0.0)
    by_user = hidden.reshape(n, m, width)
    pooled = np.concatenate([by_user.mean(axis=1), by_user.max(axis=1)], axis=1)
    # The pooled part once for each user and not for each pair.
    of_user = affine(pooled, w.second_weight[width:], w.second_bias)
    of_pair = affine(hidden, w.second_weight[:width], np.zeros_like(w.second_bias))
    second = np.maximum(of_pair.reshape(n, m, -1) + of_user[:, None, :], 0.0)
    return affine(second.reshape(n * m, -1), w.last_weight, w.last_bias).reshape(n, m)


def save_weights(path: Path, weights: Weights) -> None:
    """Write weights whole or not at all."""
    write_arrays(path, weights._asdict())


@cache
def load_weights(path: Path = SHIPPED) -> Weights:
    """Return the weights in a file.

    Raises
    ------
    InputError
        If there is none, or it is not what `save_weights` writes.
    """
    weights = Weights(**read_arrays(path, Weights._fields, np.float32, SHIPPED.name))
    if weights.first_bias.ndim != 1 or weights.second_bias.ndim != 1:
        raise no_weights(path, "one of the biases has another shape", SHIPPED.name)
    first, second = weights.first_bias.size, weights.second_bias.size
    shapes = ((FEATURES, first), (first,), (3 * first, second), (second,), (second, 1), (1,))
    for name, array, shape in zip(Weights._fields, weights, shapes, strict=True):
        if array.shape != shape:
            raise no_weights(path, f"{name} has another shape", SHIPPED.name)
    return weights
