"""`dtopt solvers`."""

from __future__ import annotations

from typing import Annotated

import typer

__all__ = ["solvers"]


def solvers(as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False) -> None:
    """List the solvers that are installed, with the problems they take."""
    from dataclasses import asdict

    from dtopt.cli.common import print_json, wide_console
    from dtopt.errors import UnknownSolverError
    from dtopt.registry import SolverInfo, solver_info, solver_names

    def told(name: str) -> SolverInfo:
        try:
            return solver_info(name)
        except UnknownSolverError as error:
            return SolverInfo(name, (), str(error), "")

    found = [told(name) for name in solver_names()]
    if as_json:
        print_json([asdict(solver) for solver in found])
        return
    from rich.markup import escape
    from rich.table import Table

    table = Table("solver", "problems", "what", "package", box=None, pad_edge=False)
    for solver in found:
        table.add_row(solver.name, ", ".join(solver.problems), escape(solver.summary), solver.package)
    wide_console().print(table)
