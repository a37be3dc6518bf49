"""Compiled search over entry planes: arrays in, arrays out, no checks. All lengths in mm.

Points, directions and grids are in the frame of the search grid. Each plane is scored by one
iteration that writes only its own row, so results do not depend on the number of threads.
"""

import math

import numpy as np
from numba import njit, prange

# entries of ``numbers``
SIZE_X, SIZE_Y, LONGEST_TIP, HALF_SEED, OUTSIDE, SKIN_DEPTH, SEED_STEP, REACH, MOST_GAP = range(9)
DOWN_U, DOWN_V, DOWN_W, COUCH, THICKNESS, RADIUS, BODY_LOW, BODY_HIGH = range(9, 17)
N_NUMBERS = 17

# entries of a row of ``features``
STATUS, REACHED, SITES, OPEN, DEPTH, BONE, MARGIN, GAP, PLATE_Z, SKIN_Z = range(10)
N_FEATURES = 10

# values of STATUS
FOUND, NO_SKIN, WIDE_GAP, CUTS, ON_COUCH, NO_SITE = range(6)

STEP = 1.0  # of the points on a needle's axis
TIP_STEP = 0.5  # depths that can be set
CUT = 0.2  # depth in the body at which a plate cuts into it
FACE_STEPS = 9  # points along each side of the plate where it must be outside the body


@njit(cache=True)
def _at(grid, start, step, u, v, w):
    """Trilinear value of ``grid[w, v, u]``; beyond its faces as on them."""
    last_w, last_v, last_u = grid.shape[0] - 1, grid.shape[1] - 1, grid.shape[2] - 1
    fu = min(max((u - start[0]) / step, 0.0), last_u - 1e-9)
    fv = min(max((v - start[1]) / step, 0.0), last_v - 1e-9)
    fw = min(max((w - start[2]) / step, 0.0), last_w - 1e-9)
    i, j, k = int(fu), int(fv), int(fw)
    fu, fv, fw = fu - i, fv - j, fw - k
    low = (grid[k, j, i] * (1.0 - fu) + grid[k, j, i + 1] * fu) * (1.0 - fv) + (
        grid[k, j + 1, i] * (1.0 - fu) + grid[k, j + 1, i + 1] * fu
    ) * fv
    high = (grid[k + 1, j, i] * (1.0 - fu) + grid[k + 1, j, i + 1] * fu) * (1.0 - fv) + (
        grid[k + 1, j + 1, i] * (1.0 - fu) + grid[k + 1, j + 1, i + 1] * fu
    ) * fv
    return low * (1.0 - fw) + high * fw


@njit(cache=True)
def _nearest(grid, start, step, u, v, w):
    i = min(max(int((u - start[0]) / step + 0.5), 0), grid.shape[2] - 1)
    j = min(max(int((v - start[1]) / step + 0.5), 0), grid.shape[1] - 1)
    k = min(max(int((w - start[2]) / step + 0.5), 0), grid.shape[0] - 1)
    return grid[k, j, i]


@njit(parallel=True, cache=True)
def distance_to_stack(layers, spacing, most, sign, out, which):
    """Distance from the nodes of a stack of layers to the solid, up to ``most``.

    ``layers[k]`` holds in-plane signed distances at height ``k * spacing``, each layer standing for
    half a spacing to either side. ``sign`` 1: distance to the solid, 0 inside; -1: to its
    complement, 0 outside. ``which`` is the layer that it was found on.
    """
    count, rows, columns = layers.shape
    steps = int(most / spacing + 0.5) + 1
    for k in prange(count):
        for j in range(rows):
            for i in range(columns):
                best = most
                found = k
                for step in range(steps + 1):
                    gap = max(0.0, (step - 0.5) * spacing)
                    if gap >= best:
                        break
                    for side in range(2 if step else 1):
                        level = k + step if side == 0 else k - step
                        if level < 0 or level >= count:
                            continue
                        plane = sign * layers[level, j, i]
                        distance = math.hypot(plane, gap) if plane > 0.0 else gap
                        if distance < best:
                            best, found = distance, level
                out[k, j, i] = best
                which[k, j, i] = found


@njit(cache=True)
def _plate_height(axes, offset, centre, skin_points, numbers):
    """How high over the centre the plate's patient face must stand, along the needles."""
    half_x, half_y = 0.5 * numbers[SIZE_X], 0.5 * numbers[SIZE_Y]
    lowest = math.inf
    for n in range(skin_points.shape[0]):
        a = skin_points[n, 0] - centre[0]
        b = skin_points[n, 1] - centre[1]
        c = skin_points[n, 2] - centre[2]
        z = a * axes[2, 0] + b * axes[2, 1] + c * axes[2, 2]
        if z >= lowest:
            continue
        x = a * axes[0, 0] + b * axes[0, 1] + c * axes[0, 2] - offset[0]
        y = a * axes[1, 0] + b * axes[1, 1] + c * axes[1, 2] - offset[1]
        if abs(x) <= half_x and abs(y) <= half_y:
            lowest = z
    return lowest


