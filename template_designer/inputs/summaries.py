"""Structures and images in numbers, as ``inspect`` prints them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from template_designer.errors import GeometryError
from template_designer.geometry.contours import cross_sections
from template_designer.geometry.solids import build_solid
from template_designer.model import ImageVolume, PlanWarning, Roi, RoiSet

Triple = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class StructureSummary:
    """One structure in numbers."""

    name: str
    volume_cm3: float
    centroid_lps_mm: Triple
    contours: int
    slices: int
    bbox_lps_mm: tuple[Triple, Triple]  # lowest and highest corner of the contour points
    file: str


@dataclass(frozen=True, slots=True)
class ImageSummary:
    """One CT in numbers."""

    series_uid: str  # "" where the format has none, as every text below
    description: str
    slices: int
    size: tuple[int, int, int] | None  # columns, rows, slices; None where it cannot be read
    spacing_mm: Triple | None  # columns, rows, slices
    origin_lps_mm: Triple | None
    patient_position: str
    frame_of_reference_uid: str


def structure_summaries(
    rois: RoiSet, path: Path, image: ImageVolume | None
) -> tuple[tuple[StructureSummary, ...], tuple[PlanWarning, ...]]:
    """Measure every structure as a plan sees it, on the image it was drawn on where that is known.

    What cannot be built is left out with a warning.
    """
    summaries, warnings = [], []
    for roi in rois.rois:
        points = np.concatenate(roi.rings_lps_mm)
        try:
            volume_cm3, centroid, slices, told = _measure(roi, image)
        except GeometryError as error:
            warnings.append(PlanWarning("roi-skipped", f"ROI {roi.name!r} is left out: {error}"))
            continue
        warnings.extend(told)
        summaries.append(
            StructureSummary(
                name=roi.name,
                volume_cm3=round(volume_cm3, 4),
                centroid_lps_mm=triple(centroid),
                contours=len(roi.rings_lps_mm),
                slices=slices,
                bbox_lps_mm=(triple(points.min(axis=0)), triple(points.max(axis=0))),
                file=path.name,
            )
        )
    return tuple(summaries), tuple(warnings)


def _measure(
    roi: Roi, image: ImageVolume | None
) -> tuple[float, NDArray[np.float64], int, tuple[PlanWarning, ...]]:
    """Volume (cm3), centroid (LPS, mm), slices and warnings of one structure, as plans see it."""
    solid = build_solid(roi, image)
    return solid.volume_cm3, solid.centroid_lps_mm, len(cross_sections(roi).w_mm), solid.warnings


def triple(values: NDArray[np.float64], digits: int = 3) -> Triple:
    """Three rounded numbers, without minus zeros."""
    x, y, z = (round(float(v), digits) + 0.0 for v in values)
    return (x, y, z)
