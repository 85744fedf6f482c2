"""`dtopt reproduce`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

__all__ = ["reproduce"]


def reproduce(
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for runs, figures and the page.")] = Path(
        "reproduced"
    ),
    iterations: Annotated[int, typer.Option(help="Training iterations; the paper has 5000.")] = 5000,
    states: Annotated[int, typer.Option(help="Network states, never trained on, that the agents are judged by.")] = 100,
    size: Annotated[
        list[str] | None, typer.Option(help="NxM, several times; the paper's 80x5, 80x10, 100x5, 100x10 if not given.")
    ] = None,
    option: Annotated[
        list[str] | None, typer.Option("--set", help="A setting of the training as key=value; see dtopt train --list.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the training.")] = 0,
) -> None:
    """Redo the paper's Figures 7 to 10: train its algorithm at its sizes, draw, and say where the curves agree.

    What is already trained in the folder is taken from there, and an interrupted run goes on.
    """
    from dtopt.cli.common import progress, writable
    from dtopt.cli.common import settings as settings_of
    from dtopt.cli.train import validated
    from dtopt.errors import InputError
    from reports.paper_figures import write_page
    from reports.reproduction import PAPER_SIZES, measure, said
    from solvers.maddpg.training import Config

    if states < 1:
        raise InputError(f"must be >= 1, got {states}", where="--states")
    sizes = [_size(text) for text in size or []] or list(PAPER_SIZES)
    settings = settings_of(option or []) | {"iterations": iterations, "seed": seed}
    configs = [validated(Config, settings | {"users": n, "stations": m}) for n, m in sizes]
    writable(output, folder=True)
    measured = []
    with progress() as bar:
        for config in configs:
            name = f"{config.users}x{config.stations}"
            task = bar.add_task(name, total=iterations)

            def on_step(step: int, steps: int, values: Any, task: Any = task, name: str = name) -> None:
                bar.update(task, completed=step, total=steps, description=f"{name} cost {values['cost']:.4g}")

            measured.append(measure(config, output / name, states=states, on_step=on_step))
    page = write_page(measured, output)[-1]
    for number, sentence in said(measured).items():
        typer.echo(f"Figure {number}: {sentence}")
    typer.echo(f"figures and page: {page}")


def _size(text: str) -> tuple[int, int]:
    from dtopt.errors import InputError

    users, _, stations = text.partition("x")
    if not (users.isdigit() and stations.isdigit()):
        raise InputError(f"{text!r} is no size", where="--size", mend="such as 100x10")
    return int(users), int(stations)
