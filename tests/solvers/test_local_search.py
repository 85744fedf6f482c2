"""`local-search`: its costs against the evaluator's, its answers against brute force, and what it promises."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import dtopt
from dtopt.errors import InputError, UnsupportedProblemError
from dtopt.evaluation import evaluate
from dtopt.result import Status
from dtopt.solution import Solution
from dtopt.stop import MaxIterations
from dtopt.testing.oracle import brute_force
from dtopt.testing.tiny import OBJECTIVES, SHARINGS, tiny_problem
from solvers import greedy, local_search
from solvers.local_search import kernel
from solvers.local_search.candidates import including, lists_of
from solvers.local_search.descent import best_shift, best_swap, settle
from solvers.local_search.driver import Search
from solvers.local_search.moves import is_feasible, joining, leaving, shift, undo

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


def random_searches(case, wanted, seeds=range(200)):
    """Yield problems and searches begun from random associations of allowed pairs, feasible ones first of all."""
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
                search = Search(lists_of(problem), seed)
                search.start(association)
                yield problem, search, rng
                found += 1
                break
        if found == wanted:
            return
    raise AssertionError(f"only {found} feasible associations for {case}")


def objective(problem, search):
    """What the evaluator says of the association at hand, its constant part left out; infinite if infeasible."""
    association = search.state.users[:, kernel.SERVER].astype(np.int64)
    evaluation = evaluate(problem, Solution(association))
    return evaluation.objective - problem.constant_cost if evaluation.feasible else np.inf


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_cost_of_shifts_is_the_evaluators(case):
    binding = feasible = 0
    for problem, search, rng in random_searches(case, 30):
        p, s = search.instance, search.state
        before = objective(problem, search)
        assert s.floats[kernel.COST] == pytest.approx(before, rel=1e-9)
        for user in rng.permutation(problem.n_users):
            slot = int(rng.integers(p.station.shape[1]))
            if slot == s.users[user, kernel.SLOT] or not np.isfinite(p.cost[user, slot]):
                continue
            opens = s.counts[p.station[user, slot], kernel.COUNT] == 0
            change = leaving(p, s, user) + joining(p, s, user, slot) + (p.opening if opens else 0.0)
            then = s.floats[kernel.COST] + s.floats[kernel.EXCESS]
            shift(p, s, user, slot)
            assert s.floats[kernel.COST] + s.floats[kernel.EXCESS] - then == pytest.approx(change, rel=1e-8, abs=1e-9)
            after = objective(problem, search)
            assert is_feasible(p, s) == np.isfinite(after)
            if np.isfinite(after):
                feasible += 1
                assert s.floats[kernel.COST] == pytest.approx(after, rel=1e-9)
                plain = sum(
                    kernel.plain(p.mode, row[kernel.LOAD], count, row[kernel.CPU])
                    for row, count in zip(s.servers, s.counts[:, kernel.COUNT], strict=True)
                )
                binding += s.servers[:, kernel.VALUE].sum() > plain * (1 + 1e-9)
            else:
                undo(p, s, int(s.ints[kernel.LOGGED]) - 1)
                s.floats[kernel.COST], s.floats[kernel.EXCESS] = before, 0.0
            before = s.floats[kernel.COST]
    assert feasible > 50
    if case in {("optimal", True, "hard"), ("optimal", True, "soft"), ("equal", True, "soft")}:
        assert binding > 20


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_best_shift_and_swap_are_those_that_the_evaluator_finds(case):
    shifts = swaps = 0
    for problem, search, _ in random_searches(case, 20):
        p, s = search.instance, search.state
        association = s.users[:, kernel.SERVER].astype(np.int64)
        now = objective(problem, search)

        def trial(changes, association=association, problem=problem):
            changed = association.copy()
            for user, server in changes:
                changed[user] = server
            evaluation = evaluate(problem, Solution(changed))
            return evaluation.objective - problem.constant_cost if evaluation.feasible else np.inf

        for i in range(problem.n_users):
            others = [k for k in np.unique(association) if k != association[i]]
            best = min((trial([(i, k)]) - now for k in others), default=np.inf)
            change, slot = best_shift(p, s, i, -1e-9)
            if best < -1e-8:
                shifts += 1
                assert change == pytest.approx(best, rel=1e-6, abs=1e-9)
            else:
                assert slot < 0 or change > -2e-8
            pairs = [j for j in range(problem.n_users) if association[j] != association[i]]
            gains = {j: trial([(i, association[j]), (j, association[i])]) - now for j in pairs}
            best = min(gains.values(), default=np.inf)
            other, to, back = best_swap(p, s, i, problem.n_users)
            if best < -1e-8:
                swaps += 1
                assert gains[other] == pytest.approx(best, rel=1e-6, abs=1e-9)
                assert (p.station[i, to], p.station[other, back]) == (association[other], association[i])
            else:
                assert other < 0 or gains[other] > -2e-8
    assert shifts > 10
    assert swaps > 10


@pytest.mark.parametrize("case", CASES, ids=str)
def test_undoing_restores_the_state_to_the_last_bit(case):
    for _, search, rng in random_searches(case, 10):
        p, s = search.instance, search.state
        search.advance(3)
        s.ints[kernel.LOGGED] = 0
        floats = s.floats.copy()
        before = [s.users.copy(), s.servers.copy(), s.counts[:, [kernel.COUNT, kernel.LIMIT]].copy()]
        open_lacking = s.ints[[kernel.N_OPEN, kernel.N_LACKING]].copy()
        members = [members_of(s, k) for k in range(s.counts.shape[0])]
        for _ in range(200):
            user, slot = int(rng.integers(s.users.shape[0])), int(rng.integers(p.station.shape[1]))
            if slot != s.users[user, kernel.SLOT] and np.isfinite(p.cost[user, slot]):
                shift(p, s, user, slot)
        settle(p, s, kernel.EJECTIONS, 3, 5)
        undo(p, s, 0)
        s.floats[:] = floats
        assert (s.users == before[0]).all()
        assert np.array_equal(s.servers, before[1])
        assert (s.counts[:, [kernel.COUNT, kernel.LIMIT]] == before[2]).all()
        assert (s.ints[[kernel.N_OPEN, kernel.N_LACKING]] == open_lacking).all()
        assert all((members_of(s, k) == members[k]).all() for k in range(s.counts.shape[0]))


def members_of(s, server):
    start, count = s.counts[server, [kernel.START, kernel.COUNT]]
    return s.members[start : start + count].copy()


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
    assert np.isfinite(lists.instance.cost).any(axis=1).all()
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
    assert not Search(short, 0).knows(association)
    held = including(problem, short, association)
    assert Search(held, 0).knows(association)
    whole = lists_of(problem, 8).instance
    users = np.arange(30) if held.order is None else held.order
    for row, user in enumerate(users.tolist()):
        for slot, server in enumerate(held.instance.station[row].tolist()):
            at = whole.station[user].tolist().index(server)
            assert held.instance.cost[row, slot] == whole.cost[user, at]
            assert whole.more.size == 0 or held.instance.more[row, slot] == whole.more[user, at]


@pytest.mark.slow
def test_large_scarce_problems_are_found_feasible_where_greedy_does():
    problem = dtopt.generate("tight-capacity", seed=5, users=2100, stations=100)
    first = greedy.solve(problem)
    for name in ("local-search", "auto"):
        result = dtopt.solve(problem, name, time_limit=5)
        assert result.objective <= first.objective


@pytest.mark.parametrize("seed", range(3))
def test_a_search_that_only_drifts_does_not_fill_its_log(seed):
    """Once full, nothing could move any more, and kicks wrote past its end: a crash at worst."""
    problem = dtopt.generate("correlated", seed=seed, users=60, stations=20)
    search = Search(lists_of(problem), seed)
    state = search.state
    rows = 1000
    search.state = state._replace(log_users=state.log_users[:rows].copy(), log_sums=state.log_sums[:rows].copy())
    search.start()
    search.polish()
    search.oscillate()
    most = 0
    for _ in range(1500):
        search.advance(1)
        most = max(most, int(search.state.ints[kernel.LOGGED]))
    assert 0 < most < rows - 100
    judged = evaluate(problem, Solution(search.best()))
    assert judged.feasible
    assert judged.objective == pytest.approx(search.best_cost + problem.constant_cost, rel=1e-9)
