"""Merging results files into `Results`: what is damaged or rejected by the evaluator is left out, and named."""

from __future__ import annotations

import json
import math
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from dtopt.errors import InputError
from dtopt.evaluation import evaluate
from dtopt.solution import Solution
from reports.gap import uncontrollable
from reports.judge import CLAIM_TOLERANCE, rejection
from reports.records import COLUMNS, Run
from reports.results import REJECTED_COLUMNS, Instance, Results, runs_frame
from reports.store import INSTANCE_COLUMNS, MACHINE_COLUMNS, open_to_read, problem_of, rows

if TYPE_CHECKING:
    import os
    import sqlite3
    from collections.abc import Callable, Sequence

    from dtopt.problem import Problem

__all__ = ["load"]


def load(
    paths: Sequence[str | os.PathLike[str]],
    *,
    check: bool = True,
    data: str | None = None,
    on_note: Callable[[str], None] | None = None,
) -> Results:
    """Merge results files of one machine or several.

    A run counts only if its checksum and that of its instance match and, with `check`, the evaluator accepts its
    association and finds the same objective; every other one goes to `Results.rejected` with the reason. A run that
    several files hold counts once, as in the first of them. An instance that has other names in other files has the
    first one; the better of its best-known values and bounds are taken.

    Parameters
    ----------
    paths : sequence of path
    check : bool
        Whether to make every instance again and judge every association.
    data : str, optional
        Folder with real data, for instances made of some.
    on_note : callable, optional
        Called with one line for each instance that cannot be made again here, so that its runs count by their
        checksums alone.

    Raises
    ------
    InputError
        If a file is not there, damaged as a whole, or no results file.
    """
    if not paths:
        raise InputError("name a results file", mend="`dtopt bench` writes one")
    merger = _Merger()
    for path in paths:
        merger.read(Path(path))
    if check:
        merger.judge(data, on_note or (lambda _: None))
    return merger.results()


