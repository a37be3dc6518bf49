"""A plan's loading beside textbook patterns and a seed-number estimate, for the terminal."""

from __future__ import annotations

import re
from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from template_designer.model import Plan
from template_designer.model.loading_report import LoadingReport, PatternResult, SeedEstimate
from template_designer.source_sheet import plain_table

HEADINGS = ("needles", "seeds", "D90 Gy", "V100 %", "V150 %", "V200 %", "CI")

CAPTION = (
    "Patterns on the same plates at the same strength; of each kind the one nearest to the plan's "
    "V100, and of those the most conformal. Goals of other organs are not in them."
)


def loading_tables(plan: Plan) -> tuple[Table | Text, ...]:
    """What there is to print of a plan's loading report; nothing where it has none."""
    if plan.loading is None:
        return ()
    parts: list[Table | Text] = []
    if plan.loading.patterns:
        parts.append(pattern_table(plan, plan.loading.patterns))
    if plan.loading.estimates:
        parts.append(estimate_line(plan.seed_count, plan.loading.estimates))
    parts.append(bound_line(plan.loading))
    return tuple(parts)


def bound_line(report: LoadingReport) -> Text:
    """One line: how far the loading can be from the best, as far as that is proved."""
    if report.gap_pct is None:
        return Text("no bound on the loading's cost could be proved")
    return Text(
        f"proved: no permitted loading covers as much with under {report.seeds_at_least} seeds, "
        f"nor costs under {report.lower_bound:.1f}; this one costs {report.cost:.1f} (the bound "
        "splits seeds into fractions and lies low)"
    )


def pattern_table(plan: Plan, patterns: Sequence[PatternResult]) -> Table:
    """The plan first, then one row a pattern."""
    table = plain_table(f"{plan.id}: the plan beside loading patterns")
    table.add_column("loading", overflow="fold")
    for heading in HEADINGS:
        table.add_column(heading, justify="right", no_wrap=True)
    for result in (_planned(plan), *patterns):
        values = (result.d90_gy, result.v100_pct, result.v150_pct, result.v200_pct)
        table.add_row(
            Text(pattern_text(result.name)),
            f"{result.needles}",
            f"{result.seeds}",
            *(f"{value:.1f}" for value in values),
            f"{result.ci:.2f}",
        )
    table.caption = Text(CAPTION)
    table.caption_justify = "left"
    return table


def estimate_line(planned_seeds: int, estimates: Sequence[SeedEstimate]) -> Text:
    """One line: the plan's seeds, and what its target would take by every estimate."""
    parts = [
        f"{estimate.method}: {estimate.seeds}, {estimate.total_strength_u:.1f} U "
        f"(plan x {estimate.ratio(planned_seeds):.2f})"
        for estimate in estimates
    ]
    return Text(f"seeds: planned {planned_seeds}; for a target of this size {'; '.join(parts)}")


def pattern_text(name: str) -> str:
    """Name of a pattern without the place it was laid at.

    >>> pattern_text("Paris squares: needles 10 mm, seeds 7.5 mm, place 2, height 1")
    'Paris squares: needles 10 mm, seeds 7.5 mm'
    """
    return re.sub(r", (place|height) \d+", "", name)


def _planned(plan: Plan) -> PatternResult:
    metrics = plan.metrics[plan.settings.target.structure]
    return PatternResult(
        name="plan",
        seeds=plan.seed_count,
        needles=len(plan.needles),
        d90_gy=metrics["d90_gy"],
        v100_pct=metrics["v100_pct"],
        v150_pct=metrics["v150_pct"],
        v200_pct=metrics["v200_pct"],
        ci=metrics["ci"],
    )
