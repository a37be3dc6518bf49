"""How deep a needle may go through each hole, and what stops it.

A needle is a capsule: every point of its axis from the plate to the tip, with its radius around
it. A rule holds when the whole capsule keeps its distance. Points are taken every 0.5 mm; between
two points a distance ``d`` falls by at most ``step^2 / 8d`` and never by more than half a step,
and that much is taken off (a distance is 1-Lipschitz and bends by at most ``1 / d``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray

from template_designer.frames import transform_points
from template_designer.geometry.distance import DistanceField
from template_designer.geometry.lattice import LatticePoint
from template_designer.geometry.solids import Solid
from template_designer.model.needles import NeedleRule

STEP_MM = 0.5
"""Spacing of the points on a needle's axis."""


@dataclass(frozen=True, slots=True, eq=False)
class Thicker:
    """Needles whose tip passes a depth go through a thicker one from the plate on."""

    from_z_mm: NDArray[np.float64]  # (holes,) depth of the tip; inf where never
    by_mm: float  # on the radius


@dataclass(frozen=True, slots=True, eq=False)
class NeedlePaths:
    """All needle paths of a plate, hole by hole along z (template frame, mm)."""

    points: tuple[LatticePoint, ...]
    z_mm: NDArray[np.float64]  # (nz,) depths under the patient face
    skin_z_mm: NDArray[np.float64]  # (holes,) where the axis enters the body; NaN where never
    in_body: NDArray[np.bool_]  # (holes, nz)
    deepest_tip_mm: NDArray[np.float64]  # (holes,) deepest permitted tip; -1 where none
    stop: tuple[str, ...]  # what stops each needle there
    clearance_mm: Mapping[str, NDArray[np.float64]]  # surface to structure, (holes, nz), safe side
    thicker: Thicker | None = None  # where a needle goes through a thicker one

    def least_clearance_mm(self, hole: int, tip_z_mm: float) -> dict[str, float]:
        """Least distance of a needle's surface to each structure, with its tip at a depth.

        Where it goes through a thicker needle the distance is that needle's, all the way.
        """
        upto = int(np.searchsorted(self.z_mm, tip_z_mm - 1e-9)) + 1
        off = 0.0
        if self.thicker is not None and tip_z_mm >= self.thicker.from_z_mm[hole]:
            off = self.thicker.by_mm
        return {
            name: float(grid[hole, :upto].min()) - off for name, grid in self.clearance_mm.items()
        }


def axis_points(
    points: tuple[LatticePoint, ...], z_mm: NDArray[np.float64], frame: NDArray[np.float64]
) -> NDArray[np.float64]:
    """LPS points on every needle axis, (holes * nz, 3), hole by hole."""
    xy = np.array([(p.x_mm, p.y_mm) for p in points]).reshape(-1, 2)
    grid = np.zeros((len(points), len(z_mm), 3))
    grid[:, :, :2] = xy[:, None, :]
    grid[:, :, 2] = z_mm
    return transform_points(frame, grid.reshape(-1, 3))


def between_points_mm(distance_mm: NDArray[np.float64], step_mm: float) -> NDArray[np.float64]:
    """How much less than at its ends a distance can be between two points of an axis."""
    nearest = np.maximum(distance_mm - step_mm, 1e-9)
    return np.minimum(0.5 * step_mm, step_mm * step_mm / (8.0 * nearest))


