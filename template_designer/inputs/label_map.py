"""Turns label maps into the structures that contours would give: rings on every slice.

A voxel belongs to a structure with the whole of its box in the plane of the slice: rings run along
the edges of the pixels, so the volume is that of the voxels and nothing of them is lost there.
Between slices the shapes are blended as those of contours are (``geometry.solids``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_fill_holes, find_objects
from scipy.ndimage import label as scipy_label

from template_designer.errors import CaseError, InputError
from template_designer.geometry.contours import SAME_PLANE_MM
from template_designer.inputs._outlines import mask_rings_lps_mm
from template_designer.inputs._voxels import VoxelGrid, slice_index
from template_designer.inputs.formats import StructureFormat, VolumeFormat
from template_designer.inputs.label_names import LARGEST_LABEL, read_label_names
from template_designer.model import ImageVolume, PlanWarning, Roi, RoiSet

WHOLE_TOLERANCE = 1e-3
"""Labels stored as scaled or floating-point numbers may be off a whole number by rounding."""

LEAST_SLICE_MM = 1.25 * SAME_PLANE_MM
"""Slices nearer than ``SAME_PLANE_MM`` would be taken for one; a quarter more is for rounding."""

NESTED_PART = 0.01
"""Holes filled with other structures are worth a word from this part of a structure's volume on."""

ENCLOSING_PART, ENCLOSED_LABELS = 0.9, 2
"""A label whose holes hold this part of all other labels' voxels, and at least so many labels, is
the body they were drawn into: it is filled."""

EMPTY = "labels-empty"
"""Code of the warning that names structures of which no voxel has the label."""

CROSS = ((0, 1, 0), (1, 1, 1), (0, 1, 0))
NO_LINK = ((0, 0, 0), (0, 0, 0), (0, 0, 0))
"""Which voxels of a slice, and of the slices beside it, belong to one hole."""

_LISTED = 8


@dataclass(frozen=True, slots=True, eq=False)
class LabelLayer:
    """Labels of which no two share a voxel, and what they are called."""

    labels: NDArray[np.integer]  # (slices, rows, columns)
    names: Mapping[int, str]  # label (above 0): name


Block = tuple[NDArray[np.bool_], tuple[int, int, int]]
"""A mask cut out of the volume, and its first slice, row and column."""


@dataclass(frozen=True, slots=True, eq=False)
class _View:
    """One layer turned to (slices, rows, columns), with the boxes and sizes of its labels."""

    labels: NDArray[np.integer]
    names: Mapping[int, str]
    boxes: Mapping[int, tuple[slice, slice, slice]]
    voxels: Mapping[int, int]  # by label, those above 0 that occur

    @classmethod
    def of(cls, layer: LabelLayer, order: Sequence[int]) -> _View:
        labels = layer.labels.transpose(order)
        counts = np.bincount(labels.ravel())
        voxels = {int(n): int(counts[n]) for n in np.flatnonzero(counts) if n > 0}
        boxes = find_objects(labels)
        return cls(labels, layer.names, {n: boxes[n - 1] for n in voxels}, voxels)


def whole_labels(grid: VoxelGrid) -> NDArray[np.integer]:
    """Labels of a grid as whole numbers, in the order of the file.

    Raises
    ------
    InputError
        If a value is not a whole number, is negative, or is above 65535: then it is no label map.
    """
    values = grid.values
    if values.dtype.kind == "f":
        with np.errstate(invalid="ignore"):
            off = ~(np.abs(values - np.rint(values)) <= WHOLE_TOLERANCE)
        if off.any():
            first = values[off][0]
            raise InputError(
                f"{grid.path}: is not a label map: {int(np.count_nonzero(off))} voxels hold no "
                f"whole number, such as {first:g} (probabilities, or a CT?); save labels as whole "
                "numbers"
            )
        values = np.rint(values)
    low, high = int(values.min()), int(values.max())
    if low < 0 or high > LARGEST_LABEL:
        raise InputError(
            f"{grid.path}: is not a label map: its values run from {low} to {high} (a CT?); labels "
            f"are whole numbers from 0 to {LARGEST_LABEL}"
        )
    return values.astype(np.int32 if high > 255 else np.uint8)


