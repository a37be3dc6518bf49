"""The signed-off list on the demo's plan: whole, and altered by hand in every way that matters."""

import copy
import csv
import io
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from stl import mesh as numpy_stl

from template_designer.checking import (
    CHECKS,
    State,
    check_evidence,
    check_folder,
    read_evidence,
    report_tables,
)
from template_designer.checking.anatomy import _names
from template_designer.checking.anatomy_checks import check_clearances, drawn_structure, measured
from template_designer.checking.case_checks import check_entries, check_inputs
from template_designer.checking.dose_checks import check_metrics
from template_designer.checking.evidence import fingerprint, read_record
from template_designer.checking.lattice_checks import check_frames, check_states, column_name
from template_designer.checking.lines import at_least, at_most, excess
from template_designer.checking.needle_checks import (
    check_apart,
    check_count,
    check_needles,
    check_seeds,
)
from template_designer.checking.plate import PlateModel
from template_designer.checking.plate_checks import check_plates
from template_designer.checking.report import lines_of
from template_designer.checking.table_checks import check_table
from template_designer.errors import InputError
from template_designer.frames import column_label
from template_designer.geometry.plate import build_plate
from template_designer.inputs.hashing import sha256_of
from template_designer.model import Hole, HoleState, Template
from tests.paths import DEMO

CASE = DEMO / "case.toml"


@pytest.fixture(scope="module")
def evidence(planned_demo):
    """The untouched folder, read once; what is worked out of it is kept for every test."""
    found = read_evidence(planned_demo[0], CASE)
    assert not isinstance(found, str), found
    return found


@pytest.fixture(scope="module")
def data(planned_demo):
    return json.loads((planned_demo[0] / "plan.json").read_text())


def failures(evidence, *checks):
    """Names of the lines that fail, of some checks or of all but the models', which stay whole."""
    chosen = checks or [check for _, check in CHECKS if check is not check_plates]
    lines = [line for check in chosen for line in lines_of(check, evidence)]
    return [line.name for line in lines if line.state is State.FAIL]


def fails(evidence, check, name):
    """Whether the line of that name fails; later lines of the check are not worked out."""
    return next(line for line in lines_of(check, evidence) if line.name == name).state is State.FAIL


def first_failure(evidence, data, *, dose=False):
    """Name of the first check that fails for altered data, cheap ones first; '' where none does."""
    try:
        altered = replace(evidence, plan=read_record(data))
    except ValueError:
        return "schema"
    dose_first = sorted(CHECKS, key=lambda item: item[0] != "Dose") if dose else CHECKS
    for _, check in dose_first:
        if check is not check_plates:
            for line in lines_of(check, altered):
                if line.state is State.FAIL:
                    return line.name
    return ""


def test_the_demo_is_signed_off(evidence):
    report = check_evidence(evidence)
    assert report.passed, [line for line in report.failures]
    assert not report.unchecked, [line.name for line in report.unchecked]
    names = [line.name for _, line in report.lines]
    assert len(set(names)) == len(names)
    for name in ("frame is right-handed", "SpinalCord: recomputed", "Aorta: stated", "COIN",
                 "engraved labels", "number of holes", "seed count", "GTV: metrics",
                 "needle table, cells", "seeds to skin", "reference volume", "source strength",
                 ):  # fmt: skip
        assert name in names
    assert "No check fails" in report.verdict
    assert len(report_tables(report)) == len({group for group, _ in report.lines}) + 1
    told = json.loads(json.dumps(report.to_dict()))
    assert told["passed"] is True
    assert {"group", "name", "compared", "worst", "limit", "state"} == set(told["checks"][0])


