"""What a plane cuts: the CT, the structures, the dose, needles and seeds, as numbers to draw."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import contourpy
import numpy as np
import shapely
import trimesh
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from exports.slice_planes import Plane
from template_designer.errors import GeometryError
from template_designer.geometry.contours import CrossSections, cross_sections
from template_designer.model import ImageVolume, Needle, Plan, Surface, SurfaceRole
from template_designer.model.derived import NO_MARGIN
from template_designer.planning.evaluate import Seeds

RASTER_MM = 0.5
"""Distance of the points at which CT, dose and drawn shapes are asked for: half a voxel or less."""

AIR_HU = -1024
SEED_REACH_MM = 2.5
"""A seed this near to the plane lies in it: about half a capsule, half of a usual pitch."""

ROUNDING_MM = 1e-3


@dataclass(frozen=True, slots=True)
class Window:
    """The part of a plane that is shown, mm: left, right, bottom, top."""

    left_mm: float
    right_mm: float
    bottom_mm: float
    top_mm: float

    @property
    def size_mm(self) -> tuple[float, float]:
        """Width and height."""
        return self.right_mm - self.left_mm, self.top_mm - self.bottom_mm

    def raster(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Places of columns, left to right, and of rows, bottom to top, mm."""
        wide, high = (math.ceil(size / RASTER_MM) + 1 for size in self.size_mm)
        return (
            np.linspace(self.left_mm, self.right_mm, wide),
            np.linspace(self.bottom_mm, self.top_mm, high),
        )


@dataclass(frozen=True, slots=True, eq=False)
class NeedlePart:
    """A stretch of one needle in the picture."""

    label: str
    ends_mm: NDArray[np.float64]  # (2, 2) right and up
    in_plane: bool


@dataclass(frozen=True, slots=True, eq=False)
class SeedMark:
    """One seed in the picture: its middle, its axis as it is foreshortened, how far off it lies."""

    center_mm: NDArray[np.float64]  # (2,)
    axis: NDArray[np.float64]  # (2,) shorter than 1 where the needle leaves the plane
    behind_mm: float

    @property
    def in_plane(self) -> bool:
        """Whether it counts as lying in the plane."""
        return abs(self.behind_mm) <= SEED_REACH_MM + ROUNDING_MM


def raster_points(plane: Plane, window: Window) -> NDArray[np.float64]:
    """Raster of a window as LPS points, row by row from the bottom, (rows * columns, 3)."""
    across, along = window.raster()
    right, up = np.meshgrid(across, along)
    return plane.lps(np.column_stack([right.ravel(), up.ravel()]))


def ct_values(ct: ImageVolume, plane: Plane, window: Window) -> NDArray[np.float64]:
    """CT numbers in a plane, between voxels trilinear, [row from the bottom, column], HU."""
    across, along = window.raster()
    index = ct.index_of(raster_points(plane, window)).T
    values = map_coordinates(ct.hu, index, output=np.float64, order=1, cval=AIR_HU)
    return np.asarray(values).reshape(along.size, across.size)


def dose_values(plan: Plan, plane: Plane, window: Window) -> NDArray[np.float64]:
    """Dose in a plane, Gy, [row from the bottom, column].

    Of the plan's grid, trilinear; beyond it, where the low isodoses run, of the seeds themselves.
    """
    across, along = window.raster()
    points = raster_points(plane, window)
    dose_gy = plan.dose.interpolate(points, outside_gy=-1.0)
    outside = dose_gy < 0.0
    if outside.any():
        seeds = Seeds.of(
            plan.templates, plan.source.model, plan.air_kerma_strength_u, plan.earlier_seeds
        )
        dose_gy[outside] = seeds.dose_gy(points[outside])
    return dose_gy.reshape(along.size, across.size)


def labelled_needles(plan: Plan) -> dict[str, Needle]:
    """Needles by their labels as printed; with several plates ``T2:C4``."""
    several = len(plan.templates) > 1
    return {
        f"{template.name}:{needle.label}" if several else needle.label: needle
        for template in plan.templates
        for needle in template.needles
    }


def needle_parts(
    needles: Mapping[str, Needle], plane: Plane, half_pitch_mm: float
) -> list[NeedlePart]:
    """Needles that come within half a pitch of the plane, cut where they enter and leave it."""
    parts = []
    for label, needle in needles.items():
        ends = needle_ends(needle)
        far = plane.behind_mm(ends)
        reach = half_pitch_mm + ROUNDING_MM
        low, high = _stretch_within(float(far[0]), float(far[1]), reach)
        if low >= high:
            continue
        for start, end, in_plane in ((0.0, low, False), (low, high, True), (high, 1.0, False)):
            if end - start > 1e-9:
                cut = ends[0] + np.array([[start], [end]]) * (ends[1] - ends[0])
                parts.append(NeedlePart(label, plane.flat(cut), in_plane))
    return parts


def needle_ends(needle: Needle) -> NDArray[np.float64]:
    """Skin point and tip of a needle, (2, 3) LPS, mm."""
    tip, entry = np.array(needle.tip_lps_mm), np.array(needle.entry_lps_mm)
    axis = (tip - entry) / np.linalg.norm(tip - entry)
    return np.stack([tip - needle.skin_depth_mm * axis, tip])


