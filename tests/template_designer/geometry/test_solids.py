import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from template_designer.geometry.contours import cross_sections
from template_designer.geometry.margin import expanded
from template_designer.geometry.sampling import closed_surface, volume_samples
from template_designer.geometry.solids import blend, build_solid, linked_groups
from template_designer.model import ImageVolume
from tests.template_designer.geometry.shapes import box, circle, roi, rotation, turned


def slab_volume_cm3(structure):
    """Area of the contours times their spacing: the definition the solid must keep."""
    sections = cross_sections(structure)
    return sum(s.area for s in sections.shapes) * np.median(np.diff(sections.w_mm)) / 1000.0


def image(slices=21, spacing=5.0, z0=-50.0):
    return ImageVolume(
        np.zeros((slices, 4, 4), np.int16),
        np.array([-100.0, -100.0, z0]),
        np.eye(3),
        np.array([50.0, 50.0, spacing]),
        "1.2.3",
    )


@given(
    radius=st.floats(3.0, 25.0),
    spacing=st.floats(0.8, 6.0),
    shift=st.floats(0.0, 1.5),
    angle=st.floats(0.0, 3.0),
)
def test_a_slanted_tube_keeps_its_slab_volume_however_it_lies(radius, spacing, shift, angle):
    # every slice is displaced by up to 1.5 radii: plain mixing of distances would thin it
    rings = [circle(radius, k * spacing, (k * shift * radius, 0.0), 96) for k in range(5)]
    structure = roi(turned(rings, rotation([1.0, 1.0, 0.2], angle)))
    # 1e-3 of a grid cell a layer, and outlines on a 1 mm grid: 1 % at a radius of 3 mm
    assert build_solid(structure).volume_cm3 == pytest.approx(slab_volume_cm3(structure), rel=0.015)


def test_a_cone_between_two_slices_has_the_mean_area_in_between():
    lower, upper = shapely.Point(0, 0).buffer(4.0, 64), shapely.Point(0, 0).buffer(10.0, 64)
    areas = [shape.area for shape in blend(lower, upper, [0.25, 0.5, 0.75])]
    wanted = [lower.area + t * (upper.area - lower.area) for t in (0.25, 0.5, 0.75)]
    assert areas == pytest.approx(wanted, rel=0.01)  # outlines on a 1 mm grid


def test_parts_that_meet_nothing_end_half_way():
    a, b = shapely.box(0, 0, 5, 5), shapely.box(20, 0, 24, 4)  # farther apart than their size
    quarter, three_quarters = blend(a, b, [0.25, 0.75])
    assert quarter.equals(a)
    assert three_quarters.equals(b)


def test_parts_are_linked_by_overlap_alone():
    lower = shapely.union_all([shapely.box(0, 0, 4, 4), shapely.box(10, 0, 14, 4)])
    upper = shapely.union_all([shapely.box(2, 0, 12, 4), shapely.box(30, 0, 31, 1)])
    groups = linked_groups(lower, upper)
    assert len(groups) == 2
    joined = next(g for g in groups if g[0] is not None)
    assert (joined[0].area, joined[1].area) == (32.0, 40.0)


def test_holes_go_through():
    rings = [ring for z in (0.0, 3.0, 6.0) for ring in (circle(10.0, z), circle(5.0, z))]
    solid = build_solid(roi(rings))
    exact = np.pi * (10.0**2 - 5.0**2) * 9.0 / 1000.0
    assert solid.volume_cm3 == pytest.approx(exact, rel=1e-3)  # 256-gon: area 1e-4 short


def test_ends_go_on_for_half_a_spacing_and_a_single_slice_has_the_scan_spacing():
    solid = build_solid(roi([box((0, 10), (0, 10), z) for z in (0.0, 4.0)]))
    assert (solid.slabs[0].w_low_mm, solid.slabs[-1].w_high_mm) == (-2.0, 6.0)
    single = build_solid(roi([box((0, 10), (0, 10), 0.0)]), image(spacing=5.0))
    assert single.volume_cm3 == pytest.approx(0.5)


