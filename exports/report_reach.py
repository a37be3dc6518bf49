"""What seeds reach of the target, as a picture of a report: where they do not, and why.

The part out of reach is hatched, so that nothing hangs on colour alone.
"""

from __future__ import annotations

import io
import textwrap
from functools import reduce
from typing import Any

import matplotlib
import numpy as np
import shapely
import trimesh
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Patch, PathPatch
from matplotlib.path import Path as Outline
from numpy.typing import NDArray

from exports.opengl import SkippedFileError
from exports.slice_draw import draw_ct, draw_frame, draw_outlines, draw_seed
from exports.slice_layers import Outlines, Window, labelled_needles, seed_marks
from exports.slice_looks import Look, as_text, structure_looks
from exports.slice_planes import Plane, axial_plane, target_centre
from template_designer._version import SOFTWARE_NAME
from template_designer.model import ImageVolume, Plan, Surface, SurfaceRole

WIDTH_PX, HEIGHT_PX = 1500, 700
HIDDEN_COLOUR = "#F0E442"
"""Of the hatching: seen on every grey and on the target's red."""

REACHED_COLOUR = "#0072B2"
MARGIN_MM = 22.0
"""Shown round the target."""

_DPI = 100
_PANELS = ((0.008, 0.13, 0.325, 0.70), (0.341, 0.13, 0.325, 0.70))
_BARS = (0.80, 0.28, 0.16, 0.50)
_CAUSE_LETTERS = 22  # of a line beside a bar


def build(plan: Plan) -> bytes:
    """The picture as PNG, 1500 x 700; the same bytes for the same plan.

    Left: an axial and a sagittal slice through the middle of the part out of reach. Right: what
    part of the target seeds reach, and what hides the rest.

    Raises
    ------
    SkippedFileError
        If the plan was read without its CT.
    """
    if plan.ct is None:
        raise SkippedFileError("no picture of the reach: the plan was read without its CT")
    buffer = io.BytesIO()
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams["hatch.linewidth"] = 1.4
        figure = draw(plan, plan.ct)
        stamps = {"Software": SOFTWARE_NAME, "Title": f"Plan {plan.id}"}
        figure.canvas.print_png(buffer, metadata=stamps)  # type: ignore[attr-defined]
    return buffer.getvalue()


def draw(plan: Plan, ct: ImageVolume) -> Figure:
    """The picture as a figure."""
    figure = Figure(figsize=(WIDTH_PX / _DPI, HEIGHT_PX / _DPI), dpi=_DPI, facecolor="white")
    FigureCanvasAgg(figure)
    hidden = hidden_part(plan)
    outlines = Outlines.of(plan)
    kept = {name for name, (role, _) in plan.surfaces.items()
            if role in (SurfaceRole.TARGET, SurfaceRole.AVOID)}  # fmt: skip
    looks = structure_looks(plan, [name for name in outlines.names() if name in kept])
    shown: set[str] = set()
    for plane, place in zip(planes_of(plan, hidden), _PANELS, strict=True):
        axes: Any = figure.add_axes(place)
        window = _window(plan, plane)
        draw_ct(axes, ct, plane, window)
        shown |= draw_outlines(axes, plane, window, outlines, looks)
        if hidden is not None:
            _hatch(axes, section(hidden, plane, window))
        pitch_mm = max(template.pitch_mm for template in plan.templates)
        for mark in seed_marks(labelled_needles(plan).values(), plane, 0.5 * pitch_mm):
            draw_seed(axes, mark)
        draw_frame(axes, plane, window)
    _draw_shares(figure.add_axes(_BARS), plan)
    _write(figure, plan, {name: look for name, look in looks.items() if name in shown})
    return figure


def hidden_part(plan: Plan) -> Surface | None:
    """Surface round what no permitted seed comes near; None where seeds reach everything."""
    found = (s for role, s in plan.surfaces.values() if role is SurfaceRole.HIDDEN)
    return next(found, None)


def planes_of(plan: Plan, hidden: Surface | None) -> tuple[Plane, Plane]:
    """An axial and a sagittal plane through the middle of the hidden part, else of the target."""
    if hidden is None:
        middle = target_centre(plan)
    else:
        mesh = trimesh.Trimesh(hidden.vertices_lps_mm, hidden.faces, process=False)
        middle = np.asarray(mesh.center_mass)
    x_mm, _, z_mm = middle.tolist()
    _, posterior, head = np.eye(3)
    what = "the target" if hidden is None else "what no seed reaches"
    sagittal = Plane(
        f"Sagittal: middle of {what}", f"x = {x_mm:.1f} mm (LPS), seen from the left",
        posterior, head, -x_mm,
    )  # fmt: skip
    return axial_plane(f"Axial: middle of {what}", z_mm), sagittal


