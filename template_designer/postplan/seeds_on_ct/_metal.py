"""Metal in a CT: what stands out of the tissue round it, and the tissue without it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from template_designer.model import ImageVolume

OPENING_MM = 7.0
"""What is wider than this along rows and columns is no seed: it goes into the background."""

LEAST_SIGNAL_HU_MM3 = 20_000.0
"""Weakest seed that is believed. A capsule of 2.3 mm3 has at least twice that; a calcification of
1.5 mm at 1500 HU has a tenth of it."""

MOST_SIGNAL_HU_MM3 = 120_000.0
"""Strongest seed that is believed: a silver rod of 0.5 x 3 mm in titanium, its beam not hardened,
has 1.3e5, and it always is. What has more is a needle, a wire or a clip."""

THIN_ROD_MM = 1.4
"""Width over which a seed that lies in a slice is spread by a sharp point spread (Gaussian, full
area over height)."""

PEAK_RANGE_HU = (300.0, 1200.0)
"""Candidates stand out by a number in this range: thick slices show seeds weakly."""

TISSUE_MM = (3.0, 3.0, 1.5)
"""Background is the mean of tissue this far round (along u, v, w), one sigma."""

DENSE_HU = 1400.0
"""Denser than bone of the spine at a voxel's size."""

BESIDE_MM = 4.0
"""So near something thick and dense nothing is believed."""

LINE_MM = 12.0
"""Metal in one straight piece that is longer is a needle, or a row of seeds end to end."""

LINE_PEAKS = (1.2, 2.5, 4.0)
"""Heights at which lines are looked for, times the least height of a candidate."""

STRAIGHT_MM = 1.3
"""A line's voxels lie so near its axis, root mean square."""

THICK_MM = 2.4
"""Half the width of the thickest cluster of seeds that is believed: nothing thicker is a seed."""


def peak_hu(slice_mm: float) -> float:
    """By how much the weakest seed stands out: it lies in a slice plane, between two slices.

    >>> round(peak_hu(5.0)), round(peak_hu(1.0))
    (317, 1200)
    """
    line = LEAST_SIGNAL_HU_MM3 / 4.5
    shown = line / (THIN_ROD_MM * max(2.0 * slice_mm, THIN_ROD_MM))
    return float(np.clip(shown, *PEAK_RANGE_HU))


def thin_excess(image: ImageVolume) -> NDArray[np.float64]:
    """How far voxels stand out of what is wider than :data:`OPENING_MM` in their slice, HU."""
    hu = image.hu.astype(np.float32)
    size = [int(2 * round(0.5 * OPENING_MM / s) + 1) for s in image.spacing_mm[1::-1]]
    low = ndimage.minimum_filter(hu, (1, *size))
    return np.asarray(hu - ndimage.maximum_filter(low, (1, *size)))


def candidates(
    image: ImageVolume, inside: NDArray[np.bool_] | None
) -> tuple[NDArray[np.int32], list[tuple[slice, slice, slice]], NDArray[np.float64]]:
    """Parts that stand out like metal: numbers of voxels, boxes, and the excess itself."""
    excess = thin_excess(image)
    high = peak_hu(float(image.spacing_mm[2]))
    wide = excess > 0.5 * high
    if inside is not None:
        wide &= inside
    parts, count = ndimage.label(wide, structure=np.ones((3, 3, 3)))
    keep = np.zeros(count + 1, dtype=np.bool_)
    keep[np.unique(parts[excess > high])] = True
    keep[0] = False
    number = np.cumsum(keep) * keep
    parts = number[parts].astype(np.int32)
    return parts, ndimage.find_objects(parts), excess


