"""The Typer app and its sub-commands."""

from __future__ import annotations

from typing import Annotated

import typer

from dtopt.cli.bench import bench
from dtopt.cli.compare import compare
from dtopt.cli.evaluate import evaluate
from dtopt.cli.generate import generate
from dtopt.cli.info import info
from dtopt.cli.report import report
from dtopt.cli.reproduce import reproduce
from dtopt.cli.scenarios import scenario
from dtopt.cli.simulate import simulate
from dtopt.cli.solve import solve
from dtopt.cli.solvers import solvers
from dtopt.cli.suite import app as suite
from dtopt.cli.train import train

__all__ = ["app"]

app = typer.Typer(
    name="dtopt",
    help="Place and migrate digital twins on edge servers: exact, heuristic and learned solvers, with proven gaps.",
    invoke_without_command=True,
    # Help without Rich starts twice as fast.
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (
    generate,
    solve,
    evaluate,
    info,
    solvers,
    compare,
    bench,
    report,
    scenario,
    simulate,
    train,
    reproduce,
):
    app.command(short_help=(command.__doc__ or "").partition("\n")[0])(command)
app.add_typer(suite, name="suite")


def _version(value: bool) -> None:
    if value:
        import dtopt

        typer.echo(f"dtopt {dtopt.__version__}")
        raise typer.Exit


@app.callback()
def _root(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
