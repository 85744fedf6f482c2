"""Brute force over whole traces: all joint associations of all slots, by dynamic programming over them."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np

from dtopt.sharing import water_filling
from dtopt.tolerances import relaxed, within

if TYPE_CHECKING:
    from dtopt.problem import Migration
    from dtopt.scenario import Scenario


def all_objectives(problem: Migration, moves: np.ndarray, associations: np.ndarray) -> np.ndarray:
    """Return what P2 maximises for many associations, shape (B, n), each with its moving times; −inf if infeasible.

    `moves` is the unweighted moving time of each user, shape (B, n). Written anew, apart from the evaluator, except for
    the KKT shares.
    """
    count, n = associations.shape
    m = problem.n_stations
    users = np.arange(n)
    network, stations = problem.network, problem.network.stations
    deadline = network.users.deadline_s
    bits = problem.load_bits * (network.wired_passes if problem.interaction == "construction" else 1)
    distance = network.station_distance(network.access_station[users][None, :], associations)
    transfer = problem.wireless_latency + network.backhaul_s_per_bit_m * bits * distance
    transfer = transfer + problem.migration_weight * moves
    cycles = network.cycles_per_bit * problem.load_bits
    place = associations + m * np.arange(count)[:, None]
    cpu = np.tile(stations.cpu_hz, count)
    number = np.bincount(place.ravel(), minlength=m * count)
    if problem.sharing == "equal":
        share = cpu[place] / number[place]
    elif problem.sharing == "fixed":
        share = problem.demand(np.broadcast_to(users, associations.shape), associations)
    else:
        floor = np.zeros((count, n))
        if problem.deadline == "hard":
            left = relaxed(deadline) - transfer
            with np.errstate(divide="ignore", invalid="ignore"):
                floor = np.where(left > 0, cycles / left, np.inf)
        weight = np.broadcast_to(np.sqrt(cycles), (count, n)).ravel()
        share = water_filling(weight, floor.ravel(), place.ravel(), cpu).reshape(count, n)
    latency = transfer + cycles / share
    late = np.maximum(latency - deadline, 0.0)
    if problem.deadline == "hard":
        late[latency <= within(deadline)] = 0.0
    worth = problem.beta * np.exp(deadline - latency) - (1.0 - problem.beta) * problem.energy_j
    used = np.bincount(place.ravel(), weights=share.ravel(), minlength=m * count)
    ok = (number.reshape(count, m) <= stations.capacity).all(axis=1)
    ok &= (used <= within(cpu)).reshape(count, m).all(axis=1)
    ok &= problem.server_allowed[associations].all(axis=1)
    total = worth.sum(axis=1)
    if problem.deadline == "hard":
        ok &= ~late.any(axis=1)
    else:
        total = total - problem.deadline_penalty * late.sum(axis=1)
    return np.where(ok, total, -np.inf)


def best_trajectory(scenario: Scenario) -> tuple[float, tuple[np.ndarray, ...] | None]:
    """Return the best utility over all sequences of associations, and one that has it; −inf and None if none is."""
    m = scenario.n_stations
    states = scenario.base.previous[None, :]
    value = np.zeros(1)
    history: list[tuple[np.ndarray, np.ndarray]] = []
    for slot in range(scenario.n_slots):
        problem = scenario.problem(slot, np.full(scenario.n_users, -1))
        users = scenario.present_users(slot)
        new = np.array(list(itertools.product(range(m), repeat=users.size)))
        before = np.repeat(states[:, users], len(new), axis=0)
        after = np.tile(new, (len(states), 1))
        bits = problem.network.users.data_bits
        moves = problem.network.station_distance(np.maximum(before, 0), after)
        moves = np.where(before < 0, 0.0, problem.network.backhaul_s_per_bit_m * bits * moves)
        objective = all_objectives(problem, moves, after).reshape(len(states), len(new)) + value[:, None]
        history.append((new, objective.argmax(axis=0)))
        value = objective.max(axis=0)
        states = np.full((len(new), scenario.n_users), -1)
        states[:, users] = new
    best = float(value.max())
    if best == -np.inf:
        return best, None
    at, path = int(value.argmax()), []
    for new, came in reversed(history):
        path.append(new[at])
        at = int(came[at])
    return best, tuple(reversed(path))
