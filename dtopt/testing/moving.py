"""Tiny scenarios whose gains are recorded, so that a test can change the future and leave the past as it is."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from dtopt.evaluation import evaluate
from dtopt.scenario import RecordedGains, Scenario
from dtopt.solution import Solution
from dtopt.testing.tiny import tiny_problem

if TYPE_CHECKING:
    from dtopt.problem import Migration


__all__ = ["best_of_all", "moving", "with_another_future"]


def moving(
    seed: int,
    *,
    users: int = 4,
    stations: int = 3,
    slots: int = 5,
    sharing: str = "optimal",
    deadlines: bool = False,
    mode: str = "soft",
    capacities: bool = False,
    weight: float | None = None,
    **changes: Any,
) -> Scenario:
    """Return a scenario in which everything changes; users come and go."""
    base = tiny_problem(
        seed,
        kind="migration",
        sharing=sharing,
        users=users,
        stations=stations,
        deadlines=deadlines,
        mode=mode,
        capacities=capacities,
    )
    base = cast("Migration", base)
    rng = np.random.default_rng([seed, 77])
    if weight is not None:
        base = replace(base, migration_weight=weight)
    present = rng.random((slots, users)) < 0.8
    present[:, 0] = True
    base = replace(base, previous=np.where(present[0], base.previous, -1))
    fields: dict[str, Any] = {
        "position_m": 700 + np.cumsum(rng.normal(0, 60, (slots, users, 2)), axis=0),
        "slot_s": 2.0,
        "present": present,
        "cpu_hz": base.network.stations.cpu_hz * rng.uniform(0.7, 1.0, (slots, stations)),
        "bandwidth_hz": rng.uniform(10e6, 20e6, slots),
        "radio": RecordedGains(10.0 ** rng.uniform(-12.5, -10.0, (slots, users, stations))),
        "name": f"moving-{seed}",
    }
    return Scenario(base, **{**fields, **changes})


def with_another_future(scenario: Scenario, slot: int) -> Scenario:
    """Return the scenario with everything after a slot changed."""
    rng = np.random.default_rng(slot)
    later = np.arange(scenario.n_slots) > slot
    if not isinstance(scenario.radio, RecordedGains) or scenario.cpu_hz is None or scenario.present is None:
        raise TypeError("only scenarios of `moving` have a future to change")
    gain = scenario.radio.gain.copy()
    gain[later] = 10.0 ** rng.uniform(-12.5, -10.0, gain[later].shape)
    position, cpu, present = scenario.position_m.copy(), scenario.cpu_hz.copy(), scenario.present.copy()
    position[later] += rng.normal(0, 300, position[later].shape)
    cpu[later] *= rng.uniform(0.7, 1.0, cpu[later].shape)
    present[later] = True
    return replace(scenario, radio=RecordedGains(gain), position_m=position, cpu_hz=cpu, present=present)


def best_of_all(scenario: Scenario) -> float:
    """Return the clairvoyant's utility by dynamic programming over all joint associations; −inf if there is none."""
    best: dict[tuple[int, ...], float] = {tuple(scenario.base.previous.tolist()): 0.0}
    for slot in range(scenario.n_slots):
        users = scenario.present_users(slot)
        reached: dict[tuple[int, ...], float] = {}
        for before, value in best.items():
            problem = scenario.problem(slot, np.array(before))
            for choice in itertools.product(np.flatnonzero(problem.server_allowed).tolist(), repeat=users.size):
                judged = evaluate(problem, Solution(np.array(choice)))
                if judged.feasible:
                    after = tuple(scenario.spread(slot, np.array(choice)).tolist())
                    total = value + judged.objective
                    reached[after] = max(total, reached.get(after, -np.inf))
        best = reached
    return max(best.values(), default=-np.inf)
