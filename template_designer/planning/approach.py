"""Everything that one entry plane decides: plate, needle paths, permitted seed positions."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dose import SeedModel
from template_designer import frames
from template_designer.errors import CaseError
from template_designer.geometry.distance import DistanceField, box_corners
from template_designer.geometry.lattice import LatticePoint, lattice_points, plate_gap_mm
from template_designer.geometry.paths import STEP_MM, NeedlePaths, Thicker, axis_points, trace_paths
from template_designer.geometry.sampling import surface_samples
from template_designer.geometry.solids import Solid
from template_designer.model import (
    OUTER_DIAMETER_MM,
    CaseSettings,
    EntrySettings,
    ImageVolume,
    NeedleRule,
)
from template_designer.planning.access import AccessDepths, access_depths
from template_designer.planning.sites import SeedRules, SeedSites, block_reasons, find_sites

LARGEST_GAP_MM = 60.0
"""A plate that has to be lifted more than this does not lie on the skin at the entry point."""

PAST_TARGET_MM = 5.0
"""Needle paths are followed this far past the target."""

FieldMaker = Callable[[Solid, NDArray[np.float64]], DistanceField]
"""Makes the distances to a solid for a region, as :meth:`DistanceField.around` does."""


@dataclass(frozen=True, slots=True, eq=False)
class Approach:
    """One entry plane, worked out."""

    frame: NDArray[np.float64]  # (4, 4) lps_from_template, plate where it stands
    gap_mm: float  # entry point to where the body begins: lifted by it, or hanging where negative
    points: tuple[LatticePoint, ...]
    rules: tuple[NeedleRule, ...]
    seed_rules: SeedRules
    paths: NeedlePaths  # of the holes whose axis crosses the target
    sites: SeedSites
    reasons: Mapping[str, str | None]  # by label: why the hole is blocked; None where it is not
    skin: DistanceField
    access: AccessDepths  # where compact bone asks for an access needle
    avoided: Mapping[str, DistanceField]  # the structures of the rules, round every path

    @property
    def axis(self) -> NDArray[np.float64]:
        """Direction of all needles, (3,) LPS."""
        return self.frame[:3, 2]


def prepare_approach(
    settings: CaseSettings,
    entry: EntrySettings,
    image: ImageVolume,
    solids: Mapping[str, Solid],
    target: Solid,
    source: SeedModel,
    field_around: FieldMaker = DistanceField.around,
) -> Approach:
    """Place the plate, trace every needle path, find every permitted seed position.

    ``field_around`` lets a search over many planes keep the distances of one for the next.

    Raises
    ------
    CaseError
        If the plate cannot stand on the skin at the entry point, or looks away from the target.
    """
    plate, needle = settings.template, settings.needle
    points = lattice_points(plate.size_mm, plate.pitch_mm, plate.edge_mm)
    body = solids[settings.skin.structure]
    frame, gap = standing_plate(entry, plate.size_mm, body, field_around)
    target_z = frames.transform_points(frames.inverse(frame), surface_samples(target))[:, 2]
    if not target_z.max() > 0.0:
        raise CaseError(
            f"[entry] the target {target.name!r} lies behind the plate; direction_lps must point "
            "from point_lps into the body, towards the target"
        )
    longest = needle.length_mm - plate.size_mm[2] - needle.hub_mm
    z = np.arange(0.0, target_z.max() + PAST_TARGET_MM + STEP_MM, STEP_MM)
    every = axis_points(points, z, frame)
    half = 0.5 * source.capsule_mm[0] + 1.0
    ends = np.array([-half, z[-1] + half])
    target_field = field_around(target, _box_round(axis_points(points, ends, frame)))
    to_target = target_field.signed_mm(every).reshape(len(points), -1)
    off_target = to_target.min(axis=1)
    to_target = to_target[off_target <= 0.0]
    traced = tuple(p for p, off in zip(points, off_target, strict=True) if off <= 0.0)
    rules = needle_rules(settings)
    names = {*(rule.structure for rule in rules), settings.skin.structure}
    region = _box_round(axis_points(traced or points[:1], ends, frame))
    fields = {name: field_around(solids[name], region) for name in sorted(names)}
    access = access_depths(
        settings, image, solids, fields[settings.skin.structure], traced, frame, float(z[-1])
    )
    paths = trace_paths(
        traced,
        frame,
        rules=rules,
        fields=fields,
        skin=fields[settings.skin.structure],
        in_scan=in_scan(
            image, axis_points(traced, z, frame), fields[settings.skin.structure]
        ).reshape(len(traced), len(z)),
        z_mm=z,
        longest_tip_mm=longest,
        radius_mm=0.5 * OUTER_DIAMETER_MM[needle.gauge],
        thicker=Thicker(access.from_mm, access.thicker_by_mm),
    )
    seed_rules = _seed_rules(settings, source)
    skin = fields[settings.skin.structure]
    sites = find_sites(paths, frame, to_target, target=target_field, skin=skin, rules=seed_rules)
    reasons = {
        point.label: f"misses {target.name} by {off:.1f} mm"
        for point, off in zip(points, off_target, strict=True)
    } | block_reasons(
        paths,
        sites,
        to_target,
        target_name=target.name,
        skin_name=settings.skin.structure,
        half_length_mm=seed_rules.half_length_mm,
        limits_mm={rule.structure: rule.clearance_mm for rule in rules},
    )
    avoided = {rule.structure: fields[rule.structure] for rule in rules}
    return Approach(
        frame, gap, points, rules, seed_rules, paths, sites, reasons, skin, access, avoided
    )


def needle_rules(settings: CaseSettings) -> tuple[NeedleRule, ...]:
    """The avoid rules by structure; of several for one structure the strictest holds."""
    limits: dict[str, float] = {}
    for rule in settings.avoid:
        for name in rule.patterns:
            limits[name] = max(limits.get(name, 0.0), rule.needle_clearance_mm)
    return tuple(NeedleRule(name, limit) for name, limit in limits.items())


def _seed_rules(settings: CaseSettings, source: SeedModel) -> SeedRules:
    length_mm, diameter_mm = source.capsule_mm
    return SeedRules(
        half_length_mm=0.5 * length_mm,
        radius_mm=0.5 * diameter_mm,
        skin_depth_mm=settings.skin.seed_depth_mm,
        step_mm=settings.loading.step_mm,
        outside_mm=settings.loading.outside_target_mm,
    )


def in_scan(
    image: ImageVolume, points_lps_mm: NDArray[np.float64], skin: DistanceField
) -> NDArray[np.bool_]:
    """Whether points lie inside the scan: beyond its slices nothing is known, nor beside them."""
    index = image.index_of(points_lps_mm)
    inside = (index >= -0.5) & (index <= np.array(image.hu.shape) - 0.5)
    beside = inside[:, 0] & ~inside[:, 1:].all(axis=1)
    found = inside[:, 0]
    if beside.any():
        found[beside] = ~skin.inside(points_lps_mm[beside])
    return np.asarray(found)


def _box_round(points_mm: NDArray[np.float64]) -> NDArray[np.float64]:
    return box_corners(points_mm.min(axis=0), points_mm.max(axis=0))


def standing_plate(
    entry: EntrySettings,
    size_mm: tuple[float, float, float],
    body: Solid,
    field_around: FieldMaker = DistanceField.around,
) -> tuple[NDArray[np.float64], float]:
    """Where the plate stands, and its gap to the entry point (negative: it hangs off the skin)."""
    frame = frames.template_frame(entry.point_lps, entry.direction_lps, entry.up_lps)
    gap = plate_gap_mm(body, frame, size_mm)
    if gap == -math.inf:
        raise CaseError(
            f"[entry] there is no body {body.name!r} under the plate; move point_lps to the skin"
        )
    if gap > LARGEST_GAP_MM:
        raise CaseError(
            f"[entry] the plate would have to stand {gap:.0f} mm off point_lps to clear the body "
            f"{body.name!r}: the point lies inside the body, or the body rises beside it. Move "
            "point_lps to the skin, turn direction_lps, or choose a smaller plate"
        )
    frame = frames.lifted(frame, max(0.0, gap))
    across = [np.arange(-0.5 * side, 0.5 * side + 1.0, 1.0) for side in size_mm[:2]]
    x, y = (axis.ravel() for axis in np.meshgrid(*across))
    face = frames.transform_points(frame, np.column_stack([x, y, np.full(x.size, -0.05)]))
    if np.any(field_around(body, _box_round(face)).inside(face)):
        raise CaseError(
            f"[entry] the plate would cut into the body {body.name!r} where the scan ends or the "
            "outline is open; move point_lps or turn direction_lps"
        )
    return frame, gap
