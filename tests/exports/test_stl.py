"""The written STL, read back with numpy-stl and cut with planes: other code than made it."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
import pytest
import shapely
import trimesh
from shapely.affinity import affine_transform
from stl import mesh as numpy_stl

from exports import plan_json, stl
from exports.registry import EXPORTERS
from template_designer.frames import column_label
from template_designer.geometry.text import text_outline
from template_designer.model import HoleChoice, HoleState

CENTRE_MM = 0.01
"""Rounding of single precision at 50 mm is 4e-6 mm; the contract allows 0.01 mm."""

DIAMETER_MM = 0.02
"""The bore's polygon stands outside its circle by 0.007 mm; the contract allows 0.02 mm."""

THICKNESS_MM = 20.0
COLUMNS = [column_label(n) for n in range(19)]
ROWS = [str(n) for n in range(1, 20)]


@dataclass(frozen=True)
class Bore:
    centre_mm: np.ndarray
    inscribed_mm: float
    circumscribed_mm: float


def triangles_of(content: bytes) -> np.ndarray:
    return numpy_stl.Mesh.from_file("plate.stl", fh=io.BytesIO(content)).vectors.astype(float)


def section(triangles: np.ndarray, z_mm: float) -> shapely.Geometry:
    """Material in the plane Z = z_mm, from the triangles alone."""
    solid = trimesh.Trimesh(**trimesh.triangles.to_kwargs(triangles))
    lines = trimesh.intersections.mesh_plane(solid, (0, 0, 1), (0, 0, z_mm))[:, :, :2]
    faces = shapely.polygonize(shapely.linestrings(np.round(lines, 5))).geoms
    filled = shapely.STRtree([shapely.Polygon(face.exterior) for face in faces])
    points = [face.representative_point() for face in faces]
    depth = np.bincount(filled.query(points, predicate="within")[0], minlength=len(points))
    return shapely.MultiPolygon([face for face, d in zip(faces, depth, strict=True) if d % 2])


def bores_at(triangles: np.ndarray, z_mm: float) -> list[Bore]:
    """Round openings; above the engraving's floor also those inside a ring's island."""
    found = []
    for ring in (ring for part in section(triangles, z_mm).geoms for ring in part.interiors):
        polygon = shapely.Polygon(ring)
        centre = np.array(polygon.centroid.coords[0])
        corners = np.linalg.norm(np.array(ring.coords) - centre, axis=1)
        inscribed = 2.0 * ring.distance(shapely.Point(centre))
        if inscribed > 0.95 * 2.0 * corners.max():  # round, so no letter
            found.append(Bore(centre, inscribed, 2.0 * corners.max()))
    return [bore for bore in found if bore.inscribed_mm < 2.0]  # a ring's outline is wider


def labelled(bores: list[Bore], plan: dict) -> dict[str, Bore]:
    """Which label of plan.json each bore has; a bore that has none is an error."""
    labels = {}
    places = {h["label"]: np.array([h["x_mm"], -h["y_mm"]]) for h in plan["holes"]}
    for bore in bores:
        label = min(places, key=lambda name: float(np.linalg.norm(places[name] - bore.centre_mm)))
        assert np.linalg.norm(places[label] - bore.centre_mm) <= CENTRE_MM
        assert label not in labels
        labels[label] = bore
    return labels


def engraved(triangles: np.ndarray) -> shapely.Geometry:
    """What is missing just under the operator face but not deeper: text and rings."""
    deep, shallow = section(triangles, 15.0), section(triangles, THICKNESS_MM - 0.4)
    # 0.05 mm: the walls of the bores coincide in both, all but rounding
    return deep.difference(shallow.buffer(0.001)).buffer(-0.05).buffer(0.05)


def normalised(shape: shapely.Geometry) -> shapely.Geometry:
    left, low, right, high = shape.bounds
    sx, sy = 1.0 / (right - left), 1.0 / (high - low)
    return affine_transform(shape, [sx, 0.0, 0.0, sy, -left * sx, -low * sy])


def read_label(ink: shapely.Geometry, window: tuple[float, ...], names: list[str]) -> str:
    """The one of the names that the ink inside a window looks most like; "?" if like none."""
    middle = shapely.box(*window)
    parts = [part for part in ink.geoms if middle.contains(part.centroid)]
    if not parts:
        return "?"
    seen = normalised(shapely.union_all(parts))

    def likeness(name: str) -> float:
        drawn = normalised(text_outline(name, 3.3, max_width_mm=3.26))
        return seen.intersection(drawn).area / seen.union(drawn).area

    best = max(names, key=likeness)
    return best if likeness(best) > 0.75 else "?"


