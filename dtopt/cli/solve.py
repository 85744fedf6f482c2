"""`dtopt solve`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from dtopt.problem import Problem
    from dtopt.result import Result

__all__ = ["solve"]


def solve(
    files: Annotated[
        list[str], typer.Argument(help="Instance files, or presets such as paper:users=80.", show_default=False)
    ],
    solver: Annotated[list[str] | None, typer.Option("--solver", "-s", help="One or more solvers.")] = None,
    time_limit: Annotated[float | None, typer.Option(help="Wall time for each run, s.")] = None,
    gap: Annotated[float | None, typer.Option(help="Stop at this proven relative gap, such as 0.001.")] = None,
    seed: Annotated[int, typer.Option(help="The same seed gives the same answer.")] = 0,
    option: Annotated[list[str] | None, typer.Option("--set", help="An option of the solver, as key=value.")] = None,
    file_format: Annotated[str, typer.Option("--format", help="auto, or gap for OR-Library files.")] = "auto",
    data: Annotated[Path | None, typer.Option(help="Folder with real data, for presets that read some.")] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Solution file, or folder where there are several.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Solve instances with one or more solvers; prints cost, latency and the proven gap.

    Exit code: 0 solved, 2 wrong input, 3 a run found no solution, 130 interrupted (the best so far is kept).
    """
    from dtopt.cli import INTERRUPTED, NO_SOLUTION
    from dtopt.cli.common import certificate, describe, load, print_json, progress, settings
    from dtopt.errors import InputError
    from dtopt.registry import DEFAULT_SOLVER, load_solver
    from dtopt.result import Status

    if file_format not in ("auto", "gap"):
        raise InputError(f"unknown format {file_format!r}", where="--format", mend="one of auto, gap")
    names = solver or [DEFAULT_SOLVER]
    for name in names:
        load_solver(name)  # a wrong name is told before the first run
    options = settings(option or [])
    problems = [p for name in files for p in load(name, seed=seed, data=data, file_format=file_format)]
    runs = [(problem, name) for problem in problems for name in names]
    documents: list[dict[str, Any]] = []
    code = 0
    with progress() as bar:
        task = bar.add_task("solving", total=len(runs))
        for problem, name in runs:
            title = f"{problem.name or problem.kind} · {name}"
            bar.update(task, description=title)
            result = _run(problem, name, options, time_limit, seed, gap)
            bound, proven = certificate(problem, result)
            if as_json:
                finite = proven if proven < float("inf") else None
                documents.append(result.to_dict() | {"proven_bound": bound, "proven_gap": finite})
            else:
                bar.console.file.flush()
                typer.echo(describe(problem, result, bound, proven))
            if output is not None and result.solution is not None:
                _save(result, problem, output, several=len(runs) > 1)
            bar.advance(task)
            if result.solution is None:
                code = NO_SOLUTION
            if result.status is Status.INTERRUPTED:
                code = INTERRUPTED
                break
    if as_json:
        print_json(documents)
    raise typer.Exit(code)


def _run(
    problem: Problem, name: str, options: dict[str, Any], time_limit: float | None, seed: int, gap: float | None
) -> Result:
    from dtopt.errors import InputError
    from dtopt.registry import solve as run
    from dtopt.stop import GapReached

    stop = None if gap is None else GapReached(gap)
    try:
        return run(problem, name, time_limit=time_limit, seed=seed, stop=stop, **options)
    except TypeError as error:
        # What Python says of an unknown keyword argument is true, but not for the person at the command line.
        unknown = next((key for key in options if f"'{key}'" in str(error)), None)
        if unknown is None:
            raise
        raise InputError(f"solver {name!r} has no option {unknown!r}", where="--set") from None


def _save(result: Result, problem: Problem, output: Path, *, several: bool) -> None:
    from dtopt.io import write_solution

    if several:
        output.mkdir(parents=True, exist_ok=True)
        suffix = "npz" if problem.n_users > 5000 else "json"
        output = output / f"{problem.name or problem.kind}.{result.solver}.{suffix}"
    write_solution(result, output, problem)
