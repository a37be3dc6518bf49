"""``cohort.csv``, ``statistics.csv``, ``cohort.html`` and ``cohort.png`` of a series of cases."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence

from exports.cohort_html import cohort_html
from exports.cohort_plots import cohort_plot
from exports.needle_table import plain_cell
from template_designer.model.cohort import SERIES_METRICS, CaseOutcome, Cohort, Summary

TABLE, STATISTICS, PAGE, PLOT = "cohort.csv", "statistics.csv", "cohort.html", "cohort.png"
NAMES = (TABLE, STATISTICS, PAGE, PLOT)

COLUMNS = (
    "id",
    "case_file",
    "exit_code",
    "goals_met",
    "goals",
    "target",
    "prescription_gy",
    "strength_u",
    "needles",
    "seeds",
    "found_seeds",
    *(f"pre_{key}" for key in SERIES_METRICS),
    *(f"post_{key}" for key in SERIES_METRICS),
    "error",
)
"""Of ``cohort.csv``: one row a case, in the order of ids. ``pre_``: planned, ``post_``: delivered;
empty where there is none. ``exit_code``: that of ``design``."""

STATISTICS_COLUMNS = (
    "metric",
    *(
        f"{what}_{key}"
        for what in ("plans", "pre", "post")
        for key in ("n", "mean", "sd", "median", "min", "max")
    ),
    "mean_difference",
    "t",
    "t_df",
    "t_p",
    "wilcoxon_w",
    "wilcoxon_p",
    "wilcoxon",
)
"""Of ``statistics.csv``: one row a metric. ``plans``: all of them; ``pre`` and ``post``: cases that
have both; ``wilcoxon``: whether its p is exact or approximate."""


def cohort_files(cohort: Cohort) -> dict[str, bytes]:
    """All files of a series by name; the same bytes for the same outcomes."""
    plot = cohort_plot(cohort)
    files = {
        TABLE: cohort_csv(cohort),
        STATISTICS: statistics_csv(cohort),
        PAGE: cohort_html(cohort, plot),
    }
    return files if plot is None else files | {PLOT: plot}


def cohort_csv(cohort: Cohort) -> bytes:
    """One row a case (UTF-8): no times, no folders, fixed digits, the order of ids."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, fieldnames=COLUMNS, lineterminator="\r\n", restval="")
    writer.writeheader()
    for outcome in cohort.outcomes:
        writer.writerow(_row(outcome))
    return text.getvalue().encode("utf-8")


def statistics_csv(cohort: Cohort) -> bytes:
    """One row a metric (UTF-8)."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(STATISTICS_COLUMNS)
    for metric in cohort.metrics:
        cells: list[object] = [metric.key]
        for summary in (metric.plans, metric.before, metric.after):
            cells += _summary_cells(summary)
        tests = metric.tests
        if tests is None or metric.before is None:
            cells += [""] * 7
        else:
            numbers = (tests.t_p, tests.w, tests.w_p)
            cells += [_text(tests.mean_difference), _text(tests.t), metric.before.count - 1]
            cells += [_significant(value) for value in numbers]
            known = math.isfinite(tests.w_p)
            cells.append(("exact" if tests.w_is_exact else "approximate") if known else "")
        writer.writerow(cells)
    return text.getvalue().encode("utf-8")


def _row(outcome: CaseOutcome) -> dict[str, object]:
    row: dict[str, object] = {
        "id": plain_cell(outcome.id),
        "case_file": plain_cell(outcome.case_file),
        "exit_code": outcome.exit_code,
        "error": plain_cell(outcome.error),
    }
    if outcome.is_planned:
        row |= {
            "goals_met": outcome.goals_met,
            "goals": outcome.goals,
            "target": plain_cell(outcome.target),
            "prescription_gy": f"{outcome.prescription_gy:g}",
            "strength_u": f"{outcome.strength_u:.6f}",
            "needles": outcome.needles,
            "seeds": outcome.seeds,
        }
        row |= {f"pre_{key}": _text(value) for key, value in outcome.plan.items()}
    if outcome.is_evaluated:
        row["found_seeds"] = outcome.found_seeds
        row |= {f"post_{key}": _text(value) for key, value in outcome.found.items()}
    return row


def _summary_cells(summary: Summary | None) -> Sequence[object]:
    if summary is None:
        return [""] * 6
    values = (summary.mean, summary.sd, summary.median, summary.low, summary.high)
    return [summary.count, *(_text(value) for value in values)]


def _text(value: float) -> str:
    return f"{value + 0.0:.4f}" if math.isfinite(value) else ""


def _significant(value: float) -> str:
    return f"{value:.6g}" if math.isfinite(value) else ""
