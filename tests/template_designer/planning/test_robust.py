import json
import sys
from dataclasses import replace
from functools import cache

import numba
import numpy as np
import pytest
from scipy.stats import ncx2, norm

from dose import dose_at_volume_cc, dose_at_volume_pct, volume_pct_at_dose
from exports import plan_json
from template_designer.errors import CaseError
from template_designer.geometry.distance import DistanceField
from template_designer.geometry.paths import STEP_MM, between_points_mm
from template_designer.geometry.sampling import surface_samples, volume_samples
from template_designer.geometry.solids import build_solid
from template_designer.model import NeedleRule
from template_designer.model.robust import CLOSE_MM
from template_designer.model.settings import RobustSettings
from template_designer.planning.evaluate import Seeds
from template_designer.planning.placement import NeedleGroup, Scenarios
from template_designer.planning.robust import (
    STEPS,
    Patient,
    clearances_mm,
    robust_plan,
    robustness,
)
from template_designer.planning.robust_distance import NearField
from template_designer.planning.robust_dose import DoseSample, few_of_many, scenario_doses
from template_designer.planning.robust_report import chance_of
from template_designer.planning.structures import build_structures
from template_designer.robust_sheet import robust_tables
from tests.paths import DEMO
from tests.template_designer.geometry.shapes import circle, roi
from tests.template_designer.planning.phantom import (
    HEIGHTS,
    IMAGE,
    SOURCE,
    STRENGTH_U,
    ball,
    settings,
)
from tests.template_designer.planning.plans import good_plan, phantom_case
from tests.template_designer.planning.test_placement import NO_ERRORS, errors

RADIUS_MM = 0.635


@cache
def parts():
    """The structures of the plan."""
    return build_structures(phantom_case(), ["GTV", "Cord"])[0]


def tried(scenarios=100, plan=None, groups=None, rules=None, **stated):
    """A trial of the phantom's plan, with no errors but those stated (none: the usual ones)."""
    plan = plan or good_plan()
    asked = RobustSettings(**{**NO_ERRORS, **stated} if stated else {})
    patient = Patient(
        parts()["GTV"], parts(), plan.rules if rules is None else rules, 120.0, plan.goals
    )
    return robustness(
        groups or [NeedleGroup.of(template) for template in plan.templates],
        patient,
        source=SOURCE,
        strength_u=STRENGTH_U,
        settings=asked,
        scenarios=scenarios,
    )


def as_text(result):
    """All numbers of a result, to the last digit but for NaN."""
    return repr(result)


def lone_needle(entry, tip, frame=None, seeds=()):
    """One needle as a group on a plate whose axes are those of the patient."""
    if frame is None:
        frame = np.eye(4)
        frame[:3, 3] = entry
    return NeedleGroup(
        name="T1",
        frame=frame,
        thickness_mm=20.0,
        labels=("A1",),
        radius_mm=np.array([RADIUS_MM]),
        play_mm=np.array([0.0]),
        entry_lps_mm=np.array([entry], dtype=float),
        tip_lps_mm=np.array([tip], dtype=float),
        seeds_lps_mm=np.array(seeds, dtype=float).reshape(-1, 3),
        seed_needle=np.zeros(len(seeds), dtype=np.int64),
    )


def cord():
    """A tube of radius 5 mm round the z axis, as fine as its slices allow."""
    return build_solid(roi([circle(5.0, z) for z in HEIGHTS], "Cord"), IMAGE)


def sampled_clearances(needle, count, solid, **stated):
    """Clearances of a lone needle in many scenarios, without any dose."""
    placed = Scenarios(needle, errors(**stated), 0).draw(count)
    ends = np.concatenate([placed.entry_lps_mm, placed.tip_lps_mm]).reshape(-1, 3)
    near = NearField.around(solid, ends.min(axis=0) - 1.0, ends.max(axis=0) + 1.0)
    return clearances_mm([needle], [placed], {"Cord": near})["Cord"][:, 0]


# A reported distance may be short of the true one by up to 0.05 mm at 10 mm, 0.25 mm at 5 mm and
# 1 mm at a touch (docs/geometry.md); the chance lies between those of both distances.
SHORT_MM = {10.0: 0.05, 5.0: 0.25, 0.0: 1.0}


