"""Users, base stations and the network between them: sizes, rates, access stations, wired distances."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from dtopt.arrays import UNLIMITED, FloatArray, IntArray, float_array, int_array, names, number
from dtopt.elementary import LN2, hypot, log1p, power10
from dtopt.errors import InputError

if TYPE_CHECKING:
    from dtopt.channel import Channel
    from dtopt.geography import Projection

__all__ = ["BaseStations", "Network", "Users"]

#: Up to so many stations all distances between them are kept.
FEW_STATIONS = 300


@dataclass(frozen=True, eq=False)
class Users:
    """The N mobile users whose twins are placed.

    Parameters
    ----------
    data_bits : array_like, shape (N,)
        D_i, historical data sent to construct the twin, bit, > 0.
    update_bits : array_like, shape (N,) or a number
        ΔD_i, size of one update, bit, >= 0.
    tx_power_w : array_like, shape (N,) or a number
        p_i, transmission power, W, >= 0.
    deadline_s : array_like, shape (N,) or a number
        τ_i of (15), s, > 0; infinite where there is none.
    position_m : array_like, shape (N, 2), optional
        Positions, m.
    names : sequence of str, optional
        What to call the users in files and messages.

    Raises
    ------
    InputError
        On wrong shapes or values.
    """

    data_bits: FloatArray
    update_bits: FloatArray
    tx_power_w: FloatArray
    deadline_s: FloatArray
    position_m: FloatArray | None = None
    names: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        data = float_array(self.data_bits, "users.data_bits", minimum=0.0, exclusive=True)
        if data.ndim != 1 or data.size == 0:
            raise InputError("must be a list of at least one number", where="users.data_bits")
        shape = data.shape
        _set(self, "data_bits", data)
        _set(self, "update_bits", float_array(self.update_bits, "users.update_bits", shape=shape, minimum=0.0))
        _set(self, "tx_power_w", float_array(self.tx_power_w, "users.tx_power_w", shape=shape, minimum=0.0))
        deadline = float_array(
            self.deadline_s, "users.deadline_s", shape=shape, minimum=0.0, exclusive=True, infinite=True
        )
        _set(self, "deadline_s", deadline)
        if self.position_m is not None:
            _set(self, "position_m", float_array(self.position_m, "users.position_m", shape=(data.size, 2)))
        _set(self, "names", names(self.names, "users.names", data.size))

    @property
    def count(self) -> int:
        """N, the number of users."""
        return self.data_bits.size

    def name(self, user: int) -> str:
        """Return the user's name, or ``user 7`` where users have none."""
        return self.names[user] if self.names else f"user {user}"


@dataclass(frozen=True, eq=False)
class BaseStations:
    """The M base stations; each can act as a twin server.

    Parameters
    ----------
    cpu_hz : array_like, shape (M,)
        F_k, cycles/s, >= 0; 0 only where a problem has ``fixed`` sharing.
    capacity : array_like of int, shape (M,) or a number
        N_k of (18b), twins that station k can keep; `dtopt.arrays.UNLIMITED` never binds.
    position_m : array_like, shape (M, 2), optional
        Positions, m.
    distance_m : array_like, shape (M, M), optional
        Lengths of the wired routes d(j, k), m; the straight line between positions where not given.
    names : sequence of str, optional
        What to call the stations.

    Raises
    ------
    InputError
        On wrong shapes or values, or a route from a station to itself that is not 0.
    """

    cpu_hz: FloatArray
    capacity: IntArray
    position_m: FloatArray | None = None
    distance_m: FloatArray | None = None
    names: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        cpu = float_array(self.cpu_hz, "stations.cpu_hz", minimum=0.0)
        if cpu.ndim != 1 or cpu.size == 0:
            raise InputError("must be a list of at least one number", where="stations.cpu_hz")
        _set(self, "cpu_hz", cpu)
        _set(self, "capacity", int_array(self.capacity, "stations.capacity", shape=cpu.shape, minimum=0))
        if self.position_m is not None:
            _set(self, "position_m", float_array(self.position_m, "stations.position_m", shape=(cpu.size, 2)))
        if self.distance_m is not None:
            matrix = float_array(self.distance_m, "station_distance_m", shape=(cpu.size, cpu.size), minimum=0.0)
            if np.diagonal(matrix).any():
                raise InputError("must be 0 from each station to itself", where="station_distance_m")
            _set(self, "distance_m", matrix)
        _set(self, "names", names(self.names, "stations.names", cpu.size))

    @property
    def count(self) -> int:
        """M, the number of base stations."""
        return self.cpu_hz.size

    @property
    def limited(self) -> bool:
        """Whether any station has a capacity."""
        return bool((self.capacity < UNLIMITED).any())

    def name(self, station: int) -> str:
        """Return the station's name, or ``station 7`` where stations have none."""
        return self.names[station] if self.names else f"station {station}"


