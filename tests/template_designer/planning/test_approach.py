from dataclasses import replace

import numpy as np
import pytest

from template_designer.errors import CaseError
from template_designer.geometry.distance import DistanceField, box_corners
from template_designer.geometry.solids import build_solid
from template_designer.model import NeedleRule
from template_designer.planning.advice import why_no_plan
from template_designer.planning.approach import in_scan, needle_rules
from template_designer.workflow import design
from tests.template_designer.geometry.shapes import box, circle, roi
from tests.template_designer.planning.phantom import HEIGHTS, IMAGE, approach, settings, solids
from tests.template_designer.planning.plans import phantom_case


def test_sites_lie_in_the_target_on_lattice_axes_and_under_the_skin():
    found = approach()
    centers = found.sites.centers_lps_mm
    assert len(centers) > 50
    # plate at y = -70, x to the operator's right: looking along +y with the head up, that is +x
    # of the phantom turned; holes are 5 mm apart whatever the side
    assert np.allclose(centers[:, 0] % 5.0, 0.0, atol=1e-6) or np.allclose(
        centers[:, 0] % 5.0, 5.0, atol=1e-6
    )
    # the ball is drawn in slices of 3 mm: its steps stand out by up to 1 mm; 1 mm more is allowed
    assert np.linalg.norm(centers, axis=1).max() <= 12.0 + 1.0 + 1.0
    tips = found.sites.z_mm + found.seed_rules.half_length_mm
    np.testing.assert_allclose(tips / 0.5, np.round(tips / 0.5), atol=1e-9)  # depths one can set
    spacing = np.diff(found.sites.z_mm[found.sites.hole == found.sites.hole[0]])
    assert np.allclose(spacing, -2.5)


def test_every_hole_has_a_state_with_a_reason_that_names_structure_and_distance():
    found = approach(parts=solids(cord_x=14.0))
    assert len(found.reasons) == 15 * 15
    assert found.reasons["A1"].startswith("misses GTV by ")
    usable = {found.paths.points[h].label for h in found.sites.hole}
    assert usable == {label for label, reason in found.reasons.items() if reason is None}
    blocked = [r for r in found.reasons.values() if r and "Cord" in r]
    assert blocked
    assert all("mm from the needle (at least 10 mm)" in reason for reason in blocked)


def test_missing_by_is_the_distance_of_the_axis_to_the_target():
    found = approach()
    point = next(p for p in found.points if p.label == "A8")  # x = -35, y = 0: through the middle
    assert (point.x_mm, point.y_mm) == (-35.0, 0.0)
    told = float(found.reasons["A8"].split(" by ")[1].split()[0])
    assert told == pytest.approx(35.0 - 12.0, abs=1.0)  # steps of the ball


def test_a_short_needle_is_said_to_be_the_cause():
    case = settings(needle={"length_mm": 85.0})
    found = approach(case)
    tips = found.sites.z_mm + found.seed_rules.half_length_mm
    assert tips.max() <= 85.0 - 20.0
    assert "needle length" in found.paths.stop


def test_all_blocked_says_why_and_what_to_do():
    case = settings(avoid=[{"structure": "Cord", "needle_clearance_mm": 45.0}])
    found = approach(case)
    assert len(found.sites) == 0
    text = why_no_plan(case, found)
    assert "all 225 holes of T1 are blocked" in text
    assert "Cord" in text
    assert "Move or turn the entry plane" in text


def test_a_lifted_plate_keeps_the_seeds_where_they_are_but_goes_deeper():
    flat, deep = (
        approach(),
        approach(
            settings(
                entry={
                    "point_lps": [0.0, -65.0, 0.0],  # 5 mm inside the body
                    "direction_lps": [0.0, 1.0, 0.0],
                    "up_lps": [0.0, 0.0, 1.0],
                }
            )
        ),
    )
    assert deep.gap_mm == pytest.approx(5.0)
    assert flat.gap_mm == pytest.approx(0.0)
    np.testing.assert_allclose(deep.frame, flat.frame, atol=1e-9)


def test_an_entry_deep_in_the_body_is_refused():
    entry = {
        "point_lps": [0.0, -5.0, 0.0],
        "direction_lps": [0.0, 1.0, 0.0],
        "up_lps": [0.0, 0.0, 1.0],
    }
    with pytest.raises(CaseError, match="stand 65 mm off"):
        approach(settings(entry=entry))


