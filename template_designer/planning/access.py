"""Needles whose way goes through compact bone: how deep they get without an access needle.

A trocar of 18G bends or stops at intact cortex; the clinical series went through it with 16G (Li
2023, Front Oncol 13:1084904; DESIGN.md, section 4). A way needs access as soon as more than
``[bone] cortex_mm`` of it, in one piece, lies at or above ``cortex_hu``, or more than
``access_bone_mm`` in all lies in bone. The limits of 600 HU and 1 mm are starting points, not
published ones: settle them with the operator.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from template_designer.geometry.distance import DistanceField
from template_designer.geometry.lattice import LatticePoint
from template_designer.geometry.paths import axis_points
from template_designer.geometry.solids import Solid
from template_designer.model import OUTER_DIAMETER_MM, BoneAccess, CaseSettings, ImageVolume
from template_designer.planning.bone import CT_STEP_MM, bone_names, ct_numbers


@dataclass(frozen=True, slots=True, eq=False)
class AccessDepths:
    """What every traced axis passes, and from which tip depth on it needs an access needle."""

    gauge: int | None  # None: the needles themselves are as thick
    thicker_by_mm: float  # how much farther out the surface of an access needle lies
    cortex_mm: NDArray[np.float64]  # (holes, n) longest piece of compact bone down to each depth
    bone_mm: NDArray[np.float64] | None  # (holes, n) all bone down to each depth, where it counts
    from_mm: NDArray[np.float64]  # (holes,) depth under the patient face; inf where never
    cortex_hu: float
    limits_mm: tuple[float, float | None]  # of cortex_mm and bone_mm

    def of(self, hole: int, tip_z_mm: float) -> BoneAccess | None:
        """The access that a needle with its tip at a depth needs, and why."""
        if self.gauge is None or not tip_z_mm >= self.from_mm[hole]:
            return None
        upto = min(int(tip_z_mm / CT_STEP_MM + 1e-6), self.cortex_mm.shape[1]) - 1
        reasons = []
        cortex_mm, most_bone_mm = self.limits_mm
        if self.cortex_mm[hole, upto] > cortex_mm + 1e-9:
            reasons.append(
                f"{self.cortex_mm[hole, upto]:.1f} mm of bone at or above {self.cortex_hu:g} HU "
                f"in one piece (up to {cortex_mm:g} mm go without)"
            )
        if self.bone_mm is not None and self.bone_mm[hole, upto] > (most_bone_mm or 0.0) + 1e-9:
            reasons.append(
                f"{self.bone_mm[hole, upto]:.1f} mm of bone (up to {most_bone_mm:g} mm go without)"
            )
        return BoneAccess(self.gauge, " and ".join(reasons))


def access_depths(
    settings: CaseSettings,
    image: ImageVolume,
    solids: Mapping[str, Solid],
    skin: DistanceField,
    points: tuple[LatticePoint, ...],
    frame: NDArray[np.float64],
    deepest_mm: float,
) -> AccessDepths:
    """Follow every axis from the plate and find where bone asks for an access needle.

    Parameters
    ----------
    skin : DistanceField
        The body; what lies outside it (a couch, a frame) is no bone.
    points : tuple of LatticePoint
        The traced holes.
    frame : (4, 4) ndarray
        ``lps_from_template``.
    deepest_mm : float
        Depth under the patient face that the axes are followed to.
    """
    bone, gauge = settings.bone, settings.access_gauge
    count = max(1, math.floor(deepest_mm / CT_STEP_MM))
    shape = (len(points), count)
    middles = np.asarray((np.arange(count) + 0.5) * CT_STEP_MM, dtype=np.float64)
    where = axis_points(points, middles, frame)
    hu = ct_numbers(image, where)
    cortex = _in_body(hu >= bone.cortex_hu, where, skin).reshape(shape)
    longest_mm = CT_STEP_MM * np.maximum.accumulate(_run_lengths(cortex), axis=1)
    needed = longest_mm > bone.cortex_mm + 1e-9
    bone_mm: NDArray[np.float64] | None = None
    if bone.access_bone_mm is not None:
        names = bone_names(bone.patterns, tuple(solids))
        fields = [DistanceField.around(solids[name], where) for name in names] if points else []
        found = (
            np.any([field.inside(where) for field in fields], axis=0)
            if fields
            else hu >= bone.threshold_hu
        )
        inside = _in_body(found, where, skin).reshape(shape)
        bone_mm = np.asarray(CT_STEP_MM * np.cumsum(inside, axis=1), dtype=np.float64)
        needed |= bone_mm > bone.access_bone_mm + 1e-9
    first = np.where(needed.any(axis=1), needed.argmax(axis=1) + 1.0, np.inf) * CT_STEP_MM
    thicker = 0.0
    if gauge is not None:
        thicker = 0.5 * (OUTER_DIAMETER_MM[gauge] - OUTER_DIAMETER_MM[settings.needle.gauge])
    return AccessDepths(
        gauge=gauge,
        thicker_by_mm=thicker,
        cortex_mm=longest_mm,
        bone_mm=bone_mm,
        from_mm=first if gauge is not None else np.full(len(points), np.inf),
        cortex_hu=bone.cortex_hu,
        limits_mm=(bone.cortex_mm, bone.access_bone_mm),
    )


def _in_body(
    found: NDArray[np.bool_], where: NDArray[np.float64], skin: DistanceField
) -> NDArray[np.bool_]:
    """Those of the found points that lie in the body."""
    kept = found.copy()
    if found.any():
        kept[found] = skin.inside(where[found])
    return kept


def _run_lengths(found: NDArray[np.bool_]) -> NDArray[np.int64]:
    """How many points in a row were found up to and with each, (rows, n).

    >>> _run_lengths(np.array([[True, True, False, True]])).tolist()
    [[1, 2, 0, 1]]
    """
    total = np.cumsum(found, axis=1)
    return np.asarray(total - np.maximum.accumulate(np.where(found, 0, total), axis=1))
