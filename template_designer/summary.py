"""Tables for the terminal: what a plan gives beside its goals, what a folder holds, the sources."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.table import Table
from rich.text import Text

from dose import Check, load_source, source_names
from template_designer.inputs import Inspection
from template_designer.model import Plan

ORGAN_COLUMNS = {
    "volume_cm3": "cm³",
    "dmax_gy": "Dmax Gy",
    "d0_1cc_gy": "D0.1cc Gy",
    "d2cc_gy": "D2cc Gy",
    "mean_gy": "mean Gy",
}
TARGET_ROWS = {
    "volume_cm3": "volume      {:.1f} cm³",
    "d90_gy": "D90         {:.1f} Gy",
    "d100_gy": "D100        {:.1f} Gy",
    "v100_pct": "V100        {:.1f} %",
    "v150_pct": "V150        {:.1f} %",
    "v200_pct": "V200        {:.1f} %",
    "ci": "CI          {:.2f}",
    "ei": "EI          {:.2f}",
    "hi": "HI          {:.2f}",
}


def plan_tables(plan: Plan) -> tuple[Table | Text, ...]:
    """Everything the user should read after a run, most important last."""
    tables: list[Table | Text] = [
        _organ_table(plan),
        _target_table(plan),
        _implant(plan),
        _goal_table(plan),
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


def source_tables() -> tuple[Table, ...]:
    """The seed models on board, one block each."""
    tables = []
    for name in source_names():
        source = load_source(name)
        table = _table(name)
        table.show_header = False
        capsule = "capsule not known: not for planning"
        if source.capsule_length_mm is not None:
            capsule = f"{source.capsule_length_mm:g} x {source.capsule_diameter_mm:g} mm"
        use = "cross-checked" if source.verified else "NOT cross-checked: needs accept_unverified"
        for key, value in (
            ("seed", f"{source.manufacturer} {source.model}, {source.nuclide}"),
            ("half-life", f"{source.half_life_days:g} d"),
            ("dose-rate constant", f"{source.dose_rate_constant:g} cGy/(h U)"),
            ("effective length, capsule", f"{source.active_length_mm:g} mm, {capsule}"),
            ("published", source.publication),
            ("table", use),
            ("data", source.status),
        ):
            table.add_row(key, Text(value))
        tables.append(table)
    return tuple(tables)


def check_table(checks: Sequence[Check]) -> Table:
    """Published values beside what the dose engine computes."""
    table = _table("published values")
    for heading in ("source", "what", "published", "computed", "off %", ""):
        right = heading in ("published", "computed", "off %")
        table.add_column(heading, justify="right" if right else "left")
    for check in checks:
        verdict = Text("ok", style="green") if check.passed else Text("FAILS", style="bold red")
        values = (f"{check.published:.5g}", f"{check.computed:.5g}", f"{check.deviation_pct:+.3f}")
        table.add_row(check.source, Text(check.what), *values, verdict)
    return table


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


def _target_table(plan: Plan) -> Table:
    name = plan.settings.target.structure
    table = _table(f"{plan.id}: target {name}, {plan.prescription_gy:g} Gy prescribed")
    table.show_header = False
    rows = [form.format(plan.metrics[name][key]) for key, form in TARGET_ROWS.items()]
    for dose, index in zip(rows[:6], [*rows[6:], "", "", ""], strict=True):
        table.add_row(dose, index)
    return table


def _table(title: str) -> Table:
    return Table(title=Text(title), title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1))


def _implant(plan: Plan) -> Table:
    table = _table(f"{plan.id}: implant")
    table.show_header = False
    source = f"{plan.source_model}, {plan.air_kerma_strength_u:.3f} U a seed"
    table.add_row("seeds", f"{plan.seed_count} ({source})")
    table.add_row("needles", str(len(plan.needles)))
    table.add_row("target that seeds can reach", f"{plan.reach.reachable_pct:.0f} %")
    for cause, share in plan.reach.hidden_pct_by_cause.items():
        if share >= 0.5:
            table.add_row(Text(f"   hidden by {cause}"), f"{share:.0f} %")
    return table


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
            f"{goal.value:.1f} {goal.unit}",
            Text("met", style="green") if goal.met else Text("MISSED", style="bold red"),
        )
    return table
