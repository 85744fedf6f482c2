"""For authors of plug-ins: checks that a solver or an online policy keeps its contract, and tiny problems to test on.

>>> from dtopt.testing import check_solver
>>> check_solver("nearest")
"""

from __future__ import annotations

from dtopt.testing.answers import check_answer
from dtopt.testing.checks import Check, CheckFailed
from dtopt.testing.oracle import brute_force
from dtopt.testing.policy_checks import check_policy, policy_checks
from dtopt.testing.solver_checks import check_solver, solver_checks
from dtopt.testing.tiny import tiny_problem

__all__ = [
    "Check",
    "CheckFailed",
    "brute_force",
    "check_answer",
    "check_policy",
    "check_solver",
    "policy_checks",
    "solver_checks",
    "tiny_problem",
]
