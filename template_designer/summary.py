"""Tables for the terminal: what a plan gives beside its goals, what a folder holds, the sources."""

from __future__ import annotations

from rich.table import Table
from rich.text import Text

from dose import load_source, source_names
from template_designer.inputs import Inspection
from template_designer.model import Plan

METRIC_HEADINGS = {
    "volume_cm3": "cm³",
    "d90_gy": "D90 Gy",
    "d100_gy": "D100 Gy",
    "v100_pct": "V100 %",
    "v150_pct": "V150 %",
    "v200_pct": "V200 %",
    "ci": "CI",
    "ei": "EI",
    "hi": "HI",
    "dmax_gy": "Dmax Gy",
    "d0_1cc_gy": "D0.1cc Gy",
    "d2cc_gy": "D2cc Gy",
    "mean_gy": "mean Gy",
}


def plan_tables(plan: Plan) -> tuple[Table | Text, ...]:
    """Everything the user should read after a run, most important last."""
    target = plan.settings.target.structure
    organs = {name: m for name, m in plan.metrics.items() if name != target}
    tables: list[Table | Text] = [
        _metric_table(
            f"{plan.id}: organs",
            organs,
            ("volume_cm3", "dmax_gy", "d0_1cc_gy", "d2cc_gy", "mean_gy"),
        ),
        _metric_table(
            f"{plan.id}: target, {plan.prescription_gy:g} Gy prescribed",
            {target: plan.metrics[target]},
            (
                "volume_cm3",
                "d90_gy",
                "d100_gy",
                "v100_pct",
                "v150_pct",
                "v200_pct",
                "ci",
                "ei",
                "hi",
            ),
        ),
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
            table = Table(title="images", title_justify="left", show_header=False)
            for key, value in image.items():
                table.add_row(key, str(value))
            tables.append(table)
    if content["structures"]:
        table = Table(title="structures", title_justify="left")
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


def source_table() -> Table:
    """The seed models on board."""
    table = Table(title="seed models", title_justify="left")
    headings = ("model", "maker", "nuclide", "half-life d", "Λ cGy/(h U)", "L_eff mm", "capsule mm")
    for heading in (*headings, "data"):
        table.add_column(
            heading, justify="left" if heading in ("model", "maker", "data") else "right"
        )
    for name in source_names():
        source = load_source(name)
        table.add_row(
            name,
            f"{source.manufacturer} {source.model}",
            source.nuclide,
            f"{source.half_life_days:g}",
            f"{source.dose_rate_constant:g}",
            f"{source.active_length_mm:g}",
            f"{source.capsule_length_mm:g} x {source.capsule_diameter_mm:g}",
            f"{source.publication}; {source.status}",
        )
    return table


def _metric_table(title: str, rows: dict, keys: tuple[str, ...]) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column("structure")
    for key in keys:
        table.add_column(METRIC_HEADINGS[key], justify="right")
    for name, metrics in rows.items():
        digits = (2 if key in ("ci", "ei", "hi", "volume_cm3") else 1 for key in keys)
        table.add_row(
            Text(name), *(f"{metrics[k]:.{d}f}" for k, d in zip(keys, digits, strict=True))
        )
    return table


def _implant(plan: Plan) -> Table:
    table = Table(title=f"{plan.id}: implant", title_justify="left", show_header=False)
    source = f"{plan.source_model}, {plan.air_kerma_strength_u:.3f} U a seed"
    table.add_row("seeds", f"{plan.seed_count} ({source})")
    table.add_row("needles", str(len(plan.needles)))
    table.add_row("target that seeds can reach", f"{plan.reach.reachable_pct:.0f} %")
    for cause, share in plan.reach.hidden_pct_by_cause.items():
        if share >= 0.5:
            table.add_row(Text(f"   hidden by {cause}"), f"{share:.0f} %")
    return table


def _goal_table(plan: Plan) -> Table:
    table = Table(title=f"{plan.id}: goals", title_justify="left")
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
