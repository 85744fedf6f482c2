"""The dual of P2 against brute force, its kernel against its reference, and what it proves of single decisions."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest

from dtopt._core import AscentParams, Cancellation, UtilitySegments
from dtopt.bounds import _utility_alone, dual_bound
from dtopt.evaluation import evaluate
from dtopt.run import Run
from dtopt.solution import Solution
from dtopt.testing.oracle import brute_force
from dtopt.testing.tiny import SHARINGS, tiny_problem
from dtopt.utility_dual import UtilityDual
from dtopt.utility_segments import ServerUtility
from solvers.local_search.utility import improve, view_of
from tests.dtopt import utility_reference as reference
from tests.samples import sample

WEIGHTS = (0.0, 1.0, 10.0)


def migrations(sharing, first, count):
    """Problems of every kind of deadline, with and without capacities, that move twins at no, some or much cost."""
    for seed, problem in enumerate(sample("migration", sharing, "latency", first, count)):
        yield replace(problem, migration_weight=WEIGHTS[(seed // 7) % 3])


def constant(problem):
    return -(1.0 - problem.beta) * problem.energy_j.sum()


def every_association(problem):
    """All feasible associations with their utility, without its constant part."""
    for association in itertools.product(range(problem.n_stations), repeat=problem.n_users):
        judged = evaluate(problem, Solution(np.array(association)))
        if judged.feasible:
            yield np.array(association), judged.objective - constant(problem)


def usable(problem):
    return bool(problem.allowed_matrix.any(axis=1).all())


@pytest.mark.slow
@pytest.mark.parametrize("sharing", SHARINGS)
def test_the_bound_holds_and_is_near(sharing):
    gaps = []
    for problem in migrations(sharing, 0, 24):
        best = brute_force(problem)[0]
        if best is None:
            continue
        bound = dual_bound(problem)
        assert best <= bound <= _utility_alone(problem) + 1e-9 * (1 + abs(best))
        gaps.append((bound - best) / abs(best))
    assert len(gaps) > 10
    assert np.median(gaps) < 2e-2


@pytest.mark.parametrize("sharing", SHARINGS)
def test_any_prices_and_any_segments_give_a_bound(sharing):
    rng = np.random.default_rng(1)
    tried = 0
    for problem in migrations(sharing, 100, 24):
        best = brute_force(problem)[0]
        if best is None:
            continue
        dual = UtilityDual.of(ServerUtility.of(problem))
        for _ in range(6):
            tried += 1
            prices = dual.first_prices() * rng.choice([0.0, 0.5, 1.0, 2.0], dual.first_prices().size)
            prices[problem.n_users :] += rng.exponential(0.1, prices.size - problem.n_users)
            value = dual.value(prices) + constant(problem)
            assert value >= best - 1e-9 * abs(best)
            dual, prices = dual.finer(prices, 1e-3)
            assert dual.value(prices) + constant(problem) >= best - 1e-9 * abs(best)
            huge = prices.copy()
            huge[: problem.n_users] += 1e9
            assert dual.value(huge) + constant(problem) >= best
            assert dual.value(dual.settled(prices)) <= dual.value(prices) * (1 + 1e-12)
    assert tried > 50


@pytest.mark.parametrize("sharing", SHARINGS)
def test_what_the_dual_proves_of_single_decisions_holds(sharing):
    """No association with a user on a server, or a server at a level, is worth more than what is proven of it."""
    tried = 0
    for problem in migrations(sharing, 200, 24):
        if not usable(problem):
            continue
        dual = UtilityDual.of(ServerUtility.of(problem))
        _, prices = dual.ascend(temperatures=(0.03, 0.003))
        segment, user = dual.segment_bounds(prices), dual.user_bounds(prices)
        for association, value in every_association(problem):
            for k in np.unique(association).tolist():
                mine = dual.segments.server == k
                here = np.flatnonzero(association == k)
                assert segment[mine].max() >= value - 1e-9
                assert (user[mine][:, here].max(axis=0) >= value - 1e-9).all()
                tried += 1
    assert tried > 500


def test_the_smoothed_dual_lies_above_and_its_gradient_is_right():
    for sharing in SHARINGS:
        problem = tiny_problem(4, kind="migration", sharing=sharing, users=5, stations=3, capacities=True)
        dual = UtilityDual.of(ServerUtility.of(problem))
        prices = dual.first_prices() * 1.01
        temperature = 0.02
        value, slope = dual.smoothed(prices, temperature)
        assert value >= dual.value(prices) * (1 - 1e-12)
        for i in range(prices.size):
            step = 1e-4 * dual._units()[i] * np.eye(prices.size)[i]
            up, down = (dual.smoothed(prices + d * step, temperature)[0] for d in (1, -1))
            assert slope[i] == pytest.approx((up - down) / (2 * step[i]), rel=1e-4, abs=1e-6)


@pytest.mark.parametrize("sharing", SHARINGS)
def test_the_kernels_equal_their_reference(sharing):
    rng = np.random.default_rng(2)
    tried = 0
    for problem in migrations(sharing, 300, 24):
        if not usable(problem):
            continue
        dual = UtilityDual.of(ServerUtility.of(problem))
        for _ in range(5):
            tried += 1
            prices = dual.first_prices() * rng.uniform(0.5, 1.5, dual.first_prices().size)
            temperature = 10.0 ** rng.uniform(-3, -1)
            value, slope = reference.smoothed(dual, prices, temperature)
            compiled_value, compiled_slope = dual.smoothed(prices, temperature)
            assert compiled_value == pytest.approx(value, rel=1e-9, abs=1e-12)
            assert compiled_slope == pytest.approx(slope, rel=1e-7, abs=1e-9)
            once, twice = reference.settled(dual, prices), dual.settled(prices)
            assert dual.value(twice) == pytest.approx(dual.value(once), rel=1e-9)
    assert tried > 50


def test_the_core_refuses_what_does_not_fit_together():
    dual = UtilityDual.of(ServerUtility.of(tiny_problem(4, kind="migration", users=5, stations=3)))
    core, prices = dual.core, dual.first_prices()
    fields = {"worth": dual.worth, "weight": dual.weight, "level": dual.level, "places": dual.places}
    whole = {**fields, "starts": dual.starts}
    UtilitySegments(**whole)
    bad_weight = dual.weight.copy()
    bad_weight[0, 0, 0] = np.nan
    for name, wrong in (
        ("worth", dual.worth[:-1].copy()),
        ("weight", bad_weight),
        ("level", dual.level[:, :1].copy()),
        ("places", dual.places[1:].copy()),
        ("starts", dual.starts[::-1].copy()),
        ("starts", np.repeat(dual.starts, 2)),
    ):
        with pytest.raises(ValueError, match=r"must|NaN"):
            UtilitySegments(**(whole | {name: wrong}))
    for name, wrong in (
        ("worth", dual.worth.astype(np.float32)),
        ("worth", dual.worth[:, :, ::2]),
        ("starts", dual.starts.astype(np.int32)),
    ):
        with pytest.raises(TypeError):
            UtilitySegments(**(whole | {name: wrong}))
    unit = dual._units()
    load = unit[5 : 5 + dual.places.size].copy()
    with pytest.raises(ValueError, match="prices"):
        core.smoothed(prices[1:].copy(), 0.1)
    with pytest.raises(ValueError, match="NaN"):
        core.smoothed(np.full(prices.size, np.nan), 0.1)
    with pytest.raises(ValueError, match="temperature"):
        core.smoothed(prices, 0.0)
    with pytest.raises(TypeError):
        core.smoothed(prices[::-1], 0.1)
    with pytest.raises(ValueError, match="unit"):
        core.settled(prices, 0.0 * load, 3)
    descent = {
        "prices": prices,
        "kept": np.ones(dual.places.size, dtype=bool),
        "temperature": 0.1,
        "unit": unit,
        "fixed": np.zeros(prices.size, dtype=bool),
        "scale": 1.0,
        "params": AscentParams(),
        "cancellation": Cancellation(),
    }
    core.descend(**descent)
    for name, wrong in (
        ("kept", np.zeros(dual.places.size, dtype=bool)),
        ("kept", np.ones(1, dtype=bool)),
        ("unit", unit[1:].copy()),
        ("scale", 0.0),
        ("temperature", np.nan),
    ):
        with pytest.raises(ValueError, match="must"):
            core.descend(**(descent | {name: wrong}))


def test_an_ascent_lowers_the_bound_and_ends_when_it_is_to():
    problem = tiny_problem(5, kind="migration", users=40, stations=4)
    dual = UtilityDual.of(ServerUtility.of(problem))
    first = dual.value(dual.settled(dual.first_prices()))
    value, prices = dual.ascend()
    assert value == dual.value(prices) < first
    again, same = UtilityDual.of(ServerUtility.of(problem)).ascend()
    assert again == value
    np.testing.assert_array_equal(same, prices)
    with Run(problem, "none", time_limit=0.0):
        assert dual.ascend()[0] == pytest.approx(first)
    assert dual.ascend(stop=lambda: True)[0] == pytest.approx(first)


@pytest.mark.parametrize("sharing", SHARINGS)
def test_local_search_values_as_the_evaluator_does(sharing):
    rng = np.random.default_rng(3)
    seen = {True: 0, False: 0}
    for problem in migrations(sharing, 400, 36):
        view = view_of(ServerUtility.of(problem))
        for _ in range(10):
            association = rng.integers(0, problem.n_stations, problem.n_users)
            judged = evaluate(problem, Solution(association))
            value = view.value(association)
            assert np.isfinite(value) == judged.feasible
            seen[judged.feasible] += 1
            if judged.feasible:
                assert value + constant(problem) == pytest.approx(judged.objective, rel=1e-9, abs=1e-9)
                better = evaluate(problem, Solution(improve(view, association, 3, 0)))
                assert better.feasible
                assert better.objective >= judged.objective - 1e-9
    assert min(seen.values()) > 10


def test_an_instance_of_many_users_is_nearly_closed():
    from dtopt.registry import solve

    for sharing in ("optimal", "equal"):
        problem = tiny_problem(0, kind="migration", sharing=sharing, users=60, stations=5)
        best, bound = solve(problem, "greedy").objective, dual_bound(problem)
        assert best <= bound <= best + 0.02 * abs(best)


def test_a_bound_for_more_pairs_than_matrices_are_made_for(monkeypatch):
    problem = tiny_problem(2, kind="migration", users=5, stations=3)
    dense = _utility_alone(problem)
    monkeypatch.setattr("dtopt.channel.BLOCK_PAIRS", 4)
    monkeypatch.setattr("dtopt.utility_dual.MOST_PAIRS", 3)
    assert dual_bound(problem) == pytest.approx(dense, rel=1e-9)
    assert brute_force(problem)[0] <= dual_bound(problem)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("sharing", SHARINGS)
def test_a_station_without_cpu_to_speak_of_does_not_matter(sharing):
    """Found by fuzzing: what it takes to compute there is infinite, and where nobody can be, there must be no NaN."""
    problem = tiny_problem(3, kind="migration", sharing=sharing, users=5, stations=3)
    cpu, capacity = problem.network.stations.cpu_hz.copy(), problem.network.stations.capacity.copy()
    cpu[1], capacity[1] = 1e-320, 0
    stations = replace(problem.network.stations, cpu_hz=cpu, capacity=capacity)
    problem = replace(problem, network=replace(problem.network, stations=stations))
    best, bound = brute_force(problem)[0], dual_bound(problem)
    assert best is not None
    assert best <= bound <= _utility_alone(problem) + 1e-9 * (1 + abs(best))
