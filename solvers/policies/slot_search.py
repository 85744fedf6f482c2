"""The search behind the policies that look for good associations: one slot, warm-started, with what lies beyond it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from dtopt.evaluation import evaluate
from dtopt.halting import cancellation
from dtopt.sharing import compute_latency
from dtopt.solution import Solution
from solvers._core import MigrationView, ShiftParams, ShiftSearch
from solvers.local_search.utility import SHARINGS, improve
from solvers.policies.repair import feasible_near, granted, with_room_for

if TYPE_CHECKING:
    from dtopt.arrays import FloatArray, IntArray
    from dtopt.problem import Migration

__all__ = ["columns_of", "search_slot", "search_view", "slot_view"]

#: Up to so many pairs of users swaps and kicks are tried too.
SWAPPED_PAIRS = 40_000
#: Where swaps do not come after it, the shifts end with a pass that gains less than this part of the whole.
ENOUGH = 1e-3


def slot_view(problem: Migration, bonus: FloatArray | None = None) -> tuple[MigrationView, IntArray]:
    """Return the view of a slot for the compiled searches, and which servers its S columns are.

    Parameters
    ----------
    problem : Migration
    bonus : ndarray, shape (N, S), optional
        What each pair is worth beyond this slot.
    """
    n = problem.n_users
    servers = np.flatnonzero(problem.server_allowed)
    users, columns = np.arange(n)[:, None], servers[None, :]
    cpu = problem.network.stations.cpu_hz[servers]
    deadline = np.array(problem.network.users.deadline_s)
    latency = problem.transfer_latency(users, columns)
    demand = None
    growth, rate, size, part = np.zeros(n), np.ones(servers.size), np.zeros(n), np.zeros(servers.size)
    if problem.sharing == "fixed":
        latency = latency + compute_latency(problem.load_cycles[:, None], problem.demand(users, columns))
    # As `dtopt.problem.Problem.pair_allowed` has it, without computing the latencies again.
    allowed = np.isfinite(latency) & (problem.network.stations.capacity[servers] > 0)
    if problem.deadlines_bind:
        allowed &= np.isfinite(problem.compute_floor(users, columns))
    if problem.sharing == "fixed":
        reserved = problem.reserved_part(users, columns)
        allowed &= reserved <= 1.0
        demand = np.where(allowed, reserved, 0.0)
    else:
        if problem.sharing == "equal":
            growth, rate, size, part = problem.load_cycles, 1.0 / cpu, np.ones(n), np.ones(servers.size)
        else:
            growth, size, part = problem.root_load, problem.root_load, 1.0 / cpu
    view = MigrationView(
        slack=np.where(allowed, deadline[:, None] - latency, -np.inf),
        demand=demand,
        deadline=deadline,
        growth=np.ascontiguousarray(growth),
        rate=rate,
        size=np.ascontiguousarray(size),
        part=part,
        capacity=np.minimum(problem.network.stations.capacity[servers], n).astype(np.int64),
        beta=float(problem.beta),
        penalty=0.0 if problem.deadline == "hard" else float(problem.deadline_penalty),
        hard=problem.deadlines_bind,
        sharing=SHARINGS[problem.sharing],
    )
    return view if bonus is None else view.with_bonus(np.ascontiguousarray(bonus)), servers


def columns_of(association: IntArray, servers: IntArray, stations: int) -> IntArray:
    """Return which of the S columns users' servers are, -1 where there is none or it is no column; any shape.

    Parameters
    ----------
    association : ndarray of int
        Stations, -1 for none.
    servers : ndarray of int, shape (S,)
    stations : int
        M.
    """
    # The last one stands for no station.
    column = np.full(stations + 1, -1, dtype=np.int64)
    column[servers] = np.arange(servers.size)
    return np.asarray(column[association])


def search_slot(
    problem: Migration, start: IntArray, *, bonus: FloatArray | None = None, iterations: int = 0, seed: int = 0
) -> IntArray:
    """Return a good association near a start, feasible where `solvers.policies.repair.feasible_near` finds one that is.

    Users without a server are placed, then users are shifted, and in small slots swapped and kicked, while the utility
    and the bonus together grow.

    Parameters
    ----------
    problem : Migration
    start : ndarray of int, shape (N,)
        A wish, see `solvers.policies.repair.feasible_near`; -1 for none.
    bonus : ndarray, shape (N, S), optional
        What a user on an allowed server is worth beyond this slot.
    iterations : int
        Kicks, in small slots.
    seed : int
    """
    view, servers = slot_view(problem, bonus)
    return search_view(problem, start, view, servers, iterations=iterations, seed=seed)


def search_view(
    problem: Migration,
    start: IntArray,
    view: MigrationView,
    servers: IntArray,
    *,
    iterations: int = 0,
    seed: int = 0,
    swaps: bool = True,
) -> IntArray:
    """Do what `search_slot` does, on a view that `slot_view` has made, the bonus in it.

    Without `swaps` and where deadlines are soft it ends with shifts, and their result is not judged: it is feasible.
    """
    small = problem.n_users**2 <= SWAPPED_PAIRS
    enough = 0.0 if small else ENOUGH
    found, missing = _shifted(view, columns_of(granted(problem, start), servers, problem.n_stations), enough)
    if not missing and not swaps and not view.hard:
        return np.asarray(servers[found])
    if missing or not evaluate(problem, Solution(servers[found])).feasible:
        first = feasible_near(problem, start)
        if not evaluate(problem, Solution(first)).feasible:
            bonus = view.bonus if view.bonus.size else None
            if problem.deadlines_bind:
                # Hard deadlines that nobody can meet: as little as possible late.
                wider = replace(problem, deadline="soft")
            else:
                # Too few places or too little CPU: searched without filling any server further.
                wider = with_room_for(problem, first)
                if not evaluate(wider, Solution(first)).feasible:
                    return first
            return search_slot(wider, first, bonus=bonus, iterations=iterations, seed=seed)
        found, _ = _shifted(view, columns_of(first, servers, problem.n_stations), enough)
    if small and swaps:
        found = improve(view, found, iterations, seed)
    return np.asarray(servers[found])


def _shifted(view: MigrationView, start: IntArray, enough: float) -> tuple[IntArray, int]:
    """Return the association after shifts from a start, in columns, and how many users have no server."""
    params = ShiftParams()
    params.enough = enough
    search = ShiftSearch(view, start)
    search.run(params, cancellation())
    return search.association, search.missing
