"""What stands in ``scene.html``: meshes and words, each with the switch that shows it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import trimesh
from numpy.typing import NDArray

from exports import isodoses
from exports.clearance_colours import clearance_scale
from exports.drawn3d import (
    BONE_COLOUR,
    ENGRAVING_COLOUR,
    HIDDEN_COLOUR,
    OTHER_COLOUR,
    PLATE_COLOUR,
    SEED_COLOUR,
    SEED_DIAMETER_MM,
    SEED_LENGTH_MM,
    SEED_THICKER,
    SKIN_COLOUR,
    TARGET_COLOUR,
    avoid_colours,
    inked_faces,
    needle_ends,
    unit,
)
from exports.stl import plate_mesh
from template_designer.frames import transform_points
from template_designer.geometry.plate import plate_in_patient
from template_designer.model import OUTER_DIAMETER_MM, Needle, Plan, SurfaceRole, Template

_OPACITY = {
    SurfaceRole.TARGET: 0.6,
    SurfaceRole.AVOID: 1.0,
    SurfaceRole.BONE: 0.3,
    SurfaceRole.SKIN: 0.15,
    SurfaceRole.HIDDEN: 0.5,
}
_SMOOTH = 12  # rounds over which the normals of structures are averaged, for their stairs
_NAME_PLACES = (0.5, 0.7, 0.3, 0.6, 0.4, 0.8, 0.2)  # parts of a structure's length
_LIFT_MM = 1.5  # of hole labels off the plate


@dataclass(frozen=True, slots=True)
class Switch:
    """A box to tick."""

    key: str
    group: str
    label: str
    colour: str | None = None
    on: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """A mesh of one colour, wound outwards, LPS, mm."""

    switch: Switch
    vertices_lps_mm: NDArray[np.float64]  # (n, 3)
    faces: NDArray[np.int64]  # (m, 3)
    colour: str
    opacity: float = 1.0
    flat: bool = False  # each triangle shaded by itself
    smooth: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Word:
    """A text at a place of the patient."""

    switch: Switch
    text: str
    places_lps_mm: NDArray[np.float64]  # (n, 3); the first with room for it is taken
    size_px: int
    needs: str | None = None  # key of the switch without which it is not shown
    colour: str | None = None  # of a mark beside it


def parts_of(plan: Plan) -> list[Part]:
    """Every mesh, in the order of the panel."""
    return [
        *_structures(plan),
        *_needles(plan),
        *_isodoses(plan),
        *(part for template in plan.templates for part in _plate(plan, template)),
    ]


def words_of(plan: Plan) -> list[Word]:
    """Every text; where two would overlap everywhere the earlier one stays."""
    names = Switch("labels:structures", "Labels", "structure names")
    needles = Switch("labels:needles", "Labels", "needles, by their holes")
    holes = Switch("labels:holes", "Labels", "all holes (zoom in)", None, False)
    words = []
    for template in plan.templates:
        planned = {needle.label for needle in template.needles}
        for needle in template.needles:
            out = unit(needle_ends(needle)[0] - np.asarray(needle.tip_lps_mm))
            place = needle_ends(needle)[0] + _LIFT_MM * out
            words.append(Word(needles, needle.label, place[None], 14))
        z_mm = -template.size_mm[2] - _LIFT_MM
        for hole in template.holes:
            if hole.label not in planned:
                frame = np.asarray(template.lps_from_template)
                place = transform_points(frame, [(hole.x_mm, hole.y_mm, z_mm)])
                words.append(Word(holes, hole.label, place, 12, f"plate:{template.name}"))
    keys = _structure_switches(plan)
    structures = [
        Word(names, name, _along(surface.vertices_lps_mm), 16, keys[name].key, keys[name].colour)
        for name, (role, surface) in plan.surfaces.items()
        if role not in (SurfaceRole.SKIN, SurfaceRole.BONE)  # they are everywhere
    ]
    return [*structures, *words]


def legend_entries(plan: Plan) -> list[tuple[str, str]]:
    """What the needles' colours mean, mm."""
    scale = clearance_scale(plan)
    if not scale.structures:
        return []
    return [(f"clearance {text}", colour) for text, colour in scale.legend(plan.needles)]


def _along(vertices: NDArray[np.float64]) -> NDArray[np.float64]:
    """Places inside a structure, along its longest axis, for its name: the middle first."""
    away = vertices - vertices.mean(axis=0)
    axis = np.linalg.eigh(away.T @ away)[1][:, 2]
    along = away @ (axis * np.sign(axis[np.argmax(np.abs(axis))]))
    size = float(np.ptp(along))
    places = []
    for part in _NAME_PLACES:
        distance = np.abs(along - (along.min() + part * size))
        near = distance <= max(0.05 * size, float(distance.min()))
        places.append(vertices[near].mean(axis=0))
    return np.array(places)


