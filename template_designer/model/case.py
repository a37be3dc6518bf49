"""What was read: an image, the contours drawn on it, and the case that asks for a plan."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from template_designer.errors import GeometryError
from template_designer.model.dicom import DicomIdentity, ImageReference
from template_designer.model.settings import CaseSettings
from template_designer.model.source import SeedSource


@dataclass(frozen=True, slots=True)
class PlanWarning:
    """Something the user must know that did not stop the run."""

    code: str  # short and stable, for programs: "roi-skipped"
    text: str  # one sentence for people: what, where, what to do


@dataclass(frozen=True, slots=True)
class InputFile:
    """One file (or folder) that went into a plan, with the hash of its content."""

    path: str
    sha256: str


@dataclass(frozen=True, slots=True, eq=False)
class ImageVolume:
    """A CT volume on an evenly spaced grid, any orientation.

    Voxel ``[k, j, i]`` (slice, row, column) has its centre at
    ``origin_lps_mm + i * spacing_mm[0] * axes_lps[0] + j * spacing_mm[1] * axes_lps[1]
    + k * spacing_mm[2] * axes_lps[2]`` (DICOM LPS, mm).
    """

    hu: NDArray[np.int16]  # (slices, rows, columns), Hounsfield units
    origin_lps_mm: NDArray[np.float64]  # (3,)
    axes_lps: NDArray[np.float64]  # (3, 3): unit rows: +column, +row, +slice
    spacing_mm: NDArray[np.float64]  # (3,): between columns, rows, slices
    frame_of_reference_uid: str  # "" where the format states none (NIfTI, NRRD)
    study_uid: str = ""
    series_uid: str = ""
    patient_id: str = ""
    patient_position: str = ""  # HFS, HFP, FFS, ...; "" where the file does not say
    dicom: DicomIdentity | None = None  # None where the format is not DICOM

    def __post_init__(self) -> None:
        if self.hu.ndim != 3 or not np.all(np.asarray(self.spacing_mm) > 0.0):
            raise GeometryError(
                f"image of shape {self.hu.shape} with spacing {self.spacing_mm} mm is not a volume"
            )
        if not np.allclose(self.axes_lps @ self.axes_lps.T, np.eye(3), atol=1e-4):
            raise GeometryError("image axes are not orthonormal: the slices are sheared or tilted")

    @property
    def reference(self) -> ImageReference:
        """The same volume without its voxels, for what is written about a plan."""
        slices, rows, columns = self.hu.shape
        return ImageReference(
            (slices, rows, columns), self.origin_lps_mm, self.axes_lps, self.spacing_mm, self.dicom
        )

    def index_of(self, points_lps_mm: NDArray[np.float64]) -> NDArray[np.float64]:
        """Fractional (slice, row, column) of (n, 3) LPS points, (n, 3) float."""
        along = (points_lps_mm - self.origin_lps_mm) @ self.axes_lps.T / self.spacing_mm
        return along[:, ::-1]


@dataclass(frozen=True, slots=True, eq=False)
class Roi:
    """One region of interest as drawn: closed planar rings, patient frame (LPS, mm)."""

    name: str
    number: int
    rings_lps_mm: tuple[NDArray[np.float64], ...]  # each (n, 3), n >= 3, not repeated at the end
    xor: bool = False  # True for CLOSEDPLANAR_XOR: rings combine by exclusive or, whatever nests
    slice_spacing_mm: float | None = None
    """Distance of the slices it was drawn on where the file says it (label maps); else None."""


@dataclass(frozen=True, slots=True, eq=False)
class RoiSet:
    """The regions of interest of one file, with what was odd about them."""

    rois: tuple[Roi, ...]
    frame_of_reference_uid: str  # "" where the format states none (label maps)
    label: str = ""
    warnings: tuple[PlanWarning, ...] = ()
    referenced_series_uids: tuple[str, ...] = ()  # image series the contours were drawn on
    sop_instance_uid: str = ""  # of the RTSTRUCT; "" for other formats
    patient_id: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """ROI names in file order."""
        return tuple(roi.name for roi in self.rois)


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """Everything a plan starts from: the checked case file and what it points to."""

    settings: CaseSettings
    image: ImageVolume
    rois: RoiSet
    source: SeedSource
    inputs: tuple[InputFile, ...]
    warnings: tuple[PlanWarning, ...] = ()
