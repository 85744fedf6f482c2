"""`dtopt evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["evaluate"]


def evaluate(
    instance: Annotated[Path, typer.Argument(help="The instance file.", show_default=False)],
    solution: Annotated[Path, typer.Argument(help="A solution file of it, from anywhere.", show_default=False)],
    file_format: Annotated[
        str, typer.Option("--format", help="auto; gap or gap-max (profits) for OR-Library.")
    ] = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Judge a solution: every term of its cost and every violated constraint.

    A file that does not say which instance it solves is judged with a warning; {"association": [0, 2, 0]} is enough.
    Exit code: 0 feasible, 2 wrong input, 3 infeasible.
    """
    import math
    from dataclasses import asdict

    from dtopt.cli import NO_SOLUTION
    from dtopt.cli.common import load, percent, print_json, profit_line, profits, read_solution, visible
    from dtopt.errors import InputError
    from dtopt.evaluation import evaluate as judge
    from dtopt.io import read, read_solution_info
    from dtopt.result import controllable_gap, relative_gap
    from reports.compare import affordable_bound

    problems = [read(instance)] if file_format == "auto" else load(str(instance), file_format=file_format)
    problem = problems[0]
    if len(problems) > 1:
        wanted = read_solution_info(solution).instance_hash
        found = [problem for problem in problems if problem.content_hash == wanted]
        if not found:
            what = "names no instance" if wanted is None else "solves none"
            raise InputError(f"{what} of the {len(problems)} problems of {instance}", where=str(solution))
        problem = found[0]
    verdict = judge(problem, read_solution(solution, problem).solution)
    bound = affordable_bound(problem)
    gap = relative_gap(verdict.objective, bound) if verdict.feasible else math.inf
    profit = profits(file_format, verdict.objective if math.isfinite(verdict.objective) else None, bound)
    part = math.inf
    if verdict.feasible:
        part = controllable_gap(verdict.objective, bound, problem.uncontrollable_objective)
    if as_json:
        print_json(
            {
                "feasible": verdict.feasible,
                "objective": verdict.objective if math.isfinite(verdict.objective) else None,
                "proven_bound": bound,
                "proven_gap": gap if math.isfinite(gap) else None,
                "proven_controllable_gap": part if math.isfinite(part) else None,
                "terms": {k: v if math.isfinite(v) else None for k, v in asdict(verdict.terms).items()},
                "share_difference": verdict.share_difference if math.isfinite(verdict.share_difference) else None,
                "violations": [
                    {k: None if v == math.inf else v for k, v in asdict(violation).items()}
                    for violation in verdict.violations
                ],
            }
            | profit
        )
    else:
        typer.echo(f"{'feasible' if verdict.feasible else 'INFEASIBLE'}: objective {verdict.objective:.10g}")
        if bound is not None:
            proof = f", gap {percent(gap)}, controllable gap {percent(part)}" if math.isfinite(gap) else ""
            typer.echo(f"proven bound {bound:.10g}{proof}")
        if line := profit_line(profit):
            typer.echo(line)
        for name, value in asdict(verdict.terms).items():
            typer.echo(f"  {name:<16} {value:.8g}")
        for violation in verdict.violations:
            message = visible(violation.message)
            typer.echo(f"  violated ({violation.constraint}) {violation.name}: {message}, by {violation.amount:.6g}")
    raise typer.Exit(0 if verdict.feasible else NO_SOLUTION)
