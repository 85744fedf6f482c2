"""The clairvoyant optimum of a scenario, with the whole trace known and migration costs, and upper bounds on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dtopt.arrays import number
from solvers.clairvoyant.result import ClairvoyantResult, judge
from solvers.clairvoyant.search import Search

if TYPE_CHECKING:
    from dtopt.scenario import Scenario

__all__ = ["ClairvoyantResult", "clairvoyant", "clairvoyant_bound", "judge"]


def clairvoyant(scenario: Scenario, *, time_limit: float | None = None, seed: int = 0) -> ClairvoyantResult:
    """Return the best associations of all slots together, proven for small scenarios.

    The dual of `clairvoyant_bound` first; what it leaves open is solved as a time-expanded MILP by HiGHS, its segments
    of load split where its solutions are, until the bound meets the incumbent. Where that is too large or the time
    ends first, the result is that of the bound.

    Parameters
    ----------
    scenario : Scenario
    time_limit : float, optional
        Wall time, s; where it comes first, the best so far and its bound are returned.
    seed : int
    """
    return _solve(scenario, "clairvoyant", time_limit, seed, exact=True)


def clairvoyant_bound(scenario: Scenario, *, time_limit: float | None = None, seed: int = 0) -> ClairvoyantResult:
    """Return an upper bound on the utility of every policy over a scenario, and associations near it.

    A Lagrangian over the servers' loads and users' paths (`solvers.clairvoyant.dual`), valid for any prices; and a
    local search over whole paths, whose result is judged by the evaluator, so that the gap is known.

    Parameters
    ----------
    scenario : Scenario
    time_limit : float, optional
        Wall time, s; looked at between steps.
    seed : int
    """
    return _solve(scenario, "clairvoyant-bound", time_limit, seed, exact=False)


def _solve(scenario: Scenario, name: str, time_limit: float | None, seed: int, *, exact: bool) -> ClairvoyantResult:
    if time_limit is not None:
        number(time_limit, "time limit", minimum=0.0, infinite=True)
    search = Search(scenario, name, time_limit=time_limit, seed=seed)
    search.run(exact=exact)
    return search.result()
