from dataclasses import replace

import numpy as np
import pytest

from template_designer.model import HoleState, NeedleRule
from template_designer.planning.constraints import CONSTRAINTS, check_plan
from template_designer.planning.constraints.clearance import NeedleClearance
from template_designer.planning.constraints.length import NeedleLength
from template_designer.planning.constraints.skin import SeedToSkin
from tests.template_designer.planning.plans import good_plan, with_needle


@pytest.fixture(scope="module")
def plan():
    return good_plan()


def rules_broken(plan):
    return {violation.rule for violation in check_plan(plan)}


def test_a_good_plan_breaks_nothing(plan):
    assert check_plan(plan) == ()
    assert len(CONSTRAINTS) == 6


def test_a_needle_too_near_is_named_with_organ_and_amount(plan):
    needle = plan.needles[0]
    bad = with_needle(plan, replace(needle, clearance_mm={"Cord": 9.99}))
    (violation,) = check_plan(bad)
    assert needle.label in violation.text
    assert "Cord at 9.99 mm" in violation.text
    assert "at least 10 mm" in violation.text


@pytest.mark.parametrize("clearance", [{}, {"Cord": float("nan")}])
def test_an_unknown_distance_is_a_violation(plan, clearance):
    bad = with_needle(plan, replace(plan.needles[0], clearance_mm=clearance))
    assert rules_broken(bad) == {"needle clearance"}


def test_a_tip_that_is_not_where_its_depth_says(plan):
    needle = plan.needles[0]
    shifted = tuple(np.add(needle.tip_lps_mm, [0.0, 1.0, 0.0]))
    broken = rules_broken(with_needle(plan, replace(needle, tip_lps_mm=shifted)))
    assert broken == {"hole use", "seed positions"}


def test_a_needle_beside_its_hole(plan):
    needle = plan.needles[0]
    aside = np.array([0.5, 0.0, 0.0])
    bad = replace(
        needle,
        entry_lps_mm=tuple(needle.entry_lps_mm + aside),
        tip_lps_mm=tuple(needle.tip_lps_mm + aside),
        seeds=tuple(replace(s, center_lps_mm=tuple(s.center_lps_mm + aside)) for s in needle.seeds),
    )
    assert rules_broken(with_needle(plan, bad)) == {"hole use"}


def test_swapped_labels(plan):
    first, second = plan.needles[:2]
    template = plan.templates[0]
    needles = (replace(first, label=second.label), replace(second, label=first.label))
    bad = replace(plan, templates=(replace(template, needles=(*needles, *template.needles[2:])),))
    assert rules_broken(bad) == {"hole use"}


def test_a_planned_hole_without_needle(plan):
    template = plan.templates[0]
    bad = replace(plan, templates=(replace(template, needles=template.needles[1:]),))
    (violation,) = check_plan(bad)
    assert template.needles[0].label in violation.text


def test_a_needle_in_a_blocked_hole(plan):
    template = plan.templates[0]
    label = template.needles[0].label
    holes = tuple(
        replace(h, state=HoleState.BLOCKED, reason="Cord") if h.label == label else h
        for h in template.holes
    )
    bad = replace(plan, templates=(replace(template, holes=holes),))
    assert rules_broken(bad) == {"hole use"}


def test_seeds_that_touch_or_stand_out(plan):
    needle = next(n for n in plan.needles if len(n.seeds) >= 2)
    first, second, *rest = needle.seeds
    axis = np.subtract(needle.tip_lps_mm, needle.entry_lps_mm)
    axis = axis / np.linalg.norm(axis)

    def at(from_tip):
        return replace(
            first,
            center_lps_mm=tuple(np.array(needle.tip_lps_mm) - from_tip * axis),
            from_tip_mm=from_tip,
        )

    close = replace(needle, seeds=(first, at(first.from_tip_mm + 4.0), *rest))
    assert "two seeds are only 4.00 mm apart" in check_plan(with_needle(plan, close))[0].text
    out = replace(needle, seeds=(at(1.0), second, *rest))
    assert any("past the tip" in v.text for v in check_plan(with_needle(plan, out)))


def test_tighter_limits_never_give_fewer_violations(plan):
    for tighter in (
        [NeedleClearance((NeedleRule("Cord", limit),)) for limit in (5.0, 12.0, 20.0, 90.0)],
        [NeedleLength(hub) for hub in (0.0, 60.0, 90.0, 200.0)],
        [SeedToSkin(depth) for depth in (0.0, 40.0, 60.0, 90.0)],
    ):
        counts = [len(rule.check(plan)) for rule in tighter]
        assert counts == sorted(counts)
        assert counts[-1] > counts[0]
