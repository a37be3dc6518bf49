"""Parts of the target under the prescription: how large, where, how cold, and their surfaces."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import label
from scipy.spatial import cKDTree
from skimage.measure import marching_cubes

from template_designer.geometry.distance import DistanceField, box_corners
from template_designer.geometry.sampling import volume_samples
from template_designer.geometry.solids import Solid
from template_designer.model import Surface
from template_designer.model.evaluation import ColdSpot, Point

STEP_MM, MOST_POINTS = 0.5, 2_000_000
"""Spacing of the grid on which parts are told apart and drawn; coarser where it would have more
points than that."""

PART_PER_MM = 0.1
"""Part of the prescription that a millimetre is worth where dose and distance are joined to one
field for drawing: about the gradient of dose at the edge of an implant, so that both kinds of
border are drawn alike. The border itself is the same for any value."""

SMALLEST_DRAWN_CM3 = 0.05
"""A part smaller than this (a ball of 4.6 mm) is listed and not drawn."""

OFF_MM = 0.02
"""A grid point is this far off the surface at least: triangles at a point on it would be so small
that the numbers of an STL file (0.00003 mm) close them and tear the mesh."""


def cold_spots(
    target: Solid,
    dose_gy: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    prescription_gy: float,
) -> tuple[ColdSpot, ...]:
    """Connected parts of the target that get less than the prescription, the largest first.

    Their volumes are those of the samples that V100 is counted on: together they are the target's
    volume times (1 - V100).

    Parameters
    ----------
    target : Solid
    dose_gy : callable
        Dose at (n, 3) points, LPS, mm.
    prescription_gy : float
    """
    points, weights = volume_samples(target)
    doses = dose_gy(points)
    cold = doses < prescription_gy
    if not cold.any():
        return ()
    points, weights, doses = points[cold], weights[cold], doses[cold]
    box_mm3 = float(np.prod(np.diff(target.bounds_uvw_mm, axis=0)))
    step = max(STEP_MM, (box_mm3 / MOST_POINTS) ** (1.0 / 3.0))
    low, values = _field(target, dose_gy, prescription_gy, step)
    parts, count = label(values < 0.0)  # by faces: corners would be torn when drawn
    if count:
        # a sample belongs to the part that the nearest grid point in any part belongs to
        nodes = np.argwhere(parts > 0)
        _, nearest = cKDTree(low + step * nodes).query(target.to_local(points))
        of_part = parts[tuple(nodes[nearest].T)]
    else:  # thinner than the grid: one part, not drawn
        of_part, count = np.ones(len(points), dtype=np.int64), 1
    found = []
    for number in range(1, count + 1):
        rows = of_part == number
        if not rows.any():  # on the grid alone: smaller than the samples can tell
            continue
        volume = float(weights[rows].sum())
        surface = None
        if volume >= SMALLEST_DRAWN_CM3 and (parts == number).any():
            surface = _surface(target, low, step, np.where(parts == number, values, np.abs(values)))
        centroid = np.average(points[rows], axis=0, weights=weights[rows])
        found.append(ColdSpot(volume, _point(centroid), float(doses[rows].min()), surface))
    return tuple(sorted(found, key=lambda spot: -spot.volume_cm3))


def _field(
    target: Solid,
    dose_gy: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    prescription_gy: float,
    step_mm: float,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Corner of a grid round the target (u, v, w), and a field below 0 in its cold parts, mm."""
    low, high = (bound.copy() for bound in target.bounds_uvw_mm)
    # half a step off: the faces of slabs lie at whole ones, where the distance to them is 0
    low, high = low - 2.5 * step_mm, high + 3.5 * step_mm
    axes = [np.arange(a, b, step_mm) for a, b in zip(low, high, strict=True)]
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
    points = target.to_lps(grid.reshape(-1, 3))
    inside = DistanceField.around(target, target.to_lps(box_corners(low, high))).signed_mm(points)
    part = dose_gy(points) / prescription_gy - 1.0
    field = np.maximum(inside, part / PART_PER_MM)
    field = np.where(field < 0.0, np.minimum(field, -OFF_MM), np.maximum(field, OFF_MM))
    return low, field.reshape(grid.shape[:3])


def _surface(
    target: Solid, low: NDArray[np.float64], step_mm: float, values: NDArray[np.float64]
) -> Surface:
    vertices, faces, _, _ = marching_cubes(values, 0.0, spacing=(step_mm,) * 3)
    # the field falls inwards, and u, v, w are right-handed: normals then point outwards
    return Surface(target.to_lps(vertices + low), faces.astype(np.int64))


def _point(row: NDArray[np.float64]) -> Point:
    x, y, z = row.tolist()
    return x, y, z
