"""Small results made by hand, for the tests of statistics and reports."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pandas as pd

from reports.results import REJECTED_COLUMNS, Instance, Results, runs_frame
from reports.store import MACHINE_COLUMNS

if TYPE_CHECKING:
    from dtopt.problem import Problem
    from reports.comparison import Comparison

MACHINE = ("m1", "abc", "a processor", 2, 8.0, "Linux", "3.11", '{"dtopt": "0.1.0"}')


def instance(label: str, **fields: Any) -> Instance:
    base: dict[str, Any] = {
        "label": label,
        "hash": f"hash of {label}",
        "suite": label.partition("/")[0] if "/" in label else "",
        "kind": "placement",
        "objective": "system cost",
        "maximise": False,
        "n_users": 10,
        "n_stations": 3,
    }
    return Instance(**{**base, **fields})


def results(instances: list[Instance], rows: list[dict[str, Any]], **fields: Any) -> Results:
    """Return results; a row needs instance and solver, everything else has a default."""
    by_label = {one.label: one for one in instances}
    records = []
    for row in rows:
        one = by_label[row["instance"]]
        objective = row.get("objective", math.nan)
        record = {
            "seed": 0,
            "time_limit": 10.0,
            "suite": one.suite,
            "kind": one.kind,
            "n_users": one.n_users,
            "n_stations": one.n_stations,
            "status": "feasible" if math.isfinite(objective) else "not_found",
            "wall_s": 1.0,
            "cpu_s": 1.0,
            "machine": "m1",
            **row,
        }
        record.setdefault("key", "{instance}|{solver}|{seed}|{time_limit}".format(**record))
        records.append(record)
    return Results(
        runs_frame(records),
        by_label,
        fields.get("machines", pd.DataFrame([MACHINE], columns=list(MACHINE_COLUMNS))),
        fields.get("rejected", pd.DataFrame([], columns=list(REJECTED_COLUMNS))),
        fields.get("title", "by hand"),
    )


def from_comparison(comparison: Comparison, *, copies: int = 1) -> tuple[Results, dict[str, Problem]]:
    """Return the runs of a comparison as results, and the problems by label; the same again under other labels."""
    instances, rows, problems = [], [], {}
    for copy in range(copies):
        for case in comparison.cases:
            label = f"{'odd' if copy % 2 else 'even'}/{case.label}-{copy}"
            problem = problems[label] = case.problem
            instances.append(
                instance(
                    label,
                    hash=problem.content_hash,
                    kind=problem.kind,
                    objective=case.objective_name,
                    maximise=problem.maximise,
                    n_users=problem.n_users,
                    n_stations=problem.n_stations,
                    proven_bound=case.dual_bound,
                    uncontrollable_objective=problem.uncontrollable_objective,
                )
            )
            rows += [
                {
                    "instance": label,
                    "solver": row.solver,
                    "seed": row.seed,
                    "time_limit": math.nan if comparison.time_limit is None else comparison.time_limit,
                    "status": row.status,
                    "objective": math.nan if row.objective is None else row.objective,
                    "bound": row.bound,
                    "latency_s": row.latency_s,
                    "n_open": row.n_open,
                    "wall_s": row.wall_s,
                    "cpu_s": row.cpu_s,
                    "message": row.message,
                    "trace": tuple((step.time_s, step.objective) for step in row.trace),
                    "association": None if row.solution is None else row.solution.association,
                }
                for row in comparison.rows
                if row.instance == case.label
            ]
    return results(instances, rows), problems
