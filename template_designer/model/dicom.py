"""Which images a plan was made on: their grid, and who they say they are. Types only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import StrictBool

from template_designer.errors import GeometryError
from template_designer.model.tables import Settings


@dataclass(frozen=True, slots=True)
class DicomSlice:
    """One CT image that other DICOM objects may refer to."""

    sop_class_uid: str
    sop_instance_uid: str
    position_lps_mm: tuple[float, float, float]  # centre of its first voxel


@dataclass(frozen=True, slots=True)
class DicomIdentity:
    """What a DICOM series says about patient and study; ``""`` where it says nothing.

    Texts are decoded and hold no control characters; names keep DICOM's own signs (``^``, ``=``).
    Dates and times are as DICOM writes them (``20260131``, ``120000``), and valid.
    """

    study_uid: str
    series_uid: str
    frame_of_reference_uid: str
    slices: tuple[DicomSlice, ...]  # in the order of the volume
    patient_name: str = ""
    patient_id: str = ""
    patient_birth_date: str = ""
    patient_sex: str = ""  # M, F, O
    study_date: str = ""
    study_time: str = ""
    study_id: str = ""
    study_description: str = ""
    accession_number: str = ""
    referring_physician_name: str = ""
    position_reference_indicator: str = ""
    identity_removed: bool = False  # the series itself was de-identified before it came here


@dataclass(frozen=True, slots=True, eq=False)
class ImageReference:
    """A CT volume without its voxels: where its slices lie, and what it is called in DICOM."""

    shape: tuple[int, int, int]  # slices, rows, columns
    origin_lps_mm: NDArray[np.float64]  # (3,) centre of voxel [0, 0, 0]
    axes_lps: NDArray[np.float64]  # (3, 3): unit rows: +column, +row, +slice
    spacing_mm: NDArray[np.float64]  # (3,): between columns, rows, slices
    dicom: DicomIdentity | None = None  # None where the images were not DICOM

    def __post_init__(self) -> None:
        if min(self.shape) < 1 or not np.all(np.asarray(self.spacing_mm) > 0.0):
            raise GeometryError(
                f"images of shape {self.shape} with spacing {self.spacing_mm} mm are no volume"
            )


class DicomSettings(Settings):
    """``[dicom]``: what the DICOM files written about a plan say of the patient."""

    deidentify: StrictBool = False  # the case's id in place of name and patient id
    dose_bits: Literal[16, 32] = 16  # of a dose value; 32: finer, read by fewer
