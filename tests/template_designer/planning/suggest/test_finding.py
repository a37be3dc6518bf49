"""Suggested planes and pairs: exact numbers, within the limits, the same every time."""

import math
from itertools import combinations

import numba
import numpy as np
import pytest

from template_designer.errors import NoSafePlanError
from template_designer.geometry.boxes import boxes_meet
from template_designer.planning.approach import prepare_approach
from template_designer.planning.reach import reach_of_target
from template_designer.planning.suggest import access_of, suggest_steps
from template_designer.planning.suggest.exact import Patient, keeps_limits, plate_corners
from template_designer.planning.suggest.search import APART_DEG, merit_of
from tests.template_designer.planning.suggest.patient import (
    BODY_MM,
    SOURCE,
    TUBES,
    found,
    image,
    pairs,
    search,
    settings,
    solids,
)


def approach(entry, case=None):
    """The plane worked out with distances of its own, as ``design`` does it."""
    parts = solids()
    return prepare_approach(case or settings(), entry, image(), parts, parts["GTV"], SOURCE)


def reach(*entries):
    return reach_of_target(solids()["GTV"], [approach(e) for e in entries], settings())


def test_a_better_plane_than_the_straight_posterior_one_is_found_and_said_so():
    result = found()
    assert not isinstance(result.posterior, str)
    assert result.posterior.entry.direction_lps == (0.0, -1.0, 0.0)
    # through the centroid of the ball, from the skin behind it, rounded to 0.1 mm
    assert result.posterior.entry.point_lps == pytest.approx((0.0, BODY_MM, 0.0), abs=0.15)
    assert result.gain == result.best_pct / result.posterior.reach_pct
    assert result.gain >= 1.3
    assert result.planes[0].merit == max(plane.merit for plane in result.planes)


def test_printed_numbers_are_those_of_the_plane_worked_out_alone():
    for plane in found().planes[:2]:
        alone = approach(plane.entry)
        exact = reach(plane.entry)
        # distances kept for all planes have the same nodes: they differ by rounding only
        assert plane.reach_pct == pytest.approx(exact.reachable_pct, abs=1e-9)
        assert dict(plane.hidden_pct_by_cause) == pytest.approx(dict(exact.hidden_pct_by_cause))
        assert plane.gap_mm == pytest.approx(alone.gap_mm, abs=1e-9)
        assert plane.open_holes == len(np.unique(alone.sites.hole))
        deepest = [
            alone.sites.z_mm[alone.sites.hole == hole].max() + 0.5 * SOURCE.capsule_mm[0]
            for hole in np.unique(alone.sites.hole)
        ]
        skin = alone.paths.skin_z_mm[np.unique(alone.sites.hole)]
        assert plane.depth_mm == pytest.approx(float(np.mean(deepest - skin)), abs=1e-6)
        assert plane.margin_mm >= 0.0  # every way keeps the rules
        cost = merit_of(plane.reach_pct, plane.depth_mm, plane.bone_mm, plane.gap_mm,
                        plane.margin_mm, plane.turn_deg)  # fmt: skip
        assert plane.merit == pytest.approx(float(cost))


def test_planes_differ_and_their_tables_are_rounded():
    for one, other in combinations(found().planes, 2):
        cosine = np.dot(one.entry.direction_lps, other.entry.direction_lps)
        # directions are rounded to four digits: 0.01 degrees
        assert math.degrees(math.acos(min(1.0, cosine))) >= APART_DEG - 0.02
    for plane in found().planes:
        for vector, digits in ((plane.entry.point_lps, 1), (plane.entry.direction_lps, 4)):
            assert all(value == round(value, digits) for value in vector)


@pytest.mark.parametrize(
    ("limits", "code"),
    [
        ({"position": "prone", "max_tilt_deg": 10.0}, ""),
        ({"position": "lateral_right", "max_tilt_deg": 0.0, "max_gap_mm": 6.0}, "HFS"),
    ],
)
def test_no_suggestion_breaks_a_limit(limits, code):
    case = settings(suggest=limits)
    result = search(case, position=code, top=2)
    down = {"prone": (0, -1, 0), "lateral_right": (-1, 0, 0)}[result.access.position.value]
    assert len(result) == 2
    for plane in result.planes:
        assert plane.tilt_deg <= limits["max_tilt_deg"] + 1e-9
        assert np.dot(plane.entry.direction_lps, down) >= 0.0
        assert abs(plane.gap_mm) <= limits.get("max_gap_mm", 30.0)
        # the couch is flat under the round body: no corner of the plate below it
        corners = plate_corners(approach(plane.entry, case), case)
        assert (corners @ np.array(down, dtype=float)).max() <= BODY_MM + 1e-6
    allowed = result.access.allows(result.sphere.directions_lps)
    assert allowed.all()
    assert result.scored >= 120


