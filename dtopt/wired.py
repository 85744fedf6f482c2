"""Pairs of a P1 problem from wired distances: what a problem too large for matrices of all pairs is made of.

The latency of a pair before computing is that of the radio, which depends on the user alone, and that of the wire,
which is the user's bits times a distance between two stations, (5) and (7). So N + M² numbers say all of N·M pairs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numba
import numpy as np

from dtopt.price_kernel import Columns
from dtopt.sharing import compute_latency
from dtopt.tolerances import within

if TYPE_CHECKING:
    from dtopt.arrays import FloatArray, IntArray
    from dtopt.problem import Placement

__all__ = ["WiredPairs", "listed", "settle", "start_radius", "wired_pairs"]

#: Stations are ordered by distance from each other so far; users that look farther look at all.
NEAREST = 512


class WiredPairs(NamedTuple):
    """Costs c_ik = base_i + slope_i d(b_i, k) and deadline floors of pairs, in units of the objective.

    A floor is cycles_i / (slack_i − pace_i d(b_i, k)); the arrays of floors are empty where no deadline binds, `demand`
    where sharing is not ``fixed``. `order` lists the stations nearest to each station, at most `NEAREST`.
    """

    base: FloatArray
    slope: FloatArray
    access: IntArray
    distance: FloatArray
    order: IntArray
    slack: FloatArray
    pace: FloatArray
    cycles: FloatArray
    demand: FloatArray
    root_load: FloatArray
    cpu: FloatArray
    capacity: FloatArray
    opening: float
    worth: float
    max_open: int


def wired_pairs(problem: Placement) -> WiredPairs | None:
    """Return the pairs of a problem, or None where its data are of another form (latencies or demands of each pair).

    Under soft deadlines the penalties are left out, which keeps bounds valid.
    """
    network, n, m = problem.network, problem.n_users, problem.n_stations
    if network.channel is None or (problem.demand_hz is not None and problem.demand_hz.ndim == 2):
        return None
    worth = problem.user_weight
    users, stations = network.users, network.stations
    grid = np.arange(m)
    distance = np.ascontiguousarray(network.station_distance(grid[:, None], grid[None, :]), dtype=np.float64)
    nothing = np.zeros(0)
    base = problem.wireless_latency
    demand = nothing
    if problem.sharing == "fixed":
        assert problem.demand_hz is not None  # noqa: S101 - checked at construction
        demand = np.array(problem.demand_hz)
        base = base + compute_latency(problem.load_cycles, demand)
    wired_bits = problem.load_bits + (network.wired_passes - 1) * users.data_bits
    slack = pace = cycles = nothing
    if problem.deadlines_bind:
        slack = within(users.deadline_s) - problem.construction_wireless
        pace = network.backhaul_s_per_bit_m * network.wired_passes * users.data_bits
        cycles = np.array(problem.deadline_cycles)
    return WiredPairs(
        base=worth * base,
        slope=worth * network.backhaul_s_per_bit_m * wired_bits,
        access=network.access_station.astype(np.int64),
        distance=distance,
        order=np.argsort(distance, axis=1, kind="stable")[:, :NEAREST].astype(np.int32),
        slack=slack,
        pace=pace,
        cycles=cycles,
        demand=demand,
        root_load=np.array(problem.root_load) if problem.sharing != "fixed" and worth > 0 else np.zeros(n),
        cpu=np.array(problem.cpu_limit_hz),
        capacity=np.minimum(stations.capacity, n).astype(np.float64),
        opening=float(problem.opening_cost),
        # Loads have no price where latency has none; any worth will do then.
        worth=float(worth) or 1.0,
        max_open=int(problem.max_open),
    )


@numba.njit(cache=True)
def pair(
    base: FloatArray,
    slope: FloatArray,
    capacity: FloatArray,
    cpu: FloatArray,
    demand: FloatArray,
    slack: FloatArray,
    pace: FloatArray,
    cycles: FloatArray,
    far: float,
    i: int,
    k: int,
) -> tuple[float, float]:
    """Return cost and deadline floor of a pair so far apart; the cost is infinite where the pair is not allowed."""
    cost, floor = base[i] + slope[i] * far, 0.0
    if capacity[k] <= 0.0:
        return np.inf, 0.0
    most = cpu[k]
    if demand.size > 0:
        if demand[i] > most:
            return np.inf, 0.0
        most = demand[i]
    if cycles.size > 0:
        spare = slack[i] - pace[i] * far
        if spare < 0.0 or cycles[i] > most * spare:
            return np.inf, 0.0
        if 0.0 < spare < np.inf:
            floor = min(cycles[i] / spare, most)
    return cost, floor


@numba.njit(cache=True)
def _within(order: IntArray, distance: FloatArray, station: int, radius: float, found: IntArray) -> int:
    """Write the stations within a radius of one to `found`, and return how many they are."""
    near, count = order[station], 0
    if near.size < found.size and distance[station, near[-1]] <= radius:
        for k in range(found.size):
            if distance[station, k] <= radius:
                found[count] = k
                count += 1
        return count
    for k in near:
        if distance[station, k] > radius:
            break
        found[count] = k
        count += 1
    return count


@numba.njit(cache=True, nogil=True)
def _list(
    pairs: WiredPairs, radius: FloatArray, has_floor: bool
) -> tuple[IntArray, IntArray, FloatArray, FloatArray, FloatArray]:
    """Return the allowed pairs within each user's radius, server by server."""
    n, m = radius.size, pairs.cpu.size
    access, distance, order = pairs.access, pairs.distance, pairs.order
    # Users of a station with like radii look at the same stations: at most so many.
    widest, start = np.zeros(m), np.zeros(m + 1, dtype=np.int64)
    for i in range(n):
        widest[access[i]] = max(widest[access[i]], radius[i])
    near, many = np.empty((m, m), dtype=np.int32), np.zeros(m, dtype=np.int64)
    for j in range(m):
        many[j] = _within(order, distance, j, widest[j], near[j])
    base, slope, capacity, cpu, demand = pairs.base, pairs.slope, pairs.capacity, pairs.cpu, pairs.demand
    slack, pace, cycles = pairs.slack, pairs.pace, pairs.cycles
    for i in range(n):
        j = access[i]
        for e in range(many[j]):
            k = near[j, e]
            far = distance[j, k]
            if (
                far <= radius[i]
                and pair(base, slope, capacity, cpu, demand, slack, pace, cycles, far, i, k)[0] < np.inf
            ):
                start[k + 1] += 1
    for k in range(m):
        start[k + 1] += start[k]
    size = start[m]
    user, cost = np.empty(size, dtype=np.int32), np.empty(size)
    part = np.empty(size if pairs.demand.size > 0 else 0)
    floor = np.empty(size if has_floor else 0)
    end = start[:-1].copy()
    for i in range(n):
        j = access[i]
        for e in range(many[j]):
            k = near[j, e]
            far = distance[j, k]
            if far > radius[i]:
                continue
            value, least = pair(base, slope, capacity, cpu, demand, slack, pace, cycles, far, i, k)
            if value < np.inf:
                at = end[k]
                user[at], cost[at] = i, value
                if part.size > 0:
                    part[at] = demand[i] / cpu[k]
                if floor.size > 0:
                    floor[at] = least
                end[k] += 1
    return start, user, cost, part, floor


