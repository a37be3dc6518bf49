"""Slices: never mirrored, every number of the plan where it belongs."""

import io
from dataclasses import replace
from itertools import pairwise

import matplotlib.image
import numpy as np
import pytest
from matplotlib.colors import to_hex

from exports import slices
from exports.again import read_plan
from exports.opengl import SkippedFileError
from exports.slice_draw import label_places
from exports.slice_layers import (
    AIR_HU,
    NeedlePart,
    Outlines,
    Window,
    ct_values,
    dose_values,
    labelled_needles,
    needle_ends,
    needle_parts,
    raster_points,
    seed_marks,
)
from exports.slice_looks import structure_looks
from exports.slice_planes import (
    axial_plane,
    axial_planes,
    middle_planes,
    needle_planes,
    side_letters,
    target_centre,
)
from template_designer._version import SOFTWARE_NAME
from template_designer.model import ImageVolume
from template_designer.model.derived import Margin
from template_designer.planning.evaluate import Seeds
from tests.paths import DEMO

AXES = np.eye(3)


@pytest.fixture(scope="module")
def demo(planned_demo):
    return read_plan(planned_demo[0], DEMO / "case.toml")


@pytest.fixture(scope="module")
def sheets(demo):
    return slices.build(demo)


def made_ct(axes=AXES, spacing=(2.0, 3.0, 4.0), shape=(60, 100, 130), origin=(-100, -100, -400)):
    """CT numbers that rise with x, y and z, so that a voxel tells where it lies."""
    k, j, i = np.indices(shape)
    index = np.stack([i, j, k], axis=-1) * np.array(spacing)
    lps = index @ np.asarray(axes) + np.array(origin, dtype=float)
    hu = np.rint(lps @ (1.0, 2.0, 3.0)).astype(np.int16)
    return ImageVolume(
        hu, np.array(origin, dtype=float), np.asarray(axes, float), np.array(spacing, float), ""
    )


def pixels(content: bytes) -> np.ndarray:
    return matplotlib.image.imread(io.BytesIO(content), format="png")[:, :, :3]


def sheet_pixels(figure) -> np.ndarray:
    figure.canvas.draw()
    return np.asarray(figure.canvas.buffer_rgba())[:, :, :3] / 255.0


def test_planes_are_seen_as_radiology_sees_them(demo):
    left, posterior, head = AXES
    axial = axial_planes(demo)[0]
    assert axial.letters() == ("R", "L", "A", "P")
    np.testing.assert_array_equal(axial.flat(left), [[1.0, 0.0]])  # left is on the right
    np.testing.assert_array_equal(axial.flat(posterior), [[0.0, -1.0]])  # the back is below
    np.testing.assert_array_equal(axial.forward_lps, head)  # from the feet
    sagittal, coronal = middle_planes(demo)
    assert sagittal.letters() == ("A", "P", "H", "F")
    np.testing.assert_array_equal(sagittal.forward_lps, -left)  # from the left
    assert coronal.letters() == ("R", "L", "H", "F")
    np.testing.assert_array_equal(coronal.forward_lps, posterior)  # from the front
    x_mm, y_mm, _ = target_centre(demo)
    for plane in (sagittal, coronal):
        # the plane goes through the middle it names: rounding of floats only
        assert plane.behind_mm(target_centre(demo))[0] == pytest.approx(0.0, abs=1e-9)
    assert f"x = {x_mm:.2f} mm" in sagittal.place
    assert f"y = {y_mm:.2f} mm" in coronal.place


@pytest.mark.parametrize(
    ("direction", "letters"),
    [((1, 0, 0), "L"), ((0, -1, 0), "A"), ((0, 0, -1), "F"), ((-0.6, 0.8, 0.0), "PR"),
     ((0.95, 0.3, 0.0), "L")],
)  # fmt: skip
def test_letters_name_the_direction(direction, letters):
    assert side_letters(np.array(direction, dtype=float)) == letters


