"""What a policy sees when it decides: the slot's P2, the past, and, where it asks for one, a forecast."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from dtopt.errors import InputError
from dtopt.simulation.coverage import covered, covered_network, covered_problem

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dtopt.arrays import FloatArray, IntArray
    from dtopt.network import Network
    from dtopt.problem import Migration
    from dtopt.scenario import Scenario
    from dtopt.simulation.forecast import Forecast

__all__ = ["Observation", "Past", "Record"]

#: Records of slots that are kept.
REMEMBERED = 200


class Record(NamedTuple):
    """What was seen in one slot, of all N users: NaN and −1 for those who were absent.

    position_m, shape (N, 2); station, shape (N,), the access station, −1 also without coverage; slowness, shape (N,),
    bandwidth over rate, so that slots of different bandwidth can be compared.
    """

    position_m: FloatArray
    station: IntArray
    slowness: FloatArray


class Past:
    """What has been seen of a scenario up to a slot, that slot included; it refuses to tell of later ones.

    Parameters
    ----------
    scenario : Scenario
    slot : int
        The slot that is being decided.
    associations : sequence of ndarray of int, shape (N,)
        What was decided in the slots before, -1 for users who were absent.
    memory : dict, optional
        Records that slots in turn share, so that none is made twice.
    """

    def __init__(
        self,
        scenario: Scenario,
        slot: int,
        associations: Sequence[IntArray],
        memory: dict[int, Record] | None = None,
    ) -> None:
        self._scenario = scenario
        self._associations = associations
        self._memory = {} if memory is None else memory
        self.slot = slot

    @property
    def n_users(self) -> int:
        """N, all users of the scenario, those included who have not come yet."""
        return self._scenario.n_users

    @property
    def n_stations(self) -> int:
        """M."""
        return self._scenario.n_stations

    @property
    def slot_s(self) -> float:
        """Length of a slot, s."""
        return self._scenario.slot_s

    def users(self, slot: int) -> IntArray:
        """Return the users of a slot's P2, in its order: those who are there and have coverage."""
        return self._scenario.present_users(self._seen(slot))[covered(self._scenario, slot)]

    def network(self, slot: int) -> Network:
        """Return the network of a slot: rates, access stations, CPUs and band, with the users of its P2.

        Raises
        ------
        InputError
            If nobody had coverage.
        """
        return covered_network(self._scenario, self._seen(slot))

    def record(self, slot: int) -> Record:
        """Return where users were in a slot, and what served them."""
        known = self._memory.get(self._seen(slot))
        if known is not None:
            return known
        users, network = self._scenario.present_users(slot), self._scenario.network(slot)
        place = np.full((self.n_users, 2), np.nan)
        place[users] = self._scenario.position_m[slot, users]
        station, slowness = np.full(self.n_users, -1), np.full(self.n_users, np.nan)
        served = network.access_rate_bps > 0
        station[users[served]] = network.access_station[served]
        slowness[users[served]] = network.bandwidth_hz / network.access_rate_bps[served]
        for array in (place, station, slowness):
            array.flags.writeable = False
        self._memory[slot] = Record(place, station, slowness)
        while len(self._memory) > REMEMBERED:
            del self._memory[min(self._memory)]
        return self._memory[slot]

    def recent(self, slots: int) -> Record:
        """Return the records of so many slots up to this one, oldest first, stacked along a first axis."""
        first = max(0, self.slot + 1 - slots)
        records = [self.record(slot) for slot in range(first, self.slot + 1)]
        return Record(*(np.array(fields) for fields in zip(*records, strict=True)))

    def before(self, slot: int) -> Past:
        """Return the past as it was in a slot, this one or an earlier one."""
        return Past(self._scenario, self._seen(slot), self._associations, self._memory)

    def problem(self, slot: int) -> Migration:
        """Return the P2 of a slot, given what was decided before it, on the servers of the scenario.

        Raises
        ------
        InputError
            If nobody had coverage.
        """
        return covered_problem(self._scenario, self._seen(slot), self.association(slot - 1))

    def association(self, slot: int) -> IntArray:
        """Return what was decided in a slot before this one, -1 for those absent, shape (N,); -1: before the first."""
        if slot == -1:
            return self._scenario.base.previous
        if not 0 <= slot < self.slot:
            raise InputError(f"slot {slot} is not decided yet in slot {self.slot}", where="past")
        return self._associations[slot]

    def _seen(self, slot: int) -> int:
        if not 0 <= slot <= self.slot:
            raise InputError(f"slot {slot} is not part of the past of slot {self.slot}", where="past")
        return slot


@dataclass(frozen=True, eq=False)
class Observation:
    """All that a policy decides upon.

    Parameters
    ----------
    slot : int
    problem : Migration
        The P2 of the slot, over the users who are there and have coverage; `previous` is what was decided before.
    users : ndarray of int, shape (n,)
        Which of the scenario's users they are.
    past : Past
        What has been seen so far.
    budget : int
        How many servers may be open, for policies that open others.
    seed : int
        A seed of its own for each slot, so that a resumed run repeats itself.
    """

    slot: int
    problem: Migration
    users: IntArray
    past: Past
    budget: int
    seed: int
    _forecaster: Callable[[str, int], Forecast] | None = field(default=None, repr=False)

    def forecast(self, horizon: int, kind: str = "fitted-motion") -> Forecast:
        """Return what is expected of the next slots, for the users who are there now.

        Parameters
        ----------
        horizon : int
            Slots after this one.
        kind : str
            One of `dtopt.simulation.FORECASTS`.

        Raises
        ------
        InputError
            If the policy has not declared `forecasts`, or the kind is unknown.
        """
        if self._forecaster is None:
            raise InputError("this policy has not declared that it does", where="forecast", mend="forecasts = True")
        return self._forecaster(kind, horizon)
