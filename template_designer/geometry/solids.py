"""Structures as solids: stacks of thin prisms between and beyond the slices they were drawn on.

The solid of a structure is defined slice by slice. On its own plane a slice is exactly what was
drawn. Between two slices the shapes that overlap are blended: the signed distances of both are
mixed in proportion (shape-based interpolation, Raya and Udupa, IEEE TMI 9:32, 1990,
https://doi.org/10.1109/42.52980) and cut at the level that gives the mean of their areas, so that
a slanted vessel does not get thinner between slices. Shapes that meet nothing on the next slice,
and the end slices, go on for half a spacing. The volume is therefore the slab volume.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import contourpy
import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.affinity import translate
from shapely.geometry.base import BaseGeometry

from template_designer.frames import turned
from template_designer.geometry._kernels import signed_distance_grid
from template_designer.geometry.contours import (
    CrossSections,
    cross_sections,
    plane_axes,
    polygon_edges,
    polygons_only,
)
from template_designer.model import ImageVolume, PlanWarning, Roi

LAYER_MM = 1.0
"""Thickest layer of a solid: its steps between slices are at most half of this."""

BLEND_STEP_MM = 1.0
"""Grid of the blended outlines: linear interpolation errs by step^2 / 8R, 0.03 mm at R = 4 mm."""

AREA_TOLERANCE = 0.005
AREA_STEPS = 3
"""A blended outline is moved until it misses the mean area by less than that part."""

SAME_OUTLINE_MM = 0.005
"""Outlines whose corners agree to this (decimal rounding) are one outline, kept as drawn."""

BRIDGE_SPACINGS = 2.5
"""A stretch without contours up to this many spacings is bridged; a longer one separates parts."""

EVERY_SLICE_SPACINGS = 1.5
"""The same where every slice is known to be drawn (label maps): an empty slice is empty."""


@dataclass(frozen=True, slots=True, eq=False)
class Slab:
    """One prism of a solid: a cross-section held from ``w_low_mm`` to ``w_high_mm``."""

    w_low_mm: float
    w_high_mm: float
    shape: BaseGeometry  # in (u, v), mm


@dataclass(frozen=True, slots=True, eq=False)
class Solid:
    """A closed structure as a stack of prisms, in its own frame (rows of ``axes``: u, v, w)."""

    name: str
    axes: NDArray[np.float64]  # (3, 3) unit rows, LPS
    slabs: tuple[Slab, ...]  # rising along w, never overlapping
    open_low: bool = False  # the scan ended here: the anatomy goes on
    open_high: bool = False
    warnings: tuple[PlanWarning, ...] = ()

    @property
    def volume_cm3(self) -> float:
        """Volume of the prisms, cm3."""
        return sum(s.shape.area * (s.w_high_mm - s.w_low_mm) for s in self.slabs) / 1000.0

    @property
    def centroid_lps_mm(self) -> NDArray[np.float64]:
        """Centre of volume, (3,) LPS, mm."""
        weights = np.array([s.shape.area * (s.w_high_mm - s.w_low_mm) for s in self.slabs])
        centres = np.array(
            [
                (s.shape.centroid.x, s.shape.centroid.y, 0.5 * (s.w_low_mm + s.w_high_mm))
                for s in self.slabs
            ]
        )
        return (weights @ centres / weights.sum()) @ self.axes

    @property
    def bounds_uvw_mm(self) -> NDArray[np.float64]:
        """Lowest and highest u, v, w, (2, 3), mm."""
        boxes = np.array([s.shape.bounds for s in self.slabs])
        return np.array(
            [
                [boxes[:, 0].min(), boxes[:, 1].min(), self.slabs[0].w_low_mm],
                [boxes[:, 2].max(), boxes[:, 3].max(), self.slabs[-1].w_high_mm],
            ]
        )

    def to_local(self, points_lps_mm: NDArray[np.float64]) -> NDArray[np.float64]:
        """LPS points as (n, 3) u, v, w."""
        return turned(np.atleast_2d(points_lps_mm), self.axes)

    def to_lps(self, points_uvw_mm: NDArray[np.float64]) -> NDArray[np.float64]:
        """Points (n, 3) in u, v, w as LPS."""
        return turned(np.atleast_2d(points_uvw_mm), self.axes.T)


def build_solid(
    roi: Roi,
    image: ImageVolume | None = None,
    spacing_mm: float = 1.0,
    *,
    bridge_all: bool = False,
) -> Solid:
    """Solid of one structure.

    Parameters
    ----------
    roi : Roi
        Rings as drawn, LPS, mm.
    image : ImageVolume, optional
        The CT it was drawn on: its slice spacing (or the structure's own, where its file states
        one) is the thickness of a single slice, wider steps between contours are warned of, and
        structures that end with the scan are marked open.
    spacing_mm : float
        Thickness of a single slice where there is no image.
    bridge_all : bool
        For structures that needles must avoid: parts that face each other across a stretch
        without contours are joined however long it is; a forgotten slice must not open a way. Of
        a label map they hold every voxel's whole box, though shapes are blended between slices.

    Raises
    ------
    GeometryError
        If the rings are not planar and parallel, or enclose no area.
    """
    drawn_along_slices = image is not None and (
        abs(float(np.dot(image.axes_lps[2], plane_axes(roi)[2]))) > 0.999
    )
    if roi.slice_spacing_mm is not None:
        spacing_mm = roi.slice_spacing_mm
    elif image is not None and drawn_along_slices:
        spacing_mm = float(image.spacing_mm[2])
    sections = cross_sections(roi, spacing_mm if drawn_along_slices else None)
    own_spacing = spacing_mm
    steps = np.diff(sections.w_mm)
    if steps.size and roi.slice_spacing_mm is None:
        own_spacing = float(np.median(steps))
    most = BRIDGE_SPACINGS if roi.slice_spacing_mm is None else EVERY_SLICE_SPACINGS
    bridge = most * own_spacing
    runs = _runs(sections, math.inf if bridge_all else bridge, bridge)
    keep_voxels = bridge_all and roi.slice_spacing_mm is not None
    slabs = _slabs(sections, runs, own_spacing, bridge, keep_voxels=keep_voxels)
    solid = Solid(roi.name, sections.axes, slabs, warnings=sections.warnings)
    if image is None or not drawn_along_slices:
        return solid
    apart = _spacing_warnings(sections, spacing_mm, bridge, bridge_all)
    solid = replace(solid, warnings=(*solid.warnings, *apart))
    return _with_scan_ends(solid, image, own_spacing)


def _slabs(
    sections: CrossSections,
    runs: Sequence[tuple[int, int]],
    own_spacing_mm: float,
    bridge_mm: float,
    *,
    keep_voxels: bool,
) -> tuple[Slab, ...]:
    """All layers of all runs of slices."""
    steps = np.diff(sections.w_mm)
    pieces: list[list[Slab]] = []  # the halves of slabs, joined below
    for low, high in runs:
        pieces.append(_end(sections, low, -0.5 * own_spacing_mm))
        for k in range(low, high):
            slabs = _between(sections, k, own_spacing_mm if steps[k] > bridge_mm else None)
            if keep_voxels:
                slabs = _with_voxels(slabs, sections, k, 0.5 * own_spacing_mm)
            pieces.append(slabs)
        pieces.append(_end(sections, high, 0.5 * own_spacing_mm))
    return _joined(pieces)


def _runs(sections: CrossSections, longest_mm: float, usual_mm: float) -> list[tuple[int, int]]:
    """First and last index of every run of slices that belong together.

    Steps over ``longest_mm`` end a run; so do steps over ``usual_mm`` whose two sides do not face
    each other.
    """
    ends = []
    for k, step in enumerate(np.diff(sections.w_mm)):
        facing = step <= usual_mm or sections.shapes[k].intersects(sections.shapes[k + 1])
        if step > longest_mm or not facing:
            ends.append(k)
    last = len(sections.w_mm) - 1
    return list(zip([0, *(k + 1 for k in ends)], [*ends, last], strict=True))


def _end(sections: CrossSections, k: int, extension_mm: float) -> list[Slab]:
    w = float(sections.w_mm[k])
    return [Slab(min(w, w + extension_mm), max(w, w + extension_mm), sections.shapes[k])]


def _between(sections: CrossSections, k: int, lone_mm: float | None = None) -> list[Slab]:
    """Layers from slice k to slice k + 1: an odd number of steps, so that none is in the middle.

    Parts that meet nothing on the other slice end half way, or half of ``lone_mm`` away.
    """
    w0, w1 = float(sections.w_mm[k]), float(sections.w_mm[k + 1])
    lower, upper = sections.shapes[k], sections.shapes[k + 1]
    steps = max(1, math.ceil((w1 - w0) / LAYER_MM - 1e-6))
    steps += 1 - steps % 2
    layer = (w1 - w0) / steps
    fractions = [j / steps for j in range(1, steps)]
    lone_until = 0.5 if lone_mm is None else 0.5 * lone_mm / (w1 - w0)
    blended = blend(lower, upper, fractions, lone_until)
    slabs = [Slab(w0, w0 + 0.5 * layer, lower)]
    for t, shape in zip(fractions, blended, strict=True):
        if not shape.is_empty:
            centre = w0 + t * (w1 - w0)
            slabs.append(Slab(centre - 0.5 * layer, centre + 0.5 * layer, shape))
    slabs.append(Slab(w1 - 0.5 * layer, w1, upper))
    return slabs


def _with_voxels(slabs: list[Slab], sections: CrossSections, k: int, half_mm: float) -> list[Slab]:
    """Layers between two slices of a label map, and all of the voxels of both.

    Blending takes the edges off voxels near the middle; of what needles avoid they must stay.
    """
    w0, w1 = float(sections.w_mm[k]), float(sections.w_mm[k + 1])
    whole = slabs[:1]
    for slab in slabs[1:-1]:  # the first and the last hold the drawn slices
        shapes = [slab.shape]
        if slab.w_low_mm < w0 + half_mm - SAME_OUTLINE_MM:
            shapes.append(sections.shapes[k])
        if slab.w_high_mm > w1 - half_mm + SAME_OUTLINE_MM:
            shapes.append(sections.shapes[k + 1])
        whole.append(replace(slab, shape=polygons_only(shapely.union_all(shapes))))
    return whole + slabs[-1:]


def _joined(pieces: Sequence[Sequence[Slab]]) -> tuple[Slab, ...]:
    """All layers in order; the two halves that share a drawn slice become one slab."""
    slabs: list[Slab] = []
    for slab in (slab for piece in pieces for slab in piece):
        if slabs and slabs[-1].shape is slab.shape:
            slabs[-1] = replace(slabs[-1], w_high_mm=slab.w_high_mm)
        else:
            slabs.append(slab)
    return tuple(slabs)


def blend(
    lower: BaseGeometry, upper: BaseGeometry, fractions: Sequence[float], lone_until: float = 0.5
) -> list[BaseGeometry]:
    """Cross-sections at the given fractions of the way from ``lower`` to ``upper``.

    A part that meets nothing on the other slice goes on for the fraction ``lone_until``.
    """
    parts: list[list[BaseGeometry]] = [[] for _ in fractions]
    for here, there in paired_lone_parts(linked_groups(lower, upper)):
        if here is None or there is None:
            alone = here if there is None else there
            for n, t in enumerate(fractions):
                if (t if there is None else 1.0 - t) < lone_until:
                    parts[n].append(alone)
        elif shapely.equals_exact(here, there, SAME_OUTLINE_MM, normalize=True):
            for group in parts:
                group.append(here)
        else:
            for group, shape in zip(parts, _blend_aligned(here, there, fractions), strict=True):
                group.append(shape)
    return [polygons_only(shapely.union_all(group)) for group in parts]


def linked_groups(
    lower: BaseGeometry, upper: BaseGeometry
) -> list[tuple[BaseGeometry | None, BaseGeometry | None]]:
    """Pair the parts of two slices that overlap; a part that meets nothing stands alone."""
    low, high = shapely.get_parts(lower), shapely.get_parts(upper)
    group = list(range(len(low) + len(high)))  # union-find over both slices' parts

    def root(n: int) -> int:
        while group[n] != n:
            n = group[n]
        return n

    tree = shapely.STRtree(low)
    for j, i in zip(*tree.query(high, predicate="intersects"), strict=True):
        if low[i].intersection(high[j]).area > 0.0:
            group[root(len(low) + int(j))] = root(int(i))
    members: dict[int, tuple[list[BaseGeometry], list[BaseGeometry]]] = {}
    for n in range(len(group)):
        pair = members.setdefault(root(n), ([], []))
        if n < len(low):
            pair[0].append(low[n])
        else:
            pair[1].append(high[n - len(low)])
    return [
        (
            polygons_only(shapely.union_all(a)) if a else None,
            polygons_only(shapely.union_all(b)) if b else None,
        )
        for a, b in members.values()
    ]


Group = tuple[BaseGeometry | None, BaseGeometry | None]


def paired_lone_parts(groups: Sequence[Group]) -> list[Group]:
    """Join lone parts that are each other's nearest and lie within a part's size: a steep vessel.

    Where slices no longer overlap the vessel still runs from one part to the other; ended half
    way, it would seem up to 1.6 mm farther off than it is.
    """
    below = [here for here, there in groups if here is not None and there is None]
    above = [there for here, there in groups if here is None and there is not None]
    result = [group for group in groups if group[0] is not None and group[1] is not None]
    gaps = np.array([[a.distance(b) for b in above] for a in below]).reshape(len(below), len(above))
    taken = set()
    for i, here in enumerate(below):
        j = int(np.argmin(gaps[i])) if above else -1
        size = 0.0 if j < 0 else math.sqrt(min(here.area, above[j].area))
        if j >= 0 and int(np.argmin(gaps[:, j])) == i and gaps[i, j] <= size:
            taken.add(j)
            result.append((here, above[j]))
        else:
            result.append((here, None))
    return result + [(None, there) for j, there in enumerate(above) if j not in taken]


def _blend_aligned(
    here: BaseGeometry, there: BaseGeometry, fractions: Sequence[float]
) -> list[BaseGeometry]:
    """Blend two shapes; two single parts are laid over each other first and moved as they go.

    Mixing the distances of two discs that lie aside gives an ellipse across the slant, too narrow
    by half a millimetre where a vessel runs at 60 degrees; moved discs stay discs.
    """
    if len(shapely.get_parts(here)) > 1 or len(shapely.get_parts(there)) > 1:
        return _blend_pair(here, there, fractions)
    a, b = (np.array(shape.centroid.coords[0]) for shape in (here, there))
    middle = 0.5 * (a + b)
    shapes = _blend_pair(translate(here, *(middle - a)), translate(there, *(middle - b)), fractions)
    return [
        translate(shape, *((1.0 - t) * a + t * b - middle))
        for shape, t in zip(shapes, fractions, strict=True)
    ]


def _blend_pair(
    here: BaseGeometry, there: BaseGeometry, fractions: Sequence[float]
) -> list[BaseGeometry]:
    boxes = np.array([here.bounds, there.bounds])
    pad = 3.0 * BLEND_STEP_MM
    u0, v0 = boxes[:, 0].min() - pad, boxes[:, 1].min() - pad
    columns = math.ceil((boxes[:, 2].max() + pad - u0) / BLEND_STEP_MM) + 1
    rows = math.ceil((boxes[:, 3].max() + pad - v0) / BLEND_STEP_MM) + 1
    fields = np.zeros((2, rows, columns))
    for field, shape in zip(fields, (here, there), strict=True):
        signed_distance_grid(polygon_edges(shape), u0, v0, BLEND_STEP_MM, field)
    us, vs = u0 + BLEND_STEP_MM * np.arange(columns), v0 + BLEND_STEP_MM * np.arange(rows)
    blended = []
    for t in fractions:
        mixed = (1.0 - t) * fields[0] + t * fields[1]
        area = (1.0 - t) * here.area + t * there.area
        shape = _outline_of_area(mixed, area, us, vs)
        # parts thinner than the grid leave no outline: keep both, rather too much than nothing
        blended.append(here.union(there) if shape.is_empty else shape)
    return blended


def _outline_of_area(
    field: NDArray[np.float64], area_mm2: float, us: NDArray[np.float64], vs: NDArray[np.float64]
) -> BaseGeometry:
    """Outline of the part of a field under the level that gives an area."""
    cells = min(field.size - 1, round(area_mm2 / BLEND_STEP_MM**2))
    level = float(np.partition(field, cells, axis=None)[cells])
    shape = outline_under(field, level, us, vs)
    for _ in range(AREA_STEPS):  # the cells count in whole numbers: move along the outline
        off = area_mm2 - shape.area
        if abs(off) <= AREA_TOLERANCE * area_mm2 or not shape.length > 0.0:
            break
        level += off / shape.length
        shape = outline_under(field, level, us, vs)
    return shape


def outline_under(
    field: NDArray[np.float64], level: float, us: NDArray[np.float64], vs: NDArray[np.float64]
) -> BaseGeometry:
    """Polygons where a field sampled on a grid lies under a level."""
    generator = contourpy.contour_generator(us, vs, field, fill_type="OuterOffset")
    filled = generator.filled(-1e30, level)
    polygons = []
    for xy, offset in zip(filled[0], filled[1], strict=True):
        if xy is None or offset is None:
            continue
        rings = [xy[a:b] for a, b in pairwise(offset) if b - a >= 4]
        if rings:
            polygons.append(shapely.Polygon(rings[0], rings[1:]).simplify(0.02))
    return polygons_only(shapely.union_all(shapely.make_valid(polygons)))


def _spacing_warnings(
    sections: CrossSections, spacing_mm: float, bridge_mm: float, bridged_all: bool
) -> tuple[PlanWarning, ...]:
    steps = np.diff(sections.w_mm)
    bridged = steps[(steps > 1.5 * spacing_mm) & (steps <= bridge_mm)]
    apart = steps[steps > bridge_mm]
    treated = (
        "parts that face each other were joined, because needles must avoid them"
        if bridged_all
        else "the parts were taken as separate"
    )
    warnings = []
    if bridged.size:
        warnings.append(
            PlanWarning(
                "contours-sparse",
                f"{sections.name}: {bridged.size} step(s) of {bridged.max():.1f} mm between "
                f"contours on slices {spacing_mm:.1f} mm apart were filled by interpolation. "
                "Check the outline between the drawn slices.",
            )
        )
    if apart.size:
        warnings.append(
            PlanWarning(
                "contours-apart",
                f"{sections.name}: {apart.size} stretch(es) of up to {apart.max():.1f} mm hold no "
                f"contour; {treated}. Check that no slice was forgotten.",
            )
        )
    return tuple(warnings)


def _with_scan_ends(solid: Solid, image: ImageVolume, own_spacing_mm: float) -> Solid:
    """Mark the ends of a solid that are the ends of the scan, where the anatomy goes on."""
    corners = np.array(
        [
            image.origin_lps_mm,
            image.origin_lps_mm + (len(image.hu) - 1) * image.spacing_mm[2] * image.axes_lps[2],
        ]
    )
    first, last = sorted(float(w) for w in corners @ solid.axes[2])
    reach = 0.75 * max(float(image.spacing_mm[2]), own_spacing_mm)
    return replace(
        solid,
        open_low=solid.slabs[0].w_low_mm < first + reach,
        open_high=solid.slabs[-1].w_high_mm > last - reach,
    )
