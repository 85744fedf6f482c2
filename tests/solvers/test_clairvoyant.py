"""The clairvoyant against brute force over whole traces, the two ends of the migration weight, and its certificate."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from dtopt.channel import GainMatrix
from dtopt.network import BaseStations, Network, Users
from dtopt.problem import Migration
from dtopt.result import Status
from dtopt.scenario import RecordedGains, Scenario
from dtopt.registry import solve
from solvers.clairvoyant import clairvoyant, clairvoyant_bound, judge
from tests.every_path import best_trajectory
from tests.tiny import SHARINGS


def tiny_scenario(seed: int, sharing: str, mode: str = "soft", **changes: object) -> Scenario:
    """Return a trace of 2 to 4 users, 2 or 3 servers and 2 to 4 slots; latencies are of the order of 0.1 to 1 s.

    Moving a twin takes about as long as what a better server saves, deadlines bind some and exclude others, and every
    other trace has capacities, users who come and go, or servers that may not be used.
    """
    rng = np.random.default_rng([seed, 7])
    n, m, slots = int(rng.integers(2, 5)), int(rng.integers(2, 4)), int(rng.integers(2, 5))
    cpu = rng.uniform(8e9, 24e9, m)
    deadline = rng.uniform(0.5, 1.6, n) if mode == "hard" else rng.uniform(0.2, 1.2, n)
    capacity = rng.integers(max(1, -(-n // m)), n + 1, m) if seed % 2 else np.full(m, n)
    network = Network(
        Users(rng.uniform(1e6, 8e6, n), rng.uniform(1e5, 2e6, n), rng.uniform(0.1, 0.3, n), deadline, np.zeros((n, 2))),
        BaseStations(cpu, capacity, rng.uniform(0, 1500, (m, 2))),
        GainMatrix(np.full((n, m), 1e-11)),
        cycles_per_bit=float(rng.uniform(50, 200)),
        backhaul_s_per_bit_m=float(rng.uniform(1e-11, 1e-10)),
    )
    present = np.ones((slots, n), dtype=bool)
    if seed % 3 == 0:
        present = rng.random((slots, n)) < 0.7
        present[:, 0] = True
    base = Migration(
        network,
        previous=np.where(present[0], rng.integers(-1, m, n), -1),
        servers=np.array([0, 1]) if seed % 5 == 0 else None,
        sharing=sharing,  # type: ignore[arg-type]
        demand_hz=rng.uniform(0.15, 0.6, (n, m)) * 0.6 * cpu if sharing == "fixed" else None,
        deadline=mode,  # type: ignore[arg-type]
        deadline_penalty=float(rng.uniform(0.5, 5)),
        beta=float(rng.uniform(0.2, 0.8)),
        interaction="construction" if seed % 4 < 2 else "update",
        migration_weight=float(rng.choice([0.0, 0.3, 1.0, 3.0])),
    )
    return Scenario(
        replace(base, **changes),  # type: ignore[arg-type]
        np.zeros((slots, n, 2)),
        present=present,
        cpu_hz=cpu * rng.uniform(0.6, 1.0, (slots, m)),
        bandwidth_hz=rng.uniform(10e6, 20e6, slots),
        radio=RecordedGains(10.0 ** rng.uniform(-12.5, -10.0, (slots, n, m))),
        name=f"tiny-{seed}",
    )


def against_every_path(seed: int, sharing: str, mode: str) -> str:
    scenario = tiny_scenario(seed, sharing, mode)
    best, path = best_trajectory(scenario)
    exact = clairvoyant(scenario, time_limit=60)
    if path is None:
        assert exact.status is Status.INFEASIBLE
        assert exact.message
        return "infeasible"
    # The oracle is no evaluator: the path that it finds best must be judged so.
    objective, feasible = judge(scenario, path)
    assert feasible
    assert objective.sum() == pytest.approx(best, rel=1e-9)
    slack = 1e-9 * max(abs(best), 1.0)
    assert exact.status is Status.OPTIMAL
    assert exact.utility == pytest.approx(best, rel=2e-6, abs=1e-9)
    assert exact.utility <= best + slack
    assert exact.bound >= best - slack
    bound = clairvoyant_bound(scenario, seed=1)
    assert bound.bound >= best - slack
    assert bound.utility is None or bound.utility <= best + slack
    assert exact.associations is not None
    assert judge(scenario, exact.associations)[0].sum() == exact.utility
    return "moved" if any(objective.size and (a != b).any() for a, b in _kept(scenario, path)) else "stayed"


def _kept(scenario, path):
    """Yield servers before and after, of users who are in both slots."""
    before = scenario.base.previous
    for slot, association in enumerate(path):
        now = scenario.spread(slot, association)
        both = (before >= 0) & (now >= 0)
        yield before[both], now[both]
        before = now


@pytest.mark.parametrize("mode", ["soft", "hard"])
@pytest.mark.parametrize("sharing", SHARINGS)
def test_bound_and_optimum_on_every_tiny_trace(sharing: str, mode: str) -> None:
    """120 traces in all."""
    seen = [against_every_path(seed, sharing, mode) for seed in range(20)]
    assert seen.count("moved") > 2
    assert mode == "soft" or "infeasible" in seen or sharing == "fixed"
