"""The printed plate as one closed solid: outline, bores, and everything engraved on it.

Built in print pose: the template frame turned half a turn about x (X = x, Y = -y, Z = -z), so that
the patient face lies on Z = 0, the operator face is up, and whoever looks down on it reads it as
the operator does.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
import trimesh

from template_designer.geometry.plate_checks import (
    bored_holes,
    check_features,
    check_lattice,
)
from template_designer.geometry.plate_face import Face, lay_out_face
from template_designer.geometry.plate_rim import RimText, lay_out_rim
from template_designer.geometry.plate_solid import (
    bore_tool,
    carve,
    cut,
    placed,
    pocket_tool,
    side_frame,
    top_frame,
)
from template_designer.geometry.plate_style import DEFAULT_STYLE, PRINT_FROM_TEMPLATE, PlateStyle
from template_designer.model import Hole, Template


def build_plate(
    template: Template,
    *,
    plan_id: str,
    bored: Collection[str],
    plan_hash: str | None = None,
) -> trimesh.Trimesh:
    """One printable plate.

    Parameters
    ----------
    template : Template
        Size, bores, holes, frame and features; every hole in state "planned" gets a ring, a square
        where its bore is wider than the others (an access needle through bone).
    plan_id : str
        Engraved on the rim beside the template's name.
    bored : collection of str
        Labels of the holes that are printed; the others stay solid.
    plan_hash : str, optional
        Hexadecimal hash of the plan: its start stands on the rim, as text and as QR code.

    Returns
    -------
    trimesh.Trimesh
        One closed body in print pose, mm; its vertices are exact in single precision, as an STL
        file keeps them.

    Raises
    ------
    GeometryError
        If bores overlap, the plate is too small for its lattice or its text, a pocket or mounting
        hole leaves no wall, labels do not follow the frame, or a planned hole is not bored.
    """
    style = PlateStyle.of(template.features)
    width, height, thickness = template.size_mm
    holes = bored_holes(template, bored)
    check_lattice(template, holes, style)
    face = lay_out_face(template, holes, style)
    check_features(template, face.outline, style)
    rim = lay_out_rim(template, RimText(plan_id, plan_hash), style)
    body = trimesh.creation.extrude_polygon(face.outline, thickness, engine="earcut")
    tools = [*_bores(template, holes, face, style), *_features(template, style)]
    tools.append(carve(face.marks, top_frame(thickness, style), style.engraving_depth_mm))
    for normal, shape in rim.sides:
        half = 0.5 * abs(np.dot(normal[:2], (width, height)))
        frame = side_frame(np.array(normal), half - style.engraving_depth_mm, 0.5 * thickness)
        tools.append(carve(shape, frame, style.engraving_depth_mm))
    return cut(body, tools, template.name)


def plate_in_patient(plate: trimesh.Trimesh, template: Template) -> trimesh.Trimesh:
    """Copy of a plate moved from print pose to where it sits on the patient (LPS, mm)."""
    moved = plate.copy()
    moved.apply_transform(np.asarray(template.lps_from_template) @ PRINT_FROM_TEMPLATE)
    return moved


def _bores(
    template: Template, holes: Sequence[Hole], face: Face, style: PlateStyle
) -> list[trimesh.Trimesh]:
    """What the bores take out: one mesh for each kind of bore."""
    kinds: dict[tuple[float, float], list[tuple[float, float]]] = {}
    for hole in holes:
        kind = (template.bore_of(hole), face.face_mm[hole.label])
        kinds.setdefault(kind, []).append((hole.x_mm, -hole.y_mm))
    return [
        placed(bore_tool(bore, at_face, template.size_mm[2], style.chord_mm), places)
        for (bore, at_face), places in kinds.items()
    ]


def _features(template: Template, style: PlateStyle) -> list[trimesh.Trimesh]:
    """What marker pockets and mounting holes take out."""
    tools = []
    for pocket in template.features.markers:
        tool = pocket_tool(pocket.pocket_mm, pocket.depth_mm + 0.5 * pocket.sphere_mm)
        tools.append(placed(tool, (pocket.x_mm, -pocket.y_mm)))
    for hole in template.features.mounting_holes:
        diameter = hole.diameter_mm
        tool = bore_tool(diameter, 0.5 * diameter, template.size_mm[2], style.chord_mm)
        tools.append(placed(tool, (hole.x_mm, -hole.y_mm)))
    return tools


__all__ = ["DEFAULT_STYLE", "PRINT_FROM_TEMPLATE", "PlateStyle", "build_plate", "plate_in_patient"]
