"""Mobility models of open ground: random waypoint and Gauss–Markov. Every model fills positions of all slots.

All models take a generator, where users start, the area they stay in, and each user's range of speeds; nobody ever
covers more than the highest speed allows in a slot.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dtopt.elementary import cos_sin_turns, exp, hypot
from instances.draws import normal, uniform
from instances.mobility import constants

if TYPE_CHECKING:
    from dtopt.arrays import FloatArray
    from instances.mobility.area import Area

__all__ = ["draw_speeds", "gauss_markov", "random_waypoint"]


def draw_speeds(rng: np.random.Generator, users: int, vehicles: float = constants.VEHICLE_SHARE) -> FloatArray:
    """Return each user's lowest and highest speed, those of a vehicle or of a walker, shape (N, 2), m/s."""
    driving = rng.random(users) < vehicles
    return np.where(driving[:, None], constants.DRIVING_M_S, constants.WALKING_M_S)


def random_waypoint(
    rng: np.random.Generator,
    start_m: FloatArray,
    area: Area,
    speed_m_s: FloatArray,
    *,
    slots: int,
    slot_s: float,
    longest_pause_s: float = constants.LONGEST_PAUSE_S,
) -> FloatArray:
    """Return positions of users who go straight to random places, stay a while, and go on.

    Speeds are drawn for each leg, and pauses for each stop. Speeds are bounded away from 0, so that users do not slow
    down as time goes on (Yoon, Liu and Noble 2003).

    Parameters
    ----------
    rng : Generator
    start_m : ndarray, shape (N, 2)
        Positions in the first slot, inside the area.
    area : Area
    speed_m_s : ndarray, shape (N, 2)
        Lowest and highest speed of each user, m/s.
    slots : int
        T.
    slot_s : float
    longest_pause_s : float
        Pauses are drawn uniformly up to it, s.

    Returns
    -------
    ndarray, shape (T, N, 2)
        Positions, m.
    """
    n = len(start_m)
    everyone = np.arange(n)
    place = start_m.copy()
    target = uniform(rng, area.low, area.high, (n, 2))
    speed = uniform(rng, speed_m_s[:, 0], speed_m_s[:, 1], n)
    pause = np.zeros(n)
    path = np.empty((slots, n, 2))
    path[0] = place
    for slot in range(1, slots):
        left = np.full(n, slot_s)
        moving = everyone
        while moving.size:
            waited = np.minimum(pause[moving], left[moving])
            pause[moving] -= waited
            left[moving] -= waited
            gap = target[moving] - place[moving]
            far = hypot(gap[:, 0], gap[:, 1])
            reach = speed[moving] * left[moving]
            there = far <= reach
            part = np.where(there, 1.0, reach / np.maximum(far, 1e-300))
            place[moving] = np.where(there[:, None], target[moving], place[moving] + part[:, None] * gap)
            left[moving] = np.where(there, left[moving] - far / speed[moving], 0.0)
            # Whoever has arrived stays for a while, and then has a new target.
            moving = moving[there]
            pause[moving] = uniform(rng, 0.0, longest_pause_s, moving.size)
            target[moving] = uniform(rng, area.low, area.high, (moving.size, 2))
            speed[moving] = uniform(rng, speed_m_s[moving, 0], speed_m_s[moving, 1], moving.size)
            moving = moving[left[moving] > 0]
        path[slot] = place
    return path


def gauss_markov(
    rng: np.random.Generator,
    start_m: FloatArray,
    area: Area,
    speed_m_s: FloatArray,
    *,
    slots: int,
    slot_s: float,
    memory_s: float = constants.VELOCITY_MEMORY_S,
    spread: float = constants.VELOCITY_SPREAD,
) -> FloatArray:
    """Return positions of users whose velocity is a Gauss–Markov process (Liang and Haas 1999).

    v(t) = a v(t-1) + (1 - a) v̄ + σ √(1 - a²) w with a = exp(-slot_s / memory), v̄ the user's mean velocity (the middle
    of its speeds in a random direction), σ a part of its size and w standard normal, for each axis. Faster than the
    user's highest speed is cut to it. At the border velocity and mean velocity are thrown back.

    Parameters
    ----------
    rng, start_m, area, speed_m_s, slots, slot_s
        See `random_waypoint`.
    memory_s : float
        Time in which the velocity decorrelates to 1/e, s.
    spread : float
        σ as a part of the mean speed.

    Returns
    -------
    ndarray, shape (T, N, 2)
        Positions, m.
    """
    n = len(start_m)
    middle = 0.5 * (speed_m_s[:, :1] + speed_m_s[:, 1:])
    mean = middle * np.column_stack(cos_sin_turns(rng.random(n)))
    keep = float(exp(-slot_s / memory_s))
    fresh = spread * middle * np.sqrt(1.0 - keep * keep)
    velocity = mean + normal(rng, spread * middle, (n, 2))
    size = area.high - area.low
    path = np.empty((slots, n, 2))
    path[0] = start_m
    for slot in range(1, slots):
        velocity = keep * velocity + (1.0 - keep) * mean + normal(rng, fresh, (n, 2))
        speed = hypot(velocity[:, 0], velocity[:, 1])[:, None]
        velocity = velocity * np.minimum(1.0, speed_m_s[:, 1:] / np.maximum(speed, 1e-300))
        # Straight on over the border is the mirror image of the way back, as often as it takes.
        over = (path[slot - 1] + slot_s * velocity - area.low) / size
        turns = np.floor(over)
        rest = over - turns
        back = turns % 2 == 1
        place = area.low + size * np.where(back, 1.0 - rest, rest)
        path[slot] = np.clip(place, area.low, area.high)
        velocity, mean = np.where(back, -velocity, velocity), np.where(back, -mean, mean)
    return path
