"""`dtopt solve`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from dtopt.problem import Problem
    from dtopt.result import Result

__all__ = ["solve"]

#: What `dtopt.solve` gives every solver; not options of its own.
_COMMON = ("problem", "time_limit", "memory_limit", "seed", "stop", "on_incumbent", "start")


def _solvers_like(incomplete: str) -> list[str]:
    """Return the names of solvers that begin so, for the shell."""
    from dtopt.registry import solver_names

    return [name for name in solver_names() if name.startswith(incomplete)]


def solve(
    files: Annotated[
        list[str], typer.Argument(help="Instance files, or presets such as paper:users=80.", show_default=False)
    ],
    solver: Annotated[
        list[str] | None, typer.Option("--solver", "-s", help="One or more solvers.", autocompletion=_solvers_like)
    ] = None,
    time_limit: Annotated[float | None, typer.Option(help="Wall time for each run, s.")] = None,
    memory_limit: Annotated[
        float | None, typer.Option(help="Memory of each run, GiB: it is ended there, its best so far kept.")
    ] = None,
    gap: Annotated[float | None, typer.Option(help="Stop at this proven relative gap, such as 0.001.")] = None,
    seed: Annotated[int, typer.Option(help="The same seed gives the same answer.")] = 0,
    option: Annotated[
        list[str] | None, typer.Option("--set", help="A solver's option: key=value or solver.key=value.")
    ] = None,
    start: Annotated[
        Path | None, typer.Option(help="A solution file to begin from: auto, exact and local-search take one.")
    ] = None,
    file_format: Annotated[
        str, typer.Option("--format", help="auto; gap or gap-max (profits) for OR-Library.")
    ] = "auto",
    data: Annotated[Path | None, typer.Option(help="Folder with real data, for presets that read some.")] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Solution file, or folder where there are several.")
    ] = None,
    geojson: Annotated[
        Path | None, typer.Option(help="The solution for maps, as GeoJSON; a folder where there are several runs.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Solve instances with one or more solvers; prints cost, latency and the proven gap.

    Exit code: 0 solved, 2 wrong input, 3 a run found no solution, 130 interrupted (the best so far is kept).
    """
    import math
    import sys

    from dtopt.cli import INTERRUPTED, NO_SOLUTION
    from dtopt.cli.common import certificate, describe, load, print_json, profit_line, profits, progress
    from dtopt.io.names import file_stems
    from dtopt.registry import DEFAULT_SOLVER
    from dtopt.result import Status, controllable_gap
    from dtopt.stop import GapReached
    from reports.runs import label, run_solver

    names = list(dict.fromkeys(solver or [DEFAULT_SOLVER]))
    options = {name: _options(name, option or []) for name in names}  # a wrong name is told before the first run
    problems = label([p for name in files for p in load(name, seed=seed, data=data, file_format=file_format)])
    if start is not None:
        _begin_from(start, list(problems.values()), options)
    pairs = [(text, problem, name) for text, problem in problems.items() for name in names]
    stems = file_stems([f"{text}.{name}" for text, _, name in pairs])
    runs = [(*pair, stem) for pair, stem in zip(pairs, stems, strict=True)]
    if output is not None:
        _check_output(output, several=len(runs) > 1)
    if geojson is not None:
        _check_geojson(geojson, list(problems.values()), several=len(runs) > 1)
    documents: list[dict[str, Any]] = []
    code = 0
    with progress() as bar:
        task = bar.add_task("solving", total=len(runs))
        for text, problem, name, stem in runs:
            bar.update(task, description=f"{text} · {name}")
            stop = None if gap is None else GapReached(gap)
            limits: dict[str, Any] = {"time_limit": time_limit, "memory_limit": memory_limit}
            result = run_solver(problem, name, **limits, seed=seed, stop=stop, options=options[name])
            bound, proven = certificate(problem, result)
            profit = profits(file_format, result.objective, bound)
            if as_json:
                part = controllable_gap(result.objective, bound, result.uncontrollable_objective)
                gaps = {"proven_gap": proven, "proven_controllable_gap": part}
                known = {key: value if math.isfinite(value) else None for key, value in gaps.items()}
                documents.append(result.to_dict() | {"proven_bound": bound} | known | profit)
            # Written before it is shown, so that a reader who leaves early (| head) loses no file; shown even where the
            # disk is full.
            try:
                if output is not None and result.solution is not None:
                    _save(result, problem, output, stem if len(runs) > 1 else None)
                if geojson is not None and result.solution is not None:
                    result.to_geojson(_in(geojson, f"{stem}.geojson") if len(runs) > 1 else geojson)
            finally:
                if not as_json:
                    sys.stderr.flush()
                    typer.echo(describe(problem, result, bound, proven))
                    if line := profit_line(profit):
                        typer.echo(line)
            bar.advance(task)
            if result.solution is None:
                code = NO_SOLUTION
            if result.status is Status.INTERRUPTED:
                code = INTERRUPTED
                break
    if as_json:
        print_json(documents)
    raise typer.Exit(code)


