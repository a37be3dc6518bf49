"""An evaluation for the terminal: planned beside delivered, what explains it, what is missing."""

from __future__ import annotations

from rich.table import Table
from rich.text import Text

from template_designer.model.evaluation import Evaluation, MeanSd
from template_designer.source_sheet import plain_table

TARGET_METRICS = {
    "volume_cm3": ("volume", "cm³", 1),
    "d90_gy": ("D90", "Gy", 1),
    "d100_gy": ("D100", "Gy", 1),
    "v100_pct": ("V100", "%", 1),
    "v150_pct": ("V150", "%", 1),
    "v200_pct": ("V200", "%", 1),
    "ci": ("CI", "", 2),
    "ei": ("EI", "", 2),
    "hi": ("HI", "", 2),
}
ACCURACY = {
    "displacement_mm": "seeds, mm",
    "depth_mm": "depth, mm",
    "lateral_mm": "aside, mm",
    "tip_mm": "tip, mm",
    "angle_deg": "angle, °",
}


def evaluation_tables(evaluation: Evaluation) -> tuple[Table | Text, ...]:
    """What the user should read after a run, most important last."""
    return (
        _target_table(evaluation),
        _accuracy_table(evaluation),
        _loss_table(evaluation),
        _goal_table(evaluation),
        *(
            Text.assemble(("warning  ", "yellow"), f"{warning.text}  [{warning.code}]")
            for warning in evaluation.warnings
        ),
    )


def _target_table(evaluation: Evaluation) -> Table:
    target = evaluation.plan.settings.target.structure
    table = plain_table(f"{evaluation.plan.id}: {target}")
    table.add_column("")
    for head in ("planned", "delivered", "change"):
        table.add_column(head, justify="right")
    before, after = evaluation.plan.metrics[target], evaluation.metrics[target]
    for key, (name, unit, digits) in TARGET_METRICS.items():
        values = (f"{metrics[key]:.{digits}f} {unit}" for metrics in (before, after))
        table.add_row(name, *values, f"{after[key] - before[key]:+.{digits}f}")
    return table


def _accuracy_table(evaluation: Evaluation) -> Table:
    missing, extra = len(evaluation.missing), len(evaluation.extra)
    table = plain_table(
        f"{evaluation.plan.id}: {evaluation.plan.seed_count} seeds planned, "
        f"{len(evaluation.seeds.numbers)} found; {missing} missing, {extra} not planned"
    )
    for words in ACCURACY.values():
        table.add_column(words, justify="right")
    table.add_row(*(_mean_sd(evaluation.accuracy[key]) for key in ACCURACY))
    return table


def _mean_sd(value: MeanSd) -> str:
    if not value.count:
        return "not known"
    return f"{value.mean:.1f}" + (f" ± {value.sd:.1f}" if value.count > 1 else "")


def _loss_table(evaluation: Evaluation) -> Table:
    loss = evaluation.loss
    table = plain_table(f"{evaluation.plan.id}: from the planned D90 to the delivered one")
    table.add_column("the plan with")
    table.add_column("D90 Gy", justify="right")
    table.add_column("change", justify="right")
    table.add_row("as planned", f"{loss.planned_gy:.1f}", "")
    for part in loss.parts:
        table.add_row(part.text, f"{part.d90_gy:.1f}", f"{part.change_gy:+.1f}")
    table.add_row("what they do to each other", "", f"{loss.remainder_gy:+.1f}")
    change = loss.delivered_gy - loss.planned_gy
    table.add_row("as delivered", f"{loss.delivered_gy:.1f}", f"{change:+.1f}")
    return table


def _goal_table(evaluation: Evaluation) -> Table:
    table = plain_table(f"{evaluation.plan.id}: goals, as delivered")
    for head in ("structure", "metric", "goal", "delivered", ""):
        table.add_column(head)
    for goal in evaluation.goals:
        limit = f"{'≥' if goal.is_minimum else '≤'} {goal.limit:g} {goal.unit}"
        value = f"{goal.value_text} {goal.unit}"
        verdict = Text("met", "green") if goal.met else Text("MISSED", "bold red")
        table.add_row(Text(goal.structure), goal.metric, limit, value, verdict)
    return table
