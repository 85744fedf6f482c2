"""Weights as plain arrays in an npz file, which holds no code; the shipped ones are in ``data``."""

from __future__ import annotations

import zipfile
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dtopt.errors import InputError
from solvers.policy.forward import Weights

if TYPE_CHECKING:
    from solvers.policy.model import Policy

__all__ = ["SHIPPED", "load_weights", "save_weights", "weights_of"]

#: The weights that come with the package; what made them is beside them.
SHIPPED = Path(__file__).parent / "data" / "policy.npz"


def weights_of(model: Policy) -> Weights:
    """Return the weights of a network in PyTorch."""
    state = {name: value.numpy() for name, value in model.state_dict().items()}
    arrays = {}
    for field in Weights._fields:
        layer, _, kind = field.partition("_")
        stacked = [state[f"{layer}.{r}.{kind}"] for r in range(len(state)) if f"{layer}.{r}.{kind}" in state]
        arrays[field] = np.stack(stacked) if stacked else state[f"{layer}.{kind}"]
    return Weights(**{name: np.array(value, dtype=np.float32, order="C") for name, value in arrays.items()})


def save_weights(path: Path, model: Policy) -> None:
    """Write the weights of a network."""
    draft = path.with_name(path.name + ".part.npz")
    np.savez_compressed(draft, **weights_of(model)._asdict())
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
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise InputError(
            f"cannot be read as weights: {error}", where=str(path), mend="give a policy.npz that training wrote"
        ) from error
    return Weights(**arrays)
