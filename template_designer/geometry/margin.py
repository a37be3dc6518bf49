"""Solids grown by a margin, the same all round or of its own towards each side of the patient.

The margin is a closed convex body E round the origin, an ellipsoid in each octant of the patient
axes; the grown solid is every point of the solid plus every vector of E. For one prism with the
cross-section S between two heights, the cross-section of the sum at a height w is S plus F, where F
is what E shows, seen along the stack, between the two height differences. That is exact; sums of
polygons are worked out with polygons, and the result is cut into layers of at most 0.5 mm.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from itertools import pairwise

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from template_designer.errors import GeometryError
from template_designer.geometry.minkowski import minkowski_union
from template_designer.geometry.solids import Slab, Solid
from template_designer.model.derived import Margin

GROWN_LAYER_MM = 0.5
"""Thickest layer of a grown solid: with :attr:`Bias.BEST` its steps err by half of that."""

QUARTER_STEPS = 16
"""Corners of the body E on a quarter of a turn."""

FACE_MM = 0.01
"""Faces of slabs nearer than this are one face: coordinates of drawn slices are rounded."""


class Bias(Enum):
    """To which side a made solid may err."""

    LARGER = "never smaller than true"  # what needles must avoid
    BEST = "as near as can be"
    SMALLER = "never larger than true"  # what is taken away from something to be avoided

    @property
    def opposite(self) -> Bias:
        """For what is taken away."""
        return {Bias.LARGER: Bias.SMALLER, Bias.SMALLER: Bias.LARGER}.get(self, self)


def expanded(solid: Solid, margin: Margin | float, bias: Bias = Bias.BEST) -> Solid:
    """Solid grown by a margin in three dimensions, in layers of at most 0.5 mm.

    Parameters
    ----------
    solid : Solid
        An end that is open (the scan ended there) stays where it is: the solid goes on beyond it.
    margin : Margin or float
        mm, by patient side or the same all round.
    bias : Bias
        ``BEST`` errs by at most 0.25 mm along the stack (half a layer) and 0.12 % of the margin;
        ``LARGER`` and ``SMALLER`` by up to twice that, to one side only.

    Returns
    -------
    Solid
        The solid itself where the margin is 0.
    """
    margin = margin if isinstance(margin, Margin) else Margin.uniform(margin)
    if margin.largest_mm == 0.0:
        return solid
    body = _Body.of(margin, solid.axes, bias)
    sources = _endless(solid)
    slabs: list[Slab] = []
    for low, high in pairwise(_layer_faces(solid, body)):
        near = [
            source
            for source in sources
            if source.w_low_mm - body.down_mm < high and source.w_high_mm + body.up_mm > low
        ]
        shape = body.added_to(near, low, high)
        if not shape.is_empty:
            slabs.append(Slab(low, high, shape))
    if not slabs:
        raise GeometryError(f"structure {solid.name!r} is too thin to be grown")
    return replace(solid, slabs=tuple(slabs))


def _endless(solid: Solid) -> list[Slab]:
    """The slabs, the first and the last without end where the solid is open."""
    slabs = list(solid.slabs)
    if solid.open_low:
        slabs[0] = replace(slabs[0], w_low_mm=-math.inf)
    if solid.open_high:
        slabs[-1] = replace(slabs[-1], w_high_mm=math.inf)
    return slabs


def _layer_faces(solid: Solid, body: _Body) -> list[float]:
    """Heights of the faces of all layers, rising: those of the slabs and enough between."""
    faces = [w for slab in solid.slabs for w in (slab.w_low_mm, slab.w_high_mm)]
    if not solid.open_low:
        faces.append(faces[0] - body.down_mm)
    if not solid.open_high:
        faces.append(solid.slabs[-1].w_high_mm + body.up_mm)
    faces = distinct_faces(faces)
    if body.up_mm == 0.0 and body.down_mm == 0.0:  # nothing changes along the stack
        return faces
    return split_faces(faces, GROWN_LAYER_MM)


def distinct_faces(faces_mm: list[float]) -> list[float]:
    """Rising heights without those that are one face but for rounding; the last one is kept."""
    found: list[float] = []
    for w in sorted(faces_mm):
        if not found or w - found[-1] > FACE_MM:
            found.append(w)
    return found


def split_faces(faces_mm: list[float], thickest_mm: float) -> list[float]:
    """The heights, and evenly spaced ones between them so that no layer is thicker."""
    found = [faces_mm[0]]
    for low, high in pairwise(faces_mm):
        count = max(1, math.ceil((high - low) / thickest_mm - 1e-6))
        found.extend((low + (high - low) * (k + 1) / count) for k in range(count))
    return found


@dataclass(frozen=True, slots=True, eq=False)
class _Body:
    """The margin as a convex body in a solid's own frame (u, v, w), mm."""

    corners: NDArray[np.float64]  # (n, 3) corners of a polytope
    edges: NDArray[np.int64]  # (m, 2) pairs of corners
    down_mm: float  # how far it reaches along w
    up_mm: float
    bias: Bias
    _seen: dict[tuple[float, float], NDArray[np.float64]] = field(default_factory=dict)

    @classmethod
    def of(cls, margin: Margin, axes: NDArray[np.float64], bias: Bias) -> _Body:
        """The body for a frame; its polytope lies round, within or astride the true one."""
        inner = math.cos(math.pi / (4 * QUARTER_STEPS)) ** 2  # radius of the inscribed ball
        factor = {Bias.LARGER: 1.0 / inner, Bias.BEST: inner**-0.5, Bias.SMALLER: 1.0}[bias]
        unit, edges = _unit_ball()
        low, high = np.array(margin.lps_mm).T
        corners = factor * np.where(unit > 0.0, high, low) * unit @ axes.T
        up, down = (
            float(np.linalg.norm(np.where(w > 0.0, high, low) * w)) for w in (axes[2], -axes[2])
        )
        return cls(corners, edges, down, up, bias)

    def added_to(self, slabs: Sequence[Slab], low_mm: float, high_mm: float) -> BaseGeometry:
        """Cross-section of the sum with some slabs, for the layer between two heights."""
        middle = 0.5 * (low_mm + high_mm)
        spans = {  # heights of the layer that count, from ... to
            Bias.LARGER: ((low_mm, high_mm),),
            Bias.BEST: ((middle, middle),),
            Bias.SMALLER: ((low_mm, low_mm), (high_mm, high_mm)),
        }[self.bias]
        summed = []
        for slab in slabs:
            outlines = [self._outline(a - slab.w_high_mm, b - slab.w_low_mm) for a, b in spans]
            outline = outlines[0] if len(outlines) == 1 else _common_outline(*outlines)
            if len(outline):
                summed.append((slab.shape, outline))
        return minkowski_union(summed)

    def _outline(self, from_mm: float, to_mm: float) -> NDArray[np.float64]:
        """What the body shows along w between two heights: convex, (n, 2), counterclockwise."""
        from_mm, to_mm = max(from_mm, -self.down_mm), min(to_mm, self.up_mm)
        if self.up_mm == 0.0 == self.down_mm:
            from_mm, to_mm = from_mm - 1e-9, to_mm + 1e-9
        if not from_mm <= to_mm:
            return np.zeros((0, 2))
        key = (round(from_mm, 6), round(to_mm, 6))
        if key not in self._seen:
            self._seen[key] = self._fresh_outline(from_mm, to_mm)
        return self._seen[key]

    def _fresh_outline(self, from_mm: float, to_mm: float) -> NDArray[np.float64]:
        w = self.corners[:, 2]
        found = [self.corners[(w >= from_mm) & (w <= to_mm), :2]]
        start, end = self.corners[self.edges[:, 0]], self.corners[self.edges[:, 1]]
        for height in (from_mm, to_mm):
            crosses = (start[:, 2] - height) * (end[:, 2] - height) < 0.0
            a, b = start[crosses], end[crosses]
            part = (height - a[:, 2]) / (b[:, 2] - a[:, 2])
            found.append((a + part[:, None] * (b - a))[:, :2])
        return _convex_outline(shapely.MultiPoint(np.vstack(found)))


