"""Reads a 3D Slicer segmentation (.seg.nrrd): one layer of segments or several, with their names.

Slicer keeps each segment in a layer and by a value there; layers are the first axis of the file.
Files of Slicer before 4.11 state neither: there segment N is layer N.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from template_designer.errors import CaseError, InputError, PlannerError
from template_designer.inputs._dicom_file import one_line
from template_designer.inputs._voxels import voxel_grid
from template_designer.inputs.formats import StructureFormat
from template_designer.inputs.label_map import LabelLayer, rois_of_layers, whole_labels
from template_designer.inputs.nrrd_file import Nrrd, header_fields, read_nrrd
from template_designer.inputs.nrrd_file import recognises as is_nrrd
from template_designer.model import ImageVolume, RoiSet

_FIELD = re.compile(r"Segment(\d+)_(ID|Name|LabelValue|Layer)$")


@dataclass(frozen=True, slots=True)
class _Segment:
    """One segment as the header has it."""

    number: int
    name: str
    layer: int
    label: int


def recognises(path: Path) -> bool:
    """Whether this reader is the one for a path: an NRRD file whose header names segments."""
    if not is_nrrd(path):
        return False
    if path.name.lower().endswith(".seg.nrrd"):
        return True
    try:
        return any(_FIELD.match(key) for key in header_fields(path))
    except PlannerError:
        return False


def read_segmentation(path: Path, image: ImageVolume | None = None) -> RoiSet:
    """Read the segments of a 3D Slicer segmentation.

    Parameters
    ----------
    path : Path
        The file.
    image : ImageVolume, optional
        The CT: segments are cut along its slices.

    Returns
    -------
    RoiSet
        One structure a name; see ``label_map.rois_of_layers``. Segments of different layers may
        overlap.

    Raises
    ------
    InputError
        If the file is no segmentation, is damaged, or its segments do not fit its layers.
    """
    file = read_nrrd(path)
    layers = _layers(file)
    segments = _segments(path, file.header, len(layers))
    grid = voxel_grid(path, layers[0], file.lps_from_index)
    found = []
    for n, values in enumerate(layers):
        names: dict[int, str] = {}
        for segment in (s for s in segments if s.layer == n):
            if segment.label in names:
                raise InputError(
                    f"{path}: segments {names[segment.label]!r} and {segment.name!r} are both "
                    f"label {segment.label} of layer {n}; save the segmentation again"
                )
            names[segment.label] = segment.name
        labels = whole_labels(voxel_grid(path, values, file.lps_from_index))
        found.append(LabelLayer(labels, names))
    return rois_of_layers(grid, found, None if image is None else image.axes_lps[2])


def _layers(file: Nrrd) -> list[NDArray[np.generic]]:
    """Arrays of the layers, each in the order of the axes in space."""
    others = [n for n in range(file.values.ndim) if n not in file.space_axes]
    turned = file.values.transpose(*others, *file.space_axes)
    if len(others) > 1:
        shape = " x ".join(map(str, file.values.shape))
        raise InputError(f"{file.path}: {shape} samples are not layers of segments; save it again")
    return list(turned) if others else [turned]


def _segments(path: Path, header: Mapping[str, Any], layers: int) -> list[_Segment]:
    fields: dict[int, dict[str, str]] = {}
    for key, value in header.items():
        match = _FIELD.match(key)
        if match:
            fields.setdefault(int(match[1]), {})[match[2]] = str(value)
    if not fields:
        raise InputError(
            f"{path}: names no segments, so it is no 3D Slicer segmentation; a plain label map is "
            'called .nrrd, and needs labels = "labels.json"'
        )
    states_values = any("LabelValue" in field for field in fields.values())
    segments = []
    for number, field in sorted(fields.items()):
        name = one_line(field.get("Name", "").strip()) or field.get("ID", f"Segment_{number + 1}")
        if states_values:
            layer, label = _whole(path, field, "Layer", "0"), _whole(path, field, "LabelValue", "")
        else:
            layer, label = number, 1
        if not (layer < layers and label > 0):
            raise InputError(
                f"{path}: segment {name!r} is label {label} of layer {layer}, but there are "
                f"{layers} layer(s) and labels begin with 1; save the segmentation again"
            )
        segments.append(_Segment(number, name, layer, label))
    return segments


def _whole(path: Path, field: Mapping[str, str], key: str, default: str) -> int:
    text = field.get(key, default).strip()
    if not (text.isascii() and text.isdigit()):
        raise InputError(
            f"{path}: a segment has {key} {text!r}, which is no whole number; save the "
            "segmentation again"
        )
    return int(text)


def _read(path: Path, image: ImageVolume | None, labels: Path | None) -> RoiSet:
    if labels is not None:
        raise CaseError(
            "[images] labels: a 3D Slicer segmentation has names of its own; labels are for a "
            "plain label map"
        )
    return read_segmentation(path, image)


FORMAT = StructureFormat(
    name="a 3D Slicer segmentation (.seg.nrrd)",
    recognises=recognises,
    referenced_series=lambda path: (),
    read=_read,
    states_frame=False,
)
