"""Distances to drawn outlines, against shapes whose distances are known."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from template_designer.checking.outlines import build_outlines, inside_rings, signed_distance_mm
from template_designer.checking.segments import segment_distances_mm
from template_designer.checking.volumes import fill
from template_designer.errors import GeometryError

CHORD_MM = 0.01
"""A circle of up to 20 mm drawn with 180 corners: chords lie at most 0.003 mm inside it."""

coordinate = st.floats(-20.0, 20.0)
point = st.tuples(coordinate, coordinate, coordinate)


def circle(radius_mm, z_mm, centre=(0.0, 0.0), corners=180):
    angles = 2.0 * np.pi * np.arange(corners) / corners
    xy = np.column_stack([np.cos(angles), np.sin(angles)]) * radius_mm + centre
    return np.column_stack([xy, np.full(corners, z_mm)])


def cylinder(radius_mm=10.0, steps=5):
    """Slices at z = 0, 5, ...: a cylinder from -2.5 to 5 (steps - 1) + 2.5 mm."""
    return build_outlines("cylinder", [circle(radius_mm, 5.0 * k) for k in range(steps)])


@given(point, point, point, point)
def test_segments_are_as_far_apart_as_their_nearest_samples(a, b, c, d):
    a, b, c, d = (np.array(p) for p in (a, b, c, d))
    found = float(segment_distances_mm(a, b, c[None], d[None])[0])
    shares = np.linspace(0.0, 1.0, 81)[:, None]
    here, there = a + shares * (b - a), c + shares * (d - c)
    sampled = float(np.linalg.norm(here[:, None] - there[None], axis=2).min())
    # a sample lies within half a step of any point of its segment
    steps = (np.linalg.norm(b - a) + np.linalg.norm(d - c)) / 80.0 / 2.0
    assert found <= sampled + 1e-9
    assert sampled <= found + steps + 1e-9
    swapped = float(segment_distances_mm(c, d, b[None], a[None])[0])
    assert swapped == pytest.approx(found, abs=1e-6)  # squares of up to 60 mm in double precision


def test_parallel_and_crossing_segments_and_points():
    z = np.zeros(3)
    x, up = np.array([10.0, 0.0, 0.0]), np.array([[0.0, 3.0, 4.0]])
    assert segment_distances_mm(z, x, up, up + x)[0] == pytest.approx(5.0, abs=1e-12)
    assert segment_distances_mm(z, x, up, up)[0] == pytest.approx(5.0, abs=1e-12)
    crossing = np.array([[5.0, -1.0, 0.0]]), np.array([[5.0, 1.0, 0.0]])
    assert segment_distances_mm(z, x, *crossing)[0] == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize(
    ("start", "end", "distance"),
    [
        ((30, 0, -10), (30, 0, 40), 20.0),  # beside it, along it
        ((0, 0, 40), (0, 0, 60), 17.5),  # above its upper end, 22.5 mm
        ((-50, 0, 30), (50, 0, 30), 7.5),  # over its flat end: only the middle is near
        ((13, -40, 26.5), (13, 40, 26.5), 5.0),  # oblique over the rim: 3 aside, 4 up
        ((-50, 3, 10), (50, 3, 10), 0.0),  # through it
    ],
)
def test_needles_beside_a_cylinder(start, end, distance):
    solid = cylinder()
    start, end = np.array(start, dtype=float), np.array(end, dtype=float)
    found = solid.needle_mm(start, end)
    # never too large; the fall between points 0.1 mm apart is taken off: 0.05 mm where it touches
    assert found <= distance + CHORD_MM
    assert found >= distance - 0.06
    assert solid.drawn_mm(start, end) >= distance - 1e-9  # less is drawn than meant


def test_a_cone_between_slices_is_followed_and_never_left():
    cone = build_outlines("cone", [circle(4.0, 0.0), circle(16.0, 5.0)])
    # half way its radius is 10 mm
    inside = cone.contains(np.array([[9.9, 0.0, 2.5], [10.1, 0.0, 2.5]]))
    assert inside.tolist() == [True, False]
    side = np.array([[4.0 + 12.0 * t, 5.0 * t] for t in np.linspace(0.0, 1.0, 2001)])
    for x, z in ((14.0, 1.0), (20.0, 2.5), (10.0, 0.5)):
        sampled = float(np.linalg.norm(side - [x, z], axis=1).min())
        found = float(cone.away_mm(np.array([[x, 0.0, z]]))[0])
        # beside a cone the mixture is its distance; samples lie 0.007 mm apart
        assert found == pytest.approx(sampled, abs=CHORD_MM)


@given(st.floats(-30.0, 30.0), st.floats(-30.0, 30.0), st.floats(-12.0, 32.0))
def test_distances_to_a_cylinder_are_never_too_large_and_hardly_too_small(x, y, z):
    exact_side = max(0.0, math.hypot(x, y) - 10.0)
    exact_end = max(0.0, -2.5 - z, z - 22.5)
    found = float(cylinder().away_mm(np.array([[x, y, z]]))[0])
    assert found == pytest.approx(math.hypot(exact_side, exact_end), abs=CHORD_MM)


@given(st.floats(-9.0, 9.0), st.floats(-2.0, 2.0), st.floats(-2.0, 22.0))
def test_depths_in_a_cylinder(x, y, z):
    exact = min(10.0 - math.hypot(x, y), z + 2.5, 22.5 - z)
    found = float(cylinder().depth_mm(np.array([[x, y, z]]))[0])
    assert found == pytest.approx(max(0.0, exact), abs=CHORD_MM)


def test_holes_and_keyholes_are_no_part():
    ring = [circle(10.0, z) for z in (0.0, 5.0)] + [circle(4.0, z)[::-1] for z in (0.0, 5.0)]
    pipe = build_outlines("pipe", ring)
    points = np.array([[0.0, 0.0, 2.5], [7.0, 0.0, 2.5]])
    assert pipe.contains(points).tolist() == [False, True]
    assert pipe.away_mm(points) == pytest.approx([4.0, 0.0], abs=CHORD_MM)
    keyhole = np.vstack([circle(10.0, 0.0), circle(10.0, 0.0)[:1], circle(4.0, 0.0)[::-1][-1:],
                         circle(4.0, 0.0)[::-1]])  # fmt: skip
    assert inside_rings((keyhole[:, :2],), points[:, :2]).tolist() == [False, True]
    assert signed_distance_mm((circle(10.0, 0.0)[:, :2],), points[:1, :2]) == pytest.approx(
        [-10.0], abs=CHORD_MM
    )


def test_the_end_of_the_scan_is_no_end_of_the_anatomy():
    rings = [circle(10.0, 5.0 * k) for k in range(4)]
    scan = np.array([[0.0, 0.0, 5.0 * k] for k in range(4)])
    cut = build_outlines("cord", rings, scan)
    above = np.array([[0.0, 0.0, 40.0], [15.0, 0.0, 40.0]])
    assert cut.away_mm(above) == pytest.approx([0.0, 5.0], abs=CHORD_MM)
    longer = np.array([[0.0, 0.0, 5.0 * k - 50.0] for k in range(30)])
    assert build_outlines("cord", rings, longer).away_mm(above[:1])[0] == pytest.approx(22.5)


def test_a_forgotten_slice_opens_no_way_through_what_needles_avoid():
    rings = [circle(10.0, z) for z in (0.0, 5.0, 10.0, 40.0, 45.0)]
    between = np.array([[0.0, 0.0, 25.0]])
    assert build_outlines("cord", rings, avoided=True).away_mm(between)[0] == 0.0
    assert build_outlines("GTV", rings).away_mm(between)[0] == pytest.approx(12.5)


def test_parts_that_meet_nothing_go_on_for_half_a_spacing():
    rings = [circle(5.0, 0.0), circle(5.0, 5.0), circle(2.0, 5.0, centre=(30.0, 0.0))]
    parts = build_outlines("parts", [*rings, circle(5.0, 10.0)])
    along = np.array([[30.0, 0.0, z] for z in (1.0, 2.6, 7.4, 9.0)])
    assert parts.contains(along).tolist() == [False, True, True, False]
    assert parts.away_mm(along[:1])[0] == pytest.approx(1.5, abs=CHORD_MM)


@pytest.mark.parametrize("held", [False, True])
def test_points_fill_the_volume(held):
    rings = [circle(10.0 + k, 3.0 * k) for k in range(5)]
    solid = build_outlines("steps", rings, held=held)
    points, share = fill(solid)
    areas = [math.pi * (10.0 + k) ** 2 for k in range(5)]
    exact = 3.0 * sum(areas) / 1000.0
    # 10 000 points: their number in a slice errs by about its outline's, 0.3 % in all; a cone and
    # its steps differ by 0.4 %
    assert share * len(points) == pytest.approx(exact, rel=0.01)
    assert solid.contains(solid.to_lps(points)).all()


def test_oblique_planes_are_measured_in_their_own_frame():
    turn = np.array([[1.0, 0.0, 0.0], [0.0, 0.8, -0.6], [0.0, 0.6, 0.8]])
    rings = [circle(10.0, 5.0 * k) @ turn.T for k in range(3)]
    solid = build_outlines("oblique", rings)
    assert solid.away_mm((turn @ np.array([25.0, 0.0, 5.0]))[None])[0] == pytest.approx(
        15.0, abs=CHORD_MM
    )


def test_rings_that_cannot_be_measured_are_refused():
    with pytest.raises(GeometryError, match="no contour with an area"):
        build_outlines("line", [np.array([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [2.0, 0.0, 0.0]])])
    bent = circle(10.0, 0.0)
    bent[0, 2] = 8.0
    with pytest.raises(GeometryError, match="not planar"):
        build_outlines("bent", [bent])