@pytest.mark.parametrize("limit_mm", CLOSE_MM)
def test_chances_beside_a_tube_are_those_of_the_closed_form(limit_mm):
    sd, away, count = 4.0, 14.0, 4_000
    # along the tube: its distance has two normal parts, so its square is noncentral chi-squared
    needle = lone_needle((away, 0.0, -30.0), (away, 0.0, 30.0))
    found = np.mean(sampled_clearances(needle, count, cord(), entry_mm=sd) < limit_mm)

    def along(limit):
        return ncx2.cdf((limit + 5.0 + RADIUS_MM) ** 2 / sd**2, 2, away**2 / sd**2)

    check_between(found, along(limit_mm), along(limit_mm + SHORT_MM[limit_mm]), count)
    # across the tube, past its side: one normal part (the other moves the needle along itself)
    frame = np.eye(4)
    frame[:3, :3] = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]]).T
    frame[:3, 3] = (away, -40.0, 0.0)
    needle = lone_needle((away, -40.0, 0.0), (away, 40.0, 0.0), frame)
    found = np.mean(sampled_clearances(needle, count, cord(), entry_mm=sd) < limit_mm)

    def past(limit):
        reach = limit + 5.0 + RADIUS_MM
        return norm.cdf((reach - away) / sd) - norm.cdf((-reach - away) / sd)

    check_between(found, past(limit_mm), past(limit_mm + SHORT_MM[limit_mm]), count)


def check_between(found, least, most, count):
    """Four standard deviations of the count each way."""
    spare = 4.0 * np.sqrt(most * (1.0 - least) / count)
    assert least - spare <= found <= most + spare


def test_clearances_are_those_of_all_points_on_the_needles():
    rng = np.random.default_rng(5)
    entry = rng.uniform([-40, -60, -40], [40, -50, 40], (300, 3))
    tip = rng.uniform([-30, -10, -40], [40, 40, 40], (300, 3))
    tip[0] = entry[0] + [0.0, 0.3, 0.0]  # shorter than a step
    entry[1], tip[1] = [-60.0, -60.0, 0.0], [-60.0, 20.0, 0.0]  # far from the cord
    solid = parts()["Cord"]
    low, high = np.array([-61.0] * 3), np.array([61.0] * 3)
    found = NearField.around(solid, low, high).least_clearances_mm(
        entry, tip, np.full(300, RADIUS_MM)
    )
    corners = np.array([low, high, [low[0], high[1], 0.0], [high[0], low[1], 0.0]])
    field = DistanceField.around(solid, corners)
    exact = np.zeros(300)
    for k in range(300):
        span = tip[k] - entry[k]
        length = np.linalg.norm(span)
        z = np.append(np.arange(0.0, length - 1e-9, STEP_MM), length)
        distance = field.clearance_mm(entry[k] + z[:, None] * span / length)
        exact[k] = (distance - between_points_mm(distance, STEP_MM)).min() - RADIUS_MM
    near = exact < 29.0
    assert near.sum() > 200
    assert (exact[near] < 0.0).any()
    # 1e-4: the fields hold float32 at nodes that may lie elsewhere
    np.testing.assert_allclose(found[near], exact[near], atol=1e-4)
    assert np.all(found[~near] <= exact[~near] + 1e-4)
    assert np.all(found[~near] >= exact[~near] - 0.5)


