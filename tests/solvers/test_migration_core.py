"""The compiled searches for P2: local optima, the same answer from the same seed, an end in time, refused input."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from dtopt._core import Cancellation
from dtopt.evaluation import evaluate
from dtopt.solution import Solution
from dtopt.testing.tiny import SHARINGS, tiny_problem
from dtopt.utility_segments import ServerUtility
from solvers._core import Horizon, MigrationSearch, MigrationSearchParams, MigrationView, ShiftParams, ShiftSearch
from solvers.local_search.utility import SHARINGS as CORE_SHARINGS
from solvers.local_search.utility import view_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dtopt.arrays import IntArray

SEEDS = range(6)


def problems(sharing: str, mode: str, users: int = 8, stations: int = 3) -> Iterator[Any]:
    for seed in SEEDS:
        yield tiny_problem(
            seed,
            kind="migration",
            sharing=sharing,
            users=users,
            stations=stations,
            deadlines=mode == "hard" or seed % 2 == 0,
            capacities=seed % 3 == 0,
            mode=mode,
        )


def feasible(problem: Any, view: MigrationView, seed: int) -> IntArray | None:
    rng = np.random.default_rng(seed)
    for _ in range(300):
        association = rng.integers(0, problem.n_stations, problem.n_users)
        if np.isfinite(view.value(association)):
            return association
    return None


def neighbours(association: IntArray, servers: int) -> Iterator[IntArray]:
    """All shifts and swaps."""
    for i in range(association.size):
        for k in range(servers):
            moved = association.copy()
            moved[i] = k
            yield moved
        for j in range(i):
            moved = association.copy()
            moved[i], moved[j] = association[j], association[i]
            yield moved


@pytest.mark.parametrize("mode", ["soft", "hard"])
@pytest.mark.parametrize("sharing", SHARINGS)
def test_a_descent_ends_where_no_shift_or_swap_gains(sharing: str, mode: str) -> None:
    """By the evaluator, and with a bonus of pairs: the bounds on moves leave out no move that gains."""
    tried = 0
    for seed, problem in enumerate(problems(sharing, mode)):
        view = view_of(ServerUtility.of(problem))
        start = feasible(problem, view, seed)
        if start is None:
            continue
        tried += 1
        bonus = np.random.default_rng(seed).normal(0.0, 0.1, (problem.n_users, problem.n_stations)) * (seed % 2)
        view = view.with_bonus(bonus)
        search = MigrationSearch(view, start, 0)
        search.run(0, Cancellation())
        found = search.association

        def worth(association: IntArray, problem: Any = problem, bonus: Any = bonus) -> float:
            judged = evaluate(problem, Solution(association))
            extra = float(bonus[np.arange(association.size), association].sum())
            return judged.objective + extra if judged.feasible else -np.inf

        best = worth(found)
        assert best >= worth(start) - 1e-9
        assert search.value == pytest.approx(view.value(found), rel=1e-12)
        assert all(worth(moved) <= best + 1e-9 * abs(best) for moved in neighbours(found, problem.n_stations))
    assert tried >= 3


@pytest.mark.parametrize("sharing", SHARINGS)
def test_slices_repeat_one_run_and_the_seed_decides(sharing: str) -> None:
    problem = next(problems(sharing, "soft", users=9, stations=4))
    view = view_of(ServerUtility.of(problem))
    start = feasible(problem, view, 0)
    assert start is not None

    def run(seed: int, *slices: int) -> MigrationSearch:
        search = MigrationSearch(view, start, seed)
        for iterations in slices:
            search.run(iterations, Cancellation())
        return search

    whole, parts = run(1, 30), run(1, 10, 20)
    assert np.array_equal(whole.association, parts.association)
    assert whole.value == parts.value
    assert whole.iterations == parts.iterations == 30
    assert whole.value >= run(1, 0).value


def test_a_search_without_time_keeps_what_it_has() -> None:
    problem = next(problems("optimal", "soft"))
    view = view_of(ServerUtility.of(problem))
    start = feasible(problem, view, 0)
    over = Cancellation()
    over.cancel()
    search = MigrationSearch(view, start, 0)
    search.run(5, over)
    assert np.array_equal(search.association, start)
    shifts = ShiftSearch(view, start)
    shifts.run(ShiftParams(), over)
    assert np.array_equal(shifts.association, start)


def test_nothing_is_searched_from_what_breaks_a_rule() -> None:
    problem = tiny_problem(0, kind="migration", users=4, stations=2, capacities=True)
    fields = fields_of(problem) | {"capacity": np.array([1, 4])}
    view = MigrationView(**fields)
    start = np.zeros(4, dtype=np.int64)
    assert view.value(start) == -np.inf
    search = MigrationSearch(view, start, 0)
    search.run(3, Cancellation())
    assert np.array_equal(search.association, start)
    assert search.value == -np.inf


def fields_of(problem: Any) -> dict[str, Any]:
    view = view_of(ServerUtility.of(problem))
    names = ("slack", "deadline", "growth", "rate", "size", "part", "capacity", "beta", "penalty", "hard", "sharing")
    fields = {name: getattr(view, name) for name in names}
    return fields | {"demand": view.demand if view.demand.size else None}


@pytest.mark.parametrize("sharing", SHARINGS)
def test_a_view_refuses_what_does_not_fit_together(sharing: str) -> None:
    fields = fields_of(next(problems(sharing, "soft")))
    MigrationView(**fields)
    n, m = fields["slack"].shape
    wrong: list[tuple[str, Any]] = [
        ("slack", np.full((n, m), np.nan)),
        ("deadline", np.ones(n + 1)),
        ("growth", np.full(n, np.nan)),
        ("rate", np.ones(m - 1)),
        ("capacity", np.ones(m + 1, dtype=np.int64)),
        ("beta", -1.0),
        ("penalty", np.nan),
        ("demand", np.zeros((n, m)) if fields["demand"] is None else None),
    ]
    if sharing == "fixed":
        wrong += [("demand", np.zeros((n, m + 1))), ("growth", np.ones(n))]
    for name, value in wrong:
        with pytest.raises(ValueError, match=r"must|NaN"):
            MigrationView(**(fields | {name: value}))
    for name, value in (
        ("slack", fields["slack"].astype(np.float32)),
        ("slack", np.asfortranarray(fields["slack"])),
        ("rate", np.ones(2 * m)[::2]),
        ("capacity", fields["capacity"].astype(np.int32)),
    ):
        with pytest.raises(TypeError):
            MigrationView(**(fields | {name: value}))


def test_searches_refuse_associations_out_of_range() -> None:
    problem = next(problems("optimal", "soft"))
    view = view_of(ServerUtility.of(problem))
    good = np.zeros(problem.n_users, dtype=np.int64)
    for bad in (good - 1, good + problem.n_stations, good[1:].copy()):
        with pytest.raises(ValueError, match="association"):
            view.value(bad)
        with pytest.raises(ValueError, match="association"):
            MigrationSearch(view, bad, 0)
    with pytest.raises(ValueError, match="association"):
        ShiftSearch(view, good - 2)
    with pytest.raises(ValueError, match="range"):
        ShiftSearch(view, good).promise(problem.n_users, 0)
    with pytest.raises(ValueError, match="bonus"):
        view.with_bonus(np.zeros((1, 1)))
    for wrong in (good.astype(np.int32), good.astype(float), np.repeat(good, 2)[::2]):
        with pytest.raises(TypeError):
            view.value(wrong)
    params = MigrationSearchParams()
    params.least_kicked = 9
    with pytest.raises(ValueError, match="most_kicked"):
        MigrationSearch(view, good, 0, params)


def test_a_horizon_refuses_what_does_not_fit_together() -> None:
    good: dict[str, Any] = {
        "slack": np.ones((3, 4, 2)),
        "growth": np.ones(4),
        "rate": np.ones((3, 2)),
        "size": np.ones(4),
        "part": np.ones((3, 2)),
        "move": np.ones(4),
        "gap": np.zeros((2, 2)),
        "stays": np.ones((3, 4)),
        "weight": np.ones((3, 4)),
        "beta": 0.5,
        "penalty": 0.0,
        "hard": False,
    }
    horizon = Horizon(**good)
    for name, value in (
        ("slack", np.ones((2, 4, 2))),
        ("slack", np.ones((3, 4, 0))),
        ("growth", np.full(4, np.nan)),
        ("gap", np.zeros((2, 3))),
        ("stays", np.ones((3, 5))),
    ):
        with pytest.raises(ValueError, match=r"must|NaN"):
            Horizon(**(good | {name: value}))
    with pytest.raises(TypeError):
        Horizon(**(good | {"gap": np.zeros((2, 2), dtype=np.float32)}))
    with pytest.raises(ValueError, match="start"):
        horizon.continuation(np.full(4, 2), 1, Cancellation())
    with pytest.raises(ValueError, match="start"):
        horizon.continuation(np.zeros(3, dtype=np.int64), 1, Cancellation())


def test_all_sharings_have_a_name_in_the_core() -> None:
    assert set(CORE_SHARINGS) == set(SHARINGS)
