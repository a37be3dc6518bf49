"""Whether the plan rests on the inputs and the case that it names."""

from __future__ import annotations

import datetime
import fnmatch
import math
import unicodedata
from collections.abc import Iterator, Sequence

import numpy as np

from template_designer.checking.evidence import Evidence
from template_designer.checking.lines import (
    CheckLine,
    State,
    all_same,
    at_most,
    failed,
    not_checked,
)
from template_designer.model.needles import OUTER_DIAMETER_MM
from template_designer.model.settings import CaseSettings, SourceSettings

U_PER_MCI = {"I-125": 1.270, "Pd-103": 1.293}
"""Air-kerma strength per apparent activity, typed here a second time (TG-43U1; Williamson 1999)."""

MBQ_PER_MCI = 37.0

HALF_LIFE_DAYS = {"I-125": 59.40, "Pd-103": 16.991, "Cs-131": 9.689}
"""Half-lives, typed here a second time (TG-43U1; Rivard 2017 for Cs-131)."""

CONSENSUS = {"I125-6711": 0.965, "I125-IAI125A": 0.981, "Pd103-200": 0.686}
"""Dose-rate constants of the cross-checked models, cGy/(h U), typed here a second time."""

PART = 1e-5
"""Strengths are written with six decimals: of 0.5 U that is 2e-6."""

BORE_MM = 1e-3


def check_inputs(evidence: Evidence) -> Iterator[CheckLine]:
    """Fingerprints of every input that can be found."""
    if not evidence.plan.inputs:
        yield failed("inputs", "files that plan.json names", "it names none")
    for item in evidence.inputs:
        name, compared = f"input {item.path}", "SHA-256 with plan.json"
        if item.found is None:
            note = evidence.case_note or "is not at hand beside the case file"
            yield not_checked(name, compared, note)
        elif item.unchanged:
            yield CheckLine(name, compared, "unchanged", "unchanged", State.OK)
        else:
            yield failed(name, compared, f"{item.found} is not what was planned on", "unchanged")


def check_case(evidence: Evidence) -> Iterator[CheckLine]:
    """What plan.json repeats of the case."""
    name, compared = "case", "id, target, prescription, plates, needles with the case file"
    case, plan = evidence.case, evidence.plan
    if case is None:
        yield not_checked(name, compared, evidence.case_note)
        return
    wrong = []

    def same(what: str, found: object, stated: object) -> None:
        if found != stated:
            wrong.append(f"{what}: plan {found}, case {stated}")

    same("id", plan.id, case.id)
    same("prescription_gy", plan.prescription_gy, case.prescription.dose_gy)
    if not matching(case.target.structure, [plan.target]):
        same("target", plan.target, case.target.structure)
    same("number of plates", len(plan.templates), len(case.entry))
    wider = case.printer.bore_allowance_mm
    wider = case.needle.bore_allowance_mm if wider is None else wider
    usual = OUTER_DIAMETER_MM[case.needle.gauge] + wider
    for template in plan.templates:
        same(f"{template.name} size_mm", template.size_mm, tuple(case.template.size_mm))
        same(f"{template.name} pitch_mm", template.pitch_mm, case.template.pitch_mm)
        if abs(template.bore_mm - usual) > BORE_MM:
            same(f"{template.name} bore_mm", template.bore_mm, round(usual, 4))
        for needle in template.needles:
            same(f"needle {needle.label} length_mm", needle.length_mm, case.needle.length_mm)
            same(f"needle {needle.label} gauge", needle.gauge, case.needle.gauge)
            hole = next((hole for hole in template.holes if hole.label == needle.label), None)
            asked = OUTER_DIAMETER_MM.get(needle.widest_gauge, 0.0) + wider
            if hole is not None and abs(template.bore_of(hole) - asked) > BORE_MM:
                same(f"hole {hole.label} bore_mm", template.bore_of(hole), round(asked, 4))
    yield all_same(name, compared, wrong, 5 + 3 * len(plan.templates))


def check_source(evidence: Evidence) -> Iterator[CheckLine]:
    """Seed model, dose-rate constant, half-life and strength."""
    yield from _tables(evidence)
    yield _strength(evidence)


def _tables(evidence: Evidence) -> Iterator[CheckLine]:
    compared = "dose-rate constant and half-life with the consensus"
    source = evidence.source
    if source is None:
        if evidence.plan.source.file is None:
            yield failed("source", compared, f"no model {evidence.plan.source.model!r} is on board")
        else:
            yield not_checked("source", compared, "its own table file is not at hand")
        return
    found = [("half-life", abs(source.half_life_days / HALF_LIFE_DAYS[source.nuclide] - 1.0))]
    constant = CONSENSUS.get(source.id, source.consensus_constant)
    if constant is not None:
        found.append(("dose-rate constant", abs(source.dose_rate_constant / constant - 1.0)))
    if source.id != evidence.plan.source.model:
        yield failed("source", compared, f"the table file is of {source.id!r}")
    # own tables may state a half-life to fewer digits
    yield at_most("source", compared, found, 0.002, "of the value", 4)


