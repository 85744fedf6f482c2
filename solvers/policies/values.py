"""What a server is worth to a user beyond this slot: each user's best way through the slots to come.

All users' ways are laid one after the other, each the best for the loads that the others' ways put on servers (best
responses), by dynamic programming over slots and servers. A user pays for its move by a factor on its utility, since
the time to move a twin is part of T_i and so of the exponent of (20), and for its load what that takes from the
others, to first order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numba
import numpy as np

if TYPE_CHECKING:
    from dtopt.arrays import FloatArray, IntArray

__all__ = ["Horizon", "compile_values", "continuation"]

#: Stands for what must not be; finite, so that sums stay numbers.
NEVER = -1e12


class Horizon(NamedTuple):
    """A slot and H more, in which users are on one of S servers.

    slack, shape (H + 1, N, S), is τ_i less all of T_i but computing and moving, −inf where the pair is not allowed;
    latency grows by growth_i · rate_k for a unit of level, and a user adds size_i · part_k to the level, as in
    `dtopt.utility_segments.ServerUtility`; shapes (N,) and (H + 1, S). move, shape (N,), is the time for a metre, and
    gap, shape (S, S), the metres. stays, shape (H + 1, N), is the probability of being there, and weight what the slot
    counts for: the same, and more at the end for the slots beyond.
    """

    slack: FloatArray
    growth: FloatArray
    rate: FloatArray
    size: FloatArray
    part: FloatArray
    move: FloatArray
    gap: FloatArray
    stays: FloatArray
    weight: FloatArray
    beta: float
    penalty: float
    hard: bool


@numba.njit(cache=True)
def _fall(z: Horizon, step: int, user: int, server: int, level: FloatArray) -> float:
    """Return how fast a user's worth falls with the level of its server."""
    slope = z.growth[user] * z.rate[step, server]
    left = z.slack[step, user, server] - slope * level[step, server]
    if left == -np.inf:
        return 0.0
    fall = z.beta * np.exp(left) + (z.penalty if left < 0.0 else 0.0)
    return float(z.weight[step, user] * fall * slope)


@numba.njit(cache=True)
def continuation(z: Horizon, start: IntArray, sweeps: int) -> tuple[FloatArray, IntArray]:
    """Return what being on each server after this slot is worth to each user, and each user's plan.

    Parameters
    ----------
    z : Horizon
    start : ndarray of int, shape (N,)
        Where users are before this slot, -1 for nowhere.
    sweeps : int
        How often each user's way is laid anew.

    Returns
    -------
    value : ndarray, shape (N, S)
    plan : ndarray of int, shape (H + 1, N)
    """
    steps, n, m = z.slack.shape
    level, pressure = np.zeros((steps, m)), np.zeros((steps, m))
    plan = np.full((steps, n), -1, dtype=np.int64)
    value = np.zeros((n, m))
    # Everyone stays at first; who is nowhere, or must not stay, goes where it is fastest.
    for i in range(n):
        for h in range(steps):
            k = start[i]
            if k < 0 or z.slack[h, i, k] == -np.inf:
                k = int(np.argmax(z.slack[h, i]))
            plan[h, i] = k
            level[h, k] += z.stays[h, i] * z.size[i] * z.part[h, k]
    ahead, then, target = np.empty(m), np.empty(m), np.empty((steps, m), dtype=np.int64)
    alone, worth, cost, factor = np.empty(m), np.empty(m), np.empty(m), np.empty((m, m))
    for _ in range(sweeps):
        pressure[:] = 0.0
        for h in range(steps):
            for i in range(n):
                pressure[h, plan[h, i]] += _fall(z, h, i, plan[h, i], level)
        for i in range(n):
            for k in range(m):
                for to in range(m):
                    factor[k, to] = np.exp(-z.move[i] * z.gap[k, to])
            ahead[:] = 0.0
            for h in range(steps - 1, -1, -1):
                here = plan[h, i]
                own = _fall(z, h, i, here, level)
                level[h, here] -= z.stays[h, i] * z.size[i] * z.part[h, here]
                pressure[h, here] -= own
                if h == 0:
                    # What follows this slot, and not the slot itself.
                    value[i] = ahead
                for k in range(m):
                    load = z.size[i] * z.part[h, k]
                    alone[k] = z.slack[h, i, k] - z.growth[i] * z.rate[h, k] * (level[h, k] + load)
                    worth[k] = z.beta * np.exp(alone[k])
                    cost[k] = ahead[k] - max(0.0, pressure[h, k]) * load * z.stays[h, i]
                # From each server before this slot, the best one in it; before the first slot there is but one.
                for k in range(m):
                    if h == 0 and k != max(start[i], 0):
                        continue
                    new = h == 0 and start[i] < 0
                    most, chosen = -np.inf, k
                    for to in range(m):
                        moved = 0.0 if new else z.move[i] * z.gap[k, to]
                        left = alone[to] - moved
                        if left < 0.0 and (z.hard or left == -np.inf):
                            gain = NEVER
                        else:
                            gain = worth[to] * (1.0 if new else factor[k, to]) + z.penalty * min(left, 0.0)
                        gain = z.weight[h, i] * gain + cost[to]
                        if gain > most:
                            most, chosen = gain, to
                    then[k], target[h, k] = most, chosen
                ahead, then = then, ahead
            k = max(start[i], 0)
            for h in range(steps):
                k = target[h, k]
                plan[h, i] = k
                level[h, k] += z.stays[h, i] * z.size[i] * z.part[h, k]
                pressure[h, k] += _fall(z, h, i, k, level)
    return value, plan


def compile_values() -> None:
    """Compile it, or load it from Numba's cache."""
    two = np.ones(2)
    z = Horizon(
        slack=np.ones((2, 2, 2)),
        growth=two,
        rate=np.ones((2, 2)),
        size=two,
        part=np.ones((2, 2)),
        move=two,
        gap=np.zeros((2, 2)),
        stays=np.ones((2, 2)),
        weight=np.ones((2, 2)),
        beta=0.5,
        penalty=0.0,
        hard=False,
    )
    continuation(z, np.array([0, -1]), 1)
