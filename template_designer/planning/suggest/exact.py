"""Planes worked out exactly, with the code that plans them: the numbers that are printed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from dose import SeedModel
from template_designer import frames
from template_designer.errors import CaseError, NoSafePlanError
from template_designer.geometry.distance import DistanceField, box_corners
from template_designer.geometry.solids import Solid
from template_designer.model import CaseSettings, EntrySettings, ImageVolume, Reach
from template_designer.planning.approach import Approach, prepare_approach
from template_designer.planning.bone import bone_length, bone_names
from template_designer.planning.reach import reach_of_target
from template_designer.planning.suggest import _kernels as k
from template_designer.planning.suggest.directions import (
    Access,
    azimuth_elevation_deg,
    needle_frames,
    tilt_deg,
)
from template_designer.planning.suggest.search import Planes, merit_of
from template_designer.planning.suggest.space import SearchSpace

BEYOND_MM = 12.0
"""Needles are followed this far past the target's ball: 5 mm, half a seed, a step, and to spare."""

ASIDE_MM = 2.0
"""Room beside the needles that cross the target."""


@dataclass(frozen=True, slots=True)
class PlaneNumbers:
    """What one entry plane offers, exact for its entry table as printed."""

    entry: EntrySettings
    reach_pct: float
    hidden_pct_by_cause: Mapping[str, float]
    depth_mm: float  # skin to deepest tip, mean over open holes
    bone_mm: float  # crossed on that way, mean over open holes
    margin_mm: float  # clearance over the rules on that way, mean over open holes; 60: no rule
    gap_mm: float  # skin to plate at its centre
    open_holes: int
    tilt_deg: float  # needles to the axial plane
    azimuth_deg: float  # where they come from: 0 behind, 90 left, 180 front, -90 right
    elevation_deg: float  # 90 head, -90 feet
    turn_deg: float  # plate against head-up
    merit: float


@dataclass(frozen=True, slots=True, eq=False)
class Patient:
    """What every plane is worked out on, with distances kept from plane to plane."""

    settings: CaseSettings
    image: ImageVolume
    solids: Mapping[str, Solid]
    target: Solid
    source: SeedModel
    region_lps_mm: NDArray[np.float64] | None = None  # corners of a box that holds most needles
    plates_lps_mm: NDArray[np.float64] | None = None  # and of one that holds the plates too
    kept: dict[str, DistanceField] = field(default_factory=dict)

    def field_around(self, solid: Solid, region_lps_mm: NDArray[np.float64]) -> DistanceField:
        """Distances to a solid: one field for all planes in the kept region, else one of its own.

        Both have their nodes in the same places, so the distances are the same.
        """
        skin = self.settings.skin.structure
        region = self.plates_lps_mm if solid.name == skin else self.region_lps_mm
        if region is None or solid is self.target:
            return DistanceField.around(solid, region_lps_mm)
        held, asked = solid.to_local(region), solid.to_local(region_lps_mm)
        if (asked.min(axis=0) < held.min(axis=0)).any() or (
            asked.max(axis=0) > held.max(axis=0)
        ).any():
            return DistanceField.around(solid, region_lps_mm)
        if solid.name not in self.kept:
            self.kept[solid.name] = DistanceField.around(solid, region)
        return self.kept[solid.name]

    def approach(self, entry: EntrySettings) -> Approach:
        """The plane worked out, as ``design`` does it."""
        return prepare_approach(
            self.settings,
            entry,
            self.image,
            self.solids,
            self.target,
            self.source,
            self.field_around,
        )

    def reach(self, approaches: Sequence[Approach]) -> Reach:
        """Share of the target that seeds from these planes come near."""
        return reach_of_target(self.target, approaches, self.settings)


def entry_of(space: SearchSpace, planes: Planes, number: int, skin_z_mm: float) -> EntrySettings:
    """The ``[entry]`` table of a plane: skin point under the plate's centre, rounded as printed."""
    x, y, z = planes.frames[number]
    offset = planes.offsets_mm[number]
    point = space.centre_lps_mm + offset[0] * x + offset[1] * y + skin_z_mm * z
    return EntrySettings(
        point_lps=_rounded(point, 1), direction_lps=_rounded(z, 4), up_lps=_rounded(-y, 4)
    )


def entries_of(space: SearchSpace, planes: Planes) -> tuple[EntrySettings, ...]:
    """``[entry]`` tables of planes that stand."""
    features = space.score(planes.frames, planes.offsets_mm).features
    return tuple(
        entry_of(space, planes, n, float(features[n, k.SKIN_Z])) for n in range(len(planes))
    )


def with_region(patient: Patient, space: SearchSpace, entries: Sequence[EntrySettings]) -> Patient:
    """The patient with distances kept where the needles and plates of these planes are."""
    above_mm = patient.settings.suggest.max_gap_mm
    return replace(
        patient,
        region_lps_mm=_box_round(space, entries, above_mm, (0.0, 0.0)),
        plates_lps_mm=_box_round(space, entries, above_mm, patient.settings.template.size_mm[:2]),
        kept={},
    )


