"""What 3D Slicer is given: markups of its schema, and surfaces that VTK reads back."""

import json
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exports import markups, structure_meshes, write_plan, writer
from exports.registry import EXPORTERS
from template_designer.errors import OutputError
from template_designer.model import SurfaceRole
from tests.small_plan import small_plan, tetrahedron

POINT_KEYS = {"id", "label", "description", "position", "locked", "positionStatus"}


@pytest.fixture(scope="module")
def plan():
    return small_plan(plates=2)


def check_markup(item: dict) -> None:
    """What Slicer's schema 1.0.3 asks of one markup, and what the display needs."""
    assert item["type"] in ("Line", "Fiducial")
    assert item["coordinateSystem"] == "LPS"
    assert item["coordinateUnits"] == "mm"
    assert isinstance(item["name"], str)
    assert item["locked"] is True
    for point in item["controlPoints"]:
        assert set(point) == POINT_KEYS
        assert isinstance(point["id"], str)
        assert point["positionStatus"] == "defined"
        assert len(point["position"]) == 3
        assert all(isinstance(value, float) for value in point["position"])
    for key in ("color", "selectedColor"):
        assert all(0.0 <= part <= 1.0 for part in item["display"][key])


def test_needles_are_lines_from_the_plate_to_the_tip(plan):
    data = json.loads(markups.build_needles(plan))
    assert re.search(r"markups-schema-v1\.0\.3\.json#$", data["@schema"])
    assert len(data["markups"]) == len(plan.needles)
    labelled = [(t.name, n) for t in plan.templates for n in t.needles]
    for item, (name, needle) in zip(data["markups"], labelled, strict=True):
        check_markup(item)
        assert item["type"] == "Line"
        entry, tip = item["controlPoints"]
        assert entry["label"] == f"{name} {needle.label}"
        # written with four decimals: half of the last one along each axis
        assert np.allclose(entry["position"], needle.entry_lps_mm, rtol=0.0, atol=0.51e-4)
        assert np.allclose(tip["position"], needle.tip_lps_mm, rtol=0.0, atol=0.51e-4)
        assert f"{needle.depth_mm:.1f} mm" in entry["description"]


def test_seeds_are_points_named_by_hole_and_order(plan):
    data = json.loads(markups.build_seeds(plan))
    assert [len(item["controlPoints"]) for item in data["markups"]] == [9, 9]
    for item, template in zip(data["markups"], plan.templates, strict=True):
        check_markup(item)
        wanted = [(n, k, s) for n in template.needles for k, s in enumerate(n.seeds, 1)]
        for point, (needle, order, seed) in zip(item["controlPoints"], wanted, strict=True):
            assert point["label"] == f"{template.name} {needle.label}-{order}"
            assert np.allclose(point["position"], seed.center_lps_mm, rtol=0.0, atol=0.51e-4)


def test_one_plate_needs_no_name_in_its_labels():
    (first, *_) = json.loads(markups.build_needles(small_plan()))["markups"]
    assert first["controlPoints"][0]["label"] == "C2"


def test_surfaces_read_by_vtk(plan, tmp_path):
    vtk_io = pytest.importorskip("vtkmodules.vtkIOXML")
    from vtkmodules.util.numpy_support import vtk_to_numpy
    from vtkmodules.vtkFiltersCore import vtkMassProperties

    surface = tetrahedron(30.0)
    path = tmp_path / "GTV.vtp"
    path.write_bytes(structure_meshes.build(plan)["GTV"])
    reader = vtk_io.vtkXMLPolyDataReader()
    reader.SetFileName(str(path))
    reader.Update()
    read = reader.GetOutput()
    assert read.GetFieldData().GetAbstractArray("SPACE").GetValue(0) == "LPS"
    assert read.GetFieldData().GetAbstractArray("TITLE").GetValue(0) == f"{plan.id}: GTV"
    points = vtk_to_numpy(read.GetPoints().GetData())
    assert np.array_equal(points, surface.vertices_lps_mm.astype(np.float32))
    faces = vtk_to_numpy(read.GetPolys().GetConnectivityArray()).reshape(-1, 3)
    assert np.array_equal(faces, surface.faces)
    mass = vtkMassProperties()
    mass.SetInputData(read)
    # a corner of a cube of 30 mm; single precision keeps 7 digits
    assert mass.GetVolume() == pytest.approx(30.0**3 / 6.0, rel=1e-5)


@given(st.lists(st.text(max_size=120), max_size=8, unique=True))
def test_file_names_of_structures_are_safe_and_differ(names):
    given_names = structure_meshes.safe_names(names)
    assert list(given_names) == names
    found = list(given_names.values())
    assert len({name.casefold() for name in found}) == len(found)
    for name in found:
        assert re.fullmatch(r"[A-Za-z0-9_() +,=-]+", name)
        assert name == name.strip()
        assert len(name) <= structure_meshes.LONGEST_NAME + 4
        assert name.casefold() not in ("con", "prn", "aux", "nul", "com1", "lpt9")


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "/etc/x", "a\\..\\b", "..", "nul", "\0", "🫀"]
)
def test_a_hostile_roi_name_stays_in_its_folder(tmp_path, monkeypatch, name):
    plan = small_plan()
    files = {
        "plan.json": EXPORTERS["plan.json"],
        "slicer/structures/**.vtp": structure_meshes.build,
    }
    monkeypatch.setattr(writer, "EXPORTERS", files)
    object.__setattr__(plan, "surfaces", {name: (SurfaceRole.AVOID, tetrahedron())})
    written = write_plan(plan, tmp_path / "out")
    assert len(written.files) == 2
    for path in written.files:
        assert path.resolve().is_relative_to(tmp_path / "out")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out"]


def test_overwriting_knows_its_own_surfaces_from_those_of_others(tmp_path, monkeypatch):
    files = {
        "plan.json": EXPORTERS["plan.json"],
        "slicer/structures/**.vtp": structure_meshes.build,
    }
    monkeypatch.setattr(writer, "EXPORTERS", files)
    plan = small_plan()
    write_plan(plan, tmp_path / "out")
    write_plan(plan, tmp_path / "out", overwrite=True)
    (tmp_path / "out" / "slicer" / "structures" / "mine.vtp").write_text("<VTKFile/>")
    with pytest.raises(OutputError, match="files of yours"):
        write_plan(plan, tmp_path / "out", overwrite=True)
    assert (tmp_path / "out" / "slicer" / "structures" / "mine.vtp").exists()
