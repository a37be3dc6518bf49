"""Runs PyGRPM's TG-43 on given seeds, in an interpreter of its own (it needs pydicom 2, we 3).

``python pygrpm_runner.py JOB.npz TABLE_DIR RESULT.npz``: times each seed's dose rate on a grid by
the package's two public routes, and writes the sums. Imports nothing of this project.
"""

import sys
import time
import warnings
from collections.abc import Callable
from importlib import import_module
from importlib.metadata import version
from typing import Any

import numpy as np


def main(job_path: str, table_dir: str, result_path: str) -> None:
    """Read the job, run both routes, write seconds and dose rates (cGy/h)."""
    warnings.simplefilter("ignore")  # 0 / 0 on the axis, which it mends afterwards
    job = np.load(job_path)
    centers, axes, strength = job["centers_cm"], job["axes"], job["strength_u"]
    points, shape = job["points_cm"], tuple(job["shape"])
    first, spacing = job["first_cm"], float(job["spacing_cm"])
    seed = import_module("pygrpm.tg43").Seed  # by name: type checkers need not find it
    plain, labelled = seed(table_dir, use_xarray=False), seed(table_dir)
    # half a voxel short of the last centre: its arange ends there whatever the rounding
    last = first + spacing * (shape[0] - 1.5)

    def by_points(center: Any, axis: Any) -> Any:
        return plain.dose_at_points(points, center, axis).reshape(shape)

    def by_grid(center: Any, axis: Any) -> Any:
        grid = labelled.grid(first, last, spacing, center, axis)
        return grid.transpose("z", "y", "x").data

    def total(route: Callable[[Any, Any], Any]) -> tuple[float, Any]:
        route(centers[0], axes[0])  # warm-up
        start = time.perf_counter()
        rate = np.zeros(shape)
        for center, axis, u in zip(centers, axes, strength, strict=True):
            rate += u * route(center, axis)
        return time.perf_counter() - start, rate

    seconds_points, rate_points = total(by_points)
    seconds_grid, rate_grid = total(by_grid)
    np.savez(
        result_path,
        version=version("pygrpm"),
        seconds_points=seconds_points,
        seconds_grid=seconds_grid,
        rate_points=rate_points,
        rate_grid=rate_grid,
    )


if __name__ == "__main__":
    main(*sys.argv[1:4])
