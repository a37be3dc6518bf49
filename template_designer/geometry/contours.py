"""From drawn rings to clean cross-sections: one valid polygon set per slice.

A structure set states only closed rings. What they enclose is read here: rings inside rings are
holes (exclusive or), a keyhole is a ring that touches itself along a slit, rings that cross each
other are joined, and rings drawn on the same plane belong to one cross-section.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry import MultiPolygon, Polygon
from shapely.geometry.base import BaseGeometry

from template_designer.errors import GeometryError
from template_designer.model import PlanWarning, Roi

SAME_PLANE_MM = 0.2
"""Rings whose planes differ by less lie on one slice: no scanner makes slices this thin, but planes
are drawn with rounded coordinates, or twice."""

SAME_SLICE_PART = 0.25
"""The same as a part of the slice spacing, where the scan is known."""

REDRAWN_PART, REDRAWN_MM = 0.9, 0.5
"""A ring that fills this part of the one around it and stays this near to it is the same outline
drawn again, not a hole: a shell this thin is no anatomy."""

PLANARITY_MM = 0.5
"""A ring may leave its plane by this much (rounded oblique coordinates); more is refused."""

SLIVER_MM2 = 0.01
"""Areas under this are rounding (slits of keyholes, touching corners), not anatomy."""


@dataclass(frozen=True, slots=True, eq=False)
class CrossSections:
    """The cross-sections of one structure on parallel planes.

    ``axes`` are unit rows u, v, w (LPS); a point p has coordinates ``p @ axes.T``; ``w_mm`` rises.
    """

    name: str
    axes: NDArray[np.float64]  # (3, 3)
    w_mm: NDArray[np.float64]  # (n,) plane positions
    shapes: tuple[BaseGeometry, ...]  # Polygon or MultiPolygon, valid, area > 0
    warnings: tuple[PlanWarning, ...] = ()


def cross_sections(roi: Roi, slice_spacing_mm: float | None = None) -> CrossSections:
    """Clean cross-sections of one region of interest.

    Parameters
    ----------
    roi : Roi
        Rings as drawn.
    slice_spacing_mm : float, optional
        Distance of the slices it was drawn on: rings nearer than a quarter of it share a slice.

    Raises
    ------
    GeometryError
        If the rings are not planar and parallel, or enclose no area.
    """
    axes = plane_axes(roi)
    local = [ring @ axes.T for ring in roi.rings_lps_mm]
    for ring in local:
        spread = float(np.ptp(ring[:, 2]))
        if not spread <= 2.0 * PLANARITY_MM:
            raise GeometryError(
                f"structure {roi.name!r}: a contour leaves its plane by {spread / 2:.1f} mm; "
                "its contours must lie on parallel planes"
            )
    same = max(SAME_PLANE_MM, SAME_SLICE_PART * (slice_spacing_mm or 0.0))
    order = sorted(range(len(local)), key=lambda n: float(local[n][:, 2].mean()))
    groups: list[list[int]] = []
    heights: list[float] = []
    for n in order:
        w = float(local[n][:, 2].mean())
        if heights and w - heights[-1] <= same:
            groups[-1].append(n)
        else:
            groups.append([n])
            heights.append(w)
    planes, shapes = [], []
    crossing, empty = [], []
    for w, group in zip(heights, groups, strict=True):
        shape, crossed = combine_rings([local[n][:, :2] for n in group], xor=roi.xor)
        crossing.extend([w] if crossed else [])
        if shape.area > SLIVER_MM2:
            planes.append(w)
            shapes.append(shape)
        else:
            empty.append(w)
    if not shapes:
        raise GeometryError(
            f"structure {roi.name!r}: its contours enclose no area; draw it again or leave it out"
        )
    warnings = []
    if empty:
        warnings.append(
            PlanWarning(
                "contours-empty",
                f"{roi.name}: contours on {len(empty)} slice(s) enclose no area, the first at "
                f"{empty[0]:.1f} mm; those slices were left out. Check the outline there.",
            )
        )
    if crossing:
        warnings.append(
            PlanWarning(
                "contours-cross",
                f"{roi.name}: contours cross each other or were drawn twice on {len(crossing)} "
                f"slice(s), the first at {crossing[0]:.1f} mm; they were joined. Check there.",
            )
        )
    return CrossSections(roi.name, axes, np.asarray(planes), tuple(shapes), tuple(warnings))


def plane_axes(roi: Roi) -> NDArray[np.float64]:
    """Unit rows u, v, w (LPS) of the planes a structure was drawn on; w along their normal."""
    normal = np.zeros(3)
    for ring in roi.rings_lps_mm:
        centred = ring - ring.mean(axis=0)
        area = 0.5 * np.cross(centred, np.roll(centred, -1, axis=0)).sum(axis=0)
        normal += area if np.dot(area, normal) >= 0.0 else -area
    length = float(np.linalg.norm(normal))
    if not length > SLIVER_MM2:
        raise GeometryError(
            f"structure {roi.name!r}: its contours enclose no area; draw it again or leave it out"
        )
    w = normal / length
    w[np.abs(w) < 1e-5] = 0.0  # coordinates rounded to 0.01 mm must not tilt an axial plane
    w /= np.linalg.norm(w)
    if w[np.argmax(np.abs(w))] < 0.0:
        w = -w
    reference = np.eye(3)[int(np.argmin(np.abs(w)))]
    u = reference - np.dot(reference, w) * w
    u /= np.linalg.norm(u)
    return np.stack([u, np.cross(w, u), w])


def combine_rings(
    rings_mm: Sequence[NDArray[np.float64]], *, xor: bool
) -> tuple[BaseGeometry, bool]:
    """Combine the (n, 2) rings of one slice; also says whether rings cross each other.

    A ring inside another is a hole, a ring inside a hole an island (exclusive or). Rings that
    cross partly, or are one outline drawn twice, are joined unless the file says exclusive or.
    """
    parts = [ring_area(ring) for ring in rings_mm]
    if xor:
        return polygons_only(exclusive_or(parts)), False
    parts = sorted((part for part in parts if part.area > SLIVER_MM2), key=lambda p: -p.area)
    result: BaseGeometry = Polygon()
    crossed = False
    for part in parts:
        shared = result.intersection(part).area
        if shared <= max(SLIVER_MM2, 1e-3 * part.area):
            result = result.union(part)
        elif shared >= (1.0 - 1e-3) * part.area and not _redrawn(part, result):
            result = result.difference(part)
        else:
            crossed = True
            result = result.union(part)
    return polygons_only(result), crossed


def exclusive_or(parts: Sequence[BaseGeometry]) -> BaseGeometry:
    """What an odd number of areas cover, joined pair by pair: many islands take no time."""
    areas = np.array([part for part in parts if part.area > SLIVER_MM2] or [Polygon()])
    while len(areas) > 1:
        even = len(areas) // 2 * 2
        joined = shapely.symmetric_difference(areas[0:even:2], areas[1:even:2])
        areas = np.concatenate([joined, areas[even:]])
    whole: BaseGeometry = areas[0]
    return whole


def ring_area(ring_mm: NDArray[np.float64]) -> BaseGeometry:
    """What one ring encloses by the even-odd rule, slits and loops resolved, (n, 2) -> polygons."""
    polygon = Polygon(ring_mm)
    if polygon.is_valid:
        return polygon
    # node the line work, then keep the faces that an odd number of turns enclose: a slit that is
    # run twice encloses nothing, a loop that is run twice is a hole
    line = shapely.node(shapely.LinearRing(ring_mm))
    faces = shapely.get_parts(shapely.polygonize([line]))
    turns = [_turns(face.representative_point(), ring_mm) for face in faces]
    odd = [face for face, (crossings, _) in zip(faces, turns, strict=True) if crossings % 2 == 1]
    wound = [face for face, (_, winding) in zip(faces, turns, strict=True) if winding != 0]
    even_odd, non_zero = (polygons_only(shapely.union_all(part)) for part in (odd, wound))
    # a ring run round twice encloses nothing by the even-odd rule: then winding decides
    return even_odd if even_odd.area >= 0.5 * non_zero.area else non_zero


def polygons_only(shape: BaseGeometry) -> BaseGeometry:
    """The polygons of a geometry (points and lines dropped), slivers removed."""
    parts = [
        part
        for part in shapely.get_parts(shape)
        if isinstance(part, Polygon) and part.area > SLIVER_MM2
    ]
    if len(parts) == 1:
        return parts[0]
    return MultiPolygon(parts)


def polygon_edges(shape: BaseGeometry) -> NDArray[np.float64]:
    """All edges of a polygon set, holes included, as (m, 4) rows u0, v0, u1, v1."""
    edges = [np.zeros((0, 4))]
    for polygon in shapely.get_parts(shape):
        for ring in (polygon.exterior, *polygon.interiors):
            xy = shapely.get_coordinates(ring)
            edges.append(np.hstack([xy[:-1], xy[1:]]))
    return np.vstack(edges)


def _redrawn(part: BaseGeometry, whole: BaseGeometry) -> bool:
    """Whether a ring inside a shape is that shape's outline drawn again."""
    around = [shapely.Polygon(p.exterior) for p in shapely.get_parts(whole) if p.intersects(part)]
    outer = shapely.union_all(around)
    return bool(
        part.area > REDRAWN_PART * outer.area
        and part.boundary.hausdorff_distance(outer.boundary) < REDRAWN_MM
    )


def _turns(point: shapely.Point, ring_mm: NDArray[np.float64]) -> tuple[int, int]:
    """Crossings of a ray from a point with a ring, and the ring's winding number round it."""
    a, b = ring_mm, np.roll(ring_mm, -1, axis=0)
    straddles = (a[:, 1] <= point.y) != (b[:, 1] <= point.y)
    a, b = a[straddles], b[straddles]
    at = a[:, 0] + (point.y - a[:, 1]) / (b[:, 1] - a[:, 1]) * (b[:, 0] - a[:, 0])
    beyond = at > point.x
    upward = np.where(b[beyond, 1] > a[beyond, 1], 1, -1)
    return int(np.count_nonzero(beyond)), int(upward.sum())
