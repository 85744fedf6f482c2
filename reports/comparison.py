"""What a comparison holds: instances, rows, the best proven bounds and the gaps; as a frame and as plain JSON."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from dtopt.problem import Placement
from dtopt.result import Status
from reports.gap import CLOSE, contradicts, to_best, to_bound, uncontrollable

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from dtopt.evaluation import Evaluation
    from dtopt.problem import Problem
    from dtopt.result import Incumbent
    from dtopt.solution import Solution

__all__ = ["DUAL_BOUND", "Bound", "Case", "Comparison", "Row", "Summary", "parts"]

#: The source of bounds that no solver gave.
DUAL_BOUND = "dual_bound"


@dataclass(frozen=True, eq=False)
class Case:
    """One instance of a comparison.

    Parameters
    ----------
    label : str
        What it is shown with.
    problem : Problem
    dual_bound : float or None
        `dtopt.dual_bound`; None where it was left out or says nothing.
    """

    label: str
    problem: Problem
    dual_bound: float | None

    @property
    def objective_name(self) -> str:
        """``system cost``, ``latency`` or ``utility``."""
        problem = self.problem
        return problem.objective.replace("-", " ") if isinstance(problem, Placement) else "utility"

    @property
    def unit(self) -> str:
        """The objective's unit, empty where it has none."""
        return " s" if self.objective_name == "latency" else ""


def parts(problem: Problem, evaluation: Evaluation) -> dict[str, float]:
    """Return the mean latency of users by where the time passes, s; the parts sum to it."""
    terms = evaluation.terms
    if isinstance(problem, Placement) and problem.pair_latency_s is not None:
        return {"given": terms.latency}
    found = {"wireless": terms.wireless, "wired": terms.wired, "compute": terms.compute}
    moving = getattr(terms, "moving", None)
    return found if moving is None else {**found, "moving": moving}


@dataclass(frozen=True, eq=False)
class Row:
    """One run of one solver on one instance.

    Parameters
    ----------
    instance, solver : str
    run, seed : int
    status : str
        A `dtopt.result.Status`; or ``unsupported``, ``unavailable`` (the solver cannot be loaded), ``invalid`` (the
        evaluator rejects its solution) or ``failed`` (it raised an error).
    solution, evaluation
        The solution and the evaluator's judgement of it; None where there is no feasible one.
    bound : float or None
        The run's own proven bound.
    trace : tuple of Incumbent
    wall_s, cpu_s : float
    message : str
    versions : mapping
    """

    instance: str
    solver: str
    run: int
    seed: int
    status: str
    solution: Solution | None = None
    evaluation: Evaluation | None = None
    bound: float | None = None
    trace: tuple[Incumbent, ...] = ()
    wall_s: float = math.nan
    cpu_s: float = math.nan
    message: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)

    @property
    def objective(self) -> float | None:
        """The objective by the evaluator; None without a feasible solution."""
        return self.evaluation.objective if self.evaluation else None

    @property
    def latency_s(self) -> float | None:
        """Mean latency of a user, s."""
        return self.evaluation.terms.latency if self.evaluation else None

    @property
    def n_open(self) -> int | None:
        """Open servers."""
        return self.evaluation.terms.n_open if self.evaluation else None


@dataclass(frozen=True)
class Bound:
    """A proven bound on the optimum and who proved it."""

    value: float
    source: str


@dataclass(frozen=True, eq=False)
class Summary:
    """The runs of one solver on one instance.

    Parameters
    ----------
    best : Row
        The run with the best objective, or the first where none found a solution.
    runs, found : int
        Runs, and those that found a solution.
    mean, worst : float or None
        Of the objectives found.
    wall_s : float
        Mean wall time.
    """

    best: Row
    runs: int
    found: int
    mean: float | None
    worst: float | None
    wall_s: float


