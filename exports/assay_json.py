"""``assay.json``: a sample of seeds, and what it does to the plan, as data (schema 1)."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from typing import Any

from exports.plan_json import plan_hash
from exports.rounding import rounded
from template_designer._version import SOFTWARE_NAME, __version__
from template_designer.model import GoalResult, InputFile, Plan
from template_designer.model.assay import Assay, MeasuredSeed, Restrength
from template_designer.postplan.assay import FAIL_PCT, INVESTIGATE_PCT, OUTLIER_PCT

SCHEMA = 1

_STRENGTH_DIGITS, _PCT_DIGITS, _NUMBER_DIGITS = 6, 4, 4


def assay_json(plan: Plan, found: Assay, effect: Restrength, readings: InputFile) -> bytes:
    """The assay as data; a number that is not known is null."""
    data = {
        "schema": SCHEMA,
        "software": {"name": SOFTWARE_NAME, "version": __version__},
        "plan": {"id": plan.id, "hash": plan_hash(plan)},
        "readings": asdict(readings),
        "source_model": found.source.id,
        "half_life_days": found.source.half_life_days,
        "planned_seeds": found.planned,
        "received_seeds": found.received,
        "readings_count": len(found.seeds),
        "readings_least": found.least_readings,
        "readings_advised": found.advised_readings,
        "stated": {
            "air_kerma_strength_u": rounded(found.stated.strength_u, _STRENGTH_DIGITS),
            "when": found.stated.when.isoformat(),
            "origin": found.stated.origin,
        },
        "mean_u": rounded(found.mean_u, _STRENGTH_DIGITS),
        "sd_u": _value(found.sd_u, _STRENGTH_DIGITS),
        "difference_pct": rounded(found.difference_pct, _PCT_DIGITS),
        "limits_pct": {"investigate": INVESTIGATE_PCT, "fail": FAIL_PCT, "outlier": OUTLIER_PCT},
        "verdict": found.verdict.value,
        "seeds": [_seed(seed) for seed in found.seeds],
        "implant_date": found.implant_date.isoformat(),
        "planned_u": rounded(found.planned_u, _STRENGTH_DIGITS),
        "measured_u": rounded(found.measured_u, _STRENGTH_DIGITS),
        "plan_change_pct": rounded(found.plan_change_pct, _PCT_DIGITS),
        "recomputed": effect.recomputed,
        "metrics": {
            name: {key: _value(value, _NUMBER_DIGITS) for key, value in values.items()}
            for name, values in effect.metrics.items()
        },
        "goals": [_goal(goal) for goal in effect.goals],
    }
    return (json.dumps(data, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode("utf-8")


def _seed(seed: MeasuredSeed) -> dict[str, Any]:
    return {
        "seed": seed.reading.seed,
        "strength_u": seed.reading.strength_u,
        "measured": seed.reading.measured.isoformat(),
        "reference_u": rounded(seed.reference_u, _STRENGTH_DIGITS),
        "from_stated_pct": rounded(seed.from_stated_pct, _PCT_DIGITS),
        "from_mean_pct": rounded(seed.from_mean_pct, _PCT_DIGITS),
        "outlier": seed.is_outlier,
    }


def _goal(goal: GoalResult) -> dict[str, Any]:
    return {
        "structure": goal.structure,
        "metric": goal.metric,
        "at_least" if goal.is_minimum else "at_most": goal.limit,
        "unit": goal.unit,
        "value": _value(goal.value, _NUMBER_DIGITS),
        "met": goal.met,
    }


def _value(value: float, digits: int) -> float | None:
    return rounded(value, digits) if math.isfinite(value) else None
