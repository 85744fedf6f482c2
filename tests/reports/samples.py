"""Small results made by hand, for the tests of statistics and reports."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

from reports.results import MACHINE_COLUMNS, REJECTED_COLUMNS, Instance, Results, runs_frame

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
