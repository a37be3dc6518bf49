"""``preview.png``: the plan on one picture, to be taken in at a glance.

Left: plate, needles and target as somebody beside the operator sees them. Right: the target with
its seeds and the prescription isodose, from the side. Colours are those of Okabe and Ito, told
apart by colour-blind readers.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import matplotlib
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import NDArray

from exports.opengl import SkippedFileError, rendering_problem
from exports.stl import plate_mesh
from template_designer.frames import transform_points
from template_designer.geometry.plate import plate_in_patient
from template_designer.model import (
    OUTER_DIAMETER_MM,
    Needle,
    Plan,
    Surface,
    SurfaceRole,
    Template,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

WIDTH_PX, HEIGHT_PX = 1600, 1200
VIEW_PX = (790, 985)
"""One of the two views; below and above it stand the legend and the title."""

_DPI = 100
_TARGET_COLOUR = "#D55E00"
_ISODOSE_COLOUR = "#F0E442"
_ISODOSE_LINE_COLOUR = "#B89B00"
_AVOID_COLOURS = ("#0072B2", "#56B4E9", "#CC79A7", "#009E73", "#E69F00")
_OTHER_COLOUR = "#B0B0B0"
_NEEDLE_COLOUR = "#4A4A4A"
_SEED_COLOUR = "#000000"
_PLATE_COLOUR = "#C3CED8"
_ENGRAVING_COLOUR = "#25323D"
_BONE_COLOUR = "#E8DFC8"
_SKIN_COLOUR = "#D9B8A3"
_HIDDEN_COLOUR = "#4B2E83"

_SEED_LENGTH_MM, _SEED_DIAMETER_MM = 4.5, 0.8
_SOFT: dict[str, Any] = {"smooth_shading": True, "ambient": 0.35, "diffuse": 0.75}
_SMOOTHING_STEPS = 40  # stairs of the contours' slices, smoothed away in the picture only
_OVERVIEWS = ((-0.72, 0.42, 0.55), (0.72, 0.42, 0.55))
"""Viewing directions to choose from, template frame: from above, past the plate's right or left."""
_CLOSE_UPS = (
    *((-0.90, 0.30, 0.25), (0.90, 0.30, 0.25)),
    *((-0.70, 0.70, 0.25), (0.70, 0.70, 0.25)),
    *((-0.90, -0.30, 0.25), (0.90, -0.30, 0.25)),
)
_LETTERS = (("L", (1, 0, 0)), ("P", (0, 1, 0)), ("H", (0, 0, 1)))
_OPPOSITE = {"L": "R", "P": "A", "H": "F"}


@dataclass(frozen=True, slots=True)
class _View:
    """A parallel camera: what it looks at, along which direction, how much it sees."""

    focus_lps_mm: NDArray[np.float64]
    forward_lps: NDArray[np.float64]
    up_lps: NDArray[np.float64]
    half_height_mm: float

    @property
    def right_lps(self) -> NDArray[np.float64]:
        """Direction to the right in the picture."""
        return np.cross(self.forward_lps, self.up_lps)


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
    colours = _avoid_colours(plan)
    near, far = _close_up(plan), _overview(plan)
    images = [
        (_rendered(plan, far, colours, whole=True), far),
        (_rendered(plan, near, colours, whole=False), near),
    ]
    return _composed(plan, images, colours)


def _avoid_colours(plan: Plan) -> dict[str, str]:
    """Colour of each structure to avoid: the ones needles come nearest to stand out."""
    least: dict[str, float] = {}
    for needle in plan.needles:
        for name, clearance in needle.clearance_mm.items():
            least[name] = min(clearance, least.get(name, np.inf))
    strict = {rule.structure: rule.clearance_mm for rule in plan.rules}
    names = [name for name, (role, _) in plan.surfaces.items() if role is SurfaceRole.AVOID]
    names.sort(key=lambda name: (-strict.get(name, 0.0), least.get(name, np.inf), name))
    rest = len(names) - len(_AVOID_COLOURS)
    return dict(zip(names, (*_AVOID_COLOURS, *[_OTHER_COLOUR] * max(0, rest)), strict=False))


