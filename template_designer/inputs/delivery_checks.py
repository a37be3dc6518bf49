"""Whether seeds can be brought in as the case asks: spacings that whole spacers make."""

from __future__ import annotations

import math

from template_designer.errors import CaseError
from template_designer.model import CaseSettings


def check_spacers(settings: CaseSettings, capsule_mm: float) -> None:
    """Check that spacers fill the gap of every spacing that the loading may choose.

    Parameters
    ----------
    settings : CaseSettings
        Checked by the schema.
    capsule_mm : float
        Length of a seed's capsule.

    Raises
    ------
    CaseError
        With the spacings that do not fit, and those that do.
    """
    stated, loading = settings.delivery, settings.loading
    if not stated.technique.uses_spacers:
        return
    least, most = (limit / loading.step_mm for limit in loading.seed_spacing_mm)
    steps = range(math.ceil(least - 1e-6), math.floor(most + 1e-6) + 1)
    spacings_mm = [step * loading.step_mm for step in steps]
    fit = [mm for mm in spacings_mm if stated.spacers_for(mm - capsule_mm) is not None]
    off = [mm for mm in spacings_mm if mm not in fit]
    if not off:
        return
    raise CaseError(
        f"[delivery] technique = {stated.technique.value!r}: seeds {_list(off)} mm apart leave "
        f"{_list([mm - capsule_mm for mm in off])} mm between capsules of {capsule_mm:g} mm, "
        f"which no {stated.spacers_per_gap} or fewer of the spacers "
        f"{_list(stated.spacer_lengths_mm)} mm fill to strand_tolerance_mm = "
        f"{stated.strand_tolerance_mm:g}; spacings that fit: {_list(fit)} mm. Set [loading] "
        'loading = "regular" (seeds on a 5 mm step), another step_mm or seed_spacing_mm, or the '
        "spacer_lengths_mm you have"
    )


def _list(lengths_mm: tuple[float, ...] | list[float]) -> str:
    return ", ".join(f"{round(mm, 3):g}" for mm in lengths_mm[:8]) or "none"
