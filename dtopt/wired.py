"""Pairs of a P1 problem from wired distances: what a problem too large for matrices of all pairs is made of.

The latency of a pair before computing is that of the radio, which depends on the user alone, and that of the wire,
which is the user's bits times a distance between two stations, (5) and (7). So N + M² numbers say all of N·M pairs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numba
import numpy as np

from dtopt.price_kernel import Columns

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
        base = base + problem.load_cycles / demand
    wired_bits = problem.load_bits + (network.wired_passes - 1) * users.data_bits
    slack = pace = cycles = nothing
    if problem.deadlines_bind:
        # Half the evaluator's tolerance, as in `Problem.compute_floor`.
        slack = users.deadline_s * (1.0 + 5e-10) - problem.construction_wireless
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
        root_load=np.array(problem.root_load) if problem.sharing != "fixed" else np.zeros(n),
        cpu=np.array(stations.cpu_hz),
        capacity=np.minimum(stations.capacity, n).astype(np.float64),
        opening=float(problem.opening_cost),
        worth=float(worth),
        max_open=int(problem.max_open),
    )


@numba.njit(cache=True)
def pair(pairs: WiredPairs, i: int, k: int) -> tuple[float, float]:
    """Return cost and deadline floor of a pair; the cost is infinite where the pair is not allowed."""
    far = pairs.distance[pairs.access[i], k]
    cost, floor = pairs.base[i] + pairs.slope[i] * far, 0.0
    if pairs.capacity[k] <= 0.0:
        return np.inf, 0.0
    most = pairs.cpu[k]
    if pairs.demand.size > 0:
        if pairs.demand[i] > most:
            return np.inf, 0.0
        most = pairs.demand[i]
    if pairs.cycles.size > 0:
        slack = pairs.slack[i] - pairs.pace[i] * far
        if slack < 0.0 or pairs.cycles[i] > most * slack:
            return np.inf, 0.0
        if slack > 0.0 and np.isfinite(slack):
            floor = pairs.cycles[i] / slack
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


@numba.njit(cache=True)
def _list(
    pairs: WiredPairs, radius: FloatArray, has_floor: bool
) -> tuple[IntArray, IntArray, FloatArray, FloatArray, FloatArray]:
    """Return the allowed pairs within each user's radius, server by server."""
    n, m = radius.size, pairs.cpu.size
    start = np.zeros(m + 1, dtype=np.int64)
    room = np.empty(m, dtype=np.int64)
    for i in range(n):
        for k in room[: _within(pairs.order, pairs.distance, pairs.access[i], radius[i], room)]:
            if np.isfinite(pair(pairs, i, k)[0]):
                start[k + 1] += 1
    for k in range(m):
        start[k + 1] += start[k]
    size = start[m]
    user, cost = np.empty(size, dtype=np.int32), np.empty(size)
    part = np.empty(size if pairs.demand.size > 0 else 0)
    floor = np.empty(size if has_floor else 0)
    at = start[:-1].copy()
    for i in range(n):
        for k in room[: _within(pairs.order, pairs.distance, pairs.access[i], radius[i], room)]:
            value, least = pair(pairs, i, k)
            if np.isfinite(value):
                e = at[k]
                user[e], cost[e] = i, value
                if part.size > 0:
                    part[e] = pairs.demand[i] / pairs.cpu[k]
                if floor.size > 0:
                    floor[e] = least
                at[k] += 1
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
        pairs.opening,
        pairs.worth,
        pairs.max_open,
    )


@numba.njit(cache=True)
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
    n, m = radius.size, pairs.cpu.size
    more = prices[n + 3 * m]
    server, reach = np.zeros(m), radius.copy()
    magnitude = more * pairs.max_open
    for k in range(m):
        load = prices[n + k]
        held = load * load * pairs.cpu[k] / (4.0 * pairs.worth)
        held += prices[n + m + k] * pairs.capacity[k] + prices[n + 2 * m + k]
        server[k] = pairs.opening + more - held
        magnitude += held + pairs.opening
    cheapest = prices[n : n + m].min()
    place = prices[n + m : n + 2 * m].min()
    value = -more * pairs.max_open
    room = np.empty(m, dtype=np.int64)
    for i in range(n):
        value += prices[i]
        magnitude += abs(prices[i])
        size = pairs.root_load[i]
        # No pair beyond this cost can gain: prices of load, places and CPU only add to it.
        left = prices[i] - pairs.base[i] - size * cheapest - place
        if left <= 0.0:
            continue
        far = left / pairs.slope[i] if pairs.slope[i] > 0.0 else np.inf
        for k in room[: _within(pairs.order, pairs.distance, pairs.access[i], far, room)]:
            if state[k] < 0:
                continue
            cost, floor = pair(pairs, i, k)
            if cost == np.inf:
                continue
            load = prices[n + k]
            priced = load * size
            if has_floor:
                rate = load / (2.0 * pairs.worth)
                if rate * floor > size:
                    priced = pairs.worth * (size * size / floor + rate * rate * floor)
            if pairs.demand.size > 0:
                priced += prices[n + 2 * m + k] * pairs.demand[i] / pairs.cpu[k]
            gain = cost + priced + prices[n + m + k] - prices[i]
            if gain < 0.0:
                server[k] += gain
                reach[i] = max(reach[i], pairs.distance[pairs.access[i], k])
    for k in range(m):
        if state[k] > 0 or (state[k] == 0 and server[k] < 0.0):
            value += server[k]
    return value, magnitude, server, reach


def start_radius(pairs: WiredPairs, count: int) -> FloatArray:
    """Return for each user the distance of the `count`-th nearest station from its access station, shape (N,), m."""
    order = pairs.order[:, : min(count, pairs.order.shape[1])]
    far = pairs.distance[np.arange(order.shape[0]), order[:, -1]]
    return np.asarray(far[pairs.access])
