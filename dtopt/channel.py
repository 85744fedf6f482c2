"""Channels: the three ways an instance gives the power gains h_ij of (3), and the access station that follows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from dtopt.arrays import FloatArray, IntArray, float_array, int_array
from dtopt.elementary import hypot
from dtopt.errors import InputError
from dtopt.propagation import Propagation

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dtopt.network import BaseStations, Users

__all__ = ["CandidateGains", "Channel", "GainMatrix", "ModelledChannel"]

#: Pairs computed at a time where a full matrix would not fit in memory.
BLOCK_PAIRS = 1 << 21


@dataclass(frozen=True, eq=False)
class GainMatrix:
    """Gains measured or computed elsewhere.

    Parameters
    ----------
    gain : ndarray, shape (N, M)
        Channel power gain h_ij, no unit; 0 where there is no coverage.
    """

    gain: FloatArray

    def __post_init__(self) -> None:
        object.__setattr__(self, "gain", float_array(self.gain, "channel.gain", minimum=0.0))
        if self.gain.ndim != 2:
            raise InputError("must be a matrix of users x stations", where="channel.gain")

    def check(self, users: Users, stations: BaseStations) -> None:
        """Raise InputError unless the gains fit these users and stations."""
        float_array(self.gain, "channel.gain", shape=(users.count, stations.count))

    def strongest(self, users: Users, stations: BaseStations) -> tuple[IntArray, FloatArray]:
        """Return for each user the station of largest gain (lowest index on a tie) and that gain."""
        station = self.gain.argmax(axis=1)
        return station, self.gain[np.arange(self.gain.shape[0]), station]

    def rows(self, users: Users, stations: BaseStations, start: int, stop: int) -> FloatArray:
        """Return the gains of users `start` to `stop` to all stations."""
        return self.gain[start:stop]


@dataclass(frozen=True, eq=False)
class CandidateGains:
    """Gains to a short list of stations for each user; all other stations are out of reach by radio.

    The form for large instances: N·C numbers and not N·M.

    Parameters
    ----------
    station : ndarray of int, shape (N, C)
        The candidates of each user.
    gain : ndarray, shape (N, C)
        Their channel power gains.
    """

    station: IntArray
    gain: FloatArray

    def __post_init__(self) -> None:
        station = int_array(self.station, "channel.station", minimum=0)
        if station.ndim != 2 or station.shape[1] == 0:
            raise InputError("must be a matrix of users x candidates", where="channel.station")
        object.__setattr__(self, "station", station)
        object.__setattr__(self, "gain", float_array(self.gain, "channel.gain", shape=station.shape, minimum=0.0))

    def check(self, users: Users, stations: BaseStations) -> None:
        """Raise InputError unless the candidates fit these users and stations."""
        int_array(
            self.station, "channel.station", shape=(users.count, self.station.shape[1]), maximum=stations.count - 1
        )
        ordered = np.sort(self.station, axis=1)
        twice = (ordered[:, 1:] == ordered[:, :-1]).any(axis=1)
        if twice.any():
            raise InputError("lists a station twice", where=f"channel.station[{int(twice.argmax())}]")

    def strongest(self, users: Users, stations: BaseStations) -> tuple[IntArray, FloatArray]:
        """Return for each user the station of largest gain (lowest index on a tie) and that gain."""
        gain = self.gain.max(axis=1)
        tied = np.where(self.gain == gain[:, None], self.station, np.iinfo(np.int64).max)
        return tied.min(axis=1), gain

    def rows(self, users: Users, stations: BaseStations, start: int, stop: int) -> FloatArray:
        """Return the gains of users `start` to `stop` to all stations, 0 outside the candidate lists."""
        gain = np.zeros((stop - start, stations.count))
        np.put_along_axis(gain, self.station[start:stop], self.gain[start:stop], axis=1)
        return gain


@dataclass(frozen=True, eq=False)
class ModelledChannel:
    """Gains computed from positions by a propagation model, in blocks and only where needed.

    Parameters
    ----------
    model : Propagation
        Path loss, shadowing and fading with their seed.
    """

    model: Propagation = field(default_factory=Propagation)

    def check(self, users: Users, stations: BaseStations) -> None:
        """Raise InputError unless users and stations have positions."""
        for owner, what in ((users, "users"), (stations, "stations")):
            if owner.position_m is None:
                raise InputError(
                    "a modelled channel needs positions", where=what, mend="give x_m and y_m, or a gain matrix"
                )

    def rows(self, users: Users, stations: BaseStations, start: int, stop: int) -> FloatArray:
        """Return the gains of users `start` to `stop` to all stations."""
        return self.pairs(users, stations, np.arange(start, stop)[:, None], np.arange(stations.count)[None, :])

    def pairs(self, users: Users, stations: BaseStations, user: IntArray, station: IntArray) -> FloatArray:
        """Return the gains of the pairs that `user` and `station` broadcast to."""
        assert users.position_m is not None  # noqa: S101 - what check() has seen to
        assert stations.position_m is not None  # noqa: S101
        gap = users.position_m[user] - stations.position_m[station]
        return self.model.gain(hypot(gap[..., 0], gap[..., 1]), user, station)

    def strongest(self, users: Users, stations: BaseStations) -> tuple[IntArray, FloatArray]:
        """Return for each user the station of largest gain (lowest index on a tie) and that gain."""
        station = np.empty(users.count, dtype=np.int64)
        best = np.empty(users.count)
        for start, stop in row_blocks(users.count, stations.count):
            gain = self.rows(users, stations, start, stop)
            station[start:stop] = gain.argmax(axis=1)
            best[start:stop] = gain.max(axis=1)
        return station, best


Channel = GainMatrix | CandidateGains | ModelledChannel


def row_blocks(rows: int, columns: int) -> Iterator[tuple[int, int]]:
    """Yield the row ranges that cut a rows × columns matrix into blocks of at most `BLOCK_PAIRS` entries."""
    step = max(1, BLOCK_PAIRS // max(columns, 1))
    for start in range(0, rows, step):
        yield start, min(start + step, rows)
