"""`local-search`: its costs against the evaluator's, its answers against brute force, and what it promises."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

import dtopt
from dtopt._core import Cancellation, Random
from dtopt.errors import InputError, UnsupportedProblemError
from dtopt.evaluation import evaluate
from dtopt.result import Status
from dtopt.solution import Solution
from dtopt.stop import MaxIterations
from dtopt.testing.oracle import brute_force
from dtopt.testing.tiny import OBJECTIVES, SHARINGS, tiny_problem
from dtopt.tolerances import within
from solvers import greedy, local_search
from solvers._core import (
    LocalSearch,
    LocalSearchParams,
    PlacementState,
    PlacementView,
    Sharing,
    Stage,
    place_at_prices,
)
from solvers.local_search.candidates import including, lists_of
from solvers.local_search.driver import Search

#: Sharing, whether there are deadlines, and of what kind.
CASES = [
    ("optimal", False, "hard"),
    ("optimal", True, "hard"),
    ("optimal", True, "soft"),
    ("equal", False, "hard"),
    ("equal", True, "hard"),
    ("equal", True, "soft"),
    ("fixed", True, "hard"),
    ("fixed", True, "soft"),
]


def problem_of(case, seed, users=9, stations=4):
    sharing, deadlines, mode = case
    problem = tiny_problem(
        seed, sharing=sharing, deadlines=deadlines, mode=mode, capacities=True, users=users, stations=stations
    )
    network = problem.network
    stations = replace(network.stations, capacity=np.maximum(network.stations.capacity, users // 2))
    if deadlines:
        # Long enough that some random associations are feasible, short enough that many deadlines bind.
        network = replace(network, users=replace(network.users, deadline_s=network.users.deadline_s * 2.0))
    if sharing == "fixed":
        problem = replace(problem, demand_hz=problem.demand_hz * 0.6)
    return replace(problem, network=replace(network, stations=stations))


def random_states(case, wanted, seeds=range(200)):
    """Yield problems and states of random feasible associations; all pairs are listed, so that slots are servers."""
    found = 0
    for seed in seeds:
        problem = problem_of(case, seed)
        if not problem.allowed_matrix.any(axis=1).all():
            continue
        rng = np.random.default_rng(seed)
        for _ in range(20):
            score = np.where(problem.allowed_matrix, rng.random(problem.allowed_matrix.shape), -1.0)
            association = score.argmax(axis=1)
            if evaluate(problem, Solution(association)).feasible:
                lists = lists_of(problem)
                assert lists.dense
                state = PlacementState(lists.view)
                state.load(association.astype(np.int32))
                yield problem, lists, state, rng
                found += 1
                break
        if found == wanted:
            return
    raise AssertionError(f"only {found} feasible associations for {case}")


def objective(problem, state):
    """What the evaluator says of the association at hand, its constant part left out; infinite if infeasible."""
    evaluation = evaluate(problem, Solution(state.slots.astype(np.int64)))
    return evaluation.objective - problem.constant_cost if evaluation.feasible else np.inf


def plain_cost(lists, server, k):
    """What computing on a server costs where no deadline matters."""
    if lists.sharing == Sharing.OPTIMAL:
        return server.load**2 / lists.cpu[k]
    return server.members.size * server.load / lists.cpu[k] if lists.sharing == Sharing.EQUAL else 0.0


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_cost_of_shifts_is_the_evaluators(case):
    binding = feasible = 0
    for problem, lists, state, rng in random_states(case, 30):
        assert state.cost == pytest.approx(objective(problem, state), rel=1e-9)
        for user in rng.permutation(problem.n_users).tolist():
            slot = int(rng.integers(lists.station.shape[1]))
            if slot == state.slots[user] or not np.isfinite(lists.cost[user, slot]):
                continue
            opens = state.server(slot).members.size == 0
            change = state.leaving(user) + state.joining(user, slot) + (lists.opening if opens else 0.0)
            before, then = state.mark(), state.cost + state.excess
            state.shift(user, slot)
            assert state.cost + state.excess - then == pytest.approx(change, rel=1e-8, abs=1e-9)
            after = objective(problem, state)
            assert state.is_feasible == np.isfinite(after)
            if np.isfinite(after):
                feasible += 1
                assert state.cost == pytest.approx(after, rel=1e-9)
                servers = [state.server(k) for k in range(problem.n_stations)]
                plain = sum(plain_cost(lists, server, k) for k, server in enumerate(servers))
                binding += sum(server.value for server in servers) > plain * (1 + 1e-9)
            else:
                state.undo(before)
    assert feasible > 50
    if case in {("optimal", True, "hard"), ("optimal", True, "soft"), ("equal", True, "soft")}:
        assert binding > 20


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_best_shift_and_swap_are_those_that_the_evaluator_finds(case):
    shifts = swaps = 0
    for problem, lists, state, _ in random_states(case, 20):
        association = state.slots.astype(np.int64)
        now = objective(problem, state)

        def trial(changes, association=association, problem=problem):
            changed = association.copy()
            for user, server in changes:
                changed[user] = server
            evaluation = evaluate(problem, Solution(changed))
            return evaluation.objective - problem.constant_cost if evaluation.feasible else np.inf

        for i in range(problem.n_users):
            others = [k for k in np.unique(association) if k != association[i]]
            best = min((trial([(i, k)]) - now for k in others), default=np.inf)
            change, slot = state.best_shift(i, -1e-9)
            if best < -1e-8:
                shifts += 1
                assert change == pytest.approx(best, rel=1e-6, abs=1e-9)
            else:
                assert slot < 0 or change > -2e-8
            pairs = [j for j in range(problem.n_users) if association[j] != association[i]]
            gains = {j: trial([(i, association[j]), (j, association[i])]) - now for j in pairs}
            best = min(gains.values(), default=np.inf)
            other, to, back = state.best_swap(i, problem.n_users, Random(0))
            if best < -1e-8:
                swaps += 1
                assert gains[other] == pytest.approx(best, rel=1e-6, abs=1e-9)
                assert (lists.station[i, to], lists.station[other, back]) == (association[other], association[i])
            else:
                assert other < 0 or gains[other] > -2e-8
    assert shifts > 10
    assert swaps > 10


def sums_of(state, n_servers):
    """All that a state says of servers, and the users' slots."""
    servers = [state.server(k) for k in range(n_servers)]
    sums = [(s.load, s.used, s.value, s.urgency, s.limit, s.members.tolist()) for s in servers]
    return sums, state.slots.tolist(), state.cost, state.excess, state.open_servers, state.has_overload


