"""One panel of a sheet of slices: CT, outlines, isodoses, needles, seeds, letters, scale bar."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray

from exports.slice_layers import (
    NeedlePart,
    Outlines,
    SeedMark,
    Window,
    ct_values,
    dose_values,
    labelled_needles,
    needle_parts,
    seed_marks,
)
from exports.slice_looks import ISODOSES, NEEDLE_COLOUR, SEED_COLOUR, Look, as_text, halo
from exports.slice_planes import Plane
from template_designer.model import ImageVolume, Plan

SOFT_TISSUE_HU = (-160.0, 240.0)
"""Level 40, width 400: the usual soft-tissue window."""

_SEED_MM = (4.5, 1.5)  # true length; twice its true width, else a hair line
_LABEL_PT = 8.5
_LABEL_TRIES = 12  # places of a needle's label, ever farther from the skin


def draw_panel(
    axes: Any, plan: Plan, ct: ImageVolume, plane: Plane, window: Window, outlines: Outlines,
    looks: Mapping[str, Look],
) -> set[str]:  # fmt: skip
    """Draw one plane into matplotlib axes, whose data coordinates are millimetres of the plane.

    Returns the names of the structures that it cuts.
    """
    pitch_mm = max(template.pitch_mm for template in plan.templates)
    labelled = labelled_needles(plan)
    parts = needle_parts(labelled, plane, 0.5 * pitch_mm)
    needles = [labelled[label] for label in {part.label: None for part in parts}]
    draw_ct(axes, ct, plane, window)
    shown = draw_outlines(axes, plane, window, outlines, looks)
    draw_isodoses(axes, 100.0 / plan.prescription_gy * dose_values(plan, plane, window), window)
    for mark in seed_marks(needles, plane, pitch_mm):
        draw_seed(axes, mark)
    draw_frame(axes, plane, window)
    _draw_needles(axes, parts, window)
    return shown


def draw_ct(axes: Any, ct: ImageVolume, plane: Plane, window: Window) -> None:
    """The CT in a plane, in the soft-tissue window."""
    axes.set_facecolor("black")
    axes.imshow(
        ct_values(ct, plane, window), cmap="gray", vmin=SOFT_TISSUE_HU[0], vmax=SOFT_TISSUE_HU[1],
        origin="lower", extent=_extent(window), interpolation="bilinear", zorder=0,
    )  # fmt: skip


def draw_outlines(
    axes: Any, plane: Plane, window: Window, outlines: Outlines, looks: Mapping[str, Look]
) -> set[str]:
    """Outlines of the structures; the names of those that the plane cuts within the window."""
    cut = {name: outlines.cut(name, plane, window) for name in looks}
    for name, lines in cut.items():
        _draw_outline(axes, name, looks[name], lines, window)
    return {name for name, lines in cut.items() if any(_visible(line, window) for line in lines)}


def _extent(window: Window) -> tuple[float, float, float, float]:
    """Outer edges of the picture: raster points are the middles of its pixels."""
    across, along = window.raster()
    half_x, half_y = 0.5 * (across[1] - across[0]), 0.5 * (along[1] - along[0])
    return across[0] - half_x, across[-1] + half_x, along[0] - half_y, along[-1] + half_y


def _draw_outline(
    axes: Any, name: str, look: Look, lines: list[NDArray[np.float64]], window: Window
) -> None:
    for line in lines:
        axes.plot(
            line[:, 0], line[:, 1], color=look.colour, ls=look.dash, lw=look.width_pt,
            path_effects=halo(look.colour, look.width_pt), zorder=3,
        )  # fmt: skip
    inner = 0.08 * min(window.size_mm)
    visible = [
        point
        for line in lines
        for point in line
        if window.left_mm + 2 * inner < point[0] < window.right_mm - 2 * inner
        and window.bottom_mm + inner < point[1] < window.top_mm - inner
    ]
    if look.named and visible:
        x_mm, y_mm = max(visible, key=lambda point: (round(point[1], 3), -point[0]))
        axes.text(
            x_mm, y_mm, as_text(name), color=look.colour, fontsize=9, ha="center", va="bottom",
            zorder=8, path_effects=[withStroke(linewidth=2.0, foreground="black")],
        )  # fmt: skip


def _visible(line: NDArray[np.float64], window: Window) -> bool:
    """Whether a corner of a line lies in the window."""
    x, y = line.T
    across = (x > window.left_mm) & (x < window.right_mm)
    return bool((across & (y > window.bottom_mm) & (y < window.top_mm)).any())


def draw_isodoses(axes: Any, percent: NDArray[np.float64], window: Window) -> None:
    """Isodose lines of doses on the raster of a window, in percent of the prescription."""
    across, along = window.raster()
    for level, colour, dash, width in ISODOSES:
        if not percent.min() < level < percent.max():
            continue
        lines = axes.contour(
            across, along, percent, levels=[level], colors=[colour], linestyles=[dash],
            linewidths=[width], zorder=4,
        )  # fmt: skip
        lines.set_path_effects(halo(colour, width))


def _draw_needles(axes: Any, parts: Sequence[NeedlePart], window: Window) -> None:
    for part in parts:
        width = 2.0 if part.in_plane else 0.7
        (x0, y0), (x1, y1) = part.ends_mm
        axes.plot(
            [x0, x1], [y0, y1], color=NEEDLE_COLOUR, lw=width, solid_capstyle="butt",
            path_effects=[withStroke(linewidth=width + 1.0, foreground="black")],
            zorder=5 if part.in_plane else 4.5,
        )  # fmt: skip
    px_per_mm = axes.get_window_extent().width / window.size_mm[0]
    for label, place in label_places(parts, window, px_per_mm):
        axes.text(
            *place, label, color="white", fontsize=_LABEL_PT, fontweight="bold",
            ha="center", va="center", zorder=8,
            path_effects=[withStroke(linewidth=2.0, foreground="black")],
        )  # fmt: skip


def label_places(
    parts: Sequence[NeedlePart], window: Window, px_per_mm: float
) -> list[tuple[str, NDArray[np.float64]]]:
    """Middles of the needles' labels: outside the skin, none over another, none cut off."""
    high_mm = 1.3 * _LABEL_PT / 72.0 * 100.0 / px_per_mm
    placed: list[tuple[str, NDArray[np.float64], float]] = []
    first = {part.label: part.ends_mm for part in reversed(parts)}
    low = np.array([window.left_mm, window.bottom_mm])
    high = np.array([window.right_mm, window.top_mm])
    for label, ends in sorted(first.items()):
        way = ends[1] - ends[0]
        length = float(np.linalg.norm(way))
        outward = np.array([0.7, 0.7]) if length < 1.0 else -way / length  # seen end on
        wide_mm = 0.58 * len(label) * high_mm
        room = 0.5 * np.array([wide_mm, high_mm])
        for step in range(_LABEL_TRIES):
            place = ends[0] + (3.0 + 0.5 * wide_mm * abs(outward[0]) + 2.5 * step) * outward
            free = all(
                abs(place[0] - other[0]) > 0.5 * (wide_mm + width)
                or abs(place[1] - other[1]) > high_mm
                for _, other, width in placed
            )
            if free and (place - room > low).all() and (place + room < high).all():
                placed.append((label, place, wide_mm))
                break
    return [(label, place) for label, place, _ in placed]


