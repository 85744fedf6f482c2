"""The radio: 3GPP TR 38.901 by hand, the statistics of what is drawn, and blocks against the whole."""

from __future__ import annotations

import numpy as np
import pytest

from dtopt import channel as channel_module
from dtopt.channel import ModelledChannel, row_blocks
from dtopt.network import BaseStations, Users
from dtopt.propagation import Propagation, los_probability, path_loss_db, uniforms

# Worked by hand from Table 7.4.1-1 with h_UT = 1.5 m, f = 2 GHz, c = 299 792 458 m/s (c = 3e8 moves them by 0.01 dB).
# UMa, h_BS = 25 m: 3D distance at 200 m is sqrt(200² + 23.5²) = 201.376 m, log10 = 2.30401; 20 log10 2 = 6.02060.
#   line of sight  28.0 + 22 x 2.30401 + 6.02060                             =  84.7088
#   none           13.54 + 39.08 x 2.30401 + 6.02060                         = 109.6013
# Breakpoint 4 x 24 x 0.5 x 2e9 / c = 320.221 m, so 1000 m lies beyond; d3D = 1000.276 m, log10 = 3.000120:
#   line of sight  28.0 + 120.0048 + 6.02060 - 9 x 5.013233 (log10(320.221² + 23.5²)) = 108.9063
#   none           13.54 + 39.08 x 3.000120 + 6.02060                        = 136.8053
# UMi, h_BS = 10 m: d3D at 100 m = sqrt(100² + 8.5²) = 100.3606 m, log10 = 2.001563:
#   line of sight  32.4 + 21 x 2.001563 + 6.02060                            =  80.4534
#   none           22.4 + 35.3 x 2.001563 + 21.3 x 0.301030                  =  99.4671
# Breakpoint 4 x 9 x 0.5 x 2e9 / c = 120.083 m; at 500 m d3D = 500.0722 m, log10 = 2.699033:
#   line of sight  32.4 + 107.9613 + 6.02060 - 9.5 x 4.161132 (log10(120.083² + 8.5²)) = 106.8511
BY_HAND = [
    ("uma", 200.0, True, 84.7088),
    ("uma", 200.0, False, 109.6013),
    ("uma", 1000.0, True, 108.9063),
    ("uma", 1000.0, False, 136.8053),
    ("umi", 100.0, True, 80.4534),
    ("umi", 100.0, False, 99.4671),
    ("umi", 500.0, True, 106.8511),
    ("simple", 1000.0, False, 128.1),
    ("simple", 500.0, True, 128.1 - 37.6 * 0.30103),
]


@pytest.mark.parametrize(("model", "distance", "los", "loss"), BY_HAND)
def test_path_loss_by_hand(model: str, distance: float, los: bool, loss: float) -> None:
    found = path_loss_db(model, np.array([distance]), np.array([los]), carrier_ghz=2.0)
    assert found[0] == pytest.approx(loss, abs=2e-3)


def test_users_below_ten_metres_stand_at_ten() -> None:
    near = path_loss_db("uma", np.array([0.0, 10.0]), np.array([True, True]), carrier_ghz=2.0)
    assert near[0] == near[1]


def test_los_probability_by_hand() -> None:
    # 18/d + exp(-d/63)(1 - 18/d), with 36 for micro cells: at 100 m 0.18 + 0.82 e^(-1.5873), 0.18 + 0.82 e^(-2.7778).
    assert los_probability("uma", np.array([10.0, 18.0]))[0] == 1.0
    assert los_probability("uma", np.array([100.0]))[0] == pytest.approx(0.34767, abs=1e-4)
    assert los_probability("umi", np.array([100.0]))[0] == pytest.approx(0.23099, abs=1e-4)


def test_line_of_sight_comes_as_often_as_it_should() -> None:
    users, stations = np.arange(4_000)[:, None], np.arange(50)[None, :]
    for cell in ("uma", "umi"):
        for distance in (50.0, 100.0, 400.0):
            shape = np.full((4_000, 50), distance)
            gain = Propagation(cell, 2.0, seed=3).gain(shape, users, stations)  # type: ignore[arg-type]
            clear = Propagation(f"{cell}-los", 2.0).gain(shape[:1, :1], users[:1], stations[:, :1])  # type: ignore[arg-type]
            p = float(los_probability(cell, np.array([distance]))[0])
            # Five standard deviations of 200 000 draws.
            assert np.mean(gain == clear) == pytest.approx(p, abs=5 * np.sqrt(p * (1 - p) / gain.size))


