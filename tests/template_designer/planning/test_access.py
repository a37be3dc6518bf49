"""Ways through compact bone: which needles need an access needle, and what follows from it."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from template_designer.geometry.solids import build_solid
from template_designer.model import BoneAccess, HoleState
from template_designer.planning.access import _run_lengths
from template_designer.planning.approach import prepare_approach
from template_designer.planning.bone import bone_on_way
from template_designer.planning.constraints import check_plan
from template_designer.planning.constraints.holes import HoleUse
from template_designer.planning.structures import build_structures
from template_designer.workflow import design
from tests.template_designer.geometry.shapes import circle, roi
from tests.template_designer.planning.phantom import (
    HEIGHTS,
    IMAGE,
    SOURCE,
    approach,
    settings,
    solids,
)
from tests.template_designer.planning.plans import good_plan, phantom_case, with_needle

THIN_MM, THICK_MM = 0.5 * 1.27, 0.5 * 1.65  # radii of 18G and 16G


def bony_image(hu=700, rows=(40, 45), step=1.0):
    """The phantom's CT with a plate of bone across the way: rows at y = -70 + 40 ... 44 mm."""
    values = np.zeros((len(HEIGHTS), 141, 141), np.int16)
    values[:, rows[0] : rows[1], :] = hu
    return replace(
        IMAGE,
        hu=values,
        origin_lps_mm=np.array([-70.0, -70.0, HEIGHTS[0]]),
        spacing_mm=np.array([step, step, 3.0]),
    )


def case(image, *, cord=(24.0, 5.0), **tables):
    rois = phantom_case().rois
    tube = roi([circle(5.0, z, cord) for z in HEIGHTS], "Cord")
    kept = tuple(tube if r.name == "Cord" else r for r in rois.rois if r.name != "Bone")
    stated = phantom_case(**tables)
    return replace(stated, image=image, rois=replace(rois, rois=kept))


def test_a_way_through_compact_bone_gets_an_access_needle_a_bore_and_its_clearance():
    plan = design(case(bony_image()))
    plain = design(case(bony_image(hu=500)))
    assert not check_plan(plan)
    template = plan.templates[0]
    assert plan.needles
    for needle in plan.needles:
        assert needle.bone_access.gauge == 16
        # 700 HU falls to 0 over 1 mm: 600 HU is crossed 0.14 mm outside the outer rows
        told = float(needle.bone_access.reason.split(" mm")[0])
        assert told == pytest.approx(4.0 + 2 / 7, abs=0.3)  # samples every 0.25 mm, one decimal
        assert "at or above 600 HU" in needle.bone_access.reason
        assert needle.gauge == 18
        assert needle.widest_gauge == 16
    for hole in template.holes:
        planned = hole.state is HoleState.PLANNED
        assert hole.bore_mm == (pytest.approx(1.65 + 0.20) if planned else None)
        assert template.bore_of(hole) == pytest.approx(1.85 if planned else 1.47)
    assert all(n.bone_access is None for n in plain.needles)
    assert all(hole.bore_mm is None for hole in plain.templates[0].holes)
    (warning,) = (w for w in plan.warnings if w.code == "bone-access")
    assert "16G access needle" in warning.text
    assert not any(w.code == "bone-access" for w in plain.warnings)
    # the same hole, the thicker needle: its clearance is smaller by the difference of the radii
    deep = {n.label: n for n in plain.needles}
    both = [(n, deep[n.label]) for n in plan.needles if n.label in deep]
    assert both
    for thick, thin in both:
        if thick.depth_mm == pytest.approx(thin.depth_mm):
            off = thin.clearance_mm["Cord"] - thick.clearance_mm["Cord"]
            assert off == pytest.approx(THICK_MM - THIN_MM, abs=1e-9)


def test_a_way_that_only_a_thin_needle_may_take_ends_before_the_bone():
    # the cord passes before the bone, 15.7 mm beside the hole: 10.065 mm for 18G, 9.875 for 16G
    found = {hu: prepared(case(bony_image(hu=hu), cord=(15.7, -50.0))) for hu in (500, 700)}
    for hu, one in found.items():
        hole = next(n for n, p in enumerate(one.paths.points) if p.x_mm == 0.0 and p.y_mm == 0.0)
        label, tip = one.paths.points[hole].label, one.paths.deepest_tip_mm[hole]
        if hu == 500:
            assert one.reasons[label] is None
            assert tip > 70.0
        else:
            # the plate's face is at y = -70, the bone at -30.14: 1 mm may be entered
            assert tip < one.access.from_mm[hole] <= 70.0 - 30.14 + 1.0 + 0.51
            assert one.reasons[label].startswith("Cord 9.8 mm from the needle")
            assert one.paths.stop[hole] == "Cord"


