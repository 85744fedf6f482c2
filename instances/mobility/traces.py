"""Traces of positions: who was where when. Read from CSV, held in one type for all sources, sampled at any times.

>>> trace = read_csv("walks.csv", columns={"id": "NODE", "time_s": "STAMP"})

A CSV file has a heading and one line for each record: an identifier, a time, and x and y in metres or latitude and
longitude in degrees. Cells are parted by commas, semicolons or tabs, whichever the heading has, and numbers may
have decimal commas where cells are not parted by them; lines that begin with
``#`` are comments; a file named ``.gz`` is unpacked on the way.
"""

from __future__ import annotations

import csv as csv_module
import gzip
import zlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import numpy as np

from dtopt.errors import InputError
from instances.tables import decimal_points, delimiter_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from dtopt.arrays import BoolArray, FloatArray, IntArray
    from dtopt.geography import Projection

__all__ = ["HEADINGS", "Trace", "read_csv", "trace_from_records"]

#: Headings recognised without a mapping, in lower case, each with what makes seconds, metres or degrees of its unit.
HEADINGS: dict[str, dict[str, float]] = {
    "id": dict.fromkeys(
        ("id", "user", "user_id", "name", "node", "vehicle_id", "veh_id", "vehicle", "person_id", "person"), 1.0
    ),
    "time_s": {"time_s": 1.0, "time": 1.0, "t": 1.0, "timestamp": 1.0, "timestep_time": 1.0, "time_ms": 1e-3},
    "x_m": {"x_m": 1.0, "x": 1.0, "vehicle_x": 1.0, "person_x": 1.0, "x_km": 1e3},
    "y_m": {"y_m": 1.0, "y": 1.0, "vehicle_y": 1.0, "person_y": 1.0, "y_km": 1e3},
    "latitude": dict.fromkeys(("latitude", "lat"), 1.0),
    "longitude": dict.fromkeys(("longitude", "lon", "lng", "long"), 1.0),
}


@dataclass(frozen=True, eq=False)
class Trace:
    """Records of users' positions in time; see `trace_from_records`.

    Parameters
    ----------
    path : str
        Where it comes from, for messages.
    names : tuple of str
        The N users, in the order they are met in the file.
    user : ndarray of int, shape (R,)
        Whose record it is; records are sorted by user and time.
    time_s : ndarray, shape (R,)
    position : ndarray, shape (R, 2)
        x and y, m; or latitude and longitude, degrees.
    degrees : bool
        Which of the two.
    """

    path: str
    names: tuple[str, ...]
    user: IntArray
    time_s: FloatArray
    position: FloatArray
    degrees: bool = False

    @property
    def count(self) -> int:
        """N."""
        return len(self.names)

    def span_s(self) -> tuple[FloatArray, FloatArray]:
        """Return the times of each user's first and last record, shape (N,) each, s."""
        ends = self._ends()
        return self.time_s[ends[:-1]], self.time_s[ends[1:] - 1]

    def take(self, users: IntArray) -> Trace:
        """Return the trace of some users, in the order given."""
        ends = self._ends()
        rows = np.concatenate([np.arange(ends[i], ends[i + 1]) for i in users.tolist()])
        lengths = (ends[1:] - ends[:-1])[users]
        return replace(
            self,
            names=tuple(self.names[i] for i in users.tolist()),
            user=np.repeat(np.arange(users.size), lengths),
            time_s=self.time_s[rows],
            position=self.position[rows],
        )

    def shifted(self, time_s: float = 0.0, x_m: float = 0.0, y_m: float = 0.0) -> Trace:
        """Return the trace moved in time and, if it is in metres, in space."""
        moved = self.position if self.degrees else self.position + np.array([x_m, y_m])
        return replace(self, time_s=self.time_s + time_s, position=moved)

    def projected(self, projection: Projection) -> Trace:
        """Return the trace in metres, projected if it is in degrees."""
        if not self.degrees:
            return self
        return replace(self, position=projection.to_metres(*self.position.T), degrees=False)

    def at(self, time_s: FloatArray) -> tuple[FloatArray, BoolArray]:
        """Return where users are at some times.

        Between two records a user goes straight and evenly from one to the other, however far apart they are; before
        the first record and after the last one the user is absent (and held there).

        Parameters
        ----------
        time_s : ndarray, shape (T,)

        Returns
        -------
        position : ndarray, shape (T, N, 2)
        present : ndarray of bool, shape (T, N)
        """
        position = np.empty((time_s.size, self.count, 2))
        ends = self._ends()
        for i in range(self.count):
            rows = slice(ends[i], ends[i + 1])
            for axis in range(2):
                position[:, i, axis] = np.interp(time_s, self.time_s[rows], self.position[rows, axis])
        first, last = self.span_s()
        return position, (time_s[:, None] >= first) & (time_s[:, None] <= last)

    def _ends(self) -> IntArray:
        """Return where each user's records begin, and where the last one's end, shape (N + 1,)."""
        return np.searchsorted(self.user, np.arange(self.count + 1))


