"""Reads one DICOM CT series into a volume, or says why it is not one."""

from __future__ import annotations

import warnings as python_warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from template_designer.errors import InputError
from template_designer.inputs._ct_geometry import SliceHeader, Stack, order_slices, slice_header
from template_designer.inputs._dicom_file import (
    cut_off_error,
    is_dicom,
    one_line,
    text_of,
    whole_dataset,
)
from template_designer.inputs._dicom_folder import CtFile, FolderContent, scan_folder
from template_designer.inputs.dicom_identity import dicom_identity
from template_designer.inputs.formats import ImageFormat
from template_designer.model import ImageVolume, PlanWarning

PLAUSIBLE_RANGE_HU = 200
"""A CT of a patient spans more than this, from fat to bone; less is not in Hounsfield units."""


def recognises(path: Path) -> bool:
    """Whether this reader is the one for a path: a folder, or a DICOM file named by mistake."""
    return path.is_dir() or is_dicom(path)


def read_ct_series(
    folder: Path, *, series_uid: str | None = None, referenced_uids: Sequence[str] = ()
) -> tuple[ImageVolume, tuple[PlanWarning, ...]]:
    """Read the CT series in a folder.

    Parameters
    ----------
    folder : Path
        Files in any order, with any names; what is not a CT slice is passed over. Subfolders are
        not searched.
    series_uid : str, optional
        Series Instance UID to read; needed when the folder holds several series.
    referenced_uids : sequence of str
        Series the structures were drawn on; if exactly one is in the folder, it is read.

    Returns
    -------
    image : ImageVolume
        Hounsfield units, rounded and clipped to int16, slices along cross(+column, +row).
    warnings : tuple of PlanWarning
        Localizers passed over, repeated slices dropped, implausible values.

    Raises
    ------
    InputError
        If there is no CT, more than one series, or the files are not one whole, even stack.
    """
    content = scan_folder(folder)
    uid = _choose(content, series_uid, referenced_uids)
    warnings = list(content.warnings)
    if referenced_uids and uid not in referenced_uids:
        warnings.append(
            PlanWarning(
                "series-not-referenced",
                f"the structures were drawn on series {', '.join(referenced_uids)}, the CT is "
                f"{uid}; check that they belong together",
            )
        )
    return read_series(content.series[uid], warnings)


def read_series(
    files: Sequence[CtFile], warnings: Sequence[PlanWarning] = ()
) -> tuple[ImageVolume, tuple[PlanWarning, ...]]:
    """Read the files of one series into a volume; see ``read_ct_series``."""
    for file in files:
        if file.cut is not None:
            raise cut_off_error(file.path, file.cut)
    stack = order_slices([slice_header(file.path, file.header) for file in files])
    told = list(warnings)
    rows, columns = stack.slices[0][0].size
    hu = np.zeros((len(stack.slices), rows, columns), dtype=np.int16)
    for k, at_position in enumerate(stack.slices):
        hu[k] = _one_of(at_position, told)
    told.extend(_value_warnings(files[0].header, hu))
    return _volume(hu, stack, {file.path: file.header for file in files}), tuple(told)


def _choose(content: FolderContent, series_uid: str | None, referenced: Sequence[str]) -> str:
    folder, there = content.folder, sorted(content.series)
    if not there and content.others["enhanced multi-frame CT"]:
        raise InputError(
            f"{folder}: holds an enhanced multi-frame CT, which is not read; export it as single "
            "slices (CT Image Storage)"
        )
    if not there:
        raise InputError(
            f"{folder}: holds no CT slices (found: {content.describe()}); name the folder of one "
            "CT series"
        )
    listed = "; ".join(content.describe_series(uid) for uid in there)
    if series_uid is not None:
        if series_uid not in content.series:
            raise InputError(f"{folder}: holds no CT series {series_uid}; it holds {listed}")
        return series_uid
    matching = [uid for uid in dict.fromkeys(referenced) if uid in content.series]
    if len(there) == 1 or len(matching) == 1:
        return matching[0] if matching else there[0]
    raise InputError(
        f"{folder}: holds {len(there)} CT series: {listed}. Move all but one to another folder"
    )


