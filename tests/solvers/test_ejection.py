"""Ejection chains and path relinking: against brute force, and what callers rely on."""

from __future__ import annotations

from itertools import product
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from dtopt._core import Cancellation
from solvers._core import EjectionParams, EjectionSearch, PairData, PlacementView, Sharing
from solvers.local_search.arrays import SearchArrays
from solvers.local_search.ejection import improve_fixed

if TYPE_CHECKING:
    from dtopt.arrays import IntArray


def generalized_assignment(
    seed: int, n: int, m: int, *, fill: float = 0.85, opening: float = 0.0, max_open: int | None = None
) -> SearchArrays:
    """Return a problem whose costs fall as parts rise, where a random association would fill servers to `fill`."""
    rng = np.random.default_rng(seed)
    part = rng.uniform(0.5, 1.5, (n, m)) * fill * m / n
    cost = np.where(rng.random((n, m)) < 0.1, np.inf, 10.0 - 4.0 * part * n / m + rng.random((n, m)))
    most = np.full((n, m), n, dtype=np.int64)
    capacity = rng.integers(n // m, n + 1, m)
    return SearchArrays(cost, np.zeros(n), part, most, np.ones(m), capacity, opening, max_open or m, Sharing.FIXED)


def brute_force(arrays: SearchArrays) -> float:
    n, m = arrays.cost.shape
    every = (np.array(servers) for servers in product(range(m), repeat=n))
    return min(arrays.total(a) for a in every if np.unique(a).size <= arrays.max_open)


def servers_in_use(association: IntArray) -> int:
    return int(np.unique(association).size)


@pytest.mark.parametrize("seed", range(24))
def test_agrees_with_brute_force(seed: int) -> None:
    opening, max_open = [(0.0, None), (3.0, None), (0.0, 2), (1.0, 2)][seed % 4]
    arrays = generalized_assignment(seed, 6, 3, fill=(0.6, 0.85, 1.0)[seed % 3], opening=opening, max_open=max_open)
    optimum = brute_force(arrays)
    association, cost = improve_fixed(arrays, None, seconds=20.0, seed=seed, iterations=6_000)
    assert (association is None) == (not np.isfinite(optimum))
    if association is not None:
        assert cost == pytest.approx(arrays.total(association), rel=1e-12)
        assert servers_in_use(association) <= arrays.max_open
    assert cost == pytest.approx(optimum)


def test_the_seed_decides_the_answer() -> None:
    arrays = generalized_assignment(1, 60, 6, fill=1.0)
    runs = [improve_fixed(arrays, None, seconds=60.0, seed=seed, iterations=4_000) for seed in (3, 3, 4)]
    (first, cost), (again, cost_again), (other, _) = runs
    assert first is not None
    assert again is not None
    assert other is not None
    assert (first == again).all()
    assert cost == cost_again
    assert (first != other).any()


def search_of(arrays: SearchArrays, start: IntArray | None = None, **changes: Any) -> EjectionSearch:
    m = arrays.cpu.size
    given = {
        "share_price": np.full(m, 2.0),
        "place_price": np.zeros(m),
        "usable": np.ones(m, dtype=bool),
        "start": start,
        "seed": 5,
    }
    return EjectionSearch(arrays.lists.view, **(given | changes))


def test_slices_do_not_change_what_is_found() -> None:
    arrays = generalized_assignment(3, 50, 5, fill=0.95)
    whole, sliced = search_of(arrays), search_of(arrays)
    assert whole.advance(6_000, Cancellation()) == 6_000
    done = 0
    while done < 6_000:
        done += sliced.advance(min(37, 6_000 - done), Cancellation(1e-4))
    assert whole.best is not None
    assert sliced.best is not None
    assert (whole.best == sliced.best).all()
    assert whole.best_cost == sliced.best_cost == pytest.approx(arrays.total(whole.best), rel=1e-12)


def test_it_ends_when_cancelled() -> None:
    search, cancellation = search_of(generalized_assignment(3, 50, 5)), Cancellation()
    cancellation.cancel()
    assert search.advance(1_000, cancellation) == 0
    assert search.best is None
    assert search.best_cost == np.inf


def test_only_usable_servers_are_taken() -> None:
    arrays = generalized_assignment(4, 30, 6, fill=0.4)
    arrays.cost[:] = np.where(np.isfinite(arrays.cost), arrays.cost, 20.0)
    usable = np.array([True, False, True, True, False, True])
    best, cost = improve_fixed(arrays, np.arange(30) % 6, seconds=20.0, seed=0, iterations=3_000, servers=usable)
    assert best is not None
    assert usable[best].all()
    assert cost == pytest.approx(arrays.total(best), rel=1e-12)
    assert improve_fixed(arrays, None, seconds=1.0, seed=0, servers=np.zeros(6, dtype=bool)) == (None, np.inf)


@pytest.mark.parametrize("seed", range(6))
def test_opening_costs_of_each_server_count(seed: int) -> None:
    """Each server has an opening cost of its own, which the best association weighs."""
    rng = np.random.default_rng(seed)
    arrays = generalized_assignment(seed, 6, 3, fill=0.5)
    opening = rng.uniform(0.0, 12.0, 3)
    view = PlacementView(
        station=np.ascontiguousarray(np.broadcast_to(np.arange(3, dtype=np.int32), (6, 3))),
        cost=arrays.cost,
        more=arrays.part,
        size=np.zeros(6),
        rate=np.zeros(6),
        near=np.full((3, 1), -1, dtype=np.int32),
        cpu=np.ones(3),
        opening=opening,
        capacity=arrays.capacity,
        penalty=0.0,
        max_open=3,
        sharing=Sharing.FIXED,
        data=PairData.FITTING,
        dense=True,
    )
    every = (np.array(servers) for servers in product(range(3), repeat=6))
    optimum = min(arrays.total(a) + opening[np.unique(a)].sum() for a in every)
    search = EjectionSearch(
        view, share_price=np.ones(3), place_price=np.zeros(3), usable=np.ones(3, dtype=bool), start=None, seed=seed
    )
    search.advance(20_000, Cancellation())
    assert search.best_cost == pytest.approx(optimum)


def test_what_is_wrong_is_refused() -> None:
    arrays = generalized_assignment(3, 10, 3)
    for name, bad in (
        ("share_price", np.array([1.0, np.nan, 1.0])),
        ("place_price", np.zeros(2)),
        ("usable", np.ones(4, dtype=bool)),
        ("start", np.full(10, 3)),
        ("start", np.zeros(9, dtype=np.int64)),
        ("usable", np.zeros(3, dtype=bool)),
    ):
        with pytest.raises(ValueError, match=name if bad.any() or name != "usable" else "no server"):
            search_of(arrays, **{name: bad})
    for name, bad in (("usable", np.ones(3)), ("start", np.zeros(20, dtype=np.int64)[::2]), ("seed", -1)):
        with pytest.raises(TypeError):
            search_of(arrays, **{name: bad})
    params = EjectionParams()
    params.pool = 1
    with pytest.raises(ValueError, match="pool"):
        search_of(arrays, params=params)


@pytest.mark.parametrize("server", [0, 3])
def test_an_infeasible_start_is_repaired(server: int) -> None:
    arrays = generalized_assignment(2, 40, 5)
    start = np.full(40, server)
    assert np.isinf(arrays.total(start))
    association, cost = improve_fixed(arrays, start, seconds=20.0, seed=0, iterations=4_000)
    assert association is not None
    assert np.isfinite(cost)
    assert cost == pytest.approx(arrays.total(association), rel=1e-12)


def test_a_feasible_start_is_never_lost() -> None:
    arrays = generalized_assignment(2, 40, 5)
    start, cost = improve_fixed(arrays, None, seconds=20.0, seed=0, iterations=4_000)
    assert start is not None
    assert improve_fixed(arrays, start, seconds=0.0, seed=1)[1] == cost
    better: list[float] = []
    _, improved = improve_fixed(
        arrays, start, seconds=20.0, seed=1, iterations=4_000, on_better=lambda _, value: better.append(value)
    )
    assert improved <= cost
    assert all(value < cost for value in better)


def test_each_better_association_is_reported() -> None:
    arrays = generalized_assignment(5, 80, 8, fill=1.0)
    seen: list[tuple[IntArray, float]] = []
    association, cost = improve_fixed(
        arrays, None, seconds=20.0, seed=0, iterations=6_000, on_better=lambda a, value: seen.append((a, value))
    )
    assert association is not None
    costs = [value for _, value in seen]
    assert costs == sorted(set(costs), reverse=True)
    assert costs[-1] == cost
    assert [arrays.total(a) for a, _ in seen] == pytest.approx(costs, rel=1e-12)


def test_it_stops_when_told_and_in_time() -> None:
    arrays = generalized_assignment(6, 200, 10)
    asked = 0

    def stop() -> bool:
        nonlocal asked
        asked += 1
        return asked > 3

    began = perf_counter()
    improve_fixed(arrays, None, seconds=60.0, seed=0, should_stop=stop)
    assert asked == 4
    assert perf_counter() - began < 2.0
    began = perf_counter()
    improve_fixed(arrays, None, seconds=0.3, seed=0)
    assert 0.25 < perf_counter() - began < 1.5


def test_nothing_is_found_where_a_user_is_allowed_nowhere() -> None:
    arrays = generalized_assignment(7, 10, 3)
    arrays.cost[4] = np.inf
    assert improve_fixed(arrays, None, seconds=1.0, seed=0) == (None, np.inf)


def test_costs_of_any_scale_give_the_same_association() -> None:
    arrays = generalized_assignment(8, 40, 5)
    small = SearchArrays(**(vars(arrays) | {"cost": arrays.cost * 2.0**-20}))
    found, scaled = (improve_fixed(a, None, seconds=20.0, seed=0, iterations=4_000) for a in (arrays, small))
    assert found[1] * 2.0**-20 == pytest.approx(scaled[1], rel=1e-3)


def test_other_sharing_is_refused() -> None:
    arrays = generalized_assignment(9, 4, 2)
    with pytest.raises(ValueError, match="fixed"):
        improve_fixed(SearchArrays(**(vars(arrays) | {"sharing": Sharing.EQUAL})), None, seconds=1.0, seed=0)
