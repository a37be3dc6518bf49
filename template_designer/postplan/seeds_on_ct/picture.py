"""Found seeds on the CT: the brightest of the voxels in three directions, with numbers.

Sure seeds are circles, uncertain ones triangles with bold numbers: told apart without colour too.
"""

from __future__ import annotations

import io
from typing import Any

import matplotlib
import numpy as np
from matplotlib import patheffects
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from template_designer.model import ImageVolume
from template_designer.postplan.seeds_on_ct.found import FoundSeeds, SeedState

MARGIN_MM = 20.0
"""Anatomy that is shown round the seeds."""

WINDOW_HU = (-200.0, 1800.0)
"""Grey values: bone is grey, metal is white."""

SURE, UNCERTAIN = "#56B4E9", "#E69F00"
"""Okabe and Ito: told apart by colour-blind readers."""

_SIZE_INCHES, _DPI = (17.5, 6.9), 110
_LABEL_POINTS = (17.0, 12.0)  # room of a number, points
_SIDES = (("L", "R"), ("P", "A"), ("H", "F"))
_VIEWS = ((0, 1, 2), (0, 2, 1), (1, 2, 0))  # index across, down, and looked along


def found_picture(image: ImageVolume, found: FoundSeeds) -> bytes:
    """Draw the seeds of a CT: a PNG, the same bytes for the same seeds."""
    places = image.index_of(found.centers_lps_mm)[:, ::-1] * image.spacing_mm  # u, v, w
    size = (np.array(image.hu.shape[::-1]) - 1) * image.spacing_mm
    low = np.clip(places.min(axis=0) - MARGIN_MM, 0.0, size)
    high = np.clip(places.max(axis=0) + MARGIN_MM, 0.0, size)
    first = np.floor(low / image.spacing_mm).astype(int)
    last = np.ceil(high / image.spacing_mm).astype(int) + 1
    box = image.hu[first[2] : last[2], first[1] : last[1], first[0] : last[0]]
    with matplotlib.rc_context({"font.family": "DejaVu Sans", "font.size": 10}):
        figure = Figure(figsize=_SIZE_INCHES, dpi=_DPI, facecolor="white", layout="constrained")
        canvas = FigureCanvasAgg(figure)
        widths = [float(high[a] - low[a]) / float(high[b] - low[b]) for a, b, _ in _VIEWS]
        axes = figure.subplots(1, 3, width_ratios=widths)
        for axis, (across, down, through) in zip(axes, _VIEWS, strict=True):
            flat = box.max(axis=2 - through)
            edges = [(first[n] - 0.5, first[n] + flat_size - 0.5) for n, flat_size in
                     zip((across, down), flat.shape[::-1], strict=True)]  # fmt: skip
            _panel(axis, flat, edges, image, across, down)
            points_per_mm = 72.0 * _SIZE_INCHES[0] / (3.0 * float((high - low).max()))
            _seeds(axis, places[:, [across, down]], found, points_per_mm)
        figure.suptitle(_title(found), fontsize=12)
        _legend(figure, found)
        buffer = io.BytesIO()
        canvas.print_png(buffer, metadata={"Software": None})
    return buffer.getvalue()


def _panel(
    axis: Any,
    flat: NDArray[np.int16],
    edges: list[tuple[float, float]],
    image: ImageVolume,
    across: int,
    down: int,
) -> None:
    """The brightest voxels, to scale; heads up."""
    (left, right), (top, bottom) = (
        (a * image.spacing_mm[n], b * image.spacing_mm[n])
        for (a, b), n in zip(edges, (across, down), strict=True)
    )
    axis.imshow(
        flat, cmap="gray", vmin=WINDOW_HU[0], vmax=WINDOW_HU[1],
        extent=(left, right, bottom, top), interpolation="nearest", aspect="equal",
    )  # fmt: skip
    if down == 2 and image.axes_lps[2, 2] > 0.0:  # slices rise to the head
        axis.invert_yaxis()
    axis.set_xticks([])
    axis.set_yticks([])
    style = {"fontsize": 14, "fontweight": "bold", "color": "white", "path_effects": _halo("black")}
    turned = axis.yaxis_inverted()
    plus, minus = _sides(image, across)
    for text, x, side in ((minus, 0.02, "left"), (plus, 0.98, "right")):
        axis.text(x, 0.5, text, transform=axis.transAxes, ha=side, va="center", **style)
    plus, minus = _sides(image, down)
    below, above = (plus, minus) if turned else (minus, plus)
    for text, y, side in ((below, 0.02, "bottom"), (above, 0.98, "top")):
        axis.text(0.5, y, text, transform=axis.transAxes, ha="center", va=side, **style)
    level = bottom - 0.04 * (bottom - top) if turned else top + 0.04 * (bottom - top)
    start = left + 0.04 * (right - left)
    axis.plot(
        [start, start + 10.0], [level, level], color="white", lw=3, path_effects=_halo("black")
    )
    axis.text(start + 12.0, level, "10 mm", color="white", va="center", fontsize=9,
              path_effects=_halo("black"))  # fmt: skip


