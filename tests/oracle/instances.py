"""Tiny random instances of every kind, as raw numbers, and the dtopt problem that they make."""

from __future__ import annotations

import itertools
import math
import random
from dataclasses import replace

import numpy as np

from dtopt.arrays import UNLIMITED
from dtopt.channel import CandidateGains, GainMatrix
from dtopt.network import BaseStations, Network, Users
from dtopt.problem import Migration, Placement, Problem
from tests.oracle.equations import INF, NO, Oracle, Spec

__all__ = ["OFFSETS", "build", "generate"]

#: By how much, relatively, deadlines and CPU sums are beside what an association reaches.
OFFSETS = (0.0, 2e-10, -2e-10, 5e-10, -5e-10, 9e-10, -9e-10, 2e-9, -2e-9, 1e-6, -1e-6, 0.03, -0.03)
#: The largest number of associations that are enumerated.
MOST_ASSOCIATIONS = 260
SHARING = ("optimal", "equal", "fixed")
DEADLINE = ("none", "hard", "soft")
CAPACITY = ("unlimited", "positive", "with zeros", "scarce")
PLACEMENTS = tuple(itertools.product(SHARING, ("system-cost", "latency"), DEADLINE, CAPACITY, (False, True)))
MIGRATIONS = tuple(itertools.product(SHARING, ("update", "construction"), DEADLINE, CAPACITY, (False, True)))

#: Special values, each drawn for some instances: name, kinds of problem, chance.
TWISTS = (
    ("integers", "both", 0.15),
    ("kappa 0", "both", 0.05),
    ("kappa tiny", "both", 0.03),
    ("update 0", "both", 0.05),
    ("some update 0", "both", 0.07),
    ("backhaul 0", "both", 0.1),
    ("same place", "both", 0.05),
    ("distances", "both", 0.2),
    ("identical users", "both", 0.12),
    ("identical stations", "both", 0.12),
    ("no gain", "both", 0.03),
    ("no power", "both", 0.03),
    ("cpu ratio", "both", 0.15),
    ("candidates", "both", 0.1),
    ("penalty 0", "both", 0.08),
    ("penalty large", "both", 0.08),
    ("demand of users", "both", 0.3),
    ("close deadlines", "both", 0.45),
    ("close cpu", "both", 0.3),
    ("sync 0", "placement", 0.1),
    ("server cost 0", "placement", 0.15),
    ("server cost large", "placement", 0.1),
    ("cost weight 0", "placement", 0.1),
    ("alpha tiny", "placement", 0.05),
    ("pair latency", "placement", 0.5),
    ("beta tiny", "migration", 0.06),
    ("beta near 1", "migration", 0.06),
    ("moves free", "migration", 0.2),
    ("all new", "migration", 0.1),
    ("companions", "migration", 0.15),
    ("long deadlines", "migration", 0.08),
    ("short deadlines", "migration", 0.08),
)


def generate(kind: str, seed: int, index: int, *, extended: bool = False) -> Spec:
    """Return instance `index` of a seed. Sharing, objective, deadlines, capacities and limits cycle with the index.

    Parameters
    ----------
    kind : {"placement", "migration"}
    seed, index : int
    extended : bool
        Whether negative pair latencies may occur, and demands and CPU of 0.
    """
    rng = random.Random(f"{kind}:{seed}:{index}")
    if kind == "placement":
        sharing, objective, mode, capacity, limited = PLACEMENTS[index % len(PLACEMENTS)]
        interaction = "update"
    else:
        sharing, interaction, mode, capacity, limited = MIGRATIONS[index % len(MIGRATIONS)]
        objective = "system-cost"
    twists = [name for name, of, chance in TWISTS if of in ("both", kind) and rng.random() < chance]
    if sharing != "fixed":
        twists = [t for t in twists if t not in ("pair latency", "close cpu", "demand of users")]
    spec = _base(rng, kind, sharing, twists)
    spec.objective, spec.interaction, spec.twists = objective, interaction, twists
    spec.deadline = "soft" if mode == "soft" else "hard"
    _capacities(rng, spec, capacity)
    if limited:
        if kind == "placement":
            spec.max_servers = rng.randint(1, spec.m)
        else:
            spec.servers = sorted(rng.sample(range(spec.m), rng.randint(1, spec.m)))
    _twist(rng, spec, twists)
    if extended:
        _extend(rng, spec)
    _deadlines(rng, spec, mode, twists)
    if "close cpu" in twists:
        _close_cpu(rng, spec)
    return spec


