"""Users without coverage in a slot: they exchange nothing, their twins stay where they are, and P2 is of the others."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from dtopt.arrays import UNLIMITED
from dtopt.channel import CandidateGains, GainMatrix
from dtopt.errors import InputError

if TYPE_CHECKING:
    from dtopt.arrays import BoolArray, IntArray
    from dtopt.network import Network
    from dtopt.problem import Migration
    from dtopt.scenario import Scenario

__all__ = ["covered", "covered_network", "covered_problem"]


def covered(scenario: Scenario, slot: int) -> BoolArray:
    """Return which of a slot's present users can send what their interaction sends, shape (n,)."""
    bits = scenario.base.load_bits[scenario.present_users(slot)]
    return np.isfinite(scenario.network(slot).wireless_latency(bits))


def covered_network(scenario: Scenario, slot: int) -> Network:
    """Return the network of a slot with the users who have coverage.

    Raises
    ------
    InputError
        If nobody has.
    """
    network, rows = scenario.network(slot), covered(scenario, slot)
    return network if rows.all() else _of_users(network, rows, slot)


def covered_problem(scenario: Scenario, slot: int, previous: IntArray | None = None) -> Migration:
    """Return the P2 of a slot over the users who have coverage; where all have, that of the scenario.

    Twins of the others stay where they are and keep their places there; they use no CPU.

    Parameters
    ----------
    scenario : Scenario
    slot : int
    previous : ndarray of int, shape (N,), optional
        See `Scenario.problem`.

    Raises
    ------
    InputError
        If nobody has coverage.
    """
    problem, rows = scenario.problem(slot, previous), covered(scenario, slot)
    if rows.all():
        return problem
    network = _of_users(problem.network, rows, slot)
    kept = problem.previous[~rows]
    places = np.array(network.stations.capacity)
    limited = places < UNLIMITED
    held = np.bincount(kept[kept >= 0], minlength=places.size)
    places[limited] = np.maximum(places[limited] - held[limited], 0)
    return replace(
        problem,
        network=replace(network, stations=replace(network.stations, capacity=places)),
        demand_hz=None if problem.demand_hz is None else problem.demand_hz[rows],
        previous=problem.previous[rows],
    )


def _of_users(network: Network, rows: BoolArray, slot: int) -> Network:
    if not rows.any():
        raise InputError(f"nobody has coverage in slot {slot}", where="past")
    users, channel = network.users, network.channel
    position = users.position_m
    if isinstance(channel, GainMatrix):
        channel = GainMatrix(channel.gain[rows])
    else:
        assert isinstance(channel, CandidateGains)  # noqa: S101 - slots of a scenario have one of the two
        channel = CandidateGains(channel.station[rows], channel.gain[rows])
    return replace(
        network,
        users=replace(
            users,
            data_bits=users.data_bits[rows],
            update_bits=users.update_bits[rows],
            tx_power_w=users.tx_power_w[rows],
            deadline_s=users.deadline_s[rows],
            position_m=None if position is None else position[rows],
            names=None if users.names is None else tuple(np.array(users.names)[rows].tolist()),
        ),
        channel=channel,
    )
