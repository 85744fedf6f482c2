"""The street-grid (Manhattan) mobility model: users keep to streets and turn at corners."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dtopt.errors import InputError
from instances.constants import BLOCK_M
from instances.draws import uniform
from instances.mobility import constants

if TYPE_CHECKING:
    from dtopt.arrays import FloatArray, IntArray
    from instances.mobility.area import Area

__all__ = ["manhattan"]

#: Steps east, north, west and south, in corners; the next one is the turn to the left.
_STEPS = np.array([[1, 0], [0, 1], [-1, 0], [0, -1]])


def manhattan(
    rng: np.random.Generator,
    start_m: FloatArray,
    area: Area,
    speed_m_s: FloatArray,
    *,
    slots: int,
    slot_s: float,
    block_m: float = BLOCK_M,
    turn: float = constants.TURN_PROBABILITY,
) -> FloatArray:
    """Return positions of users on a grid of streets (ETSI TR 101 112, annex B).

    Streets run at the multiples of the block within the area, as those of the ``city`` preset. At every corner a user
    turns left or right, each with probability `turn` / 2, or goes straight on, and draws a new speed; where the street
    ends it turns, and goes back only in a corner that leaves no other way.

    Parameters
    ----------
    rng, start_m, area, speed_m_s, slots, slot_s
        See `instances.mobility.models.random_waypoint`; users start at the nearest place on a street.
    block_m : float
        Distance between parallel streets, m.
    turn : float
        Probability of turning at a corner.

    Returns
    -------
    ndarray, shape (T, N, 2)
        Positions, m.

    Raises
    ------
    InputError
        If fewer than two streets fit the area either way.
    """
    first = np.ceil(area.low / block_m - 1e-9)
    last = np.floor(area.high / block_m + 1e-9) - first
    if (last < 1).any():
        span = " x ".join(f"{side:.0f}" for side in area.high - area.low)
        raise InputError(f"no two streets {block_m:g} m apart fit {span} m both ways", where="mobility")
    origin, last = first * block_m, last.astype(np.int64)
    corner, heading, covered = _on_streets(rng, (start_m - origin) / block_m, last)
    n = len(start_m)
    covered = covered * block_m
    speed = uniform(rng, speed_m_s[:, 0], speed_m_s[:, 1], n)
    path = np.empty((slots, n, 2))
    for slot in range(slots):
        if slot:
            left = np.full(n, slot_s)
            moving = np.arange(n)
            while moving.size:
                reach = covered[moving] + speed[moving] * left[moving]
                at_corner = reach >= block_m
                left[moving] = np.where(at_corner, left[moving] - (block_m - covered[moving]) / speed[moving], 0.0)
                covered[moving] = np.where(at_corner, 0.0, reach)
                moving = moving[at_corner]
                corner[moving] += _STEPS[heading[moving]]
                heading[moving] = _turned(rng, corner[moving], heading[moving], last, turn)
                speed[moving] = uniform(rng, speed_m_s[moving, 0], speed_m_s[moving, 1], moving.size)
                moving = moving[left[moving] > 0]
        path[slot] = origin + corner * block_m + covered[:, None] * _STEPS[heading]
    return np.asarray(np.clip(path, area.low, area.high))


def _on_streets(rng: np.random.Generator, place: FloatArray, last: IntArray) -> tuple[IntArray, IntArray, FloatArray]:
    """Return the corner that each user comes from, the heading, and the part of the block covered.

    `place` is in blocks from the first corner.
    """
    n = len(place)
    rows = np.arange(n)
    inside = np.clip(place, 0.0, last)
    # The street that is nearest runs along the other axis.
    along = 1 - np.abs(inside - np.round(inside)).argmin(axis=1)
    corner = np.round(inside).astype(np.int64)
    forward = rng.random(n) < 0.5
    begin = np.minimum(np.floor(inside[rows, along]), last[along] - 1).astype(np.int64)
    part = inside[rows, along] - begin
    corner[rows, along] = np.where(forward, begin, begin + 1)
    return corner, along + 2 * (~forward), np.where(forward, part, 1.0 - part)


def _turned(rng: np.random.Generator, corner: IntArray, heading: IntArray, last: IntArray, turn: float) -> IntArray:
    """Return the headings after a corner."""
    n = len(corner)
    ahead = (heading[:, None] + np.array([0, 1, 3])) % 4  # straight on, left, right
    onto = corner[:, None, :] + _STEPS[ahead]
    free = ((onto >= 0) & (onto <= last)).all(axis=2)
    weight = np.where(free, np.array([1.0 - turn, turn / 2.0, turn / 2.0]), 0.0)
    # With no chance of turning, whoever meets the end of the street turns all the same.
    weight = np.where((weight > 0).any(axis=1, keepdims=True), weight, free.astype(np.float64))
    cumulative = np.add.accumulate(weight, axis=1)
    chosen = np.count_nonzero(rng.random(n)[:, None] * cumulative[:, -1:] >= cumulative[:, :-1], axis=1)
    return np.asarray(ahead[np.arange(n), chosen])
