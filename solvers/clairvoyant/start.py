"""Where the ascent of the dual over time starts: levels and prices at which users choosing paths for themselves agree.

Users spread over paths by a logit of what they gain on them at the present prices; levels, and the prices of load and
places, follow from who is where, until neither changes much (see `dtopt.utility_start` for one slot).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from solvers._core import Sharing, SlotDual, SlotDualParams, SlotPrices, SlotStartParams, slot_start

if TYPE_CHECKING:
    from dtopt._core import Cancellation
    from solvers.clairvoyant.expanded import ExpandedScenario

__all__ = ["start"]


def start(
    expanded: ExpandedScenario,
    cancellation: Cancellation,
    *,
    first: SlotStartParams | None = None,
    params: SlotDualParams | None = None,
) -> tuple[SlotDual, SlotPrices]:
    """Return the dual over first segments, and prices to begin with.

    Every row must have a server.
    """
    view = expanded.view
    found = slot_start(view, expanded.even, expanded.top, first or SlotStartParams(), cancellation)
    level, load, place = found.cells.level, found.cells.load, found.cells.place
    segments = expanded.first_segments(level)
    cell = segments.server
    load = load[cell]
    if view.sharing != Sharing.FIXED:
        middle = 0.5 * (segments.low + segments.high)
        load = load * np.divide(middle, level[cell], out=np.ones_like(middle), where=level[cell] > 0)
    dual = SlotDual(view, cell, segments.low, segments.high, found.unit, params or SlotDualParams())
    return dual, SlotPrices(found.serve, found.node, load, place[cell])
