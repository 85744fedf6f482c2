"""The trained source model, the input of Algorithm 2, as a plain array in a file; one is shipped in ``data``."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dtopt.errors import InputError
from solvers.transfer.learner import INPUTS
from solvers.transfer.models import parameters
from solvers.weight_files import read_arrays, write_arrays

if TYPE_CHECKING:
    from dtopt.arrays import FloatArray

__all__ = ["SHIPPED", "load_source", "save_source"]

#: The model that comes with the package; what made it is beside it.
SHIPPED = Path(__file__).parent / "data" / "drl-transfer.npz"


def save_source(path: Path, model: FloatArray) -> None:
    """Write a model whole or not at all."""
    write_arrays(path, {"model": model.astype(np.float32)})


@cache
def load_source(path: Path, hidden: int) -> FloatArray:
    """Return a model of that width from a file.

    Raises
    ------
    InputError
        If there is none, or it is of another width.
    """
    model: FloatArray = read_arrays(path, ("model",), np.float64, SHIPPED.name)["model"]
    if model.shape != (parameters(INPUTS, hidden),):
        raise InputError(f"is not of width {hidden}", where=str(path), mend="give hidden as in its training")
    return model
