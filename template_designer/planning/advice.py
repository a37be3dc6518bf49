"""What the user should know: warnings of a finished plan, and why there is none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from template_designer.frames import transform_points
from template_designer.geometry.boxes import boxes_meet
from template_designer.geometry.solids import Solid
from template_designer.model import (
    CaseSettings,
    GoalResult,
    PlanWarning,
    Reach,
    Template,
)
from template_designer.planning.approach import Approach
from template_designer.planning.structures import crop_warnings

HIDDEN_PCT = 5.0
"""Share of the target out of reach that is worth a warning."""

FLOATING_MM = 1.0
"""A plate that hangs further than this off the skin is worth a warning."""

SHAFT_MM = 10.0
"""A needle with less shaft than this above the plate is hard to hold."""


def why_no_plan(settings: CaseSettings, approach: Approach, plate: str = "T1") -> str:
    """Why no hole takes a needle, and what may help."""
    causes: Counter[str] = Counter()
    nearest: dict[str, str] = {}
    for reason in approach.reasons.values():
        cause = _cause(reason or "")
        causes[cause] += 1
        nearest[cause] = min(nearest.get(cause, reason or ""), reason or "", key=_first_number)
    parts = [f"{count} x {cause} (e.g. {nearest[cause]})" for cause, count in causes.most_common()]
    return (
        f"no safe plan: all {len(approach.points)} holes of {plate} are blocked: "
        f"{'; '.join(parts)}. "
        f"Move or turn the entry plane, use a longer needle ({settings.needle.length_mm:g} mm "
        "now), or check the rules"
    )


def plan_warnings(
    settings: CaseSettings,
    approaches: Sequence[Approach],
    templates: Sequence[Template],
    solids: Mapping[str, Solid],
    reach: Reach,
    goals: Sequence[GoalResult],
    why_missed: Mapping[int, str] | None = None,
) -> tuple[PlanWarning, ...]:
    """Everything about a plan that deserves a second look.

    ``why_missed`` says why goals are missed, by their numbers: see ``loading/causes.py``.
    """
    found = []
    for approach, template in zip(approaches, templates, strict=True):
        found.extend(_plate_warnings(approach, template))
        found.extend(_reentries(approach, template))
        found.extend(_access_warnings(template))
        found.extend(_length_warnings(settings, approach, template))
    found.extend(_meeting_plates(templates))
    found.extend(_target_warnings(settings, solids[settings.target.structure]))
    found.extend(crop_warnings(settings, solids))
    hidden = 100.0 - reach.reachable_pct
    if hidden > HIDDEN_PCT:
        shares = {c: p for c, p in reach.hidden_pct_by_cause.items() if p >= 0.5}
        causes = ", ".join(f"{cause} {share:.0f} %" for cause, share in shares.items())
        found.append(
            PlanWarning(
                "target-hidden",
                f"{settings.target.structure}: no permitted seed comes near {hidden:.0f} % of the "
                f"target ({causes}). Another entry plane may do better.",
            )
        )
    for number, goal in enumerate(goals):
        if not goal.met:
            sign = "at least" if goal.is_minimum else "at most"
            off, why = abs(goal.limit - goal.value), (why_missed or {}).get(number)
            found.append(
                PlanWarning(
                    "goal-missed",
                    f"goal missed: {goal.structure} {goal.metric} is {goal.value_text} "
                    f"{goal.unit}, {sign} {goal.limit:g} {goal.unit} was asked for: off by "
                    f"{off:.2g} {goal.unit}.{f' {why}' if why else ''}",
                )
            )
    return tuple(found)


def _plate_warnings(approach: Approach, template: Template) -> list[PlanWarning]:
    found = []
    if approach.gap_mm > 0.0:
        found.append(
            PlanWarning(
                "plate-lifted",
                f"{template.name}: the plate stands {approach.gap_mm:.1f} mm off the entry point "
                "to clear the body beside it; the gap is counted in every depth.",
            )
        )
    elif approach.gap_mm < -FLOATING_MM:
        found.append(
            PlanWarning(
                "plate-floats",
                f"{template.name}: the plate hangs {-approach.gap_mm:.1f} mm off the skin; every "
                "depth holds only there. Pressed on the skin, needles would go that much too deep.",
            )
        )
    if not template.needles:
        text = f"{template.name}: no needle goes through this plate; the plan does without it."
        found.append(PlanWarning("plate-unused", text))
    return found


def _meeting_plates(templates: Sequence[Template]) -> list[PlanWarning]:
    """Plates that would stand in the same place."""
    found = []
    for one, other in combinations(templates, 2):
        if boxes_meet(*(_box(template) for template in (one, other))):
            text = (
                f"{one.name} and {other.name} would stand in the same place: use them one after "
                "the other, or move an entry point or choose smaller plates."
            )
            found.append(PlanWarning("plates-meet", text))
    return found


def _box(template: Template) -> NDArray[np.float64]:
    """Corners of a plate, LPS, (8, 3)."""
    width, height, thickness = template.size_mm
    corners = [
        (0.5 * x * width, 0.5 * y * height, z * thickness)
        for x in (-1, 1)
        for y in (-1, 1)
        for z in (-1, 0)
    ]
    return transform_points(template.lps_from_template, corners)


def _target_warnings(settings: CaseSettings, drawn: Solid) -> list[PlanWarning]:
    found = []
    if drawn.open_low or drawn.open_high:
        found.append(
            PlanWarning(
                "target-cut",
                f"{drawn.name} reaches the end of the scan; what lies beyond is not planned for. "
                "Scan further, or check that the target ends there.",
            )
        )
    margin = settings.target.margin_mm
    if margin.largest_mm > 0.0 and not settings.target.cropped_by:
        found.append(
            PlanWarning(
                "target-margin",
                f"{drawn.name}: all metrics and goals of the target are those of {drawn.name} "
                f"with a margin of {margin}, which is not cropped out of organs or air "
                "([target] crop_out_of does that).",
            )
        )
    return found


def _reentries(approach: Approach, template: Template) -> list[PlanWarning]:
    """Needles that leave the body and enter it again on their way."""
    paths = approach.paths
    labels = [point.label for point in paths.points]
    again = []
    for needle in template.needles:
        tip = np.searchsorted(paths.z_mm, needle.depth_mm - template.size_mm[2])
        inside = paths.in_body[labels.index(needle.label), :tip]
        if np.count_nonzero(inside[1:] & ~inside[:-1]) + inside[0] > 1:
            again.append(needle.label)
    if not again:
        return []
    text = (
        f"{template.name}: needles at {_some(again)} leave the body and enter it again on their "
        "way; skin depth counts from the first skin. Check what they pass."
    )
    return [PlanWarning("needle-reenters", text)]


def _access_warnings(template: Template) -> list[PlanWarning]:
    """Needles whose way crosses bone that they do not pass unaided."""
    access = [n for n in template.needles if n.bone_access is not None]
    if not access:
        return []
    worst = max(access, key=lambda needle: needle.bone_mm)
    assert worst.bone_access is not None
    text = (
        f"{template.name}: needles at {_some([n.label for n in access])} need a "
        f"{worst.bone_access.gauge}G access needle through bone (at {worst.label}: "
        f"{worst.bone_access.reason}); their holes are bored for it and their clearances are its "
        "own. Have access needles at hand, or choose another entry plane."
    )
    return [PlanWarning("bone-access", text)]


def _length_warnings(
    settings: CaseSettings, approach: Approach, template: Template
) -> list[PlanWarning]:
    found = []
    short = [
        point.label
        for point, stop in zip(approach.paths.points, approach.paths.stop, strict=True)
        if stop == "needle length" and stop in (approach.reasons[point.label] or stop)
    ]
    if short:
        found.append(
            PlanWarning(
                "needle-too-short",
                f"{template.name}: needles of {settings.needle.length_mm:g} mm end before the far "
                f"side of the target in {len(short)} hole(s) ({_some(short)}), with plate and gap "
                "counted. A longer needle or a thinner plate reaches deeper.",
            )
        )
    tight = [n.label for n in template.needles if n.length_mm - n.depth_mm < SHAFT_MM]
    if tight:
        found.append(
            PlanWarning(
                "needle-shaft-short",
                f"{template.name}: under {SHAFT_MM:g} mm of shaft stay above the plate at "
                f"{_some(tight)}; check the hub of your needles.",
            )
        )
    return found


def _some(labels: Sequence[str], most: int = 6) -> str:
    listed = ", ".join(labels[:most])
    return listed if len(labels) <= most else f"{listed} and {len(labels) - most} more"


def _cause(reason: str) -> str:
    words = reason.split(" by ")[0] if reason.startswith("misses") else reason
    return words.split(" from the needle")[0].rstrip(" 0123456789.m")


def _first_number(reason: str) -> float:
    for word in reason.split():
        try:
            return float(word)
        except ValueError:
            continue
    return float("inf")
