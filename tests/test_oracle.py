"""dtopt against the equations on some tiny instances, and the oracle itself against hand calculation and faults.

The long run is ``python -m tests.oracle``.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

import dtopt
from tests.oracle.check import Checker
from tests.oracle.equations import CLOSE, INF, NO, YES, Oracle, Spec, fill
from tests.oracle.instances import MIGRATIONS, PLACEMENTS, build, generate


def plain(**changes: object) -> Spec:
    """Two users and two stations, 1 m apart, with rates of 2 bit/s and whole numbers throughout."""
    spec = Spec(
        kind="placement",
        sharing="optimal",
        deadline="hard",
        penalty=1.0,
        data=[4.0, 1.0],
        update=[0.0, 0.0],
        power=[1.0, 1.0],
        tau=[INF, INF],
        cpu=[3.0, 6.0],
        capacity=[None, None],
        distance=[[0.0, 1.0], [1.0, 0.0]],
        gain=[[3.0, 0.0], [0.0, 3.0]],
        kappa=1.0,
        phi=0.5,
        bandwidth=1.0,
        noise_dbm=30.0,
        previous=[-1, -1],
        server_cost=0.25,
    )
    return replace(spec, **changes)


def test_hand_calculated_placement() -> None:
    both = Oracle(plain()).outcome((0, 0))
    # Wireless 4/2 and 1/2; wired 0.5 for user 1; shares 2 and 1, so 2 and 1 s of computing.
    assert [member.latency[0] for member in both.members] == pytest.approx([4.0, 2.0])
    # Mean 3, one server at 0.25, energy 2.5.
    assert both.low == both.high == pytest.approx(3 + 0.25 + 2.5)
    apart = Oracle(plain(objective="latency", sharing="equal")).outcome((0, 1))
    assert apart.low == pytest.approx((2 + 4 / 3 + 0.5 + 1 / 6) / 2)


def test_hand_calculated_migration() -> None:
    spec = plain(
        kind="migration", interaction="construction", tau=[5.0, 5.0], previous=[1, -1], passes=2, migration_weight=2.0
    )
    outcome = Oracle(spec).outcome((0, 0))
    # User 0 moves 4 bits by 1 m: 2 s, twice; user 1 has 1 bit on the wire, twice.
    assert [member.latency[0] for member in outcome.members] == pytest.approx([2 + 4 + 2, 0.5 + 1 + 1])
    assert outcome.low == pytest.approx(0.5 * (2.5 - math.exp(-3) - math.exp(2.5)))
    assert outcome.verdict == NO
    assert Oracle(replace(spec, deadline="soft")).outcome((0, 0)).low == pytest.approx(outcome.low + 3)


@pytest.mark.parametrize(
    ("offset", "verdict"), [(0.0, YES), (9e-10, YES), (-9e-10, YES), (2e-9, YES), (-2e-9, NO), (-1e-3, NO)]
)
def test_verdict_beside_a_deadline(offset: float, verdict: int) -> None:
    # User 0 alone on server 0: 2 s + 4/3 s.
    spec = plain(sharing="equal", tau=[(2 + 4 / 3) * (1 + offset), INF])
    assert Oracle(spec).outcome((0, 1)).verdict == verdict


def test_verdict_is_open_where_floors_nearly_fit() -> None:
    # Alone on server 0 user 0 needs the whole CPU; 5e-10 less time is within the tolerance.
    spec = plain(tau=[(2 + 4 / 3) * (1 - 5e-10), INF])
    assert Oracle(spec).outcome((0, 1)).verdict == CLOSE


def test_level_meets_the_optimality_conditions() -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        n = int(rng.integers(1, 7))
        weight, cpu = rng.uniform(0.1, 3, n), 10.0
        floor = rng.dirichlet(np.ones(n)) * cpu * rng.uniform(0, 1) * (rng.random(n) < 0.6)
        level = fill(weight.tolist(), floor.tolist(), cpu)
        shares = np.maximum(floor, level * weight)
        assert shares.sum() == pytest.approx(cpu, rel=1e-12)
        # Moving CPU between two twins that are above their floors gains nothing, in either direction.
        cost = (weight**2 / shares).sum()
        for i in range(n):
            for j in range(n):
                step = min(1e-3, shares[i] - floor[i])
                moved = shares.copy()
                moved[[i, j]] += [-step, step]
                assert i == j or (weight**2 / moved).sum() >= cost * (1 - 1e-12)


def test_instances_take_every_combination_and_can_be_built() -> None:
    seen = set()
    for index in range(len(PLACEMENTS)):
        spec = generate("placement", 1, index)
        build(spec)
        seen.add((spec.sharing, spec.objective, spec.deadline))
    assert len(seen) == 12
    for index in range(len(MIGRATIONS)):
        build(generate("migration", 1, index))
    assert generate("placement", 3, 5) == generate("placement", 3, 5)


def test_faults_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def checks(index: int = 3) -> set[str]:
        return {f.check for f in Checker("placement", 0, index, spec=plain(), solvers=("nearest",)).run()}

    assert checks() == set()
    right = dtopt.evaluate

    def too_cheap(problem, solution):
        judged = right(problem, solution)
        return replace(judged, objective=judged.objective * (1 - 3e-9))

    with monkeypatch.context() as patch:
        patch.setattr(dtopt, "evaluate", too_cheap)
        assert "objective" in checks()
    best = 3.25 + 0.5
    with monkeypatch.context() as patch:
        patch.setattr(dtopt, "dual_bound", lambda problem: best + 9)
        assert checks() == {"bound"}
    with monkeypatch.context() as patch:
        patch.setattr(dtopt, "solve", lambda *_, **__: 1 / 0)
        assert checks() == {"crash"}
    solve = dtopt.solve
    with monkeypatch.context() as patch:
        patch.setattr(dtopt, "solve", lambda *a, **k: replace(solve(*a, **k), status="infeasible"))
        assert checks() == {"claims infeasible"}


@pytest.mark.parametrize(("kind", "count"), [("placement", 60), ("migration", 40)])
def test_dtopt_agrees_with_the_equations(kind: str, count: int) -> None:
    solvers = ("nearest", "greedy", "milp")
    for index in range(count):
        checker = Checker(kind, 7, index, solvers=(solvers[index % 3],), evaluations=12)
        assert checker.run() == [], f"python -m tests.oracle --show {kind}:7:{index}"
