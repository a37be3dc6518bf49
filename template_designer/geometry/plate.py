"""The printed plate as one closed solid: outline, bores, and everything engraved on it.

Built in print pose: the template frame turned half a turn about x (X = x, Y = -y, Z = -z), so that
the patient face lies on Z = 0, the operator face is up, and whoever looks down on it reads it as
the operator does.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import shapely
import trimesh
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from shapely.affinity import rotate, translate
from shapely.geometry import MultiPolygon, Point, Polygon, box
from shapely.geometry.base import BaseGeometry

from template_designer.errors import GeometryError
from template_designer.frames import direction_letters, transform_points
from template_designer.geometry.text import STROKE_MM, text_outline
from template_designer.model import Hole, HoleState, Template

PRINT_FROM_TEMPLATE: NDArray[np.float64] = np.diag([1.0, -1.0, -1.0, 1.0])
"""Half a turn about x; its own inverse. A rotation: it mirrors nothing."""


@dataclass(frozen=True, slots=True)
class PlateStyle:
    """What the printer resolves and how the plate is marked, mm."""

    engraving_depth_mm: float = 0.8
    stroke_mm: float = STROKE_MM  # thinnest groove
    wall_mm: float = 0.6  # thinnest wall between bores, grooves and the rim
    text_to_bore_mm: float = 0.4  # a label meets the round bore in one point only: less is enough
    corner_radius_mm: float = 2.0
    chamfer_mm: float = 6.0  # at the corner of A1, as far as the labels leave room
    ring_mm: float = 0.8  # width of the groove around a planned hole
    chord_mm: float = 0.01  # how far a bore's polygon may stand outside its circle


DEFAULT_STYLE = PlateStyle()

_LABEL_HEIGHT_MM = 4.0  # at most
_LABEL_HEIGHT_LEAST_MM = 2.2
_LABEL_GAP_MM = 1.7  # between neighbouring labels at least: "1 12" must not read as "11 2"
_CORNER_MM = 0.25  # column letters are this much lower than their margin
_RIM_HEIGHT_MM = 7.0  # at most
_RIM_HEIGHT_LEAST_MM = 2.4  # three strokes and two open counters
_ROUGH_MM = 0.01  # engravings may stray this far from the drawn outline: far below any printer
_FREE_MM = 1.0  # how far an engraving tool stands out of the plate


def build_plate(
    template: Template,
    *,
    plan_id: str,
    bored: Collection[str],
    style: PlateStyle = DEFAULT_STYLE,
) -> trimesh.Trimesh:
    """One printable plate.

    Parameters
    ----------
    template : Template
        Size, bores, holes and frame; every hole in state "planned" gets a ring, a square where
        its bore is wider than the others (an access needle through bone).
    plan_id : str
        Engraved on the rim beside the template's name.
    bored : collection of str
        Labels of the holes that are printed; the others stay solid.
    style : PlateStyle
        Limits of the printer.

    Returns
    -------
    trimesh.Trimesh
        One closed body in print pose, mm; its vertices are exact in single precision, as an STL
        file keeps them.

    Raises
    ------
    GeometryError
        If bores overlap, the plate is too small for its lattice or its text, labels do not follow
        the frame, or a planned hole is not bored.
    """
    width, height, thickness = template.size_mm
    holes = _bored_holes(template, bored)
    _check_lattice(template, holes, style)
    labels = _lattice_labels(template, style)
    outline = _outline(template, labels, style)
    circles = {b: _bore_ring(b, style.chord_mm) for b in {template.bore_of(h) for h in holes}}
    rings = [circles[template.bore_of(hole)] + (hole.x_mm, -hole.y_mm) for hole in holes]
    body = trimesh.creation.extrude_polygon(
        Polygon(outline.exterior, rings), thickness, engine="earcut"
    )
    marks = shapely.union_all([labels, _planned_rings(template, holes, labels, style)])
    floor = np.eye(4)
    floor[2, 3] = thickness - style.engraving_depth_mm
    tools = [_carve(marks, floor, style)]
    for normal, shape in _rim_marks(template, plan_id, style):
        half = 0.5 * abs(np.dot(normal[:2], (width, height)))
        frame = _side_frame(normal, half - style.engraving_depth_mm, 0.5 * thickness)
        tools.append(_carve(shape, frame, style))
    solid = trimesh.boolean.difference([body, *tools], engine="manifold")
    return _finished(solid, template.name)


def plate_in_patient(plate: trimesh.Trimesh, template: Template) -> trimesh.Trimesh:
    """Copy of a plate moved from print pose to where it sits on the patient (LPS, mm)."""
    placed = plate.copy()
    placed.apply_transform(np.asarray(template.lps_from_template) @ PRINT_FROM_TEMPLATE)
    return placed


def _bored_holes(template: Template, bored: Collection[str]) -> tuple[Hole, ...]:
    wanted = set(bored)
    unknown = wanted - {hole.label for hole in template.holes}
    if unknown:
        raise GeometryError(
            f"template {template.name!r} has no hole {', '.join(sorted(unknown))} to bore"
        )
    for hole in template.holes:
        if hole.state is HoleState.PLANNED and hole.label not in wanted:
            raise GeometryError(
                f"template {template.name!r}: hole {hole.label} is planned but not to be bored"
            )
    return tuple(hole for hole in template.holes if hole.label in wanted)


def _check_lattice(template: Template, holes: Sequence[Hole], style: PlateStyle) -> None:
    """Walls between the bores, and between the bores and the rim, must print."""
    bores = [template.bore_of(hole) for hole in template.holes]
    numbers = (*template.size_mm, template.bore_mm, *bores, template.pitch_mm)
    if not all(math.isfinite(value) and value > 0.0 for value in numbers):
        raise GeometryError(f"template {template.name!r}: size, bore and pitch must be above 0 mm")
    if template.size_mm[2] < 4.0 * style.engraving_depth_mm:
        raise GeometryError(
            f"template {template.name!r}: a plate {template.size_mm[2]:g} mm thick is too thin "
            f"to be engraved {style.engraving_depth_mm:g} mm deep; make it thicker"
        )
    if not template.holes:
        raise GeometryError(f"template {template.name!r} has no holes")
    lattice = np.array([(hole.x_mm, hole.y_mm) for hole in template.holes])
    room = 0.5 * np.asarray(template.size_mm[:2]) - np.abs(lattice).max(axis=0)
    least = 0.5 * _widest_bore_mm(template) + style.wall_mm
    if not np.all(room >= least):
        raise GeometryError(
            f"template {template.name!r}: a plate of {template.size_mm[0]:g} x "
            f"{template.size_mm[1]:g} mm is too small for its lattice: the outer holes lie "
            f"{room.min():g} mm from its edge, at least {least:.2f} mm are needed"
        )
    _check_walls(template, holes, style)


def _check_walls(template: Template, holes: Sequence[Hole], style: PlateStyle) -> None:
    """Every two bores leave a wall between them, whatever their widths."""
    if not holes:
        return
    centres = np.array([(hole.x_mm, hole.y_mm) for hole in holes])
    bores = np.array([template.bore_of(hole) for hole in holes])
    pairs = cKDTree(centres).query_pairs(bores.max() + style.wall_mm, output_type="ndarray")
    if not len(pairs):
        return
    apart = np.linalg.norm(centres[pairs[:, 0]] - centres[pairs[:, 1]], axis=1)
    walls = apart - 0.5 * bores[pairs].sum(axis=1)
    worst = int(np.argmin(walls))
    wall = float(walls[worst])
    if wall < style.wall_mm:
        one, other = pairs[worst]
        widths = " and ".join(f"{b:g}" for b in sorted({bores[one], bores[other]}))
        raise GeometryError(
            f"template {template.name!r}: bores of {widths} mm at "
            f"{holes[one].label} and {holes[other].label} leave "
            f"{'no wall: they overlap' if wall <= 0.0 else f'a wall of {wall:.2f} mm'}; "
            f"choose a larger pitch or thinner needles (wall >= {style.wall_mm:g} mm)"
        )


def _widest_bore_mm(template: Template) -> float:
    return max(template.bore_mm, *(template.bore_of(hole) for hole in template.holes))


def _outer_bore_mm(template: Template) -> float:
    """Widest bore beside the margin, where the labels are."""
    places = np.abs([(hole.x_mm, hole.y_mm) for hole in template.holes])
    outer = np.any(places >= places.max(axis=0) - 1e-6, axis=1)
    beside = [
        template.bore_of(h) for h, is_outer in zip(template.holes, outer, strict=True) if is_outer
    ]
    return max(template.bore_mm, *beside)


def _is_for_access(template: Template, hole: Hole) -> bool:
    """Whether a hole is bored wider than the others: for an access needle through bone."""
    return template.bore_of(hole) > template.bore_mm


def _bore_ring(diameter_mm: float, chord_mm: float) -> NDArray[np.float64]:
    """Corners of a regular polygon around a circle: the full bore stays free."""
    radius = 0.5 * diameter_mm
    sides = max(32, 4 * math.ceil(math.pi / math.acos(radius / (radius + chord_mm)) / 4.0))
    angles = (np.arange(sides) + 0.5) * (2.0 * math.pi / sides)
    corner = radius / math.cos(math.pi / sides)
    return corner * np.column_stack([np.cos(angles), np.sin(angles)])


def _outline(template: Template, labels: BaseGeometry, style: PlateStyle) -> Polygon:
    """Rounded rectangle whose corner at A1 (print pose: X < 0, Y > 0) is cut off."""
    x, y = 0.5 * template.size_mm[0], 0.5 * template.size_mm[1]
    radius = style.corner_radius_mm
    rounded = box(-x, -y, x, y).buffer(-radius).buffer(radius, quad_segs=8)
    needed = labels.buffer(style.wall_mm - 0.01)
    for cut in np.arange(style.chamfer_mm, 1.9, -0.25):
        corner = Polygon([(-x, y), (-x + cut, y), (-x, y - cut)])
        outline = rounded.difference(corner)
        if outline.covers(needed):
            return outline
    raise GeometryError(
        f"template {template.name!r}: the labels leave no room for the cut corner at A1; "
        "raise template.edge_mm"
    )


def _lattice_labels(template: Template, style: PlateStyle) -> BaseGeometry:
    """Column letters along top and bottom, row numbers along left and right (print plane)."""
    columns, rows = _columns_and_rows(template)
    width, height, _ = template.size_mm
    spare = 0.5 * _outer_bore_mm(template) + style.wall_mm + style.text_to_bore_mm
    room = 0.5 * height - max(map(abs, rows.values())) - spare
    tall = room - _CORNER_MM  # out of the way of the first and last row's numbers
    middle = 0.5 * height - style.wall_mm - 0.5 * tall
    words = _margin_words(template, list(columns), tall, False, style)
    letters = shapely.union_all(
        [translate(words[name], columns[name], y) for name in words for y in (-middle, middle)]
    )
    room = 0.5 * width - max(map(abs, columns.values())) - spare
    middle = 0.5 * width - style.wall_mm - 0.5 * room
    words = _margin_words(template, list(rows), room, True, style)
    numbers = [translate(words[name], x, rows[name]) for name in words for x in (-middle, middle)]
    clear = [word for word in numbers if word.distance(letters) >= style.text_to_bore_mm]
    return shapely.union_all([letters, *clear])


def _columns_and_rows(template: Template) -> tuple[dict[str, float], dict[str, float]]:
    """X of every column letter and Y of every row number, as the plan's hole labels state them."""
    columns: dict[str, float] = {}
    rows: dict[str, float] = {}
    for hole in template.holes:
        match = re.fullmatch(r"([A-Z]+)([1-9][0-9]*)", hole.label)
        if match is None:
            raise GeometryError(f"hole label {hole.label!r} is not letters and a number, as C4")
        letters, number = match.groups()
        place = (columns.setdefault(letters, hole.x_mm), rows.setdefault(number, -hole.y_mm))
        if not np.allclose(place, (hole.x_mm, -hole.y_mm), atol=1e-6):
            raise GeometryError(f"hole {hole.label} does not lie in its column and row")
    by_x = sorted(columns, key=lambda letters: (len(letters), letters))
    by_y = sorted(rows, key=int)
    if np.any(np.diff([columns[name] for name in by_x]) <= 0.0) or np.any(
        np.diff([rows[name] for name in by_y]) >= 0.0
    ):
        raise GeometryError(
            f"template {template.name!r} is mirrored: letters must rise along +x and numbers "
            "along +y of the template frame"
        )
    return {name: columns[name] for name in by_x}, {name: rows[name] for name in by_y}


