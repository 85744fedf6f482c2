"""File names made from names that people gave: safe on every system, short, and different for different names."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["LONGEST_STEM", "file_stem", "file_stems"]

#: Longest stem, bytes of UTF-8. With a suffix and with what is added while a file is written it stays below 143 bytes,
#: the shortest limit of a file system in wide use (eCryptfs; others have 255).
LONGEST_STEM = 100
#: Bytes that are kept of the end of a long name, where the solver or policy is.
_TAIL = 40
#: Names of devices on Windows, with any suffix.
_DEVICES = frozenset({"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10))})


def file_stem(name: str) -> str:
    """Return a name as the stem of a file name.

    Letters and digits of all languages and ``.()=-`` are kept and everything else becomes ``_``, so that a name leads
    out of no folder and needs no quotes in a shell. A name that is too long keeps its start and its end, with a digest
    of the whole name between them.
    """
    stem = re.sub(r"[^\w.()=-]+", "_", unicodedata.normalize("NFC", name)).lstrip(".")
    if not stem.strip("_."):
        stem = "unnamed" if not name.strip() else f"unnamed-{_digest(name)}"
    if stem.startswith("-") or stem.partition(".")[0].lower() in _DEVICES:
        stem = f"_{stem}"
    return _shortened(stem, name)


def file_stems(names: Sequence[str]) -> list[str]:
    """Return a stem for each of several files in one folder, all different.

    Names whose stems would be the same but for upper and lower case get a digest of the name. Which name gets which
    stem does not depend on their order.

    Parameters
    ----------
    names : sequence of str
        All different.
    """
    stems = [file_stem(name) for name in names]
    count = Counter(stem.casefold() for stem in stems)
    return [
        stem if count[stem.casefold()] == 1 else _shortened(f"{stem}-{_digest(name)}", f"{name}-")
        for stem, name in zip(stems, names, strict=True)
    ]


def _shortened(stem: str, name: str) -> str:
    raw = stem.encode()
    if len(raw) <= LONGEST_STEM:
        return stem
    middle = f"-{_digest(name)}-"
    head = raw[: LONGEST_STEM - _TAIL - len(middle)].decode(errors="ignore")
    return head + middle + raw[-_TAIL:].decode(errors="ignore")


def _digest(name: str) -> str:
    return hashlib.sha256(name.encode(errors="surrogatepass")).hexdigest()[:8]
