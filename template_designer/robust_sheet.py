"""Placement errors for the terminal: doses, clearances and needles to watch."""

from __future__ import annotations

from rich.table import Table
from rich.text import Text

from template_designer.model.robust import (
    CLOSE_MM,
    CONFIDENCE_PCT,
    Chance,
    ClearanceSpread,
    RobustResult,
)
from template_designer.source_sheet import plain_table

WATCHED = 5
"""Needles that are listed."""

FAR_MM = 30.0
"""Structures that no needle comes nearer than this in 95 % of the scenarios are left out."""

LOW_DOSE_GY = 30.0
"""Organs that get less than this in 95 % of the scenarios are left out (the series' cord limit)."""

CLOSE_HEADINGS = tuple(f"< {mm:g} mm" if mm else "touched" for mm in CLOSE_MM)


def robust_tables(plan_id: str, result: RobustResult) -> tuple[Table, ...]:
    """What placement errors do to a plan, needles to watch last. ``plan.json`` holds all of it."""
    tables = [_dose_table(plan_id, result)]
    if result.goals:
        tables.append(_goal_table(plan_id, result))
    if result.clearances:
        tables += [_clearance_table(plan_id, result), _needle_table(plan_id, result)]
    tables[-1].caption = Text(_caption(result))
    tables[-1].caption_justify = "left"
    return tuple(tables)


def _dose_table(plan_id: str, result: RobustResult) -> Table:
    table = plain_table(f"{plan_id}: doses in {result.scenarios} scenarios of placement errors")
    table.add_column("structure", overflow="fold")
    table.add_column("", no_wrap=True)
    for heading in ("plan", "mean", "SD", "5 %", "50 %", "95 %"):
        table.add_column(heading, justify="right", no_wrap=True)
    target = result.doses[0].structure
    for dose in result.doses:
        spread = dose.spread
        if dose.structure != target and spread.p95 < LOW_DOSE_GY:
            continue
        values = (spread.planned, spread.mean, spread.sd, spread.p5, spread.p50, spread.p95)
        name = Text(dose.structure)
        table.add_row(name, f"{dose.metric} {dose.unit}", *(f"{value:.1f}" for value in values))
    return table


def _goal_table(plan_id: str, result: RobustResult) -> Table:
    table = plain_table(f"{plan_id}: goals met under placement errors")
    table.add_column("structure", overflow="fold")
    for heading in ("metric", "goal", "% of scenarios"):
        table.add_column(heading, justify="left" if heading == "metric" else "right", no_wrap=True)
    for goal in result.goals:
        limit = f"{'≥' if goal.is_minimum else '≤'} {goal.limit:g} {goal.unit}"
        table.add_row(Text(goal.structure), goal.metric, limit, chance_text(goal.met))
    return table


def _clearance_table(plan_id: str, result: RobustResult) -> Table:
    table = plain_table(f"{plan_id}: nearest needle surface (mm), % of scenarios")
    table.add_column("structure", overflow="fold")
    for heading in ("plan", "5 %", *CLOSE_HEADINGS):
        table.add_column(heading, justify="right", no_wrap=True)
    for found in result.clearances:
        spread = found.spread
        if spread.p5 < FAR_MM:
            values = (_mm(value) for value in (spread.planned, spread.p5))
            table.add_row(Text(found.structure), *values, *_chances(found))
    return table


def _needle_table(plan_id: str, result: RobustResult) -> Table:
    table = plain_table(f"{plan_id}: needles to watch (mm), % of scenarios")
    table.add_column("hole", no_wrap=True)
    table.add_column("structure", overflow="fold")
    for heading in ("plan", "5 %", *CLOSE_HEADINGS):
        table.add_column(heading, justify="right", no_wrap=True)
    several = len({needle.template for needle in result.needles}) > 1
    for needle in result.needles[:WATCHED]:
        if not needle.shortfall_mm > 0.0:
            break
        found = needle.clearances[0]
        hole = f"{needle.template} {needle.label}" if several else needle.label
        values = (_mm(value) for value in (found.spread.planned, found.spread.p5))
        table.add_row(hole, Text(found.structure), *values, *_chances(found))
    return table


def chance_text(chance: Chance) -> str:
    """Percent with its interval.

    >>> chance_text(Chance(4.1, 2.96, 5.52)), chance_text(Chance(0.0, 0.0, 0.37))
    ('4.1 (3.0-5.5)', '0 (0-0.4)')
    >>> chance_text(Chance(47.3, 44.1, 50.4))
    '47 (44-50)'
    """
    digits = 0 if 10.0 <= chance.pct <= 90.0 else 1
    low, pct, high = (
        f"{value:.{0 if value in (0.0, 100.0) else digits}f}"
        for value in (chance.low_pct, chance.pct, chance.high_pct)
    )
    return f"{pct} ({low}-{high})"


def _chances(found: ClearanceSpread) -> list[str]:
    return [chance_text(found.nearer_than[mm]) for mm in CLOSE_MM]


def _mm(value_mm: float) -> str:
    return "0" if value_mm <= 0.0 else f"{value_mm:.1f}"


def _caption(result: RobustResult) -> str:
    errors, tip = result.errors, result.tip_error_mm
    return (
        f"Errors ({errors.site}, 1 SD an axis): needle {errors.entry_mm:.1f} mm, "
        f"{errors.angle_deg:.1f}°, depth {errors.depth_mm:.1f} mm; plate "
        f"{errors.plate_shift_mm:.1f} mm, {errors.plate_rotation_deg:.1f}°; seed slip "
        f"{errors.seed_slip_mm:.1f} mm; bore play up to {result.bore_play_deg:.2f}°. Tips end "
        f"{tip.mean:.1f} ± {tip.sd:.1f} mm off. In brackets: {CONFIDENCE_PCT:g} % confidence. "
        "Chances of coming near err to the high side. plan.json has every structure and needle."
    )
