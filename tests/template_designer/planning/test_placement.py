import json
import math
import re
from dataclasses import replace

import numpy as np
import pytest

from exports import plan_json
from template_designer import frames
from template_designer.errors import CaseError, GeometryError
from template_designer.inputs.schema import parse_settings
from template_designer.model.plan import BoneAccess
from template_designer.model.settings import RobustSettings
from template_designer.planning.placement import (
    PUBLISHED,
    NeedleGroup,
    Scenarios,
    per_axis,
    placement_errors,
)
from tests.paths import ROOT
from tests.template_designer.planning.phantom import settings
from tests.template_designer.planning.plans import good_plan

NO_ERRORS = {
    "entry_mm": 0.0,
    "angle_deg": 0.0,
    "depth_mm": 0.0,
    "plate_shift_mm": 0.0,
    "plate_rotation_deg": 0.0,
    "seed_slip_mm": 0.0,
    "bore_play": False,
}
FRAME = frames.template_frame([50.0, -70.0, 10.0], [0.6, 0.64, -0.48], [0.1, 0.0, 1.0])


def errors(**stated):
    """No errors but those that are stated."""
    return placement_errors(RobustSettings(**{**NO_ERRORS, **stated}))


def group(xy_mm=((0.0, 0.0), (10.0, -5.0)), depth_mm=100.0, seeds_mm=(60.0, 80.0), play_mm=0.2):
    """Needles on an oblique plate, two seeds each."""

    def lps(z_mm):
        return frames.transform_points(FRAME, [[x, y, z_mm] for x, y in xy_mm])

    n = len(xy_mm)
    return NeedleGroup(
        name="T1",
        frame=FRAME,
        thickness_mm=20.0,
        labels=tuple(f"A{k + 1}" for k in range(n)),
        radius_mm=np.full(n, 0.635),
        play_mm=np.full(n, play_mm),
        entry_lps_mm=lps(0.0),
        tip_lps_mm=lps(depth_mm),
        seeds_lps_mm=np.concatenate([lps(z) for z in seeds_mm]),
        seed_needle=np.tile(np.arange(n), len(seeds_mm)),
    )


def draw(count, needles=None, plate=0, **stated):
    return Scenarios(needles or group(), errors(**stated), plate).draw(count)


def local(points_lps_mm):
    """Points in the template frame, any leading shape."""
    flat = frames.transform_points(frames.inverse(FRAME), points_lps_mm.reshape(-1, 3))
    return flat.reshape(points_lps_mm.shape)


def test_without_errors_everything_is_where_it_was_planned():
    for needles in (group(), NeedleGroup.of(good_plan().templates[0])):
        placed = draw(3, needles)
        axis = needles.frame[:3, 2]
        for k in range(3):  # 1e-9: sums of numbers of 100 mm in double precision
            np.testing.assert_allclose(placed.entry_lps_mm[k], needles.entry_lps_mm, atol=1e-9)
            np.testing.assert_allclose(placed.tip_lps_mm[k], needles.tip_lps_mm, atol=1e-9)
            np.testing.assert_allclose(placed.seeds_lps_mm[k], needles.seeds_lps_mm, atol=1e-9)
            assert np.allclose(placed.seed_axes_lps[k], axis, atol=1e-9)


def test_the_usual_errors_are_the_published_ones():
    # a needle in the middle of the plate, without what the bore adds; 100 mm to the tip
    needles = group(xy_mm=((0.0, 0.0),))
    usual = replace(placement_errors(RobustSettings()), bore_play=False)
    placed = Scenarios(needles, usual, 0).draw(40_000)
    entry = local(placed.entry_lps_mm)[:, 0]
    tip = local(placed.tip_lps_mm)[:, 0] - [0.0, 0.0, 100.0]
    axis = (tip - entry)[:, :2] / 100.0
    # the mean square is kept; 2 %: 40,000 draws give it to 0.7 %, tilts of 3 degrees add 0.3 %
    for found, published in (
        (np.linalg.norm(entry[:, :2], axis=1), PUBLISHED[usual.site].entry_mm),
        (np.degrees(np.linalg.norm(axis, axis=1)), PUBLISHED[usual.site].angle_deg),
        (np.linalg.norm(tip, axis=1), PUBLISHED[usual.site].tip_mm),
    ):
        assert np.sqrt(np.mean(found**2)) == pytest.approx(math.hypot(*published), rel=0.02)
    # and the shape fits: mean and SD of the entry's magnitude, published 3.4 and 1.7
    sizes = np.linalg.norm(entry[:, :2], axis=1)
    assert sizes.mean() == pytest.approx(3.4, abs=0.1)
    assert sizes.std() == pytest.approx(1.7, abs=0.1)


