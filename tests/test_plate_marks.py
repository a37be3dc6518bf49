"""What the plate says: code, words, lines, pockets, holes; read back from the finished body."""

import datetime
import itertools
import json
from dataclasses import replace

import numpy as np
import pytest
import shapely
import trimesh
import zxingcpp
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from exports import plan_json, stl
from template_designer.geometry.plate_case import check_plate_case, plate_features
from template_designer.geometry.plate_rim import (
    BOTTOM,
    LEFT,
    RIGHT,
    TOP,
    RimText,
    direction,
    lay_out_rim,
)
from template_designer.geometry.plate_style import PRINT_FROM_TEMPLATE, PlateStyle
from template_designer.geometry.text import text_outline
from template_designer.model import MarkerPocket, MountingHole
from tests.exports.conftest import make_plan, make_template
from tests.plates import HASH, built, case_settings, make_plate, side_ink, top_section

DATE = datetime.date(2026, 11, 15)


def picture(ink, window, px_per_mm=12):
    """Ink as dark on light, (rows, columns) uint8: what a camera sees of a painted engraving."""
    left, low, right, high = window
    figure = Figure(figsize=((right - left), (high - low)), dpi=px_per_mm)
    canvas = FigureCanvasAgg(figure)
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    axes.set(xlim=(left, right), ylim=(low, high))
    axes.axis("off")
    for part in shapely.get_parts(ink):
        if isinstance(part, shapely.Polygon):
            axes.fill(*np.array(part.exterior.coords).T, color="black", lw=0)
            for ring in part.interiors:
                axes.fill(*np.array(ring.coords).T, color="white", lw=0)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., 0].copy()


def read_code(mesh) -> str | None:
    """What a reader of QR codes makes of the left half of the right side."""
    ink = side_ink(mesh, RIGHT)
    thickness = mesh.bounds[1, 2]
    found = zxingcpp.read_barcodes(picture(ink, (ink.bounds[0] - 3.0, 0.0, -1.0, thickness)))
    return found[0].text if found else None


@pytest.mark.parametrize("size_mm", [(100.0, 100.0, 20.0), (60.0, 60.0, 16.0)])
def test_a_camera_reads_the_hash_off_the_printed_plate(size_mm):
    mesh = built(make_plate(size_mm))
    assert read_code(mesh) == HASH[:16].upper()
    mirrored = trimesh.Trimesh(mesh.vertices * [1.0, -1.0, 1.0], mesh.faces[:, ::-1])
    assert read_code(mirrored) is None  # the code lies on the other half then


def test_modules_are_never_smaller_than_the_printer_resolves():
    for thickness, resolution in itertools.product((12.0, 15.0, 20.0), (0.4, 0.6, 0.8)):
        template = make_plate((80.0, 80.0, thickness), resolution_mm=resolution)
        rim = lay_out_rim(template, RimText("L1", HASH), PlateStyle.of(template.features))
        ink = dict(rim.sides)[RIGHT].intersection(shapely.box(-40.0, -30.0, -1.0, 30.0))
        if "QR code" in rim.left_out:
            assert ink.is_empty
            # two plain modules on each side; 0.8 mm: clear of the operator face's engraving
            assert 25.0 * resolution + 0.8 > thickness
        else:
            left, low, right, high = ink.bounds
            # 0.04: modules grow by 0.02 mm so that corners join
            assert (right - left - 0.04) / 21.0 >= resolution - 1e-9
            assert right - left == pytest.approx(high - low, abs=1e-6)


