"""Runs a plan in parallel by joblib, here or on a cluster, and commits every finished run at once."""

from __future__ import annotations

import contextlib
import itertools
import threading
import time
from typing import TYPE_CHECKING, Literal, get_args

from dtopt.errors import InputError
from reports.bench import keeper

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator

    from reports.bench.keeper import Outcome
    from reports.bench.plan import Plan, Task
    from reports.records import Run
    from reports.store import Store

__all__ = ["Backend", "default_workers", "run_plan"]

Backend = Literal["local", "dask", "ray"]
#: How often to look after runs of other processes where nothing else is left to do, s.
OTHERS_SECONDS = 0.5


def default_workers(threads: int = 1) -> int:
    """Return how many runs go on side by side: as many as the machine has cores for, so that times are fair."""
    import joblib

    return max(1, int(joblib.cpu_count(only_physical_cores=True)) // threads)


def run_plan(
    plan: Plan,
    store: Store,
    *,
    workers: int | None = None,
    backend: Backend = "local",
    address: str | None = None,
    on_run: Callable[[Run, bool], None] | None = None,
    on_others: Callable[[int, int], None] | None = None,
) -> bool:
    """Do the runs of a plan that are not in the store yet.

    Other processes of this machine may do the same at the same time: each run is done by one of them, and by another
    where that one dies. This one ends when all are there.

    Parameters
    ----------
    plan : Plan
    store : Store
    workers : int, optional
        Runs side by side; where not given, `default_workers`, on a cluster one for each of its cores.
    backend : str
        ``local``; ``dask`` or ``ray``: a cluster whose workers have the same version of dtopt.
    address : str, optional
        Of the cluster's scheduler.
    on_run : callable, optional
        Called with each finished run, and whether it is new in the store.
    on_others : callable, optional
        Called with how many runs other processes have finished since the beginning, and, where nothing else is left
        to do, for how many of theirs this one waits.

    Returns
    -------
    bool
        False where Ctrl-C has ended it; all finished runs are in the store.

    Raises
    ------
    InputError
        If the cluster cannot be reached or its library is not installed, or the store cannot be written.
    """
    if backend not in get_args(Backend):
        raise InputError(f"unknown backend {backend!r}", where="backend", mend=f"one of {', '.join(get_args(Backend))}")
    if workers is not None and workers < 1:
        raise InputError(f"must be >= 1, got {workers}", where="workers")
    for instance in plan.instances:
        store.add_instance(instance)
    known = store.keys()
    pending = [task for task in plan.tasks if task.key not in known]
    others = 0
    try:
        while pending:
            mine: set[str] = set()
            for run, new in _pass(pending, store, workers, backend, address, mine):
                if on_run is not None:
                    on_run(run, new)
            # What others had is there now, or will be, or they have died.
            there = {task.key for task in pending if store.has(task.key)}
            pending = [task for task in pending if task.key not in there | mine]
            others += len(there - mine)
            if on_others is not None and (others or (pending and not mine)):
                on_others(others, 0 if mine else len(pending))
            if pending and not mine:
                time.sleep(OTHERS_SECONDS)
    except KeyboardInterrupt:
        return False
    finally:
        keeper.release()
    return True


def _pass(
    pending: list[Task], store: Store, workers: int | None, backend: Backend, address: str | None, mine: set[str]
) -> Iterator[tuple[Run, bool]]:
    """Do the runs that no other process has, and yield each as it is written; their keys are put into `mine`."""
    tasks = _claimed(pending, store, mine)
    # No cluster is called for nothing.
    first = next(tasks, None)
    if first is None:
        return
    threads = max(task.threads for task in pending)
    # The end of a pass has ended its processes.
    keeper.release()
    try:
        with contextlib.closing(
            _outcomes(itertools.chain([first], tasks), workers, threads, backend, address)
        ) as outcomes:
            for outcome in outcomes:
                if outcome is None:
                    continue
                if outcome.machine:
                    store.add_machine(outcome.machine)
                new = store.commit(outcome.run)
                store.release(outcome.run.key)
                yield outcome.run, new
    finally:
        # What was not finished is for others to do.
        for key in mine:
            store.release(key)


def _outcomes(
    tasks: Iterator[Task], workers: int | None, threads: int, backend: Backend, address: str | None
) -> Generator[Outcome | None, None, None]:
    """Yield outcomes in the order in which they come."""
    if backend == "ray":
        from reports.bench import cluster

        yield from cluster.on_ray(tasks, workers, threads, address)
        return
    from joblib import Parallel, delayed

    with contextlib.ExitStack() as stack:
        if backend == "dask":
            from reports.bench import cluster

            jobs = workers or stack.enter_context(cluster.dask(address))
            parallel = Parallel(n_jobs=jobs, return_as="generator_unordered", batch_size=1)
        else:
            jobs = workers or default_workers(threads)
            # Threads, each of which waits for a process of its own.
            parallel = Parallel(
                n_jobs=jobs, backend="threading", return_as="generator_unordered", batch_size=1, pre_dispatch=jobs
            )
        outcomes = parallel(delayed(keeper.execute)(task) for task in tasks)
        try:
            yield from outcomes
        finally:
            keeper.cancel()
            outcomes.close()


def _claimed(tasks: Iterable[Task], store: Store, mine: set[str]) -> Iterator[Task]:
    """Yield tasks that no other process has done or is doing; each is claimed just before it is handed out.

    It never waits for another process: that one may in turn wait for what this one has finished and not yet written.
    """
    lock = threading.Lock()
    for task in tasks:
        with lock:
            free = store.claim(task.key)
        if free:
            mine.add(task.key)
            yield task
