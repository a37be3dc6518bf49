"""What the operator face carries: hole labels, rings, cross-lines, and the outline around them.

Everything here lies in the print plane: X to the right, Y up as the operator sees them, mm.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from shapely.affinity import rotate, translate
from shapely.geometry import Point, Polygon, box
from shapely.geometry.base import BaseGeometry

from template_designer.errors import GeometryError
from template_designer.geometry.plate_checks import (
    LEAST_SINK_MM,
    columns_and_rows,
    mounting_area,
    sink_mm,
)
from template_designer.geometry.plate_style import ROUGH_MM, PlateStyle
from template_designer.geometry.text import text_outline
from template_designer.model import Hole, HoleState, Template

_LABEL_HEIGHT_MM = 4.0  # at most
_LABEL_HEIGHT_LEAST_MM = 2.2
_LABEL_GAP_MM = 1.7  # between neighbouring labels at least: "1 12" must not read as "11 2"
_CORNER_MM = 0.25  # column letters are this much lower than their margin
_DASH = 2.0  # a piece of a cross-line or of a ring is at least this many strokes long
_RING_LEAST = 0.35  # a ring of which less is left is overlooked


@dataclass(frozen=True, slots=True, eq=False)
class Face:
    """The operator face of one plate."""

    outline: Polygon
    marks: BaseGeometry  # what is engraved
    face_mm: Mapping[str, float]  # radius of every hole at the operator face, with its sink


def lay_out_face(template: Template, holes: Sequence[Hole], style: PlateStyle) -> Face:
    """Place everything on the operator face.

    Parameters
    ----------
    template : Template
        The plate.
    holes : sequence of Hole
        Those that are bored.
    style : PlateStyle
        Limits of the printer.

    Raises
    ------
    GeometryError
        If the plate is too small for its labels or mounting holes cut into them.
    """
    labels = _labels(template, style)
    outline = plate_outline(template, labels, style)
    face_mm = _face_radii(template, holes, labels, style)
    _check_mounting(template, labels, style)
    taken = mounting_area(template, style).union(_around(labels, style.wall_mm))
    rings = _planned_rings(template, holes, face_mm, taken, style)
    cross: BaseGeometry = Polygon()
    if style.cross_lines:
        near = shapely.union_all(
            [_round(hole, face_mm[hole.label] + style.wall_mm) for hole in holes]
        )
        cross = _cross_lines(template, style).difference(near).difference(taken)
        cross = _dashes(cross.difference(_around(rings, style.wall_mm)), style)
    marks = shapely.union_all([labels, rings, cross]).simplify(ROUGH_MM)
    return Face(outline, marks, face_mm)


def _around(shape: BaseGeometry, wall_mm: float) -> BaseGeometry:
    """What lies nearer to an engraving than a wall (a hair more: corners are cut by chords)."""
    return shape.simplify(0.01).buffer(wall_mm + 0.02, quad_segs=4)


def plate_outline(template: Template, labels: BaseGeometry, style: PlateStyle) -> Polygon:
    """Rounded rectangle whose corner at A1 (print pose: X < 0, Y > 0) is cut off.

    Raises
    ------
    GeometryError
        If the labels leave no room for the corners.
    """
    x, y = 0.5 * template.size_mm[0], 0.5 * template.size_mm[1]
    radius = style.corner_radius_mm
    rounded = box(-x, -y, x, y)
    if radius > 0.0:
        rounded = rounded.buffer(-radius).buffer(radius, quad_segs=max(8, round(4.0 * radius)))
    needed = labels.simplify(0.005).buffer(style.wall_mm - 0.01, quad_segs=4)
    outer = _outer(template)
    holes = shapely.union_all(
        [
            _round(h, 0.5 * template.bore_of(h) + style.wall_mm)
            for h in template.holes
            if h.label in outer
        ]
    )
    if rounded.covers(needed) and rounded.covers(holes):
        for cut in np.arange(style.chamfer_mm, 1.9, -0.25):
            outline = rounded.difference(Polygon([(-x, y), (-x + cut, y), (-x, y - cut)]))
            if outline.covers(needed) and outline.covers(holes):
                return outline
    raise GeometryError(
        f"template {template.name!r}: the hole labels leave no room for the cut corner at A1 and "
        f"for corners rounded by {radius:g} mm; raise template.edge_mm or reduce "
        "template.corner_radius_mm"
    )


def _labels(template: Template, style: PlateStyle) -> BaseGeometry:
    """Hole labels, clear of every bore."""
    outer = [hole for hole in template.holes if hole.label in _outer(template)]
    usual = 0.5 * template.bore_mm
    widest = max(usual, *(0.5 * template.bore_of(hole) for hole in outer))
    try:
        return shapely.union_all(_lattice_labels(template, widest, style))
    except GeometryError:
        if widest == usual:
            raise
    words = _lattice_labels(template, usual, style)
    wide = shapely.union_all([_round(h, 0.5 * template.bore_of(h)) for h in outer])
    # beside a bore that is too wide a label stands at the other end of its line alone
    return shapely.union_all([w for w in words if w.distance(wide) >= style.text_to_bore_mm - 0.02])


def _face_radii(
    template: Template, holes: Sequence[Hole], labels: BaseGeometry, style: PlateStyle
) -> dict[str, float]:
    """Radius of every bored hole at the operator face: its counter-sink gives way to the labels."""
    sink, outer = sink_mm(template, holes, style), _outer(template)
    found = {}
    for hole in holes:
        wider = sink
        if hole.label in outer and sink > 0.0:
            ink_mm = labels.distance(Point(hole.x_mm, -hole.y_mm))
            wider = min(sink, ink_mm - style.text_to_bore_mm - 0.5 * template.bore_of(hole))
        found[hole.label] = 0.5 * template.bore_of(hole) + (wider if wider > LEAST_SINK_MM else 0.0)
    return found


def _check_mounting(template: Template, labels: BaseGeometry, style: PlateStyle) -> None:
    """A mounting hole keeps clear of the labels, and leaves every hole room for a ring."""
    for mount in template.features.mounting_holes:
        place = Point(mount.x_mm, -mount.y_mm).buffer(0.5 * mount.diameter_mm)
        where = (
            f"template {template.name!r}: the mounting hole at x = {mount.x_mm:g}, y = "
            f"{mount.y_mm:g} mm"
        )
        if place.intersects(labels):
            raise GeometryError(f"{where} cuts into the hole labels; move it")
        taken = place.buffer(style.wall_mm).union(_around(labels, style.wall_mm))
        for hole in template.holes:
            inner = 0.5 * (template.bore_of(hole) + style.counter_sink_mm) + style.wall_mm
            if place.intersects(_round(hole, inner)):
                continue  # no wall is left: refused for that
            ring = _round(hole, inner + style.stroke_mm).difference(_round(hole, inner))
            left = ring.difference(taken).area / ring.area
            if ring.distance(place) < style.wall_mm and left < _RING_LEAST:
                raise GeometryError(
                    f"{where} leaves hole {hole.label} no room for the ring that it gets where it "
                    "is planned; move it"
                )


def _outer(template: Template) -> frozenset[str]:
    """Labels of the holes beside the margin, where the letters and numbers are."""
    places = np.abs([(hole.x_mm, hole.y_mm) for hole in template.holes])
    outer = np.any(places >= places.max(axis=0) - 1e-6, axis=1)
    return frozenset(h.label for h, is_outer in zip(template.holes, outer, strict=True) if is_outer)


def _lattice_labels(template: Template, radius_mm: float, style: PlateStyle) -> list[BaseGeometry]:
    """Column letters along top and bottom, row numbers along left and right (print plane).

    ``radius_mm`` is that of the holes beside them.
    """
    columns, rows = columns_and_rows(template)
    width, height, _ = template.size_mm
    spare = radius_mm + style.wall_mm + style.text_to_bore_mm
    room = 0.5 * height - max(map(abs, rows.values())) - spare
    tall = room - _CORNER_MM  # out of the way of the first and last row's numbers
    middle = 0.5 * height - style.wall_mm - 0.5 * tall
    words = _margin_words(template, list(columns), tall, False, style)
    letters = [
        translate(words[name], columns[name], y) for name in words for y in (-middle, middle)
    ]
    room = 0.5 * width - max(map(abs, columns.values())) - spare
    middle = 0.5 * width - style.wall_mm - 0.5 * room
    words = _margin_words(template, list(rows), room, True, style)
    numbers = [translate(words[name], x, rows[name]) for name in words for x in (-middle, middle)]
    joined = shapely.union_all(letters)
    clear = [word for word in numbers if word.distance(joined) >= style.text_to_bore_mm]
    return [*letters, *clear]


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
    template: Template,
    holes: Sequence[Hole],
    face_mm: Mapping[str, float],
    taken: BaseGeometry,
    style: PlateStyle,
) -> BaseGeometry:
    """A groove around every planned hole, cut back from text and from neighbouring bores.

    Round, and square where an access needle goes first. Grooves with less than a wall between
    them join.
    """
    planned = [hole for hole in holes if hole.state is HoleState.PLANNED]
    if not planned:
        return Polygon()
    marks = [_mark(template, hole, face_mm, style) for hole in planned]
    others = [
        _round(hole, face_mm[hole.label] + style.wall_mm)
        for hole in holes
        if hole.state is not HoleState.PLANNED
    ]
    cores = [inner for _, inner in marks]
    spared = shapely.union_all([*cores, *others, taken])
    x, y = 0.5 * template.size_mm[0] - style.wall_mm, 0.5 * template.size_mm[1] - style.wall_mm
    groove = shapely.union_all([outer for outer, _ in marks]).difference(spared)
    half_wall = 0.5 * style.wall_mm - 1e-3
    joined = groove.simplify(0.005).buffer(half_wall, quad_segs=4).buffer(-half_wall, quad_segs=4)
    groove = joined.union(groove).difference(spared).intersection(box(-x, -y, x, y))
    pieces = shapely.get_parts(_opened(groove, style))
    return shapely.union_all([p for p in pieces if p.area > _DASH * style.stroke_mm**2])


def _opened(shape: BaseGeometry, style: PlateStyle) -> BaseGeometry:
    """What a round tool of one stroke can reach: slivers are left out."""
    half = 0.5 * style.stroke_mm - 1e-3
    return shape.simplify(0.005).buffer(-half, quad_segs=6).buffer(half, quad_segs=6)


def _mark(
    template: Template, hole: Hole, face_mm: Mapping[str, float], style: PlateStyle
) -> tuple[BaseGeometry, BaseGeometry]:
    """What is engraved round a planned hole, and the wall round its bore that stays."""
    radius = face_mm[hole.label]
    inner = radius + style.wall_mm
    share = 0.5 * (template.pitch_mm - style.wall_mm)  # a neighbour's mark reaches as far
    outer = max(min(inner + style.ring_mm, share), inner + style.stroke_mm)
    if outer + style.wall_mm + max(face_mm.values()) > template.pitch_mm:
        inner = 0.0  # wide bores: no wall left beside them
        outer = max(radius + style.stroke_mm, share)
    x, y = hole.x_mm, -hole.y_mm
    access = template.bore_of(hole) > template.bore_mm  # for a needle through bone
    shape = box(x - outer, y - outer, x + outer, y + outer) if access else _round(hole, outer)
    return shape, _round(hole, inner) if inner > 0.0 else Polygon()


def _round(hole: Hole, radius_mm: float) -> BaseGeometry:
    """A disc round a hole, print plane."""
    return Point(hole.x_mm, -hole.y_mm).buffer(radius_mm, quad_segs=12)


def _cross_lines(template: Template, style: PlateStyle) -> BaseGeometry:
    """Both axes of the template, from the first to the last line of holes.

    They end there: between two labels a stroke would read as a 1.
    """
    half = 0.5 * style.stroke_mm + ROUGH_MM
    x, y = np.abs([(hole.x_mm, hole.y_mm) for hole in template.holes]).max(axis=0)
    return shapely.union_all([box(-x, -half, x, half), box(-half, -y, half, y)])


def _dashes(cross: BaseGeometry, style: PlateStyle) -> BaseGeometry:
    """The pieces of the cross-lines that are long enough to be seen as a line."""
    pieces = shapely.get_parts(_opened(cross, style))
    long_mm = _DASH * style.stroke_mm
    kept = []
    for piece in pieces:
        left, low, right, high = piece.bounds
        if max(right - left, high - low) >= long_mm:
            kept.append(piece)
    return shapely.union_all(kept)
