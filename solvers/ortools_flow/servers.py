"""Which servers to open: the set to begin with, and changes of one server at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dtopt.problem import Placement
from solvers.loads import largest_servers

if TYPE_CHECKING:
    from collections.abc import Callable

    from dtopt.arrays import BoolArray
    from dtopt.run import Run
    from solvers.ortools_flow.linear import Linearised

__all__ = ["change_servers", "first_servers"]

#: Closed servers that are tried open, and open ones that are tried closed, in each round.
TRIALS = 12


def first_servers(run: Run) -> BoolArray:
    """Return a mask of the servers to begin with: the incumbent's, all of them where opening is free; shape (M,)."""
    problem = run.problem
    if not isinstance(problem, Placement):
        return problem.server_allowed.copy()
    if problem.opening_cost <= 0 and problem.max_open >= problem.n_stations:
        return problem.server_allowed.copy()
    is_open = largest_servers(problem)
    if run.solution is not None:
        is_open[:] = False
        is_open[run.solution.open_servers] = True
    return is_open


def change_servers(run: Run, problem: Placement, linear: Linearised, descend: Callable[[BoolArray], None]) -> None:
    """Close and open servers, one at a time, while the cost falls.

    Parameters
    ----------
    run : Run
        With a solution to begin with.
    problem : Placement
    linear : Linearised
    descend : callable
        Offers the run associations to a set of open servers, a mask of shape (M,).
    """
    changed = True
    while changed:
        changed = False
        for trial in _neighbours(run, problem, linear):
            run.check()
            assert run.evaluation is not None  # noqa: S101 - there is a solution to begin with
            before = run.evaluation.objective
            descend(trial)
            if run.evaluation.objective < before:
                changed = True
                break


def _neighbours(run: Run, problem: Placement, linear: Linearised) -> list[BoolArray]:
    """Return sets of open servers that differ from the incumbent's by one closed, one opened, or both."""
    assert run.solution is not None  # noqa: S101 - there is a solution to begin with
    association = run.solution.association
    count = np.bincount(association, minlength=problem.n_stations)
    is_open = count > 0
    cost = linear.marginal(association)
    present = cost[np.arange(association.size), association]
    # What users would gain by a server if each went there alone.
    gain = np.maximum(0.0, present[:, None] - np.where(np.isfinite(cost), cost, np.inf)).sum(axis=0)
    opened = [k for k in np.argsort(-gain, kind="stable").tolist() if not is_open[k]][:TRIALS]
    closed = [k for k in np.argsort(count, kind="stable").tolist() if is_open[k]][:TRIALS]
    found = []
    if problem.opening_cost > 0 and len(closed) > 1:
        found += [_with(is_open, shut=k) for k in closed]
    if is_open.sum() < problem.max_open:
        found += [_with(is_open, new=k) for k in opened]
    if problem.opening_cost > 0 or is_open.sum() == problem.max_open:
        found += [_with(is_open, shut=shut, new=new) for new in opened for shut in closed]
    return found


def _with(is_open: BoolArray, *, shut: int | None = None, new: int | None = None) -> BoolArray:
    changed = is_open.copy()
    if shut is not None:
        changed[shut] = False
    if new is not None:
        changed[new] = True
    return changed