def prepared(stated):
    parts, _ = build_structures(stated, ("GTV", "Body", "Cord"))
    return prepare_approach(
        stated.settings, stated.settings.entry[0], stated.image, parts, parts["GTV"], SOURCE
    )


@pytest.mark.parametrize(
    ("tables", "gauge"),
    [
        ({}, 16),
        ({"bone": {"access_gauge": 11}}, 11),
        ({"bone": {"cortex_hu": 800.0}}, None),
        ({"bone": {"cortex_mm": 6.0}}, None),
        ({"bone": {"cortex_hu": 800.0, "access_bone_mm": 3.0}}, 16),
        ({"bone": {"cortex_hu": 800.0, "access_bone_mm": 8.0}}, None),
        ({"needle": {"gauge": 16}}, None),  # the needles themselves are as thick
        ({"needle": {"gauge": 16}, "bone": {"access_gauge": 13}}, 13),
    ],
)
def test_when_access_is_needed_and_with_which_gauge(tables, gauge):
    one = prepared(case(bony_image(), **tables))
    middle = next(n for n, p in enumerate(one.paths.points) if p.x_mm == 0.0 and p.y_mm == 0.0)
    before, behind = (one.access.of(middle, z) for z in (35.0, 60.0))
    assert before is None
    assert (behind.gauge if behind else None) == gauge


def test_drawn_bone_counts_for_the_length_of_bone():
    stated = phantom_case(bone={"access_bone_mm": 3.0, "cortex_hu": 900.0})  # 4 mm of drawn bone
    one = approach(stated.settings, solids() | drawn_bone(stated))
    middle = next(n for n, p in enumerate(one.paths.points) if p.x_mm == 0.0 and p.y_mm == 0.0)
    access = one.access.of(middle, 60.0)
    assert access.reason == "4.0 mm of bone (up to 3 mm go without)"
    assert one.access.of(middle, 70.0 - 30.0 + 2.9) is None


def drawn_bone(stated):
    bone = next(r for r in stated.rois.rois if r.name == "Bone")
    return {"Bone": build_solid(bone, IMAGE)}


def test_what_lies_outside_the_body_is_no_bone():
    image = bony_image(rows=(0, 3))  # y = -70 ... -68, the body begins at -70
    off = replace(image, origin_lps_mm=image.origin_lps_mm - [0.0, 6.0, 0.0])  # 6 mm before it
    stated = settings()
    entry = stated.entry[0].model_copy(update={"point_lps": (0.0, -80.0, 0.0)})
    stated = stated.model_copy(update={"entry": (entry,)})
    for where, needed in ((image, True), (off, False)):
        one = prepared(replace(case(where), settings=stated))
        assert np.isfinite(one.access.from_mm).any() == needed


def test_the_mean_number_of_bone_is_that_of_the_bone_alone():
    image = bony_image(hu=700)
    start, end = np.array([0.0, -60.0, 0.0]), np.array([0.0, 10.0, 0.0])
    in_ct = bone_on_way(image, {}, (), settings().bone)(start, end)
    # half height between 700 and 0: 250 HU lies 0.64 mm outside the outer rows
    assert in_ct.length_mm == pytest.approx(4.0 + 2 * (700 - 250) / 700, abs=0.26)
    # 4 mm at 700 and 2 x 0.64 mm from 700 down to 250, mean 475
    assert in_ct.mean_hu == pytest.approx((4 * 700 + 1.286 * 475) / 5.286, abs=25.0)
    nothing = bone_on_way(image, {}, (), settings().bone)(start, start + np.array([0.0, 20.0, 0.0]))
    assert (nothing.length_mm, nothing.mean_hu) == (0.0, None)
    drawn = bone_on_way(image, drawn_bone(phantom_case()), ("Bone",), settings().bone)(start, end)
    assert drawn.length_mm == pytest.approx(4.0)  # drawn from y = -30 to -26, as in the CT
    assert drawn.mean_hu == pytest.approx(700.0)


@given(st.lists(st.booleans(), min_size=1, max_size=40))
def test_run_lengths_are_counted_as_by_hand(found):
    count, counts = 0, []
    for one in found:
        count = count + 1 if one else 0
        counts.append(count)
    assert _run_lengths(np.array([found]))[0].tolist() == counts


def test_a_needle_that_does_not_fit_its_bore_is_a_violation():
    plan = good_plan()
    needle = plan.needles[0]
    thick = replace(needle, bone_access=BoneAccess(16, "by hand"))
    texts = [v.text for v in HoleUse.of(plan).check(with_needle(plan, thick))]
    assert texts == [f"needle {needle.label}: 16G (1.65 mm) does not pass its bore of 1.47 mm"]
    assert not HoleUse.of(plan).check(plan)