def _strength(evidence: Evidence) -> CheckLine:
    name, compared = "source strength", "air-kerma strength with the unit and dates of the case"
    case, stated, source = evidence.case, evidence.plan.source, evidence.source
    if case is None or source is None:
        return not_checked(name, compared, evidence.case_note or "no source tables")
    asked = case.source
    if (asked.model or "") != ("" if stated.file else stated.model) or asked.file != stated.file:
        return failed(
            name, compared, f"plan has {stated.model!r}, case {asked.model or asked.file}"
        )
    kept = stated.calibration or stated
    strength = min(
        _asked_strengths_u(asked, source.nuclide),
        key=lambda value: abs(value - kept.air_kerma_strength_u),
    )
    found = []
    days = 0.0
    if asked.calibration_date is not None and asked.implant_date is not None:
        days = (asked.implant_date - asked.calibration_date).days
        if stated.calibration is None:
            return failed(name, compared, "plan.json lacks the calibration of the case")
        dates = [stated.calibration.calibration_date, stated.calibration.implant_date]
        if dates != [asked.calibration_date.isoformat(), asked.implant_date.isoformat()]:
            return failed(name, compared, f"plan was made for the dates {' and '.join(dates)}")
        found.append(("calibration", abs(kept.air_kerma_strength_u / strength - 1.0)))
    elif stated.calibration is not None:
        return failed(name, compared, "plan.json has a calibration, the case has none")
    decayed = strength * 0.5 ** (days / source.half_life_days)
    found.append(
        (f"{stated.air_kerma_strength_u:g} U", abs(stated.air_kerma_strength_u / decayed - 1.0))
    )
    return at_most(name, compared, found, PART, "of the value", 7)


def _asked_strengths_u(asked: SourceSettings, nuclide: str) -> tuple[float, ...]:
    """Strengths of the case, U: one, or those it leaves to choose from."""
    stated = (
        (asked.air_kerma_strength_u, 1.0),
        (asked.activity_mci, U_PER_MCI.get(nuclide, math.nan)),
        (asked.activity_mbq, U_PER_MCI.get(nuclide, math.nan) / MBQ_PER_MCI),
    )
    values, factor = next(item for item in stated if item[0] is not None)
    return tuple(
        factor * (v or math.nan) for v in (values if isinstance(values, tuple) else (values,))
    )


def check_calibration(evidence: Evidence) -> Iterator[CheckLine]:
    """Strength on the two days that plan.json states, from plan.json alone."""
    stated, source = evidence.plan.source, evidence.source
    if stated.calibration is None or source is None:
        return
    compared = "strength on both days by the half-life"
    try:
        first, last = (
            datetime.date.fromisoformat(text)
            for text in (stated.calibration.calibration_date, stated.calibration.implant_date)
        )
    except ValueError as error:
        yield failed("calibration", compared, str(error))
        return
    decayed = stated.calibration.air_kerma_strength_u * 0.5 ** (
        (last - first).days / source.half_life_days
    )
    off = abs(stated.air_kerma_strength_u / decayed - 1.0)
    yield at_most("calibration", compared, [("", off)], PART, "of the value", 7)


def matching(pattern: str, names: Sequence[str]) -> list[str]:
    """Names that a name or glob of the case means: the exact one, else what the glob fits."""
    wanted = unicodedata.normalize("NFC", pattern)
    normal = {name: unicodedata.normalize("NFC", name) for name in names}
    exact = [name for name in names if normal[name] == wanted]
    return exact or [name for name in names if fnmatch.fnmatchcase(normal[name], wanted)]


def rules_of(case: CaseSettings, names: Sequence[str]) -> tuple[dict[str, float], list[str]]:
    """Strictest clearance of every structure under a rule, mm, and patterns that match nothing."""
    limits: dict[str, float] = {}
    unmatched = []
    for rule in case.avoid:
        for pattern in rule.patterns:
            found = matching(pattern, names)
            unmatched.extend([] if found else [pattern])
            for name in found:
                limits[name] = max(limits.get(name, 0.0), rule.needle_clearance_mm)
    return limits, unmatched


def check_entries(evidence: Evidence) -> Iterator[CheckLine]:
    """Every plate stands where its entry plane puts it."""
    name, compared = "entry planes", "frame of each plate with [entry] of the case"
    case, plan = evidence.case, evidence.plan
    if case is None:
        yield not_checked(name, compared, evidence.case_note)
        return
    off: list[tuple[str, float]] = []
    turned: list[tuple[str, float]] = []
    for template, entry in zip(plan.templates, case.entry, strict=False):
        rotation, origin = template.frame[:3, :3], template.frame[:3, 3]
        z = np.array(entry.direction_lps) / np.linalg.norm(entry.direction_lps)
        up = np.array(entry.up_lps) - np.dot(entry.up_lps, z) * z
        turned.append((f"{template.name} z", float(np.linalg.norm(rotation[:, 2] - z))))
        below = np.array(entry.point_lps) - template.gap_mm * z - origin
        if entry.refine:  # place and turn within the plane were searched
            off.append((f"{template.name} height", abs(float(below @ z))))
            continue
        off.append((template.name, float(np.linalg.norm(below))))
        down = rotation[:, 1] + up / np.linalg.norm(up)
        turned.append((f"{template.name} y", float(np.linalg.norm(down))))
    yield at_most(f"{name}, place", "origin = point_lps - gap along the needles", off, 0.01)
    yield at_most(
        f"{name}, direction", "z = direction_lps, y = -up_lps across it", turned, 1e-6, "rad", 9
    )
