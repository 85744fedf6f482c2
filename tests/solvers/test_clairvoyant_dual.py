"""The dual over time: any prices give a bound, kernels equal their reference, paths and subsets are the best."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest

from dtopt._core import Cancellation
from dtopt.testing.tiny import SHARINGS
from instances.mobility.generate import generate_scenario
from solvers._core import CellPrices, SlotDual, SlotDualParams, SlotPaths, SlotPrices, SlotView, slot_rounded
from solvers.clairvoyant import clairvoyant_bound, judge
from solvers.clairvoyant.expansion import expand
from solvers.clairvoyant.search import Search
from solvers.clairvoyant.start import start
from tests.every_path import best_trajectory
from tests.solvers import slot_reference as reference
from tests.solvers.test_clairvoyant import tiny_scenario

KINDS = [(sharing, mode) for sharing in SHARINGS for mode in ("soft", "hard")]


def parts(prices):
    return prices.serve, prices.node, prices.load, prices.place


def disturbed(view, dual, prices, rng):
    """The prices with all of them changed at random, as far as they may be."""
    node = prices.node * rng.uniform(0.0, 2.0, prices.node.shape) + rng.normal(0, dual.unit, prices.node.shape)
    free = np.zeros(node.shape, dtype=bool)
    free[: view.rows][view.next[: view.rows] >= 0] = True
    free &= np.arange(node.shape[1]) < view.width[:, None]
    return SlotPrices(
        prices.serve * rng.uniform(0.5, 1.5, prices.serve.size),
        np.where(free, node, 0.0),
        prices.load * rng.choice([0.0, 0.5, 1.0, 2.0], prices.load.size),
        prices.place + rng.exponential(0.05, prices.place.size),
    )


@pytest.mark.parametrize(("sharing", "mode"), KINDS)
def test_any_prices_and_segments_give_a_bound_and_the_kernels_equal_their_reference(sharing: str, mode: str) -> None:
    rng = np.random.default_rng(1)
    tried = 0
    for seed in range(100, 108):
        scenario = tiny_scenario(seed, sharing, mode)
        expanded = expand(scenario)
        best = best_trajectory(scenario)[0]
        if expanded.stranded.size or best == -np.inf:
            continue
        best -= expanded.constant
        view = expanded.view
        dual, prices = start(expanded, Cancellation())
        for _ in range(3):
            tried += 1
            trial = disturbed(view, dual, prices, rng)
            assert dual.value(trial) >= best - 1e-9 * abs(best)
            np.testing.assert_allclose(dual.gains(trial), reference.gains(view, dual, trial), rtol=1e-9)
            heat = dual.unit * 10.0 ** rng.uniform(-2, 0)
            value, slope = dual.smoothed(trial, heat)
            expected, expected_slope = reference.smoothed(view, dual, trial, heat)
            assert value == pytest.approx(expected, rel=1e-9)
            assert value >= dual.value(trial) * (1 - 1e-12)
            for mine, theirs in zip(parts(slope), parts(expected_slope), strict=True):
                np.testing.assert_allclose(mine, theirs, rtol=1e-6, atol=1e-8)
            assert dual.value(dual.settled(trial)) <= dual.value(trial) * (1 + 1e-12)
            finer, finer_prices = dual.finer(trial, 1e-3 * abs(best))
            if finer is not None:
                assert finer.n_segments > dual.n_segments
                assert best - 1e-9 * abs(best) <= finer.value(finer_prices)
    assert tried >= 9


@pytest.mark.parametrize(("sharing", "mode"), KINDS)
def test_paths_are_worth_what_the_evaluator_says_and_no_single_path_is_better(sharing: str, mode: str) -> None:
    feasible_seen = 0
    for seed in range(200, 212):
        scenario = tiny_scenario(seed, sharing, mode)
        expanded = expand(scenario)
        if expanded.stranded.size:
            continue
        search = SlotPaths(expanded.view, seed)
        choice = search.random_choice()
        improved = search.improved(choice, 50, Cancellation())
        for candidate in (choice, improved):
            objective, feasible = judge(scenario, expanded.associations(candidate))
            value = search.value(candidate)
            assert feasible == (value > -0.5 * search.breach)
            if feasible:
                feasible_seen += 1
                assert value + expanded.constant == pytest.approx(objective.sum(), rel=1e-9)
        assert search.value(improved) >= search.value(choice)
        # Every path of the user who is there in every slot.
        mine = np.flatnonzero(expanded.user == 0)
        for positions in itertools.product(*(range(w) for w in expanded.view.width[mine])):
            other = improved.copy()
            other[mine] = positions
            assert search.value(other) <= search.value(improved) + 1e-9 * search.breach / 1e3
    assert feasible_seen > 5


@pytest.mark.parametrize(("sharing", "mode"), KINDS)
def test_servers_that_are_no_candidates_are_relaxed(sharing: str, mode: str) -> None:
    """With one or two candidates out of three the bound is still one, and no lower than the one with all."""
    relaxed = 0
    for seed in range(300, 310):
        scenario = tiny_scenario(seed, sharing, mode)
        best = best_trajectory(scenario)[0]
        if best == -np.inf or scenario.n_stations < 3:
            continue
        for candidates in (1, 2):
            result = clairvoyant_bound(scenario, candidates=candidates, gap=1.0)
            assert result.bound >= best - 1e-9 * abs(best)
            assert result.utility is None or result.utility <= best + 1e-9 * abs(best)
            relaxed += "candidates" in result.details
    assert relaxed >= 2


def test_subsets_hold_every_better_solution() -> None:
    """With prices that prove little and a weak incumbent, the subsets of the best trajectory are all there."""
    for sharing, mode in KINDS:
        for seed in range(400, 406):
            scenario = tiny_scenario(seed, sharing, mode)
            best, path = best_trajectory(scenario)
            if path is None:
                continue
            search = Search(scenario, "", seed=0)
            search.expanded = expanded = expand(scenario)
            dual, prices = start(expanded, Cancellation())
            search.utility = best - 0.2 * abs(best)
            found = search.subsets(dual, dual.settled(prices))
            assert found.is_complete
            choice = expanded.choice(path)
            assert choice is not None
            known = set()
            for c in range(found.cell.size):
                at = slice(found.starts[c], found.starts[c + 1])
                edges = np.stack([found.row[at], found.source[at], found.position[at]], axis=1)
                known.add(tuple(sorted(map(tuple, edges.tolist()))))
            cells = expanded.view.cell[np.arange(expanded.rows), choice]
            prior = expanded.view.prior
            for cell in np.unique(cells):
                rows = np.flatnonzero(cells == cell)
                edges = [
                    (int(r), int(choice[prior[r]]) if prior[r] < expanded.rows else 0, int(choice[r])) for r in rows
                ]
                assert tuple(sorted(edges)) in known


def test_a_smoothed_gradient_is_that_of_the_smoothed_value() -> None:
    scenario = tiny_scenario(7, "optimal", "soft")
    dual, prices = start(expand(replace(scenario)), Cancellation())
    rng = np.random.default_rng(3)
    heat = 0.1 * dual.unit
    _, slope = dual.smoothed(prices, heat)
    for _ in range(5):
        way = [rng.normal(size=x.shape) * dual.unit * 1e-4 for x in parts(prices)]
        ends = [
            dual.smoothed(SlotPrices(*(p + sign * w for p, w in zip(parts(prices), way, strict=True))), heat)[0]
            for sign in (1, -1)
        ]
        expected = sum(float((s * w).sum()) for s, w in zip(parts(slope), way, strict=True))
        assert (ends[0] - ends[1]) / 2 == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(("sharing", "mode"), KINDS)
def test_users_are_rounded_to_where_most_of_them_is(sharing: str, mode: str) -> None:
    rng = np.random.default_rng(4)
    for seed in range(500, 506):
        expanded = expand(tiny_scenario(seed, sharing, mode))
        if expanded.stranded.size:
            continue
        view = expanded.view
        dual, prices = start(expanded, Cancellation())
        for cells in (dual.best_levels(prices), CellPrices(*rng.uniform(0.0, 1.0, (3, view.cells)))):
            chosen = reference.spread(view, cells, 0.5 * dual.unit)
            found = slot_rounded(view, cells, 0.5 * dual.unit)
            able = np.isfinite(chosen).all(axis=1)
            rows = np.flatnonzero(able)
            np.testing.assert_allclose(chosen[rows, found[rows]], chosen[rows].max(axis=1), rtol=1e-9)


def test_an_ascent_lowers_the_bound_and_ends_when_told() -> None:
    expanded = expand(tiny_scenario(8, "optimal"))
    dual, prices = start(expanded, Cancellation())
    begun = dual.value(prices)
    stopped = Cancellation()
    stopped.cancel()
    value, kept = dual.ascend(prices, np.array([0.1, 0.01]), stopped)
    assert value == dual.value(kept) <= begun
    value, kept = dual.ascend(prices, np.array([0.1, 0.01]), Cancellation())
    assert value == dual.value(kept) < begun
    again, _ = dual.ascend(prices, np.array([0.1, 0.01]), Cancellation())
    assert again == value


@pytest.mark.parametrize("sharing", SHARINGS)
def test_edges_left_out_do_not_stall_the_ascent(sharing: str) -> None:
    """Too few edges leave prices that fall without bound; the ascent must find that out and take more."""
    scenario = generate_scenario("paper", seed=0, users=20, stations=6, slots=8, sharing=sharing, deadline="hard")
    expanded = expand(scenario)
    values = []
    for near in (1e-3, 1e9):
        params = SlotDualParams()
        params.near_edges = near
        dual, prices = start(expanded, Cancellation(), params=params)
        values.append(dual.ascend(prices, np.array([0.003, 0.001]), Cancellation())[0])
    begun = dual.value(prices)
    assert values[1] < begun
    assert begun - values[0] > 0.8 * (begun - values[1])


def test_the_unit_of_prices_covers_what_users_cost_each_other_where_they_are_indifferent() -> None:
    scenario = tiny_scenario(7, "optimal", "soft", migration_weight=0.0)
    network = replace(
        scenario.base.network,
        backhaul_s_per_bit_m=0.0,
        stations=replace(scenario.base.network.stations, cpu_hz=np.full(scenario.n_stations, 1e10)),
    )
    scenario = replace(scenario, base=replace(scenario.base, network=network), cpu_hz=None)
    expanded = expand(scenario)
    view = expanded.view
    dual, prices = start(expanded, Cancellation())
    # All servers of a slot are worth the same to a user, which leaves no spread but what rounding makes.
    assert np.ptp(view.slack, axis=1).max() < 1e-9
    cost = prices.load.max() * (view.size[:, None] * view.part[view.cell]).mean()
    assert dual.unit > 0.5 * cost


def test_the_same_seed_gives_the_same_paths_and_a_cancelled_search_keeps_its_choice() -> None:
    view = expand(tiny_scenario(9, "equal")).view
    first, second = (SlotPaths(view, 3) for _ in range(2))
    choice = first.random_choice()
    assert (choice == second.random_choice()).all()
    assert (first.improved(choice, 9, Cancellation()) == second.improved(choice, 9, Cancellation())).all()
    stopped = Cancellation()
    stopped.cancel()
    assert (first.improved(choice, 9, stopped) == choice).all()


def view_arguments(view: SlotView) -> dict[str, object]:
    names = ["cell", "prior", "slack", "move", "growth", "size", "room", "rate", "part", "places"]
    plain = ("beta", "penalty", "sharing", "hard")
    return {name: getattr(view, name) for name in (*names, *plain)} | {
        "sources": view.width.size - view.rows,
        "demand": None,
        "has_others": False,
    }


def test_what_does_not_fit_is_refused() -> None:
    expanded = expand(tiny_scenario(7, "optimal", "soft"))
    view = expanded.view
    whole = view_arguments(view)
    assert (SlotView(**whole).next == view.next).all()
    for name, value in {
        "cell": view.cell.astype(np.int32),
        "slack": np.where(view.slack > -np.inf, np.nan, view.slack),
        "move": view.move[:, :, ::-1],
        "growth": view.growth[:-1],
        "places": view.places[:-1],
        "demand": view.slack,
    }.items():
        with pytest.raises((TypeError, ValueError)):
            SlotView(**(whole | {name: value}))
    for name, value in {
        "cell": np.full_like(view.cell, view.cells),
        "prior": np.full_like(view.prior, view.rows + 1000),
        "move": np.full_like(view.move, -1.0),
        "penalty": -1.0,
    }.items():
        with pytest.raises(ValueError, match="must"):
            SlotView(**(whole | {name: value}))
    dual, prices = start(expanded, Cancellation())
    params = SlotDualParams()
    for cell, low, high in (([view.cells], [0.0], [1.0]), ([0], [1.0], [0.0]), ([1, 0], [0.0, 0.0], [1.0, 1.0])):
        with pytest.raises(ValueError, match=r"cell|segments"):
            SlotDual(view, np.array(cell), np.array(low), np.array(high), 1.0, params)
    with pytest.raises(ValueError, match="shapes"):
        dual.value(SlotPrices(prices.serve[:-1], prices.node, prices.load, prices.place))
    with pytest.raises(ValueError, match="NaN"):
        SlotPrices(prices.serve * np.nan, prices.node, prices.load, prices.place)
    with pytest.raises(ValueError, match="above 0"):
        dual.ascend(prices, np.array([0.1, 0.0]), Cancellation())
    with pytest.raises(ValueError, match="every cell"):
        slot_rounded(view, CellPrices(np.ones(1), np.ones(1), np.ones(1)), 1.0)
    paths = SlotPaths(view, 0)
    for choice in (np.full(view.rows, -1), np.full(view.rows, view.positions), np.zeros(view.rows + 1, dtype=np.int64)):
        with pytest.raises(ValueError, match="choice"):
            paths.value(choice)
    with pytest.raises(TypeError):
        paths.value(np.zeros(view.rows))  # type: ignore[arg-type]
