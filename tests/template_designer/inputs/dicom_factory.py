"""Writes small CT series, structure sets and cases, right or wrong, for tests.

``write_ct_series`` and ``write_rtstruct`` take a ``change`` hook that may spoil any data set before
it is written; ``write_case`` writes a whole phantom: a body, a target and a cord, all cylinders
along the slice normal.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filewriter import dcmwrite
from pydicom.sequence import Sequence as DicomSequence
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian, generate_uid

AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
CORONAL = (1.0, 0.0, 0.0, 0.0, 0.0, -1.0)
SAGITTAL = (0.0, 1.0, 0.0, 0.0, 0.0, -1.0)
PRONE = (-1.0, 0.0, 0.0, 0.0, -1.0, 0.0)
OBLIQUE = (
    *(math.cos(0.3), math.sin(0.3), 0.0),
    *(-math.sin(0.3) * math.cos(0.2), math.cos(0.3) * math.cos(0.2), math.sin(0.2)),
)
ORIENTATIONS = {
    "axial": AXIAL,
    "coronal": CORONAL,
    "sagittal": SAGITTAL,
    "prone": PRONE,
    "oblique": OBLIQUE,
}

CT_CLASS = "1.2.840.10008.5.1.4.1.1.2"
RTSTRUCT_CLASS = "1.2.840.10008.5.1.4.1.1.481.3"


def uid(name: str) -> str:
    """The same UID for the same name on every run."""
    return str(generate_uid(entropy_srcs=["template-designer tests", name]))


@dataclass(frozen=True)
class CtSeries:
    """What was written: slices rise along +normal = cross(row, column cosines)."""

    folder: Path
    paths: tuple[Path, ...]  # by slice, in order along the normal; files have other names
    hu: NDArray[np.int16]  # (slices, rows, columns)
    origin_lps_mm: NDArray[np.float64]
    axes_lps: NDArray[np.float64]  # unit rows: +column, +row, +slice
    spacing_mm: NDArray[np.float64]  # columns, rows, slices
    frame_uid: str
    series_uid: str
    study_uid: str
    sop_uids: tuple[str, ...]

    def point(self, i: float, j: float, k: float) -> NDArray[np.float64]:
        """LPS of fractional column i, row j, slice k."""
        return self.origin_lps_mm + (np.array([i, j, k]) * self.spacing_mm) @ self.axes_lps

    @property
    def centre(self) -> NDArray[np.float64]:
        """LPS of the middle of the volume."""
        slices, rows, columns = self.hu.shape
        return self.point((columns - 1) / 2, (rows - 1) / 2, (slices - 1) / 2)


def write_ct_series(
    folder: Path,
    *,
    shape: tuple[int, int, int] = (6, 9, 8),
    spacing_mm: tuple[float, float, float] = (2.0, 2.5, 3.0),
    origin: tuple[float, float, float] = (-10.0, 20.0, -30.0),
    iop: Sequence[float] = AXIAL,
    patient_position: str = "HFS",
    frame_uid: str = "",
    series_uid: str = "",
    study_uid: str = "",
    description: str = "test CT",
    hu: NDArray[np.int16] | None = None,
    slope: float = 1.0,
    intercept: float = -1024.0,
    shuffle: bool = True,
    skip: Iterable[int] = (),
    implicit: bool = False,
    change: Callable[[int, Dataset], None] | None = None,
) -> CtSeries:
    """Write a CT series, one file a slice, in files whose names say nothing about their order.

    Parameters
    ----------
    shape
        Slices, rows, columns.
    spacing_mm
        Between columns, rows, slices.
    origin
        LPS of the centre of the first voxel of the lowest slice.
    iop
        ImageOrientationPatient.
    hu
        Voxels; default values that tell every voxel from every other.
    skip
        Slices that are not written.
    change
        Called with slice number and data set before writing.
    """
    folder.mkdir(parents=True, exist_ok=True)
    row, column = np.array(iop[:3]), np.array(iop[3:])
    axes = np.stack([row, column, np.cross(row, column)])
    if hu is None:
        values = (np.arange(math.prod(shape)) * 7) % 3000 - 1000
        hu = values.reshape(shape).astype(np.int16)
    order = list(range(shape[0]))
    if shuffle:
        random.Random(43).shuffle(order)
    series_uid = series_uid or uid("series")
    series = CtSeries(
        folder=folder,
        paths=tuple(
            folder / f"{description[:4].strip()}_{order[k]:03d}.dcm" for k in range(len(order))
        ),
        hu=hu,
        origin_lps_mm=np.array(origin, dtype=np.float64),
        axes_lps=axes,
        spacing_mm=np.array(spacing_mm, dtype=np.float64),
        frame_uid=frame_uid or uid("frame"),
        series_uid=series_uid,
        study_uid=study_uid or uid("study"),
        sop_uids=tuple(uid(f"{series_uid} {k}") for k in range(shape[0])),
    )
    for k in range(shape[0]):
        if k in set(skip):
            continue
        dataset = _ct_slice(series, k, iop, slope, intercept)
        dataset.PatientPosition = patient_position
        dataset.SeriesDescription = description
        dataset.InstanceNumber = shape[0] - k
        if change is not None:
            change(k, dataset)
        write_dataset(series.paths[k], dataset, implicit=implicit)
    return series


def _ct_slice(
    series: CtSeries, k: int, iop: Sequence[float], slope: float, intercept: float
) -> Dataset:
    dataset = Dataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID = CT_CLASS, series.sop_uids[k]
    dataset.Modality, dataset.ImageType = "CT", ["ORIGINAL", "PRIMARY", "AXIAL"]
    dataset.PatientName, dataset.PatientID = "Test^Phantom", "TEST"
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = series.study_uid, series.series_uid
    dataset.FrameOfReferenceUID = series.frame_uid
    dataset.ImagePositionPatient = [f"{v:.6f}" for v in series.point(0, 0, k)]
    dataset.ImageOrientationPatient = [f"{v:.9f}" for v in iop]
    dataset.PixelSpacing = [f"{series.spacing_mm[1]:g}", f"{series.spacing_mm[0]:g}"]
    dataset.SliceThickness = f"{series.spacing_mm[2]:g}"
    dataset.Rows, dataset.Columns = series.hu.shape[1:]
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 16, 15
    dataset.PixelRepresentation = 1
    dataset.RescaleSlope, dataset.RescaleIntercept = f"{slope:g}", f"{intercept:g}"
    stored = np.rint((series.hu[k].astype(np.float64) - intercept) / slope).astype("<i2")
    dataset.PixelData = stored.tobytes()
    return dataset


def write_rtstruct(
    path: Path,
    rois: Mapping[str, Sequence[NDArray[np.float64]]],
    *,
    frame_uid: str,
    series_uid: str = "",
    sop_uids: Sequence[str] = (),
    geometric_type: str | Mapping[str, str] = "CLOSED_PLANAR",
    charset: str = "ISO_IR 192",
    raw_names: Mapping[str, bytes] | None = None,
    implicit: bool = False,
    undefined_lengths: bool = False,
    change: Callable[[Dataset], None] | None = None,
) -> Path:
    """Write an RTSTRUCT.

    Parameters
    ----------
    rois
        Rings, (n, 3) LPS mm each, by ROI name; an empty list gives a ROI without contours.
    geometric_type
        One for all, or by ROI name.
    charset
        Specific Character Set as declared; 10 characters at most when ``raw_names`` is given.
    raw_names
        Bytes to write in place of a name, whatever the character set.
    undefined_lengths
        Write sequences with delimiters in place of lengths.
    change
        Called with the data set before writing.
    """
    dataset = Dataset()
    dataset.SpecificCharacterSet = "ISO_IR 100" if raw_names else charset
    dataset.SOPClassUID, dataset.SOPInstanceUID = RTSTRUCT_CLASS, uid(f"rtstruct {path.name}")
    dataset.Modality, dataset.StructureSetLabel = "RTSTRUCT", "TEST"
    dataset.PatientName, dataset.PatientID = "Test^Phantom", "TEST"
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = uid("study"), uid("structure series")
    dataset.ReferencedFrameOfReferenceSequence = [_frame(frame_uid, series_uid, sop_uids)]
    items = []
    for number, (name, rings) in enumerate(rois.items(), start=1):
        raw = (raw_names or {}).get(name)
        shown = name if raw is None else raw.decode("latin-1")
        kind = geometric_type if isinstance(geometric_type, str) else geometric_type.get(name)
        items.append(_roi(number, shown, rings, frame_uid, kind or "CLOSED_PLANAR"))
    dataset.StructureSetROISequence = [named for named, _, _ in items]
    dataset.ROIContourSequence = [drawn for _, drawn, _ in items]
    dataset.RTROIObservationsSequence = [observed for _, _, observed in items]
    if change is not None:
        change(dataset)
    if undefined_lengths:
        _undefine_lengths(dataset)
    write_dataset(path, dataset, implicit=implicit)
    if raw_names:
        path.write_bytes(path.read_bytes().replace(b"ISO_IR 100", charset.encode().ljust(10)))
    return path


def _frame(frame_uid: str, series_uid: str, sop_uids: Sequence[str]) -> Dataset:
    images = []
    for sop_uid in sop_uids:
        image = Dataset()
        image.ReferencedSOPClassUID, image.ReferencedSOPInstanceUID = CT_CLASS, sop_uid
        images.append(image)
    series = Dataset()
    series.SeriesInstanceUID = series_uid
    series.ContourImageSequence = images
    study = Dataset()
    study.RTReferencedSeriesSequence = [series] if series_uid else []
    frame = Dataset()
    frame.FrameOfReferenceUID = frame_uid
    frame.RTReferencedStudySequence = [study]
    return frame


def _roi(
    number: int, name: str, rings: Sequence[NDArray[np.float64]], frame_uid: str, kind: str
) -> tuple[Dataset, Dataset, Dataset]:
    named, drawn, observed = Dataset(), Dataset(), Dataset()
    named.ROINumber, named.ROIName = number, name
    named.ReferencedFrameOfReferenceUID, named.ROIGenerationAlgorithm = frame_uid, "MANUAL"
    contours = []
    for ring in rings:
        contour = Dataset()
        contour.ContourGeometricType, contour.NumberOfContourPoints = kind, len(ring)
        contour.ContourData = [f"{v:.4f}" for v in np.asarray(ring).ravel()]
        contours.append(contour)
    if contours:
        drawn.ContourSequence = contours
    drawn.ReferencedROINumber = number
    observed.ObservationNumber, observed.ReferencedROINumber = number, number
    observed.RTROIInterpretedType, observed.ROIInterpreter = "ORGAN", ""
    return named, drawn, observed


def _undefine_lengths(dataset: Dataset) -> None:
    for element in dataset:
        if isinstance(element.value, DicomSequence):
            element.is_undefined_length = True
            for item in element.value:
                item.is_undefined_length_sequence_item = True
                _undefine_lengths(item)


def write_dataset(path: Path, dataset: Dataset, *, implicit: bool = False) -> None:
    """Write a data set with file meta information."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian
    dataset.file_meta = meta
    dcmwrite(path, dataset, enforce_file_format=True)