def _base(rng: random.Random, kind: str, sharing: str, twists: list[str]) -> Spec:
    """Return sizes and physics: latencies of the order of 0.1 s, or whole numbers."""
    while True:
        n, m = rng.randint(1, 5), rng.randint(1, 4)
        if m**n <= MOST_ASSOCIATIONS:
            break
    whole = "integers" in twists
    data = [float(rng.randint(1, 5)) if whole else rng.uniform(1e6, 8e6) for _ in range(n)]
    update = [float(rng.randint(0, 3)) if whole else rng.uniform(1e5, 2e6) for _ in range(n)]
    if whole:
        cpu = [float(rng.choice([4, 8, 10, 12, 16])) for _ in range(m)]
        places = [(float(rng.randint(0, 3)), float(rng.choice([0, 0, 4]))) for _ in range(m)]
    else:
        cpu = [rng.uniform(8e9, 24e9) for _ in range(m)]
        places = [(rng.uniform(0, 1500), rng.uniform(0, 1500)) for _ in range(m)]
    gain = [[10 ** rng.uniform(-12.5, -10) for _ in range(m)] for _ in range(n)]
    spec = Spec(
        kind=kind,
        sharing=sharing,
        deadline="hard",
        penalty=float(rng.randint(1, 4)) if whole else rng.uniform(0.5, 5),
        data=data,
        update=update,
        power=[rng.uniform(0.1, 0.3) for _ in range(n)],
        tau=[INF] * n,
        cpu=cpu,
        capacity=[None] * m,
        distance=[[math.hypot(a[0] - b[0], a[1] - b[1]) for b in places] for a in places],
        positions=places,
        gain=gain,
        kappa=1.0 if whole else rng.uniform(50, 200),
        phi=rng.choice([0.0, 0.25, 1.0]) if whole else rng.uniform(1e-11, 1e-10),
        passes=rng.choice([1, 1, 2]),
        bandwidth=rng.choice([1.0, 20e6]) if whole else 20e6,
        alpha=rng.choice([1.0, float(n)]) if whole else rng.uniform(0.5, 2),
        cost_weight=rng.choice([0.5, 1.0]) if whole else rng.uniform(0, 1),
        server_cost=float(rng.randint(0, 2)) if whole else rng.uniform(0, 0.1),
        period=rng.choice([0.5, 1.0, 2.0]) if whole else rng.uniform(0.5, 2),
        eta=rng.choice([0.0, 1.0, 2.0]) if whole else rng.uniform(0, 2),
        previous=[rng.randint(-1, m - 1) for _ in range(n)],
        beta=0.5 if whole else rng.uniform(0.2, 0.8),
        migration_weight=rng.choice([0.0, 1.0, 1.0, 2.5]),
    )
    if sharing == "fixed":
        if whole:
            spec.demand = [[float(rng.randint(1, 8)) for _ in range(m)] for _ in range(n)]
        else:
            spec.demand = [[rng.uniform(0.15, 0.6) * f for f in cpu] for _ in range(n)]
    return spec


