"""Goals of a case: the stated ones, else D90 at the prescription and V100 of 90 %.

A case that names its site gets the site's goals as well: for the spine a cord dose of second
priority. The series that give doses of other organs do not say in which volume; they are reported.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from template_designer.errors import CaseError
from template_designer.geometry.solids import Solid
from template_designer.model import CaseSettings, GoalSettings
from template_designer.model.metrics import MetricKind, parse
from template_designer.model.settings import Site

SPINE_CORD_GY = 39.0
"""DESIGN.md, section 4: median of the highest cord doses of a series (6 to 110 Gy); no tolerance is
published."""

CORD_NAMES = r"cord|canal|myel"
"""What cords and canals are called."""

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
    of_site: tuple[GoalSettings, ...] = ()
    if settings.site is Site.SPINE:
        of_site = tuple(
            GoalSettings(structure=name, metric="Dmax", at_most_gy=SPINE_CORD_GY, priority=2)
            for name in sorted(solids)
            if name != target and re.search(CORD_NAMES, name, re.IGNORECASE)
        )
    return (
        GoalSettings(structure=target, metric="D90", at_least_gy=settings.prescription.dose_gy),
        GoalSettings(structure=target, metric="V100", at_least_pct=DEFAULT_V100_PCT),
        *of_site,
    )
