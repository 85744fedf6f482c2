"""What the page shows of single instances and runs, as plain lists: columns of the table, traces, maps."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from dtopt.errors import DtoptError
from reports import style
from reports.maps import spread_colours
from reports.text import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import pandas as pd

    from dtopt.problem import Problem
    from reports.publish.source import Source
    from reports.results import Instance

__all__ = ["instance_columns", "map_of", "most_map_users", "run_columns", "traces_of"]

#: Steps of all traces of the page together, and of one run at least and at most.
ALL_STEPS, LEAST_STEPS, MOST_STEPS = 200_000, 6, 60
#: Numbers of all maps of the page together: two for each user shown and one for each solution of each; and users of
#: one map at most.
ALL_NUMBERS, MAP_USERS = 600_000, 2000


def number(value: float | None, digits: int = 8) -> float | None:
    """Return a number to so many digits as JSON has it: None where there is none."""
    if value is None or not math.isfinite(value):
        return None
    return float(f"{value:.{digits}g}")


def run_columns(source: Source, solvers: list[str], labels: list[str]) -> dict[str, Any]:
    """Return the table of all runs by columns; texts that come again are kept once and told by their place."""
    frame = source.scores.frame
    found: dict[str, Any] = {
        "instance": _places(frame["instance"], labels),
        "solver": _places(frame["solver"], solvers),
        "seed": frame["seed"].tolist(),
        "open": _numbers(frame["n_open"], 6),
    }
    for name in ("status", "message", "machine"):
        texts = sorted(set(frame[name].fillna("").astype(str)))
        found[f"{name}Texts"] = texts
        found[name] = _places(frame[name].fillna("").astype(str), texts)
    for name, column, digits in (
        ("limit", "time_limit", 6),
        ("objective", "objective", 8),
        ("gap", "gap", 4),
        ("controllable", "controllable_gap", 4),
        ("primal", "primal_gap", 4),
        ("controllablePrimal", "controllable_primal_gap", 4),
        ("integral", "primal_integral", 4),
        ("latency", "latency_s", 5),
        ("wall", "wall_s", 4),
        ("cpu", "cpu_s", 4),
    ):
        found[name] = _numbers(frame[column], digits)
    return found


def _places(values: Iterable[str], texts: list[str]) -> list[int]:
    place = {text: i for i, text in enumerate(texts)}
    return [place[value] for value in values]


def _numbers(values: pd.Series[float], digits: int) -> list[float | None]:
    return [number(value, digits) for value in values.tolist()]


def instance_columns(source: Source, labels: list[str]) -> dict[str, Any]:
    """Return the table of instances by columns, with the solvers whose best run is the best one here."""
    instances = [source.results.instances[label] for label in labels]
    references = [source.scores.references[label] for label in labels]
    frame = source.scores.frame
    first = frame[frame["primal_gap"] <= 1e-6].groupby("instance")["solver"].agg(lambda names: sorted(set(names)))
    return {
        "label": labels,
        "suite": [one.suite for one in instances],
        "kind": [one.kind for one in instances],
        "objective": [one.objective for one in instances],
        "maximise": [one.maximise for one in instances],
        "users": [one.n_users for one in instances],
        "stations": [one.n_stations for one in instances],
        "best": [number(one.best) for one in references],
        "bestBy": [one.best_by for one in references],
        "bound": [number(one.bound) for one in references],
        "boundBy": [one.bound_by for one in references],
        "uncontrollable": [number(one.uncontrollable, 12) for one in references],
        "reachedBy": [", ".join(first.get(label, [])) for label in labels],
    }


def traces_of(source: Source, runs: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the incumbents of the runs of one instance, thinned to what the page can carry."""
    most = max(LEAST_STEPS, min(MOST_STEPS, ALL_STEPS // max(1, len(source.scores.frame))))
    found = []
    for index in runs.index.tolist():
        steps = source.scores.steps[index]
        if not steps:
            continue
        kept = np.unique(np.linspace(0, len(steps) - 1, min(len(steps), most)).round().astype(np.int64)).tolist()
        found.append(
            {
                "run": index,
                "t": [number(steps[i][0], 4) for i in kept],
                "y": [number(steps[i][1]) for i in kept],
                "end": number(max(float(runs.loc[index, "wall_s"]), steps[-1][0]), 4),
            }
        )
    return found


def most_map_users(source: Source) -> int:
    """Return how many users each map may show, so that the page keeps its size."""
    frame = source.scores.frame
    solved = frame[frame["objective"].notna()]
    views = len(solved[["instance", "solver"]].drop_duplicates()) + 3 * solved["instance"].nunique()
    return max(40, min(MAP_USERS, ALL_NUMBERS // max(1, views)))


def map_of(
    source: Source,
    instance: Instance,
    runs: pd.DataFrame,
    problem_of: Callable[[Instance], Problem],
    most_users: int,
) -> tuple[dict[str, Any] | None, str]:
    """Return an instance's map with the best solution of each solver, or None and why there is none."""
    best = _best_runs(source, instance, runs)
    if not best:
        return None, "There is no solution to draw."
    try:
        problem = problem_of(instance)
    except DtoptError as error:
        return None, f"There is no map: {error}."
    if (problem.n_users, problem.n_stations) != (instance.n_users, instance.n_stations):
        return None, "There is no map: the recipe makes another instance here than the one that was solved."
    users_m, stations = problem.network.users.position_m, problem.network.stations
    station_m = stations.position_m
    if users_m is None or station_m is None:
        return None, "There is no map: the instance gives no positions for its users or its stations."
    n = problem.n_users
    users = np.unique(np.linspace(0, n - 1, min(n, most_users)).round().astype(np.int64))
    associations = {index: source.results.runs["association"].iloc[index] for index in best}
    used = np.unique(np.concatenate(list(associations.values())))
    colour = np.zeros(problem.n_stations, dtype=np.int64)
    colour[used] = spread_colours(station_m[used])
    access = problem.network.access_station[users]
    corner = np.concatenate([station_m, users_m[users]])
    return {
        "note": f"{users.size:,} of {n:,} users are shown, evenly over their list." if users.size < n else "",
        "stations": [[round(float(x)), round(float(y))] for x, y in station_m],
        "stationNames": [shown(stations.name(k)) for k in range(problem.n_stations)],
        "colours": [style.PALETTE[c] for c in colour.tolist()],
        "closed": style.CLOSED,
        "low": corner.min(axis=0).round().tolist(),
        "high": corner.max(axis=0).round().tolist(),
        "place": users_m[users].round().astype(np.int64).ravel().tolist(),
        "access": access.tolist() if (access >= 0).all() else None,
        "before": problem.previous[users].tolist() if hasattr(problem, "previous") else None,
        "views": [
            {
                "run": index,
                "server": association[users].tolist(),
                "open": np.unique(association).tolist(),
                "twins": np.bincount(association, minlength=problem.n_stations)[np.unique(association)].tolist(),
            }
            for index, association in associations.items()
        ],
    }, ""


def _best_runs(source: Source, instance: Instance, runs: pd.DataFrame) -> list[int]:
    """Return the best run with a solution of each solver, best first."""
    kept = [i for i in runs.index.tolist() if source.results.runs["association"].iloc[i] is not None]
    solved = runs.loc[kept].dropna(subset=["objective"])
    ordered = solved.sort_values(["objective", "solver"], ascending=[not instance.maximise, True])
    return [int(i) for i in ordered.drop_duplicates("solver").index.tolist()]
