"""``preview.png``: the plan on one picture, to be taken in at a glance.

Left: plate, needles and target as somebody beside the operator sees them. Right: the target with
its seeds and the prescription isodose, from the side. Colours are those of Okabe and Ito, told
apart by colour-blind readers.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from functools import partial
from typing import Any

import matplotlib
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import NDArray

from exports.drawn3d import (
    BONE_COLOUR,
    HIDDEN_COLOUR,
    ISODOSE_COLOUR,
    ISODOSE_LINE_COLOUR,
    NEEDLE_COLOUR,
    OTHER_COLOUR,
    PLATE_COLOUR,
    SEED_COLOUR,
    SKIN_COLOUR,
    SOFT,
    TARGET_COLOUR,
    View,
    add_plates,
    avoid_colours,
    framing,
    freest,
    needle_tube,
    plate_axes,
    plate_corners,
    rendered,
    scale_length_mm,
    seed_capsule,
    smoothed,
    target_points,
    unit,
)
from exports.opengl import SkippedFileError, rendering_problem
from template_designer.model import Needle, Plan, SurfaceRole

WIDTH_PX, HEIGHT_PX = 1600, 1200
VIEW_PX = (790, 985)
"""One of the two views; below and above it stand the legend and the title."""

_DPI = 100
_OVERVIEWS = ((-0.72, 0.42, 0.55), (0.72, 0.42, 0.55))
"""Viewing directions to choose from, template frame: from above, past the plate's right or left."""
_CLOSE_UPS = (
    *((-0.90, 0.30, 0.25), (0.90, 0.30, 0.25)),
    *((-0.70, 0.70, 0.25), (0.70, 0.70, 0.25)),
    *((-0.90, -0.30, 0.25), (0.90, -0.30, 0.25)),
)
_LETTERS = (("L", (1, 0, 0)), ("P", (0, 1, 0)), ("H", (0, 0, 1)))
_OPPOSITE = {"L": "R", "P": "A", "H": "F"}


def build(plan: Plan) -> bytes:
    """The picture as PNG, 1600 x 1200.

    Raises
    ------
    SkippedFileError
        If this machine cannot render: the text names the packages to install.
    """
    problem = rendering_problem()
    if problem is not None:
        raise SkippedFileError(problem)
    colours = avoid_colours(plan)
    near, far = _close_up(plan), _overview(plan)
    images = [
        (_rendered(plan, far, colours, whole=True), far),
        (_rendered(plan, near, colours, whole=False), near),
    ]
    return _composed(plan, images, colours)


def _overview(plan: Plan) -> View:
    y = plate_axes(plan)[1]
    points = [plate_corners(template) for template in plan.templates]
    points += [np.array([n.tip_lps_mm for n in plan.needles])] if plan.needles else []
    points += target_points(plan)
    return framing(np.vstack(points), freest(plan, _OVERVIEWS), -y, 1.14, VIEW_PX)


def _close_up(plan: Plan) -> View:
    y = plate_axes(plan)[1]
    seeds = [seed.center_lps_mm for needle in plan.needles for seed in needle.seeds]
    points = [*([np.array(seeds)] if seeds else []), *target_points(plan)]
    if not points:
        points = [plate_corners(template) for template in plan.templates]
    return framing(np.vstack(points), freest(plan, _CLOSE_UPS), -y, 1.4, VIEW_PX)


def _rendered(plan: Plan, view: View, colours: dict[str, str], *, whole: bool) -> NDArray[np.uint8]:
    """One view as an image (rows, columns, 3)."""

    def fill(plotter: Any) -> None:
        _add_patient(plotter, plan, view, colours, whole=whole)
        if whole:
            add_plates(plotter, plan)
        _add_needles(plotter, plan.needles, whole=whole)
        _add_isodose(plotter, plan)

    return rendered(view, VIEW_PX, fill)


