"""Units of measurement in column headings: one table for lists of stations and users and for traces.

>>> name, unit = split_unit("CPU (GHz)", "hertz")
>>> name, unit.to_si(16.0)
(('cpu',), 16000000000.0)
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, overload

from dtopt.elementary import power10

if TYPE_CHECKING:
    from dtopt.arrays import FloatArray

__all__ = ["UNITS", "Quantity", "Unit", "split_unit", "words"]

Quantity = Literal["hertz", "bits", "watts", "seconds", "metres"]


@dataclass(frozen=True)
class Unit:
    """A unit and how its values become hertz, bit, watt, second or metre.

    Parameters
    ----------
    symbol : str
    factor, divisor : float
        A value is multiplied by the one and divided by the other. Division keeps decimal fractions such as 4.7 ms
        correctly rounded.
    decibel : bool
        Whether values are levels in dB over `factor` watts.
    ambiguous : bool
        Whether the heading may mean another unit: ``Mb`` is written for megabit and for megabyte.
    """

    symbol: str
    factor: float = 1.0
    divisor: float = 1.0
    decibel: bool = False
    ambiguous: bool = False

    @overload
    def to_si(self, values: float) -> float: ...
    @overload
    def to_si(self, values: FloatArray) -> FloatArray: ...
    def to_si(self, values: float | FloatArray) -> float | FloatArray:
        """Return values in hertz, bit, watt, second or metre."""
        scaled = power10(values / 10.0) if self.decibel else values
        return scaled * self.factor / self.divisor


def _bits() -> dict[str, Unit]:
    table = {}
    for name, decimal, binary in (("", 1.0, 1.0), ("k", 1e3, 2.0**10), ("m", 1e6, 2.0**20), ("g", 1e9, 2.0**30)):
        for suffix, size in (("bit", 1.0), ("bits", 1.0), ("b", 8.0), ("byte", 8.0), ("bytes", 8.0)):
            table[name + suffix] = Unit(name + suffix, decimal * size)
            if name:
                table[f"{name}i{suffix}"] = Unit(f"{name}i{suffix}", binary * size)
    for word, factor in (("kilo", 1e3), ("mega", 1e6), ("giga", 1e9)):
        for suffix, size in (("bit", 1.0), ("bits", 1.0), ("byte", 8.0), ("bytes", 8.0)):
            table[word + suffix] = Unit(word + suffix, factor * size)
    return table


def _named(factor: float, divisor: float, *names: str) -> dict[str, Unit]:
    return {name: Unit(name, factor, divisor) for name in names}


#: Units of each quantity by their names in lower case. ``b`` is byte, as in ``kb`` and ``mb``; ``bit`` is bit.
UNITS: dict[Quantity, dict[str, Unit]] = {
    "hertz": {
        **_named(1.0, 1.0, "hz", "hertz"),
        **_named(1e3, 1.0, "khz", "kilohertz"),
        **_named(1e6, 1.0, "mhz", "megahertz"),
        **_named(1e9, 1.0, "ghz", "gigahertz"),
        **_named(1e12, 1.0, "thz", "terahertz"),
    },
    "bits": _bits(),
    "watts": {
        **_named(1.0, 1.0, "w", "watt", "watts"),
        **_named(1.0, 1e3, "mw", "milliwatt", "milliwatts"),
        **_named(1.0, 1e6, "uw", "µw", "μw", "microwatt"),
        **_named(1e3, 1.0, "kw", "kilowatt"),
        "dbm": Unit("dbm", 1.0, 1e3, decibel=True),
        "dbw": Unit("dbw", decibel=True),
    },
    "seconds": {
        **_named(1.0, 1.0, "s", "sec", "secs", "second", "seconds"),
        **_named(1.0, 1e3, "ms", "msec", "msecs", "millis", "millisecond", "milliseconds"),
        **_named(1.0, 1e6, "us", "µs", "μs", "usec", "microsecond", "microseconds"),
        **_named(1.0, 1e9, "ns", "nanosecond", "nanoseconds"),
        **_named(60.0, 1.0, "min", "mins", "minute", "minutes"),
        **_named(3600.0, 1.0, "h", "hr", "hrs", "hour", "hours"),
    },
    "metres": {
        **_named(1.0, 1.0, "m", "metre", "metres", "meter", "meters"),
        **_named(1e3, 1.0, "km", "kilometre", "kilometres", "kilometer", "kilometers"),
        **_named(1.0, 100.0, "cm", "centimetre", "centimetres", "centimeter", "centimeters"),
        **_named(1.0, 1e3, "mm", "millimetre", "millimetres", "millimeter", "millimeters"),
        **_named(0.3048, 1.0, "ft", "foot", "feet"),
        **_named(1609.344, 1.0, "mi", "mile", "miles"),
    },
}

#: A small b after a large letter: by the rules it is bit, but lists of bytes are written so too.
_AMBIGUOUS = frozenset({"Kb", "Mb", "Gb"})
_TOKENS = re.compile(r"[^\W_]+")
#: Parts of a token in mixed case: ``decimalLatitude``, ``WGS84``.
_PARTS = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+|[^\x00-\x7f]+")


def words(heading: str) -> tuple[str, ...]:
    """Return the words of a heading in lower case; ``decimalLatitude`` and ``decimal_latitude`` have the same."""
    return tuple(part.lower() for token in _TOKENS.findall(heading) for part in _PARTS.findall(token))


def split_unit(heading: str, quantity: Quantity) -> tuple[tuple[str, ...], Unit | None]:
    """Return the words of a heading without its unit, and the unit.

    Parameters
    ----------
    heading : str
        Such as ``cpu_ghz``, ``CPU (GHz)`` or ``cpuGHz``.
    quantity : Quantity
        What its units may be.

    Returns
    -------
    name : tuple of str
        The words before the unit, in lower case; all words where there is no unit.
    unit : Unit or None
        None where the heading has no unit of this quantity, or nothing else.
    """
    table = UNITS[quantity]
    tokens = _TOKENS.findall(heading)
    if len(tokens) > 1 and tokens[-1].lower() in table:
        return words(" ".join(tokens[:-1])), _unit(tokens[-1], table)
    if tokens:
        last = tokens[-1]
        for at in range(1, len(last)):
            # In mixed case the unit begins with a capital: deadlineMs, cpuGHz.
            if last[at].isupper() and not last[at - 1].isupper() and last[at:].lower() in table:
                return words(" ".join([*tokens[:-1], last[:at]])), _unit(last[at:], table)
    return words(heading), None


def _unit(token: str, table: dict[str, Unit]) -> Unit:
    unit = table[token.lower()]
    if token in _AMBIGUOUS:
        return Unit(token, unit.factor, unit.divisor, ambiguous=True)
    return unit
