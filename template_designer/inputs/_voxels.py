"""Voxels with their place in the patient, whatever kind of file they came from."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from template_designer.errors import InputError
from template_designer.model import PlanWarning

PLACE_TOLERANCE_MM = 0.1
"""How far any voxel may move when the axes are made exactly square: more is a sheared grid."""

SPACING_RANGE_MM = (0.05, 25.0)
"""Voxels of a CT or of a label map are inside this range; others were not stated in mm."""

COARSE_RATIO = 1.5
"""An axis this much coarser than the usual one is the axis that the slices are stacked along."""


@dataclass(frozen=True, slots=True, eq=False)
class VoxelGrid:
    """Voxels of one file. Voxel ``[a, b, c]`` has its centre (DICOM LPS, mm) at
    ``origin_lps_mm + a * step[0] + b * step[1] + c * step[2]`` with
    ``step = spacing_mm[:, None] * axes_lps``.
    """  # noqa: D205  # one formula, no summary line of its own

    path: Path
    values: NDArray[np.generic]  # (n0, n1, n2), in the index order of the file
    origin_lps_mm: NDArray[np.float64]  # (3,)
    axes_lps: NDArray[np.float64]  # (3, 3) orthonormal rows, one an index; either handedness
    spacing_mm: NDArray[np.float64]  # (3,), one an index
    warnings: tuple[PlanWarning, ...] = ()

    @property
    def steps_mm(self) -> NDArray[np.float64]:
        """LPS step from voxel to voxel, (3, 3), one row an index, mm."""
        return np.asarray(self.spacing_mm[:, None] * self.axes_lps)


def voxel_grid(
    path: Path,
    values: NDArray[np.generic],
    lps_from_index: NDArray[np.float64],
    warnings: tuple[PlanWarning, ...] = (),
) -> VoxelGrid:
    """Check that an array and its transform are a volume in the patient.

    Parameters
    ----------
    path : Path
        Of the file, for messages.
    values : ndarray
        The voxels; dimensions of size 1 after the third are dropped.
    lps_from_index : (4, 4) ndarray of float64
        From voxel indices to the centres of voxels, LPS, mm.
    warnings : tuple of PlanWarning
        What the reader of the file has to say.

    Raises
    ------
    InputError
        If there are more or fewer than three dimensions, if voxels hold several values (colours),
        or if the transform is not that of square voxels of a plausible size.
    """
    while values.ndim > 3 and values.shape[-1] == 1:
        values = values[..., 0]
    if values.dtype.names is not None or values.dtype.kind not in "buif":
        raise InputError(
            f"{path}: its voxels hold {values.dtype}, not one number each (a colour picture?); "
            "save a grey image or a label map"
        )
    if values.ndim != 3 or min(values.shape) < 1:
        shape = " x ".join(map(str, values.shape))
        raise InputError(
            f"{path}: holds {shape} voxels, which is not one volume (a time series, colours, or a "
            "single picture?); save one 3D volume"
        )
    axes, spacing, origin = _square(path, values.shape, lps_from_index)
    return VoxelGrid(path, values, origin, axes, spacing, warnings)


def _square(
    path: Path, shape: tuple[int, ...], lps_from_index: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Orthonormal axes (rows), spacing and origin of a transform; its middle stays where it is."""
    matrix = np.asarray(lps_from_index, dtype=np.float64)
    if not np.all(np.isfinite(matrix)):
        raise InputError(f"{path}: its position is not finite numbers; save the image again")
    steps = matrix[:3, :3].T
    spacing = np.linalg.norm(steps, axis=1)
    if not np.all((spacing >= SPACING_RANGE_MM[0]) & (spacing <= SPACING_RANGE_MM[1])):
        shown = " x ".join(f"{mm:.4g}" for mm in spacing)
        raise InputError(
            f"{path}: voxels of {shown} mm are no CT's; lengths must be in mm, save it again in mm"
        )
    directions = steps / spacing[:, None]
    left, _, right = np.linalg.svd(directions)
    axes = left @ right
    half = 0.5 * (np.array(shape) - 1.0)
    moved = np.linalg.norm((np.abs(axes - directions) * (spacing * half)[:, None]).sum(axis=0))
    if moved > PLACE_TOLERANCE_MM:
        raise InputError(
            f"{path}: its axes are not at right angles (voxels would move by {moved:.1f} mm): the "
            "grid is sheared (a tilted gantry?); resample it to a square grid"
        )
    middle = matrix[:3, 3] + half @ steps
    return axes + 0.0, spacing, middle - half @ (spacing[:, None] * axes)


def slice_index(grid: VoxelGrid, along_lps: NDArray[np.float64] | None = None) -> int:
    """Which index counts the slices: the one along a direction, unless another is far coarser.

    Parameters
    ----------
    grid : VoxelGrid
        The voxels.
    along_lps : (3,) ndarray, optional
        Direction the slices of the CT are stacked along; default head to feet.
    """
    wanted = np.array([0.0, 0.0, 1.0]) if along_lps is None else along_lps
    usual = int(np.argmax(np.abs(grid.axes_lps @ wanted)))
    coarsest = int(np.argmax(grid.spacing_mm))
    if grid.spacing_mm[coarsest] >= COARSE_RATIO * grid.spacing_mm[usual]:
        return coarsest
    return usual


def in_slices(
    grid: VoxelGrid,
) -> tuple[NDArray[np.generic], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Turn a volume into (slices, rows, columns), right-handed, indices along +L, +P, +H.

    Returns
    -------
    values : (slices, rows, columns) ndarray
        A view.
    origin_lps_mm : (3,) ndarray
        Centre of voxel ``[0, 0, 0]``.
    axes_lps : (3, 3) ndarray
        Unit rows +column, +row, +slice; slices rise along cross(+column, +row).
    spacing_mm : (3,) ndarray
        Between columns, rows, slices.
    """
    nearest = np.abs(grid.axes_lps)
    order = max(permutations(range(3)), key=lambda p: sum(nearest[p[n], n] for n in range(3)))
    patient_of = {index: n for n, index in enumerate(order)}
    slices = slice_index(grid)
    # cyclic order: column, row, slice are right-handed where all rise along +L, +P, +H
    columns, rows = (order[(patient_of[slices] + n) % 3] for n in (1, 2))
    flip = {index: grid.axes_lps[index, patient_of[index]] < 0.0 for index in range(3)}
    signs = np.array([-1.0 if flip[index] else 1.0 for index in range(3)])
    axes = (signs[:, None] * grid.axes_lps)[[columns, rows, slices]]
    if np.linalg.det(axes) < 0.0:  # far oblique and left-handed: the slices run the other way
        flip[slices] = not flip[slices]
        axes[2] = -axes[2]
    last = np.array([grid.values.shape[n] - 1.0 if flip[n] else 0.0 for n in range(3)])
    turned = np.flip(grid.values, tuple(n for n in range(3) if flip[n]))
    return (
        turned.transpose(slices, rows, columns),
        grid.origin_lps_mm + last @ grid.steps_mm,
        axes + 0.0,
        grid.spacing_mm[[columns, rows, slices]],
    )