@pytest.mark.parametrize("case", CASES, ids=str)
def test_undoing_restores_the_state_to_the_last_bit(case):
    for problem, lists, state, rng in random_states(case, 10):
        users, random = np.arange(problem.n_users, dtype=np.int32), Random(1)
        state.settle(users, Stage.SWAPS, 1, 3, random, Cancellation())
        before, mark = sums_of(state, problem.n_stations), state.mark()
        for _ in range(200):
            user, slot = int(rng.integers(users.size)), int(rng.integers(lists.station.shape[1]))
            if slot != state.slots[user] and np.isfinite(lists.cost[user, slot]):
                state.shift(user, slot)
        state.settle(users, Stage.EJECTIONS, 3, 5, random, Cancellation())
        assert sums_of(state, problem.n_stations) != before
        state.undo(mark)
        assert sums_of(state, problem.n_stations) == before


@pytest.mark.parametrize("case", CASES, ids=str)
def test_sums_after_many_moves_are_those_of_a_fresh_load(case):
    for problem, lists, state, rng in random_states(case, 5):
        users, random = np.arange(problem.n_users, dtype=np.int32), Random(2)
        for _ in range(5):
            for _ in range(20):
                user, slot = int(rng.integers(users.size)), int(rng.integers(lists.station.shape[1]))
                if slot != state.slots[user] and np.isfinite(lists.cost[user, slot]):
                    state.shift(user, slot)
            while state.sweep(users, Cancellation()) + state.exchange(users, 9, True, random, Cancellation()):
                pass
            fresh = PlacementState(lists.view)
            fresh.load(state.slots)
            assert state.cost == pytest.approx(fresh.cost, rel=1e-9)
            assert state.is_feasible == fresh.is_feasible
            assert state.open_servers == fresh.open_servers
            for k in range(problem.n_stations):
                assert sorted(state.server(k).members) == sorted(fresh.server(k).members)
                assert state.server(k).limit == fresh.server(k).limit
                assert state.server(k).urgency == fresh.server(k).urgency


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("sharing", SHARINGS)
def test_tiny_instances_are_solved_to_the_optimum(sharing, objective):
    found = missed = 0
    for seed in range(60):
        problem = tiny_problem(
            seed,
            sharing=sharing,
            objective=objective,
            deadlines=seed % 2 == 0,
            capacities=seed % 3 > 0,
            limited_servers=seed % 4 == 0,
            mode="soft" if seed % 5 == 0 else "hard",
        )
        best, _ = brute_force(problem)
        result = local_search.solve(problem, stop=MaxIterations(400))
        if best is None:
            assert result.solution is None
            continue
        found += 1
        missed += result.solution is None or result.objective > best + 1e-9 * abs(best)
    assert found > 25
    assert missed == 0


