"""The CT and the structures of the day on which an implant is evaluated; whose they are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from template_designer.errors import CaseError, InputError
from template_designer.inputs.consistency import check_frames, check_place
from template_designer.inputs.formats import choose_format
from template_designer.inputs.hashing import sha256_of
from template_designer.inputs.registry import IMAGE_FORMATS, STRUCTURE_FORMATS
from template_designer.model import ImageVolume, InputFile, PlanWarning, RoiSet


@dataclass(frozen=True, slots=True, eq=False)
class LaterDay:
    """What was scanned and drawn after the implant, in the frame of that day (LPS, mm)."""

    image: ImageVolume
    rois: RoiSet | None  # None: nothing was drawn
    inputs: tuple[InputFile, ...]
    warnings: tuple[PlanWarning, ...]


def read_later_day(ct: Path, structures: Path | None, labels: Path | None = None) -> LaterDay:
    """Read a CT and, where there are any, the structures drawn on it: any format of a case.

    Raises
    ------
    CaseError, InputError
        If a file is missing, damaged, or does not belong to the others.
    """
    image_format = choose_format(ct, IMAGE_FORMATS, "--ct")
    if structures is None:
        image, told = image_format.read(ct, ())
        return LaterDay(image, None, _fingerprints(ct), tuple(told))
    form = choose_format(structures, STRUCTURE_FORMATS, "--structures")
    if labels is not None and not labels.is_file():
        raise InputError(f"--labels: {labels} does not exist")
    image, told = image_format.read(ct, form.referenced_series(structures))
    rois = form.read(structures, image, labels)
    stated = image_format.states_frame and form.states_frame
    warnings = (
        *told,
        *rois.warnings,
        *check_frames(image, rois, stated=stated),
        *check_place(image, rois, ()),
    )
    named = [structures] if labels is None else [structures, labels]
    return LaterDay(image, rois, _fingerprints(ct, *named), warnings)


def check_same_patient(before: ImageVolume, what: str, patient_id: str, name: str = "") -> None:
    """Refuse what belongs to somebody else, as far as both sides say whose they are.

    Parameters
    ----------
    before : ImageVolume
        The CT of the preplan.
    what : str
        What is looked at, for the message: ``"the CT of --ct"``.
    patient_id, name : str
        As it states them; "" where it states none.

    Raises
    ------
    CaseError
        With both.
    """
    known = "" if before.dicom is None else before.dicom.patient_name
    for word, mine, other in (("id", before.patient_id, patient_id), ("name", known, name)):
        if mine and other and mine.strip() != other.strip():
            raise CaseError(
                f"{what} is not of the patient of the plan: patient {word} {other!r}, the plan's "
                f"CT has {mine!r}; name files of this patient"
            )


def check_same_place(before: ImageVolume, what: str, frame_uid: str) -> tuple[PlanWarning, ...]:
    """Refuse another frame of reference; warn where one side states none.

    Raises
    ------
    CaseError
        With both UIDs, and what to do.
    """
    mine = before.frame_of_reference_uid
    if mine and frame_uid and mine != frame_uid:
        raise CaseError(
            f"{what} is in another frame of reference ({frame_uid}) than the plan's CT ({mine}); "
            "register it: --registration rigid (with --ct), or --registration FILE"
        )
    if mine and frame_uid:
        return ()
    text = (
        f"{what} or the plan's CT states no frame of reference; that both are one was taken for "
        "granted. Look at the pictures."
    )
    return (PlanWarning("frame-unchecked", text),)


def outside_ct(image: ImageVolume, points_lps_mm: np.ndarray) -> np.ndarray:
    """Whether each of (n, 3) points lies outside the voxels of a CT, (n,)."""
    index = image.index_of(points_lps_mm)
    return np.asarray(((index < -0.5) | (index > np.array(image.hu.shape) - 0.5)).any(axis=1))


def _fingerprints(*paths: Path) -> tuple[InputFile, ...]:
    return tuple(InputFile(path.name, sha256_of(path)) for path in paths)
