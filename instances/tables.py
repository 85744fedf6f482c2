"""Lists of stations and users from CSV files: any columns by name, in their units, degrees or metres.

>>> stations = read_points("sites.csv", columns={"latitude": "LAT", "longitude": "LON", "name": "SITE_ID"})

`instances.rows` says which files are read; `instances.columns` and `instances.positions` what columns may be called.

Degrees are projected to metres by `dtopt.geography.Projection`.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from dtopt.arrays import choice
from dtopt.errors import InputError, InputWarning, meant
from dtopt.geography import Projection
from instances.columns import is_blank, resembled
from instances.positions import AXES, DEGREES, METRES, Angle, Length, find_axes, guess_system
from instances.rows import decimal_points, delimiter_of, read_rows
from instances.units import Unit, split_unit, words

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dtopt.arrays import BoolArray, FloatArray, IntArray
    from instances.columns import Column
    from instances.positions import Axis, System

__all__ = [
    "Missing",
    "PointTable",
    "Points",
    "Rectangle",
    "decimal_points",
    "delimiter_of",
    "parse_columns",
    "parse_rectangle",
    "read_pair",
    "read_points",
]

Missing = Literal["refuse", "skip"]

#: What a point may be called, in this order.
NAMES = ("name", "sitename", "stationname", "username", "siteid", "stationid", "userid", "id")
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


class PointTable:
    """A file of points, read but not yet understood: its columns are found, its cells are text.

    Parameters
    ----------
    path : str or Path
    columns : mapping, optional
        See `read_points`.
    optional : mapping, optional
        The columns of numbers that it may have.
    foreign : mapping, optional
        Columns that belong to another list.
    ignore : collection of str
        Headings to leave out.
    option : str
        What `columns` is called where the user gives it.

    Raises
    ------
    InputError
        On a file that is missing, empty or not UTF-8, a column that is missing or there twice, or one that resembles
        one of `optional`.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        columns: Mapping[str, str] | None = None,
        optional: Mapping[str, Column] | None = None,
        foreign: Mapping[str, Column] | None = None,
        ignore: Sequence[str] = (),
        option: str = "columns",
    ) -> None:
        self.path, self.option, self.optional = Path(path), option, dict(optional or {})
        self.notes: list[str] = []
        self.heading, self.rows, self.lines = read_rows(self.path, self.notes)
        ignored = {i for i, text in enumerate(self.heading) if text.lower() in {one.lower() for one in ignore}}
        mapped = self._mapped(dict(columns or {}))
        self.axes = self._find_axes(mapped, ignored)
        self.name_at = self._name(mapped)
        self.found = self._find_columns(mapped, ignored)
        used = {index for index, _ in self.found.values()} | set(mapped.values()) | ignored
        self._question_unknown(used, dict(foreign or {}))

    # --- columns --------------------------------------------------------------------------------------------------

    def _mapped(self, columns: dict[str, str]) -> dict[str, int]:
        """Return the columns that the user named, by the keys that were used."""
        mapped = {}
        for key, wanted in columns.items():
            if key != "name" and self._canonical(key) is None:
                known = {*AXES, "name", *self.optional}
                mend = f"{meant(key, known)}one of {', '.join(sorted(known))}"
                raise InputError(f"unknown column {key!r}", where=self.option, mend=mend)
            lower = [text.lower() for text in self.heading]
            at = self.heading if wanted in self.heading else lower
            if (wanted if at is self.heading else wanted.lower()) not in at:
                mend = f"{meant(wanted, self.heading)}it has {', '.join(self.heading)}"
                raise InputError(f"has no column {wanted!r}", where=str(self.path), mend=mend)
            mapped[key] = at.index(wanted if at is self.heading else wanted.lower())
        return mapped

    def _canonical(self, key: str) -> str | None:
        """Return the key of a column whatever its unit: cpu_hz for cpu_ghz."""
        if key in {*AXES, *self.optional}:
            return key
        for axis in METRES:
            if split_unit(key, "metres")[0] == (axis[0],):
                return axis
        return next((name for name, column in self.optional.items() if column.unit(key)), None)

    def _find_axes(self, mapped: Mapping[str, int], ignored: set[int]) -> dict[str, Axis]:
        """Return the columns of the axes; those of one system where the user named one of it."""
        free = ["" if i in ignored or i in mapped.values() else text for i, text in enumerate(self.heading)]
        found = find_axes(free)
        named: dict[str, Axis] = {}
        for key, index in mapped.items():
            axis = self._canonical(key)
            if axis in DEGREES:
                named[axis] = Angle(axis, index)
            elif axis in METRES:
                given = split_unit(key, "metres")[1]
                own = split_unit(self.heading[index], "metres")[1]
                unit = given if given is not None and given.symbol != "m" else own
                named[axis] = Length(index, unit or Unit("m"), sure=True)
        self.named = bool(named)
        axes = dict(named)
        for axis in AXES:
            pair = DEGREES if axis in DEGREES else METRES
            if axis in named or (named and not set(pair).intersection(named)):
                continue
            if found[axis]:
                axes[axis] = self._one_axis(axis, found[axis])
        return axes

    def _one_axis(self, axis: str, found: list[Axis]) -> Axis:
        """Return the column of an axis: the surest, unless another one as sure says something else."""
        sure = [one for one in found if isinstance(one, Angle) or one.sure] or found
        first = sure[0]
        for other in sure[1:]:
            if [row[first.index].strip() for row in self.rows] != [row[other.index].strip() for row in self.rows]:
                raise self._twice(axis, first.index, other.index)
        return first

    def _twice(self, key: str, first: int, second: int) -> InputError:
        one, other = self.heading[first], self.heading[second]
        return InputError(
            f"has two columns for {key}: {one} and {other}",
            where=str(self.path),
            mend=f"choose one: {self.option}={key}={one}",
        )

    def _name(self, mapped: Mapping[str, int]) -> int | None:
        if "name" in mapped:
            return mapped["name"]
        joined = ["".join(words(text)) for text in self.heading]
        return next((joined.index(name) for name in NAMES if name in joined), None)

    def _find_columns(self, mapped: Mapping[str, int], ignored: set[int]) -> dict[str, tuple[int, Unit]]:
        """Return where the optional columns are, and in which units."""
        found: dict[str, tuple[int, Unit]] = {}
        for key, index in mapped.items():
            name = self._canonical(key)
            if name is not None and name in self.optional:
                found[name] = (index, self.optional[name].mapped_unit(key, self.heading[index]))
        chosen = set(found)
        for index, text in enumerate(self.heading):
            if index in ignored or index in mapped.values():
                continue
            for name, column in self.optional.items():
                unit = column.unit(text)
                if unit is None or name in chosen:
                    continue
                if name in found:
                    raise self._twice(name, found[name][0], index)
                found[name] = (index, unit)
        for name, (index, unit) in found.items():
            if unit.ambiguous:
                text, stem = self.heading[index], name.rpartition("_")[0]
                small = unit.symbol.lower()
                mend = f"name it {stem}_{small}it or {stem}_{small}yte, or give {self.option}={stem}_{small}it={text}"
                raise InputError(f"column {text}: {unit.symbol} may be bit or byte", where=str(self.path), mend=mend)
        return found

    def _question_unknown(self, used: set[int], foreign: Mapping[str, Column]) -> None:
        """Raise InputError where a column that is not read resembles one that is; note those of the other list."""
        known = {**self.optional}
        taken = (
            used | {one.index for one in self.axes.values()} | ({self.name_at} if self.name_at is not None else set())
        )
        for index, text in enumerate(self.heading):
            if index in taken or not known:
                continue
            cells = [row[index] for row in self.rows]
            if any(column.unit(text) for column in known.values()):
                continue  # The user named another column for it.
            near = resembled(text, cells, known)
            if near is not None:
                mend = f"did you mean {near.key!r}? give {self.option}={near.key}={text}, or ignore={text}"
                raise InputError(f"column {text!r} is not known", where=str(self.path), mend=mend)
            if any(column.unit(text) for column in foreign.values()):
                self.notes.append(f"column {text} belongs to the other list and is not read")

    # --- degrees or metres ----------------------------------------------------------------------------------------

    def systems(self) -> tuple[System, ...]:
        """Return which systems the positions are in, the better one first; none where x and y may be either.

        Raises
        ------
        InputError
            If there are no positions, or columns in metres hold what can only be degrees.
        """
        found: list[System] = []
        if set(DEGREES) <= self.axes.keys():
            found.append("degrees")
        if set(METRES) <= self.axes.keys():
            sure = any(isinstance(self.axes[axis], Length) and self.axes[axis].sure for axis in METRES)  # type: ignore[union-attr]
            if sure and (self.named or found):
                found.append("metres")
            elif not found:
                guess = self._guess(sure=sure)
                return () if guess is None else (guess,)
        if not found:
            absent = [axis for axis in DEGREES if axis not in self.axes]
            near = next(filter(None, (meant(axis, self.heading) for axis in absent)), "")
            raise InputError(
                "has neither latitude and longitude nor x_m and y_m",
                where=str(self.path),
                mend=f"{near}name the columns; it has {', '.join(self.heading)}",
            )
        return tuple(found)

    def _guess(self, *, sure: bool) -> System | None:
        """Return the system of x and y by their values."""
        x, y = (self.axes[axis] for axis in METRES)
        filled = [row for row in self.rows if not (_missing(row[x.index]) or _missing(row[y.index]))]
        try:
            position = np.array([[float(row[x.index]), float(row[y.index])] for row in filled]).reshape(-1, 2)
        except ValueError:
            return "metres"  # What is not a number is reported when the positions are read.
        if not len(position):
            return "metres"
        system, swapped = guess_system(
            position[:, 0], position[:, 1], [row[at.index] for row in filled for at in (x, y)]
        )
        names = tuple(self.heading[one.index] for one in (x, y))
        looks = "latitude and longitude" if swapped else "longitude and latitude"
        if swapped or (sure and system == "degrees"):
            ask = f"{names[0]} and {names[1]} look like {looks} in degrees"
            raise InputError(ask, where=str(self.path), mend=self._ask(names, swapped=swapped))
        if system == "degrees":
            self.notes.append(f"{names[0]} and {names[1]} are read as longitude and latitude in degrees")
        return "metres" if sure else system

    def _ask(self, names: tuple[str, ...], *, swapped: bool = False) -> str:
        first, second = ("latitude", "longitude") if swapped else ("longitude", "latitude")
        degrees = f"{first}={names[0]},{second}={names[1]}"
        return f"give {self.option}={degrees} for degrees, or {self.option}=x_m={names[0]},y_m={names[1]} for metres"

    def ask(self) -> InputError:
        """Return the error that asks for the system."""
        names = tuple(self.heading[self.axes[axis].index] for axis in METRES)
        what = f"{names[0]} and {names[1]} may be degrees or metres"
        return InputError(what, where=str(self.path), mend=self._ask(names))

    # --- points ---------------------------------------------------------------------------------------------------

    def points(self, system: System, *, missing: Missing = "refuse") -> Points:
        """Return the points, with values in SI units.

        Parameters
        ----------
        system : System
            One of `systems`, or either where there was none.
        missing : Missing
            Whether rows without a position or a value refuse the file or are left out.

        Raises
        ------
        InputError
            On a cell that is not a number in range; with file, line and column.
        """
        axes = self._axes(system)
        empty = [self._empty(row, axes) for row in self.rows]
        kept = [i for i, index in enumerate(empty) if index is None]
        if len(kept) < len(self.rows):
            lines = [self.lines[i] for i, index in enumerate(empty) if index is not None]
            if missing == "refuse":
                first = next(i for i, index in enumerate(empty) if index is not None)
                cell = self.rows[first][empty[first] or 0].strip()
                what = "is empty" if not cell else f"has no value: {cell!r}"
                mend = f"option missing=skip leaves such rows out, {len(lines):,} of {len(self.rows):,}"
                raise InputError(what, where=self._place(first, empty[first] or 0), mend=mend)
            if not kept:
                raise InputError("has no row with a position and all its values", where=str(self.path))
            self._skipped(lines, "an empty cell")
        position = self._positions(kept, axes, system)
        kept, position = self._without_null_island(kept, position, system, missing)
        values = {name: self._values(kept, name) for name in self.found}
        names = None if self.name_at is None else tuple(self.rows[i][self.name_at].strip() for i in kept)
        for note in self.notes:
            warnings.warn(f"{self.path}: {note}", InputWarning, stacklevel=2)
        lines_kept = np.array([self.lines[i] for i in kept])
        return Points(str(self.path), system == "degrees", position, values, names, lines_kept)

    def _axes(self, system: System) -> list[Axis]:
        pair = DEGREES if system == "degrees" else METRES
        if set(pair) <= self.axes.keys():
            return [self.axes[axis] for axis in pair]
        # x and y hold longitude and latitude.
        return [Angle("latitude", self.axes["y_m"].index), Angle("longitude", self.axes["x_m"].index)]

    def _empty(self, row: list[str], axes: Sequence[Axis]) -> int | None:
        """Return the first column that a row needs and does not have."""
        for axis in axes:
            if _missing(row[axis.index]):
                return axis.index
        for name, (index, _) in self.found.items():
            if is_blank(row[index]) and not self.optional[name].unlimited:
                return index
        return None

    def _skipped(self, lines: Sequence[int], why: str) -> None:
        shown = ", ".join(map(str, lines[:5])) + (", …" if len(lines) > 5 else "")
        word = "line" if len(lines) == 1 else "lines"
        self.notes.append(f"{_count(len(lines), 'row')} of {len(self.rows)} left out for {why} ({word} {shown})")

    def _positions(self, kept: Sequence[int], axes: Sequence[Axis], system: System) -> FloatArray:
        position = np.empty((len(kept), 2))
        for k, i in enumerate(kept):
            for column, axis in enumerate(axes):
                try:
                    position[k, column] = axis.value(self.rows[i])
                except InputError as error:
                    raise error.within(self._place(i, axis.index)) from None
        if system == "degrees":
            for column, limit in enumerate((90.0, 180.0)):
                bad = np.abs(position[:, column]) > limit
                if bad.any():
                    k = int(bad.argmax())
                    swapped = column == 0 and (np.abs(position) <= (180.0, 90.0)).all()
                    raise InputError(
                        f"{DEGREES[column]} must be between -{limit:g} and {limit:g}, got {position[k, column]:g}",
                        where=self._place(kept[k], axes[column].index),
                        mend="latitude and longitude seem to be swapped" if swapped else None,
                    )
        return position

    def _without_null_island(
        self, kept: list[int], position: FloatArray, system: System, missing: Missing
    ) -> tuple[list[int], FloatArray]:
        """Return the rows without those at 0, 0, which stands for an unknown place where all others are far away."""
        null: BoolArray = (position == 0.0).all(axis=1)
        if system != "degrees" or not null.any() or null.all() or (np.abs(position[~null]) < 1.0).all(axis=1).any():
            return kept, position
        lines = [self.lines[i] for i, at in zip(kept, null.tolist(), strict=True) if at]
        if missing == "refuse":
            mend = f"option missing=skip leaves such rows out, {len(lines):,} of {len(self.rows):,}"
            raise InputError(
                "is at latitude 0, longitude 0: no place", where=f"{self.path}: line {lines[0]}", mend=mend
            )
        self._skipped(lines, "a place at latitude 0, longitude 0")
        return [i for i, at in zip(kept, null.tolist(), strict=True) if not at], position[~null]

    def _values(self, kept: Sequence[int], name: str) -> FloatArray:
        index, unit = self.found[name]
        column, cells = self.optional[name], [self.rows[i][index] for i in kept]
        values = np.empty(len(kept))
        for k, cell in enumerate(cells):
            try:
                values[k] = column.value(cell, unit)
            except InputError as error:
                raise error.within(self._place(kept[k], index)) from None
        odd = column.check(values, cells)
        if odd is not None:
            k, text, certain = odd
            if certain:
                raise InputError(text, where=self._place(kept[k], index))
            self.notes.append(f"line {self.lines[kept[k]]}, column {self.heading[index]}: {text}")
        return values

    def _place(self, row: int, index: int) -> str:
        return f"{self.path}: line {self.lines[row]}, column {self.heading[index]}"


