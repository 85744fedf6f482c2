"""The generated presets: same seed same instance, sane shapes, and what each promises."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from dtopt.arrays import UNLIMITED
from dtopt.channel import CandidateGains, GainMatrix, ModelledChannel
from dtopt.errors import InputError
from dtopt.evaluation import evaluate
from dtopt.feasibility import obvious_conflict
from dtopt.generators import generate, preset_names
from dtopt.problem import Migration
from dtopt.solution import Solution
from instances import constants, presets
from instances.reference import reference_association

SMALL = (
    presets.paper,
    presets.tight_capacity,
    presets.tight_deadline,
    presets.costly_servers,
    presets.correlated,
    presets.city,
)
SHARINGS = ("optimal", "equal", "fixed")


@pytest.mark.parametrize("kind", ["placement", "migration"])
@pytest.mark.parametrize("preset", [*SMALL, presets.large])
def test_the_seed_decides_everything(preset: Any, kind: str) -> None:
    options: dict[str, Any] = {"users": 60, "stations": 8, "kind": kind}
    first, again, other = (preset(seed=seed, **options) for seed in (5, 5, 6))
    assert first.content_hash == again.content_hash
    assert first.name == again.name
    assert first.content_hash != other.content_hash
    assert (first.n_users, first.n_stations, first.kind) == (60, 8, kind)
    assert first.name.endswith("60x8-s5")


@pytest.mark.parametrize("kind", ["placement", "migration"])
@pytest.mark.parametrize("sharing", SHARINGS)
@pytest.mark.parametrize("preset", SMALL)
def test_every_preset_is_feasible(preset: Any, sharing: str, kind: str) -> None:
    for seed, users, stations in ((0, 40, 5), (1, 100, 10), (2, 7, 3)):
        problem = preset(seed=seed, users=users, stations=stations, sharing=sharing, kind=kind)
        assert problem.sharing == sharing
        assert obvious_conflict(problem) is None
        # What deadlines were made from keeps them. Tight fixed demands may be found again by no simple rule.
        association = reference_association(problem)
        if association is None:
            assert preset is presets.tight_capacity
            assert sharing == "fixed"
        else:
            assert evaluate(problem, Solution(association)).feasible


def test_the_papers_table_holds() -> None:
    problem = presets.paper(seed=3)
    network = problem.network
    assert (problem.n_users, problem.n_stations) == (100, 10)
    assert (network.bandwidth_hz, network.noise_dbm_per_hz) == (20e6, -174.0)
    assert np.all(network.users.tx_power_w == 0.2)
    assert np.all((network.stations.cpu_hz >= 8e9) & (network.stations.cpu_hz <= 24e9))
    for position in (network.users.position_m, network.stations.position_m):
        assert position is not None
        assert position.min() >= 0
        assert position.max() <= 1500
    assert isinstance(network.channel, ModelledChannel)
    # Loose deadlines: an association by access station alone meets nearly all.
    late = evaluate(problem, Solution(network.access_station)).terms.late_users
    assert late <= 5


def test_users_do_not_change_the_stations() -> None:
    few, many = presets.paper(seed=1, users=80), presets.paper(seed=1, users=100)
    assert np.array_equal(few.network.stations.position_m, many.network.stations.position_m)  # type: ignore[arg-type]
    assert np.array_equal(few.network.stations.cpu_hz, many.network.stations.cpu_hz)


def test_fixed_demands_load_three_quarters_of_the_cpus() -> None:
    problem = presets.paper(seed=0, sharing="fixed")
    assert problem.demand_hz is not None
    load = problem.demand_hz.sum() / problem.network.stations.cpu_hz.sum()
    assert load == pytest.approx(constants.FIXED_LOAD)


@pytest.mark.parametrize("load", [0.99, 0.8, 1.0])
def test_tight_capacity_has_places_for_the_load(load: float) -> None:
    problem = presets.tight_capacity(seed=2, load=load)
    places = int(problem.network.stations.capacity.sum())
    assert places == int(np.floor(100 / load))
    fixed = presets.tight_capacity(seed=2, load=load, sharing="fixed")
    assert fixed.demand_hz is not None
    used = fixed.demand_hz.sum() / fixed.network.stations.cpu_hz.sum()
    assert used == pytest.approx(load)


def test_tight_deadlines_bind() -> None:
    for seed in range(3):
        problem = presets.tight_deadline(seed=seed)
        association = reference_association(problem)
        assert association is not None
        evaluation = evaluate(problem, Solution(association))
        deadline = problem.network.users.deadline_s
        assert evaluation.feasible
        binding = evaluation.deadline_latency_s > deadline * (1 - 1e-6)
        assert binding.sum() >= 15
        # and cost something: the same association is cheaper under the loose deadlines of `paper`.
        loose = presets.paper(seed=seed)
        assert evaluate(loose, Solution(association)).objective < evaluation.objective


def test_costly_servers_are_few() -> None:
    for seed in range(3):
        problem = presets.costly_servers(seed=seed)
        association = reference_association(problem)
        assert association is not None
        assert np.unique(association).size <= 3
        assert np.all(problem.network.stations.capacity == UNLIMITED)


def test_correlated_demand_is_dear_to_avoid() -> None:
    problem = presets.correlated(seed=0)
    assert problem.sharing == "fixed"
    assert problem.demand_hz is not None
    assert problem.demand_hz.shape == (100, 10)
    users, stations = np.arange(100)[:, None], np.arange(10)[None, :]
    latency = problem.transfer_latency(users, stations) + problem.load_cycles[:, None] / problem.demand_hz
    correlation = np.corrcoef(np.log(latency).ravel(), np.log(problem.demand_hz).ravel())[0, 1]
    assert correlation < -0.5
    # An average choice overfills the servers.
    assert problem.demand_hz.mean(axis=1).sum() > problem.network.stations.cpu_hz.sum()
    # Larger twins belong to users near weaker servers.
    users_m, stations_m = problem.network.users.position_m, problem.network.stations.position_m
    assert users_m is not None
    assert stations_m is not None
    near = np.hypot(*(users_m[:, None] - stations_m[None]).transpose(2, 0, 1)).argmin(axis=1)
    weight = np.corrcoef(problem.network.stations.cpu_hz[near], problem.network.users.data_bits)[0, 1]
    assert weight < -0.8


def test_large_is_compact() -> None:
    problem = presets.large(users=5_000, stations=300)
    channel = problem.network.channel
    assert isinstance(channel, CandidateGains)
    assert channel.station.shape == (5_000, constants.RADIO_CANDIDATES)
    assert np.isinf(problem.network.users.deadline_s).all()
    side = constants.AREA_M * np.sqrt(30)
    assert problem.network.stations.position_m.max() <= side  # type: ignore[union-attr]
    # The candidates are the nearest, with the gains of the model.
    model = ModelledChannel(presets.Propagation("uma", constants.CARRIER_GHZ, "rician", seed=0))
    user = np.arange(0, 5_000, 500)[:, None]
    users, stations = problem.network.users, problem.network.stations
    assert np.array_equal(model.pairs(users, stations, user, channel.station[user[:, 0]]), channel.gain[user[:, 0]])


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["placement", "migration"])
def test_large_at_its_default_size(kind: str) -> None:
    problem = presets.large(kind=kind)  # type: ignore[arg-type]
    assert (problem.n_users, problem.n_stations) == (100_000, 1_000)
    channel = problem.network.channel
    assert isinstance(channel, CandidateGains)
    assert channel.gain.size == 100_000 * constants.RADIO_CANDIDATES
    # Whoever stays keeps every limit but, perhaps, the deadlines made after the move.
    if isinstance(problem, Migration):
        broken = {violation.name for violation in evaluate(problem, Solution(problem.previous)).violations}
        assert broken <= {"deadline"}


def test_city_is_one() -> None:
    problem = presets.city(seed=1)
    network = problem.network
    assert isinstance(network.channel, GainMatrix)
    names = network.stations.names
    assert names is not None
    macro = np.array([name.startswith("macro") for name in names])
    assert macro.sum() == 5
    assert network.stations.cpu_hz[~macro].max() <= constants.SMALL_CPU_RANGE_HZ[1]
    assert network.stations.capacity[macro].mean() > network.stations.capacity[~macro].mean()
    position = network.users.position_m
    assert position is not None
    # Everyone is on a street, and the crowd is denser than chance.
    off = np.abs(position / constants.BLOCK_M - np.round(position / constants.BLOCK_M)).min(axis=1)
    assert off.max() < 1e-9
    cells = np.histogram2d(*position.T, bins=6, range=[[0, 1500]] * 2)[0]
    assert cells.var() > 3 * cells.mean()
    assert isinstance(presets.city(users=3_000, stations=100).network.channel, CandidateGains)


def test_migration_follows_a_move() -> None:
    problem = presets.city(seed=0, kind="migration")
    assert isinstance(problem, Migration)
    assert problem.previous.min() >= 0
    assert problem.server_allowed[problem.previous].all()
    assert 1 < problem.max_open < problem.n_stations
    assert np.isfinite(problem.network.users.deadline_s).all()
    association = reference_association(problem)
    assert association is not None
    moved = (association != problem.previous).mean()
    assert 0 < moved < 0.5
    stay = evaluate(problem, Solution(problem.previous)).objective
    assert evaluate(problem, Solution(association)).objective > stay


@pytest.mark.parametrize(
    ("preset", "options", "words"),
    [
        (presets.paper, {"users": 0}, "users: must be >= 1"),
        (presets.paper, {"stations": 2.5}, "stations: is not an array of whole numbers"),
        (presets.paper, {"users": "many"}, "users"),
        (presets.paper, {"kind": "both"}, "kind: unknown value 'both'"),
        (presets.paper, {"sharing": "half"}, "sharing"),
        (presets.paper, {"objective": "fun"}, "objective"),
        (presets.paper, {"path_loss": "hata"}, "channel.path_loss"),
        (presets.paper, {"fading": "some"}, "channel.fading"),
        (presets.paper, {"seed": -1}, "seed"),
        (presets.paper, {"shadowing": "false"}, "shadowing: must be true or false"),
        (presets.tight_capacity, {"load": 0.0}, "load"),
        (presets.tight_capacity, {"load": 1.2}, "load"),
        (presets.tight_capacity, {"load": "x"}, "load"),
        (presets.city, {"stations": 0}, "stations"),
        (presets.large, {"users": -3}, "users"),
    ],
)
def test_wrong_options_are_input_errors(preset: Any, options: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError) as caught:
        preset(**options)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_presets_are_found_by_name() -> None:
    names = {"city", "correlated", "costly-servers", "large", "melbourne", "paper", "tight-capacity", "tight-deadline"}
    assert names <= set(preset_names())
    assert generate("paper", seed=4, users=20).content_hash == presets.paper(seed=4, users=20).content_hash
    with pytest.raises(InputError, match="preset 'city' has no option 'size'"):
        generate("city", size=3)


@pytest.mark.parametrize("preset", [*SMALL, presets.large])
@pytest.mark.parametrize(("users", "stations"), [(1, 1), (3, 1), (1, 4), (12, 9)])
def test_the_smallest_sizes(preset: Any, users: int, stations: int) -> None:
    for sharing in SHARINGS:
        for kind in ("placement", "migration"):
            problem = preset(users=users, stations=stations, sharing=sharing, kind=kind)
            assert obvious_conflict(problem) is None
