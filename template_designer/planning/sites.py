"""Every place a seed may take: holes, depths along each hole, and why a hole has none."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from template_designer.frames import transform_points
from template_designer.geometry.distance import DistanceField
from template_designer.geometry.paths import NeedlePaths, between_points_mm

ENDS = (-1.0, -0.5, 0.0, 0.5, 1.0)
"""Points of a capsule's axis whose depth under the skin is taken, in half lengths."""

TIP_GRID_MM = 0.5
"""Tips lie at multiples of this below the plate: a depth a person can set, printed unrounded."""


@dataclass(frozen=True, slots=True)
class SeedRules:
    """What a seed must keep, besides its needle's own rules."""

    half_length_mm: float  # half a capsule
    radius_mm: float  # of the capsule
    skin_depth_mm: float  # capsule surface to skin
    step_mm: float  # grid of seed centres along a needle
    outside_mm: float  # how far a seed centre may lie outside the target


@dataclass(frozen=True, slots=True, eq=False)
class SeedSites:
    """All permitted seed positions of one plate, sorted by hole, then from the tip backwards."""

    hole: NDArray[np.int64]  # (n,) index into the lattice
    slot: NDArray[np.int64]  # (n,) steps back from the deepest seed of the hole
    z_mm: NDArray[np.float64]  # (n,) seed centre, template frame
    centers_lps_mm: NDArray[np.float64]  # (n, 3)

    def __len__(self) -> int:
        return len(self.hole)


def find_sites(
    paths: NeedlePaths,
    frame: NDArray[np.float64],
    to_target_mm: NDArray[np.float64],
    *,
    target: DistanceField,
    skin: DistanceField,
    rules: SeedRules,
) -> SeedSites:
    """Permitted seed positions: inside the target, deep enough under the skin, on permitted paths.

    In every hole the deepest seed lies as deep as rules and target allow, with the tip on a depth
    that can be set (:data:`TIP_GRID_MM`); the others lie a whole number of steps behind it. The
    needle's tip ends with the capsule of its deepest seed. ``to_target_mm`` is (holes, nz): the
    signed distance of each point of the paths to the target.
    """
    crosses = np.any(to_target_mm <= 0.0, axis=1)
    near_target = (to_target_mm <= rules.outside_mm) & crosses[:, None]
    permitted = (paths.z_mm + rules.half_length_mm <= paths.deepest_tip_mm[:, None]) & (
        paths.z_mm >= rules.half_length_mm
    )
    holes: list[NDArray[np.int64]] = []
    slots: list[NDArray[np.int64]] = []
    depths: list[NDArray[np.float64]] = []
    for n in range(len(paths.points)):
        usable = np.flatnonzero(near_target[n] & permitted[n])
        if not usable.size:
            continue
        shallowest = paths.z_mm[usable[0]]
        tip = np.floor((paths.z_mm[usable[-1]] + rules.half_length_mm) / TIP_GRID_MM) * TIP_GRID_MM
        deepest = tip - rules.half_length_mm
        count = int((deepest - shallowest) / rules.step_mm + 1e-6) + 1
        holes.append(np.full(count, n))
        slots.append(np.arange(count))
        depths.append(deepest - rules.step_mm * np.arange(count))
    if not holes:
        none = np.zeros(0, dtype=np.int64)
        return SeedSites(none, none, np.zeros(0), np.zeros((0, 3)))
    hole, slot, z = np.concatenate(holes), np.concatenate(slots), np.concatenate(depths)
    xy = np.array([(p.x_mm, p.y_mm) for p in paths.points]).reshape(-1, 2)[hole]

    def at(offset_mm: float) -> NDArray[np.float64]:
        return transform_points(frame, np.column_stack([xy, z + offset_mm]))

    ends = (rules.half_length_mm * np.array(ENDS)).tolist()
    under_skin = np.min([skin.depth_mm(at(offset)) for offset in ends], axis=0)
    under_skin -= between_points_mm(under_skin, 0.5 * rules.half_length_mm)
    keep = (target.signed_mm(at(0.0)) <= rules.outside_mm) & (
        under_skin - rules.radius_mm >= rules.skin_depth_mm
    )
    return SeedSites(hole[keep], slot[keep], z[keep], at(0.0)[keep])


def block_reasons(
    paths: NeedlePaths,
    sites: SeedSites,
    to_target_mm: NDArray[np.float64],
    *,
    target_name: str,
    skin_name: str,
    half_length_mm: float,
    limits_mm: dict[str, float],
) -> dict[str, str | None]:
    """Why each traced hole takes no needle: structure and distance, or None where it may.

    ``to_target_mm`` is (holes, nz), as for :func:`find_sites`.
    """
    usable = set(sites.hole.tolist())
    reasons: list[str | None] = []
    for hole in range(len(paths.points)):
        hits = np.flatnonzero(to_target_mm[hole] <= 0.0)
        if hole in usable:
            reasons.append(None)
        elif np.isnan(paths.skin_z_mm[hole]):
            reasons.append(f"does not enter {skin_name}")
        elif paths.z_mm[hits[0]] + half_length_mm <= paths.deepest_tip_mm[hole]:
            reasons.append(f"{skin_name}: seeds in {target_name} would lie too near the skin")
        else:
            cause = paths.stop[hole]
            if cause in paths.clearance_mm:
                tip = float(paths.z_mm[hits[0]]) + half_length_mm
                nearest = paths.least_clearance_mm(hole, tip)[cause]
                reasons.append(
                    f"{cause} {max(0.0, nearest):.1f} mm from the needle "
                    f"(at least {limits_mm[cause]:g} mm)"
                )
            else:
                reasons.append(f"{cause} reached before {target_name}")
    return {p.label: reason for p, reason in zip(paths.points, reasons, strict=True)}
