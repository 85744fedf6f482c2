"""Generalized-assignment files in OR-Library format, read as P1 with ``fixed`` sharing.

A file holds one problem, or starts with the number of problems as OR-Library's ``gap1`` to ``gap12`` do. A problem is
M and N, then M rows of N costs (agent by job), M rows of N weights and M capacities; line breaks mean nothing.
Numbers end at blanks, commas or semicolons; what follows ``#``, ``%``, ``//`` or ``!`` on a line is a comment.

Jobs are users, agents are servers, the weight of a pair is its CPU demand and its cost is its latency, so that the
objective is exactly the sum of the costs. Costs may be negative, weights and capacities 0. A profit is a negative cost:
the objective of a file of profits is minus the total profit.
"""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dtopt.arrays import UNLIMITED
from dtopt.errors import InputError, InputWarning
from dtopt.network import BaseStations, Network, Users
from dtopt.problem import Placement
from instances.assembly import count, flag

if TYPE_CHECKING:
    from dtopt.arrays import FloatArray

__all__ = ["gap", "read_gap", "read_gaps"]

#: Where a comment begins.
_COMMENT = re.compile(r"#|%|!|//")


def read_gap(path: str | Path, *, number: int = 1, maximise: bool = False) -> Placement:
    """Return one problem of a file.

    Parameters
    ----------
    path : str or Path
    number : int
        Which problem of a file with several, from 1.
    maximise : bool
        Whether the file's numbers are profits, as in OR-Library's ``gap1`` to ``gap12``. A profit p is read as the cost
        −p, so the objective is minus the total profit.

    Returns
    -------
    Placement
        Objective: the sum of the costs, or minus the total profit.

    Raises
    ------
    InputError
        Naming the file, and the line where there is one.
    """
    problems = read_gaps(path, maximise=maximise)
    if not 1 <= number <= len(problems):
        raise InputError(f"has {len(problems)} problems, there is no number {number}", where=str(path))
    return problems[number - 1]


def read_gaps(path: str | Path, *, maximise: bool = False) -> list[Placement]:
    """Return all problems of a file; see `read_gap`."""
    path = Path(path)
    text = _text(path)
    numbers = _Numbers(path, text)
    total = _problem_count(numbers)
    if total is None and "," in text:
        numbers, total = _with_decimal_commas(path, text) or (numbers, None)
    if total is None:
        first, second = (numbers.peek(at) or 0.0 for at in (0, 1))
        raise InputError(
            f"has {numbers.count} numbers; one problem of M = {first:g} and N = {second:g} "
            f"would have {2 + first * (2 * second + 1):g}, and neither do {first:g} problems fit",
            where=str(path),
            mend="a problem is M, N, M x N costs, M x N weights and M capacities",
        )
    if total > 0:
        numbers.take(1)
        return [_problem(numbers, f"{path.name}-{k + 1}", maximise=maximise) for k in range(total)]
    return [_problem(numbers, path.name, maximise=maximise)]


def gap(*, seed: int = 0, file: str = "", number: int = 1, maximise: bool = False) -> Placement:
    """Return a generalized-assignment problem from an OR-Library file (option ``file``); the seed changes nothing."""
    if not file:
        raise InputError("is missing", where="file", mend="the path of an OR-Library generalized-assignment file")
    return read_gap(file, number=count(number, "number"), maximise=flag(maximise, "maximise"))


def _with_decimal_commas(path: Path, text: str) -> tuple[_Numbers, int] | None:
    """Return the numbers with the comma as the decimal mark, and the count of problems; None where they do not fit."""
    try:
        numbers = _Numbers(path, text, decimal_comma=True)
    except InputError:
        return None
    total = _problem_count(numbers)
    # 1,234 may be a thousand and more.
    if total is None or not re.search(r",(?!\d{3}(?!\d))", text):
        return None
    warnings.warn(f"{path}: commas are read as decimal marks", InputWarning, stacklevel=3)
    return numbers, total


def _problem_count(numbers: _Numbers) -> int | None:
    """Return 0 for a file of one problem without a count, else the count; None where the numbers fit neither."""
    if _end_of_problem(numbers, 0) == numbers.count:
        return 0
    total, at = numbers.peek(0), 1
    if total is None or total < 1 or total != int(total) or total > numbers.count:
        return None
    for _ in range(int(total)):
        end = _end_of_problem(numbers, at)
        if end is None:
            return None
        at = end
    return int(total) if at == numbers.count else None


def _end_of_problem(numbers: _Numbers, at: int) -> int | None:
    """Return where the problem whose M is the number `at` would end; None where there is none."""
    m, n = numbers.peek(at), numbers.peek(at + 1)
    if m is None or n is None or m < 1 or n < 1 or m != int(m) or n != int(n):
        return None
    end = at + 2 + int(m) * (2 * int(n) + 1)
    return end if end <= numbers.count else None


def _problem(numbers: _Numbers, name: str, *, maximise: bool) -> Placement:
    m, n = numbers.take(2).astype(int).tolist()
    cost = numbers.take(m * n).reshape(m, n)
    weight = numbers.take(m * n, not_negative="weights").reshape(m, n)
    capacity = numbers.take(m, not_negative="capacities")
    if maximise:
        cost = 0.0 - cost  # Not -cost: 0 must not become -0.
    network = Network(
        # Sizes play no part where pair latencies are given, but a twin must have one.
        Users(np.ones(n), np.zeros(n), np.zeros(n), np.full(n, np.inf)),
        BaseStations(capacity, np.full(m, UNLIMITED)),
        channel=None,
    )
    return Placement(
        network,
        sharing="fixed",
        demand_hz=weight.T,
        name=name,
        objective="system-cost",
        latency_weight=float(n),
        cost_weight=0.0,
        server_cost=0.0,
        pair_latency_s=cost.T,
    )


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"is not a text file of numbers (byte {error.start})", where=str(path)) from None
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", where=str(path)) from None


class _Numbers:
    """The numbers of a file in their order, each with its line."""

    def __init__(self, path: Path, text: str, *, decimal_comma: bool = False) -> None:
        self.path = path
        values: list[float] = []
        lines: list[int] = []
        for line_number, line in enumerate(text.splitlines(), start=1):
            content = _COMMENT.split(line, maxsplit=1)[0].replace(";", " ")
            for word in content.replace(",", "." if decimal_comma else " ").split():
                try:
                    value = float(word)
                except ValueError:
                    raise InputError(f"is not a number: {word[:40]!r}", where=f"{path}: line {line_number}") from None
                if not np.isfinite(value):
                    raise InputError(f"must be finite, got {word}", where=f"{path}: line {line_number}")
                values.append(value)
                lines.append(line_number)
        if not values:
            raise InputError("is empty", where=str(path))
        self._values, self._lines, self._at = np.array(values), lines, 0

    @property
    def count(self) -> int:
        return self._values.size

    def peek(self, index: int) -> float | None:
        return float(self._values[index]) if index < self.count else None

    def take(self, size: int, *, not_negative: str = "") -> FloatArray:
        """Return the next numbers; those that are there have been counted before."""
        values = self._values[self._at : self._at + size]
        if not_negative and (values < 0).any():
            at = int((values < 0).argmax())
            where = f"{self.path}: line {self._lines[self._at + at]}"
            raise InputError(f"{not_negative} must be >= 0, got {values[at]:g}", where=where)
        self._at += size
        return values
