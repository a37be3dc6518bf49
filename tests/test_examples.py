"""Every example and the notebook run as they are, and leave a picture that shows what it should."""

import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from tests.paths import ROOT

FOLDER = ROOT / "examples"
SCRIPTS = sorted(FOLDER.glob("[0-9][0-9]_*.py"))
NOTEBOOK = FOLDER / "tour.ipynb"

BLUE, ORANGE = "#1f77b4", "#ff7f0e"
"""The first two colours of matplotlib's cycle, which the examples keep."""
OKABE_BLUE, OKABE_RED = "#0072b2", "#d55e00"
VIRIDIS_LOW, VIRIDIS_HIGH = "#440154", "#fde725"

PICTURES = {
    "01_first_template": ("first_template/dvh.png", (OKABE_RED,)),
    "02_dose_of_one_needle": ("one_needle.png", ("#000000", VIRIDIS_LOW)),
    "03_two_entry_planes": ("two_entry_planes.png", (BLUE, ORANGE)),
    "04_steering": ("steering.png", (BLUE, ORANGE)),
    "05_own_structure": ("own_structure.png", (BLUE, ORANGE, "#2ca02c")),
    "06_placement_errors": ("placement_errors.png", (OKABE_BLUE, OKABE_RED)),
    "07_suggested_planes": ("suggested_planes.png", (OKABE_RED, VIRIDIS_LOW)),
    "08_read_a_plan": ("dose_slice.png", (VIRIDIS_LOW, VIRIDIS_HIGH, "#ffffff")),
    "tour": ("tour.png", (VIRIDIS_LOW, VIRIDIS_HIGH, "#ffffff")),
}
"""What each writes, and the colours that must be in it."""

COLOUR_STEPS = 24
"""Of 255 by channel: resampling and antialiasing mix the edge of a thin line with its ground."""
LEAST_PIXELS = 40
"""A line of one point is 1.7 pixels wide at 120 dots an inch; all lines looked for are longer."""


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    """One folder for all: later examples read the plan that the first one writes."""
    folder = tmp_path_factory.mktemp("examples")
    run(SCRIPTS[0], folder)
    return folder


def run(script, folder) -> str:
    done = subprocess.run(
        [sys.executable, str(script), str(folder)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), "MPLBACKEND": "agg"},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def look_at(stem, folder):
    """The picture of an example is neither blank nor one patch, and has its colours."""
    name, colours = PICTURES[stem]
    image = np.asarray(Image.open(folder / name).convert("RGB")).astype(int)
    assert min(image.shape[:2]) >= 300
    values, counts = np.unique(image.reshape(-1, 3), axis=0, return_counts=True)
    assert len(values) > 50
    assert counts.max() < 0.97 * counts.sum()
    for colour in colours:
        wanted = [int(colour[at : at + 2], 16) for at in (1, 3, 5)]
        near = np.abs(image - wanted).max(axis=2) <= COLOUR_STEPS
        assert near.sum() >= LEAST_PIXELS, (stem, colour)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_the_example_runs_and_draws(script, out):
    if script != SCRIPTS[0]:  # that one has run
        assert run(script, out).strip()  # it says what it found
    look_at(script.stem, out)


def test_the_look_at_a_picture_can_fail(tmp_path):
    name, (colour, *_) = PICTURES["03_two_entry_planes"]
    Image.new("RGB", (700, 400), "white").save(tmp_path / name)
    with pytest.raises(AssertionError):
        look_at("03_two_entry_planes", tmp_path)
    noise = np.random.default_rng(43).integers(100, 160, (400, 700, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / name)  # grey, and no bar is grey
    with pytest.raises(AssertionError, match=colour):
        look_at("03_two_entry_planes", tmp_path)


def test_scripts_are_short_numbered_and_all_looked_at():
    assert {script.stem for script in SCRIPTS} | {NOTEBOOK.stem} == set(PICTURES)
    assert [script.name[:2] for script in SCRIPTS] == [f"{n:02}" for n in range(1, 9)]
    for script in SCRIPTS:
        assert len(script.read_text("utf-8").splitlines()) <= 60, script


def test_the_notebook_runs_and_draws(tmp_path, monkeypatch):
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.delenv("MPLBACKEND", raising=False)  # the kernel's own draws into the page
    book = nbformat.read(NOTEBOOK, as_version=4)
    at = {"metadata": {"path": str(tmp_path)}}
    nbclient.NotebookClient(book, timeout=600, kernel_name="python3", resources=at).execute()
    drawn = [
        output
        for cell in book.cells
        for output in cell.get("outputs", ())
        if "image/png" in output.get("data", {})
    ]
    assert len(drawn) == 3  # what seeds reach, the histograms, the share of one needle
    look_at("tour", tmp_path)


def test_the_notebook_is_kept_without_what_it_printed():
    nbformat = pytest.importorskip("nbformat")
    book = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(book)
    for cell in book.cells:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None
    assert NOTEBOOK.stat().st_size < 20_000
