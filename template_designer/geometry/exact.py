"""Exact distances, one point at a time: what the quick ones are held against."""

from __future__ import annotations

import math

import numpy as np
import shapely
from numpy.typing import NDArray

from template_designer.geometry.solids import Solid


def exact_distance_mm(solid: Solid, point_lps_mm: NDArray[np.float64]) -> float:
    """Distance from a point to a solid, 0 inside; exact to rounding, slab by slab.

    Parameters
    ----------
    solid : Solid
        Its slabs are prisms; an open end goes on for ever.
    point_lps_mm : (3,) ndarray
        LPS, mm.
    """
    u, v, w = solid.to_local(np.asarray(point_lps_mm, dtype=np.float64))[0].tolist()
    spot, slabs = shapely.Point(u, v), solid.slabs
    gaps = [max(0.0, slab.w_low_mm - w, w - slab.w_high_mm) for slab in slabs]
    if solid.open_low and w < slabs[0].w_low_mm:
        gaps[0] = 0.0
    if solid.open_high and w > slabs[-1].w_high_mm:
        gaps[-1] = 0.0
    best = math.inf
    for k in np.argsort(gaps, kind="stable").tolist():
        if gaps[k] >= best:
            break
        best = min(best, math.hypot(float(shapely.distance(slabs[k].shape, spot)), gaps[k]))
    return best
