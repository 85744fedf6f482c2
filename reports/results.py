"""The results of a benchmark: what the runner wrote and every report reads, one row for each run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pandas as pd

from dtopt.errors import InputError
from reports.store import MACHINE_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["REJECTED_COLUMNS", "RUN_COLUMNS", "SORTED_BY", "Instance", "Results", "runs_frame"]

#: Columns of `Results.runs` and their types; objects are text, tuples or arrays.
RUN_COLUMNS: dict[str, str] = {
    "key": "object",
    "instance": "object",
    "suite": "object",
    "kind": "object",
    "n_users": "int64",
    "n_stations": "int64",
    "solver": "object",
    "options": "object",
    "seed": "int64",
    "time_limit": "float64",
    "status": "object",
    "objective": "float64",
    "bound": "float64",
    "latency_s": "float64",
    "n_open": "float64",
    "terms": "object",
    "wall_s": "float64",
    "cpu_s": "float64",
    "iterations": "int64",
    "message": "object",
    "machine": "object",
    "finished": "object",
    "trace": "object",
    "association": "object",
}
REJECTED_COLUMNS = ("file", "key", "instance", "solver", "seed", "reason")
SORTED_BY = ["instance", "solver", "time_limit", "seed"]


@dataclass(frozen=True, eq=False)
class Instance:
    """One instance of a benchmark.

    Parameters
    ----------
    label : str
        What it is shown with, ``suite/name``; unique in a `Results`.
    hash : str
        `Problem.content_hash`.
    suite : str
        Empty where the instance was given as a file.
    kind : str
        ``placement`` or ``migration``.
    objective : str
        ``system cost``, ``latency`` or ``utility``.
    maximise : bool
    n_users, n_stations : int
    best_known : float or None
        Of the suite's table, None where unknown.
    proven_bound : float or None
        Of the suite's table, or the dual bound that the runner computed before the runs.
    recipe : mapping
        What makes the problem again: a preset with options and seed, or a path.
    uncontrollable_objective : float or None
        `Problem.uncontrollable_objective`, None where the problem was not made.
    """

    label: str
    hash: str
    suite: str
    kind: str
    objective: str
    maximise: bool
    n_users: int
    n_stations: int
    best_known: float | None = None
    proven_bound: float | None = None
    recipe: Mapping[str, Any] = field(default_factory=dict)
    uncontrollable_objective: float | None = None


@dataclass(frozen=True, eq=False)
class Results:
    """All valid runs of a benchmark, and the rows that were left out.

    Parameters
    ----------
    runs : DataFrame
        One row a run with the columns `RUN_COLUMNS`, sorted by `SORTED_BY`. Missing numbers are nan: no time limit, no
        solution, no bound of the run's own. `trace` holds tuples of (time in s, objective), `association` an integer
        array or None, `options` and `terms` JSON text.
    instances : mapping of str to Instance
        By label.
    machines : DataFrame
        Columns `MACHINE_COLUMNS`; `versions` is JSON text.
    rejected : DataFrame
        Columns `REJECTED_COLUMNS`.
    title : str

    Raises
    ------
    InputError
        If a column is missing, a key occurs twice or a run is of an unknown instance.
    """

    runs: pd.DataFrame
    instances: Mapping[str, Instance]
    machines: pd.DataFrame
    rejected: pd.DataFrame
    title: str = ""

    def __post_init__(self) -> None:
        for name, frame, columns in (
            ("runs", self.runs, tuple(RUN_COLUMNS)),
            ("machines", self.machines, MACHINE_COLUMNS),
            ("rejected", self.rejected, REJECTED_COLUMNS),
        ):
            if missing := [c for c in columns if c not in frame.columns]:
                raise InputError(f"lack the columns {', '.join(missing)}", where=name)
        if twice := self.runs.loc[self.runs["key"].duplicated(), "key"].tolist():
            raise InputError(f"the key {twice[0]} occurs twice", where="runs")
        if unknown := sorted(set(self.runs["instance"]) - set(self.instances)):
            raise InputError(f"no instance is called {unknown[0]!r}", where="runs")

    @property
    def solvers(self) -> tuple[str, ...]:
        """Names of the solvers that have a run, sorted."""
        return tuple(sorted(set(self.runs["solver"])))


def runs_frame(records: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """Return `Results.runs` of plain records; what a record lacks is nan, 0, empty or None by its column's type."""
    blank: dict[str, Any] = {"int64": 0, "float64": float("nan"), "object": ""}
    special: dict[str, Any] = {"trace": (), "association": None, "options": "{}", "terms": "{}"}
    found = [{c: r.get(c, special.get(c, blank[t])) for c, t in RUN_COLUMNS.items()} for r in records]
    columns: dict[str, pd.Series[Any]] = {}
    for name, kind in RUN_COLUMNS.items():
        values = [record[name] for record in found]
        if kind == "float64":
            values = [blank[kind] if v is None else v for v in values]
        columns[name] = pd.Series(values, dtype=kind)
    return pd.DataFrame(columns).sort_values(SORTED_BY, kind="stable", na_position="last", ignore_index=True)
