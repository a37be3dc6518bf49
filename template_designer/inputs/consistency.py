"""Do CT and structures belong together? Frame of reference, patient, place."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

from template_designer.errors import InputError
from template_designer.inputs._rings import plane_normal
from template_designer.model import ImageVolume, PlanWarning, Roi, RoiSet

OFF_SLICE_PART = 0.25
"""Contours further off the CT slices than this part of a spacing are worth a warning."""

OUTSIDE = "roi-outside-ct"
"""Code of the warning for a structure that has no point in the CT."""


def check_same_frame(image: ImageVolume, rois: RoiSet) -> None:
    """Refuse structures that are not in the CT's frame of reference.

    Raises
    ------
    InputError
        If the UIDs differ or one is missing; the text has both.
    """
    ct_uid, structures_uid = image.frame_of_reference_uid, rois.frame_of_reference_uid
    if ct_uid != structures_uid:
        raise InputError(
            f"CT and structures are in different frames of reference: CT {ct_uid or '(none)'}, "
            f"structures {structures_uid or '(none)'}; use the structure set drawn on this CT"
        )
    if not ct_uid:
        raise InputError(
            "neither CT nor structures state a frame of reference: CT (none), structures (none); "
            "that they belong together cannot be known, export both again"
        )


def check_frames(image: ImageVolume, rois: RoiSet, *, stated: bool) -> tuple[PlanWarning, ...]:
    """Check frames of reference where both files state one; else say that nobody could.

    Parameters
    ----------
    image, rois
        The CT and the structures.
    stated : bool
        Whether both formats name a frame of reference at all (NIfTI and NRRD do not). Where they
        do not, only the place is compared: structures in use wholly outside the CT are refused by
        ``check_place``.

    Returns
    -------
    tuple of PlanWarning
        Where the frames could not be compared: how much of the structures lies in the CT.

    Raises
    ------
    InputError
        As ``check_same_frame`` does; else if no structure at all touches the CT.
    """
    if stated:
        check_same_frame(image, rois)
        return ()
    points = np.concatenate([ring for roi in rois.rois for ring in roi.rings_lps_mm])
    inside = _outside_mm(points, image) == 0.0
    if not inside.any():
        raise InputError(
            f"no structure lies in the CT (structures {_box(points)}, CT {_ct_box(image)}): they "
            "are not in one frame of reference; use structures drawn on this CT"
        )
    part = 100.0 * float(np.count_nonzero(inside)) / len(inside)
    text = (
        "CT and structures do not both name their frame of reference, so that they belong together "
        f"was checked by place only: {part:.0f} % of the outlines lie in the CT"
    )
    return (PlanWarning("frame-unchecked", text),)


def check_place(image: ImageVolume, rois: RoiSet, used: Collection[str]) -> tuple[PlanWarning, ...]:
    """Compare where the structures lie with where the CT is.

    Parameters
    ----------
    image : ImageVolume
        The CT.
    rois : RoiSet
        Structures in the same frame of reference.
    used : collection of str
        Names of the structures that the case uses.

    Returns
    -------
    tuple of PlanWarning
        Structures that reach out of the CT by more than a slice, contours between slices, another
        patient's id.

    Raises
    ------
    InputError
        If a structure that the case uses lies wholly outside the CT.
    """
    warnings = []
    between: list[str] = []
    for roi in rois.rois:
        reach = _reach_warning(roi, image)
        if reach is not None and reach.code == OUTSIDE and roi.name in used:
            raise InputError(
                f"structure {roi.name!r} lies wholly outside the CT ({_boxes(roi, image)}); "
                "use the structure set drawn on this CT"
            )
        if reach is not None:
            warnings.append(reach)
        elif _lies_between_slices(roi, image):
            between.append(roi.name)
    if between:
        warnings.append(
            PlanWarning(
                "contours-between-slices",
                f"contours of {', '.join(between)} lie between the CT slices; they are used where "
                "they are, check that they were drawn on this CT",
            )
        )
    if image.patient_id and rois.patient_id and image.patient_id != rois.patient_id:
        warnings.append(
            PlanWarning(
                "patient-differs",
                f"the CT has patient id {image.patient_id!r}, the structures {rois.patient_id!r}; "
                "check that they belong together",
            )
        )
    return tuple(warnings)


def _reach_warning(roi: Roi, image: ImageVolume) -> PlanWarning | None:
    """Say how far a structure reaches out of the CT; None for less than a slice."""
    reach = [_outside_mm(ring, image) for ring in roi.rings_lps_mm]
    if all(np.all(mm > 0.0) for mm in reach):
        return PlanWarning(OUTSIDE, f"ROI {roi.name!r} lies wholly outside the CT")
    far = [float(mm.max()) for mm in reach if mm.max() > image.spacing_mm[2]]
    if not far:
        return None
    return PlanWarning(
        "roi-beyond-ct",
        f"ROI {roi.name!r}: {len(far)} of {len(reach)} contours reach up to {max(far):.1f} mm out "
        "of the CT",
    )


def _outside_mm(points_lps_mm: NDArray[np.float64], image: ImageVolume) -> NDArray[np.float64]:
    """How far each point lies outside the box of the voxels, (n,) mm, 0 inside."""
    index = image.index_of(points_lps_mm)
    beyond = np.maximum(-0.5 - index, index - (np.array(image.hu.shape) - 0.5))
    return np.asarray((np.maximum(beyond, 0.0) * image.spacing_mm[::-1]).max(axis=1))


def _lies_between_slices(roi: Roi, image: ImageVolume) -> bool:
    """Whether the contours were drawn along the slices but not on them.

    A label map has slices of its own, so that of it this is no sign of anything.
    """
    if roi.slice_spacing_mm is not None:
        return False
    if abs(float(plane_normal(roi.rings_lps_mm) @ image.axes_lps[2])) < 0.999:
        return False
    centres = np.array([ring.mean(axis=0) for ring in roi.rings_lps_mm])
    k = image.index_of(centres)[:, 0]
    return float(np.median(np.abs(k - np.round(k)))) > OFF_SLICE_PART


def _boxes(roi: Roi, image: ImageVolume) -> str:
    return f"structure {_box(np.concatenate(roi.rings_lps_mm))}, CT {_ct_box(image)}"


def _ct_box(image: ImageVolume) -> str:
    corners = (
        np.array([[k, j, i] for k in (0, 1) for j in (0, 1) for i in (0, 1)], dtype=np.float64)
        * np.array(image.hu.shape)
        - 0.5
    )
    steps = image.spacing_mm[:, None] * image.axes_lps
    return _box(image.origin_lps_mm + corners[:, ::-1] @ steps)


def _box(points: NDArray[np.float64]) -> str:
    low, high = points.min(axis=0), points.max(axis=0)
    return (
        ", ".join(f"{axis} {a:.0f} to {b:.0f}" for axis, a, b in zip("xyz", low, high, strict=True))
        + " mm"
    )
