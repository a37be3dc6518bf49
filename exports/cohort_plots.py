"""``cohort.png``: every metric of a series, planned against delivered."""

from __future__ import annotations

import io
import math

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from exports.report_numbers import metric_name
from template_designer.model.cohort import Cohort, MetricSeries

COLUMNS, INCHES, DPI = 5, (15.0, 6.6), 110
_PLANNED = "#0072B2"
_SIGNS = {-1: ("v", "#D55E00"), 0: ("o", "0.35"), 1: ("^", "#0072B2")}
"""Less delivered than planned, as much, more."""


def cohort_plot(cohort: Cohort) -> bytes | None:
    """All metrics as PNG, the same bytes for the same series; None where no case has a plan.

    With evaluations, delivered against planned: below the line less was delivered than planned.
    Without, every plan as a point beside mean and SD.
    """
    if not cohort.planned:
        return None
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        figure = Figure(figsize=INCHES, dpi=DPI, facecolor="white", layout="constrained")
        FigureCanvasAgg(figure)
        rows = math.ceil(len(cohort.metrics) / COLUMNS)
        panels = figure.subplots(rows, COLUMNS, squeeze=False).flat
        for axes, metric in zip(panels, cohort.metrics, strict=False):
            name, unit = metric_name(metric.key)
            axes.set_title(f"{name} ({unit})" if unit else name, fontsize=12, fontweight="bold")
            axes.tick_params(labelsize=10)
            if metric.tests is None:
                _draw_plans(axes, cohort, metric)
            else:
                _draw_pairs(axes, cohort, metric)
        buffer = io.BytesIO()
        stamps = {"Software": None, "Title": "Series of cases"}
        figure.canvas.print_png(buffer, metadata=stamps)  # type: ignore[attr-defined]
    return buffer.getvalue()


def _draw_pairs(axes: Axes, cohort: Cohort, metric: MetricSeries) -> None:
    """Delivered over planned, on equal axes, with the line of no difference."""
    found = [(o.plan[metric.key], o.found[metric.key]) for o in cohort.evaluated]
    pairs = [pair for pair in found if all(map(math.isfinite, pair))]
    values = [value for pair in pairs for value in pair]
    room = 0.06 * (max(values) - min(values)) or 0.05 * abs(values[0]) or 1.0
    low, high = min(values) - room, max(values) + room
    axes.plot([low, high], [low, high], color="0.4", linewidth=1.0, zorder=1)
    for before, after in pairs:
        marker, colour = _SIGNS[int(np.sign(after - before))]
        axes.plot(
            before,
            after,
            marker=marker,
            color=colour,
            markersize=7,
            markeredgecolor="white",
            markeredgewidth=0.6,
            linestyle="none",
            zorder=2,
        )
    axes.set_xlim(low, high)
    axes.set_ylim(low, high)
    axes.set_aspect("equal")
    axes.set_xlabel("planned", fontsize=10)
    axes.set_ylabel("delivered", fontsize=10)


def _draw_plans(axes: Axes, cohort: Cohort, metric: MetricSeries) -> None:
    """Every plan in the order of ids, mean and SD beside them."""
    values = [outcome.plan[metric.key] for outcome in cohort.planned]
    numbers = range(1, len(values) + 1)
    axes.plot(numbers, values, "o", color=_PLANNED, markersize=5)
    if metric.plans is not None:
        mean, sd = metric.plans.mean, metric.plans.sd
        axes.axhline(mean, color="0.3", linewidth=1.2)
        if math.isfinite(sd):
            axes.axhspan(mean - sd, mean + sd, color="0.88", zorder=0)
    axes.set_xlabel("case, in the order of ids", fontsize=10)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.ticklabel_format(axis="y", useOffset=False)
