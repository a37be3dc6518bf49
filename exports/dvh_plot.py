"""``dvh.png``: cumulative dose-volume histograms of target and organs, with the goals.

A goal stands where its curve must pass: a filled triangle where it is met, a hollow one, named,
where it is missed. Triangles point to the side on which the curve must be. Goals on what no curve
shows, such as a mean or an index, are listed with the others under the plot.
"""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from exports.opengl import SkippedFileError
from exports.slice_looks import TARGET_COLOUR, as_text, structure_looks
from template_designer._version import SOFTWARE_NAME
from template_designer.model import GoalResult, Plan
from template_designer.model.metrics import MetricKind, parse

WIDTH_PX, HEIGHT_PX = 1400, 900
END_PRESCRIPTIONS = 3.0
"""The dose axis ends there, or beyond the farthest goal."""

_DPI = 100
_LOOKS = tuple(
    (colour, dash)
    for dash in ("-", (0, (6, 2)), (0, (1.5, 1.5)))
    for colour in ("#0072B2", "#CC79A7", "#009E73", "#56B4E9", "#E69F00", "#000000")
)
"""Eighteen that differ in colour or dash; the target's own is set apart."""


@dataclass(frozen=True, slots=True)
class GoalMark:
    """Where a goal stands in the plot."""

    goal: GoalResult
    dose_gy: float
    volume_pct: float
    marker: str  # matplotlib's triangle, pointing to the side where the curve must be


def build(plan: Plan) -> bytes:
    """The plot as PNG, 1400 x 900 or higher; the same bytes for the same plan.

    Raises
    ------
    SkippedFileError
        If the plan has no histograms: it was read without its case.
    """
    if not plan.dvh:
        raise SkippedFileError("no histograms: the plan was read without its CT; name its case")
    buffer = io.BytesIO()
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        figure = draw(plan)
        stamps = {"Software": SOFTWARE_NAME, "Title": f"Plan {plan.id}"}
        figure.canvas.print_png(buffer, metadata=stamps)  # type: ignore[attr-defined]
    return buffer.getvalue()


def goal_mark(goal: GoalResult, plan: Plan) -> GoalMark | None:
    """Place of a goal in the plot; None where it is about no point of a curve.

    A dose goal (D90, D2cc, Dmax) stands at its limit and the volume it names, a volume goal (V100)
    at its dose and its limit. "At least" asks for more: the triangle points right or up.
    """
    metric = parse(goal.metric)
    number = metric.number or 0.0
    match metric.kind:
        case MetricKind.VOLUME_AT_PERCENT:
            dose_gy, volume_pct = number / 100.0 * plan.prescription_gy, goal.limit
            return GoalMark(goal, dose_gy, volume_pct, "^" if goal.is_minimum else "v")
        case MetricKind.DOSE_AT_PERCENT:
            volume_pct = number
        case MetricKind.DOSE_AT_CC:
            volume_cm3 = plan.metrics.get(goal.structure, {}).get("volume_cm3", 0.0)
            if not volume_cm3 > 0.0:
                return None
            volume_pct = 100.0 * number / volume_cm3
        case MetricKind.DOSE_MAX:
            volume_pct = 0.0
        case _:
            return None
    return GoalMark(goal, goal.limit, volume_pct, ">" if goal.is_minimum else "<")


def goal_text(goal: GoalResult) -> str:
    """One goal in words: what is asked for, what the plan gives."""
    sign = "\u2265" if goal.is_minimum else "\u2264"
    verdict = "met" if goal.met else "MISSED"
    return (
        f"{as_text(goal.structure)} {goal.metric} {sign} {goal.limit:g} {goal.unit}: "
        f"{goal.value:.1f} {goal.unit}, {verdict}"
    )


def draw(plan: Plan) -> Figure:
    """The plot as a figure."""
    rows = math.ceil(len(plan.goals) / 2)
    height_px = HEIGHT_PX + max(0, rows - 2) * 26
    foot_px = 92 + 26 * rows
    figure = Figure(figsize=(WIDTH_PX / _DPI, height_px / _DPI), dpi=_DPI, facecolor="white")
    FigureCanvasAgg(figure)
    axes: Any = figure.add_axes(
        (90 / WIDTH_PX, foot_px / height_px, 980 / WIDTH_PX, (height_px - foot_px - 70) / height_px)
    )
    looks = curve_looks(plan)
    marks = [mark for mark in (goal_mark(goal, plan) for goal in plan.goals) if mark is not None]
    _draw_axes(axes, plan, marks)
    for curve in plan.dvh:
        colour, dash = looks[curve.structure]
        end = int(np.count_nonzero(curve.volume_pct)) + 1  # no line along the axis
        width = 3.2 if curve is plan.dvh[0] else 1.9
        axes.plot(
            curve.dose_gy[:end], curve.volume_pct[:end], color=colour, ls=dash, lw=width,
            label=as_text(curve.structure),
        )  # fmt: skip
    for mark in marks:
        _draw_mark(axes, mark, looks.get(mark.goal.structure, ("#000000", "-"))[0])
    _draw_texts(figure, plan, height_px, foot_px)
    _draw_legend(figure, axes, height_px)
    return figure


