"""`dtopt bench`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from dtopt.problem import Problem
    from reports.bench.config import BenchConfig
    from reports.bench.plan import Plan
    from reports.records import Run
    from reports.store import Store

__all__ = ["bench"]


def bench(
    what: Annotated[
        list[str],
        typer.Argument(
            help="A TOML file; or suites (paper, paper/100x10-*), instance files, presets.", metavar="WHAT…"
        ),
    ],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Results file; NAME.sqlite where not given.")
    ] = None,
    solver: Annotated[list[str] | None, typer.Option("--solver", "-s", help="Solvers instead of the file's.")] = None,
    time_limit: Annotated[
        list[float] | None, typer.Option(help="Wall time for each run, s; several may be given.")
    ] = None,
    seeds: Annotated[int | None, typer.Option(help="Seeds 0 to SEEDS - 1 instead of the file's.")] = None,
    workers: Annotated[int | None, typer.Option(help="Runs side by side; one for each core where not given.")] = None,
    backend: Annotated[str, typer.Option(help="local, dask or ray.")] = "local",
    address: Annotated[str | None, typer.Option(help="The cluster's scheduler, such as tcp://HOST:8786.")] = None,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Do runs again that failed.")] = False,
    data: Annotated[Path | None, typer.Option(help="Folder with real data, for presets that read some.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be run.")] = False,
) -> None:
    """Run solvers on suites: every finished run is committed to a results file at once, and a kill loses none.

    What the results file holds already is not done again: after a kill the same command goes on. `dtopt report` reads
    the file. Exit code: 0, 2 wrong input, 130 interrupted.
    """
    from dtopt.cli import INTERRUPTED
    from dtopt.cli.common import writable
    from reports.bench.plan import make_plan
    from reports.bench.runner import run_plan
    from reports.store import Store

    config, name = _config(what, solver, time_limit, seeds)
    folder = None if data is None else str(data.absolute())
    path = output or Path(f"{name}.sqlite")
    writable(path)
    plan = make_plan(config, read=lambda text: _problems(text, config.format, folder), data=folder)
    for line in plan.left_out:
        typer.echo(f"left out: {line}", err=True)
    if dry_run:
        _show(plan)
        return
    with Store(path, config.title or name) as store:
        _prepare(store, retry_failed=retry_failed)
        done = len(store.keys() & {task.key for task in plan.tasks})
        if done:
            typer.echo(f"{path}: {done} of {len(plan.tasks)} runs are there already", err=True)
        with _Progress(len(plan.tasks), done) as progress:
            whole = run_plan(
                plan,
                store,
                workers=workers,
                backend=backend,  # type: ignore[arg-type] # checked there
                address=address,
                on_run=progress.advance,
                on_others=progress.others,
            )
        statuses = ", ".join(f"{count} {status}" for status, count in store.statuses().items())
        typer.echo(f"{path}: {sum(store.statuses().values())} runs ({statuses})")
    if not whole:
        typer.echo("interrupted; all finished runs are kept, the same command goes on", err=True)
        raise typer.Exit(INTERRUPTED)


def _config(
    what: list[str], solvers: list[str] | None, limits: list[float] | None, seeds: int | None
) -> tuple[BenchConfig, str]:
    """Return what is asked for, and a name for it."""
    from dtopt.errors import InputError
    from dtopt.io.names import file_stem
    from reports.bench.config import check_config, read_document

    files = [text for text in what if text.lower().endswith(".toml")]
    if files and len(what) > 1:
        raise InputError("a TOML file stands alone", where=files[0], mend="name its suites in the file")
    if files:
        document, place, name = read_document(Path(files[0])), files[0], Path(files[0]).stem
    else:
        suites = [text for text in what if _is_suite(text)]
        document = {"suites": suites, "instances": [text for text in what if text not in suites]}
        names = dict.fromkeys(Path(text.partition("/")[0]).stem for text in suites)
        place, name = "bench", file_stem("-".join(names) or "bench")
    if solvers:
        document["solvers"] = [entry for name in solvers for entry in _entries(name, document.get("solvers"))]
    if limits:
        document["time_limits"] = [float(x) for x in limits]
    if seeds is not None:
        document["seeds"] = list(range(seeds))
    return check_config(document, place), name


def _entries(name: str, given: Any) -> list[Any]:
    """Return the file's entries of a solver, which may have options; its bare name where there is none."""
    listed = given if isinstance(given, list) else []
    return [e for e in listed if e == name or (isinstance(e, dict) and e.get("name") == name)] or [name]


