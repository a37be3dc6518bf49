"""TG-43U1 a second time: the formula of the report, seed after seed, straight from the tables.

It takes the published numbers from :func:`dose.load_source` and nothing else of the dose engine.

References
----------
.. [1] Rivard et al., Med. Phys. 31, 633 (2004). https://doi.org/10.1118/1.1646040
.. [2] Rivard et al., Med. Phys. 34, 2187 (2007). https://doi.org/10.1118/1.2736790
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from dose.sources import SeedModel

_AXIS_CM = 1e-7
"""Nearer to the seed's axis than this the limit on the axis holds: they differ by under 1e-10."""

_BLOCK = 50_000  # points at a time


def dose_per_u_gy(
    source: SeedModel,
    centers_mm: NDArray[np.float64],
    axes: NDArray[np.float64],
    points_mm: NDArray[np.float64],
    strengths_u: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """Dose to full decay of seeds of 1 U each, summed, (n,) Gy per U.

    Parameters
    ----------
    source : SeedModel
        Whose tables are read.
    centers_mm, axes : (s, 3) ndarray
        Seed centres (mm) and unit vectors along the seeds.
    points_mm : (n, 3) ndarray
        Where, same frame. Inside a capsule the dose on its side at the same height holds, as the
        planner defines it.
    strengths_u : (s,) ndarray, optional
        Of each seed where they are not all of 1 U.
    """
    strengths = np.ones(len(centers_mm)) if strengths_u is None else strengths_u
    total = np.zeros(len(points_mm))
    for first in range(0, len(points_mm), _BLOCK):
        points = points_mm[first : first + _BLOCK]
        part = np.zeros(len(points))
        for center, axis, strength in zip(centers_mm, axes, strengths, strict=True):
            part += strength * _shape(source, (points - center) / 10.0, axis)
        total[first : first + _BLOCK] = part
    reference = _line_geometry(np.array([0.0]), np.array([1.0]), source.active_length_mm / 10.0)[0]
    hours = source.half_life_days * 24.0 / math.log(2.0)  # mean life
    return total * source.dose_rate_constant / reference * hours / 100.0


def _shape(
    source: SeedModel, offset_cm: NDArray[np.float64], axis: NDArray[np.float64]
) -> NDArray[np.float64]:
    """G_L g_L F of one seed, cm-2."""
    along = np.abs(offset_cm @ axis)
    square = np.einsum("ij,ij->i", offset_cm, offset_cm) - along * along
    across = np.sqrt(np.maximum(square, 0.0))
    length, diameter = source.wall_mm
    inside = (along <= 0.05 * length) & (across < 0.05 * diameter)
    across = np.where(inside, 0.05 * diameter, across)
    r = np.hypot(along, across)
    theta = np.degrees(np.arctan2(across, along))  # 0 to 90: the tables are symmetric
    geometry = _line_geometry(along, across, source.active_length_mm / 10.0)
    return geometry * _radial(source, r) * _anisotropy(source, r, theta)


def _line_geometry(
    along_cm: NDArray[np.float64], across_cm: NDArray[np.float64], length_cm: float
) -> NDArray[np.float64]:
    """Angle that the active line subtends, over its length and the distance from its axis."""
    near = across_cm < _AXIS_CM
    height = np.where(near, 1.0, across_cm)
    angle = np.arctan((along_cm + 0.5 * length_cm) / height) - np.arctan(
        (along_cm - 0.5 * length_cm) / height
    )
    gap = along_cm**2 + across_cm**2 - 0.25 * length_cm**2
    on_axis = 1.0 / np.where(gap == 0.0, np.nan, gap)
    return np.where(near, on_axis, angle / (length_cm * height))


def _radial(source: SeedModel, r_cm: NDArray[np.float64]) -> NDArray[np.float64]:
    """g_L(r): log-linear between radii, the first value below, one exponential above the table."""
    radii, logs = source.radial_r_cm, np.log(source.radial_g)
    slope = (logs[-1] - logs[-2]) / (radii[-1] - radii[-2])
    beyond = np.maximum(r_cm - radii[-1], 0.0)
    return np.exp(np.interp(r_cm, radii, logs) + slope * beyond)


def _anisotropy(
    source: SeedModel, r_cm: NDArray[np.float64], theta_deg: NDArray[np.float64]
) -> NDArray[np.float64]:
    """F(r, theta): linear in both, the nearest radius beyond the table."""
    table = source.anisotropy_f
    row, i = _place(source.anisotropy_theta_deg, theta_deg)
    if len(source.anisotropy_r_cm) == 1:
        column, j = np.zeros_like(r_cm), np.zeros(len(r_cm), dtype=np.int64)
        k = j
    else:
        column, j = _place(source.anisotropy_r_cm, r_cm)
        k = j + 1
    low = table[i, j] * (1.0 - column) + table[i, k] * column
    high = table[i + 1, j] * (1.0 - column) + table[i + 1, k] * column
    return low * (1.0 - row) + high * row


def _place(
    knots: NDArray[np.float64], values: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Share of the way to the next knot, held at the ends, and the knot before."""
    index = np.clip(np.searchsorted(knots, values, side="right") - 1, 0, len(knots) - 2)
    share = (values - knots[index]) / (knots[index + 1] - knots[index])
    return np.clip(share, 0.0, 1.0), index
