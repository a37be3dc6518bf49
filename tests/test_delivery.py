"""How seeds get in: order of insertion, retractions, cartridges, strands; files and their check."""

import copy
import csv
import io
import itertools
import json
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dose import load_source
from exports import delivery_data, needle_table, plan_json
from template_designer import frames
from template_designer.checking.delivery_checks import check_delivery, check_limits, check_order
from template_designer.checking.evidence import Evidence, read_evidence, read_record
from template_designer.checking.lines import State
from template_designer.checking.report import lines_of
from template_designer.errors import CaseError, GeometryError
from template_designer.inputs.case_checks import check_values
from template_designer.inputs.schema import parse_settings
from template_designer.inputs.seed_source import read_seed_source
from template_designer.model import CaseSettings, Needle, NeedleRule, Plan, Seed, Template
from template_designer.model.delivery import (
    CartridgeUse,
    DeliverySettings,
    MickSteps,
    SeedTrain,
    Technique,
)
from template_designer.model.settings import LoadingSettings
from template_designer.planning.delivery import deliver, delivery_warnings, insertion_order
from tests.exports.conftest import GAP_MM, SETTINGS, THICKNESS_MM, make_plan, make_template
from tests.paths import DEMO
from tests.template_designer.planning.phantom import approach
from tests.template_designer.planning.phantom import settings as phantom_case

SOURCE = load_source("I125-6711")
CAPSULE_MM = SOURCE.capsule_mm[0]
HALF_MM = 0.5 * CAPSULE_MM
FLOAT_MM = 1e-9
"""Sums of a dozen lengths of 100 mm carry errors of 1e-13 mm."""


def case(**tables: object) -> CaseSettings:
    return CaseSettings.model_validate({**SETTINGS, **tables})


def strand(**keys: object) -> CaseSettings:
    return case(delivery={"technique": "strand", **keys}, loading={"loading": "regular"})


def at_z(frame: np.ndarray, xy_mm: tuple[float, float], z_mm: float) -> tuple[float, float, float]:
    x, y, z = frames.transform_points(frame, [(*xy_mm, z_mm)])[0].tolist()
    return x, y, z


def needle_at(
    template: Template, label: str, depth_mm: float, gaps_mm: list[float], clearance: dict
) -> Needle:
    """A needle through a hole of a made-up plate, its seeds these far apart."""
    xy = next((hole.x_mm, hole.y_mm) for hole in template.holes if hole.label == label)
    frame, tip_z = template.lps_from_template, depth_mm - THICKNESS_MM
    behind = HALF_MM + np.cumsum([0.0, *gaps_mm])
    return Needle(
        label=label,
        gauge=18,
        length_mm=200.0,
        entry_lps_mm=at_z(frame, xy, 0.0),
        tip_lps_mm=at_z(frame, xy, tip_z),
        depth_mm=depth_mm,
        skin_depth_mm=tip_z - GAP_MM,
        bone_mm=0.0,
        clearance_mm=clearance,
        seeds=tuple(Seed(at_z(frame, xy, tip_z - b), float(b), 40.0 - float(b)) for b in behind),
    )


PLATE = make_template()
LABELS = tuple(hole.label for hole in PLATE.holes)


@st.composite
def loaded_plates(draw, steps_mm=(5.0, 7.5, 10.0), plates=2):
    """One or two plates with 1-12 needles each: any depths, clearances and loads."""
    made = []
    for number in range(1, draw(st.integers(1, plates)) + 1):
        labels = draw(st.lists(st.sampled_from(LABELS), min_size=1, max_size=12, unique=True))
        needles = []
        for label in labels:
            depth = 0.5 * draw(st.integers(160, 280))
            gaps = draw(st.lists(st.sampled_from(steps_mm), max_size=5))
            cord, aorta, liver = (draw(st.floats(1.0, 60.0)) for _ in range(3))
            clearance = {"SpinalCord": cord, "Aorta": aorta, "Liver": liver}
            needles.append(needle_at(PLATE, label, depth, gaps, clearance))
        made.append(replace(PLATE, name=f"T{number}", needles=tuple(needles)))
    return tuple(made)


RULES = (NeedleRule("SpinalCord", 10.0), NeedleRule("Aorta", 10.0), NeedleRule("Liver", 1.0))


def to_cord(needle: Needle) -> float:
    return min(needle.clearance_mm["SpinalCord"], needle.clearance_mm["Aorta"])


