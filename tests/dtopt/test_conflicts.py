"""Proofs of infeasibility without search, held against brute force, and how conflicts are told."""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from dtopt.arrays import UNLIMITED
from dtopt.channel import GainMatrix
from dtopt.conflicts import KINDS, Conflict, Limits, needed_kinds
from dtopt.evaluation import evaluate
from dtopt.feasibility import competing, flow, obvious_conflict, priced_conflict, structural_conflict
from dtopt.network import BaseStations, Network, Users
from dtopt.problem import Migration, Placement
from dtopt.solution import Solution
from dtopt.testing.oracle import brute_force
from dtopt.testing.tiny import SHARINGS, tiny_problem
from tests.samples import without_deadlines


def crowded(seed, kind, sharing):
    """A tiny problem whose limits are near those of some random association, often a little too tight."""
    rng = np.random.default_rng(seed)
    users, stations = 5 if seed % 10 == 0 else int(rng.integers(3, 5)), 3 if seed % 4 == 0 else 2
    problem = tiny_problem(
        seed,
        kind=kind,
        sharing=sharing,
        users=users,
        stations=stations,
        limited_servers=seed % 4 < 2,
    )
    judged = evaluate(without_deadlines(problem), Solution(rng.integers(0, stations, users)))
    latency = judged.deadline_latency_s * rng.uniform(0.6, 1.05) * rng.uniform(0.85, 1.1, users)
    # Under fixed sharing one deadline is already enough to leave a user without any server.
    keeps = rng.random(users) < (0.3 if sharing == "fixed" else 0.85) * (seed % 5 > 0)
    late = 300.0 if kind == "migration" else np.inf
    names = tuple(f"phone {i}" for i in range(users)) if seed % 7 == 0 else None
    people = replace(problem.network.users, deadline_s=np.where(keeps, latency, late), names=names)
    stations = problem.network.stations
    if seed % 3 == 0:
        stations = replace(stations, capacity=rng.integers(1, 3, stations.count))
    return replace(problem, network=replace(problem.network, users=people, stations=stations))


def servable(problem, users=None):
    """Whether some users, or all, can be served with all others left out, by brute force and the evaluator."""
    return _servable(problem, tuple(range(problem.n_users) if users is None else map(int, users)))


@cache
def _servable(problem, users):
    association = np.full(problem.n_users, -1)
    for servers in itertools.product(range(problem.n_stations), repeat=len(users)):
        association[list(users)] = servers
        judged = evaluate(problem, Solution(association.copy()))
        if all(violation.name == "assignment" for violation in judged.violations):
            return True
    return False


def table(latency, deadline=np.inf, *, capacity=UNLIMITED, cpu=10.0, demand=1.0, max_servers=None, **names):
    """A placement with given latencies of pairs under fixed sharing."""
    latency = np.asarray(latency, dtype=float)
    n, m = latency.shape
    network = Network(
        Users(np.ones(n), 0.0, 0.1, deadline, names=names.get("users")),
        BaseStations(np.broadcast_to(np.asarray(cpu), (m,)), capacity, names=names.get("stations")),
        None,
    )
    demand = np.broadcast_to(np.asarray(demand, dtype=float), (n,))
    return Placement(network, sharing="fixed", demand_hz=demand, pair_latency_s=latency, max_servers=max_servers)


def radio(deadline, cpu, sharing, **settings):
    """A placement where each user computes 1e6 cycles, and sends in next to no time."""
    n, m = len(deadline), len(cpu)
    users = Users(np.full(n, 1e6), 0.0, 0.1, np.array(deadline))
    network = Network(users, BaseStations(np.array(cpu), UNLIMITED), GainMatrix(np.ones((n, m))), bandwidth_hz=1e12)
    return Placement(network, sharing=sharing, **settings)


