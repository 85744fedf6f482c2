"""Scenario files: an npz archive of plain arrays with a JSON header, read back bit by bit.

The header holds the settings of the base instance as instance files do, the length of a slot and the radio's settings;
arrays of the base instance are named as in instance files, with ``base.`` in front.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from dtopt.errors import InputError
from dtopt.io import instances, schema
from dtopt.io.files import load_npz, save_npz
from dtopt.problem import Migration
from dtopt.propagation import Propagation
from dtopt.scenario import ModelledRadio, RecordedGains, Scenario

if TYPE_CHECKING:
    from os import PathLike

    import numpy.typing as npt

    from dtopt.scenario import Radio

__all__ = ["SCENARIO_FORMAT", "read_scenario", "write_scenario"]

SCENARIO_FORMAT = "dtopt-scenario"
SUFFIX = ".npz"
BASE = "base."

#: Every array of a scenario itself, with the kind of number it is made of.
_ARRAYS = {
    "position_m": "f",
    "present": "b",
    "cpu_hz": "f",
    "bandwidth_hz": "f",
    "radio.kind": "i",
    "radio.gain": "f",
}
_REQUIRED = ("position_m", "present", "cpu_hz", "bandwidth_hz")
_KINDS = {"f": "floating-point numbers", "i": "signed whole numbers", "b": "true and false", "U": "texts"}


class Model(schema.Strict):
    """One `Propagation`."""

    path_loss: str
    carrier_ghz: schema.Number
    fading: str
    rician_k_db: schema.Number
    shadowing: bool
    seed: schema.Whole


class RadioSettings(schema.Strict):
    """A radio without its arrays."""

    kind: Literal["model", "recorded"]
    models: list[Model] | None = None
    candidates: schema.Whole | None = None
    fading_coherence_s: schema.Number | None = None
    shadowing_distance_m: schema.Number | None = None
    sight_distance_m: schema.Number | None = None


class ScenarioSettings(schema.Strict):
    """The header of a scenario file."""

    format: Literal["dtopt-scenario"]
    version: Literal[1]
    name: str = ""
    slot_s: schema.Number
    radio: RadioSettings
    base: dict[str, Any]


def write_scenario(scenario: Scenario, path: str | PathLike[str]) -> None:
    """Write a scenario; an existing file is replaced in one step or not at all.

    Raises
    ------
    InputError
        If the file cannot be written, or is not named ``.npz``.
    """
    path = _checked(path)
    arrays: dict[str, Any] = {BASE + name: array for name, array in instances._arrays(scenario.base).items()}
    arrays["position_m"], arrays["present"] = scenario.position_m, scenario.present
    arrays["cpu_hz"], arrays["bandwidth_hz"] = scenario.cpu_hz, scenario.bandwidth_hz
    radio = scenario.radio
    settings: dict[str, Any]
    if isinstance(radio, RecordedGains):
        settings = {"kind": "recorded"}
        arrays["radio.gain"] = radio.gain
    else:
        settings = {
            "kind": "model",
            "models": [{field: getattr(model, field) for field in Model.model_fields} for model in radio.models],
            "candidates": radio.candidates,
            "fading_coherence_s": radio.fading_coherence_s,
            "shadowing_distance_m": radio.shadowing_distance_m,
            "sight_distance_m": radio.sight_distance_m,
        }
        if radio.kind is not None:
            arrays["radio.kind"] = radio.kind
    header = {
        "format": SCENARIO_FORMAT,
        "version": schema.VERSION,
        "name": scenario.name,
        "slot_s": scenario.slot_s,
        "radio": settings,
        "base": instances._settings(scenario.base),
    }
    save_npz(header, arrays, path)


def read_scenario(path: str | PathLike[str]) -> Scenario:
    """Read a scenario; its problems are those of the one that was written, bit by bit.

    Raises
    ------
    InputError
        If the file cannot be read or is not a valid scenario; the line names file and field.
    """
    path = _checked(path)
    try:
        return _read(path)
    except InputError as error:
        raise error if (error.where or "").startswith(str(path)) else error.within(str(path)) from None


def _checked(path: str | PathLike[str]) -> Path:
    path = Path(path)
    if path.suffix.lower() != SUFFIX:
        raise InputError(f"unknown kind of scenario file {path.suffix!r}", where=str(path), mend=f"name it {SUFFIX}")
    return path


def _read(path: Path) -> Scenario:
    header, arrays = load_npz(path)
    settings = schema.check(ScenarioSettings, header, SCENARIO_FORMAT)
    base_arrays = {name.removeprefix(BASE): arrays.pop(name) for name in list(arrays) if name.startswith(BASE)}
    _check_arrays(arrays, _ARRAYS, _REQUIRED)
    try:
        base = _base(settings.base, base_arrays)
    except InputError as error:
        raise InputError(error.what, where=f"{BASE}{error.where}" if error.where else "base", mend=error.mend) from None
    return Scenario(
        base,
        arrays["position_m"],
        settings.slot_s,
        arrays["present"],
        arrays["cpu_hz"],
        arrays["bandwidth_hz"],
        _radio(settings.radio, arrays),
        settings.name,
    )


def _base(header: dict[str, Any], arrays: dict[str, npt.NDArray[Any]]) -> Migration:
    settings = schema.check(schema.Settings, header, schema.INSTANCE_FORMAT)
    _check_arrays(arrays, instances._NPZ_ARRAYS, instances._REQUIRED)
    problem = instances._build(settings, arrays)
    if not isinstance(problem, Migration):
        raise InputError(f"is {settings.kind!r}", where="kind", mend="a scenario is about migration")
    return problem


def _check_arrays(arrays: dict[str, npt.NDArray[Any]], kinds: dict[str, str], required: tuple[str, ...]) -> None:
    for name, array in arrays.items():
        if name not in kinds:
            raise InputError("is not a known array", where=name)
        if array.dtype.kind != kinds[name]:
            raise InputError(f"has type {array.dtype}, expected {_KINDS[kinds[name]]}", where=name)
    for name in required:
        if name not in arrays:
            raise InputError("is missing", where=name)


def _radio(settings: RadioSettings, arrays: dict[str, npt.NDArray[Any]]) -> Radio:
    given = settings.model_dump(exclude={"kind", "models"}, exclude_none=True)
    wrong = "radio.kind" if settings.kind == "recorded" else "radio.gain"
    if wrong in arrays:
        raise InputError(f'does not belong to a radio of kind "{settings.kind}"', where=wrong)
    if settings.kind == "recorded":
        if given or settings.models is not None:
            where = f"radio.{min(given, default='models')}"
            raise InputError('does not belong to a radio of kind "recorded"', where=where)
        if "radio.gain" not in arrays:
            raise InputError("is missing", where="radio.gain")
        return RecordedGains(arrays["radio.gain"])
    if settings.models is None:
        raise InputError("is missing", where="radio.models")
    models = []
    for i, model in enumerate(settings.models):
        try:
            models.append(Propagation(**model.model_dump()))
        except InputError as error:
            field = (error.where or "").rpartition(".")[2]
            raise InputError(error.what, where=f"radio.models[{i}].{field}", mend=error.mend) from None
    return ModelledRadio(tuple(models), arrays.get("radio.kind"), **given)
