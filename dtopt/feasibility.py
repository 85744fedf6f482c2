"""Proofs of infeasibility without search: counts, a maximum flow, and prices from a linear relaxation."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from dtopt.channel import row_blocks
from dtopt.conflicts import Conflict, Limits, needed_kinds
from dtopt.evaluation import evaluate
from dtopt.solution import UNASSIGNED, Solution
from dtopt.tolerances import within

if TYPE_CHECKING:
    from dtopt.arrays import BoolArray, FloatArray, IntArray
    from dtopt.problem import Problem

__all__ = [
    "Answer",
    "check_counts",
    "competing",
    "counted_conflict",
    "flow",
    "obvious_conflict",
    "priced_conflict",
    "served",
    "structural_conflict",
]

#: What a check says of users: whether they can be served together.
Answer = Literal["feasible", "infeasible", "unknown"]

#: Above this many pairs the checks that look at all of them are left to the solvers.
MOST_PAIRS = 20_000_000
#: Above this many pairs the maximum flow, which needs all of them at once, is left out.
FLOW_PAIRS = 200_000
#: Pairs of users and servers that are looked at, over and over, for users who have only a few servers between them.
GROUP_PAIRS = 500_000
#: Up to so many users who conflict by counts are looked at one by one, whether some can be left out.
FEW = 60
#: Slack given to sums of CPU, so that rounding never proves an instance infeasible.
SLACK = 1e-9
#: What prices must gain on the servers, relative to what these can take, to be a proof in spite of rounding.
GAIN = 1e-7
#: A time limit for HiGHS where there is none, s.
LONGEST_S = 1e6
#: So many users are named in a message; the rest are counted.
NAMED = 3


def obvious_conflict(problem: Problem, *, structural: bool = True, seconds: float = math.inf) -> str | None:
    """Return one line on why the problem has no feasible solution, or None where these checks do not tell.

    They look, in this order, for users without coverage, too few places on the servers that may be open, users whose
    deadline or CPU demand no server meets, a total CPU demand above the total supply, and (see
    `structural_conflict`) users that compete for too few servers.

    Parameters
    ----------
    problem : Problem
    structural : bool
        Whether to make the last check, which takes milliseconds where the others take microseconds.
    seconds : float
        How long it may look for fewer users and kinds of constraint that conflict as well.
    """
    if problem.network.channel is not None:
        uncovered = np.flatnonzero(~np.isfinite(problem.wireless_latency))
        if uncovered.size:
            return f"no station covers {_who(problem, uncovered)}: the rate to every station is 0"
    allowed = problem.server_allowed
    capacity = np.minimum(np.where(allowed, problem.network.stations.capacity, 0), problem.n_users)
    places = int(np.sort(capacity)[::-1][: problem.max_open].sum())
    if places < problem.n_users:
        limit = f" on the {problem.max_open} largest servers" if problem.max_open < problem.n_stations else ""
        return f"{problem.n_users} users, but the servers have room for only {places} twins{limit}"
    if not problem.deadlines_bind and problem.sharing != "fixed":
        return None
    stranded = _stranded(problem)
    if stranded.size:
        why = "keeps the deadline of" if problem.deadlines_bind else "has enough CPU for"
        return f"no server {why} {_who(problem, stranded)}, not even alone"
    if problem.sharing != "equal" and problem.n_users * problem.n_stations <= MOST_PAIRS:
        cpu = np.sort(np.where(allowed, problem.network.stations.cpu_hz, 0.0))[::-1][: problem.max_open].sum()
        needed = _enough_cpu(problem).sum()
        if needed > within(cpu):
            needed = _least_cpu(problem).sum()
        if needed > within(cpu):
            cause = "meet their deadlines" if problem.sharing == "optimal" else "run"
            return f"the twins need at least {needed:.4g} Hz of CPU to {cause}, the servers have {cpu:.4g} Hz"
    if structural and problem.n_users * problem.n_stations <= FLOW_PAIRS:
        conflict = structural_conflict(problem, seconds)
        return None if conflict is None else str(conflict)
    return None


def structural_conflict(problem: Problem, seconds: float = math.inf) -> Conflict | None:
    """Return users that compete for too few servers, as `competing` proves; None where it does not.

    For instances whose matrices of all pairs are not too large. After so many seconds the conflict is returned as it
    is, not irreducible.
    """
    until = time.perf_counter() + seconds
    limits = Limits.of(problem)
    users = competing(limits)
    if not users.size:
        return None
    conclusive = users.size <= FEW
    for user in users.tolist() if conclusive else ():
        if time.perf_counter() > until:
            conclusive = False
            break
        rest = users[users != user]
        answer, association = check_counts(limits.rows(rest))
        if answer == "infeasible":
            users = rest
        else:
            conclusive &= answer == "feasible" and served(problem, rest, association)

    def proven(fewer: Limits) -> bool:
        nonlocal conclusive
        if time.perf_counter() > until:
            conclusive = False
            return False
        answer = check_counts(fewer)[0]
        conclusive &= answer != "unknown"
        return answer == "infeasible"

    kinds = needed_kinds(problem, users, proven)
    return Conflict.of(problem, users, kinds, irreducible=conclusive)


def check_counts(limits: Limits) -> tuple[Answer, IntArray]:
    """Return whether counts prove that users cannot be served together or that they can, and how if they can."""
    none: IntArray = np.zeros(0, dtype=np.int64)
    if counted_conflict(limits) is not None:
        return "infeasible", none
    association, deficient = flow(limits)
    if deficient.size:
        return "infeasible", none
    rows, m = np.arange(association.size), limits.room.size
    count = np.bincount(association, minlength=m)
    cpu = np.bincount(association, weights=limits.part[rows, association], minlength=m)
    shared = (count[association] <= limits.most[rows, association]).all()
    kept = shared and (cpu <= 1.0).all() and (count > 0).sum() <= limits.max_open
    return ("feasible", association) if kept else ("unknown", none)


def served(problem: Problem, users: IntArray, association: IntArray) -> bool:
    """Return whether the evaluator accepts an association of some users, the others left out.

    Where it does not, though `Limits` do, the matter lies within its tolerances.
    """
    full: IntArray = np.full(problem.n_users, UNASSIGNED, dtype=np.int64)
    full[users] = association
    # A user without a server is a violation too; those left out are the only ones that may be.
    broken = [violation.name != "assignment" for violation in evaluate(problem, Solution(full)).violations]
    return not any(broken) and len(broken) == problem.n_users - users.size


def competing(limits: Limits) -> IntArray:
    """Return rows of `limits` that are more than their servers can keep; empty where no counts and sums show any."""
    rows = counted_conflict(limits)
    if rows is None:
        rows = flow(limits)[1]
    if not rows.size:
        rows = _neighbours(limits)
    return _trimmed(limits, rows)


def _neighbours(limits: Limits) -> IntArray:
    """Return rows that `counted_conflict` finds among those that can be on one user's servers only; or none."""
    groups = np.unique(limits.allowed, axis=0)
    budget = GROUP_PAIRS
    for group in groups[np.argsort(groups.sum(axis=1), kind="stable")]:
        rows = np.flatnonzero(~(limits.allowed & ~group).any(axis=1))
        found = counted_conflict(limits.rows(rows))
        if found is not None:
            return rows[found]
        budget -= limits.allowed.size
        if budget < 0:
            break
    return np.zeros(0, dtype=np.int64)


