"""A scenario spread out in time: a row for each user and slot, its servers, and what moving between them takes.

The dual, the search over paths and the MILP all read its view in the compiled core, `SlotView`. A user's path through a
stay is one choice of a position (a server among the row's candidates) for each of its rows; before the first row of a
stay is a source, which holds the one server where the twin was before, if it had one. `solvers.clairvoyant.expansion`
makes it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from dtopt.utility_segments import ServerUtility

if TYPE_CHECKING:
    from dtopt.arrays import FloatArray, IntArray
    from dtopt.scenario import Scenario
    from dtopt.utility_segments import Segments
    from solvers._core import SlotView

__all__ = ["ExpandedScenario"]


@dataclass(frozen=True, eq=False)
class ExpandedScenario:
    """A scenario as arrays over time.

    Parameters
    ----------
    scenario : Scenario
    view : SlotView
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
    view: SlotView
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
    def stranded(self) -> IntArray:
        """Rows whose user has no server at all."""
        return np.flatnonzero(self.view.width[: self.rows] == 0)

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
            deadline_mode="hard" if self.view.hard else "soft",
            slack=np.zeros((1, cells)),
            deadline=np.zeros(1),
            growth=np.zeros(1),
            rate=self.view.rate,
            size=np.zeros(1),
            part=self.view.part,
            demand=None,
            capacity=self.view.places,
            top=self.top,
            beta=self.view.beta,
            penalty=self.view.penalty,
        )
        return utility.first_segments(level)
