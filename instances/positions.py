"""Where positions are in a table: which headings hold them, degrees or metres, and how angles are written."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from dtopt.errors import InputError
from instances.columns import is_blank, plain_number
from instances.units import Unit, split_unit, words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dtopt.arrays import FloatArray

__all__ = ["AXES", "DEGREES", "METRES", "Angle", "Axis", "Length", "System", "find_axes", "guess_system", "parse_angle"]

System = Literal["degrees", "metres"]
#: The axes of each system, in the order of a position.
DEGREES, METRES = ("latitude", "longitude"), ("x_m", "y_m")
AXES = (*DEGREES, *METRES)

_NAMES = {
    "latitude": frozenset({"latitude", "lat"}),
    "longitude": frozenset({"longitude", "lon", "lng", "long"}),
    "x_m": frozenset({"x", "easting", "eastings", "east"}),
    "y_m": frozenset({"y", "northing", "northings", "north"}),
}
#: Words that say nothing but metres.
_SURE_METRES = frozenset({"easting", "eastings", "east", "northing", "northings", "north", "utm", "mga"})
#: Words beside latitude, longitude, x and y that change nothing.
_BESIDE = frozenset(
    {
        *("dd", "dec", "decimal", "deg", "degree", "degrees", "dms", "gps", "geo", "local", "grid", "utm", "mga"),
        *("wgs", "84", "wgs84", "epsg", "4326", "nad", "83", "27", "nad83", "nad27"),
        *("gda", "94", "2020", "gda94", "gda2020", "etrs", "89", "etrs89"),
        *("site", "station", "tower", "cell", "mast", "bs", "node", "user", "ue", "device", "vehicle", "person"),
        *("location", "loc", "position", "pos", "point", "coord", "coords", "coordinate", "coordinates"),
        *("center", "centre", "centroid"),
    }
)
#: Parts of an angle that is spread over columns.
_PARTS = {
    "degree": frozenset({"deg", "degree", "degrees", "d"}),
    "minute": frozenset({"min", "mins", "minute", "minutes", "m"}),
    "second": frozenset({"sec", "secs", "second", "seconds", "s"}),
    "side": frozenset({"dir", "direction", "hem", "hemi", "hemisphere", "ns", "ew", "side"}),
}
_SIDES = {"latitude": "NS", "longitude": "EW"}

_NUMBER = r"(\d+(?:\.\d*)?|\.\d+)"
_DEGREE = r"(?:\s*(?:°|º|˚|deg(?:rees)?|d|:|-)\s*|\s+)"
_MINUTE = r"(?:\s*(?:'|′|’|‘|min|m|:|-)\s*|\s+)"
_SECOND = r"\s*(?:\"|″|”|“|''|′′|’’|sec)?\s*"
_ANGLE = re.compile(
    rf"([NSEW])?\s*([-+])?\s*{_NUMBER}\s*(?:{_DEGREE}(?:{_NUMBER}\s*(?:{_MINUTE}(?:{_NUMBER}{_SECOND})?)?)?)?\s*([NSEW])?",
    re.IGNORECASE,
)
#: 37d48m54s: the last letter is seconds and not south.
_LETTERS = re.compile(r"(\d)\s*m\s*([\d.]+)\s*s\b", re.IGNORECASE)


@dataclass(frozen=True)
class Length:
    """A column of x or y."""

    index: int
    unit: Unit
    sure: bool

    def value(self, row: Sequence[str]) -> float:
        """Return the coordinate in metres."""
        return self.unit.to_si(plain_number(row[self.index].strip().replace("−", "-")))


@dataclass(frozen=True)
class Angle:
    """Latitude or longitude: one column, or degrees, minutes, seconds and hemisphere in a column each."""

    axis: str
    index: int
    minute: int | None = None
    second: int | None = None
    side: int | None = None

    def value(self, row: Sequence[str]) -> float:
        """Return the angle in degrees."""
        cells = [row[self.index].strip()]
        cells += [row[at].strip() or "0" for at in (self.minute, self.second) if at is not None]
        side = "" if self.side is None else row[self.side].strip()
        return parse_angle(" ".join(cells) + side, self.axis)


Axis = Length | Angle


def find_axes(heading: Sequence[str]) -> dict[str, list[Axis]]:
    """Return the columns that may hold each of `AXES`, those whose name says it most plainly first."""
    found: dict[str, list[tuple[int, Axis]]] = {axis: [] for axis in AXES}
    for index, text in enumerate(heading):
        for axis in METRES:
            length = _length(axis, text, index)
            if length is not None:
                found[axis].append((len(words(text)), length))
    for axis in DEGREES:
        parts = _angle_parts(axis, heading)
        spread = None
        if "minute" in parts and "degree" in parts:
            spread = Angle(axis, parts["degree"], parts["minute"], parts.get("second"), parts.get("side"))
        for index, text in enumerate(heading):
            if _is_angle(axis, text) and not (spread is not None and index == spread.index):
                found[axis].append((len(words(text)), Angle(axis, index, side=parts.get("side"))))
        if spread is not None and not found[axis]:
            found[axis].append((0, spread))
    return {axis: [one for _, one in sorted(every, key=lambda pair: pair[0])] for axis, every in found.items()}


def _is_angle(axis: str, heading: str) -> bool:
    return _rest(axis, words(heading)) is not None


def _rest(axis: str, parts: tuple[str, ...]) -> tuple[str, ...] | None:
    """Return the words beside the name of an axis; None where a word is another one, or the name is missing."""
    names = [part for part in parts if part in _NAMES[axis]]
    rest = tuple(part for part in parts if part not in _NAMES[axis])
    if len(names) == 1 and _BESIDE.issuperset(rest):
        return rest
    if not names and len(rest) == 1:
        # Written as one word: latdec, decimallatitude, xcoord, pointx.
        for name in _NAMES[axis]:
            for other in (rest[0].removeprefix(name), rest[0].removesuffix(name)):
                if other != rest[0] and other in _BESIDE:
                    return (other,)
    # The grid has east and north only: utm_e.
    grid = axis in METRES and bool(_SURE_METRES.intersection(parts)) and parts[-1] == {"x_m": "e", "y_m": "n"}[axis]
    return parts if grid else None


def _length(axis: str, heading: str, index: int) -> Length | None:
    name, unit = split_unit(heading, "metres")
    if _rest(axis, name) is None:
        return None
    sure = unit is not None or bool(_SURE_METRES.intersection(name))
    return Length(index, unit or Unit("m"), sure)


def _angle_parts(axis: str, heading: Sequence[str]) -> dict[str, int]:
    """Return where degrees, minutes, seconds and hemisphere of one angle are, of those that have columns."""
    parts: dict[str, int] = {}
    for index, text in enumerate(heading):
        name = words(text)
        for part, known in _PARTS.items():
            own = [word for word in name if word in known]
            others = tuple(word for word in name if word not in known)
            joined = [n + k for n in _NAMES[axis] for k in known]
            if (len(own) == 1 and _rest(axis, others) is not None) or (len(name) == 1 and name[0] in joined):
                parts.setdefault(part, index)
    return parts


def parse_angle(text: str, axis: str) -> float:
    """Return degrees from ``-37.815``, ``37.815 S``, ``37°48'54"S``, ``S 37 48.9``, ``37-48-54.0 S`` or ``37:48:54``.

    Raises
    ------
    InputError
        Without a place, which the caller adds.
    """
    shown = text.strip()[:40]
    cleaned = text.strip().replace("−", "-").replace("º", "°")
    try:
        return plain_number(cleaned)
    except InputError:
        if is_blank(cleaned) or cleaned.lower().lstrip("+-") in {"nan", "inf", "infinity"}:
            raise
    match = _ANGLE.fullmatch(_LETTERS.sub(r"\1' \2" + '"', cleaned).replace(",", "."))
    if match is None:
        raise InputError(f"is not an angle: {shown!r}", mend="write degrees such as -37.815, or 37°48'54\"S")
    before, sign, degrees, minutes, seconds, after = match.groups()
    side = (before or after or "").upper()
    if (before and after) or (side and side not in _SIDES[axis]):
        raise InputError(f"is not a {axis}: {shown!r}", mend=f"its hemisphere is {' or '.join(_SIDES[axis])}")
    if side and sign and (sign == "-") != (side in "SW"):
        raise InputError(f"has a sign and another hemisphere: {shown!r}", mend="write one of them")
    parts = [float(part or 0.0) for part in (degrees, minutes, seconds)]
    whole = [float(part).is_integer() for part in (degrees, minutes) if part is not None]
    if max(parts[1:]) >= 60.0 or (minutes is not None and not whole[0]) or (seconds is not None and not all(whole)):
        raise InputError(
            f"is not an angle: {shown!r}", mend="minutes and seconds are below 60, degrees before them whole"
        )
    value = (3600.0 * parts[0] + 60.0 * parts[1] + parts[2]) / 3600.0 if minutes else parts[0]
    return -value if sign == "-" or (side and side in "SW") else value


def guess_system(x: FloatArray, y: FloatArray, cells: Sequence[str]) -> tuple[System | None, bool]:
    """Return whether columns called x and y hold longitude and latitude, and whether they seem to be swapped.

    Parameters
    ----------
    x, y : ndarray, shape (n,)
    cells : sequence of str
        What is written, for the number of decimals.

    Returns
    -------
    system : System or None
        None where they may be either.
    swapped : bool
        Whether x looks like a latitude and y like a longitude.
    """
    decimals = max((len(cell.strip().partition(".")[2]) for cell in cells), default=0)
    fits = bool((np.abs(x) <= 180.0).all() and (np.abs(y) <= 90.0).all())
    turned = bool((np.abs(x) <= 90.0).all() and (np.abs(y) <= 180.0).all())
    if decimals == 0 or not (fits or turned):
        return "metres", False
    distinct = len(np.unique(np.column_stack([x, y]), axis=0))
    extent = max(float(np.ptp(x)), float(np.ptp(y)))
    if distinct > 1 and extent < 1.0 and max(np.abs(x).max(), np.abs(y).max()) > 1.0:
        return ("degrees" if fits else None), not fits
    # Two decimals are a kilometre in degrees and a centimetre in metres.
    return (None if decimals > 2 else "metres"), False
