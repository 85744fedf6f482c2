"""`lns`: its neighbourhoods against brute force and the evaluator, its bounds, and what it promises."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest

import dtopt
from dtopt._core import Cancellation
from dtopt.errors import UnsupportedProblemError
from dtopt.evaluation import evaluate
from dtopt.price_dual import PriceDual
from dtopt.result import Status
from dtopt.solution import Solution
from dtopt.stop import MaxIterations
from dtopt.testing.oracle import brute_force
from dtopt.testing.tiny import SHARINGS, tiny_problem
from solvers import lns, local_search
from solvers._core import NeighbourhoodParams, NeighbourhoodSearch
from solvers.exact.knapsack import whole_demands
from solvers.lns.choice import Choice
from solvers.lns.search import FINEST, GRAINS, neighbourhoods_of
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


def search_of(problem):
    """The search over neighbourhoods of a problem, its prices 0."""
    return neighbourhoods_of(problem, lists_of(problem), np.zeros(problem.n_users), np.zeros(problem.n_stations))


def solved(search, association, servers, nodes=50_000, noise=None):
    """What comes of a neighbourhood."""
    return search.solve(association, servers, nodes=nodes, step=0.0, noise=noise, cancellation=Cancellation())


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
        yield problem, *start, chosen
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
    optimal = improved = 0
    for problem, association, objective, servers in neighbourhoods(case, 12, limited_servers=True):
        outcome = solved(search_of(problem), association, servers)
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
        optimal += reached == pytest.approx(best, rel=1e-7)
    assert optimal >= 11
    assert improved


@pytest.mark.parametrize("case", CASES)
def test_noise_leads_to_another_feasible_association_whose_change_is_without_it(case):
    other = 0
    for problem, association, objective, servers in neighbourhoods(case, 8):
        noise = np.random.default_rng(0).random((problem.n_users, problem.n_stations)) * objective
        outcome = solved(search_of(problem), association, servers, noise=noise)
        if outcome.association is not None:
            other += 1
            judged = evaluate(problem, Solution(outcome.association))
            assert judged.feasible
            assert objective + outcome.change == pytest.approx(judged.objective, rel=1e-9)
    assert other


@pytest.mark.parametrize("sharing", SHARINGS)
def test_bounds_of_tables_hold_for_all_associations(sharing):
    """Under ``optimal`` sharing up to what rounding costs at loads far from those of now, at which it is priced."""
    params = NeighbourhoodParams()
    params.growth = 100.0
    for problem, association, objective, servers in neighbourhoods((sharing, False, "hard"), 6, users=5):
        search = with_params(problem, params)
        cost = search.bounds(association, servers, -1e9, Cancellation())[0]
        _, bound, pairs = search.bounds(association, servers, cost, Cancellation())
        users = np.flatnonzero(np.isin(association, servers))
        assert pairs.min() == pytest.approx(bound, rel=1e-9) or pairs.min() >= bound
        trial = association.copy()
        for choice in itertools.product(range(servers.size), repeat=users.size):
            trial[users] = servers[list(choice)]
            judged = evaluate(problem, Solution(trial.copy()))
            if judged.feasible:
                other = cost + judged.objective - objective
                slack = (1e-3 if sharing == "optimal" else 1e-9) * abs(other)
                assert pairs[list(choice), np.arange(users.size)].max() <= other + slack


def with_params(problem, params):
    """The search over neighbourhoods of a problem with other tunables, its prices 0."""
    grains = [None, None]
    if problem.sharing == "fixed":
        weight, room = whole_demands(problem, GRAINS, FINEST)
        grains = [np.ascontiguousarray(weight.T), room]
    prices = np.zeros(problem.n_users), np.zeros(problem.n_stations)
    return NeighbourhoodSearch(lists_of(problem).view, *prices, *grains, params)


def test_a_search_ends_when_cancelled_or_out_of_nodes_with_the_best_so_far():
    problem = dtopt.generate("tight-capacity", users=40, stations=6, sharing="fixed", seed=1)
    start = local_search.solve(problem, stop=MaxIterations(1)).solution.association
    servers = np.arange(6)
    over = Cancellation()
    over.cancel()
    search = search_of(problem)
    outcome = search.solve(start, servers, nodes=50_000, step=0.0, noise=None, cancellation=over)
    assert outcome.association is None
    assert not outcome.complete
    outcomes = [solved(search_of(problem), start, servers, nodes=nodes) for nodes in (1, 2000, 20_000, 20_000)]
    for outcome in outcomes:
        if outcome.association is not None:
            assert outcome.change < 0.0
            assert evaluate(problem, Solution(outcome.association)).feasible
    assert outcomes[0].association is None
    assert outcomes[2].change <= outcomes[1].change
    assert outcomes[2].change == outcomes[3].change
    assert outcomes[2].nodes == outcomes[3].nodes


def test_wrong_arguments_are_refused():
    problem = dtopt.generate("paper", users=12, stations=3, seed=1)
    search, association = search_of(problem), np.arange(12) % 3
    for servers in (np.array([0, 3]), np.array([-1, 0]), np.array([1, 1])):
        with pytest.raises(ValueError, match="servers"):
            solved(search, association, servers)
    with pytest.raises(ValueError, match="association"):
        solved(search, association[:-1].copy(), np.arange(2))
    with pytest.raises(ValueError, match="noise"):
        solved(search, association, np.arange(2), noise=np.full((12, 3), np.nan))
    with pytest.raises(TypeError):
        solved(search, association.astype(np.int32), np.arange(2))
    view = lists_of(problem).view
    with pytest.raises(ValueError, match="weight and room"):
        NeighbourhoodSearch(view, np.zeros(12), np.zeros(3), np.ones((3, 12), dtype=np.int64), np.ones(3, np.int64))
    with pytest.raises(ValueError, match="user_prices"):
        NeighbourhoodSearch(view, np.zeros(11), np.zeros(3), None, None)


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
    choice.learn(servers, improved=False, complete=False, nodes=100)
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
