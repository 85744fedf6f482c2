"""Instances to and from documents: one list of arrays serves JSON and npz."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from dtopt.arrays import UNLIMITED, FloatArray
from dtopt.channel import CandidateGains, Channel, GainMatrix, ModelledChannel
from dtopt.errors import InputError
from dtopt.geography import Projection
from dtopt.io import schema
from dtopt.io.files import load_json, load_npz, save_json, save_npz
from dtopt.network import BaseStations, Network, Users
from dtopt.problem import Migration, Placement, Problem
from dtopt.propagation import Propagation

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy.typing as npt

__all__ = ["from_json", "from_npz", "to_json", "to_npz"]

Arrays = dict[str, "npt.NDArray[Any]"]

#: Every array an npz file may hold, with the kinds of number it may be made of.
_NPZ_ARRAYS = {
    "users.data_bits": "f",
    "users.update_bits": "f",
    "users.tx_power_w": "f",
    "users.deadline_s": "f",
    "users.position_m": "f",
    "users.names": "U",
    "stations.cpu_hz": "f",
    "stations.capacity": "i",
    "stations.position_m": "f",
    "stations.names": "U",
    "station_distance_m": "f",
    "channel.gain": "f",
    "channel.station": "i",
    "demand_hz": "f",
    "pair_latency_s": "f",
    "previous": "i",
    "servers": "i",
}
_REQUIRED = (
    "users.data_bits",
    "users.update_bits",
    "users.tx_power_w",
    "users.deadline_s",
    "stations.cpu_hz",
    "stations.capacity",
)
_BY_KIND = {
    "placement": ("objective", "max_servers", "weights", "sync", "pair_latency_s"),
    "migration": ("utility", "previous", "servers"),
}
_MODEL_FIELDS = ("path_loss", "carrier_ghz", "fading", "rician_k_db", "shadowing", "seed")


# --- reading ----------------------------------------------------------------------------------------------------------


def from_json(path: Path) -> Problem:
    """Return the instance in a JSON file."""
    document = load_json(path)
    kind = document.get("kind")
    if "kind" in document and kind not in tuple(_BY_KIND):
        raise InputError(f"is {kind!r}", where="kind", mend=f"one of {', '.join(_BY_KIND)}")
    model = schema.MigrationDocument if kind == "migration" else schema.PlacementDocument
    checked = schema.check(model, document, schema.INSTANCE_FORMAT)
    assert isinstance(checked, schema.Document)  # noqa: S101 - for the type checker
    arrays = _rows_to_arrays(checked.users, "users") | _rows_to_arrays(checked.stations, "stations")
    _keep(arrays, "station_distance_m", checked.station_distance_m)
    _keep(arrays, "demand_hz", checked.demand_hz)
    if checked.channel is not None:
        _keep(arrays, "channel.gain", checked.channel.gain)
        _keep(arrays, "channel.station", checked.channel.station)
    if isinstance(checked, schema.PlacementDocument) and checked.pair_latency_s is not None:
        rows = [[math.inf if x is None else x for x in row] for row in checked.pair_latency_s]
        _keep(arrays, "pair_latency_s", rows)
    if isinstance(checked, schema.MigrationDocument):
        _keep(arrays, "previous", [-1 if k is None else k for k in checked.previous])
        _keep(arrays, "servers", checked.servers)
    return _build(checked, arrays)


def from_npz(path: Path) -> Problem:
    """Return the instance in an npz file."""
    header, arrays = load_npz(path)
    settings = schema.check(schema.Settings, header, schema.INSTANCE_FORMAT)
    for name, array in arrays.items():
        if name not in _NPZ_ARRAYS:
            raise InputError("is not a known array", where=name)
        if array.dtype.kind != _NPZ_ARRAYS[name]:
            names = {"f": "floating-point numbers", "i": "signed whole numbers", "U": "texts"}
            raise InputError(f"has type {array.dtype}, expected {names[_NPZ_ARRAYS[name]]}", where=name)
    for name in _REQUIRED:
        if name not in arrays:
            raise InputError("is missing", where=name)
    return _build(settings, arrays)


def _keep(arrays: Arrays, name: str, value: Sequence[Any] | None) -> None:
    """Store a list as an array; rows of different lengths are told by their place."""
    if value is None:
        return
    if value and isinstance(value[0], list):
        width = len(value[0])
        for i, row in enumerate(value):
            if len(row) != width:
                raise InputError(f"has {len(row)} entries, the rows before have {width}", where=f"{name}[{i}]")
    try:
        arrays[name] = np.array(value, dtype=np.int64 if _NPZ_ARRAYS[name] == "i" else np.float64)
    except OverflowError:
        raise InputError("holds a number that is too large", where=name) from None


def _rows_to_arrays(rows: Sequence[schema.User] | Sequence[schema.Station], owner: str) -> Arrays:
    if not rows:
        raise InputError("must not be empty", where=owner)
    arrays: Arrays = {}
    for field in ("data_bits", "update_bits", "tx_power_w", "deadline_s", "cpu_hz", "capacity"):
        if field not in type(rows[0]).model_fields:
            continue
        none, kind = (UNLIMITED, np.int64) if field == "capacity" else (math.inf, np.float64)
        values = [none if getattr(row, field) is None else getattr(row, field) for row in rows]
        try:
            arrays[f"{owner}.{field}"] = np.array(values, dtype=kind)
        except OverflowError:
            raise InputError("holds a number that is too large", where=f"{owner}.{field}") from None
    for fields, name in ((("x_m", "y_m"), "position_m"), (("name",), "names")):
        given = [[getattr(row, f) for f in fields] for row in rows]
        if all(v is None for values in given for v in values):
            continue
        for i, values in enumerate(given):
            for field, value in zip(fields, values, strict=True):
                if value is None:
                    mend = f"give {' and '.join(fields)} for all {owner} or for none"
                    raise InputError("is missing", where=f"{owner}[{i}].{field}", mend=mend)
        arrays[f"{owner}.{name}"] = np.array(given) if name == "position_m" else np.array([v[0] for v in given])
    return arrays


def _build(settings: schema.Settings, arrays: Arrays) -> Problem:
    """Return the problem; the types check shapes and values, and name the fields as the files do."""
    for kind, fields in _BY_KIND.items():
        for field in fields:
            if kind != settings.kind and (getattr(settings, field, None) is not None or field in arrays):
                raise InputError(f"belongs to {kind} instances, this is a {settings.kind} instance", where=field)
    network = Network(
        Users(
            arrays["users.data_bits"],
            arrays["users.update_bits"],
            arrays["users.tx_power_w"],
            arrays["users.deadline_s"],
            arrays.get("users.position_m"),
            _names(arrays, "users.names"),
        ),
        BaseStations(
            arrays["stations.cpu_hz"],
            arrays["stations.capacity"],
            arrays.get("stations.position_m"),
            arrays.get("station_distance_m"),
            _names(arrays, "stations.names"),
        ),
        _channel(settings.channel, arrays),
        settings.radio.bandwidth_hz,
        settings.radio.noise_dbm_per_hz,
        settings.compute.cycles_per_bit,
        settings.backhaul.s_per_bit_m,
        settings.backhaul.wired_passes,
        None if settings.origin is None else Projection(settings.origin.latitude, settings.origin.longitude),
    )
    common: dict[str, Any] = {
        "network": network,
        "sharing": settings.sharing,
        "demand_hz": arrays.get("demand_hz"),
        "deadline": settings.deadline,
        "deadline_penalty": settings.deadline_penalty,
        "name": settings.name,
    }
    if settings.kind == "placement":
        weights, sync = settings.weights or schema.Weights(), settings.sync or schema.Sync()
        return Placement(
            **common,
            objective=settings.objective or "system-cost",  # type: ignore[arg-type] # the type checks it
            latency_weight=weights.latency,
            cost_weight=weights.cost,
            server_cost=weights.server_cost,
            max_servers=settings.max_servers,
            update_period_s=sync.update_period_s,
            sync_weight=sync.weight,
            pair_latency_s=arrays.get("pair_latency_s"),
        )
    utility = settings.utility or schema.Utility()
    return Migration(
        **common,
        previous=arrays.get("previous"),  # type: ignore[arg-type] # the type says what is missing
        servers=arrays.get("servers"),
        beta=utility.beta,
        interaction=utility.interaction,  # type: ignore[arg-type]
        migration_weight=utility.migration_weight,
        companion_bits=utility.companion_bits,
    )


def _names(arrays: Arrays, field: str) -> tuple[str, ...] | None:
    return tuple(arrays[field].tolist()) if field in arrays else None


def _channel(settings: schema.ChannelSettings | None, arrays: Arrays) -> Channel | None:
    needs = {"gain": ("channel.gain",), "candidates": ("channel.station", "channel.gain"), "model": ()}
    needed = needs[settings.kind] if settings is not None else ()
    for field in ("channel.gain", "channel.station"):
        if (field in arrays) != (field in needed):
            kind = f'a channel of kind "{settings.kind}"' if settings is not None else "no channel"
            what = f"is missing in {kind}" if field in needed else f"does not belong to {kind}"
            raise InputError(what, where=field)
    if settings is None:
        return None
    given = {f: getattr(settings, f) for f in _MODEL_FIELDS if getattr(settings, f) is not None}
    if settings.kind == "model":
        return ModelledChannel(Propagation(**given))
    if given:
        raise InputError(f'does not belong to a channel of kind "{settings.kind}"', where=f"channel.{min(given)}")
    gain: FloatArray = arrays["channel.gain"]
    return GainMatrix(gain) if settings.kind == "gain" else CandidateGains(arrays["channel.station"], gain)


# --- writing ----------------------------------------------------------------------------------------------------------


def to_json(problem: Problem, path: Path) -> None:
    """Write an instance as JSON."""
    document = _settings(problem)
    arrays = _arrays(problem)
    channel = document.pop("channel")
    document["users"] = _arrays_to_rows(arrays, "users")
    document["stations"] = _arrays_to_rows(arrays, "stations")
    for field in ("gain", "station"):
        if f"channel.{field}" in arrays:
            channel[field] = arrays.pop(f"channel.{field}").tolist()
    document["channel"] = channel
    for field, array in arrays.items():
        document[field] = _with_nulls(field, array)
    save_json(document, path)


def to_npz(problem: Problem, path: Path) -> None:
    """Write an instance as npz."""
    save_npz(_settings(problem), _arrays(problem), path)


def _with_nulls(field: str, array: npt.NDArray[Any]) -> list[Any]:
    if field == "pair_latency_s":
        return [[None if math.isinf(x) else x for x in row] for row in array.tolist()]
    if field == "previous":
        return [None if k < 0 else k for k in array.tolist()]
    values: list[Any] = array.tolist()
    return values


def _arrays_to_rows(arrays: Arrays, owner: str) -> list[dict[str, Any]]:
    columns: dict[str, list[Any]] = {}
    names = arrays.pop(f"{owner}.names", None)
    if names is not None:
        columns["name"] = names.tolist()
    position = arrays.pop(f"{owner}.position_m", None)
    if position is not None:
        columns["x_m"], columns["y_m"] = position[:, 0].tolist(), position[:, 1].tolist()
    for field in [f for f in arrays if f.startswith(f"{owner}.")]:
        none = {"users.deadline_s": math.inf, "stations.capacity": UNLIMITED}.get(field)
        columns[field.partition(".")[2]] = [None if x == none else x for x in arrays.pop(field).tolist()]
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _arrays(problem: Problem) -> Arrays:
    users, stations, channel = problem.network.users, problem.network.stations, problem.network.channel
    found: dict[str, Any] = {
        "users.data_bits": users.data_bits,
        "users.update_bits": users.update_bits,
        "users.tx_power_w": users.tx_power_w,
        "users.deadline_s": users.deadline_s,
        "users.position_m": users.position_m,
        "users.names": users.names,
        "stations.cpu_hz": stations.cpu_hz,
        "stations.capacity": stations.capacity,
        "stations.position_m": stations.position_m,
        "stations.names": stations.names,
        "station_distance_m": stations.distance_m,
        "channel.gain": getattr(channel, "gain", None),
        "channel.station": getattr(channel, "station", None),
        "demand_hz": problem.demand_hz,
        "pair_latency_s": getattr(problem, "pair_latency_s", None),
        "previous": getattr(problem, "previous", None),
        "servers": getattr(problem, "servers", None),
    }
    return {field: np.asarray(value) for field, value in found.items() if value is not None}


def _settings(problem: Problem) -> dict[str, Any]:
    """Return all but the arrays; short groups first, as a person would read them."""
    network, channel = problem.network, problem.network.channel
    document: dict[str, Any] = {
        "format": schema.INSTANCE_FORMAT,
        "version": schema.VERSION,
        "kind": problem.kind,
        "name": problem.name,
        "sharing": problem.sharing,
        "deadline": problem.deadline,
        "deadline_penalty": problem.deadline_penalty,
        "radio": {"bandwidth_hz": network.bandwidth_hz, "noise_dbm_per_hz": network.noise_dbm_per_hz},
        "compute": {"cycles_per_bit": network.cycles_per_bit},
        "backhaul": {"s_per_bit_m": network.backhaul_s_per_bit_m, "wired_passes": network.wired_passes},
    }
    if network.origin is not None:
        document["origin"] = asdict(network.origin)
    if isinstance(problem, Placement):
        document["objective"] = problem.objective
        document["max_servers"] = problem.max_servers
        document["weights"] = {
            "latency": problem.latency_weight,
            "cost": problem.cost_weight,
            "server_cost": problem.server_cost,
        }
        document["sync"] = {"update_period_s": problem.update_period_s, "weight": problem.sync_weight}
    elif isinstance(problem, Migration):
        document["utility"] = {
            "beta": problem.beta,
            "interaction": problem.interaction,
            "migration_weight": problem.migration_weight,
        }
        if problem.companion_bits > 0:
            document["utility"]["companion_bits"] = problem.companion_bits
    if isinstance(channel, ModelledChannel):
        document["channel"] = {"kind": "model", **asdict(channel.model)}
    elif channel is not None:
        document["channel"] = {"kind": "gain" if isinstance(channel, GainMatrix) else "candidates"}
    else:
        document["channel"] = None
    return document
