"""Weights as plain arrays in an npz file, which holds no code; the shipped ones are in ``data``."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dtopt.errors import InputError
from solvers import _core
from solvers.policy.forward import Weights
from solvers.policy.graph import N_SERVER_FEATURES, N_SHARED_FEATURES
from solvers.weight_files import no_weights, read_arrays, write_arrays

if TYPE_CHECKING:
    from solvers.policy.model import Policy

__all__ = ["SHIPPED", "begin_with", "load_weights", "read_weights", "save_weights", "weights_of"]

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
    write_arrays(path, weights_of(model)._asdict())


@cache
def load_weights(path: Path = SHIPPED) -> _core.GraphNetwork:
    """Return the network with the weights in a file.

    Raises
    ------
    InputError
        If there is none, or it is not what `save_weights` writes.
    """
    weights = read_weights(path)
    try:
        network = _core.GraphNetwork(*weights)
    except (TypeError, ValueError) as error:
        why = str(error) if isinstance(error, ValueError) else "one of the arrays has another shape"
        raise no_weights(path, why, SHIPPED.name) from error
    if (network.n_server_features, network.n_shared_features) != (N_SERVER_FEATURES, N_SHARED_FEATURES):
        raise no_weights(path, "they are of other features", SHIPPED.name)
    return network


def read_weights(path: Path = SHIPPED) -> Weights:
    """Return the arrays in a file, without looking at their shapes.

    Raises
    ------
    InputError
        As `load_weights`.
    """
    return Weights(**read_arrays(path, Weights._fields, np.float32, SHIPPED.name))
