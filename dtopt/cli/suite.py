"""`dtopt suite`: the suites that come with the package or plug in, and their best-known values."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from instances.suites import Entry

__all__ = ["app"]

app = typer.Typer(
    help="Named sets of instances with best-known values and proven bounds: list, show, verify, update.",
    invoke_without_command=True,
    rich_markup_mode=None,
)


@app.callback()
def _root(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@app.command("list")
def list_suites(as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False) -> None:
    """List the suites that are installed."""
    from rich.table import Table

    from dtopt.cli.common import print_json, wide_console
    from instances.suites import load_suite, suite_names

    suites = [load_suite(name) for name in suite_names()]
    if as_json:
        print_json(
            [
                {
                    "name": suite.name,
                    "release": suite.release,
                    "checksum": suite.checksum,
                    "instances": len(suite.instances),
                    "proven": sum(_proven(entry) for entry in suite.instances),
                    "summary": suite.summary,
                }
                for suite in suites
            ]
        )
        return
    table = Table("suite", "release", "instances", "proven optimal", "checksum", "what", box=None, pad_edge=False)
    for suite in suites:
        proven = sum(_proven(entry) for entry in suite.instances)
        counts = (str(suite.release), str(len(suite.instances)), str(proven))
        table.add_row(suite.name, *counts, suite.checksum[:12], suite.summary)
    wide_console().print(table)


@app.command("show")
def show(
    name: Annotated[str, typer.Argument(help="A suite, or a file of one.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Show the instances of a suite with best-known values, proven bounds and how they were found."""
    from rich.table import Table

    from dtopt.cli.common import percent, print_json, wide_console
    from instances.suites import load_suite

    suite = load_suite(name)
    if as_json:
        print_json(suite.model_dump())
        return
    known = ("best known", "proven bound", "gap", "controllable gap")
    table = Table("instance", "users", "stations", *known, "found by", box=None)
    for column in range(1, 7):
        table.columns[column].justify = "right"
    for entry in suite.instances:
        values = (_number(entry.best), _number(entry.bound))
        sizes = (str(entry.users), str(entry.stations))
        gap = "optimal" if _proven(entry) else percent(entry.gap)
        part = percent(entry.controllable_gap)
        table.add_row(entry.name, *sizes, *values, gap, part, entry.best.how if entry.best else "")
    wide_console().print(table)
    typer.echo(f"{suite.name} {suite.release}, checksum {suite.checksum}")


@app.command("verify")
def verify(
    names: Annotated[list[str] | None, typer.Argument(help="Suites; all where none is named.")] = None,
    bounds: Annotated[bool, typer.Option("--bounds", help="Compute dual bounds anew, too.")] = False,
    data: Annotated[Path | None, typer.Option(help="Folder with real data, for suites over some.")] = None,
) -> None:
    """Make every instance again, compare hashes, and hold best-known values against the evaluator and the bounds.

    Exit code: 0; 1 where something is wrong.
    """
    from dtopt.cli.common import visible
    from instances.suites import load_suite, suite_names
    from instances.suites.upkeep import verify as look

    faults = 0
    for name in names or suite_names():
        suite = load_suite(name)
        found = look(suite, data=None if data is None else str(data), bounds=bounds)
        for finding in found:
            for fault in finding.faults:
                typer.echo(visible(f"{suite.name}/{finding.name}: {fault}"))
        faults += sum(len(finding.faults) for finding in found)
        left = [finding for finding in found if finding.note]
        seen = f"{len(found) - len(left)} of {len(found)} instances made again"
        wrong = sum(bool(finding.faults) for finding in found)
        typer.echo(f"{suite.name} {suite.release}: {seen}, {wrong or 'none'} wrong")
        if left:
            typer.echo(visible(f"{suite.name}/{left[0].name}: {left[0].note}"), err=True)
    if faults:
        raise typer.Exit(1)


@app.command("update")
def update(
    name: Annotated[str, typer.Argument(help="A suite, or a file of one.")],
    instance: Annotated[str, typer.Argument(help="One of its instances.")],
    solution: Annotated[Path | None, typer.Argument(help="A file with a better solution.")] = None,
    prove: Annotated[
        float | None, typer.Option(help="Look for a tighter bound (and a better solution) for so many s.")
    ] = None,
    by: Annotated[str, typer.Option(help="Who found the solution, where its file does not say.")] = "",
    data: Annotated[Path | None, typer.Option(help="Folder with real data, for suites over some.")] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write the suite here instead of over its own file.")
    ] = None,
) -> None:
    """Take a better best-known value, or a tighter bound.

    A value counts only with a solution that the evaluator confirms; a bound only where it is computed here and now.
    """
    from dtopt.cli.common import read_solution, writable
    from dtopt.errors import InputError
    from instances.suites import load_suite, upkeep, write_suite
    from instances.suites.recipes import checked
    from instances.suites.suite import suite_file

    if solution is None and prove is None:
        raise InputError("nothing to do", mend="give a solution file, or --prove SECONDS")
    suite = load_suite(name)
    entry = suite.entry(instance)
    target = output or suite_file(name)
    writable(target)
    problem = checked(entry.recipe, entry.hash, data=None if data is None else str(data))
    lines = []
    changed = entry
    if solution is not None:
        info = read_solution(solution, problem)
        changed, line = upkeep.accept_solution(changed, problem, info.solution, by or _finder(info.result))
        lines.append(line)
    if prove is not None:
        changed, more = upkeep.prove(changed, problem, prove)
        lines += more
    if changed != entry or output is not None:
        write_suite(suite.with_entry(changed), target)
        typer.echo(f"wrote {target}", err=True)
    for line in lines:
        typer.echo(line)


def _finder(result: object) -> str:
    told = dict(result) if isinstance(result, dict) else {}
    versions = told.get("versions")
    version = versions.get("dtopt", "") if isinstance(versions, dict) else ""
    if "solver" not in told:
        return "unknown"
    return f"{told['solver']}" + (f" of dtopt {version}" if version else "") + f", seed {told.get('seed', '?')}"


def _proven(entry: Entry) -> bool:
    from instances.suites.upkeep import AGREEMENT

    return entry.gap <= AGREEMENT


def _number(known: object) -> str:
    value = getattr(known, "value", None)
    return "–" if value is None else f"{value:.8g}"
