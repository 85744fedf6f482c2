"""The policy protocol, and the registry by entry points."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from dtopt.errors import InputError, meant
from dtopt.registry import load_entry

if TYPE_CHECKING:
    from collections.abc import Callable

    from dtopt.arrays import IntArray
    from dtopt.simulation.observation import Observation

__all__ = ["GROUP", "Decision", "Policy", "PolicyInfo", "load_policy", "make_policy", "policy_info", "policy_names"]

#: The entry-point group that policies are found by, in any installed package.
GROUP = "dtopt.policies"


@dataclass(frozen=True, eq=False)
class Decision:
    """What a policy decides in a slot.

    Parameters
    ----------
    association : ndarray of int, shape (n,)
        The server of each user who is there, in the order of the slot's P2.
    servers : ndarray of int, optional
        The stations that may keep twins from this slot on, at most as many as `Observation.budget`; those of the slot's
        P2 where not given.
    """

    association: IntArray
    servers: IntArray | None = None


class Policy(Protocol):
    """What the class (or function) behind an entry point of the group makes, given its options.

    Two attributes are looked for: ``forecasts``, whether it asks for forecasts, and ``moves_servers``, whether it opens
    other servers than those of the scenario; both are False where missing. Where there is a method
    ``companion_bits(problem)``, it returns what goes with every twin that moves, see `dtopt.problem.Migration`. A
    policy that keeps anything between slots that does not follow from the observation has two more methods:
    ``state()``, which returns it as JSON types, and ``restore(state)``. The simulator saves it with each slot, so that
    a killed run can be resumed.
    """

    forecasts: ClassVar[bool] = False
    moves_servers: ClassVar[bool] = False

    def decide(self, observation: Observation) -> Decision:
        """Return where twins go in this slot; the same observation and state give the same decision."""


@dataclass(frozen=True)
class PolicyInfo:
    """What the registry tells of a policy: name, one line, whether it forecasts or moves servers, where it is from."""

    name: str
    summary: str
    forecasts: bool
    moves_servers: bool
    package: str


@cache
def _entries() -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group=GROUP)}


def policy_names() -> tuple[str, ...]:
    """Return the names of all registered policies, without loading any."""
    return tuple(sorted(_entries()))


def load_policy(name: str) -> Callable[..., Policy]:
    """Return what makes the policy of that name; its keyword arguments are the policy's options.

    Raises
    ------
    UnknownSolverError
        If there is none, or the package behind it cannot be imported.
    """
    factory: Callable[..., Policy] = load_entry(_entries(), name, "policy")
    return factory


def make_policy(name: str, **options: Any) -> Policy:
    """Return a policy.

    Raises
    ------
    UnknownSolverError
        If there is no such policy.
    InputError
        On an option that it has not, or a value out of range.
    """
    factory = load_policy(name)
    known = inspect.signature(factory).parameters
    for option in options:
        if option not in known:
            has = f"{meant(option, known)}it has {', '.join(known)}" if known else "it has none"
            raise InputError(f"policy {name!r} has no option {option!r}", mend=has)
    return factory(**options)


def policy_info(name: str) -> PolicyInfo:
    """Return what a policy is; loads it."""
    factory = load_policy(name)
    entry = _entries()[name]
    return PolicyInfo(
        name,
        (inspect.getdoc(factory) or "").partition("\n")[0],
        bool(getattr(factory, "forecasts", False)),
        bool(getattr(factory, "moves_servers", False)),
        entry.dist.name if entry.dist else "",
    )
