"""The ``robust`` part of ``plan.json``: what placement errors do to the plan."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

from exports.rounding import rounded
from template_designer.model.robust import (
    CONFIDENCE_PCT,
    Chance,
    ClearanceSpread,
    RobustResult,
    Spread,
)

_DIGITS = 4  # mm, degrees, Gy, percent


def robust_data(result: RobustResult) -> dict[str, Any]:
    """Everything a trial of placement errors gave, the needles to watch first.

    ``nearer_than`` has the distances in mm as its keys; ``"0"`` is the chance of a touch.
    """
    errors = {
        k: _number(v) if isinstance(v, float) else v for k, v in asdict(result.errors).items()
    }
    return {
        "scenarios": result.scenarios,
        "confidence_pct": CONFIDENCE_PCT,
        "errors": errors | {"bore_play_deg": _number(result.bore_play_deg)},
        "tip_error_mm": _spread(result.tip_error_mm),
        "doses": [
            {"structure": dose.structure, "metric": dose.metric, "unit": dose.unit}
            | _spread(dose.spread)
            for dose in result.doses
        ],
        "goals": [
            {
                "structure": goal.structure,
                "metric": goal.metric,
                "at_least" if goal.is_minimum else "at_most": goal.limit,
                "unit": goal.unit,
                "chance_met": _chance(goal.met),
            }
            for goal in result.goals
        ],
        "clearance_mm": {found.structure: _clearance(found) for found in result.clearances},
        "needles": [
            {
                "template": needle.template,
                "label": needle.label,
                "shortfall_mm": _number(needle.shortfall_mm),
                "tip_error_mm": _spread(needle.tip_error_mm),
                "clearance_mm": {found.structure: _clearance(found) for found in needle.clearances},
            }
            for needle in result.needles
        ],
    }


def _clearance(found: ClearanceSpread) -> dict[str, Any]:
    return {
        "rule_mm": found.rule_mm,
        **_spread(found.spread),
        "nearer_than": {f"{mm:g}": _chance(chance) for mm, chance in found.nearer_than.items()},
        "breaks_rule": _chance(found.breaks_rule),
    }


def _spread(spread: Spread) -> dict[str, float | None]:
    return {key: _number(value) for key, value in asdict(spread).items()}


def _chance(chance: Chance) -> dict[str, float | None]:
    return {key: _number(value) for key, value in asdict(chance).items()}


def _number(value: float) -> float | None:
    """A number; null where it is not defined (the spread of one scenario)."""
    return rounded(value, _DIGITS) if math.isfinite(value) else None
