"""The page of curves: what is drawn is what is published and what the engine computes."""

import dataclasses
import io
import re

import matplotlib
import matplotlib.image
import numpy as np
import pytest

from dose import dose_rate_cgy_h, load_source, source_names
from exports.source_plots import (
    ANGLES_DEG,
    MAP_REACH_CM,
    RATE_LEVELS,
    SUFFIXES,
    build,
    check_plot_path,
    draw,
    write_source_plot,
)
from template_designer.errors import OutputError


@pytest.fixture(scope="module", params=["I125-6711", "Pd103-200", "Cs131-CS1Rev2"])
def drawn(request):
    source = load_source(request.param)
    return source, draw(source)


def words(figure):
    return " ".join(text.get_text() for text in figure.texts)


def test_every_published_point_of_g_and_f_is_drawn(drawn):
    source, figure = drawn
    g_axes, f_axes = figure.axes[:2]
    (points,) = (line for line in g_axes.lines if line.get_marker() == "o")
    np.testing.assert_array_equal(points.get_xdata(), source.radial_r_cm)
    np.testing.assert_array_equal(points.get_ydata(), source.radial_g)
    columns = [line for line in f_axes.lines if line.get_marker() != "None"]
    assert len(columns) == source.anisotropy_r_cm.size
    assert len({line.get_marker() for line in columns}) == len(columns)  # told apart without colour
    for k, line in enumerate(columns):
        np.testing.assert_array_equal(line.get_xdata(), source.anisotropy_theta_deg)
        np.testing.assert_array_equal(line.get_ydata(), source.anisotropy_f[:, k])


def test_the_curves_run_through_the_published_points_and_beyond(drawn):
    source, figure = drawn
    g_axes, f_axes = figure.axes[:2]
    inner, below, beyond = (line for line in g_axes.lines if line.get_marker() == "None")
    # 400 points between nodes 0.05-1 cm apart: the chord errs by under 0.1 % of the largest g
    at_nodes = np.interp(source.radial_r_cm, inner.get_xdata(), inner.get_ydata())
    np.testing.assert_allclose(at_nodes, source.radial_g, atol=2e-3)
    assert below.get_linestyle() == beyond.get_linestyle() == "--"
    assert beyond.get_xdata()[0] == pytest.approx(source.radial_r_cm[-1])
    assert np.all(below.get_ydata() == pytest.approx(source.radial_g[0]))
    curves = [line for line in f_axes.lines if line.get_marker() == "None"]
    for k, line in enumerate(curves):  # nodes are among the angles: every quarter degree
        at_nodes = np.interp(source.anisotropy_theta_deg, line.get_xdata(), line.get_ydata())
        np.testing.assert_allclose(at_nodes, source.anisotropy_f[:, k], rtol=1e-12)


def test_the_ranges_of_the_tables_are_shaded(drawn):
    source, figure = drawn
    for axes, ranges_mm in (
        (figure.axes[0], [source.radial_range_mm]),
        (figure.axes[2], [source.radial_range_mm, source.anisotropy_range_mm]),
    ):
        (band,) = axes.patches
        low, high = band.get_x(), band.get_x() + band.get_width()
        assert 10.0 * low == pytest.approx(max(r[0] for r in ranges_mm))
        assert 10.0 * high == pytest.approx(min(r[1] for r in ranges_mm))


def test_dose_rates_are_those_of_the_engine_outside_the_capsule(drawn):
    source, figure = drawn
    axes = figure.axes[2]
    assert axes.get_xscale() == axes.get_yscale() == "log"
    assert len({line.get_linestyle() for line in axes.lines}) == len(ANGLES_DEG)
    half_length_cm, radius_cm = 0.05 * np.array(source.wall_mm)
    for degrees, line in zip(ANGLES_DEG, axes.lines, strict=True):
        r_cm, theta = line.get_xdata(), np.full(line.get_xdata().size, np.radians(degrees))
        expected = dose_rate_cgy_h(source, 10.0 * r_cm, theta)
        np.testing.assert_allclose(line.get_ydata(), expected, rtol=1e-12)
        nearest = r_cm[0] * np.array([np.cos(theta[0]), np.sin(theta[0])])
        assert nearest[0] >= half_length_cm or nearest[1] >= radius_cm
        # and it begins on the wall: a hundredth nearer is inside
        assert 0.99 * nearest[0] < half_length_cm
        assert 0.99 * nearest[1] < radius_cm


def test_isodose_lines_lie_where_the_dose_rate_is_theirs(drawn):
    source, figure = drawn
    axes = figure.axes[3]
    assert axes.get_aspect() == 1.0
    (contours,) = (c for c in axes.collections if hasattr(c, "levels"))
    np.testing.assert_array_equal(contours.levels, RATE_LEVELS)
    for level, path in zip(RATE_LEVELS, contours.get_paths(), strict=True):
        along, away = path.vertices.T
        assert along.size > 50
        # within one step of the map's nodes the dose rate passes through the level
        steps = np.array(MAP_REACH_CM) / 135.0
        near = [
            rates(source, along + i * steps[0], away + j * steps[1])
            for i in (-1, 0, 1)
            for j in (-1, 0, 1)
        ]
        assert np.all(np.min(near, axis=0) <= level)
        assert np.all(level <= np.max(near, axis=0))
        # and away from the axis, near which F changes fast, it is nearer still: linear between
        # nodes 0.2 mm apart, an inverse square errs by 3 x (0.1 mm / r)^2, 0.5 % at the innermost
        # line, and the kinks of F by as much again (1.4 % measured)
        off_axis = np.abs(away) > 0.3 * np.abs(along)
        error = rates(source, along, away)[off_axis] / level - 1.0
        assert np.abs(error).max() < 0.02


