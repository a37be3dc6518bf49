import numpy as np
import pytest

from template_designer.errors import GeometryError
from template_designer.geometry.contours import (
    combine_rings,
    cross_sections,
    polygon_edges,
    ring_area,
)
from tests.template_designer.geometry.shapes import box, circle, roi, rotation, turned


def square(low, high):
    return box((low, high), (low, high), 0.0)[:, :2]


def test_rings_in_rings_are_holes_and_islands():
    shape, crossed = combine_rings([square(4, 6), square(0, 10), square(2, 8)], xor=False)
    assert shape.area == pytest.approx(100 - 36 + 4)
    assert not crossed


def test_rings_side_by_side_add_up():
    shape, _ = combine_rings([square(0, 2), square(5, 6)], xor=False)
    assert shape.area == pytest.approx(5.0)


def test_a_keyhole_is_a_hole():
    outer, inner = [[0, 0], [10, 0], [10, 10], [0, 10], [0, 5]], [[3, 5], [3, 3], [7, 3], [7, 7],
                                                                  [3, 7], [3, 5]]  # fmt: skip
    ring = np.array([*outer, *inner, [0, 5]], dtype=float)  # in along y = 5, round, and out again
    assert ring_area(ring).area == pytest.approx(100 - 16)


def test_a_bow_tie_keeps_both_wings():
    assert ring_area(np.array([[0, 0], [4, 4], [4, 0], [0, 4]], dtype=float)).area == pytest.approx(
        8.0
    )


def test_rings_that_cross_are_joined_and_said_so():
    shape, crossed = combine_rings([square(0, 4), square(3, 6)], xor=False)
    assert shape.area == pytest.approx(16 + 9 - 1)
    assert crossed
    structure = roi([box((0, 4), (0, 4), 0.0), box((3, 6), (3, 6), 0.0)])
    assert [w.code for w in cross_sections(structure).warnings] == ["contours-cross"]


def test_exclusive_or_where_the_file_says_so():
    shape, crossed = combine_rings([square(0, 4), square(3, 6)], xor=True)
    assert shape.area == pytest.approx(16 + 9 - 2)
    assert not crossed


def test_slices_are_found_in_any_order_and_orientation():
    rings = [circle(5.0, z) for z in (6.0, 0.0, 3.0)]
    matrix = rotation([1.0, 2.0, 0.5], 0.7)
    sections = cross_sections(roi(turned(rings, matrix)))
    np.testing.assert_allclose(np.diff(sections.w_mm), 3.0, atol=1e-9)
    np.testing.assert_allclose(np.abs(sections.axes[2] @ matrix[:, 2]), 1.0, atol=1e-9)
    np.testing.assert_allclose(np.cross(sections.axes[0], sections.axes[1]), sections.axes[2])


def test_axial_structures_keep_the_patient_axes():
    assert np.array_equal(cross_sections(roi([circle(5.0, 1.0)])).axes, np.eye(3))


def test_rounded_coordinates_do_not_tilt_the_plane():
    ring = circle(30.0, 12.0)
    ring[:, 2] += np.random.default_rng(1).uniform(-0.005, 0.005, len(ring))
    assert cross_sections(roi([ring])).axes[2, 2] == pytest.approx(1.0, abs=1e-8)


def test_a_ring_out_of_plane_is_refused():
    ring = circle(10.0, 0.0)
    ring[::2, 2] += 4.0
    with pytest.raises(GeometryError, match="leaves its plane"):
        cross_sections(roi([ring, circle(10.0, 5.0)]))


def test_rings_without_area_are_refused():
    with pytest.raises(GeometryError, match="enclose no area"):
        cross_sections(roi([[[0, 0, 0], [1, 0, 0], [2, 0, 0]]]))


def test_edges_go_round_every_ring():
    shape, _ = combine_rings([square(0, 10), square(2, 8)], xor=False)
    edges = polygon_edges(shape)
    lengths = np.hypot(edges[:, 2] - edges[:, 0], edges[:, 3] - edges[:, 1])
    assert lengths.sum() == pytest.approx(40 + 24)
