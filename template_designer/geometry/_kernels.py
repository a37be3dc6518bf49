"""Compiled geometry: arrays in, arrays out, no checks. All lengths in mm.

Each output cell is written by one iteration, so results do not depend on the number of threads.
"""

import math

import numpy as np
from numba import njit, prange

TOUCHING = 1e-6  # mm; slabs whose faces are nearer than this have nothing between them
BLOCK = 8  # nodes of a grid that share one list of nearby edges
CHUNK = 8  # slabs of a stack that are passed over together where they are too far


@njit(cache=True)
def _segment_distance_sq(px, py, ax, ay, bx, by):
    dx, dy = bx - ax, by - ay
    length_sq = dx * dx + dy * dy
    t = 0.0
    if length_sq > 0.0:
        t = ((px - ax) * dx + (py - ay) * dy) / length_sq
        t = min(1.0, max(0.0, t))
    ex, ey = px - (ax + t * dx), py - (ay + t * dy)
    return ex * ex + ey * ey


@njit(cache=True)
def signed_distance_grid(edges, u0, v0, step, out, far=math.inf):
    """Signed distance (negative inside, even-odd) from grid nodes to the edges of a polygon set.

    ``edges`` is (m, 4): u, v of both ends. ``out[row, column]`` is the node at
    ``(u0 + column * step, v0 + row * step)``. Where the distance is over ``far``, any value between
    ``far`` and the distance may stand.
    """
    rows, columns = out.shape
    blocks_v = (rows + BLOCK - 1) // BLOCK
    blocks_u = (columns + BLOCK - 1) // BLOCK
    count = edges.shape[0]
    distance_sq = np.zeros(count)
    best_sq = np.zeros((BLOCK, BLOCK))
    for block in range(blocks_v * blocks_u):
        row0, column0 = (block // blocks_u) * BLOCK, (block % blocks_u) * BLOCK
        row1, column1 = min(row0 + BLOCK, rows), min(column0 + BLOCK, columns)
        centre_u = u0 + 0.5 * (column0 + column1 - 1) * step
        centre_v = v0 + 0.5 * (row0 + row1 - 1) * step
        radius = 0.5 * step * math.hypot(column1 - 1 - column0, row1 - 1 - row0)
        nearest_sq = math.inf
        for e in range(count):
            distance_sq[e] = _segment_distance_sq(
                centre_u, centre_v, edges[e, 0], edges[e, 1], edges[e, 2], edges[e, 3]
            )
            nearest_sq = min(nearest_sq, distance_sq[e])
        nearest = math.sqrt(nearest_sq)
        if nearest - radius > far:
            out[row0:row1, column0:column1] = nearest - radius
            continue
        # an edge farther than this from the centre is nearest to no node of the block
        limit = nearest + 2.0 * radius + 1e-9
        best_sq[:] = math.inf
        for e in range(count):
            if distance_sq[e] > limit * limit:
                continue
            ax, ay = edges[e, 0], edges[e, 1]
            dx, dy = edges[e, 2] - ax, edges[e, 3] - ay
            length_sq = dx * dx + dy * dy
            per_length = 1.0 / length_sq if length_sq > 0.0 else 0.0
            for row in range(BLOCK):  # every node of the block, also beyond the grid: no branches
                py = v0 + (row0 + row) * step - ay
                for column in range(BLOCK):
                    px = u0 + (column0 + column) * step - ax
                    t = min(1.0, max(0.0, (px * dx + py * dy) * per_length))
                    ex, ey = px - t * dx, py - t * dy
                    best_sq[row, column] = min(best_sq[row, column], ex * ex + ey * ey)
        for row in range(row0, row1):
            for column in range(column0, column1):
                out[row, column] = math.sqrt(best_sq[row - row0, column - column0])
    for row in range(rows):
        v = v0 + row * step
        crossings = np.zeros(count)
        n_cross = 0
        for e in range(count):
            if (edges[e, 1] <= v) != (edges[e, 3] <= v):
                t = (v - edges[e, 1]) / (edges[e, 3] - edges[e, 1])
                crossings[n_cross] = edges[e, 0] + t * (edges[e, 2] - edges[e, 0])
                n_cross += 1
        ordered = np.sort(crossings[:n_cross])
        passed = 0
        for column in range(columns):
            u = u0 + column * step
            while passed < n_cross and ordered[passed] <= u:
                passed += 1
            if passed % 2 == 1:
                out[row, column] = -out[row, column]


@njit(parallel=True, cache=True)
def signed_distance_layers(edges, starts, u0, v0, step, out, far=math.inf):
    """:func:`signed_distance_grid` of many polygon sets on one grid, one a layer of ``out``.

    The edges of layer k are ``edges[starts[k]:starts[k + 1]]``. One parallel region for all: a
    region for every layer costs more than its work when the machine is busy.
    """
    for k in prange(out.shape[0]):
        signed_distance_grid(edges[starts[k] : starts[k + 1]], u0, v0, step, out[k], far)


@njit(cache=True)
def _bilinear(grid, row_f, column_f):
    row = min(max(int(row_f), 0), grid.shape[0] - 2)
    column = min(max(int(column_f), 0), grid.shape[1] - 2)
    fr, fc = row_f - row, column_f - column
    low = grid[row, column] * (1.0 - fc) + grid[row, column + 1] * fc
    high = grid[row + 1, column] * (1.0 - fc) + grid[row + 1, column + 1] * fc
    return low * (1.0 - fr) + high * fr


@njit(cache=True)
def interpolation_error(distance, step):
    """How much bilinear interpolation of a distance may exceed the distance itself.

    A distance is 1-Lipschitz (first bound), and at ``r`` from its set its curvature is at most
    ``1 / r`` (second bound: ``sum of weights * offset^2 / 2r <= step^2 / 4r`` in a cell, the
    nearest point of the cell being at most one diagonal nearer than the node average).
    """
    lipschitz = 0.7072 * step
    nearest = distance - lipschitz - 1.4143 * step
    if nearest <= 0.0:
        return lipschitz
    return min(lipschitz, 0.25 * step * step / nearest)


@njit(parallel=True, cache=True)
def stack_distance(
    points_uvw, layers, nearest, u0, v0, step, w_low, w_high, open_low, open_high, safe, far,
    out, inside
):  # fmt: skip
    """Safe distance of points to the surface of a stack of slabs, and on which side they are.

    ``layers[k]`` holds the in-plane signed distance of slab k on the grid, ``w_low``/``w_high``
    its extent, slabs in rising order and never overlapping. ``nearest[c]`` holds the least of
    :data:`CHUNK` layers from ``c * CHUNK`` on. With ``safe`` 1 ``out`` is never larger
    than the true distance to the other side (outside: to the solid; inside: to its complement);
    with 0 it is the best estimate; nothing over ``far`` is followed. With
    ``open_low``/``open_high`` the solid goes on past its first/last slab (the scan ended there).
    """
    count = layers.shape[0]
    for i in prange(points_uvw.shape[0]):
        column_f = (points_uvw[i, 0] - u0) / step
        row_f = (points_uvw[i, 1] - v0) / step
        w = points_uvw[i, 2]
        here = -1  # the slab that holds the point
        after = np.searchsorted(w_low, w, side="right")  # slabs [0, after) begin at or under w
        if after > 0 and w <= w_high[after - 1]:
            here = after - 1
        elif after == 0 and open_low:
            here = 0
        elif after == count and open_high:
            here = count - 1
        within = here >= 0 and _bilinear(layers[here], row_f, column_f) < 0.0
        best = far
        row_n = min(max(int(row_f + 0.5), 0), layers.shape[1] - 1)
        column_n = min(max(int(column_f + 0.5), 0), layers.shape[2] - 1)
        if within:  # gaps between slabs, and the closed ends, are outside the solid
            if not open_low:
                best = min(best, w - w_low[0])
            if not open_high:
                best = min(best, w_high[count - 1] - w)
        below, above = after - 1, after
        while below >= 0 or above < count:
            gap_below = max(0.0, w - w_high[below]) if below >= 0 else math.inf
            gap_above = max(0.0, w_low[above] - w) if above < count else math.inf
            if open_high and below == count - 1:
                gap_below = 0.0
            if open_low and above == 0:
                gap_above = 0.0
            k = below if gap_below <= gap_above else above
            gap = min(gap_below, gap_above)
            if gap >= best:
                break
            chunk = k // CHUNK
            if gap_below <= gap_above:
                below -= 1
                entered = k % CHUNK == CHUNK - 1
            else:
                above += 1
                entered = k % CHUNK == 0
            if entered and not within:
                # interpolated from nodes up to a diagonal away, less its error: under 2.2 steps
                least = nearest[chunk, row_n, column_n] - 2.2 * step
                if least > 0.0 and math.hypot(least, gap) >= best:
                    if gap_below <= gap_above:
                        below = chunk * CHUNK - 1
                    else:
                        above = min(count, (chunk + 1) * CHUNK)
                    continue
            if within:  # an empty stretch behind slab k is outside the solid too
                if 0 < k <= here and w_low[k] - w_high[k - 1] > TOUCHING:
                    best = min(best, w - w_low[k])
                if here <= k < count - 1 and w_low[k + 1] - w_high[k] > TOUCHING:
                    best = min(best, w_high[k] - w)
            plane = _bilinear(layers[k], row_f, column_f)
            if within:
                plane = -plane
            across = 0.0
            if plane > 0.0:
                across = max(0.0, plane - safe * interpolation_error(plane, step))
            best = min(best, math.hypot(across, gap))
        out[i] = best
        inside[i] = within
