"""Dose on a grid: exactly, from a table, or by shift and add; and which of them pays.

The quick ways are within 1 % of the exact sum at every voxel, and within 0.3 % at 99.9 % of those
more than 2 mm from a seed; what was measured is far less (docs/dose.md).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from enum import StrEnum
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dose import _kernels, _kernels_table
from dose._tables import kernel_tables
from dose.errors import DoseInputError
from dose.grid import DoseField, DoseGrid
from dose.sources.model import SeedModel
from dose.superposition import MM_PER_CM, SeedArrays, gy_per_u, seed_arrays, sum_over_seeds

Progress = Callable[[int, int], None]
"""Called with slices done and slices in all."""

COLUMNS = 449
"""Columns of the table: 0.26 degrees at most, for the kinks of F between angles. A power of
two would put every row on the same lines of the cache, and cost a quarter of the speed."""

NEAR_CM = 0.5
"""Nearer to a seed no table is used: there r2 G_L g F bends most, and the capsule has edges."""

TABLE_ERROR = 5e-3
"""Part by which ``table`` and ``shift`` may err at any voxel: half of what is promised. One seed of
any source on board was measured to err by 0.3 % at most (docs/dose.md)."""

FARTHEST_CM = 50.0
"""Farthest voxel that the table serves; a dose grid of a patient ends well before it."""

SHIFT_TOLERANCE = 5e-4
"""Part of a voxel by which seeds may miss whole voxels: plans give their positions to 0.001 mm. At
the wall of a capsule, 0.4 mm out, the dose then errs by 0.25 % on a grid of 1 mm."""

ON_LINE_CM, PARALLEL = 5e-5, 1e-9
"""How far from a common line, and 1 - cosine of the angle between axes, up to which seeds count as
on one needle and share the distances from it: plans give positions to 0.001 mm."""

LARGEST_SHIFT_GRID = 50_000_000
"""Voxels of the one-seed grid that shift and add may keep (0.2 GB)."""

EXACT_IS_QUICK = 2_000_000
"""Seeds x voxels that the exact sum does in under 20 ms: there is nothing to save."""

SLAB_WORK = 50_000_000
"""Seeds x voxels between two reports of progress: about a tenth of a second."""


class GridMethod(StrEnum):
    """How ``dose_on_grid`` fills a grid."""

    AUTO = "auto"  # the quickest that holds
    EXACT = "exact"  # TG-43 at every voxel
    TABLE = "table"  # seeds of any axis, one table of the seed's dose
    SHIFT = "shift"  # parallel seeds, whole voxels apart


def dose_on_grid(
    source: SeedModel,
    centers_mm: ArrayLike,
    axes: ArrayLike,
    strength_u: ArrayLike,
    grid: DoseGrid,
    progress: Progress | None = None,
    *,
    method: str = GridMethod.AUTO,
) -> DoseField:
    """Dose to full decay of many seeds at every voxel centre of a grid.

    Parameters
    ----------
    source, centers_mm, axes, strength_u
        As for ``dose_at_points``.
    grid : DoseGrid
        Same frame as the seeds.
    progress : callable, optional
        Called as ``progress(slices_done, slices)``, several times a second.
    method : {"auto", "exact", "table", "shift"}
        ``exact`` gives every voxel what ``dose_at_points`` gives there. ``table`` looks the dose of
        each seed up, for seeds of any axis. ``shift`` adds one seed's grid up, for parallel seeds
        that lie whole voxels apart. ``auto`` takes the quickest that holds; the quick ones err by
        under 0.3 % at 99.9 % of the voxels more than 2 mm from a seed, and by under 1 % anywhere.

    Returns
    -------
    DoseField
        The same for any number of threads.

    Raises
    ------
    DoseInputError
        As for ``dose_at_points``, or if the method is not known or cannot serve these seeds.
    """
    seeds = seed_arrays(source, centers_mm, axes, strength_u)
    chosen = chosen_method(method_of(method), seeds, grid)
    values = fill_grid(chosen, source, seeds, grid, progress)
    values.setflags(write=False)
    return DoseField(grid, values)


def method_of(name: str) -> GridMethod:
    """Grid method of that name; ``DoseInputError`` lists the names there are."""
    try:
        return GridMethod(name)
    except ValueError as error:
        names = ", ".join(method.value for method in GridMethod)
        raise DoseInputError(f"method = {name!r} is not known; choose one of: {names}") from error


def chosen_method(wanted: GridMethod, seeds: SeedArrays, grid: DoseGrid) -> GridMethod:
    """Method to use: the one that is wanted, or for ``auto`` the quickest that holds.

    Raises
    ------
    DoseInputError
        If the wanted method cannot serve these seeds on this grid; the message says why.
    """
    if wanted is GridMethod.EXACT:
        return wanted
    voxels, n_seeds = math.prod(grid.shape), seeds[2].size
    too_far = _reach_cm(seeds, grid) > FARTHEST_CM
    if wanted is not GridMethod.AUTO and too_far:
        raise DoseInputError(
            f"method = {wanted.value!r} serves voxels up to {10.0 * FARTHEST_CM:g} mm from a seed, "
            "and this grid reaches farther; use method = 'exact', or nearer bounds"
        )
    if wanted is GridMethod.TABLE:
        return wanted
    shifts, why_not = whole_voxel_shifts(seeds, grid)
    if wanted is GridMethod.SHIFT:
        if shifts is None:
            raise DoseInputError(f"method = 'shift' cannot serve: {why_not}; use 'auto'")
        return wanted
    if too_far or n_seeds * voxels < EXACT_IS_QUICK:
        return GridMethod.EXACT
    # the one-seed grid costs a look-up for every voxel of its own
    if shifts is not None and math.prod(_one_seed_shape(shifts, grid)) < n_seeds * voxels / 2:
        return GridMethod.SHIFT
    return GridMethod.TABLE


def fill_grid(
    method: GridMethod,
    source: SeedModel,
    seeds: SeedArrays,
    grid: DoseGrid,
    progress: Progress | None = None,
) -> NDArray[np.float64]:
    """Dose at every voxel by a method that :func:`chosen_method` returned, Gy, ``[z, y, x]``."""
    if not seeds[2].size:
        return np.zeros(grid.shape)
    if method is GridMethod.SHIFT:
        return _by_shifts(source, seeds, grid, progress)
    fill = _exact_slab if method is GridMethod.EXACT else _table_slab
    values = np.zeros(grid.shape)
    for low, high in _slabs(grid, seeds[2].size):
        fill(source, seeds, grid, low, high, values)
        if progress is not None:
            progress(high, grid.shape[0])
    return values


def whole_voxel_shifts(
    seeds: SeedArrays, grid: DoseGrid
) -> tuple[NDArray[np.int64] | None, str | None]:
    """How many voxels each seed lies from the first one, (s, 3) x, y, z; or None and why not."""
    centers_cm, axes, _ = seeds
    if not len(centers_cm):
        return None, "there is no seed"
    if not np.allclose(np.abs(axes @ axes[0]), 1.0, rtol=0.0, atol=1e-12):
        return None, "the seeds are not parallel"
    apart = (centers_cm - centers_cm[0]) * MM_PER_CM / grid.spacing_mm
    shifts = np.rint(apart)
    off = float(np.abs(apart - shifts).max())
    if off > SHIFT_TOLERANCE:
        return None, f"seeds lie up to {off:.3g} voxels off whole voxels from one another"
    whole = shifts.astype(np.int64)
    if math.prod(_one_seed_shape(whole, grid)) > LARGEST_SHIFT_GRID:
        return None, f"the grid of one seed would have over {LARGEST_SHIFT_GRID} voxels"
    return whole, None


def _one_seed_shape(shifts: NDArray[np.int64], grid: DoseGrid) -> tuple[int, int, int]:
    """Voxels (z, y, x) on which the dose of one seed is needed to serve every shift."""
    nx, ny, nz = (grid.shape[::-1] + np.ptp(shifts, axis=0)).tolist()
    return nz, ny, nx


def _by_shifts(
    source: SeedModel, seeds: SeedArrays, grid: DoseGrid, progress: Progress | None
) -> NDArray[np.float64]:
    centers_cm, axes, strengths = seeds
    shifts, _ = whole_voxel_shifts(seeds, grid)
    assert shifts is not None  # chosen_method saw to it
    most = shifts.max(axis=0)
    origin = np.asarray(grid.origin_mm) - most * grid.spacing_mm
    x, y, z = origin.tolist()
    wide = DoseGrid((x, y, z), grid.spacing_mm, _one_seed_shape(shifts, grid))
    first = (centers_cm[:1], axes[:1], np.ones(1))
    one_seed = np.zeros(wide.shape, dtype=np.float32)
    _table_slab(source, first, wide, 0, wide.shape[0], one_seed)
    values = np.zeros(grid.shape)
    by_axis = np.ascontiguousarray((most - shifts)[:, ::-1])  # z, y, x as arrays are indexed
    for low, high in _slabs(grid, strengths.size):
        part = one_seed[low:]
        _kernels_table.shift_and_add(part, by_axis, strengths, values[low:high])
        if progress is not None:
            progress(high, grid.shape[0])
    return values


def _exact_slab(
    source: SeedModel,
    seeds: SeedArrays,
    grid: DoseGrid,
    low: int,
    high: int,
    values: NDArray[np.float64],
) -> None:
    for k in range(low, high):
        values[k] = sum_over_seeds(source, seeds, grid.slice_points_mm(k)).reshape(grid.shape[1:])


def _table_slab(
    source: SeedModel,
    seeds: SeedArrays,
    grid: DoseGrid,
    low: int,
    high: int,
    values: NDArray[np.floating],
) -> None:
    (centers_cm, axes, strengths), needles = _by_needle(seeds)
    rows = (
        math.ceil(_reach_cm(seeds, grid) * _kernels_table.ROWS_PER_CM) + 3
    )  # one past the last, and rounding
    _kernels_table.look_up_grid(
        kernel_tables(source),
        _dose_table(source, rows),
        NEAR_CM,
        centers_cm,
        axes,
        strengths * gy_per_u(source),
        needles,
        grid.x_mm / MM_PER_CM,
        grid.y_mm / MM_PER_CM,
        grid.z_mm[low:high] / MM_PER_CM,
        _brick((grid.shape[2], grid.shape[1], high - low)),
        values[low:high],
    )


def _brick(shape_xyz: tuple[int, int, int]) -> tuple[int, int, int]:
    """Voxels of a brick along x, y, z: as even as vectors allow, longer where a grid is flat."""
    nx, ny, nz = shape_xyz
    x, y = min(nx, 16), min(ny, 8)
    z = min(nz, _kernels_table.VOXELS // (x * y))
    y = min(ny, _kernels_table.VOXELS // (x * z))
    return min(nx, _kernels_table.VOXELS // (y * z)), y, z


def _by_needle(seeds: SeedArrays) -> tuple[SeedArrays, NDArray[np.int64]]:
    """Seeds in the order of the lines that they lie on, and the first seed of each one's line."""
    centers_cm, axes, strengths = seeds
    line = np.full(strengths.size, -1)
    for s in range(strengths.size):
        if line[s] < 0:
            offset = centers_cm - centers_cm[s]
            beside = offset - np.outer(offset @ axes[s], axes[s])
            parallel = np.abs(np.abs(axes @ axes[s]) - 1.0) < PARALLEL
            line[(line < 0) & parallel & (np.linalg.norm(beside, axis=1) < ON_LINE_CM)] = s
    order = np.argsort(line, kind="stable")
    _, first = np.unique(line[order], return_index=True)
    needles = np.repeat(first, np.diff(np.append(first, strengths.size)))
    return (centers_cm[order], axes[order], strengths[order]), needles


