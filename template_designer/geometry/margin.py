"""Targets with a margin: every point within a distance of a solid."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np

from template_designer.geometry.distance import NODE_MM, DistanceField, box_corners
from template_designer.geometry.solids import LAYER_MM, Slab, Solid, outline_under


def expanded(solid: Solid, margin_mm: float) -> Solid:
    """Solid grown by ``margin_mm`` on all sides (3D), in layers of at most 1 mm.

    Errs outwards, by up to 0.35 mm: the corners of the solid's layers stand out that much.
    """
    if margin_mm == 0.0:
        return solid
    low, high = solid.bounds_uvw_mm
    low, high = low - margin_mm - 2.0 * NODE_MM, high + margin_mm + 2.0 * NODE_MM
    closed = replace(solid, open_low=False, open_high=False)
    field = DistanceField.around(closed, solid.to_lps(box_corners(low, high + NODE_MM)))
    us, vs = (np.arange(a, b + NODE_MM, NODE_MM) for a, b in zip(low[:2], high[:2], strict=True))
    grid_u, grid_v = np.meshgrid(us, vs)
    bottom, top = solid.slabs[0].w_low_mm - margin_mm, solid.slabs[-1].w_high_mm + margin_mm
    edges = np.linspace(bottom, top, math.ceil((top - bottom) / LAYER_MM) + 1)
    slabs = []
    for w_low, w_high in pairwise(edges.tolist()):
        middle = np.full(grid_u.size, 0.5 * (w_low + w_high))
        points = solid.to_lps(np.column_stack([grid_u.ravel(), grid_v.ravel(), middle]))
        shape = outline_under(field.signed_mm(points).reshape(grid_u.shape), margin_mm, us, vs)
        if not shape.is_empty:
            slabs.append(Slab(float(w_low), float(w_high), shape))
    return replace(solid, slabs=tuple(slabs))
