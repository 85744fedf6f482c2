"""Files of trained weights, and of what training makes: plain arrays in an npz, which holds no code."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from dtopt.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from numpy.typing import DTypeLike

__all__ = ["no_weights", "read_arrays", "write_arrays"]


def write_arrays(path: Path, arrays: Mapping[str, Any]) -> None:
    """Write named arrays whole or not at all: a kill on the way leaves the file that was there before."""
    draft = path.with_name(path.name + ".part.npz")
    np.savez_compressed(draft, **arrays)
    draft.replace(path)


def read_arrays(path: Path, names: Iterable[str], dtype: DTypeLike, trained: str) -> dict[str, Any]:
    """Return named arrays of finite numbers, in C order.

    Parameters
    ----------
    path : Path
    names : iterable of str
    dtype : dtype
    trained : str
        The name of the file that training writes, for the message.

    Raises
    ------
    InputError
        If there is no such file, or it is damaged or something else.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            arrays = {name: np.array(stored[name], dtype=dtype, order="C") for name in names}
    except Exception as error:  # zip, zlib and NumPy raise some ten kinds for damaged members
        raise no_weights(path, str(error).partition("\n")[0], trained) from error
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            raise no_weights(path, f"{name} is not finite", trained)
    return arrays


def no_weights(path: Path, why: str, trained: str) -> InputError:
    """Return the error that a file holds no weights, and why."""
    return InputError(
        f"cannot be read as weights: {why}", where=str(path), mend=f"give a {trained} that training wrote"
    )
