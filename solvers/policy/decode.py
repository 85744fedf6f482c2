"""From what the network says to associations: users to the cheapest open server with room, then exact sweeps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dtopt.halting import cancellation
from solvers import _core
from solvers._core import PairData

if TYPE_CHECKING:
    from dtopt.arrays import BoolArray, FloatArray, IntArray
    from solvers.local_search.candidates import Integers, Lists
    from solvers.policy.graph import Floats32

__all__ = ["Decoder"]

#: Sweeps over all users at most.
SWEEPS = 12


class Decoder:
    """Turns sets of open servers and prices into associations; one for each instance, used again and again.

    Parameters
    ----------
    lists : Lists
    """

    def __init__(self, lists: Lists) -> None:
        self.lists = lists
        self._decoder = _core.Decoder(lists.view)

    @property
    def fits(self) -> bool:
        """Whether demands must fit into CPUs, so that sets lead to no association without swaps and ejections."""
        return self.lists.view.data == PairData.FITTING

    def decode(
        self, is_open: BoolArray, priced: Floats32, *, sweeps: int = SWEEPS, swaps: bool = True
    ) -> tuple[FloatArray, Integers]:
        """Return the costs and slots of the associations that sets of open servers lead to.

        Once the time of the run under way is over, users are placed but no longer moved.

        Parameters
        ----------
        is_open : ndarray of bool, shape (K, M)
        priced : ndarray of float32, shape (N, C)
            What each listed pair costs at the network's prices.
        sweeps : int
            Times at most that all users are shifted to the server of least marginal cost.
        swaps : bool
            Whether pairs of users change servers too where shifts no longer help.

        Returns
        -------
        cost : ndarray, shape (K,)
            Infinite where a constraint is broken; the constant part of the objective is left out.
        slots : ndarray of int32, shape (K, N)
        """
        return self._decoder.decode(
            np.ascontiguousarray(is_open), np.ascontiguousarray(priced), sweeps, swaps, cancellation()
        )

    def association(self, slots: Integers) -> IntArray:
        """Return an association from one row of slots."""
        found = np.take_along_axis(self.lists.station, slots[:, None].astype(np.int64), axis=1)[:, 0]
        if self.lists.order is None:
            return found.astype(np.int64)
        association = np.empty(found.size, dtype=np.int64)
        association[self.lists.order] = found
        return association
