"""Where users will be: places they may reach, from the ways that all users were seen to go."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from dtopt.arrays import BoolArray, FloatArray
    from dtopt.simulation.observation import Past

__all__ = ["constant_velocity", "fitted_motion", "persistence"]

#: Slots that motion is learnt from, the newest.
RECENT = 60
#: Ways of users that each number of slots is fitted to, roughly.
SAMPLES = 2000
#: Places that a user may be in a later slot.
PLACES = 4
#: Observations that a motion of constant velocity counts for while there are few.
PRIOR = 20.0
#: Speed added to every user's when errors are scaled by speeds, so that who stands still may start, m/s.
LEAST_M_S = 0.5


def persistence(past: Past, horizon: int) -> FloatArray:
    """Return places where everyone stays, shape (H, n, 1, 2)."""
    now = past.record(past.slot).position_m[past.users(past.slot)]
    return np.repeat(now[None, :, None, :], horizon, axis=0)


def constant_velocity(past: Past, horizon: int) -> FloatArray:
    """Return places where everyone goes on as from the last slot to this one, shape (H, n, 1, 2)."""
    now = past.record(past.slot).position_m[past.users(past.slot)]
    ahead = np.arange(1, horizon + 1)[:, None, None]
    return np.asarray((now + ahead * _velocity(past))[:, :, None, :])


def fitted_motion(past: Past, horizon: int) -> FloatArray:
    """Return places by what velocity and place have told so far, and how wrong that was, shape (H, n, PLACES, 2).

    The way that a user goes in h slots is fitted, by least squares over all users and the last slots, as a multiple of
    its velocity and of its distance from the middle of all: users turn, wait, and come back. To it errors are added
    that the fit made, in proportion to users' speeds, so that the places stand for what may come of it.
    """
    users = past.users(past.slot)
    seen = past.recent(RECENT + horizon).position_m
    now, velocity = seen[-1, users], _velocity(past)
    if len(seen) < 3:
        return np.repeat(constant_velocity(past, horizon), PLACES, axis=2)
    steps = np.diff(seen, axis=0)
    with np.errstate(invalid="ignore"):
        known = np.isfinite(steps[..., 0])
        covered = np.where(known, np.hypot(steps[..., 0], steps[..., 1]), 0.0).sum(axis=0)
    pace = covered / np.maximum(known.sum(axis=0), 1) + LEAST_M_S * past.slot_s
    middle = np.nanmean(seen, axis=(0, 1))
    places = np.empty((horizon, users.size, PLACES, 2))
    for h in range(1, horizon + 1):
        expected = now + h * velocity
        spread = np.zeros((PLACES, 2))
        if len(seen) > h + 1:
            # From slot s on, with the velocity from s − 1 to s, until s + h.
            last = len(seen) - h
            some = slice(1, last, max(1, last * users.size // SAMPLES))
            speed, away = steps[: last - 1 : some.step], middle - seen[some]
            way = seen[h + 1 :][:: some.step] - seen[some]
            usable = np.isfinite(way[..., 0]) & np.isfinite(speed[..., 0])
            rows = np.stack([speed[usable].ravel(), away[usable].ravel()], axis=1)
            target = way[usable].ravel()
            factor = _ridge(rows, target, np.array([float(h), 0.0]))
            expected = now + factor[0] * velocity + factor[1] * (middle - now)
            error = (target - rows @ factor).reshape(-1, 2) / np.broadcast_to(pace, usable.shape)[usable][:, None]
            spread = _typical(error)
        places[h - 1] = expected[:, None, :] + pace[users][:, None, None] * spread
    return places


def _velocity(past: Past) -> FloatArray:
    """Return the way of the users who are there since the slot before, 0 for those who were not, shape (n, 2), m."""
    users = past.users(past.slot)
    if not past.slot:
        return np.zeros((users.size, 2))
    step = past.record(past.slot).position_m[users] - past.record(past.slot - 1).position_m[users]
    finite: BoolArray = np.isfinite(step)
    return np.where(finite, step, 0.0)


def _ridge(rows: FloatArray, target: FloatArray, prior: FloatArray) -> FloatArray:
    """Return the least-squares factors, drawn to a prior that counts as `PRIOR` average observations."""
    square = rows.T @ rows
    weight = PRIOR * np.diag(square) / max(len(rows), 1) + 1e-9
    return np.asarray(np.linalg.solve(square + np.diag(weight), rows.T @ target + weight * prior), dtype=np.float64)


def _typical(error: FloatArray) -> FloatArray:
    """Return errors that stand for all, evenly from all around and as large as these are, shape (PLACES, 2)."""
    if not len(error):
        return np.zeros((PLACES, 2))
    size = float(np.sqrt((error**2).sum(axis=1).mean()))
    angle = 2.0 * np.pi * np.arange(PLACES - 1) / (PLACES - 1)
    # The middle and a ring around it, of the same mean square as the errors.
    ring = np.column_stack([np.cos(angle), np.sin(angle)]) * size * np.sqrt(PLACES / (PLACES - 1))
    return np.vstack([np.zeros((1, 2)), ring])