def test_a_target_behind_the_plate_is_refused():
    entry = {
        "point_lps": [0.0, 70.0, 0.0],
        "direction_lps": [0.0, 1.0, 0.0],
        "up_lps": [0.0, 0.0, 1.0],
    }
    with pytest.raises(CaseError):
        approach(settings(entry=entry))


def test_the_strictest_of_several_rules_holds():
    rules = [
        {"structure": ["Cord", "GTV2"], "needle_clearance_mm": 3.0},
        {"structure": "Cord", "needle_clearance_mm": 8.0},
    ]
    assert needle_rules(settings(avoid=rules)) == (NeedleRule("Cord", 8.0), NeedleRule("GTV2", 3.0))


def test_beyond_the_scan_nothing_is_known():
    points = np.array([[0.0, 0.0, -61.4], [0.0, 0.0, -61.6], [0.0, 0.0, 61.4], [0.0, 0.0, 61.6]])
    wide = box_corners([-200.0] * 3, [200.0] * 3)
    skin = DistanceField.around(solids()["Body"], wide)
    assert in_scan(IMAGE, points, skin).tolist() == [True, False, True, False]
    # beside the picture: fine in air, unknown inside the body (the image ends at y = 100)
    beside = np.array([[0.0, 150.0, 0.0]])
    assert in_scan(IMAGE, beside, skin).tolist() == [True]
    large = build_solid(roi([box((-180, 180), (-180, 180), z) for z in HEIGHTS]), IMAGE)
    assert in_scan(IMAGE, beside, DistanceField.around(large, wide)).tolist() == [False]


def test_a_plate_off_the_skin_is_said_to_float():
    entry = {
        "point_lps": [0.0, -90.0, 0.0],
        "direction_lps": [0.0, 1.0, 0.0],
        "up_lps": [0.0, 0.0, 1.0],
    }
    plan = design(phantom_case(entry=entry))
    (warning,) = (w for w in plan.warnings if w.code == "plate-floats")
    assert "20.0 mm off the skin" in warning.text
    assert plan.templates[0].gap_mm == 0.0


def test_a_plate_on_the_flat_end_of_a_body_is_lifted_too():
    # the head end of a body drawn to z = 31.5, the plate 10 mm inside it, smaller than the end
    parts = solids()
    heights = [z for z in HEIGHTS if z <= 30.0]
    parts["Body"] = build_solid(roi([box((-70, 70), (-70, 70), z) for z in heights], "Body"), IMAGE)
    entry = {
        "point_lps": [0.0, 0.0, 21.5],
        "direction_lps": [0.0, 0.0, -1.0],
        "up_lps": [0.0, -1.0, 0.0],
    }
    assert approach(settings(entry=entry), parts).gap_mm == pytest.approx(10.0, abs=1e-6)


def test_goals_on_the_skin_and_on_too_small_structures():
    goal = {"structure": "Body", "metric": "Dmax", "at_most_gy": 1e6}
    assert design(phantom_case(goal=[goal])).goals_met
    small = {"structure": "GTV", "metric": "D20cc", "at_most_gy": 100.0}
    with pytest.raises(CaseError, match="has only"):
        design(phantom_case(goal=[small]))


def test_a_target_at_the_end_of_the_scan_is_planned_inside_it_and_said_so():
    case = phantom_case()
    cut = roi([circle(10.0, z) for z in HEIGHTS if z >= 45.0], "GTV")
    rois = tuple(cut if r.name == "GTV" else r for r in case.rois.rois)
    entry = {
        "point_lps": [0.0, -70.0, 45.0],
        "direction_lps": [0.0, 1.0, 0.0],
        "up_lps": [0.0, 0.0, 1.0],
    }
    small = {"size_mm": [40.0, 40.0, 20.0]}
    case = replace(phantom_case(entry=entry, template=small), rois=replace(case.rois, rois=rois))
    plan = design(case)
    assert "target-cut" in {w.code for w in plan.warnings}
    # closed at 61.5 mm: searched as if it went on, the plan gave three times the dose
    assert plan.metrics["GTV"]["d90_gy"] < 220.0
    assert plan.metrics["GTV"]["ci"] > 0.5
