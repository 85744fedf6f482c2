"""Traces from Eclipse SUMO: its floating car data (FCD) export, XML with the positions of all at each time step."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path
from typing import IO, TYPE_CHECKING, NoReturn, cast
from xml.parsers import expat

import numpy as np

from dtopt.errors import InputError
from instances.mobility.degrees import are_degrees
from instances.mobility.times import read_times
from instances.mobility.trace_tables import MOVING, NOT_USERS, distinct_names, note_left_out
from instances.mobility.traces import trace_from_records

if TYPE_CHECKING:
    from instances.mobility.traces import Trace

__all__ = ["read_fcd"]

CHUNK_BYTES = 1 << 16


def read_fcd(path: str | Path, *, degrees: bool | None = None) -> Trace:
    """Read an FCD export, ``.xml`` or ``.xml.gz``, without holding the document in memory.

    Vehicles and persons are users alike; a vehicle and a person of one name are told apart by ``vehicle`` and
    ``person`` in front of it. Containers are left out, with a note.

    Parameters
    ----------
    path : str or Path
    degrees : bool, optional
        Whether x and y are longitude and latitude, as ``--fcd-output.geo`` writes them; the file does not say, and
        `instances.mobility.degrees.are_degrees` decides where not given.

    Raises
    ------
    InputError
        On a file that is missing, no whole XML, or no FCD export, and on any DOCTYPE; with file and line.
    """
    path = Path(path)
    reader = _Reader(path)
    try:
        with gzip.open(path) if path.suffix.lower() == ".gz" else path.open("rb") as file:
            reader.read(cast("IO[bytes]", file))
    except expat.ExpatError as error:
        what = f"is not XML: {expat.ErrorString(error.code)}"
        raise InputError(what, where=f"{path}: line {error.lineno}", mend="it may be cut off") from None
    except InputError:
        raise
    except (LookupError, ValueError):
        mend = "save it as UTF-8"
        raise InputError("names an encoding that is not known", where=f"{path}: line 1", mend=mend) from None
    except (EOFError, zlib.error, gzip.BadGzipFile):
        raise InputError("is not a whole gzip file", where=str(path), mend="it may be cut off") from None
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror or error}", where=str(path)) from None
    step_s = read_times(reader.time, lambda i: f"{path}: line {reader.time_line[i]}, time of <timestep>")
    time_s = step_s[reader.step]
    name, place = distinct_names(reader.tag, reader.name), np.array([reader.x, reader.y]).T.reshape(-1, 2)
    note_left_out(str(path), len(reader.left_out))
    if degrees is None:
        degrees = are_degrees(str(path), name, time_s, place)
    # Longitude comes first there, latitude here.
    place = place[:, ::-1] if degrees else place
    return trace_from_records(str(path), name, time_s, place, degrees=degrees, lines=reader.line)


class _Reader:
    """Collects the records of an FCD export from the parser's events."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.tag: list[str] = []
        self.name: list[str] = []
        self.step: list[int] = []
        self.x: list[float] = []
        self.y: list[float] = []
        self.line: list[int] = []
        self.time: list[str] = []
        self.time_line: list[int] = []
        self.left_out: set[str] = set()
        self.began = False
        self.parser = expat.ParserCreate()
        self.parser.StartElementHandler = self._start
        self.parser.StartDoctypeDeclHandler = self._doctype

    def read(self, file: IO[bytes]) -> None:
        # Byte by byte up to the root element: a DOCTYPE is refused before any entity of it is even declared.
        while not self.began and (byte := file.read(1)):
            self.parser.Parse(byte, False)
        while chunk := file.read(CHUNK_BYTES):
            self.parser.Parse(chunk, False)
        self.parser.Parse(b"", True)

    def _doctype(self, *_: object) -> NoReturn:
        self._fail("has a DOCTYPE, which no export of SUMO has", "nothing in it is read; export the trace again")

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        if not self.began:
            self.began = True
            if tag != "fcd-export":
                self._fail(f"is no FCD export, its root is <{tag[:40]}>", "make it with sumo --fcd-output")
        elif tag == "timestep":
            self.time.append(self._attribute(tag, attributes, "time"))
            self.time_line.append(self.parser.CurrentLineNumber)
        elif tag in MOVING:
            if not self.time:
                self._fail(f"has a <{tag}> outside of a <timestep>")
            self.tag.append(tag)
            self.name.append(self._attribute(tag, attributes, "id"))
            self.step.append(len(self.time) - 1)
            self.x.append(self._number(tag, attributes, "x"))
            self.y.append(self._number(tag, attributes, "y"))
            self.line.append(self.parser.CurrentLineNumber)
        elif tag == NOT_USERS:
            self.left_out.add(attributes.get("id", ""))

    def _attribute(self, tag: str, attributes: dict[str, str], name: str) -> str:
        if name not in attributes:
            self._fail(f"has a <{tag}> without {name}")
        return attributes[name]

    def _number(self, tag: str, attributes: dict[str, str], name: str) -> float:
        text = self._attribute(tag, attributes, name)
        try:
            return float(text)
        except ValueError:
            self._fail(f"<{tag}> has {name}={text[:40]!r}, which is not a number")

    def _fail(self, what: str, mend: str | None = None) -> NoReturn:
        raise InputError(what, where=f"{self.path}: line {self.parser.CurrentLineNumber}", mend=mend)