def trace_from_records(
    path: str,
    user: Sequence[str],
    time_s: Sequence[float] | FloatArray,
    position: FloatArray,
    *,
    degrees: bool = False,
    lines: Sequence[int] | None = None,
) -> Trace:
    """Return a trace out of records in any order.

    Parameters
    ----------
    path : str
        For messages.
    user : sequence of str, shape (R,)
    time_s : array_like, shape (R,)
    position : ndarray, shape (R, 2)
        Metres, or degrees (latitude and longitude) with `degrees`.
    lines : sequence of int, optional
        Where records are in the file.

    Raises
    ------
    InputError
        If there is no record, a number is not finite or no degree, or a user is twice at one time.
    """
    if not user:
        raise InputError("has no records", where=path)

    def place(row: int) -> str:
        return path if lines is None else f"{path}: line {lines[row]}"

    time = np.asarray(time_s, dtype=np.float64)
    bad = ~(np.isfinite(time) & np.isfinite(position).all(axis=1))
    if bad.any():
        raise InputError("holds a number that is not finite", where=place(int(bad.argmax())))
    if degrees:
        for axis, (what, limit) in enumerate((("latitude", 90.0), ("longitude", 180.0))):
            bad = np.abs(position[:, axis]) > limit
            if bad.any():
                row = int(bad.argmax())
                rule = f"{what} must be between -{limit:g} and {limit:g}, got {position[row, axis]:g}"
                raise InputError(rule, where=place(row), mend="are the columns latitude and longitude the right ones?")
    numbers: dict[str, int] = {}
    index = np.array([numbers.setdefault(name, len(numbers)) for name in user], dtype=np.int64)
    order = np.lexsort((time, index))
    index, time = index[order], time[order]
    twice = (np.diff(index) == 0) & (np.diff(time) == 0)
    if twice.any():
        row = int(order[int(twice.argmax()) + 1])
        raise InputError(f"has {user[row]!r} a second time at {float(np.asarray(time_s)[row]):g} s", where=place(row))
    place_of = np.asarray(position, dtype=np.float64)[order]
    for array in (index, time, place_of):
        array.flags.writeable = False
    return Trace(path, tuple(numbers), index, time, place_of, degrees)


