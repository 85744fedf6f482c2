"""CPU sharing: the shares f_ik that follow from an association, for the three policies.

``optimal`` solves, for each server, min Σ κ w_i / f_i over Σ f_i <= F_k, f_i >= floor_i, where the floor is the least
CPU with which the deadline holds. By the KKT conditions the twins whose floor binds sit at it and the others share the
rest in proportion to √(κ w_i). Clamping one twin only takes CPU from the others, so clamping all that fall below their
floor and sharing again ends at the solution after at most as many rounds as there are twins.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from dtopt.arrays import BoolArray, FloatArray, IntArray
    from dtopt.problem import Problem

__all__ = ["cpu_shares", "water_filling"]


def cpu_shares(problem: Problem, association: IntArray) -> FloatArray:
    """Return the CPU share of each user's twin on its server, cycles/s, shape (N,).

    Parameters
    ----------
    problem : Problem
    association : ndarray of int, shape (N,)
        The server of each user; users at -1 get 0.

    Notes
    -----
    Where the floors of a server do not fit into its CPU no shares meet all deadlines; the shares without floors are
    returned, and the evaluator names the users that are late.
    """
    placed = np.flatnonzero(association >= 0)
    shares = np.zeros(problem.n_users)
    server = association[placed]
    cpu = problem.network.stations.cpu_hz
    if problem.sharing == "fixed":
        shares[placed] = problem.demand(placed, server)
    elif problem.sharing == "equal":
        shares[placed] = (cpu / np.maximum(np.bincount(server, minlength=cpu.size), 1))[server]
    else:
        floor = problem.compute_floor(placed, server)
        shares[placed] = water_filling(problem.root_load[placed], floor, server, cpu)
    return shares


def water_filling(weight: FloatArray, floor: FloatArray, server: IntArray, cpu_hz: FloatArray) -> FloatArray:
    """Return the exact minimiser of Σ weight²/f on each server, subject to its CPU and the floors.

    Parameters
    ----------
    weight : ndarray, shape (n,)
        s_i = √(κ w_i) of each twin.
    floor : ndarray, shape (n,)
        Least share of each twin, cycles/s; infinite where no share is enough.
    server : ndarray of int, shape (n,)
        Where each twin is.
    cpu_hz : ndarray, shape (M,)
        F_k.

    Returns
    -------
    ndarray, shape (n,)
        The shares. On servers whose floors do not fit, the minimiser without floors.
    """
    m = cpu_hz.size
    fits = np.bincount(server, weights=floor, minlength=m) <= cpu_hz
    clamped: BoolArray = np.zeros(weight.size, dtype=bool)
    shares = np.zeros(weight.size)
    count = np.bincount(server, minlength=m)
    while True:
        free = ~clamped
        taken = np.bincount(server[clamped], weights=floor[clamped], minlength=m)
        total = np.bincount(server[free], weights=weight[free], minlength=m)
        with np.errstate(divide="ignore", invalid="ignore"):
            rate = np.where(total > 0, np.maximum(cpu_hz - taken, 0.0) / total, 0.0)
        shares[free] = rate[server[free]] * weight[free]
        # Twins with nothing to compute have weight 0; alone with their like they share the CPU equally.
        idle = free & (total == 0)[server] & (taken == 0)[server]
        shares[idle] = (cpu_hz / np.maximum(count, 1))[server[idle]]
        short = free & (shares < floor) & fits[server]
        if not short.any():
            break
        clamped |= short
    shares[clamped] = floor[clamped]
    return shares
