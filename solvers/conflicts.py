"""Why an instance is infeasible: a small set of users, and of kinds of constraint, that cannot be met together.

Counts and prices (`dtopt.feasibility`) give a first set where they can. A deletion filter that halves first,
QuickXplain (Junker, 2004), then leaves out users, and after them kinds of constraint, as long as HiGHS proves the rest
infeasible.
"""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

import numpy as np

from dtopt.conflicts import Conflict, Limits, needed_kinds
from dtopt.feasibility import check_counts, competing, priced_conflict, served
from dtopt.solution import UNASSIGNED

if TYPE_CHECKING:
    import highspy

    from dtopt.arrays import BoolArray, FloatArray, IntArray
    from dtopt.feasibility import Answer
    from dtopt.problem import Problem
    from dtopt.run import Run

__all__ = ["name_conflict", "small_conflict"]

#: Above this many pairs no conflict is looked for.
MOST_PAIRS = 2_000_000
#: Time that solvers spend on naming a conflict, s.
SECONDS = 10.0
#: One feasibility check after the first takes at most this part of the time left.
PART_OF_TIME = 0.1
#: This part of the time is kept for leaving out kinds of constraint.
PART_FOR_KINDS = 0.2
#: Primal and integer feasibility, absolute, in rows whose sides are of order 1.
FEASIBILITY = 1e-9


def small_conflict(problem: Problem, seconds: float, *, proven: bool = False) -> Conflict | None:
    """Return a small set of users that cannot be served together, or None where all can or no proof is found in time.

    Parameters
    ----------
    problem : Placement or Migration
    seconds : float
        When they are over, the smallest set proven so far is returned, not irreducible.
    proven : bool
        Whether the problem is known to be infeasible, so that this is not proven again.
    """
    if problem.n_users * problem.n_stations > MOST_PAIRS:
        return None
    search = _Filter(problem, seconds * (1.0 - PART_FOR_KINDS))
    users = search.first(proven=proven)
    if users is None:
        return None
    users = search.smallest(users)
    search.until += seconds * PART_FOR_KINDS
    kinds = needed_kinds(problem, users, search.conflicts)
    return Conflict.of(problem, users, kinds, irreducible=search.conclusive)


def name_conflict(run: Run) -> None:
    """Let a run that has proven infeasibility say why, by a small conflict where one is found in the time left."""
    conflict = small_conflict(run.problem, min(run.seconds_left, SECONDS), proven=True)
    if conflict is not None:
        run.infeasible(str(conflict))


class _TimeUp(Exception):  # noqa: N818 - a signal, not an error
    """Raised within the filter when its time is over."""


class _Filter:
    """The deletion filter on one problem, and its clock.

    Parameters
    ----------
    problem : Problem
    seconds : float
    """

    def __init__(self, problem: Problem, seconds: float) -> None:
        self.problem = problem
        self.until = time.perf_counter() + seconds
        self.limits = Limits.of(problem)
        #: Whether every check so far was decided, so that what is left is irreducible.
        self.conclusive = True
        #: The smallest set of users proven to conflict.
        self.proven: IntArray = np.arange(problem.n_users)

    @property
    def seconds_left(self) -> float:
        """Time left, s."""
        return self.until - time.perf_counter()

    def first(self, *, proven: bool) -> IntArray | None:
        """Return users that conflict, by counts and prices if possible; None where that is not proven."""
        limits = self.limits
        users = competing(limits)
        if not users.size and self.seconds_left > 0:
            priced = priced_conflict(limits, self.seconds_left)
            users = users if priced is None else priced
        if users.size:
            return users
        if proven or _solve(limits, self.seconds_left)[0] == "infeasible":
            return np.arange(self.problem.n_users)
        return None

    def smallest(self, users: IntArray) -> IntArray:
        """Return users of a conflicting set none of whom can be left out, or as few as there is time for."""
        self.proven = users
        # The filter keeps those that come first, so these are the ones that are hardest to place.
        some = self.limits.rows(users)
        order = np.lexsort((-some.part.max(axis=1), some.allowed.sum(axis=1)))
        try:
            return self._explain(users[:0], users[order], changed=False)
        except _TimeUp:
            self.conclusive = False
            return self.proven

    def _explain(self, background: IntArray, users: IntArray, *, changed: bool) -> IntArray:
        """Return the least of `users` that conflict together with all of `background`; QuickXplain."""
        if changed and background.size and self._infeasible(background):
            return users[:0]
        if users.size == 1:
            return users
        half = users.size // 2
        before, after = users[:half], users[half:]
        second = self._explain(np.concatenate([background, before]), after, changed=True)
        first = self._explain(np.concatenate([background, second]), before, changed=second.size > 0)
        return np.concatenate([first, second])

    def _infeasible(self, users: IntArray) -> bool:
        """Return whether some users are proven not to be served together."""
        limits = self.limits.rows(users)
        if self.seconds_left <= 0:
            raise _TimeUp
        answer, association = check(limits, PART_OF_TIME * self.seconds_left)
        if answer == "infeasible":
            if users.size < self.proven.size:
                self.proven = users
            return True
        # What the evaluator does not accept decides nothing.
        self.conclusive &= answer == "feasible" and served(self.problem, users, association)
        return False

    def conflicts(self, limits: Limits) -> bool:
        """Return whether limits are proven to conflict, False where the time is over."""
        answer = check(limits, PART_OF_TIME * self.seconds_left)[0] if self.seconds_left > 0 else "unknown"
        self.conclusive &= answer != "unknown"
        return answer == "infeasible"


