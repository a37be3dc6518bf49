"""Goals, tissue models and calibrations, on records made up for the purpose."""

import copy
import datetime
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.signal import lfilter

from template_designer.checking import State
from template_designer.checking.case_checks import check_calibration, matching
from template_designer.checking.evidence import Evidence, read_record
from template_designer.checking.goal_checks import check_biology, check_goals
from template_designer.checking.report import lines_of

NEEDLE = {
    "label": "A1", "gauge": 18, "length_mm": 200.0, "entry_lps_mm": [0.0, 0.0, 0.0],
    "tip_lps_mm": [0.0, 0.0, 80.0], "depth_mm": 100.0, "skin_depth_mm": 80.0, "bone_mm": 0.0,
    "clearance_mm": {}, "seeds": [],
}  # fmt: skip
LAMBDA = math.log(2.0) / (24.0 * 59.40)
MU = math.log(2.0) / 1.5
BED = 40.0 * (1.0 + 40.0 * LAMBDA / ((MU + LAMBDA) * 2.0))
PLAN = {
    "schema": 1, "id": "made-up", "inputs": [], "prescription_gy": 120.0, "target": "GTV",
    "source": {
        "model": "I125-6711", "air_kerma_strength_u": 0.8 * 0.5 ** (30.0 / 59.40),
        "calibration": {"air_kerma_strength_u": 0.8, "calibration_date": "2026-01-01",
                        "implant_date": "2026-01-31"},
    },
    "templates": [{
        "name": "T1", "size_mm": [30.0, 30.0, 20.0], "pitch_mm": 5.0, "bore_mm": 1.47,
        "gap_mm": 0.0, "needles": [NEEDLE],
        "lps_from_template": [[1.0, 0, 0, 0], [0, 1.0, 0, 0], [0, 0, 1.0, 0], [0, 0, 0, 1.0]],
        "holes": [{"label": "A1", "x_mm": 0.0, "y_mm": 0.0, "state": "planned", "reason": None}],
    }],
    "metrics": {
        "GTV": {"ci": 0.7812, "v100_pct": 95.0},
        "Cord": {"dmax_gy": 40.0, "mean_gy": 10.0},
    },
    "goals": [
        {"structure": "GTV", "metric": "CI", "at_least": 70.0, "unit": "%", "value": 78.12,
         "met": True},
        {"structure": "Cord", "metric": "Dmax", "at_most": 39.0, "unit": "Gy", "value": 40.0,
         "met": False},
    ],
    "reach": {"reachable_pct": 100.0, "hidden_pct_by_cause": {}},
    "biology": [{
        "structure": "Cord", "alpha_beta_gy": 2.0, "repair_half_time_h": 1.5,
        "external_beam": {"dose_gy": 30.0, "fractions": 10, "bed_gy": 75.0, "eqd2_gy": 37.5},
        "doses": [{"metric": "Dmax", "implant_gy": 40.0, "implant_bed_gy": BED,
                   "implant_eqd2_gy": BED / 2.0, "total_bed_gy": BED + 75.0,
                   "total_eqd2_gy": BED / 2.0 + 37.5}],
    }],
}  # fmt: skip


def judged(check, change=None):
    data = copy.deepcopy(PLAN)
    if change is not None:
        change(data)
    evidence = Evidence(Path(), read_record(data), (), {})
    return {line.name: line.state for line in lines_of(check, evidence)}


def test_sound_records_pass():
    assert set(judged(check_goals).values()) == {State.OK}
    assert set(judged(check_biology).values()) == {State.OK}
    assert set(judged(check_calibration).values()) == {State.OK}


@pytest.mark.parametrize(("number", "key", "value", "line"), [
    (0, "value", 78.2, "goal values"), (1, "value", 40.01, "goal values"),
    (0, "met", False, "goals"), (1, "met", True, "goals"),
    (1, "at_most", 41.0, "goals"), (0, "at_most", 90.0, "goals"),
    (0, "value", None, "goals"), (0, "metric", "DNR", "goal values"),
])  # fmt: skip
def test_goals_that_say_something_else(number, key, value, line):
    found = judged(check_goals, lambda data: data["goals"][number].update({key: value}))
    assert found[line] is State.FAIL


def test_a_goal_that_nothing_can_confirm_is_not_signed_off():
    found = judged(check_goals, lambda data: data["goals"][1].update(metric="D2cc"))
    assert found["goal Cord D2cc"] is State.NOT_CHECKED


