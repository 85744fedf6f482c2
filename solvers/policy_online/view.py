"""What the network sees of a slot: for each user and server some numbers without units, from what was observed."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from solvers.policies.slot_search import columns_of, slot_view
from solvers.policy_online.futures import (
    AHEAD,
    FITTED,
    FUTURES,
    RECENT,
    Motion,
    Values,
    fit_motion,
    stations_ahead,
    values_ahead,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from dtopt.arrays import FloatArray, IntArray
    from dtopt.problem import Migration
    from dtopt.simulation.observation import Observation, Past
    from solvers._core import MigrationView

    Floats32 = NDArray[np.float32]

__all__ = ["FEATURES", "PAIR_FEATURES", "USER_FEATURES", "View", "look", "look_back"]

#: Slots that a user's rate is averaged over: longer than fading is coherent.
AVERAGED = 12
#: Slots before this one whose access stations are shown.
EARLIER = (1, 2, 4, 8)
#: Of `AHEAD`, those whose wires are shown.
SHOWN = (0, 2, 4, 6, 8)
#: Users whose futures are held at a time.
BLOCK = 1000
#: Numbers shown are cut here; exponents, so that what is worth nothing or everything stays a number, there.
LARGEST, EXPONENT = 5.0, 30.0
_AHEAD = np.array(AHEAD, dtype=np.int64)

#: Numbers for each pair, in order; those of users alone come last.
PAIR_FEATURES = (
    *(f"value by {future}" for future in ("fitted", "constant", "persistent")),
    "wire now",
    "computing",
    "pressure",
    "time to spare",
    "is where the twin is",
    "move to it",
    "moves from it",
    *(f"wire {AHEAD[h]} ahead, fitted" for h in SHOWN),
    *(f"wire {AHEAD[h]} ahead, constant" for h in SHOWN),
    *(f"wire {h} before" for h in EARLIER),
    "wire to the user's place",
    "how fast that falls",
    "wire, mean before",
)
USER_FEATURES = (
    "seconds of wire for the mean distance",
    "of a move",
    "speed",
    "pace",
    "velocity kept 4 ahead",
    "12 ahead",
    "28 ahead",
    "middle 12 ahead",
    "error 4 ahead",
    "error 12 ahead",
    "survival",
    "wireless now less mean",
    "is new",
    "servers",
    "slots known",
    "stands still",
)
FEATURES = len(PAIR_FEATURES) + len(USER_FEATURES)


class View(NamedTuple):
    """What is seen of a slot.

    arrays and servers are those of `solvers.policies.slot_search.slot_view`; column, shape (n,), is the column of the
    server that the twin is on, -1 for none; between, shape (S, S), is the wire from server to server, m; away, shape
    (n, S), the time that moving to each takes, s; unit, shape (n,), the user's utility on its best server at its mean
    rate, in which values are counted; value, shape (n, S), what each server is worth after this slot by the fitted
    future, less that of the best; shown, shape (n, S, `FEATURES`).
    """

    arrays: MigrationView
    servers: IntArray
    column: IntArray
    between: FloatArray
    away: FloatArray
    unit: FloatArray
    value: FloatArray
    shown: Floats32


def look(observation: Observation) -> View:
    """Return the view of the slot that is decided."""
    return look_back(observation.past, observation.problem)


def look_back(past: Past, problem: Migration) -> View:
    """Return the view that there was of the slot of a past, from its P2."""
    arrays, servers = slot_view(problem)
    before = columns_of(problem.previous, servers, problem.n_stations)
    return _viewed(past.users(past.slot), problem, past, arrays, servers, before)


def _viewed(
    users: IntArray, problem: Migration, past: Past, arrays: MigrationView, servers: IntArray, before: IntArray
) -> View:
    network, slot = problem.network, past.slot
    n, m = users.size, servers.size
    every = np.arange(problem.n_stations)
    distance = network.station_distance(every[:, None], servers[None, :])
    between = np.ascontiguousarray(distance[servers])
    passes = network.wired_passes if problem.interaction == "construction" else 1
    wire = network.backhaul_s_per_bit_m * passes * problem.load_bits
    move = problem.move_seconds_per_m
    old = before >= 0
    away = np.where(old[:, None], move[:, None] * between[np.maximum(before, 0)], 0.0)
    access = np.where(network.access_rate_bps > 0, network.access_station, -1)
    now = wire[:, None] * distance[np.maximum(access, 0)]
    allowed = np.isfinite(arrays.slack)

    # Rates of the last slots, at the band of now.
    seen = past.recent(AVERAGED)
    slowness = np.where(seen.station[:, users] >= 0, seen.slowness[:, users], np.nan)
    known = np.isfinite(slowness)
    usual = np.where(known, slowness, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    usual = np.where(problem.load_bits > 0, problem.load_bits * usual / network.bandwidth_hz, 0.0)
    wireless = np.where(access >= 0, problem.wireless_latency, usual)

    # Loads as they are before anyone moves, on the CPUs of now.
    there = np.bincount(before[old], weights=arrays.size[old], minlength=m) * arrays.part
    load = arrays.size[:, None] * arrays.part
    here = np.arange(m) == before[:, None]
    compute = arrays.growth[:, None] * arrays.rate * (there + np.where(here, 0.0, load))
    least = np.where(allowed, now + compute, np.inf).min(axis=1)
    least = np.where(np.isfinite(least), least, 0.0)
    unit = arrays.beta * np.exp(np.clip(arrays.deadline - usual - least, -EXPONENT, EXPONENT))
    # What the utility of those who are on a server loses for a unit of load.
    spare = arrays.deadline[:, None] - wireless[:, None] - now - compute
    slope = arrays.growth[:, None] * arrays.rate
    fall = np.where(here, arrays.beta * np.exp(np.clip(spare, -EXPONENT, EXPONENT)) * slope, 0.0)
    pressure = (fall.sum(axis=0) - fall) * load / unit[:, None]

    position = past.record(slot).position_m[users]
    recent = past.recent(RECENT).position_m
    velocity = np.zeros((n, 2))
    if slot:
        step = position - past.record(slot - 1).position_m[users]
        velocity = np.where(np.isfinite(step), step, 0.0)
    motion = fit_motion(recent, users, _AHEAD, past.slot_s)
    station_m = network.stations.position_m
    if station_m is None:
        direct, falls = now, np.zeros((n, m))
    else:
        ways = position[:, None, :] - station_m[servers]
        direct = wire[:, None] * np.hypot(ways[..., 0], ways[..., 1])
        ways = ways + velocity[:, None, :]
        falls = direct - wire[:, None] * np.hypot(ways[..., 0], ways[..., 1])
    parts = []
    for start in range(0, n, BLOCK):
        some = slice(start, start + BLOCK)
        chance = _chances(position, velocity, access, motion, station_m, some, problem.n_stations)
        parts.append(
            values_ahead(
                chance,
                wire[some],
                move[some],
                distance,
                between,
                compute[some] - least[some, None],
                np.minimum(pressure[some], LARGEST),
                allowed[some].astype(np.float64),
                motion.survival,
                _AHEAD,
            )
        )
    values = Values(*(np.concatenate(arrays, axis=-2) for arrays in zip(*parts, strict=True)))
    value = np.where(np.isfinite(values.value), values.value, -LARGEST)
    value = value - value.max(axis=2, keepdims=True)

    shown = np.empty((n, m, FEATURES), dtype=np.float32)
    at = 0

    def show(number: FloatArray) -> None:
        nonlocal at
        shown[..., at] = number if number.ndim == 2 else number[:, None]
        at += 1

    for future in value:
        show(future)
    show(now)
    show(compute)
    show(pressure)
    show(spare)
    show(here.astype(np.float64))
    show(away)
    show(move[:, None] * between.sum(axis=1) / max(m - 1, 1))
    for future_wire in values.wire[:2]:
        for h in SHOWN:
            show(future_wire[h])
    for h in EARLIER:
        was = seen.station[-1 - h, users] if h < len(seen.station) else access
        was = np.where(was >= 0, was, access)
        show(wire[:, None] * distance[np.maximum(was, 0)])
    show(direct)
    show(falls)
    mean = np.zeros((n, m))
    for row in seen.station[:, users]:
        mean += distance[np.where(row >= 0, row, np.maximum(access, 0))]
    show(wire[:, None] * mean / len(seen.station))
    scale = float(between.sum()) / max(m * (m - 1), 1)
    speed = np.hypot(velocity[:, 0], velocity[:, 1])
    metres = max(scale, 1.0)
    full = np.ones(n)
    show(wire * scale)
    show(move * scale)
    show(10.0 * speed / metres)
    show(10.0 * motion.pace / metres)
    show(motion.factor[3, 0] / AHEAD[3] * full)
    show(motion.factor[6, 0] / AHEAD[6] * full)
    show(motion.factor[8, 0] / AHEAD[8] * full)
    show(motion.factor[6, 1] * full)
    show(motion.error[3] / AHEAD[3] * full)
    show(motion.error[6] / AHEAD[6] * full)
    show(10.0 * (1.0 - motion.survival) * full)
    show(wireless - usual)
    show((~old).astype(np.float64))
    show(np.log(m) * full)
    show(np.log1p(len(recent)) / 4.0 * full)
    show((speed < 0.1 * motion.pace).astype(np.float64))
    np.nan_to_num(shown, copy=False, nan=0.0, posinf=LARGEST, neginf=-LARGEST)
    np.clip(shown, -LARGEST, LARGEST, out=shown)
    return View(arrays, servers, before, between, away, unit, value[FITTED], shown)


def _chances(
    position: FloatArray,
    velocity: FloatArray,
    access: IntArray,
    motion: Motion,
    station_m: FloatArray | None,
    some: slice,
    stations: int,
) -> FloatArray:
    """Return the chances of stations to serve some users, see `stations_ahead`."""
    if station_m is None:
        # Without positions of stations every future is that a user's station stays.
        users = access[some].size
        chance = np.zeros((FUTURES, _AHEAD.size, users, stations))
        chance[:, :, np.arange(users), np.maximum(access[some], 0)] = 1.0
        return chance
    low = np.minimum(station_m.min(axis=0), position.min(axis=0))
    high = np.maximum(station_m.max(axis=0), position.max(axis=0))
    own = motion._replace(pace=motion.pace[some])
    return stations_ahead(position[some], velocity[some], access[some], own, station_m, _AHEAD, low, high)
