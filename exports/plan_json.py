"""``plan.json``: the whole plan as data, the single source for every later check (schema 1)."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import lru_cache
from typing import Any

import numpy as np

from exports.delivery_data import delivery_keys, delivery_of
from exports.loading_data import loading_data
from exports.robust_json import robust_data
from exports.rounding import rounded, rounded_down, rounded_up
from template_designer.errors import OutputError
from template_designer.frames import transform_points
from template_designer.model import BiologyResult, Hole, Needle, Plan, SeedSource, Template
from template_designer.model.earlier_seeds import EarlierSeeds
from template_designer.model.steering import Steering

SCHEMA = 1
SOFTWARE = "template-designer"

_LENGTH_DIGITS = 4  # 0.1 micrometre: positions and depths agree to 0.001 mm
_CLEARANCE_DIGITS = 3  # rounded down
_NUMBER_DIGITS = 4  # Gy, percent, cm3, indices
_STRENGTH_DIGITS = 6  # U
_AXIS_DIGITS = 6


def build(plan: Plan) -> bytes:
    """The plan as JSON (UTF-8, indented, keys in a fixed order).

    Raises
    ------
    OutputError
        If a position, depth or clearance is not a finite number.
    """
    data = {**_content(plan), "hash": plan_hash(plan)}
    text = json.dumps(data, indent=1, ensure_ascii=False, allow_nan=False)
    return (text + "\n").encode("utf-8")


@lru_cache(maxsize=4)
def plan_hash(plan: Plan) -> str:
    """SHA-256 of all that ``plan.json`` states beside the hash itself, 64 hexadecimal digits.

    Of the JSON without spaces, keys in alphabetical order, in UTF-8: whoever has the file can
    compute it again. It stands in ``plan.json`` (``hash``), on the plate's rim (its start, and as a
    QR code), and ties every sheet of paper to the plan.

    Raises
    ------
    OutputError
        If a position, depth or clearance is not a finite number.
    """
    text = json.dumps(
        _content(plan), ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":")
    )
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def _content(plan: Plan) -> dict[str, Any]:
    """All of ``plan.json`` but the hash."""
    return {
        "schema": SCHEMA,
        "id": plan.id,
        "software": {"name": SOFTWARE, "version": plan.software_version},
        "inputs": [{"path": item.path, "sha256": item.sha256} for item in plan.inputs],
        "source": _source(plan.source),
        "prescription_gy": plan.prescription_gy,
        "printer": _printer(plan),
        "target": plan.settings.target.structure,
        "templates": [_template(plan, template) for template in plan.templates],
        "metrics": {
            name: {metric: _number(value) for metric, value in values.items()}
            for name, values in plan.metrics.items()
        },
        "goals": [
            {
                "structure": goal.structure,
                "metric": goal.metric,
                "at_least" if goal.is_minimum else "at_most": goal.limit,
                "unit": goal.unit,
                "value": _number(goal.value),
                "met": goal.met,
            }
            for goal in plan.goals
        ],
        "reach": {
            "reachable_pct": _number(plan.reach.reachable_pct),
            "largest_v100_pct": (
                None
                if plan.reach.largest_v100_pct is None
                else _number(plan.reach.largest_v100_pct)
            ),
            "hidden_pct_by_cause": {
                cause: _number(value) for cause, value in plan.reach.hidden_pct_by_cause.items()
            },
        },
        "biology": [_biology(result) for result in plan.biology],
        "robust": None if plan.robust is None else robust_data(plan.robust),
        "loading": None if plan.loading is None else loading_data(plan.loading),
        "steering": None if plan.steering is None else _steering(plan.steering),
        **({} if plan.earlier_seeds is None else {"earlier_seeds": _earlier(plan.earlier_seeds)}),
        "warnings": [{"code": item.code, "text": item.text} for item in plan.warnings],
        # the case's tables as they were stated, with exact names: see inputs/plan_file.py
        "case": plan.settings.model_dump(mode="json", by_alias=True, exclude_unset=True),
    }


def _steering(steering: Steering) -> dict[str, Any]:
    """What was asked for beside goals and rules, in the words of the command line."""
    origin = steering.origin
    return {
        "from": (
            None
            if origin is None
            else {"plan_sha256": origin.plan_sha256, "dropped": list(origin.dropped)}
        ),
        "lock": [str(place) for place in steering.lock],
        "forbid": [str(place) for place in steering.forbid],
        "load": [str(load) for load in steering.load],
        "max_needles": steering.max_needles,
        "max_seeds": steering.max_seeds,
    }


def _earlier(seeds: EarlierSeeds) -> dict[str, Any]:
    """Seeds of an implant before; ``metrics`` and every dose count them."""
    return {
        "evaluation_sha256": seeds.evaluation_sha256,
        "implanted": None if seeds.implanted is None else seeds.implanted.isoformat(),
        "seeds": [
            {
                "center_lps_mm": _point(center, "earlier seed"),
                "axis_lps": [rounded(value, _AXIS_DIGITS) for value in axis],
                "air_kerma_strength_u": rounded(strength, _STRENGTH_DIGITS),
            }
            for center, axis, strength in zip(
                seeds.centers_lps_mm, seeds.axes_lps, seeds.strength_u, strict=True
            )
        ],
    }


def _source(source: SeedSource) -> dict[str, Any]:
    """The seeds; ``air_kerma_strength_u`` is that on the day of the implant: the dose uses it."""
    data: dict[str, Any] = {"model": source.model.id}
    if source.file is not None:
        data["file"] = source.file
    data["air_kerma_strength_u"] = rounded(source.air_kerma_strength_u, _STRENGTH_DIGITS)
    if source.calibration is not None:
        data["calibration"] = {
            "air_kerma_strength_u": rounded(
                source.calibration.air_kerma_strength_u, _STRENGTH_DIGITS
            ),
            "calibration_date": source.calibration.calibration_date.isoformat(),
            "implant_date": source.calibration.implant_date.isoformat(),
        }
    return data


def _template(plan: Plan, template: Template) -> dict[str, Any]:
    return {
        "name": template.name,
        "size_mm": list(template.size_mm),
        "pitch_mm": template.pitch_mm,
        "bore_mm": rounded(template.bore_mm, _LENGTH_DIGITS),
        "gap_mm": _length(template.gap_mm, f"gap of template {template.name}"),
        # not rounded: a frame must stay a rotation to the last digit
        "lps_from_template": np.asarray(template.lps_from_template, dtype=float).tolist(),
        "holes": [_hole(hole) for hole in template.holes],
        **_features(template),
        "needles": [
            _needle(needle) | delivery_keys(delivery_of(plan, template, needle))
            for needle in template.needles
        ],
    }


def _printer(plan: Plan) -> dict[str, Any]:
    """What the plate is made for."""
    printer = plan.settings.printer
    return {
        "name": printer.name,
        "material": printer.material,
        "resolution_mm": printer.resolution_mm,
        "bore_allowance_mm": plan.settings.bore_allowance_mm,
    }


def _features(template: Template) -> dict[str, Any]:
    """Shape and marks; markers, to register a scan by, and mounting holes, where there are any."""
    features = template.features
    data: dict[str, Any] = {
        "features": {
            "resolution_mm": features.resolution_mm,
            "corner_radius_mm": features.corner_radius_mm,
            "counter_sink_mm": features.counter_sink_mm,
            "cross_lines": features.cross_lines,
            "qr": features.qr,
            "date": None if features.date is None else features.date.isoformat(),
        }
    }
    if template.features.markers:
        frame = np.asarray(template.lps_from_template)
        data["markers"] = [
            {
                "center_mm": _point(marker.center_mm, "marker"),
                "center_lps_mm": _point(transform_points(frame, marker.center_mm)[0], "marker"),
                "sphere_mm": marker.sphere_mm,
                "pocket_mm": rounded(marker.pocket_mm, _LENGTH_DIGITS),
            }
            for marker in template.features.markers
        ]
    if template.features.mounting_holes:
        data["mounting_holes"] = [asdict(hole) for hole in template.features.mounting_holes]
    return data


def _hole(hole: Hole) -> dict[str, Any]:
    """One hole; ``bore_mm`` stands where it is not that of the plate."""
    data = {
        "label": hole.label,
        "x_mm": _length(hole.x_mm, f"x of hole {hole.label}"),
        "y_mm": _length(hole.y_mm, f"y of hole {hole.label}"),
        "state": hole.state.value,
        "reason": hole.reason,
    }
    if hole.bore_mm is not None:
        data["bore_mm"] = _length(hole.bore_mm, f"bore of hole {hole.label}")
    return data


def _needle(needle: Needle) -> dict[str, Any]:
    where = f"needle {needle.label}"
    return {
        "label": needle.label,
        "gauge": needle.gauge,
        "length_mm": _length(needle.length_mm, where),
        "entry_lps_mm": _point(needle.entry_lps_mm, where),
        "tip_lps_mm": _point(needle.tip_lps_mm, where),
        "depth_mm": _length(needle.depth_mm, where),
        "skin_depth_mm": _length(needle.skin_depth_mm, where),
        "bone_mm": _length(needle.bone_mm, where),
        "bone_hu": None if needle.bone_hu is None else rounded(needle.bone_hu, 1),
        "bone_access": None if needle.bone_access is None else asdict(needle.bone_access),
        "clearance_mm": _clearances(needle.clearance_mm, where),
        "clearance_error_mm": {
            # one thousandth more: the clearance itself is rounded down
            name: rounded_up(_finite(value, where) + 1e-3, _CLEARANCE_DIGITS)
            for name, value in needle.clearance_error_mm.items()
        },
        "seeds": [
            {
                "center_lps_mm": _point(seed.center_lps_mm, where),
                "from_tip_mm": _length(seed.from_tip_mm, where),
                "skin_mm": rounded_down(_finite(seed.skin_mm, where), _CLEARANCE_DIGITS),
            }
            for seed in needle.seeds
        ],
    }


def _biology(result: BiologyResult) -> dict[str, Any]:
    """A tissue model's view of one structure; ``model`` says what the numbers rest on."""
    beam = result.external_beam
    return {
        "structure": result.structure,
        "model": result.model,
        "alpha_beta_gy": result.alpha_beta_gy,
        "repair_half_time_h": result.repair_half_time_h,
        "external_beam": None if beam is None else _numbers(asdict(beam)),
        "doses": [_numbers(asdict(dose)) for dose in result.doses],
    }


def _numbers(values: Mapping[str, Any]) -> dict[str, Any]:
    return {k: _number(v) if isinstance(v, float) else v for k, v in values.items()}


def _clearances(clearances: Mapping[str, float], where: str) -> dict[str, float]:
    return {
        name: rounded_down(_finite(value, f"{where}, clearance to {name}"), _CLEARANCE_DIGITS)
        for name, value in clearances.items()
    }


def _length(value: float, what: str) -> float:
    return rounded(_finite(value, what), _LENGTH_DIGITS)


def _finite(value: float, what: str) -> float:
    if not math.isfinite(value):
        raise OutputError(f"plan.json: {what} is {value} mm; a plan must not hold such a number")
    return value


def _point(point: Sequence[float], what: str) -> list[float]:
    return [_length(value, what) for value in point]


def _number(value: float) -> float | None:
    """A metric; null where it is not defined (JSON has no NaN)."""
    return rounded(value, _NUMBER_DIGITS) if math.isfinite(value) else None
