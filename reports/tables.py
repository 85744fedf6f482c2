"""The comparison table, the same for terminal, Markdown, CSV and HTML."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reports import words

if TYPE_CHECKING:
    from reports.comparison import Comparison, Summary

__all__ = ["HEADINGS", "TEXT_COLUMNS", "DisplayRow", "csv", "display_rows", "headings", "markdown", "plain"]

#: Headings of a comparison with one run of each solver.
HEADINGS = (
    "instance",
    "solver",
    "status",
    "objective",
    "latency ms",
    "servers",
    "gap to bound",
    "controllable gap",
    "vs best",
    "time s",
)
#: So many of them, from the left, are text; the others are numbers.
TEXT_COLUMNS = 3
_REPEATED = ("runs", "mean", "worst")


@dataclass(frozen=True)
class DisplayRow:
    """One line of the table.

    Parameters
    ----------
    cells : tuple of str
        One for each of `headings`.
    best : bool
        Whether no solver found a better objective on the instance.
    starts_instance : bool
        Whether it is the first line of its instance.
    message : str
        What the solver, or the judge of it, had to say.
    """

    cells: tuple[str, ...]
    best: bool
    starts_instance: bool
    message: str


def headings(comparison: Comparison) -> tuple[str, ...]:
    """Return the headings: with several runs of each solver, also how they spread."""
    return (*HEADINGS, *_REPEATED) if comparison.runs > 1 else HEADINGS


def display_rows(comparison: Comparison) -> list[DisplayRow]:
    """Return the lines of the table, by instance and best first; with several runs, the best run of each solver."""
    return [
        DisplayRow(
            _cells(comparison, case.label, summary),
            comparison.is_best(summary.best),
            position == 0,
            summary.best.message,
        )
        for case in comparison.cases
        for position, summary in enumerate(comparison.summaries(case.label))
    ]


def _cells(comparison: Comparison, label: str, summary: Summary) -> tuple[str, ...]:
    row = summary.best
    terms = row.evaluation.terms if row.evaluation else None
    case = comparison.case(label)
    cells = (
        label,
        row.solver,
        row.status.replace("_", " "),
        words.number(row.objective),
        words.number(1e3 * terms.latency, 4) if terms else words.DASH,
        f"{terms.n_open}/{case.problem.n_stations}" if terms else words.DASH,
        words.percent(comparison.gap(row)),
        words.percent(comparison.controllable_gap(row)),
        "best" if comparison.is_best(row) else _signed(comparison, label, words.percent(comparison.above_best(row))),
        words.seconds(summary.wall_s),
    )
    if comparison.runs == 1:
        return cells
    return (*cells, f"{summary.found}/{summary.runs}", words.number(summary.mean), words.number(summary.worst))


def _signed(comparison: Comparison, label: str, text: str) -> str:
    if text == words.DASH:
        return text
    return ("−" if comparison.case(label).problem.maximise else "+") + text


def markdown(comparison: Comparison) -> str:
    """Return the comparison as Markdown: the answer, the table, what there is to note."""
    rows = display_rows(comparison)
    titles = headings(comparison)
    align = ["---"] * TEXT_COLUMNS + ["---:"] * (len(titles) - TEXT_COLUMNS)
    lines = ["# Comparison", "", plain(words.headline(comparison)), ""]
    lines += [f"- **{plain(c.label)}**: {plain(words.verdict(comparison, c.label))}" for c in comparison.cases]
    lines.append("")
    lines += [f"| {' | '.join(titles)} |", f"| {' | '.join(align)} |"]
    for row in rows:
        cells = [plain(cell) for cell in row.cells]
        cells = [f"**{cell}**" for cell in cells] if row.best else cells
        lines.append(f"| {' | '.join(cells)} |")
    notes = [f"{row.cells[0]}, {row.cells[1]}: {row.message}" for row in rows if row.message] + list(comparison.notes)
    if notes:
        lines += ["", *(f"- {plain(note)}" for note in notes)]
    lines += ["", plain(words.settings(comparison)), ""]
    return "\n".join(lines)


def plain(text: str) -> str:
    """Return text that Markdown takes as it is: names of instances come from files."""
    for mark in "\\`*_[]<>|#":
        text = text.replace(mark, f"\\{mark}")
    return " ".join(text.split())


def csv(comparison: Comparison) -> str:
    """Return one line for each run as CSV, with all digits."""
    stream = io.StringIO()
    comparison.to_frame().to_csv(stream, index=False, lineterminator="\n")
    return stream.getvalue()