def seed_marks(needles: Iterable[Needle], plane: Plane, farthest_mm: float) -> list[SeedMark]:
    """Seeds nearer to the plane than ``farthest_mm``, or as near as counts as in it."""
    marks = []
    for needle in needles:
        ends = needle_ends(needle)
        axis = plane.flat(ends[1] - ends[0])[0] / np.linalg.norm(ends[1] - ends[0])
        for seed in needle.seeds:
            center = np.array(seed.center_lps_mm)
            mark = SeedMark(plane.flat(center)[0], axis, float(plane.behind_mm(center)[0]))
            if mark.in_plane or abs(mark.behind_mm) < farthest_mm - ROUNDING_MM:
                marks.append(mark)
    return marks


def _stretch_within(first: float, last: float, reach: float) -> tuple[float, float]:
    """Part of a line, 0 to 1, whose distance from ``first`` to ``last`` stays within ``reach``."""
    step = last - first
    if abs(step) < 1e-9:
        return (0.0, 1.0) if abs(first) <= reach else (0.0, 0.0)
    at = sorted(((-reach - first) / step, (reach - first) / step))
    return max(0.0, at[0]), min(1.0, at[1])


@dataclass(frozen=True, slots=True, eq=False)
class Outlines:
    """Structures of a plan, ready to be cut by any plane."""

    drawn: Mapping[str, CrossSections]  # as drawn, slice by slice
    surfaces: Mapping[str, Surface]

    @classmethod
    def of(cls, plan: Plan) -> Outlines:
        """Structures that the plan is judged by or shows; the target as it was planned on."""
        surfaces = {
            name: surface
            for name, (role, surface) in plan.surfaces.items()
            if role is not SurfaceRole.HIDDEN
        }
        target = plan.settings.target
        grown = target.margin_mm != NO_MARGIN
        changed = {target.structure} if grown or target.cropped_by else set()
        wanted = {*surfaces, *(curve.structure for curve in plan.dvh)} - changed
        spacing_mm = float(plan.ct.spacing_mm[2]) if plan.ct is not None else None
        drawn = {}
        for roi in plan.rois.rois if plan.rois is not None else ():
            if roi.name in wanted:
                try:
                    drawn[roi.name] = cross_sections(roi, roi.slice_spacing_mm or spacing_mm)
                except GeometryError:  # the plan says that it was left out
                    continue
        return cls(drawn, surfaces)

    def names(self) -> tuple[str, ...]:
        """Every structure that can be drawn."""
        return tuple(dict.fromkeys((*self.surfaces, *self.drawn)))

    def cut(self, name: str, plane: Plane, window: Window) -> list[NDArray[np.float64]]:
        """Outlines of one structure in a plane: (n, 2) lines, mm; none where it is not cut.

        In an axial plane what was drawn on that slice; else a section of the closed surface; of
        a structure without one, the drawn slices, each as thick as they lie apart.
        """
        drawn = self.drawn.get(name)
        if drawn is not None and plane.is_axial and abs(drawn.axes[2, 2]) > 1.0 - 1e-6:
            return _as_drawn(drawn, plane)
        if name in self.surfaces:
            return _section(self.surfaces[name], plane)
        return [] if drawn is None else _stack_outline(drawn, plane, window)


def _half_spacing(drawn: CrossSections) -> float:
    steps = np.diff(drawn.w_mm)
    return 0.5 * float(np.median(steps)) if steps.size else 0.5


def _as_drawn(drawn: CrossSections, plane: Plane) -> list[NDArray[np.float64]]:
    """Outlines of the nearest drawn slice, if the plane lies in it."""
    w_mm = plane.offset_mm * float(plane.forward_lps @ drawn.axes[2])
    k = int(np.argmin(np.abs(drawn.w_mm - w_mm)))
    if abs(float(drawn.w_mm[k]) - w_mm) > _half_spacing(drawn) + ROUNDING_MM:
        return []
    lines = []
    for polygon in shapely.get_parts(drawn.shapes[k]):
        for ring in (polygon.exterior, *polygon.interiors):
            uv = shapely.get_coordinates(ring)
            lps = np.column_stack([uv, np.full(len(uv), drawn.w_mm[k])]) @ drawn.axes
            lines.append(plane.flat(lps))
    return lines


def _section(surface: Surface, plane: Plane) -> list[NDArray[np.float64]]:
    mesh = trimesh.Trimesh(surface.vertices_lps_mm, surface.faces, process=False)
    path = mesh.section(plane.forward_lps, plane.offset_mm * plane.forward_lps)
    return [] if path is None else [plane.flat(np.asarray(line)) for line in path.discrete]


def _stack_outline(drawn: CrossSections, plane: Plane, window: Window) -> list[NDArray[np.float64]]:
    """Edge of the raster points that lie in the nearest drawn slice."""
    across, along = window.raster()
    uvw = raster_points(plane, window) @ drawn.axes.T
    nearest = np.searchsorted(0.5 * (drawn.w_mm[1:] + drawn.w_mm[:-1]), uvw[:, 2])
    near = np.abs(uvw[:, 2] - drawn.w_mm[nearest]) <= _half_spacing(drawn) + ROUNDING_MM
    inside = np.zeros(len(uvw))
    for k in np.unique(nearest[near]):
        at = near & (nearest == k)
        inside[at] = shapely.contains_xy(drawn.shapes[k], uvw[at, 0], uvw[at, 1])
    if not inside.any():
        return []
    values = inside.reshape(along.size, across.size)
    lines = contourpy.contour_generator(across, along, values).lines(0.5)
    return [np.asarray(line) for line in lines]
