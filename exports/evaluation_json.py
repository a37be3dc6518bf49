"""``evaluation.json``: what was delivered beside the plan, as data (schema 1, docs/evaluate.md)."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from exports.plan_json import plan_hash
from exports.rounding import rounded
from template_designer._version import SOFTWARE_NAME
from template_designer.inputs.content import content_hash
from template_designer.model import GoalResult
from template_designer.model.evaluation import (
    ColdSpot,
    Evaluation,
    LossOfD90,
    MeanSd,
    NeedleError,
    Registration,
    SeedMatch,
)

SCHEMA = 1
EVALUATION_FILE = "evaluation.json"

_LENGTH_DIGITS = 4  # as plan.json
_AXIS_DIGITS = 6
_NUMBER_DIGITS = 4
_STRENGTH_DIGITS = 6


def build(evaluation: Evaluation) -> bytes:
    """The evaluation as JSON (UTF-8, indented, keys in a fixed order), with its own hash."""
    data = _content(evaluation)
    data["hash"] = content_hash(data)
    return (json.dumps(data, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode("utf-8")


def _content(found: Evaluation) -> dict[str, Any]:
    plan, seeds = found.plan, found.seeds
    return {
        "schema": SCHEMA,
        "id": plan.id,
        "software": {"name": SOFTWARE_NAME, "version": found.software_version},
        "plan_sha256": plan_hash(plan),
        "inputs": [{"path": item.path, "sha256": item.sha256} for item in found.inputs],
        "implanted": None if found.implanted is None else found.implanted.isoformat(),
        "prescription_gy": plan.prescription_gy,
        "target": plan.settings.target.structure,
        "source": {"model": plan.source_model, "nuclide": plan.source.model.nuclide},
        "frames": _frames(found),
        "templates": [
            {
                "name": template.name,
                # not rounded: a frame must stay a rotation to the last digit
                "lps_from_template": np.asarray(template.lps_from_template, float).tolist(),
                "holes": [needle.label for needle in template.needles],
            }
            for template in plan.templates
        ],
        "registration": _registration(found.registration),
        "structures": {
            "of_preplan": found.structures.of_preplan,
            "not_drawn": list(found.structures.missing),
        },
        "seeds": [
            {
                "number": number,
                "center_lps_mm": _numbers(center, _LENGTH_DIGITS),
                "axis_lps": _numbers(axis, _AXIS_DIGITS),
                "axis": kind.value,
                "air_kerma_strength_u": rounded(strength, _STRENGTH_DIGITS),
            }
            for number, center, axis, kind, strength in zip(
                seeds.numbers,
                seeds.centers_lps_mm,
                seeds.axes_lps,
                seeds.axis_kinds,
                seeds.strength_u,
                strict=True,
            )
        ],
        "matches": [_match(match, seeds.numbers) for match in found.matches],
        "needles": [_needle(needle) for needle in found.needles],
        "accuracy": {name: _mean_sd(value) for name, value in found.accuracy.items()},
        "metrics": {"planned": _metrics(plan.metrics), "delivered": _metrics(found.metrics)},
        "goals": {"planned": _goals(plan.goals), "delivered": _goals(found.goals)},
        "cold_spots": [_cold_spot(spot) for spot in found.cold_spots],
        "loss_of_d90": _loss(found.loss),
        "warnings": [{"code": item.code, "text": item.text} for item in found.warnings],
    }


def _frames(found: Evaluation) -> dict[str, str]:
    """Frames of reference, "" where a file states none or the case keeps them back."""
    before, after = found.plan.ct, found.structures.image
    if found.plan.settings.dicom.deidentify or before is None or after is None:
        return {"preplan": "", "day": ""}
    return {"preplan": before.frame_of_reference_uid, "day": after.frame_of_reference_uid}


def _registration(registration: Registration) -> dict[str, Any]:
    left = registration.residual
    return {
        "kind": registration.kind.value,
        # not rounded: it must stay a rotation to the last digit
        "pre_from_post": np.asarray(registration.pre_from_post, dtype=float).tolist(),
        "residual": (
            None
            if left is None
            else {
                "median_mm": _number(left.median_mm),
                "p95_mm": _number(left.p95_mm),
                "points": left.points,
            }
        ),
    }


def _match(match: SeedMatch, numbers: Sequence[str]) -> dict[str, Any]:
    return {
        "template": match.template,
        "hole": match.hole,
        "from_tip": match.number_from_tip,
        "seed": None if match.found is None else numbers[match.found],
        "planned_lps_mm": _point(match.planned_lps_mm),
        "found_lps_mm": _point(match.found_lps_mm),
        "depth_mm": _number(match.depth_mm),
        "right_mm": _number(match.right_mm),
        "down_mm": _number(match.down_mm),
        "displacement_mm": _number(match.displacement_mm),
    }


def _needle(needle: NeedleError) -> dict[str, Any]:
    return {
        "template": needle.template,
        "hole": needle.hole,
        "planned": needle.planned,
        "found": needle.found,
        "depth_mm": _number(needle.depth_mm),
        "right_mm": _number(needle.right_mm),
        "down_mm": _number(needle.down_mm),
        "lateral_mm": _number(needle.lateral_mm),
        "tip_mm": _number(needle.tip_mm),
        "angle_deg": _number(needle.angle_deg),
        "angle_se_deg": _number(needle.angle_se_deg),
        "entry_mm": _number(needle.entry_mm),
        "entry_se_mm": _number(needle.entry_se_mm),
    }


def _mean_sd(value: MeanSd) -> dict[str, Any]:
    return {"mean": _number(value.mean), "sd": _number(value.sd), "n": value.count}


def _metrics(metrics: Mapping[str, Mapping[str, float]]) -> dict[str, dict[str, float | None]]:
    return {
        name: {metric: _number(value) for metric, value in values.items()}
        for name, values in metrics.items()
    }


def _goals(goals: Iterable[GoalResult]) -> list[dict[str, Any]]:
    return [
        {
            "structure": goal.structure,
            "metric": goal.metric,
            "at_least" if goal.is_minimum else "at_most": goal.limit,
            "unit": goal.unit,
            "value": _number(goal.value),
            "met": goal.met,
        }
        for goal in goals
    ]


def _cold_spot(spot: ColdSpot) -> dict[str, Any]:
    return {
        "volume_cm3": _number(spot.volume_cm3),
        "centroid_lps_mm": _point(spot.centroid_lps_mm),
        "lowest_gy": _number(spot.lowest_gy),
        "drawn": spot.surface is not None,
    }


def _loss(loss: LossOfD90) -> dict[str, Any]:
    return {
        "planned_gy": _number(loss.planned_gy),
        "delivered_gy": _number(loss.delivered_gy),
        "parts": [
            {
                "kind": part.kind,
                "text": part.text,
                "d90_gy": _number(part.d90_gy),
                "change_gy": _number(part.change_gy),
            }
            for part in loss.parts
        ],
        "remainder_gy": _number(loss.remainder_gy),
    }


def _number(value: float | None) -> float | None:
    """A number; null where it is not defined (JSON has no NaN)."""
    if value is None or not math.isfinite(value):
        return None
    return rounded(value, _NUMBER_DIGITS)


def _point(point: Sequence[float] | None) -> list[float] | None:
    return None if point is None else _numbers(point, _LENGTH_DIGITS)


def _numbers(values: Sequence[float] | NDArray[np.float64], digits: int) -> list[float]:
    return [rounded(float(value), digits) for value in values]
