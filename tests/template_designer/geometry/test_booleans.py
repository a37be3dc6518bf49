"""Booleans of solids against analytic volumes, on slices of one direction and of several."""

import numpy as np
import pytest
import shapely

from template_designer.errors import GeometryError
from template_designer.geometry.booleans import (
    common_part,
    in_frame,
    section,
    shrunk,
    united,
    without,
)
from template_designer.geometry.margin import Bias
from template_designer.geometry.solids import Slab, Solid
from tests.template_designer.geometry.shapes import rotation
from tests.template_designer.geometry.test_margin import TURNS, ball, block, holds

R, SHIFT = 8.0, 7.0
BALL = 4.0 / 3.0 * np.pi * R**3 / 1000.0
LENS = np.pi * (2 * R - SHIFT) ** 2 * (SHIFT**2 + 4 * SHIFT * R) / (12 * SHIFT) / 1000.0


def moved(solid, along_lps_mm):
    """A solid shifted by a vector."""
    u, v, w = solid.axes @ np.asarray(along_lps_mm, float)
    slabs = tuple(
        Slab(s.w_low_mm + w, s.w_high_mm + w, shapely.affinity.translate(s.shape, u, v))
        for s in solid.slabs
    )
    return Solid(solid.name, solid.axes, slabs, solid.open_low, solid.open_high)


@pytest.mark.parametrize("turn", TURNS.values(), ids=TURNS)
@pytest.mark.parametrize("way", [(1, 0, 0), (0, 0, 1), (1, 1, 1)], ids=str)
def test_two_balls_share_a_lens(turn, way):
    one = ball(R, turn, step=0.5)
    other = moved(one, SHIFT * np.asarray(way) / np.linalg.norm(way))
    # the balls are stacks of 0.5 mm with 96 corners: 0.2 % of the volume, 1 % of the thin lens
    assert united("u", [one, other]).volume_cm3 == pytest.approx(2 * BALL - LENS, rel=0.005)
    assert common_part("c", one, other).volume_cm3 == pytest.approx(LENS, rel=0.015)
    assert without("w", one, other).volume_cm3 == pytest.approx(BALL - LENS, rel=0.005)


def test_union_and_common_part_do_not_depend_on_order_and_change_nothing_twice():
    one, other = ball(R), moved(ball(R), (SHIFT, 0, 2.3))
    rng = np.random.default_rng(5)
    points = rng.uniform(-10.0, 16.0, size=(3000, 3))
    a, b = holds(one, points), holds(other, points)
    for name, made, expected in (
        ("union", united("x", [one, other]), a | b),
        ("union turned", united("x", [other, one]), a | b),
        ("common", common_part("x", one, other), a & b),
        ("common turned", common_part("x", other, one), a & b),
        ("difference", without("x", one, other), a & ~b),
        ("twice", united("x", [united("x", [one, other]), other, one]), a | b),
        ("cut twice", without("x", without("x", one, other), other), a & ~b),
        ("parts", united("x", [without("x", one, other), common_part("x", one, other)]), a),
    ):
        # slivers of up to 0.01 mm2 are dropped; no random point lies in one
        np.testing.assert_array_equal(holds(made, points), expected, err_msg=name)


@pytest.mark.parametrize(
    "turn", [rotation((0, 0, 1), 0.7), rotation((1, 0, 0), np.pi)], ids=["in plane", "upside down"]
)
def test_slices_that_are_only_turned_in_their_plane_stay_exact(turn):
    solid = block([-9, -4, -2], [5, 7, 6], np.asarray(turn).T)
    solid = Solid("part", solid.axes, solid.slabs, open_low=True)
    laid = in_frame(solid, np.eye(3))
    assert laid.volume_cm3 == pytest.approx(solid.volume_cm3, rel=1e-9)
    rng = np.random.default_rng(2)
    points = rng.uniform(-12.0, 12.0, size=(4000, 3))
    assert 0.02 < holds(solid, points).mean() < 0.9
    np.testing.assert_array_equal(holds(laid, points), holds(solid, points))
    # the open end stays on the same side of the patient
    assert (laid.open_low, laid.open_high) == ((True, False) if turn[2, 2] > 0 else (False, True))


