"""Isodose surfaces for pictures: closed, however far they reach beyond the plan's dose grid."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from skimage.measure import marching_cubes

from dose import DoseField, dose_field_enclosing
from exports.drawn3d import unit
from template_designer.model import Plan, Surface

LEVELS_PCT = (50, 100, 150, 200)
"""Of the prescription."""

COLOURS = {50: "#56B4E9", 100: "#F0E442", 150: "#E69F00", 200: "#882255"}
"""By level; their lightness differs too, and every picture names them."""


def isodose_surfaces(plan: Plan) -> dict[int, Surface]:
    """Surfaces of 50, 100, 150 and 200 % of the prescription, LPS, mm, by their level in percent.

    A level that no voxel reaches is left out. Marching cubes on the dose grid: a surface is true to
    a part of its voxel. Where the plan's grid ends inside the lowest level, the dose of its seeds
    is computed again on a wider one.
    """
    field = _covering(plan, 0.01 * LEVELS_PCT[0] * plan.prescription_gy)
    surfaces = {
        pct: isodose_surface(field, 0.01 * pct * plan.prescription_gy) for pct in LEVELS_PCT
    }
    return {pct: surface for pct, surface in surfaces.items() if surface is not None}


def isodose_surface(field: DoseField, level_gy: float) -> Surface | None:
    """Where a dose field passes through a level, LPS, mm; None where it never does.

    Triangles are wound so that their normals point to the lower dose.
    """
    values = np.asarray(field.values_gy, dtype=np.float64)
    if min(values.shape) < 2 or not values.min() < level_gy < values.max():
        return None
    dx, dy, dz = field.grid.spacing_mm
    vertices, faces, _, _ = marching_cubes(values, level_gy, spacing=(dz, dy, dx))
    return Surface(
        vertices[:, ::-1].astype(np.float64) + np.asarray(field.grid.origin_mm),
        faces.astype(np.int64),
    )


def _covering(plan: Plan, level_gy: float) -> DoseField:
    """The plan's dose, on a grid whose border lies under a level."""
    centers = np.array([seed.center_lps_mm for n in plan.needles for seed in n.seeds])
    if plan.dose.border_max_gy < level_gy or not len(centers):
        return plan.dose
    return dose_field_enclosing(
        plan.source.model,
        centers,
        _seed_axes(plan),
        plan.air_kerma_strength_u,
        dose_gy=level_gy,
        spacing_mm=min(plan.dose.grid.spacing_mm),
    )


def _seed_axes(plan: Plan) -> NDArray[np.float64]:
    """Direction of every seed, its needle's, LPS, (n, 3)."""
    return np.array(
        [
            unit(np.asarray(needle.tip_lps_mm) - np.asarray(needle.entry_lps_mm))
            for needle in plan.needles
            for _ in needle.seeds
        ]
    ).reshape(-1, 3)