def test_without_the_case_it_says_plainly_what_was_not_checked(planned_demo, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    report = check_folder(planned_demo[0])
    assert report.passed
    unchecked = {line.name: line.worst for line in report.unchecked}
    for name in ("clearances", "case", "input case.toml", "source strength", "metrics", "skin"):
        assert "--case" in unchecked[name]
    assert "not checked" in report.verdict


# --- every number of plan.json, up and down -----------------------------------------------------

STEPS = {
    "schema": 1, "air_kerma_strength_u": 0.0005, "prescription_gy": 0.1, "size_mm": 0.1,
    "pitch_mm": 0.01, "bore_mm": 0.01, "gap_mm": 0.02, "lps_from_template": 1e-4, "x_mm": 0.01,
    "y_mm": 0.01, "gauge": 1, "length_mm": 1.0, "entry_lps_mm": 0.01, "tip_lps_mm": 0.01,
    "depth_mm": 0.01, "skin_depth_mm": 0.15, "bone_mm": 0.15, "bone_hu": 2.0,
    "center_lps_mm": 0.01, "from_tip_mm": 0.01, "at_least": 0.1, "at_most": 0.1, "value": 0.1,
    "reachable_pct": 0.1, "hidden_pct_by_cause": 0.1, "insertion_order": 1,
    "seed_readings_mm": 0.01, "retraction_mm": 0.01, "seeds_before": 1, "cartridges": 1,
}  # fmt: skip
"""By how much a number is moved: the finest step that somebody could mean."""

PARTS = {"volume_cm3": 0.06, "d90_gy": 0.06, "d98_gy": 0.12, "d100_gy": 0.25, "mean_gy": 0.10}
"""The same for metrics of the target and the cord, as a part: what a decision could hang on."""

OTHER_PART = 0.5
"""Of the other structures' metrics, which slices 5 mm apart leave open by up to 20 %."""

SAFE = ("clearance_mm", "clearance_error_mm", "skin_mm")
"""Stated distances may be smaller than measured ones; larger ones are a test of their own. How much
smaller they may be is said of the planner's own solids, which the check does not know."""


UNCHECKED = ("case", "loading")
"""What the planner was told and how it judged itself: tied to the plan by its hash alone."""


def numbers(node, path=()):
    """Every number of a JSON tree with the way to it."""
    if isinstance(node, dict):
        for key, value in node.items():
            yield from numbers(value, (*path, key))
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from numbers(value, (*path, index))
    elif isinstance(node, int | float) and not isinstance(node, bool):
        yield path, node


def step_of(path, value):
    """How far to move one number; None for those that other tests see to."""
    if path[0] == "metrics":
        return metric_step(path[1], path[2], value)
    if "lps_from_template" in path and path[-1] == 3:
        return 0.01  # the origin, mm; the rest are cosines
    keys = [key for key in path if isinstance(key, str) and key in STEPS]
    return STEPS[keys[-1]] if keys else None


def metric_step(structure, key, value):
    if key in ("ci", "hi", "dnr"):
        return 0.01
    if key in ("ei", "coin"):
        return 0.03
    if key == "reachable_pct":
        return 0.1
    if structure not in ("GTV", "SpinalCord"):
        beside_seeds = structure in ("CTV", "Bone", "Vertebra_L1")
        if beside_seeds and key in ("dmax_gy", "d0_1cc_gy"):
            return None  # a single point beside a seed: thousands of gray that mean nothing
        return OTHER_PART * value
    if key.endswith("_pct"):
        return 3.0
    return PARTS.get(key, 0.15) * value


def altered(data, path, value):
    """A copy of the data with one number changed."""
    result = copy.copy(data)
    node = result
    for key in path[:-1]:
        node[key] = copy.copy(node[key])
        node = node[key]
    node[path[-1]] = value
    return result


def test_every_number_that_matters_is_caught_when_it_moves(evidence, data):
    missed, left_out, tried = [], set(), 0
    rng, plate = np.random.default_rng(43), data["templates"][0]
    # 361 holes and 13 needles of one kind: a seeded part of them stands for all
    part = {"holes": 20, "needles": 5}
    chosen = {key: set(rng.choice(len(plate[key]), part[key], replace=False)) for key in part}
    for path, value in numbers(data):
        if path[0] in UNCHECKED:
            continue
        if any(key in path and path[path.index(key) + 1] not in chosen[key] for key in part):
            continue
        if any(key in path for key in SAFE):
            continue
        step = step_of(path, value)
        if step is None:
            left_out.add(path[-1] if isinstance(path[-1], str) else path[-2])
            continue
        # doses of other organs only down: what is said too low is what harms
        others = path[0] == "metrics" and path[1] not in ("GTV", "SpinalCord")
        for sign in (-1,) if others else (1, -1):
            tried += 1
            forged = altered(data, path, value + sign * step)
            if not first_failure(evidence, forged, dose=path[0] == "metrics"):
                missed.append((*path, f"{value:g} {sign * step:+g}"))
    assert not missed, "\n".join(map(str, missed))
    assert tried > 400
    # single points beside seeds; a bound that only the planner's search can give; how the plate was
    # finished, which people see on it
    finish = {"bore_allowance_mm", "corner_radius_mm", "counter_sink_mm", "resolution_mm"}
    assert left_out <= {"dmax_gy", "d0_1cc_gy", "largest_v100_pct", *finish}, left_out


def test_no_clearance_above_the_truth_passes(evidence, data):
    for n, (_, needle) in enumerate(evidence.plan.needles):
        for name, value in needle.clearance_mm.items():
            outlines = drawn_structure(evidence, name, avoided=True)
            truth = min(measured(evidence, outlines, needle))
            assert value <= truth + 0.3
            path = ("templates", 0, "needles", n, "clearance_mm", name)
            assert first_failure(evidence, altered(data, path, truth + 0.31))


def test_no_distance_to_the_skin_above_the_truth_passes(evidence, data):
    for n, (_, needle) in enumerate(evidence.plan.needles):
        for k, seed in enumerate(needle.seeds):
            key = ("skin", seed.center_lps_mm, needle.entry_lps_mm, needle.tip_lps_mm)
            failures(evidence) if key not in evidence.cache else None
            path = ("templates", 0, "needles", n, "seeds", k, "skin_mm")
            assert first_failure(evidence, altered(data, path, evidence.cache[key] + 0.31))
            assert first_failure(evidence, altered(data, path, 9.9)) == "seeds under the skin"


# --- forged by hand, with the numbers made to fit -----------------------------------------------


def test_needles_pushed_deeper_with_every_number_made_to_fit(planned_demo, evidence, data):
    """All needles 3 mm deeper: tips, seeds, depths, table. Only contours and dose can tell."""
    forged = copy.deepcopy(data)
    rows = {row["hole"]: dict(row) for row in evidence.rows}
    for needle in forged["templates"][0]["needles"]:
        axis = np.subtract(needle["tip_lps_mm"], needle["entry_lps_mm"])
        axis /= np.linalg.norm(axis)
        for seed in needle["seeds"]:
            deeper = np.array(seed["center_lps_mm"]) + 3.0 * axis
            seed["center_lps_mm"] = deeper.round(4).tolist()
        needle["tip_lps_mm"] = (np.array(needle["tip_lps_mm"]) + 3.0 * axis).round(4).tolist()
        needle["depth_mm"] += 3.0
        needle["skin_depth_mm"] += 3.0
        row = rows[needle["label"]]
        row["depth_mm"] = f"{float(row['depth_mm']) + 3.0:.1f}"
        row["skin_depth_mm"] = f"{float(row['skin_depth_mm']) + 3.0:.1f}"
        for axis_name, value in zip("xyz", needle["tip_lps_mm"], strict=True):
            row[f"tip_{axis_name}_lps_mm"] = f"{value:.2f}"
    changed = replace(evidence, plan=read_record(forged), rows=tuple(rows.values()))
    assert not failures(changed, check_needles, check_seeds, check_table, check_count)
    assert failures(changed, check_clearances)
    assert failures(changed, check_metrics)


def test_a_tip_shifted_aside_and_a_tip_shifted_down(evidence, data):
    for shift, name in (([0.0, 0.0, 5.0], "needles are parallel"), (None, "depths")):
        forged = copy.deepcopy(data)
        needle = forged["templates"][0]["needles"][3]
        tip, entry = np.array(needle["tip_lps_mm"]), np.array(needle["entry_lps_mm"])
        way = (tip - entry) / np.linalg.norm(tip - entry) if shift is None else np.array(shift)
        needle["tip_lps_mm"] = (tip + way).tolist()
        assert first_failure(evidence, forged) == name


def frame_turned(data, matrix):
    forged = copy.deepcopy(data)
    template = forged["templates"][0]
    template["lps_from_template"] = (
        np.array(template["lps_from_template"]) @ np.diag([*matrix, 1.0])
    ).tolist()
    return forged


def test_mirrored_and_turned_frames(evidence, data):
    mirrored = replace(evidence, plan=read_record(frame_turned(data, [-1.0, 1.0, 1.0])))
    assert failures(mirrored, check_frames) == ["frame is right-handed"]
    turned = replace(evidence, plan=read_record(frame_turned(data, [-1.0, -1.0, 1.0])))
    found = failures(turned, check_frames, check_entries, check_needles)
    assert "frame is right-handed" not in found
    assert {"entry planes, direction", "needles pass their holes"} <= set(found)


def test_a_mirrored_plan_with_every_position_made_to_fit(evidence, data):
    """Frame turned half a turn about z and needles moved to where their labels then are."""
    forged = frame_turned(data, [-1.0, -1.0, 1.0])
    old, new = (np.array(d["templates"][0]["lps_from_template"]) for d in (data, forged))
    for needle in forged["templates"][0]["needles"]:
        points = [needle["entry_lps_mm"], needle["tip_lps_mm"]]
        points += [seed["center_lps_mm"] for seed in needle["seeds"]]
        local = (np.array(points) - old[:3, 3]) @ old[:3, :3]
        moved = (local @ new[:3, :3].T + new[:3, 3]).round(4).tolist()
        needle["entry_lps_mm"], needle["tip_lps_mm"] = moved[:2]
        for seed, center in zip(needle["seeds"], moved[2:], strict=True):
            seed["center_lps_mm"] = center
    plan = read_record(forged)
    found = failures(replace(evidence, plan=plan), check_needles, check_entries)
    assert found == ["entry planes, direction"]
    # from the files alone too: the table has the true positions
    alone = replace(evidence, plan=plan, case=None, anatomy=None)
    assert failures(alone, check_table) == ["needle table, cells"]


def test_swapped_labels(evidence, data):
    forged = copy.deepcopy(data)
    holes = forged["templates"][0]["holes"]
    holes[40]["label"], holes[41]["label"] = holes[41]["label"], holes[40]["label"]
    assert "hole labels" in failures(replace(evidence, plan=read_record(forged)))
    forged = copy.deepcopy(data)
    one, two = forged["templates"][0]["needles"][:2]
    one["label"], two["label"] = two["label"], one["label"]
    assert "needles pass their holes" in failures(replace(evidence, plan=read_record(forged)))


def test_a_hole_that_lost_its_needle_and_a_blocked_hole_that_is_used(evidence, data):
    forged = copy.deepcopy(data)
    forged["templates"][0]["needles"].pop()
    one_less = replace(evidence, plan=read_record(forged))
    found = failures(one_less, check_states, check_table, check_count)
    assert found == ["hole states", "needle table, rows", "seed count"]
    forged = copy.deepcopy(data)
    label = forged["templates"][0]["needles"][0]["label"]
    hole = next(h for h in forged["templates"][0]["holes"] if h["label"] == label)
    hole["state"], hole["reason"] = "blocked", "SpinalCord 3 mm"
    assert "hole states" in failures(replace(evidence, plan=read_record(forged)))


def test_another_strength_in_source_and_case_alike(evidence, data):
    """Strength of plan and case both raised by a tenth: the dose cannot follow."""
    forged = copy.deepcopy(data)
    forged["source"]["air_kerma_strength_u"] = 0.8382
    source = evidence.case.source.model_copy(update={"activity_mci": 0.66})
    both = replace(
        evidence,
        plan=read_record(forged),
        case=evidence.case.model_copy(update={"source": source}),
    )
    found = failures(both)
    assert "source strength" not in found
    assert {"reference volume", "GTV: metrics", "SpinalCord: metrics"} <= set(found)
    alone = replace(evidence, plan=read_record(forged), case=None, anatomy=None)
    assert "reference volume" in failures(alone)


@pytest.mark.parametrize("column", [
    "depth_mm", "skin_depth_mm", "gauge", "needle_length_mm", "bone_mm", "gap_mm", "seeds",
    "seed_from_tip_mm", "least_clearance_mm", "tightest_rule_mm", "tightest_rule_clearance_mm",
    "x_mm", "y_mm", "entry_x_lps_mm", "tip_z_lps_mm", "hole", "least_clearance_structure",
    "tightest_rule_structure",
])  # fmt: skip
def test_every_cell_of_the_needle_table_counts(evidence, column):
    for change in (0.2, -0.2):
        rows = [dict(row) for row in evidence.rows]
        text = rows[4][column]
        try:
            rows[4][column] = f"{float(text) + (change if '.' in text else 5 * change):g}"
        except ValueError:
            rows[4][column] = "7.5;9" if column == "seed_from_tip_mm" else "Liver"
        assert rows[4][column] != text
        assert failures(replace(evidence, rows=tuple(rows)), check_table), (column, text)
    rows = [dict(row) for row in evidence.rows]
    rows[4][column] = ""
    assert failures(replace(evidence, rows=tuple(rows)), check_table)


# --- the printed model --------------------------------------------------------------------------


def without(data, label):
    """The demo's plate built again without one of its holes."""
    plate = data["templates"][0]
    holes = tuple(
        Hole(h["label"], h["x_mm"], h["y_mm"],
             HoleState.OPEN if h["label"] == label else HoleState(h["state"]), None)
        for h in plate["holes"]
    )  # fmt: skip
    frame = np.array(plate["lps_from_template"])
    template = Template("T1", tuple(plate["size_mm"]), plate["pitch_mm"], plate["bore_mm"],
                        plate["gap_mm"], frame, holes, ())  # fmt: skip
    bored = [hole.label for hole in holes if hole.label != label]
    return PlateModel(build_plate(template, plan_id=data["id"], bored=bored).triangles)


def model_failures(evidence, model):
    changed = replace(evidence, plates={"T1": model})
    return {line.name for line in lines_of(check_plates, changed) if line.state is State.FAIL}


def test_a_missing_hole(evidence, data):
    label = data["templates"][0]["needles"][0]["label"]
    found = model_failures(evidence, without(data, label))
    assert found == {
        "holes printed",
        "bores are free",
        "bores are no wider",
        "number of holes",
    } or (found == {"holes printed", "bores are free", "number of holes"})


MIRRORS = {
    "left to right": ([-1.0, 1.0, 1.0], {"cut corner", "engraved labels"}),
    "top to bottom": ([1.0, -1.0, 1.0], {"cut corner", "engraved labels"}),
    "upside down": ([1.0, 1.0, -1.0], {"engraved labels"}),
}


@pytest.mark.parametrize("way", MIRRORS)
def test_a_mirrored_model(evidence, way):
    signs, expected = MIRRORS[way]
    true = evidence.plates["T1"].triangles_mm
    mirrored = true[:, ::-1] * signs  # closed and right side out again
    mirrored[..., 2] -= mirrored[..., 2].min()
    assert expected <= model_failures(evidence, PlateModel(mirrored))


def test_a_model_mirrored_across_the_corner_that_is_cut(evidence):
    swapped = -evidence.plates["T1"].triangles_mm[:, ::-1, [1, 0, 2]]
    swapped[..., 2] *= -1.0
    # the cut corner stays at A1 and the lattice is square: only the letters can tell
    assert model_failures(evidence, PlateModel(swapped)) == {"engraved labels"}


def test_a_model_of_another_scale_place_or_plate(evidence):
    true = evidence.plates["T1"].triangles_mm
    for triangles, name in (
        (1.002 * true, "model size"),
        (true + np.array([0.03, 0.0, 0.0]), "bores are free"),
        (true[:-1], "model is closed"),
        (true[:, ::-1], "model volume"),
    ):
        changed = replace(evidence, plates={"T1": PlateModel(triangles)})
        assert fails(changed, check_plates, name)


# --- files --------------------------------------------------------------------------------------


@pytest.fixture
def copied(planned_demo, tmp_path):
    folder = tmp_path / "plan"
    folder.mkdir()
    for name in ("plan.json", "needles.csv", "template.stl"):
        shutil.copy(planned_demo[0] / name, folder / name)
    return folder


def test_changed_and_missing_inputs_are_named(copied, tmp_path):
    case = tmp_path / "case.toml"
    shutil.copy(CASE, case)
    lines = {line.name: line for line in check_inputs(read_evidence(copied, case))}
    assert lines["input case.toml"].state is State.OK
    assert lines["input dicom/"].state is State.NOT_CHECKED
    case.write_text(case.read_text().replace("dose_gy = 120.0", "dose_gy = 121.0"))
    evidence = read_evidence(copied, case)
    lines = {line.name: line for line in check_inputs(evidence)}
    assert lines["input case.toml"].state is State.FAIL
    assert "case" in failures(evidence)


def test_the_case_is_found_by_its_fingerprint(copied, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path / "plan")
    assert read_evidence(copied).case is None
    shutil.copy(CASE, tmp_path / "case.toml")  # the folder above
    assert read_evidence(copied).case is not None
    (tmp_path / "case.toml").write_text("id = 'another'\n")
    assert read_evidence(copied).case is None


@pytest.mark.parametrize("name", ["plan.json", "needles.csv", "template.stl"])
def test_a_missing_file_is_said(copied, name):
    (copied / name).unlink()
    with pytest.raises(InputError, match=name):
        read_evidence(copied)


@pytest.mark.parametrize(
    ("text", "clue"),
    [
        ("{", "damaged"),
        ('{"schema": NaN}', "NaN"),
        ("\udcff", "damaged"),
        ("[" * 100_000, "damaged"),
    ],
)
def test_a_damaged_plan_is_said(copied, text, clue):
    (copied / "plan.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(InputError, match=clue):
        read_evidence(copied)


@pytest.mark.parametrize("text", ["{}", "[]", '"plan"', '{"schema": 2}', '{"schema": 1, "id": 3}'])
def test_a_plan_without_its_parts_fails_and_says_where(copied, text):
    (copied / "plan.json").write_text(text)
    report = check_folder(copied)
    assert [line.name for line in report.failures] == ["schema"]


def test_hostile_numbers_fail_and_never_crash(evidence, data):
    needle = ("templates", 0, "needles", 0)
    hole = data["templates"][0]["needles"][0]
    for path, value in (
        ((*needle, "tip_lps_mm"), hole["entry_lps_mm"]),
        ((*needle, "gauge"), 99),
        ((*needle, "seeds"), []),
        ((*needle, "label"), "?"),
        (("templates", 0, "lps_from_template"), np.zeros((4, 4)).tolist()),
        (("templates", 0, "pitch_mm"), 1e300),
        (("templates", 0, "size_mm"), [1e-300] * 3),
        (("source", "model"), "I125-0000"),
        (("target",), "nothing"),
        (("metrics",), {}),
        (("goals",), []),
        (("inputs",), []),
    ):
        assert first_failure(evidence, altered(data, path, value)), path


def test_tables_that_say_less(evidence):
    assert "needle table, rows" in failures(replace(evidence, rows=()))
    twice = (*evidence.rows, evidence.rows[0])
    assert {"needle table, rows", "seed count"} <= set(failures(replace(evidence, rows=twice)))


def test_two_plates_have_files_rows_and_needles_of_their_own(copied, data):
    two = copy.deepcopy(data)
    second = copy.deepcopy(data["templates"][0])
    second["name"] = "T2"
    second["needles"] = second["needles"][:2]
    kept = {needle["label"] for needle in second["needles"]}
    for hole in second["holes"]:
        if hole["state"] == "planned" and hole["label"] not in kept:
            hole["state"] = "open"
    two["templates"].append(second)
    (copied / "plan.json").write_text(json.dumps(two))
    with pytest.raises(InputError, match=r"template-T1\.stl"):
        read_evidence(copied)
    for name in ("T1", "T2"):
        shutil.copy(copied / "template.stl", copied / f"template-{name}.stl")
    evidence = read_evidence(copied)
    assert set(evidence.plates) == {"T1", "T2"}
    assert failures(evidence, check_table, check_states) == ["needle table, rows"]
    rows = [dict(row) for row in evidence.rows]
    rows += [row | {"template": "T2"} for row in rows if row["hole"] in kept]
    whole = replace(evidence, rows=tuple(rows))
    assert not failures(whole, check_table, check_states, check_frames, check_needles)
    (line,) = check_apart(whole)  # both plates stand in one place: their needles are the same
    assert line.state is State.FAIL
    assert "T1" in line.worst
    assert "T2" in line.worst
    assert line.worst.startswith("-5.000")


def test_fingerprints_labels_and_names_are_those_of_the_reader(tmp_path):
    assert fingerprint(DEMO / "dicom") == sha256_of(DEMO / "dicom")
    assert fingerprint(CASE) == sha256_of(CASE)
    assert [column_name(n) for n in range(700)] == [column_label(n) for n in range(700)]
    from pydicom.dataset import Dataset

    item = Dataset()
    item.ROIName = "Rückenmark".encode().decode("latin-1")  # UTF-8 bytes declared as Latin-1
    assert "Rückenmark" in _names(item)


def test_lines_judge_the_worst_and_never_pass_what_is_no_number():
    assert at_most("n", "c", [("a", 1.0), ("b", 3.0)], 2.0).state is State.FAIL
    assert "b" in at_most("n", "c", [("a", 1.0), ("b", 3.0)], 2.0).worst
    assert at_most("n", "c", [("a", float("nan"))], 2.0).state is State.FAIL
    assert at_least("n", "c", [("a", float("nan"))], 2.0).state is State.FAIL
    assert at_least("n", "c", [("a", 2.0)], 2.0).state is State.OK
    assert at_least("n", "c", [], 2.0).state is State.NOT_CHECKED
    assert np.isnan(excess(float("nan"), -1.0))


# --- the command --------------------------------------------------------------------------------


def run_check(monkeypatch, *arguments):
    from template_designer import cli

    monkeypatch.setattr("sys.argv", ["template-designer", "check", *map(str, arguments)])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    return stop.value.code


def test_exit_codes_of_the_command(copied, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run_check(monkeypatch, copied, "--json") == 0
    assert json.loads(capsys.readouterr().out)["passed"] is True
    text = (copied / "needles.csv").read_bytes().decode()
    rows = list(csv.DictReader(io.StringIO(text)))
    depth = rows[0]["depth_mm"]
    (copied / "needles.csv").write_text(text.replace(f",{depth},", f",{float(depth) + 10:g},", 1))
    assert run_check(monkeypatch, copied) == 1
    assert "FAIL" in capsys.readouterr().out
    (copied / "plan.json").unlink()
    assert run_check(monkeypatch, copied) == 2
    assert "plan.json" in capsys.readouterr().err
    assert run_check(monkeypatch, Path("nowhere")) == 2
    assert run_check(monkeypatch, copied, "--case", "nothing.toml") == 2


def test_a_model_written_by_another_program_is_read(evidence, tmp_path):
    true = evidence.plates["T1"].triangles_mm[:200]
    body = numpy_stl.Mesh(np.zeros(len(true), dtype=numpy_stl.Mesh.dtype))
    body.vectors[:] = true
    body.save(str(tmp_path / "again.stl"))
    again = PlateModel.read(tmp_path / "again.stl")
    np.testing.assert_array_equal(again.triangles_mm, true)
