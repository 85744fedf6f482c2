"""The runs that a configuration asks for, in their order.

Seed by seed: after the first pass every solver has run once on everything, which is a whole table; further passes make
it surer. Within a pass short limits come first, and all solvers run on one instance before the next is begun, so that
whatever a kill leaves compares solvers on the same instances.
"""

from __future__ import annotations

import glob
import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dtopt.errors import UnknownSolverError
from dtopt.guard import check_memory_limit
from dtopt.problem import Placement
from dtopt.registry import load_solver, solver_info, solver_names
from instances.suites.suite import select
from reports.bench.config import SolverConfig
from reports.compare import affordable_bound
from reports.gap import uncontrollable
from reports.records import canonical, run_key
from reports.results import Instance

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from dtopt.problem import Problem
    from instances.suites.suite import Entry, Suite
    from reports.bench.config import BenchConfig

__all__ = [
    "MAX_ITERATIONS",
    "MEMORY_LIMIT",
    "Plan",
    "Task",
    "given_instance",
    "make_plan",
    "read_instances",
    "suite_instance",
]

#: What limits of iterations and memory are called among the options that a run is known by.
MAX_ITERATIONS, MEMORY_LIMIT = "max_iterations", "memory_limit"


@dataclass(frozen=True)
class Task:
    """One run to be done; of plain types, so that it can go to another machine.

    Parameters
    ----------
    key, label, hash, recipe
        Its key, and the instance.
    solver, options, seed, time_limit
        `options` holds `MAX_ITERATIONS` and `MEMORY_LIMIT` where there are such limits.
    hard_s : float or None
        When it is stopped if it does not end by itself, s.
    threads : int
    data : str or None
        Folder with real data.
    """

    key: str
    label: str
    hash: str
    recipe: dict[str, Any]
    solver: str
    options: dict[str, Any]
    seed: int
    time_limit: float | None
    hard_s: float | None
    threads: int = 1
    data: str | None = None

    @property
    def memory_limit(self) -> float:
        """GiB at which it is stopped, infinite where there is no such limit."""
        return float(self.options.get(MEMORY_LIMIT, math.inf))

    @property
    def solver_options(self) -> dict[str, Any]:
        """The options that are the solver's own."""
        return {k: v for k, v in self.options.items() if k not in (MAX_ITERATIONS, MEMORY_LIMIT)}


@dataclass(frozen=True, eq=False)
class Plan:
    """Instances and runs, and the pairs that were left out since a solver does not take that kind of problem."""

    instances: tuple[Instance, ...]
    tasks: tuple[Task, ...]
    left_out: tuple[str, ...] = ()


def make_plan(
    config: BenchConfig,
    *,
    read: Callable[[str], list[tuple[Problem, dict[str, Any]]]] | None = None,
    data: str | None = None,
) -> Plan:
    """Return the plan of a configuration.

    Parameters
    ----------
    config : BenchConfig
    read : callable, optional
        Returns the problems behind an entry of `config.instances`, each with its recipe; `read_instances` where not
        given.
    data : str, optional

    Raises
    ------
    InputError
        If a suite or an instance is not there.
    UnknownSolverError
        If a solver is not.
    """
    check_memory_limit(config.memory_limit)
    instances = [suite_instance(suite, entry) for suite, entry in select(config.suites)]
    for text in config.instances:
        found = read_instances(text, config.format) if read is None else read(text)
        instances += [given_instance(problem, recipe) for problem, recipe in found]
    unique: dict[str, Instance] = {}
    for instance in instances:
        unique.setdefault(instance.hash, instance)
    instances = _distinct(unique.values())
    solvers = config.solvers if config.solvers is not None else [SolverConfig(name=name) for name in solver_names()]
    kinds: dict[str, tuple[str, ...]] = {}
    for solver in solvers:
        if solver.name not in solver_names():
            load_solver(solver.name)  # raises
        try:
            kinds[solver.name] = solver_info(solver.name).problems
        except UnknownSolverError:
            # One that cannot be loaded shows as rows that say so.
            kinds[solver.name] = ("placement", "migration")
    tasks = {task.key: task for task in _ordered(config, solvers, instances, kinds, data)}
    left_out = {
        f"{solver.name} takes no {instance.kind} problems"
        for solver in solvers
        for instance in instances
        if instance.kind not in kinds[solver.name]
    }
    return Plan(tuple(instances), tuple(tasks.values()), tuple(sorted(left_out)))


