"""``cohort`` as people type it."""

import os
import subprocess
import sys

import pytest

from tests.cohort.phantoms import write_case
from tests.paths import ROOT


def run(*arguments, cwd):
    return subprocess.run(
        [sys.executable, "-m", "template_designer", "cohort", *map(str, arguments)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "160"},
        cwd=cwd,
        check=False,
    )


def test_a_series_of_two_on_two_workers_and_then_nothing_to_do(tmp_path):
    pytest.importorskip("distributed")
    for name in ("A", "B"):
        write_case(tmp_path / name, name)
    done = run("A", "B/case.toml", "-o", "out", "--workers", "2", "--plans-only", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Dashboard: http://127.0.0.1:" in done.stderr
    assert "2 planned (0 kept from before)" in done.stdout
    assert "not a medical device" in done.stdout
    first = (tmp_path / "out" / "cohort.csv").read_bytes()
    again = run("A", "B", "-o", "out", "--plans-only", cwd=tmp_path)
    assert again.returncode == 0
    assert "2 kept from before" in again.stdout
    assert "Dashboard" not in again.stderr  # nothing is started for nothing
    assert (tmp_path / "out" / "cohort.csv").read_bytes() == first


def test_a_missed_goal_or_a_bad_case_ends_with_1(tmp_path):
    write_case(tmp_path / "A", "A", goal_pct=99.99)
    (tmp_path / "bad.toml").write_text("id = 7\n")
    done = run("A", "bad.toml", "-o", "out", "--serial", "--plans-only", cwd=tmp_path)
    assert done.returncode == 1
    assert "missed  A" in done.stderr
    assert "failed  bad" in done.stderr


WRONG = {
    "the same id twice": (("A", "A2", "-o", "out"), "two cases have the id 'A'"),
    "the same case twice": (("A", "A", "-o", "out"), "the same file"),
    "nothing there": (("A", "gone", "-o", "out"), "gone is not there"),
    "two ways to run": (("A", "-o", "out", "--serial", "--workers", "2"), "choose one"),
    "a folder of others": (("A", "-o", "A", "--serial"), "which no series writes"),
}


@pytest.mark.parametrize("what", WRONG)
def test_wrong_input_is_one_clear_line_before_anything_is_run(tmp_path, what):
    arguments, clue = WRONG[what]
    for folder in ("A", "A2"):
        write_case(tmp_path / folder, "A")
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    done = run(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    line = done.stderr.strip().splitlines()[-1]
    assert line.startswith("template-designer: ")
    assert clue in line
    assert "Traceback" not in done.stderr
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before
