"""`dtopt compare`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from reports.comparison import Comparison, Row

__all__ = ["compare"]


def compare(
    files: Annotated[
        list[str], typer.Argument(help="Instance files, or presets such as paper:users=80.", show_default=False)
    ],
    solver: Annotated[list[str] | None, typer.Option("--solver", "-s", help="Solvers; all where not given.")] = None,
    time_limit: Annotated[float, typer.Option(help="Wall time for each run, s.")] = 30.0,
    memory_limit: Annotated[
        float | None, typer.Option(help="Memory of each run, GiB: it is ended there, its best so far kept.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the first run, and of presets.")] = 0,
    runs: Annotated[int, typer.Option(help="Runs of each solver, with consecutive seeds.")] = 1,
    file_format: Annotated[
        str, typer.Option("--format", help="auto; gap or gap-max (profits) for OR-Library.")
    ] = "auto",
    data: Annotated[Path | None, typer.Option(help="Folder with real data, for presets that read some.")] = None,
    markdown: Annotated[Path | None, typer.Option(help="Write the table as Markdown.")] = None,
    csv: Annotated[Path | None, typer.Option(help="Write all rows as CSV.")] = None,
    html: Annotated[Path | None, typer.Option(help="Write a page with maps and figures.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Run every solver on every instance and compare cost, latency, gap to the best proven bound, and time.

    Interrupted, it keeps and writes the rows that are finished. Exit code: 0, 2 wrong input, 130 interrupted.
    """
    from dtopt.cli import INTERRUPTED
    from dtopt.cli.common import load, print_json, progress, writable
    from dtopt.errors import InputError
    from dtopt.io.files import write_text
    from dtopt.registry import load_solver, solver_names
    from reports import tables
    from reports.compare import compare as run

    if runs < 1:
        raise InputError(f"must be >= 1, got {runs}", where="--runs")
    for name in solver or ():
        load_solver(name)
    for path in (markdown, csv, html):
        if path is not None:
            writable(path)
    problems = [p for name in files for p in load(name, seed=seed, data=data, file_format=file_format)]
    with progress() as bar:
        task = bar.add_task("comparing", total=len(problems) * len(solver or solver_names()) * runs)

        def start(label: str, name: str, run: int) -> None:
            bar.update(task, description=f"{label} · {name}")

        def done(row: Row) -> None:
            bar.advance(task)

        limits: dict[str, Any] = {"time_limit": time_limit, "memory_limit": memory_limit}
        comparison = run(problems, solver, **limits, seed=seed, runs=runs, on_start=start, on_row=done)
    # Written before it is shown, so that a reader who leaves early (| head) loses no file; shown even where the disk is
    # full.
    try:
        for path, text in ((markdown, tables.markdown), (csv, tables.csv), (html, _page)):
            if path is not None:
                write_text(text(comparison), path)
                typer.echo(f"wrote {path}", err=True)
    finally:
        if as_json:
            print_json(comparison.to_dict())
        else:
            _show(comparison)
    if comparison.interrupted:
        raise typer.Exit(INTERRUPTED)


def _page(comparison: Comparison) -> str:
    from reports.html import html

    return html(comparison)


def _show(comparison: Comparison) -> None:
    from rich.markup import escape
    from rich.table import Table

    from dtopt.cli.common import visible, wide_console
    from reports.tables import TEXT_COLUMNS, display_rows, headings

    table = Table(*headings(comparison), box=None, pad_edge=False)
    for column in table.columns[TEXT_COLUMNS:]:
        column.justify = "right"
    for row in display_rows(comparison):
        if row.starts_instance and table.row_count:
            table.add_section()
        table.add_row(*(escape(visible(cell)) for cell in row.cells), style="bold" if row.best else None)
    wide_console().print(table)
    for note in comparison.notes:
        typer.echo(visible(note))
