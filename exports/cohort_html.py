"""``cohort.html``: a series as one file to read: the table that the published series print."""

from __future__ import annotations

import math
from collections.abc import Sequence

from exports.report_document import (
    MISSED,
    NOTHING,
    Column,
    Document,
    Lines,
    Part,
    Picture,
    Row,
    Section,
    Table,
    facts,
)
from exports.report_html import html_of
from exports.report_numbers import metric_digits, metric_name, number
from exports.rounding import rounded
from template_designer._version import SOFTWARE_NAME, __version__
from template_designer.model.cohort import CaseOutcome, Cohort, MetricSeries, Summary

_TESTS_NOTE = (
    "Mean ± SD (n − 1); two-sided paired t-test and Wilcoxon signed-rank test of the same cases, "
    "p as it comes: not corrected for {count} comparisons. W: the smaller sum of ranks; ≈: normal "
    "approximation (ties, or many pairs), else exact."
)
_LEAST_P = 0.001


def cohort_html(cohort: Cohort, plot: bytes | None) -> bytes:
    """The series as one self-contained page, the same bytes for the same series."""
    sections = [
        Section("series", "The series", _series(cohort)),
        Section("pictures", "Every metric", _pictures(cohort, plot), is_wide=True),
        Section("cases", "Every case", _cases(cohort), is_wide=True),
    ]
    count = len(cohort.outcomes)
    document = Document(
        title=f"Series of {count} case{'s' if count != 1 else ''}",
        head=(_tally(cohort), f"Written by {SOFTWARE_NAME} {__version__}"),
        plans=(),
        sections=tuple(section for section in sections if section.parts),
    )
    return html_of(document)


def _tally(cohort: Cohort) -> str:
    missed = sum(outcome.goals_met < outcome.goals for outcome in cohort.planned)
    return (
        f"{len(cohort.planned)} planned, {missed} of them with a goal missed; "
        f"{len(cohort.evaluated)} evaluated; {len(cohort.failed)} failed"
    )


def _series(cohort: Cohort) -> tuple[Part, ...]:
    parts: list[Part] = []
    if cohort.failed:
        items = tuple(f"{outcome.id}: {outcome.error}" for outcome in cohort.failed)
        parts.append(Lines(f"Failed: {len(items)}", items, loud=True))
    doses = sorted({outcome.prescription_gy for outcome in cohort.planned})
    if len(doses) > 1:
        told = ", ".join(f"{dose:g}" for dose in doses)
        text = f"Prescriptions differ ({told} Gy): doses in Gy are of unlike plans."
        parts.append(Lines("", (text,), loud=True))
    if cohort.evaluated:
        parts += [_paired_table(cohort), _range_table(cohort)]
    if cohort.planned:
        if len(cohort.evaluated) < len(cohort.planned):
            parts.append(_plan_table(cohort))
        parts.append(facts("The implants", _implants(cohort)))
    return tuple(parts)


def _paired_table(cohort: Cohort) -> Table:
    columns = (
        Column("metric"),
        Column("preplan", True),
        Column("postplan", True),
        Column("difference", True),
        Column("t", True),
        Column("p (t)", True),
        Column("W", True),
        Column("p (Wilcoxon)", True),
    )
    rows = []
    for metric in cohort.metrics:
        tests, digits = metric.tests, metric_digits(metric.key)
        if tests is None:
            continue
        w = _plain(tests.w, 1).removesuffix(".0")
        rows.append(
            Row(
                (
                    _name(metric),
                    _mean_sd(metric.before, digits),
                    _mean_sd(metric.after, digits),
                    _signed(tests.mean_difference, digits),
                    _signed(tests.t, 2),
                    _p(tests.t_p),
                    w,
                    _p(tests.w_p) + ("" if tests.w_is_exact or math.isnan(tests.w_p) else " ≈"),
                )
            )
        )
    pairs = len(cohort.evaluated)
    title = f"Preplan and postplan, {pairs} pair{'s' if pairs != 1 else ''}: mean ± SD"
    return Table(title, columns, tuple(rows), _TESTS_NOTE.format(count=len(rows)))


def _range_table(cohort: Cohort) -> Table:
    columns = (Column("metric"), Column("preplan", True), Column("postplan", True))
    rows = tuple(
        Row(
            (
                _name(metric),
                _median(metric.before, metric_digits(metric.key)),
                _median(metric.after, metric_digits(metric.key)),
            )
        )
        for metric in cohort.metrics
        if metric.tests is not None
    )
    return Table("The same: median (range)", columns, rows)


