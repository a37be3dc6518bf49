import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from template_designer import frames
from template_designer.errors import GeometryError

component = st.floats(-1.0, 1.0)
vector = st.tuples(component, component, component)


def apart(a, b):
    cosine = abs(np.dot(a, b)) / np.linalg.norm(a) / np.linalg.norm(b)
    return cosine < 0.99


@given(point=vector, direction=vector, up=vector)
def test_the_frame_is_right_handed_and_keeps_its_three_promises(point, direction, up):
    assume(min(np.linalg.norm(direction), np.linalg.norm(up)) > 0.1)
    assume(apart(direction, up))
    frame = frames.template_frame(point, direction, up)
    x, y, z = frame[:3, :3].T
    np.testing.assert_allclose(np.cross(x, y), z, atol=1e-12)  # right-handed
    np.testing.assert_allclose(z * np.linalg.norm(direction), direction, atol=1e-12)
    assert np.dot(y, up) < 0.0  # y is down
    np.testing.assert_allclose(frame[:3, 3], point)


def test_a_prone_patient_seen_from_above():
    # needles go from back to front (towards -y, anterior); head up for the operator who looks at
    # the back: the patient's left is then on the operator's left
    frame = frames.template_frame([0, 100, 0], [0, -1, 0], [0, 0, 1])
    np.testing.assert_allclose(frame[:3, 0], [-1, 0, 0], atol=1e-12)  # right hand = patient's right
    np.testing.assert_allclose(frame[:3, 1], [0, 0, -1], atol=1e-12)  # down = feet


@given(point=vector, direction=vector, up=vector, offset=vector)
def test_inverse_takes_points_back(point, direction, up, offset):
    assume(min(np.linalg.norm(direction), np.linalg.norm(up)) > 0.1)
    assume(apart(direction, up))
    frame = frames.template_frame(point, direction, up)
    there = frames.transform_points(frame, [offset])
    np.testing.assert_allclose(
        frames.transform_points(frames.inverse(frame), there)[0], offset, atol=1e-12
    )


def test_lifting_moves_straight_back_along_the_needles():
    frame = frames.template_frame([1, 2, 3], [0, 0.6, 0.8], [1, 0, 0])
    moved = frames.lifted(frame, 5.0)
    np.testing.assert_allclose(moved[:3, 3], np.array([1, 2, 3]) - 5.0 * np.array([0, 0.6, 0.8]))
    np.testing.assert_array_equal(moved[:3, :3], frame[:3, :3])


def test_labels_read_like_a_spreadsheet_without_i_and_o():
    letters = [frames.column_label(n) for n in range(26)]
    assert letters[:9] == ["A", "B", "C", "D", "E", "F", "G", "H", "J"]
    assert letters[12:15] == ["N", "P", "Q"]
    assert letters[23:] == ["Z", "AA", "AB"]
    assert frames.hole_label(0, 0) == "A1"
    assert frames.hole_label(18, 18) == "U19"
    assert len({frames.hole_label(c, r) for c in range(40) for r in range(40)}) == 1600


@pytest.mark.parametrize(
    ("vector", "letter"),
    [([1, 0, 0], "L"), ([-1, 0, 0], "R"), ([0, 1, 0], "P"), ([0, -1, 0], "A"), ([0, 0, 1], "H"),
     ([0, 0, -1], "F"), ([0.8, -0.6, 0], "LA"), ([0.6, 0.8, 0], "PL"), ([0.97, 0.2, 0.1], "L")],
)  # fmt: skip
def test_patient_directions_are_lps(vector, letter):
    assert frames.direction_letters(vector) == letter


@given(direction=vector, up=vector)
def test_no_two_sides_of_a_plate_carry_the_same_letters(direction, up):
    assume(min(np.linalg.norm(direction), np.linalg.norm(up)) > 0.1)
    assume(apart(direction, up))
    x, y = frames.template_frame([0, 0, 0], direction, up)[:3, :2].T
    assert len({frames.direction_letters(v) for v in (x, -x, y, -y)}) == 4


@pytest.mark.parametrize(
    ("direction", "up"),
    [([0, 0, 0], [0, 0, 1]), ([0, 0, 1], [0, 0, 2]), ([math.nan, 0, 1], [0, 1, 0])],
)
def test_vectors_that_span_no_frame_are_refused(direction, up):
    with pytest.raises(GeometryError, match="has no direction"):
        frames.template_frame([0, 0, 0], direction, up)


def test_many_points_are_turned_as_one_by_one():
    rng = np.random.default_rng(8)
    points = rng.uniform(-300.0, 300.0, (30_000, 3))
    rotation = np.linalg.qr(rng.standard_normal((3, 3)))[0]
    expected = np.einsum("ij,kj->ki", rotation, points)
    # sums of three products of up to 300 mm: a few units of the last place, 6e-14 mm
    np.testing.assert_allclose(frames.turned(points, rotation), expected, rtol=0.0, atol=5e-13)
    assert frames.turned(np.zeros((0, 3)), rotation).shape == (0, 3)
