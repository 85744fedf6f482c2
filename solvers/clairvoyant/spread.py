"""How users spread over paths at given prices, compiled: a logit forward and backward through the slots."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numba
import numpy as np

from solvers.clairvoyant.expanded import OPTIMAL, Net
from solvers.clairvoyant.kernel import NOTHING, fill_edges

if TYPE_CHECKING:
    from dtopt.arrays import FloatArray

__all__ = ["spread_paths"]


@numba.njit(cache=True)
def spread_paths(
    net: Net, level: FloatArray, load: FloatArray, place: FloatArray, temperature: float
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray, FloatArray, FloatArray, FloatArray]:
    """Return how users spread over paths by a logit of their worth at given levels and prices of cells.

    Returns
    -------
    forward, backward : ndarray, shape (R + S, C)
        Softened worth of the best path to each node, and on from it.
    chosen : ndarray, shape (R, C)
        Part of the user on each node.
    held, count, fall : ndarray, shape (K,)
        Σ h and number of users on each cell, and how fast what they are worth falls in its level.
    worth : ndarray, shape (R, C)
        What each node is worth with the best move into it, less its prices; −inf where it cannot be.
    """
    rows, width = net.cell.shape
    forward, backward = np.zeros((net.width.size, width)), np.zeros((net.width.size, width))
    chosen, worth = np.zeros((rows, width)), np.full((rows, width), -np.inf)
    cells = net.starts.size - 1
    held, count, fall = np.zeros(cells), np.zeros(cells), np.zeros(cells)
    value = np.full((rows, width, width), -np.inf)
    weight = np.zeros((rows, width, width))
    u, h = np.empty(width), np.empty(width)
    following = np.full(net.width.size, -1)
    for row in range(rows):
        prior = net.prior[row]
        following[prior] = row
        for p in range(net.width[row]):
            cell = net.cell[row, p]
            # A level below what the user alone brings is none that it meets there.
            at = level[cell]
            if net.mode == OPTIMAL:
                at = max(at, net.size[row] * net.part[cell])
            top = -np.inf
            if fill_edges(net, row, p, cell, at, at, at, u, h):
                for q in range(net.width[prior]):
                    value[row, q, p] = u[q] - load[cell] * h[q] - place[cell]
                    weight[row, q, p] = h[q]
                    worth[row, p] = max(worth[row, p], value[row, q, p])
                    top = max(top, value[row, q, p] + forward[prior, q])
            if top == -np.inf:
                forward[row, p] = -np.inf
                continue
            mass = 0.0
            for q in range(net.width[prior]):
                mass += np.exp((value[row, q, p] + forward[prior, q] - top) / temperature)
            forward[row, p] = top + temperature * np.log(mass)
    for row in range(rows - 1, -1, -1):
        # What follows a row is done already: rows are in order of slots.
        _backward(net, row, following[row], value, backward, temperature)
    for source in range(rows, net.width.size):
        _backward(net, source, following[source], value, backward, temperature)
    for row in range(rows):
        prior = net.prior[row]
        whole = -np.inf
        for p in range(net.width[row]):
            whole = max(whole, forward[row, p] + backward[row, p])
        if whole == -np.inf:
            continue
        mass = 0.0
        for p in range(net.width[row]):
            mass += np.exp((forward[row, p] + backward[row, p] - whole) / temperature)
        whole += temperature * np.log(mass)
        for p in range(net.width[row]):
            cell = net.cell[row, p]
            growth = net.growth[row] * net.rate[cell]
            for q in range(net.width[prior]):
                if value[row, q, p] == -np.inf:
                    continue
                ratio = (forward[prior, q] + value[row, q, p] + backward[row, p] - whole) / temperature
                if ratio < NOTHING:
                    continue
                part = np.exp(ratio)
                chosen[row, p] += part
                held[cell] += part * weight[row, q, p]
                count[cell] += part
                late = growth * level[cell] - net.slack[row, p] + net.move[row, q, p]
                if not (net.hard and net.mode == OPTIMAL and late > 0.0):
                    fall[cell] += part * growth * net.beta * np.exp(-late)
                if net.penalty > 0.0 and late > 0.0:
                    fall[cell] += part * growth * net.penalty
    return forward, backward, chosen, held, count, fall, worth


@numba.njit(cache=True)
def _backward(net: Net, row: int, after: int, value: FloatArray, backward: FloatArray, temperature: float) -> None:
    """Fill in the softened worth of the best path on from each position of a row."""
    if after < 0:
        return
    for q in range(net.width[row]):
        top = -np.inf
        for p in range(net.width[after]):
            top = max(top, value[after, q, p] + backward[after, p])
        if top == -np.inf:
            backward[row, q] = -np.inf
            continue
        mass = 0.0
        for p in range(net.width[after]):
            mass += np.exp((value[after, q, p] + backward[after, p] - top) / temperature)
        backward[row, q] = top + temperature * np.log(mass)
