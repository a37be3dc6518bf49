"""``needles.xlsx`` read back by another reader, and names that a spreadsheet could calculate."""

import csv
import io
import json
import re
import time
import zipfile
from dataclasses import replace

import numpy as np
import pytest

from exports import needle_book, needle_table, plan_json
from exports.as_written import as_written
from template_designer.checking.table_checks import _name
from template_designer.model import DicomIdentity, ImageReference, NeedleRule, Plan, PlanWarning
from tests.plates import case_settings
from tests.small_plan import ACCESS, small_plan

calamine = pytest.importorskip("python_calamine")

TENTH = 0.1 + 1e-9  # one decimal, rounded down
FORMULAS = ("=1+1", "+1", "-1+2", "@SUM(A1)", "\t=1", " =1", "=cmd|' /C calc'!A0", "＝1")


def sheets(content: bytes) -> dict[str, list[dict]]:
    """Every sheet as rows by column, read by calamine."""
    book = calamine.CalamineWorkbook.from_filelike(io.BytesIO(content))
    found = {}
    for name in book.sheet_names:
        head, *rows = book.get_sheet_by_name(name).to_python()
        found[name] = [dict(zip(head, row, strict=True)) for row in rows]
    return found


def stated(plan: Plan) -> list[dict]:
    data = json.loads(plan_json.build(plan))
    needles = [
        needle | {"template": template["name"]}
        for template in data["templates"]
        for needle in template["needles"]
    ]
    return sorted(needles, key=lambda needle: needle["insertion_order"])


def renamed(plan: Plan, name: str) -> Plan:
    """The plan with another name for the aorta, the nearest structure."""
    templates = tuple(
        replace(
            template,
            needles=tuple(
                replace(n, clearance_mm={name: 10.0, "SpinalCord": 21.0}) for n in template.needles
            ),
        )
        for template in plan.templates
    )
    return replace(plan, templates=templates, rules=(NeedleRule(name, 10.0),))


@pytest.mark.parametrize("technique", ["mick", "strand", "preloaded"])
def test_needles_and_seeds_are_those_of_plan_json(technique):
    plan = as_written(small_plan(plates=2, seed=7, technique=technique))
    book, needles = sheets(needle_book.build(plan)), stated(plan)
    assert [row["number"] for row in book["Needles"]] == list(range(1, len(needles) + 1))
    seeds = 0
    for row, needle in zip(book["Needles"], needles, strict=True):
        seeds += len(needle["seeds"])
        assert (row["template"], row["hole"], row["gauge"]) == (
            needle["template"], needle["label"], needle["gauge"],
        )  # fmt: skip
        for key in ("depth_mm", "skin_depth_mm"):
            assert -1e-9 <= needle[key] - row[key.replace("_", " ")] < TENTH
        assert -1e-9 <= needle["depth_mm"] / 10.0 - row["depth cm"] < TENTH
        assert (row["seeds"], row["seeds so far"]) == (len(needle["seeds"]), seeds)
        assert row["bone mm"] == pytest.approx(needle["bone_mm"], abs=0.0501)  # one decimal
        assert row["bone access gauge"] == (16 if needle["label"] == ACCESS else "")
        assert row["least clearance structure"] == "Aorta"
        assert row["least clearance mm"] == 10.0
        assert row["strand"] == needle["delivery"].get("strand", "")
    assert len(book["Seeds"]) == seeds
    rows = iter(book["Seeds"])
    for needle in needles:
        last = None
        for n, seed in enumerate(needle["seeds"]):
            row = next(rows)
            assert (row["hole"], row["seed"]) == (needle["label"], n + 1)
            assert row["from tip mm"] == pytest.approx(seed["from_tip_mm"], abs=0.0051)
            if technique != "mick":
                assert row["reading mm"] == ""
                continue
            assert -1e-9 <= needle["delivery"]["seed_readings_mm"][n] - row["reading mm"] < TENTH
            if last is not None:
                assert last - row["back mm"] == pytest.approx(row["reading mm"], abs=1e-9)
            last = row["reading mm"]


def test_it_says_the_same_as_the_csv():
    plan = as_written(small_plan(plates=2, seed=8))
    rows = list(csv.DictReader(io.StringIO(needle_table.build(plan).decode(), newline="")))
    table = {(row["template"], row["hole"]): row for row in rows}
    book = sheets(needle_book.build(plan))
    for row in book["Needles"]:
        other = table[row["template"], row["hole"]]
        for key in ("depth_mm", "skin_depth_mm", "bone_mm", "least_clearance_mm",
                    "tightest_rule_clearance_mm", "needle_length_mm"):  # fmt: skip
            assert row[key.replace("_", " ")] == float(other[key]), key
        assert row["number"] == int(other["insertion_order"])
        seeds = [s for s in book["Seeds"] if s["number"] == row["number"]]
        assert [s["from tip mm"] for s in seeds] == [
            float(text) for text in other["seed_from_tip_mm"].split(";")
        ]
        assert [s["reading mm"] for s in seeds] == [
            float(text) for text in other["seed_readings_mm"].split(";")
        ]