def read_csv(path: str | Path, *, columns: Mapping[str, str] | None = None) -> Trace:
    """Read a trace from a CSV file, ``.csv`` or ``.csv.gz``.

    Parameters
    ----------
    path : str or Path
    columns : mapping, optional
        From ``id``, ``time_s``, and ``x_m`` and ``y_m`` or ``latitude`` and ``longitude``, to headings of the file
        (which are then in seconds, metres and degrees); the others are found by `HEADINGS`, in any case.

    Raises
    ------
    InputError
        On a file that is missing, empty or damaged, a missing column, a cell that is not a number, or a record given
        twice; with file, line and column.
    """
    path = Path(path)
    columns = dict(columns or {})
    for key in columns:
        if key not in HEADINGS:
            raise InputError(f"unknown column {key!r}", where="columns", mend=f"one of {', '.join(HEADINGS)}")
    heading, rows, lines = _rows(path)
    found = {key: _column(path, heading, key, columns.get(key)) for key in HEADINGS}
    metres = found["x_m"] is not None and found["y_m"] is not None
    degrees = found["latitude"] is not None and found["longitude"] is not None
    missing = [key for key in ("id", "time_s") if found[key] is None]
    if missing or not (metres or degrees):
        what = f"has no column for {missing[0]}" if missing else "has neither x and y nor latitude and longitude"
        raise InputError(what, where=str(path), mend=f"name the columns; it has {', '.join(heading)}")
    # A file with both is one in metres that also says where on earth it is.
    pair = ("x_m", "y_m") if metres else ("latitude", "longitude")
    time, first, second = (_numbers(path, rows, lines, heading, found[key]) for key in ("time_s", *pair))
    at = found["id"]
    assert at is not None  # noqa: S101 - looked for above
    user = [row[at[0]].strip() for row in rows]
    return trace_from_records(str(path), user, time, np.column_stack([first, second]), degrees=not metres, lines=lines)


def _open(path: Path) -> TextIO:
    if path.suffix.lower() == ".gz":
        return gzip.open(path, "rt", encoding="utf-8-sig", newline="")
    return path.open(encoding="utf-8-sig", newline="")


def _rows(path: Path) -> tuple[list[str], list[list[str]], list[int]]:
    """Return heading, rows and their line numbers; comments and blank lines are left out."""
    rows: list[list[str]] = []
    lines: list[int] = []
    line = 0

    def content(file: TextIO) -> Iterator[str]:
        nonlocal line
        for line, text in enumerate(file, start=1):  # noqa: B007 - told in messages
            if text.strip() and not text.lstrip().startswith("#"):
                yield text

    try:
        with _open(path) as file:
            texts = content(file)
            first = next(texts, "")
            delimiter = delimiter_of(first)
            heading = [cell.strip() for cell in next(csv_module.reader([first], delimiter=delimiter), [])]
            for row in csv_module.reader(texts, delimiter=delimiter, strict=True):
                if len(row) != len(heading):
                    what = f"has {len(row)} cells, the heading has {len(heading)}"
                    raise InputError(what, where=f"{path}: line {line}")
                rows.append(row if delimiter == "," else decimal_points(row))
                lines.append(line)
    except UnicodeDecodeError as error:
        raise InputError(
            f"is not UTF-8 text (byte {error.start})", where=str(path), mend="save it as CSV UTF-8"
        ) from None
    except csv_module.Error as error:
        raise InputError(f"is not CSV: {error}", where=f"{path}: line {line}") from None
    except (EOFError, zlib.error, gzip.BadGzipFile):
        raise InputError("is not a whole gzip file", where=str(path), mend="it may be cut off") from None
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror or error}", where=str(path)) from None
    if not rows:
        raise InputError("has no rows below its heading" if heading else "is empty", where=str(path))
    return heading, rows, lines


def _column(path: Path, heading: list[str], key: str, wanted: str | None) -> tuple[int, float] | None:
    """Return the index of a column and the factor of its unit, None where it is not there and nobody named it."""
    if wanted is not None:
        if wanted not in heading:
            raise InputError(f"has no column {wanted!r}", where=str(path), mend=f"it has {', '.join(heading)}")
        return heading.index(wanted), 1.0
    lower = [cell.lower() for cell in heading]
    return next(((lower.index(name), unit) for name, unit in HEADINGS[key].items() if name in lower), None)


def _numbers(
    path: Path, rows: list[list[str]], lines: list[int], heading: list[str], column: tuple[int, float] | None
) -> FloatArray:
    assert column is not None  # noqa: S101 - callers have looked
    index, unit = column
    try:
        return np.array([float(row[index]) for row in rows]) * unit
    except ValueError:
        for row, line in zip(rows, lines, strict=True):
            try:
                float(row[index])
            except ValueError:
                what = f"is not a number: {row[index][:40]!r}"
                raise InputError(what, where=f"{path}: line {line}, column {heading[index]}") from None
        raise
