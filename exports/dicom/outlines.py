"""Outlines on the CT slices of what has no contours: needles, seeds and plates.

Needles and seeds are far thinner than slices are apart: the part of each that lies in a slice (half
a spacing to either side) is moved onto it, so that no part goes unseen. Outlines are for the eye;
where needles and seeds truly are stands in the plan, and in the ROIs of lines and points.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from template_designer.frames import transform_points
from template_designer.model import ImageReference, Plan, Template

CORNERS = 8
"""Corners of the outline of a needle seen from its end."""

ON_PLANE_MM = 1e-6
"""Corners of a plate this near to a slice lie on it."""

Point = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Slices:
    """Parallel planes through the CT's slices, going on beyond them on both sides.

    Slice ``k`` holds the points ``p`` with ``p @ normal = first_mm + k * step_mm``; 0 to
    ``count - 1`` are the CT's.
    """

    normal: Point  # (3,) unit
    across: NDArray[np.float64]  # (2, 3) unit rows in the plane, normal = row 0 x row 1
    first_mm: float
    step_mm: float
    count: int

    @classmethod
    def of(cls, plan: Plan) -> Slices:
        """The slices of the plan's CT; without one, those of its dose grid."""
        image = plan.image
        if image is None:
            grid = plan.dose.grid
            image = ImageReference(
                grid.shape, np.array(grid.origin_mm), np.eye(3), np.array(grid.spacing_mm)
            )
        normal = np.asarray(image.axes_lps[2], dtype=np.float64)
        first = float(np.asarray(image.origin_lps_mm) @ normal)
        return cls(normal, image.axes_lps[:2], first, float(image.spacing_mm[2]), image.shape[0])

    def height_mm(self, point_lps_mm: Point) -> float:
        """How far a point lies above slice 0."""
        return float(point_lps_mm @ self.normal) - self.first_mm

    def moved_onto(self, k: int, points_lps_mm: NDArray[np.float64]) -> NDArray[np.float64]:
        """Points (n, 3) moved straight onto slice ``k``."""
        off = self.first_mm + k * self.step_mm - points_lps_mm @ self.normal
        return np.asarray(points_lps_mm + off[:, None] * self.normal)


def rod_outlines(
    slices: Slices, start_lps_mm: Point, end_lps_mm: Point, radius_mm: float
) -> list[NDArray[np.float64]]:
    """Closed outlines of a rod with round ends, one on each slice whose slab its axis enters.

    Parameters
    ----------
    slices : Slices
        Where the outlines lie.
    start_lps_mm, end_lps_mm : (3,) ndarray of float64
        Ends of its axis.
    radius_mm : float
        Of the rod; the outlines are never narrower.

    Returns
    -------
    list of (8, 3) ndarray of float64
        LPS, mm, in the order of the slices.
    """
    heights = np.array([slices.height_mm(start_lps_mm), slices.height_mm(end_lps_mm)])
    lowest, highest = (round_half_up(h / slices.step_mm) for h in np.sort(heights))
    rise = heights[1] - heights[0]
    outlines = []
    for k in range(lowest, highest + 1):
        parts = np.array([0.0, 1.0])
        if lowest != highest:
            faces = (np.array([k - 0.5, k + 0.5]) * slices.step_mm - heights[0]) / rise
            parts = np.clip(np.sort(faces), 0.0, 1.0)
        ends = start_lps_mm + parts[:, None] * (end_lps_mm - start_lps_mm)
        outlines.append(_stadium(slices, slices.moved_onto(k, ends), radius_mm))
    return outlines


def round_half_up(value: float) -> int:
    """Nearest whole number; a half goes up, so that neighbouring slabs share no point."""
    return math.floor(value + 0.5)


def _stadium(slices: Slices, ends: NDArray[np.float64], radius_mm: float) -> NDArray[np.float64]:
    """Eight corners round a line in a slice, (8, 3): nowhere nearer to it than the radius."""
    along = (ends[1] - ends[0]) @ slices.across.T
    turn = math.atan2(along[1], along[0])
    angles = turn + 2.0 * math.pi * (np.arange(CORNERS) + 0.5) / CORNERS
    arms = np.column_stack((np.cos(angles), np.sin(angles))) @ slices.across
    arms *= radius_mm / math.cos(math.pi / CORNERS)
    ahead = np.cos(angles - turn) > 0.0
    return np.asarray(np.where(ahead[:, None], ends[1], ends[0]) + arms)


def plate_outlines(slices: Slices, template: Template) -> list[NDArray[np.float64]]:
    """Sections of a plate's box with the slices; with its middle plane where it lies between two.

    Returns
    -------
    list of (n, 3) ndarray of float64
        Convex polygons, LPS, mm.
    """
    x, y, thickness = template.size_mm
    corners_tpl = [
        (i * x, j * y, -k * thickness) for i in (-0.5, 0.5) for j in (-0.5, 0.5) for k in (0, 1)
    ]
    corners = transform_points(np.asarray(template.lps_from_template), corners_tpl)
    heights = corners @ slices.normal - slices.first_mm
    lowest = math.ceil((heights.min() - ON_PLANE_MM) / slices.step_mm)
    highest = math.floor((heights.max() + ON_PLANE_MM) / slices.step_mm)
    levels = [k * slices.step_mm for k in range(lowest, highest + 1)]
    sections = [_section(slices, corners, heights - h) for h in levels or [heights.mean()]]
    return [section for section in sections if len(section) >= 3]


def _section(
    slices: Slices, corners: NDArray[np.float64], above: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Polygon in which a plane cuts a box: corners (8, 3) and their heights above the plane."""
    points = [corners[i] for i in range(8) if abs(above[i]) <= ON_PLANE_MM]
    for i in range(8):
        for bit in (1, 2, 4):  # corners are numbered in binary: one bit is one edge
            j = i | bit
            if j > i and above[i] * above[j] < 0.0 and min(abs(above[[i, j]])) > ON_PLANE_MM:
                part = above[i] / (above[i] - above[j])
                points.append(corners[i] + part * (corners[j] - corners[i]))
    if len(points) < 3:
        return np.zeros((0, 3))
    found = np.array(points)
    flat = (found - found.mean(axis=0)) @ slices.across.T
    return np.asarray(found[np.argsort(np.arctan2(flat[:, 1], flat[:, 0]))])
