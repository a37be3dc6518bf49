"""``report`` as people type it: one written plan, or two side by side."""

import json
import shutil
import sys

import pytest

from exports import report_html, report_pictures
from exports.again import read_plan
from exports.report_pictures import PictureKind
from tests.exports.test_report import PNG, Reader, pdf_text
from tests.paths import DEMO

BOTH = ["report.html", "report.pdf"]


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """These tests are about files: no picture takes OpenGL."""
    kinds = (PictureKind("View", "What it shows", lambda plan: PNG),)
    monkeypatch.setattr(report_pictures, "PICTURES", kinds)


@pytest.fixture
def folder(planned_demo, tmp_path):
    """A folder with the demo's plan.json."""
    (tmp_path / "plan").mkdir()
    shutil.copy(planned_demo[0] / "plan.json", tmp_path / "plan")
    return tmp_path / "plan"


def run(monkeypatch, capsys, *arguments) -> tuple[int, str, str]:
    from template_designer import cli

    monkeypatch.setattr(sys, "argv", ["x", "report", *map(str, arguments)])
    monkeypatch.setenv("COLUMNS", "200")
    with pytest.raises(SystemExit) as stop:
        cli.main()
    told = capsys.readouterr()
    return stop.value.code, told.out, told.err


def names(folder) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_one_plan_is_written_beside_it_and_refreshed(folder, monkeypatch, capsys):
    code, said, _ = run(monkeypatch, capsys, folder)
    assert code == 0
    assert "report.html, report.pdf" in said
    assert "--case" in said  # the picture is missing, and the line says why
    assert names(folder) == sorted(["plan.json", *BOTH])
    first = {name: (folder / name).read_bytes() for name in BOTH}
    (folder / "report.html").write_bytes(first["report.html"][:600])  # an old one of ours
    assert run(monkeypatch, capsys, folder)[0] == 0
    assert {name: (folder / name).read_bytes() for name in BOTH} == first


def test_its_numbers_are_those_of_plan_json(folder, monkeypatch, capsys):
    run(monkeypatch, capsys, folder)
    data = json.loads((folder / "plan.json").read_text("utf-8"))
    read = Reader((folder / "report.html").read_bytes())
    assert dict(read.table("The plan"))["plan hash (SHA-256)"] == data["hash"]
    target = data["target"]
    for name, text in read.table(f"Target {target}")[1:]:
        key = {"Dmean": "mean_gy", "volume": "volume_cm3", "reachable by seeds": "reachable_pct"}
        values = data["metrics"][target]
        known = {k.rpartition("_")[0]: v for k, v in values.items() if "_" in k} | values
        value = values[key[name]] if name in key else known[name.lower().replace(".", "_")]
        # one decimal, of an index two
        assert abs(float(text.split()[0]) - value) <= (0.0501 if " " in text else 0.00501)
    needles = [n for t in data["templates"] for n in t["needles"]]
    rows = read.table("Needles of plate T1 in order of insertion")[1:]
    by_order = {n["insertion_order"]: n for n in needles}
    assert len(rows) == len(needles)
    for row in rows:
        needle = by_order[int(row[0])]
        assert row[1] == needle["label"]
        # rounded down to 0.1 mm
        assert -1e-9 <= needle["depth_mm"] - float(row[3]) < 0.1 + 1e-9
        assert int(row[5]) == len(needle["seeds"])
    assert all(data["hash"] in text for text in pdf_text((folder / "report.pdf").read_bytes()))


def test_with_the_case_its_pictures_are_in_it(folder, tmp_path, monkeypatch, capsys):
    out = tmp_path / "new" / "mine.html"
    code, said, told = run(monkeypatch, capsys, folder, "--case", DEMO / "case.toml", "-o", out)
    assert code == 0, told
    assert "note" not in said
    assert names(out.parent) == ["mine.html"]
    read = Reader(out.read_bytes())
    assert len([tag for tag, _ in read.tags if tag == "img"]) == 1
    assert names(folder) == ["plan.json"]


def test_export_writes_it_with_the_same_numbers(folder, tmp_path, monkeypatch, capsys):
    code, _, told = run(monkeypatch, capsys, folder, "--case", DEMO / "case.toml")
    assert code == 0, told
    plan = read_plan(folder, DEMO / "case.toml")
    of_export = Reader(report_html.build(plan))
    again = Reader((folder / "report.html").read_bytes())
    assert of_export.captions == again.captions
    assert of_export.tables == again.tables


def test_two_plans_are_compared(folder, tmp_path, monkeypatch, capsys):
    other = shutil.copytree(folder, tmp_path / "other")
    code, _, told = run(monkeypatch, capsys, folder, other, "-o", tmp_path / "out")
    assert code == 0, told
    assert names(tmp_path / "out") == ["comparison.html", "comparison.pdf"]
    read = Reader((tmp_path / "out" / "comparison.html").read_bytes())
    assert "A and B are the same plan" in read.text
    rows = read.table("Metrics of all structures")[1:]
    assert len(rows) > 50
    assert all(before == after for *_, before, after, _ in rows)
    assert {change for *_, change in rows} <= {"0.0", "0.00"}


def test_files_of_others_are_never_overwritten(folder, monkeypatch, capsys):
    for name in BOTH:
        (folder / name).write_text("<html>mine</html>", "utf-8")
        code, _, told = run(monkeypatch, capsys, folder)
        assert code == 2
        assert f"{name}' is there and is no report of this program" in told
        assert (folder / name).read_text("utf-8") == "<html>mine</html>"
        assert names(folder) == sorted(["plan.json", name])
        (folder / name).unlink()


WRONG = {
    "no plan there": (("nowhere",), "does not exist"),
    "three plans": (("a", "b", "c"), "one plan or of two"),
    "more cases than plans": (("plan", "--case", "a.toml", "--case", "b.toml"), "2 cases"),
    "a file as folder": (("plan", "-o", "notes.txt"), "is no folder"),
    "a folder below a file": (("plan", "-o", "notes.txt/out"), "nothing was written"),
    "a case that is not there": (("plan", "--case", "gone.toml", "-o", "out"), "gone.toml"),
    "one plan of two missing": (("plan", "gone", "-o", "out"), "gone"),
}


@pytest.mark.parametrize("what", WRONG)
def test_wrong_input_is_one_clear_line_and_writes_nothing(
    folder, tmp_path, monkeypatch, capsys, what
):
    arguments, clue = WRONG[what]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "notes.txt").write_text("mine")
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    code, _, told = run(monkeypatch, capsys, *arguments)
    assert code == 2
    line = told.strip().splitlines()[-1]
    assert line.startswith("template-designer: ")
    assert clue in line
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_a_changed_plan_is_refused(folder, monkeypatch, capsys):
    data = json.loads((folder / "plan.json").read_text("utf-8"))
    data["goals"][0]["value"] = 99.9
    (folder / "plan.json").write_text(json.dumps(data), "utf-8")
    code, _, told = run(monkeypatch, capsys, folder)
    assert code == 2
    assert "was changed since it was written" in told
    assert names(folder) == ["plan.json"]
