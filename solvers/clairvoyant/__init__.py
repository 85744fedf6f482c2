"""The clairvoyant optimum of a scenario, with the whole trace known and migration costs, and upper bounds on it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dtopt.arrays import int_array, number
from dtopt.errors import InputError
from solvers.clairvoyant.result import ClairvoyantResult, judge
from solvers.clairvoyant.search import Search

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dtopt.arrays import IntArray
    from dtopt.scenario import Scenario

__all__ = ["ClairvoyantResult", "clairvoyant", "clairvoyant_bound", "judge"]


#: Relative gap that is enough for a bound.
TARGET = 5e-4


def clairvoyant(
    scenario: Scenario, *, time_limit: float | None = None, seed: int = 0, start: Sequence[IntArray] | None = None
) -> ClairvoyantResult:
    """Return the best associations of all slots together, proven for small scenarios.

    The dual of `clairvoyant_bound` first; then HiGHS chooses among all subsets of users that the dual does not prove to
    be in no better solution (`solvers._core.slot_subsets`, `solvers.clairvoyant.milp`). Where those are too many or the
    time ends first, the result is a feasible sequence and its bound.

    Parameters
    ----------
    scenario : Scenario
    time_limit : float, optional
        Wall time, s; where it comes first, the best so far and its bound are returned.
    seed : int
    start : sequence of ndarray of int, optional
        Associations of all slots to improve on, for example those of a policy.

    Raises
    ------
    InputError
        On a negative time limit, or a start that does not fit the scenario.
    """
    return _solve(scenario, "clairvoyant", seed, start, exact=True, time_limit=time_limit)


def clairvoyant_bound(
    scenario: Scenario,
    *,
    time_limit: float | None = None,
    seed: int = 0,
    start: Sequence[IntArray] | None = None,
    gap: float = TARGET,
    candidates: int | None = None,
) -> ClairvoyantResult:
    """Return an upper bound on the utility of every policy over a scenario, and associations near it.

    The bound is over all sequences of associations on the scenario's servers (``servers`` of its base) that break no
    constraint. Two kinds of trajectory are excepted, since their utility can exceed it: those of policies that open
    other servers (``moves_servers``: `re-placement`), unless the scenario allows all stations as servers, and those
    with a slot that breaks a constraint because no association keeps all.

    A Lagrangian over the servers' loads and the users' paths (`solvers._core.SlotDual`), valid for any prices; and a
    local search over whole paths (`solvers._core.SlotPaths`), whose result is judged by the evaluator. So the gap is
    known.

    Parameters
    ----------
    scenario : Scenario
    time_limit : float, optional
        Wall time, s; looked at between steps.
    seed : int
    start : sequence of ndarray of int, optional
        See `clairvoyant`.
    gap : float
        The bound is tightened until it is within this part of the associations found, or no more comes of it.
    candidates : int, optional
        Servers of each user in each slot that are looked at one by one; the others are relaxed together. All where not
        given, as long as that does not take too much memory.

    Raises
    ------
    InputError
        On a number out of range, or a start that does not fit the scenario.
    """
    gap = number(gap, "gap", minimum=0.0)
    if candidates is not None:
        candidates = int(int_array(candidates, "candidates", shape=(), minimum=1))
    options = {"time_limit": time_limit, "target": gap, "candidates": candidates}
    return _solve(scenario, "clairvoyant-bound", seed, start, exact=False, **options)


def _solve(
    scenario: Scenario, name: str, seed: int, start: Sequence[IntArray] | None, *, exact: bool, **options: Any
) -> ClairvoyantResult:
    if options["time_limit"] is not None:
        number(options["time_limit"], "time limit", minimum=0.0, infinite=True)
    if start is not None and len(start) != scenario.n_slots:
        raise InputError(f"has {len(start)} slots, the scenario {scenario.n_slots}", where="start")
    search = Search(scenario, name, seed=seed, **options)
    search.run(exact=exact, start=start)
    return search.result()
