"""The MILP behind PuLP: variables and rows of an association model, solved by HiGHS or CBC within a run's limits."""

from __future__ import annotations

import math
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import highspy
import numpy as np
import pulp

from solvers.highs import HighsRun, quiet_highs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from dtopt.arrays import BoolArray, FloatArray, IntArray
    from dtopt.run import Run

__all__ = ["ENGINES", "TIGHT", "Engine", "Model", "Outcome", "solve_model"]

Engine = Literal["highs", "cbc"]
ENGINES: tuple[str, ...] = get_args(Engine)
#: Relative gap to which a MILP is solved in the end; leaves room below `dtopt.run.OPTIMALITY_GAP`.
TIGHT = 1e-7
#: Primal, dual and integer feasibility, absolute, in a model whose numbers are of order 1.
FEASIBILITY = 1e-9
#: By so much, relatively, a bound of HiGHS is widened for its rounding, and one of CBC for its looser tolerances.
WIDENING = {"highs": 1e-8, "cbc": 3e-7}
#: Rows handed to HiGHS between two looks at the clock.
BATCH = 5_000
#: Variables, rows and coefficients between two looks at the clock.
CHECK = 3_000
#: CBC's word that a model is infeasible counts only with at least this much of its time left, s and part of the limit:
#: where the limit cuts its preprocessing short, it says "infeasible or unbounded" of feasible models too.
CBC_SPARE_S, CBC_SPARE_PART = 1.0, 0.2


class Model:
    """A minimisation over the binaries a_ik of an association.

    Parameters
    ----------
    allowed : ndarray of bool, shape (N, M)
        The pairs that get a binary.
    check : callable, optional
        Called now and then while the model grows; leaves by an exception where the time is up.
    presolve : bool
        Whether HiGHS may presolve the MILP. Where coefficients lie far apart its presolve has cut off optima.
    """

    def __init__(self, allowed: BoolArray, check: Callable[[], None] | None = None, *, presolve: bool = True) -> None:
        self.presolve = presolve
        self.check = check
        self._parts = 0
        self.lp = pulp.LpProblem("association", pulp.LpMinimize)
        self._named = 0
        self.pair: dict[tuple[int, int], Any] = {}
        for i, k in np.argwhere(allowed).tolist():
            self.pair[i, k] = self.variable(up=1.0, integer=True)
        self.of_user: list[list[int]] = [np.flatnonzero(row).tolist() for row in allowed]
        self.of_server: list[list[int]] = [np.flatnonzero(column).tolist() for column in allowed.T]
        for i, servers in enumerate(self.of_user):
            self.row([(self.pair[i, k], 1.0) for k in servers], "=", 1.0)

    def variable(self, *, up: float | None = None, integer: bool = False) -> Any:
        """Return a new variable with lower bound 0."""
        self._named += 1
        self._grow(1)
        category = pulp.LpInteger if integer else pulp.LpContinuous
        # Numbered with leading zeros, since PuLP orders columns by name.
        return self.lp.add_variable(f"x{self._named:08d}", 0.0, up, category)

    def row(self, terms: Iterable[tuple[Any, float]], sense: Literal["<", "=", ">"], side: float) -> None:
        """Add a row; each variable may come once."""
        kinds = {"<": pulp.LpConstraintLE, "=": pulp.LpConstraintEQ, ">": pulp.LpConstraintGE}
        expression = pulp.LpAffineExpression([(x, float(c)) for x, c in terms if c != 0])
        self.lp.addConstraint(pulp.LpConstraint(expression, kinds[sense], rhs=float(side)))
        self._grow(1 + len(expression))

    def _grow(self, parts: int) -> None:
        """Count variables, rows and coefficients, and look at the clock now and then."""
        self._parts += parts
        if self.check is not None and self._parts >= CHECK:
            self._parts = 0
            self.check()

    def minimise(self, terms: Iterable[tuple[Any, float]]) -> None:
        """Set the objective, which ends the building; each variable may come once."""
        # What is added later refines a model whose bound is known by then, and is not to be left by an exception.
        self.check = None
        self.lp.setObjective(pulp.LpAffineExpression([(x, float(c)) for x, c in terms if c != 0]))

    def forbid(self, association: IntArray) -> None:
        """Cut off one association and nothing else."""
        terms = [(self.pair[i, k], 1.0) for i, k in enumerate(association.tolist())]
        self.row(terms, "<", len(terms) - 1.0)


@dataclass
class Outcome:
    """What an engine says of a model.

    Parameters
    ----------
    status : str
        ``optimal`` to the tolerance asked for, ``infeasible``, or ``stopped`` by a limit.
    bound : float
        Proven lower bound on the model's objective, already widened; −inf where there is none.
    associations : list of ndarray of int
        The solutions met, the last one the best.
    values : dict
        Values of the variables, for relaxations.
    """

    status: Literal["optimal", "infeasible", "stopped"]
    bound: float
    associations: list[IntArray]
    values: dict[Any, float]


