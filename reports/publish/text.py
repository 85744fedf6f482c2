"""A report as Markdown and its tables as LaTeX."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reports.publish import answer, tables
from reports.tables import plain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reports.publish.source import Source
    from reports.publish.tables import Table

__all__ = ["latex", "markdown", "markdown_table"]

_LATEX = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "−": "$-$",
    "–": "--",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "τ": r"$\tau$",
    "\u00a0": "~",
}


def markdown(source: Source) -> str:
    """Return the report as Markdown: the answer, the tables of each group, how it was made, what was left out."""
    lines = [f"# {plain(source.title)}", "", plain(answer.headline(source)), ""]
    lines += [f"- **{ranking.group.name}**: {plain(' '.join(answer.verdict(ranking)))}" for ranking in source.rankings]
    for ranking in source.rankings:
        shown = [tables.summary(ranking), tables.suites(ranking), tables.suites(ranking, controllable=True)]
        shown.append(tables.pairs(ranking) if len(ranking.solvers) > 1 else None)
        for table in shown:
            if table is not None:
                lines += ["", f"## {plain(table.caption)}", "", *markdown_table(table)]
    lines += ["", "## How it was measured", "", *(f"- {plain(fact)}" for fact in answer.facts(source))]
    lines += [f"- **{plain(term)}**: {plain(meaning)}" for term, meaning in answer.definitions()]
    if left_out := answer.left_out(source):
        lines += ["", "## Left out, and noted", "", *(f"- {plain(line)}" for line in left_out)]
    return "\n".join([*lines, ""])


def markdown_table(table: Table, columns: Sequence[str] | None = None) -> list[str]:
    """Return the lines of a table, all columns or those named; the best rows are bold."""
    kept = [table.headings.index(name) for name in columns or table.headings]
    lines = [
        f"| {' | '.join(plain(table.headings[i]) for i in kept)} |",
        f"| {' | '.join('---:' if i else '---' for i in kept)} |",
    ]
    for row, best in zip(table.rows, table.best, strict=True):
        cells = [plain(row[i].text) for i in kept]
        lines.append(f"| {' | '.join(f'**{cell}**' if best else cell for cell in cells)} |")
    return lines


def latex(source: Source) -> str:
    """Return the tables for a paper: `booktabs`, one float for each; the preamble needs that package only."""
    lines = [r"% needs \usepackage{booktabs,graphicx}"]
    for ranking in source.rankings:
        shown = [tables.summary(ranking), tables.suites(ranking), tables.suites(ranking, controllable=True)]
        for table in shown:
            if table is not None:
                lines += ["", *_float(table, " ".join(answer.verdict(ranking)[:1]))]
    return "\n".join([*lines, ""])


def _float(table: Table, told: str) -> list[str]:
    rows = [" & ".join(_bold(cell.text, b) for cell in row) for row, b in zip(table.rows, table.best, strict=True)]
    # A wide table shrinks to the text; a narrow one keeps its size.
    body = [
        rf"\begin{{tabular}}{{l{'r' * (len(table.headings) - 1)}}}",
        r"\toprule",
        " & ".join(_escaped(heading) for heading in table.headings) + r" \\",
        r"\midrule",
        *(row + r" \\" for row in rows),
        r"\bottomrule",
        r"\end{tabular}",
    ]
    if len(table.headings) > 7:
        body = [r"\resizebox{\textwidth}{!}{%", *body[:-1], body[-1] + "}"]
    return [
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{_escaped(table.caption)}. {_escaped(told)}}}",
        *body,
        r"\end{table}",
    ]


def _bold(text: str, bold: bool) -> str:
    return rf"\textbf{{{_escaped(text)}}}" if bold else _escaped(text)


def _escaped(text: str) -> str:
    return "".join(_LATEX.get(c, c if c.isprintable() else " ") for c in text)
