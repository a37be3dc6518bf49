import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial import cKDTree

from template_designer.errors import GeometryError
from template_designer.geometry._kernels import interpolation_error, signed_distance_grid
from template_designer.geometry.contours import polygon_edges
from template_designer.geometry.distance import FAR_MM, NODE_MM, DistanceField, box_corners
from template_designer.geometry.sampling import surface_samples
from template_designer.geometry.solids import build_solid
from tests.template_designer.geometry.shapes import box, circle, roi, rotation, turned

REGION = box_corners([-45.0] * 3, [45.0] * 3)
LOSS_MM = 0.72  # what a distance may be short by: 0.71 node spacings (interpolation_error)


def box_solid(matrix=None):
    rings = [box((-10, 10), (-6, 6), z) for z in (-8.0, -4.0, 0.0, 4.0, 8.0)]
    return build_solid(roi(rings if matrix is None else turned(rings, matrix)))


def box_distance(points):
    """Exact distance to the box of box_solid: 20 x 12 x 20 mm round the origin."""
    beyond = np.abs(points) - np.array([10.0, 6.0, 10.0])
    outside = np.linalg.norm(np.maximum(beyond, 0.0), axis=1)
    return np.where((beyond < 0).all(axis=1), beyond.max(axis=1), outside)


@given(
    point=st.tuples(*[st.floats(-25.0, 25.0)] * 3),
    angle=st.floats(0.0, 3.1),
    axis=st.sampled_from([(0.0, 0.0, 1.0), (1.0, 0.0, 0.0), (1.0, 2.0, 3.0)]),
)
def test_distance_to_a_box_is_never_too_large_and_never_far_off(point, angle, axis):
    matrix = rotation(axis, angle)
    field = DistanceField.around(box_solid(matrix), REGION)
    exact = box_distance(np.array([point]))[0]
    there = (matrix @ np.array(point))[None, :]
    # 1e-5: float32 nodes of distances up to 60 mm
    if exact > 1e-6:
        assert exact - LOSS_MM <= field.clearance_mm(there)[0] <= exact + 1e-5
        assert field.depth_mm(there)[0] == 0.0
    elif exact < -1e-6:
        assert -exact - LOSS_MM <= field.depth_mm(there)[0] <= -exact + 1e-5
        assert field.clearance_mm(there)[0] == 0.0


def test_at_ten_millimetres_almost_nothing_is_lost():
    field = DistanceField.around(box_solid(), REGION)
    rng = np.random.default_rng(7)
    points = rng.uniform(-30.0, 30.0, (20_000, 3))
    exact = box_distance(points)
    near = (exact > 9.5) & (exact < 15.0)
    lost = exact[near] - field.clearance_mm(points[near])
    assert lost.min() > -1e-5
    # obliquely above an edge x mm aside: x * interpolation_error(x) / d, largest at x = 2.5 mm
    assert lost.max() < 0.19
    assert np.median(lost) < 0.04


def lumpy_structure():
    """Slices of 3 mm that wander, branch and carry a hole: nothing about it is convenient."""
    rng = np.random.default_rng(3)
    rings = []
    for k in range(8):
        angle = np.linspace(0.0, 2.0 * np.pi, 60, endpoint=False)
        radius = 9.0 + 2.0 * np.sin(3 * angle + k) + 0.5 * rng.standard_normal(60)
        ring = np.column_stack(
            [2.0 * k - 8.0 + radius * np.cos(angle), radius * np.sin(angle), np.full(60, 3.0 * k)]
        )
        rings.append(ring)
        if 2 <= k <= 4:
            rings.append(circle(3.0, 3.0 * k, (2.0 * k - 8.0, 0.0), 40))
        if k >= 5:
            rings.append(circle(4.0, 3.0 * k, (25.0, 20.0), 40))
    return roi(rings)


def test_no_contour_point_is_nearer_than_the_distance_says():
    structure = lumpy_structure()
    field = DistanceField.around(build_solid(structure), REGION)
    dense = np.vstack([sampled(ring, 0.05) for ring in structure.rings_lps_mm])
    points = np.random.default_rng(11).uniform(-40.0, 40.0, (20_000, 3))
    brute, _ = cKDTree(dense).query(points)
    outside = ~field.inside(points)
    distance = field.clearance_mm(points[outside])
    assert np.all(distance <= brute[outside] + 1e-5)


