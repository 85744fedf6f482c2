"""`generate` and `generate_scenario`: instances and scenarios by name, found by entry points in installed packages."""

from __future__ import annotations

import inspect
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any

from dtopt.errors import InputError, meant

if TYPE_CHECKING:
    from collections.abc import Callable

    from dtopt.problem import Problem
    from dtopt.scenario import Scenario

__all__ = ["GROUP", "generate", "generate_scenario", "load_preset", "load_scenario_maker", "preset_names"]

#: The entry-point group that presets are found by.
GROUP = "dtopt.presets"
#: The same for what sets a preset in motion; its one entry is ``generate``.
SCENARIO_GROUP = "dtopt.scenarios"


@cache
def _entries() -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group=GROUP)}


def preset_names() -> tuple[str, ...]:
    """Return the names of all presets, without loading any."""
    return tuple(sorted(_entries()))


def load_preset(name: str) -> Callable[..., Problem]:
    """Return the function behind a preset; its keyword arguments are the preset's options.

    Raises
    ------
    InputError
        If there is no such preset.
    """
    entry = _entries().get(name)
    if entry is None:
        raise InputError(
            f"unknown preset {name!r}", mend=f"{meant(name, _entries())}one of {', '.join(preset_names())}"
        )
    preset: Callable[..., Problem] = entry.load()
    return preset


def generate(preset: str, *, seed: int = 0, **options: Any) -> Problem:
    """Return a generated instance; the same preset, seed and options give the same one.

    Parameters
    ----------
    preset : str
        A name from `preset_names`.
    seed : int
    **options
        The preset's own, for example ``users`` and ``stations``.

    Raises
    ------
    InputError
        On an unknown preset or option, or a value out of range.
    """
    function = load_preset(preset)
    known = inspect.signature(function).parameters
    for option in options:
        if option not in known:
            mend = f"{meant(option, known)}it has {', '.join(known)}"
            raise InputError(f"preset {preset!r} has no option {option!r}", mend=mend)
    if seed < 0:
        raise InputError(f"must be >= 0, got {seed}", where="seed")
    return function(seed=seed, **options)


@cache
def load_scenario_maker() -> Callable[..., Scenario]:
    """Return the function behind `generate_scenario`.

    Raises
    ------
    InputError
        If none is installed.
    """
    for entry in entry_points(group=SCENARIO_GROUP):
        if entry.name == "generate":
            maker: Callable[..., Scenario] = entry.load()
            return maker
    raise InputError("no package that makes scenarios is installed", mend="install the package `instances` of dtopt")


def generate_scenario(preset: str = "paper", *, seed: int = 0, slots: int = 100, **options: Any) -> Scenario:
    """Return a preset set in motion; the same preset, seed and options give the same scenario.

    Parameters
    ----------
    preset : str
        A name from `preset_names`.
    seed : int
    slots : int
        T.
    **options
        ``mobility``, ``trace``, ``migration_weight`` and the others of `instances.mobility.generate.generate_scenario`,
        and those of the preset.

    Raises
    ------
    InputError
        On an unknown preset or option, or a value out of range.
    """
    return load_scenario_maker()(preset, seed=seed, slots=slots, **options)
