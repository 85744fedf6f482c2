"""The content hash that ties solutions to their instance."""

from __future__ import annotations

import hashlib
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

__all__ = ["UNHASHED_DEFAULT", "fingerprint"]

#: Metadata of a field that came later: at its default it is left out, so that older hashes still hold.
UNHASHED_DEFAULT = {"unhashed_default": True}

#: Labels for people: renaming a station, or saying where on earth it is, does not make old solutions strangers.
_LABELS = frozenset({"name", "names", "origin"})


def fingerprint(value: object, *, digits: int | None = None) -> str:
    """Return the SHA-256 of a frozen dataclass of numbers, strings, arrays and such dataclasses, labels left out.

    Arrays are hashed with their shape as little-endian bytes, so the hash is the same on every machine and
    survives every file format that keeps the numbers exactly.

    Parameters
    ----------
    value : object
    digits : int, optional
        Round arrays of numbers to so many digits first. What a generator makes differs in the last bits between CPUs
        with and without AVX-512, since NumPy's logarithms and sines do; with six digits both have the same hash.
    """
    digest = hashlib.sha256()
    _update(digest, value, digits)
    return digest.hexdigest()


def _rounded(value: npt.NDArray[np.float64], digits: int) -> npt.NDArray[np.float64]:
    """Return numbers with so many digits; those that are 0 but for rounding, by the largest, are 0."""
    finite = np.isfinite(value) & (value != 0.0)
    if not finite.any():
        return value
    size = np.abs(value[finite])
    kept = np.array([float(f"{x:.{digits - 1}e}") for x in value[finite].tolist()])
    result = value.copy()
    result[finite] = np.where(size < 1e-9 * size.max(), 0.0, kept)
    return result


def _update(digest: hashlib._Hash, value: object, digits: int | None) -> None:
    if is_dataclass(value):
        digest.update(f"<{type(value).__name__}>".encode())
        for field in fields(value):
            later = bool(field.metadata.get("unhashed_default")) and getattr(value, field.name) == field.default
            if field.name not in _LABELS and not later:
                digest.update(f"{field.name}=".encode())
                _update(digest, getattr(value, field.name), digits)
        digest.update(b"</>")
    elif isinstance(value, np.ndarray):
        if digits is not None and value.dtype.kind == "f":
            value = _rounded(value, digits)
        digest.update(f"[{value.dtype.kind}{value.shape}]".encode())
        digest.update(np.ascontiguousarray(value.astype(value.dtype.newbyteorder("<"), copy=False)).data)
    elif isinstance(value, float):
        if digits is not None:
            value = float(f"{value:.{digits - 1}e}")
        digest.update(float(value).hex().encode() + b";")
    else:
        digest.update(repr(value).encode() + b";")
