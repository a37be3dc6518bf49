import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from template_designer import frames
from template_designer.geometry.distance import DistanceField, box_corners
from template_designer.geometry.lattice import LatticePoint, lattice_points
from template_designer.geometry.paths import (
    STEP_MM,
    axis_points,
    between_points_mm,
    length_in_solid_mm,
    trace_paths,
)
from template_designer.geometry.solids import build_solid
from template_designer.model import NeedleRule
from tests.template_designer.geometry.shapes import box, circle, roi

RADIUS_MM = 0.635
REGION = box_corners([-60.0, -110.0, -60.0], [60.0, 110.0, 60.0])
# needles go along +y from the plate at y = -100
FRAME = frames.template_frame([0.0, -100.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0])
BODY = build_solid(
    roi([box((-55, 55), (-90, 90), z) for z in np.arange(-50.0, 55.0, 5.0)], name="Body")
)
CORD = build_solid(
    roi([box((-6, 6), (0, 12), z) for z in np.arange(-50.0, 55.0, 5.0)], name="Cord")
)
Z_MM = np.arange(0.0, 160.0, STEP_MM)


def trace(points, *, clearance=10.0, longest=180.0, scan=None):
    rules = (NeedleRule("Cord", clearance),)
    return trace_paths(
        points,
        FRAME,
        rules=rules,
        fields={"Cord": DistanceField.around(CORD, REGION)},
        skin=DistanceField.around(BODY, REGION),
        in_scan=np.ones((len(points), len(Z_MM)), bool) if scan is None else scan,
        z_mm=Z_MM,
        longest_tip_mm=longest,
        radius_mm=RADIUS_MM,
    )


def test_a_needle_aimed_at_the_cord_stops_before_it():
    paths = trace((LatticePoint("A1", 0.0, 0.0),))
    # cord face at y = 0, plate at -100: tip at 100 - 10 - radius, one sample short at the most,
    # and 0.05 mm for the safe side
    exact = 100.0 - 10.0 - RADIUS_MM
    assert exact - STEP_MM - 0.06 <= paths.deepest_tip_mm[0] <= exact
    assert paths.stop[0] == "Cord"


@pytest.mark.parametrize(("x_mm", "passes"), [(16.0, False), (16.5, False), (16.9, True)])
def test_a_needle_beside_the_cord_passes_only_outside_the_rule(x_mm, passes):
    # limit: 6 + 10 + 0.635 = 16.635 mm from the middle
    paths = trace((LatticePoint("A1", -x_mm, 0.0),))
    assert (paths.stop[0] == "far side of the target") is passes


@given(x=st.floats(-40.0, 40.0), y=st.floats(-20.0, 20.0), clearance=st.floats(0.0, 15.0))
def test_every_permitted_tip_keeps_the_rule_by_brute_force(x, y, clearance):
    paths = trace((LatticePoint("A1", x, y),), clearance=clearance)
    tip = paths.deepest_tip_mm[0]
    if tip < 0.0:
        return
    axis = axis_points(paths.points, np.arange(0.0, tip + 1e-9, 0.05), FRAME)
    beyond = np.abs(axis - [0.0, 6.0, 0.0]) - np.array([6.0, 6.0, 52.5])
    beyond[:, 2] = np.minimum(beyond[:, 2], 0.0)  # the cord is drawn through the scan
    exact = np.linalg.norm(np.maximum(beyond, 0.0), axis=1).min() - RADIUS_MM
    assert exact >= clearance
    assert paths.least_clearance_mm(0, tip)["Cord"] <= exact + 1e-5  # float32 nodes


def test_a_tighter_rule_never_reaches_deeper():
    points = lattice_points((100.0, 60.0, 20.0), 5.0, 5.0)
    deep = [trace(points, clearance=c).deepest_tip_mm for c in (0.0, 5.0, 10.0, 15.0)]
    for loose, tight in itertools.pairwise(deep):
        assert np.all(tight <= loose)


def test_length_and_scan_stop_needles_too():
    point = (LatticePoint("A1", 40.0, 0.0),)
    short = trace(point, longest=60.0)
    assert (short.deepest_tip_mm[0], short.stop[0]) == (60.0, "needle length")
    scan = np.ones((1, len(Z_MM)), bool)
    scan[0, 100:] = False
    ended = trace(point, scan=scan)
    assert (ended.deepest_tip_mm[0], ended.stop[0]) == (Z_MM[99], "end of the scan")


def test_skin_is_met_where_it_is():
    paths = trace((LatticePoint("A1", 30.0, 3.0), LatticePoint("B1", 58.0, 3.0)))
    assert paths.skin_z_mm[0] == pytest.approx(10.0, abs=0.001)  # bisected to 0.0005 mm
    assert np.isnan(paths.skin_z_mm[1])  # passes beside the body


def test_between_two_samples_nothing_is_overlooked():
    # the hardest case: a point beside the axis, half way between two samples
    for aside in np.linspace(0.05, 20.0, 200):
        ends = np.hypot(aside, 0.5 * STEP_MM)
        assert ends - between_points_mm(np.array([ends]), STEP_MM)[0] <= aside + 1e-12


def test_length_in_a_solid_is_exact_in_every_direction():
    ball_like = build_solid(
        roi([circle(10.0, z) for z in (0.0, 5.0, 10.0)])
    )  # cylinder, -2.5..12.5
    across = length_in_solid_mm(ball_like, np.array([-30.0, 0.0, 5.0]), np.array([30.0, 0.0, 5.0]))
    assert across == pytest.approx(20.0, rel=1e-3)  # 256-gon
    up = length_in_solid_mm(ball_like, np.array([3.0, 0.0, -40.0]), np.array([3.0, 0.0, 40.0]))
    assert up == pytest.approx(15.0, rel=1e-9)
    slanted = length_in_solid_mm(ball_like, np.array([0.0, 0.0, -2.5]), np.array([5.0, 0.0, 12.5]))
    assert slanted == pytest.approx(np.hypot(5.0, 15.0), rel=1e-9)
    assert length_in_solid_mm(ball_like, np.array([20.0, 0, 0]), np.array([20.0, 0, 9])) == 0.0
