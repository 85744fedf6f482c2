"""`lns`: its neighbourhoods against brute force and the evaluator, its bounds, and what it promises."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest

import dtopt
from dtopt.errors import UnsupportedProblemError
from dtopt.evaluation import evaluate
from dtopt.price_dual import PriceDual
from dtopt.result import Status
from dtopt.solution import Solution
from dtopt.stop import MaxIterations
from dtopt.testing.oracle import brute_force
from dtopt.testing.tiny import SHARINGS, tiny_problem
from solvers import lns, local_search
from solvers.exact.knapsack import whole_demands
from solvers.lns import neighbourhood
from solvers.lns.choice import Choice
from solvers.lns.neighbourhood import FINEST, GRAINS, Neighbourhood, Settings
from solvers.lns.tables import climb, pair_bounds
from solvers.local_search.candidates import lists_of

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


def problem_of(case, seed, users=6, stations=4, **options):
    sharing, deadlines, mode = case
    options = {"capacities": True} | options
    problem = tiny_problem(
        seed, sharing=sharing, deadlines=deadlines, mode=mode, users=users, stations=stations, **options
    )
    if sharing == "fixed":
        problem = replace(problem, demand_hz=problem.demand_hz * 0.6)
    return problem


def feasible(problem, seed):
    """A random feasible association, or None."""
    rng = np.random.default_rng(seed)
    for _ in range(200):
        association = rng.integers(0, problem.n_stations, problem.n_users)
        judged = evaluate(problem, Solution(association))
        if judged.feasible:
            return association, judged.objective
    return None


def neighbourhoods(case, wanted, servers=3, **options):
    """Yield problems, feasible associations with their objectives, and neighbourhoods of some servers."""
    found = 0
    for seed in range(300):
        problem = problem_of(case, seed, **options)
        start = feasible(problem, seed)
        if start is None:
            continue
        chosen = np.sort(np.random.default_rng(seed).choice(problem.n_stations, servers, replace=False))
        if not np.isin(start[0], chosen).any():
            continue
        grains = whole_demands(problem, GRAINS, FINEST) if problem.sharing == "fixed" else None
        yield problem, *start, chosen, Neighbourhood(lists_of(problem), start[0], chosen, grains)
        found += 1
        if found == wanted:
            return
    pytest.fail("too few feasible associations")


def best_within(problem, association, servers):
    """The best objective with only the users of some servers moved, to any of these."""
    users, best = np.flatnonzero(np.isin(association, servers)), np.inf
    trial = association.copy()
    for choice in itertools.product(servers.tolist(), repeat=users.size):
        trial[users] = choice
        judged = evaluate(problem, Solution(trial.copy()))
        if judged.feasible:
            best = min(best, judged.objective)
    return best


@pytest.mark.parametrize("case", CASES)
def test_a_neighbourhood_is_solved_to_optimality_and_its_change_is_the_evaluators(case):
    solved = improved = 0
    for problem, association, objective, servers, hood in neighbourhoods(case, 12, limited_servers=True):
        outcome = hood.solve(np.zeros(problem.n_users), np.zeros(problem.n_stations), Settings())
        assert outcome.complete
        best = best_within(problem, association, servers)
        reached = objective
        if outcome.association is not None:
            improved += 1
            moved = outcome.association != association
            assert np.isin(association[moved], servers).all()
            assert np.isin(outcome.association[moved], servers).all()
            judged = evaluate(problem, Solution(outcome.association))
            assert judged.feasible
            assert objective + outcome.change == pytest.approx(judged.objective, rel=1e-9)
            reached = judged.objective
        assert reached <= objective
        solved += reached == pytest.approx(best, rel=1e-7)
    assert solved >= 11
    assert improved


@pytest.mark.parametrize("case", CASES)
def test_noise_leads_to_another_feasible_association_whose_change_is_without_it(case):
    other = 0
    for problem, _, objective, _, hood in neighbourhoods(case, 8):
        noise = np.random.default_rng(0).random((problem.n_users, problem.n_stations)) * objective
        outcome = hood.solve(np.zeros(problem.n_users), np.zeros(problem.n_stations), Settings(), noise=noise)
        if outcome.association is not None:
            other += 1
            judged = evaluate(problem, Solution(outcome.association))
            assert judged.feasible
            assert objective + outcome.change == pytest.approx(judged.objective, rel=1e-9)
    assert other


@pytest.mark.parametrize("sharing", SHARINGS)
def test_bounds_of_tables_hold_for_all_associations(sharing, monkeypatch):
    """Under ``optimal`` sharing up to what rounding costs at loads far from those of now, at which it is priced."""
    monkeypatch.setattr(neighbourhood, "GROWTH", 100.0)
    for problem, association, objective, servers, hood in neighbourhoods((sharing, False, "hard"), 6, users=5):
        tables = hood._tables(hood.instance)
        prices, places = np.zeros(hood.users.size), np.zeros(servers.size)
        table = np.empty((*tables.cost.shape[:2], hood.users.size + 1, tables.last.shape[2]))
        bound = climb(tables, prices, places, table, hood.cost, 60)
        pairs = pair_bounds(tables, prices, places, table)
        assert pairs.min() == pytest.approx(bound, rel=1e-9) or pairs.min() >= bound
        trial = association.copy()
        for choice in itertools.product(range(servers.size), repeat=hood.users.size):
            trial[hood.users] = servers[list(choice)]
            judged = evaluate(problem, Solution(trial.copy()))
            if judged.feasible:
                cost = hood.cost + judged.objective - objective
                slack = (1e-3 if sharing == "optimal" else 1e-9) * abs(cost)
                assert pairs[list(choice), np.arange(hood.users.size)].max() <= cost + slack


@pytest.mark.parametrize("case", CASES)
def test_tiny_problems_are_mostly_solved_to_optimality(case):
    optimal = total = 0
    for seed in range(12):
        problem = problem_of(case, seed, users=5, stations=3, limited_servers=True)
        best = brute_force(problem)[0]
        result = lns.solve(problem, seed=seed)
        if best is None:
            assert result.solution is None
            continue
        total += 1
        if result.solution is not None:
            assert result.objective >= best * (1 - 1e-9)
            optimal += result.objective == pytest.approx(best, rel=1e-6)
            if result.status is Status.OPTIMAL:
                assert result.objective == pytest.approx(best, rel=1e-6)
    assert total >= 4
    assert optimal >= 0.9 * total


def test_generalized_assignment_is_proven_optimal_where_all_servers_are_searched_together():
    problem = dtopt.generate("correlated", users=20, stations=4, seed=2)
    result = lns.solve(problem)
    assert result.status is Status.OPTIMAL
    assert result.objective == pytest.approx(dtopt.solve(problem, "exact").objective, rel=1e-6)


@pytest.mark.parametrize("sharing", SHARINGS)
def test_it_is_never_worse_than_its_start(sharing):
    problem = dtopt.generate("tight-capacity", users=30, stations=6, sharing=sharing, seed=1)
    first = local_search.solve(problem, stop=MaxIterations(1))
    assert first.solution is not None
    result = lns.solve(problem, start=first.solution, stop=MaxIterations(30))
    assert result.objective <= first.objective
    assert result.trace[0].objective == first.objective
    searched = local_search.solve(problem, start=first.solution, stop=MaxIterations(20))
    again = lns.solve(problem, start=searched.solution, stop=MaxIterations(0))
    assert again.objective == searched.objective


@pytest.mark.parametrize("sharing", SHARINGS)
def test_the_same_seed_gives_the_same_answer(sharing):
    problem = dtopt.generate("costly-servers", users=40, stations=8, sharing=sharing, seed=3)
    first, second = (lns.solve(problem, seed=4, stop=MaxIterations(60)) for _ in range(2))
    assert first.iterations == second.iterations
    assert [step.objective for step in first.trace] == [step.objective for step in second.trace]
    assert (first.solution.association == second.solution.association).all()


def test_neighbourhoods_searched_in_vain_are_not_drawn_again_until_their_users_change():
    problem = dtopt.generate("paper", users=20, stations=3, seed=1)
    dual = PriceDual.of(problem)
    association = np.arange(20) % 3
    choice = Choice(dual, dual.ascend()[1], association, np.random.default_rng(0))
    servers = choice.draw(3, 100)
    outcome = Neighbourhood(lists_of(problem), association, servers, None).solve(np.zeros(20), np.zeros(3), Settings())
    choice.learn(servers, replace(outcome, association=None, complete=False), 100)
    assert choice.draw(3, 100) is None
    assert choice.draw(3, 101) is not None
    moved = np.roll(association, 1)
    choice.moved(moved)
    assert choice.draw(3, 100) is not None
    choice.moved(association)
    assert choice.draw(3, 100) is None


def test_an_interrupt_keeps_the_best_so_far():
    problem = dtopt.generate("correlated", users=60, stations=8, seed=1)

    def interrupt(step, solution):
        raise KeyboardInterrupt

    result = lns.solve(problem, on_incumbent=interrupt)
    assert result.status is Status.INTERRUPTED
    assert result.solution is not None


def test_what_it_does_not_take_it_says():
    with pytest.raises(UnsupportedProblemError, match="placement"):
        lns.solve(tiny_problem(0, kind="migration"))
    large = dtopt.generate("large", users=30_000, stations=100, seed=1)
    with pytest.raises(UnsupportedProblemError, match="pairs"):
        lns.solve(large)
