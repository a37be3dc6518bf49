"""What all pictures in space share: colours, cameras, the patient's surfaces and the plates.

Colours are those of Okabe and Ito, told apart by colour-blind readers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import trimesh
from numpy.typing import ArrayLike, NDArray

from exports.stl import plate_mesh
from template_designer.frames import transform_points
from template_designer.geometry.plate import plate_in_patient
from template_designer.model import (
    OUTER_DIAMETER_MM,
    Needle,
    Plan,
    Seed,
    Surface,
    SurfaceRole,
    Template,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

TARGET_COLOUR = "#D55E00"
ISODOSE_COLOUR = "#F0E442"
ISODOSE_LINE_COLOUR = "#B89B00"
AVOID_COLOURS = ("#0072B2", "#56B4E9", "#CC79A7", "#009E73", "#E69F00")
OTHER_COLOUR = "#B0B0B0"
NEEDLE_COLOUR = "#4A4A4A"
SEED_COLOUR = "#000000"
PLATE_COLOUR = "#C3CED8"
ENGRAVING_COLOUR = "#25323D"
BONE_COLOUR = "#E8DFC8"
SKIN_COLOUR = "#D9B8A3"
HIDDEN_COLOUR = "#4B2E83"

SEED_LENGTH_MM, SEED_DIAMETER_MM = 4.5, 0.8
SOFT: dict[str, Any] = {"smooth_shading": True, "ambient": 0.35, "diffuse": 0.75}
SEED_THICKER = 1.6
STUB_MM = 8.0  # of a needle, drawn before the plate
SMOOTHING_STEPS = 40  # stairs of the contours' slices, smoothed away in the picture only


@dataclass(frozen=True, slots=True)
class View:
    """A parallel camera: what it looks at, along which direction, how much it sees."""

    focus_lps_mm: NDArray[np.float64]
    forward_lps: NDArray[np.float64]
    up_lps: NDArray[np.float64]
    half_height_mm: float

    @property
    def right_lps(self) -> NDArray[np.float64]:
        """Direction to the right in the picture."""
        return np.cross(self.forward_lps, self.up_lps)

    def projected(self, points_lps_mm: ArrayLike, size_px: tuple[int, int]) -> NDArray[np.float64]:
        """Where points of the patient stand in a picture of that size: (n, 2) column, row."""
        away = np.atleast_2d(np.asarray(points_lps_mm, dtype=float)) - self.focus_lps_mm
        px_per_mm = 0.5 * size_px[1] / self.half_height_mm
        column = 0.5 * size_px[0] + px_per_mm * (away @ self.right_lps)
        row = 0.5 * size_px[1] - px_per_mm * (away @ self.up_lps)
        return np.column_stack([column, row])


def avoid_colours(plan: Plan) -> dict[str, str]:
    """Colour of each structure to avoid: the ones needles come nearest to stand out."""
    least: dict[str, float] = {}
    for needle in plan.needles:
        for name, clearance in needle.clearance_mm.items():
            least[name] = min(clearance, least.get(name, np.inf))
    strict = {rule.structure: rule.clearance_mm for rule in plan.rules}
    names = [name for name, (role, _) in plan.surfaces.items() if role is SurfaceRole.AVOID]
    names.sort(key=lambda name: (-strict.get(name, 0.0), least.get(name, np.inf), name))
    rest = len(names) - len(AVOID_COLOURS)
    return dict(zip(names, (*AVOID_COLOURS, *[OTHER_COLOUR] * max(0, rest)), strict=False))


def plate_axes(plan: Plan) -> NDArray[np.float64]:
    """Axes of the first template as rows x, y, z, LPS: the camera follows the plate."""
    return np.asarray(plan.templates[0].lps_from_template)[:3, :3].T


def target_points(plan: Plan) -> list[NDArray[np.float64]]:
    """Vertices of every target's surface, LPS, mm."""
    return [s.vertices_lps_mm for role, s in plan.surfaces.values() if role is SurfaceRole.TARGET]


def freest(plan: Plan, directions_tpl: Sequence[tuple[float, float, float]]) -> NDArray[np.float64]:
    """The viewing direction in which least of what needles avoid stands before the target."""
    candidates = [unit(np.asarray(direction) @ plate_axes(plan)) for direction in directions_tpl]
    targets = target_points(plan)
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


def plate_corners(template: Template) -> NDArray[np.float64]:
    """The eight corners of a plate, LPS, (8, 3)."""
    x, y, thickness = template.size_mm
    corners = [
        (i * x, j * y, -k * thickness) for i in (-0.5, 0.5) for j in (-0.5, 0.5) for k in (0, 1)
    ]
    return transform_points(np.asarray(template.lps_from_template), corners)


def framing(
    points_lps_mm: NDArray[np.float64],
    forward: NDArray[np.float64],
    up: NDArray[np.float64],
    margin: float,
    size_px: tuple[int, int],
) -> View:
    """Camera that sees all the points, with some air around them."""
    up = unit(up - np.dot(up, forward) * forward)
    right = np.cross(forward, up)
    across, along = points_lps_mm @ right, points_lps_mm @ up
    middle = points_lps_mm.mean(axis=0)
    middle = middle + (0.5 * (across.min() + across.max()) - middle @ right) * right
    middle = middle + (0.5 * (along.min() + along.max()) - middle @ up) * up
    half = 0.5 * margin * max(np.ptp(along), np.ptp(across) * size_px[1] / size_px[0])
    return View(middle, forward, up, float(half))


