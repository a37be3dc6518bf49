"""A dose grid large enough to hold a whole isodose, so that no volume is cut off at its edge."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dose.errors import DoseInputError
from dose.filling import TABLE_ERROR, dose_on_grid
from dose.grid import DoseField, DoseGrid
from dose.sources.model import SeedModel
from dose.superposition import SeedArrays, seed_arrays, sum_over_seeds
from dose.validation import validate_number, validate_points

GROWTH_MM = 5.0
"""How far a side of the grid moves out at a time."""

MAX_REACH_MM = 150.0
"""How far outside the seeds an isodose may be followed: no clinical dose reaches farther."""


def dose_field_enclosing(
    source: SeedModel,
    centers_mm: ArrayLike,
    axes: ArrayLike,
    strength_u: ArrayLike,
    *,
    dose_gy: float,
    spacing_mm: float,
    margin_mm: float = 10.0,
    include_mm: ArrayLike | None = None,
    max_reach_mm: float = MAX_REACH_MM,
) -> DoseField:
    """Dose on a grid that grows until every voxel of its border lies under ``dose_gy``.

    Voxel centres are whole multiples of the spacing from the frame's origin, so that grids of two
    plans in one frame (preplan and postplan) share their voxels.

    Parameters
    ----------
    source, centers_mm, axes, strength_u
        As for ``dose_at_points``.
    dose_gy : float
        Isodose to enclose, Gy, above 0; with several in use, the lowest.
    spacing_mm : float
        Distance between voxel centres, mm, the same along x, y and z.
    margin_mm : float
        Where each side starts: this far outside the outermost seed centre, mm, above 0.
    include_mm : (n, 3) array_like of float, optional
        Points that the grid must hold too (corners of a structure's bounding box).
    max_reach_mm : float
        Farthest that a side may move from the outermost seed or point, mm.

    Returns
    -------
    DoseField
        Its ``border_max_gy`` is under ``dose_gy``.

    Raises
    ------
    DoseInputError
        If there is neither a seed nor a point, the isodose reaches past ``max_reach_mm``, or as
        for ``dose_at_points``.
    """
    level = validate_number(dose_gy, "dose_gy", above=0.0)
    step = validate_number(spacing_mm, "spacing_mm", above=0.0)
    margin = validate_number(margin_mm, "margin_mm", above=0.0)
    reach = validate_number(max_reach_mm, "max_reach_mm", above=0.0)
    seeds = seed_arrays(source, centers_mm, axes, strength_u)
    centers = validate_points(centers_mm, "centers_mm")
    include = validate_points([] if include_mm is None else include_mm, "include_mm")
    inner = np.concatenate((centers, include))
    if inner.shape[0] == 0:
        raise DoseInputError("no seed and no point to put a grid around; give include_mm")
    near = np.concatenate((centers - margin, centers + margin, include))
    allowed = (inner.min(axis=0) - reach, inner.max(axis=0) + reach)
    grid = _grown(source, seeds, level, step, (near.min(axis=0), near.max(axis=0)), allowed)
    return dose_on_grid(source, centers_mm, axes, strength_u, grid)


Bounds = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Lower and upper corner of a box, (3,) each, mm."""


def _grown(
    source: SeedModel,
    seeds: SeedArrays,
    level_gy: float,
    step_mm: float,
    start_mm: Bounds,
    allowed_mm: Bounds,
) -> DoseGrid:
    """Smallest grid, in steps of growth from ``start_mm``, whose border is under the level."""
    lower, upper = start_mm
    while True:
        grid = _aligned(lower, upper, step_mm)
        hot = _sides_at_or_above(source, seeds, grid, level_gy)
        if not hot.any():
            return grid
        lower = np.where(hot[0], lower - GROWTH_MM, lower)
        upper = np.where(hot[1], upper + GROWTH_MM, upper)
        if (lower < allowed_mm[0]).any() or (upper > allowed_mm[1]).any():
            raise DoseInputError(
                f"the isodose of {level_gy:g} Gy reaches past the limit, max_reach_mm from the "
                f"seeds ({allowed_mm[0].tolist()} to {allowed_mm[1].tolist()} mm); check "
                "strength_u, or ask for a higher dose_gy"
            )


def _aligned(lower: NDArray[np.float64], upper: NDArray[np.float64], step: float) -> DoseGrid:
    """Grid on whole multiples of ``step`` that holds both bounds."""
    first = np.floor(lower / step + 1e-9).astype(np.int64)
    last = np.ceil(upper / step - 1e-9).astype(np.int64)
    nx, ny, nz = (last - first + 1).tolist()
    x, y, z = (first * step).tolist()
    return DoseGrid((x, y, z), (step, step, step), (nz, ny, nx))


def _sides_at_or_above(
    source: SeedModel, seeds: SeedArrays, grid: DoseGrid, level_gy: float
) -> NDArray[np.bool_]:
    """Which sides hold a voxel at the level: (2, 3), lower and upper, along x, y, z."""
    centers = (grid.x_mm, grid.y_mm, grid.z_mm)
    hot = np.zeros((2, 3), dtype=bool)
    for axis in range(3):
        for side, fixed in enumerate((centers[axis][:1], centers[axis][-1:])):
            x, y, z = (fixed if other == axis else centers[other] for other in range(3))
            face = np.stack(np.meshgrid(x, y, z, indexing="ij"), axis=-1).reshape(-1, 3)
            hot[side, axis] = (
                sum_over_seeds(source, seeds, face) >= level_gy * (1.0 - TABLE_ERROR)
            ).any()
    return hot
