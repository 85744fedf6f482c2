"""The time-expanded MILP: one subset of users for each server and slot, so that their edges make whole paths.

With every subset valued exactly, the model needs neither levels nor segments and holds for all sharing policies. Its
relaxation is the convex hull of each server's choices, which no dual can better.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import highspy
import numpy as np

from solvers.highs import HighsRun, quiet_highs

if TYPE_CHECKING:
    from dtopt.arrays import IntArray
    from solvers._core import SlotSubsets
    from solvers.clairvoyant.expanded import ExpandedScenario

__all__ = ["Answer", "SubsetModel"]

#: By so much, relatively, a bound of HiGHS is widened for its rounding.
WIDENING = 1e-8
#: Relative gap that is enough, and feasibility tolerances, absolute.
TOLERANCE, FEASIBILITY = 1e-7, 1e-9


@dataclass(frozen=True)
class Answer:
    """What HiGHS says: the status, an upper bound (plus infinity where there is none), and the choice of each row."""

    status: Literal["optimal", "infeasible", "stopped"]
    bound: float
    choice: IntArray | None


class SubsetModel:
    """The MILP over subsets of users.

    Parameters
    ----------
    expanded : ExpandedScenario
    subsets : SlotSubsets
        All that may be in a solution of interest. That a cell may be empty goes without saying.
    """

    def __init__(self, expanded: ExpandedScenario, subsets: SlotSubsets) -> None:
        self.expanded, self.subsets = expanded, subsets
        self.forbidden: list[IntArray] = []

    def solve(self, seconds: float, seed: int) -> Answer:
        """Solve the model within a time."""
        view, rows, width = self.expanded.view, self.expanded.rows, self.expanded.view.positions
        subsets = self.subsets
        cell, row, source, position = subsets.cell, subsets.row, subsets.source, subsets.position
        if np.unique(row).size < rows:
            return Answer("infeasible", -math.inf, None)
        subset = np.repeat(np.arange(cell.size), np.diff(subsets.starts))
        # Rows: one subset a cell; each row of the scenario once; into each node as often as out of it.
        into, before = row * width + position, view.prior[row] * width + source
        inner_in = view.next[row] >= 0
        inner_out = view.prior[row] < rows
        parts = [
            (cell, np.arange(cell.size), np.ones(cell.size)),
            (view.cells + row, subset, np.ones(row.size)),
        ]
        offset = view.cells + rows
        parts.append((offset + into[inner_in], subset[inner_in], np.ones(int(inner_in.sum()))))
        parts.append((offset + before[inner_out], subset[inner_out], -np.ones(int(inner_out.sum()))))
        count = offset + rows * width
        low, high = np.zeros(count), np.zeros(count)
        low[: view.cells], high[: view.cells] = -np.inf, 1.0
        low[view.cells : offset] = high[view.cells : offset] = 1.0
        for number, choice in enumerate(self.forbidden):
            taken = choice[row] == position
            parts.append((np.full(int(taken.sum()), count + number), subset[taken], np.ones(int(taken.sum()))))
        low = np.concatenate([low, np.full(len(self.forbidden), -np.inf)])
        high = np.concatenate([high, np.full(len(self.forbidden), rows - 1.0)])
        scale = float(np.abs(subsets.worth).mean()) * math.sqrt(rows) or 1.0
        highs = quiet_highs(
            mip_rel_gap=TOLERANCE,
            mip_abs_gap=0.0,
            random_seed=seed % 2**31,
            primal_feasibility_tolerance=FEASIBILITY,
            dual_feasibility_tolerance=FEASIBILITY,
            mip_feasibility_tolerance=FEASIBILITY,
        )
        highs.addVars(cell.size, np.zeros(cell.size), np.ones(cell.size))
        columns = np.arange(cell.size, dtype=np.int32)
        highs.changeColsCost(cell.size, columns, -subsets.worth / scale)
        highs.changeColsIntegrality(cell.size, columns, np.full(cell.size, highspy.HighsVarType.kInteger))
        at, column, value = (np.concatenate([part[k] for part in parts]) for k in range(3))
        order = np.argsort(at, kind="stable")
        begins = np.searchsorted(at[order], np.arange(low.size)).astype(np.int32)
        highs.addRows(low.size, low, high, order.size, begins, column[order].astype(np.int32), value[order])
        handled = HighsRun(highs, seconds=float(seconds))
        handled.run()
        if handled.abandoned:
            bound = -handled.bound
            widened = (bound + WIDENING * max(abs(bound), 1e-3)) * scale if math.isfinite(bound) else math.inf
            return Answer("stopped", widened, None)
        status, kinds = highs.getModelStatus(), highspy.HighsModelStatus
        # The model is bounded, so "unbounded or infeasible" is infeasible.
        if status in {kinds.kInfeasible, kinds.kUnboundedOrInfeasible}:
            return Answer("infeasible", -math.inf, None)
        bound = -highs.getInfo().mip_dual_bound
        bound = (bound + WIDENING * max(abs(bound), 1e-3)) * scale if math.isfinite(bound) else math.inf
        solution = highs.getSolution()
        found: IntArray | None = None
        if solution.value_valid and len(solution.col_value):
            on = np.array(solution.col_value) > 0.5
            found = np.zeros(rows, dtype=np.int64)
            found[row[on[subset]]] = position[on[subset]]
        return Answer("optimal" if status == kinds.kOptimal else "stopped", bound, found)
