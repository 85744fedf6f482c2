"""What the network sees of a slot: for each user and server some numbers without units, from what was observed."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from dtopt.elementary import exp, hypot, log, log1p
from dtopt.halting import cancellation
from solvers._core import ForecastParams, Motion, forecast
from solvers.policies.slot_search import columns_of, slot_view

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from dtopt.arrays import FloatArray, IntArray
    from dtopt.problem import Migration
    from dtopt.simulation.observation import Observation, Past
    from solvers._core import MigrationView

    Floats32 = NDArray[np.float32]

__all__ = ["FEATURES", "PAIR_FEATURES", "USER_FEATURES", "View", "look", "look_back"]

#: Horizons of the motion forecast, slots; each stands for the slots since the one before.
AHEAD = (1, 2, 3, 4, 6, 8, 12, 18, 28)
#: Slots that motion is fitted to.
RECENT = 60
#: Slots that a user's rate is averaged over: longer than fading is coherent.
AVERAGED = 12
#: Slots before this one whose access stations are shown.
EARLIER = (1, 2, 4, 8)
#: Of `AHEAD`, those whose wires are shown.
SHOWN = (0, 2, 4, 6, 8)
#: Numbers shown are cut here; exponents, so that what is worth nothing or everything stays a number, there.
LARGEST, EXPONENT = 5.0, 30.0
_AHEAD, _SHOWN = np.array(AHEAD, dtype=np.int64), np.array(SHOWN, dtype=np.int64)

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
    unit = arrays.beta * exp(np.clip(arrays.deadline - usual - least, -EXPONENT, EXPONENT))
    # What the utility of those who are on a server loses for a unit of load.
    spare = arrays.deadline[:, None] - wireless[:, None] - now - compute
    slope = arrays.growth[:, None] * arrays.rate
    fall = np.where(here, arrays.beta * exp(np.clip(spare, -EXPONENT, EXPONENT)) * slope, 0.0)
    pressure = (fall.sum(axis=0) - fall) * load / unit[:, None]

    position = past.record(slot).position_m[users]
    recent = past.recent(RECENT).position_m
    velocity = np.zeros((n, 2))
    if slot:
        step = position - past.record(slot - 1).position_m[users]
        velocity = np.where(np.isfinite(step), step, 0.0)
    params = ForecastParams()
    motion = Motion(np.ascontiguousarray(recent), _AHEAD, past.slot_s, params)
    pace = motion.pace[users]
    station_m = network.stations.position_m
    if station_m is None:
        direct, falls = now, np.zeros((n, m))
    else:
        ways = position[:, None, :] - station_m[servers]
        direct = wire[:, None] * hypot(ways[..., 0], ways[..., 1])
        ways = ways + velocity[:, None, :]
        falls = direct - wire[:, None] * hypot(ways[..., 0], ways[..., 1])
    values, wires = forecast(
        motion,
        users,
        position,
        velocity,
        access,
        wire,
        move,
        compute - least[:, None],
        np.minimum(pressure, LARGEST),
        allowed,
        station_m,
        distance,
        between,
        _SHOWN,
        params,
        cancellation(),
    )
    value = np.where(np.isfinite(values), values, -LARGEST)
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
    for later in wires.reshape(-1, n, m):
        show(later)
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
    speed = hypot(velocity[:, 0], velocity[:, 1])
    metres = max(scale, 1.0)
    full = np.ones(n)
    show(wire * scale)
    show(move * scale)
    show(10.0 * speed / metres)
    show(10.0 * pace / metres)
    show(motion.factor[3, 0] / AHEAD[3] * full)
    show(motion.factor[6, 0] / AHEAD[6] * full)
    show(motion.factor[8, 0] / AHEAD[8] * full)
    show(motion.factor[6, 1] * full)
    show(motion.error[3] / AHEAD[3] * full)
    show(motion.error[6] / AHEAD[6] * full)
    show(10.0 * (1.0 - motion.survival) * full)
    show(wireless - usual)
    show((~old).astype(np.float64))
    show(float(log(m)) * full)
    show(float(log1p(len(recent))) / 4.0 * full)
    show((speed < 0.1 * pace).astype(np.float64))
    np.nan_to_num(shown, copy=False, nan=0.0, posinf=LARGEST, neginf=-LARGEST)
    np.clip(shown, -LARGEST, LARGEST, out=shown)
    return View(arrays, servers, before, between, away, unit, value[0], shown)