@njit(cache=True)
def _plate_fault(axes, at, skin, g0, step, numbers):
    """Whether the plate stands in the body or under the couch: a STATUS."""
    half_x, half_y = 0.5 * numbers[SIZE_X], 0.5 * numbers[SIZE_Y]
    for a in range(FACE_STEPS):
        x = half_x * (2.0 * a / (FACE_STEPS - 1) - 1.0)
        for b in range(FACE_STEPS):
            y = half_y * (2.0 * b / (FACE_STEPS - 1) - 1.0)
            u = at[0] + x * axes[0, 0] + y * axes[1, 0]
            v = at[1] + x * axes[0, 1] + y * axes[1, 1]
            w = at[2] + x * axes[0, 2] + y * axes[1, 2]
            # within the drawn body the plate was lifted clear of the skin, but for its sampling;
            # beyond it the body goes on as on its last slice
            beyond = w < numbers[BODY_LOW] or w > numbers[BODY_HIGH]
            if _at(skin, g0, step, u, v, w) < (-CUT if beyond else -step):
                return CUTS
            back = numbers[THICKNESS]
            for z in (0.0, -back):
                low = (
                    (u + z * axes[2, 0]) * numbers[DOWN_U]
                    + (v + z * axes[2, 1]) * numbers[DOWN_V]
                    + (w + z * axes[2, 2]) * numbers[DOWN_W]
                )
                if low > numbers[COUCH]:
                    return ON_COUCH
    return FOUND


@njit(cache=True)
def _mark(reached, t0, t_step, u, v, w, radius):
    """Mark the nodes of the target's grid within a radius of a seed."""
    rows_w, rows_v, rows_u = reached.shape
    span = radius / t_step
    fu, fv, fw = (u - t0[0]) / t_step, (v - t0[1]) / t_step, (w - t0[2]) / t_step
    for k in range(max(0, math.ceil(fw - span)), min(rows_w - 1, math.floor(fw + span)) + 1):
        for j in range(max(0, math.ceil(fv - span)), min(rows_v - 1, math.floor(fv + span)) + 1):
            rest = span * span - (k - fw) * (k - fw) - (j - fv) * (j - fv)
            if rest < 0.0:
                continue
            wide = math.sqrt(rest)
            first, last = max(0, math.ceil(fu - wide)), min(rows_u - 1, math.floor(fu + wide))
            for i in range(first, last + 1):
                reached[k, j, i] = 1


@njit(cache=True)
def _trace(at, axis, last, margin, cause, skin, bone, g0, step, numbers, least, bony):
    """Follow one needle from the plate: deepest step, skin and what stops it.

    Fills ``least`` (smallest margin up to each step) and ``bony`` (bone up to each step).
    """
    tightest, bone_mm, skin_z = math.inf, 0.0, -1.0
    for n in range(last + 1):
        z = n * STEP
        u, v, w = at[0] + z * axis[0], at[1] + z * axis[1], at[2] + z * axis[2]
        room = _at(margin, g0, step, u, v, w)
        if room < 0.0:
            return n - 1, skin_z, _nearest(cause, g0, step, u, v, w)
        tightest = min(tightest, room)
        least[n] = tightest
        if skin_z < 0.0 and _at(skin, g0, step, u, v, w) <= 0.0:
            skin_z = z
        if skin_z >= 0.0 and _nearest(bone, g0, step, u, v, w):
            bone_mm += STEP
        bony[n] = bone_mm
    return last, skin_z, -1


@njit(cache=True)
def _seed_is_deep(at, axis, z, skin, g0, step, numbers):
    for end in (-1.0, 0.0, 1.0):
        here = z + end * numbers[HALF_SEED]
        depth = -_at(
            skin, g0, step, at[0] + here * axis[0], at[1] + here * axis[1], at[2] + here * axis[2]
        )
        if depth < numbers[SKIN_DEPTH]:
            return False
    return True


