"""Columns of lists of stations and users: how they may be called, in which units, and which values are plausible."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from dtopt.errors import InputError
from instances.units import Unit, split_unit, words

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dtopt.arrays import FloatArray
    from instances.units import Quantity

__all__ = ["STATION_COLUMNS", "USER_COLUMNS", "Column", "is_blank", "resembled"]

#: Cells without a value, in lower case.
_BLANK = frozenset({"", "-", "--", "na", "n/a", "#n/a", "none", "null", "nil"})
#: Cells that say that there is no limit.
_UNLIMITED = frozenset({"inf", "+inf", "infinity", "+infinity", "unlimited", "no limit", "unbounded", "∞"})
#: Two headings are near each other above this ratio of difflib: ``capacty`` is near ``capacity``, ``tower`` is not near
#: ``power`` (0.8).
_NEAR = 0.8
#: Words of headings that say when or by whom a row was changed: ``update_date`` is no amount of data.
_WHEN = frozenset(
    {"updated", "date", "time", "timestamp", "at", "by", "on", "last", "period", "interval", "day", "year"}
)
_NUMERIC = re.compile(r"\s*[-+−]?\.?\d")


@dataclass(frozen=True)
class Column:
    """A column of numbers that a list may have.

    Parameters
    ----------
    key : str
        Its name, with the unit that values are converted to.
    quantity : Quantity or None
        None for a plain number.
    names : tuple of str
        What it may be called before the unit, words joined.
    core : tuple of str
        Words that make another heading resemble this one.
    zero : bool
        Whether 0 is allowed.
    unlimited : bool
        Whether an empty cell, or ``inf``, is no limit.
    possible : tuple of float
        Values outside are certainly a mistake and are refused.
    plausible : tuple of float
        Values outside are reported.
    low, high : str
        What values that are too low or too high most likely are.
    """

    key: str
    quantity: Quantity | None
    names: tuple[str, ...]
    core: tuple[str, ...] = ()
    zero: bool = False
    unlimited: bool = False
    possible: tuple[float, float] = (0.0, np.inf)
    plausible: tuple[float, float] = (0.0, np.inf)
    low: str = ""
    high: str = ""

    def unit(self, heading: str) -> Unit | None:
        """Return the unit of a heading that names this column, None for other headings."""
        if self.quantity is None:
            return Unit("") if "".join(words(heading)) in self.names else None
        name, unit = split_unit(heading, self.quantity)
        return unit if "".join(name) in self.names else None

    def mapped_unit(self, key: str, heading: str) -> Unit:
        """Return the unit of a heading that the user named: that of the key, where it has another, or the heading's."""
        if self.quantity is None:
            return Unit("")
        own, given = split_unit(self.key, self.quantity)[1], split_unit(key, self.quantity)[1]
        assert own is not None  # noqa: S101 - every key ends in its unit
        if given is not None and given.symbol != own.symbol:
            return given
        return split_unit(heading, self.quantity)[1] or own

    def value(self, cell: str, unit: Unit) -> float:
        """Return the number in a cell, converted; infinite where it says that there is no limit.

        Raises
        ------
        InputError
            Without a place, which the caller adds.
        """
        text = cell.strip().replace("−", "-")
        if self.unlimited and (text.lower() in _UNLIMITED or is_blank(text)):
            return np.inf
        value = unit.to_si(plain_number(text))
        if value < 0 or (value == 0 and not self.zero):
            mend = "levels in dBm belong in a column tx_power_dbm" if self.quantity == "watts" and value < 0 else None
            raise InputError(f"must be {'>=' if self.zero else '>'} 0, got {cell.strip()}", mend=mend)
        return value

    def check(self, values: FloatArray, cells: Sequence[str]) -> tuple[int, str, bool] | None:
        """Return the first value that is not plausible: its row, what to say, and whether it is certainly wrong."""
        finite = np.isfinite(values) & (values > 0)
        for (low, high), certain in ((self.possible, True), (self.plausible, False)):
            odd = finite & ((values < low) | (values > high))
            if odd.any():
                row = int(odd.argmax())
                below = values[row] < low
                count = "" if len(values) == 1 else f"; {np.count_nonzero(odd)} of {len(values)} values are like it"
                symbol = "" if self.quantity is None else f" {_SYMBOLS[self.quantity]}"
                text = f"{values[row]:g}{symbol} is too {'small' if below else 'large'}"
                text += " to be right" if certain else " to be likely"
                return row, f"{text}{count}: {self.low if below else self.high}", certain
        return None


_SYMBOLS = {"hertz": "Hz", "bits": "bit", "watts": "W", "seconds": "s", "metres": "m"}


