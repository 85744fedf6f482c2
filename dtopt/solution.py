"""A solution: open servers, association and CPU shares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from dtopt.arrays import FloatArray, IntArray, float_array, int_array
from dtopt.errors import InputError

if TYPE_CHECKING:
    import numpy.typing as npt

    from dtopt.problem import Problem

__all__ = ["UNASSIGNED", "Solution"]

#: Stands for "no server" in an association.
UNASSIGNED = -1


@dataclass(frozen=True, eq=False)
class Solution:
    """Which servers are open and which one keeps each user's twin.

    Parameters
    ----------
    association : array_like of int, shape (N,)
        The server of each user; `UNASSIGNED` for none. One entry a user, so (18e) holds by construction.
    open_servers : array_like of int, optional
        The stations that act as servers; those in use where not given.
    cpu_share_hz : array_like, shape (N,), optional
        f_ik of each user on its server, cycles/s; what the sharing policy of the problem gives where not given.

    Raises
    ------
    InputError
        On wrong shapes, negative shares, or an open server named twice.
    """

    association: IntArray
    open_servers: IntArray = None  # type: ignore[assignment] # derived below where not given
    cpu_share_hz: FloatArray | None = None

    def __post_init__(self) -> None:
        association = int_array(self.association, "association", minimum=UNASSIGNED)
        if association.ndim != 1:
            raise InputError("must be a list with one server for each user", where="association")
        object.__setattr__(self, "association", association)
        if self.open_servers is None:
            servers = np.unique(association[association >= 0])
        else:
            given = int_array(self.open_servers, "open_servers", minimum=0)
            servers = np.unique(given)
            if given.ndim != 1 or servers.size != given.size:
                raise InputError("must be a list of stations, each once", where="open_servers")
        servers.flags.writeable = False
        object.__setattr__(self, "open_servers", servers)
        if self.cpu_share_hz is not None:
            shares = float_array(self.cpu_share_hz, "cpu_share_hz", shape=association.shape, minimum=0.0)
            object.__setattr__(self, "cpu_share_hz", shares)

    def check(self, problem: Problem) -> None:
        """Raise InputError unless the sizes fit the problem."""
        m = problem.n_stations
        int_array(self.association, "association", shape=(problem.n_users,), maximum=m - 1)
        int_array(self.open_servers, "open_servers", maximum=m - 1)

    def counts(self, n_stations: int) -> npt.NDArray[np.int64]:
        """Return the number of twins on each station, shape (M,)."""
        return np.bincount(self.association[self.association >= 0], minlength=n_stations)
