"""The presets behind `dtopt.generate`: the paper's setting and its harder, larger and more realistic relatives.

Every preset takes a seed, the numbers of users and stations, the CPU sharing, the objective of P1 and the kind of
problem (``placement``, P1, or ``migration``, P2 after the users have moved one step), and returns an instance that is
feasible by construction. The numbers are in `instances.constants`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from dtopt.arrays import UNLIMITED, number
from dtopt.channel import ModelledChannel
from dtopt.elementary import hypot, log, total
from dtopt.errors import InputError
from dtopt.propagation import Propagation
from instances import constants, layout
from instances.assembly import Deadlines, Scene, assemble, count, draw_twins, fair_capacity, flag, streams
from instances.city import city
from instances.draws import uniform
from instances.reference import reference_association

if TYPE_CHECKING:
    from dtopt.arrays import FloatArray, IntArray
    from dtopt.channel import CandidateGains
    from dtopt.problem import Objective, Placement, Problem, Sharing
    from dtopt.propagation import Fading, PathLoss
    from instances.assembly import Kind

__all__ = ["city", "correlated", "costly_servers", "large", "paper", "tight_capacity", "tight_deadline"]


def paper(
    *,
    seed: int = 0,
    users: int = 100,
    stations: int = 10,
    sharing: Sharing = "optimal",
    objective: Objective = "system-cost",
    kind: Kind = "placement",
    path_loss: PathLoss = "uma",
    fading: Fading = "rician",
    shadowing: bool = False,
) -> Problem:
    """Return the paper's setting, Table II: 80 or 100 users and 5 or 10 stations on 1500 m x 1500 m.

    Deadlines are loose. `path_loss`, `fading` and `shadowing` are those of `dtopt.propagation.Propagation`.
    """
    scene = _paper_scene("paper", seed, users, stations)
    model = Propagation(path_loss, constants.CARRIER_GHZ, fading, shadowing=flag(shadowing, "shadowing"), seed=seed)
    channel = ModelledChannel(model)
    return assemble(replace(scene, channel=lambda _: channel), kind=kind, sharing=sharing, objective=objective)


def tight_capacity(
    *,
    seed: int = 0,
    users: int = 100,
    stations: int = 10,
    sharing: Sharing = "optimal",
    objective: Objective = "system-cost",
    kind: Kind = "placement",
    load: float = constants.TIGHT_LOAD,
) -> Problem:
    """Return ``paper`` with places for hardly more twins than there are, spread over servers without regard to CPUs.

    `load` is the users' part of all places; under ``fixed`` sharing the demands are also this part of the CPU of every
    server in some association.
    """
    load = number(load, "load", maximum=1.0)
    if load <= 0.0:
        raise InputError(f"must be > 0, got {load:g}", where="load")
    scene = _paper_scene("tight-capacity", seed, users, stations)
    places = max(int(np.floor(len(scene.user_m) / load)), len(scene.user_m))
    weight = uniform(streams(seed).servers, 0.5, 1.5, len(scene.station_m))
    ends = np.concatenate([[0.0], np.add.accumulate(weight)])
    capacity = np.diff(np.round(ends / ends[-1] * places)).astype(np.int64)

    def filling(problem: Placement) -> tuple[FloatArray, IntArray | None]:
        """Fill each server of an association that uses them all to `load`."""
        association = reference_association(replace(problem, server_cost=0.0))
        assert association is not None  # noqa: S101 - there are places for all, and nothing else is limited
        held = np.bincount(association, weights=problem.root_load, minlength=problem.n_stations)
        return load * problem.network.stations.cpu_hz[association] * problem.root_load / held[association], association

    return assemble(replace(scene, capacity=capacity, demand=filling), kind=kind, sharing=sharing, objective=objective)


def tight_deadline(
    *,
    seed: int = 0,
    users: int = 100,
    stations: int = 10,
    sharing: Sharing = "optimal",
    objective: Objective = "system-cost",
    kind: Kind = "placement",
) -> Problem:
    """Return ``paper`` with deadlines just above the latencies of one good association, which proves them possible.

    Under ``optimal`` sharing the latencies are those of CPU shares that differ at random from the cheapest ones, so
    that about half of the deadlines bind there, and near there.
    """
    deadlines = Deadlines((0.0, 0.0), (0.0, 0.0), constants.TIGHT_SLACK_RANGE, constants.TIGHT_SHARE_SPREAD)
    scene = replace(_paper_scene("tight-deadline", seed, users, stations), deadlines=deadlines)
    return assemble(scene, kind=kind, sharing=sharing, objective=objective)


def costly_servers(
    *,
    seed: int = 0,
    users: int = 100,
    stations: int = 10,
    sharing: Sharing = "optimal",
    objective: Objective = "system-cost",
    kind: Kind = "placement",
) -> Problem:
    """Return ``paper`` with dear servers that can each keep all twins: mostly a question of which few to open."""
    scene = _paper_scene("costly-servers", seed, users, stations)
    cost = constants.COSTLY_FACTOR * constants.ALL_SERVERS_COST / len(scene.station_m)
    scene = replace(scene, server_cost=cost, capacity=np.full(len(scene.station_m), UNLIMITED))
    return assemble(scene, kind=kind, sharing=sharing, objective=objective)


def correlated(
    *,
    seed: int = 0,
    users: int = 100,
    stations: int = 10,
    sharing: Sharing = "fixed",
    objective: Objective = "system-cost",
    kind: Kind = "placement",
) -> Problem:
    """Return ``paper`` with costs and demands that pull against each other.

    Large twins belong to users near weak servers. Under ``fixed`` sharing demands are those of GAP type E (Yagiura et
    al. 2004): f_ik ∝ 1 − 10 ln u with u uniform, so that the pairs of low latency κ w_i / f_ik are the ones that fill
    the servers, and an average choice would overfill them.
    """
    scene = _paper_scene("correlated", seed, users, stations)
    gap = scene.user_m[:, None, :] - scene.station_m[None, :, :]
    nearest = hypot(gap[..., 0], gap[..., 1]).argmin(axis=1)
    # The same sizes as before, dealt out so that the largest meet the weakest stations.
    order = np.argsort(scene.cpu_hz[nearest], kind="stable")
    largest_first = np.argsort(-scene.data_bits, kind="stable")
    data, update = np.empty_like(scene.data_bits), np.empty_like(scene.update_bits)
    data[order], update[order] = scene.data_bits[largest_first], scene.update_bits[largest_first]

    def type_e(problem: Placement) -> tuple[FloatArray, None]:
        draws = 1.0 - streams(seed).servers.random((problem.n_users, problem.n_stations))
        weight = 1.0 - 10.0 * log(draws)
        even = problem.network.stations.cpu_hz * problem.n_stations / constants.CORRELATED_TIGHTNESS
        # No pair takes a whole server, however few the users are.
        return np.minimum(even * weight / total(weight), 0.9 * problem.network.stations.cpu_hz), None

    scene = replace(
        scene,
        data_bits=data,
        update_bits=update,
        demand=type_e,
        backhaul_s_per_bit_m=constants.CORRELATED_BACKHAUL_FACTOR * constants.BACKHAUL_S_PER_BIT_M,
    )
    return assemble(scene, kind=kind, sharing=sharing, objective=objective)


def large(
    *,
    seed: int = 0,
    users: int = 100_000,
    stations: int = 1_000,
    sharing: Sharing = "optimal",
    objective: Objective = "system-cost",
    kind: Kind = "placement",
) -> Problem:
    """Return ``paper`` at scale: the same density of stations, radio to the nearest ones only, no deadlines in P1."""
    side = constants.AREA_M * np.sqrt(count(stations, "stations") / 10.0)
    scene = _paper_scene("large", seed, users, stations, side_m=float(side))
    model = Propagation("uma", constants.CARRIER_GHZ, "rician", seed=seed)
    kinds = np.zeros(len(scene.station_m), dtype=np.int64)

    def channel(user_m: FloatArray) -> CandidateGains:
        return layout.candidate_gains([model], kinds, user_m, scene.station_m)

    deadlines = Deadlines() if kind == "migration" else None
    scene = replace(scene, channel=channel, deadlines=deadlines)
    return assemble(scene, kind=kind, sharing=sharing, objective=objective)


def _paper_scene(label: str, seed: int, users: int, stations: int, side_m: float = constants.AREA_M) -> Scene:
    """Return Table II with the constants that it leaves open."""
    n, m = count(users, "users"), count(stations, "stations")
    random = streams(seed)
    station_m = layout.spread_points(random.stations, m, side_m)
    cpu = uniform(random.stations, *constants.CPU_RANGE_HZ, m)
    user_m = uniform(random.users, 0.0, side_m, (n, 2))
    data, update = draw_twins(random.twins, n)
    channel = ModelledChannel(Propagation("uma", constants.CARRIER_GHZ, "rician", seed=seed))
    return Scene(
        label=label,
        seed=seed,
        user_m=user_m,
        earlier_m=layout.steps(random.users, user_m, constants.STEP_M),
        station_m=station_m,
        cpu_hz=cpu,
        capacity=fair_capacity(n, cpu),
        channel=lambda _: channel,
        data_bits=data,
        update_bits=update,
    )
