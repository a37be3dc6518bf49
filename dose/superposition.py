"""Dose of many seeds at many points: the TG-43U1 dose of each, added up.

All lengths are mm, all dose Gy to full decay in water; which frame is used does not matter, as
long as centres, axes and points share it. Seeds do not shield each other, and everything is
water: the limits of the formalism.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from dose import _kernels
from dose._tables import kernel_tables
from dose.errors import DoseInputError
from dose.sources.model import SeedModel
from dose.tg43 import MM_PER_CM, rate_per_shape
from dose.validation import validate_axes, validate_points, validate_strengths

CGY_PER_GY = 100.0

SeedArrays = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]
"""Checked seeds: centres (s, 3) cm, unit axes (s, 3), strengths (s,) U."""


def dose_at_points(
    source: SeedModel,
    centers_mm: ArrayLike,
    axes: ArrayLike,
    strength_u: ArrayLike,
    points_mm: ArrayLike,
) -> NDArray[np.float64]:
    """Dose to full decay of many seeds at many points, summed, 2D line-source formalism.

    Every seed counts at every distance: the tables are read exactly, nothing is cut off. A point
    inside a capsule gets that seed's dose on the capsule's side at the same height, so that the
    sum stays finite there; a real dose inside a capsule has no clinical meaning.

    Parameters
    ----------
    source : SeedModel
    centers_mm : (s, 3) array_like of float
        Seed centres, mm; an empty list gives zero dose.
    axes : (s, 3) or (3,) array_like of float
        Seed directions, of any length above 0; one vector serves all seeds.
    strength_u : float or (s,) array_like of float
        Air-kerma strength of all seeds, or one per seed, U, 0 or more.
    points_mm : (n, 3) array_like of float
        Where the dose is wanted, same frame as the seeds.

    Returns
    -------
    (n,) ndarray of float64
        Gy to full decay.

    Raises
    ------
    DoseInputError
        If a shape does not fit, an axis has no length, a strength is negative, or a value is not
        finite; the message names the argument and the row.

    Examples
    --------
    >>> from dose import load_source
    >>> source = load_source("I125-6711")
    >>> dose_at_points(source, [[0, 0, 0]], [0, 0, 1], 1.0, [[10, 0, 0]]).round(4)
    array([19.8472])
    """
    seeds = seed_arrays(source, centers_mm, axes, strength_u)
    points = validate_points(points_mm, "points_mm")
    return sum_over_seeds(source, seeds, points)


def influence_matrix(
    source: SeedModel,
    centers_mm: ArrayLike,
    axes: ArrayLike,
    points_mm: ArrayLike,
    dtype: DTypeLike = np.float32,
) -> NDArray[np.floating]:
    """Dose to full decay of each seed at each point for a strength of 1 U, not summed.

    Parameters
    ----------
    source : SeedModel
    centers_mm, axes, points_mm
        As for ``dose_at_points``.
    dtype : numpy.float32 or numpy.float64
        Type of the result; it is computed in float64 either way.

    Returns
    -------
    (s, n) ndarray of ``dtype``
        Gy per U.

    Raises
    ------
    DoseInputError
        As for ``dose_at_points``, or if ``dtype`` is neither of the two.
    """
    wanted = np.dtype(dtype)
    if wanted not in (np.dtype(np.float32), np.dtype(np.float64)):
        raise DoseInputError(f"dtype = {wanted} is not offered; choose float32 or float64")
    centers_cm, unit_axes, _ = seed_arrays(source, centers_mm, axes, 1.0)
    points = validate_points(points_mm, "points_mm")
    out = np.zeros((centers_cm.shape[0], points.shape[0]), dtype=wanted)
    if out.size:
        xyz_cm = np.ascontiguousarray(points.T) / MM_PER_CM
        _kernels.fill_influence(
            kernel_tables(source), centers_cm, unit_axes, gy_per_u(source), xyz_cm, out
        )
    return out


def seed_arrays(
    source: SeedModel, centers_mm: ArrayLike, axes: ArrayLike, strength_u: ArrayLike
) -> SeedArrays:
    """Check what describes seeds; for this package's own use."""
    if not isinstance(source, SeedModel):
        raise DoseInputError(f"source = {source!r} is no SeedModel; get one from load_source(name)")
    centers = validate_points(centers_mm, "centers_mm")
    return (
        centers / MM_PER_CM,
        validate_axes(axes, centers.shape[0]),
        validate_strengths(strength_u, centers.shape[0]),
    )


def sum_over_seeds(
    source: SeedModel, seeds: SeedArrays, points_mm: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Dose at checked (n, 3) points, Gy; for this package's own use."""
    centers_cm, axes, strengths = seeds
    out = np.zeros(points_mm.shape[0])
    if out.size and strengths.size:
        xyz_cm = np.ascontiguousarray(points_mm.T) / MM_PER_CM
        weights = strengths * gy_per_u(source)
        _kernels.sum_dose(kernel_tables(source), centers_cm, axes, weights, xyz_cm, out)
    return out


def gy_per_u(source: SeedModel) -> float:
    """Dose to full decay per G_L g F and air-kerma strength; for this package's own use."""
    return rate_per_shape(source) * source.mean_life_hours / CGY_PER_GY