@lru_cache(maxsize=4)
def _dose_table(source: SeedModel, rows: int) -> NDArray[np.complex64]:
    """``r2 G_L g F`` at ``rows`` radii and ``COLUMNS`` angles, and its steps along the columns."""
    t = np.linspace(0.0, 1.0, COLUMNS)
    r_cm = np.arange(rows) / _kernels_table.ROWS_PER_CM
    norm = np.hypot(t, 1.0 - t)  # rho = r t / norm and |z| = r (1 - t) / norm
    along, across = np.outer(r_cm, (1.0 - t) / norm), np.outer(r_cm, t / norm)
    shape = np.zeros(along.size)
    _kernels.dose_rate_shape(kernel_tables(source), along.ravel(), across.ravel(), shape)
    table = np.zeros(along.shape, dtype=np.complex64)
    table.real = shape.reshape(along.shape) * (r_cm**2)[:, None]
    table.imag[:, :-1] = np.diff(table.real, axis=1)
    table.setflags(write=False)
    return table


def _reach_cm(seeds: SeedArrays, grid: DoseGrid) -> float:
    """Upper bound of the distance from any seed to any voxel."""
    if not len(seeds[0]):
        return 0.0
    low, high = np.asarray(grid.origin_mm) / MM_PER_CM, np.asarray(grid.upper_mm) / MM_PER_CM
    farthest = np.maximum(np.abs(seeds[0] - low), np.abs(seeds[0] - high))
    return float(np.linalg.norm(farthest, axis=1).max())


def _slabs(grid: DoseGrid, n_seeds: int) -> list[tuple[int, int]]:
    """Ranges of slices along z of about ``SLAB_WORK`` each, at least one slice."""
    nz, ny, nx = grid.shape
    step = max(1, int(SLAB_WORK / (ny * nx * max(n_seeds, 1))))
    return [(low, min(low + step, nz)) for low in range(0, nz, step)]
