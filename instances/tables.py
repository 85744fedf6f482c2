"""Lists of stations and users from CSV files: any columns by name, latitude and longitude or metres.

>>> stations = read_points("sites.csv", columns={"latitude": "LAT", "longitude": "LON", "name": "SITE_ID"})

Cells end at commas, or, where the heading has none, at semicolons or tabs, as spreadsheets write them where the comma
is the decimal mark; numbers may then be written with it.

Degrees are projected to metres by `dtopt.geography.Projection`.
"""

from __future__ import annotations

import csv as csv_module
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dtopt.errors import InputError, meant
from dtopt.geography import Projection

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dtopt.arrays import BoolArray, FloatArray, IntArray

__all__ = ["Points", "Rectangle", "decimal_points", "delimiter_of", "parse_columns", "parse_rectangle", "read_points"]

#: Headings recognised without a mapping, in lower case.
HEADINGS = {
    "latitude": ("latitude", "lat"),
    "longitude": ("longitude", "lon", "lng", "long"),
    "x_m": ("x_m", "x"),
    "y_m": ("y_m", "y"),
    "name": ("name", "id", "site_id"),
}

_DECIMAL_COMMA = re.compile(r"^(\s*[-+]?\d+),(\d+\s*(?:[eE][-+]?\d+\s*)?)$")

Rectangle = tuple[float, float, float, float]


@dataclass(frozen=True, eq=False)
class Points:
    """Points read from a file.

    Parameters
    ----------
    path : str
    degrees : bool
        Whether `position` is latitude and longitude and not x and y in metres.
    position : ndarray, shape (n, 2)
    values : mapping of str to ndarray
        Other columns asked for, shape (n,).
    names : tuple of str, optional
    lines : ndarray of int, shape (n,)
        Where each point is in the file.
    """

    path: str
    degrees: bool
    position: FloatArray
    values: Mapping[str, FloatArray]
    names: tuple[str, ...] | None
    lines: IntArray

    def __len__(self) -> int:
        return len(self.position)

    def take(self, which: IntArray) -> Points:
        """Return some of the points."""
        return replace(
            self,
            position=self.position[which],
            values={name: column[which] for name, column in self.values.items()},
            names=None if self.names is None else tuple(self.names[i] for i in which.tolist()),
            lines=self.lines[which],
        )

    def south_west(self) -> Projection:
        """Return a projection whose origin is the south-west corner of these points."""
        low = self.position.min(axis=0)
        return Projection(float(low[0]), float(low[1]))

    def metres(self, projection: Projection) -> FloatArray:
        """Return the positions in metres, projected where they are in degrees."""
        return projection.to_metres(*self.position.T) if self.degrees else self.position

    def inside(self, projection: Projection, rectangle: Rectangle) -> Points:
        """Return the points inside a rectangle (west, south, east, north), m.

        Raises
        ------
        InputError
            If there are none.
        """
        west, south, east, north = rectangle
        x, y = self.metres(projection).T
        inside: BoolArray = (x >= west) & (x <= east) & (y >= south) & (y <= north)
        if not inside.any():
            span = f"x {x.min():.0f} to {x.max():.0f} m, y {y.min():.0f} to {y.max():.0f} m"
            raise InputError("no point lies in the rectangle", where=self.path, mend=f"they span {span}")
        return self.take(np.flatnonzero(inside))


def read_points(
    path: str | Path, *, columns: Mapping[str, str] | None = None, optional: Mapping[str, float] | None = None
) -> Points:
    """Read points from a CSV file with a heading.

    Parameters
    ----------
    path : str or Path
    columns : mapping, optional
        From ``latitude`` and ``longitude``, or ``x_m`` and ``y_m``, and ``name`` and the keys of `optional` to headings
        of the file; what is left out is looked for under its own name and `HEADINGS`, in any case.
    optional : mapping, optional
        Further columns of numbers, each with the value it must be above; those that the file lacks are left out.

    Raises
    ------
    InputError
        On a file that is missing, empty or not UTF-8, a missing column, or a cell that is not a number in range; with
        file, line and column.
    """
    path = Path(path)
    columns, optional = dict(columns or {}), optional or {}
    known = {"latitude", "longitude", "x_m", "y_m", "name", *optional}
    for key in columns:
        if key not in known:
            raise InputError(
                f"unknown column {key!r}", where="columns", mend=f"{meant(key, known)}one of {', '.join(sorted(known))}"
            )
    heading, rows, lines = _rows(path)
    found = {key: _column(path, heading, key, columns.get(key)) for key in known}
    degrees = _is_degrees(path, heading, found)
    pair = ("latitude", "longitude") if degrees else ("x_m", "y_m")
    position = np.column_stack([_numbers(path, rows, lines, heading, found[key]) for key in pair])
    if degrees:
        for axis, limit in enumerate((90.0, 180.0)):
            bad = np.abs(position[:, axis]) > limit
            if bad.any():
                i = int(bad.argmax())
                swapped = axis == 0 and (np.abs(position) <= (180.0, 90.0)).all()
                raise InputError(
                    f"{pair[axis]} must be between -{limit:g} and {limit:g}, got {position[i, axis]:g}",
                    where=_place(path, lines[i], heading, found[pair[axis]]),
                    mend="latitude and longitude seem to be swapped" if swapped else None,
                )
    values = {}
    for key, above in optional.items():
        if found[key] is not None:
            column = _numbers(path, rows, lines, heading, found[key])
            if (column <= above).any():
                i = int((column <= above).argmax())
                where = _place(path, lines[i], heading, found[key])
                raise InputError(f"must be > {above:g}, got {column[i]:g}", where=where)
            values[key] = column
    index = found["name"]
    names = None if index is None else tuple(row[index].strip() for row in rows)
    return Points(str(path), degrees, position, values, names, np.array(lines))