@pytest.mark.parametrize("kind", ["placement", "migration"])
@pytest.mark.parametrize("sharing", SHARINGS)
def test_proofs_hold_by_brute_force(kind, sharing):
    seen = Counter()
    for seed in range(32):
        problem = crowded(seed, kind, sharing)
        limits = Limits.of(problem)
        feasible = servable(problem)
        said = obvious_conflict(problem)
        assert not (feasible and said), said
        for proof in (competing, priced_conflict):
            users = proof(limits)
            if users is not None and users.size:
                seen[proof.__name__] += 1
                assert not servable(problem, users)
        conflict = structural_conflict(problem)
        if conflict is not None:
            assert not servable(problem, conflict.users)
            if conflict.irreducible:
                seen["irreducible"] += 1
                assert all(servable(problem, set(conflict.users) - {user}) for user in conflict.users)
        served, left = flow(limits)
        assert (served < 0).any() == (left.size > 0)
        seen["infeasible"] += not feasible
    assert min(seen["competing"], seen["priced_conflict"]) >= 5, seen
    assert 8 <= seen["infeasible"] <= 28, seen
    assert seen["irreducible"] >= 5, seen


def test_every_feasible_association_keeps_the_limits():
    for seed, kind, sharing in itertools.product(range(6), ("placement", "migration"), SHARINGS):
        problem = crowded(seed, kind, sharing)
        association = brute_force(problem)[1]
        if association is None:
            continue
        for kinds in (KINDS, KINDS[:2], ()):
            limits, users = Limits.of(problem, kinds=kinds), np.arange(problem.n_users)
            count = np.bincount(association, minlength=problem.n_stations)
            assert limits.allowed[users, association].all()
            assert (count <= limits.together()).all()
            assert (np.bincount(association, weights=limits.part[users, association]) <= 1).all()
            assert (count > 0).sum() <= limits.max_open
            assert not competing(limits).size
            assert priced_conflict(limits) is None


@pytest.mark.parametrize("sharing", ["equal", "optimal"])
def test_deadlines_that_are_just_met_by_all_are_no_conflict(sharing):
    for n in range(1, 60):
        # One server takes n twins, each of which needs exactly its n-th part.
        problem = radio(np.full(n, 0.5), [1e6], sharing)
        cycles, transfer = problem.deadline_cycles[0], problem.deadline_transfer_latency(np.arange(1), np.arange(1))[0]
        users = replace(problem.network.users, deadline_s=np.full(n, n * cycles / 1e6 + transfer))
        problem = replace(problem, network=replace(problem.network, users=users))
        assert evaluate(problem, Solution(np.zeros(n, dtype=int))).feasible
        limits = Limits.of(problem)
        assert limits.together() == [n]
        assert not competing(limits).size
        assert priced_conflict(limits) is None
        late = replace(users, deadline_s=users.deadline_s * (1 - 1e-7))
        assert competing(Limits.of(replace(problem, network=replace(problem.network, users=late)))).size == n


def test_a_hall_violation_is_found_among_many_users():
    latency = np.ones((40, 6))
    latency[[3, 8, 11]] = [1, 9, 1, 9, 9, 9]
    capacity = [1, 9, 1, 9, 9, 20]
    conflict = structural_conflict(table(latency, 5.0, capacity=capacity, demand=0.1))
    assert conflict.users == (3, 8, 11)
    assert conflict.servers == (0, 2)
    assert conflict.constraints == ("capacity", "deadline")
    assert conflict.irreducible
    assert structural_conflict(table(latency, 9.0, capacity=capacity, demand=0.1)) is None


def test_without_time_a_conflict_is_told_as_it_is():
    latency = np.ones((40, 6))
    latency[[3, 8, 11]] = [1, 9, 1, 9, 9, 9]
    conflict = structural_conflict(table(latency, 5.0, capacity=[1, 9, 1, 9, 9, 20], demand=0.1), 0.0)
    assert {3, 8, 11} <= set(conflict.users)
    assert not conflict.irreducible
    assert str(conflict).endswith("fewer of them may conflict already")


