r"""The 1D formalism of TG-43U1: each seed as a point whose dose is the same in all directions.

For a seed whose direction is not known. The dose rate is that of eq. 11 of TG-43U1,

.. math:: S_K \Lambda \frac{G_L(r, 90°)}{G_L(1\,cm, 90°)} g_L(r) \phi_{an}(r)

which equals eq. 10 with :math:`g_P` worked out from :math:`g_L`; g_L and not g_P is interpolated,
because it is the smoother one near the seed. phi_an is linear in r, and its last value holds beyond
the table. Below its first radius, and nearer than half the capsule's length where that is more, the
2D formalism holds: so near a seed its dose is far from the same in all directions, and a mean over
them says nothing.

References
----------
.. [1] Rivard et al., Med. Phys. 31, 633 (2004). https://doi.org/10.1118/1.1646040
.. [2] Rivard et al., Med. Phys. 34, 2187 (2007). https://doi.org/10.1118/1.2736790
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dose import _kernels_1d
from dose._tables import factor_tables, kernel_tables
from dose.errors import DoseInputError
from dose.sources.consistency import point_radial_dose_of
from dose.sources.model import SeedModel
from dose.superposition import CGY_PER_GY, seed_arrays
from dose.tg43 import MM_PER_CM, radial_dose, rate_per_shape
from dose.validation import validate_array, validate_points, validate_strengths


def point_radial_dose(source: SeedModel, r_mm: ArrayLike) -> NDArray[np.float64]:
    r"""Radial dose function g_P(r) of the point-source formalism, worked out from g_L.

    :math:`g_P(r) = g_L(r)\, r^2 G_L(r, 90°) / G_L(1\,cm, 90°)` with r in cm; g_L is interpolated
    and extrapolated as ``radial_dose`` does. It is 0 at r = 0.

    Parameters
    ----------
    source : SeedModel
    r_mm : (n,) array_like of float
        Distance from the seed centre, mm, 0 or more.

    Returns
    -------
    (n,) ndarray of float64

    Raises
    ------
    DoseInputError
        If a distance is negative or not finite.

    Examples
    --------
    >>> from dose import load_source
    >>> point_radial_dose(load_source("I125-6711"), [5.0, 10.0]).round(4)
    array([1.0483, 1.    ])
    """
    radial = radial_dose(source, r_mm)
    return radial * point_radial_dose_of(source, validate_array(r_mm, "r_mm") / MM_PER_CM)


def anisotropy_factor(source: SeedModel, r_mm: ArrayLike) -> NDArray[np.float64]:
    """1D anisotropy function phi_an(r): linear in r, the last value beyond the table.

    Parameters
    ----------
    source : SeedModel
    r_mm : (n,) array_like of float
        Distance from the seed centre, mm, from the table's first radius on.

    Returns
    -------
    (n,) ndarray of float64

    Raises
    ------
    DoseInputError
        If a distance lies below the table, or is not finite.
    """
    r_cm = validate_array(r_mm, "r_mm") / MM_PER_CM
    first_cm = float(source.anisotropy_factor_r_cm[0])
    below = np.flatnonzero(r_cm < first_cm)
    if below.size:
        raise DoseInputError(
            f"r_mm[{below[0]}] = {MM_PER_CM * r_cm[below[0]]:g} mm is nearer than the first radius "
            f"of phi_an of source {source.id!r}, {MM_PER_CM * first_cm:g} mm; use the 2D formalism "
            "there (dose_rate_cgy_h), as dose_at_points_1d does by itself"
        )
    return np.interp(r_cm, source.anisotropy_factor_r_cm, source.anisotropy_factor)


def dose_rate_1d_cgy_h(
    source: SeedModel, r_mm: ArrayLike, *, strength_u: float = 1.0
) -> NDArray[np.float64]:
    """Give the initial dose rate of one seed in water, 1D point-source formalism.

    Parameters
    ----------
    source : SeedModel
    r_mm : (n,) array_like of float
        Distance from the seed centre, mm, from the first radius of phi_an on.
    strength_u : float
        Air-kerma strength, U.

    Returns
    -------
    (n,) ndarray of float64
        cGy per hour.

    Raises
    ------
    DoseInputError
        If a distance lies below the phi_an table, the strength is negative, or a value is not
        finite.
    """
    strength = float(validate_strengths(strength_u, 1)[0])
    factor = anisotropy_factor(source, r_mm)
    r_cm = validate_array(r_mm, "r_mm") / MM_PER_CM
    return strength * source.dose_rate_constant * factor * point_radial_dose(source, r_mm) / r_cm**2


def dose_at_points_1d(
    source: SeedModel,
    centers_mm: ArrayLike,
    axes: ArrayLike,
    strength_u: ArrayLike,
    points_mm: ArrayLike,
) -> NDArray[np.float64]:
    """Dose to full decay of many seeds at many points, summed, 1D point-source formalism.

    ``dose_at_points`` is the default of this package; this one is for comparing with systems that
    know no directions. The axes serve only points nearer to a seed than the first radius of its
    phi_an table, or than half its capsule where that is more: there the 2D formalism holds. Beyond
    it the dose is the same whatever they are.

    Parameters
    ----------
    source, centers_mm, axes, strength_u, points_mm
        As for ``dose_at_points``.

    Returns
    -------
    (n,) ndarray of float64
        Gy to full decay.

    Raises
    ------
    DoseInputError
        As for ``dose_at_points``.

    Examples
    --------
    >>> from dose import load_source
    >>> source = load_source("I125-6711")  # 19.8472 Gy x phi_an(1 cm) = 0.944
    >>> dose_at_points_1d(source, [[0, 0, 0]], [0, 0, 1], 1.0, [[0, 0, 10]]).round(4)
    array([18.7358])
    """
    centers_cm, unit_axes, strengths = seed_arrays(source, centers_mm, axes, strength_u)
    points = validate_points(points_mm, "points_mm")
    out = np.zeros(points.shape[0])
    if out.size and strengths.size:
        xyz_cm = np.ascontiguousarray(points.T) / MM_PER_CM
        weights = strengths * (rate_per_shape(source) * source.mean_life_hours / CGY_PER_GY)
        tables, factor = kernel_tables(source), factor_tables(source)
        _kernels_1d.sum_dose_1d(tables, factor, centers_cm, unit_axes, weights, xyz_cm, out)
    return out