def rois_of_layers(
    grid: VoxelGrid, layers: Sequence[LabelLayer], along_lps: NDArray[np.float64] | None = None
) -> RoiSet:
    """Structures of label layers.

    Parameters
    ----------
    grid : VoxelGrid
        Where the voxels lie; its values are not looked at.
    layers : sequence of LabelLayer
        Labels in the index order of the grid; labels with one name are one structure, across
        layers too.
    along_lps : (3,) ndarray, optional
        Direction the slices of the CT are stacked along; default head to feet.

    Returns
    -------
    RoiSet
        One structure a name, in the order of the names, rings on every slice that holds it
        (``xor``, LPS, mm). Empty, joined, unnamed and nested labels stand in its warnings.

    Raises
    ------
    InputError
        If no voxel has a named label, or slices lie nearer than 0.25 mm.
    """
    first = slice_index(grid, along_lps)
    order = [first, *(n for n in range(3) if n != first)]
    spacing_mm = float(grid.spacing_mm[first])
    if spacing_mm < LEAST_SLICE_MM:
        raise InputError(
            f"{grid.path}: its slices are {spacing_mm:.3g} mm apart; resample it to at least "
            f"{LEAST_SLICE_MM:g} mm"
        )
    views = [_View.of(layer, order) for layer in layers]
    parts: dict[str, list[tuple[_View, int]]] = {}
    for view in views:
        for label, name in view.names.items():
            parts.setdefault(name, []).append((view, label))
    warnings = [*grid.warnings, *_name_warnings(parts)]
    nested: list[str] = []
    rois = []
    for name, found in parts.items():
        block = _joined([_whole_mask(view, label, nested, warnings) for view, label in found])
        if block is not None:
            rings = mask_rings_lps_mm(*block, grid.origin_lps_mm, grid.steps_mm[order])
            number = found[0][1]
            rois.append(Roi(name, number, rings, xor=True, slice_spacing_mm=spacing_mm))
    if not rois:
        raise InputError(
            f"{grid.path}: no voxel has the label of {_listed(list(parts))}; check that labels and "
            "map belong together"
        )
    warnings.extend(_nested_warnings(nested))
    warnings.extend(w for view in views for w in _unnamed_warnings(view))
    return RoiSet(tuple(rois), "", label=grid.path.name, warnings=tuple(warnings))


def _whole_mask(
    view: _View, label: int, nested: list[str], warnings: list[PlanWarning]
) -> Block | None:
    """Voxels of one label; those of the body with what was drawn into it."""
    box = view.boxes.get(label)
    if box is None:
        return None
    labels = view.labels[box]
    mask = labels == label
    start = (box[0].start, box[1].start, box[2].start)
    if len(view.voxels) < 2:
        return mask, start
    filled = np.stack([binary_fill_holes(part) for part in mask])
    held = filled & ~mask & (labels > 0)
    count = int(np.count_nonzero(held))
    name = view.names[label]
    others = sum(view.voxels.values()) - view.voxels[label]
    inside = np.unique(labels[held])
    if count >= ENCLOSING_PART * others and len(inside) >= ENCLOSED_LABELS:
        text = (
            f"{name!r} has the other {len(inside)} structures of its label map inside; it is taken "
            "as a whole, theirs included"
        )
        warnings.append(PlanWarning("label-filled", text))
        return mask | held, start
    if count >= NESTED_PART * view.voxels[label]:
        parts, _ = scipy_label(filled & ~mask, np.array([NO_LINK, CROSS, NO_LINK]))
        open_parts = np.unique(parts[(parts > 0) & (labels == 0)])  # a canal, not a burnt-in shape
        burnt_in = np.count_nonzero((parts > 0) & ~np.isin(parts, open_parts))
        if burnt_in >= NESTED_PART * view.voxels[label]:
            nested.append(name)
    return mask, start


def _joined(blocks: Sequence[Block | None]) -> Block | None:
    """Voxels of any of several masks."""
    there = [block for block in blocks if block is not None]
    if len(there) < 2:
        return there[0] if there else None
    starts = np.array([start for _, start in there])
    ends = starts + [mask.shape for mask, _ in there]
    low = starts.min(axis=0)
    whole = np.zeros(ends.max(axis=0) - low, dtype=np.bool_)
    for (mask, _), a, b in zip(there, starts - low, ends - low, strict=True):
        whole[a[0] : b[0], a[1] : b[1], a[2] : b[2]] |= mask
    return whole, (int(low[0]), int(low[1]), int(low[2]))


