"""The bodies we write, judged by other people's slicers: PrusaSlicer and ADMesh.

PrusaSlicer cuts a plate into the pictures that an SLA printer exposes. In them every hole of
``plan.json`` is looked for: at its place, with its bore, and nothing beside.
"""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import subprocess
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trimesh
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage
from stl import mesh as numpy_stl

from exports import fit_gauge, plan_json, stl
from template_designer.geometry.plate_gauge import gauge_places
from template_designer.model import OUTER_DIAMETER_MM
from tests.small_plan import SIZE_MM, small_plan

PIXEL_MM = 0.05
LAYER_MM = 0.4
DISPLAY_MM = 120.0

PLACE_MM = 0.005
"""A tenth of a pixel: pixels on the edge are grey by how much of them is material, so a centre
is known better than a pixel. Measured: 0.0001 mm."""

BORE_MM = (-0.002, 0.02)
"""Narrower: single precision and 256 greys (measured: nothing). Wider: the bore's polygon stands
0.01 mm outside its circle at most on each side (measured: 0.0024 mm)."""


def needs(program: str) -> pytest.MarkDecorator:
    """Skip where a program is missing, but never where CI is set: there it must be installed."""
    return pytest.mark.skipif(
        shutil.which(program) is None and not os.environ.get("CI"),
        reason=f"{program} is missing; on Debian install it with: apt install {program}",
    )


needs_prusa = needs("prusa-slicer")
needs_admesh = needs("admesh")


def run(*command: str | Path) -> str:
    done = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, errors="replace"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


# What the slicer is asked, and what it answers


@dataclass(frozen=True)
class Opening:
    """A place without material, material all around it; print pose, mm."""

    x_mm: float
    y_mm: float
    across_mm: float  # diameter of the circle of the same area


@dataclass(frozen=True)
class Layers:
    """Pictures an SLA printer exposes, seen from above: X to the right, Y up."""

    pictures: tuple[bytes, ...]

    @property
    def heights_mm(self) -> NDArray[np.float64]:
        """The height each is cut at: the middle of its layer."""
        return (np.arange(len(self.pictures)) + 0.5) * LAYER_MM

    def material(self, z_mm: float) -> NDArray[np.float64]:
        """How much of each pixel is material, 0 to 1, in the layer that holds a height."""
        picture = Image.open(io.BytesIO(self.pictures[int(z_mm / LAYER_MM)]))
        return np.asarray(picture.convert("L"), dtype=float) / 255.0

    def openings(self, z_mm: float) -> list[Opening]:
        empty = 1.0 - self.material(z_mm)
        pieces, _ = ndimage.label(empty > 0.5)
        outside = set(np.concatenate([pieces[0], pieces[-1], pieces[:, 0], pieces[:, -1]]))
        found = []
        for number, (rows, columns) in enumerate(ndimage.find_objects(pieces), start=1):
            if number in outside:
                continue
            around = (
                slice(rows.start - 3, rows.stop + 3),
                slice(columns.start - 3, columns.stop + 3),
            )
            # with the grey pixels around it; walls between openings are wider than this
            near = ndimage.binary_dilation(pieces[around] == number, iterations=2)
            weight = np.where(near, empty[around], 0.0)
            row, column = ndimage.center_of_mass(weight)
            found.append(
                Opening(
                    (around[1].start + column + 0.5) * PIXEL_MM - 0.5 * DISPLAY_MM,
                    0.5 * DISPLAY_MM - (around[0].start + row + 0.5) * PIXEL_MM,
                    2.0 * float(np.sqrt(weight.sum() / np.pi)) * PIXEL_MM,
                )
            )
        return found

    @property
    def volume_mm3(self) -> float:
        area = sum(self.material(z).sum() for z in self.heights_mm) * PIXEL_MM**2
        return float(area) * LAYER_MM


