"""A plan read back from its ``plan.json`` is the plan that was written, to the last byte."""

import json
from pathlib import Path

import numpy as np
import pytest

from exports import (
    check_export_folder,
    choose_formats,
    folders,
    plan_json,
    read_plan,
    registry,
    write_formats,
)  # fmt: skip
from exports.as_written import as_written
from exports.writer import file_contents
from template_designer.errors import InputError, OutputError
from template_designer.inputs.plan_file import content_hash
from tests.paths import DEMO
from tests.small_plan import small_plan

ALONE = ("json", "stl", "3mf", "csv", "dxf", "svg", "slicer", "fit-gauge")
"""Formats that need nothing but ``plan.json``."""


def written(plan, folder: Path) -> Path:
    (folder / "plan.json").write_bytes(plan_json.build(as_written(plan)))
    return folder


def contents(plan, names) -> dict[str, bytes]:
    chosen = choose_formats(names, has_case=True)
    return dict(file_contents(plan, {item.file: item.build for item in chosen}, []))


@pytest.mark.parametrize("technique", ["mick", "strand", "preloaded"])
@pytest.mark.parametrize("seed", range(2))
def test_every_number_of_the_file_comes_back(tmp_path, technique, seed):
    plan = small_plan(plates=1 + seed % 2, seed=seed, technique=technique)
    again = read_plan(written(plan, tmp_path))
    assert plan_json.build(again) == (tmp_path / "plan.json").read_bytes()
    assert again.settings == plan.settings
    assert again.rules == plan.rules
    assert again.templates[0].features == plan.templates[0].features
    for before, after in zip(plan.needles, again.needles, strict=True):
        # positions are written to 0.1 micrometre, along each of three axes
        assert np.allclose(before.tip_lps_mm, after.tip_lps_mm, rtol=0.0, atol=0.51e-4)
        for name, clearance in before.clearance_mm.items():
            assert 0.0 <= clearance - after.clearance_mm[name] < 1e-3 + 1e-9  # rounded down
    assert again.source == plan.source


def test_numbers_as_written_are_a_fixed_point():
    once = as_written(small_plan(plates=2, seed=3, technique="strand"))
    assert plan_json.build(as_written(once)) == plan_json.build(once)


def test_every_file_that_needs_no_case_is_the_same_to_the_last_byte(tmp_path):
    plan = small_plan(plates=2, seed=5)
    again = read_plan(written(plan, tmp_path))
    before, after = contents(as_written(plan), ALONE), contents(again, ALONE)
    assert set(before) >= {"template-T2.stl", "template-T1.3mf", "drawing-T2.dxf", "needles.csv"}
    assert before == after


def test_dates_come_back_as_dates(tmp_path):
    import datetime

    day, later = datetime.date(2026, 1, 31), datetime.date(2026, 2, 14)
    source = {
        "model": "I125-6711", "air_kerma_strength_u": 0.762,
        "calibration_date": day, "implant_date": later,
    }  # fmt: skip
    plan = small_plan(source=source)
    again = read_plan(written(plan, tmp_path))
    assert again.settings.source.implant_date == later
    assert again.source.calibration == plan.source.calibration
    assert again.templates[0].features.date == later


