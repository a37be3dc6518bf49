"""Where a supplement may put seeds: beside what lies in the patient already."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from template_designer.errors import CaseError
from template_designer.model import GoalResult, PlanWarning, SeedSource
from template_designer.model.earlier_seeds import EarlierImplant, EarlierSeeds
from template_designer.planning.loading import Locks
from template_designer.planning.together import JoinedSites

SAME_WAY_COSINE = 0.999
"""Needles within 2.6 degrees of each other go the same way: they are those of one plate."""


def free_sites(
    joined: JoinedSites, implant: EarlierImplant, capsule_mm: float, pitch_mm: float
) -> NDArray[np.bool_]:
    """Sites that neither an earlier needle nor an earlier seed is in the way of, (n,).

    A hole that had a needle is not used again: on the same plate that is any hole whose needle
    would go nearer than half a pitch to an earlier one. Seeds stay a capsule apart.
    """
    centers = joined.sites.centers_lps_mm
    apart, _ = cKDTree(implant.seeds.centers_lps_mm).query(centers)
    free = np.asarray(apart >= capsule_mm)
    for point, axis in zip(implant.needle_points_lps_mm, implant.needle_axes_lps, strict=True):
        along = (joined.axes_lps @ axis) > SAME_WAY_COSINE
        off = centers - point
        aside = np.linalg.norm(off - np.outer(off @ axis, axis), axis=1)
        free &= ~(along & (aside < 0.5 * pitch_mm))
    return free


def beside_earlier(locks: Locks | None, free: NDArray[np.bool_], where: str) -> Locks:
    """What the search may not change, with the places that are taken closed.

    Raises
    ------
    CaseError
        If no place is left, or one that is loaded by hand is taken.
    """
    locks = Locks.none(len(free)) if locks is None else locks
    if not (locks.may_add & free).any():
        raise CaseError(
            f"--supplement: beside the seeds of {where} no permitted place is left on this plate; "
            "plan another entry plane (a case file with another [entry])"
        )
    if (locks.start & ~free).any():
        raise CaseError(
            f"--supplement: a needle loaded by hand goes where a seed or a needle of {where} is; "
            "choose another hole"
        )
    return Locks(locks.may_add & free, locks.may_drop, locks.start)


def check_needed(goals: Sequence[GoalResult], where: str) -> None:
    """Refuse a supplement where everything is as it should be.

    Raises
    ------
    CaseError
        If every goal is met by what was delivered.
    """
    if all(goal.met for goal in goals):
        told = ", ".join(f"{goal.structure} {goal.metric} {goal.value_text}" for goal in goals)
        raise CaseError(
            f"--supplement: what was delivered ({where}) meets every goal ({told}); there is "
            "nothing to add"
        )


def days_after(seeds: EarlierSeeds, source: SeedSource) -> float | None:
    """Days from the earlier implant to the supplement; None where a day is not stated.

    Raises
    ------
    CaseError
        If the supplement comes first.
    """
    if seeds.implanted is None or source.calibration is None:
        return None
    days = (source.calibration.implant_date - seeds.implanted).days
    if days < 0:
        raise CaseError(
            f"[source] implant_date = {source.calibration.implant_date}: the supplement comes "
            f"before the implant that it adds to ({seeds.implanted}); check both days"
        )
    return float(days)


def supplement_warnings(implant: EarlierImplant, source: SeedSource) -> tuple[PlanWarning, ...]:
    """What the numbers of a supplement rest on."""
    count, days = len(implant.seeds.strength_u), days_after(implant.seeds, source)
    text = (
        f"A supplement to the {count} seeds of {implant.where}: they stay as they are, and every "
        "dose and metric is that of both implants to full decay."
    )
    if days is None:
        text += (
            " The days of the implants are not both stated (evaluate --implanted, [source] dates): "
            "tissue models take them as one day."
        )
    else:
        part = 100.0 * 0.5 ** (days / source.model.half_life_days)
        text += f" {days:.0f} days lie between them: {part:.0f} % of the first dose was to come."
    found = [PlanWarning("supplement", text)]
    if implant.axes_assumed:
        told = (
            f"{implant.axes_assumed} of the earlier seeds have no known axis; here they count as "
            "along the needles of the plate (2D formalism)."
        )
        found.append(PlanWarning("axes-assumed", told))
    return tuple(found)
