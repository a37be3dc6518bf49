import numpy as np
import pytest

from template_designer import frames
from template_designer.errors import GeometryError
from template_designer.geometry.lattice import lattice_points, plate_gap_mm
from template_designer.geometry.solids import build_solid
from tests.template_designer.geometry.shapes import circle, roi


def test_the_standard_plate_has_361_holes_centred_on_the_origin():
    points = lattice_points((100.0, 100.0, 20.0), 5.0, 5.0)
    assert len(points) == 361
    by_label = {p.label: (p.x_mm, p.y_mm) for p in points}
    assert len(by_label) == 361
    assert by_label["A1"] == (-45.0, -45.0)  # the operator's upper left
    assert by_label["K10"] == (0.0, 0.0)
    assert by_label["U19"] == (45.0, 45.0)
    assert by_label["B1"] == (-40.0, -45.0)  # letters run along x
    assert sum(x for x, _ in by_label.values()) == pytest.approx(0.0)


def test_columns_and_rows_follow_the_two_sides():
    points = lattice_points((80.0, 40.0, 20.0), 5.0, 5.0)
    assert len({p.x_mm for p in points}) == 15
    assert len({p.y_mm for p in points}) == 7


def test_a_plate_without_room_is_refused():
    with pytest.raises(GeometryError, match="no room"):
        lattice_points((30.0, 9.0, 20.0), 5.0, 5.0)


def body(radius_mm=120.0):
    return build_solid(roi([circle(radius_mm, float(z), points=720) for z in range(-80, 85, 5)]))


def plate(angle_rad=0.0, out_mm=0.0, radius_mm=120.0):
    direction = -np.array([np.cos(angle_rad), np.sin(angle_rad), 0.0])
    point = -(radius_mm + out_mm) * direction
    return frames.template_frame(point, direction, [0.0, 0.0, 1.0])


def test_a_plate_on_the_top_of_a_round_body_needs_no_gap():
    assert plate_gap_mm(body(), plate(), (100.0, 100.0, 20.0)) == pytest.approx(0.0, abs=0.01)


def test_a_plate_beside_the_top_is_lifted_by_what_stands_out():
    # needles parallel to -x at y = 60: the body under the far edge (y = 10) stands out most
    frame = frames.template_frame([np.sqrt(120**2 - 60**2), 60.0, 0.0], [-1, 0, 0], [0, 0, 1])
    exact = np.sqrt(120.0**2 - 10.0**2) - np.sqrt(120.0**2 - 60.0**2)
    # never less than needed; at most half a millimetre of footprint and skin sampling more
    gap = plate_gap_mm(body(), frame, (100.0, 100.0, 20.0))
    assert exact - 0.01 <= gap <= exact + 0.1


def test_a_plate_in_the_air_is_not_lowered():
    gap = plate_gap_mm(body(), plate(out_mm=7.0), (100.0, 100.0, 20.0))
    assert gap == pytest.approx(-7.0, abs=0.01)  # it hangs this far off the skin


def test_no_contour_point_lies_behind_a_lifted_plate():
    direction, up = np.array([-0.8, -0.55, 0.25]), np.array([0.1, 0.0, 1.0])
    frame = frames.template_frame([80.0, 70.0, -5.0], direction, up)
    size = (100.0, 80.0, 20.0)
    stands = frames.lifted(frame, plate_gap_mm(body(), frame, size))
    skin = np.vstack([circle(120.0, float(z), points=720) for z in range(-80, 85, 5)])
    local = frames.transform_points(frames.inverse(stands), skin)
    under = (np.abs(local[:, 0]) <= 50.0) & (np.abs(local[:, 1]) <= 40.0)
    assert under.any()
    assert local[under, 2].min() >= -1e-9
