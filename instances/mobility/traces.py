"""Traces of positions: who was where when. Read from CSV, held in one type for all sources, sampled at any times.

>>> trace = read_csv("walks.csv", columns={"id": "NODE", "time_s": "STAMP"})

A CSV file has a heading and one line for each record: an identifier, a time, and x and y in metres or latitude and
longitude in degrees. Cells are parted by commas, semicolons or tabs, whichever the heading has, and numbers may
have decimal commas where cells are not parted by them; lines that begin with
``#`` are comments; a file named ``.gz`` is unpacked on the way. Headings may end in a unit, as ``time_ms`` and
``x_km``. Times may also be written as `instances.mobility.times` has it, and x and y may be degrees
(`instances.mobility.degrees`). SUMO's ``xml2csv.py`` writes vehicles and persons side by side: each has columns of its
own, and a step without any is a line without identifiers.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dtopt.elementary import interpolate, quantile
from dtopt.errors import InputError
from instances.mobility.degrees import are_degrees, unit_of
from instances.mobility.trace_tables import HEADINGS, read_table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dtopt.arrays import BoolArray, FloatArray, IntArray
    from dtopt.geography import Projection
    from instances.mobility.trace_tables import TraceTable, UserColumns

__all__ = ["HEADINGS", "SAME_TIME_S", "Trace", "read_csv", "trace_from_records"]

#: Records that fall on a slot but for rounding, s: Unix times are kept to 2.4e-7 s.
SAME_TIME_S = 1e-6
#: A user who is not seen for this many times the usual interval has left: two lost records are filled in.
GAP_INTERVALS = 3.0
#: A user with fewer intervals has the usual one of the whole trace.
OWN_INTERVALS = 4


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

    def at(self, time_s: FloatArray, *, max_gap_s: float | None = None) -> tuple[FloatArray, BoolArray]:
        """Return where users are at some times.

        Between two records a user goes straight and evenly from one to the other. Before the first record, after the
        last one, and between two that are further apart than the longest gap, the user is absent (and held at the
        record before, or at the first one).

        Parameters
        ----------
        time_s : ndarray, shape (T,)
        max_gap_s : float, optional
            The longest gap, s, infinity for none; `usual_gap_s` where not given.

        Returns
        -------
        position : ndarray, shape (T, N, 2)
        present : ndarray of bool, shape (T, N)
        """
        position = np.empty((time_s.size, self.count, 2))
        first, last = self.span_s()
        present = (time_s[:, None] >= first - SAME_TIME_S) & (time_s[:, None] <= last + SAME_TIME_S)
        ends = self._ends()
        longest = self.usual_gap_s() if max_gap_s is None else np.full(self.count, max_gap_s)
        for i in range(self.count):
            rows = slice(ends[i], ends[i + 1])
            for axis in range(2):
                position[:, i, axis] = interpolate(time_s, self.time_s[rows], self.position[rows, axis])
            time = self.time_s[rows]
            for k in np.flatnonzero(np.diff(time) > longest[i] * (1.0 + 1e-9)).tolist():
                away = (time_s > time[k] + SAME_TIME_S) & (time_s < time[k + 1] - SAME_TIME_S)
                position[away, i] = self.position[ends[i] + k]
                present[away, i] = False
        return position, present

    def usual_gap_s(self) -> FloatArray:
        """Return the longest time between two records in which each user is taken to be there, shape (N,), s.

        `GAP_INTERVALS` times the usual interval of the user, or of the whole trace where the user has few records.
        """
        ends = self._ends()
        interval = np.diff(self.time_s)
        within = np.diff(self.user) == 0
        everyone = _usual(interval[within])
        own = [interval[ends[i] : ends[i + 1] - 1] for i in range(self.count)]
        return GAP_INTERVALS * np.array([_usual(part) if part.size >= OWN_INTERVALS else everyone for part in own])

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
    """Return a trace out of records in any order; one that is there again is left out.

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
        If there is no record, a number is not finite or no degree, or a user is at two places at one time.
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
    place_of = np.asarray(position, dtype=np.float64)[order]
    twice = (np.diff(index) == 0) & (np.diff(time) == 0)
    other = twice & (np.diff(place_of, axis=0) != 0).any(axis=1)
    if other.any():
        row = int(order[int(other.argmax()) + 1])
        what = f"has {user[row]!r} a second time at {float(np.asarray(time_s)[row]):.12g} s, at another place"
        raise InputError(what, where=place(row), mend="leave one of the records out")
    # What says the same twice is kept once.
    kept = np.concatenate([[True], ~twice])
    index, time, place_of = index[kept], time[kept], place_of[kept]
    for array in (index, time, place_of):
        array.flags.writeable = False
    return Trace(path, tuple(numbers), index, time, place_of, degrees)


def read_csv(path: str | Path, *, columns: Mapping[str, str] | None = None, degrees: bool | None = None) -> Trace:
    """Read a trace from a CSV file, ``.csv`` or ``.csv.gz``.

    Parameters
    ----------
    path : str or Path
    columns : mapping, optional
        From ``id``, ``time_s``, and ``x_m`` and ``y_m`` or ``latitude`` and ``longitude``, to headings of the file;
        the others are found by `HEADINGS`, in any case. Units are those that headings end in, else seconds and metres.
    degrees : bool, optional
        Whether x and y are longitude and latitude in degrees; `instances.mobility.degrees.are_degrees` decides where
        not given.

    Raises
    ------
    InputError
        On a file that is missing, empty or damaged, a missing column, a cell that is not a number or a time, or a user
        at two places at one time; with file, line and column.
    """
    path = Path(path)
    columns = dict(columns or {})
    for key in columns:
        if key not in HEADINGS:
            raise InputError(f"unknown column {key!r}", where="columns", mend=f"one of {', '.join(HEADINGS)}")
    table = read_table(path, columns)
    flat, earth = table.groups("x_m", "y_m"), table.groups("longitude", "latitude")
    if not flat and not earth:
        raise table.missing("has neither x and y nor latitude and longitude")
    if degrees is False and not flat:
        raise InputError("has latitude and longitude, which are degrees", where="degrees", mend="leave it out")
    # A file with both is one in metres that also says where on earth it is, unless x and y are degrees as well.
    if not flat or (earth and degrees):
        return _trace(table, earth, degrees=True)
    if earth and degrees is None and unit_of(*table.records(flat)[:3]) != "metres":
        return _trace(table, earth, degrees=True)
    return _trace(table, flat, degrees=degrees)


def _trace(table: TraceTable, groups: Sequence[UserColumns], *, degrees: bool | None) -> Trace:
    """Return the trace of some columns; `degrees` as `read_csv` has it."""
    user, time_s, position, lines = table.records(groups)
    path = str(table.path)
    if degrees is None:
        said = any(column.unit is not None for group in groups for column in (group.x, group.y))
        degrees = are_degrees(path, user, time_s, position, metres_said=said)
    # Latitude comes first in a trace.
    place = position[:, ::-1] if degrees else position
    return trace_from_records(path, user, time_s, place, degrees=degrees, lines=lines)


def _usual(interval_s: FloatArray) -> float:
    """Return the usual interval between records, s, infinity where there is none.

    It is the median where records come at a beat. Where they come at any time, as at every turn of a way, the long
    intervals are usual too.
    """
    if interval_s.size == 0:
        return np.inf
    median = quantile(interval_s, 0.5)
    steady = np.abs(interval_s - median) <= 0.5 * median
    return median if 2 * np.count_nonzero(steady) >= steady.size else quantile(interval_s, 0.9)
