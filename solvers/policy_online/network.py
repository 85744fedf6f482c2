"""The network: what a server is worth to a user after this slot, as a correction of the value by the fitted future.

Pairs of user and server go through one layer, a user's servers are pooled (mean and largest), and a second layer sees
a pair beside what was pooled. So users and servers may be any number, in any order.
"""

from __future__ import annotations

import zipfile
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from dtopt.errors import InputError
from solvers.policy_online.view import FEATURES

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
    n, m, _ = shown.shape
    hidden = np.maximum(shown.reshape(n * m, -1) @ weights.first_weight + weights.first_bias, 0.0)
    width = hidden.shape[1]
    by_user = hidden.reshape(n, m, width)
    pooled = np.concatenate([by_user.mean(axis=1), by_user.max(axis=1)], axis=1)
    # The pooled part once for each user and not for each pair.
    second = hidden @ weights.second_weight[:width]
    second = second.reshape(n, m, -1) + (pooled @ weights.second_weight[width:] + weights.second_bias)[:, None, :]
    out = np.maximum(second, 0.0) @ weights.last_weight + weights.last_bias
    return np.asarray(out[..., 0], dtype=np.float32)


def save_weights(path: Path, weights: Weights) -> None:
    """Write weights whole or not at all."""
    draft = path.with_name(path.name + ".part.npz")
    np.savez_compressed(draft, **weights._asdict())
    draft.replace(path)


@cache
def load_weights(path: Path = SHIPPED) -> Weights:
    """Return the weights in a file.

    Raises
    ------
    InputError
        If there is none, or it is not what `save_weights` writes.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            arrays = {name: np.array(stored[name], dtype=np.float32, order="C") for name in Weights._fields}
        if arrays["first_weight"].shape[0] != FEATURES:
            raise ValueError(f"they are for {arrays['first_weight'].shape[0]} numbers a pair, not {FEATURES}")
    except (OSError, ValueError, KeyError, IndexError, zipfile.BadZipFile) as error:
        raise InputError(
            f"cannot be read as weights: {error}", where=str(path), mend="give a policy-online.npz that training wrote"
        ) from error
    return Weights(**arrays)
