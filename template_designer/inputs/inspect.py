"""What a DICOM folder or a structure set holds, without planning anything."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from template_designer.errors import GeometryError, InputError
from template_designer.geometry.contours import cross_sections
from template_designer.geometry.solids import build_solid
from template_designer.inputs._dicom_file import is_dicom, read_dataset, text_of
from template_designer.inputs._dicom_folder import FolderContent, scan_folder
from template_designer.inputs.consistency import check_place
from template_designer.inputs.dicom_ct import read_series
from template_designer.inputs.dicom_rtstruct import is_rtstruct, read_rtstruct
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
    """One CT series in numbers."""

    series_uid: str
    description: str
    slices: int
    size: tuple[int, int, int] | None  # columns, rows, slices; None where it cannot be read
    spacing_mm: Triple | None  # columns, rows, slices
    origin_lps_mm: Triple | None
    patient_position: str
    frame_of_reference_uid: str


@dataclass(frozen=True, slots=True)
class Inspection:
    """What a path holds."""

    path: str
    structures: tuple[StructureSummary, ...]
    images: tuple[ImageSummary, ...]
    warnings: tuple[PlanWarning, ...]

    def to_dict(self) -> dict[str, Any]:
        """Give it as plain dictionaries and lists, ready for JSON."""
        return {
            "path": self.path,
            "structures": [asdict(item) for item in self.structures],
            "images": [asdict(item) for item in self.images],
            "warnings": [asdict(item) for item in self.warnings],
        }


def inspect_path(path: Path, progress: Callable[[str], None] | None = None) -> Inspection:
    """Say what a folder of DICOM files, or one RTSTRUCT, holds.

    Parameters
    ----------
    path : Path
        A folder (CT, RTSTRUCT or both in it) or an RTSTRUCT file.
    progress : callable, optional
        Called with one short line before each step.

    Returns
    -------
    Inspection
        Structures, images, and as warnings whatever a plan would stumble over.

    Raises
    ------
    InputError
        If there is nothing that can be read.
    """
    say = progress or (lambda text: None)
    path = Path(path)
    if not path.exists():
        raise InputError(f"{path}: does not exist")
    if path.is_dir():
        return _inspect_folder(path, say)
    if is_dicom(path):
        header, _ = read_dataset(path, pixels=False)
        if not is_rtstruct(header) and text_of(header, "Modality") == "CT":
            raise InputError(f"{path}: is one CT slice; name the folder of the series")
    rois = read_rtstruct(path)
    structures, warnings = _summaries(rois, path, None)
    return Inspection(str(path), structures, (), (*rois.warnings, *warnings))


def _inspect_folder(folder: Path, say: Callable[[str], None]) -> Inspection:
    content = scan_folder(folder)
    if not content.series and not content.structure_sets:
        raise InputError(
            f"{folder}: holds neither CT nor RTSTRUCT (found: {content.describe()}); only DICOM is "
            "read so far"
        )
    warnings = list(content.warnings)
    images, volumes = _images(content, warnings, say)
    structures: list[StructureSummary] = []
    for path in content.structure_sets:
        say(f"Measuring structures of {path.name}")
        try:
            rois = read_rtstruct(path)
        except InputError as error:
            warnings.append(PlanWarning("structures-unreadable", str(error)))
            continue
        image = _image_of(rois, volumes)
        if volumes and image is None:
            warnings.append(
                PlanWarning(
                    "frame-differs",
                    f"{path.name}: its structures are in another frame of reference "
                    f"({rois.frame_of_reference_uid or 'none'}) than the CT; no plan can use both",
                )
            )
        if image is not None:
            warnings.extend(check_place(image, rois, used=()))
        found, told = _summaries(rois, path, image)
        structures.extend(found)
        warnings.extend((*rois.warnings, *told))
    return Inspection(str(folder), tuple(structures), images, tuple(warnings))


def _images(
    content: FolderContent, warnings: list[PlanWarning], say: Callable[[str], None]
) -> tuple[tuple[ImageSummary, ...], list[ImageVolume]]:
    images, volumes = [], []
    for uid, files in sorted(content.series.items()):
        say(f"Reading CT series {uid}")
        volume: ImageVolume | None = None
        try:
            volume, told = read_series(files)
            warnings.extend(told)
            volumes.append(volume)
        except InputError as error:
            warnings.append(PlanWarning("ct-unreadable", str(error)))
        header = files[0].header
        images.append(
            ImageSummary(
                series_uid=uid,
                description=text_of(header, "SeriesDescription"),
                slices=len(files),
                size=None if volume is None else volume.hu.shape[::-1],
                spacing_mm=None if volume is None else _triple(volume.spacing_mm, 6),
                origin_lps_mm=None if volume is None else _triple(volume.origin_lps_mm),
                patient_position=text_of(header, "PatientPosition"),
                frame_of_reference_uid=text_of(header, "FrameOfReferenceUID"),
            )
        )
    return tuple(images), volumes


def _image_of(rois: RoiSet, volumes: list[ImageVolume]) -> ImageVolume | None:
    """Find the CT a structure set was drawn on: by series, else by frame of reference."""
    same_frame = [
        v
        for v in volumes
        if v.frame_of_reference_uid and v.frame_of_reference_uid == rois.frame_of_reference_uid
    ]
    named = [v for v in same_frame if v.series_uid in rois.referenced_series_uids]
    return next(iter(named or same_frame), None)


def _summaries(
    rois: RoiSet, path: Path, image: ImageVolume | None
) -> tuple[tuple[StructureSummary, ...], tuple[PlanWarning, ...]]:
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
                centroid_lps_mm=_triple(centroid),
                contours=len(roi.rings_lps_mm),
                slices=slices,
                bbox_lps_mm=(_triple(points.min(axis=0)), _triple(points.max(axis=0))),
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


def _triple(values: NDArray[np.float64], digits: int = 3) -> Triple:
    x, y, z = (round(float(v), digits) + 0.0 for v in values)
    return (x, y, z)
