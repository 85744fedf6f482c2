"""Clusters: the same runs on the workers of Dask or Ray."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from dtopt.errors import InputError
from reports.bench import keeper

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reports.bench.keeper import Outcome
    from reports.bench.plan import Task

__all__ = ["dask", "on_ray"]

EXTRA = "pip install 'dtopt[cluster]'"


@contextmanager
def dask(address: str | None) -> Iterator[int]:
    """Make joblib use a Dask cluster, and yield the number of its cores."""
    if address is None:
        raise InputError("is missing", where="--address", mend="for example tcp://HOST:8786, of `dask scheduler`")
    try:
        from distributed import Client
    except ImportError:
        raise InputError("Dask is not installed", where="--backend", mend=EXTRA) from None
    from joblib import parallel_config

    try:
        client: Any = Client(address, timeout=20)  # type: ignore[no-untyped-call]
    except (OSError, ValueError) as error:
        text = " ".join(str(error).split())
        raise InputError(f"the scheduler cannot be reached: {text}", where=f"--address {address}") from None
    with client:
        cores = sum(client.nthreads().values())
        if not cores:
            raise InputError("the cluster has no worker", where=f"--address {address}")
        with parallel_config("dask"):
            yield cores


def on_ray(tasks: Iterator[Task], workers: int | None, threads: int, address: str | None) -> Iterator[Outcome | None]:
    """Yield outcomes of tasks as Ray's workers finish them; its joblib backend gives nothing before the end."""
    try:
        import ray
    except ImportError:
        raise InputError("Ray is not installed", where="--backend", mend=EXTRA) from None
    try:
        ray.init(address=address, ignore_reinit_error=True, log_to_driver=False)
    except (ConnectionError, ValueError, RuntimeError) as error:
        text = " ".join(str(error).split())
        raise InputError(f"the cluster cannot be reached: {text}", where=f"--address {address}") from None
    try:
        cores = int(ray.cluster_resources().get("CPU", 1))
        execute = ray.remote(num_cpus=threads, max_retries=0)(keeper.execute)
        waiting = []
        for task in tasks:
            waiting.append(execute.remote(task))
            if len(waiting) >= (workers or max(1, cores // threads)):
                done, waiting = ray.wait(waiting)
                yield from ray.get(done)
        while waiting:
            done, waiting = ray.wait(waiting)
            yield from ray.get(done)
    finally:
        ray.shutdown()