def _overview(plan: Plan) -> _View:
    y = _axes(plan)[1]
    points = [_plate_corners(template) for template in plan.templates]
    points += [np.array([n.tip_lps_mm for n in plan.needles])] if plan.needles else []
    points += _target_points(plan)
    return _framing(np.vstack(points), _freest(plan, _OVERVIEWS), -y, 1.14)


def _close_up(plan: Plan) -> _View:
    y = _axes(plan)[1]
    seeds = [seed.center_lps_mm for needle in plan.needles for seed in needle.seeds]
    points = [*([np.array(seeds)] if seeds else []), *_target_points(plan)]
    if not points:
        points = [_plate_corners(template) for template in plan.templates]
    return _framing(np.vstack(points), _freest(plan, _CLOSE_UPS), -y, 1.4)


def _axes(plan: Plan) -> NDArray[np.float64]:
    """Axes of the first template as rows x, y, z, LPS: the camera follows the plate."""
    return np.asarray(plan.templates[0].lps_from_template)[:3, :3].T


def _target_points(plan: Plan) -> list[NDArray[np.float64]]:
    return [s.vertices_lps_mm for role, s in plan.surfaces.values() if role is SurfaceRole.TARGET]


def _freest(
    plan: Plan, directions_tpl: Sequence[tuple[float, float, float]]
) -> NDArray[np.float64]:
    """The viewing direction in which least of what needles avoid stands before the target."""
    candidates = [_unit(np.asarray(direction) @ _axes(plan)) for direction in directions_tpl]
    targets = _target_points(plan)
    avoided = [s.vertices_lps_mm for role, s in plan.surfaces.values() if role is SurfaceRole.AVOID]
    if not targets or not avoided:
        return candidates[0]
    target = np.vstack(targets)
    centre = target.mean(axis=0)
    radius = float(np.quantile(np.linalg.norm(target - centre, axis=1), 0.8))
    hidden = []
    for forward in candidates:
        count = 0.0
        for points in avoided:  # by share, so that a finer mesh does not count for more
            depth = (points - centre) @ forward
            aside = np.linalg.norm(points - centre - depth[:, None] * forward, axis=1)
            count += float(np.mean((depth < 0.0) & (aside < radius)))
        hidden.append(round(count, 6))
    return candidates[int(np.argmin(hidden))]


def _plate_corners(template: Template) -> NDArray[np.float64]:
    """The eight corners of a plate, LPS, (8, 3)."""
    x, y, thickness = template.size_mm
    corners = [
        (i * x, j * y, -k * thickness) for i in (-0.5, 0.5) for j in (-0.5, 0.5) for k in (0, 1)
    ]
    return transform_points(np.asarray(template.lps_from_template), corners)


def _framing(
    points_lps_mm: NDArray[np.float64],
    forward: NDArray[np.float64],
    up: NDArray[np.float64],
    margin: float,
) -> _View:
    """Camera that sees all the points, with some air around them."""
    up = _unit(up - np.dot(up, forward) * forward)
    right = np.cross(forward, up)
    across, along = points_lps_mm @ right, points_lps_mm @ up
    middle = points_lps_mm.mean(axis=0)
    middle = middle + (0.5 * (across.min() + across.max()) - middle @ right) * right
    middle = middle + (0.5 * (along.min() + along.max()) - middle @ up) * up
    half = 0.5 * margin * max(np.ptp(along), np.ptp(across) * VIEW_PX[1] / VIEW_PX[0])
    return _View(middle, forward, up, float(half))


def _rendered(
    plan: Plan, view: _View, colours: dict[str, str], *, whole: bool
) -> NDArray[np.uint8]:
    """One view as an image (rows, columns, 3)."""
    with _quiet_vtk():
        import pyvista

        plotter: Any = pyvista.Plotter(
            off_screen=True, window_size=list(VIEW_PX), lighting="light kit"
        )
        try:
            plotter.set_background("white")
            plotter.enable_anti_aliasing("ssaa")
            plotter.enable_depth_peeling(12)
            _add_patient(plotter, plan, view, colours, whole=whole)
            if whole:
                _add_plates(plotter, plan)
            _add_needles(plotter, plan.needles, whole=whole)
            _add_isodose(plotter, plan)
            camera = plotter.camera
            camera.focal_point = view.focus_lps_mm
            camera.position = view.focus_lps_mm - 1000.0 * view.forward_lps
            camera.up = view.up_lps
            plotter.enable_parallel_projection()
            camera.parallel_scale = view.half_height_mm
            plotter.reset_camera_clipping_range()
            return np.asarray(plotter.screenshot(None, return_img=True))[:, :, :3]
        finally:
            plotter.close()


