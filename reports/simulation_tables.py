"""The table of a study, the same for terminal, Markdown and HTML, and its sentences."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reports.simulation import BASELINE
from reports.tables import plain
from reports.words import DASH, number

if TYPE_CHECKING:
    from reports.simulation import Estimate, Study

__all__ = ["TEXT_COLUMNS", "StudyRow", "headings", "headline", "markdown", "notes", "rows"]

#: So many columns, from the left, are text.
TEXT_COLUMNS = 1


@dataclass(frozen=True)
class _Column:
    """A column: heading, the figure behind it, its factor, digits after the point, whether its spread is told."""

    heading: str
    figure: str
    scale: float
    decimals: int
    spread: bool = True
    sign: bool = False


_COLUMNS = (
    _Column("% of bound", "share", 100.0, 2),
    _Column(f"% over {BASELINE}", "gain", 100.0, 2, sign=True),
    _Column("utility/user", "utility_per_user", 1.0, 3),
    _Column("latency ms", "latency_s", 1e3, 1),
    _Column("p95 ms", "latency_p95_s", 1e3, 1),
    _Column("p99 ms", "latency_p99_s", 1e3, 1),
    _Column("late %", "late_share", 100.0, 2, spread=False),
    _Column("moves %", "migration_share", 100.0, 2),
    _Column("MB/slot", "moved_bytes_per_slot", 1e-6, 2, spread=False),
    _Column("ms/slot", "decision_s", 1e3, 1, spread=False),
    _Column("worst ms", "decision_max_s", 1e3, 1, spread=False),
)


@dataclass(frozen=True)
class StudyRow:
    """One line: the cells, one for each of `headings`, and whether no policy has a higher utility."""

    cells: tuple[str, ...]
    best: bool


def headings(study: Study) -> tuple[str, ...]:
    """Return the headings; what no policy has a figure of is left out."""
    return ("policy", *(c.heading for c in _used(study)))


def rows(study: Study) -> list[StudyRow]:
    """Return the lines, highest utility first, each figure as mean ± half of its 95 % confidence interval."""
    order = sorted(study.labels, key=lambda label: -study.figure(label, "objective").mean)
    best = study.best()
    return [
        StudyRow((label, *(_cell(study.figure(label, c.figure), c) for c in _used(study))), label == best)
        for label in order
    ]


def _used(study: Study) -> list[_Column]:
    return [c for c in _COLUMNS if any(math.isfinite(study.figure(label, c.figure).mean) for label in study.labels)]


def _cell(estimate: Estimate, column: _Column) -> str:
    if not math.isfinite(estimate.mean):
        return DASH
    sign = "+" if column.sign else ""
    text = f"{column.scale * estimate.mean:{sign}.{column.decimals}f}"
    if not column.spread or not math.isfinite(estimate.half_width):
        return text
    return f"{text} ± {column.scale * estimate.half_width:.{column.decimals}f}"


def headline(study: Study) -> str:
    """Return in one sentence which policy is best, and by how much."""
    best = study.best()
    if best is None:
        return "No policy has finished."
    text = f"{best} has the highest utility"
    share, gain = study.figure(best, "share"), study.figure(best, "gain")
    if math.isfinite(share.mean):
        text += f", {number(100 * share.mean, 4)} % of the clairvoyant bound"
    if math.isfinite(gain.mean) and best != BASELINE:
        text += f", {100 * gain.mean:+.2f} % over staying"
    return text + "."


def notes(study: Study) -> list[str]:
    """Return what is to be said beside the table."""
    count, slots = len(study.scenarios), study.scenarios[0].n_slots
    first = study.scenarios[0]
    told = [
        f"{count} scenario{'s' if count > 1 else ''} of {first.n_users:,} users, {first.n_stations:,} stations and "
        f"{slots:,} slots of {first.slot_s:g} s"
        + ("; mean ± half of the 95 % confidence interval over scenarios (Student's t)." if count > 1 else ".")
    ]
    movers = [c.label for c in study.contenders if c.label in study.labels and c.moves_servers]
    if movers and any(bound is not None for bound in study.bounds):
        told.append(f"{', '.join(movers)}: opens other servers, for which the bound does not hold.")
    if all(bound is None for bound in study.bounds):
        told.append("No clairvoyant bound: none is installed, or none was asked for.")
    for label in study.labels:
        broken = [s for t in study.of(label) for s in t.slots if not s.feasible]
        if broken:
            kinds = Counter(name for s in broken for name in s.violated.split())
            counted = ", ".join(f"{name} in {count}" for name, count in sorted(kinds.items()))
            unbound = "; the bound does not hold for it" if any(bound is not None for bound in study.bounds) else ""
            told.append(f"{label}: {len(broken)} slots break a constraint ({counted}){unbound}.")
    if study.interrupted:
        told.append("Interrupted: what was finished is shown.")
    return told


def markdown(study: Study) -> str:
    """Return the table as Markdown."""
    titles = headings(study)
    lines = [headline(study), "", f"| {' | '.join(titles)} |"]
    lines.append(f"| {' | '.join(['---'] * TEXT_COLUMNS + ['---:'] * (len(titles) - TEXT_COLUMNS))} |")
    for row in rows(study):
        cells = [plain(cell) for cell in row.cells]
        lines.append(f"| {' | '.join([f'**{cell}**' for cell in cells] if row.best else cells)} |")
    lines += ["", *(f"- {plain(note)}" for note in notes(study)), ""]
    return "\n".join(lines)
