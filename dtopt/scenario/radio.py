"""Channels that change from slot to slot: path loss on the way, correlated shadowing, sight and fading; or recorded."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from dtopt.arrays import FloatArray, IntArray, float_array, int_array, number
from dtopt.channel import CandidateGains, GainMatrix, row_blocks
from dtopt.elementary import hypot, normal_cdf, power10
from dtopt.errors import InputError
from dtopt.nearest import nearest
from dtopt.propagation import SHADOWING_DB, Propagation, los_probability, normals, path_loss_db
from dtopt.scenario.processes import gauss_markov

if TYPE_CHECKING:
    from collections.abc import Callable

    from dtopt.channel import Channel

__all__ = ["ModelledRadio", "Radio", "RecordedGains", "Walk"]

#: Distance over which shadowing decorrelates to 1/e: the value without line of sight of 3GPP TR 38.901, Table 7.5-6
#: (with it, it is a little shorter), and for the simple model that of TR 36.814, Table A.2.1.1-1, m.
SHADOWING_DISTANCE_M = {"uma": 50.0, "umi": 13.0, "simple": 50.0}
#: The same for having line of sight or not, 3GPP TR 38.901, Table 7.6.3.1-2, m.
SIGHT_DISTANCE_M = 50.0

# Streams of the counter-based generator: those of `dtopt.propagation` come first, then two pairs for each slot.
_FIRST_STREAM, _STREAMS_PER_SLOT = 16, 4
_PLACE, _FADING = 0, 2


@dataclass(frozen=True, eq=False)
class Walk:
    """Where users are in all slots; what a radio needs to know of the past and the future.

    Parameters
    ----------
    position_m : ndarray, shape (T, N, 2)
    travelled_m : ndarray, shape (T, N)
        Distance covered since the first slot, m.
    slot_s : float
        Length of a slot, s.
    """

    position_m: FloatArray
    travelled_m: FloatArray
    slot_s: float


@dataclass(frozen=True, eq=False)
class ModelledRadio:
    """Gains from positions by propagation models, with all that is random in them drifting from slot to slot.

    In every slot the gains are distributed as those of `dtopt.propagation.Propagation`. From slot to slot, shadowing
    and sight are Gauss–Markov processes in the distance that the user covers (one who stands still keeps both), and
    fading is one in time: the complex amplitude of the scattered part is an AR(1) process, exp(-slot_s / coherence)
    from one slot to the next. All are pure functions of seed, user, station, slot, number
    of slots and the user's way, so that slots can be computed in any order.

    Parameters
    ----------
    models : sequence of Propagation
        One for each kind of cell.
    kind : array_like of int, shape (M,), optional
        The kind of each station; all of the first kind where not given.
    candidates : int, optional
        Gains to so many nearest stations of each user and not to all.
    fading_coherence_s : float
        Time in which fading decorrelates to 1/e, s; 0 for fading that is new in every slot.
    shadowing_distance_m : float, optional
        Distance in which shadowing decorrelates to 1/e, m; `SHADOWING_DISTANCE_M` of each model where not given.
    sight_distance_m : float
        The same for line of sight, m.

    Raises
    ------
    InputError
        On a number out of range.
    """

    models: tuple[Propagation, ...] = (Propagation(),)
    kind: IntArray | None = None
    candidates: int | None = None
    fading_coherence_s: float = 10.0
    shadowing_distance_m: float | None = None
    sight_distance_m: float = SIGHT_DISTANCE_M

    def __post_init__(self) -> None:
        # As files give them back, so that the content hash is the same.
        models = tuple(
            replace(m, carrier_ghz=float(m.carrier_ghz), rician_k_db=float(m.rician_k_db), seed=int(m.seed))
            for m in self.models
        )
        if not models:
            raise InputError("must hold at least one model", where="radio.models")
        object.__setattr__(self, "models", models)
        if self.kind is not None:
            kind = int_array(self.kind, "radio.kind", minimum=0, maximum=len(models) - 1)
            object.__setattr__(self, "kind", kind)
        if self.candidates is not None:
            candidates = int(int_array(self.candidates, "radio.candidates", shape=(), minimum=1))
            object.__setattr__(self, "candidates", candidates)
        coherence = number(self.fading_coherence_s, "radio.fading_coherence_s", minimum=0.0)
        object.__setattr__(self, "fading_coherence_s", coherence)
        for name in ("shadowing_distance_m", "sight_distance_m"):
            if getattr(self, name) is not None:
                distance = number(getattr(self, name), f"radio.{name}", minimum=0.0, exclusive=True)
                object.__setattr__(self, name, distance)

    def check(self, slots: int, users: int, stations: int, *, placed: bool) -> None:
        """Raise InputError unless the radio fits a scenario of this size, whose stations have positions or not."""
        if not placed:
            raise InputError("a modelled radio needs the stations' positions", where="stations")
        if self.kind is not None:
            int_array(self.kind, "radio.kind", shape=(stations,))

    def channel(self, slot: int, users: IntArray, walk: Walk, station_m: FloatArray | None) -> Channel:
        """Return the gains of one slot for some of the users, in their order.

        Parameters
        ----------
        slot : int
        users : ndarray of int, shape (n,)
        walk : Walk
            Of all users.
        station_m : ndarray, shape (M, 2)
        """
        assert station_m is not None  # noqa: S101 - what check() has seen to
        count = len(station_m)
        if self.candidates is not None and self.candidates < count:
            station = nearest(station_m, walk.position_m[slot, users], self.candidates)
            return CandidateGains(station, self._gain(slot, users, station, walk, station_m))
        gain = np.empty((users.size, count))
        everywhere = np.arange(count)[None, :]
        for start, stop in row_blocks(users.size, count):
            gain[start:stop] = self._gain(slot, users[start:stop], everywhere, walk, station_m)
        return GainMatrix(gain)

    @cached_property
    def _shadowing_distance(self) -> FloatArray:
        """Decorrelation distance of shadowing for each kind of cell, m."""
        cells = [model.path_loss.partition("-")[0] for model in self.models]
        return np.array([self.shadowing_distance_m or SHADOWING_DISTANCE_M[cell] for cell in cells])

    def _gain(self, slot: int, users: IntArray, station: IntArray, walk: Walk, station_m: FloatArray) -> FloatArray:
        """Return the gains of users (n,) to stations (n, C) or (1, C)."""
        gap = walk.position_m[slot, users][:, None, :] - station_m[station]
        distance = hypot(gap[..., 0], gap[..., 1])
        if self.kind is None:
            return self._of_model(0, slot, users, station, walk, distance)
        gain = np.empty(distance.shape)
        for kind in range(len(self.models)):
            of_kind = np.broadcast_to(self.kind[station] == kind, distance.shape)
            gain[of_kind] = self._of_model(kind, slot, users, station, walk, distance)[of_kind]
        return gain

    def _of_model(
        self, kind: int, slot: int, users: IntArray, station: IntArray, walk: Walk, distance: FloatArray
    ) -> FloatArray:
        """Return the gains by one of the models; path loss × shadowing × fading as `Propagation.gain`."""
        model = self.models[kind]
        cell, _, sight = model.path_loss.partition("-")
        slots = len(walk.position_m)
        draws_sight = not sight and cell != "simple"
        los = np.full(distance.shape, sight == "los")
        shadow = np.zeros(distance.shape)
        if draws_sight or model.shadowing:
            scale = np.array([self._shadowing_distance[kind], self.sight_distance_m])[:, None, None]

            def way(at: int) -> FloatArray:
                return np.asarray(walk.travelled_m[at, users][:, None] / scale)

            shadow, open_ = gauss_markov(slot, slots, way, _noise(model.seed, _PLACE, users, station))
            if draws_sight:
                # The normal distribution function makes a normal uniform on (0, 1).
                los = normal_cdf(open_) < los_probability(cell, distance)
        loss = path_loss_db(cell, distance, los, carrier_ghz=model.carrier_ghz)
        if model.shadowing:
            clear, blocked = SHADOWING_DB[cell]
            loss = loss + np.where(los, clear, blocked) * shadow
        gain = power10(-loss / 10.0)
        if model.fading == "none":
            return np.asarray(gain)
        noise = _noise(model.seed, _FADING, users, station)
        if self.fading_coherence_s > 0:
            pace = walk.slot_s / self.fading_coherence_s
            real, imaginary = gauss_markov(slot, slots, lambda at: np.array(at * pace), noise)
        else:
            real, imaginary = noise(slot)
        return np.asarray(gain * model.fading_power(los, real, imaginary))


@dataclass(frozen=True, eq=False)
class RecordedGains:
    """Gains measured or computed elsewhere, for all slots.

    Parameters
    ----------
    gain : array_like, shape (T, N, M)
        Channel power gains, no unit; 0 where there is no coverage.
    """

    gain: FloatArray

    def __post_init__(self) -> None:
        object.__setattr__(self, "gain", float_array(self.gain, "radio.gain", minimum=0.0))

    def check(self, slots: int, users: int, stations: int, *, placed: bool) -> None:
        """Raise InputError unless the gains are those of so many slots, users and stations."""
        if self.gain.shape != (slots, users, stations):
            got, want = (" x ".join(map(str, shape)) for shape in (self.gain.shape, (slots, users, stations)))
            raise InputError(f"has shape {got}, expected {want}", where="radio.gain")

    def channel(self, slot: int, users: IntArray, walk: Walk, station_m: FloatArray | None) -> Channel:
        """Return the gains of one slot for some of the users, in their order."""
        return GainMatrix(self.gain[slot, users])


Radio = ModelledRadio | RecordedGains


def _noise(seed: int, quantity: int, users: IntArray, station: IntArray) -> Callable[[int], FloatArray]:
    """Return the function from a slot to two independent standard normals for each pair, shape (2, n, C)."""
    user = users[:, None]

    def of_slot(slot: int) -> FloatArray:
        stream = _FIRST_STREAM + _STREAMS_PER_SLOT * slot + quantity
        return np.stack(normals(seed, stream, user, station))

    return of_slot
