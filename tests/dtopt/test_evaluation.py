"""The evaluator against the equations in plain loops, and each violation by name, user and amount."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from dtopt.errors import InputError
from dtopt.evaluation import evaluate
from dtopt.sharing import cpu_shares
from dtopt.solution import Solution
from dtopt.testing.tiny import OBJECTIVES, SHARINGS, tiny_problem
from tests import reference


def draw(problem, seed):
    return np.random.default_rng(seed).integers(0, problem.n_stations, problem.n_users)


@pytest.mark.parametrize("sharing", SHARINGS)
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_placement_terms_equal_the_equations(sharing, objective):
    for seed in range(30):
        problem = tiny_problem(seed, sharing=sharing, objective=objective)
        association = draw(problem, seed)
        evaluation = evaluate(problem, Solution(association))
        expected = reference.placement_cost(problem, association.tolist(), evaluation.cpu_share_hz)
        terms = evaluation.terms
        assert terms.latency == pytest.approx(expected["latency"], rel=1e-12)
        assert terms.paper_latency == pytest.approx(expected["paper"], rel=1e-12)
        assert terms.system_cost == pytest.approx(expected["system"], rel=1e-12)
        assert terms.energy == pytest.approx(expected["energy"], rel=1e-12)
        assert evaluation.deadline_latency_s == pytest.approx(expected["construction"], rel=1e-12)
        assert evaluation.objective == (terms.system_cost if objective == "system-cost" else terms.latency)
        assert terms.wireless + terms.wired + terms.compute == pytest.approx(terms.latency, rel=1e-12)
        assert terms.construction + terms.synchronisation == pytest.approx(terms.latency, rel=1e-12)
        assert min(terms.wireless, terms.wired, terms.compute, terms.synchronisation) >= -1e-15


@pytest.mark.parametrize("sharing", SHARINGS)
def test_migration_utility_equals_the_equations(sharing):
    for seed in range(30):
        problem = tiny_problem(seed, kind="migration", sharing=sharing)
        association = draw(problem, seed)
        evaluation = evaluate(problem, Solution(association))
        utility, latencies = reference.migration_utility(problem, association.tolist(), evaluation.cpu_share_hz)
        assert evaluation.objective == pytest.approx(utility, rel=1e-12)
        assert evaluation.latency_s == pytest.approx(latencies, rel=1e-12)
        moved = (problem.previous >= 0) & (problem.previous != association)
        assert evaluation.terms.migrations == moved.sum()
        assert evaluation.terms.moved_bits == pytest.approx(problem.network.users.data_bits[moved].sum())
        terms = evaluation.terms
        assert terms.wireless + terms.wired + terms.compute + terms.moving == pytest.approx(terms.latency, rel=1e-12)
        assert min(terms.wireless, terms.wired, terms.compute, terms.moving) >= -1e-15


def test_the_load_form_of_fact_1_is_the_latency():
    """Σ T_i = Σ com_ik(w_i) + Σ_k L_k² / F_k under optimal sharing while no deadline binds."""
    problem = tiny_problem(3, users=5, stations=3)
    association = np.array([0, 1, 0, 2, 1])
    users = np.arange(5)
    load = np.bincount(association, weights=problem.root_load)
    total = problem.transfer_latency(users, association).sum() + (load**2 / problem.network.stations.cpu_hz).sum()
    assert evaluate(problem, Solution(association)).terms.latency == pytest.approx(total / 5, rel=1e-12)


def test_wired_passes_count_the_construction_twice_as_printed():
    """With (10) as printed the wired latency of D_i, and of D_i alone, counts twice."""
    base = tiny_problem(5, users=4, stations=3)
    association = Solution(np.array([0, 1, 2, 0]))
    once, twice = (
        evaluate(replace(base, network=replace(base.network, wired_passes=passes)), association) for passes in (1, 2)
    )
    users = np.arange(4)
    net = base.network
    extra = net.wired_latency(net.users.data_bits, users, association.association)
    assert twice.latency_s - once.latency_s == pytest.approx(extra, rel=1e-9)
    assert extra.max() > 0


def test_soft_deadlines_cost_and_hard_ones_are_violations():
    seen = 0
    for seed in range(40):
        soft = tiny_problem(seed, deadlines=True, mode="soft")
        hard = replace(soft, deadline="hard")
        solution = Solution(draw(soft, seed))
        evaluation = evaluate(soft, solution)
        late = np.maximum(0, evaluation.deadline_latency_s - soft.network.users.deadline_s)
        assert evaluation.feasible
        assert evaluation.terms.penalty == pytest.approx(soft.user_weight * soft.deadline_penalty * late.sum())
        assert evaluation.objective == pytest.approx(evaluation.terms.system_cost + evaluation.terms.penalty)
        judged = evaluate(hard, solution)
        for violation in judged.violations:
            assert (violation.constraint, violation.name) == ("18d", "deadline")
            excess = judged.deadline_latency_s[violation.user] - hard.network.users.deadline_s[violation.user]
            assert violation.amount == pytest.approx(excess)
            seen += 1
        assert judged.feasible == (judged.deadline_latency_s <= hard.network.users.deadline_s * (1 + 1e-9)).all()
    assert seen > 10


def names(evaluation):
    return [(v.constraint, v.name, v.user, v.server) for v in evaluation.violations]


def test_each_violation_is_named():
    problem = tiny_problem(1, users=4, stations=3, sharing="optimal", capacities=True, limited_servers=True)
    stations = replace(problem.network.stations, capacity=np.array([1, 4, 4]))
    problem = replace(problem, network=replace(problem.network, stations=stations), max_servers=1)
    missing = evaluate(problem, Solution(np.array([1, 1, -1, 1])))
    assert names(missing) == [("18a", "assignment", 2, None)]
    assert missing.objective == np.inf
    full = evaluate(problem, Solution(np.array([0, 0, 0, 0])))
    assert names(full) == [("18b", "capacity", None, 0)]
    assert full.violations[0].amount == 3
    many = evaluate(problem, Solution(np.array([0, 1, 1, 2])))
    assert names(many) == [("18", "max-servers", None, None)]
    assert many.violations[0].amount == 2
    closed = evaluate(problem, Solution(np.array([1, 1, 2, 1]), open_servers=[1]))
    assert names(closed) == [("18a", "closed-server", 2, 2)]


@pytest.mark.parametrize("kind", ["placement", "migration"])
@pytest.mark.parametrize("sharing", SHARINGS)
def test_the_shares_judged_are_those_of_the_policy(sharing, kind):
    problem = tiny_problem(1, users=3, stations=2, sharing=sharing, kind=kind)
    association = np.array([0, 0, 1])
    due = cpu_shares(problem, association)
    plain = evaluate(problem, Solution(association))
    assert (plain.share_difference, plain.note) == (0.0, "")
    other = evaluate(problem, Solution(association, cpu_share_hz=due * [0.5, 1.25, 1.0]))
    assert other.objective == plain.objective
    assert (other.cpu_share_hz == due).all()
    assert other.violations == plain.violations
    assert other.share_difference == pytest.approx(0.5)
    assert "by up to 50 %" in other.note
    assert evaluate(problem, Solution(association, cpu_share_hz=due * (1 + 1e-7))).note == ""
    assert evaluate(problem, Solution(association, cpu_share_hz=due * (1 + 1e-5))).note != ""


def test_fixed_demands_are_a_knapsack():
    problem = tiny_problem(1, users=5, stations=1, sharing="fixed")
    evaluation = evaluate(problem, Solution(np.zeros(5, dtype=int)))
    used = cpu_shares(problem, np.zeros(5, dtype=int)).sum()
    cpu = problem.network.stations.cpu_hz[0]
    assert used > cpu
    assert names(evaluation) == [("18c", "cpu", None, 0)]
    assert evaluation.violations[0].amount == pytest.approx(used - cpu)


def test_a_user_without_coverage_is_named():
    problem = tiny_problem(1, users=3, stations=2)
    gain = problem.network.channel.gain.copy()
    gain[1] = 0.0
    from dtopt.channel import GainMatrix

    problem = replace(problem, network=replace(problem.network, channel=GainMatrix(gain)))
    assert names(evaluate(problem, Solution(np.array([0, 1, 1])))) == [("18d", "coverage", 1, 1)]


def test_migration_names_its_own_constraints():
    problem = tiny_problem(2, kind="migration", users=3, stations=3, deadlines=True)
    stations = replace(problem.network.stations, capacity=np.array([1, 3, 3]))
    users = replace(problem.network.users, deadline_s=np.full(3, 1e-4))
    network = replace(problem.network, stations=stations, users=users)
    problem = replace(problem, network=network, servers=np.array([0, 1]))
    found = names(evaluate(problem, Solution(np.array([0, 0, 2]))))
    assert ("21a", "capacity", None, 0) in found
    assert ("21b", "closed-server", None, 2) in found
    assert ("21c", "deadline", 0, 0) in found
    assert names(evaluate(problem, Solution(np.array([-1, 1, 1]))))[0] == ("21b", "assignment", 0, None)


def test_a_solution_of_the_wrong_size_is_refused():
    problem = tiny_problem(1, users=3, stations=2)
    with pytest.raises(InputError, match="association: has shape 2, expected 3"):
        evaluate(problem, Solution(np.array([0, 1])))
    with pytest.raises(InputError, match=r"association\[2\]: must be <= 1, got 2"):
        evaluate(problem, Solution(np.array([0, 1, 2])))


def test_an_idle_open_server_costs_and_is_allowed():
    problem = tiny_problem(1, users=3, stations=3)
    lean, idle = (evaluate(problem, Solution(np.zeros(3, dtype=int), open_servers=s)) for s in ([0], [0, 2]))
    assert idle.feasible
    assert idle.objective - lean.objective == pytest.approx(problem.opening_cost)