def test_users_without_a_common_server_need_as_many_servers_open():
    latency = np.full((5, 4), 9.0)
    latency[[0, 1, 2], [0, 1, 2]] = 1.0
    latency[3:] = 1.0
    conflict = structural_conflict(table(latency, 5.0, max_servers=2))
    assert conflict.users == (0, 1, 2)
    assert conflict.constraints == ("deadline", "max-servers")


def test_users_that_only_a_few_servers_can_take_need_their_cpu():
    # Users 4 to 7 may be on servers 1 and 2 only; each of these could run two of them.
    latency = np.ones((20, 5))
    latency[4:8, 0] = latency[4:8, 3] = latency[4:8, 4] = 9.0
    problem = table(latency, 5.0, demand=[1, 1, 1, 1, 5.4, 5.3, 4.7, 4.7, *[0.5] * 12])
    conflict = structural_conflict(problem)
    assert conflict.users == (4, 5, 6, 7)
    assert conflict.constraints == ("deadline", "cpu")
    assert str(conflict) == obvious_conflict(problem)
    assert "stations 1 and 2 only, which have 20 Hz of CPU, and these users need at least 20.1 Hz" in str(conflict)


def test_prices_see_what_counts_do_not():
    # Server 0 has one place, which costs no CPU; the other four twins take at least 21 of the 20 on servers 1 and 2.
    demand = np.array([[0.01, d, d] for d in (4.5, 4.5, 6, 6, 6)])
    problem = replace(table(np.ones((5, 3)), capacity=[1, 9, 9]), demand_hz=demand)
    assert not competing(Limits.of(problem)).size
    assert priced_conflict(Limits.of(problem)).tolist() == [0, 1, 2, 3, 4]
    assert not servable(problem)
    assert priced_conflict(Limits.of(replace(problem, demand_hz=demand * 0.95))) is None


def test_large_instances_are_left_to_solvers(monkeypatch):
    problem = table(np.ones((3, 2)), demand=6)
    assert "cannot be served together" in obvious_conflict(problem)
    monkeypatch.setattr("dtopt.feasibility.FLOW_PAIRS", 5)
    assert obvious_conflict(problem) is None


def told(problem, users=None):
    """The text of the conflict of some users under the kinds that counts and prices need, as if irreducible."""
    users = np.arange(problem.n_users) if users is None else np.array(users)

    def proven(limits):
        return competing(limits).size > 0 or priced_conflict(limits) is not None

    kinds = needed_kinds(problem, users, proven)
    return str(Conflict.of(problem, users, kinds, irreducible=True))


FAR = np.array([[1.0, 9.0, 1.0, 9.0]] * 3)
NAMES = {"users": ["Ann", "Bob", "Cem"], "stations": ["north", "east", "south", "west"]}


