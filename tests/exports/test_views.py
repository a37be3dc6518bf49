import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from dose import DoseField
from exports import isodoses, opengl, views, views_cameras
from exports.clearance_colours import BAND_COLOURS, BROKEN_COLOUR, clearance_scale
from exports.drawn3d import TARGET_COLOUR, View, avoid_colours, rgb
from exports.opengl import SkippedFileError, rendering_problem
from exports.views_page import (
    IMAGE_LEFT_PX,
    IMAGE_PX,
    IMAGE_TOP_PX,
    cube_letters,
    edge_letters,
)
from exports.writer import _is_ours
from template_designer.model import SurfaceRole

NAMES = {"operator", "side", "cord", "plate-on-skin", "isodoses"}
CAMERAS = {
    "operator": views_cameras.operator_view,
    "side": views_cameras.side_view,
    "cord": views_cameras.cord_view,
    "plate-on-skin": views_cameras.on_skin_view,
    "isodoses": views_cameras.isodose_view,
}
needs_opengl = pytest.mark.skipif(
    rendering_problem() is not None, reason=f"cannot draw here: {rendering_problem()}"
)


@pytest.fixture(scope="module")
def pictures(plan) -> dict[str, bytes]:
    return views.build(plan)


def pixels(content: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB")).astype(float)


def place_on(plan, name: str, points) -> np.ndarray:
    """Column and row on the page of points in the patient."""
    corner = np.array([IMAGE_LEFT_PX, IMAGE_TOP_PX])
    return CAMERAS[name](plan).projected(points, IMAGE_PX) + corner


def hue_near(image: np.ndarray, colour: str) -> np.ndarray:
    """Pixels whose colour points the same way as ``colour``, whatever their light.

    Shading scales a colour; 0.97 is 14 degrees between colours, nearer than any two of those drawn.
    """
    wanted = rgb(colour) / np.linalg.norm(rgb(colour))
    size = np.maximum(np.linalg.norm(image, axis=2), 1.0)
    return (image @ wanted / size > 0.97) & (size > 60.0)


@needs_opengl
def test_there_are_five_pictures_of_one_size(pictures):
    assert set(pictures) == NAMES
    for content in pictures.values():
        image = pixels(content)
        assert image.shape == (1200, 1600, 3)
        drawn = image[IMAGE_TOP_PX + 60 : IMAGE_TOP_PX + 1000, 80:1150]
        assert 0.05 < np.mean(drawn.min(axis=2) < 230) < 0.999  # neither blank nor filled


@needs_opengl
def test_each_is_known_as_the_programs_own(pictures, tmp_path):
    (tmp_path / "views").mkdir()
    for name, content in pictures.items():
        assert b"template-designer" in content[:256]
        path = tmp_path / "views" / f"{name}.png"
        path.write_bytes(content)
    assert _is_ours(tmp_path / "views")
    Image.new("RGB", (9, 9)).save(tmp_path / "views" / "mine.png")
    assert not _is_ours(tmp_path / "views")


@needs_opengl
def test_the_same_pictures_twice(plan, pictures):
    assert views.build(plan) == pictures  # one machine, one driver


def middle_of(plan, name: str) -> np.ndarray:
    return plan.surfaces[name][1].vertices_lps_mm.mean(axis=0)


@needs_opengl
@pytest.mark.parametrize("name", ["side", "cord"])
def test_the_target_stands_where_the_camera_projects_it(plan, pictures, name):
    image = pixels(pictures[name])
    vertices = plan.surfaces["GTV"][1].vertices_lps_mm
    column, row = place_on(plan, name, middle_of(plan, "GTV"))[0]
    # a ball of 20 mm: half its radius round the centre is target, with needles and seeds on it
    reach = int(0.5 * np.ptp(place_on(plan, name, vertices)[:, 1]) / 2)
    part = image[int(row) - reach : int(row) + reach, int(column) - reach : int(column) + reach]
    assert reddish(part).mean() > 0.4  # see-through, so what stands behind it tints it
    everywhere = reddish(image[IMAGE_TOP_PX:, : IMAGE_LEFT_PX + IMAGE_PX[0]])
    rows, columns = np.nonzero(everywhere)
    # needles, plate and cord cover it unevenly: half its radius
    assert abs(np.median(columns) - column) < reach
    assert abs(np.median(rows) + IMAGE_TOP_PX - row) < reach


def reddish(image: np.ndarray) -> np.ndarray:
    red, green, blue = (image[:, :, k] for k in range(3))
    return (red > 1.25 * green) & (green > 1.1 * blue)


@needs_opengl
@pytest.mark.parametrize("name", ["operator", "cord"])
def test_nothing_is_mirrored(plan, pictures, name):
    """The cord lies on one side of the target: it is there, and not where a mirror puts it."""
    image = pixels(pictures[name])
    colour = avoid_colours(plan)["SpinalCord"]
    blue = hue_near(image[:, IMAGE_LEFT_PX : IMAGE_LEFT_PX + IMAGE_PX[0]], colour)
    blue[: IMAGE_TOP_PX + 60] = False  # the letter at the upper edge
    column = place_on(plan, name, middle_of(plan, "SpinalCord"))[0, 0] - IMAGE_LEFT_PX
    mirrored = IMAGE_PX[0] - column
    assert abs(column - mirrored) > 200  # else this test could not fail
    found = np.median(np.nonzero(blue)[1])
    assert blue.sum() > 500
    assert abs(found - column) < 60  # the plate or the target may cover a part of it


@needs_opengl
def test_needles_have_the_colour_of_their_clearance(plan, pictures):
    near = replace(plan.needles[0], clearance_mm={"SpinalCord": 41.0, "Aorta": 25.0})
    template = replace(plan.templates[0], needles=(near, *plan.needles[1:]))
    image = pixels(views._operator(replace(plan, templates=(template,))))
    for needle, colour in ((near, BAND_COLOURS[3]), (plan.needles[1], BAND_COLOURS[0])):
        hub = views.needle_ends(needle)[0]
        column, row = np.rint(place_on(plan, "operator", hub)[0]).astype(int)
        assert np.abs(image[row, column] - rgb(colour)).max() <= 2  # drawn without shading


@pytest.mark.parametrize(
    ("clearance", "colour"),
    [
        (9.999, BROKEN_COLOUR),
        (10.0, BAND_COLOURS[0]),
        (10.0 - 1e-12, BAND_COLOURS[0]),
        (11.999, BAND_COLOURS[0]),
        (12.0, BAND_COLOURS[1]),
        (29.9, BAND_COLOURS[3]),
        (500.0, BAND_COLOURS[4]),
    ],
)
def test_the_scale_starts_at_the_rule(plan, clearance, colour):
    needle = replace(plan.needles[0], clearance_mm={"SpinalCord": 70.0, "Aorta": clearance})
    scale = clearance_scale(plan)
    assert scale.rule_mm == 10.0
    assert scale.colour(needle) == colour
    texts = dict((c, t) for t, c in scale.legend((needle,)))
    assert "mm" in texts[colour]


def test_a_narrower_rule_does_not_count(plan):
    rules = (*plan.rules, replace(plan.rules[0], structure="Lung", clearance_mm=1.0))
    needle = replace(plan.needles[0], clearance_mm={"Aorta": 25.0, "Lung": 1.2})
    assert clearance_scale(replace(plan, rules=rules)).clearance_mm(needle) == 25.0


@pytest.mark.parametrize("name", sorted(NAMES))
def test_letters_name_the_side_they_stand_on(plan, name):
    view = CAMERAS[name](plan)
    ends = {"L": (1, 0, 0), "P": (0, 1, 0), "H": (0, 0, 1), "R": (-1, 0, 0), "A": (0, -1, 0),
            "F": (0, 0, -1)}  # fmt: skip
    sides = {"left": (0, -1), "right": (0, 1), "top": (1, -1), "bottom": (1, 1)}
    centre = view.projected(view.focus_lps_mm, IMAGE_PX)[0]
    for edge, letters in edge_letters(view).items():
        axis, sign = sides[edge]
        there = view.focus_lps_mm + 30.0 * np.array(ends[letters[0]])
        moved = view.projected(there, IMAGE_PX)[0] - centre
        assert sign * moved[axis] > 0.0, (edge, letters)
    for letter, (right, up) in cube_letters(view).items():
        moved = view.projected(view.focus_lps_mm + 30.0 * np.array(ends[letter]), IMAGE_PX)[0]
        px = 30.0 * 0.5 * IMAGE_PX[1] / view.half_height_mm
        assert moved - centre == pytest.approx([right * px, -up * px], abs=1e-6)  # rounding
        assert np.dot(ends[letter], view.forward_lps) < 0.0  # this face looks at the viewer


def test_from_the_feet_the_patients_right_is_on_the_left():
    view = View(np.zeros(3), np.array([0.0, 0.0, 1.0]), np.array([0.0, -1.0, 0.0]), 100.0)
    assert edge_letters(view) == {"left": "R", "right": "L", "top": "A", "bottom": "P"}
    assert set(cube_letters(view)) == {"F"}


def test_the_cord_is_found_by_its_name_and_direction(plan):
    name, direction = views_cameras.cord_direction(plan)
    along_y = plan.templates[0].lps_from_template[:3, 1]  # as the fixture lays it
    assert name == "SpinalCord"
    assert abs(direction @ along_y) == pytest.approx(1.0, abs=1e-3)  # facets of the tube
    assert direction[2] > 0.9  # towards the head: one looks from the feet
    bare = {n: s for n, s in plan.surfaces.items() if s[0] is not SurfaceRole.AVOID}
    assert views_cameras.cord_direction(replace(plan, surfaces=bare))[0] is None


@needs_opengl
def test_a_plan_without_surfaces_or_needles_can_be_drawn(plan):
    empty = replace(
        plan,
        templates=(replace(plan.templates[0], needles=()),),
        surfaces={},
        rules=(),
        dose=DoseField(plan.dose.grid, np.zeros(plan.dose.grid.shape)),
    )
    assert set(views.build(empty)) == NAMES


@needs_opengl
def test_names_are_drawn_as_they_stand(plan):
    surfaces = {
        "$x^2$ <b>" + 60 * "long ": plan.surfaces["GTV"],
        "_hidden\n\u202e甲": plan.surfaces["Aorta"],
    }
    assert len(views._side(replace(plan, surfaces=surfaces))) > 10_000  # no command, no error


def test_isodose_surfaces_lie_where_the_dose_is(plan):
    surfaces = isodoses.isodose_surfaces(replace(plan, dose=real_dose(plan)))
    assert tuple(surfaces) == isodoses.LEVELS_PCT
    from dose import dose_at_points

    centers = np.array([s.center_lps_mm for n in plan.needles for s in n.seeds])
    for pct, surface in surfaces.items():
        some = surface.vertices_lps_mm[:: max(1, len(surface.vertices_lps_mm) // 200)]
        gy = dose_at_points(
            plan.source.model, centers, isodoses._seed_axes(plan), plan.air_kerma_strength_u, some
        )
        level = 0.01 * pct * plan.prescription_gy
        # linear between voxels of 2 mm in a dose that falls as a square: 10 % is 0.3 mm 5 mm away
        assert np.median(np.abs(gy / level - 1.0)) < 0.1, pct


def real_dose(plan) -> DoseField:
    """TG-43 dose on a grid far too small for 50 %: the surface must not end at its border."""
    from dose import DoseGrid, dose_on_grid

    centers = np.array([s.center_lps_mm for n in plan.needles for s in n.seeds])
    grid = DoseGrid.from_bounds(centers.min(axis=0) - 1.0, centers.max(axis=0) + 1.0, 2.0)
    axes = isodoses._seed_axes(plan)
    return dose_on_grid(plan.source.model, centers, axes, plan.air_kerma_strength_u, grid)


def test_isodose_surfaces_are_closed_and_wound_outwards(plan):
    import trimesh

    volumes = []
    for surface in isodoses.isodose_surfaces(replace(plan, dose=real_dose(plan))).values():
        mesh = trimesh.Trimesh(surface.vertices_lps_mm, surface.faces)
        assert mesh.is_watertight
        volumes.append(mesh.volume)
    assert volumes == sorted(volumes, reverse=True)
    assert volumes[-1] > 0.0


def test_without_opengl_it_says_what_to_install(plan, monkeypatch):
    monkeypatch.setattr(opengl, "_PROBE", "import os; os.abort()")
    rendering_problem.cache_clear()
    try:
        with pytest.raises(SkippedFileError, match="apt install libegl1 libgl1"):
            views.build(plan)
    finally:
        rendering_problem.cache_clear()


@needs_opengl
def test_the_target_is_in_its_colour_behind_the_plate(plan):
    """Without its mesh the place would not be orange: the picture is of this target."""
    rest = {n: s for n, s in plan.surfaces.items() if n != "GTV"}
    column, row = np.rint(place_on(plan, "operator", middle_of(plan, "GTV"))[0]).astype(int)
    share = [
        hue_near(
            pixels(views._operator(p))[row - 60 : row + 60, column - 60 : column + 60],
            TARGET_COLOUR,
        ).mean()
        for p in (plan, replace(plan, surfaces=rest))
    ]
    assert share[0] > 0.05  # through the bores, as it is; through the plate it is paler
    assert share[1] < 0.005
