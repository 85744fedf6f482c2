"""The network compiled, for inference: the same numbers as `solvers.policy.model`, without PyTorch.

Importing PyTorch takes longer than many a run; and all pairs of large instances would need room for every step.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numba
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from dtopt.arrays import FloatArray
    from solvers.local_search.kernel import Integers
    from solvers.policy.graph import Graph

    Floats32 = NDArray[np.float32]

__all__ = ["Weights", "forward"]

#: See `solvers.policy.model`.
OPENNESS, N_MESSAGES, N_TERMS, LARGEST = 12.0, 7, 5, 60.0
#: Smaller parts of a user than e to minus this count as that.
SMALLEST = 30.0
#: Places in the shared features.
COMPUTE, OPENING, OPTIMAL, EQUAL = 0, 1, 6, 7


class Weights(NamedTuple):
    """The weights of a network, rounds stacked along the first axis; named as in `solvers.policy.model.Policy`."""

    begin_weight: Floats32
    begin_bias: Floats32
    terms_weight: Floats32
    terms_bias: Floats32
    inner_weight: Floats32
    inner_bias: Floats32
    outer_weight: Floats32
    outer_bias: Floats32
    sharpness_weight: Floats32
    sharpness_bias: Floats32
    final_weight: Floats32
    final_bias: Floats32

    @property
    def heads(self) -> int:
        """Sets of terms that servers name in each round."""
        return int(self.sharpness_bias.shape[1])


def forward(weights: Weights, graph: Graph) -> tuple[Floats32, Floats32]:
    """Return the log odds that servers are open, shape (M,), and what listed pairs cost at their prices, (N, C)."""
    openness, priced = _forward(
        weights,
        graph.station,
        graph.gap,
        graph.part,
        graph.size,
        graph.server,
        graph.cpu,
        graph.shared,
        graph.crowd,
    )
    return openness, priced


@numba.njit(cache=True, fastmath={"reassoc", "contract"})
def _linear(x: Floats32, weight: Floats32, bias: Floats32, out: Floats32) -> None:
    """Write the rows of x times the weight's, plus bias."""
    for k in range(x.shape[0]):
        for o in range(weight.shape[0]):
            total = np.float32(0.0)
            for j in range(weight.shape[1]):
                total += x[k, j] * weight[o, j]
            out[k, o] = total + bias[o]


@numba.njit(cache=True)
def _softplus(x: float) -> float:
    return max(x, 0.0) + math.log1p(math.exp(-abs(x)))


@numba.njit(cache=True)
def _terms(
    named: Floats32,
    at: int,
    head: int,
    openness: Floats32,
    load: Floats32,
    count: Floats32,
    cpu: Floats32,
    shared: Floats32,
) -> tuple[float, float, float]:
    """Return a server's prices of joining, load and CPU, and write how open it is."""
    raw = named[at, head * N_TERMS :]
    openness[head, at] = min(max(raw[0], -OPENNESS), OPENNESS)
    compute, share, equal = shared[COMPUTE], shared[OPTIMAL], shared[EQUAL]
    base = compute * (2.0 * share * load[head, at] + equal * count[head, at]) / cpu[at]
    steep = base * math.exp(min(max(raw[2], -3.0), 3.0)) + compute * _softplus(raw[3] - 2.0)
    join = compute * equal * load[head, at] / cpu[at] + raw[1]
    return join, steep, _softplus(raw[4] - 1.0)


@numba.njit(cache=True, error_model="numpy", fastmath={"contract", "nsz", "arcp"})
def _messages(
    station: Integers,
    gap: Floats32,
    part: Floats32,
    size: Floats32,
    openness: Floats32,
    prices: Floats32,
    sharp: float,
    added: FloatArray,
) -> None:
    """Add up what each server hears from all users at one head's terms; see `Policy.messages`.

    Parameters
    ----------
    openness : ndarray, shape (M,)
    prices : ndarray, shape (M, 3)
        Of joining, load and CPU.
    added : ndarray of float64, shape (M, N_MESSAGES)
    """
    n, width = gap.shape
    m = openness.size
    log_open, inverse = np.empty(m), np.empty(m)
    for k in range(m):
        log_open[k] = -_softplus(-openness[k])
        inverse[k] = math.exp(-log_open[k])
    # Of the sum of log(1 + x) that a server adds up, the product of 1 + x: one logarithm for many users.
    product = np.ones(m)
    alone, weight = np.empty(width), np.empty(width)
    for i in range(n):
        top, best = -np.inf, -1
        for c in range(width):
            k = max(station[i, c], 0)
            priced = gap[i, c] + prices[k, 0] + prices[k, 1] * size[i] + prices[k, 2] * part[i, c]
            alone[c] = -sharp * priced
            weight[c] = alone[c] + log_open[k]
            if weight[c] > top:
                top, best = weight[c], c
        if best < 0:
            continue
        for c in range(width):
            # e^x as the 256th power of e^(x/256), which has a short series; without a call the loop is vectorised.
            x = max(weight[c] - top, -SMALLEST) * (1.0 / 256.0)
            y = 1.0 + x * (1.0 + x * (0.5 + x * (1.0 / 6.0 + x * (1.0 / 24.0 + x * (1.0 / 120.0)))))
            y *= y
            y *= y
            y *= y
            y *= y
            y *= y
            y *= y
            y *= y
            weight[c] = y * y
        others = 0.0
        for c in range(width):
            if c != best and gap[i, c] < np.inf:
                others += weight[c]
        scale = 1.0 / (1.0 + others)
        for c in range(width):
            if gap[i, c] == np.inf:
                continue
            k, w = station[i, c], weight[c]
            share = w * scale
            row = added[k]
            row[0] += share
            row[1] += share * size[i]
            row[2] += share * gap[i, c]
            row[3] += share * part[i, c]
            row[4] += share * (1.0 - share)
            if c != best:
                product[k] *= 1.0 + w * inverse[k] / (1.0 + others - w)
                if product[k] > 1e200:
                    row[5] += math.log(product[k])
                    product[k] = 1.0
        odds = min(alone[best] - top - math.log(others), LARGEST) if others > 0.0 else LARGEST
        added[station[i, best], 5] += _softplus(odds)
    for k in range(m):
        added[k, 5] += math.log(product[k])


