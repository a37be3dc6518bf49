"""Goals of a case: the stated ones, else D90 at the prescription and V100 of 90 %."""

from __future__ import annotations

from template_designer.model import CaseSettings, GoalSettings

DEFAULT_V100_PCT = 90.0
"""DESIGN.md, section 5: without goals the target's V100 should reach this."""


def goals_or_default(settings: CaseSettings) -> tuple[GoalSettings, ...]:
    """The goals a plan is judged by."""
    if settings.goal:
        return settings.goal
    target = settings.target.structure
    return (
        GoalSettings(structure=target, metric="D90", at_least_gy=settings.prescription.dose_gy),
        GoalSettings(structure=target, metric="V100", at_least_pct=DEFAULT_V100_PCT),
    )
