"""A million loose points and 100 seeds: the exact sum, beside the table on as many voxels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dose import dose_at_points
from tests.benchmarks.machine import best_seconds
from tests.benchmarks.scenes import cube, oblique_implant

REQUIRED_RATIO = 10.0  # exact over table, at most


@dataclass(frozen=True)
class PointsResult:
    """Seconds for the same count of points (or voxels) and seeds."""

    points: int
    seeds: int
    exact_seconds: float
    table_seconds: float

    @property
    def ratio(self) -> float:
        """How many times the table's time the exact sum takes."""
        return self.exact_seconds / self.table_seconds


def bench_points(quick: bool) -> PointsResult:
    """Points at random in the cube that the grid fills."""
    scene = oblique_implant(cube(100), needles=(5, 4))
    points = np.random.default_rng(45).uniform(-50.0, 50.0, (1_000_000, 3))
    seeds = (scene.source, scene.centers_mm, scene.axes, scene.strength_u)
    exact = best_seconds(lambda: dose_at_points(*seeds, points), 1 if quick else 3)
    table = best_seconds(lambda: scene.dose("table"), 5)
    return PointsResult(len(points), len(scene.centers_mm), exact, table)