def test_stated_errors_take_the_place_of_the_usual_ones():
    usual = placement_errors(RobustSettings(site="head_neck"))
    stated = placement_errors(RobustSettings(site="head_neck", angle_deg=0.0, depth_mm=7.1))
    assert stated == replace(usual, angle_deg=0.0, depth_mm=7.1)
    assert usual.entry_mm == pytest.approx(per_axis((1.18, 0.81), 2) / math.sqrt(2.0))
    assert usual.depth_mm**2 + usual.plate_shift_mm**2 == pytest.approx(
        0.5 * math.pi * 1.68**2  # a normal error of mean magnitude m has the variance pi m^2 / 2
    )


@pytest.mark.parametrize(
    ("stated", "at_entry", "at_tip"),
    [
        ({"entry_mm": 2.0}, (2.0, 2.0, 0.0), (2.0, 2.0, 0.0)),
        ({"angle_deg": 1.0}, (0.0, 0.0, 0.0), (1.745, 1.745, 0.0)),  # 100 mm x 1 degree
        ({"depth_mm": 3.0}, (0.0, 0.0, 0.0), (0.0, 0.0, 3.0)),
        ({"plate_shift_mm": 2.0}, (2.0, 2.0, 2.0), (2.0, 2.0, 2.0)),
        ({"plate_rotation_deg": 1.0}, (0.0, 0.0, 0.0), (1.745, 1.745, 0.0)),
        ({"seed_slip_mm": 2.0}, (0.0, 0.0, 0.0), (0.0, 0.0, 0.0)),
    ],
)
def test_each_error_moves_what_it_should_and_as_far(stated, at_entry, at_tip):
    placed = draw(20_000, group(xy_mm=((0.0, 0.0),)), entry_angle_correlation=0.0, **stated)
    # 0.05 mm: 20,000 draws give an SD to 0.5 %; tilts shorten the needle by 0.02 mm
    np.testing.assert_allclose(local(placed.entry_lps_mm)[:, 0].std(axis=0), at_entry, atol=0.05)
    np.testing.assert_allclose(local(placed.tip_lps_mm)[:, 0].std(axis=0), at_tip, atol=0.05)


def test_seeds_stay_in_their_needles_and_slip_along_them():
    needles = group()
    placed = draw(50, needles, entry_mm=3.0, angle_deg=3.0, depth_mm=4.0, seed_slip_mm=2.0)
    still = draw(50, needles, entry_mm=3.0, angle_deg=3.0, depth_mm=4.0)
    of = needles.seed_needle
    span = placed.tip_lps_mm - placed.entry_lps_mm
    along = span / np.linalg.norm(span, axis=2, keepdims=True)
    np.testing.assert_allclose(placed.seed_axes_lps, along[:, of], atol=1e-12)
    from_entry = placed.seeds_lps_mm - placed.entry_lps_mm[:, of]
    assert np.abs(np.cross(from_entry, along[:, of])).max() < 1e-9
    moved = placed.seeds_lps_mm - still.seeds_lps_mm
    assert np.abs(np.cross(moved, along[:, of])).max() < 1e-9
    slip = np.einsum("ksi,ksi->ks", moved, along[:, of])
    assert slip.std() == pytest.approx(2.0, rel=0.15)  # 200 draws: 5 % each way, three times


def test_a_plate_moves_its_needles_as_one_body():
    needles = group(xy_mm=((-20.0, 15.0), (10.0, -5.0), (30.0, 30.0)))
    placed = draw(20, needles, plate_shift_mm=5.0, plate_rotation_deg=5.0)

    def spans(entry, tip):
        every = np.concatenate([entry, tip])
        return np.linalg.norm(every[:, None] - every[None], axis=2)

    before = spans(needles.entry_lps_mm, needles.tip_lps_mm)
    for entry, tip in zip(placed.entry_lps_mm, placed.tip_lps_mm, strict=True):
        np.testing.assert_allclose(spans(entry, tip), before, atol=1e-9)
        assert np.linalg.norm(entry - needles.entry_lps_mm, axis=1).max() > 0.1


def test_bore_play_is_bounded_spread_evenly_and_turns_about_the_middle_of_the_plate():
    placed = draw(5_000, group(xy_mm=((0.0, 0.0),)), bore_play=True)
    entry, tip = local(placed.entry_lps_mm)[:, 0], local(placed.tip_lps_mm)[:, 0]
    tilt = np.arccos(np.clip((tip - entry)[:, 2] / 100.0, -1.0, 1.0))
    most = 0.2 / 20.0
    assert 0.99 * most < tilt.max() <= most * (1.0 + 1e-6)
    # evenly over a disc: half of the tilts lie beyond its 1 / sqrt(2); 5,000 draws: 0.7 % each way
    assert np.mean(tilt > most / math.sqrt(2.0)) == pytest.approx(0.5, abs=0.025)
    middle = entry - 10.0 * (tip - entry) / 100.0
    # second order in the tilt: 10 mm x 0.01^2
    np.testing.assert_allclose(middle, np.broadcast_to([0.0, 0.0, -10.0], middle.shape), atol=2e-3)
    np.testing.assert_array_equal(draw(2, group(play_mm=0.0), bore_play=True).tip_lps_mm,
                                  draw(2).tip_lps_mm)  # fmt: skip