def _capacities(rng: random.Random, spec: Spec, kind: str) -> None:
    n, m = spec.n, spec.m
    if kind == "positive":
        spec.capacity = [rng.randint(max(1, n // m), n + 1) for _ in range(m)]
    elif kind == "with zeros":
        spec.capacity = [rng.choice([0, None, rng.randint(0, n)]) for _ in range(m)]
        if rng.random() < 0.15:
            spec.capacity = [0] * m
    elif kind == "scarce":
        # Just enough places, one fewer, or one more.
        spec.capacity = [0] * m
        for _ in range(max(0, n + rng.choice([0, 0, 0, 1, -1]))):
            k = rng.randrange(m)
            spec.capacity[k] = (spec.capacity[k] or 0) + 1


def _twist(rng: random.Random, spec: Spec, twists: list[str]) -> None:
    n, m = spec.n, spec.m
    for twist in twists:
        match twist:
            case "kappa 0":
                spec.kappa = 0.0
            case "kappa tiny":
                spec.kappa = 1e-9 * spec.kappa
            case "update 0":
                spec.update = [0.0] * n
            case "some update 0":
                spec.update = [0.0 if rng.random() < 0.5 else u for u in spec.update]
            case "backhaul 0":
                spec.phi = 0.0
            case "same place":
                spec.positions = [(5.0, 5.0)] * m
                spec.distance = [[0.0] * m for _ in range(m)]
            case "distances":
                # Any routes: neither symmetric nor metric, and of length 0 between some stations.
                far = max(1.0, max(max(row) for row in spec.distance))
                spec.positions = None
                spec.distance = [
                    [0.0 if j == k or rng.random() < 0.1 else far * rng.random() for k in range(m)] for j in range(m)
                ]
            case "identical users":
                for i in range(n):
                    if rng.random() < 0.7:
                        _copy_user(spec, i)
            case "identical stations":
                for k in range(m):
                    if rng.random() < 0.7:
                        _copy_station(spec, k)
            case "no gain" if spec.gain is not None:
                spec.gain[rng.randrange(n)] = [0.0] * m
            case "no power":
                spec.power[rng.randrange(n)] = 0.0
            case "cpu ratio":
                scale = [10 ** rng.uniform(0, math.log10(5000)) for _ in range(m)]
                scale[rng.randrange(m)] = 1.0
                if spec.demand is not None and rng.random() < 0.5:
                    spec.demand = [[f * s for f, s in zip(row, scale, strict=True)] for row in spec.demand]
                spec.cpu = [f * s for f, s in zip(spec.cpu, scale, strict=True)]
            case "candidates" if spec.gain is not None:
                spec.candidates = rng.randint(1, m)
                for row in spec.gain:
                    for k in sorted(range(m), key=row.__getitem__)[: m - spec.candidates]:
                        row[k] = 0.0
            case "penalty 0":
                spec.penalty = 0.0
            case "penalty large":
                spec.penalty = 1e4
            case "demand of users" if spec.demand is not None:
                spec.demand = [[row[0]] * m for row in spec.demand]
            case "sync 0":
                spec.eta = 0.0
            case "server cost 0":
                spec.server_cost = 0.0
            case "server cost large":
                spec.server_cost = 100.0
            case "cost weight 0":
                spec.cost_weight = 0.0
            case "alpha tiny":
                spec.alpha = 1e-6
            case "pair latency":
                _pairs(rng, spec)
            case "beta tiny":
                spec.beta = rng.choice([1e-12, 1e-6, 0.01])
            case "beta near 1":
                spec.beta = 1 - rng.choice([1e-12, 1e-6, 0.01])
            case "moves free":
                spec.migration_weight = 0.0
            case "all new":
                spec.previous = [-1] * n
            case "companions":
                spec.companion = rng.choice([1.0, 5e6])


def _copy_user(spec: Spec, i: int) -> None:
    for values in (spec.data, spec.update, spec.power, spec.previous):
        values[i] = values[0]
    for rows in (spec.gain, spec.demand):
        if rows is not None:
            rows[i] = list(rows[0])


def _copy_station(spec: Spec, k: int) -> None:
    spec.cpu[k], spec.capacity[k] = spec.cpu[0], spec.capacity[0]
    for rows in (spec.gain, spec.demand):
        if rows is not None:
            for row in rows:
                row[k] = row[0]
    if spec.positions is not None:
        spec.positions[k] = spec.positions[0]
        p = spec.positions
        spec.distance = [[math.hypot(a[0] - b[0], a[1] - b[1]) for b in p] for a in p]


def _pairs(rng: random.Random, spec: Spec) -> None:
    """Give latencies by pair: generalised assignment, with customers whose own site costs nothing."""
    n, m = spec.n, spec.m
    whole = "integers" in spec.twists
    spec.gain, spec.candidates = None, None
    spec.pair_latency = [
        [float(rng.randint(0, 6)) if whole else rng.uniform(0.01, 1) for _ in range(m)] for _ in range(n)
    ]
    for i in range(n):
        if rng.random() < 0.4:
            spec.pair_latency[i][i % m] = 0.0
        if rng.random() < 0.1:
            spec.pair_latency[i][rng.randrange(m)] = INF
    if rng.random() < 0.1:
        spec.pair_latency = [[0.0] * m for _ in range(n)]


def _extend(rng: random.Random, spec: Spec) -> None:
    """Draw what becomes valid input soon: costs below 0, demands of 0 and servers without CPU."""
    if spec.pair_latency is not None and rng.random() < 0.6:
        shift = rng.uniform(0, 2)
        spec.pair_latency = [[x - shift for x in row] for row in spec.pair_latency]
        spec.twists.append("negative costs")
    if spec.demand is not None and rng.random() < 0.4 and spec.pair_latency is not None:
        spec.demand = [[0.0 if rng.random() < 0.3 else x for x in row] for row in spec.demand]
        spec.twists.append("demand 0")
        if rng.random() < 0.5:
            spec.cpu[rng.randrange(spec.m)] = 0.0
            spec.twists.append("cpu 0")


def _target(rng: random.Random, spec: Spec) -> tuple[int, ...]:
    """Return an association that breaks no count, where some draws find one."""
    free = Oracle(replace(spec, tau=[INF] * spec.n if spec.kind == "placement" else spec.tau, deadline="soft"))
    association: tuple[int, ...] = ()
    for _ in range(30):
        association = tuple(rng.randrange(spec.m) for _ in range(spec.n))
        if free.outcome(association).verdict != NO:
            break
    return association


def _deadlines(rng: random.Random, spec: Spec, mode: str, twists: list[str]) -> None:
    """Draw deadlines: none, wide, or at what some association reaches."""
    longest = 600.0 if spec.kind == "migration" else INF
    if spec.kind == "migration":
        spec.tau = [5.0] * spec.n
        if mode == "none":
            spec.deadline, spec.penalty = "soft", 0.0
            spec.tau = [rng.uniform(0.1, 5) for _ in range(spec.n)]
        if "long deadlines" in twists:
            spec.tau = [rng.uniform(50, 600) for _ in range(spec.n)]
        if "short deadlines" in twists:
            spec.tau = [rng.uniform(1e-3, 0.1) for _ in range(spec.n)]
    if mode == "none":
        return
    association = _target(rng, spec)
    oracle = Oracle(replace(spec, tau=[INF] * spec.n, deadline="soft", kind=spec.kind))
    chance = rng.choice([0.5, 0.9, 1.0])
    reach = [_reached(rng, oracle, association, i) for i in range(spec.n)]
    if spec.sharing == "optimal" and rng.random() < 0.5:
        reach = _filling(rng, oracle, association)
    offset = rng.choice(OFFSETS)
    for i, latency in enumerate(reach):
        if not 0 < latency < INF or rng.random() > chance:
            continue
        if "close deadlines" in twists:
            own = offset if rng.random() < 0.7 else rng.choice(OFFSETS)
            spec.tau[i] = min(longest, latency * (1 + own))
        else:
            spec.tau[i] = min(longest, latency * rng.uniform(0.9, 1.4))


def _reached(rng: random.Random, oracle: Oracle, association: tuple[int, ...], i: int) -> float:
    """Return what the deadline bounds, for user i of an association without deadlines."""
    k = association[i]
    users = tuple(j for j, other in enumerate(association) if other == k)
    return oracle.server(k, users)[1][users.index(i)].late[0]


def _filling(rng: random.Random, oracle: Oracle, association: tuple[int, ...]) -> list[float]:
    """Return what the deadline bounds where twins have random shares that fill each CPU exactly."""
    spec = oracle.spec
    part = [rng.uniform(0.5, 2) for _ in association]
    reach = []
    for i, k in enumerate(association):
        total = math.fsum(part[j] for j, other in enumerate(association) if other == k)
        share = spec.cpu[k] * part[i] / total
        reach.append(oracle.judged_transfer(i, k) + spec.kappa * oracle.judged[i] / share)
    return reach


def _close_cpu(rng: random.Random, spec: Spec) -> None:
    """Scale demands so that those of an association fill servers exactly, or by a little more or less."""
    association = _target(rng, spec)
    assert spec.demand is not None
    for k in set(association):
        users = [i for i, other in enumerate(association) if other == k]
        total = math.fsum(spec.demand[i][k] for i in users)
        if total == 0 or spec.cpu[k] == 0:
            continue
        if rng.random() < 0.3:
            # The CPU follows the demands: all other pairs keep their numbers.
            spec.cpu[k] = total / (1 + rng.choice(OFFSETS))
            continue
        scale = spec.cpu[k] / total * (1 + rng.choice(OFFSETS))
        for i in users:
            spec.demand[i][k] *= scale


def build(spec: Spec) -> Problem:
    """Return the dtopt problem that the numbers make."""
    stations = BaseStations(
        np.array(spec.cpu),
        np.array([UNLIMITED if c is None else c for c in spec.capacity]),
        position_m=None if spec.positions is None else np.array(spec.positions),
        distance_m=np.array(spec.distance) if spec.positions is None else None,
    )
    users = Users(np.array(spec.data), np.array(spec.update), np.array(spec.power), np.array(spec.tau))
    channel: GainMatrix | CandidateGains | None = None
    if spec.gain is not None:
        gain = np.array(spec.gain)
        channel = GainMatrix(gain)
        if spec.candidates is not None:
            order = np.argsort(-gain, axis=1, kind="stable")[:, : spec.candidates]
            channel = CandidateGains(order, np.take_along_axis(gain, order, axis=1))
    network = Network(
        users,
        stations,
        channel,
        bandwidth_hz=spec.bandwidth,
        noise_dbm_per_hz=spec.noise_dbm,
        cycles_per_bit=spec.kappa,
        backhaul_s_per_bit_m=spec.phi,
        wired_passes=spec.passes,
    )
    demand = None
    if spec.demand is not None:
        demand = np.array(spec.demand)
        if (demand == demand[:, :1]).all():
            demand = demand[:, 0]
    common = {
        "sharing": spec.sharing,
        "demand_hz": demand,
        "deadline": spec.deadline,
        "deadline_penalty": spec.penalty,
    }
    if spec.kind == "placement":
        return Placement(
            network,
            objective=spec.objective,
            latency_weight=spec.alpha,
            cost_weight=spec.cost_weight,
            server_cost=spec.server_cost,
            max_servers=spec.max_servers,
            update_period_s=spec.period,
            sync_weight=spec.eta,
            pair_latency_s=None if spec.pair_latency is None else np.array(spec.pair_latency),
            **common,
        )
    return Migration(
        network,
        previous=np.array(spec.previous),
        servers=None if spec.servers is None else np.array(spec.servers),
        beta=spec.beta,
        interaction=spec.interaction,
        migration_weight=spec.migration_weight,
        companion_bits=spec.companion,
        **common,
    )
