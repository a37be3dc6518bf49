"""``explain.json``: what each goal and each avoid rule costs a plan."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from typing import Any

from exports.rounding import rounded
from template_designer.model.loading_study import Explanation, LoadingNumbers

FILE = "explain.json"
SCHEMA = 1
_DIGITS = 4


def build(found: Explanation, case_id: str) -> dict[str, bytes]:
    """The file by its name."""
    text = json.dumps(as_data(found, case_id), indent=1, ensure_ascii=False, allow_nan=False)
    return {FILE: (text + "\n").encode("utf-8")}


def as_data(found: Explanation, case_id: str) -> dict[str, Any]:
    """Everything found, for programs; costs in per cent of the target volume."""
    return {
        "schema": SCHEMA,
        "id": case_id,
        "plan": _numbers(found.plan),
        "reach": {
            "reachable_pct": _number(found.reach.reachable_pct),
            "hidden_pct_by_cause": {
                cause: _number(pct) for cause, pct in found.reach.hidden_pct_by_cause.items()
            },
        },
        "goals": [
            {
                "structure": goal.structure,
                "metric": goal.metric,
                "at_least" if goal.is_minimum else "at_most": goal.limit,
                "unit": goal.unit,
                "cost": _number(goal.cost),
                "without": _numbers(goal.without),
            }
            for goal in found.goals
        ],
        "rules": [
            {
                "structure": rule.structure,
                "needle_clearance_mm": rule.clearance_mm,
                "reachable_pct": _number(rule.reachable_pct),
                "largest_v100_pct": _number(rule.largest_v100_pct),
                "without": _numbers(rule.without),
            }
            for rule in found.rules
        ],
        "rules_that_stop_no_needle": list(found.idle_rules),
    }


def _numbers(numbers: LoadingNumbers) -> dict[str, Any]:
    values = {
        key: _number(value) if isinstance(value, float) else value
        for key, value in asdict(numbers).items()
        if key != "goals"
    }
    goals = [
        {"structure": g.structure, "metric": g.metric, "value": _number(g.value), "met": g.met}
        for g in numbers.goals
    ]
    return {**values, "goals": goals}


def _number(value: float) -> float | None:
    return rounded(value, _DIGITS) if math.isfinite(value) else None
