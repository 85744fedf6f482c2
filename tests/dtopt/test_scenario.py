"""Scenarios: processes have their statistics, slots come out the same in any order, users come and go."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ks_2samp

from dtopt.channel import CandidateGains, GainMatrix
from dtopt.errors import InputError
from dtopt.evaluation import evaluate
from dtopt.problem import Migration
from dtopt.propagation import Propagation
from dtopt.scenario import MarkovChain, ModelledRadio, RecordedGains, Scenario, Walk
from dtopt.scenario.processes import gauss_markov
from dtopt.solution import Solution
from dtopt.testing.tiny import tiny_problem

SLOTS, USERS, STATIONS = 9, 5, 3


def small_base(sharing: str = "optimal", users: int = USERS) -> Migration:
    """Return a P2 whose stations have places."""
    base = tiny_problem(3, kind="migration", sharing=sharing, users=users, stations=STATIONS)
    assert isinstance(base, Migration)
    rng = np.random.default_rng(1)
    network = base.network
    stations = replace(network.stations, position_m=rng.uniform(0, 1000, (STATIONS, 2)))
    return replace(base, network=replace(network, stations=stations))


def small_scenario(seed: int = 0, sharing: str = "optimal", **changes: object) -> Scenario:
    """Return a scenario in which everything changes."""
    rng = np.random.default_rng(seed)
    base = small_base(sharing)
    present = rng.random((SLOTS, USERS)) < 0.7
    present[:, 0] = True
    fields: dict[str, object] = {
        "position_m": 500 + np.cumsum(rng.normal(0, 30, (SLOTS, USERS, 2)), axis=0),
        "slot_s": 2.0,
        "present": present,
        "cpu_hz": base.network.stations.cpu_hz * rng.uniform(0.5, 1.0, (SLOTS, STATIONS)),
        "bandwidth_hz": rng.uniform(10e6, 20e6, SLOTS),
        "radio": ModelledRadio((Propagation("uma", fading="rician", shadowing=True, seed=seed),)),
        "name": "small",
    }
    return Scenario(base, **{**fields, **changes})  # type: ignore[arg-type]


# --- processes --------------------------------------------------------------------------------------------------------


def test_a_chain_has_its_transitions_and_long_run_frequencies() -> None:
    chain = MarkovChain(np.array([1.0, 5.0, 7.0]), np.array([[0.5, 0.5, 0.0], [0.1, 0.6, 0.3], [0.2, 0.2, 0.6]]))
    path = chain.sample(np.random.default_rng(0), 400, 500)
    state = np.searchsorted(chain.levels, path)
    pairs = np.zeros((3, 3))
    np.add.at(pairs, (state[:-1].ravel(), state[1:].ravel()), 1.0)
    np.testing.assert_allclose(pairs / pairs.sum(axis=1, keepdims=True), chain.transition, atol=0.01)
    np.testing.assert_allclose(chain.stationary @ chain.transition, chain.stationary, atol=1e-12)
    # It is stationary from the first slot on.
    for slots in (state[:1], state):
        shares = np.bincount(slots.ravel(), minlength=3) / slots.size
        np.testing.assert_allclose(shares, chain.stationary, atol=0.06 if len(slots) == 1 else 0.01)


def test_a_chain_that_falls_apart_has_long_run_frequencies() -> None:
    # The first state is left for good; then there are a class of one state and one of two.
    transition = np.array([[0.2, 0.3, 0.5, 0.0], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 0.5, 0.5], [0.0, 0.0, 0.25, 0.75]])
    chain = MarkovChain(np.arange(4.0), transition)
    np.testing.assert_allclose(chain.stationary, [0.0, 1 / 3, 2 / 9, 4 / 9], rtol=1e-14)
    assert MarkovChain(np.arange(3.0), np.eye(3)).stationary.tolist() == [1 / 3] * 3
    # It goes round and never settles, and yet each state has its part of the time.
    assert MarkovChain(np.arange(3.0), np.roll(np.eye(3), 1, axis=1)).stationary.tolist() == [1 / 3] * 3


@given(st.integers(0, 1000), st.integers(1, 7))
def test_long_run_frequencies_do_not_change_in_a_slot(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    weight = rng.random((count, count)) * (rng.random((count, count)) < 0.4) + 1e-6 * np.eye(count)
    chain = MarkovChain(np.arange(float(count)), weight / weight.sum(axis=1, keepdims=True))
    assert chain.stationary.sum() == pytest.approx(1.0)
    np.testing.assert_allclose(chain.stationary @ chain.transition, chain.stationary, atol=1e-14)


def test_a_chain_of_neighbours_moves_one_level_at_most() -> None:
    chain = MarkovChain.neighbours(np.array([0.5, 0.75, 1.0]), 0.4)
    np.testing.assert_allclose(chain.stationary, 1 / 3)
    path = chain.sample(np.random.default_rng(1), 300, 40)
    step = np.abs(np.diff(path, axis=0))
    assert step.max() == pytest.approx(0.25)
    # The middle level changes with 0.4, the outer ones with 0.2.
    assert (step > 0).mean() == pytest.approx(0.8 / 3, abs=0.02)
    assert np.all(MarkovChain.neighbours(np.array([0.8]), 0.4).sample(np.random.default_rng(0), 4, 2) == 0.8)


@pytest.mark.parametrize(
    ("levels", "transition", "words"),
    [
        ([], np.zeros((0, 0)), "levels: must be a list of at least one number"),
        ([1.0, 2.0], [[1.0]], "transition: has shape 1 x 1, expected 2 x 2"),
        ([1.0, 2.0], [[0.5, 0.5], [0.5, 0.4]], "transition[1]: must sum to 1, sums to 0.9"),
        ([1.0, 2.0], [[1.5, -0.5], [0.5, 0.5]], "transition[0][1]: must be >= 0"),
    ],
)
def test_a_chain_refuses_what_is_no_chain(levels: object, transition: object, words: str) -> None:
    with pytest.raises(InputError) as caught:
        MarkovChain(np.array(levels), np.array(transition))
    assert words in str(caught.value)


def test_gauss_markov_processes_have_the_correlation_of_their_clock() -> None:
    copies, slots = 200_000, 6
    noise = [np.random.default_rng(t).standard_normal(copies) for t in range(slots)]
    # A clock that runs unevenly and stands still between slots 3 and 4.
    clock = np.array([0.0, 0.1, 0.5, 1.2, 1.2, 40.0])
    path = np.array([gauss_markov(t, slots, lambda at: clock[at], lambda at: noise[at]) for t in range(slots)])
    expected = np.exp(-np.abs(clock[:, None] - clock[None, :]))
    np.testing.assert_allclose(np.corrcoef(path), expected, atol=0.01)
    np.testing.assert_allclose(path.mean(axis=1), 0.0, atol=0.01)
    np.testing.assert_allclose(path.std(axis=1), 1.0, atol=0.01)
    assert np.array_equal(path[3], path[4])
    # Markov: what slot 2 adds to slot 3 is independent of slot 0.
    fresh = path[3] - np.exp(-0.7) * path[2]
    assert abs(np.corrcoef(fresh, path[0])[0, 1]) < 0.01


def test_one_and_two_slots() -> None:
    for slots in (1, 2):
        path = [
            gauss_markov(t, slots, lambda at: np.array(at * 0.0), lambda at: np.array([at + 1.0])) for t in range(slots)
        ]
        assert all(value.item() == 1.0 for value in path)


# --- radio ------------------------------------------------------------------------------------------------------------


def gains_db(radio: ModelledRadio, position_m: np.ndarray, slot_s: float = 1.0) -> np.ndarray:
    """Return the gains of all slots to one station at (0, 0), shape (T, N), dB."""
    slots, users, _ = position_m.shape
    step = np.diff(position_m, axis=0, prepend=position_m[:1])
    walk = Walk(position_m, np.hypot(step[..., 0], step[..., 1]).cumsum(axis=0), slot_s)
    channels = (radio.channel(t, np.arange(users), walk, np.zeros((1, 2))) for t in range(slots))
    return np.array([10 * np.log10(channel.gain[:, 0]) for channel in channels])


@pytest.mark.parametrize("path_loss", ["uma", "umi", "simple", "umi-los"])
@pytest.mark.parametrize("fading", ["none", "rician"])
def test_every_slot_is_distributed_as_the_static_model(path_loss: str, fading: str) -> None:
    users = 20_000
    model = Propagation(path_loss, fading=fading, shadowing=True, seed=4)  # type: ignore[arg-type]
    position = np.zeros((3, users, 2))
    position[..., 0] = 120.0
    position[1, :, 1], position[2, :, 1] = 20.0, 40.0
    moving = gains_db(ModelledRadio((model,)), position)
    everyone = np.arange(users)[:, None]
    for slot in range(3):
        distance = np.hypot(position[slot, :, 0], position[slot, :, 1])[:, None]
        static = 10 * np.log10(model.gain(distance, everyone, np.zeros((1, 1), dtype=np.int64))[:, 0])
        # Kolmogorov and Smirnov: equal distributions are farther apart once in a thousand times.
        assert ks_2samp(moving[slot], static).statistic < 1.95 * np.sqrt(2 / users)


def test_shadowing_decorrelates_with_distance_and_not_with_time() -> None:
    users = 20_000
    model = Propagation("simple", shadowing=True, seed=2)
    # On a circle around the station, so that the path loss is the same: 25 m a slot, and two slots of rest.
    angle = np.array([0.0, 0.25, 0.5, 0.5, 0.5])[:, None]
    position = np.stack([100 * np.cos(angle), 100 * np.sin(angle)], axis=-1).repeat(users, axis=1)
    radio = ModelledRadio((model,), shadowing_distance_m=40.0)
    shadow = gains_db(radio, position)
    chord = np.hypot(*(position[1, 0] - position[0, 0]))
    correlation = np.corrcoef(shadow)
    assert correlation[0, 1] == pytest.approx(np.exp(-chord / 40), abs=0.02)
    assert correlation[0, 2] == pytest.approx(np.exp(-2 * chord / 40), abs=0.02)
    assert np.array_equal(shadow[2], shadow[4])
    assert shadow.std() == pytest.approx(8.0, rel=0.02)


def test_fading_is_an_ar1_process_in_time() -> None:
    users, slot_s, coherence_s = 40_000, 2.0, 5.0
    radio = ModelledRadio((Propagation("simple", fading="rayleigh", seed=6),), fading_coherence_s=coherence_s)
    position = np.full((4, users, 2), 80.0)
    power = 10 ** (gains_db(radio, position, slot_s) / 10)
    power /= power.mean()
    # The power of a complex Gaussian amplitude correlates with the square of the amplitude's correlation.
    for lag in (1, 2, 3):
        expected = np.exp(-2 * lag * slot_s / coherence_s)
        assert np.corrcoef(power[0], power[lag])[0, 1] == pytest.approx(expected, abs=0.02)
    assert power.var() == pytest.approx(1.0, rel=0.05)
    new = gains_db(replace(radio, fading_coherence_s=0.0), position, slot_s)
    assert abs(np.corrcoef(new[0], new[1])[0, 1]) < 0.02


def test_sight_is_kept_at_rest_and_lost_on_the_way() -> None:
    users = 4000
    radio = ModelledRadio((Propagation("umi", seed=1),))
    rest = gains_db(radio, np.full((4, users, 2), 60.0))
    assert np.array_equal(rest[0], rest[3])
    angle = np.array([0.0, 0.1, 3.0])[:, None]
    circle = np.stack([80 * np.cos(angle), 80 * np.sin(angle)], axis=-1).repeat(users, axis=1)
    turned = gains_db(radio, circle)
    sight = turned > (turned.min() + turned.max()) / 2
    changed = [(sight[0] != sight[t]).mean() for t in (1, 2)]
    assert 0 < changed[0] < 0.25
    assert changed[0] < changed[1]


def test_candidates_are_the_nearest_stations_with_the_same_gains() -> None:
    full = small_scenario()
    few = small_scenario(radio=replace(full.radio, candidates=2))
    for slot in (0, 4, 8):
        network = few.network(slot)
        channel, whole = network.channel, full.network(slot).channel
        assert isinstance(channel, CandidateGains)
        assert isinstance(whole, GainMatrix)
        assert network.users.position_m is not None
        assert network.stations.position_m is not None
        gap = network.users.position_m[:, None] - network.stations.position_m
        nearest = np.argsort(np.hypot(gap[..., 0], gap[..., 1]), axis=1)[:, :2]
        assert np.array_equal(channel.station, nearest)
        assert np.array_equal(channel.gain, np.take_along_axis(whole.gain, channel.station, axis=1))


def test_kinds_of_cell_have_their_own_model() -> None:
    kind = np.array([0, 1, 0])
    models = (Propagation("uma", seed=1), Propagation("umi", seed=1))
    mixed = small_scenario(radio=ModelledRadio(models, kind))
    alone = [small_scenario(radio=ModelledRadio((model,))) for model in models]
    gains = [scenario.network(3).channel.gain for scenario in (mixed, *alone)]  # type: ignore[union-attr]
    assert np.array_equal(gains[0], np.where(kind == 0, gains[1], gains[2]))


# --- scenarios --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sharing", ["optimal", "equal", "fixed"])
def test_slots_are_the_same_in_any_order(sharing: str) -> None:
    scenario = small_scenario(7, sharing)
    nobody = np.full(USERS, -1)
    forth = [scenario.problem(t, nobody).content_hash for t in range(SLOTS)]
    again = small_scenario(7, sharing)
    assert scenario.content_hash == again.content_hash
    assert [again.problem(t, nobody).content_hash for t in reversed(range(SLOTS))] == forth[::-1]
    assert len(set(forth)) == SLOTS
    other = small_scenario(8, sharing)
    assert other.content_hash != scenario.content_hash
    assert other.problem(3, nobody).content_hash != forth[3]


def test_absent_users_leave_the_others_as_they_are() -> None:
    scenario = small_scenario()
    everyone = small_scenario(present=None)
    for slot in range(SLOTS):
        users = scenario.present_users(slot)
        some, all_ = scenario.network(slot), everyone.network(slot)
        assert np.array_equal(some.channel.gain, all_.channel.gain[users])  # type: ignore[union-attr]
        assert np.array_equal(some.access_rate_bps, all_.access_rate_bps[users])


def test_a_slot_is_the_p2_of_those_present() -> None:
    scenario = small_scenario(2, "fixed")
    base = scenario.base
    previous = base.previous
    for slot in range(SLOTS):
        problem = scenario.problem(slot, None if slot == 0 else previous)
        users = scenario.present_users(slot)
        assert problem.n_users == users.size < USERS + 1
        assert np.array_equal(problem.network.users.data_bits, base.network.users.data_bits[users])
        assert np.array_equal(problem.previous, previous[users])
        assert base.demand_hz is not None
        assert np.array_equal(problem.demand_hz, base.demand_hz[users])  # type: ignore[arg-type]
        assert scenario.cpu_hz is not None
        assert scenario.bandwidth_hz is not None
        assert np.array_equal(problem.network.stations.cpu_hz, scenario.cpu_hz[slot])
        assert problem.network.bandwidth_hz == scenario.bandwidth_hz[slot]
        assert (problem.beta, problem.migration_weight) == (base.beta, base.migration_weight)
        association = np.arange(users.size) % STATIONS
        evaluate(problem, Solution(association))
        previous = scenario.spread(slot, association)
        assert np.array_equal(previous[users], association)
        assert np.all(np.delete(previous, users) == -1)


def test_users_come_and_go_and_come_back_without_a_twin() -> None:
    present = np.ones((SLOTS, USERS), dtype=bool)
    present[2:4, 1] = False
    present[0, 4] = False
    scenario = small_scenario(present=present)
    assert scenario.arrivals(1).tolist() == [4]
    assert scenario.departures(2).tolist() == [1]
    assert scenario.arrivals(4).tolist() == [1]
    assert scenario.departures(3).size == scenario.arrivals(3).size == 0
    previous = scenario.spread(3, np.zeros(USERS - 1, dtype=np.int64))
    problem = scenario.problem(4, previous)
    assert problem.previous.tolist() == [0, -1, 0, 0, 0]
    with pytest.raises(InputError) as caught:
        scenario.problem(4, np.zeros(USERS, dtype=np.int64))
    assert str(caught.value) == (
        "previous[1]: gives a server to user 1, who is absent in slot 3 (-1 stands for no twin)"
    )


def test_what_a_scenario_does_not_say_is_that_of_the_base() -> None:
    base = small_base()
    scenario = Scenario(base, np.zeros((2, USERS, 2)), radio=RecordedGains(np.full((2, USERS, STATIONS), 1e-10)))
    problem = scenario.problem(1, base.previous)
    assert np.array_equal(problem.network.stations.cpu_hz, base.network.stations.cpu_hz)
    assert problem.network.bandwidth_hz == base.network.bandwidth_hz
    assert problem.n_users == USERS
    assert np.all(problem.network.channel.gain == 1e-10)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"position_m": np.zeros((SLOTS, USERS))}, "position_m: has shape 9 x 5, expected slots x 5 x 2"),
        ({"position_m": np.full((SLOTS, USERS, 2), np.nan)}, "position_m[0][0][0]: must be a number"),
        ({"position_m": np.zeros((0, USERS, 2))}, "position_m: has shape 0 x 5 x 2"),
        ({"slot_s": 0.0}, "slot_s: must be > 0"),
        ({"present": np.ones((2, USERS), dtype=bool)}, "present: has shape 2 x 5, expected 9 x 5"),
        ({"present": np.ones((SLOTS, USERS))}, "present: is not an array of true and false"),
        ({"present": np.arange(SLOTS)[:, None] != np.full(USERS, 4)}, "present[4]: nobody is there"),
        ({"cpu_hz": np.zeros((SLOTS, STATIONS))}, "cpu_hz[0][0]: must be > 0"),
        ({"cpu_hz": np.ones(STATIONS)}, "cpu_hz: has shape 3, expected 9 x 3"),
        ({"bandwidth_hz": np.ones(3)}, "bandwidth_hz: has shape 3, expected 9"),
        (
            {"radio": RecordedGains(np.ones((2, USERS, STATIONS)))},
            "radio.gain: has shape 2 x 5 x 3, expected 9 x 5 x 3",
        ),
        ({"radio": ModelledRadio(kind=np.zeros(2, dtype=np.int64))}, "radio.kind: has shape 2, expected 3"),
    ],
)
def test_wrong_scenarios_are_input_errors(changes: dict[str, object], words: str) -> None:
    with pytest.raises(InputError) as caught:
        small_scenario(**changes)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_wrong_questions_are_input_errors() -> None:
    scenario = small_scenario()
    for ask, words in (
        (lambda: scenario.problem(SLOTS), f"slot: must be <= {SLOTS - 1}"),
        (lambda: scenario.problem(-1), "slot: must be >= 0"),
        (lambda: scenario.problem(1), "previous: is missing (give the association of slot 0)"),
        (lambda: scenario.problem(0, np.zeros(2)), "previous: has shape 2, expected 5"),
        (lambda: scenario.problem(0, np.full(USERS, STATIONS)), "previous[0]: must be <= 2"),
        (lambda: scenario.spread(0, np.zeros(USERS + 1)), "association: has shape"),
        (lambda: ModelledRadio(()), "radio.models: must hold at least one model"),
        (lambda: ModelledRadio(kind=np.array([1])), "radio.kind[0]: must be <= 0"),
        (lambda: ModelledRadio(fading_coherence_s=-1.0), "radio.fading_coherence_s: must be >= 0"),
        (lambda: ModelledRadio(sight_distance_m=0.0), "radio.sight_distance_m: must be > 0"),
    ):
        with pytest.raises(InputError) as caught:
            ask()
        assert words in str(caught.value)