def test_a_longer_run_begins_like_a_shorter_one_and_other_errors_leave_the_draws():
    every = {"entry_mm": 1.0, "depth_mm": 2.0, "plate_shift_mm": 1.0, "seed_slip_mm": 1.0}
    short, long = draw(10, **every), draw(30, **every)
    np.testing.assert_array_equal(short.seeds_lps_mm, long.seeds_lps_mm[:10])
    stream = Scenarios(group(), errors(**every), 0)
    parts = np.concatenate([stream.draw(n).seeds_lps_mm for n in (7, 0, 23)])
    np.testing.assert_array_equal(parts, long.seeds_lps_mm)
    twice = draw(10, entry_mm=2.0)
    once = draw(10, entry_mm=1.0)
    planned = group().tip_lps_mm
    np.testing.assert_allclose(
        twice.tip_lps_mm - planned, 2.0 * (once.tip_lps_mm - planned), atol=1e-9
    )


def test_plates_have_errors_of_their_own_and_other_seeds_other_errors():
    first, second = draw(500, plate_shift_mm=1.0), draw(500, plate=1, plate_shift_mm=1.0)
    other = draw(500, plate_shift_mm=1.0, random_seed=44)
    shifts = [placed.tip_lps_mm[:, 0] - group().tip_lps_mm[0] for placed in (first, second, other)]
    for a, b in ((0, 1), (0, 2)):
        # independent: a correlation of 500 draws has an SD of 0.045; four times that
        assert abs(np.corrcoef(shifts[a][:, 0], shifts[b][:, 0])[0, 1]) < 0.18


def test_plan_json_gives_the_needles_of_the_plan():
    plan = good_plan()
    data = json.loads(plan_json.build(plan))
    written = NeedleGroup.from_plan_json(data["templates"][0])
    planned = NeedleGroup.of(plan.templates[0])
    assert written.labels == planned.labels
    np.testing.assert_array_equal(written.seed_needle, planned.seed_needle)
    for key in ("entry_lps_mm", "tip_lps_mm", "seeds_lps_mm", "frame", "radius_mm", "play_mm"):
        # the file keeps four decimals
        np.testing.assert_allclose(getattr(written, key), getattr(planned, key), atol=1e-4)
    assert draw(1, written).seeds_lps_mm[0] == pytest.approx(written.seeds_lps_mm, abs=1e-9)
    # an access needle and its own bore, in the plan and in the file
    (template,) = plan.templates
    needle = replace(template.needles[0], bone_access=BoneAccess(16, "cortex"))
    holes = tuple(
        replace(hole, bore_mm=2.05) if hole.label == needle.label else hole
        for hole in template.holes
    )
    wide = replace(template, needles=(needle, *template.needles[1:]), holes=holes)
    file = json.loads(plan_json.build(replace(plan, templates=(wide,))))["templates"][0]
    for group_ in (NeedleGroup.of(wide), NeedleGroup.from_plan_json(file)):
        assert group_.radius_mm[:2] == pytest.approx([1.65 / 2, 1.27 / 2])
        assert group_.play_mm[:2] == pytest.approx([0.4, 0.2], abs=1e-9)
    broken = data["templates"][0]
    broken["needles"][0]["tip_lps_mm"] = broken["needles"][0]["entry_lps_mm"]
    with pytest.raises(GeometryError, match="tip of a needle lies on"):
        NeedleGroup.from_plan_json(broken)


@pytest.mark.parametrize(
    ("stated", "told"),
    [
        ({"entry_mm": -1.0}, "entry_mm = -1: must be at least 0"),
        ({"angle_deg": 90.0}, "angle_deg = 90: must be at most 15"),
        ({"depth_mm": float("nan")}, "depth_mm"),
        ({"seed_slip_mm": "1"}, "not a number"),
        ({"site": "pelvis"}, "'thorax' or 'head_neck'"),
        ({"random_seed": -1}, "random_seed"),
        ({"bore_play": 1}, "true or false"),
        ({"entry_angle_correlation": 1.5}, "at most 1"),
        ({"entry_sd_mm": 1.0}, "entry_sd_mm is not known"),
    ],
)
def test_errors_that_make_no_sense_are_refused(stated, told):
    case = settings().model_dump(mode="python")
    case = {key: case[key] for key in ("id", "images", "target", "skin", "entry", "prescription")}
    case |= {"source": {"model": "I125-6711", "activity_mci": 0.6}, "robust": stated}
    with pytest.raises(CaseError, match=re.escape(told)) as caught:
        parse_settings(case)
    assert "[robust]" in str(caught.value)


def test_the_document_has_the_errors_of_the_program():
    text = (ROOT / "docs/robust.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \|.*\| (-?[\d.]+) \| (-?[\d.]+) \|$", text, flags=re.M)
    assert len(rows) == 7
    for key, thorax, head_neck in rows:
        for site, told in (("thorax", thorax), ("head_neck", head_neck)):
            value = getattr(placement_errors(RobustSettings(site=site)), key)
            assert f"{value + 0.0:.2f}" == told, key