def _margin_words(
    template: Template, names: list[str], room_mm: float, is_row: bool, style: PlateStyle
) -> dict[str, BaseGeometry]:
    """Labels that fit a margin: upright, else turned, else only every second or fourth."""
    reason = GeometryError(f"labels lower than {_LABEL_HEIGHT_LEAST_MM:g} mm are not readable")
    for every in (1, 2, 4):
        along = every * template.pitch_mm
        for turned in (False, True):
            if is_row != turned:
                size = (min(_LABEL_HEIGHT_MM, along - _LABEL_GAP_MM), room_mm)
            else:
                size = (min(_LABEL_HEIGHT_MM, room_mm), along - _LABEL_GAP_MM)
            if size[0] < _LABEL_HEIGHT_LEAST_MM or size[1] < style.stroke_mm:
                continue
            try:
                return {
                    name: rotate(
                        text_outline(
                            name, size[0], max_width_mm=size[1], stroke_mm=style.stroke_mm
                        ),
                        90.0 if turned else 0.0,
                        origin=(0.0, 0.0),
                    )
                    for name in names[::every]
                }
            except GeometryError as error:
                reason = error
    raise GeometryError(
        f"template {template.name!r}: {room_mm:.2f} mm between edge and outer bores are too "
        f"narrow for the hole labels ({reason}); raise template.edge_mm"
    )


