"""Slots that no association can keep: the run goes on, and the slot says what is broken."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import dtopt
from dtopt.arrays import UNLIMITED
from dtopt.evaluation import evaluate
from dtopt.scenario import RecordedGains
from dtopt.simulation import Decision, evaluate_trajectory, policy_names
from dtopt.solution import Solution
from dtopt.testing.moving import moving

if TYPE_CHECKING:
    from pathlib import Path

    from dtopt.scenario import Scenario

LEARNERS = {name for name in policy_names() if name.startswith("drl-")}


def with_places(scenario: Scenario, capacity: list[int], servers: list[int] | None = None) -> Scenario:
    network = scenario.base.network
    network = replace(network, stations=replace(network.stations, capacity=np.array(capacity)))
    return replace(scenario, base=replace(scenario.base, network=network, servers=servers))


def without_coverage(scenario: Scenario, *places: tuple[int, Any]) -> Scenario:
    assert isinstance(scenario.radio, RecordedGains)
    gain = scenario.radio.gain.copy()
    for slot, user in places:
        gain[slot, user] = 0.0
    return replace(scenario, radio=RecordedGains(gain))


@pytest.mark.parametrize("name", policy_names())
@pytest.mark.parametrize("sharing", ["optimal", "equal"])
@pytest.mark.parametrize("mode", ["soft", "hard"])
def test_too_few_places_break_as_little_as_possible(name: str, sharing: str, mode: str) -> None:
    """Six users on three places: three twins too many, wherever they go."""
    limits = [1, 2, 1]
    scenario = with_places(moving(1, users=6, slots=3, sharing=sharing, mode=mode, present=None), limits, [0, 1])
    found = dtopt.simulate(scenario, name)
    assert len(found.slots) == 3
    assert [slot.feasible for slot in found.slots] == [False] * 3
    assert found.summary()["infeasible_slots"] == 3
    assert np.isfinite(found.objective)
    for outcome, association in zip(found.slots, found.associations, strict=True):
        assert "capacity" in outcome.violated.split()
        count = np.bincount(association, minlength=3)
        assert count[2] == 0
        assert np.maximum(count - limits, 0).sum() == 3
    if name not in LEARNERS:
        assert evaluate_trajectory(scenario, found.associations, found.servers).objective == found.objective


def test_re_placement_opens_servers_that_keep_all_users() -> None:
    scenario = with_places(moving(1, users=6, slots=3, present=None), [1, 2, 5], [0, 1])
    found = dtopt.simulate(scenario, "re-placement", every=20)
    assert found.feasible
    assert all(servers is not None and 2 in servers for servers in found.servers)


@pytest.mark.parametrize("name", policy_names())
def test_demands_above_the_cpu_break_the_slot_and_not_the_run(name: str) -> None:
    scenario = moving(2, users=5, slots=3, sharing="fixed", present=None)
    network = scenario.base.network
    # Two of the five demands fit no server, in the second slot only.
    assert scenario.cpu_hz is not None
    low = float(scenario.cpu_hz.min())
    base = replace(scenario.base, demand_hz=np.array([0.1, 0.1, 0.1, 0.8, 0.8]) * low)
    cpu = np.full(scenario.cpu_hz.shape, 2.0 * low)
    cpu[1] = 0.5 * low
    scenario = replace(scenario, base=replace(base, network=network), cpu_hz=cpu)
    found = dtopt.simulate(scenario, name)
    assert [slot.violated for slot in found.slots] == ["", "cpu", ""]
    # Each of the two has a server without another large one.
    assert found.associations[1][3] != found.associations[1][4]


@pytest.mark.parametrize("name", policy_names())
def test_users_without_coverage_are_counted_and_their_twins_stay(name: str) -> None:
    scenario = moving(3, users=5, slots=6, present=None)
    scenario = without_coverage(scenario, (2, 1), (3, 1), (4, slice(None)))
    found = dtopt.simulate(scenario, name)
    assert [slot.uncovered_users for slot in found.slots] == [0, 0, 1, 1, 5, 0]
    assert [slot.violated for slot in found.slots] == ["", "", "coverage", "coverage", "coverage", ""]
    assert [latency.size for latency in found.latency_s] == [5, 5, 4, 4, 0, 5]
    at = np.array(found.associations)
    assert at[1, 1] == at[2, 1] == at[3, 1]
    assert np.array_equal(at[3], at[4])
    # The slot counts for the others, as the evaluator says of them.
    whole = scenario.problem(2, found.associations[1])
    if name not in LEARNERS:
        judged = evaluate(whole, Solution(at[2]))
        alone = found.slots[2]
        assert judged.objective == -np.inf
        assert np.isfinite(alone.objective)
        assert alone.latency_s == pytest.approx(found.latency_s[2].mean())
    assert found.slots[4].objective == 0.0
    assert np.isnan(found.slots[4].latency_s)
    assert found.summary()["uncovered_users"] == 7
    assert np.isfinite(list(found.summary().values())).all()


def test_a_user_who_comes_without_coverage_has_no_twin_yet() -> None:
    present = np.ones((3, 3), dtype=bool)
    present[0, 2] = False
    scenario = without_coverage(moving(4, users=3, slots=3, present=present), (1, 2))
    found = dtopt.simulate(scenario, "stay")
    assert [a[2] for a in found.associations][:2] == [-1, -1]
    assert found.associations[2][2] >= 0
    assert found.slots[2].arrivals == 1
    again = evaluate_trajectory(scenario, found.associations)
    assert [replace(s, decision_s=0.0) for s in again.slots] == [replace(s, decision_s=0.0) for s in found.slots]


def test_twins_of_uncovered_users_keep_their_places() -> None:
    """Two places on each of two servers; where one user has no coverage, the others have three places."""
    scenario = with_places(moving(5, users=4, stations=2, slots=2, present=None), [2, 2])
    scenario = without_coverage(scenario, (1, 0))
    seen = []

    class Watching:
        def decide(self, observation: Any) -> Decision:
            seen.append(observation)
            return Decision(np.array([0, 0, 1, 1])[4 - observation.users.size :])

    found = dtopt.simulate(scenario, Watching())  # type: ignore[arg-type]
    assert seen[1].users.tolist() == [1, 2, 3]
    assert seen[1].problem.network.stations.capacity.tolist() == [1, 2]
    assert seen[1].past.users(1).tolist() == [1, 2, 3]
    assert seen[1].past.problem(1).content_hash == seen[1].problem.content_hash
    assert seen[1].past.network(1).users.count == 3
    assert seen[1].past.record(1).station[0] == -1
    assert np.isfinite(seen[1].past.record(1).position_m).all()
    assert [slot.violated for slot in found.slots] == ["", "coverage"]
    unlimited = with_places(scenario, [UNLIMITED, 1])
    seen.clear()
    dtopt.simulate(unlimited, Watching())  # type: ignore[arg-type]
    assert seen[1].problem.network.stations.capacity.tolist() == [UNLIMITED, 1]


@pytest.mark.parametrize("name", ["stay", "lookahead", "re-placement", "drl-transfer"])
@pytest.mark.parametrize("kept", [2, 3, 4])
def test_such_runs_are_resumed(name: str, kept: int, tmp_path: Path) -> None:
    scenario = with_places(moving(6, users=5, slots=5), [1, 2, 1])
    scenario = without_coverage(scenario, (1, 0), (2, slice(None)), (3, 1))
    path = tmp_path / "run.jsonl"
    whole = dtopt.simulate(scenario, name, journal=path)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[: 1 + kept]))
    again = dtopt.simulate(scenario, name, journal=path, resume=True)
    for one, other in zip(whole.slots, again.slots, strict=True):
        assert repr(replace(one, decision_s=0.0)) == repr(replace(other, decision_s=0.0))
    assert all(np.array_equal(a, b) for a, b in zip(whole.associations, again.associations, strict=True))