def test_the_dose_is_that_of_the_seeds_listed(tmp_path):
    from dose import dose_at_points

    plan = small_plan()
    again = read_plan(written(plan, tmp_path))
    grid = again.dose.grid
    at = tuple(n // 3 for n in grid.shape)
    place = grid.points_mm().reshape(*grid.shape, 3)[at]
    seeds = [s.center_lps_mm for n in again.needles for s in n.seeds]
    axis = again.templates[0].lps_from_template[:3, 2]
    (gy,) = dose_at_points(
        plan.source.model, np.array(seeds), np.tile(axis, (len(seeds), 1)),
        plan.source.air_kerma_strength_u, place[None],
    )  # fmt: skip
    # grids are filled from a table of the kernel, good to 1e-3 (dose.filling.TABLE_ERROR)
    assert again.dose.values_gy[at] == pytest.approx(gy, rel=2e-3)


def change(folder: Path, edit, *, new_hash: bool = False) -> None:
    path = folder / "plan.json"
    data = json.loads(path.read_text("utf-8"))
    edit(data)
    if new_hash:
        data["hash"] = content_hash(data)
    path.write_text(json.dumps(data), encoding="utf-8")


def deeper(data) -> None:
    data["templates"][0]["needles"][0]["depth_mm"] += 1.0


HOSTILE = {
    "a depth that was changed": (deeper, False, "was changed since it was written"),
    "no hash": (lambda d: d.pop("hash"), False, "plan the case again"),
    "no case": (lambda d: d.pop("case"), True, "plan the case again"),
    "another schema": (lambda d: d.update(schema=2), True, "schema 2 is not known"),
    "a key from the future": (lambda d: d.update(later=1), True, "does not read all of it"),
    "a needle without a tip": (
        lambda d: d["templates"][0]["needles"][0].pop("tip_lps_mm"), True, "tip_lps_mm",
    ),
    "a mirrored frame": (
        lambda d: d["templates"][0]["lps_from_template"][0].__setitem__(
            slice(3), [-v for v in d["templates"][0]["lps_from_template"][0][:3]]
        ), True, "mirrored",
    ),
    "a text for a number": (
        lambda d: d["templates"][0]["holes"][0].update(x_mm="0"), True, "is not a number",
    ),
    "templates that are none": (lambda d: d.update(templates=7), True, "its content"),
    "a case with an unknown key": (lambda d: d["case"].update(nonsense=1), True, "nonsense"),
    "a table file of the user's own": (
        lambda d: d["case"].update(source={"file": "mine.toml", "air_kerma_strength_u": 0.7}),
        True, "--case",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", HOSTILE)
def test_a_file_that_is_not_what_was_written_is_refused(tmp_path, what):
    edit, new_hash, clue = HOSTILE[what]
    written(small_plan(), tmp_path)
    change(tmp_path, edit, new_hash=new_hash)
    with pytest.raises(InputError, match=clue):
        read_plan(tmp_path)


@pytest.mark.parametrize(
    ("text", "clue"),
    [
        (b"", "not valid JSON"),
        (b"\xff\xfe{}", "not valid JSON"),
        (b"[" * 100_000, "nested too deeply"),
        (b"[]", "holds no plan"),
        (b'{"templates": NaN}', "NaN"),
    ],
)
def test_what_is_no_plan_is_one_clear_error(tmp_path, text, clue):
    (tmp_path / "plan.json").write_bytes(text)
    with pytest.raises(InputError, match=clue):
        read_plan(tmp_path)


def test_an_empty_folder_holds_no_plan(tmp_path):
    with pytest.raises(InputError, match=r"plan\.json does not exist"):
        read_plan(tmp_path)


def test_another_case_is_refused(tmp_path):
    with pytest.raises(InputError, match="is not the case of the plan"):
        read_plan(written(small_plan(), tmp_path), DEMO / "case.toml")


def test_formats_are_chosen_by_name():
    chosen = choose_formats(["svg", "stl", "svg"], has_case=False)
    assert [item.name for item in chosen] == ["stl", "svg"]  # in the registry's order, once
    with pytest.raises(InputError, match="did you mean 'stl'"):
        choose_formats(["stk"], has_case=False)
    with pytest.raises(InputError, match="add --case"):
        choose_formats(["stl", "preview"], has_case=False)
    with pytest.raises(InputError, match="names no format"):
        choose_formats([], has_case=True)


def test_a_format_that_cannot_be_made_here_is_never_left_out_in_silence(monkeypatch):
    import importlib.util

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(OutputError, match=r"pip install 'template-designer\[step\]'"):
        choose_formats(["step"], has_case=False)


def test_every_format_says_what_it_is_for():
    files = [item.file for item in registry.FORMATS]
    assert len(set(files)) == len(files)
    assert all(item.purpose and "," not in item.name for item in registry.FORMATS)
    assert list(registry.EXPORTERS) == [i.file for i in registry.FORMATS if i.by_design]


def quick(names):
    """Formats that are made in no time."""
    return choose_formats(names, has_case=True)


def test_files_are_written_into_a_new_folder_or_not_at_all(tmp_path, monkeypatch):
    plan = as_written(small_plan())
    target = tmp_path / "a" / "b"
    done = write_formats(plan, quick(["csv", "structures"]), target)
    names = [path.relative_to(target).as_posix() for path in done.files]
    assert names == ["needles.csv", "slicer/structures/GTV.vtp"]
    assert sorted(p.name for p in target.parent.iterdir()) == ["b"]
    with pytest.raises(OutputError, match="is not empty"):
        write_formats(plan, quick(["json"]), target)

    def full(_handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(folders.os, "fsync", full)
    with pytest.raises(OutputError, match="No space left on device; nothing was written"):
        write_formats(plan, quick(["csv"]), tmp_path / "new" / "folder")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a"]


def test_files_beside_others_leave_these_alone(tmp_path):
    plan = as_written(small_plan())
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "needles.csv").write_text("edited")
    with pytest.raises(OutputError, match=r"needles\.csv' is there already"):
        write_formats(plan, quick(["json", "csv"]), tmp_path, beside=True)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["needles.csv", "notes.txt"]
    write_formats(plan, quick(["json", "csv"]), tmp_path, overwrite=True)
    assert (tmp_path / "notes.txt").read_text() == "mine"
    assert (tmp_path / "needles.csv").read_text().startswith("template,")


def test_a_move_that_fails_half_way_brings_the_old_files_back(tmp_path, monkeypatch):
    plan = as_written(small_plan())
    target = tmp_path / "out"
    target.mkdir()
    for name in ("needles.csv", "plan.json"):
        (target / name).write_text("old")
    rename, moved = Path.rename, []

    def stubborn(self, place):
        moved.append(self.name)
        if len(moved) == 4:  # the second new file
            raise OSError(5, "Input/output error")
        return rename(self, place)

    monkeypatch.setattr(Path, "rename", stubborn)
    with pytest.raises(OutputError, match="Input/output error"):
        write_formats(plan, quick(["json", "csv"]), target, overwrite=True)
    assert len(moved) > 4  # it had begun, and moved back
    assert {p.name: p.read_text() for p in target.iterdir()} == {
        "needles.csv": "old", "plan.json": "old",
    }  # fmt: skip
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_a_file_in_place_of_the_folder(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match="is a file"):
        check_export_folder(tmp_path / "file", overwrite=True)