def _planned_rings(
    template: Template, holes: Sequence[Hole], labels: BaseGeometry, style: PlateStyle
) -> BaseGeometry:
    """A groove around every planned hole, cut back from text and from neighbouring bores.

    Round, and square where an access needle goes first.
    """
    planned = [hole for hole in holes if hole.state is HoleState.PLANNED]
    if not planned:
        return Polygon()
    marks = [_mark(template, hole, style) for hole in planned]
    disc = shapely.union_all([outer for outer, _ in marks])
    core = shapely.union_all([inner for _, inner in marks])
    others = shapely.union_all(
        [
            _round(hole, 0.5 * template.bore_of(hole) + style.wall_mm)
            for hole in holes
            if hole.state is not HoleState.PLANNED
        ]
    )
    edge = box(
        *(-0.5 * np.asarray(template.size_mm[:2])), *(0.5 * np.asarray(template.size_mm[:2]))
    )
    groove = disc.difference(core).difference(others).difference(labels.buffer(style.wall_mm))
    groove = groove.intersection(edge.buffer(-style.wall_mm))
    half = 0.5 * style.stroke_mm - 1e-3
    return groove.buffer(-half, quad_segs=6).buffer(half, quad_segs=6)


def _mark(template: Template, hole: Hole, style: PlateStyle) -> tuple[BaseGeometry, BaseGeometry]:
    """What is engraved round a planned hole, and the wall round its bore that stays."""
    radius = 0.5 * template.bore_of(hole)
    inner = radius + style.wall_mm
    outer = inner + style.ring_mm
    share = 0.5 * (template.pitch_mm - style.wall_mm)  # a neighbour's mark reaches as far
    access = _is_for_access(template, hole)
    if access:
        outer = min(outer, share)
    widest = 0.5 * _widest_bore_mm(template)
    if outer + style.wall_mm + widest > template.pitch_mm or outer < inner + style.stroke_mm:
        inner = 0.0  # wide bores: no wall left beside them
        outer = max(radius + style.stroke_mm, share)
    x, y = hole.x_mm, -hole.y_mm
    shape = box(x - outer, y - outer, x + outer, y + outer) if access else _round(hole, outer)
    return shape, _round(hole, inner)


