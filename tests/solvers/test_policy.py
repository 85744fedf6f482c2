"""`policy`: the network's symmetries, its two implementations, and its answers."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest

import dtopt
from dtopt._core import Cancellation
from dtopt.channel import GainMatrix
from dtopt.errors import InputError
from dtopt.result import Status
from dtopt.stop import MaxIterations
from dtopt.testing.tiny import tiny_problem
from dtopt.tolerances import within
from solvers import _core
from solvers._core import GraphNetwork, PairData
from solvers.local_search.candidates import lists_of
from solvers.policy.decode import Decoder
from solvers.policy.forward import forward
from solvers.policy.graph import N_SERVER_FEATURES, N_SHARED_FEATURES, Graph
from solvers.policy.sets import drawn_sets, fitted, likely_sets
from solvers.policy.weights import SHIPPED, load_weights, read_weights

HARD = ("tight-capacity", "tight-deadline", "costly-servers", "correlated")


def answer(problem):
    """Log odds of servers and prices of pairs as a matrix, from the shipped weights."""
    lists = lists_of(problem)
    openness, priced = forward(load_weights(), Graph.of(lists))
    matrix = np.full((problem.n_users, problem.n_stations), np.inf)
    users = np.arange(problem.n_users) if lists.order is None else lists.order
    rows, columns = np.nonzero(lists.station >= 0)
    matrix[users[rows], lists.station[rows, columns]] = priced[rows, columns]
    return openness, matrix


def with_matrix(problem):
    """The same problem with its gains written out, so that users and servers can change places."""
    network = problem.network
    gain = network.channel.rows(network.users, network.stations, 0, problem.n_users)
    return replace(problem, network=replace(network, channel=GainMatrix(gain)))


def permuted(problem, users, servers):
    """The same problem with users and servers in another order."""
    network = problem.network
    u, s = network.users, network.stations
    return replace(
        problem,
        network=replace(
            network,
            users=replace(
                u,
                data_bits=u.data_bits[users],
                update_bits=u.update_bits[users],
                tx_power_w=u.tx_power_w[users],
                deadline_s=u.deadline_s[users],
                position_m=u.position_m[users],
            ),
            stations=replace(
                s, cpu_hz=s.cpu_hz[servers], capacity=s.capacity[servers], position_m=s.position_m[servers]
            ),
            channel=GainMatrix(network.channel.gain[users][:, servers]),
        ),
    )


@pytest.mark.parametrize("sharing", ["optimal", "equal"])
def test_users_and_servers_in_another_order_change_nothing(sharing):
    problem = with_matrix(dtopt.generate("tight-deadline", seed=3, users=30, stations=6, sharing=sharing))
    rng = np.random.default_rng(0)
    users, servers = rng.permutation(30), rng.permutation(6)
    openness, priced = answer(problem)
    other_openness, other_priced = answer(permuted(problem, users, servers))
    np.testing.assert_allclose(other_openness, openness[servers], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(other_priced, priced[users][:, servers], rtol=1e-4, atol=1e-5)


def test_units_do_not_matter():
    """Bits and wires in other units, and an objective of another scale, are the same problem to the network."""
    problem = dtopt.generate("paper", seed=1, users=30, stations=5)
    openness, priced = answer(problem)
    scaled = replace(problem, latency_weight=7.0, cost_weight=7.0 * problem.cost_weight)
    other_openness, other_priced = answer(scaled)
    np.testing.assert_allclose(other_openness, openness, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(other_priced, priced, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("sharing", ["optimal", "equal", "fixed"])
def test_the_compiled_network_is_the_one_that_was_trained(sharing):
    import torch

    from solvers.policy.model import Batch, Policy
    from solvers.policy.weights import weights_of

    torch.manual_seed(1)
    model = Policy(width=8, hidden=12, heads=2, rounds=3)
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(2.0)  # far from the start, so that all parts matter
    problems = [
        dtopt.generate("tight-deadline", seed=seed, users=n, stations=m, sharing=sharing)
        for seed, n, m in ((0, 12, 3), (1, 25, 6), (2, 7, 1))
    ]
    problems.append(replace(problems[1], objective="latency"))
    narrow = [*(lists_of(p) for p in problems), lists_of(problems[1], width=3)]
    graphs = [Graph.of(lists) for lists in narrow]
    terms = model(Batch(graphs))
    for j, graph in enumerate(graphs):
        openness, priced = forward(GraphNetwork(*weights_of(model)), graph)
        np.testing.assert_allclose(openness, terms.openness[j, : openness.size].detach(), rtol=1e-4, atol=1e-4)
        rows, columns = np.nonzero(np.isfinite(graph.gap) & (graph.station >= 0))
        expected = terms.priced[j].detach().numpy()[rows, graph.station[rows, columns]]
        np.testing.assert_allclose(priced[rows, columns], expected, rtol=1e-4, atol=1e-4)


def test_the_shipped_weights_are_plain_arrays():
    with np.load(SHIPPED, allow_pickle=False) as stored:
        assert all(stored[name].dtype == np.float32 for name in stored.files)
    weights = read_weights()
    assert weights.begin_weight.shape[1] == N_SERVER_FEATURES + N_SHARED_FEATURES
    assert SHIPPED.stat().st_size < 5e6


def test_what_is_no_file_of_weights_is_said_to_be_none(tmp_path):
    bad = tmp_path / "bad.npz"
    bad.write_bytes(b"not weights")
    with pytest.raises(InputError, match="cannot be read as weights"):
        dtopt.solve(tiny_problem(0), "policy", weights=bad)
    with pytest.raises(InputError, match="-1"):
        dtopt.solve(tiny_problem(0), "policy", samples=-1)
    with pytest.raises(InputError, match="got 0"):
        dtopt.solve(tiny_problem(0), "policy", sets=0)


@pytest.mark.parametrize("name", ["policy", "policy+ls"])
def test_hard_presets_are_solved_feasibly(name):
    for preset in HARD:
        for sharing in ("optimal", "equal", "fixed"):
            problem = dtopt.generate(preset, seed=5, users=40, stations=6, sharing=sharing)
            result = dtopt.solve(problem, name, stop=MaxIterations(30), seed=1)
            assert result.solution is not None, (preset, sharing)
            assert dtopt.evaluate(problem, result.solution).feasible


def test_any_size_and_any_kind_of_data():
    for n, m in ((1, 1), (3, 1), (2, 7), (300, 40)):
        assert dtopt.solve(dtopt.generate("paper", users=n, stations=m, seed=2), "policy").solution is not None
    wide = dtopt.generate("large", users=3000, stations=80, seed=2)  # more pairs than are all listed
    result = dtopt.solve(wide, "policy")
    assert result.solution is not None
    assert result.objective < dtopt.solve(wide, "nearest").objective
    problem = tiny_problem(4, sharing="fixed")
    given = replace(
        problem,
        network=replace(problem.network, channel=None),
        pair_latency_s=np.random.default_rng(0).uniform(1, 5, (problem.n_users, problem.n_stations)),
    )
    assert dtopt.solve(given, "policy").status is not Status.INFEASIBLE


def test_samples_are_drawn_besides_and_seeds_repeat():
    problem = dtopt.generate("costly-servers", seed=8, users=40, stations=8)
    first = dtopt.solve(problem, "policy", sets=1)
    assert first.iterations == 1
    assert dtopt.solve(problem, "policy", sets=1, samples=2, seed=3).objective <= first.objective
    one, two = (dtopt.solve(problem, "policy", samples=16, seed=3) for _ in range(2))
    assert one.iterations > 8
    assert (one.solution.association == two.solution.association).all()


def test_the_likeliest_sets_are_those_of_brute_force():
    odds = np.random.default_rng(1).normal(size=6).astype(np.float32)
    every = np.array(list(itertools.product([False, True], repeat=6)))[1:]  # all but the empty one
    score = np.where(every, odds, -odds).sum(axis=1)
    expected = every[np.argsort(-score, kind="stable")[:20]]
    assert (likely_sets(odds, 20) == expected).all()
    assert likely_sets(odds, 1000).shape == (63, 6)
    assert (likely_sets(np.full(3, -4.0, dtype=np.float32), 1) == [[True, False, False]]).all()


def test_drawn_sets_follow_the_chances():
    odds = np.array([-3.0, 0.0, 2.0], dtype=np.float32)
    share = drawn_sets(odds, 20_000, 0).mean(axis=0)
    np.testing.assert_allclose(share, 1 / (1 + np.exp(-odds)), atol=0.02)


def test_a_limit_on_servers_is_kept():
    for most in (1, 2, 3):
        problem = replace(dtopt.generate("costly-servers", seed=2, users=30, stations=8), max_servers=most)
        result = dtopt.solve(problem, "policy")
        assert result.solution.open_servers.size <= most


def test_sets_have_room_for_all_users_where_servers_do():
    problem = dtopt.generate("tight-capacity", seed=2, users=40, stations=8)
    lists = lists_of(problem)
    closed = np.linspace(-5.0, -9.0, 8).astype(np.float32)
    sets = fitted(likely_sets(closed, 5), np.arange(8), lists, 8)
    assert (sets @ lists.capacity >= 40).all()
    assert len({row.tobytes() for row in sets}) == len(sets)
    assert (fitted(np.ones((2, 8), dtype=bool), np.arange(8), lists, 3) == (np.arange(8) < 3)).all()


def test_the_decoder_says_the_cost_of_the_evaluator():
    for sharing in ("optimal", "equal", "fixed"):
        for seed in range(3):
            problem = dtopt.generate("tight-deadline", seed=seed, users=25, stations=5, sharing=sharing)
            lists = lists_of(problem)
            decoder = Decoder(lists)
            _, priced = forward(load_weights(), Graph.of(lists))
            sets = np.random.default_rng(seed).random((6, 5)) < 0.7
            sets[:, 0] = True
            cost, slots = decoder.decode(sets, priced)
            for c, row in zip(cost, slots, strict=True):
                judged = dtopt.evaluate(problem, dtopt.Solution(decoder.association(row)))
                assert judged.feasible == np.isfinite(c)
                if judged.feasible:
                    assert c + problem.constant_cost == pytest.approx(judged.objective, rel=1e-9)


def placed(lists, is_open, priced):
    """The slots that users are placed at before any moves: the same rules in plain Python."""
    view, p = lists.view, lists
    n, m = p.cost.shape[0], lists.cpu.size
    regret = np.full(n, -np.inf)
    for i in range(n):
        known = np.sort(priced[i][is_open[p.station[i]]].astype(np.float64))
        if known.size > 1 and np.isfinite(known[1]):
            regret[i] = known[0] - known[1]
    limit, count, used = lists.capacity.astype(float), np.zeros(m, dtype=int), np.zeros(m)
    parts, limited = view.data in (PairData.FITTING, PairData.CLAMPED), view.data == PairData.LIMITED
    slots = np.zeros(n, dtype=int)
    for i in np.argsort(regret, kind="stable"):
        options = []
        for c, h in enumerate(p.station[i]):
            if is_open[h] and np.isfinite(p.cost[i, c]):
                most = min(limit[h], p.more[i, c]) if limited else limit[h]
                lacks = count[h] + 1 > most or (parts and used[h] + p.more[i, c] > within(1.0))
                options.append((lacks, priced[i, c], c))
        if not options:
            options = [(False, priced[i, c], c) for c in range(m) if np.isfinite(p.cost[i, c])]
        slots[i] = min(options)[2]
        h = p.station[i, slots[i]]
        count[h] += 1
        used[h] += p.more[i, slots[i]] if parts else 0.0
        limit[h] = min(limit[h], p.more[i, slots[i]]) if limited else limit[h]
    own = priced[np.arange(n), slots]
    empty = is_open & (count == 0) & (lists.capacity > 0)
    for h in np.flatnonzero(empty):
        loss = priced[:, h] - own
        i = int(loss.argmin())
        k = p.station[i, slots[i]]
        if np.isfinite(loss[i]) and count[k] > 1:
            slots[i] = h
            count[k] -= 1
    return slots


@pytest.mark.parametrize("sharing", ["optimal", "equal", "fixed"])
@pytest.mark.parametrize("preset", ["tight-capacity", "tight-deadline"])
def test_users_are_placed_as_by_plain_rules_and_moves_only_help(preset, sharing):
    for seed in range(4):
        problem = dtopt.generate(preset, seed=seed, users=30, stations=6, sharing=sharing)
        lists = lists_of(problem)
        decoder = Decoder(lists)
        _, priced = forward(load_weights(), Graph.of(lists))
        sets = np.random.default_rng(seed).random((8, 6)) < 0.6
        sets[:, 0] = True
        cost, slots = decoder.decode(sets, priced, sweeps=0)
        for row, is_open in zip(slots, sets, strict=True):
            assert (row == placed(lists, is_open, priced)).all()
        shifted, _ = decoder.decode(sets, priced, swaps=False)
        swapped, rows = decoder.decode(sets, priced)
        assert (shifted[np.isfinite(cost)] <= cost[np.isfinite(cost)] * (1 + 1e-9)).all()
        again, same = Decoder(lists).decode(sets[::-1].copy(), priced)
        assert (again[::-1] == swapped).all()
        assert (same[::-1] == rows).all()


def test_the_decoder_refuses_what_it_cannot_read_and_ends_when_cancelled():
    lists = lists_of(dtopt.generate("paper", seed=1, users=10, stations=3))
    decoder, priced, over = _core.Decoder(lists.view), np.ones((10, 3), dtype=np.float32), Cancellation()
    sets = np.ones((2, 3), dtype=bool)
    for wrong in ((sets, priced.astype(np.float64)), (sets.astype(np.int64), priced), (sets[0], priced)):
        with pytest.raises(TypeError):
            decoder.decode(*wrong, 1, True, over)
    with pytest.raises(ValueError, match="column"):
        decoder.decode(sets[:, :2].copy(), priced, 1, True, over)
    with pytest.raises(ValueError, match="priced"):
        decoder.decode(sets, priced[1:].copy(), 1, True, over)
    over.cancel()
    cost, slots = decoder.decode(sets, priced, 12, True, over)
    assert np.isfinite(cost).all()
    assert slots.shape == (2, 10)
