"""What the network sees of a problem: numbers without units, the same whatever the size and scale of an instance.

Costs are in units of what a user costs on the average, sizes in units of the mean size, and sums over users count in
units of the users per server. Nothing names a user or a server.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from dtopt._core import log
from solvers._core import PairData, Sharing

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from solvers.local_search.candidates import Integers, Lists

    Floats32 = NDArray[np.float32]

__all__ = ["N_SERVER_FEATURES", "N_SHARED_FEATURES", "Graph"]

#: Features of a server: log CPU, log places, places as a part of all users, mean CPU part of its users.
N_SERVER_FEATURES = 4
#: Features of the instance: see `Graph.of`.
N_SHARED_FEATURES = 10
#: The unit of costs takes in what a user's next servers cost more than its cheapest, so many of them.
NEXT = 5
#: Features of tightness end here.
MOST = 4.0


@dataclass(frozen=True, eq=False)
class Graph:
    """Users, servers and the pairs of them that are listed.

    Parameters
    ----------
    station : ndarray of int32, shape (N, C)
        The servers in each user's list; ends in −1.
    gap : ndarray of float32, shape (N, C)
        What each costs more than the user's cheapest; infinite where the pair is not allowed.
    part : ndarray of float32, shape (N, C)
        The CPU set aside for the pair, so that Σ part / crowd is what a server has given away; 0 where nothing is.
    size : ndarray of float32, shape (N,)
        The user's size over the mean size; 0 under ``fixed`` sharing.
    server : ndarray of float32, shape (M, 4)
    cpu : ndarray of float32, shape (M,)
        Over the mean CPU.
    shared : ndarray of float32, shape (10,)
        Features of the whole instance.
    crowd : float
        Users per server.
    compute, opening : float
        What computing costs a user were it spread evenly over all servers, and a user's part of opening all of them.
    """

    station: Integers
    gap: Floats32
    part: Floats32
    size: Floats32
    server: Floats32
    cpu: Floats32
    shared: Floats32
    crowd: float
    compute: float
    opening: float

    @classmethod
    def of(cls, lists: Lists) -> Graph:
        """Return the graph of an instance of the compiled search."""
        n, m = lists.size.size, lists.cpu.size
        optimal, equal = lists.sharing == Sharing.OPTIMAL, lists.sharing == Sharing.EQUAL
        usable = lists.capacity > 0
        count = max(int(usable.sum()), 1)
        crowd = n / count
        cpu = np.where(usable, lists.cpu, 0.0)
        size, total = lists.size, float(cpu.sum())
        # The cost of all computing if it were spread evenly; see `solvers/core/placement.hpp`.
        compute = float(size.sum()) / max(total, 1e-300)
        compute *= float(size.sum()) if optimal else n if equal else 0.0
        cost, more = lists.cost, lists.more
        if lists.data == PairData.LATE and more is not None:
            # Lateness as it would be with half of the servers open.
            load = 2.0 * (float(size.sum()) if optimal else n) / max(total, 1e-300)
            cost = cost + lists.penalty * np.maximum(0.0, more + load * lists.rate[:, None])
        finite = np.isfinite(cost)
        least = cost.min(axis=1, keepdims=True)
        gap = np.where(finite, cost - np.where(np.isfinite(least), least, 0.0), np.inf)
        unit = compute / n + count * lists.opening / n + _next(gap)
        unit = unit if unit > 0.0 else 1.0
        part = np.zeros(cost.shape)
        if more is not None and lists.data in {PairData.FITTING, PairData.CLAMPED}:
            part = np.where(finite, more, 0.0)
        elif more is not None and lists.data == PairData.LIMITED:
            part = np.where(finite, 1.0 / np.maximum(more, 1.0), 0.0)
        places = np.minimum(lists.capacity, n)
        pairs = np.maximum(np.bincount(lists.station[finite], minlength=m), 1)
        mean_part = np.bincount(lists.station[finite], weights=part[finite], minlength=m) / pairs
        server = np.empty((m, N_SERVER_FEATURES), dtype=np.float32)
        relative = cpu * count / max(total, 1e-300)
        server[:, 0] = log(np.maximum(relative, 1e-3))
        server[:, 1] = log(np.clip(places / crowd, 1e-2, 50.0))
        server[:, 2] = places / n
        server[:, 3] = np.minimum(mean_part * crowd, MOST)
        least_part = np.where(finite, part, np.inf).min(axis=1)
        shared = [
            compute / (n * unit),
            count * lists.opening / (n * unit),
            min(n / max(int(places.sum()), 1), MOST),
            min(lists.max_open, count) / count,
            min(float(least_part[np.isfinite(least_part)].sum()) / count, MOST),
            min(float(mean_part.mean()) * crowd, MOST),
            float(optimal),
            float(equal),
            float(lists.data == PairData.CLAMPED),
            float(lists.data == PairData.LIMITED),
        ]
        return cls(
            station=np.ascontiguousarray(lists.station),
            gap=(gap / unit).astype(np.float32),
            part=(part * crowd).astype(np.float32),
            size=(size / size.mean() if (optimal or equal) and size.any() else np.zeros(n)).astype(np.float32),
            server=server,
            cpu=np.maximum(relative, 1e-3).astype(np.float32),
            shared=np.array(shared, dtype=np.float32),
            crowd=crowd,
            compute=shared[0],
            opening=shared[1],
        )


def _next(gap: NDArray[np.float64]) -> float:
    """Return what the next few servers of users cost more than their cheapest, on the average."""
    width = min(NEXT + 1, gap.shape[1])
    nearest = np.partition(gap, width - 1, axis=1)[:, :width] if width > 1 else gap[:, :1]
    finite = np.isfinite(nearest)
    # One of each user's is its cheapest, which costs nothing more.
    total = np.where(finite, nearest, 0.0).sum()
    return float(total) / max(int(finite.sum()) - len(gap), 1)
