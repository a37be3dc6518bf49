"""``RTDOSE.dcm``: the plan's physical dose to full decay on its grid, in the CT's frame."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from exports.dicom.identity import (
    RTDOSE_CLASS,
    RTPLAN_CLASS,
    as_file,
    identity_of,
    images_day,
    new_object,
    number,
    plan_uids,
    reference_to,
    text,
)
from exports.rounding import rounded_up
from template_designer.errors import OutputError
from template_designer.model import Plan

SCALING_DIGITS = 11
"""Significant digits of Dose Grid Scaling, so that it fits DICOM's 16 characters."""

_FRAME_OFFSETS = 0x3004000C


def build(plan: Plan) -> bytes:
    """The dose as a DICOM file, in steps chosen so that the maximum just fits.

    Every value is within half a step of the plan's: with 16 bits (``[dicom] dose_bits``) within
    8e-6 of the maximum, which beside a seed is some 30 times the prescription: 0.03 % of that.
    With 32 bits within 2e-10. The file's Dose Comment states it in Gy.

    Raises
    ------
    OutputError
        If the plan has no dose above 0.
    """
    uids = plan_uids(plan)
    dataset = new_object(plan, RTDOSE_CLASS, uids.rtdose, "RTDOSE")
    dataset.ContentDate, dataset.ContentTime = images_day(plan), identity_of(plan).study_time
    bits = plan.settings.dicom.dose_bits
    scaling, stored = scaled(plan.dose.values_gy, bits)
    _add_grid(dataset, plan)
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.BitsAllocated = dataset.BitsStored = bits
    dataset.HighBit = bits - 1
    dataset.PixelRepresentation = 0
    dataset.DoseUnits = "GY"
    dataset.DoseType = "PHYSICAL"
    dataset.DoseSummationType = "PLAN"
    half_gy = 0.5 * float(scaling)
    half_gy = rounded_up(half_gy, 1 - math.floor(math.log10(half_gy)))
    dataset.DoseComment = text(
        f"TG-43 in water, to full decay; rounded by {half_gy:.2g} Gy or less"
    )
    dataset.DoseGridScaling = scaling
    dataset.TissueHeterogeneityCorrection = "WATER"
    dataset.ReferencedRTPlanSequence = [reference_to(RTPLAN_CLASS, uids.rtplan)]
    dataset.add_new("PixelData", "OW", stored.tobytes())
    return as_file(dataset)


def scaled(values_gy: NDArray[np.float64], bits: int) -> tuple[str, NDArray[np.unsignedinteger]]:
    """Dose as whole steps, and the step as the file states it.

    Parameters
    ----------
    values_gy : ndarray of float64
        Gy, 0 or more.
    bits : int
        Of each stored value: 16 or 32.

    Returns
    -------
    scaling : str
        Gy of one step, in DICOM's decimal text: the very number the steps were counted with.
    stored : ndarray of uint16 or uint32
        Little endian, same shape.
    """
    largest = float(values_gy.max())
    if not 0.0 < largest < math.inf or float(values_gy.min()) < 0.0:
        raise OutputError(
            f"RTDOSE.dcm: doses from {float(values_gy.min()):g} to {largest:g} Gy cannot be "
            "written; a plan's dose is above 0 somewhere and nowhere below"
        )
    step = largest / (2**bits - 2)  # one step to spare: the text may round down
    scaling = f"{step:.{SCALING_DIGITS - 1}e}"
    return scaling, np.rint(values_gy / float(scaling)).astype(f"<u{bits // 8}")


def _add_grid(dataset: Dataset, plan: Plan) -> None:
    """Place of the voxels: rows along the patient's x, columns along y, frames along z."""
    grid = plan.dose.grid
    frames, rows, columns = grid.shape
    x_mm, y_mm, z_mm = grid.spacing_mm
    entries = {
        "ImagePositionPatient": [number(value, 6) for value in grid.origin_mm],
        "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
        "PixelSpacing": [number(y_mm, 6), number(x_mm, 6)],
        "SliceThickness": number(z_mm, 6),
        "GridFrameOffsetVector": [number(k * z_mm, 6) for k in range(frames)],
        "NumberOfFrames": frames,
        "FrameIncrementPointer": _FRAME_OFFSETS,
        "Rows": rows,
        "Columns": columns,
    }
    for keyword, value in entries.items():
        setattr(dataset, keyword, value)