@contextmanager
def _quiet_vtk() -> Iterator[None]:
    """Keep VTK from complaining on stderr that there is no X server: it then takes EGL."""
    from vtkmodules.vtkCommonCore import vtkLogger

    before = vtkLogger.GetCurrentVerbosityCutoff()
    vtkLogger.SetStderrVerbosity(vtkLogger.VERBOSITY_OFF)
    try:
        yield
    finally:
        vtkLogger.SetStderrVerbosity(before)


def _mesh(surface: Surface) -> Any:
    import pyvista

    mesh = pyvista.PolyData.from_regular_faces(
        np.asarray(surface.vertices_lps_mm, dtype=float), np.asarray(surface.faces, dtype=int)
    )
    return mesh.smooth_taubin(n_iter=_SMOOTHING_STEPS, pass_band=0.06)


def _add_patient(
    plotter: Any, plan: Plan, view: _View, colours: dict[str, str], *, whole: bool
) -> None:
    for name, (role, surface) in plan.surfaces.items():
        mesh = _mesh(surface)
        if role is SurfaceRole.TARGET:
            opacity = 0.8 if whole else 0.45  # seeds must show through in the close-up
            plotter.add_mesh(mesh, color=_TARGET_COLOUR, opacity=opacity, **_SOFT)
            if not whole:
                plotter.add_silhouette(mesh, color=_TARGET_COLOUR, line_width=3)
        elif role is SurfaceRole.AVOID:
            colour = colours[name]
            opacity = 0.25 if colour == _OTHER_COLOUR else 1.0
            plotter.add_mesh(mesh, color=colour, opacity=opacity, **_SOFT)
        elif role is SurfaceRole.HIDDEN:
            if not whole:
                plotter.add_mesh(mesh, color=_HIDDEN_COLOUR, opacity=0.3, **_SOFT)
                plotter.add_silhouette(mesh, color=_HIDDEN_COLOUR, line_width=3)
        else:  # only the far half of skin and bone: the near one would hide the needles
            behind = mesh.clip(normal=view.forward_lps, origin=view.focus_lps_mm, invert=False)
            if behind.n_points and (whole or role is SurfaceRole.BONE):
                colour = _SKIN_COLOUR if role is SurfaceRole.SKIN else _BONE_COLOUR
                opacity = 0.16 if role is SurfaceRole.SKIN else 0.35
                plotter.add_mesh(behind, color=colour, opacity=opacity, **_SOFT)


def _add_plates(plotter: Any, plan: Plan) -> None:
    """The plates as printed, their engravings inked in so that the labels can be read."""
    import pyvista

    for template in plan.templates:
        printed = plate_mesh(plan, template)
        placed = plate_in_patient(printed, template)
        mesh = pyvista.PolyData.from_regular_faces(placed.vertices, placed.faces)
        below_face_mm = template.size_mm[2] - printed.triangles_center[:, 2]
        inked = (printed.face_normals[:, 2] > 0.5) & (below_face_mm > 1e-3)
        colours = np.where(inked[:, None], _rgb(_ENGRAVING_COLOUR), _rgb(_PLATE_COLOUR))
        mesh.cell_data["colour"] = colours.astype(np.uint8)
        plotter.add_mesh(mesh, scalars="colour", rgb=True, ambient=0.3)
        edges = mesh.extract_feature_edges(40.0, boundary_edges=False, manifold_edges=False)
        plotter.add_mesh(edges, color=_ENGRAVING_COLOUR, line_width=1, opacity=0.35)


def _rgb(colour: str) -> NDArray[np.int64]:
    return np.array([int(colour[at : at + 2], 16) for at in (1, 3, 5)])


