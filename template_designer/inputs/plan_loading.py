"""The judged loading of a written plan back from its ``plan.json``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from template_designer.inputs.plan_template import number
from template_designer.model.loading_report import LoadingReport, PatternResult, SeedEstimate


def loading_of(data: Mapping[str, Any] | None) -> LoadingReport | None:
    """What ``exports.loading_data`` wrote; None where the plan has none."""
    if data is None:
        return None
    return LoadingReport(
        cost=number(data["cost"]),
        lower_bound=number(data["lower_bound"]),
        seeds_at_least=int(data["seeds_at_least"]),
        patterns=tuple(PatternResult(**item) for item in data["patterns"]),
        estimates=tuple(SeedEstimate(**item) for item in data["estimates"]),
        strengths_u=tuple(number(strength) for strength in data["strengths_u"]),
    )
