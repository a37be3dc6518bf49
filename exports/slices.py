"""``slices/*.png``: the plan on CT slices, as a planning system draws it.

A few sheets of panels: axial slices at the rows of needles, a sagittal and a coronal one through
the target's middle, and the planes that hold the needles of each column. Axial slices are seen
from the feet: the patient's left is on the right of the picture.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from exports.opengl import SkippedFileError
from exports.slice_draw import draw_panel
from exports.slice_layers import Outlines, Window, needle_ends
from exports.slice_looks import as_text, legend_handles, structure_looks
from exports.slice_planes import Plane, axial_planes, middle_planes, needle_planes
from template_designer._version import SOFTWARE_NAME
from template_designer.model import ImageVolume, Plan, SurfaceRole

PANELS = 6
"""Most panels of a sheet: three columns of two."""

WIDTH_PX = 1800
MARGIN_MM = 24.0
"""Shown round target and needles."""

_DPI = 100
_COLUMNS = 3
_GAP_PX, _TITLE_PX, _HEAD_PX, _FOOT_PX = 12, 48, 56, 96
_HEIGHTS = (0.6, 1.35)  # of a panel, in parts of its width, at least and at most


def build(plan: Plan) -> Mapping[str, bytes]:
    """All sheets as PNG, 1800 pixels wide; the same bytes for the same plan.

    Parameters
    ----------
    plan : Plan
        With the CT, structures and histograms of its case.

    Returns
    -------
    mapping of str to bytes
        By name: ``axial``, ``sagittal-coronal``, ``needles`` (with several plates ``needles-T1``);
        further sheets of one kind end with ``-2``, ``-3`` ...

    Raises
    ------
    SkippedFileError
        If the plan has no CT, or no seed.
    """
    _ct_of(plan)
    if not plan.seed_count:
        raise SkippedFileError("no slices: the plan has no seed to show")
    outlines = Outlines.of(plan)
    return {name: _png(draw(plan, planes, outlines), plan) for name, planes in sheets(plan)}


def sheets(plan: Plan) -> Iterator[tuple[str, tuple[Plane, ...]]]:
    """Names of the sheets and the planes on each, in order."""
    kinds = [("axial", axial_planes(plan)), ("sagittal-coronal", middle_planes(plan))]
    for template in plan.templates:
        name = f"needles-{template.name}" if len(plan.templates) > 1 else "needles"
        kinds.append((name, needle_planes(plan, template)))
    for name, planes in kinds:
        count = math.ceil(len(planes) / PANELS)
        each = math.ceil(len(planes) / max(1, count))  # even sheets, none with a single panel left
        for number in range(count):
            part = planes[number * each : (number + 1) * each]
            yield (name if number == 0 else f"{name}-{number + 1}"), part


def window_of(plan: Plan, planes: Sequence[Plane]) -> Window:
    """What all panels of one sheet show: target, seeds and needles from the skin on, and a rim.

    Sheets of planes that look along different axes show the target, seeds and a wider rim.
    """
    seeds = [seed.center_lps_mm for needle in plan.needles for seed in needle.seeds]
    points = [np.array(seeds)]
    for role, surface in plan.surfaces.values():
        if role is SurfaceRole.TARGET:
            points.append(surface.vertices_lps_mm)
    one_view = all(np.allclose(plane.forward_lps, planes[0].forward_lps) for plane in planes)
    if one_view:
        points += [needle_ends(needle) for needle in plan.needles]
    rim_mm = MARGIN_MM if one_view else 1.3 * MARGIN_MM
    flat = planes[0].flat(np.vstack(points))
    low, high = flat.min(axis=0) - rim_mm, flat.max(axis=0) + rim_mm
    width, height = (high - low).tolist()
    wanted = (max(width, height / _HEIGHTS[1]), max(height, width * _HEIGHTS[0]))
    middle, half = 0.5 * (low + high), 0.5 * np.array(wanted)
    (left, bottom), (right, top) = (middle - half).tolist(), (middle + half).tolist()
    return Window(left, right, bottom, top)


def draw(plan: Plan, planes: Sequence[Plane], outlines: Outlines | None = None) -> Figure:
    """One sheet as a figure."""
    outlines = outlines or Outlines.of(plan)
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        return _drawn(plan, planes, outlines)


def _drawn(plan: Plan, planes: Sequence[Plane], outlines: Outlines) -> Figure:
    ct = _ct_of(plan)
    columns = 2 if len(planes) in (1, 2, 4) else _COLUMNS
    rows = math.ceil(len(planes) / columns)
    groups: list[list[Plane]] = [[plane] for plane in planes]
    if all(np.allclose(plane.forward_lps, planes[0].forward_lps) for plane in planes):
        groups = [list(planes)]
    windows = {id(plane): window_of(plan, group) for group in groups for plane in group}
    wide_px = (WIDTH_PX - _GAP_PX * (columns + 1)) / columns
    high_px = max(wide_px * w.size_mm[1] / w.size_mm[0] for w in windows.values())
    high_px = min(high_px, 0.62 * WIDTH_PX)
    height_px = round(_HEAD_PX + _FOOT_PX + rows * (high_px + _TITLE_PX + _GAP_PX))
    figure = Figure(figsize=(WIDTH_PX / _DPI, height_px / _DPI), dpi=_DPI, facecolor="white")
    FigureCanvasAgg(figure)
    looks = structure_looks(plan, outlines.names())
    shown: set[str] = set()
    for number, plane in enumerate(planes):
        row, column = divmod(number, columns)
        left = _GAP_PX + column * (wide_px + _GAP_PX)
        top = _HEAD_PX + row * (high_px + _TITLE_PX + _GAP_PX) + _TITLE_PX
        place = (left, height_px - top - high_px, wide_px, high_px)
        scale = np.array([WIDTH_PX, height_px, WIDTH_PX, height_px])
        axes: Any = figure.add_axes(tuple(np.array(place) / scale), anchor="NW")
        shown |= draw_panel(axes, plan, ct, plane, windows[id(plane)], outlines, looks)
    looks = {name: look for name, look in looks.items() if name in shown}
    _draw_head_and_foot(figure, plan, legend_handles(plan, looks), height_px)
    return figure


def _ct_of(plan: Plan) -> ImageVolume:
    if plan.ct is None:
        raise SkippedFileError("no slices: the plan was read without its CT; name its case")
    return plan.ct


def _draw_head_and_foot(figure: Figure, plan: Plan, handles: list[Any], height_px: int) -> None:
    at_y = 1.0 - 14.0 / height_px
    title = figure.text(
        0.008, at_y, f"Plan {as_text(plan.id)}", fontsize=20, fontweight="bold", va="top"
    )
    right_px = title.get_window_extent().x1
    said = (
        f"{plan.prescription_gy:g} Gy prescribed   |   {plan.seed_count} seeds {plan.source_model}"
    )
    figure.text(
        (right_px + 24.0) / WIDTH_PX, at_y - 7.0 / height_px,
        f"{said}   |   {len(plan.needles)} needles", fontsize=13, va="top",
    )  # fmt: skip
    figure.text(
        0.992, at_y, "CT window 40 / 400 HU   |   Planning aid, not a medical device", fontsize=11,
        color="0.35", va="top", ha="right",
    )  # fmt: skip
    figure.legend(
        handles=handles, loc="lower center", ncols=math.ceil(len(handles) / 2), fontsize=11,
        frameon=False, bbox_to_anchor=(0.5, 8.0 / height_px), handlelength=2.4, columnspacing=1.6,
    )  # fmt: skip


def _png(figure: Figure, plan: Plan) -> bytes:
    """PNG that says near its start which program made it, without a time stamp."""
    buffer = io.BytesIO()
    stamps = {"Software": SOFTWARE_NAME, "Title": f"Plan {plan.id}"}
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        figure.canvas.print_png(buffer, metadata=stamps)  # type: ignore[attr-defined]
    return buffer.getvalue()