def _options(solver: str, pairs: list[str]) -> dict[str, Any]:
    """Return the options for one solver; ``milp.key=value`` is for that solver only."""
    import inspect

    from dtopt.cli.common import settings
    from dtopt.errors import InputError, meant
    from dtopt.registry import load_solver, solver_names

    function = load_solver(solver)
    mine = []
    for pair in pairs:
        first, dot, _ = pair.partition("=")[0].partition(".")
        if not dot or first not in solver_names():
            mine.append(pair)
        elif first == solver:
            mine.append(pair[len(first) + 1 :])
    found = settings(mine, function=function)
    parameters = inspect.signature(function).parameters
    own = [
        name for name in parameters if name not in _COMMON and parameters[name].kind is inspect.Parameter.KEYWORD_ONLY
    ]
    open_ended = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values())
    for key in found:
        if key not in own and (key in _COMMON or not open_ended):
            has = f"{meant(key, own)}it has {', '.join(own)}" if own else "it has none"
            raise InputError(f"solver {solver!r} has no option {key!r}", where="--set", mend=has)
    return found


def _begin_from(path: Path, problems: list[Problem], options: dict[str, dict[str, Any]]) -> None:
    """Give all solvers a solution file to begin from."""
    import inspect

    from dtopt.cli.common import read_solution
    from dtopt.errors import InputError
    from dtopt.registry import load_solver

    if len(problems) > 1:
        raise InputError("goes with one instance", where="--start")
    solution = read_solution(path, problems[0]).solution
    for name, found in options.items():
        if "start" not in inspect.signature(load_solver(name)).parameters:
            raise InputError(f"solver {name!r} does not begin from a solution", where="--start")
        found["start"] = solution


def _check_output(output: Path, *, several: bool) -> None:
    from dtopt.cli.common import writable
    from dtopt.errors import InputError
    from dtopt.io import SUFFIXES

    writable(output, folder=several)
    if not several and output.suffix.lower() not in SUFFIXES:
        mend = f"one of {', '.join(SUFFIXES)}"
        raise InputError(f"unknown kind of file {output.suffix!r}", where=str(output), mend=mend)


def _save(result: Result, problem: Problem, output: Path, stem: str | None) -> None:
    """Write one solution; with a stem `output` is a folder."""
    from dtopt.cli.common import file_name
    from dtopt.io import write_solution

    write_solution(result, output if stem is None else _in(output, file_name(stem, problem)), problem)


def _in(folder: Path, name: str) -> Path:
    """Return the path of a file in a folder, which is made."""
    folder.mkdir(parents=True, exist_ok=True)
    return folder / name


def _check_geojson(path: Path, problems: list[Problem], *, several: bool) -> None:
    from dtopt.cli.common import writable
    from dtopt.errors import InputError

    writable(path, folder=several)
    for problem in problems:
        if problem.network.users.position_m is None or problem.network.stations.position_m is None:
            raise InputError("needs positions of users and stations", where="--geojson")
