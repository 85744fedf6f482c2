"""What agents see of the state (22): as one vector, and as seen from each station's seat.

The parts that only the network decides are made once for each state (`fixed_part`); servers and association change from
slot to slot. The seat view needs PyTorch, which is imported where it is used.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from torch import Tensor

    from dtopt.arrays import BoolArray, FloatArray, IntArray
    from dtopt.problem import Placement
    from solvers.environments.states import NetworkStates

__all__ = ["SCALING_STATES", "Float32Array", "Scales", "flat_view", "network_part", "seat_network", "seat_view"]

Float32Array = npt.NDArray[np.float32]

#: Scaled latencies are cut off here, so that pairs out of reach stay finite.
FARTHEST = 10.0
#: States whose means are the units of what is seen.
SCALING_STATES = 8


@dataclass(frozen=True)
class Scales:
    """Units in which networks see the world, from one set of states: means that make inputs of the order of one.

    Parameters
    ----------
    distance_m, data_bits, rate_bps, latency_s, load, cpu_hz : float
    """

    distance_m: float
    data_bits: float
    rate_bps: float
    latency_s: float
    load: float
    cpu_hz: float

    @classmethod
    def of(cls, states: NetworkStates) -> Scales:
        """Return the means over all states."""

        def mean(values: FloatArray) -> float:
            met = values[np.isfinite(values)]
            return (float(met.mean()) if met.size else 0.0) or 1.0

        problems = states.problems
        return cls(
            distance_m=mean(np.stack([user_station_distance(p) for p in problems])),
            data_bits=mean(np.stack([p.network.users.data_bits for p in problems])),
            rate_bps=mean(np.stack([rates(p) for p in problems])),
            latency_s=mean(pair_latency(states)),
            load=mean(np.sqrt(states.cycles)),
            cpu_hz=mean(states.cpu),
        )


def user_station_distance(problem: Placement) -> FloatArray:
    """Return d_ij of (22), shape (N, M), m; from the access station where users have no positions."""
    network = problem.network
    users, stations = network.users.position_m, network.stations.position_m
    if users is not None and stations is not None:
        gap = users[:, None, :] - stations[None, :, :]
        return np.hypot(gap[..., 0], gap[..., 1])
    if network.channel is None:
        return np.zeros((problem.n_users, problem.n_stations))
    return network.station_distance(network.access_station[:, None], np.arange(problem.n_stations)[None, :])


def rates(problem: Placement) -> FloatArray:
    """Return r_ij of (22), shape (N, M), bit/s; zeros without radio."""
    if problem.network.channel is None:
        return np.zeros((problem.n_users, problem.n_stations))
    return problem.network.rate_rows(0, problem.n_users)


def pair_latency(states: NetworkStates) -> FloatArray:
    """Return the latency of pairs that depends on nobody else, shape (B, N, M), s; infinite where not allowed."""
    latency = states.transfer + (states.compute if states.sharing == "fixed" else 0.0)
    return np.where(states.allowed, latency, np.inf)


def network_part(states: NetworkStates, scales: Scales) -> Float32Array:
    """Return what (22) says of the network itself, d_ij, D_i and r_ij, shape (B, N, 2M + 1), float32."""
    parts = [
        np.concatenate(
            [
                user_station_distance(p) / scales.distance_m,
                p.network.users.data_bits[:, None] / scales.data_bits,
                rates(p) / scales.rate_bps,
            ],
            axis=1,
        )
        for p in states.problems
    ]
    return np.stack(parts).astype(np.float32)


def flat_view(network: Float32Array, opened: BoolArray, association: IntArray) -> Float32Array:
    """Return the vector (22): d_ij, D_i, r_ij and l_ij of all users, then pl_j; shape (B, N (3M + 1) + M), float32."""
    b, m = opened.shape
    served = association[..., None] == np.arange(m)
    users = np.concatenate([network, served], axis=2, dtype=np.float32).reshape(b, -1)
    return np.concatenate([users, opened], axis=1, dtype=np.float32)


def seat_network(states: NetworkStates, scales: Scales) -> tuple[Float32Array, Float32Array]:
    """Return what seats show of the network: pair latencies with loads, (B, N, M + 1), and CPUs and places, (B, 2M)."""
    latency = np.minimum(pair_latency(states) / scales.latency_s, FARTHEST)
    users = np.concatenate([latency, (np.sqrt(states.cycles) / scales.load)[..., None]], axis=2, dtype=np.float32)
    places = np.minimum(states.capacity / states.n_users, 1.0)
    return users, np.concatenate([states.cpu / scales.cpu_hz, places], axis=1, dtype=np.float32)


def seat_view(users: Tensor, stations: Tensor, opened: Tensor, association: Tensor | None) -> tuple[Tensor, Tensor]:
    """Return the state as each station sees it: rows for users, (M, B, N, F), and the whole, (M, B, G).

    Rows: what the user saves here against its best other open server, its latency here and there, its load; and
    whether it is here. The whole: the station's CPU and places, and the number, places and CPUs of the other open
    servers; and whether this one is open. Without an association the last of each is left out, for critics, which
    judge what the joint action makes of the state and not what was before.

    Parameters
    ----------
    users, stations : Tensor, shapes (B, N, M + 1) and (B, 2M)
        From `seat_network`.
    opened : Tensor of bool, shape (B, M)
    association : Tensor of int, shape (B, N), optional
    """
    import torch

    m = opened.shape[1]
    latency, load = users[..., :m], users[..., m]
    best, where = latency.masked_fill(~opened[:, None, :], FARTHEST / 3).topk(min(2, m), dim=-1, largest=False)
    here = torch.arange(m)[:, None, None]
    second = best[..., 1] if m > 1 else torch.full_like(best[..., 0], FARTHEST / 3)
    other = torch.where(where[..., 0] == here, second, best[..., 0])
    own, loads = latency.permute(2, 0, 1), load.expand(m, -1, -1)
    rows = [(other - own) * loads, own, other, loads - 1.0]
    cpu, places, is_open = stations[:, :m].T, stations[:, m:].T, opened.T.float()

    def others(values: Any) -> Any:
        return (values * is_open).sum(0) - values * is_open

    count = others(torch.ones_like(cpu))
    whole = [cpu - 1.0, places, count / 4 - 1.0, others(places) - 1.0, others(cpu) / 4 - 1.0, (count == 0).float()]
    if association is not None:
        rows.append((association == here).float())
        whole.append(2.0 * is_open - 1.0)
    return torch.stack(rows, -1), torch.stack(whole, -1)
