"""The DVH plot: its curves and triangles are the plan's numbers."""

import io
from dataclasses import replace

import matplotlib.image
import numpy as np
import pytest
from matplotlib.colors import to_hex

from exports import dvh_plot
from exports.again import read_plan
from exports.opengl import SkippedFileError
from exports.slice_looks import TARGET_COLOUR, structure_looks
from template_designer._version import SOFTWARE_NAME
from template_designer.model import DvhCurve, GoalResult
from tests.paths import DEMO

LEVELS = 0.6 * np.arange(801)
GOALS = (
    GoalResult("GTV", "V100", 93.0, "%", True, 95.3, True),
    GoalResult("GTV", "D90", 150.0, "Gy", True, 131.2, False),
    GoalResult("SpinalCord", "D2cc", 60.0, "Gy", False, 41.0, True),
    GoalResult("SpinalCord", "Dmax", 50.0, "Gy", False, 61.0, False),
    GoalResult("Aorta", "Dmean", 30.0, "Gy", False, 11.0, True),
)


@pytest.fixture(scope="module")
def made(plan):
    curves = (
        DvhCurve("GTV", LEVELS, 100.0 / (1.0 + (LEVELS / 260.0) ** 4)),
        DvhCurve("SpinalCord", LEVELS, np.clip(100.0 - 2.0 * LEVELS, 0.0, None)),
        DvhCurve("Aorta", LEVELS, np.clip(100.0 - 5.0 * LEVELS, 0.0, None)),
    )
    return replace(plan, dvh=curves, goals=GOALS)


@pytest.fixture(scope="module")
def figure(made):
    return dvh_plot.draw(made)


def lines(figure):
    return {line.get_label(): line for line in figure.axes[0].lines if line.get_marker() == "None"}


def marks(figure):
    return [
        line
        for line in figure.axes[0].lines
        if line.get_marker() in "<>^v" and np.isfinite(line.get_xdata()).all()
    ]


def test_curves_are_those_of_the_plan(made, figure):
    drawn = lines(figure)
    for curve in made.dvh:
        line = drawn[curve.structure]
        n = len(line.get_xdata())
        np.testing.assert_array_equal(line.get_xdata(), curve.dose_gy[:n])
        np.testing.assert_array_equal(line.get_ydata(), curve.volume_pct[:n])
        assert (curve.volume_pct[n:] == 0.0).all()  # only what lies on the axis is left out
    assert to_hex(drawn["GTV"].get_color()).upper() == TARGET_COLOUR
    assert drawn["GTV"].get_linewidth() > drawn["Aorta"].get_linewidth()


def test_goals_stand_at_their_points(figure):
    # V100 of 120 Gy; 2 of the cord's 8.2 cm3; the highest dose is that of no volume
    wanted = [
        (120.0, 93.0, "^", True),
        (150.0, 90.0, ">", False),
        (60.0, 100.0 * 2.0 / 8.2, "<", True),
        (50.0, 0.0, "<", False),
    ]
    found = marks(figure)
    assert len(found) == len(wanted)  # a mean dose is no point of a curve
    for line, (dose_gy, volume_pct, marker, met) in zip(found, wanted, strict=True):
        assert line.get_xdata()[0] == pytest.approx(dose_gy)
        assert line.get_ydata()[0] == pytest.approx(volume_pct)
        assert line.get_marker() == marker
        assert (to_hex(line.get_markerfacecolor()) == "#ffffff") == (not met)


def test_a_filled_and_a_hollow_triangle_among_the_pixels(figure):
    figure.canvas.draw()
    image = np.asarray(figure.canvas.buffer_rgba())[:, :, :3]
    axes = figure.axes[0]
    for place, colour in (((120.0, 93.0), TARGET_COLOUR), ((150.0, 90.0), "#FFFFFF")):
        column, row = axes.transData.transform(place)
        pixel = image[round(image.shape[0] - row), round(column)]
        wanted = [int(colour[at : at + 2], 16) for at in (1, 3, 5)]
        assert np.abs(pixel - wanted).max() < 12, place  # drawn opaque; edges are farther off


def test_missed_goals_are_named_and_all_are_listed(figure):
    named = [text.get_text() for text in figure.axes[0].texts]
    missed = [text for text in named if text.startswith("MISSED")]
    assert missed == ["MISSED: GTV D90 is 131.2 Gy", "MISSED: SpinalCord Dmax is 61.0 Gy"]
    listed = [text.get_text() for text in figure.texts]
    for goal in GOALS:
        (line,) = [text for text in listed if f"{goal.structure} {goal.metric} " in text]
        assert f"{goal.limit:g} {goal.unit}" in line
        assert f"{goal.value:.1f} {goal.unit}" in line
        assert line.endswith("met" if goal.met else "MISSED")


