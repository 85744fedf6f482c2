"""Every registered policy: feasible where anything is, no better than the clairvoyant, and right in the limits."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import dtopt
from dtopt._core import Cancellation
from dtopt.evaluation import evaluate
from dtopt.network import BaseStations
from dtopt.scenario import RecordedGains, Scenario
from dtopt.simulation import make_policy, policy_names
from dtopt.solution import Solution
from dtopt.testing.moving import best_of_all, moving
from dtopt.testing.oracle import brute_force
from dtopt.testing.tiny import SHARINGS, tiny_problem
from dtopt.utility_segments import ServerUtility
from solvers._core import Horizon, ShiftParams, ShiftSearch
from solvers.local_search.utility import view_of
from solvers.policies.repair import feasible_near
from solvers.policies.slot_search import search_slot, slot_view

if TYPE_CHECKING:
    from dtopt.arrays import IntArray
    from solvers._core import MigrationView

#: Policies that keep to the scenario's servers, for which the clairvoyant's utility is a bound.
BOUNDED = [name for name in policy_names() if not getattr(make_policy(name), "moves_servers", False)]
EXACT = {"myopic-exact": {"gap": 1e-9}}


@pytest.mark.parametrize("name", policy_names())
def test_slots_are_feasible_wherever_an_association_is(name: str) -> None:
    kinds = itertools.product(SHARINGS, ((False, "soft"), (True, "soft"), (True, "hard")), (False, True))
    broken, overfull = 0, 0
    for seed, (sharing, (deadlines, mode), capacities) in enumerate(kinds):
        scenario = moving(
            seed, users=4, stations=2, slots=3, sharing=sharing, deadlines=deadlines, mode=mode, capacities=capacities
        )
        found = dtopt.simulate(scenario, name)
        before = scenario.base.previous
        for outcome, association, servers in zip(found.slots, found.associations, found.servers, strict=True):
            problem = replace(scenario.problem(outcome.slot, before), servers=servers)
            best, _ = brute_force(problem)
            assert outcome.feasible == (best is not None)
            if best is not None:
                assert outcome.objective <= best + 1e-9 * abs(best)
            else:
                broken += 1
                users = scenario.present_users(outcome.slot)
                violations = evaluate(problem, Solution(association[users])).violations
                names = {v.name for v in violations}
                assert names <= {"deadline", "capacity", "cpu"}
                assert outcome.violated.split() == list(dict.fromkeys(v.name for v in violations))
                if names != {"deadline"}:
                    # There are not enough places, or not enough CPU for fixed demands, whatever the deadlines.
                    overfull += 1
                    assert brute_force(replace(problem, deadline="soft"))[0] is None
            before = association
    assert broken > overfull > 0


def test_no_policy_beats_the_clairvoyant_and_myopic_is_optimal_without_memory() -> None:
    for seed in range(102):
        sharing = SHARINGS[seed % 3]
        weight = (0.0, 0.3, 1.0)[seed // 3 % 3]
        scenario = moving(
            seed, users=2 + seed % 2, stations=2, slots=3, sharing=sharing, weight=weight, deadlines=seed % 4 == 0
        )
        best = best_of_all(scenario)
        for name in BOUNDED:
            if name == "myopic-exact" and seed >= 18:
                continue  # it takes most of the time
            found = dtopt.simulate(scenario, name, **EXACT.get(name, {}))
            assert found.objective <= best + 1e-9 * abs(best), (seed, name)
            if weight == 0.0 and name == "myopic-exact":
                assert found.objective == pytest.approx(best, rel=1e-6)


def test_staying_wins_where_moving_is_dear() -> None:
    for interaction in ("update", "construction"):
        scenario = dtopt.generate_scenario(
            "paper", seed=3, users=25, stations=5, slots=12, migration_weight=200.0, interaction=interaction
        )
        found = {name: dtopt.simulate(scenario, name) for name in BOUNDED}
        stay = found.pop("stay")
        for name, trajectory in found.items():
            assert trajectory.objective <= stay.objective * (1 + 1e-3), name
            if name != "nearest":
                assert trajectory.summary()["migrations"] == 0, name
        assert found["nearest"].objective < stay.objective - 1.0


def a_walk(weight: float = 1.0) -> Scenario:
    """One user between two servers, whose access is with the first one and then for good with the second."""
    base = tiny_problem(1, kind="migration", users=1, stations=2)
    network = replace(
        base.network,
        users=replace(base.network.users, data_bits=np.array([4e6]), deadline_s=np.array([3.0])),
        stations=BaseStations(np.full(2, 1e10), np.full(2, 5), np.array([[0.0, 0.0], [1000.0, 0.0]])),  # type: ignore[arg-type]
        backhaul_s_per_bit_m=1e-10,
        wired_passes=1,
    )
    base = replace(
        base,
        network=network,
        previous=np.array([0]),
        migration_weight=weight,
        interaction="construction",
        deadline="soft",
    )
    gain = np.full((8, 1, 2), 1e-12)
    gain[:2, :, 0] = gain[2:, :, 1] = 1e-9
    position = np.zeros((8, 1, 2))
    position[2:, :, 0] = 1000.0
    return Scenario(base, position, radio=RecordedGains(gain))


def test_looking_ahead_moves_once_where_myopic_policies_wait_for_ever() -> None:
    scenario = a_walk()
    # In one slot a move costs as much as it saves, and a little more by the exponent: never worth it alone.
    for name in ("local-search", "myopic-exact", "greedy-utility"):
        assert dtopt.simulate(scenario, name).summary()["migrations"] == 0
    ahead = dtopt.simulate(scenario, "lookahead", forecast="perfect")
    assert [s.migrations for s in ahead.slots] == [0, 0, 1, 0, 0, 0, 0, 0]
    assert ahead.objective == pytest.approx(best_of_all(scenario))
    assert ahead.objective > 1.1 * dtopt.simulate(scenario, "myopic-exact").objective
    # With no slot ahead it is the local search.
    blind = dtopt.simulate(scenario, "lookahead", horizon=0)
    assert blind.objective == dtopt.simulate(scenario, "local-search").objective
    # It moves too when the past alone tells where the user is.
    assert dtopt.simulate(scenario, "lookahead").summary()["migrations"] == 1


def test_greedy_utility_is_algorithm_3() -> None:
    scenario = moving(9, users=4, sharing="equal", weight=0.3, present=None)
    problem = scenario.problem(0)
    found = dtopt.simulate(scenario, "greedy-utility", slots=1).associations[0]
    association = problem.previous.copy()
    for user in range(4):
        best, chosen = -np.inf, -1
        home = association[user]
        for server in [home, *range(3)] if home >= 0 else range(3):
            trial = association.copy()
            trial[user] = server
            if evaluate(problem, Solution(trial)).violations and (trial >= 0).all():
                continue
            # Only the user's own utility counts.
            latency = evaluate(problem, Solution(trial)).latency_s[user]
            slack = problem.network.users.deadline_s[user] - latency
            utility = problem.beta * np.exp(slack) - problem.deadline_penalty * max(0.0, -slack)
            if utility > best:
                best, chosen = utility, server
        association[user] = chosen
    assert np.array_equal(found, association)


def test_re_placement_opens_other_servers_where_that_pays() -> None:
    scenario = dtopt.generate_scenario("paper", seed=1, users=30, slots=8, interaction="construction")
    assert scenario.base.servers is not None
    found = dtopt.simulate(scenario, "re-placement", every=4)
    counts = [np.size(servers) for servers in found.servers]
    assert max(counts) <= scenario.base.servers.size
    changed = [
        t
        for t in range(8)
        if not np.array_equal(found.servers[t], scenario.base.servers if t == 0 else found.servers[t - 1])  # type: ignore[arg-type]
    ]
    assert changed
    assert set(changed) <= {0, 4}
    for t, association in enumerate(found.associations):
        assert np.isin(association[association >= 0], found.servers[t]).all()  # type: ignore[arg-type]


# --- repair -----------------------------------------------------------------------------------------------------------


def test_wishes_are_granted_as_far_as_they_can_be() -> None:
    for seed in range(60):
        problem: Any = tiny_problem(
            seed,
            kind="migration",
            sharing=SHARINGS[seed % 3],
            users=4,
            stations=3,
            deadlines=seed % 2 == 0,
            capacities=seed % 4 < 2,
            mode="hard",
        )
        best, choice = brute_force(problem)
        if best is None:
            continue
        wish = np.random.default_rng(seed).integers(-1, 3, 4)
        found = feasible_near(problem, wish)
        assert evaluate(problem, Solution(found)).feasible
        # A wish that is feasible is granted as it is.
        assert choice is not None
        assert np.array_equal(feasible_near(problem, np.array(choice)), choice)


def test_too_few_places_are_overfilled_as_little_as_possible() -> None:
    problem: Any = tiny_problem(2, kind="migration", users=4, stations=2)
    network = replace(problem.network, stations=replace(problem.network.stations, capacity=np.array([1, 2])))
    found = feasible_near(replace(problem, network=network), np.zeros(4, dtype=np.int64))
    # One twin too many: on the server where it is half as much of the places.
    assert np.bincount(found).tolist() == [1, 3]


@given(st.integers(0, 10_000), st.sampled_from(SHARINGS), st.sampled_from(["hard", "soft"]))
@settings(deadline=None, max_examples=40)
def test_whatever_does_not_fit_everyone_has_an_allowed_server(seed: int, sharing: str, mode: str) -> None:
    problem: Any = tiny_problem(
        seed, kind="migration", sharing=sharing, users=5, stations=3, deadlines=True, mode=mode, limited_servers=True
    )
    rng = np.random.default_rng(seed)
    stations = problem.network.stations
    capacity = rng.integers(0, 3, 3)
    cpu = stations.cpu_hz * rng.uniform(0.1, 1.0, 3)
    network = replace(problem.network, stations=replace(stations, capacity=capacity, cpu_hz=cpu))
    problem = replace(problem, network=network)
    wish = rng.integers(-1, 3, 5)
    for found in (feasible_near(problem, wish), search_slot(problem, wish)):
        assert problem.server_allowed[found].all()
        names = {v.name for v in evaluate(problem, Solution(found)).violations}
        assert names <= {"deadline", "capacity", "cpu"}
        places = int(np.minimum(capacity, 5)[problem.server_allowed].sum())
        count = np.bincount(found, minlength=3)
        if sharing != "fixed" and places <= 5:
            assert np.maximum(count - capacity, 0).sum() == 5 - places
        if capacity[problem.server_allowed].any():
            assert (capacity[found] > 0).all()


# --- search -----------------------------------------------------------------------------------------------------------


def shifted(view: MigrationView, start: IntArray) -> tuple[IntArray, int]:
    search = ShiftSearch(view, start)
    search.run(ShiftParams(), Cancellation())
    return search.association, search.missing


@pytest.mark.parametrize("sharing", SHARINGS)
@pytest.mark.parametrize("mode", ["hard", "soft"])
def test_shifts_only_gain_and_place_everyone(sharing: str, mode: str) -> None:
    for seed in range(20):
        problem: Any = tiny_problem(
            seed,
            kind="migration",
            sharing=sharing,
            users=5,
            stations=3,
            deadlines=True,
            mode=mode,
            limited_servers=True,
        )
        view, servers = slot_view(problem)
        whole = view_of(ServerUtility.of(problem))
        np.testing.assert_allclose(view.slack, whole.slack[:, servers])
        best, choice = brute_force(problem)
        if best is None:
            continue
        assert choice is not None
        start = np.searchsorted(servers, choice).astype(np.int64)
        first = start.copy()
        first[:2] = -1
        first, missing = shifted(view, first)
        if not missing:
            placed = servers[first]
            assert evaluate(problem, Solution(placed)).feasible
            again, _ = shifted(view, first)
            assert whole.value(servers[again]) >= whole.value(placed) - 1e-12
        # Nothing is better than the optimum, so nothing moves.
        optimum, _ = shifted(view, start)
        assert whole.value(servers[optimum]) == pytest.approx(whole.value(np.array(choice)), rel=1e-9)


def test_promises_are_exact_to_first_order() -> None:
    # Users so small that what they do to each other is linear.
    problem: Any = tiny_problem(4, kind="migration", users=5, stations=2)
    users = replace(problem.network.users, update_bits=np.full(5, 10.0), data_bits=np.full(5, 10.0))
    problem = replace(problem, network=replace(problem.network, users=users), deadline="soft")
    view, _ = slot_view(problem)
    association = np.array([0, 0, 1, 1, 0])
    search = ShiftSearch(view, association)
    moved = np.array([1, 0, 1, 1, 0])
    promised = search.promise(0, 1) - search.promise(0, 0)
    assert promised == pytest.approx(view.value(moved) - view.value(association), rel=1e-3)


def test_what_lies_beyond_the_slot_decides_where_the_slot_does_not() -> None:
    problem: Any = replace(
        tiny_problem(4, kind="migration", users=4, stations=3), deadline="soft", deadline_penalty=0.0
    )
    bonus = np.zeros((4, 3))
    bonus[:, 2] = 1e6
    assert np.all(search_slot(problem, problem.previous, bonus=bonus) == 2)


def one_user(rng: np.random.Generator, steps: int, servers: int) -> dict[str, Any]:
    position = rng.uniform(0, 1000, (servers, 2))
    gap = np.hypot(*np.moveaxis(position[:, None] - position, -1, 0))
    stays = np.cumprod(rng.uniform(0.8, 1.0, (steps, 1)), axis=0)
    return {
        "slack": rng.uniform(-0.2, 1.0, (steps, 1, servers)),
        "growth": rng.uniform(0.1, 0.5, 1),
        "rate": np.ones((steps, servers)),
        "size": rng.uniform(0.1, 0.5, 1),
        "part": rng.uniform(0.5, 1.0, (steps, servers)),
        "move": rng.uniform(1e-4, 1e-3, 1),
        "gap": gap,
        "stays": stays,
        "weight": stays,
        "beta": 0.5,
        "penalty": float(rng.uniform(0, 2)),
        "hard": False,
    }


@pytest.mark.parametrize("before", [1, -1])
def test_a_lonely_users_way_is_the_best_of_all(before: int) -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        steps, servers = 4, 3
        z = one_user(rng, steps, servers)
        value, plan = Horizon(**z).continuation(np.array([before]), 2, Cancellation())

        def worth(way: tuple[int, ...], before: int, first: int, z: dict[str, Any] = z) -> float:
            total = 0.0
            for h, k in enumerate(way, start=first):
                late = -z["slack"][h, 0, k] + z["growth"][0] * z["size"][0] * z["part"][h, k]
                late += z["move"][0] * z["gap"][before, k] if before >= 0 else 0.0
                total += z["weight"][h, 0] * (z["beta"] * np.exp(-late) - z["penalty"] * max(0.0, late))
                before = k
            return total

        ways = list(itertools.product(range(servers), repeat=steps - 1))
        for k in range(servers):
            assert value[0, k] == pytest.approx(max(worth(way, k, 1) for way in ways))
        whole = max(itertools.product(range(servers), repeat=steps), key=lambda way: worth(way, before, 0))
        assert tuple(plan[:, 0].tolist()) == whole


def test_users_spread_over_servers_in_their_plans() -> None:
    rng = np.random.default_rng(1)
    n = 8
    many = one_user(rng, 3, 2) | {
        "slack": np.ones((3, n, 2)),
        "growth": np.full(n, 0.5),
        "size": np.full(n, 0.5),
        "part": np.ones((3, 2)),
        "move": np.zeros(n),
        "stays": np.ones((3, n)),
        "weight": np.ones((3, n)),
    }
    _, plan = Horizon(**many).continuation(np.zeros(n, dtype=np.int64), 3, Cancellation())
    assert np.array_equal(np.bincount(plan[1]), [4, 4])
