"""Distances do not depend on the region that they were prepared for, nor on what is passed over."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial import cKDTree

from template_designer.errors import GeometryError
from template_designer.geometry._kernels import signed_distance_layers
from template_designer.geometry.contours import polygon_edges
from template_designer.geometry.distance import DistanceField
from template_designer.geometry.lattice import plate_gap_mm
from template_designer.geometry.sampling import cap_samples, surface_samples
from template_designer.geometry.solids import build_solid
from tests.template_designer.geometry.shapes import box, circle, roi

WAYS = ("clearance_mm", "depth_mm", "signed_mm", "inside")


def tilted_tube(heights):
    """A tube that runs aside as it rises, with a gap of empty slices in the middle."""
    rings = [circle(9.0, z, (0.4 * z, -0.2 * z), 60) for z in heights if not -9.0 < z < 9.0]
    return build_solid(roi(rings, "tube"))


@pytest.fixture(scope="module")
def tube():
    return tilted_tube(np.arange(-45.0, 46.0, 3.0))


def points(low, high, count=4000):
    return np.random.default_rng(7).uniform(low, high, (count, 3))


def test_a_larger_region_gives_the_same_distances(tube):
    here = points((-30.0, -25.0, -40.0), (35.0, 30.0, 50.0))
    small = DistanceField.around(tube, here)
    large = DistanceField.around(tube, np.array([[-131.3, -90.0, -150.0], [97.7, 140.2, 150.0]]))
    for way in WAYS:
        # the same nodes, counted from another one: rounding of 100 mm in 64 bits
        np.testing.assert_allclose(
            getattr(small, way)(here), getattr(large, way)(here), rtol=0.0, atol=1e-11
        )


@pytest.mark.parametrize("end", [{}, {"open_low": True}, {"open_high": True}])
def test_slabs_that_are_passed_over_would_not_have_been_nearer(tube, end):
    everywhere = points((-90.0, -90.0, -110.0), (90.0, 90.0, 110.0), 20_000)
    field = DistanceField.around(replace(tube, **end), everywhere)
    thorough = replace(field, nearest=np.full_like(field.nearest, -1e9))  # passes nothing over
    for way in WAYS:
        np.testing.assert_array_equal(
            getattr(field, way)(everywhere), getattr(thorough, way)(everywhere)
        )
    distances = field.clearance_mm(everywhere)
    assert (distances == 60.0).any()
    assert ((distances > 20.0) & (distances < 60.0)).any()


def test_far_nodes_hold_something_between_the_limit_and_the_distance():
    edges = polygon_edges(build_solid(roi([box((-5, 5), (-3, 3), 0.0)], "box")).slabs[0].shape)
    exact, cut = np.zeros((1, 90, 110), np.float32), np.zeros((1, 90, 110), np.float32)
    starts = np.array([0, len(edges)])
    signed_distance_layers(edges, starts, -60.0, -40.0, 1.0, exact)
    signed_distance_layers(edges, starts, -60.0, -40.0, 1.0, cut, 12.0)
    near = exact <= 12.0
    np.testing.assert_array_equal(cut[near], exact[near])
    assert (cut[~near] > 12.0).all()
    assert (cut[~near] <= exact[~near] + 1e-5).all()  # float32 at 100 mm
    assert (cut[~near] < exact[~near] - 0.1).any()  # or the test would prove nothing


def test_the_gap_of_a_plate_is_that_of_the_skin_points_under_it(tube):
    """Against the same samples taken and turned in one go."""
    rng = np.random.default_rng(3)
    for _ in range(5):
        rotation = np.linalg.qr(rng.standard_normal((3, 3)))[0]
        rotation[:, 2] *= np.sign(np.linalg.det(rotation))
        frame = np.eye(4)
        frame[:3, :3], frame[:3, 3] = rotation, rng.uniform(-20.0, 20.0, 3)
        skin = np.vstack([surface_samples(tube, 0.5), cap_samples(tube, 0.5)])
        local = (skin - frame[:3, 3]) @ rotation
        under = (np.abs(local[:, 0]) <= 15.5) & (np.abs(local[:, 1]) <= 20.5)
        expected = -local[under, 2].min() if under.any() else -np.inf
        assert plate_gap_mm(tube, frame, (30.0, 40.0, 20.0)) == pytest.approx(expected, abs=1e-9)


def test_a_field_that_grew_is_the_one_made_at_once(tube):
    """Grown by a step aside, by slabs above, and from a region where the tube is not near."""
    everywhere = points((-190.0, -80.0, -120.0), (60.0, 90.0, 110.0), 10_000)
    at_once = DistanceField.around(tube, everywhere)
    grown = DistanceField.around(tube, np.array([[-190.0, -80.0, -120.0], [-180.0, -70.0, -119.0]]))
    assert grown.box.empty  # over 60 mm off: nothing to hold
    for low, high in [
        ((-20.0, -10.0, -40.0), (15.0, 20.0, -20.0)),
        ((-20.0, -10.0, -30.0), (60.0, 20.0, 10.0)),
        ((-30.0, -80.0, -120.0), (0.0, 90.0, 110.0)),
    ]:
        grown = grown.grown(np.array([low, high]))
    assert grown.box == at_once.box
    near = at_once.layers < 60.0  # what stands in for far nodes depends on where blocks begin
    np.testing.assert_array_equal(grown.layers[near], at_once.layers[near])
    assert (grown.layers[~near] >= 60.0).all()
    for way in WAYS:
        np.testing.assert_array_equal(
            getattr(grown, way)(everywhere), getattr(at_once, way)(everywhere)
        )


def test_far_beside_a_solid_no_nodes_are_held_and_nothing_changes(tube):
    far_off = points((-400.0, -300.0, -60.0), (400.0, 300.0, 60.0), 20_000)
    field = DistanceField.around(tube, far_off)
    rows, columns, _ = field.box.shape
    assert max(rows, columns) < 200  # of 800 and 600 that were asked for
    own = tube.to_lps(np.vstack([surface_samples(tube, 1.0), cap_samples(tube, 1.0)]))
    distance = cKDTree(own).query(far_off)[0]
    beyond = distance > 61.0  # samples lie up to 0.7 mm from the nearest place of the surface
    assert 0 < beyond.sum() < len(far_off)
    assert (field.clearance_mm(far_off[beyond]) == 60.0).all()
    assert (field.clearance_mm(far_off) <= distance + 1e-9).all()
    assert not field.inside(far_off[distance > 20.0]).any()


def test_a_height_outside_the_region_is_refused_as_well(tube):
    field = DistanceField.around(tube, np.array([[0.0, 0.0, 0.0], [1.0, 1.0, 10.0]]))
    with pytest.raises(GeometryError, match="outside the region"):
        field.clearance_mm(np.array([[0.5, 0.5, 14.0]]))
