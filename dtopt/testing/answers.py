"""What every answer of a solver must be, whatever the problem: judged by the evaluator, by hand and by brute force."""

from __future__ import annotations

import itertools
import json
import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from dtopt.evaluation import evaluate
from dtopt.problem import Placement
from dtopt.result import Result, Status
from dtopt.testing.checks import ensure

if TYPE_CHECKING:
    from dtopt.arrays import FloatArray
    from dtopt.problem import Problem
    from dtopt.solution import Solution

__all__ = ["check_answer", "check_by_hand", "check_result"]

#: Relative tolerance of bounds, and of optima against brute force.
SLACK, CLOSE = 1e-9, 1e-6


def check_result(problem: Problem, result: object) -> Result:
    """Check what a result tells of its run, and return it; says nothing of the solution."""
    ensure(isinstance(result, Result), f"returned {type(result).__name__}, not a dtopt.Result")
    assert isinstance(result, Result)  # noqa: S101 - for mypy
    ensure(isinstance(result.status, Status), f"status is {result.status!r}, not a dtopt.Status")
    ensure(isinstance(result.solver, str) and result.solver, "Result.solver is empty; give the solver's name")
    ensure(result.problem_kind == problem.kind, f"problem_kind is {result.problem_kind!r}, not {problem.kind!r}")
    ensure(result.problem_hash == problem.content_hash, "problem_hash is not that of the problem given")
    for name in ("wall_s", "cpu_s"):
        value = getattr(result, name)
        ensure(math.isfinite(value) and value >= 0, f"{name} is {value}, not a time")
    missing = {"dtopt", "python", "numpy"} - set(result.versions)
    ensure(not missing, f"versions leaves out {', '.join(sorted(missing))}; dtopt.run.versions() tells them")
    ensure("\n" not in result.message, "message must be one line")
    try:
        json.dumps(result.to_dict(), allow_nan=False)
    except (TypeError, ValueError) as error:
        ensure(False, f"to_dict() is not JSON: {error}; look at what `details` holds")
    return result


def check_answer(problem: Problem, result: object, best: float | None) -> Result:
    """Check a result on a problem whose best objective is known; None: nothing is feasible."""
    result = check_result(problem, result)
    direction = -1.0 if problem.maximise else 1.0
    if result.solution is None:
        ensure(result.evaluation is None, "has an evaluation without a solution")
        open_ended = {Status.INFEASIBLE, Status.NOT_FOUND, Status.TIME_LIMIT}
        ensure(result.status in open_ended, f"has no solution and status {result.status}")
        if result.status is Status.INFEASIBLE:
            ensure(best is None, f"says infeasible, and brute force finds objective {best}")
            ensure(result.message, "says infeasible without saying why in `message`")
        return result
    ensure(result.status is not Status.INFEASIBLE, "has a solution and says infeasible")
    judged = evaluate(problem, result.solution)
    ensure(judged.feasible, f"the evaluator finds the solution infeasible: {[str(v) for v in judged.violations[:3]]}")
    ensure(result.evaluation is not None, "has a solution without its evaluation")
    assert result.evaluation is not None  # noqa: S101 - for mypy
    objective = result.evaluation.objective
    ensure(objective == judged.objective, f"objective {objective} is not the evaluator's {judged.objective}")
    check_by_hand(problem, result.solution, result.evaluation.cpu_share_hz)
    values = [step.objective for step in result.trace]
    ensure(values, "has a solution and no incumbent in `trace`")
    ensure(values[-1] == objective, f"trace ends at {values[-1]}, the objective is {objective}")
    ensure(all(direction * b < direction * a for a, b in itertools.pairwise(values)), "objectives of `trace` get worse")
    times = [step.time_s for step in result.trace]
    ensure(times == sorted(times), "times of `trace` run backwards")
    slack = SLACK * abs(objective)
    if best is not None:
        ensure(direction * (objective - best) >= -CLOSE * abs(best), f"{objective} beats brute force, {best}")
        if result.status is Status.OPTIMAL:
            ensure(abs(objective - best) <= CLOSE * abs(best), f"says optimal at {objective}; brute force has {best}")
    if result.bound is not None:
        truth = objective if best is None else best
        ensure(
            direction * (truth - result.bound) >= -slack, f"bound {result.bound} is refuted by a solution of {truth}"
        )
    return result


def check_by_hand(problem: Problem, solution: Solution, shares: FloatArray) -> None:
    """Check (18a) to (18e) or (21a) to (21c) from the data alone, beside what the evaluator says."""
    association, stations = solution.association, problem.network.stations
    ensure(association.shape == (problem.n_users,), "association has not one entry for each user")
    ensure(np.isin(association, solution.open_servers).all(), "(18a): a twin is on a server that is not open")
    ensure(problem.server_allowed[solution.open_servers].all(), "(21b): a server is open that may not be")
    counts = np.bincount(association, minlength=problem.n_stations)
    ensure((counts <= stations.capacity).all(), "(18b), (21a): a server keeps more twins than its capacity")
    used = np.bincount(association, weights=shares, minlength=problem.n_stations)
    ensure((used <= stations.cpu_hz * (1 + 1e-9)).all(), "(18c): CPU shares sum to more than a server has")
    if isinstance(problem, Placement):
        ensure(solution.open_servers.size <= problem.max_open, "more servers are open than max_servers")
    if problem.deadline == "hard":
        users = np.arange(problem.n_users)
        with np.errstate(divide="ignore", invalid="ignore"):
            compute = np.where(problem.deadline_cycles > 0, problem.deadline_cycles / shares, 0.0)
        latency = problem.deadline_transfer_latency(users, association) + compute
        deadline = problem.network.users.deadline_s
        ensure((latency <= deadline * (1 + 1e-9)).all(), "(18d), (21c): a hard deadline is missed")


def impossible(problem: Problem) -> Problem:
    """Return the problem with places for one twin less than there are users."""
    n, m = problem.n_users, problem.n_stations
    capacity = np.zeros(m, dtype=np.int64)
    capacity[np.flatnonzero(problem.server_allowed)[0]] = n - 1
    stations = replace(problem.network.stations, capacity=capacity)
    return replace(problem, network=replace(problem.network, stations=stations))
