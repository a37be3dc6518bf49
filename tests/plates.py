"""Plates to try things on, and a way to look into them that knows nothing of how they were made."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import shapely
import trimesh

from template_designer.frames import template_frame
from template_designer.geometry.lattice import lattice_points
from template_designer.geometry.plate import build_plate
from template_designer.inputs.schema import parse_settings
from template_designer.model import CaseSettings, Hole, HoleState, PlateFeatures, Template

HASH = "3fa91c07be52d680" * 4
FRAME = template_frame([106.2, 102.6, -279.3], [-0.766, -0.6428, 0.0], [0.0, 0.0, 1.0])


def make_plate(
    size_mm=(60.0, 40.0, 10.0), *, bore_mm=1.47, pitch_mm=5.0, edge_mm=5.0, planned=(), wide=None,
    **features,
) -> Template:  # fmt: skip
    """A plate with the lattice of a case; ``wide`` gives some holes a bore of their own."""
    wide = wide or {}
    holes = tuple(
        Hole(
            p.label,
            p.x_mm,
            p.y_mm,
            HoleState.PLANNED if p.label in planned else HoleState.OPEN,
            None,
            wide.get(p.label),
        )
        for p in lattice_points(size_mm, pitch_mm, edge_mm)
    )
    return Template(
        "T1", size_mm, pitch_mm, bore_mm, 0.0, FRAME, holes, (), PlateFeatures(**features)
    )


def built(template: Template, plan_id: str = "L1-demo", plan_hash: str | None = HASH):
    bored = [hole.label for hole in template.holes]
    return build_plate(template, plan_id=plan_id, bored=bored, plan_hash=plan_hash)


def case_settings(**tables) -> CaseSettings:
    """A small case; tables replace its own."""
    data = {
        "id": "L1-demo",
        "images": {"ct": "dicom/", "structures": "dicom/RS.dcm"},
        "target": {"structure": "GTV"},
        "entry": {
            "point_lps": [106.2, 102.6, -279.3],
            "direction_lps": [-0.766, -0.643, 0.1],
            "up_lps": [0.1, 0.0, 1.0],
        },
        "source": {"model": "I125-6711", "activity_mci": 0.6},
        "prescription": {"dose_gy": 120.0},
    }
    return parse_settings(data | tables)


def section(mesh: trimesh.Trimesh, normal, at_mm: float, axes: tuple[int, int]):
    """Material in a plane across an axis, as an area of two of the coordinates."""
    origin = np.asarray(normal, dtype=float) * at_mm
    lines = trimesh.intersections.mesh_plane(mesh, normal, origin)[:, :, list(axes)]
    pieces = shapely.linestrings(np.round(lines, 5))
    found, cuts, dangles, bad = shapely.polygonize_full(pieces[shapely.length(pieces) > 0.0])
    assert [len(part.geoms) for part in (cuts, dangles, bad)] == [0, 0, 0]  # no fins, no slits
    faces = found.geoms
    tree = shapely.STRtree([shapely.Polygon(face.exterior) for face in faces])
    points = [face.representative_point() for face in faces]
    depth = np.bincount(tree.query(points, predicate="within")[0], minlength=len(points))
    return shapely.MultiPolygon([face for face, d in zip(faces, depth, strict=True) if d % 2])


def top_section(mesh: trimesh.Trimesh, z_mm: float):
    return section(mesh, (0.0, 0.0, 1.0), z_mm, (0, 1))


def side_ink(mesh: trimesh.Trimesh, normal: tuple[float, float, float], under_mm: float = 0.4):
    """What is engraved on a side, seen from outside: x in reading direction, y = Z."""
    normal = np.array(normal)
    axis = int(np.argmax(np.abs(normal)))
    along = np.cross([0.0, 0.0, 1.0], normal)
    half = float(np.abs(mesh.bounds[:, axis]).max())
    cut = section(mesh, np.abs(normal), float(normal[axis]) * (half - under_mm), (1 - axis, 2))
    cut = shapely.transform(cut, lambda p: p * [float(along[1 - axis]), 1.0])
    left, _, right, _ = cut.bounds
    thickness = float(mesh.bounds[1, 2])
    # 1.3 mm under the operator face begin the letters engraved there, seen in section
    return shapely.box(left, 0.0, right, thickness - 1.3).difference(cut)


def write_case(folder: Path, text: str) -> Path:
    path = folder / "case.toml"
    path.write_text(text, encoding="utf-8")
    return path
