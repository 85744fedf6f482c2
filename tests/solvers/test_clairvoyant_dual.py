"""The dual over time: any prices give a bound, kernels equal their reference, paths and companies are the best."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest

from dtopt.testing.tiny import SHARINGS
from solvers.clairvoyant import clairvoyant_bound, judge, reference
from solvers.clairvoyant.expansion import expand
from solvers.clairvoyant.paths import PathSearch
from solvers.clairvoyant.search import Search
from solvers.clairvoyant.start import start
from tests.every_path import best_trajectory
from tests.solvers.test_clairvoyant import tiny_scenario

KINDS = [(sharing, mode) for sharing in SHARINGS for mode in ("soft", "hard")]


def disturbed(dual, prices, rng):
    """The prices with all of them changed at random, as far as they may be."""
    node = prices.node * rng.uniform(0.0, 2.0, prices.node.shape) + rng.normal(0, dual.spread, prices.node.shape)
    free = np.zeros(node.shape, dtype=bool)
    free[: dual.expanded.rows][~dual.expanded.last] = True
    free &= np.arange(node.shape[1]) < dual.expanded.net.width[:, None]
    return prices._replace(
        serve=prices.serve * rng.uniform(0.5, 1.5, prices.serve.size),
        node=np.where(free, node, 0.0),
        load=prices.load * rng.choice([0.0, 0.5, 1.0, 2.0], prices.load.size),
        place=prices.place + rng.exponential(0.05, prices.place.size),
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
        dual, prices = start(expanded)
        for _ in range(3):
            tried += 1
            trial = disturbed(dual, prices, rng)
            assert dual.value(trial) >= best - 1e-9 * abs(best)
            np.testing.assert_allclose(dual.gains(trial)[0], reference.gains(dual, trial), rtol=1e-9)
            heat = dual.spread * 10.0 ** rng.uniform(-2, 0)
            value, slope = dual.smoothed(trial, heat, dual.edges(trial))
            expected, expected_slope = reference.smoothed(dual, trial, heat)
            assert value == pytest.approx(expected, rel=1e-9)
            assert value >= dual.value(trial) * (1 - 1e-12)
            for mine, theirs in zip(slope, expected_slope, strict=True):
                np.testing.assert_allclose(mine, theirs, rtol=1e-6, atol=1e-8)
            assert dual.value(dual.settled(trial)) <= dual.value(trial) * (1 + 1e-12)
            finer, finer_prices = dual.finer(trial, 1e-3 * abs(best))
            assert best - 1e-9 * abs(best) <= finer.value(finer_prices)
    assert tried >= 9


@pytest.mark.parametrize(("sharing", "mode"), KINDS)
def test_paths_are_worth_what_the_evaluator_says_and_no_single_path_is_better(sharing: str, mode: str) -> None:
    rng = np.random.default_rng(2)
    feasible_seen = 0
    for seed in range(200, 212):
        scenario = tiny_scenario(seed, sharing, mode)
        expanded = expand(scenario)
        if expanded.stranded.size:
            continue
        search = PathSearch(expanded)
        choice = rng.integers(0, expanded.net.width[: expanded.rows])
        improved = search.improve(choice, rng, 50)
        for candidate in (choice, improved):
            objective, feasible = judge(scenario, expanded.associations(candidate))
            value = search.value(candidate)
            assert feasible == (value > -0.5 * search.big)
            if feasible:
                feasible_seen += 1
                assert value + expanded.constant == pytest.approx(objective.sum(), rel=1e-9)
        assert search.value(improved) >= search.value(choice)
        # Every path of the user who is there in every slot.
        mine = np.flatnonzero(expanded.user == 0)
        for positions in itertools.product(*(range(w) for w in expanded.net.width[mine])):
            other = improved.copy()
            other[mine] = positions
            assert search.value(other) <= search.value(improved) + 1e-9 * search.big / 1e3
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


def test_companies_hold_every_better_solution() -> None:
    """With prices that prove little and a weak incumbent, the companies of the best trajectory are all there."""
    for sharing, mode in KINDS:
        for seed in range(400, 406):
            scenario = tiny_scenario(seed, sharing, mode)
            best, path = best_trajectory(scenario)
            if path is None:
                continue
            search = Search(scenario, "", seed=0)
            search.expanded = expanded = expand(scenario)
            search.paths = PathSearch(expanded)
            dual, prices = start(expanded)
            search.utility = best - 0.2 * abs(best)
            found = search.companies(dual, dual.settled(prices))
            assert found.complete
            choice = expanded.choice(path)
            assert choice is not None
            known = set()
            for c in range(found.cell.size):
                at = slice(found.starts[c], found.starts[c + 1])
                edges = np.stack([found.row[at], found.source[at], found.position[at]], axis=1)
                known.add(tuple(sorted(map(tuple, edges.tolist()))))
            cells = expanded.net.cell[np.arange(expanded.rows), choice]
            prior = expanded.net.prior
            for cell in np.unique(cells):
                rows = np.flatnonzero(cells == cell)
                edges = [
                    (int(r), int(choice[prior[r]]) if prior[r] < expanded.rows else 0, int(choice[r])) for r in rows
                ]
                assert tuple(sorted(edges)) in known


def test_a_smoothed_gradient_is_that_of_the_smoothed_value() -> None:
    scenario = tiny_scenario(7, "optimal", "soft")
    dual, prices = start(expand(replace(scenario)))
    rng = np.random.default_rng(3)
    heat = 0.1 * dual.spread
    _, slope = dual.smoothed(prices, heat, dual.edges(prices))
    for _ in range(5):
        way = [rng.normal(size=x.shape) * unit * 1e-4 for x, unit in zip(prices, dual.units(), strict=True)]
        ends = [
            dual.smoothed(
                type(prices)(*(p + sign * w for p, w in zip(prices, way, strict=True))), heat, dual.edges(prices)
            )
            for sign in (1, -1)
        ]
        expected = sum(float((s * w).sum()) for s, w in zip(slope, way, strict=True))
        assert (ends[0][0] - ends[1][0]) / 2 == pytest.approx(expected, rel=1e-4)
