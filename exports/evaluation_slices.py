"""``slices.png`` of an evaluation: the same planes as planned (left) and as delivered (right)."""

from __future__ import annotations

import io
import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import matplotlib
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from exports.slice_draw import (
    draw_ct,
    draw_frame,
    draw_isodoses,
    draw_outlines,
    draw_panel,
    draw_seed,
)
from exports.slice_layers import Outlines, SeedMark, Window, raster_points
from exports.slice_looks import Look, as_text, halo, legend_handles, structure_looks
from exports.slice_planes import Plane, axial_plane, axial_planes
from exports.slices import window_of
from template_designer._version import SOFTWARE_NAME
from template_designer.errors import OutputError
from template_designer.model import ImageVolume, Plan
from template_designer.model.evaluation import AxisKind, Evaluation
from template_designer.postplan.delivered_dose import DeliveredDose

LEVELS = 4
"""Axial planes at most: the rows of the plate with most seeds, and the largest cold spot."""

EXTRA_COLOUR, MISSING_COLOUR, COLD_COLOUR = "#E69F00", "#CC79A7", "#56B4E9"
WIDTH_PX = 1800
_DPI, _GAP_PX, _TITLE_PX, _HEAD_PX, _FOOT_PX = 100, 12, 48, 92, 120
_TALLEST = 0.8  # of a panel, in parts of its width


def build(evaluation: Evaluation) -> bytes:
    """The sheet as PNG, 1800 pixels wide; the same bytes for the same evaluation."""
    buffer = io.BytesIO()
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        figure = draw(evaluation)
        stamps = {"Software": SOFTWARE_NAME, "Title": f"Evaluation of plan {evaluation.plan.id}"}
        figure.canvas.print_png(buffer, metadata=stamps)  # type: ignore[attr-defined]
    return buffer.getvalue()


def levels(evaluation: Evaluation) -> tuple[Plane, ...]:
    """The planes that are shown, from the head down."""
    planes = {plane.offset_mm: plane for plane in axial_planes(evaluation.plan)}
    z_mm = np.array([m.planned_lps_mm[2] for m in evaluation.matches if m.planned_lps_mm])
    near = {at: int(np.sum(np.abs(z_mm - at) <= 2.5)) for at in planes}
    chosen = sorted(planes, key=lambda at: (-near[at], at))[:LEVELS]
    if evaluation.cold_spots:
        cold_mm = evaluation.cold_spots[0].centroid_lps_mm[2]
        if all(abs(cold_mm - at) > 2.5 for at in chosen):
            chosen = chosen[: LEVELS - 1]
            planes[cold_mm] = axial_plane("Axial: largest cold spot", cold_mm)
            chosen.append(cold_mm)
    return tuple(planes[at] for at in sorted(chosen, reverse=True))


def draw(evaluation: Evaluation) -> Figure:
    """The sheet as a figure."""
    plan, image = evaluation.plan, evaluation.structures.image
    if plan.ct is None or image is None:
        raise OutputError("no slices: the plan was read without its CT; name its case")
    later = replace(
        plan, ct=image, rois=evaluation.structures.rois, surfaces=evaluation.surfaces,
        dvh=evaluation.dvh,
    )  # fmt: skip
    planes = levels(evaluation)
    window = _window(plan, planes, evaluation)
    wide_px = (WIDTH_PX - 3 * _GAP_PX) / 2
    high_px = wide_px * window.size_mm[1] / window.size_mm[0]
    height_px = round(_HEAD_PX + _FOOT_PX + len(planes) * (high_px + _TITLE_PX + _GAP_PX))
    figure = Figure(figsize=(WIDTH_PX / _DPI, height_px / _DPI), dpi=_DPI, facecolor="white")
    FigureCanvasAgg(figure)
    before, after = Outlines.of(plan), Outlines.of(later)
    looks = structure_looks(plan, before.names())
    shown: set[str] = set()
    for row, plane in enumerate(planes):
        top = _HEAD_PX + row * (high_px + _TITLE_PX + _GAP_PX) + _TITLE_PX
        for column in (0, 1):
            left = _GAP_PX + column * (wide_px + _GAP_PX)
            place = np.array([left, height_px - top - high_px, wide_px, high_px])
            scale = np.array([WIDTH_PX, height_px, WIDTH_PX, height_px])
            axes: Any = figure.add_axes(tuple(place / scale), anchor="NW")
            if column == 0:
                shown |= draw_panel(axes, plan, plan.ct, plane, window, before, looks)
            else:
                shown |= _draw_delivered(axes, evaluation, image, plane, window, after, looks)
    cut = {name: look for name, look in looks.items() if name in shown}
    _draw_texts(figure, evaluation, cut, height_px)
    return figure


def _window(plan: Plan, planes: Sequence[Plane], evaluation: Evaluation) -> Window:
    """What all panels show: target and planned needles, and every found seed that lies near."""
    wide = window_of(plan, planes)
    found = planes[0].flat(evaluation.seeds.centers_lps_mm)
    low = np.minimum(found.min(axis=0) - 10.0, (wide.left_mm, wide.bottom_mm))
    high = np.maximum(found.max(axis=0) + 10.0, (wide.right_mm, wide.top_mm))
    # a seed that went far must not make all of the others small
    low = np.maximum(low, (wide.left_mm - 30.0, wide.bottom_mm - 30.0))
    high = np.minimum(high, (wide.right_mm + 30.0, wide.top_mm + 30.0))
    (left, bottom), (right, top) = low.tolist(), high.tolist()
    middle, half = 0.5 * (bottom + top), 0.5 * min(top - bottom, _TALLEST * (right - left))
    return Window(left, right, middle - half, middle + half)


