"""A trade-off curve as files: ``pareto.csv`` for spreadsheets, ``pareto.png`` to look at."""

from __future__ import annotations

import csv
import io
from typing import Any

import matplotlib
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from exports.rounding import rounded
from template_designer.model.loading_study import Tradeoff, TradeoffPoint

TABLE, PICTURE = "pareto.csv", "pareto.png"

COLUMNS = (
    "axis",
    "limit",
    "value",
    "needles",
    "seeds",
    "v100_pct",
    "d90_gy",
    "v150_pct",
    "v200_pct",
    "ci",
    "cost",
    "goals_met",
)
"""``limit`` = what was permitted, ``value`` = what the plan makes of it; then one column a goal."""

_INCHES, _DPI = (8.27, 5.85), 150
_V100, _CI, _PLAN = ("#0072B2", "o"), ("#D55E00", "s"), "0.45"
_DIGITS = 4


def build(curve: Tradeoff, case_id: str) -> dict[str, bytes]:
    """Both files by name; the same bytes for the same curve.

    Parameters
    ----------
    curve : Tradeoff
        With at least one point.
    case_id : str
        For the title.
    """
    return {TABLE: table(curve), PICTURE: picture(curve, case_id)}


def table(curve: Tradeoff) -> bytes:
    """The points as CSV (UTF-8, one header row), the tightest limit first."""
    text = io.StringIO(newline="")
    goals = [
        f"{goal.structure} {goal.metric} {goal.unit}" for goal in curve.points[0].numbers.goals
    ]
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow((*COLUMNS, *goals))
    for point in curve.points:
        writer.writerow(_row(curve, point))
    return text.getvalue().encode("utf-8")


def _row(curve: Tradeoff, point: TradeoffPoint) -> list[Any]:
    numbers = point.numbers
    return [
        curve.axis,
        rounded(point.limit, _DIGITS),
        rounded(point.value, _DIGITS),
        numbers.needles,
        numbers.seeds,
        *(
            rounded(value, _DIGITS)
            for value in (numbers.v100_pct, numbers.d90_gy, numbers.v150_pct, numbers.v200_pct,
                          numbers.ci, numbers.cost)
        ),
        "yes" if numbers.goals_met else "no",
        *(rounded(goal.value, _DIGITS) for goal in numbers.goals),
    ]  # fmt: skip


def picture(curve: Tradeoff, case_id: str) -> bytes:
    """The curve as PNG, without a time stamp."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        buffer = io.BytesIO()
        draw(curve, case_id).savefig(
            buffer, format="png", metadata={"Software": None, "Title": f"{case_id} {curve.axis}"}
        )
    return buffer.getvalue()


def draw(curve: Tradeoff, case_id: str) -> Figure:
    """V100 and CI over the limit; open marks where a goal is missed."""
    figure = Figure(figsize=_INCHES, dpi=_DPI, facecolor="white")
    FigureCanvasAgg(figure)
    left = figure.subplots(gridspec_kw={"left": 0.1, "right": 0.9, "bottom": 0.12, "top": 0.88})
    right = left.twinx()
    limits = [point.limit for point in curve.points]
    for axes, look, name, values in (
        (left, _V100, "V100 %", [point.numbers.v100_pct for point in curve.points]),
        (right, _CI, "CI", [point.numbers.ci for point in curve.points]),
    ):
        _line(axes, look, name, limits, values, [p.numbers.goals_met for p in curve.points])
    left.axvline(curve.plan_limit, color=_PLAN, linestyle=":", label="the plan")
    unit = f", {curve.unit}" if curve.unit else ""
    name = curve.axis.replace("$", r"\$")
    left.set_xlabel(f"at most so many {name}" if not unit else f"limit of {name}{unit}")
    case_name = case_id.replace("$", r"\$")
    left.set_title(f"{case_name}: coverage and conformity over {name} (open: a goal is missed)",
                   fontsize=11)  # fmt: skip
    left.grid(alpha=0.4)
    handles = [*left.get_legend_handles_labels()[0], *right.get_legend_handles_labels()[0]]
    left.legend(handles=handles, fontsize=9, loc="lower right")
    return figure


def _line(
    axes: Any,
    look: tuple[str, str],
    name: str,
    limits: list[float],
    values: list[float],
    met: list[bool],
) -> None:
    colour, mark = look
    axes.plot(limits, values, color=colour, linewidth=1.4, marker=mark, markersize=6,
              markerfacecolor="white", label=name)  # fmt: skip
    full = [(x, y) for x, y, ok in zip(limits, values, met, strict=True) if ok]
    if full:
        axes.plot(*zip(*full, strict=True), color=colour, marker=mark, markersize=6, linestyle="")
    axes.set_ylabel(name, color=colour)
    axes.tick_params(axis="y", labelcolor=colour)