def test_axial_planes_lie_on_the_slices_of_the_rows(demo):
    planes = axial_planes(demo)
    heights = [plane.offset_mm for plane in planes]
    assert heights == sorted(heights, reverse=True)  # from the head down
    ct = demo.ct
    steps = (np.array(heights) - ct.origin_lps_mm[2]) / ct.spacing_mm[2]
    np.testing.assert_allclose(steps, np.round(steps), atol=1e-9)
    (template,) = demo.templates
    rows = {needle.label.lstrip("ABCDEFGHJKLMNPQRSTUVWXYZ") for needle in template.needles}
    named = {plane.title.split("row ")[1].split(" ")[0] for plane in planes}
    assert named == rows
    for plane in planes:
        row = plane.title.split("row ")[1].split(" ")[0]
        for needle in template.needles:
            if needle.label[1:] == row:
                assert abs(needle.tip_lps_mm[2] - plane.offset_mm) <= 2.5  # half a pitch


def test_where_slices_are_not_axial_the_row_itself_is_cut(plan):
    turn = np.array([[1.0, 0, 0], [0, 0.8, 0.6], [0, -0.6, 0.8]])
    turned = replace(plan, ct=made_ct(axes=turn))
    # oblique needles: each row at the mean level of its seeds
    by_row = {}
    for needle in plan.needles:
        by_row.setdefault(needle.label[1:], []).extend(s.center_lps_mm[2] for s in needle.seeds)
    wanted = sorted((np.mean(levels) for levels in by_row.values()), reverse=True)
    got = [plane.offset_mm for plane in axial_planes(turned)]
    np.testing.assert_allclose(got, wanted, atol=1e-9)


def test_needle_planes_hold_their_needles_and_no_other(plan, demo):
    for each in (plan, demo):
        (template,) = each.templates
        x, y, z = template.lps_from_template[:3, :3].T
        columns = [p for p in needle_planes(each, template) if "column" in p.title]
        assert {p.title[-1] for p in columns} == {n.label[0] for n in template.needles}
        for plane in columns:
            np.testing.assert_allclose(plane.right_lps, z)  # needles point right
            np.testing.assert_allclose(plane.up_lps, -y)  # the operator's up
            np.testing.assert_allclose(plane.forward_lps, -x, atol=1e-9)  # from the right
            for needle in template.needles:
                far = np.abs(plane.behind_mm(needle_ends(needle)))
                if needle.label[0] == plane.title[-1]:
                    assert far.max() < 1e-3  # plan.json rounds to 1e-4 mm
                else:
                    assert far.min() > 4.9  # a pitch away
    rows = [p for p in needle_planes(plan, plan.templates[0]) if "row" in p.title]
    assert {p.title.split("row ")[1] for p in rows} == {n.label[1:] for n in plan.needles}
    assert not [p for p in needle_planes(demo, demo.templates[0]) if "row" in p.title]  # axial


@pytest.mark.parametrize("turned", [False, True])
def test_ct_numbers_are_those_of_the_place(plan, turned):
    turn = np.array([[0.0, 1.0, 0], [0.6, 0, 0.8], [0.8, 0, -0.6]]) if turned else AXES
    ct = made_ct(axes=turn)
    inner = ct.origin_lps_mm + np.array([120.0, 150.0, 110.0]) @ ct.axes_lps
    checked = 0
    for plane in (axial_plane("", inner[2]), *middle_planes(plan)):
        plane = replace(plane, offset_mm=float(inner @ plane.forward_lps))
        right, up = plane.flat(inner)[0]
        window = Window(right - 8.0, right + 8.0, up - 5.0, up + 5.0)
        points = raster_points(plane, window)
        values = ct_values(ct, plane, window).ravel()
        # linear in place, so trilinear is exact: voxels are rounded to whole numbers
        np.testing.assert_allclose(values, points @ (1.0, 2.0, 3.0), atol=0.51)
        checked += len(points)
        beyond = Window(right - 1000.0, right - 990.0, up - 5.0, up + 5.0)
        assert (ct_values(ct, plane, beyond) == AIR_HU).all()  # nothing was scanned there
    assert checked > 2000


