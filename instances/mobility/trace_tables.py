"""The cells of a trace in CSV: which columns are whose, and what their units are."""

from __future__ import annotations

import csv as csv_module
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, TextIO

import numpy as np

from dtopt.errors import InputError, InputWarning, meant
from instances.mobility.times import is_clock, read_times
from instances.rows import decimal_points, delimiter_of, table_of
from instances.units import split_unit, words

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from dtopt.arrays import FloatArray
    from instances.units import Quantity, Unit

__all__ = [
    "HEADINGS",
    "MOVING",
    "NOT_USERS",
    "TraceTable",
    "UserColumns",
    "distinct_names",
    "note_left_out",
    "read_table",
]

#: Headings recognised without a mapping, in lower case and without their unit, the likeliest first.
HEADINGS: dict[str, tuple[str, ...]] = {
    "id": (
        *("user_id", "veh_id", "node_id", "agent_id", "device_id", "taxi_id", "track_id"),
        *("user", "vehicle", "person", "node", "agent", "taxi", "id", "name"),
    ),
    "time_s": (
        *("time", "t", "timestamp", "timestep_time", "datetime", "date_time", "ts"),
        *("unix_time", "unixtime", "epoch", "utc", "gps_time", "date"),
    ),
    "x_m": ("x",),
    "y_m": ("y",),
    "latitude": ("latitude", "lat", "y_deg"),
    "longitude": ("longitude", "lon", "lng", "long", "x_deg"),
}
#: SUMO's users, which have columns of their own in its CSV files, and what is no user there.
MOVING = ("vehicle", "person")
NOT_USERS = "container"

#: What the units of columns measure.
QUANTITIES: dict[str, Quantity] = {"time_s": "seconds", "x_m": "metres", "y_m": "metres"}


def distinct_names(kinds: Sequence[str], names: Sequence[str]) -> list[str]:
    """Return names with their kind in front where two kinds have the same one, as ``vehicle 7`` and ``person 7``."""
    seen: dict[str, set[str]] = {}
    for kind, name in zip(kinds, names, strict=True):
        seen.setdefault(name, set()).add(kind)
    return [f"{kind} {name}" if len(seen[name]) > 1 else name for kind, name in zip(kinds, names, strict=True)]


def note_left_out(path: str, count: int) -> None:
    """Say how many things that are no users a trace has."""
    if count:
        what = f"{count} container{'s are' if count > 1 else ' is'} left out, users are vehicles and persons"
        warnings.warn(f"{path}: {what}", InputWarning, stacklevel=2)


@dataclass(frozen=True)
class _Column:
    """Where a column is, and its unit where the heading names one."""

    index: int
    unit: Unit | None = None


@dataclass(frozen=True)
class UserColumns:
    """The columns of one kind of users."""

    kind: str
    name: _Column
    x: _Column
    y: _Column


