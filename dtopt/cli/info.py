"""`dtopt info`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from dtopt.problem import Problem

__all__ = ["info"]


def info(
    files: Annotated[list[str], typer.Argument(help="Instance files or presets.", show_default=False)],
    seed: Annotated[int, typer.Option(help="Seed of presets.")] = 0,
    data: Annotated[Path | None, typer.Option(help="Folder with real data, for presets that read some.")] = None,
    file_format: Annotated[
        str, typer.Option("--format", help="auto; gap or gap-max (profits) for OR-Library.")
    ] = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Say what is in an instance: sizes, loads, radio, deadlines, hash and proven bound."""
    from dtopt.cli.common import load, print_json, visible
    from reports.words import number

    found = [_facts(p) for name in files for p in load(name, seed=seed, data=data, file_format=file_format)]
    if as_json:
        print_json(found)
        return
    for facts in found:
        for name, value in facts.items():
            typer.echo(f"{name:<26} {number(value, 5) if isinstance(value, float) else visible(str(value))}")
        typer.echo()


def _facts(problem: Problem) -> dict[str, Any]:
    import numpy as np

    from dtopt.arrays import UNLIMITED
    from dtopt.feasibility import obvious_conflict
    from reports.compare import affordable_bound

    network, stations = problem.network, problem.network.stations
    deadline = network.users.deadline_s
    finite = deadline[np.isfinite(deadline)]
    limited = stations.capacity[stations.capacity < UNLIMITED]
    facts: dict[str, Any] = {
        "name": problem.name,
        "kind": problem.kind,
        "users": problem.n_users,
        "stations": problem.n_stations,
        "sharing": problem.sharing,
        "objective": "utility" if problem.maximise else getattr(problem, "objective", ""),
        "servers that may be open": problem.max_open,
        "places on servers": int(limited.sum()) if limited.size == stations.count else "unlimited",
        "CPU of all stations, GHz": float(stations.cpu_hz.sum() / 1e9),
        "deadlines": f"{problem.deadline}, {finite.size} users" if finite.size else "none",
    }
    if finite.size:
        facts["tightest deadline, ms"] = float(1e3 * finite.min())
        facts["median deadline, ms"] = float(1e3 * np.median(finite))
    if network.channel is not None:
        rate = network.access_rate_bps / 1e6
        facts["slowest access, Mbit/s"] = float(rate.min())
        facts["median access, Mbit/s"] = float(np.median(rate))
        facts["access stations in use"] = int(np.unique(network.access_station).size)
    constant = problem.uncontrollable_objective
    facts["uncontrollable objective"] = constant if np.isfinite(constant) else None
    facts["proven bound"] = affordable_bound(problem)
    facts["infeasible because"] = obvious_conflict(problem)
    facts["hash"] = problem.content_hash
    return {name: value for name, value in facts.items() if value is not None}
