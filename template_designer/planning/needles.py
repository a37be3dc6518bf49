"""From chosen seed positions to needles with depths, clearances and bone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from template_designer.frames import transform_points
from template_designer.geometry.distance import FAR_MM, DistanceField
from template_designer.geometry.exact import exact_distance_mm
from template_designer.geometry.paths import STEP_MM, NeedlePaths, between_points_mm
from template_designer.model import OUTER_DIAMETER_MM, Needle, Seed
from template_designer.model.settings import NeedleSettings
from template_designer.planning.access import AccessDepths
from template_designer.planning.bone import BoneOnWay
from template_designer.planning.sites import ENDS, SeedRules, SeedSites


def build_needles(
    chosen: NDArray[np.int64],
    sites: SeedSites,
    paths: NeedlePaths,
    frame: NDArray[np.float64],
    *,
    needle: NeedleSettings,
    thickness_mm: float,
    rules: SeedRules,
    skin: DistanceField,
    bone: BoneOnWay,
    access: AccessDepths,
) -> tuple[Needle, ...]:
    """One needle for every hole with chosen seeds, in the order of the lattice.

    The tip ends with the capsule of the deepest seed.
    """
    needles = []
    for hole in np.unique(sites.hole[chosen]):
        depths = np.sort(sites.z_mm[chosen[sites.hole[chosen] == hole]])[::-1]
        point = paths.points[int(hole)]
        tip_z = float(depths[0]) + rules.half_length_mm
        skin_z = float(paths.skin_z_mm[hole])

        def at(z_mm: Sequence[float], x: float = point.x_mm, y: float = point.y_mm) -> NDArray:
            return transform_points(frame, [[x, y, z] for z in z_mm])

        entry, tip, surface = at([0.0, tip_z, skin_z])
        crossing = bone(surface, tip)
        needles.append(
            Needle(
                label=point.label,
                gauge=needle.gauge,
                length_mm=needle.length_mm,
                entry_lps_mm=_triple(entry),
                tip_lps_mm=_triple(tip),
                depth_mm=thickness_mm + tip_z,
                skin_depth_mm=tip_z - skin_z,
                bone_mm=crossing.length_mm,
                clearance_mm=paths.least_clearance_mm(int(hole), tip_z),
                seeds=_seeds(depths, tip_z, at, rules, skin),
                bone_hu=crossing.mean_hu,
                bone_access=access.of(int(hole), tip_z),
            )
        )
    return tuple(needles)


def _seeds(
    depths_mm: NDArray[np.float64],
    tip_z_mm: float,
    at: Callable[[Sequence[float]], NDArray[np.float64]],
    rules: SeedRules,
    skin: DistanceField,
) -> tuple[Seed, ...]:
    centers = at(depths_mm.tolist())
    under = np.min(
        [skin.depth_mm(at((depths_mm + end * rules.half_length_mm).tolist())) for end in ENDS],
        axis=0,
    )
    under -= between_points_mm(under, 0.5 * rules.half_length_mm)
    return tuple(
        Seed(_triple(center), tip_z_mm - float(z), float(depth) - rules.radius_mm)
        for center, z, depth in zip(centers, depths_mm, under, strict=True)
    )


def _triple(point: NDArray[np.float64]) -> tuple[float, float, float]:
    x, y, z = (float(value) for value in point)
    return x, y, z


def clearance_errors_mm(
    needle: Needle, avoided: Mapping[str, DistanceField], step_mm: float = STEP_MM
) -> dict[str, float]:
    """By how much each stated clearance of a needle falls short of the true one, at most.

    The true one is the least over the whole axis, so it is no more than the exact distance at any
    point of it: that at the point which the quick distances take for the nearest. Structures
    farther than they are followed are left out. ``avoided`` holds the distances round the axis.
    """
    entry, tip = np.array(needle.entry_lps_mm), np.array(needle.tip_lps_mm)
    length = float(np.linalg.norm(tip - entry))
    steps = np.append(np.arange(0.0, length, step_mm), length)
    points = entry + steps[:, None] / length * (tip - entry)
    radius = 0.5 * OUTER_DIAMETER_MM[needle.widest_gauge]
    errors = {}
    for name, stated in needle.clearance_mm.items():
        if stated + radius > FAR_MM - 2.0:
            continue
        distance = avoided[name].signed_mm(points)
        nearest = exact_distance_mm(avoided[name].solid, points[int(np.argmin(distance))])
        errors[name] = max(0.0, nearest - radius - stated)
    return errors