def curve_looks(plan: Plan) -> dict[str, tuple[str, Any]]:
    """Colour and dash of each curve; organs that have a colour in the slices keep it."""
    target, *organs = (curve.structure for curve in plan.dvh)
    in_slices = structure_looks(plan, [target, *organs])
    looks: dict[str, tuple[str, Any]] = {target: (TARGET_COLOUR, "-")}
    solid = {colour for colour, dash in _LOOKS if dash == "-"}
    for name in organs:
        if in_slices[name].colour in solid:
            looks[name] = (in_slices[name].colour, "-")
    left = [look for look in _LOOKS if look not in looks.values()]
    rest = [name for name in organs if name not in looks]
    return looks | {name: left[number % len(left)] for number, name in enumerate(rest)}


def _draw_axes(axes: Any, plan: Plan, marks: Sequence[GoalMark]) -> None:
    """Axes with the prescription and its multiples."""
    rx_gy = plan.prescription_gy
    end_gy = max([END_PRESCRIPTIONS * rx_gy, *(1.08 * mark.dose_gy for mark in marks)])
    axes.set_xlim(0.0, end_gy)
    axes.set_ylim(0.0, 103.0)
    axes.set_xlabel("Dose to full decay (Gy)", fontsize=14)
    axes.set_ylabel("Volume that gets so much or more (%)", fontsize=14)
    axes.tick_params(labelsize=12)
    axes.set_yticks(range(0, 101, 10))
    axes.grid(color="0.88", lw=0.8)
    axes.set_axisbelow(True)
    axes.axvline(rx_gy, color="0.25", lw=1.6, ls=(0, (8, 3)), zorder=1.5)
    axes.text(
        rx_gy + 0.006 * end_gy, 101.5, f"prescription {rx_gy:g} Gy", fontsize=11, color="0.25",
        va="center", path_effects=[withStroke(linewidth=3.0, foreground="white")], zorder=6,
    )  # fmt: skip
    top = axes.secondary_xaxis(
        "top", functions=(lambda gy: 100.0 * gy / rx_gy, lambda pct: pct * rx_gy / 100.0)
    )
    top.set_xlabel("Dose (% of the prescription)", fontsize=12)
    top.tick_params(labelsize=11)


def _draw_mark(axes: Any, mark: GoalMark, colour: str) -> None:
    goal = mark.goal
    axes.plot(
        [mark.dose_gy], [mark.volume_pct], marker=mark.marker, ms=14, ls="none", clip_on=False,
        mfc=colour if goal.met else "white", mec="black" if goal.met else colour,
        mew=1.0 if goal.met else 2.6, zorder=7,
    )  # fmt: skip
    part = mark.dose_gy / axes.get_xlim()[1]
    beside_curve = goal.is_minimum and goal.met  # the curve runs on the mark's right
    on_right = part < 0.15 or (part < 0.75 and not beside_curve)
    high = mark.volume_pct < 90.0
    text = f"{as_text(goal.structure)} {goal.metric}"
    if not goal.met:
        text = f"MISSED: {text} is {goal.value:.1f} {goal.unit}"
    aside = (12 if on_right else -12, 12 if high else -14)
    axes.annotate(
        text, (mark.dose_gy, mark.volume_pct), xytext=aside,
        textcoords="offset points", ha="left" if on_right else "right", va="center", fontsize=11,
        fontweight="normal" if goal.met else "bold", annotation_clip=False, zorder=8,
        path_effects=[withStroke(linewidth=3.0, foreground="white")],
    )  # fmt: skip


def _draw_texts(figure: Figure, plan: Plan, height_px: int, foot_px: int) -> None:
    """Plan id, and every goal in two columns under the plot."""
    figure.text(
        0.012,
        1.0 - 12 / height_px,
        f"Plan {as_text(plan.id)}",
        fontsize=20,
        fontweight="bold",
        va="top",
    )
    figure.text(
        0.988, 1.0 - 16 / height_px, "Planning aid, not a medical device", fontsize=11,
        color="0.35", va="top", ha="right",
    )  # fmt: skip
    rows = math.ceil(len(plan.goals) / 2)
    for number, goal in enumerate(plan.goals):
        column, row = divmod(number, rows)
        figure.text(
            (90 + 640 * column) / WIDTH_PX, (foot_px - 74 - 26 * row) / height_px,
            goal_text(goal), fontsize=12, va="top", color="black",
            fontweight="normal" if goal.met else "bold",
        )  # fmt: skip


def _draw_legend(figure: Figure, axes: Any, height_px: int) -> None:
    handles, _ = axes.get_legend_handles_labels()
    sign: dict[str, Any] = {"ls": "none", "ms": 11}
    (met,) = axes.plot(np.nan, np.nan, marker="^", mfc="0.4", mec="black", **sign)
    (missed,) = axes.plot(np.nan, np.nan, marker="^", mfc="white", mec="0.4", mew=2.2, **sign)
    met.set_label("goal met")
    missed.set_label("goal missed")
    figure.legend(
        handles=[*handles, met, missed], loc="upper left", fontsize=12, frameon=False,
        bbox_to_anchor=(1082 / WIDTH_PX, 1.0 - 62 / height_px), handlelength=3.0,
    )  # fmt: skip