def tissue_hu(
    hu: NDArray[np.float64], metal: NDArray[np.bool_], spacing_mm: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The CT without its metal: the mean of tissue round each voxel."""
    grow = ndimage.generate_binary_structure(3, 1)
    grow[0], grow[2] = False, False
    rings = max(1, round(1.5 / float(spacing_mm[0])))
    tissue = ~ndimage.binary_dilation(metal, grow, iterations=rings)
    sigma = np.array(TISSUE_MM)[::-1] / spacing_mm[::-1]
    weight = ndimage.gaussian_filter(tissue.astype(np.float64), sigma)
    total = ndimage.gaussian_filter(np.where(tissue, hu, 0.0), sigma)
    return np.asarray(total / np.maximum(weight, 1e-3))


def thick_metal(hu: NDArray[np.float64], spacing_mm: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Voxels in or beside what is dense and thicker than any cluster of seeds.

    Contrast medium in bowel, an implant of metal: its rim and its streaks look like seeds.
    """
    dense = hu > DENSE_HU
    plane = spacing_mm[1::-1]
    core = np.zeros(hu.shape, dtype=np.bool_)
    for k in np.flatnonzero(dense.any(axis=(1, 2))):
        core[k] = ndimage.distance_transform_edt(dense[k], sampling=plane) > THICK_MM
    if not core.any():
        return core
    away = ndimage.distance_transform_edt(~core, sampling=spacing_mm[::-1])
    return np.asarray(away <= THICK_MM + BESIDE_MM)


@dataclass(frozen=True, slots=True, eq=False)
class Line:
    """A long, straight piece of metal, u, v, w, mm."""

    middle: NDArray[np.float64]  # (3,)
    axis: NDArray[np.float64]  # (3,) unit
    length_mm: float


def long_lines(
    excess: NDArray[np.float64], mask: NDArray[np.bool_], spacing_mm: NDArray[np.float64]
) -> tuple[Line, ...]:
    """Straight pieces of metal longer than :data:`LINE_MM`: needles, wires, or rows of seeds.

    Looked for at several heights: a wire in bone hangs together with the bone at a low one.
    """
    peak = peak_hu(float(spacing_mm[2]))
    lines: list[Line] = []
    for part in LINE_PEAKS:
        for line in _lines_above(excess, mask & (excess > part * peak), spacing_mm):
            reach = np.full(3, LINE_MM / 4.0) + 0.5 * spacing_mm
            if not any(beside_line(known, line.middle[None], reach)[0] for known in lines):
                lines.append(line)
    return tuple(lines)


def _lines_above(
    excess: NDArray[np.float64], high: NDArray[np.bool_], spacing_mm: NDArray[np.float64]
) -> Iterator[Line]:
    parts, _ = ndimage.label(high, structure=np.ones((3, 3, 3)))
    for number, box in enumerate(ndimage.find_objects(parts), start=1):
        size = np.array(
            [(s.stop - s.start) * d for s, d in zip(box, spacing_mm[::-1], strict=True)]
        )
        if float(np.linalg.norm(size)) < LINE_MM:
            continue
        at = np.argwhere(parts[box] == number) + [s.start for s in box]
        points = at[:, ::-1] * spacing_mm
        weight = excess[tuple(at.T)]
        middle = weight @ points / weight.sum()
        spread = np.cov((points - middle).T, aweights=weight)
        axis = np.linalg.eigh(spread)[1][:, -1]
        along = (points - middle) @ axis
        off = points - middle - along[:, None] * axis
        allowed = STRAIGHT_MM**2 + (1.0 - axis[2] ** 2) * spacing_mm[2] ** 2 / 6.0
        length = float(np.ptp(along))
        if length >= LINE_MM and weight @ (off**2).sum(axis=1) / weight.sum() <= allowed:
            centre = middle + 0.5 * (along.min() + along.max()) * axis
            yield Line(centre, axis, length)


def beside_line(
    line: Line, points: NDArray[np.float64], reach_mm: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Which points (n, 3) lie within a reach (by axis) of a line."""
    off = points - line.middle
    along = np.clip(off @ line.axis, -0.5 * line.length_mm, 0.5 * line.length_mm)
    away = (off - along[:, None] * line.axis) / reach_mm
    return np.asarray(np.linalg.norm(away, axis=1) <= 1.0)
