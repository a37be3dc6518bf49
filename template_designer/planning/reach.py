"""How much of the target a permitted seed can come near, and what hides the rest."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from template_designer.frames import inverse, transform_points
from template_designer.geometry.lattice import LatticePoint
from template_designer.geometry.paths import NeedlePaths
from template_designer.model import Reach
from template_designer.planning.sites import SeedSites

REACH_MM = 5.0
"""A point of the target is reached by a permitted seed centre this near: one pitch, which the
prescription isodose of a row of seeds crosses."""


def reach_of_target(
    points_lps_mm: NDArray[np.float64],
    weights: NDArray[np.float64],
    *,
    sites: SeedSites,
    points: tuple[LatticePoint, ...],
    paths: NeedlePaths,
    frame: NDArray[np.float64],
    pitch_mm: float,
    skin_name: str,
) -> Reach:
    """Share of the target that some permitted seed comes near, and the rest by cause.

    The cause at a point is what stops the needle of the nearest hole before it gets there.

    Parameters
    ----------
    points_lps_mm, weights : (n, 3), (n,) ndarray
        Points of the target and the volume each stands for.
    points : tuple of LatticePoint
        The whole lattice; ``paths`` holds the needles that cross the target.
    """
    total = float(weights.sum())
    if len(sites):
        distance, _ = cKDTree(sites.centers_lps_mm).query(points_lps_mm)
        hidden = distance > REACH_MM
    else:
        hidden = np.ones(len(points_lps_mm), dtype=bool)
    local = transform_points(inverse(frame), points_lps_mm[hidden])
    aside, _ = cKDTree([(p.x_mm, p.y_mm) for p in points]).query(local[:, :2])
    _, hole = cKDTree([(p.x_mm, p.y_mm) for p in paths.points]).query(local[:, :2])
    volume: dict[str, float] = defaultdict(float)
    for n, (weight, off, z) in enumerate(zip(weights[hidden], aside, local[:, 2], strict=True)):
        if off > 0.75 * pitch_mm:
            cause = "outside the lattice"
        elif z > paths.deepest_tip_mm[hole[n]]:
            cause = paths.stop[hole[n]]
        else:
            cause = f"{skin_name} (seeds too near the skin) or between holes"
        volume[cause] += float(weight)
    shares = {cause: 100.0 * v / total for cause, v in volume.items()}
    return Reach(
        reachable_pct=100.0 * float(weights[~hidden].sum()) / total,
        hidden_pct_by_cause=dict(sorted(shares.items(), key=lambda item: -item[1])),
    )