def test_what_lies_left_is_right_in_the_picture(plan):
    """A bright block in the patient's left front, found among the pixels of the sheet."""
    seen = axial_planes(plan)[:1]
    window = slices.window_of(plan, seen)
    ct = made_ct(spacing=(1.0, 1.0, 2.0), shape=(60, 320, 300), origin=(-60, -100, -340))
    x_mm = window.left_mm + 0.80 * window.size_mm[0]  # right of the middle: towards the left side
    y_mm = -(window.bottom_mm + 0.75 * window.size_mm[1])  # up: towards the front
    hu = np.full(ct.hu.shape, -1000, dtype=np.int16)
    _, j, i = np.rint(ct.index_of(np.array([[x_mm, y_mm, seen[0].offset_mm]]))[0]).astype(int)
    hu[:, j - 3 : j + 4, i - 3 : i + 4] = 1000
    bare = replace(plan, ct=replace(ct, hu=hu), surfaces={}, rois=None)
    seen = axial_planes(bare)[:1]
    figure = slices.draw(bare, seen)
    (axes,) = figure.axes
    image = sheet_pixels(figure)
    column, row = axes.transData.transform((x_mm, -y_mm))
    row = image.shape[0] - row
    patch = image[round(row) - 8 : round(row) + 8, round(column) - 8 : round(column) + 8]
    assert patch.min() > 0.95
    middle = axes.get_window_extent()
    assert column > middle.x0 + 0.7 * middle.width  # the patient's left, on the right
    assert row < image.shape[0] - middle.y0 - 0.6 * middle.height  # the front, above
    mirrored = round(middle.x0 + middle.x1 - column)
    other = image[round(row) - 8 : round(row) + 8, mirrored - 8 : mirrored + 8]
    assert np.median(other) < 0.05  # air; an isodose line may pass there


def test_left_organs_and_needles_are_drawn_right(demo):
    """The demo is reached from behind on the left; its left kidney lies left of the cord."""
    (row_12,) = [p for p in axial_planes(demo) if "row 12" in p.title]
    window, outlines = slices.window_of(demo, [row_12]), Outlines.of(demo)
    (cord,) = outlines.cut("SpinalCord", row_12, window)
    (kidney, *_) = outlines.cut("Kidney_L", row_12, window)
    assert kidney[:, 0].min() > cord[:, 0].max()
    figure = slices.draw(demo, [row_12], outlines)
    image = sheet_pixels(figure)
    for part in needle_parts(labelled_needles(demo), row_12, 2.5):
        assert part.in_plane
        skin, tip = part.ends_mm
        assert skin[0] > tip[0]  # from the left
        assert skin[1] < tip[1]  # from behind
        spot = 0.9 * skin + 0.1 * tip
        column, row = figure.axes[0].transData.transform(spot)
        assert image[round(image.shape[0] - row), round(column)].min() > 0.8  # a white needle


def test_contours_of_an_axial_slice_are_the_drawn_ones(demo):
    plane = axial_planes(demo)[1]
    outlines, window = Outlines.of(demo), slices.window_of(demo, axial_planes(demo))
    for name in ("GTV", "SpinalCord", "Aorta"):
        (roi,) = [roi for roi in demo.rois.rois if roi.name == name]
        rings = [r for r in roi.rings_lps_mm if abs(r[0, 2] - plane.offset_mm) < 0.01]
        drawn = np.vstack([plane.flat(ring) for ring in rings])
        cut = np.vstack(outlines.cut(name, plane, window))
        # corner for corner: the files' coordinates are rounded to 1e-2 mm at worst
        nearest = np.linalg.norm(cut[:, None] - drawn[None], axis=2)
        assert nearest.min(axis=1).max() < 0.01, name
        assert nearest.min(axis=0).max() < 0.01, name


def test_other_planes_cut_the_same_solids(demo):
    """Sagittal cuts meet axial ones where the planes cross, to the steps of slices and meshes."""
    outlines = Outlines.of(demo)
    axial = axial_planes(demo)[2]
    wide = Window(-300.0, 300.0, -400.0, 300.0)
    for name in ("GTV", "Aorta", "Kidney_L"):  # the kidney has no surface: drawn slices
        flat = np.vstack(outlines.cut(name, axial, wide))
        x_mm = float(0.5 * (flat[:, 0].min() + flat[:, 0].max()))
        sagittal, _ = middle_planes(demo)
        sagittal = replace(sagittal, offset_mm=-x_mm)
        window = Window(-150.0, 200.0, -340.0, -220.0)
        lines = outlines.cut(name, sagittal, window)
        z_mm = axial.offset_mm
        crossed = [
            a[0] + (z_mm - a[1]) / (b[1] - a[1]) * (b[0] - a[0])
            for line in lines
            for a, b in pairwise(line)
            if (a[1] - z_mm) * (b[1] - z_mm) < 0.0
        ]
        ring = np.vstack([flat, flat[:1]])
        wanted = [
            -(a[1] + (x_mm - a[0]) / (b[0] - a[0]) * (b[1] - a[1]))
            for a, b in pairwise(ring)
            if (a[0] - x_mm) * (b[0] - x_mm) < 0.0
        ]
        assert crossed, name
        # a surface is true to half its grid of 1 mm, a raster to 0.5 mm, corners to both
        assert min(crossed) == pytest.approx(min(wanted), abs=1.2), name
        assert max(crossed) == pytest.approx(max(wanted), abs=1.2), name


