"""What the page shows of a session, as plain data for its scripts."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np

from exports import FORMATS
from exports.dvh_plot import curve_looks, goal_mark
from exports.slice_looks import structure_looks
from template_designer.frames import direction_letters
from template_designer.model import DvhCurve, GoalResult, Plan
from template_designer.page.draft import Draft
from template_designer.page.session import PlanningSession
from template_designer.page.situation import Mark, Situation
from template_designer.page.slice_pictures import bounds_of, isodose_levels

DVH_POINTS = 160
"""Points of a curve on the page: one every two pixels."""

DVH_END = 2.5
"""The dose axis ends there, in prescriptions, or past the farthest goal."""


def case_data(session: PlanningSession) -> dict[str, Any]:
    """What never changes: names, units, limits of the scan."""
    case, settings = session.case, session.situation.laid_out.settings
    low, high = bounds_of(case.image)
    loading = settings.loading
    return {
        "id": settings.id,
        "target": settings.target.structure,
        "prescription_gy": settings.prescription.dose_gy,
        "source": case.source.model.id,
        "low": [round(float(x), 2) for x in low],
        "high": [round(float(x), 2) for x in high],
        "slice_mm": round(float(case.image.spacing_mm[2]), 3),
        "isodoses": isodose_levels(settings.prescription.dose_gy),
        "step_mm": loading.step_mm,
        "spacing_mm": list(loading.seed_spacing_mm),
        "max_needles": loading.max_needles,
        "max_seeds": loading.max_seeds,
        "plates": list(session.situation.laid_out.plate_names),
        "formats": list({item.name: [item.name, item.purpose] for item in FORMATS}.values()),
    }


def middle_of_target(session: PlanningSession) -> list[float]:
    """Where the cursor begins: the middle of the target's box, LPS, mm."""
    target = session.situation.laid_out.loading.target
    middle = target.to_lps(np.mean(target.bounds_uvw_mm, axis=0))[0]
    return [round(float(x), 2) for x in middle]


def plates_data(situation: Situation) -> list[dict[str, Any]]:
    """Every plate as the operator sees it: its holes, what they take, what was asked of them."""
    laid_out, marks = situation.laid_out, situation.marks()
    joined = laid_out.loading.joined
    several = len(laid_out.approaches) > 1
    seeds = Counter(joined.sites.hole[situation.chosen].tolist())
    plates, first_hole = [], 0
    for number, (approach, holes) in enumerate(
        zip(laid_out.approaches, situation.holes, strict=True)
    ):
        index = {point.label: first_hole + n for n, point in enumerate(approach.paths.points)}
        first_hole += len(approach.paths.points)
        width, height, _ = laid_out.settings.template.size_mm
        x, y, _ = approach.frame[:3, :3].T
        entry = laid_out.settings.entry[number]
        offset = situation.offsets[number]
        shown = []
        for point in approach.points:
            label = f"{holes.name}:{point.label}" if several else point.label
            count = seeds.get(index.get(point.label, -1), 0)
            reason = approach.reasons[point.label]
            sites = holes.sites.get(point.label)
            behind: list[int] = [] if sites is None else joined.sites.slot[sites].tolist()
            step_mm = laid_out.settings.loading.step_mm
            shown.append(
                {
                    "key": label,
                    "label": point.label,
                    "x": point.x_mm,
                    "y": point.y_mm,
                    "state": "planned" if count else "open" if reason is None else "blocked",
                    "mark": marks.get(label, Mark.NONE).value,
                    "seeds": count,
                    "why": reason or "",
                    "behind": [round(step_mm * slot, 3) for slot in behind],
                }
            )
        plates.append(
            {
                "name": holes.name,
                "width": width,
                "height": height,
                "letters": {
                    "left": direction_letters(-x),
                    "right": direction_letters(x),
                    "top": direction_letters(-y),
                    "bottom": direction_letters(y),
                },
                "holes": shown,
                "open": sum(hole["state"] != "blocked" for hole in shown),
                "gap_mm": round(max(0.0, approach.gap_mm), 1),
                "entry": {
                    "point": list(entry.point_lps),
                    "direction": list(entry.direction_lps),
                },
                "offset": {
                    name: getattr(offset, name)
                    for name in (
                        "right_mm", "down_mm", "away_mm", "tilt_right_deg", "tilt_down_deg"
                    )
                },
                "corners": _corners(approach.frame, width, height),
            }
        )  # fmt: skip
    return plates


def _corners(frame: np.ndarray, width: float, height: float) -> list[list[float]]:
    """Corners of the patient face, round, A1's first, LPS, mm; for the outline in space."""
    half = 0.5 * np.array([width, height])
    signs = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)])
    places = frame[:3, 3] + (signs * half) @ frame[:3, :2].T
    return [[round(float(x), 2) for x in place] for place in places]


def reach_data(situation: Situation) -> dict[str, Any]:
    """How much of the target seeds can come near, and what hides the rest."""
    hidden = situation.reach.hidden_pct_by_cause
    return {
        "pct": round(situation.reach.reachable_pct, 1),
        "hidden": [{"cause": cause, "pct": round(pct, 1)} for cause, pct in hidden.items()][:4],
    }


