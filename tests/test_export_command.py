"""``export`` as people type it: single files of a finished plan."""

import json
import shutil
import sys

import pytest

from tests.paths import DEMO


@pytest.fixture
def folder(planned_demo, tmp_path):
    """A copy of the planned demo: tests may write into it."""
    return shutil.copytree(planned_demo[0], tmp_path / "plan")


def run(monkeypatch, capsys, *arguments) -> tuple[int, str, str]:
    from template_designer import cli

    monkeypatch.setattr(sys, "argv", ["x", "export", *map(str, arguments)])
    monkeypatch.setenv("COLUMNS", "200")
    with pytest.raises(SystemExit) as stop:
        cli.main()
    told = capsys.readouterr()
    return stop.value.code, told.out, told.err


def test_files_from_plan_json_alone_are_those_of_design(folder, tmp_path, monkeypatch, capsys):
    (alone := tmp_path / "alone").mkdir()
    shutil.copy(folder / "plan.json", alone)
    out = tmp_path / "new" / "out"
    names = "json,stl,3mf,csv,dxf,svg,slicer,fit-gauge"
    code, said, _ = run(monkeypatch, capsys, alone, "--format", names, "-o", out)
    assert code == 0, said
    files = [path.relative_to(out) for path in out.rglob("*") if path.is_file()]
    assert len(files) == 10
    for name in files:
        assert (out / name).read_bytes() == (folder / name).read_bytes(), name


def test_without_o_files_go_beside_the_plan(folder, monkeypatch, capsys):
    (folder / "drawing.svg").unlink()
    before = {path.name for path in folder.iterdir()}
    code, said, _ = run(monkeypatch, capsys, folder, "--format", "svg")
    assert code == 0
    assert "drawing.svg" in said
    assert {path.name for path in folder.iterdir()} == before | {"drawing.svg"}
    code, _, told = run(monkeypatch, capsys, folder, "--format", "svg")
    assert code == 2
    assert "--overwrite" in told
    assert run(monkeypatch, capsys, folder, "--format", "svg", "--overwrite")[0] == 0


def test_with_the_case_surfaces_and_dose_come_back(folder, tmp_path, monkeypatch, capsys):
    import pydicom

    out = tmp_path / "out"
    code, _, told = run(
        monkeypatch, capsys, folder, "--format", "structures,dicom", "-o", out,
        "--case", DEMO / "case.toml",
    )  # fmt: skip
    assert code == 0, told
    for path in (folder / "slicer" / "structures").iterdir():
        assert (out / "slicer" / "structures" / path.name).read_bytes() == path.read_bytes()
    old, new = (pydicom.dcmread(where / "RTDOSE.dcm") for where in (folder, out))
    assert old.pixel_array.shape == new.pixel_array.shape
    old_gy, new_gy = (d.pixel_array * float(d.DoseGridScaling) for d in (old, new))
    # seeds come back to 0.1 micrometre: 1 mm from a seed that moves the dose by 2e-4 of itself,
    # and each file rounds to half of its own step
    limit = 4e-4 * old_gy + float(old.DoseGridScaling) + float(new.DoseGridScaling)
    assert (abs(old_gy - new_gy) <= limit).all()
    assert old.FrameOfReferenceUID == new.FrameOfReferenceUID


WRONG = {
    "no format": ((), "--list"),
    "a format that is not known": (("--format", "stk"), "did you mean 'stl'"),
    "a format that needs the case": (("--format", "stl,dicom"), "--case"),
    "nothing between commas": (("--format", ","), "names no format"),
    "a folder with files": (("--format", "csv", "-o", DEMO), "not empty"),
    "another plan's case": (
        ("--format", "structures", "-o", "nowhere-new", "--case", "other.toml"), "not the case",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", WRONG)
def test_wrong_input_is_one_clear_line_and_writes_nothing(
    folder, tmp_path, monkeypatch, capsys, what
):
    arguments, clue = WRONG[what]
    monkeypatch.chdir(tmp_path)
    text = (DEMO / "case.toml").read_text("utf-8").replace('"dicom', f'"{DEMO.as_posix()}/dicom')
    (tmp_path / "other.toml").write_text(text, "utf-8")
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    code, _, told = run(monkeypatch, capsys, folder, *arguments)
    assert code == 2
    line = told.strip().splitlines()[-1]
    assert line.startswith("template-designer: ")
    assert clue in line
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_a_changed_plan_is_refused(folder, monkeypatch, capsys):
    data = json.loads((folder / "plan.json").read_text("utf-8"))
    data["templates"][0]["needles"][0]["depth_mm"] += 0.1
    (folder / "plan.json").write_text(json.dumps(data), "utf-8")
    code, _, told = run(monkeypatch, capsys, folder, "--format", "csv", "--overwrite")
    assert code == 2
    assert "was changed since it was written" in told


def test_the_list_names_every_format_and_what_is_missing(monkeypatch, capsys):
    import importlib.util

    from exports import FORMATS

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    code, said, _ = run(monkeypatch, capsys, "--list")
    assert code == 0
    for item in FORMATS:
        assert item.name in said
        assert item.file in said
    assert "template-designer[step]" in said
