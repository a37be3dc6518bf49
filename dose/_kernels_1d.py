"""Compiled kernel of the 1D (point-source) formalism; the rules of ``_kernels.py`` hold here."""

from __future__ import annotations

import math

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from dose._kernels import BLOCK, _count_at_or_below, _exp, _line_geometry, _shape_block
from dose._tables import FactorTables, KernelTables

Array = NDArray[np.float64]


@njit(cache=True, error_model="numpy")
def _shape_1d(tables: KernelTables, factor: FactorTables, r_cm: float) -> float:
    """G_L(r, 90) x g_L x phi_an at one distance, the first radius of phi_an or farther."""
    k = _count_at_or_below(r_cm, tables.r_edges_cm, tables.r_start, tables.r_per_cm)
    j = 0
    while j < factor.r_edges_cm.size and r_cm >= factor.r_edges_cm[j]:
        j += 1
    phi_an = factor.lines[j, 0] + factor.lines[j, 1] * r_cm
    geometry = _line_geometry(r_cm, r_cm * r_cm, tables.active_length_cm)
    return geometry * _exp(tables.log_g[k, 0] + tables.log_g[k, 1] * r_cm) * phi_an


@njit(cache=True, error_model="numpy")
def _seed_block_1d(
    tables: KernelTables,
    factor: FactorTables,
    center_cm: Array,
    axis: Array,
    xyz_cm: Array,
    n: int,
    scratch: Array,
    shape: Array,
) -> None:
    """Shape of one seed at ``n`` points of (3, m) rows: 1D, but 2D where any is too near for it."""
    along, across, distance = scratch[5], scratch[6], scratch[7]
    near = False
    for i in range(n):
        dx, dy, dz = xyz_cm[0, i] - center_cm[0], xyz_cm[1, i] - center_cm[1], xyz_cm[2, i]
        dz -= center_cm[2]
        z = dx * axis[0] + dy * axis[1] + dz * axis[2]
        px, py, pz = dx - z * axis[0], dy - z * axis[1], dz - z * axis[2]
        along[i], across[i] = abs(z), math.sqrt(px * px + py * py + pz * pz)
        distance[i] = math.sqrt(dx * dx + dy * dy + dz * dz)
        near = near or distance[i] < factor.first_r_cm
    if near:
        _shape_block(tables, along, across, n, scratch, shape)
    for i in range(n):
        if distance[i] >= factor.first_r_cm:
            shape[i] = _shape_1d(tables, factor, distance[i])


@njit(parallel=True, cache=True, error_model="numpy")
def sum_dose_1d(
    tables: KernelTables,
    factor: FactorTables,
    centers_cm: Array,
    axes: Array,
    dose_per_shape: Array,
    xyz_cm: Array,
    out: Array,
) -> None:
    """out[i] = sum over seeds of dose_per_shape[s] x 1D shape of seed s at point i."""
    m = xyz_cm.shape[1]
    for block in prange((m + BLOCK - 1) // BLOCK):
        first = block * BLOCK
        n = min(BLOCK, m - first)
        points = xyz_cm[:, first : first + n]
        scratch, shape = np.zeros((8, BLOCK)), np.zeros(BLOCK)
        total = np.zeros(BLOCK)
        for s in range(centers_cm.shape[0]):
            _seed_block_1d(tables, factor, centers_cm[s], axes[s], points, n, scratch, shape)
            for i in range(n):
                total[i] += dose_per_shape[s] * shape[i]
        for i in range(n):
            out[first + i] = total[i]