def _is_suite(text: str) -> bool:
    """Return whether an argument means a suite: by name, or a JSON file that is one."""
    from contextlib import suppress

    from dtopt.errors import InputError
    from dtopt.io.files import load_json
    from instances.suites.suite import FORMAT, suite_names

    if text.partition("/")[0] in suite_names() and not Path(text).exists():
        return True
    if text.endswith(".json"):
        with suppress(InputError):
            return load_json(Path(text)).get("format") == FORMAT
    return False


def _problems(text: str, form: str, data: str | None) -> list[tuple[Problem, dict[str, Any]]]:
    """Return the problems behind a file, a pattern of files or a preset, each with its recipe."""
    import glob

    from dtopt.cli.common import settings
    from dtopt.errors import InputError, meant
    from dtopt.generators import generate, load_preset, preset_names
    from dtopt.io import SUFFIXES
    from instances.suites.suite import suite_names
    from reports.bench.plan import read_instances

    preset, _, options = text.partition(":")
    files = Path(text).exists() or bool(glob.glob(text))
    if not files and form == "auto" and preset in preset_names():
        function = load_preset(preset)
        given = settings(options.split(",") if options else [], preset, function)
        seed = given.pop("seed", 0)
        here = {"data": data} if data is not None and "data" in function.__annotations__ else {}
        return [(generate(preset, seed=seed, **here, **given), {"preset": preset, "options": given, "seed": seed})]
    if not files and form == "auto" and Path(text).suffix.lower() not in SUFFIXES:
        near = meant(preset, [*suite_names(), *preset_names()])
        raise InputError(
            f"{text!r} is no suite, no file and no preset",
            mend=f"{near}suites are {', '.join(suite_names())}; presets are {', '.join(preset_names())}",
        )
    return read_instances(text, form)


def _prepare(store: Store, *, retry_failed: bool) -> None:
    damaged = store.drop_damaged()
    if damaged:
        typer.echo(f"{store.path}: {len(damaged)} damaged runs are done again", err=True)
    if retry_failed:
        typer.echo(f"{store.path}: {store.forget(['failed'])} failed runs are done again", err=True)


def _show(plan: Plan) -> None:
    for task in plan.tasks:
        limit = "no limit" if task.time_limit is None else f"{task.time_limit:g} s"
        typer.echo(f"{task.label}  {task.solver}  seed {task.seed}  {limit}  {task.options or ''}".rstrip())
    typer.echo(f"{len(plan.tasks)} runs on {len(plan.instances)} instances", err=True)


class _Progress:
    """A bar with the remaining time for people; where nobody looks, a line now and then for logs."""

    #: How often a log gets a line, s.
    EVERY = 60.0

    def __init__(self, total: int, done: int) -> None:
        import time

        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )

        console = Console(stderr=True)
        self._total, self._done, self._first = total, done, done
        self._clock = time.monotonic
        self._started = self._told = self._clock()
        self._theirs, self._waiting = 0, False
        self._quiet = not console.is_terminal
        # Labels come from files: what looks like markup is not.
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
        )
        # Runs take from milliseconds to minutes, so the speed is that of all so far.
        self._bar = Progress(*columns, console=console, transient=True, disable=self._quiet, speed_estimate_period=1e9)
        self._task = self._bar.add_task("bench", total=total, completed=done)

    def __enter__(self) -> _Progress:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def advance(self, run: Run, new: bool) -> None:
        """Show a finished run."""
        from datetime import timedelta

        from dtopt.cli.common import visible

        self._done += 1
        self._bar.update(self._task, advance=1, description=visible(f"{run.instance} · {run.solver} · {run.status}"))
        now = self._clock()
        if self._quiet and now - self._told >= self.EVERY:
            self._told = now
            left = (now - self._started) / (self._done - self._first) * (self._total - self._done)
            typer.echo(f"{self._done}/{self._total} runs, about {timedelta(seconds=round(left))} left", err=True)

    def others(self, done: int, waiting: int) -> None:
        """Show what other processes have done, and that nothing is left but their runs."""
        new, self._theirs = done - self._theirs, done
        self._done, self._first = self._done + new, self._first + new
        told = f"waiting for {waiting} runs of other processes" if waiting else "bench"
        self._bar.update(self._task, advance=new, description=told)
        if waiting and self._quiet and not self._waiting:
            typer.echo(told, err=True)
        self._waiting = waiting > 0