def test_a_target_with_a_margin_is_cut_as_it_was_planned_not_as_it_was_drawn(demo):
    grown = demo.settings.target.model_copy(update={"margin_mm": Margin.uniform(3.0)})
    changed = replace(demo, settings=demo.settings.model_copy(update={"target": grown}))
    assert "GTV" in Outlines.of(demo).drawn
    outlines = Outlines.of(changed)
    assert "GTV" not in outlines.drawn
    plane = axial_planes(demo)[1]
    assert outlines.cut("GTV", plane, slices.window_of(demo, [plane]))  # its surface


def test_dose_is_the_plans_and_goes_on_beyond_its_grid(demo):
    plane = axial_planes(demo)[2]
    window = slices.window_of(demo, [plane])
    points = raster_points(plane, window)
    dose_gy = dose_values(demo, plane, window).ravel()
    grid = demo.dose.grid
    inside = ((points >= grid.origin_mm) & (points <= grid.upper_mm)).all(axis=1)
    assert 0.05 < inside.mean() < 0.95
    np.testing.assert_array_equal(dose_gy[inside], demo.dose.interpolate(points[inside]))
    seeds = Seeds.of(demo.templates, demo.source.model, demo.air_kerma_strength_u)
    np.testing.assert_allclose(dose_gy[~inside], seeds.dose_gy(points[~inside]), rtol=1e-12)
    # the 50 % line runs outside the grid, or this would not be needed
    assert dose_gy[~inside].max() > 0.5 * demo.prescription_gy


def test_isodose_lines_run_at_their_dose(demo):
    plane = axial_planes(demo)[2]
    figure = slices.draw(demo, [plane])
    seeds = Seeds.of(demo.templates, demo.source.model, demo.air_kerma_strength_u)
    sets = [c for c in figure.axes[0].collections if hasattr(c, "levels")]
    assert [float(c.levels[0]) for c in sets] == [50.0, 100.0, 150.0, 200.0]
    for lines in sets:
        flat = np.vstack([path.vertices for path in lines.get_paths()])
        dose_pct = 100.0 / demo.prescription_gy * seeds.dose_gy(plane.lps(flat))
        # 1 mm voxels and a 0.5 mm raster: 1 % at 50 %, more where seeds are near
        error = np.abs(dose_pct / float(lines.levels[0]) - 1.0)
        assert np.quantile(error, 0.95) < 0.04
        assert np.median(error) < 0.01


def test_every_seed_is_filled_on_the_slice_it_lies_in(demo):
    filled = 0
    for plane in axial_planes(demo):
        figure = slices.draw(demo, [plane])
        boxes = [patch for patch in figure.axes[0].patches if len(patch.get_xy()) == 5]
        solid = [patch for patch in boxes if patch.get_facecolor()[3] == 1.0]
        assert all(to_hex(patch.get_facecolor()) == "#000000" for patch in solid)
        near = [
            seed.center_lps_mm
            for needle in demo.needles
            for seed in needle.seeds
            if abs(seed.center_lps_mm[2] - plane.offset_mm) <= 2.5
        ]
        drawn = np.array([patch.get_xy()[:4].mean(axis=0) for patch in solid])
        wanted = np.array(near)[:, :2] * (1.0, -1.0)
        order = [np.lexsort(np.round(points, 3).T) for points in (drawn, wanted)]
        np.testing.assert_allclose(drawn[order[0]], wanted[order[1]], atol=1e-6)
        filled += len(solid)
    assert filled == demo.seed_count  # rows lie a slice apart: none twice, none missed


