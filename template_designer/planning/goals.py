"""Goals of a case: the stated ones, else D90 at the prescription and V100 of 90 %."""

from __future__ import annotations

from collections.abc import Mapping

from template_designer.errors import CaseError
from template_designer.geometry.solids import Solid
from template_designer.model import CaseSettings, GoalSettings
from template_designer.model.metrics import MetricKind, parse

DEFAULT_V100_PCT = 90.0
"""DESIGN.md, section 5: without goals the target's V100 should reach this."""


def goals_or_default(
    settings: CaseSettings, solids: Mapping[str, Solid]
) -> tuple[GoalSettings, ...]:
    """The goals a plan is judged by.

    Raises
    ------
    CaseError
        If a goal asks for the dose to more cm3 than its structure has.
    """
    for goal in settings.goal:
        metric, volume = parse(goal.metric), solids[goal.structure].volume_cm3
        if metric.kind is MetricKind.DOSE_AT_CC and (metric.number or 0.0) > volume:
            raise CaseError(
                f"[[goal]] {goal.metric} of {goal.structure!r}: the structure has only "
                f"{volume:.2f} cm3; ask for Dmax, D0.1cc or a D<percent>"
            )
    if settings.goal:
        return settings.goal
    target = settings.target.structure
    return (
        GoalSettings(structure=target, metric="D90", at_least_gy=settings.prescription.dose_gy),
        GoalSettings(structure=target, metric="V100", at_least_pct=DEFAULT_V100_PCT),
    )
