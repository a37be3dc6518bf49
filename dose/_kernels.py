"""Compiled TG-43 kernels: arrays in, arrays out, no objects, no checks (callers check).

Units inside: cm and degrees, because the published tables use them. Points are taken in blocks of
fixed size, and each step runs over a whole block in a loop without calls, which the compiler turns
into vector instructions (three times faster than point by point). Every parallel iteration writes
its own cells and sums over the seeds in their order, so results do not depend on the number of
threads. ``fastmath`` stays off: NaN must stay NaN.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit, prange

BLOCK = 256
"""Points per block: ten rows of scratch stay in the first-level cache."""

AXIS_CM2 = 1e-12
"""Below this, length x distance from the axis (cm2) takes the limit on the axis: the series of
atan there differs from it by under 1e-20."""

LEAST_EXPONENT = -700.0
"""Exponents below this give e**-700 = 1e-304, a dose of nothing, instead of an underflow."""

_HALF_PI = 0.5 * math.pi
_QUARTER_PI = 0.25 * math.pi
_DEG_PER_RAD = 180.0 / math.pi
_TAN_67_5_DEG = 1.0 + math.sqrt(2.0)
_LOG2_E = 1.0 / math.log(2.0)
_LN2_HIGH = 0.693145751953125  # ln 2 in two parts: n x the first is exact for every n needed here
_LN2_LOW = 1.42860682030941723212e-6
_POWER_OFFSET = 1011  # 2**-1011 < e**-700
_POWERS_OF_2 = 2.0 ** np.arange(-_POWER_OFFSET, 1000.0)


@njit(cache=True, inline="always", error_model="numpy")
def _atan_ratio(num, den):
    """atan(num / den) for 0 <= num and 0 <= den, not both 0, to 3e-16.

    Same reduction and rational function as atan in the Cephes library (S. L. Moshier). Unlike
    math.atan2 it has no call and no special values, so a loop of it can be vectorised.
    """
    if num > _TAN_67_5_DEG * den:
        base, top, bottom = _HALF_PI, -den, num
    elif num > 0.66 * den:
        base, top, bottom = _QUARTER_PI, num - den, num + den
    else:
        base, top, bottom = 0.0, num, den
    x = top / bottom
    s = x * x
    p = -8.750608600031904122785e-1
    p = p * s - 1.615753718733365076637e1
    p = p * s - 7.500855792314704667340e1
    p = p * s - 1.228866684490136173410e2
    p = p * s - 6.485021904942025371773e1
    q = s + 2.485846490142306297962e1
    q = q * s + 1.650270098316988542046e2
    q = q * s + 4.328810604912902668951e2
    q = q * s + 4.853903996359136964868e2
    q = q * s + 1.945506571482613964425e2
    return base + (x + x * (s * (p / q)))


@njit(cache=True, inline="always", error_model="numpy")
def _exp(exponent):
    """e**exponent for exponents up to 690, to 3e-16; no call, so a loop of it can be vectorised."""
    exponent = max(exponent, LEAST_EXPONENT)
    n = math.floor(exponent * _LOG2_E + 0.5)
    t = (exponent - n * _LN2_HIGH) - n * _LN2_LOW  # |t| <= ln 2 / 2
    p = 1.0 / 6227020800.0  # Taylor series to t**13: the next term is under 5e-18
    p = p * t + 1.0 / 479001600.0
    p = p * t + 1.0 / 39916800.0
    p = p * t + 1.0 / 3628800.0
    p = p * t + 1.0 / 362880.0
    p = p * t + 1.0 / 40320.0
    p = p * t + 1.0 / 5040.0
    p = p * t + 1.0 / 720.0
    p = p * t + 1.0 / 120.0
    p = p * t + 1.0 / 24.0
    p = p * t + 1.0 / 6.0
    p = p * t + 0.5
    p = p * t + 1.0
    p = p * t + 1.0
    return p * _POWERS_OF_2[int(n) + _POWER_OFFSET]


@njit(cache=True, inline="always", error_model="numpy")
def _line_geometry(rho_cm, r2_cm2, length_cm):
    """G_L of a line source: the angle it subtends, over length x distance from its axis."""
    across = length_cm * rho_cm
    inner = r2_cm2 - 0.25 * length_cm * length_cm
    acute = _atan_ratio(across, abs(inner))
    angle = acute if inner >= 0.0 else math.pi - acute
    return 1.0 / inner if across < AXIS_CM2 else angle / across


@njit(cache=True, inline="always", error_model="numpy")
def _count_at_or_below(value, edges, start, per_unit):
    """How many edges are <= value: a look-up by even bins, then at most a few steps."""
    k = start[int(min(value * per_unit, start.size - 1.0))]
    while k < edges.size and value >= edges[k]:
        k += 1
    return k


@njit(cache=True, error_model="numpy")
def _polar_block(along, across, n, half_length_cm, radius_cm, length_cm, r, theta, geometry):
    """Radius, angle (degrees) and G_L; points inside the capsule move to its side, same z."""
    for i in range(n):
        rho = across[i]
        if along[i] <= half_length_cm and rho < radius_cm:
            rho = radius_cm
        r2 = along[i] * along[i] + rho * rho
        r[i] = math.sqrt(r2)
        theta[i] = _DEG_PER_RAD * _atan_ratio(rho, along[i])
        geometry[i] = _line_geometry(rho, r2, length_cm)


@njit(cache=True, error_model="numpy")
def _table_block(tables, r, theta, n, exponent, anisotropy):
    """Ln g and F from the tables."""
    for i in range(n):
        k = _count_at_or_below(r[i], tables.r_edges_cm, tables.r_start, tables.r_per_cm)
        j = _count_at_or_below(theta[i], tables.theta_edges_deg, tables.theta_start, 1.0)
        exponent[i] = tables.log_g[k, 0] + tables.log_g[k, 1] * r[i]
        f = tables.f_cells[k, j, 0] + tables.f_cells[k, j, 1] * r[i]
        anisotropy[i] = f + (tables.f_cells[k, j, 2] + tables.f_cells[k, j, 3] * r[i]) * theta[i]


@njit(cache=True, error_model="numpy")
def _product_block(geometry, exponent, anisotropy, n, shape):
    """G_L x g x F."""
    for i in range(n):
        shape[i] = geometry[i] * _exp(exponent[i]) * anisotropy[i]


@njit(cache=True, error_model="numpy")
def _shape_block(tables, along, across, n, scratch, shape):
    """G_L x g x F beside one seed for ``n`` points, along its axis and across (both >= 0, cm)."""
    r, theta, geometry, exponent, anisotropy = (
        scratch[0],
        scratch[1],
        scratch[2],
        scratch[3],
        scratch[4],
    )
    half_length, radius = tables.capsule_half_length_cm, tables.capsule_radius_cm
    length = tables.active_length_cm
    _polar_block(along, across, n, half_length, radius, length, r, theta, geometry)
    _table_block(tables, r, theta, n, exponent, anisotropy)
    _product_block(geometry, exponent, anisotropy, n, shape)


@njit(cache=True, error_model="numpy")
def _seed_block(tables, center_cm, axis, xyz_cm, first, n, scratch, shape):
    """``_shape_block`` of one seed for the points ``first`` to ``first + n`` of (3, m) rows."""
    along, across = scratch[5], scratch[6]
    cx, cy, cz = center_cm[0], center_cm[1], center_cm[2]
    ax, ay, az = axis[0], axis[1], axis[2]
    xs, ys, zs = xyz_cm[0, first:], xyz_cm[1, first:], xyz_cm[2, first:]
    for i in range(n):
        dx, dy, dz = xs[i] - cx, ys[i] - cy, zs[i] - cz
        z = dx * ax + dy * ay + dz * az
        # the part across the axis by subtraction of vectors: no cancellation near the axis
        px, py, pz = dx - z * ax, dy - z * ay, dz - z * az
        along[i] = abs(z)
        across[i] = math.sqrt(px * px + py * py + pz * pz)
    _shape_block(tables, along, across, n, scratch, shape)


@njit(parallel=True, cache=True, error_model="numpy")
def sum_dose(tables, centers_cm, axes, dose_per_shape, xyz_cm, out):
    """out[i] = sum over seeds of dose_per_shape[s] x shape of seed s at point i of (3, m) rows."""
    m = xyz_cm.shape[1]
    for block in prange((m + BLOCK - 1) // BLOCK):
        first = block * BLOCK
        n = min(BLOCK, m - first)
        scratch, shape = np.zeros((7, BLOCK)), np.zeros(BLOCK)
        total = np.zeros(BLOCK)
        for s in range(centers_cm.shape[0]):
            _seed_block(tables, centers_cm[s], axes[s], xyz_cm, first, n, scratch, shape)
            for i in range(n):
                total[i] += dose_per_shape[s] * shape[i]
        for i in range(n):
            out[first + i] = total[i]


@njit(parallel=True, cache=True, error_model="numpy")
def fill_influence(tables, centers_cm, axes, dose_per_shape, xyz_cm, out):
    """out[s, i] = dose_per_shape x shape of seed s at point i of (3, m) rows, no sum."""
    m = xyz_cm.shape[1]
    for s in prange(centers_cm.shape[0]):
        scratch, shape = np.zeros((7, BLOCK)), np.zeros(BLOCK)
        for first in range(0, m, BLOCK):
            n = min(BLOCK, m - first)
            _seed_block(tables, centers_cm[s], axes[s], xyz_cm, first, n, scratch, shape)
            for i in range(n):
                out[s, first + i] = dose_per_shape * shape[i]


@njit(parallel=True, cache=True, error_model="numpy")
def line_geometry(r_cm, theta_rad, length_cm, out):
    """out[i] = G_L(r, theta), cm-2."""
    for i in prange(r_cm.size):
        rho = abs(r_cm[i] * math.sin(theta_rad[i]))
        out[i] = _line_geometry(rho, r_cm[i] * r_cm[i], length_cm)


@njit(cache=True, error_model="numpy")
def dose_rate_shape(tables, along_cm, across_cm, out):
    """out[i] = G_L x g x F beside one seed, along its axis and across (both >= 0)."""
    scratch = np.zeros((7, along_cm.size))
    _shape_block(tables, along_cm, across_cm, along_cm.size, scratch, out)


@njit(cache=True, error_model="numpy")
def table_values(tables, r_cm, theta_deg, radial_dose, anisotropy):
    """g_L and F at (r, theta), theta already folded to 0..90 degrees."""
    exponent = np.zeros(r_cm.size)
    _table_block(tables, r_cm, theta_deg, r_cm.size, exponent, anisotropy)
    for i in range(r_cm.size):
        radial_dose[i] = _exp(exponent[i])