def read_points(
    path: str | Path,
    *,
    columns: Mapping[str, str] | None = None,
    optional: Mapping[str, Column] | None = None,
    missing: Missing = "refuse",
) -> Points:
    """Read points from a CSV file with a heading.

    Parameters
    ----------
    path : str or Path
    columns : mapping, optional
        From ``latitude`` and ``longitude``, or ``x_m`` and ``y_m``, and ``name`` and the keys of `optional` to headings
        of the file; what is left out is looked for by `instances.positions.find_axes` and the names of `optional`.
        A key with another unit, such as ``cpu_ghz``, says in which unit the column is.
    optional : mapping, optional
        Further columns of numbers; those that are not in the file are left out.
    missing : Missing
        ``skip`` leaves out rows without a position or a value, with a warning.

    Raises
    ------
    InputError
        On a file that is missing, empty or not UTF-8, a missing column, x and y that may be degrees or metres, or a
        cell that is not a number in range; with file, line and column.
    """
    table = PointTable(path, columns=columns, optional=optional)
    systems = table.systems()
    if not systems:
        raise table.ask()
    return table.points(systems[0], missing=missing)


def read_pair(first: PointTable, second: PointTable, *, missing: Missing = "refuse") -> tuple[Points, Points]:
    """Return the points of two lists in one system: that which both have, or which one has where the other is unclear.

    Raises
    ------
    InputError
        If one is in degrees and the other in metres, or both are unclear; see also `PointTable.points`.
    """
    choice(missing, "missing", Missing)
    one, other = first.systems(), second.systems()
    if not one and not other:
        raise first.ask()
    common = [system for system in one or other if system in (other or one)]
    if not common:
        mend = (
            f"{first.path} is in {one[0]}, {second.path} in {other[0]}; {first.option} and {second.option} name columns"
        )
        raise InputError("one list is in degrees, the other in metres", where=f"{first.path}, {second.path}", mend=mend)
    for table, own in ((first, one), (second, other)):
        if not own:
            names = " and ".join(table.heading[table.axes[axis].index] for axis in METRES)
            what = "longitude and latitude in degrees" if common[0] == "degrees" else "metres"
            table.notes.append(f"{names} are read as {what}, as the other list is")
    return first.points(common[0], missing=missing), second.points(common[0], missing=missing)


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


def _missing(cell: str) -> bool:
    """Return whether a position has no value; tables of pandas may have nan there."""
    return is_blank(cell) or cell.strip().lower() in {"nan", "unknown", "?"}


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
