"""TG-43U1, 2D line source, in plain NumPy: what a physicist would write in an afternoon.

The exact formula at every point, a loop over the seeds, all points (or one chunk of them) at once,
float64. It shares nothing with the engine but the published tables. Below a table's first radius
its first value holds; beyond its last, g is the exponential through its two outermost points and F
keeps its last column (TG-43U1S1). A point inside a capsule gets the bare formula, which means
nothing there: compare outside the capsules only.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dose import SeedModel

Array = NDArray[np.float64]

FAR_CM = 1000.0
"""One row appended to ln g on its outermost line, so that ``np.interp`` extrapolates."""

LEAST_RHO_CM = 1e-9
"""Keeps 0 / 0 off the axis: atan(x) / x is 1 to the last digit there."""


def numpy_dose_gy(
    source: SeedModel,
    centers_mm: ArrayLike,
    axes: ArrayLike,
    strength_u: ArrayLike,
    points_mm: ArrayLike,
    points_per_chunk: int | None = None,
) -> Array:
    """Dose to full decay, Gy, at (n, 3) points; arguments as for ``dose.dose_at_points``.

    ``points_per_chunk`` cuts the points into chunks whose scratch arrays stay in the cache (a
    slice of the grid, say); without it every step runs over all points.
    """
    centers = np.asarray(centers_mm, dtype=float) / 10.0
    directions = np.broadcast_to(np.asarray(axes, dtype=float), centers.shape)
    directions = directions / np.linalg.norm(directions, axis=1, keepdims=True)
    strengths = np.broadcast_to(np.asarray(strength_u, dtype=float), centers.shape[:1])
    xyz = np.ascontiguousarray(np.asarray(points_mm, dtype=float).T) / 10.0
    seed = _NumpySeed(source)
    total = np.zeros(xyz.shape[1])
    step = points_per_chunk or max(total.size, 1)
    for first in range(0, total.size, step):
        x, y, z = xyz[:, first : first + step]
        for center, axis, strength in zip(centers, directions, strengths, strict=True):
            total[first : first + step] += strength * seed.gy_per_u(
                x - center[0], y - center[1], z - center[2], axis
            )
    return total


class _NumpySeed:
    """One seed model: tables made ready once, then the formula."""

    def __init__(self, source: SeedModel) -> None:
        r, log_g = source.radial_r_cm, np.log(source.radial_g)
        slope = (log_g[-1] - log_g[-2]) / (r[-1] - r[-2])
        self.length_cm = source.active_length_mm / 10.0
        self.g_r_cm = np.append(r, FAR_CM)
        self.log_g = np.append(log_g, log_g[-1] + slope * (FAR_CM - r[-1]))
        # one radius only: the same column twice, so that there is a cell to interpolate in
        columns = max(source.anisotropy_r_cm.size, 2)
        self.f = np.broadcast_to(source.anisotropy_f, (source.anisotropy_f.shape[0], columns))
        self.f_r_cm, self.f_theta_deg = source.anisotropy_r_cm, source.anisotropy_theta_deg
        reference = 2.0 * math.atan(0.5 * self.length_cm) / self.length_cm
        mean_life_h = 24.0 * source.half_life_days / math.log(2.0)
        self.scale = source.dose_rate_constant / reference * mean_life_h / 100.0

    def gy_per_u(self, dx: Array, dy: Array, dz: Array, axis: Array) -> Array:
        along = np.abs(dx * axis[0] + dy * axis[1] + dz * axis[2])
        r2 = dx * dx + dy * dy + dz * dz
        r = np.sqrt(r2)
        rho = np.sqrt(np.maximum(r2 - along * along, LEAST_RHO_CM**2))
        angle = np.arctan2(self.length_cm * rho, r2 - 0.25 * self.length_cm**2)
        geometry = angle / (self.length_cm * rho)
        g = np.exp(np.interp(r, self.g_r_cm, self.log_g))
        theta_deg = np.degrees(np.arctan2(rho, along))
        return self.scale * geometry * g * self.anisotropy(r, theta_deg)

    def anisotropy(self, r_cm: Array, theta_deg: Array) -> Array:
        """Bilinear F."""
        column = np.interp(r_cm, self.f_r_cm, np.arange(self.f_r_cm.size))
        row = np.interp(theta_deg, self.f_theta_deg, np.arange(self.f_theta_deg.size))
        i = np.minimum(row.astype(np.intp), self.f.shape[0] - 2)
        j = np.minimum(column.astype(np.intp), self.f.shape[1] - 2)
        a, b = row - i, column - j
        low = (1.0 - b) * self.f[i, j] + b * self.f[i, j + 1]
        high = (1.0 - b) * self.f[i + 1, j] + b * self.f[i + 1, j + 1]
        return (1.0 - a) * low + a * high
