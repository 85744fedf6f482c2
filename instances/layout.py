"""Where users and stations are, and the radio between them: the geometry of generated instances."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dtopt.channel import CandidateGains
from dtopt.elementary import cos_sin_turns, hypot
from dtopt.nearest import nearest
from instances import constants
from instances.draws import choice, normal, popularity, uniform

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dtopt.arrays import BoolArray, FloatArray, IntArray
    from dtopt.propagation import Propagation

__all__ = ["candidate_gains", "corners", "hot_spot_users", "mixed_gain", "spread_points", "steps", "to_streets"]


def spread_points(rng: np.random.Generator, count: int, side_m: float) -> FloatArray:
    """Return random points of a square that keep apart, shape (count, 2), m.

    Each is the farthest from those before it among `constants.SITE_CANDIDATES` uniform draws (Mitchell's best
    candidate).
    """
    points = np.empty((count, 2))
    points[0] = uniform(rng, 0.0, side_m, 2)
    for i in range(1, count):
        draws = uniform(rng, 0.0, side_m, (constants.SITE_CANDIDATES, 2))
        gap = draws[:, None, :] - points[None, :i, :]
        points[i] = draws[hypot(gap[..., 0], gap[..., 1]).min(axis=1).argmax()]
    return points


def steps(rng: np.random.Generator, position_m: FloatArray, longest_m: float) -> FloatArray:
    """Return positions one step away, in random directions, kept inside the box that holds the given ones."""
    length = uniform(rng, 0.0, longest_m, len(position_m))
    moved = position_m + length[:, None] * np.column_stack(cos_sin_turns(rng.random(len(position_m))))
    return np.asarray(np.clip(moved, position_m.min(axis=0), position_m.max(axis=0)))


def to_streets(position_m: FloatArray, side_m: float) -> FloatArray:
    """Return the nearest points on a grid of streets `constants.BLOCK_M` apart that spans the square."""
    block = constants.BLOCK_M
    inside = np.clip(position_m, 0.0, side_m)
    street = np.clip(np.round(inside / block), 0, np.floor(side_m / block)) * block
    nearer = np.abs(street - inside).argmin(axis=1)
    on_street = inside.copy()
    rows = np.arange(len(inside))
    on_street[rows, nearer] = street[rows, nearer]
    return on_street


def hot_spot_users(rng: np.random.Generator, count: int, spots_m: FloatArray, side_m: float) -> FloatArray:
    """Return users on the streets, most of them near hot spots of different popularity, shape (count, 2), m."""
    anywhere = uniform(rng, 0.0, side_m, (count, 2))
    near = spots_m[choice(rng, count, popularity(rng, len(spots_m)))]
    near = near + normal(rng, constants.HOT_SPREAD_M, (count, 2))
    hot = rng.random(count) < constants.HOT_SHARE
    return to_streets(np.where(hot[:, None], near, anywhere), side_m)


def corners(rng: np.random.Generator, count: int, spots_m: FloatArray, side_m: float) -> FloatArray:
    """Return street corners, most of them different, around the hot spots in turn, shape (count, 2), m."""
    block = constants.BLOCK_M
    last = np.floor(side_m / block)
    taken: set[tuple[float, ...]] = set()
    points = np.empty((count, 2))
    for i in range(count):
        spot = spots_m[i % len(spots_m)]
        for _ in range(constants.SITE_CANDIDATES):
            corner = np.clip(np.round((spot + normal(rng, constants.HOT_SPREAD_M, 2)) / block), 0, last) * block
            if tuple(corner) not in taken:
                break
        taken.add(tuple(corner))
        points[i] = corner
    return points


def mixed_gain(
    models: Sequence[Propagation], kind: IntArray, user_m: FloatArray, station_m: FloatArray, station: IntArray
) -> FloatArray:
    """Return the gains of users to stations of several kinds of cell.

    Parameters
    ----------
    models : sequence of Propagation
        One for each kind.
    kind : ndarray of int, shape (M,)
        The kind of each station.
    user_m, station_m : ndarray, shape (N, 2) and (M, 2)
    station : ndarray of int, shape (N, C) or (1, M)
        The stations asked for.
    """
    station = np.broadcast_to(station, (len(user_m), station.shape[1]))
    user = np.arange(len(user_m))[:, None]
    gap = user_m[:, None, :] - station_m[station]
    distance = hypot(gap[..., 0], gap[..., 1])
    gain = np.empty(station.shape)
    for number, model in enumerate(models):
        of_kind: BoolArray = kind[station] == number
        gain[of_kind] = model.gain(distance, user, station)[of_kind]
    return gain


def candidate_gains(
    models: Sequence[Propagation], kind: IntArray, user_m: FloatArray, station_m: FloatArray
) -> CandidateGains:
    """Return the gains to the nearest `constants.RADIO_CANDIDATES` stations of each user."""
    count = min(constants.RADIO_CANDIDATES, len(station_m))
    station = nearest(station_m, user_m, count)
    return CandidateGains(station, mixed_gain(models, kind, user_m, station_m, station))
