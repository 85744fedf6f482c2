"""`dtopt simulate`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dtopt.simulation import SlotOutcome
    from reports.simulation import Contender, Study

__all__ = ["simulate"]

#: Wall time for one scenario's bound, s.
BOUND_S = 60.0


def simulate(
    scenarios: Annotated[
        list[str] | None,
        typer.Argument(help="Scenario files, or presets such as paper:users=80,mobility=manhattan; paper where none."),
    ] = None,
    policy: Annotated[
        list[str] | None,
        typer.Option("--policy", "-p", help="Policies, such as lookahead:horizon=20; all where not given."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the first run.")] = 0,
    runs: Annotated[int, typer.Option(help="Scenarios of each preset, with consecutive seeds.")] = 1,
    slots: Annotated[int | None, typer.Option(help="Time slots of presets; 100 where not given.")] = None,
    users: Annotated[int | None, typer.Option(help="Number of users N of presets.")] = None,
    stations: Annotated[int | None, typer.Option(help="Number of base stations M of presets.")] = None,
    mobility: Annotated[
        str | None, typer.Option(help="random-waypoint, gauss-markov, manhattan, or trace (one is shipped).")
    ] = None,
    migration_weight: Annotated[float | None, typer.Option(help="Weight of the time to move a twin.")] = None,
    interaction: Annotated[str | None, typer.Option(help="update (11) or construction (10).")] = None,
    data: Annotated[Path | None, typer.Option(help="Folder with real data, for presets that read some.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for journals, slots.csv, summary.csv and report.html.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the journals in --out.")] = False,
    bound: Annotated[bool, typer.Option(help="Compute the clairvoyant bound, where one is installed.")] = True,
    bound_time: Annotated[float, typer.Option(help="Wall time for each bound, s.")] = BOUND_S,
    markdown: Annotated[Path | None, typer.Option(help="Write the table as Markdown.")] = None,
    csv: Annotated[Path | None, typer.Option(help="Write all slots as CSV.")] = None,
    html: Annotated[Path | None, typer.Option(help="Write a page with time series and an animated map.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
    show_list: Annotated[bool, typer.Option("--list", help="Show the policies and their options.")] = False,
) -> None:
    """Run online policies over time slots and compare utility, latency, migrations and decision times.

    With --out every finished slot is on disk at once, and --resume goes on after a kill. Exit code: 0, 2 wrong input,
    130 interrupted.
    """
    from dtopt.cli import INTERRUPTED
    from dtopt.cli.common import print_json, progress, writable
    from dtopt.cli.scenarios import load_scenarios
    from dtopt.errors import InputError
    from reports.simulation import study

    if show_list:
        _show_policies()
        return
    if runs < 1:
        raise InputError(f"must be >= 1, got {runs}", where="--runs")
    if resume and out is None:
        raise InputError("goes with --out", where="--resume", mend="name the folder with the journals")
    contenders = _contenders(policy)
    for path in (markdown, csv, html):
        if path is not None:
            writable(path)
    if out is not None:
        writable(out, folder=True)
        out.mkdir(exist_ok=True)
    named = {
        "slots": slots,
        "users": users,
        "stations": stations,
        "mobility": mobility,
        "migration_weight": migration_weight,
        "interaction": interaction,
        "data": data,
    }
    seeds = range(seed, seed + runs)
    found = [s for name in scenarios or ["paper"] for s in load_scenarios(name, named, seeds)]
    with progress() as bar:
        task = bar.add_task("simulating", total=sum(s.n_slots for s in found) * len(contenders))

        def done(contender: Contender, number: int, outcome: SlotOutcome) -> None:
            name = found[number].name or f"scenario {number}"
            bar.update(task, description=f"{name} · {contender.label}", advance=1)

        finished = study(found, contenders, seed=seed, folder=out, resume=resume, on_slot=done)
        if bound and not finished.interrupted:
            bar.update(task, description="clairvoyant bound")
            finished = _bounded(finished, bound_time, out)
    # Written before it is shown, so that a reader who leaves early (| head) loses no file; shown even where the disk is
    # full.
    try:
        _write(finished, out, markdown, csv, html)
    finally:
        if as_json:
            print_json(_document(finished))
        else:
            _show(finished)
    if finished.interrupted:
        raise typer.Exit(INTERRUPTED)


def _contenders(specs: Sequence[str] | None) -> list[Contender]:
    """Return the policies that were asked for, checked, so that a wrong one is told before the first slot."""
    from dtopt.cli.common import settings
    from dtopt.simulation import make_policy, policy_names
    from dtopt.simulation.policy import load_policy
    from reports.simulation import Contender

    found = []
    for spec in dict.fromkeys(specs or policy_names()):
        name, _, text = spec.partition(":")
        options = settings(text.split(",") if text else [], name, load_policy(name))
        make_policy(name, **options)
        found.append(Contender(spec, name, options))
    return found


def _bounded(finished: Study, seconds: float, out: Path | None) -> Study:
    """Return the study with the bounds of its scenarios."""
    from dataclasses import replace

    from reports.simulation import clairvoyant_bounds

    cache = None if out is None else out / "bounds.json"
    try:
        bounds = clairvoyant_bounds(finished.scenarios, time_limit=seconds, cache=cache)
    except KeyboardInterrupt:
        return replace(finished, interrupted=True)
    return replace(finished, bounds=bounds)


def _show(finished: Study) -> None:
    from rich.markup import escape
    from rich.table import Table

    from dtopt.cli.common import visible, wide_console
    from reports.simulation_tables import TEXT_COLUMNS, headings, notes, rows

    if finished.labels:
        table = Table(*headings(finished), box=None, pad_edge=False)
        for column in table.columns[TEXT_COLUMNS:]:
            column.justify = "right"
        for row in rows(finished):
            table.add_row(*(escape(visible(cell)) for cell in row.cells), style="bold" if row.best else None)
        wide_console().print(table)
    for note in notes(finished):
        typer.echo(visible(note))


def _document(finished: Study) -> dict[str, object]:
    import math

    def plain(value: object) -> object:
        return None if isinstance(value, float) and not math.isfinite(value) else value

    rows = finished.summary_frame().to_dict("records")
    return {
        "interrupted": finished.interrupted,
        "rows": [{str(key): plain(value) for key, value in row.items()} for row in rows],
    }


def _write(finished: Study, out: Path | None, markdown: Path | None, csv: Path | None, html: Path | None) -> None:
    from dtopt.io.files import write_text
    from reports.simulation_html import simulation_html
    from reports.simulation_tables import markdown as as_markdown

    if not finished.labels:
        return

    def slots() -> str:
        return str(finished.slot_frame().to_csv(index=False, lineterminator="\n"))

    def summary() -> str:
        return str(finished.summary_frame().to_csv(index=False, lineterminator="\n"))

    def page() -> str:
        return simulation_html(finished)

    wanted: list[tuple[Path | None, Callable[[], str]]] = [
        (markdown, lambda: as_markdown(finished)),
        (csv, slots),
        (html, page),
    ]
    if out is not None:
        wanted += [(out / "slots.csv", slots), (out / "summary.csv", summary), (out / "report.html", page)]
    for path, text in wanted:
        if path is not None:
            write_text(text(), path)
            typer.echo(f"wrote {path}", err=True)


def _show_policies() -> None:
    import inspect

    from rich.table import Table

    from dtopt.cli.common import wide_console
    from dtopt.simulation import policy_info, policy_names
    from dtopt.simulation.policy import load_policy

    table = Table("policy", "what", "options", box=None, pad_edge=False)
    for name in policy_names():
        parameters = inspect.signature(load_policy(name)).parameters
        table.add_row(name, policy_info(name).summary, " ".join(f"{key}={p.default}" for key, p in parameters.items()))
    wide_console().print(table)
