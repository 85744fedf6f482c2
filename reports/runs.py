"""One run of one solver, kept whatever happens, and the labels that problems are shown with."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from dtopt.evaluation import evaluate
from dtopt.registry import solve
from dtopt.result import Incumbent, Result, Status

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dtopt.problem import Problem
    from dtopt.solution import Solution
    from dtopt.stop import StoppingCriterion

__all__ = ["label", "run_solver"]


def label(problems: Mapping[str, Problem] | Sequence[Problem]) -> dict[str, Problem]:
    """Return the problems by label; names that occur twice are numbered."""
    if isinstance(problems, Mapping):
        return dict(problems)
    found: dict[str, Problem] = {}
    for problem in problems:
        base = problem.name or problem.kind
        text, number = base, 1
        while text in found:
            number += 1
            text = f"{base} ({number})"
        found[text] = problem
    return found


def run_solver(
    problem: Problem,
    solver: str,
    *,
    time_limit: float | None = None,
    memory_limit: float | None = None,
    seed: int = 0,
    stop: StoppingCriterion | None = None,
    options: Mapping[str, Any] | None = None,
    on_incumbent: Callable[[Incumbent], None] | None = None,
) -> Result:
    """Return what `dtopt.solve` does; on Ctrl-C the last incumbent, with status ``interrupted``.

    Solvers that use `dtopt.run.Run` keep their incumbent themselves; for the others the last one that they reported is
    judged here.
    """
    trace: list[Incumbent] = []
    last: list[Solution] = []

    def keep(step: Incumbent, solution: Solution) -> None:
        trace.append(step)
        last[:] = [solution]
        if on_incumbent is not None:
            on_incumbent(step)

    started, cpu = time.perf_counter(), time.process_time()
    try:
        return solve(
            problem,
            solver,
            time_limit=time_limit,
            memory_limit=memory_limit,
            seed=seed,
            stop=stop,
            on_incumbent=keep,
            **dict(options or {}),
        )
    except KeyboardInterrupt:
        evaluation = evaluate(problem, last[0]) if last else None
        return Result(
            solver=solver,
            seed=seed,
            problem_kind=problem.kind,
            problem_name=problem.name,
            problem_hash=problem.content_hash,
            status=Status.INTERRUPTED,
            solution=last[0] if last else None,
            evaluation=evaluation,
            trace=tuple(trace),
            wall_s=time.perf_counter() - started,
            cpu_s=time.process_time() - cpu,
            message="interrupted; the best solution reported so far is kept" if last else "interrupted",
            problem=problem,
        )