def slice_up(body: Path, folder: Path) -> Layers:
    """The layers PrusaSlicer makes of a body, nothing added and nothing made up for."""
    pixels = round(DISPLAY_MM / PIXEL_MM)
    corners = ((0, 0), (DISPLAY_MM, 0), (DISPLAY_MM, DISPLAY_MM), (0, DISPLAY_MM))
    settings = {
        "printer_technology": "SLA",
        "bed_shape": ",".join(f"{x:g}x{y:g}" for x, y in corners),
        "display_width": DISPLAY_MM,
        "display_height": DISPLAY_MM,
        "display_pixels_x": pixels,
        "display_pixels_y": pixels,
        "display_orientation": "landscape",
        "display_mirror_x": 0,
        "display_mirror_y": 0,
        "layer_height": LAYER_MM,
        "initial_layer_height": LAYER_MM,
        "slice_closing_radius": 0,
        "elefant_foot_compensation": 0,
        "gamma_correction": 1,
        "supports_enable": 0,
        "pad_enable": 0,
        "hollowing_enable": 0,
    }
    printer = folder / "printer.ini"
    printer.write_text("".join(f"{key} = {value}\n" for key, value in settings.items()))
    out = folder / "layers.sl1"
    said = run(
        "prusa-slicer", "--datadir", folder / "slicer", "--load", printer, "--export-sla",
        "-o", out, body,
    )  # fmt: skip
    assert "Slicing result exported" in said
    with zipfile.ZipFile(out) as archive:
        names = sorted(name for name in archive.namelist() if name.endswith(".png"))
        return Layers(tuple(archive.read(name) for name in names))


def stated_openings(template: dict[str, Any], printed: str, z_mm: float) -> dict[str, Opening]:
    """What ``plan.json`` says a layer must show under the engravings, by name."""
    states = {
        "lattice": {"planned", "open", "blocked"},
        "safe": {"planned", "open"},
        "plan": {"planned"},
    }[printed]
    stated = {
        hole["label"]: Opening(
            hole["x_mm"], -hole["y_mm"], hole.get("bore_mm", template["bore_mm"])
        )
        for hole in template["holes"]
        if hole["state"] in states
    }
    for n, hole in enumerate(template.get("mounting_holes", ())):
        stated[f"mount {n}"] = Opening(hole["x_mm"], -hole["y_mm"], hole["diameter_mm"])
    for n, marker in enumerate(template.get("markers", ())):
        x, y, z = marker["center_mm"]
        if z_mm < -z:  # a cylinder up to the sphere's centre
            stated[f"marker {n}"] = Opening(x, -y, marker["pocket_mm"])
    return stated


def faults(layers: Layers, template: dict[str, Any], printed: str = "lattice") -> list[str]:
    """What in the layers is not as ``plan.json`` says; empty for a good plate."""
    width, height, thickness = template["size_mm"]
    if len(layers.pictures) != round(thickness / LAYER_MM):
        return [f"{len(layers.pictures)} layers"]
    sink_mm = template["features"]["counter_sink_mm"]
    engraved_mm, top_mm = thickness - 1.5 * LAYER_MM, thickness - 0.5 * LAYER_MM
    said = []
    for z_mm in (0.5 * LAYER_MM, 0.5 * thickness, engraved_mm, top_mm):
        found = layers.openings(z_mm)
        stated = stated_openings(template, printed, z_mm)
        if z_mm < engraved_mm and len(found) != len(stated):
            said.append(f"z {z_mm:g}: {len(found)} openings instead of {len(stated)}")
        # at the operator face the counter-sink opens a bore, by how much the room decides
        most = BORE_MM[1] + (sink_mm if z_mm == top_mm else 0.0)
        for name, hole in stated.items():
            here = [opening.across_mm - hole.across_mm for opening in at(found, hole)]
            if not here:
                said.append(f"{name}: nothing there")
            elif not any(BORE_MM[0] <= wider <= most for wider in here):  # a ring may be there too
                said.append(f"{name}: {min(here):+.2f} mm wide")
        said += outline_faults(layers, z_mm, (width, height))
    return sorted(set(said))


def at(found: list[Opening], place: Opening) -> list[Opening]:
    """The openings whose centre is at the place of another."""
    return [
        opening
        for opening in found
        if np.hypot(opening.x_mm - place.x_mm, opening.y_mm - place.y_mm) <= PLACE_MM
    ]