def test_without_errors_the_plan_itself_comes_out():
    plan = good_plan()
    result = tried(3, **NO_ERRORS)
    metrics = {
        ("GTV", "D90"): plan.metrics["GTV"]["d90_gy"],
        ("GTV", "V100"): plan.metrics["GTV"]["v100_pct"],
        ("Cord", "Dmax"): plan.metrics["Cord"]["dmax_gy"],
        ("Cord", "D0.1cc"): plan.metrics["Cord"]["d0_1cc_gy"],
    }
    assert {(dose.structure, dose.metric) for dose in result.doses} == set(metrics)
    for dose in result.doses:
        s = dose.spread
        planned = metrics[dose.structure, dose.metric]
        # the solids are built twice, seeds are placed by sums: the same to rounding
        assert (s.planned, s.mean, s.p5, s.p50, s.p95) == pytest.approx([planned] * 5, rel=1e-9)
        assert s.sd == pytest.approx(0.0, abs=1e-9)
    assert result.tip_error_mm.p95 < 1e-9
    assert result.bore_play_deg == 0.0
    planned = {needle.label: needle.clearance_mm["Cord"] for needle in plan.needles}
    for needle in result.needles:
        (found,) = needle.clearances
        assert found.spread.p50 == pytest.approx(found.spread.planned, abs=1e-9)
        # beyond 30 mm a coarser bound is given
        assert planned[needle.label] - 0.5 <= found.spread.planned
        if planned[needle.label] < 29.0:
            assert found.spread.planned == pytest.approx(planned[needle.label], abs=1e-3)
        assert found.breaks_rule.pct == 0.0
        assert needle.shortfall_mm == 0.0
    for goal in result.goals:
        assert goal.met.pct in (0.0, 100.0)


def test_few_points_tell_the_dose_of_all():
    plan = good_plan()
    seeds = Seeds.of(plan.templates, SOURCE, STRENGTH_U)
    target, organ = parts()["GTV"], parts()["Cord"]
    samples = [DoseSample.of_target(target, seeds, 120.0), DoseSample.of_organ(organ, seeds)]
    placed = Scenarios(
        NeedleGroup.of(plan.templates[0]),
        errors(entry_mm=2.0, angle_deg=1.5, depth_mm=3.0, plate_shift_mm=2.0),
        0,
    ).draw(12)
    found = scenario_doses(samples, seeds, placed.seeds_lps_mm, placed.seed_axes_lps)
    inside, weights = volume_samples(target)
    points, shares = volume_samples(organ)
    surface = surface_samples(organ, 1.5)
    for row, centers, axes in zip(found, placed.seeds_lps_mm, placed.seed_axes_lps, strict=True):
        d90, v100, dmax, d01 = row
        moved = Seeds(SOURCE, centers, axes, STRENGTH_U)
        gy, organ_gy = moved.dose_gy(inside), moved.dose_gy(points)
        assert d90 == pytest.approx(dose_at_volume_pct(gy, weights, 90.0), rel=0.01)  # as promised
        assert v100 == pytest.approx(volume_pct_at_dose(gy, weights, 120.0), abs=1.0)  # as promised
        most = max(organ_gy.max(), moved.dose_gy(surface).max())
        # the hottest point of all is among the few or beside one of them
        assert dmax == pytest.approx(most, rel=0.01)
        # 50 of the 1,000 points share 0.1 cm3: one of them is 2 % of it, some dose steps of 2 %
        assert d01 == pytest.approx(dose_at_volume_cc(organ_gy, shares, 0.1), rel=0.06)


def test_few_of_many_keeps_the_weight_and_fills_the_space():
    rng = np.random.default_rng(1)
    points, weights = rng.random((5_000, 3)), rng.uniform(0.5, 1.5, 5_000)
    picked, shares = few_of_many(points, weights, 512)
    assert len(set(picked.tolist())) == 512
    assert shares.sum() == pytest.approx(weights.sum(), rel=1e-12)
    cells, counts = np.unique((4.0 * points[picked]).astype(int), axis=0, return_counts=True)
    assert len(cells) == 64
    assert counts.max() <= 16  # 8 in each cell on average; drawn at random one would have 17
    few, same = few_of_many(points[:10], weights[:10], 512)
    np.testing.assert_array_equal(few, np.arange(10))
    np.testing.assert_array_equal(same, weights[:10])


def test_larger_errors_spread_everything_wider():
    results = [
        tried(80, entry_mm=f, depth_mm=f, plate_shift_mm=f, seed_slip_mm=f) for f in (0.5, 1.5, 4)
    ]
    spreads = [
        [r.tip_error_mm, *(d.spread for d in r.doses), r.clearances[0].spread] for r in results
    ]
    for small, middle, large in zip(*spreads, strict=True):
        assert small.sd < middle.sd < large.sd
        assert small.p95 - small.p5 < middle.p95 - middle.p5 < large.p95 - large.p5
    chances = [r.clearances[0].nearer_than[10.0].pct for r in results]
    assert chances == sorted(chances)
    assert results[0].needles[0].shortfall_mm < results[2].needles[0].shortfall_mm
    v100 = [next(d.spread.mean for d in r.doses if d.metric == "V100") for r in results]
    assert v100[0] > v100[1] > v100[2]  # a plan made for its own needles gets worse


