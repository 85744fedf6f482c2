"""Pairs of a P1 problem from wired distances: what a problem too large for matrices of all pairs is made of.

The latency of a pair before computing is that of the radio, which depends on the user alone, and that of the wire,
which is the user's bits times a distance between two stations, (5) and (7). So N + M² numbers say all of N·M pairs.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from dtopt import _core
from dtopt.sharing import compute_latency
from dtopt.tolerances import within

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from dtopt.arrays import FloatArray, IntArray
    from dtopt.problem import Placement

__all__ = ["WiredPairs", "wired_pairs"]

#: Stations are ordered by distance from each other so far; users that look farther look at all.
NEAREST = 512


@dataclass(frozen=True, eq=False)
class WiredPairs:
    """Costs c_ik = base_i + slope_i d(b_i, k) and deadline floors of pairs, in units of the objective.

    A floor is cycles_i / (slack_i − pace_i d(b_i, k)).

    Parameters
    ----------
    base, slope : ndarray, shape (N,)
    access : ndarray of int, shape (N,)
        The access station b_i.
    distance : ndarray, shape (M, M)
        m.
    order : ndarray of int32, shape (M, K)
        The stations nearest to each station, at most `NEAREST`.
    slack, pace, cycles : ndarray, shape (N,), or None
        None where no deadline binds.
    demand : ndarray, shape (N,), or None
        None unless sharing is ``fixed``, cycles/s.
    root_load : ndarray, shape (N,)
    cpu, capacity, opening : ndarray, shape (M,)
    worth : float
    max_open : int
    """

    base: FloatArray
    slope: FloatArray
    access: IntArray
    distance: FloatArray
    order: NDArray[np.int32]
    slack: FloatArray | None
    pace: FloatArray | None
    cycles: FloatArray | None
    demand: FloatArray | None
    root_load: FloatArray
    cpu: FloatArray
    capacity: FloatArray
    opening: FloatArray
    worth: float
    max_open: int

    @cached_property
    def compiled(self) -> _core.WiredPairs:
        """The same for the compiled core."""
        return _core.WiredPairs(**{field.name: getattr(self, field.name) for field in fields(self)})

    def listed(self, radius: FloatArray) -> _core.Columns:
        """Return the pairs within each user's radius (shape (N,), m from its access station) for the compiled dual."""
        return self.compiled.listed(radius)

    def settle(
        self, prices: FloatArray, radius: FloatArray, state: IntArray
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
        return self.compiled.settle(prices, radius, state)

    def start_radius(self, count: int) -> FloatArray:
        """Return the distance of the `count`-th nearest station from each user's access station, shape (N,), m."""
        order = self.order[:, : min(count, self.order.shape[1])]
        far = self.distance[np.arange(order.shape[0]), order[:, -1]]
        return np.asarray(far[self.access])


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
    base = problem.wireless_latency
    demand = None
    if problem.sharing == "fixed":
        assert problem.demand_hz is not None  # noqa: S101 - checked at construction
        demand = np.array(problem.demand_hz)
        base = base + compute_latency(problem.load_cycles, demand)
    wired_bits = problem.load_bits + (network.wired_passes - 1) * users.data_bits
    slack = pace = cycles = None
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
        opening=np.full(m, float(problem.opening_cost)),
        # Loads have no price where latency has none; any worth will do then.
        worth=float(worth) or 1.0,
        max_open=int(problem.max_open),
    )
