"""``template-designer suggest`` as users run it."""

import io
import json
import re
import sys
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

from template_designer import cli
from template_designer.errors import CaseError, NoSafePlanError
from template_designer.suggest_sheet import suggestion_tables
from template_designer.suggesting import suggest, with_suggestion
from template_designer.workflow import design
from tests.paths import DEMO, SHARED, needs_shared
from tests.template_designer.planning.suggest import patient
from tests.template_designer.planning.suggest.patient import pairs


@pytest.fixture
def command(capsys, monkeypatch):
    """Run the command in this process: exit code, output, last line of errors."""

    def run(*arguments):
        monkeypatch.setenv("COLUMNS", "80")
        monkeypatch.setattr(sys, "argv", ["template-designer", "suggest", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            cli.main()
        told = capsys.readouterr()
        return stop.value.code, told.out, told.err.strip().splitlines()[-1:]

    return run


@pytest.fixture
def variant(tmp_path):
    """The demo's case beside its CT, changed."""

    def make(**replacements):
        text = (DEMO / "case.toml").read_text(encoding="utf-8")
        text = text.replace('"dicom/', f'"{DEMO.as_posix()}/dicom/')
        for old, new in replacements.values():
            assert old in text
            text = text.replace(old, new)
        path = tmp_path / "case.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return make


def test_the_demo_is_reached_far_better_than_straight_from_behind(command, tmp_path):
    out = tmp_path / "found"
    code, said, _ = command(DEMO / "case.toml", "-o", out, "--directions", 150, "--top", 1)
    assert code == 0
    data = json.loads((out / "suggest.json").read_text())
    assert data["directions_scored"] >= 150
    assert data["gain_over_posterior"] >= 1.3
    best = data["planes"][0]
    assert best["reach_pct"] >= 1.3 * data["posterior"]["reach_pct"]
    words = " ".join(said.split())
    assert f"{data['gain_over_posterior']:.2f} times the" in words
    assert "the patient will be turned" in words
    assert all(len(line) <= 80 for line in said.splitlines())
    assert "…" not in said  # every column fits a terminal of 80


@needs_shared
def test_so_is_the_right_side_of_l3(command):
    path = SHARED / "cases" / "L3" / "case.toml"
    code, said, _ = command(path, "--directions", 100, "--top", 1, "--json")
    assert code == 0
    data = json.loads(said)
    assert data["gain_over_posterior"] >= 1.3
    assert data["limits"]["position"] == "prone"  # HFP
    assert -90.0 < data["planes"][0]["azimuth_deg"] < -20.0  # from behind on the right


def test_apply_plans_the_suggestion_of_that_rank(command, variant, monkeypatch, tmp_path):
    case = variant()
    text = re.sub(r"\[entry\].*?(?=\n\[)", "", case.read_text(encoding="utf-8"), flags=re.S)
    case.write_text(text, encoding="utf-8")  # no [entry]: it is to be found
    asked, out = [], tmp_path / "plan"

    def search(found_for, **options):
        asked.append(options)
        return pairs()

    def design(case, progress):
        asked.append(case)
        raise NoSafePlanError("planned")

    monkeypatch.setattr("template_designer.suggesting.suggest", search)
    monkeypatch.setattr("template_designer.workflow.design", design)
    code, _, error = command(case, "--templates", 2, "--top", 2, "--apply", 2, "-o", out)
    assert (code, error) == (3, ["template-designer: planned"])
    options, planned = asked
    assert (options["templates"], options["top"], options["directions"]) == (2, 2, 2000)
    assert planned.settings.entry == pairs().entries(2)


def test_a_suggestion_planned_reaches_what_was_said():
    case = patient.case(loading={"search_moves": 1000})
    found = suggest(case, directions=60, top=1)
    plan = design(with_suggestion(case, found, 1))
    assert plan.reach.reachable_pct == pytest.approx(found.best_pct, abs=1e-9)
    (told,) = (warning.text for warning in plan.warnings if warning.code == "entry-suggested")
    assert str(list(found.planes[0].entry.point_lps)) in told
    z = plan.templates[0].lps_from_template[:3, 2]
    # directions are rounded to four digits, their length made 1 again
    np.testing.assert_allclose(z, found.planes[0].entry.direction_lps, atol=1e-4)
    with pytest.raises(CaseError, match="there are 1 suggestions, 1 to 1"):
        with_suggestion(case, found, 2)


def test_an_angle_of_nothing_has_no_sign():
    found = suggest(patient.case(), directions=60, top=1)
    plane = replace(found.planes[0], azimuth_deg=-0.3, turn_deg=-0.2)
    console = Console(width=100, file=io.StringIO(), record=True)
    for part in suggestion_tables(replace(found, planes=(plane,))):
        console.print(part)
    text = console.export_text()
    assert "-0°" not in text
    (row,) = (line.split() for line in text.splitlines() if line.split()[:1] == ["1"])
    assert row.count("0°") >= 2  # from behind, not turned


def test_a_case_that_nothing_reaches_ends_with_3_and_says_why(command, variant, tmp_path):
    case = variant(
        rule=("needle_clearance_mm = 10.0", "needle_clearance_mm = 50.0"),
    )
    code, _, error = command(case, "--directions", 60, "-o", tmp_path / "none")
    assert code == 3
    assert "every hole is blocked" in error[0]
    assert "SpinalCord" in error[0]
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--directions", "0"], "--directions 0: choose 50 to 100000"),
        (["--top", "31"], "--top 31: choose 1 to 30"),
        (["--templates", "3"], "--templates 3: choose 1 to 2"),
        (["--apply", "1"], "--apply 1 writes a plan; name its folder with -o"),
        (["--top", "4", "--apply", "5", "-o", "new"], "--apply 5: choose 1 to 4"),
        (["--apply", "1", "--json", "-o", "new"], "leave one out"),
        (["-o", "."], "is not empty"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_read(
    command, variant, tmp_path, monkeypatch, arguments, words
):
    case = variant()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("template_designer.inputs.read_case", lambda *a, **k: pytest.fail("read"))
    code, _, error = command(case, *arguments)
    assert code == 2
    assert words in error[0]


def test_design_asks_for_an_entry(capsys, monkeypatch, variant, tmp_path):
    case = variant(entry=("[entry] ", "[bone]\nthreshold_hu = 250.0\n[old]"))
    text = re.sub(r"\[old\].*?(?=\n\[)", "", case.read_text(encoding="utf-8"), flags=re.S)
    case.write_text(text, encoding="utf-8")
    monkeypatch.setattr(
        sys, "argv", ["template-designer", "design", str(case), "-o", str(tmp_path / "out")]
    )
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert stop.value.code == 2
    assert "[entry] is missing" in capsys.readouterr().err
