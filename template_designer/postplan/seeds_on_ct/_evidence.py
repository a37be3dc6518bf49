"""What speaks for a rod: likeness, and height above what lies round it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from template_designer.postplan.seeds_on_ct._field import Field
from template_designer.postplan.seeds_on_ct._rods import centres_of, rod_voxels, window_round

CORE_MM = 1.2
"""Voxels so near the rod's middle, in its slice, are its core."""

RING_MM = (2.5, 5.0)
"""The surroundings of a core, in its slice."""

RING_PART = 85.0
"""Percentile of the surroundings that a seed stands above: a bone edge has bone on two sides."""

LEAST_SLICE_PART = 0.5
"""Slices count that show at least this part of what the best one shows."""


def contrast(field: Field, rod: NDArray[np.float64], *, placed: bool) -> tuple[float, float]:
    """Height of a rod above its surroundings.

    Parameters
    ----------
    field : Field
    rod : (7,) ndarray
    placed : bool
        Whether it is among the field's rods already.

    Returns
    -------
    hu : float
        Mean of the core above the ring, over the slices that show the rod best.
    expected_hu : float
        The same of the rod by itself, as the image could hold it.
    """
    scanner = field.scanner
    reach = np.array([RING_MM[1], RING_MM[1], 1.0 + scanner.spacing_mm[2]])
    window = window_round(rod[None, :3], reach, scanner, field.hu.shape)
    own = rod_voxels(rod, window, scanner)[0]
    others = field.total[window] - own if placed else field.total[window]
    base = field.background[window]
    free = field.hu[window] - others
    # a number that is cut off says only that there is at least so much
    held = np.minimum(own + base, scanner.clip_hu)
    free = np.where(field.hu[window] >= scanner.clip_hu, np.maximum(free, held), free)
    u, v, w = centres_of(window, scanner)
    size = float(np.linalg.norm(rod[3:6]))
    level, shown = [], []
    for k, height in enumerate(w):
        steep = rod[5] / size
        along = np.clip((height - rod[2]) / steep, -1.0, 1.0) if abs(steep) > 0.3 else 0.0
        middle = rod[:2] + along * rod[3:5] / size
        away = np.hypot(u - middle[0], (v - middle[1])[:, None])
        core = away <= max(CORE_MM, 0.75 * float(scanner.spacing_mm[0]))
        ring = (away >= RING_MM[0]) & (away <= RING_MM[1]) & (own[k] < 0.1 * own.max())
        if not core.any() or not ring.any():
            continue
        level.append(float(np.mean(free[k][core]) - np.percentile(free[k][ring], RING_PART)))
        shown.append(float(np.mean((held[k] - base[k])[core])))
    if not shown or max(shown) <= 0.0:
        return 0.0, np.inf
    best = np.array(shown) >= LEAST_SLICE_PART * max(shown)
    return float(np.mean(np.array(level)[best])), float(np.mean(np.array(shown)[best]))


def likeness(field: Field, rod: NDArray[np.float64]) -> float:
    """R squared of a placed rod in the voxels that show it, its neighbours taken as they are."""
    scanner = field.scanner
    reach = scanner.length_mm + scanner.spacing_mm
    window = window_round(rod[None, :3], reach, scanner, field.hu.shape)
    own = rod_voxels(rod, window, scanner)[0]
    seen = own > 0.05 * own.max()
    with_it = field.shown(window)
    without = np.minimum(field.background[window] + field.total[window] - own, scanner.clip_hu)
    left, whole = (field.hu[window] - with_it)[seen], (field.hu[window] - without)[seen]
    return 1.0 - float(left @ left) / max(float(whole @ whole), 1e-9)


def cut_off(field: Field, rod: NDArray[np.float64]) -> bool:
    """Whether the image cuts off the numbers where a rod is brightest."""
    scanner = field.scanner
    window = window_round(rod[None, :3], scanner.length_mm, scanner, field.hu.shape)
    own = rod_voxels(rod, window, scanner)[0]
    return bool(np.any(field.hu[window][own > 0.5 * own.max()] >= scanner.clip_hu))
