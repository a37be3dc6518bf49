"""Tables for the terminal: what a plan gives beside its goals, what a folder holds."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from template_designer.inputs import Inspection
from template_designer.loading_sheet import loading_tables
from template_designer.model import Needle, Plan, Template
from template_designer.robust_sheet import robust_tables
from template_designer.source_sheet import plain_table as _table
from template_designer.source_sheet import strength_text

ALL_PCT = 99.95
"""A bound on V100 that shows as 100 % says nothing: it is left out."""

ORGAN_COLUMNS = {
    "volume_cm3": "cm³",
    "dmax_gy": "Dmax Gy",
    "d0_1cc_gy": "D0.1cc Gy",
    "d1cc_gy": "D1cc Gy",
    "d2cc_gy": "D2cc Gy",
    "mean_gy": "mean Gy",
}
TARGET_ROWS = {
    "volume_cm3": "volume      {:.1f} cm³",
    "d90_gy": "D90         {:.1f} Gy",
    "d98_gy": "D98         {:.1f} Gy",
    "d100_gy": "D100        {:.1f} Gy",
    "v100_pct": "V100        {:.1f} %",
    "v150_pct": "V150        {:.1f} %",
    "v200_pct": "V200        {:.1f} %",
    "ci": "CI          {:.2f}",
    "ei": "EI          {:.2f}",
    "hi": "HI          {:.2f}",
    "dnr": "DNR         {:.2f}",
    "coin": "COIN        {:.2f}",
}


CAPTION = (
    "Full decay, one repair half-time, no growth, seed photons as effective as beam photons; the "
    "beam gave all of its dose to all of the structure, and nothing recovered since."
)
"""What the numbers of the biology table take for granted."""


def plan_tables(plan: Plan) -> tuple[Table | Text, ...]:
    """Everything the user should read after a run, most important last."""
    tables: list[Table | Text] = [
        _organ_table(plan),
        _target_table(plan),
        *([_biology_table(plan)] if plan.biology else []),
        *loading_tables(plan),
        _implant(plan),
        _goal_table(plan),
        *(robust_tables(plan.id, plan.robust) if plan.robust is not None else ()),
    ]
    tables.extend(
        Text.assemble(("warning  ", "yellow"), f"{warning.text}  [{warning.code}]")
        for warning in plan.warnings
    )
    return tuple(tables)


def inspection_tables(found: Inspection) -> tuple[Table | Text, ...]:
    """What ``inspect`` prints for people."""
    content = found.to_dict()
    tables: list[Table | Text] = []
    images = content["images"]
    for image in images if isinstance(images, list) else [images]:
        if image:
            table = _table("images")
            table.show_header = False
            for key, value in image.items():
                table.add_row(key, Text(str(value)))
            tables.append(table)
    if content["structures"]:
        table = _table("structures")
        table.add_column("name")
        table.add_column("cm³", justify="right")
        table.add_column("centroid LPS mm", justify="right")
        for item in content["structures"]:
            centre = ", ".join(f"{v:.1f}" for v in item["centroid_lps_mm"] or ())
            volume = item["volume_cm3"]
            table.add_row(Text(item["name"]), "" if volume is None else f"{volume:.2f}", centre)
        tables.append(table)
    tables.extend(
        Text.assemble(("warning  ", "yellow"), f"{w['text']}  [{w['code']}]")
        for w in content["warnings"]
    )
    return tuple(tables)


def _organ_table(plan: Plan) -> Table:
    table = _table(f"{plan.id}: organs")
    table.add_column("structure", no_wrap=True)
    for heading in ORGAN_COLUMNS.values():
        table.add_column(heading, justify="right", no_wrap=True)
    for name, metrics in plan.metrics.items():
        if name != plan.settings.target.structure:
            values = (f"{metrics[key]:.1f}" for key in ORGAN_COLUMNS)
            table.add_row(Text(name), *values)
    return table


def _biology_table(plan: Plan) -> Table:
    table = _table(f"{plan.id}: biology (a model, not measured)")
    table.add_column("structure, α/β, repair", no_wrap=True)
    for heading in ("", "implant Gy", "BED Gy", "EQD2 Gy", "+ beam EQD2", "= EQD2 Gy"):
        table.add_column(heading, justify="right", no_wrap=True)
    for result in plan.biology:
        tissue = f"{result.alpha_beta_gy:g} Gy, {result.repair_half_time_h:g} h"
        beam_gy = 0.0 if result.external_beam is None else result.external_beam.eqd2_gy
        names = [result.structure, f"   {tissue}"]
        for number, dose in enumerate(result.doses):
            implant = (dose.implant_gy, dose.implant_bed_gy, dose.implant_eqd2_gy)
            values = (*implant, beam_gy, dose.total_eqd2_gy)
            name = names[number] if number < len(names) else ""
            table.add_row(Text(name), dose.metric, *(f"{value:.1f}" for value in values))
    table.caption = Text(CAPTION)
    table.caption_justify = "left"
    return table


def _target_table(plan: Plan) -> Table:
    name = plan.settings.target.structure
    table = _table(f"{plan.id}: target {name}, {plan.prescription_gy:g} Gy prescribed")
    table.show_header = False
    rows = [form.format(plan.metrics[name][key]) for key, form in TARGET_ROWS.items()]
    half = (len(rows) + 1) // 2
    for left, right in itertools.zip_longest(rows[:half], rows[half:], fillvalue=""):
        table.add_row(left, right)
    return table


def _implant(plan: Plan) -> Table:
    table = _table(f"{plan.id}: implant")
    table.show_header = False
    strength = strength_text(plan.air_kerma_strength_u, plan.source.model.nuclide)
    table.add_row("seeds", Text(f"{plan.seed_count} ({plan.source_model}, {strength} a seed)"))
    if (certified := plan.source.calibration) is not None:
        stated = strength_text(certified.air_kerma_strength_u, plan.source.model.nuclide)
        table.add_row("   strength at implant", f"{strength} on {certified.implant_date}")
        table.add_row("   strength at calibration", f"{stated} on {certified.calibration_date}")
    counts = ", ".join(f"{t.name} {len(t.needles)}" for t in plan.templates)
    of_each = f" ({counts})" if len(plan.templates) > 1 else ""
    table.add_row("needles", f"{len(plan.needles)}{of_each}")
    for template in plan.templates:
        if access := [n for n in template.needles if n.bone_access is not None]:
            table.add_row("   through bone", Text(_access_text(template, access)))
    table.add_row("target that seeds can reach", f"{plan.reach.reachable_pct:.0f} %")
    for cause, share in plan.reach.hidden_pct_by_cause.items():
        if share >= 0.5:
            table.add_row(Text(f"   hidden by {cause}"), f"{share:.0f} %")
    most = plan.reach.largest_v100_pct
    if most is not None and most < ALL_PCT:
        table.add_row("no loading covers more than", f"V100 {most:.1f} %")
    return table


def _access_text(template: Template, needles: Sequence[Needle]) -> str:
    """Which needles need an access needle: gauge, bore and holes."""
    gauges = sorted({n.bone_access.gauge for n in needles if n.bone_access is not None})
    labels = ", ".join(n.label for n in needles)
    bores = sorted({template.bore_of(h) for h in template.holes if h.bore_mm is not None})
    return (
        f"{template.name}: {', '.join(f'{g}G' for g in gauges)} access needle first at {labels} "
        f"(bore {', '.join(f'{b:g}' for b in bores)} mm, squares on the plate)"
    )


def _goal_table(plan: Plan) -> Table:
    table = _table(f"{plan.id}: goals")
    for heading in ("structure", "metric", "goal", "plan", ""):
        table.add_column(heading, justify="right" if heading in ("goal", "plan") else "left")
    for goal in plan.goals:
        sign = "≥" if goal.is_minimum else "≤"
        table.add_row(
            Text(goal.structure),
            goal.metric,
            f"{sign} {goal.limit:g} {goal.unit}",
            f"{goal.value_text} {goal.unit}",
            Text("met", style="green") if goal.met else Text("MISSED", style="bold red"),
        )
    return table