def outline_faults(layers: Layers, z_mm: float, size_mm: tuple[float, float]) -> list[str]:
    solid = ndimage.binary_fill_holes(layers.material(z_mm) > 0.5)
    rows, columns = (np.flatnonzero(solid.any(axis=axis)) for axis in (1, 0))
    seen_mm = np.array([np.ptp(columns) + 1, np.ptp(rows) + 1]) * PIXEL_MM
    said = []
    if np.abs(seen_mm - size_mm).max() > PIXEL_MM:  # whole pixels are counted here
        said.append(f"z {z_mm:g}: the outline is {seen_mm} mm")
    inside = 20  # pixels, 1 mm from both edges: there a corner rounded by 2 mm is material
    corners = [solid[r, c] for r in rows[[inside, -inside]] for c in columns[[inside, -inside]]]
    if corners != [False, True, True, True]:
        said.append(f"z {z_mm:g}: the cut corner is not at A1, the upper left")
    return said


# The slicer's layers


@pytest.fixture(scope="module")
def demo_template(planned_demo) -> dict[str, Any]:
    folder, _ = planned_demo
    return json.loads((folder / "plan.json").read_text(encoding="utf-8"))["templates"][0]


@pytest.fixture(scope="module")
def small():
    """A plate with everything in it: an access bore, blocked holes left solid, pockets, a mount."""
    return small_plan(
        markers={"diameter_mm": 2.0},
        mount={"positions_mm": [[22.5, 12.5]], "diameter_mm": 1.0},
        template={"size_mm": list(SIZE_MM), "holes": "safe"},
    )