def _plan_table(cohort: Cohort) -> Table:
    columns = (Column("metric"), Column("mean ± SD", True), Column("median (range)", True))
    rows = tuple(
        Row(
            (
                _name(metric),
                _mean_sd(metric.plans, metric_digits(metric.key)),
                _median(metric.plans, metric_digits(metric.key)),
            )
        )
        for metric in cohort.metrics
        if metric.plans is not None
    )
    return Table(f"All {len(cohort.planned)} preplans", columns, rows, "SD: n − 1.")


def _implants(cohort: Cohort) -> list[tuple[str, str]]:
    planned = cohort.planned
    counts = {
        "seeds": [outcome.seeds for outcome in planned],
        "needles": [outcome.needles for outcome in planned],
    }
    pairs = [
        (f"{name} a case", f"{min(found)} to {max(found)}, {sum(found)} in all")
        for name, found in counts.items()
    ]
    strengths = sorted({outcome.strength_u for outcome in planned})
    told = ", ".join(f"{strength_u:.3f}" for strength_u in strengths[:6])
    more = "" if len(strengths) <= 6 else f" and {len(strengths) - 6} more"
    return [*pairs, ("strengths of a seed", f"{told} U{more}")]


def _pictures(cohort: Cohort, plot: bytes | None) -> tuple[Part, ...]:
    if plot is None:
        return ()
    if cohort.evaluated:
        caption = (
            "Delivered against planned, one sign a case. On the line (dot): as planned; a triangle "
            "that points down lies below it: less than planned."
        )
        return (Picture("Planned and delivered", caption, plot),)
    caption = "Every plan in the order of ids; line and band: mean and SD."
    return (Picture("Preplans", caption, plot),)


def _cases(cohort: Cohort) -> tuple[Part, ...]:
    keys = [metric.key for metric in cohort.metrics]
    parts: list[Part] = [_case_table("Preplans", cohort.planned, keys, of_plan=True)]
    if cohort.evaluated:
        parts.append(_case_table("Postplans", cohort.evaluated, keys, of_plan=False))
    return tuple(parts)


def _case_table(
    title: str, outcomes: Sequence[CaseOutcome], keys: Sequence[str], *, of_plan: bool
) -> Table:
    heads = [" ".join(part for part in metric_name(key) if part) for key in keys]
    columns = (
        Column("case"),
        Column("needles", True),
        Column("seeds", True),
        *(Column(head, True) for head in heads),
        Column("goals of the plan"),
    )
    rows = []
    for outcome in outcomes:
        values = outcome.plan if of_plan else outcome.found
        missed = outcome.goals - outcome.goals_met
        rows.append(
            Row(
                (
                    outcome.id,
                    str(outcome.needles),
                    str(outcome.seeds if of_plan else outcome.found_seeds),
                    *(number(values[key], metric_digits(key)) for key in keys),
                    f"{MISSED}: {missed} of {outcome.goals}" if missed else f"{outcome.goals} met",
                ),
                loud=missed > 0,
            )
        )
    return Table(title, columns, tuple(rows))


def _name(metric: MetricSeries) -> str:
    return " ".join(part for part in metric_name(metric.key) if part)


def _mean_sd(summary: Summary | None, digits: int) -> str:
    if summary is None:
        return NOTHING
    mean = number(summary.mean, digits)
    return mean if math.isnan(summary.sd) else f"{mean} ± {number(summary.sd, digits)}"


def _median(summary: Summary | None, digits: int) -> str:
    if summary is None:
        return NOTHING
    low, high = number(summary.low, digits), number(summary.high, digits)
    return f"{number(summary.median, digits)} ({low} to {high})"


def _plain(value: float, digits: int) -> str:
    return NOTHING if math.isnan(value) else number(value, digits)


def _signed(value: float, digits: int) -> str:
    """A number with its sign; a dash where it is not defined."""
    if math.isnan(value):
        return NOTHING
    shown = rounded(value, digits)
    text = f"{shown:+.{digits}f}" if shown else f"{shown:.{digits}f}"
    return text.replace("-", "−")


def _p(value: float) -> str:
    """A p-value as papers print it.

    >>> _p(0.0412), _p(0.00001), _p(float("nan"))
    ('0.041', '< 0.001', '–')
    """
    if math.isnan(value):
        return NOTHING
    return f"< {_LEAST_P:g}" if value < _LEAST_P else f"{value:.3f}"