class _Merger:
    """What has been read so far."""

    def __init__(self) -> None:
        self.instances: dict[str, Instance] = {}  # by hash
        self.machines: dict[str, tuple[Any, ...]] = {}
        self.runs: dict[str, tuple[Path, Run]] = {}  # by key
        self.rejected: list[tuple[Any, ...]] = []
        self.titles: list[str] = []

    # --- reading --------------------------------------------------------------------------------------------------

    def read(self, path: Path) -> None:
        with open_to_read(path) as database:
            title = database.execute("SELECT value FROM about WHERE name = 'title'").fetchone()
            if title is not None and title[0] not in self.titles:
                self.titles.append(title[0])
            self._read_instances(path, database)
            for values, whole in rows(database, "machines"):
                if whole:
                    self.machines.setdefault(values[0], values)
            for values, whole in rows(database, "runs"):
                self._read_run(path, values, whole)

    def _read_instances(self, path: Path, database: sqlite3.Connection) -> None:
        for values, whole in rows(database, "instances"):
            if not whole:
                self._reject(path, ("", _text(values[0]), "", ""), "the instance's checksum is wrong: it is damaged")
                continue
            given = dict(zip(INSTANCE_COLUMNS, values, strict=True))
            instance = Instance(**{**given, "maximise": bool(given["maximise"]), "recipe": json.loads(given["recipe"])})
            held = self.instances.get(instance.hash)
            if held is None:
                labels = {i.label for i in self.instances.values()}
                if instance.label in labels:
                    # Another instance of that name, as of another release of a suite.
                    instance = replace(instance, label=f"{instance.label}@{instance.hash[:6]}")
                self.instances[instance.hash] = instance
            else:
                self.instances[instance.hash] = _merged(held, instance)

    def _read_run(self, path: Path, values: tuple[Any, ...], whole: bool) -> None:
        given = dict(zip(COLUMNS, values, strict=True))
        shown = tuple(_text(given[name]) for name in ("key", "instance", "solver", "seed"))
        try:
            if not whole:
                raise ValueError("its checksum is wrong: it is damaged")
            run = Run.from_values(values)
            if run.hash not in self.instances:
                raise ValueError("its instance is missing or damaged")
        except (ValueError, TypeError) as error:
            self._reject(path, shown, str(error))
            return
        run = replace(run, instance=self.instances[run.hash].label)
        held = self.runs.get(run.key)
        if held is None:
            self.runs[run.key] = (path, run)
        elif held[1].finished != run.finished or held[1].machine != run.machine:
            # The same row copied is no second run.
            self._reject(path, shown, f"the same run is in {held[0]}, and counts once")

    def _reject(self, path: Path, shown: tuple[str, ...], reason: str) -> None:
        self.rejected.append((str(path), *shown, reason))

    # --- judging --------------------------------------------------------------------------------------------------

    def judge(self, data: str | None, on_note: Callable[[str], None]) -> None:
        """Leave out every run whose association the evaluator rejects, or gives another objective."""
        by_hash: dict[str, list[Run]] = {}
        for _, run in self.runs.values():
            if run.association is not None or run.objective is not None:
                by_hash.setdefault(run.hash, []).append(run)
        for content_hash, runs in by_hash.items():
            instance = self.instances[content_hash]
            try:
                problem = problem_of(instance, data=data)
            except InputError as error:
                on_note(f"{instance.label}: not judged again, {error}")
                continue
            self.instances[content_hash] = replace(instance, uncontrollable_objective=uncontrollable(problem))
            for run in runs:
                reason = _fault(problem, run)
                if reason:
                    path, _ = self.runs.pop(run.key)
                    self._reject(path, (run.key, run.instance, run.solver, str(run.seed)), reason)

    # --- the outcome ----------------------------------------------------------------------------------------------

    def results(self) -> Results:
        instances = {i.label: i for i in self.instances.values()}
        records = []
        for _, run in self.runs.values():
            instance = instances[run.instance]
            record = {f.name: getattr(run, f.name) for f in fields(Run)}
            record |= {c: getattr(instance, c) for c in ("suite", "kind", "n_users", "n_stations")}
            records.append(record)
        return Results(
            runs=runs_frame(records),
            instances=dict(sorted(instances.items())),
            machines=pd.DataFrame(list(self.machines.values()), columns=list(MACHINE_COLUMNS)),
            rejected=pd.DataFrame(self.rejected, columns=list(REJECTED_COLUMNS)),
            title=" + ".join(self.titles),
        )


def _text(value: object) -> str:
    return str(value) if isinstance(value, (str, int)) else "?"


def _merged(first: Instance, second: Instance) -> Instance:
    """Return an instance with the better of two best-known values and bounds."""
    better, tighter = (max, min) if first.maximise else (min, max)
    best = [v for v in (first.best_known, second.best_known) if v is not None and math.isfinite(v)]
    bound = [v for v in (first.proven_bound, second.proven_bound) if v is not None and math.isfinite(v)]
    constant = first.uncontrollable_objective
    return replace(
        first,
        best_known=better(best) if best else None,
        proven_bound=tighter(bound) if bound else None,
        uncontrollable_objective=second.uncontrollable_objective if constant is None else constant,
    )


def _fault(problem: Problem, run: Run) -> str:
    """Return what is wrong with the solution of a run, empty where nothing is."""
    if run.association is None:
        return "it has an objective, but no association" if run.objective is not None else ""
    if run.objective is None:
        return "it has an association, but no objective"
    try:
        # None: those in use.
        solution = Solution(run.association, run.open_servers)  # type: ignore[arg-type]
        solution.check(problem)
        evaluation = evaluate(problem, solution)
    except InputError as error:
        return f"its association is no solution: {error}"
    if not evaluation.feasible:
        return rejection(evaluation)
    if not math.isclose(run.objective, evaluation.objective, rel_tol=CLAIM_TOLERANCE, abs_tol=1e-12):
        return f"its objective is {run.objective:.10g}, the evaluator finds {evaluation.objective:.10g}"
    return ""
