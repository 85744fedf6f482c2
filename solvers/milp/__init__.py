"""`milp`: the textbook mixed-integer programs of P1 and P2, solved with PuLP and HiGHS."""

from __future__ import annotations

import math
from contextlib import suppress
from typing import TYPE_CHECKING

import numpy as np

from dtopt.errors import InputError, UnsupportedProblemError
from dtopt.problem import Placement
from dtopt.result import Status
from dtopt.run import OPTIMALITY_GAP, Run, Stopped
from solvers.conflicts import name_conflict
from solvers.milp.engine import ENGINES, TIGHT, solve_model
from solvers.milp.migration import EqualMigration, FixedMigration, OptimalMigration
from solvers.milp.placement import EqualPlacement, FixedPlacement, OptimalPlacement

if TYPE_CHECKING:
    from collections.abc import Callable

    from dtopt.problem import Problem
    from dtopt.result import Incumbent, Result
    from dtopt.solution import Solution
    from dtopt.stop import StoppingCriterion
    from solvers.milp.common import Formulation

__all__ = ["outer_approximation", "relaxations", "solve"]

PLACEMENT = {"fixed": FixedPlacement, "equal": EqualPlacement, "optimal": OptimalPlacement}
MIGRATION = {"fixed": FixedMigration, "equal": EqualMigration, "optimal": OptimalMigration}

#: Relative gap of the first MILP of an outer approximation; later ones are solved to a part of the gap left.
FIRST_TOLERANCE = 1e-2
PART_OF_GAP = 0.1
#: CBC, a process of its own, may end this much before the limit it was given, s.
EARLY_S = {"highs": 0.0, "cbc": 1.0}
#: Rounds of tangents at linear relaxations before the first MILP.
RELAXATIONS = 30


def solve(
    problem: Problem,
    *,
    time_limit: float | None = None,
    seed: int = 0,
    stop: StoppingCriterion | None = None,
    on_incumbent: Callable[[Incumbent, Solution], None] | None = None,
    engine: str = "highs",
) -> Result:
    """Solve small problems to proven optimality as textbook mixed-integer programs with PuLP.

    Under ``fixed`` and ``equal`` sharing one model is exact. Under ``optimal`` sharing the compute latency is
    approximated from outside, the model refined at each of its solutions until the bound meets the incumbent; an
    iteration is one MILP.

    Parameters
    ----------
    problem : Placement or Migration
    time_limit, seed, stop, on_incumbent
        See `dtopt.solve`. A target gap in `stop` is passed to the engine.
    engine : str
        ``highs``, or ``cbc`` for ``equal`` and ``fixed`` sharing.

    Raises
    ------
    InputError
        On an unknown engine.
    UnsupportedProblemError
        If the model would be too large, or CBC is asked for ``optimal`` sharing.
    """
    if engine not in ENGINES:
        raise InputError(f"unknown value {engine!r}", where="engine", mend=f"one of {', '.join(ENGINES)}")
    if engine == "cbc" and problem.sharing == "optimal":
        raise UnsupportedProblemError("milp with engine cbc takes equal and fixed sharing, not optimal")
    library = {"highs": "highspy", "cbc": "pulp"}[engine]
    run = Run(
        problem,
        "milp",
        seed=seed,
        stop=stop,
        time_limit=time_limit,
        on_incumbent=on_incumbent,
        libraries=dict.fromkeys(("pulp", library)),
    )
    run.details["engine"] = engine
    with run:
        if not run.settled and not run.should_stop():
            with suppress(Stopped):
                _search(run, problem, engine)
        if not run.settled and run.gap > OPTIMALITY_GAP and run.seconds_left <= EARLY_S[engine]:
            run.finish(Status.TIME_LIMIT, "the time limit came before the proof")
    return run.result()


def _search(run: Run, problem: Problem, engine: str) -> None:
    kinds = PLACEMENT if isinstance(problem, Placement) else MIGRATION
    formulation: Formulation = kinds[problem.sharing](problem, run.check)  # type: ignore[arg-type,abstract]
    stranded = np.flatnonzero(~formulation.allowed.any(axis=1))
    if stranded.size:
        run.infeasible(f"no server can take {problem.network.users.name(int(stranded[0]))}, not even alone")
        return
    formulation.build()
    if formulation.refines:
        relaxations(run, formulation)
    outer_approximation(run, formulation, engine)


def relaxations(run: Run, formulation: Formulation, cutoff: float = math.inf) -> None:
    """Tighten the model at its linear relaxations, which is cheap, and bound the objective by them."""
    for _ in range(RELAXATIONS):
        outcome = solve_model(formulation.model, run, relaxed=True)
        if outcome.status != "optimal":
            return
        run.offer_bound(min(formulation.bound(outcome.bound), cutoff))
        if run.should_stop() or not formulation.refine_relaxation(outcome.values):
            return


def outer_approximation(run: Run, formulation: Formulation, engine: str, cutoff: float = math.inf) -> None:
    """Solve the model, judge its solutions and refine it there, until the bound meets the incumbent.

    A finite `cutoff` says that the model leaves out only what is proven to cost at least that (P1 only).
    """
    target = run.stop.target_gap()
    tolerance = FIRST_TOLERANCE if formulation.refines else max(TIGHT, target / 2)
    seen: set[bytes] = set()
    while not run.should_stop():
        # Every incumbent of the engine is judged at once, so that Ctrl-C or a limit keeps the best.
        outcome = solve_model(formulation.model, run, engine, tolerance=tolerance, on_solution=run.offer)
        run.iterations += 1
        if outcome.status == "infeasible":
            if math.isfinite(cutoff):
                # What the model left out costs at least the cutoff; what was cut off, at least the incumbent.
                run.offer_bound(min(cutoff, run.evaluation.objective if run.evaluation else cutoff))
            elif run.evaluation is None:
                # What stands where no conflict is found.
                run.infeasible(f"no association meets all constraints together, proven by {engine}")
                name_conflict(run)
            else:
                # All others have been cut off after they were judged.
                run.offer_bound(run.evaluation.objective)
            return
        new = [x for x in outcome.associations if x.tobytes() not in seen]
        for association in new:
            seen.add(association.tobytes())
            if run.offer(association).feasible:
                formulation.refine(association)
            else:
                formulation.forbid(association)
        _offer_bound(run, min(formulation.bound(outcome.bound), cutoff))
        if run.gap <= max(OPTIMALITY_GAP, target) or outcome.status == "stopped":
            return
        if not new and tolerance <= TIGHT:
            # Exact here already, but for rounding: this association is judged, the model is left with the others.
            formulation.forbid(outcome.associations[-1])
        elif not new:
            tolerance = max(TIGHT, tolerance * PART_OF_GAP**2)
        elif formulation.refines:
            tolerance = float(np.clip(PART_OF_GAP * run.gap, TIGHT, tolerance))


def _offer_bound(run: Run, bound: float) -> None:
    """Record the bound of a model, which speaks only of associations that have not been cut off."""
    if not math.isfinite(bound):
        return
    if run.evaluation is not None:
        # Those cut off are no better than the incumbent; it also stops what rounding puts beyond the attained.
        best = run.evaluation.objective
        bound = max(bound, best) if run.problem.maximise else min(bound, best)
    run.offer_bound(bound)
