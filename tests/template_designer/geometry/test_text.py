import string

import matplotlib
import numpy as np
import pytest
import shapely

from template_designer.errors import GeometryError
from template_designer.geometry.text import STROKE_MM, text_outline

LABELS = [*"ABCDEFGHJKLMNPQRSTUVWXYZ", *map(str, range(1, 20))]
HEIGHT_MM, WIDTH_MM = 3.3, 3.26  # what the margin of the usual plate leaves a label


def opened(shape, width_mm):
    return shape.buffer(-0.5 * width_mm, quad_segs=32).buffer(0.5 * width_mm, quad_segs=32)


@pytest.mark.parametrize("text", [*LABELS, "L1-demo T1", "abcdefghijklmnopqrstuvwxyz", "a_b.C-9"])
def test_no_stroke_is_thinner_than_the_printer_resolves(text):
    height = HEIGHT_MM if text in LABELS else 5.0
    shape = text_outline(text, height)
    # 0.5 %: the outline is a polygon inside its round corners, the test's own tool is rounder
    assert opened(shape, STROKE_MM - 0.01).area > 0.995 * shape.area


@pytest.mark.parametrize("text", LABELS)
def test_labels_fill_their_height_and_fit_the_margin(text):
    left, bottom, right, top = text_outline(text, HEIGHT_MM, max_width_mm=WIDTH_MM).bounds
    assert (bottom, top) == pytest.approx((-0.5 * HEIGHT_MM, 0.5 * HEIGHT_MM), abs=0.01)  # chords
    assert left == pytest.approx(-right, abs=1e-9)
    assert right - left <= WIDTH_MM


@pytest.mark.parametrize(
    ("text", "counters"),
    [("0", 1), ("4", 1), ("6", 1), ("8", 2), ("9", 1), ("A", 1), ("B", 2), ("D", 1), ("3", 0),
     ("C", 0), ("10", 1), ("14", 1), ("16", 1), ("18", 2), ("19", 1)],
)  # fmt: skip
def test_counters_stay_open(text, counters):
    shape = text_outline(text, HEIGHT_MM, max_width_mm=WIDTH_MM)
    closed = shape.buffer(0.08).buffer(-0.08)  # a printer's smear of 0.16 mm must not fill them
    found = [sum(len(part.interiors) for part in s.geoms) for s in (shape, as_multi(closed))]
    assert found == [counters, counters]


def as_multi(shape):
    return shape if shape.geom_type == "MultiPolygon" else shapely.MultiPolygon([shape])


def test_labels_differ_from_each_other():
    shapes = {text: text_outline(text, HEIGHT_MM, max_width_mm=WIDTH_MM) for text in LABELS}
    for a in LABELS:
        for b in LABELS:
            if a < b:
                different = shapes[a].symmetric_difference(shapes[b]).area
                # 8 % of the ink: O and Q would be near, 8 and B are the nearest here
                assert different > 0.08 * min(shapes[a].area, shapes[b].area), (a, b)


def test_it_is_the_same_whatever_the_settings_of_matplotlib():
    plain = text_outline("R2D7", 4.0)
    with matplotlib.rc_context({"font.family": "serif", "text.usetex": False, "font.size": 40}):
        again = text_outline("R2D7", 4.0)
    assert shapely.to_wkb(plain) == shapely.to_wkb(again)


def test_large_text_keeps_the_shape_of_the_font():
    one = text_outline("H", 20.0)
    stem = 20.0 * 0.0986 / 0.7291  # DejaVu Sans: upright stroke over cap height
    left, _, right, _ = one.bounds
    level = shapely.LineString([(left, 5.0), (right, 5.0)]).intersection(one)
    assert [part.length for part in level.geoms] == pytest.approx([stem, stem], abs=0.01)


@pytest.mark.parametrize("text", ["", "   "])
def test_nothing_to_write_is_an_error(text):
    with pytest.raises(GeometryError, match="no text"):
        text_outline(text, 5.0)


def test_what_does_not_fit_is_an_error():
    with pytest.raises(GeometryError, match="would run together|does not fit"):
        text_outline("WWWWWWWW", 3.0, max_width_mm=5.0)
    with pytest.raises(GeometryError, match="would run together"):
        text_outline("8", 1.5)
    with pytest.raises(GeometryError, match="not in DejaVu"):
        text_outline("\u4e2d", 5.0)
    with pytest.raises(GeometryError, match="above 0"):
        text_outline("A", float("nan"))


def test_every_letter_of_a_case_id_can_be_engraved():
    for char in string.ascii_letters + string.digits + "._-":
        shape = text_outline(char, 4.0)
        assert shape.is_valid
        assert np.isfinite(shape.area)
        assert shape.area > 0.2  # a dot of the stroke's width has 0.28 mm2
