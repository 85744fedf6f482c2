"""The content hash that ties solutions to their instance."""

from __future__ import annotations

import hashlib
from dataclasses import fields, is_dataclass

import numpy as np

__all__ = ["UNHASHED_DEFAULT", "fingerprint"]

#: Metadata of a field that came later: at its default it is left out, so that older hashes still hold.
UNHASHED_DEFAULT = {"unhashed_default": True}

#: Labels for people: renaming a station, or saying where on earth it is, does not make old solutions strangers.
_LABELS = frozenset({"name", "names", "origin"})


def fingerprint(value: object) -> str:
    """Return the SHA-256 of a frozen dataclass of numbers, strings, arrays and such dataclasses, labels left out.

    Arrays are hashed with their shape as little-endian bytes, so the hash is the same on every machine and
    survives every file format that keeps the numbers exactly.
    """
    digest = hashlib.sha256()
    _update(digest, value)
    return digest.hexdigest()


def _update(digest: hashlib._Hash, value: object) -> None:
    if is_dataclass(value):
        digest.update(f"<{type(value).__name__}>".encode())
        for field in fields(value):
            later = bool(field.metadata.get("unhashed_default")) and getattr(value, field.name) == field.default
            if field.name not in _LABELS and not later:
                digest.update(f"{field.name}=".encode())
                _update(digest, getattr(value, field.name))
        digest.update(b"</>")
    elif isinstance(value, np.ndarray):
        digest.update(f"[{value.dtype.kind}{value.shape}]".encode())
        digest.update(np.ascontiguousarray(value.astype(value.dtype.newbyteorder("<"), copy=False)).data)
    elif isinstance(value, float):
        digest.update(float(value).hex().encode() + b";")
    else:
        digest.update(repr(value).encode() + b";")