def _ordered(
    config: BenchConfig,
    solvers: Sequence[SolverConfig],
    instances: Sequence[Instance],
    kinds: dict[str, tuple[str, ...]],
    data: str | None,
) -> Iterator[Task]:
    def seeds(solver: SolverConfig) -> list[int]:
        return config.seeds if solver.seeds is None else solver.seeds

    def limits(solver: SolverConfig) -> list[float | None]:
        given = config.time_limits if solver.time_limits is None else solver.time_limits
        return [float(x) for x in sorted(given)] or [None]

    passes = max((len(seeds(s)) for s in solvers), default=0)
    all_limits = sorted({x for s in solvers for x in limits(s)}, key=lambda x: float("inf") if x is None else x)
    for turn in range(passes):
        for limit in all_limits:
            for instance in instances:
                for solver in solvers:
                    if turn >= len(seeds(solver)) or limit not in limits(solver):
                        continue
                    if instance.kind not in kinds[solver.name]:
                        continue
                    options = dict(solver.options)
                    iterations = solver.max_iterations or config.max_iterations
                    if iterations is not None:
                        options[MAX_ITERATIONS] = iterations
                    if config.memory_limit is not None:
                        options[MEMORY_LIMIT] = config.memory_limit
                    seed = seeds(solver)[turn]
                    yield Task(
                        key=run_key(instance.hash, solver.name, canonical(options), seed, limit),
                        label=instance.label,
                        hash=instance.hash,
                        recipe=dict(instance.recipe),
                        solver=solver.name,
                        options=options,
                        seed=seed,
                        time_limit=limit,
                        hard_s=config.hard_limit(limit),
                        threads=config.threads,
                        data=data,
                    )


def suite_instance(suite: Suite, entry: Entry) -> Instance:
    """Return an instance of a suite, with what its table knows; it need not be made for that."""
    return Instance(
        label=f"{suite.name}/{entry.name}",
        hash=entry.hash,
        suite=suite.name,
        kind=entry.kind,
        objective=entry.objective,
        maximise=entry.maximise,
        n_users=entry.users,
        n_stations=entry.stations,
        best_known=None if entry.best is None else entry.best.value,
        proven_bound=None if entry.bound is None else entry.bound.value,
        recipe=entry.recipe,
        uncontrollable_objective=entry.uncontrollable_objective,
    )


def given_instance(problem: Problem, recipe: dict[str, Any]) -> Instance:
    """Return an instance that comes from no suite, with its dual bound where that takes no more than seconds."""
    return Instance(
        label=problem.name or problem.kind,
        hash=problem.content_hash,
        suite="",
        kind=problem.kind,
        objective=problem.objective.replace("-", " ") if isinstance(problem, Placement) else "utility",
        maximise=problem.maximise,
        n_users=problem.n_users,
        n_stations=problem.n_stations,
        proven_bound=affordable_bound(problem),
        recipe=recipe,
        uncontrollable_objective=uncontrollable(problem),
    )


def read_instances(text: str, form: str = "auto") -> list[tuple[Problem, dict[str, Any]]]:
    """Return the problems behind an instance file or a pattern of such, each with its recipe."""
    from dtopt.io import read
    from instances.gap import read_gaps

    paths = sorted(glob.glob(text)) or [text]
    found: list[tuple[Problem, dict[str, Any]]] = []
    for name in paths:
        path = str(Path(name).absolute())
        if form == "auto":
            found.append((read(path), {"path": path}))
            continue
        problems = read_gaps(Path(path), maximise=form == "gap-max")
        found += [(p, {"path": path, "format": form, "index": i}) for i, p in enumerate(problems)]
    return found


def _distinct(instances: Iterable[Instance]) -> list[Instance]:
    """Return the instances with labels that differ: files may hold problems of one name."""
    found: dict[str, Instance] = {}
    for instance in instances:
        label = instance.label if instance.label not in found else f"{instance.label}@{instance.hash[:6]}"
        found[label] = replace(instance, label=label)
    return list(found.values())