@dataclass(frozen=True)
class TraceTable:
    """The cells of a CSV file."""

    path: Path
    heading: list[str]
    rows: list[list[str]]
    lines: list[int]
    columns: Mapping[str, str]

    def groups(self, x: str, y: str) -> list[UserColumns]:
        """Return the kinds of users that have places in these columns."""
        kinds: dict[str, _Column] = {}
        if "id" not in self.columns:
            found = ((kind, self._find((f"{kind}_id",))) for kind in MOVING)
            kinds = {kind: column for kind, column in found if column is not None and self._fills(column)}
        if not kinds:
            name = self._column("id") or self._find(tuple(f"{kind}_id" for kind in MOVING))
            if name is None:
                raise self.missing("has no column for id")
            kinds = {"user": name}
        found_places = {kind: (self._column(x, kind), self._column(y, kind)) for kind in kinds}
        groups = [
            UserColumns(kind, kinds[kind], at, up)
            for kind, (at, up) in found_places.items()
            if at is not None and up is not None
        ]
        if 0 < len(groups) < len(kinds):
            there = {group.kind for group in groups}
            raise self.missing(f"has no places for each {next(kind for kind in kinds if kind not in there)}")
        return groups

    def records(self, groups: Sequence[UserColumns]) -> tuple[list[str], FloatArray, FloatArray, list[int]]:
        """Return users, times, x and y, and lines of all records, in the order of the file.

        A row without any identifier and place is a step in which nobody is there.
        """
        time = self._column("time_s")
        if time is None:
            raise self.missing("has no column for time_s")
        self._check_rows(groups)
        rows, kinds, names, places = [], [], [], []
        for group in groups:
            mine = [row for row, cells in enumerate(self.rows) if cells[group.name.index].strip()]
            rows += mine
            kinds += [group.kind] * len(mine)
            names += [self.rows[row][group.name.index].strip() for row in mine]
            places.append(np.column_stack([self._numbers(mine, column) for column in (group.x, group.y)]))
        order = np.argsort(rows, kind="stable").tolist()
        rows = [rows[i] for i in order]
        user = distinct_names([kinds[i] for i in order], [names[i] for i in order])
        texts, place = self._time_texts(rows, time), lambda i: self._place(rows[i], time.index)
        time_s = read_times(texts, place, unit=time.unit, owner=user)
        return user, time_s, np.concatenate(places)[order], [self.lines[row] for row in rows]

    def missing(self, what: str) -> InputError:
        """Return the error of a column that is not there."""
        mend = f"name the columns; it has {', '.join(self.heading)}"
        if any(_is_number(cell) for cell in self.heading):
            mend = f"the first line must be a heading such as id,time_s,x_m,y_m; it is {', '.join(self.heading)}"
        return InputError(what, where=str(self.path), mend=mend)

    def _check_rows(self, groups: Sequence[UserColumns]) -> None:
        """Raise InputError where a place is nobody's, or that of two."""
        shared = len({(group.x, group.y) for group in groups}) < len(groups)
        other = self._find((f"{NOT_USERS}_id",))
        left_out = set()
        for row, cells in enumerate(self.rows):
            there = [group for group in groups if cells[group.name.index].strip()]
            if not there and any(cells[at.index].strip() for group in groups for at in (group.x, group.y)):
                raise InputError("has a place but nobody's", where=self._place(row, groups[0].name.index))
            if shared and len(there) > 1:
                mend = "leave out the column of one of them"
                raise InputError("has one place for a vehicle and a person", where=self._place(row), mend=mend)
            if other is not None and cells[other.index].strip():
                left_out.add(cells[other.index].strip())
        note_left_out(str(self.path), len(left_out))

    def _fills(self, column: _Column) -> bool:
        return any(cells[column.index].strip() for cells in self.rows)

    def _column(self, key: str, kind: str = "") -> _Column | None:
        """Return a column, None where it is not there and nobody named it."""
        quantity = QUANTITIES.get(key)
        wanted = self.columns.get(key)
        if wanted is None:
            names = HEADINGS[key]
            return self._find((*(f"{kind}_{name}" for name in names), *names) if kind else names, quantity)
        if wanted not in self.heading:
            mend = f"{meant(wanted, self.heading)}it has {', '.join(self.heading)}"
            raise InputError(f"has no column {wanted!r}", where=str(self.path), mend=mend)
        return _Column(self.heading.index(wanted), None if quantity is None else split_unit(wanted, quantity)[1])

    def _find(self, names: Sequence[str], quantity: Quantity | None = None) -> _Column | None:
        """Return the column of the first of some names that is there, with or without a unit behind it."""
        split = [(words(text), None) if quantity is None else split_unit(text, quantity) for text in self.heading]
        found = {"_".join(base): _Column(index, unit) for index, (base, unit) in reversed(list(enumerate(split)))}
        return next((found[name] for name in names if name in found), None)

    def _time_texts(self, rows: Sequence[int], time: _Column) -> list[str]:
        """Return the cells of times, with the date in front where that has a column of its own."""
        texts = [self.rows[row][time.index].strip() for row in rows]
        date = self._find(("date",))
        if date is None or date.index == time.index or not texts or not is_clock(texts[0]):
            return texts
        return [f"{self.rows[row][date.index].strip()} {text}" for row, text in zip(rows, texts, strict=True)]

    def _numbers(self, rows: Sequence[int], column: _Column) -> FloatArray:
        try:
            numbers = np.array([float(self.rows[row][column.index]) for row in rows])
        except ValueError:
            bad = next(row for row in rows if not _is_number(self.rows[row][column.index]))
            text = self.rows[bad][column.index].strip()
            what = f"is not a number: {text[:40]!r}" if text else "is empty"
            raise InputError(what, where=self._place(bad, column.index)) from None
        return numbers if column.unit is None else column.unit.to_si(numbers)

    def _place(self, row: int, index: int | None = None) -> str:
        place = f"{self.path}: line {self.lines[row]}"
        return place if index is None else f"{place}, column {self.heading[index]}"


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def read_table(path: Path, columns: Mapping[str, str]) -> TraceTable:
    """Return the cells of a CSV file; `columns` as `instances.mobility.traces.read_csv` has it.

    Raises
    ------
    InputError
        If the file is missing, empty or damaged.
    """
    return TraceTable(path, *_rows(path), columns)


def _rows(path: Path) -> tuple[list[str], list[list[str]], list[int]]:
    """Return heading, rows and their line numbers; comments and blank lines are left out."""
    rows: list[list[str]] = []
    lines: list[int] = []
    line = 0

    def content(file: TextIO) -> Iterator[str]:
        nonlocal line
        for line, text in enumerate(file, start=1):  # noqa: B007 - for messages
            if text.strip() and not text.lstrip().startswith("#"):
                yield text

    with table_of(path, lambda: line) as file:
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
    if not rows:
        raise InputError("has no rows below its heading" if heading else "is empty", where=str(path))
    return heading, rows, lines
