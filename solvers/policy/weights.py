"""Weights as plain arrays in an npz file, which holds no code; the shipped ones are in ``data``."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dtopt.errors import InputError
from solvers.policy.forward import N_MESSAGES, N_TERMS, Weights
from solvers.policy.graph import N_SERVER_FEATURES, N_SHARED_FEATURES
from solvers.weight_files import no_weights, read_arrays, write_arrays

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
    write_arrays(path, weights_of(model)._asdict())


@cache
def load_weights(path: Path = SHIPPED) -> Weights:
    """Return the weights in a file.

    Raises
    ------
    InputError
        If there is none, or it is not what `save_weights` writes.
    """
    weights = Weights(**read_arrays(path, Weights._fields, np.float32, SHIPPED.name))
    wrong = _wrong_size(weights)
    if wrong:
        raise no_weights(path, f"{wrong} has another shape", SHIPPED.name)
    return weights


def _wrong_size(weights: Weights) -> str:
    """Return the first array that does not fit the others; the compiled network does not look at bounds."""
    w = weights
    if w.begin_bias.ndim != 1 or any(bias.ndim != 2 for bias in (w.inner_bias, w.terms_bias, w.sharpness_bias)):
        return "one of the biases"
    width, hidden = w.begin_bias.size, w.inner_bias.shape[1]
    rounds, heads = w.terms_bias.shape[0], w.sharpness_bias.shape[1]
    if not min(width, hidden, rounds, heads):
        return "one of the biases"
    static = N_SERVER_FEATURES + N_SHARED_FEATURES
    news = static + N_MESSAGES * heads + heads
    shapes = {
        "begin_weight": (width, static),
        "begin_bias": (width,),
        "terms_weight": (rounds, N_TERMS * heads, width),
        "terms_bias": (rounds, N_TERMS * heads),
        "inner_weight": (rounds, hidden, 2 * width + news),
        "inner_bias": (rounds, hidden),
        "outer_weight": (rounds, width, hidden),
        "outer_bias": (rounds, width),
        "sharpness_weight": (rounds + 1, heads, N_SHARED_FEATURES),
        "sharpness_bias": (rounds + 1, heads),
        "final_weight": (N_TERMS, width),
        "final_bias": (N_TERMS,),
    }
    for name, array in weights._asdict().items():
        if array.shape != shapes[name]:
            return name
    return ""