def test_whose_plan_it_is_stands_inside_and_on_the_print():
    identity = DicomIdentity("1", "2", "3", (), patient_name="A & B^C", patient_id="R&D 7")
    image = ImageReference((2, 2, 2), np.zeros(3), np.eye(3), np.ones(3), identity)
    plan = replace(small_plan(), image=image)
    content = needle_book.build(plan)
    rows = {row["what"]: row["value"] for row in sheets(content)["Plan"]}
    assert rows["patient id"] == "R&D 7"
    assert rows["patient name"] == "A & B, C"
    assert rows["plan hash (SHA-256)"] == plan_json.plan_hash(plan)
    assert rows["seeds"] == plan.seed_count
    assert "holds no contour" in rows["warning"]
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        for n in (1, 2, 3):
            sheet = archive.read(f"xl/worksheets/sheet{n}.xml").decode()
            assert "Patient id: R&amp;&amp;D 7" in sheet  # one & would begin a command
            assert plan_json.plan_hash(plan) in sheet
            assert "page &amp;P of &amp;N" in sheet
    hidden = replace(plan, settings=case_settings(dicom={"deidentify": True}))
    texts = str(sheets(needle_book.build(hidden)))
    assert "R&D" not in texts
    assert "A & B" not in texts


@pytest.mark.parametrize("name", FORMULAS)
def test_no_name_becomes_a_formula(name):
    import openpyxl

    plan = renamed(small_plan(), name)
    warnings = (PlanWarning("odd", f"{name} is a name"),)
    content = needle_book.build(replace(plan, warnings=warnings))
    assert {row["least clearance structure"] for row in sheets(content)["Needles"]} == {name}
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        for part in archive.namelist():
            assert not re.search(rb"<f[ >/]", archive.read(part)), part
    book = openpyxl.load_workbook(io.BytesIO(content))
    cells = [cell for sheet in book for row in sheet.iter_rows() for cell in row]
    named = [cell for cell in cells if str(cell.value) == name]
    assert len(named) == 2 * len(plan.needles)
    assert all(cell.quotePrefix for cell in named)
    table = needle_table.build(plan).decode()
    for row in csv.DictReader(io.StringIO(table, newline="")):
        assert row["least_clearance_structure"] == f"'{name}"
        # `check` finds the structure again
        assert _name(row, "least_clearance_structure", {name: 10.0}) == name


@pytest.mark.parametrize("name", ["Aorta", "Größe 甲", "'Cord", "a=b", "1e5", "_x0041_", "<b>&"])
def test_other_names_stay_as_they_are(name):
    plan = renamed(small_plan(), name)
    found = sheets(needle_book.build(plan))["Needles"][0]["least clearance structure"]
    assert found == name
    (row, *_) = csv.DictReader(io.StringIO(needle_table.build(plan).decode(), newline=""))
    assert row["least_clearance_structure"] == name
    assert _name(row, "least_clearance_structure", {name: 10.0}) == name


def test_what_no_cell_may_hold_stands_as_a_code():
    plan = renamed(small_plan(), "Cord\x00\x07" + "x" * 40_000)
    found = sheets(needle_book.build(plan))["Needles"][0]["least clearance structure"]
    assert found.startswith("Cord<U+0000><U+0007>xxx")
    assert len(found) == 32_767  # all that a cell holds
    assert needle_book.text_cell("\ud800\uffff") == "<U+D800><U+FFFF>"


def test_the_same_plan_is_the_same_file(monkeypatch):
    plan = small_plan(seed=3)
    before = needle_book.build(plan)
    later = time.time() + 1e6
    monkeypatch.setattr(time, "time", lambda: later)
    time.sleep(1.1)  # openpyxl states the second at which it writes
    assert needle_book.build(plan) == before
    with zipfile.ZipFile(io.BytesIO(before)) as archive:
        assert {item.date_time[0] for item in archive.infolist()} == {1980}
        assert archive.read("docProps/core.xml").count(b"1980-01-01T00:00:00Z") == 2


@pytest.mark.parametrize(("paper", "code"), [("A4", "9"), ("Letter", "1")])
def test_the_paper_of_the_case(paper, code):
    tables = {"report": {"paper": paper}}
    with zipfile.ZipFile(io.BytesIO(needle_book.build(small_plan(**tables)))) as archive:
        assert f'paperSize="{code}"' in archive.read("xl/worksheets/sheet1.xml").decode()
