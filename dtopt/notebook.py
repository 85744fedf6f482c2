"""How notebooks show problems and results: small HTML tables."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

import numpy as np

from dtopt.arrays import UNLIMITED

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dtopt.problem import Problem
    from dtopt.result import Result

__all__ = ["problem_html", "result_html"]


def problem_html(problem: Problem) -> str:
    """Return what a problem is, as HTML."""
    network = problem.network
    deadlines = int(np.isfinite(network.users.deadline_s).sum())
    capacity = network.stations.capacity
    places = f"{int(capacity.sum()):,}" if (capacity < UNLIMITED).all() else "not limited"
    rows: list[tuple[str, str]] = [
        ("users", f"{problem.n_users:,}"),
        ("stations", f"{problem.n_stations:,}, at most {problem.max_open:,} of them servers"),
        ("places for twins", places),
        ("CPU", f"{network.stations.cpu_hz.sum() / 1e9:.4g} GHz, sharing {problem.sharing}"),
        ("deadlines", f"{deadlines:,}, {problem.deadline}" if deadlines else "none"),
    ]
    objective = getattr(problem, "objective", None)
    if objective is not None:
        rows.append(("objective", objective))
    title = "P1, placement" if problem.kind == "placement" else "P2, migration"
    return _table(f"{problem.name or 'unnamed'}: {title}", rows)


def result_html(result: Result) -> str:
    """Return what a run has found, as HTML."""
    rows: list[tuple[str, str]] = [("solver", f"{result.solver}, seed {result.seed}"), ("status", str(result.status))]
    if result.evaluation is not None and result.solution is not None:
        terms = result.evaluation.terms
        rows += [
            ("objective", f"{result.evaluation.objective:.6g}"),
            ("mean latency", f"{1000 * terms.latency:.4g} ms"),
            ("open servers", f"{result.solution.open_servers.size:,}"),
        ]
    if result.bound is not None:
        rows.append(("proven bound", f"{result.bound:.6g}{result.gap_text}"))
    rows.append(("time", f"{result.wall_s:.3g} s"))
    if result.message:
        rows.append(("message", result.message))
    return _table(result.problem_name or result.problem_kind, rows)


def _table(title: str, rows: Iterable[tuple[str, str]]) -> str:
    # Names come from files: everything is escaped.
    cells = "".join(
        f'<tr><th style="text-align:left">{escape(key)}</th><td style="text-align:left">{escape(value)}</td></tr>'
        for key, value in rows
    )
    return f"<table><caption>{escape(title)}</caption>{cells}</table>"
