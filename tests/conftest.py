"""Shared test set-up: property tests without deadlines (the first call compiles), never random."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.paths import ROOT

settings.register_profile(
    "house", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("house")


LONGEST = (
    "test_examples",
    "test_view_page",
    "test_loading",
    "test_cluster",
    "test_end_to_end",
    "test_supplement_command",
    "test_registration",
    "test_steering_command",
    "test_readme",
    "test_evaluating",
)
"""Files that take a minute or more, the longest first."""


def pytest_collection_modifyitems(items):
    """Long files go first: no worker is left alone with one while the others have nothing to do."""
    rank = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: rank.get(item.path.stem, len(LONGEST)))


def pytest_addoption(parser):
    parser.addoption(
        "--renew-references",
        action="store_true",
        help="write the pictures of tests/references anew; look at each before it is committed",
    )


@pytest.fixture(scope="session")
def planned_demo(tmp_path_factory):
    """Folder of the demo as its command plans it, and what the command printed; do not change it.

    It is planned once for all workers: the first to come makes it, the others wait.
    """
    base = tmp_path_factory.getbasetemp()
    shared = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "planned-demo"
    folder, said = shared / "out", shared / "said.txt"
    try:
        shared.mkdir()
    except FileExistsError:
        return folder, _wait_for(said)
    command = [sys.executable, "-m", "template_designer", "demo", "-o", str(folder)]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "120"},
        check=False,
    )
    text = done.stdout if done.returncode == 0 else f"exit {done.returncode}: {done.stderr}"
    part = said.with_suffix(".part")
    part.write_text(text, encoding="utf-8")
    part.rename(said)
    assert done.returncode == 0, done.stderr
    return folder, text


def _wait_for(said: Path, patience_s: float = 300.0) -> str:
    end = time.monotonic() + patience_s
    while not said.exists() and time.monotonic() < end:
        time.sleep(0.2)
    text = said.read_text(encoding="utf-8")
    assert not text.startswith("exit "), text
    return text
