"""The schema of instance and solution documents, version 1, as pydantic models."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from dtopt.errors import InputError

__all__ = [
    "INSTANCE_FORMAT",
    "SOLUTION_FORMAT",
    "VERSION",
    "Document",
    "MigrationDocument",
    "PlacementDocument",
    "Settings",
    "SolutionDocument",
    "check",
    "instance_schema",
]

INSTANCE_FORMAT = "dtopt-instance"
SOLUTION_FORMAT = "dtopt-solution"
VERSION = 1
#: What files of each format are, for people who took one for another.
_KINDS = {INSTANCE_FORMAT: "an instance", SOLUTION_FORMAT: "a solution", "dtopt-scenario": "a scenario"}

Model = TypeVar("Model", bound=BaseModel)
Number = Annotated[float, Field(allow_inf_nan=False)]
Numbers = list[Number]
Matrix = list[Numbers]


def _whole(value: object) -> object:
    """Return a float without a fraction, as many programs write whole numbers, as an int; all else as it is."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


#: A whole number: 2 or 2.0, not 2.5, "2" or true.
Whole = Annotated[int, BeforeValidator(_whole)]


class Strict(BaseModel):
    """No unknown fields, no strings for numbers, no NaN."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, frozen=True)


class Radio(Strict):
    """Bandwidth W and noise density N0 of (3)."""

    bandwidth_hz: Number = 20e6
    noise_dbm_per_hz: Number = -174.0


class Compute(Strict):
    """κ."""

    cycles_per_bit: Number = 1.0


class Backhaul(Strict):
    """φ of (5), and how often (10) counts the wired latency."""

    s_per_bit_m: Number = 0.0
    wired_passes: Whole = 1


class Sync(Strict):
    """Δt of (12) and η of (13)."""

    update_period_s: Number = 1.0
    weight: Number = 1.0


class Weights(Strict):
    """α and β of (26), ϕ of (25)."""

    latency: Number = 1.0
    cost: Number = 1.0
    server_cost: Number = 0.0


class Utility(Strict):
    """β of (20) and what T_i(t) is."""

    beta: Number = 0.5
    interaction: str = "update"
    migration_weight: Number = 1.0
    companion_bits: Number = 0.0


class Origin(Strict):
    """Where on earth (0, 0) is, degrees."""

    latitude: Number
    longitude: Number


class User(Strict):
    """One user: D_i, ΔD_i, p_i, τ_i (null for none)."""

    name: str | None = None
    x_m: Number | None = None
    y_m: Number | None = None
    data_bits: Number
    update_bits: Number = 0.0
    tx_power_w: Number
    deadline_s: Number | None = None


class Station(Strict):
    """One base station: F_k, N_k (null for no limit)."""

    name: str | None = None
    x_m: Number | None = None
    y_m: Number | None = None
    cpu_hz: Number
    capacity: Whole | None = None


class ChannelSettings(Strict):
    """A channel without its matrices."""

    kind: Literal["gain", "candidates", "model"]
    path_loss: str | None = None
    carrier_ghz: Number | None = None
    fading: str | None = None
    rician_k_db: Number | None = None
    shadowing: bool | None = None
    seed: Whole | None = None


class Channel(ChannelSettings):
    """A channel: a matrix of gains, candidates with gains, or a propagation model."""

    gain: Matrix | None = None
    station: list[list[Whole]] | None = None


class Settings(Strict):
    """All of an instance but its long lists; the header of an npz file."""

    format: Literal["dtopt-instance"]
    version: Literal[1]
    kind: Literal["placement", "migration"]
    name: str = ""
    sharing: str = "optimal"
    deadline: str = "hard"
    deadline_penalty: Number = 10.0
    radio: Radio = Radio()
    compute: Compute = Compute()
    backhaul: Backhaul = Backhaul()
    origin: Origin | None = None
    channel: ChannelSettings | None = None
    # Placement.
    objective: str | None = None
    max_servers: Whole | None = None
    weights: Weights | None = None
    sync: Sync | None = None
    # Migration.
    utility: Utility | None = None


class Document(Settings):
    """What both kinds of JSON instance hold."""

    channel: Channel | None = None
    users: list[User]
    stations: list[Station]
    station_distance_m: Matrix | None = None
    demand_hz: Numbers | Matrix | None = None


class PlacementDocument(Document):
    """A P1 instance as JSON."""

    kind: Literal["placement"]
    pair_latency_s: list[list[Number | None]] | None = None


class MigrationDocument(Document):
    """A P2 instance as JSON."""

    kind: Literal["migration"]
    previous: list[Whole | None]
    servers: list[Whole] | None = None


class InstanceRef(Strict):
    """Which instance a solution belongs to, as far as the file says so."""

    name: str = ""
    hash: str | None = None


class SolutionSettings(Strict):
    """All of a solution but its lists; files of other programs need none of it."""

    format: Literal["dtopt-solution"] = "dtopt-solution"
    version: Literal[1] = 1
    instance: InstanceRef | None = None
    result: dict[str, Any] | None = None


class SolutionDocument(SolutionSettings):
    """A solution as JSON; null in the association stands for no server."""

    association: list[Whole | None]
    open_servers: list[Whole] | None = None
    cpu_share_hz: Numbers | None = None


def instance_schema() -> dict[str, Any]:
    """Return the JSON schema of instances, for editors and other programs."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"{INSTANCE_FORMAT} version {VERSION}",
        "oneOf": [PlacementDocument.model_json_schema(), MigrationDocument.model_json_schema()],
    }


def check(model: type[Model], document: dict[str, Any], format_name: str) -> Model:
    """Return the document as a model; `format` and `version` may be absent where the model has defaults for them.

    Raises
    ------
    InputError
        For the first fault, naming its place.
    """
    for field, expected in (("format", format_name), ("version", VERSION)):
        if field not in document:
            if model.model_fields[field].is_required():
                raise InputError("is missing", where=field, mend=f"should be {expected!r}")
            continue
        if document[field] != expected or isinstance(document[field], bool):
            given = _KINDS.get(document[field]) if isinstance(document[field], str) else None
            needed = f"this version reads {expected!r}"
            mend = f"this is {given}, {_KINDS[format_name]} is needed" if given and field == "format" else needed
            raise InputError(f"is {_short(document[field])}", where=field, mend=mend)
    try:
        return model.model_validate(document)
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        raise InputError(_explain(fault), where=_path(fault["loc"]) or None) from None


def _path(location: tuple[int | str, ...]) -> str:
    """Return a pydantic location as a path; the names of union branches, which no file has, are left out."""
    text = ""
    for part in location:
        if isinstance(part, int):
            text += f"[{part}]"
        elif not any(c in part for c in "[(") and part not in {"float", "int", "none"}:
            text += f".{part}" if text else part
    return text


def _explain(fault: Any) -> str:
    """Return pydantic's message in the words of the house."""
    kind = fault["type"]
    if kind == "missing":
        return "is missing"
    if kind == "extra_forbidden":
        return "is not a known field"
    message: str = fault["msg"]
    message = message.removeprefix("Input ").removeprefix("should be ").removeprefix("should ")
    return f"should be {message}, got {_short(fault.get('input'))}"


def _short(value: object) -> str:
    text = " ".join(repr(value).split())
    return text if len(text) <= 40 else text[:37] + "..."