def _one_of(at_position: Sequence[SliceHeader], warnings: list[PlanWarning]) -> NDArray[np.int16]:
    """Voxels at one position; repeats must be identical and are said."""
    first, *repeats = at_position
    hu = _hounsfield(first)
    for other in repeats:
        x, y, z = first.position_lps_mm
        where = f"{first.path.name} and {other.path.name} are both at ({x:.1f}, {y:.1f}, {z:.1f})"
        if not np.array_equal(hu, _hounsfield(other)):
            raise InputError(
                f"{first.path.parent}: {where} mm with different pixels; keep the files of one scan"
            )
        warnings.append(
            PlanWarning("slice-repeated", f"{where} mm with the same pixels; one is used")
        )
    return hu


def _hounsfield(header: SliceHeader) -> NDArray[np.int16]:
    """Voxels of one file in Hounsfield units, (rows, columns) int16."""
    dataset = whole_dataset(header.path)
    pixels = _decoded(header.path, dataset)
    if pixels.shape != header.size:
        raise InputError(
            f"{header.path}: pixel data of shape {pixels.shape} do not fill {header.size[0]} rows "
            f"and {header.size[1]} columns; export the CT again"
        )
    hu = np.rint(pixels.astype(np.float64) * header.slope + header.intercept)
    limits = np.iinfo(np.int16)
    return np.asarray(np.clip(hu, limits.min, limits.max).astype(np.int16))


def _decoded(path: Path, dataset: Dataset) -> NDArray[np.generic]:
    if "PixelData" not in dataset:
        raise InputError(f"{path}: holds no pixel data; it is cut off, export it again")
    syntax = dataset.file_meta.get("TransferSyntaxUID")
    if syntax is None:  # a file without file meta: pydicom found out how it is written
        explicit = not dataset.original_encoding[0]
        syntax = ExplicitVRLittleEndian if explicit else ImplicitVRLittleEndian
        dataset.file_meta.TransferSyntaxUID = syntax
    try:
        with python_warnings.catch_warnings():
            python_warnings.simplefilter("ignore")
            return np.asarray(dataset.pixel_array)
    except Exception as error:  # decoders raise many kinds
        if not syntax.is_transfer_syntax or syntax.is_compressed:
            raise InputError(
                f"{path}: its pixels are compressed as {syntax.name!r} ({one_line(syntax)}), which "
                "cannot be decoded here; export the CT uncompressed"
            ) from error
        reason = one_line(str(error))
        raise InputError(f"{path}: its pixel data are damaged ({reason}); export it again") from (
            error
        )


def _value_warnings(header: Dataset, hu: NDArray[np.int16]) -> list[PlanWarning]:
    low, high = int(hu.min()), int(hu.max())
    unit = text_of(header, "RescaleType")
    if high - low >= PLAUSIBLE_RANGE_HU and unit in ("", "HU"):
        return []
    stated = f"rescale type {unit!r}, " if unit else ""
    return [
        PlanWarning(
            "ct-values-implausible",
            f"the CT may not be in Hounsfield units ({stated}values from {low} to {high}); "
            "bone by threshold would be wrong",
        )
    ]


def _volume(hu: NDArray[np.int16], stack: Stack, headers: Mapping[Path, Dataset]) -> ImageVolume:
    first = stack.slices[0][0]
    identity = dicom_identity(stack, headers)  # before any text is decoded as declared
    header = headers[first.path]
    return ImageVolume(
        hu=hu,
        origin_lps_mm=first.position_lps_mm,
        axes_lps=stack.axes_lps,
        spacing_mm=stack.spacing_mm,
        frame_of_reference_uid=first.frame_uid,
        study_uid=text_of(header, "StudyInstanceUID"),
        series_uid=text_of(header, "SeriesInstanceUID"),
        patient_id=text_of(header, "PatientID"),
        patient_position=first.patient_position,
        dicom=identity,
    )


FORMAT = ImageFormat(
    name="a DICOM series (a folder)",
    recognises=recognises,
    read=lambda path, referenced: read_ct_series(path, referenced_uids=referenced),
)