# --- order of insertion -------------------------------------------------------------------------


@given(loaded_plates(), st.randoms())
def test_template_by_template_the_deep_go_first_then_those_far_from_the_cord(plates, rng):
    ordered = insertion_order(RULES, plates)
    assert len(ordered) == sum(len(plate.needles) for plate in plates)
    assert len({(t.name, n.label) for t, n in ordered}) == len(ordered)
    names = [template.name for template, _ in ordered]
    assert names == sorted(names)
    for plate in plates:
        deepest = max(needle.depth_mm for needle in plate.needles)
        mine = [needle for template, needle in ordered if template.name == plate.name]
        for first, then in itertools.combinations(mine, 2):
            # depths are halves of a millimetre: classes of 10 mm are exact
            classes = [int((deepest - needle.depth_mm) // 10.0) for needle in (first, then)]
            assert classes[0] <= classes[1]
            if classes[0] == classes[1]:  # compared to 0.001 mm
                assert to_cord(first) >= to_cord(then) - 0.001
    shuffled = tuple(
        replace(plate, needles=tuple(rng.sample(plate.needles, len(plate.needles))))
        for plate in plates
    )
    again = insertion_order(RULES, shuffled)
    assert [(t.name, n.label) for t, n in again] == [(t.name, n.label) for t, n in ordered]


def test_ties_go_by_depth_then_column_then_row():
    same = {"SpinalCord": 20.0}
    places = {"B3": 100.0, "A10": 100.0, "A9": 100.0, "C1": 101.0}
    needles = tuple(needle_at(PLATE, k, depth, [], same) for k, depth in places.items())
    ordered = insertion_order(RULES[:1], [replace(PLATE, needles=needles)])
    assert [needle.label for _, needle in ordered] == ["C1", "A9", "A10", "B3"]


def test_only_the_structures_with_the_widest_rule_are_the_cord():
    near_liver = needle_at(PLATE, "A1", 100.0, [], {"SpinalCord": 30.0, "Liver": 1.0})
    near_cord = needle_at(PLATE, "B1", 104.0, [], {"SpinalCord": 12.0, "Liver": 50.0})
    plate = replace(PLATE, needles=(near_cord, near_liver))

    def first(*rules: NeedleRule) -> str:
        return insertion_order(rules, [plate])[0][1].label

    assert first(RULES[0], RULES[2]) == "A1"  # far from the cord, whatever the liver
    assert first(NeedleRule("SpinalCord", 5.0), NeedleRule("Liver", 6.0)) == "B1"
    assert first() == "B1"  # no rule: the deeper


# --- Mick ---------------------------------------------------------------------------------------


@given(loaded_plates(), st.integers(1, 20))
def test_retractions_lead_from_the_first_seed_to_the_last(plates, per_cartridge):
    stated = case(delivery={"seeds_per_cartridge": per_cartridge})
    done = deliver(stated, plates, SOURCE)
    assert [item.order for item in done] == list(range(1, len(done) + 1))
    needles = {(t.name, n.label): n for t in plates for n in t.needles}
    before, drawn = 0, []
    for item in done:
        needle, steps = needles.pop((item.template, item.label)), item.loading
        assert item.technique is Technique.MICK
        assert isinstance(steps, MickSteps)
        assert steps.readings_mm[0] == needle.depth_mm  # the first seed at full depth
        assert list(steps.readings_mm) == sorted(steps.readings_mm, reverse=True)
        behind = needle.seeds[-1].from_tip_mm - needle.seeds[0].from_tip_mm
        assert sum(steps.retractions_mm) == pytest.approx(behind, abs=FLOAT_MM)
        for seed, reading in zip(needle.seeds, steps.readings_mm, strict=True):
            # a capsule's far end lies at the tip as it is dropped
            end = needle.depth_mm - seed.from_tip_mm + HALF_MM
            assert end == pytest.approx(reading, abs=FLOAT_MM)
        assert steps.seeds_before == before
        before += len(needle.seeds)
        drawn += [use.number for use in steps.cartridges for _ in range(use.seeds)]
    assert not needles
    # every cartridge but the last is emptied before the next
    used = [len(list(same)) for _, same in itertools.groupby(drawn)]
    assert drawn == sorted(drawn)
    assert used[:-1] == [per_cartridge] * (len(used) - 1)
    assert len(drawn) == before
    assert len(used) == -(-before // per_cartridge) == drawn[-1]


def test_a_cartridge_may_run_out_within_a_needle():
    deep = needle_at(PLATE, "A1", 120.0, [5.0] * 3, {})
    next_one = needle_at(PLATE, "B1", 100.0, [10.0] * 2, {})
    plate = replace(PLATE, needles=(next_one, deep))
    first, second = deliver(case(delivery={"seeds_per_cartridge": 6}), [plate], SOURCE)
    assert (first.label, first.loading.cartridges) == ("A1", (CartridgeUse(1, 4),))
    assert second.loading.cartridges == (CartridgeUse(1, 2), CartridgeUse(2, 1))
    assert second.loading.readings_mm == pytest.approx((100.0, 90.0, 80.0), abs=FLOAT_MM)
    assert delivery_data.delivery_cells(second) == {
        "insertion_order": 2,
        "retraction_mm": "10.0;10.0",
        "seed_readings_mm": "100.0;90.0;80.0",
        "cartridge": "1:2;2:1",
        "strand": "",
    }


def test_printed_readings_are_never_deeper_and_their_steps_lead_along_them():
    # 7.33 mm steps: no reading but the first is a tenth
    needle = needle_at(PLATE, "A1", 118.07, [7.33] * 4, {})
    (done,) = deliver(case(), [replace(PLATE, needles=(needle,))], SOURCE)
    cells = delivery_data.delivery_cells(done)
    printed = [float(text) for text in cells["seed_readings_mm"].split(";")]
    steps = [float(text) for text in cells["retraction_mm"].split(";")]
    assert printed == [118.0, 110.7, 103.4, 96.0, 88.7]  # 118.07, 110.74, 103.41, 96.08, 88.75
    assert np.subtract(printed[0], np.cumsum(steps)) == pytest.approx(printed[1:], abs=FLOAT_MM)


def test_what_is_no_sequence_is_refused():
    with pytest.raises(GeometryError, match="only drawn back"):
        MickSteps((100.0, 100.0), 0, (CartridgeUse(1, 2),))
    with pytest.raises(GeometryError, match="only drawn back"):
        MickSteps((100.0, float("nan")), 0, (CartridgeUse(1, 2),))
    with pytest.raises(GeometryError, match="do not give 2 seeds"):
        MickSteps((100.0, 95.0), 0, (CartridgeUse(1, 1),))
    with pytest.raises(GeometryError, match="gaps"):
        SeedTrain(4.5, ((5.5,),), (0.0,))


# --- spacers ------------------------------------------------------------------------------------

lengths = st.lists(st.integers(1, 120), min_size=1, max_size=4, unique=True).map(
    lambda tenths: tuple(n / 10 for n in tenths)
)


@given(lengths, st.integers(1, 3), st.floats(0.0, 25.0), st.floats(0.0, 0.5))
def test_spacers_fill_a_gap_to_the_tolerance_or_none_do(kinds, most, gap_mm, tolerance_mm):
    stated = DeliverySettings(
        spacer_lengths_mm=kinds, spacers_per_gap=most, strand_tolerance_mm=tolerance_mm
    )
    found = stated.spacers_for(gap_mm)
    sums = (  # every number of every kind, another way to list them
        sum(n * kind for n, kind in zip(counts, kinds, strict=True))
        for counts in itertools.product(range(most + 1), repeat=len(kinds))
        if sum(counts) <= most
    )
    best = min(abs(total - gap_mm) for total in sums)
    if found is None:
        assert best > tolerance_mm
    else:
        assert set(found) <= set(kinds)
        assert len(found) <= most
        assert list(found) == sorted(found, reverse=True)
        # errors are compared to 1e-6 mm; equally near ones may be another sum
        assert abs(sum(found) - gap_mm) <= min(best, tolerance_mm) + 1.1e-6


@given(lengths, st.integers(1, 3), st.data())
def test_a_gap_made_of_whole_spacers_is_filled_exactly(kinds, most, data):
    laid = data.draw(st.lists(st.sampled_from(kinds), max_size=most))
    stated = DeliverySettings(
        spacer_lengths_mm=kinds, spacers_per_gap=most, strand_tolerance_mm=0.0
    )
    found = stated.spacers_for(sum(laid))
    assert found is not None
    assert sum(found) == pytest.approx(sum(laid), abs=1e-6)  # SLACK_MM of the model
    assert len(found) <= len(laid)  # the fewest


def test_which_spacers_are_taken():
    usual = DeliverySettings()
    assert usual.spacers_for(0.0) == ()
    assert usual.spacers_for(10.0 - CAPSULE_MM) == (5.5,)
    assert usual.spacers_for(5.0 - CAPSULE_MM) == (0.5,)
    assert usual.spacers_for(6.0) == (5.5, 0.5)
    assert usual.spacers_for(7.5 - CAPSULE_MM) is None  # 2.95 mm
    assert usual.spacers_for(float("nan")) is None
    half_millimetres = DeliverySettings(spacers_per_gap=6)
    assert half_millimetres.spacers_for(3.0) == (0.5,) * 6
    # the nearest, not the fewest: with 0.5 mm tolerance no spacer at all would do as well
    loose = DeliverySettings(strand_tolerance_mm=0.5)
    assert loose.spacers_for(0.45) == (0.5,)


@given(loaded_plates(steps_mm=(5.0, 10.0)), st.sampled_from(["strand", "preloaded"]))
def test_a_train_of_seeds_and_spacers_puts_every_seed_where_it_is_planned(plates, technique):
    stated = case(delivery={"technique": technique})
    needles = {(t.name, n.label): n for t in plates for n in t.needles}
    done = deliver(stated, plates, SOURCE)
    assert [item.order for item in done] == list(range(1, len(needles) + 1))
    for item in done:
        needle, train = needles[item.template, item.label], item.loading
        assert item.technique == technique
        assert isinstance(train, SeedTrain)
        at, centres = 0.0, []  # laid down from the text alone
        for part in train.text.split("-"):
            length = CAPSULE_MM if part == "S" else float(part)
            if part == "S":
                centres.append(at + 0.5 * length)
            at += length
        assert at == pytest.approx(train.length_mm, abs=FLOAT_MM)
        assert train.text.count("-") == len(needle.seeds) + train.spacer_count - 1
        planned = [seed.from_tip_mm for seed in needle.seeds]
        off = np.subtract(centres, planned)
        assert off == pytest.approx(train.shifts_mm, abs=FLOAT_MM)
        # capsules of 4.55 mm instead of 4.5 mm: 0.05 mm a gap
        assert off == pytest.approx(0.05 * np.arange(len(off)), abs=1e-6)


def test_a_gap_that_no_spacers_fill_is_refused_by_needle():
    plate = replace(PLATE, needles=(needle_at(PLATE, "C4", 100.0, [5.0, 7.5], {}),))
    with pytest.raises(CaseError) as refused:
        deliver(strand(), [plate], SOURCE)
    for piece in ("'strand'", "needle C4", "7.5 mm apart", "2.95 mm", "[5.5, 0.5]", "spacer"):
        assert piece in str(refused.value)
    exact = strand(spacer_lengths_mm=[0.45, 2.95], strand_tolerance_mm=0.0)
    (done,) = deliver(exact, [plate], SOURCE)
    assert done.loading.text == "S-0.45-S-2.95-S"
    assert done.loading.shifts_mm == pytest.approx((0.0, 0.0, 0.0), abs=FLOAT_MM)


def test_spacers_that_bring_seeds_too_near_the_skin_are_warned_of():
    needle = needle_at(PLATE, "C4", 100.0, [10.0, 10.0], {})  # last seed 17.725 mm under the skin

    def warned(depth_mm: float, **keys: object) -> list[str]:
        stated = case(
            skin={"structure": "Body", "seed_depth_mm": depth_mm},
            delivery={"technique": "strand", **keys},
        )
        plates = [replace(PLATE, needles=(needle,))]
        done = deliver(stated, plates, SOURCE)
        return [warning.text for warning in delivery_warnings(stated, plates, done)]

    assert not warned(17.6)  # 0.1 mm of shift leave 17.625 mm
    (text,) = warned(17.7)
    assert "C4 of T1 (17.62 mm)" in text
    assert not warned(17.7, spacer_lengths_mm=[5.45])


# --- the case file ------------------------------------------------------------------------------


@pytest.mark.parametrize(("table", "keys", "said"), [
    ("delivery", {"technique": "glue"}, ["[delivery] technique", "'mick'", "'strand'"]),
    ("delivery", {"technic": "mick"}, ["[delivery] technic", "did you mean 'technique'"]),
    ("delivery", {"seeds_per_cartridge": 0}, ["seeds_per_cartridge = 0", "at least 1"]),
    ("delivery", {"seeds_per_cartridge": 2.5}, ["seeds_per_cartridge", "whole number"]),
    ("delivery", {"seeds_per_cartridge": True}, ["seeds_per_cartridge"]),
    ("delivery", {"seeds_per_cartridge": "15"}, ["seeds_per_cartridge", "whole number"]),
    ("delivery", {"spacer_lengths_mm": 5.5}, ["spacer_lengths_mm", "list"]),
    ("delivery", {"spacer_lengths_mm": []}, ["spacer_lengths_mm"]),
    ("delivery", {"spacer_lengths_mm": [0.0]}, ["spacer_lengths_mm", "at least 0.1"]),
    ("delivery", {"spacer_lengths_mm": [float("nan")]}, ["spacer_lengths_mm"]),
    ("delivery", {"spacer_lengths_mm": ["5.5"]}, ["spacer_lengths_mm", "not a number"]),
    ("delivery", {"spacer_lengths_mm": [5.5, 5.5]}, ["states a length twice"]),
    ("delivery", {"spacers_per_gap": 7}, ["spacers_per_gap = 7", "at most 6"]),
    ("delivery", {"strand_tolerance_mm": -0.1}, ["strand_tolerance_mm = -0.1", "at least 0"]),
    ("delivery", {"strand_tolerance_mm": 2}, ["strand_tolerance_mm = 2", "at most 0.5"]),
    ("loading", {"loading": "paris"}, ["[loading] loading", "'regular'", "'free'"]),
    ("loading", {"loading": []}, ["[loading] loading", "'regular'"]),
    ("loading", {"loading": "regular", "seed_spacing_mm": [6.0, 9.0]},
     ["no multiple of step_mm = 5", "10 mm"]),
    ("loading", {"step_mm": None}, ["[loading] step_mm"]),
    ("loading", {"max_seeds_per_needle": 0}, ["max_seeds_per_needle = 0", "at least 1"]),
    ("loading", {"max_seeds_per_needle": 2.0}, ["max_seeds_per_needle", "whole number"]),
])  # fmt: skip
def test_hostile_tables_are_refused_by_key(table, keys, said):
    with pytest.raises(CaseError) as refused:
        parse_settings({**SETTINGS, table: keys})
    for piece in said:
        assert piece in str(refused.value)


def test_the_step_follows_the_pattern_unless_it_is_stated():
    assert LoadingSettings().step_mm == 2.5
    assert LoadingSettings(loading="free") == LoadingSettings() == LoadingSettings(step_mm=2.5)
    assert LoadingSettings(loading="regular").step_mm == 5.0
    assert LoadingSettings(loading="regular", step_mm=2.5).step_mm == 2.5
    assert LoadingSettings(loading="free", step_mm=5).step_mm == 5.0
    assert case(loading={"loading": "regular"}).loading.step_mm == 5.0


def test_regular_positions_lie_on_5_mm_and_are_among_the_free_ones():
    regular = approach(phantom_case(loading={"loading": "regular"})).sites
    free = approach(phantom_case(loading={})).sites
    for hole in np.unique(regular.hole):
        z = regular.z_mm[regular.hole == hole]
        # z is of order 100 mm: sums of steps are exact to 1e-12
        assert np.abs(np.diff(z) / 5.0 - np.round(np.diff(z) / 5.0)).max(initial=0.0) < 1e-12
        others = free.z_mm[free.hole == hole]
        assert all(np.abs(others - value).min() < 1e-12 for value in z)
    assert 0 < len(regular) < len(free)


@pytest.mark.parametrize("technique", ["strand", "preloaded"])
def test_spacings_that_no_spacers_make_are_refused_before_the_search(technique):
    stated = case(delivery={"technique": technique})
    source = read_seed_source(stated.source, Path())
    with pytest.raises(CaseError) as refused:
        check_values(stated, source)
    for piece in (
        f"'{technique}'", "seeds 7.5 mm apart leave 2.95 mm", "capsules of 4.55 mm",
        "5.5, 0.5 mm", "spacings that fit: 5, 10 mm", 'loading = "regular"',
    ):  # fmt: skip
        assert piece in str(refused.value)
    for keys, loading in (
        ({}, {"loading": "regular"}),
        ({"spacer_lengths_mm": [5.5, 3.0, 0.5]}, {}),
        ({}, {"seed_spacing_mm": [10.0, 10.0]}),
        ({"spacers_per_gap": 6}, {}),
    ):
        check_values(case(delivery={"technique": technique, **keys}, loading=loading), source)
    none_fit = case(delivery={"technique": technique, "spacer_lengths_mm": [9.0]})
    with pytest.raises(CaseError, match="spacings that fit: none"):
        check_values(none_fit, source)
    check_values(case(delivery={"technique": "mick", "spacer_lengths_mm": [9.0]}), source)


# --- the files and their check ------------------------------------------------------------------


def full_plan(stated: CaseSettings) -> Plan:
    """A made-up plan on two plates whose needles differ in everything."""
    loads = {"K10": [5.0, 10.0], "H9": [10.0], "L12": [], "C4": [5.0, 5.0, 10.0, 10.0]}
    plates = []
    for name, labels in (("T1", ("K10", "H9", "L12")), ("T2", ("C4",))):
        plate = make_template(name, dict.fromkeys(labels, 100.0))
        needles = tuple(
            needle_at(plate, label, 100.0 + 4.5 * n, loads[label],
                      {"SpinalCord": 10.0 + 3.21 * n, "Aorta": 30.0 - n})
            for n, label in enumerate(labels)
        )  # fmt: skip
        plates.append(replace(plate, needles=needles))
    done = deliver(stated, plates, SOURCE)
    return make_plan(*plates, settings=stated, delivery=done)


PLANS = {
    "mick": case(delivery={"seeds_per_cartridge": 4}),
    "strand": strand(),
    "preloaded": case(delivery={"technique": "preloaded", "spacer_lengths_mm": [0.45, 5.45]}),
}


@cache
def one_plan() -> Plan:
    """A plan whose templates are replaced: its dose is that of others, which nothing here reads."""
    return make_plan(PLATE)


def evidence_of(plan: Plan, case_at_hand: bool = True) -> Evidence:
    rows = csv.DictReader(io.StringIO(needle_table.build(plan).decode(), newline=""))
    record = read_record(json.loads(plan_json.build(plan)))
    return Evidence(
        Path(), record, tuple(rows), {}, case=plan.settings if case_at_hand else None,
        case_note="not at hand",
    )  # fmt: skip


@pytest.fixture(scope="module", params=PLANS)
def written(request):
    return evidence_of(full_plan(PLANS[request.param]))


def lines(evidence: Evidence) -> dict[str, State]:
    checks = (check_order, check_delivery, check_limits)
    return {line.name: line.state for check in checks for line in lines_of(check, evidence)}


def failed(evidence: Evidence) -> list[str]:
    return [name for name, state in lines(evidence).items() if state is State.FAIL]


def test_both_files_say_what_the_plan_says():
    plan = full_plan(PLANS["mick"])
    data = json.loads(plan_json.build(plan))
    rows = {
        (row["template"], row["hole"]): row
        for row in csv.DictReader(io.StringIO(needle_table.build(plan).decode()))
    }
    found = {(t["name"], n["label"]): n for t in data["templates"] for n in t["needles"]}
    # all within 10 mm of depth: L12 lies farthest from the cord, then H9, then K10; T2 follows
    assert [(item.template, item.label) for item in plan.delivery] == [
        ("T1", "L12"), ("T1", "H9"), ("T1", "K10"), ("T2", "C4"),
    ]  # fmt: skip
    for item in plan.delivery:
        needle, row = found[item.template, item.label], rows[item.template, item.label]
        assert needle["insertion_order"] == item.order == int(row["insertion_order"])
        told = needle["delivery"]
        assert told["technique"] == "mick"
        # four decimals in one file, one decimal rounded down in the other
        assert told["seed_readings_mm"] == pytest.approx(item.loading.readings_mm, abs=5.1e-5)
        assert told["retraction_mm"] == pytest.approx(item.loading.retractions_mm, abs=5.1e-5)
        printed = [float(text) for text in row["seed_readings_mm"].split(";")]
        assert all(
            0 <= r - p + 1e-9 < 0.1 for r, p in zip(item.loading.readings_mm, printed, strict=True)
        )
        assert row["depth_mm"] == row["seed_readings_mm"].split(";")[0]
    assert rows["T1", "L12"]["retraction_mm"] == ""
    assert rows["T1", "K10"]["cartridge"] == "1:1;2:2"
    assert rows["T2", "C4"]["seed_readings_mm"] == "100.0;95.0;90.0;80.0;70.0"
    strands = json.loads(plan_json.build(full_plan(PLANS["strand"])))
    assert strands["templates"][1]["needles"][0]["delivery"] == {
        "technique": "strand",
        "strand": "S-0.5-S-0.5-S-5.5-S-5.5-S",
        "spacers": 4,
        "strand_mm": 34.75,
        "shift_mm": [0.0, 0.05, 0.1, 0.15, 0.2],
    }


def test_a_plan_that_says_nothing_of_its_delivery_has_no_keys_and_is_not_checked():
    plan = replace(full_plan(PLANS["mick"]), delivery=())
    needle = json.loads(plan_json.build(plan))["templates"][0]["needles"][0]
    assert not {"insertion_order", "delivery"} & set(needle)
    evidence = evidence_of(plan)
    assert all(row[column] == "" for row in evidence.rows for column in delivery_data.COLUMNS)
    found = lines(evidence)
    assert found.pop("limits") is State.OK
    assert found == {"order of insertion": State.NOT_CHECKED, "delivery": State.NOT_CHECKED}


def test_what_is_written_passes_its_check(written):
    found = lines(written)
    assert set(found.values()) == {State.OK}, found
    assert {"order of insertion", "who goes first", "delivery", "needle table, delivery"} < set(
        found
    )
    alone = lines(replace(written, case=None, case_note="not at hand"))
    not_checked = {name for name, state in alone.items() if state is State.NOT_CHECKED}
    assert not_checked == {"who goes first", "limits"}
    assert State.FAIL not in alone.values()


@settings(max_examples=30)
@given(loaded_plates(steps_mm=(5.0, 10.0)), st.sampled_from(sorted(PLANS)))
def test_whatever_is_delivered_passes_its_check(plates, kind):
    stated = PLANS[kind]
    done = deliver(stated, plates, SOURCE)
    plan = replace(one_plan(), templates=plates, settings=stated, delivery=done)
    assert not failed(evidence_of(plan))


def numbers(node: object, path: tuple = ()):
    """Every number and text of a JSON tree with the way to it."""
    if isinstance(node, dict | list):
        pairs = node.items() if isinstance(node, dict) else enumerate(node)
        for key, value in pairs:
            yield from numbers(value, (*path, key))
    else:
        yield path, node


def test_every_number_of_the_delivery_is_caught_when_it_moves(written):
    data = json.loads(written.plan.model_dump_json(by_alias=True, exclude_defaults=True))
    tried = 0
    for path, value in numbers(data):
        if not {"delivery", "insertion_order"} & set(path):
            continue
        moves = [value + 0.01, value - 0.01] if isinstance(value, float) else [f"{value}-S"]
        if isinstance(value, int):
            moves = [value + 1, value - 1]
        if path[-1] == "technique":
            moves = [name for name in PLANS if name != value]
        for move in moves:
            forged = copy.deepcopy(data)
            node = forged
            for key in path[:-1]:
                node = node[key]
            node[path[-1]] = move
            tried += 1
            try:
                plan = read_record(forged)
            except ValueError:
                continue  # the schema refuses it
            assert failed(replace(written, plan=plan)), (path, move)
    assert tried > 30


@pytest.mark.parametrize("column", delivery_data.COLUMNS)
def test_every_cell_of_the_delivery_is_caught_when_it_moves(written, column):
    caught = 0
    for number, row in enumerate(written.rows):
        forms = {row[column] + ";1", "x", "", row[column].replace("5", "6")} - {row[column]}
        for text in forms:
            rows = [dict(item) for item in written.rows]
            rows[number][column] = text
            assert failed(replace(written, rows=tuple(rows))) == ["needle table, delivery"]
            caught += 1
    assert caught >= len(written.rows)


def reordered(evidence: Evidence, orders: dict[str, int]) -> Evidence:
    """The same plan with other numbers of insertion."""
    data = json.loads(evidence.plan.model_dump_json(by_alias=True))
    for template in data["templates"]:
        for needle in template["needles"]:
            needle["insertion_order"] = orders[needle["label"]]
    return replace(evidence, plan=read_record(data))


@pytest.mark.parametrize(("orders", "name"), [
    ({"L12": 1, "H9": 1, "K10": 3, "C4": 4}, "order of insertion"),
    ({"L12": 0, "H9": 1, "K10": 2, "C4": 3}, "order of insertion"),
    ({"L12": 2, "H9": 1, "K10": 3, "C4": 4}, "who goes first"),  # nearer the cord
    ({"L12": 2, "H9": 3, "K10": 4, "C4": 1}, "who goes first"),  # the second plate first
])  # fmt: skip
def test_another_order_is_caught(orders, name):
    evidence = evidence_of(full_plan(PLANS["mick"]))
    assert name in failed(reordered(evidence, orders))
    same = {"L12": 1, "H9": 2, "K10": 3, "C4": 4}
    assert not failed(reordered(evidence, same))


def test_a_shallow_needle_before_a_deep_one_is_caught():
    far, near = {"SpinalCord": 50.0, "Aorta": 50.0}, {"SpinalCord": 11.0, "Aorta": 50.0}
    plate = make_template("T1", {"A2": 110.0, "B2": 100.0})
    needles = (needle_at(plate, "A2", 110.0, [], near), needle_at(plate, "B2", 100.0, [], far))
    plate = replace(plate, needles=needles)
    stated = case()
    evidence = evidence_of(make_plan(plate, delivery=deliver(stated, [plate], SOURCE)))
    assert not failed(evidence)  # exactly 10 mm: a class of its own
    assert "who goes first" in failed(reordered(evidence, {"A2": 2, "B2": 1}))


def test_seeds_that_are_not_where_the_steps_drop_them_are_caught(written):
    data = json.loads(written.plan.model_dump_json(by_alias=True))
    needle = data["templates"][0]["needles"][0]
    axis = np.subtract(needle["tip_lps_mm"], needle["entry_lps_mm"])
    last = needle["seeds"][-1]
    moved = np.array(last["center_lps_mm"]) - 0.01 * axis / np.linalg.norm(axis)
    last["center_lps_mm"] = moved.tolist()
    found = failed(replace(written, plan=read_record(data)))
    assert {"retractions", "strands"} & set(found)


def test_limits_and_techniques_of_the_case_are_checked():
    evidence = evidence_of(full_plan(PLANS["mick"]))
    for limits, name in (
        ({"max_needles": 3}, "limits"),
        ({"max_seeds": 10}, "limits"),
        ({"max_seeds_per_needle": 4}, "limits"),
    ):
        assert failed(replace(evidence, case=case(delivery={"seeds_per_cartridge": 4},
                                                  loading=limits))) == [name]  # fmt: skip
    held = {"max_needles": 4, "max_seeds": 11, "max_seeds_per_needle": 5}
    stated = case(delivery={"seeds_per_cartridge": 4}, loading=held)
    assert not failed(replace(evidence, case=stated))
    assert failed(replace(evidence, case=strand())) == ["delivery", "cartridges"]
    assert failed(replace(evidence, case=case())) == ["cartridges"]  # 15 seeds each
    strands = evidence_of(full_plan(PLANS["strand"]))
    for keys in ({"spacer_lengths_mm": [5.5]}, {"strand_tolerance_mm": 0.01}):
        assert failed(replace(strands, case=strand(**keys))) == ["spacers"]


def test_the_demo_says_how_every_seed_gets_in(planned_demo):
    evidence = read_evidence(planned_demo[0], DEMO / "case.toml")
    assert isinstance(evidence, Evidence)
    found = lines(evidence)
    assert set(found.values()) == {State.OK}, found
    assert {"order of insertion", "who goes first", "retractions", "cartridges"} <= set(found)
    orders = [int(row["insertion_order"]) for row in evidence.rows]
    assert sorted(orders) == list(range(1, len(orders) + 1))
    first = evidence.rows[orders.index(1)]
    deepest = max(float(row["depth_mm"]) for row in evidence.rows)
    assert float(first["depth_mm"]) > deepest - 10.0
    for row in evidence.rows:
        readings = [float(text) for text in row["seed_readings_mm"].split(";")]
        steps = [float(text) for text in row["retraction_mm"].split(";") if text]
        assert len(readings) == int(row["seeds"]) == len(steps) + 1
        assert readings[0] == float(row["depth_mm"])
        assert readings[0] - sum(steps) == pytest.approx(readings[-1], abs=FLOAT_MM)
        # free positions of 2.5 mm steps, behind a tip on halves of a millimetre
        assert all(step % 2.5 == pytest.approx(0.0, abs=FLOAT_MM) for step in steps)
    dealt = [part.split(":") for row in evidence.rows for part in row["cartridge"].split(";")]
    assert sum(int(seeds) for _, seeds in dealt) == len(evidence.plan.seed_centers)
    assert max(int(number) for number, _ in dealt) == -(-len(evidence.plan.seed_centers) // 15)
