import io
from dataclasses import replace

import matplotlib.image
import numpy as np
import pytest

from exports import opengl, preview
from exports.opengl import SkippedFileError, rendering_problem

needs_opengl = pytest.mark.skipif(
    rendering_problem() is not None, reason=f"cannot draw here: {rendering_problem()}"
)


def pixels(content: bytes) -> np.ndarray:
    return matplotlib.image.imread(io.BytesIO(content), format="png")[:, :, :3]


def near(image: np.ndarray, colour: str, tolerance: float) -> int:
    wanted = np.array([int(colour[at : at + 2], 16) / 255.0 for at in (1, 3, 5)])
    return int(np.sum(np.abs(image - wanted).max(axis=2) < tolerance))


@pytest.fixture(scope="module")
def picture(plan) -> bytes:
    return preview.build(plan)


@needs_opengl
def test_it_has_its_size_and_shows_something(picture):
    image = pixels(picture)
    assert image.shape == (1200, 1600, 3)
    left, right = image[120:1080, 10:780], image[120:1080, 820:1590]
    for view in (left, right):
        ink = np.mean(view.min(axis=2) < 0.9)
        assert 0.1 < ink < 0.99  # neither blank nor filled
        assert view.std() > 0.05
    assert np.all(image[:20, 800:1000] == 1.0)  # white background


@needs_opengl
def test_plate_target_and_seeds_are_on_it(picture):
    image = pixels(picture)
    red, green, blue = (image[120:1080, :, n] for n in range(3))
    assert np.sum((red > 0.5) & (red > 1.25 * green) & (green > 1.2 * blue)) > 5000  # the target
    assert near(image[120:1080, 820:], "#000000", 0.25) > 300  # seeds, seen through the target


@needs_opengl
def test_the_same_picture_twice(plan, picture):
    assert preview.build(plan) == picture  # one machine, one driver


@needs_opengl
def test_a_plan_without_surfaces_or_needles_can_be_drawn(plan):
    bare = replace(plan.templates[0], needles=())
    assert pixels(preview.build(replace(plan, templates=(bare,), surfaces={}))).shape[0] == 1200


def test_the_camera_follows_the_plate_and_looks_from_the_operator(plan):
    axes = plan.templates[0].lps_from_template[:3, :3].T
    for view in (preview._overview(plan), preview._close_up(plan)):
        assert view.forward_lps @ axes[2] > 0.2  # with the needles
        assert view.up_lps @ axes[1] < -0.5  # the operator's up stays up
        assert view.right_lps @ np.cross(view.forward_lps, view.up_lps) == pytest.approx(1.0)


def test_without_opengl_it_says_what_to_install(plan, monkeypatch):
    monkeypatch.setattr(opengl, "_PROBE", "import os; os.abort()")
    rendering_problem.cache_clear()
    try:
        with pytest.raises(SkippedFileError, match="apt install libegl1 libgl1"):
            preview.build(plan)
    finally:
        rendering_problem.cache_clear()


def test_a_missing_pyvista_is_named(monkeypatch):
    monkeypatch.setattr(opengl, "_PROBE", "import a_module_that_nobody_has")
    rendering_problem.cache_clear()
    try:
        assert "pip install pyvista" in rendering_problem()
    finally:
        rendering_problem.cache_clear()
