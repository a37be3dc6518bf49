"""Compiled kernels that fill whole grids: table look-up, and shift and add.

The table holds ``r2 x G_L g F`` of one seed: rows of the radius r, columns of
``t = rho / (rho + |z|)``, which runs from 0 on the seed's axis to 1 on its transverse plane and
spreads the angle almost evenly. Without the inverse square this is so smooth that straight lines
between entries err by less than 0.1 % from 5 mm on; nearer voxels are computed exactly.

Voxels are taken in bricks. Every brick writes its own cells and sums over the seeds in their order,
so results do not depend on the number of threads. Single precision (1e-7) is enough
here and twice as fast; ``fastmath`` stays off: NaN must stay NaN.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit, prange

from dose._kernels import BLOCK, _seed_block

VOXELS = 512
"""Voxels of a brick: its scratch and the part of the table that it needs stay in nearby caches."""

BRICKS = 8
"""Bricks of a parallel step: their scratch is made once."""

_X, _Y, _Z, _RHO, _ALONG, _DOWN, _RIGHT, _FACTOR, _TOTAL = (VOXELS * row for row in range(9))
"""Rows of the scratch, all in one array: only then does the compiler see that they lie apart."""

ROWS_PER_CM = 20
"""Rows of the table: every 0.5 mm, where published radii lie, so that kinks fall on rows."""

_TINY_CM = np.float32(1e-6)
"""Keeps quotients finite at the centre of a seed, where the table is not used."""


@njit(cache=True, error_model="numpy")
def _beside_needle(place, count, rows):
    """Distance of every voxel from a needle's line, and along it from one of its seeds.

    ``place`` is the seed's centre and axis; the other seeds on the line share both rows.
    """
    cx, cy, cz, ax, ay, az = place[0], place[1], place[2], place[3], place[4], place[5]
    for i in range(count):
        dx, dy, dz = rows[_X + i] - cx, rows[_Y + i] - cy, rows[_Z + i] - cz
        along = dx * ax + dy * ay + dz * az
        px, py, pz = dx - along * ax, dy - along * ay, dz - along * az
        rows[_RHO + i] = math.sqrt(px * px + py * py + pz * pz)
        rows[_ALONG + i] = along


@njit(cache=True, error_model="numpy")
def _look_up(flat, width, near2_cm2, shift_cm, weight, count, rows, cells, found):
    """Total += weight x dose shape of one seed at every voxel by table, but where it is near.

    The seed lies ``shift_cm`` along its needle from the one that ``_beside_needle`` was given.
    Three loops: the first and the last have no look-up and become vector instructions; together
    they take half the time of one.
    """
    per_cm, last = np.float32(ROWS_PER_CM), np.float32(width - 1)
    for i in range(count):
        rho, z = rows[_RHO + i], abs(rows[_ALONG + i] - shift_cm)
        r2 = rho * rho + z * z + _TINY_CM * _TINY_CM
        row, beside = math.sqrt(r2) * per_cm, rho + z + _TINY_CM
        both = np.float32(1.0) / (beside * r2)  # one quotient for two
        column = last * rho * (both * r2)
        k, j = np.int32(row), np.int32(column)
        rows[_DOWN + i] = row - np.float32(k)
        rows[_RIGHT + i] = column - np.float32(j)
        rows[_FACTOR + i] = weight * (both * beside) if r2 >= near2_cm2 else np.float32(0.0)
        cells[i] = k * width + j
    below = np.uint64(width)
    for i in range(count):
        cell = np.uint64(cells[i])  # unsigned: no test for negative indices
        found[i] = flat[cell]
        found[VOXELS + i] = flat[cell + below]
    for i in range(count):
        upper, lower, right = found[i], found[VOXELS + i], rows[_RIGHT + i]
        high = upper.real + right * upper.imag
        low = lower.real + right * lower.imag
        rows[_TOTAL + i] += rows[_FACTOR + i] * (high + rows[_DOWN + i] * (low - high))


@njit(cache=True, error_model="numpy")
def _add_near(tables, center_cm, axis, weight, xyz_cm, count, rows, near, near_xyz, scratch, shape):
    """Add one seed's dose by the formula to those voxels that the table did not serve."""
    found = 0
    for i in range(count):
        if rows[_FACTOR + i] == 0.0:
            near[found] = i
            for c in range(3):
                near_xyz[c, found] = xyz_cm[c, i]
            found += 1
    for first in range(0, found, BLOCK):
        n = min(BLOCK, found - first)
        _seed_block(tables, center_cm, axis, near_xyz, first, n, scratch, shape)
        for i in range(n):
            rows[_TOTAL + near[first + i]] += np.float32(weight * shape[i])


@njit(cache=True, error_model="numpy")
def _fill_places(low, high, x_cm, y_cm, z_cm, xyz, rows):
    """Coordinates of the voxels of a brick, line by line, and no dose; how many there are."""
    i = 0
    for z in range(low[2], high[2]):
        for y in range(low[1], high[1]):
            for x in range(low[0], high[0]):
                xyz[0, i], xyz[1, i], xyz[2, i] = x_cm[x], y_cm[y], z_cm[z]
                rows[_X + i], rows[_Y + i], rows[_Z + i] = x_cm[x], y_cm[y], z_cm[z]
                rows[_TOTAL + i] = 0.0
                i += 1
    return i