def test_lists_of_candidates_lead_as_far_as_all_pairs():
    problem = dtopt.generate("large", seed=3, users=400, stations=40)
    dense, lists = Search(lists_of(problem), 1), Search(lists_of(problem, 16), 1)
    for search in (dense, lists):
        search.start()
        search.descend()
        search.close_servers()
        search.advance(300)
        evaluation = evaluate(problem, Solution(search.best()))
        assert evaluation.feasible
        assert evaluation.objective == pytest.approx(search.best_cost + problem.constant_cost, rel=1e-9)
    assert lists.best_cost == pytest.approx(dense.best_cost, rel=0.01)


def test_users_that_no_near_server_can_serve_get_others():
    problem = dtopt.generate("large", seed=3, users=60, stations=30)
    capacity = np.where(np.arange(30) < 25, 0, 60)
    stations = replace(problem.network.stations, capacity=capacity)
    problem = replace(problem, network=replace(problem.network, stations=stations))
    lists = lists_of(problem, 3)
    assert np.isfinite(lists.cost).any(axis=1).all()
    search = Search(lists, 0)
    search.start()
    assert evaluate(problem, Solution(search.best())).feasible


def test_the_same_seed_gives_the_same_answer_whatever_the_slices():
    problem = dtopt.generate("paper", seed=1)
    answers = []
    for slices in ([60], [10] * 6, [1, 59]):
        search = Search(lists_of(problem), 5)
        search.start()
        search.descend()
        search.close_servers()
        for iterations in slices:
            search.advance(iterations)
        answers.append((search.best_cost, search.best().tolist()))
    assert answers[0] == answers[1] == answers[2]
    first, second = (local_search.solve(problem, seed=7, stop=MaxIterations(200)) for _ in range(2))
    assert first.objective == second.objective
    assert first.iterations == second.iterations


def test_it_ends_by_itself_and_never_late():
    problem = dtopt.generate("paper", seed=2, users=30, stations=4)
    assert local_search.solve(problem).status is Status.FEASIBLE
    assert local_search.solve(dtopt.generate("paper", seed=2), time_limit=0.3).wall_s < 0.6


def test_workers_are_no_worse_than_one():
    problem = dtopt.generate("paper", seed=1, users=40, stations=6)
    one, two = (local_search.solve(problem, stop=MaxIterations(30), workers=workers) for workers in (1, 2))
    assert two.objective <= one.objective


def test_what_it_does_not_take_is_said(monkeypatch):
    monkeypatch.setattr(local_search, "MOST_PAIRS", 5)
    with pytest.raises(UnsupportedProblemError, match="in P2"):
        local_search.solve(tiny_problem(1, kind="migration"))
    with pytest.raises(InputError, match="workers"):
        local_search.solve(tiny_problem(1), workers=0)


@pytest.mark.parametrize("sharing", SHARINGS)
def test_migrations_end_at_the_optimum_on_tiny_instances(sharing):
    found = 0
    for seed in range(12):
        problem = tiny_problem(seed, kind="migration", sharing=sharing, capacities=seed % 2 == 0)
        best, _ = brute_force(problem)
        result = local_search.solve(problem, seed=seed)
        if best is None or result.solution is None:
            continue
        assert result.objective <= best * (1 + 1e-9)
        found += result.objective == pytest.approx(best, rel=1e-9)
    assert found >= 8