@contextmanager
def quiet_vtk() -> Iterator[None]:
    """Keep VTK from complaining on stderr that there is no X server: it then takes EGL."""
    from vtkmodules.vtkCommonCore import vtkLogger

    before = vtkLogger.GetCurrentVerbosityCutoff()
    vtkLogger.SetStderrVerbosity(vtkLogger.VERBOSITY_OFF)
    try:
        yield
    finally:
        vtkLogger.SetStderrVerbosity(before)


def rendered(
    view: View, size_px: tuple[int, int], fill: Callable[[Any], None]
) -> NDArray[np.uint8]:
    """One view as an image (rows, columns, 3); ``fill`` puts everything into the plotter."""
    with quiet_vtk():
        import pyvista

        plotter: Any = pyvista.Plotter(
            off_screen=True, window_size=list(size_px), lighting="light kit"
        )
        try:
            plotter.set_background("white")
            plotter.enable_anti_aliasing("ssaa")
            plotter.enable_depth_peeling(12)
            fill(plotter)
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


def smoothed(surface: Surface) -> Any:
    """A surface as a PyVista mesh without the stairs between slices: for pictures only."""
    import pyvista

    mesh = pyvista.PolyData.from_regular_faces(
        np.asarray(surface.vertices_lps_mm, dtype=float), np.asarray(surface.faces, dtype=int)
    )
    return mesh.smooth_taubin(n_iter=SMOOTHING_STEPS, pass_band=0.06)


def add_plates(plotter: Any, plan: Plan, opacity: float = 1.0) -> None:
    """The plates as printed, their engravings inked in so that the labels can be read."""
    import pyvista

    for template in plan.templates:
        printed = plate_mesh(plan, template)
        placed = plate_in_patient(printed, template)
        mesh = pyvista.PolyData.from_regular_faces(placed.vertices, placed.faces)
        inked = inked_faces(printed, template)
        if opacity < 1.0:
            plain = pyvista.PolyData.from_regular_faces(placed.vertices, placed.faces[~inked])
            ink = pyvista.PolyData.from_regular_faces(placed.vertices, placed.faces[inked])
            plotter.add_mesh(plain, color=PLATE_COLOUR, opacity=opacity, ambient=0.3)
            plotter.add_mesh(ink, color=ENGRAVING_COLOUR, ambient=0.3)
        else:
            colours = np.where(inked[:, None], rgb(ENGRAVING_COLOUR), rgb(PLATE_COLOUR))
            mesh.cell_data["colour"] = colours.astype(np.uint8)
            plotter.add_mesh(mesh, scalars="colour", rgb=True, ambient=0.3)
        edges = mesh.extract_feature_edges(40.0, boundary_edges=False, manifold_edges=False)
        plotter.add_mesh(edges, color=ENGRAVING_COLOUR, line_width=1, opacity=0.35)


def inked_faces(printed: trimesh.Trimesh, template: Template) -> NDArray[np.bool_]:
    """Which triangles of a plate in print pose are the floors of its engravings."""
    below_face_mm = template.size_mm[2] - printed.triangles_center[:, 2]
    return np.asarray((printed.face_normals[:, 2] > 0.5) & (below_face_mm > 1e-3))


def needle_ends(needle: Needle) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Where a drawn needle begins, a stub before the plate, and its tip: LPS, mm."""
    tip, entry = np.asarray(needle.tip_lps_mm), np.asarray(needle.entry_lps_mm)
    return tip - min(needle.length_mm, needle.depth_mm + STUB_MM) * unit(tip - entry), tip


def needle_tube(needle: Needle, thickness: float = 1.0) -> Any:
    """A needle as a PyVista mesh, ``thickness`` times as thick as it is."""
    import pyvista

    hub, tip = needle_ends(needle)
    radius = 0.5 * OUTER_DIAMETER_MM[needle.gauge] * thickness
    return pyvista.Tube(pointa=hub, pointb=tip, radius=radius, n_sides=16)


def seed_capsule(needle: Needle, seed: Seed) -> Any:
    """A seed as a PyVista mesh, thicker than it is: a true one would be a hair line."""
    import pyvista

    tip, entry = np.asarray(needle.tip_lps_mm), np.asarray(needle.entry_lps_mm)
    return pyvista.Capsule(
        center=seed.center_lps_mm,
        direction=unit(tip - entry),
        radius=0.5 * SEED_DIAMETER_MM * SEED_THICKER,
        cylinder_length=SEED_LENGTH_MM - SEED_THICKER * SEED_DIAMETER_MM,
        resolution=12,
    )


def scale_length_mm(longest_mm: float) -> int:
    """A round number of millimetres for a scale bar, ``longest_mm`` at most but never under 1."""
    return next(n for n in (200, 100, 50, 20, 10, 5, 2, 1) if n <= longest_mm or n == 1)


def rgb(colour: str) -> NDArray[np.int64]:
    """Red, green and blue of ``#rrggbb``, 0 to 255."""
    return np.array([int(colour[at : at + 2], 16) for at in (1, 3, 5)])


def unit(vector: NDArray[np.float64]) -> NDArray[np.float64]:
    """A vector of length 1 along another; one of no length stays as it is."""
    length = float(np.linalg.norm(vector))
    return vector / length if length > 0.0 else vector
