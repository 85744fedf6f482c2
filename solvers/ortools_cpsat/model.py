"""An association problem in the integers of CP-SAT, rounded so that the model is a relaxation.

Costs are counted in integer `units` and rounded down, what users take is rounded down and what servers have is rounded
up. The model then admits every feasible association, at no more than its true cost: its bound is a bound of the
problem, and when it is infeasible the problem is. The error is the rounding of N numbers, below 1e-7 of the cost.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

import numpy as np
from ortools.sat.python import cp_model

from dtopt.errors import UnsupportedProblemError
from dtopt.problem import Placement
from dtopt.tolerances import within
from solvers.ortools_cpsat.counts import MOST_ENTRIES, CountDual

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dtopt.arrays import BoolArray, FloatArray, IntArray
    from dtopt.problem import Problem
    from dtopt.run import Run

__all__ = ["FINE", "AssociationModel", "check_size", "floor", "largest", "slope"]

#: Units for each rounded number: the relative error of a sum of rounded numbers is the inverse.
FINE = 2**24
#: Integers in a model are kept below this, so that no sum leaves 64 bits.
LARGEST = 2**46
#: Slopes are fractions of about this numerator; the relative error is the inverse.
STEEP = 2**14
#: Part of the time left that pricing counts may take, and what counts as left where nothing limits it, s.
PRICING, LONG_S = 0.25, 100.0
#: Literals of the largest model that is built.
MOST = 1_000_000


def floor(x: FloatArray | float) -> Any:
    """Return x rounded down to int64, at most `LARGEST`."""
    return np.floor(np.minimum(x, float(LARGEST))).astype(np.int64)


class AssociationModel(ABC):
    """Minimise Σ terms over associations; `bound` translates back.

    Parameters
    ----------
    problem : Problem
    run : Run
        Asked whether to stop while the model is built. What is no better than its incumbent may be cut off.
    """

    #: How much of the model CP-SAT puts into its linear relaxation; 2 includes conditional rows.
    linearization = 2

    def __init__(self, problem: Problem, run: Run) -> None:
        self.problem = problem
        self.run = run
        self.check = run.check
        self.allowed: BoolArray = problem.allowed_matrix
        self.sign = -1.0 if problem.maximise else 1.0
        self.constant = 0.0
        self.units = 1.0
        #: Whether all costs are whole numbers, which no rounding touches.
        self.whole = False
        self.best = run.evaluation.objective if run.evaluation else None
        #: A lower bound on the cost that was proven while the model was made.
        self.first_bound = -math.inf
        self.kept: BoolArray | None = None
        self.forbidden: list[IntArray] = []
        #: Whether the model must be made anew before it is solved again.
        self.stale = True
        stations = problem.network.stations
        self.cpu: FloatArray = stations.cpu_hz
        self.of_user: list[list[int]] = [np.flatnonzero(row).tolist() for row in self.allowed]
        self.of_server: list[list[int]] = [np.flatnonzero(column).tolist() for column in self.allowed.T]
        self.room: list[int] = [
            min(int(c), len(users)) for c, users in zip(stations.capacity, self.of_server, strict=True)
        ]
        self.grid: tuple[IntArray, IntArray] = (
            np.arange(problem.n_users)[:, None],
            np.arange(problem.n_stations)[None, :],
        )
        self.cp: Any = None
        self.terms: list[tuple[Any, int]] = []
        self.pair: dict[tuple[int, int], Any] = {}
        #: For each server and count: its literal, and those of the users among them.
        self.counted: list[dict[int, tuple[Any, dict[int, Any]]]] = []

    # --- units ----------------------------------------------------------------------------------------------------

    def objective(self, value: float) -> float:
        """Return the problem's objective, or bound, of a value of the model."""
        return self.sign * value / self.units + self.constant

    def choose_units(self, magnitude: float, roundings: int) -> None:
        """Choose the units so that rounding so many numbers is a small error in a cost of `magnitude`."""
        self.units = FINE * roundings / magnitude if magnitude > 0 else 1.0

    # --- the model ------------------------------------------------------------------------------------------------

    @abstractmethod
    def fill(self) -> None:
        """Add all variables, rows and terms to an empty model."""

    def build(self) -> None:
        """Make the model anew."""
        self.stale = False
        self.cp = cp_model.CpModel()
        self.terms, self.pair, self.counted = [], {}, []
        check_size(int(self.allowed.sum()), f"{self.problem.n_users} users and {self.problem.n_stations} servers")
        for i, servers in enumerate(self.of_user):
            self.check()
            for k in servers:
                self.pair[i, k] = self.cp.new_bool_var("")
            self.cp.add_exactly_one(self.pair[i, k] for k in servers)  # (18a), (21b)
        self.fill()
        self.check()
        variables, costs = [x for x, _ in self.terms], [int(c) for _, c in self.terms]
        self.cp.minimize(cp_model.LinearExpr.weighted_sum(variables, costs))
        for association in self.forbidden:
            self._cut_off(association)

    def refine(self, association: IntArray) -> bool:
        """Make the model tighter at an association; return whether that was possible."""
        return False

    def forbid(self, association: IntArray) -> None:
        """Cut off one association and nothing else."""
        self.forbidden.append(association)
        self._cut_off(association)

    def _cut_off(self, association: IntArray) -> None:
        self.cp.add_bool_or([self.pair[i, k].negated() for i, k in enumerate(association.tolist())])

    def hint(self, association: IntArray) -> None:
        """Suggest an association to begin with."""
        self.cp.clear_hints()
        for variable, value in self.values(association):
            self.cp.add_hint(variable, int(value))

    def values(self, association: IntArray) -> Iterator[tuple[Any, int]]:
        """Give the value of every variable under an association: CP-SAT makes little of a hint with gaps."""
        for (i, k), variable in self.pair.items():
            yield variable, association[i] == k
        counts = np.bincount(association, minlength=self.problem.n_stations)
        for k, by_count in enumerate(self.counted):
            for n, (chosen, members) in by_count.items():
                yield chosen, counts[k] == n
                for i, z in members.items():
                    yield z, counts[k] == n and association[i] == k

    # --- rows -----------------------------------------------------------------------------------------------------

    def sum(self, weights: IntArray, k: int) -> Any:
        """Return Σ weight_i a_ik over the users that may be on server k; weights are by user."""
        users = self.of_server[k]
        return cp_model.LinearExpr.weighted_sum([self.pair[i, k] for i in users], weights[users].tolist())

    def capacities(self, is_open: list[Any] | None = None) -> None:
        """Add (18b), (21a)."""
        for k, users in enumerate(self.of_server):
            self.check()
            count = cp_model.LinearExpr.sum([self.pair[i, k] for i in users])
            if is_open is not None:
                self.cp.add(count <= self.room[k] * is_open[k])
            elif self.room[k] < len(users):
                self.cp.add(count <= self.room[k])

    def knapsack(self, need_hz: FloatArray, is_open: list[Any] | None = None) -> None:
        """Add (18c): what each pair takes at least, shape (N, M), within the CPU of each server."""
        for k, users in enumerate(self.of_server):
            self.check()
            need, have = need_hz[users, k], float(within(self.cpu[k]))
            if need.sum() <= have:
                continue
            # Whole numbers stay as they are: their sums then have no rounding at all.
            whole = have < FINE * len(users) and bool((need == np.floor(need)).all())
            scale = 1.0 if whole else FINE * len(users) / have
            sizes = np.zeros(self.problem.n_users, dtype=np.int64)
            sizes[users] = floor(need * scale)
            room = math.floor(have) if whole else math.ceil(have * scale)
            self.cp.add(self.sum(sizes, k) <= (room if is_open is None else room * is_open[k]))

    def by_counts(self, cost: Callable[[int, int], FloatArray]) -> None:
        """Add a literal for n twins on server k, and one for each user among them, tied to each other and to the pairs.

        Parameters
        ----------
        cost : callable
            For server k and count n: what each user then costs, infinite where it may not be there.
        """
        sizes = [len(users) * room for users, room in zip(self.of_server, self.room, strict=True)]
        check_size(sum(sizes), f"users, servers and counts under equal sharing ({self.problem.n_users} users)")
        if self.kept is None:
            self.kept = self._priced_counts(cost)
        on: dict[tuple[int, int], list[Any]] = {pair: [] for pair in self.pair}
        for k, users in enumerate(self.of_server):
            by_count: dict[int, tuple[Any, dict[int, Any]]] = {}
            for n in range(1, self.room[k] + 1):
                self.check()
                each = cost(k, n)
                able = np.isfinite(each) if self.kept is None else self.kept[k, n - 1]
                present = [i for i in users if able[i]]
                if len(present) < n:
                    continue
                members = {i: self.cp.new_bool_var("") for i in present}
                units = floor(each * self.units)
                chosen = self.cp.new_bool_var("")
                by_count[n] = chosen, members
                for i, z in members.items():
                    self.cp.add_implication(z, chosen)
                    on[i, k].append(z)
                    self.terms.append((z, int(units[i])))
                self.cp.add(cp_model.LinearExpr.sum(list(members.values())) == n * chosen)
            self.counted.append(by_count)
        for pair, together in on.items():
            self.cp.add(cp_model.LinearExpr.sum(together) == self.pair[pair])

    def _priced_counts(self, cost: Callable[[int, int], FloatArray]) -> BoolArray | None:
        """Return which users among how many twins on which server can be in a better solution, shape (M, R, N)."""
        run, problem = self.run, self.problem
        rows = max(self.room, default=0)
        if run.solution is None or run.evaluation is None or rows * self.allowed.size > MOST_ENTRIES:
            return None
        costs = np.full((problem.n_stations, rows, problem.n_users), np.inf)
        for k, room in enumerate(self.room):
            self.check()
            for n in range(1, room + 1):
                costs[k, n - 1, self.allowed[:, k]] = cost(k, n)[self.allowed[:, k]]
        opening = problem.opening_cost if isinstance(problem, Placement) else 0.0
        until = run.elapsed_s + PRICING * min(run.seconds_left, LONG_S)
        target = self.sign * (run.evaluation.objective - self.constant)
        dual = CountDual(costs, opening, problem.max_open, target, lambda: run.should_stop() or run.elapsed_s > until)
        dual.search(run.solution.association)
        self.first_bound = min(dual.bound, target)
        run.details |= {"priced_nodes": dual.nodes, "literals_left": int(dual.kept.sum()), "literals": costs.size}
        return dual.kept


def check_size(literals: int, what: str) -> None:
    """Raise UnsupportedProblemError where a model would be too large to build."""
    if literals > MOST:
        raise UnsupportedProblemError(
            f"ortools-cpsat builds models of at most {MOST:,} literals; {what} would take {literals:,}"
        )


def largest(weight: FloatArray, count: int) -> float:
    """Return the most that `count` of the weights sum to."""
    return float(np.sort(weight)[::-1][:count].sum()) if count else 0.0


def slope(value: float) -> tuple[int, int]:
    """Return integers p and q, q a power of 2, with p/q at most `value` and close to it."""
    q = 1
    while value * q < STEEP and q < STEEP:
        q *= 2
    return math.floor(value * q), q
