"""What one seed looks like in this CT: learnt from those that stand alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from template_designer.postplan.seeds_on_ct._evidence import contrast
from template_designer.postplan.seeds_on_ct._field import Field, together
from template_designer.postplan.seeds_on_ct._fit import Fit
from template_designer.postplan.seeds_on_ct._lines import has_gaps
from template_designer.postplan.seeds_on_ct._metal import (
    LEAST_SIGNAL_HU_MM3,
    MOST_SIGNAL_HU_MM3,
    Line,
    beside_line,
)
from template_designer.postplan.seeds_on_ct._pursuit import SMOOTH_MM, THICK_SLICE_MM, first_rod
from template_designer.postplan.seeds_on_ct._rods import Scanner

SIGMA_MM = (0.3, 0.4, 0.5, 0.6, 0.75)
"""Point spreads to try, in the plane: 0.7 to 1.8 mm full width, the kernels in use."""

SLICE_SIGMA = (0.06, 0.12, 0.2)
"""Softness of the slice profile's edges to try, as a part of the slice."""

LENGTH_PART = (0.7, 0.8, 0.9, 1.0)
"""Length of the line that a seed looks like, as a part of the capsule's: a marker inside is
shorter. In thick slices a short line and a steep one look alike, so the shortest is left out."""

FAILED_COST = 1e4
"""Stands for a fit that comes to nothing."""

LEAST_LIKENESS = 0.8
"""R squared of a rod that teaches what a seed looks like."""

TEACHER_HU = (1400.0, 900.0, 560.0)
"""Least height of a seed that teaches, in slices of 1, 2.5 and 5 mm: above bone in real CTs."""

LEAST_TEACHERS = 3
"""Fewer things alike may be anything: a calcification, a clip, a spot of contrast medium."""

MOST_SITES, TEACHERS = 100, 8
APART_MM = 5.0


@dataclass(frozen=True, slots=True, eq=False)
class Lesson:
    """What one seed looks like in a CT."""

    scanner: Scanner
    signal_hu_mm3: float
    teachers: int  # seeds that it was learnt from


def strongest_sites(
    field: Field, mask: NDArray[np.bool_], most: int = MOST_SITES
) -> list[tuple[int, int, int]]:
    """Brightest places of the candidates, at least :data:`APART_MM` apart, brightest first."""
    step = field.scanner.spacing_mm[::-1]
    left = ndimage.gaussian_filter(field.hu - field.background, SMOOTH_MM / step)
    size = [max(3, int(2 * round(0.5 * APART_MM / s) + 1)) for s in step]
    peaks = np.argwhere(mask & (left == ndimage.maximum_filter(left, size)))
    order = np.argsort(-left[tuple(peaks.T)])[:most]
    return [(int(k), int(j), int(i)) for k, j, i in peaks[order]]


@dataclass(frozen=True, slots=True, eq=False)
class _Teacher:
    """A seed that stands clear: where it was seen, and the rod that was fitted there."""

    site: tuple[int, int, int]
    rod: NDArray[np.float64]  # (7,)


def look_at(field: Field, start: NDArray[np.float64]) -> Fit | None:
    """A rod (7,) of any signal fitted alone; None where nothing like a rod is there."""
    fit, gain, part = together(field, np.zeros(0, dtype=np.intp), start[None], None)
    if part < LEAST_LIKENESS or gain < 0.0:
        return None
    return fit


def _look_again(field: Field, teacher: _Teacher) -> Fit | None:
    """Fit a teacher as another scanner would show it; in thick slices from the very start.

    A rod that lies in the middle of a thick slice stays there in a fit, though with another point
    spread it would lie between two.
    """
    thick = float(field.scanner.spacing_mm[2]) > THICK_SLICE_MM
    return look_at(field, first_rod(field, teacher.site, None) if thick else teacher.rod)


def teacher_hu(slice_mm: float) -> float:
    """By how much a seed that teaches stands above its surroundings: more than bone ever does.

    >>> round(teacher_hu(1.0)), round(teacher_hu(2.5)), round(teacher_hu(5.0))
    (1400, 900, 560)
    """
    return float(np.interp(slice_mm, (1.0, 2.5, 5.0), TEACHER_HU))


def learnt(field: Field, mask: NDArray[np.bool_], lines: Sequence[Line] = ()) -> Lesson | None:
    """Point spread and signal of the seeds of this CT; None where there is no seed to learn from.

    Parameters
    ----------
    field : Field
        Without rods.
    mask : (slices, rows, columns) ndarray of bool
        Where to look.
    lines : sequence of Line
        Long pieces of metal: those without gaps, maybe needles, teach nothing.
    """
    least_hu = teacher_hu(float(field.scanner.spacing_mm[2]))
    good: list[_Teacher] = []
    for site in strongest_sites(field, mask):
        fit = look_at(field, first_rod(field, site, None))
        if fit is None:
            continue
        if not LEAST_SIGNAL_HU_MM3 <= np.exp(fit.rods[0, 6]) <= MOST_SIGNAL_HU_MM3:
            continue
        if contrast(field, fit.rods[0], placed=False)[0] >= least_hu:
            good.append(_Teacher(site, fit.rods[0]))
    bare = [line for line in lines if not has_gaps(field, line)]
    good = [teacher for teacher in good if not _in_a_line(teacher.rod, bare)]
    if len(good) < LEAST_TEACHERS:
        return None
    scanner = _tuned(field, good[:TEACHERS])
    tuned = Field(field.hu, field.background, scanner)
    fits = [_look_again(tuned, teacher) for teacher in good]
    signals = [float(np.exp(fit.rods[0, 6])) for fit in fits if fit is not None]
    if len(signals) < LEAST_TEACHERS:
        return None
    return Lesson(scanner, float(np.median(signals)), len(signals))


def _in_a_line(rod: NDArray[np.float64], lines: Sequence[Line]) -> bool:
    return any(bool(beside_line(line, rod[None, :3], np.full(3, 2.5))[0]) for line in lines)


def _tuned(field: Field, teachers: list[_Teacher]) -> Scanner:
    """The point spread and the length of the line with which the teachers fit best together."""
    base = field.scanner
    slice_mm = float(base.spacing_mm[2])

    def with_(plane: float, part: float, length: float) -> Scanner:
        sigma = np.array([plane, plane, 0.2 + part * slice_mm])
        return replace(base, sigma_mm=sigma, length_mm=length * base.length_mm)

    def cost(scanner: Scanner) -> float:
        other = Field(field.hu, field.background, scanner)
        fits = [_look_again(other, teacher) for teacher in teachers]
        return sum(FAILED_COST if fit is None else min(fit.cost, FAILED_COST) for fit in fits)

    lengths = LENGTH_PART if slice_mm <= THICK_SLICE_MM else LENGTH_PART[1:]
    plane, length = min(
        product(SIGMA_MM, lengths), key=lambda p: cost(with_(p[0], SLICE_SIGMA[1], p[1]))
    )
    part = min(SLICE_SIGMA, key=lambda p: cost(with_(plane, p, length)))
    return with_(plane, part, length)