def test_needles_across_a_plane_are_thick_only_in_it(demo):
    sagittal, _ = middle_planes(demo)
    labelled = labelled_needles(demo)
    parts = needle_parts(labelled, sagittal, 2.5)
    crossing = {
        label
        for label, n in labelled.items()
        if np.ptp(np.sign(sagittal.behind_mm(needle_ends(n))))
    }
    assert crossing <= {part.label for part in parts}
    for label in crossing:
        own = [part for part in parts if part.label == label]
        whole = np.ptp(sagittal.flat(needle_ends(labelled[label])), axis=0)
        length = sum(np.linalg.norm(np.diff(part.ends_mm, axis=0)) for part in own)
        assert length == pytest.approx(np.linalg.norm(whole), abs=1e-6)  # nothing twice or lost
        (thick,) = [part for part in own if part.in_plane]
        # 2.5 mm, and 0.001 mm for rounding, to either side: the way through by the slope
        axis = np.diff(needle_ends(labelled[label]), axis=0)[0]
        slope = np.linalg.norm(axis[1:]) / abs(axis[0])
        assert np.linalg.norm(np.diff(thick.ends_mm, axis=0)) <= 5.002 * slope + 1e-6
    for mark in seed_marks(labelled.values(), sagittal, 5.0):
        assert mark.in_plane == (abs(mark.behind_mm) <= 2.501)
        assert abs(mark.behind_mm) < 5.0


def test_two_plates_keep_their_needles_apart(two_plates):
    labelled = labelled_needles(two_plates)
    assert len(labelled) == len(two_plates.needles)
    assert {"T1:K10", "T2:J7"} <= set(labelled)
    names = [name for name, _ in slices.sheets(replace(two_plates, ct=made_ct()))]
    assert {"axial", "sagittal-coronal", "needles-T1", "needles-T2"} <= set(names)


def test_labels_stand_apart_and_inside():
    window = Window(0.0, 120.0, 0.0, 100.0)
    parts = [
        NeedlePart(f"H{row}", np.array([[90.0, 20.0 + 1.5 * row], [10.0, 60.0]]), True)
        for row in range(1, 9)
    ]
    places = label_places(parts, window, 5.0)
    assert [label for label, _ in places] == sorted(part.label for part in parts)
    high_mm = 8.5 / 72.0 * 100.0 / 5.0  # of a line of 8.5 points at 100 dpi and 5 pixels a mm
    for n, (_, here) in enumerate(places):
        assert 0.0 < here[0] < 120.0
        assert 0.0 < here[1] < 100.0
        for _, other in places[:n]:
            assert abs(here[1] - other[1]) > high_mm or abs(here[0] - other[0]) > high_mm


def test_the_target_stands_out_and_the_nearest_organs_have_colours(demo):
    looks = structure_looks(demo, Outlines.of(demo).names())
    coloured = {name for name, look in looks.items() if not look.named}
    assert {"GTV", "SpinalCord", "Aorta", "IVC", "OtherVessels"} <= coloured
    pairs = [(looks[n].colour, str(looks[n].dash)) for n in coloured]
    assert len(set(pairs)) == len(pairs)
    assert len({looks[n].colour for n in coloured}) == len(coloured)


def test_sheets_are_signed_and_the_same_twice(demo, sheets):
    more = {name for name in sheets if name.startswith("needles-")}  # where one page is too few
    assert set(sheets) - more == {"axial", "sagittal-coronal", "needles"}
    assert slices.build(demo) == sheets
    for name, content in sheets.items():
        assert SOFTWARE_NAME.encode() in content[:256], name
        image = pixels(content)
        assert image.shape[1] == slices.WIDTH_PX
        assert image.shape[0] < 1.5 * slices.WIDTH_PX
        assert 0.2 < np.mean(image.max(axis=2) < 0.9) < 0.95  # neither blank nor filled


def test_without_the_ct_it_says_so(plan):
    assert plan.ct is None
    with pytest.raises(SkippedFileError, match="name its case"):
        slices.build(plan)


def test_many_rows_are_spread_over_even_sheets(plan, monkeypatch):
    planes = tuple(axial_plane(str(n), float(n)) for n in range(7))
    monkeypatch.setattr(slices, "axial_planes", lambda plan: planes)
    found = dict(slices.sheets(plan))
    assert [len(found[name]) for name in ("axial", "axial-2")] == [4, 3]
    assert (*found["axial"], *found["axial-2"]) == planes