def _draw_delivered(
    axes: Any, evaluation: Evaluation, image: ImageVolume, plane: Plane, window: Window,
    outlines: Outlines, looks: dict[str, Look],
) -> set[str]:  # fmt: skip
    draw_ct(axes, image, plane, window)
    present = {name: look for name, look in looks.items() if name in outlines.names()}
    shown = draw_outlines(axes, plane, window, outlines, present)
    across, along = window.raster()
    dose_gy = DeliveredDose(evaluation.seeds).dose_gy(raster_points(plane, window))
    percent = 100.0 / evaluation.plan.prescription_gy * dose_gy.reshape(along.size, across.size)
    _draw_cold(axes, evaluation, plane, window)
    draw_isodoses(axes, percent, window)
    _draw_seeds(axes, evaluation, plane)
    draw_frame(axes, plane, window)
    return shown


def _draw_cold(axes: Any, evaluation: Evaluation, plane: Plane, window: Window) -> None:
    """Where the target gets less than the prescription."""
    surfaces = {
        str(number): spot.surface
        for number, spot in enumerate(evaluation.cold_spots)
        if spot.surface is not None
    }
    spots = Outlines({}, surfaces)
    for name in surfaces:
        for line in spots.cut(name, plane, window):
            axes.fill(line[:, 0], line[:, 1], color=COLD_COLOUR, alpha=0.6, lw=0, zorder=3.5)


def _draw_seeds(axes: Any, evaluation: Evaluation, plane: Plane) -> None:
    """Found seeds, and a line from where each was planned; planned ones that were not found."""
    seeds = evaluation.seeds
    for match in evaluation.matches:
        if match.found is None:
            mark = _mark(plane, match.planned_lps_mm or (), None)
            if mark.in_plane:
                axes.plot(
                    *mark.center_mm, marker="x", ms=11, mew=3.2, color=MISSING_COLOUR, zorder=7,
                    path_effects=halo(MISSING_COLOUR, 3.2),
                )  # fmt: skip
            continue
        known = seeds.axis_kinds[match.found] is not AxisKind.NONE
        axis = seeds.axes_lps[match.found] if known else None
        mark = _mark(plane, seeds.centers_lps_mm[match.found], axis)
        planned = _mark(plane, match.planned_lps_mm, None) if match.planned_lps_mm else None
        if planned is not None and (mark.in_plane or planned.in_plane):
            ends = np.stack([planned.center_mm, mark.center_mm])
            axes.plot(ends[:, 0], ends[:, 1], color="white", lw=1.3, zorder=5.5,
                      path_effects=halo("#FFFFFF", 1.3))  # fmt: skip
            axes.plot(*planned.center_mm, marker="o", ms=6, mfc="none", mec="white", zorder=5.6)
        if mark.in_plane and match.hole is None:
            draw_seed(axes, mark, EXTRA_COLOUR)
        elif mark.in_plane:
            draw_seed(axes, mark)


def _mark(plane: Plane, center_lps_mm: Iterable[float], axis: Any) -> SeedMark:
    center = np.array(list(center_lps_mm))
    flat = np.zeros(2) if axis is None else plane.flat(axis)[0]
    return SeedMark(plane.flat(center)[0], flat, float(plane.behind_mm(center)[0]))


def _draw_texts(
    figure: Figure, evaluation: Evaluation, looks: dict[str, Look], height_px: int
) -> None:
    plan = evaluation.plan
    figure.text(
        0.008, 1.0 - 14.0 / height_px, f"Plan {as_text(plan.id)}", fontsize=20, fontweight="bold",
        va="top",
    )  # fmt: skip
    figure.text(
        0.992, 1.0 - 14.0 / height_px, "CT window 40 / 400 HU   |   Planning aid, not a medical "
        "device", fontsize=11, color="0.35", va="top", ha="right",
    )  # fmt: skip
    for column, text in ((0, "PLANNED"), (1, "DELIVERED")):
        figure.text(
            (_GAP_PX + column * 0.5 * WIDTH_PX) / WIDTH_PX, 1.0 - 56.0 / height_px, text,
            fontsize=16, fontweight="bold", va="top",
        )  # fmt: skip
    handles = [
        *legend_handles(plan, looks),
        Line2D([], [], color="0.35", lw=1.3, marker="o", mfc="none", label="from where planned"),
        Line2D([], [], ls="none", marker="x", ms=9, mew=3, color=MISSING_COLOUR,
               label="planned, not found"),
        Patch(facecolor=EXTRA_COLOUR, edgecolor="0.2", label="found, not planned"),
        Patch(facecolor=COLD_COLOUR, alpha=0.6, label="target under the prescription"),
    ]  # fmt: skip
    figure.legend(
        handles=handles, loc="lower center", ncols=math.ceil(len(handles) / 3), fontsize=11,
        frameon=False, bbox_to_anchor=(0.5, 6.0 / height_px), handlelength=2.4, columnspacing=1.6,
    )  # fmt: skip
