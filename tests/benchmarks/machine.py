"""Timing, and the machine it is done on: cores, memory, memory bandwidth."""

from __future__ import annotations

import os
import platform
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numba
import numpy as np
from numba import njit, prange

STREAM_DOUBLES = 16_000_000
"""128 MB an array: far beyond any cache of two cores."""


def best_seconds(
    job: Callable[[], object], repeats: int, warm_up: bool = True, least_s: float = 0.0
) -> float:
    """Least wall-clock time of several runs, after one that compiles and fills caches.

    There are ``repeats`` runs at least, and as many more as fit into ``least_s`` seconds.
    """
    if warm_up:
        job()
    times: list[float] = []
    while len(times) < repeats or sum(times) < least_s:
        start = time.perf_counter()
        job()
        times.append(time.perf_counter() - start)
    return min(times)


@dataclass(frozen=True)
class Machine:
    """What the times depend on."""

    cpu: str
    cores: int
    threads: int  # of the compiled kernels; NumPy uses one
    memory_gb: float
    load: float  # processes that wanted a core in the last minute, before the run
    python: str
    numpy: str
    numba: str
    triad_gb_s: float  # a = b + s c: 24 bytes a number
    update_ns: float  # a = s a: one 8-byte voxel read and written


def describe_machine() -> Machine:
    """Measure the memory and read the rest."""
    load = os.getloadavg()[0]
    triad, update = _bandwidth()
    return Machine(
        cpu=_cpu_name(),
        cores=len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1,
        threads=numba.get_num_threads(),
        memory_gb=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9,
        load=load,
        python=platform.python_version(),
        numpy=np.__version__,
        numba=numba.__version__,
        triad_gb_s=24.0 * STREAM_DOUBLES / triad / 1e9,
        update_ns=1e9 * update / STREAM_DOUBLES,
    )


def available_gb() -> float | None:
    """Memory that can be taken without swapping, where the system says."""
    return _kilobytes(Path("/proc/meminfo"), "MemAvailable:")


def peak_memory_gb() -> float:
    """Most memory this process has held."""
    here = _kilobytes(Path("/proc/self/status"), "VmHWM:")
    if here is not None:
        return here
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e9 if sys.platform == "darwin" else peak * 1024 / 1e9


def _kilobytes(path: Path, key: str) -> float | None:
    """A line such as ``VmHWM:  123 kB``, in GB."""
    if not path.is_file():
        return None
    for line in path.read_text().splitlines():
        if line.startswith(key):
            return int(line.split()[1]) * 1024 / 1e9
    return None


def _cpu_name() -> str:
    path = Path("/proc/cpuinfo")
    if path.is_file():
        for line in path.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


@njit(parallel=True)
def _triad(a, b, c, factor):  # type: ignore[no-untyped-def]
    for i in prange(a.size):
        a[i] = b[i] + factor * c[i]


@njit(parallel=True)
def _update(a, factor):  # type: ignore[no-untyped-def]
    for i in prange(a.size):
        a[i] *= factor


def _bandwidth() -> tuple[float, float]:
    a, b, c = (np.ones(STREAM_DOUBLES) for _ in range(3))
    return (
        best_seconds(lambda: _triad(a, b, c, 0.5), 10, least_s=0.7),
        best_seconds(lambda: _update(a, 1.0000001), 10, least_s=0.7),
    )