def counted_conflict(limits: Limits) -> IntArray | None:
    """Return rows of `limits` that conflict by counting alone, or None.

    Either they are all, and more than the servers that may be open can keep or in need of more CPU, in servers; or no
    server is allowed for two of them, and they are more than may be open.
    """
    n = limits.allowed.shape[0]
    if limits.largest(limits.together()) < n:
        return np.arange(n)
    least = np.where(limits.allowed, limits.part, np.inf).min(axis=1).sum()
    if least > limits.largest(limits.allowed.any(axis=0).astype(float)) + SLACK * n:
        return np.arange(n)
    if limits.max_open < limits.room.size:
        taken: BoolArray = np.zeros(limits.room.size, dtype=bool)
        apart: list[int] = []
        for i in np.argsort(limits.allowed.sum(axis=1), kind="stable").tolist():
            if not (taken & limits.allowed[i]).any():
                apart.append(i)
                taken |= limits.allowed[i]
                if len(apart) > limits.max_open:
                    return np.sort(np.array(apart))
    return None


def flow(limits: Limits) -> tuple[IntArray, IntArray]:
    """Serve as many users as counts alone permit, by a maximum flow from users to servers.

    Returns
    -------
    association : ndarray of int, shape (n,)
        The server of each row, -1 for those left over. It keeps to counts, not always to CPU.
    deficient : ndarray of int
        Rows that violate Hall's condition: more than all their servers can keep together. Empty where none is left
        over; else those that the residual network reaches from the source.
    """
    from scipy.sparse import coo_array, csr_array
    from scipy.sparse.csgraph import breadth_first_order, maximum_flow

    n, m = limits.allowed.shape
    row, column = np.nonzero(limits.allowed)
    source, sink = n + m, n + m + 1
    tail = np.concatenate([np.full(n, source), row, n + np.arange(m)])
    head = np.concatenate([np.arange(n), n + column, np.full(m, sink)])
    bound = np.concatenate([np.ones(n + row.size, dtype=np.int64), limits.together()]).astype(np.int32)
    network = csr_array(coo_array((bound, (tail, head)), shape=(n + m + 2, n + m + 2)))
    best = maximum_flow(network, source, sink)
    carried = coo_array(best.flow)
    used = (carried.data > 0) & (carried.row < n) & (carried.col >= n) & (carried.col < source)
    association: IntArray = np.full(n, -1, dtype=np.int64)
    association[carried.row[used]] = carried.col[used] - n
    if best.flow_value == n:
        return association, np.zeros(0, dtype=np.int64)
    residual = csr_array(network - best.flow)
    residual.eliminate_zeros()
    reached = breadth_first_order(residual, source, return_predecessors=False)
    return association, np.sort(reached[reached < n]).astype(np.int64)