def disc(
    series: CtSeries,
    k: float,
    radius_mm: float,
    *,
    offset_mm: tuple[float, float] = (0.0, 0.0),
    points: int = 36,
) -> NDArray[np.float64]:
    """Ring around the volume's axis in the plane of slice k; the offset is along column, row."""
    angle = 2.0 * np.pi * np.arange(points) / points
    u = radius_mm * np.cos(angle) + offset_mm[0]
    v = radius_mm * np.sin(angle) + offset_mm[1]
    depth = (k - (series.hu.shape[0] - 1) / 2.0) * series.spacing_mm[2]
    local = np.stack([u, v, np.full(points, depth)], axis=1)
    return series.centre + local @ series.axes_lps


def discs(
    series: CtSeries,
    slices: Iterable[int],
    radius_mm: float,
    *,
    offset_mm: tuple[float, float] = (0.0, 0.0),
    points: int = 36,
) -> list[NDArray[np.float64]]:
    """Rings of a cylinder along the slice normal, one a slice."""
    return [disc(series, k, radius_mm, offset_mm=offset_mm, points=points) for k in slices]


def disc_area_mm2(radius_mm: float, points: int = 36) -> float:
    """Area of the polygon that ``disc`` draws."""
    return 0.5 * points * radius_mm**2 * math.sin(2.0 * math.pi / points)