@pytest.mark.parametrize(
    "key", ["implant_gy", "implant_bed_gy", "implant_eqd2_gy", "total_bed_gy", "total_eqd2_gy"]
)
@pytest.mark.parametrize("by", [0.01, -0.01])
def test_every_number_of_a_tissue_model_counts(key, by):
    def change(data):
        data["biology"][0]["doses"][0][key] += by

    assert judged(check_biology, change)["biology"] is State.FAIL


def two_implants(data, days, first_gy, second_gy):
    """BED of two implants, summed by the hour: breaks meet those that are not yet repaired."""
    step = 0.25
    hours = np.arange(0.0, 24.0 * 59.40 * 14.0, step)
    rate = first_gy * LAMBDA * np.exp(-LAMBDA * hours)
    later = hours - 24.0 * days
    rate += np.where(later >= 0.0, second_gy * LAMBDA * np.exp(-LAMBDA * np.abs(later)), 0.0)
    open_ = lfilter([step], [1.0, -math.exp(-MU * step)], rate) - 0.5 * step * rate  # trapezoid
    total = first_gy + second_gy
    bed = total + 2.0 / 2.0 * float(np.sum(rate * open_)) * step
    day = datetime.date(2026, 1, 31) - datetime.timedelta(days=days)
    seed = {"number": "1", "center_lps_mm": [0.0, 0.0, 0.0], "axis_lps": [0.0, 0.0, 1.0],
            "axis": "stated", "air_kerma_strength_u": 0.7}  # fmt: skip
    data["earlier_seeds"] = {"implanted": day.isoformat(), "seeds": [seed]}
    data["biology"][0]["doses"][0] |= {
        "implant_gy": total, "implant_bed_gy": bed, "implant_eqd2_gy": bed / 2.0,
        "total_bed_gy": bed + 75.0, "total_eqd2_gy": bed / 2.0 + 37.5,
    }  # fmt: skip
    data["metrics"]["Cord"]["dmax_gy"] = total


@pytest.mark.parametrize("days", [0, 30, 180, 700])
@pytest.mark.parametrize(("first_gy", "second_gy"), [(80.0, 20.0), (50.0, 50.0), (0.0, 100.0)])
def test_two_implants_lie_between_one_day_and_half_and_half(days, first_gy, second_gy):
    told = judged(check_biology, lambda data: two_implants(data, days, first_gy, second_gy))
    assert told["biology"] is State.OK


@pytest.mark.parametrize("by", [0.03, -0.03])
def test_two_implants_outside_of_it_are_found(by):
    """Half and half after a year is the least; one after all on one day the most."""

    def change(data):
        two_implants(data, 365 if by < 0.0 else 0, 50.0, 50.0)
        row = data["biology"][0]["doses"][0]
        for key, part in (("bed", 1.0), ("eqd2", 0.5)):
            row[f"implant_{key}_gy"] += by * 100.0 * part
            row[f"total_{key}_gy"] += by * 100.0 * part

    assert judged(check_biology, change)["biology"] is State.FAIL


def test_a_supplement_before_its_implant_is_found():
    told = judged(check_biology, lambda data: two_implants(data, -10, 50.0, 50.0))
    assert told["biology"] is State.FAIL


@pytest.mark.parametrize("key", ["dose_gy", "fractions", "bed_gy", "eqd2_gy"])
def test_every_number_of_the_earlier_beam_counts(key):
    def change(data):
        data["biology"][0]["external_beam"][key] += 1

    assert judged(check_biology, change)["biology"] is State.FAIL


@pytest.mark.parametrize(("key", "value"), [
    ("implant_date", "2026-02-01"), ("calibration_date", "2025-12-31"), ("implant_date", "soon"),
    ("air_kerma_strength_u", 0.81),
])  # fmt: skip
def test_a_strength_that_does_not_decay_from_its_calibration(key, value):
    found = judged(
        check_calibration, lambda data: data["source"]["calibration"].update({key: value})
    )
    assert found["calibration"] is State.FAIL


def test_globs_mean_what_they_mean_to_the_reader():
    names = ["Kidney_L", "Kidney_R", "kidney_x", "Tum[or]", "Rückenmark"]
    assert matching("Kidney_*", names) == ["Kidney_L", "Kidney_R"]
    assert matching("Tum[or]", names) == ["Tum[or]"]  # an exact name before the glob
    assert matching("Ru\u0308ckenmark", names) == [
        "Rückenmark"
    ]  # accents written in two characters
    assert matching("Liver", names) == []


def test_a_damaged_record_never_crashes():
    evidence = Evidence(Path(), read_record(PLAN), (), {})
    broken = replace(evidence, plan=evidence.plan.model_copy(update={"metrics": {}}))
    assert {line.state for line in lines_of(check_goals, broken)} >= {State.FAIL}
