"""Dose of the same seeds in many arrangements: what placement errors make of one implant."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dose._kernels_arrangements import sum_dose_of_arrangements
from dose._tables import kernel_tables
from dose.errors import DoseInputError
from dose.sources.model import SeedModel
from dose.superposition import gy_per_u, seed_arrays
from dose.tg43 import MM_PER_CM
from dose.validation import validate_points, validate_strengths


def dose_of_arrangements(
    source: SeedModel,
    centers_mm: ArrayLike,
    axes: ArrayLike,
    strength_u: ArrayLike,
    points_mm: ArrayLike,
) -> NDArray[np.float64]:
    """Dose to full decay of many arrangements of the same seeds at the same points.

    Row ``k`` is what ``dose_at_points`` gives for ``centers_mm[k]`` and ``axes[k]``, to the last
    digit; all rows together are quicker.

    Parameters
    ----------
    source : SeedModel
    centers_mm : (k, s, 3) array_like of float
        Seed centres of each arrangement, mm.
    axes : (k, s, 3) array_like of float
        Seed directions, of any length above 0.
    strength_u : float or (s,) array_like of float
        Air-kerma strength of all seeds, or one per seed, U, 0 or more.
    points_mm : (n, 3) array_like of float
        Where the dose is wanted, same frame as the seeds.

    Returns
    -------
    (k, n) ndarray of float64
        Gy to full decay.

    Raises
    ------
    DoseInputError
        If a shape does not fit, or for the reasons of ``dose_at_points``; rows are counted through
        all arrangements.

    Examples
    --------
    >>> from dose import load_source
    >>> source = load_source("I125-6711")
    >>> centers = [[[0, 0, 0]], [[0, 0, 5]]]
    >>> dose_of_arrangements(source, centers, np.array([[[0, 0, 1]]] * 2), 1.0, [[10, 0, 0]]).shape
    (2, 1)
    """
    centers, directions = np.asarray(centers_mm), np.asarray(axes)
    if centers.ndim != 3 or centers.shape[-1] != 3 or directions.shape != centers.shape:
        raise DoseInputError(
            f"centers_mm has shape {centers.shape}, axes {directions.shape}; give both as "
            "(arrangements, seeds, 3)"
        )
    count, seeds, _ = centers.shape
    strengths = validate_strengths(strength_u, seeds)
    centers_cm, unit_axes, _ = seed_arrays(
        source, centers.reshape(-1, 3), directions.reshape(-1, 3), 1.0
    )
    points = validate_points(points_mm, "points_mm")
    out = np.zeros((count, points.shape[0]))
    if out.size and seeds:
        sum_dose_of_arrangements(
            kernel_tables(source),
            centers_cm.reshape(centers.shape),
            unit_axes.reshape(centers.shape),
            strengths * gy_per_u(source),
            np.ascontiguousarray(points.T) / MM_PER_CM,
            out,
        )
    return out