def _add_needles(plotter: Any, needles: Sequence[Needle], *, whole: bool) -> None:
    import pyvista

    for needle in needles:
        tip, entry = np.asarray(needle.tip_lps_mm), np.asarray(needle.entry_lps_mm)
        axis = _unit(tip - entry)
        hub = tip - min(needle.length_mm, needle.depth_mm + 8.0) * axis  # a stub beyond the plate
        radius = 0.5 * OUTER_DIAMETER_MM[needle.gauge] * (1.0 if whole else 0.5)
        plotter.add_mesh(
            pyvista.Tube(pointa=hub, pointb=tip, radius=radius, n_sides=16),
            color=_NEEDLE_COLOUR,
            opacity=1.0 if whole else 0.45,
        )
        for seed in needle.seeds:
            plotter.add_mesh(
                pyvista.Capsule(
                    center=seed.center_lps_mm,
                    direction=axis,
                    radius=0.5 * _SEED_DIAMETER_MM * 1.6,  # a true one would be a hair line
                    cylinder_length=_SEED_LENGTH_MM - 1.6 * _SEED_DIAMETER_MM,
                    resolution=12,
                ),
                color=_SEED_COLOUR,
            )


def _add_isodose(plotter: Any, plan: Plan) -> None:
    import pyvista

    grid = plan.dose.grid
    image = pyvista.ImageData(
        dimensions=grid.shape[::-1], spacing=grid.spacing_mm, origin=grid.origin_mm
    )
    image.point_data["gy"] = plan.dose.values_gy.ravel()  # [z, y, x]: x runs fastest, as in VTK
    surface = image.contour([plan.prescription_gy], scalars="gy")
    if surface.n_points:
        plotter.add_mesh(surface, color=_ISODOSE_COLOUR, opacity=0.25, **_SOFT)
        plotter.add_silhouette(surface, color=_ISODOSE_LINE_COLOUR, line_width=3)


def _composed(
    plan: Plan, images: Sequence[tuple[NDArray[np.uint8], _View]], colours: dict[str, str]
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
    entries = [(name, _TARGET_COLOUR) for name in targets]
    if SurfaceRole.HIDDEN in roles:
        entries.append(("target out of reach", _HIDDEN_COLOUR))
    entries.append((f"{plan.prescription_gy:g} Gy isodose", _ISODOSE_COLOUR))
    entries += [(name, colour) for name, colour in colours.items() if colour != _OTHER_COLOUR]
    if _OTHER_COLOUR in colours.values():
        entries.append(("other organs with a rule", _OTHER_COLOUR))
    entries += [("needles", _NEEDLE_COLOUR), ("seeds", _SEED_COLOUR), ("plate", _PLATE_COLOUR)]
    if SurfaceRole.BONE in roles:
        entries.append(("bone (far half)", _BONE_COLOUR))
    if SurfaceRole.SKIN in roles:
        entries.append(("skin (far half)", _SKIN_COLOUR))
    return [Patch(facecolor=colour, edgecolor="0.4", label=name) for name, colour in entries]


def _draw_directions(axes: Any, view: _View) -> None:
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
        reach = step + _unit(flat) * 0.022 * np.array([1.0, aspect])
        axes.text(
            *(centre + reach), letter, transform=axes.transAxes, fontsize=14, fontweight="bold",
            ha="center", va="center",
        )  # fmt: skip


def _draw_scale_bar(axes: Any, view: _View) -> None:
    """A bar of a round number of millimetres, true in the picture's plane."""
    height_mm = 2.0 * view.half_height_mm
    length_mm = next(n for n in (200, 100, 50, 20, 10, 5, 2, 1) if n <= 0.25 * height_mm or n == 1)
    part = length_mm / (height_mm * VIEW_PX[0] / VIEW_PX[1])
    axes.plot([0.96 - part, 0.96], [0.04, 0.04], transform=axes.transAxes, color="0.2", lw=4)
    axes.text(
        0.96 - 0.5 * part, 0.052, f"{length_mm} mm", transform=axes.transAxes, fontsize=12,
        ha="center",
    )  # fmt: skip


def _unit(vector: NDArray[np.float64]) -> NDArray[np.float64]:
    length = float(np.linalg.norm(vector))
    return vector / length if length > 0.0 else vector
