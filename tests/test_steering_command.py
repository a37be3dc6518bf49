"""The steering options of ``design`` as users type them."""

import csv
import io
import json
import os
import subprocess
import sys

import matplotlib.image
import pytest
from typer.testing import CliRunner

from exports import plan_json, writer
from template_designer import cli, inputs
from template_designer.errors import CaseError, InputError, PlannerError
from template_designer.inputs.plan_file import read_plan_file
from template_designer.planning.loading import tradeoff as curves
from tests.paths import DEMO, ROOT
from tests.template_designer.planning.phantom import SEARCH_MOVES
from tests.template_designer.planning.plans import phantom_case

GOALS = [
    {"structure": "GTV", "metric": "V100", "at_least_pct": 90.0},
    {"structure": "Cord", "metric": "Dmax", "at_most_gy": 60.0},
]


@pytest.fixture
def run(monkeypatch):
    """Runs ``design`` on the phantom in this process: exit code and what it printed."""
    case = phantom_case(goal=GOALS, loading={"search_moves": SEARCH_MOVES, "max_needles": 30})
    monkeypatch.setattr(inputs, "read_case", lambda *_, **__: case)
    monkeypatch.setattr(curves, "DOSE_PARTS", (0.8, 1.0))
    monkeypatch.setattr(
        writer, "EXPORTERS", {"plan.json": plan_json.build}
    )  # the rest takes longer
    monkeypatch.setenv("COLUMNS", "120")

    def command(*arguments):
        done = CliRunner().invoke(cli.app, ["design", "case.toml", *map(str, arguments)])
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return done.exit_code, done.stdout

    return command


def written(folder):
    return json.loads((folder / "plan.json").read_text(encoding="utf-8"))


def seeds(data):
    (template,) = data["templates"]
    return {n["label"]: [s["center_lps_mm"] for s in n["seeds"]] for n in template["needles"]}


def test_a_plan_its_curve_its_explanation_and_a_plan_steered_from_it(run, tmp_path):
    code, said = run("-o", tmp_path / "a", "--pareto", "cord", "--explain")
    assert code == 0
    assert "trade-off over Cord Dmax" in said
    assert "what each goal costs" in said
    rows = list(
        csv.DictReader(io.StringIO((tmp_path / "a/pareto.csv").read_text(encoding="utf-8")))
    )
    assert [row["limit"] for row in rows] == ["48.0", "60.0"]
    assert all(float(row["Cord Dmax Gy"]) <= float(row["limit"]) for row in rows)
    assert {row["goals_met"] for row in rows} == {"yes"}
    height, width, _ = matplotlib.image.imread(tmp_path / "a/pareto.png").shape
    assert (width, height) == (1240, 877)  # 8.27 x 5.85 inches at 150 dpi
    told = json.loads((tmp_path / "a/explain.json").read_text(encoding="utf-8"))
    plan = written(tmp_path / "a")
    assert [(g["structure"], g["metric"]) for g in told["goals"]] == [
        ("GTV", "V100"), ("Cord", "Dmax")
    ]  # fmt: skip
    assert all(goal["cost"] >= 0.0 for goal in told["goals"])
    assert [rule["structure"] for rule in told["rules"]] == ["Cord"]
    assert told["plan"]["v100_pct"] == plan["metrics"]["GTV"]["v100_pct"]
    assert plan["steering"] is None

    before = seeds(plan)
    lone, gone, other = sorted(before, key=lambda label: -len(before[label]))[:3]
    code, _ = run(
        "--overwrite", "-o", tmp_path / "a", "--from", tmp_path / "a",
        "--lock", f"{lone}, {other}/1", "--forbid", gone.lower(),
        "--max-needles", "9", "--max-seeds", "15",
    )  # fmt: skip
    assert code in (0, 1)
    steered = written(tmp_path / "a")
    after = seeds(steered)
    assert after[lone] == before[lone]
    assert before[other][0] in after[other]
    assert gone not in after
    assert len(after) <= 9
    assert sum(map(len, after.values())) <= 15
    assert steered["steering"] == {
        "from": {"plan_sha256": plan["hash"], "dropped": []},
        "lock": [lone, f"{other}/1"],
        "forbid": [gone],
        "load": [],
        "max_needles": 9,
        "max_seeds": 15,
    }
    # read back as it was written; curve and explanation of the replaced plan are gone
    read = read_plan_file(tmp_path / "a", lambda _: 4.55)
    assert [str(place) for place in read.steering.lock] == [lone, f"{other}/1"]
    assert read.steering.origin.plan_sha256 == plan["hash"]
    assert not (tmp_path / "a/pareto.csv").exists()


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (["--lock", "C4"], "names a part of an earlier plan; name that plan with --from"),
        (["--forbid", "C4/1"], "--forbid C4/1 names a part of an earlier plan"),
        (["--from", "nowhere"], "nowhere does not exist"),
        (["--from", "."], "does not exist; name the folder that a plan was written to"),
        (["--lock", "4C"], "'4C' is no place"),
        (["--load", "C4"], "loads nothing"),
        (["--load", "C4=0,5", "--load", "C4=0"], "loaded by hand twice"),
        (["--max-needles", "31"], r"more than the case permits \(\[loading\] max_needles = 30\)"),
        (["--max-seeds", "0"], "a plan needs at least 1"),
        (["--pareto", "cost"], "choose from needles, seeds, cord, dose, Body, Cord, Bone"),
    ],
)
def test_wrong_wishes_are_refused_before_anything_is_planned(
    run, tmp_path, monkeypatch, options, why
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        "template_designer.workflow.design_parts", lambda *_, **__: pytest.fail("planned")
    )
    with pytest.raises((CaseError, InputError), match=why):
        run("-o", "out", *options)
    assert not (tmp_path / "out").exists()


def test_a_plan_of_another_case_or_a_changed_one_is_refused(run, tmp_path, planned_demo):
    folder, _ = planned_demo
    with pytest.raises(InputError, match=r"the plan of case 'demo-L1', not of 'phantom'"):
        run("-o", tmp_path / "out", "--from", folder)
    text = (folder / "plan.json").read_text(encoding="utf-8")
    (tmp_path / "plan.json").write_text(text.replace("demo-L1", "phantom"), encoding="utf-8")
    with pytest.raises(PlannerError, match="was changed since it was written"):
        run("-o", tmp_path / "out", "--from", tmp_path)


def test_the_demo_is_steered_by_its_command(planned_demo, tmp_path):
    folder, _ = planned_demo
    before = seeds(written(folder))
    lone, gone = sorted(before, key=lambda label: -len(before[label]))[:2]

    command = [
        sys.executable, "-m", "template_designer", "design", DEMO / "case.toml",
        "-o", tmp_path / "out", "--from", folder,
        "--lock", lone, "--forbid", gone, "--max-needles", len(before) - 2,
    ]  # fmt: skip
    done = subprocess.run(
        list(map(str, command)),
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "120"},
    )
    assert done.returncode in (0, 1), done.stderr
    plan = written(tmp_path / "out")
    after = seeds(plan)
    assert after[lone] == before[lone]
    assert gone not in after
    assert len(after) <= len(before) - 2
    assert plan["metrics"]["GTV"]["v100_pct"] > 90.0
    codes = {warning["code"] for warning in plan["warnings"]}
    assert not codes & {"case-changed", "seed-not-permitted", "strength-changed"}