def test_a_drawn_slice_is_kept_exactly():
    rings = [circle(9.0, 0.0), circle(12.0, 5.0, (2.0, 1.0)), circle(8.0, 10.0)]
    solid = build_solid(roi(rings))
    middle = next(slab for slab in solid.slabs if slab.w_low_mm < 5.0 < slab.w_high_mm)
    assert middle.shape.symmetric_difference(shapely.Polygon(rings[1][:, :2])).area < 1e-9


def test_layers_are_thin_and_leave_no_gap():
    solid = build_solid(roi([circle(9.0, z) for z in (0.0, 5.0, 8.0, 10.5)]))
    for low, high in zip(solid.slabs[:-1], solid.slabs[1:], strict=True):
        assert low.w_high_mm == pytest.approx(high.w_low_mm, abs=1e-9)
    assert max(s.w_high_mm - s.w_low_mm for s in solid.slabs[1:-1]) <= 1.0 + 1e-9


def test_sparse_contours_are_bridged_with_a_warning_and_far_ones_kept_apart():
    sparse = build_solid(roi([circle(10.0, z) for z in (-40.0, -30.0, -20.0)]), image(spacing=5.0))
    assert [w.code for w in sparse.warnings] == ["contours-sparse"]
    exact = np.pi * 100.0 * 30.0 / 1000.0
    assert sparse.volume_cm3 == pytest.approx(exact, rel=0.01)
    apart = build_solid(
        roi([circle(10.0, z) for z in (-40.0, -35.0, -30.0, 10.0, 15.0)]), image(spacing=5.0)
    )
    assert [w.code for w in apart.warnings] == ["contours-apart"]
    assert apart.volume_cm3 == pytest.approx(np.pi * 100.0 * 25.0 / 1000.0, rel=0.01)


def test_structures_that_end_with_the_scan_are_open_there():
    cord = build_solid(roi([circle(6.0, -50.0 + 5.0 * k) for k in range(21)]), image())
    assert (cord.open_low, cord.open_high) == (True, True)
    tumour = build_solid(roi([circle(6.0, 5.0 * k) for k in range(4)]), image())
    assert (tumour.open_low, tumour.open_high) == (False, False)


def test_samples_share_the_volume_exactly_and_lie_inside():
    solid = build_solid(
        roi(turned([circle(8.0, z) for z in (0.0, 2.0, 4.0)], rotation([1, 0, 0], 1)))
    )
    points, weights = volume_samples(solid, 1.0)
    assert weights.sum() == pytest.approx(solid.volume_cm3, rel=1e-12)
    # whole grid cells at a round outline: the centre of gravity is within a tenth of a cell
    np.testing.assert_allclose(
        np.average(points, axis=0, weights=weights), solid.centroid_lps_mm, atol=0.1
    )


def test_the_surface_for_pictures_is_closed_and_outward():
    import trimesh

    solid = build_solid(roi([circle(12.0, float(z)) for z in range(0, 24, 3)]))
    surface = closed_surface(solid, 1.0)
    mesh = trimesh.Trimesh(surface.vertices_lps_mm, surface.faces, process=False)
    assert mesh.is_watertight
    assert mesh.volume / 1000.0 == pytest.approx(
        solid.volume_cm3, rel=0.05
    )  # half a cell all round
    np.testing.assert_allclose(mesh.center_mass, solid.centroid_lps_mm, atol=0.1)


@pytest.mark.parametrize("margin", [3.0, 5.0])
def test_a_margin_grows_in_three_dimensions(margin):
    radius = 10.0
    heights = np.arange(-9.5, 10.0, 1.0)
    ball = build_solid(roi([circle(np.sqrt(radius**2 - z**2), z) for z in heights]))
    grown = expanded(ball, margin)
    exact = 4.0 / 3.0 * np.pi * (radius + margin) ** 3 / 1000.0
    # the corners of the ball's 1 mm layers stand out by up to 0.35 mm: 3 x 0.35 / 13 outwards
    assert exact <= grown.volume_cm3 <= 1.08 * exact
    assert expanded(ball, 0.0) is ball


