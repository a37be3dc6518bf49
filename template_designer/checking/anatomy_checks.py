"""Needles, seeds and plates beside the drawn contours."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from template_designer.checking.case_checks import matching, rules_of
from template_designer.checking.evidence import Evidence
from template_designer.checking.lines import (
    CheckLine,
    all_same,
    at_least,
    at_most,
    excess,
    failed,
    not_checked,
)
from template_designer.checking.outlines import Outlines
from template_designer.checking.record import NeedleRecord
from template_designer.model.needles import OUTER_DIAMETER_MM
from template_designer.model.settings import CaseSettings

DRAWN_MM = 0.002
"""Distances to drawn outlines are exact; positions carry four decimals, clearances three."""

BETWEEN_MM = 0.3
"""Outlines between slices: the planner's come from a 1 mm grid and may lose 0.3 mm at corners, the
mixture here is a lower bound. Measured on two clinical cases: at most 0.04 mm."""

FAR_MM = 60.0
"""The planner follows distances no farther: a larger one is stated as this less the radius."""

SKIN_STEP_MM = 0.5

SKIN_MM = 1.0
"""Skin along a needle between slices 5 mm apart; on a slice both agree to 0.01 mm."""

PLATE_MM = 0.05
"""Skin may stand through the patient face by this much (rounding of the gap)."""

BONE_NAMES = ("bone", "bones", "bone_all", "skeleton")
"""A structure of such a name is all bone where the case names none."""

BONE_STEP_MM, BONE_MM = 0.25, 3.0
"""Bone is thin and rugged: outlines between slices 5 mm apart move by millimetres. A note for the
surgeon, no rule. Measured on two clinical cases: 1.5 mm outside both readings."""

BESIDE_MM = 1.0
"""A needle that runs along a bone's surface crosses none of it or centimetres, by a hair: where the
readings on its axis disagree with the plan, those this far beside it count as well."""

IN_TARGET_MM = 0.5
"""Target outlines between slices."""


def check_clearances(evidence: Evidence) -> Iterator[CheckLine]:
    """Every needle's distance from every structure of a rule, along its whole length."""
    anatomy, case = evidence.anatomy, evidence.case
    stated = _stated(evidence)
    if anatomy is None or case is None:
        yield not_checked("clearances", "needles with contours", evidence.anatomy_note)
        return
    known = [*stated, *(name for name in anatomy.known if name not in stated)]
    rules, unmatched = rules_of(case, known)
    missing = [f"{pattern!r} matches no structure" for pattern in unmatched]
    for name in rules:
        lacking = len(evidence.needle_names) - len(stated.get(name, {}))
        missing += [f"{name}: {lacking} needles state no clearance"] if lacking else []
    missing += [f"{name}: no rule asks for it" for name in stated if name not in rules]
    yield all_same(
        "clearances stated", "structures with the rules of the case", missing, len(rules)
    )
    for name, limit in rules.items():
        if name in stated:
            yield from _clearance(evidence, case, name, limit, stated[name])


def _stated(evidence: Evidence) -> dict[str, dict[int, float]]:
    """Stated clearances by structure and needle, mm."""
    found: dict[str, dict[int, float]] = {}
    for number, (_, needle) in enumerate(evidence.plan.needles):
        for name, value in needle.clearance_mm.items():
            found.setdefault(name, {})[number] = value
    return found


