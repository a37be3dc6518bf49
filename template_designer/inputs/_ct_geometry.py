"""Puts CT slices in order and refuses every series that is not one even stack."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from template_designer.errors import InputError
from template_designer.inputs._dicom_file import text_of

POSITION_TOLERANCE_MM = 0.1
"""How far a slice may lie off the even stack: positions are often written to 0.1 mm."""

DRIFT_TOLERANCE_MM = 0.2
"""How far the slices may wander sideways over the whole stack: more is a tilted gantry."""

SAME_POSITION_MM = 0.01
"""Slices nearer than this are at the same position."""

DIRECTION_TOLERANCE = 1e-3
"""How far direction cosines may be off unit length and right angle."""


@dataclass(frozen=True, slots=True, eq=False)
class SliceHeader:
    """What one slice says about itself."""

    path: Path
    position_lps_mm: NDArray[np.float64]  # (3,) centre of the first voxel
    orientation: NDArray[np.float64]  # (2, 3) directions of growing column and row index
    pixel_spacing_mm: NDArray[np.float64]  # (2,) between rows, between columns, as DICOM has it
    size: tuple[int, int]  # rows, columns
    frame_uid: str
    patient_position: str
    slope: float
    intercept: float


@dataclass(frozen=True, slots=True, eq=False)
class Stack:
    """Slices in order along +normal, on an even grid."""

    slices: tuple[tuple[SliceHeader, ...], ...]  # files at each position: one, or repeats
    axes_lps: NDArray[np.float64]  # (3, 3) unit rows: +column, +row, +slice
    spacing_mm: NDArray[np.float64]  # (3,): columns, rows, slices


def slice_header(path: Path, dataset: Dataset) -> SliceHeader:
    """Take the geometry and the rescale of one slice; ``InputError`` where one is missing."""
    return SliceHeader(
        path=path,
        position_lps_mm=_numbers(path, dataset, "ImagePositionPatient", 3),
        orientation=_numbers(path, dataset, "ImageOrientationPatient", 6).reshape(2, 3),
        pixel_spacing_mm=_numbers(path, dataset, "PixelSpacing", 2),
        size=(
            int(_numbers(path, dataset, "Rows", 1)[0]),
            int(_numbers(path, dataset, "Columns", 1)[0]),
        ),
        frame_uid=text_of(dataset, "FrameOfReferenceUID"),
        patient_position=text_of(dataset, "PatientPosition"),
        slope=float(_numbers(path, dataset, "RescaleSlope", 1)[0]),
        intercept=float(_numbers(path, dataset, "RescaleIntercept", 1)[0]),
    )


def _numbers(path: Path, dataset: Dataset, keyword: str, count: int) -> NDArray[np.float64]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            values = np.atleast_1d(np.asarray(dataset[keyword].value, dtype=np.float64))
    except KeyError:
        raise InputError(f"{path}: {keyword} is missing; export the CT again") from None
    except Exception:  # pydicom raises many kinds on values that break their own type
        values = np.zeros(0)
    if values.shape != (count,) or not np.all(np.isfinite(values)):
        found = text_of(dataset, keyword)
        raise InputError(
            f"{path}: {keyword} = {found!r} is not {count} finite numbers; export the CT again"
        )
    return values


def order_slices(slices: Sequence[SliceHeader]) -> Stack:
    """Order slices along their normal and check that they form one even, upright stack.

    Parameters
    ----------
    slices : sequence of SliceHeader
        In any order.

    Returns
    -------
    Stack
        Positions rise along +slice = cross(+column, +row).

    Raises
    ------
    InputError
        If slices differ in frame, size, spacing or direction; if one is missing; if the spacing is
        uneven; if the stack is sheared; if there is only one slice.
    """
    _check_alike(slices)
    first = slices[0]
    axes = _axes(first)
    along = np.array([s.position_lps_mm @ axes[2] for s in slices])
    groups: list[list[int]] = []
    for index in np.lexsort((np.array([s.path.name for s in slices]), along)):
        if groups and along[index] - along[groups[-1][0]] <= SAME_POSITION_MM:
            groups[-1].append(int(index))
        else:
            groups.append([int(index)])
    stack = tuple(tuple(slices[i] for i in group) for group in groups)
    if len(stack) < 2:
        raise InputError(
            f"{first.path.parent}: the series has slices at one position only; a CT volume needs "
            "at least two. Export the whole series"
        )
    step = _even_step([group[0] for group in stack], np.array([along[g[0]] for g in groups]))
    _check_upright([group[0] for group in stack], axes)
    rows_mm, columns_mm = first.pixel_spacing_mm
    return Stack(stack, axes, np.array([columns_mm, rows_mm, step]))


def _check_alike(slices: Sequence[SliceHeader]) -> None:
    first = slices[0]
    for other in slices[1:]:
        for what, mine, theirs, tolerance in (
            ("image orientation", first.orientation, other.orientation, 1e-4),
            ("pixel spacing", first.pixel_spacing_mm, other.pixel_spacing_mm, 1e-4),
            ("rows and columns", first.size, other.size, 0.0),
        ):
            if not np.allclose(mine, theirs, rtol=0.0, atol=tolerance):
                raise _differ(what, first, np.asarray(mine).tolist(), other, theirs)
        for what, mine_uid, their_uid in (
            ("frame of reference", first.frame_uid, other.frame_uid),
            ("patient position", first.patient_position, other.patient_position),
        ):
            if mine_uid != their_uid:
                raise _differ(what, first, mine_uid, other, their_uid)
    if not np.all(first.pixel_spacing_mm > 0.0) or min(first.size) < 1:
        raise InputError(
            f"{first.path}: {first.size[0]} x {first.size[1]} pixels of "
            f"{first.pixel_spacing_mm.tolist()} mm are no image; export the CT again"
        )


def _differ(
    what: str, first: SliceHeader, mine: object, other: SliceHeader, theirs: object
) -> InputError:
    shown = np.asarray(theirs).tolist()
    return InputError(
        f"{first.path.parent}: the slices differ in {what}: {mine} in {first.path.name}, "
        f"{shown} in {other.path.name}; keep the files of one scan"
    )


def _axes(first: SliceHeader) -> NDArray[np.float64]:
    row, column = first.orientation
    lengths = np.linalg.norm(first.orientation, axis=1)
    if np.abs(lengths - 1.0).max() > DIRECTION_TOLERANCE or abs(row @ column) > DIRECTION_TOLERANCE:
        raise InputError(
            f"{first.path}: ImageOrientationPatient {first.orientation.ravel().tolist()} is not "
            "two unit vectors at a right angle; export the CT again"
        )
    u = row / np.linalg.norm(row)
    w = np.cross(u, column)
    w /= np.linalg.norm(w)
    return np.stack([u, np.cross(w, u), w]) + 0.0  # no minus zeros


def _even_step(slices: Sequence[SliceHeader], along: NDArray[np.float64]) -> float:
    """Distance between slices; ``InputError`` where one is missing or they are uneven."""
    steps = np.diff(along)
    usual = float(np.median(steps[steps < 1.5 * steps.min()]))
    folder = slices[0].path.parent
    multiples = np.round(steps / usual)
    even_but_for_gaps = np.abs(steps - multiples * usual).max() <= 2 * POSITION_TOLERANCE_MM
    if even_but_for_gaps and multiples.max() > 1:
        k = int(np.argmax(multiples > 1))
        missing = int((multiples - 1).sum())
        raise InputError(
            f"{folder}: {missing} of the slices {'is' if missing == 1 else 'are'} missing, the "
            f"first between {_place(slices[k])} and {_place(slices[k + 1])} ({steps[k]:.2f} mm "
            f"apart, the others {usual:.2f} mm); export the whole series"
        )
    step = float((along[-1] - along[0]) / steps.size)
    off = np.abs(along - along[0] - step * np.arange(along.size))
    if off.max() > POSITION_TOLERANCE_MM:
        usual = float(np.median(steps))
        k = int(np.argmax(np.abs(steps - usual)))
        raise InputError(
            f"{folder}: the slices are unevenly spaced: {steps[k]:.2f} mm between "
            f"{_place(slices[k])} and {_place(slices[k + 1])}, {usual:.2f} mm elsewhere; "
            "reconstruct the CT with one spacing"
        )
    return step


def _place(header: SliceHeader) -> str:
    x, y, z = header.position_lps_mm
    return f"{header.path.name} at ({x:.1f}, {y:.1f}, {z:.1f})"


def _check_upright(slices: Sequence[SliceHeader], axes: NDArray[np.float64]) -> None:
    """Refuse stacks whose slices are shifted against each other."""
    positions = np.array([s.position_lps_mm for s in slices])
    sideways = (positions - positions[0]) @ axes[:2].T
    drift = float(np.abs(sideways).max())
    if drift > DRIFT_TOLERANCE_MM:
        raise InputError(
            f"{slices[0].path.parent}: the slices are shifted sideways by up to {drift:.1f} mm "
            "along the stack (a tilted gantry, or two scans mixed); use a CT without gantry tilt"
        )
