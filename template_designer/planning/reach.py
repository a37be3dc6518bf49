"""How much of the target a permitted seed can come near, and what hides the rest."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
from scipy.spatial import cKDTree

from template_designer.frames import inverse, transform_points
from template_designer.geometry.sampling import volume_samples
from template_designer.geometry.solids import Solid
from template_designer.model import CaseSettings, Reach
from template_designer.planning.approach import Approach

REACH_MM = 5.0
"""A point of the target is reached by a permitted seed centre this near: one pitch, which the
prescription isodose of a row of seeds crosses."""


def reach_of_target(target: Solid, approach: Approach, settings: CaseSettings) -> Reach:
    """Share of the target that some permitted seed comes near, and the rest by cause.

    The cause at a point is what stops the needle of the nearest hole before it gets there.
    """
    points_lps_mm, weights = volume_samples(target)
    sites, paths, frame = approach.sites, approach.paths, approach.frame
    total = float(weights.sum())
    if len(sites):
        distance, _ = cKDTree(sites.centers_lps_mm).query(points_lps_mm)
        hidden = distance > REACH_MM
    else:
        hidden = np.ones(len(points_lps_mm), dtype=bool)
    local = transform_points(inverse(frame), points_lps_mm[hidden])
    aside, _ = cKDTree([(p.x_mm, p.y_mm) for p in approach.points]).query(local[:, :2])
    _, hole = cKDTree([(p.x_mm, p.y_mm) for p in paths.points]).query(local[:, :2])
    volume: dict[str, float] = defaultdict(float)
    for n, (weight, off, z) in enumerate(zip(weights[hidden], aside, local[:, 2], strict=True)):
        if off > 0.75 * settings.template.pitch_mm:
            cause = "outside the lattice"
        elif z > paths.deepest_tip_mm[hole[n]]:
            cause = paths.stop[hole[n]]
        else:
            cause = f"{settings.skin.structure} (seeds too near the skin) or between holes"
        volume[cause] += float(weight)
    shares = {cause: 100.0 * v / total for cause, v in volume.items()}
    return Reach(
        reachable_pct=100.0 * float(weights[~hidden].sum()) / total,
        hidden_pct_by_cause=dict(sorted(shares.items(), key=lambda item: -item[1])),
    )