def test_the_same_numbers_again_and_on_any_number_of_threads():
    threads = numba.get_num_threads()
    first = tried(30, entry_mm=2.0, angle_deg=1.0)
    try:
        numba.set_num_threads(1)
        alone = tried(30, entry_mm=2.0, angle_deg=1.0)
    finally:
        numba.set_num_threads(threads)
    assert as_text(alone) == as_text(first)
    other = tried(30, entry_mm=2.0, angle_deg=1.0, random_seed=1)
    assert as_text(other) != as_text(first)


def test_the_needle_beside_the_cord_is_watched_first():
    plan = good_plan()
    result = tried(200, entry_mm=2.0, plate_shift_mm=1.0)
    cleared = {needle.label: needle.clearance_mm["Cord"] for needle in plan.needles}
    order = [needle.label for needle in result.needles]
    assert sorted(order) == sorted(cleared)
    assert cleared[order[0]] <= min(cleared.values()) + 1.0  # a millimetre is half an SD
    short = [needle.shortfall_mm for needle in result.needles]
    farthest = order.index(max(cleared, key=lambda label: cleared[label]))
    assert short[farthest] == short[-1]  # those far off tie at nothing
    assert short == sorted(short, reverse=True)
    nearest = result.clearances[0].nearer_than[10.0].pct
    single = [n.clearances[0].nearer_than[10.0].pct for n in result.needles]
    assert max(single) <= nearest <= sum(single)


def test_two_plates_err_each_for_itself():
    plan = good_plan()
    one = NeedleGroup.of(plan.templates[0])
    other = replace(one, name="T2")
    result = tried(60, groups=[one, other], plate_shift_mm=2.0)
    assert {needle.template for needle in result.needles} == {"T1", "T2"}
    assert len(result.needles) == 2 * len(one.labels)
    tips = {
        name: [n.tip_error_mm.mean for n in result.needles if n.template == name]
        for name in ("T1", "T2")
    }
    # a shift is common to all needles of a plate, and another one for the other plate
    assert np.ptp(tips["T1"]) < 1e-9
    assert np.ptp(tips["T2"]) < 1e-9
    assert abs(tips["T1"][0] - tips["T2"][0]) > 1e-3


def test_intervals_are_those_of_clopper_and_pearson():
    def interval(k, n):
        chance = chance_of(np.arange(n) < k)
        return chance.pct, round(chance.low_pct, 2), round(chance.high_pct, 2)

    assert interval(0, 1000) == (0.0, 0.0, 0.37)  # 1 - 0.025^(1/1000)
    assert interval(5, 100) == (5.0, 1.64, 11.28)  # as in any table
    assert interval(100, 100) == (100.0, 96.38, 100.0)
    assert interval(0, 1) == (0.0, 0.0, 97.5)


def test_a_single_scenario_and_no_rules_are_written_without_nan():
    plan = good_plan()
    result = tried(1, rules=())
    assert result.clearances == ()
    assert all(needle.shortfall_mm == 0.0 for needle in result.needles)
    data = json.loads(plan_json.build(replace(plan, robust=result)))
    assert data["robust"]["doses"][0]["sd"] is None
    assert json.loads(plan_json.build(plan))["robust"] is None
    assert robust_tables("phantom", result)


