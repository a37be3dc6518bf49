"""Union, common part and difference of solids, exact where their slices are parallel.

The slabs of all solids are cut at each other's faces; in every layer the cross-sections are joined,
shared or subtracted as polygons. A solid drawn on slices of another direction is first cut along
those of the first one: each cut is exact, and the layers between cuts are 0.5 mm thick.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.affinity import affine_transform
from shapely.geometry import Polygon
from shapely.geometry.base import BaseGeometry

from template_designer.errors import GeometryError
from template_designer.geometry.contours import polygons_only
from template_designer.geometry.distance import box_corners
from template_designer.geometry.margin import Bias, distinct_faces, expanded, split_faces
from template_designer.geometry.solids import Slab, Solid

PARALLEL_RAD = 2e-4
"""Slices whose normals differ by less are parallel: 0.03 mm at 150 mm, rounding of coordinates."""

ACROSS_LAYER_MM = 0.5
"""Layers of a solid that is cut along other slices than its own."""

TILT_RAD = 1e-5
"""Slices exactly across each other are turned by this: 0.002 mm at 200 mm."""

WIDE_MM = 1e4

Shapes = Sequence[BaseGeometry]
EMPTY = Polygon()


def united(name: str, solids: Sequence[Solid], bias: Bias = Bias.BEST) -> Solid:
    """Every point of any of the solids, in the frame of the first."""
    return _combined(name, solids, [bias] * len(solids), lambda shapes: shapely.union_all(shapes))


def common_part(name: str, solid: Solid, other: Solid, bias: Bias = Bias.BEST) -> Solid:
    """Every point of both solids, in the frame of the first."""
    return _combined(name, [solid, other], [bias] * 2, lambda s: s[0].intersection(s[1]))


def without(name: str, solid: Solid, other: Solid, bias: Bias = Bias.BEST) -> Solid:
    """Every point of the first solid that the other does not hold."""
    biases = [bias, bias.opposite]
    return _combined(name, [solid, other], biases, lambda s: s[0].difference(s[1]))


def _combined(
    name: str,
    solids: Sequence[Solid],
    biases: Sequence[Bias],
    join: Callable[[Shapes], BaseGeometry],
) -> Solid:
    """One solid whose cross-sections are those of several, joined layer by layer.

    It is open at an end where it would go on if the open ones among them did.

    Raises
    ------
    GeometryError
        If nothing is left.
    """
    axes = solids[0].axes
    solids = [in_frame(solid, axes, bias) for solid, bias in zip(solids, biases, strict=True)]
    faces = [w for s in solids for slab in s.slabs for w in (slab.w_low_mm, slab.w_high_mm)]
    slabs: list[Slab] = []
    before: list[BaseGeometry] = []
    for low, high in pairwise(distinct_faces(faces)):
        shapes = [_shape_at(solid, 0.5 * (low + high)) for solid in solids]
        if before and all(a is b for a, b in zip(before, shapes, strict=True)):
            if slabs and slabs[-1].w_high_mm == low:
                slabs[-1] = Slab(slabs[-1].w_low_mm, high, slabs[-1].shape)
            continue
        before = shapes
        shape = polygons_only(join(shapes))
        if not shape.is_empty:
            slabs.append(Slab(low, high, shape))
    if not slabs:
        names = ", ".join(repr(solid.name) for solid in solids)
        raise GeometryError(
            f"structure {name!r}: nothing is left of it; check its from, and and minus (here: "
            f"{names})"
        )
    open_low, open_high = (
        not polygons_only(join([_shape_at(solid, end) for solid in solids])).is_empty
        for end in (-math.inf, math.inf)
    )
    return Solid(name, axes, tuple(slabs), open_low, open_high)


def _shape_at(solid: Solid, w_mm: float) -> BaseGeometry:
    """Cross-section at a height, empty where there is none; open ends go on without end."""
    if solid.open_low and w_mm < solid.slabs[0].w_low_mm:
        return solid.slabs[0].shape
    if solid.open_high and w_mm > solid.slabs[-1].w_high_mm:
        return solid.slabs[-1].shape
    for slab in solid.slabs:
        if slab.w_low_mm <= w_mm < slab.w_high_mm:
            return slab.shape
    return EMPTY


def in_frame(solid: Solid, axes: NDArray[np.float64], bias: Bias = Bias.BEST) -> Solid:
    """The solid as a stack of prisms along another frame.

    Parameters
    ----------
    solid : Solid
    axes : (3, 3) ndarray
        Unit rows u, v, w of the frame, LPS.
    bias : Bias
        Where the slices are not parallel, layers of 0.5 mm stand for the solid; they err by up to
        0.25 mm, to the side that ``bias`` says.
    """
    turn = solid.axes @ axes.T  # local = turn @ new
    if np.abs(turn - np.eye(3)).max() < PARALLEL_RAD:
        return solid
    if math.hypot(turn[2, 0], turn[2, 1]) < PARALLEL_RAD:
        return _relaid(solid, axes, turn)
    if bias is Bias.LARGER:
        solid = expanded(solid, 0.5 * ACROSS_LAYER_MM, bias)
    elif bias is Bias.SMALLER:
        solid = shrunk(solid, 0.5 * ACROSS_LAYER_MM)
    corners = solid.to_lps(box_corners(*solid.bounds_uvw_mm)) @ axes.T
    faces = split_faces([corners[:, 2].min(), corners[:, 2].max()], ACROSS_LAYER_MM)
    slabs = []
    for low, high in pairwise(faces):
        shape = section(solid, axes, 0.5 * (low + high))
        if not shape.is_empty:
            slabs.append(Slab(low, high, shape))
    return Solid(solid.name, axes, tuple(slabs))


def section(solid: Solid, axes: NDArray[np.float64], w_mm: float) -> BaseGeometry:
    """Exact cut of a solid by the plane at ``w_mm`` of another frame, in that frame's u, v."""
    turn = solid.axes @ axes.T
    if abs(turn[2, 2]) < TILT_RAD:  # across its slices: a plane must not hold their normal
        across = np.cross(axes[2], solid.axes[2])
        axes = axes + TILT_RAD * np.cross(across / np.linalg.norm(across), axes)
        turn = solid.axes @ axes.T
    back = np.linalg.inv(turn[:2, :2])
    offset = -back @ (turn[:2, 2] * w_mm)
    slope = turn[2, :2]  # height above the solid's own slices rises along this
    steep = float(np.hypot(*slope))
    along, level = slope / steep, turn[2, 2] * w_mm
    side = np.array([-along[1], along[0]])
    pieces = []
    for slab in solid.slabs:
        low = -math.inf if solid.open_low and slab is solid.slabs[0] else slab.w_low_mm
        high = math.inf if solid.open_high and slab is solid.slabs[-1] else slab.w_high_mm
        near, far = (
            float(np.clip((height - level) / steep, -WIDE_MM, WIDE_MM)) for height in (low, high)
        )
        if far - near < 1e-9:
            continue
        strip = Polygon(
            [
                a * along + b * side
                for a, b in ((near, -WIDE_MM), (far, -WIDE_MM), (far, WIDE_MM), (near, WIDE_MM))
            ]
        )
        moved = affine_transform(slab.shape, [*back[0], *back[1], *offset])
        pieces.append(moved.intersection(strip))
    return polygons_only(shapely.union_all(pieces))