@pytest.mark.parametrize(
    ("fading", "path_loss"), [("rayleigh", "uma-los"), ("rician", "uma-los"), ("rician", "uma-nlos")]
)
def test_fading_has_mean_power_one(fading: str, path_loss: str) -> None:
    users, stations = np.arange(4_000)[:, None], np.arange(50)[None, :]
    distance = np.full((4_000, 50), 200.0)
    without = Propagation(path_loss, 2.0).gain(distance, users, stations)  # type: ignore[arg-type]
    power = Propagation(path_loss, 2.0, fading, seed=1).gain(distance, users, stations) / without  # type: ignore[arg-type]
    k = 10**0.9 if fading == "rician" and path_loss == "uma-los" else 0.0
    variance = (1 + 2 * k) / (1 + k) ** 2
    assert power.mean() == pytest.approx(1.0, abs=5 * np.sqrt(variance / power.size))
    assert power.var() == pytest.approx(variance, rel=0.05)
    if k == 0.0:
        # Rayleigh power is exponential: one in ten is below -ln 0.9.
        assert np.mean(power < -np.log(0.9)) == pytest.approx(0.1, abs=0.004)


def test_shadowing_has_its_spread_in_decibels() -> None:
    users, stations = np.arange(4_000)[:, None], np.arange(50)[None, :]
    distance = np.full((4_000, 50), 200.0)
    for path_loss, spread in (("uma-los", 4.0), ("uma-nlos", 6.0), ("umi-nlos", 7.82), ("simple", 8.0)):
        gain = Propagation(path_loss, 2.0, shadowing=True, seed=1).gain(distance, users, stations)  # type: ignore[arg-type]
        plain = Propagation(path_loss, 2.0).gain(distance, users, stations)  # type: ignore[arg-type]
        decibels = 10 * np.log10(gain / plain)
        assert decibels.std() == pytest.approx(spread, rel=0.02)
        assert decibels.mean() == pytest.approx(0.0, abs=0.1)


def test_draws_are_uniform_and_independent() -> None:
    users, stations = np.arange(2_000)[:, None], np.arange(100)[None, :]
    u = uniforms(7, 0, users, stations)
    assert u.min() > 0
    assert u.max() < 1
    counts = np.histogram(u, bins=20, range=(0, 1))[0]
    # Chi-square with 19 degrees of freedom is above 50 once in 7000.
    assert ((counts - u.size / 20) ** 2 / (u.size / 20)).sum() < 50
    others = (uniforms(7, 1, users, stations), uniforms(8, 0, users, stations), np.roll(u, 1, 0), np.roll(u, 1, 1))
    for other in others:
        assert abs(np.corrcoef(u.ravel(), other.ravel())[0, 1]) < 5 / np.sqrt(u.size)


@pytest.mark.parametrize("fading", ["none", "rayleigh", "rician"])
def test_blocks_equal_the_whole(fading: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    n, m = 53, 7
    users = Users(np.ones(n), 0, 0.2, np.inf, rng.uniform(0, 900, (n, 2)))  # type: ignore[arg-type]
    stations = BaseStations(np.ones(m), 5, rng.uniform(0, 900, (m, 2)))  # type: ignore[arg-type]
    channel = ModelledChannel(Propagation("uma", 2.0, fading, shadowing=True, seed=2))  # type: ignore[arg-type]
    whole = channel.rows(users, stations, 0, n)
    station, gain = channel.strongest(users, stations)
    assert np.array_equal(station, whole.argmax(axis=1))
    assert np.array_equal(gain, whole.max(axis=1))
    monkeypatch.setattr(channel_module, "BLOCK_PAIRS", 3 * m)
    assert len(list(row_blocks(n, m))) == 18
    pieces = [channel.rows(users, stations, start, stop) for start, stop in row_blocks(n, m)]
    assert np.array_equal(np.concatenate(pieces), whole)
    assert np.array_equal(channel.strongest(users, stations)[0], station)
    some_users, some_stations = np.array([50, 3, 20]), np.array([6, 0, 2])
    assert np.array_equal(channel.pairs(users, stations, some_users, some_stations), whole[some_users, some_stations])
