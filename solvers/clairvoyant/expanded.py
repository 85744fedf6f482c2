"""A scenario spread out in time: a row for each user and slot, its servers, and what moving between them takes.

The dual, the search over paths and the MILP all read these arrays. A user's path through a stay is one choice of a
position (a server among the row's candidates) for each of its rows; before the first row of a stay is a source, which
holds the one server where the twin was before, if it had one. `solvers.clairvoyant.expansion` makes them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from dtopt.utility_segments import Segments, ServerUtility

if TYPE_CHECKING:
    from dtopt.arrays import BoolArray, FloatArray, IntArray
    from dtopt.scenario import Scenario

__all__ = ["EQUAL", "FIXED", "MODES", "OPTIMAL", "ExpandedScenario", "Net"]

FIXED, OPTIMAL, EQUAL = 0, 1, 2
MODES = {"fixed": FIXED, "optimal": OPTIMAL, "equal": EQUAL}


class Net(NamedTuple):
    """What compiled code reads. R rows, S sources (numbered R to R + S), C candidates, K cells (a server in a slot).

    Parameters
    ----------
    cell : ndarray of int, shape (R, C)
        The cell of each candidate; the first `width` are used.
    width : ndarray of int, shape (R + S,)
    prior : ndarray of int, shape (R,)
        The user's row in the slot before, or its source.
    slack : ndarray, shape (R, C)
        τ_i less the latency that neither company nor moving changes, s.
    move : ndarray, shape (R, C, C)
        Weighted time to move from a position of the row before to one of this row, s; infinite where hard deadlines
        forbid it.
    decay : ndarray, shape (R, C, C)
        e to its negative power; −1 where it is forbidden.
    growth, size, room : ndarray, shape (R,)
        g_ik = growth_i · rate_k and h_ik = size_i · part_k, see `dtopt.utility_segments`; parts of the deadline that
        rounding may cost, s.
    demand : ndarray, shape (R, C)
        h_ik under ``fixed`` sharing, else shape (1, 1).
    rate, part, places : ndarray, shape (K,)
    starts, item_row, item_pos : ndarray of int
        Rows and positions of the pairs of each cell.
    beta, penalty : float
    hard : bool
        Whether deadlines are hard.
    mode : int
        Sharing.
    """

    cell: IntArray
    width: IntArray
    prior: IntArray
    slack: FloatArray
    move: FloatArray
    decay: FloatArray
    growth: FloatArray
    size: FloatArray
    room: FloatArray
    demand: FloatArray
    rate: FloatArray
    part: FloatArray
    places: FloatArray
    starts: IntArray
    item_row: IntArray
    item_pos: IntArray
    beta: float
    penalty: float
    hard: bool
    mode: int


@dataclass(frozen=True, eq=False)
class ExpandedScenario:
    """A scenario as arrays over time.

    Parameters
    ----------
    scenario : Scenario
    net : Net
    slot, user, server : ndarray of int, shapes (R,), (R,), (R + S, C)
        Where each row and candidate comes from; −1 for no server.
    cell_server : ndarray of int, shape (K,)
    top, even : ndarray, shape (K,)
        The largest level of each cell, and the one at which all servers of the slot are loaded alike.
    constant : float
        −(1−β) Σ E_i over all slots, which no decision changes.
    dense : bool
        Whether every server that a user may use is a candidate. Where not, the last position of a row stands for all
        the others together, see `expand`; its server is M.
    """

    scenario: Scenario
    net: Net
    slot: IntArray
    user: IntArray
    server: IntArray
    cell_server: IntArray
    top: FloatArray
    even: FloatArray
    constant: float
    dense: bool

    @property
    def rows(self) -> int:
        """R."""
        return self.slot.size

    @property
    def real(self) -> Net:
        """`net` without the positions that stand for other servers, for what makes associations."""
        if self.dense:
            return self.net
        return self.net._replace(width=np.minimum(self.net.width, self.net.cell.shape[1] - 1))

    @property
    def last(self) -> BoolArray:
        """Which rows are the last of a stay, shape (R,)."""
        last = np.ones(self.net.width.size, dtype=bool)
        last[self.net.prior] = False
        return last[: self.rows]

    @property
    def stranded(self) -> IntArray:
        """Rows whose user has no server at all."""
        return np.flatnonzero(self.net.width[: self.rows] == 0)

    def associations(self, choice: IntArray) -> tuple[IntArray, ...]:
        """Return the association of each slot's users for a choice of a position in each row."""
        servers = self.server[np.arange(self.rows), choice]
        return tuple(servers[self.slot == t] for t in range(self.scenario.n_slots))

    def choice(self, associations: tuple[IntArray, ...]) -> IntArray | None:
        """Return the positions that associations stand for; None where a server is not among the candidates."""
        found = self.server[: self.rows] == np.concatenate(associations)[:, None]
        return np.asarray(found.argmax(axis=1)) if found.any(axis=1).all() else None

    def first_segments(self, level: FloatArray) -> Segments:
        """Return segments of all cells, fine around the given levels, shape (K,); cells in the place of servers."""
        cells = self.cell_server.size
        utility = ServerUtility(
            sharing=self.scenario.base.sharing,
            deadline_mode="hard" if self.net.hard else "soft",
            slack=np.zeros((1, cells)),
            deadline=np.zeros(1),
            growth=np.zeros(1),
            rate=self.net.rate,
            size=np.zeros(1),
            part=self.net.part,
            demand=None,
            capacity=self.net.places,
            top=self.top,
            beta=self.net.beta,
            penalty=self.net.penalty,
        )
        return utility.first_segments(level)
