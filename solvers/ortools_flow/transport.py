"""The two network problems of OR-Tools that associations are made of: min-cost flow and linear sum assignment."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from ortools.graph.python import linear_sum_assignment, min_cost_flow

if TYPE_CHECKING:
    from dtopt.arrays import BoolArray, FloatArray, IntArray

__all__ = ["exchange", "transport"]

#: Costs are rounded to this many steps of their range.
STEPS = 10**9
#: Above this many pairs a flow sees only the cheapest servers of each user.
MOST_ARCS = 1_000_000
CHEAPEST = 12


def transport(cost: FloatArray, room: IntArray, *, full: bool = False) -> IntArray | None:
    """Return the cheapest association with at most `room` users on each server; None where there is none.

    Parameters
    ----------
    cost : ndarray, shape (N, M)
        Infinite where a pair is not allowed.
    room : ndarray of int, shape (M,)
    full : bool
        Whether each server must get exactly that many.
    """
    m = cost.shape[1]
    allowed = np.isfinite(cost)
    if not allowed.any(axis=1).all():
        return None
    cheapest: IntArray = cost.argmin(axis=1)
    if not full and (np.bincount(cheapest, minlength=m) <= room).all():
        # No capacity binds, so every user goes where it is cheapest.
        return cheapest
    if allowed.sum() > MOST_ARCS and m > CHEAPEST and not full:
        nth = np.partition(cost, CHEAPEST - 1, axis=1)[:, CHEAPEST - 1 : CHEAPEST]
        found = _flow(cost, allowed & (cost <= nth), room, full=False)
        if found is not None:
            return found
    return _flow(cost, allowed, room, full=full)


def _flow(cost: FloatArray, allowed: BoolArray, room: IntArray, *, full: bool) -> IntArray | None:
    n, m = cost.shape
    users, servers = np.nonzero(allowed)
    value = cost[users, servers]
    # What a user pays at least changes nothing; without it the range is small and the rounding fine.
    value = value - np.where(allowed, cost, np.inf).min(axis=1)[users]
    widest = float(value.max())
    units = np.rint(value * (STEPS / widest if widest > 0 else 1.0)).astype(np.int64)
    sink = n + m
    flow = min_cost_flow.SimpleMinCostFlow()
    arcs = flow.add_arcs_with_capacity_and_unit_cost(users, n + servers, np.ones(users.size, dtype=np.int64), units)
    supply = np.ones(n, dtype=np.int64)
    flow.set_nodes_supplies(np.arange(n), supply)
    if full:
        flow.set_nodes_supplies(n + np.arange(m), -room)
    else:
        places = np.minimum(room, n)
        flow.add_arcs_with_capacity_and_unit_cost(
            n + np.arange(m), np.full(m, sink), places, np.zeros(m, dtype=np.int64)
        )
        flow.set_node_supply(sink, -n)
    if flow.solve() != flow.OPTIMAL:
        return None
    used = np.asarray(flow.flows(arcs)) > 0
    association: IntArray = np.empty(n, dtype=np.int64)
    association[users[used]] = servers[used]
    return association


def exchange(cost: FloatArray) -> IntArray | None:
    """Return the cheapest permutation, row to column; None where there is none.

    Parameters
    ----------
    cost : ndarray, shape (m, m)
        Infinite where a row may not go to a column.
    """
    rows, columns = np.nonzero(np.isfinite(cost))
    if rows.size == 0:
        return None
    value = cost[rows, columns]
    value = value - value.min()
    widest = float(value.max())
    units = np.rint(value * (STEPS / widest if widest > 0 else 1.0)).astype(np.int64)
    assignment = linear_sum_assignment.SimpleLinearSumAssignment()
    assignment.add_arcs_with_cost(rows, columns, units)
    if assignment.num_nodes() != cost.shape[0] or assignment.solve() != assignment.OPTIMAL:
        return None
    return np.array([assignment.right_mate(i) for i in range(cost.shape[0])], dtype=np.int64)
