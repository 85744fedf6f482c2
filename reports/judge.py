"""The evaluator's own look at what a solver returned, and what an error of a solver says of the run."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from dtopt.errors import DtoptError, SolverDiedError, UnknownSolverError
from dtopt.evaluation import evaluate
from dtopt.result import Status

if TYPE_CHECKING:
    from dtopt.evaluation import Evaluation
    from dtopt.problem import Problem
    from dtopt.result import Result
    from dtopt.solution import Solution

__all__ = ["CLAIM_TOLERANCE", "FAILED", "INVALID", "UNAVAILABLE", "UNSUPPORTED", "judge", "refusal", "rejection"]

#: What a run can end with beside a `dtopt.result.Status`: the solver raised an error, the evaluator rejects its
#: solution, it cannot be loaded, it does not take the problem.
FAILED, INVALID, UNAVAILABLE, UNSUPPORTED = "failed", "invalid", "unavailable", "unsupported"
#: Relative difference up to which a claimed objective and the evaluator's are the same.
CLAIM_TOLERANCE = 1e-9


def judge(problem: Problem, result: Result, solution: Solution | None) -> tuple[str, Evaluation | None, str]:
    """Return status, evaluation and message of a result after the evaluator's own look at its solution.

    Parameters
    ----------
    problem : Problem
    result : Result
    solution : Solution or None
        That of the result, in the form in which it is kept.
    """
    if solution is None:
        claims = result.status in {Status.OPTIMAL, Status.FEASIBLE}
        return str(Status.NOT_FOUND if claims else result.status), None, result.message
    evaluation = evaluate(problem, solution)
    rejected = rejection(evaluation)
    if rejected:
        return INVALID, None, rejected
    claimed = result.objective
    if claimed is None or not math.isclose(claimed, evaluation.objective, rel_tol=CLAIM_TOLERANCE, abs_tol=1e-12):
        return str(result.status), evaluation, f"claims {claimed}, the evaluator finds {evaluation.objective:.10g}"
    return str(result.status), evaluation, result.message


def rejection(evaluation: Evaluation) -> str:
    """Return why the evaluator rejects a solution, in one line; empty where it does not."""
    if evaluation.feasible:
        return ""
    first = evaluation.violations[0]
    more = f" and {len(evaluation.violations) - 1} more" if len(evaluation.violations) > 1 else ""
    return f"the evaluator rejects its solution: {first.message}{more}"


def refusal(error: Exception) -> tuple[str, str]:
    """Return status and message of a run that ended with an error."""
    if isinstance(error, DtoptError) and not isinstance(error, SolverDiedError):
        return (UNAVAILABLE if isinstance(error, UnknownSolverError) else UNSUPPORTED), str(error)
    return FAILED, " ".join(f"{type(error).__name__}: {error}".split())
