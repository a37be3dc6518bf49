"""Bone on a needle's way: drawn structures where there are any, else CT numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from template_designer.geometry.distance import DistanceField
from template_designer.geometry.paths import length_in_solid_mm
from template_designer.geometry.solids import Solid
from template_designer.model import ImageVolume
from template_designer.model.settings import BoneSettings

CT_STEP_MM = 0.25
"""Spacing of the CT numbers read along a needle."""

AIR_HU = -1000.0
"""What is read beyond the scan."""

BONE_NAMES = ("bone", "bones", "bone_all", "skeleton")
"""Names (any case) of a structure that holds all bone, taken where the case names none."""

BoneLength = Callable[[NDArray[np.float64], NDArray[np.float64]], float]
"""Length of bone (mm) on the straight way between two LPS points."""


@dataclass(frozen=True, slots=True)
class BoneCrossing:
    """Bone on a straight way."""

    length_mm: float
    mean_hu: float | None  # mean CT number of that bone; None where there is none


BoneOnWay = Callable[[NDArray[np.float64], NDArray[np.float64]], BoneCrossing]
"""Bone on the straight way between two LPS points."""


def bone_names(stated: tuple[str, ...], names: tuple[str, ...]) -> tuple[str, ...]:
    """Structures that count as bone: those the case names, else one called bone or bones."""
    return stated or tuple(name for name in names if name.lower() in BONE_NAMES)[:1]


def bone_on_way(
    image: ImageVolume, solids: Mapping[str, Solid], names: tuple[str, ...], settings: BoneSettings
) -> BoneOnWay:
    """Length and mean CT number of bone: in the named structures, else above the threshold."""
    length = bone_length(image, solids, names, settings)
    bones = tuple(solids[name] for name in names)

    def crossing(
        start_lps_mm: NDArray[np.float64], end_lps_mm: NDArray[np.float64]
    ) -> BoneCrossing:
        length_mm = length(start_lps_mm, end_lps_mm)
        points = points_on_way(start_lps_mm, end_lps_mm)
        hu = ct_numbers(image, points)
        if bones:
            fields = (DistanceField.around(bone, points) for bone in bones)
            counts = np.any([field.inside(points) for field in fields], axis=0)
        else:
            counts = hu >= settings.threshold_hu
        if not (length_mm > 0.0 and counts.any()):  # bone thinner than the step has no number
            return BoneCrossing(length_mm, None)
        return BoneCrossing(length_mm, float(hu[counts].mean()))

    return crossing


def bone_length(
    image: ImageVolume, solids: Mapping[str, Solid], names: tuple[str, ...], settings: BoneSettings
) -> BoneLength:
    """Length of bone by the named structures, else by the CT."""
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
        hu = ct_numbers(image, points_on_way(start_lps_mm, end_lps_mm))
        way = float(np.linalg.norm(end_lps_mm - start_lps_mm))
        return way * float(np.count_nonzero(hu >= threshold_hu)) / len(hu)

    return length


def points_on_way(
    start_lps_mm: NDArray[np.float64], end_lps_mm: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Middles of equal pieces of about 0.25 mm, (n, 3) LPS, mm."""
    way = float(np.linalg.norm(end_lps_mm - start_lps_mm))
    count = max(1, round(way / CT_STEP_MM))
    middles = (np.arange(count) + 0.5) / count
    return np.asarray(start_lps_mm + middles[:, None] * (end_lps_mm - start_lps_mm))


def ct_numbers(image: ImageVolume, points_lps_mm: NDArray[np.float64]) -> NDArray[np.float32]:
    """CT numbers by linear interpolation, (n, 3) -> (n,) HU.

    Up to half a voxel outside the outer voxel centres they are those of the outer voxels; beyond
    that it is air.
    """
    index = image.index_of(points_lps_mm)
    hu = map_coordinates(image.hu, index.T, order=1, mode="nearest", output=np.float32)
    within = ((index >= -0.5) & (index <= np.array(image.hu.shape) - 0.5)).all(axis=1)
    return np.asarray(np.where(within, hu, np.float32(AIR_HU)))