def _box_round(
    space: SearchSpace,
    entries: Sequence[EntrySettings],
    above_mm: float,
    plate_mm: tuple[float, float],
) -> NDArray[np.float64]:
    """Corners of a box round the ways from these planes to the target, LPS, (8, 3)."""
    radius = float(space.numbers[k.RADIUS]) + ASIDE_MM
    corners = []
    for entry in entries:
        frame = frames.template_frame(entry.point_lps, entry.direction_lps, entry.up_lps)
        local = frames.transform_points(frames.inverse(frame), space.centre_lps_mm)[0]
        low, high = np.zeros(3), np.zeros(3)
        for axis in range(2):
            low[axis] = min(local[axis] - radius, -0.5 * plate_mm[axis] - ASIDE_MM)
            high[axis] = max(local[axis] + radius, 0.5 * plate_mm[axis] + ASIDE_MM)
        low[2], high[2] = -above_mm - BEYOND_MM, local[2] + radius + BEYOND_MM
        corners.append(frames.transform_points(frame, box_corners(low, high)))
    points = np.vstack(corners)
    return box_corners(points.min(axis=0), points.max(axis=0))


def work_out(patient: Patient, entry: EntrySettings) -> tuple[PlaneNumbers, Approach]:
    """Exact numbers of one entry plane.

    Raises
    ------
    CaseError
        If the plate cannot stand there.
    NoSafePlanError
        If no hole takes a needle.
    """
    approach = patient.approach(entry)
    if not len(approach.sites):
        raise NoSafePlanError("every hole is blocked")
    reach = patient.reach([approach])
    depth, bone, margin = _open_holes(patient, approach)
    direction = np.array(entry.direction_lps)
    azimuth, elevation = azimuth_elevation_deg(direction[None, :])
    turn = turn_deg(entry)
    return (
        PlaneNumbers(
            entry=entry,
            reach_pct=reach.reachable_pct,
            hidden_pct_by_cause=reach.hidden_pct_by_cause,
            depth_mm=float(depth.mean()),
            bone_mm=float(bone.mean()),
            margin_mm=float(margin.mean()),
            gap_mm=approach.gap_mm,
            open_holes=len(depth),
            tilt_deg=tilt_deg(direction),
            azimuth_deg=float(azimuth[0]),
            elevation_deg=float(elevation[0]),
            turn_deg=turn,
            merit=float(
                merit_of(
                    reach.reachable_pct,
                    depth.mean(),
                    bone.mean(),
                    approach.gap_mm,
                    margin.mean(),
                    turn,
                )
            ),
        ),
        approach,
    )


def keeps_limits(patient: Patient, approach: Approach, access: Access, couch_mm: float) -> bool:
    """Whether a worked-out plane keeps tilt, access, couch and gap, from its own frame."""
    direction = approach.frame[:3, 2]
    if not access.allows(direction[None, :], 0.0)[0]:
        return False
    if abs(approach.gap_mm) > patient.settings.suggest.max_gap_mm:
        return False
    down = access.down_lps
    return down is None or bool(
        (plate_corners(approach, patient.settings) @ down).max() <= couch_mm + 1e-6
    )


def plate_corners(
    approach: Approach, settings: CaseSettings, grown_mm: float = 0.0
) -> NDArray[np.float64]:
    """Corners of the plate where it stands, grown on all sides, (8, 3) LPS."""
    width, height, thickness = settings.template.size_mm
    half = [0.5 * width + grown_mm, 0.5 * height + grown_mm]
    low, high = [-half[0], -half[1], -thickness - grown_mm], [half[0], half[1], grown_mm]
    return frames.transform_points(approach.frame, box_corners(low, high))


def turn_deg(entry: EntrySettings) -> float:
    """Rotation of the plate about its needles against head-up, within 45 degrees either way."""
    direction = np.array(entry.direction_lps) / math.hypot(*entry.direction_lps)
    x, y, _ = needle_frames(direction[None, :], np.zeros(1))[0]
    own = frames.template_frame(entry.point_lps, entry.direction_lps, entry.up_lps)[:3, 1]
    turn = math.degrees(math.atan2(-float(own @ x), float(own @ y)))
    return (turn + 45.0) % 90.0 - 45.0


def _open_holes(
    patient: Patient, approach: Approach
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Depth of the deepest tip under the skin, bone and spare clearance of every open hole, mm."""
    paths, sites, settings = approach.paths, approach.sites, patient.settings
    names = bone_names(settings.bone.patterns, tuple(patient.solids))
    bone_mm = bone_length(patient.image, patient.solids, names, settings.bone)
    limits = {rule.structure: rule.clearance_mm for rule in approach.rules}
    rows = []
    for hole in np.unique(sites.hole):
        tip = float(sites.z_mm[sites.hole == hole].max()) + approach.seed_rules.half_length_mm
        skin = float(paths.skin_z_mm[hole])
        point = paths.points[int(hole)]
        ends = [[point.x_mm, point.y_mm, z] for z in (skin, tip)]
        start, end = frames.transform_points(approach.frame, ends)
        spare = [
            value - limits[name] for name, value in paths.least_clearance_mm(int(hole), tip).items()
        ]
        rows.append((tip - skin, bone_mm(start, end), min(spare, default=60.0)))
    depth, bone, margin = np.array(rows).T
    return depth, bone, margin


def try_out(patient: Patient, entry: EntrySettings) -> tuple[PlaneNumbers, Approach] | str:
    """:func:`work_out`, or why the plane cannot be used."""
    try:
        return work_out(patient, entry)
    except (CaseError, NoSafePlanError) as error:
        return str(error)


def _rounded(vector: NDArray[np.float64], digits: int) -> tuple[float, float, float]:
    x, y, z = (round(float(value), digits) + 0.0 for value in vector)
    return x, y, z