def test_the_distance_is_that_to_the_densely_sampled_surface():
    solid = build_solid(lumpy_structure())
    field = DistanceField.around(solid, REGION)
    tree = cKDTree(surface_samples(solid, 0.1))
    points = np.random.default_rng(12).uniform(-40.0, 40.0, (10_000, 3))
    outside = ~field.inside(points)
    brute, _ = tree.query(points[outside])
    distance = field.clearance_mm(points[outside])
    below_or_above = np.abs(points[outside, 2] - 10.5) > 12.0  # faces hold no samples
    assert np.all(distance <= brute + 1e-5)
    assert np.all(distance[~below_or_above] >= brute[~below_or_above] - LOSS_MM - 0.6)


def test_where_the_scan_ends_anatomy_goes_on():
    from dataclasses import replace

    closed = box_solid()
    opened = replace(closed, open_low=True, open_high=True)
    beyond = np.array([[0.0, 0.0, 20.0], [0.0, 16.0, -30.0]])
    field = DistanceField.around(opened, REGION)
    assert field.inside(beyond).tolist() == [True, False]
    assert field.clearance_mm(beyond)[1] == pytest.approx(10.0, abs=0.05)
    centre = np.array([[0.0, 0.0, 9.5]])
    assert DistanceField.around(closed, REGION).depth_mm(centre)[0] == pytest.approx(0.5, abs=1e-6)
    assert field.depth_mm(centre)[0] == pytest.approx(6.0, abs=0.07)  # the side is nearest now


def test_an_empty_stretch_between_two_parts_is_outside():
    rings = [circle(20.0, z) for z in (-20.0, -17.0, -14.0, 14.0, 17.0, 20.0)]
    field = DistanceField.around(build_solid(roi(rings)), REGION)
    inside = np.array([[0.0, 0.0, 16.0], [0.0, 0.0, -16.0]])
    np.testing.assert_allclose(field.depth_mm(inside), 3.5, atol=1e-6)  # faces at +-12.5, +-21.5
    assert field.clearance_mm(np.zeros((1, 3)))[0] == pytest.approx(12.5, abs=1e-6)


def test_far_is_far():
    region = np.array([[0.0, 0.0, 200.0], [10.0, 10.0, 210.0]])
    field = DistanceField.around(box_solid(), region)
    assert field.clearance_mm(region).tolist() == [FAR_MM, FAR_MM]


def test_points_outside_the_region_are_refused():
    field = DistanceField.around(box_solid(), REGION)
    with pytest.raises(GeometryError, match="outside the region"):
        field.clearance_mm(np.array([[0.0, 90.0, 0.0]]))
    with pytest.raises(GeometryError, match="outside the region"):
        field.clearance_mm(np.array([[np.nan, 0.0, 0.0]]))


def test_the_compiled_grid_is_its_plain_python_source():
    edges = polygon_edges(build_solid(lumpy_structure()).slabs[3].shape)
    fast, slow = np.zeros((30, 41)), np.zeros((30, 41))
    signed_distance_grid(edges, -20.0, -15.0, 1.1, fast)
    getattr(signed_distance_grid, "py_func", signed_distance_grid)(edges, -20.0, -15.0, 1.1, slow)
    np.testing.assert_allclose(fast, slow, atol=1e-12)


def test_the_error_bound_holds_for_the_hardest_set_a_point():
    # a point has the most curved distance: compare bilinear interpolation with the truth
    rng = np.random.default_rng(5)
    for _ in range(2_000):
        corner, f = rng.uniform(0.0, 20.0, 2), rng.uniform(0.0, 1.0, 2)
        nodes = corner + NODE_MM * np.array([[0, 0], [1, 0], [0, 1], [1, 1]])
        weights = np.outer([1 - f[1], f[1]], [1 - f[0], f[0]]).ravel()
        interpolated = weights @ np.linalg.norm(nodes, axis=1)
        exact = np.linalg.norm(corner + NODE_MM * f)
        assert interpolated - interpolation_error(interpolated, NODE_MM) <= exact + 1e-12


def sampled(ring, step_mm):
    points = []
    for a, b in zip(ring, np.roll(ring, -1, axis=0), strict=True):
        count = max(1, int(np.ceil(np.linalg.norm(b - a) / step_mm)))
        points.append(a + (b - a) * (np.arange(count) / count)[:, None])
    return np.vstack(points)
