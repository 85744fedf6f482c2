"""What a solver returns: the solution with its cost, its certificate and how they were found."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dtopt.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from os import PathLike

    import pandas as pd
    from matplotlib.axes import Axes

    from dtopt.evaluation import Evaluation
    from dtopt.problem import Problem
    from dtopt.solution import Solution

__all__ = ["Incumbent", "Result", "Status", "controllable_gap", "relative_gap"]


class Status(StrEnum):
    """How a run ended."""

    #: Proven optimal, to the solver's tolerance.
    OPTIMAL = "optimal"
    #: A feasible solution; the method makes no further claim, or its target gap was reached.
    FEASIBLE = "feasible"
    #: Proven to have no feasible solution.
    INFEASIBLE = "infeasible"
    #: The time limit came first; there may be a solution and a bound.
    TIME_LIMIT = "time_limit"
    #: The memory limit, or the end of the memory, came first; there may be a solution and a bound.
    MEMORY_LIMIT = "memory_limit"
    #: The method ended without a feasible solution, which proves nothing.
    NOT_FOUND = "not_found"
    #: Interrupted by the user; the best so far was kept.
    INTERRUPTED = "interrupted"


@dataclass(frozen=True)
class Incumbent:
    """One step of the incumbent trace: at `time_s` after the start the best objective became `objective`."""

    time_s: float
    objective: float


def relative_gap(objective: float | None, bound: float | None) -> float:
    """Return |objective − bound| / |objective|, infinite while one is missing; 0 where both are 0."""
    if objective is None or bound is None or not math.isfinite(objective) or not math.isfinite(bound):
        return math.inf
    if objective == bound:
        return 0.0
    return abs(objective - bound) / abs(objective) if objective else math.inf


def controllable_gap(objective: float | None, bound: float | None, uncontrollable: float | None) -> float:
    """Return |objective − bound| / |objective − C|: the gap as a part of what decisions change.

    C is `Problem.uncontrollable_objective`, the objective of an ideal in which only what no decision changes counts:

    - P1: C = w Σ_i wireless_i + `Placement.constant_cost`, with w = `Placement.user_weight`. The second term is the
      energy β_c·E under ``system-cost``, and 0 under ``latency``. With given pair latencies C = 0.
    - P2: C = β Σ_i e^(τ_i − wireless_i) − (1 − β) Σ_i E_i.

    No feasible solution is better than C. The value is 0 where objective and bound are equal. It is infinite while one
    of the three numbers is missing, and where objective = C is not the bound.
    """
    if objective is None or bound is None or not math.isfinite(objective) or not math.isfinite(bound):
        return math.inf
    if objective == bound:
        return 0.0
    if uncontrollable is None or not math.isfinite(uncontrollable) or objective == uncontrollable:
        return math.inf
    return abs(objective - bound) / abs(objective - uncontrollable)


@dataclass(frozen=True, eq=False)
class Result:
    """The outcome of one run of one solver on one problem.

    Parameters
    ----------
    solver, seed, versions
        Who found it: the solver's name, its seed, the versions of dtopt, Python and the libraries behind the method.
    problem_kind, problem_name, problem_hash : str
        What was solved; the hash is `Problem.content_hash`.
    status : Status
    solution : Solution or None
        The best feasible solution found.
    evaluation : Evaluation or None
        What the evaluator says of it: terms, latencies of users, CPU shares.
    bound : float or None
        Proven bound on the optimum: a lower bound for P1, an upper bound for P2.
    trace : tuple of Incumbent
        The incumbents in the order they were found.
    wall_s, cpu_s : float
        Wall and process time of the run, s.
    iterations : int
        Iterations, in the solver's own sense.
    message : str
        One line for people: why it is infeasible, what stopped it.
    details : mapping
        What the solver wants to tell beyond that; JSON-able.
    problem : Problem, optional
        What was solved, for drawings and tables; left out where a result is pickled.
    uncontrollable_objective : float, optional
        `Problem.uncontrollable_objective`, kept where `problem` is not; taken from `problem` where not given.
    """

    solver: str
    seed: int
    problem_kind: str
    problem_name: str
    problem_hash: str
    status: Status
    solution: Solution | None
    evaluation: Evaluation | None
    bound: float | None = None
    trace: tuple[Incumbent, ...] = ()
    wall_s: float = 0.0
    cpu_s: float = 0.0
    iterations: int = 0
    message: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    details: Mapping[str, Any] = field(default_factory=dict)
    problem: Problem | None = field(default=None, repr=False)
    uncontrollable_objective: float | None = None

    def __post_init__(self) -> None:
        # Without a solution there is no gap, and the radio of a large instance may not be computed yet.
        if self.uncontrollable_objective is None and self.problem is not None and self.evaluation is not None:
            object.__setattr__(self, "uncontrollable_objective", self.problem.uncontrollable_objective)

    @property
    def objective(self) -> float | None:
        """The objective of the solution; None where there is none."""
        return self.evaluation.objective if self.evaluation else None

    @property
    def feasible(self) -> bool:
        """Whether there is a feasible solution."""
        return self.evaluation is not None and self.evaluation.feasible

    @property
    def gap(self) -> float:
        """Relative gap between the objective and this run's own proven bound; infinite where one is missing."""
        return relative_gap(self.objective, self.bound)

    @property
    def controllable_gap(self) -> float:
        """The same gap as a part of what decisions change; see `dtopt.result.controllable_gap`."""
        return controllable_gap(self.objective, self.bound, self.uncontrollable_objective)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain JSON types; numbers that do not exist are None."""
        constant = self.uncontrollable_objective
        return {
            "solver": self.solver,
            "seed": self.seed,
            "problem": {"kind": self.problem_kind, "name": self.problem_name, "hash": self.problem_hash},
            "status": str(self.status),
            "objective": self.objective,
            "bound": self.bound,
            "gap": _finite(self.gap),
            "uncontrollable_objective": None if constant is None else _finite(constant),
            "controllable_gap": _finite(self.controllable_gap),
            "terms": asdict(self.evaluation.terms) if self.evaluation else None,
            "association": self.solution.association.tolist() if self.solution else None,
            "open_servers": self.solution.open_servers.tolist() if self.solution else None,
            "cpu_share_hz": self.evaluation.cpu_share_hz.tolist() if self.evaluation else None,
            "trace": [[step.time_s, step.objective] for step in self.trace],
            "wall_s": self.wall_s,
            "cpu_s": self.cpu_s,
            "iterations": self.iterations,
            "message": self.message,
            "versions": dict(self.versions),
            "details": dict(self.details),
        }

    def to_frame(self, problem: Problem | None = None) -> pd.DataFrame:
        """Return a table with a row for each user.

        Columns: user, name, x_m, y_m, access_station, server (−1 for none), latency_s, deadline_s, cpu_share_hz.

        Parameters
        ----------
        problem : Problem, optional
            Only for a result that has lost it, as after a pickle.

        Raises
        ------
        InputError
            If there is no solution, or the problem is missing or another one.
        """
        import pandas as pd

        problem, solution = self._solved(problem)
        users = problem.network.users
        judged = self.evaluation
        missing = np.full((problem.n_users, 2), np.nan)
        x, y = (missing if users.position_m is None else users.position_m).T
        return pd.DataFrame(
            {
                "user": np.arange(problem.n_users),
                "name": [users.name(i) for i in range(problem.n_users)],
                "x_m": x,
                "y_m": y,
                "access_station": problem.network.access_station,
                "server": solution.association,
                "latency_s": np.nan if judged is None else judged.latency_s,
                "deadline_s": users.deadline_s,
                "cpu_share_hz": np.nan if judged is None else judged.cpu_share_hz,
            }
        )

    def to_geojson(
        self,
        path: str | PathLike[str] | None = None,
        *,
        origin: tuple[float, float] | None = None,
        problem: Problem | None = None,
    ) -> dict[str, Any]:
        """Return the solution as a GeoJSON FeatureCollection, and write it where a path is given.

        See `dtopt.geojson.feature_collection`, which says what an instance without a place on earth becomes.

        Parameters
        ----------
        path : path, optional
        origin : tuple of float, optional
            Latitude and longitude of the point (0, 0).
        problem : Problem, optional
            Only for a result that has lost it, as after a pickle.

        Raises
        ------
        InputError
            If there is no solution, positions are missing, or the file cannot be written.
        """
        from dtopt.geojson import feature_collection, write_geojson

        collection = feature_collection(*self._solved(problem), origin=origin)
        if path is not None:
            write_geojson(collection, Path(path))
        return collection

    def plot(self, problem: Problem | None = None, *, ax: Axes | None = None, links: bool = True) -> Axes:
        """Draw the solution on a map and return the Matplotlib axes; see `dtopt.drawing.draw`.

        Parameters
        ----------
        problem : Problem, optional
            Only for a result that has lost it, as after a pickle.
        ax : Axes, optional
            Where to draw; a new figure where not given.
        links : bool
            Whether each user is joined to its server.

        Raises
        ------
        InputError
            If there is no solution, or positions are missing.
        """
        from dtopt.drawing import draw

        problem, solution = self._solved(problem)
        return draw(problem, solution, ax=ax, links=links)

    def _solved(self, problem: Problem | None) -> tuple[Problem, Solution]:
        """Return problem and solution, checked to belong together."""
        problem = self.problem if problem is None else problem
        if problem is None:
            raise InputError("is missing", where="problem", mend="give the problem that was solved")
        if problem.content_hash != self.problem_hash:
            raise InputError("is another one than was solved", where="problem")
        if self.solution is None:
            raise InputError(f"{self.solver} found no solution: {self.message or self.status}", where="result")
        return problem, self.solution

    def __getstate__(self) -> dict[str, Any]:
        # Results travel between processes and into files; the problem is large and known at both ends.
        return {**self.__dict__, "problem": None}

    def _repr_html_(self) -> str:
        from dtopt.notebook import result_html

        return result_html(self)

    def __str__(self) -> str:
        lines = [f"{self.problem_name or self.problem_kind}: {self.status} by {self.solver} in {self.wall_s:.3g} s"]
        if self.evaluation is not None:
            lines.append(f"  objective {self.evaluation.objective:.6g}")
        if self.bound is not None:
            lines.append(f"  proven bound {self.bound:.6g}{self.gap_text}")
        if self.message:
            lines.append(f"  {self.message}")
        return "\n".join(lines)

    @property
    def gap_text(self) -> str:
        """Both gaps as they follow a bound: ``, gap 0.1 %, controllable gap 5 %``; empty where there is none."""
        named = (("gap", self.gap), ("controllable gap", self.controllable_gap))
        return "".join(f", {name} {100 * value:.3g} %" for name, value in named if math.isfinite(value))


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