def test_rings_drawn_twice_a_hair_apart_are_one_slice():
    rings = [ring for z in (0.0, 3.0, 6.0) for ring in (circle(5.0, z), circle(5.0, z + 0.03))]
    assert build_solid(roi(rings)).volume_cm3 == pytest.approx(np.pi * 25 * 9 / 1000, rel=0.01)


def test_an_outline_drawn_again_a_little_inside_is_no_shell():
    rings = [ring for z in (0.0, 3.0, 6.0) for ring in (circle(5.0, z), circle(4.99, z))]
    solid = build_solid(roi(rings))
    assert solid.volume_cm3 == pytest.approx(np.pi * 25 * 9 / 1000, rel=0.01)
    assert [w.code for w in solid.warnings] == ["contours-cross"]


def test_a_ring_run_round_twice_keeps_its_area():
    rings = [np.vstack([circle(5.0, z), circle(5.0, z)]) for z in (0.0, 3.0, 6.0)]
    assert build_solid(roi(rings)).volume_cm3 == pytest.approx(np.pi * 25 * 9 / 1000, rel=0.01)


def test_a_forgotten_stretch_of_an_avoided_structure_is_closed():
    rings = [circle(5.0, z) for z in (-12.0, -9.0, -6.0, 9.0, 12.0)]
    apart = build_solid(roi(rings), image(spacing=3.0))
    joined = build_solid(roi(rings), image(spacing=3.0), bridge_all=True)
    assert apart.volume_cm3 == pytest.approx(np.pi * 25 * 15 / 1000, rel=0.01)
    assert joined.volume_cm3 == pytest.approx(np.pi * 25 * 27 / 1000, rel=0.01)
    assert "joined" in joined.warnings[0].text
    far_aside = [circle(5.0, z, (0.0 if z < 0 else 40.0, 0.0)) for z in (-9.0, -6.0, 9.0, 12.0)]
    lone = build_solid(roi(far_aside), image(spacing=3.0), bridge_all=True)
    assert lone.volume_cm3 == pytest.approx(np.pi * 25 * 12 / 1000, rel=0.01)


@pytest.mark.parametrize(("radius", "spacing", "slant"), [(5.0, 5.0, 60.0), (3.0, 5.0, 45.0)])
def test_a_slanted_vessel_keeps_its_width_between_slices(radius, spacing, slant):
    shift = spacing * np.tan(np.radians(slant))
    lower = shapely.Point(0, 0).buffer(radius, 64)
    upper = shapely.Point(shift, 0).buffer(radius, 64)
    (middle,) = blend(lower, upper, [0.5])
    low_v, high_v = middle.bounds[1], middle.bounds[3]
    assert high_v - low_v == pytest.approx(2 * radius, abs=0.1)  # 1 mm grid


def test_parts_thinner_than_the_grid_do_not_vanish_between_slices():
    a, b = shapely.Point(0, 0).buffer(0.3), shapely.Point(0.2, 0).buffer(0.3)
    assert all(shape.area >= 0.5 * a.area for shape in blend(a, b, [0.2, 0.5, 0.8]))


def test_a_steep_vessel_whose_slices_do_not_overlap_is_followed_from_one_to_the_next():
    lower, upper = shapely.Point(0, 0).buffer(3.0, 64), shapely.Point(8, 0).buffer(3.0, 64)
    (middle,) = blend(lower, upper, [0.5])
    exact = shapely.Point(4, 0).buffer(3.0, 64)
    assert middle.symmetric_difference(exact).area < 0.05 * exact.area  # outline on a 1 mm grid
