"""Recipes: what makes an instance again, as plain JSON types.

=========================================================================================  ============================
``{"preset": "paper", "options": {"users": 80}, "seed": 1}``                                 `dtopt.generate`
``{"scenario": "city", "options": {"slots": 60}, "seed": 1, "slot": 40}``                    the P2 of a slot, see below
``{"path": "mine.json"}``; also ``"format"`` (``gap`` or ``gap-max``) and ``"index"``        a file
=========================================================================================  ============================

The P2 of a slot needs the association before it: twins are where they were before the first slot, as if none had been
moved since. The later the slot, the further users are from their twins.
"""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dtopt.errors import InputError
from dtopt.generators import generate, generate_scenario, load_preset

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dtopt.problem import Problem

__all__ = ["checked", "needs_data", "problem_of"]


def problem_of(recipe: Mapping[str, Any], *, data: str | None = None) -> Problem:
    """Return the problem of a recipe.

    Parameters
    ----------
    recipe : mapping
    data : str, optional
        Folder with real data, for presets that read some and where the recipe names none.

    Raises
    ------
    InputError
        If the recipe is none, its preset or file is not there, or the data it reads is not.
    """
    given = dict(recipe)
    try:
        if "path" in given:
            return _from_file(Path(given["path"]), given.get("format", "auto"), int(given.get("index", 0)))
        options, seed = dict(given["options"]), int(given["seed"])
        preset = str(given["scenario"] if "scenario" in given else given["preset"])
        if data is not None and "data" not in options and needs_data(recipe):
            options["data"] = data
        if "scenario" in given:
            return _of_slot(preset, seed, int(given["slot"]), options)
        return generate(preset, seed=seed, **options)
    except (KeyError, TypeError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"is no recipe of an instance: {error}", where="recipe") from None


def checked(recipe: Mapping[str, Any], content_hash: str, *, data: str | None = None) -> Problem:
    """Return the problem of a recipe after making sure that it is the one it was.

    Raises
    ------
    InputError
        As `problem_of`; or if it is another.
    """
    problem = problem_of(recipe, data=data)
    if problem.content_hash != content_hash:
        raise InputError(
            f"makes an instance with hash {problem.content_hash[:12]}... here, not {content_hash[:12]}...",
            where="recipe",
            mend="the data or the version of dtopt differs",
        )
    return problem


def needs_data(recipe: Mapping[str, Any]) -> bool:
    """Return whether a recipe is over real data that the user has to bring."""
    preset = recipe.get("scenario", recipe.get("preset"))
    return preset is not None and "data" in inspect.signature(load_preset(str(preset))).parameters


def _from_file(path: Path, form: str, index: int) -> Problem:
    if form != "auto":
        from instances.gap import read_gaps

        problems = read_gaps(path, maximise=form == "gap-max")
        if index >= len(problems):
            raise InputError(f"holds {len(problems)} problems, there is no {index}", where=str(path))
        return problems[index]
    from dtopt.io import read

    return read(path)


def _of_slot(preset: str, seed: int, slot: int, options: dict[str, Any]) -> Problem:
    scenario = generate_scenario(preset, seed=seed, **options)
    if slot == 0:
        return scenario.problem(0)
    # Who was absent in the slot before has no twin.
    there = scenario.present_users(slot - 1)
    previous = np.full(scenario.n_users, -1, dtype=np.int64)
    previous[there] = scenario.base.previous[there]
    return scenario.problem(slot, previous)
