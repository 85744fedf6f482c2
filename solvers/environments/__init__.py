"""Environments over P1 and its changing network states, for learned solvers of this project and of others.

`Slots` is the vectorised environment, `PlacementEnv` the Gymnasium one (one agent) and `ParallelPlacementEnv` the
PettingZoo one (an agent for each base station). All three decode and judge actions by the same few functions.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from solvers.environments.parallel import ParallelPlacementEnv
    from solvers.environments.single import PlacementEnv
    from solvers.environments.slots import Slots
    from solvers.environments.states import NetworkStates, PresetStates

_HOME = {
    "NetworkStates": "states",
    "ParallelPlacementEnv": "parallel",
    "PlacementEnv": "single",
    "PresetStates": "states",
    "Slots": "slots",
}

__all__ = ["NetworkStates", "ParallelPlacementEnv", "PlacementEnv", "PresetStates", "Slots"]


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'solvers.environments' has no attribute {name!r}")
    return getattr(import_module(f"solvers.environments.{_HOME[name]}"), name)
