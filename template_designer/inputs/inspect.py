"""What a folder, a structure set, a label map or an image holds, without planning anything."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from template_designer.errors import InputError
from template_designer.inputs._dicom_file import is_dicom, read_dataset, text_of
from template_designer.inputs._dicom_folder import FolderContent, scan_folder
from template_designer.inputs.consistency import check_place
from template_designer.inputs.dicom_ct import read_series
from template_designer.inputs.dicom_rtstruct import is_rtstruct, read_rtstruct
from template_designer.inputs.inspect_volumes import VolumeContent, inspect_volume, volumes_in
from template_designer.inputs.summaries import (
    ImageSummary,
    StructureSummary,
    structure_summaries,
    triple,
)
from template_designer.model import ImageVolume, PlanWarning, RoiSet


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


def inspect_path(
    path: Path,
    progress: Callable[[str], None] | None = None,
    *,
    labels: Path | None = None,
) -> Inspection:
    """Say what a folder or one file holds.

    Parameters
    ----------
    path : Path
        A folder (DICOM, NIfTI or NRRD files in it), an RTSTRUCT, a 3D Slicer segmentation, a label
        map or a CT in NIfTI or NRRD.
    progress : callable, optional
        Called with one short line before each step.
    labels : Path, optional
        Names of a label map's labels. Without it the names stand in the file beside the map that
        is called like it (``labels.nii.gz``, ``labels.json``), or are made up from the labels.

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
    for file in (path, labels):
        if file is not None and not file.exists():
            raise InputError(f"{file}: does not exist")
    volume = None if path.is_dir() else inspect_volume(path, labels, say)
    if volume is not None:
        return Inspection(str(path), volume.structures, volume.images, volume.warnings)
    if labels is not None:
        raise InputError(f"{path}: is not a label map, it needs no label names; leave them out")
    if path.is_dir():
        return _inspect_folder(path, say)
    if is_dicom(path):
        header, _ = read_dataset(path, pixels=False)
        if not is_rtstruct(header) and text_of(header, "Modality") == "CT":
            raise InputError(f"{path}: is one CT slice; name the folder of the series")
    rois = read_rtstruct(path)
    structures, warnings = structure_summaries(rois, path, None)
    return Inspection(str(path), structures, (), (*rois.warnings, *warnings))


def _inspect_folder(folder: Path, say: Callable[[str], None]) -> Inspection:
    content = scan_folder(folder)
    files = volumes_in(folder)
    if not content.series and not content.structure_sets and not files:
        raise InputError(
            f"{folder}: holds neither CT nor RTSTRUCT nor a label map (found: "
            f"{content.describe()}); name a folder of DICOM, NIfTI or NRRD files"
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
        found, told = structure_summaries(rois, path, image)
        structures.extend(found)
        warnings.extend((*rois.warnings, *told))
    for path in files:
        volume = _readable(path, warnings, say)
        structures.extend(volume.structures)
        images = (*images, *volume.images)
        warnings.extend(volume.warnings)
    return Inspection(str(folder), tuple(structures), images, tuple(warnings))


def _readable(path: Path, warnings: list[PlanWarning], say: Callable[[str], None]) -> VolumeContent:
    """What a voxel file of a folder holds; nothing, and a warning, where it cannot be read."""
    try:
        return inspect_volume(path, None, say) or VolumeContent()
    except InputError as error:
        warnings.append(PlanWarning("volume-unreadable", str(error)))
        return VolumeContent()


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
                spacing_mm=None if volume is None else triple(volume.spacing_mm, 6),
                origin_lps_mm=None if volume is None else triple(volume.origin_lps_mm),
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