def solve_model(
    model: Model,
    run: Run,
    engine: str = "highs",
    *,
    tolerance: float = TIGHT,
    relaxed: bool = False,
    on_solution: Callable[[IntArray], object] | None = None,
    cutoff: float = math.inf,
) -> Outcome:
    """Solve a model, or its linear relaxation, until the run's limits.

    Parameters
    ----------
    model : Model
    run : Run
        Gives the time left, the seed, and whether to stop.
    engine : str
        ``highs`` or ``cbc``.
    tolerance : float
        Relative gap that is enough.
    relaxed : bool
        Solve the linear relaxation (HiGHS).
    on_solution : callable, optional
        Called with each better association as the engine finds it (HiGHS).
    cutoff : float
        Solutions at or above this are of no interest (HiGHS); where none is below, the bound returned is the cutoff.
    """
    if engine == "cbc":
        return _solve_cbc(model, run, tolerance)
    return _solve_highs(model, run, tolerance, relaxed, on_solution, cutoff)


def _widened(bound: float, engine: str) -> float:
    return bound - WIDENING[engine] * max(abs(bound), 1e-3) if math.isfinite(bound) else -math.inf


# --- HiGHS ------------------------------------------------------------------------------------------------------------


class _Highs(pulp.HiGHS):  # type: ignore[misc] # PuLP is untyped
    """PuLP's HiGHS, built in batches, stoppable at any time, and telling of each incumbent."""

    def __init__(
        self, model: Model, run: Run, on_solution: Callable[[IntArray], object] | None, **options: Any
    ) -> None:
        super().__init__(msg=False)
        self.options = options
        self.model, self.run, self.on_solution = model, run, on_solution
        self.associations: list[IntArray] = []
        self.cancelled = False
        self.highs_run: HighsRun | None = None

    def createAndConfigureSolver(self, lp: Any) -> None:  # noqa: N802 - PuLP's name
        """Make a silent HiGHS with the options."""
        lp.solverModel = quiet_highs(**self.options)

    def buildSolverModel(self, lp: Any) -> None:  # noqa: N802 - PuLP's name
        """Hand columns and rows over in batches, looking at the clock in between."""
        highs = lp.solverModel
        if self.run.should_stop():
            self.cancelled = True
            return
        variables = lp.variables()
        cost = np.zeros(len(variables))
        upper = np.array([highspy.kHighsInf if x.upBound is None else x.upBound for x in variables])
        for index, variable in enumerate(variables):
            variable.index = index
        for variable, coefficient in lp.objective.items():
            cost[variable.index] = coefficient
        highs.addVars(len(variables), np.zeros(len(variables)), upper)
        highs.changeColsCost(len(variables), np.arange(len(variables), dtype=np.int32), cost)
        if self.mip:
            whole = [x.index for x in variables if x.cat == pulp.LpInteger]
            kinds = np.full(len(whole), highspy.HighsVarType.kInteger)
            highs.changeColsIntegrality(len(whole), np.array(whole, dtype=np.int32), kinds)
        rows = lp.constraints()
        for start in range(0, len(rows), BATCH):
            if self.run.should_stop():
                self.cancelled = True
                return
            batch = rows[start : start + BATCH]
            low = np.array([-highspy.kHighsInf if row.getLb() is None else row.getLb() for row in batch])
            high = np.array([highspy.kHighsInf if row.getUb() is None else row.getUb() for row in batch])
            starts = np.concatenate([[0], np.cumsum([len(row) for row in batch])]).astype(np.int32)
            columns = np.array([x.index for row in batch for x in row], dtype=np.int32)
            value = np.array([c for row in batch for c in row.values()], dtype=float)
            highs.addRows(len(batch), low, high, columns.size, starts[:-1], columns, value)

    def callSolver(self, lp: Any) -> None:  # noqa: N802 - PuLP's name
        """Solve within the time that building has left."""
        left = self.run.seconds_left
        if self.cancelled or left <= 0:
            self.cancelled = True
            return
        keys = list(self.model.pair)
        self._users = np.array([i for i, _ in keys])
        self._servers = np.array([k for _, k in keys])
        self._columns = np.array([self.model.pair[key].index for key in keys])
        self.highs_run = HighsRun(
            lp.solverModel,
            seconds=left,
            should_stop=self.run.should_stop,
            on_columns=self.keep if self.mip else None,
        )
        self.highs_run.run()

    def findSolutionValues(self, lp: Any) -> tuple[int, int]:  # noqa: N802 - PuLP's name
        """Leave PuLP's copies of values out; they are read from HiGHS itself."""
        return pulp.LpStatusNotSolved, pulp.LpSolutionNoSolutionFound

    def association(self, columns: FloatArray) -> IntArray:
        """Return the association that a solution stands for."""
        found: IntArray = np.full(len(self.model.of_user), -1, dtype=np.int64)
        on = columns[self._columns] > 0.5
        found[self._users[on]] = self._servers[on]
        return found

    def keep(self, columns: FloatArray) -> None:
        """Note an incumbent, the newest last."""
        association = self.association(columns)
        if not self.associations or not (association == self.associations[-1]).all():
            self.associations.append(association)
            if self.on_solution is not None:
                self.on_solution(association)