def section(surface: Surface, plane: Plane, window: Window) -> shapely.Geometry:
    """What a plane cuts out of a closed surface, mm of the picture; holes stay holes."""
    lines = Outlines({}, {"": surface}).cut("", plane, window)
    rings = [shapely.make_valid(shapely.Polygon(line)) for line in lines if len(line) > 3]
    return reduce(shapely.symmetric_difference, rings, shapely.Polygon())


def _window(plan: Plan, plane: Plane) -> Window:
    """The target with a rim; panels of one shape, so that both are as high as wide they may be."""
    points = [s.vertices_lps_mm for r, s in plan.surfaces.values() if r is SurfaceRole.TARGET]
    flat = plane.flat(np.vstack(points) if points else target_centre(plan))
    low, high = flat.min(axis=0) - MARGIN_MM, flat.max(axis=0) + MARGIN_MM
    shape = (_PANELS[0][2] * WIDTH_PX) / (_PANELS[0][3] * HEIGHT_PX)
    wide, tall = (high - low).tolist()
    half = 0.5 * np.array([max(wide, tall * shape), max(tall, wide / shape)])
    middle = 0.5 * (low + high)
    (left, bottom), (right, top) = (middle - half).tolist(), (middle + half).tolist()
    return Window(left, right, bottom, top)


def _hatch(axes: Any, area: shapely.Geometry) -> None:
    for polygon in shapely.get_parts(area):
        if polygon.geom_type != "Polygon":
            continue
        turned = shapely.geometry.polygon.orient(polygon)  # holes run the other way round
        rings = [turned.exterior, *turned.interiors]
        outline = Outline.make_compound_path(*(_closed(ring) for ring in rings))
        axes.add_patch(
            PathPatch(outline, facecolor="none", edgecolor=HIDDEN_COLOUR, hatch="///", lw=1.6,
                      zorder=4)
        )  # fmt: skip


def _closed(ring: shapely.LinearRing) -> Outline:
    corners: NDArray[np.float64] = shapely.get_coordinates(ring)
    return Outline(corners, closed=True)


def shares(plan: Plan) -> list[tuple[str, float]]:
    """What is reached and what hides the rest, per cent of the target's volume."""
    reach = plan.reach
    hidden = [(f"hidden by {cause}", share) for cause, share in reach.hidden_pct_by_cause.items()]
    return [("seeds reach", reach.reachable_pct), *hidden]


def _draw_shares(axes: Any, plan: Plan) -> None:
    found = shares(plan)
    names = ["\n".join(textwrap.wrap(as_text(name), _CAUSE_LETTERS)) for name, _ in found]
    for row, (_, share) in enumerate(found):
        axes.barh(
            row, share, 0.62, edgecolor="black", lw=0.8, hatch="///" if row else "",
            facecolor="white" if row else REACHED_COLOUR,
        )  # fmt: skip
        axes.text(share + 2.0, row, f"{share:.1f} %", va="center", fontsize=11)
    axes.set_yticks(range(len(found)), names, fontsize=10.5)
    axes.set_xlim(0.0, 130.0)
    axes.set_ylim(max(len(found), 3) - 0.5, -0.5)  # few bars stay as thick as many
    axes.set_xticks([])
    axes.tick_params(left=False)
    for side in ("top", "right", "bottom"):
        axes.spines[side].set_visible(False)
    target = as_text(plan.settings.target.structure)
    axes.set_title(f"Part of {target}", fontsize=12, loc="left")


def _write(figure: Figure, plan: Plan, looks: dict[str, Look]) -> None:
    target = as_text(plan.settings.target.structure)
    title = figure.text(
        0.008, 0.98, f"Plan {as_text(plan.id)}", fontsize=17, fontweight="bold", va="top"
    )
    right_px = title.get_window_extent().x1
    told = f"Seeds reach {plan.reach.reachable_pct:.1f} % of {target}"
    if plan.reach.largest_v100_pct is not None:
        told += f"; their dose reaches farther: V100 at most {plan.reach.largest_v100_pct:.1f} %"
    figure.text((right_px + 24.0) / WIDTH_PX, 0.975, told, fontsize=13, va="top")
    handles: list[Any] = [
        Patch(facecolor="none", edgecolor=look.colour, lw=2.4, label=as_text(name))
        for name, look in looks.items()
    ]
    handles.append(
        Patch(facecolor="0.45", edgecolor=HIDDEN_COLOUR, hatch="///", label="no seed comes near")
    )
    handles.append(Patch(facecolor="black", edgecolor="white", label="seed"))
    figure.legend(
        handles=handles, loc="lower center", ncols=len(handles), fontsize=11, frameon=False,
        bbox_to_anchor=(0.34, 0.01),
    )  # fmt: skip