@pytest.mark.parametrize(
    "turn",
    [rotation((1, 0, 0), np.pi / 2), rotation((0, 1, 0), np.pi / 2), rotation((1, 1, 0), 0.5)],
    ids=["coronal", "sagittal", "oblique"],
)
def test_a_cut_along_other_slices_is_exact(turn):
    axes = np.asarray(turn).T
    solid = block([-9, -4, -2], [5, 7, 6])
    rng = np.random.default_rng(4)
    for w in (-3.0, 0.5, 2.0):
        cut = section(solid, axes, w)
        uv = rng.uniform(-12.0, 12.0, size=(2000, 2))
        points = np.column_stack([uv, np.full(len(uv), w)]) @ axes
        inside = shapely.contains_xy(cut, uv[:, 0], uv[:, 1])
        # planes across the slices are turned by 1e-5: 0.0001 mm here
        np.testing.assert_array_equal(inside, holds(solid, points))


@pytest.mark.parametrize("turn", [rotation((0, 1, 0), np.pi / 2), rotation((1, 1, 0), 0.5)])
def test_solids_on_different_slices_keep_to_the_side_that_was_asked_for(turn):
    first = block([-9, -4, -2], [5, 7, 6])
    other = block([-3, -6, -7], [6, 3, 8], np.asarray(turn).T)
    rng = np.random.default_rng(6)
    points = rng.uniform(-11.0, 11.0, size=(4000, 3))
    a, b = holds(first, points), holds(other, points)
    for join, expected in (
        (lambda bias: united("x", [first, other], bias), a | b),
        (lambda bias: common_part("x", first, other, bias), a & b),
        (lambda bias: without("x", first, other, bias), a & ~b),
    ):
        found = {bias: holds(join(bias), points) for bias in Bias}
        assert found[Bias.LARGER][expected].all()
        assert not found[Bias.SMALLER][~expected].any()
        # layers of 0.5 mm on a surface of under 1000 mm2 in a box of 22 mm: 0.02
        assert np.mean(found[Bias.BEST] != expected) < 0.02


def test_shrinking_a_box_takes_its_shell_away():
    box = shrunk(block([-10, -8, -6], [10, 8, 6]), 2.0)
    # never larger than true; the layers of 0.5 mm cost up to one layer at top and bottom
    assert 12 * 16 * 7 / 1000.0 <= box.volume_cm3 <= 12 * 16 * 8 / 1000.0 + 1e-9
    np.testing.assert_allclose(box.bounds_uvw_mm[:, 0], [-8, 8], atol=0.01)


def test_nothing_left_is_an_error_that_names_the_structure():
    with pytest.raises(GeometryError, match="'PTV': nothing is left"):
        without("PTV", block([0, 0, 0], [5, 5, 5]), block([-1, -1, -1], [6, 6, 6]))
    with pytest.raises(GeometryError, match="'Both': nothing is left"):
        common_part("Both", block([0, 0, 0], [5, 5, 5]), block([7, 0, 0], [9, 5, 5]))


def test_a_result_is_open_where_what_is_left_goes_on_past_the_scan():
    def rod(name, x, **ends):
        return Solid(name, np.eye(3), (Slab(0.0, 20.0, shapely.box(x, 0, x + 5, 5)),), **ends)

    on, closed = rod("cord", 0, open_high=True), rod("part", 20)
    assert united("u", [closed, on]).open_high
    assert not united("u", [closed, on]).open_low
    assert not common_part("c", on, rod("same", 2)).open_high
    assert common_part("c", on, rod("same", 2, open_high=True)).open_high
    assert without("w", on, rod("same", 2)).open_high
    # a closed solid that reaches higher loses what lies beyond the open end of the other
    tall = Solid("tall", np.eye(3), (Slab(0.0, 30.0, shapely.box(0, 0, 10, 5)),))
    rest = without("w", tall, on)
    assert rest.volume_cm3 == pytest.approx(5 * 5 * 30 / 1000.0)