def read_labels(triangles: np.ndarray) -> dict[str, list[str]]:
    """Labels along the four margins as somebody reads them who looks down on the print."""
    ink = engraved(triangles)
    at = [5.0 * (n - 9) for n in range(19)]
    return {
        "top": [read_label(ink, (x - 2.2, 46.6, x + 2.2, 49.6), COLUMNS) for x in at],
        "bottom": [read_label(ink, (x - 2.2, -49.6, x + 2.2, -46.6), COLUMNS) for x in at],
        "left": [read_label(ink, (-49.6, -y - 2.2, -46.1, -y + 2.2), ROWS) for y in at],
        "right": [read_label(ink, (46.1, -y - 2.2, 49.6, -y + 2.2), ROWS) for y in at],
    }


@pytest.fixture(scope="module")
def content(plan) -> bytes:
    return stl.build(plan, plan.templates[0])


@pytest.fixture(scope="module")
def triangles(content) -> np.ndarray:
    return triangles_of(content)


@pytest.fixture(scope="module")
def written(plan) -> dict:
    return json.loads(plan_json.build(plan))["templates"][0]


def test_the_file_is_closed_and_positive(content, triangles):
    reader = numpy_stl.Mesh.from_file("plate.stl", fh=io.BytesIO(content))
    assert reader.is_closed(exact=True)
    volume, _, _ = reader.get_mass_properties()
    # 0.1 %: numpy-stl integrates in single precision; the plate less bores and text
    assert volume == pytest.approx(stl_volume(triangles), rel=1e-3)
    assert 180_000.0 < volume < 200_000.0
    np.testing.assert_allclose(triangles.min(axis=(0, 1)), [-50.0, -50.0, 0.0])
    np.testing.assert_allclose(triangles.max(axis=(0, 1)), [50.0, 50.0, 20.0])


def stl_volume(triangles: np.ndarray) -> float:
    a, b, c = triangles[:, 0], triangles[:, 1], triangles[:, 2]
    return float(np.einsum("ij,ij->i", a, np.cross(b, c)).sum() / 6.0)


def test_header_size_and_repeatability(plan, content):
    assert content[:80] == b"L1-demo T1 units=mm".ljust(80)
    assert len(content) < 8_000_000
    stl.plate_mesh.cache_clear()
    assert stl.build(plan, plan.templates[0]) == content


@pytest.mark.parametrize("z_mm", [0.5, 10.0, 18.5, 19.5])  # counter-sinks begin at 19.57
def test_every_bore_is_at_its_place_with_its_diameter(triangles, written, z_mm):
    found = labelled(bores_at(triangles, z_mm), written)
    assert set(found) == {hole["label"] for hole in written["holes"]}
    for label, bore in found.items():
        assert 1.47 - 0.001 <= bore.inscribed_mm, label  # rounding: the needle must pass
        assert bore.circumscribed_mm <= 1.47 + DIAMETER_MM, label


def test_needles_leave_the_print_through_their_own_bores(triangles, written):
    """Through plan.json's transform, by plain algebra: print pose -> template -> patient."""
    lps_from_print = np.array(written["lps_from_template"]) @ np.diag([1.0, -1.0, -1.0, 1.0])
    bores = labelled(bores_at(triangles, 10.0), written)
    for needle in written["needles"]:
        x, y = bores[needle["label"]].centre_mm
        entry = (lps_from_print @ [x, y, 0.0, 1.0])[:3]
        outside = (lps_from_print @ [x, y, THICKNESS_MM, 1.0])[:3]
        assert np.linalg.norm(entry - needle["entry_lps_mm"]) <= CENTRE_MM
        along = np.array(needle["tip_lps_mm"]) - outside
        assert np.linalg.norm(along) == pytest.approx(needle["depth_mm"], abs=0.001)  # contract
        assert np.linalg.norm(np.cross(along / np.linalg.norm(along), entry - outside)) < CENTRE_MM


def test_labels_read_as_the_operator_reads_them(triangles):
    assert read_labels(triangles) == {
        "top": COLUMNS,
        "bottom": COLUMNS,
        "left": ROWS,
        "right": ROWS,
    }


@pytest.mark.parametrize("mirror", [(-1.0, 1.0, 1.0), (1.0, -1.0, 1.0), (-1.0, -1.0, 1.0)])
def test_a_mirrored_or_turned_plate_does_not_read_so(triangles, mirror):
    labels = read_labels(triangles * mirror)
    assert labels["top"] != COLUMNS
    assert labels["left"] != ROWS
    right = sum(a == b for a, b in zip(labels["top"] + labels["left"], COLUMNS + ROWS, strict=True))
    assert right <= 8  # letters that look the same in a mirror, in the middle of the alphabet


def test_a_mirrored_plate_has_its_needles_elsewhere(triangles, written):
    mirrored = triangles * (-1.0, 1.0, 1.0)
    assert not ring_labels(mirrored, written) & {"C4"}
    assert "C4" in ring_labels(triangles, written)