@dataclass(frozen=True, eq=False)
class Network:
    """Users, base stations, the radio between them and the wires between stations.

    Parameters
    ----------
    users : Users
    stations : BaseStations
    channel : Channel, optional
        Where the gains h_ij come from. None leaves the radio out: no wireless and no wired latency, which is for
        instances whose pair latencies are given.
    bandwidth_hz : float
        W of (3), Hz.
    noise_dbm_per_hz : float
        Noise density N0 of (3), dBm/Hz.
    cycles_per_bit : float
        κ, CPU cycles needed for one bit; the unit missing from (6), (9) and (11).
    backhaul_s_per_bit_m : float
        φ of (5) and (7), s/(bit·m).
    wired_passes : {1, 2}
        How often the wired latency counts in the construction latency: (10) as printed adds it twice.
    origin : Projection, optional
        Where on earth (0, 0) is, for maps; not part of the content.

    Raises
    ------
    InputError
        On wrong values, or a channel that does not fit the users and stations.
    """

    users: Users
    stations: BaseStations
    channel: Channel | None
    bandwidth_hz: float = 20e6
    noise_dbm_per_hz: float = -174.0
    cycles_per_bit: float = 1.0
    backhaul_s_per_bit_m: float = 0.0
    wired_passes: int = 1
    origin: Projection | None = None

    def __post_init__(self) -> None:
        _set(self, "bandwidth_hz", number(self.bandwidth_hz, "radio.bandwidth_hz", minimum=0.0, exclusive=True))
        # Far beyond any receiver, and within what a float can hold in watts.
        noise = number(self.noise_dbm_per_hz, "radio.noise_dbm_per_hz", minimum=-500.0, maximum=500.0)
        _set(self, "noise_dbm_per_hz", noise)
        _set(self, "cycles_per_bit", number(self.cycles_per_bit, "compute.cycles_per_bit", minimum=0.0))
        _set(self, "backhaul_s_per_bit_m", number(self.backhaul_s_per_bit_m, "backhaul.s_per_bit_m", minimum=0.0))
        if self.wired_passes not in (1, 2):
            raise InputError(f"must be 1 or 2, got {self.wired_passes}", where="backhaul.wired_passes")
        if self.channel is not None:
            self.channel.check(self.users, self.stations)
            if self.backhaul_s_per_bit_m > 0 and self.stations.position_m is None and self.stations.distance_m is None:
                raise InputError(
                    "wired latency needs the stations' places",
                    where="stations",
                    mend="give x_m and y_m, or distance_m, or set backhaul.s_per_bit_m to 0",
                )

    @property
    def noise_w(self) -> float:
        """Noise power over the whole band, W·N0 of (3), W."""
        return float(power10(self.noise_dbm_per_hz / 10.0 - 3.0)) * self.bandwidth_hz

    def rate(self, gain: FloatArray, tx_power_w: FloatArray) -> FloatArray:
        """Return achievable uplink rates of (3), bit/s, with the logarithm to base 2."""
        return np.asarray(self.bandwidth_hz * log1p(tx_power_w * gain / self.noise_w) / LN2)

    @cached_property
    def _access(self) -> tuple[IntArray, FloatArray]:
        if self.channel is None:
            return np.full(self.users.count, -1, dtype=np.int64), np.full(self.users.count, np.inf)
        # Bandwidth, noise and power are the same for all stations, so the best rate is the best gain.
        station, gain = self.channel.strongest(self.users, self.stations)
        rate = self.rate(gain, self.users.tx_power_w)
        station.flags.writeable = rate.flags.writeable = False
        return station, rate

    @property
    def access_station(self) -> IntArray:
        """b(i), the station of best rate for each user, lowest index on a tie; shape (N,); -1 without radio."""
        return self._access[0]

    @property
    def access_rate_bps(self) -> FloatArray:
        """r_{i,b(i)}, shape (N,), bit/s; 0 for a user without coverage."""
        return self._access[1]

    def rate_rows(self, start: int, stop: int) -> FloatArray:
        """Return the rates r_ij of users `start` to `stop` to all stations, shape (stop - start, M), bit/s."""
        if self.channel is None:
            raise InputError("the instance has no radio", where="channel")
        gain = self.channel.rows(self.users, self.stations, start, stop)
        return self.rate(gain, self.users.tx_power_w[start:stop, None])

    def station_distance(self, first: IntArray, second: IntArray) -> FloatArray:
        """Return d(j, k) for arrays of stations that broadcast to one shape, m; 0 where stations have no place."""
        if self.stations.distance_m is not None:
            return np.asarray(self.stations.distance_m[first, second])
        if self.stations.position_m is None:
            return np.zeros(np.broadcast_shapes(first.shape, second.shape))
        if self.stations.count <= FEW_STATIONS:
            return self._distances[first, second]
        return self._straight(first, second)

    @cached_property
    def _distances(self) -> FloatArray:
        """All distances between few stations: they are asked for again and again, for each pair of user and server."""
        every = np.arange(self.stations.count)
        return self._straight(every[:, None], every[None, :])

    def _straight(self, first: IntArray, second: IntArray) -> FloatArray:
        assert self.stations.position_m is not None  # noqa: S101 - checked by `station_distance`
        gap = self.stations.position_m[first] - self.stations.position_m[second]
        return hypot(gap[..., 0], gap[..., 1])

    def wireless_latency(self, bits: FloatArray) -> FloatArray:
        """Return the time to send `bits` (shape (N,)) to the access station, (4), s; infinite without coverage."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(np.where(bits > 0, bits / self.access_rate_bps, 0.0))

    def wired_latency(self, bits: FloatArray, users: IntArray, servers: IntArray) -> FloatArray:
        """Return the time to carry `bits` from the users' access stations to servers, (5) and (7), s.

        The three arrays broadcast to one shape.
        """
        if self.backhaul_s_per_bit_m == 0.0 or self.channel is None:
            return np.zeros(np.broadcast_shapes(bits.shape, users.shape, servers.shape))
        return self.backhaul_s_per_bit_m * bits * self.station_distance(self.access_station[users], servers)


def _set(target: object, name: str, value: object) -> None:
    """Store a checked value in a frozen dataclass under construction."""
    object.__setattr__(target, name, value)
