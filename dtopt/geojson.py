"""Solutions as GeoJSON (RFC 7946), for maps in other programs."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

from dtopt.errors import InputError
from dtopt.evaluation import evaluate
from dtopt.geography import Projection

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    import numpy.typing as npt

    from dtopt.problem import Problem
    from dtopt.solution import Solution

__all__ = ["feature_collection", "write_geojson"]


def feature_collection(
    problem: Problem, solution: Solution, *, origin: tuple[float, float] | None = None
) -> dict[str, Any]:
    """Return stations, users and the links between users and their servers as a GeoJSON FeatureCollection.

    Coordinates are longitude and latitude, degrees, where the instance or `origin` says where on earth it is. Where
    neither does they are metres, which RFC 7946 does not know: the collection then has a member
    ``"coordinate_unit": "m"``, and programs draw it on a plane.

    Parameters
    ----------
    problem : Problem
    solution : Solution
    origin : tuple of float, optional
        Latitude and longitude of the point (0, 0), in place of `Network.origin`.

    Raises
    ------
    InputError
        If users or stations have no positions.
    """
    network = problem.network
    if network.users.position_m is None or network.stations.position_m is None:
        raise InputError("users and stations need positions", where="geojson", mend="give x_m and y_m of all of them")
    projection = network.origin if origin is None else Projection(*origin)
    users = _coordinates(network.users.position_m, projection)
    stations = _coordinates(network.stations.position_m, projection)
    evaluation = evaluate(problem, solution)
    is_open = set(solution.open_servers.tolist())
    twins = solution.counts(problem.n_stations).tolist()
    features = [
        _feature(
            "Point",
            stations[k],
            kind="station",
            station=k,
            name=network.stations.name(k),
            open=k in is_open,
            twins=twins[k],
            cpu_hz=float(network.stations.cpu_hz[k]),
        )
        for k in range(problem.n_stations)
    ]
    for i, k in enumerate(solution.association.tolist()):
        latency, deadline = float(evaluation.latency_s[i]), float(network.users.deadline_s[i])
        told = {
            "user": i,
            "name": network.users.name(i),
            "server": k if k >= 0 else None,
            "latency_s": latency if math.isfinite(latency) else None,
        }
        # JSON has no infinity: null stands for no deadline, as in instance files.
        late = {"deadline_s": deadline if math.isfinite(deadline) else None}
        features.append(_feature("Point", users[i], kind="user", **told, **late))
        if k >= 0:
            features.append(_feature("LineString", [users[i], stations[k]], kind="link", **told))
    collection: dict[str, Any] = {"type": "FeatureCollection", "name": problem.name or problem.kind}
    if projection is None:
        collection["coordinate_unit"] = "m"
    collection["features"] = features
    return collection


def write_geojson(collection: dict[str, Any], path: Path) -> None:
    """Write a collection, a feature a line; an existing file is replaced in one step or not at all.

    Raises
    ------
    InputError
        If the file cannot be written.
    """
    from dtopt.io.files import write_text

    head = {key: value for key, value in collection.items() if key != "features"}
    lines = ",\n".join(json.dumps(f, allow_nan=False, ensure_ascii=False) for f in collection["features"])
    start = json.dumps(head, ensure_ascii=False)[:-1]
    write_text(f'{start}, "features": [\n{lines}\n]}}\n', path)


def _coordinates(position_m: npt.NDArray[np.float64], projection: Projection | None) -> list[list[float]]:
    if projection is None:
        found: list[list[float]] = position_m.round(3).tolist()
        return found
    # Seven decimals of a degree are a centimetre; GeoJSON has longitude first.
    return [[lon, lat] for lat, lon in projection.to_degrees(position_m).round(7).tolist()]


def _feature(geometry: str, coordinates: Any, **properties: Any) -> dict[str, Any]:
    return {
        "type": "Feature",
        "geometry": {"type": geometry, "coordinates": coordinates},
        "properties": properties,
    }
