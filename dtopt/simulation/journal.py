"""The journal of a simulation: a line of JSON for each finished slot, on disk before the next slot begins.

The first line says what is run: scenario, policy, options, seed. A line that a kill has cut off is dropped on reading.
Figures are not kept: they follow from the associations, by the evaluator.
"""

from __future__ import annotations

import errno
import json
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dtopt.arrays import int_array
from dtopt.errors import InputError
from dtopt.io.files import parse_json
from dtopt.io.locks import WriteLock

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from dtopt.arrays import IntArray

__all__ = ["FORMAT", "Entry", "Journal"]

FORMAT, VERSION = "dtopt-simulation", 1
#: What must be the same for a run to be resumed; versions are told, not compared.
_IDENTITY = ("format", "version", "scenario", "policy", "options", "seed")


@dataclass(frozen=True, eq=False)
class Entry:
    """One finished slot.

    Parameters
    ----------
    slot : int
    association : ndarray of int, shape (n,)
        Of the users who are there.
    servers : ndarray of int or None
        The stations that may keep twins; None for all.
    decision_s : float
        Wall time of the decision, s.
    state : object
        What the policy keeps, as JSON types; None for policies that keep nothing.
    """

    slot: int
    association: IntArray
    servers: IntArray | None
    decision_s: float
    state: Any = None


class Journal:
    """A journal that is open for writing; `entries` holds the slots that were there when it was opened.

    Parameters
    ----------
    path : path
    header : mapping
        What is run; of JSON types.
    resume : bool
        Whether to go on from a journal that exists. Without it, an existing file is an error.

    Raises
    ------
    InputError
        If the file exists (without `resume`), is no journal, is of another run, is being written by another process, or
        cannot be written.
    """

    def __init__(self, path: str | os.PathLike[str], header: Mapping[str, Any], *, resume: bool) -> None:
        self.path = Path(path)
        self.entries: list[Entry] = []
        header = {"format": FORMAT, "version": VERSION, **header}
        # Before looking what is there: two that begin at once would both find nothing.
        self._lock = WriteLock(self.path)
        try:
            self._begin(header, resume=resume)
        except BaseException:
            self._lock.close()
            raise

    def _begin(self, header: Mapping[str, Any], *, resume: bool) -> None:
        exists = self.path.exists()
        if exists and not resume:
            raise InputError("exists already", where=str(self.path), mend="resume it, or name another file")
        try:
            kept = self._read(header) if exists else 0
            # Not buffered: what cannot be written is told where it is written, and not again when the file is closed.
            self._stream = self.path.open("ab", buffering=0)
            # What a kill has left of a line goes.
            self._stream.truncate(kept)
            self._stream.seek(kept)
            if kept == 0:
                self._append(header)
        except OSError as error:
            raise InputError(f"cannot be written: {error.strerror or error}", where=str(self.path)) from None

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stream.close()
        self._lock.close()

    def commit(self, entry: Entry) -> None:
        """Write a slot; when this returns, a kill cannot lose it."""
        line = {
            "slot": entry.slot,
            "association": entry.association.tolist(),
            "servers": None if entry.servers is None else entry.servers.tolist(),
            "decision_s": entry.decision_s,
        }
        if entry.state is not None:
            line["state"] = entry.state
        try:
            self._append(line)
        except OSError as error:
            raise InputError(f"cannot be written: {error.strerror or error}", where=str(self.path)) from None

    def _append(self, document: Mapping[str, Any]) -> None:
        line = json.dumps(document, allow_nan=False, separators=(",", ":")).encode() + b"\n"
        if self._stream.write(line) != len(line):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        os.fsync(self._stream.fileno())

    def _read(self, header: Mapping[str, Any]) -> int:
        """Read what is there and return how many bytes of it are whole lines."""
        kept = 0
        for number, line in enumerate(self.path.read_bytes().splitlines(keepends=True)):
            if not line.endswith(b"\n"):
                break
            try:
                document = parse_json(line.decode())
                if number:
                    self.entries.append(_entry(document, number - 1))
                else:
                    _same_run(document, header)
            except (UnicodeDecodeError, InputError) as error:
                raise _named(error, self.path, number + 1) from None
            kept += len(line)
        return kept


def _entry(document: dict[str, Any], slot: int) -> Entry:
    with suppress(KeyError, TypeError, ValueError, OverflowError):
        if document["slot"] == slot:
            servers = document["servers"]
            return Entry(
                slot,
                int_array(np.array(document["association"], dtype=np.int64), "association", minimum=-1),
                None if servers is None else int_array(np.array(servers, dtype=np.int64), "servers", minimum=0),
                float(document["decision_s"]),
                document.get("state"),
            )
    raise InputError(f"is not slot {slot} of a simulation")


def _same_run(document: Mapping[str, Any], header: Mapping[str, Any]) -> None:
    if document.get("format") != FORMAT:
        raise InputError("is no journal of a simulation")
    for key in _IDENTITY:
        # Through JSON, as the file has gone.
        if document.get(key) != json.loads(json.dumps(header[key])):
            raise InputError(f"is of another run: its {key} differs", mend="name another file, or run that one")


def _named(error: Exception, path: Path, line: int) -> InputError:
    what = error.what if isinstance(error, InputError) else "is not UTF-8 text"
    return InputError(what, where=f"{path}: line {line}", mend=error.mend if isinstance(error, InputError) else None)
