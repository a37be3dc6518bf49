"""Distances between needles and the meeting of plates, against brute force and known cases."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from template_designer.geometry.boxes import boxes_meet
from template_designer.geometry.segments import segment_distances_mm
from tests.template_designer.geometry.shapes import rotation

POINT = st.tuples(*[st.floats(-50.0, 50.0)] * 3)


def brute_force_mm(a0, a1, b0, b1, steps=400):
    """Least distance of many points on one segment to the other, the exact way."""
    points = a0 + np.linspace(0.0, 1.0, steps + 1)[:, None] * (a1 - a0)
    along = b1 - b0
    part = np.clip((points - b0) @ along / max(along @ along, 1e-30), 0.0, 1.0)
    return np.linalg.norm(points - b0 - part[:, None] * along, axis=1).min()


@given(POINT, POINT, POINT, POINT)
def test_two_segments_as_by_brute_force(a0, a1, b0, b1):
    ends = [np.array([end]) for end in (a0, a1, b0, b1)]
    (distance,) = segment_distances_mm(*ends).ravel()
    slow = brute_force_mm(*(end[0] for end in ends))
    step = np.linalg.norm(ends[1] - ends[0]) / 400
    # brute force takes points half a step apart: never too small, too large by half a step at most
    assert slow - 0.5 * step - 1e-9 <= distance <= slow + 1e-9


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        (([0, 0, 0], [10, 0, 0]), ([0, 3, 0], [10, 3, 0]), 3.0),  # parallel
        (([0, 0, 0], [10, 0, 0]), ([12, 0, 0], [20, 0, 0]), 2.0),  # in line
        (([0, 0, 0], [10, 0, 0]), ([5, -5, 4], [5, 5, 4]), 4.0),  # crossing, 4 mm apart
        (([0, 0, 0], [10, 0, 0]), ([5, 0, 0], [5, 0, 0]), 0.0),  # a point on the other
        (([0, 0, 0], [0, 0, 0]), ([3, 4, 0], [3, 4, 0]), 5.0),  # two points
        (([0, 0, 0], [10, 0, 0]), ([4, 0, 0], [6, 0, 0]), 0.0),  # one inside the other
    ],
)
def test_known_distances(a, b, expected):
    ends = [np.array([end], dtype=float) for end in (*a, *b)]
    assert segment_distances_mm(*ends)[0, 0] == pytest.approx(expected, abs=1e-12)


def test_every_pair_has_its_place():
    rng = np.random.default_rng(4)
    a0, a1, b0, b1 = (rng.uniform(-20, 20, (n, 3)) for n in (4, 4, 6, 6))
    table = segment_distances_mm(a0, a1, b0, b1)
    assert table.shape == (4, 6)
    one = segment_distances_mm(a0[2:3], a1[2:3], b0[5:], b1[5:])
    assert table[2, 5] == one[0, 0]
    np.testing.assert_allclose(table.T, segment_distances_mm(b0, b1, a0, a1), rtol=1e-12)


def box(width, height, depth, turn=None, shift=(0.0, 0.0, 0.0)):
    corners = np.array(
        [(x * width, y * height, z * depth) for x in (0, 1) for y in (0, 1) for z in (0, 1)]
    )
    return corners @ (np.eye(3) if turn is None else turn).T + np.array(shift)


@pytest.mark.parametrize(
    ("other", "meet"),
    [
        (box(10, 10, 2, shift=(9.9, 9.9, 1.9)), True),
        (box(10, 10, 2, shift=(10.0, 0.0, 0.0)), False),  # faces touch
        (box(10, 10, 2, shift=(0.0, 0.0, 2.1)), False),
        (box(1, 1, 1, shift=(4.0, 4.0, 0.5)), True),  # inside
        # a cube on its edge above the corner: apart only along a product of edges
        (box(4, 4, 4, rotation([0, 0, 1], math.pi / 4), (13.0, 9.0, 0.0)), False),
        (box(4, 4, 4, rotation([0, 0, 1], math.pi / 4), (11.0, 7.0, 0.0)), True),
    ],
)
def test_boxes_meet_where_they_share_space(other, meet):
    plate = box(10, 10, 2)
    assert boxes_meet(plate, other) is meet
    assert boxes_meet(other, plate) is meet


@given(
    axis=st.tuples(*[st.floats(-1, 1)] * 3).filter(lambda a: math.hypot(*a) > 0.1),
    angle=st.floats(0.0, 6.0),
    shift=st.tuples(*[st.floats(-20, 20)] * 3),
)
def test_boxes_agree_with_points_inside_both(axis, angle, shift):
    turn = rotation(axis, angle)
    plate, other = box(10, 10, 4), box(8, 6, 5, turn, shift)
    rng = np.random.default_rng(1)
    inside = (rng.uniform(0, 1, (4000, 3)) * [8, 6, 5]) @ turn.T + np.array(shift)
    shared = ((inside > 0.0) & (inside < [10, 10, 4])).all(axis=1).any()
    if shared:  # points may miss a sliver, so only one way round
        assert boxes_meet(plate, other)
