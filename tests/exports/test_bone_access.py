"""Holes for access needles: the printed bore, its mark, and what table, JSON and summary say."""

import csv
import io
import json
from dataclasses import replace

import numpy as np
import pytest
import shapely
from rich.console import Console

from exports import needle_table, plan_json, stl
from template_designer.errors import GeometryError
from template_designer.geometry.plate import DEFAULT_STYLE, build_plate
from template_designer.geometry.plate_rim import LEFT, RimText, lay_out_rim
from template_designer.model import BoneAccess
from template_designer.summary import TARGET_ROWS, plan_tables
from tests.exports.conftest import PLANNED, make_plan, make_template

ACCESS = ("C4", "H9")
BORE_16G, BORE_18G = 1.85, 1.47


def with_access(template, labels=ACCESS, bore_mm=BORE_16G, gauge=16):
    return replace(
        template,
        holes=tuple(
            replace(hole, bore_mm=bore_mm) if hole.label in labels else hole
            for hole in template.holes
        ),
        needles=tuple(
            replace(
                needle,
                bone_hu=712.34,
                bone_access=BoneAccess(gauge, "2.3 mm of bone at or above 600 HU in one piece"),
            )
            if needle.label in labels
            else needle
            for needle in template.needles
        ),
    )


@pytest.fixture(scope="module")
def plan():
    return make_plan(with_access(make_template()))


def rings_at(mesh, z_mm):
    """Closed outlines of a horizontal cut, as polygons."""
    return [shapely.Polygon(ring[:, :2]) for ring in mesh.section([0, 0, 1], [0, 0, z_mm]).discrete]


def solid_at(mesh, z_mm):
    """What is solid at a height."""
    found = shapely.Polygon()
    for ring in rings_at(mesh, z_mm):
        found = found.symmetric_difference(ring)
    return found


def test_each_hole_has_the_bore_it_states(plan):
    (template,) = plan.templates
    bores = rings_at(stl.plate_mesh(plan, template), 10.0)
    for hole in template.holes:
        place = shapely.Point(hole.x_mm, -hole.y_mm)
        ring = min((b for b in bores if b.area < 100.0), key=lambda b: b.centroid.distance(place))
        assert ring.centroid.distance(place) < 1e-3
        free = 2.0 * ring.exterior.distance(place)
        wanted = BORE_16G if hole.label in ACCESS else BORE_18G
        assert wanted - 1e-4 <= free <= wanted + 0.02  # a polygon round the circle, in float32


def test_access_holes_carry_a_square_and_the_others_a_ring(plan):
    (template,) = plan.templates
    mesh = stl.plate_mesh(plan, template)
    top = solid_at(mesh, template.size_mm[2] - 0.4)
    corner = 2.05  # in the corner of a square of half side 2.2; outside a ring of 2.135 mm
    for needle in template.needles:
        hole = next(h for h in template.holes if h.label == needle.label)
        engraved = [
            not top.contains(shapely.Point(hole.x_mm + dx * corner, -hole.y_mm + dy * corner))
            for dx in (-1, 1)
            for dy in (-1, 1)
        ]
        assert all(engraved) if needle.label in ACCESS else not any(engraved)
        beside = shapely.Point(hole.x_mm + (1.9 if needle.label in ACCESS else 1.7), -hole.y_mm)
        assert not top.contains(beside)  # both have a groove there
        wall = 0.5 * template.bore_of(hole) + 0.3
        assert top.contains(shapely.Point(hole.x_mm + wall, -hole.y_mm))  # and a wall inside it


@pytest.mark.parametrize(("bore_mm", "gauge"), [(2.61, 13), (3.25, 11)])
def test_wider_access_bores_print_too(bore_mm, gauge):
    template = with_access(make_template(), ("K10", "H9", "H12"), bore_mm, gauge)
    mesh = build_plate(template, plan_id="L1-demo", bored=[h.label for h in template.holes])
    assert mesh.is_volume


def test_neighbouring_bores_without_a_wall_are_refused_with_both_holes():
    template = with_access(make_template(), ("H9", "J9"), 4.6)
    with pytest.raises(GeometryError, match=r"4\.6 mm at .* leave a wall of 0\.40 mm"):
        build_plate(template, plan_id="x", bored=[h.label for h in template.holes])
    template = with_access(make_template(), ("H9",), 7.6)
    with pytest.raises(GeometryError, match=r"1\.47 and 7\.6 mm at .*H9.* leave a wall of 0\.46"):
        build_plate(template, plan_id="x", bored=[h.label for h in template.holes])


def test_the_rim_names_the_gauge_where_there_is_room():
    plain, marked = make_template(), with_access(make_template())
    rims = [lay_out_rim(t, RimText("L1-demo"), DEFAULT_STYLE) for t in (plain, marked)]
    words = [dict(rim.sides)[LEFT] for rim in rims]
    assert words[1].area > words[0].area + 10.0
    # too small for the gauge: what else stands there is the same
    small = [replace(t, size_mm=(100.0, 18.0, 20.0)) for t in (plain, marked)]
    tight = [lay_out_rim(t, RimText("L1"), DEFAULT_STYLE) for t in small]
    assert "legend of the squares" in tight[1].left_out
    assert dict(tight[1].sides)[LEFT].equals(dict(tight[0].sides)[LEFT])


def test_table_json_and_summary_say_which_needles_need_access(plan):
    rows = {r["hole"]: r for r in csv.DictReader(io.StringIO(needle_table.build(plan).decode()))}
    data = json.loads(plan_json.build(plan))["templates"][0]
    needles = {needle["label"]: needle for needle in data["needles"]}
    holes = {hole["label"]: hole for hole in data["holes"]}
    for label, row in rows.items():
        if label in ACCESS:
            assert (row["bone_access_gauge"], row["bore_mm"], row["bone_hu"]) == (
                "16",
                "1.85",
                "712",
            )
            assert row["gauge"] == "18"
            assert needles[label]["bone_access"] == {
                "gauge": 16,
                "reason": "2.3 mm of bone at or above 600 HU in one piece",
            }
            assert needles[label]["bone_hu"] == 712.3
            assert holes[label]["bore_mm"] == BORE_16G
        else:
            assert (row["bone_access_gauge"], row["bore_mm"], row["bone_hu"]) == ("", "1.47", "")
            assert needles[label]["bone_access"] is None
            assert needles[label]["bone_hu"] is None
            assert "bore_mm" not in holes[label]
    console = Console(file=io.StringIO(), width=200)
    full = replace(plan, metrics={"GTV": dict.fromkeys(TARGET_ROWS, 1.0)})
    console.print(*plan_tables(full))
    text = console.file.getvalue()
    assert "T1: 16G access needle first at H9, C4 (bore 1.85 mm, squares on the plate)" in text


def test_bores_that_are_stated_but_no_wider_change_nothing():
    plain = make_template()
    stated = replace(plain, holes=tuple(replace(h, bore_mm=BORE_18G) for h in plain.holes))
    bored = list(PLANNED)
    one, other = (build_plate(t, plan_id="L1", bored=bored) for t in (plain, stated))
    np.testing.assert_array_equal(one.vertices, other.vertices)
