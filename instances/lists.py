"""Placements out of two lists, one of stations and one of users; and the `csv` preset, which reads them from files."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from dtopt.arrays import UNLIMITED, choice
from dtopt.channel import ModelledChannel
from dtopt.errors import InputError, InputWarning, meant
from dtopt.geography import Projection
from dtopt.propagation import Propagation
from instances import constants, layout
from instances.assembly import Scene, assemble, count, draw_twins, fair_capacity, streams
from instances.columns import STATION_COLUMNS, USER_COLUMNS
from instances.draws import normal, uniform
from instances.tables import Points, PointTable, parse_columns, parse_rectangle, read_pair

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dtopt.arrays import FloatArray, IntArray
    from dtopt.problem import Objective, Problem, Sharing
    from dtopt.propagation import Fading, PathLoss
    from instances.assembly import Kind
    from instances.tables import Missing, Rectangle

__all__ = ["STATION_COLUMNS", "USER_COLUMNS", "csv", "from_points"]

Duplicates = Literal["merge", "keep"]

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
    missing: Missing = "refuse",
    duplicates: Duplicates = "merge",
    ignore: str | None = None,
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
        `USER_COLUMNS`, in any unit that their names end in, are taken where they are there. Where they are not, values
        are drawn like those of ``paper``, and a warning lists them.
    station_columns, user_columns : str or mapping, optional
        Headings that differ, as ``latitude=LAT,longitude=LON,cpu_ghz=CPU``.
    rectangle : str or tuple, optional
        West, south, east, north, m: only what lies inside. Degrees are projected to metres from the south-west corner
        of all stations.
    missing : {"refuse", "skip"}
        ``skip`` leaves out rows without a position or a value, with a warning.
    duplicates : {"merge", "keep"}
        ``merge`` makes one station of rows at one place, such as the cells of a mast, with a warning; where rows have a
        CPU or a capacity, only rows with the same name and values are merged. ``keep`` makes a station of each row.
    ignore : str, optional
        Columns to leave out, as ``cpu_cores,power``: an unknown column that resembles a known one is refused.
    max_stations, max_users : int, optional
        A random subset of this size.

    See `instances.presets` for the others.

    Raises
    ------
    InputError
        With file, line and column.
    """
    choice(duplicates, "duplicates", Duplicates)
    for option, path in (("stations", stations), ("users", users)):
        if not path:
            raise InputError("is missing", where=option, mend="the path of a CSV file")
    ignored = [text.strip() for text in (ignore or "").split(",") if text.strip()]
    station_table = PointTable(
        stations,
        columns=parse_columns(station_columns, "station_columns"),
        optional=STATION_COLUMNS,
        foreign=USER_COLUMNS,
        ignore=ignored,
        option="station_columns",
    )
    user_table = PointTable(
        users,
        columns=parse_columns(user_columns, "user_columns"),
        optional=USER_COLUMNS,
        foreign=STATION_COLUMNS,
        ignore=ignored,
        option="user_columns",
    )
    _check_ignored(ignored, station_table, user_table)
    station_list, user_list = read_pair(station_table, user_table, missing=missing)
    n = None if max_users is None else min(count(max_users, "max_users"), len(user_list))
    if duplicates == "merge":
        station_list = _merged(station_list)
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
    _note_drawn(station_list, user_list)
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
        jitter[chosen.size :] = normal(random.users, JITTER_M, (extra.size, 2))
        users = users.take(np.concatenate([chosen, extra]))
        users_m = users.metres(projection) + jitter
    n, m = len(users), len(stations)
    cpu = stations.values.get("cpu_hz", uniform(random.stations, *constants.CPU_RANGE_HZ, m))
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


def _check_ignored(ignored: list[str], *tables: PointTable) -> None:
    known = {text.lower(): text for table in tables for text in table.heading}
    for text in ignored:
        if text.lower() not in known:
            mend = f"{meant(text, known.values())}they have {', '.join(known.values())}"
            raise InputError(f"neither list has a column {text!r}", where="ignore", mend=mend)


def _merged(stations: Points) -> Points:
    """Return the stations with one for each place, or for each name and values at a place where rows have values."""
    first: dict[tuple[object, ...], int] = {}
    kept: list[int] = []
    for i, place in enumerate(stations.position.tolist()):
        values = tuple(float(column[i]) for column in stations.values.values())
        name = stations.names[i] if stations.names is not None and values else ""
        row = (*place, name, *values)
        if row not in first:
            first[row] = len(kept)
            kept.append(i)
    if len(kept) < len(stations):
        text = (
            f"{len(stations):,} rows are at {len(kept):,} places: rows at one place are merged into one station; "
            "duplicates=keep keeps them"
        )
        warnings.warn(f"{stations.path}: {text}", InputWarning, stacklevel=3)
    return stations.take(np.array(kept, dtype=np.int64))


def _note_drawn(stations: Points, users: Points) -> None:
    """Warn of what no column gives."""
    lists = ((stations, STATION_COLUMNS, "stations"), (users, USER_COLUMNS, "users"))
    default = {"capacity": "in proportion to the CPUs", "tx_power_w": f"{constants.TX_POWER_W:g} W"}
    drawn, assumed = [], []
    for points, columns, what in lists:
        absent = [key for key in columns if key not in points.values]
        random = [key for key in absent if key not in default]
        if random:
            drawn.append(f"{', '.join(random)} of {what}")
        assumed += [f"{key} of {what} ({default[key]})" for key in absent if key in default]
    parts = []
    if drawn:
        parts.append(f"drawn at random, no column gives them: {'; '.join(drawn)}")
    if assumed:
        parts.append(f"{'by default' if drawn else 'by default, no column gives them'}: {', '.join(assumed)}")
    if parts:
        warnings.warn("; ".join(parts), InputWarning, stacklevel=3)


def _told_apart(points: Points) -> Points:
    """Return the points with names that differ: the second Spencer is Spencer (2); line 7 is one without a name."""
    if points.names is None or not any(points.names):
        return points
    shown_names = [name or f"line {line}" for name, line in zip(points.names, points.lines.tolist(), strict=True)]
    given, seen = set(shown_names), dict.fromkeys(shown_names, 0)
    names = []
    for name in shown_names:
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
    limited = np.isfinite(given)
    broken = limited & (given != np.round(given))
    if broken.any():
        i = int(broken.argmax())
        raise InputError(
            f"capacity must be a whole number, got {given[i]:g}", where=f"{stations.path}: line {stations.lines[i]}"
        )
    # What is beyond any number of users is no limit either, and must not overflow.
    limited &= given < float(UNLIMITED)
    return np.where(limited, np.where(limited, given, 0.0).astype(np.int64), UNLIMITED)


def _unique(names: tuple[str, ...] | None) -> tuple[str, ...] | None:
    """Return the names if they tell the points apart."""
    return names if names is not None and len(set(names)) == len(names) and all(names) else None