def test_a_plane_outside_the_limits_is_not_kept():
    case = settings(suggest={"position": "prone"})
    patient = Patient(case, image(), solids(), solids()["GTV"], SOURCE)
    access = access_of(case, image())
    plane = found().posterior
    assert keeps_limits(patient, approach(plane.entry), access, BODY_MM)
    front = plane.entry.model_copy(
        update={"point_lps": (0.0, -BODY_MM, 0.0), "direction_lps": (0.0, 1.0, 0.0)}
    )
    assert not keeps_limits(patient, approach(front), access, BODY_MM)
    assert not keeps_limits(patient, approach(plane.entry), access, -BODY_MM - 25.0)


def test_the_same_search_gives_the_same_planes_on_any_number_of_threads():
    threads = numba.get_num_threads()
    try:
        numba.set_num_threads(1)
        alone = search()
    finally:
        numba.set_num_threads(threads)
    assert alone.planes == found().planes
    assert alone.posterior == found().posterior
    np.testing.assert_array_equal(alone.sphere.reach_pct, found().sphere.reach_pct)


def test_the_cases_own_entry_is_compared_and_bettered():
    entry = {"point_lps": [-30.0, 52.0, 0.0], "direction_lps": [0.5, -0.866, 0.0],
             "up_lps": [0.0, 0.0, 1.0]}  # fmt: skip
    case = settings(entry=entry)
    steps = []
    result = search(case, top=1, progress=steps.append)
    (own,) = result.own
    assert own.reach_pct == pytest.approx(reach(case.entry[0]).reachable_pct, abs=1e-9)
    assert result.planes[0].merit >= own.merit
    assert len(steps) <= suggest_steps(1)


def test_a_pair_reaches_what_both_its_planes_reach_and_stands_side_by_side():
    result = pairs()
    assert result.pairs
    assert not result.planes
    assert result.best_pct >= found().best_pct + 5.0  # it sees round the vessels from two sides
    for pair in result.pairs:
        one, other = pair.entries
        approaches = [approach(entry) for entry in (one, other)]
        exact = reach_of_target(solids()["GTV"], approaches, settings())
        assert pair.reach_pct == pytest.approx(exact.reachable_pct, abs=1e-9)
        assert pair.reach_pct >= max(plane.reach_pct for plane in pair.planes) - 1e-9
        boxes = [plate_corners(stands, settings()) for stands in approaches]
        assert not boxes_meet(*boxes)
        # LEAST_ANGLE_DEG less the rounding of the tables
        assert np.dot(one.direction_lps, other.direction_lps) <= math.cos(math.radians(19.98))
    assert result.entries(1) == result.pairs[0].entries


def test_a_target_outside_the_body_is_said_to_be_the_cause():
    parts = solids(target_at=(120.0, 0.0))
    with pytest.raises(NoSafePlanError, match=r"the target 'GTV'.*lies outside the body 'Body'"):
        search(parts=parts)


@pytest.mark.parametrize(
    ("tables", "words"),
    [
        (
            {"avoid": [{"structure": list(TUBES), "needle_clearance_mm": 50.0}]},
            ["where every hole is blocked", "Cord", "[[avoid]] rules"],
        ),
        ({"suggest": {"max_gap_mm": 0.0}}, ["over 0 mm off the skin ([suggest] max_gap_mm)"]),
        (
            {"needle": {"length_mm": 50.0}},
            ["where every hole is blocked", "needle length", "longer needle (50 mm now)"],
        ),
    ],
)
def test_where_nothing_is_of_use_the_reason_is_said(tables, words):
    with pytest.raises(NoSafePlanError) as stop:
        search(settings(**tables), directions=60)
    assert "directions within the limits" in str(stop.value)
    for word in words:
        assert word in str(stop.value)


def test_a_posterior_plane_that_cannot_be_used_is_said_why():
    avoid = [{"structure": "Cord", "needle_clearance_mm": 22.0}]
    result = search(settings(avoid=avoid), top=1)
    assert result.posterior == "every hole is blocked"
    assert result.gain is None