def _unit_ball() -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Corners and edges of a ball by rings of latitude; the patient planes are among them."""
    rings, around = 2 * QUARTER_STEPS + 1, 4 * QUARTER_STEPS
    latitude = np.linspace(-0.5 * np.pi, 0.5 * np.pi, rings)
    longitude = 2.0 * np.pi * np.arange(around) / around
    high, turn = (grid.ravel() for grid in np.meshgrid(latitude, longitude, indexing="ij"))
    corners = np.column_stack(
        [np.cos(high) * np.cos(turn), np.cos(high) * np.sin(turn), np.sin(high)]
    )
    corners[np.abs(corners) < 1e-12] = 0.0
    index = np.arange(rings * around).reshape(rings, around)
    edges = [
        np.column_stack([index.ravel(), np.roll(index, -1, axis=1).ravel()]),
        np.column_stack([index[:-1].ravel(), index[1:].ravel()]),
    ]
    return corners, np.vstack(edges)


def _convex_outline(shape: BaseGeometry) -> NDArray[np.float64]:
    """Corners of a convex hull, counterclockwise, none twice; two of a line, one of a point."""
    hull = shapely.convex_hull(shape)
    if hull.is_empty:
        return np.zeros((0, 2))
    corners = shapely.get_coordinates(hull)
    if isinstance(hull, shapely.Polygon):
        ring = corners[:-1]
        return ring if shapely.is_ccw(hull.exterior) else ring[::-1]
    return corners


def _common_outline(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    """The part of two convex outlines that both share."""
    hulls = [shapely.convex_hull(shapely.MultiPoint(outline)) for outline in (one, other)]
    return _convex_outline(hulls[0].intersection(hulls[1]))


__all__ = ["Bias", "distinct_faces", "expanded", "split_faces"]
