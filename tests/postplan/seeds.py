"""Tables of delivered seeds for tests: the planned ones, moved in a known way."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from template_designer.inputs.seed_csv import SeedRow, seed_csv
from template_designer.model import Plan


def planned_centers(plan: Plan) -> np.ndarray:
    """Centres of the planned seeds, (n, 3) LPS, mm, in the order of the plan."""
    return np.array([seed.center_lps_mm for needle in plan.needles for seed in needle.seeds])


def planned_axes(plan: Plan) -> np.ndarray:
    return np.array(
        [
            np.asarray(template.lps_from_template)[:3, 2]
            for template in plan.templates
            for needle in template.needles
            for _ in needle.seeds
        ]
    )


def write_seeds(path: Path, centers, axes=None) -> Path:
    """A table of seeds, numbered from 1."""
    rows = [
        SeedRow(k + 1, tuple(center), None if axes is None else tuple(axes[k]))
        for k, center in enumerate(np.asarray(centers).tolist())
    ]
    path.write_bytes(seed_csv(rows))
    return path