def listed(pairs: WiredPairs, radius: FloatArray) -> Columns:
    """Return the pairs within each user's radius (shape (N,), m from its access station) for the compiled dual."""
    # Floors only matter where shares follow from loads.
    has_floor = pairs.cycles.size > 0 and pairs.demand.size == 0
    start, user, cost, part, floor = _list(pairs, radius, has_floor)
    return Columns(
        start,
        user,
        cost,
        part,
        floor,
        pairs.root_load,
        pairs.cpu,
        pairs.capacity,
        np.full(pairs.cpu.size, pairs.opening),
        pairs.worth,
        pairs.max_open,
    )


@numba.njit(cache=True, nogil=True)
def settle(
    pairs: WiredPairs, prices: FloatArray, radius: FloatArray, has_floor: bool, state: IntArray
) -> tuple[float, float, FloatArray, FloatArray]:
    """Return the dual over all N·M pairs, with what its rounding is relative to.

    Servers of negative state are closed, those of positive state open whatever they are worth.

    Returns
    -------
    value : float
        A valid lower bound but for rounding.
    magnitude : float
        The sum of the sizes of all terms.
    server : ndarray, shape (M,)
        V of each server.
    reach : ndarray, shape (N,)
        The radius within which all pairs lie that gain at these prices; at least `radius`.
    """
    # Arrays out of the tuple once: in a loop each look into it would count references.
    base, slope, access, distance, order = pairs.base, pairs.slope, pairs.access, pairs.distance, pairs.order
    root_load, cpu, capacity, worth = pairs.root_load, pairs.cpu, pairs.capacity, pairs.worth
    demand, cycles, slack, pace = pairs.demand, pairs.cycles, pairs.slack, pairs.pace
    n, m = radius.size, cpu.size
    more = prices[n + 3 * m]
    server, reach = np.zeros(m), radius.copy()
    magnitude = more * pairs.max_open
    for k in range(m):
        load = prices[n + k]
        held = load * load * cpu[k] / (4.0 * worth)
        held += prices[n + m + k] * capacity[k] + prices[n + 2 * m + k]
        server[k] = pairs.opening + more - held
        magnitude += held + pairs.opening
    cheapest = prices[n : n + m].min()
    place = prices[n + m : n + 2 * m].min()
    value = -more * pairs.max_open
    for i in range(n):
        price, size, near = prices[i], root_load[i], order[access[i]]
        value += price
        magnitude += abs(price)
        # No pair beyond this cost can gain: prices of load, places and CPU only add to it.
        left = price - base[i] - size * cheapest - place
        if left <= 0.0:
            continue
        far = left / slope[i] if slope[i] > 0.0 else np.inf
        # The nearest stations are in order; beyond them, where they do not reach far enough, all are looked at.
        ordered = near.size == m or distance[access[i], near[-1]] > far
        for e in range(near.size if ordered else m):
            k = int(near[e]) if ordered else e
            away = distance[access[i], k]
            if away > far:
                if ordered:
                    break
                continue
            load = prices[n + k]
            gain = base[i] + slope[i] * away + load * size + prices[n + m + k] - price
            # Floors and demands only add to it.
            if gain >= 0.0 or state[k] < 0:
                continue
            cost, floor = pair(base, slope, capacity, cpu, demand, slack, pace, cycles, away, i, k)
            if cost == np.inf:
                continue
            if demand.size > 0:
                gain += prices[n + 2 * m + k] * demand[i] / cpu[k]
            rate = load / (2.0 * worth)
            if has_floor and rate * floor > size:
                gain += worth * (size * size / floor + rate * rate * floor) - load * size
            if gain < 0.0:
                server[k] += gain
                reach[i] = max(reach[i], away)
    for k in range(m):
        if state[k] > 0 or (state[k] == 0 and server[k] < 0.0):
            value += server[k]
    return value, magnitude, server, reach


def start_radius(pairs: WiredPairs, count: int) -> FloatArray:
    """Return for each user the distance of the `count`-th nearest station from its access station, shape (N,), m."""
    order = pairs.order[:, : min(count, pairs.order.shape[1])]
    far = pairs.distance[np.arange(order.shape[0]), order[:, -1]]
    return np.asarray(far[pairs.access])