def _name_warnings(parts: Mapping[str, Sequence[tuple[_View, int]]]) -> list[PlanWarning]:
    warnings = []
    for name, found in parts.items():
        if len(found) > 1:
            labels = ", ".join(str(label) for _, label in found)
            text = f"{len(found)} labels ({labels}) are called {name!r}; they are one structure"
            warnings.append(PlanWarning("labels-joined", text))
    empty = [
        name
        for name, found in parts.items()
        if not any(label in view.boxes for view, label in found)
    ]
    if empty:
        text = f"no voxel has the label of {_listed(empty, None)}; left out"
        warnings.append(PlanWarning(EMPTY, text))
    return warnings


def _nested_warnings(nested: Sequence[str]) -> list[PlanWarning]:
    if not nested:
        return []
    text = (
        f"{_listed(nested)}: holes in it hold other structures, for a label map holds one "
        "structure a voxel; what should count as both needs a layer (a segment) of its own"
    )
    return [PlanWarning("labels-nested", text)]


def _unnamed_warnings(view: _View) -> list[PlanWarning]:
    unnamed = [str(label) for label in view.voxels if label not in view.names]
    if not unnamed:
        return []
    shown = ", ".join(unnamed[:_LISTED]) + (" ..." if len(unnamed) > _LISTED else "")
    text = f"{len(unnamed)} label(s) without a name are left out: {shown}; name them to use them"
    return [PlanWarning("labels-unnamed", text)]


def _listed(names: Sequence[str], most: int | None = _LISTED) -> str:
    shown = ", ".join(repr(name) for name in names[:most])
    more = 0 if most is None else len(names) - most
    return f"{shown} and {more} more" if more > 0 else shown


def read_label_map(
    grid: VoxelGrid, names: Mapping[int, str], image: ImageVolume | None = None
) -> RoiSet:
    """Structures of a plain label map.

    Parameters
    ----------
    grid : VoxelGrid
        The labels.
    names : mapping of int to str
        What they are called.
    image : ImageVolume, optional
        The CT: structures are cut along its slices, and those that end with the map where the CT
        goes on are said.

    Returns
    -------
    RoiSet
        See ``rois_of_layers``.
    """
    labels = whole_labels(grid)
    along = None if image is None else image.axes_lps[2]
    rois = rois_of_layers(grid, [LabelLayer(labels, names)], along)
    cut = set() if image is None else _cut_labels(grid, labels, image)
    cut_names = list(dict.fromkeys(names[n] for n in sorted(cut) if n in names))
    if not cut_names:
        return rois
    text = (
        f"{_listed(cut_names)}: the label map ends there, the CT does not; check that nothing of "
        "them is cut off"
    )
    return replace(rois, warnings=(*rois.warnings, PlanWarning("label-map-ends", text)))


def _cut_labels(grid: VoxelGrid, labels: NDArray[np.integer], image: ImageVolume) -> set[int]:
    """Labels on those faces of the map beyond which the CT goes on."""
    found: set[int] = set()
    middle = 0.5 * (np.array(labels.shape) - 1.0)
    for axis in range(3):
        for place in (0, labels.shape[axis] - 1):
            beyond = middle.copy()
            beyond[axis] = -1.0 if place == 0 else labels.shape[axis]
            point = grid.origin_lps_mm + beyond @ grid.steps_mm
            index = image.index_of(point[None])[0]
            if np.all((index >= -0.5) & (index <= np.array(image.hu.shape) - 0.5)):
                found.update(int(n) for n in np.unique(labels.take(place, axis)) if n > 0)
    return found


def label_format(volume: VolumeFormat) -> StructureFormat:
    """Make the format of a plain label map out of the format of a voxel file."""

    def read(path: Path, image: ImageVolume | None, labels: Path | None) -> RoiSet:
        if labels is None:
            raise CaseError(
                f"[images] labels is missing: {path.name} is a plain label map, its labels need "
                'names; add labels = "labels.json", a file such as {"79": "spinal_cord"}'
            )
        names, told = read_label_names(labels)
        rois = read_label_map(volume.read(path), names, image)
        return replace(rois, warnings=(*told, *rois.warnings))

    return StructureFormat(
        name=f"a label map in {volume.name}",
        recognises=volume.recognises,
        referenced_series=lambda path: (),
        read=read,
        states_frame=False,
    )
