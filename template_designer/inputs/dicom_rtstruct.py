"""Reads a DICOM RT Structure Set: names, closed contours, and what they were drawn on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pydicom.dataset import Dataset

from template_designer.errors import CaseError, InputError, PlannerError
from template_designer.inputs._dicom_file import (
    cut_off_error,
    damaged_error,
    integer_of,
    is_dicom,
    items_of,
    raw_of,
    read_dataset,
    text_of,
)
from template_designer.inputs._rings import RawContour, build_roi
from template_designer.inputs.charsets import decode_text
from template_designer.inputs.formats import StructureFormat
from template_designer.model import ImageVolume, PlanWarning, Roi, RoiSet

RTSTRUCT_CLASS = "1.2.840.10008.5.1.4.1.1.481.3"


@dataclass(frozen=True, slots=True)
class _NamedRoi:
    """One item of the Structure Set ROI Sequence."""

    number: int
    name: str
    frame_uid: str


def is_rtstruct(dataset: Dataset) -> bool:
    """Whether a data set says that it is a structure set."""
    return (
        text_of(dataset, "Modality") == "RTSTRUCT"
        or text_of(dataset, "SOPClassUID") == RTSTRUCT_CLASS
    )


def recognises(path: Path) -> bool:
    """Whether this reader is the one for a path: any DICOM file."""
    return is_dicom(path)


def read_rtstruct(path: Path, *, frame_uid: str | None = None) -> RoiSet:
    """Read the closed contours of an RTSTRUCT file.

    Parameters
    ----------
    path : Path
        The file.
    frame_uid : str, optional
        Frame of reference to keep where ROIs lie in several; default the one of most ROIs.

    Returns
    -------
    RoiSet
        ROIs with at least one closed ring, in file order, patient frame (LPS, mm). Everything that
        was left out, renamed or repaired stands in its warnings.

    Raises
    ------
    InputError
        If the file is not DICOM, not an RTSTRUCT, or cut off.
    """
    dataset = _load(path)
    try:
        return _roi_set(dataset, frame_uid)
    except PlannerError:
        raise
    except Exception as error:  # pydicom raises many kinds on values that break their own type
        raise damaged_error(path, error) from error


def _roi_set(dataset: Dataset, frame_uid: str | None) -> RoiSet:
    charset = _charset(dataset)
    warnings: list[PlanWarning] = []
    named = _in_one_frame(_named_rois(dataset, charset, warnings), frame_uid, warnings)
    contours = _contours_by_number(dataset, {roi.number for roi in named}, warnings)
    rois: list[Roi] = []
    for item in named:
        roi, told = build_roi(item.name, item.number, contours.get(item.number, ()))
        warnings.extend(told)
        if roi is not None:
            rois.append(roi)
    frames = [item.frame_uid for item in named] or [""]
    return RoiSet(
        rois=tuple(rois),
        frame_of_reference_uid=frames[0],
        label=decode_text(raw_of(dataset, "StructureSetLabel"), charset).text,
        warnings=tuple(warnings),
        referenced_series_uids=referenced_series(dataset),
        sop_instance_uid=text_of(dataset, "SOPInstanceUID"),
        patient_id=decode_text(raw_of(dataset, "PatientID"), charset).text,
    )


def referenced_series(path_or_dataset: Path | Dataset) -> tuple[str, ...]:
    """Series Instance UIDs of the images that the structure set refers to, in file order."""
    if isinstance(path_or_dataset, Path):
        try:
            return referenced_series(_load(path_or_dataset))
        except PlannerError:
            raise
        except Exception as error:
            raise damaged_error(path_or_dataset, error) from error
    dataset = path_or_dataset
    uids = (
        text_of(series, "SeriesInstanceUID")
        for frame in items_of(dataset, "ReferencedFrameOfReferenceSequence")
        for study in items_of(frame, "RTReferencedStudySequence")
        for series in items_of(study, "RTReferencedSeriesSequence")
    )
    return tuple(dict.fromkeys(uid for uid in uids if uid))


def _load(path: Path) -> Dataset:
    """Read and check that it is a whole RTSTRUCT; say what it is when it is not."""
    dataset, cut = read_dataset(path)
    if not is_rtstruct(dataset):
        modality = text_of(dataset, "Modality")
        if cut is not None and not modality:
            raise cut_off_error(path, cut)
        kind = f"a DICOM file of modality {modality}" if modality else "DICOM without a modality"
        raise InputError(f"{path}: is not an RTSTRUCT but {kind}; name the structure set")
    if cut is not None:
        raise cut_off_error(path, cut)
    for keyword, what in (
        ("StructureSetROISequence", "names no regions of interest"),
        ("ROIContourSequence", "holds no contours"),
    ):
        if keyword not in dataset:
            raise InputError(
                f"{path}: {what} ({keyword} is missing); it is cut off or empty, export it again"
            )
    return dataset


def _charset(dataset: Dataset) -> tuple[str, ...]:
    """Return the declared character sets, as written in the file."""
    text = raw_of(dataset, "SpecificCharacterSet").decode("ascii", "replace")
    return tuple(term.strip(" \0") for term in text.split("\\")) if text.strip(" \0") else ()


def _named_rois(
    dataset: Dataset, charset: tuple[str, ...], warnings: list[PlanWarning]
) -> list[_NamedRoi]:
    """ROIs with unique names and numbers, in file order."""
    default_frame = _default_frame(dataset)
    items = list(items_of(dataset, "StructureSetROISequence"))
    numbers = Counter(integer_of(item, "ROINumber") for item in items)
    taken: set[str] = set()
    named = []
    for item in items:
        number = integer_of(item, "ROINumber")
        name = _unique(_name(item, number, charset, warnings), taken, warnings)
        if number is None or numbers[number] > 1:
            why = "no ROI number" if number is None else f"ROI number {number}, as others do"
            warnings.append(
                PlanWarning(
                    "roi-skipped",
                    f"ROI {name!r} is left out: it has {why}, so its contours are not known",
                )
            )
            continue
        frame = text_of(item, "ReferencedFrameOfReferenceUID") or default_frame
        named.append(_NamedRoi(number, name, frame))
    return named


def _default_frame(dataset: Dataset) -> str:
    """Frame of reference of the whole set, '' where it is not stated once."""
    frames = {
        text_of(item, "FrameOfReferenceUID")
        for item in items_of(dataset, "ReferencedFrameOfReferenceSequence")
    }
    if len(frames) == 1:
        return frames.pop()
    return text_of(dataset, "FrameOfReferenceUID")


def _name(
    item: Dataset, number: int | None, charset: tuple[str, ...], warnings: list[PlanWarning]
) -> str:
    declared = _charset(item) or charset
    decoded = decode_text(raw_of(item, "ROIName"), declared)
    if decoded.repaired:
        stated = "\\".join(declared) or "none"
        warnings.append(
            PlanWarning(
                "roi-name-repaired",
                f"ROI {number}: its name reads {decoded.declared_reading!r} in the declared "
                f"character set ({stated}); taken as {decoded.text!r}",
            )
        )
    if decoded.text:
        return decoded.text
    warnings.append(PlanWarning("roi-renamed", f"ROI {number} has no name; called 'ROI {number}'"))
    return f"ROI {number}"


def _unique(name: str, taken: set[str], warnings: list[PlanWarning]) -> str:
    unique, count = name, 1
    while unique in taken:
        count += 1
        unique = f"{name} ({count})"
    taken.add(unique)
    if unique != name:
        warnings.append(
            PlanWarning("roi-renamed", f"ROI name {name!r} occurs again; called {unique!r}")
        )
    return unique


def _in_one_frame(
    named: list[_NamedRoi], frame_uid: str | None, warnings: list[PlanWarning]
) -> list[_NamedRoi]:
    """ROIs of the asked (or the commonest) frame of reference; the others are named."""
    frames = Counter(item.frame_uid for item in named)
    if len(frames) < 2:
        return named
    keep = frame_uid if frame_uid in frames else frames.most_common(1)[0][0]
    for item in named:
        if item.frame_uid != keep:
            warnings.append(
                PlanWarning(
                    "roi-skipped",
                    f"ROI {item.name!r} is left out: it lies in frame of reference "
                    f"{item.frame_uid or '(none)'}, not in {keep or '(none)'}",
                )
            )
    return [item for item in named if item.frame_uid == keep]


def _contours_by_number(
    dataset: Dataset, known: Iterable[int], warnings: list[PlanWarning]
) -> dict[int, list[RawContour]]:
    contours: dict[int, list[RawContour]] = {number: [] for number in known}
    named = {integer_of(item, "ROINumber") for item in items_of(dataset, "StructureSetROISequence")}
    strangers = 0
    for item in items_of(dataset, "ROIContourSequence"):
        number = integer_of(item, "ReferencedROINumber")
        if number in contours:
            contours[number].extend(_contour(c) for c in items_of(item, "ContourSequence"))
        elif number not in named:
            strangers += 1
    if strangers:
        warnings.append(
            PlanWarning(
                "contours-unnamed",
                f"{strangers} contour sets belong to no named ROI and are left out",
            )
        )
    return contours


def _contour(item: Dataset) -> RawContour:
    return RawContour(
        geometric_type=text_of(item, "ContourGeometricType").upper(),
        data=raw_of(item, "ContourData"),
        stated_points=integer_of(item, "NumberOfContourPoints"),
        offset=text_of(item, "ContourOffsetVector"),
    )


def _read(path: Path, image: ImageVolume | None, labels: Path | None) -> RoiSet:
    if labels is not None:
        raise CaseError(
            "[images] labels: an RTSTRUCT has names of its own; labels are for a label map"
        )
    return read_rtstruct(path, frame_uid=None if image is None else image.frame_of_reference_uid)


FORMAT = StructureFormat(
    name="a DICOM RTSTRUCT", recognises=recognises, referenced_series=referenced_series, read=_read
)
