"""What the triangles of a model say, on bodies whose answer is known."""

import numpy as np
import pytest
import trimesh

from template_designer.checking.plate import PlateModel
from template_designer.checking.reading import TURNS, likeness
from template_designer.errors import InputError
from template_designer.geometry.lattice import lattice_points
from template_designer.geometry.plate import build_plate
from template_designer.model import Hole, HoleState, Template


def test_a_box_a_ring_and_a_broken_box():
    box = PlateModel(trimesh.creation.box((4.0, 6.0, 2.0)).triangles)
    assert (box.open_edges, box.bodies, box.through_holes) == (0, 1, 0)
    assert box.volume_mm3 == pytest.approx(48.0)
    assert box.solid_mm(np.array([[0.0, 0.0], [1.9, -2.9], [2.1, 0.0]])) == pytest.approx([2, 2, 0])
    ring = PlateModel(trimesh.creation.annulus(1.0, 3.0, 2.0).triangles)
    assert (ring.open_edges, ring.through_holes) == (0, 1)
    assert ring.solid_mm(np.array([[0.0, 0.0], [2.0, 0.0]])) == pytest.approx([0.0, 2.0])
    two = PlateModel(np.vstack([box.triangles_mm, ring.triangles_mm + 20.0]))
    assert (two.bodies, two.through_holes) == (2, 1)
    assert PlateModel(box.triangles_mm[1:]).open_edges == 3
    assert PlateModel(np.vstack([box.triangles_mm, box.triangles_mm[:1]])).open_edges > 0
    assert PlateModel(box.triangles_mm[:, ::-1]).volume_mm3 == pytest.approx(-48.0)


def test_files_that_are_no_model(tmp_path):
    with pytest.raises(InputError, match="missing"):
        PlateModel.read(tmp_path / "template.stl")
    for content in (b"", b"solid x\nendsolid x\n", b"\0" * 84, b"\0" * 50):
        path = tmp_path / "bad.stl"
        path.write_bytes(content)
        with pytest.raises(InputError, match=r"bad\.stl"):
            PlateModel.read(path)


def plate(size_mm, pitch_mm, bore_mm):
    places = lattice_points(size_mm, pitch_mm, 5.0)
    holes = tuple(
        Hole(p.label, p.x_mm, p.y_mm, HoleState.PLANNED if n % 7 == 3 else HoleState.OPEN)
        for n, p in enumerate(places)
    )
    template = Template("T1", size_mm, pitch_mm, bore_mm, 0.0, np.eye(4), holes, ())
    labels = [hole.label for hole in holes]
    return template, PlateModel(build_plate(template, plan_id="x", bored=labels).triangles)


# labels upright and whole, in margins made narrow by wide bores, and on the smallest plate
@pytest.mark.parametrize(
    ("size_mm", "pitch_mm", "bore_mm"),
    [
        ((60.0, 60.0, 20.0), 5.0, 1.47),
        ((100.0, 60.0, 20.0), 10.0, 3.25),
        ((30.0, 30.0, 8.0), 5.0, 1.47),
    ],
)
def test_engraved_labels_are_read_and_every_other_way_round_is_told_apart(
    size_mm, pitch_mm, bore_mm
):
    template, model = plate(size_mm, pitch_mm, bore_mm)
    columns = {"".join(filter(str.isalpha, h.label)): h.x_mm for h in template.holes}
    rows = {"".join(filter(str.isdigit, h.label)): -h.y_mm for h in template.holes}
    half = (0.5 * size_mm[0], 0.5 * size_mm[1])
    found = likeness(model.engraved, columns, rows, half, bore_mm)
    assert set(found) == set(TURNS)
    right = found.pop("as it should be")
    assert right >= 0.6
    assert max(found.values()) <= right - 0.15
    # and a plate lying each other way is told to lie so
    way = "mirrored left to right"
    mirrored = PlateModel(model.triangles_mm[:, ::-1] * [-1.0, 1.0, 1.0])
    again = likeness(mirrored.engraved, columns, rows, half, bore_mm)
    assert max(again, key=again.get) == way
