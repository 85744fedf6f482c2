"""Traces from Eclipse SUMO: its floating car data (FCD) export, XML with the positions of all at each time step."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path
from typing import IO, TYPE_CHECKING, NoReturn, cast
from xml.parsers import expat

import numpy as np

from dtopt.errors import InputError
from instances.mobility.traces import trace_from_records

if TYPE_CHECKING:
    from instances.mobility.traces import Trace

__all__ = ["read_fcd"]

#: Elements that are users.
MOVING = frozenset({"vehicle", "person"})
CHUNK_BYTES = 1 << 16


def read_fcd(path: str | Path, *, degrees: bool = False) -> Trace:
    """Read an FCD export, ``.xml`` or ``.xml.gz``, without holding the document in memory.

    Vehicles and persons are users alike; a vehicle and a person of one name are told apart by ``vehicle`` and
    ``person`` in front of it.

    Parameters
    ----------
    path : str or Path
    degrees : bool
        Whether x and y are longitude and latitude, as ``--fcd-output.geo`` writes them; the file does not say.

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
    kinds: dict[str, set[str]] = {}
    for tag, name in zip(reader.tag, reader.name, strict=True):
        kinds.setdefault(name, set()).add(tag)
    names = [
        f"{tag} {name}" if len(kinds[name]) > 1 else name for tag, name in zip(reader.tag, reader.name, strict=True)
    ]
    place = np.array([reader.x, reader.y]).T.reshape(-1, 2)
    # Longitude comes first there, latitude here.
    return trace_from_records(
        str(path), names, reader.time, place[:, ::-1] if degrees else place, degrees=degrees, lines=reader.line
    )


class _Reader:
    """Collects the records of an FCD export from the parser's events."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.tag: list[str] = []
        self.name: list[str] = []
        self.time: list[float] = []
        self.x: list[float] = []
        self.y: list[float] = []
        self.line: list[int] = []
        self.now: float | None = None
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
            self.now = self._number(tag, attributes, "time")
        elif tag in MOVING:
            if self.now is None:
                self._fail(f"has a <{tag}> outside of a <timestep>")
            if "id" not in attributes:
                self._fail(f"has a <{tag}> without id")
            self.tag.append(tag)
            self.name.append(attributes["id"])
            self.time.append(self.now)
            self.x.append(self._number(tag, attributes, "x"))
            self.y.append(self._number(tag, attributes, "y"))
            self.line.append(self.parser.CurrentLineNumber)

    def _number(self, tag: str, attributes: dict[str, str], name: str) -> float:
        if name not in attributes:
            self._fail(f"has a <{tag}> without {name}")
        try:
            return float(attributes[name])
        except ValueError:
            self._fail(f"<{tag}> has {name}={attributes[name][:40]!r}, which is not a number")

    def _fail(self, what: str, mend: str | None = None) -> NoReturn:
        raise InputError(what, where=f"{self.path}: line {self.parser.CurrentLineNumber}", mend=mend)
