"""The model once more, in plain loops straight from the equations: the vectorised evaluator is held against it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import minimize

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dtopt.problem import Migration, Placement, Problem


def gain(problem: Problem, i: int, j: int) -> float:
    return float(problem.network.channel.rows(problem.network.users, problem.network.stations, i, i + 1)[0, j])


def rate(problem: Problem, i: int, j: int) -> float:
    """(3)."""
    net = problem.network
    noise_w_per_hz = 10 ** (net.noise_dbm_per_hz / 10) / 1000
    snr = net.users.tx_power_w[i] * gain(problem, i, j) / (net.bandwidth_hz * noise_w_per_hz)
    return net.bandwidth_hz * math.log2(1 + snr)


def access(problem: Problem, i: int) -> int:
    rates = [rate(problem, i, j) for j in range(problem.n_stations)]
    return rates.index(max(rates))


def distance(problem: Problem, j: int, k: int) -> float:
    a, b = problem.network.stations.position_m[j], problem.network.stations.position_m[k]
    return math.dist(a, b)


def shares_by_convex_solver(weight: Sequence[float], floor: Sequence[float], cpu: float, rounds: int = 6) -> np.ndarray:
    """Minimise Σ weight²/f over Σ f = cpu, f >= floor with SciPy; more CPU is never worse, so all of it is used.

    Each round starts where the last one ended, in units in which its curvature is the same in all directions; SLSQP
    alone stops short of 1e-6.
    """
    w = np.array(weight) ** 2 / (np.array(weight) ** 2).max()
    low = np.array(floor) / cpu
    n = w.size
    f = low + (1.0 - low.sum()) / n
    for _ in range(rounds):
        unit = np.sqrt(f**3 / w)
        answer = minimize(
            lambda x, unit=unit: (w / (x * unit)).sum(),
            f / unit,
            jac=lambda x, unit=unit: -w / (x**2 * unit),
            bounds=[(b / u, None) for b, u in zip(np.maximum(low, 1e-9), unit, strict=True)],
            constraints=[{"type": "eq", "fun": lambda x, unit=unit: x @ unit - 1.0, "jac": lambda x, unit=unit: unit}],
            method="SLSQP",
            options={"ftol": 1e-16, "maxiter": 500},
        )
        f = np.maximum(answer.x * unit, np.maximum(low, 1e-9))
    return f * cpu


def placement_cost(problem: Placement, association: Sequence[int], shares: Sequence[float]) -> dict[str, float]:
    """(4) to (14), (17), (19), (25) and (26), user by user."""
    net, users = problem.network, problem.network.users
    kappa, phi = net.cycles_per_bit, net.backhaul_s_per_bit_m
    total = energy = 0.0
    construction = []
    for i, k in enumerate(association):
        j = access(problem, i)
        r, d, f = rate(problem, i, j), distance(problem, j, k), shares[i]
        size, update = users.data_bits[i], users.update_bits[i]
        com = size / r + phi * size * d
        ini = com + (net.wired_passes - 1) * phi * size * d + kappa * size / f
        upd = update / r + phi * update * d + kappa * update / f
        total += ini + problem.sync_weight * upd / problem.update_period_s
        energy += users.tx_power_w[i] * size / r
        construction.append(ini)
    n, m = problem.n_users, problem.n_stations
    mean = total / n
    cost = problem.latency_weight * mean + problem.cost_weight * (problem.server_cost * len(set(association)) + energy)
    return {"latency": mean, "paper": mean / m, "system": cost, "energy": energy, "construction": construction}


def migration_utility(problem: Migration, association: Sequence[int], shares: Sequence[float]) -> tuple[float, list]:
    """(19), (20) with the moving time, user by user."""
    net, users = problem.network, problem.network.users
    total = 0.0
    latencies = []
    for i, k in enumerate(association):
        j = access(problem, i)
        r = rate(problem, i, j)
        update = problem.interaction == "update"
        bits = users.update_bits[i] if update else users.data_bits[i]
        passes = 1 if update else net.wired_passes
        latency = (
            bits / r
            + passes * net.backhaul_s_per_bit_m * bits * distance(problem, j, k)
            + net.cycles_per_bit * bits / shares[i]
        )
        before = problem.previous[i]
        if before >= 0:
            moving = net.backhaul_s_per_bit_m * users.data_bits[i] * distance(problem, before, k)
            latency += problem.migration_weight * moving
        energy = users.tx_power_w[i] * bits / r
        total += problem.beta * math.exp(users.deadline_s[i] - latency) - (1 - problem.beta) * energy
        latencies.append(latency)
    return total, latencies
