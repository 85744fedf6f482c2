"""Forecasts of the next slots, from what was observed: where users will be, what serves them, how fast.

Where a user will be follows from its velocity. Which station serves a place, and how fast, is learnt from all users
who were seen near there: a radio map that needs no model of the channel, so that measured gains do as well. Nearby,
a user keeps the station it has: sight and shadowing decorrelate with distance.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from dtopt.errors import InputError
from dtopt.simulation.motion import constant_velocity, fitted_motion, persistence

if TYPE_CHECKING:
    from collections.abc import Callable

    from dtopt.arrays import FloatArray, IntArray
    from dtopt.scenario import Scenario
    from dtopt.simulation.observation import Past

    Forecaster = Callable[[Scenario, Past, int], "Forecast"]

__all__ = ["FORECASTS", "Forecast", "forecast"]

#: Distance over which a place says something about another: that of sight in 3GPP TR 38.901, Table 7.6.3.1-2, m.
RADIO_DISTANCE_M = 50.0
#: Slots that the radio map and all rates are taken over, the newest.
RECENT = 60
#: Observations that the radio map keeps, the newest, and those that it asks at a place.
MOST_SAMPLES, NEIGHBOURS = 10_000, 12
#: Slots after which a station counts as kept, so that it is not for a moment's fading.
LAG = 2


@dataclass(frozen=True, eq=False)
class Forecast:
    """What is expected of H slots after this one, for the n users who are there now.

    Parameters
    ----------
    station : ndarray of int, shape (H, n, C)
        Stations that may serve each user.
    weight : ndarray, shape (H, n, C)
        Their probabilities, which sum to 1.
    rate_bps : ndarray, shape (H, n)
        Expected access rate (such that its inverse is the expected time for a bit), bit/s.
    cpu_hz : ndarray, shape (H, M)
        Free CPU.
    stays : ndarray, shape (H, n)
        Probability that the user is still there.
    """

    station: IntArray
    weight: FloatArray
    rate_bps: FloatArray
    cpu_hz: FloatArray
    stays: FloatArray

    def distance_m(self, step: int, distance_m: FloatArray) -> FloatArray:
        """Return the expected length of wire from users to columns of a matrix of distances (M, K), shape (n, K)."""
        chosen = self.weight[step][:, :, None] * distance_m[self.station[step]]
        return np.asarray(chosen.sum(axis=1))


def forecast(scenario: Scenario, past: Past, kind: str, horizon: int) -> Forecast:
    """Return a forecast by its name.

    Raises
    ------
    InputError
        On an unknown kind or a horizon below 0.
    """
    if kind not in FORECASTS:
        raise InputError(f"unknown forecast {kind!r}", where="forecast", mend=f"one of {', '.join(FORECASTS)}")
    if horizon < 0:
        raise InputError(f"must be >= 0, got {horizon}", where="horizon")
    return FORECASTS[kind](scenario, past, horizon)


def _perfect(scenario: Scenario, past: Past, horizon: int) -> Forecast:
    """Return the truth: for measuring what forecasting costs, never for use."""
    users, slot = past.users(past.slot), past.slot
    station = np.zeros((horizon, users.size, 1), dtype=np.int64)
    rate, stays = np.ones((horizon, users.size)), np.zeros((horizon, users.size))
    cpu = np.tile(past.network(slot).stations.cpu_hz, (horizon, 1))
    there = np.ones(users.size, dtype=bool)
    for step in range(horizon):
        later = slot + 1 + step
        if later >= scenario.n_slots:
            break
        network = scenario.network(later)
        row = np.full(past.n_users, -1)
        row[scenario.present_users(later)] = np.arange(network.users.count)
        # Who leaves takes the twin away, so that what comes after a return does not depend on what is decided now.
        there &= row[users] >= 0
        station[step, there, 0] = network.access_station[row[users[there]]]
        rate[step, there] = network.access_rate_bps[row[users[there]]]
        cpu[step], stays[step] = network.stations.cpu_hz, there
    return Forecast(station, np.ones(station.shape), rate, cpu, stays)


#: Forecasts by name; ``perfect`` knows the future and is there to measure the others by.
FORECASTS: dict[str, Forecaster] = {
    "constant-velocity": lambda _, past, horizon: _mapped(past, constant_velocity(past, horizon)),
    "fitted-motion": lambda _, past, horizon: _mapped(past, fitted_motion(past, horizon)),
    "persistence": lambda _, past, horizon: _mapped(past, persistence(past, horizon)),
    "perfect": _perfect,
}


def _mapped(past: Past, places: FloatArray) -> Forecast:
    """Return the forecast for places where users may be, shape (H, n, P, 2), each as likely as the others."""
    horizon, n, many, _ = places.shape
    slot = past.slot
    users, network = past.users(slot), past.network(slot)
    now = past.record(slot).position_m[users]
    seen, station, slowness, low, high = _samples(past)
    count = max(1, min(NEIGHBOURS // many, len(seen)))
    # SciPy takes longer to load than most small commands.
    from scipy.spatial import cKDTree

    tree = cKDTree(seen)
    shape = (horizon, n, many * count + 1)
    stations, weights = np.empty(shape, dtype=np.int64), np.empty(shape)
    pace = np.empty((horizon, n))
    own = past.record(slot).slowness[users]
    loyal = _loyalty(past)
    for h in range(horizon):
        # Nobody leaves the area that was seen.
        place = np.clip(places[h], low, high)
        gap, index = tree.query(place.reshape(n * many, 2), k=count)
        gap = np.asarray(gap).reshape(n, many, count)
        index = np.asarray(index, dtype=np.int64).reshape(n, many, count)
        # As near as the nearest one, so that places far from all observations have weights too.
        near = np.exp(-(gap - gap[..., :1]) / RADIO_DISTANCE_M)
        near /= many * near.sum(axis=2, keepdims=True)
        away = place - now[:, None, :]
        keeps = loyal * np.exp(-np.hypot(away[..., 0], away[..., 1]) / RADIO_DISTANCE_M)
        near *= 1.0 - keeps[..., None]
        kept = keeps.mean(axis=1)
        stations[h, :, 0], stations[h, :, 1:] = network.access_station, station[index].reshape(n, -1)
        weights[h, :, 0], weights[h, :, 1:] = kept, near.reshape(n, -1)
        pace[h] = np.where(np.isfinite(own), kept * own, 0.0) + (near * slowness[index]).sum(axis=(1, 2))
    with np.errstate(divide="ignore"):
        rate = network.bandwidth_hz / pace
    stays = np.repeat(_survival(past) ** np.arange(1, horizon + 1)[:, None], n, axis=1)
    return Forecast(stations, weights, rate, np.tile(network.stations.cpu_hz, (horizon, 1)), stays)


def _samples(past: Past) -> tuple[FloatArray, IntArray, FloatArray, FloatArray, FloatArray]:
    """Return the newest observations: places, access stations, W / r; and the corners of the area that was seen."""
    seen = past.recent(RECENT)
    covered = seen.station >= 0
    if not covered.any():
        raise InputError("nobody has coverage in any slot so far", where="forecast")
    place, station = seen.position_m[covered][-MOST_SAMPLES:], seen.station[covered][-MOST_SAMPLES:]
    slowness = seen.slowness[covered][-MOST_SAMPLES:]
    corners = place
    fixed = past.network(past.slot).stations.position_m
    if fixed is not None:
        corners = np.concatenate([place, fixed])
    return place, station, slowness, corners.min(axis=0), corners.max(axis=0)


def _loyalty(past: Past) -> float:
    """Return how often a user who has hardly moved has the station that it had some slots before, as seen so far."""
    seen = past.recent(RECENT)
    way = seen.position_m[LAG:] - seen.position_m[:-LAG]
    with np.errstate(invalid="ignore"):
        near = np.hypot(way[..., 0], way[..., 1]) < RADIO_DISTANCE_M / 2
    same = (seen.station[LAG:] == seen.station[:-LAG])[near]
    return float((1 + same.sum()) / (2 + same.size))


def _survival(past: Past) -> float:
    """Return the probability that a user is still there one slot later, as seen so far."""
    there = np.isfinite(past.recent(RECENT).position_m[..., 0])
    stayed, left = int((there[:-1] & there[1:]).sum()), int((there[:-1] & ~there[1:]).sum())
    return (1 + stayed) / (1 + stayed + left)
