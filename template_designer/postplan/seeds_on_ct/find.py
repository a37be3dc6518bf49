"""Finds the seeds of a permanent implant on a CT taken after it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from template_designer.errors import CaseError
from template_designer.geometry.from_ct import solid_mask
from template_designer.geometry.solids import Solid
from template_designer.inputs.dicom_ct import PLAUSIBLE_RANGE_HU
from template_designer.model import ImageVolume, PlanWarning
from template_designer.postplan.seeds_on_ct._calibrate import Lesson, learnt
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
from template_designer.postplan.seeds_on_ct.found import FoundSeeds

MARGIN_MM = 12.0
"""Tissue that is kept round the candidates."""

COARSEST_MM = (2.0, 6.0)
"""Pixels and slices up to which seeds can be told from bone."""

THICK = "inside or beside something thick and dense: contrast medium, an implant of metal"

FULL_SCALE_HU = (3071, 3095, 4095, 32767)
"""Where scanners cut off: 12 bits with the usual intercepts, 16 bits."""

THICK_SLICE_MM = 2.5
FEW_TEACHERS = 6
STEEP = 0.7  # cosine to the slices' normal

SIMULATION = (
    "the search was proved on simulated seeds in real CTs, not on patients; look at every seed "
    "before the table is used"
)

FAT_HU = -50
"""Every CT of a patient holds fat at least, however small the field of view."""

STEPS = 4
"""Calls of ``progress`` that :func:`find_seeds` makes."""

FAR_OFF = 0.2
"""Part of the expected number by which the found one may differ before it is worth a warning of
its own: most likely another patient's CT, or not the whole implant."""


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
    _check_image(image, seed_length_mm, seed_diameter_mm, expected)
    mask = _mask_of(inside, image)
    say("metal")
    parts, boxes, excess = candidates(image, mask)
    if not boxes:
        raise CaseError(_none_found(0, {}))
    cut = _crop(boxes, image)
    small = _cropped(image, cut)
    parts, excess = parts[cut], excess[cut]
    hu = small.hu.astype(np.float64)
    background = tissue_hu(hu, excess > peak_hu(float(image.spacing_mm[2])), small.spacing_mm)
    rejected: Counter[str] = Counter()
    open_ = parts > 0
    thick = thick_metal(hu, small.spacing_mm)
    rejected[THICK] = len(np.unique(parts[thick & open_]))
    open_ &= ~thick
    slice_mm = float(small.spacing_mm[2])
    start = np.array([0.4, 0.4, 0.2 + 0.1 * slice_mm])
    scanner = Scanner(small.spacing_mm, seed_length_mm, start, _clip_hu(image), seed_length_mm)
    say("what one seed looks like here")
    lines = long_lines(excess, open_, small.spacing_mm)
    lesson = learnt(Field(hu, background, scanner), open_, lines)
    if lesson is None:
        raise CaseError(_none_found(len(boxes), rejected))
    say("seeds, one by one")
    way = None if needle_direction_lps is None else small.axes_lps @ _unit(needle_direction_lps)
    field = Field(hu, background, lesson.scanner, Prior(lesson.signal_hu_mm3, axis=way))
    undecided = without_needles(field, open_, lines, rejected)
    pursue(field, open_)
    say("all of them together")
    errors = settled(field, open_, rejected)
    if not len(field.rods):
        raise CaseError(_none_found(len(boxes), rejected))
    seeds = judged(field, errors, small, undecided)
    return FoundSeeds(
        seeds=seeds,
        expected=expected,
        signal_hu_mm3=lesson.signal_hu_mm3,
        full_width_mm=2.3548 * float(lesson.scanner.sigma_mm[0]),
        slice_mm=slice_mm,
        rejected={reason: count for reason, count in rejected.items() if count},
        warnings=_warnings(len(seeds), expected, field, lesson),
    )