def _round(hole: Hole, radius_mm: float) -> BaseGeometry:
    """A disc round a hole, print plane."""
    return Point(hole.x_mm, -hole.y_mm).buffer(radius_mm, quad_segs=12)


def _rim_marks(
    template: Template, plan_id: str, style: PlateStyle
) -> list[tuple[NDArray[np.float64], BaseGeometry]]:
    """What each side face carries, in its own plane: x in reading direction, y = Z - thickness/2.

    Sides are named by their outward normal in print pose.
    """
    width, height, thickness = template.size_mm
    room = thickness - 2.0 * style.wall_mm - style.engraving_depth_mm
    shift = -0.5 * style.engraving_depth_mm  # clear of what is engraved on the operator face
    marks = []
    for normal, length in (
        (np.array([0.0, -1.0, 0.0]), width),
        (np.array([1.0, 0.0, 0.0]), height),
        (np.array([0.0, 1.0, 0.0]), width),
        (np.array([-1.0, 0.0, 0.0]), height),
    ):
        normal_tpl = PRINT_FROM_TEMPLATE[:3, :3] @ normal
        letter = direction_letters(np.asarray(template.lps_from_template)[:3, :3] @ normal_tpl)
        shape = _direction_mark(letter, min(room, 0.2 * length), style)
        free = 0.5 * length - style.corner_radius_mm - style.wall_mm
        left, _, right, _ = shape.bounds
        if normal[1] < 0.0:  # the side nearest the patient's "down": letter at the end, then words
            shape = translate(shape, free - right)
            words = _rim_words(template, plan_id, 2.0 * free - (right - left) - 2.0, room, style)
            shape = shapely.union_all([shape, translate(words, 0.5 * (left - right) - 1.0)])
        elif normal[1] > 0.0:
            up = _up_mark(min(room, 5.0, 0.12 * length), style)
            shape = shapely.union_all([shape, translate(up, left - 2.5 - up.bounds[2])])
            if shape.bounds[0] < -free:  # narrow plate: the group in the middle, not the letter
                shape = translate(shape, -0.5 * (shape.bounds[0] + shape.bounds[2]))
        marks.append((normal, translate(shape, 0.0, shift)))
    return marks


