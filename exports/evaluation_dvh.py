"""``dvh.png`` of an evaluation: what was delivered (solid) over what was planned (dashed)."""

from __future__ import annotations

import io
from typing import Any

import matplotlib
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke

from exports.dvh_plot import END_PRESCRIPTIONS, HEIGHT_PX, WIDTH_PX
from exports.slice_looks import TARGET_COLOUR, as_text
from template_designer._version import SOFTWARE_NAME
from template_designer.model import DvhCurve
from template_designer.model.evaluation import Evaluation

COLOURS = ("#0072B2", "#CC79A7", "#009E73", "#56B4E9", "#E69F00", "#000000")
"""Of the organs; solid and dashed tell the days apart, so that no more can be shown."""

PLANNED_DASH = (0, (6, 2.5))

_DPI = 100


def build(evaluation: Evaluation) -> bytes:
    """The plot as PNG, 1400 x 900; the same bytes for the same evaluation."""
    buffer = io.BytesIO()
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        figure = draw(evaluation)
        stamps = {"Software": SOFTWARE_NAME, "Title": f"Evaluation of plan {evaluation.plan.id}"}
        figure.canvas.print_png(buffer, metadata=stamps)  # type: ignore[attr-defined]
    return buffer.getvalue()


def shown_structures(evaluation: Evaluation) -> tuple[str, ...]:
    """The target, then the organs that get most at their hottest; no more than have a colour."""
    target, *others = (curve.structure for curve in evaluation.dvh)
    hottest = {
        name: max(
            metrics.get(name, {}).get("dmax_gy", 0.0)
            for metrics in (evaluation.metrics, evaluation.plan.metrics)
        )
        for name in others
    }
    judged = {goal.structure for goal in evaluation.goals}
    others.sort(key=lambda name: (name not in judged, -hottest[name], name))
    return (target, *others[: len(COLOURS)])


def draw(evaluation: Evaluation) -> Figure:
    """The plot as a figure."""
    figure = Figure(figsize=(WIDTH_PX / _DPI, HEIGHT_PX / _DPI), dpi=_DPI, facecolor="white")
    FigureCanvasAgg(figure)
    axes: Any = figure.add_axes((0.064, 0.088, 0.68, 0.79))
    _draw_axes(axes, evaluation.plan.prescription_gy)
    names = shown_structures(evaluation)
    colours = dict(zip(names, (TARGET_COLOUR, *COLOURS), strict=False))
    before = {curve.structure: curve for curve in evaluation.planned_dvh}
    after = {curve.structure: curve for curve in evaluation.dvh}
    for name in reversed(names):  # the target on top
        width = 3.2 if name == names[0] else 1.9
        if name in before:
            _draw_curve(axes, before[name], colours[name], PLANNED_DASH, 0.75 * width)
        _draw_curve(axes, after[name], colours[name], "-", width)
    handles = [Line2D([], [], color=colours[name], lw=2.6, label=as_text(name)) for name in names]
    handles += [
        Line2D([], [], color="0.25", lw=2.2, label="delivered"),
        Line2D([], [], color="0.25", lw=1.7, ls=PLANNED_DASH, label="planned"),
    ]
    figure.legend(
        handles=handles, loc="upper left", fontsize=12, frameon=False,
        bbox_to_anchor=(0.76, 0.90), handlelength=3.0,
    )  # fmt: skip
    figure.text(
        0.012, 0.985, f"Plan {as_text(evaluation.plan.id)}: delivered and planned", fontsize=20,
        fontweight="bold", va="top",
    )  # fmt: skip
    figure.text(
        0.988, 0.982, "Planning aid, not a medical device", fontsize=11, color="0.35", va="top",
        ha="right",
    )  # fmt: skip
    return figure


def _draw_axes(axes: Any, prescription_gy: float) -> None:
    axes.set_xlim(0.0, END_PRESCRIPTIONS * prescription_gy)
    axes.set_ylim(0.0, 103.0)
    axes.set_xlabel("Dose to full decay (Gy)", fontsize=14)
    axes.set_ylabel("Volume that gets so much or more (%)", fontsize=14)
    axes.tick_params(labelsize=12)
    axes.set_yticks(range(0, 101, 10))
    axes.grid(color="0.88", lw=0.8)
    axes.set_axisbelow(True)
    axes.axvline(prescription_gy, color="0.25", lw=1.6, ls=(0, (2, 2)), zorder=1.5)
    axes.text(
        prescription_gy * 1.018, 101.5, f"prescription {prescription_gy:g} Gy", fontsize=11,
        color="0.25", va="center", zorder=6,
        path_effects=[withStroke(linewidth=3.0, foreground="white")],
    )  # fmt: skip


def _draw_curve(axes: Any, curve: DvhCurve, colour: str, dash: Any, width: float) -> None:
    end = int(np.count_nonzero(curve.volume_pct)) + 1  # no line along the axis
    axes.plot(curve.dose_gy[:end], curve.volume_pct[:end], color=colour, ls=dash, lw=width)