@numba.njit(cache=True)
def _forward(
    weights: Weights,
    station: Integers,
    gap: Floats32,
    part: Floats32,
    size: Floats32,
    server: Floats32,
    cpu: Floats32,
    shared: Floats32,
    crowd: float,
) -> tuple[Floats32, Floats32]:
    m, fixed = cpu.size, server.shape[1] + shared.size
    width, hidden = weights.begin_bias.size, weights.inner_bias.shape[1]
    rounds, heads = weights.terms_bias.shape[0], weights.sharpness_bias.shape[1]
    static = np.empty((m, fixed), dtype=np.float32)
    static[:, : server.shape[1]] = server
    static[:, server.shape[1] :] = shared
    state = np.empty((m, width), dtype=np.float32)
    _linear(static, weights.begin_weight, weights.begin_bias, state)
    for k in range(m):
        for j in range(width):
            state[k, j] = math.tanh(state[k, j])
    load = np.empty((heads, m), dtype=np.float32)
    load[:] = 2.0 * cpu
    count = load.copy()
    openness, prices = np.empty((heads, m), dtype=np.float32), np.empty((m, 3), dtype=np.float32)
    named = np.empty((m, N_TERMS * heads), dtype=np.float32)
    heard = np.empty((m, weights.inner_weight.shape[2]), dtype=np.float32)
    between, change = np.empty((m, hidden), dtype=np.float32), np.empty((m, width), dtype=np.float32)
    heard[:, 2 * width : 2 * width + fixed] = static
    for r in range(rounds):
        _linear(state, weights.terms_weight[r], weights.terms_bias[r], named)
        for h in range(heads):
            for k in range(m):
                prices[k, 0], prices[k, 1], prices[k, 2] = _terms(named, k, h, openness, load, count, cpu, shared)
            raw = weights.sharpness_bias[r, h]
            for j in range(shared.size):
                raw += weights.sharpness_weight[r, h, j] * shared[j]
            sharp = 0.3 + _softplus(raw)
            added = np.zeros((m, N_MESSAGES))
            _messages(station, gap, part, size, openness[h], prices, sharp, added)
            added /= crowd
            added[:, 5] /= sharp
            added[:, 6] = added[:, 5] - shared[OPENING]
            for k in range(m):
                count[h, k], load[h, k] = added[k, 0], added[k, 1]
                for j in range(N_MESSAGES):
                    heard[k, 2 * width + fixed + j * heads + h] = math.asinh(added[k, j])
                heard[k, 2 * width + fixed + N_MESSAGES * heads + h] = openness[h, k] / 4.0
        heard[:, :width] = state
        for j in range(width):
            heard[:, width + j] = state[:, j].mean()
        _linear(heard, weights.inner_weight[r], weights.inner_bias[r], between)
        for k in range(m):
            for j in range(hidden):
                between[k, j] = between[k, j] / (1.0 + math.exp(-between[k, j]))
        _linear(between, weights.outer_weight[r], weights.outer_bias[r], change)
        state += change
    named = np.empty((m, N_TERMS), dtype=np.float32)
    _linear(state, weights.final_weight, weights.final_bias, named)
    for k in range(m):
        prices[k, 0], prices[k, 1], prices[k, 2] = _terms(named, k, 0, openness, load, count, cpu, shared)
    raw = weights.sharpness_bias[rounds, 0]
    for j in range(shared.size):
        raw += weights.sharpness_weight[rounds, 0, j] * shared[j]
    sharp = 0.3 + _softplus(raw)
    priced = np.full(gap.shape, np.inf, dtype=np.float32)
    for i in range(gap.shape[0]):
        for c in range(gap.shape[1]):
            k = station[i, c]
            if k >= 0 and gap[i, c] < np.inf:
                priced[i, c] = sharp * (gap[i, c] + prices[k, 0] + prices[k, 1] * size[i] + prices[k, 2] * part[i, c])
    return openness[0].copy(), priced