def check(limits: Limits, seconds: float) -> tuple[Answer, IntArray]:
    """Return whether the users of some limits can be served together, and an association if they can."""
    answer, association = check_counts(limits)
    return _solve(limits, seconds) if answer == "unknown" else (answer, association)


# --- the exact check --------------------------------------------------------------------------------------------------


class _Rows:
    """Rows of a linear program, collected in blocks."""

    def __init__(self) -> None:
        self.count = 0
        self._blocks: list[tuple[IntArray, IntArray, FloatArray]] = []
        self._low: list[FloatArray] = []
        self._high: list[FloatArray] = []

    def add(self, rows: int, terms: list[tuple[IntArray, IntArray, FloatArray]], low: float, high: FloatArray) -> None:
        """Add rows; each term has the rows within the block, the columns and the coefficients."""
        for row, column, value in terms:
            row, column = np.broadcast_arrays(row, column)
            self._blocks.append((row + self.count, column, np.broadcast_to(value, row.shape)))
        self._low.append(np.full(rows, low))
        self._high.append(np.broadcast_to(high, rows))
        self.count += rows

    def give_to(self, highs: highspy.Highs, columns: int) -> None:
        """Hand all rows to HiGHS."""
        import highspy
        from scipy.sparse import csr_array

        row, column, value = (np.concatenate(parts) for parts in zip(*self._blocks, strict=True))
        matrix = csr_array((value, (row, column)), shape=(self.count, columns))
        low, high = np.concatenate(self._low), np.concatenate(self._high)
        highs.addRows(
            self.count,
            np.where(np.isneginf(low), -highspy.kHighsInf, low),
            high,
            matrix.nnz,
            matrix.indptr[:-1].astype(np.int32),
            matrix.indices.astype(np.int32),
            matrix.data,
        )


def _solve(limits: Limits, seconds: float) -> tuple[Answer, IntArray]:
    """Decide by a MILP without objective, x_ik for allowed pairs and y_k for open servers.

    Where twins may share a server only with so many others (``equal`` sharing), binaries u_k2 >= u_k3 >= … say that
    server k keeps more than each of the counts that some twin there can bear; those that cannot bear it are excluded.
    """
    none: IntArray = np.zeros(0, dtype=np.int64)
    if seconds <= 0:
        return "unknown", none
    n, m = limits.allowed.shape
    user, server = np.nonzero(limits.allowed)
    part, most = limits.part[user, server], limits.most[user, server]
    pairs = np.arange(user.size)
    columns = user.size + m
    rows, one = _Rows(), np.ones(1)
    rows.add(n, [(user, pairs, one)], 1.0, one)
    limited = limits.max_open < m
    is_open = user.size + np.arange(m)
    together = limits.together()
    if limited:
        rows.add(1, [(np.zeros(m, dtype=np.int64), is_open, one)], -math.inf, np.array([limits.max_open]))
        rows.add(user.size, [(pairs, pairs, one), (pairs, is_open[server], -one)], -math.inf, np.zeros(1))
    rows.add(m, [(server, pairs, part), (np.arange(m), is_open, -one)], -math.inf, np.zeros(1))
    for k in range(m):
        here = np.flatnonzero(server == k)
        bears = np.minimum(most[here], together[k])
        levels = np.unique(bears) if here.size else np.zeros(1, dtype=np.int64)
        steps = columns + np.arange(levels.size - 1)
        columns += steps.size
        zero = np.zeros(1, dtype=np.int64)
        count = [(zero, here, one), (zero, is_open[k : k + 1], -levels[:1].astype(float))]
        count.append((np.zeros(steps.size, dtype=np.int64), steps, -np.diff(levels).astype(float)))
        rows.add(1, count, -math.inf, np.zeros(1))
        if steps.size:
            above = np.concatenate([is_open[k : k + 1], steps[:-1]])
            index = np.arange(steps.size)
            rows.add(steps.size, [(index, steps, one), (index, above, -one)], -math.inf, np.zeros(1))
            # Twin i excludes the first step beyond what it can bear, and with it all the later ones.
            level = np.searchsorted(levels, bears)
            bound = np.flatnonzero(level < steps.size)
            index = np.arange(bound.size)
            rows.add(bound.size, [(index, here[bound], one), (index, steps[level[bound]], one)], -math.inf, one)
    import highspy

    from solvers.highs import HighsRun, quiet_highs

    lower: FloatArray = np.zeros(columns)
    if not limited:
        lower[is_open] = 1.0
    highs = quiet_highs(mip_feasibility_tolerance=FEASIBILITY)
    highs.setOptionValue("primal_feasibility_tolerance", FEASIBILITY)
    highs.addVars(columns, lower, np.ones(columns))
    whole: BoolArray = np.ones(columns, dtype=bool)
    whole[is_open] = limited
    kinds = np.full(int(whole.sum()), highspy.HighsVarType.kInteger)
    highs.changeColsIntegrality(kinds.size, np.flatnonzero(whole).astype(np.int32), kinds)
    rows.give_to(highs, columns)
    handled = HighsRun(highs, seconds=seconds)
    handled.run()
    if handled.abandoned:
        return "unknown", none
    status, known = highs.getModelStatus(), highspy.HighsModelStatus
    if status in {known.kInfeasible, known.kUnboundedOrInfeasible}:
        return "infeasible", none
    solution = highs.getSolution()
    if status != known.kOptimal or not solution.value_valid:
        return "unknown", none
    on = np.array(solution.col_value)[: user.size] > 0.5
    association: IntArray = np.full(n, UNASSIGNED, dtype=np.int64)
    association[user[on]] = server[on]
    return "feasible", association
