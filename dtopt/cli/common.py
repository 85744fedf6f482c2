"""What the sub-commands share: reading instances, options given as key=value, and how results are printed."""

from __future__ import annotations

import inspect
import json
import math
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dtopt.errors import InputError, meant

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from rich.console import Console
    from rich.progress import Progress

    from dtopt.io.solutions import SolutionInfo
    from dtopt.problem import Problem
    from dtopt.result import Result

__all__ = [
    "FORMATS",
    "certificate",
    "describe",
    "file_name",
    "load",
    "percent",
    "print_json",
    "profit_line",
    "profits",
    "progress",
    "read_solution",
    "settings",
    "visible",
    "wide_console",
    "writable",
]


#: Formats of instance files; a file of profits, as OR-Library's gap1 to gap12, is to be maximised.
FORMATS = ("auto", "gap", "gap-max")
#: Instances of more users are written as npz where no name was given.
JSON_USERS = 5000
#: Columns of a table that goes to a file or another program.
PIPE_WIDTH = 160


def settings(pairs: Sequence[str], option: str = "--set", function: Callable[..., Any] | None = None) -> dict[str, Any]:
    """Return key=value pairs as a dictionary; what the values are, the annotations of `function` say.

    Raises
    ------
    InputError
        If a pair has no equals sign, a key comes twice, or a value is not what the annotation wants.
    """
    found: dict[str, Any] = {}
    kinds = {} if function is None else {k: str(v) for k, v in inspect.get_annotations(function).items()}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        key = key.strip().replace("-", "_")
        if not equals or not key:
            raise InputError(f"{pair!r} is not key=value", where=option)
        if key in found:
            raise InputError(f"{key} is given twice", where=option)
        found[key] = _typed(value, kinds.get(key, ""), key)
    return found


def _typed(text: str, annotation: str, where: str) -> Any:
    """Return a value as its annotation wants it; names of types that are only strings with few values stay strings."""
    kinds = set(re.findall(r"\w+", annotation))
    if "None" in kinds and text.lower() in {"none", "null"}:
        return None
    for kind, convert, what in (
        ("bool", {"true": True, "false": False}.__getitem__, "true or false"),
        ("int", int, "a whole number"),
        ("float", float, "a number"),
    ):
        if kind in kinds and "str" not in kinds and not (kind == "int" and "float" in kinds):
            try:
                return convert(text.strip().lower())
            except (ValueError, KeyError):
                raise InputError(f"must be {what}, got {text!r}", where=where) from None
    if annotation:
        return text
    try:
        return json.loads(text)
    except ValueError:
        return text


def load(name: str, *, seed: int = 0, data: Path | None = None, file_format: str = "auto") -> list[Problem]:
    """Return the problems behind an argument: an instance file, a GAP file, or a preset such as ``paper:users=80``.

    Raises
    ------
    InputError
        If it is neither, or the file or the preset's options are wrong.
    """
    from dtopt.generators import generate, load_preset, preset_names
    from dtopt.io import SUFFIXES, read

    if file_format not in FORMATS:
        raise InputError(f"unknown format {file_format!r}", where="--format", mend=f"one of {', '.join(FORMATS)}")
    path = Path(name)
    if file_format != "auto":
        from instances.gap import read_gaps

        return list(read_gaps(path, maximise=file_format == "gap-max"))
    preset, _, options = name.partition(":")
    if path.suffix.lower() not in SUFFIXES and not path.exists() and preset in preset_names():
        function = load_preset(preset)
        given = settings(options.split(",") if options else [], preset, function)
        if data is not None and "data" in function.__annotations__:
            given.setdefault("data", str(data))
        return [generate(preset, seed=given.pop("seed", seed), **given)]
    if path.suffix.lower() not in SUFFIXES and not path.exists():
        near = meant(preset, preset_names())
        raise InputError(
            f"{name!r} is no file and no preset",
            mend=f"{near}files end in {' or '.join(SUFFIXES)}; presets are {', '.join(preset_names())}",
        )
    return [read(path)]


def profits(file_format: str, objective: float | None, bound: float | None) -> dict[str, float | None]:
    """Return total profit and its proven upper bound of a file of profits, whose objective is minus the profit."""
    if file_format != "gap-max":
        return {}
    # Subtracted, so that no profit of -0 is shown.
    return {
        "profit": None if objective is None else 0.0 - objective,
        "proven_profit_bound": None if bound is None else 0.0 - bound,
    }


def profit_line(profits: Mapping[str, float | None]) -> str:
    """Return `profits` as a line for people, empty where there is no profit."""
    profit, bound = profits.get("profit"), profits.get("proven_profit_bound")
    if profit is None:
        return ""
    return f"  total profit {profit:.7g}" + ("" if bound is None else f", proven <= {bound:.7g}")


def certificate(problem: Problem, result: Result) -> tuple[float | None, float]:
    """Return the best proven bound, the solver's own or the dual bound, and the gap to it."""
    from dtopt.result import relative_gap
    from dtopt.run import OPTIMALITY_GAP
    from reports.compare import affordable_bound

    own = result.bound if result.bound is not None and math.isfinite(result.bound) else None
    if own is not None and relative_gap(result.objective, own) <= OPTIMALITY_GAP:
        return own, relative_gap(result.objective, own)
    bounds = [bound for bound in (own, affordable_bound(problem)) if bound is not None]
    if not bounds:
        return None, math.inf
    bound = min(bounds) if problem.maximise else max(bounds)
    return bound, relative_gap(result.objective, bound)


