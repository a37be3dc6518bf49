"""Finds the seeds of a permanent implant on a CT taken after it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from template_designer.errors import CaseError
from template_designer.geometry.solids import Solid
from template_designer.model import ImageVolume
from template_designer.postplan.seeds_on_ct._calibrate import Lesson, learnt
from template_designer.postplan.seeds_on_ct._checks import (
    check_image,
    mask_of,
    none_found,
    unit,
    warnings,
)
from template_designer.postplan.seeds_on_ct._field import Field
from template_designer.postplan.seeds_on_ct._fit import Prior
from template_designer.postplan.seeds_on_ct._metal import (
    candidates,
    long_lines,
    peak_hu,
    thick_metal,
    tissue_hu,
)
from template_designer.postplan.seeds_on_ct._pursuit import pursue
from template_designer.postplan.seeds_on_ct._rods import Scanner, Window
from template_designer.postplan.seeds_on_ct._verdict import (
    judged,
    settled,
    without_needles,
)
from template_designer.postplan.seeds_on_ct.found import FoundSeed, FoundSeeds

MARGIN_MM = 12.0
"""Tissue that is kept round the candidates."""

THICK = "inside or beside something thick and dense: contrast medium, an implant of metal"

FULL_SCALE_HU = (3071, 3095, 4095, 32767)
"""Where scanners cut off: 12 bits with the usual intercepts, 16 bits."""

FULL_WIDTH = 2.0 * float(np.sqrt(2.0 * np.log(2.0)))
"""Full width at half height of a Gaussian, in sigma."""

STEPS = 4
"""Calls of ``progress`` that :func:`find_seeds` makes."""


def find_seeds(
    image: ImageVolume,
    *,
    seed_length_mm: float = 4.5,
    seed_diameter_mm: float = 0.8,
    expected: int | None = None,
    inside: Solid | NDArray[np.bool_] | None = None,
    needle_direction_lps: NDArray[np.float64] | None = None,
    progress: Callable[[str], None] | None = None,
) -> FoundSeeds:
    """Find seeds on a CT. Proved on simulated seeds in real CTs only; see docs/seeds_on_ct.md.

    Parameters
    ----------
    image : ImageVolume
        The CT after the implant, Hounsfield units.
    seed_length_mm, seed_diameter_mm : float
        Of the capsule.
    expected : int, optional
        Seeds that were implanted: compared with those found, never used to choose them.
    inside : Solid, or (slices, rows, columns) ndarray of bool, optional
        Where to look, such as the target grown by 30 mm; default everywhere.
    needle_direction_lps : (3,) ndarray, optional
        Of the needles, LPS, either sense: seeds are expected within some 20 degrees of it.
    progress : callable, optional
        Called with one short line before each step.

    Returns
    -------
    FoundSeeds
        LPS, mm. Centres are good to some tenths of a millimetre in slices of 1 mm, to 1-2 mm in
        slices of 5 mm; axes stand only where the CT shows them.

    Raises
    ------
    CaseError
        If the image is no CT in HU or too coarse, ``inside`` holds none of it, or no seed is found.
    """
    say = progress or (lambda text: None)
    check_image(image, seed_length_mm, seed_diameter_mm, expected)
    mask = mask_of(inside, image)
    way = None if needle_direction_lps is None else image.axes_lps @ unit(needle_direction_lps)
    say("metal")
    parts, boxes, excess = candidates(image, mask)
    if not boxes:
        raise CaseError(none_found(0, {}, only_a_part=inside is not None))
    cut = _crop(boxes, image)
    small = _cropped(image, cut)
    rejected: Counter[str] = Counter()
    scanner = _first_guess(small, _clip_hu(image), seed_length_mm)
    try:
        field, seeds, lesson = _searched(
            small, parts[cut], excess[cut], scanner, way, rejected, say
        )
    except _NoSeedError as error:
        text = none_found(len(boxes), rejected, only_a_part=inside is not None)
        raise CaseError(text) from error
    return _outcome(field, seeds, lesson, rejected, expected)


def _outcome(
    field: Field,
    seeds: tuple[FoundSeed, ...],
    lesson: Lesson,
    rejected: Counter[str],
    expected: int | None,
) -> FoundSeeds:
    return FoundSeeds(
        seeds=seeds,
        expected=expected,
        signal_hu_mm3=lesson.signal_hu_mm3,
        full_width_mm=FULL_WIDTH * float(lesson.scanner.sigma_mm[0]),
        slice_mm=float(field.scanner.spacing_mm[2]),
        rejected={reason: count for reason, count in rejected.items() if count},
        warnings=warnings(len(seeds), expected, field, lesson),
    )


class _NoSeedError(Exception):
    """Nothing is left that looks like a seed."""


def _searched(
    image: ImageVolume,
    parts: NDArray[np.int32],
    excess: NDArray[np.float64],
    scanner: Scanner,
    way: NDArray[np.float64] | None,
    rejected: Counter[str],
    say: Callable[[str], None],
) -> tuple[Field, tuple[FoundSeed, ...], Lesson]:
    """Learn what a seed looks like, then find all that look so."""
    hu = image.hu.astype(np.float64)
    background = tissue_hu(hu, excess > peak_hu(float(image.spacing_mm[2])), image.spacing_mm)
    open_ = parts > 0
    thick = thick_metal(hu, image.spacing_mm)
    rejected[THICK] = len(np.unique(parts[thick & open_]))
    open_ &= ~thick
    say("what one seed looks like here")
    lines = long_lines(excess, open_, image.spacing_mm)
    lesson = learnt(Field(hu, background, scanner), open_, lines)
    if lesson is None:
        raise _NoSeedError
    say("seeds, one by one")
    field = Field(hu, background, lesson.scanner, Prior(lesson.signal_hu_mm3, axis=way))
    undecided = without_needles(field, open_, lines, rejected)
    pursue(field, open_)
    say("all of them together")
    errors = settled(field, open_, rejected)
    if not len(field.rods):
        raise _NoSeedError
    return field, judged(field, errors, image, undecided), lesson


def _first_guess(image: ImageVolume, clip_hu: float, length_mm: float) -> Scanner:
    """A scanner as they usually are, to look for the first seeds with."""
    sigma = np.array([0.4, 0.4, 0.2 + 0.1 * float(image.spacing_mm[2])])
    return Scanner(image.spacing_mm, length_mm, sigma, clip_hu, length_mm)


def _crop(boxes: list[Window], image: ImageVolume) -> Window:
    room = [int(np.ceil(MARGIN_MM / s)) for s in image.spacing_mm[::-1]]
    cut = [
        slice(
            max(0, min(box[n].start for box in boxes) - room[n]),
            max(box[n].stop for box in boxes) + room[n],
        )
        for n in range(3)
    ]
    return cut[0], cut[1], cut[2]


def _cropped(image: ImageVolume, cut: Window) -> ImageVolume:
    first = np.array([part.start for part in cut[::-1]]) * image.spacing_mm
    return replace(
        image, hu=image.hu[cut], origin_lps_mm=image.origin_lps_mm + first @ image.axes_lps
    )


def _clip_hu(image: ImageVolume) -> float:
    """Largest number that the image can hold; beyond any where no voxel is cut off."""
    top = int(image.hu.max())
    full = top in FULL_SCALE_HU or int(np.count_nonzero(image.hu == top)) >= 3
    return float(top) if full else np.inf