def plain_number(text: str) -> float:
    """Return a finite number from a cell.

    Raises
    ------
    InputError
        Without a place, which the caller adds.
    """
    shown = text[:40]
    try:
        if "_" in text:
            raise ValueError
        value = float(text)
    except ValueError:
        if is_blank(text):
            raise InputError("is empty", mend="missing=skip leaves such rows out") from None
        mend = None
        if re.fullmatch(r"\s*[-+]?[\d.]+(?:[eE][-+]?\d+)?\s*[a-zA-Zµμ]+\s*", text):
            mend = "a unit belongs in the heading, such as cpu_ghz"
        raise InputError(f"is not a number: {shown!r}", mend=mend) from None
    if not np.isfinite(value):
        raise InputError(f"must be finite, got {shown}")
    return value


def is_blank(cell: str) -> bool:
    """Return whether a cell has no value."""
    return cell.strip().lower() in _BLANK


#: Columns that a list of stations may have; the preset draws or derives those that it does not have.
STATION_COLUMNS: Mapping[str, Column] = {
    column.key: column
    for column in (
        Column(
            "cpu_hz",
            "hertz",
            (
                *("cpu", "cpufrequency", "cpufreq", "cpuspeed", "cpuclock", "cpurate", "cpucapacity"),
                *("processor", "processorspeed", "processorfrequency", "compute", "fk"),
            ),
            ("cpu", "cpus"),
            possible=(1e6, 1e16),
            plausible=(1e8, 1e13),
            low="values in GHz belong in a column cpu_ghz, values in MHz in cpu_mhz",
            high="values in Hz belong in a column cpu_hz",
        ),
        Column(
            "capacity",
            None,
            ("capacity", "twincapacity", "capacitytwins", "maxtwins"),
            ("capacity", "capacities"),
            zero=True,
            unlimited=True,
            plausible=(0.0, 1e6),
            high="capacity is a number of twins; an empty cell is no limit, and a CPU belongs in a column cpu_hz",
        ),
    )
}
#: The same for users.
USER_COLUMNS: Mapping[str, Column] = {
    column.key: column
    for column in (
        Column(
            "data_bits",
            "bits",
            ("data", "datasize", "datavolume", "twindata", "twinsize", "twindatasize"),
            possible=(8.0, 1e17),
            plausible=(1e3, 1e13),
            low="values in Mbit belong in a column data_mbit, values in megabytes in data_mb",
            high="values in bit belong in a column data_bits",
        ),
        Column(
            "update_bits",
            "bits",
            ("update", "updatesize", "updatedata", "updatedatasize", "updatevolume"),
            zero=True,
            possible=(1.0, 1e17),
            plausible=(8.0, 1e13),
            low="values in Mbit belong in a column update_mbit, values in megabytes in update_mb",
            high="values in bit belong in a column update_bits",
        ),
        Column(
            "tx_power_w",
            "watts",
            (
                *("txpower", "transmitpower", "transmissionpower", "power", "txpwr", "ptx"),
                *("uplinkpower", "uepower", "txpowerlevel"),
            ),
            ("power",),
            possible=(1e-30, 1e6),
            plausible=(1e-7, 5.0),
            low="check the unit",
            high="values in dBm belong in a column tx_power_dbm, values in mW in tx_power_mw",
        ),
        Column(
            "deadline_s",
            "seconds",
            ("deadline", "latencybound", "latencylimit", "maxlatency", "delaylimit", "maxdelay"),
            ("deadline",),
            unlimited=True,
            plausible=(1e-4, 60.0),
            low="check the unit",
            high="values in ms belong in a column deadline_ms; an empty cell is no deadline",
        ),
    )
}


def resembled(heading: str, cells: Sequence[str], columns: Mapping[str, Column]) -> Column | None:
    """Return the column that an unknown heading was most likely meant to be.

    Only headings with numbers below them count: ``cpu_model`` may be left out without a question.
    """
    filled = [cell for cell in cells if not is_blank(cell)]
    if 2 * len([cell for cell in filled if _NUMERIC.match(cell)]) <= len(filled):
        return None
    parts = words(heading)
    if _WHEN.intersection(parts):
        return None
    best: tuple[float, Column | None] = (_NEAR, None)
    for column in columns.values():
        name, unit = (parts, None) if column.quantity is None else split_unit(heading, column.quantity)
        stem = "".join(name)
        if stem in column.names or set(column.core).intersection(name):
            return column
        if unit is not None and {"data", "update"}.intersection(name, column.names):
            return column
        known = (*(one for one in column.names if len(one) > 4), *column.core)
        likeness = max(
            _likeness("".join(parts), column.key.replace("_", "")), *(_likeness(stem, one) for one in known), 0.0
        )
        best = max(best, (likeness, column), key=lambda pair: pair[0])
    return best[1]


def _likeness(name: str, known: str) -> float:
    """Return how alike two names of about the same length are, 0 to 1."""
    if len(name) == len(known) > 2 and name != known and name[0] == known[0] and sorted(name) == sorted(known):
        return 0.9  # Letters in the wrong order: cup_ghz.
    return difflib.SequenceMatcher(None, name, known).ratio() if abs(len(name) - len(known)) <= 1 else 0.0
