"""Holes as the standard has them: an outline that runs along a slit into the hole and back.

Structures of label maps, and of files that say ``CLOSEDPLANAR_XOR``, are rings of which an odd
number covers what is meant. That contour type is of 2021; programs older than that (dciodvfy as
Debian has it among them) know ``CLOSED_PLANAR`` alone, in which a hole is a keyhole.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import shapely
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from shapely.geometry import LineString, Polygon
from shapely.geometry.polygon import orient

from template_designer.errors import OutputError
from template_designer.geometry.contours import cross_sections
from template_designer.model import Roi

NEAREST = 8
"""Corners of the outline that are tried from each corner of a hole, before all are."""

Ring = NDArray[np.float64]


def keyhole_rings(roi: Roi) -> list[Ring]:
    """What a structure of exclusive-or rings covers, as rings with keyholes.

    Returns
    -------
    list of (n, 3) ndarray of float64
        LPS, mm, slice by slice; none inside another, the first point not repeated.
    """
    sections = cross_sections(roi, roi.slice_spacing_mm)
    rings = []
    for height, shape in zip(sections.w_mm, sections.shapes, strict=True):
        for polygon in shapely.get_parts(shape):
            flat = with_slits(polygon)
            local = np.column_stack((flat, np.full(len(flat), height)))
            rings.append(np.asarray(local @ sections.axes))
    return rings


def with_slits(polygon: Polygon) -> Ring:
    """One closed line round a polygon and, by slits, round its holes: (n, 2), mm.

    Slits lie inside the polygon and cross neither each other nor any edge.
    """
    polygon = orient(polygon)  # holes run the other way: by winding they are holes as well
    outline = shapely.get_coordinates(polygon.exterior)[:-1]
    holes = [shapely.get_coordinates(hole)[:-1] for hole in polygon.interiors]
    slits: list[LineString] = []
    shapely.prepare(polygon)
    while holes:
        at, i, j = _free_slit(polygon, outline, holes, slits)
        hole = holes.pop(at)
        slits.append(LineString([outline[i], hole[j]]))
        outline = np.concatenate((outline[: i + 1], hole[j:], hole[: j + 1], outline[i:]))
    return np.asarray(outline)


def _free_slit(
    polygon: Polygon, outline: Ring, holes: list[Ring], slits: list[LineString]
) -> tuple[int, int, int]:
    """The shortest slit found: which hole, from which corner of the outline, to which of it."""
    for count in (min(NEAREST, len(outline)), len(outline)):
        for at, i, j in _pairs(outline, holes, count):
            if np.array_equal(outline[i], holes[at][j]):
                return at, i, j
            slit = LineString([outline[i], holes[at][j]])
            if polygon.covers(slit) and not any(slit.crosses(other) for other in slits):
                return at, i, j
    raise OutputError("RTSTRUCT.dcm: a hole of a structure cannot be joined to its outline")


def _pairs(outline: Ring, holes: list[Ring], count: int) -> Iterator[tuple[int, int, int]]:
    """Pairs of corners, the nearest first: hole, corner of the outline, corner of the hole."""
    tree = cKDTree(outline)
    found = []
    for at, hole in enumerate(holes):
        far, near = tree.query(hole, k=count)
        far, near = far.reshape(len(hole), count), near.reshape(len(hole), count)
        found += [
            (far[j, n], at, int(near[j, n]), j) for j in range(len(hole)) for n in range(count)
        ]
    for _, at, i, j in sorted(found):
        yield at, i, j