@njit(cache=True, error_model="numpy")
def _store_total(low, high, rows, out):
    """Dose of the voxels of a brick, in the order of ``_fill_places``."""
    i = 0
    for z in range(low[2], high[2]):
        for y in range(low[1], high[1]):
            for x in range(low[0], high[0]):
                out[z, y, x] = rows[_TOTAL + i]
                i += 1


@njit(cache=True, error_model="numpy")
def _is_near(center_cm, low, high, x_cm, y_cm, z_cm, near_cm):
    """Whether a seed lies within ``near_cm`` of the box around a brick's voxels, or nearly so."""
    x, y, z = center_cm[0], center_cm[1], center_cm[2]
    dx = max(x_cm[low[0]] - x, 0.0, x - x_cm[high[0] - 1])
    dy = max(y_cm[low[1]] - y, 0.0, y - y_cm[high[1] - 1])
    dz = max(z_cm[low[2]] - z, 0.0, z - z_cm[high[2] - 1])
    return dx * dx + dy * dy + dz * dz < near_cm * near_cm * 1.001  # single precision rounds


@njit(parallel=True, cache=True, error_model="numpy")
def look_up_grid(
    tables, table, near_cm, centers_cm, axes, weights, needles, x_cm, y_cm, z_cm, brick, out
):
    """out[z, y, x] = sum over seeds of weights[s] x shape of seed s, by table from ``near_cm`` on.

    ``table`` (rows, columns) complex64 begins at r = 0 and reaches past the farthest voxel. Its
    real part is the value, its imaginary part the step to the next column. ``needles[s]`` is the
    first seed on the line of seed s; seeds on one line follow each other. ``brick`` is the number
    of voxels of a brick along x, y, z, ``VOXELS`` in all at most.
    """
    nx, ny, nz = x_cm.size, y_cm.size, z_cm.size
    bricks_x, bricks_y = (nx + brick[0] - 1) // brick[0], (ny + brick[1] - 1) // brick[1]
    bricks = bricks_x * bricks_y * ((nz + brick[2] - 1) // brick[2])
    places = np.concatenate((centers_cm, axes), axis=1).astype(np.float32)
    shifts = np.zeros(needles.size, np.float32)  # of each seed from the first on its needle
    for s in range(needles.size):
        for c in range(3):
            shifts[s] += (centers_cm[s, c] - centers_cm[needles[s], c]) * axes[needles[s], c]
    near2 = np.float32(near_cm * near_cm)
    for group in prange((bricks + BRICKS - 1) // BRICKS):
        xyz, near_xyz, near = (
            np.zeros((3, VOXELS)),
            np.zeros((3, VOXELS)),
            np.zeros(VOXELS, np.intp),
        )
        rows, flat = np.zeros(9 * VOXELS, np.float32), table.ravel()
        cells, found = np.zeros(VOXELS, np.uint32), np.zeros(2 * VOXELS, np.complex64)
        exact, shape, width = np.zeros((7, BLOCK)), np.zeros(BLOCK), np.int32(table.shape[1])
        for b in range(group * BRICKS, min(bricks, (group + 1) * BRICKS)):
            x0, y0 = b % bricks_x * brick[0], b // bricks_x % bricks_y * brick[1]
            z0 = b // (bricks_x * bricks_y) * brick[2]
            low = (x0, y0, z0)
            high = (min(nx, x0 + brick[0]), min(ny, y0 + brick[1]), min(nz, z0 + brick[2]))
            count = _fill_places(low, high, x_cm, y_cm, z_cm, xyz, rows)
            for s in range(centers_cm.shape[0]):
                center, axis, first_seed = centers_cm[s], axes[s], needles[s]
                if first_seed == s:
                    _beside_needle(places[s], count, rows)
                weight, weight_32 = weights[s], np.float32(weights[s])
                _look_up(flat, width, near2, shifts[s], weight_32, count, rows, cells, found)
                if _is_near(center, low, high, x_cm, y_cm, z_cm, near_cm):
                    _add_near(
                        tables, center, axis, weight, xyz, count, rows, near, near_xyz, exact, shape
                    )
            _store_total(low, high, rows, out)


@njit(parallel=True, cache=True, error_model="numpy")
def shift_and_add(one_seed, shifts, weights, out):
    """out[z, y, x] = sum over seeds of weights[s] x one_seed[(z, y, x) + shifts[s]].

    ``one_seed`` float32 holds the dose of one seed on a grid wide enough for every shift (s, 3),
    whole voxels along z, y, x, 0 or more.
    """
    nz, ny, nx = out.shape
    for at in prange(nz * ny):
        total = np.zeros(nx, np.float32)
        z, y = at // ny, at % ny
        for s in range(shifts.shape[0]):
            line = one_seed[z + shifts[s, 0], y + shifts[s, 1], shifts[s, 2] : shifts[s, 2] + nx]
            weight = np.float32(weights[s])
            for i in range(nx):
                total[i] += weight * line[i]
        for i in range(nx):
            out[z, y, i] = total[i]