def trace_paths(
    points: tuple[LatticePoint, ...],
    frame: NDArray[np.float64],
    *,
    rules: tuple[NeedleRule, ...],
    fields: Mapping[str, DistanceField],
    skin: DistanceField,
    in_scan: NDArray[np.bool_],
    z_mm: NDArray[np.float64],
    longest_tip_mm: float,
    radius_mm: float,
    thicker: Thicker | None = None,
) -> NeedlePaths:
    """Deepest permitted tip of every hole under all rules.

    Parameters
    ----------
    points : tuple of LatticePoint
    frame : (4, 4) ndarray
        ``lps_from_template`` of the plate where it stands.
    rules : tuple of NeedleRule
        One per structure; ``fields`` holds their distances.
    skin : DistanceField
        The body.
    in_scan : (holes, nz) ndarray of bool
        Whether the axis point lies inside the scan; outside nothing is known, so needles stop.
    z_mm : (nz,) ndarray
        Depths of the axis points, every :data:`STEP_MM` from 0.
    longest_tip_mm : float
        Deepest tip the needle's length allows.
    radius_mm : float
        Outer radius of the needle.
    thicker : Thicker, optional
        Where a thicker needle is needed; such paths keep the rules with its radius.
    """
    shape = (len(points), len(z_mm))
    where = axis_points(points, z_mm, frame)
    clearance = {}
    limits = [np.where(z_mm <= longest_tip_mm + 1e-9, True, False)[None, :].repeat(shape[0], 0)]
    causes = ["needle length"]
    limits.append(in_scan)
    causes.append("end of the scan")
    thick_limits = list(limits)
    for rule in rules:
        distance = fields[rule.structure].clearance_mm(where).reshape(shape)
        surface = distance - between_points_mm(distance, STEP_MM) - radius_mm
        clearance[rule.structure] = surface
        limits.append(surface >= rule.clearance_mm)
        thick_limits.append(surface - (thicker.by_mm if thicker else 0.0) >= rule.clearance_mm)
        causes.append(rule.structure)
    decisive, stop_index = _first_stop(limits)
    if thicker is not None:
        # past the depth where it needs the thicker one, a needle keeps the rules with that radius,
        # or else it ends before
        thick_decisive, thick_stop = _first_stop(thick_limits)
        access = np.searchsorted(z_mm, thicker.from_z_mm)  # the first tip that needs it
        passes = thick_stop > access
        ends = passes | (stop_index > access)
        decisive = np.where(ends, thick_decisive, decisive)
        stop_index = np.where(passes, thick_stop, np.minimum(stop_index, access))
    inside = skin.inside(where).reshape(shape)
    return NeedlePaths(
        points=points,
        z_mm=z_mm,
        skin_z_mm=_skin_crossings(points, frame, z_mm, inside, skin),
        in_body=inside,
        deepest_tip_mm=np.where(stop_index > 0, z_mm[np.maximum(stop_index - 1, 0)], -1.0),
        stop=tuple(
            causes[cause] if index < shape[1] else "far side of the target"
            for cause, index in zip(decisive, stop_index, strict=True)
        ),
        clearance_mm=clearance,
        thicker=thicker,
    )


def _first_stop(
    limits: Sequence[NDArray[np.bool_]],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Which of the limits is broken first on each path, and at which point (their number: none)."""
    count = limits[0].shape[1]
    first_bad = np.array([np.where(ok.all(axis=1), count, np.argmin(ok, axis=1)) for ok in limits])
    return np.argmin(first_bad, axis=0), first_bad.min(axis=0)


def _skin_crossings(
    points: tuple[LatticePoint, ...],
    frame: NDArray[np.float64],
    z_mm: NDArray[np.float64],
    inside: NDArray[np.bool_],
    skin: DistanceField,
) -> NDArray[np.float64]:
    """First depth at which each axis is inside the body, by bisection to 0.001 mm."""
    first = np.argmax(inside, axis=1)
    high = z_mm[first].copy()
    low = np.maximum(high - STEP_MM, 0.0)
    xy = np.array([(p.x_mm, p.y_mm) for p in points]).reshape(-1, 2)
    for _ in range(10):
        middle = 0.5 * (low + high)
        within = skin.inside(transform_points(frame, np.column_stack([xy, middle])))
        high = np.where(within, middle, high)
        low = np.where(within, low, middle)
    return np.where(inside.any(axis=1), high, np.nan)


def length_in_solid_mm(
    solid: Solid, start_lps_mm: NDArray[np.float64], end_lps_mm: NDArray[np.float64]
) -> float:
    """Length of a straight line inside a solid, exact for its prisms, mm."""
    a, b = solid.to_local(np.stack([start_lps_mm, end_lps_mm]))
    span = b - a
    length = float(np.linalg.norm(span))
    inside = 0.0
    for slab in solid.slabs:
        low, high = 0.0, 1.0
        if abs(span[2]) > 1e-9:
            ends = sorted(((slab.w_low_mm - a[2]) / span[2], (slab.w_high_mm - a[2]) / span[2]))
            low, high = max(0.0, ends[0]), min(1.0, ends[1])
        elif not slab.w_low_mm <= a[2] < slab.w_high_mm:
            continue
        if high <= low:
            continue
        p, q = a + low * span, a + high * span
        across = float(np.hypot(*(q - p)[:2]))
        if across < 1e-6:
            share = float(shapely.contains_xy(slab.shape, p[0], p[1]))
        else:
            line = shapely.LineString([p[:2], q[:2]])
            share = float(line.intersection(slab.shape).length) / across
        inside += share * (high - low) * length
    return inside
