"""The README's table, written between two markers from a committed summary: never by hand.

python -m reports.readme README.md reports/committed/summary.csv
"""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from dtopt.errors import DtoptError, InputError
from reports.words import percent, seconds

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence
    from typing import Any

__all__ = ["BEGIN", "COMMITTED", "END", "main", "table", "update"]

BEGIN = "<!-- benchmark: made by python -m reports.readme -->"
END = "<!-- /benchmark -->"
#: The summary of the full comparison.
COMMITTED = Path(__file__).parent / "committed" / "summary.csv"
_HEADINGS = (
    "solver",
    "gap to best known (95 % interval)",
    "controllable gap",
    "at best known",
    "proved optimal",
    "within 0.1 %",
    "gap to bound",
    "controllable gap to bound",
    "primal integral",
    "time s",
)
_KINDS = {"placement": "P1 placement", "migration": "P2 migration"}


def table(summary: Path) -> str:
    """Return the Markdown of a summary, one table for each kind of problem and time limit.

    Raises
    ------
    InputError
        If it is no summary of `dtopt report`.
    """
    import pandas as pd

    try:
        frame = pd.read_csv(summary)
    except (OSError, ValueError) as error:
        raise InputError(f"cannot be read: {error}", where=str(summary)) from None
    needed = {"kind", "time_limit", "solver", "primal_gap", "gap_low", "gap_high", "at_best", "proved", "reached_0.001"}
    needed |= {"gap_to_bound", "primal_integral", "wall_sgm_s", "instances", "tasks"}
    if missing := sorted(needed - set(frame.columns)):
        raise InputError(
            f"lacks the columns {', '.join(missing)}", where=str(summary), mend="made by dtopt report -o DIR"
        )
    lines: list[str] = []
    for _, rows in frame.groupby(["kind", "time_limit"], sort=False, dropna=False):
        first = rows.iloc[0]
        kind, limit = str(first["kind"]), float(first["time_limit"])
        within = "no time limit" if math.isnan(limit) else f"at most {limit:g} s for each run"
        lines += [
            "",
            f"{_KINDS.get(kind, kind)}: {first['instances']:g} instances, {first['tasks']:g} runs of each solver, "
            f"{within}.",
            "",
            f"| {' | '.join(_HEADINGS)} |",
            f"|---|{'---:|' * (len(_HEADINGS) - 1)}",
            *(_row(row) for row in rows.to_dict("records")),
        ]
    return "\n".join(lines).strip()


def _row(row: Mapping[Hashable, Any]) -> str:
    cells = [
        f"`{row['solver']}`",
        f"{percent(row['primal_gap'])} ({percent(row['gap_low'])} to {percent(row['gap_high'])})",
        _controllable(row, "controllable_primal_gap"),
        *(f"{100 * row[name]:.3g} %" for name in ("at_best", "proved", "reached_0.001")),
        percent(row["gap_to_bound"]),
        _controllable(row, "controllable_gap_to_bound"),
        percent(row["primal_integral"]),
        seconds(row["wall_sgm_s"]),
    ]
    return f"| {' | '.join(cells)} |"


def _controllable(row: Mapping[Hashable, Any], name: str) -> str:
    """Return a controllable gap; a dash in a summary made before there were any."""
    return percent(float(row.get(name, math.nan)))


def update(readme: Path, summary: Path = COMMITTED) -> bool:
    """Write the table into a file between the two markers; return whether that changed it.

    Raises
    ------
    InputError
        If the markers are not there, each once and in order.
    """
    text = readme.read_text(encoding="utf-8")
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
        raise InputError(
            "needs the two markers, once each", where=str(readme), mend=f"{BEGIN} and {END} on lines of their own"
        )
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    made = f"{before}{BEGIN}\n\n{table(summary)}\n\n{END}{after}"
    if made != text:
        readme.write_text(made, encoding="utf-8")
    return made != text


def main(arguments: Sequence[str]) -> int:
    """Run the script: file and summary, README.md and the committed one where they are not given."""
    if len(arguments) > 2 or any(a.startswith("-") for a in arguments):
        sys.stderr.write(f"{__doc__}\n")
        return 2
    readme = Path(arguments[0]) if arguments else Path("README.md")
    try:
        changed = update(readme, *(Path(a) for a in arguments[1:]))
    except DtoptError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    sys.stderr.write(f"{readme} {'is written' if changed else 'is as it should be'}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