def rates(source, along_cm, away_cm):
    theta = np.arctan2(np.abs(away_cm), along_cm)
    return dose_rate_cgy_h(source, 10.0 * np.hypot(along_cm, away_cm), theta)


def test_the_capsule_is_to_scale_or_said_to_be_assumed(drawn):
    source, figure = drawn
    (capsule,) = figure.axes[3].patches
    box = capsule.get_path().transformed(capsule.get_patch_transform()).get_extents()
    np.testing.assert_allclose([10.0 * box.width, 10.0 * box.height], source.wall_mm, rtol=1e-9)
    known = source.capsule_length_mm is not None
    assert capsule.get_label() == ("capsule, to scale" if known else "capsule, size assumed")


@pytest.mark.parametrize("name", source_names())
def test_every_model_on_board_says_whether_anybody_checked_it(name):
    source = load_source(name)
    figure = draw(source)
    assert ("NOT cross-checked" in words(figure)) == (not source.verified)
    assert source.id in words(figure)
    assert source.publication[:60] in words(figure)
    for axes in figure.axes:
        assert axes.get_xlabel()
        assert axes.get_ylabel()
    labels = [text.get_text() for text in figure.axes[3].texts if text.get_text()]
    assert len(labels) == len(set(labels)) >= 5  # each line named once
    for label in figure.axes[3].texts:
        assert np.all(np.abs(label.get_position()) <= MAP_REACH_CM)


def test_lettering_is_readable_on_a4(drawn):
    _, figure = drawn
    assert tuple(figure.get_size_inches()) == (11.69, 8.27)
    drawn_texts = list(figure.texts)
    for axes in figure.axes:
        drawn_texts += [axes.title, axes.xaxis.label, axes.yaxis.label, *axes.get_xticklabels()]
        if axes.get_legend():
            drawn_texts += axes.get_legend().get_texts()
    assert min(text.get_fontsize() for text in drawn_texts) >= 9.0  # points


def test_no_text_leaves_the_page():
    wordy = "a very long line about where this comes from " * 20
    source = dataclasses.replace(
        load_source("I125-6711"), publication=wordy, status=wordy, manufacturer=wordy
    )
    figure = draw(source)
    renderer = figure.canvas.get_renderer()
    width = figure.bbox.width
    for text in figure.texts:
        box = text.get_window_extent(renderer)
        assert 0 <= box.x0 < box.x1 <= width


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_same_bytes_whatever_the_settings_of_matplotlib(suffix):
    source = load_source("I125-6711")
    content = build(source, suffix)
    with matplotlib.rc_context({"font.size": 30, "axes.facecolor": "red", "savefig.dpi": 20}):
        assert build(source, suffix) == content
    assert content.startswith({".png": b"\x89PNG", ".svg": b"<?xml", ".pdf": b"%PDF"}[suffix])
    assert not re.search(rb"20\d\d-\d\d-\d\dT|CreationDate", content)  # no time stamp


def test_the_png_is_a4_at_150_dots_per_inch():
    pixels = matplotlib.image.imread(io.BytesIO(build(load_source("I125-6711"))), format="png")
    assert pixels.shape[:2] == (1240, 1753)


@pytest.mark.parametrize("odd", ["$x^", "a_b{", "two\nlines", "\x1b[31mred", "<&>"])
def test_a_users_own_words_are_drawn_as_they_are(odd):
    source = dataclasses.replace(load_source("I125-6711"), id=odd, status=odd, publication=odd)
    for suffix in SUFFIXES:
        assert build(source, suffix)


def test_a_file_is_written_whole_and_only_where_it_may(tmp_path):
    source, target = load_source("I125-6711"), tmp_path / "curves.PNG"
    assert write_source_plot(source, target) == target
    assert target.read_bytes() == build(source, ".png")
    assert [path.name for path in tmp_path.iterdir()] == ["curves.PNG"]
    target.write_bytes(b"mine")
    with pytest.raises(OutputError, match=r"exists; .*--overwrite"):
        write_source_plot(source, target)
    assert target.read_bytes() == b"mine"
    write_source_plot(source, target, overwrite=True)
    assert target.read_bytes() != b"mine"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("curves.jpg", ["curves.jpg", ".png, .svg, .pdf"]),
        ("curves", [".png, .svg, .pdf"]),
        ("none/curves.png", ["none", "not a folder"]),
        ("folder.png", ["folder.png", "is a folder"]),
    ],
)
def test_a_wrong_name_says_what_to_do(tmp_path, name, words):
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(OutputError) as error:
        check_plot_path(tmp_path / name, overwrite=True)
    for word in words:
        assert word in str(error.value)
