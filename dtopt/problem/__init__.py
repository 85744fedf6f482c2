"""The two problems: P1 `Placement` (18) and P2 `Migration` (21), over one common association problem.

Solvers that work for both see a problem through `Problem`: for each pair of user and server a transfer latency
(all that does not depend on who else is there), for each user the bits to be computed, and the CPU-sharing
policy that turns an association into CPU shares. `dtopt.sharing` has the shares, `dtopt.evaluation` the judge.
"""

from __future__ import annotations

from dtopt.problem.common import DeadlineMode, Problem, Sharing
from dtopt.problem.migration import LONGEST_UTILITY_DEADLINE_S, Interaction, Migration
from dtopt.problem.placement import Objective, Placement

__all__ = [
    "LONGEST_UTILITY_DEADLINE_S",
    "DeadlineMode",
    "Interaction",
    "Migration",
    "Objective",
    "Placement",
    "Problem",
    "Sharing",
]