def _clearance(
    evidence: Evidence, case: CaseSettings, name: str, limit: float, stated: dict[int, float]
) -> Iterator[CheckLine]:
    """Drawn outlines exactly, the shape between them from below; the rule; what was stated."""
    labels = evidence.needle_names
    at = [(labels[n], value) for n, value in stated.items()]
    yield at_least(f"{name}: rule", "stated clearances with the case", at, limit)
    outlines = drawn_structure(evidence, name, avoided=True)
    if outlines is None:
        yield not_checked(f"{name}: clearance", "needles with contours", _why_not(case, name))
        return
    spare, over, least = [], [], math.inf
    for number, value in stated.items():
        _, needle = evidence.plan.needles[number]
        on_slices, all_of_it = measured(evidence, outlines, needle)
        least = min(least, on_slices, all_of_it)
        for found, slack, what in ((on_slices, DRAWN_MM, "slices"), (all_of_it, BETWEEN_MM, "all")):
            where = f"{labels[number]} ({what})"
            spare.append((where, found + slack - limit))
            over.append((where, value - found - slack))
    compared = f"recomputed, {least:.2f} mm at least, less the rule, {limit:g} mm"
    yield at_least(f"{name}: recomputed", compared, spare, 0.0)
    compared = f"stated less recomputed (+ {DRAWN_MM:g} mm on slices, {BETWEEN_MM:g} mm between)"
    yield at_most(f"{name}: stated", compared, over, 0.0)


def measured(evidence: Evidence, outlines: Outlines, needle: NeedleRecord) -> tuple[float, float]:
    """Needle surface to the drawn outlines (exact) and to the shape between (from below), mm."""
    key = (outlines.name, needle.entry_lps_mm, needle.tip_lps_mm, needle.gauge)
    if key not in evidence.cache:
        radius = 0.5 * OUTER_DIAMETER_MM[needle.gauge]
        evidence.cache[key] = tuple(
            distance(needle.entry, needle.tip) - radius
            for distance in (outlines.drawn_mm, outlines.needle_mm)
        )
    found: tuple[float, float] = evidence.cache[key]
    return found


def drawn_structure(
    evidence: Evidence, name: str, *, avoided: bool = False, held: bool = False
) -> Outlines | None:
    """A structure as drawn; None where the case makes it, or the file has no such contours."""
    case, anatomy = evidence.case, evidence.anatomy
    if case is None or anatomy is None or name in made_by_case(case):
        return None
    return anatomy.outlines(name, avoided=avoided, held=held)


def made_by_case(case: CaseSettings) -> set[str]:
    """Structures that no contour shows: made by ``[[structure]]``, or a target that is grown."""
    made = {table.name for table in case.structure}
    if case.target.margin_mm.largest_mm > 0.0 or case.target.cropped_by:
        made.add(case.target.structure)
    return made


def _why_not(case: CaseSettings, name: str) -> str:
    if name in made_by_case(case):
        return f"{name} is made by the case file, not drawn"
    return f"no contours of {name} in the structure file"


def check_skin(evidence: Evidence) -> Iterator[CheckLine]:
    """Seeds deep enough, skin depths as stated, plates outside the body."""
    case = evidence.case
    seeds = [
        (label, seed.skin_mm)
        for (_, needle), label in zip(evidence.plan.needles, evidence.needle_names, strict=True)
        for seed in needle.seeds
    ]
    least = 0.0 if case is None else case.skin.seed_depth_mm
    yield at_least("seeds under the skin", "skin_mm with the rule", seeds, least)
    name = "" if case is None else case.skin.structure
    body = drawn_structure(evidence, name)
    if body is None or case is None:
        why = evidence.anatomy_note if case is None else f"no contours of {name}"
        yield not_checked("skin", "seeds, needles and plates with the body outline", why)
        return
    yield from _seeds_and_skin(evidence, body, least)
    yield from _skin_depths(evidence, body)
    yield _plates_outside(evidence, body)


def _seeds_and_skin(evidence: Evidence, body: Outlines, least: float) -> Iterator[CheckLine]:
    """Depth of every capsule under the body outline, on nine points of its axis."""
    source = evidence.source
    if source is None:
        yield not_checked("seeds to skin", "capsules with the body outline", "no source tables")
        return
    length, diameter = source.capsule_mm
    spread = 0.5 * length * np.linspace(-1.0, 1.0, 9)
    deep, over = [], []
    for (_, needle), label in zip(evidence.plan.needles, evidence.needle_names, strict=True):
        for seed in needle.seeds:
            points = np.array(seed.center_lps_mm) + spread[:, None] * needle.axis
            key = ("skin", seed.center_lps_mm, needle.entry_lps_mm, needle.tip_lps_mm)
            if key not in evidence.cache:
                evidence.cache[key] = float(body.depth_mm(points).min()) - 0.5 * diameter
            depth = evidence.cache[key]
            deep.append((label, depth))
            over.append((label, seed.skin_mm - depth))
    compared = "capsule surface to the body outline"
    yield at_least("seeds to skin", compared, deep, least - BETWEEN_MM)
    yield at_most("seeds to skin, stated", "excess over the body outline", over, BETWEEN_MM)


