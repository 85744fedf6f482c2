"""Lists of whole numbers in few bytes, for files that hold many associations."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from dtopt.arrays import IntArray

__all__ = ["pack", "unpack"]

_KINDS = {b"2": "<i2", b"4": "<i4"}


def pack(numbers: IntArray) -> bytes:
    """Return whole numbers below 2³¹ as compressed little-endian bytes."""
    small = numbers.size == 0 or (int(numbers.min()) >= -(2**15) and int(numbers.max()) < 2**15)
    mark = b"2" if small else b"4"
    return mark + zlib.compress(numbers.astype(_KINDS[mark]).tobytes(), 9)


def unpack(data: bytes) -> IntArray:
    """Return what `pack` was given.

    Raises
    ------
    ValueError
        If the bytes are not its.
    """
    kind = _KINDS.get(data[:1])
    if kind is None:
        raise ValueError("is no packed list")
    try:
        return np.frombuffer(zlib.decompress(data[1:]), dtype=kind).astype(np.int64)
    except zlib.error as error:
        raise ValueError(f"is no packed list: {error}") from None
