"""`dtopt report`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["report"]


def report(
    results: Annotated[
        list[Path], typer.Argument(help="Results files of dtopt bench; several merge.", show_default=False)
    ],
    out: Annotated[
        list[Path] | None,
        typer.Option(
            "--out",
            "-o",
            help="A folder for everything, or a file: .html, .md, .csv, .parquet, .tex, or a figure such as gaps.pdf.",
        ),
    ] = None,
    title: Annotated[str | None, typer.Option(help="Title of the report.")] = None,
    data: Annotated[Path | None, typer.Option(help="Folder with real data, for instances that read some.")] = None,
    check: Annotated[bool, typer.Option(help="Judge every solution again.")] = True,
    maps: Annotated[bool, typer.Option(help="Make the instances again for their maps.")] = True,
) -> None:
    """Say who wins a benchmark, by how much and how sure; write it as a page, tables and figures for a paper.

    Without -o the answer and the tables are printed as Markdown. Exit code: 0, 2 wrong input.
    """
    from dataclasses import replace
    from functools import partial

    from dtopt.cli.common import visible, writable
    from reports.publish import answer
    from reports.publish.source import source
    from reports.publish.text import markdown
    from reports.publish.write import SUFFIXES, check_target, write
    from reports.store import load, problem_of

    for path in out or ():
        check_target(path)
        writable(path, folder=path.suffix.lower() not in SUFFIXES or path.is_dir())
    folder = None if data is None else str(data.absolute())
    found = load(results, check=check, data=folder, on_note=lambda note: typer.echo(visible(note), err=True))
    made = source(found if title is None else replace(found, title=title))
    if not out:
        typer.echo(visible(markdown(made)), nl=False)
        return
    # Written before it is said, so that a reader who leaves early (| head) loses no file; said even where the disk is
    # full.
    try:
        for path in out:
            written, notes = write(made, path, partial(problem_of, data=folder) if maps else None)
            for note in notes:
                typer.echo(visible(note), err=True)
            what = written[0] if len(written) == 1 else f"{len(written)} files in {path}"
            typer.echo(f"wrote {what}", err=True)
    finally:
        typer.echo(visible(answer.headline(made)))
    for line in answer.left_out(made):
        typer.echo(visible(f"note: {line}"), err=True)
