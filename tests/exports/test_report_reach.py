"""The picture of what seeds reach: the hatched part is where it lies, the bars are the numbers."""

import io
import math
from dataclasses import replace

import numpy as np
import pytest
import trimesh
from PIL import Image

from exports import report_reach
from exports.opengl import SkippedFileError
from exports.slice_layers import Window
from exports.slice_planes import axial_plane
from template_designer.model import ImageVolume, Reach, Surface, SurfaceRole

WINDOW = Window(-60.0, 60.0, -60.0, 60.0)


def ball(radius_mm, center=(0.0, 0.0, 0.0), *, inside_out=False) -> tuple:
    mesh = trimesh.creation.icosphere(subdivisions=4, radius=radius_mm)
    mesh.apply_translation(center)
    faces = mesh.faces[:, ::-1] if inside_out else mesh.faces
    return np.asarray(mesh.vertices), np.asarray(faces)


def joined(*parts) -> Surface:
    counts = np.cumsum([0, *(len(vertices) for vertices, _ in parts)])
    return Surface(
        np.vstack([vertices for vertices, _ in parts]),
        np.vstack([faces + n for (_, faces), n in zip(parts, counts[:-1], strict=True)]),
    )


def plan_with(plan, hidden: Surface | None, **changes):
    """The exporters' plan on a CT of water, with a part of its target out of reach."""
    target = plan.surfaces["GTV"][1].vertices_lps_mm
    low = target.min(axis=0) - 60.0
    shape = tuple(np.ceil((np.ptp(target, axis=0)[::-1] + 120.0) / 3.0).astype(int))
    ct = ImageVolume(np.zeros(shape, np.int16), low, np.eye(3), np.full(3, 3.0), "")
    surfaces = {n: s for n, s in plan.surfaces.items() if s[0] is not SurfaceRole.BONE}
    if hidden is not None:
        surfaces["GTV out of reach"] = (SurfaceRole.HIDDEN, hidden)
    return replace(plan, ct=ct, surfaces=surfaces, **changes)


def middle(plan):
    corners = plan.surfaces["GTV"][1].vertices_lps_mm
    return 0.5 * (corners.min(axis=0) + corners.max(axis=0))


def pixels(plan):
    return np.asarray(Image.open(io.BytesIO(report_reach.build(plan))).convert("RGB")).astype(int)


def hatching(image):
    """Columns and rows of the hatching in the axial panel."""
    panel = image[110:620, :500]
    return np.nonzero(np.abs(panel - (0xF0, 0xE4, 0x42)).max(axis=2) < 40)[::-1]


def test_a_section_is_as_large_as_the_ball_is_there():
    surface = joined(ball(20.0))
    for z_mm in (0.3, 12.0, -17.0):
        cut = report_reach.section(surface, axial_plane("", z_mm), WINDOW)
        # 642 to 2562 corners: the polygons of the ball lie up to 0.3 % inside it
        assert cut.area == pytest.approx(math.pi * (400.0 - z_mm**2), rel=0.01)


def test_a_hole_stays_a_hole_and_two_parts_stay_two():
    hollow = joined(ball(20.0), ball(10.0, inside_out=True))
    cut = report_reach.section(hollow, axial_plane("", 0.3), WINDOW)
    assert cut.area == pytest.approx(math.pi * (400.0 - 100.0), rel=0.01)
    two = joined(ball(8.0, (-20.0, 0.0, 0.0)), ball(8.0, (20.0, 0.0, 0.0)))
    cut = report_reach.section(two, axial_plane("", 0.3), WINDOW)
    assert len(cut.geoms) == 2
    assert report_reach.section(two, axial_plane("", 30.0), WINDOW).is_empty


def test_the_hatching_lies_on_the_side_where_the_part_lies(plan):
    """Axial slices are seen from the feet: what is on the patient's left is right of the middle."""
    sides = []
    for shift_mm in (-14.0, 14.0):  # towards the patient's left is +x
        bare = plan_with(plan, None)
        beside = np.add(middle(bare), (shift_mm, 0.0, 0.0))
        columns, _ = hatching(pixels(plan_with(plan, joined(ball(5.0, beside)))))
        assert len(columns) > 100
        sides.append(np.median(columns))
    # 28 mm on 84 mm of 487 pixels
    assert sides[1] - sides[0] == pytest.approx(28.0 / 84.0 * 487.0, rel=0.05)


def test_where_seeds_reach_all_nothing_is_hatched(plan):
    whole = plan_with(plan, None, reach=Reach(100.0, {}, 100.0))
    assert report_reach.hidden_part(whole) is None
    assert report_reach.shares(whole) == [("seeds reach", 100.0)]
    assert len(hatching(pixels(whole))[0]) == 0
    planes = report_reach.planes_of(whole, None)
    assert all("middle of the target" in plane.title for plane in planes)


def test_bars_are_the_shares_of_the_plan(plan):
    reach = Reach(
        60.0, {"SpinalCord": 30.0, "Aorta and a very long $name$ of a vessel": 10.0}, 90.0
    )
    image = pixels(plan_with(plan, joined(ball(5.0, middle(plan_with(plan, None)))), reach=reach))
    blue = np.abs(image[:, 1100:] - (0x00, 0x72, 0xB2)).max(axis=2) < 12
    # the axis has 130 % on 0.16 of 1500 pixels; the black edge of the bar takes one on each side
    assert abs(blue.sum(axis=1).max() - 60.0 / 130.0 * 240.0) <= 3.0


def test_it_is_the_same_every_time_and_needs_the_ct(plan):
    made = plan_with(plan, joined(ball(5.0, middle(plan_with(plan, None)))))
    assert report_reach.build(made) == report_reach.build(made)
    with pytest.raises(SkippedFileError, match="without its CT"):
        report_reach.build(replace(made, ct=None))