def _add_patient(
    plotter: Any, plan: Plan, view: View, colours: dict[str, str], *, whole: bool
) -> None:
    for name, (role, surface) in plan.surfaces.items():
        mesh = smoothed(surface)
        if role is SurfaceRole.TARGET:
            opacity = 0.8 if whole else 0.45  # seeds must show through in the close-up
            plotter.add_mesh(mesh, color=TARGET_COLOUR, opacity=opacity, **SOFT)
            if not whole:
                plotter.add_silhouette(mesh, color=TARGET_COLOUR, line_width=3)
        elif role is SurfaceRole.AVOID:
            colour = colours[name]
            opacity = 0.25 if colour == OTHER_COLOUR else 1.0
            plotter.add_mesh(mesh, color=colour, opacity=opacity, **SOFT)
        elif role is SurfaceRole.HIDDEN:
            if not whole:
                plotter.add_mesh(mesh, color=HIDDEN_COLOUR, opacity=0.3, **SOFT)
                plotter.add_silhouette(mesh, color=HIDDEN_COLOUR, line_width=3)
        else:  # only the far half of skin and bone: the near one would hide the needles
            behind = mesh.clip(normal=view.forward_lps, origin=view.focus_lps_mm, invert=False)
            if behind.n_points and (whole or role is SurfaceRole.BONE):
                colour = SKIN_COLOUR if role is SurfaceRole.SKIN else BONE_COLOUR
                opacity = 0.16 if role is SurfaceRole.SKIN else 0.35
                plotter.add_mesh(behind, color=colour, opacity=opacity, **SOFT)


def _add_needles(plotter: Any, needles: Sequence[Needle], *, whole: bool) -> None:
    for needle in needles:
        plotter.add_mesh(
            needle_tube(needle, 1.0 if whole else 0.5),
            color=NEEDLE_COLOUR,
            opacity=1.0 if whole else 0.45,
        )
        for capsule in map(partial(seed_capsule, needle), needle.seeds):
            plotter.add_mesh(capsule, color=SEED_COLOUR)


def _add_isodose(plotter: Any, plan: Plan) -> None:
    import pyvista

    grid = plan.dose.grid
    image = pyvista.ImageData(
        dimensions=grid.shape[::-1], spacing=grid.spacing_mm, origin=grid.origin_mm
    )
    image.point_data["gy"] = plan.dose.values_gy.ravel()  # [z, y, x]: x runs fastest, as in VTK
    surface = image.contour([plan.prescription_gy], scalars="gy")
    if surface.n_points:
        plotter.add_mesh(surface, color=ISODOSE_COLOUR, opacity=0.25, **SOFT)
        plotter.add_silhouette(surface, color=ISODOSE_LINE_COLOUR, line_width=3)