@pytest.fixture(scope="module")
def small_stl(small, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("small") / "template.stl"
    path.write_bytes(stl.build(small, small.templates[0]))
    return path


@pytest.fixture(scope="module")
def small_template(small) -> dict[str, Any]:
    return json.loads(plan_json.build(small))["templates"][0]


def changed(path: Path, folder: Path, change: Callable[[trimesh.Trimesh], trimesh.Trimesh]) -> Path:
    """Another file with a body that was changed."""
    out = folder / "changed.stl"
    change(trimesh.load_mesh(path)).export(out)
    return out


def pin(x_mm: float, y_mm: float, across_mm: float, long_mm: float) -> trimesh.Trimesh:
    return trimesh.creation.cylinder(
        0.5 * across_mm,
        sections=64,
        segment=[(x_mm, y_mm, 0.0), (x_mm, y_mm, long_mm)],
    )


@needs_prusa
def test_layers_are_read_the_right_way_round(tmp_path):
    """A body of which nothing is alike turned or mirrored, made by nothing of ours."""
    body = trimesh.creation.box(bounds=[(-20.0, -10.0, 0.0), (30.0, 15.0, 4.0)])
    body.apply_translation((-5.0, -2.5, 0.0))  # the slicer puts a body's middle at the display's
    tool = pin(-12.0, 4.0, 3.0, 2.0)  # from below, half way up
    tool.apply_translation((0.0, 0.0, -0.1))
    trimesh.boolean.difference([body, tool], engine="manifold").export(tmp_path / "body.stl")
    layers = slice_up(tmp_path / "body.stl", tmp_path)
    np.testing.assert_allclose(layers.heights_mm, np.arange(0.2, 4.0, 0.4))
    for z_mm in layers.heights_mm:
        found = layers.openings(z_mm)
        if z_mm > 1.9:
            assert found == []
            continue
        (hole,) = found
        assert (hole.x_mm, hole.y_mm) == pytest.approx((-12.0, 4.0), abs=PLACE_MM)
        # 64 sides inside the circle: 0.005 mm less than it
        assert hole.across_mm == pytest.approx(3.0, abs=0.01)


@needs_prusa
def test_the_demos_plate_slices_to_every_hole_of_the_plan(planned_demo, demo_template, tmp_path):
    folder, _ = planned_demo
    layers = slice_up(folder / "template.stl", tmp_path)
    assert faults(layers, demo_template) == []
    assert len(layers.openings(10.0)) == 361
    # engravings begin and end inside a layer: 0.04 mm high at most 1 cm2, of 187 cm3 (0.009 %)
    solid = trimesh.load_mesh(folder / "template.stl")
    assert layers.volume_mm3 == pytest.approx(solid.volume, rel=5e-4)


@needs_prusa
def test_a_plate_with_a_fault_does_not_pass(planned_demo, demo_template, tmp_path):
    """One hole missing, one with a ring missing, one 0.1 mm off, one 0.03 mm too narrow."""
    folder, _ = planned_demo
    holes = {hole["label"]: hole for hole in demo_template["holes"]}
    planned = next(hole["label"] for hole in holes.values() if hole["state"] == "planned")
    bore = demo_template["bore_mm"]

    def spoil(plate: trimesh.Trimesh) -> trimesh.Trimesh:
        def rod(label: str, across_mm: float, off_mm: float = 0.0) -> trimesh.Trimesh:
            hole = holes[label]
            return pin(hole["x_mm"] + off_mm, -hole["y_mm"], across_mm, 20.0)

        plugs = [rod(label, 1.9) for label in ("B2", planned, "C5", "T18")]
        filled = trimesh.boolean.union([plate, *plugs], engine="manifold")
        bores = [rod("C5", bore, 0.1), rod("T18", bore - 0.03)]
        return trimesh.boolean.difference([filled, *bores], engine="manifold")

    layers = slice_up(changed(folder / "template.stl", tmp_path, spoil), tmp_path)
    said = faults(layers, demo_template)
    for line in ("B2: nothing there", f"{planned}: nothing there", "C5: nothing there"):
        assert line in said
    assert "T18: -0.03 mm wide" in said
    assert "z 10: 359 openings instead of 361" in said
    assert {line.split(":")[0] for line in said} == {"B2", planned, "C5", "T18", "z 0.2", "z 10"}


@needs_prusa
def test_solid_holes_wide_bores_pockets_and_mounts_are_found_too(
    small_stl, small_template, tmp_path
):
    layers = slice_up(small_stl, tmp_path)
    assert faults(layers, small_template, "safe") == []
    # and a plan that says otherwise is found out
    plain = {key: value for key, value in small_template.items() if key != "markers"}
    assert faults(layers, plain, "safe") == ["z 0.2: 80 openings instead of 76"]
    holes = [
        {key: value for key, value in hole.items() if key != "bore_mm"}
        for hole in small_template["holes"]
    ]
    assert "E5: +0.38 mm wide" in faults(layers, small_template | {"holes": holes}, "safe")


@needs_prusa
@pytest.mark.parametrize("turn", [(-1.0, 1.0), (-1.0, -1.0)])
def test_a_mirrored_or_turned_plate_does_not_pass(turn, small_stl, small_template, tmp_path):
    def mirror(plate: trimesh.Trimesh) -> trimesh.Trimesh:
        plate.apply_transform(np.diag([*turn, 1.0, 1.0]))
        assert plate.is_volume  # trimesh turns the triangles along
        return plate

    said = faults(slice_up(changed(small_stl, tmp_path, mirror), tmp_path), small_template, "safe")
    assert "z 6: the cut corner is not at A1, the upper left" in said
    assert any(line.startswith("E5: -0.38 mm wide") for line in said)  # the wide bore


@needs_prusa
def test_the_fit_gauge_slices_to_every_allowance(small, tmp_path):
    path = tmp_path / "fit-gauge.stl"
    path.write_bytes(fit_gauge.build(small))
    layers = slice_up(path, tmp_path)
    allowances = small.settings.printer.fit_gauge_mm
    places = gauge_places([18, 16], allowances)
    assert len(places) == 16
    for z_mm in (0.2, 6.0):
        found = layers.openings(z_mm)
        assert len(found) == len(places)
        for (gauge, allowance), (x, y) in places.items():
            across_mm = OUTER_DIAMETER_MM[gauge] + allowance
            (bore,) = at(found, Opening(x, y, across_mm))
            assert BORE_MM[0] <= bore.across_mm - across_mm <= BORE_MM[1], (gauge, allowance)


# Closed bodies


def info(path: Path, folder: Path) -> dict[str, str]:
    """What ``prusa-slicer --info`` says of a body."""
    said = run("prusa-slicer", "--datadir", folder / "slicer", "--info", path)
    return dict(re.findall(r"^(\w+) = +(\S+)$", said, flags=re.M))


BODIES = ("template.stl", "fit-gauge.stl", "template.3mf", "slicer/template-patient.stl")


@needs_prusa
@pytest.mark.parametrize("name", BODIES)
def test_prusaslicer_says_manifold(name, planned_demo, tmp_path):
    folder, _ = planned_demo
    said = info(folder / name, tmp_path)
    assert said["manifold"] == "yes"
    assert said["number_of_parts"] == "1"
    size = "107 16 20" if name == "fit-gauge.stl" else "100 100 20"
    if "patient" not in name:  # oblique there
        # single precision; the unit of a 3MF is read from the file
        stated = [float(said[f"size_{axis}"]) for axis in "xyz"]
        np.testing.assert_allclose(stated, [float(v) for v in size.split()], atol=1e-4)
    stl_name = "template.stl" if name.endswith("3mf") else name
    body = trimesh.load_mesh(folder / stl_name)
    # single precision sums over 100,000 triangles
    assert float(said["volume"]) == pytest.approx(body.volume, rel=1e-4)


@needs_prusa
def test_prusaslicer_does_see_a_hole_in_a_body(small_stl, tmp_path):
    assert info(small_stl, tmp_path)["manifold"] == "yes"
    assert info(changed(small_stl, tmp_path, without_a_triangle), tmp_path)["manifold"] == "no"


def without_a_triangle(plate: trimesh.Trimesh) -> trimesh.Trimesh:
    plate.update_faces(np.arange(len(plate.faces)) != 100)
    return plate


WRONGS = (
    "Facets with 1 disconnected edge", "Facets with 2 disconnected edges",
    "Facets with 3 disconnected edges", "Total disconnected facets", "Degenerate facets",
    "Edges fixed", "Facets removed", "Facets added", "Facets reversed", "Backwards edges",
    "Normals fixed",
)  # fmt: skip


def repairs(path: Path) -> dict[str, int]:
    """What ``admesh`` finds wrong in a file as it is, or does to mend it; all 0 in a good one."""
    said = run("admesh", path)
    counts = {}
    for wrong in WRONGS:
        (count,) = re.findall(rf"^{wrong} +: +(\d+)", said, flags=re.M)
        counts[wrong] = int(count)
    return {wrong: count for wrong, count in counts.items() if count}


@needs_admesh
@pytest.mark.parametrize("name", ["template.stl", "fit-gauge.stl"])
def test_admesh_finds_nothing_to_repair(name, planned_demo):
    folder, _ = planned_demo
    assert repairs(folder / name) == {}


@needs_admesh
def test_admesh_finds_the_plate_on_the_patient_closed(planned_demo):
    """Not to be printed. Oblique, slivers of 0.001 mm2 have no exact normal in single precision."""
    folder, _ = planned_demo
    path = folder / "slicer" / "template-patient.stl"
    assert set(repairs(path)) <= {"Normals fixed"}
    written = numpy_stl.Mesh.from_file(str(path), calculate_normals=False)
    corners = written.vectors.astype(float)
    across = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals = across / np.linalg.norm(across, axis=1)[:, None]
    # a unit vector in single precision; ADMesh "fixes" some because it computes them in single too
    np.testing.assert_allclose(written.normals, normals, atol=1e-6)


@needs_admesh
def test_admesh_finds_nothing_to_repair_in_a_plate_with_everything(small_stl):
    assert repairs(small_stl) == {}


@needs_admesh
def test_admesh_does_find_what_is_wrong(small_stl, tmp_path):
    wrong = repairs(changed(small_stl, tmp_path, without_a_triangle))
    assert wrong["Total disconnected facets"] == 3
    assert wrong["Facets added"] == 1

    def turned(plate: trimesh.Trimesh) -> trimesh.Trimesh:
        faces = plate.faces.copy()
        faces[100] = faces[100][::-1]
        return trimesh.Trimesh(plate.vertices, faces, process=False)

    assert repairs(changed(small_stl, tmp_path, turned)) == {
        "Facets reversed": 1, "Normals fixed": 1,
    }  # fmt: skip
