"""What a NIfTI or NRRD file holds: a segmentation, a label map or a CT."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from template_designer.errors import InputError
from template_designer.inputs import slicer_seg
from template_designer.inputs._dicom_folder import visible_files
from template_designer.inputs._voxels import VoxelGrid
from template_designer.inputs.ct_image import ct_image
from template_designer.inputs.label_map import read_label_map, whole_labels
from template_designer.inputs.label_names import read_label_names
from template_designer.inputs.registry import VOLUME_FORMATS
from template_designer.inputs.summaries import (
    ImageSummary,
    StructureSummary,
    structure_summaries,
    triple,
)
from template_designer.model import PlanWarning, RoiSet

MOST_LABELS = 512
"""A file of more different values is an image, even where all are whole and none is negative."""


@dataclass(frozen=True, slots=True)
class VolumeContent:
    """What one file holds."""

    structures: tuple[StructureSummary, ...] = ()
    images: tuple[ImageSummary, ...] = ()
    warnings: tuple[PlanWarning, ...] = ()


def volumes_in(folder: Path) -> list[Path]:
    """Files of a folder that one of the formats of voxels recognises."""
    files = visible_files(folder)
    return [f for f in files if any(form.recognises(f) for form in VOLUME_FORMATS)]


def inspect_volume(
    path: Path, labels: Path | None, say: Callable[[str], None]
) -> VolumeContent | None:
    """Say what a file of voxels holds; None where no format recognises it.

    Parameters
    ----------
    path : Path
        The file.
    labels : Path, optional
        Names of its labels.
    say : callable
        Called with one short line before each step.

    Raises
    ------
    InputError
        If the file cannot be read, or labels are given for what has names of its own.
    """
    form = next((form for form in VOLUME_FORMATS if form.recognises(path)), None)
    if form is None:
        return None
    say(f"Reading {path.name}")
    if slicer_seg.recognises(path):
        if labels is not None:
            raise InputError(f"{path}: has names of its own; leave the label names out")
        return _structures(slicer_seg.read_segmentation(path), path, say)
    grid = form.read(path)
    if labels is None and not _is_label_map(grid):
        return _image(grid)
    names, told = _names(grid, labels)
    content = _structures(read_label_map(grid, names), path, say)
    return VolumeContent(content.structures, (), (*told, *content.warnings))


def _is_label_map(grid: VoxelGrid) -> bool:
    """Whether values look like labels: whole, not negative, few different ones."""
    try:
        return len(np.unique(whole_labels(grid))) <= MOST_LABELS
    except InputError:
        return False


def _names(
    grid: VoxelGrid, stated: Path | None
) -> tuple[Mapping[int, str], tuple[PlanWarning, ...]]:
    """Names of the labels: as stated, from the file beside the map, or made up."""
    stem = grid.path.name.split(".")[0]
    beside = grid.path.with_name(f"{stem}.json")
    if stated is not None:
        return read_label_names(stated)
    if beside.is_file():
        return read_label_names(beside)
    present = [int(n) for n in np.unique(whole_labels(grid)) if n > 0]
    if present == [1]:  # a mask: the file is called like what it shows
        return {1: stem}, ()
    return {n: f"label {n}" for n in present}, (
        PlanWarning(
            "labels-unnamed",
            f"{grid.path.name} is a label map without names; they can stand in {beside.name} "
            'beside it: {"79": "spinal_cord"}',
        ),
    )


def _structures(rois: RoiSet, path: Path, say: Callable[[str], None]) -> VolumeContent:
    say(f"Measuring structures of {path.name}")
    found, told = structure_summaries(rois, path, None)
    return VolumeContent(found, (), (*rois.warnings, *told))


def _image(grid: VoxelGrid) -> VolumeContent:
    image, warnings = ct_image(grid)
    columns, rows, slices = image.hu.shape[::-1]
    summary = ImageSummary(
        series_uid="",
        description=grid.path.name,
        slices=slices,
        size=(columns, rows, slices),
        spacing_mm=triple(image.spacing_mm, 6),
        origin_lps_mm=triple(image.origin_lps_mm),
        patient_position="",
        frame_of_reference_uid="",
    )
    return VolumeContent((), (summary,), warnings)
