"""What may be asked of the search, and what is said of its outcome."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from template_designer.errors import CaseError
from template_designer.geometry.from_ct import solid_mask
from template_designer.geometry.solids import Solid
from template_designer.inputs.dicom_ct import PLAUSIBLE_RANGE_HU
from template_designer.model import ImageVolume, PlanWarning
from template_designer.postplan.seeds_on_ct._calibrate import Lesson
from template_designer.postplan.seeds_on_ct._field import Field

COARSEST_MM = (2.0, 6.0)
"""Pixels and slices up to which seeds can be told from bone."""

FAT_HU = -50
"""Every CT of a patient holds fat at least, however small the field of view."""

THICK_SLICE_MM = 2.5
"""Thicker slices are warned of."""

FEW_TEACHERS = 6
"""Learnt from fewer seeds, what a seed looks like is not certain."""

STEEP = 0.7
"""Cosine to the slices' normal from which on seeds lie one behind the other in the stack."""

FAR_OFF = 0.2
"""Part of the expected number by which the found one may differ before it is worth a word of its
own: most likely another patient's CT, or not the whole implant."""

SIMULATION = (
    "the search was proved on simulated seeds in real CTs, not on patients; look at every seed "
    "before the table is used"
)


def check_image(
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


def mask_of(
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


def unit(direction: NDArray[np.float64]) -> NDArray[np.float64]:
    values = np.asarray(direction, dtype=np.float64)
    length = float(np.linalg.norm(values))
    if values.shape != (3,) or not np.isfinite(length) or length <= 0.0:
        raise CaseError(f"needle direction {direction} is no direction; give three numbers, LPS")
    return np.asarray(values / length)


def none_found(candidates_: int, rejected: Mapping[str, int], *, only_a_part: bool) -> str:
    """What is said where no seed is found, in all of the CT or in the part looked at."""
    told = "; ".join(f"{count} {reason}" for reason, count in rejected.items() if count)
    what = (
        f" ({candidates_} bright places are bone, calcification or other metal"
        if candidates_
        else ""
    )
    what += f"; {told})" if what and told else ")" if what else ""
    where = "in the part of the CT that was looked at" if only_a_part else "on the CT"
    return (
        f"no seed was found {where}{what}; check that it was taken after the implant and covers it"
        + (", or look farther round (--near, --margin)" if only_a_part else "")
    )


def warnings(
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
