"""Times in traces: seconds, other units, Unix times, h:m:s, and ISO 8601 dates, all read as seconds.

Times without a unit that can be no seconds since 1970 are Unix milliseconds, microseconds or nanoseconds by their
size. Nothing else is guessed: what is left open is an `InputError` that says where.
"""

from __future__ import annotations

import re
import warnings
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Literal

import numpy as np

from dtopt.errors import InputError, InputWarning

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dtopt.arrays import FloatArray
    from instances.units import Unit

__all__ = ["FORMATS", "is_clock", "read_times"]

#: What a time may look like, for messages.
FORMATS = "seconds, h:m:s such as 14:30:05.5, or a date such as 2024-05-31T14:30:05Z"
#: From this on, a number of seconds is no time: 1e10 s after 1970 is the year 2286.
LATEST_S = 1e10
#: Unix times by their size: first and last, units in a second and their name. They begin in March 1973.
UNIX_TIMES = (
    (1e11, 1e14, 1e3, "milliseconds"),
    (1e14, 1e17, 1e6, "microseconds"),
    (1e17, 1e20, 1e9, "nanoseconds"),
)
#: A clock that goes back by more than this has passed midnight, s.
HALF_DAY_S = 43_200.0
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

#: [days:]hours:minutes:seconds, as SUMO writes it with ``--human-readable-time``.
_CLOCK = re.compile(r"([-+]?)(?:(\d+):)?(\d+):([0-5]?\d):([0-5]?\d(?:[.,]\d*)?)")
_DATE = re.compile(
    r"(\d{4})(?:([-/.])(\d{1,2})\2(\d{1,2})|(\d{2})(\d{2})(?=T))"
    r"(?:[T ]\s*(\d{1,2}):?(\d{2})(?::?(\d{2})(?:[.,](\d+))?)?)?"
    r"\s*(Z|UTC|GMT|[-+]\d{2}(?::?\d{2})?)?",
    re.IGNORECASE,
)

Kind = Literal["a number", "h:m:s", "a date without offset", "a date with offset"]


def read_times(
    texts: Sequence[str],
    place: Callable[[int], str],
    *,
    unit: Unit | None = None,
    owner: Sequence[str] | None = None,
) -> FloatArray:
    """Return times in seconds: numbers as they are, h:m:s from midnight, dates since 1970 (UTC where they do not say).

    Parameters
    ----------
    texts : sequence of str
    place : callable
        Returns where a text stands, for messages.
    unit : Unit, optional
        The unit of numbers where the heading names it; None where it does not.
    owner : sequence of str, optional
        Whose times they are; one clock for all where not given.

    Raises
    ------
    InputError
        On a text that is no time, times of several kinds, numbers that are too large for their unit or have none, and
        a clock that passes midnight.
    """
    try:
        numbers = np.array([float(text) for text in texts], dtype=np.float64)
    except ValueError:
        pass
    else:
        return _scaled(numbers, place, unit)
    seconds = np.empty(len(texts))
    kinds: dict[Kind, int] = {}
    for row, text in enumerate(texts):
        seconds[row], kind = _read(text, place(row))
        kinds.setdefault(kind, row)
        if len(kinds) > 1:
            (first, line), (other, _) = kinds.items()
            raise InputError(
                f"has {other}, {text.strip()[:40]!r}, where {texts[line].strip()[:40]!r} before it is {first}",
                where=place(row),
                mend="write all times in one way",
            )
    if "h:m:s" in kinds:
        _check_midnight(seconds, texts, place, owner)
    return seconds


def is_clock(text: str) -> bool:
    """Return whether a text is a time of day without a date."""
    return _CLOCK.fullmatch(text.strip()) is not None


def _read(text: str, where: str) -> tuple[float, Kind]:
    """Return a time in seconds and how it was written."""
    text = text.strip()
    try:
        return float(text), "a number"
    except ValueError:
        pass
    if clock := _CLOCK.fullmatch(text):
        sign, days, hours, minutes, rest = clock.groups()
        value = 86_400 * int(days or 0) + 3600 * int(hours) + 60 * int(minutes) + float(rest.replace(",", "."))
        return -value if sign == "-" else value, "h:m:s"
    date = _DATE.fullmatch(text)
    if date is None:
        raise InputError(
            f"is not a number or a time: {text[:40]!r}" if text else "has no time", where=where, mend=FORMATS
        )
    year, _, month, day, month2, day2, hour, minute, second, fraction, offset = date.groups()
    parts = (year, month or month2, day or day2, hour or 0, minute or 0, second or 0)
    try:
        moment = datetime(*(int(part) for part in parts), tzinfo=UTC)  # type: ignore[misc, arg-type]
    except ValueError as error:
        raise InputError(f"is no date: {text[:40]!r}, {error}", where=where) from None
    value = (moment - EPOCH) / timedelta(seconds=1) + float(f"0.{fraction or 0}")
    if offset is None:
        return value, "a date without offset"
    if offset[0] in "+-":
        digits = offset[1:].replace(":", "").ljust(4, "0")
        ahead = 3600 * int(digits[:2]) + 60 * int(digits[2:])
        value -= ahead if offset[0] == "+" else -ahead
    return value, "a date with offset"


def _scaled(numbers: FloatArray, place: Callable[[int], str], unit: Unit | None) -> FloatArray:
    """Return numbers in seconds; those without a unit may be Unix times."""
    seconds = numbers if unit is None else unit.to_si(numbers)
    late = np.isfinite(seconds) & (np.abs(seconds) >= LATEST_S)
    if not late.any():
        return seconds
    row = int(late.argmax())
    mend = "name the column time_s, time_ms, time_us or time_ns after its unit"
    if unit is not None:
        what = f"has the time {seconds[row]:.16g} s by its unit, beyond the year 2286"
        raise InputError(what, where=place(row), mend=mend)
    size = np.abs(numbers)
    for start, end, per_second, name in UNIX_TIMES:
        if ((size >= start) & (size < end) | ~np.isfinite(size)).all():
            what = f"times such as {numbers[row]:.0f} are read as {name} since 1970"
            warnings.warn(f"{place(row)}: {what}", InputWarning, stacklevel=2)
            return numbers / per_second
    finite = np.flatnonzero(np.isfinite(numbers))
    least, most = (int(finite[i]) for i in (size[finite].argmin(), size[finite].argmax()))
    beside = f", beside {numbers[least]:.16g}" if size[most] > 100.0 * size[least] else ""
    raise InputError(f"has the time {numbers[most]:.16g}{beside}: of what unit?", where=place(most), mend=mend)


def _check_midnight(
    seconds: FloatArray, texts: Sequence[str], place: Callable[[int], str], owner: Sequence[str] | None
) -> None:
    """Raise InputError where a clock starts again at midnight: the days are not known."""
    last: dict[str, int] = {}
    for row, now in enumerate(seconds.tolist()):
        whose = "" if owner is None else owner[row]
        before = last.get(whose, row)
        if now < seconds[before] - HALF_DAY_S:
            raise InputError(
                f"goes back from {texts[before].strip()} to {texts[row].strip()}, as if past midnight",
                where=place(row),
                mend="write dates, or go on with 24:00:00",
            )
        last[whose] = row