def test_the_hash_is_that_of_the_file_without_it():
    plan = make_plan(make_template())
    data = json.loads(plan_json.build(plan))
    stated = data.pop("hash")
    import hashlib  # as somebody would who has nothing but the file and the docstring

    text = json.dumps(data, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    assert hashlib.sha256(text.encode()).hexdigest() == stated == plan_json.plan_hash(plan)
    assert plan_json.plan_hash(make_plan(make_template())) == stated
    moved = make_template(planned={"K10": 118.1})
    assert plan_json.plan_hash(make_plan(moved)) != stated


def test_the_same_plan_gives_the_same_bytes_and_carries_its_own_hash():
    plans = [make_plan(make_template()) for _ in range(2)]
    files = [stl.build(plan, plan.templates[0]) for plan in plans]
    assert files[0] == files[1]
    mesh = stl.plate_mesh(plans[0], plans[0].templates[0])
    assert read_code(mesh) == plan_json.plan_hash(plans[0])[:16].upper()


def likeness(seen, text):
    """Overlap of two shapes stretched to one size, 0 to 1."""

    def unit(shape):
        left, low, right, high = shape.bounds
        scale = [1.0 / (right - left), 1.0 / (high - low)]
        return shapely.transform(shape, lambda p: (p - [left, low]) * scale)

    a, b = unit(seen), unit(text_outline(text, 6.0))
    return a.intersection(b).area / a.union(b).area


def test_the_date_is_the_implants_or_the_stated_one_and_never_todays():
    source = {"model": "I125-6711", "activity_mci": 0.6}
    dated = source | {"calibration_date": datetime.date(2026, 11, 1), "implant_date": DATE}
    assert plate_features(case_settings(source=source)).date is None
    assert plate_features(case_settings(source=dated)).date == DATE
    other = datetime.date(2027, 1, 2)
    assert plate_features(case_settings(source=dated, template={"date": other})).date == other


def test_the_date_and_the_start_of_the_hash_stand_on_the_left_side():
    ink = side_ink(built(make_plate((80.0, 80.0, 20.0), date=DATE)), LEFT)
    parts = [p for p in shapely.get_parts(ink) if p.bounds[2] < -1.0]
    middle = np.mean([p.centroid.y for p in parts])
    upper, lower = (
        shapely.union_all([p for p in parts if (p.centroid.y > middle) == high])
        for high in (True, False)
    )
    assert likeness(upper, "2026-11-15") > 0.75
    assert likeness(lower, "3FA91C07") > 0.75
    assert likeness(upper, "3FA91C07") < 0.6


@pytest.mark.parametrize("side", [BOTTOM, RIGHT, TOP, LEFT])
def test_every_side_carries_its_direction_and_a_line_through_the_origin(side):
    template = make_plate((60.0, 60.0, 20.0))
    ink = side_ink(built(template), side)
    line = next(p for p in shapely.get_parts(ink) if p.intersects(shapely.Point(0.0, 5.0)))
    left, low, right, _ = line.bounds
    assert (left, right) == pytest.approx((-0.3, 0.3), abs=1e-4)
    assert low == pytest.approx(0.0, abs=1e-6)  # open towards the patient
    letter = direction(template, side)
    toward = template.lps_from_template[:3, :3] @ PRINT_FROM_TEMPLATE[:3, :3] @ np.array(side)
    axis = "LPH".find(letter[0]) if letter[0] in "LPH" else "RAF".find(letter[0])
    assert axis == int(np.argmax(np.abs(toward)))
    assert (toward[axis] > 0.0) == (letter[0] in "LPH")
    glyphs = [p for p in shapely.get_parts(ink) if p.bounds[0] > 1.0]
    ring = max(glyphs, key=lambda p: p.bounds[2] - p.bounds[0])
    inside = shapely.union_all([p for p in glyphs if p is not ring])
    if len(letter) == 1:
        assert likeness(inside, letter) > 0.7
    else:
        assert len(shapely.get_parts(inside)) == 2


@pytest.mark.parametrize("size_mm", [(60.0, 60.0, 10.0), (65.0, 60.0, 10.0)])
def test_cross_lines_run_through_the_origin(size_mm):
    """Also where a row of holes lies on them (60 mm: 11 holes) or beside them (65 mm: 12)."""
    template = make_plate(size_mm)
    with_lines, without = (
        shapely.MultiPolygon(top_section(built(make_plate(size_mm, cross_lines=on)), 9.5))
        for on in (True, False)
    )
    lines = without.difference(with_lines).buffer(-0.02).buffer(0.02)
    assert lines.area > 20.0
    near = [p for p in shapely.get_parts(lines) if p.area > 0.3]
    for part in near:
        left, low, right, high = part.bounds
        if min(right - left, high - low) > 1.0:
            assert size_mm[0] == 65.0  # both lines are whole there and cross
            continue
        across = (left, right) if right - left < high - low else (low, high)
        assert across == pytest.approx((-0.3, 0.3), abs=0.02)
    reach = np.abs([p.bounds for p in near]).max(axis=0)
    outer = max(abs(hole.x_mm) for hole in template.holes)
    assert reach.max() <= outer  # between labels a stroke would read as a 1
    assert reach.max() > outer - 5.0


def test_marker_pockets_hold_their_spheres_and_open_towards_the_patient():
    pockets = (MarkerPocket(-12.5, 7.5, 3.0, 2.0, 2.2), MarkerPocket(17.5, -7.5, 1.5, 2.0, 2.2))
    plain, with_pockets = (built(make_plate((60.0, 60.0, 10.0), markers=m)) for m in ((), pockets))
    assert with_pockets.is_volume
    assert with_pockets.euler_number == plain.euler_number  # pockets are no tunnels
    removed = plain.volume - with_pockets.volume
    # a shaft and half a sphere; 3 %: polygons drawn around their circles
    exact = sum(np.pi * 1.1**2 * (p.depth_mm - 0.1) + 2.0 / 3.0 * np.pi * 1.1**3 for p in pockets)
    assert removed == pytest.approx(exact, rel=0.03)
    assert removed >= exact - 1e-3
    for pocket in pockets:
        place = shapely.Point(pocket.x_mm, -pocket.y_mm)
        # the sphere of 1 mm radius, cut at heights from its equator to just under its top
        for up in (-0.9983, 0.0017, 0.5003, 0.9007, 0.9903):  # off every corner of the mesh
            radius = np.sqrt(1.0 - max(up, 0.0) ** 2)
            material = top_section(with_pockets, pocket.depth_mm + up)
            assert material.distance(place) >= radius
        solid = top_section(with_pockets, pocket.depth_mm + 1.001)
        assert solid.contains(place)  # it rests there
        assert top_section(with_pockets, 0.01).distance(place) >= 1.1 - 1e-4  # open to fill it


def test_default_markers_tell_every_side_apart():
    case = case_settings(markers={})
    features = plate_features(case)
    assert check_plate_case(case) == ()
    places = np.array([(m.x_mm, m.y_mm) for m in features.markers])
    apart = np.linalg.norm(places[:, None] - places[None], axis=2)
    for order in itertools.permutations(range(4)):
        if order != (0, 1, 2, 3):
            confused = apart[np.ix_(order, order)]
            assert np.abs(confused - apart).max() > 5.0  # a pitch: far above a CT voxel


def test_mounting_holes_go_through_at_their_width():
    hole = MountingHole(12.5, -7.5, 3.0)
    mesh = built(make_plate((60.0, 60.0, 10.0), mounting_holes=(hole,)))
    assert 1 - mesh.euler_number // 2 == 121 + 1
    at = shapely.Point(hole.x_mm, -hole.y_mm)
    for z in (0.1, 5.0, 9.9):
        around = top_section(mesh, z).boundary
        assert 3.0 - 1e-4 <= 2.0 * around.distance(at) <= 3.02


def test_a_long_id_is_wrapped_and_a_date_without_room_is_told():
    template = make_plate((60.0, 60.0, 20.0), date=DATE)
    style = PlateStyle.of(template.features)
    rim = lay_out_rim(template, RimText("Mueller_2026.clinic-plan-0123456", HASH), style)
    assert rim.left_out == ()
    words = dict(rim.sides)[BOTTOM]
    rows = {round(p.centroid.y / 3.0) for p in shapely.get_parts(words) if p.bounds[2] < -1.0}
    assert len(rows) >= 3
    small = replace(template, size_mm=(30.0, 30.0, 6.0), holes=make_plate((30.0, 30.0, 6.0)).holes)
    assert "date" in lay_out_rim(small, RimText("L1", HASH), style).left_out