def draw_seed(axes: Any, mark: SeedMark, colour: str = SEED_COLOUR) -> None:
    """A seed as a box of its length as foreshortened, never shorter than wide."""
    length_mm, width_mm = _SEED_MM
    part = float(np.linalg.norm(mark.axis))
    along = mark.axis / part if part > 1e-6 else np.array([1.0, 0.0])
    across = np.array([-along[1], along[0]])
    half = 0.5 * max(length_mm * part, width_mm) * along
    side = 0.5 * width_mm * across
    corners = mark.center_mm + np.stack([half + side, half - side, -half - side, -half + side])
    face = colour if mark.in_plane else "none"
    axes.fill(
        corners[:, 0], corners[:, 1], facecolor=face, edgecolor="white", lw=0.9, zorder=6,
    )  # fmt: skip


def draw_frame(axes: Any, plane: Plane, window: Window) -> None:
    """Title, place, letters on four sides, a bar of a round length."""
    axes.set_xlim(window.left_mm, window.right_mm)
    axes.set_ylim(window.bottom_mm, window.top_mm)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_aspect("equal")
    axes.set_title(f"{plane.title}\n{plane.place}", fontsize=11, loc="left", pad=5.0)
    edge: dict[str, Any] = {
        "transform": axes.transAxes, "color": "white", "fontsize": 14, "fontweight": "bold",
        "zorder": 9, "path_effects": [withStroke(linewidth=3.0, foreground="black")],
    }  # fmt: skip
    left, right, top, bottom = plane.letters()
    axes.text(0.012, 0.5, left, ha="left", va="center", **edge)
    axes.text(0.988, 0.5, right, ha="right", va="center", **edge)
    axes.text(0.5, 0.985, top, ha="center", va="top", **edge)
    axes.text(0.5, 0.015, bottom, ha="center", va="bottom", **edge)
    width_mm, height_mm = window.size_mm
    bar_mm = next(n for n in (100, 50, 20, 10, 5, 2, 1) if n <= 0.25 * width_mm or n == 1)
    x1, y0 = window.right_mm - 0.03 * width_mm, window.bottom_mm + 0.03 * height_mm
    halo = [withStroke(linewidth=5.0, foreground="black")]
    axes.plot(
        [x1 - bar_mm, x1], [y0, y0], color="white", lw=3.0, solid_capstyle="butt", zorder=9,
        path_effects=halo,
    )  # fmt: skip
    edge["fontsize"] = 10
    del edge["transform"]
    axes.text(x1 - 0.5 * bar_mm, y0 + 0.012 * height_mm, f"{bar_mm} mm", ha="center", va="bottom",
              **edge)  # fmt: skip
