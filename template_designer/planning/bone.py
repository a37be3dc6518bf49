"""Bone on a needle's way: drawn structures where there are any, else CT numbers."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from template_designer.geometry.paths import length_in_solid_mm
from template_designer.geometry.solids import Solid
from template_designer.model import ImageVolume
from template_designer.model.settings import BoneSettings
from template_designer.planning.needles import BoneLength

CT_STEP_MM = 0.25
"""Spacing of the CT numbers read along a needle."""

BONE_NAMES = ("bone", "bones", "bone_all", "skeleton")
"""Names (any case) of a structure that holds all bone, taken where the case names none."""


def bone_names(stated: tuple[str, ...], names: tuple[str, ...]) -> tuple[str, ...]:
    """Structures that count as bone: those the case names, else one called bone or bones."""
    return stated or tuple(name for name in names if name.lower() in BONE_NAMES)[:1]


def bone_length(
    image: ImageVolume, solids: Mapping[str, Solid], names: tuple[str, ...], settings: BoneSettings
) -> BoneLength:
    """Bone by the named structures, else by the CT."""
    if names:
        return bone_in_structures(tuple(solids[name] for name in names))
    return bone_in_ct(image, settings.threshold_hu)


def bone_in_structures(solids: tuple[Solid, ...]) -> BoneLength:
    """Bone by drawn structures; where several are given they should not overlap."""

    def length(start_lps_mm: NDArray[np.float64], end_lps_mm: NDArray[np.float64]) -> float:
        return sum(length_in_solid_mm(solid, start_lps_mm, end_lps_mm) for solid in solids)

    return length


def bone_in_ct(image: ImageVolume, threshold_hu: float) -> BoneLength:
    """Bone by CT numbers at or above a threshold, read every 0.25 mm by linear interpolation."""

    def length(start_lps_mm: NDArray[np.float64], end_lps_mm: NDArray[np.float64]) -> float:
        way = float(np.linalg.norm(end_lps_mm - start_lps_mm))
        count = max(1, round(way / CT_STEP_MM))
        middles = (np.arange(count) + 0.5) / count
        points = start_lps_mm + middles[:, None] * (end_lps_mm - start_lps_mm)
        hu = map_coordinates(
            image.hu, image.index_of(points).T, order=1, mode="nearest", output=np.float32
        )
        return way * float(np.count_nonzero(hu >= threshold_hu)) / count

    return length
