"""``template-designer suggest`` as users run it."""

import json
import re
import sys

import pytest

from template_designer import cli, read_case
from template_designer.inputs import used_names
from template_designer.planning.approach import prepare_approach
from template_designer.planning.reach import reach_of_target
from template_designer.planning.structures import build_structures, target_solid
from tests.paths import DEMO, SHARED, needs_shared


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
    code, said, _ = command(DEMO / "case.toml", "-o", out, "--directions", 400, "--top", 2)
    assert code == 0
    data = json.loads((out / "suggest.json").read_text())
    assert data["directions_scored"] >= 400
    assert data["gain_over_posterior"] >= 1.3
    best = data["planes"][0]
    assert best["reach_pct"] >= 1.3 * data["posterior"]["reach_pct"]
    words = " ".join(said.split())
    assert f"{data['gain_over_posterior']:.2f} times the" in words
    assert "the patient will be turned" in words
    assert all(len(line) <= 80 for line in said.splitlines())
    assert "…" not in said  # every column fits a terminal of 80
    # the case's own entry as design reads it
    case = read_case(DEMO / "case.toml")
    solids, _ = build_structures(case, used_names(case.settings))
    target = target_solid(case.settings, solids)
    approach = prepare_approach(
        case.settings, case.settings.entry[0], case.image, solids, target, case.source.model
    )
    exact = reach_of_target(target, [approach], case.settings).reachable_pct
    (own,) = data["case_entries"]
    assert own["reach_pct"] == pytest.approx(exact, abs=1e-4)  # rounded to four digits


@needs_shared
@pytest.mark.parametrize("case", ["L1", "L3"])
def test_so_are_the_shared_cases(command, case):
    path = SHARED / "cases" / case / "case.toml"
    code, said, _ = command(path, "--directions", 200, "--top", 1, "--json")
    assert code == 0
    data = json.loads(said)
    assert data["gain_over_posterior"] >= 1.3
    assert data["limits"]["position"] == {"L1": "any", "L3": "prone"}[case]


def test_apply_plans_the_suggestion(command, variant, tmp_path):
    case = variant(
        entry=(
            "[entry] ",
            "[suggest]\nmax_tilt_deg = 15\n\n[loading]\nsearch_moves = 1000\n\n[old]",
        ),
    )
    text = re.sub(r"\[old\].*?(?=\n\[)", "", case.read_text(encoding="utf-8"), flags=re.S)
    case.write_text(text, encoding="utf-8")  # no [entry]: it is to be found
    out = tmp_path / "plan"
    code, said, _ = command(case, "--directions", 100, "--top", 1, "--apply", 1, "-o", out)
    assert code in (0, 1)
    plan = json.loads((out / "plan.json").read_text())
    (told,) = (w["text"] for w in plan["warnings"] if w["code"] == "entry-suggested")
    (direction,) = re.findall(r"direction_lps = \[([^]]*)\]", told)
    z = [row[2] for row in plan["templates"][0]["lps_from_template"][:3]]
    # directions are rounded to four digits, their length made 1 again
    assert [float(v) for v in direction.split(",")] == pytest.approx(z, abs=1e-4)
    reach = float(re.search(r"^ +1 +([0-9.]+)", said, flags=re.M).group(1))
    assert plan["reach"]["reachable_pct"] == pytest.approx(reach, abs=0.0501)  # printed to 0.1
    assert abs(z[2]) <= 0.2589  # sin 15 degrees: the limit of the case


def test_a_case_that_nothing_reaches_ends_with_3_and_says_why(command, variant, tmp_path):
    case = variant(
        rule=("needle_clearance_mm = 10.0", "needle_clearance_mm = 50.0"),
    )
    code, _, error = command(case, "--directions", 60, "-o", tmp_path / "none")
    assert code == 3
    assert "every hole is blocked" in error[0]
    assert "Aorta" in error[0]
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
