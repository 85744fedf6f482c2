"""`dtopt evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["evaluate"]


def evaluate(
    instance: Annotated[Path, typer.Argument(help="The instance file.", show_default=False)],
    solution: Annotated[Path, typer.Argument(help="A solution file of it, from anywhere.", show_default=False)],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Judge a solution: every term of its cost and every violated constraint.

    Exit code: 0 feasible, 2 wrong input, 3 infeasible.
    """
    import math
    from dataclasses import asdict

    from dtopt.cli import NO_SOLUTION
    from dtopt.cli.common import percent, print_json, visible
    from dtopt.evaluation import evaluate as judge
    from dtopt.io import read, read_solution
    from dtopt.result import relative_gap
    from reports.compare import affordable_bound

    problem = read(instance)
    verdict = judge(problem, read_solution(solution, problem))
    bound = affordable_bound(problem)
    gap = relative_gap(verdict.objective, bound) if verdict.feasible else math.inf
    if as_json:
        print_json(
            {
                "feasible": verdict.feasible,
                "objective": verdict.objective if math.isfinite(verdict.objective) else None,
                "proven_bound": bound,
                "proven_gap": gap if math.isfinite(gap) else None,
                "terms": {k: v if math.isfinite(v) else None for k, v in asdict(verdict.terms).items()},
                "violations": [
                    {k: None if v == math.inf else v for k, v in asdict(violation).items()}
                    for violation in verdict.violations
                ],
            }
        )
    else:
        typer.echo(f"{'feasible' if verdict.feasible else 'INFEASIBLE'}: objective {verdict.objective:.10g}")
        if bound is not None:
            proof = f", gap {percent(gap)}" if math.isfinite(gap) else ""
            typer.echo(f"proven bound {bound:.10g}{proof}")
        for name, value in asdict(verdict.terms).items():
            typer.echo(f"  {name:<16} {value:.8g}")
        for violation in verdict.violations:
            message = visible(violation.message)
            typer.echo(f"  violated ({violation.constraint}) {violation.name}: {message}, by {violation.amount:.6g}")
    raise typer.Exit(0 if verdict.feasible else NO_SOLUTION)