def test_plan_json_holds_every_structure_and_needle():
    plan = good_plan()
    result = tried(40, entry_mm=3.0, plate_shift_mm=2.0)
    data = json.loads(plan_json.build(replace(plan, robust=result)))["robust"]
    assert data["scenarios"] == 40
    assert data["errors"]["entry_mm"] == 3.0
    assert [needle["label"] for needle in data["needles"]] == [n.label for n in result.needles]
    first = data["needles"][0]["clearance_mm"]["Cord"]
    assert set(first["nearer_than"]) == {"10", "5", "0"}
    assert first["rule_mm"] == 10.0
    chances = [first["nearer_than"][key]["pct"] for key in ("10", "5", "0")]
    assert chances == sorted(chances, reverse=True)
    for chance in first["nearer_than"].values():
        assert chance["low_pct"] <= chance["pct"] <= chance["high_pct"]
    assert {dose["metric"] for dose in data["doses"]} == {"D90", "V100", "Dmax", "D0.1cc"}


def test_a_plan_is_tried_from_its_case_and_the_steps_are_told():
    told = []
    case, plan = phantom_case(robust={"entry_mm": 0.5, "random_seed": 7}), good_plan()
    plan = replace(plan, settings=case.settings)
    result = robust_plan(case, plan, 5, told.append).robust
    assert len(told) == STEPS
    assert result.errors.entry_mm == 0.5
    assert result.errors.random_seed == 7
    assert result.scenarios == 5
    assert result.bore_play_deg == pytest.approx(np.degrees(0.2 / 20.0))


@pytest.mark.parametrize("count", [0, -5, 100_001])
def test_a_number_of_scenarios_that_makes_no_sense_is_refused(count):
    with pytest.raises(CaseError, match=f"--robust {count}: .* 1 to 100000"):
        robust_plan(phantom_case(), good_plan(), count)


def test_a_plan_without_seeds_is_refused():
    bare = lone_needle((0.0, -70.0, 0.0), (0.0, 0.0, 0.0))
    with pytest.raises(CaseError, match="no seed"):
        tried(5, groups=[bare])


@pytest.mark.parametrize("count", ["0", "-3", "100001", "many", "2.5"])
def test_the_command_line_refuses_it_before_any_work(tmp_path, capsys, monkeypatch, count):
    from template_designer import cli

    case = str(DEMO / "case.toml")
    monkeypatch.setattr(
        sys, "argv", ["x", "design", case, "-o", str(tmp_path / "out"), "--robust", count]
    )
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert stop.value.code == 2
    assert "--robust" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_the_command_line_tries_a_plan_and_shows_and_writes_it(tmp_path, capsys, monkeypatch):
    from exports import EXPORTERS
    from template_designer import cli

    case = phantom_case(robust={"site": "head_neck"})
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr("template_designer.inputs.read_case", lambda *_: case)
    monkeypatch.setattr(
        "template_designer.workflow.design", lambda *_: replace(good_plan(), settings=case.settings)
    )
    monkeypatch.delitem(EXPORTERS, "preview.png")  # drawn elsewhere
    argv = ["x", "design", "case.toml", "-o", str(tmp_path / "out"), "--robust", "40"]
    monkeypatch.setattr(sys, "argv", argv)
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert stop.value.code == (0 if good_plan().goals_met else 1)
    shown = capsys.readouterr().out
    for words in ("40 scenarios", "needles to watch", "head_neck", "touched", "Cord"):
        assert words in shown
    assert "…" not in shown  # every column fits a terminal of 80
    data = json.loads((tmp_path / "out" / "plan.json").read_text())["robust"]
    assert data["errors"]["site"] == "head_neck"
    assert data["scenarios"] == 40


def test_rules_of_the_settings_are_all_followed():
    rules = (NeedleRule("Cord", 10.0), NeedleRule("Ball", 2.0))
    plan = good_plan()
    more = {**parts(), "Ball": ball((-25.0, 0.0, 0.0), 5.0, "Ball")}
    result = robustness(
        [NeedleGroup.of(plan.templates[0])],
        Patient(more["GTV"], more, rules, 120.0),
        source=SOURCE,
        strength_u=STRENGTH_U,
        settings=settings().robust,
        scenarios=20,
    )
    assert [found.structure for found in result.clearances] == ["Cord", "Ball"]
    assert [found.rule_mm for found in result.clearances] == [10.0, 2.0]
    assert {dose.structure for dose in result.doses} == {"GTV", "Cord", "Ball"}
    assert all(len(needle.clearances) == 2 for needle in result.needles)
    assert result.goals == ()
