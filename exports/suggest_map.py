"""The sphere of directions as a picture: how much of the target each reaches, the best numbered.

The map is drawn as an operator sees it who looks at the patient's back, head up: the patient's left
is on the left.

Colours are those of viridis, told apart by colour-blind readers and in grey; what is forbidden is
hatched, so that nothing hangs on colour alone.
"""

from __future__ import annotations

import io

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from template_designer.planning.suggest import PlaneNumbers, Suggestions

_SIZE_INCHES, _DPI = (11.0, 6.6), 150
_STEP_DEG = 1.0  # of the picture's cells
_NEIGHBOURS = 3  # scored directions that a cell is the weighted mean of
_NO_PLATE, _HATCHED = "#D9D9D9", "#F4F4F4"
_MARK = "#D55E00"
_SIDES = (
    (0.0, -42.0, "posterior"), (-90.0, -42.0, "left"), (90.0, -42.0, "right"),
    (175.0, -42.0, "anterior"), (-175.0, -42.0, "anterior"), (0.0, 84.0, "head"),
    (0.0, -84.0, "feet"),
)  # fmt: skip


def build(found: Suggestions) -> bytes:
    """The map as PNG; the same bytes for the same suggestions."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams["hatch.linewidth"] = 0.6
        buffer = io.BytesIO()
        draw(found).savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def draw(found: Suggestions) -> Figure:
    """The map as a figure."""
    figure = Figure(figsize=_SIZE_INCHES, dpi=_DPI, facecolor="white")
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0.03, 0.10, 0.84, 0.74), projection="mollweide")
    edges_az = np.radians(np.arange(-180.0, 180.0 + _STEP_DEG, _STEP_DEG))
    edges_el = np.radians(np.arange(-90.0, 90.0 + _STEP_DEG, _STEP_DEG))
    az, el = np.meshgrid(0.5 * (edges_az[1:] + edges_az[:-1]), 0.5 * (edges_el[1:] + edges_el[:-1]))
    directions = -np.stack(
        [-np.cos(el) * np.sin(az), np.cos(el) * np.cos(az), np.sin(el)], axis=-1
    ).reshape(-1, 3)
    allowed = found.access.allows(directions, 0.0).reshape(az.shape)
    reach = _interpolated(found, directions).reshape(az.shape)
    shown = np.ma.masked_where(~allowed | np.isnan(reach), reach)
    axes.set_facecolor(_NO_PLATE)
    mesh = axes.pcolormesh(
        edges_az, edges_el, shown, cmap="viridis", vmin=0.0, vmax=100.0, rasterized=True
    )
    axes.contourf(
        az, el, np.where(allowed, 0.0, 1.0), levels=[0.5, 1.5], colors=[_HATCHED], hatches=["////"]
    )
    _mark_sides(axes)
    _mark_best(axes, found)
    bar = figure.colorbar(mesh, cax=figure.add_axes((0.90, 0.16, 0.018, 0.62)))
    bar.set_label("target that seeds can reach, %")
    _write_texts(figure, found)
    return figure


def _interpolated(found: Suggestions, directions: NDArray[np.float64]) -> NDArray[np.float64]:
    """Reach at other directions than the scored ones: weighted mean of the nearest."""
    sphere = found.sphere
    count = min(_NEIGHBOURS, len(sphere.directions_lps))
    away, nearest = cKDTree(sphere.directions_lps).query(directions, k=count)
    away, nearest = (np.asarray(x).reshape(len(directions), count) for x in (away, nearest))
    values = sphere.reach_pct[nearest]
    weights = np.where(np.isnan(values), 0.0, 1.0 / (away + 1e-3) ** 2)
    total = weights.sum(axis=1)
    mean = np.nansum(weights * np.nan_to_num(values), axis=1) / np.maximum(total, 1e-12)
    return np.where(np.isnan(values[:, 0]) | (total <= 0.0), np.nan, mean)


def _mark_sides(axes: Axes) -> None:
    axes.grid(color="white", alpha=0.35, linewidth=0.6)
    axes.set_xticklabels([])
    degrees = [n for n in range(-75, 76, 15) if n % 30 == 0 and n]
    axes.set_yticks(np.radians(degrees), [f"{abs(n)}° {'head' if n > 0 else 'feet'}"
                                          for n in degrees], fontsize=8)  # fmt: skip
    for longitude, elevation, word in _SIDES:
        align = {175.0: "right", -175.0: "left"}.get(longitude, "center")
        axes.text(
            np.radians(longitude), np.radians(elevation), word, ha=align, va="center", fontsize=9,
            bbox={"boxstyle": "round,pad=0.15", "facecolor": "white", "alpha": 0.75, "lw": 0.0},
        )  # fmt: skip


def _mark_best(axes: Axes, found: Suggestions) -> None:
    """Numbers at the best planes; both planes of a pair have its number, joined by a line."""
    ranks: list[tuple[PlaneNumbers, ...]] = [pair.planes for pair in found.pairs]
    ranks = ranks or [(plane,) for plane in found.planes]
    for number, planes in reversed(list(enumerate(ranks, start=1))):
        az = -np.radians([plane.azimuth_deg for plane in planes])
        el = np.radians([plane.elevation_deg for plane in planes])
        if len(planes) == 2 and abs(az[0] - az[1]) < np.pi and number <= 3:
            axes.plot(az, el, color=_MARK, linewidth=1.0, zorder=3)
        axes.plot(az, el, "o", markersize=13 if number == 1 else 10.5, markerfacecolor="white",
                  markeredgecolor=_MARK, markeredgewidth=1.6, zorder=4)  # fmt: skip
        for x, y in zip(az, el, strict=True):
            axes.text(x, y, str(number), ha="center", va="center_baseline", fontsize=7.5,
                      fontweight="bold" if number == 1 else "normal", zorder=5)  # fmt: skip
    if not isinstance(found.posterior, str):
        axes.plot([0.0], [0.0], "+", color="white", markersize=15, markeredgewidth=3.2, zorder=3)
        axes.plot([0.0], [0.0], "+", color="black", markersize=14, markeredgewidth=1.4, zorder=3)


def _write_texts(figure: Figure, found: Suggestions) -> None:
    what = "pair of planes" if found.pairs else "plane"
    figure.text(0.03, 0.945, f"{found.case_id}: where needles may come from", fontsize=14)
    straight = (
        "straight posterior plane (+): none stands"
        if isinstance(found.posterior, str)
        else f"straight posterior plane (+): {found.posterior.reach_pct:.0f} %"
    )
    figure.text(
        0.03, 0.90,
        f"best {what}: {found.best_pct:.0f} % of {found.target}; {straight}; "
        f"{found.scored} directions scored",
        fontsize=10,
    )  # fmt: skip
    patches = [
        Patch(facecolor=_HATCHED, edgecolor="black", hatch="////", linewidth=0.3,
              label=f"not free: {found.access.position.value}, tilt up to "
              f"{found.access.max_tilt_deg:g}°"),
        Patch(facecolor=_NO_PLATE, label="no plate can stand (skin too far, end of the scan)"),
    ]  # fmt: skip
    figure.legend(handles=patches, loc="lower left", bbox_to_anchor=(0.03, 0.015), ncols=2,
                  frameon=False, fontsize=9)  # fmt: skip
    figure.text(0.87, 0.03, "as seen by who looks at the patient's back", fontsize=8, ha="right",
                color="#444444")  # fmt: skip