def test_the_prescription_and_both_axes(made, figure):
    axes = figure.axes[0]
    (vertical,) = [
        line
        for line in axes.lines
        if len(set(line.get_xdata())) == 1 and len(line.get_xdata()) == 2
    ]
    assert set(vertical.get_xdata()) == {made.prescription_gy}
    assert "Gy" in axes.get_xlabel()
    assert "%" in axes.get_ylabel()
    assert axes.get_xlim() == (0.0, 3.0 * made.prescription_gy)
    far = replace(made, goals=(GoalResult("GTV", "D90", 400.0, "Gy", True, 131.2, False),))
    assert dvh_plot.draw(far).axes[0].get_xlim()[1] > 400.0  # no goal off the picture


def test_the_same_bytes_twice_and_whose_they_are(made):
    first = dvh_plot.build(made)
    assert dvh_plot.build(made) == first
    assert SOFTWARE_NAME.encode() in first[:256]


def test_odd_names_are_shown_as_they_are(made):
    odd = (replace(made.dvh[0], structure="_GTV $1$"), *made.dvh[1:])
    figure = dvh_plot.draw(replace(made, dvh=odd, goals=()))
    figure.canvas.draw()
    (legend,) = figure.legends
    assert r"GTV \$1\$" in [text.get_text() for text in legend.get_texts()]


def test_curves_of_many_organs_differ_in_colour_or_dash(made):
    many = tuple(replace(made.dvh[1], structure=f"organ {n}") for n in range(18))
    drawn = lines(dvh_plot.draw(replace(made, dvh=(made.dvh[0], *many))))
    looks = {(to_hex(drawn[c.structure].get_color()), str(drawn[c.structure]._dash_pattern))
             for c in (made.dvh[0], *many)}  # fmt: skip
    assert len(looks) == 19


def test_organs_keep_the_colours_of_the_slices(made, figure):
    looks = structure_looks(made, [curve.structure for curve in made.dvh])
    for name, line in lines(figure).items():
        if name in looks:
            assert to_hex(line.get_color()).upper() == looks[name].colour


def test_without_histograms_it_says_so(plan):
    assert plan.dvh == ()
    with pytest.raises(SkippedFileError, match="name its case"):
        dvh_plot.build(plan)


def test_a_plan_read_back_has_the_curves_of_its_metrics(planned_demo):
    folder = planned_demo[0]
    assert read_plan(folder).dvh == ()
    plan = read_plan(folder, DEMO / "case.toml")
    now, then = (
        matplotlib.image.imread(io.BytesIO(content), format="png")
        for content in (dvh_plot.build(plan), (folder / "dvh.png").read_bytes())
    )
    # the picture of the run that planned it: seeds come back to 0.1 micrometre, which may move a
    # line's edge by a shade
    assert np.mean(np.abs(now - then) > 0.02) < 1e-3
    assert plan.dvh[0].structure == "GTV"
    judged = {"GTV", *(goal.structure for goal in plan.goals)}
    judged |= {rule.structure for rule in plan.rules}
    assert {curve.structure for curve in plan.dvh} == judged
    own, metrics = plan.dvh[0], plan.metrics["GTV"]
    for percent in (90, 100, 150, 200):
        (at,) = np.flatnonzero(np.isclose(own.dose_gy, percent / 100.0 * plan.prescription_gy))
        # seeds come back to 0.1 micrometre: of 30,000 samples a handful may cross a level
        assert own.volume_pct[at] == pytest.approx(metrics[f"v{percent}_pct"], abs=0.03)
    for curve in plan.dvh[1:]:
        highest = plan.metrics[curve.structure]["dmax_gy"]
        # nothing above the highest dose, which counts the surface as well
        assert curve.volume_pct[curve.dose_gy > 1.001 * highest].max() == 0.0
        assert curve.volume_pct[0] == pytest.approx(100.0)
        assert (np.diff(curve.volume_pct) <= 0.0).all()
        middles = 0.5 * (curve.volume_pct[1:] + curve.volume_pct[:-1])
        mean = float(middles @ np.diff(curve.dose_gy) / 100.0)
        # the area under the curve is the mean dose, to half a level (0.3 Gy)
        assert mean == pytest.approx(plan.metrics[curve.structure]["mean_gy"], abs=0.31)
