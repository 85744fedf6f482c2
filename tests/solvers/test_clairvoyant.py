"""The clairvoyant against brute force over whole traces, the two ends of the migration weight, and its certificate."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from dtopt.channel import GainMatrix
from dtopt.errors import InputError
from dtopt.evaluation import evaluate
from dtopt.network import BaseStations, Network, Users
from dtopt.problem import Migration
from dtopt.result import Status
from dtopt.scenario import RecordedGains, Scenario
from dtopt.solution import Solution
from dtopt.testing.oracle import brute_force
from dtopt.testing.tiny import SHARINGS
from solvers.clairvoyant import clairvoyant, clairvoyant_bound, judge
from tests.every_path import best_trajectory


def tiny_scenario(seed: int, sharing: str, mode: str = "soft", **changes: object) -> Scenario:
    """Return a trace of 2 to 4 users, 2 or 3 servers and 2 to 4 slots; latencies are of the order of 0.1 to 1 s.

    Moving a twin takes about as long as what a better server saves, deadlines bind some and exclude others, and every
    other trace has capacities, users who come and go, or servers that may not be used.
    """
    rng = np.random.default_rng([seed, 7])
    n, m, slots = int(rng.integers(2, 5)), int(rng.integers(2, 4)), int(rng.integers(2, 5))
    cpu = rng.uniform(8e9, 24e9, m)
    deadline = rng.uniform(0.2, 1.2, n)
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
    scenario = Scenario(
        replace(base, **changes),  # type: ignore[arg-type]
        np.zeros((slots, n, 2)),
        present=present,
        cpu_hz=cpu * rng.uniform(0.6, 1.0, (slots, m)),
        bandwidth_hz=rng.uniform(10e6, 20e6, slots),
        radio=RecordedGains(10.0 ** rng.uniform(-12.5, -10.0, (slots, n, m))),
        name=f"tiny-{seed}",
    )
    return with_biting_deadlines(scenario, rng) if mode == "hard" else scenario


def with_biting_deadlines(scenario: Scenario, rng: np.random.Generator) -> Scenario:
    """Return the scenario with deadlines near the longest latency of each user on some random servers, or below."""
    free = replace(scenario, base=replace(scenario.base, deadline="soft"))
    longest, before = np.full(scenario.n_users, 0.01), None
    for slot in range(scenario.n_slots):
        users = scenario.present_users(slot)
        association = rng.integers(0, scenario.n_stations, users.size)
        problem = free.problem(slot, before)
        latency = evaluate(problem, Solution(association)).latency_s
        longest[users] = np.maximum(longest[users], latency)
        before = free.spread(slot, association)
    deadline = longest * rng.uniform(0.9, 1.05, scenario.n_users)
    users = replace(scenario.base.network.users, deadline_s=deadline)
    return replace(scenario, base=replace(scenario.base, network=replace(scenario.base.network, users=users)))


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
    bound = clairvoyant_bound(scenario, seed=1, gap=1.0)
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
    assert seen.count("stayed") > 2
    if mode == "hard":
        free = [replace(s, base=replace(s.base, deadline="soft", deadline_penalty=0.0)) for s in _tiny(sharing, mode)]
        worse = [
            best_trajectory(a)[0] < best_trajectory(b)[0] - 1e-9
            for a, b in zip(_tiny(sharing, mode), free, strict=True)
        ]
        # Deadlines forbid some traces altogether, and the best of others.
        assert 0 < seen.count("infeasible") < sum(worse)


def _tiny(sharing: str, mode: str) -> list[Scenario]:
    return [tiny_scenario(seed, sharing, mode) for seed in range(20)]


@pytest.mark.parametrize("sharing", SHARINGS)
def test_without_a_migration_weight_slots_are_solved_alone(sharing: str) -> None:
    solved = 0
    for seed in range(50, 58):
        scenario = tiny_scenario(seed, sharing, ("soft", "hard")[seed % 2], migration_weight=0.0)
        slots = range(scenario.n_slots)
        alone = [brute_force(scenario.problem(t, np.full(scenario.n_users, -1)))[0] for t in slots]
        result = clairvoyant(scenario)
        if None in alone:
            assert result.status is Status.INFEASIBLE
            continue
        assert result.status is Status.OPTIMAL
        assert result.utility == pytest.approx(sum(alone), rel=2e-6, abs=1e-9)
        solved += 1
    assert solved > 3


@pytest.mark.parametrize("sharing", SHARINGS)
def test_with_a_huge_migration_weight_all_stay(sharing: str) -> None:
    for seed in range(60, 68):
        scenario = tiny_scenario(seed, sharing, migration_weight=1e4)
        # Everyone has a twin, and nobody has to move it: all servers may be used, and have places for all.
        n, m = scenario.n_users, scenario.n_stations
        stations = replace(scenario.base.network.stations, capacity=np.full(m, n))
        previous = np.random.default_rng(seed).integers(0, m, n)
        base = replace(
            scenario.base,
            previous=previous,
            servers=None,
            demand_hz=None if scenario.base.demand_hz is None else 0.3 * scenario.base.demand_hz,
            network=replace(scenario.base.network, stations=stations),
        )
        scenario = replace(scenario, base=base, present=None)
        stay = judge(scenario, [previous] * scenario.n_slots)
        assert stay[1]
        result = clairvoyant(scenario)
        assert result.status is Status.OPTIMAL
        assert result.associations is not None
        assert all((a == previous).all() for a in result.associations)
        assert result.utility == pytest.approx(stay[0].sum(), rel=1e-12)


def test_the_same_seed_gives_the_same_result_and_a_start_is_kept() -> None:
    scenario = tiny_scenario(3, "optimal")
    first, second = (clairvoyant_bound(scenario, seed=5) for _ in range(2))
    assert first.bound == second.bound
    assert first.utility == second.utility
    best = clairvoyant(scenario)
    assert best.associations is not None
    begun = clairvoyant_bound(scenario, start=best.associations, time_limit=0.0)
    assert begun.utility == best.utility
    assert begun.bound >= best.utility
    assert begun.to_dict()["status"] == "time_limit"


def test_who_has_no_server_is_named() -> None:
    scenario = tiny_scenario(2, "equal", "hard")
    users = replace(scenario.base.network.users, deadline_s=np.full(scenario.n_users, 1e-6))
    scenario = replace(scenario, base=replace(scenario.base, network=replace(scenario.base.network, users=users)))
    result = clairvoyant(scenario)
    assert result.status is Status.INFEASIBLE
    assert result.bound == -np.inf
    assert "user 0 in slot 0" in result.message


def test_bad_options_are_refused() -> None:
    scenario = tiny_scenario(2, "equal")
    for options in ({"gap": -1.0}, {"candidates": 0}, {"time_limit": -1.0}, {"start": []}):
        with pytest.raises(InputError):
            clairvoyant_bound(scenario, **options)  # type: ignore[arg-type]
