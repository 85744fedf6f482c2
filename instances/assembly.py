"""From a scene (positions, twins, servers, radio) to a problem: demands, previous association and deadlines."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from dtopt.arrays import choice, int_array
from dtopt.elementary import exp, total
from dtopt.errors import InputError
from dtopt.network import BaseStations, Network, Users
from dtopt.problem import LONGEST_UTILITY_DEADLINE_S, Migration, Placement
from dtopt.sharing import cpu_shares
from instances import constants
from instances.draws import normal, uniform
from instances.reference import reference_association

if TYPE_CHECKING:
    from collections.abc import Callable

    from dtopt.arrays import FloatArray, IntArray
    from dtopt.channel import Channel
    from dtopt.geography import Projection
    from dtopt.problem import Objective, Problem, Sharing

__all__ = [
    "Deadlines",
    "Kind",
    "Scene",
    "Streams",
    "assemble",
    "count",
    "draw_twins",
    "fair_capacity",
    "flag",
    "streams",
]

Kind = Literal["placement", "migration"]
if TYPE_CHECKING:
    #: From a problem under optimal sharing to the demands under fixed sharing, with an association that they are known
    #: to fit, or None where one has to be found.
    DemandRule = Callable[[Placement], tuple[FloatArray, IntArray | None]]

#: Where demands do not fit the servers one by one, they are cut by this factor until they do, so many times.
CUT, CUTS = 0.95, 60
#: A P2 on no more servers than this gets all stations.
FEWEST_SERVERS = 2


@dataclass(frozen=True)
class Streams:
    """Independent random streams, so that an option about users leaves the stations as they are."""

    stations: np.random.Generator
    users: np.random.Generator
    twins: np.random.Generator
    servers: np.random.Generator
    deadlines: np.random.Generator


def streams(seed: int) -> Streams:
    """Return the random streams of an instance."""
    seed = int(int_array(seed, "seed", shape=(), minimum=0))
    return Streams(*(np.random.default_rng(child) for child in np.random.SeedSequence(seed).spawn(5)))


def count(value: int, name: str, *, maximum: int | None = None) -> int:
    """Return an option that counts something, checked to be a whole number >= 1."""
    return int(int_array(value, name, shape=(), minimum=1, maximum=maximum))


def draw_twins(rng: np.random.Generator, users: int) -> tuple[FloatArray, FloatArray]:
    """Return D_i and ΔD_i, bit."""
    data = uniform(rng, *constants.DATA_RANGE_BITS, users)
    return data, data * uniform(rng, *constants.UPDATE_SHARE_RANGE, users)


def fair_capacity(users: int, cpu_hz: FloatArray) -> IntArray:
    """Return N_k in proportion to the CPUs, with `constants.CAPACITY_SLACK` times as many places as users."""
    capacity: IntArray = np.ceil(constants.CAPACITY_SLACK * users * cpu_hz / total(cpu_hz)).astype(np.int64)
    return capacity


def flag(value: bool, name: str) -> bool:
    """Return an option that is on or off, checked to be a boolean: the text "false" would count as true."""
    if not isinstance(value, bool):
        raise InputError(f"must be true or false, got {value!r}", where=name)
    return value


@dataclass(frozen=True)
class Deadlines:
    """How deadlines are made: drawn from a range, but never below the reference latency plus a drawn slack.

    Parameters
    ----------
    placement_s, update_s : tuple of float
        Range of τ_i for P1 and for P2, s.
    slack : tuple of float
        Range of the slack, as a part of the latency in the reference association.
    share_spread : float
        Standard deviation of the logarithm of what the reference latencies' CPU shares are multiplied by, under
        ``optimal`` sharing, before each server's are scaled to fit again. With 0 they are the cheapest shares, which
        such deadlines never bind.
    """

    placement_s: tuple[float, float] = constants.DEADLINE_RANGE_S
    update_s: tuple[float, float] = constants.UPDATE_DEADLINE_RANGE_S
    slack: tuple[float, float] = constants.LOOSE_SLACK_RANGE
    share_spread: float = 0.0


def proportional_demand(problem: Placement) -> tuple[FloatArray, None]:
    """Share `constants.FIXED_LOAD` of all CPUs among the twins in proportion to √(κ w_i), as optimal sharing would."""
    used = constants.FIXED_LOAD * total(problem.network.stations.cpu_hz)
    return np.asarray(used * problem.root_load / total(problem.root_load)), None


@dataclass(frozen=True, eq=False)
class Scene:
    """All of an instance but what depends on the kind of problem.

    Parameters
    ----------
    label : str
        The preset's name.
    seed : int
    user_m, earlier_m : ndarray, shape (N, 2)
        Where users are, and where they were one slot before (for P2).
    station_m : ndarray, shape (M, 2)
    data_bits, update_bits : ndarray, shape (N,)
    cpu_hz : ndarray, shape (M,)
    capacity : ndarray of int, shape (M,)
    channel : callable
        The channel for given positions of the users.
    demand : callable, optional
        The `DemandRule` of ``fixed`` sharing; `proportional_demand` where not given.
    deadlines : Deadlines, optional
        None for no deadlines in P1 and the longest allowed in P2.
    server_cost : float, optional
        ϕ; `constants.ALL_SERVERS_COST` / M where not given.
    backhaul_s_per_bit_m : float
    origin : Projection, optional
        Where on earth (0, 0) is.
    user_names, station_names : tuple of str, optional
    given_deadline_s, tx_power_w : ndarray, shape (N,), optional
        Deadlines and powers that come with the data.
    """

    label: str
    seed: int
    user_m: FloatArray
    earlier_m: FloatArray
    station_m: FloatArray
    data_bits: FloatArray
    update_bits: FloatArray
    cpu_hz: FloatArray
    capacity: IntArray
    channel: Callable[[FloatArray], Channel]
    demand: DemandRule = proportional_demand
    deadlines: Deadlines | None = Deadlines()
    server_cost: float | None = None
    backhaul_s_per_bit_m: float = constants.BACKHAUL_S_PER_BIT_M
    origin: Projection | None = None
    user_names: tuple[str, ...] | None = None
    station_names: tuple[str, ...] | None = None
    given_deadline_s: FloatArray | None = None
    tx_power_w: FloatArray | None = None

    def network(self, *, earlier: bool = False) -> Network:
        """Return the network without deadlines, now or one slot before."""
        position = self.earlier_m if earlier else self.user_m
        power: FloatArray | float = constants.TX_POWER_W if self.tx_power_w is None else self.tx_power_w
        return Network(
            Users(self.data_bits, self.update_bits, power, np.inf, position, self.user_names),  # type: ignore[arg-type]
            BaseStations(self.cpu_hz, self.capacity, self.station_m, names=self.station_names),
            self.channel(position),
            bandwidth_hz=constants.BANDWIDTH_HZ,
            noise_dbm_per_hz=constants.NOISE_DBM_PER_HZ,
            origin=self.origin,
            cycles_per_bit=constants.CYCLES_PER_BIT,
            backhaul_s_per_bit_m=self.backhaul_s_per_bit_m,
        )


def assemble(scene: Scene, *, kind: Kind, sharing: Sharing, objective: Objective) -> Problem:
    """Return the problem of a scene; it is feasible by construction.

    A reference association (see `instances.reference`) that keeps capacities and CPU demands is computed first; no
    deadline is below what it reaches. Under P2 the previous association is the reference of the P1 one slot before,
    and its open servers are the servers (all, where it opened one or two).

    Raises
    ------
    InputError
        On an unknown kind, or users that do not fit the servers.
    """
    choice(kind, "kind", Kind)
    n, m = len(scene.user_m), len(scene.station_m)
    tag = "" if kind == "placement" else "-migration"
    free = Placement(
        scene.network(earlier=kind == "migration"),
        name=f"{scene.label}{tag}-{n}x{m}-s{scene.seed}",
        objective=objective,
        latency_weight=constants.LATENCY_WEIGHT,
        cost_weight=constants.COST_WEIGHT,
        server_cost=constants.ALL_SERVERS_COST / m if scene.server_cost is None else scene.server_cost,
        update_period_s=constants.UPDATE_PERIOD_S,
        sync_weight=constants.SYNC_WEIGHT,
    )
    if kind == "placement" and sharing != "fixed" and scene.deadlines is None:
        return _with_deadlines(scene, replace(free, sharing=sharing), None)
    placement, association = _fitted(scene, free, sharing)
    if kind == "placement":
        return _with_deadlines(scene, placement, association)
    return _with_deadlines(scene, *_migration(scene, placement, association))


def _fitted(scene: Scene, free: Placement, sharing: Sharing) -> tuple[Placement, IntArray]:
    """Return the placement under the sharing asked for, with demands that fit, and its reference association."""
    if sharing != "fixed":
        problem = replace(free, sharing=sharing)
        association = reference_association(problem)
        if association is not None:
            return problem, association
    else:
        demand, known = scene.demand(free)
        for _ in range(CUTS):
            problem = replace(free, sharing=sharing, demand_hz=demand)
            association = reference_association(problem) if known is None else known
            if association is not None:
                return problem, association
            demand = CUT * demand
    places = int(np.minimum(scene.capacity, len(scene.user_m)).sum(dtype=np.int64))
    raise InputError(f"{len(scene.user_m)} users do not fit {len(scene.station_m)} servers with {places} places")


def _migration(scene: Scene, before: Placement, previous: IntArray) -> tuple[Migration, IntArray]:
    """Return the P2 after the users have moved and a reference association for it.

    The servers are those that P1 opened; all where it opened only one or two, between which there is little to decide.
    """
    network = scene.network()
    longest = np.full(network.users.count, LONGEST_UTILITY_DEADLINE_S)
    opened = np.unique(previous)
    problem = Migration(
        replace(network, users=replace(network.users, deadline_s=longest)),
        sharing=before.sharing,
        demand_hz=before.demand_hz,
        name=before.name,
        previous=previous,
        servers=opened if opened.size > FEWEST_SERVERS else None,
        migration_weight=constants.MIGRATION_WEIGHT,
    )
    association = reference_association(problem)
    # Where packing failed from scratch, everyone can stay: the previous association kept every limit.
    return problem, previous if association is None else association


def _with_deadlines(scene: Scene, problem: Problem, association: IntArray | None) -> Problem:
    """Return the problem with the deadlines of the scene; none can be made without an association."""
    users = problem.network.users
    deadline = users.deadline_s
    if scene.deadlines is not None and association is not None:
        rng = streams(scene.seed).deadlines
        shares = cpu_shares(problem, association)
        if scene.deadlines.share_spread > 0 and problem.sharing == "optimal":
            shares = shares * exp(normal(rng, scene.deadlines.share_spread, users.count))
            given = np.bincount(association, weights=shares, minlength=problem.n_stations)
            shares *= (problem.network.stations.cpu_hz / np.maximum(given, 1.0))[association]
        reached = _deadline_latency(problem, association, shares)
        span = scene.deadlines.placement_s if problem.kind == "placement" else scene.deadlines.update_s
        drawn = uniform(rng, *span, users.count)
        deadline = np.maximum(drawn, reached * (1.0 + uniform(rng, *scene.deadlines.slack, users.count)))
    if scene.given_deadline_s is not None:
        deadline = scene.given_deadline_s
        if problem.kind == "migration":
            # Its utility needs a deadline: no limit is the longest.
            deadline = np.where(np.isinf(deadline), LONGEST_UTILITY_DEADLINE_S, deadline)
    return replace(problem, network=replace(problem.network, users=replace(users, deadline_s=deadline)))


def _deadline_latency(problem: Problem, association: IntArray, share_hz: FloatArray) -> FloatArray:
    """Return what counts against the deadlines at an association and CPU shares, shape (N,), s."""
    transfer = problem.deadline_transfer_latency(np.arange(problem.n_users), association)
    cycles = problem.deadline_cycles
    # With nothing to compute there may be no share.
    compute = np.divide(cycles, share_hz, out=np.zeros(cycles.size), where=cycles > 0)
    return transfer + compute
