"""Many cases on many cores: one after the other, by Dask on this machine, or on a cluster."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from template_designer.cohort.running import Done, Job, record_failure, run_case
from template_designer.errors import CaseError, InputError

if TYPE_CHECKING:
    from distributed import Client

PATIENCE_S = 30.0
"""How long a scheduler may take to answer, and its first worker to come."""


def cores() -> int:
    """Processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def run_serial(jobs: Sequence[Job], done: Done) -> None:
    """One case after the other in this process."""
    for job in jobs:
        done(run_case(job))


def run_on(client: Client, jobs: Sequence[Job], done: Done) -> None:
    """Cases on the workers of a Dask client, in any order.

    A case whose worker dies is run again by another one. A case that takes worker after worker
    with it (``distributed.scheduler.allowed-failures``, three of them) is recorded as failed.

    Raises
    ------
    InputError
        If the scheduler is lost on the way; cases done by then are kept.
    """
    from distributed import as_completed
    from distributed.scheduler import KilledWorker

    by_key = {f"case-{job.case.id}-{job.fingerprint[:12]}": job for job in jobs}
    futures = [client.submit(run_case, job, key=key, pure=False) for key, job in by_key.items()]
    for future in as_completed(futures, loop=client.loop):
        error = None
        if future.status == "finished":
            done(future.result())
            continue
        if future.status == "error":
            error = future.exception()
        if isinstance(error, KilledWorker):
            text = (
                "every worker that took this case died, most often for want of memory; take fewer "
                "workers (--workers), or plan the case by itself with 'design'"
            )
            done(record_failure(by_key[future.key], text))
        elif isinstance(error, Exception):
            raise error  # of the folder or of versions: it would meet every other case, too
        else:
            raise InputError(
                "the scheduler was lost; cases that are done are kept: give the same command again"
            )


@contextmanager
def local_cluster(workers: int, threads: int | None = None) -> Iterator[Client]:
    """Workers on this machine: processes of their own that share its cores.

    Compiled code of each runs on so many ``threads``; without it they get an equal share of the
    cores, one at least. They are started afresh, not forked: compiled code with OpenMP does not
    outlive a fork.
    """
    _need_dask()
    import dask
    from distributed import Client, LocalCluster

    threads = threads or max(1, cores() // workers)
    with (
        dask.config.set({"distributed.worker.multiprocessing-method": "spawn"}),
        LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            processes=True,
            memory_limit=0,  # none a worker: the system's own counts, a killed case is run again
            env={"NUMBA_NUM_THREADS": str(threads)},
            dashboard_address="127.0.0.1:0",
            silence_logs=logging.CRITICAL,
        ) as cluster,
        Client(cluster) as client,
    ):
        yield client


@contextmanager
def remote_cluster(address: str) -> Iterator[Client]:
    """Workers of a scheduler that runs already, at ``tcp://host:port``.

    Raises
    ------
    CaseError
        If nothing answers there, or it has no worker.
    """
    _need_dask()
    from distributed import Client

    try:
        client = Client(address, timeout=PATIENCE_S, set_as_default=False)
    except (OSError, TimeoutError, ValueError) as error:
        raise CaseError(
            f"--scheduler {address}: no scheduler answers ({_first_line(error)}); start one with "
            "'dask scheduler' and name the tcp:// address that it prints"
        ) from error
    with client:
        try:
            client.wait_for_workers(1, timeout=PATIENCE_S)
        except TimeoutError as error:
            raise CaseError(
                f"--scheduler {address}: it has no worker; start some with 'dask worker {address} "
                "--nthreads 1'"
            ) from error
        yield client


def _need_dask() -> None:
    try:
        import distributed  # noqa: F401
    except ImportError as error:
        raise CaseError(
            "Dask is not installed; pip install 'template-designer[cohort]', or run the cases one "
            "after the other (--serial)"
        ) from error


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
