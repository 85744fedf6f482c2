"""`dtopt generate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

__all__ = ["generate"]


def generate(
    preset: Annotated[str | None, typer.Argument(help="The preset; --list shows them.", show_default=False)] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File (.json or .npz), or folder with --count.")
    ] = None,
    seed: Annotated[int, typer.Option(help="The first seed.")] = 0,
    count: Annotated[
        int | None, typer.Option(help="Write so many instances, one for each seed, into a folder.")
    ] = None,
    users: Annotated[str | None, typer.Option(help="Number of users N; for csv, their file.")] = None,
    stations: Annotated[str | None, typer.Option(help="Number of base stations M; for csv, their file.")] = None,
    sharing: Annotated[str | None, typer.Option(help="CPU sharing: optimal, equal or fixed.")] = None,
    objective: Annotated[str | None, typer.Option(help="system-cost or latency.")] = None,
    kind: Annotated[str | None, typer.Option(help="placement (P1) or migration (P2).")] = None,
    data: Annotated[Path | None, typer.Option(help="Folder with real data, for presets that read some.")] = None,
    option: Annotated[
        list[str] | None, typer.Option("--set", help="Any other option of the preset, as key=value.")
    ] = None,
    show_list: Annotated[bool, typer.Option("--list", help="Show the presets and their options.")] = False,
) -> None:
    """Generate an instance from a preset and write it to a file."""
    from dtopt.cli.common import file_name, settings, writable
    from dtopt.errors import InputError
    from dtopt.generators import generate as make
    from dtopt.generators import load_preset
    from dtopt.io import write
    from dtopt.io.names import file_stem

    if show_list:
        _show_presets()
        return
    if preset is None:
        raise InputError("name a preset", mend="dtopt generate --list shows them")
    named = {"users": users, "stations": stations, "sharing": sharing, "objective": objective, "kind": kind}
    if data is not None:
        named["data"] = str(data)
    pairs = [*(option or []), *(f"{key}={value}" for key, value in named.items() if value is not None)]
    options: dict[str, Any] = settings(pairs, "--set", load_preset(preset))
    if count is None:
        seeds, folder = range(seed, seed + 1), Path()
    else:
        if count < 1:
            raise InputError(f"must be >= 1, got {count}", where="--count")
        seeds, folder = range(seed, seed + count), output or Path()
        writable(folder, folder=True)
        folder.mkdir(parents=True, exist_ok=True)
    for s in seeds:
        problem = make(preset, seed=s, **options)
        path = output if output is not None and count is None else folder / file_name(file_stem(problem.name), problem)
        writable(path)
        write(problem, path)
        typer.echo(f"{path}: {problem.n_users} users, {problem.n_stations} stations")


def _show_presets() -> None:
    import inspect

    from rich.table import Table

    from dtopt.cli.common import wide_console
    from dtopt.generators import load_preset, preset_names

    table = Table("preset", "what", "options", box=None, pad_edge=False)
    for name in preset_names():
        function = load_preset(name)
        options = [
            key if p.default in (None, p.empty) else f"{key}={p.default}"
            for key, p in inspect.signature(function).parameters.items()
            if key != "seed"
        ]
        summary = (inspect.getdoc(function) or "").partition("\n\n")[0].replace("\n", " ")
        table.add_row(name, summary, " ".join(options))
    wide_console().print(table)
