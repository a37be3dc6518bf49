"""60 seeds on 100 x 100 x 100 voxels: every method of the engine beside plain NumPy."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from tests.benchmarks.machine import best_seconds
from tests.benchmarks.numpy_tg43 import numpy_dose_gy
from tests.benchmarks.scenes import (
    Array,
    Deviation,
    Scene,
    cube,
    deviation,
    lattice_implant,
    oblique_implant,
    scattered_implant,
    within,
)

AGREEMENT = 1e-9
"""NumPy against the engine's exact sum: both round at 1e-16, and near an axis the simple formula
for the distance from it loses some seven digits."""

CAPSULE_MM = 1.0
"""Nearer to an active line than this a point may be inside the capsule, where NumPy has no rule:
a 6711's wall is 0.4 mm from it at the side and 0.775 mm at the end."""

ROUNDS = 4
"""Everything is timed in turn, this often, and the least counts: other work on the machine comes
in bursts, and so spoils one round, not one method."""

SECONDS_A_ROUND = 0.25
"""Quick methods run again and again for this long."""

WHOLE_GRID_SEEDS = 12
"""NumPy on the whole grid at once is timed on these; its cost is the same for every seed."""


@dataclass(frozen=True)
class GridRow:
    """One method on one implant."""

    implant: str
    method: str
    seconds: float
    ns_per_seed_voxel: float
    numpy_ratio: float | None  # to NumPy slice by slice; None where the results disagree
    numpy_whole_ratio: float | None  # to NumPy on the whole grid at once
    required_ratio: float | None
    deviation: Deviation | None  # None for the exact method itself


@dataclass(frozen=True)
class NumpyRow:
    """Plain NumPy on one implant."""

    implant: str
    seeds_timed: int  # slice by slice
    slices_ns: float  # per seed and voxel, one slice of the grid at a time
    whole_ns: float  # all voxels at once
    largest_difference: float  # from the engine's exact sum, outside the capsules


IMPLANTS = (
    ("60 parallel, oblique", oblique_implant, (("table", 100.0),)),
    ("60 parallel, on the lattice", lattice_implant, (("table", None), ("shift", 300.0))),
    ("60 seeds, any axis", scattered_implant, (("table", 40.0),)),
)


def bench_grid(quick: bool) -> tuple[list[NumpyRow], list[GridRow]]:
    """Times, ratios and accuracy; NumPy on all seeds, or on 4 of them in a quick run."""
    scenes = [(name, make(cube(100)), methods) for name, make, methods in IMPLANTS]
    numpy_times = _NumpyTimes(quick)
    jobs: dict[tuple[str, str], Callable[[], object]] = {}
    checks = []
    for name, scene, methods in scenes:
        numpy_times.check(name, scene)
        exact_gy = scene.dose("exact").values_gy
        for method, required in (("exact", None), *methods):
            jobs[name, method] = partial(scene.dose, method)
            result = exact_gy if method == "exact" else scene.dose(method).values_gy
            off = None if method == "exact" else deviation(scene, result, exact_gy)
            checks.append((name, method, required, off))
    best = dict.fromkeys(jobs, math.inf)
    for _ in range(2 if quick else ROUNDS):
        for key, job in jobs.items():  # all are compiled by now
            best[key] = min(best[key], best_seconds(job, 1, False, SECONDS_A_ROUND))
        numpy_times.one_round()
    voxels = {name: scene.seed_voxels for name, scene, _ in scenes}
    rows = []
    for name, method, required, off in checks:
        seconds = best[name, method]
        plain = numpy_times.row(name)
        sound = plain.largest_difference <= AGREEMENT and (off is None or off.within_promise)
        ns = 1e9 * seconds / voxels[name]
        ratio = plain.slices_ns / ns if sound else None
        whole = plain.whole_ns / ns if sound else None
        rows.append(GridRow(name, method, seconds, ns, ratio, whole, required, off))
    return [numpy_times.row(name) for name, _, _ in scenes], rows


class _NumpyTimes:
    """NumPy in its two usual shapes, checked against the engine's exact sum, timed in rounds."""

    def __init__(self, quick: bool) -> None:
        self._seeds = 4 if quick else 60
        self._scenes: dict[str, tuple[Scene, Scene, Array]] = {}
        self._difference: dict[str, float] = {}
        self._slices_ns: dict[str, float] = {}
        self._whole_ns: dict[str, float] = {}

    def check(self, name: str, scene: Scene) -> None:
        """Compare the first seeds' dose with the exact one, and time it for the first time."""
        part, few = scene.first_seeds(self._seeds), scene.first_seeds(WHOLE_GRID_SEEDS)
        points = scene.grid.points_mm()
        result = _numpy_dose(part, points, _slice_size(scene)).reshape(scene.grid.shape)
        difference = np.abs(result / part.dose("exact").values_gy - 1.0)
        self._difference[name] = float(difference[~within(part, CAPSULE_MM)].max())
        self._scenes[name] = (part, few.first_seeds(self._seeds), points)
        self._slices_ns[name] = self._whole_ns[name] = math.inf

    def one_round(self) -> None:
        for name, (part, few, points) in self._scenes.items():
            sliced = partial(_numpy_dose, part, points, _slice_size(part))
            slices_ns = 1e9 * best_seconds(sliced, 1, False) / part.seed_voxels
            whole_ns = 1e9 * best_seconds(partial(_numpy_dose, few, points), 1, False)
            whole_ns /= few.seed_voxels
            self._slices_ns[name] = min(self._slices_ns[name], slices_ns)
            self._whole_ns[name] = min(self._whole_ns[name], whole_ns)

    def row(self, name: str) -> NumpyRow:
        seeds, difference = self._seeds, self._difference[name]
        return NumpyRow(name, seeds, self._slices_ns[name], self._whole_ns[name], difference)


def _slice_size(scene: Scene) -> int:
    return scene.grid.shape[1] * scene.grid.shape[2]


def _numpy_dose(scene: Scene, points_mm: Array, points_per_chunk: int | None = None) -> Array:
    return numpy_dose_gy(
        scene.source, scene.centers_mm, scene.axes, scene.strength_u, points_mm, points_per_chunk
    )
