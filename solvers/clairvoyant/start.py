"""Where the ascent of the dual over time starts: levels and prices at which users choosing paths for themselves agree.

Users spread over paths by a logit of what they gain on them at the present prices; levels, and the prices of load and
places, follow from who is where, until neither changes much (see `dtopt.utility_start` for one slot).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dtopt.utility_start import STEP
from solvers.clairvoyant.dual import Prices, TimeDual
from solvers.clairvoyant.expanded import FIXED
from solvers.clairvoyant.spread import spread_paths

if TYPE_CHECKING:
    from collections.abc import Callable

    from dtopt.arrays import FloatArray
    from solvers.clairvoyant.expanded import ExpandedScenario

__all__ = ["start"]

#: First and last temperature of the logit, as parts of the spread of worth, and rounds.
WARMEST, COLDEST, ROUNDS = 0.3, 0.02, 80


def start(
    expanded: ExpandedScenario, *, rounds: int = ROUNDS, stop: Callable[[], bool] | None = None
) -> tuple[TimeDual, Prices]:
    """Return the dual over first segments, and prices to begin with.

    Every row must have a server.
    """
    net = expanded.net
    level = np.asarray(np.clip(expanded.even, 1e-12 * expanded.top, expanded.top))
    load, place = np.zeros(level.size), np.zeros(level.size)
    spread = _spread(spread_paths(net, level, load, place, 1e-300)[-1])
    if net.mode == FIXED:
        summed = np.add.reduceat(net.demand[net.item_row, net.item_pos], net.starts[:-1])
        typical = summed / np.diff(net.starts)
    temperature = WARMEST * spread
    for temperature in spread * np.geomspace(WARMEST, COLDEST, rounds):
        if stop is not None and stop():
            break
        _, _, _, held, count, fall, _ = spread_paths(net, level, load, place, temperature)
        full = np.log(np.maximum(count, 1e-9) / np.maximum(net.places, 1e-9))
        place = np.maximum(0.0, place + temperature * full)
        if net.mode == FIXED:
            over = temperature * np.log(np.maximum(held, 1e-9)) / np.maximum(typical, 1e-300)
            load = np.maximum(0.0, load + STEP * over)
            continue
        level = np.clip(level + STEP * (held - level), 0.0, expanded.top)
        # The marginal cost of load: how fast the worth of those who are there falls with the level.
        load = load + STEP * (fall - load)
    forward, backward, chosen, *_ = spread_paths(net, level, load, place, temperature)
    serve, node = _potentials(expanded, forward, backward, chosen, spread)
    segments = expanded.first_segments(level)
    cell = segments.server
    if net.mode != FIXED:
        middle = 0.5 * (segments.low + segments.high)
        scale = np.divide(middle, level[cell], out=np.ones_like(middle), where=level[cell] > 0)
        load = load[cell] * scale
    else:
        load = load[cell]
    return TimeDual(expanded, segments, spread), Prices(serve, node, load, place[cell])


def _spread(worth: FloatArray) -> float:
    """Return the mean over rows of how much more the best node is worth than the mean one."""
    able = np.isfinite(worth)
    some = able.any(axis=1)
    mean = np.where(able, worth, 0.0).sum(axis=1)[some] / able.sum(axis=1)[some]
    spread = float((worth.max(axis=1)[some] - mean).mean()) if some.any() else 0.0
    return max(spread, 1e-3 * float(np.abs(mean).mean()) if some.any() else 0.0, 1e-300)


def _potentials(
    expanded: ExpandedScenario, forward: FloatArray, backward: FloatArray, chosen: FloatArray, spread: float
) -> tuple[FloatArray, FloatArray]:
    """Return π and ν of potentials halfway between the least and the largest that leave no edge a margin."""
    net, rows = expanded.net, expanded.rows
    sources = np.arange(rows, net.width.size)
    # The worth of each stay's best path, carried to its rows in order of slots.
    whole = np.zeros(net.width.size)
    whole[sources] = backward[sources, 0]
    for t in range(expanded.scenario.n_slots):
        here = np.flatnonzero(expanded.slot == t)
        whole[here] = whole[net.prior[here]]
    with np.errstate(invalid="ignore"):
        potential = 0.5 * (backward + whole[:, None] - forward)
    potential[sources] = backward[sources]
    potential[:rows][expanded.last] = 0.0
    known = np.isfinite(potential)
    mean = np.zeros(net.width.size)
    weight = np.where(known[:rows], np.maximum(chosen, 1e-12), 0.0)
    weight[np.arange(weight.shape[1]) >= net.width[:rows, None]] = 0.0
    total = weight.sum(axis=1)
    value = np.where(known[:rows], potential[:rows], 0.0)
    mean[:rows] = (weight * value).sum(axis=1) / np.where(total > 0, total, 1.0)
    mean[sources] = np.where(known[sources, 0], potential[sources, 0], 0.0)
    node = np.where(known, potential - mean[:, None], 0.0)
    # Nowhere to go from there: not worth entering.
    node[~np.isfinite(backward)] = -10.0 * spread
    # No way in.
    node[:rows][~np.isfinite(forward[:rows])] = 10.0 * spread
    node[sources] = 0.0
    node[:rows][expanded.last] = 0.0
    node[np.arange(node.shape[1]) >= net.width[:, None]] = 0.0
    return mean[net.prior] - mean[:rows], node
