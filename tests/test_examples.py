"""Every example runs as it is and leaves a picture."""

import os
import subprocess
import sys

import pytest

from tests.paths import ROOT

SCRIPTS = sorted((ROOT / "examples").glob("[0-9][0-9]_*.py"))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_the_example_runs_and_draws(script, tmp_path):
    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), "MPLBACKEND": "agg"},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    pictures = list(tmp_path.rglob("*.png"))
    assert pictures
    assert all(path.stat().st_size > 10_000 for path in pictures)
    assert len(script.read_text().splitlines()) < 60


def test_there_are_examples():
    assert len(SCRIPTS) >= 3
