"""Sums of polygons and convex outlines, against brute force and against shapely's buffer."""

from itertools import pairwise

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from template_designer.geometry.minkowski import minkowski_union

DIAMOND = np.array([[3.0, 0.0], [0.0, 1.0], [-2.0, 0.0], [0.0, -4.0]])


def circle_outline(radius, corners=64):
    angle = 2.0 * np.pi * np.arange(corners) / corners
    return radius * np.column_stack([np.cos(angle), np.sin(angle)])


def star(points, seed):
    """A random star-shaped polygon: convex and reflex corners of every sharpness."""
    rng = np.random.default_rng(seed)
    angle = np.sort(rng.uniform(0.0, 2.0 * np.pi, points))
    radius = rng.uniform(2.0, 12.0, points)
    ring = radius[:, None] * np.column_stack([np.cos(angle), np.sin(angle)])
    return shapely.make_valid(shapely.Polygon(ring))


def brute_force(shape, outline):
    """Union of the hulls that the outline sweeps along every edge, and the shifted shape."""
    swept = [shapely.affinity.translate(shape, *outline.mean(axis=0))]
    for polygon in shapely.get_parts(shape):
        for ring in (polygon.exterior, *polygon.interiors):
            corners = shapely.get_coordinates(ring)
            for a, b in pairwise(corners):
                ends = np.vstack([a + outline, b + outline])
                swept.append(shapely.convex_hull(shapely.MultiPoint(ends)))
    return shapely.union_all(swept)


@settings(max_examples=40)
@given(points=st.integers(5, 24), seed=st.integers(0, 10_000))
def test_the_sum_with_any_polygon_is_what_the_outline_sweeps(points, seed):
    shape = star(points, seed)
    if shape.geom_type != "Polygon":
        return
    exact = brute_force(shape, DIAMOND)
    found = minkowski_union([(shape, DIAMOND)])
    # corners are rounded to 1e-8 mm: times the length of the border, with room for slivers
    assert found.symmetric_difference(exact).area < 1e-4


def test_holes_shrink_and_vanish():
    wide = shapely.box(0, 0, 40, 40)
    ring = wide.difference(shapely.box(8, 8, 16, 32)).difference(shapely.box(25, 25, 27, 27))
    found = minkowski_union([(ring, DIAMOND)])
    assert found.symmetric_difference(brute_force(ring, DIAMOND)).area < 1e-4
    assert len(found.interiors) == 1  # the hole of 2 x 2 mm is filled, that of 8 x 24 mm is not
    assert shapely.Polygon(found.interiors[0]).area == pytest.approx(
        (8 - 3 - 2) * (24 - 1 - 4), rel=0.5
    )


def test_a_ball_is_a_buffer_and_a_point_is_a_shift():
    shape = star(15, 3)
    outline = circle_outline(5.0)
    found = minkowski_union([(shape, outline)])
    # a regular 64-gon lies within its circle by 5 (1 - cos(pi / 64)) = 0.006 mm
    assert found.hausdorff_distance(shape.buffer(5.0, 64)) < 0.05
    shifted = minkowski_union([(shape, np.array([[3.0, -2.0]]))])
    assert shifted.symmetric_difference(shapely.affinity.translate(shape, 3.0, -2.0)).area < 1e-6


def test_a_line_sweeps_a_band():
    swept = minkowski_union([(shapely.box(0, 0, 4, 2), np.array([[0.0, 0.0], [10.0, 0.0]]))])
    assert (
        swept.equals(shapely.box(0, 0, 14, 2))
        or swept.symmetric_difference(shapely.box(0, 0, 14, 2)).area < 1e-6
    )


def test_sums_of_several_parts_are_joined_and_none_is_nothing():
    parts = [(shapely.box(x, 0, x + 1, 1), circle_outline(1.0)) for x in (0.0, 2.0, 10.0)]
    found = minkowski_union(parts)
    assert len(shapely.get_parts(found)) == 2  # the first two meet
    assert minkowski_union([]).is_empty
