"""Whether the tables of one seed model agree with each other: phi_an with F, g_P with g_L.

Plain quadrature, apart from the compiled kernels, so that it can check them too.

References
----------
.. [1] Rivard et al., Med. Phys. 31, 633 (2004), eqs. 4, 6 and 10.
   https://doi.org/10.1118/1.1646040
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dose.sources.model import SeedModel, SourceTableError

PHI_AN_TOLERANCE_PCT = 1.0
"""How far phi_an may lie from the mean of F. In the tables on board it is at most 0.35 % at the
radii of F and 0.96 % between two of them (F is read bilinearly from 0.001 steps there), but for the
odd spots that the files list; F transposed, or a wrong length, is off by several per cent."""

ODD_SPOT_TOLERANCE_PCT = 6.0
"""The same at radii that a file lists as odd: the worst one published is 5.3 % (2301, 1 cm)."""

POINT_G_TOLERANCE = 6e-4
"""How far a published g_P may lie from g_L and the length, absolutely: both are printed to 0.001,
so half of that and a tenth for the product; an effective length wrong by 0.1 mm gives 0.008."""

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(16)


def mean_anisotropy(source: SeedModel, r_cm: float) -> float:
    """Phi_an(r) by its definition: the dose rate averaged over all directions, over that at 90.

    F is read linearly between its angles and radii. Each interval of angles is integrated with 16
    Gauss-Legendre nodes; r may lie within the line: the integrand stays finite there.
    """
    length_cm = source.active_length_mm / 10.0
    theta = np.radians(source.anisotropy_theta_deg)
    f = np.array([np.interp(r_cm, source.anisotropy_r_cm, row) for row in source.anisotropy_f])
    half = 0.5 * np.diff(theta)[:, None]
    angle = 0.5 * (theta[1:] + theta[:-1])[:, None] + half * _NODES
    # G_L sin(theta) is the subtended angle over L r
    integrand = np.interp(angle, theta, f) * _subtended(r_cm, angle, length_cm)
    at_90 = float(_subtended(r_cm, np.array(0.5 * np.pi), length_cm))
    return float(np.sum(half * _WEIGHTS * integrand)) / at_90


def point_radial_dose_of(source: SeedModel, r_cm: NDArray[np.float64]) -> NDArray[np.float64]:
    """(r / 1 cm)^2 G_L(r, 90) / G_L(1 cm, 90): what g_L is multiplied with to give g_P."""
    half_cm = source.active_length_mm / 20.0
    return np.asarray(r_cm * np.arctan2(half_cm, r_cm) / np.arctan(half_cm))


def phi_an_deviations_pct(source: SeedModel) -> list[tuple[float, float, float]]:
    """Radius (cm), mean of F, and its deviation from phi_an (%), wherever F has a table."""
    low, high = source.anisotropy_r_cm[0], source.anisotropy_r_cm[-1]
    rows = []
    for r, published in zip(source.anisotropy_factor_r_cm, source.anisotropy_factor, strict=True):
        if low <= r <= high:
            mean = mean_anisotropy(source, float(r))
            rows.append((float(r), mean, 100.0 * (mean / float(published) - 1.0)))
    return rows


def phi_an_tolerance_pct(source: SeedModel, r_cm: float) -> float:
    """Tolerance at one radius of the phi_an table, wider where the file calls it odd."""
    odd = r_cm in source.anisotropy_factor_odd_r_cm
    return ODD_SPOT_TOLERANCE_PCT if odd else PHI_AN_TOLERANCE_PCT


def check_consistency(source: SeedModel) -> SeedModel:
    """Return the model if its tables agree with each other.

    Raises
    ------
    SourceTableError
        If phi_an is not the mean of F, or a published g_P does not follow from g_L.
    """
    for r, mean, deviation in phi_an_deviations_pct(source):
        allowed = phi_an_tolerance_pct(source, r)
        if not abs(deviation) <= allowed:
            raise SourceTableError(
                f"source {source.id!r}: phi_an({r:g} cm) is {mean / (1 + deviation / 100):.4g}, "
                f"but the mean of F over all directions is {mean:.4g} ({deviation:+.1f} %, allowed "
                f"{allowed:g} %). Compare phi_an, F (rows are angles) and the effective length "
                "with the publication; if it prints them so, list the radius in "
                "anisotropy_1d.odd_r_cm",
                "anisotropy_factor",
            )
    if source.radial_point_g is not None:
        derived = source.radial_g * point_radial_dose_of(source, source.radial_r_cm)
        off = np.abs(derived - source.radial_point_g)
        k = int(np.argmax(off))
        if not off[k] <= POINT_G_TOLERANCE:
            raise SourceTableError(
                f"source {source.id!r}: g_P({source.radial_r_cm[k]:g} cm) is "
                f"{source.radial_point_g[k]:g}, from g_L and the effective length {derived[k]:.4f}."
                " Compare both columns and the effective length with the publication",
                "radial_point_g",
            )
    return source


def _subtended(
    r_cm: float, theta_rad: NDArray[np.float64], length_cm: float
) -> NDArray[np.float64]:
    """Angle that the line subtends at (r, theta), rad."""
    across = length_cm * r_cm * np.sin(theta_rad)
    return np.asarray(np.arctan2(across, r_cm * r_cm - 0.25 * length_cm * length_cm))
