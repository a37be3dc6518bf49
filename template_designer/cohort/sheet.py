"""The series for the terminal: mean, SD and tests of every metric."""

from __future__ import annotations

import math

from rich.table import Table
from rich.text import Text

from exports.report_numbers import metric_digits, metric_name
from template_designer.model.cohort import Cohort, Summary
from template_designer.source_sheet import plain_table


def series_table(cohort: Cohort) -> Table:
    """Every metric before and, where there is any, after the implant."""
    table = plain_table("series")
    paired = bool(cohort.evaluated)
    table.add_column("metric")
    heads = ("preplan", "postplan", "p (t)", "p (Wilcoxon)") if paired else ("preplan", "range")
    for head in heads:
        table.add_column(head, justify="right")
    for metric in cohort.metrics:
        digits = metric_digits(metric.key)
        name = Text(" ".join(part for part in metric_name(metric.key) if part))
        if metric.tests is not None:
            cells = [_mean_sd(metric.before, digits), _mean_sd(metric.after, digits)]
            cells += [_p(metric.tests.t_p), _p(metric.tests.w_p)]
        elif metric.plans is not None:
            low, high = (f"{v:.{digits}f}" for v in (metric.plans.low, metric.plans.high))
            cells = [_mean_sd(metric.plans, digits), f"{low} to {high}"]
            cells += [""] * (len(heads) - 2)
        else:
            continue
        table.add_row(name, *cells)
    return table


def _mean_sd(summary: Summary | None, digits: int) -> str:
    if summary is None:
        return ""
    mean = f"{summary.mean:.{digits}f}"
    return mean if math.isnan(summary.sd) else f"{mean} ± {summary.sd:.{digits}f}"


def _p(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.3g}"
