"""A series of variants of L1 and L3 on one and on two workers: how much faster, and the same bytes.

    python -m tests.benchmarks.bench_cohort --variants 40 --workers 1 2

Variants differ in the strength of the seeds, in the entry plane and in the noise of the CT. Times
are those of everything that the command does after looking at the inputs: start of the workers,
compiled code read from the cache, plans, tables. Code is compiled before, by one case that is not
timed. Nothing is kept from one case for the next that has the same CT: no series has that. Without
the shared cases beside the checkout they are variants of the demo.
"""

from __future__ import annotations

import argparse
import itertools
import json
import re
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pydicom
from rich.console import Console
from rich.table import Table

from exports.cohort_files import TABLE
from template_designer.cohort.cases import CASE_FILE, find_cases
from template_designer.cohort.running import PLAN_ONLY
from template_designer.cohort.scheduling import cores, local_cluster, run_on, run_serial
from template_designer.cohort.series import do_work, find_work
from tests.benchmarks.machine import Machine, describe_machine
from tests.paths import DEMO, SHARED

STRENGTHS_MCI = (0.50, 0.55, 0.60, 0.65, 0.70)
TURNS_DEG = (0.0, 4.0)
"""Of the needles about the up direction of the plate, through the entry point."""
NOISE_HU = (0.0, 20.0)
"""SD of what is added to every voxel of the CT."""


@dataclass(frozen=True)
class Run:
    """One way to do the series."""

    workers: int  # 0: one case after the other in this process
    threads: int  # of each, for compiled code
    seconds: float
    cpu_seconds: float  # of this process and of its workers
    planned: int
    failed: int
    same_bytes: bool  # cohort.csv beside that of the first run


def variants(count: int, folder: Path) -> list[Path]:
    """Folders of so many cases, L1 and L3 in turn."""
    sources = [SHARED / "cases" / name for name in ("L1", "L3")]
    if not all((source / CASE_FILE).is_file() for source in sources):
        sources = [DEMO]
    kinds = itertools.product(NOISE_HU, TURNS_DEG, STRENGTHS_MCI, sources)
    found = []
    for number, (noise, turn, strength, source) in enumerate(itertools.islice(kinds, count), 1):
        images = folder / f"dicom-{source.name}-{noise:g}"
        if not images.exists():
            _noisy(source / "dicom", images, noise)
        text = (source / CASE_FILE).read_text(encoding="utf-8")
        text = re.sub(r'id = "[^"]*"', f'id = "{source.name}-{number:03d}"', text, count=1)
        text = re.sub(r"activity_mci = [0-9.]+", f"activity_mci = {strength}", text)
        text = text.replace('"dicom/', f'"{images.as_posix()}/')
        target = folder / f"case-{number:03d}"
        target.mkdir()
        (target / CASE_FILE).write_text(_turned(text, turn), encoding="utf-8")
        found.append(target)
    return found


def _noisy(source: Path, target: Path, noise_hu: float) -> None:
    """The same DICOM folder with noise in its CT; the same noise every time."""
    shutil.copytree(source, target)
    if not noise_hu:
        return
    rng = np.random.default_rng(43)
    for path in sorted(target.iterdir()):
        slice_ = pydicom.dcmread(path)
        if slice_.get("Modality") != "CT":
            continue
        voxels = slice_.pixel_array
        limits = np.iinfo(voxels.dtype)
        slope = float(slice_.get("RescaleSlope", 1.0))
        noisy = np.rint(voxels + rng.normal(0.0, noise_hu / slope, voxels.shape))
        slice_.PixelData = np.clip(noisy, limits.min, limits.max).astype(voxels.dtype).tobytes()
        slice_.save_as(path)


