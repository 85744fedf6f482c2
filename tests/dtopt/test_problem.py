"""The problem types: what they refuse, what they derive, and the content hash."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from dtopt.arrays import UNLIMITED
from dtopt.channel import CandidateGains, GainMatrix, ModelledChannel
from dtopt.errors import InputError
from dtopt.evaluation import evaluate
from dtopt.feasibility import obvious_conflict
from dtopt.network import BaseStations, Network, Users
from dtopt.problem import Migration, Placement
from dtopt.propagation import Propagation
from dtopt.registry import solve
from dtopt.solution import Solution
from dtopt.testing.tiny import tiny_problem


def users(n=3, **changes):
    given = {"data_bits": np.full(n, 1e6), "update_bits": 1e5, "tx_power_w": 0.2, "deadline_s": 1.0} | changes
    return Users(**given)


def stations(m=2, **changes):
    return BaseStations(
        **({"cpu_hz": np.full(m, 1e10), "capacity": UNLIMITED, "position_m": np.zeros((m, 2))} | changes)
    )


def network(**changes):
    given = {"users": users(), "stations": stations(), "channel": GainMatrix(np.full((3, 2), 1e-11))} | changes
    return Network(**given)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: users(data_bits=[1e6, -1, 1e6]), r"users\[1\]\.data_bits: must be > 0, got -1"),
        (lambda: users(data_bits=[1e6, np.nan]), r"users\[1\]\.data_bits: must be a number, got nan"),
        (lambda: users(data_bits=[]), r"users\.data_bits: must be a list of at least one number"),
        (lambda: users(deadline_s=[1, 0, 1]), r"users\[1\]\.deadline_s: must be > 0"),
        (lambda: users(update_bits=[1, 2]), r"users\.update_bits: has shape 2, expected 3"),
        (lambda: users(position_m=[[0, 0], [1]]), r"users\.position_m: is not an array of numbers"),
        (lambda: users(names=["a", "b"]), r"users\.names: has 2 names, expected 3"),
        (lambda: stations(capacity=[1, 1.5]), r"stations\.capacity: is not an array of whole numbers"),
        (lambda: stations(capacity=[1, -1]), r"stations\[1\]\.capacity: must be >= 0"),
        (lambda: stations(cpu_hz=[1e9, np.inf]), r"stations\[1\]\.cpu_hz: must be finite"),
        (lambda: stations(distance_m=[[1, 2], [2, 0]]), r"station_distance_m: must be 0 from each station to itself"),
        (lambda: network(channel=GainMatrix([[1e-9, 1e-9]])), r"channel\.gain: has shape 1 x 2, expected 3 x 2"),
        (
            lambda: GainMatrix([[1e-9, -1]]),
            r"channel\.gain\[0\]\[1\]: must be >= 0",
        ),
        (lambda: network(channel=CandidateGains([[0, 0]] * 3, np.ones((3, 2)))), "lists a station twice"),
        (lambda: network(channel=CandidateGains([[0, 2]] * 3, np.ones((3, 2)))), "must be <= 1, got 2"),
        (lambda: network(channel=ModelledChannel()), "users: a modelled channel needs positions"),
        (lambda: network(bandwidth_hz=0), r"radio\.bandwidth_hz: must be > 0"),
        (lambda: network(wired_passes=3), r"backhaul\.wired_passes: must be 1 or 2"),
        (lambda: network(stations=stations(position_m=None), backhaul_s_per_bit_m=1e-11), "needs the stations' places"),
        (lambda: Propagation("okumura"), r"channel\.path_loss: unknown value 'okumura' \(one of simple, uma"),
        (lambda: Placement(network(), sharing="none"), "sharing: unknown value 'none'"),
        (lambda: Placement(network(), sharing="fixed"), "demand_hz: goes with fixed sharing"),
        (lambda: Placement(network(), demand_hz=np.ones(3)), "demand_hz: goes with fixed sharing"),
        (lambda: Placement(network(), max_servers=0), "max_servers: must be >= 1"),
        (lambda: Placement(network(channel=None)), "channel: give either a channel or pair_latency_s"),
        (lambda: Placement(network(), server_cost=-1), r"weights\.server_cost: must be >= 0"),
        (lambda: Migration(network()), "previous: is missing"),
        (lambda: Migration(network(), previous=[0, 1, 2]), r"previous\[2\]: must be <= 1"),
        (lambda: Migration(network(), previous=[0, 1, 1], beta=1.5), r"utility\.beta: must be <= 1"),
        (lambda: Migration(network(), previous=[0, 1, 1], servers=[0, 0]), "servers: must be a list"),
        (lambda: Migration(network(users=users(deadline_s=np.inf)), previous=[0, 1, 1]), r"users\[0\]\.deadline_s"),
    ],
)
def test_bad_data_is_refused_in_one_line(make, message):
    with pytest.raises(InputError, match=message) as caught:
        make()
    assert "\n" not in str(caught.value)


def test_arrays_are_frozen_copies():
    data = np.full(3, 1e6)
    made = users(data_bits=data)
    data[0] = 5
    assert made.data_bits[0] == 1e6
    with pytest.raises(ValueError, match="read-only"):
        made.data_bits[0] = 1


def test_the_access_station_is_the_best_with_the_lowest_index_on_a_tie():
    gain = np.array([[1e-11, 3e-11, 3e-11], [0, 0, 1e-12], [5e-12, 1e-12, 5e-12]])
    dense = network(stations=stations(3), channel=GainMatrix(gain))
    order = np.array([[2, 1, 0]] * 3)
    sparse = network(stations=stations(3), channel=CandidateGains(order, np.take_along_axis(gain, order, axis=1)))
    for net in (dense, sparse):
        assert net.access_station.tolist() == [1, 2, 0]
        assert net.access_rate_bps == pytest.approx(dense.rate(gain.max(axis=1), dense.users.tx_power_w))
    assert sparse.rate_rows(0, 3) == pytest.approx(dense.rate_rows(0, 3))


def test_the_content_hash_sees_all_data_and_no_names():
    base = tiny_problem(1, deadlines=True)
    net = base.network
    others = [
        replace(base, server_cost=base.server_cost + 1e-12),
        replace(base, objective="latency"),
        replace(base, deadline="soft"),
        replace(base, network=replace(net, cycles_per_bit=net.cycles_per_bit + 1)),
        replace(base, network=replace(net, users=replace(net.users, data_bits=net.users.data_bits + 1))),
        replace(base, network=replace(net, channel=GainMatrix(net.channel.gain * 2))),
    ]
    hashes = {p.content_hash for p in [base, *others]}
    assert len(hashes) == len(others) + 1
    named = replace(net.users, names=[f"u{i}" for i in range(net.users.count)])
    assert replace(base, name="other", network=replace(net, users=named)).content_hash == base.content_hash


def test_obvious_conflicts_name_users_and_reasons():
    base = tiny_problem(1, users=4, stations=2)
    net = base.network
    gain = net.channel.gain.copy()
    gain[2] = 0
    assert "no station covers user 2" in obvious_conflict(replace(base, network=replace(net, channel=GainMatrix(gain))))
    full = replace(net, stations=replace(net.stations, capacity=[2, 1]))
    assert "room for only 3 twins" in obvious_conflict(replace(base, network=full))
    assert "room for only 2 twins on the 1 largest" in obvious_conflict(replace(base, network=full, max_servers=1))
    hasty = replace(net, users=replace(net.users, deadline_s=[1.0, 1e-4, 1.0, 1e-4]))
    assert "deadline of user 1, user 3, not even alone" in obvious_conflict(replace(base, network=hasty))
    assert obvious_conflict(replace(base, network=hasty, deadline="soft")) is None
    greedy = replace(base, sharing="fixed", demand_hz=np.full(4, 0.9) * net.stations.cpu_hz.min())
    assert "Hz of CPU to run" in obvious_conflict(greedy)
    assert obvious_conflict(base) is None


def test_deadlines_that_are_just_met_are_met_for_solvers_too():
    """An association whose latencies are the deadlines is feasible, whatever rounding does to the least shares."""
    tried = 0
    for seed in range(60):
        sharing = ("optimal", "equal", "fixed")[seed % 3]
        base = tiny_problem(seed, sharing=sharing, users=4, stations=2)
        association = np.random.default_rng(seed).integers(0, 2, 4)
        judged = evaluate(base, Solution(association))
        if not judged.feasible:
            continue
        users = replace(base.network.users, deadline_s=judged.deadline_latency_s)
        problem = replace(base, network=replace(base.network, users=users))
        assert evaluate(problem, Solution(association)).feasible
        assert obvious_conflict(problem) is None
        assert problem.allowed_matrix[np.arange(4), association].all()
        assert solve(problem, "exact", time_limit=30).feasible
        tried += 1
    assert tried > 30
