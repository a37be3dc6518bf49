"""Goals and tissue models: what plan.json makes of the doses it states."""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Iterator

from template_designer.checking.case_checks import matching
from template_designer.checking.dose_checks import allowed, outside, readings
from template_designer.checking.evidence import Evidence
from template_designer.checking.lines import (
    CheckLine,
    all_same,
    at_most,
    excess,
    failed,
    not_checked,
)
from template_designer.checking.record import GoalRecord, PlanRecord
from template_designer.checking.volumes import metric_value
from template_designer.model.settings import Site

SPINE_CORD_GY, CORD = 39.0, re.compile("cord|canal|myel", re.IGNORECASE)
"""DESIGN.md, section 4: what a case of the spine without goals asks for, of which structures."""

INDICES = ("ci", "ei", "hi", "dnr", "coin")
"""Plain ratios, which goals state in percent."""

BY_FORMULA = "BED and EQD2 by their formulas"

ROUNDED, INDEX_PCT = 2e-4, 0.011
"""plan.json has four decimals of doses and percentages, and of ratios: 0.01 %."""


def check_goals(evidence: Evidence) -> Iterator[CheckLine]:
    """Goals as the case states them, values as the metrics have them, verdicts as both imply."""
    plan, case = evidence.plan, evidence.case
    wrong = []
    off = []
    for goal in plan.goals:
        where = f"{goal.structure} {goal.metric}"
        limits = [limit for limit in (goal.at_least, goal.at_most) if limit is not None]
        if len(limits) != 1 or goal.value is None:
            wrong.append(f"{where}: states {len(limits)} limits, value {goal.value}")
            continue
        met = goal.value >= limits[0] if goal.at_least is not None else goal.value <= limits[0]
        if met != goal.met:
            wrong.append(f"{where}: {goal.value:g} against {limits[0]:g}, said met: {goal.met}")
        gap = _value_off(evidence, goal)
        if gap is None:
            compared = "value summed again"
            yield not_checked(f"goal {where}", compared, f"no contours of {goal.structure}")
        else:
            off.append((where, gap))
    if case is not None:
        wrong += _goal_differences(plan, evidence)
    yield all_same(
        "goals", "limits with the case, verdicts with the values", wrong, len(plan.goals)
    )
    compared = "values with the metrics, or summed again: error / tolerance"
    yield at_most("goal values", compared, off, 1.0, "", 3)


def _goal_differences(plan: PlanRecord, evidence: Evidence) -> list[str]:
    """Goals that only the plan or only the case has."""
    case = evidence.case
    if case is None:
        return []
    asked = []
    for goal in case.goal:
        for name in matching(goal.structure, list(plan.metrics)) or [goal.structure]:
            asked.append((name, goal.metric, goal.limit, goal.is_minimum))
    if not case.goal:  # DESIGN.md: D90 at the prescription and V100 of 90 %
        asked = [
            (plan.target, "D90", plan.prescription_gy, True),
            (plan.target, "V100", 90.0, True),
            *(
                (name, "Dmax", SPINE_CORD_GY, False)
                for name in plan.metrics
                if case.site is Site.SPINE and name != plan.target and CORD.search(name)
            ),
        ]
    stated = [
        (
            g.structure,
            g.metric,
            g.at_least if g.at_least is not None else g.at_most,
            g.at_least is not None,
        )
        for g in plan.goals
    ]
    return [
        f"{goal[0]} {goal[1]} is not a goal of the case" for goal in stated if goal not in asked
    ] + [f"{goal[0]} {goal[1]} of the case is missing" for goal in asked if goal not in stated]