def file_name(stem: str, problem: Problem) -> str:
    """Return a name for a file of an instance or its solution: JSON for people, npz where it would be too long.

    The stem is one of `dtopt.io.names`.
    """
    return f"{stem}.{'npz' if problem.n_users > JSON_USERS else 'json'}"


def read_solution(path: Path, problem: Problem) -> SolutionInfo:
    """Return what is in a solution file.

    A line on stderr says where the file does not name its instance, or brings CPU shares that are not the policy's.
    """
    from dtopt.evaluation import evaluate
    from dtopt.io import NO_HASH, read_solution_info

    info = read_solution_info(path, problem)
    different = evaluate(problem, info.solution).note
    for text in [NO_HASH] * (info.instance_hash is None) + [different] * bool(different):
        print(f"dtopt: warning: {visible(str(path))}: {text}", file=sys.stderr)  # noqa: T201
    return info


def visible(text: str) -> str:
    """Return text from a file without the control characters that a terminal would obey."""
    return "".join(c if c.isprintable() or c == "\n" else "?" for c in text)


def writable(path: Path, *, folder: bool = False) -> None:
    """Raise InputError now, not after hours of work, where a file or folder cannot be written."""
    parent = path.absolute().parent
    if folder:
        if path.exists() and not path.is_dir():
            raise InputError("is a file, a folder is needed", where=str(path))
    elif path.is_dir():
        raise InputError("is a folder, a file is needed", where=str(path))
    elif not parent.is_dir():
        raise InputError("its folder does not exist", where=str(path))
    # A file is written beside and renamed, so it is the folder that counts: the nearest that exists.
    place = path.absolute() if folder else parent
    while not place.exists():
        place = place.parent
    if not os.access(place, os.W_OK):
        raise InputError("cannot be written: its folder is read-only", where=str(path))


def percent(gap: float) -> str:
    """Return a relative gap in percent, a dash where there is none."""
    if not math.isfinite(gap):
        return "–"
    return "0 %" if gap < 5e-9 else f"{100 * gap:.2g} %" if gap < 0.1 else f"{100 * gap:.1f} %"


def describe(problem: Problem, result: Result, bound: float | None, gap: float) -> str:
    """Return a result as a few lines for people."""
    from dtopt.result import controllable_gap

    lines = [f"{problem.name or problem.kind}: {result.status} by {result.solver} in {result.wall_s:.3g} s"]
    if result.message:
        lines.append(f"  {result.message}")
    if result.evaluation is not None and result.solution is not None:
        terms: Any = result.evaluation.terms
        what = "utility" if problem.maximise else getattr(problem, "objective", "cost").replace("-", " ")
        proof = ""
        if bound is not None:
            part = controllable_gap(result.evaluation.objective, bound, problem.uncontrollable_objective)
            sign = "<=" if problem.maximise else ">="
            proof = f", proven {sign} {bound:.7g}, gap {percent(gap)}, controllable gap {percent(part)}"
        lines.append(f"  {what} {result.evaluation.objective:.7g}{proof}")
        parts = [f"{name} {1e3 * getattr(terms, name):.4g}" for name in ("wireless", "wired", "compute")]
        if problem.maximise:
            parts.append(f"moving {1e3 * terms.moving:.4g}")
        if any(getattr(terms, name) for name in ("wireless", "wired", "compute")):
            lines.append(f"  mean latency {1e3 * terms.latency:.4g} ms: {', '.join(parts)}")
        if problem.maximise:
            lines.append(f"  {terms.migrations} twins moved, {terms.moved_bits / 8e6:.4g} MB")
        stations = problem.network.stations
        counts = result.solution.counts(problem.n_stations)
        shown = [f"{stations.name(k)} ({counts[k]})" for k in result.solution.open_servers.tolist()]
        more = f" and {len(shown) - 12} more" if len(shown) > 12 else ""
        lines.append(
            f"  {len(shown)} of {problem.n_stations} stations are servers (twins): {', '.join(shown[:12])}{more}"
        )
        if terms.late_users:
            lines.append(f"  {terms.late_users} users miss their deadline, by {terms.lateness:.4g} s in all")
    return visible("\n".join(lines))


def print_json(document: object) -> None:
    """Print one JSON document on stdout."""
    sys.stdout.write(json.dumps(document, allow_nan=False, indent=1) + "\n")


def wide_console() -> Console:
    """Return a console for tables: a pipe has no width of its own, and one cut to 80 columns would lose figures."""
    from rich.console import Console

    console = Console()
    return console if console.is_terminal else Console(width=PIPE_WIDTH)


class NoProgress:
    """Stands for `rich.progress.Progress` where nobody looks; Rich takes longer to load than a small run."""

    def __enter__(self) -> NoProgress:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def add_task(self, description: str, total: float | None = None, **fields: Any) -> Any:
        """Return a task."""
        return 0

    def update(self, task: Any, **fields: Any) -> None:
        """Show nothing."""

    def advance(self, task: Any, advance: float = 1) -> None:
        """Show nothing."""


def progress() -> Progress | NoProgress:
    """Return a progress display on stderr that vanishes when done and is silent where nobody looks."""
    if not sys.stderr.isatty() and not os.environ.get("FORCE_COLOR"):
        return NoProgress()
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (
        SpinnerColumn(),
        # Names come from files: what looks like markup is not.
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
