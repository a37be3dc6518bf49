import errno
import json
from dataclasses import replace
from pathlib import Path

import pytest

from exports import write_plan, writer
from exports.opengl import SkippedFileError
from exports.registry import EXPORTERS
from template_designer.errors import NoSafePlanError, OutputError

SMALL = {
    "plan.json": EXPORTERS["plan.json"],
    "template*.stl": lambda plan, template: template.name.encode(),
    "needles.csv": EXPORTERS["needles.csv"],
}


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """These tests are about folders: they need no plate and no picture."""
    monkeypatch.setattr(writer, "EXPORTERS", dict(SMALL))


def snapshot(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_every_file_in_a_new_folder(plan, tmp_path):
    seen: list[str] = []
    written = write_plan(plan, tmp_path / "a" / "b", progress=seen.append)
    assert written.folder == tmp_path / "a" / "b"
    assert seen == ["plan.json", "template.stl", "needles.csv"]
    assert [path.name for path in written.files] == ["needles.csv", "plan.json", "template.stl"]
    assert all(path.is_file() for path in written.files)
    assert names_in(written.folder.parent) == ["b"]  # nothing hidden is left beside it
    assert json.loads((written.folder / "plan.json").read_text("utf-8"))["id"] == plan.id


def test_several_plates_carry_their_names(two_plates, tmp_path):
    written = write_plan(two_plates, tmp_path / "out")
    assert (written.folder / "template-T1.stl").read_bytes() == b"T1"
    assert (written.folder / "template-T2.stl").read_bytes() == b"T2"


def test_an_empty_folder_is_used_and_keeps_its_mode(plan, tmp_path):
    folder = tmp_path / "out"
    folder.mkdir(mode=0o750)
    write_plan(plan, folder)
    assert folder.stat().st_mode & 0o777 == 0o750
    assert len(snapshot(tmp_path)) == 3


def test_a_used_folder_is_refused_and_left_alone(plan, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(OutputError, match="not empty"):
        write_plan(plan, tmp_path)
    with pytest.raises(OutputError, match=r"no plan\.json"):
        write_plan(plan, tmp_path, overwrite=True)
    assert snapshot(tmp_path) == {"notes.txt": b"mine"}


def test_overwriting_replaces_the_whole_plan(plan, two_plates, tmp_path):
    folder = tmp_path / "out"
    write_plan(two_plates, folder)
    with pytest.raises(OutputError, match="not empty"):
        write_plan(plan, folder)
    write_plan(plan, folder, overwrite=True)
    assert sorted(snapshot(tmp_path)) == ["out/needles.csv", "out/plan.json", "out/template.stl"]


def test_overwriting_never_deletes_the_users_own_files(plan, tmp_path):
    folder = tmp_path / "out"
    write_plan(plan, folder)
    (folder / "notes.txt").write_text("mine")
    before = snapshot(tmp_path)
    with pytest.raises(OutputError, match=r"notes\.txt"):
        write_plan(plan, folder, overwrite=True)
    assert snapshot(tmp_path) == before


def test_a_file_in_the_way_is_refused(plan, tmp_path):
    (tmp_path / "out").write_text("x")
    with pytest.raises(OutputError, match="is a file"):
        write_plan(plan, tmp_path / "out", overwrite=True)


@pytest.mark.parametrize("new", [True, False])
def test_an_exporter_that_fails_leaves_nothing_behind(plan, tmp_path, new):
    folder = tmp_path / "deep" / "out"
    if not new:
        write_plan(plan, folder)
    before = snapshot(tmp_path)

    def broken(_plan):
        raise ZeroDivisionError

    writer.EXPORTERS["zz.bin"] = broken
    with pytest.raises(ZeroDivisionError):
        write_plan(plan, folder, overwrite=not new)
    assert snapshot(tmp_path) == before
    assert names_in(tmp_path) == ([] if new else ["deep"])


def test_a_full_disk_is_one_clear_line_and_leaves_the_old_plan(plan, tmp_path, monkeypatch):
    folder = tmp_path / "out"
    write_plan(plan, folder)
    before = snapshot(tmp_path)

    def full(_handle):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(writer.os, "fsync", full)
    with pytest.raises(OutputError, match=r"No space left on device; nothing was written"):
        write_plan(plan, folder, overwrite=True)
    assert snapshot(tmp_path) == before


def test_a_move_that_fails_brings_the_old_plan_back(plan, tmp_path, monkeypatch):
    folder = tmp_path / "out"
    write_plan(plan, folder)
    before = snapshot(tmp_path)
    rename = Path.rename

    def stubborn(self, target):
        if self.suffix == ".tmp":
            raise OSError(errno.EIO, "Input/output error")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", stubborn)
    with pytest.raises(OutputError, match="Input/output error"):
        write_plan(plan, folder, overwrite=True)
    monkeypatch.undo()
    assert snapshot(tmp_path) == before


def test_a_parent_that_is_a_file_is_one_clear_line(plan, tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match="nothing was written"):
        write_plan(plan, tmp_path / "file" / "out")


def test_a_plan_that_breaks_a_hard_rule_is_never_written(plan, tmp_path):
    near = replace(plan.needles[0], clearance_mm={"SpinalCord": 9.9, "Aorta": 10.0})
    template = replace(plan.templates[0], needles=(near, *plan.needles[1:]))
    with pytest.raises(NoSafePlanError, match=r"K10 passes SpinalCord at 9\.90 mm"):
        write_plan(replace(plan, templates=(template,)), tmp_path / "out")
    assert names_in(tmp_path) == []


@pytest.mark.parametrize("names", [("T1", "t1"), ("T1", "../T2"), ("T1", "")])
def test_template_names_must_make_file_names(two_plates, tmp_path, names):
    templates = tuple(
        replace(template, name=name)
        for template, name in zip(two_plates.templates, names, strict=True)
    )
    with pytest.raises(OutputError, match="become file names"):
        write_plan(replace(two_plates, templates=templates), tmp_path / "out")
    assert names_in(tmp_path) == []


def test_a_file_this_machine_cannot_make_becomes_a_note(plan, tmp_path):
    def cannot(_plan):
        raise SkippedFileError("no picture: install something")

    writer.EXPORTERS["preview.png"] = cannot
    written = write_plan(plan, tmp_path / "out")
    assert written.notes == ("preview.png: no picture: install something",)
    assert len(written.files) == 3


def test_files_that_appear_while_the_plan_is_made_are_not_deleted(plan, tmp_path, monkeypatch):
    target = tmp_path / "out"
    target.mkdir()

    def slow(plan):
        (target / "notes.txt").write_text("mine")
        return b"{}"

    monkeypatch.setitem(writer.EXPORTERS, "plan.json", slow)
    with pytest.raises(OutputError, match="not empty"):
        write_plan(plan, target)
    assert names_in(tmp_path) == ["out"]
    assert (target / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize("name", ["template-mine.stl", "template-T1b.stl"])
def test_files_that_only_look_like_ours_are_kept(plan, tmp_path, name):
    write_plan(plan, tmp_path / "out")
    (tmp_path / "out" / name).write_text("edited by hand")
    with pytest.raises(OutputError, match="files of yours"):
        write_plan(plan, tmp_path / "out", overwrite=True)


def test_a_folder_named_like_a_file_of_ours_is_kept(plan, tmp_path):
    write_plan(plan, tmp_path / "out")
    (tmp_path / "out" / "template.stl").unlink()
    (tmp_path / "out" / "template.stl").mkdir()
    with pytest.raises(OutputError, match="files of yours"):
        write_plan(plan, tmp_path / "out", overwrite=True)