def _rim_words(
    template: Template, plan_id: str, width_mm: float, room_mm: float, style: PlateStyle
) -> BaseGeometry:
    """Plan id and name; where there is room, which gauge goes through the squares first."""
    gauges = {n.bone_access.gauge for n in template.needles if n.bone_access is not None}
    legend = "".join(f" □{gauge}G" for gauge in sorted(gauges))
    plain = f"{plan_id} {template.name}"
    if legend:
        try:
            return _rim_text(plain + legend, width_mm, room_mm, style)
        except GeometryError:  # a long id: the table and the summary say it as well
            pass
    return _rim_text(plain, width_mm, room_mm, style)


def _direction_mark(letter: str, room_mm: float, style: PlateStyle) -> BaseGeometry:
    """Patient direction: one or two letters, in a ring where the rim is high enough for one."""
    cap = min(6.0, 0.5 * room_mm)
    if cap < 3.2:
        return text_outline(letter, min(room_mm, _RIM_HEIGHT_MM), stroke_mm=style.stroke_mm)
    glyph = text_outline(letter, cap, max_width_mm=1.35 * cap, stroke_mm=style.stroke_mm)
    outer = Point(0.0, 0.0).buffer(0.95 * cap + style.ring_mm, quad_segs=16)
    return glyph.union(outer.difference(Point(0.0, 0.0).buffer(0.95 * cap, quad_segs=16)))