def parse_columns(text: str | Mapping[str, str] | None, option: str) -> dict[str, str]:
    """Return a mapping of columns from ``latitude=LAT,longitude=LON`` (or as it is)."""
    if text is None or not isinstance(text, str):
        return dict(text or {})
    mapping = {}
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        key, equals, heading = part.partition("=")
        if not equals or not heading.strip():
            raise InputError(f"cannot read {part!r}", where=option, mend="write latitude=LAT,longitude=LON")
        mapping[key.strip()] = heading.strip()
    return mapping


def parse_rectangle(value: str | Rectangle | None) -> Rectangle | None:
    """Return (west, south, east, north) in m from four numbers or ``0,0,1000,800``."""
    if value is None:
        return None
    parts = value.split(",") if isinstance(value, str) else value
    mend = "give west,south,east,north in metres from the south-west corner of the stations"
    try:
        west, south, east, north = (float(part) for part in parts)
    except (TypeError, ValueError):
        raise InputError(f"is not four numbers: {value!r}", where="rectangle", mend=mend) from None
    if not (np.isfinite([west, south, east, north]).all() and west < east and south < north):
        raise InputError(f"is empty: {value!r}", where="rectangle", mend=mend)
    return west, south, east, north


def _rows(path: Path) -> tuple[list[str], list[list[str]], list[int]]:
    """Return heading, rows and their line numbers; blank lines are left out, and points are the decimal mark."""
    rows: list[list[str]] = []
    lines: list[int] = []
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            mark = delimiter_of(file.readline())
            file.seek(0)
            reader = csv_module.reader(file, strict=True, delimiter=mark)
            for row in reader:
                if any(cell.strip() for cell in row):
                    rows.append(row)
                    lines.append(reader.line_num)
    except UnicodeDecodeError as error:
        raise InputError(
            f"is not UTF-8 text (byte {error.start})", where=str(path), mend="save it as CSV UTF-8"
        ) from None
    except csv_module.Error as error:
        raise InputError(f"is not CSV: {error}", where=f"{path}: line {reader.line_num}") from None
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", where=str(path)) from None
    if len(rows) < 2:
        raise InputError("has no rows below its heading" if rows else "is empty", where=str(path))
    heading = [cell.strip() for cell in rows[0]]
    for row, line in zip(rows[1:], lines[1:], strict=True):
        if len(row) != len(heading):
            mend = (
                "numbers with decimal commas need semicolons between cells"
                if mark == "," and len(row) > len(heading)
                else None
            )
            raise InputError(
                f"has {len(row)} cells, the heading has {len(heading)}", where=f"{path}: line {line}", mend=mend
            )
    if mark != ",":
        rows[1:] = [decimal_points(row) for row in rows[1:]]
    return heading, rows[1:], lines[1:]


def decimal_points(row: list[str]) -> list[str]:
    """Return the cells of a row with numbers such as ``-37,81`` written as ``-37.81``."""
    return [_DECIMAL_COMMA.sub(r"\1.\2", cell) for cell in row]


def delimiter_of(heading: str) -> str:
    """Return what parts the cells of a file with this heading: the comma, unless it has none."""
    return "," if "," in heading else ";" if ";" in heading else "\t" if "\t" in heading else ","


def _column(path: Path, heading: list[str], key: str, wanted: str | None) -> int | None:
    """Return the index of a column, None where it is not there and nobody asked for it by name."""
    if wanted is not None:
        if wanted not in heading:
            mend = f"{meant(wanted, heading)}it has {', '.join(heading)}"
            raise InputError(f"has no column {wanted!r}", where=str(path), mend=mend)
        return heading.index(wanted)
    lower = [cell.lower() for cell in heading]
    return next((lower.index(name) for name in HEADINGS.get(key, (key,)) if name in lower), None)


def _is_degrees(path: Path, heading: list[str], found: Mapping[str, int | None]) -> bool:
    for degrees, pair in ((True, ("latitude", "longitude")), (False, ("x_m", "y_m"))):
        if all(found[key] is not None for key in pair):
            return degrees
    raise InputError(
        "has neither latitude and longitude nor x_m and y_m",
        where=str(path),
        mend=f"name the columns; it has {', '.join(heading)}",
    )


def _numbers(path: Path, rows: list[list[str]], lines: list[int], heading: list[str], index: int | None) -> FloatArray:
    assert index is not None  # noqa: S101 - callers have looked
    values = np.empty(len(rows))
    for i, row in enumerate(rows):
        try:
            values[i] = float(row[index])
        except ValueError:
            where = _place(path, lines[i], heading, index)
            raise InputError(f"is not a number: {row[index][:40]!r}", where=where) from None
        if not np.isfinite(values[i]):
            raise InputError(f"must be finite, got {row[index]}", where=_place(path, lines[i], heading, index))
    return values


def _place(path: Path, line: int, heading: list[str], index: int | None) -> str:
    return f"{path}: line {line}, column {'' if index is None else heading[index]}"