def _skin_depths(evidence: Evidence, body: Outlines) -> Iterator[CheckLine]:
    """Where each needle enters the body."""
    off = []
    for (_, needle), label in zip(evidence.plan.needles, evidence.needle_names, strict=True):
        key = ("entry", needle.entry_lps_mm, needle.tip_lps_mm)
        if key not in evidence.cache:
            evidence.cache[key] = _first_inside(body, needle)
        way = float(np.linalg.norm(needle.tip - needle.entry))
        off.append((label, abs(way - evidence.cache[key] - needle.skin_depth_mm)))
    yield at_most("skin depths, recomputed", "skin to tip with the body outline", off, SKIN_MM)


def _first_inside(body: Outlines, needle: NeedleRecord) -> float:
    """Distance from the entry at which the axis is first inside the body, mm; NaN where never."""
    way = float(np.linalg.norm(needle.tip - needle.entry))
    along = np.arange(0.0, way, SKIN_STEP_MM)
    inside = body.contains(needle.entry + along[:, None] * needle.axis)
    if not inside.any():
        return math.nan
    high = float(along[int(np.argmax(inside))])
    low = max(0.0, high - SKIN_STEP_MM)
    for _ in range(12):
        middle = 0.5 * (low + high)
        if body.contains(needle.entry[None] + middle * needle.axis)[0]:
            high = middle
        else:
            low = middle
    return high


def _plates_outside(evidence: Evidence, body: Outlines) -> CheckLine:
    """Drawn skin under each plate stays on the patient's side of it."""
    skin = _dense(body)
    found = []
    for template in evidence.plan.templates:
        local = template.to_template(skin)
        half = 0.5 * np.array(template.size_mm[:2])
        under = np.all(np.abs(local[:, :2]) <= half, axis=1) & (local[:, 2] > -200.0)
        if under.any():
            found.append((template.name, float(local[under, 2].min())))
    return at_least("plates clear the body", "drawn skin under the plate", found, -PLATE_MM)


def _dense(body: Outlines) -> NDArray[np.float64]:
    """Points on the drawn outlines at most 0.5 mm apart, (n, 3) LPS."""
    points = []
    for w, rings in zip(body.heights_mm, body.slices, strict=True):
        for ring in rings:
            after = np.roll(ring, -1, axis=0)
            count = np.maximum(1, np.ceil(np.linalg.norm(after - ring, axis=1) / 0.5)).astype(int)
            edge = np.repeat(np.arange(len(ring)), count)
            share = np.concatenate([np.arange(n) / n for n in count])[:, None]
            uv = ring[edge] + share * (after - ring)[edge]
            points.append(np.column_stack([uv, np.full(len(uv), w)]))
    return body.to_lps(np.vstack(points))


def check_scan(evidence: Evidence) -> Iterator[CheckLine]:
    """Needles stay between the first and the last slice: nothing is known beyond."""
    scan = None if evidence.anatomy is None else evidence.anatomy.scan_lps_mm
    compared = "needles with the slices of the CT"
    if scan is None or len(scan) < 2:
        note = evidence.anatomy_note or "the places of the CT slices are not known"
        yield not_checked("needles inside the scan", compared, note)
        return
    far = scan[np.argmax(np.linalg.norm(scan - scan[0], axis=1))]
    normal = (far - scan[0]) / np.linalg.norm(far - scan[0])
    heights = np.sort(scan @ normal)
    half = 0.5 * float(np.median(np.diff(heights)))
    found = []
    for (_, needle), label in zip(evidence.plan.needles, evidence.needle_names, strict=True):
        ends = np.array([needle.entry, needle.tip]) @ normal
        room = min(float(ends.min()) - heights[0], heights[-1] - float(ends.max())) + half
        found.append((label, room))
    yield at_least("needles inside the scan", compared, found, -0.01)