def _solve_highs(
    model: Model,
    run: Run,
    tolerance: float,
    relaxed: bool,
    on_solution: Callable[[IntArray], object] | None,
    cutoff: float,
) -> Outcome:
    solver = _Highs(
        model,
        run,
        on_solution,
        mip_rel_gap=tolerance,
        mip_abs_gap=1e-10,
        random_seed=run.seed % 2**31,
        presolve="choose" if model.presolve else "off",
        mip_feasibility_tolerance=FEASIBILITY,
        primal_feasibility_tolerance=FEASIBILITY,
        dual_feasibility_tolerance=FEASIBILITY,
        # A hair above the cutoff: what lies just below it is still found.
        objective_bound=cutoff + 1e-9 * max(abs(cutoff), 1.0) if math.isfinite(cutoff) else highspy.kHighsInf,
    )
    solver.mip = not relaxed
    model.lp.solve(solver)
    if solver.cancelled:
        return Outcome("stopped", -math.inf, [], {})
    if solver.highs_run is not None and solver.highs_run.abandoned:
        return Outcome("stopped", _widened(solver.highs_run.bound, "highs"), solver.associations, {})
    highs = model.lp.solverModel
    status, kinds = highs.getModelStatus(), highspy.HighsModelStatus
    # Every model here is bounded, so "unbounded or infeasible" is infeasible.
    if status in {kinds.kInfeasible, kinds.kUnboundedOrInfeasible}:
        return Outcome("infeasible", math.inf, [], {})
    optimal = status == kinds.kOptimal
    solution = highs.getSolution()
    columns = np.array(solution.col_value)
    if relaxed:
        bound = highs.getInfo().objective_function_value if optimal else -math.inf
        values = dict(zip(model.lp.variables(), columns.tolist(), strict=True)) if optimal else {}
        return Outcome("optimal" if optimal else "stopped", _widened(bound, "highs"), [], values)
    if solution.value_valid and columns.size:
        solver.keep(columns)
    bound = highs.getInfo().mip_dual_bound
    return Outcome("optimal" if optimal else "stopped", _widened(bound, "highs"), solver.associations, {})


# --- CBC --------------------------------------------------------------------------------------------------------------


def _solve_cbc(model: Model, run: Run, tolerance: float) -> Outcome:
    left = run.seconds_left
    if left <= 0:
        return Outcome("stopped", -math.inf, [], {})
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "cbc.log"
        # By default CBC asks of each solution to be better by 1e-5, absolute, which is more than the gap to be proven.
        options = [f"randomCbcSeed {run.seed % 2**31}", "increment 0", "primalTolerance 1e-9", "integerTolerance 1e-9"]
        solver = pulp.PULP_CBC_CMD(
            msg=False,
            timeLimit=left if math.isfinite(left) else None,
            gapRel=tolerance,
            threads=1,
            logPath=str(log),
            options=[*options, "timeMode elapsed"],
        )
        solver.tmpDir = folder
        model.lp.solve(solver)
        text = log.read_text(errors="replace") if log.exists() else ""
    if model.lp.status == pulp.LpStatusInfeasible and "infeasible" in text.lower():
        spare = max(CBC_SPARE_S, CBC_SPARE_PART * left) if math.isfinite(left) else 0.0
        if run.seconds_left >= spare:
            return Outcome("infeasible", math.inf, [], {})
        return Outcome("stopped", -math.inf, [], {})
    found = []
    if model.lp.sol_status in {pulp.LpSolutionOptimal, pulp.LpSolutionIntegerFeasible}:
        association: IntArray = np.full(len(model.of_user), -1, dtype=np.int64)
        for (i, k), variable in model.pair.items():
            if (variable.varValue or 0.0) > 0.5:
                association[i] = k
        found.append(association)
    if model.lp.sol_status == pulp.LpSolutionOptimal:
        value = model.lp.objective.value() or 0.0
        return Outcome("optimal", _widened(value - tolerance * abs(value), "cbc"), found, {})
    # PuLP does not pass CBC's bound on; the log has it where the search began. The line "Lower bound:" further down is
    # rounded to three decimals, up as well as down.
    told = re.findall(r"\(best possible ([^\s)]+)\)", text)
    return Outcome("stopped", _widened(float(told[-1]), "cbc") if told else -math.inf, found, {})