def shrunk(solid: Solid, by_mm: float) -> Solid:
    """Points that lie at least ``by_mm`` inside a solid: what a grown outside leaves over."""
    low, high = solid.bounds_uvw_mm
    low, high = low - 2.0 * by_mm, high + 2.0 * by_mm
    block = Solid(
        solid.name,
        solid.axes,
        (Slab(low[2], high[2], shapely.box(low[0], low[1], high[0], high[1])),),
    )
    outside = expanded(without(solid.name, block, solid), by_mm, Bias.LARGER)
    return without(solid.name, solid, outside)


def _relaid(solid: Solid, axes: NDArray[np.float64], turn: NDArray[np.float64]) -> Solid:
    """The same slabs in a frame with the same slices, turned in their plane or upside down."""
    back = np.linalg.inv(turn[:2, :2])
    matrix = [*back[0], *back[1], 0.0, 0.0]
    up = turn[2, 2] > 0.0
    slabs = [
        Slab(
            s.w_low_mm if up else -s.w_high_mm,
            s.w_high_mm if up else -s.w_low_mm,
            affine_transform(s.shape, matrix),
        )
        for s in solid.slabs
    ]
    if up:
        return replace(solid, axes=axes, slabs=tuple(slabs))
    low, high = solid.open_high, solid.open_low
    return replace(solid, axes=axes, slabs=tuple(slabs[::-1]), open_low=low, open_high=high)