@pytest.mark.parametrize("sharing", SHARINGS)
def test_lists_are_made_to_hold_an_association(sharing):
    problem = dtopt.generate("tight-capacity", seed=2, users=30, stations=8, sharing=sharing)
    rng = np.random.default_rng(0)
    association = rng.integers(0, 8, 30)
    short = lists_of(problem, 3)

    def knows(lists):
        servers = association if lists.order is None else association[lists.order]
        return bool((lists.station == servers[:, None]).any(axis=1).all())

    assert not knows(short)
    held = including(problem, short, association)
    assert knows(held)
    whole = lists_of(problem, 8)
    users = np.arange(30) if held.order is None else held.order
    for row, user in enumerate(users.tolist()):
        for slot, server in enumerate(held.station[row].tolist()):
            at = whole.station[user].tolist().index(server)
            assert held.cost[row, slot] == whole.cost[user, at]
            assert whole.more is None or held.more[row, slot] == whole.more[user, at]


@pytest.mark.slow
def test_large_scarce_problems_are_found_feasible_where_greedy_does():
    problem = dtopt.generate("tight-capacity", seed=5, users=2100, stations=100)
    first = greedy.solve(problem)
    for name in ("local-search", "auto"):
        result = dtopt.solve(problem, name, time_limit=5)
        assert result.objective <= first.objective


@pytest.mark.parametrize("seed", range(3))
def test_a_search_that_only_drifts_comes_back_to_its_best(seed):
    problem = dtopt.generate("correlated", seed=seed, users=60, stations=20)
    params = LocalSearchParams()
    params.drift = 470
    search = Search(lists_of(problem), seed, params)
    search.start()
    search.polish()
    search.oscillate()
    most = 0
    for _ in range(1500):
        search.advance(1)
        most = max(most, search.core.logged)
    assert 0 < most < 900
    judged = evaluate(problem, Solution(search.best()))
    assert judged.feasible
    assert judged.objective == pytest.approx(search.best_cost + problem.constant_cost, rel=1e-9)


def test_a_cancelled_search_keeps_the_best_so_far():
    problem = dtopt.generate("large", seed=3, users=400, stations=40)
    lists = lists_of(problem)
    core = LocalSearch(lists.view, LocalSearchParams(), 1)
    core.start()
    over = Cancellation()
    over.cancel()
    before = core.best_cost
    for step in (core.descend, core.polish, core.close_servers, core.advance_widely):
        step(over)
    core.advance(1000, over)
    assert core.best_cost <= before
    assert core.iterations <= 2
    judged = evaluate(problem, Solution(core.best()))
    assert judged.objective == pytest.approx(core.best_cost + problem.constant_cost, rel=1e-9)


def test_steps_ask_whether_to_end():
    core = LocalSearch(lists_of(dtopt.generate("paper", seed=1)).view, LocalSearchParams(), 1)
    core.start()
    asked = []
    core.close_servers(Cancellation(), lambda: asked.append(1) or len(asked) == 3)
    assert len(asked) == 3
    assert core.iterations == 3
    with pytest.raises(ZeroDivisionError):
        core.polish(Cancellation(), lambda: 1 // 0)


def test_another_thread_may_not_use_a_search_meanwhile():
    core = LocalSearch(lists_of(dtopt.generate("paper", seed=1)).view, LocalSearchParams(), 1)
    core.start()
    over, raised = Cancellation(60.0), []

    def meddle():
        try:
            core.best()
        except RuntimeError as error:
            raised.append(str(error))

    def check():
        thread = threading.Thread(target=meddle)
        thread.start()
        thread.join()
        return True

    core.descend(over, check)
    assert raised == ["in use by another thread"]
    meddle()
    assert len(raised) == 1


def test_two_threads_may_search_the_same_view():
    view = lists_of(dtopt.generate("paper", seed=1)).view

    def searched(seed):
        core = LocalSearch(view, LocalSearchParams(), seed)
        core.start()
        core.close_servers(Cancellation())
        core.advance(300, Cancellation())
        return core.best_cost, core.best().tolist()

    alone = [searched(seed) for seed in (1, 2)]
    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(searched, (1, 2))) == alone