@pytest.mark.parametrize(
    ("problem", "text"),
    [
        (
            table(FAR, 5.0, capacity=1),
            "users 0, 1 and 2 cannot be served together: hard deadlines leave them stations 0 and 2 only, "
            "which have 2 places (capacity)",
        ),
        (
            table(FAR, 5.0, capacity=1, **NAMES),
            "Ann, Bob and Cem cannot be served together: hard deadlines leave them north and south only, "
            "which have 2 places (capacity)",
        ),
        (
            table(np.where(FAR > 1, np.inf, 1.0), capacity=1),
            "users 0, 1 and 2 cannot be served together: coverage leaves them stations 0 and 2 only, "
            "which have 2 places (capacity)",
        ),
        (
            table(np.ones((3, 4)), capacity=2, max_servers=1),
            "users 0, 1 and 2 cannot be served together: the 4 servers have 2 places with at most 1 open "
            "(capacity, max-servers)",
        ),
        (
            table(np.ones((2, 1)), capacity=1),
            "users 0 and 1 cannot be served together: station 0 has 1 place (capacity)",
        ),
        (
            table(np.ones((30, 2)), capacity=[20, 9]),
            "users 0, 1, 2, 3, 4, 5, 6, 7, … and 22 more cannot be served together: the 2 servers have 29 places "
            "(capacity)",
        ),
        (
            table(np.ones((3, 2)), demand=[6, 7, 8]),
            "users 0, 1 and 2 cannot be served together: the 2 servers have 20 Hz of CPU, "
            "and these users need at least 21 Hz (cpu)",
        ),
        (
            table(np.ones((3, 2)), demand=6),
            "users 0, 1 and 2 cannot be served together: the 2 servers can run at most 2 of them (cpu)",
        ),
        (
            table(np.ones((4, 2)), demand=[4.5, 4.5, 5.6, 5.6], max_servers=2),
            "users 0, 1, 2 and 3 cannot be served together: the 2 servers have 20 Hz of CPU, "
            "and these users need at least 20.2 Hz (cpu)",
        ),
        (
            table(np.full((1, 2), 9.0), 5.0),
            "user 0 cannot be served: no server keeps its deadline, not even alone",
        ),
        (
            table(np.ones((1, 2)), demand=11),
            "user 0 cannot be served: no server has enough CPU for it, not even alone (cpu)",
        ),
        (table(np.ones((1, 2)), capacity=0), "user 0 cannot be served: no server has a place for it (capacity)"),
        (
            table(np.full((1, 2), np.inf)),
            "user 0 cannot be served: no station that may be a server covers it",
        ),
        (
            radio([1.1, 1.1, 1.1], [1.4e6, 1.4e6], "equal"),
            "users 0, 1 and 2 cannot be served together: the 2 servers, with CPU shared equally, can keep the "
            "deadlines of at most 2 of them (cpu)",
        ),
        (
            radio([0.51, 0.51, 0.51, 0.28], [4e6, 4e6], "equal"),
            "users 0, 1, 2 and 3 cannot be served together: the 2 servers, with CPU shared equally, are fewer than "
            "the 2.5 that their deadlines need (cpu)",
        ),
        (
            radio([1.0, 1.0], [1.4e6], "optimal"),
            "users 0 and 1 cannot be served together: station 0 has 1.4e+06 Hz of CPU, "
            "and these users need at least 2e+06 Hz (deadline, cpu)",
        ),
        (
            radio([1.0, 1.0], [1.4e6, 0.9e6], "optimal"),
            "users 0 and 1 cannot be served together: hard deadlines leave them station 0 only, "
            "which has 1.4e+06 Hz of CPU, and these users need at least 2e+06 Hz (cpu)",
        ),
    ],
)
def test_one_line_names_users_servers_and_constraint(problem, text):
    assert told(problem) == text


def test_what_no_count_shows_is_told_too():
    # Any two of the three servers have six places in all, but share a user and leave one out.
    latency = np.full((6, 3), 9.0)
    for server, users in enumerate(([0, 1, 2], [2, 3, 4], [4, 5, 0])):
        latency[users, server] = 1.0
    problem = table(latency, 5.0, demand=0.1, max_servers=2)
    assert brute_force(problem)[0] is None
    conflict = Conflict.of(problem, np.arange(6), ("deadline", "max-servers"), irreducible=True)
    assert str(conflict) == (
        "users 0, 1, 2, 3, 4 and 5 cannot be served together: no 2 of the 3 servers can take all of them "
        "(deadline, max-servers)"
    )
    partly = Conflict.of(table(np.ones((3, 3)), demand=6.6), np.arange(3), ("cpu",), irreducible=False)
    assert str(partly).endswith(
        "no division of them among the 3 servers fits (cpu); fewer of them may conflict already"
    )


def test_a_migration_names_only_the_servers_it_may_use():
    problem = tiny_problem(1, kind="migration", users=4, stations=3)
    stations = replace(problem.network.stations, capacity=[1, 1, 9])
    problem = replace(problem, servers=[0, 1], network=replace(problem.network, stations=stations))
    assert isinstance(problem, Migration)
    conflict = structural_conflict(problem)
    assert conflict.servers == (0, 1)
    assert conflict.constraints == ("capacity",)
    assert "the 2 servers have 2 places (capacity)" in str(conflict)
