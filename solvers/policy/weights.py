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

__all__ = ["SHIPPED", "begin_with", "load_weights", "save_weights", "weights_of"]

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


def begin_with(model: Policy, weights: Weights) -> None:
    """Give a network in PyTorch the weights of a file.

    Raises
    ------
    InputError
        If they are of a network of other sizes.
    """
    import torch

    named = dict(model.named_parameters())
    with torch.no_grad():
        for field, value in weights._asdict().items():
            layer, _, kind = field.partition("_")
            stacked = f"{layer}.{kind}" not in named
            parts = list(value) if stacked else [value]
            targets = [name for name in named if name.startswith(f"{layer}.") and name.endswith(kind)]
            if [named[name].shape for name in targets] != [part.shape for part in parts]:
                raise InputError(
                    f"{field} is of other sizes", where="start", mend="give width, heads, rounds of the file"
                )
            for name, part in zip(targets, parts, strict=True):
                named[name].copy_(torch.tensor(part))


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
