"""Runs a plan in parallel by joblib, here or on a cluster, and commits every finished run at once."""

from __future__ import annotations

import contextlib
import threading
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
) -> bool:
    """Do the runs of a plan that are not in the store yet.

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
    if not pending:
        return True
    threads = max(task.threads for task in pending)
    keeper.release()
    try:
        with contextlib.closing(_outcomes(pending, store, workers, threads, backend, address)) as outcomes:
            for outcome in outcomes:
                if outcome is None:
                    continue
                if outcome.machine:
                    store.add_machine(outcome.machine)
                new = store.commit(outcome.run)
                if on_run is not None:
                    on_run(outcome.run, new)
    except KeyboardInterrupt:
        return False
    finally:
        keeper.release()
    return True


def _outcomes(
    pending: list[Task], store: Store, workers: int | None, threads: int, backend: Backend, address: str | None
) -> Generator[Outcome | None, None, None]:
    """Yield outcomes in the order in which they come."""
    if backend == "ray":
        from reports.bench import cluster

        yield from cluster.on_ray(_not_done(pending, store), workers, threads, address)
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
        outcomes = parallel(delayed(keeper.execute)(task) for task in _not_done(pending, store))
        try:
            yield from outcomes
        finally:
            keeper.cancel()
            outcomes.close()


def _not_done(tasks: Iterable[Task], store: Store) -> Iterator[Task]:
    """Yield tasks that no other process has done meanwhile; asked just before each is handed out."""
    lock = threading.Lock()
    for task in tasks:
        with lock:
            done = store.has(task.key)
        if not done:
            yield task
