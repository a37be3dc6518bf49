"""Sums of polygons and convex outlines: every point of the one plus every point of the other.

The border of the sum of a ring and a convex outline lies on their convolution: at each corner of
the ring the outline is followed from the corner that lies farthest out over the edge before to the
one that does so over the edge behind, backwards where the ring turns inwards. Round every point of
the sum that curve winds at least once, round no other point at all.
"""

from __future__ import annotations

from collections.abc import Sequence

import manifold3d
import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry import Polygon
from shapely.geometry.base import BaseGeometry

from template_designer.geometry.contours import polygons_only

STRAIGHT_RAD = 1e-3
"""Corners that turn less than this are straight: rounding decides which way they turn."""


def minkowski_union(parts: Sequence[tuple[BaseGeometry, NDArray[np.float64]]]) -> BaseGeometry:
    """Union of the sums of polygon sets and convex outlines.

    Parameters
    ----------
    parts : sequence of (shape, outline)
        Polygons, and the (n, 2) corners of a convex outline, counterclockwise; one corner is a
        shift, two are a line.

    Returns
    -------
    BaseGeometry
        Exact to 1e-8 mm.
    """
    rings: list[NDArray[np.float64]] = []
    holed: list[BaseGeometry] = []
    for shape, outline in parts:
        for polygon in shapely.get_parts(shape):
            around = _convolution(_ring(polygon.exterior), outline)
            if not polygon.interiors:
                rings.append(around)
                continue
            # a hole keeps what the outline, turned half a turn and led round it, leaves over
            left = [_eroded(_ring(hole), -outline) for hole in polygon.interiors]
            holed.append(_filled([around]).difference(shapely.union_all(left)))
    return polygons_only(shapely.union_all([_filled(rings), *holed]))


def _ring(line: BaseGeometry) -> NDArray[np.float64]:
    """Corners of a ring, counterclockwise, none twice in a row, (n, 2)."""
    corners = shapely.get_coordinates(line)[:-1]
    corners = corners[np.any(corners != np.roll(corners, 1, axis=0), axis=1)]
    return corners if shapely.is_ccw(line) else corners[::-1]


def _convolution(ring: NDArray[np.float64], outline: NDArray[np.float64]) -> NDArray[np.float64]:
    count = len(outline)
    along = np.roll(ring, -1, axis=0) - ring  # edge i: from corner i to corner i + 1
    outward = np.column_stack([along[:, 1], -along[:, 0]])
    after = (outward @ outline.T).argmax(axis=1)
    before = np.roll(after, 1)
    came = np.roll(along, 1, axis=0)
    turn = np.arctan2(
        came[:, 0] * along[:, 1] - came[:, 1] * along[:, 0], (came * along).sum(axis=1)
    )
    steps = (after - before) % count
    backwards = np.where(np.abs(turn) < STRAIGHT_RAD, steps > count // 2, (turn < 0) & (steps > 0))
    steps = np.where(backwards, steps - count, steps)
    points = np.abs(steps) + 1
    nth = np.arange(points.sum()) - np.repeat(np.cumsum(points) - points, points)
    corner = (np.repeat(before, points) + np.repeat(np.sign(steps), points) * nth) % count
    return np.asarray(np.repeat(ring, points, axis=0) + outline[corner])


def _eroded(ring: NDArray[np.float64], outline: NDArray[np.float64]) -> BaseGeometry:
    """Points from which an outline stays inside a ring, wherever on the outline one looks."""
    area = Polygon(ring)
    start, end = ring, np.roll(ring, -1, axis=0)
    pairs = np.stack([start, end], axis=1)  # what the outline covers along each edge
    swept = (pairs[:, :, None, :] - outline[None, None, :, :]).reshape(len(ring), -1, 2)
    bands = [shapely.convex_hull(shapely.MultiPoint(points)) for points in swept]
    moved = shapely.affinity.translate(area, *(-outline.mean(axis=0)))
    return polygons_only(moved.difference(shapely.union_all(bands)))


def _filled(rings: Sequence[NDArray[np.float64]]) -> BaseGeometry:
    """What closed curves wind round, as polygons."""
    if not rings:
        return Polygon()
    filled = manifold3d.CrossSection(list(rings), manifold3d.FillRule.NonZero)
    polygons = []
    for part in filled.decompose():
        outlines = sorted(part.to_polygons(), key=lambda corners: -Polygon(corners).area)
        polygons.append(Polygon(outlines[0], outlines[1:]))
    return shapely.union_all(polygons)
