"""Errors that were put in come out: depth, place, angle, tip, and each seed's own."""

import math

import numpy as np
import pytest

from template_designer.postplan.matching import match_seeds
from template_designer.postplan.needle_errors import accuracy, mean_sd, needle_errors
from tests.postplan.seeds import planned_centers
from tests.small_plan import small_plan


@pytest.fixture(scope="module")
def plan():
    return small_plan(plates=1)  # of several plates all would stand in one place


def moved_by_needle(plan, shift_of, lean_of):
    """Seeds shifted (right, down, depth) and leant (x, y slope) about their middle, by needle."""
    moved, number = [], 0
    for template in plan.templates:
        rotation = np.asarray(template.lps_from_template)[:3, :3]
        for needle in template.needles:
            centers = np.array([seed.center_lps_mm for seed in needle.seeds])
            z = (centers - centers.mean(axis=0)) @ rotation[:, 2]
            lean = z[:, None] * np.array([*lean_of(number), 0.0])
            moved.append(centers + (np.array(shift_of(number)) + lean) @ rotation.T)
            number += 1
    return np.vstack(moved)


def test_planned_seeds_have_no_error(plan):
    matches = match_seeds(plan.templates, planned_centers(plan))
    needles, parts = needle_errors(plan.templates, matches)
    for needle in needles:
        assert needle.found == needle.planned == 3
        for value in (needle.depth_mm, needle.lateral_mm, needle.tip_mm, needle.angle_deg):
            assert value == pytest.approx(0.0, abs=1e-9)  # rounding of the frame
        # ten times as far up as the seeds lie apart
        assert needle.entry_mm == pytest.approx(0.0, abs=1e-8)
    for part in (parts.depth_mm, parts.lateral_mm, parts.tilt_mm, parts.rest_mm):
        assert np.abs(part).max() < 1e-9


def test_depth_place_and_angle_come_out(plan):
    def shift(k):
        return 0.4 * k - 1.0, 0.7 - 0.3 * k, 4.0 - 1.5 * k

    def lean(k):
        return 0.01 * k, 0.02 - 0.01 * k

    found = moved_by_needle(plan, shift, lean)
    matches = match_seeds(plan.templates, found)
    needles, parts = needle_errors(plan.templates, matches)
    for k, needle in enumerate(needles):
        assert (needle.right_mm, needle.down_mm, needle.depth_mm) == pytest.approx(shift(k))
        slope = math.hypot(*lean(k))
        # found seeds lie exactly on a line whose slope is that put in
        assert needle.angle_deg == pytest.approx(math.degrees(math.atan(slope)), abs=1e-9)
        assert needle.angle_se_deg == pytest.approx(0.0, abs=1e-6)
    together = parts.depth_mm + parts.lateral_mm + parts.tilt_mm + parts.rest_mm
    assert together == pytest.approx(found - planned_centers(plan), abs=1e-9)
    assert np.abs(parts.rest_mm).max() < 1e-9


def test_entry_and_tip_follow_from_the_line(plan):
    """Worked out by hand for one needle: its line at the plate and at the tip."""
    found = moved_by_needle(plan, lambda k: (1.0, 0.0, 2.0), lambda k: (0.0, 0.03))
    needles, _ = needle_errors(plan.templates, match_seeds(plan.templates, found))
    needle = plan.templates[0].needles[0]
    from_tip = np.array([seed.from_tip_mm for seed in needle.seeds])
    tip_z = needle.depth_mm - plan.templates[0].size_mm[2]
    middle_z = tip_z - from_tip.mean() + 2.0
    at_plate = math.hypot(1.0, 0.03 * (0.0 - middle_z))
    assert needles[0].entry_mm == pytest.approx(at_plate, abs=1e-6)
    at_tip = math.hypot(1.0, 0.03 * (tip_z + 2.0 - middle_z), 2.0)
    assert needles[0].tip_mm == pytest.approx(at_tip, abs=1e-6)


def test_a_seed_of_its_own_is_told_apart_from_its_needle(plan):
    found = planned_centers(plan)
    template = plan.templates[0]
    along = np.asarray(template.lps_from_template)[:3, 2]
    found[1] += 1.5 * along
    needles, parts = needle_errors(plan.templates, match_seeds(plan.templates, found))
    assert needles[0].depth_mm == pytest.approx(0.5)
    assert parts.depth_mm[0] @ along == pytest.approx(0.5)
    assert parts.rest_mm[1] @ along == pytest.approx(1.0)
    assert parts.rest_mm[0] @ along == pytest.approx(-0.5)


def test_noise_of_finding_is_not_told_as_an_angle(plan):
    """Seeds 5.5 to 15.5 mm apart found to 1 mm: no angle is known to 2 degrees."""
    rng = np.random.default_rng(5)
    found = planned_centers(plan) + rng.normal(0.0, 1.0, (plan.seed_count, 3))
    needles, parts = needle_errors(plan.templates, match_seeds(plan.templates, found))
    assert all(needle.angle_deg is None and needle.entry_mm is None for needle in needles)
    assert all(needle.tip_mm is not None for needle in needles)
    assert np.abs(parts.tilt_mm).max() == 0.0


def test_missing_seeds_share_what_their_needle_has_in_common(plan):
    found = moved_by_needle(plan, lambda k: (0.0, 0.0, 3.0), lambda k: (0.0, 0.0))
    matches = match_seeds(plan.templates, np.delete(found, [2, 3, 4, 5], axis=0))
    needles, parts = needle_errors(plan.templates, matches)
    assert [n.found for n in needles[:2]] == [2, 0]
    assert np.linalg.norm(parts.depth_mm[2]) == pytest.approx(3.0)
    assert np.abs(parts.depth_mm[3:6]).max() == 0.0  # nothing is known of this needle
    assert math.isnan(needles[1].depth_mm)
    told = accuracy(needles, matches)
    assert told["depth_mm"].count == len(needles) - 1
    assert told["displacement_mm"].count == plan.seed_count - 4


def test_mean_and_deviation_are_those_of_the_statistics_module():
    import statistics

    values = [5.2, 1.1, 9.7, 4.4]
    got = mean_sd(values)
    assert got.mean == pytest.approx(statistics.mean(values))
    assert got.sd == pytest.approx(statistics.stdev(values))
    assert math.isnan(mean_sd([1.0]).sd)
    assert math.isnan(mean_sd([]).mean)
