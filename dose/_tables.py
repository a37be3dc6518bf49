"""TG-43 tables rearranged for the kernels: one cell holds all that one evaluation needs."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dose.sources.model import SeedModel

R_BINS_PER_CM = 20.0
"""Even bins for finding a radius in the table; published radii are multiples of 0.05 cm."""


class KernelTables(NamedTuple):
    """What a kernel reads, cm and degrees.

    The radii of g and F are merged into one list of edges. In segment ``k`` (between edges
    ``k - 1`` and ``k``; the outer two are open) ``ln g = log_g[k, 0] + log_g[k, 1] r``, and in its
    cell ``j`` of the polar angle ``F = f[0] + f[1] r + (f[2] + f[3] r) theta``.
    """

    r_edges_cm: NDArray[np.float64]  # (m,)
    r_start: NDArray[np.int64]  # (bins,): edges at or below the lower end of each even bin
    r_per_cm: float
    theta_edges_deg: NDArray[np.float64]  # inner angles of the F table
    theta_start: NDArray[np.int64]  # (91,): the same, by whole degrees
    log_g: NDArray[np.float64]  # (m + 1, 2)
    f_cells: NDArray[np.float64]  # (m + 1, n_theta - 1, 4)
    active_length_cm: float
    capsule_half_length_cm: float
    capsule_radius_cm: float


@lru_cache(maxsize=32)
def kernel_tables(source: SeedModel) -> KernelTables:
    """Tables of one seed model, made once (a ``SeedModel`` is immutable and hashed by identity)."""
    edges = np.union1d(source.radial_r_cm, source.anisotropy_r_cm)
    inside = np.concatenate(([0.5 * edges[0]], 0.5 * (edges[1:] + edges[:-1]), [edges[-1] + 1.0]))
    r_bins = np.arange(np.ceil(edges[-1] * R_BINS_PER_CM) + 1.0) / R_BINS_PER_CM
    inner_theta = source.anisotropy_theta_deg[1:-1].copy()
    wall_length_mm, wall_diameter_mm = source.wall_mm
    return KernelTables(
        r_edges_cm=edges,
        r_start=np.searchsorted(edges, r_bins, side="right").astype(np.int64),
        r_per_cm=R_BINS_PER_CM,
        theta_edges_deg=inner_theta,
        theta_start=np.searchsorted(inner_theta, np.arange(91.0), side="right").astype(np.int64),
        log_g=_log_g_lines(source, inside),
        f_cells=_anisotropy_cells(source, inside),
        active_length_cm=source.active_length_mm / 10.0,
        capsule_half_length_cm=wall_length_mm / 20.0,
        capsule_radius_cm=wall_diameter_mm / 20.0,
    )


class FactorTables(NamedTuple):
    """phi_an for the 1D kernel: in segment ``k`` it is ``lines[k, 0] + lines[k, 1] r``."""

    first_r_cm: float  # below it the 2D formalism holds: first radius, or the capsule's half length
    r_edges_cm: NDArray[np.float64]  # (n,)
    lines: NDArray[np.float64]  # (n + 1, 2); the first is never read


@lru_cache(maxsize=32)
def factor_tables(source: SeedModel) -> FactorTables:
    """Phi_an of one seed model: linear in r, its last value beyond the table.

    Some tables begin at 1 mm, inside the capsule, where a dose without directions means nothing:
    the 1D formalism begins where the whole capsule lies nearer.
    """
    r, factor = source.anisotropy_factor_r_cm, source.anisotropy_factor
    slope = np.diff(factor) / np.diff(r)
    between = np.column_stack((factor[:-1] - slope * r[:-1], slope))
    first, last = np.array([[factor[0], 0.0]]), np.array([[factor[-1], 0.0]])
    first_r_cm = max(float(r[0]), source.wall_mm[0] / 20.0)
    return FactorTables(first_r_cm, r, np.concatenate((first, between, last)))


def _log_g_lines(source: SeedModel, inside_cm: NDArray[np.float64]) -> NDArray[np.float64]:
    """Offset and slope of ln g for the segment around each radius of ``inside_cm``."""
    r, log_g = source.radial_r_cm, np.log(source.radial_g)
    above = np.searchsorted(r, inside_cm, side="right")
    upper = np.clip(above, 1, r.size - 1)  # beyond the table: the two outermost points
    slope = (log_g[upper] - log_g[upper - 1]) / (r[upper] - r[upper - 1])
    slope[above == 0] = 0.0  # below the table: its first value
    return np.column_stack((log_g[upper - 1] - slope * r[upper - 1], slope))


def _anisotropy_cells(source: SeedModel, inside_cm: NDArray[np.float64]) -> NDArray[np.float64]:
    """Bilinear coefficients of F for each segment of radius and each cell of angle."""
    r, theta, f = source.anisotropy_r_cm, source.anisotropy_theta_deg, source.anisotropy_f
    above = np.searchsorted(r, inside_cm, side="right")
    slope, offset = np.zeros((2, inside_cm.size, theta.size))
    for k, count in enumerate(above):
        if 0 < count < r.size:
            slope[k] = (f[:, count] - f[:, count - 1]) / (r[count] - r[count - 1])
        nearest = min(max(count - 1, 0), r.size - 1)
        offset[k] = f[:, nearest] - slope[k] * r[nearest]
    step = np.diff(theta)
    offset_per_deg = np.diff(offset, axis=1) / step
    slope_per_deg = np.diff(slope, axis=1) / step
    return np.stack(
        (
            offset[:, :-1] - theta[:-1] * offset_per_deg,
            slope[:, :-1] - theta[:-1] * slope_per_deg,
            offset_per_deg,
            slope_per_deg,
        ),
        axis=-1,
    )
