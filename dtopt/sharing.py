"""CPU sharing: the shares f_ik that follow from an association, for the three policies.

``optimal`` solves, for each server, min Σ κ w_i / f_i over Σ f_i <= F_k, f_i >= floor_i, where the floor is the least
CPU with which the deadline holds. By the KKT conditions the twins whose floor binds sit at it and the others share the
rest in proportion to √(κ w_i). Clamping one twin only takes CPU from the others, so clamping all that fall below their
floor and sharing again ends at the solution after at most as many rounds as there are twins.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dtopt.tolerances import relaxed

if TYPE_CHECKING:
    from dtopt.arrays import BoolArray, FloatArray, IntArray
    from dtopt.problem import Problem

__all__ = ["compute_latency", "cpu_shares", "water_filling"]


def compute_latency(cycles: FloatArray, share_hz: FloatArray) -> FloatArray:
    """Return cycles / share, s: 0 where there is nothing to compute, infinite where there is and the share is 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(cycles > 0, cycles / share_hz, 0.0)


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
        The shares. On servers whose floors do not fit within the tolerance, the minimiser without floors.
    """
    m = cpu_hz.size
    fits = np.bincount(server, weights=floor, minlength=m) <= relaxed(cpu_hz)
    clamped: BoolArray = np.zeros(weight.size, dtype=bool)
    shares = np.zeros(weight.size)
    alone = cpu_hz / np.maximum(np.bincount(server, minlength=m), 1)
    # Twins on servers whose shares are not final yet.
    rows = np.arange(weight.size)
    while rows.size:
        at, held, low = server[rows], clamped[rows], floor[rows]
        taken = np.bincount(at, weights=np.where(held, low, 0.0), minlength=m)
        total = np.bincount(at, weights=np.where(held, 0.0, weight[rows]), minlength=m)
        with np.errstate(divide="ignore", invalid="ignore"):
            rate = np.where(total > 0, np.maximum(cpu_hz - taken, 0.0) / total, 0.0)
        share = np.where(held, low, rate[at] * weight[rows])
        # Twins with nothing to compute have weight 0; alone with their like they share the CPU equally.
        idle = ~held & ((total == 0) & (taken == 0))[at]
        share[idle] = alone[at[idle]]
        shares[rows] = share
        short = ~held & (share < low) & fits[at]
        clamped[rows] |= short
        again: BoolArray = np.zeros(m, dtype=bool)
        again[at[short]] = True
        rows = rows[again[at]]
    return shares