def _turned(text: str, angle_deg: float) -> str:
    """The case with its needles turned about its up direction."""
    direction, up = (
        np.array(json.loads(re.search(rf"{key} = (\[[^\]]*\])", text)[1]))  # type: ignore[index]
        for key in ("direction_lps", "up_lps")
    )
    axis, angle = up / np.linalg.norm(up), np.radians(angle_deg)
    turned = (
        direction * np.cos(angle)
        + np.cross(axis, direction) * np.sin(angle)
        + axis * (axis @ direction) * (1.0 - np.cos(angle))
    )
    told = ", ".join(f"{value:.6f}" for value in turned)
    return re.sub(r"direction_lps = \[[^\]]*\]", f"direction_lps = [{told}]", text)


def time_runs(
    cases: Sequence[Path], workers: Sequence[int], folder: Path, threads: int | None = None
) -> list[Run]:
    """The series by each number of workers, 0 for none; without ``threads`` as the command does."""
    runs: list[Run] = []
    first = b""
    do_work(find_work(find_cases(cases[:1]), folder / "warm", files=PLAN_ONLY), run_serial)
    for number, count in enumerate(workers):
        work = find_work(find_cases(cases), folder / f"out-{number}", files=PLAN_ONLY)
        start, cpu = time.perf_counter(), _cpu_seconds()
        if count:
            with local_cluster(count, threads) as client:
                made = do_work(work, partial(run_on, client))
        else:
            made = do_work(work, run_serial)
        seconds = time.perf_counter() - start
        table = (work.folder / TABLE).read_bytes()
        first = first or table
        used = _cpu_seconds() - cpu
        planned, failed = len(made.planned), len(made.failed)
        each = threads or max(1, cores() // max(1, count))
        runs.append(Run(count, each, seconds, used, planned, failed, table == first))
    return runs


def _cpu_seconds() -> float:
    """Processor time of this process and of all it has started that have ended."""
    kinds = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    used = [resource.getrusage(kind) for kind in kinds]
    return sum(part.ru_utime + part.ru_stime for part in used)


def print_runs(runs: Sequence[Run], cases: int, machine: Machine, console: Console) -> None:
    """A table of all runs beside the first."""
    table = Table(
        title=f"Series of {cases} cases, {machine.cores} cores, load {machine.load:.1f} before"
    )
    for head in (
        "workers",
        "threads each",
        "seconds",
        "a case",
        "CPU s a case",
        "speed-up",
        "planned",
        "same bytes",
    ):
        table.add_column(head, justify="right")
    for run in runs:
        table.add_row(
            str(run.workers or "serial"),
            str(run.threads),
            f"{run.seconds:.0f}",
            f"{run.seconds / cases:.1f}",
            f"{run.cpu_seconds / cases:.1f}",
            f"{runs[0].seconds / run.seconds:.2f}",
            str(run.planned),
            "yes" if run.same_bytes else "NO",
        )
    console.print(table)


def bench_cohort(
    count: int,
    workers: Sequence[int],
    out: Path,
    console: Console,
    threads: int | None = None,
) -> bool:
    """Run the series, print and write the times; whether every case was planned, bytes alike."""
    machine = describe_machine()
    with tempfile.TemporaryDirectory() as scratch:
        cases = variants(count, Path(scratch))
        runs = time_runs(cases, workers, Path(scratch), threads)
    print_runs(runs, len(cases), machine, console)
    out.mkdir(parents=True, exist_ok=True)
    data = {"machine": asdict(machine), "cases": len(cases), "runs": [asdict(run) for run in runs]}
    (out / "bench_cohort.json").write_text(json.dumps(data, indent=1) + "\n")
    return all(run.same_bytes and run.planned == len(cases) for run in runs)


def main(arguments: list[str] | None = None) -> int:
    """Run the series; 1 where a case failed or the tables differ."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.bench_cohort")
    parser.add_argument("--variants", type=int, default=40)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2], help="0: without Dask")
    parser.add_argument("--threads", type=int, help="of each worker (default: its share of cores)")
    parser.add_argument("--out", type=Path, default=Path("out/bench"))
    options = parser.parse_args(arguments)
    console = Console(width=None if sys.stdout.isatty() else 150)
    asked = (options.variants, options.workers, options.out, console, options.threads)
    return 0 if bench_cohort(*asked) else 1


if __name__ == "__main__":
    sys.exit(main())