def numbers_data(draft: Draft) -> dict[str, Any]:
    """Goals, metrics and curves of a loading."""
    plan = draft.plan
    return {
        "needles": len(plan.needles),
        "seeds": plan.seed_count,
        "strength_u": round(plan.air_kerma_strength_u, 4),
        "goals": [_goal(goal) for goal in draft.goals],
        "target": _target_rows(draft),
        "organs": _organ_rows(draft),
        "dvh": _dvh(plan),
        "inside": {
            needle.label: {
                "depth_mm": round(needle.depth_mm, 1),
                "bone_mm": round(needle.bone_mm, 1),
                "near": _nearest(needle.clearance_mm),
            }
            for needle in plan.needles
        },
    }


def _nearest(clearance_mm: Mapping[str, float]) -> str:
    if not clearance_mm:
        return ""
    name = min(clearance_mm, key=lambda key: clearance_mm[key])
    return f"{name} {math.floor(10.0 * clearance_mm[name]) / 10.0:.1f} mm"


def _goal(goal: GoalResult) -> dict[str, Any]:
    return {
        "structure": goal.structure,
        "metric": goal.metric,
        "limit": f"{'≥' if goal.is_minimum else '≤'} {goal.limit:g} {goal.unit}",
        "value": f"{goal.value_text} {goal.unit}",
        "met": goal.met,
    }


def _target_rows(draft: Draft) -> list[list[str]]:
    if not draft.metrics:
        return []
    own = next(iter(draft.metrics.values()))
    shown = (
        ("D90", "d90_gy", "Gy"),
        ("V100", "v100_pct", "%"),
        ("V150", "v150_pct", "%"),
        ("V200", "v200_pct", "%"),
        ("CI", "ci", ""),
    )
    return [[name, _number(own[key], 2 if not unit else 1), unit] for name, key, unit in shown]


def _organ_rows(draft: Draft) -> list[list[str]]:
    """Name, Dmax, D2cc and mean of every organ, the highest Dmax first."""
    organs = list(draft.metrics.items())[1:]
    organs.sort(key=lambda item: -item[1].get("dmax_gy", 0.0))
    return [
        [name, *(_number(m.get(key), 1) for key in ("dmax_gy", "d2cc_gy", "mean_gy"))]
        for name, m in organs
    ]


def _number(value: float | None, digits: int) -> str:
    return "–" if value is None or not math.isfinite(value) else f"{value:.{digits}f}"


def looks_data(draft: Draft, names: tuple[str, ...]) -> list[dict[str, Any]]:
    """Colour and dash of every structure that is drawn."""
    looks = structure_looks(draft.plan, names)
    curves = curve_looks(draft.plan) if draft.dvh else {}
    return [
        {
            "name": name,
            "colour": looks[name].colour,
            "dash": _dash(looks[name].dash),
            "curve": _curve_look(curves.get(name)),
        }
        for name in dict.fromkeys((*curves, *names))
        if name in looks
    ]


def _curve_look(look: tuple[str, Any] | None) -> dict[str, str] | None:
    return None if look is None else {"colour": look[0], "dash": _dash(look[1])}


def _dash(dash: Any) -> str:
    """A dash of matplotlib's as SVG has it; empty for a whole line."""
    return "" if dash == "-" else " ".join(f"{part:g}" for part in dash[1])


def _dvh(plan: Plan) -> dict[str, Any]:
    if not plan.dvh:
        return {"end_gy": DVH_END * plan.prescription_gy, "curves": [], "goals": []}
    marks = [mark for mark in (goal_mark(goal, plan) for goal in plan.goals) if mark is not None]
    end_gy = max(DVH_END * plan.prescription_gy, *(1.1 * mark.dose_gy for mark in marks), 0.0)
    return {
        "end_gy": end_gy,
        "curves": [_curve(curve, end_gy, curve_looks(plan)) for curve in plan.dvh],
        "goals": [
            {
                "dose_gy": mark.dose_gy,
                "volume_pct": mark.volume_pct,
                "points_to": {">": "right", "<": "left", "^": "up", "v": "down"}[mark.marker],
                "met": mark.goal.met,
                "text": f"{mark.goal.structure} {mark.goal.metric}",
                "structure": mark.goal.structure,
            }
            for mark in marks
        ],
    }


def _curve(curve: DvhCurve, end_gy: float, looks: Mapping[str, tuple[str, Any]]) -> dict[str, Any]:
    inside = np.flatnonzero(curve.dose_gy <= end_gy)
    kept = inside[:: max(1, len(inside) // DVH_POINTS)]
    points = [
        [round(float(curve.dose_gy[n]), 2), round(float(curve.volume_pct[n]), 2)] for n in kept
    ]
    return {
        "structure": curve.structure,
        "points": points,
        "look": _curve_look(looks[curve.structure]),
    }