@dataclass(frozen=True, eq=False)
class Comparison:
    """Everything that `reports.compare` found.

    Parameters
    ----------
    cases : tuple of Case
    rows : tuple of Row
        In the order they were run.
    time_limit : float or None
        Of each run, s.
    seed, runs : int
    interrupted : bool
        Whether Ctrl-C ended it before all runs were done.
    """

    cases: tuple[Case, ...]
    rows: tuple[Row, ...]
    time_limit: float | None
    seed: int
    runs: int
    interrupted: bool = False

    def case(self, label: str) -> Case:
        """Return the case of that label."""
        return next(case for case in self.cases if case.label == label)

    def rows_of(self, label: str) -> tuple[Row, ...]:
        """Return the rows of one instance, best first, those without a solution last."""
        maximise = self.case(label).problem.maximise

        def key(row: Row) -> tuple[bool, float, str, int]:
            value = row.objective
            return value is None, (-value if maximise else value) if value is not None else 0.0, row.solver, row.run

        return tuple(sorted((row for row in self.rows if row.instance == label), key=key))

    def summaries(self, label: str) -> tuple[Summary, ...]:
        """Return one summary for each solver on an instance, by their best run, best first."""
        maximise = self.case(label).problem.maximise
        grouped: dict[str, list[Row]] = {}
        for row in self.rows_of(label):
            grouped.setdefault(row.solver, []).append(row)
        found = []
        for rows in grouped.values():
            values = [row.objective for row in rows if row.objective is not None]
            times = [row.wall_s for row in rows if math.isfinite(row.wall_s)]
            found.append(
                Summary(
                    rows[0],
                    len(rows),
                    len(values),
                    sum(values) / len(values) if values else None,
                    (min(values) if maximise else max(values)) if values else None,
                    sum(times) / len(times) if times else math.nan,
                )
            )
        return tuple(found)

    def best_objective(self, label: str) -> float | None:
        """Return the best objective that any run found on an instance."""
        return next((row.objective for row in self.rows_of(label)[:1]), None)

    def is_best(self, row: Row) -> bool:
        """Return whether a row has the best objective of its instance, or one that cannot be told from it."""
        best = self.best_objective(row.instance)
        return to_best(row.objective, best, maximise=self.case(row.instance).problem.maximise) <= CLOSE

    @cached_property
    def _bounds(self) -> tuple[dict[str, Bound], tuple[str, ...]]:
        tightest: dict[str, Bound] = {}
        notes = []
        for case in self.cases:
            maximise, best = case.problem.maximise, self.best_objective(case.label)
            offered = [Bound(case.dual_bound, DUAL_BOUND)] if case.dual_bound is not None else []
            offered += [Bound(r.bound, r.solver) for r in self.rows_of(case.label) if r.bound is not None]
            for bound in offered:
                if best is not None and contradicts(bound.value, best, maximise=maximise):
                    notes.append(
                        f"{case.label}: the bound {bound.value:.8g} of {bound.source} is left out, "
                        f"a feasible solution of {best:.8g} contradicts it"
                    )
                    continue
                held = tightest.get(case.label)
                if held is None or (bound.value < held.value if maximise else bound.value > held.value):
                    tightest[case.label] = bound
            notes += [
                f"{case.label}: {row.solver} calls it infeasible, a feasible solution of {best:.8g} contradicts it"
                for row in self.rows_of(case.label)
                if row.status == Status.INFEASIBLE and best is not None
            ]
        return tightest, tuple(notes)

    @property
    def notes(self) -> tuple[str, ...]:
        """Claims of solvers that other solvers' solutions contradict, one line each."""
        return self._bounds[1]

    def bound(self, label: str) -> Bound | None:
        """Return the best proven bound of an instance over all solvers and `dual_bound`, None where there is none."""
        return self._bounds[0].get(label)

    def gap(self, row: Row) -> float:
        """Return the gap of a row to the best proven bound; see `reports.gap.to_bound`."""
        bound = self.bound(row.instance)
        maximise = self.case(row.instance).problem.maximise
        return to_bound(row.objective, bound.value if bound else None, maximise=maximise)

    def controllable_gap(self, row: Row) -> float:
        """Return the same gap as a part of what decisions change; see `dtopt.result.controllable_gap`."""
        bound, problem = self.bound(row.instance), self.case(row.instance).problem
        return to_bound(
            row.objective,
            bound.value if bound else None,
            maximise=problem.maximise,
            uncontrollable=uncontrollable(problem),
        )

    def above_best(self, row: Row) -> float:
        """Return how much worse than the best found a row is; see `reports.gap.to_best`."""
        best = self.best_objective(row.instance)
        return to_best(row.objective, best, maximise=self.case(row.instance).problem.maximise)

    def controllable_above_best(self, row: Row) -> float:
        """Return the same as a part of what decisions change at the best."""
        best, problem = self.best_objective(row.instance), self.case(row.instance).problem
        return to_best(row.objective, best, maximise=problem.maximise, uncontrollable=uncontrollable(problem))

    def records(self) -> list[dict[str, Any]]:
        """Return one flat record for each row, sorted by instance and objective; missing numbers are None."""
        found = []
        for case in self.cases:
            problem, bound = case.problem, self.bound(case.label)
            for row in self.rows_of(case.label):
                evaluation = row.evaluation
                terms = evaluation.terms if evaluation else None
                where = parts(problem, evaluation) if evaluation else {}
                record: dict[str, Any] = {
                    "instance": case.label,
                    "hash": problem.content_hash,
                    "kind": problem.kind,
                    "sharing": problem.sharing,
                    "minimises": None if problem.maximise else case.objective_name,
                    "maximises": case.objective_name if problem.maximise else None,
                    "users": problem.n_users,
                    "stations": problem.n_stations,
                    "solver": row.solver,
                    "run": row.run,
                    "seed": row.seed,
                    "status": row.status,
                    "objective": row.objective,
                    "latency_ms": _ms(terms.latency if terms else None),
                    **{f"{name}_ms": _ms(where.get(name)) for name in ("wireless", "wired", "compute", "moving")},
                    "energy_j": terms.energy if terms else None,
                    "open_servers": terms.n_open if terms else None,
                    "late_users": terms.late_users if terms else None,
                    "bound": row.bound,
                    "best_bound": bound.value if bound else None,
                    "best_bound_by": bound.source if bound else None,
                    "gap": _finite(self.gap(row)),
                    "controllable_gap": _finite(self.controllable_gap(row)),
                    "above_best": _finite(self.above_best(row)),
                    "controllable_above_best": _finite(self.controllable_above_best(row)),
                    "uncontrollable_objective": uncontrollable(problem),
                    "best": self.is_best(row),
                    "wall_s": _finite(row.wall_s),
                    "cpu_s": _finite(row.cpu_s),
                    "message": row.message,
                }
                found.append(record)
        return found

    @property
    def versions(self) -> dict[str, str]:
        """Return the versions of dtopt, Python and the libraries behind the solvers that ran."""
        return {name: version for row in self.rows for name, version in row.versions.items()}

    def to_frame(self) -> pd.DataFrame:
        """Return the records as a frame, one row for each run."""
        import pandas as pd

        return pd.DataFrame.from_records(self.records())

    def to_dict(self) -> dict[str, Any]:
        """Return everything but the solutions as plain JSON types."""
        return {
            "time_limit_s": self.time_limit,
            "seed": self.seed,
            "runs": self.runs,
            "interrupted": self.interrupted,
            "versions": self.versions,
            "notes": list(self.notes),
            "rows": self.records(),
        }


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else _finite(1e3 * seconds)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