def check_bone(evidence: Evidence) -> Iterator[CheckLine]:
    """Bone crossed from skin to tip, where bone was drawn."""
    compared = "bone crossed with the two readings of the drawn bone"
    names = _bones(evidence)
    read = [
        [drawn_structure(evidence, name, held=held) for name in names] for held in (False, True)
    ]
    if not names or not all(bone for bones in read for bone in bones):
        note = evidence.anatomy_note or "bone is not drawn: it was read from the CT"
        yield not_checked("bone", compared, note)
        return
    off = []
    for (_, needle), label in zip(evidence.plan.needles, evidence.needle_names, strict=True):
        key = ("bone", needle.entry_lps_mm, needle.tip_lps_mm)
        if key not in evidence.cache:
            evidence.cache[key] = [_length_inside(bones, needle) for bones in read]
        readings = evidence.cache[key]
        if not min(readings) - BONE_MM <= needle.bone_mm <= max(readings) + BONE_MM:
            readings = [
                *readings,
                *(_length_inside(b, needle, aside) for b in read for aside in _beside(needle)),
            ]
        low, high = min(readings), max(readings)
        off.append((label, excess(low - needle.bone_mm, needle.bone_mm - high)))
    yield at_most("bone", compared, off, BONE_MM)


def _beside(needle: NeedleRecord) -> list[NDArray[np.float64]]:
    """Four steps of :data:`BESIDE_MM` across a needle."""
    across = np.cross(needle.axis, np.eye(3)[np.argmin(np.abs(needle.axis))])
    across *= BESIDE_MM / np.linalg.norm(across)
    other = np.cross(needle.axis, across)
    return [across, -across, other, -other]


def _length_inside(
    bones: Sequence[Outlines | None],
    needle: NeedleRecord,
    aside_mm: NDArray[np.float64] | float = 0.0,
) -> float:
    """Length of a needle's way inside some structures, read every 0.25 mm."""
    way = float(np.linalg.norm(needle.tip - needle.entry))
    count = max(1, math.ceil(way / BONE_STEP_MM))
    middles = needle.entry + ((np.arange(count) + 0.5) * way / count)[:, None] * needle.axis
    middles = middles + aside_mm
    inside = sum(np.count_nonzero(bone.contains(middles)) for bone in bones if bone)
    return float(inside) * way / count


def _bones(evidence: Evidence) -> list[str]:
    """Structures that count as bone: those the case names, else one called bone or bones."""
    case, anatomy = evidence.case, evidence.anatomy
    if case is None or anatomy is None:
        return []
    names = list(anatomy.known)
    stated = [name for pattern in case.bone.patterns for name in matching(pattern, names)]
    return stated or [name for name in names if name.lower() in BONE_NAMES][:1]


def check_in_target(evidence: Evidence) -> Iterator[CheckLine]:
    """Seed centres lie in the target, or as far outside as the case allows."""
    case, compared = evidence.case, "seed centres with the target"
    target = drawn_structure(evidence, evidence.plan.target)
    if target is None or case is None:
        note = evidence.anatomy_note or (_why_not(case, evidence.plan.target) if case else "")
        yield not_checked("seeds in the target", compared, note)
        return
    key = ("target", evidence.plan.seed_centers.tobytes())
    if key not in evidence.cache:
        evidence.cache[key] = target.away_mm(evidence.plan.seed_centers)
    owners = [
        label
        for (_, needle), label in zip(evidence.plan.needles, evidence.needle_names, strict=True)
        for _ in needle.seeds
    ]
    found = list(zip(owners, evidence.cache[key].tolist(), strict=True))
    limit = case.loading.outside_target_mm + IN_TARGET_MM
    if not found:
        yield failed("seeds in the target", compared, "the plan has no seed")
    yield at_most("seeds in the target", f"{compared}, how far outside", found, limit)