@njit(cache=True)
def _score(
    axes, offset, centre, holes, skin_points, margin, cause, skin, bone, g0, step,
    target, t0, t_step, numbers, row, reached, hides,
):  # fmt: skip
    axis = axes[2]
    height = _plate_height(axes, offset, centre, skin_points, numbers)
    row[STATUS] = NO_SKIN
    if height == math.inf:
        return
    at = np.zeros(3)
    for c in range(3):
        at[c] = centre[c] + offset[0] * axes[0, c] + offset[1] * axes[1, c] + height * axis[c]
    gap = -1.0
    for n in range(int(numbers[MOST_GAP] / STEP) + 2):
        z = n * STEP
        if _at(skin, g0, step, at[0] + z * axis[0], at[1] + z * axis[1], at[2] + z * axis[2]) <= 0:
            gap = z
            break
    row[STATUS] = WIDE_GAP
    if gap < 0.0 or gap > numbers[MOST_GAP]:
        return
    row[GAP], row[PLATE_Z], row[SKIN_Z] = gap, height, height + gap
    row[STATUS] = _plate_fault(axes, at, skin, g0, step, numbers)
    if row[STATUS] != FOUND:
        return
    # the target's ball along and across the needles, from the plate's centre
    radius = numbers[RADIUS]
    near, far = -height - radius, -height + radius + 5.0
    last = int(min(far, numbers[LONGEST_TIP]) / STEP)
    least, bony = np.zeros(max(last, 0) + 2), np.zeros(max(last, 0) + 2)
    start = np.zeros(3)
    depth = bones = room = 0.0
    n_open = n_sites = 0
    for h in range(holes.shape[0]):
        x, y = holes[h, 0] + offset[0], holes[h, 1] + offset[1]
        if x * x + y * y > radius * radius:
            continue
        for c in range(3):
            start[c] = at[c] + holes[h, 0] * axes[0, c] + holes[h, 1] * axes[1, c]
        first_in, last_in, crosses = -1, -1, False
        for n in range(max(0, int(near / STEP)), int(max(far, 0.0) / STEP) + 1):
            z = n * STEP
            to_target = _at(
                target, t0, t_step,
                start[0] + z * axis[0], start[1] + z * axis[1], start[2] + z * axis[2],
            )  # fmt: skip
            if to_target <= numbers[OUTSIDE]:
                if first_in < 0:
                    first_in = n
                last_in = n
                crosses = crosses or to_target <= 0.0
        if not crosses:
            continue
        end = min(last, last_in + int(numbers[HALF_SEED] / STEP) + 2)
        deepest, skin_z, why = _trace(
            start, axis, end, margin, cause, skin, bone, g0, step, numbers, least, bony
        )
        tip = min(deepest * STEP, last_in * STEP + numbers[HALF_SEED])
        tip = math.floor(tip / TIP_STEP) * TIP_STEP
        z = tip - numbers[HALF_SEED]
        shallowest = max(first_in * STEP, numbers[HALF_SEED])
        any_here = False
        while z >= shallowest and skin_z >= 0.0:
            u, v, w = start[0] + z * axis[0], start[1] + z * axis[1], start[2] + z * axis[2]
            if _at(target, t0, t_step, u, v, w) <= numbers[OUTSIDE] and _seed_is_deep(
                start, axis, z, skin, g0, step, numbers
            ):
                _mark(reached, t0, t_step, u, v, w, numbers[REACH])
                n_sites += 1
                if not any_here:
                    any_here = True
                    upto = min(max(int(z + numbers[HALF_SEED]), 0), max(deepest, 0))
                    depth += z + numbers[HALF_SEED] - skin_z
                    bones += bony[upto]
                    room += least[upto]
            z -= numbers[SEED_STEP]
        if any_here:
            n_open += 1
        elif why >= 0:
            hides[why] += 1
        elif end >= last:
            hides[hides.size - 2] += 1  # needle length
        else:
            hides[hides.size - 1] += 1  # too near the skin, or no room
    row[SITES], row[OPEN] = n_sites, n_open
    if n_open == 0:
        row[STATUS] = NO_SITE
        return
    row[DEPTH], row[BONE], row[MARGIN] = depth / n_open, bones / n_open, room / n_open
    inside = covered = 0
    for k in range(target.shape[0]):
        for j in range(target.shape[1]):
            for i in range(target.shape[2]):
                if target[k, j, i] <= 0.0:
                    inside += 1
                    covered += reached[k, j, i]
    row[REACHED] = 100.0 * covered / max(inside, 1)


@njit(parallel=True, cache=True)
def score_planes(
    axes, offsets, centre, holes, skin_points, margin, cause, skin, bone, g0, step,
    target, t0, t_step, numbers, features, masks, hides,
):  # fmt: skip
    """Features of many planes.

    ``axes`` (n, 3, 3) holds x, y, z of each template as rows, ``offsets`` (n, 2) the plate's centre
    from the line through the target's ``centre``, ``holes`` (m, 2) the lattice. ``margin``,
    ``cause``, ``skin`` and ``bone`` are the search grid, ``target`` signed distances on its own.
    ``masks`` (n, nodes) takes which nodes of the target's grid are reached, or is (0, 0).
    """
    shape = target.shape
    for n in prange(axes.shape[0]):
        reached = np.zeros(shape, np.uint8)
        _score(
            axes[n], offsets[n], centre, holes, skin_points, margin, cause, skin, bone, g0, step,
            target, t0, t_step, numbers, features[n], reached, hides[n],
        )  # fmt: skip
        if masks.shape[0]:
            masks[n] = reached.ravel()
