"""Cost against voxels (10^5 to 10^8) and seeds (1 to 200), and the memory of the largest grid."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from dataclasses import asdict, dataclass

import numpy as np

from dose import DoseInputError
from tests.benchmarks.machine import available_gb, best_seconds, peak_memory_gb
from tests.benchmarks.scenes import (
    Scene,
    cube,
    lattice_implant,
    oblique_implant,
    scattered_implant,
)

SIDES = ((46, 2.0), (100, 1.0), (215, 0.5))
"""Voxels per side and spacing (mm), 10^5 to 10^7: about 100 mm wide, 10 mm a whole number of
voxels."""

LARGEST = (464, 0.25)
"""10^8 voxels, 0.8 GB of dose."""

NEEDED_GB = 4.0
"""Free memory below which the largest grid is left out."""

SEED_COUNTS = (1, 2, 5, 10, 20, 50, 100, 200)
CURVES = {
    "exact": oblique_implant,
    "table": oblique_implant,
    "table, any axis": scattered_implant,
    "shift": lattice_implant,
}
EXACT_MOST_VOXELS = 12_000_000
"""The exact sum of more takes longer than the whole benchmark may."""


@dataclass(frozen=True)
class Curve:
    """Seconds against a count, and the slope of log seconds over log count."""

    name: str
    against: str  # "voxels" or "seeds"
    counts: list[int]
    seconds: list[float]

    @property
    def slope(self) -> float:
        """Fitted to all points: 1 is a cost in proportion, less a fixed part that still shows."""
        return float(np.polyfit(np.log(self.counts), np.log(self.seconds), 1)[0])


@dataclass(frozen=True)
class LargeRun:
    """The largest grid in a process of its own."""

    name: str
    voxels: int
    seconds: float
    field_gb: float  # the result alone
    start_gb: float  # held after the imports and a small run, before the large one
    peak_gb: float


def bench_scaling(quick: bool) -> tuple[list[Curve], list[LargeRun], str]:
    """Both families of curves, the large runs, and a line on what was left out and why."""
    large, remark = _large_runs(quick)
    curves = []
    for name, make in CURVES.items():
        counts, seconds = [], []
        for side, spacing in SIDES[:2] if quick else SIDES:
            if name != "exact" or side**3 <= EXACT_MOST_VOXELS:
                counts.append(side**3)
                seconds.append(_seconds(make(cube(side, spacing)), name))
        for run in large:
            if run.name == name:
                counts.append(run.voxels)
                seconds.append(run.seconds)
        curves.append(Curve(name, "voxels", counts, seconds))
    for name, make in (("exact", oblique_implant), ("table", oblique_implant),
                       ("shift", lattice_implant)):  # fmt: skip
        scene = make(cube(100), needles=(8, 5))
        counts = list(SEED_COUNTS[:-2] if quick else SEED_COUNTS)
        times = [_seconds(scene.first_seeds(count), name) for count in counts]
        curves.append(Curve(name, "seeds", counts, times))
    return curves, large, remark


def method_of(name: str) -> str:
    """The engine's method behind a curve's name."""
    return name.split(",")[0]


def _seconds(scene: Scene, name: str) -> float:
    small = scene.seed_voxels < 1e8
    return best_seconds(lambda: scene.dose(method_of(name)), 3 if small else 1, warm_up=small)


def _large_runs(quick: bool) -> tuple[list[LargeRun], str]:
    side, _ = LARGEST
    if quick:
        return [], f"{side}^3 voxels left out in a quick run"
    free = available_gb()
    if free is not None and free < NEEDED_GB:
        return [], f"{side}^3 voxels left out: {free:.1f} GB of memory free, {NEEDED_GB:g} wanted"
    runs, failures = [], []
    for name in ("table", "shift"):
        done = subprocess.run(
            [sys.executable, "-m", __spec__.name, name], capture_output=True, text=True, check=False
        )
        if done.returncode == 0:
            runs.append(LargeRun(**json.loads(done.stdout)))
        else:
            failures.append(f"{name} on {side}^3 voxels: {done.stderr.strip()[-300:]}")
    return runs, "; ".join(failures)


def run_large(name: str) -> LargeRun:
    """The largest grid here and now: for a process of its own."""
    side, spacing = LARGEST
    method_scene = CURVES[name]
    method_scene(cube(40)).dose(method_of(name))  # compiles
    start_gb = peak_memory_gb()
    scene = method_scene(cube(side, spacing))
    seconds = best_seconds(lambda: scene.dose(method_of(name)), 1, warm_up=False)
    voxels = math.prod(scene.grid.shape)
    return LargeRun(name, voxels, seconds, 8.0 * voxels / 1e9, start_gb, peak_memory_gb())


if __name__ == "__main__":
    try:
        sys.stdout.write(json.dumps(asdict(run_large(sys.argv[1]))))
    except DoseInputError as refusal:  # a method may have its own limit
        sys.exit(str(refusal))