def _up_mark(cap_mm: float, style: PlateStyle) -> BaseGeometry:
    """The word UP behind a solid triangle that the finger finds."""
    word = text_outline("UP", cap_mm, stroke_mm=style.stroke_mm)
    half = 0.5 * cap_mm
    triangle = Polygon([(-half, -half), (half, -half), (0.0, half)])
    left, _, _, _ = word.bounds
    return word.union(translate(triangle, left - half - 1.5))


def _rim_text(text: str, width_mm: float, room_mm: float, style: PlateStyle) -> BaseGeometry:
    """Text as large as the rim allows, centred in height; capitals where small letters fill up."""
    reason: GeometryError | None = None
    for words in (text, text.upper()):
        for height in np.arange(min(_RIM_HEIGHT_MM, room_mm), _RIM_HEIGHT_LEAST_MM - 0.01, -0.2):
            try:
                natural = text_outline(words, height, stroke_mm=style.stroke_mm)
                if _width(natural) * 0.8 > width_mm and height > 3.2:
                    continue  # smaller letters read better than crushed ones
                shape = text_outline(
                    words, height, max_width_mm=width_mm, stroke_mm=style.stroke_mm
                )
            except GeometryError as error:
                reason = error
                continue
            _, low, _, high = shape.bounds
            if high - low <= room_mm:
                return translate(shape, 0.0, -0.5 * (low + high))
    raise GeometryError(
        f"text {text!r} is too long for the rim ({width_mm:.0f} x {room_mm:.1f} mm): shorten the "
        f"plan id or make the plate larger{f' ({reason})' if reason else ''}"
    )


def _width(shape: BaseGeometry) -> float:
    left, _, right, _ = shape.bounds
    return float(right - left)


def _side_frame(
    normal: NDArray[np.float64], floor_mm: float, middle_mm: float
) -> NDArray[np.float64]:
    """Frame of a side face: x in reading direction, y towards the operator face, z outward."""
    up = np.array([0.0, 0.0, 1.0])
    frame = np.eye(4)
    frame[:3, 0], frame[:3, 1], frame[:3, 2] = np.cross(up, normal), up, normal
    frame[:3, 3] = normal * floor_mm + up * middle_mm
    return frame


def _carve(shape: BaseGeometry, frame: NDArray[np.float64], style: PlateStyle) -> trimesh.Trimesh:
    """Solid that cuts an area out of a face: from the engraving's floor to outside the plate."""
    shape = shapely.set_precision(shape.simplify(_ROUGH_MM), 1e-4)
    polygons = shape.geoms if isinstance(shape, MultiPolygon) else [shape]
    solids = [
        trimesh.creation.extrude_polygon(
            polygon, style.engraving_depth_mm + _FREE_MM, engine="earcut"
        )
        for polygon in polygons
        if not polygon.is_empty
    ]
    tool: trimesh.Trimesh = trimesh.util.concatenate(solids)  # type: ignore[assignment]
    tool.vertices = transform_points(frame, tool.vertices)
    return tool


def _finished(solid: trimesh.Trimesh, name: str) -> trimesh.Trimesh:
    """Round to what an STL keeps and prove that the result is one closed body."""
    rounded = np.asarray(solid.vertices, dtype=np.float32).astype(np.float64)
    plate = trimesh.Trimesh(rounded, solid.faces, process=True, validate=True)
    if not (plate.is_watertight and plate.is_winding_consistent and plate.is_volume):
        raise GeometryError(f"plate {name!r} is not a closed solid; report this plan as a bug")
    if plate.body_count != 1 or not plate.volume > 0.0:
        raise GeometryError(
            f"plate {name!r} came out as {plate.body_count} bodies of {plate.volume:g} mm3 "
            "instead of one; report this plan as a bug"
        )
    return plate


__all__ = ["DEFAULT_STYLE", "PRINT_FROM_TEMPLATE", "PlateStyle", "build_plate", "plate_in_patient"]
