"""Rows of a CSV file as text, whatever separates its cells.

Cells end at commas, or at semicolons, tabs or bars, whichever the heading has most of. Where they do not end at commas,
numbers may be written with a decimal comma, as spreadsheets do. Files packed with gzip are unpacked on the way, lines
that begin with ``#`` are comments, and OpenCelliD's files are read without the heading that they do not have.
"""

from __future__ import annotations

import csv
import gzip
import itertools
import re
import zlib
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

from dtopt.errors import InputError
from instances.positions import find_axes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

__all__ = ["decimal_points", "delimiter_of", "open_text", "read_rows", "table_of"]

#: The columns of OpenCelliD's files, which come without a heading, and the first cells of their rows.
OPENCELLID = (
    *("radio", "mcc", "net", "area", "cell", "unit", "lon", "lat", "range", "samples"),
    *("changeable", "created", "updated", "averageSignal"),
)
RADIOS = frozenset({"GSM", "UMTS", "CDMA", "LTE", "NR", "NBIOT"})

_DECIMAL_COMMA = re.compile(r"^(\s*[-+]?\d+),(\d+\s*(?:[eE][-+]?\d+\s*)?)$")


def open_text(path: Path) -> TextIO:
    """Open a text file, packed with gzip or not: by its first bytes, or where its name ends in ``.gz``."""
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    if packed or path.suffix.lower() == ".gz":
        return gzip.open(path, "rt", encoding="utf-8-sig", newline="")
    return path.open(encoding="utf-8-sig", newline="")


@contextmanager
def table_of(path: Path, line: Callable[[], int]) -> Iterator[TextIO]:
    """Open a table to be read within the block; whatever goes wrong there becomes one line for people.

    Parameters
    ----------
    path : Path
    line : callable
        Gives the line that is being read.

    Raises
    ------
    InputError
        On a file that is missing, no UTF-8 text, no CSV, or no whole gzip file.
    """
    try:
        with open_text(path) as file:
            yield file
    except UnicodeDecodeError as error:
        raise InputError(
            f"is not UTF-8 text (byte {error.start})", where=str(path), mend="save it as CSV UTF-8"
        ) from None
    except csv.Error as error:
        raise InputError(f"is not CSV: {error}", where=f"{path}: line {line()}") from None
    except (EOFError, zlib.error, gzip.BadGzipFile):
        raise InputError("is not a whole gzip file", where=str(path), mend="it may be cut off") from None
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror or error}", where=str(path)) from None


def read_rows(path: Path, notes: list[str]) -> tuple[list[str], list[list[str]], list[int]]:
    """Return heading, rows and their line numbers.

    Blank lines and comments are left out, and points are the decimal mark.
    """
    rows: list[list[str]] = []
    lines: list[int] = []
    line = 0
    with table_of(path, lambda: line + 1) as file:
        mark, first, skipped = _beginning(file)
        reader = csv.reader(itertools.chain([first], file), strict=True, delimiter=mark)
        for row in reader:
            line = skipped + reader.line_num
            comment = bool(rows) and len(row) != len(rows[0]) and row[:1] and row[0].lstrip().startswith("#")
            if any(cell.strip() for cell in row) and not comment:
                rows.append(row)
                lines.append(line)
    if rows and _has_no_heading(rows[0]):
        if not _is_opencellid(rows[0]):
            mend = "begin the file with a line of column names, such as name,latitude,longitude"
            raise InputError(
                "has no heading: its first line holds numbers", where=f"{path}: line {lines[0]}", mend=mend
            )
        notes.append("has no heading and is read with the columns of OpenCelliD")
        rows.insert(0, list(OPENCELLID))
        lines.insert(0, 0)
    if len(rows) < 2:
        raise InputError("has no rows below its heading" if rows else "is empty", where=str(path))
    heading = [cell.strip() for cell in rows[0]]
    for i, (row, number) in enumerate(zip(rows[1:], lines[1:], strict=True), start=1):
        if len(row) > len(heading) and not any(cell.strip() for cell in row[len(heading) :]):
            rows[i] = row[: len(heading)]
        elif len(row) != len(heading):
            hint = (
                "numbers with decimal commas need semicolons between cells"
                if mark == "," and len(row) > len(heading)
                else None
            )
            raise InputError(
                f"has {len(row)} cells, the heading has {len(heading)}", where=f"{path}: line {number}", mend=hint
            )
    if mark != ",":
        rows[1:] = [decimal_points(row) for row in rows[1:]]
    return heading, rows[1:], lines[1:]


def _beginning(file: TextIO) -> tuple[str, str, int]:
    """Return what cells end at, the line of the heading, and how many lines are before it."""
    mark, skipped = "", 0
    for line in file:
        text = line.strip()
        if text.lower().startswith("sep=") and len(text) == 5:
            mark = text[4]  # Spreadsheets write it.
        elif text.startswith("#") and any(find_axes(text.lstrip("# ").split(delimiter_of(text))).values()):
            return mark or delimiter_of(line), line.replace("#", "", 1).lstrip(), skipped
        elif text and not text.startswith("#"):
            return mark or delimiter_of(line), line, skipped
        skipped += 1
    return ",", "", skipped


def _has_no_heading(row: Sequence[str]) -> bool:
    """Return whether the first row holds numbers and no name of a position."""
    return len([cell for cell in row if _is_number(cell)]) > 1 and not any(find_axes(row).values())


def _is_opencellid(row: Sequence[str]) -> bool:
    return len(row) == len(OPENCELLID) and row[0].strip().upper() in RADIOS and all(map(_is_number, row[6:8]))


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def decimal_points(row: list[str]) -> list[str]:
    """Return the cells of a row with numbers such as ``-37,81`` written as ``-37.81``."""
    return [_DECIMAL_COMMA.sub(r"\1.\2", cell) for cell in row]


def delimiter_of(heading: str) -> str:
    """Return what cells of a file with this heading end at: the mark that it has most of, a comma where it has none."""
    return max(",;\t|", key=heading.count)
