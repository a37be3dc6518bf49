"""Quality indices of an implant, from volumes alone.

V_T is the target's volume, V_ref all volume at or above the prescription, V_T,ref the target's
volume at or above it, V_1.5ref and V_T,1.5ref the same at 150 %.
"""

from __future__ import annotations

from collections.abc import Iterable

from dose.errors import DoseInputError
from dose.validation import validate_number

VOLUME_ROUNDING = 1e-9
"""Part of a structure's volume below which two summed volumes are the same (float64 sums)."""


def conformity_index(target_cm3: float, reference_cm3: float, target_reference_cm3: float) -> float:
    """CI = (V_T,ref / V_T)(V_T,ref / V_ref); 1 is best, 0 if nothing gets the prescription.

    Parameters
    ----------
    target_cm3 : float
        V_T, volume of the target, cm3.
    reference_cm3 : float
        V_ref, all volume at or above the prescription, inside the target or not, cm3.
    target_reference_cm3 : float
        V_T,ref, volume of the target at or above the prescription, cm3.

    Raises
    ------
    DoseInputError
        If V_T is not above 0, or V_T,ref is negative or larger than V_T or V_ref.
    """
    target, reference, covered = _index_volumes(target_cm3, reference_cm3, target_reference_cm3)
    if covered == 0.0:
        return 0.0
    return (covered / target) * (covered / reference)


def external_index(target_cm3: float, reference_cm3: float, target_reference_cm3: float) -> float:
    """EI = (V_ref - V_T,ref) / V_T; 0 is best. Parameters as for ``conformity_index``."""
    target, reference, covered = _index_volumes(target_cm3, reference_cm3, target_reference_cm3)
    return (reference - covered) / target


def homogeneity_index(target_reference_cm3: float, target_150_cm3: float) -> float:
    """HI = (V_T,ref - V_T,1.5ref) / V_T,ref; 1 is best.

    Parameters
    ----------
    target_reference_cm3, target_150_cm3 : float
        Volume of the target at or above the prescription, and at or above 150 % of it, cm3.

    Returns
    -------
    float
        0 where nothing of the target gets the prescription (the index has no value there).

    Raises
    ------
    DoseInputError
        If a volume is negative, or the second is larger than the first.
    """
    covered = validate_number(target_reference_cm3, "target_reference_cm3")
    hot = validate_number(target_150_cm3, "target_150_cm3")
    if not 0.0 <= hot <= covered * (1.0 + VOLUME_ROUNDING):
        raise DoseInputError(
            f"target_150_cm3 = {hot:g} must lie between 0 and target_reference_cm3 = {covered:g}; "
            "both are cm3 of the target"
        )
    return 0.0 if covered == 0.0 else max(0.0, (covered - hot) / covered)


def dose_nonuniformity_ratio(reference_cm3: float, reference_150_cm3: float) -> float:
    """DNR = V_1.5ref / V_ref of the whole implant; 0 is best.

    Parameters
    ----------
    reference_cm3, reference_150_cm3 : float
        All volume at or above the prescription, and at or above 150 % of it, cm3.

    Returns
    -------
    float
        0 where nothing gets the prescription (the ratio has no value there).

    Raises
    ------
    DoseInputError
        If a volume is negative, or the second is larger than the first.
    """
    reference = validate_number(reference_cm3, "reference_cm3")
    hot = validate_number(reference_150_cm3, "reference_150_cm3")
    if not 0.0 <= hot <= reference * (1.0 + VOLUME_ROUNDING):
        raise DoseInputError(
            f"reference_150_cm3 = {hot:g} must lie between 0 and reference_cm3 = {reference:g}; "
            "it is the part of that volume at 150 %"
        )
    return 0.0 if reference == 0.0 else min(1.0, hot / reference)


def conformal_index_with_organs(conformity: float, organ_parts: Iterable[float]) -> float:
    """COIN = CI x product over critical organs of (1 - V_CO,ref / V_CO); 1 is best.

    Parameters
    ----------
    conformity : float
        CI, 0 to 1.
    organ_parts : iterable of float
        For each critical organ the part of its volume at or above the prescription, 0 to 1.

    Returns
    -------
    float

    Raises
    ------
    DoseInputError
        If a value lies outside 0 to 1.

    References
    ----------
    .. [1] Baltas et al., Int. J. Radiat. Oncol. Biol. Phys. 40, 515 (1998).
       https://doi.org/10.1016/S0360-3016(97)00732-3
    """
    index = _part(conformity, "conformity")
    for number, part in enumerate(organ_parts):
        index *= 1.0 - _part(part, f"organ_parts[{number}]")
    return index


def _part(value: float, name: str) -> float:
    number = validate_number(value, name)
    if not 0.0 <= number <= 1.0 + VOLUME_ROUNDING:
        raise DoseInputError(f"{name} = {number:g} must lie between 0 and 1; it is a part, not %")
    return min(1.0, number)


def _index_volumes(target: float, reference: float, covered: float) -> tuple[float, float, float]:
    target = validate_number(target, "target_cm3", above=0.0)
    reference = validate_number(reference, "reference_cm3")
    covered = validate_number(covered, "target_reference_cm3")
    largest = min(target, reference)
    if not 0.0 <= covered <= largest * (1.0 + VOLUME_ROUNDING):
        raise DoseInputError(
            f"target_reference_cm3 = {covered:g} must lie between 0 and both target_cm3 = "
            f"{target:g} and reference_cm3 = {reference:g}; it is the volume that the two share"
        )
    return target, reference, covered