def _structure_switches(plan: Plan) -> dict[str, Switch]:
    """A switch for every structure; its key is a number, for a name may be anything."""
    avoided = avoid_colours(plan)
    colours = {
        SurfaceRole.TARGET: TARGET_COLOUR,
        SurfaceRole.BONE: BONE_COLOUR,
        SurfaceRole.SKIN: SKIN_COLOUR,
        SurfaceRole.HIDDEN: HIDDEN_COLOUR,
    }
    return {
        name: Switch(
            f"structure:{number}",
            "Structures",
            name,
            avoided[name] if role is SurfaceRole.AVOID else colours[role],
            role is not SurfaceRole.HIDDEN,
        )
        for number, (name, (role, _)) in enumerate(plan.surfaces.items())
    }


def _structures(plan: Plan) -> list[Part]:
    parts = []
    for name, switch in _structure_switches(plan).items():
        role, surface = plan.surfaces[name]
        opacity = 0.3 if switch.colour == OTHER_COLOUR else _OPACITY[role]
        parts.append(
            Part(
                switch, surface.vertices_lps_mm, surface.faces, str(switch.colour), opacity,
                smooth=_SMOOTH,
            )
        )  # fmt: skip
    return parts


def _needles(plan: Plan) -> list[Part]:
    """Needles, one mesh for each colour, and seeds."""
    needles = Switch("needles", "Needles and seeds", "needles")
    seeds = Switch("seeds", "Needles and seeds", "seeds (drawn thicker)", SEED_COLOUR)
    scale = clearance_scale(plan)
    by_colour: dict[str, list[trimesh.Trimesh]] = {}
    for needle in plan.needles:
        radius_mm = 0.5 * OUTER_DIAMETER_MM[needle.gauge]
        by_colour.setdefault(scale.colour(needle), []).append(_rod(*needle_ends(needle), radius_mm))
    parts = [_joined(needles, rods, colour) for colour, rods in sorted(by_colour.items())]
    capsules = [
        _seed(needle, seed.center_lps_mm) for needle in plan.needles for seed in needle.seeds
    ]
    return [*parts, *([_joined(seeds, capsules, SEED_COLOUR)] if capsules else [])]


def _seed(needle: Needle, center_lps_mm: tuple[float, float, float]) -> trimesh.Trimesh:
    axis = unit(np.asarray(needle.tip_lps_mm) - np.asarray(needle.entry_lps_mm))
    half = 0.5 * SEED_LENGTH_MM * axis
    center = np.asarray(center_lps_mm)
    return _rod(center - half, center + half, 0.5 * SEED_THICKER * SEED_DIAMETER_MM)


def _rod(start: NDArray[np.float64], end: NDArray[np.float64], radius_mm: float) -> trimesh.Trimesh:
    return trimesh.creation.cylinder(radius=radius_mm, segment=[start, end], sections=14)


def _joined(switch: Switch, rods: list[trimesh.Trimesh], colour: str) -> Part:
    starts = np.cumsum([0, *(len(rod.vertices) for rod in rods)])
    vertices = np.vstack([rod.vertices for rod in rods])
    faces = np.vstack([rod.faces + start for rod, start in zip(rods, starts, strict=False)])
    return Part(switch, vertices, faces, colour, flat=True)


def _isodoses(plan: Plan) -> list[Part]:
    """Only the prescription's is shown at first: four at once hide each other."""
    parts = []
    for pct, surface in isodoses.isodose_surfaces(plan).items():
        text = f"{pct} %: {0.01 * pct * plan.prescription_gy:g} Gy"
        colour = isodoses.COLOURS[pct]
        switch = Switch(f"isodose:{pct}", "Isodoses", text, colour, pct == 100)
        parts.append(Part(switch, surface.vertices_lps_mm, surface.faces, colour, 0.35, smooth=2))
    return parts


def _plate(plan: Plan, template: Template) -> list[Part]:
    """A plate as printed, the floors of its engravings in a mesh of their own."""
    printed = plate_mesh(plan, template)
    placed = plate_in_patient(printed, template)
    inked = inked_faces(printed, template)
    switch = Switch(f"plate:{template.name}", "Plate", f"plate {template.name}", PLATE_COLOUR)
    parts = []
    for chosen, colour in ((~inked, PLATE_COLOUR), (inked, ENGRAVING_COLOUR)):
        used, faces = np.unique(np.asarray(placed.faces)[chosen], return_inverse=True)
        vertices = np.asarray(placed.vertices)[used]
        parts.append(Part(switch, vertices, faces.reshape(-1, 3), colour, flat=True))
    return parts
