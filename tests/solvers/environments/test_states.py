"""Stacked states against the one evaluator, and decoding against plain Python."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import dtopt
from dtopt.errors import InputError
from dtopt.evaluation import evaluate
from dtopt.solution import Solution
from dtopt.testing.oracle import brute_force
from dtopt.testing.tiny import OBJECTIVES, SHARINGS, tiny_problem
from solvers.environments.decoding import complete, decode, open_servers
from solvers.environments.slots import FAILURE, Slots
from solvers.environments.states import NetworkStates, PresetStates
from solvers.loads import ServerLoads


def stack(seed, sharing, count=3, **kinds):
    """States of one size and policy; each problem of the same kind with numbers of its own."""
    problems = [tiny_problem(seed + i, sharing=sharing, users=4, stations=3, **kinds) for i in range(40)]
    limit = problems[0].max_open
    return NetworkStates.of([p for p in problems if p.max_open == limit][:count])


kinds = st.fixed_dictionaries(
    {
        "objective": st.sampled_from(OBJECTIVES),
        "deadlines": st.booleans(),
        "capacities": st.booleans(),
        "limited_servers": st.booleans(),
        "mode": st.sampled_from(["hard", "soft"]),
    }
)


@given(st.integers(0, 10_000), st.sampled_from(SHARINGS), kinds)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_costs_and_feasibility_are_the_evaluators(seed, sharing, kind):
    states = stack(seed, sharing, **kind)
    rng = np.random.default_rng(seed)
    association = rng.integers(0, states.n_stations, (states.count, states.n_users))
    cost, feasible = states.objective(association), states.feasible(association)
    for b, problem in enumerate(states.problems):
        judged = evaluate(problem, Solution(association[b]))
        assert feasible[b] == judged.feasible, judged.violations
        assert cost[b] == pytest.approx(judged.objective, rel=1e-12)


def test_a_user_without_a_server_costs_infinitely_much():
    states = stack(1, "optimal")
    association = np.zeros((states.count, states.n_users), dtype=np.int64)
    association[0, 2] = -1
    assert np.isinf(states.objective(association)).tolist() == [True, False, False]
    assert not states.feasible(association)[0]


@given(st.integers(0, 10_000), st.sampled_from(SHARINGS), kinds, st.sampled_from(["argmax", "marginal"]))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_decoded_associations_keep_every_constraint(seed, sharing, kind, rule):
    states = stack(seed, sharing, **kind)
    env = Slots(states, rule=rule)
    rng = np.random.default_rng(seed)
    cost = env.reset(rng)
    for _ in range(2):
        for b, problem in enumerate(states.problems):
            if (env.association[b] >= 0).all():
                judged = evaluate(problem, Solution(env.association[b], np.flatnonzero(env.opened[b])))
                assert judged.feasible, judged.violations
                assert cost[b] == pytest.approx(evaluate(problem, Solution(env.association[b])).objective)
            else:
                assert np.isfinite(cost[b])
        cost = env.step(rng.uniform(-1, 1, env.opened.shape), rng.uniform(-1, 1, (states.count, 4, 3)))


def test_servers_are_the_stations_of_positive_bids():
    bids = np.array([[0.5, -0.1, 0.2], [-0.5, -0.2, -0.9], [0.1, 0.3, 0.2]])
    assert open_servers(bids, 3).tolist() == [[True, False, True], [False, True, False], [True] * 3]
    assert open_servers(bids, 2).tolist() == [[True, False, True], [False, True, False], [False, True, True]]


def test_argmax_follows_the_scores_and_marginal_the_costs():
    problem = tiny_problem(4, users=4, stations=3)
    states = NetworkStates.of([problem])
    rng = np.random.default_rng(0)
    bids, scores = np.array([[1.0, -1.0, 1.0]]), rng.uniform(-1, 1, (1, 4, 3))
    association, _ = decode(states, bids, scores, "argmax")
    assert association[0].tolist() == np.where(scores[0, :, 0] > scores[0, :, 2], 0, 2).tolist()
    # The marginal costs of `solvers.loads`, users of the largest load first.
    loads = ServerLoads(problem, np.array([True, False, True]))
    unit = 0.7 * problem.user_weight * problem.transfer_matrix.mean()
    for user in np.argsort(-problem.load_cycles, kind="stable").tolist():
        loads.add(user, int((loads.marginal(np.array([user]))[0] - unit * scores[0, user]).argmin()))
    association, _ = decode(states, bids, scores, "marginal", score_weight=0.7)
    assert association[0].tolist() == loads.association.tolist()


def test_where_nothing_has_room_the_next_bid_opens():
    problem = tiny_problem(7, users=4, stations=3, capacities=True)
    states = NetworkStates.of([problem])
    room = int(problem.network.stations.capacity[0])
    assert room < 4
    association, opened = decode(states, np.array([[0.5, -0.4, -0.2]]), np.zeros((1, 4, 3)), "argmax")
    assert np.bincount(association[0], minlength=3)[0] == room
    assert opened[0, 2]


def test_repair_finds_what_decoding_left_over():
    found = 0
    for seed in range(200):
        problem = tiny_problem(seed, sharing="fixed", users=5, stations=3, deadlines=True)
        states = NetworkStates.of([problem])
        bids = np.array([[0.5, 0.4, 0.3]])
        association, _ = decode(states, bids, np.random.default_rng(seed).uniform(-1, 1, (1, 5, 3)), "argmax")
        if (association >= 0).all():
            continue
        repaired = complete(problem, association[0], bids[0])
        if repaired is None:
            continue
        found += 1
        assert evaluate(problem, Solution(repaired)).feasible
        assert brute_force(problem)[0] is not None
    assert found >= 5


def test_an_action_without_any_association_is_a_dear_one():
    free, full = tiny_problem(1, sharing="fixed", users=4, stations=2), None
    for seed in range(500):
        full = tiny_problem(seed, sharing="fixed", users=4, stations=2)
        if brute_force(full)[0] is None:
            break
    env = Slots([full])
    cost = env.reset(np.random.default_rng(0))
    assert cost[0] == FAILURE
    assert (env.association < 0).any()
    both = Slots([free, full])
    cost = both.reset(np.random.default_rng(0))
    assert cost[1] == pytest.approx(FAILURE * cost[0])


def test_actions_of_many_states_are_checked():
    env = Slots(stack(1, "optimal", count=2))
    bids, scores = np.zeros((2, 3)), np.zeros((2, 4, 3))
    env.step(bids, scores)
    for wrong, words in (
        ((bids * np.nan, scores), r"bids\[0\]\[0\]: must be a number"),
        ((bids, scores + np.inf), r"scores\[0\]\[0\]\[0\]: must be finite"),
        ((bids[:1], scores), "bids: has shape 1 x 3, expected 2 x 3"),
        ((bids, scores[:, :3]), "scores: has shape 2 x 3 x 3, expected 2 x 4 x 3"),
    ):
        with pytest.raises(InputError, match=words):
            env.step(*wrong)


def test_states_must_fit_together():
    with pytest.raises(InputError, match="at least one"):
        NetworkStates.of([])
    with pytest.raises(InputError, match="placement problems"):
        NetworkStates.of([tiny_problem(1, kind="migration")])
    with pytest.raises(InputError, match="same numbers"):
        NetworkStates.of([tiny_problem(1, users=3, stations=2), tiny_problem(1, users=4, stations=2)])
    with pytest.raises(InputError, match="same sharing"):
        NetworkStates.of([tiny_problem(1, users=3, stations=2, sharing=s) for s in ("equal", "fixed")])


def test_preset_states_are_the_presets_instances():
    source = PresetStates("paper", {"users": 6, "stations": 2}, first_seed=7, count=3)
    assert source(2).content_hash == dtopt.generate("paper", seed=9, users=6, stations=2).content_hash
    with pytest.raises(InputError, match="must be from 0 to 2"):
        source(3)
    with pytest.raises(InputError, match="placement problems"):
        PresetStates("paper", {"users": 6, "stations": 2, "kind": "migration"})(0)
