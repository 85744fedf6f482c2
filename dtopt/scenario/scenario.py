"""`Scenario`: a mobile network in time slots, and the P2 of each slot."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from dtopt.arrays import BoolArray, FloatArray, IntArray, float_array, int_array, number
from dtopt.elementary import hypot
from dtopt.errors import InputError
from dtopt.fingerprint import fingerprint
from dtopt.scenario.radio import ModelledRadio, Radio, Walk

if TYPE_CHECKING:
    from dtopt.network import Network
    from dtopt.problem import Migration

__all__ = ["Scenario"]

#: Networks of so many pairs of user and station together are kept, those used last: several methods are run over one
#: scenario, and some look ahead.
KEPT_PAIRS = 4_000_000


@dataclass(frozen=True, eq=False)
class Scenario:
    """A mobile network in T time slots: users move, come and go, channels fade, and free CPU and bandwidth vary.

    The slots share the N users of `base`, who are always numbered the same; the P2 of a slot holds the users who are
    present there, in that order. A user who leaves takes the twin away, and is a new one when it comes back.

    Parameters
    ----------
    base : Migration
        What does not change: the users' twins, powers and deadlines, the servers and wires, weights, sharing, and the
        association before the first slot (`previous`). Its positions, channel, CPUs and bandwidth are not used.
    position_m : array_like, shape (T, N, 2)
        Where users are in each slot, m. Where a user is while absent matters only to how far its shadowing moves on.
    slot_s : float
        Length of a slot, s.
    present : array_like of bool, shape (T, N), optional
        Who is there; everyone always where not given. Somebody is in every slot.
    cpu_hz : array_like, shape (T, M), optional
        F_k that is free for twins in each slot, cycles/s; that of `base` where not given.
    bandwidth_hz : array_like, shape (T,), optional
        W in each slot, Hz; that of `base` where not given.
    radio : ModelledRadio or RecordedGains
        Where the gains come from; they are computed when a slot is asked for.
    name : str
        For people; not part of the content.

    Raises
    ------
    InputError
        On wrong values or shapes, or a slot without users.
    """

    base: Migration
    position_m: FloatArray
    slot_s: float = 1.0
    present: BoolArray | None = None
    cpu_hz: FloatArray | None = None
    bandwidth_hz: FloatArray | None = None
    radio: Radio = field(default_factory=ModelledRadio)
    name: str = ""

    def __post_init__(self) -> None:
        n, m = self.base.n_users, self.base.n_stations
        position = float_array(self.position_m, "position_m")
        if position.ndim != 3 or position.shape[0] == 0 or position.shape[1:] != (n, 2):
            got = " x ".join(map(str, position.shape)) or "a single number"
            raise InputError(f"has shape {got}, expected slots x {n} x 2", where="position_m")
        slots = len(position)
        self._set("position_m", position)
        self._set("slot_s", number(self.slot_s, "slot_s", minimum=0.0, exclusive=True))
        self._set("present", _present(self.present, (slots, n)))
        network = self.base.network
        cpu = np.tile(network.stations.cpu_hz, (slots, 1)) if self.cpu_hz is None else self.cpu_hz
        self._set("cpu_hz", float_array(cpu, "cpu_hz", shape=(slots, m), minimum=0.0, exclusive=True))
        band = network.bandwidth_hz if self.bandwidth_hz is None else self.bandwidth_hz
        self._set("bandwidth_hz", float_array(band, "bandwidth_hz", shape=(slots,), minimum=0.0, exclusive=True))
        self.radio.check(slots, n, m, placed=network.stations.position_m is not None)

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)

    # --- sizes and who is there -----------------------------------------------------------------------------------

    @property
    def n_slots(self) -> int:
        """T."""
        return len(self.position_m)

    @property
    def n_users(self) -> int:
        """N, the users there are over all slots."""
        return self.base.n_users

    @property
    def n_stations(self) -> int:
        """M."""
        return self.base.n_stations

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 of all that defines the scenario; names and labels are left out."""
        return fingerprint(self)

    def present_users(self, slot: int) -> IntArray:
        """Return the users of the P2 of a slot, in its order, shape (n,)."""
        return np.flatnonzero(self._present[self._slot(slot)])

    def arrivals(self, slot: int) -> IntArray:
        """Return the users who are there in a slot, and not in the one before (in the first: who have no twin)."""
        slot = self._slot(slot)
        before = self._present[slot - 1] if slot else self.base.previous >= 0
        return np.flatnonzero(self._present[slot] & ~before)

    def departures(self, slot: int) -> IntArray:
        """Return the users who left before a slot: there (in the first slot: with a twin) in the slot before."""
        slot = self._slot(slot)
        before = self._present[slot - 1] if slot else self.base.previous >= 0
        return np.flatnonzero(before & ~self._present[slot])

    def spread(self, slot: int, association: IntArray) -> IntArray:
        """Return an association of a slot's users for all N users, -1 for those absent: the next slot's previous one.

        Parameters
        ----------
        slot : int
        association : ndarray of int, shape (n,)
            The server of each present user, as solutions of `problem` have it.
        """
        users = self.present_users(slot)
        given = int_array(association, "association", shape=(users.size,), minimum=-1, maximum=self.n_stations - 1)
        whole = np.full(self.n_users, -1, dtype=np.int64)
        whole[users] = given
        return whole

    # --- slots ----------------------------------------------------------------------------------------------------

    def problem(self, slot: int, previous: IntArray | None = None) -> Migration:
        """Return the P2 of a slot.

        Parameters
        ----------
        slot : int
            0 to T - 1.
        previous : array_like of int, shape (N,), optional
            The association of all users in the slot before, see `spread`; -1 for those who were absent. In the first
            slot that of `base` where not given.

        Raises
        ------
        InputError
            On a slot that is not there, or a previous association that is missing, has a wrong shape, or gives a
            server to a user who was absent.
        """
        slot = self._slot(slot)
        if previous is None:
            if slot:
                raise InputError("is missing", where="previous", mend=f"give the association of slot {slot - 1}")
            before = self.base.previous
        else:
            m = self.n_stations
            before = int_array(previous, "previous", shape=(self.n_users,), minimum=-1, maximum=m - 1)
            absent = (before >= 0) & ~self._present[slot - 1] if slot else np.zeros(self.n_users, dtype=bool)
            if absent.any():
                i = int(absent.argmax())
                raise InputError(
                    f"gives a server to {self.base.network.users.name(i)}, who is absent in slot {slot - 1}",
                    where=f"previous[{i}]",
                    mend="-1 stands for no twin",
                )
        users = self.present_users(slot)
        demand = self.base.demand_hz
        return replace(
            self.base,
            network=self.network(slot),
            demand_hz=None if demand is None else demand[users],
            previous=before[users],
            name=f"{self.name}-t{slot}" if self.name else f"t{slot}",
        )

    def network(self, slot: int) -> Network:
        """Return the network of a slot, with the users who are present; networks used last are kept."""
        slot = self._slot(slot)
        known = self._networks.get(slot)
        if known is not None:
            self._networks.move_to_end(slot)
            return known
        assert self.cpu_hz is not None  # noqa: S101 - set at construction
        assert self.bandwidth_hz is not None  # noqa: S101
        base, present = self.base.network, self.present_users(slot)
        names = base.users.names
        users = replace(
            base.users,
            data_bits=base.users.data_bits[present],
            update_bits=base.users.update_bits[present],
            tx_power_w=base.users.tx_power_w[present],
            deadline_s=base.users.deadline_s[present],
            position_m=self.position_m[slot, present],
            names=None if names is None else tuple(names[i] for i in present.tolist()),
        )
        network = replace(
            base,
            users=users,
            stations=replace(base.stations, cpu_hz=self.cpu_hz[slot]),
            channel=self.radio.channel(slot, present, self._walk, base.stations.position_m),
            bandwidth_hz=float(self.bandwidth_hz[slot]),
        )
        self._networks[slot] = network
        while len(self._networks) > max(1, KEPT_PAIRS // (self.n_users * self.n_stations)):
            self._networks.popitem(last=False)
        return network

    @cached_property
    def _networks(self) -> OrderedDict[int, Network]:
        return OrderedDict()

    @property
    def _present(self) -> BoolArray:
        assert self.present is not None  # noqa: S101 - set at construction
        return self.present

    @cached_property
    def _walk(self) -> Walk:
        step = np.diff(self.position_m, axis=0, prepend=self.position_m[:1])
        return Walk(self.position_m, np.add.accumulate(hypot(step[..., 0], step[..., 1]), axis=0), self.slot_s)

    def _slot(self, slot: int) -> int:
        return int(int_array(slot, "slot", shape=(), minimum=0, maximum=self.n_slots - 1))


def _present(value: object, shape: tuple[int, int]) -> BoolArray:
    """Return who is present as a read-only copy after checking it."""
    present = np.ones(shape, dtype=bool) if value is None else np.array(value)
    if present.dtype != np.bool_:
        raise InputError("is not an array of true and false", where="present")
    if present.shape != shape:
        got, want = (" x ".join(map(str, s)) or "a single value" for s in (present.shape, shape))
        raise InputError(f"has shape {got}, expected {want}", where="present")
    empty = ~present.any(axis=1)
    if empty.any():
        raise InputError(
            "nobody is there",
            where=f"present[{int(empty.argmax())}]",
            mend="a slot needs a user; leave such slots out",
        )
    present.flags.writeable = False
    return present