def _composed(
    plan: Plan, images: Sequence[tuple[NDArray[np.uint8], View]], colours: dict[str, str]
) -> bytes:
    """Both views with title, directions and legend, as PNG bytes without a time stamp."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        figure = Figure(figsize=(WIDTH_PX / _DPI, HEIGHT_PX / _DPI), dpi=_DPI, facecolor="white")
        canvas = FigureCanvasAgg(figure)
        titles = ("Plate, needles and target", "Target, seeds and prescription isodose")
        for column, ((image, view), title) in enumerate(zip(images, titles, strict=True)):
            left = (5 + column * (VIEW_PX[0] + 10)) / WIDTH_PX
            axes = figure.add_axes(
                (left, 100 / HEIGHT_PX, VIEW_PX[0] / WIDTH_PX, VIEW_PX[1] / HEIGHT_PX)
            )
            axes.imshow(image, interpolation="none", aspect="auto")
            axes.set_axis_off()
            axes.text(
                0.02, 0.985, title, transform=axes.transAxes, fontsize=13, va="top",
                bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 3.0},
            )  # fmt: skip
            _draw_directions(axes, view)
            _draw_scale_bar(axes, view)
        figure.text(0.012, 0.975, f"Plan {plan.id}", fontsize=22, fontweight="bold", va="top")
        figure.text(0.012, 0.938, _summary(plan), fontsize=14, va="top")
        figure.text(
            0.988, 0.972, "Planning aid, not a medical device", fontsize=11, color="0.35",
            va="top", ha="right",
        )  # fmt: skip
        figure.legend(
            handles=_legend(plan, colours), loc="lower center", ncols=6, fontsize=13, frameon=False,
            bbox_to_anchor=(0.5, 0.005), handlelength=1.4, columnspacing=2.0,
        )  # fmt: skip
        buffer = io.BytesIO()
        canvas.print_png(buffer, metadata={"Software": None, "Title": f"Plan {plan.id}"})
    return buffer.getvalue()


def _summary(plan: Plan) -> str:
    target = plan.settings.target.structure
    metrics = plan.metrics.get(target, {})
    parts = [f"{target}:"]
    for key, text in (("v100_pct", "V100 {:.1f} %"), ("d90_gy", "D90 {:.0f} Gy")):
        if key in metrics:
            parts.append(text.format(metrics[key]))
    return (
        f"{' '.join(parts)}   (prescribed {plan.prescription_gy:g} Gy)   |   "
        f"{plan.seed_count} seeds {plan.source_model}, {plan.air_kerma_strength_u:.3f} U   |   "
        f"{len(plan.needles)} needles"
    )


def _legend(plan: Plan, colours: dict[str, str]) -> list[Patch]:
    roles = {role for role, _ in plan.surfaces.values()}
    targets = [name for name, (role, _) in plan.surfaces.items() if role is SurfaceRole.TARGET]
    entries = [(name, TARGET_COLOUR) for name in targets]
    if SurfaceRole.HIDDEN in roles:
        entries.append(("target out of reach", HIDDEN_COLOUR))
    entries.append((f"{plan.prescription_gy:g} Gy isodose", ISODOSE_COLOUR))
    entries += [(name, colour) for name, colour in colours.items() if colour != OTHER_COLOUR]
    if OTHER_COLOUR in colours.values():
        entries.append(("other organs with a rule", OTHER_COLOUR))
    entries += [("needles", NEEDLE_COLOUR), ("seeds", SEED_COLOUR), ("plate", PLATE_COLOUR)]
    if SurfaceRole.BONE in roles:
        entries.append(("bone (far half)", BONE_COLOUR))
    if SurfaceRole.SKIN in roles:
        entries.append(("skin (far half)", SKIN_COLOUR))
    return [Patch(facecolor=colour, edgecolor="0.4", label=name) for name, colour in entries]


def _draw_directions(axes: Any, view: View) -> None:
    """Arrows towards left, posterior and head (or their opposites) as they lie in the picture."""
    centre, length = np.array([0.12, 0.11]), 0.065
    aspect = VIEW_PX[0] / VIEW_PX[1]
    for letter, vector in _LETTERS:
        direction = np.asarray(vector, dtype=float)
        if direction @ view.forward_lps > 0.0:  # draw the end that points towards the viewer
            direction, letter = -direction, _OPPOSITE[letter]
        flat = np.array([direction @ view.right_lps, direction @ view.up_lps])
        step = flat * length * np.array([1.0, aspect])
        axes.annotate(
            "", xy=centre + step, xytext=centre, xycoords="axes fraction",
            arrowprops={"arrowstyle": "-|>", "color": "0.2", "lw": 1.8},
        )  # fmt: skip
        reach = step + unit(flat) * 0.022 * np.array([1.0, aspect])
        axes.text(
            *(centre + reach), letter, transform=axes.transAxes, fontsize=14, fontweight="bold",
            ha="center", va="center",
        )  # fmt: skip


def _draw_scale_bar(axes: Any, view: View) -> None:
    """A bar of a round number of millimetres, true in the picture's plane."""
    height_mm = 2.0 * view.half_height_mm
    length_mm = scale_length_mm(0.25 * height_mm)
    part = length_mm / (height_mm * VIEW_PX[0] / VIEW_PX[1])
    axes.plot([0.96 - part, 0.96], [0.04, 0.04], transform=axes.transAxes, color="0.2", lw=4)
    axes.text(
        0.96 - 0.5 * part, 0.052, f"{length_mm} mm", transform=axes.transAxes, fontsize=12,
        ha="center",
    )  # fmt: skip