def place_by_hand(lists, price, order):
    """What `place_at_prices` does, in plain Python."""
    n, m = lists.size.size, lists.cpu.size
    slots, count, used, limit = np.full(n, -1), np.zeros(m), np.zeros(m), lists.capacity.astype(float)
    kind = lists.data.name
    for i in order.tolist():
        best = np.inf
        for c, k in enumerate(lists.station[i].tolist()):
            more = 0.0 if lists.more is None else lists.more[i, c]
            part = more if kind in {"FITTING", "CLAMPED"} else 0.0
            most = more if kind == "LIMITED" else np.inf
            if price[i, c] < best and count[k] < min(limit[k], most) and used[k] + part <= within(1.0):
                best, slots[i] = price[i, c], c
        if slots[i] >= 0:
            k = lists.station[i, slots[i]]
            count[k] += 1
            if kind in {"FITTING", "CLAMPED"}:
                used[k] += lists.more[i, slots[i]]
            elif kind == "LIMITED":
                limit[k] = min(limit[k], lists.more[i, slots[i]])
    return slots


@pytest.mark.parametrize("case", CASES, ids=str)
def test_users_are_placed_at_prices_as_by_hand(case):
    for seed in range(20):
        lists = lists_of(problem_of(case, seed, users=12))
        rng = np.random.default_rng(seed)
        price, order = np.where(np.isfinite(lists.cost), rng.random(lists.cost.shape), np.inf), rng.permutation(12)
        placed = place_at_prices(lists.view, price, order)
        assert placed.tolist() == place_by_hand(lists, price, order).tolist()


def test_the_core_refuses_what_does_not_fit():
    lists = lists_of(dtopt.generate("paper", seed=1, users=6, stations=3))
    state, core = PlacementState(lists.view), LocalSearch(lists.view, LocalSearchParams(), 1)
    slots = np.zeros(6, dtype=np.int32)
    for wrong in (slots[:5], slots + 3, slots - 1):
        with pytest.raises(ValueError, match="slots"):
            state.load(wrong)
    for wrong in (slots.astype(np.int64), np.zeros(12, dtype=np.int32)[::2], slots.tolist()):
        with pytest.raises(TypeError):
            state.load(wrong)
    state.load(slots)
    for user, slot in ((6, 1), (-1, 1), (0, 3), (0, -1), (0, 0)):
        with pytest.raises(ValueError, match=r"user|slot"):
            state.shift(user, slot)
    mark = state.mark()
    state.shift(0, 1)
    late = state.mark()
    state.undo(mark)
    with pytest.raises(ValueError, match="forgotten"):
        state.undo(late)
    with pytest.raises(ValueError, match="users"):
        state.sweep(slots + 6, Cancellation())
    with pytest.raises(ValueError, match="association"):
        core.start(np.full(6, 3))
    with pytest.raises(ValueError, match="closed"):
        core.start(None, np.zeros(4, dtype=bool))
    with pytest.raises(ValueError, match="servers"):
        core.focus(np.array([3]))
    with pytest.raises(ValueError, match="price"):
        place_at_prices(lists.view, np.zeros((6, 4)), np.arange(6))
    with pytest.raises(ValueError, match="order"):
        place_at_prices(lists.view, np.zeros((6, 3)), np.arange(7))
    fields = {
        name: getattr(lists, name)
        for name in ("station", "cost", "more", "size", "rate", "near", "cpu", "capacity", "penalty", "max_open")
    } | {"opening": np.ones(3), "sharing": lists.sharing, "data": lists.data, "dense": True}
    for name, value in (
        ("cost", np.full((6, 3), np.nan)),
        ("station", np.full((6, 3), 3, dtype=np.int32)),
        ("near", np.full((3, 1), 3, dtype=np.int32)),
        ("size", np.ones(5)),
    ):
        with pytest.raises(ValueError, match=r"NaN|must"):
            PlacementView(**(fields | {name: value}))
