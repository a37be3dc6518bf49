"""The functions of the TG-43U1 formalism for one line-source seed, in its polar coordinates.

References
----------
.. [1] Rivard et al., Med. Phys. 31, 633 (2004). https://doi.org/10.1118/1.1646040
.. [2] Rivard et al., Med. Phys. 34, 2187 (2007). https://doi.org/10.1118/1.2736790
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dose import _kernels
from dose._tables import kernel_tables
from dose.errors import DoseInputError
from dose.sources.model import SeedModel
from dose.validation import validate_array, validate_number, validate_strengths

MM_PER_CM = 10.0

ON_LINE_MM2 = 1e-9
"""Length x distance from the axis, under which a point between the ends counts as on the line."""


def geometry_function(
    r_mm: ArrayLike, theta_rad: ArrayLike, *, active_length_mm: float
) -> NDArray[np.float64]:
    r"""Line-source geometry function :math:`G_L(r, \theta)` of one seed.

    Parameters
    ----------
    r_mm, theta_rad : (n,) array_like of float
        Distance from the seed centre (mm); angle from its axis (rad). Not on the line itself.
    active_length_mm : float
        Length of the radioactive line, in mm, above 0.

    Returns
    -------
    (n,) ndarray of float64
        :math:`G_L` in cm\ :sup:`-2`, the unit of the published tables.

    Raises
    ------
    DoseInputError
        If the shapes differ, a point lies on the radioactive line, or a value is not finite.

    References
    ----------
    .. [1] Rivard et al., Med. Phys. 31, 633 (2004). https://doi.org/10.1118/1.1646040
    """
    length_mm = validate_number(active_length_mm, "active_length_mm", above=0.0)
    r, theta = _polar(r_mm, theta_rad)
    near_axis = np.abs(r * np.sin(theta)) * length_mm < ON_LINE_MM2
    on_line = np.flatnonzero((r <= 0.5 * length_mm) & near_axis)
    if on_line.size:
        raise DoseInputError(
            f"r_mm[{on_line[0]}] = {r[on_line[0]]:g} mm lies on the radioactive line itself (half "
            f"of it is {0.5 * length_mm:g} mm), where G_L is infinite; ask for points beside it"
        )
    out = np.zeros(r.size)
    _kernels.line_geometry(r / MM_PER_CM, theta, length_mm / MM_PER_CM, out)
    return out


def radial_dose(source: SeedModel, r_mm: ArrayLike) -> NDArray[np.float64]:
    """Radial dose function g_L(r) of a seed model.

    Between table radii ln g is linear in r; below the first the first value holds; above the last
    a single exponential runs through the two outermost (TG-43U1S1).

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
    >>> radial_dose(load_source("I125-6711"), [10.0, 20.0])
    array([1.   , 0.814])
    """
    r = _distances(r_mm)
    return _table_values(source, r, np.zeros(r.size))[0]


def anisotropy(source: SeedModel, r_mm: ArrayLike, theta_rad: ArrayLike) -> NDArray[np.float64]:
    """2D anisotropy function F(r, theta) of a seed model.

    Bilinear in r and theta; theta is folded to 0-90 degrees; outside the table's radii the value
    at the nearest one holds (TG-43U1S1).

    Parameters
    ----------
    source : SeedModel
    r_mm, theta_rad : (n,) array_like of float
        Distance from the seed centre (mm, 0 or more); angle from its axis (rad).

    Returns
    -------
    (n,) ndarray of float64

    Raises
    ------
    DoseInputError
        If the shapes differ, a distance is negative, or a value is not finite.
    """
    r, theta = _polar(r_mm, theta_rad)
    theta_deg = np.degrees(theta) % 180.0
    return _table_values(source, r, np.minimum(theta_deg, 180.0 - theta_deg))[1]


def dose_rate_cgy_h(
    source: SeedModel, r_mm: ArrayLike, theta_rad: ArrayLike, *, strength_u: float = 1.0
) -> NDArray[np.float64]:
    """Give the initial dose rate of one seed in water, 2D line-source formalism.

    Parameters
    ----------
    source : SeedModel
    r_mm, theta_rad : (n,) array_like of float
        Distance from the seed centre (mm); angle from its axis (rad). Inside the capsule the dose
        rate on its side at the same height holds.
    strength_u : float
        Air-kerma strength, U.

    Returns
    -------
    (n,) ndarray of float64
        cGy per hour.

    Raises
    ------
    DoseInputError
        If the shapes differ, a distance or the strength is negative, or a value is not finite.
    """
    strength = float(validate_strengths(strength_u, 1)[0])
    r, theta = _polar(r_mm, theta_rad)
    r_cm = r / MM_PER_CM
    out = np.zeros(r.size)
    along, across = np.abs(r_cm * np.cos(theta)), np.abs(r_cm * np.sin(theta))
    _kernels.dose_rate_shape(kernel_tables(source), along, across, out)
    return out * (strength * rate_per_shape(source))


def rate_per_shape(source: SeedModel) -> float:
    """Lambda / G_L(1 cm, 90 degrees), cGy cm2 h-1 U-1; for this package's own use."""
    (reference,) = geometry_function(
        [MM_PER_CM], [0.5 * math.pi], active_length_mm=source.active_length_mm
    )
    return float(source.dose_rate_constant / reference)


def _polar(
    r_mm: ArrayLike, theta_rad: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    r, theta = _distances(r_mm), validate_array(theta_rad, "theta_rad")
    if r.shape != theta.shape:
        raise DoseInputError(
            f"r_mm has {r.size} value(s), theta_rad {theta.size}; give one angle per distance"
        )
    return r, theta


def _table_values(
    source: SeedModel, r_mm: NDArray[np.float64], theta_deg: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    radial, ratio = np.zeros(r_mm.size), np.zeros(r_mm.size)
    _kernels.table_values(kernel_tables(source), r_mm / MM_PER_CM, theta_deg, radial, ratio)
    return radial, ratio


def _distances(r_mm: ArrayLike) -> NDArray[np.float64]:
    r = validate_array(r_mm, "r_mm")
    if (r < 0.0).any():
        index = int(np.flatnonzero(r < 0.0)[0])
        raise DoseInputError(f"r_mm[{index}] = {r[index]:g} mm is negative; give 0 or more")
    return r
