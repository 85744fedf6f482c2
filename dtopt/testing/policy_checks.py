"""The contract of `dtopt.simulation.Policy` as named checks."""

from __future__ import annotations

import json
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dtopt.simulation import Policy, simulate
from dtopt.simulation.policy import load_policy, make_policy
from dtopt.testing.checks import Check, ensure, run_checks
from dtopt.testing.moving import moving, with_another_future
from dtopt.testing.tiny import SHARINGS

if TYPE_CHECKING:
    from collections.abc import Callable

    from dtopt.scenario import Scenario
    from dtopt.simulation import Trajectory

__all__ = ["check_policy", "policy_checks"]


def check_policy(policy: str | Callable[..., Policy], **options: Any) -> None:
    """Check that an online policy keeps the contract of `dtopt.simulation.Policy`; for authors of plug-ins.

    Parameters
    ----------
    policy : str or callable
        A registered name, or the class or function that makes the policy.
    **options
        Its options.

    Raises
    ------
    CheckFailed
        If a check fails; lists every check that did, with what was seen.

    Examples
    --------
    >>> from dtopt.testing import check_policy
    >>> check_policy("stay")
    """
    name = policy if isinstance(policy, str) else getattr(policy, "__name__", repr(policy))
    run_checks(policy_checks(policy, **options), name)


def policy_checks(policy: str | Callable[..., Policy], **options: Any) -> list[Check]:
    """Return the checks of `check_policy` one by one, for ``pytest.mark.parametrize``."""
    subject = _Subject(policy, options)
    return [Check(check.__name__, partial(check, subject)) for check in CHECKS]


class _Subject:
    def __init__(self, policy: str | Callable[..., Policy], options: dict[str, Any]) -> None:
        self.policy, self.options = policy, options

    @property
    def factory(self) -> Any:
        return load_policy(self.policy) if isinstance(self.policy, str) else self.policy

    def make(self) -> Policy:
        if isinstance(self.policy, str):
            return make_policy(self.policy, **self.options)
        return self.policy(**self.options)

    def run(self, scenario: Scenario, **changes: Any) -> Trajectory:
        return simulate(scenario, self.make(), **changes)


def check_description(subject: _Subject) -> None:
    """It says in one line what it is, and makes an object that decides."""
    first = (subject.factory.__doc__ or "").strip().partition("\n")[0]
    ensure(first.endswith("."), f"the first line of its docstring must be a sentence with a full stop: {first!r}")
    ensure(callable(getattr(subject.make(), "decide", None)), "what it makes has no method decide(observation)")
    for name in ("forecasts", "moves_servers"):
        ensure(isinstance(getattr(subject.factory, name, False), bool), f"{name} must be True or False")


def check_decisions_are_feasible(subject: _Subject) -> None:
    """Every slot is feasible where deadlines are soft and places plenty, under every CPU sharing but ``fixed``."""
    for seed, sharing in enumerate(s for s in SHARINGS if s != "fixed"):
        found = subject.run(moving(seed, sharing=sharing))
        for outcome in found.slots:
            ensure(outcome.feasible, f"{sharing} sharing, moving({seed}), slot {outcome.slot}: infeasible decision")


def check_servers_are_kept(subject: _Subject) -> None:
    """Servers change only where ``moves_servers`` says so."""
    if getattr(subject.factory, "moves_servers", False):
        return
    scenario = moving(4)
    for slot, servers in enumerate(subject.run(scenario).servers):
        ensure(servers is scenario.base.servers, f"slot {slot}: other servers, without moves_servers = True")


def check_same_seed_same_trajectory(subject: _Subject) -> None:
    """Two runs with one seed decide the same."""
    first, second = (subject.run(moving(2), seed=3) for _ in range(2))
    for slot, (one, other) in enumerate(zip(first.associations, second.associations, strict=True)):
        ensure((one == other).all(), f"slot {slot}: two runs with one seed decide differently")


def check_future_is_not_seen(subject: _Subject) -> None:
    """What happens after a slot changes nothing of what was decided up to it."""
    for slot in (1, 2):
        scenario = moving(slot, slots=5)
        usual, other = subject.run(scenario), subject.run(with_another_future(scenario, slot))
        for t in range(slot + 1):
            same = (usual.associations[t] == other.associations[t]).all()
            ensure(same, f"slot {t} is decided otherwise when slots after {slot} change")


def check_resumes_from_its_state(subject: _Subject) -> None:
    """A run that was killed after two slots and resumed decides as one that was not."""
    scenario = moving(6, slots=5)
    whole = subject.run(scenario)
    with tempfile.TemporaryDirectory() as folder:
        journal = Path(folder) / "journal"
        subject.run(scenario, journal=journal, slots=2)
        resumed = subject.run(scenario, journal=journal, resume=True)
    for slot, (one, other) in enumerate(zip(whole.associations, resumed.associations, strict=True)):
        ensure((one == other).all(), f"slot {slot} is decided otherwise after a resume; give it state() and restore()")


def check_state_is_json(subject: _Subject) -> None:
    """``state()``, where there is one, comes with ``restore`` and returns JSON types."""
    policy = subject.make()
    state, restore = getattr(policy, "state", None), getattr(policy, "restore", None)
    ensure((state is None) == (restore is None), "state() and restore(state) go together")
    if state is None or restore is None:
        return
    simulate(moving(1, slots=2), policy)
    try:
        restore(json.loads(json.dumps(state())))
    except (TypeError, ValueError) as error:
        ensure(False, f"state() is not JSON, or restore does not take it back: {error}")


def check_no_global_random_state(subject: _Subject) -> None:
    """Decisions do not depend on the global generators; draw from ``numpy.random.default_rng(observation.seed)``."""
    saved = np.random.get_state()  # noqa: NPY002 - the global state is what is looked at
    try:
        found = []
        for seed in (1, 2):
            np.random.seed(seed)  # noqa: NPY002
            found.append(subject.run(moving(7)).associations)
    finally:
        np.random.set_state(saved)  # noqa: NPY002
    for slot, (one, other) in enumerate(zip(*found, strict=True)):
        ensure((one == other).all(), f"slot {slot} depends on the global random state")


CHECKS: tuple[Callable[[_Subject], None], ...] = (
    check_description,
    check_decisions_are_feasible,
    check_servers_are_kept,
    check_same_seed_same_trajectory,
    check_future_is_not_seen,
    check_resumes_from_its_state,
    check_state_is_json,
    check_no_global_random_state,
)