CASE_TEXT = """\
id = "phantom"

[images]
ct = "dicom"
structures = "dicom/RS.dcm"

[target]
structure = "GTV"

[[avoid]]
structure = "SpinalCord"
needle_clearance_mm = 10.0

[[avoid]]
structure = ["Kidney_*"]
needle_clearance_mm = 1.0

[[goal]]
structure = "GTV"
metric = "V100"
at_least_pct = 93.0

[[goal]]
structure = "SpinalCord"
metric = "D0.1cc"
at_most_gy = 95.0

[skin]
structure = "Body"
seed_depth_mm = 10.0

[entry]
point_lps = [{x:.3f}, {y:.3f}, {z:.3f}]
direction_lps = [0.0, -1.0, 0.0]
up_lps = [0.0, 0.0, 1.0]

[template]
pitch_mm = 5.0

[source]
model = "I125-6711"
activity_mci = 0.6

[prescription]
dose_gy = 120.0
"""
"""Case file of the phantom; the entry point is filled in by ``write_case``."""


def write_case(
    folder: Path,
    *,
    replace: Mapping[str, str] | None = None,
    add: str = "",
    ct_frame_uid: str = "",
    structures_frame_uid: str = "",
) -> Path:
    """Write the phantom and its case file; return the path of the case file.

    A supine body of radius 45 mm, 12 slices of 3 mm; a target of radius 12 mm in the middle of it
    on slices 3 to 8; a cord beside it; two kidneys. The needle enters from behind (+y).

    Parameters
    ----------
    replace
        Pieces of the case file to replace; each must be there.
    add
        Text to append.
    ct_frame_uid, structures_frame_uid
        Frames of reference; default the same.
    """
    ct = write_ct_series(
        folder / "dicom",
        shape=(12, 50, 50),
        spacing_mm=(2.0, 2.0, 3.0),
        frame_uid=ct_frame_uid or uid("frame"),
    )
    write_rtstruct(
        folder / "dicom" / "RS.dcm",
        {
            "GTV": discs(ct, range(3, 9), 12.0),
            "SpinalCord": discs(ct, range(12), 4.0, offset_mm=(22.0, 0.0)),
            "Kidney_L": discs(ct, range(2, 10), 6.0, offset_mm=(-20.0, -20.0)),
            "Kidney_R": discs(ct, range(2, 10), 6.0, offset_mm=(20.0, -20.0)),
            "Body": discs(ct, range(12), 45.0, points=90),
        },
        frame_uid=structures_frame_uid or uid("frame"),
        series_uid=ct.series_uid,
        sop_uids=ct.sop_uids,
    )
    x, y, z = ct.centre + np.array([0.0, 45.0, 0.0])
    text = CASE_TEXT.format(x=x, y=y, z=z)
    for old, new in (replace or {}).items():
        assert old in text, f"{old!r} is not in the case file"
        text = text.replace(old, new)
    path = folder / "case.toml"
    path.write_text(text + add, encoding="utf-8")
    return path