def _check_image(
    image: ImageVolume, length_mm: float, diameter_mm: float, expected: int | None
) -> None:
    low, high = int(image.hu.min()), int(image.hu.max())
    if high - low < PLAUSIBLE_RANGE_HU or low > FAT_HU:
        raise CaseError(
            f"the image holds values from {low} to {high}: no CT of a patient in Hounsfield units; "
            "name the CT as the scanner made it"
        )
    pixel, slices = float(image.spacing_mm[:2].max()), float(image.spacing_mm[2])
    if pixel > COARSEST_MM[0] or slices > COARSEST_MM[1]:
        raise CaseError(
            f"the CT has pixels of {pixel:.2g} mm and slices of {slices:.2g} mm: seeds of "
            f"{diameter_mm:g} mm cannot be told from bone above {COARSEST_MM[0]:g} and "
            f"{COARSEST_MM[1]:g} mm; reconstruct it finer"
        )
    if not 1.0 <= length_mm <= 10.0 or not 0.3 <= diameter_mm <= 2.0:
        raise CaseError(
            f"a seed of {length_mm:g} x {diameter_mm:g} mm is none that is known; lengths are 1 to "
            "10 mm, diameters 0.3 to 2 mm"
        )
    if expected is not None and expected < 1:
        raise CaseError(f"{expected} seeds are expected; state how many were implanted, 1 or more")


def _mask_of(
    inside: Solid | NDArray[np.bool_] | None, image: ImageVolume
) -> NDArray[np.bool_] | None:
    if inside is None:
        return None
    if isinstance(inside, Solid):
        name, mask = f"structure {inside.name!r}", solid_mask(inside, image)
    else:
        name, mask = "the mask", np.asarray(inside, dtype=np.bool_)
    if mask.shape != image.hu.shape:
        raise CaseError(f"{name} is of shape {mask.shape}, the CT of {image.hu.shape}; they differ")
    if not mask.any():
        raise CaseError(
            f"{name} holds no voxel of the CT: it lies outside of the image, or in another frame "
            "of reference; name structures drawn on this CT"
        )
    return mask


def _unit(direction: NDArray[np.float64]) -> NDArray[np.float64]:
    values = np.asarray(direction, dtype=np.float64)
    length = float(np.linalg.norm(values))
    if values.shape != (3,) or not np.isfinite(length) or length <= 0.0:
        raise CaseError(f"needle direction {direction} is no direction; give three numbers, LPS")
    return np.asarray(values / length)


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


def _none_found(candidates_: int, rejected: Mapping[str, int]) -> str:
    told = "; ".join(f"{count} {reason}" for reason, count in rejected.items() if count)
    what = (
        f" ({candidates_} bright places are bone, calcification or other metal"
        if candidates_
        else ""
    )
    what += f"; {told})" if what and told else ")" if what else ""
    return (
        f"no seed was found on the CT{what}; check that it was taken after the implant and covers "
        "it, or that --structures does not leave it out"
    )


def _warnings(
    found: int, expected: int | None, field: Field, lesson: Lesson
) -> tuple[PlanWarning, ...]:
    warnings = [PlanWarning("seeds-by-simulation", SIMULATION)]
    slice_mm = float(field.scanner.spacing_mm[2])
    if slice_mm > THICK_SLICE_MM:
        text = (
            f"slices of {slice_mm:g} mm: places along the slices' normal are good to 1-2 mm only, "
            "seeds one above the other may be taken for one; slices of 1 mm show them"
        )
        warnings.append(PlanWarning("seeds-thick-slices", text))
        steep = np.abs(field.rods[:, 5]) / np.linalg.norm(field.rods[:, 3:6], axis=1)
        if float(np.median(steep)) > STEEP:
            text = (
                f"the seeds lie along the slices' normal, one behind the other: in slices of "
                f"{slice_mm:g} mm a quarter of them may be missed; reconstruct thinner slices"
            )
            warnings.append(PlanWarning("seeds-along-the-stack", text))
    if expected is not None and found != expected:
        way = "more" if found > expected else "fewer"
        text = f"{found} seeds found, {abs(found - expected)} {way} than the {expected} implanted"
        if abs(found - expected) > FAR_OFF * expected:
            text += ": far off; is it this patient's CT, and does it cover the whole implant?"
        warnings.append(PlanWarning("seed-count", text))
    if lesson.teachers < FEW_TEACHERS:
        text = (
            f"what a seed looks like was learnt from {lesson.teachers} clear seed(s) only; look at "
            "every one"
        )
        warnings.append(PlanWarning("seeds-few-clear", text))
    return tuple(warnings)