def _trimmed(limits: Limits, rows: IntArray) -> IntArray:
    """Return part of some conflicting rows, those hardest to place: one more than their servers can keep together."""
    while rows.size:
        some = limits.rows(rows)
        keep = int(some.largest(some.together())) + 1
        if keep >= rows.size:
            break
        order = np.lexsort((-some.part.max(axis=1), some.allowed.sum(axis=1)))
        rows = np.sort(rows[order[:keep]])
    return rows


def priced_conflict(limits: Limits, seconds: float = np.inf) -> IntArray | None:
    """Return rows of `limits` that conflict even if twins could be divided among servers, or None.

    For prices a_k >= 0 of a place and b_k >= 0 of the CPU of server k, a user pays at least
    p_i = min_k a_k + b_k part_ik wherever it is, and a server takes at most a_k n_k + b_k, n_k the twins that it can
    keep together. Where all users pay more than the servers that may be open can take there is no feasible
    association, and those with p_i > 0 are the conflict. The prices are the dual of the linear relaxation that leaves
    as few users unserved as it can; the proof is checked apart from it.
    """
    from scipy.optimize import linprog
    from scipy.sparse import csr_array

    n, m = limits.allowed.shape
    row, column = np.nonzero(limits.allowed)
    part, together = limits.part[row, column], limits.together()
    pairs = np.arange(row.size)
    unserved, is_open = row.size + np.arange(n), row.size + n + np.arange(m)
    # Rows: users are served or not, places, CPU, open servers.
    at = np.concatenate([row, np.arange(n), n + column, n + np.arange(m), n + m + column, n + m + np.arange(m)])
    on = np.concatenate([pairs, unserved, pairs, is_open, pairs, is_open])
    value = np.concatenate([np.full(row.size + n, -1.0), np.ones(row.size), -together, part, np.full(m, -1.0)])
    at, on = np.append(at, np.full(m, n + 2 * m)), np.append(on, is_open)
    matrix: Any = csr_array((np.append(value, np.ones(m)), (at, on)), shape=(n + 2 * m + 1, row.size + n + m))
    side = np.concatenate([np.full(n, -1.0), np.zeros(2 * m), [float(limits.max_open)]])
    cost = np.zeros(matrix.shape[1])
    cost[unserved] = 1.0
    limit = min(seconds, LONGEST_S)
    found = linprog(cost, matrix, side, bounds=(0.0, 1.0), method="highs", options={"time_limit": limit})
    if found.status != 0:
        return None
    price = np.maximum(-found.ineqlin.marginals, 0.0)
    place, cpu = price[n : n + m], price[n + m : n + 2 * m]
    pays = np.where(limits.allowed, place + cpu * limits.part, np.inf).min(axis=1)
    taken = limits.largest(place * together + cpu)
    if not np.minimum(pays, 1.0 + taken).sum() > taken + GAIN * (1.0 + taken):
        return None
    return np.flatnonzero(pays > 0)


def _who(problem: Problem, users: IntArray) -> str:
    shown = ", ".join(problem.network.users.name(int(i)) for i in users[:NAMED])
    return shown if users.size <= NAMED else f"{shown} and {users.size - NAMED} more"


def _stranded(problem: Problem) -> IntArray:
    """Return the users that no server can serve even alone."""
    users = np.arange(problem.n_users)
    if problem.network.channel is not None:
        # Most users are fine on their access station, and need no look at all the others.
        users = users[~problem.pair_allowed(users, problem.network.access_station)]
    if users.size * problem.n_stations > MOST_PAIRS:
        return users[:0]
    hopeless: BoolArray = np.zeros(users.size, dtype=bool)
    servers = np.arange(problem.n_stations)[None, :]
    for start, stop in row_blocks(users.size, problem.n_stations):
        hopeless[start:stop] = ~problem.pair_allowed(users[start:stop, None], servers).any(axis=1)
    return users[hopeless]


def _enough_cpu(problem: Problem) -> FloatArray:
    """Return no less than `_least_cpu`, for a fraction of its time: what twins take on their access stations."""
    users = np.arange(problem.n_users)
    if problem.network.channel is None:
        return np.full(users.size, np.inf)
    return _cpu_alone(problem, users, problem.network.access_station)


def _least_cpu(problem: Problem) -> FloatArray:
    """Return the least CPU that each user's twin takes on any server it may be on, shape (N,)."""
    least = np.empty(problem.n_users)
    users, servers = np.arange(problem.n_users)[:, None], np.arange(problem.n_stations)[None, :]
    for start, stop in row_blocks(problem.n_users, problem.n_stations):
        rows = users[start:stop]
        least[start:stop] = _cpu_alone(problem, rows, servers).min(axis=1)
    return least


def _cpu_alone(problem: Problem, users: IntArray, servers: IntArray) -> FloatArray:
    """Return the least CPU that twins take on servers, infinite where a pair is not allowed."""
    cpu = problem.demand(users, servers) if problem.sharing == "fixed" else problem.compute_floor(users, servers)
    return np.where(problem.pair_allowed(users, servers), cpu, np.inf)
