"""Compiled part of the placement-error trial: arrays in, arrays out, no checks. Lengths in mm."""

from __future__ import annotations

from numba import njit, prange


@njit(cache=True)
def _trilinear(grid, x, y, z):
    """Value between the nodes of ``grid[z, y, x]``, coordinates in nodes."""
    i = min(max(int(x), 0), grid.shape[2] - 2)
    j = min(max(int(y), 0), grid.shape[1] - 2)
    k = min(max(int(z), 0), grid.shape[0] - 2)
    u, v, w = x - i, y - j, z - k
    low = (grid[k, j, i] * (1.0 - u) + grid[k, j, i + 1] * u) * (1.0 - v) + (
        grid[k, j + 1, i] * (1.0 - u) + grid[k, j + 1, i + 1] * u
    ) * v
    high = (grid[k + 1, j, i] * (1.0 - u) + grid[k + 1, j, i + 1] * u) * (1.0 - v) + (
        grid[k + 1, j + 1, i] * (1.0 - u) + grid[k + 1, j + 1, i + 1] * u
    ) * v
    return low * (1.0 - w) + high * w


@njit(cache=True)
def trilinear_error(distance, node_mm):
    """How much interpolation of a distance between nodes may exceed the distance itself.

    A distance is 1-Lipschitz, and the root mean square of the way to the nodes of a cell, weighted
    as they are, is at most ``sqrt(3) / 2`` nodes (first bound). At ``r`` from its set it bends by
    at most ``1 / r``, which gives ``3 node^2 / 8 r`` with the least ``r`` on the way to a node
    (second bound); the true distance being at least the interpolated one less the first bound.
    """
    lipschitz = 0.8661 * node_mm
    nearest = distance - lipschitz - 1.7321 * node_mm
    if nearest <= 0.0:
        return lipschitz
    return min(lipschitz, 0.375 * node_mm * node_mm / nearest)


@njit(parallel=True, cache=True)
def lower_bounds(grid, origin, node_mm, entry, along, length, step_mm, out):
    """Lower bounds of the distances of points on needles, from a coarse grid of distances.

    ``out[i, j]`` is that of the point at ``min(j * step_mm, length[i])`` from the entry of needle
    ``i``; what lies past the tip is left as it is.
    """
    for i in prange(entry.shape[0]):
        for j in range(out.shape[1]):
            t = min(j * step_mm, length[i])
            x = (entry[i, 0] + t * along[i, 0] - origin[0]) / node_mm
            y = (entry[i, 1] + t * along[i, 1] - origin[1]) / node_mm
            z = (entry[i, 2] + t * along[i, 2] - origin[2]) / node_mm
            value = _trilinear(grid, x, y, z)
            out[i, j] = max(0.0, value - trilinear_error(value, node_mm))
            if j * step_mm >= length[i] - 1e-9:
                break
