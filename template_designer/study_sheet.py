"""Trade-off curves and explanations for the terminal."""

from __future__ import annotations

from rich.table import Table
from rich.text import Text

from template_designer.model.loading_study import Explanation, LoadingNumbers, Tradeoff
from template_designer.source_sheet import plain_table

NUMBERS = ("V100 %", "CI", "V200 %", "seeds", "needles")

TOLD = ("V100", "D90")
"""Metrics that have columns of their own, whatever the goals are."""

RULES_CAPTION = (
    "Without a rule: what the plan could be if needles need not keep clear of that structure. "
    "Never to be carried out."
)


def tradeoff_table(case_id: str, curve: Tradeoff) -> Table:
    """One row a point, the tightest limit first; the plan's own limit is marked."""
    table = plain_table(f"{case_id}: trade-off over {curve.axis}")
    unit = f" {curve.unit}" if curve.unit else ""
    for heading in (f"at most{unit}", *NUMBERS, "D90 Gy"):
        table.add_column(heading, justify="right", no_wrap=True)
    told = [k for k, goal in enumerate(curve.points[0].numbers.goals) if goal.metric not in TOLD]
    for k in told:
        goal = curve.points[0].numbers.goals[k]
        table.add_column(f"{goal.structure} {goal.metric} {goal.unit}", justify="right")
    table.add_column("", no_wrap=True)
    for point in curve.points:
        numbers = point.numbers
        marks = ("<" if point.limit == curve.plan_limit else "", "" if numbers.goals_met else "!")
        table.add_row(
            f"{point.limit:g}",
            *_numbers(numbers),
            f"{numbers.d90_gy:.1f}",
            *(f"{numbers.goals[k].value:.1f}" for k in told),
            "".join(marks),
        )
    table.caption = Text("<  limit of the plan     !  a goal is missed")
    table.caption_justify = "left"
    return table


def explanation_tables(case_id: str, found: Explanation) -> tuple[Table | Text, ...]:
    """What goals cost, what rules cost, what hides the target."""
    goals = plain_table(f"{case_id}: what each goal costs (solved again without it)")
    goals.add_column("without")
    for heading in (*NUMBERS, "cost"):
        goals.add_column(heading, justify="right", no_wrap=True)
    goals.add_row("(the plan)", *_numbers(found.plan), "")
    for goal in found.goals:
        sign = "≥" if goal.is_minimum else "≤"
        name = f"{goal.structure} {goal.metric} {sign} {goal.limit:g} {goal.unit}"
        goals.add_row(Text(name), *_numbers(goal.without), f"{goal.cost:.1f}")
    rules = plain_table(f"{case_id}: what each avoid rule costs (solved again without it)")
    rules.add_column("without the rule for")
    rules.add_column("reach %", justify="right", no_wrap=True)
    for heading in NUMBERS:
        rules.add_column(heading, justify="right", no_wrap=True)
    rules.add_row("(the plan)", f"{found.reach.reachable_pct:.0f}", *_numbers(found.plan))
    for rule in found.rules:
        name = f"{rule.structure} ({rule.clearance_mm:g} mm)"
        rules.add_row(Text(name), f"{rule.reachable_pct:.0f}", *_numbers(rule.without))
    rules.caption = Text(RULES_CAPTION)
    rules.caption_justify = "left"
    lines = [
        Text(f"hidden by {cause}: {pct:.0f} % of the target")
        for cause, pct in found.reach.hidden_pct_by_cause.items()
        if pct >= 0.5
    ]
    if found.idle_rules:
        lines.append(Text(f"stop no needle, cost nothing: {', '.join(found.idle_rules)}"))
    return goals, rules, *lines


def _numbers(numbers: LoadingNumbers) -> tuple[str, ...]:
    return (
        f"{numbers.v100_pct:.1f}",
        f"{numbers.ci:.2f}",
        f"{numbers.v200_pct:.1f}",
        f"{numbers.seeds}",
        f"{numbers.needles}",
    )
