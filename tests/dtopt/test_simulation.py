"""The simulator: what policies may see, what is kept, and that a killed run goes on as if nothing had been."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import dtopt
from dtopt.errors import InputError, UnknownSolverError
from dtopt.evaluation import evaluate
from dtopt.scenario import RecordedGains
from dtopt.simulation import Decision, Observation, Past, evaluate_trajectory, make_policy, policy_info, policy_names
from dtopt.simulation.forecast import FORECASTS, forecast
from dtopt.simulation.motion import constant_velocity, fitted_motion
from dtopt.solution import Solution
from dtopt.testing.moving import moving, with_another_future


class Recorder:
    """A policy that keeps what it saw, and a state: it moves everyone on by one server in each slot."""

    forecasts = False

    def __init__(self) -> None:
        self.count = 0
        self.seen: list[Observation] = []

    def decide(self, observation: Observation) -> Decision:
        self.seen.append(observation)
        self.count += 1
        return Decision(np.full(observation.users.size, self.count % observation.problem.n_stations))

    def state(self) -> int:
        return self.count

    def restore(self, state: int) -> None:
        self.count = state


def same(first: dtopt.Trajectory, second: dtopt.Trajectory) -> bool:
    """Return whether two trajectories are the same but for times."""
    assert [replace(s, decision_s=0.0) for s in first.slots] == [replace(s, decision_s=0.0) for s in second.slots]
    for one, other in ((first.associations, second.associations), (first.latency_s, second.latency_s)):
        assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))
    servers = zip(first.servers, second.servers, strict=True)
    return all((a is None and b is None) or np.array_equal(a, b) for a, b in servers)  # type: ignore[arg-type]


# --- what a policy sees -----------------------------------------------------------------------------------------------


def test_a_policy_sees_the_slot_and_the_past_and_nothing_later() -> None:
    scenario = moving(1)
    recorder = Recorder()
    found = dtopt.simulate(scenario, recorder, seed=5)
    assert [o.slot for o in recorder.seen] == list(range(scenario.n_slots))
    assert len({o.seed for o in recorder.seen}) == scenario.n_slots
    third = recorder.seen[2]
    before = scenario.problem(2, found.associations[1])
    assert third.problem.content_hash == before.content_hash
    assert np.array_equal(third.past.association(1), found.associations[1])
    assert np.array_equal(third.past.association(-1), scenario.base.previous)
    record = third.past.record(2)
    assert np.array_equal(np.isfinite(record.position_m[:, 0]), scenario.present[2])  # type: ignore[index]
    assert np.array_equal(record.station[third.users], third.problem.network.access_station)
    assert third.past.recent(10).station.shape == (3, scenario.n_users)
    for ask in (
        lambda: third.past.network(3),
        lambda: third.past.record(3),
        lambda: third.past.users(-1),
        lambda: third.past.association(2),
        lambda: third.forecast(2),
    ):
        with pytest.raises(InputError):
            ask()
    with pytest.raises(ValueError, match="read-only"):
        third.past.association(1)[0] = 0


@pytest.mark.parametrize("name", policy_names())
def test_no_policy_is_moved_by_the_future(name: str) -> None:
    for seed in range(3):
        scenario = moving(seed, users=6, slots=6)
        for slot in (0, 3):
            here = dtopt.simulate(scenario, name, slots=slot + 1)
            other = dtopt.simulate(with_another_future(scenario, slot), name, slots=slot + 1)
            assert all(np.array_equal(a, b) for a, b in zip(here.associations, other.associations, strict=True))


def test_the_registry() -> None:
    assert {"stay", "nearest", "greedy-utility", "local-search", "myopic-exact", "lookahead", "re-placement"} <= set(
        policy_names()
    )
    for name in policy_names():
        info = policy_info(name)
        assert info.summary.endswith(".")
        assert info.package == "dtopt"
    assert policy_info("lookahead").forecasts
    assert policy_info("re-placement").moves_servers
    with pytest.raises(UnknownSolverError, match="unknown policy 'x'; there are"):
        make_policy("x")
    with pytest.raises(InputError, match="policy 'lookahead' has no option 'hor'"):
        make_policy("lookahead", hor=3)
    for options, words in (
        ({"horizon": -1}, "horizon: must be >= 0"),
        ({"forecast": "x"}, "unknown forecast 'x'"),
        ({"sweeps": 0}, "sweeps: must be >= 1"),
    ):
        with pytest.raises(InputError, match=words):
            make_policy("lookahead", **options)


@pytest.mark.parametrize(
    ("decision", "words"),
    [
        (Decision(np.zeros(3, dtype=np.int64)), "policy 'Bad', slot 0: association: has shape 3, expected"),
        (Decision(np.full(4, 7)), "association[0]: must be <= 2"),
        (Decision(np.full(4, -1)), "association[0]: must be >= 0"),
        (Decision(np.zeros(4, dtype=np.int64), np.array([0, 1, 2])), "servers: opens 3 servers, 2 may be open"),
    ],
)
def test_decisions_that_are_none_are_told(decision: Decision, words: str) -> None:
    class Bad:
        def decide(self, observation: Observation) -> Decision:
            return decision

    scenario = moving(3, present=None)
    scenario = replace(scenario, base=replace(scenario.base, servers=np.array([0, 1])))
    with pytest.raises(InputError) as caught:
        dtopt.simulate(scenario, Bad())  # type: ignore[arg-type]
    assert words in str(caught.value)


# --- trajectories -----------------------------------------------------------------------------------------------------


def test_a_trajectory_adds_up_what_the_evaluator_says() -> None:
    scenario = moving(4, deadlines=True)
    found = dtopt.simulate(scenario, "greedy-utility")
    before, total, latencies, moves, moved = None, 0.0, [], 0, 0.0
    for slot, outcome in enumerate(found.slots):
        problem = scenario.problem(slot, before)
        users = scenario.present_users(slot)
        association = found.associations[slot][users]
        judged = evaluate(problem, Solution(association))
        assert outcome.objective == judged.objective
        assert outcome.users == users.size
        total += judged.objective
        latencies.append(judged.latency_s)
        changed = (problem.previous >= 0) & (problem.previous != association)
        moves += int(changed.sum())
        moved += float(problem.network.users.data_bits[changed].sum()) / 8
        ordered = np.sort(judged.latency_s)
        assert outcome.latency_p95_s == ordered[int(np.ceil(0.95 * users.size)) - 1]
        before = found.associations[slot]
        assert np.all(np.delete(before, users) == -1)
    figures = found.summary()
    assert found.objective == pytest.approx(total)
    assert figures["migrations"] == moves
    assert figures["moved_bytes"] == pytest.approx(moved)
    everyone = np.sort(np.concatenate(latencies))
    assert figures["latency_s"] == pytest.approx(everyone.mean())
    assert figures["latency_p99_s"] == everyone[int(np.ceil(0.99 * everyone.size)) - 1]
    again = evaluate_trajectory(scenario, found.associations)
    assert again.objective == found.objective
    frame = found.to_frame()
    assert len(frame) == scenario.n_slots
    assert frame["objective"].sum() == pytest.approx(total)
    with pytest.raises(InputError, match="has 6 slots, the scenario has 5"):
        evaluate_trajectory(scenario, (*found.associations, found.associations[-1]))


def test_the_same_seed_gives_the_same_trajectory_and_bad_calls_are_told() -> None:
    scenario = moving(5, users=5)
    for name in policy_names():
        assert same(dtopt.simulate(scenario, name, seed=3), dtopt.simulate(scenario, name, seed=3))
    for call, words in (
        (lambda: dtopt.simulate(scenario, "stay", seed=-1), "seed: must be >= 0"),
        (lambda: dtopt.simulate(scenario, "stay", slots=9), "slots: is 9, the scenario has 5"),
        (lambda: dtopt.simulate(scenario, Recorder(), horizon=3), "options: go with a policy's name"),
    ):
        with pytest.raises(InputError) as caught:
            call()
        assert words in str(caught.value)


def test_ctrl_c_keeps_the_slots_that_are_finished() -> None:
    class Impatient(Recorder):
        def decide(self, observation: Observation) -> Decision:
            if observation.slot == 3:
                raise KeyboardInterrupt
            return super().decide(observation)

    assert len(dtopt.simulate(moving(0), Impatient()).slots) == 3


# --- journals ---------------------------------------------------------------------------------------------------------

KILLED = """
import os, signal, sys
import dtopt
from dtopt.testing.moving import moving
from tests.dtopt.test_simulation import Recorder

