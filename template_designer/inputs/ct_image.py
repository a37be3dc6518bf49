"""Makes a CT of a voxel file: Hounsfield units on slices, whatever format it was stored in."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from template_designer.errors import InputError
from template_designer.inputs._voxels import VoxelGrid, in_slices
from template_designer.inputs.dicom_ct import PLAUSIBLE_RANGE_HU
from template_designer.inputs.formats import ImageFormat, VolumeFormat
from template_designer.model import ImageVolume, PlanWarning

LEAST_AIR_HU = -200
"""A CT of a patient has air round or in it; where no voxel is darker, the scale may be another."""


def ct_image(grid: VoxelGrid) -> tuple[ImageVolume, tuple[PlanWarning, ...]]:
    """Make a CT of voxels.

    Parameters
    ----------
    grid : VoxelGrid
        Hounsfield units.

    Returns
    -------
    image : ImageVolume
        Rounded and clipped to int16; slices run head to feet, or along a far coarser axis; no
        frame of reference, study or series UID, for these files have none.
    warnings : tuple of PlanWarning
        What the reader said, and values that are hardly Hounsfield units.

    Raises
    ------
    InputError
        If a voxel is not a finite number, or there is one slice only.
    """
    values, origin, axes, spacing = in_slices(grid)
    if values.dtype.kind == "b":
        raise InputError(f"{grid.path}: holds only yes and no, it is a mask; name the CT")
    if len(values) < 2:
        raise InputError(
            f"{grid.path}: has one slice only; a CT volume needs at least two. Save the whole CT"
        )
    if values.dtype.kind == "f":
        bad = int(np.count_nonzero(~np.isfinite(values)))
        if bad:
            raise InputError(
                f"{grid.path}: {bad} of {values.size} voxels are not finite numbers (NaN); set "
                "them to -1024 (air) if they lie outside the scan, or export the CT again"
            )
    low, high = float(values.min()), float(values.max())
    limits = np.iinfo(np.int16)
    whole = np.rint(values) if values.dtype.kind == "f" else values
    hu = np.ascontiguousarray(np.clip(whole, limits.min, limits.max).astype(np.int16))
    image = ImageVolume(hu, origin, axes, spacing, frame_of_reference_uid="")
    return image, (*grid.warnings, *_value_warnings(low, high))


def _value_warnings(low: float, high: float) -> tuple[PlanWarning, ...]:
    limits = np.iinfo(np.int16)
    plausible = high - low >= PLAUSIBLE_RANGE_HU and low <= LEAST_AIR_HU
    if plausible and low >= limits.min and high <= limits.max:
        return ()
    text = (
        f"the CT may not be in Hounsfield units (values from {low:g} to {high:g}); bone by "
        "threshold would be wrong"
    )
    return (PlanWarning("ct-values-implausible", text),)


def image_format(volume: VolumeFormat) -> ImageFormat:
    """Make the format of a CT out of the format of a voxel file."""

    def read(path: Path, referenced: Sequence[str]) -> tuple[ImageVolume, tuple[PlanWarning, ...]]:
        return ct_image(volume.read(path))

    return ImageFormat(volume.name, volume.recognises, read, states_frame=False)
