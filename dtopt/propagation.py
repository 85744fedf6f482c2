"""Path loss, line of sight, shadowing and fading: where channel power gains come from.

The random parts are functions of (seed, user, station) by a counter-based generator, so that any block of the
gain matrix can be computed alone, in any order, and is the same on every machine and NumPy version; so are the
functions used, those of `dtopt.elementary`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from dtopt.arrays import choice, number
from dtopt.elementary import exp, hypot, log10, normal_pair, power10

if TYPE_CHECKING:
    import numpy.typing as npt

    from dtopt.arrays import BoolArray, FloatArray, IntArray

__all__ = [
    "Fading",
    "PathLoss",
    "Propagation",
    "los_probability",
    "normals",
    "path_loss_db",
    "uniforms",
]

PathLoss = Literal["simple", "uma", "uma-los", "uma-nlos", "umi", "umi-los", "umi-nlos"]
Fading = Literal["none", "rayleigh", "rician"]

SPEED_OF_LIGHT = 299_792_458.0
#: Effective environment height of TR 38.901, Table 7.4.1-1 note 1, for users near the ground, m.
ENVIRONMENT_HEIGHT_M = 1.0
#: Below this the models do not hold (TR 38.901: 10 m), so nearer users are treated as standing there.
MINIMUM_DISTANCE_M = 10.0
#: Base station antenna heights of TR 38.901, Table 7.2-1, m.
ANTENNA_HEIGHT_M = {"uma": 25.0, "umi": 10.0, "simple": 25.0}
#: Standard deviation of shadowing, TR 38.901, Table 7.4.1-1, dB: line of sight, no line of sight.
SHADOWING_DB = {"uma": (4.0, 6.0), "umi": (4.0, 7.82), "simple": (8.0, 8.0)}

# Streams of the counter-based generator, one for each random quantity of a pair.
_STREAM_LOS, _STREAM_SHADOW, _STREAM_FADING = 0, 1, 3


def _mix(x: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Return the SplitMix64 finaliser of each number (Steele, Lea and Flood 2014)."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(x ^ (x >> np.uint64(31)))


def uniforms(seed: int, stream: int, user: IntArray, station: IntArray) -> FloatArray:
    """Return one number in (0, 1) for each pair, a pure function of its arguments.

    Parameters
    ----------
    seed, stream : int
        The instance's seed and the number of the random quantity.
    user, station : ndarray of int
        Indices, broadcast against each other.
    """
    golden = 0x9E3779B97F4A7C15
    start = (seed * golden + (stream + 1) * 0xD1342543DE82EF95) & 0xFFFF_FFFF_FFFF_FFFF
    with np.errstate(over="ignore"):
        by_user = _mix(user.astype(np.uint64) * np.uint64(golden) + _mix(np.array([start], dtype=np.uint64))[0])
        bits = _mix(by_user + (station.astype(np.uint64) + np.uint64(1)) * np.uint64(golden))
    return np.asarray(((bits >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53)


def normals(seed: int, stream: int, user: IntArray, station: IntArray) -> tuple[FloatArray, FloatArray]:
    """Return two independent standard normals for each pair (Box and Muller); takes streams `stream` and the next."""
    return normal_pair(uniforms(seed, stream, user, station), uniforms(seed, stream + 1, user, station))


def los_probability(cell: str, distance_m: FloatArray) -> FloatArray:
    """Return the probability of line of sight at a horizontal distance, users below 13 m (TR 38.901, Table 7.4.2-1).

    Parameters
    ----------
    cell : {"uma", "umi"}
        Urban macro or urban micro (street canyon).
    distance_m : ndarray
        Horizontal distances, m.
    """
    decay = 63.0 if cell == "uma" else 36.0
    d = np.maximum(distance_m, 18.0)
    near = 18.0 / d
    return np.asarray(near + exp(-d / decay) * (1.0 - near))


def path_loss_db(
    model: str, distance_m: FloatArray, los: BoolArray, *, carrier_ghz: float, user_height_m: float = 1.5
) -> FloatArray:
    """Return the path loss in dB.

    Parameters
    ----------
    model : {"simple", "uma", "umi"}
        ``simple`` is 128.1 + 37.6 log10(d / km) (3GPP TR 36.814, 2 GHz); the others are 3GPP TR 38.901, Table 7.4.1-1.
    distance_m : ndarray
        Horizontal distances, m.
    los : ndarray of bool
        Which pairs see each other (not used by ``simple``).
    carrier_ghz : float
        Carrier frequency, GHz (not used by ``simple``).
    user_height_m : float
        Height of the user's antenna, m.
    """
    flat = np.maximum(distance_m, MINIMUM_DISTANCE_M)
    if model == "simple":
        return np.asarray(128.1 + 37.6 * log10(flat / 1000.0))
    height = ANTENNA_HEIGHT_M[model]
    rise = height - user_height_m
    distance = hypot(flat, rise)
    log_distance, log_carrier = log10(distance), log10(carrier_ghz)
    breakpoint_m = (
        4.0 * (height - ENVIRONMENT_HEIGHT_M) * (user_height_m - ENVIRONMENT_HEIGHT_M) * carrier_ghz * 1e9
    ) / SPEED_OF_LIGHT
    log_edge = log10(breakpoint_m * breakpoint_m + rise * rise)
    if model == "uma":
        near = 28.0 + 22.0 * log_distance + 20.0 * log_carrier
        far = 28.0 + 40.0 * log_distance + 20.0 * log_carrier - 9.0 * log_edge
        blocked = 13.54 + 39.08 * log_distance + 20.0 * log_carrier - 0.6 * (user_height_m - 1.5)
    else:
        near = 32.4 + 21.0 * log_distance + 20.0 * log_carrier
        far = 32.4 + 40.0 * log_distance + 20.0 * log_carrier - 9.5 * log_edge
        blocked = 22.4 + 35.3 * log_distance + 21.3 * log_carrier - 0.3 * (user_height_m - 1.5)
    clear = np.where(flat <= breakpoint_m, near, far)
    return np.asarray(np.where(los, clear, np.maximum(clear, blocked)))


@dataclass(frozen=True)
class Propagation:
    """How channel power gains follow from distances: path loss × shadowing × fading.

    Parameters
    ----------
    path_loss : PathLoss
        ``simple``, or 3GPP TR 38.901 ``uma`` / ``umi`` (line of sight drawn by distance), ``-los`` and ``-nlos`` fixed.
    carrier_ghz : float
        Carrier frequency, GHz.
    fading : Fading
        Small-scale power fading of mean one: ``none``, ``rayleigh`` or ``rician``.
    rician_k_db : float
        Rician factor, dB, of pairs in line of sight (of all pairs under ``simple``); the others fade as Rayleigh.
    shadowing : bool
        Whether log-normal shadowing of the model's spread is drawn.
    seed : int
        Seed of everything drawn here.

    Raises
    ------
    InputError
        On an unknown model or a number out of range.
    """

    path_loss: PathLoss = "uma"
    carrier_ghz: float = 3.5
    fading: Fading = "none"
    rician_k_db: float = 9.0
    shadowing: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        choice(self.path_loss, "channel.path_loss", PathLoss)
        choice(self.fading, "channel.fading", Fading)
        number(self.carrier_ghz, "channel.carrier_ghz", minimum=0.0, maximum=1e6, exclusive=True)
        number(self.rician_k_db, "channel.rician_k_db", minimum=-500.0, maximum=500.0)

    def gain(self, distance_m: FloatArray, user: IntArray, station: IntArray) -> FloatArray:
        """Return the channel power gains h_ij of pairs (linear, no unit).

        Parameters
        ----------
        distance_m : ndarray
            Horizontal distances, m.
        user, station : ndarray of int
            Indices that broadcast to the shape of `distance_m`; with the seed they fix what is drawn.
        """
        cell, _, sight = self.path_loss.partition("-")
        if sight or cell == "simple":
            los = np.full(distance_m.shape, sight == "los")
        else:
            los = uniforms(self.seed, _STREAM_LOS, user, station) < los_probability(cell, distance_m)
        loss = path_loss_db(cell, distance_m, los, carrier_ghz=self.carrier_ghz)
        if self.shadowing:
            clear, blocked = SHADOWING_DB[cell]
            loss = loss + np.where(los, clear, blocked) * normals(self.seed, _STREAM_SHADOW, user, station)[0]
        gain = power10(-loss / 10.0)
        if self.fading == "none":
            return np.asarray(gain)
        real, imaginary = normals(self.seed, _STREAM_FADING, user, station)
        return np.asarray(gain * self.fading_power(los, real, imaginary))

    def fading_power(self, los: BoolArray, real: FloatArray, imaginary: FloatArray) -> FloatArray:
        """Return the power of small-scale fading, of mean 1.

        Parameters
        ----------
        los : ndarray of bool
            Which pairs see each other.
        real, imaginary : ndarray
            Standard normals: the amplitude of the scattered part.
        """
        k = float(power10(self.rician_k_db / 10.0)) if self.fading == "rician" else 0.0
        # Without line of sight there is no dominant path; the simple model does not tell the two apart.
        everywhere = self.path_loss == "simple"
        direct = np.full(los.shape, k) if everywhere else np.where(los, k, 0.0)
        amplitude = np.sqrt(2.0 * direct) + real
        return np.asarray((amplitude * amplitude + imaginary * imaginary) / (2.0 * (direct + 1.0)))