def told(outcome):
    if outcome.slot == 2:
        os.kill(os.getpid(), signal.SIGKILL)

policy = Recorder() if sys.argv[1] == "Recorder" else sys.argv[1]
dtopt.simulate(moving(6, users=5), policy, seed=4, journal=sys.argv[2], on_slot=told)
"""


@pytest.mark.parametrize("name", ["local-search", "lookahead", "re-placement", "Recorder"])
def test_a_killed_run_goes_on_as_if_nothing_had_been(name: str, tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    root = Path(__file__).parents[2]
    killed = subprocess.run([sys.executable, "-c", KILLED, name, str(path)], cwd=root, check=False, env={**os.environ})
    assert killed.returncode == -signal.SIGKILL
    assert len(path.read_bytes().splitlines()) == 4
    # As if it had been killed while it wrote.
    with path.open("ab") as stream:
        stream.write(b'{"slot":3,"assoc')
    scenario = moving(6, users=5)

    def policy() -> Any:
        return Recorder() if name == "Recorder" else name

    told: list[int] = []
    resumed = dtopt.simulate(
        scenario, policy(), seed=4, journal=path, resume=True, on_slot=lambda outcome: told.append(outcome.slot)
    )
    assert told == list(range(scenario.n_slots))
    assert same(resumed, dtopt.simulate(scenario, policy(), seed=4))
    # A finished journal is read and not run again.
    assert same(resumed, dtopt.simulate(scenario, policy(), seed=4, journal=path, resume=True))
    assert len(path.read_bytes().splitlines()) == 1 + scenario.n_slots


def test_journals_of_other_runs_and_damaged_ones_are_told(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    scenario = moving(7)
    dtopt.simulate(scenario, "stay", journal=path)
    text = path.read_text()
    first, second, *_ = text.splitlines()

    def words(text: str, name: str = "stay", seed: int = 0, resume: bool = True, of: Any = scenario) -> str:
        path.write_text(text)
        with pytest.raises(InputError) as caught:
            dtopt.simulate(of, name, seed=seed, journal=path, resume=resume)
        assert path.read_text() == text
        return str(caught.value)

    assert "exists already (resume it, or name another file)" in words(text, resume=False)
    assert "line 1: is of another run: its seed differs" in words(text, seed=1)
    assert "its policy differs" in words(text, "nearest")
    assert "its scenario differs" in words(text, of=moving(8))
    assert "line 1: is no journal of a simulation" in words("{}\n" + second + "\n")
    assert "line 2: is not slot 0 of a simulation" in words(first + "\n{}\n")
    assert "line 2: is not valid JSON" in words(first + "\n{]\n" + second + "\n")
    short = json.dumps(json.loads(second) | {"association": [0]})
    assert "slot 0 does not fit the scenario" in words(first + "\n" + short + "\n")
    with pytest.raises(InputError, match="cannot be written"):
        dtopt.simulate(scenario, "stay", journal=tmp_path / "no" / "run.jsonl")


# --- forecasts --------------------------------------------------------------------------------------------------------


def straight(slots: int = 12, users: int = 8) -> Any:
    """Users who go straight on, each served by the station that is nearest."""
    scenario = moving(2, users=users, stations=3, slots=slots, present=None)
    rng = np.random.default_rng(0)
    station = np.array([[0.0, 0.0], [1000.0, 0.0], [0.0, 1000.0]])
    start, step = rng.uniform(300, 700, (users, 2)), rng.uniform(-20, 20, (users, 2))
    position = start + step * np.arange(slots)[:, None, None]
    gap = np.hypot(*np.moveaxis(position[:, :, None] - station, -1, 0))
    network = scenario.base.network
    network = replace(network, stations=replace(network.stations, position_m=station))
    base = replace(scenario.base, network=network)
    return replace(scenario, base=base, position_m=position, radio=RecordedGains(1e-4 / gap**3)), step


def past_of(scenario: Any, slot: int) -> Past:
    return Past(scenario, slot, [np.zeros(scenario.n_users, dtype=np.int64)] * slot)


def test_motion_is_found_where_it_is_there() -> None:
    scenario, step = straight()
    past = past_of(scenario, 7)
    truth = scenario.position_m[8:11]
    np.testing.assert_allclose(constant_velocity(past, 3)[:, :, 0], truth)
    fitted = fitted_motion(past, 3)
    # The middle of the places, which lie around where the user is expected; all went straight, so there is no doubt.
    np.testing.assert_allclose(fitted[:, :, 0], truth, atol=0.2 * np.abs(step).max())
    assert fitted_motion(past_of(scenario, 0), 2).shape == fitted[:2].shape
    # Users who turn back each slot are not expected to go on.
    back = scenario.position_m.copy()
    back[1::2] = back[0] + step
    back[0::2] = back[0]
    turning = fitted_motion(past_of(replace(scenario, position_m=back), 7), 2)
    assert np.abs(turning[1].mean(axis=1) - back[9]).max() < 0.5 * np.abs(step).max()


@pytest.mark.parametrize("kind", FORECASTS)
def test_forecasts_are_distributions_over_stations(kind: str) -> None:
    scenario, _ = straight()
    for slot in (0, 1, 7):
        past = past_of(scenario, slot)
        found = forecast(scenario, past, kind, 4)
        n = past.users(slot).size
        assert found.station.shape[:2] == found.rate_bps.shape == (4, n)
        assert found.station.min() >= 0
        assert found.station.max() < scenario.n_stations
        np.testing.assert_allclose(found.weight.sum(axis=2), 1.0)
        assert np.all(found.rate_bps > 0)
        assert found.cpu_hz.shape == (4, scenario.n_stations)
        assert np.all((found.stays > 0) & (found.stays <= 1))
        distance = scenario.base.network.station_distance(np.arange(3)[:, None], np.arange(3)[None, :])
        assert found.distance_m(0, distance).shape == (n, 3)
    with pytest.raises(InputError, match="unknown forecast 'x'"):
        forecast(scenario, past, "x", 1)
    with pytest.raises(InputError, match="horizon: must be >= 0"):
        forecast(scenario, past, kind, -1)


def test_a_perfect_forecast_is_the_truth_and_the_others_come_near() -> None:
    scenario, _ = straight(slots=40)
    past = past_of(scenario, 30)
    truth = forecast(scenario, past, "perfect", 3)
    for h in range(3):
        network = scenario.network(31 + h)
        assert np.array_equal(truth.station[h, :, 0], network.access_station)
        assert np.array_equal(truth.rate_bps[h], network.access_rate_bps)
    hits = {}
    for kind in ("persistence", "constant-velocity", "fitted-motion"):
        found = forecast(scenario, past, kind, 3)
        hits[kind] = float((found.weight * (found.station == truth.station)).sum(axis=2).mean())
    assert min(hits.values()) > 0.5
    assert max(hits["constant-velocity"], hits["fitted-motion"]) >= hits["persistence"]
    # Beyond the last slot nobody is there.
    assert np.all(forecast(scenario, past_of(scenario, 38), "perfect", 3).stays[1:] == 0)
