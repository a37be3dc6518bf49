"""The ``robust`` part of ``plan.json`` back as a result."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from template_designer.model.robust import (
    CLOSE_MM,
    Chance,
    ClearanceSpread,
    DoseSpread,
    GoalChance,
    NeedleRisk,
    PlacementErrors,
    RobustResult,
    Spread,
)


def robust_result(data: Mapping[str, Any]) -> RobustResult:
    """What placement errors do to the plan, as it was written."""
    errors = {field.name: data["errors"][field.name] for field in fields(PlacementErrors)}
    return RobustResult(
        scenarios=int(data["scenarios"]),
        errors=PlacementErrors(**errors),
        bore_play_deg=data["errors"]["bore_play_deg"],
        tip_error_mm=_spread(data["tip_error_mm"]),
        doses=tuple(
            DoseSpread(dose["structure"], dose["metric"], dose["unit"], _spread(dose))
            for dose in data["doses"]
        ),
        goals=tuple(_goal(goal) for goal in data["goals"]),
        clearances=_clearances(data["clearance_mm"]),
        needles=tuple(
            NeedleRisk(
                template=needle["template"],
                label=needle["label"],
                shortfall_mm=_number(needle["shortfall_mm"]),
                tip_error_mm=_spread(needle["tip_error_mm"]),
                clearances=_clearances(needle["clearance_mm"]),
            )
            for needle in data["needles"]
        ),
    )


def _goal(item: Mapping[str, Any]) -> GoalChance:
    is_minimum = "at_least" in item
    return GoalChance(
        structure=item["structure"],
        metric=item["metric"],
        limit=item["at_least" if is_minimum else "at_most"],
        unit=item["unit"],
        is_minimum=is_minimum,
        met=_chance(item["chance_met"]),
    )


def _clearances(items: Mapping[str, Any]) -> tuple[ClearanceSpread, ...]:
    return tuple(
        ClearanceSpread(
            structure=name,
            rule_mm=item["rule_mm"],
            spread=_spread(item),
            nearer_than={_close(mm): _chance(c) for mm, c in item["nearer_than"].items()},
            breaks_rule=_chance(item["breaks_rule"]),
        )
        for name, item in items.items()
    )


def _close(text: str) -> float:
    """A distance of :data:`CLOSE_MM` by its text."""
    return next((mm for mm in CLOSE_MM if f"{mm:g}" == text), float(text))


def _spread(item: Mapping[str, Any]) -> Spread:
    return Spread(**{field.name: _number(item[field.name]) for field in fields(Spread)})


def _chance(item: Mapping[str, Any]) -> Chance:
    return Chance(**{field.name: _number(item[field.name]) for field in fields(Chance)})


def _number(value: Any) -> float:
    return math.nan if value is None else float(value)
