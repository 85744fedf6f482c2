"""Placements out of two lists, one of stations and one of users; and the `csv` preset, which reads them from files."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from dtopt.channel import ModelledChannel
from dtopt.errors import InputError
from dtopt.geography import Projection
from dtopt.propagation import Propagation
from instances import constants, layout
from instances.assembly import Scene, assemble, count, draw_twins, fair_capacity, streams
from instances.tables import Points, parse_columns, parse_rectangle, read_points

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dtopt.arrays import FloatArray, IntArray
    from dtopt.problem import Objective, Problem, Sharing
    from dtopt.propagation import Fading, PathLoss
    from instances.assembly import Kind
    from instances.tables import Rectangle

__all__ = ["STATION_COLUMNS", "USER_COLUMNS", "csv", "from_points"]

#: Columns that a list of stations may have, each with the value it must be above; what it lacks is drawn.
STATION_COLUMNS = {"cpu_hz": 0.0, "capacity": 0.0}
#: The same for users.
USER_COLUMNS = {"data_bits": 0.0, "update_bits": 0.0, "tx_power_w": 0.0, "deadline_s": 0.0}
#: Spread of the users made up around those of a list that is too short, m: across a street.
JITTER_M = 25.0
#: Users of a list that are further than this from every station are a mistake: cells are hardly ever built larger.
REACH_M = 30e3


def csv(
    *,
    seed: int = 0,
    stations: str = "",
    users: str = "",
    station_columns: str | Mapping[str, str] | None = None,
    user_columns: str | Mapping[str, str] | None = None,
    rectangle: str | Rectangle | None = None,
    max_stations: int | None = None,
    max_users: int | None = None,
    sharing: Sharing = "optimal",
    objective: Objective = "system-cost",
    kind: Kind = "placement",
    path_loss: PathLoss = "uma",
    fading: Fading = "rician",
) -> Problem:
    """Return an instance out of an operator's lists of stations and users, two CSV files.

    Parameters
    ----------
    stations, users : str
        The files. Each has a heading and latitude and longitude, or x_m and y_m; columns of `STATION_COLUMNS` and
        `USER_COLUMNS` are taken where they are there, and drawn like those of ``paper`` where they are not.
    station_columns, user_columns : str or mapping, optional
        Headings that differ, as ``latitude=LAT,longitude=LON,cpu_hz=CPU``.
    rectangle : str or tuple, optional
        West, south, east, north, m: only what lies inside. Degrees are projected to metres from the south-west corner
        of all stations.
    max_stations, max_users : int, optional
        A random subset of so many.

    See `instances.presets` for the others.

    Raises
    ------
    InputError
        With file, line and column.
    """
    for option, path in (("stations", stations), ("users", users)):
        if not path:
            raise InputError("is missing", where=option, mend="the path of a CSV file")
    station_list = read_points(
        stations, columns=parse_columns(station_columns, "station_columns"), optional=STATION_COLUMNS
    )
    user_list = read_points(users, columns=parse_columns(user_columns, "user_columns"), optional=USER_COLUMNS)
    n = None if max_users is None else min(count(max_users, "max_users"), len(user_list))
    _check_stations(station_list)
    station_list, user_list = _told_apart(station_list), _told_apart(user_list)
    scene = from_points(
        "csv",
        seed,
        station_list,
        user_list,
        channel=Propagation(path_loss, constants.CARRIER_GHZ, fading, seed=seed),
        rectangle=parse_rectangle(rectangle),
        reach_m=REACH_M,
        n_stations=None if max_stations is None else min(count(max_stations, "max_stations"), len(station_list)),
        n_users=n,
    )
    return assemble(scene, kind=kind, sharing=sharing, objective=objective)


def from_points(
    label: str,
    seed: int,
    stations: Points,
    users: Points,
    *,
    channel: Propagation,
    rectangle: Rectangle | None = None,
    reach_m: float = np.inf,
    n_stations: int | None = None,
    n_users: int | None = None,
) -> Scene:
    """Return a scene out of lists; what they do not say is drawn as for ``paper``.

    Parameters
    ----------
    label, seed
        See `Scene`.
    stations, users : Points
        Both in degrees or both in metres.
    channel : Propagation
    rectangle : tuple, optional
        West, south, east, north, m.
    reach_m : float
        How far a user may be from the nearest station, m.
    n_stations : int, optional
        A random subset of so many stations.
    n_users : int, optional
        A random subset of so many users; if there are fewer, all of them and further ones at random within a
        few times `JITTER_M` of random ones.

    Raises
    ------
    InputError
        If one list is in degrees and the other in metres, the rectangle is empty, a user is out of reach, or there are
        too few stations.
    """
    if stations.degrees != users.degrees:
        raise InputError("one list is in degrees, the other in metres", where=f"{stations.path}, {users.path}")
    projection = stations.south_west() if stations.degrees else Projection(0.0, 0.0)
    if rectangle is not None:
        stations, users = stations.inside(projection, rectangle), users.inside(projection, rectangle)
    if np.isfinite(reach_m):
        _check_reach(stations, users, projection, reach_m)
    random = streams(seed)
    if n_stations is not None:
        if n_stations > len(stations):
            raise InputError(f"has {len(stations)} stations to choose from, {n_stations} wanted", where=stations.path)
        stations = stations.take(_sample(random.stations, len(stations), n_stations))
    users_m = users.metres(projection)
    if n_users is not None:
        chosen = _sample(random.users, len(users), min(n_users, len(users)))
        extra = random.users.integers(0, len(users), max(0, n_users - len(users)))
        jitter = np.zeros((n_users, 2))
        jitter[chosen.size :] = random.users.normal(0.0, JITTER_M, (extra.size, 2))
        users = users.take(np.concatenate([chosen, extra]))
        users_m = users.metres(projection) + jitter
    n, m = len(users), len(stations)
    cpu = stations.values.get("cpu_hz", random.stations.uniform(*constants.CPU_RANGE_HZ, m))
    data, update = draw_twins(random.twins, n)
    if "data_bits" in users.values:
        update = update / data * users.values["data_bits"]
        data = users.values["data_bits"]
    model = ModelledChannel(channel)
    return Scene(
        label=label,
        seed=seed,
        user_m=users_m,
        earlier_m=layout.steps(random.users, users_m, constants.STEP_M),
        station_m=stations.metres(projection),
        data_bits=data,
        update_bits=users.values.get("update_bits", update),
        cpu_hz=cpu,
        capacity=_capacity(stations, n, cpu),
        channel=lambda _: model,
        given_deadline_s=users.values.get("deadline_s"),
        tx_power_w=users.values.get("tx_power_w"),
        origin=projection if stations.degrees else None,
        user_names=_unique(users.names),
        station_names=_unique(stations.names),
    )


def _check_reach(stations: Points, users: Points, projection: Projection, reach_m: float) -> None:
    from scipy.spatial import KDTree

    distance = np.asarray(KDTree(stations.metres(projection)).query(users.metres(projection))[0])
    if (distance > reach_m).any():
        i = int(distance.argmax())
        hint = "are latitude and longitude swapped in one of the lists? " if users.degrees else ""
        raise InputError(
            f"is {distance[i] / 1e3:,.0f} km from the nearest station, {reach_m / 1e3:g} km at most make sense",
            where=f"{users.path}: line {users.lines[i]}",
            mend=f"{hint}rectangle=WEST,SOUTH,EAST,NORTH takes only what lies inside",
        )


def _check_stations(stations: Points) -> None:
    """Raise InputError where a station is there twice: its CPU would count twice."""
    seen: dict[tuple[object, ...], int] = {}
    for i, line in enumerate(stations.lines.tolist()):
        name = stations.names[i] if stations.names is not None else ""
        values = (float(column[i]) for column in stations.values.values())
        row = (name, *stations.position[i].tolist(), *values)
        if row in seen:
            raise InputError(f"is the station of line {seen[row]} again", where=f"{stations.path}: line {line}")
        seen[row] = line


def _told_apart(points: Points) -> Points:
    """Return the points with names that differ: the second Spencer is Spencer (2)."""
    if points.names is None or not all(points.names):
        return points
    given, seen = set(points.names), dict.fromkeys(points.names, 0)
    names = []
    for name in points.names:
        seen[name] += 1
        shown = name
        while seen[name] > 1 and shown in given:
            shown = f"{name} ({seen[name]})"
            seen[name] += shown in given
        names.append(shown)
    return replace(points, names=tuple(names))


def _sample(rng: np.random.Generator, available: int, wanted: int) -> IntArray:
    """Return `wanted` different indices in their order."""
    return np.sort(rng.permutation(available)[:wanted])


def _capacity(stations: Points, users: int, cpu: FloatArray) -> IntArray:
    given = stations.values.get("capacity")
    if given is None:
        return fair_capacity(users, cpu)
    broken = given != np.round(given)
    if broken.any():
        i = int(broken.argmax())
        raise InputError(
            f"capacity must be a whole number, got {given[i]:g}", where=f"{stations.path}: line {stations.lines[i]}"
        )
    return given.astype(np.int64)


def _unique(names: tuple[str, ...] | None) -> tuple[str, ...] | None:
    """Return the names if they tell the points apart."""
    return names if names is not None and len(set(names)) == len(names) and all(names) else None