def _value_off(evidence: Evidence, goal: GoalRecord) -> float | None:
    """How far a goal's value is from the metric of that name, in parts of what is allowed.

    None where plan.json has no such metric and the structure was not drawn.
    """
    value, name = float(goal.value or 0.0), goal.metric.lower()
    metrics = evidence.plan.metrics.get(goal.structure, {})
    if name in INDICES:  # goals state them in percent
        known = metrics.get(name)
        return math.nan if known is None else abs(value - 100.0 * known) / INDEX_PCT
    unit = "gy" if goal.unit == "Gy" else "pct"
    key = "mean_gy" if name == "dmean" else f"{name.replace('.', '_')}_{unit}"
    known = metrics.get(key)
    if known is not None:
        return abs(value - known) / ROUNDED
    both = readings(evidence, goal.structure)
    spread = [metric_value(goal.metric, doses, evidence.plan.prescription_gy) for doses in both]
    numbers = [number for number in spread if number is not None]
    limit = allowed(key, both[0].volume_cm3) if both else None
    return outside(value, numbers, key) / limit if numbers and limit else None


def check_biology(evidence: Evidence) -> Iterator[CheckLine]:
    """BED and EQD2 by their formulas from the stated doses.

    What each of two implants gives at a place is not stated: of a supplement BED is only held
    between what half and half, the least, and all of it on one day would make of the dose.
    """
    source = evidence.source
    if not evidence.plan.biology:
        return
    if source is None:
        yield not_checked("biology", BY_FORMULA, "no source tables")
        return
    try:
        days = _days_between(evidence.plan)
    except ValueError as error:
        yield failed("biology", BY_FORMULA, str(error))
        return
    off = []
    decay = math.log(2.0) / (24.0 * source.half_life_days)
    for result in evidence.plan.biology:
        repair, tissue = math.log(2.0) / result.repair_half_time_h, result.alpha_beta_gy
        beam = 0.0
        if result.external_beam is not None:
            dose, count = result.external_beam.dose_gy, result.external_beam.fractions
            beam = dose * (1.0 + dose / count / tissue)
            off.append((f"{result.structure} beam", abs(result.external_beam.bed_gy - beam)))
            equal = beam / (1.0 + 2.0 / tissue)
            off.append((f"{result.structure} beam", abs(result.external_beam.eqd2_gy - equal)))
        for row in result.doses:
            where = f"{result.structure} {row.metric}"
            square = row.implant_gy**2 * decay / ((repair + decay) * tissue)
            most = row.implant_gy + square
            least = row.implant_gy + square * _least_part(24.0 * days, decay, repair)
            gap = excess(least - row.implant_bed_gy, row.implant_bed_gy - most)
            if row.metric == "Dmean":  # a mean of BEDs is no less than the BED of the mean
                gap = excess(least - row.implant_bed_gy)
            off.append((where, gap / max(1.0, most)))
            off.append((where, abs(row.total_bed_gy - row.implant_bed_gy - beam)))
            for total, equal in (
                (row.implant_bed_gy, row.implant_eqd2_gy),
                (row.total_bed_gy, row.total_eqd2_gy),
            ):
                off.append((where, abs(equal - total / (1.0 + 2.0 / tissue))))
            key = (
                "mean_gy" if row.metric == "Dmean" else f"{row.metric.lower().replace('.', '_')}_gy"
            )
            known = evidence.plan.metrics.get(result.structure, {}).get(key)
            if known is not None:
                off.append((f"{where} dose", abs(known - row.implant_gy)))
    yield at_most("biology", BY_FORMULA, off, 0.001, "Gy", 4)


def _days_between(plan: PlanRecord) -> int:
    """Days from an earlier implant to this one; 0 where there is none, or a day is not stated."""
    earlier, stated = plan.earlier_seeds, plan.source.calibration
    if earlier is None or earlier.implanted is None or stated is None:
        return 0
    first, second = (
        datetime.date.fromisoformat(text) for text in (earlier.implanted, stated.implant_date)
    )
    if second < first:
        raise ValueError(f"the supplement ({second}) comes before its implant ({first})")
    return (second - first).days


def _least_part(hours: float, decay: float, repair: float) -> float:
    """Of the square term of a dose, what is left where two implants give a half of it each.

    Breaks of one meet those of the other while both irradiate: all of them where both came on
    one day, none after many half-lives. Rates are those of an hour.
    """
    left = math.exp(-decay * hours)
    late = left - 2.0 * decay / (repair + decay) * math.exp(-repair * hours)
    met = 0.5 * (left + (repair + decay) / (repair - decay) * late)
    return 0.5 * (1.0 + met)