def _sides(image: ImageVolume, index: int) -> tuple[str, str]:
    """Patient sides that an index of the image rises and falls to."""
    way = image.axes_lps[index]
    nearest = int(np.argmax(np.abs(way)))
    plus, minus = _SIDES[nearest]
    return (plus, minus) if way[nearest] > 0.0 else (minus, plus)


def _seeds(axis: Any, places: NDArray[np.float64], found: FoundSeeds, points_per_mm: float) -> None:
    """Markers and numbers; those of uncertain seeds come first and move, sure ones give way."""
    middle = places.mean(axis=0)
    taken: list[tuple[float, float]] = []
    order = sorted(range(len(places)), key=lambda n: found.seeds[n].state is SeedState.SURE)
    for n in order:
        x, y = places[n]
        sure = found.seeds[n].state is SeedState.SURE
        colour, marker = (SURE, "o") if sure else (UNCERTAIN, "^")
        axis.plot(x, y, marker=marker, ms=8 if sure else 11, mfc="none", mec=colour, mew=1.6,
                  zorder=3 if sure else 4, path_effects=_halo("black"))  # fmt: skip
        right = x >= middle[0]
        rise = 5.0
        while not _free(
            at := (float(x) * points_per_mm, _up(axis) * float(y) * points_per_mm + rise), taken
        ):
            rise += _LABEL_POINTS[1]
            if sure or rise > 6.0 * _LABEL_POINTS[1]:
                break
        if sure and rise > 5.0:
            continue
        taken.append(at)
        axis.annotate(
            str(n + 1), (x, y), (6 if right else -6, rise), textcoords="offset points",
            ha="left" if right else "right", fontsize=8 if sure else 11, color=colour,
            fontweight="normal" if sure else "bold", path_effects=_halo("black"),
            zorder=5 if sure else 6,
        )  # fmt: skip


def _up(axis: Any) -> float:
    """1 where a panel's second coordinate rises up the page, else -1."""
    return -1.0 if axis.yaxis_inverted() else 1.0


def _free(at: tuple[float, float], taken: list[tuple[float, float]]) -> bool:
    """Whether a number fits beside those that are drawn."""
    return not any(
        abs(at[0] - x) < _LABEL_POINTS[0] and abs(at[1] - y) < _LABEL_POINTS[1] for x, y in taken
    )


def _halo(colour: str) -> list[Any]:
    return [patheffects.withStroke(linewidth=2.2, foreground=colour)]


def _title(found: FoundSeeds) -> str:
    open_ = len(found.uncertain)
    expected = "" if found.expected is None else f" of {found.expected} implanted"
    text = f"{len(found.seeds)} seeds found{expected}: {len(found.seeds) - open_} sure, {open_} "
    return text + f"to settle. Slices of {found.slice_mm:g} mm. Brightest voxels in each direction"


def _legend(figure: Figure, found: FoundSeeds) -> None:

    def sample(marker: str, size: float, colour: str, label: str) -> Line2D:
        return Line2D([], [], ls="none", marker=marker, ms=size, mfc="none", mew=1.6, mec=colour,
                      label=label)  # fmt: skip

    handles = [sample("o", 8, SURE, "sure")]
    if found.uncertain:
        label = "to settle: " + ", ".join(map(str, found.uncertain[:30]))
        label += " ..." if len(found.uncertain) > 30 else ""
        handles.append(sample("^", 11, UNCERTAIN, label))
    handles.append(Line2D([], [], ls="none", label="numbers without room are left out"))
    figure.legend(handles=handles, loc="outside lower center", ncols=3, frameon=False, fontsize=11)