def ring_labels(triangles: np.ndarray, written: dict) -> set[str]:
    """Holes with a groove all around; not at the rim, where text may cut into it."""
    ink = engraved(triangles)
    ringed = set()
    for hole in written["holes"]:
        if max(abs(hole["x_mm"]), abs(hole["y_mm"])) > 42.0:
            continue
        centre = shapely.Point(hole["x_mm"], -hole["y_mm"])
        groove = centre.buffer(2.12).difference(centre.buffer(1.66))
        share = ink.intersection(groove).area / groove.area
        # the ends of up to four dashes of the cross-lines: 4 x 0.6 mm of 11.9 mm
        assert share > 0.95 or share < 0.21, hole["label"]
        if share > 0.95:
            ringed.add(hole["label"])
    return ringed


def test_rings_stand_at_the_planned_holes_and_nowhere_else(triangles, written):
    planned = {hole["label"] for hole in written["holes"] if hole["state"] == "planned"}
    assert ring_labels(triangles, written) == planned


def test_the_rim_carries_id_and_directions(plan, triangles):
    """The four side faces, each seen from outside with the operator face up."""
    frame = plan.templates[0].lps_from_template
    letters = {}
    for turn in range(4):  # bring each side to the front (print Y = -50) in turn
        angle = -0.5 * np.pi * turn
        c, s = np.cos(angle), np.sin(angle)
        side = triangles @ np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]).T
        front = side[:, :, [0, 2, 1]] * (1.0, 1.0, -1.0)  # look along +Y: X right, Z up
        ink = section_of_side(front)
        letters[turn] = ink
    normals = {0: frame[:3, 1], 1: frame[:3, 0], 2: -frame[:3, 1], 3: -frame[:3, 0]}
    expected = {}
    for turn, normal in normals.items():
        large = sorted((n for n in range(3) if abs(normal[n]) > 0.4), key=lambda n: -abs(normal[n]))
        expected[turn] = "".join(("LR", "PA", "HF")[n][int(normal[n] < 0)] for n in large)
    names = [*"LRAPHF", *(a + b for a, b in product("LRAPHF", repeat=2) if a != b)]
    for turn in range(4):
        x = 22.45 if turn == 2 else 24.45  # middle of the right half, less the cut corner at A1
        seen = normalised(letters[turn].intersection(shapely.box(x - 4.2, 6.2, x + 4.2, 13.0)))
        best = max(names, key=lambda name: likeness_of(seen, name, width_mm=8.1))
        assert best == expected[turn]
    for text, low, high in (("L1-demo", 9.0, 20.0), ("T1", 0.0, 9.0)):
        words = letters[0].intersection(shapely.box(-47.4, low, -1.0, high))
        assert likeness_of(normalised(words), text, 7.0) > 0.75
        mirrored = affine_transform(words, [-1, 0, 0, 1, 0, 0])
        assert likeness_of(normalised(mirrored), text) < 0.55


def section_of_side(front: np.ndarray) -> shapely.Geometry:
    """Engraving of the face at depth axis +50 (third coordinate), in its own plane."""
    full = shapely.box(-49.0, 0.5, 49.0, 18.9)
    return as_multi(full.difference(section(front, 49.6)))


def as_multi(shape):
    return shape if shape.geom_type == "MultiPolygon" else shapely.MultiPolygon([shape])


def likeness_of(
    seen: shapely.Geometry, name: str, height_mm: float = 6.0, width_mm: float | None = None
) -> float:
    drawn = normalised(text_outline(name, height_mm, max_width_mm=width_mm))
    return seen.intersection(drawn).area / seen.union(drawn).area


def with_holes(plan, choice: HoleChoice):
    template = plan.settings.template.model_copy(update={"holes": choice})
    return replace(plan, settings=plan.settings.model_copy(update={"template": template}))


@pytest.mark.parametrize(
    ("choice", "states"),
    [
        (HoleChoice.SAFE, {HoleState.PLANNED, HoleState.OPEN}),
        (HoleChoice.PLAN, {HoleState.PLANNED}),
    ],
)
def test_only_the_holes_asked_for_are_bored(plan, written, choice, states):
    changed = with_holes(plan, choice)
    content = stl.build(changed, changed.templates[0])
    found = labelled(bores_at(triangles_of(content), 10.0), written)
    wanted = {hole["label"] for hole in written["holes"] if HoleState(hole["state"]) in states}
    assert set(found) == wanted
    assert set(found) != {hole["label"] for hole in written["holes"]}  # a missing one is noticed


def test_it_is_registered_per_template():
    assert EXPORTERS["template*.stl"] is stl.build
