"""`ortools-cpsat`: P1 and P2 in the integers of CP-SAT, rounded so that every bound holds."""

from __future__ import annotations

import math
from contextlib import suppress
from typing import TYPE_CHECKING

from dtopt.arrays import number
from dtopt.bounds import SLACK
from dtopt.errors import InputError
from dtopt.problem import Placement
from dtopt.result import Status
from dtopt.run import OPTIMALITY_GAP, Run, Stopped, pass_on
from dtopt.stop import AnyOf, MaxIterations, MaxRuntime
from solvers import ortools_flow
from solvers.ortools_cpsat.engine import search
from solvers.ortools_cpsat.migration import EqualMigration, FixedMigration, OptimalMigration
from solvers.ortools_cpsat.model import check_size
from solvers.ortools_cpsat.placement import EqualPlacement, FixedPlacement, OptimalPlacement

if TYPE_CHECKING:
    from collections.abc import Callable

    from dtopt.arrays import IntArray
    from dtopt.problem import Problem
    from dtopt.result import Incumbent, Result
    from dtopt.solution import Solution
    from dtopt.stop import StoppingCriterion
    from solvers.ortools_cpsat.model import AssociationModel

__all__ = ["solve"]

PLACEMENT = {"fixed": FixedPlacement, "equal": EqualPlacement, "optimal": OptimalPlacement}
MIGRATION = {"fixed": FixedMigration, "equal": EqualMigration, "optimal": OptimalMigration}

#: Iterations of `ortools-flow` for the first incumbent, and the part of the time left that they may take.
START_ITERATIONS, START_PART = 2000, 0.2


def solve(
    problem: Problem,
    *,
    time_limit: float | None = None,
    seed: int = 0,
    stop: StoppingCriterion | None = None,
    on_incumbent: Callable[[Incumbent, Solution], None] | None = None,
    deterministic_limit: float = math.inf,
    workers: int = 1,
    flow_start: bool = True,
) -> Result:
    """Solve in scaled integers with CP-SAT of OR-Tools, from a start by `ortools-flow`, with proven bounds.

    The model is a relaxation whose error is its rounding, except where compute latencies under ``optimal`` sharing are
    approximated from outside: then it is refined at its solutions and solved again. An iteration is one such solve.

    Parameters
    ----------
    problem : Placement or Migration
    time_limit, seed, stop, on_incumbent
        See `dtopt.solve`.
    deterministic_limit : float
        Limit on the search in CP-SAT's deterministic seconds: with it a seed gives the same answer on every machine.
    workers : int
        Threads. With more than one, CP-SAT runs its whole portfolio, and a seed no longer gives the same answer.
    flow_start : bool
        Whether the first incumbent, and CP-SAT's hint, is that of `ortools-flow`; otherwise CP-SAT is on its own.

    Raises
    ------
    InputError
        On a bad option.
    UnsupportedProblemError
        If the model would be too large.
    """
    number(deterministic_limit, "deterministic_limit", minimum=0.0, infinite=True)
    if workers < 1:
        raise InputError(f"must be >= 1, got {workers}", where="workers")
    check_size(problem.n_users * problem.n_stations, f"{problem.n_users} users and {problem.n_stations} servers")
    run = Run(
        problem,
        "ortools-cpsat",
        seed=seed,
        stop=stop,
        time_limit=time_limit,
        on_incumbent=on_incumbent,
        libraries=("scipy", "ortools"),
    )
    with run:
        if not run.settled and not run.should_stop():
            with suppress(Stopped):
                _search(run, problem, deterministic_limit, workers, flow_start)
        if not run.settled and run.gap > OPTIMALITY_GAP and run.seconds_left <= 0:
            run.finish(Status.TIME_LIMIT, "the time limit came before the proof")
    return run.result()


def _begin(run: Run, problem: Problem) -> None:
    """Offer the association of `ortools-flow`."""
    limits = AnyOf(MaxIterations(START_ITERATIONS), MaxRuntime(START_PART * run.seconds_left))
    first = ortools_flow.solve(problem, stop=limits, seed=run.seed)
    if first.solution is not None:
        run.offer(first.solution)
    pass_on(first)
    run.check()


def _search(run: Run, problem: Problem, deterministic_limit: float, workers: int, flow_start: bool) -> None:
    if flow_start:
        _begin(run, problem)
    kinds = PLACEMENT if isinstance(problem, Placement) else MIGRATION
    model: AssociationModel = kinds[problem.sharing](problem, run)  # type: ignore[arg-type,abstract]
    if run.solution is not None:
        model.refine(run.solution.association)
    # A little less than what counts as proven, so that it is reached and not just met.
    goal = max(OPTIMALITY_GAP / 2, run.stop.target_gap())
    spent = 0.0
    seen: set[bytes] = set()
    while not run.should_stop() and run.gap > goal and spent < deterministic_limit:
        if model.stale:
            model.build()
            _offer_bound(run, model, model.first_bound * model.units)
            if run.gap <= goal:
                return
        if run.solution is not None:
            model.hint(run.solution.association)
        new: list[IntArray] = []

        def judge(association: IntArray, new: list[IntArray] = new) -> None:
            new.append(association)
            run.offer(association)

        verdict, used = search(
            model,
            run,
            on_solution=judge,
            on_bound=lambda bound: _offer_bound(run, model, bound),
            enough=lambda: run.should_stop() or run.gap <= goal,
            deterministic_limit=deterministic_limit - spent,
            workers=workers,
        )
        spent += used
        run.iterations += 1
        run.details["deterministic_s"] = spent
        if verdict == "infeasible":
            if run.evaluation is None:
                run.infeasible("no association meets all constraints together, proven by CP-SAT")
            else:
                # What is left out is no better than the incumbent, or was judged before it was cut off.
                run.offer_bound(run.evaluation.objective)
            return
        if verdict == "stopped" or not new:
            return
        best = new[-1]
        refined = [model.refine(association) for association in new]
        if not any(refined) or best.tobytes() in seen:
            # Exact here already, but for rounding and clamped shares: this one is judged, the others are left.
            model.forbid(best)
        seen.add(best.tobytes())


def _offer_bound(run: Run, model: AssociationModel, value: float) -> None:
    """Record a bound of the model, which speaks only of what has not been cut off: that is no better than the best."""
    if not math.isfinite(value):
        return
    bound = model.objective(value)
    if not model.whole:
        bound -= model.sign * SLACK * abs(bound)
    if run.evaluation is not None:
        best = run.evaluation.objective
        bound = max(bound, best) if run.problem.maximise else min(bound, best)
    run.offer_bound(bound)
