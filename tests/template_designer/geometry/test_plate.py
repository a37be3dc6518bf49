import numpy as np
import pytest
import trimesh

from template_designer import frames
from template_designer.errors import GeometryError
from template_designer.geometry.plate import PRINT_FROM_TEMPLATE, build_plate, plate_in_patient
from template_designer.model import Hole, HoleState, Template

FRAME = frames.template_frame([106.2, 102.6, -279.3], [-0.766, -0.643, 0.1], [0.1, 0.0, 1.0])


def make_template(columns=5, rows=4, *, size=(60.0, 50.0, 20.0), planned=("B2",), **changes):
    pitch = changes.get("pitch_mm", 5.0)
    holes = tuple(
        Hole(
            frames.hole_label(i, j),
            (i - 0.5 * (columns - 1)) * pitch,
            (j - 0.5 * (rows - 1)) * pitch,
            HoleState.PLANNED if frames.hole_label(i, j) in planned else HoleState.OPEN,
        )
        for j in range(rows)
        for i in range(columns)
    )
    values = {"name": "T1", "size_mm": size, "pitch_mm": pitch, "bore_mm": 1.47, "gap_mm": 0.0,
              "lps_from_template": FRAME, "holes": holes, "needles": (), **changes}  # fmt: skip
    return Template(**values)


def build(template, plan_id="L1", bored=None):
    labels = [hole.label for hole in template.holes] if bored is None else bored
    return build_plate(template, plan_id=plan_id, bored=labels)


def test_it_is_one_closed_body_of_the_right_size():
    template = make_template()
    plate = build(template)
    assert plate.is_volume
    assert plate.body_count == 1
    np.testing.assert_array_equal(plate.bounds, [[-30.0, -25.0, 0.0], [30.0, 25.0, 20.0]])
    block = 60.0 * 50.0 * 20.0
    bores = 20 * np.pi * 0.735**2 * 20.0
    assert 0.96 * (block - bores) < plate.volume < block - bores  # 4 %: corners and engravings


def test_each_bore_goes_through_and_has_its_own_tunnel():
    full, fewer = build(make_template()), build(make_template(), bored=["A1", "B2", "E4"])
    # genus of a closed body: tunnels = 1 - Euler number / 2; engravings are no tunnels
    assert 1 - full.euler_number // 2 == 20
    assert 1 - fewer.euler_number // 2 == 3


def test_the_corner_of_a1_is_cut_and_no_other():
    plate = build(make_template())
    for x, y in ((-1, 1), (1, 1), (-1, -1), (1, -1)):
        reach = (plate.vertices @ [x, y, 0.0]).max()
        cut = (55.0 - reach) / np.sqrt(2.0)
        # a rounding of 2 mm takes 0.83 mm off a corner, a chamfer of 2 mm or more at least 1.4
        assert (cut > 1.4) if (x, y) == (-1, 1) else (cut == pytest.approx(0.83, abs=0.05))


def test_print_pose_and_patient_pose_are_rotations_of_each_other():
    template = make_template()
    assert np.linalg.det(PRINT_FROM_TEMPLATE) == pytest.approx(1.0)
    plate = build(template)
    placed = plate_in_patient(plate, template)
    assert placed.volume == pytest.approx(plate.volume, rel=1e-9)
    corner = frames.transform_points(
        FRAME, [(30.0, 25.0 - 2.0, -20.0)]
    )  # operator face, lower right
    # the vertex at the start of the rounded corner: in print pose (30, -23, 20)
    assert np.linalg.norm(placed.vertices - corner, axis=1).min() < 1e-4


def test_the_same_plate_twice():
    first, second = build(make_template()), build(make_template())
    np.testing.assert_array_equal(first.triangles, second.triangles)


@pytest.mark.parametrize("gauge_bore_mm", [1.47, 1.67, 1.85, 2.61, 3.25])
def test_every_gauge_has_a_plate(gauge_bore_mm):
    assert build(make_template(bore_mm=gauge_bore_mm)).is_volume


@pytest.mark.parametrize(
    ("columns", "rows", "size"), [(5, 5, (30.0, 30.0, 20.0)), (19, 19, (100.0, 100.0, 5.0))]
)
def test_small_and_thin_plates(columns, rows, size):
    assert build(make_template(columns, rows, size=size), plan_id="L1-demo").is_volume


@pytest.mark.parametrize(
    ("template", "message"),
    [
        (make_template(bore_mm=5.2), "overlap"),
        (make_template(bore_mm=4.7), "wall of 0.30 mm"),
        (make_template(size=(22.0, 50.0, 20.0)), "too small for its lattice"),
        (make_template(size=(25.0, 50.0, 20.0)), "too narrow for the hole labels"),
        (make_template(size=(60.0, 50.0, 2.0)), "too thin"),
        (make_template(bore_mm=float("nan")), "above 0 mm"),
        (make_template(holes=()), "no holes"),
    ],
)
def test_impossible_plates_are_refused(template, message):
    with pytest.raises(GeometryError, match=message):
        build(template)


def test_an_id_too_long_for_the_rim_is_refused():
    with pytest.raises(GeometryError, match="too long for the rim"):
        build(make_template(size=(60.0, 50.0, 10.0)), plan_id="W" * 32)


def test_a_mirrored_lattice_is_refused():
    template = make_template()
    mirrored = tuple(Hole(h.label, -h.x_mm, h.y_mm, h.state) for h in template.holes)
    with pytest.raises(GeometryError, match="mirrored"):
        build(make_template(holes=mirrored))


def test_a_planned_hole_must_be_bored():
    with pytest.raises(GeometryError, match="B2 is planned"):
        build(make_template(), bored=["A1"])
    with pytest.raises(GeometryError, match="no hole Z9"):
        build(make_template(), bored=["A1", "B2", "Z9"])


def test_a_ring_gives_way_to_text_and_still_shows():
    edge = make_template(size=(30.0, 25.0, 20.0), planned=("C1",))
    plain = make_template(size=(30.0, 25.0, 20.0), planned=())
    groove = build(plain).volume - build(edge).volume
    whole = np.pi * (2.135**2 - 1.335**2) * 0.8
    assert 0.4 * whole < groove < whole  # at least the half away from the letters is left


def test_it_is_valid_for_a_second_reader():
    plate = build(make_template())
    again = trimesh.load(
        trimesh.util.wrap_as_stream(plate.export(file_type="stl")), file_type="stl"
    )
    assert again.is_volume
    assert again.volume == pytest.approx(plate.volume, rel=1e-6)
