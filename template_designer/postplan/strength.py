"""How strong delivered seeds were on the day of the implant."""

from __future__ import annotations

import datetime

import numpy as np

from dose import DoseInputError, check_usual_strength, strength_on
from template_designer.errors import CaseError
from template_designer.model import CaseSettings, PlanWarning, SeedSource
from template_designer.model.seed_set import SeedSet


def day_of_implant(source: SeedSource, implanted: datetime.date | None) -> datetime.date | None:
    """The day that was stated, else that of the plan; None where neither says."""
    if implanted is not None or source.calibration is None:
        return implanted
    return source.calibration.implant_date


def planned_strength_u(source: SeedSource, implanted: datetime.date | None) -> float:
    """Strength of a planned seed on the day on which it was implanted, U.

    Raises
    ------
    CaseError
        If that day lies before the calibration, or ten half-lives after it.
    """
    certified = source.calibration
    if certified is None or implanted is None:
        return source.air_kerma_strength_u
    try:
        return strength_on(
            certified.air_kerma_strength_u, source.model, certified.calibration_date, implanted
        )
    except DoseInputError as error:
        raise CaseError(f"--implanted {implanted}: {error}") from error


def stated_strength_u(strength_u: float, settings: CaseSettings, source: SeedSource) -> float:
    """A strength from the command line, if it is one that clinics use.

    Raises
    ------
    CaseError
        If it is unusual, and the case does not confirm that.
    """
    confirmed = settings.source.confirm_unusual_strength
    try:
        return check_usual_strength(strength_u, source.model.nuclide, confirmed=confirmed)
    except DoseInputError as error:
        raise CaseError(f"--strength-u {strength_u:g}: {error}") from error


def on_day_of_implant(
    where: str, seeds: SeedSet, source: SeedSource, implanted: datetime.date | None
) -> tuple[np.ndarray, tuple[PlanWarning, ...]]:
    """Strengths on the day of the implant, (n,) U, and what was taken for granted.

    Raises
    ------
    CaseError
        If the seeds are of another nuclide than the plan's.
    """
    if seeds.nuclide != source.model.nuclide:
        raise CaseError(
            f"{where}: its seeds are {seeds.nuclide}, the plan's are {source.model.nuclide}; name "
            "the seeds of this implant"
        )
    if seeds.reference_date is None:
        return seeds.strength_u, ()
    if implanted is None:
        text = (
            f"{where} states its strengths for {seeds.reference_date}; the day of the implant is "
            "not known, they were taken as those of that day. State it with --implanted."
        )
        return seeds.strength_u, (PlanWarning("implant-day-unknown", text),)
    days = (implanted - seeds.reference_date).days
    return seeds.strength_u * 0.5 ** (days / source.model.half_life_days), ()
