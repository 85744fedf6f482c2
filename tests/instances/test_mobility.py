"""Mobility: models keep to areas and speeds, and scenarios follow from their seed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from dtopt.channel import CandidateGains
from dtopt.errors import InputError
from dtopt.evaluation import evaluate
from dtopt.io.scenarios import read_scenario, write_scenario
from dtopt.solution import Solution
from instances import constants as scene_constants
from instances.melbourne import STATIONS_FILE
from instances.mobility import constants, generate
from instances.mobility.area import Area
from instances.mobility.generate import generate_scenario
from instances.mobility.models import draw_speeds, gauss_markov, random_waypoint
from instances.mobility.streets import manhattan
from instances.mobility.traces import trace_from_records
from instances.tables import read_points
from tests.instances.test_melbourne import made_up

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from dtopt.arrays import FloatArray
    from dtopt.scenario import Scenario

AREA = Area(-200.0, 100.0, 1300.0, 1000.0)
MODELS = {"random-waypoint": random_waypoint, "gauss-markov": gauss_markov, "manhattan": manhattan}


def walk(model: Callable[..., FloatArray], seed: int = 0, *, slots: int = 150, **options: Any) -> tuple[Any, Any]:
    """Return positions of users of both kinds, and their speeds."""
    rng = np.random.default_rng(seed)
    users = 60
    start = rng.uniform(AREA.low, AREA.high, (users, 2))
    speed = draw_speeds(rng, users)
    return model(rng, start, AREA, speed, slots=slots, slot_s=options.pop("slot_s", 5.0), **options), speed


# --- models -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("slot_s", [0.5, 5.0, 200.0])
@pytest.mark.parametrize("model", MODELS)
def test_models_keep_to_the_area_and_to_speed_limits(model: str, slot_s: float) -> None:
    path, speed = walk(MODELS[model], slot_s=slot_s)
    assert path.shape == (150, 60, 2)
    assert AREA.holds(path).all()
    step = np.hypot(*np.moveaxis(np.diff(path, axis=0), -1, 0))
    assert np.all(step <= speed[:, 1] * slot_s * (1 + 1e-9) + 1e-6)
    # Nobody stands still for good, and walkers are slower than vehicles.
    driving = speed[:, 1] > 5
    assert np.all(step.sum(axis=0) > 0)
    if slot_s < 10:
        assert step[:, driving].mean() > 2 * step[:, ~driving].mean()


@pytest.mark.parametrize("model", MODELS)
def test_models_follow_from_the_seed(model: str) -> None:
    first, again, other = (walk(MODELS[model], seed, slots=20)[0] for seed in (3, 3, 4))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_waypoint_users_go_straight_and_rest() -> None:
    path, speed = walk(random_waypoint, slots=400, slot_s=1.0, longest_pause_s=30.0)
    step = np.diff(path, axis=0)
    length = np.hypot(step[..., 0], step[..., 1])
    assert 0.02 < (length < 1e-9).mean() < 0.5
    # While moving in a straight line, at a speed of one's own.
    both = (length[1:] > 1e-9) & (length[:-1] > 1e-9)
    across = step[1:, :, 0] * step[:-1, :, 1] - step[1:, :, 1] * step[:-1, :, 0]
    turn = np.abs(across) / np.maximum(length[1:] * length[:-1], 1e-300)
    straight = both & (turn < 1e-6)
    assert straight.sum() > 0.95 * both.sum()
    whole = straight[1:] & straight[:-1]
    assert np.all((length[1:-1] >= speed[:, 0] * 0.999) | ~whole)
    without = np.diff(walk(random_waypoint, slots=100, longest_pause_s=0.0)[0], axis=0)
    assert np.all(np.hypot(without[..., 0], without[..., 1]) > 0)


def test_gauss_markov_velocities_have_their_statistics() -> None:
    users, slots, slot_s, memory_s, spread = 3000, 60, 5.0, 20.0, 0.2
    rng = np.random.default_rng(0)
    speed = np.tile([1.0, 100.0], (users, 1))  # a limit that never binds
    wide = Area(-1e7, -1e7, 1e7, 1e7)
    path = gauss_markov(
        rng, np.zeros((users, 2)), wide, speed, slots=slots, slot_s=slot_s, memory_s=memory_s, spread=spread
    )
    velocity = np.diff(path, axis=0) / slot_s
    around = velocity - velocity.mean(axis=0)
    mean = speed.mean(axis=1)[0]
    assert np.hypot(*velocity.mean(axis=0).T).mean() == pytest.approx(mean, rel=0.05)
    # Around the true mean: v(t) - v(t + lag) has variance 2 σ² (1 - a^lag) in each component.
    for lag in (1, 4):
        variance = (velocity[lag:] - velocity[:-lag]).var()
        expected = 2 * (spread * mean) ** 2 * (1 - np.exp(-lag * slot_s / memory_s))
        assert variance == pytest.approx(expected, rel=0.03)
    assert around.std() < spread * mean


def test_street_users_stay_on_streets_and_turn_at_corners() -> None:
    block = scene_constants.BLOCK_M
    path, _ = walk(manhattan, slots=2000, slot_s=1.0)
    off = np.abs(path / block - np.round(path / block)) * block
    assert np.all(off.min(axis=-1) < 1e-6)
    # Headings a step apart: straight on, or 90 degrees; back never, but that a turn takes place within a step.
    step = np.diff(path, axis=0)
    along = np.abs(step[..., 0]) > np.abs(step[..., 1])
    same = along[1:] == along[:-1]
    assert np.all((step[1:] * step[:-1]).sum(axis=-1)[same] > -1e-9)
    corners = len(np.flatnonzero(np.diff(np.floor(path / block + 1e-9), axis=0).any(axis=-1)))
    assert 0.3 * corners < (~same).sum() < 0.8 * corners


def test_streets_without_turns_and_in_the_smallest_grid() -> None:
    rng = np.random.default_rng(0)
    speed = np.full((20, 2), 20.0)
    small = Area(0.0, 0.0, 130.0, 130.0)
    for turn in (0.0, 1.0):
        path = manhattan(rng, np.full((20, 2), 60.0), small, speed, slots=50, slot_s=10.0, turn=turn)
        assert small.holds(path).all()
    with pytest.raises(InputError, match="no two streets 125 m apart fit 130 x 90 m both ways"):
        manhattan(rng, np.zeros((1, 2)), Area(0, 0, 130, 90), speed[:1], slots=2, slot_s=1.0)


def test_empty_area() -> None:
    with pytest.raises(InputError, match="area: is empty"):
        Area(0.0, 0.0, 0.0, 1.0)


def test_the_area_around_points_has_a_margin_where_they_have_no_extent() -> None:
    line = np.array([[0.0, 7.0], [2000.0, 7.0]])
    assert Area.around(line) == Area(0.0, -118.0, 2000.0, 132.0)
    assert Area.around(line[:1], line[:1]) == Area(-125.0, -118.0, 125.0, 132.0)
    assert Area.around(line, np.array([[5.0, 257.0]])) == Area(0.0, 7.0, 2000.0, 257.0)
    assert str(Area.around(line)) == "2000 x 250 m"


# --- scenarios --------------------------------------------------------------------------------------------------------


def small(preset: str = "paper", **options: Any) -> Scenario:
    if preset != "melbourne":
        options = {"stations": 6, **options}
    return generate_scenario(preset, **{"users": 30, "slots": 12, "seed": 3, **options})


@pytest.mark.parametrize("sharing", ["optimal", "equal", "fixed"])
@pytest.mark.parametrize("mobility", [*MODELS, "trace"])
@pytest.mark.parametrize("preset", ["paper", "city"])
def test_scenarios_follow_from_their_seed_and_replay(tmp_path: Path, preset: str, mobility: str, sharing: str) -> None:
    first, again, other = (small(preset, mobility=mobility, sharing=sharing, seed=seed) for seed in (3, 3, 4))
    assert first.content_hash == again.content_hash != other.content_hash
    assert (first.n_slots, first.n_users, first.n_stations) == (12, 30, 6)
    assert first.name == f"{preset}-{mobility}-30x6x12-s3"
    write_scenario(first, tmp_path / "a.npz")
    replayed = read_scenario(tmp_path / "a.npz")
    association = first.base.previous
    for slot in range(first.n_slots):
        problem = first.problem(slot, association)
        assert replayed.problem(slot, association).content_hash == problem.content_hash
        assert problem.sharing == sharing
        # The servers hold every present user, and twins can always stay: arrivals go where there is room.
        room = problem.network.stations.capacity - np.bincount(problem.previous[problem.previous >= 0], minlength=6)
        room[~problem.server_allowed] = -1
        chosen = problem.previous.copy()
        for user in np.flatnonzero(chosen < 0).tolist():
            chosen[user] = room.argmax()
            room[chosen[user]] -= 1
        found = evaluate(problem, Solution(chosen))
        assert {v.constraint for v in found.violations} <= ({"18c"} if sharing == "fixed" else set())
        association = first.spread(slot, chosen)


@pytest.mark.parametrize("mobility", [*MODELS, "trace"])
def test_those_who_stay_where_they_were_fit_under_fixed_sharing(mobility: str) -> None:
    scenario = small(mobility=mobility, sharing="fixed", slots=40, away_s=0.0)
    association = scenario.base.previous
    for slot in range(scenario.n_slots):
        users = scenario.present_users(slot)
        kept = users[association[users] >= 0]
        load = np.bincount(association[kept], weights=scenario.base.demand_hz[kept], minlength=6)  # type: ignore[index]
        assert np.all(load <= scenario.cpu_hz[slot] * (1 + 1e-9))  # type: ignore[index]


def test_users_come_and_go_as_often_as_asked() -> None:
    scenario = small(users=400, slots=300, stay_s=100.0, away_s=50.0)
    present = scenario.present
    assert present is not None
    assert present.mean() == pytest.approx(2 / 3, abs=0.02)
    left = (present[:-1] & ~present[1:]).sum() / present[:-1].sum()
    came = (~present[:-1] & present[1:]).sum() / (~present[:-1]).sum()
    assert left == pytest.approx(-np.expm1(-5 / 100), rel=0.05)
    assert came == pytest.approx(-np.expm1(-5 / 50), rel=0.05)
    assert np.all((scenario.base.previous < 0) == ~present[0])
    always = small(away_s=0.0).present
    assert always is not None
    assert always.all()
    alone = small(users=1, slots=200, stay_s=20.0, away_s=500.0).present
    assert alone is not None
    assert alone.all()


def test_free_cpu_and_band_are_chains_over_their_levels() -> None:
    scenario = small(slots=2000, stations=20, users=5, away_s=0.0)
    assert scenario.cpu_hz is not None
    assert scenario.bandwidth_hz is not None
    part = scenario.cpu_hz / scenario.base.network.stations.cpu_hz
    levels, counts = np.unique(np.round(part, 9), return_counts=True)
    np.testing.assert_allclose(levels, constants.CPU_LEVELS)
    np.testing.assert_allclose(counts / part.size, 0.2, atol=0.03)
    # Half the change from an outer level.
    changed = (np.diff(part, axis=0) != 0).mean()
    assert changed == pytest.approx(constants.CPU_CHANGE * 0.8, rel=0.05)
    assert np.abs(np.diff(part, axis=0)).max() == pytest.approx(0.125)
    band = scenario.bandwidth_hz / scene_constants.BANDWIDTH_HZ
    assert set(np.round(band, 9)) == set(constants.BAND_LEVELS)
    still = small(cpu_levels=(1.0,), band_levels=(0.5,))
    assert np.array_equal(still.cpu_hz[3], still.base.network.stations.cpu_hz)  # type: ignore[index]
    assert np.all(still.bandwidth_hz == 0.5 * scene_constants.BANDWIDTH_HZ)


def test_models_start_where_the_preset_has_its_users() -> None:
    from instances.presets import paper

    scene = paper(seed=3, users=30, stations=6, kind="migration")
    for mobility in ("random-waypoint", "gauss-markov"):
        scenario = small(mobility=mobility, away_s=0.0)  # type: ignore[arg-type]
        assert np.array_equal(scenario.position_m[0], scene.network.users.position_m)  # type: ignore[arg-type]
        assert np.array_equal(scenario.base.previous, scene.previous)  # type: ignore[attr-defined]
    # A city's users are on its streets already, but for the few on the stubs outside of the last corners.
    city = small("city", mobility="manhattan", away_s=0.0)
    start = generate.generate("city", seed=3, users=30, stations=6, kind="migration").network.users.position_m
    assert start is not None
    inside = np.abs(city.position_m[0] - start).max(axis=1) < 1e-6
    assert inside.mean() > 0.8


def test_a_trace_lies_on_the_middle_of_the_stations() -> None:
    scenario = small(mobility="trace", users=80, slots=40)
    station = scenario.base.network.stations.position_m
    assert station is not None
    assert scenario.present is not None
    assert 0.5 < scenario.present.mean() < 1.0
    there = scenario.position_m[scenario.present]
    assert there.min() >= 0.0
    assert there.max() <= scene_constants.AREA_M
    names = scenario.base.network.users.names
    assert names is not None
    assert {name[0] for name in names} == {"v", "p"}


def test_given_traces_and_origins(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    times = np.tile(np.arange(0.0, 21.0, 2.0), 8)
    users = [f"u{i}" for i in range(8) for _ in range(11)]
    metres = rng.uniform(400, 1100, (88, 2))
    trace = trace_from_records("mine", users, times, metres)
    kept = small(mobility="trace", trace=trace, origin="keep", users=8, slots=5, slot_s=4.0)
    at = trace.at(4.0 * np.arange(5))[0]
    assert np.array_equal(kept.position_m, at)
    degrees = trace_from_records("mine", users, times, metres / 111_000.0 + [-37.8, 144.9], degrees=True)
    for origin in ("-37.8,144.9", (-37.8, 144.9), None):
        scenario = small(mobility="trace", trace=degrees, origin=origin, users=8, slots=5, slot_s=4.0)
        assert scenario.n_slots == 5
    path = tmp_path / "t.csv"
    rows = (f"{u},{t:g},{x!r},{y!r}\n" for u, t, (x, y) in zip(users, times, metres.tolist(), strict=True))
    path.write_text("id,time_s,x_m,y_m\n" + "".join(rows))
    same = small(mobility="trace", trace=path, origin="keep", users=8, slots=5, slot_s=4.0)
    assert same.content_hash == kept.content_hash


def test_melbourne_in_motion(tmp_path: Path) -> None:
    made_up(tmp_path)
    for mobility in ("manhattan", "trace"):
        scenario = small("melbourne", mobility=mobility, data=tmp_path, users=60, stations=8)
        assert scenario.n_stations == 8
        assert np.isfinite(scenario.problem(0).transfer_matrix).all()
    # A trace in degrees finds its place among the sites by itself.
    place = np.array([[-37.8150, 144.9600]] * 2)
    trace = trace_from_records("hall", ["a", "a"], [0.0, 60.0], place, degrees=True)
    scenario = small("melbourne", mobility="trace", trace=trace, data=tmp_path, users=1, slots=3)
    expected = read_points(tmp_path / STATIONS_FILE).south_west().to_metres(*place.T)
    np.testing.assert_allclose(scenario.position_m[0], expected[:1])


def test_many_users_have_candidate_stations() -> None:
    scenario = generate_scenario("large", seed=1, users=2000, stations=60, slots=3)
    channel = scenario.network(2).channel
    assert isinstance(channel, CandidateGains)
    assert channel.station.shape[1] == scene_constants.RADIO_CANDIDATES


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"mobility": "teleport"}, "mobility: unknown value 'teleport' (one of random-waypoint,"),
        ({"trace": "a.csv"}, "trace: goes only with a trace"),
        ({"origin": "keep"}, "origin: goes only with a trace"),
        ({"kind": "placement"}, "kind: a scenario is always about migration"),
        ({"slots": 0}, "slots: must be >= 1"),
        ({"seed": -1}, "seed: must be >= 0"),
        ({"slot_s": 0}, "slot_s: must be > 0"),
        ({"vehicles": 1.5}, "vehicles: must be <= 1"),
        ({"stay_s": 0}, "stay_s: must be > 0"),
        ({"cpu_levels": ()}, "cpu_levels: must be a list of at least one number"),
        ({"cpu_levels": (0.0, 1.0)}, "cpu_levels[0]: must be > 0"),
        ({"band_levels": (0.5, 1.5)}, "band_levels: must be <= 1, got 1.5"),
        ({"band_levels": ("x",)}, "band_levels: is not an array of numbers"),
        ({"shadowing": "no"}, "shadowing: must be true or false"),
        ({"fading_coherence_s": -1}, "radio.fading_coherence_s: must be >= 0"),
        ({"deadline": "late"}, "deadline: unknown value 'late'"),
        ({"speed": 3}, "preset 'paper' has no option 'speed'"),
        ({"mobility": "trace", "slots": 1000}, "lasts 598 s, 1000 slots of 5 s need 4995 s (at most 120 slots)"),
        ({"mobility": "trace", "users": 500}, "users in the area within 12 slots, 500 wanted"),
        ({"mobility": "trace", "origin": "1,2"}, "origin: the trace is in metres"),
    ],
)
def test_wrong_options_are_input_errors(options: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError) as caught:
        small(**options)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_wrong_presets_are_input_errors() -> None:
    with pytest.raises(InputError, match="unknown preset 'moon'"):
        generate_scenario("moon")
    degrees = trace_from_records("t", ["a", "a"], [0.0, 99.0], np.array([[1.0, 2.0], [1.0, 2.1]]), degrees=True)
    for origin, words in (("keep", "the trace is in degrees"), ("here", "is no place: 'here'"), ("95,0", "latitude")):
        with pytest.raises(InputError, match=words):
            small(mobility="trace", trace=degrees, origin=origin, users=1)
