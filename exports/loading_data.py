"""The judged loading as data for ``plan.json``."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from exports.rounding import rounded
from template_designer.model.loading_report import LoadingReport

_DIGITS = 4  # of costs, Gy, percent, U


def loading_data(report: LoadingReport) -> dict[str, Any]:
    """Cost and bound of a loading, patterns and estimates beside it."""

    def plain(item: Any) -> dict[str, Any]:
        values = asdict(item)
        return {k: rounded(v, _DIGITS) if isinstance(v, float) else v for k, v in values.items()}

    return {
        "cost": rounded(report.cost, _DIGITS),
        "lower_bound": rounded(report.lower_bound, _DIGITS),
        "seeds_at_least": report.seeds_at_least,
        "patterns": [plain(result) for result in report.patterns],
        "estimates": [plain(estimate) for estimate in report.estimates],
        "strengths_u": [rounded(strength, 6) for strength in report.strengths_u],
    }
